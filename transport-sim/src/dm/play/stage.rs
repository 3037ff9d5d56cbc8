//! A play in a world.

use core_kit::{Millis, Tick};
use dm_core::{
    Packet, client,
    ids::{DeviceId, SessionId},
    server::{self, SessionKey},
    session::Outcome,
};

use super::{Act, Ending, Mishap, Performance, Play, Played, Player, Speaker, What};
use crate::{
    Bounds, CrashPlan, Decider, Halt, Harm, Link, NodeId, Permille, ResetAt, Strike, Transmission, World,
    dm::{
        Backend, Job, OrderState, Party, Rules, Server, Services, Towards, Watched,
        device::{Contract, Device, Provision, Visit},
        envelope::Envelope,
        scenario::FIRST_SERVER,
    },
};

const HOUR: u64 = 3_600_000;
const SERVER: NodeId = NodeId(FIRST_SERVER);
/// How long whoever dies is down: shorter than a device waits for its reply.
const DOWN: Millis = Millis(200);
/// When a message that is late comes: its session is over by then, and the next one has not begun.
const LATE: Millis = Millis(HOUR / 2);
/// Far more than any play needs.
const EVENTS_MAX: u64 = 100_000;

impl Play {
    /// Performs it in a world, in which nothing is left to chance.
    #[must_use]
    pub fn perform(&self) -> Performance {
        let mut world = World::new(Decider::from_decisions(0, &[]), Link::PERFECT, Services::new(vec![self.backend()]));
        world.keep_traffic();
        let watched = self.players().map(|(node, player)| (node, player.watched())).collect();
        world.watch(Box::new(Rules::new(watched)));
        for (n, (node, player)) in self.players().enumerate() {
            let device = Device::new(player.provision(self.dies_before(n)));
            world.add(node, "device", Party::Device(Box::new(device)));
            for (strike, nth) in self.strikes(n) {
                let (from, to) = if strike.is_reply { (SERVER, node) } else { (node, SERVER) };
                world.strike_at(Tick(0), Strike::Message { from, to, nth, harm: strike.harm });
            }
        }
        world.add(SERVER, "server", Party::Server(Box::<Server>::default()));

        let acts = self.devices.iter().map(|player| player.acts.len()).max().unwrap_or_default();
        for n in 0..acts {
            world.run(Bounds { until: Tick(n as u64 * HOUR), events: EVENTS_MAX });
            for player in &self.devices {
                if let (Some(act), Some(backend)) = (player.acts.get(n), world.shared_mut().of_mut(0)) {
                    enqueue(backend, &player.client.device, act);
                }
            }
        }
        let halt = world.run(Bounds { until: Tick((acts as u64 + 24) * HOUR), events: EVENTS_MAX });
        world.finish();
        self.outcome(world, halt)
    }

    /// The devices with their numbers.
    fn players(&self) -> impl Iterator<Item = (NodeId, &Player)> {
        (1..).map(NodeId).zip(&self.devices)
    }

    fn backend(&self) -> Backend {
        let mut backend = Backend::new(self.server.clone(), CrashPlan::at(self.deaths()), Permille::NEVER);
        backend.values.clone_from(&self.values);
        backend.is_given = true;
        for (node, player) in self.players() {
            let (client, server) = player.on_server.clone();
            backend.enter(player.client.device.clone(), node, client, server, &[]);
            let aborts = player
                .server_aborts()
                .map(|(session, after)| (SessionKey { device: player.client.device.clone(), session }, after));
            backend.aborts.extend(aborts);
        }
        backend
    }

    fn mishaps(&self, device: usize) -> impl Iterator<Item = &Mishap> {
        self.mishaps.iter().filter(move |mishap| mishap.device == device)
    }

    /// How much mishaps with earlier messages of a device add up to.
    fn before(&self, device: usize, nth: u32, count: impl Fn(What) -> u32) -> u32 {
        self.mishaps(device).filter(|mishap| mishap.nth < nth).map(|mishap| count(mishap.what)).sum()
    }

