//! D35: what a server believes of a device is so.

use std::collections::{BTreeMap, BTreeSet};

use core_kit::Body;
use dm_core::{
    ids::DeviceId,
    server::Request,
    tree::{Content, Op},
    wire::Format,
};

use super::{Stage, Watcher, step_of};
use crate::{
    End, Ledger, NodeId, Rule, RuleId,
    dm::{Backend, Fact, Fingerprint, OrderState, Services},
};

/// D35.
pub const SAME_VIEW: Rule = Rule {
    id: RuleId("D35"),
    says: "a value that a server has read is one that the node had, and the node has what a server has written",
};

/// Every value that was read, by device and address.
#[derive(Default)]
pub(super) struct View {
    read: BTreeMap<(NodeId, String), BTreeMap<[u8; 16], Body>>,
    /// Services with devices whose sessions were open when the store went back: of a value that came in parts then, the first
    /// ones may be gone with it, and the last one is taken for the whole, since a message may be missing [DM digest 3.3].
    gone_back: BTreeSet<(usize, DeviceId)>,
}

impl Watcher for View {
    fn rules(&self) -> &'static [Rule] {
        &[SAME_VIEW]
    }

    fn noted(&mut self, stage: &Stage, node: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        if let (Fact::Restored { sessions, .. }, Some(service)) = (fact, stage.servers.get(&node)) {
            self.gone_back.extend(sessions.iter().map(|(device, _)| (*service, device.clone())));
        }
        let Some(step) = step_of(fact).filter(|step| step.result.status.is_success()) else { return };
        let node = stage.original(node);
        match &step.op {
            Op::Get { .. } => {
                for found in &step.result.found {
                    if let Some(data) = &found.content.data {
                        self.reads(node, &found.uri, data);
                    }
                }
            }
            // The size of a message may leave the whole of a value to be read apart, and yet to be sent as one.
            Op::Read { uri, .. } => {
                if let Some(value) = step.after.node(uri).and_then(|node| node.value()) {
                    self.reads(node, uri, value);
                }
            }
            Op::Add { uri, content } | Op::Replace { uri, content } if !uri.contains('?') && is_plain(content) => {
                let value = step.after.node(uri).and_then(|node| node.value());
                let is_same = value.map_or(content.data.is_none(), |value| Some(value) == content.data.as_ref());
                let is_interior = step.after.node(uri).is_some_and(dm_core::tree::Node::is_interior);
                ledger.judge(SAME_VIEW, is_same || is_interior, || format!("{} {uri} has another value", step.name()));
            }
            _ => {}
        }
    }

    fn finish(&mut self, stage: &Stage, end: &End<'_, Services>, ledger: &mut Ledger) {
        let stores = end.shared.iter().map(Backend::devices).enumerate();
        let rows = stores.flat_map(|(service, devices)| devices.rows().map(move |(id, row)| (service, id, row)));
        // What was changed on its way, and sealed by nothing, is believed.
        for (service, id, row) in rows.filter(|(service, id, _)| !stage.is_misled(id, *service)) {
            for job in row.value.orders.values() {
                let (Request::Get(_), OrderState::Done(done)) = (&job.order.request, &job.state) else { continue };
                for found in done.items.iter().flat_map(|item| &item.found) {
                    self.judge((service, id, row.value.node), &found.uri, &found.content, ledger);
                }
            }
        }
    }
}

impl View {
    fn reads(&mut self, node: NodeId, uri: &str, value: &Body) {
        let values = self.read.entry((node, uri.to_owned())).or_default();
        values.entry(Fingerprint::of(value).hash).or_insert_with(|| value.clone());
    }

    fn judge(
        &self,
        (service, id, node): (usize, &DeviceId, NodeId),
        uri: &str,
        content: &Content,
        ledger: &mut Ledger,
    ) {
        let Some(data) = content.data.as_ref().filter(|_| content.format != Some(Format::B64)) else { return };
        let values = self.read.get(&(node, uri.to_owned()));
        let was_read = values.is_some_and(|all| all.contains_key(&Fingerprint::of(data).hash));
        let is_end = || values.is_some_and(|all| all.values().any(|value| value.ends_with(data)));
        let is_so = was_read || (self.gone_back.contains(&(service, id.clone())) && is_end());
        ledger.judge(SAME_VIEW, is_so, || format!("{uri} of {id} never had the value that its server has"));
    }
}

/// Whether the value is in the operation as the node keeps it.
fn is_plain(content: &Content) -> bool {
    content.in_parts.is_none()
        && !matches!(content.format, Some(Format::B64 | Format::Bin | Format::Xml | Format::Node))
}
