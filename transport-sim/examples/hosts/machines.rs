//! A device and a server that know of no network: octets go in and come out.
//!
//! They are those of `transport_sim::dm::Fleet`: a session in XML, MD5 in both directions, seven orders in three packages
//! on a real tree, and a server that loads, runs and commits a snapshot for each message.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use core_kit::{Body, Env, Machine};
use dm_core::{
    Packet,
    auth::{Account, Nonce, Scheme},
    client,
    codes::StatusCode,
    ids::{DeviceId, SessionId},
    prompt::Reply,
    server::{self, Arrival, Entry, Order, Request, Turn},
    session::Outcome,
    tree::{DevInfo, Memory, Op, OpResult},
    wire::Encoding,
};

const SERVER_URL: &str = "https://dm.example/dm";
/// What the server is called.
pub const SERVER_ID: &str = "srv";
const NAME: &str = "IMEI:49";
/// The orders for each device, by package.
const PACKAGES: [&[usize]; 3] = [&[0, 1, 2], &[3, 4], &[5, 6]];
/// Which node each order is for.
pub const ORDERS: [&str; 7] =
    ["./DevInfo/Man", "./Sim/Added", "./Sim/Value", "./Sim/Run", "./Sim/Locked", "./Sim/Added", "./Sim/Value"];

/// What all devices and the server know.
#[derive(Clone, Debug)]
pub struct Plan {
    tree: Memory,
    client: client::Profile,
    server: Arc<server::Profile>,
}

/// Which side of a session proves itself.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    /// The device.
    Client,
    /// The server.
    Server,
}

/// Where a device has its session.
pub trait Around {
    /// What its machine may observe.
    fn env(&mut self) -> Env;

    /// Its tree did what the server asked for. Not everybody wants to know.
    fn executed(&mut self, op: &Op, result: &OpResult) {
        let _ = (op, result);
    }
}

/// What went wrong: a mistake of these programs, as nothing is to go wrong in their sessions.
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

    /// The tree of a device before its session.
    #[must_use]
    pub const fn tree(&self) -> &Memory {
        &self.tree
    }
}

fn name_of(device: u32) -> String {
    format!("{NAME}{device:013}")
}

/// What one side proves itself to the other with, before their session.
#[must_use]
pub fn account_of(device: u32, side: Side) -> Account {
    let user = match side {
        Side::Client => name_of(device),
        Side::Server => SERVER_ID.to_owned(),
    };
    let secret = format!("{:016x}", u64::from(device) << 1 | side as u64);
    let account = Account::new(&user, &secret, Scheme::Md5);
    Account { nonce: Nonce::new(secret.as_bytes()), ..account }
}

/// The order with this number, from 0; nothing where there is none.
fn order(number: usize, device: u32) -> Option<Order> {
    let uri = *ORDERS.get(number)?;
    let value = || vec![Entry::text(uri, &format!("{number} for {device}"))];
    let request = match number {
        1 => Request::Add(value()),
        2 | 4 => Request::Replace(value()),
        3 => Request::Exec { entry: Entry::bare(uri), correlator: None },
        _ => Request::Get(vec![uri.into()]),
    };
    Some(Order::new(number.to_string().as_str(), request))
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
    pub fn begin(&mut self, around: &mut impl Around) -> Result<Option<Bytes>, Wrong> {
        self.drive(around, client::Input::Start(client::Trigger::Client(SessionId::from_number(1))))
    }

    /// Takes a reply; the next message, until the session is over.
    ///
    /// # Errors
    /// The reply does not fit.
    pub fn receive(&mut self, around: &mut impl Around, reply: Bytes) -> Result<Option<Bytes>, Wrong> {
        self.drive(around, client::Input::Received(Packet::new(Encoding::Xml, reply)))
    }

    /// How the session ended.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Whether the session went as it should.
    #[must_use]
    pub fn has_completed(&self) -> bool {
        self.outcome == Some(Outcome::Completed)
    }

    /// Its tree.
    #[must_use]
    pub const fn tree(&self) -> &Memory {
        &self.tree
    }

    fn drive(&mut self, around: &mut impl Around, first: client::Input) -> Result<Option<Bytes>, Wrong> {
        let (mut next, mut out, mut message) = (Some(first), Vec::new(), None);
        while let Some(input) = next.take() {
            self.session.handle(&around.env(), input, &mut out).map_err(|error| error.to_string())?;
            for output in out.drain(..) {
                match output {
                    client::Output::Send(request) => message = Some(request.packet.body.to_bytes()),
                    client::Output::Ask(question) => next = Some(self.answer(around, question)),
                    client::Output::Report(_) => {}
                    client::Output::Finished(outcome) => self.outcome = Some(outcome),
                }
            }
        }
        Ok(message)
    }

    fn answer(&mut self, around: &mut impl Around, question: client::Question) -> client::Input {
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
                // Without a server it is the session that looks something up.
                if ops.server.is_some() {
                    ops.ops.iter().zip(&results).for_each(|(op, result)| around.executed(op, result));
                }
                ops.answer(results)
            }
        }
    }
}

