//! What a server node needs around the sessions: where they are kept, and who answers their questions.
//!
//! [`Store`] keeps sessions between messages; [`Backend`] answers questions and only reads. Whatever an answer uses up
//! (an order that is handed out, a nonce that has proved somebody) comes back as [`Taken`] in the [`Commit`], together
//! with the session's new state and its reports. So an embedder with a database writes everything that one message
//! changes in **one transaction**, and nothing before it:
//!
//! ```sql
//! BEGIN;
//! -- expected = 0:  INSERT INTO session .. ON CONFLICT DO NOTHING
//! UPDATE session SET snapshot = $1, revision = $2, deadline = $3, ended = $4 WHERE key = $5 AND revision = $6;
//! -- for each Taken::Order
//! UPDATE job SET session = $5 WHERE device = $7 AND tag = $8 AND session IS NULL AND outcome IS NULL;
//! -- for each Taken::Nonce
//! UPDATE account SET nonce_spent = TRUE WHERE device = $7 AND nonce = $9 AND NOT nonce_spent;
//! -- if any of these touched no row: ROLLBACK, Committed::Lost
//! -- for each report: outcomes of jobs, new nonces (nonce_spent = FALSE), device information
//! COMMIT;
//! ```
//!
//! One type that implements both traits is passed as `Arc` for both. [`memory`](crate::dm::memory) is such a type, and
//! [`testkit`](crate::dm::testkit) tests others.

use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use core_kit::{Body, Tick};
use dm_core::{
    auth::{Account, Claim, Nonce, Scheme, Signature, Verdict},
    ids::JobTag,
    server::{Authenticate, Facts, Fetch, NextCommands, Order, SessionKey, Sign, Snapshot},
};

/// The store or what is behind it cannot be reached, or does not answer in time. The client gets 503 and comes again.
///
/// The text goes to the log: keep payloads and secrets out of it.
#[derive(Debug, thiserror::Error)]
#[error("unavailable: {0}")]
pub struct Unavailable(#[from] pub Box<dyn Error + Send + Sync>);

/// Where sessions are kept between messages. Nodes of one server share it and nothing else.
#[async_trait]
pub trait Store: Send + Sync {
    /// The session as the last commit left it; nothing for a session that is not kept.
    ///
    /// # Errors
    /// The store cannot be reached.
    async fn load(&self, key: &SessionKey) -> Result<Option<Snapshot>, Unavailable>;

    /// Keeps all of `commit`, or nothing of it.
    ///
    /// `expected` is the revision that must still be the stored one; 0 says that there must be no session of this key.
    /// All that is [`taken`](Commit::taken) must still be there. Takings are applied first, then reports in order: an
    /// order may be taken and given back in one commit.
    ///
    /// # Errors
    /// The store cannot be reached, and it is not known whether the commit is kept. That does no harm: the client's
    /// message comes again, and gets the stored reply if there is one.
    async fn commit(&self, key: &SessionKey, expected: u64, commit: Commit) -> Result<Committed, Unavailable>;

    /// The sessions whose deadline is `now` or earlier, the earliest first, at most `max`.
    ///
    /// # Errors
    /// The store cannot be reached.
    async fn due(&self, now: Tick, max: usize) -> Result<Vec<SessionKey>, Unavailable>;

    /// Forgets the sessions that are over and were committed last before `before`; how many.
    ///
    /// # Errors
    /// The store cannot be reached.
    async fn purge(&self, before: Tick) -> Result<u64, Unavailable>;

    /// Forgets a session whose snapshot cannot be read any more. What was handed to it has an unknown outcome. Does
    /// nothing if there is no such session.
    ///
    /// # Errors
    /// The store cannot be reached.
    async fn abandon(&self, key: &SessionKey) -> Result<(), Unavailable>;
}

/// Everything that one turn of a session changes.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The session.
    pub snapshot: Snapshot,
    /// Its revision, larger than the one loaded.
    pub revision: u64,
    /// When the turn was made; on the timeline of [`deadline`](Self::deadline).
    pub at: Tick,
    /// When [`Store::due`] shall name it; nothing for never.
    pub deadline: Option<Tick>,
    /// Whether it is over. It is kept for [`retention_ms`](crate::Limits::retention_ms) all the same: its last reply may
    /// be asked for again.
    pub ended: bool,
    /// What the answers of this turn used up.
    pub taken: Vec<Taken>,
    /// What came of it: [`Facts::reports`] are to be stored; the rest is for those who want it.
    pub facts: Facts,
}

/// Something that can be had once, and that an answer has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The order was handed to the session: no other session gets it, until a report gives it back.
    Order(JobTag),
    /// The nonce kept with the device's account has proved the device: it proves nobody again.
    Nonce(Nonce),
}

/// Whether a commit was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Committed {
    /// All of it.
    Done,
    /// Nothing: somebody else was first. Load and run again.
    Lost,
}

/// Who answers the questions of sessions. Answers read; what they use up is written by [`Store::commit`].
#[async_trait]
pub trait Backend: Send + Sync {
    /// Judges what a device claims to be.
    ///
    /// An unknown device must be answered as a known one is that shows the wrong thing: with a challenge.
    ///
    /// # Errors
    /// The backend cannot be reached.
    async fn authenticate(&self, question: &Authenticate) -> Result<Judgement, Unavailable>;

