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

/// A time in the agenda, and which of those of the same time it is; the first of all is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alarm {
    pub(super) at: Tick,
    pub(super) seq: u64,
}

impl Alarm {
    const fn is_set(self) -> bool {
        self.seq != 0
    }
}

/// What an entry of the agenda means to a node's timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// It goes off.
    Now,
    /// It is to go off later, which the agenda does not know yet.
    Later(Alarm),
    Nothing,
}

/// How a node is. There may be a million of them.
#[derive(Debug, Default)]
pub(crate) struct Status {
    pub(super) down: bool,
    /// Which of the names.
    pub(super) name: u16,
    pub(super) channels: u64,
    /// What the timer is set to.
    timer: Alarm,
    /// The first entry of the agenda for it. A timer is set anew far more often than it goes off, and mostly to a later
    /// time: then the entry that is there already will do, and when it comes, the node is looked at again.
    look: Alarm,
    rare: Option<Box<Rare>>,
}

/// What few nodes have.
#[derive(Debug, Default)]
struct Rare {
    /// Further entries of the agenda for the timer, the first one last.
    looks: Vec<Alarm>,
    /// Nothing reaches the node before.
    paused: Option<Tick>,
    /// Its clock, where that is not the world's.
    clock: Option<Clock>,
}

impl Status {
    pub(crate) const fn next_channel(&mut self) -> u64 {
        self.channels += 1;
        self.channels
    }

    /// Sets the timer; true if that is to be entered into the agenda.
    pub(super) fn set_timer(&mut self, alarm: Alarm) -> bool {
        self.timer = alarm;
        let is_new = !self.look.is_set() || alarm < self.look;
        if is_new {
            self.look_first_at(alarm);
        }
        is_new
    }

    pub(super) fn stop_timer(&mut self) {
        self.timer = Alarm::default();
    }

    fn look_first_at(&mut self, alarm: Alarm) {
        let before = core::mem::replace(&mut self.look, alarm);
        if before.is_set() {
            self.rare.get_or_insert_default().looks.push(before);
        }
    }

    /// An entry of the agenda has come.
    pub(super) fn came(&mut self, alarm: Alarm) -> Came {
        if alarm != self.look {
            // It is of a node that was here before.
            return Came::Nothing;
        }
        self.look = self.rare.as_mut().and_then(|rare| rare.looks.pop()).unwrap_or_default();
        let timer = self.timer;
        if timer == alarm {
            self.stop_timer();
            return Came::Now;
        }
        if !timer.is_set() {
            // Most nodes that have nothing to do any more have nothing rare either.
            self.rare.take_if(|rare| rare.looks.is_empty() && rare.paused.is_none() && rare.clock.is_none());
            return Came::Nothing;
        }
        if self.look.is_set() && self.look <= timer {
            return Came::Nothing;
        }
        self.look_first_at(timer);
        Came::Later(timer)
    }

    pub(super) fn clock(&self) -> Option<&Clock> {
        self.rare.as_ref()?.clock.as_ref()
    }

    /// Changes the clock. The timer goes off when this clock shows its time: what it is to be set to, where that is another
    /// time of the world now.
    #[must_use]
    pub(super) fn change_clock(&mut self, change: impl FnOnce(&mut Clock)) -> Option<Tick> {
        // What was put off to the end of a pause comes then, whatever the clock shows.
        let timer = Some(self.timer).filter(|timer| timer.is_set() && self.paused() != Some(timer.at));
        let clock = self.rare.get_or_insert_default().clock.get_or_insert_default();
        let shown = timer.map(|timer| clock.now(timer.at));
        change(clock);
        let at = shown.map(|shown| clock.world(shown));
        at.filter(|at| timer.is_some_and(|timer| timer.at != *at))
    }

    pub(super) fn paused(&self) -> Option<Tick> {
        self.rare.as_ref()?.paused
    }

    pub(super) fn pause(&mut self, now: Tick, lasts: Millis) {
        let until = now + lasts;
        let paused = &mut self.rare.get_or_insert_default().paused;
        *paused = Some(paused.map_or(until, |before| before.max(until)));
    }

