//! Policies: set, reports, expiry, release, and what both sides may get wrong.

use dpe_core::{
    codes::Code,
    config::DurationStart,
    ids::ClientId,
    policy::Terms,
    server::device::Report,
    wire::{Ie, Kind, Message},
};

use crate::bench::{
    Bench, IMEI, answer, ask, body, group_policy, name, property_policy, query, release, report, source, token,
};

fn bench() -> (Bench, ClientId) {
    let mut bench = Bench::new(|_| {});
    let client = bench.registered(IMEI, None);
    bench.with_group(&client);
    (bench, client)
}

/// Sets the policy, and gives the request as the client got it.
fn set(bench: &mut Bench, client: &ClientId, policy: &Message) -> Message {
    bench.dpe3(policy);
    let asked = bench.client_got();
    assert_eq!(bench.dpe2(&answer(client, &asked)), None);
    let ack = bench.sp_got();
    assert_eq!((ack.status, ack.policy_id), (Ie::Is(Code::OK), policy.policy_id.clone()));
    asked
}

#[test]
fn a_policy_is_set_under_an_id_of_its_own_and_its_reports_carry_the_sps() {
    let (mut bench, client) = bench();
    let asked = set(&mut bench, &client, &property_policy("10", &client, "low"));
    assert_eq!(asked.kind, Kind::PropertyPolicySet);
    assert_ne!((&asked.policy_id, &asked.message_id), (&token("low"), &token("10")));
    assert_eq!(asked.duration, Ie::Is(3600));
    for _ in 0..2 {
        let mut said = report(&client, &asked, &["batteryLevel"]);
        said.sequence = Ie::Is(1);
        said.timestamp = Ie::Is(core_kit::UnixMillis(1_000));
        assert_eq!(bench.dpe2(&said), None);
        let told = bench.sp_got();
        assert_eq!((told.kind, told.policy_id), (Kind::PropertyReport, token("low")));
        assert_eq!((told.message_id, told.results), (token("10"), said.results.clone()));
        assert_eq!((told.sequence, told.timestamp), (said.sequence, said.timestamp));
    }
    // The Message-ID belongs to the policy as long as it lives.
    assert_eq!(bench.refused(&query("10", &client, &["muted"])), Code::MESSAGE_ID_REPEATED);
    assert_eq!(bench.done(&release("11", &client, "low")).status, Ie::Is(Code::OK));
    assert_eq!(bench.done(&query("10", &client, &["muted"])).status, Ie::Is(Code::OK));
    assert_eq!(bench.dpe2(&report(&client, &asked, &["batteryLevel"])), None, "too late, and dropped");
    assert!(bench.to_sp.is_empty());
}

#[test]
fn a_group_policy_reports_with_the_sps_group() {
    let (mut bench, client) = bench();
    let asked = set(&mut bench, &client, &group_policy("10", &client, "all", "screen"));
    assert_eq!(asked.kind, Kind::GroupPolicySet);
    assert!(asked.group_id.get().is_some() && asked.group_id != token("screen"));
    let mut said = report(&client, &asked, &["currentOrientation", "displayLightIntensity"]);
    said.group_id = asked.group_id.clone();
    bench.dpe2(&said);
    let told = bench.sp_got();
    assert_eq!((told.kind, told.group_id, told.results.len()), (Kind::GroupReport, token("screen"), 2));
    said.group_id = token("g7");
    assert_eq!(bench.dpe2(&said).unwrap().status, Ie::Is(Code::GROUP_ID_NOT_REGISTERED));
}

