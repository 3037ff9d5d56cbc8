//! The two ends of a session in memory: machines that are asked, answered, and recorded.

use anyhow::{Context, Result, bail};
use core_kit::{
    Env, Tick, UnixMillis,
    journal::{self, JournalOf},
};
use dm_core::{
    Packet,
    auth::{Account, Nonce, Scheme, Verdict},
    client::{self, Trigger},
    codes::StatusCode,
    prompt::Reply,
    server::{self, Done, Order},
    session::Outcome,
    tree::{self, DevInfo},
};

use super::{Demo, chart};

pub(super) const DEVICE: &str = "IMEI:493005100592800";
/// The server's name.
pub(super) const SERVER: &str = "srv";
/// The address of a server in memory.
pub(super) const URL: &str = "https://dm.example/dm";

/// What both ends prove themselves with; each end has its own copy.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) client: Account,
    pub(super) server: Account,
}

impl Keys {
    pub(super) fn usual() -> Self {
        Self {
            client: Account::new("device", "wood-anemone-41", Scheme::Md5),
            server: Account::new(SERVER, "kingfisher-77", Scheme::Md5),
        }
    }
}

/// The tree of a device of this model, to be managed by [`SERVER`].
pub(super) fn tree(model: &str, dm_version: &str) -> Result<tree::Memory> {
    let info = DevInfo {
        dev_id: DEVICE.into(),
        manufacturer: "Example".into(),
        model: model.into(),
        dm_version: dm_version.into(),
        language: "en".into(),
    };
    let tree = tree::Memory::builder()
        .dev_info(&info)
        .interior("./Sim")
        .acl("Add=srv&Delete=srv&Get=*&Replace=srv&Exec=srv")
        .leaf("./Sim/Value", "0")
        .leaf("./Sim/Run", "")
        .exec(StatusCode::OK)
        .finish()?;
    Ok(tree)
}

/// A clock that goes on by a second whenever it is read, with entropy that is the number of the reading: these sessions
/// are the same in every run.
#[derive(Default)]
pub(super) struct Clock(u64);

impl Clock {
    fn read(&mut self) -> Env {
        self.0 += 1;
        let (at, mut entropy) = (self.0 * 1000, [0; 32]);
        entropy.iter_mut().zip(self.0.to_le_bytes()).for_each(|(to, from)| *to = from);
        Env { now: Tick(at), wall: UnixMillis(at), entropy }
    }
}

/// A server and its one session.
pub(super) struct Server {
    session: server::Session,
    pub(super) journal: JournalOf<server::Session>,
    pub(super) keys: Keys,
    /// The nonce that a challenge issues; nothing to draw one.
    pub(super) challenge: Option<Nonce>,
    /// What the device shall do, all at once.
    pub(super) orders: Vec<Order>,
    /// What became of it.
    pub(super) done: Vec<Done>,
    pub(super) outcome: Option<Outcome>,
}

impl Server {
    pub(super) fn new(profile: server::Profile, keys: Keys, orders: Vec<Order>) -> Self {
        let session = server::Session::new(&profile);
        let journal = journal::begin(&session, profile);
        Self { session, journal, keys, challenge: None, orders, done: Vec::new(), outcome: None }
    }

    pub(super) fn reply(&mut self, clock: &mut Clock, packet: Packet) -> Result<Packet> {
        let (mut reply, mut todo) = (None, Some(server::Input::Received(packet)));
        while let Some(input) = todo.take() {
            let record = journal::step(&mut self.session, &clock.read(), input)?;
            for output in &record.outputs {
                match output.clone() {
                    server::Output::Ask(question) => todo = Some(self.answer(question)),
                    server::Output::Reply(packet) => reply = Some(packet),
                    server::Output::Report(report) => self.hear(report),
                    server::Output::Finished(outcome) => self.outcome = Some(outcome),
                    server::Output::Refuse(fault) => bail!("the server refuses the message: {fault}"),
                }
            }
            self.journal.records.push(record);
        }
        reply.context("the server has no reply")
    }

