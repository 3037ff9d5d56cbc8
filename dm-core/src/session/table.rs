//! Every step that a session may take, for both roles.
//!
//! The machines assert it on each change of phase, a test visits every row, the diagram in `ARCHITECTURE.md` is drawn
//! from it, and a checker that watches sessions from outside can read it too.

use core::fmt;

/// Which side of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The device.
    Client,
    /// The management server.
    Server,
}

/// The phases of both roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PhaseKind {
    /// Nothing has happened.
    Fresh,
    /// The client asks its tree about the device.
    Gathering,
    /// Credentials of this side are asked for.
    Signing,
    /// A message is out: the client waits for the reply, the server for the client's next message.
    Waiting,
    /// A verdict on the peer's credentials is asked for.
    Authenticating,
    /// The client asks its tree to do what the server wants.
    Applying,
    /// The client asks its user what the server wants to know.
    Prompting,
    /// The server asks its embedder for commands.
    Choosing,
    /// The server asks its embedder for a part of a value.
    Fetching,
    /// The session has ended.
    Over,
}

/// What makes a session change its phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// The client was told to open the session.
    Started,
    /// The tree or the user answered.
    Answered,
    /// This side's credentials came, or it was said that there are none.
    Signed,
    /// A message came that this side takes.
    Received,
    /// The peer is believed, or need not be doubted.
    Believed,
    /// The peer is not believed, and may try again.
    Challenged,
    /// The embedder gave commands, or none.
    Ordered,
    /// The embedder gave a part of a value, or said that there is none.
    Fetched,
    /// The message could not be delivered, or its reply did not come, and it is sent again.
    Retried,
    /// The session ended, for whatever reason.
    Ended,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Whose.
    pub role: Role,
    /// From this phase,
    pub from: PhaseKind,
    /// upon this event,
    pub event: EventKind,
    /// to this phase.
    pub to: PhaseKind,
}

const fn client(from: PhaseKind, event: EventKind, to: PhaseKind) -> Row {
    Row { role: Role::Client, from, event, to }
}

const fn server(from: PhaseKind, event: EventKind, to: PhaseKind) -> Row {
    Row { role: Role::Server, from, event, to }
}

/// Every step there is.
pub const TABLE: &[Row] = {
    use EventKind::{Answered, Believed, Challenged, Ended, Fetched, Ordered, Received, Retried, Signed, Started};
    use PhaseKind::{
        Applying, Authenticating, Choosing, Fetching, Fresh, Gathering, Over, Prompting, Signing, Waiting,
    };
    &[
        client(Fresh, Started, Gathering),
        client(Fresh, Started, Prompting),
        client(Fresh, Ended, Over),
        client(Gathering, Answered, Signing),
        client(Gathering, Answered, Applying),
        client(Gathering, Answered, Waiting),
        client(Gathering, Ended, Over),
        client(Signing, Signed, Signing),
        client(Signing, Signed, Waiting),
        client(Signing, Ended, Over),
        client(Waiting, Retried, Waiting),
        client(Waiting, Received, Authenticating),
        client(Waiting, Received, Applying),
        client(Waiting, Received, Prompting),
        client(Waiting, Received, Signing),
        client(Waiting, Received, Waiting),
        client(Waiting, Ended, Over),
        client(Authenticating, Believed, Applying),
        client(Authenticating, Believed, Prompting),
        client(Authenticating, Believed, Signing),
        client(Authenticating, Believed, Waiting),
        client(Authenticating, Challenged, Applying),
        client(Authenticating, Challenged, Signing),
        client(Authenticating, Challenged, Waiting),
        client(Authenticating, Ended, Over),
        client(Applying, Answered, Applying),
        client(Applying, Answered, Prompting),
        client(Applying, Answered, Signing),
        client(Applying, Answered, Waiting),
        client(Applying, Ended, Over),
        client(Prompting, Answered, Applying),
        client(Prompting, Answered, Gathering),
        client(Prompting, Answered, Prompting),
        client(Prompting, Answered, Signing),
        client(Prompting, Answered, Waiting),
        client(Prompting, Ended, Over),
        server(Fresh, Received, Authenticating),
        server(Fresh, Ended, Over),
        server(Authenticating, Believed, Choosing),
        server(Authenticating, Believed, Fetching),
        server(Authenticating, Believed, Signing),
        server(Authenticating, Believed, Waiting),
        server(Authenticating, Challenged, Waiting),
        server(Authenticating, Ended, Over),
        server(Choosing, Ordered, Choosing),
        server(Choosing, Ordered, Fetching),
        server(Choosing, Ordered, Signing),
        server(Choosing, Ordered, Waiting),
        server(Choosing, Ended, Over),
        server(Signing, Signed, Signing),
        server(Signing, Signed, Choosing),
        server(Signing, Signed, Fetching),
        server(Signing, Signed, Waiting),
        server(Signing, Ended, Over),
        server(Fetching, Fetched, Choosing),
        server(Fetching, Fetched, Signing),
        server(Fetching, Fetched, Waiting),
        server(Fetching, Ended, Over),
        server(Waiting, Received, Authenticating),
        server(Waiting, Received, Choosing),
        server(Waiting, Received, Fetching),
        server(Waiting, Received, Signing),
        server(Waiting, Received, Waiting),
        server(Waiting, Ended, Over),
    ]
};

impl Row {
    /// Whether the step is in the [`TABLE`].
    #[must_use]
    pub fn is_legal(&self) -> bool {
        TABLE.contains(self)
    }
}

/// The steps of one role as a Mermaid state diagram.
#[derive(Clone, Copy, Debug)]
pub struct Diagram(pub Role);

impl fmt::Display for Diagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "stateDiagram-v2")?;
        writeln!(f, "    [*] --> Fresh")?;
        for row in TABLE.iter().filter(|row| row.role == self.0) {
            writeln!(f, "    {:?} --> {:?}: {:?}", row.from, row.to, row.event)?;
        }
        writeln!(f, "    Over --> [*]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_there_twice_and_nothing_leaves_the_end() {
        for (at, row) in TABLE.iter().enumerate() {
            assert!(!TABLE[..at].contains(row), "{row:?}");
            assert_ne!(row.from, PhaseKind::Over, "{row:?}");
        }
    }

    #[test]
    fn every_phase_that_is_reached_can_be_left_or_is_the_end() {
        for row in TABLE.iter().filter(|row| row.to != PhaseKind::Over) {
            assert!(TABLE.iter().any(|next| next.role == row.role && next.from == row.to), "{row:?}");
        }
    }
}
