//! How messages get to a client: by its poll, or to where it listens.

use std::time::{Duration, Instant};

use core_kit::Millis;
use dpe_core::{
    client::Report,
    codes::Code,
    ids::ClientId,
    server::device,
    sp::What,
    wire::{self, Ie, Kind, Value},
};
use tokio::net::TcpSocket;
use transport_http::{
    Limits,
    dpe::{
        client::listen,
        server::{Bounds, Fact},
    },
};

use super::kit::{
    BOUNDS, Callback, Counter, Driven, HERE, IMEI, Provider, SETTINGS, World, answer, client_profile, config, decode,
    name, nowhere, open, query, raw, read, request, sp_profile, success,
};
use crate::kit::{self, Node};

async fn asked(world: &World, id: &str, client: &ClientId) -> tokio::net::TcpStream {
    let body = wire::encode(&query(id, client)).unwrap();
    open(world.node.address, &raw("POST", "/sp", &[("content-type", "application/xml")], &body)).await
}

#[tokio::test]
async fn a_request_waits_for_the_next_poll() {
    let world = World::usual().await;
    let client = world.registered(IMEI, None).await;
    let mut asked = asked(&world, "1", &client).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let request = read(&world.poll(&client, 0).await.unwrap());
    world.answers(&answer(&client, &request)).await;
    let result = read(&kit::rest(&mut asked).await.unwrap());
    assert_eq!((result.status, result.message_id), (Ie::Is(Code::OK), query("1", &client).message_id));
}

#[tokio::test]
async fn a_request_that_is_over_when_the_client_polls_is_not_handed_out() {
    let world = World::usual().await;
    let client = world.registered(IMEI, None).await;
    let silent = read(&world.post("/sp", &query("1", &client)).await.unwrap());
    assert_eq!(silent.status, Ie::Is(Code::NOT_RESPONDING));
    assert_eq!(world.poll(&client, 0).await.unwrap().status, 204);
}

#[tokio::test]
async fn a_client_whose_acknowledgement_was_lost_hears_the_register_command_in_its_poll() {
    let world = World::usual().await;
    let response = read(&world.post("/register", &request(IMEI, None)).await.unwrap());
    let client = ClientId::try_from(response.client_id.into_option().unwrap()).unwrap();
    let command = world.polled(&client).await;
    assert_eq!((command.kind, command.reason), (Kind::RegisterCommand, Ie::Is("ack_timeout".into())));
    let again = read(&world.post("/register", &request(IMEI, None)).await.unwrap());
    assert_eq!(again.client_id.get().unwrap().as_str(), client.as_str());
    assert_eq!(world.post("/register", &success(&client)).await.unwrap().status, 204);
}

#[tokio::test]
async fn an_open_poll_gets_its_message_at_once_and_ends_with_204_when_its_time_is_over() {
    let world = World::usual().await;
    let client = world.registered(IMEI, None).await;
    let began = Instant::now();
    assert_eq!(world.poll(&client, 1).await.unwrap().status, 204);
    assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&began.elapsed()));
    let poll = raw("GET", "/client/poll", &[("dpe-client-id", client.as_str())], b"");
    let mut waiting = open(world.node.address, &poll).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    let asked = asked(&world, "1", &client).await;
    assert_eq!(read(&kit::rest(&mut waiting).await.unwrap()).kind, Kind::PropertyQuery);
    assert!(began.elapsed() < Duration::from_millis(300));
    drop(asked);
}

#[tokio::test]
async fn a_poll_outlives_the_time_that_heads_and_slow_readers_have() {
    let limits = Limits { header_ms: Millis(300), stall_ms: Millis(300), ..Limits::DEFAULT };
    let world =
        World::start_with(config(), vec![sp_profile("sp")], Bounds { limits, ..BOUNDS }, Counter::default()).await;
    let client = world.registered(IMEI, None).await;
    let poll = format!("GET /dpe/1.0/client/poll?wait=1 HTTP/1.1\r\nHost: h\r\nDPE-Client-ID: {client}\r\n\r\n");
    let mut kept = open(world.node.address, poll.as_bytes()).await;
    assert_eq!(kit::rest(&mut kept).await.unwrap().status, 204);
}

