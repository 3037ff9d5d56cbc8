//! P10, P15, P16, P18, P19 and P32: how registrations begin, change hands and end.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use core_kit::{Millis, Tick};
use dpe_core::{
    ids::ClientId,
    server::device::table::PhaseKind,
    wire::{Kind, Message},
};

use super::{Doubt, Post, Watched, client_of, doubt::excused};
use crate::{Channel, Ledger, NodeId, Rule, RuleId, dpe::Backend};

/// P10. A Client-ID is the same for all SPs, so that those of one device can be linked; its promise is that it says
/// nothing: neither of the person or device, nor of other Client-IDs.
pub const UNLINKABLE: Rule =
    Rule { id: RuleId("P10"), says: "a Client-ID shows no identity, and has nothing in common with any other" };
/// P15.
pub const ONE_ACTIVE: Rule = Rule {
    id: RuleId("P15"),
    says: "requests under a Client-ID go over to another client only when that has registered",
};
/// P16.
pub const IDEMPOTENT: Rule =
    Rule { id: RuleId("P16"), says: "a registration that comes twice is given the same Client-ID twice" };
/// P18. A registration has no time to live: it ends when it is not completed, and is none until then.
pub const COMPLETE: Rule =
    Rule { id: RuleId("P18"), says: "nothing succeeds for a Client-ID whose registration is not complete" };
/// P19.
pub const WHOLE: Rule = Rule {
    id: RuleId("P19"),
    says: "after a crash of a server node every registration is there with its device, or not at all",
};
/// P32. DPE has no consent of its own; a user who wants no session is the nearest.
pub const DECLINED: Rule = Rule {
    id: RuleId("P32"),
    says: "once a client has declined, nothing of it is given any more, from the cache neither",
};

/// What two random Client-IDs do not share at either end.
const SHARED: usize = 12;

pub(super) struct Lives {
    identities: Vec<String>,
    known: BTreeSet<ClientId>,
    /// Registrations of each device that have reached the server.
    registered: BTreeMap<NodeId, u64>,
    /// Where requests under a Client-ID go, and how many registrations of each client had come when they turned to it.
    active: BTreeMap<ClientId, NodeId>,
    turned: BTreeMap<(ClientId, NodeId), u64>,
    /// The last registration of each device, and what was given for it, and when.
    last: BTreeMap<NodeId, Last>,
    /// The identities that each device has registered with so far.
    asked_as: BTreeMap<NodeId, BTreeSet<String>>,
    patience: Millis,
    contacts: BTreeMap<NodeId, String>,
    /// The ends of registrations that have come and were not taken yet, by their exchanges: whose, and of which Client-ID.
    ends: BTreeMap<Channel, (NodeId, ClientId)>,
}

struct Last {
    /// The channels that it came on: it may come again on another one.
    channels: BTreeSet<Channel>,
    body: Bytes,
    identities: BTreeSet<String>,
    given: Option<Given>,
}

/// The answer to a request. All times are those of the steps of server nodes, whose clocks differ.
struct Given {
    client: ClientId,
    /// When the server no longer waits for the end of this registration, and the latest of its steps so far.
    until: Tick,
    latest: Tick,
}

impl Lives {
    pub(super) fn new(watched: &Watched) -> Self {
        Self {
            identities: watched.identities.iter().map(|identity| identity.replace([':', '+'], "")).collect(),
            known: BTreeSet::new(),
            registered: BTreeMap::new(),
            active: BTreeMap::new(),
            turned: BTreeMap::new(),
            last: BTreeMap::new(),
            asked_as: BTreeMap::new(),
            patience: watched.config.reg.ack_timeout,
            contacts: watched.devices.clone(),
            ends: BTreeMap::new(),
        }
    }

    /// A registration of this client has come.
    #[cfg(test)]
    pub(super) fn has_registered(&mut self, node: NodeId) {
        *self.registered.entry(node).or_default() += 1;
    }

    /// A message of a client has reached the server.
    pub(super) fn arrived(&mut self, node: NodeId, channel: Channel, body: &Bytes, message: &Message) {
        if message.kind == Kind::RegisterSuccess {
            // With this the registration takes effect: whoever else has the same user or device may lose what he was given.
            // And this client's own other request is over, when what it takes is what an earlier one was given.
            let asked = self.asked_as.entry(node).or_default();
            let taken = client_of(message);
            self.ends.extend(taken.clone().map(|client| (channel, (node, client))));
            self.last.retain(|of, last| match (*of == node, &last.given, &taken) {
                (false, ..) => last.identities.is_disjoint(asked),
                (true, Some(given), Some(taken)) => given.client == *taken,
                (true, ..) => true,
            });
        }
        if message.kind != Kind::RegisterRequest {
            return;
        }
        *self.registered.entry(node).or_default() += 1;
        let both = [&message.device_identity, &message.user_identity].into_iter().filter_map(|identity| identity.get());
        // A request without a user is about the user whom the device had before.
        let identities = self.asked_as.entry(node).or_default();
        identities.extend(both.map(|identity| identity.text.clone()));
        let identities = identities.clone();
        // Whoever else registers the same user or device changes what is given.
        self.last.retain(|of, last| *of == node || last.identities.is_disjoint(&identities));
        if let Some(last) = self.last.get_mut(&node).filter(|last| last.body == *body) {
            last.channels.insert(channel);
        } else {
            let last = Last { channels: [channel].into(), body: body.clone(), identities, given: None };
            self.last.insert(node, last);
        }
    }

