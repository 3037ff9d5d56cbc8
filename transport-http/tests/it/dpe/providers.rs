//! How SPs get their answers and reports: as replies, at a callback, by polling.

use std::time::Duration;

use core_kit::{Millis, journal::Replay};
use dpe_core::{
    codes::Code,
    config::{ResponseMode, SpProfile},
    ids::ClientId,
    policy::{Terms, Watched},
    sp::{Output, Sp, What},
    wire::{self, Ie, Kind, Message, Value},
};
use tokio::time::timeout;
use transport_http::{
    Limits, Outgoing, Peer,
    dpe::{
        server::{Bounds, Fact, router},
        sp::{Drive, Origin, Reports, Settings, callback},
    },
};

use super::kit::{
    BOUNDS, Callback, Counter, Driven, HERE, IMEI, Provider, SETTINGS, World, answer, client_profile, config, decode,
    name, nowhere, open, policy_set, query, raw, read, sp_id, sp_profile, token,
};
use crate::kit::{self, Node};

fn with_callback(url: &str, mode: ResponseMode) -> SpProfile {
    let mut profile = sp_profile("sp");
    (profile.callback, profile.response_mode) = (Some(url.into()), mode);
    profile
}

fn on_change(policy: &str, seconds: u32) -> What {
    let terms = Terms::new("OnChange", &[]);
    What::PolicySet(policy.try_into().unwrap(), Watched::Property(name("batteryLevel")), terms, Some(seconds))
}

/// A report of the policy that was set by this request.
fn report(client: &ClientId, set: &Message, sequence: u64) -> Message {
    let mut message = answer(client, set);
    message.kind = Kind::PropertyReport;
    message.results = answer(client, &query_of(set)).results;
    message.sequence = Ie::Is(sequence);
    message
}

fn query_of(set: &Message) -> Message {
    let mut message = Message::new(Kind::PropertyQuery);
    message.property_names.clone_from(&set.property_names);
    message
}

#[tokio::test]
async fn in_callback_mode_answers_and_reports_come_to_the_callback() {
    let mut sink = Callback::taking().await;
    let world = World::start(config(), vec![with_callback(&sink.url, ResponseMode::Callback)]).await;
    let client = world.registered(IMEI, None).await;
    assert_eq!(world.post("/sp", &policy_set("1", &client, 60)).await.unwrap().status, 202);
    let set = world.polled(&client).await;
    world.answers(&answer(&client, &set)).await;
    let ack = sink.message().await;
    assert_eq!((ack.kind, ack.message_id.clone()), (Kind::PropertyPolicySetAck, token("1")));
    world.answers(&report(&client, &set, 1)).await;
    let told = sink.message().await;
    assert_eq!((told.kind, told.policy_id), (Kind::PropertyReport, token("policy-1")));
    // What is answered at once goes there, too, and so does what has no Message-ID.
    let mut nameless = query("2", &client);
    nameless.message_id = Ie::Absent;
    for (refused, code) in [
        (query("3", &"nobody".try_into().unwrap()), Code::CLIENT_ID_NOT_REGISTERED),
        (nameless, Code::MESSAGE_ID_MISSING),
    ] {
        assert_eq!(world.post("/sp", &refused).await.unwrap().status, 202);
        assert_eq!(sink.message().await.status, Ie::Is(code));
    }
    assert_eq!(world.get("/sp/poll?wait=0", &[("dpe-sp-id", "sp")]).await.unwrap().status, 204);
}

#[tokio::test]
async fn an_sp_is_driven_in_callback_mode() {
    // The callback has to be known before the SP is: it is mounted on what listens already.
    let (late, mounted) = tokio::sync::watch::channel(axum::Router::new());
    let router = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let router = mounted.borrow().clone();
        async move { tower::ServiceExt::oneshot(router, request).await }
    });
    let node = Node::start(router, Limits::DEFAULT).await;
    let url = format!("http://{}/callback", node.address);
    let world = World::start(config(), vec![with_callback(&url, ResponseMode::Callback)]).await;
    let phone = Driven::start(&world.url(), &client_profile(IMEI, None), None);
    let client = phone.registered(None).await;
    world.serves(1).await;
    let mut sp = Provider::start(&world.url(), Settings { reports: Reports::Posted, ..SETTINGS });
    let from = Origin::Networks(vec![HERE.try_into().unwrap()]);
    drop(late.send_replace(callback(sp.handle.clone(), from, Limits::DEFAULT)));
    assert_eq!(sp.asks(&client, What::Query(vec![name("OSName")])).await.status, Some(Code::OK));
    assert_eq!(sp.asks(&client, on_change("level", 60)).await.status, Some(Code::OK));
    phone.sample("batteryLevel", Value::integer(82)).await;
    phone.sample("batteryLevel", Value::integer(70)).await;
    assert!(matches!(sp.next().await, Output::Reported(report) if report.client == client));
}

