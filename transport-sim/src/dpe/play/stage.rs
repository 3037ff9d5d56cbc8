//! A play in a world.

use std::collections::{BTreeMap, VecDeque};

use core_kit::{Millis, Tick, journal::RecordOf};
use dpe_core::{
    client::{self, Client},
    config::{ResponseMode, SpProfile},
    identity::{Network, Source},
    ids::ClientId,
    server::{self, directory::Directory},
    sp,
};

use super::{Act, Performance, Play, Provider, Raw, Sign, believed, is_calm};
use crate::{
    Bounds, CrashPlan, Decider, Harm, Link, NodeId, Permille, ResetAt, Strike, What, World,
    dpe::{
        Backend, Device, Doing, Party, Rules, Server, Sp, Watched,
        device::SERVER_NAME,
        scenario::{FIRST_SERVER, FIRST_SP, address, contact, last},
    },
};

const SERVER: NodeId = NodeId(FIRST_SERVER);
/// How often a sign is looked for.
const STEP: u64 = 20;
/// How long, before it is given up.
const PATIENCE: u64 = 600_000;
/// Far more than any play needs.
const EVENTS_MAX: u64 = 100_000;

impl Play {
    /// Performs it in a world, in which nothing is left to chance.
    #[must_use]
    pub fn perform(&self) -> Performance {
        let mut stage = Stage::of(self);
        for act in &self.acts {
            stage.act(act);
        }
        stage.until(None);
        stage.outcome()
    }
}

struct Stage<'p> {
    play: &'p Play,
    world: World<Party>,
    at: Tick,
    off: Vec<usize>,
    failures: Vec<String>,
}

