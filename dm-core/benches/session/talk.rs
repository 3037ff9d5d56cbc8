//! A device and a server node that talk until both are done, with a stop-watch on each part.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use core_kit::{Env, Machine, Tick, UnixMillis};
use dm_core::{
    Packet,
    auth::{Account, Nonce, Scheme},
    client::{self, Trigger},
    codes::StatusCode,
    server::{self, Arrival, Entry, Order, Request, Snapshot, Turn},
    session::Outcome,
    tree::{Actor, Memory},
    wire::Encoding,
};

use crate::Fallible;

const DEVICE: &str = "urn:imei:004400152020000";
const SERVER: &str = "https://dm.example.com/dm";

/// The parts of a session that are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The device's machine.
    Client,
    /// The device's tree.
    Tree,
    /// A message of the device, and whose session it is of.
    Read,
    /// A stored session becomes a machine again, and back.
    Store,
    /// The server's machine.
    Server,
    /// Accounts: digests, and whether they are right.
    Accounts,
}

impl Part {
    pub(crate) const ALL: [(Self, &'static str); 6] = [
        (Self::Client, "client steps"),
        (Self::Tree, "tree"),
        (Self::Read, "server reads"),
        (Self::Store, "restore and snapshot"),
        (Self::Server, "server steps"),
        (Self::Accounts, "accounts"),
    ];
}

/// How long each part took, if anybody wants to know: to look at the clock takes time too.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) is_running: bool,
    pub(crate) took: [Duration; Part::ALL.len()],
}

impl Watch {
    fn time<T>(&mut self, part: Part, work: impl FnOnce() -> T) -> T {
        if !self.is_running {
            return work();
        }
        let began = Instant::now();
        let result = work();
        if let Some(took) = self.took.get_mut(part as usize) {
            *took += began.elapsed();
        }
        result
    }
}

/// Whoever stays from session to session: the tree, and the accounts of both sides with their nonces.
pub(crate) struct World {
    pub(crate) watch: Watch,
    /// Every message of the session, in order, if they are to be kept.
    pub(crate) heard: Option<Vec<Packet>>,
    tree: Memory,
    device: Side,
    server: Side,
    client_profile: Arc<client::Profile>,
    server_profile: Arc<server::Profile>,
    steps: u64,
}

/// What one side knows: its own account, and the other side's.
struct Side {
    own: Account,
    other: Account,
}

impl Side {
    fn hear(&mut self, own: Option<&Nonce>, other: Option<&Nonce>) {
        if let Some(nonce) = own {
            self.own.nonce = nonce.clone();
        }
        if let Some(nonce) = other {
            self.other.nonce = nonce.clone();
        }
    }
}

impl World {
    pub(crate) fn new(encoding: Encoding) -> Fallible<Self> {
        let tree = Memory::builder()
            .at(".")
            .acl("Add=*&Delete=*&Exec=*&Get=*&Replace=*")
            .leaf("./DevInfo/DevId", DEVICE)
            .leaf("./DevInfo/Man", "Acme")
            .leaf("./DevInfo/Mod", "M1")
            .leaf("./DevInfo/DmV", "1.2")
            .leaf("./DevInfo/Lang", "en")
            .leaf("./DevDetail/SwV", "4.2.1")
            .leaf("./Settings/Volume", "3")
            .leaf("./Settings/Network/Apn", "internet.example.com")
            .leaf("./Ops/Reboot", "")
            .exec(StatusCode::OK)
            .finish()?;
        let device = Account::new("device-001", "s3cr3t-pass", Scheme::Md5);
        let server = Account::new("dm-server", "s3rv3r-pass", Scheme::Md5);
        let mut client_profile = client::Profile::new(DEVICE, SERVER, "srv");
        client_profile.encoding = encoding;
        client_profile.device_info =
            ["DevId", "Man", "Mod", "DmV", "Lang"].iter().map(|name| format!("./DevInfo/{name}").into()).collect();
        Ok(Self {
            watch: Watch::default(),
            heard: None,
            tree,
            device: Side { own: device.clone(), other: server.clone() },
            server: Side { own: server, other: device },
            client_profile: client_profile.into(),
            server_profile: server::Profile::new(SERVER).into(),
            steps: 0,
        })
    }

    /// One session of four exchanges; how many messages it took.
    pub(crate) fn session(&mut self) -> Fallible<u32> {
        let mut session = client::Session::new(Arc::clone(&self.client_profile)).unrecorded();
        let (mut stored, mut orders, mut messages) = (None, orders().into_iter(), 0);
        let mut input = client::Input::Start(Trigger::Client("2F".into()));
        loop {
            let Some(request) = self.device_step(&mut session, input)? else { break };
            self.hear(&request);
            let reply = self.server_turn(&mut stored, request, &mut orders)?;
            self.hear(&reply);
            messages += 2;
            input = client::Input::Received(reply);
        }
        // What this session added goes, so that the next one finds the tree as this one did.
        let removed = dm_core::tree::Op::Delete { uri: "./Settings/Ringtone".into() };
        self.tree.apply(Actor::Device, &[removed]);
        std::hint::black_box((self.tree.take_runs(), self.tree.take_changes()));
        if session.outcome() == Some(&Outcome::Completed) { Ok(messages) } else { Err("the session failed".into()) }
    }

