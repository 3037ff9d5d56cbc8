//! What a DM world consists of, and what goes wrong in it.

use std::collections::BTreeMap;

use core_kit::{Body, Millis, Tick};
use dm_core::{
    auth::{Account, Nonce, Scheme},
    client,
    codes::StatusCode,
    ids::{DeviceId, JobTag},
    limits::{TreeLimits, WireLimits},
    server::{self, Entry, Order, Request},
    tree::{Memory, TreeError},
    wire::{Command, Encoding, decode},
};

use super::{
    Backend, Nonces, Objects, Party, Rules, Services, Towards, Watched, Whole,
    alike::dev_info,
    device::{Contract, Device, Provision, Visit},
    mixed,
    run::Run,
};
use crate::{
    Bounds, CrashPlan, Decider, Decision, Extent, Halt, Link, NodeId, Permille, Span, Who, World, draw_sequence,
};

/// The device of a scenario.
pub(super) const DEVICE: NodeId = NodeId(1);
/// The first node of the server; the others follow. Nodes with smaller numbers are devices.
pub(super) const FIRST_SERVER: u32 = 100;
/// Crash points that the standard session passes without faults, at a server and at a device: crashes fall among them.
const SERVER_POINTS: u32 = 6;
const DEVICE_POINTS: u32 = 20;
/// The store, as one who chooses; it is no node.
const STORE: NodeId = NodeId(99);

pub(super) const DEVICE_ID: &str = "IMEI:493005100592800";
const SERVER_URL: &str = "https://dm.example/dm";
const SERVER_ID: &str = "srv";

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// How messages fare, in both directions.
    pub link: Link,
    /// How those to the device fare, where they fare otherwise.
    pub replies: Option<Link>,
    /// Crashes of server nodes.
    pub server_crashes: u32,
    /// Crashes of the device.
    pub device_crashes: u32,
    /// How often the service is stopped and its store goes back to an earlier commit.
    pub restores: u32,
    /// Crash points that server nodes pass, two at each commit: crashes fall among them, and restores among the commits.
    pub server_points: u32,
    /// Crash points that the device passes.
    pub device_points: u32,
    /// How long a crashed node is down.
    pub down: Span,
    /// How often another server node is given the same message, and commits first.
    pub lost_races: Permille,
    /// Whether both sides have stored other nonces than the other side believes: the first credentials are refused.
    pub stale_nonces: bool,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        link: Link::PERFECT,
        replies: None,
        server_crashes: 0,
        device_crashes: 0,
        restores: 0,
        server_points: SERVER_POINTS,
        device_points: DEVICE_POINTS,
        down: Span::new(200, 5_000),
        lost_races: Permille::NEVER,
        stale_nonces: false,
    };

    /// What `cargo xtask sim` does to seed after seed: one message in ten lost, one in ten doubled, some reordered, some
    /// commits lost, with an odd seed one crash of a server node, and with two seeds of four stale nonces.
    #[must_use]
    pub const fn rough(seed: u64) -> Self {
        let link = Link {
            delay: Span::new(20, 900),
            loss: Permille::new(100),
            duplication: Permille::new(100),
            // Long enough for copies that come when their session is over.
            late: Span::new(0, 240_000),
            reordering: Permille::new(50),
            held: Span::new(1_000, 90_000),
        };
        Self {
            link,
            server_crashes: (seed % 2) as u32,
            lost_races: Permille::new(50),
            stale_nonces: seed / 2 % 2 == 1,
            ..Self::NONE
        }
    }
}

/// One device, the nodes of one server, the orders that wait for the device, and the faults.
///
/// ```
/// use transport_sim::{Permille, dm::Scenario};
/// use dm_core::session::Outcome;
///
/// let mut scenario = Scenario::standard(4711);
/// scenario.faults.link.loss = Permille::new(100);
/// let run = scenario.run();
/// assert_eq!(run.failures(), Vec::<String>::new());
/// assert_eq!(run.client(), Some(&Outcome::Completed));
/// assert_eq!(run.trace, scenario.run().trace);
/// ```
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What everything random follows from.
    pub seed: u64,
    /// What goes wrong.
    pub faults: Faults,
    /// Nodes of the server; the device sends each message to any of them.
    pub servers: u32,
    /// Sessions that the device opens, one after the other.
    pub sessions: u16,
    /// How long it waits in between.
    pub pause: Millis,
    /// The orders, one list for each package. Each has a tag of its own.
    pub packages: Vec<Vec<Order>>,
    /// How the device behaves.
    pub client: client::Profile,
    /// How the server behaves.
    pub server: server::Profile,
    /// How far a run may go.
    pub bounds: Bounds,
    /// The device's tree at first.
    pub tree: Memory,
    /// The values of orders that leave theirs to be fetched in parts.
    pub values: BTreeMap<JobTag, Body>,
    /// Whether each session gets one package of the orders, where usually the first one that can takes all.
    pub one_package_each: bool,
    /// When everything that goes wrong is over, where it is before the end.
    pub heal: Option<Tick>,
    /// What is watched for, besides the rules that always hold.
    pub watch: Watch,
    /// Whether the rules look at every step of the tree, which takes time where values are large.
    pub watches_trees: bool,
    /// Whether this is the [mixed](Self::mixed) world. It is made of the seed: of what is said here only the link, the
    /// bounds and whether it heals count.
    pub is_mixed: bool,
    /// What a run is to see.
    pub extent: Extent,
}

