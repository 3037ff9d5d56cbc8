//! A server under test: a router, a clock, and whatever it sends, decoded.

use std::collections::VecDeque;

use core_kit::{Body, Durable, Env, Tick, UnixMillis};
use dpe_core::{
    codes::Code,
    config::{Config, SpProfile},
    identity::{Network, Source},
    ids::{ClientId, SpId, Token},
    limits::WireLimits,
    policy::Terms,
    property::Reading,
    server::{
        Profile, device, gate,
        router::{Effect, Router},
    },
    wire::{self, Decoded, Identity, Ie, Kind, Message, PropertyName, ResultIe, Value},
};

pub(crate) const IMEI: &str = "490154203237518";
pub(crate) const IMEI_2: &str = "356938035643809";
pub(crate) const MSISDN: &str = "+34600111222";

pub(crate) struct Bench {
    pub(crate) router: Router,
    pub(crate) now: u64,
    steps: u64,
    /// What is on its way to clients.
    pub(crate) to_client: VecDeque<(ClientId, Message)>,
    /// What SPs got, and have not looked at.
    pub(crate) to_sp: VecDeque<(SpId, Message)>,
    /// Direct replies.
    pub(crate) replies: VecDeque<Message>,
    /// Whatever SPs ever got, as bytes.
    pub(crate) seen_by_sps: Vec<u8>,
    /// What machines told.
    pub(crate) device_reports: Vec<device::Report>,
    pub(crate) gate_reports: Vec<gate::Report>,
    /// Questions about settings.
    pub(crate) questions: VecDeque<(ClientId, device::Question)>,
    pub(crate) ignored: usize,
}

pub(crate) fn name(text: &str) -> PropertyName {
    PropertyName::try_from(text).unwrap()
}

pub(crate) fn token(text: &str) -> Ie<Token> {
    Ie::Is(Token::try_from(text).unwrap())
}

pub(crate) fn source(address: &str) -> Source {
    Source::at(address.parse().unwrap())
}

pub(crate) fn device_source() -> Source {
    source("10.1.0.1")
}

pub(crate) fn sp_source() -> Source {
    source("192.0.2.10")
}

pub(crate) fn body(message: &Message) -> Body {
    Body::from(wire::encode(message).unwrap())
}

pub(crate) fn read(bytes: &[u8]) -> Message {
    match wire::decode(bytes, &WireLimits::DEFAULT).unwrap() {
        Decoded::Message(message) => *message,
        Decoded::Untyped(untyped) => panic!("{untyped:?}"),
    }
}

/// A registration request of an IMEI, in version 1.0, perhaps with an MSISDN.
pub(crate) fn request(imei: &str, user: Option<&str>) -> Message {
    let mut message = Message::new(Kind::RegisterRequest);
    message.device_identity = Identity::new("imei", imei).into();
    message.user_identity = user.map(|user| Identity::new("msisdn", user)).into();
    message.dpe_version = Ie::Is("1.0".into());
    message
}

pub(crate) fn success(client: &ClientId, status: Code) -> Message {
    let mut message = Message::new(Kind::RegisterSuccess);
    message.client_id = Ie::Is(client.into());
    message.status = status.into();
    message
}

/// A request of `sp` with a Message-ID, to a client.
pub(crate) fn ask(kind: Kind, id: &str, client: &ClientId) -> Message {
    let mut message = Message::new(kind);
    message.message_id = token(id);
    message.sp_id = token("sp");
    message.client_id = Ie::Is(client.into());
    message
}

pub(crate) fn query(id: &str, client: &ClientId, names: &[&str]) -> Message {
    let mut message = ask(Kind::PropertyQuery, id, client);
    message.property_names = names.iter().map(|text| Ie::Is(name(text))).collect();
    message
}

pub(crate) fn group(kind: Kind, id: &str, client: &ClientId, group: &str) -> Message {
    let mut message = ask(kind, id, client);
    message.group_id = token(group);
    message
}

pub(crate) fn group_set(id: &str, client: &ClientId, name_of: &str, members: &[&str]) -> Message {
    let mut message = group(Kind::GroupSet, id, client, name_of);
    message.property_names = members.iter().map(|text| Ie::Is(name(text))).collect();
    message
}

pub(crate) fn property_policy(id: &str, client: &ClientId, policy: &str) -> Message {
    let mut message = ask(Kind::PropertyPolicySet, id, client);
    message.policy_id = token(policy);
    message.property_names = vec![Ie::Is(name("batteryLevel"))];
    Terms::new("Threshold", &[("operator", "lt"), ("value", "20")]).write(&mut message);
    message.duration = Ie::Is(3600);
    message
}

