//! A fleet: as many devices as anybody has, each with a DM session of its own at a time of its own, before the stateless
//! nodes of servers, with real messages, real trees and all that goes wrong on the way.
//!
//! Between its sessions a device is [folded](super::COMPACT): its nonces, and what the server has changed in its tree. The rest it
//! has in common with all others. The server stores a row for each device, and a session as long as something of it may
//! still come. A watcher judges every session of every device, and forgets it when it is over.
//!
//! These rules are judged, on all sessions: D01, D02, D04, D05, D06, D08, D12 (a message reads), D13, D14, D23, D29, D30, D31,
//! D35, D40, D44, the world's S05 and S06, and what an idle device may take. They are those that sessions of orders without
//! blocks, large values, pushes and wrong peers can break; the others have a [world](super::Scenario) that gives them
//! something to judge.
//!
//! Devices do not talk to each other, so a fleet is cut into regions, each a [`World`] with some nodes and a store of its
//! own. There are always equally many, so what happens does not depend on how many threads share the work. All of them are
//! there from the first hour to the last.
//!
//! ```
//! use transport_sim::dm::Fleet;
//!
//! let fleet = Fleet { devices: 200, hours: 1, ..Fleet::new(4711) };
//! let run = fleet.run(2, |_| {});
//! assert_eq!(run.failures(), Vec::<String>::new());
//! assert_eq!(run.sessions(), 200);
//! assert_eq!(run.digest, fleet.run(1, |_| {}).digest);
//! ```

use core::cell::Cell;
use std::{sync::Arc, thread};

use core_kit::{Millis, Tick};
use dm_core::auth::{CredentialHash, Nonce};

use crate::{
    Bounds, Context, Counts, Decider, FaultCounts, Figure, Halt, Ledger, Link, Message, Node, NodeId, Permille, Site,
    Span, Who, World,
    dm::{SessionFact, SessionWorld, Side, Standing},
    table::{absorb, mix},
    world::Kind,
};

mod depot;
mod device;
mod folded;
mod plan;
mod server;
#[cfg(test)]
mod tests;
mod trail;
mod watcher;

use depot::Depot;
use device::Device;
use plan::Plan;
use server::Server;
use trail::Trail;
use watcher::Watcher;

const OUTAGE: Site = Site("fleet.outage");
const OUTAGE_LASTS: Site = Site("fleet.outage-lasts");

/// Worlds of a fleet. It is part of what a seed means.
const REGIONS: u32 = 16;
/// How long sessions may go on when no new one begins.
const GRACE: Millis = Millis::from_secs(2 * 3_600);
const HOUR: Millis = Millis::from_secs(3_600);

/// What goes wrong in a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// How messages fare, in both directions.
    pub link: Link,
    /// How often a device crashes in a session.
    pub device_crashes: Permille,
    /// How often a server node crashes at a commit: before it, and between it and the reply.
    pub server_crashes: Permille,
    /// How often each server node crashes in an hour at an odd time, about.
    pub outages: u32,
    /// How long a crashed node is down.
    pub down: Span,
    /// How often another server node is given the same message, and commits first.
    pub lost_races: Permille,
    /// How often a device comes with nonces that its server does not expect.
    pub stale_nonces: Permille,
}

impl Conditions {
    /// Nothing goes wrong.
    pub const CALM: Self = Self {
        link: Link::PERFECT,
        device_crashes: Permille::NEVER,
        server_crashes: Permille::NEVER,
        outages: 0,
        down: Span::new(1_000, 60_000),
        lost_races: Permille::NEVER,
        stale_nonces: Permille::NEVER,
    };

    /// An ordinary day: of a hundred messages two are lost, two come twice, sometimes long after their session, and one is
    /// overtaken; of a hundred devices three crash in their session; a server node crashes at one commit in a thousand
    /// and two times an hour.
    pub const ORDINARY: Self = Self {
        link: Link {
            delay: Span::new(20, 400),
            loss: Permille::new(20),
            duplication: Permille::new(20),
            late: Span::new(100, 600_000),
            reordering: Permille::new(10),
            held: Span::new(500, 30_000),
        },
        device_crashes: Permille::new(30),
        server_crashes: Permille::new(1),
        outages: 2,
        lost_races: Permille::new(2),
        stale_nonces: Permille::new(10),
        ..Self::CALM
    };
}

