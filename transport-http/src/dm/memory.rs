//! A store and a backend in memory, for demonstrations and tests. It forgets everything when the process ends.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use core_kit::{
    Tick,
    journal::{self, JournalOf},
};
use dm_core::{
    auth::{Account, Nonce, Scheme, Signature, Verdict},
    ids::{DeviceId, JobTag, SessionId},
    server::{
        Authenticate, Done, Facts, NextCommands, Order, OrderFault, Profile, Report, Session, SessionKey, Sign,
        Snapshot,
    },
    tree::Content,
};

use crate::{
    dm::store::{Backend, Commit, Committed, Judgement, Store, Taken, Unavailable},
    dm::testkit::Subject,
};

/// Sessions that are kept at once; a commit of one more is [`Unavailable`].
pub const SESSIONS_MAX: usize = 100_000;
/// Orders that one question is answered with; the session asks again when they are done.
pub const ORDERS_MAX: usize = 64;
/// Reports that are kept for each device; older ones go.
pub const REPORTS_MAX: usize = 1_000;

/// Sessions, accounts, orders and what became of them.
#[derive(Debug)]
pub struct Memory {
    state: Mutex<State>,
    /// The nodes' profile, where journals are kept: they begin with it.
    recorded: Option<Profile>,
    /// What an unknown device is measured against, and never passes.
    nobody: Account,
}

/// Where an order is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No session has it.
    Queued,
    /// This session of its device has it.
    Handed(SessionId),
    /// The device has answered it.
    Done(Done),
    /// It was sent and the session ended before the answer: it may have been carried out.
    Unknown,
    /// It cannot be sent.
    Failed(OrderFault),
}

/// The device is not enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the device is not enrolled")]
pub struct NotEnrolled;

#[derive(Debug, Default)]
struct State {
    sessions: BTreeMap<SessionKey, Kept>,
    devices: BTreeMap<DeviceId, Device>,
    journals: BTreeMap<SessionKey, JournalOf<Session>>,
}

#[derive(Debug)]
struct Kept {
    snapshot: Snapshot,
    revision: u64,
    deadline: Option<Tick>,
    ended_at: Option<Tick>,
}

#[derive(Debug)]
struct Device {
    account: Account,
    server: Option<Account>,
    /// The nonce of `account` has proved the device once.
    nonce_spent: bool,
    jobs: Vec<Job>,
    info: BTreeMap<String, Content>,
    reports: VecDeque<(SessionId, Report)>,
}