    /// What is done to which of the messages between a device and the server, in either direction.
    fn strikes(&self, device: usize) -> impl Iterator<Item = (Blow, u64)> {
        let of = move |mishap: &Mishap| {
            let blow = Blow::of(mishap.what)?;
            let nth = mishap.nth.saturating_add(if blow.is_reply {
                self.before(device, mishap.nth, What::more_replies)
            } else {
                self.before(device, mishap.nth, What::more_requests)
            });
            Some((blow, u64::from(nth)))
        };
        self.mishaps(device).filter_map(of)
    }

    /// Which of the messages that a device is about to send it does not live to send.
    fn dies_before(&self, device: usize) -> Vec<u32> {
        let is_its = |mishap: &&Mishap| mishap.what == What::DeviceRestarts;
        let sends = |what: What| what.more_requests() + u32::from(what == What::DeviceRestarts);
        let of = |mishap: &Mishap| mishap.nth + self.before(device, mishap.nth, sends);
        self.mishaps(device).filter(is_its).map(of).collect()
    }

    /// The points that the server does not survive. A message passes one before its commit and one after it; one that
    /// comes again passes the former.
    fn deaths(&self) -> Vec<(u32, Millis)> {
        let again = |what: What| u32::from(matches!(what, What::ReplyLost | What::ResetWithin | What::ServerDies));
        let dies = |mishap: &&Mishap| mishap.what == What::ServerDies;
        let of = |mishap: &Mishap| (2 * mishap.nth + self.before(mishap.device, mishap.nth, again), DOWN);
        self.mishaps.iter().filter(dies).map(of).collect()
    }

    fn outcome(&self, mut world: World<Party>, halt: Halt) -> Performance {
        let mut failures: Vec<String> = world.ledger().violations().iter().map(ToString::to_string).collect();
        if halt != Halt::Quiet {
            failures.push(format!("the world does not come to rest: {halt:?}"));
        }
        let faults = world.faults().iter().filter(|(_, count)| *count > 0).collect();
        let traffic = world.take_traffic();
        let (nodes, services) = world.into_parts();
        let played = self.players().map(|(node, player)| {
            let Some(Party::Device(device)) = nodes.get(&node) else { return Played::default() };
            let backend = services.of(0);
            played(node, &player.client.device, device, backend, &traffic)
        });
        Performance { devices: played.collect(), faults, failures }
    }
}

impl What {
    /// How often the message leaves the device again.
    fn more_requests(self) -> u32 {
        u32::from(matches!(
            self,
            Self::RequestLost | Self::ReplyLost | Self::ResetBefore | Self::ResetWithin | Self::ServerDies
        ))
    }

    /// How often its reply leaves the server again.
    fn more_replies(self) -> u32 {
        u32::from(matches!(self, Self::ReplyLost | Self::Doubled | Self::Late | Self::ResetWithin))
    }
}

/// What is done to a message, or to its reply.
struct Blow {
    is_reply: bool,
    harm: Harm,
}

impl Blow {
    fn of(what: What) -> Option<Self> {
        let (is_reply, harm) = match what {
            What::RequestLost => (false, Harm::Drop),
            What::ReplyLost => (true, Harm::Drop),
            What::Doubled => (false, Harm::Again(Millis(0))),
            What::Late => (false, Harm::Again(LATE)),
            What::ResetBefore => (false, Harm::Reset(ResetAt::Before)),
            What::ResetWithin => (true, Harm::Reset(ResetAt::Before)),
            What::ResetAfter => (true, Harm::Reset(ResetAt::After)),
            What::ServerDies | What::DeviceRestarts => return None,
        };
        Some(Self { is_reply, harm })
    }
}

impl Player {
    fn provision(&self, dies_before: Vec<u32>) -> Provision {
        let (own, server) = self.on_device.clone();
        let visit = |(n, act): (usize, &Act)| Visit {
            at: Some(Tick(n as u64 * HOUR + 1)),
            alerts: act.alerts.clone(),
            aborts_after: act.aborts_after,
            asked: act.notified.and_then(|notified| notified.reach(self)),
            ..Visit::to(0)
        };
        Provision {
            visits: self.acts.iter().enumerate().map(visit).collect(),
            dies_in_play: Some(dies_before),
            ..Provision::of(vec![Contract::new(self.client.clone(), vec![SERVER], own, server)], self.tree.clone())
        }
    }

