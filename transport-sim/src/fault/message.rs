//! What the network does to one message.

use bytes::Bytes;
use core_kit::{Millis, Tick};

use super::{FaultCounts, FaultId, Swarm, Troubles};
use crate::{
    NodeId,
    decide::{Decider, Permille, Site, Who},
    node::Message,
    table::{STEP, mix},
};

const MESSAGE: Site = Site("fault.message");
const MORE: Site = Site("fault.more");

/// A copy that comes later than this after its original is late: by then most sessions are over.
pub(crate) const LATE: Millis = Millis(60_000);
const WEEK: u64 = 7 * 24 * 3_600_000;

/// Something done to one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// F01 or F02: it is lost.
    Drop,
    /// F03, or from a minute on F04: it comes again so long after it came.
    Again(Millis),
    /// F05: it is held back for so long, and later ones overtake it.
    Hold(Millis),
    /// F06: it takes so much longer, and later ones wait behind it.
    Delay(Millis),
    /// F07: this bit is flipped, counted from the first octet's highest.
    Flip(u32),
    /// F08: so many octets from `at` on are overwritten.
    Overwrite {
        /// The first of them.
        at: u32,
        /// How many, at most; a message does not grow.
        octets: u32,
        /// With what.
        with: u8,
    },
    /// F09: only so many octets are left.
    Cut(u32),
    /// F10: so many octets of garbage follow it.
    Append {
        /// How many.
        octets: u32,
        /// What they follow from.
        from: u32,
    },
    /// F11: it arrives in pieces of so many octets, see [`Node::deliver_in_pieces`](crate::Node::deliver_in_pieces).
    ///
    /// The other half of F11, two messages that arrive as one, has no meaning in a world: each message has a channel of
    /// its own in each direction, as in HTTP/1.1. What a reader of a stream makes of that belongs to the tests of the
    /// transport that reads one.
    Pieces(u32),
    /// F12: its first octets arrive, and the last so much later. It is delivered when it is whole, in pieces, and later ones
    /// wait behind it.
    Stall(Millis),
    /// F13: the connection is reset; who opened it is told through [`Node::reset`](crate::Node::reset).
    Reset(ResetAt),
    /// F14: what the transport says of the content is wrong, see [`Message::mislabelled`].
    Mislabel,
    /// F15: it is delivered to this node, as the reply to the request that the node sent last.
    Misdeliver(NodeId),
}

/// When a connection is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetAt {
    /// Before the message arrives: it does not. For a request that is before the response, for a response in the middle of
    /// it.
    Before,
    /// After it has arrived.
    After,
}

impl Harm {
    /// The fault that this is, done to a request or to a response.
    #[must_use]
    pub const fn fault(self, is_request: bool) -> FaultId {
        match self {
            Self::Drop if is_request => FaultId::F01,
            Self::Drop => FaultId::F02,
            Self::Again(after) if after.0 < LATE.0 => FaultId::F03,
            Self::Again(_) => FaultId::F04,
            Self::Hold(_) => FaultId::F05,
            Self::Delay(_) => FaultId::F06,
            Self::Flip(_) => FaultId::F07,
            Self::Overwrite { .. } => FaultId::F08,
            Self::Cut(_) => FaultId::F09,
            Self::Append { .. } => FaultId::F10,
            Self::Pieces(_) => FaultId::F11,
            Self::Stall(_) => FaultId::F12,
            Self::Reset(_) => FaultId::F13,
            Self::Mislabel => FaultId::F14,
            Self::Misdeliver(_) => FaultId::F15,
        }
    }

