//! What a DPE world consists of, and what goes wrong in it.

use std::collections::{BTreeMap, VecDeque};

use core_kit::{Millis, Tick};
use dpe_core::{
    client,
    config::{ClientConfig, Config, ResponseMode, SpProfile},
    identity::{Network, Source},
    server, sp,
    wire::{Identity, Secret},
};

use super::{
    Backend, Device, Doing, Party, Rules, Server, Sp, Watched, device::SERVER_NAME, outline::outline, run::Run,
};
use crate::{
    Bounds, CrashPlan, Decider, Decision, Extent, FaultId, Group, Halt, Link, Mode, NodeId, Permille, Site, Span,
    Strike, Swarm, Trouble, Who, World, draw_sequence,
};

/// The first node of each kind; the others follow. Devices are numbered from 1.
pub(super) const FIRST_SP: u32 = 100;
pub(super) const FIRST_SERVER: u32 = 1_000;

const PLAN: Site = Site("device.plan");
const WISHES: Site = Site("sp.plan");

/// What clients prove themselves by where the server asks for it.
const TOKEN: &str = "a-token-from-the-factory";
const MINUTE: u64 = 60_000;
/// How long messages that stall may be on their way, and those that wait behind them.
const STALLED: u64 = 120 * MINUTE;
/// How often everything has a chance to happen to a device.
const CHANCES: u32 = 6;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// How messages fare, all of them.
    pub link: Link,
    /// Crashes of server nodes.
    pub server_crashes: u32,
    /// Crash points that server nodes pass, two at each commit: crashes fall among them.
    pub server_points: u32,
    /// Crashes of devices, which keep their memory.
    pub device_crashes: u32,
    /// Crashes of SPs, which keep theirs.
    pub sp_crashes: u32,
    /// How long a crashed node is down.
    pub down: Span,
    /// How often another server node is given the same input, and commits first.
    pub lost_races: Permille,
    /// Devices that lose their memory.
    pub wipes: u32,
    /// Times that two users exchange their SIMs, or that one leaves a device without any.
    pub swaps: u32,
    /// Users that want no session for a while.
    pub declines: u32,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        link: Link::PERFECT,
        server_crashes: 0,
        server_points: 600,
        device_crashes: 0,
        sp_crashes: 0,
        down: Span::new(200, 20_000),
        lost_races: Permille::NEVER,
        wipes: 0,
        swaps: 0,
        declines: 0,
    };

    /// What `cargo xtask sim --scenario dpe` does to seed after seed: one message in ten lost, one in ten doubled, some
    /// reordered, some commits lost, with an odd seed crashes of server nodes, devices and SPs, and with most seeds users
    /// that change their devices.
    #[must_use]
    pub const fn rough(seed: u64) -> Self {
        let link = Link {
            delay: Span::new(20, 900),
            loss: Permille::new(100),
            duplication: Permille::new(100),
            late: Span::new(0, MINUTE),
            reordering: Permille::new(50),
            held: Span::new(1_000, 40_000),
        };
        let crashes = (seed % 2) as u32;
        Self {
            link,
            server_crashes: 4 * crashes,
            device_crashes: 3 * crashes,
            sp_crashes: crashes,
            lost_races: Permille::new(50),
            wipes: (seed / 2 % 3) as u32,
            swaps: (seed / 4 % 3) as u32,
            declines: (seed / 8 % 2) as u32,
            ..Self::NONE
        }
    }
}

/// What a run of `dpe-swarm` draws its faults from, and how often each comes at most: of messages in all that are sent, of
/// nodes and runs in all that there are, and of what parties do in all the chances that they get.
#[must_use]
pub fn menu() -> Swarm {
    use FaultId as F;
    let messages = [F::F01, F::F02, F::F03, F::F04, F::F05, F::F06, F::F11, F::F12, F::F13, F::F14, F::F15];
    let damage = [F::F07, F::F08, F::F09, F::F10];
    let troubles = [F::F16, F::F17, F::F18, F::F19, F::F20, F::F21];
    let nodes = [F::F22, F::F25, F::F27, F::F35, F::F36, F::F37, F::F38, F::F39];
    let disks = [F::F29, F::F30, F::F31, F::F32, F::F33, F::F34];
    let lives = [F::F23, F::F24, F::F28, F::F50, F::F48];
    let peers = [F::F40, F::F41, F::F43, F::F44, F::F45, F::F46, F::F47];
    Swarm::CALM
        .with_all(&messages, Permille::new(30))
        .with_all(&damage, Permille::new(20))
        .with_all(&troubles, Permille::new(500))
        .with_all(&nodes, Permille::new(200))
        .with_all(&disks, Permille::new(8))
        .with_all(&lives, Permille::new(40))
        .with_all(&peers, Permille::new(100))
        .with_all(&[F::F42, F::F49], Permille::new(30))
        .with(F::F25, Permille::new(500))
        .with(F::F26, Permille::new(15))
        .with(F::F51, Permille::ALWAYS)
}

