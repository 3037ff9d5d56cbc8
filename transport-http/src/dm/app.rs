//! A stateless node: load, run, commit, and only then reply.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
};

use core_kit::{Durable, Env, Millis, Tick};
use dm_core::{
    Packet,
    server::{Facts, Input, Profile, Question, SessionKey, Turn, route},
    session::Reason,
    wire,
};
use tracing::{Instrument, Span, debug, error, field, info, info_span, warn};

use crate::{
    dm::map::Rejection,
    dm::store::{Backend, Commit, Committed, Store, Taken, Unavailable},
    dm::throttle::Throttle,
    env,
    limits::{Limits, duration},
};

/// A server of devices: a profile, a store, and who answers questions. It holds no session.
///
/// Any number of nodes with equal profiles may work on one store. A message that two nodes run at the same time is
/// kept by one of them; the other finds its commit lost, loads again and gives the reply that is stored by now.
pub struct App<S, B> {
    profile: Profile,
    limits: Limits,
    store: S,
    backend: B,
    env: Box<dyn Fn() -> Env + Send + Sync>,
    pseudonyms: RandomState,
    throttle: Throttle,
}

/// What one pass of the sweeper did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sessions whose deadline had come.
    pub woken: usize,
    /// Sessions given up because their snapshot cannot be read.
    pub abandoned: usize,
    /// Sessions forgotten because they had been over for long enough.
    pub purged: u64,
}