impl<'p> Stage<'p> {
    fn of(play: &'p Play) -> Self {
        // Whether the configuration can work at all is checked where it is made.
        let profile = server::Profile::new(play.config.clone()).unwrap_or_default();
        let mut backend = Backend::new(profile, CrashPlan::at(Vec::new()), Permille::NEVER);
        let mut parties = Vec::new();
        let mut strikes = Vec::new();
        let mut watched = Watched {
            devices: BTreeMap::new(),
            sps: BTreeMap::new(),
            identities: Vec::new(),
            config: play.config.clone(),
        };
        for (n, player) in play.devices.iter().enumerate() {
            let node = device(n);
            backend.locate(node, &player.name, Source::at([10, 0, 0, last(node)].into()));
            watched.devices.insert(node, player.name.clone());
            watched.identities.push(player.identity.text.clone());
            watched.identities.extend(player.user.iter().map(|user| user.text.clone()));
            let profile = play.client(player, SERVER_NAME, Some(player.name.clone()));
            parties.push((node, Party::Device(Box::new(Device::new(profile, vec![SERVER], VecDeque::new())))));
            for mishap in play.mishaps.iter().filter(|mishap| mishap.device == n) {
                let (is_reply, harm) = match mishap.what {
                    What::RequestLost => (false, Harm::Drop),
                    What::ReplyLost => (true, Harm::Drop),
                    What::ResetBefore => (false, Harm::Reset(ResetAt::Before)),
                    // No other one befalls a client's message in a play.
                    _ => (false, Harm::Again(Millis(0))),
                };
                let (from, to) = if is_reply { (SERVER, node) } else { (node, SERVER) };
                strikes.push(Strike::Message { from, to, nth: u64::from(mishap.nth), harm });
            }
        }
        for (n, provider) in play.sps.iter().enumerate() {
            let node = sp_node(n);
            if let Some(own) = onboarded(provider, node) {
                backend.locate(node, &contact(node), Source::at([192, 0, 2, last(node)].into()));
                backend.onboard(own, node);
            }
            watched.sps.insert(node, provider.id().to_string());
            let machine = Sp::new(&provider.profile, vec![SERVER], Vec::new(), VecDeque::new());
            parties.push((node, Party::Sp(Box::new(machine))));
        }
        let mut world = World::new(Decider::from_decisions(0, &[]), Link::PERFECT, backend);
        world.watch(Box::new(Rules::new(watched).without_rest()));
        for (node, party) in parties {
            world.add(node, "party", party);
        }
        world.add(SERVER, "server", Party::Server(Server::default()));
        for strike in strikes {
            world.strike_at(Tick(0), strike);
        }
        Self { play, world, at: Tick(0), off: Vec::new(), failures: Vec::new() }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Start(n) => self.device(*n, Doing::Register),
            Act::Level(n, level, is_told) => self.device(*n, Doing::Level(*level, *is_told)),
            Act::User(n, user) => self.device(*n, Doing::User(user.clone())),
            // One that wants none starts up by itself.
            Act::Want(n, wants) => self.device(*n, Doing::Want(*wants)),
            Act::Off(n) => {
                self.off.push(*n);
                self.world.strike_at(self.at, Strike::Crash(device(*n), Millis(1_000 * PATIENCE)));
                self.pass();
            }
            Act::Ask(n, whose, what) => {
                let client = whose.client(|device| self.given(device));
                let client = client.filter(|_| !matches!(what, sp::What::ClientIds(_)));
                self.world.visit(sp_node(*n), |party, ctx| {
                    if let Party::Sp(sp) = party {
                        sp.request(ctx, client, what.clone(), None);
                        sp.arm(ctx);
                    }
                });
            }
            Act::Until(sign) => self.until(Some(*sign)),
        }
    }

    fn device(&mut self, n: usize, doing: Doing) {
        self.world.visit(device(n), |party, ctx| {
            if let Party::Device(device) = party {
                device.act(ctx, doing);
            }
        });
    }

    /// Lets the world happen for a moment.
    fn pass(&mut self) {
        self.at = Tick(self.at.0 + STEP);
        self.world.run(Bounds { until: self.at, events: EVENTS_MAX });
    }

    /// Lets it happen until this is so, and nothing is out to a client.
    fn until(&mut self, sign: Option<Sign>) {
        let end = self.at.0 + PATIENCE;
        loop {
            self.pass();
            if sign.is_none_or(|sign| self.has(sign)) && self.is_calm() {
                return;
            }
            if self.at.0 >= end {
                return self.failures.push(format!("this sign never comes in the world: {sign:?}"));
            }
        }
    }

    fn has(&self, sign: Sign) -> bool {
        match sign {
            Sign::Client(n, count) => self.reports(n).count() >= count,
            Sign::Sp(n, count) => {
                let Some(Party::Sp(sp)) = self.world.node(sp_node(n)) else { return false };
                let outputs = sp.journal().records.iter().flat_map(|record| &record.outputs);
                outputs.filter(|output| !matches!(output, sp::Output::Send(..))).count() >= count
            }
        }
    }

    fn is_calm(&self) -> bool {
        let on = (0..self.play.devices.len()).filter(|n| !self.off.contains(n));
        let machine = |id: ClientId| self.world.shared().device(&id).ok().flatten();
        on.filter_map(|n| self.given(n).pop()).filter_map(machine).all(|device| is_calm(&device))
    }

    fn reports(&self, n: usize) -> impl Iterator<Item = &client::Report> {
        let outputs = steps(self.world.node(device(n))).flat_map(|record| &record.outputs);
        outputs.filter_map(|output| match output {
            client::Output::Report(report) => Some(report),
            _ => None,
        })
    }

    /// The Client-IDs that a device was given.
    fn given(&self, n: usize) -> Vec<ClientId> {
        let of = |report: &client::Report| match report {
            client::Report::Registered(client) => Some(client.clone()),
            _ => None,
        };
        self.reports(n).filter_map(of).collect()
    }

    fn outcome(self) -> Performance {
        // Rules are not asked for their last word: a play may end in the midst of things.
        let mut failures = self.failures;
        failures.extend(self.world.ledger().violations().iter().map(ToString::to_string));
        failures.extend(self.world.trace().as_str().lines().filter(|line| line.contains("misused")).map(str::to_owned));
        // That a device is cut off is no mishap, but an act.
        let is_own = |fault: crate::FaultId| self.off.is_empty() || fault != crate::FaultId::F22;
        let faults = self.world.faults().iter().filter(|(fault, count)| *count > 0 && is_own(*fault)).collect();
        let (mut nodes, backend) = self.world.into_parts();
        let nobody = Directory::default();
        let directory = backend.directory().map_or(&nobody, |row| &row.value);
        let server = |id: &ClientId| believed(backend.device(id).ok().flatten().as_ref(), directory, id);
        let devices = (0..self.play.devices.len()).map(|n| {
            let Some(Party::Device(device)) = nodes.get_mut(&device(n)) else { return Raw::default() };
            let Some(client) = device.client().cloned() else { return Raw::default() };
            let steps = device.journals().flat_map(|journal| &journal.records);
            Raw::of_client(&client, steps, server)
        });
        let devices = devices.collect();
        let sps = (0..self.play.sps.len()).map(|n| {
            let Some(Party::Sp(sp)) = nodes.get_mut(&sp_node(n)) else { return Raw::default() };
            let Some(machine) = sp.machine().cloned() else { return Raw::default() };
            Raw::of_sp(&machine, sp.journal().records.iter())
        });
        let sps = sps.collect();
        Performance::of(devices, sps, faults, failures)
    }
}

fn device(n: usize) -> NodeId {
    NodeId(1 + u32::try_from(n).unwrap_or(0))
}

fn sp_node(n: usize) -> NodeId {
    NodeId(FIRST_SP + u32::try_from(n).unwrap_or(0))
}

fn steps(party: Option<&Party>) -> impl Iterator<Item = &RecordOf<Client>> {
    let device = match party {
        Some(Party::Device(device)) => Some(device),
        _ => None,
    };
    device.into_iter().flat_map(|device| device.journals()).flat_map(|journal| &journal.records)
}

/// What the server has of an SP, which it calls at its node.
fn onboarded(provider: &Provider, node: NodeId) -> Option<SpProfile> {
    let network = Network::try_from(address(node).as_str()).ok()?;
    let mut own = SpProfile::new(provider.id().clone(), vec![network]);
    (own.callback, own.response_mode) = (Some(contact(node)), ResponseMode::Callback);
    own.query_key_schemes = provider.query_key_schemes();
    Some(own)
}