pub(crate) fn group_policy(id: &str, client: &ClientId, policy: &str, on: &str) -> Message {
    let mut message = ask(Kind::GroupPolicySet, id, client);
    message.policy_id = token(policy);
    message.group_id = token(on);
    Terms::new("Periodic", &[("interval", "300")]).write(&mut message);
    message.duration = Ie::Is(86_400);
    message
}

pub(crate) fn release(id: &str, client: &ClientId, policy: &str) -> Message {
    let mut message = ask(Kind::PolicyRelease, id, client);
    message.policy_id = token(policy);
    message
}

/// The client's answer to a request of the server: 83 for every property, success for everything else.
pub(crate) fn answer(client: &ClientId, request: &Message) -> Message {
    let mut message = Message::new(request.kind.answer().unwrap());
    message.message_id = request.message_id.clone();
    message.client_id = Ie::Is(client.into());
    message.group_id = request.group_id.clone();
    message.policy_id = request.policy_id.clone();
    message.results = request.property_names.iter().filter_map(Ie::get).map(result).collect();
    message.status = Code::OK.into();
    if request.kind == Kind::GroupSet || request.kind == Kind::PropertyPolicySet {
        message.results.clear();
    }
    message
}

pub(crate) fn result(of: &PropertyName) -> ResultIe {
    ResultIe::from(&Reading::of(of.clone(), Value::integer(83)))
}

/// A report of the policy that this request set.
pub(crate) fn report(client: &ClientId, set: &Message, names: &[&str]) -> Message {
    let kind = if set.kind == Kind::GroupPolicySet { Kind::GroupReport } else { Kind::PropertyReport };
    let mut message = Message::new(kind);
    message.message_id = set.message_id.clone();
    message.client_id = Ie::Is(client.into());
    message.policy_id = set.policy_id.clone();
    message.results = names.iter().map(|text| result(&name(text))).collect();
    message.status = Code::OK.into();
    message
}

