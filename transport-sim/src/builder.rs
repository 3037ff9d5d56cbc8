//! Building a world in one expression.

use core_kit::{Millis, Tick};

use crate::{
    checker::Checker,
    decide::Decider,
    fault::{Strike, Swarm},
    link::Link,
    node::{Node, NodeId},
    world::World,
};

/// A world that is being built; [`World::builder`] begins one. Whatever it is not told is as in [`World::new`].
#[must_use]
pub struct Builder<N: Node> {
    world: World<N>,
    faults: Option<(Swarm, Millis)>,
}

impl<N: Node> World<N> {
    /// Begins a world whose nodes have `shared` in common, with a [perfect](Link::PERFECT) link between any two.
    pub fn builder(decider: Decider, shared: N::Shared) -> Builder<N> {
        Builder { world: Self::new(decider, Link::PERFECT, shared), faults: None }
    }
}

impl<N: Node> Builder<N> {
    /// The link between any two nodes.
    pub fn link(mut self, link: Link) -> Self {
        self.world.relink(link);
        self
    }

    /// A node; see [`World::add`].
    pub fn node(mut self, id: NodeId, name: &str, node: N) -> Self {
        self.world.add(id, name, node);
        self
    }

    /// Nodes of one name with the numbers from `first` on.
    pub fn nodes(mut self, first: NodeId, name: &str, nodes: impl IntoIterator<Item = N>) -> Self {
        for (id, node) in (first.0..).zip(nodes) {
            self.world.add(NodeId(id), name, node);
        }
        self
    }

    /// A checker; see [`World::watch`].
    pub fn checker(mut self, checker: impl Checker<N> + 'static) -> Self {
        self.world.watch(Box::new(checker));
        self
    }

    /// What goes wrong, at odd times within the first `span`; see [`World::unleash`].
    pub fn faults(mut self, swarm: Swarm, span: Millis) -> Self {
        self.faults = Some((swarm, span));
        self
    }

    /// Something that goes wrong at a time; see [`World::strike_at`].
    pub fn strike(mut self, at: Tick, strike: Strike) -> Self {
        self.world.strike_at(at, strike);
        self
    }

    /// No trace; see [`World::untraced`].
    pub fn untraced(mut self) -> Self {
        self.world = self.world.untraced();
        self
    }

    /// The traffic is kept; see [`World::keep_traffic`].
    pub fn keep_traffic(mut self) -> Self {
        self.world.keep_traffic();
        self
    }

    /// The world, at time 0.
    #[must_use]
    pub fn build(self) -> World<N> {
        let Self { mut world, faults } = self;
        if let Some((swarm, span)) = faults {
            world.unleash(&swarm, span);
        }
        world
    }
}
