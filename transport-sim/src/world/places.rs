//! Where nodes are, and how they are.

use std::collections::BTreeMap;

use core_kit::{Millis, Tick};

use crate::{NodeId, fault::Clock};

/// Nodes with smaller numbers are found by their number, others by a search.
const DENSE: u32 = 1 << 24;
const NOWHERE: u32 = u32::MAX;
/// How many nodes of a name one is chosen among.
const CHOICE_MAX: usize = 1_024;

/// A node's place in the world: its how-manieth it is, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(pub(super) u32);

impl Slot {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a node is.
#[derive(Debug, Default)]
pub(crate) struct Status {
    pub(super) down: bool,
    /// Which of the names.
    pub(super) name: u16,
    /// Counts the settings of the timer: one that was set before another means nothing any more.
    pub(super) timer: u32,
    pub(super) timer_is_set: bool,
    pub(super) channels: u64,
    /// Nothing reaches it before.
    pub(super) paused: Option<Tick>,
    /// Its clock, where that is not the world's.
    pub(super) clock: Option<Box<Clock>>,
}

impl Status {
    pub(crate) const fn next_channel(&mut self) -> u64 {
        self.channels += 1;
        self.channels
    }

    /// A setting that replaces all before it.
    pub(super) const fn next_timer(&mut self) -> u32 {
        self.timer = self.timer.wrapping_add(1);
        self.timer
    }

    pub(super) fn clock_mut(&mut self) -> &mut Clock {
        self.clock.get_or_insert_default()
    }

    pub(super) fn pause(&mut self, now: Tick, lasts: Millis) {
        let until = now + lasts;
        self.paused = Some(self.paused.map_or(until, |before| before.max(until)));
    }
}

/// All nodes of a world, but for the nodes themselves.
#[derive(Debug, Default)]
pub(crate) struct Places {
    ids: Vec<NodeId>,
    status: Vec<Status>,
    dense: Vec<u32>,
    sparse: BTreeMap<u32, u32>,
    names: Vec<String>,
    by_name: BTreeMap<String, u16>,
    /// The first nodes of each name, to choose among.
    choices: Vec<Vec<NodeId>>,
}

impl Places {
    /// The node's place; a new one if it has none. Whatever it was before, it is new.
    pub(super) fn add(&mut self, id: NodeId, name: &str) -> Slot {
        let slot = self.slot(id).unwrap_or_else(|| self.settle(id));
        let name_at = self.name_at(name);
        if let Some(choices) = self.choices.get_mut(usize::from(name_at))
            && choices.len() < CHOICE_MAX
            && !choices.contains(&id)
        {
            choices.push(id);
        }
        // Timers of a node that was here before mean nothing.
        let timer = self.status(slot).map_or(0, |status| status.timer.wrapping_add(1));
        if let Some(status) = self.status_mut(slot) {
            *status = Status { name: name_at, timer, ..Status::default() };
        }
        slot
    }

    fn name_at(&mut self, name: &str) -> u16 {
        if let Some(at) = self.by_name.get(name) {
            return *at;
        }
        // The last of too many names takes all that come after it.
        let Ok(at) = u16::try_from(self.names.len()) else { return u16::MAX };
        self.names.push(name.to_owned());
        self.by_name.insert(name.to_owned(), at);
        self.choices.push(Vec::new());
        at
    }

    fn settle(&mut self, id: NodeId) -> Slot {
        let slot = u32::try_from(self.ids.len()).unwrap_or(NOWHERE);
        self.ids.push(id);
        self.status.push(Status::default());
        if id.0 < DENSE {
            let at = id.0 as usize;
            if self.dense.len() <= at {
                self.dense.resize(at + 1, NOWHERE);
            }
            if let Some(place) = self.dense.get_mut(at) {
                *place = slot;
            }
        } else {
            self.sparse.insert(id.0, slot);
        }
        Slot(slot)
    }

