//! Who gets in: seals in the transport's header, guessing that costs time, and refusals that the embedder hears of.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use core_kit::{Env, Millis, Tick};
use dm_core::{
    Packet,
    auth::{Account, LockoutLimits, Scheme},
    client::{self, Failure},
    codes::StatusCode,
    server::{self, Report},
    session::Outcome,
    version::{Version, Versions},
    wire::{self, Command},
};
use transport_http::{
    Limits,
    dm::{
        App, LoginLimits,
        device::run_session,
        map::Rejection,
        memory::Memory,
        router,
        transport::{Transport, Undelivered},
    },
    env,
};

use crate::{
    kit::{self, DEVICE, MemoryApp, Node},
    session::{Tap, device, get, statuses, trigger},
};

const LOGINS: LoginLimits = LoginLimits {
    device: LockoutLimits {
        free: 2,
        first: Millis::from_secs(100),
        longest: Millis::from_secs(200),
        forget: Millis::from_secs(1_000),
    },
    source_burst: 4,
    source_refill: Millis::from_secs(10),
    ..LoginLimits::DEFAULT
};
const LIMITS: Limits = Limits { logins: LOGINS, ..Limits::DEFAULT };

#[tokio::test]
async fn seals_go_over_http_in_both_directions() {
    let sealing = |account: Account| Account { scheme: Scheme::Mac, ..account };
    let memory = Arc::new(Memory::new());
    memory.enrol(DEVICE, sealing(kit::device_account()), Some(sealing(kit::server_account())));
    memory.enqueue(&device(), get("model", "./DevInfo/Mod")).unwrap();
    let node = Node::over(&memory).await;
    let mut agent = kit::agent();
    (agent.account, agent.server) = (sealing(agent.account), sealing(agent.server));
    let mut profile = kit::client_profile(&node.url());
    (profile.first, profile.weakest, profile.server_scheme) = (Some(Scheme::Mac), Scheme::Mac, Some(Scheme::Mac));
    let tap = Tap::new(kit::http(&profile));
    for number in [1, 2] {
        let mut session = client::Session::new(&profile);
        let outcome = run_session(&mut session, trigger(number), &tap, &mut agent, &env::now).await.unwrap();
        assert_eq!(outcome, Outcome::Completed);
    }
    assert_eq!(statuses(&memory, "model"), [Some(StatusCode::OK)]);
    assert!(tap.seen().iter().all(|(request, reply)| request.packet.mac.is_some() && reply.mac.is_some()));
    assert!(!agent.reports.iter().any(|report| matches!(report, client::Report::NotBelieved(_))));
}

#[tokio::test]
async fn a_device_that_is_guessed_at_waits_and_says_so_in_http() {
    let node = Node::start(router(kit::app(&kit::memory(), LIMITS)), LIMITS).await;
    let transport = kit::http(&kit::client_profile(&node.url()));
    let post =
        async |packet| transport.exchange(&client::Request { url: node.url().into(), packet, wants_reply: true }).await;
    for number in 1..=3 {
        post(guess(number, DEVICE)).await.unwrap();
    }
    let refused = post(guess(4, DEVICE)).await.unwrap_err();
    assert_eq!(refused.failure(), Failure::Temporary);
    assert!(refused.retry_after().is_some_and(|wait| (90_000..=100_000).contains(&wait.0)), "{refused:?}");
    let Undelivered::Status { status, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(status.as_u16(), 429);
    // A message without credentials is no guess.
    let text = String::from_utf8(guess(5, DEVICE).body.to_vec()).unwrap();
    let (head, tail) = (text.split_once("<Cred>").unwrap().0, text.split_once("</Cred>").unwrap().1);
    let challenged = post(Packet::xml(format!("{head}{tail}"))).await.unwrap();
    assert_eq!(header_code(&challenged), StatusCode::MISSING_CREDENTIALS);
}

/// Package 1 of a session of its own, with a password that is wrong.
fn guess(number: u16, claimed: &str) -> Packet {
    let cred = "<Cred><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>syncml:auth-basic</Type>\
        </Meta><Data>QnJ1Y2UyOm5v</Data></Cred>";
    Packet::xml(format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>{number:X}</SessionID><MsgID>1</MsgID><Target><LocURI>s</LocURI></Target>\
         <Source><LocURI>{claimed}</LocURI></Source>{cred}</SyncHdr>\
         <SyncBody><Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Final/></SyncBody></SyncML>"
    ))
}

fn app_at(clock: &Arc<AtomicU64>, memory: &Arc<Memory>, profile: server::Profile) -> MemoryApp {
    let clock = clock.clone();
    let env = move || Env { now: Tick(clock.load(Ordering::Relaxed)), ..env::now() };
    App::new(profile, memory.clone(), memory.clone()).with_limits(LIMITS).with_env(env)
}