/// What the server knows of a device.
#[derive(Debug, Default)]
pub struct Row {
    /// The session, while it lasts.
    snapshot: Option<server::Snapshot>,
    /// Packages that the device was given.
    given: usize,
    /// Orders that it has answered.
    done: [bool; ORDERS.len()],
    /// What it has read, by order.
    read: Vec<(usize, Body)>,
}

/// A server, with all that it stores.
#[derive(Debug)]
pub struct Server {
    plan: Plan,
    rows: BTreeMap<u32, Row>,
    sessions: u64,
    exchanges: u64,
}

/// What a message to the server came to.
#[derive(Debug)]
pub struct Answer {
    /// The reply.
    pub reply: Bytes,
    /// Whose session it is.
    pub device: u32,
    /// How the session has ended by it.
    pub finished: Option<Outcome>,
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

    /// What it knows of a device; nothing of one that has never come.
    #[must_use]
    pub fn row(&self, device: u32) -> Option<&Row> {
        self.rows.get(&device)
    }

    /// Loads, runs and commits.
    ///
    /// # Errors
    /// The message does not fit.
    pub fn receive(&mut self, env: &Env, message: Bytes) -> Result<Answer, Wrong> {
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
        self.exchanges += 1;
        row.hear(&facts.reports)?;
        row.snapshot = facts.finished.is_none().then_some(snapshot);
        if facts.finished.is_some() {
            self.sessions += u64::from(row.done == [true; ORDERS.len()]);
        }
        let reply = facts.reply.ok_or("there is no reply")?.body.to_bytes();
        Ok(Answer { reply, device, finished: facts.finished })
    }
}

impl Row {
    /// Whether an order waits for its device.
    #[must_use]
    pub fn waits(&self, order: usize) -> bool {
        PACKAGES.iter().skip(self.given).any(|package| package.contains(&order))
    }

    /// Whether an order was answered by its device.
    #[must_use]
    pub fn is_done(&self, order: usize) -> bool {
        self.done.get(order) == Some(&true)
    }

    /// The values that were read, by order.
    #[must_use]
    pub fn read(&self) -> &[(usize, Body)] {
        &self.read
    }

    /// Brings itself up to date.
    fn hear(&mut self, reports: &[server::Report]) -> Result<(), Wrong> {
        for report in reports {
            let server::Report::Done(done) = report else { continue };
            let order: usize = done.tag.as_str().parse()?;
            *self.done.get_mut(order).ok_or("an order of nobody")? = true;
            let found = done.items.iter().flat_map(|item| &item.found);
            self.read.extend(found.filter_map(|found| Some((order, found.content.data.clone()?))));
        }
        Ok(())
    }

    fn answer(&mut self, device: u32, question: server::Question) -> server::Input {
        match question {
            server::Question::Authenticate(ask) => {
                let verdict = account_of(device, Side::Client).judge(&ask.claim);
                ask.answer(verdict, Some(Scheme::Md5))
            }
            server::Question::Commands(ask) => {
                let package = PACKAGES.get(self.given).copied().unwrap_or_default();
                self.given += 1;
                ask.answer(package.iter().filter_map(|number| order(*number, device)).collect())
            }
            server::Question::Fetch(ask) => ask.decline(),
            server::Question::Sign(ask) => {
                let signature = account_of(device, Side::Server).sign(&ask.request);
                ask.answer(signature)
            }
        }
    }
}
