//! Crashes at the worst moments rather than at odd times.

use core_kit::Millis;

use crate::{
    decide::{Decider, Site, Who},
    link::Span,
};

/// Which of the crash points that a process passes it does not survive.
///
/// A node asks [`passes`](Self::passes) wherever a crash would hurt: before a commit, between commit and reply. Points
/// are drawn before the run, so that a crash falls on each of them with the same probability and takes place once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrashPlan {
    fatal: Vec<(u32, Millis)>,
    passed: u32,
}

impl CrashPlan {
    /// No crashes.
    pub const NONE: Self = Self { fatal: Vec::new(), passed: 0 };

    /// A crash at each of these points, counted from 1, with the node down for so long.
    #[must_use]
    pub const fn at(fatal: Vec<(u32, Millis)>) -> Self {
        Self { fatal, passed: 0 }
    }

    /// So many crashes among the first `points` points, each with the node down for a time within `down`. Two that fall
    /// on the same point are one.
    #[must_use]
    pub fn draw(decider: &mut Decider, who: Who, crashes: u32, points: u32, down: Span) -> Self {
        let mut draw = || {
            let point = decider.choose_fault(Site("crash.point"), who, points.saturating_add(1));
            (point, down.draw(decider, Site("crash.down"), who))
        };
        Self::at((0..crashes).map(|_| draw()).filter(|(point, _)| *point > 0).collect())
    }

    /// Passes the next point: how long the node is down, if it crashes there.
    pub fn passes(&mut self) -> Option<Millis> {
        self.passed = self.passed.saturating_add(1);
        self.fatal.iter().find(|(point, _)| *point == self.passed).map(|(_, down)| *down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;

    #[test]
    fn a_crash_comes_at_its_point_and_once() {
        let mut plan = CrashPlan::at(vec![(2, Millis(5)), (4, Millis(6))]);
        let met: Vec<Option<Millis>> = (0..5).map(|_| plan.passes()).collect();
        assert_eq!(met, [None, Some(Millis(5)), None, Some(Millis(6)), None]);
    }

    #[test]
    fn drawn_crashes_fall_on_every_point_and_go_when_their_decision_goes() {
        let who = Who::alone(NodeId(1));
        let span = Span::new(1, 1);
        let mut seen = [0u32; 4];
        for seed in 0..400 {
            let mut plan = CrashPlan::draw(&mut Decider::from_seed(seed), who, 1, 4, span);
            let point = (0..4).position(|_| plan.passes().is_some()).expect("one of the four points");
            seen[point] += 1;
        }
        assert!(seen.iter().all(|count| *count > 60), "{seen:?}");
        let mut none = CrashPlan::draw(&mut Decider::from_decisions(1, &[]), who, 1, 4, span);
        assert!((0..9).all(|_| none.passes().is_none()));
    }
}
