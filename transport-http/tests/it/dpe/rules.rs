//! The rules of the binding, H1 to H9, each by its name.

use std::time::Duration;

use core_kit::Millis;
use dpe_core::{
    codes::Code,
    config::{Config, IgnoreStyle, Restore, SpProfile},
    identity::{Claims, HeaderMeaning, Network},
    sp,
    wire::{self, Identity, Ie, Kind, Message, Secret},
};
use tokio::io::AsyncWriteExt;
use transport_http::{
    HangUp, Limits, Peer,
    dpe::{
        reply_patience,
        server::{Bounds, router},
        sp::Settings,
    },
};

use super::kit::{
    BOUNDS, Counter, HERE, IMEI, IMEI_2, MSISDN, World, answer, config, decode, name, open, policy_set, query, raw,
    read, request, sp_id, sp_profile, success, token,
};
use crate::kit;

const XML: (&str, &str) = ("content-type", "application/xml");

/// An SP that does not come from here.
fn elsewhere(id: &str) -> SpProfile {
    SpProfile::new(sp_id(id), vec![Network::try_from("192.0.2.0/24").unwrap()])
}

fn is_ignored(answer: Option<&kit::Answer>) -> bool {
    answer.is_none()
}

#[tokio::test]
async fn h1_dpe_errors_come_with_200_and_their_status() {
    let world = World::usual().await;
    let nobody = "nobody".try_into().unwrap();
    let refused = read(&world.post("/sp", &query("1", &nobody)).await.unwrap());
    assert_eq!((refused.kind, refused.status), (Kind::PropertyResult, Ie::Is(Code::CLIENT_ID_NOT_REGISTERED)));
    let mut bare = request(IMEI, None);
    bare.device_identity = Ie::Absent;
    let refused = read(&world.post("/register", &bare).await.unwrap());
    assert_eq!((refused.kind, refused.status), (Kind::RegisterResponse, Ie::Is(Code::DEVICE_IDENTITY_MISSING)));
    let late = answer(&nobody, &query("1", &nobody));
    let error = read(&world.post("/client/messages", &late).await.unwrap());
    assert_eq!((error.kind, error.status), (Kind::Error, Ie::Is(Code::CLIENT_ID_NOT_REGISTERED)));
}

#[tokio::test]
async fn h1_other_paths_are_404_and_other_methods_405() {
    let world = World::usual().await;
    for path in ["/", "/client", "/sp/", "/register/x"] {
        assert_eq!(world.ask("POST", path, &[XML], b"<a/>").await.unwrap().status, 404, "{path}");
    }
    for (method, path, allowed) in [
        ("GET", "/register", "POST"),
        ("PUT", "/sp", "POST"),
        ("POST", "/client/poll", "GET"),
        ("HEAD", "/client/poll", "GET"),
        ("HEAD", "/sp/poll", "GET"),
        ("DELETE", "/client/messages", "POST"),
    ] {
        let refused = world.ask(method, path, &[], b"").await.unwrap();
        assert_eq!((refused.status, refused.field("allow")), (405, Some(allowed)), "{method} {path}");
    }
}

#[tokio::test]
async fn h1_other_media_types_are_415_and_too_large_messages_413() {
    let world = World::usual().await;
    let body = wire::encode(&request(IMEI, None)).unwrap();
    for path in ["/register", "/client/messages", "/sp"] {
        for media_type in ["text/plain", "application/json", "application/xml; charset=iso-8859-1"] {
            let refused = world.ask("POST", path, &[("content-type", media_type)], &body).await.unwrap();
            assert_eq!(refused.status, 415, "{path} {media_type}");
            assert!(refused.field("accept").unwrap().contains("application/x.dpe+xml"));
        }
        assert_eq!(world.ask("POST", path, &[], &body).await.unwrap().status, 415, "{path}");
        let packed = [XML, ("content-encoding", "gzip")];
        assert_eq!(world.ask("POST", path, &packed, &body).await.unwrap().status, 415, "{path}");
        let large = vec![b' '; 65_537];
        assert_eq!(world.ask("POST", path, &[XML], &large).await.unwrap().status, 413, "{path}");
    }
    for media_type in ["application/xml", "text/xml", "application/x.dpe+xml", "text/xml; charset=UTF-8"] {
        let reply = world.ask("POST", "/register", &[("content-type", media_type)], &body).await.unwrap();
        assert_eq!(read(&reply).kind, Kind::RegisterResponse, "{media_type}");
    }
}

