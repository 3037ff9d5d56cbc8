//! What it costs to read and to write each of the 24 messages.

use std::{fs, hint::black_box, path::Path, time::Instant};

use dpe_core::{
    limits::WireLimits,
    wire::{self, Decoded, Kind},
};

use crate::{
    Fallible,
    figures::{Figures, grouped},
};

const ROUNDS: usize = 11;
const TIMES: u32 = 1_000;

/// All messages together, in nanoseconds a message.
pub(crate) struct Codec {
    pub(crate) messages: usize,
    pub(crate) decode: u64,
    pub(crate) encode: u64,
}

/// Reads and writes one example of each message.
pub(crate) fn measure() -> Fallible<Codec> {
    println!("\nthe codec, for each message the longest of its examples:\n");
    println!("  message                          octets   ns to decode   ns to encode");
    let examples = examples()?;
    let (mut decode_all, mut encode_all) = (0, 0);
    for kind in Kind::ALL {
        let text = examples.iter().filter(|(of, _)| of == kind).map(|(_, text)| text).max_by_key(|text| text.len());
        let text = text.ok_or_else(|| format!("no example of {}", kind.name()))?;
        let Decoded::Message(message) = wire::decode(text, &WireLimits::DEFAULT)? else { return Err("untyped".into()) };
        // Written by us, without the white space for people.
        let bytes = wire::encode(&message)?;
        let decode = timed(|| drop(black_box(wire::decode(black_box(&bytes), &WireLimits::DEFAULT))))?;
        let encode = timed(|| drop(black_box(wire::encode(black_box(&message)))))?;
        decode_all += decode.median;
        encode_all += encode.median;
        let (decode, encode) = (grouped(decode.median), grouped(encode.median));
        println!("  {:<30} {:>8}   {decode:>12}   {encode:>12}", kind.name(), bytes.len());
    }
    println!();
    let messages = Kind::ALL.len();
    Ok(Codec { messages, decode: decode_all / messages as u64, encode: encode_all / messages as u64 })
}

fn timed(mut work: impl FnMut()) -> Fallible<Figures> {
    let mut rounds = Vec::new();
    for round in 0..=ROUNDS {
        let began = Instant::now();
        for _ in 0..TIMES {
            work();
        }
        if round > 0 {
            rounds.push(u64::try_from(began.elapsed().as_nanos())? / u64::from(TIMES));
        }
    }
    Ok(Figures::of(rounds))
}

/// The examples of the digest, which the tests of the codec are about too.
fn examples() -> Fallible<Vec<(Kind, Vec<u8>)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let bytes = fs::read(entry?.path())?;
        if let Decoded::Message(message) = wire::decode(&bytes, &WireLimits::DEFAULT)? {
            found.push((message.kind, bytes));
        }
    }
    Ok(found)
}
