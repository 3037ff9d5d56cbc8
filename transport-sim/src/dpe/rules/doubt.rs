//! Whom the rules must not blame: what a device says that was damaged on its way, or that its machine never said.
//!
//! Each excuse has its reason here, and reaches no further than that. Where one decides, it is [counted](excused): a rule
//! that is excused as often as it is judged would judge nothing.

use std::collections::{BTreeMap, BTreeSet};

use core_kit::Tick;
use dpe_core::{
    ids::{ClientId, Token},
    property::read_result,
    wire::{Ie, Kind, Message, PropertyName},
};

use super::client_of;
use crate::{FaultId, Figure, Ledger, NodeId, dpe::Fact};

/// How late a request is that nobody waits for any more.
const LATE_MS: u64 = 20_000;

/// Whether the excuse decides, which is counted under this name: without it the rule would be broken.
pub(super) fn excused(name: &'static str, is_broken: bool, excuse: bool, ledger: &mut Ledger) -> bool {
    if is_broken && excuse {
        ledger.count(name, Figure::Sum(1));
    }
    is_broken && excuse
}

/// Devices, Client-IDs and messages of which not everything that is said is true.
#[derive(Default)]
pub(super) struct Doubt {
    /// Devices that have said, or were told, what nobody meant: what they have and who they are may be anything.
    nodes: BTreeSet<NodeId>,
    /// Client-IDs that such a message names.
    clients: BTreeSet<ClientId>,
    /// Those of both for which that was a message of a registration: who is who may be untrue. All other messages spoil
    /// no more than what they say.
    misled: BTreeSet<NodeId>,
    misnamed: BTreeSet<ClientId>,
    /// Values that came in such messages.
    damaged: BTreeMap<(ClientId, PropertyName), BTreeSet<String>>,
    /// The devices that each one has presented itself as, other than itself.
    posed: BTreeMap<NodeId, BTreeSet<NodeId>>,
    /// Devices that went back to what they had stored before.
    forgot: BTreeSet<NodeId>,
    /// When messages left, and parties that one reached after its time was over: for the first time, or once more.
    asked: BTreeMap<u64, Tick>,
    late: BTreeSet<NodeId>,
    /// Those whom a release reached so: one of everything takes along what was set since.
    released: BTreeSet<NodeId>,
    /// Of these, those who have not registered since: whoever does gets his settings again.
    emptied: BTreeSet<NodeId>,
    given: BTreeMap<NodeId, BTreeSet<ClientId>>,
    /// Client-IDs whose settings a device has released when it was another client, and was told to release all that it had.
    stripped: BTreeSet<(NodeId, ClientId)>,
    /// The contacts in each device's registrations that were damaged: whatever is for that device goes there.
    led_to: BTreeMap<NodeId, BTreeSet<String>>,
    /// Who said that his next message is not his machine's, and how.
    hostile: BTreeMap<NodeId, FaultId>,
    /// Messages that are not those of their machines, by number; those that their machines did send, at another time; and
    /// those without their sender's credentials.
    forged: BTreeSet<u64>,
    untimely: BTreeSet<u64>,
    unproven: BTreeSet<u64>,
}

impl Doubt {
    /// Whether what is said of this device, or under this Client-ID, may be untrue.
    pub(super) fn is_about(&self, node: NodeId, client: &ClientId) -> bool {
        self.nodes.contains(&node) || self.clients.contains(client)
    }

    /// Whether what this party says may be untrue.
    pub(super) fn is_of(&self, node: NodeId) -> bool {
        self.nodes.contains(&node)
    }

    /// Whether more than one device may speak under this Client-ID.
    pub(super) fn is_under(&self, client: &ClientId) -> bool {
        let is_of = |node: &NodeId| self.given.get(node).is_some_and(|given| given.contains(client));
        self.misnamed.contains(client) || self.misled.iter().chain(self.posed.keys()).any(is_of)
    }

