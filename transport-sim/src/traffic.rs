//! Every message of a run and its fate, for drawing.

use core_kit::Tick;

use crate::node::Message;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is still on its way.
    InFlight,
    /// It arrived then.
    Delivered(Tick),
    /// It was lost on the way.
    Lost,
    /// It arrived then, and nobody was there to take it.
    Undeliverable(Tick),
}

/// One message, or one copy of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmission {
    /// When it was sent; for a copy, when its original was.
    pub sent_at: Tick,
    /// The message.
    pub message: Message,
    /// What became of it.
    pub fate: Fate,
}

/// The traffic of a world, oldest first, where the world was told to keep it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic {
    list: Option<Vec<Transmission>>,
}

impl Traffic {
    pub(crate) fn keep(&mut self) {
        self.list.get_or_insert_default();
    }

    pub(crate) fn take(&mut self) -> Vec<Transmission> {
        self.list.take().unwrap_or_default()
    }

    pub(crate) fn sent(&mut self, sent_at: Tick, message: &Message, fate: Fate) {
        if let Some(list) = &mut self.list {
            list.push(Transmission { sent_at, message: message.clone(), fate });
        }
    }

    pub(crate) fn arrived(&mut self, message: &Message, fate: Fate) {
        let same = |sent: &&mut Transmission| {
            (sent.message.number, sent.message.copy) == (message.number, message.copy) && sent.fate == Fate::InFlight
        };
        // What arrives was sent a short while ago: look from the end.
        if let Some(sent) = self.list.iter_mut().flatten().rev().find(same) {
            sent.fate = fate;
        }
    }
}