    fn answer(&mut self, question: server::Question) -> server::Input {
        match question {
            server::Question::Authenticate(question) => {
                let verdict = match self.keys.client.judge(&question.claim) {
                    Verdict::Challenge { scheme, nonce } => {
                        Verdict::Challenge { scheme, nonce: self.challenge.clone().or(nonce) }
                    }
                    verdict => verdict,
                };
                question.answer(verdict, Some(Scheme::Md5))
            }
            server::Question::Commands(question) => question.answer(core::mem::take(&mut self.orders)),
            server::Question::Sign(question) => {
                let signature = self.keys.server.sign(&question.request);
                question.answer(signature)
            }
            server::Question::Fetch(question) => question.decline(),
        }
    }

    fn hear(&mut self, report: server::Report) {
        match report {
            server::Report::Done(done) => self.done.push(done),
            server::Report::ClientNonce(nonce) => self.keys.client.nonce = nonce,
            server::Report::ServerNonce(nonce) => self.keys.server.nonce = nonce,
            _ => {}
        }
    }
}

/// A device and its one session.
pub(super) struct Client {
    session: client::Session,
    pub(super) journal: JournalOf<client::Session>,
    pub(super) keys: Keys,
    pub(super) tree: tree::Memory,
    /// What the user says to everything.
    pub(super) user: Reply,
    pub(super) outcome: Option<Outcome>,
}

impl Client {
    pub(super) fn new(profile: client::Profile, keys: Keys, tree: tree::Memory) -> Self {
        let session = client::Session::new(&profile);
        let journal = journal::begin(&session, profile);
        Self { session, journal, keys, tree, user: Reply::NotSupported, outcome: None }
    }

    /// Takes the input, and everything that follows from it; the message to send, if there is one.
    fn take(&mut self, clock: &mut Clock, input: client::Input) -> Result<Option<Packet>> {
        let (mut message, mut todo) = (None, Some(input));
        while let Some(input) = todo.take() {
            let record = journal::step(&mut self.session, &clock.read(), input)?;
            for output in &record.outputs {
                match output.clone() {
                    client::Output::Ask(question) => todo = Some(self.answer(question)),
                    client::Output::Send(request) => message = Some(request.packet),
                    client::Output::Report(client::Report::ClientNonce(nonce)) => self.keys.client.nonce = nonce,
                    client::Output::Report(client::Report::ServerNonce(nonce)) => self.keys.server.nonce = nonce,
                    client::Output::Report(_) => {}
                    client::Output::Finished(outcome) => self.outcome = Some(outcome),
                }
            }
            self.journal.records.push(record);
        }
        Ok(message)
    }

    fn answer(&mut self, question: client::Question) -> client::Input {
        match question {
            client::Question::Tree(question) => {
                let results = self.tree.answer(&question);
                question.answer(results)
            }
            client::Question::User(question) => {
                chart::prompt(&question.prompt, &self.user);
                question.answer(self.user.clone())
            }
            client::Question::Sign(question) => {
                let signature = self.keys.client.sign(&question.request);
                question.answer(signature)
            }
            client::Question::Authenticate(question) => {
                let verdict = self.keys.server.judge(&question.claim);
                question.answer(verdict)
            }
        }
    }
}

/// Runs a session to its end, shows it, and keeps the journals of both ends.
pub(super) fn converse(
    demo: &mut Demo,
    name: &str,
    client: &mut Client,
    server: &mut Server,
    trigger: Trigger,
) -> Result<()> {
    let mut message = client.take(&mut demo.clock, client::Input::Start(trigger))?;
    while let Some(packet) = message {
        chart::message(None, chart::From::Client, &packet, "");
        let reply = server.reply(&mut demo.clock, packet)?;
        chart::message(None, chart::From::Server, &reply, "");
        demo.messages += 2;
        message = client.take(&mut demo.clock, client::Input::Received(reply))?;
    }
    demo.sessions += 1;
    demo.keep::<client::Session>(&format!("{name}.client"), &client.journal)?;
    demo.keep::<server::Session>(&format!("{name}.server"), &server.journal)
}