#[test]
fn the_checks_of_a_policy_come_in_order() {
    let (mut bench, client) = bench();
    set(&mut bench, &client, &property_policy("10", &client, "low"));
    let mut message = ask(Kind::PropertyPolicySet, "11", &client);
    let mut expect = |message: &Message, code: Code| assert_eq!(bench.refused(message), code);
    expect(&message, Code::POLICY_ID_MISSING);
    message.policy_id = token("low");
    expect(&message, Code::DURATION_FORMAT);
    message.duration = Ie::Is(604_801);
    expect(&message, Code::DURATION_OVERFLOW);
    message.duration = Ie::Is(604_800);
    expect(&message, Code::POLICY_ID_REPEATED);
    message.policy_id = token("new");
    expect(&message, Code::PROPERTY_NAME_MISSING);
    message.property_names = vec![Ie::Is(name("shoeSize"))];
    expect(&message, Code::PROPERTY_NAME_UNKNOWN);
    message.property_names = vec![Ie::Is(name("batteryLevel"))];
    expect(&message, Code::POLICY_TYPE_MISSING);
    Terms::new("Daily", &[]).write(&mut message);
    expect(&message, Code::POLICY_TYPE_UNKNOWN);
    Terms::new("Periodic", &[]).write(&mut message);
    expect(&message, Code::PARAMETER_MISSING);
    Terms::new("Periodic", &[("interval", "1")]).write(&mut message);
    expect(&message, Code::PARAMETER_UNKNOWN);
    let mut grouped = group_policy("11", &client, "new", "screen");
    grouped.group_id = Ie::Absent;
    expect(&grouped, Code::GROUP_ID_MISSING);
    expect(&group_policy("11", &client, "new", "none"), Code::GROUP_ID_NOT_REGISTERED);
    grouped = group_policy("11", &client, "new", "screen");
    grouped.duration = Ie::Is(999_999_999);
    expect(&grouped, Code::DURATION_OVERFLOW);
    let starred = property_policy("11", &client, "*");
    expect(&starred, Code::POLICY_ID_MISSING);
}

#[test]
fn another_sp_may_use_the_same_policy_id() {
    let (mut bench, client) = bench();
    let first = set(&mut bench, &client, &property_policy("10", &client, "low"));
    let mut foreign = property_policy("10", &client, "low");
    foreign.sp_id = token("sp-2");
    bench.dpe3_raw(&source("192.0.2.20"), &body(&foreign));
    let second = bench.client_got();
    bench.dpe2(&answer(&client, &second));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
    assert_ne!(first.policy_id, second.policy_id);
    for (asked, sp) in [(first, "sp"), (second, "sp-2")] {
        bench.dpe2(&report(&client, &asked, &["batteryLevel"]));
        assert_eq!(bench.to_sp.pop_front().unwrap().0.as_str(), sp);
        assert!(bench.to_sp.is_empty(), "and nobody else hears it");
    }
}

#[test]
fn a_default_duration_stands_in_where_one_is_configured() {
    let mut bench = Bench::new(|config| config.policy.default_duration = Some(77));
    let client = bench.registered(IMEI, None);
    let mut policy = property_policy("10", &client, "low");
    policy.duration = Ie::Absent;
    assert_eq!(set(&mut bench, &client, &policy).duration, Ie::Is(77));
}

#[test]
fn faults_that_the_server_does_not_look_for_are_the_clients_to_find() {
    let mut bench = Bench::new(|config| config.policy.validate_at_server = false);
    let client = bench.registered(IMEI, None);
    let mut policy = property_policy("10", &client, "low");
    policy.policy_type = Ie::Absent;
    policy.parameters.clear();
    bench.dpe3(&policy);
    let asked = bench.client_got();
    assert_eq!(asked.policy_type, Ie::Absent);
    let mut refusal = answer(&client, &asked);
    refusal.status = Code::POLICY_TYPE_MISSING.into();
    bench.dpe2(&refusal);
    assert_eq!(bench.sp_got().status, Ie::Is(Code::POLICY_TYPE_MISSING));
    assert_eq!(bench.gate_size(), 0);
}

