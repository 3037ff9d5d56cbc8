//! P09 and P13: which client a Client-ID is, and when it is none any more.

use std::collections::{BTreeMap, BTreeSet};

use dpe_core::{
    ids::ClientId,
    wire::{Kind, Message},
};

use super::{Doubt, Post, Watched, client_of, doubt::excused};
use crate::{Ledger, NodeId, Rule, RuleId, dpe::Backend};

/// P09.
pub const ATTRIBUTED: Rule = Rule {
    id: RuleId("P09"),
    says: "a Client-ID is of one device, a device and a user have one Client-ID, and what it reads is that device's",
};
/// P13.
pub const OBSOLETE: Rule =
    Rule { id: RuleId("P13"), says: "nothing succeeds for a Client-ID that was given up, and it does not come back" };

/// Properties whose value tells a device from all others.
const TELLING: [&str; 2] = ["operatorName", "OSName"];

pub(super) struct Clients {
    worth: BTreeMap<NodeId, String>,
    owners: BTreeMap<ClientId, NodeId>,
    valid: BTreeSet<ClientId>,
    obsolete: BTreeSet<ClientId>,
    revision: u64,
}

impl Clients {
    pub(super) fn new(watched: &Watched) -> Self {
        Self {
            worth: watched.devices.clone(),
            owners: BTreeMap::new(),
            valid: BTreeSet::new(),
            obsolete: BTreeSet::new(),
            revision: 0,
        }
    }

    /// A Client-ID was given up.
    #[cfg(test)]
    pub(super) fn give_up(&mut self, client: ClientId) {
        self.obsolete.insert(client);
    }

    /// A message to the client at a node, which may give it a Client-ID.
    pub(super) fn given(&mut self, node: NodeId, message: &Message, doubt: &Doubt, ledger: &mut Ledger) {
        if message.kind != Kind::RegisterResponse {
            return;
        }
        let Some(client) = client_of(message) else { return };
        let owner = *self.owners.entry(client.clone()).or_insert(node);
        let (is_other, alike) = (owner != node, doubt.is_about(node, &client) || doubt.are_alike(owner, node));
        let is_its = !is_other || excused("excused-P09", is_other, alike, ledger);
        ledger.judge(ATTRIBUTED, is_its, || format!("{client} is given to device {node} and is of {owner}"));
    }

    pub(super) fn posted(&mut self, post: &Post<'_>, doubt: &Doubt, ledger: &mut Ledger) {
        let Some(client) = client_of(post.message) else { return };
        let node = self.owners.get(&client).copied();
        let alike = |of: &NodeId| node.is_some_and(|node| node == *of || doubt.are_alike(node, *of));
        let worth: BTreeSet<&String> = self.worth.iter().filter(|(of, _)| alike(of)).map(|(_, worth)| worth).collect();
        let is_doubted = node.is_none_or(|node| doubt.is_misled(node, &client));
        for result in &post.message.results {
            let is_telling = result.name.get().is_some_and(|name| TELLING.contains(&name.as_str()));
            let Some(values) = result.values.get().filter(|_| is_telling) else { continue };
            let mut others = values.iter().filter(|value| !worth.contains(&value.text)).peekable();
            let is_other = others.peek().is_some();
            let name = result.name.get();
            let is_excused =
                is_doubted || others.all(|value| name.is_some_and(|name| doubt.is_damaged(&client, name, &value.text)));
            let is_own = !is_other || excused("excused-P09", is_other, is_excused, ledger);
            ledger
                .judge(ATTRIBUTED, is_own, || format!("{} reads something of another device under {client}", post.sp));
        }
        if self.obsolete.contains(&client) {
            ledger.judge(OBSOLETE, !post.is_ok(), || {
                format!("{} of obsolete {client} succeeds for {}", post.message.kind.name(), post.sp)
            });
        }
    }

    /// A step was stored: the directory may have changed.
    pub(super) fn committed(&mut self, shared: &Backend, ledger: &mut Ledger) {
        let Some(row) = shared.directory().filter(|row| row.revision != self.revision) else { return };
        self.revision = row.revision;
        let all = || row.value.associations().filter(|(_, known)| known.complete);
        let valid: BTreeSet<ClientId> = all().map(|(client, _)| client.clone()).collect();
        let devices: BTreeSet<_> = all().map(|(_, known)| &known.device).collect();
        let users: Vec<_> = all().filter_map(|(_, known)| known.user.as_ref()).collect();
        let distinct: BTreeSet<_> = users.iter().collect();
        ledger.judge(ATTRIBUTED, devices.len() == valid.len(), || "a device has two Client-IDs");
        ledger.judge(ATTRIBUTED, distinct.len() == users.len(), || "a user has two Client-IDs");
        for client in valid.intersection(&self.obsolete) {
            ledger.judge(OBSOLETE, false, || format!("{client} is back"));
        }
        self.obsolete.extend(self.valid.difference(&valid).cloned());
        self.valid = valid;
    }
}