#[tokio::test]
async fn h1_a_message_of_the_largest_size_is_read_and_chunks_are_counted() {
    let world = World::usual().await;
    let mut body = wire::encode(&request(IMEI, None)).unwrap();
    body.resize(65_536, b' ');
    assert_eq!(read(&world.ask("POST", "/register", &[XML], &body).await.unwrap()).status, Ie::Is(Code::OK));
    let head =
        "POST /dpe/1.0/register HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = format!("10001\r\n{}\r\n0\r\n\r\n", " ".repeat(65_537));
    assert_eq!(kit::talk(world.node.address, format!("{head}{chunks}").as_bytes()).await.unwrap().status, 413);
}

#[tokio::test]
async fn h1_what_cannot_be_read_is_400_for_those_who_are_known_and_ignored_for_others() {
    let world = World::start(config(), vec![sp_profile("sp")]).await;
    let stranger = World::start(config(), vec![elsewhere("sp")]).await;
    let client = world.registered(IMEI, None).await;
    for junk in [&b"<a/>"[..], b"", b"<!DOCTYPE a><a/>", b"\xff\xfe"] {
        assert_eq!(world.ask("POST", "/sp", &[XML], junk).await.unwrap().status, 400);
        assert!(is_ignored(stranger.ask("POST", "/sp", &[XML], junk).await.as_ref()));
        assert!(is_ignored(world.ask("POST", "/register", &[XML], junk).await.as_ref()), "nobody is known yet");
        assert!(is_ignored(world.ask("POST", "/client/messages", &[XML], junk).await.as_ref()));
        let named = [XML, ("dpe-client-id", client.as_str())];
        assert_eq!(world.ask("POST", "/client/messages", &named, junk).await.unwrap().status, 400);
        let other = [XML, ("dpe-client-id", "nobody")];
        assert!(is_ignored(world.ask("POST", "/client/messages", &other, junk).await.as_ref()));
    }
}

#[tokio::test]
async fn h1_a_server_that_has_too_much_to_do_or_has_ended_is_503() {
    let mut config = config();
    config.dpe1.rate_per_ip = 2;
    let mut world = World::start(config, vec![sp_profile("sp")]).await;
    for status in [200, 200, 503] {
        let reply = world.post("/register", &request(IMEI, None)).await.unwrap();
        assert_eq!(reply.status, status);
        assert_eq!(reply.field("retry-after"), (status == 503).then_some("60"));
    }
    let client = "c".try_into().unwrap();
    world.stop_engine().await;
    assert_eq!(world.post("/sp", &query("1", &client)).await.unwrap().status, 503);
    assert_eq!(world.poll(&client, 1).await.unwrap().status, 503);
}

