//! What goes wrong for a while on many links at once.

use std::collections::{BTreeMap, BTreeSet};

use core_kit::{Millis, Tick};

use super::FaultId;
use crate::{
    NodeId,
    decide::Permille,
    table::{absorb, mix},
};

/// Some of the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    /// All.
    All,
    /// These.
    Nodes(BTreeSet<NodeId>),
    /// About so many in a thousand. Whether a node is among them follows from its number and the salt, and not from which
    /// other nodes there are.
    Share {
        /// Another salt, another choice.
        salt: u32,
        /// How many.
        of: Permille,
    },
}

impl Group {
    /// Whether the node is among them.
    #[must_use]
    pub fn contains(&self, node: NodeId) -> bool {
        match self {
            Self::All => true,
            Self::Nodes(nodes) => nodes.contains(&node),
            Self::Share { salt, of } => fraction(u64::from(*salt), node, 1000) < u64::from(of.thousandths()),
        }
    }
}

/// A number below `of` that follows from salt and node.
pub(crate) fn fraction(salt: u64, node: NodeId, of: u64) -> u64 {
    (absorb(mix(salt), node.0.into()) >> 32).wrapping_mul(of) >> 32
}

/// Something that goes wrong between nodes for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// F16: nothing passes between these and the others.
    Partition(Group),
    /// F17: nothing passes from these to the others.
    OneWay(Group),
    /// F18: nothing passes to or from this node.
    Isolation(NodeId),
    /// F19: each of these clogs at a time of its own in the first half, and clears at one in the second half, in another
    /// order. What is sent to or from a node while it is clogged arrives when it is clear.
    SwizzleClog(Group),
    /// F20: each of these takes so many messages a second, and the others are lost.
    Capacity {
        /// Who.
        to: Group,
        /// How many.
        per_second: u32,
    },
    /// F21: all of these reconnect within the first second, see [`Node::reconnect`](crate::Node::reconnect).
    Herd(Group),
}

impl Trouble {
    /// The fault that this is.
    #[must_use]
    pub const fn fault(&self) -> FaultId {
        match self {
            Self::Partition(_) => FaultId::F16,
            Self::OneWay(_) => FaultId::F17,
            Self::Isolation(_) => FaultId::F18,
            Self::SwizzleClog(_) => FaultId::F19,
            Self::Capacity { .. } => FaultId::F20,
            Self::Herd(_) => FaultId::F21,
        }
    }
}

/// How the troubles of a moment treat a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    Free,
    Blocked(FaultId),
    /// It cannot arrive earlier.
    Clogged(Tick),
}

#[derive(Clone, Debug)]
struct Active {
    from: Tick,
    until: Tick,
    trouble: Trouble,
    /// Messages that each node took within the second, for a capacity.
    taken: BTreeMap<NodeId, (u64, u32)>,
}

/// What troubles the links of a world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Troubles {
    active: Vec<Active>,
}

impl Troubles {
    pub(crate) fn begin(&mut self, now: Tick, lasts: Millis, trouble: Trouble) {
        self.active.retain(|active| active.until > now);
        self.active.push(Active { from: now, until: now + lasts, trouble, taken: BTreeMap::new() });
    }

    pub(crate) fn pass(&mut self, now: Tick, from: NodeId, to: NodeId) -> Passing {
        let mut clogged = None;
        for active in self.active.iter_mut().filter(|active| active.until > now) {
            let fault = active.trouble.fault();
            let is_blocked = match &active.trouble {
                Trouble::Partition(group) => group.contains(from) != group.contains(to),
                Trouble::OneWay(group) => group.contains(from) && !group.contains(to),
                Trouble::Isolation(node) => *node == from || *node == to,
                Trouble::SwizzleClog(group) => {
                    let ends = [from, to].map(|node| clog(group, node, active.from, active.until, now));
                    clogged = clogged.max(ends.into_iter().flatten().max());
                    false
                }
                Trouble::Capacity { to: group, per_second } => {
                    let second = now.0 / 1_000;
                    group.contains(to) && {
                        let taken = active.taken.entry(to).or_default();
                        *taken = if taken.0 == second { (second, taken.1.saturating_add(1)) } else { (second, 1) };
                        taken.1 > *per_second
                    }
                }
                Trouble::Herd(_) => false,
            };
            if is_blocked {
                return Passing::Blocked(fault);
            }
        }
        clogged.map_or(Passing::Free, Passing::Clogged)
    }
}