#[derive(Debug)]
struct Job {
    order: Order,
    progress: Progress,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Mutex::default(), recorded: None, nobody: Account::new("", "", Scheme::Md5) }
    }

    /// An empty store that keeps a journal of every session, without bound. `profile` is that of the nodes.
    #[must_use]
    pub fn recording(profile: Profile) -> Self {
        Self { recorded: Some(profile), ..Self::new() }
    }

    /// Makes a device known. `account` is what the device proves itself with, `server` what this server proves itself
    /// to it with: nothing where the transport does. Orders and reports of a device that was known are kept.
    pub fn enrol(&self, device: impl Into<DeviceId>, account: Account, server: Option<Account>) {
        let mut state = self.lock();
        let known = state.devices.entry(device.into()).or_insert_with(|| Device::new(account.clone()));
        (known.account, known.server, known.nonce_spent) = (account, server, false);
    }

    /// Puts an order at the end of the device's queue. Tags must be different from each other for one device.
    ///
    /// # Errors
    /// The device is not enrolled.
    pub fn enqueue(&self, device: &DeviceId, order: Order) -> Result<(), NotEnrolled> {
        let mut state = self.lock();
        let known = state.devices.get_mut(device).ok_or(NotEnrolled)?;
        known.jobs.push(Job { order, progress: Progress::Queued });
        Ok(())
    }

    /// Where an order is.
    #[must_use]
    pub fn progress(&self, device: &DeviceId, tag: &JobTag) -> Option<Progress> {
        self.look(device, |known| Some(known.job(tag)?.progress.clone()))
    }

    /// What a device has told about itself, by address.
    #[must_use]
    pub fn device_info(&self, device: &DeviceId) -> BTreeMap<String, Content> {
        self.look(device, |known| Some(known.info.clone())).unwrap_or_default()
    }

    /// What sessions of a device have reported, the oldest first, nonces left out.
    #[must_use]
    pub fn reports(&self, device: &DeviceId) -> Vec<Report> {
        self.look(device, |known| Some(known.reports.iter().map(|(_, report)| report.clone()).collect()))
            .unwrap_or_default()
    }

    /// The journal of the latest session of this key, if journals are kept. It outlives the session.
    #[must_use]
    pub fn journal(&self, key: &SessionKey) -> Option<JournalOf<Session>> {
        self.lock().journals.get(key).cloned()
    }

    /// The sessions that are kept, those included that are over.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionKey> {
        self.lock().sessions.keys().cloned().collect()
    }

    fn look<T>(&self, device: &DeviceId, read: impl FnOnce(&Device) -> Option<T>) -> Option<T> {
        self.lock().devices.get(device).and_then(read)
    }

    /// A thread that panicked while it held the lock has left a state that is whole: nothing below panics half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether everything that `commit` builds on is still there.
    fn agrees(&self, key: &SessionKey, expected: u64, commit: &Commit) -> bool {
        let stored = self.sessions.get(key).map_or(0, |kept| kept.revision);
        let device = self.devices.get(&key.device);
        stored == expected
            && commit.taken.iter().all(|taken| match taken {
                Taken::Order(tag) => {
                    device.and_then(|device| device.job(tag)).is_some_and(|job| job.progress == Progress::Queued)
                }
                Taken::Nonce(nonce) => {
                    device.is_some_and(|device| device.account.nonce == *nonce && !device.nonce_spent)
                }
            })
    }

    fn keep(&mut self, key: &SessionKey, commit: Commit, recorded: Option<&Profile>) {
        if let Some(profile) = recorded {
            self.record(key, &commit, profile);
        }
        if let Some(device) = self.devices.get_mut(&key.device) {
            commit.taken.into_iter().for_each(|taken| device.take(taken, &key.session));
            commit.facts.reports.into_iter().for_each(|report| device.learn(report, &key.session));
        }
        let Commit { snapshot, revision, deadline, .. } = commit;
        let ended_at = commit.ended.then_some(commit.at);
        self.sessions.insert(key.clone(), Kept { snapshot, revision, deadline, ended_at });
    }

    fn record(&mut self, key: &SessionKey, commit: &Commit, profile: &Profile) {
        let fresh = || journal::begin(&Session::new(profile), profile.clone());
        let journal = self.journals.entry(key.clone()).or_insert_with(fresh);
        if !self.sessions.contains_key(key) {
            *journal = fresh();
        }
        journal.records.extend(commit.facts.records.iter().cloned());
    }
}

impl Device {
    fn new(account: Account) -> Self {
        Self {
            account,
            server: None,
            nonce_spent: false,
            jobs: Vec::new(),
            info: BTreeMap::new(),
            reports: VecDeque::new(),
        }
    }

    fn job(&self, tag: &JobTag) -> Option<&Job> {
        self.jobs.iter().find(|job| job.order.tag == *tag)
    }

    fn set(&mut self, tag: &JobTag, progress: Progress) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.order.tag == *tag) {
            job.progress = progress;
        }
    }

    fn take(&mut self, taken: Taken, session: &SessionId) {
        match taken {
            Taken::Order(tag) => self.set(&tag, Progress::Handed(session.clone())),
            Taken::Nonce(_) => self.nonce_spent = true,
        }
    }

    fn learn(&mut self, report: Report, session: &SessionId) {
        match &report {
            Report::ClientNonce(nonce) => return self.renew(nonce.clone()),
            Report::ServerNonce(nonce) => {
                if let Some(server) = &mut self.server {
                    server.nonce = nonce.clone();
                }
                return;
            }
            Report::Done(done) => self.set(&done.tag, Progress::Done(done.clone())),
            Report::Unknown(tag) => self.set(tag, Progress::Unknown),
            Report::NotSent { tag, fault: None } => self.set(tag, Progress::Queued),
            Report::NotSent { tag, fault: Some(fault) } => self.set(tag, Progress::Failed(*fault)),
            Report::DevInfo(found) => {
                self.info.extend(found.iter().map(|found| (found.uri.to_string(), found.content.clone())));
            }
            _ => {}
        }
        self.reports.push_back((session.clone(), report));
        if self.reports.len() > REPORTS_MAX {
            self.reports.pop_front();
        }
    }

    fn renew(&mut self, nonce: Nonce) {
        self.account.nonce = nonce;
        self.nonce_spent = false;
    }
}

