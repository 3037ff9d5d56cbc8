//! Slow, large, broken and too many: real connections against short limits.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use core_kit::Millis;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use transport_http::{
    Limits,
    dm::{App, router},
};

use crate::kit::{self, Node};

/// Short enough for a test, and no two alike.
const SHORT: Limits = Limits {
    header_ms: Millis(300),
    body_ms: Millis(400),
    body_rate_min: 1_000,
    stall_ms: Millis(500),
    connections_max: 4,
    connections_per_source_max: 2,
    shutdown_ms: Millis(600),
    ..Limits::DEFAULT
};
/// Octets that the node takes in one message.
const BYTES_MAX: usize = 10_000;
const HEAD: &str = "POST /dm HTTP/1.1\r\nHost: h\r\nContent-Type: application/vnd.syncml.dm+xml\r\n";

async fn node(limits: Limits) -> Node {
    let memory = kit::memory();
    let mut profile = kit::server_profile();
    profile.wire.message_bytes_max = BYTES_MAX;
    let app = App::new(profile, memory.clone(), memory).with_limits(limits);
    Node::start(router(Arc::new(app)), limits).await
}

async fn connected(node: &Node) -> TcpStream {
    TcpStream::connect(node.address).await.unwrap()
}

/// It took as long as the limit says, and far less than the limit that there would be without it.
fn assert_took(began: Instant, limit: Millis) {
    let took = u64::try_from(began.elapsed().as_millis()).unwrap();
    assert!((limit.0..limit.0 + 5_000).contains(&took), "{took} ms of {limit:?}");
}

