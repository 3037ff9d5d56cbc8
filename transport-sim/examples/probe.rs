fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n: u64 = a[1].parse().unwrap();
    let mut outcomes = std::collections::BTreeMap::<String, u64>::new();
    let first: u64 = a.get(2).map_or(0, |s| s.parse().unwrap());
    for seed in first..first + n {
        let s = if a.get(3).is_some() {
            transport_sim::dm::Scenario::standard(seed)
        } else {
            transport_sim::dm::Scenario::rough(seed)
        };
        let mut s = s;
        if let Some(mode) = a.get(3) {
            s = transport_sim::dm::Scenario::rough(seed);
            if mode.contains('c') {
                s.faults.device_crashes = 3;
            }
            if mode.contains('s') {
                s.faults.server_crashes = 4;
            }
            if mode.contains('m') {
                s.sessions = 3;
            }
            if mode.contains('r') {
                s.faults.lost_races = transport_sim::Permille::new(400);
            }
            if mode.contains('l') {
                s.faults.link.loss = transport_sim::Permille::new(300);
            }
            if mode.contains('u') {
                s.server.unauthenticated_ms = core_kit::Millis(400_000);
            }
        }
        let run = s.run();
        *outcomes.entry(format!("{:?} | {:?}", run.client(), run.server())).or_default() += 1;
        for (t, s) in &run.orders {
            *outcomes.entry(format!("order {t} {}", s.name())).or_default() += 1;
        }
        let f = run.failures();
        if !f.is_empty() {
            println!("seed {seed}: {f:?}");
        }
        if n == 1 {
            println!("{}", run.trace);
            for t in &run.traffic {
                println!(
                    "{} {:?} {:?} copy={}\n{}\n",
                    t.at.0,
                    t.direction,
                    t.fate,
                    t.copy,
                    String::from_utf8_lossy(&t.body)
                );
            }
            println!("{:#?}", run.tallies);
            println!("{:?}", run.orders);
            for (r, m) in run.ledger.rules() {
                println!("{} {m}", r.id);
            }
        }
    }
    for (k, v) in outcomes {
        println!("{v:6} {k}");
    }
}
