//! What lives in a world.

use core::fmt;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::context::Context;

/// A node's number. Whoever builds a world gives it, so that a world with one node less has the others unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One exchange, as a connection would be: a reply goes back on the channel of its request, so that its receiver knows
/// which request it is for, or that it waits no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Channel {
    /// Who opened it.
    pub opener: NodeId,
    /// The opener's how-manieth it is, from 1.
    pub number: u64,
}

/// One message on its way. Only `bytes` is content; the rest is what a network knows.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Counts the sendings of the world; a copy has the number of its original.
    pub number: u64,
    /// Whether the network made it.
    pub copy: bool,
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// The exchange.
    pub channel: Channel,
    /// The content.
    pub bytes: Bytes,
    /// Whether the network has changed the content: for checkers, which cannot take it for its sender's word. A node does
    /// not know it.
    pub altered: bool,
    /// Whether what the transport says of the content (its type, charset or length) is wrong, as fault F14 makes it. A node
    /// that goes by it refuses the message.
    pub mislabelled: bool,
    /// Octets of the pieces that it arrives in; 0 where it arrives as one.
    pub(crate) pieces: u32,
    /// The first octets of its SHA-256, where a trace wants them.
    pub(crate) hash: [u8; 8],
}

impl Message {
    #[cfg(test)]
    pub(crate) fn new(number: u64, from: NodeId, to: NodeId, channel: Channel, bytes: Bytes) -> Self {
        Self { hash: hash(&bytes), ..Self::unhashed(number, from, to, channel, bytes) }
    }

    /// A message for a world without a trace.
    pub(crate) const fn unhashed(number: u64, from: NodeId, to: NodeId, channel: Channel, bytes: Bytes) -> Self {
        Self {
            number,
            copy: false,
            from,
            to,
            channel,
            bytes,
            altered: false,
            mislabelled: false,
            pieces: 0,
            hash: [0; 8],
        }
    }

    /// Whether its sender opened the channel.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.channel.opener == self.from
    }
}

/// The first octets of the SHA-256.
pub(crate) fn hash(bytes: &[u8]) -> [u8; 8] {
    let mut hash = [0; 8];
    hash.iter_mut().zip(Sha256::digest(bytes)).for_each(|(to, from)| *to = from);
    hash
}

/// Content may be credentials, so only its length shows.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, copy, from, to, channel, bytes, .. } = self;
        f.debug_struct("Message")
            .field("number", number)
            .field("copy", copy)
            .field("from", from)
            .field("to", to)
            .field("channel", channel)
            .field("octets", &bytes.len())
            .finish_non_exhaustive()
    }
}

/// One process of a world: a value that is told what happens and acts through its [`Context`].
///
/// A node computes in no time. What should take time it puts off with [`Context::wake_at`].
pub trait Node: Sized {
    /// What the nodes have in common and no crash destroys: stores, mostly. `()` for nothing.
    type Shared;
    /// What a node notes about itself, for the trace and for checkers. One line of text, and no secrets.
    type Fact: fmt::Display;

    /// The world begins.
    fn start(&mut self, ctx: &mut Context<'_, Self>);

    /// A message has arrived.
    fn deliver(&mut self, ctx: &mut Context<'_, Self>, message: &Message);

    /// The time that was named with [`Context::wake_at`] has come; the timer is off again.
    fn wake(&mut self, ctx: &mut Context<'_, Self>);

    /// The process dies: forget all that is not durable. Nothing can be sent or said any more.
    fn crash(&mut self);

    /// The process is back, with what was durable and with its timer off.
    fn restart(&mut self, ctx: &mut Context<'_, Self>);

    /// A message has arrived piece by piece (F11, F12). Until it is overridden the node reads on until it is whole.
    fn deliver_in_pieces(&mut self, ctx: &mut Context<'_, Self>, message: &Message, pieces: &[Bytes]) {
        let _ = pieces;
        self.deliver(ctx, message);
    }

    /// A connection that this node opened was reset (F13). Until it is overridden the node does not notice.
    fn reset(&mut self, ctx: &mut Context<'_, Self>, channel: Channel) {
        let _ = (ctx, channel);
    }

    /// The node has lost its network and has it again, as have many others (F21). Until it is overridden it does not
    /// mind; one that keeps a connection opens it anew, and one that would report reports.
    fn reconnect(&mut self, ctx: &mut Context<'_, Self>) {
        let _ = ctx;
    }

    /// Whether this is a server: its crashes are counted as F25, those of all others as F22.
    fn is_server(&self) -> bool {
        false
    }
}
