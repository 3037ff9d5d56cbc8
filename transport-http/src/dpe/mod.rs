//! OMA Device Profile Evolution over HTTP: the binding of [`dpe_core`] [DPE digest 6.4].
//!
//! - [`server`]: a DPE Server. One task owns the machines and their timers; [`server::router`] puts it on paths.
//! - [`client`]: a DPE Client, which keeps a poll open or listens.
//! - [`sp`]: a service provider, which gets its answers as replies or at a callback, and reports at a callback or by
//!   polling.
//!
//! # A server
//!
//! ```no_run
//! use dpe_core::{
//!     config::{Config, SpProfile},
//!     identity::Network,
//!     server::Profile,
//! };
//! use transport_http::{
//!     Limits, Outgoing, Plain,
//!     dpe::server::{Server, router},
//!     serve,
//! };
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // An SP, and where it comes from.
//!     let mut weather = SpProfile::new("sp-weather".try_into()?, vec![Network::try_from("192.0.2.0/24")?]);
//!     weather.callback = Some("https://weather.example/dpe".into());
//!
//!     let mut server = Server::new(&Profile::new(Config::default())?, Outgoing::new()?);
//!     server.add_sp(weather);
//!     let paths = router(server.handle());
//!     tokio::spawn(server.run(std::future::pending()));
//!
//!     let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
//!     serve(listener, Plain, paths, Limits::DEFAULT, std::future::pending()).await;
//!     Ok(())
//! }
//! ```
//!
//! # A client
//!
//! ```no_run
//! use async_trait::async_trait;
//! use dpe_core::{
//!     client::{Client, Profile},
//!     config::ClientConfig,
//!     property::Reading,
//!     wire::{Identity, PropertyName, Value},
//! };
//! use transport_http::{
//!     Outgoing,
//!     dpe::client::{Agent, Drive, Link},
//! };
//!
//! struct Phone;
//!
//! #[async_trait]
//! impl Agent for Phone {
//!     async fn read(&mut self, names: &[PropertyName]) -> Vec<Reading> {
//!         let level = |name: &PropertyName| Reading::of(name.clone(), Value::integer(83));
//!         names.iter().filter(|name| name.as_str() == "batteryLevel").map(level).collect()
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut client = Client::new(&Profile {
//!         config: ClientConfig { server_addresses: vec!["dpe.example".into()], ..ClientConfig::default() },
//!         version: "1.0".into(),
//!         device: Some(Identity::new("imei", "490154203237518")),
//!         user: None,
//!         contact: None,
//!         token: None,
//!     });
//!     let link = Link::new("https://dpe.example", Outgoing::new()?)?;
//!     Drive::new(link, &mut Phone).run(&mut client, std::future::pending()).await?;
//!     Ok(())
//! }
//! ```
//!
//! # What it decides
//!
//! - A message that is ignored gets no reply: the connection is closed, if [`serve()`](crate::serve()) runs it. With
//!   `http.ignore_style = status_only`, and under any other server, it is 403 without a body.
//! - 400 goes to senders that are known before the message is read: an SP by its address, a client by the headers
//!   `DPE-Client-ID` and `DPE-Security-Token`. Others are ignored.
//! - A poll is kept open as long as it asks for (`?wait=seconds`), at most `http.poll_wait`. A second poll of an SP ends
//!   the first one, as with clients.
//! - A downlink waits for the next poll; the client's timers run meanwhile. A request that is over by then is not handed
//!   out any more.
//! - A `Contact` is used only if its host is, literally, the address that the client was last seen at:
//!   [`Hooks::contact`](server::Hooks::contact) decides otherwise. A callback is used as it was onboarded.
//! - `sp.max_connections` bounds the exchanges of one address that are open at a time; a connection between two exchanges
//!   is bounded by [`Limits`](crate::Limits).
//! - More registrations of an address than `dpe1.rate_per_ip` get 503.

use core_kit::Millis;
use dpe_core::config::Config;

pub mod client;
mod parts;
mod post;
pub mod server;
pub mod sp;

/// Where a server has its paths.
pub const BASE: &str = "/dpe/1.0";
/// The header by which a poll says whose it is.
pub const CLIENT_ID: &str = "dpe-client-id";
/// The header that proves it.
pub const SECURITY_TOKEN: &str = "dpe-security-token";
/// The header by which an SP's poll says whose it is.
pub const SP_ID: &str = "dpe-sp-id";

/// How long an SP in sync mode has to wait for a reply at least, before it gives an exchange up [DPE digest H7]: as long
/// as a request may wait for its turn, and as long as a silent client is waited for.
#[must_use]
pub fn reply_patience(config: &Config) -> Millis {
    let tries = u64::from(config.dpe2.ack_retries).saturating_add(1);
    let silence = config.dpe2.noreply_timeout.0.max(config.dpe2.ack_timeout.0);
    Millis(config.dpe2.queue_max_wait.0.saturating_add(tries.saturating_mul(silence)))
}
