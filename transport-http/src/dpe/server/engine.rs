//! The task that owns the machines.

use std::{
    collections::{HashMap, VecDeque},
    future::{Future, pending},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use core_kit::{Body, Env};
use dpe_core::{
    identity::Source,
    ids::{ClientId, SpId, dpe3},
    server::{
        Misuse,
        device::{self, Downlink, Question},
        gate::ToSp,
        router::{Effect, Poll, Router},
    },
    wire::{self, Decoded},
};
use http::Uri;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, error, info};

use super::{
    Answer, Call, Delivered, Effects, Outcome, Shared,
    boxes::{Class, Mailbox, Waiter},
    deliver,
    hooks::Fact,
};
use crate::limits::duration;

/// Mailboxes from which on those are swept that nobody uses.
const SWEEP_MIN: usize = 1024;

/// What waits for one SP.
#[derive(Default)]
struct Outbox {
    /// Messages for the callback.
    posts: VecDeque<(Uri, Body)>,
    is_posting: bool,
    /// Messages for polls.
    mail: VecDeque<Body>,
    poll: Waiter,
}

/// Who asks on DPE-3, as far as that is known before the message is judged.
struct Asker {
    sp: SpId,
    message: Option<dpe3::MessageId>,
}

pub(super) struct Engine {
    shared: Arc<Shared>,
    router: Router,
    mailboxes: HashMap<ClientId, Mailbox>,
    sweep_at: usize,
    outboxes: HashMap<SpId, Outbox>,
    /// SPs whose exchange waits for its answer.
    waiting: HashMap<(SpId, dpe3::MessageId), oneshot::Sender<Answer>>,
    deliveries: JoinSet<Delivered>,
}

impl Engine {
    pub(super) fn new(shared: Arc<Shared>, router: Router) -> Self {
        Self {
            shared,
            router,
            mailboxes: HashMap::new(),
            sweep_at: SWEEP_MIN,
            outboxes: HashMap::new(),
            waiting: HashMap::new(),
            deliveries: JoinSet::new(),
        }
    }

    fn env(&self) -> Env {
        (self.shared.env)()
    }

