//! A deterministic simulated network for sans-IO machines.
//!
//! No socket, no thread, no clock: a [`World`] is an event heap over nodes, in virtual milliseconds. Its network loses,
//! delays, doubles, reorders and damages messages, its nodes crash and stand still, their clocks and disks fail, and all
//! of that follows from one seed. The same seed gives the same [trace], byte for byte, on every machine and in every build.
//!
//! It knows no protocol. What you bring:
//!
//! - a [`Node`]: one process, told what happens, acting through its [`Context`]; [`Host`] keeps a
//!   [`Durable`](core_kit::Durable) machine in one. What nodes share, a [`Store`] mostly, outlives every crash;
//! - a [`Checker`], which watches messages, notes and stores from outside and judges [`Rule`]s;
//! - a [`Swarm`]: which [faults](FaultId) are on and how often they come, or [`Strike`]s at times that you choose.
//!
//! What you get: a [`Ledger`] of what each rule had to judge and which was broken, [counts](FaultCounts) of all faults,
//! the [`Gaps`] (what never happened has tested nothing), and for a failure the [decisions](Decision) behind it, which can
//! be [written down](Recording), run again, [made small](shrink) and [drawn](draw_sequence).
//!
//! # An example: your own machine
//!
//! A courier brings a parcel again and again until it is told that it has arrived. The shop that takes it has a bug.
//!
//! ```
//! use core_kit::{Deadline, Env, Machine, Millis, Tick};
//! use transport_sim::{
//!     Bounds, Checker, Context, Decider, End, Event, FaultId, Halt, Ledger, Message, Node, NodeId, Permille, Recording,
//!     Rule, RuleId, Swarm, World, draw_sequence, shrink,
//! };
//!
//! /// The machine: no clock, no network.
//! #[derive(Default)]
//! struct Courier { next: Tick, is_done: bool }
//!
//! enum Input { Wake, Confirmed }
//!
//! #[derive(Debug, PartialEq)]
//! enum Output { Bring }
//!
//! impl Machine for Courier {
//!     type Input = Input;
//!     type Output = Output;
//!     type Misuse = ();
//!     type Why = ();
//!
//!     fn handle(&mut self, env: &Env, input: Input, out: &mut Vec<Output>) -> Result<(), ()> {
//!         match input {
//!             Input::Confirmed => self.is_done = true,
//!             Input::Wake if env.now >= self.next && !self.is_done => {
//!                 self.next = env.now + Millis(2_000);
//!                 out.push(Output::Bring);
//!             }
//!             Input::Wake => {}
//!         }
//!         Ok(())
//!     }
//!
//!     fn deadline(&self) -> Option<Deadline<()>> {
//!         (!self.is_done).then_some(Deadline { at: self.next, why: () })
//!     }
//! }
//!
//! /// The nodes: the machine with a network around it, and the shop.
//! enum Party { Courier(Courier), Shop }
//!
//! const SHOP: NodeId = NodeId(100);
//!
//! impl Party {
//!     fn drive(&mut self, ctx: &mut Context<'_, Self>, input: Input) {
//!         let Self::Courier(courier) = self else { return };
//!         let mut out = Vec::new();
//!         courier.handle(&ctx.env(None), input, &mut out).expect("every input fits");
//!         for Output::Bring in out {
//!             let channel = ctx.open_channel();
//!             ctx.send(SHOP, channel, "a parcel".into());
//!         }
//!         ctx.wake_at(courier.deadline().map(|deadline| deadline.at));
//!     }
//! }
//!
//! impl Node for Party {
//!     type Shared = ();
//!     type Fact = String;
//!
//!     fn start(&mut self, ctx: &mut Context<'_, Self>) {
//!         self.drive(ctx, Input::Wake);
//!     }
//!
//!     fn deliver(&mut self, ctx: &mut Context<'_, Self>, message: &Message) {
//!         match self {
//!             Self::Courier(_) => self.drive(ctx, Input::Confirmed),
//!             Self::Shop => {
//!                 // The bug: a parcel that comes again is taken for another one.
//!                 ctx.note(&format!("booked {}", message.from));
//!                 ctx.send(message.from, message.channel, "thank you".into());
//!             }
//!         }
//!     }
//!
//!     fn wake(&mut self, ctx: &mut Context<'_, Self>) {
//!         self.drive(ctx, Input::Wake);
//!     }
//!
//!     fn crash(&mut self) {}
//!
//!     fn restart(&mut self, ctx: &mut Context<'_, Self>) {
//!         self.drive(ctx, Input::Wake);
//!     }
//! }
//!
//! /// The rule, and who judges it.
//! const ONCE: Rule = Rule { id: RuleId("ONCE"), says: "a parcel is booked once" };
//!
//! #[derive(Default)]
//! struct Once(std::collections::BTreeSet<String>);
//!
//! impl Checker<Party> for Once {
//!     fn rules(&self) -> Vec<Rule> {
//!         vec![ONCE]
//!     }
//!
//!     fn observe(&mut self, _: Tick, event: &Event<'_, String>, _: &(), ledger: &mut Ledger) {
//!         if let Event::Noted(_, note) = event {
//!             ledger.judge(ONCE, self.0.insert((*note).clone()), || format!("{note} again"));
//!         }
//!     }
//!
//!     fn finish(&mut self, _: &End<'_, ()>, _: &mut Ledger) {}
//! }
//!
//! /// A run: ten couriers, with faults that are drawn, too. The one function that everything else needs.
//! fn run(mut decider: Decider) -> World<Party> {
//!     let menu = Swarm::CALM.with_all(&[FaultId::F01, FaultId::F02, FaultId::F06], Permille::new(50));
//!     let swarm = Swarm::draw(&mut decider, &menu);
//!     let mut world = World::builder(decider, ())
//!         .nodes(NodeId(1), "courier", (0..10).map(|_| Party::Courier(Courier::default())))
//!         .node(SHOP, "shop", Party::Shop)
//!         .checker(Once::default())
//!         .faults(swarm, Millis(60_000))
//!         .keep_traffic()
//!         .build();
//!     assert_eq!(world.run(Bounds { until: Tick(3_600_000), events: 10_000 }), Halt::Quiet);
//!     world.finish();
//!     world
//! }
//!
//! // Seed after seed, until a rule is broken.
//! let seed = (0..100).find(|seed| !run(Decider::from_seed(*seed)).ledger().violations().is_empty()).unwrap();
//! let failed = run(Decider::from_seed(seed));
//! let rule = failed.ledger().first_broken().unwrap();
//! assert_eq!(rule, ONCE.id);
//!
//! // What of it matters? That a response is on in this run, and that one is lost, or late.
//! let breaks = |list: &[_]| run(Decider::from_decisions(seed, list)).ledger().first_broken();
//! let shrunk = shrink(failed.decisions(), rule, 10_000, || false, breaks).unwrap();
//! assert!(shrunk.is_minimal && shrunk.decisions.len() <= 4);
//!
//! // A file for a test that replays it for ever, and a picture for people.
//! let recording = Recording { scenario: "parcels".into(), seed, decisions: shrunk.decisions, ..Default::default() };
//! let read = Recording::read(&recording.write()).unwrap();
//! let mut small = run(Decider::from_decisions(read.seed, &read.decisions));
//! assert_eq!(small.ledger().first_broken(), Some(rule));
//! let (traffic, marks) = (small.take_traffic(), small.take_marks());
//! let name = |id| small.name(id).unwrap_or_default().to_owned();
//! assert!(draw_sequence(&traffic, &marks, name, |_| Vec::new()).contains("booked"));
//! ```
//!
//! # What a run costs
//!
//! Streams of choices are counters and need no setting up, nodes and timers are found by index, messages are passed on
//! without copies. A world [without a trace](World::untraced) builds no text and hashes nothing, and a decider
//! [without a record](Decider::unrecorded) keeps no list; `cargo bench -p transport-sim` prints events per second and
//! octets per idle node.
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
//! [`dm::Fleet`] is a million devices in one process. [`dm::SessionRules`] judge its sessions, and those of nodes of your own:
//! the example `hosts` has a server and devices that this crate knows nothing of.
//!
//! # OMA DPE on it
//!
//! [`dpe`] puts clients, service providers and the nodes of a stateless server into a world. [`dpe::Scenario`] has devices
//! that crash, forget and change hands, and SPs that want everything of them, until all is healed and must fit together.
#![deny(missing_docs)]

