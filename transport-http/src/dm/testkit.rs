//! What a [`Store`] must do, as tests that any implementation can be run through.
//!
//! ```
//! use transport_http::dm::{memory::Memory, testkit};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! testkit::check_store(async || Memory::new()).await.unwrap();
//! # }
//! ```

use std::sync::Arc;

use async_trait::async_trait;
use core_kit::{Durable, Env, Machine, Tick, UnixMillis};
use dm_core::{
    auth::Nonce,
    ids::{DeviceId, JobTag, QuestionId},
    server::{Facts, Input, NextCommands, Order, Profile, Report, Request, Session, SessionKey, Snapshot},
    session::Reason,
};
use tokio::task::JoinSet;

use crate::dm::store::{Backend, Commit, Committed, Store, Taken, Unavailable};

/// What a store did wrong.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// It breaks this rule.
    #[error("not so: {0}")]
    Rule(&'static str),
    /// It could not be reached in the middle of the test.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A store that answers questions too, and that orders and accounts can be put into.
#[async_trait]
pub trait Subject: Store + Backend {
    /// Makes the device known, with an account whose stored nonce is `nonce` and was not used.
    async fn enrol(&self, device: &DeviceId, nonce: &Nonce);

    /// Puts an order at the end of the device's queue.
    async fn enqueue(&self, device: &DeviceId, order: Order);
}

/// Runs every rule of [`Store`] that says nothing of orders and nonces; `fresh` gives an empty store each time.
///
/// # Errors
/// The first rule that is broken.
pub async fn check_store<S: Store + 'static>(fresh: impl AsyncFn() -> S) -> Result<(), Broken> {
    what_is_committed_is_loaded(&fresh().await).await?;
    a_lost_commit_changes_nothing(&fresh().await).await?;
    one_of_many_racing_commits_is_kept(Arc::new(fresh().await)).await?;
    sessions_are_due_in_order(&fresh().await).await?;
    ended_sessions_are_kept_and_then_purged(&fresh().await).await?;
    an_abandoned_session_is_gone(&fresh().await).await
}

/// Runs the rules of [`Commit::taken`]; `fresh` gives an empty subject each time.
///
/// # Errors
/// The first rule that is broken.
pub async fn check_takings<S: Subject>(fresh: impl AsyncFn() -> S) -> Result<(), Broken> {
    an_order_goes_to_one_session(&fresh().await).await?;
    an_order_that_was_not_sent_comes_again(&fresh().await).await?;
    orders_of_an_abandoned_session_do_not_come_again(&fresh().await).await?;
    a_nonce_proves_once(&fresh().await).await
}

fn key(device: &str, session: &str) -> SessionKey {
    SessionKey { device: device.into(), session: session.into() }
}

/// A commit whose snapshot is different for different `mark`s.
fn commit(mark: u32, revision: u64) -> Commit {
    let profile = Profile::new(format!("http://server/{mark}"));
    let mut session = Session::new(&profile);
    let env = Env { now: Tick(u64::from(mark)), wall: UnixMillis(0), entropy: [0; 32] };
    // Refused or not, what counts is a snapshot; ended sessions hold how they ended.
    if mark % 2 == 1 {
        session.handle(&env, Input::Abort(Reason::Requested), &mut Vec::new()).unwrap_or_default();
    }
    Commit {
        snapshot: session.snapshot(),
        revision,
        at: Tick(1_000),
        deadline: None,
        ended: false,
        taken: Vec::new(),
        facts: Facts::default(),
    }
}

fn rule(holds: bool, rule: &'static str) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken::Rule(rule)) }
}

async fn holds(store: &impl Store, key: &SessionKey, snapshot: &Snapshot) -> Result<bool, Broken> {
    Ok(store.load(key).await?.as_ref() == Some(snapshot))
}

async fn keep(store: &impl Store, key: &SessionKey, expected: u64, commit: Commit) -> Result<(), Broken> {
    rule(store.commit(key, expected, commit).await? == Committed::Done, "a commit with the stored revision is kept")
}

async fn what_is_committed_is_loaded(store: &impl Store) -> Result<(), Broken> {
    let keys = [key("IMEI:1", "1"), key("IMEI:1", "2"), key("IMEI:2", "1")];
    for key in &keys {
        rule(store.load(key).await?.is_none(), "an unknown session loads as nothing")?;
    }
    let [first, ..] = &keys;
    let (old, new) = (commit(1, 3), commit(2, 7));
    keep(store, first, 0, old.clone()).await?;
    rule(holds(store, first, &old.snapshot).await?, "what is committed is loaded")?;
    keep(store, first, 3, new.clone()).await?;
    rule(holds(store, first, &new.snapshot).await?, "a later commit replaces the session")?;
    for other in keys.iter().skip(1) {
        rule(store.load(other).await?.is_none(), "a commit touches its own session only")?;
    }
    Ok(())
}

