//! Who has which Client-ID: the questions that a store answers atomically, how an answer is found, and a directory in
//! memory that answers them.

use alloc::{
    collections::{BTreeMap, btree_map::Entry},
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use super::{
    QuestionId,
    link::{Leave, UserTag},
};
use crate::{
    config::Assignment,
    identity::{DeviceIdentity, Key, UserIdentity},
    ids::ClientId,
    wire::Secret,
};

/// What a registration is, seen from what was known before [DPE digest 3.9].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// User and device are known together.
    Same,
    /// The user was on another device, which it leaves.
    Moved,
    /// The user takes one more device.
    Additional,
    /// The device was another user's.
    UserSwap,
    /// Neither is known.
    New,
}

/// Asks for the Client-ID of a client that registers; one is allocated where needed, in the same step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assign {
    /// This question.
    pub id: QuestionId,
    /// The device.
    pub device: DeviceIdentity,
    /// The user, where it is known.
    pub user: Option<UserIdentity>,
    /// What the client proves itself by, where it shows anything.
    pub token: Option<Secret>,
    /// How long a Client-ID lives.
    pub assignment: Assignment,
    /// Whether a user may have several devices.
    pub multi_device: bool,
    /// The Client-ID to allocate, if one is: random, so that a collision is no matter of practice.
    pub candidate: ClientId,
    /// What to call the user by, if it is new.
    pub tag: UserTag,
}

/// The answer to [`Assign`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Assignation {
    /// This is its Client-ID.
    To(Assigned),
    /// The token is not registered, or not for this device.
    BadToken,
    /// The store cannot say.
    Failed,
}

/// The Client-ID of a client that registers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assigned {
    /// It.
    pub client: ClientId,
    /// Whether it was allocated just now.
    pub fresh: bool,
    /// What the registration is.
    pub case: Case,
    /// The user, where it is known now or from before.
    pub user: Option<UserIdentity>,
    /// What to call the user by.
    pub tag: Option<UserTag>,
    /// Whether this very Client-ID was another user's, who loses it.
    pub user_left: bool,
    /// A Client-ID that the user who lost this one has yet.
    pub left_with: Option<ClientId>,
    /// Client-IDs that the user has on other devices and keeps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub siblings: Vec<ClientId>,
    /// Client-IDs that are to leave once the registration is complete.
    pub leave: Vec<(ClientId, Leave)>,
}

/// Asks for the Client-IDs of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// This question.
    pub id: QuestionId,
    /// The identity.
    pub key: Key,
}

/// What a device's machine makes of the directory; part of the transaction that stores the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// The registration is complete: the Client-ID is valid, for this device and user.
    Confirm {
        /// Which.
        client: ClientId,
        /// The device.
        device: DeviceIdentity,
        /// The user.
        user: Option<UserIdentity>,
        /// What to call the user by.
        tag: Option<UserTag>,
    },
    /// The Client-ID does not belong to anybody any more, or never did.
    Drop(ClientId),
    /// The Client-ID stays with its device, without a user.
    NoUser(ClientId),
    /// The client does not want a session: the association stays, and nobody is told the Client-ID.
    Suspend(ClientId),
}

/// What the directory knows of a Client-ID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Association {
    /// The device.
    pub device: DeviceIdentity,
    /// The user.
    pub user: Option<UserIdentity>,
    /// What to call the user by.
    pub tag: Option<UserTag>,
    /// Whether its registration was completed.
    pub complete: bool,
    /// Whether the client declined its session.
    pub suspended: bool,
}

/// A directory in memory. A store does the same with its indices: every look-up is by device, by user or by Client-ID.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    associations: BTreeMap<ClientId, Association>,
    by_device: BTreeMap<DeviceIdentity, Vec<ClientId>>,
    by_user: BTreeMap<UserIdentity, Vec<ClientId>>,
    /// Tokens and the devices that they are for; nothing checks tokens where this is empty.
    tokens: BTreeMap<Secret, DeviceIdentity>,
}

impl Directory {
    /// Registers the token of a device.
    pub fn register_token(&mut self, token: Secret, device: DeviceIdentity) {
        self.tokens.insert(token, device);
    }

    /// What is known of a Client-ID.
    #[must_use]
    pub fn association(&self, client: &ClientId) -> Option<&Association> {
        self.associations.get(client)
    }