    pub(super) async fn run(mut self, mut calls: mpsc::Receiver<Call>, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        loop {
            let due = self.router.deadline().map(|at| Duration::from_millis(at.0.saturating_sub(self.env().now.0)));
            let timer = async {
                match due {
                    Some(left) => sleep(left).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = &mut shutdown => return info!("server ends"),
                Some(delivered) = self.deliveries.join_next() => match delivered {
                    Ok(delivered) => self.delivered(delivered).await,
                    Err(error) => error!(%error, "a delivery broke"),
                },
                Some(call) = calls.recv() => self.take(call).await,
                () = timer => {
                    let woken = self.router.wake(&self.env());
                    self.settle(woken, None).await;
                }
            }
        }
    }

    async fn take(&mut self, call: Call) {
        let env = self.env();
        match call {
            Call::Register(source, body, tell) => {
                let effects = self.router.register(&env, &source, &body);
                let outcome = self.settle(effects, None).await;
                self.count_ignored(outcome.as_ref());
                answer(tell, outcome, Answer::Ignored);
            }
            Call::FromClient(source, named, body, tell) => {
                let effects = self.router.from_client(&env, None, &source, &body);
                let outcome = self.settle(effects, None).await;
                let is_known = || named.is_some() && matches!(self.router.poll(&source, named.as_deref()), Poll::Of(_));
                let ignored = if is_known() { self.unread(&body) } else { Answer::Ignored };
                self.count_ignored(outcome.as_ref());
                answer(tell, outcome, ignored);
            }
            Call::FromSp(source, body, tell) => self.sp_asks(&env, &source, &body, tell).await,
            Call::Poll(source, named, is_patient, tell) => self.poll(&source, named.as_deref(), is_patient, tell),
            Call::SpPoll(source, named, is_patient, tell) => self.sp_poll(&source, named, is_patient, tell),
            Call::Command(client, reason) => {
                let effects = self.router.command(&env, &client, &reason);
                self.settle(effects, None).await;
            }
            Call::AddSp(sp) => self.router.add_sp(sp),
            Call::Look(look) => look(&self.router),
        }
    }

    fn count_ignored(&self, outcome: Option<&Outcome>) {
        if outcome.is_some_and(|outcome| outcome.ignored && outcome.reply.is_none()) {
            self.shared.hooks.count(&Fact::Ignored);
        }
    }

    /// What somebody gets who is known, and whose message is ignored: 400 if it is none at all.
    fn unread(&self, body: &Body) -> Answer {
        if wire::decode(body, &self.shared.config().wire).is_err() { Answer::Unreadable } else { Answer::Ignored }
    }

    async fn sp_asks(&mut self, env: &Env, source: &Source, body: &Body, tell: oneshot::Sender<Answer>) {
        let asker = match wire::decode(body, &self.shared.config().wire) {
            Ok(Decoded::Message(message)) => message.sp_id.get().cloned().and_then(|sp| sp.try_into().ok()).map(|sp| {
                let message = message.message_id.get().cloned().and_then(|id| id.try_into().ok());
                Asker { sp, message }
            }),
            _ => None,
        };
        let effects = self.router.from_sp(env, source, body);
        let Some(outcome) = self.settle(effects, asker.as_ref()).await else { return say(tell, Answer::Unavailable) };
        if outcome.ignored {
            let is_known = self.router.is_from_sp(None, source);
            let ignored = if is_known { self.unread(body) } else { Answer::Ignored };
            self.shared.hooks.count(&Fact::Ignored);
            return say(tell, ignored);
        }
        if let Some(message) = outcome.reply {
            return say(tell, Answer::Message(message));
        }
        let Some(Asker { sp, message }) = asker else { return say(tell, Answer::Unavailable) };
        match (outcome.answer, message) {
            (Some(ToSp { callback: None, body, .. }), _) => say(tell, Answer::Message(body)),
            (Some(ToSp { callback: Some(to), body, .. }), _) => {
                self.post(sp, &to, body);
                say(tell, Answer::Later);
            }
            (None, Some(_)) if self.answers_later(&sp) => say(tell, Answer::Later),
            (None, Some(message)) => drop(self.waiting.insert((sp, message), tell)),
            (None, None) => say(tell, Answer::Unavailable),
        }
    }

    fn answers_later(&self, sp: &SpId) -> bool {
        use dpe_core::config::ResponseMode::Callback;
        self.router.provider(sp).is_some_and(|sp| sp.response_mode == Callback && sp.callback.is_some())
    }

    fn poll(&mut self, source: &Source, named: Option<&str>, is_patient: bool, tell: oneshot::Sender<Answer>) {
        let client = match self.router.poll(source, named) {
            Poll::Of(client) => client,
            Poll::Refused(error) => return say(tell, Answer::Message(error)),
            Poll::Ignored => {
                self.shared.hooks.count(&Fact::Ignored);
                return say(tell, Answer::Ignored);
            }
        };
        let is_waiting = self.is_waiting(&client);
        let mailbox = self.mailbox(&client);
        // Whatever comes first is for this one.
        mailbox.poll.replace(tell);
        if let Some((class, body)) = mailbox.take(is_waiting) {
            if let Some(body) = mailbox.poll.hand(body) {
                mailbox.put_back(class, body);
            }
        } else if !is_patient {
            mailbox.poll = Waiter::default();
        }
    }

    fn sp_poll(&mut self, source: &Source, named: Option<String>, is_patient: bool, tell: oneshot::Sender<Answer>) {
        let sp = named.and_then(|named| SpId::try_from(named).ok());
        let sp = sp.filter(|sp| self.router.is_from_sp(Some(sp), source));
        let Some(sp) = sp else {
            self.shared.hooks.count(&Fact::Ignored);
            return say(tell, Answer::Ignored);
        };
        let outbox = self.outboxes.entry(sp).or_default();
        outbox.poll.replace(tell);
        if let Some(message) = outbox.mail.pop_front() {
            if let Some(message) = outbox.poll.hand(message) {
                outbox.mail.push_front(message);
            }
        } else if !is_patient {
            outbox.poll = Waiter::default();
        }
    }

    fn is_waiting(&self, client: &ClientId) -> bool {
        self.router.device(client).is_some_and(device::Device::is_waiting)
    }

    fn mailbox(&mut self, client: &ClientId) -> &mut Mailbox {
        if self.mailboxes.len() >= self.sweep_at {
            let router = &self.router;
            self.mailboxes.retain(|client, mailbox| router.device(client).is_some() && !mailbox.is_idle());
            self.sweep_at = self.mailboxes.len().saturating_mul(2).max(SWEEP_MIN);
        }
        self.mailboxes.entry(client.clone()).or_default()
    }

    /// Carries out what machines want. Nothing if a machine refused its input, which the calls of this task rule out.
    async fn settle(&mut self, effects: Result<Vec<Effect>, Misuse>, asker: Option<&Asker>) -> Option<Outcome> {
        let mut outcome = Outcome::default();
        let mut todo = match effects {
            Ok(effects) => Effects::from(effects),
            Err(misuse) => {
                error!(%misuse, "a machine refused its input");
                return None;
            }
        };
        while let Some(effect) = todo.pop_front() {
            match effect {
                Effect::Reply(body) => drop(outcome.reply.get_or_insert(body)),
                Effect::Ignore => outcome.ignored = true,
                Effect::ToClient(client, downlink) => todo.extend(self.hand_down(&client, downlink)),
                Effect::ToSp(sp, message) => {
                    let is_own = asker.is_some_and(|asker| {
                        asker.sp == sp
                            && message.is_answer
                            && (message.answers.is_none() || message.answers == asker.message)
                    });
                    if is_own && outcome.answer.is_none() {
                        outcome.answer = Some(message);
                    } else {
                        self.tell_sp(sp, message);
                    }
                }
                Effect::Device(client, report) => {
                    outcome.ignored |= report == device::Report::Unreadable;
                    self.tell(&client, report);
                }
                Effect::Gate(sp, report) => self.shared.hooks.count(&Fact::Gate(sp, report)),
                Effect::Ask(client, Question::Filter(filter)) => {
                    let keep = self.shared.hooks.filter(&filter);
                    let keep = timeout(duration(self.shared.bounds.filter_ms), keep).await.unwrap_or_default();
                    match self.router.filtered(&self.env(), &client, filter.answer(keep)) {
                        Ok(effects) => todo.extend(effects),
                        Err(misuse) => error!(%misuse, "a machine refused an answer"),
                    }
                }
            }
        }
        Some(outcome)
    }

    fn tell(&self, client: &ClientId, report: device::Report) {
        match &report {
            device::Report::Faulty(_, code) => debug!(%client, code = code.0, "faulty message"),
            device::Report::Silent(kind) => info!(%client, kind = kind.name(), "client is silent"),
            device::Report::Registered => debug!(%client, "registered"),
            device::Report::RegistrationFailed => info!(%client, "registration failed"),
            _ => {}
        }
        self.shared.hooks.count(&Fact::Device(client.clone(), report));
    }

    /// Gives a message to the client's poll, or lets it wait for one; or sends it to where the client listens.
    fn hand_down(&mut self, client: &ClientId, Downlink { contact, body }: Downlink) -> Vec<Effect> {
        let class = Class::of(&body, &self.shared.config().wire);
        let is_waiting = self.is_waiting(client);
        let mailbox = self.mailbox(client);
        mailbox.put(class, body);
        if contact.is_some() {
            return self.send(client);
        }
        if mailbox.poll.is_open()
            && let Some((class, body)) = mailbox.take(is_waiting)
            && let Some(body) = mailbox.poll.hand(body)
        {
            mailbox.put_back(class, body);
        }
        Vec::new()
    }

    /// Sends what is next to where a client listens, one message at a time.
    fn send(&mut self, client: &ClientId) -> Vec<Effect> {
        let is_waiting = self.is_waiting(client);
        let Some(mailbox) = self.mailboxes.get_mut(client).filter(|mailbox| !mailbox.is_sending) else {
            return Vec::new();
        };
        let device = self.router.device(client);
        let contact = device.and_then(device::Device::contact).and_then(|contact| contact.parse::<Uri>().ok());
        let seen = device.and_then(device::Device::address);
        let contact = contact.filter(|contact| self.shared.hooks.contact(client, contact, seen));
        while let Some((class, body)) = mailbox.take(is_waiting) {
            if let Some(contact) = contact {
                mailbox.is_sending = true;
                let (shared, client, number) = (self.shared.clone(), client.clone(), mailbox.requests);
                self.deliveries.spawn(deliver::to_contact(shared, client, class, number, contact, body));
                break;
            }
            if class == Class::Request {
                return self.unreachable(client);
            }
        }
        Vec::new()
    }

    fn unreachable(&mut self, client: &ClientId) -> Vec<Effect> {
        self.router.unreachable(&self.env(), client).unwrap_or_else(|misuse| {
            error!(%misuse, "a machine refused its input");
            Vec::new()
        })
    }

    async fn delivered(&mut self, delivered: Delivered) {
        match delivered {
            Delivered::Contact(client, number, came) => {
                let mailbox = self.mailbox(&client);
                mailbox.is_sending = false;
                // A later request has taken its place: whatever became of this one does not count.
                let is_last = number == Some(mailbox.requests);
                let mut effects = self.send(&client);
                match came {
                    Ok(Some((body, peer))) => {
                        let source = Source::at(peer);
                        match self.router.from_client(&self.env(), Some(&client), &source, &body) {
                            Ok(more) => effects.extend(more),
                            Err(misuse) => error!(%misuse, "a machine refused its input"),
                        }
                    }
                    Err(()) if is_last => effects.extend(self.unreachable(&client)),
                    Ok(None) | Err(()) => {}
                }
                let outcome = self.settle(Ok(effects), None).await;
                // There is no request to reply to: what the client is to hear goes the same way.
                if let Some(error) = outcome.and_then(|outcome| outcome.reply) {
                    self.mailbox(&client).put(Class::Error, error);
                    let effects = self.send(&client);
                    self.settle(Ok(effects), None).await;
                }
            }
            Delivered::Callback(sp, is_delivered) => {
                if !is_delivered {
                    self.undelivered(sp.clone());
                }
                if let Some(outbox) = self.outboxes.get_mut(&sp) {
                    outbox.is_posting = false;
                }
                self.post_next(sp);
            }
        }
    }

    fn undelivered(&self, sp: SpId) {
        info!(%sp, "a message could not be delivered");
        self.shared.hooks.count(&Fact::Undelivered(sp));
    }

    fn tell_sp(&mut self, sp: SpId, message: ToSp) {
        let ToSp { answers, is_answer, callback, body } = message;
        match (callback, is_answer, answers) {
            (Some(to), _, _) => self.post(sp, &to, body),
            (None, true, Some(id)) => {
                let waiter = self.waiting.remove(&(sp.clone(), id));
                if waiter.is_none_or(|waiter| waiter.send(Answer::Message(body)).is_err()) {
                    debug!(%sp, "an answer came when nobody waited any more");
                    self.shared.hooks.count(&Fact::Unawaited(sp));
                }
            }
            (None, true, None) => self.shared.hooks.count(&Fact::Unawaited(sp)),
            (None, false, _) => {
                let outbox = self.outboxes.entry(sp.clone()).or_default();
                let Some(body) = outbox.poll.hand(body) else { return };
                if outbox.mail.len() < self.shared.bounds.queue_max {
                    return outbox.mail.push_back(body);
                }
                self.undelivered(sp);
            }
        }
    }

    fn post(&mut self, sp: SpId, to: &str, body: Body) {
        let outbox = self.outboxes.entry(sp.clone()).or_default();
        match to.parse::<Uri>() {
            Ok(to) if outbox.posts.len() < self.shared.bounds.queue_max => {
                outbox.posts.push_back((to, body));
                self.post_next(sp);
            }
            _ => self.undelivered(sp),
        }
    }

    /// Delivers what is next to a callback, in the order in which it came.
    fn post_next(&mut self, sp: SpId) {
        let Some(outbox) = self.outboxes.get_mut(&sp).filter(|outbox| !outbox.is_posting) else { return };
        let Some((to, body)) = outbox.posts.pop_front() else { return };
        outbox.is_posting = true;
        self.deliveries.spawn(deliver::to_callback(self.shared.clone(), sp, to, body));
    }
}

/// The sender may have gone.
fn say(tell: oneshot::Sender<Answer>, answer: Answer) {
    drop(tell.send(answer));
}

/// The reply to a client.
fn answer(tell: oneshot::Sender<Answer>, outcome: Option<Outcome>, ignored: Answer) {
    say(
        tell,
        match outcome {
            None => Answer::Unavailable,
            Some(Outcome { reply: Some(message), .. }) => Answer::Message(message),
            Some(Outcome { ignored: true, .. }) => ignored,
            Some(_) => Answer::Nothing,
        },
    );
}
