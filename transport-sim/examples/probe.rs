fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n: u64 = a[1].parse().unwrap();
    let mut outcomes = std::collections::BTreeMap::<String, u64>::new();
    let first: u64 = a.get(2).map_or(0, |s| s.parse().unwrap());
    for seed in first..first + n {
        let s = if a.get(3).is_some() { transport_sim::dm::Scenario::standard(seed) } else { transport_sim::dm::Scenario::rough(seed) };
        let run = s.run();
        *outcomes.entry(format!("{:?} | {:?}", run.client(), run.server())).or_default() += 1;
        for (t, s) in &run.orders { *outcomes.entry(format!("order {t} {}", s.name())).or_default() += 1; }
        let f = run.failures();
        if !f.is_empty() { println!("seed {seed}: {f:?}"); }
        if n == 1 {
            println!("{}", run.trace);
            for t in &run.traffic { println!("{} {:?} {:?} copy={}\n{}\n", t.at.0, t.direction, t.fate, t.copy, String::from_utf8_lossy(&t.body)); }
            println!("{:#?}", run.tallies);
            println!("{:?}", run.orders);
            for (r, m) in run.ledger.rules() { println!("{} {m}", r.id); }
        }
    }
    for (k, v) in outcomes { println!("{v:6} {k}"); }
}
