//! Every message of a run and its fate, for drawing.

use core_kit::Tick;

use crate::{FaultId, NodeId, node::Message};

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

/// Something that happened to a node, or that it said, between messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Tick,
    /// To whom; nobody for what happens to the world.
    pub node: Option<NodeId>,
    /// What.
    pub what: MarkKind,
}

/// What a [`Mark`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarkKind {
    /// It crashed.
    Crashed,
    /// It is back.
    Restarted,
    /// A fault of its own took place, or of a link, whose message has this number.
    Struck(FaultId, Option<u64>),
    /// It noted something.
    Noted(String),
    /// All faults are over.
    Healed,
}

/// The traffic of a world, oldest first, where the world was told to keep it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic {
    list: Option<Vec<Transmission>>,
    marks: Vec<Mark>,
}

impl Traffic {
    pub(crate) fn keep(&mut self) {
        self.list.get_or_insert_default();
    }

    pub(crate) fn take(&mut self) -> Vec<Transmission> {
        self.list.take().unwrap_or_default()
    }

    pub(crate) fn take_marks(&mut self) -> Vec<Mark> {
        core::mem::take(&mut self.marks)
    }

    /// `what` is asked for only where it is kept.
    pub(crate) fn mark(&mut self, at: Tick, node: Option<NodeId>, what: impl FnOnce() -> MarkKind) {
        if self.list.is_some() {
            self.marks.push(Mark { at, node, what: what() });
        }
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
