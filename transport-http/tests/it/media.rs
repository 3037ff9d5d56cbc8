//! What HTTP says around the messages.

use axum::Router;
use dm_core::{ids::SessionId, server::SessionKey};
use transport_http::{Limits, dm::router};

use crate::kit::{self, Answer, DEVICE, Node};

const DM_XML: &str = "application/vnd.syncml.dm+xml";
const PLAIN_XML: &str = "application/vnd.syncml+xml";

/// Package 1 without credentials.
fn package_1(session: &str) -> String {
    format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>{session}</SessionID><MsgID>1</MsgID><Target><LocURI>http://server.example/dm</LocURI></Target>\
         <Source><LocURI>{DEVICE}</LocURI></Source></SyncHdr><SyncBody>\
         <Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Replace><CmdID>2</CmdID><Item><Source>\
         <LocURI>./DevInfo/DevId</LocURI></Source><Data>{DEVICE}</Data></Item></Replace><Final/></SyncBody></SyncML>"
    )
}

async fn node() -> Node {
    Node::over(&kit::memory()).await
}

async fn posted(node: &Node, path: &str, media_type: &str, body: &str) -> Answer {
    kit::talk(node.address, &kit::post(path, media_type, body.as_bytes())).await.unwrap()
}

#[tokio::test]
async fn a_reply_names_itself_as_the_request_did_and_is_not_to_be_cached() {
    let node = node().await;
    for (n, media_type) in [DM_XML, PLAIN_XML].into_iter().enumerate() {
        let sent_as = format!("{}; charset=UTF-8; verproto=\"DM/1.2\"", media_type.to_uppercase());
        let answer = posted(&node, "/dm", &sent_as, &package_1(&n.to_string())).await;
        assert_eq!((answer.status, answer.field("content-type")), (200, Some(media_type)));
        assert_eq!(answer.field("cache-control"), Some("no-store, private"));
        let body = String::from_utf8(answer.body).unwrap();
        assert!(body.contains("<Data>407</Data>") && body.contains("syncml:auth-md5"), "{body}");
    }
}

#[tokio::test]
async fn any_path_and_any_query_below_the_mounting_point_is_served() {
    let app = kit::app(&kit::memory(), Limits::DEFAULT);
    let nested = Router::new().nest_service("/mdm", router(app)).route("/health", axum::routing::get(async || "well"));
    let node = Node::start(nested, Limits::DEFAULT).await;
    for (n, path) in
        ["/mdm", "/mdm/", "/mdm/a/b", "/mdm?mode=Maintenance&Platform=x", "/mdm/a?token=%00"].iter().enumerate()
    {
        assert_eq!(posted(&node, path, DM_XML, &package_1(&n.to_string())).await.status, 200, "{path}");
    }
    assert_eq!(posted(&node, "/", DM_XML, &package_1("9")).await.status, 404);
    assert_eq!(kit::talk(node.address, b"GET /health HTTP/1.0\r\n\r\n").await.unwrap().status, 200);
}

#[tokio::test]
async fn everything_but_post_is_refused() {
    let node = node().await;
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let request =
            format!("{method} /dm HTTP/1.1\r\nHost: h\r\nContent-Type: {DM_XML}\r\nContent-Length: 1\r\n\r\nx");
        let answer = kit::talk(node.address, request.as_bytes()).await.unwrap();
        assert_eq!((answer.status, answer.field("allow")), (405, Some("POST")), "{method}");
    }
}

#[tokio::test]
async fn what_is_no_message_by_its_name_is_not_read() {
    let node = node().await;
    for media_type in ["text/xml", "application/json", "application/vnd.syncml.dm+xml; charset=utf-16", ""] {
        let answer = posted(&node, "/dm", media_type, &package_1("1")).await;
        assert_eq!(answer.status, 415, "{media_type}");
        assert!(answer.field("accept").is_some_and(|accept| accept.contains(DM_XML)));
    }
    for coding in ["gzip", "deflate", "br", "x-unknown"] {
        let request = format!(
            "POST /dm HTTP/1.1\r\nHost: h\r\nContent-Type: {DM_XML}\r\nContent-Encoding: {coding}\r\nContent-Length: 3\r\n\r\n\x1f\x0b\x08"
        );
        assert_eq!(kit::talk(node.address, request.as_bytes()).await.unwrap().status, 415, "{coding}");
    }
    let request = format!("POST /dm HTTP/1.1\r\nHost: h\r\nContent-Type: {DM_XML}\r\n\r\n");
    assert_eq!(kit::talk(node.address, request.as_bytes()).await.unwrap().status, 411);
}

#[tokio::test]
async fn a_refusal_is_a_short_text_that_repeats_nothing() {
    let node = node().await;
    let marked = package_1("1").replace("1201", "<script>alert(1)</script>");
    for body in ["", "<script>", "<SyncML xmlns='SYNCML:SYNCML1.2'><script>", "\u{feff}", "\0", &marked] {
        let answer = posted(&node, "/dm", DM_XML, body).await;
        let text = String::from_utf8(answer.body).unwrap();
        if answer.status == 400 {
            assert!(text.len() < 200 && !text.contains("script"), "{text}");
        } else {
            // There was a header to answer.
            assert_eq!((answer.status, text.contains("script")), (200, false), "{text}");
        }
    }
    let utf16 = [0xff, 0xfe, b'<', 0, b'S', 0];
    let answer = kit::talk(node.address, &kit::post("/dm", DM_XML, &utf16)).await.unwrap();
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn who_sends_garbage_leaves_nothing_behind() {
    let memory = kit::memory();
    let node = Node::over(&memory).await;
    for body in ["", "<a/>", &package_1("1")[..200], &package_1("1").replace("1201", "1222")] {
        assert!(posted(&node, "/dm", DM_XML, body).await.status < 500);
    }
    assert!(memory.sessions().is_empty(), "{:?}", memory.sessions());
    assert_eq!(posted(&node, "/dm", DM_XML, &package_1("1")).await.status, 200);
    let key = SessionKey { device: DEVICE.into(), session: SessionId::from_number(1) };
    assert_eq!(memory.sessions(), [key]);
}

macro_rules! captured {
    ($path:literal) => {
        (
            include_str!(concat!("../captures/", $path, ".http")),
            &include_bytes!(concat!("../captures/", $path, ".xml"))[..],
        )
    };
}

#[tokio::test]
async fn captured_clients_are_answered_in_the_family_that_they_speak() {
    let node = node().await;
    for ((head, body), media_type) in [
        (captured!("libdmclient-md5/01-c2s"), PLAIN_XML),
        (captured!("libdmclient-basic/01-c2s"), PLAIN_XML),
        (captured!("hostap-hs20/01-c2s"), DM_XML),
    ] {
        let head = format!("{}\r\nConnection: close\r\n\r\n", head.trim_end().replace('\n', "\r\n"));
        let answer = kit::talk(node.address, &[head.as_bytes(), body].concat()).await.unwrap();
        assert_eq!((answer.status, answer.field("content-type")), (200, Some(media_type)), "{answer:?}");
        assert!(answer.body.starts_with(b"<"));
    }
}
