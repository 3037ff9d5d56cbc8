//! OMA DPE in a world: devices with clients that listen, service providers, and the nodes of a stateless server before
//! one store.
//!
//! The bytes on the simulated wire are the real ones, in the envelopes of [`Envelope`]. A client and an SP keep the
//! snapshot of their machine, and an SP its lines; a server node keeps nothing. One input is one transaction over all
//! machines that it touches; [`Backend`] says what of it is sent how, and why every request of an SP gets its one answer.

use crate::{Channel, Context, Message, Node};

mod attempt;
mod backend;
mod binding;
mod device;
mod fact;
mod outline;
pub mod play;
mod rules;
mod run;
mod scenario;
mod server;
mod sp;
mod spite;
mod story;

pub use backend::{Backend, Delivery, Line, StoredDevice, StoredGate, Taken};
pub use binding::Envelope;
pub use device::{Device, Doing};
pub use fact::Fact;
pub use rules::{
    ANSWERED, ATTRIBUTED, BOUNDED, CANCELLED, COMPLETE, CONVERGED, CROSSING, DECLINED, DURABLE, EXPIRES, FAIR, FINAL,
    FOREIGN, FORWARDS, FRESH, GENUINE, IDEMPOTENT, IDENTITIES, INDEPENDENT, KEPT, LIVE, OBSOLETE, ONE_ACTIVE, ONE_OUT,
    PERMITTED, RELEASED, RETURNED, Rules, SPACED, STATIC, SUBSET, TIMERS, TYPED, UNIFORM, UNLINKABLE, WHOLE, WINDOW,
    Watched,
};
pub use run::{Run, Tallies};
pub use scenario::{Faults, Scenario, menu};
pub use server::Server;
pub use sp::Sp;

/// Anything that lives in a DPE world.
pub enum Party {
    /// A device.
    Device(Box<Device>),
    /// A node of the server.
    Server(Server),
    /// A service provider.
    Sp(Box<Sp>),
}

impl Node for Party {
    type Shared = Backend;
    type Fact = Fact;

    fn start(&mut self, ctx: &mut Context<'_, Self>) {
        match self {
            Self::Device(device) => device.start(ctx),
            Self::Server(server) => server.arm(ctx),
            Self::Sp(sp) => sp.arm(ctx),
        }
    }

    fn deliver(&mut self, ctx: &mut Context<'_, Self>, message: &Message) {
        // Another content type than ours is refused before anybody reads on.
        if message.mislabelled {
            return;
        }
        match self {
            Self::Device(device) => device.receive(ctx, message),
            Self::Server(server) => server.receive(ctx, message),
            Self::Sp(sp) => sp.receive(ctx, message),
        }
    }

    fn wake(&mut self, ctx: &mut Context<'_, Self>) {
        match self {
            Self::Device(device) => device.wake(ctx),
            Self::Server(server) => server.wake(ctx),
            Self::Sp(sp) => sp.wake(ctx),
        }
    }

    fn crash(&mut self) {
        match self {
            Self::Device(device) => device.crash(),
            Self::Server(server) => server.crash(),
            Self::Sp(sp) => sp.crash(),
        }
    }

    fn restart(&mut self, ctx: &mut Context<'_, Self>) {
        match self {
            Self::Device(device) => device.restart(ctx),
            Self::Server(server) => server.arm(ctx),
            Self::Sp(sp) => sp.arm(ctx),
        }
    }

    fn reset(&mut self, ctx: &mut Context<'_, Self>, channel: Channel) {
        match self {
            Self::Device(device) => device.reset(channel),
            // What is on a line is sent again until it was taken.
            Self::Sp(sp) => sp.again(ctx),
            Self::Server(_) => {}
        }
    }

    fn reconnect(&mut self, ctx: &mut Context<'_, Self>) {
        match self {
            Self::Device(device) => device.reconnect(ctx),
            Self::Sp(sp) => sp.again(ctx),
            Self::Server(_) => {}
        }
    }

    fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }
}
