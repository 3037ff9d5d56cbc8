//! What happened in a world, as text: the same seed gives the same bytes.
//!
//! ```text
//! transport-sim trace 2
//! seed 4711
//! node 1 device
//! node 2 server
//! 0 1 start 1 - - - - -
//! 0 2 send 1 2 1 812 9f86d081884c7d65 sent
//! 20 3 deliver 1 2 1 812 9f86d081884c7d65 delivered
//! ```
//!
//! After the head, one line for each event, its fields parted by single spaces: time in virtual milliseconds, number of
//! the line, kind, node that acts or sends, receiver, number of the message, its size in octets, the first eight octets
//! of its SHA-256, and what became of it; `-` where there is nothing to say. A copy has the number of its original.
//!
//! | kind | means | last field |
//! |---|---|---|
//! | `start` | a node begins | `-` |
//! | `send` | a message leaves its sender | `sent`, `lost` |
//! | `copy` | the network doubles it | `sent` |
//! | `deliver` | a message reaches its receiver | `delivered`, `down` |
//! | `wake` | a node's timer fires | `-` |
//! | `crash` | a node loses all that is not durable | `-` |
//! | `restart` | it is back | `-` |
//! | `pause` | it stands still | `-` |
//! | `reset` | a connection that it opened is reset | `-` |
//! | `reconnect` | it has its network again, with many others | `-` |
//! | `clock` | its clock changes | the name of the fault |
//! | `fault` | something is done to a message that was sent | the name of the fault |
//! | `trouble` | something goes wrong with many links | the name of the fault |
//! | `heal` | all faults end | `-` |
//! | `note` | a node says what it did | the note, to the end of the line |
//!
//! Content never appears: only sizes and hashes, and what nodes choose to note. A world can do without a trace: then
//! nothing is written and nothing is hashed.

use core::fmt::{self, Write};

use core_kit::Tick;

use crate::{FaultId, NodeId, node::Message};

/// The version of the form that this crate writes.
pub const VERSION: u32 = 2;

/// A trace that only grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    text: String,
    lines: u64,
    is_on: bool,
}

impl Trace {
    pub(crate) fn new(seed: u64) -> Self {
        Self { text: format!("transport-sim trace {VERSION}\nseed {seed}\n"), lines: 0, is_on: true }
    }

    /// Forgets what there is, and writes nothing from now on.
    pub(crate) fn turn_off(&mut self) {
        self.is_on = false;
        self.lines = 0;
        self.text.clear();
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// All of it, every line with its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Lines after the head.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    pub(crate) fn node(&mut self, node: NodeId, name: &str) {
        if !self.is_on {
            return;
        }
        self.put(format_args!("node {node} {}", OneLine(name)));
    }

    pub(crate) fn message(&mut self, at: Tick, kind: &str, message: &Message, fate: &str) {
        if !self.is_on {
            return;
        }
        let Message { from, to, number, bytes, hash, .. } = message;
        let seq = self.next();
        self.put(format_args!("{} {seq} {kind} {from} {to} {number} {} {} {fate}", at.0, bytes.len(), Hex(hash)));
    }

    pub(crate) fn event(&mut self, at: Tick, kind: &str, node: NodeId) {
        self.note(at, kind, node, &"-");
    }

    /// Something is done to a message, or to its link.
    pub(crate) fn fault(&mut self, at: Tick, message: &Message, fault: FaultId) {
        if !self.is_on {
            return;
        }
        let Message { from, to, number, .. } = message;
        let seq = self.next();
        self.put(format_args!("{} {seq} fault {from} {to} {number} - - {fault}", at.0));
    }

    /// Something that no node does.
    pub(crate) fn world(&mut self, at: Tick, kind: &str, text: &dyn fmt::Display) {
        if !self.is_on {
            return;
        }
        let seq = self.next();
        self.put(format_args!("{} {seq} {kind} - - - - - {text}", at.0));
    }

    pub(crate) fn note(&mut self, at: Tick, kind: &str, node: NodeId, text: &dyn fmt::Display) {
        if !self.is_on {
            return;
        }
        let seq = self.next();
        self.put(format_args!("{} {seq} {kind} {node} - - - - {}", at.0, OneLine(text)));
    }

    const fn next(&mut self) -> u64 {
        self.lines += 1;
        self.lines
    }

    fn put(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a string does not fail; a note whose own `Display` does is cut there.
        let _ = self.text.write_fmt(line);
        self.text.push('\n');
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Text that cannot end its line.
struct OneLine<T>(T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Flat<'a, 'b>(&'a mut fmt::Formatter<'b>);

        impl Write for Flat<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                text.chars().try_for_each(|c| self.0.write_char(if c.is_control() { '?' } else { c }))
            }
        }

        write!(Flat(f), "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::node::Channel;

    #[test]
    fn the_form_is_fixed() {
        let mut trace = Trace::new(7);
        trace.node(NodeId(1), "device");
        trace.event(Tick(0), "start", NodeId(1));
        let channel = Channel { opener: NodeId(1), number: 1 };
        let message = Message::new(5, NodeId(1), NodeId(2), channel, Bytes::from_static(b"test"));
        trace.message(Tick(3), "send", &message, "sent");
        trace.note(Tick(4), "note", NodeId(2), &"two\nlines");
        let expected = "transport-sim trace 2\nseed 7\nnode 1 device\n0 1 start 1 - - - - -\n\
                        3 2 send 1 2 5 4 9f86d081884c7d65 sent\n4 3 note 2 - - - - two?lines\n";
        assert_eq!(trace.as_str(), expected);
    }
}