    pub(super) fn slot(&self, id: NodeId) -> Option<Slot> {
        let slot = if id.0 < DENSE { self.dense.get(id.0 as usize) } else { self.sparse.get(&id.0) };
        slot.filter(|slot| **slot != NOWHERE).map(|slot| Slot(*slot))
    }

    pub(super) fn id(&self, slot: Slot) -> Option<NodeId> {
        self.ids.get(slot.index()).copied()
    }

    pub(super) fn ids(&self) -> &[NodeId] {
        &self.ids
    }

    pub(super) fn status(&self, slot: Slot) -> Option<&Status> {
        self.status.get(slot.index())
    }

    pub(crate) fn status_mut(&mut self, slot: Slot) -> Option<&mut Status> {
        self.status.get_mut(slot.index())
    }

    /// Whether a setting of a timer is the last one, at a node that is up.
    pub(super) fn timer_counts(&self, slot: Slot, setting: u32) -> bool {
        self.status(slot).is_some_and(|status| status.timer == setting && status.timer_is_set && !status.down)
    }

    pub(super) fn timer_fired(&mut self, slot: Slot) {
        if let Some(status) = self.status_mut(slot) {
            status.timer_is_set = false;
        }
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Status> {
        self.status.iter_mut()
    }

    pub(super) fn name(&self, id: NodeId) -> Option<&str> {
        let status = self.status(self.slot(id)?)?;
        self.names.get(usize::from(status.name)).map(String::as_str)
    }

    /// A node that has the same name as `id`, another one. What is drawn picks the same node whichever others there are,
    /// as long as that one is there.
    pub(super) fn like(&self, id: NodeId, drawn: u32) -> Option<NodeId> {
        let name = self.status(self.slot(id)?)?.name;
        let others = self.choices.get(usize::from(name))?.iter().copied().filter(|other| *other != id);
        best(others, drawn)
    }

    /// Any node, picked in the same way.
    pub(super) fn any(&self, drawn: u32) -> Option<NodeId> {
        best(self.choices.iter().flatten().copied(), drawn)
    }
}

/// The node with the highest draw of its own.
fn best(nodes: impl Iterator<Item = NodeId>, drawn: u32) -> Option<NodeId> {
    nodes.max_by_key(|node| crate::fault::fraction(u64::from(drawn) + 1, *node, 1 << 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(ids: &[u32]) -> Places {
        let mut places = Places::default();
        for id in ids {
            places.add(NodeId(*id), if *id > 100 { "server" } else { "device" });
        }
        places
    }

    #[test]
    fn a_node_is_found_by_any_number() {
        let places = places(&[7, 0, u32::MAX - 1, 101]);
        let slots = [7, 0, u32::MAX - 1, 101, 1, u32::MAX].map(|id| places.slot(NodeId(id)).map(|slot| slot.0));
        assert_eq!(slots, [Some(0), Some(1), Some(2), Some(3), None, None]);
        assert_eq!((places.name(NodeId(101)), places.name(NodeId(1))), (Some("server"), None));
    }

    #[test]
    fn a_choice_of_a_node_does_not_depend_on_those_that_are_not_chosen() {
        let all = places(&[1, 2, 3, 4, 5, 101]);
        for drawn in 0..200 {
            let chosen = all.like(NodeId(1), drawn).expect("one of four");
            assert!((2..6).contains(&chosen.0));
            let left: Vec<u32> = [1, 2, 3, 4, 5].into_iter().filter(|id| *id != chosen.0 % 5 + 1).collect();
            let fewer = places(&left);
            if fewer.slot(chosen).is_some() && fewer.slot(NodeId(1)).is_some() {
                assert_eq!(fewer.like(NodeId(1), drawn), Some(chosen));
            }
        }
        assert_eq!(all.like(NodeId(101), 1), None);
        assert!((0..99).any(|drawn| all.any(drawn) == Some(NodeId(101))));
    }
}
