//! The invariants of a DPE world, judged on the real bytes and on the store.
//!
//! A rule knows what went over the wire, in which order messages for SPs were stored, and what devices and SPs say of
//! themselves. It knows nothing of what the machines believe, except at the end, when both sides of a registration are
//! compared.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use core_kit::Tick;
use dpe_core::{
    config::Config,
    ids::{ClientId, SpId, Token},
    wire::{Ie, Kind, Message},
};

use super::{Backend, Envelope, Fact, Party};
use crate::{Checker, End, Event, FaultId, Ledger, NodeId, Rule};

mod answers;
mod clients;
mod doubt;
mod exchange;
mod foreign;
mod lives;
mod policies;
mod reader;
mod refusals;
mod reports;
mod rest;
mod stored;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_values;
mod values;
mod window;

pub use answers::{ANSWERED, FINAL};
pub use clients::{ATTRIBUTED, OBSOLETE};
use doubt::Doubt;
pub use exchange::ONE_OUT;
pub use foreign::{FOREIGN, IDENTITIES};
pub use lives::{COMPLETE, DECLINED, IDEMPOTENT, ONE_ACTIVE, UNLINKABLE, WHOLE};
pub use policies::{CANCELLED, EXPIRES, LIVE, RELEASED};
pub use refusals::UNIFORM;
pub use reports::{CROSSING, GENUINE, INDEPENDENT, SPACED};
pub use rest::{CONVERGED, KEPT, RETURNED, TIMERS};
pub use stored::{BOUNDED, DURABLE};
pub use values::{FORWARDS, FRESH, PERMITTED, STATIC, SUBSET, TYPED};
pub use window::{FAIR, WINDOW};

/// What the rules must know beforehand.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The devices, and what each of them says that its property `operatorName` is worth.
    pub devices: BTreeMap<NodeId, String>,
    /// The SPs and their SP-IDs.
    pub sps: BTreeMap<NodeId, String>,
    /// Identities of devices and users, as text that must not be seen.
    pub identities: Vec<String>,
    /// The configuration of the server.
    pub config: Config,
}

/// A request of an SP, as it was sent.
struct Request {
    id: String,
    message: Box<Message>,
}

/// A dialogue: whose, and its Message-ID.
type Key = (SpId, String);

/// A message for an SP, as it was stored.
struct Post<'a> {
    sp: &'a SpId,
    /// The Message-ID.
    id: String,
    message: &'a Message,
    body: &'a Bytes,
}

impl Post<'_> {
    fn key(&self) -> Key {
        (self.sp.clone(), self.id.clone())
    }

    fn is_ok(&self) -> bool {
        self.message.status.get().is_some_and(|status| status.is_ok())
    }

    /// Whether it is the answer to a request, and no report.
    fn is_answer(&self) -> bool {
        !self.message.kind.is_report() && self.message.kind != Kind::ClientIdReport
    }
}

/// A step of the server, as far as its notes have come.
#[derive(Default)]
struct Step {
    took: Option<(SpId, u64, Tick)>,
    /// The answers that it has for SPs.
    answers: Vec<(Key, Ie<dpe_core::codes::Code>)>,
}

/// Watches devices, SPs and servers.
pub struct Rules {
    watched: Watched,
    reader: reader::Reader,
    requests: BTreeMap<(SpId, u64), Request>,
    step: Step,
    /// What the time was for the step that was stored last, by the clock of its node.
    stored: Tick,
    doubt: Doubt,
    exchange: exchange::Exchange,
    answers: answers::Answers,
    clients: clients::Clients,
    foreign: foreign::Foreign,
    policies: policies::Policies,
    window: window::Window,
    values: values::Values,
    refusals: refusals::Refusals,
    lives: lives::Lives,
    reports: reports::Reports,
    kept: stored::Stored,
    rest: rest::Rest,
    /// Whether what must be true in the end is asked for.
    heals: bool,
}

impl Rules {
    /// All that are judged.
    pub const ALL: [Rule; 36] = [
        ONE_OUT,
        ANSWERED,
        FINAL,
        SUBSET,
        PERMITTED,
        FRESH,
        FORWARDS,
        UNIFORM,
        ATTRIBUTED,
        UNLINKABLE,
        FOREIGN,
        RELEASED,
        OBSOLETE,
        IDENTITIES,
        ONE_ACTIVE,
        IDEMPOTENT,
        CONVERGED,
        COMPLETE,
        WHOLE,
        EXPIRES,
        LIVE,
        GENUINE,
        CROSSING,
        CANCELLED,
        INDEPENDENT,
        KEPT,
        SPACED,
        WINDOW,
        RETURNED,
        FAIR,
        TIMERS,
        DECLINED,
        TYPED,
        STATIC,
        DURABLE,
        BOUNDED,
    ];

