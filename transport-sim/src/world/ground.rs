//! All of a world but its nodes: what a node acts on while it is itself borrowed.

use bytes::Bytes;
use core_kit::{Millis, Tick};

use super::{
    Counts,
    agenda::{Agenda, Due, Plan},
    places::{Alarm, Came, Places, Slot},
};
use crate::{
    checker::{CONSERVATION, Checker, Event, FORWARD, Ledger},
    decide::{Decider, Permille, Site, Who},
    fault::{Clock, FaultId, Group, Harm, LATE, Passing, ResetAt, Strike, Trouble, WORLD, Weather, fraction},
    link::{Link, Links},
    node::{self, Channel, Message, Node, NodeId},
    trace::Trace,
    traffic::{Fate, MarkKind, Traffic},
};

pub(crate) struct Ground<N: Node> {
    pub(crate) now: Tick,
    pub(crate) decider: Decider,
    pub(crate) trace: Trace,
    pub(crate) shared: N::Shared,
    /// The node that is at work has crashed, and for how long.
    pub(crate) crashing: Option<Millis>,
    pub(crate) places: Places,
    pub(crate) weather: Weather,
    pub(crate) traffic: Traffic,
    pub(super) agenda: Agenda,
    pub(super) links: Links,
    pub(super) checkers: Vec<Box<dyn Checker<N>>>,
    pub(super) ledger: Ledger,
    pub(super) counts: Counts,
    /// Whether a node has ever stood still: else nobody needs to look.
    has_paused: bool,
    /// The places in the code that take rare ways in this run, and those that do not.
    buggified: Vec<(Site, bool)>,
}

/// A message that is being sent: when it arrives, as what, and what else comes of it.
struct Sending {
    arrives: Option<Tick>,
    copy_arrives: Option<Tick>,
    /// When who opened its channel learns that that was reset.
    reset: Option<Tick>,
    message: Message,
}

impl<N: Node> Ground<N> {
    pub(super) fn new(decider: Decider, link: Link, shared: N::Shared) -> Self {
        let mut ledger = Ledger::default();
        ledger.enter(CONSERVATION);
        ledger.enter(FORWARD);
        Self {
            now: Tick(0),
            trace: Trace::new(decider.seed()),
            decider,
            shared,
            crashing: None,
            places: Places::default(),
            weather: Weather::default(),
            traffic: Traffic::default(),
            agenda: Agenda::new(),
            links: Links::new(link),
            checkers: Vec::new(),
            ledger,
            counts: Counts::default(),
            has_paused: false,
            buggified: Vec::new(),
        }
    }

    pub(crate) fn set_timer(&mut self, slot: Slot, at: Option<Tick>) {
        let Some(status) = self.places.status_mut(slot) else { return };
        let Some(at) = at else { return status.stop_timer() };
        let alarm = Alarm { at: at.max(self.now), seq: self.agenda.next_seq() };
        if status.set_timer(alarm) {
            self.agenda.look_at(slot, alarm);
        }
    }

    /// Whether a node's timer goes off with this entry of the agenda.
    pub(super) fn timer_goes_off(&mut self, slot: Slot, alarm: Alarm) -> bool {
        match self.places.status_mut(slot).map(|status| status.came(alarm)) {
            Some(Came::Now) => true,
            Some(Came::Later(alarm)) => {
                self.agenda.look_at(slot, alarm);
                false
            }
            Some(Came::Nothing) | None => false,
        }
    }

