//! What holds of the simulator itself, with everything going wrong at once.

use core_kit::{Millis, Tick};
use transport_sim::{
    CONSERVATION, Checker, Decider, End, Event, FaultCounts, FaultId, Figure, Halt, Ledger, Link, Mode, NodeId,
    Permille, Recording, Rule, RuleId, Span, Swarm, World,
};

use crate::faults::{A, B, FOREVER, Party, SERVER};

const LATELY: Rule = Rule { id: RuleId("L"), says: "after healing nothing is lost" };

/// Judges losses once the world is healed, and counts what it is told of faults.
#[derive(Default)]
struct Watcher {
    healed: Option<Tick>,
    struck: u64,
}

impl Checker<Party> for Watcher {
    fn rules(&self) -> Vec<Rule> {
        vec![LATELY]
    }

    fn observe(&mut self, at: Tick, event: &Event<'_, &'static str>, (): &(), ledger: &mut Ledger) {
        if self.healed.is_some_and(|healed| at >= healed)
            && let Event::Sent(_) | Event::Lost(_) = event
        {
            ledger.judge(LATELY, matches!(event, Event::Sent(_)), || "lost");
        }
    }

    fn struck(&mut self, _: Tick, _: FaultId, _: NodeId, ledger: &mut Ledger) {
        self.struck += 1;
        ledger.count("struck", Figure::Sum(1));
    }

    fn healed(&mut self, at: Tick, (): &(), _: &mut Ledger) {
        self.healed = Some(at);
    }

    fn finish(&mut self, _: &End<'_, ()>, ledger: &mut Ledger) {
        ledger.judge(LATELY, self.healed.is_some(), || "it was never healed");
    }
}

/// Everything that the world injects, and what it tells nodes to do to their stores.
fn all() -> Swarm {
    let of = |faults: &dyn Fn(&FaultId) -> bool| FaultId::ALL.into_iter().filter(faults).collect::<Vec<_>>();
    let often = of(&|fault| *fault <= FaultId::F15 || (FaultId::F29..=FaultId::F34).contains(fault));
    let once =
        of(&|fault| (FaultId::F16..=FaultId::F22).contains(fault) || *fault >= FaultId::F35 && *fault <= FaultId::F39);
    let swarm = Swarm::CALM.with_all(&often, Permille::new(30)).with_all(&once, Permille::new(500));
    swarm.with_all(&[FaultId::F25, FaultId::F27], Permille::new(500))
}

fn stormy(decider: Decider, nodes: &[NodeId]) -> World<Party> {
    under(&all(), decider, nodes)
}

fn under(swarm: &Swarm, decider: Decider, nodes: &[NodeId]) -> World<Party> {
    let rough = Link { delay: Span::new(10, 300), loss: Permille::new(50), ..Link::PERFECT };
    let mut builder = World::builder(decider, ()).link(rough).checker(Watcher::default()).keep_traffic();
    builder = builder.node(SERVER, "server", Party::default());
    for node in nodes {
        builder = builder.node(*node, "client", Party::client(60));
    }
    builder.faults(*swarm, Millis(60_000)).build()
}

#[test]
fn after_healing_nothing_goes_wrong_any_more() {
    let (mut struck, mut judged) = (0, 0);
    for seed in 0..100 {
        let mut world = stormy(Decider::from_seed(seed), &[A, B]);
        let halt = world.run_in(Mode::Converge { heal: Tick(30_000) }, FOREVER);
        world.finish();
        assert_eq!((halt, world.ledger().violations()), (Halt::Quiet, &[][..]), "seed {seed}");
        assert!(world.trace().as_str().contains(" heal - "));
        let (before, after) = world.trace().as_str().split_once(" heal - ").expect("it was healed");
        struck += before.matches(" fault ").count();
        assert_eq!(after.matches(" fault ").count() + after.matches(" crash ").count(), 0, "seed {seed}");
        judged += world.ledger().met(LATELY);
    }
    assert!(struck > 1_000 && judged > 1_000, "{struck} {judged}");
}

