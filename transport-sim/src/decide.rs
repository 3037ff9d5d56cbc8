//! Every random choice of a world goes through one [`Decider`], which writes it down.
//!
//! A run is a list of [`Decision`]s; the seed is merely its short form. Each pair of a [`Who`] and a [`Site`] has a
//! stream of its own, so that leaving out a node, or adding a draw elsewhere, changes nobody else's draws.
//!
//! Choice 0 is always the mildest: no fault, the shortest delay, the first of several. A decision names its place in its
//! stream and is written down only if it is not 0. So a list that has lost some of its entries still runs, what it does
//! not say is mild, and what it does say keeps its place.
//!
//! # How a choice is drawn
//!
//! Streams are counters and no generators: the `n`th draw of a stream is a hash of the stream's key and of `n`, and the
//! key is a hash of seed, site and nodes. Opening a stream costs some ten multiplications, and one that was opened takes
//! 16 octets, so a million devices can have a handful each; those of one chooser lie side by side. The hash is the finaliser of `SplitMix64`: even enough for
//! choices, the same on every machine and for ever, and no cryptography, which nothing here needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use crate::{
    NodeId,
    table::{STEP, Table, absorb, home, mix},
};

/// Where in the code a choice is made, and so what it is about: `link.loss`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site(pub &'static str);

/// Octets of a site's name that comes from outside, and how many such names a process takes.
const SITE_NAME_MAX: usize = 64;
const SITES_MAX: usize = 4_096;

impl Site {
    /// The site of that name, for names that come from a file. They stay in memory as long as the process does, so there is
    /// a bound: nothing for a name of more than 64 octets, or after 4,096 different ones.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        // A set of names is whole whoever panicked while he held it.
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = known.get(name) {
            return Some(Self(name));
        }
        if name.len() > SITE_NAME_MAX || known.len() >= SITES_MAX {
            return None;
        }
        let name: &'static str = Box::leak(name.into());
        known.insert(name);
        Some(Self(name))
    }
}

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
    /// Which draw of that stream it is, counted from 0.
    pub nth: u32,
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
#[derive(Clone, Debug)]
pub struct Decider {
    seed: u64,
    /// Draws of each stream so far, by the stream's key.
    drawn: Table<u32>,
    listed: Option<BTreeMap<(u64, u32), u32>>,
    taken: Option<Vec<Decision>>,
}

impl Decider {
    /// Choices drawn from `seed`.
    #[must_use]
    pub const fn from_seed(seed: u64) -> Self {
        Self { seed, drawn: Table::new(), listed: None, taken: Some(Vec::new()) }
    }

    /// The choices of `decisions`, each at its place; 0 at all other places. Of two for the same place the latter counts.
    ///
    /// `seed` still gives the entropy of the machines, which are octets and no choices.
    #[must_use]
    pub fn from_decisions(seed: u64, decisions: &[Decision]) -> Self {
        let place = |decision: &Decision| (stream_key(seed, decision.site, decision.who), decision.nth);
        let listed = decisions.iter().map(|decision| (place(decision), decision.chosen)).collect();
        Self { listed: Some(listed), ..Self::from_seed(seed) }
    }

    /// The same choices, but not written down: for worlds whose decisions would not fit into memory.
    #[must_use]
    pub fn unrecorded(self) -> Self {
        Self { taken: None, ..self }
    }

    /// Forgets how far all streams of a chooser are, so that they take no memory. Whoever chooses again all the same begins
    /// them anew. Where choices are written down or listed nothing is forgotten: each needs a place of its own.
    pub(crate) fn forget(&mut self, who: Who) {
        if self.forgets() {
            self.drawn.forget(home(chooser(self.seed, who)));
        }
    }

    pub(crate) const fn forgets(&self) -> bool {
        self.taken.is_none() && self.listed.is_none()
    }

    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// One of `options`, each as likely as the others; 0 without a choice where there is but one.
    pub fn choose(&mut self, site: Site, who: Who, options: u32) -> u32 {
        self.decide(site, who, options, |word| below(word, options))
    }

    /// One of 1 to `options - 1`, each as likely as the others. 0 comes only from a list, where the choice was taken out:
    /// this is for a fault that shall happen, at a place that is open.
    pub fn choose_fault(&mut self, site: Site, who: Who, options: u32) -> u32 {
        self.decide(site, who, options, |word| 1 + below(word, options.saturating_sub(1)))
    }

