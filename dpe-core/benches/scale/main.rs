//! What a query costs a server that knows a thousand devices, and one that knows a million.
//!
//! `cargo xtask bench`, or `cargo bench -p dpe-core --bench scale`. All sizes are there at once and take turns, so that
//! whatever else the machine does falls on all of them; so only ratios within one run mean anything. Without the flag
//! that `cargo bench` gives, the two smallest sizes are tried, to see that it works.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "what a core must not do, its stop-watch must")]

use std::{error::Error, process::ExitCode, time::Instant};

mod codec;
mod figures;
mod query;
mod router;
mod store;

use figures::{Figures, grouped, hundredths};

/// How many devices.
const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// A cost that grew with the number of devices would be a thousand times as much; in a machine that others use, two
/// rounds of the same work have been seen to differ by a third.
const RATIO_MAX: u64 = 200;

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let is_whole = std::env::args().any(|arg| arg == "--bench");
    let sizes = if is_whole { &SIZES[..] } else { SIZES.get(..2).unwrap_or_default() };
    match run(sizes) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(sizes: &[u32]) -> Fallible<bool> {
    println!(
        "One query of a property that is not cached: the SP's request in, the client's out, its answer in, the SP's out."
    );
    let (mut routers, mut clock) = (Vec::new(), query::Clock::default());
    for size in sizes {
        let began = Instant::now();
        routers.push(router::Crowd::registered(*size, &mut clock)?);
        println!("  {} devices have registered, in {} ms", grouped(u64::from(*size)), began.elapsed().as_millis());
    }
    let bytes: Vec<Option<u64>> = routers.iter().map(router::Crowd::bytes_each).collect();
    println!("\nin one process, all machines in a router:");
    let in_memory = query::measure(&mut routers, &mut clock)?;
    table(sizes, &in_memory, &bytes);

    let mut stores = Vec::new();
    for crowd in routers {
        stores.push(store::Table::of(crowd)?);
    }
    println!("\nstateless, a device and a gate restored from JSON and stored again for each message:");
    let stateless = query::measure(&mut stores, &mut clock)?;
    let bytes: Vec<_> = stores.iter().map(store::Table::bytes_each).collect();
    table(sizes, &stateless, &bytes);
    drop(stores);

    let codec = codec::measure()?;
    let device_bytes = bytes_of_last(&bytes);
    let (memory_ratio, stateless_ratio) = (ratio(&in_memory), ratio(&stateless));
    let is_flat = memory_ratio.max(stateless_ratio) <= RATIO_MAX;
    let (most, word) = (sizes.last().unwrap_or(&0), if is_flat { "ok" } else { "FAILED" });
    println!(
        "scale: {word} devices-max={most} router-ns={} router-ratio={} stateless-ns={} stateless-ratio={} \
         row-bytes={device_bytes} messages={} decode-ns={} encode-ns={}",
        in_memory.last().map_or(0, |figures| figures.median),
        hundredths(memory_ratio),
        stateless.last().map_or(0, |figures| figures.median),
        hundredths(stateless_ratio),
        codec.messages,
        codec.decode,
        codec.encode,
    );
    Ok(is_flat)
}

fn bytes_of_last(bytes: &[Option<u64>]) -> String {
    bytes.last().copied().flatten().map_or_else(|| "-".into(), |bytes| bytes.to_string())
}

/// Hundredths of what the smallest size costs, of the largest.
fn ratio(figures: &[Figures]) -> u64 {
    match (figures.first(), figures.last()) {
        (Some(first), Some(last)) => last.over(first),
        _ => 0,
    }
}

fn table(sizes: &[u32], figures: &[Figures], bytes: &[Option<u64>]) {
    println!("\n    devices   ns/query   middle half of the rounds   ratio   bytes/device");
    for ((size, row), bytes) in sizes.iter().zip(figures).zip(bytes) {
        let ratio = figures.first().map_or(0, |first| row.over(first));
        println!(
            "  {:>9}  {:>9}   {:>12} - {:<12}  {:>6}   {:>12}",
            grouped(u64::from(*size)),
            grouped(row.median),
            grouped(row.low),
            grouped(row.high),
            hundredths(ratio),
            bytes.map_or_else(|| "-".into(), grouped)
        );
    }
}