    pub(crate) fn send(&mut self, from: NodeId, to: NodeId, channel: Channel, bytes: Bytes) {
        self.counts.sent += 1;
        let mut message = Message::unhashed(self.counts.sent, from, to, channel, bytes);
        if self.trace.is_on() {
            message.hash = node::hash(&message.bytes);
        }
        let (sending, faults) = self.passage(message.clone());
        let Sending { arrives, copy_arrives, reset, message: as_it_goes } = sending;
        self.trace.message(self.now, "send", &message, if arrives.is_some() { "sent" } else { "lost" });
        for fault in faults.into_iter().flatten() {
            self.trace.fault(self.now, &message, fault);
            self.struck(fault, Some(from), Some(message.number));
        }
        self.traffic.sent(self.now, &message, if arrives.is_some() { Fate::InFlight } else { Fate::Lost });
        self.tell(&Event::Sent(&message));
        if arrives.is_none() {
            self.counts.dropped += 1;
            self.tell(&Event::Lost(&message));
        }
        if let Some(at) = arrives {
            self.counts.in_flight += 1;
            self.agenda.arrival(at, as_it_goes);
        }
        if let Some(at) = reset
            && let Some(slot) = self.places.slot(channel.opener)
        {
            self.agenda.plan(at, Plan::Reset(slot, channel));
        }
        if let Some(at) = copy_arrives {
            let copy = Message { copy: true, ..message };
            self.counts.duplicated += 1;
            self.counts.in_flight += 1;
            self.trace.message(self.now, "copy", &copy, "sent");
            self.traffic.sent(self.now, &copy, Fate::InFlight);
            self.tell(&Event::Copied(&copy));
            self.agenda.arrival(at, copy);
        }
    }

    /// What becomes of a message on its way, and the faults that are to blame for it.
    ///
    /// The link comes first, then the troubles of many links, then what is done to single messages; of a message that is
    /// lost already nothing more becomes.
    fn passage(&mut self, message: Message) -> (Sending, [Option<FaultId>; 3]) {
        let Message { from, to, .. } = message;
        let is_request = message.is_request();
        let passage = self.links.pass(&mut self.decider, self.now, from, to);
        let (arrives, copy_arrives) = (passage.arrives, passage.copy_arrives);
        let mut sending = Sending { arrives, copy_arrives, reset: None, message };
        let Some(arrives) = passage.arrives else {
            return (sending, [Some(Harm::Drop.fault(is_request)), None, None]);
        };
        let copied = passage.copy_arrives.map(|at| if at < self.now + LATE { FaultId::F03 } else { FaultId::F04 });
        let mut faults = [passage.held.then_some(FaultId::F05), copied, None];
        match self.weather.troubles.pass(self.now, from, to) {
            Passing::Free => {}
            Passing::Blocked(fault) => {
                (sending.arrives, sending.copy_arrives) = (None, None);
                return (sending, [Some(fault), None, None]);
            }
            Passing::Clogged(until) => {
                sending.arrives = Some(arrives.max(until));
                faults = [Some(FaultId::F19), copied, None];
            }
        }
        let places = &self.places;
        let like = |drawn| places.like(to, drawn);
        if let Some(harm) = self.weather.harm(&mut self.decider, &sending.message, like)
            && self.apply(harm, &mut sending)
        {
            faults = [faults[0], faults[1], Some(harm.fault(is_request))];
        }
        (sending, faults)
    }

    /// Does harm to a message; false if that changes nothing.
    fn apply(&mut self, harm: Harm, sending: &mut Sending) -> bool {
        let Some(arrives) = sending.arrives else { return false };
        let message = &mut sending.message;
        match harm {
            Harm::Drop => sending.arrives = None,
            Harm::Again(_) if sending.copy_arrives.is_some() => return false,
            Harm::Again(after) => sending.copy_arrives = Some(arrives + after),
            Harm::Hold(by) => sending.arrives = Some(arrives + by),
            Harm::Delay(by) | Harm::Stall(by) => {
                sending.arrives = Some(arrives + by);
                self.links.wait_behind(message.from, message.to, arrives + by);
                if let Harm::Stall(_) = harm {
                    message.pieces = u32::try_from(message.bytes.len().div_ceil(2)).unwrap_or(u32::MAX);
                }
            }
            Harm::Flip(_) | Harm::Overwrite { .. } | Harm::Cut(_) | Harm::Append { .. } => {
                let Some(altered) = harm.alter(&message.bytes) else { return false };
                if self.trace.is_on() {
                    message.hash = node::hash(&altered);
                }
                message.bytes = altered;
                message.altered = true;
            }
            Harm::Pieces(octets) => message.pieces = octets.max(1),
            Harm::Reset(ResetAt::Before) => (sending.arrives, sending.reset) = (None, Some(arrives)),
            Harm::Reset(ResetAt::After) => sending.reset = Some(arrives),
            Harm::Mislabel => message.mislabelled = true,
            Harm::Misdeliver(other) => {
                let channels = self.places.slot(other).and_then(|slot| self.places.status(slot));
                let Some(status) = channels else { return false };
                message.to = other;
                message.channel = Channel { opener: other, number: status.channels };
            }
        }
        true
    }

