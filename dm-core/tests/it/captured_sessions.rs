//! Our server in the place of the one that the captured clients spoke to.
//!
//! A captured client says what it said then, whatever it is answered. So the server is given what the recorded one had:
//! the same address, accounts and nonce, and the same orders; its own replies are what it makes of that.

use dm_core::{
    Packet,
    auth::{Account, Nonce, Scheme, Verdict},
    server::{Input, Order, Output, Profile, Question, Report, Request, Session},
    session::Outcome,
    wire::Encoding,
};

use crate::harness::{Driven, Server, env, lines};

const FUNAMBOL: &str = "http://127.0.0.1:8080/funambol/dm";

macro_rules! captured {
    ($path:literal) => {
        captured!(Encoding::Xml, $path)
    };
    ($encoding:expr, $path:literal) => {
        Packet::new($encoding, &include_bytes!(concat!("../captures/", $path))[..])
    };
}

fn get(uris: &[&str]) -> Order {
    Order::new("get", Request::Get(uris.iter().map(|uri| (*uri).into()).collect()))
}

fn server(address: &str, scheme: Scheme, orders: Vec<Vec<Order>>) -> Server {
    Server {
        device: Some(Account::new("funambol", "funambol", scheme)),
        own: Some(Account::new("funambol", "srvpwd", Scheme::Md5)),
        orders,
        ..Server::new(Profile::new(address))
    }
}

#[test]
fn libdmclient_with_basic_credentials_is_understood() {
    let wanted = ["./DevDetail/SwV", "./DevInfo/Man", "./Nope"];
    let mut server = server(FUNAMBOL, Scheme::Basic, vec![vec![get(&wanted)]]);
    let reply = server.reply(captured!("libdmclient-basic/01-c2s.xml"));
    assert_eq!(
        lines(&reply),
        "Status 212 SyncHdr; Status 200 Alert; Status 200 Replace; Get ./DevDetail/SwV, ./DevInfo/Man, ./Nope; Final"
    );
    // The recorded server signed with an empty nonce, as ours does: the credentials are the same.
    let recorded = std::str::from_utf8(include_bytes!("../captures/libdmclient-basic/01-s2c.xml")).unwrap();
    let ours = crate::harness::message(&reply).header.cred.unwrap();
    assert!(recorded.contains(ours.data.reveal()));
    let reply = server.reply(captured!("libdmclient-basic/02-c2s.xml"));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Final");
    assert_eq!(server.outcomes(), ["get: 200 \"TODO\", 200 \"test manufacturer\", 404"]);
    assert_eq!(server.finished, Some(Outcome::Completed));
    assert!(server.faults().is_empty(), "{:?}", server.faults());
    // The nonce that the client issued for this server's next session: base64 of base64-looking text, taken as it is.
    assert_eq!(server.own.unwrap().nonce, Nonce::new(b"HeoAJzDcV2Y="));
}

#[test]
fn libdmclient_with_digests_is_understood() {
    with_digests([
        captured!("libdmclient-md5/01-c2s.xml"),
        captured!("libdmclient-md5/02-c2s.xml"),
        captured!("libdmclient-md5/03-c2s.xml"),
    ]);
}

#[test]
fn libdmclient_in_wbxml_is_answered_in_wbxml() {
    with_digests([
        captured!(Encoding::Wbxml, "libdmclient-md5-wbxml/01-c2s.wbxml"),
        captured!(Encoding::Wbxml, "libdmclient-md5-wbxml/02-c2s.wbxml"),
        captured!(Encoding::Wbxml, "libdmclient-md5-wbxml/03-c2s.wbxml"),
    ]);
}

