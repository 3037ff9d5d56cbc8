//! Part 1: clients that this project did not write, recorded, against our server.
//!
//! A recorded client says what it said then. So our server is given the recorded one's address, accounts and orders, and
//! for the digest session the nonce that the recorded server chose.

use anyhow::{Context, Result, ensure};
use dm_core::{
    Packet,
    auth::{Account, Nonce, Scheme},
    server::{Done, Order, Profile, Request, Session},
    wire::Encoding,
};

use super::{
    Demo, chart, completed,
    ends::{Keys, Server},
};

const SERVER: &str = "http://127.0.0.1:8080/funambol/dm";

/// A recorded session and what it must come to.
struct Capture {
    name: &'static str,
    what: &'static str,
    encoding: Encoding,
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
    chart::title(1, "Recorded sessions of a real client (libdmclient, in C) against our server");
    for capture in captures() {
        converse(demo, &capture).context(capture.name)?;
    }
    Ok(())
}

fn captures() -> [Capture; 3] {
    [
        Capture {
            name: "libdmclient-basic",
            what: "Basic credentials, accepted at once",
            encoding: Encoding::Xml,
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
            encoding: Encoding::Xml,
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
        Capture {
            name: "libdmclient-md5-wbxml",
            what: "the same in WBXML, answered in WBXML",
            encoding: Encoding::Wbxml,
            messages: recorded![
                "libdmclient-md5-wbxml/01-c2s.wbxml",
                "libdmclient-md5-wbxml/02-c2s.wbxml",
                "libdmclient-md5-wbxml/03-c2s.wbxml"
            ],
            account: Account::new("funambol", "funambol", Scheme::Md5),
            nonce: Some(b"0123456789abcdef"),
            get: &["./DevInfo/Mod"],
            expected: &[("./DevInfo/Mod", 200, Some("test model"))],
        },
    ]
}

fn converse(demo: &mut Demo, capture: &Capture) -> Result<()> {
    println!("\n  {}: {}\n", capture.name, capture.what);
    let keys = Keys { client: capture.account.clone(), server: Account::new("funambol", "srvpwd", Scheme::Md5) };
    let get = capture.get.iter().map(|uri| (*uri).into()).collect();
    let mut server = Server::new(Profile::new(SERVER), keys, vec![Order::new("get", Request::Get(get))]);
    server.challenge = capture.nonce.map(Nonce::new);
    for bytes in capture.messages {
        let packet = Packet::new(capture.encoding, *bytes);
        chart::message(None, chart::From::Client, &packet, "");
        let reply = server.reply(&mut demo.clock, packet)?;
        chart::message(None, chart::From::Server, &reply, "");
        ensure!(reply.encoding == capture.encoding, "the reply is in {:?}", reply.encoding);
        demo.messages += 2;
    }
    chart::done(&server.done);
    completed("server", server.outcome.as_ref())?;
    compare(capture, &server.done)?;
    demo.sessions += 1;
    demo.keep::<Session>(&format!("{}.server", capture.name), &server.journal)
}

/// Whether the server has understood what the client said.
fn compare(capture: &Capture, done: &[Done]) -> Result<()> {
    let items = done.iter().flat_map(|done| &done.items);
    let told = items.map(|item| {
        let value = item.found.first().and_then(|found| found.content.data.as_ref());
        let value = value.map(|data| String::from_utf8_lossy(data).into_owned());
        (item.uri.as_str(), item.status.map(|status| status.0), value)
    });
    let expected = capture.expected.iter().map(|(uri, status, value)| (*uri, Some(*status), value.map(String::from)));
    let (told, expected): (Vec<_>, Vec<_>) = (told.collect(), expected.collect());
    ensure!(told == expected, "the client's package was not understood: {told:?} instead of {expected:?}");
    println!("    every status and value as the client sent it");
    Ok(())
}

#[cfg(test)]
mod tests {
    use dm_core::{codes::StatusCode, server::ItemDone};

    use super::*;

    #[test]
    fn a_status_or_value_that_the_client_did_not_send_fails_the_demo() {
        let [_, capture, _] = captures();
        let item = |status| ItemDone {
            uri: "./DevInfo/Mod".into(),
            status: Some(StatusCode(status)),
            found: Vec::new(),
            reply: None,
        };
        let done = |status| [Done { tag: "get".into(), items: vec![item(status)] }];
        for understood in [&[][..], &done(200), &done(404)] {
            assert!(compare(&capture, understood).is_err(), "{understood:?}");
        }
    }
}
