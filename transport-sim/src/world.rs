//! The event loop: virtual milliseconds, one heap, no clock.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use bytes::Bytes;
use core_kit::{Millis, Tick};

use crate::{
    checker::{Checker, End, Event, Ledger, Rule, RuleId},
    context::Context,
    decide::{Decider, Decision},
    link::{Link, Links},
    node::{Channel, Message, Node, NodeId},
    trace::Trace,
    traffic::{Fate, Traffic, Transmission},
};

/// Message conservation, judged after every event.
pub const CONSERVATION: Rule =
    Rule { id: RuleId("S05"), says: "messages sent and copied are delivered, dropped or in flight" };
/// The order of time, judged at every event.
pub const FORWARD: Rule = Rule { id: RuleId("S06"), says: "time does not go back" };

/// How far a run may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Events after this time do not happen.
    pub until: Tick,
    /// Events.
    pub events: u64,
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
    nodes: BTreeMap<NodeId, N>,
    ground: Ground<N>,
}

/// All of a world but its nodes: what a node acts on while it is itself borrowed.
pub(crate) struct Ground<N: Node> {
    pub(crate) now: Tick,
    pub(crate) decider: Decider,
    pub(crate) trace: Trace,
    pub(crate) shared: N::Shared,
    /// The node that is at work has crashed, and for how long.
    pub(crate) crashing: Option<Millis>,
    heap: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    status: BTreeMap<NodeId, Status>,
    links: Links,
    checkers: Vec<Box<dyn Checker<N>>>,
    ledger: Ledger,
    traffic: Traffic,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Status {
    down: bool,
    /// Counts the settings of the timer: one that was set before another means nothing any more.
    timer: u64,
    channels: u64,
}

impl Status {
    pub(crate) const fn next_channel(&mut self) -> u64 {
        self.channels += 1;
        self.channels
    }
}

/// Ordered by time, and at the same time by who was scheduled first.
#[derive(Debug)]
struct Scheduled {
    at: Tick,
    seq: u64,
    what: Due,
}

#[derive(Debug)]
enum Due {
    Start(NodeId),
    Arrival(Message),
    Timer(NodeId, u64),
    Crash(NodeId, Millis),
    Restart(NodeId),
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.seq) == (other.at, other.seq)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

impl<N: Node> World<N> {
    /// An empty world at time 0. Between any two nodes there is a `link`.
    #[must_use]
    pub fn new(decider: Decider, link: Link, shared: N::Shared) -> Self {
        let mut ledger = Ledger::default();
        ledger.enter(CONSERVATION);
        ledger.enter(FORWARD);
        let ground = Ground {
            now: Tick(0),
            trace: Trace::new(decider.seed()),
            decider,
            shared,
            crashing: None,
            heap: BinaryHeap::new(),
            scheduled: 0,
            status: BTreeMap::new(),
            links: Links::new(link),
            checkers: Vec::new(),
            ledger,
            traffic: Traffic::default(),
            counts: Counts::default(),
        };
        Self { nodes: BTreeMap::new(), ground }
    }