    /// Whether damage made another device, which was given this Client-ID, register with the contact of this one.
    pub(super) fn is_led_to(&self, node: NodeId, contact: &str, client: &ClientId) -> bool {
        let is_of = |from: &NodeId| self.given.get(from).is_some_and(|given| given.contains(client));
        self.led_to.iter().any(|(from, contacts)| *from != node && contacts.contains(contact) && is_of(from))
    }

    /// Whether this device may not be the one that has this Client-ID.
    pub(super) fn is_misled(&self, node: NodeId, client: &ClientId) -> bool {
        self.misled.contains(&node) || self.misnamed.contains(client)
    }

    /// Whether this value came under this Client-ID in a message that no machine sent.
    pub(super) fn is_damaged(&self, client: &ClientId, name: &PropertyName, text: &str) -> bool {
        let came = self.damaged.get(&(client.clone(), name.clone()));
        came.is_some_and(|came| came.contains(text))
    }

    /// Whether the message is not the one that its machine sent, if that sent one at all.
    pub(super) fn is_forged(&self, sent: &crate::Message) -> bool {
        self.forged.contains(&sent.number)
    }

    /// Whether the message is one that its machine sent, and did not send now: as the network may deliver one too late or
    /// twice, which is no excuse for anything.
    pub(super) fn is_untimely(&self, sent: &crate::Message) -> bool {
        self.untimely.contains(&sent.number)
    }

    /// Whether the message came without what proves its sender: nobody may believe it.
    pub(super) fn is_unproven(&self, sent: &crate::Message) -> bool {
        self.unproven.contains(&sent.number)
    }

    /// Whether two devices have presented the same identity.
    pub(super) fn are_alike(&self, one: NodeId, other: NodeId) -> bool {
        let as_whom = |node| self.posed.get(&node).into_iter().flatten().copied().chain([node]);
        as_whom(one).any(|identity| as_whom(other).any(|same| same == identity))
    }

    /// Whether the client may have what the server has removed from it: it took that up again, got it too late, or was
    /// not the one that was told, as somebody else was this client then.
    pub(super) fn has_more(&self, node: NodeId) -> bool {
        self.forgot.contains(&node)
            || self.late.contains(&node)
            || self.posed.iter().any(|(poser, whom)| *poser == node || whom.contains(&node))
            || self.nodes.contains(&node)
    }

    /// Whether the device has lost something that it had stored, or that it was told too late to release.
    pub(super) fn has_less(&self, node: NodeId) -> bool {
        self.forgot.contains(&node) || self.released.contains(&node)
    }

    /// Whether a release that came too late has taken what the device was given since, and it has not registered again.
    pub(super) fn is_emptied(&self, node: NodeId) -> bool {
        self.emptied.contains(&node)
    }

    /// Whether the device has released what it had as this client, when it was another one.
    pub(super) fn is_stripped(&self, node: NodeId, client: &ClientId) -> bool {
        self.stripped.contains(&(node, client.clone()))
    }

    /// Whether several devices were this client: what one of them has, another one has not got.
    pub(super) fn is_shared(&self, client: &ClientId) -> bool {
        self.given.values().filter(|given| given.contains(client)).count() > 1
    }

    pub(super) fn noted(&mut self, node: NodeId, fact: &Fact) {
        match fact {
            Fact::Forgot | Fact::Wiped => _ = self.forgot.insert(node),
            Fact::Posing(Some(other)) => _ = self.posed.entry(node).or_default().insert(*other),
            Fact::Hostile(fault) => _ = self.hostile.insert(node, *fault),
            _ => {}
        }
    }

    /// The server gives a device a Client-ID.
    pub(super) fn given(&mut self, node: NodeId, message: &Message) {
        if message.kind == Kind::RegisterResponse {
            self.given.entry(node).or_default().extend(client_of(message));
        }
    }

