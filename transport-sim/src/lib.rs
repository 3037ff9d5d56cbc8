//! A deterministic simulated network for sans-IO machines.
//!
//! No socket, no thread, no clock: a [`World`] is an event heap over nodes, in virtual milliseconds. Its network loses,
//! delays, doubles and reorders messages, its nodes crash and come back, its stores lose races, and all of that follows
//! from one seed. The same seed gives the same [trace], byte for byte, on every machine and in every build.
//!
//! # The generic part
//!
//! It knows no protocol. A [`Node`] is told what happens and acts through its [`Context`]; [`Host`] keeps a
//! [`Durable`](core_kit::Durable) machine in one. Every random choice goes through [`Decider`], so a run is a list of
//! [`Decision`]s that can be run again, also after some were taken out. [`Checker`]s watch from outside.
//!
//! ```
//! use bytes::Bytes;
//! use core_kit::Tick;
//! use transport_sim::{Bounds, Context, Decider, Halt, Link, Message, Node, NodeId, Permille, World};
//!
//! /// Asks every second until it hears something.
//! struct Caller(Option<Tick>);
//!
//! impl Node for Caller {
//!     type Shared = ();
//!     type Fact = &'static str;
//!
//!     fn start(&mut self, ctx: &mut Context<'_, Self>) {
//!         if ctx.node() == NodeId(1) {
//!             self.wake(ctx);
//!         }
//!     }
//!
//!     fn deliver(&mut self, ctx: &mut Context<'_, Self>, message: &Message) {
//!         if ctx.node() == NodeId(1) {
//!             self.0 = Some(ctx.now());
//!             ctx.wake_at(None);
//!         } else {
//!             ctx.send(message.from, message.channel, message.bytes.clone());
//!         }
//!     }
//!
//!     fn wake(&mut self, ctx: &mut Context<'_, Self>) {
//!         let channel = ctx.open_channel();
//!         ctx.send(NodeId(2), channel, Bytes::from_static(b"anybody there?"));
//!         ctx.wake_at(Some(Tick(ctx.now().0 + 1_000)));
//!     }
//!
//!     fn crash(&mut self) {}
//!
//!     fn restart(&mut self, _: &mut Context<'_, Self>) {}
//! }
//!
//! let run = |seed| {
//!     let link = Link { loss: Permille::new(500), ..Link::PERFECT };
//!     let mut world = World::new(Decider::from_seed(seed), link, ());
//!     world.add(NodeId(1), "caller", Caller(None));
//!     world.add(NodeId(2), "echo", Caller(None));
//!     let halt = world.run(Bounds { until: Tick(60_000), events: 1_000 });
//!     assert_eq!(halt, Halt::Quiet);
//!     assert!(world.node(NodeId(1)).unwrap().0.is_some());
//!     world.trace().as_str().to_owned()
//! };
//! assert_eq!(run(1), run(1));
//! assert_ne!(run(1), run(2));
//! ```
//!
//! # OMA DM on it
//!
//! [`dm`] puts a device with its tree and the nodes of a stateless server into a world. [`dm::Scenario`] says what goes
//! wrong there; its `run` gives a [`dm::Run`], with everything worth asserting or drawing.
//!
//! Scenarios have names ([`dm::Scenario::named`]), each with its faults and with checkers of its own: `session` for the
//! rules of every session, `objects` for values that come in parts, `atomic` for all or nothing, and `nonces` for two
//! sides that lose each other's nonces, also because the server's store went back to an earlier commit.
//!
//! # OMA DPE on it
//!
//! [`dpe`] puts clients, service providers and the nodes of a stateless server into a world. [`dpe::Scenario`] has devices
//! that crash, forget and change hands, and SPs that want everything of them, until all is healed and must fit together.
#![deny(missing_docs)]

mod checker;
mod context;
mod crash;
mod decide;
pub mod dm;
pub mod dpe;
mod host;
mod link;
mod node;
mod store;
pub mod trace;
mod traffic;
mod world;

pub use checker::{Checker, End, Event, Figure, Ledger, Rule, RuleId, Violation};
pub use context::{Context, EPOCH};
pub use crash::CrashPlan;
pub use decide::{Decider, Decision, Permille, Site, Who};
pub use host::{Host, StepError};
pub use link::{Link, Span};
pub use node::{Channel, Message, Node, NodeId};
pub use store::{Commit, Row, Store};
pub use traffic::{Fate, Transmission};
pub use world::{Bounds, CONSERVATION, Counts, FORWARD, Halt, World};