impl<S: Store, B: Backend> App<S, B> {
    /// A node with the default limits, on the clock of this machine.
    #[must_use]
    pub fn new(profile: Profile, store: S, backend: B) -> Self {
        Self {
            profile,
            limits: Limits::DEFAULT,
            store,
            backend,
            env: Box::new(env::now),
            pseudonyms: RandomState::new(),
            throttle: Throttle::default(),
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same with another clock and other entropy. All nodes of a store need one timeline.
    #[must_use]
    pub fn with_env(self, env: impl Fn() -> Env + Send + Sync + 'static) -> Self {
        Self { env: Box::new(env), ..self }
    }

    /// What stays the same for all its sessions.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What it puts up with.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes one message of a device and gives the reply, which is stored by then.
    ///
    /// May be dropped at any point: a message whose reply got lost comes again.
    ///
    /// # Errors
    /// [`Rejection::Refused`], [`Rejection::Throttled`], [`Rejection::Unavailable`], [`Rejection::Internal`].
    pub async fn exchange(&self, packet: Packet) -> Result<Packet, Rejection> {
        self.exchange_from(packet, None).await
    }

    /// The same, where it is known from which [`Source`](crate::Source) the message comes.
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange).
    pub async fn exchange_from(&self, packet: Packet, source: Option<IpAddr>) -> Result<Packet, Rejection> {
        let key = route(&packet, &self.profile).map_err(Rejection::Refused)?;
        self.describe(&key, &packet);
        let facts = self.turn(&key, &Input::Received(packet), source).await?;
        self.throttle.hear(&self.limits.logins, &key, source, &facts.reports, (self.env)().now);
        match (facts.reply, facts.refused) {
            (Some(reply), _) => Ok(reply),
            (None, Some(fault)) => Err(Rejection::Refused(fault)),
            (None, None) => {
                error!("a message got neither a reply nor a refusal");
                Err(Rejection::Internal)
            }
        }
    }

    /// Gives up a session that goes on: the device's next message is answered with Session Abort, and nothing is ordered
    /// with it [DM 1.2, 8.1]. If the device does not come any more, the session ends as given up at its deadline.
    ///
    /// False if there is no such session, or it is over.
    ///
    /// # Errors
    /// [`Rejection::Unavailable`], [`Rejection::Internal`].
    pub async fn abort(&self, key: &SessionKey, reason: Reason) -> Result<bool, Rejection> {
        for _ in 0..self.limits.attempts_max {
            let (mut turn, taken) = self.load(key, None).await?;
            let now = (self.env)().now;
            let is_due = turn.deadline().is_some_and(|deadline| deadline.at <= now);
            if turn.session().key().is_none() || turn.session().outcome().is_some() || is_due {
                return Ok(false);
            }
            self.step(&mut turn, Input::Abort(reason))?;
            if self.keep(key, turn, taken).await?.is_some() {
                return Ok(true);
            }
        }
        Err(overtaken())
    }

    /// One pass of the sweeper: wakes sessions whose deadline has come, forgets those that have been over for long.
    ///
    /// # Errors
    /// The store or the backend cannot be reached; the next pass does what is left.
    pub async fn sweep(&self) -> Result<Swept, Unavailable> {
        let now = (self.env)().now;
        let mut swept = Swept::default();
        for key in self.store.due(now, self.limits.sweep_max).await? {
            let span = info_span!(
                "wake",
                device = field::Empty,
                session = field::Empty,
                attempts = field::Empty,
                revision = field::Empty,
                outcome = field::Empty
            );
            self.name(&span, &key);
            match self.turn(&key, &Input::Wake, None).instrument(span.clone()).await {
                Ok(_) => {
                    span.in_scope(|| info!("woken"));
                    swept.woken += 1;
                }
                Err(Rejection::Internal) => {
                    // It would be due for ever, and keep others from being woken.
                    self.store.abandon(&key).await?;
                    swept.abandoned += 1;
                }
                // The store said so, or another node is at it: both are tried again in the next pass.
                Err(_) => {}
            }
        }
        let Millis(retention) = self.limits.retention_ms;
        swept.purged = self.store.purge(Tick(now.0.saturating_sub(retention))).await?;
        Ok(swept)
    }

    /// Sweeps for ever, with a pause of `every`; spawn it once for each node, or on one of them.
    pub async fn keep_sweeping(&self, every: Millis) {
        loop {
            if let Err(unavailable) = self.sweep().await {
                warn!(%unavailable, "not swept");
            }
            tokio::time::sleep(duration(every)).await;
        }
    }

    async fn turn(&self, key: &SessionKey, input: &Input, source: Option<IpAddr>) -> Result<Facts, Rejection> {
        for attempt in 1..=self.limits.attempts_max {
            Span::current().record("attempts", attempt);
            if let Some(facts) = self.attempt(key, input.clone(), source).await? {
                return Ok(facts);
            }
        }
        Err(overtaken())
    }

    /// Nothing if somebody else was first.
    async fn attempt(
        &self,
        key: &SessionKey,
        input: Input,
        source: Option<IpAddr>,
    ) -> Result<Option<Facts>, Rejection> {
        let (mut turn, mut taken) = self.load(key, source).await?;
        let open = self.step(&mut turn, input)?;
        self.settle(&mut turn, open, &mut taken, source).await?;
        self.keep(key, turn, taken).await
    }

    /// The stored session, or a new one, with no question open.
    async fn load(&self, key: &SessionKey, source: Option<IpAddr>) -> Result<(Turn, Vec<Taken>), Rejection> {
        let stored = self.store.load(key).await?;
        let mut turn = Turn::begin(stored, &self.profile).map_err(|damage| {
            error!(%damage, "a stored session cannot be read");
            Rejection::Internal
        })?;
        // Only a session that somebody else stored in the middle of a turn has one.
        let (open, mut taken) = (turn.session().pending(), Vec::new());
        self.settle(&mut turn, open, &mut taken, source).await?;
        Ok((turn, taken))
    }

    fn step(&self, turn: &mut Turn, input: Input) -> Result<Option<Question>, Rejection> {
        turn.step(&(self.env)(), input).map_err(|misuse| {
            error!(%misuse, "a session refused its input");
            Rejection::Internal
        })
    }

    /// Answers the open question and those that follow, and notes what the answers used up.
    async fn settle(
        &self,
        turn: &mut Turn,
        mut open: Option<Question>,
        taken: &mut Vec<Taken>,
        source: Option<IpAddr>,
    ) -> Result<(), Rejection> {
        while let Some(question) = open {
            open = self.step(turn, self.answer(question, taken, source).await?)?;
        }
        Ok(())
    }

    /// Commits what a turn came to, if that is worth it; nothing if somebody else was first.
    async fn keep(&self, key: &SessionKey, turn: Turn, taken: Vec<Taken>) -> Result<Option<Facts>, Rejection> {
        let (expected, revision, worth_keeping) = (turn.loaded(), turn.session().revision(), turn.is_worth_keeping());
        let (deadline, ended) = (turn.deadline().map(|deadline| deadline.at), turn.session().outcome().is_some());
        let (snapshot, facts) = turn.finish();
        let span = Span::current();
        span.record("revision", revision);
        if let Some(outcome) = &facts.finished {
            span.record("outcome", outcome.name());
        }
        // Nor is a session worth keeping that a fresh message ended; but a nonce that proved its sender is spent.
        if !worth_keeping && taken.is_empty() {
            if !facts.reports.is_empty() || facts.finished.is_some() {
                self.backend.unstored(key, &facts).await?;
            }
            return Ok(Some(facts));
        }
        let at = (self.env)().now;
        let commit = Commit { snapshot, revision, at, deadline, ended, taken, facts: facts.clone() };
        match self.store.commit(key, expected, commit).await? {
            Committed::Done => Ok(Some(facts)),
            Committed::Lost => {
                debug!("another node was first");
                Ok(None)
            }
        }
    }

    async fn answer(
        &self,
        question: Question,
        taken: &mut Vec<Taken>,
        source: Option<IpAddr>,
    ) -> Result<Input, Rejection> {
        Ok(match question {
            Question::Authenticate(question) => {
                let now = (self.env)().now;
                if let Some(wait) = self.throttle.wait(&self.limits.logins, &question.claim, source, now) {
                    return Err(Rejection::Throttled(wait));
                }
                let judgement = self.backend.authenticate(&question).await?;
                taken.extend(judgement.spent.map(Taken::Nonce));
                question.answer(judgement.verdict, judgement.prove)
            }
            Question::Commands(question) => {
                let mut orders = self.backend.commands(&question).await?;
                // Asked for again in the same turn, since none of the last could be sent: those are not stored yet.
                orders.retain(|order| !taken.contains(&Taken::Order(order.tag.clone())));
                taken.extend(orders.iter().map(|order| Taken::Order(order.tag.clone())));
                question.answer(orders)
            }
            Question::Sign(question) => match self.backend.sign(&question).await? {
                Some(signature) => question.answer(signature),
                None => question.decline(),
            },
            Question::Fetch(question) => match self.backend.fetch(&question).await? {
                Some(octets) => question.answer(octets),
                None => question.decline(),
            },
        })
    }

    /// Tells the current span whose message this is.
    fn describe(&self, key: &SessionKey, packet: &Packet) {
        let span = Span::current();
        if span.is_disabled() {
            return;
        }
        self.name(&span, key);
        if let Ok(header) = wire::decode_header(packet.encoding, &packet.body, &self.profile.wire) {
            span.record("msg", header.msg_id.0);
        }
    }

    /// A device's identifier is personal data: the log has a keyed hash of it, good for this process only. A session's
    /// identifier is cut to the length that it should have.
    fn name(&self, span: &Span, key: &SessionKey) {
        let short: String = key.session.as_str().chars().take(SESSION_CHARS).collect();
        span.record("session", field::debug(short));
        span.record("device", format_args!("{:08x}", self.pseudonyms.hash_one(&key.device) >> 32));
    }
}

const SESSION_CHARS: usize = 8;

fn overtaken() -> Rejection {
    warn!("other nodes were first every time");
    Rejection::Unavailable
}

impl From<Unavailable> for Rejection {
    fn from(unavailable: Unavailable) -> Self {
        warn!(%unavailable, "answered with 503");
        Self::Unavailable
    }
}