#[tokio::test]
async fn in_sync_mode_answers_are_replies_and_reports_come_to_the_callback() {
    let mut sink = Callback::taking().await;
    let world = World::start(config(), vec![with_callback(&sink.url, ResponseMode::Sync)]).await;
    let phone = Driven::start(&world.url(), &client_profile(IMEI, None), None);
    let client = phone.registered(None).await;
    world.serves(1).await;
    let ack = read(&world.post("/sp", &policy_set("1", &client, 1)).await.unwrap());
    assert_eq!((ack.kind, ack.status), (Kind::PropertyPolicySetAck, Ie::Is(Code::OK)));
    let ended = sink.message().await;
    assert_eq!((ended.kind, ended.status), (Kind::PropertyReport, Ie::Is(Code::POLICY_EXPIRED)));
}

#[tokio::test]
async fn reports_wait_for_the_poll_of_an_sp_without_a_callback_in_their_order() {
    let world = World::usual().await;
    let client = world.registered(IMEI, None).await;
    let body = wire::encode(&policy_set("1", &client, 60)).unwrap();
    let asked = open(world.node.address, &raw("POST", "/sp", &[("content-type", "text/xml")], &body)).await;
    let set = world.polled(&client).await;
    world.answers(&answer(&client, &set)).await;
    for sequence in 1..=3 {
        world.answers(&report(&client, &set, sequence)).await;
    }
    for sequence in 1..=3 {
        let fetched = read(&world.get("/sp/poll?wait=0", &[("dpe-sp-id", "sp")]).await.unwrap());
        assert_eq!((fetched.kind, fetched.sequence), (Kind::PropertyReport, Ie::Is(sequence)));
    }
    assert_eq!(world.get("/sp/poll?wait=0", &[("dpe-sp-id", "sp")]).await.unwrap().status, 204);
    // A poll that is open gets the next one at once; a second poll ends it.
    let poll = raw("GET", "/sp/poll?wait=5", &[("dpe-sp-id", "sp")], b"");
    let mut first = open(world.node.address, &poll).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut second = open(world.node.address, &poll).await;
    assert_eq!(kit::rest(&mut first).await.unwrap().status, 204);
    world.answers(&report(&client, &set, 4)).await;
    assert_eq!(read(&kit::rest(&mut second).await.unwrap()).sequence, Ie::Is(4));
    drop(asked);
}

#[tokio::test]
async fn a_broken_callback_is_tried_again_with_the_same_bytes_and_given_up() {
    let mut sink = Callback::start(Box::new(|at, _| (if at < 3 { 500 } else { 204 }, Vec::new()))).await;
    let world = World::start(config(), vec![with_callback(&sink.url, ResponseMode::Callback)]).await;
    let nobody = "nobody".try_into().unwrap();
    for id in ["1", "2"] {
        assert_eq!(world.post("/sp", &query(id, &nobody)).await.unwrap().status, 202);
    }
    let tries = [sink.next().await, sink.next().await, sink.next().await];
    assert!(tries.iter().all(|(head, body)| *head == tries[0].0 && *body == tries[0].1));
    assert_eq!(decode(&tries[0].1).message_id, token("1"));
    // What comes after it is not lost with it.
    assert_eq!(sink.message().await.message_id, token("2"));
    let is_lost = |fact: &Fact| *fact == Fact::Undelivered(sp_id("sp"));
    world.until("one is given up", |world| world.counter.count(is_lost) == 1).await;
}

#[tokio::test]
async fn a_callback_that_comes_back_gets_what_waited() {
    let mut sink = Callback::start(Box::new(|at, _| (if at == 0 { 503 } else { 204 }, Vec::new()))).await;
    let world = World::start(config(), vec![with_callback(&sink.url, ResponseMode::Callback)]).await;
    assert_eq!(world.post("/sp", &query("1", &"nobody".try_into().unwrap())).await.unwrap().status, 202);
    let (first, second) = (sink.next().await, sink.next().await);
    assert_eq!(first.1, second.1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.counter.count(|fact| matches!(fact, Fact::Undelivered(_))), 0);
}

