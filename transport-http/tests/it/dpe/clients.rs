//! What a client's driver does when its server does not do what it should.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use core_kit::{Millis, journal::Replay};
use dpe_core::{
    client::{Client, Input, Misuse, PhaseKind, Report},
    codes::Code,
    sp::What,
    wire::{self, Identity, Ie, Kind, Message, Secret},
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use transport_http::{
    Limits, Outgoing,
    dpe::{
        client::{Drive, Link},
        server::router,
    },
};

use super::kit::{
    BOUNDS, Callback, Counter, Driven, IMEI, IMEI_2, Phone, Provider, SETTINGS, TIMING, World, client_profile, config,
    decode, name, query, request, sp_profile,
};
use crate::kit::Node;

#[tokio::test]
async fn a_client_registers_as_soon_as_its_server_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let phone = Driven::start(&format!("http://{address}"), &client_profile(IMEI, None), None);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!phone.phone.has(|report| matches!(report, Report::Registered(_))));
    let world = World::usual().await;
    let real = world.node.address;
    // The same address leads there now.
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut from, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut to = tokio::net::TcpStream::connect(real).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut from, &mut to).await);
            });
        }
    });
    phone.registered(None).await;
}

#[tokio::test]
async fn what_does_not_arrive_is_sent_again_the_same_bytes_with_longer_pauses() {
    let mut server = Callback::start(Box::new(|_, _| (503, Vec::new()))).await;
    let url = server.url.trim_end_matches("/here").to_owned();
    let mut profile = client_profile(IMEI, None);
    // The client itself does not try again meanwhile.
    profile.config.response_timeout = Millis::from_secs(60);
    let _phone = Driven::start(&url, &profile, None);
    let mut came = Vec::new();
    let mut times = Vec::new();
    for _ in 0..4 {
        came.push(server.next().await);
        times.push(Instant::now());
    }
    assert!(came.iter().all(|one| *one == came[0]), "{came:?}");
    assert!(came[0].0.starts_with("POST /dpe/1.0/register"));
    assert_eq!(decode(&came[0].1).kind, Kind::RegisterRequest);
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses[2] > pauses[0] && pauses[0] >= Duration::from_millis(45), "{pauses:?}");
}

#[tokio::test]
async fn a_message_is_given_up_in_the_end() {
    let mut server = Callback::start(Box::new(|_, _| (400, Vec::new()))).await;
    let url = server.url.trim_end_matches("/here").to_owned();
    let mut profile = client_profile(IMEI, None);
    profile.config.response_timeout = Millis(200);
    let _phone = Driven::start(&url, &profile, None);
    let first = server.next().await;
    let began = Instant::now();
    assert_eq!(server.next().await, first, "the client itself tries again");
    assert!(began.elapsed() >= Duration::from_millis(150));
}

/// A server that registers everybody as `c1` and answers every poll at once with this.
async fn hasty(status: u16, message: Option<Message>) -> (Callback, Arc<AtomicUsize>) {
    let polls = Arc::new(AtomicUsize::new(0));
    let count = polls.clone();
    let server = Callback::start(Box::new(move |_, body| {
        if body.is_empty() {
            count.fetch_add(1, Ordering::Relaxed);
            return (status, message.as_ref().map_or_else(Vec::new, |message| wire::encode(message).unwrap()));
        }
        if decode(body).kind == Kind::RegisterRequest {
            let mut response = Message::new(Kind::RegisterResponse);
            response.client_id = Ie::Is("c1".try_into().unwrap());
            response.status = Ie::Is(Code::OK);
            return (200, wire::encode(&response).unwrap());
        }
        (204, Vec::new())
    }))
    .await;
    (server, polls)
}

