//! Every random choice of a world goes through one [`Decider`], which writes it down.
//!
//! A run is a list of [`Decision`]s; the seed is merely its short form. Each pair of a [`Who`] and a [`Site`] has a
//! stream of its own, so that leaving out a node, or adding a draw elsewhere, changes nobody else's draws.
//!
//! Choice 0 is always the mildest: no fault, the shortest delay, the first of several. A recorded list that has been
//! cut short, or that has lost some of its entries, therefore still runs: what it does not say is mild.

use std::collections::{BTreeMap, VecDeque};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use sha2::{Digest, Sha256};

use crate::NodeId;

/// Where in the code a choice is made, and so what it is about: `link.loss`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site(pub &'static str);

/// Who chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// The node.
    pub node: NodeId,
    /// The node that the choice is about, where it is about one: a server that serves many devices draws for each of
    /// them from another stream, and a link is its sender's choice about its receiver.
    pub about: Option<NodeId>,
}

impl Who {
    /// A node, about itself.
    #[must_use]
    pub const fn alone(node: NodeId) -> Self {
        Self { node, about: None }
    }

    /// A node, about another one.
    #[must_use]
    pub const fn about(node: NodeId, other: NodeId) -> Self {
        Self { node, about: Some(other) }
    }
}

/// One choice that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// By whom.
    pub who: Who,
    /// Where.
    pub site: Site,
    /// How many options there were.
    pub options: u32,
    /// Which one was taken, counted from 0.
    pub chosen: u32,
}

/// A probability in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permille(u16);

impl Permille {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(1000);

    /// So many times in a thousand; more than a thousand is always.
    #[must_use]
    pub const fn new(thousandths: u16) -> Self {
        if thousandths > 1000 { Self::ALWAYS } else { Self(thousandths) }
    }

    /// The thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u16 {
        self.0
    }
}

/// Takes every choice of one world, from a seed or from a list, and records it.
#[derive(Debug)]
pub struct Decider {
    streams: Streams,
    recorded: Option<BTreeMap<(Who, Site), VecDeque<u32>>>,
    taken: Vec<Decision>,
}

impl Decider {
    /// Choices drawn from `seed`.
    #[must_use]
    pub const fn from_seed(seed: u64) -> Self {
        Self { streams: Streams { seed, open: BTreeMap::new() }, recorded: None, taken: Vec::new() }
    }

    /// The choices of `decisions`, in the order that each node made them at each site; 0 where the list ends.
    ///
    /// `seed` still gives the entropy of the machines, which are octets and no choices.
    #[must_use]
    pub fn from_decisions(seed: u64, decisions: &[Decision]) -> Self {
        let mut recorded = BTreeMap::<_, VecDeque<u32>>::new();
        for decision in decisions {
            recorded.entry((decision.who, decision.site)).or_default().push_back(decision.chosen);
        }
        Self { recorded: Some(recorded), ..Self::from_seed(seed) }
    }

    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.streams.seed
    }

    /// One of `options`, each as likely as the others; 0 without a choice where there is but one.
    pub fn choose(&mut self, site: Site, who: Who, options: u32) -> u32 {
        self.decide(site, who, options, |stream| below(stream, options))
    }

    /// One of 1 to `options - 1`, each as likely as the others. 0 comes only from a list, where the choice was taken out:
    /// this is for a fault that shall happen, at a place that is open.
    pub fn choose_fault(&mut self, site: Site, who: Who, options: u32) -> u32 {
        self.decide(site, who, options, |stream| 1 + below(stream, options.saturating_sub(1)))
    }

    /// Whether something happens that happens with this probability.
    pub fn chance(&mut self, site: Site, who: Who, probability: Permille) -> bool {
        if probability == Permille::NEVER {
            return false;
        }
        self.decide(site, who, 2, |stream| u32::from(below(stream, 1000) < u32::from(probability.0))) == 1
    }

    /// 256 bits for a machine's [`Env`](core_kit::Env). They come from the same streams and are not recorded: they
    /// follow from the seed alone, with decisions drawn or recorded.
    pub fn entropy(&mut self, site: Site, who: Who) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.streams.of(site, who).fill_bytes(&mut bytes);
        bytes
    }

    /// The choices so far, in the order they were made.
    #[must_use]
    pub fn decisions(&self) -> &[Decision] {
        &self.taken
    }

    fn decide(&mut self, site: Site, who: Who, options: u32, draw: impl FnOnce(&mut ChaCha8Rng) -> u32) -> u32 {
        if options < 2 {
            return 0;
        }
        let chosen = match &mut self.recorded {
            Some(recorded) => recorded.get_mut(&(who, site)).and_then(VecDeque::pop_front).unwrap_or(0),
            None => draw(self.streams.of(site, who)),
        };
        let chosen = chosen.min(options - 1);
        self.taken.push(Decision { who, site, options, chosen });
        chosen
    }
}