/// What is watched for in a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// The [rules](Rules), and nothing else.
    #[default]
    Rules,
    /// That values arrive whole: in the device's tree those of [`Scenario::values`], and at the server what these orders
    /// read.
    Objects(Vec<JobTag>),
    /// That the tree stays as it is.
    Whole,
    /// That nonces are new, and that both sides find each other again after [`Scenario::heal`].
    Nonces,
}

impl Scenario {
    /// One session with MD5 in both directions, in which nothing goes wrong: a `Get`, an `Add`, a `Replace` and an
    /// `Exec`, and in a later package a `Get` of what was added.
    #[must_use]
    pub fn standard(seed: u64) -> Self {
        let entry = Entry::text;
        let first = vec![
            Order::new("get-man", Request::Get(vec!["./DevInfo/Man".into()])),
            Order::new("add", Request::Add(vec![entry("./Sim/Added", "first")])),
            Order::new("replace", Request::Replace(vec![entry("./Sim/Value", "second")])),
            Order::new("exec", Request::Exec { entry: Entry::bare("./Sim/Run"), correlator: None }),
        ];
        let then = vec![Order::new("get-added", Request::Get(vec!["./Sim/Added".into()]))];
        Self {
            seed,
            faults: Faults::NONE,
            servers: 2,
            sessions: 1,
            pause: Millis::from_secs(3_600),
            packages: vec![first, then],
            client: client::Profile::new(DEVICE_ID, SERVER_URL, SERVER_ID),
            server: server::Profile::new(SERVER_URL),
            bounds: Bounds { until: Tick(7 * 24 * 3_600_000), events: 100_000 },
            // The tree is written down below and correct, which a test shows; an empty one would fail every order.
            tree: tree().unwrap_or_default(),
            values: BTreeMap::new(),
            one_package_each: false,
            heal: None,
            watch: Watch::Rules,
            watches_trees: true,
            is_mixed: false,
            extent: Extent::Whole,
        }
    }

    /// The standard session with [`Faults::rough`].
    #[must_use]
    pub fn rough(seed: u64) -> Self {
        Self { faults: Faults::rough(seed), ..Self::standard(seed) }
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
        let (world, halt) = self.world(decider);
        Run::of(self.seed, world, halt)
    }

    /// The run with these choices as a picture for people, with what each message holds.
    #[must_use]
    pub fn draw(&self, decisions: &[Decision]) -> String {
        let (mut world, _) = self.world(Decider::from_decisions(self.seed, decisions));
        let (traffic, marks) = (world.take_traffic(), world.take_marks());
        let name = |id| world.name(id).unwrap_or_default().to_owned();
        draw_sequence(&traffic, &marks, name, |message| outline(&message.bytes))
    }

    fn world(&self, mut decider: Decider) -> (World<Party>, Halt) {
        if self.is_mixed {
            return mixed::world(self, decider);
        }
        let Faults { server_crashes, device_crashes, restores, down, server_points, device_points, .. } = self.faults;
        let first = Who::alone(NodeId(FIRST_SERVER));
        let crashes = CrashPlan::draw(&mut decider, first, server_crashes, server_points, down);
        let mut backend = Backend::new(self.server.clone(), crashes, self.faults.lost_races);
        let (client, server) = accounts();
        backend.values.clone_from(&self.values);
        backend.one_package_each = self.one_package_each;
        backend.restores = CrashPlan::draw(&mut decider, Who::alone(STORE), restores, server_points / 2, down);
        if restores > 0 {
            backend.keep_past();
        }
        let crashes = CrashPlan::draw(&mut decider, Who::alone(DEVICE), device_crashes, device_points, down);
        let device = self.provision(crashes);
        backend.enter(DeviceId::from(DEVICE_ID), DEVICE, client, server, &self.packages);

        let mut world = World::new(decider, self.faults.link, Services::new(vec![backend]));
        self.watch_over(&mut world);
        world.extend_to(self.extent);
        world.keep_traffic();
        world.add(DEVICE, "device", Party::Device(Box::new(Device::new(device))));
        for node in self.server_nodes() {
            world.add(node, "server", Party::Server(Box::default()));
            if let Some(link) = self.faults.replies {
                world.link(node, DEVICE, link);
            }
        }
        if let Some(heal) = self.heal {
            world.run(Bounds { until: heal, ..self.bounds });
            world.relink(Link::PERFECT);
            world.shared_mut().heal();
        }
        let halt = world.run(self.bounds);
        world.finish();
        (world, halt)
    }

    /// The device's tree before its first session.
    #[must_use]
    pub const fn tree(&self) -> &Memory {
        &self.tree
    }

