//! How long an account is closed after wrong credentials.

use core_kit::{Millis, Tick};
use serde::{Deserialize, Serialize};

use super::{Claim, Verdict};
use crate::{ids::SessionId, server::Report};

/// When and for how long an account is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockoutLimits {
    /// Wrong credentials in a row that cost nothing but another try. A device whose nonce is stale shows one such before
    /// every session, so less than 2 would close accounts of honest devices.
    pub free: u32,
    /// How long the account is closed after the next one; doubles with every further one.
    pub first: Millis,
    /// The longest that it is closed.
    pub longest: Millis,
    /// How long after the last wrong credentials all of them are forgotten.
    pub forget: Millis,
}

impl LockoutLimits {
    /// Five for free, then 30 s and twice as long each time up to an hour; forgotten after a day.
    pub const DEFAULT: Self = Self {
        free: 5,
        first: Millis::from_secs(30),
        longest: Millis::from_secs(60 * 60),
        forget: Millis::from_secs(24 * 60 * 60),
    };
}

impl Default for LockoutLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The wrong credentials that one account was claimed with. Whoever judges claims keeps one with each account, hands it
/// every report of a session of that account, and asks it before judging.
///
/// It closes the account for everybody, the honest device included: that is its price. Throttling by address as well
/// keeps strangers from using it against devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lockout {
    failures: u32,
    last: Tick,
    /// The session of the last wrong credentials, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
}

impl Lockout {
    /// Counts wrong credentials.
    pub fn failed(&mut self, limits: &LockoutLimits, now: Tick) {
        if self.is_forgotten(limits, now) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.last = self.last.max(now);
    }

    /// Forgets everything: the account's holder has shown up.
    pub fn proved(&mut self) {
        *self = Self::default();
    }

    /// Counts what a server session of the account reports.
    pub fn hear(&mut self, report: &Report, limits: &LockoutLimits, now: Tick) {
        match report {
            Report::AuthenticationFailed { .. } => self.failed(limits, now),
            Report::Authenticated { .. } => self.proved(),
            _ => {}
        }
    }

    /// The same of a session by its name, for [`verdict_on`](Self::verdict_on).
    pub fn hear_in(&mut self, session: &SessionId, report: &Report, limits: &LockoutLimits, now: Tick) {
        self.hear(report, limits, now);
        if matches!(report, Report::AuthenticationFailed { .. }) {
            self.session = Some(session.clone());
        }
    }

    /// How long the account is still closed; nothing while it is open.
    #[must_use]
    pub fn left(&self, limits: &LockoutLimits, now: Tick) -> Option<Millis> {
        let beyond = self.failures.checked_sub(limits.free)?.checked_sub(1)?;
        if self.is_forgotten(limits, now) {
            return None;
        }
        let factor = 1u64.checked_shl(beyond).unwrap_or(u64::MAX);
        let span = limits.longest.min(Millis(limits.first.0.saturating_mul(factor)));
        let left = (self.last + span).0.checked_sub(now.0)?;
        (left > 0).then_some(Millis(left))
    }

    /// The verdict on every claim while the account is closed; nothing while it is open.
    #[must_use]
    pub fn verdict(&self, limits: &LockoutLimits, now: Tick) -> Option<Verdict> {
        self.left(limits, now).map(|_| Verdict::LockedOut)
    }

    /// How long this claim has to wait; nothing while the account is open, and for the answer to a challenge of the
    /// session whose wrong credentials came last.
    ///
    /// A device whose nonce is stale shows wrong credentials before every session. If these close the account, and its
    /// answer to the challenge finds it closed, it never gets a new nonce, and whoever guesses a few times keeps it out
    /// for as long as it goes on trying. So that one answer is judged: it costs a closed account no more than one further
    /// try, which closes it for longer.
    #[must_use]
    pub fn left_for(&self, claim: &Claim, limits: &LockoutLimits, now: Tick) -> Option<Millis> {
        let answers = claim.nonce.is_some() && self.session.as_ref() == Some(&claim.session);
        self.left(limits, now).filter(|_| !answers)
    }

