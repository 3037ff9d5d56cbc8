//! The event loop: virtual milliseconds, one heap, no clock.

use std::collections::BTreeMap;

use core_kit::{Millis, Tick};

use crate::{
    checker::{CONSERVATION, Checker, End, Ledger},
    context::Context,
    decide::{Decider, Decision},
    fault::{FaultCounts, FaultId, Strike, Swarm, draw_strikes},
    link::Link,
    node::{Message, Node, NodeId},
    trace::Trace,
    traffic::{Mark, Transmission},
};

mod agenda;
mod ground;
mod places;

use agenda::{Due, Plan, Scheduled};
pub(crate) use ground::Ground;
use places::Alarm;
pub(crate) use places::{Slot, Status};

/// How far a run may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Events after this time do not happen.
    pub until: Tick,
    /// Events.
    pub events: u64,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Faults come to the end; whatever must never happen, must not happen.
    #[default]
    Safety,
    /// All faults end at a time, and what must come true in the end then has its time to.
    Converge {
        /// When they end.
        heal: Tick,
    },
}

/// What a run is to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// All that happens within its bounds.
    #[default]
    Whole,
    /// No more than the event that breaks a rule. For whoever wants to know which rule is broken first and nothing else, as
    /// [`shrink`](crate::shrink) does: what comes after it takes time.
    FirstBroken,
}

/// What the next event of a world makes work: events of a kind run through the same code, which is in the cache then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A message comes to a server.
    Request,
    /// A server's timer fires.
    Work,
    /// Everything else: what devices do, mostly.
    Other,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Other, Self::Request, Self::Work];
}

/// Why a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Nothing is left to happen.
    Quiet,
    /// Something is left that lies beyond [`Bounds::until`].
    OutOfTime,
    /// [`Bounds::events`] have happened: the world may be going round in circles.
    OutOfEvents,
    /// A rule is broken, and the world was to [go no further](Extent::FirstBroken).
    Broken,
}

/// What the network did, and the nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that nodes sent.
    pub sent: u64,
    /// Copies that the network made.
    pub duplicated: u64,
    /// Messages and copies that arrived.
    pub delivered: u64,
    /// Messages and copies that were lost, or that nobody took.
    pub dropped: u64,
    /// Messages and copies on their way.
    pub in_flight: u64,
    /// Crashes of nodes.
    pub crashes: u64,
    /// Restarts of nodes.
    pub restarts: u64,
}

/// Nodes, the network between them, and what watches both.
pub struct World<N: Node> {
    /// By place.
    nodes: Vec<N>,
    ground: Ground<N>,
    extent: Extent,
}

impl<N: Node> World<N> {
    /// An empty world at time 0. Between any two nodes there is a `link`.
    #[must_use]
    pub fn new(decider: Decider, link: Link, shared: N::Shared) -> Self {
        Self { nodes: Vec::new(), ground: Ground::new(decider, link, shared), extent: Extent::Whole }
    }

    /// Writes no trace: nothing is written into [`trace`](Self::trace), and messages are not hashed.
    #[must_use]
    pub fn untraced(mut self) -> Self {
        self.ground.trace.turn_off();
        self
    }

    /// Says what runs are to see from now on.
    pub const fn extend_to(&mut self, extent: Extent) {
        self.extent = extent;
    }

    /// Puts a node into the world, to start now. A node that has the number already is replaced.
    ///
    /// Nodes of the same name are of the same kind: a fault that lets one node take another one's place, as F15 does,
    /// stays within the kind.
    pub fn add(&mut self, id: NodeId, name: &str, node: N) {
        let slot = self.ground.places.add(id, name);
        match self.nodes.get_mut(slot.index()) {
            Some(place) => *place = node,
            None => self.nodes.push(node),
        }
        self.ground.trace.node(id, name);
        self.ground.agenda.put(self.ground.now, Due::Start(slot));
    }

    /// Gives one direction between two nodes a link of its own.
    pub fn link(&mut self, from: NodeId, to: NodeId, link: Link) {
        self.ground.links.set(from, to, link);
    }

    /// Gives all pairs of nodes this link from now on, those with one of their own included. What is on its way arrives as
    /// it was to.
    pub fn relink(&mut self, link: Link) {
        self.ground.links.reset(link);
    }

    /// Lets a checker watch from now on.
    pub fn watch(&mut self, checker: Box<dyn Checker<N>>) {
        for rule in checker.rules() {
            self.ground.ledger.enter(rule);
        }
        self.ground.checkers.push(checker);
    }

    /// Keeps every message from now on for [`take_traffic`](Self::take_traffic), and what happens between messages for
    /// [`take_marks`](Self::take_marks).
    pub fn keep_traffic(&mut self) {
        self.ground.traffic.keep();
    }

