//! The device's transport against servers that do what servers do.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use axum::{
    Router,
    body::Bytes,
    extract::Request,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use core_kit::Millis;
use dm_core::{Packet, client, client::Failure, session::Outcome, wire::Encoding};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use transport_http::{
    Limits,
    dm::{
        App,
        device::run_session,
        map::{Family, Unsupported},
        transport::{Transport, Undelivered},
    },
    env,
};

use crate::{
    kit::{self, Node},
    session::trigger,
};

const DM_XML: (&str, &str) = ("content-type", "application/vnd.syncml.dm+xml");

/// Everything that reached a server.
type Log = Arc<Mutex<Vec<(Method, Uri, HeaderMap, Bytes)>>>;

/// A server that answers each request with what `answer` makes of its path.
async fn server(answer: fn(&str) -> Response) -> (Node, Log) {
    let log = Log::default();
    let seen = log.clone();
    let all = Router::new().fallback(async move |request: Request| {
        let (parts, body) = request.into_parts();
        let response = answer(parts.uri.path());
        let body = body.collect().await.unwrap().to_bytes();
        seen.lock().unwrap().push((parts.method, parts.uri, parts.headers, body));
        response
    });
    (Node::start(all, Limits::DEFAULT).await, log)
}

fn request(node: &Node, path: &str) -> client::Request {
    let url = format!("http://{}{path}", node.address);
    client::Request { url: url.into(), packet: Packet::xml("<question/>".to_owned()), wants_reply: true }
}

async fn exchanged(node: &Node, path: &str) -> Result<Packet, Undelivered> {
    let mut profile = kit::client_profile("http://unused/");
    profile.wire.message_bytes_max = 1_000;
    kit::http(&profile).exchange(&request(node, path)).await
}

fn to(status: u16, location: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("location", location.to_owned())]).into_response()
}

fn reply() -> Response {
    ([DM_XML], "<answer/>").into_response()
}

#[tokio::test]
async fn a_request_says_what_it_is() {
    let (node, log) = server(|_| reply()).await;
    let packet = exchanged(&node, "/dm?token=1").await.unwrap();
    assert_eq!((packet.encoding, &packet.body[..]), (Encoding::Xml, &b"<answer/>"[..]));
    let (method, uri, headers, body) = log.lock().unwrap().remove(0);
    assert_eq!((method, uri.to_string().as_str(), &body[..]), (Method::POST, "/dm?token=1", &b"<question/>"[..]));
    for (name, value) in [
        ("content-type", "application/vnd.syncml.dm+xml"),
        ("accept", "application/vnd.syncml.dm+xml"),
        ("cache-control", "no-store, private"),
        ("content-length", "11"),
        ("host", &node.address.to_string()),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert!(headers.contains_key("user-agent"));

    let transport = kit::http(&kit::client_profile("http://unused/")).with_family(Family::Plain);
    transport.exchange(&request(&node, "/dm")).await.unwrap();
    assert_eq!(log.lock().unwrap()[0].2["content-type"], "application/vnd.syncml+xml");
}

#[tokio::test]
async fn a_redirection_is_followed_with_the_same_method_and_body() {
    let (node, log) = server(|path| match path {
        "/301" => to(301, "/302"),
        "/302" => to(302, "307?x=y"),
        "/307" => to(307, "/308"),
        "/308" => to(308, "//127.0.0.1:1/"),
        _ => reply(),
    })
    .await;
    let error = exchanged(&node, "/301").await.unwrap_err();
    assert!(matches!(error, Undelivered::Connect(_)), "the last one leads nowhere: {error:?}");
    let seen = log.lock().unwrap();
    let paths: Vec<_> = seen.iter().map(|(_, uri, ..)| uri.to_string()).collect();
    assert_eq!(paths, ["/301", "/302", "/307?x=y", "/308"]);
    assert!(seen.iter().all(|(method, _, _, body)| method == Method::POST && &body[..] == b"<question/>"));
}

#[tokio::test]
async fn redirections_come_to_an_end() {
    let (node, log) = server(|path| {
        let next: u32 = path[1..].parse::<u32>().unwrap() - 1;
        if next == 0 { reply() } else { to(307, &format!("/{next}")) }
    })
    .await;
    assert_eq!(&exchanged(&node, "/6").await.unwrap().body[..], b"<answer/>", "five are followed");
    log.lock().unwrap().clear();
    let error = exchanged(&node, "/7").await.unwrap_err();
    assert!(matches!(error, Undelivered::Redirect), "{error:?}");
    assert_eq!((error.failure(), log.lock().unwrap().len()), (Failure::Permanent, 6));
    let (lost, _) = server(|_| StatusCode::FOUND.into_response()).await;
    assert!(matches!(exchanged(&lost, "/").await, Err(Undelivered::Redirect)));
}

#[tokio::test]
async fn an_http_error_is_passed_on_with_its_retry_after() {
    let (node, _) = server(|path| {
        let status = StatusCode::from_u16(path[1..].parse().unwrap()).unwrap();
        (status, [("retry-after", "7")]).into_response()
    })
    .await;
    for (status, failure) in [(400, Failure::Permanent), (429, Failure::Temporary), (503, Failure::Temporary)] {
        let error = exchanged(&node, &format!("/{status}")).await.unwrap_err();
        let Undelivered::Status { status: found, .. } = &error else { panic!("{error:?}") };
        assert_eq!((found.as_u16(), error.failure()), (status, failure));
        assert_eq!(error.retry_after(), Some(Millis(7_000)));
    }
}

#[tokio::test]
async fn what_is_no_message_is_no_reply() {
    let (node, _) = server(|path| match path {
        "/html" => ([("content-type", "text/html")], "<html/>").into_response(),
        "/untyped" => StatusCode::OK.into_response(),
        "/coded" => ([DM_XML, ("content-encoding", "gzip")], "...").into_response(),
        "/exact" => ([DM_XML], vec![b'x'; 1_000]).into_response(),
        _ => ([DM_XML], vec![b'x'; 1_001]).into_response(),
    })
    .await;
    for (path, expected) in [
        ("/html", Unsupported::MediaType),
        ("/untyped", Unsupported::MediaType),
        ("/coded", Unsupported::ContentCoding),
    ] {
        let error = exchanged(&node, path).await.unwrap_err();
        assert!(matches!(error, Undelivered::Unsupported(found) if found == expected), "{path}: {error:?}");
    }
    assert_eq!(exchanged(&node, "/exact").await.unwrap().body.len(), 1_000);
    let error = exchanged(&node, "/large").await.unwrap_err();
    assert!(matches!(error, Undelivered::TooLarge), "{error:?}");
}

/// A server that takes requests and says `word` before it closes; without a word it says nothing at all and stays.
async fn curt(word: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"<question/>") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the request is whole");
            }
            match word {
                Some(word) => stream.write_all(word.as_bytes()).await.unwrap(),
                None => held.push(stream),
            }
        }
    });
    format!("http://{address}/")
}

