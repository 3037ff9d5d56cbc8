//! The mixed world: devices with trees of their own, up to three services with different rights, orders of every kind,
//! and everybody who might disturb them. All of it follows from the seed.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use core_kit::{Body, Millis, Tick};
use dm_core::{
    auth::{Account, LockoutLimits, Nonce, Scheme},
    client::Profile,
    codes::AlertCode,
    ids::{DeviceId, JobTag, ServerId},
    notify::{self, UiMode},
    prompt::{Prompt, Wanted},
    server::{self, Entry, Order, Pair, Request},
    tree::{Content, Memory, TreeError},
    wire::Format,
};
use sha2::{Digest, Sha256};

use super::{
    Attacker, Backend, Faults, Party, Pusher, Rogue, Rules, Scenario, Server, Services, Towards, Watched,
    alike::{alert, dev_info, with_sim},
    device::{Contract, Device, Provision, Visit},
    pusher::{Notice, Push},
    scenario::FIRST_SERVER,
    script::{Attack, Chapter, Target},
};
use crate::{Bounds, CrashPlan, Decider, FaultId, Halt, Link, Mode, NodeId, Permille, Span, Swarm, Who, World};

const MINUTE: u64 = 60_000;
/// When all faults are over.
const HEAL: Tick = Tick(4 * 60 * MINUTE);
/// When what they have left is over, too: a message may be on its way for 71 minutes, or stay in a node that stands still
/// for an hour.
const CALM: Tick = Tick(HEAL.0 + 80 * MINUTE);
/// Sessions of each pair of device and service before that, and after it.
const ROUNDS: (u32, u32) = (2, 3);
/// Attacks of any kind, and more with stolen credentials: few of these are of an account that the victim has not.
const ATTACKS: (u32, u32) = (10, 10);
/// Octets of a value that goes in parts.
const OBJECT_BYTES: usize = 3 * 1024;
/// What devices share with their network.
const NETWORK_SECRET: &[u8] = b"of the network";

/// A copy of the first device, where there is one.
const CLONE: NodeId = NodeId(40);
const CLONED: NodeId = NodeId(1);
const ATTACKER: NodeId = NodeId(90);
const ROGUE: NodeId = NodeId(190);
const PUSHER: NodeId = NodeId(191);
const ROGUE_ID: &str = "rogue";
const ROGUE_URL: &str = "https://rogue.example/dm";
const ATTACKER_ID: &str = "IMEI:490000000000000";

pub(super) const LOCKOUT: LockoutLimits =
    LockoutLimits { free: 3, first: Millis(30_000), longest: Millis(10 * MINUTE), forget: Millis(24 * 60 * MINUTE) };

/// What a run of `mixed` draws its faults from, and how often each comes at most: of messages in all that are sent, of
/// nodes and runs in all that there are, of writes in all of a device or a store, of starts of a device in all steps of a
/// session.
#[must_use]
pub fn menu() -> Swarm {
    use FaultId as F;
    let troubles = [F::F16, F::F17, F::F18, F::F19, F::F20, F::F21];
    let nodes = [F::F22, F::F25, F::F27, F::F35, F::F36, F::F37, F::F38, F::F39];
    let disks = [F::F29, F::F30, F::F31, F::F32, F::F33, F::F34];
    Swarm::CALM
        .with_all(&[F::F01, F::F02], Permille::new(100))
        .with_all(&[F::F03, F::F04, F::F05, F::F06], Permille::new(50))
        .with_all(&[F::F07, F::F08, F::F09, F::F10], Permille::new(15))
        .with_all(&[F::F11, F::F13, F::F15], Permille::new(30))
        .with(F::F12, Permille::new(5))
        .with(F::F14, Permille::new(15))
        .with_all(&troubles, Permille::new(500))
        .with_all(&nodes, Permille::new(200))
        .with_all(&[F::F23, F::F24, F::F28], Permille::new(8))
        .with(F::F26, Permille::new(10))
        .with_all(&disks, Permille::new(6))
        .with(F::F51, Permille::ALWAYS)
}

