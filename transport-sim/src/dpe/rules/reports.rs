//! P22, P23, P25 and P27: when policies report, and that none disturbs another.

use std::collections::{BTreeMap, BTreeSet};

use core_kit::{Millis, Tick, UnixMillis};
use dpe_core::{
    codes::Code,
    ids::{ClientId, SpId},
    wire::{Kind, Message},
};

use super::{Key, Post, Request, client_of, doubt::excused, text};
use crate::{Ledger, NodeId, Rule, RuleId, dpe::Backend};

/// P22. A report is not acknowledged on DPE-2, so one that is lost is lost: what is promised is that none is invented, and
/// that copies of one can be told by their number and time.
pub const GENUINE: Rule = Rule {
    id: RuleId("P22"),
    says: "every report is one that the client sent, and two of one number and time are the same",
};
/// P23.
pub const CROSSING: Rule = Rule {
    id: RuleId("P23"),
    says: "a threshold reports when it is crossed, and again only after the value had left it",
};
/// P25.
pub const INDEPENDENT: Rule =
    Rule { id: RuleId("P25"), says: "the release of a policy leaves all others of its client in place" };
/// P27. The rate is that of each policy; what a client may send in all is bounded by their number.
pub const SPACED: Rule =
    Rule { id: RuleId("P27"), says: "a policy on changes does not report more often than it was told to" };

/// The terms of the thresholds in this world: below 30, and armed again from 35 on.
const BOUND: i64 = 30;
const ARMED: i64 = 35;
/// Twenty seconds, by a clock that may be fast by a twentieth.
const SPACE_MS: u64 = 18_900;

/// A policy as a client knows it.
struct Installed {
    is_threshold: bool,
    reported: Option<Tick>,
    armed: bool,
}

/// A policy as an SP has set it.
struct Set {
    client: ClientId,
    policy: String,
    /// The group that it watches, where it watches one.
    group: String,
    /// When its time is over at the earliest: whether its SP is told so is not judged here.
    until: Tick,
}

/// What tells a report from all others of its client.
type Name = (ClientId, u64, UnixMillis);

fn name_of(message: &Message) -> Option<Name> {
    Some((client_of(message)?, *message.sequence.get()?, *message.timestamp.get()?))
}

#[derive(Default)]
pub(super) struct Reports {
    /// What each client reported, and what of it somebody has changed, on its way or as it left.
    sent: BTreeSet<Name>,
    altered: BTreeSet<Name>,
    contents: BTreeMap<(Key, u64, UnixMillis), String>,
    installed: BTreeMap<(NodeId, String), Installed>,
    wanted: BTreeMap<Key, Set>,
    live: BTreeMap<Key, Set>,
    /// Clients of whose policies the step under way has released some.
    released: BTreeSet<ClientId>,
}

impl Reports {
    /// The server took a request, at this time by the clock of its node.
    pub(super) fn took(&mut self, sp: &SpId, at: Tick, request: &Request) {
        if matches!(request.message.kind, Kind::PropertyPolicySet | Kind::GroupPolicySet)
            && let Some(client) = client_of(&request.message)
        {
            let duration = request.message.duration.get();
            let until = duration.map_or(Tick(u64::MAX), |seconds| at + Millis::from_secs(u64::from(*seconds)));
            let (policy, group) = (text(&request.message.policy_id), text(&request.message.group_id));
            self.wanted.insert((sp.clone(), request.id.clone()), Set { client, policy, group, until });
        }
    }

    /// A request has reached a client. One that was changed on its way may have set anything.
    pub(super) fn set(&mut self, node: NodeId, message: &Message, is_altered: bool) {
        if is_altered {
            return self.forget(node);
        }
        let kind = message.policy_type.get().map(String::as_str);
        match message.kind {
            Kind::PropertyPolicySet | Kind::GroupPolicySet if matches!(kind, Some("Threshold" | "OnChange")) => {
                let installed = Installed { is_threshold: kind == Some("Threshold"), reported: None, armed: true };
                self.installed.insert((node, text(&message.policy_id)), installed);
            }
            _ => {}
        }
    }

