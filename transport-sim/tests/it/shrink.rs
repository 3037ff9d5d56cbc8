//! Failing runs made small: a bank with planted bugs, each found by seeds and shrunk to what it needs.

use core::fmt;

use bytes::Bytes;
use core_kit::{Millis, Tick};
use transport_sim::{
    Bounds, Checker, Commit, Context, Decider, Decision, DiskFault, End, Event, FaultId, Halt, Ledger, Link, Message,
    Node, NodeId, Permille, Recording, Rule, RuleId, Shrunk, Site, Span, Store, Swarm, World, draw_sequence, shrink,
};

const BANK: NodeId = NodeId(100);
const HOUR: Bounds = Bounds { until: Tick(3_600_000), events: 100_000 };

const ONCE: Rule = Rule { id: RuleId("B1"), says: "an order is booked once" };
const ORDERED: Rule = Rule { id: RuleId("B2"), says: "what is booked was ordered" };
const KEPT: Rule = Rule { id: RuleId("B3"), says: "what was confirmed stays booked" };

/// What is wrong with the bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    None,
    /// It takes an order that comes again for another one.
    BooksTwice,
    /// It does not check what it is sent.
    BelievesAll,
    /// It confirms before its store has synced.
    NeverSyncs,
}

/// An order: who gives it, its number, how much, and a check on the three.
type Order = [u8; 7];

fn order(customer: u8, number: u8, amount: u8) -> Order {
    let [a, b, c, d] = check(customer, number, amount);
    [customer, number, amount, a, b, c, d]
}

fn check(customer: u8, number: u8, amount: u8) -> [u8; 4] {
    let sum = [customer, number, amount]
        .into_iter()
        .fold(0x811C_9DC5, |sum: u32, octet| (sum ^ u32::from(octet)).wrapping_mul(0x0100_0193));
    sum.to_be_bytes()
}

