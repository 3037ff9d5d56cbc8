//! The sessions under `transport-sim`: the same machines as under the others, and then its own fleet, with every rule.

use bytes::Bytes;
use core_kit::Tick;
use rivals::{
    HOSTS, LATENCY_MS,
    machines::{Device, Plan, Server, Wrong},
    report, rounds,
};
use transport_sim::{
    Bounds, Context, Decider, Halt, Link, Message, Node, NodeId, Span, World,
    dm::{Conditions, Fleet},
};

const SERVER: NodeId = NodeId(0);

/// What all hosts have in common.
struct Shared {
    plan: Plan,
    rounds: u32,
    wrong: Option<Wrong>,
}

enum Host {
    Server(Box<Server>),
    Device { number: u32, round: u32, device: Option<Box<Device>> },
}

impl Node for Host {
    type Shared = Shared;
    type Fact = &'static str;

    fn start(&mut self, ctx: &mut Context<'_, Self>) {
        self.go_on(ctx, None);
    }

    fn deliver(&mut self, ctx: &mut Context<'_, Self>, message: &Message) {
        match self {
            Self::Server(server) => {
                let env = ctx.env(Some(message.from));
                match server.receive(&env, message.bytes.clone()) {
                    Ok(reply) => ctx.send(message.from, message.channel, reply),
                    Err(wrong) => ctx.shared().wrong = Some(wrong),
                }
            }
            Self::Device { .. } => self.go_on(ctx, Some(message.bytes.clone())),
        }
    }

    fn wake(&mut self, _: &mut Context<'_, Self>) {}

    fn crash(&mut self) {}

    fn restart(&mut self, _: &mut Context<'_, Self>) {}

    fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
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
        if let Some((device, reply)) = device.as_mut().zip(reply) {
            let next = device.receive(|| ctx.env(None), reply)?;
            if next.is_some() {
                return Ok(next);
            }
            if !device.has_completed() {
                return Err("a session was not completed".into());
            }
        }
        if *round == ctx.shared().rounds {
            return Ok(None);
        }
        let fresh = Device::new(&ctx.shared().plan, *number + *round * HOSTS);
        *round += 1;
        device.insert(Box::new(fresh)).begin(|| ctx.env(None))
    }
}

fn same_machines(rounds: u32) -> Result<(u64, u64), Wrong> {
    let plan = Plan::new()?;
    let link = Link { delay: Span::new(LATENCY_MS, LATENCY_MS), ..Link::PERFECT };
    let shared = Shared { plan: plan.clone(), rounds, wrong: None };
    let mut world = World::new(Decider::from_seed(1).unrecorded(), link, shared).untraced();
    world.add(SERVER, "server", Host::Server(Box::new(Server::new(plan))));
    for number in 0..HOSTS {
        world.add(NodeId(number + 1), "device", Host::Device { number, round: 0, device: None });
    }
    let halt = world.run(Bounds { until: Tick(u64::MAX), events: u64::MAX });
    let (nodes, shared) = world.into_parts();
    match (shared.wrong, nodes.get(&SERVER)) {
        (Some(wrong), _) => Err(wrong),
        (None, Some(Host::Server(server))) if halt == Halt::Quiet => Ok(server.counts()),
        _ => Err(format!("the world stopped: {halt:?}").into()),
    }
}

/// A fleet of as many devices as all hosts have sessions, each with one of its own in the course of a day.
fn fleet(rounds: u32) -> Result<(u64, u64), Wrong> {
    let fleet = Fleet { devices: HOSTS * rounds, conditions: Conditions::CALM, ..Fleet::new(1) };
    let run = fleet.run(1, |_| {});
    match run.failures().into_iter().next() {
        Some(failure) => Err(failure.into()),
        None => Ok((run.completed(), run.figure("exchanges"))),
    }
}

fn main() -> Result<(), Wrong> {
    let rounds = rounds();
    report("transport-sim", || same_machines(rounds))?;
    report("transport-sim-fleet", || fleet(rounds))
}
