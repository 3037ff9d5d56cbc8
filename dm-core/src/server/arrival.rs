//! A message that came in, read once for all who want to know something of it.

use alloc::boxed::Box;

use super::{Profile, SessionKey, route};
use crate::{
    Packet,
    fault::PeerFault,
    wire::{self, DecodeError, Decoded, Deviations, Message},
};

/// What came of reading a message. It is large and goes through many hands.
pub(super) type Read = Result<(Box<Message>, Deviations), DecodeError>;

/// Reads a message.
pub(super) fn read(packet: &Packet, profile: &Profile) -> Read {
    let Decoded { message, deviations } = wire::decode(packet.encoding, &packet.body, &profile.wire)?;
    Ok((message.into(), deviations))
}

/// A message and what is in it: it tells whose session it is of, and [`Turn::receive`](super::Turn::receive) takes it.
///
/// [`route`] and [`Input::Received`](super::Input::Received) do the same and read the header twice.
#[derive(Clone, Debug)]
pub struct Arrival {
    packet: Packet,
    key: SessionKey,
    read: Read,
}

impl Arrival {
    /// Reads a message, by the profile of the turn that will take it.
    ///
    /// # Errors
    /// The header cannot be read: nobody can be answered.
    pub fn read(packet: Packet, profile: &Profile) -> Result<Self, PeerFault> {
        let read = read(&packet, profile);
        let header = match &read {
            Ok((message, _)) => Some(&message.header),
            Err(error) => error.header.as_deref(),
        };
        // A header may come after the fault.
        let key = header.map_or_else(|| route(&packet, profile), |header| Ok(SessionKey::of(header)))?;
        Ok(Self { packet, key, read })
    }

    /// Which session it is of.
    #[must_use]
    pub const fn key(&self) -> &SessionKey {
        &self.key
    }

    /// The message as it came in: the input that it is.
    #[must_use]
    pub const fn packet(&self) -> &Packet {
        &self.packet
    }

    pub(super) fn into_parts(self) -> (Packet, Read) {
        (self.packet, self.read)
    }
}
