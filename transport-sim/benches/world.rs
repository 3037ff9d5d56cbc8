//! What the generic world costs: events per second, and octets per idle node.
//!
//! ```text
//! cargo bench -p transport-sim
//! ```
//!
//! The last line gives the figures as `name=value`. Time is that of the processor, so that others on the machine do not
//! count, and memory that of the process; Linux tells both. Elsewhere time is that of the clock, and memory 0.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a bench is about real time")]

use std::time::Instant;

use bytes::Bytes;
use core_kit::{Millis, Tick};
use transport_sim::{
    Bounds, Context, Decider, FaultId, Halt, Link, Message, Node, NodeId, Permille, Site, Span, Swarm, World,
};

const SERVER: NodeId = NodeId(0);
const DAY: Millis = Millis::from_secs(24 * 3_600);
const IDLE: u32 = 1_000_000;

/// Pings so often, at odd times within a span of its own.
struct Pinger {
    pings: u32,
    every: Span,
}

impl Node for Pinger {
    type Shared = ();
    type Fact = &'static str;

    fn start(&mut self, ctx: &mut Context<'_, Self>) {
        self.rest(ctx);
    }

    fn deliver(&mut self, ctx: &mut Context<'_, Self>, message: &Message) {
        if message.is_request() {
            ctx.send(message.from, message.channel, message.bytes.clone());
        } else {
            self.rest(ctx);
        }
    }

    fn wake(&mut self, ctx: &mut Context<'_, Self>) {
        self.pings -= 1;
        let channel = ctx.open_channel();
        ctx.send(SERVER, channel, Bytes::from_static(&[0; 1_000]));
        self.rest(ctx);
    }

    fn crash(&mut self) {}

    fn restart(&mut self, ctx: &mut Context<'_, Self>) {
        self.rest(ctx);
    }
}

impl Pinger {
    fn rest(&self, ctx: &mut Context<'_, Self>) {
        let at = (self.pings > 0).then(|| ctx.now() + ctx.draw(Site("pinger.rest"), None, self.every));
        ctx.wake_at(at);
    }
}

/// What a world is measured with.
struct Setting {
    what: &'static str,
    nodes: u32,
    pings: u32,
    every: Span,
    link: Link,
    faults: Swarm,
    is_traced: bool,
}

/// Events per second, and messages per second.
fn measure(setting: &Setting) -> (u128, u128) {
    let decider = Decider::from_seed(1);
    let decider = if setting.is_traced { decider } else { decider.unrecorded() };
    let mut world = World::new(decider, setting.link, ());
    if !setting.is_traced {
        world = world.untraced();
    }
    world.add(SERVER, "server", Pinger { pings: 0, every: setting.every });
    for node in 1..=setting.nodes {
        world.add(NodeId(node), "pinger", Pinger { pings: setting.pings, every: setting.every });
    }
    world.unleash(&setting.faults, DAY);
    let begun = Instant::now();
    let before = computed(begun);
    let bounds = Bounds { until: Tick(u64::MAX), events: u64::MAX };
    assert_eq!(world.run(bounds), Halt::Quiet);
    let took = (computed(begun) - before).max(1);
    world.finish();
    assert!(world.ledger().violations().is_empty(), "{:?}", world.ledger().violations());
    // Every event is judged once by the order of time.
    let events = u128::from(world.ledger().met(transport_sim::FORWARD));
    let per_second = |count: u128| count * 1_000_000 / took;
    let (events_s, messages_s) = (per_second(events), per_second(world.counts().sent.into()));
    println!("{:<58}{events:>11} events{events_s:>11} /s{messages_s:>11} messages/s", setting.what);
    (events_s, messages_s)
}

/// Microseconds that the process has computed.
fn computed(begun: Instant) -> u128 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse::<u128>().ok());
    nanos.map_or_else(|| begun.elapsed().as_micros(), |nanos| nanos / 1_000)
}

/// Octets that the process holds.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}

/// Octets of a node that has done nothing but to choose when it will do something.
fn idle() -> (u64, u128) {
    let before = resident();
    let begun = Instant::now();
    let computed_before = computed(begun);
    let mut world = World::new(Decider::from_seed(1).unrecorded(), Link::PERFECT, ()).untraced();
    for node in 1..=IDLE {
        world.add(NodeId(node), "pinger", Pinger { pings: 1, every: Span { least: Millis(0), most: DAY } });
    }
    assert_eq!(world.run(Bounds { until: Tick(0), events: u64::MAX }), Halt::OutOfTime, "all of them rest");
    let took = (computed(begun) - computed_before) / 1_000;
    let octets = resident().saturating_sub(before) / u64::from(IDLE);
    println!("{IDLE} idle nodes: {octets} octets each, {took} ms to build and start");
    (octets, took)
}

fn main() {
    let plain = Setting {
        what: "1,000 nodes, perfect links",
        nodes: 1_000,
        pings: 1_000,
        every: Span::new(1_000, 2_000),
        link: Link::PERFECT,
        faults: Swarm::CALM,
        is_traced: false,
    };
    let rough = Link {
        delay: Span::new(10, 500),
        loss: Permille::new(50),
        duplication: Permille::new(50),
        late: Span::new(0, 60_000),
        reordering: Permille::new(20),
        held: Span::new(500, 5_000),
    };
    let often: Vec<FaultId> = FaultId::ALL.into_iter().filter(|fault| *fault <= FaultId::F15).collect();
    let (octets, _) = idle();
    let (calm, _) = measure(&plain);
    let (traced, _) = measure(&Setting { what: "the same, traced and recorded", pings: 200, is_traced: true, ..plain });
    let (faulty, _) = measure(&Setting {
        what: "1,000 nodes, rough links and all faults of messages",
        link: rough,
        faults: Swarm::CALM.with_all(&often, Permille::new(5)),
        ..plain
    });
    let (many, _) = measure(&Setting {
        what: "1,000,000 nodes, two pings in a day",
        nodes: IDLE,
        pings: 2,
        every: Span { least: Millis(0), most: DAY },
        link: rough,
        ..plain
    });
    println!(
        "world: ok octets-per-idle-node={octets} events-per-second={calm} traced={traced} faulty={faulty} many={many} resident-mib={}",
        resident() >> 20
    );
}

const _: () = assert!(IDLE < 1 << 24, "nodes are found by index");
