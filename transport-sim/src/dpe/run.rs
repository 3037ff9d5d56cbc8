//! What a scenario came to.

use core_kit::{Tick, journal::JournalOf};
use dpe_core::{client::Client, sp};

use super::Party;
use crate::{Counts, Decision, FaultCounts, Halt, Ledger, NodeId, World};

/// Everything worth asserting.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it followed from.
    pub seed: u64,
    /// Why it stopped; [`Halt::Quiet`] if it is over.
    pub halt: Halt,
    /// When it stopped.
    pub at: Tick,
    /// Every event, as [text](crate::trace).
    pub trace: String,
    /// Every choice that was made.
    pub decisions: Vec<Decision>,
    /// What the rules found.
    pub ledger: Ledger,
    /// How often each fault took place.
    pub faults: FaultCounts,
    /// Numbers for a table.
    pub tallies: Tallies,
    /// What went through the clients, by device; one for each time that a device had no memory.
    pub clients: Vec<(NodeId, JournalOf<Client>)>,
    /// What went through the SPs.
    pub sps: Vec<(NodeId, JournalOf<sp::Sp>)>,
}

/// Numbers of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// What the network did.
    pub network: Counts,
    /// Devices.
    pub devices: u64,
    /// Commits of the server's nodes.
    pub commits: u64,
    /// Commits that came too late.
    pub lost_races: u64,
    /// Requests that came again and were not worked on again.
    pub repeated: u64,
}

impl Run {
    pub(super) fn of(seed: u64, world: World<Party>, halt: Halt) -> Self {
        let (trace, decisions) = (world.trace().as_str().to_owned(), world.decisions().to_vec());
        let (ledger, network, at) = (world.ledger().clone(), world.counts(), world.now());
        let faults = *world.faults();
        let (nodes, backend) = world.into_parts();
        let (mut clients, mut sps, mut devices) = (Vec::new(), Vec::new(), 0);
        for (node, party) in &nodes {
            match party {
                Party::Device(device) => {
                    devices += 1;
                    clients.extend(device.journals().map(|journal| (*node, journal.clone())));
                }
                Party::Sp(sp) => sps.push((*node, sp.journal().clone())),
                Party::Server(_) => {}
            }
        }
        let repeated = trace.matches(" repeated ").count() as u64;
        let tallies = Tallies { network, devices, commits: backend.commits(), lost_races: backend.lost(), repeated };
        Self { seed, halt, at, trace, decisions, ledger, faults, tallies, clients, sps }
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
