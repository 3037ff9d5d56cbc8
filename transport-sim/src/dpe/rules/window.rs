//! P28: how much an SP may ask in a time.

use std::collections::{BTreeMap, VecDeque};

use core_kit::Tick;
use dpe_core::{codes::Code, config::Config, ids::SpId, wire::Ie};

use super::{Key, Request};
use crate::{Figure, Ledger, Rule, RuleId};

/// P28.
pub const WINDOW: Rule = Rule {
    id: RuleId("P28"),
    says: "a request above the window is answered so and goes no further; no window holds more than it allows",
};

/// P30. No SP is served before another: what one asks has its own window, so that it cannot use up that of others.
pub const FAIR: Rule =
    Rule { id: RuleId("P30"), says: "a request is refused for overload only if its own SP has used up its window" };

/// Watches a sliding window.
pub(super) struct Window {
    millis: u64,
    threshold: usize,
    admitted: BTreeMap<SpId, VecDeque<Tick>>,
}

impl Window {
    pub(super) fn new(config: &Config) -> Self {
        let threshold = usize::try_from(config.sp.window_threshold).unwrap_or(usize::MAX);
        Self { millis: u64::from(config.sp.window_seconds) * 1_000, threshold, admitted: BTreeMap::new() }
    }

    /// The server took a request, and stored these answers in the same step.
    pub(super) fn committed(
        &mut self,
        sp: &SpId,
        at: Tick,
        request: &Request,
        answers: &[(Key, Ie<Code>)],
        downlinks: usize,
        ledger: &mut Ledger,
    ) {
        let refused = |((of, id), status): &(Key, Ie<Code>)| {
            of == sp && *id == request.id && *status == Ie::Is(Code::WINDOW_OVERFLOW)
        };
        if answers.iter().any(refused) {
            ledger.count("refused-38", Figure::Sum(1));
            let own = self
                .admitted
                .get(sp)
                .map_or(0, |admitted| admitted.iter().filter(|then| then.0 + self.millis > at.0).count());
            ledger
                .judge(FAIR, own >= self.threshold, || format!("{sp} is refused {} with {own} before it", request.id));
            return ledger
                .judge(WINDOW, downlinks == 0, || format!("{sp} is refused {} and it is sent on", request.id));
        }
        let admitted = self.admitted.entry(sp.clone()).or_default();
        let now = at.max(admitted.back().copied().unwrap_or_default());
        while admitted.front().is_some_and(|first| first.0 + self.millis <= now.0) {
            admitted.pop_front();
        }
        admitted.push_back(now);
        ledger.judge(WINDOW, admitted.len() <= self.threshold, || {
            format!("{} requests of {sp} within {} ms", admitted.len(), self.millis)
        });
    }
}