/// The generators, opened when they are first used.
#[derive(Debug)]
struct Streams {
    seed: u64,
    open: BTreeMap<(Who, Site), ChaCha8Rng>,
}

impl Streams {
    fn of(&mut self, site: Site, who: Who) -> &mut ChaCha8Rng {
        let seed = self.seed;
        self.open.entry((who, site)).or_insert_with(|| ChaCha8Rng::from_seed(stream_seed(seed, site, who)))
    }
}

fn stream_seed(seed: u64, site: Site, who: Who) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"transport-sim stream 1");
    hash.update(seed.to_be_bytes());
    hash.update(who.node.0.to_be_bytes());
    // A node about node 0 is not a node about nobody.
    hash.update([u8::from(who.about.is_some())]);
    hash.update(who.about.map_or(0, |about| about.0).to_be_bytes());
    hash.update(site.0.as_bytes());
    hash.finalize().into()
}

/// A number below `options`, by a widening multiplication: one draw always, and a bias of less than one in 2^32.
fn below(stream: &mut ChaCha8Rng, options: u32) -> u32 {
    let wide = u64::from(stream.next_u32()) * u64::from(options);
    u32::try_from(wide >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Site = Site("test.a");
    const B: Site = Site("test.b");

    fn who(node: u32) -> Who {
        Who::alone(NodeId(node))
    }

    fn ten(decider: &mut Decider, site: Site, who: Who) -> Vec<u32> {
        (0..10).map(|_| decider.choose(site, who, 1_000_000)).collect()
    }

    #[test]
    fn a_stream_depends_on_seed_site_and_node_and_on_no_other_stream() {
        let first = ten(&mut Decider::from_seed(1), A, who(1));
        assert_ne!(first, ten(&mut Decider::from_seed(2), A, who(1)));
        assert_ne!(first, ten(&mut Decider::from_seed(1), B, who(1)));
        assert_ne!(first, ten(&mut Decider::from_seed(1), A, who(2)));
        assert_ne!(first, ten(&mut Decider::from_seed(1), A, Who::about(NodeId(1), NodeId(0))));
        let mut busy = Decider::from_seed(1);
        let mixed: Vec<u32> = (0..10)
            .map(|_| {
                busy.choose(B, who(1), 7);
                busy.choose(A, who(2), 7);
                busy.entropy(B, who(1));
                busy.choose(A, who(1), 1_000_000)
            })
            .collect();
        assert_eq!(first, mixed);
    }

    #[test]
    fn choices_stay_below_their_options_and_reach_all_of_them() {
        let mut decider = Decider::from_seed(3);
        let mut seen = [0u32; 5];
        for _ in 0..1000 {
            seen[decider.choose(A, who(1), 5) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (150..250).contains(count)), "{seen:?}");
        let mut faults = [0u32; 4];
        for _ in 0..1000 {
            faults[decider.choose_fault(A, who(1), 4) as usize] += 1;
        }
        assert_eq!(faults[0], 0);
        assert!(faults[1..].iter().all(|count| (270..400).contains(count)), "{faults:?}");
    }

    #[test]
    fn a_probability_is_met_and_never_and_always_are_sure() {
        let mut decider = Decider::from_seed(4);
        let hits = (0..10_000).filter(|_| decider.chance(A, who(1), Permille::new(100))).count();
        assert!((900..1100).contains(&hits), "{hits}");
        assert!(!(0..1000).any(|_| decider.chance(A, who(1), Permille::NEVER)));
        assert!((0..1000).all(|_| decider.chance(A, who(1), Permille::new(2000))));
    }

    #[test]
    fn a_recorded_list_gives_the_same_choices_and_entropy() {
        let run = |decider: &mut Decider| {
            let choices: Vec<u32> = (0..50)
                .map(|n| match n % 3 {
                    0 => decider.choose(A, who(n % 2), 9),
                    1 => decider.choose_fault(B, who(n % 2), 9),
                    _ => u32::from(decider.chance(A, who(n % 2), Permille::new(500))),
                })
                .collect();
            (choices, decider.entropy(A, who(9)))
        };
        let mut drawn = Decider::from_seed(5);
        let first = run(&mut drawn);
        let mut replayed = Decider::from_decisions(5, drawn.decisions());
        assert_eq!(run(&mut replayed), first);
        assert_eq!(replayed.decisions(), drawn.decisions());
    }

    #[test]
    fn what_a_list_does_not_say_is_mild_and_what_it_cannot_mean_is_bounded() {
        let list = [Decision { who: who(1), site: A, options: 9, chosen: 8 }];
        let mut decider = Decider::from_decisions(0, &list);
        assert_eq!(decider.choose(A, who(1), 4), 3, "eight of four options is the last");
        assert_eq!((decider.choose(A, who(1), 4), decider.choose_fault(B, who(1), 4)), (0, 0));
        assert!(!decider.chance(A, who(1), Permille::ALWAYS));
    }
}