/// The session of a client that is refused its basic credentials and then shows a digest.
fn with_digests(requests: [Packet; 3]) {
    let mut server = server(FUNAMBOL, Scheme::Md5, Vec::new());
    // The captured client answered to a nonce that the recorded server chose.
    let nonce = Nonce::new(b"0123456789abcdef");
    let account = server.device.clone().unwrap();
    let mut said = Vec::new();
    for packet in requests {
        let encoding = packet.encoding;
        let mut todo = Some(Input::Received(packet));
        while let Some(input) = todo.take() {
            for output in server.session.step(&env(1), input, &server.profile).unwrap() {
                match output {
                    Output::Ask(Question::Authenticate(question)) => {
                        let verdict = match account.judge(&question.claim) {
                            Verdict::Challenge { scheme, .. } => {
                                Verdict::Challenge { scheme, nonce: Some(nonce.clone()) }
                            }
                            verdict => verdict,
                        };
                        todo = Some(question.answer(verdict, Some(Scheme::Md5)));
                    }
                    Output::Ask(Question::Commands(question)) => {
                        let orders = if question.taken == 0 { vec![get(&["./DevInfo/Mod"])] } else { Vec::new() };
                        todo = Some(question.answer(orders));
                    }
                    Output::Ask(Question::Sign(question)) => {
                        let signature = server.own.as_ref().unwrap().sign(&question.request);
                        todo = Some(question.answer(signature));
                    }
                    Output::Ask(Question::Fetch(question)) => panic!("{question:?}"),
                    Output::Reply(reply) => {
                        assert_eq!(reply.encoding, encoding);
                        said.push(lines(&reply));
                    }
                    Output::Report(report) => server.reports.push(report),
                    Output::Finished(outcome) => server.finished = Some(outcome),
                    Output::Refuse(fault) => panic!("{fault}"),
                }
            }
        }
    }
    assert_eq!(
        said,
        [
            "Status 401 SyncHdr + challenge syncml:auth-md5; Status 401 Alert; Status 401 Replace; Final",
            "Status 212 SyncHdr + next nonce syncml:auth-md5; Status 200 Alert; Status 200 Replace; Get ./DevInfo/Mod; Final",
            "Status 200 SyncHdr; Final",
        ]
    );
    assert_eq!(server.outcomes(), ["get: 200 \"test model\""]);
    assert_eq!(server.finished, Some(Outcome::Completed));
    assert!(server.reports.contains(&Report::AuthenticationFailed { scheme: Some(Scheme::Basic) }));
}

#[test]
fn the_hotspot_client_with_its_odd_statuses_is_understood() {
    let exec = Request::Exec {
        entry: dm_core::server::Entry::text("./DevDetail/Ext/org.wi-fi/Wi-Fi/Ops/unknownOp", "x"),
        correlator: None,
    };
    let subscription = "./Wi-Fi/wi-fi.org/PerProviderSubscription/x";
    let entry = |uri| vec![dm_core::server::Entry::text(uri, "1")];
    let mut server = Server {
        orders: vec![
            vec![
                // The recorded server numbered its Get 5, after an alert's status that ours sends too.
                get(&[subscription, "./DevInfo/Man"]),
                Order::new("exec", exec),
                Order::new("delete", Request::Delete(vec![subscription.into()])),
            ],
            vec![
                Order::new("replace", Request::Replace(entry("./Vendor/x"))),
                Order::new("add", Request::Add(entry("./Other/x"))),
            ],
        ],
        ..Server::trusting(Vec::new())
    };
    let session = Session::new(&server.profile);
    server.session = session;
    let reply = server.reply(captured!("hostap-hs20/01-c2s.xml"));
    assert!(
        lines(&reply).starts_with("Status 200 SyncHdr; Status 200 Alert; Status 200 Alert; Status 200 Replace; Get")
    );
    let alerted = server.reports.iter().any(|report| match report {
        Report::Alerted(alert) => alert.items[0].plain_type() == "org.wi-fi.hotspot2dot0.SubscriptionCreation",
        _ => false,
    });
    assert!(alerted, "the generic alert is told");
    let reply = server.reply(captured!("hostap-hs20/02-c2s.xml"));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Replace ./Vendor/x = \"1\"; Add ./Other/x = \"1\"; Final");
    let reply = server.reply(captured!("hostap-hs20/03-c2s.xml"));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Final");
    // One status named one item of the Get, and none the other.
    assert_eq!(server.outcomes(), ["get: 500, -", "exec: 404", "delete: 501", "replace: 425", "add: 425"]);
    assert_eq!(server.finished, Some(Outcome::Completed));
}
