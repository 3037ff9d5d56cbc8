use std::collections::BTreeMap;
use transport_sim::dm::Scenario;
fn main() {
    let a: Vec<u64> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let mut met: BTreeMap<&str, u64> = BTreeMap::new();
    let mut kinds: BTreeMap<String, (u64, u64, String)> = BTreeMap::new();
    let (mut sessions, mut msgs) = (0, 0);
    let t = std::time::Instant::now();
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    for seed in a[0]..a[0] + a[1] {
        let run = Scenario::mixed(seed).run();
        sessions += run.trace.matches(" began ").count();
        msgs += run.tallies.network.sent;
        for l in run.trace.lines() {
            if let Some(i) = l.find("client-ended") {
                let o = l[i..].split("outcome=").nth(1).unwrap();
                *outcomes.entry(o.into()).or_default() += 1;
            }
        }
        run.ledger.rules().for_each(|(rule, count)| *met.entry(rule.id.0).or_default() += count);
        for f in run.failures() {
            let k = f.split(' ').next().unwrap().to_string();
            let e = kinds.entry(k).or_insert((0, seed, f));
            e.0 += 1;
        }
        if a.len() > 2 {
            println!("{}", run.trace);
        }
    }
    println!("{met:?}");
    println!("asleep {:?}", met.iter().filter(|m| *m.1 == 0).map(|m| *m.0).collect::<Vec<_>>());
    for (k, v) in kinds {
        println!("{k} x{} first seed {}: {}", v.0, v.1, v.2);
    }
    println!("{outcomes:?}");
    println!("{sessions} sessions {msgs} messages {:?}", t.elapsed());
}
