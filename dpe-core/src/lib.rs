//! OMA Device Profile Evolution (DPE) as pure state machines.
//!
//! A **client** on a device registers with the **server** of its operator (DPE-1). A **service provider** (SP) asks the
//! server for properties of the device, makes groups of them, and sets policies that report when something changes
//! (DPE-3); the server forwards to the client (DPE-2). The SP knows a `Client-ID` and nothing else of the person.
//!
//! No published schema, binding or list of policy types of DPE could be found. The behaviour follows the proposals that
//! could; the encoding, the binding, the policy types and everything marked so in the documentation are this project's
//! own, in a namespace of its own.
//!
//! Each role is a value: an input goes in, and everything to do comes out; see [`core_kit::Machine`].
//!
//! # A query, whole
//!
//! ```
//! use core_kit::{Env, Machine, Tick, UnixMillis};
//! use dpe_core::{
//!     client, config::{ClientConfig, Config, SpProfile}, identity::{Network, Source}, property::Reading,
//!     server::{self, router::{Effect, Router}}, sp, wire::{Identity, PropertyName, Value},
//! };
//!
//! let env = Env { now: Tick(0), wall: UnixMillis(0), entropy: [7; 32] };
//! let mut server = Router::new(&server::Profile::new(Config::default())?);
//! server.add_sp(SpProfile::new("sp-weather".try_into()?, vec![Network::try_from("192.0.2.0/24")?]));
//!
//! // The device. What its properties are worth is asked.
//! let mut device = client::Client::new(&client::Profile {
//!     config: ClientConfig { server_addresses: vec!["dpe.example".into()], ..ClientConfig::default() },
//!     version: "1.0".into(),
//!     device: Some(Identity::new("imei", "490154203237518")),
//!     user: None,
//!     contact: None,
//!     token: None,
//! });
//! let from_device = Source::at("10.0.0.7".parse()?);
//! let mut run = |server: &mut Router, first: client::Input| -> Result<Vec<Effect>, Box<dyn std::error::Error>> {
//!     let (mut todo, mut rest) = (vec![first], vec![]);
//!     while let Some(input) = todo.pop() {
//!         let mut out = vec![];
//!         device.handle(&env, input, &mut out)?;
//!         for output in out {
//!             let effects = match output {
//!                 client::Output::Ask(question) => {
//!                     let worth = |name: &PropertyName| Reading::of(name.clone(), Value::integer(83));
//!                     let readings = question.names.iter().map(worth).collect();
//!                     todo.push(question.answer(readings));
//!                     vec![]
//!                 }
//!                 client::Output::Send(client::Channel::Register, body) => server.register(&env, &from_device, &body)?,
//!                 client::Output::Send(_, body) => server.from_client(&env, None, &from_device, &body)?,
//!                 client::Output::Report(_) => vec![],
//!             };
//!             for effect in effects {
//!                 let server = client::Sender::Name("dpe.example".into());
//!                 match effect {
//!                     Effect::Reply(body) => todo.push(client::Input::Received(server, body)),
//!                     Effect::ToClient(_, link) => todo.push(client::Input::Received(server, link.body)),
//!                     other => rest.push(other),
//!                 }
//!             }
//!         }
//!     }
//!     Ok(rest)
//! };
//! run(&mut server, client::Input::Start)?;
//! let client_id = server.clients().next().ok_or("nobody registered")?.clone();
//!
//! // The SP asks, and gets its answer.
//! let mut weather = sp::Sp::new(&sp::Profile::new("sp-weather".try_into()?));
//! let what = sp::What::Query(vec!["batteryLevel".try_into()?]);
//! let request = sp::Request { tag: "battery?".into(), client: Some(client_id), what };
//! let mut out = vec![];
//! weather.handle(&env, sp::Input::Request(request), &mut out)?;
//! let Some(sp::Output::Send(_, query)) = out.pop() else { panic!("nothing to send") };
//! let mut answers = vec![];
//! for effect in server.from_sp(&env, &Source::at("192.0.2.10".parse()?), &query)? {
//!     if let Effect::ToClient(_, link) = effect {
//!         let server_name = client::Sender::Name("dpe.example".into());
//!         answers.extend(run(&mut server, client::Input::Received(server_name, link.body))?);
//!     }
//! }
//! for answer in answers {
//!     if let Effect::ToSp(_, message) = answer {
//!         weather.handle(&env, sp::Input::Received(message.body), &mut out)?;
//!     }
//! }
//! let Some(sp::Output::Done(done)) = out.pop() else { panic!("no answer") };
//! assert_eq!(done.readings[0].values, [Value::integer(83)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//!
//! - [`wire`]: the 24 messages and their XML. [`codes`], [`ids`], [`identity`], [`property`], [`policy`]: what they are
//!   made of. Identifiers of DPE-2 and DPE-3 are of different types.
//! - [`server`]: devices, gates, the desk, and a router that holds many of them. [`client`], [`sp`]: the other two roles.
//! - [`config`]: every parameter. [`limits`]: every bound that is none.
//!
//! # Features
//!
//! `std` (default) adds the file form of journals, `xml` (default) the XML codec. Without them the crate is `no_std` with
//! `alloc`, and reads no message.
#![no_std]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod client;
pub mod codes;
pub mod config;
pub mod identity;
pub mod ids;
pub mod limits;
pub mod policy;
pub mod property;
pub mod server;
pub mod sp;
pub mod wire;