/// Devices, SPs, the nodes of one server, and the faults, until all is healed.
///
/// ```
/// use transport_sim::dpe::{Faults, Scenario};
///
/// let mut scenario = Scenario::rough(4711);
/// (scenario.devices, scenario.wishes) = (4, 5);
/// let run = scenario.run();
/// assert_eq!(run.failures(), Vec::<String>::new());
/// assert_eq!(run.trace, scenario.run().trace);
/// ```
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What everything random follows from.
    pub seed: u64,
    /// What goes wrong.
    pub faults: Faults,
    /// What else goes wrong: a swarm is drawn from it.
    pub menu: Swarm,
    /// Devices, up to 99.
    pub devices: u32,
    /// Service providers, up to 99. The first two may look up the Client-IDs of users.
    pub sps: u32,
    /// Nodes of the server; everybody sends each message to any of them.
    pub servers: u32,
    /// How often each SP wants something, one time after the other.
    pub wishes: u32,
    /// How often each SP wants something at one and the same time.
    pub burst: u32,
    /// How often the properties of each device change.
    pub samples: u32,
    /// Registrations of devices that are sent twice.
    pub twice: u32,
    /// When everything that goes wrong is over. Nobody asks for anything after that, and every client registers twice more.
    pub heal: Tick,
    /// Whether it is over then. If not, faults go on to the end, and no rule asks for what must come true after them.
    pub heals: bool,
    /// What a run is to see.
    pub extent: Extent,
    /// How the server behaves. Where it asks for tokens, the clients have one.
    pub config: Config,
    /// How far a run may go.
    pub bounds: Bounds,
}

impl Scenario {
    /// The name of this scenario, for the command line.
    pub const NAME: &'static str = "dpe";