/// A mistake on purpose, to see that the watcher sees it.
#[cfg_attr(not(test), expect(dead_code, reason = "only tests want mistakes"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    /// A device that has crashed forgets what it has done already.
    DoneAgainAfterCrash,
    /// A server gives its first package out twice.
    OrderedTwice,
    /// A server takes any credentials.
    AnyoneIsBelieved,
    /// A server forgets what became of an order.
    OutcomeNotStored,
}

/// A fleet and what happens to it.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// What everything random follows from.
    pub seed: u64,
    /// Devices.
    pub devices: u32,
    /// Simulated hours within which all sessions begin and, but for a few late ones, end.
    pub hours: u32,
    /// Sessions of each device.
    pub sessions: u16,
    /// Packages of orders that wait for each device, one to three: so many exchanges of its first session, and one more.
    pub packages: u8,
    /// Nodes of the server in each region.
    pub servers: u32,
    /// What goes wrong.
    pub conditions: Conditions,
}

/// What became of a fleet.
#[derive(Clone, Debug)]
pub struct FleetRun {
    /// All events of all regions as one number.
    pub digest: u64,
    /// What the rules found, with the figures.
    pub ledger: Ledger,
    /// What the networks did.
    pub network: Counts,
    /// What went wrong.
    pub faults: FaultCounts,
    /// Regions that did not come to rest.
    pub restless: Vec<(u32, Halt)>,
    /// The last event of all.
    pub at: Tick,
}

