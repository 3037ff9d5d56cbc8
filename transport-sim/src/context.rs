//! What a node may do.

use bytes::Bytes;
use core_kit::{Env, Millis, Tick, UnixMillis};

use crate::{
    DiskFault, FaultId, NodeId,
    checker::Event,
    decide::{Permille, Site, Who},
    link::Span,
    node::{Channel, Node},
    traffic::MarkKind,
    world::{Ground, Slot, Status},
};

const ENTROPY: Site = Site("node.entropy");
/// How often a place in the code is one that takes rare ways in a run, and how often it then takes one.
const BUGGIFY: Permille = Permille::new(250);

/// 2026-01-01T00:00:00Z: what the calendar says when a world begins.
pub const EPOCH: UnixMillis = UnixMillis(1_767_225_600_000);

/// A node's hold on its world, for the time of one event.
pub struct Context<'w, N: Node> {
    pub(crate) node: NodeId,
    pub(crate) slot: Slot,
    pub(crate) ground: &'w mut Ground<N>,
}

impl<N: Node> Context<'_, N> {
    /// The node itself.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// What the node's own monotonic clock shows. It is the world's time until the clock drifts, and never goes back.
    #[must_use]
    pub fn now(&self) -> Tick {
        self.ground.clock(self.slot).map_or(self.ground.now, |clock| clock.now(self.ground.now))
    }

    /// What a clock shows that nodes have in common, and that is never wrong: that of a database, mostly. Times that one
    /// node stores and another one reads are of such a clock, as each node's own shows something else.
    #[must_use]
    pub const fn common_now(&self) -> Tick {
        self.ground.now
    }

    /// What the nodes have in common.
    #[must_use]
    pub const fn shared(&mut self) -> &mut N::Shared {
        &mut self.ground.shared
    }

    /// What a machine in this node may observe, with fresh entropy. `about` is the node that the machine serves, where
    /// this one serves many. Both times are those of the node's own clock: `now` may drift, `wall` may jump.
    #[must_use]
    pub fn env(&mut self, about: Option<NodeId>) -> Env {
        let entropy = self.ground.decider.entropy(ENTROPY, self.who(about));
        let now = self.ground.now;
        match self.ground.clock(self.slot) {
            Some(clock) => Env { now: clock.now(now), wall: clock.wall(now), entropy },
            None => Env { now, wall: UnixMillis(EPOCH.0.saturating_add(now.0)), entropy },
        }
    }

    /// One of `options`; see [`Decider::choose`](crate::Decider::choose).
    pub fn choose(&mut self, site: Site, about: Option<NodeId>, options: u32) -> u32 {
        self.ground.decider.choose(site, self.who(about), options)
    }

    /// Whether something happens; see [`Decider::chance`](crate::Decider::chance).
    pub fn chance(&mut self, site: Site, about: Option<NodeId>, probability: Permille) -> bool {
        self.ground.decider.chance(site, self.who(about), probability)
    }

    /// A time within `span`.
    pub fn draw(&mut self, site: Site, about: Option<NodeId>, span: Span) -> Millis {
        let who = self.who(about);
        span.draw(&mut self.ground.decider, site, who)
    }

    /// A channel that was never used before, not even before a crash.
    #[must_use]
    pub fn open_channel(&mut self) -> Channel {
        let number = self.ground.places.status_mut(self.slot).map_or(0, Status::next_channel);
        Channel { opener: self.node, number }
    }

    /// Gives a message to the network.
    pub fn send(&mut self, to: NodeId, channel: Channel, bytes: Bytes) {
        self.ground.send(self.node, to, channel, bytes);
    }

    /// Sets the node's one timer, or with `None` turns it off. A time that has passed comes at once, but after this event.
    /// The time is one of the node's own clock, whatever becomes of that until then.
    pub fn wake_at(&mut self, at: Option<Tick>) {
        let at = match self.ground.clock(self.slot) {
            Some(clock) => at.map(|at| clock.world(at)),
            None => at,
        };
        self.ground.set_timer(self.slot, at);
    }

    /// Writes something into the trace and tells the checkers.
    pub fn note(&mut self, fact: &N::Fact) {
        self.ground.trace.note(self.ground.now, "note", self.node, fact);
        self.ground.traffic.mark(self.ground.now, Some(self.node), || MarkKind::Noted(fact.to_string()));
        self.ground.tell(&Event::Noted(self.node, fact));
    }

    /// Lets this node crash as soon as the event is over; it is back after `down`. Return right after this: what the
    /// node does until then still counts.
    pub const fn crash(&mut self, down: Millis) {
        self.ground.crashing = Some(down);
    }

    /// Whether a fault that this node injects by itself takes place here, as often as the world's [`Swarm`](crate::Swarm)
    /// has it; if it does, it is counted. Never after the world was healed.
    pub fn strikes(&mut self, fault: FaultId, about: Option<NodeId>) -> bool {
        let rate = self.ground.weather.swarm().rate(fault);
        let strikes = self.ground.decider.chance(fault.site(), self.who(about), rate);
        if strikes {
            self.count_fault(fault);
        }
        strikes
    }

    /// Counts a fault that this node injects for a reason of its own: because a script says so, mostly.
    pub fn count_fault(&mut self, fault: FaultId) {
        self.ground.struck(fault, Some(self.node), None);
    }

    /// What happens to the write that this node is about to do, by the world's swarm; it is counted. Hand it to
    /// [`Store::write`](crate::Store::write), or do to your own store what it says.
    pub fn disk_fault(&mut self, about: Option<NodeId>) -> Option<DiskFault> {
        let who = self.who(about);
        let fault = DiskFault::draw(&mut self.ground.decider, who, self.ground.weather.swarm())?;
        self.count_fault(fault.fault());
        Some(fault)
    }

    /// Whether the code takes a rare way at this place (F51). Where the world's swarm has F51 on at all, a quarter of the
    /// places are such places in a run, and such a place takes its rare way every fourth time.
    pub fn buggify(&mut self, place: Site, about: Option<NodeId>) -> bool {
        if self.ground.weather.swarm().rate(FaultId::F51) == Permille::NEVER {
            return false;
        }
        let taken =
            self.ground.buggified(place, BUGGIFY) && self.ground.decider.chance(place, self.who(about), BUGGIFY);
        if taken {
            self.count_fault(FaultId::F51);
        }
        taken
    }

    /// Says that nothing more comes of this node: what the world remembers of its choices, and of those of `others` about
    /// it, takes no memory any more. Should something come all the same, its streams of choices begin anew. Only worlds
    /// [without a record](crate::Decider::unrecorded) forget.
    pub fn retire(&mut self, others: impl IntoIterator<Item = NodeId>) {
        let own = self.node;
        self.ground.decider.forget(Who::alone(own));
        for other in others {
            for (from, to) in [(own, other), (other, own)] {
                self.ground.decider.forget(Who::about(from, to));
                self.ground.forget_link(from, to);
            }
        }
    }

    /// Whether all faults are over for good.
    #[must_use]
    pub const fn is_healed(&self) -> bool {
        self.ground.weather.healed.is_some()
    }

    const fn who(&self, about: Option<NodeId>) -> Who {
        Who { node: self.node, about }
    }
}
