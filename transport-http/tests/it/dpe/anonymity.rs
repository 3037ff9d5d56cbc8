//! Nobody learns from a server who somebody is: neither SPs nor whoever reads the log.

use std::time::Duration;

use dpe_core::{
    config::ResponseMode,
    identity::HeaderMeaning,
    sp::What,
    wire::{self, Identity, Ie, Kind, Message, Secret},
};

use super::kit::{
    Callback, Driven, HERE, IMEI, IMEI_2, MSISDN, Provider, SETTINGS, World, answer, client_profile, config, name,
    open, policy_set, query, raw, request, sp_profile, success, token,
};
use crate::{
    kit,
    log::{Log, assert_holds_none},
};

const USER_2: &str = "+34600777888";
const TOKEN: &str = "boot-token-canary";
const ADDRESS: &str = "203.0.113.77";

/// Everything that says who a client is, in any form in which it was said.
fn identities() -> Vec<String> {
    let mut all = vec![TOKEN.to_owned(), ADDRESS.to_owned()];
    for imei in [IMEI, IMEI_2] {
        all.extend([imei.to_owned(), imei[..14].to_owned()]);
    }
    for user in [MSISDN, USER_2] {
        all.extend([user.to_owned(), user[1..].to_owned()]);
    }
    all
}

fn assert_anonymous(bytes: &str) {
    let identities = identities();
    assert_holds_none(bytes, &identities.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Registers a device whose user a proxy names; its Client-ID and session token.
async fn register(world: &World, imei: &str, user: &str) -> (dpe_core::ids::ClientId, String) {
    let mut asked = request(imei, None);
    asked.security_token = Secret(TOKEN.into()).into();
    let headers = [("x-msisdn", user), ("x-forwarded-for", ADDRESS)];
    let response = super::kit::read(&world.post_with("/register", &headers, &asked).await.unwrap());
    let client = response.client_id.into_option().unwrap().try_into().unwrap();
    let session = response.security_token.into_option().unwrap().0;
    let mut acknowledgement = success(&client);
    acknowledgement.security_token = Secret(session.clone()).into();
    assert_eq!(world.post_with("/register", &headers, &acknowledgement).await.unwrap().status, 204);
    (client, session)
}

/// Answers whatever the server wants of a client until it wants nothing for a moment.
async fn serve(world: &World, client: &dpe_core::ids::ClientId, session: &str, user: &str) -> Vec<Message> {
    let headers = [
        ("x-msisdn", user),
        ("x-forwarded-for", ADDRESS),
        ("dpe-client-id", client.as_str()),
        ("dpe-security-token", session),
    ];
    let mut served = Vec::new();
    loop {
        let polled = world.get("/client/poll?wait=1", &headers).await.unwrap();
        if polled.status == 204 {
            return served;
        }
        let request = super::kit::read(&polled);
        assert_eq!(world.post_with("/client/messages", &headers, &answer(client, &request)).await.unwrap().status, 204);
        served.push(request);
    }
}

#[tokio::test]
async fn nothing_that_an_sp_ever_receives_names_a_device_or_a_user() {
    let log = Log::default();
    let _guard = log.capture();
    let mut sink = Callback::taking().await;
    let mut config = config();
    config.identity.trusted_proxies = vec![HERE.try_into().unwrap()];
    config.identity.header_names.insert("x-msisdn".into(), HeaderMeaning::User("msisdn".into()));
    let mut by_callback = sp_profile("callback");
    (by_callback.callback, by_callback.response_mode) = (Some(sink.url.clone()), ResponseMode::Callback);
    let world = World::start(config, vec![sp_profile("sp"), by_callback]).await;
    let (client, session) = register(&world, IMEI, MSISDN).await;
    serve(&world, &client, &session, MSISDN).await;

    let mut received = String::new();
    let mut note = |answer: kit::Answer| {
        received.push_str(&answer.head);
        received.push_str(&String::from_utf8(answer.body).unwrap());
    };
    // Settings of both SPs, and a query for what no SP may know.
    let mut asking = Vec::new();
    let mut denied = query("9", &client);
    denied.property_names = ["imei", "MSISDN", "ipAddress"].map(|denied| Ie::Is(name(denied))).to_vec();
    let mut other = policy_set("2", &client, 3600);
    other.sp_id = token("callback");
    for message in [policy_set("1", &client, 3600), query("3", &client), denied, other] {
        let bytes = raw("POST", "/sp", &[("content-type", "text/xml")], &wire::encode(&message).unwrap());
        asking.push(open(world.node.address, &bytes).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let served = serve(&world, &client, &session, MSISDN).await;
    assert!(served.iter().any(|request| request.kind == Kind::PropertyPolicySet));
    for mut stream in asking {
        note(kit::rest(&mut stream).await.unwrap());
    }
    // The user moves, and everybody hears of it.
    let (moved, session) = register(&world, IMEI_2, MSISDN).await;
    serve(&world, &moved, &session, MSISDN).await;
    note(world.get("/sp/poll?wait=1", &[("dpe-sp-id", "sp")]).await.unwrap());
    note(world.post("/sp", &query("4", &client)).await.unwrap());
    // Another user takes the device, and the first one is gone.
    let (taken, session) = register(&world, IMEI_2, USER_2).await;
    serve(&world, &taken, &session, USER_2).await;
    for _ in 0..4 {
        note(world.get("/sp/poll?wait=0", &[("dpe-sp-id", "sp")]).await.unwrap());
    }
    assert!(received.contains("DPE_Client_ID_Report") && received.contains("<Value"), "{received}");
    let mut delivered = String::new();
    while let Ok(Some((head, body))) = tokio::time::timeout(Duration::from_millis(200), sink.came.recv()).await {
        delivered.push_str(&head);
        delivered.push_str(&String::from_utf8(body).unwrap());
    }
    assert!(delivered.contains("DPE_Client_ID_Report"), "{delivered}");
    assert_anonymous(&received);
    assert_anonymous(&delivered);
    let text = log.text();
    assert!(text.contains("on=\"register\"") && text.contains("status=200"), "{text}");
    assert_anonymous(&text);
    // Nor is there anything that was read of a device.
    assert_holds_none(&text, &[">83<", "batteryLevel", "policy-1", &session]);
}

#[tokio::test]
async fn drivers_log_neither_identities_nor_values() {
    let log = Log::default();
    let _guard = log.capture();
    let world = World::usual().await;
    let mut profile = client_profile(IMEI, Some(MSISDN));
    profile.token = Some(Secret(TOKEN.into()));
    let phone = Driven::start(&world.url(), &profile, None);
    let client = phone.registered(None).await;
    world.serves(1).await;
    let mut sp = Provider::start(&world.url(), SETTINGS);
    sp.asks(&client, What::Query(vec![name("OSName")])).await;
    sp.wants(None, What::ClientIds(Identity::new("msisdn", MSISDN))).await;
    assert_eq!(sp.done().await.clients, [client]);
    let session = phone.stop().await.token().unwrap().0.clone();
    let text = log.text();
    assert_anonymous(&text);
    assert_holds_none(&text, &["ExampleOS", "OSName", &session]);
}
