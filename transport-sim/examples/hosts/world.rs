//! A world of nodes that `transport-sim` knows nothing of: hosts with a device each, and one server.
//!
//! [`SessionRules`] watch it. For that its nodes note what they do, and what they have in common is a [`SessionWorld`].

use bytes::Bytes;
use core_kit::{Env, Millis, Tick};
use dm_core::{
    auth::{CredentialHash, Nonce},
    ids::ServerId,
    tree::{Op, OpResult},
};
use transport_sim::{
    Bounds, Context, Decider, Halt, Link, Message, Node, NodeId, Span, World,
    dm::{OpKind, SessionFact, SessionOrder, SessionRules, SessionWorld, Side, Standing, value_hash},
};

use crate::machines::{self, Around, Device, ORDERS, Plan, SERVER_ID, Server, Wrong, account_of};

const SERVER: NodeId = NodeId(0);
/// What the orders do.
const KINDS: [OpKind; ORDERS.len()] =
    [OpKind::Get, OpKind::Add, OpKind::Replace, OpKind::Exec, OpKind::Replace, OpKind::Get, OpKind::Get];

/// What all hosts have in common.
#[derive(Debug)]
pub struct Shared {
    plan: Plan,
    hosts: u32,
    rounds: u32,
    /// All that the server knows: it stores every step, so its node has nothing of its own.
    server: Server,
    /// Which device each host is in this round.
    devices: Vec<u32>,
    is_judged: bool,
    wrong: Option<Wrong>,
}

impl SessionWorld for Shared {
    fn device_at(&self, node: NodeId) -> Option<u32> {
        self.devices.get(host_of(node)?).copied()
    }

    fn linger(&self) -> Millis {
        // Nothing is lost, late or sent again. What is noted in the same event comes at the same time.
        Millis(1)
    }

    fn credential(&self, device: u32, side: Side) -> CredentialHash {
        let account = account_of(device, machine_side(side));
        CredentialHash::new(&account.user, account.password.reveal())
    }

    fn first_nonce(&self, device: u32, side: Side) -> Nonce {
        account_of(device, machine_side(side)).nonce
    }

    fn standing(&self, device: u32, order: usize) -> Option<(Standing, bool)> {
        let row = self.server.row(device)?;
        let standing = match (row.is_done(order), row.waits(order)) {
            (true, _) => Standing::Done,
            (false, true) => Standing::Queued,
            (false, false) => Standing::HandedOut,
        };
        Some((standing, row.waits(order)))
    }

    fn values_read(&self, device: u32) -> impl Iterator<Item = (usize, u64)> {
        let row = self.server.row(device).into_iter();
        row.flat_map(|row| row.read().iter().map(|(order, value)| (*order, value_hash(value))))
    }

    fn sessions_to_wake(&self) -> usize {
        0
    }
}

const fn machine_side(side: Side) -> machines::Side {
    match side {
        Side::Client => machines::Side::Client,
        Side::Server => machines::Side::Server,
    }
}

/// Which host a node is; nothing for the server.
fn host_of(node: NodeId) -> Option<usize> {
    usize::try_from(node.0.checked_sub(1)?).ok()
}

/// A node.
#[derive(Debug)]
pub enum Host {
    /// The server.
    Server,
    /// A host with a device that has a session, and then with the next one.
    Device {
        /// The host's, from 0.
        number: u32,
        /// Sessions that have begun.
        round: u32,
        /// The device of this round.
        device: Option<Box<Device>>,
    },
}

impl Node for Host {
    type Shared = Shared;
    type Fact = SessionFact;

    fn start(&mut self, ctx: &mut Context<'_, Self>) {
        self.go_on(ctx, None);
    }

    fn deliver(&mut self, ctx: &mut Context<'_, Self>, message: &Message) {
        match self {
            Self::Server => serve(ctx, message),
            Self::Device { .. } => self.go_on(ctx, Some(message.bytes.clone())),
        }
    }

