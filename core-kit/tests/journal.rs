//! Journals of a small machine: written, read, replayed, and altered by hand.
#![cfg(feature = "std")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; clippy.toml allows it in test functions only")]

use std::convert::Infallible;

use core_kit::{
    Deadline, Durable, Env, Machine, Tick, UnixMillis,
    journal::{self, JournalOf, Replay, file},
};
use serde::{Deserialize, Serialize};

/// Adds what comes in to what it has, and a drawn octet to what it says.
#[derive(Clone, Debug)]
struct Adder {
    step: u64,
    sum: u64,
    steps_max: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    sum: u64,
    drawn: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Machine for Adder {
    type Input = u64;
    type Output = Said;
    type Misuse = &'static str;
    type Why = ();

    fn handle(&mut self, env: &Env, input: u64, out: &mut Vec<Said>) -> Result<(), &'static str> {
        if self.step >= self.steps_max {
            return Err("full");
        }
        self.sum += input;
        let [drawn, ..] = env.draw("adder", self.step);
        out.push(Said { sum: self.sum, drawn, note: None });
        self.step += 1;
        Ok(())
    }

    fn deadline(&self) -> Option<Deadline<()>> {
        None
    }
}

impl Durable for Adder {
    type Snapshot = (u64, u64);
    type Profile = u64;
    type RestoreError = Infallible;

    const NAME: &'static str = "test.adder";
    const VERSION: &'static str = "1.2.3";

    fn snapshot(&self) -> (u64, u64) {
        (self.step, self.sum)
    }

    fn restore((step, sum): (u64, u64), profile: &u64) -> Result<Self, Infallible> {
        Ok(Self { step, sum, steps_max: *profile })
    }

    fn revision(&self) -> u64 {
        self.step
    }
}

fn recorded() -> JournalOf<Adder> {
    let mut machine = Adder { step: 3, sum: 10, steps_max: 6 };
    let mut journal = journal::begin(&machine, machine.steps_max);
    for input in [5, 7] {
        let env = Env { now: Tick(input), wall: UnixMillis(input), entropy: [7; 32] };
        journal.records.push(journal::step(&mut machine, &env, input).unwrap());
    }
    journal
}

fn written(journal: &JournalOf<Adder>) -> String {
    let mut bytes = Vec::new();
    file::write(journal, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn read(text: &str) -> Result<JournalOf<Adder>, file::ReadError> {
    file::open(text.as_bytes())?.read::<Adder>()
}

fn replayed(text: &str) -> Replay<Said, &'static str> {
    file::replay::<Adder>(read(text).unwrap()).unwrap_or_else(|never| match never {})
}

#[test]
fn a_journal_is_lines_and_replays_identical() {
    let text = written(&recorded());
    assert!(
        text.starts_with(r#"{"journal":1,"machine":"test.adder","crate_version":"1.2.3","profile":6,"first":[3,10]}"#)
    );
    assert_eq!(text.lines().count(), 3);
    assert_eq!(read(&text).unwrap(), recorded());
    assert_eq!(replayed(&text), Replay::Same { steps: 2 });
}

#[test]
fn any_byte_changed_in_a_recorded_output_is_found_and_its_step_named() {
    let text = written(&recorded());
    let start = text.rfind(r#""outputs""#).unwrap();
    let end = text.trim_end().len();
    for at in start..end {
        for byte in [b'0', b'9', b'x', b'"', b'}'] {
            let mut changed = text.clone().into_bytes();
            if std::mem::replace(&mut changed[at], byte) == byte {
                continue;
            }
            let changed = String::from_utf8(changed).unwrap();
            match read(&changed) {
                Err(error) => assert!(error.to_string().contains("step 4"), "{error}"),
                Ok(journal) => match file::replay::<Adder>(journal).unwrap_or_else(|never| match never {}) {
                    Replay::Diverged { seq: 4, recorded, replayed } => {
                        assert!(file::differ(&recorded, &replayed).is_some());
                    }
                    other => panic!("{other:?} after byte {at} became {}", char::from(byte)),
                },
            }
        }
    }
}

#[test]
fn the_place_that_differs_is_shown() {
    let text = written(&recorded()).replace(r#""sum":22"#, r#""sum":23"#);
    let Replay::Diverged { seq: 4, recorded, replayed } = replayed(&text) else { panic!() };
    assert_eq!(file::differ(&recorded, &replayed).as_deref(), Some("  [0].sum: recorded 23, replayed 22"));
}

#[test]
fn a_missing_a_doubled_and_a_refused_step_are_told_apart() {
    let text = written(&recorded());
    let lines: Vec<&str> = text.lines().collect();
    let missing = [lines[0], lines[2]].join("\n");
    assert_eq!(replayed(&missing), Replay::OutOfOrder { expected: 3, found: 4 });
    let doubled = [lines[0], lines[1], lines[1]].join("\n");
    assert_eq!(replayed(&doubled), Replay::OutOfOrder { expected: 4, found: 3 });
    let refused = text.replace(r#""profile":6"#, r#""profile":4"#);
    assert_eq!(replayed(&refused), Replay::Refused { seq: 4, misuse: "full" });
}

#[test]
fn what_is_no_journal_or_another_one_is_named() {
    for (text, message) in [
        ("", "line 1 is not the header of a journal"),
        ("hello\n", "line 1 is not the header of a journal"),
        (r#"{"journal":2,"machine":"test.adder"}"#, "the journal is of version 2, this program reads version 1"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    let other = written(&recorded()).replace("test.adder", "test.other");
    assert_eq!(read(&other).unwrap_err().to_string(), "the journal is of test.other, not of test.adder");
}