#[tokio::test]
async fn an_address_that_guesses_at_many_devices_waits_and_others_do_not() {
    let (clock, memory) = (Arc::new(AtomicU64::new(1_000)), kit::memory());
    let app = app_at(&clock, &memory, kit::server_profile());
    let [here, there] = ["192.0.2.1", "192.0.2.2"].map(|ip| Some(ip.parse().unwrap()));
    for number in 1..=5 {
        app.exchange_from(guess(number, &format!("IMEI:{number}")), here).await.unwrap();
    }
    let wait = |rejection| match rejection {
        Err(Rejection::Throttled(Millis(wait))) => wait,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(app.exchange_from(guess(6, "IMEI:6"), here).await), 10_000);
    app.exchange_from(guess(6, "IMEI:6"), there).await.unwrap();
    clock.store(11_000, Ordering::Relaxed);
    app.exchange_from(guess(7, "IMEI:7"), here).await.unwrap();
    assert_eq!(wait(app.exchange_from(guess(8, "IMEI:8"), here).await), 10_000);
}

#[tokio::test]
async fn a_device_that_waited_gets_in_and_is_not_made_to_wait_again() {
    let (clock, memory) = (Arc::new(AtomicU64::new(1_000)), kit::memory());
    let basic = Account { scheme: Scheme::Basic, ..kit::device_account() };
    memory.enrol(DEVICE, basic, None);
    let app = app_at(&clock, &memory, kit::server_profile());
    for number in 1..=3 {
        app.exchange(guess(number, DEVICE)).await.unwrap();
    }
    let right = |number| {
        let text = String::from_utf8(guess(number, DEVICE).body.to_vec()).unwrap();
        let shown = dm_core::auth::digest::basic("Bruce2", kit::PASSWORD);
        Packet::xml(text.replace("QnJ1Y2UyOm5v", &shown))
    };
    assert_eq!(app.exchange(right(4)).await, Err(Rejection::Throttled(Millis::from_secs(100))));
    clock.store(101_000, Ordering::Relaxed);
    let reply = app.exchange(right(4)).await.unwrap();
    assert_eq!(header_code(&reply), StatusCode::AUTHENTICATED);
    // What was counted is forgotten: two wrong ones are free again.
    for number in 5..=6 {
        app.exchange(guess(number, DEVICE)).await.unwrap();
    }
    assert_eq!(header_code(&app.exchange(right(7)).await.unwrap()), StatusCode::AUTHENTICATED);
}

fn header_code(reply: &Packet) -> StatusCode {
    let message = wire::decode(reply.encoding, &reply.body, &dm_core::limits::WireLimits::SERVER).unwrap().message;
    let Some(Command::Status(status)) = message.commands.first() else { panic!() };
    status.code
}

#[tokio::test]
async fn a_refusal_that_leaves_no_session_is_reported_all_the_same() {
    let memory = kit::memory();
    let mut profile = kit::server_profile();
    profile.session.wrong_credentials_max = 1;
    let app = app_at(&Arc::new(AtomicU64::new(0)), &memory, profile);
    let reply = app.exchange(guess(1, DEVICE)).await.unwrap();
    assert_eq!(header_code(&reply), StatusCode::UNAUTHORIZED);
    assert!(memory.sessions().is_empty());
    assert_eq!(memory.reports(&device()), [Report::AuthenticationFailed { scheme: Some(Scheme::Basic) }]);
}

#[tokio::test]
async fn an_unknown_device_is_answered_as_a_known_one_whatever_it_shows() {
    let memory = kit::memory();
    let app = app_at(&Arc::new(AtomicU64::new(0)), &memory, kit::server_profile());
    let odd = |number, claimed: &str, named: &str| {
        let text = String::from_utf8(guess(number, claimed).body.to_vec()).unwrap();
        Packet::xml(text.replace("syncml:auth-basic", named))
    };
    for (number, named) in (1..).zip(["syncml:auth-basic", "syncml:auth-md5", "syncml:auth-X509", "nonsense"]) {
        let known = app.exchange(odd(number, DEVICE, named)).await.unwrap();
        let unknown = app.exchange(odd(number, "IMEI:1", named)).await.unwrap();
        assert_eq!(header_code(&known), header_code(&unknown), "{named}");
    }
}

#[tokio::test]
async fn a_version_that_the_server_does_not_speak_ends_the_session_with_the_one_to_try() {
    let memory = kit::memory();
    memory.enqueue(&device(), get("model", "./DevInfo/Mod")).unwrap();
    let server = server::Profile { versions: Versions::up_to(Version::V1_2), ..kit::server_profile() };
    let app = Arc::new(App::new(server, memory.clone(), memory.clone()));
    let node = Node::start(router(app), Limits::DEFAULT).await;
    let (mut agent, mut version) = (kit::agent(), Version::V1_3);
    let transport = kit::http(&kit::client_profile(&node.url()));
    // The second session has the identifier of the first, as one has that a notification asked for.
    for expected in ["version-refused", "completed"] {
        let profile = client::Profile { version, ..kit::client_profile(&node.url()) };
        let mut session = client::Session::new(&profile);
        let outcome = run_session(&mut session, trigger(1), &transport, &mut agent, &env::now).await.unwrap();
        assert_eq!(outcome.name(), expected);
        if let Outcome::VersionRefused { recommended, trusted, .. } = outcome {
            assert!(!trusted, "no TLS, no proof");
            version = dm_core::version::fall_back(Versions::ALL, version, recommended).unwrap();
        }
    }
    assert_eq!(version, Version::V1_2);
    assert_eq!(statuses(&memory, "model"), [Some(StatusCode::OK)]);
}
