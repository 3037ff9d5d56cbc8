//! Access control lists: who may do what to a node [DM TND 1.2, 7.7.1].

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    sync::Arc,
};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::ids::ServerId;

/// What a list can grant. The order is that of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Add children to the node.
    Add,
    /// Delete the node.
    Delete,
    /// Run the node.
    Exec,
    /// Read the node and its properties.
    Get,
    /// Overwrite the node's value and properties.
    Replace,
}

impl Right {
    const ALL: [Self; 5] = [Self::Add, Self::Delete, Self::Exec, Self::Get, Self::Replace];

    /// As in the text of a list.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Delete => "Delete",
            Self::Exec => "Exec",
            Self::Get => "Get",
            Self::Replace => "Replace",
        }
    }
}

/// An access control list. An empty one is no list: the node has that of its parent.
///
/// It is read leniently where the specification is, so that entries for the same command are one, and it is displayed
/// in one way: commands and servers in alphabetical order.
///
/// ```
/// use dm_core::tree::{Acl, Right};
///
/// let acl: Acl = "Get=b&Replace=a&Get=a".parse()?;
/// assert_eq!(acl.to_string(), "Get=a+b&Replace=a");
/// assert!(acl.allows(Right::Get, &"b".into()) && !acl.allows(Right::Replace, &"b".into()));
/// # Ok::<(), dm_core::tree::AclError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl(Option<Arc<Entries>>);

/// Copies of a list share its entries; a list without any has nothing to share.
type Entries = BTreeMap<Right, Grantees>;

/// Who has a right. Never an empty set.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Grantees {
    /// `*`; no other name beside it says anything more.
    Everyone,
    Servers(BTreeSet<ServerId>),
}

/// Why text is not a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("access control list, entry {entry}: {fault}")]
pub struct AclError {
    /// Which of the entries between `&`, from 0.
    pub entry: usize,
    /// What is wrong with it.
    pub fault: AclFault,
}

/// What is wrong with an entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AclFault {
    /// No `=`, or not one of the five commands before it.
    #[error("unknown command")]
    UnknownCommand,
    /// A server identifier that is empty, or has white space, a control character, `=` or a `*` in it.
    #[error("bad server identifier")]
    BadIdentifier,
}

impl Acl {
    /// The list that a root has unless a tree is built with another: `Add=*&Get=*` [DM TND 1.2, 7.7.1].
    #[must_use]
    pub fn root_default() -> Self {
        Self::of([Right::Add, Right::Get].map(|right| (right, Grantees::Everyone)).into())
    }

    /// What the creator of an interior node gets on it where it could not have changed the list of the node itself:
    /// `Add`, `Delete` and `Replace`. Nothing where the server's name cannot stand in a list.
    #[must_use]
    pub(super) fn creator(server: &ServerId) -> Self {
        if !is_identifier(server.as_str()) {
            return Self::default();
        }
        let only = || Grantees::Servers([server.clone()].into());
        Self::of([Right::Add, Right::Delete, Right::Replace].map(|right| (right, only())).into())
    }

    fn of(entries: Entries) -> Self {
        Self((!entries.is_empty()).then(|| Arc::new(entries)))
    }

    fn entries(&self) -> &Entries {
        static NONE: Entries = Entries::new();
        self.0.as_deref().unwrap_or(&NONE)
    }

    fn change(&mut self, change: impl FnOnce(&mut Entries)) {
        let entries = Arc::make_mut(self.0.get_or_insert_default());
        change(entries);
        if entries.is_empty() {
            self.0 = None;
        }
    }

    /// Whether this is no list, so that the parent's is in force.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the list itself grants the right. Inheritance is the tree's business.
    #[must_use]
    pub fn allows(&self, right: Right, server: &ServerId) -> bool {
        match self.entries().get(&right) {
            Some(Grantees::Everyone) => true,
            Some(Grantees::Servers(servers)) => servers.contains(server),
            None => false,
        }
    }

    /// Takes a server off the list; entries that name nobody any more vanish, and so may the list.
    pub(super) fn forget(&mut self, server: &ServerId) {
        if self.is_empty() {
            return;
        }
        self.change(|entries| {
            entries.retain(|_, grantees| match grantees {
                Grantees::Everyone => true,
                Grantees::Servers(servers) => {
                    servers.remove(server);
                    !servers.is_empty()
                }
            });
        });
    }

    /// The same for the root's list, which must go on. What nobody has any more for want of that server falls back to
    /// [`root_default`](Self::root_default), and rights that nobody had stay so.
    pub(super) fn forget_at_root(&mut self, server: &ServerId) {
        let before = self.clone();
        self.forget(server);
        for (right, grantees) in Self::root_default().entries() {
            if before.entries().contains_key(right) {
                self.change(|entries| {
                    entries.entry(*right).or_insert_with(|| grantees.clone());
                });
            }
        }
        if self.is_empty() {
            *self = Self::root_default();
        }
    }

    fn grant(&mut self, right: Right, identifier: &str) {
        self.change(|entries| match entries.get_mut(&right) {
            Some(Grantees::Everyone) => {}
            Some(Grantees::Servers(servers)) if identifier != "*" => {
                servers.insert(identifier.into());
            }
            _ if identifier == "*" => {
                entries.insert(right, Grantees::Everyone);
            }
            _ => {
                entries.insert(right, Grantees::Servers([identifier.into()].into()));
            }
        });
    }
}