    /// A message leaves: if it is not its machine's, nothing that follows from it can be held against anybody. From one
    /// without credentials nothing may follow.
    pub(super) fn sent(&mut self, at: Tick, sent: &crate::Message, message: Option<&Message>) {
        self.asked.insert(sent.number, at);
        match self.hostile.remove(&sent.from) {
            Some(FaultId::F42 | FaultId::F49) => _ = self.unproven.insert(sent.number),
            Some(FaultId::F44) => _ = self.untimely.insert(sent.number),
            // An old answer or report is a late copy. An old registration says who the device and its user once were.
            Some(FaultId::F40) if !message.is_some_and(|message| is_of_registration(message.kind)) => {
                self.untimely.insert(sent.number);
            }
            Some(_) => {
                self.forged.insert(sent.number);
                self.nodes.insert(sent.from);
                let client = message.and_then(client_of);
                self.clients.extend(client.clone());
                if message.is_none_or(|message| is_of_registration(message.kind)) {
                    self.misled.insert(sent.from);
                    self.misnamed.extend(client);
                }
            }
            None => {}
        }
    }

    /// A message arrives: the same for one that was changed on its way, and for one that was another device's.
    pub(super) fn delivered(&mut self, at: Tick, sent: &crate::Message, is_reply: bool, message: Option<&Message>) {
        if self.asked.get(&sent.number).is_some_and(|asked| at.0 >= asked.0 + LATE_MS) {
            self.late.insert(sent.to);
            if message.is_some_and(|message| matches!(message.kind, Kind::GroupRelease | Kind::PolicyRelease)) {
                self.released.insert(sent.to);
                self.emptied.insert(sent.to);
            }
        }
        if let Some(message) = message {
            self.settled(sent.to, message);
        }
        let is_registered = |message: &Message| {
            message.kind == Kind::RegisterResponse && message.status.get().is_some_and(|status| status.is_ok())
        };
        if message.is_some_and(is_registered) {
            self.emptied.remove(&sent.to);
        }
        let is_altered = sent.altered;
        if let Some(message) = message.filter(|_| is_altered || self.is_forged(sent)) {
            self.spoilt(message);
        }
        let Some(message) = message.filter(|_| is_altered || is_reply) else { return };
        if is_altered && message.kind == Kind::RegisterRequest {
            let contact = message.contact.get().cloned();
            self.led_to.entry(sent.from).or_default().extend(contact);
        }
        let client = client_of(message);
        let is_given = |client: &ClientId| self.given.get(&sent.to).is_some_and(|given| given.contains(client));
        let is_astray =
            message.kind == Kind::RegisterResponse && client.as_ref().is_some_and(|client| !is_given(client));
        if is_altered || is_astray {
            self.nodes.extend([sent.from, sent.to]);
            self.clients.extend(client.clone());
            if is_of_registration(message.kind) {
                self.misled.extend([sent.from, sent.to]);
                self.misnamed.extend(client);
            }
        }
    }

    /// A device is told to release all: what it had as any other client goes, too, and that of this one is set anew.
    fn settled(&mut self, node: NodeId, message: &Message) {
        let is_all = |id: &Ie<Token>| id.get().is_some_and(Token::is_all);
        let is_of_all = match message.kind {
            Kind::PolicyRelease => is_all(&message.policy_id),
            Kind::GroupRelease => is_all(&message.group_id),
            _ => false,
        };
        let Some(client) = client_of(message).filter(|_| is_of_all) else { return };
        let given = self.given.get(&node).into_iter().flatten().cloned();
        self.stripped.extend(given.map(|given| (node, given)));
        self.stripped.remove(&(node, client));
    }

    /// What such a message says of properties may be believed all the same.
    fn spoilt(&mut self, message: &Message) {
        let Some(client) = client_of(message) else { return };
        for reading in message.results.iter().filter_map(|result| read_result(result).ok()) {
            let texts = reading.values.into_iter().map(|value| value.text);
            self.damaged.entry((client.clone(), reading.name)).or_default().extend(texts);
        }
    }
}

const fn is_of_registration(kind: Kind) -> bool {
    matches!(kind, Kind::RegisterRequest | Kind::RegisterResponse | Kind::RegisterSuccess)
}
