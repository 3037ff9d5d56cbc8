//! Part 1: clients that this project did not write, recorded, against our server.
//!
//! A recorded client says what it said then. So our server is given the recorded one's address, accounts and orders, and
//! for the digest session the nonce that the recorded server chose.

use anyhow::{Context, Result, ensure};
use core_kit::{Env, Tick, UnixMillis, journal};
use dm_core::{
    Packet,
    auth::{Account, Nonce, Scheme, Verdict},
    server::{Done, Input, Order, Output, Profile, Question, Report, Request, Session},
    session::Outcome,
};

use super::{Demo, chart, completed};

const SERVER: &str = "http://127.0.0.1:8080/funambol/dm";

/// A recorded session and what it must come to.
struct Capture {
    name: &'static str,
    what: &'static str,
    messages: &'static [&'static [u8]],
    account: Account,
    nonce: Option<&'static [u8]>,
    get: &'static [&'static str],
    /// Address, status and value of each item.
    expected: &'static [(&'static str, u16, Option<&'static str>)],
}

macro_rules! recorded {
    ($($path:literal),+) => { &[$(include_bytes!(concat!("../../../dm-core/tests/captures/", $path))),+] };
}

pub(super) fn run(demo: &mut Demo) -> Result<()> {
    chart::title("1. Recorded sessions of a real client (libdmclient, in C) against our server");
    let captures = [
        Capture {
            name: "libdmclient-basic",
            what: "Basic credentials, accepted at once",
            messages: recorded!["libdmclient-basic/01-c2s.xml", "libdmclient-basic/02-c2s.xml"],
            account: Account::new("funambol", "funambol", Scheme::Basic),
            nonce: None,
            get: &["./DevDetail/SwV", "./DevInfo/Man", "./Nope"],
            expected: &[
                ("./DevDetail/SwV", 200, Some("TODO")),
                ("./DevInfo/Man", 200, Some("test manufacturer")),
                ("./Nope", 404, None),
            ],
        },
        Capture {
            name: "libdmclient-md5",
            what: "Basic refused, challenged to a digest",
            messages: recorded![
                "libdmclient-md5/01-c2s.xml",
                "libdmclient-md5/02-c2s.xml",
                "libdmclient-md5/03-c2s.xml"
            ],
            account: Account::new("funambol", "funambol", Scheme::Md5),
            nonce: Some(b"0123456789abcdef"),
            get: &["./DevInfo/Mod"],
            expected: &[("./DevInfo/Mod", 200, Some("test model"))],
        },
    ];
    for capture in captures {
        converse(demo, &capture).context(capture.name)?;
    }
    Ok(())
}

fn converse(demo: &mut Demo, capture: &Capture) -> Result<()> {
    println!("\n  {}: {}\n", capture.name, capture.what);
    let profile = Profile::new(SERVER);
    let mut session = Session::new(&profile);
    let mut journal = journal::begin(&session, profile);
    let (mut results, mut outcome, mut step) = (Vec::new(), None, 0u8);
    for bytes in capture.messages {
        let packet = Packet::xml(*bytes);
        chart::message(None, chart::From::Client, &packet, "");
        demo.messages += 1;
        let mut todo = Some(Input::Received(packet));
        while let Some(input) = todo.take() {
            // A recorded session has no clock of its own: every step is a second, and its entropy is its number.
            step += 1;
            let at = u64::from(step) * 1000;
            let env = Env { now: Tick(at), wall: UnixMillis(at), entropy: [step; 32] };
            let record = journal::step(&mut session, &env, input)?;
            for output in &record.outputs {
                match output {
                    Output::Ask(question) => todo = Some(answer(capture, question.clone())),
                    Output::Reply(reply) => {
                        chart::message(None, chart::From::Server, reply, "");
                        demo.messages += 1;
                    }
                    Output::Report(Report::Done(done)) => results.push(done.clone()),
                    Output::Finished(end) => outcome = Some(end.clone()),
                    Output::Refuse(fault) => anyhow::bail!("the captured message was refused: {fault}"),
                    Output::Report(_) => {}
                }
            }
            journal.records.push(record);
        }
    }
    println!("\n  understood:");
    results.iter().for_each(chart::done);
    compare(capture, &results, outcome.as_ref())?;
    demo.sessions += 1;
    demo.keep::<Session>(&format!("{}.server", capture.name), &journal)
}

fn answer(capture: &Capture, question: Question) -> Input {
    match question {
        Question::Authenticate(question) => {
            let verdict = match capture.account.judge(&question.claim) {
                Verdict::Challenge { scheme, .. } => {
                    Verdict::Challenge { scheme, nonce: capture.nonce.map(Nonce::new) }
                }
                verdict => verdict,
            };
            question.answer(verdict, Some(Scheme::Md5))
        }
        Question::Commands(question) if question.taken == 0 => {
            let uris = capture.get.iter().map(|uri| String::from(*uri)).collect();
            question.answer(vec![Order::new("get", Request::Get(uris))])
        }
        Question::Commands(question) => question.answer(Vec::new()),
        Question::Sign(question) => {
            let signature = Account::new("funambol", "srvpwd", Scheme::Md5).sign(&question.request);
            question.answer(signature)
        }
        Question::Fetch(question) => question.decline(),
    }
}

fn compare(capture: &Capture, results: &[Done], outcome: Option<&Outcome>) -> Result<()> {
    completed("server", outcome)?;
    let items = results.iter().flat_map(|done| &done.items);
    let told = items.map(|item| {
        let value = item.found.first().and_then(|found| found.content.data.as_ref());
        let value = value.map(|data| String::from_utf8_lossy(data).into_owned());
        (item.uri.clone(), item.status.map(|status| status.0), value)
    });
    let expected = capture
        .expected
        .iter()
        .map(|(uri, status, value)| (String::from(*uri), Some(*status), value.map(String::from)));
    let (told, expected): (Vec<_>, Vec<_>) = (told.collect(), expected.collect());
    ensure!(told == expected, "the client's package was not understood: {told:?} instead of {expected:?}");
    Ok(())
}