    /// Lets a node crash at a time; it is back after `down`.
    pub fn crash_at(&mut self, node: NodeId, at: Tick, down: Millis) {
        self.strike_at(at, Strike::Crash(node, down));
    }

    /// Lets something go wrong at a time, or now where that has passed. It happens even after the world was healed.
    pub fn strike_at(&mut self, at: Tick, strike: Strike) {
        self.ground.plan_strike(at, strike, false);
    }

    /// Lets things go wrong as often as `swarm` says: with messages from now on, and with the nodes that are there and
    /// their links at times within the next `span`, all of which are drawn now.
    pub fn unleash(&mut self, swarm: &Swarm, span: Millis) {
        let ground = &mut self.ground;
        ground.weather.set_swarm(*swarm);
        let ids = ground.places.ids().iter().copied();
        let nodes: Vec<(NodeId, bool)> = ids.zip(&self.nodes).map(|(id, node)| (id, node.is_server())).collect();
        let (times, places) = ((ground.now, ground.now + span), &ground.places);
        for (at, strike) in draw_strikes(&mut ground.decider, swarm, times, &nodes, |drawn| places.any(drawn)) {
            ground.plan_strike(at, strike, true);
        }
    }

    /// Ends all that goes wrong: the swarm, what was drawn and has not come yet, the losses, copies and overtaking of
    /// links, troubles, pauses, wrong clocks. Nodes that are down come back when they were to, and what is on its way
    /// arrives as it was to.
    pub fn heal(&mut self) {
        self.ground.heal();
    }

    /// Lets somebody from outside do something with a node, now, as an event of the world would; nothing if it is down.
    pub fn visit(&mut self, id: NodeId, act: impl FnOnce(&mut N, &mut Context<'_, N>)) {
        if let Some(slot) = self.ground.places.slot(id)
            && self.ground.places.status_mut(slot).is_some_and(|status| !status.down)
        {
            self.act(slot, id, act);
        }
    }

    /// Lets the world happen until nothing is left or a bound is reached. It can go on with another call.
    pub fn run(&mut self, bounds: Bounds) -> Halt {
        let mut events = 0;
        while let Some(next) = self.ground.agenda.next() {
            if next.at > bounds.until {
                return Halt::OutOfTime;
            }
            if events == bounds.events {
                return Halt::OutOfEvents;
            }
            if self.extent == Extent::FirstBroken && !self.ground.ledger.violations().is_empty() {
                return Halt::Broken;
            }
            events += u64::from(self.step());
        }
        Halt::Quiet
    }

    /// Lets the world happen up to a time, as far as its next events are of a kind; whether anything did. Whoever has many
    /// worlds takes them through their events together in this way, kind by kind.
    pub(crate) fn run_kind(&mut self, kind: Kind, until: Tick) -> bool {
        let mut has_run = false;
        while self.ground.agenda.next().copied().is_some_and(|next| next.at <= until && self.kind(next.what) == kind) {
            self.step();
            has_run = true;
        }
        has_run
    }

    fn kind(&self, what: Due) -> Kind {
        let is_server = |slot: Slot| self.nodes.get(slot.index()).is_some_and(Node::is_server);
        let arrives_at = |message| self.ground.places.slot(self.ground.agenda.messages.get(message)?.to);
        match what {
            Due::Arrival(message) if arrives_at(message).is_some_and(is_server) => Kind::Request,
            Due::Timer(slot) if is_server(slot) => Kind::Work,
            _ => Kind::Other,
        }
    }

    /// Lets the world happen as [`run`](Self::run) does, and heals it when the mode says so.
    pub fn run_in(&mut self, mode: Mode, bounds: Bounds) -> Halt {
        if let Mode::Converge { heal } = mode {
            let before = self.run(Bounds { until: heal.min(bounds.until), ..bounds });
            if matches!(before, Halt::OutOfEvents | Halt::Broken) || heal > bounds.until {
                return before;
            }
            // A world that came to rest early is healed at its time all the same.
            self.ground.advance(heal.max(self.ground.now));
            self.heal();
        }
        self.run(bounds)
    }

    /// Ends the run: checkers give their last word, and the world's own rules are judged on the whole heap.
    pub fn finish(&mut self) {
        let ground = &mut self.ground;
        let end = End { at: ground.now, shared: &ground.shared, trace: ground.trace.as_str() };
        for checker in &mut ground.checkers {
            checker.finish(&end, &mut ground.ledger);
        }
        ground.checkers.clear();
        let (arrivals, counts) = (ground.agenda.arrivals(), ground.counts);
        ground.ledger.judge(CONSERVATION, counts.in_flight == arrivals as u64, || {
            format!("{} in flight by count, {arrivals} in the heap", counts.in_flight)
        });
    }

    /// The node of that number.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&N> {
        self.nodes.get(self.ground.places.slot(id)?.index())
    }

