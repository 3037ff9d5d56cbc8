//! dev
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::disallowed_types, clippy::disallowed_methods)]
use transport_sim::dm::*;
fn main() {
    let args: Vec<u32> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let mut fleet = Fleet { devices: args[0], hours: args[1], ..Fleet::new(1) };
    if args.get(3) == Some(&1) {
        fleet.conditions = Conditions::CALM;
    }
    let begun = std::time::Instant::now();
    let run = fleet.run(args[2] as usize, |_| {});
    let took = begun.elapsed();
    for (rule, met) in run.ledger.rules() {
        println!("{:<6}{:>12} {}", rule.id, met, rule.says);
    }
    for (name, figure) in run.ledger.figures() {
        println!("{name:<40}{:>12}", figure.value());
    }
    for f in run.failures().iter().take(20) {
        println!("{f}");
    }
    println!("{:?}", run.network);
    for (f, n) in run.faults.iter().filter(|f| f.1 > 0) {
        println!("{f} {n} {}", f.says());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|l| l.starts_with("VmHWM")).unwrap());
    println!(
        "failures {} digest {:x} took {took:?} sessions/s {}",
        run.failures().len(),
        run.digest,
        run.sessions() as f64 / took.as_secs_f64()
    );
}