    /// What shall happen now happens before anything else does; only a crash is an event of its own.
    pub(super) fn plan_strike(&mut self, at: Tick, strike: Strike, drawn: bool) {
        if at <= self.now && !matches!(strike, Strike::Crash(..)) {
            self.strike(strike);
        } else {
            self.agenda.plan(at.max(self.now), Plan::Strike { strike, drawn });
        }
    }

    /// Everything that is struck but a process that crashes.
    pub(super) fn strike(&mut self, strike: Strike) {
        match strike {
            Strike::Message { from, to, nth, harm } => self.weather.arm(from, to, nth, harm),
            Strike::Trouble(trouble, lasts) => {
                self.trace.world(self.now, "trouble", &trouble.fault());
                if let Trouble::Herd(group) = trouble {
                    self.stampede(&group);
                } else {
                    self.weather.troubles.begin(self.now, lasts, trouble);
                }
            }
            Strike::Pause(node, lasts) => {
                let now = self.now;
                if let Some(status) = self.places.slot(node).and_then(|slot| self.places.status_mut(slot))
                    && !status.down
                {
                    status.pause(now, lasts);
                    self.has_paused = true;
                    self.trace.event(now, "pause", node);
                    self.struck(FaultId::F27, Some(node), None);
                }
            }
            Strike::Clock(node, change) => {
                let now = self.now;
                if let Some(slot) = self.places.slot(node)
                    && let Some(status) = self.places.status_mut(slot)
                {
                    if let Some(at) = status.change_clock(|clock| clock.change(now, change)) {
                        self.set_timer(slot, Some(at));
                    }
                    self.trace.note(now, "clock", node, &change.fault());
                    self.struck(change.fault(), Some(node), None);
                }
            }
            Strike::Crash(node, down) => {
                if let Some(slot) = self.places.slot(node) {
                    self.agenda.plan(self.now, Plan::Crash(slot, down));
                }
            }
        }
    }

    /// Has all of a group reconnect within a second.
    fn stampede(&mut self, group: &Group) {
        let now = self.now;
        let herd = self.places.ids().iter().copied().filter(|id| group.contains(*id));
        let herd: Vec<(Tick, Option<Slot>)> =
            herd.map(|id| (now + Millis(fraction(now.0, id, 1_000)), self.places.slot(id))).collect();
        for (at, slot) in herd {
            if let Some(slot) = slot {
                self.agenda.plan(at, Plan::Reconnect(slot));
            }
        }
    }

    /// Counts a fault, and tells of it.
    pub(crate) fn struck(&mut self, fault: FaultId, node: Option<NodeId>, message: Option<u64>) {
        self.weather.counts.count(fault);
        self.traffic.mark(self.now, node, || MarkKind::Struck(fault, message));
        for checker in &mut self.checkers {
            checker.struck(self.now, fault, node.unwrap_or(WORLD), &mut self.ledger);
        }
    }

