//! All three roles over a network that loses, doubles and delays, with phones that lose their memory.
//!
//! What must hold: every request of an SP ends exactly once and with an answer, nobody sees another one's identifiers, a
//! policy expires once, and when the network is whole again so are the settings.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use core_kit::{Body, Env, Machine, Tick, UnixMillis};
use dpe_core::{
    client::{self, Channel, Client, PhaseKind},
    codes::Code,
    config::{Config, SpProfile},
    identity::{Network, Source},
    ids::{ClientId, SpId, Token},
    policy::{Terms, Watched},
    property::Reading,
    server::{
        Profile,
        router::{Effect, Router},
    },
    sp::{self, Output, Sp, What},
    wire::{Identity, Ie, Kind, Value},
};

use crate::bench::{name, read};

const SPS: [&str; 2] = ["sp-a", "sp-b"];
const PHONES: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    ToServer(usize, bool, Vec<u8>),
    ToPhone(usize, Vec<u8>),
    FromSp(usize, Vec<u8>),
    ToSp(usize, Vec<u8>),
}

struct World {
    random: u64,
    now: u64,
    steps: u64,
    lossy: bool,
    events: BinaryHeap<std::cmp::Reverse<(u64, u64, Event)>>,
    router: Router,
    phones: Vec<Client>,
    /// Which phone has had which Client-ID.
    owners: BTreeMap<ClientId, usize>,
    sps: Vec<Sp>,
    asked: u64,
    ended: BTreeMap<String, Option<Code>>,
    expiries: BTreeMap<(usize, String), u32>,
    /// Whatever clients were called by the server.
    dpe2: BTreeSet<Token>,
}

fn phone(number: usize) -> Client {
    Client::new(&client::Profile {
        config: dpe_core::config::ClientConfig { server_addresses: vec!["dpe".into()], ..Default::default() },
        version: "1.0".into(),
        device: Some(Identity::new("mac", &format!("00000000000{number}"))),
        user: Some(Identity::new("msisdn", &format!("555000{number}"))),
        contact: None,
        token: None,
    })
}

impl World {
    fn new(seed: u64) -> Self {
        let mut config = Config::default();
        config.sp.window_threshold = 30;
        let mut router = Router::new(&Profile::new(config).unwrap());
        for (at, id) in SPS.iter().enumerate() {
            let network = Network::try_from(format!("192.0.2.{at}")).unwrap();
            router.add_sp(SpProfile::new((*id).try_into().unwrap(), vec![network]));
        }
        Self {
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            now: 1_000_000,
            steps: 0,
            lossy: true,
            events: BinaryHeap::new(),
            router,
            phones: (0..PHONES).map(phone).collect(),
            owners: BTreeMap::new(),
            sps: SPS.iter().map(|id| Sp::new(&sp::Profile::new((*id).try_into().unwrap()))).collect(),
            asked: 0,
            ended: BTreeMap::new(),
            expiries: BTreeMap::new(),
            dpe2: BTreeSet::new(),
        }
    }

    fn roll(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn env(&mut self) -> Env {
        self.steps += 1;
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.steps.to_be_bytes());
        Env { now: Tick(self.now), wall: UnixMillis(self.now), entropy }
    }

    fn send(&mut self, event: &Event) {
        let is_radio = matches!(event, Event::ToServer(..) | Event::ToPhone(..));
        let copies = match self.roll(100) {
            0..20 if self.lossy && is_radio => 0,
            // A copy of an old set that comes late makes its group again: nothing in the protocol lets a client tell.
            20..30 if self.lossy && matches!(event, Event::ToServer(..)) => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let at = self.now + 1 + self.roll(if self.lossy { 3000 } else { 50 });
            let order = self.roll(u64::MAX);
            self.events.push(std::cmp::Reverse((at, order, event.clone())));
        }
    }

    fn effects(&mut self, effects: Vec<Effect>, from: Option<usize>) {
        for effect in effects {
            match effect {
                Effect::Reply(body) => {
                    if let Some(phone) = from {
                        self.send(&Event::ToPhone(phone, body.to_vec()));
                    }
                }
                Effect::ToClient(client, link) => {
                    let message = read(&link.body);
                    let ids = [&message.message_id, &message.group_id, &message.policy_id];
                    self.dpe2.extend(ids.into_iter().filter_map(Ie::get).filter(|id| !id.is_all()).cloned());
                    if let Some(phone) = self.owners.get(&client).copied() {
                        self.send(&Event::ToPhone(phone, link.body.to_vec()));
                    }
                }
                Effect::ToSp(sp, message) => {
                    let at = SPS.iter().position(|id| *id == sp.as_str()).unwrap();
                    self.watch(at, &message.body);
                    self.send(&Event::ToSp(at, message.body.to_vec()));
                }
                Effect::Ignore | Effect::Device(..) | Effect::Gate(..) => {}
                Effect::Ask(..) => panic!("nothing is filtered"),
            }
        }
    }