    /// The name that the node was added under.
    #[must_use]
    pub fn name(&self, id: NodeId) -> Option<&str> {
        self.ground.places.name(id)
    }

    /// The nodes, in the order they were added.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &N)> {
        self.ground.places.ids().iter().copied().zip(&self.nodes)
    }

    /// Takes the world apart: its nodes, and what they had in common.
    #[must_use]
    pub fn into_parts(self) -> (BTreeMap<NodeId, N>, N::Shared) {
        let ids = self.ground.places.ids().to_vec();
        (ids.into_iter().zip(self.nodes).collect(), self.ground.shared)
    }

    /// What the nodes have in common.
    #[must_use]
    pub const fn shared(&self) -> &N::Shared {
        &self.ground.shared
    }

    /// What the nodes have in common, to be changed from outside between two runs.
    #[must_use]
    pub const fn shared_mut(&mut self) -> &mut N::Shared {
        &mut self.ground.shared
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Tick {
        self.ground.now
    }

    /// What happened.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.ground.trace
    }

    /// Every choice that was made and was not 0.
    #[must_use]
    pub fn decisions(&self) -> &[Decision] {
        self.ground.decider.decisions()
    }

    /// What the checkers found.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ground.ledger
    }

    /// What the network did.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.ground.counts
    }

    /// How often each fault took place.
    #[must_use]
    pub const fn faults(&self) -> &FaultCounts {
        &self.ground.weather.counts
    }

    /// The messages kept so far, oldest first; none are kept after this.
    #[must_use]
    pub fn take_traffic(&mut self) -> Vec<Transmission> {
        self.ground.traffic.take()
    }

    /// What happened between the messages that were kept.
    #[must_use]
    pub fn take_marks(&mut self) -> Vec<Mark> {
        self.ground.traffic.take_marks()
    }

    /// Takes the next event; false for a look at a timer that does not go off, which is none.
    fn step(&mut self) -> bool {
        let Some(Scheduled { at, seq, what }) = self.ground.agenda.pop() else { return false };
        if let Due::Timer(slot) = what
            && !self.ground.timer_goes_off(slot, Alarm { at, seq })
        {
            return false;
        }
        self.ground.advance(at);
        if let Some(until) = self.ground.paused_until(what) {
            // What comes to a node that stands still comes later, in the same order.
            match what {
                Due::Timer(slot) => self.ground.set_timer(slot, Some(until)),
                _ => self.ground.agenda.put(until, what),
            }
            return true;
        }
        match what {
            Due::Start(slot) => {
                // A node that went down before it could start is only restarted.
                if let Some(id) = self.ground.up(slot) {
                    self.ground.trace.event(at, "start", id);
                    self.act(slot, id, Node::start);
                }
            }
            Due::Arrival(message) => {
                if let Some(message) = self.ground.agenda.messages.take(message)
                    && let Some(slot) = self.ground.arrive(&message)
                {
                    self.deliver(slot, &message);
                }
            }
            Due::Timer(slot) => {
                if let Some(id) = self.ground.places.id(slot) {
                    self.ground.trace.event(at, "wake", id);
                    self.act(slot, id, Node::wake);
                }
            }
            Due::Plan(plan) => {
                if let Some(plan) = self.ground.agenda.plans.take(plan) {
                    self.happen(plan);
                }
            }
        }
        self.ground.audit();
        true
    }

    fn deliver(&mut self, slot: Slot, message: &Message) {
        if message.pieces == 0 {
            return self.act(slot, message.to, |node, ctx| node.deliver(ctx, message));
        }
        let octets = message.pieces as usize;
        let cuts = (0..message.bytes.len()).step_by(octets);
        let piece = |from: usize| message.bytes.slice(from..(from + octets).min(message.bytes.len()));
        let pieces: Vec<bytes::Bytes> = cuts.map(piece).collect();
        self.act(slot, message.to, |node, ctx| node.deliver_in_pieces(ctx, message, &pieces));
    }

    fn happen(&mut self, plan: Plan) {
        let at = self.ground.now;
        match plan {
            Plan::Strike { drawn: true, .. } if self.ground.weather.healed.is_some() => {}
            Plan::Strike { strike: Strike::Crash(node, down), .. } => {
                if let Some(slot) = self.ground.places.slot(node) {
                    self.happen(Plan::Crash(slot, down));
                }
            }
            Plan::Strike { strike, .. } => self.ground.strike(strike),
            Plan::Crash(slot, down) => {
                if let Some(id) = self.ground.up(slot) {
                    self.crash(slot, id, down);
                }
            }
            Plan::Restart(slot) => {
                let Some(id) = self.ground.places.id(slot) else { return };
                if let Some(status) = self.ground.places.status_mut(slot) {
                    status.down = false;
                }
                self.ground.restarted(id);
                self.act(slot, id, Node::restart);
            }
            Plan::Reset(slot, channel) => {
                if let Some(id) = self.ground.up(slot) {
                    self.ground.trace.event(at, "reset", id);
                    self.act(slot, id, |node, ctx| node.reset(ctx, channel));
                }
            }
            Plan::Reconnect(slot) => {
                if let Some(id) = self.ground.up(slot) {
                    self.ground.trace.event(at, "reconnect", id);
                    self.ground.struck(FaultId::F21, Some(id), None);
                    self.act(slot, id, Node::reconnect);
                }
            }
        }
    }

    fn act(&mut self, slot: Slot, id: NodeId, act: impl FnOnce(&mut N, &mut Context<'_, N>)) {
        if let Some(node) = self.nodes.get_mut(slot.index()) {
            act(node, &mut Context { node: id, slot, ground: &mut self.ground });
        }
        if let Some(down) = self.ground.crashing.take() {
            self.crash(slot, id, down);
        }
    }

    fn crash(&mut self, slot: Slot, id: NodeId, down: Millis) {
        let Some(node) = self.nodes.get_mut(slot.index()) else { return };
        node.crash();
        let fault = if node.is_server() { FaultId::F25 } else { FaultId::F22 };
        let ground = &mut self.ground;
        ground.set_timer(slot, None);
        if let Some(status) = ground.places.status_mut(slot) {
            status.down = true;
            status.unpause();
        }
        ground.crashed(id, fault);
        ground.agenda.plan(ground.now + down, Plan::Restart(slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::{FORWARD, RuleId};

    struct Silent;

    impl Node for Silent {
        type Shared = ();
        type Fact = &'static str;

        fn start(&mut self, _: &mut Context<'_, Self>) {}
        fn deliver(&mut self, _: &mut Context<'_, Self>, _: &Message) {}
        fn wake(&mut self, _: &mut Context<'_, Self>) {}
        fn crash(&mut self) {}
        fn restart(&mut self, _: &mut Context<'_, Self>) {}
    }

    fn world() -> World<Silent> {
        let mut world = World::new(Decider::from_seed(1), Link::PERFECT, ());
        world.add(NodeId(1), "silent", Silent);
        world
    }

    fn broken(world: &World<Silent>) -> Vec<RuleId> {
        world.ledger().violations().iter().map(|violation| violation.rule).collect()
    }

    const FOREVER: Bounds = Bounds { until: Tick(u64::MAX), events: u64::MAX };

    #[test]
    fn a_message_that_vanishes_breaks_conservation() {
        let mut world = world();
        world.ground.counts.sent += 1;
        assert_eq!(world.run(FOREVER), Halt::Quiet);
        assert_eq!(broken(&world), [CONSERVATION.id]);
    }

    #[test]
    fn a_message_that_is_counted_and_not_there_breaks_conservation_at_the_end() {
        let mut world = world();
        world.ground.counts.sent += 1;
        world.ground.counts.in_flight += 1;
        assert_eq!(world.run(FOREVER), Halt::Quiet);
        assert_eq!(broken(&world), []);
        world.finish();
        assert_eq!(broken(&world), [CONSERVATION.id]);
    }

    #[test]
    fn an_event_from_the_past_breaks_the_order_of_time_and_does_not_turn_it_back() {
        let mut world = world();
        world.ground.now = Tick(9);
        world.ground.agenda.plan(Tick(3), Plan::Crash(Slot(0), Millis(1)));
        assert_eq!(world.run(Bounds { until: Tick(4), events: 9 }), Halt::OutOfTime);
        assert_eq!(broken(&world), [FORWARD.id, FORWARD.id], "the start of the node lies in the past, too");
        assert_eq!(world.now(), Tick(9));
    }

    #[test]
    fn a_run_ends_with_the_rule_that_is_broken_where_that_is_wanted() {
        let mut world = world();
        world.ground.counts.sent += 1;
        world.crash_at(NodeId(1), Tick(50), Millis(10));
        world.extend_to(Extent::FirstBroken);
        assert_eq!(world.run(FOREVER), Halt::Broken);
        assert_eq!((broken(&world), world.now()), (vec![CONSERVATION.id], Tick(0)));
    }

    #[test]
    fn a_run_stops_at_its_bounds_and_goes_on_from_there() {
        let mut world = world();
        world.crash_at(NodeId(1), Tick(50), Millis(10));
        assert_eq!(world.run(Bounds { until: Tick(49), events: 9 }), Halt::OutOfTime);
        assert_eq!(world.run(Bounds { until: Tick(99), events: 1 }), Halt::OutOfEvents);
        assert_eq!((world.counts().crashes, world.counts().restarts), (1, 0));
        assert_eq!(world.run(FOREVER), Halt::Quiet);
        assert_eq!((world.now(), world.counts().restarts), (Tick(60), 1));
    }
}