    pub(super) fn heal(&mut self) {
        let now = self.now;
        self.weather.heal(now);
        self.links.heal();
        let healed = self.places.all_mut().filter_map(|(slot, status)| Some((slot, status.heal(now)?)));
        let timers: Vec<(Slot, Tick)> = healed.collect();
        for (slot, at) in timers {
            self.set_timer(slot, Some(at));
        }
        self.trace.world(now, "heal", &"-");
        self.traffic.mark(now, None, || MarkKind::Healed);
        for checker in &mut self.checkers {
            checker.healed(now, &self.shared, &mut self.ledger);
        }
    }

    /// Whether a place in the code is one that takes rare ways in this run.
    pub(crate) fn buggified(&mut self, place: Site, rate: Permille) -> bool {
        if let Some((_, is_rare)) = self.buggified.iter().find(|(known, _)| *known == place) {
            return *is_rare;
        }
        let is_rare = self.decider.chance(place, Who::alone(WORLD), rate);
        self.buggified.push((place, is_rare));
        is_rare
    }

    pub(crate) fn tell(&mut self, event: &Event<'_, N::Fact>) {
        for checker in &mut self.checkers {
            checker.observe(self.now, event, &self.shared, &mut self.ledger);
        }
    }

    pub(super) fn crashed(&mut self, id: NodeId, fault: FaultId) {
        self.counts.crashes += 1;
        self.trace.event(self.now, "crash", id);
        self.traffic.mark(self.now, Some(id), || MarkKind::Crashed);
        self.tell(&Event::Crashed(id));
        self.struck(fault, Some(id), None);
    }

    pub(super) fn restarted(&mut self, id: NodeId) {
        self.counts.restarts += 1;
        self.trace.event(self.now, "restart", id);
        self.traffic.mark(self.now, Some(id), || MarkKind::Restarted);
        self.tell(&Event::Restarted(id));
    }

    pub(crate) fn forget_link(&mut self, from: NodeId, to: NodeId) {
        if self.decider.forgets() {
            self.links.forget(from, to);
        }
    }

    pub(crate) fn clock(&self, slot: Slot) -> Option<&Clock> {
        self.places.status(slot)?.clock()
    }

    /// The node, if it is up.
    pub(super) fn up(&self, slot: Slot) -> Option<NodeId> {
        self.places.status(slot).filter(|status| !status.down)?;
        self.places.id(slot)
    }

    /// Until when the node that this is for stands still, if it does now.
    pub(super) fn paused_until(&self, what: Due) -> Option<Tick> {
        if !self.has_paused {
            return None;
        }
        let slot = match what {
            Due::Start(slot) | Due::Timer(slot) => slot,
            Due::Arrival(message) => self.places.slot(self.agenda.messages.get(message)?.to)?,
            Due::Plan(plan) => match self.agenda.plans.get(plan)? {
                Plan::Reset(slot, _) | Plan::Reconnect(slot) => *slot,
                Plan::Strike { .. } | Plan::Crash(..) | Plan::Restart(_) => return None,
            },
        };
        self.places.status(slot)?.paused().filter(|until| *until > self.now)
    }

    pub(super) fn advance(&mut self, at: Tick) {
        let now = self.now;
        self.ledger.advance(now.max(at));
        self.ledger.judge_own(1, at >= now, || format!("an event of {} ms comes at {} ms", at.0, now.0));
        self.now = now.max(at);
    }

    /// Counts an arrival; where, if somebody takes it.
    pub(super) fn arrive(&mut self, message: &Message) -> Option<Slot> {
        self.counts.in_flight = self.counts.in_flight.saturating_sub(1);
        let slot = self.places.slot(message.to).filter(|slot| self.up(*slot).is_some());
        if slot.is_some() {
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
        slot
    }

    pub(super) fn audit(&mut self) {
        let Counts { sent, duplicated, delivered, dropped, in_flight, .. } = self.counts;
        self.ledger.judge_own(0, sent + duplicated == delivered + dropped + in_flight, || {
            format!(
                "{sent} sent + {duplicated} copied, {delivered} delivered + {dropped} dropped + {in_flight} in flight"
            )
        });
    }
}
