//! P17, P26, P29 and P31: what must be true when the world has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use dpe_core::{
    client::PhaseKind,
    ids::ClientId,
    server::device::{Device, table},
};

use super::{Doubt, doubt::excused};
use crate::{
    Figure, Ledger, NodeId, Rule, RuleId,
    dpe::{Backend, Fact},
};

/// P17.
pub const CONVERGED: Rule = Rule {
    id: RuleId("P17"),
    says: "in the end every client is registered, and the server knows it by the same Client-ID",
};
/// P26.
pub const KEPT: Rule = Rule {
    id: RuleId("P26"),
    says: "in the end a client has the groups and policies that the server believes it has, and no SP waits for a policy",
};
/// P29.
pub const RETURNED: Rule = Rule {
    id: RuleId("P29"),
    says: "in the end no request holds a place: no dialogue is open, and nothing is undelivered",
};
/// P31.
pub const TIMERS: Rule = Rule { id: RuleId("P31"), says: "in the end no timer is left" };

/// Where everybody stood last.
#[derive(Default)]
pub(super) struct Rest {
    standing: BTreeMap<NodeId, Fact>,
}

impl Rest {
    pub(super) fn noted(&mut self, node: NodeId, fact: &Fact) {
        self.standing.insert(node, fact.clone());
    }

    pub(super) fn finish(&self, devices: &BTreeSet<NodeId>, doubt: &Doubt, shared: &Backend, ledger: &mut Ledger) {
        let mut good = true;
        for node in devices {
            let found = match self.standing.get(node) {
                Some(Fact::Standing { phase: PhaseKind::Registered, client: Some(client), settings }) => {
                    known(shared, client).map(|device| (device, *settings))
                }
                _ => None,
            };
            good &= found.is_some();
            ledger.judge(CONVERGED, found.is_some(), || {
                format!("device {node}: {}", self.standing.get(node).map(ToString::to_string).unwrap_or_default())
            });
            if let Some((device, settings)) = found {
                // What a client took up again after the server had removed it goes with its next report, or never: the
                // server does not know of it.
                let believed = device.settings();
                let is_other = believed != settings;
                let has_more = believed.0 <= settings.0 && believed.1 <= settings.1 && doubt.has_more(*node);
                // What a late copy of a release took along comes back when the client registers, and no sooner: its
                // acknowledgement is nobody's any more.
                let has_less = believed.0 >= settings.0 && believed.1 >= settings.1 && doubt.is_emptied(*node);
                let is_excused = has_more || has_less;
                let is_kept = !is_other || excused("excused-P26", is_other, is_excused, ledger);
                good &= is_kept;
                ledger.judge(KEPT, is_kept, || {
                    format!("device {node} has {settings:?}, and the server believes {:?}", device.settings())
                });
            }
        }
        for (node, fact) in &self.standing {
            if let Fact::Holds { policies, unfinished, .. } = fact {
                ledger.judge(KEPT, *policies == 0, || format!("SP {node} waits for {policies} policies"));
                ledger.judge(RETURNED, *unfinished == 0, || format!("SP {node} waits for {unfinished} answers"));
            }
        }
        for (sp, _) in shared.gates().rows() {
            let open = shared.gate(sp).ok().flatten().map(|gate| gate.unanswered());
            ledger.judge(RETURNED, open == Some(0), || format!("{open:?} dialogues of {sp} are open"));
        }
        for (sp, line) in shared.lines() {
            ledger.judge(RETURNED, line.is_empty(), || format!("{} messages for {sp} are undelivered", line.len()));
        }
        for (client, row) in shared.devices().rows() {
            let deadline = row.value.as_ref().and_then(|stored| stored.deadline);
            ledger.judge(TIMERS, deadline.is_none(), || format!("{client} has a timer at {deadline:?}"));
        }
        ledger.count("converged", Figure::Sum(u64::from(good)));
    }
}

/// The machine of a Client-ID, if the server knows its client as registered.
fn known(shared: &Backend, client: &ClientId) -> Option<Device> {
    let device = shared.device(client).ok().flatten()?;
    let association = shared.directory()?.value.association(client)?;
    let is_registered = device.phase() == table::PhaseKind::Active && association.complete && !association.suspended;
    is_registered.then_some(device)
}
