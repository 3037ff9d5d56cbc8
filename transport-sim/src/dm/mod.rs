//! OMA DM in a world: devices with trees, and the nodes of a stateless server before one store.
//!
//! The bytes on the simulated wire are the real ones. A message travels on the channel of its exchange, as over HTTP;
//! an empty message is the transport's own refusal (HTTP 400). Everything that may be lost in a crash is lost in one:
//! a device keeps its session's snapshot, its tree and its accounts, a server node keeps nothing.

use crate::{Context, Message, Node};

mod attempt;
mod backend;
mod device;
mod fact;
mod rules;
mod run;
mod scenario;
mod scenarios;
mod server;

pub use backend::{Backend, Job, OrderState, StoredDevice, StoredSession};
pub use device::{Device, Execution};
pub use fact::{Fact, Fingerprint, OpKind};
pub use rules::{
    ANSWERED, AUTHENTICATED, BYTE_EQUAL, BYTES, CONVERGES, ENDS, FRESH, HALF_DUPLEX, NUMBERS, Nonces, ONCE, Objects,
    REPEATS, Rules, SECRETS, SENT, SETTLED, STAYS, USED_WELL, WHOLE, Watched, Whole,
};
pub use run::{Direction, Run, SessionRun, Tallies, Transfer};
pub use scenario::{Faults, Scenario, Watch};
pub use server::Server;

/// Anything that lives in a DM world.
pub enum Party {
    /// A device.
    Device(Box<Device>),
    /// A node of the server.
    Server(Server),
}

impl Node for Party {
    type Shared = Backend;
    type Fact = Fact;

    fn start(&mut self, ctx: &mut Context<'_, Self>) {
        match self {
            Self::Device(device) => device.start(ctx),
            Self::Server(server) => server.arm(ctx),
        }
    }

    fn deliver(&mut self, ctx: &mut Context<'_, Self>, message: &Message) {
        match self {
            Self::Device(device) => device.receive(ctx, message),
            Self::Server(server) => server.receive(ctx, message),
        }
    }

    fn wake(&mut self, ctx: &mut Context<'_, Self>) {
        match self {
            Self::Device(device) => device.wake(ctx),
            Self::Server(server) => server.wake(ctx),
        }
    }

    fn crash(&mut self) {
        match self {
            Self::Device(device) => device.crash(),
            Self::Server(server) => server.crash(),
        }
    }

    fn restart(&mut self, ctx: &mut Context<'_, Self>) {
        match self {
            Self::Device(device) => device.restart(ctx),
            Self::Server(server) => server.arm(ctx),
        }
    }

    fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }
}