#[tokio::test]
async fn no_server_makes_a_client_poll_without_a_pause() {
    let mut error = Message::new(Kind::Error);
    error.status = Ie::Is(Code::MESSAGE_ID_NOT_REGISTERED);
    let answers =
        [(204, None), (500, None), (200, None), (200, Some(error)), (200, Some(request(IMEI, None))), (302, None)];
    for (status, message) in answers {
        let (server, polls) = hasty(status, message.clone()).await;
        let phone = Driven::start(server.url.trim_end_matches("/here"), &client_profile(IMEI, None), None);
        phone.registered(None).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        let polls = polls.load(Ordering::Relaxed);
        // Pauses of 50, 100, 200 and 400 ms.
        assert!((2..=6).contains(&polls), "{polls} polls: {status} {message:?}");
    }
}

#[tokio::test]
async fn a_client_that_its_server_has_forgotten_registers_again() {
    let (mut first, second) = (World::usual().await, World::usual().await);
    // Requests go to the first server, then to the second, which knows nobody.
    let (switch, now) = tokio::sync::watch::channel(first.handle.clone());
    let both = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let handle = now.borrow().clone();
        async move { tower::ServiceExt::oneshot(router(handle), request).await }
    });
    let node = Node::start(both, Limits::DEFAULT).await;
    let phone = Driven::start(&format!("http://{}", node.address), &client_profile(IMEI, None), None);
    let client = phone.registered(None).await;
    switch.send_replace(second.handle.clone());
    // The poll that is open ends, and the next one is refused.
    first.stop_engine().await;
    let new = phone.registered(Some(&client)).await;
    assert!(phone.phone.has(|report| *report == Report::ServerError(Code::CLIENT_ID_NOT_REGISTERED)));
    assert_ne!(new, client);
}

#[tokio::test]
async fn a_client_polls_with_its_session_token() {
    let profile = {
        let mut profile = client_profile(IMEI, None);
        profile.token = Some(Secret("boot".into()));
        profile
    };
    let mut config = config();
    config.reg.require_token = true;
    let world = World::start_with(config, vec![sp_profile("sp")], BOUNDS, Counter::default()).await;
    let refused = Driven::start(&world.url(), &client_profile(IMEI_2, None), None);
    let phone = Driven::start(&world.url(), &profile, None);
    let client = phone.registered(None).await;
    world.serves(1).await;
    let mut sp = Provider::start(&world.url(), SETTINGS);
    assert_eq!(sp.asks(&client, What::Query(vec![name("OSName")])).await.status, Some(Code::OK));
    refused.until(|report| *report == Report::Refused(Code::TOKEN_MISSING)).await;
    assert!(phone.stop().await.token().is_some_and(|token| token.0 != "boot"));
}

#[tokio::test]
async fn the_session_token_goes_in_a_header_of_polls_and_messages() {
    let mut asked = false;
    let mut server = Callback::start(Box::new(move |_, body| {
        if body.is_empty() {
            if std::mem::replace(&mut asked, true) {
                return (500, Vec::new());
            }
            let mut query = query("1", &"c1".try_into().unwrap());
            (query.sp_id, query.client_id) = (Ie::Absent, Ie::Absent);
            return (200, wire::encode(&query).unwrap());
        }
        if decode(body).kind == Kind::RegisterRequest {
            let mut response = Message::new(Kind::RegisterResponse);
            response.client_id = Ie::Is("c1".try_into().unwrap());
            response.status = Ie::Is(Code::OK);
            response.security_token = Secret("session-1".into()).into();
            return (200, wire::encode(&response).unwrap());
        }
        (204, Vec::new())
    }))
    .await;
    let _phone = Driven::start(server.url.trim_end_matches("/here"), &client_profile(IMEI, None), None);
    let shown = |head: &str| head.contains("\"dpe-security-token\": \"session-1\"");
    let (mut polled, mut answered) = (false, false);
    while !(polled && answered) {
        let (head, _) = server.next().await;
        if head.starts_with("GET /dpe/1.0/client/poll?wait=30") {
            assert!(shown(&head) && head.contains("\"dpe-client-id\": \"c1\""), "{head}");
            polled = true;
        } else if head.starts_with("POST /dpe/1.0/client/messages") {
            assert!(shown(&head), "{head}");
            answered = true;
        } else {
            assert!(head.starts_with("POST /dpe/1.0/register") && !shown(&head), "{head}");
        }
    }
}