async fn a_lost_commit_changes_nothing(store: &impl Store) -> Result<(), Broken> {
    let (there, absent) = (key("IMEI:1", "1"), key("IMEI:1", "2"));
    let kept = commit(1, 5);
    keep(store, &there, 0, kept.clone()).await?;
    for expected in [0, 4, 6] {
        let late = Commit { deadline: Some(Tick(1)), ended: true, ..commit(2, 7) };
        let lost = store.commit(&there, expected, late).await? == Committed::Lost;
        rule(lost, "a commit of another revision than the stored one is lost")?;
    }
    rule(holds(store, &there, &kept.snapshot).await?, "a lost commit changes no session")?;
    rule(store.due(Tick(u64::MAX), 9).await?.is_empty(), "a lost commit sets no deadline")?;
    rule(store.purge(Tick(u64::MAX)).await? == 0, "a lost commit ends no session, and a live one is not purged")?;
    let lost = store.commit(&absent, 5, commit(2, 6)).await? == Committed::Lost;
    rule(lost && store.load(&absent).await?.is_none(), "a commit on a session that is gone is lost")
}

async fn one_of_many_racing_commits_is_kept<S: Store + 'static>(store: Arc<S>) -> Result<(), Broken> {
    let key = key("IMEI:1", "1");
    for (expected, revision) in [(0, 1), (1, 2)] {
        let mut race = JoinSet::new();
        for _ in 0..16 {
            let (store, key) = (store.clone(), key.clone());
            race.spawn(async move { store.commit(&key, expected, commit(1, revision)).await });
        }
        let mut kept = 0;
        while let Some(done) = race.join_next().await {
            let done = done.map_err(|_| Broken::Rule("a commit does not panic"))?;
            kept += u32::from(done? == Committed::Done);
        }
        rule(kept == 1, "of several commits on one revision one is kept")?;
    }
    Ok(())
}

async fn sessions_are_due_in_order(store: &impl Store) -> Result<(), Broken> {
    let named = |n: u64| key("IMEI:1", &n.to_string());
    let at = |deadline| Commit { deadline, ..commit(1, 1) };
    for deadline in [30, 10, 20, 40] {
        keep(store, &named(deadline), 0, at(Some(Tick(deadline)))).await?;
    }
    keep(store, &named(0), 0, at(None)).await?;
    rule(store.due(Tick(9), 9).await?.is_empty(), "nothing is due before its deadline")?;
    let due = store.due(Tick(30), 9).await?;
    rule(
        due == [named(10), named(20), named(30)],
        "what is due comes in the order of deadlines, the last one included",
    )?;
    rule(store.due(Tick(30), 2).await? == [named(10), named(20)], "no more is due than was asked for")?;
    let moved = Commit { deadline: Some(Tick(99)), ..commit(2, 2) };
    keep(store, &named(10), 1, moved).await?;
    rule(store.due(Tick(20), 9).await? == [named(20)], "a commit moves the deadline")?;
    keep(store, &named(20), 1, Commit { deadline: None, ..commit(2, 2) }).await?;
    rule(store.due(Tick(20), 9).await?.is_empty(), "a commit without a deadline takes it away")
}

async fn ended_sessions_are_kept_and_then_purged(store: &impl Store) -> Result<(), Broken> {
    let [over, late, live] = [key("IMEI:1", "1"), key("IMEI:1", "2"), key("IMEI:2", "1")];
    let at = |at, ended| Commit { at: Tick(at), ended, ..commit(1, 1) };
    keep(store, &over, 0, at(100, true)).await?;
    keep(store, &late, 0, at(200, true)).await?;
    keep(store, &live, 0, at(100, false)).await?;
    rule(store.purge(Tick(100)).await? == 0, "nothing is purged that ended at the bound or later")?;
    rule(store.load(&over).await?.is_some(), "a session that is over is kept until it is purged")?;
    rule(store.purge(Tick(101)).await? == 1, "what ended before the bound is purged, and counted")?;
    rule(store.load(&over).await?.is_none(), "a purged session is gone")?;
    let kept = store.load(&late).await?.is_some() && store.load(&live).await?.is_some();
    rule(kept, "neither a later session nor a live one is purged")?;
    keep(store, &over, 0, at(300, false)).await
}

