//! What a node may do.

use bytes::Bytes;
use core_kit::{Env, Millis, Tick, UnixMillis};

use crate::{
    NodeId,
    checker::Event,
    decide::{Permille, Site, Who},
    link::Span,
    node::{Channel, Node},
    world::Ground,
};

const ENTROPY: Site = Site("node.entropy");

/// 2026-01-01T00:00:00Z: what the calendar says when a world begins.
pub const EPOCH: UnixMillis = UnixMillis(1_767_225_600_000);

/// A node's hold on its world, for the time of one event.
pub struct Context<'w, N: Node> {
    pub(crate) node: NodeId,
    pub(crate) ground: &'w mut Ground<N>,
}

impl<N: Node> Context<'_, N> {
    /// The node itself.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Tick {
        self.ground.now
    }

    /// What the nodes have in common.
    #[must_use]
    pub const fn shared(&mut self) -> &mut N::Shared {
        &mut self.ground.shared
    }

    /// What a machine in this node may observe, with fresh entropy. `about` is the node that the machine serves, where
    /// this one serves many.
    #[must_use]
    pub fn env(&mut self, about: Option<NodeId>) -> Env {
        let entropy = self.ground.decider.entropy(ENTROPY, self.who(about));
        let now = self.ground.now;
        Env { now, wall: UnixMillis(EPOCH.0.saturating_add(now.0)), entropy }
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
        let number = self.ground.status_mut(self.node).next_channel();
        Channel { opener: self.node, number }
    }

    /// Gives a message to the network.
    pub fn send(&mut self, to: NodeId, channel: Channel, bytes: Bytes) {
        self.ground.send(self.node, to, channel, bytes);
    }

    /// Sets the node's one timer, or with `None` turns it off. A time that has passed comes at once, but after this event.
    pub fn wake_at(&mut self, at: Option<Tick>) {
        self.ground.set_timer(self.node, at);
    }

    /// Writes something into the trace and tells the checkers.
    pub fn note(&mut self, fact: &N::Fact) {
        self.ground.trace.note(self.ground.now, "note", self.node, fact);
        self.ground.tell(&Event::Noted(self.node, fact));
    }

    /// Lets this node crash as soon as the event is over; it is back after `down`. Return right after this: what the
    /// node does until then still counts.
    pub const fn crash(&mut self, down: Millis) {
        self.ground.crashing = Some(down);
    }

    const fn who(&self, about: Option<NodeId>) -> Who {
        Who { node: self.node, about }
    }
}