    /// What an SP may see.
    fn watch(&mut self, sp: usize, body: &[u8]) {
        let message = read(body);
        assert_eq!(message.sp_id.get().map(Token::as_str), Some(SPS[sp]));
        for id in [&message.message_id, &message.group_id, &message.policy_id].into_iter().filter_map(Ie::get) {
            assert!(!self.dpe2.contains(id), "{id} is an identifier of DPE-2");
        }
        for id in [&message.group_id, &message.policy_id].into_iter().filter_map(Ie::get) {
            assert!(id.as_str().starts_with(SPS[sp]), "{id} at {}", SPS[sp]);
        }
        let text = String::from_utf8_lossy(body).into_owned();
        assert!(!text.contains("555000"), "no identity crosses DPE-3: {text}");
        if message.status == Ie::Is(Code::POLICY_EXPIRED) && message.kind.is_report() {
            let key = (sp, message.message_id.get().unwrap().to_string());
            let times = self.expiries.entry(key).or_default();
            *times += 1;
            assert_eq!(*times, 1, "a policy expires once");
        }
    }

    fn phone_input(&mut self, at: usize, input: client::Input) {
        let mut todo = vec![input];
        while let Some(input) = todo.pop() {
            let env = self.env();
            let mut out = Vec::new();
            self.phones[at].handle(&env, input, &mut out).unwrap();
            for output in out {
                match output {
                    client::Output::Ask(question) => {
                        let worth = |of: &dpe_core::wire::PropertyName| match of.as_str() {
                            "muted" => Reading::without(of.clone(), Code::NOT_SUPPORTED),
                            _ => Reading::of(of.clone(), Value::integer(i64::try_from(self.now % 100).unwrap())),
                        };
                        let readings = question.names.iter().map(worth).collect();
                        todo.push(question.answer(readings));
                    }
                    client::Output::Send(channel, body) => {
                        self.send(&Event::ToServer(at, channel == Channel::Register, body.to_vec()));
                    }
                    client::Output::Report(_) => {}
                }
            }
        }
    }

    fn sp_input(&mut self, at: usize, input: sp::Input) {
        let env = self.env();
        let mut out = Vec::new();
        if self.sps[at].handle(&env, input, &mut out).is_err() {
            return;
        }
        for output in out {
            match output {
                Output::Send(_, body) => self.send(&Event::FromSp(at, body.to_vec())),
                Output::Done(done) => {
                    let before = self.ended.insert(done.tag.clone(), done.status);
                    assert_eq!(before, None, "{} ended twice", done.tag);
                }
                _ => {}
            }
        }
    }

    fn deliver(&mut self, event: Event) {
        let env = self.env();
        match event {
            Event::ToServer(phone, is_registration, bytes) => {
                let source = Source::at([10, 0, 0, u8::try_from(phone).unwrap()].into());
                let body = Body::from(bytes);
                let effects = if is_registration {
                    self.router.register(&env, &source, &body)
                } else {
                    self.router.from_client(&env, None, &source, &body)
                };
                let effects = effects.unwrap();
                for effect in &effects {
                    if let Effect::Reply(body) = effect
                        && let Some(token) = read(body).client_id.get()
                        && read(body).kind == Kind::RegisterResponse
                    {
                        self.owners.insert(token.clone().try_into().unwrap(), phone);
                    }
                }
                self.effects(effects, Some(phone));
            }
            Event::FromSp(at, bytes) => {
                let source = Source::at([192, 0, 2, u8::try_from(at).unwrap()].into());
                let effects = self.router.from_sp(&env, &source, &Body::from(bytes)).unwrap();
                self.effects(effects, None);
            }
            Event::ToPhone(at, bytes) => {
                self.phone_input(at, client::Input::Received(client::Sender::Name("dpe".into()), bytes.into()));
            }
            Event::ToSp(at, bytes) => self.sp_input(at, sp::Input::Received(bytes.into())),
        }
    }

    /// Lets time pass, with everything that happens in it.
    fn pass(&mut self, millis: u64) {
        let end = self.now + millis;
        loop {
            let phones = self.phones.iter().filter_map(|phone| phone.deadline().map(|deadline| deadline.at.0));
            let sps = self.sps.iter().filter_map(|sp| sp.deadline().map(|deadline| deadline.at.0));
            let router = self.router.deadline().map(|at| at.0);
            let message = self.events.peek().map(|std::cmp::Reverse((at, ..))| *at);
            let next = phones.chain(sps).chain(router).chain(message).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if message.is_some_and(|at| at <= self.now) {
                let std::cmp::Reverse((_, _, event)) = self.events.pop().unwrap();
                self.deliver(event);
                continue;
            }
            let env = self.env();
            let effects = self.router.wake(&env).unwrap();
            self.effects(effects, None);
            for at in 0..PHONES {
                self.phone_input(at, client::Input::Wake);
            }
            for at in 0..SPS.len() {
                self.sp_input(at, sp::Input::Wake);
            }
        }
        self.now = end;
    }

