//! A device and a server that know of no network: octets go in and come out.
//!
//! They are those of `transport_sim::dm::Fleet`: a session in XML, MD5 in both directions, seven orders in three packages
//! on a real tree, and a server that loads, runs and commits a snapshot for each message.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use core_kit::{Env, Machine};
use dm_core::{
    Packet,
    auth::{Account, Nonce, Scheme},
    client,
    codes::StatusCode,
    ids::{DeviceId, SessionId},
    prompt::Reply,
    server::{self, Arrival, Entry, Order, Request, Turn},
    session::Outcome,
    tree::{DevInfo, Memory},
    wire::Encoding,
};

const SERVER_URL: &str = "https://dm.example/dm";
const SERVER_ID: &str = "srv";
const NAME: &str = "IMEI:49";
/// The orders for each device, by package.
const PACKAGES: [&[usize]; 3] = [&[0, 1, 2], &[3, 4], &[5, 6]];
const ORDERS: usize = 7;

/// What all devices and the server know.
#[derive(Clone, Debug)]
pub struct Plan {
    tree: Memory,
    client: client::Profile,
    server: Arc<server::Profile>,
}

/// Which side of a session proves itself.
#[derive(Clone, Copy, Debug)]
enum Side {
    Client,
    Server,
}

/// What went wrong: a mistake of the comparison, as nothing is to go wrong in it.
pub type Wrong = Box<dyn std::error::Error + Send + Sync>;

impl Plan {
    /// The plan.
    ///
    /// # Errors
    /// The tree is not a tree.
    pub fn new() -> Result<Self, Wrong> {
        let info = DevInfo {
            dev_id: name_of(0),
            manufacturer: "Example".into(),
            model: "Simulated".into(),
            dm_version: "1.2".into(),
            language: "en".into(),
        };
        let tree = Memory::builder()
            .dev_info(&info)
            .interior("./Sim")
            .acl("Add=srv&Delete=srv&Get=*&Replace=srv&Exec=srv")
            .leaf("./Sim/Value", "0")
            .leaf("./Sim/Locked", "0")
            .acl("Get=*")
            .leaf("./Sim/Run", "")
            .exec(StatusCode::OK)
            .finish()
            .map_err(|error| error.to_string())?;
        let client = client::Profile::new("", SERVER_URL, SERVER_ID);
        Ok(Self { tree, client, server: Arc::new(server::Profile::new(SERVER_URL)) })
    }
}

fn name_of(device: u32) -> String {
    format!("{NAME}{device:013}")
}

/// What one side proves itself to the other with, before their session.
fn account_of(device: u32, side: Side) -> Account {
    let user = match side {
        Side::Client => name_of(device),
        Side::Server => SERVER_ID.to_owned(),
    };
    let secret = format!("{:016x}", u64::from(device) << 1 | side as u64);
    let account = Account::new(&user, &secret, Scheme::Md5);
    Account { nonce: Nonce::new(secret.as_bytes()), ..account }
}

fn order(number: usize, device: u32) -> Order {
    let value = |uri| vec![Entry::text(uri, &format!("{number} for {device}"))];
    let request = match number {
        0 => Request::Get(vec!["./DevInfo/Man".into()]),
        1 => Request::Add(value("./Sim/Added")),
        2 => Request::Replace(value("./Sim/Value")),
        3 => Request::Exec { entry: Entry::bare("./Sim/Run"), correlator: None },
        4 => Request::Replace(value("./Sim/Locked")),
        5 => Request::Get(vec!["./Sim/Added".into()]),
        _ => Request::Get(vec!["./Sim/Value".into()]),
    };
    Order::new(number.to_string().as_str(), request)
}

/// A device in its session.
#[derive(Debug)]
pub struct Device {
    session: client::Session,
    tree: Memory,
    accounts: [Account; 2],
    outcome: Option<Outcome>,
}

impl Device {
    /// A device that has had no session yet.
    #[must_use]
    pub fn new(plan: &Plan, number: u32) -> Self {
        let profile = client::Profile { device: DeviceId::from(name_of(number).as_str()), ..plan.client.clone() };
        let mut tree = plan.tree.clone();
        // The node is there, and any text is a name.
        let _ = tree.set_value("./DevInfo/DevId", name_of(number));
        let accounts = [Side::Client, Side::Server].map(|side| account_of(number, side));
        Self { session: client::Session::new(profile).unrecorded(), tree, accounts, outcome: None }
    }

    /// Begins the session; its first message.
    ///
    /// # Errors
    /// The session does not begin.
    pub fn begin(&mut self, env: impl FnMut() -> Env) -> Result<Option<Bytes>, Wrong> {
        self.drive(env, client::Input::Start(client::Trigger::Client(SessionId::from_number(1))))
    }

