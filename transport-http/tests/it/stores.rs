//! The store suite, on the store in memory and on stores that break a rule.

use async_trait::async_trait;
use core_kit::Tick;
use dm_core::server::{SessionKey, Snapshot};
use transport_http::dm::{
    memory::Memory,
    store::{Commit, Committed, Store, Unavailable},
    testkit::{self, Broken},
};

#[tokio::test]
async fn the_store_in_memory_passes_the_suite() {
    testkit::check_store(async || Memory::new()).await.unwrap();
    testkit::check_takings(async || Memory::new()).await.unwrap();
}

/// A rule that a store breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    None,
    ForgetsCommits,
    MixesSessionsOfADevice,
    IgnoresTheRevision,
    KeepsDeadlineOfLostCommit,
    WakesInAnyOrder,
    WakesTooMany,
    WakesTooEarly,
    WakesTooLate,
    PurgesLiveSessions,
    PurgesNothing,
    PurgesTooEarly,
    DoesNotAbandon,
}

struct Buggy(Memory, Bug);

impl Buggy {
    fn key(&self, key: &SessionKey) -> SessionKey {
        match self.1 {
            Bug::MixesSessionsOfADevice => SessionKey { session: "1".into(), ..key.clone() },
            _ => key.clone(),
        }
    }
}

#[async_trait]
impl Store for Buggy {
    async fn load(&self, key: &SessionKey) -> Result<Option<Snapshot>, Unavailable> {
        self.0.load(&self.key(key)).await
    }

    async fn commit(&self, key: &SessionKey, expected: u64, mut commit: Commit) -> Result<Committed, Unavailable> {
        match self.1 {
            Bug::ForgetsCommits => return Ok(Committed::Done),
            Bug::PurgesLiveSessions => commit.ended = true,
            Bug::PurgesNothing => commit.ended = false,
            Bug::WakesTooLate => commit.deadline = commit.deadline.map(|deadline| Tick(deadline.0 + 1)),
            _ => {}
        }
        let done = self.0.commit(&self.key(key), expected, commit.clone()).await?;
        if done == Committed::Done || !matches!(self.1, Bug::IgnoresTheRevision | Bug::KeepsDeadlineOfLostCommit) {
            return Ok(done);
        }
        // Whatever the stored revision is, write over it.
        let stored = self.0.load(key).await?;
        for revision in 0..10 {
            let mut over = commit.clone();
            if let (Bug::KeepsDeadlineOfLostCommit, Some(stored)) = (self.1, stored.clone()) {
                (over.snapshot, over.revision, over.ended) = (stored, revision, false);
            }
            if self.0.commit(key, revision, over).await? == Committed::Done {
                break;
            }
        }
        Ok(if self.1 == Bug::IgnoresTheRevision { Committed::Done } else { Committed::Lost })
    }

    async fn due(&self, now: Tick, max: usize) -> Result<Vec<SessionKey>, Unavailable> {
        match self.1 {
            Bug::WakesTooMany => self.0.due(now, max + 1).await,
            Bug::WakesTooEarly => self.0.due(Tick(now.0.saturating_add(1)), max).await,
            Bug::WakesInAnyOrder => self.0.due(now, max).await.map(|mut due| {
                due.reverse();
                due
            }),
            _ => self.0.due(now, max).await,
        }
    }

    async fn purge(&self, before: Tick) -> Result<u64, Unavailable> {
        let early = u64::from(self.1 == Bug::PurgesTooEarly);
        self.0.purge(Tick(before.0.saturating_add(early))).await
    }

    async fn abandon(&self, key: &SessionKey) -> Result<(), Unavailable> {
        match self.1 {
            Bug::DoesNotAbandon => Ok(()),
            _ => self.0.abandon(&self.key(key)).await,
        }
    }
}

#[tokio::test]
async fn the_suite_finds_every_broken_rule() {
    testkit::check_store(async || Buggy(Memory::new(), Bug::None)).await.unwrap();
    for (bug, rule) in [
        (Bug::ForgetsCommits, "what is committed is loaded"),
        (Bug::MixesSessionsOfADevice, "a commit touches its own session only"),
        (Bug::IgnoresTheRevision, "a commit of another revision than the stored one is lost"),
        (Bug::KeepsDeadlineOfLostCommit, "a lost commit sets no deadline"),
        (Bug::WakesInAnyOrder, "what is due comes in the order of deadlines, the last one included"),
        (Bug::WakesTooMany, "no more is due than was asked for"),
        (Bug::WakesTooEarly, "nothing is due before its deadline"),
        (Bug::WakesTooLate, "what is due comes in the order of deadlines, the last one included"),
        (Bug::PurgesLiveSessions, "a lost commit ends no session, and a live one is not purged"),
        (Bug::PurgesNothing, "what ended before the bound is purged, and counted"),
        (Bug::PurgesTooEarly, "nothing is purged that ended at the bound or later"),
        (Bug::DoesNotAbandon, "an abandoned session is gone"),
    ] {
        match testkit::check_store(async || Buggy(Memory::new(), bug)).await {
            Err(Broken::Rule(found)) => assert_eq!(found, rule, "{bug:?}"),
            other => panic!("{bug:?}: {other:?}"),
        }
    }
}