impl Fleet {
    /// A thousand devices with a session of four exchanges each in a day, before three nodes in each region, under
    /// [ordinary conditions](Conditions::ORDINARY).
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        let conditions = Conditions::ORDINARY;
        Self { seed, devices: 1_000, hours: 24, sessions: 1, packages: 3, servers: 3, conditions }
    }

    /// Lets it all happen, on so many threads; what happens does not depend on how many they are. `progress` is called once
    /// for each hour of each region that is over, with how many calls there will be.
    #[must_use]
    pub fn run(&self, jobs: usize, progress: impl Fn(u32) + Sync) -> FleetRun {
        self.run_with(jobs, progress, None)
    }

    fn run_with(&self, jobs: usize, progress: impl Fn(u32) + Sync, mistake: Option<Mistake>) -> FleetRun {
        let jobs = jobs.clamp(1, REGIONS as usize);
        let progress = &progress;
        let work = |job: usize| self.work((job, jobs), progress, mistake);
        let mut runs: Vec<(u32, RegionRun)> = thread::scope(|scope| {
            let others: Vec<_> = (1..jobs).map(|job| scope.spawn(move || work(job))).collect();
            let own = work(0);
            // A worker that panics is a test that fails.
            others.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).chain(own).collect()
        });
        runs.sort_by_key(|(region, _)| *region);
        let mut sum = FleetRun {
            digest: mix(self.seed),
            ledger: Ledger::default(),
            network: Counts::default(),
            faults: FaultCounts::default(),
            restless: Vec::new(),
            at: Tick(0),
        };
        for (region, run) in runs {
            sum.add(region, &run);
        }
        sum
    }

    /// Takes every so-manieth region through its hours, all of them at the same pace.
    fn work(
        &self,
        (job, jobs): (usize, usize),
        progress: &(impl Fn(u32) + Sync),
        mistake: Option<Mistake>,
    ) -> Vec<(u32, RegionRun)> {
        let regions = (0..REGIONS).skip(job).step_by(jobs);
        let mut worlds: Vec<(u32, World<Member>)> =
            regions.filter_map(|region| Some((region, self.region(region, mistake)?))).collect();
        let hours = self.hours.max(1);
        let slices = REGIONS.min(self.devices).saturating_mul(hours);
        for hour in 1..=hours {
            together(&mut worlds, Tick(HOUR.0 * u64::from(hour)));
            for _ in &worlds {
                progress(slices);
            }
        }
        let end = Tick(HOUR.0 * u64::from(hours)) + GRACE;
        worlds.into_iter().map(|(region, world)| (region, RegionRun::of(world, end))).collect()
    }

    /// The first device of a region, and how many there are; the same for any number of threads.
    fn share(&self, region: u32) -> (u32, u32) {
        let first = |region: u32| u64::from(self.devices) * u64::from(region) / u64::from(REGIONS);
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        (narrow(first(region)), narrow(first(region + 1) - first(region)))
    }

    /// Within what time sessions begin: some is left for them to end.
    fn span(&self) -> Millis {
        let hours = Millis(HOUR.0 * u64::from(self.hours.max(1)));
        Millis(hours.0 - (hours.0 / 4).min(HOUR.0 / 2))
    }

    /// A region before its first hour; nothing for one without devices.
    fn region(&self, region: u32, mistake: Option<Mistake>) -> Option<World<Member>> {
        let (first, devices) = self.share(region);
        if devices == 0 {
            return None;
        }
        let mut decider = Decider::from_seed(absorb(self.seed, region.into())).unrecorded();
        let plan = Plan { mistake, ..Plan::new(self, first, devices) };
        let outages = self.outages(&mut decider, &plan);
        let watcher = Watcher::new(&plan);
        let shared = Region { plan: Arc::new(plan), depot: Depot::new(devices), trail: Cell::new(0) };
        let servers = shared.plan.servers;
        let mut world = World::new(decider, self.conditions.link, shared).untraced();
        world.watch(Box::new(watcher));
        for node in 0..servers {
            world.add(NodeId(node), "server", Member::Server(Box::default()));
        }
        for device in 0..devices {
            world.add(Plan::node_of(device), "device", Member::Device(Device::default()));
        }
        for (node, at, down) in outages {
            world.crash_at(node, at, down);
        }
        Some(world)
    }

    /// When server nodes crash at odd times.
    fn outages(&self, decider: &mut Decider, plan: &Plan) -> Vec<(NodeId, Tick, Millis)> {
        let count = self.conditions.outages.saturating_mul(self.hours);
        let span = Span { least: Millis(0), most: plan.span };
        let nodes = (0..plan.servers).flat_map(|node| (0..count).map(move |_| NodeId(node)));
        let draw = |node| {
            let who = Who::alone(node);
            let at = Tick(span.draw(decider, OUTAGE, who).0);
            (node, at, self.conditions.down.draw(decider, OUTAGE_LASTS, who))
        };
        nodes.map(draw).collect()
    }
}

/// Takes all worlds up to a time, by turns. They know nothing of each other, so what happens in them is the same as if each
/// went there by itself; but a session alone would go through all the code of both sides for each of its messages, which is
/// more than the processor's first cache holds. This way many sessions go through each part of it.
fn together(worlds: &mut [(u32, World<Member>)], until: Tick) {
    let mut goes_on = true;
    while goes_on {
        goes_on = false;
        for kind in Kind::ALL {
            for (_, world) in &mut *worlds {
                goes_on |= world.run_kind(kind, until);
            }
        }
    }
}

impl FleetRun {
    fn add(&mut self, region: u32, run: &RegionRun) {
        self.digest = absorb(self.digest, run.trail.0);
        self.ledger.add(&run.ledger);
        self.faults.add(&run.faults);
        self.at = self.at.max(run.at);
        if run.halt != Halt::Quiet {
            self.restless.push((region, run.halt));
        }
        let Counts { sent, duplicated, delivered, dropped, in_flight, crashes, restarts } = run.network;
        let sum = &mut self.network;
        for (sum, more) in [
            (&mut sum.sent, sent),
            (&mut sum.duplicated, duplicated),
            (&mut sum.delivered, delivered),
            (&mut sum.dropped, dropped),
            (&mut sum.in_flight, in_flight),
            (&mut sum.crashes, crashes),
            (&mut sum.restarts, restarts),
        ] {
            *sum += more;
        }
    }