#[async_trait]
impl Store for Memory {
    async fn load(&self, key: &SessionKey) -> Result<Option<Snapshot>, Unavailable> {
        Ok(self.lock().sessions.get(key).map(|kept| kept.snapshot.clone()))
    }

    async fn commit(&self, key: &SessionKey, expected: u64, commit: Commit) -> Result<Committed, Unavailable> {
        let mut state = self.lock();
        if !state.agrees(key, expected, &commit) {
            return Ok(Committed::Lost);
        }
        if expected == 0 && state.sessions.len() >= SESSIONS_MAX {
            return Err(Unavailable("as many sessions as may be".into()));
        }
        state.keep(key, commit, self.recorded.as_ref());
        Ok(Committed::Done)
    }

    async fn due(&self, now: Tick, max: usize) -> Result<Vec<SessionKey>, Unavailable> {
        let state = self.lock();
        let mut due: Vec<_> = state
            .sessions
            .iter()
            .filter_map(|(key, kept)| Some((kept.deadline.filter(|deadline| *deadline <= now)?, key)))
            .collect();
        due.sort();
        Ok(due.into_iter().take(max).map(|(_, key)| key.clone()).collect())
    }

    async fn purge(&self, before: Tick) -> Result<u64, Unavailable> {
        let mut state = self.lock();
        let kept = state.sessions.len();
        state.sessions.retain(|_, kept| kept.ended_at.is_none_or(|ended_at| ended_at >= before));
        Ok((kept - state.sessions.len()) as u64)
    }

    async fn abandon(&self, key: &SessionKey) -> Result<(), Unavailable> {
        let mut state = self.lock();
        if state.sessions.remove(key).is_some()
            && let Some(device) = state.devices.get_mut(&key.device)
        {
            let handed = device.jobs.iter_mut().filter(|job| job.progress == Progress::Handed(key.session.clone()));
            handed.for_each(|job| job.progress = Progress::Unknown);
        }
        Ok(())
    }
}

#[async_trait]
impl Backend for Memory {
    async fn authenticate(&self, question: &Authenticate) -> Result<Judgement, Unavailable> {
        let claim = &question.claim;
        let state = self.lock();
        let Some(device) = state.devices.get(&DeviceId::from(claim.peer.as_str())) else {
            // The same work and the same answer as for a known device that shows the wrong thing.
            let judgement = Judgement::by(&self.nobody, None, claim);
            let verdict = match judgement.verdict {
                Verdict::Accepted(_) => Verdict::Challenge { scheme: self.nobody.scheme, nonce: None },
                wrong => wrong,
            };
            return Ok(Judgement { verdict, spent: None, ..judgement });
        };
        let judgement = Judgement::by(&device.account, device.server.as_ref(), claim);
        if judgement.spent.is_some() && device.nonce_spent {
            let challenge = Verdict::Challenge { scheme: device.account.scheme, nonce: None };
            return Ok(Judgement { verdict: challenge, spent: None, ..judgement });
        }
        Ok(judgement)
    }

    async fn commands(&self, question: &NextCommands) -> Result<Vec<Order>, Unavailable> {
        let queued = |known: &Device| {
            let queued = known.jobs.iter().filter(|job| job.progress == Progress::Queued);
            Some(queued.take(ORDERS_MAX).map(|job| job.order.clone()).collect())
        };
        Ok(self.look(&question.device, queued).unwrap_or_default())
    }

    async fn sign(&self, question: &Sign) -> Result<Option<Signature>, Unavailable> {
        let device = DeviceId::from(question.request.peer.as_str());
        Ok(self.look(&device, |known| Some(known.server.as_ref()?.sign(&question.request))))
    }

