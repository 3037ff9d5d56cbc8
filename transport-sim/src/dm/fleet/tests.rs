use super::*;
use crate::RuleId;

fn small() -> Fleet {
    Fleet { devices: 2_000, hours: 2, ..Fleet::new(1) }
}

fn broken(fleet: &Fleet) -> Vec<RuleId> {
    let run = fleet.run(2, |_| {});
    let mut broken: Vec<RuleId> = run.ledger.violations().iter().map(|violation| violation.rule).collect();
    broken.sort_unstable();
    broken.dedup();
    broken
}

#[test]
fn every_device_has_its_session_and_each_session_an_end() {
    let run = small().run(2, |_| {});
    assert_eq!(run.failures(), Vec::<String>::new());
    println!("{:?}", run);
    assert_eq!(run.sessions(), 2_000);
}