/// Until when the node is clogged, if it is now.
fn clog(group: &Group, node: NodeId, from: Tick, until: Tick, now: Tick) -> Option<Tick> {
    if !group.contains(node) {
        return None;
    }
    let half = until.0.saturating_sub(from.0) / 2;
    let begins = from.0 + fraction(from.0, node, half.min(u64::from(u32::MAX)));
    let ends = until.0 - fraction(!from.0, node, half.min(u64::from(u32::MAX)));
    (begins..ends).contains(&now.0).then_some(Tick(ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);
    const C: NodeId = NodeId(3);

    fn only(trouble: Trouble) -> Troubles {
        let mut troubles = Troubles::default();
        troubles.begin(Tick(100), Millis(1_000), trouble);
        troubles
    }

    fn a() -> Group {
        Group::Nodes(BTreeSet::from([A]))
    }

    #[test]
    fn a_partition_parts_both_ways_and_ends() {
        let mut troubles = only(Trouble::Partition(a()));
        let blocked = Passing::Blocked(FaultId::F16);
        assert_eq!(
            [(A, B), (B, A), (B, C)].map(|(x, y)| troubles.pass(Tick(100), x, y)),
            [blocked, blocked, Passing::Free]
        );
        assert_eq!(troubles.pass(Tick(1_100), A, B), Passing::Free);
    }

    #[test]
    fn one_way_leaves_the_other_way_open() {
        let mut troubles = only(Trouble::OneWay(a()));
        assert_eq!(troubles.pass(Tick(100), A, B), Passing::Blocked(FaultId::F17));
        assert_eq!(troubles.pass(Tick(100), B, A), Passing::Free);
    }

    #[test]
    fn nodes_clog_and_clear_in_different_orders() {
        let ends: Vec<(u64, Tick)> = (0..50)
            .map(|node| {
                let clogged = |at| clog(&Group::All, NodeId(node), Tick(0), Tick(10_000), Tick(at));
                let begins = (0..10_000).find(|at| clogged(*at).is_some()).expect("it clogs");
                assert_eq!(clogged(4_999), clogged(5_000), "all are clogged in the middle");
                (begins, clogged(5_000).expect("in the middle"))
            })
            .collect();
        let (mut by_begin, mut by_end) = (ends.clone(), ends);
        by_begin.sort_by_key(|(begins, _)| *begins);
        by_end.sort_by_key(|(_, ends)| *ends);
        assert_ne!(by_begin, by_end);
    }

    #[test]
    fn a_capacity_is_that_of_each_second_and_node() {
        let mut troubles = only(Trouble::Capacity { to: Group::All, per_second: 2 });
        let mut pass = |at, to| troubles.pass(Tick(at), A, to) == Passing::Free;
        assert_eq!(
            [(100, B), (200, B), (300, B), (300, C), (1_000, B)].map(|(at, to)| pass(at, to)),
            [true, true, false, true, true]
        );
    }

    #[test]
    fn a_share_is_a_share_and_another_salt_another_one() {
        let share = |salt| Group::Share { salt, of: Permille::new(300) };
        let members = |salt| (0..10_000).map(NodeId).filter(|node| share(salt).contains(*node)).collect::<Vec<_>>();
        assert!((2_800..3_200).contains(&members(1).len()), "{}", members(1).len());
        assert_ne!(members(1), members(2));
    }
}
