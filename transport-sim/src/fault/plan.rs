//! Faults that have their time: scripted, or drawn before the run.

use core_kit::{Millis, Tick};

use super::{ClockChange, FaultId, Group, Harm, Swarm, Trouble, WORLD};
use crate::{
    NodeId,
    decide::{Decider, Permille, Site, Who},
};

const WHEN: Site = Site("plan.when");
const HOW_LONG: Site = Site("plan.how-long");
const WHOM: Site = Site("plan.whom");

/// Something that goes wrong at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strike {
    /// F22, or F25 for a server: the node crashes, and is back after so long.
    Crash(NodeId, Millis),
    /// F27: the node stands still. What would reach it in that time reaches it after it, in the same order.
    Pause(NodeId, Millis),
    /// F35 to F39: the node's clock changes.
    Clock(NodeId, ClockChange),
    /// F16 to F21: links are in trouble for so long.
    Trouble(Trouble, Millis),
    /// F01 to F15: something is done to the `nth` message, from 1, that goes this way from then on.
    Message {
        /// The sender.
        from: NodeId,
        /// The receiver.
        to: NodeId,
        /// Which message.
        nth: u64,
        /// What is done to it.
        harm: Harm,
    },
}

/// Draws what happens to nodes and links between two times.
pub(crate) fn draw(
    decider: &mut Decider,
    swarm: &Swarm,
    (from, until): (Tick, Tick),
    nodes: &[(NodeId, bool)],
    other: impl Fn(u32) -> Option<NodeId>,
) -> Vec<(Tick, Strike)> {
    let mut strikes = Vec::new();
    for fault in [FaultId::F16, FaultId::F17, FaultId::F18, FaultId::F19, FaultId::F20, FaultId::F21] {
        // A stream for each fault: one that is taken out leaves the others as they are.
        let who = Who::about(WORLD, NodeId(fault as u32));
        if decider.chance(fault.site(), who, swarm.rate(fault))
            && let Some(trouble) = trouble(decider, who, fault, &other)
        {
            let at = when(decider, who, from, until);
            let lasts = Millis(5_000 + u64::from(decider.choose_scale(HOW_LONG, who, 22)));
            strikes.push((at, Strike::Trouble(trouble, lasts)));
        }
    }
    let of_nodes = [
        FaultId::F22,
        FaultId::F25,
        FaultId::F27,
        FaultId::F35,
        FaultId::F36,
        FaultId::F37,
        FaultId::F38,
        FaultId::F39,
    ];
    let of_nodes: Vec<FaultId> = of_nodes.into_iter().filter(|fault| swarm.rate(*fault) != Permille::NEVER).collect();
    for (node, is_server) in nodes {
        for fault in &of_nodes {
            let who = Who::about(*node, NodeId(*fault as u32));
            let is_its = *fault != if *is_server { FaultId::F22 } else { FaultId::F25 };
            if is_its && decider.chance(fault.site(), who, swarm.rate(*fault)) {
                strikes.extend(of_node(decider, who, *node, *fault, (from, until)));
            }
        }
    }
    strikes
}

fn trouble(decider: &mut Decider, who: Who, fault: FaultId, other: impl Fn(u32) -> Option<NodeId>) -> Option<Trouble> {
    let drawn = decider.choose(WHOM, who, 1 << 30);
    let group = Group::Share { salt: drawn, of: Permille::new(500) };
    Some(match fault {
        FaultId::F16 => Trouble::Partition(group),
        FaultId::F17 => Trouble::OneWay(group),
        FaultId::F18 => Trouble::Isolation(other(drawn)?),
        FaultId::F19 => Trouble::SwizzleClog(group),
        FaultId::F20 => Trouble::Capacity { to: Group::All, per_second: 1 << (drawn % 8) },
        _ => Trouble::Herd(Group::All),
    })
}

fn of_node(
    decider: &mut Decider,
    who: Who,
    node: NodeId,
    fault: FaultId,
    (from, until): (Tick, Tick),
) -> Option<(Tick, Strike)> {
    // Clocks that differ do so from the start.
    let at = if fault == FaultId::F39 { from } else { when(decider, who, from, until) };
    let mut scale = |bits| u64::from(decider.choose_scale(HOW_LONG, who, bits));
    let strike = match fault {
        FaultId::F22 | FaultId::F25 => Strike::Crash(node, Millis(1 + scale(20))),
        FaultId::F27 => Strike::Pause(node, Millis((1 + scale(22)).min(3_600_000))),
        FaultId::F35 => {
            Strike::Clock(node, ClockChange::Drift(50_000 - to_i32(decider.choose(HOW_LONG, who, 100_001))))
        }
        // In seconds: ten years are 315,576,000.
        FaultId::F36 => Strike::Clock(node, ClockChange::Forward(Millis::from_secs((1 + scale(29)).min(315_576_000)))),
        FaultId::F37 => Strike::Clock(node, ClockChange::Backward(Millis::from_secs((1 + scale(29)).min(315_576_000)))),
        FaultId::F38 => Strike::Clock(node, ClockChange::Epoch),
        FaultId::F39 => {
            let day = i64::from(decider.choose(HOW_LONG, who, 2 * 86_400_000)) - 86_400_000;
            Strike::Clock(node, ClockChange::Apart(day))
        }
        _ => return None,
    };
    Some((at, strike))
}

fn to_i32(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// A time between two, as far as 2^32 ms after the first.
fn when(decider: &mut Decider, who: Who, from: Tick, until: Tick) -> Tick {
    let width = u32::try_from(until.0.saturating_sub(from.0)).unwrap_or(u32::MAX);
    from + Millis(decider.choose(WHEN, who, width.saturating_add(1)).into())
}