#[test]
fn a_refused_or_unanswered_policy_leaves_nothing() {
    let (mut bench, client) = bench();
    let before = bench.gate_size();
    bench.dpe3(&property_policy("10", &client, "low"));
    let mut refusal = answer(&client, &bench.client_got());
    refusal.status = Code::NOT_SUPPORTED.into();
    bench.dpe2(&refusal);
    assert_eq!(bench.sp_got().status, Ie::Is(Code::NOT_SUPPORTED));
    assert_eq!(bench.gate_size(), before);
    bench.dpe3(&property_policy("10", &client, "low"));
    bench.pass(60);
    let ack = bench.sp_got();
    assert_eq!((ack.kind, ack.status), (Kind::PropertyPolicySetAck, Ie::Is(Code::NOT_RESPONDING)));
    assert_eq!(bench.gate_size(), before);
    // The set did arrive after all: what should not be there is released.
    let first = bench.client_got();
    bench.to_client.clear();
    bench.dpe2(&answer(&client, &first));
    assert_eq!(bench.client_got().policy_id, first.policy_id);
}

#[test]
fn an_acknowledgement_that_names_another_policy_is_not_believed() {
    let (mut bench, client) = bench();
    bench.dpe3(&property_policy("10", &client, "low"));
    let asked = bench.client_got();
    let mut wrong = answer(&client, &asked);
    wrong.policy_id = token("p1");
    assert_eq!(bench.dpe2(&wrong).unwrap().status, Ie::Is(Code::POLICY_ID_NOT_REGISTERED));
    wrong.policy_id = Ie::Absent;
    assert_eq!(bench.dpe2(&wrong), None);
    assert_eq!(bench.client_got().policy_id, asked.policy_id, "repeated with the same policy");
    assert!(bench.to_sp.is_empty());
}

#[test]
fn reports_of_a_policy_that_needed_two_tries_may_carry_either_message_id() {
    let (mut bench, client) = bench();
    bench.dpe3(&property_policy("10", &client, "low"));
    bench.pass(30);
    let (first, second) = (bench.client_got(), bench.client_got());
    let mut ack = answer(&client, &second);
    ack.status = Code::POLICY_ID_REPEATED.into();
    bench.dpe2(&ack);
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
    assert_eq!(bench.dpe2(&report(&client, &first, &["batteryLevel"])), None);
    assert_eq!(bench.sp_got().kind, Kind::PropertyReport);
}

#[test]
fn at_its_end_the_client_is_told_to_release_a_policy_and_the_sp_that_it_expired() {
    for (policy, kind) in [
        (property_policy as fn(&str, &ClientId, &str) -> Message, Kind::PropertyReport),
        (|id, client, policy| group_policy(id, client, policy, "screen"), Kind::GroupReport),
    ] {
        let (mut bench, client) = bench();
        let before = bench.gate_size();
        let mut message = policy("10", &client, "p");
        message.duration = Ie::Is(100);
        let asked = set(&mut bench, &client, &message);
        bench.pass(99);
        assert!(bench.to_sp.is_empty());
        bench.pass(1);
        let told = bench.sp_got();
        assert_eq!((told.kind, told.status), (kind, Ie::Is(Code::POLICY_EXPIRED)));
        assert_eq!((told.message_id, told.policy_id), (token("10"), token("p")));
        assert!(told.results.is_empty());
        let release_of = bench.client_got();
        assert_eq!((release_of.kind, &release_of.policy_id), (Kind::PolicyRelease, &asked.policy_id));
        // A late report is dropped without a word.
        assert_eq!(bench.dpe2(&report(&client, &asked, &["batteryLevel"])), None);
        assert!(bench.to_sp.is_empty() && bench.to_client.is_empty());
        bench.dpe2(&answer(&client, &release_of));
        assert_eq!(bench.gate_size(), before, "both identifiers and the Message-ID are free");
        assert_eq!(bench.refused(&release("11", &client, "p")), Code::POLICY_EXPIRED);
        bench.pass(1000);
        assert!(bench.to_sp.is_empty(), "it expires once");
        set(&mut bench, &client, &policy("10", &client, "p"));
    }
}

