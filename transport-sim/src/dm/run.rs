//! What a scenario came to.

use std::collections::BTreeMap;

use bytes::Bytes;
use core_kit::{Tick, journal::JournalOf};
use dm_core::{
    client,
    ids::{DeviceId, JobTag, SessionId},
    server,
    session::Outcome,
    tree::Memory,
};

use super::{
    Backend, Execution, ONCE, OpKind, OrderState, Party,
    scenario::{DEVICE, DEVICE_ID, FIRST_SERVER},
};
use crate::{Counts, Decision, Fate, FaultCounts, Halt, Ledger, NodeId, Transmission, World};

/// Everything worth asserting or drawing.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it followed from.
    pub seed: u64,
    /// Why it stopped; [`Halt::Quiet`] if it is over.
    pub halt: Halt,
    /// When it stopped.
    pub at: Tick,
    /// The sessions that the device opened, oldest first.
    pub sessions: Vec<SessionRun>,
    /// What became of every order.
    pub orders: BTreeMap<JobTag, OrderState>,
    /// What servers had the tree do, in order.
    pub executions: Vec<Execution>,
    /// The device's tree at the end.
    pub tree: Option<Memory>,
    /// Every event, as [text](crate::trace).
    pub trace: String,
    /// Every choice that was made.
    pub decisions: Vec<Decision>,
    /// Every message and copy, in the order of their sending.
    pub traffic: Vec<Transfer>,
    /// What the rules found.
    pub ledger: Ledger,
    /// How often each fault took place.
    pub faults: FaultCounts,
    /// Numbers for a table.
    pub tallies: Tallies,
}

/// One session, from both ends.
#[derive(Clone, Debug)]
pub struct SessionRun {
    /// Which.
    pub id: SessionId,
    /// How it ended at the device.
    pub client: Option<Outcome>,
    /// How it ended at the server; nothing where the server never heard of it.
    pub server: Option<Outcome>,
    /// What went through the device's machine.
    pub client_journal: JournalOf<client::Session>,
    /// What went through the server's machine, as far as it was committed.
    pub server_journal: Option<JournalOf<server::Session>>,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the device.
    ToServer,
    /// To the device.
    ToDevice,
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// When it was sent; for a copy, when its original was.
    pub at: Tick,
    /// Which way.
    pub direction: Direction,
    /// The server's node at the other end.
    pub server: NodeId,
    /// The bytes of the packet; none for the transport's own refusal.
    pub body: Bytes,
    /// Whether the network made it.
    pub copy: bool,
    /// What became of it.
    pub fate: Fate,
}

/// Numbers of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// What the network did.
    pub network: Counts,
    /// Sessions that devices opened, all of them.
    pub sessions: u64,
    /// Different replies that reached the device.
    pub exchanges: u64,
    /// Operations that servers had the tree do.
    pub commands: u64,
    /// Operations that were done more often than they were ordered.
    pub executed_twice: u64,
    /// Commits of the server's nodes.
    pub commits: u64,
    /// Commits that came too late.
    pub lost_races: u64,
    /// Repeated messages that got the stored reply.
    pub repeated: u64,
}