    fn hear(&mut self, packet: &Packet) {
        if let Some(heard) = &mut self.heard {
            heard.push(packet.clone());
        }
    }

    fn env(&mut self) -> Env {
        self.steps += 1;
        let mut entropy = [0; 32];
        entropy.iter_mut().zip(self.steps.to_be_bytes()).for_each(|(to, from)| *to = from);
        Env { now: Tick(self.steps), wall: UnixMillis(1_700_000_000_000 + self.steps), entropy }
    }

    /// What the device sends upon an input, until it waits or is done.
    fn device_step(&mut self, session: &mut client::Session, first: client::Input) -> Fallible<Option<Packet>> {
        let (mut todo, mut out, mut sent) = (Some(first), Vec::new(), None);
        while let Some(input) = todo.take() {
            let env = self.env();
            self.watch.time(Part::Client, || session.handle(&env, input, &mut out))?;
            for output in out.drain(..) {
                match output {
                    client::Output::Ask(question) => todo = Some(self.device_answer(question)),
                    client::Output::Send(request) => sent = Some(request.packet),
                    client::Output::Report(client::Report::ClientNonce(nonce)) => self.device.hear(Some(&nonce), None),
                    client::Output::Report(client::Report::ServerNonce(nonce)) => self.device.hear(None, Some(&nonce)),
                    client::Output::Report(_) | client::Output::Finished(_) => {}
                }
            }
        }
        Ok(sent)
    }

    fn device_answer(&mut self, question: client::Question) -> client::Input {
        let (watch, side) = (&mut self.watch, &self.device);
        match question {
            client::Question::Tree(ops) => {
                let results = watch.time(Part::Tree, || self.tree.answer(&ops));
                ops.answer(results)
            }
            client::Question::Sign(question) => {
                let signature = watch.time(Part::Accounts, || side.own.sign(&question.request));
                question.answer(signature)
            }
            client::Question::Authenticate(question) => {
                let verdict = watch.time(Part::Accounts, || side.other.judge(&question.claim));
                question.answer(verdict)
            }
            client::Question::User(question) => question.answer(dm_core::prompt::Reply::NotShown),
        }
    }

    /// The reply to a message, of a node that keeps nothing but what is stored.
    fn server_turn(
        &mut self,
        stored: &mut Option<Snapshot>,
        request: Packet,
        orders: &mut impl Iterator<Item = Vec<Order>>,
    ) -> Fallible<Packet> {
        let arrival = self.watch.time(Part::Read, || Arrival::read(request, &self.server_profile))?;
        std::hint::black_box(arrival.key());
        let profile = Arc::clone(&self.server_profile);
        let mut turn = self.watch.time(Part::Store, || Turn::begin(stored.clone(), profile))?.unrecorded();
        let env = self.env();
        let mut open = self.watch.time(Part::Server, || turn.receive(&env, arrival))?;
        while let Some(question) = open {
            let (env, answer) = (self.env(), self.server_answer(question, orders));
            open = self.watch.time(Part::Server, || turn.step(&env, answer))?;
        }
        let (snapshot, facts) = self.watch.time(Part::Store, || turn.finish());
        *stored = Some(snapshot);
        for report in &facts.reports {
            match report {
                server::Report::ClientNonce(nonce) => self.server.hear(None, Some(nonce)),
                server::Report::ServerNonce(nonce) => self.server.hear(Some(nonce), None),
                _ => {}
            }
        }
        facts.reply.ok_or_else(|| "a message was not answered".into())
    }

    fn server_answer(
        &mut self,
        question: server::Question,
        orders: &mut impl Iterator<Item = Vec<Order>>,
    ) -> server::Input {
        let side = &self.server;
        match question {
            server::Question::Authenticate(question) => {
                let verdict = self.watch.time(Part::Accounts, || side.other.judge(&question.claim));
                question.answer(verdict, Some(side.own.scheme))
            }
            server::Question::Commands(question) => question.answer(orders.next().unwrap_or_default()),
            server::Question::Sign(question) => {
                let signature = self.watch.time(Part::Accounts, || side.own.sign(&question.request));
                question.answer(signature)
            }
            server::Question::Fetch(question) => question.decline(),
        }
    }
}

/// A `Get` and an `Add`, a `Replace`, an `Exec`: one package of the server each.
fn orders() -> [Vec<Order>; 3] {
    let get = ["./DevDetail/SwV", "./Settings/Volume"].map(Into::into).into();
    [
        vec![
            Order::new("read", Request::Get(get)),
            Order::new("add", Request::Add(vec![Entry::text("./Settings/Ringtone", "bell")])),
        ],
        vec![Order::new("set", Request::Replace(vec![Entry::text("./Settings/Network/Apn", "iot.example.com")]))],
        vec![Order::new("run", Request::Exec { entry: Entry::bare("./Ops/Reboot"), correlator: None })],
    ]
}