#[tokio::test]
async fn h1_a_server_whose_calls_pile_up_is_503_and_a_filter_that_takes_too_long_keeps_nothing() {
    let mut config = config();
    config.device_change.restore = Restore::Filter;
    let bounds = Bounds { calls_max: 1, filter_ms: Millis(400), ..BOUNDS };
    let counter = Counter { keep: true, slow: true, ..Counter::default() };
    let world = World::start_with(config, vec![sp_profile("sp")], bounds, counter).await;
    let client = world.registered(IMEI, Some(MSISDN)).await;
    let body = wire::encode(&policy_set("1", &client, 60)).unwrap();
    let mut setting = open(world.node.address, &raw("POST", "/sp", &[XML], &body)).await;
    let set = world.polled(&client).await;
    world.answers(&answer(&client, &set)).await;
    assert_eq!(read(&kit::rest(&mut setting).await.unwrap()).status, Ie::Is(Code::OK));
    // The user moves: the embedder is asked, and thinks about it.
    let response = read(&world.post("/register", &request(IMEI_2, Some(MSISDN))).await.unwrap());
    let new = response.client_id.into_option().unwrap().try_into().unwrap();
    let thinking =
        open(world.node.address, &raw("POST", "/register", &[XML], &wire::encode(&success(&new)).unwrap())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let waits =
        open(world.node.address, &raw("POST", "/sp", &[XML], &wire::encode(&query("2", &client)).unwrap())).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let refused = world.post("/sp", &query("3", &client)).await.unwrap();
    assert_eq!((refused.status, refused.field("retry-after")), (503, Some("5")));
    for mut stream in [thinking, waits] {
        assert!(matches!(kit::rest(&mut stream).await.unwrap().status, 200 | 204));
    }
    // Nothing was kept, and the SP hears so.
    let mut told = Vec::new();
    for _ in 0..2 {
        let fetched = read(&world.get("/sp/poll?wait=1", &[("dpe-sp-id", "sp")]).await.unwrap());
        told.push((fetched.kind, fetched.status));
    }
    assert!(told.contains(&(Kind::PropertyReport, Ie::Is(Code::POLICY_ID_NOT_REGISTERED))), "{told:?}");
}

#[tokio::test]
async fn h1_a_body_that_does_not_come_in_time_ends_its_connection() {
    let limits = Limits { body_ms: Millis(200), ..Limits::DEFAULT };
    let bounds = Bounds { limits, ..BOUNDS };
    let world = World::start_with(config(), vec![sp_profile("sp")], bounds, Counter::default()).await;
    let head = "POST /dpe/1.0/sp HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\nContent-Length: 100\r\n\r\n<a";
    assert_eq!(kit::talk(world.node.address, head.as_bytes()).await, None);
}

#[tokio::test]
async fn h2_whoever_is_ignored_gets_no_dpe_message_and_changes_nothing() {
    for style in [IgnoreStyle::Close, IgnoreStyle::StatusOnly] {
        let mut config = config();
        config.http.ignore_style = style;
        let world = World::start(config, vec![sp_profile("sp"), elsewhere("far")]).await;
        let client = world.registered(IMEI, None).await;
        let mut unknown = query("1", &client);
        unknown.sp_id = token("unknown");
        let mut far = query("1", &client);
        far.sp_id = token("far");
        let untyped = String::from_utf8(wire::encode(&query("1", &client)).unwrap()).unwrap();
        let untyped = untyped.replace("DPE_Property_Query", "DPE_Other_Query");
        let ignored = [
            world.post("/sp", &unknown).await,
            world.post("/sp", &far).await,
            world.ask("POST", "/sp", &[XML], untyped.as_bytes()).await,
            world.post("/sp", &answer(&client, &query("1", &client))).await,
            world.get("/sp/poll?wait=0", &[("dpe-sp-id", "far")]).await,
            world.get("/sp/poll?wait=0", &[("dpe-sp-id", "unknown")]).await,
            world.get("/sp/poll?wait=0", &[]).await,
            world.ask("POST", "/register", &[XML], b"<a/>").await,
        ];
        for answer in ignored {
            match style {
                IgnoreStyle::Close => assert_eq!(answer, None),
                IgnoreStyle::StatusOnly => {
                    let answer = answer.unwrap();
                    assert_eq!((answer.status, answer.body.len(), answer.field("content-type")), (403, 0, None));
                }
            }
        }
        let is_waiting = world.handle.look(move |router| router.device(&client).unwrap().is_waiting()).await;
        assert_eq!(is_waiting, Some(false));
        let sizes = world.handle.look(|router| ["sp", "far"].map(|sp| router.gate(&sp_id(sp)).unwrap().size())).await;
        assert_eq!(sizes, Some([0, 0]));
    }
}

#[tokio::test]
async fn h2_clients_from_outside_their_networks_are_ignored() {
    let mut config = config();
    config.dpe1.allowed_networks = vec!["10.0.0.0/8".try_into().unwrap()];
    let world = World::start(config, vec![]).await;
    assert!(is_ignored(world.post("/register", &request(IMEI, None)).await.as_ref()));
    let client = "c".try_into().unwrap();
    assert!(is_ignored(world.poll(&client, 0).await.as_ref()));
}

#[tokio::test]
async fn h2_a_server_that_cannot_close_says_403_and_one_that_does_not_know_the_sender_503() {
    let world = World::usual().await;
    for (peer, status) in [(true, 403), (false, 503)] {
        let mut request = axum::extract::Request::post("/dpe/1.0/sp").body(axum::body::Body::from("<a/>")).unwrap();
        request.headers_mut().insert("content-type", "text/xml".parse().unwrap());
        if peer {
            request.extensions_mut().insert(Peer("192.0.2.1".parse().unwrap()));
        }
        let response = tower::ServiceExt::oneshot(router(world.handle.clone()), request).await.unwrap();
        assert_eq!((response.status().as_u16(), response.extensions().get::<HangUp>().is_some()), (status, peer));
    }
}

#[tokio::test]
async fn h3_204_to_a_client_says_received_and_nothing_more() {
    let world = World::usual().await;
    let client = world.registered(IMEI, None).await;
    let asked =
        open(world.node.address, &raw("POST", "/sp", &[XML], &wire::encode(&query("1", &client)).unwrap())).await;
    let request = world.polled(&client).await;
    let reply = world.post("/client/messages", &answer(&client, &request)).await.unwrap();
    assert_eq!((reply.status, reply.body.len()), (204, 0), "{reply:?}");
    drop(asked);
    // Its dialogue is over by now: the same once more belongs to nothing.
    let foreign = answer(&client, &request);
    let error = read(&world.post("/client/messages", &foreign).await.unwrap());
    assert_eq!((error.kind, error.status), (Kind::Error, Ie::Is(Code::MESSAGE_ID_NOT_REGISTERED)));
}

#[tokio::test]
async fn h4_a_second_poll_ends_the_first_with_204() {
    let world = World::usual().await;
    let client = world.registered(IMEI, None).await;
    let poll = raw("GET", "/client/poll?wait=5", &[("dpe-client-id", client.as_str())], b"");
    let mut first = open(world.node.address, &poll).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut second = open(world.node.address, &poll).await;
    assert_eq!(kit::rest(&mut first).await.unwrap().status, 204);
    let asked =
        open(world.node.address, &raw("POST", "/sp", &[XML], &wire::encode(&query("1", &client)).unwrap())).await;
    assert_eq!(read(&kit::rest(&mut second).await.unwrap()).kind, Kind::PropertyQuery);
    drop(asked);
}

#[tokio::test]
async fn h5_a_poll_of_an_unknown_client_or_with_a_wrong_token_gets_12_or_8() {
    let world = World::usual().await;
    let mut with_token = request(IMEI, None);
    with_token.security_token = Secret("boot".into()).into();
    let response = read(&world.post("/register", &with_token).await.unwrap());
    let client = response.client_id.into_option().unwrap();
    let session = response.security_token.into_option().unwrap().0;
    for (named, shown, code) in [
        (Some("nobody"), Some(session.as_str()), Code::CLIENT_ID_NOT_REGISTERED),
        (None, Some(&session), Code::CLIENT_ID_MISSING),
        (Some(client.as_str()), Some("other"), Code::TOKEN_NOT_REGISTERED),
        (Some(client.as_str()), None, Code::TOKEN_MISSING),
    ] {
        let headers = [("dpe-client-id", named), ("dpe-security-token", shown)];
        let headers: Vec<_> = headers.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let error = read(&world.get("/client/poll?wait=5", &headers).await.unwrap());
        assert_eq!((error.kind, error.status), (Kind::Error, Ie::Is(code)));
    }
    let headers = [("dpe-client-id", client.as_str()), ("dpe-security-token", &session)];
    assert_eq!(world.get("/client/poll?wait=0", &headers).await.unwrap().status, 204);
}

#[tokio::test]
async fn h6_a_message_written_to_a_poll_that_broke_counts_as_sent() {
    let world = World::usual().await;
    let client = world.registered(IMEI, None).await;
    let poll = raw("GET", "/client/poll?wait=5", &[("dpe-client-id", client.as_str())], b"");
    let mut broken = open(world.node.address, &poll).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    broken.shutdown().await.unwrap();
    let mut asked =
        open(world.node.address, &raw("POST", "/sp", &[XML], &wire::encode(&query("1", &client)).unwrap())).await;
    let lost = read(&kit::rest(&mut broken).await.unwrap());
    drop(broken);
    assert_eq!(world.poll(&client, 0).await.unwrap().status, 204, "it is not handed out twice");
    let repeated = world.polled(&client).await;
    assert_eq!(repeated.kind, Kind::PropertyQuery);
    assert_ne!(repeated.message_id, lost.message_id, "the timer has repeated it");
    world.answers(&answer(&client, &repeated)).await;
    assert_eq!(read(&kit::rest(&mut asked).await.unwrap()).status, Ie::Is(Code::OK));
}

#[tokio::test]
async fn h7_an_sp_waits_longer_for_its_reply_than_a_silent_client_is_waited_for() {
    let default = reply_patience(&Config::default());
    assert_eq!(default, Millis::from_secs(60 + 2 * 30));
    assert!(Settings::DEFAULT.response_ms > default);
    assert!(sp::Profile::new(sp_id("sp")).answer_timeout > default);
    let mut config = config();
    config.dpe2.queue_max_wait = Millis(100);
    let patience = reply_patience(&config);
    let world = World::start(config, vec![sp_profile("sp")]).await;
    let client = world.registered(IMEI, None).await;
    let began = std::time::Instant::now();
    let silent = read(&world.post("/sp", &query("1", &client)).await.unwrap());
    assert_eq!((silent.kind, silent.status), (Kind::PropertyResult, Ie::Is(Code::NOT_RESPONDING)));
    let took = u64::try_from(began.elapsed().as_millis()).unwrap();
    assert!((800..patience.0 + 500).contains(&took), "{took}");
}

/// A server behind a proxy on this machine, which says who the user is.
async fn behind_a_proxy(is_trusted: bool) -> World {
    let mut config = config();
    if is_trusted {
        config.identity.trusted_proxies = vec![HERE.try_into().unwrap()];
    }
    config.identity.header_names.insert("x-msisdn".into(), HeaderMeaning::User("msisdn".into()));
    World::start(config, vec![elsewhere("far"), sp_profile("sp")]).await
}

fn far_query() -> Message {
    let mut message = query("1", &"nobody".try_into().unwrap());
    message.sp_id = token("far");
    message
}

#[tokio::test]
async fn h8_the_address_of_an_sp_is_what_a_trusted_proxy_forwards() {
    let world = behind_a_proxy(true).await;
    for (forwarded, is_heard) in [
        ("192.0.2.7", true),
        ("203.0.113.9, 192.0.2.7", true),
        ("192.0.2.7, 127.0.0.1", true),
        ("192.0.2.7, 203.0.113.9", false),
        ("203.0.113.9", false),
        ("junk", false),
    ] {
        let reply = world.post_with("/sp", &[("X-Forwarded-For", forwarded)], &far_query()).await;
        assert_eq!(reply.is_some(), is_heard, "{forwarded}");
        let poll = world.get("/sp/poll?wait=0", &[("x-forwarded-for", forwarded), ("dpe-sp-id", "far")]).await;
        assert_eq!(poll.is_some(), is_heard, "{forwarded}");
    }
    assert!(is_ignored(world.post("/sp", &far_query()).await.as_ref()), "the proxy itself is no SP");
}

#[tokio::test]
async fn h8_what_anybody_else_forwards_does_not_count() {
    let world = behind_a_proxy(false).await;
    assert!(is_ignored(world.post_with("/sp", &[("x-forwarded-for", "192.0.2.7")], &far_query()).await.as_ref()));
}

/// The Client-IDs that the SP finds by the number of the user.
async fn found(world: &World, headers: &[(&str, &str)]) -> usize {
    let mut look_up = Message::new(Kind::ClientIdQuery);
    look_up.message_id = token("500");
    look_up.sp_id = token("sp");
    look_up.query_key = Identity::new("msisdn", MSISDN).into();
    read(&world.post_with("/sp", headers, &look_up).await.unwrap()).clients.into_option().unwrap().len()
}

#[tokio::test]
async fn identity_headers_count_from_a_trusted_proxy_and_from_nobody_else() {
    for (is_trusted, expected) in [(true, 1), (false, 0)] {
        let world = behind_a_proxy(is_trusted).await;
        let headers = [("X-MSISDN", MSISDN), ("X-Forwarded-For", "127.0.0.9")];
        let response = read(&world.post_with("/register", &headers, &request(IMEI, None)).await.unwrap());
        let client = response.client_id.into_option().unwrap().try_into().unwrap();
        assert_eq!(world.post_with("/register", &headers, &success(&client)).await.unwrap().status, 204);
        let from_sp: &[(&str, &str)] = if is_trusted { &[("X-Forwarded-For", "127.0.0.1")] } else { &[] };
        assert_eq!(found(&world, from_sp).await, expected);
    }
}

#[tokio::test]
async fn what_the_network_says_of_an_address_counts_like_an_identity() {
    let network = Claims { device: None, user: Some(Identity::new("msisdn", MSISDN)) };
    let counter = Counter { network, ..Counter::default() };
    let world = World::start_with(config(), vec![sp_profile("sp")], BOUNDS, counter).await;
    let client = world.registered(IMEI, None).await;
    assert_eq!(found(&world, &[]).await, 1);
    let other = read(&world.post("/register", &request(IMEI_2, Some("+34600999999"))).await.unwrap());
    assert_eq!(other.status, Ie::Is(Code::USER_IDENTITY_ERROR), "the message contradicts it");
    assert_eq!(world.poll(&client, 0).await.unwrap().status, 204);
}

#[tokio::test]
async fn a_poll_through_a_proxy_that_names_another_user_is_refused() {
    let world = behind_a_proxy(true).await;
    let response = read(&world.post_with("/register", &[("x-msisdn", MSISDN)], &request(IMEI, None)).await.unwrap());
    let client = response.client_id.into_option().unwrap();
    let poll = async |user: &str| {
        world.get("/client/poll?wait=0", &[("dpe-client-id", client.as_str()), ("x-msisdn", user)]).await.unwrap()
    };
    assert_eq!(poll(MSISDN).await.status, 204);
    assert_eq!(read(&poll("+34600999999").await).status, Ie::Is(Code::USER_IDENTITY_ERROR));
}

#[tokio::test]
async fn h9_no_other_detail_of_http_changes_what_the_machines_do() {
    let world = World::usual().await;
    let junk: &[(&str, &str)] = &[
        ("user-agent", "x"),
        ("authorization", "Basic eDp4"),
        ("cookie", "dpe-client-id=c"),
        ("x-imei", "356938035643809"),
        ("x-msisdn", "+34600999999"),
        ("forwarded", "for=192.0.2.7"),
        ("via", "1.1 p"),
        ("dpe-sp-id", "far"),
    ];
    let response = read(&world.post_with("/register?imei=1&x=y", junk, &request(IMEI, Some(MSISDN))).await.unwrap());
    let client = response.client_id.into_option().unwrap().try_into().unwrap();
    assert_eq!(world.post_with("/register", junk, &success(&client)).await.unwrap().status, 204);
    world.synchronise(&client).await;
    assert_eq!(found(&world, junk).await, 1);
    let asked = raw("POST", "/sp?a=b", &[&[XML], junk].concat(), &wire::encode(&query("1", &client)).unwrap());
    let mut asked = open(world.node.address, &asked).await;
    let request = world.polled(&client).await;
    assert_eq!(request.property_names, [Ie::Is(name("batteryLevel"))]);
    assert_eq!(world.post_with("/client/messages", junk, &answer(&client, &request)).await.unwrap().status, 204);
    let result = decode(&kit::rest(&mut asked).await.unwrap().body);
    assert_eq!(result.status, Ie::Is(Code::OK));
}
