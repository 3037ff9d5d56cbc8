//! A device and a server to talk to in tests, and the messages of both in a few lines.

use std::{cell::RefCell, collections::BTreeSet};

use core_kit::{Durable, Env, Tick, UnixMillis};
use dm_core::{
    Packet,
    auth::{Account, Scheme, Scope, Verdict},
    client::{self, Profile as ClientProfile, Trigger},
    codes::StatusCode,
    limits::WireLimits,
    prompt::{Prompt, Reply},
    server::{self, Order, Profile as ServerProfile},
    session::{Misuse, Outcome, table::Row},
    tree::{Memory, Op},
    wire::{Encoding, Message, Values, decode, outline},
};

pub(crate) const DEVICE: &str = "urn:uuid:7d9f0c1e";
pub(crate) const SERVER: &str = "https://dm.example.com/dm";

/// The world at a step: the time, and entropy that differs from step to step.
pub(crate) fn env(now_ms: u64) -> Env {
    let mut entropy = [0; 32];
    entropy[..8].copy_from_slice(&now_ms.to_be_bytes());
    Env { now: Tick(now_ms), wall: UnixMillis(1_700_000_000_000 + now_ms), entropy }
}

/// A message as its outline, commands separated by `; `.
pub(crate) fn lines(packet: &Packet) -> String {
    outline(&message(packet), Values::Shown).join("; ")
}

pub(crate) fn message(packet: &Packet) -> Message {
    decode(packet.encoding, &packet.body, &WireLimits::SERVER).expect("what a session sends can be read").message
}

/// A client's message with this body, as text.
pub(crate) fn from_device(msg_id: u32, cred: &str, body: &str) -> Packet {
    Packet::xml(format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>2F</SessionID><MsgID>{msg_id}</MsgID><Target><LocURI>{SERVER}</LocURI></Target>\
         <Source><LocURI>{DEVICE}</LocURI></Source>{cred}</SyncHdr><SyncBody>{body}</SyncBody></SyncML>"
    ))
}

/// A server's message with this body, as text.
pub(crate) fn from_server(msg_id: u32, cred: &str, body: &str) -> Packet {
    Packet::xml(format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>2F</SessionID><MsgID>{msg_id}</MsgID><Target><LocURI>{DEVICE}</LocURI></Target>\
         <Source><LocURI>{SERVER}</LocURI></Source>{cred}</SyncHdr><SyncBody>{body}</SyncBody></SyncML>"
    ))
}

pub(crate) const PACKAGE_ONE: &str = "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Replace><CmdID>2</CmdID><Item>\
    <Source><LocURI>./DevInfo/Man</LocURI></Source><Data>Acme</Data></Item></Replace><Final/>";

/// `Cred` of an account that showed itself with a nonce.
pub(crate) fn cred(account: &Account, nonce: Option<&[u8]>) -> String {
    let nonce = nonce.map(dm_core::auth::Nonce::new);
    let request = dm_core::auth::SignRequest { peer: "".into(), scheme: account.scheme, nonce, body: None };
    format!(
        "<Cred><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>{}</Type></Meta>\
         <Data>{}</Data></Cred>",
        account.scheme.as_type(),
        account.sign(&request).data
    )
}

/// A machine that is driven, and that may be stored and restored after every step.
pub(crate) trait Driven: Durable<Misuse = Misuse> + Clone
where
    Self::Output: Clone,
{
    fn row(&self) -> Option<Row>;

    /// One step, after which the machine goes through its snapshot.
    fn step(&mut self, env: &Env, input: Self::Input, profile: &Self::Profile) -> Result<Vec<Self::Output>, Misuse> {
        let (mut out, before) = (Vec::new(), self.revision());
        self.handle(env, input, &mut out)?;
        if self.revision() != before {
            WALKED.with_borrow_mut(|rows| rows.extend(self.row()));
        }
        let restored = Self::restore(self.snapshot(), profile);
        *self = restored.unwrap_or_else(|_| panic!("a snapshot is taken back"));
        Ok(out)
    }
}

impl Driven for client::Session {
    fn row(&self) -> Option<Row> {
        self.walked()
    }
}

impl Driven for server::Session {
    fn row(&self) -> Option<Row> {
        self.walked()
    }
}

thread_local! {
    /// The steps of the transition table that this thread's sessions have walked.
    pub(crate) static WALKED: RefCell<BTreeSet<Row>> = const { RefCell::new(BTreeSet::new()) };
}

/// The server's side of a conversation.
pub(crate) struct Server {
    pub(crate) profile: ServerProfile,
    pub(crate) session: server::Session,
    /// The device's account, or nothing where the transport has proved the device.
    pub(crate) device: Option<Account>,
    /// The server's own account with the device.
    pub(crate) own: Option<Account>,
    /// For how long the device's credentials count.
    pub(crate) scope: Scope,
    /// What every claim gets, whatever it shows.
    pub(crate) verdict: Option<Verdict>,
    /// One batch for each package.
    pub(crate) orders: Vec<Vec<Order>>,
    /// The value of every order that was left out of it; nothing if it is not to be had.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) reports: Vec<server::Report>,
    pub(crate) finished: Option<Outcome>,
    pub(crate) now: u64,
}

