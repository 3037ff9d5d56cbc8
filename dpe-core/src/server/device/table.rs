//! Every step that the registration of a device may take [DPE digest 3.1].

/// Where a registration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PhaseKind {
    /// Nothing has happened.
    Unknown,
    /// A Client-ID was sent, and its acknowledgement has not come.
    PendingAck,
    /// The client was told to register, and has not yet.
    CommandSent,
    /// The client is registered.
    Active,
    /// The client wants no session.
    Declined,
    /// The client did not complete its registration.
    Failed,
    /// Another Client-ID has taken over.
    Retired,
}

/// What makes a registration change its phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// A request was answered with the Client-ID.
    Requested,
    /// The client accepted the Client-ID.
    Confirmed,
    /// The client declined the session.
    Declined,
    /// An answer did not come in time, or was a refusal, and there are tries left.
    TimedOut,
    /// The server wants the client to register again.
    Commanded,
    /// No try is left.
    GivenUp,
    /// Another Client-ID takes over.
    Left,
}

/// One step: from this phase, upon this event, to this phase.
pub type Row = (PhaseKind, EventKind, PhaseKind);

/// Every step there is.
pub const TABLE: &[Row] = {
    use EventKind as On;
    use PhaseKind::{Active, CommandSent, Declined, Failed, PendingAck, Retired, Unknown};
    &[
        (Unknown, On::Requested, PendingAck),
        (PendingAck, On::Requested, PendingAck),
        (PendingAck, On::Confirmed, Active),
        (PendingAck, On::Declined, Declined),
        (PendingAck, On::TimedOut, CommandSent),
        (PendingAck, On::GivenUp, Failed),
        (PendingAck, On::GivenUp, Active),
        (PendingAck, On::GivenUp, Declined),
        (PendingAck, On::Left, Retired),
        (CommandSent, On::Requested, PendingAck),
        (CommandSent, On::Confirmed, Active),
        (CommandSent, On::Declined, Declined),
        (CommandSent, On::TimedOut, CommandSent),
        (CommandSent, On::GivenUp, Failed),
        (CommandSent, On::GivenUp, Active),
        (CommandSent, On::GivenUp, Declined),
        (CommandSent, On::Left, Retired),
        (Active, On::Requested, PendingAck),
        (Active, On::Commanded, CommandSent),
        (Active, On::Left, Retired),
        (Declined, On::Requested, PendingAck),
        (Declined, On::Commanded, CommandSent),
        (Declined, On::Left, Retired),
        (Failed, On::Requested, PendingAck),
        (Failed, On::Commanded, CommandSent),
        (Failed, On::Left, Retired),
    ]
};
