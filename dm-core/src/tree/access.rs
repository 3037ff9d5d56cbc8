//! What a node admits, whoever asks [DM TND 1.2, 6.2.5 and 9].

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A command as the `AccessType` of a node names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verb {
    /// Add children.
    Add,
    /// Read the value for a copy.
    Copy,
    /// Delete the node when it is addressed itself; it goes with its ancestors all the same.
    Delete,
    /// Run the node.
    Exec,
    /// Read the node and its properties.
    Get,
    /// Overwrite the value, and rename the node.
    Replace,
}

impl Verb {
    const ALL: [Self; 6] = [Self::Add, Self::Copy, Self::Delete, Self::Exec, Self::Get, Self::Replace];

    /// As in a device description.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Copy => "Copy",
            Self::Delete => "Delete",
            Self::Exec => "Exec",
            Self::Get => "Get",
            Self::Replace => "Replace",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The commands that a node admits. What it does not is answered with 405 before rights are looked at.
///
/// It does not reach the node's access control list: who governs a node must be able to say so even where nobody may
/// read or write it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessType(u8);

impl AccessType {
    /// What nodes admit that are not built otherwise: everything but to be run.
    pub const USUAL: Self = Self::of(&[Verb::Add, Verb::Copy, Verb::Delete, Verb::Get, Verb::Replace]);
    /// To be read, and no more: most nodes of the standard objects.
    pub const GET: Self = Self::of(&[Verb::Get]);

    /// These commands and no others.
    #[must_use]
    pub const fn of(verbs: &[Verb]) -> Self {
        let (mut bits, mut rest) = (0, verbs);
        while let [verb, others @ ..] = rest {
            bits |= verb.bit();
            rest = others;
        }
        Self(bits)
    }

    /// The same with one more command.
    #[must_use]
    pub const fn with(self, verb: Verb) -> Self {
        Self(self.0 | verb.bit())
    }

    /// Whether the command is among them.
    #[must_use]
    pub const fn admits(self, verb: Verb) -> bool {
        self.0 & verb.bit() != 0
    }

    /// The commands, in alphabetical order.
    pub fn verbs(self) -> impl Iterator<Item = Verb> {
        Verb::ALL.into_iter().filter(move |verb| self.admits(*verb))
    }
}

impl fmt::Debug for AccessType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.verbs()).finish()
    }
}

impl Serialize for AccessType {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.verbs())
    }
}

impl<'de> Deserialize<'de> for AccessType {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::of(&Vec::deserialize(from)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_admits_what_was_named_and_no_more() {
        let access = AccessType::GET.with(Verb::Exec);
        assert_eq!(access.verbs().collect::<Vec<_>>(), [Verb::Exec, Verb::Get]);
        assert_eq!(access, AccessType::of(&[Verb::Get, Verb::Exec, Verb::Get]));
        assert!(!AccessType::USUAL.admits(Verb::Exec) && !access.admits(Verb::Replace));
        assert_eq!(alloc::format!("{access:?}"), "{Exec, Get}");
    }
}