    /// All that is known.
    pub fn associations(&self) -> impl Iterator<Item = (&ClientId, &Association)> {
        self.associations.iter()
    }

    /// How many Client-IDs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.associations.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.associations.is_empty()
    }

    /// Answers [`Find`].
    #[must_use]
    pub fn find(&self, key: &Key) -> Vec<ClientId> {
        let found = match key {
            Key::Device(device) => self.by_device.get(device),
            Key::User(user) => self.by_user.get(user),
        };
        let is_valid =
            |client: &&ClientId| self.associations.get(*client).is_some_and(|known| known.complete && !known.suspended);
        found.into_iter().flatten().filter(is_valid).cloned().collect()
    }

    /// Answers [`Assign`], and allocates.
    pub fn assign(&mut self, question: &Assign) -> Assignation {
        if let Some(token) = &question.token
            && !self.tokens.is_empty()
            && self.tokens.get(token) != Some(&question.device)
        {
            return Assignation::BadToken;
        }
        let assigned = decide(question, &self.known(question));
        if assigned.fresh {
            let association = Association {
                device: question.device.clone(),
                user: assigned.user.clone(),
                tag: assigned.tag.clone(),
                complete: false,
                suspended: false,
            };
            self.insert(assigned.client.clone(), association);
        }
        Assignation::To(assigned)
    }

    /// What is known of the device, of the users that it has, and of the user of a question.
    fn known(&self, question: &Assign) -> Vec<(ClientId, Association)> {
        let by_device = self.by_device.get(&question.device).into_iter().flatten();
        let by_user = question.user.as_ref().and_then(|user| self.by_user.get(user)).into_iter().flatten();
        let mut clients: Vec<&ClientId> = by_device.clone().chain(by_user).collect();
        // Who loses the device may have others.
        let before = by_device.filter_map(|client| self.associations.get(client)?.user.as_ref());
        clients.extend(before.filter_map(|user| self.by_user.get(user)).flatten());
        clients.sort_unstable();
        clients.dedup();
        let known = |client: &ClientId| self.associations.get(client).map(|known| (client.clone(), known.clone()));
        clients.into_iter().filter_map(known).collect()
    }

    /// Takes a change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Confirm { client, device, user, tag } => {
                let was = self.associations.get(&client).is_some_and(|known| known.suspended);
                let suspended = was && core_kit::planted!("P32-suspended-for-ever");
                self.remove(&client);
                let complete = !core_kit::planted!("P18-never-complete");
                self.insert(client, Association { device, user, tag, complete, suspended });
            }
            Change::Drop(_) if core_kit::planted!("P09-former-id-kept") => {}
            Change::Drop(client) => self.remove(&client),
            Change::NoUser(client) => {
                if let Some(mut known) = self.associations.get(&client).cloned() {
                    self.remove(&client);
                    (known.user, known.tag) = (None, None);
                    self.insert(client, known);
                }
            }
            Change::Suspend(client) => {
                if let Some(known) = self.associations.get_mut(&client) {
                    known.suspended = true;
                }
            }
        }
    }

    fn insert(&mut self, client: ClientId, association: Association) {
        room_for_one(self.by_device.entry(association.device.clone())).push(client.clone());
        if let Some(user) = &association.user {
            room_for_one(self.by_user.entry(user.clone())).push(client.clone());
        }
        self.associations.insert(client, association);
    }

    fn remove(&mut self, client: &ClientId) {
        let Some(known) = self.associations.remove(client) else { return };
        drop_from(&mut self.by_device, &known.device, client);
        if let Some(user) = &known.user {
            drop_from(&mut self.by_user, user, client);
        }
    }
}

/// The list of an entry. Nearly all of them stay at one, so a new one has room for one.
fn room_for_one<K: Ord>(entry: Entry<'_, K, Vec<ClientId>>) -> &mut Vec<ClientId> {
    entry.or_insert_with(|| Vec::with_capacity(1))
}

fn drop_from<K: Ord>(index: &mut BTreeMap<K, Vec<ClientId>>, key: &K, client: &ClientId) {
    if let Some(clients) = index.get_mut(key) {
        clients.retain(|known| known != client);
        if clients.is_empty() {
            index.remove(key);
        }
    }
}