    /// Rules for this world.
    #[must_use]
    pub fn new(watched: Watched) -> Self {
        Self {
            reader: reader::Reader::default(),
            requests: BTreeMap::new(),
            step: Step::default(),
            stored: Tick(0),
            doubt: Doubt::default(),
            exchange: exchange::Exchange::new(&watched.config),
            answers: answers::Answers::default(),
            clients: clients::Clients::new(&watched),
            foreign: foreign::Foreign::new(&watched),
            policies: policies::Policies::default(),
            window: window::Window::new(&watched.config),
            values: values::Values::new(&watched.config),
            refusals: refusals::Refusals::default(),
            lives: lives::Lives::new(&watched),
            reports: reports::Reports::default(),
            kept: stored::Stored::new(&watched.config),
            rest: rest::Rest::default(),
            heals: true,
            watched,
        }
    }

    /// The same without those that ask what is true in the end, which are for worlds that heal.
    #[must_use]
    pub fn without_rest(self) -> Self {
        Self { heals: false, ..self }
    }

    fn sent(&mut self, at: Tick, sent: &crate::Message, ledger: &mut Ledger) {
        let Some(envelope) = Envelope::decode(&sent.bytes) else { return };
        if matches!(envelope, Envelope::Contact(_)) && self.watched.devices.contains_key(&sent.from) {
            // Whoever replays what the server once sent, as it came, is not the server.
            return;
        }
        let read = envelope.body().map(|body| (body, self.reader.read(body)));
        let message = read.as_ref().and_then(|(_, read)| read.message());
        self.doubt.sent(at, sent, message);
        if let Some((body, read)) = &read {
            self.kept.sent(sent, body.len(), read, &self.doubt, ledger);
        }
        let Some(message) = message else { return };
        match &envelope {
            Envelope::Contact(body) => {
                self.foreign.downlink(message, body, ledger);
                self.lives.asked(sent.to, message, &self.doubt, ledger);
                self.exchange.sent((at, self.stored), sent.to, message, ledger);
            }
            Envelope::Reply(_) => {
                self.lives.given(self.stored, sent, message, &self.doubt, ledger);
                if let Some(client) = client_of(message) {
                    self.refusals.given(client.clone());
                    self.kept.given(sent.to, client);
                }
                self.clients.given(sent.to, message, &self.doubt, ledger);
                self.doubt.given(sent.to, message);
            }
            Envelope::Request(number, _) => {
                let sp = self.watched.sps.get(&sent.from).and_then(|sp| SpId::try_from(sp.as_str()).ok());
                let Some(sp) = sp else { return };
                let request = || Request { id: text(&message.message_id), message: Box::new(message.clone()) };
                self.requests.entry((sp, *number)).or_insert_with(request);
            }
            Envelope::Callback(..) => {
                let sp = self.watched.sps.get(&sent.to).map(String::as_str);
                answers::addressed(sp, message, ledger);
            }
            // What was sent without credentials was not sent, for whoever must not believe it.
            Envelope::Messages(_) if self.doubt.is_unproven(sent) => {}
            Envelope::Messages(_) => {
                let is_other = self.doubt.is_forged(sent) || self.doubt.is_untimely(sent);
                self.reports.reported(at, sent.from, message, is_other, ledger);
            }
            Envelope::Register(_) | Envelope::Taken(_) => {}
        }
    }

    fn delivered(&mut self, at: Tick, sent: &crate::Message) {
        let Some(envelope) = Envelope::decode(&sent.bytes) else { return };
        let Some(body) = envelope.body() else { return };
        let read = self.reader.read(body);
        let is_reply = matches!(envelope, Envelope::Reply(_));
        self.doubt.delivered(at, sent, is_reply, read.message());
        if sent.mislabelled {
            return;
        }
        if matches!(envelope, Envelope::Messages(_) | Envelope::Register(_)) {
            // Whether a message has a type is judged before who sent it [DPE digest 3.3, V1 to V5]: where damage took it, the server asks
            // again, and nobody has looked for credentials.
            let is_unproven = self.doubt.is_unproven(sent);
            if !is_unproven || read.message().is_none() {
                let from = (sent.from, sent.channel);
                self.exchange.arrived(at, from, &read, sent.altered || self.doubt.is_forged(sent));
            }
            if is_unproven {
                return;
            }
            if let Some(message) = read.message() {
                self.values.arrived(at, message);
                self.lives.arrived(sent.from, sent.channel, body, message);
                if sent.altered {
                    self.reports.altered(message);
                }
            }
        } else if let (Envelope::Contact(_), Some(message)) = (&envelope, read.message()) {
            self.reports.set(sent.to, message, sent.altered);
        }
    }