    /// Whether something happens that happens with this probability.
    pub fn chance(&mut self, site: Site, who: Who, probability: Permille) -> bool {
        if probability == Permille::NEVER {
            return false;
        }
        self.decide(site, who, 2, |word| u32::from(below(word, 1000) < u32::from(probability.0))) == 1
    }

    /// At most one of several things that happen with these probabilities: which, counted from 0. Those that would bring
    /// the sum above certainty are as likely as what is left for them.
    pub fn one_of(&mut self, site: Site, who: Who, probabilities: &[Permille]) -> Option<usize> {
        let options = u32::try_from(probabilities.len()).unwrap_or(u32::MAX).saturating_add(1);
        if probabilities.iter().all(|probability| *probability == Permille::NEVER) {
            return None;
        }
        let chosen = self.decide(site, who, options, |word| {
            let (drawn, mut sum) = (below(word, 1000), 0);
            let hit = probabilities.iter().position(|probability| {
                sum += u32::from(probability.0);
                drawn < sum
            });
            hit.and_then(|at| u32::try_from(at + 1).ok()).unwrap_or(0)
        });
        chosen.checked_sub(1).map(|at| at as usize)
    }

    /// A number of up to `bits` bits, at most 31, of which small ones are as likely as large ones: each number of bits
    /// comes as often as another. For spans that reach from milliseconds to hours. Takes two choices.
    pub fn choose_scale(&mut self, site: Site, who: Who, bits: u32) -> u32 {
        let floor = 1u32 << self.choose(site, who, bits.clamp(1, 31));
        floor.saturating_add(self.choose(site, who, floor)) - 1
    }

    /// 256 bits for a machine's [`Env`](core_kit::Env). They come from the same streams and are not recorded: they
    /// follow from the seed alone, with decisions drawn or recorded.
    pub fn entropy(&mut self, site: Site, who: Who) -> [u8; 32] {
        let (_, word) = self.word(site, who);
        let mut bytes = [0; 32];
        for (n, octets) in (1u64..).zip(bytes.chunks_exact_mut(8)) {
            octets.copy_from_slice(&mix(word.wrapping_add(STEP.wrapping_mul(n))).to_be_bytes());
        }
        bytes
    }

    /// The choices so far that are not 0, in the order they were made.
    #[must_use]
    pub fn decisions(&self) -> &[Decision] {
        self.taken.as_deref().unwrap_or_default()
    }

    fn decide(&mut self, site: Site, who: Who, options: u32, draw: impl FnOnce(u64) -> u32) -> u32 {
        if options < 2 {
            return 0;
        }
        let ((key, nth), word) = self.word(site, who);
        let chosen = match &self.listed {
            Some(listed) => listed.get(&(key, nth)).copied().unwrap_or(0),
            None => draw(word),
        };
        let chosen = chosen.min(options - 1);
        if chosen > 0
            && let Some(taken) = &mut self.taken
        {
            taken.push(Decision { who, site, nth, options, chosen });
        }
        chosen
    }

    /// The next draw of a stream, and its place. A stream of 2^32 draws begins its places anew.
    fn word(&mut self, site: Site, who: Who) -> ((u64, u32), u64) {
        let chooser = chooser(self.seed, who);
        let key = absorb(chooser, hash(site));
        let nth = self.drawn.update(key, home(chooser), |count| count.wrapping_add(1)).wrapping_sub(1);
        ((key, nth), mix(key ^ mix(u64::from(nth).wrapping_add(STEP))))
    }
}

/// What a stream's draws follow from.
fn stream_key(seed: u64, site: Site, who: Who) -> u64 {
    absorb(chooser(seed, who), hash(site))
}

/// What all draws of a chooser follow from, and where his streams lie, side by side.
fn chooser(seed: u64, who: Who) -> u64 {
    // A node about node 0 is not a node about nobody.
    let about = who.about.map_or(0, |about| 1 << 32 | u64::from(about.0));
    absorb(absorb(seed, who.node.0.into()), about)
}

fn hash(site: Site) -> u64 {
    let (words, rest) = site.0.as_bytes().as_chunks::<8>();
    let hash = words.iter().fold(site.0.len() as u64, |hash, word| absorb(hash, u64::from_be_bytes(*word)));
    if rest.is_empty() {
        return hash;
    }
    absorb(hash, rest.iter().fold(0, |word, octet| word << 8 | u64::from(*octet)))
}