#[tokio::test]
async fn a_server_that_ends_lets_its_polls_go() {
    let mut world = World::usual().await;
    let client = world.registered(IMEI, None).await;
    let poll = raw("GET", "/client/poll", &[("dpe-client-id", client.as_str())], b"");
    let mut waiting = open(world.node.address, &poll).await;
    let mut asking = asked(&world, "1", &client).await;
    let _ = read(&kit::rest(&mut waiting).await.unwrap());
    let mut waiting = open(world.node.address, &poll).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.stop_engine().await;
    assert_eq!(kit::rest(&mut waiting).await.unwrap().status, 204);
    assert_eq!(kit::rest(&mut asking).await.unwrap().status, 503);
}

/// A phone that listens, and what it listens with.
async fn listening(world: &World, servers: &str) -> (Driven, Node) {
    let (router, ear) = listen(Limits::DEFAULT);
    let node = Node::start(router, Limits::DEFAULT).await;
    let mut profile = client_profile(IMEI, None);
    profile.config.server_addresses = vec![servers.into()];
    profile.contact = Some(format!("http://{}/contact", node.address));
    (Driven::start(&world.url(), &profile, Some(ear)), node)
}

#[tokio::test]
async fn a_client_that_listens_is_reached_at_its_contact() {
    let world = World::usual().await;
    let (phone, _node) = listening(&world, HERE).await;
    let client = phone.registered(None).await;
    world.serves(1).await;
    let mut sp = Provider::start(&world.url(), SETTINGS);
    for _ in 0..3 {
        let read = sp.asks(&client, What::Query(vec![name("batteryLevel")])).await;
        assert_eq!((read.status, &read.readings[0].values), (Some(Code::OK), &vec![Value::integer(83)]));
    }
}

/// Sends from an address of this machine that is not the server's.
async fn from_elsewhere(to: &Node, bytes: &[u8]) -> kit::Answer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut stream = socket.connect(to.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, bytes).await.unwrap();
    kit::rest(&mut stream).await.unwrap()
}

#[tokio::test]
async fn a_client_that_listens_ignores_whoever_is_not_its_server() {
    let world = World::usual().await;
    let (phone, node) = listening(&world, HERE).await;
    let client = phone.registered(None).await;
    world.serves(1).await;
    let forged = wire::encode(&query("1", &client)).unwrap();
    let bytes = raw("POST", "/x", &[("content-type", "text/xml")], &forged);
    assert_eq!(from_elsewhere(&node, &bytes).await.status, 204, "received, and no more");
    phone.until(|report| *report == Report::ForeignSender).await;
    assert!(phone.phone.asked.lock().unwrap().is_empty());
    assert_eq!(from_elsewhere(&node, &raw("GET", "/x", &[], b"")).await.status, 405);
    let plain = raw("POST", "/x", &[("content-type", "text/plain")], &forged);
    assert_eq!(from_elsewhere(&node, &plain).await.status, 415);
}

#[tokio::test]
async fn a_listening_client_knows_its_server_by_name_too() {
    let world = World::usual().await;
    let (router, ear) = listen(Limits::DEFAULT);
    let node = Node::start(router, Limits::DEFAULT).await;
    let mut profile = client_profile(IMEI, None);
    profile.config.server_addresses = vec!["localhost".into()];
    profile.contact = Some(format!("http://{}/contact", node.address));
    let url = format!("http://localhost:{}", world.node.address.port());
    let phone = Driven::start(&url, &profile, Some(ear));
    let client = phone.registered(None).await;
    world.serves(1).await;
    let mut sp = Provider::start(&world.url(), SETTINGS);
    let read = sp.asks(&client, What::Query(vec![name("batteryLevel")])).await;
    assert_eq!(read.status, Some(Code::OK));
}