impl Run {
    pub(super) fn of(seed: u64, mut world: World<Party>, halt: Halt) -> Self {
        let traffic: Vec<Transfer> = world.take_traffic().into_iter().map(Transfer::of).collect();
        let (trace, decisions) = (world.trace().as_str().to_owned(), world.decisions().to_vec());
        let (ledger, network, at) = (world.ledger().clone(), world.counts(), world.now());
        let faults = *world.faults();
        let (mut nodes, services) = world.into_parts();
        let opened =
            |party: &Party| if let Party::Device(device) = party { device.journals().count() as u64 } else { 0 };
        let all_sessions = nodes.values().map(opened).sum();
        let device = match nodes.remove(&DEVICE) {
            Some(Party::Device(device)) => Some(device),
            _ => None,
        };
        let of_session = |id: &SessionId, client_journal: &JournalOf<client::Session>| {
            let named = DeviceId::from(DEVICE_ID);
            let is_this = |key: &server::SessionKey| key.session == *id && key.device == named;
            let of_service =
                |backend| Backend::sessions(backend).rows().find(|(key, _)| is_this(key)).zip(Some(backend));
            let stored = services.iter().find_map(of_service);
            SessionRun {
                id: id.clone(),
                client: client_journal.records.iter().flat_map(|record| &record.outputs).find_map(finished),
                server: stored.and_then(|((_, row), _)| row.value.outcome.clone()),
                client_journal: client_journal.clone(),
                server_journal: stored.and_then(|((key, _), backend)| backend.journals().get(key)).cloned(),
            }
        };
        let sessions = device.iter().flat_map(|device| device.journals());
        let sessions: Vec<SessionRun> = sessions.map(|(id, journal)| of_session(id, journal)).collect();
        let devices = services.iter().flat_map(|backend| backend.devices().rows());
        let jobs = devices.flat_map(|(_, row)| &row.value.orders);
        let executions = device.as_ref().map(|device| device.executions().to_vec()).unwrap_or_default();
        let tallies = Tallies {
            network,
            sessions: all_sessions,
            exchanges: exchanges(&traffic),
            commands: executions.len() as u64,
            executed_twice: ledger.violations().iter().filter(|violation| violation.rule == ONCE.id).count() as u64,
            commits: services.iter().map(|backend| backend.sessions().done()).sum(),
            lost_races: trace.matches(" lost-race ").count() as u64,
            repeated: services.iter().map(Backend::repeated).sum(),
        };
        Self {
            seed,
            halt,
            at,
            sessions,
            orders: jobs.map(|(tag, job)| (tag.clone(), job.state.clone())).collect(),
            executions,
            tree: device.map(|device| device.tree().clone()),
            trace,
            decisions,
            traffic,
            ledger,
            faults,
            tallies,
        }
    }

    /// How the last session ended at the device.
    #[must_use]
    pub fn client(&self) -> Option<&Outcome> {
        self.sessions.last()?.client.as_ref()
    }

    /// How the last session ended at the server.
    #[must_use]
    pub fn server(&self) -> Option<&Outcome> {
        self.sessions.last()?.server.as_ref()
    }

    /// How often the tree did this to the node, for servers.
    #[must_use]
    pub fn executed(&self, kind: OpKind, uri: &str) -> usize {
        self.executions.iter().filter(|done| done.kind == kind && done.uri == uri).count()
    }

    /// Everything that must not be: broken rules, and a world that does not come to rest. Empty for a good run.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let mut failures: Vec<String> = self.ledger.violations().iter().map(ToString::to_string).collect();
        match self.halt {
            Halt::Quiet | Halt::Broken => {}
            Halt::OutOfTime => failures.push(format!("something is left to happen after {} ms", self.at.0)),
            Halt::OutOfEvents => failures.push(format!("the world does not come to rest by {} ms", self.at.0)),
        }
        failures
    }
}

impl Transfer {
    fn of(sent: Transmission) -> Self {
        let Transmission { sent_at: at, message, fate } = sent;
        let (direction, server) = if message.from.0 < FIRST_SERVER {
            (Direction::ToServer, message.to)
        } else {
            (Direction::ToDevice, message.from)
        };
        Self { at, direction, server, body: message.bytes, copy: message.copy, fate }
    }
}

fn finished(output: &client::Output) -> Option<Outcome> {
    if let client::Output::Finished(outcome) = output { Some(outcome.clone()) } else { None }
}

/// Different replies that reached the device.
fn exchanges(traffic: &[Transfer]) -> u64 {
    let arrived = traffic.iter().filter(|sent| {
        sent.direction == Direction::ToDevice && matches!(sent.fate, Fate::Delivered(_)) && !sent.body.is_empty()
    });
    arrived.map(|sent| &sent.body).collect::<std::collections::BTreeSet<_>>().len() as u64
}