async fn exchanged_at(url: String, response_ms: Millis) -> Undelivered {
    let mut profile = kit::client_profile(&url);
    profile.retry.response_ms = response_ms;
    let packet = Packet::xml("<question/>".to_owned());
    kit::http(&profile).exchange(&client::Request { url: url.into(), packet, wants_reply: true }).await.unwrap_err()
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for_longer_than_the_profile_says() {
    let began = Instant::now();
    let error = exchanged_at(curt(None).await, Millis(200)).await;
    assert!(matches!(error, Undelivered::TimedOut), "{error:?}");
    assert!((200..5_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_no_reply() {
    for word in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.syncml.dm+xml\r\nContent-Length: 9\r\n\r\n<answ",
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.syncml.dm+xml\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<ans",
        "not HTTP at all\r\n\r\n",
    ] {
        let error = exchanged_at(curt(Some(word)).await, Millis(5_000)).await;
        assert!(matches!(error, Undelivered::Broken(_)), "{word}: {error:?}");
        assert_eq!(error.failure(), Failure::Temporary);
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_not_tried() {
    for url in ["", "/dm", "ftp://127.0.0.1/", "http://", "mailto:a@b", "http://[::1"] {
        let error = exchanged_at(url.into(), Millis(5_000)).await;
        assert!(matches!(error, Undelivered::Address), "{url}: {error:?}");
    }
}

/// Never answers the first time.
struct Late<T>(T, Mutex<Vec<client::Request>>);

#[async_trait]
impl<T: Transport> Transport for Late<T> {
    async fn exchange(&self, request: &client::Request) -> Result<Packet, Undelivered> {
        let is_first = self.1.lock().unwrap().is_empty();
        self.1.lock().unwrap().push(request.clone());
        if is_first {
            std::future::pending::<()>().await;
        }
        self.0.exchange(request).await
    }
}

#[tokio::test]
async fn a_session_whose_reply_is_late_sends_the_same_bytes_again() {
    let memory = kit::memory();
    let node = Node::over(&memory).await;
    let mut profile = kit::client_profile(&node.url());
    (profile.retry.response_ms, profile.retry.first_ms) = (Millis(300), Millis(100));
    let late = Late(kit::http(&profile), Mutex::default());
    let (mut session, mut agent, began) = (client::Session::new(&profile), kit::agent(), Instant::now());
    let outcome = run_session(&mut session, trigger(1), &late, &mut agent, &env::now).await.unwrap();
    assert_eq!(outcome, Outcome::Completed);
    let sent = late.1.lock().unwrap();
    assert_eq!(sent[0], sent[1]);
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
}

/// Says yes to anything, and remembers where it was asked to go.
struct Anywhere(Arc<kit::MemoryApp>, Mutex<Vec<String>>);

#[async_trait]
impl Transport for Anywhere {
    async fn exchange(&self, request: &client::Request) -> Result<Packet, Undelivered> {
        self.1.lock().unwrap().push(request.url.to_string());
        self.0.exchange(request.packet.clone()).await.map_err(|error| Undelivered::Broken(error.into()))
    }
}

#[tokio::test]
async fn a_session_does_not_follow_a_resp_uri_out_of_tls() {
    let memory = kit::memory();
    let mut profile = kit::server_profile();
    profile.resp_uri = Some("http://server.example/dm?token=1".into());
    let app = Arc::new(App::new(profile, memory.clone(), memory));
    for (url, outcome, exchanges) in
        [("https://server.example/dm", Outcome::Unreachable, 1), ("http://server.example/dm", Outcome::Completed, 2)]
    {
        let anywhere = Anywhere(app.clone(), Mutex::default());
        let mut session = client::Session::new(kit::client_profile(url));
        let number = u16::try_from(exchanges).unwrap();
        let ended = run_session(&mut session, trigger(number), &anywhere, &mut kit::agent(), &env::now).await.unwrap();
        let asked = anywhere.1.lock().unwrap().clone();
        assert_eq!((ended, asked.len()), (outcome, exchanges), "{asked:?}");
        assert!(asked.iter().skip(1).all(|url| url.ends_with("token=1")));
    }
}