    /// The values of a device have changed.
    pub(super) fn sampled(&mut self, node: NodeId, level: i64) {
        for ((of, _), installed) in &mut self.installed {
            installed.armed |= *of == node && level >= ARMED;
        }
    }

    /// A device is not what it was: nothing is known of its policies.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.installed.retain(|(of, _), _| *of != node);
    }

    /// A message of a client has reached the server as something else than it was.
    pub(super) fn altered(&mut self, message: &Message) {
        if let Some(name) = name_of(message) {
            self.sent.insert(name.clone());
            self.altered.insert(name);
        }
    }

    /// A message leaves a client. If that did not send it, or not now, it says nothing of when its machine reports.
    pub(super) fn reported(&mut self, at: Tick, node: NodeId, message: &Message, is_other: bool, ledger: &mut Ledger) {
        if is_other {
            return self.altered(message);
        }
        if !message.kind.is_report() {
            return;
        }
        self.sent.extend(name_of(message));
        let policy = text(&message.policy_id);
        let Some(installed) = self.installed.get_mut(&(node, policy.clone())) else { return };
        if installed.is_threshold {
            let values = message.results.iter().filter_map(|result| result.values.get());
            let level = values.flatten().next().and_then(|value| value.text.parse::<i64>().ok());
            let is_crossed = installed.armed && level.is_some_and(|level| level < BOUND);
            installed.armed = false;
            ledger.judge(CROSSING, is_crossed, || format!("{policy} of device {node} reports {level:?} again"));
        } else if let Some(before) = installed.reported.replace(at) {
            let is_spaced = at.0 >= before.0 + SPACE_MS;
            ledger.judge(SPACED, is_spaced, || format!("{policy} of device {node} reports after {before:?}"));
        }
    }

    pub(super) fn posted(&mut self, post: &Post<'_>, ledger: &mut Ledger) {
        let message = post.message;
        match message.kind {
            Kind::PropertyReport | Kind::GroupReport => {
                if matches!(message.status.get(), Some(&Code::POLICY_EXPIRED | &Code::POLICY_ID_NOT_REGISTERED)) {
                    self.live.remove(&post.key());
                }
                let Some(name) = name_of(message) else { return };
                let (sequence, is_sent) = (name.1, self.sent.contains(&name));
                let shown = message.results.iter().filter_map(|result| result.values.get()).flatten();
                let content: String = shown.map(|value| value.text.as_str()).collect();
                let is_altered = self.altered.contains(&name);
                let is_same = match self.contents.insert((post.key(), sequence, name.2), content.clone()) {
                    Some(before) => before == content || excused("excused-P22", before != content, is_altered, ledger),
                    None => true,
                };
                ledger.judge(GENUINE, is_sent && is_same, || format!("report {sequence} of {} {}", post.sp, post.id));
            }
            Kind::PropertyPolicySetAck | Kind::GroupPolicySetAck if post.is_ok() => {
                let set = self.wanted.remove(&post.key());
                self.live.extend(set.map(|set| (post.key(), set)));
            }
            Kind::PolicyReleaseAck => {
                let Some(client) = client_of(message) else { return };
                let policy = text(&message.policy_id);
                self.live.retain(|(sp, _), set| *sp != *post.sp || set.client != client || set.policy != policy);
                if post.is_ok() {
                    self.released.insert(client);
                }
            }
            // A group takes the policies on it along, also where its client had forgotten it.
            Kind::GroupReleaseAck => {
                let group = text(&message.group_id);
                self.live.retain(|(sp, _), set| *sp != *post.sp || set.group.is_empty() || set.group != group);
            }
            _ => {}
        }
    }

    /// A step of the server is stored. It may have released more than one policy.
    pub(super) fn committed(&mut self, at: Tick, shared: &Backend, ledger: &mut Ledger) {
        for client in core::mem::take(&mut self.released) {
            let others = self.live.values().filter(|set| set.client == client && at < set.until).count();
            if others > 0
                && let Ok(Some(device)) = shared.device(&client)
            {
                let held = device.settings().1;
                ledger.judge(INDEPENDENT, held >= others, || format!("{client} has {held} of {others} policies"));
            }
        }
    }
}
