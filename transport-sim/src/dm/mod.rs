//! OMA DM in a world: devices with trees, and the nodes of a stateless server before one store.
//!
//! The bytes on the simulated wire are the real ones. A message travels on the channel of its exchange, as over HTTP;
//! an empty message is the transport's own refusal (HTTP 400). Everything that may be lost in a crash is lost in one:
//! a device keeps its session's snapshot, its tree and its accounts, a server node keeps nothing.

use crate::{Channel, Context, Message, Node};

mod alike;
mod attempt;
mod backend;
mod device;
mod envelope;
mod fact;
mod fleet;
mod mixed;
pub mod play;
mod pusher;
mod rules;
mod run;
mod scenario;
mod scenarios;
mod script;
mod server;
mod sessions;
mod side;

pub use backend::{Backend, Job, OrderState, Services, StoredDevice, StoredSession};
pub use device::{Device, Execution};
pub use fact::{Fact, Fingerprint, OpKind, Step};
pub use fleet::{Conditions, Fleet, FleetRun};
pub use mixed::menu;
pub use pusher::Pusher;
pub use rules::{
    ANSWERED, AUTHENTICATED, BOOTSTRAPPED, BUFFERED, BYTE_EQUAL, BYTES, CLOCKS, COMPLETES, CONVERGES, DROPPED, ENDLESS,
    ENDS, FITS, FIXED, FRESH, FROM_SERVER, HALF_DUPLEX, IN_ORDER, LATE, LATEST, LEAKS, LOCKED, NO_WEAKER, NOT_INSIDE,
    NOTHING_DONE, NOTIFIED, NUMBERS, Nonces, ONCE, ONE_SESSION, OUTPUT, OWN_ACCOUNT, Objects, PERMITTED, REPEATS,
    RESULTS, ROOT, Rules, SAME_VIEW, SEALED, SECRETS, SENT, SETTLED, SHAPE, STAYS, STOPS, STUCK, Towards, UNMIXED,
    USED_WELL, VERSIONS, WHOLE, WORK, Watched, Whole, ZERO,
};
pub use run::{Direction, Run, SessionRun, Tallies, Transfer};
pub use scenario::{Faults, Scenario, Watch};
pub use script::{Attacker, Rogue};
pub use server::Server;
pub use sessions::{COMPACT, SessionFact, SessionOrder, SessionRules, SessionWorld, Standing, value_hash};
pub use side::Side;

/// Anything that lives in a DM world.
pub enum Party {
    /// A device.
    Device(Box<Device>),
    /// A node of a service.
    Server(Box<Server>),
    /// A server that breaks the protocol.
    Rogue(Box<Rogue>),
    /// A client that breaks the protocol, or that says to be somebody else.
    Attacker(Box<Attacker>),
    /// Sends notifications and bootstraps, good ones and others.
    Pusher(Box<Pusher>),
}

impl Node for Party {
    type Shared = Services;
    type Fact = Fact;

    fn start(&mut self, ctx: &mut Context<'_, Self>) {
        match self {
            Self::Device(device) => device.start(ctx),
            Self::Server(server) => server.arm(ctx),
            Self::Attacker(attacker) => attacker.arm(ctx),
            Self::Pusher(pusher) => pusher.arm(ctx),
            Self::Rogue(_) => {}
        }
    }

    fn deliver(&mut self, ctx: &mut Context<'_, Self>, message: &Message) {
        match self {
            Self::Device(device) => device.receive(ctx, message),
            Self::Server(server) => server.receive(ctx, message),
            // What it says to be is nothing that they read.
            Self::Rogue(_) | Self::Attacker(_) if message.mislabelled => {}
            Self::Rogue(rogue) => rogue.receive(ctx, message),
            Self::Attacker(attacker) => attacker.receive(ctx, message),
            Self::Pusher(_) => {}
        }
    }

    fn wake(&mut self, ctx: &mut Context<'_, Self>) {
        match self {
            Self::Device(device) => device.wake(ctx),
            Self::Server(server) => server.wake(ctx),
            Self::Attacker(attacker) => attacker.wake(ctx),
            Self::Pusher(pusher) => pusher.wake(ctx),
            Self::Rogue(_) => {}
        }
    }

    fn crash(&mut self) {
        match self {
            Self::Device(device) => device.crash(),
            Self::Server(server) => server.crash(),
            // What breaks the protocol is not broken itself.
            Self::Rogue(_) | Self::Attacker(_) | Self::Pusher(_) => {}
        }
    }

    fn restart(&mut self, ctx: &mut Context<'_, Self>) {
        match self {
            Self::Device(device) => device.restart(ctx),
            Self::Server(server) => server.restart(ctx),
            Self::Attacker(attacker) => attacker.arm(ctx),
            Self::Pusher(pusher) => pusher.arm(ctx),
            Self::Rogue(_) => {}
        }
    }

    fn reset(&mut self, ctx: &mut Context<'_, Self>, channel: Channel) {
        if let Self::Device(device) = self {
            device.reset(ctx, channel);
        }
    }

    fn reconnect(&mut self, ctx: &mut Context<'_, Self>) {
        if let Self::Device(device) = self {
            device.reconnect(ctx);
        }
    }

    fn is_server(&self) -> bool {
        matches!(self, Self::Server(_) | Self::Rogue(_))
    }
}
