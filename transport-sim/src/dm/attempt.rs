//! One message, or one wake-up, taken through a session and not yet stored.

use core_kit::{
    Durable, Env, Tick,
    journal::{self, JournalOf},
};
use dm_core::{
    auth::{Claim, Presented, Scope, Verdict},
    codes::StatusCode,
    ids::SessionId,
    server::{Facts, Input, Misuse, Order, Profile, Question, RestoreError, Session, SessionKey, Snapshot, Turn},
    session::Outcome,
};

use super::backend::{Backend, StoredDevice};

/// What a turn came to, and what must still be true in the store for it to count.
pub(super) struct Attempt {
    pub(super) key: SessionKey,
    /// The revision of the session that it ran on.
    pub(super) loaded: u64,
    pub(super) session: After,
    /// What it read of the device, where it read anything.
    pub(super) device: Option<Read>,
    pub(super) facts: Facts,
    /// When it was begun.
    pub(super) now: Tick,
    /// Whether there is anything to store.
    pub(super) counts: bool,
}

/// The session as it is to be stored.
pub(super) struct After {
    pub(super) snapshot: Snapshot,
    pub(super) revision: u64,
    pub(super) deadline: Option<Tick>,
    pub(super) outcome: Option<Outcome>,
}

/// What a turn learnt of a device.
pub(super) struct Read {
    pub(super) revision: u64,
    pub(super) claimed: Claimed,
}

/// What a turn takes from a device's queue.
pub(super) enum Claimed {
    Nothing,
    /// The first package.
    Orders(Vec<Order>),
}

/// Why a turn could not be run: a mistake of the simulator or of the machine.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttemptError {
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Misuse(#[from] Misuse),
    #[error("the snapshot cannot be written or read: {0}")]
    Octets(#[from] serde_json::Error),
}

impl Attempt {
    /// Runs one input on what the store holds now. Answers to the session's questions are read from the store and
    /// change nothing in it. Where the cache is missed, the snapshot comes as octets.
    pub(super) fn run(
        backend: &Backend,
        env: &Env,
        key: SessionKey,
        input: Input,
        misses_cache: bool,
    ) -> Result<Self, AttemptError> {
        let now = env.now;
        let (stored, device) = backend.load(&key);
        let mut snapshot = stored.map(|row| row.value.snapshot.clone());
        if misses_cache && let Some(live) = &snapshot {
            snapshot = Some(serde_json::from_slice(&serde_json::to_vec(live)?)?);
        }
        let mut turn = Turn::begin(snapshot, &backend.profile)?;
        let mut read = None;
        let mut open = turn.step(env, input)?;
        while let Some(question) = open {
            let revision = device.map_or(0, |row| row.revision);
            let (answer, claimed) = answer(backend, device.map(|row| &row.value), question, &key.session, now);
            let read = read.get_or_insert(Read { revision, claimed: Claimed::Nothing });
            if let Claimed::Orders(_) = claimed {
                read.claimed = claimed;
            }
            open = turn.step(env, answer)?;
        }
        let (loaded, counts) = (turn.loaded(), turn.is_worth_keeping());
        let (revision, deadline) = (turn.session().revision(), turn.deadline().map(|deadline| deadline.at));
        let outcome = turn.session().outcome().cloned();
        let (snapshot, facts) = turn.finish();
        Ok(Self {
            key,
            loaded,
            session: After { snapshot, revision, deadline, outcome },
            device: read,
            facts,
            now,
            counts,
        })
    }
}

/// The journal of a session that nobody has heard of yet.
pub(super) fn new_journal(profile: &Profile) -> JournalOf<Session> {
    journal::begin(&Session::new(profile), profile.clone())
}

fn answer(
    backend: &Backend,
    device: Option<&StoredDevice>,
    question: Question,
    session: &SessionId,
    now: Tick,
) -> (Input, Claimed) {
    match (question, device) {
        (Question::Authenticate(ask), None) => {
            (ask.answer(Verdict::Refused(StatusCode::FORBIDDEN), None), Claimed::Nothing)
        }
        (Question::Authenticate(ask), Some(device)) => {
            let verdict = judge(backend, device, &ask.claim, now);
            (ask.answer(verdict, Some(device.own.scheme)), Claimed::Nothing)
        }
        (Question::Commands(ask), _) if backend.one_package_each && ask.taken > 0 => {
            (ask.answer(Vec::new()), Claimed::Nothing)
        }
        (Question::Commands(ask), Some(device)) if core_kit::planted!("D48-last-kept") && device.queue.len() == 1 => {
            (ask.answer(Vec::new()), Claimed::Nothing)
        }
        (Question::Commands(ask), device) => match device.and_then(|device| device.queue.front()) {
            Some(orders) => (ask.answer(orders.clone()), Claimed::Orders(orders.clone())),
            None => (ask.answer(Vec::new()), Claimed::Nothing),
        },
        (Question::Fetch(ask), _) => match backend.part_of_value(&ask.tag, ask.offset, ask.bytes) {
            Some(part) => (ask.answer(part), Claimed::Nothing),
            None => (ask.decline(), Claimed::Nothing),
        },
        (Question::Sign(ask), None) => (ask.decline(), Claimed::Nothing),
        (Question::Sign(ask), Some(device)) => {
            let admitted = device.resync.as_ref().is_some_and(|resync| resync.admits(session, now));
            let own = if admitted { &device.own.resynchronising() } else { &device.own };
            let signature = own.sign(&ask.request);
            (ask.answer(signature), Claimed::Nothing)
        }
    }
}

/// What the account says of a claim, with the leave that the server has given itself to take the nonce of
/// resynchronisation once.
fn judge(backend: &Backend, device: &StoredDevice, claim: &Claim, now: Tick) -> Verdict {
    if let Some(closed) = backend.lockout.and_then(|limits| device.lockout.verdict_on(claim, &limits, now)) {
        return closed;
    }
    let is_sealed = matches!(claim.presented, Presented::Mac { .. }) && claim.nonce.is_some();
    if core_kit::planted!("D19-seal-not-checked") && is_sealed {
        return Verdict::Accepted(Scope::Message);
    }
    if core_kit::planted!("D21-account-by-name")
        && let Some(user) = claim.presented.user()
        && let Some(named) = backend.devices().rows().find(|(_, row)| row.value.account.user == user)
        && let verdict @ Verdict::Accepted(_) = named.1.value.account.judge(claim)
    {
        return verdict;
    }
    let verdict = device.account.judge(claim);
    let admitted = device.resync.as_ref().is_some_and(|resync| resync.admits(&claim.session, now));
    let admitted = admitted || core_kit::planted!("D17-zero-always");
    if admitted && claim.nonce.is_none() && !matches!(verdict, Verdict::Accepted(_)) {
        return device.account.resynchronising().judge(claim);
    }
    verdict
}