/// Which Client-ID a client gets, given every association of its device, of the users on it, and of its own user [DPE digest 3.1.1, 3.9].
///
/// An association whose registration was never completed is taken up again by the same identities, and counts for
/// nothing else.
#[must_use]
pub fn decide(question: &Assign, known: &[(ClientId, Association)]) -> Assigned {
    let on_device = |association: &Association| association.device == question.device;
    // A request that does not say who the user is changes nothing about the user.
    let same_user = |association: &Association| match (&question.user, &association.user) {
        (Some(asked), Some(known)) => asked == known,
        _ => true,
    };
    let complete = || known.iter().filter(|(_, association)| association.complete);
    let pending = known
        .iter()
        .find(|(_, association)| !association.complete && on_device(association) && association.user == question.user);
    let pending = pending.filter(|_| !core_kit::planted!("P16-id-anew"));
    let same = complete().find(|(_, association)| {
        (on_device(association) && same_user(association))
            || (core_kit::planted!("P09-id-of-user") && question.user.is_some() && association.user == question.user)
    });
    let foreign = complete().find(|(_, association)| on_device(association) && !same_user(association));
    let elsewhere: Vec<_> = complete()
        .filter(|(_, association)| {
            !on_device(association) && question.user.is_some() && association.user == question.user
        })
        .collect();
    let user = question.user.clone().or_else(|| same.and_then(|(_, association)| association.user.clone()));
    let tag = complete().find(|(_, association)| association.user.is_some() && association.user == user);
    let tag = tag.and_then(|(_, association)| association.tag.clone()).unwrap_or_else(|| question.tag.clone());
    let tag = user.is_some().then_some(tag);
    let case = match (same, foreign) {
        (Some(_), _) => Case::Same,
        (None, Some(_)) => Case::UserSwap,
        (None, None) if elsewhere.is_empty() => Case::New,
        (None, None) if question.multi_device => Case::Additional,
        (None, None) => Case::Moved,
    };
    let per_device = question.assignment == Assignment::PerDevice;
    let mut user_left = false;
    let mut left_with = None;
    let kept = match (question.assignment, same, foreign) {
        (Assignment::PerRegistration, ..) => None,
        (_, Some((client, _)), _) => Some(client),
        (Assignment::PerDevice, None, Some((client, association))) => {
            user_left = true;
            left_with = other_of(known, association, client);
            Some(client)
        }
        _ => None,
    };
    let fresh = kept.is_none() && pending.is_none();
    let client = kept.or(pending.map(|(client, _)| client)).unwrap_or(&question.candidate).clone();
    let mut leave = Vec::new();
    let mut leaves = |from: &ClientId, same_user, same_device, stays, other| {
        if *from != client {
            leave.push((from.clone(), Leave { successor: client.clone(), same_user, same_device, stays, other }));
        }
    };
    if let Some((from, _)) = same {
        leaves(from, true, true, false, Some(client.clone()));
    }
    if let Some((from, association)) = foreign {
        leaves(from, false, true, false, other_of(known, association, from));
    }
    // Registrations that were begun and not completed, of the device or of the user: what they came to was decided before
    // this, and does not hold any more once this one is complete.
    let begun = known.iter().filter(|(_, association)| !association.complete);
    for (from, association) in begun {
        let is_of_user = question.user.is_some() && association.user == question.user;
        if on_device(association) || (is_of_user && !question.multi_device) {
            let other = is_of_user.then(|| client.clone());
            leaves(from, is_of_user, on_device(association), false, other);
        }
    }
    let mut siblings = Vec::new();
    for (other, _) in elsewhere {
        if question.multi_device {
            siblings.push(other.clone());
        } else {
            leaves(other, true, false, per_device, Some(client.clone()));
        }
    }
    Assigned { client, fresh, case, user, tag, user_left, left_with, siblings, leave }
}

/// Another Client-ID of the user of an association, as far as it is among the known ones.
fn other_of(known: &[(ClientId, Association)], of: &Association, than: &ClientId) -> Option<ClientId> {
    let is_other = |(client, association): &&(ClientId, Association)| {
        association.complete && client != than && association.user.is_some() && association.user == of.user
    };
    known.iter().find(is_other).map(|(client, _)| client.clone())
}