impl Bench {
    pub(crate) fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let mut router = Router::new(&Profile::new(config).unwrap());
        for (id, address) in [("sp", "192.0.2.10"), ("sp-2", "192.0.2.20")] {
            let mut sp = SpProfile::new(SpId::try_from(id).unwrap(), vec![Network::try_from(address).unwrap()]);
            sp.query_key_schemes = vec!["sip".into(), "msisdn".into(), "imei".into()];
            router.add_sp(sp);
        }
        Self {
            router,
            now: 1_000_000,
            steps: 0,
            to_client: VecDeque::new(),
            to_sp: VecDeque::new(),
            replies: VecDeque::new(),
            seen_by_sps: Vec::new(),
            device_reports: Vec::new(),
            gate_reports: Vec::new(),
            questions: VecDeque::new(),
            ignored: 0,
        }
    }

    pub(crate) fn env(&mut self) -> Env {
        self.steps += 1;
        let mut entropy = [7; 32];
        entropy[..8].copy_from_slice(&self.steps.to_be_bytes());
        Env { now: Tick(self.now), wall: UnixMillis(1_700_000_000_000 + self.now), entropy }
    }

    /// Requests that are out, over all clients.
    pub(crate) fn unanswered(&self) -> usize {
        self.router.clients().filter(|client| self.device(client).is_waiting()).count()
    }

    /// A machine that is stored and taken up again is the same machine.
    fn check_snapshots(&self) {
        let profile = Profile::from(Config::default());
        for device in self.router.clients().map(|client| self.device(client)) {
            let stored = serde_json::to_string(&device.snapshot()).unwrap();
            let restored = device::Device::restore(serde_json::from_str(&stored).unwrap(), &profile).unwrap();
            assert_eq!(restored.snapshot(), device.snapshot());
        }
        for id in ["sp", "sp-2"] {
            let id = SpId::try_from(id).unwrap();
            let gate = self.router.gate(&id).unwrap();
            let stored = serde_json::to_string(&gate.snapshot()).unwrap();
            let profile = gate::Profile { config: profile.clone(), sp: SpProfile::new(id, vec![]) };
            let restored = gate::Gate::restore(serde_json::from_str(&stored).unwrap(), &profile).unwrap();
            assert_eq!(restored.snapshot(), gate.snapshot());
        }
    }

    fn take(&mut self, effects: Vec<Effect>) {
        if self.steps < 40 {
            self.check_snapshots();
        }
        for effect in effects {
            match effect {
                Effect::Reply(bytes) => self.replies.push_back(read(&bytes)),
                Effect::Ignore => self.ignored += 1,
                Effect::ToClient(client, downlink) => self.to_client.push_back((client, read(&downlink.body))),
                Effect::ToSp(sp, message) => {
                    self.seen_by_sps.extend_from_slice(&message.body);
                    self.to_sp.push_back((sp, read(&message.body)));
                }
                Effect::Device(_, report) => self.device_reports.push(report),
                Effect::Gate(_, report) => self.gate_reports.push(report),
                Effect::Ask(client, question) => self.questions.push_back((client, question)),
            }
        }
    }

    pub(crate) fn register_from(&mut self, source: &Source, bytes: &Body) -> Option<Message> {
        let env = self.env();
        let effects = self.router.register(&env, source, bytes).unwrap();
        self.take(effects);
        self.replies.pop_front()
    }

    /// Sends a message on DPE-1; gives the reply.
    pub(crate) fn dpe1(&mut self, message: &Message) -> Option<Message> {
        self.register_from(&device_source(), &body(message))
    }

    /// Registers a client whole, and answers whatever the server wants of it.
    pub(crate) fn registered(&mut self, imei: &str, user: Option<&str>) -> ClientId {
        let client = self.requested(imei, user);
        assert_eq!(self.dpe1(&success(&client, Code::OK)), None);
        self.serve();
        client
    }

    /// The Client-ID that a request gets.
    pub(crate) fn requested(&mut self, imei: &str, user: Option<&str>) -> ClientId {
        let response = self.dpe1(&request(imei, user)).unwrap();
        assert_eq!(response.status, Ie::Is(Code::OK), "{response:?}");
        ClientId::try_from(response.client_id.into_option().unwrap()).unwrap()
    }

    /// Sends a message on DPE-2.
    pub(crate) fn dpe2(&mut self, message: &Message) -> Option<Message> {
        self.dpe2_raw(None, &device_source(), &body(message))
    }

    pub(crate) fn dpe2_raw(&mut self, via: Option<&ClientId>, source: &Source, bytes: &Body) -> Option<Message> {
        let env = self.env();
        let effects = self.router.from_client(&env, via, source, bytes).unwrap();
        self.take(effects);
        self.replies.pop_front()
    }

    /// Sends a message on DPE-3.
    pub(crate) fn dpe3(&mut self, message: &Message) {
        self.dpe3_raw(&sp_source(), &body(message));
    }

    pub(crate) fn dpe3_raw(&mut self, source: &Source, bytes: &Body) {
        let env = self.env();
        let effects = self.router.from_sp(&env, source, bytes).unwrap();
        self.take(effects);
    }

    /// Sends a request on DPE-3 whose answer comes at once.
    pub(crate) fn refused(&mut self, message: &Message) -> Code {
        self.dpe3(message);
        let answer = self.sp_got();
        assert_eq!(Some(answer.kind), message.kind.answer());
        assert_eq!(answer.message_id, message.message_id);
        assert!(self.to_client.is_empty(), "{:?}", self.to_client);
        answer.status.into_option().unwrap()
    }

    /// What an SP got next.
    pub(crate) fn sp_got(&mut self) -> Message {
        self.to_sp.pop_front().expect("an SP got something").1
    }

    /// What the client got next.
    pub(crate) fn client_got(&mut self) -> Message {
        self.to_client.pop_front().expect("a client got something").1
    }

    /// Answers everything that the server wants of clients.
    pub(crate) fn serve(&mut self) {
        while let Some((client, request)) = self.to_client.pop_front() {
            if request.kind.is_request() {
                assert_eq!(self.dpe2(&Self::answer_of(&client, &request)), None);
            }
        }
    }

    /// What a client answers: a group query with the properties that tests put into groups.
    pub(crate) fn answer_of(client: &ClientId, request: &Message) -> Message {
        let mut message = answer(client, request);
        if request.kind == Kind::GroupQuery {
            message.results = [name("currentOrientation"), name("displayLightIntensity")].iter().map(result).collect();
        }
        message
    }

    /// Sends a request of an SP, lets the client answer, and gives the SP's answer.
    pub(crate) fn done(&mut self, message: &Message) -> Message {
        self.dpe3(message);
        self.serve();
        self.sp_got()
    }

    /// Lets time pass, with every timer in between.
    pub(crate) fn pass(&mut self, seconds: u64) {
        let end = self.now + seconds * 1000;
        while let Some(at) = self.router.deadline().filter(|at| at.0 <= end) {
            self.now = self.now.max(at.0);
            let env = self.env();
            let effects = self.router.wake(&env).unwrap();
            self.take(effects);
            assert!(self.router.deadline() != Some(at), "a timer that fired is due again");
        }
        self.now = end;
    }

    pub(crate) fn device(&self, client: &ClientId) -> &device::Device {
        self.router.device(client).unwrap()
    }

    pub(crate) fn gate_size(&self) -> usize {
        self.router.gate(&SpId::try_from("sp").unwrap()).unwrap().size()
    }

    /// A group `screen` of the SP on a client.
    pub(crate) fn with_group(&mut self, client: &ClientId) {
        let ack = self.done(&group_set("g-1", client, "screen", &["currentOrientation", "displayLightIntensity"]));
        assert_eq!(ack.status, Ie::Is(Code::OK));
    }
}