    fn wake(&mut self, _: &mut Context<'_, Self>) {}

    fn crash(&mut self) {}

    fn restart(&mut self, _: &mut Context<'_, Self>) {}

    fn is_server(&self) -> bool {
        matches!(self, Self::Server)
    }
}

impl Host {
    fn go_on(&mut self, ctx: &mut Context<'_, Self>, reply: Option<Bytes>) {
        match self.step(ctx, reply) {
            Ok(Some(message)) => {
                let channel = ctx.open_channel();
                ctx.send(SERVER, channel, message);
            }
            Ok(None) => {}
            Err(wrong) => ctx.shared().wrong = Some(wrong),
        }
    }

    /// The next message of the device, of this session or of the next one.
    fn step(&mut self, ctx: &mut Context<'_, Self>, reply: Option<Bytes>) -> Result<Option<Bytes>, Wrong> {
        let Self::Device { number, round, device } = self else { return Ok(None) };
        if let Some((before, reply)) = device.as_mut().zip(reply) {
            let next = before.receive(&mut Place(ctx), reply)?;
            if next.is_some() {
                return Ok(next);
            }
            if !before.has_completed() {
                return Err("a session was not completed".into());
            }
            rest(ctx, before);
            *device = None;
        }
        let shared = ctx.shared();
        if *round == shared.rounds {
            return Ok(None);
        }
        let name = *number + *round * shared.hosts;
        if let Some(place) = host_of(NodeId(*number + 1)).and_then(|host| shared.devices.get_mut(host)) {
            *place = name;
        }
        let fresh = Device::new(&shared.plan, name);
        *round += 1;
        note(ctx, || SessionFact::Began(SESSION));
        device.insert(Box::new(fresh)).begin(&mut Place(ctx))
    }
}

/// Every device has one session, with this number.
const SESSION: u16 = 1;

/// Tells the rules, where there are any.
fn note(ctx: &mut Context<'_, Host>, fact: impl FnOnce() -> SessionFact) {
    if ctx.shared().is_judged {
        ctx.note(&fact());
    }
}

/// Tells that the session is over, and what is left of it.
fn rest(ctx: &mut Context<'_, Host>, device: &Device) {
    if let Some(outcome) = device.outcome() {
        note(ctx, || SessionFact::Ended(SESSION, outcome.clone()));
    }
    note(ctx, || {
        let tree = device.tree();
        let value = |uri: &&str| tree.text(uri).map(|text| value_hash(text.as_bytes()));
        SessionFact::Rested {
            open: tree.is_open(),
            kept: tree.keeps_part(),
            values: ORDERS.iter().map(value).collect(),
            // The device itself is dropped.
            octets: size_of::<Host>(),
        }
    });
}

fn serve(ctx: &mut Context<'_, Host>, message: &Message) {
    let env = ctx.env(Some(message.from));
    match ctx.shared().server.receive(&env, message.bytes.clone()) {
        Ok(answer) => {
            let device = answer.device;
            note(ctx, || SessionFact::Committed { device, session: SESSION });
            if let Some(outcome) = answer.finished {
                note(ctx, || SessionFact::ServerEnded { device, session: SESSION, outcome });
            }
            ctx.send(message.from, message.channel, answer.reply);
        }
        Err(wrong) => ctx.shared().wrong = Some(wrong),
    }
}

/// Where a device has its session: a host.
struct Place<'a, 'w>(&'a mut Context<'w, Host>);

impl Around for Place<'_, '_> {
    fn env(&mut self) -> Env {
        self.0.env(None)
    }

    fn executed(&mut self, op: &Op, result: &OpResult) {
        if let Some((kind, uri)) = OpKind::of(op).zip(op.uri()) {
            note(self.0, || {
                // It is one of a few that are known.
                let known = ORDERS.into_iter().find(|known| *known == uri);
                let uri = known.map_or_else(|| uri.to_owned().into(), Into::into);
                SessionFact::Executed { kind, uri, status: result.status }
            });
        }
    }
}

/// What the server orders every device to do.
///
/// # Errors
/// The plan cannot be made.
pub fn orders() -> Result<Vec<SessionOrder>, Wrong> {
    let (plan, server) = (Plan::new()?, ServerId::from(SERVER_ID));
    let orders = KINDS.into_iter().zip(ORDERS);
    Ok(orders.map(|(kind, uri)| SessionOrder::on(plan.tree(), &server, kind, uri)).collect())
}

/// Lets each of so many hosts have so many sessions, one after the other, so many milliseconds away from the server. The
/// world as it is then, with what the rules found in its [`ledger`](World::ledger).
///
/// # Errors
/// Something went wrong that is no matter of a rule.
pub fn run((hosts, rounds): (u32, u32), latency_ms: u64, rules: Option<SessionRules>) -> Result<World<Host>, Wrong> {
    let plan = Plan::new()?;
    let link = Link { delay: Span::new(latency_ms, latency_ms), ..Link::PERFECT };
    let (server, devices) = (Server::new(plan.clone()), (0..hosts).collect());
    let shared = Shared { plan, hosts, rounds, server, devices, is_judged: rules.is_some(), wrong: None };
    let mut world = World::new(Decider::from_seed(1).unrecorded(), link, shared).untraced();
    if let Some(rules) = rules {
        world.watch(Box::new(rules));
    }
    world.add(SERVER, "server", Host::Server);
    for number in 0..hosts {
        world.add(NodeId(number + 1), "device", Host::Device { number, round: 0, device: None });
    }
    let halt = world.run(Bounds { until: Tick(u64::MAX), events: u64::MAX });
    world.finish();
    match world.shared_mut().wrong.take() {
        Some(wrong) => Err(wrong),
        None if halt == Halt::Quiet => Ok(world),
        None => Err(format!("the world stopped: {halt:?}").into()),
    }
}

impl Shared {
    /// The server, with all that it knows.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }
}
