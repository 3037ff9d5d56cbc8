//! What the server answers without asking the client.

use core_kit::Millis;
use dpe_core::{
    codes::Code,
    config::CacheMode,
    ids::ClientId,
    property::STARTER,
    server::device::Report,
    wire::{Ie, Kind},
};

use crate::bench::{Bench, IMEI, IMEI_2, answer, group, group_set, name, query, report, result, success};

fn bench() -> (Bench, ClientId) {
    let mut bench = Bench::new(|_| {});
    let client = bench.registered(IMEI, None);
    (bench, client)
}

/// Whether a query goes to the client.
fn asks(bench: &mut Bench, client: &ClientId, names: &[&str]) -> bool {
    bench.dpe3(&query("q", client, names));
    let asked = !bench.to_client.is_empty();
    bench.serve();
    let told = bench.sp_got();
    assert_eq!(told.results, names.iter().map(|text| result(&name(text))).collect::<Vec<_>>());
    asked
}

#[test]
fn semi_dynamic_properties_are_asked_for_once_while_they_are_fresh() {
    let (mut bench, client) = bench();
    assert!(asks(&mut bench, &client, &["OSName"]));
    assert!(!asks(&mut bench, &client, &["OSName"]));
    assert!(bench.device_reports.contains(&Report::CacheHit));
    assert!(asks(&mut bench, &client, &["batteryLevel"]));
    assert!(asks(&mut bench, &client, &["batteryLevel"]), "a dynamic one is always asked for");
    bench.pass(86_399);
    assert!(!asks(&mut bench, &client, &["OSName"]));
    bench.pass(1);
    assert!(asks(&mut bench, &client, &["OSName"]));
}

#[test]
fn only_the_missing_names_are_asked_for() {
    let (mut bench, client) = bench();
    assert!(asks(&mut bench, &client, &["OSName"]));
    bench.dpe3(&query("1", &client, &["batteryLevel", "OSName"]));
    let asked = bench.client_got();
    assert_eq!(asked.property_names, [Ie::Is(name("batteryLevel"))]);
    bench.dpe2(&answer(&client, &asked));
    assert_eq!(bench.sp_got().results, [result(&name("batteryLevel")), result(&name("OSName"))]);
}

#[test]
fn a_group_is_answered_from_the_cache_only_whole() {
    let (mut bench, client) = bench();
    bench.done(&group_set("1", &client, "soft", &["OSName", "InstalledSoftwareList"]));
    assert!(asks(&mut bench, &client, &["OSName"]));
    bench.dpe3(&group(Kind::GroupQuery, "2", &client, "soft"));
    let asked = bench.client_got();
    let mut whole = answer(&client, &asked);
    whole.results = vec![result(&name("OSName")), result(&name("InstalledSoftwareList"))];
    bench.dpe2(&whole);
    bench.sp_got();
    bench.dpe3(&group(Kind::GroupQuery, "3", &client, "soft"));
    assert_eq!(bench.sp_got().results, whole.results);
    assert!(bench.to_client.is_empty());
}

#[test]
fn what_a_device_lacks_is_remembered_too_and_so_is_what_it_reports() {
    let (mut bench, client) = bench();
    bench.dpe3(&query("1", &client, &["OSName"]));
    let mut lacking = answer(&client, &bench.client_got());
    lacking.results[0].status = Code::NOT_SUPPORTED.into();
    lacking.results[0].values = Ie::Absent;
    bench.dpe2(&lacking);
    bench.sp_got();
    bench.dpe3(&query("2", &client, &["OSName"]));
    assert_eq!(bench.sp_got().results, lacking.results);
    let mut policy = crate::bench::property_policy("3", &client, "p");
    policy.property_names = vec![Ie::Is(name("OSName"))];
    bench.dpe3(&policy);
    let set = bench.client_got();
    bench.dpe2(&answer(&client, &set));
    bench.dpe2(&report(&client, &set, &["OSName"]));
    bench.to_sp.clear();
    assert!(!asks(&mut bench, &client, &["OSName"]));
}