    /// Puts a node into the world, to start now. A node that has the number already is replaced.
    pub fn add(&mut self, id: NodeId, name: &str, node: N) {
        self.nodes.insert(id, node);
        self.ground.status.insert(id, Status::default());
        self.ground.trace.node(id, name);
        self.ground.schedule(self.ground.now, Due::Start(id));
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

    /// Keeps every message from now on for [`take_traffic`](Self::take_traffic).
    pub fn keep_traffic(&mut self) {
        self.ground.traffic.keep();
    }

    /// Lets a node crash at a time; it is back after `down`.
    pub fn crash_at(&mut self, node: NodeId, at: Tick, down: Millis) {
        self.ground.schedule(at, Due::Crash(node, down));
    }

    /// Lets the world happen until nothing is left or a bound is reached. It can go on with another call.
    pub fn run(&mut self, bounds: Bounds) -> Halt {
        let mut events = 0;
        while let Some(Reverse(next)) = self.ground.heap.peek() {
            if next.at > bounds.until {
                return Halt::OutOfTime;
            }
            if events == bounds.events {
                return Halt::OutOfEvents;
            }
            events += u64::from(self.step());
        }
        Halt::Quiet
    }

    /// Ends the run: checkers give their last word, and the world's own rules are judged on the whole heap.
    pub fn finish(&mut self) {
        let ground = &mut self.ground;
        let end = End { at: ground.now, shared: &ground.shared, trace: ground.trace.as_str() };
        for checker in &mut ground.checkers {
            checker.finish(&end, &mut ground.ledger);
        }
        ground.checkers.clear();
        let arrivals = ground.heap.iter().filter(|Reverse(due)| matches!(due.what, Due::Arrival(_))).count();
        let counts = ground.counts;
        ground.ledger.judge(CONSERVATION, counts.in_flight == arrivals as u64, || {
            format!("{} in flight by count, {arrivals} in the heap", counts.in_flight)
        });
    }

    /// The node of that number.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&N> {
        self.nodes.get(&id)
    }

    /// Takes the world apart: its nodes, and what they had in common.
    #[must_use]
    pub fn into_parts(self) -> (BTreeMap<NodeId, N>, N::Shared) {
        (self.nodes, self.ground.shared)
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

    /// Every choice that was made.
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

    /// The messages kept so far, oldest first; none are kept after this.
    #[must_use]
    pub fn take_traffic(&mut self) -> Vec<Transmission> {
        self.ground.traffic.take()
    }

    /// Takes the next event; false for a timer that was set anew, which is none.
    fn step(&mut self) -> bool {
        let Some(Reverse(Scheduled { at, what, .. })) = self.ground.heap.pop() else { return false };
        if let Due::Timer(node, setting) = what
            && !self.ground.timer_counts(node, setting)
        {
            return false;
        }
        self.ground.advance(at);
        match what {
            Due::Start(id) => {
                // A node that went down before it could start is only restarted.
                if self.ground.is_up(id) {
                    self.ground.trace.event(at, "start", id);
                    self.act(id, Node::start);
                }
            }
            Due::Arrival(message) => {
                if self.ground.arrive(&message) {
                    self.act(message.to, |node, ctx| node.deliver(ctx, &message));
                }
            }
            Due::Timer(id, _) => {
                self.ground.trace.event(at, "wake", id);
                self.act(id, Node::wake);
            }
            Due::Crash(id, down) => {
                if self.ground.is_up(id) {
                    self.crash(id, down);
                }
            }
            Due::Restart(id) => {
                self.ground.status_mut(id).down = false;
                self.ground.counts.restarts += 1;
                self.ground.trace.event(at, "restart", id);
                self.ground.tell(&Event::Restarted(id));
                self.act(id, Node::restart);
            }
        }
        self.ground.audit();
        true
    }

    fn act(&mut self, id: NodeId, act: impl FnOnce(&mut N, &mut Context<'_, N>)) {
        if let Some(node) = self.nodes.get_mut(&id) {
            act(node, &mut Context { node: id, ground: &mut self.ground });
        }
        if let Some(down) = self.ground.crashing.take() {
            self.crash(id, down);
        }
    }

    fn crash(&mut self, id: NodeId, down: Millis) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.crash();
        let ground = &mut self.ground;
        ground.set_timer(id, None);
        ground.status_mut(id).down = true;
        ground.counts.crashes += 1;
        ground.trace.event(ground.now, "crash", id);
        ground.tell(&Event::Crashed(id));
        ground.schedule(ground.now + down, Due::Restart(id));
    }
}

impl<N: Node> Ground<N> {
    pub(crate) fn status_mut(&mut self, node: NodeId) -> &mut Status {
        self.status.entry(node).or_default()
    }