    fn watched(&self) -> Watched {
        let towards = Towards {
            service: Some(0),
            server_id: self.client.server_id.clone(),
            nodes: vec![SERVER],
            client: self.on_server.0.clone(),
            server: self.on_device.1.clone(),
            orders: self.acts.iter().flat_map(|act| act.packages.iter().flatten()).cloned().collect(),
        };
        Watched { device: self.client.device.clone(), towards: vec![towards], ..Watched::default() }
    }
}

fn enqueue(backend: &mut Backend, device: &DeviceId, act: &Act) {
    backend.change(device, |device| {
        let queued = |order: &server::Order| Job { order: order.clone(), state: OrderState::Queued };
        let orders = act.packages.iter().flatten();
        device.orders.extend(orders.map(|order| (order.tag.clone(), queued(order))));
        device.queue.extend(act.packages.iter().cloned());
    });
}

fn played(node: NodeId, id: &DeviceId, device: &Device, backend: Option<&Backend>, traffic: &[Transmission]) -> Played {
    let row = backend.and_then(|backend| backend.devices().load(id));
    let given_back = |state: &OrderState| match state {
        OrderState::NotSent(None) => OrderState::Queued,
        state => state.clone(),
    };
    let mut tree = device.tree().clone();
    tree.tell_time(crate::EPOCH);
    Played {
        sessions: device.journals().map(|(session, journal)| ending(id, session, journal, backend)).collect(),
        orders: row
            .iter()
            .flat_map(|row| &row.value.orders)
            .map(|(tag, job)| (tag.clone(), given_back(&job.state)))
            .collect(),
        executions: device.executions().to_vec(),
        tree,
        messages: messages(node, traffic),
    }
}

fn ending(
    device: &DeviceId,
    session: &SessionId,
    journal: &core_kit::journal::JournalOf<client::Session>,
    backend: Option<&Backend>,
) -> Ending {
    let key = SessionKey { device: device.clone(), session: session.clone() };
    let on_server = backend.and_then(|backend| backend.journals().get(&key));
    Ending::of(
        session.clone(),
        journal.records.iter().flat_map(|record| &record.outputs),
        on_server.iter().flat_map(|journal| &journal.records).flat_map(|record| &record.outputs),
    )
}

impl Ending {
    /// What the outputs of a session's two machines say of it.
    #[must_use]
    pub fn of<'a>(
        id: SessionId,
        client: impl Iterator<Item = &'a client::Output>,
        server: impl Iterator<Item = &'a server::Output>,
    ) -> Self {
        let mut ending = Self { id, ..Self::default() };
        let first = |outcome: &mut Option<Outcome>, found: &Outcome| _ = outcome.get_or_insert_with(|| found.clone());
        for output in client {
            match output {
                client::Output::Report(report) => ending.on_device.push(report.clone()),
                client::Output::Finished(outcome) => first(&mut ending.client, outcome),
                client::Output::Ask(_) | client::Output::Send(_) => {}
            }
        }
        for output in server {
            match output {
                server::Output::Report(report) => ending.on_server.push(report.clone()),
                server::Output::Finished(outcome) => first(&mut ending.server, outcome),
                server::Output::Ask(_) | server::Output::Reply(_) | server::Output::Refuse(_) => {}
            }
        }
        ending
    }
}

/// Every different message between the device and the server.
fn messages(node: NodeId, traffic: &[Transmission]) -> Vec<(Speaker, Packet)> {
    let mut messages: Vec<(Speaker, Packet)> = Vec::new();
    for Transmission { message, .. } in traffic {
        let speaker = match (message.from, message.to) {
            (from, SERVER) if from == node => Speaker::Device,
            (SERVER, to) if to == node => Speaker::Server,
            _ => continue,
        };
        if let Envelope::Session(mac, body) = Envelope::open(&message.bytes) {
            let said = (speaker, Envelope::packet(mac, &body));
            if !messages.contains(&said) {
                messages.push(said);
            }
        }
    }
    messages
}