#[test]
fn a_cache_hit_runs_all_checks_and_counts_in_the_window() {
    let mut bench = Bench::new(|config| config.sp.window_threshold = 2);
    let client = bench.registered(IMEI, None);
    assert!(asks(&mut bench, &client, &["OSName"]));
    assert!(!asks(&mut bench, &client, &["OSName"]));
    assert_eq!(bench.refused(&query("q", &client, &["OSName"])), Code::WINDOW_OVERFLOW);
}

#[test]
fn the_cache_is_configurable() {
    let mut bench = Bench::new(|config| config.cache.mode = CacheMode::Off);
    let client = bench.registered(IMEI, None);
    assert!(asks(&mut bench, &client, &["OSName"]) && asks(&mut bench, &client, &["OSName"]));
    let mut bench = Bench::new(|config| {
        config.cache.semi_dynamic = vec![name("language"), name("OSName")];
        config.cache.ttl_of = [(name("language"), Millis::from_secs(10))].into();
    });
    let client = bench.registered(IMEI, None);
    assert!(asks(&mut bench, &client, &["language", "OSName"]));
    assert!(!asks(&mut bench, &client, &["language", "OSName"]));
    bench.pass(10);
    assert!(asks(&mut bench, &client, &["language"]));
    assert!(!asks(&mut bench, &client, &["OSName"]));
}

#[test]
fn a_registration_empties_the_cache_where_configured() {
    for clear in [true, false] {
        let mut bench = Bench::new(|config| config.cache.clear_on_registration = clear);
        let client = bench.registered(IMEI, None);
        asks(&mut bench, &client, &["OSName"]);
        bench.registered(IMEI, None);
        assert_eq!(asks(&mut bench, &client, &["OSName"]), clear);
    }
}

#[test]
fn in_static_mode_everything_is_read_when_the_session_begins_and_never_again() {
    let mut bench = Bench::new(|config| config.cache.mode = CacheMode::StaticProfile);
    let client = bench.requested(IMEI, None);
    bench.dpe1(&success(&client, Code::OK));
    for _ in 0..2 {
        let reset = bench.client_got();
        bench.dpe2(&answer(&client, &reset));
    }
    let fill = bench.client_got();
    assert_eq!((fill.kind, fill.property_names.len()), (Kind::PropertyQuery, STARTER.len()));
    bench.dpe3(&query("1", &client, &["muted"]));
    assert!(bench.to_sp.is_empty(), "it waits for the profile");
    let mut profile = answer(&client, &fill);
    for result in &mut profile.results {
        if result.name == Ie::Is(name("language")) {
            result.status = Code::NOT_SUPPORTED.into();
            result.values = Ie::Absent;
        }
    }
    bench.dpe2(&profile);
    assert_eq!(bench.sp_got().results, [result(&name("muted"))]);
    bench.pass(1_000_000);
    assert!(!asks(&mut bench, &client, &["muted", "OSName"]));
    bench.dpe3(&query("1", &client, &["language"]));
    assert_eq!(bench.sp_got().results[0].status, Ie::Is(Code::NOT_SUPPORTED));
}

#[test]
fn the_cache_may_answer_for_a_client_that_is_silent() {
    let mut bench = Bench::new(|config| config.cache.serve_when_unreachable = true);
    let client = bench.registered(IMEI, None);
    asks(&mut bench, &client, &["OSName"]);
    bench.pass(100_000);
    bench.dpe3(&query("1", &client, &["OSName", "muted"]));
    bench.pass(60);
    let told = bench.sp_got();
    assert_eq!((told.status, &told.results[0]), (Ie::Is(Code::OK), &result(&name("OSName"))));
    assert_eq!(told.results[1].status, Ie::Is(Code::RESULT_MISSING));
    let other = bench.registered(IMEI_2, None);
    bench.dpe3(&query("2", &other, &["muted"]));
    bench.pass(60);
    assert_eq!(bench.sp_got().status, Ie::Is(Code::NOT_RESPONDING), "where it has nothing, 39");
}