impl Scenario {
    /// Two or three devices, one to three services with two nodes each, a server and a client that break the protocol,
    /// one who sends notifications, good ones and others, and in every other seed a copy of a device. Four hours of
    /// everything that may go wrong, half of it in each seed, and then three rounds of sessions in which nothing does.
    #[must_use]
    pub fn mixed(seed: u64) -> Self {
        Self {
            faults: Faults { link: Link { delay: Span::new(20, 900), ..Link::PERFECT }, ..Faults::NONE },
            heal: Some(HEAL),
            // A message may come again after a week.
            bounds: Bounds { until: Tick(30 * 24 * 60 * MINUTE), events: 200_000 },
            is_mixed: true,
            ..Self::standard(seed)
        }
    }
}

/// Who is in a mixed world.
struct Cast {
    seed: u64,
    services: usize,
    devices: u32,
}

/// Runs the mixed world of a scenario's seed.
pub(super) fn world(scenario: &Scenario, mut decider: Decider) -> (World<Party>, Halt) {
    let cast = Cast::of(scenario.seed);
    let mut services = cast.services(&mut decider);
    // Nothing must come true in the end where nothing ends.
    let calm = |watched| Watched { heals: scenario.heal.map(|_| CALM), ..watched };
    let mut watched: BTreeMap<NodeId, Watched> =
        cast.devices().map(|device| (device, calm(cast.watched(device)))).collect();
    services.tap();
    let devices: Vec<(NodeId, Provision)> =
        cast.devices().map(|device| (device, cast.provision(device, &mut decider))).collect();
    let clone = cast.clone_of(CLONED, &mut decider);
    if clone.is_some() {
        watched.insert(CLONE, cast.watched(CLONED));
    }
    let swarm = Swarm::draw(&mut decider, &menu());
    let mut world = World::new(decider, scenario.faults.link, services);
    world.watch(Box::new(Rules::new(watched).with_all()));
    world.extend_to(scenario.extent);
    world.keep_traffic();
    for (node, known) in devices {
        world.add(node, "device", Party::Device(Box::new(Device::new(known))));
    }
    if let Some(known) = clone {
        world.add(CLONE, "clone", Party::Device(Box::new(Device::new(known))));
    }
    for service in 0..cast.services {
        for node in nodes(service) {
            world.add(node, "server", Party::Server(Box::new(Server::of(service))));
        }
    }
    world.add(ROGUE, "rogue", Party::Rogue(Box::new(Rogue::new(ROGUE_URL, cast.chapters()))));
    world.add(ATTACKER, "attacker", Party::Attacker(Box::new(cast.attacker())));
    world.add(PUSHER, "pusher", Party::Pusher(Box::new(Pusher::new(cast.pushes()))));
    world.unleash(&swarm, Millis(HEAL.0));
    if let Some(heal) = scenario.heal {
        world.run(Bounds { until: heal, ..scenario.bounds });
        world.shared_mut().heal();
        world.run_in(Mode::Converge { heal }, Bounds { until: CALM, ..scenario.bounds });
        cast.give_last(world.shared_mut());
        // A late copy may have got that, or a session that broke off. It is asked for: no clock is a round ahead.
        for round in 0..ROUNDS.1 - 1 {
            world.run(Bounds { until: Tick(calm_visit(round, 0).0 - 1), ..scenario.bounds });
            cast.give_last(world.shared_mut());
        }
    }
    let halt = world.run(scenario.bounds);
    world.finish();
    (world, halt)
}

/// When all devices turn to a service in a round after all is calm.
fn calm_visit(round: u32, service: usize) -> Tick {
    Tick(CALM.0 + (30 + 20 * u64::from(round) + 5 * service as u64) * MINUTE)
}

fn nodes(service: usize) -> [NodeId; 2] {
    let first = FIRST_SERVER + 10 * u32::try_from(service).unwrap_or(0);
    [NodeId(first), NodeId(first + 1)]
}

