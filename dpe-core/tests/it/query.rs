//! Queries end to end: forwarding, translation, flow control, silence, and what a client may get wrong.

use dpe_core::{
    codes::Code,
    ids::ClientId,
    server::device::Report,
    wire::{Ie, Kind, Message, ResultIe},
};

use crate::bench::{Bench, IMEI, answer, ask, body, group, name, query, result, source, token};

fn bench() -> (Bench, ClientId) {
    let mut bench = Bench::new(|_| {});
    let client = bench.registered(IMEI, None);
    (bench, client)
}

#[test]
fn a_property_query_goes_to_the_client_under_a_new_message_id_and_its_result_comes_back_under_the_old() {
    let (mut bench, client) = bench();
    bench.dpe3(&query("1001", &client, &["batteryLevel"]));
    let asked = bench.client_got();
    assert_eq!(asked.kind, Kind::PropertyQuery);
    assert_ne!(asked.message_id, token("1001"));
    assert_eq!((asked.client_id.clone(), asked.sp_id.clone()), (Ie::Is((&client).into()), Ie::Absent));
    assert_eq!(asked.property_names, [Ie::Is(name("batteryLevel"))]);
    assert_eq!(bench.dpe2(&answer(&client, &asked)), None);
    let result = bench.sp_got();
    let mut expected = Message::new(Kind::PropertyResult);
    expected.message_id = token("1001");
    expected.sp_id = token("sp");
    expected.client_id = Ie::Is((&client).into());
    expected.results = vec![crate::bench::result(&name("batteryLevel"))];
    expected.status = Code::OK.into();
    assert_eq!(result, expected);
}

#[test]
fn after_its_answer_a_message_id_is_free_again_and_nothing_is_left() {
    let (mut bench, client) = bench();
    let before = (bench.device(&client).size(), bench.gate_size());
    for _ in 0..3 {
        assert_eq!(bench.done(&query("1", &client, &["batteryLevel"])).status, Ie::Is(Code::OK));
    }
    assert_eq!((bench.device(&client).size(), bench.gate_size()), before);
}

#[test]
fn two_sps_may_use_the_same_message_id_and_names() {
    let (mut bench, client) = bench();
    let mut other = query("1", &client, &["muted"]);
    other.sp_id = token("sp-2");
    bench.dpe3(&query("1", &client, &["batteryLevel"]));
    bench.dpe3_raw(&source("192.0.2.20"), &body(&other));
    bench.serve();
    let (first, second) = (bench.to_sp.pop_front().unwrap(), bench.to_sp.pop_front().unwrap());
    assert_eq!((first.0.as_str(), second.0.as_str()), ("sp", "sp-2"));
    assert_eq!(first.1.results, [result(&name("batteryLevel"))]);
    assert_eq!(second.1.results, [result(&name("muted"))]);
}

#[test]
fn one_request_is_out_at_a_time_and_the_next_waits_for_the_answer() {
    let (mut bench, client) = bench();
    for id in ["1", "2", "3"] {
        bench.dpe3(&query(id, &client, &["batteryLevel"]));
    }
    for id in ["1", "2", "3"] {
        let asked = bench.client_got();
        assert!(bench.to_client.is_empty());
        bench.dpe2(&answer(&client, &asked));
        assert_eq!(bench.sp_got().message_id, token(id));
    }
}

#[test]
fn a_repeated_message_id_is_told_and_leaves_the_older_dialogue_alone() {
    let (mut bench, client) = bench();
    bench.dpe3(&query("1", &client, &["batteryLevel"]));
    bench.dpe3(&query("1", &client, &["muted"]));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::MESSAGE_ID_REPEATED));
    bench.serve();
    let answer = bench.sp_got();
    assert_eq!((answer.status, answer.results), (Ie::Is(Code::OK), vec![result(&name("batteryLevel"))]));
}

#[test]
fn an_unknown_client_id_is_told_in_the_answer() {
    let (mut bench, _) = bench();
    let stranger = ClientId::try_from("nobody").unwrap();
    assert_eq!(bench.refused(&query("1", &stranger, &["batteryLevel"])), Code::CLIENT_ID_NOT_REGISTERED);
    assert_eq!(bench.gate_size(), 0);
}

#[test]
fn a_silent_client_is_asked_again_and_then_the_sp_gets_39() {
    let (mut bench, client) = bench();
    let before = bench.device(&client).size();
    bench.dpe3(&query("1", &client, &["batteryLevel"]));
    bench.pass(29);
    assert_eq!(bench.to_client.len(), 1);
    bench.pass(1);
    assert_eq!(bench.to_client.len(), 2, "asked again after the no-reply time");
    let (first, second) = (bench.client_got(), bench.client_got());
    assert_ne!(first.message_id, second.message_id);
    bench.pass(30);
    let answer = bench.sp_got();
    assert_eq!((answer.kind, answer.status), (Kind::PropertyResult, Ie::Is(Code::NOT_RESPONDING)));
    assert_eq!(answer.message_id, token("1"));
    // Late answers are dropped, to any of the requests.
    for asked in [&first, &second] {
        assert_eq!(bench.dpe2(&crate::bench::answer(&client, asked)), None);
        assert_eq!(bench.device_reports.last(), Some(&Report::Late(Kind::PropertyResult)));
    }
    assert!(bench.to_sp.is_empty());
    bench.pass(300);
    assert_eq!(bench.device(&client).size(), before + 2, "tombstones go with the next step");
    bench.done(&query("2", &client, &["batteryLevel"]));
    assert_eq!(bench.device(&client).size(), before);
}