#[test]
fn the_release_of_an_expired_policy_is_repeated_a_few_times_and_the_sp_never_waits_for_it() {
    let (mut bench, client) = bench();
    let mut message = property_policy("10", &client, "p");
    message.duration = Ie::Is(100);
    set(&mut bench, &client, &message);
    bench.pass(100);
    assert_eq!(bench.sp_got().status, Ie::Is(Code::POLICY_EXPIRED));
    bench.pass(1000);
    assert_eq!(bench.to_client.len(), 4, "once and three repetitions");
    bench.to_client.clear();
    // When the client is there again, what is left on it is released.
    bench.dpe3(&query("11", &client, &["muted"]));
    let asked = bench.client_got();
    bench.dpe2(&answer(&client, &asked));
    assert_eq!(bench.client_got().kind, Kind::PolicyRelease);
}

#[test]
fn after_a_while_the_release_of_an_expired_policy_is_that_of_an_unknown_one() {
    let (mut bench, client) = bench();
    let mut message = property_policy("10", &client, "p");
    message.duration = Ie::Is(100);
    set(&mut bench, &client, &message);
    bench.pass(100);
    bench.serve();
    bench.sp_got();
    bench.pass(86_400);
    assert_eq!(bench.refused(&release("11", &client, "p")), Code::POLICY_ID_NOT_REGISTERED);
}

#[test]
fn a_release_that_is_under_way_wins_over_the_end_of_the_policy() {
    let (mut bench, client) = bench();
    let mut message = property_policy("10", &client, "p");
    message.duration = Ie::Is(100);
    set(&mut bench, &client, &message);
    bench.pass(95);
    bench.dpe3(&release("11", &client, "p"));
    let asked = bench.client_got();
    bench.pass(10);
    assert!(bench.to_sp.is_empty());
    bench.dpe2(&answer(&client, &asked));
    let ack = bench.sp_got();
    assert_eq!((ack.kind, ack.status), (Kind::PolicyReleaseAck, Ie::Is(Code::OK)));
    assert!(bench.to_sp.is_empty());
}

#[test]
fn the_duration_may_begin_with_the_request() {
    let mut bench = Bench::new(|config| config.policy.duration_start = DurationStart::Request);
    let client = bench.registered(IMEI, None);
    let mut message = property_policy("10", &client, "p");
    message.duration = Ie::Is(100);
    bench.dpe3(&message);
    bench.pass(20);
    let asked = bench.client_got();
    bench.dpe2(&answer(&client, &asked));
    bench.sp_got();
    bench.pass(80);
    assert_eq!(bench.sp_got().status, Ie::Is(Code::POLICY_EXPIRED));
}

#[test]
fn a_release_needs_a_policy_of_this_sp_and_client() {
    let (mut bench, client) = bench();
    set(&mut bench, &client, &property_policy("10", &client, "low"));
    assert_eq!(bench.refused(&ask(Kind::PolicyRelease, "11", &client)), Code::POLICY_ID_MISSING);
    for id in ["none", "*"] {
        assert_eq!(bench.refused(&release("11", &client, id)), Code::POLICY_ID_NOT_REGISTERED);
    }
    let mut foreign = release("11", &client, "low");
    foreign.sp_id = token("sp-2");
    bench.dpe3_raw(&source("192.0.2.20"), &body(&foreign));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::POLICY_ID_NOT_REGISTERED));
}

#[test]
fn only_after_the_clients_confirmation_a_policy_is_gone() {
    let (mut bench, client) = bench();
    let asked = set(&mut bench, &client, &property_policy("10", &client, "low"));
    bench.dpe3(&release("11", &client, "low"));
    assert_eq!(bench.client_got().policy_id, asked.policy_id);
    bench.pass(60);
    let ack = bench.sp_got();
    assert_eq!((ack.kind, ack.status), (Kind::PolicyReleaseAck, Ie::Is(Code::NOT_RESPONDING)));
    bench.to_client.clear();
    assert_eq!(bench.dpe2(&report(&client, &asked, &["batteryLevel"])), None);
    assert_eq!(bench.sp_got().kind, Kind::PropertyReport, "it still reports");
    assert_eq!(bench.done(&release("12", &client, "low")).status, Ie::Is(Code::OK));
}