    pub(crate) fn set_timer(&mut self, node: NodeId, at: Option<Tick>) {
        let now = self.now;
        let status = self.status_mut(node);
        status.timer += 1;
        let setting = status.timer;
        if let Some(at) = at {
            self.schedule(at.max(now), Due::Timer(node, setting));
        }
    }

    pub(crate) fn send(&mut self, from: NodeId, to: NodeId, channel: Channel, bytes: Bytes) {
        self.counts.sent += 1;
        let message = Message::new(self.counts.sent, from, to, channel, bytes);
        let passage = self.links.pass(&mut self.decider, self.now, from, to);
        self.trace.message(self.now, "send", &message, if passage.arrives.is_some() { "sent" } else { "lost" });
        let fate = if passage.arrives.is_some() { Fate::InFlight } else { Fate::Lost };
        self.traffic.sent(self.now, &message, fate);
        self.tell(&Event::Sent(&message));
        if passage.arrives.is_none() {
            self.counts.dropped += 1;
            self.tell(&Event::Lost(&message));
        }
        let copy = passage.copy_arrives.map(|at| (at, Message { copy: true, ..message.clone() }));
        if let Some(at) = passage.arrives {
            self.counts.in_flight += 1;
            self.schedule(at, Due::Arrival(message));
        }
        if let Some((at, copy)) = copy {
            self.counts.duplicated += 1;
            self.counts.in_flight += 1;
            self.trace.message(self.now, "copy", &copy, "sent");
            self.traffic.sent(self.now, &copy, Fate::InFlight);
            self.tell(&Event::Copied(&copy));
            self.schedule(at, Due::Arrival(copy));
        }
    }

    pub(crate) fn tell(&mut self, event: &Event<'_, N::Fact>) {
        for checker in &mut self.checkers {
            checker.observe(self.now, event, &self.shared, &mut self.ledger);
        }
    }

    fn schedule(&mut self, at: Tick, what: Due) {
        self.scheduled += 1;
        self.heap.push(Reverse(Scheduled { at, seq: self.scheduled, what }));
    }

    fn is_up(&self, node: NodeId) -> bool {
        self.status.get(&node).is_some_and(|status| !status.down)
    }

    fn timer_counts(&self, node: NodeId, setting: u64) -> bool {
        self.status.get(&node).is_some_and(|status| status.timer == setting && !status.down)
    }

    fn advance(&mut self, at: Tick) {
        let now = self.now;
        self.ledger.advance(now.max(at));
        self.ledger.judge(FORWARD, at >= now, || format!("an event of {} ms comes at {} ms", at.0, now.0));
        self.now = now.max(at);
    }

    /// Counts an arrival; false if nobody takes it.
    fn arrive(&mut self, message: &Message) -> bool {
        self.counts.in_flight = self.counts.in_flight.saturating_sub(1);
        let taken = self.is_up(message.to);
        if taken {
            self.counts.delivered += 1;
            self.trace.message(self.now, "deliver", message, "delivered");
            self.traffic.arrived(message, Fate::Delivered(self.now));
            self.tell(&Event::Delivered(message));
        } else {
            self.counts.dropped += 1;
            self.trace.message(self.now, "deliver", message, "down");
            self.traffic.arrived(message, Fate::Undeliverable(self.now));
            self.tell(&Event::Undeliverable(message));
        }
        taken
    }

    fn audit(&mut self) {
        let Counts { sent, duplicated, delivered, dropped, in_flight, .. } = self.counts;
        self.ledger.judge(CONSERVATION, sent + duplicated == delivered + dropped + in_flight, || {
            format!(
                "{sent} sent + {duplicated} copied, {delivered} delivered + {dropped} dropped + {in_flight} in flight"
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        world.ground.schedule(Tick(3), Due::Crash(NodeId(1), Millis(1)));
        assert_eq!(world.run(Bounds { until: Tick(4), events: 9 }), Halt::OutOfTime);
        assert_eq!(broken(&world), [FORWARD.id, FORWARD.id], "the start of the node lies in the past, too");
        assert_eq!(world.now(), Tick(9));
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