    /// The server has taken the message of this exchange. A request that arrived after the end of another registration may
    /// have been taken before it, when that lost a race or its node stood still: what that ends is over only now.
    pub(super) fn took(&mut self, exchange: Channel) {
        let Some((node, taken)) = self.ends.remove(&exchange) else { return };
        let asked = self.asked_as.entry(node).or_default();
        let is_it = |last: &Last| last.given.as_ref().is_none_or(|given| given.client == taken);
        self.last.retain(|of, last| if *of == node { is_it(last) } else { last.identities.is_disjoint(asked) });
    }

    /// The machine of a client has taken a step, at this time of its node.
    pub(super) fn stepped(&mut self, at: Tick, client: &ClientId) {
        let given = self.last.values_mut().filter_map(|last| last.given.as_mut());
        given.filter(|given| given.client == *client).for_each(|given| given.latest = given.latest.max(at));
    }

    /// A client is given a Client-ID, by a step at this time of its node.
    pub(super) fn given(
        &mut self,
        at: Tick,
        sent: &crate::Message,
        message: &Message,
        doubt: &Doubt,
        ledger: &mut Ledger,
    ) {
        let Some(client) = client_of(message).filter(|_| message.kind == Kind::RegisterResponse) else { return };
        if let Some(last) = self.last.get_mut(&sent.to).filter(|last| last.channels.contains(&sent.channel)) {
            match &last.given {
                Some(Given { client: before, until, latest }) if at.max(*latest) < *until => {
                    let is_other = *before != client;
                    let is_same = !is_other || excused("excused-P16", is_other, doubt.is_of(sent.to), ledger);
                    ledger
                        .judge(IDEMPOTENT, is_same, || format!("device {} is given {before}, then {client}", sent.to));
                }
                _ => last.given = Some(Given { client: client.clone(), until: at + self.patience, latest: at }),
            }
        }
        if !self.known.contains(&client) {
            let text = client.as_str();
            let head = |text: &str| text.get(..SHARED).map(str::to_owned);
            let tail = |text: &str| text.get(text.len().saturating_sub(SHARED)..).map(str::to_owned);
            let other = self
                .known
                .iter()
                .find(|other| head(other.as_str()) == head(text) || tail(other.as_str()) == tail(text));
            let shown = self.identities.iter().any(|identity| text.contains(identity.as_str()));
            ledger.judge(UNLINKABLE, other.is_none() && !shown, || format!("{client} is like {other:?}"));
            self.known.insert(client);
        }
    }

    /// A client is asked something.
    pub(super) fn asked(&mut self, node: NodeId, message: &Message, doubt: &Doubt, ledger: &mut Ledger) {
        let Some(client) = client_of(message).filter(|_| message.kind.is_request()) else { return };
        if self.active.insert(client.clone(), node) == Some(node) {
            return;
        }
        let came = self.registered.get(&node).copied().unwrap_or_default();
        let before = self.turned.insert((client.clone(), node), came).unwrap_or_default();
        // Whoever registered with this device's contact, as damage had it, is asked here.
        let is_led = self.contacts.get(&node).is_some_and(|contact| doubt.is_led_to(node, contact, &client));
        let (is_new, doubted) = (came > before, is_led || doubt.is_about(node, &client));
        let is_its = is_new || excused("excused-P15", !is_new, doubted, ledger);
        ledger.judge(ONE_ACTIVE, is_its, || format!("{client} goes over to device {node}, which has not registered"));
    }

    pub(super) fn posted(post: &Post<'_>, shared: &Backend, ledger: &mut Ledger) {
        let Some(client) = client_of(post.message) else { return };
        let association = shared.directory().and_then(|row| row.value.association(&client));
        let how = || format!("{} under {client} succeeds for {}", post.message.kind.name(), post.sp);
        match association {
            Some(association) if association.suspended => ledger.judge(DECLINED, !post.is_ok(), how),
            Some(association) if association.complete => {}
            _ => ledger.judge(COMPLETE, !post.is_ok(), how),
        }
    }

    /// A server node has crashed.
    pub(super) fn crashed(shared: &Backend, ledger: &mut Ledger) {
        let Some(row) = shared.directory() else { return };
        let of = |client: &ClientId| shared.device(client).ok().flatten().map(|device| device.phase());
        let half = row.value.associations().find(|(client, known)| {
            of(client).is_none_or(|phase| known.complete && !known.suspended && phase == PhaseKind::Unknown)
        });
        ledger.judge(WHOLE, half.is_none(), || format!("{:?} is there by half", half.map(|(client, _)| client)));
    }
}