    /// One of the SPs asks one of the clients for something.
    fn ask(&mut self) {
        let known: Vec<ClientId> = self.owners.keys().cloned().collect();
        if known.is_empty() {
            return;
        }
        let at = usize::try_from(self.roll(2)).unwrap();
        let pick = usize::try_from(self.roll(known.len() as u64)).unwrap();
        let which = self.roll(3);
        let group = || format!("{}-g{which}", SPS[at]).as_str().try_into().unwrap();
        let policy = || format!("{}-p{which}", SPS[at]).as_str().try_into().unwrap();
        let threshold = Terms::new("Periodic", &[("interval", "60")]);
        let what = match self.roll(8) {
            0 => What::Query(vec![name("batteryLevel"), name("muted")]),
            1 => What::Query(vec![name("OSName")]),
            2 => What::GroupSet(group(), vec![name("batteryLevel"), name("OSName")]),
            3 => What::GroupQuery(group()),
            4 => What::GroupRelease(group()),
            5 => What::PolicySet(policy(), Watched::Property(name("batteryLevel")), threshold, Some(200)),
            6 => What::PolicySet(policy(), Watched::Group(group()), threshold, Some(400)),
            _ => What::PolicyRelease(policy()),
        };
        self.asked += 1;
        let tag = format!("{}-{}", SPS[at], self.asked);
        let before = self.sps[at].unfinished();
        let request = sp::Request { tag: tag.clone(), client: Some(known[pick].clone()), what };
        self.sp_input(at, sp::Input::Request(request));
        // A name that is in use is refused by the SP's own machine: that is no request.
        if self.sps[at].unfinished() == before && !self.ended.contains_key(&tag) {
            self.asked -= 1;
        }
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for at in 0..PHONES {
        world.phone_input(at, client::Input::Start);
    }
    for _ in 0..120 {
        let pause = world.roll(20_000);
        world.pass(pause);
        match world.roll(12) {
            0 => {
                let at = usize::try_from(world.roll(PHONES as u64)).unwrap();
                world.phones[at] = phone(at);
                world.phone_input(at, client::Input::Start);
            }
            _ => world.ask(),
        }
    }
    world.lossy = false;
    world.pass(3_600_000);
    let unanswered: Vec<_> = world.ended.iter().filter(|(_, status)| status.is_none()).collect();
    assert!(unanswered.is_empty(), "no answer: {unanswered:?}");
    assert_eq!(world.ended.len() as u64, world.asked, "every request ends");
    for sp in &world.sps {
        assert_eq!(sp.unfinished(), 0);
        assert_eq!(sp.policies().count(), 0, "all have expired, and their SPs know");
    }
    // A last registration on a whole network makes everything whole.
    for at in 0..PHONES {
        world.phone_input(at, client::Input::Start);
    }
    world.pass(600_000);
    let held: usize = world.phones.iter().map(|phone| phone.settings().0).sum();
    let policies: usize = world.phones.iter().map(|phone| phone.settings().1).sum();
    assert_eq!(policies, 0, "no client reports for nobody");
    assert!(world.phones.iter().all(|phone| phone.phase() == PhaseKind::Registered));
    let mut answered = 0;
    for (at, id) in SPS.iter().enumerate() {
        let known: Vec<ClientId> = world.owners.keys().cloned().collect();
        for which in 0..3 {
            for client in &known {
                let group = format!("{id}-g{which}").as_str().try_into().unwrap();
                let request = sp::Request {
                    tag: format!("end-{id}-{which}-{client}"),
                    client: Some(client.clone()),
                    what: What::GroupQuery(group),
                };
                world.sp_input(at, sp::Input::Request(request));
                world.pass(61_000);
            }
        }
    }
    for (tag, status) in world.ended.iter().filter(|(tag, _)| tag.starts_with("end-")) {
        match status {
            Some(Code::OK) => answered += 1,
            Some(Code::GROUP_ID_NOT_REGISTERED | Code::CLIENT_ID_NOT_REGISTERED) => {}
            other => panic!("{tag}: {other:?}"),
        }
    }
    assert_eq!(answered, held, "what is on the clients is what the SPs can ask for");
    let sp = SpId::try_from(SPS[0]).unwrap();
    assert!(world.router.gate(&sp).unwrap().size() <= 6, "nothing is left over");
}

#[test]
fn every_request_ends_once_whatever_the_network_does() {
    for seed in 1..=25 {
        println!("seed {seed}");
        run(seed);
    }
}
