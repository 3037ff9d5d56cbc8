//! Everything that may go wrong in a world, as data: names, rates, counts.
//!
//! A [`FaultId`] names a fault. A [`Swarm`] says which faults are on in a run and how often each comes; it may be drawn
//! itself, so that some seeds know a fault and others do not. [`FaultCounts`] says how often each took place, since a
//! fault that never did has tested nothing.
//!
//! | who injects it | which |
//! |---|---|
//! | the network, for one message ([`Harm`]) | F01 to F15 |
//! | the network, for a while ([`Trouble`]) | F16 to F21 |
//! | the world, to a node | F22 or F25, F27, F35 to F39 ([`ClockChange`]) |
//! | a node, to its store, as [`Context::disk_fault`] tells it to ([`DiskFault`]) | F29 to F34 |
//! | a node, by itself, where [`Context::strikes`] or [`Context::buggify`] says so | all others |
//!
//! [`Context::disk_fault`]: crate::Context::disk_fault
//! [`Context::strikes`]: crate::Context::strikes
//! [`Context::buggify`]: crate::Context::buggify

use core::fmt;

use crate::{
    NodeId,
    decide::{Decider, Permille, Site, Who},
};

mod clock;
mod disk;
mod message;
mod plan;
mod trouble;

pub(crate) use clock::Clock;
pub use clock::ClockChange;
pub use disk::DiskFault;
pub use message::{Harm, ResetAt};
pub(crate) use message::{LATE, Weather};
pub use plan::Strike;
pub(crate) use plan::draw as draw_strikes;
pub use trouble::{Group, Trouble};
pub(crate) use trouble::{Passing, Troubles, fraction};

/// The world itself, as one who chooses; no node has this number.
pub const WORLD: NodeId = NodeId(u32::MAX);

macro_rules! faults {
    ($($id:ident $says:literal)*) => {
        /// The stable name of a fault.
        ///
        /// The names are those of a catalogue of faults of the network (F01 to F21), of processes (F22 to F28), of
        /// storage (F29 to F34), of time (F35 to F39), of peers (F40 to F50) and of places in the code (F51).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FaultId {
            $(#[doc = $says] $id,)*
        }

        impl FaultId {
            /// All of them.
            pub const ALL: [Self; 51] = [$(Self::$id,)*];

            /// The name, such as `F07`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$id => stringify!($id),)* }
            }

            /// What goes wrong, in a few words.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Self::$id => $says,)* }
            }

            /// The site at which it is decided whether it takes place.
            #[must_use]
            pub const fn site(self) -> Site {
                match self { $(Self::$id => Site(concat!("fault.", stringify!($id))),)* }
            }
        }
    };
}

faults! {
    F01 "A request is lost."
    F02 "A response is lost; its sender has already acted."
    F03 "A message comes twice at once."
    F04 "A message comes again late, up to seven days after it was sent."
    F05 "A message is held back, so that later ones overtake it."
    F06 "A message is delayed, sometimes past every timeout."
    F07 "A bit of a message is flipped."
    F08 "A run of octets is overwritten."
    F09 "A message is cut short."
    F10 "Garbage is appended to a message."
    F11 "A message arrives in pieces."
    F12 "A message stalls on its way, and all that is behind it waits."
    F13 "The connection is reset before, during or after the response."
    F14 "What the transport says about the content is wrong."
    F15 "A response is delivered to another node's request."
    F16 "Some nodes cannot reach the others, nor be reached by them."
    F17 "Some nodes cannot reach the others, but be reached by them."
    F18 "One node is cut off from all."
    F19 "Links of some nodes clog one after the other, and clear in another order."
    F20 "A link takes so many messages a second and drops the rest."
    F21 "Many nodes reconnect within one second."
    F22 "A client crashes and restarts with its durable state."
    F23 "A client restarts without its last writes."
    F24 "A client is reset to its first state."
    F25 "A server crashes and restarts."
    F26 "A server crashes between an effect and its acknowledgement."
    F27 "A process stands still for a while."
    F28 "A process restarts with another version of its software."
    F29 "A write fails."
    F30 "A write is torn."
    F31 "A write is acknowledged and not durable until the next sync."
    F32 "The disk is full."
    F33 "The store is that of some commits ago."
    F34 "A stored record rots."
    F35 "A clock drifts."
    F36 "A clock steps forward, up to ten years."
    F37 "A clock steps backward."
    F38 "A clock is set to 1970."
    F39 "The clocks of two ends differ from the start."
    F40 "An old authenticated message is replayed."
    F41 "An old notification is replayed."
    F42 "Wrong credentials are presented."
    F43 "A peer falls silent in the middle of a session."
    F44 "A peer never comes to an end."
    F45 "A peer violates the protocol."
    F46 "A peer takes as much as it can get."
    F47 "A peer asks for what is not its own."
    F48 "Two peers have one identity."
    F49 "A peer asks for less security."
    F50 "The hardware behind an identity is swapped."
    F51 "The code takes a rare way: the smallest limit, an early timer, a missed cache."
}

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How often each fault took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultCounts([u64; FaultId::ALL.len()]);