    /// What it makes of the content; nothing where that stays as it is.
    pub(crate) fn alter(self, bytes: &Bytes) -> Option<Bytes> {
        let mut altered = bytes.to_vec();
        match self {
            Self::Flip(bit) => {
                let octet = altered.get_mut(bit as usize / 8)?;
                *octet ^= 0x80 >> (bit % 8);
            }
            Self::Overwrite { at, octets, with } => {
                altered.iter_mut().skip(at as usize).take(octets as usize).for_each(|octet| *octet = with);
            }
            Self::Cut(left) => altered.truncate(left as usize),
            Self::Append { octets, from } => {
                let word = |n: u64| mix(u64::from(from).wrapping_add(STEP.wrapping_mul(n)));
                altered.extend((1..=u64::from(octets)).map(|n| word(n).to_be_bytes()[0]));
            }
            _ => return None,
        }
        (*altered != **bytes).then(|| altered.into())
    }

    /// Draws what the fault is in particular; nothing where it cannot be done to this message.
    fn draw(
        decider: &mut Decider,
        who: Who,
        fault: FaultId,
        message: &Message,
        other: impl FnOnce(u32) -> Option<NodeId>,
    ) -> Option<Self> {
        let site = fault.site();
        let len = u32::try_from(message.bytes.len()).unwrap_or(u32::MAX / 8).min(u32::MAX / 8);
        Some(match fault {
            FaultId::F01 | FaultId::F02 => Self::Drop,
            FaultId::F03 => Self::Again(Millis(decider.choose(site, who, 20).into())),
            FaultId::F04 => {
                let after = u64::from(decider.choose_scale(site, who, 30));
                Self::Again(Millis((LATE.0 + after).min(WEEK)))
            }
            FaultId::F05 => Self::Hold(Millis(500 + u64::from(decider.choose(site, who, 60_000)))),
            FaultId::F06 => Self::Delay(Millis(50 + u64::from(decider.choose_scale(site, who, 18)))),
            FaultId::F07 if len > 0 => Self::Flip(decider.choose(site, who, len * 8)),
            FaultId::F08 if len > 0 => {
                let (at, more) = (decider.choose(site, who, len), decider.choose(MORE, who, 16 * 256));
                Self::Overwrite { at, octets: 1 + more / 256, with: u8::try_from(more % 256).unwrap_or(0) }
            }
            FaultId::F09 if len > 0 => Self::Cut(len - 1 - decider.choose(site, who, len)),
            FaultId::F10 => {
                let octets = 1 + decider.choose(site, who, 64);
                Self::Append { octets, from: decider.choose(MORE, who, u32::MAX) }
            }
            FaultId::F11 if len > 1 => Self::Pieces(1 + decider.choose(site, who, (len - 1).min(64))),
            FaultId::F12 => Self::Stall(Millis(LATE.0 + u64::from(decider.choose_scale(site, who, 22)))),
            FaultId::F13 if message.is_request() => Self::Reset(ResetAt::Before),
            FaultId::F13 if decider.choose(site, who, 2) == 0 => Self::Reset(ResetAt::Before),
            FaultId::F13 => Self::Reset(ResetAt::After),
            FaultId::F14 => Self::Mislabel,
            FaultId::F15 => Self::Misdeliver(other(decider.choose(site, who, 1 << 16))?),
            _ => return None,
        })
    }
}

/// Faults of single messages, in their order as options.
const OF_MESSAGES: [FaultId; 15] = [
    FaultId::F01,
    FaultId::F02,
    FaultId::F03,
    FaultId::F04,
    FaultId::F05,
    FaultId::F06,
    FaultId::F07,
    FaultId::F08,
    FaultId::F09,
    FaultId::F10,
    FaultId::F11,
    FaultId::F12,
    FaultId::F13,
    FaultId::F14,
    FaultId::F15,
];

/// A harm that waits for its message.
#[derive(Clone, Copy, Debug)]
struct Armed {
    from: NodeId,
    to: NodeId,
    /// Messages of that link until it comes, this one included.
    left: u64,
    harm: Harm,
}