    async fn unstored(&self, key: &SessionKey, facts: &Facts) -> Result<(), Unavailable> {
        if let Some(device) = self.lock().devices.get_mut(&key.device) {
            facts.reports.iter().for_each(|report| device.learn(report.clone(), &key.session));
        }
        Ok(())
    }
}

#[async_trait]
impl Subject for Memory {
    async fn enrol(&self, device: &DeviceId, nonce: &Nonce) {
        let account = Account { nonce: nonce.clone(), ..Account::new("user", "password", Scheme::Md5) };
        Self::enrol(self, device.clone(), account, None);
    }

    async fn enqueue(&self, device: &DeviceId, order: Order) {
        // A device that is not enrolled has no queue: its orders do not come, which is what the suite looks at.
        Self::enqueue(self, device, order).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use dm_core::{
        auth::{Claim, Presented, SignRequest, digest::Digest},
        ids::QuestionId,
        server::Request,
    };

    use super::*;

    fn enrolled() -> (Memory, DeviceId, Account) {
        let (memory, device) = (Memory::new(), DeviceId::from("IMEI:1"));
        let account = Account { nonce: Nonce::new(b"first"), ..Account::new("Bruce2", "OhBehave", Scheme::Md5) };
        memory.enrol(device.clone(), account.clone(), None);
        (memory, device, account)
    }

    fn authenticate(peer: &str, account: &Account) -> Authenticate {
        let request = SignRequest { peer: "s".into(), scheme: Scheme::Md5, nonce: None, body: None };
        let digest = Digest::from_base64(&account.sign(&request).data).unwrap();
        let presented = Presented::Md5 { user: None, digest };
        let claim = Claim { peer: peer.into(), session: "1".into(), presented, nonce: None, transport: None };
        Authenticate { id: QuestionId(1), claim }
    }

    #[tokio::test]
    async fn an_unknown_device_is_answered_as_a_known_one_with_the_wrong_password() {
        let (memory, _, account) = enrolled();
        let wrong = Account { password: "no".into(), ..account };
        let known = memory.authenticate(&authenticate("IMEI:1", &wrong)).await.unwrap();
        assert_eq!(memory.authenticate(&authenticate("IMEI:2", &wrong)).await.unwrap(), known);
        // Not even who guesses what strangers are measured against gets in.
        let judgement = memory.authenticate(&authenticate("IMEI:2", &memory.nobody)).await.unwrap();
        assert_eq!(judgement, known);
    }

    #[tokio::test]
    async fn a_nonce_that_was_spent_proves_nobody_until_there_is_a_new_one() {
        let (memory, device, account) = enrolled();
        let question = authenticate("IMEI:1", &account);
        let judgement = memory.authenticate(&question).await.unwrap();
        assert_eq!(judgement.spent, Some(account.nonce.clone()));
        let known = |change: &dyn Fn(&mut Device)| change(memory.lock().devices.get_mut(&device).unwrap());
        known(&|device| device.take(Taken::Nonce(Nonce::new(b"first")), &"1".into()));
        let judgement = memory.authenticate(&question).await.unwrap();
        assert_eq!(judgement.verdict, Verdict::Challenge { scheme: Scheme::Md5, nonce: None });
        known(&|device| device.learn(Report::ClientNonce(Nonce::new(b"second")), &"1".into()));
        let renewed = Account { nonce: Nonce::new(b"second"), ..account };
        assert!(memory.authenticate(&authenticate("IMEI:1", &renewed)).await.unwrap().spent.is_some());
    }

    #[tokio::test]
    async fn orders_go_out_in_batches_and_in_order() {
        let (memory, device, _) = enrolled();
        let tag = |n: usize| JobTag::from(format!("{n:03}"));
        for n in 0..=ORDERS_MAX {
            memory.enqueue(&device, Order::new(tag(n).as_str(), Request::Get(vec![]))).unwrap();
        }
        let question = NextCommands { id: QuestionId(1), device: device.clone(), taken: 0 };
        let orders = memory.commands(&question).await.unwrap();
        assert!(orders.iter().map(|order| order.tag.clone()).eq((0..ORDERS_MAX).map(tag)));
        assert_eq!(memory.enqueue(&"IMEI:2".into(), orders[0].clone()), Err(NotEnrolled));
    }
}