async fn an_abandoned_session_is_gone(store: &impl Store) -> Result<(), Broken> {
    let [damaged, other] = [key("IMEI:1", "1"), key("IMEI:1", "2")];
    let due = Commit { deadline: Some(Tick(10)), ..commit(1, 4) };
    keep(store, &damaged, 0, due.clone()).await?;
    keep(store, &other, 0, due).await?;
    store.abandon(&damaged).await?;
    store.abandon(&damaged).await?;
    rule(store.load(&damaged).await?.is_none(), "an abandoned session is gone")?;
    rule(store.due(Tick(10), 9).await? == [other], "an abandoned session is not due, and others stay")?;
    keep(store, &damaged, 0, commit(1, 1)).await
}

fn order(tag: &str) -> Order {
    Order::new(tag, Request::Get(vec!["./DevInfo/Mod".into()]))
}

async fn queued(subject: &impl Subject, device: &DeviceId) -> Result<Vec<JobTag>, Broken> {
    let question = NextCommands { id: QuestionId(1), device: device.clone(), taken: 0 };
    Ok(subject.commands(&question).await?.into_iter().map(|order| order.tag).collect())
}

fn taking(tag: &str) -> Commit {
    Commit { taken: vec![Taken::Order(tag.into())], ..commit(1, 1) }
}

async fn with_orders(subject: &impl Subject, tags: &[&str]) -> DeviceId {
    let device = DeviceId::from("IMEI:1");
    subject.enrol(&device, &Nonce::new(b"first")).await;
    for tag in tags {
        subject.enqueue(&device, order(tag)).await;
    }
    device
}

async fn an_order_goes_to_one_session(subject: &impl Subject) -> Result<(), Broken> {
    let device = with_orders(subject, &["a", "b"]).await;
    rule(queued(subject, &device).await? == ["a".into(), "b".into()], "orders come in the order of the queue")?;
    rule(queued(subject, &device).await?.len() == 2, "asking takes nothing")?;
    let (first, second) = (key("IMEI:1", "1"), key("IMEI:1", "2"));
    keep(subject, &first, 0, taking("a")).await?;
    rule(queued(subject, &device).await? == ["b".into()], "an order that was taken does not come again")?;
    let both = Commit { taken: vec![Taken::Order("b".into()), Taken::Order("a".into())], ..commit(1, 1) };
    let lost = subject.commit(&second, 0, both).await? == Committed::Lost;
    rule(lost, "a commit is lost that takes what another session has")?;
    rule(subject.load(&second).await?.is_none(), "such a commit keeps no session")?;
    rule(queued(subject, &device).await? == ["b".into()], "such a commit takes nothing")
}

async fn an_order_that_was_not_sent_comes_again(subject: &impl Subject) -> Result<(), Broken> {
    let device = with_orders(subject, &["a", "b"]).await;
    let session = key("IMEI:1", "1");
    let back = || Facts {
        reports: vec![Report::NotSent { tag: "a".into(), fault: None }, Report::Unknown("b".into())],
        ..Facts::default()
    };
    keep(subject, &session, 0, taking("a")).await?;
    let returned = Commit { facts: back(), taken: vec![Taken::Order("b".into())], ..commit(2, 2) };
    keep(subject, &session, 1, returned).await?;
    let left = queued(subject, &device).await?;
    rule(left == ["a".into()], "an order that was not sent comes again, one that may have been carried out does not")?;
    keep(subject, &session, 2, Commit { facts: back(), ..taking("a") }).await?;
    rule(queued(subject, &device).await? == ["a".into()], "an order may be taken and given back in one commit")
}

async fn orders_of_an_abandoned_session_do_not_come_again(subject: &impl Subject) -> Result<(), Broken> {
    let device = with_orders(subject, &["a", "b"]).await;
    let session = key("IMEI:1", "1");
    keep(subject, &session, 0, taking("a")).await?;
    subject.abandon(&session).await?;
    rule(queued(subject, &device).await? == ["b".into()], "what an abandoned session had may have been carried out")
}

async fn a_nonce_proves_once(subject: &impl Subject) -> Result<(), Broken> {
    with_orders(subject, &[]).await;
    let spending = |nonce: &[u8]| Commit { taken: vec![Taken::Nonce(Nonce::new(nonce))], ..commit(1, 1) };
    let [first, second, third] = [key("IMEI:1", "1"), key("IMEI:1", "2"), key("IMEI:1", "3")];
    let stale = subject.commit(&first, 0, spending(b"zeroth")).await? == Committed::Lost;
    rule(stale, "a commit is lost that spends another nonce than the stored one")?;
    keep(subject, &first, 0, spending(b"first")).await?;
    let again = subject.commit(&second, 0, spending(b"first")).await? == Committed::Lost;
    rule(again, "a commit is lost that spends a spent nonce")?;
    let facts = Facts { reports: vec![Report::ClientNonce(Nonce::new(b"second"))], ..Facts::default() };
    keep(subject, &second, 0, Commit { facts, ..commit(1, 1) }).await?;
    keep(subject, &third, 0, spending(b"second")).await
}