impl Server {
    pub(crate) fn new(profile: ServerProfile) -> Self {
        Self {
            session: server::Session::new(&profile),
            profile,
            device: Some(Account::new("device-001", "s3cr3t-pass", Scheme::Md5)),
            own: Some(Account::new("dm-server", "s3rv3r-pass", Scheme::Md5)),
            scope: Scope::Session,
            verdict: None,
            orders: Vec::new(),
            value: None,
            reports: Vec::new(),
            finished: None,
            now: 0,
        }
    }

    /// A server that believes everybody and proves nothing.
    pub(crate) fn trusting(orders: Vec<Vec<Order>>) -> Self {
        Self { device: None, own: None, orders, ..Self::new(ServerProfile::new(SERVER)) }
    }

    pub(crate) fn take(&mut self, input: server::Input) -> Result<Vec<server::Output>, Misuse> {
        let (mut todo, mut all) = (Some(input), Vec::new());
        while let Some(input) = todo.take() {
            self.now += 1;
            for output in self.session.step(&env(self.now), input, &self.profile)? {
                match &output {
                    server::Output::Ask(question) => todo = Some(self.answer(question.clone())),
                    server::Output::Report(report) => self.hear(report.clone()),
                    server::Output::Finished(outcome) => self.finished = Some(outcome.clone()),
                    server::Output::Reply(_) | server::Output::Refuse(_) => {}
                }
                all.push(output);
            }
        }
        Ok(all)
    }

    /// The reply to a message.
    pub(crate) fn reply(&mut self, packet: Packet) -> Packet {
        let outputs = self.take(server::Input::Received(packet)).expect("a message is taken");
        let reply = outputs.into_iter().find_map(|output| match output {
            server::Output::Reply(reply) => Some(reply),
            _ => None,
        });
        reply.expect("a message is answered")
    }

    pub(crate) fn answer(&mut self, question: server::Question) -> server::Input {
        match question {
            server::Question::Authenticate(question) => {
                let judged = self.device.as_ref().map(|account| account.judge(&question.claim));
                let verdict = match self.verdict.clone().or(judged) {
                    None => Verdict::Accepted(Scope::Transport),
                    Some(Verdict::Accepted(_)) => Verdict::Accepted(self.scope),
                    Some(verdict) => verdict,
                };
                question.answer(verdict, self.own.as_ref().map(|own| own.scheme))
            }
            server::Question::Commands(question) => {
                let batch = if self.orders.is_empty() { Vec::new() } else { self.orders.remove(0) };
                question.answer(batch)
            }
            server::Question::Sign(question) => match &self.own {
                Some(own) => {
                    let signature = own.sign(&question.request);
                    question.answer(signature)
                }
                None => question.decline(),
            },
            server::Question::Fetch(question) => match &self.value {
                Some(value) => {
                    let begin = usize::try_from(question.offset).unwrap();
                    let part = &value[begin..begin + usize::try_from(question.bytes).unwrap()];
                    question.answer(part)
                }
                None => question.decline(),
            },
        }
    }

    pub(crate) fn hear(&mut self, report: server::Report) {
        match &report {
            server::Report::ClientNonce(nonce) => {
                self.device.iter_mut().for_each(|account| account.nonce = nonce.clone());
            }
            server::Report::ServerNonce(nonce) => self.own.iter_mut().for_each(|own| own.nonce = nonce.clone()),
            _ => {}
        }
        self.reports.push(report);
    }

    /// Each order's name and what became of it, item by item.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let said = |status: Option<StatusCode>| status.map_or_else(|| "-".into(), |code| code.to_string());
        let told = self.reports.iter().filter_map(|report| match report {
            server::Report::Done(done) => {
                let items =
                    done.items.iter().map(|item| match item.found.first().and_then(|f| f.content.data.as_ref()) {
                        Some(data) => format!("{} {:?}", said(item.status), core::str::from_utf8(data).expect("text")),
                        None => said(item.status),
                    });
                Some(format!("{}: {}", done.tag, items.collect::<Vec<_>>().join(", ")))
            }
            server::Report::Unknown(tag) => Some(format!("{tag}: unknown")),
            server::Report::NotSent { tag, fault } => Some(format!("{tag}: not sent {fault:?}")),
            _ => None,
        });
        told.collect()
    }

    pub(crate) fn faults(&self) -> Vec<&dm_core::fault::PeerFault> {
        let faults = self.reports.iter().filter_map(|report| match report {
            server::Report::Fault { fault, .. } => Some(fault),
            _ => None,
        });
        faults.collect()
    }
}