    fn watch_over(&self, world: &mut World<Party>) {
        let watched = BTreeMap::from([(DEVICE, self.watched())]);
        let goes_back = self.faults.restores > 0;
        world.watch(Box::new(if goes_back { Rules::across_restores(watched) } else { Rules::new(watched) }));
        match &self.watch {
            Watch::Rules => {}
            Watch::Whole => world.watch(Box::new(Whole::default())),
            Watch::Objects(read) => {
                let value = |uri: &str| self.tree.node(uri)?.value().cloned();
                let orders = self.packages.iter().flatten();
                let to_device = orders.clone().filter_map(|order| match &order.request {
                    Request::Add(entries) | Request::Replace(entries) => {
                        Some((entries.first()?.uri.to_string(), self.values.get(&order.tag)?.clone()))
                    }
                    _ => None,
                });
                let to_server = orders.filter(|order| read.contains(&order.tag)).filter_map(|order| {
                    let Request::Get(uris) = &order.request else { return None };
                    Some((order.tag.clone(), value(uris.first()?)?))
                });
                let device = DeviceId::from(DEVICE_ID);
                world.watch(Box::new(Objects::new(device, to_device.collect(), to_server.collect())));
            }
            Watch::Nonces => {
                let healed = self.heal.unwrap_or_default();
                let Link { late, held, delay, .. } = self.faults.link;
                let quiet = healed + Millis(late.most.0.max(held.most.0.saturating_add(delay.most.0)));
                world.watch(Box::new(Nonces::new(DEVICE, healed, quiet)));
            }
        }
    }

    /// The leaves that a checker wants to know of.
    fn shown(&self) -> Vec<String> {
        let orders = self.packages.iter().flatten().filter(|order| self.values.contains_key(&order.tag));
        let entries = orders.filter_map(|order| match &order.request {
            Request::Add(entries) | Request::Replace(entries) => entries.first(),
            _ => None,
        });
        entries.map(|entry| entry.uri.to_string()).collect()
    }

    /// What the rules know beforehand: each side's account as the other side has it.
    pub(super) fn watched(&self) -> Watched {
        let orders = self.packages.iter().flatten().cloned().collect();
        let towards = Towards {
            service: Some(0),
            server_id: SERVER_ID.into(),
            nodes: self.server_nodes().collect(),
            client: accounts().0,
            server: self.on_device().1,
            orders,
        };
        Watched { device: DEVICE_ID.into(), towards: vec![towards], ..Watched::default() }
    }

    /// The accounts as the device has them: its own, and the server's.
    fn on_device(&self) -> (Account, Account) {
        let (mut own, mut server) = accounts();
        if self.faults.stale_nonces {
            own.nonce = Nonce::new(b"of another time");
            server.nonce = Nonce::new(b"of another time, too");
        }
        (own, server)
    }

    fn provision(&self, crashes: CrashPlan) -> Provision {
        let (own, server) = self.on_device();
        let contract = Contract::new(self.client.clone(), self.server_nodes().collect(), own, server);
        Provision {
            shown: self.shown(),
            visits: (0..self.sessions).map(|_| Visit::to(0)).collect(),
            pause: self.pause,
            crashes,
            tells_steps: self.watches_trees,
            ..Provision::of(vec![contract], self.tree.clone())
        }
    }

    pub(super) fn server_nodes(&self) -> impl Iterator<Item = NodeId> {
        (0..self.servers.max(1)).map(|n| NodeId(FIRST_SERVER.saturating_add(n)))
    }
}

/// The commands of a message, for people.
fn outline(bytes: &[u8]) -> Vec<String> {
    let Ok(decoded) = decode(Encoding::Xml, bytes, &WireLimits::SERVER) else { return Vec::new() };
    let command = |command: &Command| match command {
        Command::Status(status) => format!("Status {} for {} of message {}", status.code, status.cmd, status.msg_ref),
        other => other.name().to_owned(),
    };
    decoded.message.commands.iter().map(command).collect()
}

/// What the device and the server prove themselves with, as the server has it.
fn accounts() -> (Account, Account) {
    let mut client = Account::new("device", "wood-anemone-41", Scheme::Md5);
    let mut server = Account::new(SERVER_ID, "kingfisher-77", Scheme::Md5);
    client.nonce = Nonce::new(b"for the client's first");
    server.nonce = Nonce::new(b"for the server's first");
    (client, server)
}

pub(super) fn tree() -> Result<Memory, TreeError> {
    tree_within(TreeLimits::DEFAULT)
}

pub(super) fn tree_within(limits: TreeLimits) -> Result<Memory, TreeError> {
    let info = dev_info(DEVICE_ID, "Simulated");
    Memory::builder_within(limits)
        .dev_info(&info)
        .interior("./Sim")
        .acl("Add=srv&Delete=srv&Get=*&Replace=srv&Exec=srv")
        .leaf("./Sim/Value", "0")
        .leaf("./Sim/Run", "")
        .exec(StatusCode::OK)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_as_the_orders_want_it() {
        let tree = tree().unwrap();
        assert_eq!(tree.text("./DevInfo/Man"), Some("Example"));
        assert_eq!(tree.text("./Sim/Value"), Some("0"));
    }
}
