//! OMA Device Management (SyncML DM) as pure state machines.
//!
//! A **session** is one conversation between a device and a management server: the device opens it with package 1, the
//! server answers with statuses and commands, the device with statuses and results, and so on until the server has
//! nothing more to do [DM 1.2, 8]. Here each side of it is a value: [`client::Session`] and [`server::Session`]. An input
//! goes in, and everything to do comes out: reports, a question, a message. Nothing is queued inside, nothing is looked
//! up outside; see [`core_kit::Machine`].
//!
//! # Both sides of a session, whole
//!
//! ```
//! use core_kit::{Env, Machine, Tick, UnixMillis};
//! use dm_core::{Packet, auth::{Account, Scheme}, client, prompt::Reply, server, session::Outcome, tree::Memory};
//!
//! let env = Env { now: Tick(0), wall: UnixMillis(0), entropy: [7; 32] };
//! let device_account = Account::new("device-001", "a secret of the device", Scheme::Md5);
//! let server_account = Account::new("dm-server", "a secret of the server", Scheme::Md5);
//!
//! // The server takes a message and replies. What it asks, its database answers.
//! let mut server = server::Session::new(&server::Profile::new("https://dm.example.com/dm"));
//! let mut done = Vec::new();
//! let mut serve = |request: Packet| {
//!     let (mut todo, mut reply) = (Some(server::Input::Received(request)), None);
//!     while let Some(input) = todo.take() {
//!         let mut out = Vec::new();
//!         server.handle(&env, input, &mut out).expect("the input fits the state");
//!         for output in out {
//!             match output {
//!                 server::Output::Ask(server::Question::Authenticate(question)) => {
//!                     let verdict = device_account.judge(&question.claim);
//!                     todo = Some(question.answer(verdict, Some(Scheme::Md5)));
//!                 }
//!                 server::Output::Ask(server::Question::Commands(question)) => {
//!                     let get = server::Request::Get(vec!["./DevInfo/Mod".into()]);
//!                     let orders = if question.taken == 0 { vec![server::Order::new("job 1", get)] } else { vec![] };
//!                     todo = Some(question.answer(orders));
//!                 }
//!                 server::Output::Ask(server::Question::Sign(question)) => {
//!                     let signature = server_account.sign(&question.request);
//!                     todo = Some(question.answer(signature));
//!                 }
//!                 server::Output::Report(server::Report::Done(order)) => done.push(order),
//!                 server::Output::Reply(packet) => reply = Some(packet),
//!                 _ => {}
//!             }
//!         }
//!     }
//!     reply.expect("every message of the device is answered")
//! };
//!
//! // The device opens the session and goes on until nothing is left. What it asks, its tree answers.
//! let mut tree = Memory::builder().leaf("./DevInfo/Mod", "One").finish()?;
//! let profile = client::Profile::new("IMEI:490154203237518", "https://dm.example.com/dm", "dm-server");
//! let mut device = client::Session::new(&profile);
//! let start = client::Input::Start(client::Trigger::Client("1".into()));
//! core_kit::pump(&mut device, || env, start, |output| match output {
//!     client::Output::Ask(client::Question::Tree(ops)) => {
//!         let results = tree.answer(&ops);
//!         Some(ops.answer(results))
//!     }
//!     client::Output::Ask(client::Question::User(question)) => Some(question.answer(Reply::NotSupported)),
//!     client::Output::Ask(client::Question::Sign(question)) => {
//!         let signature = device_account.sign(&question.request);
//!         Some(question.answer(signature))
//!     }
//!     client::Output::Ask(client::Question::Authenticate(question)) => {
//!         let verdict = server_account.judge(&question.claim);
//!         Some(question.answer(verdict))
//!     }
//!     client::Output::Send(request) => Some(client::Input::Received(serve(request.packet))),
//!     client::Output::Report(_) | client::Output::Finished(_) => None,
//! })?;
//! assert_eq!(device.outcome(), Some(&Outcome::Completed));
//! assert!(done[0].is_success());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//!
//! - [`server`] and [`client`]: the two roles. Each has its vocabulary (`Input`, `Output`, `Question`, `Report`) in one
//!   place; [`session`] has what they share, the transition table among it.
//! - [`wire`]: messages and their encodings. [`codes`], [`ids`], [`uri`]: what they are made of.
//! - [`auth`]: claims, verdicts, signatures, and the digests as functions.
//! - [`bootstrap`]: how a device gets its first account.
//! - [`version`]: which version of the protocol a session has, and what to do when it is refused.
//! - [`tree`]: what is asked of a management tree, and an in-memory one that answers. [`tnds`]: sub-trees as documents;
//!   [`ddf`]: descriptions of sub-trees.
//! - [`prompt`]: what a server asks of the person at the device.
//! - [`limits`] and [`fault`]: every bound, and everything that a peer can do wrong.
//!
//! # Features
//!
//! `std` (default) adds the file form of journals, `xml` (default) the XML codec. Without them the crate is `no_std` with
//! `alloc`.
#![no_std]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod alert;
pub mod auth;
pub mod bootstrap;
pub mod client;
pub mod codes;
pub mod ddf;
mod decimal;
pub mod fault;
pub mod ids;
pub mod limits;
pub mod notify;
mod packet;
pub mod prompt;
pub mod server;
pub mod session;
pub mod tnds;
pub mod tree;
pub mod uri;
pub mod version;
pub mod wire;

pub use packet::Packet;