    /// A figure by its name; 0 where nobody has counted it.
    #[must_use]
    pub fn figure(&self, name: &str) -> u64 {
        self.ledger.figures().find(|(known, _)| *known == name).map_or(0, |(_, figure)| figure.value())
    }

    /// Sessions that devices began.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.figure("sessions")
    }

    /// Sessions that both sides completed.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.figure("completed-on-both-sides")
    }

    /// Everything that must not be: broken rules, and regions that did not come to rest. Empty for a good run.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let broken = self.ledger.violations().iter().map(ToString::to_string);
        let restless = self.restless.iter().map(|(region, halt)| format!("region {region} stopped: {halt:?}"));
        broken.chain(restless).collect()
    }
}

/// What became of a region.
struct RegionRun {
    trail: Trail,
    ledger: Ledger,
    network: Counts,
    faults: FaultCounts,
    halt: Halt,
    at: Tick,
}

impl RegionRun {
    fn of(mut world: World<Member>, end: Tick) -> Self {
        let halt = world.run(Bounds { until: end, events: u64::MAX });
        world.finish();
        let mut ledger = world.ledger().clone();
        ledger.count("stored-sessions-at-the-end", Figure::Most(world.shared().depot.open().1 as u64));
        Self {
            trail: Trail(world.shared().trail.get()),
            ledger,
            network: world.counts(),
            faults: *world.faults(),
            halt,
            at: world.now(),
        }
    }
}

/// What the nodes of a region have in common.
pub(super) struct Region {
    plan: Arc<Plan>,
    depot: Depot,
    /// All that happened, when it is over: told by the watcher, who changes nothing else.
    trail: Cell<u64>,
}

impl Region {
    fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan)
    }
}

impl SessionWorld for Region {
    fn device_at(&self, node: NodeId) -> Option<u32> {
        self.plan.device_at(node)
    }

    fn linger(&self) -> Millis {
        self.plan.linger
    }

    fn credential(&self, device: u32, side: Side) -> CredentialHash {
        self.plan.hash_of(device, side)
    }

    fn first_nonce(&self, device: u32, side: Side) -> Nonce {
        self.plan.nonce_of(device, side)
    }

    fn standing(&self, device: u32, order: usize) -> Option<(Standing, bool)> {
        let row = self.depot.device(device).filter(|_| self.plan.has_order(order))?;
        Some((*row.orders.get(order)?, row.waits(order)))
    }

    fn values_read(&self, device: u32) -> impl Iterator<Item = (usize, u64)> {
        let read = self.depot.device(device).map_or_else(Default::default, |row| row.read.as_slice());
        read.iter().map(|(order, value)| (usize::from(*order), *value))
    }

    fn sessions_to_wake(&self) -> usize {
        let (timers, _) = self.depot.open();
        timers
    }
}

/// Anything that lives in a region.
enum Member {
    Device(Device),
    Server(Box<Server>),
}

impl Node for Member {
    type Shared = Region;
    type Fact = SessionFact;

    fn start(&mut self, ctx: &mut Context<'_, Self>) {
        match self {
            Self::Device(device) => device.start(ctx),
            Self::Server(server) => server.arm(ctx),
        }
    }

    fn deliver(&mut self, ctx: &mut Context<'_, Self>, message: &Message) {
        match self {
            Self::Device(device) => device.receive(ctx, message),
            Self::Server(server) => server.receive(ctx, message),
        }
    }

    fn wake(&mut self, ctx: &mut Context<'_, Self>) {
        match self {
            Self::Device(device) => device.wake(ctx),
            Self::Server(server) => server.wake(ctx),
        }
    }

    fn crash(&mut self) {
        match self {
            Self::Device(device) => device.crash(),
            Self::Server(server) => server.crash(),
        }
    }

    fn restart(&mut self, ctx: &mut Context<'_, Self>) {
        match self {
            Self::Device(device) => device.restart(ctx),
            Self::Server(server) => server.arm(ctx),
        }
    }

    fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }
}
