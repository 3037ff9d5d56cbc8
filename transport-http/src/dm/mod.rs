//! OMA Device Management over HTTP: thin adapters around the sessions of [`dm_core`].
//!
//! - **A server node** is an [`App`]: a profile, a [`Store`](store::Store) and a [`Backend`](store::Backend). It loads
//!   a session, runs one message through it, commits, and only then replies. It holds no session in between, so any
//!   number of nodes may work on one store, and a node may stop at any moment. [`router`] puts it on a path; [`serve`](crate::serve())
//!   listens, with limits on time, size and number that are armed.
//! - **A device** calls [`run_session`](device::run_session) with an [`Agent`](device::Agent), which answers for the
//!   device, and a [`Transport`](transport::Transport): [`HttpTransport`], or its own bearer.
//! - [`memory`] and [`agent`] are both ends in memory, for demonstrations and tests; [`testkit`] tests other stores.
//!
//! # A server
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use core_kit::Millis;
//! use dm_core::{
//!     auth::{Account, Scheme},
//!     server::{Order, Profile, Request},
//! };
//! use transport_http::{Limits, Plain, serve, dm::{App, memory::Memory, router}};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // What a database would hold: who devices are, who this server is to them, and what they shall do.
//!     let memory = Arc::new(Memory::new());
//!     let device = Account::new("device", "a secret of the device", Scheme::Md5);
//!     let server = Account::new("server", "a secret of the server", Scheme::Md5);
//!     memory.enrol("IMEI:490154203237518", device, Some(server));
//!     let model = Order::new("what model", Request::Get(vec!["./DevInfo/Mod".into()]));
//!     memory.enqueue(&"IMEI:490154203237518".into(), model)?;
//!
//!     let profile = Profile::new("http://127.0.0.1:8080/dm");
//!     let app = Arc::new(App::new(profile, memory.clone(), memory));
//!     let sweeper = app.clone();
//!     tokio::spawn(async move { sweeper.keep_sweeping(Millis::from_secs(1)).await });
//!
//!     let paths = axum::Router::new().nest_service("/dm", router(app));
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     serve(listener, Plain, paths, Limits::DEFAULT, std::future::pending()).await;
//!     Ok(())
//! }
//! ```
//!
//! TLS ends in front of the node, or in a [`Handshake`](crate::Handshake) of your own; who a client certificate is of goes along as
//! [`Identity`](crate::Identity).
//!
//! # A device
//!
//! ```no_run
//! use dm_core::{
//!     auth::{Account, Scheme},
//!     client::{Profile, Session, Trigger},
//!     ids::SessionId,
//!     tree::{DevInfo, Memory},
//! };
//! use transport_http::{env, dm::{HttpTransport, agent::MemoryAgent, device::run_session}};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let info = DevInfo {
//!         dev_id: "IMEI:490154203237518".into(),
//!         manufacturer: "Example".into(),
//!         model: "One".into(),
//!         dm_version: "1.0".into(),
//!         language: "en".into(),
//!     };
//!     let tree = Memory::builder().dev_info(&info).finish()?;
//!     let device = Account::new("device", "a secret of the device", Scheme::Md5);
//!     let server = Account::new("server", "a secret of the server", Scheme::Md5);
//!     let mut agent = MemoryAgent::new(tree, device, server);
//!
//!     let profile = Profile::new(info.dev_id, "http://127.0.0.1:8080/dm", "server");
//!     let transport = HttpTransport::new(&profile)?;
//!     let mut session = Session::new(&profile);
//!     let trigger = Trigger::Client(SessionId::from_number(1));
//!     let outcome = run_session(&mut session, trigger, &transport, &mut agent, &env::now).await?;
//!     println!("{}", outcome.name());
//!     Ok(())
//! }
//! ```
//!
//! # What it guarantees
//!
//! - A reply leaves after the commit of what it says. A message that comes again gets the stored reply, byte for byte,
//!   from whichever node.
//! - What one message changes is one transaction: the session, its reports, and the orders and nonces that it used up.
//! - An order goes to one session; a nonce that is kept with an account proves its device once.
//! - No log line holds a payload, a secret or a device's identifier. Sessions are found in the log by a keyed hash of
//!   the device, which is good for one process.
//! - Whoever guesses at credentials waits, by device and by address.
//! - A session that began with TLS does not leave it, by redirection or by `RespURI`.

pub mod agent;
pub mod app;
pub mod device;
pub mod map;
pub mod memory;
mod post;
mod serve;
pub mod store;
pub mod testkit;
mod throttle;
pub mod transport;

pub use app::App;
pub use post::HttpTransport;
pub use serve::router;
pub use throttle::LoginLimits;