    /// The name of the scenario with all faults.
    pub const SWARM: &'static str = "dpe-swarm";
    /// The names of all scenarios.
    pub const NAMES: [&'static str; 3] = [Self::NAME, Self::SWARM, "dpe-small"];

    /// The scenario of this name as it runs for a seed; nothing where there is none.
    #[must_use]
    pub fn named(name: &str, seed: u64) -> Option<Self> {
        match name {
            Self::NAME => Some(Self::rough(seed)),
            Self::SWARM => Some(Self::swarm(seed)),
            "dpe-small" => Some(Self::small(seed)),
            _ => None,
        }
    }

    /// 20 devices and 4 SPs for ten minutes, in which nothing goes wrong.
    #[must_use]
    pub fn standard(seed: u64) -> Self {
        let mut config = Config::default();
        (config.sp.window_seconds, config.sp.window_threshold) = (30, 6);
        // So that what was given up is forgotten before the end.
        config.obsolete_client_id.retention = Millis(4 * MINUTE);
        Self {
            seed,
            faults: Faults::NONE,
            menu: Swarm::CALM,
            devices: 20,
            sps: 4,
            servers: 3,
            wishes: 12,
            burst: 8,
            samples: 3,
            twice: 0,
            heal: Tick(8 * MINUTE),
            heals: true,
            extent: Extent::Whole,
            config,
            bounds: Bounds { until: Tick(4 * 60 * MINUTE), events: 100_000 },
        }
    }

    /// The standard scenario with [`Faults::rough`].
    #[must_use]
    pub fn rough(seed: u64) -> Self {
        Self { faults: Faults::rough(seed), ..Self::standard(seed) }
    }

    /// The same with few devices and SPs, where many runs are wanted and not many messages.
    #[must_use]
    pub fn small(seed: u64) -> Self {
        let mut scenario = Self { devices: 3, sps: 2, wishes: 6, samples: 3, ..Self::rough(seed) };
        scenario.config.cache.ttl = Millis(MINUTE);
        scenario
    }

    /// 8 devices and 3 SPs in which everything goes wrong that the catalogue has for DPE: some of it in each seed.
    #[must_use]
    pub fn swarm(seed: u64) -> Self {
        let mut scenario = Self::standard(seed);
        (scenario.devices, scenario.sps, scenario.menu) = (8, 3, menu());
        (scenario.samples, scenario.twice) = (6, 4);
        // What users do is no fault of anybody.
        (scenario.faults.swaps, scenario.faults.declines) = ((seed % 2) as u32, 1 + (seed / 2 % 2) as u32);
        scenario.config.reg.require_token = seed / 4 % 2 == 1;
        scenario.faults.link.delay = Span::new(20, 900);
        scenario.config.reg.supported_versions.push("1.1".into());
        // Shorter than the run, so that values go stale in it.
        scenario.config.cache.ttl = Millis(MINUTE);
        // A message may come again after a week.
        scenario.bounds = Bounds { until: Tick(30 * 24 * 60 * MINUTE), events: 1_000_000 };
        scenario
    }

    /// Runs it, drawing every choice from the seed.
    #[must_use]
    pub fn run(&self) -> Run {
        self.run_with(Decider::from_seed(self.seed))
    }

    /// Runs it with the choices of an earlier run, or with some of them.
    #[must_use]
    pub fn replay(&self, decisions: &[Decision]) -> Run {
        self.run_with(Decider::from_decisions(self.seed, decisions))
    }

    fn run_with(&self, decider: Decider) -> Run {
        let (world, halt) = self.world(decider, false);
        Run::of(self.seed, world, halt)
    }

    /// The run with these choices as a picture for people, with what each message says.
    #[must_use]
    pub fn draw(&self, decisions: &[Decision]) -> String {
        let (mut world, _) = self.world(Decider::from_decisions(self.seed, decisions), true);
        let (traffic, marks) = (world.take_traffic(), world.take_marks());
        let name = |id| world.name(id).unwrap_or_default().to_owned();
        draw_sequence(&traffic, &marks, name, |message| outline(&message.bytes))
    }

    fn world(&self, mut decider: Decider, is_drawn: bool) -> (World<Party>, Halt) {
        let Faults { server_crashes, server_points, down, lost_races, .. } = self.faults;
        let first = Who::alone(NodeId(FIRST_SERVER));
        let crashes = CrashPlan::draw(&mut decider, first, server_crashes, server_points, down);
        // Whether the configuration can work at all is checked where it is made.
        let profile = server::Profile::new(self.config.clone()).unwrap_or_default();
        let mut backend = Backend::new(profile, crashes, lost_races);
        let plans = self.plans(&mut decider);
        let wishes: Vec<_> = self.sp_nodes().map(|node| self.wishes_of(&mut decider, node)).collect();
        let falls = self.falls(&mut decider);
        for node in self.device_nodes() {
            backend.locate(node, &contact(node), Source::at([10, 0, 0, last(node)].into()));
        }
        let mut sps = Vec::new();
        for (node, wishes) in self.sp_nodes().zip(wishes) {
            let (Ok(id), Ok(network)) = (contact(node).as_str().try_into(), Network::try_from(address(node).as_str()))
            else {
                continue;
            };
            let mut own = SpProfile::new(id, vec![network]);
            (own.callback, own.response_mode) = (Some(contact(node)), ResponseMode::Callback);
            let may_look_up = node.0 < FIRST_SP + 2;
            if may_look_up {
                own.query_key_schemes = vec!["msisdn".into()];
            }
            let users = if may_look_up { self.device_nodes().map(user).collect() } else { Vec::new() };
            let mut machine = sp::Profile::new(own.id.clone());
            machine.window = Millis::from_secs(u64::from(self.config.sp.window_seconds));
            // Longer than any answer takes: no request is to be given up.
            machine.answer_timeout = Millis(if self.menu == Swarm::CALM { 60 * MINUTE } else { 24 * 60 * MINUTE });
            backend.locate(node, &contact(node), Source::at([192, 0, 2, last(node)].into()));
            backend.onboard(own, node);
            sps.push((node, Sp::new(&machine, self.server_nodes().collect(), users, wishes)));
        }

        let swarm = Swarm::draw(&mut decider, &self.menu);
        let bottleneck = self.bottleneck(&mut decider, &swarm);
        let mut world = World::builder(decider, backend).link(self.faults.link).checker(self.rules());
        for (node, plan) in plans {
            let device = Device::new(self.client_profile(node), self.server_nodes().collect(), plan);
            world = world.node(node, "device", Party::Device(Box::new(device)));
        }
        for (node, sp) in sps {
            world = world.node(node, &contact(node), Party::Sp(Box::new(sp)));
        }
        for node in self.server_nodes() {
            world = world.node(node, "server", Party::Server(Server::default()));
        }
        for (node, at, down) in falls {
            world = world.strike(at, Strike::Crash(node, down));
        }
        if let Some((at, strike)) = bottleneck {
            world = world.strike(at, strike);
        }
        let mut world = world.faults(swarm, Millis(self.heal.0)).build();
        if is_drawn {
            world.keep_traffic();
        }
        world.extend_to(self.extent);
        let mode = if self.heals { Mode::Converge { heal: self.heal } } else { Mode::Safety };
        let halt = world.run_in(mode, self.bounds);
        world.finish();
        (world, halt)
    }

    fn rules(&self) -> Rules {
        let rules = Rules::new(self.watched());
        if self.heals { rules } else { rules.without_rest() }
    }

    /// What the rules know beforehand.
    pub(super) fn watched(&self) -> Watched {
        let devices = self.device_nodes().map(|node| (node, contact(node))).collect();
        let sps = self.sp_nodes().map(|node| (node, contact(node))).collect();
        // A device whose hardware was swapped has another address.
        let of_devices = self.device_nodes().flat_map(|node| {
            let text = device_identity(node).text;
            [text.replacen("5a", "5b", 1), text]
        });
        let of_users = self.device_nodes().map(|node| user(node).text);
        Watched { devices, sps, identities: of_devices.chain(of_users).collect(), config: self.config.clone() }
    }

    /// What happens to each device, and when.
    fn plans(&self, decider: &mut Decider) -> BTreeMap<NodeId, VecDeque<(Tick, Doing)>> {
        let mut plans: BTreeMap<NodeId, Vec<(Tick, Doing)>> = BTreeMap::new();
        let mut within = |node, from: u64, to: u64| {
            let options = u32::try_from(to.saturating_sub(from)).unwrap_or(1);
            Tick(from + u64::from(decider.choose(PLAN, Who::alone(node), options)))
        };
        let heal = self.heal.0;
        for node in self.device_nodes() {
            let plan = plans.entry(node).or_default();
            plan.push((within(node, 0, 30_000), Doing::Register));
            for _ in 0..self.samples {
                plan.push((within(node, MINUTE, heal), Doing::Sample));
            }
            if self.menu != Swarm::CALM {
                plan.extend((0..CHANCES).map(|_| (within(node, MINUTE, heal), Doing::Chance)));
            }
            // Late copies are over by then, and so are the crashes; what the swarm has stalled is on its way for longer.
            let calm = if self.menu == Swarm::CALM { heal } else { heal + STALLED };
            plan.push((within(node, calm + 2 * MINUTE, calm + 3 * MINUTE), Doing::Register));
            // Whoever took a user over in the first round did not tell the device that lost it: that learns it in the second.
            plan.push((within(node, calm + 4 * MINUTE, calm + 5 * MINUTE), Doing::Register));
        }
        for number in 0..self.twice {
            let node = self.pick(number, 9);
            plans.entry(node).or_default().push((within(node, MINUTE, heal), Doing::Twice));
        }
        let Faults { wipes, swaps, declines, .. } = self.faults;
        for (number, doing) in (0..wipes).map(|n| (n, Doing::Wipe)) {
            let node = self.pick(number, 3);
            plans.entry(node).or_default().push((within(node, MINUTE, heal), doing));
        }
        for number in 0..declines {
            let node = self.pick(number, 5);
            let at = within(node, MINUTE, heal - MINUTE);
            let plan = plans.entry(node).or_default();
            plan.push((at, Doing::Want(false)));
            plan.push((within(node, at.0, heal), Doing::Want(true)));
        }
        let mut users: BTreeMap<NodeId, Option<Identity>> =
            self.device_nodes().map(|node| (node, Some(user(node)))).collect();
        for number in 0..swaps {
            let (one, other) = (self.pick(number, 7), self.pick(number, 8));
            // Each exchange comes after the one before, so that a user is on one device at a time.
            let span = (heal - MINUTE) / u64::from(swaps.max(1));
            let at = within(one, MINUTE + span * u64::from(number), MINUTE + span * u64::from(number) + span / 2);
            let (first, second) = (users.get(&one).cloned().flatten(), users.get(&other).cloned().flatten());
            let exchanged = within(one, 0, 2) == Tick(1);
            let for_one = if exchanged { second } else { None };
            for (node, user, at) in [(one, for_one, at), (other, first, Tick(at.0 + 20_000))] {
                users.insert(node, user.clone());
                plans.entry(node).or_default().push((at, Doing::User(user)));
            }
        }
        let sorted = |mut plan: Vec<(Tick, Doing)>| {
            plan.sort_by_key(|(at, _)| *at);
            plan.into()
        };
        plans.into_iter().map(|(node, plan)| (node, sorted(plan))).collect()
    }

    /// A device for the how-manieth event of a kind: another one for each seed, and for each event of a seed.
    fn pick(&self, number: u32, salt: u64) -> NodeId {
        let devices = u64::from(self.devices.max(1));
        let at = self.seed.wrapping_mul(salt).wrapping_add(u64::from(number) * 2 + salt) % devices;
        NodeId(1 + u32::try_from(at).unwrap_or(0))
    }

    /// When an SP wants something.
    fn wishes_of(&self, decider: &mut Decider, node: NodeId) -> VecDeque<Tick> {
        let mut draw = |from: u64, to: u64| {
            let options = u32::try_from(to.saturating_sub(from)).unwrap_or(1);
            Tick(from + u64::from(decider.choose(WISHES, Who::alone(node), options)))
        };
        let mut wishes: Vec<Tick> = (0..self.wishes).map(|_| draw(MINUTE, self.heal.0)).collect();
        let burst = draw(2 * MINUTE, self.heal.0);
        wishes.extend((0..self.burst).map(|_| burst));
        wishes.sort_unstable();
        wishes.into()
    }

    /// Which devices and SPs crash, when, and for how long.
    fn falls(&self, decider: &mut Decider) -> Vec<(NodeId, Tick, Millis)> {
        let Faults { device_crashes, sp_crashes, down, .. } = self.faults;
        let devices = (0..device_crashes).map(|n| self.pick(n, 11));
        let sps = (0..sp_crashes).map(|n| NodeId(FIRST_SP + n % self.sps.max(1)));
        let mut fall = |node| {
            let options = u32::try_from(self.heal.0).unwrap_or(u32::MAX);
            let at = Tick(u64::from(decider.choose(Site("crash.at"), Who::alone(node), options)));
            (node, at, down.draw(decider, Site("crash.down"), Who::alone(node)))
        };
        devices.chain(sps).map(&mut fall).collect()
    }

    fn client_profile(&self, node: NodeId) -> client::Profile {
        client::Profile {
            config: ClientConfig { server_addresses: vec![SERVER_NAME.into()], ..ClientConfig::default() },
            version: "1.0".into(),
            device: Some(device_identity(node)),
            user: Some(user(node)),
            contact: Some(contact(node)),
            token: self.config.reg.require_token.then(|| Secret(TOKEN.into())),
        }
    }

    /// F20: a link has room for very few messages, at a time when there are some.
    fn bottleneck(&self, decider: &mut Decider, swarm: &Swarm) -> Option<(Tick, Strike)> {
        if swarm.rate(FaultId::F20) == Permille::NEVER {
            return None;
        }
        let first = NodeId(FIRST_SERVER);
        let options = u32::try_from(self.heal.0.saturating_sub(3 * MINUTE)).unwrap_or(1);
        let at = MINUTE + u64::from(decider.choose(Site("plan.bottleneck"), Who::alone(first), options));
        let narrow = Trouble::Capacity { to: Group::Nodes([first].into()), per_second: 1 };
        Some((Tick(at), Strike::Trouble(narrow, Millis(2 * MINUTE))))
    }

    fn device_nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.devices.min(99)).map(NodeId)
    }

    fn sp_nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.sps.min(99)).map(|n| NodeId(FIRST_SP + n))
    }

    fn server_nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.servers.max(1)).map(|n| NodeId(FIRST_SERVER.saturating_add(n)))
    }
}

/// The name that a node listens by; of an SP, its SP-ID. No name is part of another one.
pub(super) fn contact(node: NodeId) -> String {
    if node.0 < FIRST_SP { format!("device-{:02}.example", node.0) } else { format!("sp-{}.example", node.0) }
}

pub(super) fn last(node: NodeId) -> u8 {
    u8::try_from(node.0 % 256).unwrap_or(0)
}

pub(super) fn address(node: NodeId) -> String {
    format!("192.0.2.{}", last(node))
}

pub(super) fn device_identity(node: NodeId) -> Identity {
    Identity::new("mac", &format!("02:5a:5a:5a:5a:{:02x}", node.0 % 256))
}

pub(super) fn user(node: NodeId) -> Identity {
    Identity::new("msisdn", &format!("34600555{:03}", node.0))
}
