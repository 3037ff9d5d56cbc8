//! What happens to a message between two nodes.

use std::collections::BTreeMap;

use core_kit::{Millis, Tick};

use crate::{
    NodeId,
    decide::{Decider, Permille, Site, Who},
    table::{Table, home, mix},
};

const LOSS: Site = Site("link.loss");
const DELAY: Site = Site("link.delay");
const REORDERING: Site = Site("link.reordering");
const HELD: Site = Site("link.held");
const DUPLICATION: Site = Site("link.duplication");
const LATE: Site = Site("link.late");

/// A stretch of time within which a choice falls, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The shortest.
    pub least: Millis,
    /// The longest.
    pub most: Millis,
}

impl Span {
    /// From `least` to `most` milliseconds.
    #[must_use]
    pub const fn new(least: u64, most: u64) -> Self {
        Self { least: Millis(least), most: Millis(most) }
    }

    /// A time within the span; the shortest is the mildest. Spans of more than 2^32 ms are drawn from their first part.
    pub fn draw(self, decider: &mut Decider, site: Site, who: Who) -> Millis {
        let width = self.most.0.saturating_sub(self.least.0).saturating_add(1);
        let options = u32::try_from(width).unwrap_or(u32::MAX);
        Millis(self.least.0.saturating_add(u64::from(decider.choose(site, who, options))))
    }
}

/// How one direction between two nodes treats messages. Messages keep their order, but for those held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// How long a message takes.
    pub delay: Span,
    /// How often one is lost.
    pub loss: Permille,
    /// How often one arrives a second time.
    pub duplication: Permille,
    /// How long after its sending the second one arrives.
    pub late: Span,
    /// How often one is held back, so that later ones overtake it.
    pub reordering: Permille,
    /// For how long, on top of its delay.
    pub held: Span,
}

impl Link {
    /// 20 ms, and nothing ever goes wrong.
    pub const PERFECT: Self = Self {
        delay: Span::new(20, 20),
        loss: Permille::NEVER,
        duplication: Permille::NEVER,
        late: Span::new(20, 20),
        reordering: Permille::NEVER,
        held: Span::new(0, 0),
    };

    /// The same without losses, copies and overtaking: what is left of a link when its faults are over.
    #[must_use]
    pub const fn calm(self) -> Self {
        Self { loss: Permille::NEVER, duplication: Permille::NEVER, reordering: Permille::NEVER, ..self }
    }
}

/// When a message arrives, if it does, and when its copy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) arrives: Option<Tick>,
    pub(crate) copy_arrives: Option<Tick>,
    /// Whether it was held back.
    pub(crate) held: bool,
}

/// All links of a world.
#[derive(Debug)]
pub(crate) struct Links {
    default: Link,
    own: BTreeMap<(NodeId, NodeId), Link>,
    /// When the last message of each link arrives that others wait behind. Nothing is kept while every message takes as
    /// long as every other.
    last_arrival: Table<u64>,
    varies: bool,
}

impl Links {
    pub(crate) fn new(default: Link) -> Self {
        Self { default, own: BTreeMap::new(), last_arrival: Table::new(), varies: varies(&default) }
    }

    pub(crate) fn set(&mut self, from: NodeId, to: NodeId, link: Link) {
        self.varies |= varies(&link);
        self.own.insert((from, to), link);
    }

    pub(crate) fn reset(&mut self, link: Link) {
        // What is on its way may have been slower.
        self.varies |= link.delay != self.default.delay || !self.own.is_empty();
        self.default = link;
        self.own.clear();
    }

    /// Ends all that goes wrong on links by themselves; what they take stays.
    pub(crate) fn heal(&mut self) {
        self.default = self.default.calm();
        self.own.values_mut().for_each(|link| *link = link.calm());
    }

    /// Decides about one message that is sent now.
    pub(crate) fn pass(&mut self, decider: &mut Decider, now: Tick, from: NodeId, to: NodeId) -> Passage {
        let own = if self.own.is_empty() { None } else { self.own.get(&(from, to)) };
        let link = *own.unwrap_or(&self.default);
        let who = Who::about(from, to);
        let mut held = false;
        let arrives = if decider.chance(LOSS, who, link.loss) {
            None
        } else {
            let in_time = now + link.delay.draw(decider, DELAY, who);
            held = decider.chance(REORDERING, who, link.reordering);
            Some(if held { in_time + link.held.draw(decider, HELD, who) } else { self.queue(from, to, in_time) })
        };
        let copied = decider.chance(DUPLICATION, who, link.duplication);
        let copy_arrives = copied.then(|| now + link.late.draw(decider, LATE, who));
        Passage { arrives, copy_arrives, held }
    }

