//! A whole story: a phone, a server and an SP, each driven, over sockets.

use std::time::Duration;

use core_kit::Millis;
use dpe_core::{
    client::Report,
    codes::Code,
    config::Restore,
    policy::{Terms, Watched},
    sp::{self, Output, What},
    wire::Value,
};
use transport_http::dpe::server::Fact;

use super::kit::{
    BOUNDS, Counter, Driven, IMEI, IMEI_2, MSISDN, Provider, SETTINGS, World, client_profile, config, name, sp_id,
    sp_profile,
};

fn level() -> What {
    What::Query(vec![name("batteryLevel")])
}

fn threshold(policy: &str, seconds: u32) -> What {
    let terms = Terms::new("Threshold", &[("operator", "lt"), ("value", "20")]);
    What::PolicySet(policy.try_into().unwrap(), Watched::Property(name("batteryLevel")), terms, Some(seconds))
}

#[tokio::test]
async fn a_phone_a_server_and_an_sp_go_through_a_whole_story() {
    let world = World::usual().await;
    let phone = Driven::start(&world.url(), &client_profile(IMEI, Some(MSISDN)), None);
    let client = phone.registered(None).await;
    world.serves(1).await;
    let mut sp = Provider::start(&world.url(), SETTINGS);

    // A query: a cache miss, then a hit.
    let system = || What::Query(vec![name("OSName")]);
    for _ in 0..2 {
        let read = sp.asks(&client, system()).await;
        assert_eq!((read.status, &read.readings[0].values), (Some(Code::OK), &vec![Value::text("ExampleOS")]));
    }
    assert_eq!(*phone.phone.asked.lock().unwrap(), [name("OSName")], "the phone was asked once");

    // A group: made, read, released.
    let group: dpe_core::ids::dpe3::GroupId = "screen".try_into().unwrap();
    let members = vec![name("currentOrientation"), name("batteryLevel")];
    assert_eq!(sp.asks(&client, What::GroupSet(group.clone(), members.clone())).await.status, Some(Code::OK));
    assert_eq!(sp.asks(&client, What::GroupQuery(group.clone())).await.readings.len(), 2);
    assert_eq!(sp.asks(&client, What::GroupRelease(group.clone())).await.status, Some(Code::OK));
    let gone = sp.asks(&client, What::GroupQuery(group)).await;
    assert_eq!(gone.status, Some(Code::GROUP_ID_NOT_REGISTERED));

    // A policy: set, reports, expires.
    assert_eq!(sp.asks(&client, threshold("low", 2)).await.status, Some(Code::OK));
    phone.sample("batteryLevel", Value::integer(12)).await;
    match sp.next().await {
        Output::Reported(report) => {
            assert_eq!((report.policy.as_str(), report.client), ("low", client.clone()));
            assert_eq!(report.readings[0].values, [Value::integer(12)]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(sp.next().await, Output::PolicyEnded("low".try_into().unwrap(), Code::POLICY_EXPIRED));
    world
        .until("the phone releases it", |world| {
            world
                .counter
                .count(|fact| matches!(fact, Fact::Device(_, dpe_core::server::device::Report::PolicyExpired(..))))
                == 1
        })
        .await;

    // The user takes the SIM to another phone: settings follow.
    phone.sample("batteryLevel", Value::integer(83)).await;
    assert_eq!(sp.asks(&client, threshold("follows", 3600)).await.status, Some(Code::OK));
    let left = phone.stop().await;
    assert_eq!(left.settings(), (0, 1), "the expired policy was released");
    let other = Driven::start(&world.url(), &client_profile(IMEI_2, Some(MSISDN)), None);
    let new = other.registered(None).await;
    assert_ne!(new, client);
    match sp.next().await {
        Output::ClientChanged(changed) => {
            assert_eq!((changed.clients, changed.replaces), (vec![new.clone()], vec![client.clone()]));
        }
        other => panic!("{other:?}"),
    }
    other.sample("batteryLevel", Value::integer(5)).await;
    assert!(matches!(sp.next().await, Output::Reported(report) if report.client == new));
    sp.wants(Some(&client), level()).await;
    // Whoever uses the old Client-ID hears of the new one once more.
    let told = [sp.next().await, sp.next().await];
    let is_refused =
        |told: &Output| matches!(told, Output::Done(done) if done.status == Some(Code::CLIENT_ID_NOT_REGISTERED));
    assert!(told.iter().any(is_refused), "{told:?}");
    assert!(told.iter().any(|told| matches!(told, Output::ClientChanged(_))), "{told:?}");

    // The phone falls silent.
    let last = other.stop().await;
    assert_eq!(last.settings(), (0, 1));
    assert_eq!(sp.asks(&new, level()).await.status, Some(Code::NOT_RESPONDING));
}

#[tokio::test]
async fn an_sp_over_its_window_hears_38_and_goes_on_when_the_window_has_passed() {
    let mut config = config();
    (config.sp.window_threshold, config.sp.window_seconds) = (2, 1);
    let world = World::start(config, vec![sp_profile("sp")]).await;
    let phone = Driven::start(&world.url(), &client_profile(IMEI, None), None);
    let client = phone.registered(None).await;
    world.serves(1).await;
    let mut profile = sp::Profile::new(sp_id("sp"));
    (profile.window, profile.retries) = (Millis(1_000), 0);
    let mut hasty = Provider::start_with(&world.url(), SETTINGS, &profile);
    for status in [Code::OK, Code::OK, Code::WINDOW_OVERFLOW] {
        assert_eq!(hasty.asks(&client, level()).await.status, Some(status));
    }
    drop(hasty);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    profile.retries = 3;
    let mut patient = Provider::start_with(&world.url(), SETTINGS, &profile);
    for _ in 0..3 {
        assert_eq!(patient.asks(&client, level()).await.status, Some(Code::OK), "sent again after a pause");
    }
}

#[tokio::test]
async fn settings_that_the_embedder_filters_out_do_not_follow_their_user() {
    for keep in [true, false] {
        let mut config = config();
        config.device_change.restore = Restore::Filter;
        let counter = Counter { keep, ..Counter::default() };
        let world = World::start_with(config, vec![sp_profile("sp")], BOUNDS, counter).await;
        let phone = Driven::start(&world.url(), &client_profile(IMEI, Some(MSISDN)), None);
        let client = phone.registered(None).await;
        let mut sp = Provider::start(&world.url(), SETTINGS);
        assert_eq!(sp.asks(&client, threshold("low", 3600)).await.status, Some(Code::OK));
        drop(phone);
        let other = Driven::start(&world.url(), &client_profile(IMEI_2, Some(MSISDN)), None);
        let new = other.registered(None).await;
        let mut told = vec![sp.next().await];
        if !keep {
            told.push(sp.next().await);
        }
        let lost = Output::PolicyEnded("low".try_into().unwrap(), Code::POLICY_ID_NOT_REGISTERED);
        assert_eq!(told.contains(&lost), !keep, "{told:?}");
        assert!(told.iter().any(|told| matches!(told, Output::ClientChanged(_))), "{told:?}");
        assert_eq!(sp.asks(&new, level()).await.status, Some(Code::OK));
        assert_eq!(other.stop().await.settings(), (0, usize::from(keep)));
    }
}

#[tokio::test]
async fn an_operator_makes_a_client_register_again() {
    let world = World::usual().await;
    let phone = Driven::start(&world.url(), &client_profile(IMEI, None), None);
    let client = phone.registered(None).await;
    world.serves(1).await;
    assert!(world.handle.command(&client, "event").await);
    world.serves(2).await;
    assert_eq!(phone.phone.reports.lock().unwrap().iter().filter(|r| matches!(r, Report::Registered(_))).count(), 2);
}