    /// The next orders for a device that no session has; none to end the session.
    ///
    /// # Errors
    /// The backend cannot be reached.
    async fn commands(&self, question: &NextCommands) -> Result<Vec<Order>, Unavailable>;

    /// The server's own credentials for a device; nothing if it has none.
    ///
    /// # Errors
    /// The backend cannot be reached.
    async fn sign(&self, question: &Sign) -> Result<Option<Signature>, Unavailable>;

    /// Hears of a message that was answered and left no session to store: it was refused at once. So no commit brings its
    /// reports, [`AuthenticationFailed`](dm_core::server::Report::AuthenticationFailed) among them. Does nothing unless
    /// it is implemented.
    ///
    /// # Errors
    /// The backend cannot be reached.
    async fn unstored(&self, _key: &SessionKey, _facts: &Facts) -> Result<(), Unavailable> {
        Ok(())
    }

    /// Octets of a value that was left out of its order; nothing if they are not to be had. Only a backend whose orders
    /// have [`Content::in_parts`](dm_core::tree::Content::in_parts) is asked.
    ///
    /// # Errors
    /// The backend cannot be reached.
    async fn fetch(&self, question: &Fetch) -> Result<Option<Body>, Unavailable> {
        let _ = question;
        Ok(None)
    }
}

/// What a backend thinks of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it is believed.
    pub verdict: Verdict,
    /// How the server proves itself to this device in turn; nothing where the transport does.
    pub prove: Option<Scheme>,
    /// The stored nonce, if it was what proved the device.
    pub spent: Option<Nonce>,
}

impl Judgement {
    /// What follows from the device's account, and from the server's own account with the device.
    #[must_use]
    pub fn by(device: &Account, server: Option<&Account>, claim: &Claim) -> Self {
        let verdict = device.judge(claim);
        // A nonce that this session issued dies with it; the stored one is shared by all sessions of the device.
        let stored = claim.nonce.is_none() && claim.presented.scheme().is_some_and(Scheme::needs_nonce);
        let spent = (stored && matches!(verdict, Verdict::Accepted(_))).then(|| device.nonce.clone());
        Self { verdict, prove: server.map(|account| account.scheme), spent }
    }
}

#[async_trait]
impl<T: Store + ?Sized> Store for Arc<T> {
    async fn load(&self, key: &SessionKey) -> Result<Option<Snapshot>, Unavailable> {
        (**self).load(key).await
    }

    async fn commit(&self, key: &SessionKey, expected: u64, commit: Commit) -> Result<Committed, Unavailable> {
        (**self).commit(key, expected, commit).await
    }

    async fn due(&self, now: Tick, max: usize) -> Result<Vec<SessionKey>, Unavailable> {
        (**self).due(now, max).await
    }

    async fn purge(&self, before: Tick) -> Result<u64, Unavailable> {
        (**self).purge(before).await
    }

    async fn abandon(&self, key: &SessionKey) -> Result<(), Unavailable> {
        (**self).abandon(key).await
    }
}

#[async_trait]
impl<T: Backend + ?Sized> Backend for Arc<T> {
    async fn authenticate(&self, question: &Authenticate) -> Result<Judgement, Unavailable> {
        (**self).authenticate(question).await
    }

    async fn commands(&self, question: &NextCommands) -> Result<Vec<Order>, Unavailable> {
        (**self).commands(question).await
    }

    async fn sign(&self, question: &Sign) -> Result<Option<Signature>, Unavailable> {
        (**self).sign(question).await
    }

    async fn unstored(&self, key: &SessionKey, facts: &Facts) -> Result<(), Unavailable> {
        (**self).unstored(key, facts).await
    }

    async fn fetch(&self, question: &Fetch) -> Result<Option<Body>, Unavailable> {
        (**self).fetch(question).await
    }
}

#[cfg(test)]
mod tests {
    use dm_core::auth::{Presented, SignRequest, digest};

    use super::*;

    fn shown(account: &Account, nonce: Option<&Nonce>) -> Presented {
        let request = SignRequest { peer: "s".into(), scheme: Scheme::Md5, nonce: nonce.cloned(), body: None };
        let digest = digest::Digest::from_base64(&account.sign(&request).data).unwrap();
        Presented::Md5 { user: Some(account.user.clone()), digest }
    }

    #[test]
    fn only_the_stored_nonce_is_spent_and_only_by_a_proof() {
        let mut account = Account::new("Bruce2", "OhBehave", Scheme::Md5);
        account.nonce = Nonce::new(b"stored");
        let issued = Nonce::new(b"issued in the session");
        let judge = |presented, nonce| {
            let claim = Claim { peer: "IMEI:1".into(), session: "1".into(), presented, nonce, transport: None };
            Judgement::by(&account, None, &claim)
        };
        assert_eq!(judge(shown(&account, None), None).spent, Some(account.nonce.clone()));
        assert_eq!(judge(shown(&account, Some(&issued)), Some(issued.clone())).spent, None);
        assert_eq!(judge(shown(&account, Some(&issued)), None).spent, None, "wrong digest");
        assert_eq!(judge(Presented::Nothing, None).spent, None);
    }
}