impl Default for FaultCounts {
    fn default() -> Self {
        Self([0; FaultId::ALL.len()])
    }
}

impl FaultCounts {
    /// How often this one took place.
    #[must_use]
    pub fn of(&self, fault: FaultId) -> u64 {
        self.0.get(fault as usize).copied().unwrap_or(0)
    }

    /// Counts one.
    pub fn count(&mut self, fault: FaultId) {
        if let Some(count) = self.0.get_mut(fault as usize) {
            *count += 1;
        }
    }

    /// Takes in what another run counted.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
    }

    /// All faults, each with its count.
    pub fn iter(&self) -> impl Iterator<Item = (FaultId, u64)> {
        FaultId::ALL.into_iter().zip(self.0)
    }

    /// All faults together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Which faults are on, and how often each comes.
///
/// What a rate counts in: for F01 to F15 messages, for F16 to F21 runs, for F22, F25, F27 and F35 to F39 nodes, for F29
/// to F34 writes, and for all others whatever the node that injects it says.
///
/// ```
/// use transport_sim::{Decider, FaultId, Permille, Swarm};
///
/// let menu = Swarm::CALM.with(FaultId::F01, Permille::new(200)).with(FaultId::F22, Permille::new(500));
/// let drawn = Swarm::draw(&mut Decider::from_seed(7), &menu);
/// assert!(drawn.rate(FaultId::F01) <= menu.rate(FaultId::F01));
/// assert_eq!(drawn.rate(FaultId::F02), Permille::NEVER);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swarm([Permille; FaultId::ALL.len()]);

impl Default for Swarm {
    fn default() -> Self {
        Self::CALM
    }
}

impl Swarm {
    /// Nothing goes wrong.
    pub const CALM: Self = Self([Permille::NEVER; FaultId::ALL.len()]);

    /// The same with this rate for a fault.
    #[must_use]
    pub fn with(mut self, fault: FaultId, rate: Permille) -> Self {
        if let Some(place) = self.0.get_mut(fault as usize) {
            *place = rate;
        }
        self
    }

    /// The same with this rate for each of these faults.
    #[must_use]
    pub fn with_all(self, faults: &[FaultId], rate: Permille) -> Self {
        faults.iter().fold(self, |swarm, fault| swarm.with(*fault, rate))
    }

    /// How often a fault comes.
    #[must_use]
    pub fn rate(&self, fault: FaultId) -> Permille {
        self.0.get(fault as usize).copied().unwrap_or_default()
    }

    /// The faults that are on.
    pub fn faults(&self) -> impl Iterator<Item = FaultId> {
        FaultId::ALL.into_iter().filter(|fault| self.rate(*fault) != Permille::NEVER)
    }

    /// Draws a swarm: each fault of the menu is off in half of the runs, and else comes at a quarter, at half, at three
    /// quarters or at the whole of its rate in the menu. Runs with few faults reach what runs with all of them never do.
    #[must_use]
    pub fn draw(decider: &mut Decider, menu: &Self) -> Self {
        menu.faults().fold(Self::CALM, |swarm, fault| {
            let who = Who::alone(WORLD);
            if !decider.chance(Site("swarm.on"), Who::about(WORLD, NodeId(fault as u32)), Permille::new(500)) {
                return swarm;
            }
            let quarters = 1 + decider.choose(fault.site(), who, 4);
            let most = u32::from(menu.rate(fault).thousandths());
            let rate = (most * quarters).div_ceil(4);
            swarm.with(fault, Permille::new(u16::try_from(rate).unwrap_or(1000)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_have_sites() {
        for (n, fault) in (1..).zip(FaultId::ALL) {
            assert_eq!(fault.name(), format!("F{n:02}"));
            assert_eq!(fault.site().0, format!("fault.F{n:02}"));
            assert!(fault.says().ends_with('.'));
        }
    }

    #[test]
    fn half_of_the_seeds_do_without_a_fault_and_no_seed_exceeds_the_menu() {
        let menu = Swarm::CALM.with_all(&[FaultId::F01, FaultId::F40], Permille::new(100));
        let mut off = 0;
        for seed in 0..400 {
            let swarm = Swarm::draw(&mut Decider::from_seed(seed), &menu);
            assert!(swarm.faults().all(|fault| swarm.rate(fault) <= menu.rate(fault)));
            off += u32::from(swarm.rate(FaultId::F01) == Permille::NEVER);
        }
        assert!((150..250).contains(&off), "{off}");
        assert_eq!(Swarm::draw(&mut Decider::from_decisions(1, &[]), &menu), Swarm::CALM);
    }

    #[test]
    fn counts_add_up() {
        let mut counts = FaultCounts::default();
        counts.count(FaultId::F51);
        let mut sum = counts;
        sum.add(&counts);
        assert_eq!((sum.of(FaultId::F51), sum.total(), counts.iter().count()), (2, 2, 51));
    }
}