enum Party {
    Bank(Bug),
    Customer { number: u8, left: u8, amount: u8 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fact {
    Ordered(Order),
    Booked(Order),
    Confirmed(Order),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What was booked under a customer and a number.
type Books = Store<(u8, u8), Vec<u8>>;

impl Party {
    fn ask(&mut self, ctx: &mut Context<'_, Self>) {
        let Self::Customer { number, left, amount } = self else { return };
        if *left == 0 {
            return ctx.wake_at(None);
        }
        let customer = u8::try_from(ctx.node().0).expect("few customers");
        if *amount == 0 {
            *amount = 1 + u8::try_from(ctx.choose(Site("customer.amount"), None, 200)).expect("small");
            ctx.note(&Fact::Ordered(order(customer, *number, *amount)));
        }
        let channel = ctx.open_channel();
        ctx.send(BANK, channel, Bytes::copy_from_slice(&order(customer, *number, *amount)));
        let patience = ctx.draw(Site("customer.patience"), None, Span::new(2_000, 9_000));
        ctx.wake_at(Some(ctx.now() + patience));
    }

    fn book(bug: Bug, ctx: &mut Context<'_, Self>, message: &Message) {
        let fault = ctx.disk_fault(Some(message.from)).filter(|fault| *fault == DiskFault::Unsynced);
        let Ok(got) = Order::try_from(&message.bytes[..]) else { return };
        let [customer, number, amount, ..] = got;
        if got != order(customer, number, amount) && bug != Bug::BelievesAll {
            return;
        }
        let key = (customer, number);
        let mut booked = ctx.shared().load(&key).map(|row| row.value.clone()).unwrap_or_default();
        if booked.is_empty() || bug == Bug::BooksTwice {
            booked.push(amount);
            let revision = ctx.shared().revision(&key);
            assert_eq!(ctx.shared().write(key, revision, revision + 1, booked, fault), Ok(Commit::Done));
            ctx.note(&Fact::Booked(got));
        }
        if bug != Bug::NeverSyncs {
            ctx.shared().sync();
        }
        ctx.note(&Fact::Confirmed(got));
        ctx.send(message.from, message.channel, message.bytes.clone());
    }
}

impl Node for Party {
    type Shared = Books;
    type Fact = Fact;

    fn start(&mut self, ctx: &mut Context<'_, Self>) {
        self.ask(ctx);
    }

    fn deliver(&mut self, ctx: &mut Context<'_, Self>, message: &Message) {
        match self {
            Self::Bank(bug) => Self::book(*bug, ctx, message),
            Self::Customer { number, left, amount } => {
                let customer = u8::try_from(ctx.node().0).expect("few customers");
                if message.bytes[..] == order(customer, *number, *amount) && *amount > 0 {
                    (*number, *left, *amount) = (*number + 1, *left - 1, 0);
                    self.ask(ctx);
                }
            }
        }
    }

    fn wake(&mut self, ctx: &mut Context<'_, Self>) {
        self.ask(ctx);
    }

    fn crash(&mut self) {}

    fn restart(&mut self, ctx: &mut Context<'_, Self>) {
        if let Self::Bank(_) = self {
            ctx.shared().lose_unsynced();
        }
        self.ask(ctx);
    }

    fn is_server(&self) -> bool {
        matches!(self, Self::Bank(_))
    }
}

#[derive(Default)]
struct Auditor {
    ordered: Vec<Order>,
    booked: Vec<Order>,
    confirmed: Vec<Order>,
}

impl Checker<Party> for Auditor {
    fn rules(&self) -> Vec<Rule> {
        vec![ONCE, ORDERED, KEPT]
    }

    fn observe(&mut self, _: Tick, event: &Event<'_, Fact>, _: &Books, ledger: &mut Ledger) {
        match event {
            Event::Noted(_, Fact::Ordered(order)) => self.ordered.push(*order),
            Event::Noted(_, Fact::Booked(order)) => {
                ledger.judge(ORDERED, self.ordered.contains(order), || format!("{order:?}"));
                ledger.judge(ONCE, !self.booked.contains(order), || format!("{order:?}"));
                self.booked.push(*order);
            }
            Event::Noted(_, Fact::Confirmed(order)) => self.confirmed.push(*order),
            _ => {}
        }
    }

    fn finish(&mut self, end: &End<'_, Books>, ledger: &mut Ledger) {
        for order in &self.confirmed {
            let row = end.shared.load(&(order[0], order[1]));
            ledger.judge(KEPT, row.is_some_and(|row| row.value.contains(&order[2])), || format!("{order:?}"));
        }
    }
}

fn run(bug: Bug, decider: Decider) -> World<Party> {
    let link = Link { delay: Span::new(10, 400), ..Link::PERFECT };
    let messages: Vec<FaultId> = FaultId::ALL.into_iter().filter(|fault| *fault <= FaultId::F14).collect();
    let swarm = Swarm::CALM
        .with_all(&messages, Permille::new(15))
        .with_all(&[FaultId::F16, FaultId::F18, FaultId::F19, FaultId::F25, FaultId::F27], Permille::new(300))
        .with(FaultId::F31, Permille::new(100));
    let customers = (0..8).map(|_| Party::Customer { number: 0, left: 6, amount: 0 });
    let mut world = World::builder(decider, Books::default())
        .link(link)
        .nodes(NodeId(1), "customer", customers)
        .node(BANK, "bank", Party::Bank(bug))
        .checker(Auditor::default())
        .faults(swarm, Millis(60_000))
        .keep_traffic()
        .build();
    assert_ne!(world.run(HOUR), Halt::OutOfEvents);
    world.finish();
    world
}

/// The first seed that breaks the rule, how many decisions it took, and what is left of them.
fn found_and_shrunk(bug: Bug, rule: Rule) -> (u64, Shrunk) {
    let breaks = |decider| run(bug, decider).ledger().first_broken();
    let seed = (0..500).find(|seed| breaks(Decider::from_seed(*seed)) == Some(rule.id)).expect("some seed finds it");
    let drawn = run(bug, Decider::from_seed(seed));
    let list = |list: &[Decision]| breaks(Decider::from_decisions(seed, list));
    let shrunk = shrink(drawn.decisions(), rule.id, 20_000, || false, list).expect("it was just broken");
    assert!(shrunk.is_minimal && shrunk.before > 100, "{shrunk:?}");
    assert_eq!(list(&shrunk.decisions), Some(rule.id));
    (seed, shrunk)
}

#[test]
fn a_sound_bank_breaks_no_rule_and_every_rule_is_tried() {
    let mut sum = Ledger::default();
    for seed in 0..200 {
        let world = run(Bug::None, Decider::from_seed(seed));
        assert_eq!(world.ledger().violations(), [], "seed {seed}");
        sum.add(world.ledger());
    }
    assert!(sum.rules().all(|(_, met)| met > 1_000));
}

#[test]
fn an_order_booked_twice_needs_one_copy_or_one_loss() {
    let (_, shrunk) = found_and_shrunk(Bug::BooksTwice, ONCE);
    assert!(shrunk.decisions.len() <= 2, "{:?}", shrunk.decisions);
    assert!(shrunk.decisions[0].site.0.starts_with("fault."), "{:?}", shrunk.decisions);
}

#[test]
fn an_order_that_nobody_gave_needs_one_damaged_message() {
    let (_, shrunk) = found_and_shrunk(Bug::BelievesAll, ORDERED);
    assert!(shrunk.decisions.len() <= 3, "{:?}", shrunk.decisions);
    assert_eq!(shrunk.decisions[0].site, Site("fault.message"));
}

#[test]
fn a_lost_booking_needs_one_write_that_was_not_synced_and_one_crash() {
    let (seed, shrunk) = found_and_shrunk(Bug::NeverSyncs, KEPT);
    let sites: Vec<&str> = shrunk.decisions.iter().map(|decision| decision.site.0).collect();
    assert!(sites.contains(&"fault.F25") && sites.contains(&"fault.disk") && sites.len() <= 5, "{sites:?}");

    let recording = Recording {
        scenario: "bank".into(),
        seed,
        rule: Some(KEPT.id.0.into()),
        story: Some("a booking is confirmed and gone after a crash".into()),
        decisions: shrunk.decisions,
    };
    let read = Recording::read(&recording.write()).expect("it was just written");
    let mut small = run(Bug::NeverSyncs, Decider::from_decisions(read.seed, &read.decisions));
    assert_eq!(small.ledger().first_broken(), Some(KEPT.id));
    let (traffic, marks) = (small.take_traffic(), small.take_marks());
    let involved = traffic.iter().filter(|sent| sent.message.from == NodeId(1) || sent.message.to == NodeId(1));
    let involved: Vec<_> = involved.cloned().collect();
    let marks: Vec<_> = marks.into_iter().filter(|mark| mark.node == Some(BANK)).collect();
    let text = draw_sequence(&involved, &marks, |id| small.name(id).unwrap_or_default().into(), |_| Vec::new());
    for part in ["1 customer", "100 bank", "F31", "crashes", "is back", "Confirmed"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}
