//! The nonce that stands in for one that was lost [NOTI 1.2, 5.1; digest 1.5].

use core_kit::{Millis, Tick};
use serde::{Deserialize, Serialize};

use super::{Account, Nonce};
use crate::ids::SessionId;

/// A server's own leave to take the nonce of resynchronisation, in one session and for a while.
///
/// Everybody knows that nonce, and whoever has seen credentials made with it can show them again. So it counts only in a
/// session that this server has asked for by a notification signed with it: make this value then, store it with the
/// device's account, and throw it away when it has [proved](crate::server::Report::Authenticated) the device once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resync {
    session: SessionId,
    until: Tick,
}

impl Resync {
    /// Leave for the session that the notification names, from `now` on and for as long as the device may take to come.
    #[must_use]
    pub fn arm(session: SessionId, now: Tick, patience: Millis) -> Self {
        Self { session, until: now + patience }
    }

    /// Whether it covers a claim of this session.
    #[must_use]
    pub fn admits(&self, session: &SessionId, now: Tick) -> bool {
        now < self.until && self.session.as_str().eq_ignore_ascii_case(session.as_str())
    }
}

impl Nonce {
    /// Four zero octets: the nonce of resynchronisation.
    #[must_use]
    pub fn resync() -> Self {
        Self::new(&[0; 4])
    }
}

impl Account {
    /// The account as it is in a session that resynchronises: at the server, of a claim that a [`Resync`] admits; at the
    /// client, of a session that a verified notification of this kind asked for. Use it until the session has reported
    /// new nonces.
    #[must_use]
    pub fn resynchronising(&self) -> Self {
        Self { nonce: Nonce::resync(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leave_is_for_one_session_in_any_letters_and_ends() {
        let resync = Resync::arm("AB".into(), Tick(100), Millis(50));
        assert!(resync.admits(&"ab".into(), Tick(149)));
        assert!(!resync.admits(&"AB".into(), Tick(150)));
        assert!(!resync.admits(&"AC".into(), Tick(100)));
    }

    #[test]
    fn vector_a6_is_what_a_resynchronising_account_shows() {
        use crate::auth::{Scheme, SignRequest};
        let account = Account::new("device-001", "s3cr3t-pass", Scheme::Md5).resynchronising();
        let request = SignRequest { peer: "s".into(), scheme: Scheme::Md5, nonce: None, body: None };
        assert_eq!(account.sign(&request).data, "6Zu8JwiZ2tU7QOrFFnGjFA==");
    }
}