#[test]
fn faulty_reports_are_dropped_and_nothing_is_repeated() {
    let (mut bench, client) = bench();
    let asked = set(&mut bench, &client, &property_policy("10", &client, "low"));
    let good = report(&client, &asked, &["batteryLevel"]);
    for (fault, code) in [
        ((|said| said.status = Ie::Absent) as fn(&mut Message), Code::STATUS_MISSING),
        (|said| said.status = Code(41).into(), Code::STATUS_ERROR),
        (|said| said.results.clear(), Code::RESULT_MISSING),
        (|said| said.results[0].name = name("muted").into(), Code::RESULT_UNKNOWN),
    ] {
        let mut faulty = good.clone();
        fault(&mut faulty);
        assert_eq!(bench.dpe2(&faulty), None);
        assert_eq!(bench.device_reports.last(), Some(&Report::Faulty(Some(Kind::PropertyReport), code)));
        assert!(bench.to_sp.is_empty() && bench.to_client.is_empty());
    }
    let mut faulty = good.clone();
    faulty.policy_id = Ie::Absent;
    assert_eq!(bench.dpe2(&faulty).unwrap().status, Ie::Is(Code::POLICY_ID_MISSING));
    let mut wrong_kind = good.clone();
    wrong_kind.kind = Kind::GroupReport;
    assert_eq!(bench.dpe2(&wrong_kind).unwrap().status, Ie::Is(Code::MESSAGE_TYPE_UNKNOWN));
    assert_eq!(bench.dpe2(&good), None);
    assert_eq!(bench.sp_got().kind, Kind::PropertyReport);
}

#[test]
fn a_report_of_an_unknown_policy_is_an_error_and_the_policy_is_released() {
    let (mut bench, client) = bench();
    let asked = set(&mut bench, &client, &property_policy("10", &client, "low"));
    let mut said = report(&client, &asked, &["batteryLevel"]);
    said.policy_id = token("p77");
    let error = bench.dpe2(&said).unwrap();
    assert_eq!((error.kind, error.status), (Kind::Error, Ie::Is(Code::POLICY_ID_NOT_REGISTERED)));
    assert_eq!(error.offending_type, Ie::Is("DPE_Property_Report".into()));
    let clean = bench.client_got();
    assert_eq!((clean.kind, clean.policy_id), (Kind::PolicyRelease, token("p77")));
    said.message_id = token("4711");
    assert_eq!(bench.dpe2(&said).unwrap().status, Ie::Is(Code::MESSAGE_ID_NOT_REGISTERED));
    assert!(bench.to_sp.is_empty());
    let mut quiet = Bench::new(|config| config.policy.release_unknown = false);
    let client = quiet.registered(IMEI, None);
    let mut said = report(&client, &asked, &["batteryLevel"]);
    said.client_id = Ie::Is((&client).into());
    assert_eq!(quiet.dpe2(&said).unwrap().status, Ie::Is(Code::MESSAGE_ID_NOT_REGISTERED));
    assert!(quiet.to_client.is_empty());
}

#[test]
fn no_later_request_has_the_message_id_of_a_policy() {
    let (mut bench, client) = bench();
    let asked = set(&mut bench, &client, &property_policy("10", &client, "low"));
    let mut used = vec![asked.message_id];
    for _ in 0..50 {
        bench.dpe3(&query("11", &client, &["muted"]));
        let next = bench.client_got();
        assert!(!used.contains(&next.message_id));
        bench.dpe2(&answer(&client, &next));
        bench.sp_got();
        used.push(next.message_id);
    }
}