/// A number below `options`, by a widening multiplication: one draw always, and a bias of less than one in 2^32.
fn below(word: u64, options: u32) -> u32 {
    u32::try_from((word >> 32).wrapping_mul(u64::from(options)) >> 32).unwrap_or(0)
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
    fn what_a_seed_draws_stays_the_same() {
        // The stories of `seeds.txt` are about what was drawn when they were written.
        let sites = [
            "",
            "link",
            "link.to",
            "link.out",
            "link.lost",
            "link.overtaken",
            "link.is-reordered",
            "a.site.of.24-octets-here",
        ];
        let drawn =
            sites.map(|site| Decider::from_seed(1).choose(Site(site), Who::about(NodeId(1), NodeId(2)), 1_000_000));
        assert_eq!(drawn, [8_363, 887_536, 468_674, 471_762, 448_165, 527_080, 373_125, 708_714]);
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
        let list = [Decision { who: who(1), site: A, nth: 0, options: 9, chosen: 8 }];
        let mut decider = Decider::from_decisions(0, &list);
        assert_eq!(decider.choose(A, who(1), 4), 3, "eight of four options is the last");
        assert_eq!((decider.choose(A, who(1), 4), decider.choose_fault(B, who(1), 4)), (0, 0));
        assert!(!decider.chance(A, who(1), Permille::ALWAYS));
    }

    #[test]
    fn taking_an_entry_out_leaves_the_others_where_they_are() {
        let run = |decider: &mut Decider| (0..20).map(|_| decider.choose(A, who(1), 4)).collect::<Vec<_>>();
        let mut drawn = Decider::from_seed(6);
        let mut expected = run(&mut drawn);
        let mut list = drawn.decisions().to_vec();
        assert!(list.len() < 20, "choices of 0 are not written down");
        let out = list.remove(3);
        expected[out.nth as usize] = 0;
        assert_eq!(run(&mut Decider::from_decisions(6, &list)), expected);
    }

    #[test]
    fn at_most_one_of_several_happens_each_as_often_as_said() {
        let mut decider = Decider::from_seed(7);
        let mut seen = [0u32; 4];
        for _ in 0..10_000 {
            let hit = decider.one_of(A, who(1), &[Permille::new(100), Permille::NEVER, Permille::new(300)]);
            seen[hit.unwrap_or(3)] += 1;
        }
        assert!((900..1100).contains(&seen[0]) && seen[1] == 0 && (2800..3200).contains(&seen[2]), "{seen:?}");
        assert_eq!(decider.one_of(A, who(1), &[Permille::NEVER]), None);
        assert_eq!(Decider::from_decisions(7, &[]).one_of(A, who(1), &[Permille::ALWAYS]), None);
    }

    #[test]
    fn every_scale_is_as_likely_as_the_next() {
        let mut decider = Decider::from_seed(8);
        let drawn: Vec<u32> = (0..1_000).map(|_| decider.choose_scale(A, who(1), 20)).collect();
        let below = |limit: u32| drawn.iter().filter(|number| **number < limit).count();
        assert!((400..600).contains(&below(1_023)) && below(1 << 20) == 1_000, "{}", below(1_023));
        assert_eq!(Decider::from_decisions(8, &[]).choose_scale(A, who(1), 20), 0);
    }

    #[test]
    fn entropy_differs_from_step_to_step_and_in_all_its_parts() {
        let mut decider = Decider::from_seed(9);
        let (first, second) = (decider.entropy(A, who(1)), decider.entropy(A, who(1)));
        let parts: std::collections::BTreeSet<&[u8]> = first.chunks(8).chain(second.chunks(8)).collect();
        assert_eq!(parts.len(), 8);
    }

    #[test]
    fn a_chooser_that_is_forgotten_begins_anew_and_no_other_one_does() {
        let mut decider = Decider::from_seed(1).unrecorded();
        let first = [ten(&mut decider, A, who(1)), ten(&mut decider, A, who(2)), ten(&mut decider, B, who(1))];
        decider.forget(who(1));
        assert_eq!([ten(&mut decider, A, who(1)), ten(&mut decider, B, who(1))], [first[0].clone(), first[2].clone()]);
        assert_ne!(ten(&mut decider, A, who(2)), first[1]);
        let mut recorded = Decider::from_seed(1);
        let first = ten(&mut recorded, A, who(1));
        recorded.forget(who(1));
        assert_ne!(ten(&mut recorded, A, who(1)), first);
    }

    #[test]
    fn what_is_not_recorded_is_drawn_all_the_same() {
        let mut decider = Decider::from_seed(1).unrecorded();
        assert_eq!(ten(&mut decider, A, who(1)), ten(&mut Decider::from_seed(1), A, who(1)));
        assert_eq!(decider.decisions(), []);
    }
}