/// The device's side of a conversation.
pub(crate) struct Device {
    pub(crate) profile: ClientProfile,
    pub(crate) session: client::Session,
    pub(crate) own: Account,
    pub(crate) server: Account,
    pub(crate) tree: Memory,
    pub(crate) reports: Vec<client::Report>,
    pub(crate) finished: Option<Outcome>,
    pub(crate) now: u64,
    /// What the tree was asked, question by question.
    pub(crate) asked: Vec<Vec<Op>>,
    /// What the user was asked.
    pub(crate) prompts: Vec<Prompt>,
    /// What the user says, in this order.
    pub(crate) replies: Vec<Reply>,
}

impl Device {
    pub(crate) fn new(profile: ClientProfile) -> Self {
        let tree = Memory::builder()
            .at(".")
            .acl("Add=*&Delete=*&Exec=*&Get=*&Replace=*")
            .leaf("./DevInfo/Man", "Acme")
            .leaf("./DevInfo/Mod", "M1")
            .leaf("./Settings/Volume", "3")
            .leaf("./Ops/Reboot", "")
            .exec(StatusCode::OK)
            .finish()
            .expect("the tree is well formed");
        Self {
            session: client::Session::new(&profile),
            profile,
            own: Account::new("device-001", "s3cr3t-pass", Scheme::Md5),
            server: Account::new("dm-server", "s3rv3r-pass", Scheme::Md5),
            tree,
            reports: Vec::new(),
            finished: None,
            now: 0,
            asked: Vec::new(),
            prompts: Vec::new(),
            replies: Vec::new(),
        }
    }

    pub(crate) fn usual() -> ClientProfile {
        let mut profile = ClientProfile::new(DEVICE, SERVER, "srv");
        profile.device_info = ["./DevInfo/Man".into(), "./DevInfo/Mod".into()].into();
        profile
    }

    /// A client that shows nothing and doubts nothing.
    pub(crate) fn trusting() -> Self {
        let mut profile = Self::usual();
        (profile.first, profile.server_scheme) = (None, None);
        Self::new(profile)
    }

    pub(crate) fn start(&mut self) -> Packet {
        self.send(client::Input::Start(Trigger::Client("2F".into()))).expect("a started session sends")
    }

    /// What the client sends upon an input, if anything.
    pub(crate) fn send(&mut self, input: client::Input) -> Option<Packet> {
        let outputs = self.take(input).expect("the input fits");
        outputs.into_iter().find_map(|output| match output {
            client::Output::Send(request) => Some(request.packet),
            _ => None,
        })
    }

    pub(crate) fn take(&mut self, input: client::Input) -> Result<Vec<client::Output>, Misuse> {
        let (mut todo, mut all) = (Some(input), Vec::new());
        while let Some(input) = todo.take() {
            self.now += 1;
            for output in self.session.step(&env(self.now), input, &self.profile)? {
                match &output {
                    client::Output::Ask(question) => todo = Some(self.answer(question.clone())),
                    client::Output::Report(report) => self.hear(report.clone()),
                    client::Output::Finished(outcome) => self.finished = Some(outcome.clone()),
                    client::Output::Send(_) => {}
                }
                all.push(output);
            }
        }
        Ok(all)
    }

    pub(crate) fn answer(&mut self, question: client::Question) -> client::Input {
        match question {
            client::Question::Tree(ops) => {
                self.asked.push(ops.ops.to_vec());
                let results = self.tree.answer(&ops);
                ops.answer(results)
            }
            client::Question::User(question) => {
                self.prompts.push(question.prompt.clone());
                let reply = if self.replies.is_empty() { Reply::NotShown } else { self.replies.remove(0) };
                question.answer(reply)
            }
            client::Question::Sign(question) => {
                let signature = self.own.sign(&question.request);
                question.answer(signature)
            }
            client::Question::Authenticate(question) => {
                let verdict = self.server.judge(&question.claim);
                question.answer(verdict)
            }
        }
    }

    pub(crate) fn hear(&mut self, report: client::Report) {
        match &report {
            client::Report::ClientNonce(nonce) => self.own.nonce = nonce.clone(),
            client::Report::ServerNonce(nonce) => self.server.nonce = nonce.clone(),
            _ => {}
        }
        self.reports.push(report);
    }
}

/// Lets both talk until the client has nothing left to say; every message in a few lines.
pub(crate) fn converse(device: &mut Device, server: &mut Server) -> Vec<String> {
    let mut said = Vec::new();
    let mut request = Some(device.start());
    while let Some(packet) = request {
        said.push(format!("C: {}", lines(&packet)));
        let reply = server.reply(packet);
        said.push(format!("S: {}", lines(&reply)));
        assert_eq!(reply.encoding, Encoding::Xml);
        request = device.send(client::Input::Received(reply));
    }
    said
}