/// What goes wrong in a world at the moment, and what has.
#[derive(Debug, Default)]
pub(crate) struct Weather {
    swarm: Swarm,
    /// The rates for requests and for responses, where there are any.
    rates: Option<[[Permille; 15]; 2]>,
    armed: Vec<Armed>,
    pub(crate) troubles: Troubles,
    pub(crate) counts: FaultCounts,
    /// Since when everything is well for good.
    pub(crate) healed: Option<Tick>,
}

impl Weather {
    pub(crate) const fn swarm(&self) -> &Swarm {
        &self.swarm
    }

    pub(crate) fn set_swarm(&mut self, swarm: Swarm) {
        let of = |not: &[FaultId]| {
            OF_MESSAGES.map(|fault| if not.contains(&fault) { Permille::NEVER } else { swarm.rate(fault) })
        };
        // Only a response can get onto another node's connection: a request has none to be mistaken for.
        let rates = [of(&[FaultId::F02, FaultId::F15]), of(&[FaultId::F01])];
        self.rates = rates.iter().flatten().any(|rate| *rate != Permille::NEVER).then_some(rates);
        self.swarm = swarm;
    }

    pub(crate) fn arm(&mut self, from: NodeId, to: NodeId, nth: u64, harm: Harm) {
        self.armed.push(Armed { from, to, left: nth.max(1), harm });
    }

    /// Everything ends now.
    pub(crate) fn heal(&mut self, at: Tick) {
        self.set_swarm(Swarm::CALM);
        self.armed.clear();
        self.troubles = Troubles::default();
        self.healed = Some(at);
    }

    /// What happens to a message that is being sent. `other` names a node to take `to`'s place.
    pub(crate) fn harm(
        &mut self,
        decider: &mut Decider,
        message: &Message,
        other: impl FnOnce(u32) -> Option<NodeId>,
    ) -> Option<Harm> {
        if !self.armed.is_empty()
            && let Some(harm) = self.scripted(message)
        {
            return Some(harm);
        }
        let [requests, responses] = self.rates.as_ref()?;
        let rates = if message.is_request() { requests } else { responses };
        let who = Who::about(message.from, message.to);
        let fault = OF_MESSAGES.get(decider.one_of(MESSAGE, who, rates)?)?;
        Harm::draw(decider, who, *fault, message, other)
    }

    fn scripted(&mut self, message: &Message) -> Option<Harm> {
        let due = |armed: &mut Armed| {
            let is_of_link = (armed.from, armed.to) == (message.from, message.to);
            armed.left -= u64::from(is_of_link);
            is_of_link && armed.left == 0
        };
        // Every harm of the link counts this message, and of those that are due the first is done.
        let all: Vec<(bool, Armed)> = self.armed.iter_mut().map(|armed| (due(armed), *armed)).collect();
        self.armed.retain(|armed| armed.left > 0);
        all.into_iter().find(|(due, _)| *due).map(|(_, armed)| armed.harm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_altered_as_said_and_only_where_something_changes() {
        let bytes = Bytes::from_static(&[0x00, 0xFF, 0x10]);
        let alter = |harm: Harm| harm.alter(&bytes).map(|altered| altered.to_vec());
        assert_eq!(alter(Harm::Flip(0)), Some(vec![0x80, 0xFF, 0x10]));
        assert_eq!(alter(Harm::Flip(23)), Some(vec![0x00, 0xFF, 0x11]));
        assert_eq!(alter(Harm::Flip(24)), None);
        assert_eq!(alter(Harm::Overwrite { at: 1, octets: 9, with: 7 }), Some(vec![0, 7, 7]));
        assert_eq!(alter(Harm::Overwrite { at: 0, octets: 1, with: 0 }), None);
        assert_eq!(alter(Harm::Cut(1)), Some(vec![0]));
        assert_eq!(alter(Harm::Cut(3)), None);
        let longer = alter(Harm::Append { octets: 40, from: 3 }).expect("it is longer");
        assert_eq!((longer.len(), &longer[..3]), (43, &bytes[..]));
        assert_eq!(alter(Harm::Drop), None);
    }
}