#[test]
fn the_no_reply_time_is_configurable() {
    let mut bench = Bench::new(|config| {
        config.dpe2.noreply_timeout = core_kit::Millis::from_secs(5);
        config.dpe2.ack_retries = 0;
    });
    let client = bench.registered(IMEI, None);
    bench.dpe3(&query("1", &client, &["batteryLevel"]));
    bench.pass(4);
    assert!(bench.to_sp.is_empty());
    bench.pass(1);
    assert_eq!(bench.sp_got().status, Ie::Is(Code::NOT_RESPONDING));
}

#[test]
fn an_answer_to_the_first_try_is_as_good_as_one_to_the_second() {
    let (mut bench, client) = bench();
    bench.dpe3(&query("1", &client, &["batteryLevel"]));
    let first = bench.client_got();
    bench.pass(30);
    bench.dpe2(&answer(&client, &first));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
}

#[test]
fn an_unreachable_client_is_not_waited_for() {
    let (mut bench, client) = bench();
    bench.dpe3(&query("1", &client, &["batteryLevel"]));
    for _ in 0..2 {
        let env = bench.env();
        for effect in bench.router.unreachable(&env, &client).unwrap() {
            if let dpe_core::server::router::Effect::ToSp(_, message) = effect {
                bench.to_sp.push_back(("sp".try_into().unwrap(), crate::bench::read(&message.body)));
            }
        }
    }
    assert_eq!(bench.sp_got().status, Ie::Is(Code::NOT_RESPONDING));
}

#[test]
fn a_request_that_waits_too_long_or_finds_no_room_gets_39() {
    let mut bench = Bench::new(|config| {
        config.dpe2.queue_max = 2;
        config.dpe2.queue_max_wait = core_kit::Millis::from_secs(20);
    });
    let client = bench.registered(IMEI, None);
    for id in ["1", "2", "3"] {
        bench.dpe3(&query(id, &client, &["batteryLevel"]));
    }
    assert!(bench.to_sp.is_empty());
    bench.dpe3(&query("4", &client, &["batteryLevel"]));
    let full = bench.sp_got();
    assert_eq!((full.message_id, full.status), (token("4"), Ie::Is(Code::NOT_RESPONDING)));
    bench.pass(20);
    for id in ["2", "3"] {
        let late = bench.sp_got();
        assert_eq!((late.message_id, late.status), (token(id), Ie::Is(Code::NOT_RESPONDING)));
    }
}

#[test]
fn a_property_that_the_device_lacks_is_told_in_its_result() {
    let (mut bench, client) = bench();
    bench.dpe3(&query("1", &client, &["batteryLevel", "muted"]));
    let asked = bench.client_got();
    let mut partial = answer(&client, &asked);
    partial.results[1].status = Code::NOT_SUPPORTED.into();
    partial.results[1].values = Ie::Absent;
    bench.dpe2(&partial);
    let told = bench.sp_got();
    assert_eq!(told.status, Ie::Is(Code::OK));
    assert_eq!(told.results, partial.results);
}

/// Sends a query, answers it three times with a fault, and gives what the SP gets in the end.
fn after_faults(fault: impl Fn(&mut Message), code: Code) -> Message {
    let (mut bench, client) = bench();
    bench.dpe3(&query("1", &client, &["batteryLevel", "muted"]));
    for _ in 0..3 {
        let asked = bench.client_got();
        let mut faulty = answer(&client, &asked);
        fault(&mut faulty);
        bench.dpe2(&faulty);
        assert_eq!(bench.device_reports.last(), Some(&Report::Faulty(Some(Kind::PropertyResult), code)));
    }
    assert!(bench.to_client.is_empty(), "repeated as often as configured");
    bench.sp_got()
}

#[test]
fn a_faulty_answer_makes_the_server_repeat_and_in_the_end_the_usable_part_is_told() {
    let told = after_faults(|answer| drop(answer.results.pop()), Code::RESULT_MISSING);
    assert_eq!(told.results[0], result(&name("batteryLevel")));
    assert_eq!(told.results[1].status, Ie::Is(Code::RESULT_MISSING));
    let told = after_faults(|answer| answer.results[1].name = name("volumeLevel").into(), Code::RESULT_UNKNOWN);
    assert_eq!(told.results[1].name, Ie::Is(name("muted")));
    assert_eq!(told.results[1].status, Ie::Is(Code::RESULT_MISSING));
    let told = after_faults(|answer| answer.results[1].status = Ie::Absent, Code::STATUS_MISSING);
    assert_eq!(told.results[0].status, Ie::Is(Code::OK));
}