/// What the grammar calls a server identifier, `*` aside.
fn is_identifier(text: &str) -> bool {
    let is_reserved = |c: char| matches!(c, '=' | '&' | '*' | '+') || c.is_whitespace() || c.is_control();
    !text.is_empty() && !text.contains(is_reserved)
}

impl FromStr for Acl {
    type Err = AclError;

    fn from_str(text: &str) -> Result<Self, AclError> {
        let mut acl = Self::default();
        if text.is_empty() {
            return Ok(acl);
        }
        for (entry, words) in text.split('&').enumerate() {
            let error = |fault| AclError { entry, fault };
            let (command, identifiers) = words.split_once('=').ok_or(error(AclFault::UnknownCommand))?;
            let right = Right::ALL.into_iter().find(|right| right.as_str() == command);
            let right = right.ok_or(error(AclFault::UnknownCommand))?;
            for identifier in identifiers.split('+') {
                if identifier != "*" && !is_identifier(identifier) {
                    return Err(error(AclFault::BadIdentifier));
                }
                acl.grant(right, identifier);
            }
        }
        Ok(acl)
    }
}

impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (right, grantees)) in self.entries().iter().enumerate() {
            write!(f, "{}{}=", if n == 0 { "" } else { "&" }, right.as_str())?;
            match grantees {
                Grantees::Everyone => f.write_str("*")?,
                Grantees::Servers(servers) => {
                    for (n, server) in servers.iter().enumerate() {
                        write!(f, "{}{server}", if n == 0 { "" } else { "+" })?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Serialize for Acl {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Acl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_list_is_displayed_in_one_way() {
        let spellings = [
            ("", ""),
            ("Get=*", "Get=*"),
            ("Replace=b+a&Add=c", "Add=c&Replace=a+b"),
            ("Get=ServerA&Replace=ServerA&Get=ServerB", "Get=ServerA+ServerB&Replace=ServerA"),
            ("Get=a+*+b", "Get=*"),
            ("Get=*&Get=a", "Get=*"),
            ("Get=a&Get=*", "Get=*"),
            ("Exec=a+a", "Exec=a"),
            ("Delete=www.example.com:8080/dm", "Delete=www.example.com:8080/dm"),
        ];
        for (text, shown) in spellings {
            let acl: Acl = text.parse().unwrap();
            assert_eq!(acl.to_string(), shown, "{text}");
            assert_eq!(shown.parse(), Ok(acl), "{shown}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused_with_the_entry_at_fault() {
        let vectors = [
            ("Get", 0, AclFault::UnknownCommand),
            ("get=a", 0, AclFault::UnknownCommand),
            ("Copy=a", 0, AclFault::UnknownCommand),
            (" Get=a", 0, AclFault::UnknownCommand),
            ("Get=a&", 1, AclFault::UnknownCommand),
            ("Get=", 0, AclFault::BadIdentifier),
            ("Add=a&Get=a+", 1, AclFault::BadIdentifier),
            ("Get=a b", 0, AclFault::BadIdentifier),
            ("Get=a*", 0, AclFault::BadIdentifier),
            ("Get=a=b", 0, AclFault::BadIdentifier),
            ("Get=a\n", 0, AclFault::BadIdentifier),
        ];
        for (text, entry, fault) in vectors {
            assert_eq!(text.parse::<Acl>(), Err(AclError { entry, fault }), "{text:?}");
        }
    }

    #[test]
    fn servers_are_told_apart_exactly() {
        let acl: Acl = "Get=Server".parse().unwrap();
        assert!(acl.allows(Right::Get, &"Server".into()));
        for other in ["server", "Server ", "", "*"] {
            assert!(!acl.allows(Right::Get, &other.into()), "{other:?}");
        }
        assert!("Get=*".parse::<Acl>().unwrap().allows(Right::Get, &"anyone".into()));
    }

    #[test]
    fn a_creator_whose_name_would_mean_something_else_in_a_list_gets_none() {
        assert_eq!(Acl::creator(&"s".into()).to_string(), "Add=s&Delete=s&Replace=s");
        for name in ["*", "a+*", "a&Get=*", ""] {
            assert!(Acl::creator(&name.into()).is_empty(), "{name:?}");
        }
    }

    #[test]
    fn a_forgotten_server_takes_its_empty_entries_along() {
        let mut acl: Acl = "Add=a&Get=a+b&Replace=*".parse().unwrap();
        acl.forget(&"a".into());
        assert_eq!(acl.to_string(), "Get=b&Replace=*");
    }

    #[test]
    fn a_forgotten_server_leaves_the_root_a_list_and_no_right_that_nobody_had() {
        let vectors = [
            ("Add=a&Get=a+b&Replace=a", "Add=*&Get=b"),
            ("Get=b&Replace=a", "Get=b"),
            ("Get=b", "Get=b"),
            ("Replace=a", "Add=*&Get=*"),
        ];
        for (before, after) in vectors {
            let mut acl: Acl = before.parse().unwrap();
            acl.forget_at_root(&"a".into());
            assert_eq!(acl.to_string(), after, "{before}");
        }
    }
}
