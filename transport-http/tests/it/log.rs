//! What is written to the log, and what must never be.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use core_kit::Millis;
use dm_core::{
    auth::{CredentialHash, digest},
    server::{Entry, Order, Request},
    session::Outcome,
};
use tracing::{Level, subscriber::DefaultGuard};
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};
use transport_http::{
    dm::{App, device::run_session, router},
    env,
};

use crate::{
    kit::{self, DEVICE, Node, PASSWORD, SERVER_PASSWORD},
    nodes::first_message,
    session::{Tap, device, trigger},
};

/// Everything that this thread logs, at any level.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The runtime of a test has one thread, which all its tasks run on.
    pub(crate) fn capture(&self) -> DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

pub(crate) fn assert_holds_none(log: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!secret.is_empty() && !log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[tokio::test]
async fn a_session_is_logged_without_secrets_payloads_or_the_devices_name() {
    let log = Log::default();
    let _guard = log.capture();
    let memory = kit::memory();
    let add = Request::Add(vec![Entry::text("./NodeCanary", "payload-canary")]);
    memory.enqueue(&device(), Order::new("job-canary", add)).unwrap();
    let node = Node::over(&memory).await;
    let profile = kit::client_profile(&node.url());
    let (tap, mut agent) = (Tap::new(kit::http(&profile)), kit::agent());
    let mut session = dm_core::client::Session::new(&profile);
    let outcome = run_session(&mut session, trigger(0x2A), &tap, &mut agent, &env::now).await.unwrap();
    assert_eq!(outcome, Outcome::Completed);

    let text = log.text();
    for said in [
        "exchange{",
        "session=\"2A\"",
        "msg=2",
        "bytes_in=",
        "bytes_out=",
        "attempts=1",
        "revision=",
        "status=200",
        "outcome=\"completed\"",
    ] {
        assert!(text.contains(said), "{said} is not in the log:\n{text}");
    }
    let hash = CredentialHash::new("Bruce2", PASSWORD).to_base64();
    let basic = digest::basic("Bruce2", PASSWORD);
    let (client_nonce, server_nonce) = (agent.account.nonce.to_base64(), agent.server.nonce.to_base64());
    assert_holds_none(
        &text,
        &[
            PASSWORD,
            SERVER_PASSWORD,
            &hash,
            &basic,
            &client_nonce,
            &server_nonce,
            "payload-canary",
            "NodeCanary",
            DEVICE,
        ],
    );
    // Nothing of any message that is long enough to mean something.
    for (request, reply) in tap.seen() {
        for packet in [request.packet, reply] {
            let body = String::from_utf8(packet.body.to_vec()).unwrap();
            let values = body.split(['<', '>']).filter(|value| value.len() > 12 && !value.contains("yncml"));
            values.for_each(|value| assert_holds_none(&text, &[value]));
        }
    }
}

#[tokio::test]
async fn what_is_refused_is_logged_without_a_word_of_it() {
    let log = Log::default();
    let _guard = log.capture();
    let memory = kit::memory();
    let app = Arc::new(App::new(kit::server_profile(), memory.clone(), memory.clone()));
    let node = Node::start(router(app.clone()), *app.limits()).await;
    let header = |session: &str, version: &str| {
        format!(
            "<SyncML><SyncHdr><VerDTD>{version}</VerDTD><VerProto>DM/1.2</VerProto><SessionID>{session}</SessionID>\
             <MsgID>1</MsgID><Target><LocURI>uri-canary</LocURI></Target><Source><LocURI>name-canary</LocURI></Source>\
             </SyncHdr><SyncBody><Final/></SyncBody></SyncML>"
        )
    };
    for (media_type, body) in [
        ("application/vnd.syncml.dm+xml", "<body-canary>".to_owned()),
        ("application/vnd.syncml.dm+xml", header("1", "version-canary")),
        ("application/vnd.syncml.dm+xml", header("session-canary-session-canary", "1.2")),
        ("type-canary/x", String::new()),
    ] {
        kit::talk(node.address, &kit::post("/dm?query-canary", media_type, body.as_bytes())).await.unwrap();
    }
    kit::talk(node.address, b"body-canary\r\n\r\n").await.unwrap();
    kit::talk(node.address, b"POST /path-canary HTTP/1.1\r\nheader-canary: \x01\r\n\r\n").await.unwrap();
    app.sweep().await.unwrap();

    let text = log.text();
    for said in ["status=400", "status=415", "not one of SyncML", "connection ended early"] {
        assert!(text.contains(said), "{said} is not in the log:\n{text}");
    }
    // The identifier of a session is short by the schema, and a key holds it in upper case; a longer one is cut.
    assert_holds_none(
        &text.to_lowercase(),
        &[
            "body-canary",
            "version-canary",
            "session-canary",
            "type-canary",
            "query-canary",
            "path-canary",
            "header-canary",
            "uri-canary",
            "name-canary",
        ],
    );
}

#[tokio::test]
async fn what_the_sweeper_does_is_logged_under_the_same_name() {
    let log = Log::default();
    let _guard = log.capture();
    let memory = kit::memory();
    let mut profile = kit::server_profile();
    profile.unauthenticated_ms = Millis(0);
    let app = App::new(profile, memory.clone(), memory.clone());
    app.exchange(first_message().await).await.unwrap();
    assert_eq!(app.sweep().await.unwrap().woken, 1);
    let text = log.text();
    assert!(text.contains("wake{") && text.contains("outcome=\"timed-out\""), "{text}");
    assert_holds_none(&text, &[DEVICE]);
}
