//! Which notifications were followed already, and what is done with the next one.

use alloc::collections::VecDeque;

use core_kit::Tick;
use serde::{Deserialize, Serialize};

use super::{Ignored, Initiator, Layout, Policy, SessionNumber, Unverified, Verified, VersionHint};
use crate::{
    auth::{CredentialHash, Nonce},
    client::Trigger,
    ids::ServerId,
    prompt::{Prompt, Wanted},
};

/// What a client does before it opens a session that a server asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conduct {
    /// Nothing.
    Silent,
    /// Tells the user that management starts.
    Announce,
    /// Asks the user, and opens no session without consent.
    Ask,
}

/// What becomes of a notification. Nothing is sent to its sender in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// A session is to be opened, after the [`Seen`] is stored: a crash in between costs a session, not two of them.
    Start(Start),
    /// The same session was asked for before. It has run, runs now, or the user declined it.
    AlreadyRun(SessionNumber),
    /// Nothing is done.
    Ignore(Ignored),
}

/// How the session is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Under which identifier.
    pub session: SessionNumber,
    /// What comes first.
    pub conduct: Conduct,
    /// Who caused it.
    pub initiator: Initiator,
    /// The highest protocol version to open it with, where the server says one [digest 10.3].
    pub recommended: Option<VersionHint>,
    /// Whether both sides start from [`resync_nonce`](super::resync_nonce) [NOTI 1.2, 5.1].
    pub resync: bool,
}

impl Start {
    /// What the client's session is started with.
    #[must_use]
    pub fn trigger(&self) -> Trigger {
        self.session.trigger()
    }

    /// The same, where the user is shown this text first if the notification wants that: to be told, or to be asked.
    #[must_use]
    pub fn trigger_showing(&self, text: &str) -> Trigger {
        let wanted = match self.conduct {
            Conduct::Silent => return self.trigger(),
            Conduct::Announce => Wanted::Attention,
            Conduct::Ask => Wanted::Consent { default: None },
        };
        Trigger::Announced { session: self.session.id(), prompt: Prompt::new(text, wanted) }
    }
}

/// What is remembered of one server's notifications. It is stored with that server's account and lives as long.
///
/// It holds the last [`sessions_remembered_max`](crate::limits::NotifyLimits::sessions_remembered_max) identifiers. An
/// older notification is kept out by its nonce alone, which is why each session should end with a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The oldest first.
    sessions: VecDeque<SessionNumber>,
    resync_at: Option<Tick>,
}

impl Seen {
    /// Decides on a notification of this server, and remembers it if a session is to start.
    ///
    /// `now` is on a timeline that goes on when the client restarts. Should it be set back, then the time to the next
    /// resynchronisation starts again: neither is one allowed early, nor is the next one out of reach.
    pub fn admit(&mut self, verified: &Verified<'_>, now: Tick, policy: &Policy) -> Decision {
        let session = verified.session();
        if self.sessions.contains(&session) && !core_kit::planted!("D42-once-more") {
            return Decision::AlreadyRun(session);
        }
        if verified.is_resync() {
            if let Some(last) = self.resync_at
                && now < last + policy.limits.resync_interval
            {
                self.resync_at = Some(last.min(now));
                return Decision::Ignore(Ignored::ResyncTooSoon);
            }
            self.resync_at = Some(now);
        }
        let others_max = policy.limits.sessions_remembered_max.max(1) - 1;
        let surplus = self.sessions.len().saturating_sub(others_max);
        self.sessions.drain(..surplus);
        self.sessions.push_back(session);
        Decision::Start(Start {
            session,
            conduct: verified.conduct(policy),
            initiator: verified.initiator(),
            recommended: verified.recommended(),
            resync: verified.is_resync(),
        })
    }

    /// Lets the session be asked for once more. For one that never reached its server: the server sends the same
    /// notification again then, and it has to count. When the next resynchronisation may be stays as it was.
    pub fn forget(&mut self, session: SessionNumber) {
        self.sessions.retain(|seen| *seen != session);
    }
}

/// What a client has of one server's account.
#[derive(Debug)]
pub struct Known<'a> {
    /// The hash of server identifier and server password.
    pub credentials: &'a CredentialHash,
    /// The nonce that this client gave the server last.
    pub nonce: &'a Nonce,
    /// What is remembered of this server. It changes only if a session is to start, or with a refused resynchronisation
    /// after time was set back.
    pub seen: &'a mut Seen,
}

/// What becomes of a message that came in as a notification; `find` looks up the account of the server that it names,
/// once, and is not asked about a message that is no notification.
pub fn receive<'a>(
    layout: Layout,
    message: &[u8],
    find: impl FnOnce(&ServerId) -> Option<Known<'a>>,
    now: Tick,
    policy: &Policy,
) -> Decision {
    let read = match Unverified::decode(layout, message) {
        Ok(read) => read,
        Err(error) => return Decision::Ignore(error.into()),
    };
    let Some(known) = find(read.server()) else { return Decision::Ignore(Ignored::UnknownServer) };
    match read.judge(known.credentials, known.nonce, policy) {
        Ok(verified) => known.seen.admit(&verified, now, policy),
        Err(ignored) => Decision::Ignore(ignored),
    }
}