#[tokio::test]
async fn a_head_that_does_not_come_to_an_end_is_cut_off() {
    let node = node(SHORT).await;
    for sent in ["", "POST /dm HTTP/1.1\r\nHost: h\r\n"] {
        let (mut stream, began) = (connected(&node).await, Instant::now());
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(kit::rest(&mut stream).await, None);
        assert_took(began, SHORT.header_ms);
    }
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off() {
    let node = node(SHORT).await;
    let (mut stream, began) = (connected(&node).await, Instant::now());
    while stream.write_all(b"P").await.is_ok() && began.elapsed() < Duration::from_secs(5) {
        sleep(Duration::from_millis(20)).await;
    }
    assert_took(began, SHORT.header_ms);
}

#[tokio::test]
async fn a_connection_without_a_next_request_is_closed() {
    let node = node(SHORT).await;
    let mut stream = connected(&node).await;
    stream.write_all(format!("{HEAD}Content-Length: 1\r\n\r\nx").as_bytes()).await.unwrap();
    let began = Instant::now();
    assert_eq!(kit::rest(&mut stream).await.unwrap().status, 400);
    assert_took(began, SHORT.header_ms);
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let node = node(Limits { header_bytes_max: 8192, ..SHORT }).await;
    let request = format!("{HEAD}X-Long: {}\r\n\r\n", "x".repeat(10_000));
    assert_eq!(kit::talk(node.address, request.as_bytes()).await.unwrap().status, 431);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_cut_off() {
    let node = node(SHORT).await;
    let (mut stream, began) = (connected(&node).await, Instant::now());
    stream.write_all(format!("{HEAD}Content-Length: 100\r\n\r\n<Sync").as_bytes()).await.unwrap();
    let answer = kit::rest(&mut stream).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (408, &b"the message came too slowly\n"[..]));
    assert_took(began, SHORT.body_ms);
}

/// A body in pieces of so many octets, one every 50 ms.
async fn drip(node: &Node, pieces: usize, octets: usize) -> Option<kit::Answer> {
    let mut stream = connected(node).await;
    let length = pieces * octets;
    stream.write_all(format!("{HEAD}Connection: close\r\nContent-Length: {length}\r\n\r\n").as_bytes()).await.unwrap();
    for _ in 0..pieces {
        if stream.write_all(&vec![b'x'; octets]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    kit::rest(&mut stream).await
}

#[tokio::test]
async fn a_body_that_drips_is_cut_off_and_one_that_only_takes_its_time_is_not() {
    let node = node(SHORT).await;
    let began = Instant::now();
    // 200 octets in a second are too few, 10,000 are enough: each for 800 ms, twice the time that any body has.
    let dripping = drip(&node, 16, 10).await;
    assert!(dripping.is_none_or(|answer| answer.status == 408));
    assert_eq!(drip(&node, 16, 500).await.unwrap().status, 400, "read to its end, and no message");
    assert!(began.elapsed() > Duration::from_millis(1_200));
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_large_is_refused_before_it_is_read() {
    let node = node(SHORT).await;
    let began = Instant::now();
    let head = format!("{HEAD}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", BYTES_MAX + 1);
    let answer = kit::talk(node.address, head.as_bytes()).await.unwrap();
    assert_eq!((answer.status, answer.field("connection")), (413, Some("close")));
    assert!(began.elapsed() < Duration::from_millis(SHORT.body_ms.0), "nobody waited for the body");
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_not_an_octet_larger() {
    let node = node(SHORT).await;
    for (octets, status) in [(BYTES_MAX, 400), (BYTES_MAX + 1, 413)] {
        let post = kit::post("/dm", "application/vnd.syncml.dm+xml", &vec![b'x'; octets]);
        assert_eq!(kit::talk(node.address, &post).await.unwrap().status, status, "{octets}");
    }
}

#[tokio::test]
async fn a_client_that_sends_too_much_regardless_still_gets_the_answer() {
    let memory = kit::memory();
    let mut profile = kit::server_profile();
    profile.wire.message_bytes_max = 16 * 1024 * 1024;
    let app = App::new(profile.clone(), memory.clone(), memory);
    let node = Node::start(router(Arc::new(app)), Limits::DEFAULT).await;
    // More than the buffers on the way take: what is not read would reset the connection.
    let body = vec![b'x'; profile.wire.message_bytes_max * 3 / 2];
    for media_type in ["application/vnd.syncml.dm+xml", "text/plain"] {
        let mut stream = connected(&node).await;
        stream.write_all(&kit::post("/dm", media_type, &body)).await.unwrap();
        let answer = kit::rest(&mut stream).await.unwrap();
        assert!(matches!(answer.status, 413 | 415), "{answer:?}");
    }
}

#[tokio::test]
async fn a_client_that_closes_its_side_after_the_request_gets_the_answer() {
    let slow = axum::Router::new().fallback(async || sleep(Duration::from_millis(200)).await);
    let node = Node::start(slow, SHORT).await;
    let mut stream = connected(&node).await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(kit::rest(&mut stream).await.unwrap().status, 200);
}

fn chunked(octets: usize) -> Vec<u8> {
    let mut request = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..octets / 100 {
        request.extend(b"64\r\n");
        request.extend([b'x'; 100]);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    request
}

#[tokio::test]
async fn chunks_are_counted_like_any_body() {
    let node = node(SHORT).await;
    assert_eq!(kit::talk(node.address, &chunked(BYTES_MAX + 100)).await.unwrap().status, 413);
    assert_eq!(kit::talk(node.address, &chunked(BYTES_MAX)).await.unwrap().status, 400);
}

#[tokio::test]
async fn a_body_that_ends_early_is_refused_and_broken_chunks_are() {
    let node = node(SHORT).await;
    for (body, length) in [("<SyncML>", "Content-Length: 100"), ("64\r\n<SyncML>", "Transfer-Encoding: chunked")] {
        let mut stream = connected(&node).await;
        stream.write_all(format!("{HEAD}{length}\r\n\r\n{body}").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = kit::rest(&mut stream).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (400, &b"the message is incomplete\n"[..]), "{length}");
    }
    for chunks in ["zz\r\nx\r\n0\r\n\r\n", "-1\r\n\r\n", "ffffffffffffffffff\r\nx\r\n"] {
        let request = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunks}");
        assert_eq!(kit::talk(node.address, request.as_bytes()).await.unwrap().status, 400, "{chunks}");
    }
}

#[tokio::test]
async fn a_length_that_makes_no_sense_is_refused() {
    let node = node(SHORT).await;
    for length in ["-1", "1x", "99999999999999999999999", "1\r\nContent-Length: 2"] {
        let request = format!("{HEAD}Content-Length: {length}\r\n\r\nxx");
        assert_eq!(kit::talk(node.address, request.as_bytes()).await.unwrap().status, 400, "{length}");
    }
}

#[tokio::test]
async fn what_follows_a_request_with_length_and_chunks_is_never_a_request() {
    let node = node(SHORT).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: identity, chunked\r\nContent-Length: 5",
    ] {
        let request = format!("{HEAD}{fields}\r\n\r\n0\r\n\r\n{smuggled}");
        let answer = kit::talk(node.address, request.as_bytes()).await.unwrap();
        let all = String::from_utf8([answer.head.as_bytes(), &answer.body].concat()).unwrap();
        assert!(all.contains("HTTP/1.1 400") && !all.contains("405"), "{fields}: {all}");
        assert_eq!(all.matches("HTTP/1.1").count(), 1, "{fields}: {all}");
    }
    let request = format!("{HEAD}Transfer-Encoding: gzip\r\n\r\n{smuggled}");
    assert_eq!(kit::talk(node.address, request.as_bytes()).await.unwrap().status, 400);
}

/// For tests that tell a connection which was refused from one that was not.
const PATIENT: Limits = Limits { header_ms: Millis(10_000), ..SHORT };

/// Whether the server keeps the connection open for a moment.
async fn is_kept(stream: &mut TcpStream) -> bool {
    timeout(Duration::from_millis(300), stream.read_u8()).await.is_err()
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once_and_a_place_comes_free() {
    let node = node(PATIENT).await;
    let (mut first, mut second) = (connected(&node).await, connected(&node).await);
    let mut third = connected(&node).await;
    assert!(is_kept(&mut first).await && is_kept(&mut second).await && !is_kept(&mut third).await, "two for a source");
    drop(first);
    let came_free = async { while !is_kept(&mut connected(&node).await).await {} };
    timeout(Duration::from_secs(5), came_free).await.unwrap();
}

#[tokio::test]
async fn connections_are_bounded_over_all_sources_too() {
    let limits = Limits { connections_max: 2, connections_per_source_max: 64, ..PATIENT };
    let node = node(limits).await;
    let (mut first, mut second) = (connected(&node).await, connected(&node).await);
    let mut third = connected(&node).await;
    assert!(is_kept(&mut first).await && is_kept(&mut second).await && !is_kept(&mut third).await);
}

/// A router whose responses are larger than any buffer between the two ends.
fn endless() -> axum::Router {
    axum::Router::new().fallback(async || vec![b'x'; 64 * 1024 * 1024])
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let node = Node::start(endless(), SHORT).await;
    let mut stream = connected(&node).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(SHORT.stall_ms.0 * 3)).await;
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes).await;
    assert!(read.is_err() || bytes.len() < 64 * 1024 * 1024, "{} octets", bytes.len());
}

#[tokio::test]
async fn shutdown_lets_an_exchange_end_that_has_begun_and_closes_the_rest() {
    let limits = Limits { shutdown_ms: Millis(9_000), ..PATIENT };
    let node = node(limits).await;
    let (mut idle, mut busy) = (connected(&node).await, connected(&node).await);
    busy.write_all(format!("{HEAD}Content-Length: 5\r\n\r\n").as_bytes()).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let (address, began) = (node.address, Instant::now());
    let stopping = tokio::spawn(node.stop());
    assert_eq!(kit::rest(&mut idle).await, None);
    busy.write_all(b"<a/>\n").await.unwrap();
    assert_eq!(kit::rest(&mut busy).await.unwrap().status, 400);
    stopping.await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(limits.shutdown_ms.0), "nothing was cut off");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let limits = Limits { body_ms: Millis(60_000), shutdown_ms: Millis(200), ..SHORT };
    let node = node(limits).await;
    let mut busy = connected(&node).await;
    busy.write_all(format!("{HEAD}Content-Length: 5\r\n\r\n").as_bytes()).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    node.stop().await;
    assert_took(began, limits.shutdown_ms);
}
