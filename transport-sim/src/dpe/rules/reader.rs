//! What messages say, each read once: most are seen several times, as they are stored, sent, sent again, and delivered.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use bytes::Bytes;
use dpe_core::{
    limits::WireLimits,
    wire::{Decoded, Ie, Message, decode, encode},
};

use super::text;

/// Messages that are remembered.
const KNOWN_MAX: usize = 256;

/// What a body says.
pub(super) struct Read {
    decoded: Option<Decoded>,
    /// Whether writing what was read gives the same octets.
    pub(super) is_written_back: bool,
}

impl Read {
    fn of(body: &Bytes) -> Self {
        let decoded = decode(body, &WireLimits::DEFAULT).ok();
        let again = match &decoded {
            Some(Decoded::Message(message)) => encode(message).ok(),
            _ => None,
        };
        let is_written_back = again.as_deref() == Some(&**body);
        Self { decoded, is_written_back }
    }

    /// The message, if it is one.
    pub(super) fn message(&self) -> Option<&Message> {
        match &self.decoded {
            Some(Decoded::Message(message)) => Some(message),
            Some(Decoded::Untyped(_)) | None => None,
        }
    }

    /// The Message-ID, which is there to be read also where the rest is no message; empty where there is none.
    pub(super) fn message_id(&self) -> String {
        match &self.decoded {
            Some(Decoded::Message(message)) => text(&message.message_id),
            Some(Decoded::Untyped(untyped)) => text(&untyped.message_id),
            None => text(&Ie::Absent),
        }
    }
}

/// Reads bodies, and remembers the last ones.
#[derive(Default)]
pub(super) struct Reader {
    known: BTreeMap<Bytes, Rc<Read>>,
    order: VecDeque<Bytes>,
}

impl Reader {
    /// What this body says.
    pub(super) fn read(&mut self, body: &Bytes) -> Rc<Read> {
        if let Some(known) = self.known.get(body) {
            return Rc::clone(known);
        }
        let read = Rc::new(Read::of(body));
        self.known.insert(body.clone(), Rc::clone(&read));
        self.order.push_back(body.clone());
        if self.order.len() > KNOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        read
    }
}
