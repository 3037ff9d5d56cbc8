//! The generic world, with a machine of its own that is no protocol's.

use core::fmt;

use bytes::Bytes;
use core_kit::{
    Deadline, Durable, Env, Machine, Millis, Tick,
    journal::{Replay, replay},
};
use transport_sim::{
    Bounds, Checker, Commit, Context, Counts, Decider, Decision, End, Event, Halt, Host, Ledger, Link, Message, Node,
    NodeId, Permille, Rule, RuleId, Site, Span, Store, World,
};

const CLERK: NodeId = NodeId(0);
const HOUR: Bounds = Bounds { until: Tick(3_600_000), events: 100_000 };
const ROUGH: Link = Link {
    delay: Span::new(10, 200),
    loss: Permille::new(200),
    duplication: Permille::new(200),
    late: Span::new(0, 20_000),
    reordering: Permille::new(100),
    held: Span::new(500, 5_000),
};

/// Wants a number of receipts, one after the other, and asks for each until it has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Collector {
    got: u64,
    wanted: u64,
    ask_at: Tick,
    revision: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Input {
    Wake,
    Receipt(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Output {
    Ask { receipt: u64, nonce: u8 },
    Done,
}

impl Machine for Collector {
    type Input = Input;
    type Output = Output;
    type Misuse = &'static str;
    type Why = ();

    fn handle(&mut self, env: &Env, input: Input, out: &mut Vec<Output>) -> Result<(), &'static str> {
        let due = match input {
            Input::Receipt(receipt) if receipt > self.got + 1 => return Err("a receipt that was not asked for"),
            Input::Receipt(receipt) => receipt == self.got + 1,
            Input::Wake => false,
        };
        self.revision += 1;
        if due {
            self.got += 1;
        }
        if self.got == self.wanted {
            out.extend(due.then_some(Output::Done));
        } else if due || env.now >= self.ask_at {
            self.ask_at = env.now + Millis::from_secs(5);
            let [nonce, ..] = env.draw("collector", self.revision);
            out.push(Output::Ask { receipt: self.got + 1, nonce });
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Deadline<()>> {
        (self.got < self.wanted).then_some(Deadline { at: self.ask_at, why: () })
    }
}

impl Durable for Collector {
    type Snapshot = Self;
    type Profile = ();
    type RestoreError = core::convert::Infallible;

    const NAME: &'static str = "test.collector";
    const VERSION: &'static str = "0";

    fn snapshot(&self) -> Self {
        self.clone()
    }

    fn restore(snapshot: Self, (): &()) -> Result<Self, Self::RestoreError> {
        Ok(snapshot)
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

/// The clerk stamps receipts, each number of each collector once, and keeps the book in the store.
enum Party {
    Clerk { work: Vec<(NodeId, transport_sim::Channel, u64, u64)>, rivals: Permille },
    Collector(Host<Collector>),
}

#[derive(Debug, PartialEq, Eq)]
enum Fact {
    Stamped { collector: NodeId, receipt: u64 },
    LostRace,
    Done,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stamped { collector, receipt } => write!(f, "stamped {receipt} for {collector}"),
            Self::LostRace => f.write_str("lost a race"),
            Self::Done => f.write_str("done"),
        }
    }
}

type Book = Store<NodeId, u64>;

impl Party {
    fn collector(wanted: u64) -> Self {
        let machine = Collector { got: 0, wanted, ask_at: Tick(0), revision: 0 };
        Self::Collector(Host::new((), machine))
    }

    fn drive(&mut self, ctx: &mut Context<'_, Self>, input: Input) {
        let Self::Collector(host) = self else { unreachable!("only collectors are driven") };
        let env = ctx.env(None);
        for output in host.step(&env, input).expect("fits") {
            match output {
                Output::Ask { receipt, nonce } => {
                    let channel = ctx.open_channel();
                    ctx.send(CLERK, channel, Bytes::from(vec![u8::try_from(receipt).unwrap(), nonce]));
                }
                Output::Done => ctx.note(&Fact::Done),
            }
        }
        ctx.wake_at(host.machine().unwrap().deadline().map(|deadline| deadline.at));
    }
}

impl Node for Party {
    type Shared = Book;
    type Fact = Fact;

    fn start(&mut self, ctx: &mut Context<'_, Self>) {
        if let Self::Collector(_) = self {
            self.drive(ctx, Input::Wake);
        }
    }

    fn deliver(&mut self, ctx: &mut Context<'_, Self>, message: &Message) {
        match self {
            Self::Clerk { work, .. } => {
                let revision = ctx.shared().revision(&message.from);
                work.push((message.from, message.channel, u64::from(message.bytes[0]), revision));
                ctx.wake_at(Some(ctx.now() + Millis(5)));
            }
            Self::Collector(_) => self.drive(ctx, Input::Receipt(u64::from(message.bytes[0]))),
        }
    }

    fn wake(&mut self, ctx: &mut Context<'_, Self>) {
        let Self::Clerk { work, rivals } = self else { return self.drive(ctx, Input::Wake) };
        for (collector, channel, receipt, revision) in core::mem::take(work) {
            let stamped = ctx.shared().load(&collector).map_or(0, |row| row.value);
            let rival = ctx.chance(Site("clerk.rival"), Some(collector), *rivals);
            if rival {
                let (now, book) = (ctx.shared().revision(&collector), ctx.shared());
                assert_eq!(book.compare_and_swap(collector, now, now + 1, stamped), Commit::Done);
            }
            if receipt == stamped + 1 {
                match ctx.shared().compare_and_swap(collector, revision, revision + 1, receipt) {
                    Commit::Done => ctx.note(&Fact::Stamped { collector, receipt }),
                    Commit::Lost => {
                        ctx.note(&Fact::LostRace);
                        let revision = ctx.shared().revision(&collector);
                        work.push((collector, channel, receipt, revision));
                        ctx.wake_at(Some(ctx.now() + Millis(5)));
                        continue;
                    }
                }
            }
            ctx.send(collector, channel, Bytes::from(vec![u8::try_from(receipt).unwrap()]));
        }
    }

    fn crash(&mut self) {
        match self {
            Self::Clerk { work, .. } => work.clear(),
            Self::Collector(host) => host.crash(),
        }
    }

    fn restart(&mut self, ctx: &mut Context<'_, Self>) {
        if let Self::Collector(host) = self {
            let deadline = host.machine().unwrap().deadline().map(|deadline| deadline.at);
            ctx.wake_at(deadline);
        }
    }
}

const ONCE: Rule = Rule { id: RuleId("once"), says: "no receipt is stamped twice" };

#[derive(Default)]
struct Once(Vec<(NodeId, u64)>);

impl Checker<Party> for Once {
    fn rules(&self) -> Vec<Rule> {
        vec![ONCE]
    }

    fn observe(&mut self, _: Tick, event: &Event<'_, Fact>, _: &Book, ledger: &mut Ledger) {
        if let Event::Noted(_, Fact::Stamped { collector, receipt }) = event {
            let stamp = (*collector, *receipt);
            ledger.judge(ONCE, !self.0.contains(&stamp), || format!("{stamp:?} again"));
            self.0.push(stamp);
        }
    }

    fn finish(&mut self, _: &End<'_, Book>, _: &mut Ledger) {}
}

struct Setting<'a> {
    link: Link,
    collectors: &'a [u32],
    rivals: Permille,
    crashes: &'a [(NodeId, u64)],
}

const TWO: Setting<'_> = Setting { link: ROUGH, collectors: &[1, 2], rivals: Permille::NEVER, crashes: &[] };

fn world(decider: Decider, setting: &Setting<'_>) -> World<Party> {
    let mut world = World::new(decider, setting.link, Book::default());
    world.watch(Box::new(Once::default()));
    world.keep_traffic();
    world.add(CLERK, "clerk", Party::Clerk { work: Vec::new(), rivals: setting.rivals });
    for id in setting.collectors {
        world.add(NodeId(*id), "collector", Party::collector(8));
    }
    for (node, at) in setting.crashes {
        world.crash_at(*node, Tick(*at), Millis(700));
    }
    assert_eq!(world.run(HOUR), Halt::Quiet);
    world.finish();
    world
}

fn done(world: &World<Party>) -> usize {
    world.trace().as_str().lines().filter(|line| line.ends_with(" done")).count()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
    let trace = |seed| world(Decider::from_seed(seed), &TWO).trace().as_str().to_owned();
    for seed in 0..50 {
        assert_eq!(trace(seed), trace(seed));
        assert_ne!(trace(seed), trace(seed + 1));
    }
}

#[test]
fn a_recorded_list_of_decisions_gives_the_same_trace_without_drawing() {
    for seed in 0..50 {
        let setting = Setting { rivals: Permille::new(200), ..TWO };
        let drawn = world(Decider::from_seed(seed), &setting);
        let replayed = world(Decider::from_decisions(seed, drawn.decisions()), &setting);
        assert_eq!(drawn.trace().as_str(), replayed.trace().as_str());
        assert_eq!(drawn.decisions(), replayed.decisions());
    }
}

#[test]
fn a_list_without_the_losses_is_a_run_without_losses() {
    let drawn = world(Decider::from_seed(3), &TWO);
    assert!(drawn.counts().dropped > 0);
    let without: Vec<Decision> =
        drawn.decisions().iter().filter(|decision| decision.site != Site("link.loss")).copied().collect();
    let shrunk = world(Decider::from_decisions(3, &without), &TWO);
    assert_eq!((shrunk.counts().dropped, done(&shrunk)), (0, 2));
}

#[test]
fn a_node_less_leaves_what_the_others_do_and_draw_unchanged() {
    let of_one = |collectors| {
        let world = world(Decider::from_seed(9), &Setting { collectors, ..TWO });
        let touches = |decision: &&Decision| decision.who.node == NodeId(1) || decision.who.about == Some(NodeId(1));
        let decisions: Vec<Decision> = world.decisions().iter().filter(touches).copied().collect();
        (
            decisions,
            world
                .node(NodeId(1))
                .map(|node| matches!(node, Party::Collector(host) if host.journal().records.len() > 8)),
        )
    };
    assert_eq!(of_one(&[1, 2, 3]), of_one(&[1]));
}

#[test]
fn messages_are_conserved_and_receipts_stamped_once_whatever_happens() {
    let mut total = Counts::default();
    for seed in 0..200 {
        let crashes = [(CLERK, 300 + seed * 7), (NodeId(1), 150 + seed * 11), (CLERK, 4_000 + seed * 3)];
        let setting = Setting { rivals: Permille::new(100), crashes: &crashes, ..TWO };
        let world = world(Decider::from_seed(seed), &setting);
        assert_eq!(world.ledger().violations(), [], "seed {seed}");
        assert_eq!(world.ledger().met(ONCE), 16, "seed {seed}");
        assert_eq!(done(&world), 2, "seed {seed}");
        let counts = world.counts();
        assert_eq!((counts.sent + counts.duplicated, counts.in_flight), (counts.delivered + counts.dropped, 0));
        total.crashes += counts.crashes;
        total.dropped += counts.dropped;
        total.duplicated += counts.duplicated;
    }
    assert!(total.crashes == 600 && total.dropped > 500 && total.duplicated > 500, "{total:?}");
}

#[test]
fn a_lost_race_runs_again_and_ends_well() {
    let setting = Setting { rivals: Permille::new(300), link: Link::PERFECT, ..TWO };
    let world = world(Decider::from_seed(1), &setting);
    let lost = world.trace().as_str().matches("lost a race").count();
    assert!(lost > 2, "{lost}");
    assert_eq!(world.shared().lost(), lost as u64);
    assert_eq!((done(&world), world.ledger().violations()), (2, &[][..]));
}

#[test]
fn the_store_outlives_the_crash_of_the_node_that_wrote_it() {
    let setting = Setting { link: Link::PERFECT, crashes: &[(CLERK, 100), (CLERK, 2_000)], ..TWO };
    let world = world(Decider::from_seed(1), &setting);
    assert_eq!(world.counts().restarts, 2);
    assert_eq!(world.shared().load(&NodeId(1)).map(|row| row.value), Some(8));
}

#[test]
fn a_machine_is_taken_up_where_its_last_step_left_it_and_its_journal_replays() {
    let crashes = [(NodeId(1), 130), (NodeId(1), 1_000), (NodeId(1), 3_000)];
    let world = world(Decider::from_seed(2), &Setting { crashes: &crashes, ..TWO });
    assert_eq!(world.counts().crashes, 3);
    let Some(Party::Collector(host)) = world.node(NodeId(1)) else { panic!("a collector") };
    let journal = host.journal();
    let mut machine = Collector::restore(journal.header.first.clone(), &()).unwrap();
    assert_eq!(replay(&mut machine, journal.records.clone()), Replay::Same { steps: journal.records.len() });
    assert_eq!(machine.got, 8);
}

#[test]
fn the_traffic_that_is_kept_tells_every_fate() {
    use transport_sim::Fate;
    let mut world =
        world(Decider::from_seed(4), &Setting { crashes: &[150, 900, 1_700, 2_500].map(|at| (CLERK, at)), ..TWO });
    let (counts, traffic) = (world.counts(), world.take_traffic());
    let of = |fate: fn(&Fate) -> bool| traffic.iter().filter(|sent| fate(&sent.fate)).count() as u64;
    assert_eq!(of(|fate| matches!(fate, Fate::Delivered(_))), counts.delivered);
    assert_eq!(of(|fate| matches!(fate, Fate::Lost | Fate::Undeliverable(_))), counts.dropped);
    assert!(of(|fate| matches!(fate, Fate::Undeliverable(_))) > 0);
    assert_eq!(traffic.iter().filter(|sent| sent.message.copy).count() as u64, counts.duplicated);
    assert!(traffic.iter().all(|sent| match sent.fate {
        Fate::Delivered(at) | Fate::Undeliverable(at) => at >= sent.sent_at,
        Fate::Lost => true,
        Fate::InFlight => false,
    }));
}

#[test]
fn a_checker_that_is_wrong_about_the_world_is_heard() {
    const NOTHING_IS_LOST: Rule = Rule { id: RuleId("test"), says: "nothing is lost" };

    struct Optimist;

    impl Checker<Party> for Optimist {
        fn rules(&self) -> Vec<Rule> {
            vec![NOTHING_IS_LOST]
        }

        fn observe(&mut self, _: Tick, event: &Event<'_, Fact>, _: &Book, ledger: &mut Ledger) {
            if let Event::Lost(message) = event {
                ledger.judge(NOTHING_IS_LOST, false, || format!("message {}", message.number));
            }
        }

        fn finish(&mut self, end: &End<'_, Book>, ledger: &mut Ledger) {
            ledger.judge(NOTHING_IS_LOST, !end.trace.contains(" lost\n"), || "the trace says so");
        }
    }

    let mut world =
        World::new(Decider::from_seed(1), Link { loss: Permille::new(500), ..Link::PERFECT }, Book::default());
    world.watch(Box::new(Optimist));
    world.add(CLERK, "clerk", Party::Clerk { work: Vec::new(), rivals: Permille::NEVER });
    world.add(NodeId(1), "collector", Party::collector(8));
    assert_eq!(world.run(HOUR), Halt::Quiet);
    world.finish();
    let dropped = usize::try_from(world.counts().dropped).unwrap();
    assert_eq!(world.ledger().violations().len(), dropped + 1);
    assert_eq!(world.ledger().met(NOTHING_IS_LOST), dropped as u64 + 1);
}