    /// Takes a reply; the next message, until the session is over.
    ///
    /// # Errors
    /// The reply does not fit.
    pub fn receive(&mut self, env: impl FnMut() -> Env, reply: Bytes) -> Result<Option<Bytes>, Wrong> {
        self.drive(env, client::Input::Received(Packet::new(Encoding::Xml, reply)))
    }

    /// Whether the session went as it should.
    #[must_use]
    pub fn has_completed(&self) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome.name() == "completed")
    }

    fn drive(&mut self, mut env: impl FnMut() -> Env, first: client::Input) -> Result<Option<Bytes>, Wrong> {
        let (mut next, mut out, mut message) = (Some(first), Vec::new(), None);
        while let Some(input) = next.take() {
            self.session.handle(&env(), input, &mut out).map_err(|error| error.to_string())?;
            for output in out.drain(..) {
                match output {
                    client::Output::Send(request) => message = Some(request.packet.body.to_bytes()),
                    client::Output::Ask(question) => next = Some(self.answer(question)),
                    client::Output::Report(_) => {}
                    client::Output::Finished(outcome) => self.outcome = Some(outcome),
                }
            }
        }
        Ok(message)
    }

    fn answer(&mut self, question: client::Question) -> client::Input {
        let [own, server] = &self.accounts;
        match question {
            client::Question::Sign(ask) => {
                let signature = own.sign(&ask.request);
                ask.answer(signature)
            }
            client::Question::Authenticate(ask) => {
                let verdict = server.judge(&ask.claim);
                ask.answer(verdict)
            }
            client::Question::User(ask) => ask.answer(Reply::Cancelled),
            client::Question::Tree(ops) => {
                let results = self.tree.answer(&ops);
                ops.answer(results)
            }
        }
    }
}

/// What the server knows of a device that is in its session.
#[derive(Debug, Default)]
struct Row {
    snapshot: Option<server::Snapshot>,
    /// Packages that it was given.
    given: usize,
    /// Orders that it has answered.
    done: usize,
}

/// A server, with all that it stores.
#[derive(Debug)]
pub struct Server {
    plan: Plan,
    rows: BTreeMap<u32, Row>,
    sessions: u64,
    exchanges: u64,
}

impl Server {
    /// A server that no device has come to yet.
    #[must_use]
    pub const fn new(plan: Plan) -> Self {
        Self { plan, rows: BTreeMap::new(), sessions: 0, exchanges: 0 }
    }

    /// Sessions in which every order was answered, and exchanges of all sessions.
    #[must_use]
    pub const fn counts(&self) -> (u64, u64) {
        (self.sessions, self.exchanges)
    }

    /// Loads, runs and commits; the reply.
    ///
    /// # Errors
    /// The message does not fit.
    pub fn receive(&mut self, env: &Env, message: Bytes) -> Result<Bytes, Wrong> {
        let packet = Packet::new(Encoding::Xml, message);
        let arrival = Arrival::read(packet, &self.plan.server).map_err(|fault| format!("{fault:?}"))?;
        let device: u32 = arrival.key().device.as_str().strip_prefix(NAME).ok_or("a name of nobody")?.parse()?;
        // Nothing of this server fails between load and commit, so the snapshot need not stay where it is.
        let row = self.rows.entry(device).or_default();
        let stored = row.snapshot.take();
        let mut turn =
            Turn::begin(stored, Arc::clone(&self.plan.server)).map_err(|error| error.to_string())?.unrecorded();
        let mut open = turn.receive(env, arrival).map_err(|error| error.to_string())?;
        while let Some(question) = open {
            let answer = row.answer(device, question);
            open = turn.step(env, answer).map_err(|error| error.to_string())?;
        }
        let (snapshot, facts) = turn.finish();
        row.snapshot = Some(snapshot);
        row.done += facts.reports.iter().filter(|report| matches!(report, server::Report::Done(_))).count();
        self.exchanges += 1;
        if facts.finished.is_some() {
            self.sessions += u64::from(row.done == ORDERS);
            self.rows.remove(&device);
        }
        Ok(facts.reply.ok_or("there is no reply")?.body.to_bytes())
    }
}

impl Row {
    fn answer(&mut self, device: u32, question: server::Question) -> server::Input {
        match question {
            server::Question::Authenticate(ask) => {
                let verdict = account_of(device, Side::Client).judge(&ask.claim);
                ask.answer(verdict, Some(Scheme::Md5))
            }
            server::Question::Commands(ask) => {
                let package = PACKAGES.get(self.given).copied().unwrap_or_default();
                self.given += 1;
                ask.answer(package.iter().map(|number| order(*number, device)).collect())
            }
            server::Question::Fetch(ask) => ask.decline(),
            server::Question::Sign(ask) => {
                let signature = account_of(device, Side::Server).sign(&ask.request);
                ask.answer(signature)
            }
        }
    }
}