/// Registers a client with this `Contact`, by hand.
async fn with_contact(world: &World, contact: &str) -> ClientId {
    let mut asked = request(IMEI, None);
    asked.contact = Ie::Is(contact.into());
    let response = read(&world.post("/register", &asked).await.unwrap());
    let client = ClientId::try_from(response.client_id.into_option().unwrap()).unwrap();
    assert_eq!(world.post("/register", &success(&client)).await.unwrap().status, 204);
    client
}

#[tokio::test]
async fn a_contact_may_answer_in_its_reply() {
    let world = World::usual().await;
    // Its Client-ID is not known before it listens.
    let own = std::sync::Arc::new(std::sync::Mutex::new(None::<ClientId>));
    let known = own.clone();
    let mut contact = Callback::start(Box::new(move |_, body| match &*known.lock().unwrap() {
        Some(client) => (200, wire::encode(&answer(client, &decode(body))).unwrap()),
        None => (503, Vec::new()),
    }))
    .await;
    let client = with_contact(&world, &contact.url).await;
    *own.lock().unwrap() = Some(client.clone());
    let mut sp = Provider::start(&world.url(), SETTINGS);
    let read = sp.asks(&client, What::Query(vec![name("batteryLevel")])).await;
    assert_eq!((read.status, &read.readings[0].values), (Some(Code::OK), &vec![Value::integer(83)]));
    let (head, _) = contact.next().await;
    assert!(head.starts_with("POST /here") && head.contains("application/xml; charset=utf-8"), "{head}");
}

#[tokio::test]
async fn a_wrong_answer_in_a_reply_is_told_to_the_contact() {
    let world = World::usual().await;
    let mut contact = Callback::start(Box::new(|at, body| {
        let request = decode(body);
        match (at, request.kind) {
            (0, kind) if kind.is_request() => {
                (200, wire::encode(&answer(&"somebody-else".try_into().unwrap(), &request)).unwrap())
            }
            _ => (204, Vec::new()),
        }
    }))
    .await;
    with_contact(&world, &contact.url).await;
    assert!(contact.message().await.kind.is_request());
    let error = contact.message().await;
    assert_eq!((error.kind, error.status), (Kind::Error, Ie::Is(Code::CLIENT_ID_NOT_REGISTERED)));
}

#[tokio::test]
async fn a_contact_that_cannot_be_reached_is_39_at_once() {
    for contact in [nowhere().await, "http://localhost:1/".into(), "http://192.0.2.1/".into(), "junk".into()] {
        let mut config = config();
        (config.dpe2.noreply_timeout, config.dpe2.ack_timeout) = (Millis::from_secs(60), Millis::from_secs(60));
        let world = World::start(config, vec![sp_profile("sp")]).await;
        let client = with_contact(&world, &contact).await;
        let began = Instant::now();
        let silent = read(&world.post("/sp", &query("1", &client)).await.unwrap());
        assert_eq!(silent.status, Ie::Is(Code::NOT_RESPONDING), "{contact}");
        assert!(began.elapsed() < Duration::from_secs(5), "{contact}");
        assert!(world.counter.count(|fact| matches!(fact, Fact::Device(_, device::Report::Silent(_)))) > 0);
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_contact_that_is_not_the_address_of_the_client() {
    let world = World::usual().await;
    let mut elsewhere = Callback::taking().await;
    // A name may lead anywhere, whatever it leads to now.
    let client = with_contact(&world, &elsewhere.url.replace(HERE, "localhost")).await;
    let silent = read(&world.post("/sp", &query("1", &client)).await.unwrap());
    assert_eq!(silent.status, Ie::Is(Code::NOT_RESPONDING));
    assert!(elsewhere.came.try_recv().is_err());
}