#[test]
fn where_nothing_of_the_answers_can_be_used_the_sp_gets_39() {
    for (fault, code) in [
        ((|answer| answer.status = Ie::Absent) as fn(&mut Message), Code::STATUS_MISSING),
        (|answer| answer.status = Code(77).into(), Code::STATUS_ERROR),
        (|answer| answer.results.clear(), Code::RESULT_MISSING),
        (|answer| answer.results = vec![ResultIe::default(); 2], Code::PROPERTY_NAME_MISSING),
    ] {
        let told = after_faults(fault, code);
        assert_eq!((told.status, told.results.len()), (Ie::Is(Code::NOT_RESPONDING), 0), "{code}");
    }
}

#[test]
fn the_number_of_repetitions_is_configurable_and_a_good_answer_ends_them() {
    let mut bench = Bench::new(|config| config.dpe2.bad_format_retries = 1);
    let client = bench.registered(IMEI, None);
    bench.dpe3(&query("1", &client, &["batteryLevel"]));
    let first = bench.client_got();
    let mut faulty = answer(&client, &first);
    faulty.status = Ie::Absent;
    bench.dpe2(&faulty);
    let second = bench.client_got();
    assert_ne!(first.message_id, second.message_id);
    bench.dpe2(&answer(&client, &second));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
    bench.dpe3(&query("2", &client, &["batteryLevel"]));
    for _ in 0..2 {
        let asked = bench.client_got();
        let mut faulty = answer(&client, &asked);
        faulty.status = Ie::Absent;
        bench.dpe2(&faulty);
    }
    assert_eq!(bench.sp_got().status, Ie::Is(Code::NOT_RESPONDING));
}

#[test]
fn an_error_of_the_client_is_passed_on_unchanged() {
    let (mut bench, client) = bench();
    bench.dpe3(&query("1", &client, &["batteryLevel"]));
    let mut refusal = answer(&client, &bench.client_got());
    refusal.results.clear();
    refusal.status = Code::PROPERTY_NAME_MISSING.into();
    bench.dpe2(&refusal);
    assert_eq!(bench.sp_got().status, Ie::Is(Code::PROPERTY_NAME_MISSING));
}

#[test]
fn a_query_needs_names_that_sps_may_use() {
    let (mut bench, client) = bench();
    assert_eq!(bench.refused(&query("1", &client, &[])), Code::PROPERTY_NAME_MISSING);
    assert_eq!(bench.refused(&query("1", &client, &["shoeSize"])), Code::PROPERTY_NAME_UNKNOWN);
    assert_eq!(bench.refused(&query("1", &client, &["imei"])), Code::PROPERTY_NAME_UNKNOWN);
    let mut bench = Bench::new(|config| config.dpe.multi_property_query = false);
    let client = bench.registered(IMEI, None);
    assert_eq!(bench.refused(&query("1", &client, &["muted", "language"])), Code::PROPERTY_NAME_UNKNOWN);
    assert_eq!(bench.gate_size(), 0);
}

#[test]
fn a_group_query_needs_a_group_of_this_sp_and_client() {
    let (mut bench, client) = bench();
    bench.with_group(&client);
    let missing = ask(Kind::GroupQuery, "1", &client);
    assert_eq!(bench.refused(&missing), Code::GROUP_ID_MISSING);
    let other = bench.registered(crate::bench::IMEI_2, None);
    for (id, client) in [("none", &client), ("*", &client), ("screen", &other)] {
        assert_eq!(bench.refused(&group(Kind::GroupQuery, "1", client, id)), Code::GROUP_ID_NOT_REGISTERED);
    }
    let mut foreign = group(Kind::GroupQuery, "1", &client, "screen");
    foreign.sp_id = token("sp-2");
    bench.dpe3_raw(&source("192.0.2.20"), &body(&foreign));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::GROUP_ID_NOT_REGISTERED));
}

#[test]
fn a_group_query_is_translated_both_ways() {
    let (mut bench, client) = bench();
    bench.with_group(&client);
    bench.dpe3(&group(Kind::GroupQuery, "1", &client, "screen"));
    let asked = bench.client_got();
    assert_eq!(asked.kind, Kind::GroupQuery);
    assert_ne!(asked.group_id, token("screen"));
    let good = Bench::answer_of(&client, &asked);
    let mut foreign = good.clone();
    foreign.group_id = token("g1");
    let error = bench.dpe2(&foreign).unwrap();
    assert_eq!((error.kind, error.status), (Kind::Error, Ie::Is(Code::GROUP_ID_NOT_REGISTERED)));
    assert!(bench.to_sp.is_empty());
    bench.dpe2(&good);
    let told = bench.sp_got();
    assert_eq!((told.kind, told.group_id, told.results), (Kind::GroupResult, token("screen"), good.results));
}