    /// A message that arrives at this time at the earliest, behind those before it.
    fn queue(&mut self, from: NodeId, to: NodeId, arrives: Tick) -> Tick {
        if !self.varies {
            return arrives;
        }
        let (pair, home) = place(from, to);
        Tick(self.last_arrival.update(pair, home, |last| last.max(arrives.0)))
    }

    /// Forgets which messages were last between two nodes of which nothing more comes.
    pub(crate) fn forget(&mut self, from: NodeId, to: NodeId) {
        self.last_arrival.forget(place(from, to).1);
    }

    /// Lets later messages wait behind one that takes longer than its link has it.
    pub(crate) fn wait_behind(&mut self, from: NodeId, to: NodeId, arrives: Tick) {
        self.varies = true;
        self.queue(from, to, arrives);
    }
}

/// The key of a pair, and where it is at home.
fn place(from: NodeId, to: NodeId) -> (u64, u32) {
    let pair = u64::from(from.0) << 32 | u64::from(to.0);
    (pair, home(mix(pair)))
}

fn varies(link: &Link) -> bool {
    link.delay.least != link.delay.most
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUGH: Link = Link {
        delay: Span::new(10, 500),
        loss: Permille::new(100),
        duplication: Permille::new(200),
        late: Span::new(0, 9_000),
        reordering: Permille::NEVER,
        held: Span::new(1_000, 2_000),
    };

    fn passages(link: Link, count: u64) -> Vec<Passage> {
        let (mut links, mut decider) = (Links::new(link), Decider::from_seed(1));
        (0..count).map(|n| links.pass(&mut decider, Tick(n), NodeId(1), NodeId(2))).collect()
    }

    #[test]
    fn loss_and_duplication_come_as_often_as_said() {
        let all = passages(ROUGH, 2_000);
        let lost = all.iter().filter(|passage| passage.arrives.is_none()).count();
        let copied = all.iter().filter(|passage| passage.copy_arrives.is_some()).count();
        assert!((150..250).contains(&lost) && (340..460).contains(&copied), "{lost} {copied}");
    }

    #[test]
    fn order_is_kept_without_reordering_and_broken_with_it() {
        let arrivals = |link| passages(link, 500).iter().filter_map(|passage| passage.arrives).collect::<Vec<_>>();
        assert!(arrivals(ROUGH).is_sorted());
        assert!(!arrivals(Link { reordering: Permille::new(100), ..ROUGH }).is_sorted());
    }

    #[test]
    fn later_messages_wait_behind_one_that_stalls() {
        let (mut links, mut decider) = (Links::new(Link::PERFECT), Decider::from_seed(1));
        let mut pass = |links: &mut Links, to| links.pass(&mut decider, Tick(0), NodeId(1), NodeId(to)).arrives;
        assert_eq!(pass(&mut links, 2), Some(Tick(20)));
        links.wait_behind(NodeId(1), NodeId(2), Tick(500));
        assert_eq!([pass(&mut links, 2), pass(&mut links, 3)], [Some(Tick(500)), Some(Tick(20))]);
    }

    #[test]
    fn a_link_of_its_own_takes_the_place_of_the_default_in_one_direction() {
        let (mut links, mut decider) = (Links::new(Link::PERFECT), Decider::from_seed(1));
        links.set(NodeId(1), NodeId(2), Link { loss: Permille::ALWAYS, ..Link::PERFECT });
        assert_eq!(links.pass(&mut decider, Tick(0), NodeId(1), NodeId(2)).arrives, None);
        assert_eq!(links.pass(&mut decider, Tick(0), NodeId(2), NodeId(1)).arrives, Some(Tick(20)));
        links.reset(Link::PERFECT);
        assert_eq!(links.pass(&mut decider, Tick(0), NodeId(1), NodeId(2)).arrives, Some(Tick(20)));
    }
}