#[tokio::test]
async fn what_waits_for_a_callback_is_bounded() {
    let url = nowhere().await;
    let bounds = Bounds { queue_max: 2, pause_ms: Millis(60_000), ..BOUNDS };
    let sp = with_callback(&url, ResponseMode::Callback);
    let world = World::start_with(config(), vec![sp], bounds, Counter::default()).await;
    for id in ["1", "2", "3", "4", "5"] {
        assert_eq!(world.post("/sp", &query(id, &"nobody".try_into().unwrap())).await.unwrap().status, 202);
    }
    // One is on its way, two wait.
    assert_eq!(world.counter.count(|fact| matches!(fact, Fact::Undelivered(_))), 2);
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_any_more_is_counted() {
    let world = World::usual().await;
    let client = world.registered(IMEI, None).await;
    let body = wire::encode(&query("1", &client)).unwrap();
    let mut request = axum::extract::Request::post("/dpe/1.0/sp").body(axum::body::Body::from(body)).unwrap();
    request.headers_mut().insert("content-type", "text/xml".parse().unwrap());
    request.extensions_mut().insert(Peer(HERE.parse().unwrap()));
    let asked = tower::ServiceExt::oneshot(router(world.handle.clone()), request);
    assert!(timeout(Duration::from_millis(100), asked).await.is_err(), "it is given up");
    let request = world.polled(&client).await;
    world.answers(&answer(&client, &request)).await;
    assert_eq!(world.counter.count(|fact| *fact == Fact::Unawaited(sp_id("sp"))), 1);
    // The Message-ID is free again.
    assert_eq!(read(&world.post("/sp", &query("1", &client)).await.unwrap()).status, Ie::Is(Code::NOT_RESPONDING));
}

#[tokio::test]
async fn a_message_id_that_is_in_use_gets_19_and_the_older_request_its_own_answer() {
    let world = World::usual().await;
    let client = world.registered(IMEI, None).await;
    let body = wire::encode(&query("1", &client)).unwrap();
    let mut asked = open(world.node.address, &raw("POST", "/sp", &[("content-type", "text/xml")], &body)).await;
    let request = world.polled(&client).await;
    let second = read(&world.post("/sp", &query("1", &client)).await.unwrap());
    assert_eq!(second.status, Ie::Is(Code::MESSAGE_ID_REPEATED));
    world.answers(&answer(&client, &request)).await;
    assert_eq!(read(&kit::rest(&mut asked).await.unwrap()).status, Ie::Is(Code::OK));
}

#[tokio::test]
async fn two_sps_with_the_same_message_id_get_each_their_own_answer() {
    let world = World::start(config(), vec![sp_profile("sp"), sp_profile("other")]).await;
    let client = world.registered(IMEI, None).await;
    let mut streams = Vec::new();
    for sp in ["sp", "other"] {
        let mut asked = query("1", &client);
        asked.sp_id = token(sp);
        let body = wire::encode(&asked).unwrap();
        streams.push(open(world.node.address, &raw("POST", "/sp", &[("content-type", "text/xml")], &body)).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for _ in 0..2 {
        let request = world.polled(&client).await;
        world.answers(&answer(&client, &request)).await;
    }
    for (stream, sp) in streams.iter_mut().zip(["sp", "other"]) {
        assert_eq!(read(&kit::rest(stream).await.unwrap()).sp_id, token(sp));
    }
}

#[tokio::test]
async fn an_address_has_so_many_exchanges_open_and_no_more() {
    let mut config = config();
    config.sp.max_connections = 2;
    let world = World::start(config, vec![sp_profile("sp")]).await;
    let poll = raw("GET", "/sp/poll?wait=1", &[("dpe-sp-id", "sp")], b"");
    let client = world.registered(IMEI, None).await;
    let body = wire::encode(&query("1", &client)).unwrap();
    let mut polling = open(world.node.address, &poll).await;
    let mut asking = open(world.node.address, &raw("POST", "/sp", &[("content-type", "text/xml")], &body)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.post("/sp", &query("2", &client)).await, None, "the third is turned away");
    assert_eq!(kit::rest(&mut polling).await.unwrap().status, 204);
    assert_eq!(kit::rest(&mut asking).await.unwrap().status, 200);
    assert!(world.post("/sp", &query("3", &client)).await.is_some(), "a place has come free");
}

#[tokio::test]
async fn a_driven_sp_keeps_below_the_connections_that_its_server_allows() {
    let mut config = config();
    config.sp.max_connections = dpe_core::config::Config::default().sp.max_connections;
    let world = World::start(config, vec![sp_profile("sp")]).await;
    let phone = Driven::start(&world.url(), &client_profile(IMEI, None), None);
    let client = phone.registered(None).await;
    world.serves(1).await;
    let mut sp = Provider::start(&world.url(), Settings::DEFAULT);
    for _ in 0..20 {
        sp.wants(Some(&client), What::Query(vec![name("batteryLevel")])).await;
    }
    for _ in 0..20 {
        assert_eq!(sp.done().await.status, Some(Code::OK));
    }
}

#[tokio::test]
async fn a_callback_takes_what_its_server_delivers_and_nothing_else() {
    let server = nowhere().await;
    let sp = Provider::start(&server, Settings { reports: Reports::Posted, ..SETTINGS });
    let body = wire::encode(&query("1", &"c".try_into().unwrap())).unwrap();
    for (networks, is_taken) in [(HERE, true), ("192.0.2.0/24", false)] {
        let from = Origin::Networks(vec![networks.try_into().unwrap()]);
        let node = Node::start(callback(sp.handle.clone(), from, Limits::DEFAULT), Limits::DEFAULT).await;
        let post = |media_type| kit::post("/", media_type, &body);
        let taken = kit::talk(node.address, &post("application/xml")).await;
        assert_eq!(taken.map(|answer| answer.status), is_taken.then_some(204));
        let refused = kit::talk(node.address, &post("text/plain")).await;
        assert_eq!(refused.map(|answer| answer.status), is_taken.then_some(415));
    }
    let anywhere = Node::start(callback(sp.handle.clone(), Origin::Anywhere, Limits::DEFAULT), Limits::DEFAULT).await;
    assert_eq!(kit::talk(anywhere.address, &kit::post("/", "text/xml", &body)).await.unwrap().status, 204);
    drop(sp);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(kit::talk(anywhere.address, &kit::post("/", "text/xml", &body)).await.unwrap().status, 503);
}

#[tokio::test]
async fn what_an_sp_did_is_recorded_and_does_the_same_again() {
    let world = World::usual().await;
    let profile = dpe_core::sp::Profile::new(sp_id("sp"));
    let (drive, handle, mut told) = Drive::new(&profile, &world.url(), Outgoing::new().unwrap(), SETTINGS).unwrap();
    let (mut sp, mut records) = (Sp::new(&profile), Vec::new());
    let asking = async {
        let what = What::Query(vec![name("OSName")]);
        let client = Some("nobody".try_into().unwrap());
        handle.request(dpe_core::sp::Request { tag: "t".into(), client, what }).await.unwrap();
        told.recv().await.unwrap()
    };
    let (asked, hears) = tokio::sync::oneshot::channel::<()>();
    let run = drive.run(&mut sp, Some(&mut records), async { drop(hears.await) });
    let ((), done) = tokio::join!(run, async {
        let done = asking.await;
        drop(asked);
        done
    });
    assert!(matches!(done, Output::Done(done) if done.status == Some(Code::CLIENT_ID_NOT_REGISTERED)));
    let steps = records.len();
    let replayed = core_kit::journal::replay(&mut Sp::new(&profile), records);
    assert!(matches!(replayed, Replay::Same { steps: same } if same == steps && steps == 2), "{replayed:?}");
}

#[tokio::test]
async fn a_request_to_a_server_that_is_not_there_ends_without_an_answer() {
    let server = nowhere().await;
    let mut sp = Provider::start(&server, Settings { reports: Reports::Posted, pause_ms: Millis(5), ..SETTINGS });
    let done = sp.asks(&"c".try_into().unwrap(), What::Query(vec![name("OSName")])).await;
    assert_eq!(done.status, None);
    let refused = sp.handle.request(dpe_core::sp::Request {
        tag: "t".into(),
        client: None,
        what: What::Query(vec![name("OSName")]),
    });
    assert!(refused.await.is_err(), "there is no client in it");
}
