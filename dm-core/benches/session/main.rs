//! What one session costs both sides: four exchanges, digests both ways, a `Get`, an `Add`, a `Replace` and an `Exec`.
//!
//! `cargo xtask bench`, or `cargo bench -p dm-core --bench session`. The server is restored from its snapshot for every
//! message, as a node does that keeps nothing. Times are those of the fastest tenth of many short rounds:
//! on a machine that others use, the rest tells of them. Only ratios within one run mean much. Without the flag that
//! `cargo bench` gives, few rounds are done, to see that it works.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "what a core must not do, its stop-watch must")]

use std::{
    error::Error,
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use dm_core::{
    limits::WireLimits,
    wire::{self, Encoding},
};

mod talk;

use talk::{Part, Watch, World};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Messages of a session: four exchanges.
const MESSAGES: u32 = 8;

/// How much is done.
#[derive(Clone, Copy)]
struct Effort {
    rounds: u32,
    /// Of a session, or of all messages of one, in a round.
    times: u32,
}

fn main() -> ExitCode {
    let is_whole = std::env::args().any(|arg| arg == "--bench");
    let effort = if is_whole { Effort { rounds: 1_000, times: 2 } } else { Effort { rounds: 1, times: 3 } };
    match run(effort) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(effort: Effort) -> Fallible<()> {
    let xml = measure(Encoding::Xml, effort)?;
    let wbxml = measure(Encoding::Wbxml, effort)?;
    println!("Nanoseconds of a session of {MESSAGES} messages, both sides together:\n");
    println!("  {:<24}{:>10}{:>10}", "", "XML", "WBXML");
    let row = |what: &str, of: fn(&Cost) -> u128| println!("  {what:<24}{:>10}{:>10}", of(&xml), of(&wbxml));
    row("whole session", |cost| cost.session);
    for (at, (_, name)) in Part::ALL.iter().enumerate() {
        let of = |cost: &Cost| cost.parts.get(at).copied().unwrap_or_default();
        println!("    {name:<22}{:>10}{:>10}", of(&xml), of(&wbxml));
    }
    println!();
    row("octets of the messages", |cost| cost.octets);
    row("decode them once", |cost| cost.decode);
    row("decode the requests' heads", |cost| cost.heads);
    row("encode them once", |cost| cost.encode);
    println!(
        "session: ok per-second={} ns={} decode-ns={} encode-ns={} wbxml-per-second={} wbxml-ns={}",
        1_000_000_000 / xml.session.max(1),
        xml.session,
        xml.decode,
        xml.encode,
        1_000_000_000 / wbxml.session.max(1),
        wbxml.session,
    );
    Ok(())
}

/// Nanoseconds of one session.
struct Cost {
    session: u128,
    parts: Vec<u128>,
    octets: u128,
    decode: u128,
    heads: u128,
    encode: u128,
}

fn measure(encoding: Encoding, effort: Effort) -> Fallible<Cost> {
    let mut world = World::new(encoding)?;
    world.heard = Some(Vec::new());
    let messages = world.session()?;
    let heard = world.heard.take().unwrap_or_default();
    if messages != MESSAGES || heard.iter().any(|packet| packet.encoding != encoding) {
        return Err(format!("{messages} messages, where {MESSAGES} were expected").into());
    }
    let limits = WireLimits::SERVER;
    let read = |packet: &dm_core::Packet| wire::decode(encoding, &packet.body, &limits);
    let models: Vec<_> = heard.iter().map(read).collect::<Result<_, _>>()?;

    let session = fastest(effort, || world.session().map(drop))?;
    let mut parts = vec![Vec::new(); Part::ALL.len()];
    for _ in 0..effort.rounds {
        world.watch = Watch { is_running: true, ..Watch::default() };
        for _ in 0..effort.times {
            world.session()?;
        }
        for (rounds, took) in parts.iter_mut().zip(world.watch.took) {
            rounds.push(each(took, effort));
        }
    }
    let decode = fastest(effort, || {
        heard.iter().try_for_each(|packet| read(packet).map(|read| drop(black_box(read)))).map_err(Into::into)
    })?;
    let heads = fastest(effort, || {
        let mut requests = heard.iter().step_by(2);
        let header = |packet: &dm_core::Packet| wire::decode_header(encoding, &packet.body, &limits);
        requests.try_for_each(|packet| header(packet).map(|header| drop(black_box(header)))).map_err(Into::into)
    })?;
    let encode = fastest(effort, || {
        let write = |model: &wire::Decoded| wire::encode(encoding, &model.message);
        models.iter().try_for_each(|model| write(model).map(|bytes| drop(black_box(bytes)))).map_err(Into::into)
    })?;
    let octets = heard.iter().map(|packet| packet.body.len() as u128).sum();
    Ok(Cost { session, parts: parts.into_iter().map(tenth).collect(), octets, decode, heads, encode })
}

/// What one time takes in the fastest rounds.
fn fastest(effort: Effort, mut work: impl FnMut() -> Fallible<()>) -> Fallible<u128> {
    let mut rounds = Vec::new();
    for _ in 0..effort.rounds {
        let began = Instant::now();
        for _ in 0..effort.times {
            work()?;
        }
        rounds.push(each(began.elapsed(), effort));
    }
    Ok(tenth(rounds))
}

fn each(took: Duration, effort: Effort) -> u128 {
    took.as_nanos() / u128::from(effort.times.max(1))
}

/// The bound of the lowest tenth.
fn tenth(mut rounds: Vec<u128>) -> u128 {
    rounds.sort_unstable();
    rounds.get(rounds.len() / 10).copied().unwrap_or_default()
}