    fn noted(&mut self, at: Tick, node: NodeId, fact: &Fact, shared: &Backend, ledger: &mut Ledger) {
        self.doubt.noted(node, fact);
        match fact {
            Fact::Took { sp, number, at: step } => {
                self.step.took = Some((sp.clone(), *number, *step));
                if let Some(request) = self.requests.get(&(sp.clone(), *number)) {
                    self.answers.took(sp, request);
                    self.policies.took(sp, request);
                    self.foreign.took(sp, request);
                    self.values.took(sp, request);
                    self.refusals.took(sp, request);
                    self.reports.took(sp, *step, request);
                    self.kept.took(sp, request);
                }
            }
            Fact::Posted { sp, body, at: step, .. } => {
                let read = self.reader.read(body);
                let Some(message) = read.message() else { return };
                let post = Post { sp, id: text(&message.message_id), message, body };
                self.foreign.posted(&post, ledger);
                self.clients.posted(&post, &self.doubt, ledger);
                self.policies.posted(&post, ledger);
                self.values.posted(at.min(*step), &post, &self.doubt, ledger);
                self.refusals.posted(&post, ledger);
                lives::Lives::posted(&post, shared, ledger);
                self.reports.posted(&post, ledger);
                self.kept.posted(&post, &self.doubt, ledger);
                if post.is_answer() {
                    self.answers.posted(&post, ledger);
                    self.step.answers.push((post.key(), message.status.clone()));
                }
            }
            Fact::Committed { at: step, downlinks, stepped, gates, exchange } => {
                self.stored = *step;
                for sp in gates {
                    self.window.stepped(sp, self.stored);
                }
                for client in stepped {
                    self.exchange.stepped(client, self.stored);
                    self.lives.stepped(self.stored, client);
                }
                if let Some(exchange) = exchange {
                    self.lives.took(*exchange);
                    self.exchange.took(at, *exchange);
                }
                let step = core::mem::take(&mut self.step);
                if let Some((sp, number, at)) = &step.took
                    && let Some(request) = self.requests.get(&(sp.clone(), *number))
                    && text(&request.message.sp_id) == sp.as_str()
                {
                    self.window.committed(sp, *at, request, &step.answers, *downlinks, ledger);
                }
                self.clients.committed(shared, ledger);
                self.reports.committed(self.stored, shared, ledger);
            }
            Fact::Standing { .. } | Fact::Holds { .. } => self.rest.noted(node, fact),
            Fact::Asked { tag } => self.answers.asked(tag, ledger),
            Fact::Done { tag, status } => self.answers.done(tag, *status, ledger),
            // What a machine is used wrongly for is judged where everything else is: it leaves something unanswered.
            Fact::Misused(what) => ledger.judge(ANSWERED, false, || format!("{node} misused its machine: {what}")),
            Fact::Forgot | Fact::Wiped | Fact::Posing(_) => self.reports.forget(node),
            Fact::Sampled { level, .. } => self.reports.sampled(node, *level),
            Fact::Hostile(_) | Fact::LostRace | Fact::Repeated { .. } | Fact::Reported(_) | Fact::PolicyEnded(..) => {}
        }
    }
}

impl Checker<Party> for Rules {
    fn rules(&self) -> Vec<Rule> {
        Self::ALL.to_vec()
    }

    fn observe(&mut self, at: Tick, event: &Event<'_, Fact>, shared: &Backend, ledger: &mut Ledger) {
        match event {
            Event::Sent(message) => self.sent(at, message, ledger),
            Event::Delivered(message) => self.delivered(at, message),
            Event::Noted(node, fact) => self.noted(at, *node, fact, shared, ledger),
            Event::Crashed(node)
                if !self.watched.devices.contains_key(node) && !self.watched.sps.contains_key(node) =>
            {
                self.kept.crashed();
                lives::Lives::crashed(shared, ledger);
            }
            Event::Copied(_) | Event::Lost(_) | Event::Undeliverable(_) | Event::Crashed(_) | Event::Restarted(_) => {}
        }
    }

    fn struck(&mut self, _: Tick, fault: FaultId, _: NodeId, _: &mut Ledger) {
        if fault == FaultId::F35 {
            self.values.drifts();
        }
    }

    fn finish(&mut self, end: &End<'_, Backend>, ledger: &mut Ledger) {
        self.exchange.finish(ledger);
        self.answers.finish(ledger);
        self.policies.finish(ledger);
        self.foreign.finish(end.trace, ledger);
        let devices: BTreeSet<NodeId> = self.watched.devices.keys().copied().collect();
        if self.heals {
            self.rest.finish(&devices, &self.doubt, end.shared, ledger);
        }
    }
}

/// An identifier; empty where there is none.
fn text(id: &Ie<Token>) -> String {
    id.get().map(|token| token.as_str().to_owned()).unwrap_or_default()
}

fn client_of(message: &Message) -> Option<ClientId> {
    message.client_id.get().cloned().and_then(|token| token.try_into().ok())
}