#[tokio::test]
async fn a_client_that_moves_to_another_user_polls_under_its_new_name() {
    let world = World::usual().await;
    let phone = Driven::start(&world.url(), &client_profile(IMEI, Some("+34600111222")), None);
    let client = phone.registered(None).await;
    let input = Input::Identity {
        device: Some(Identity::new("imei", IMEI)),
        user: Some(Identity::new("msisdn", "+34600333444")),
    };
    phone.inputs.send(input).await.unwrap();
    let new = phone.registered(Some(&client)).await;
    world.serves(2).await;
    let mut sp = Provider::start(&world.url(), SETTINGS);
    assert_eq!(sp.asks(&new, What::Query(vec![name("OSName")])).await.status, Some(Code::OK));
}

#[tokio::test]
async fn a_client_that_wants_no_session_does_not_poll() {
    let (server, polls) = hasty(204, None).await;
    let (inputs, told) = mpsc::channel(1);
    inputs.send(Input::Want(false)).await.unwrap();
    let mut client = Client::new(&client_profile(IMEI, None));
    let (first, mut out) = (Input::Want(false), Vec::new());
    core_kit::Machine::handle(&mut client, &transport_http::env::now(), first, &mut out).unwrap();
    let mut phone = Phone::new();
    let link = Link::new(server.url.trim_end_matches("/here"), Outgoing::new().unwrap()).unwrap();
    let drive = Drive::new(link, &mut phone).with_timing(TIMING).with_inputs(told);
    drive.run(&mut client, tokio::time::sleep(Duration::from_millis(300))).await.unwrap();
    assert_eq!((client.phase(), polls.load(Ordering::Relaxed)), (PhaseKind::Declined, 0));
}

#[tokio::test]
async fn a_client_that_knows_no_server_is_not_started() {
    let mut profile = client_profile(IMEI, None);
    profile.config.server_addresses.clear();
    let mut phone = Phone::new();
    let link = Link::new("http://127.0.0.1:1", Outgoing::new().unwrap()).unwrap();
    let run = Drive::new(link, &mut phone).run(&mut Client::new(&profile), std::future::pending()).await;
    assert_eq!(run, Err(Misuse::Unprovisioned));
}

#[tokio::test]
async fn a_client_ignores_a_server_that_it_was_not_provisioned_with() {
    let world = World::usual().await;
    let mut profile = client_profile(IMEI, None);
    profile.config.server_addresses = vec!["dpe.example".into()];
    let phone = Driven::start(&world.url(), &profile, None);
    phone.until(|report| *report == Report::ForeignSender).await;
    assert_eq!(phone.stop().await.client_id(), None);
}

#[tokio::test]
async fn a_driver_stops_when_it_is_told_to_whatever_it_waits_for() {
    let silent = axum::Router::new().fallback(async || std::future::pending::<()>().await);
    let node = Node::start(silent, Limits::DEFAULT).await;
    let phone = Driven::start(&format!("http://{}", node.address), &client_profile(IMEI, None), None);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let client = timeout(Duration::from_secs(1), phone.stop()).await.unwrap();
    assert_eq!(client.phase(), PhaseKind::AwaitResponse);
}

#[tokio::test]
async fn what_a_client_did_is_recorded_and_does_the_same_again() {
    let world = World::usual().await;
    let profile = client_profile(IMEI, None);
    let (mut client, mut phone, mut records) = (Client::new(&profile), Phone::new(), Vec::new());
    let link = Link::new(&world.url(), Outgoing::new().unwrap()).unwrap();
    let drive = Drive::new(link, &mut phone).with_timing(TIMING).recording(&mut records);
    drive.run(&mut client, tokio::time::sleep(Duration::from_millis(300))).await.unwrap();
    assert_eq!(client.phase(), PhaseKind::Registered);
    let steps = records.len();
    let replayed = core_kit::journal::replay(&mut Client::new(&profile), records);
    assert!(matches!(replayed, Replay::Same { steps: same } if same == steps && steps > 2), "{replayed:?}");
}