mod builder;
mod checker;
mod context;
mod crash;
mod decide;
pub mod dm;
pub mod dpe;
mod fault;
mod host;
mod link;
mod mishap;
mod node;
mod recording;
mod seeds;
mod sequence;
mod shrink;
mod store;
mod table;
pub mod trace;
mod traffic;
mod world;

pub use builder::Builder;
pub use checker::{CONSERVATION, Checker, End, Event, FORWARD, Figure, Gaps, Ledger, Rule, RuleId, Violation};
pub use context::{Context, EPOCH};
pub use crash::CrashPlan;
pub use decide::{Decider, Decision, Permille, Site, Who};
pub use fault::{ClockChange, DiskFault, FaultCounts, FaultId, Group, Harm, ResetAt, Strike, Swarm, Trouble, WORLD};
pub use host::{Host, StepError};
pub use link::{Link, Span};
pub use mishap::{Mishap, What};
pub use node::{Channel, Message, Node, NodeId};
pub use recording::{RECORDING_VERSION, Recording, RecordingError, RecordingFault};
pub use seeds::{FailedSeed, SeedsError, read_seeds};
pub use sequence::draw_sequence;
pub use shrink::{NotReproduced, Shrunk, shrink};
pub use store::{Commit, Damaged, Row, Store, WriteError};
pub use traffic::{Fate, Mark, MarkKind, Transmission};
pub use world::{Bounds, Counts, Extent, Halt, Mode, World};