    pub(super) fn unpause(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.paused = None;
        }
    }

    /// What the timer is to be set to, where that is another time now.
    #[must_use]
    pub(super) fn heal(&mut self, now: Tick) -> Option<Tick> {
        let at = self.clock().is_some().then(|| self.change_clock(|clock| clock.heal(now)));
        // What was put off comes when it was to; from now on nothing is.
        self.unpause();
        at.flatten()
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
        if let Some(status) = self.status_mut(slot) {
            *status = Status { name: name_at, ..Status::default() };
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

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = (Slot, &mut Status)> {
        (0..).map(Slot).zip(&mut self.status)
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
    use crate::fault::ClockChange;

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
    fn a_timer_that_is_set_to_a_later_time_needs_no_other_entry() {
        let mut status = Status::default();
        let alarm = |at, seq| Alarm { at: Tick(at), seq };
        assert_eq!(
            [alarm(50, 1), alarm(90, 2), alarm(70, 3)].map(|alarm| status.set_timer(alarm)),
            [true, false, false]
        );
        assert_eq!(status.came(alarm(50, 1)), Came::Later(alarm(70, 3)));
        assert_eq!(status.came(alarm(70, 3)), Came::Now);
        assert_eq!((status.came(alarm(70, 3)), status.set_timer(alarm(80, 4))), (Came::Nothing, true));
        assert!(status.set_timer(alarm(75, 5)));
        status.stop_timer();
        assert_eq!([alarm(75, 5), alarm(80, 4)].map(|alarm| status.came(alarm)), [Came::Nothing; 2]);
        assert!(status.rare.is_none(), "it takes no memory when nothing is left");
    }

    #[test]
    fn a_timer_that_is_set_again_to_its_time_goes_off_behind_what_was_scheduled_between() {
        let mut status = Status::default();
        let alarm = |seq| Alarm { at: Tick(50), seq };
        assert_eq!([alarm(1), alarm(3)].map(|alarm| status.set_timer(alarm)), [true, false]);
        assert_eq!([alarm(1), alarm(3)].map(|alarm| status.came(alarm)), [Came::Later(alarm(3)), Came::Now]);
    }

    #[test]
    fn a_timer_that_is_set_to_an_earlier_time_goes_back_to_the_entries_that_it_has() {
        let mut status = Status::default();
        let alarm = |at, seq| Alarm { at: Tick(at), seq };
        assert_eq!([alarm(90, 1), alarm(50, 2), alarm(20, 3)].map(|alarm| status.set_timer(alarm)), [true; 3]);
        assert_eq!((status.came(alarm(20, 3)), status.set_timer(alarm(60, 4))), (Came::Now, false));
        assert_eq!((status.came(alarm(50, 2)), status.set_timer(alarm(95, 5))), (Came::Later(alarm(60, 4)), false));
        assert_eq!((status.came(alarm(60, 4)), status.came(alarm(90, 1))), (Came::Nothing, Came::Later(alarm(95, 5))));
        assert_eq!(status.came(alarm(95, 5)), Came::Now);
        assert!(status.set_timer(alarm(99, 6)));
        assert_eq!(Status::default().came(alarm(99, 6)), Came::Nothing, "a node that takes the place of another");
    }

    #[test]
    fn a_timer_that_is_off_leaves_a_node_its_clock_and_its_pause() {
        let after_a_look = |change: fn(&mut Status)| {
            let (mut status, alarm) = (Status::default(), Alarm { at: Tick(50), seq: 1 });
            change(&mut status);
            assert!(status.set_timer(alarm));
            status.stop_timer();
            assert_eq!(status.came(alarm), Came::Nothing);
            status
        };
        assert_eq!(after_a_look(|status| status.pause(Tick(10), Millis(90))).paused(), Some(Tick(100)));
        assert!(after_a_look(|status| assert_eq!(status.change_clock(|_| {}), None)).clock().is_some());
    }

    #[test]
    fn what_heals_waits_for_nothing_more() {
        let mut status = Status::default();
        status.pause(Tick(10), Millis(90));
        status.pause(Tick(20), Millis(30));
        assert_eq!(status.paused(), Some(Tick(100)), "a shorter pause in a longer one ends with it");
        assert_eq!(status.heal(Tick(30)), None);
        assert_eq!(status.paused(), None);
    }

    #[test]
    fn a_timer_goes_off_when_the_clock_shows_its_time_however_that_has_changed() {
        let drift =
            |status: &mut Status, at, by| status.change_clock(|clock| clock.change(Tick(at), ClockChange::Drift(by)));
        let (mut status, mut seq) = (Status::default(), 0);
        let mut set = |status: &mut Status, at: Tick| {
            seq += 1;
            _ = status.set_timer(Alarm { at, seq });
        };
        assert_eq!(drift(&mut status, 0, 0), None, "no timer is set");
        set(&mut status, Tick(10_000));
        assert_eq!(drift(&mut status, 2_000, -200_000), Some(Tick(12_000)));
        set(&mut status, Tick(12_000));
        assert_eq!(drift(&mut status, 4_500, -200_000), None, "the clock runs as before");
        assert_eq!(status.change_clock(|clock| clock.change(Tick(5_000), ClockChange::Epoch)), None);
        assert_eq!(status.heal(Tick(7_000)), Some(Tick(11_000)), "a second was lost, and no other will be");
    }

    #[test]
    fn what_was_put_off_to_the_end_of_a_pause_comes_then_whatever_the_clock_shows() {
        let mut status = Status::default();
        status.pause(Tick(1_000), Millis(4_000));
        assert!(status.set_timer(Alarm { at: Tick(5_000), seq: 1 }));
        assert_eq!(status.change_clock(|clock| clock.change(Tick(2_000), ClockChange::Drift(-200_000))), None);
        assert_eq!(status.heal(Tick(3_000)), None);
    }

    #[test]
    fn a_node_that_is_added_again_is_new() {
        let (mut places, alarm) = (places(&[1, 2]), Alarm { at: Tick(50), seq: 1 });
        let slot = places.slot(NodeId(1)).unwrap();
        let status = places.status_mut(slot).unwrap();
        (status.down, status.channels) = (true, 7);
        status.pause(Tick(10), Millis(90));
        assert!(status.set_timer(alarm));
        assert_eq!(places.add(NodeId(1), "server"), slot);
        let (status, own) = (places.status_mut(slot).unwrap(), Alarm { at: Tick(70), seq: 2 });
        assert_eq!((status.down, status.channels, status.paused()), (false, 0, None));
        assert!(status.set_timer(own));
        assert_eq!([alarm, own].map(|alarm| status.came(alarm)), [Came::Nothing, Came::Now]);
        assert_eq!(places.name(NodeId(1)), Some("server"));
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