#[test]
fn a_world_that_comes_to_rest_early_is_healed_all_the_same() {
    let mut world = stormy(Decider::from_seed(1), &[]);
    assert_eq!(world.run_in(Mode::Converge { heal: Tick(1 << 40) }, FOREVER), Halt::Quiet);
    world.finish();
    assert_eq!((world.now(), world.ledger().violations()), (Tick(1 << 40), &[][..]));
}

#[test]
fn s01_two_runs_of_a_seed_give_the_same_trace() {
    let trace = |seed| ran_on(stormy(Decider::from_seed(seed), &[A, B])).trace().as_str().to_owned();
    for seed in 0..50 {
        assert_eq!(trace(seed), trace(seed));
        assert_ne!(trace(seed), trace(seed + 1));
    }
}

fn ran_on(mut world: World<Party>) -> World<Party> {
    assert_eq!(world.run(FOREVER), Halt::Quiet);
    world
}

#[test]
fn s03_a_client_less_leaves_what_the_others_draw_and_see_unchanged() {
    // Faults that choose among all nodes, or that fill what all share, are about all of them: F15, F18 and F20.
    let swarm = [FaultId::F15, FaultId::F18, FaultId::F20].iter().fold(all(), |all, f| all.with(*f, Permille::NEVER));
    let of_a = |clients: &[NodeId], seed| {
        let world = ran_on(under(&swarm, Decider::from_seed(seed), clients));
        let is_its = |line: &&str| {
            let fields: Vec<&str> = line.split(' ').collect();
            fields.get(3) == Some(&"1") || (fields.get(3) == Some(&"100") && fields.get(4) == Some(&"1"))
        };
        // Numbers of lines and messages count all of them.
        let bare = |line: &str| {
            let fields: Vec<&str> = line.split(' ').collect();
            [fields[0], fields[2], fields[3], fields[4], fields[6], fields[7], fields[8]].join(" ")
        };
        world.trace().as_str().lines().skip(4).filter(is_its).map(bare).collect::<Vec<_>>()
    };
    for seed in 0..20 {
        let (alone, among) = (of_a(&[A], seed), of_a(&[A, B, NodeId(3)], seed));
        assert!(alone.len() > 50);
        assert_eq!(alone, among, "seed {seed}");
    }
}

#[test]
fn s04_recorded_decisions_give_the_same_trace_without_drawing() {
    for seed in 0..50 {
        let drawn = ran_on(stormy(Decider::from_seed(seed), &[A, B]));
        let text = Recording { seed, decisions: drawn.decisions().to_vec(), ..Default::default() }.write();
        let read = Recording::read(&text).expect("it was just written");
        let again = ran_on(stormy(Decider::from_decisions(seed, &read.decisions), &[A, B]));
        assert_eq!(drawn.trace().as_str(), again.trace().as_str());
        assert_eq!(drawn.decisions(), again.decisions());
    }
}

#[test]
fn s05_s06_messages_are_conserved_and_time_goes_on_whatever_goes_wrong() {
    let mut counts = FaultCounts::default();
    for seed in 0..200 {
        let mut world = ran_on(stormy(Decider::from_seed(seed), &[A, B]));
        world.finish();
        let world_rules: Vec<_> = world.ledger().violations().iter().filter(|v| v.rule != LATELY.id).collect();
        assert!(world_rules.is_empty(), "{world_rules:?}");
        assert!(world.ledger().met(CONSERVATION) > 100);
        counts.add(world.faults());
        let struck = world.ledger().figures().find(|(name, _)| *name == "struck").map_or(0, |(_, f)| f.value());
        assert_eq!(struck, world.faults().total(), "checkers hear of every fault");
    }
    let missing: Vec<FaultId> = all().faults().filter(|fault| counts.of(*fault) == 0).collect();
    assert_eq!(missing, []);
}

#[test]
fn without_a_trace_and_without_a_record_everything_happens_all_the_same() {
    let run = |world: World<Party>| {
        let world = ran_on(world);
        (world.counts(), *world.faults(), world.now(), world.trace().lines(), world.decisions().len())
    };
    for seed in 0..20 {
        let (counts, faults, now, ..) = run(stormy(Decider::from_seed(seed), &[A, B]));
        let quiet = run(stormy(Decider::from_seed(seed).unrecorded(), &[A, B]).untraced());
        assert_eq!(quiet, (counts, faults, now, 0, 0));
    }
}