    /// The verdict on a claim that [has to wait](Self::left_for).
    #[must_use]
    pub fn verdict_on(&self, claim: &Claim, limits: &LockoutLimits, now: Tick) -> Option<Verdict> {
        self.left_for(claim, limits, now).map(|_| Verdict::LockedOut)
    }

    fn is_forgotten(&self, limits: &LockoutLimits, now: Tick) -> bool {
        now.0.saturating_sub(self.last.0) >= limits.forget.0
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const LIMITS: LockoutLimits =
        LockoutLimits { free: 2, first: Millis(100), longest: Millis(1_000), forget: Millis(5_000) };

    #[test]
    fn an_account_closes_for_twice_as_long_each_time_up_to_a_limit_and_opens_again() {
        let (mut lockout, mut now) = (Lockout::default(), Tick(10));
        let mut closed = Vec::new();
        for _ in 0..8 {
            lockout.failed(&LIMITS, now);
            let left = lockout.left(&LIMITS, now);
            closed.push(left.map_or(0, |left| left.0));
            now = now + left.unwrap_or_default();
            assert_eq!(lockout.left(&LIMITS, now), None, "open when the time is over");
        }
        assert_eq!(closed, [0, 0, 100, 200, 400, 800, 1_000, 1_000]);
    }

    #[test]
    fn a_proof_or_a_long_silence_forgets_everything() {
        let mut lockout = Lockout::default();
        for _ in 0..4 {
            lockout.failed(&LIMITS, Tick(0));
        }
        assert_eq!(lockout.verdict(&LIMITS, Tick(1)), Some(Verdict::LockedOut));
        let mut proved = lockout.clone();
        proved.hear(&Report::Authenticated { user: None, scheme: None }, &LIMITS, Tick(1));
        assert_eq!((proved.verdict(&LIMITS, Tick(1)), proved), (None, Lockout::default()));
        lockout.hear(&Report::AuthenticationFailed { scheme: None }, &LIMITS, Tick(5_000));
        assert_eq!(lockout.left(&LIMITS, Tick(5_000)), None, "the first of a new row");
    }

    #[test]
    fn numbers_without_end_do_not_overflow_and_time_that_runs_back_does_not_open() {
        let mut lockout = Lockout { failures: u32::MAX - 1, last: Tick(u64::MAX - 1), session: None };
        lockout.failed(&LIMITS, Tick(u64::MAX - 1));
        lockout.failed(&LIMITS, Tick(3));
        assert_eq!(lockout.failures, u32::MAX);
        assert!(lockout.left(&LIMITS, Tick(3)).is_some());
    }

    #[test]
    fn the_session_whose_stale_nonce_closed_the_account_may_answer_its_challenge() {
        use crate::auth::{Nonce, Presented};
        let mut lockout = Lockout::default();
        let wrong = Report::AuthenticationFailed { scheme: None };
        for _ in 0..3 {
            lockout.hear_in(&"1".into(), &wrong, &LIMITS, Tick(0));
        }
        let claim = |session: &str, nonce: Option<Nonce>| Claim {
            peer: "IMEI:1".into(),
            session: session.into(),
            presented: Presented::Nothing,
            nonce,
            transport: None,
        };
        let (given, closed) = (|| Some(Nonce::new(b"of this session")), Some(Verdict::LockedOut));
        assert_eq!(lockout.verdict_on(&claim("1", given()), &LIMITS, Tick(1)), None);
        assert_eq!(lockout.verdict_on(&claim("1", None), &LIMITS, Tick(1)), closed, "a new beginning");
        assert_eq!(lockout.verdict_on(&claim("2", given()), &LIMITS, Tick(1)), closed, "challenged before it closed");
    }

    #[cfg(feature = "std")]
    #[test]
    fn it_is_stored_with_the_account() {
        let mut lockout = Lockout::default();
        lockout.failed(&LIMITS, Tick(7));
        let text = serde_json::to_string(&lockout).unwrap();
        assert_eq!(text, r#"{"failures":1,"last":7}"#);
        assert_eq!(serde_json::from_str::<Lockout>(&text).unwrap(), lockout);
    }
}