fn server_id(service: usize) -> String {
    format!("srv{service}")
}

fn url(service: usize) -> String {
    format!("https://s{service}.example/dm")
}

fn device_id(device: NodeId) -> String {
    format!("IMEI:49300510059280{}", device.0)
}

impl Cast {
    fn of(seed: u64) -> Self {
        let one = Self { seed, services: 1, devices: 2 };
        let devices = 2 + u32::try_from(one.pick("devices", 2)).unwrap_or(0);
        let services = 1 + usize::try_from(one.pick("services", 3)).unwrap_or(0);
        Self { services, devices, ..one }
    }

    /// A number below `options` that belongs to the label.
    fn pick(&self, label: &str, options: u64) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(label);
        let octets: [u8; 32] = hash.finalize().into();
        let head = octets.first_chunk::<8>().map_or(0, |head| u64::from_be_bytes(*head));
        head % options.max(1)
    }

    /// The same as an index.
    fn index(&self, label: &str, options: u64) -> usize {
        usize::try_from(self.pick(label, options)).unwrap_or_default()
    }

    fn devices(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.devices).map(NodeId)
    }

    /// The last device has no account before a bootstrap comes.
    fn is_blank(&self, device: NodeId) -> bool {
        device.0 == self.devices
    }

    fn scheme(&self, device: NodeId, service: usize) -> Scheme {
        match self.pick(&format!("scheme {device} {service}"), 4) {
            0 => Scheme::Mac,
            1 => Scheme::Basic,
            _ => Scheme::Md5,
        }
    }

    /// What device and server prove themselves with, as the server has it.
    fn accounts(&self, device: NodeId, service: usize) -> (Account, Account) {
        let scheme = self.scheme(device, service);
        // Nobody shows a device a password.
        let proves = if scheme == Scheme::Basic { Scheme::Md5 } else { scheme };
        let mut client = Account::new(&format!("user{device}"), &format!("wood-anemone-{device}-{service}"), scheme);
        let mut server = Account::new(&server_id(service), &format!("kingfisher-{device}-{service}"), proves);
        client.nonce = Nonce::new(format!("client {device} {service}").as_bytes());
        server.nonce = Nonce::new(format!("server {device} {service}").as_bytes());
        (client, server)
    }

    /// The accounts as the device has them, and those of the rogue server, which its transport proves.
    fn contract(&self, device: NodeId, service: usize) -> Contract {
        let (mut own, mut server) = self.accounts(device, service);
        if self.pick(&format!("stale {device} {service}"), 3) == 0 {
            own.nonce = Nonce::new(b"of another time");
            server.nonce = Nonce::new(b"of another time, too");
        }
        let mut profile = Profile::new(device_id(device).as_str(), url(service), server_id(service).as_str());
        (profile.first, profile.weakest, profile.server_scheme) = (Some(own.scheme), own.scheme, Some(server.scheme));
        if self.pick(&format!("waits {device} {service}"), 4) == 0 {
            profile.first = None;
        }
        self.bound(&mut profile, device);
        Contract::new(profile, nodes(service).into(), own, server)
    }

    fn rogue_contract(&self, device: NodeId) -> Contract {
        let mut profile = Profile::new(device_id(device).as_str(), ROGUE_URL, ROGUE_ID);
        (profile.first, profile.server_scheme) = (None, None);
        self.bound(&mut profile, device);
        let account = Account::new(ROGUE_ID, "none", Scheme::Md5);
        Contract::new(profile, vec![ROGUE], account.clone(), account)
    }

    fn bound(&self, profile: &mut Profile, device: NodeId) {
        let sizes = [2 * 1024, 4 * 1024, 64 * 1024];
        let size = self.index(&format!("device size {device}"), 3);
        profile.max_msg_size = sizes.get(size).copied();
        profile.max_obj_size = Some(64 * 1024);
        profile.prompts = vec![AlertCode::DISPLAY, AlertCode::CONFIRM];
    }

    /// The packages for a device, and the values of those orders that leave theirs to be fetched.
    fn packages(&self, device: NodeId, service: usize) -> (Vec<Vec<Order>>, BTreeMap<JobTag, Body>) {
        let (mut packages, mut values) = (Vec::new(), BTreeMap::new());
        for package in 0..=ROUNDS.0 {
            let count = 2 + self.pick(&format!("count {device} {service} {package}"), 4);
            let mut orders = Vec::new();
            for n in 0..count {
                let tag = format!("d{device}s{service}p{package}o{n}");
                let kind = self.pick(&tag, KINDS);
                let request = request(kind, service, &format!("{package}{n}"));
                if let Request::Replace(entries) = &request
                    && entries.iter().any(|entry| entry.content.in_parts.is_some())
                {
                    values.insert(tag.as_str().into(), Body::from(object(&tag)));
                }
                orders.push(Order::new(tag, request));
            }
            packages.push(orders);
        }
        (packages, values)
    }

    fn services(&self, decider: &mut Decider) -> Services {
        let service = |service: usize| {
            let mut profile = server::Profile::new(url(service));
            let sizes = [2 * 1024, 4 * 1024, 1024 * 1024];
            profile.max_msg_size = sizes.get(self.index(&format!("server size {service}"), 3)).copied();
            let first = Who::alone(nodes(service)[0]);
            let crashes = u32::try_from(self.pick("server crashes", 3)).unwrap_or(0);
            let crashes = CrashPlan::draw(decider, first, crashes, 60, Span::new(200, 5_000));
            let mut backend = Backend::new(profile, crashes, Permille::new(50));
            backend.keep_past();
            backend.lockout = Some(LOCKOUT);
            backend.tampering = Permille::new(60);
            backend.one_package_each = true;
            for device in self.devices() {
                let (client, own) = self.accounts(device, service);
                let (packages, values) = self.packages(device, service);
                backend.values.extend(values);
                backend.enter(DeviceId::from(device_id(device)), device, client, own, &packages);
            }
            let (own, server) = (attacker_account(), Account::new(&server_id(service), "heron", Scheme::Md5));
            backend.enter(DeviceId::from(ATTACKER_ID), ATTACKER, own, server, &[]);
            backend
        };
        Services::new((0..self.services).map(service).collect())
    }

    /// The services see to it that every device has something to do.
    fn give_last(&self, services: &mut Services) {
        for (service, device) in (0..self.services).flat_map(|one| self.devices().map(move |device| (one, device))) {
            let Some(backend) = services.of_mut(service) else { continue };
            backend.give(&DeviceId::from(device_id(device)), last_order(device, service));
        }
    }

    fn watched(&self, device: NodeId) -> Watched {
        let towards = |service: usize| {
            let Contract { server, .. } = self.contract(device, service);
            Towards {
                service: Some(service),
                server_id: server_id(service).as_str().into(),
                nodes: nodes(service).into(),
                client: self.accounts(device, service).0,
                server,
                orders: self
                    .packages(device, service)
                    .0
                    .into_iter()
                    .flatten()
                    .chain([last_order(device, service)])
                    .collect(),
            }
        };
        let account = Account::new(ROGUE_ID, "none", Scheme::Md5);
        let rogue = Towards {
            service: None,
            server_id: ROGUE_ID.into(),
            nodes: vec![ROGUE],
            client: account.clone(),
            server: account,
            orders: Vec::new(),
        };
        let all = (0..self.services).map(towards).chain([rogue]).collect();
        let has = if self.is_blank(device) { Vec::new() } else { (0..self.services).map(server_id).collect() };
        Watched {
            device: device_id(device).as_str().into(),
            towards: all,
            network_secret: NETWORK_SECRET.to_vec(),
            provisioned: has.iter().map(|id| ServerId::from(id.as_str())).collect(),
            ..Watched::default()
        }
    }

    fn provision(&self, device: NodeId, decider: &mut Decider) -> Provision {
        let crashes = u32::try_from(self.pick(&format!("crashes {device}"), 3)).unwrap_or(0);
        let crashes = CrashPlan::draw(decider, Who::alone(device), crashes, 200, Span::new(200, 60_000));
        let real: Vec<Contract> = (0..self.services).map(|service| self.contract(device, service)).collect();
        let (mut contracts, promised) = if self.is_blank(device) { (Vec::new(), real) } else { (real, Vec::new()) };
        if !self.is_blank(device) {
            contracts.push(self.rogue_contract(device));
        }
        Provision {
            promised: promised.into_iter().map(Arc::new).collect(),
            visits: self.visits(device),
            pause: Millis(6 * MINUTE),
            crashes,
            cannot_undo: self.pick(&format!("undo {device}"), 3) > 0,
            tells_tree: false,
            tampering: Permille::new(60),
            clock_steps: Permille::new(100),
            notices: notify::Policy {
                resync: notify::Resync::On,
                unspecified: notify::Conduct::Silent,
                ..notify::Policy::default()
            },
            has_disk: true,
            network_secret: NETWORK_SECRET.to_vec(),
            ..Provision::of(contracts, self.tree(device).unwrap_or_default())
        }
    }

    /// Another device with all that this one has, that uses it in sessions of its own.
    fn clone_of(&self, device: NodeId, decider: &mut Decider) -> Option<Provision> {
        if self.pick("clone", 2) == 1 {
            return None;
        }
        let mut clone = self.provision(device, decider);
        let at = |n: usize| Tick((10 + self.pick(&format!("clone {n}"), 200)) * MINUTE);
        let mut visits: Vec<Visit> =
            (0..3).map(|n| Visit { at: Some(at(n)), ..Visit::to(n % self.services) }).collect();
        visits.sort_by_key(|visit| visit.at);
        (clone.visits, clone.is_clone) = (visits.into(), true);
        Some(clone)
    }

    fn visits(&self, device: NodeId) -> VecDeque<Visit> {
        let mut visits = VecDeque::new();
        let (reachable, rogue) = if self.is_blank(device) { (1, None) } else { (self.services, Some(self.services)) };
        for round in 0..ROUNDS.0 {
            for contract in (0..reachable).chain(rogue).chain(rogue) {
                let label = format!("visit {device} {contract} {round}");
                let alerts = if self.pick(&label, 3) == 0 && rogue != Some(contract) {
                    vec![alert(&label, self.pick(&label, 2) == 0)]
                } else {
                    Vec::new()
                };
                let aborts = self.pick(&format!("abort {label}"), 6) == 0;
                let aborts_after = aborts.then(|| 1 + u32::try_from(self.pick(&label, 3)).unwrap_or(0));
                let elsewhere = self.pick(&format!("elsewhere {label}"), 12) == 0;
                visits.push_back(Visit { alerts, aborts_after, elsewhere, ..Visit::to(contract) });
            }
        }
        for (round, contract) in (0..ROUNDS.1).flat_map(|round| (0..reachable).map(move |one| (round, one))) {
            visits.push_back(Visit { at: Some(calm_visit(round, contract)), ..Visit::to(contract) });
        }
        visits
    }

    fn tree(&self, device: NodeId) -> Result<Memory, TreeError> {
        let info = dev_info(&device_id(device), &format!("Simulated{}", self.pick(&format!("model {device}"), 9)));
        let root = Memory::builder().dev_info(&info).at(".").acl("Add=*&Get=*&Replace=srv0");
        let mut tree = with_sim(root, "srv0")
            .interior("./Rogue")
            .acl("Add=rogue&Delete=rogue&Get=*&Replace=rogue")
            .leaf("./Rogue/Leaf", "")
            .leaf("./Rogue/Other", "");
        for service in 0..self.services {
            let (at, id) = (format!("./S{service}"), server_id(service));
            tree = tree
                .interior(&at)
                .acl(&format!("Add={id}&Delete={id}&Exec={id}&Get=*&Replace={id}"))
                .leaf(&format!("{at}/Value"), "0")
                .leaf(&format!("{at}/Large"), object(&format!("large {device}")))
                .leaf(&format!("{at}/Big"), "")
                .interior(&format!("{at}/Folder"))
                .leaf(&format!("{at}/Folder/One"), "1");
        }
        tree.finish()
    }

    fn chapters(&self) -> Vec<Chapter> {
        // What needs luck to get far comes more often.
        let often = [Chapter::Interrupted, Chapter::Strays, Chapter::Interrupted];
        let all: Vec<Chapter> = Chapter::ALL.into_iter().chain(often).collect();
        let first = self.index("chapter", all.len() as u64);
        let visits = self.devices as usize * ROUNDS.0 as usize * 2;
        (0..visits).filter_map(|n| all.get((first + n * 3) % all.len()).copied()).collect()
    }

    fn attacker(&self) -> Attacker {
        let mut plan: Vec<(Tick, Attack, Target)> = Vec::new();
        for n in 0..ATTACKS.0 + ATTACKS.1 {
            let label = format!("attack {n}");
            let drawn = Attack::ALL.get(self.index(&label, Attack::ALL.len() as u64)).copied();
            let attack = if (2..ATTACKS.0).contains(&n) { drawn } else { Some(Attack::Steal) };
            let service = self.index(&format!("{label} at"), self.services as u64);
            let victim = NodeId(1 + u32::try_from(self.pick(&format!("{label} of"), self.devices.into())).unwrap_or(0));
            let at = Tick((5 + self.pick(&format!("{label} when"), 200)) * MINUTE);
            let Some(attack) = attack else { continue };
            let target = Target {
                node: nodes(service)[0],
                url: url(service),
                victim: device_id(victim),
                user: format!("user{victim}"),
            };
            // Who guesses guesses more than once.
            let times = if attack == Attack::Guess { 7 } else { 1 };
            plan.extend((0..times).map(|time| (at + Millis(time * 20_000), attack, target.clone())));
        }
        plan.sort_by_key(|(at, ..)| *at);
        Attacker::new(ATTACKER_ID.into(), attacker_account(), plan.into())
    }

    fn pushes(&self) -> VecDeque<(Tick, Push)> {
        let mut plan = Vec::new();
        let blank = NodeId(self.devices);
        let bootstrap = |server: String, secret: &[u8]| Push::Bootstrap {
            device: blank,
            server: server.as_str().into(),
            url: url(0),
            secret: secret.to_vec(),
        };
        plan.push((Tick(MINUTE), bootstrap("evil".into(), b"a guess")));
        // Until the network heals it may be lost, so it comes again.
        plan.push((Tick(2 * MINUTE), bootstrap(server_id(0), NETWORK_SECRET)));
        plan.push((Tick(3 * MINUTE), bootstrap(server_id(0), NETWORK_SECRET)));
        plan.push((Tick(CALM.0 + MINUTE), bootstrap(server_id(0), NETWORK_SECRET)));
        plan.push((Tick(CALM.0 + 2 * MINUTE), bootstrap("other".into(), NETWORK_SECRET)));
        for n in 0..8 {
            let label = format!("push {n}");
            let device =
                NodeId(1 + u32::try_from(self.pick(&format!("{label} to"), (self.devices - 1).into())).unwrap_or(0));
            let service = self.index(&format!("{label} of"), self.services as u64);
            let modes = [UiMode::Background, UiMode::Informative, UiMode::UserInteraction];
            let ui_mode = modes.get(self.index(&label, 3)).copied().unwrap_or_default();
            let session = 0x1000 * (1 + u16::try_from(service).unwrap_or(0)) + n;
            let notice = Notice {
                device,
                id: DeviceId::from(device_id(device)),
                service,
                server: server_id(service).as_str().into(),
                session,
                ui_mode,
            };
            let push = match self.pick(&format!("{label} as"), 6) {
                0 => Push::Forged(notice),
                1 | 2 => Push::Resync(notice),
                3 => Push::Garbage(device),
                _ => Push::Good(notice),
            };
            let at = Tick((10 + self.pick(&format!("{label} when"), 200)) * MINUTE);
            plan.push((at, push));
            if self.pick(&format!("{label} again"), 2) == 0 {
                plan.push((at + Millis(20_000), Push::Again(0)));
                plan.push((at + Millis(25 * MINUTE), Push::Again(self.index(&label, 3))));
            }
        }
        plan.sort_by_key(|(at, _)| *at);
        plan.into()
    }
}

/// What a service wants of a device in the end that has done everything else.
fn last_order(device: NodeId, service: usize) -> Order {
    Order::new(format!("d{device}s{service}last"), Request::Get(vec!["./DevInfo/Man".into()]))
}

fn attacker_account() -> Account {
    Account::new("intruder", "let me in", Scheme::Basic)
}

/// A text that belongs to the label.
fn object(label: &str) -> String {
    let words = [label, " <&> ß "].concat();
    let mut text = words.repeat(OBJECT_BYTES / words.len());
    while text.len() < OBJECT_BYTES {
        text.push('.');
    }
    text
}

/// How many kinds of orders there are.
const KINDS: u64 = 22;

/// What a service has a device do; `mark` makes addresses its own.
fn request(kind: u64, service: usize, mark: &str) -> Request {
    let own = |name: &str| format!("./S{service}/{name}");
    let node = |name: &str| own(name).into();
    let at = |name: &str, text: &str| Entry::text(&own(name), text);
    let text = |uri: &str, text: &str| Request::Replace(vec![Entry::text(uri, text)]);
    let order = |name: &str, request: Request| Order::new(format!("{service} {mark} {name}"), request);
    match kind {
        0 => Request::Get(vec!["./DevInfo/Man".into(), node("Value")]),
        1 => Request::Get(vec![node("Folder"), node("Value?prop=ACL"), node("Missing")]),
        2 => Request::Add(vec![at(&format!("A{mark}"), mark), at(&format!("New{mark}/Deep/Leaf"), mark)]),
        3 => text(&own("Value"), mark),
        4 => Request::Delete(vec![node("Folder/One"), node(&format!("A{mark}"))]),
        5 => Request::Copy(vec![Pair { from: node("Value"), to: node(&format!("C{mark}")) }]),
        6 => Request::Exec { entry: Entry::bare("./Sim/Run"), correlator: None },
        7 => Request::Atomic(vec![
            order("a", Request::Replace(vec![at("Value", "atomic")])),
            order("b", Request::Add(vec![at(&format!("T{mark}"), mark)])),
        ]),
        8 | 20 => Request::Atomic(vec![
            order("a", Request::Replace(vec![at("Value", "undone")])),
            order("b", Request::Add(vec![at(&format!("U{mark}"), mark)])),
            order("c", Request::Replace(vec![at("Missing", "fails")])),
            order("d", Request::Delete(vec![node("Value")])),
        ]),
        9 => Request::Sequence(vec![
            order("a", Request::Replace(vec![at("Value", mark)])),
            order("b", Request::Get(vec![node("Value")])),
            order("c", Request::Add(vec![at(&format!("Q{mark}"), mark)])),
        ]),
        10 => Request::Ask(Prompt::new("Agreed?", Wanted::Consent { default: None })),
        11 | 12 => {
            let content = Content {
                format: Some(Format::Chr),
                media_type: Some("text/plain".into()),
                data: None,
                in_parts: Some(OBJECT_BYTES as u64),
            };
            Request::Replace(vec![Entry { uri: node("Big"), content }])
        }
        13 => Request::Get(vec![node("Large")]),
        14 => text("./?prop=ACL", ""),
        15 => text(&own("Value?prop=ACL"), &format!("Get=*&Replace=srv{service}")),
        16 => text(&own("Folder?prop=Title"), mark),
        17 => Request::Delete(vec!["./Sim/Fixed".into(), "./DevInfo".into()]),
        18 => text("./Sim/ReadOnly", "changed"),
        _ => text("./Sim/Number", "no number"),
    }
}
