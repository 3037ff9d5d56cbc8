//! What crosses on its way: answers with time-outs, registrations with one another, sessions with their end.
//!
//! Each of these was found by the simulated world of `transport-sim`.

use core_kit::Millis;
use dpe_core::{
    codes::Code,
    config::{Config, SettingsSync},
    ids::ClientId,
    wire::{Ie, Kind, Message},
};

use crate::bench::{
    Bench, IMEI, IMEI_2, MSISDN, answer, group, group_policy, group_set, property_policy, query, release, success,
    token,
};

const IMEI_3: &str = "352099001761481";

/// A user on a first device with a group, a policy on a property and one on the group.
fn settled(change: impl FnOnce(&mut Config)) -> (Bench, ClientId) {
    let mut bench = Bench::new(change);
    let client = bench.registered(IMEI, Some(MSISDN));
    bench.with_group(&client);
    assert_eq!(bench.done(&property_policy("10", &client, "low")).status, Ie::Is(Code::OK));
    assert_eq!(bench.done(&group_policy("11", &client, "all", "screen")).status, Ie::Is(Code::OK));
    (bench, client)
}

/// Answers what is out; gives the kinds, in order.
fn served(bench: &mut Bench, client: &ClientId) -> Vec<Kind> {
    let mut kinds = Vec::new();
    while let Some((to, step)) = bench.to_client.pop_front() {
        assert_eq!(to, *client);
        bench.dpe2(&Bench::answer_of(client, &step));
        kinds.push(step.kind);
    }
    kinds
}

const WHOLE: [Kind; 5] =
    [Kind::GroupRelease, Kind::PolicyRelease, Kind::GroupSet, Kind::PropertyPolicySet, Kind::GroupPolicySet];

fn refusal(reply: Option<Message>) -> Option<Code> {
    reply?.status.into_option()
}

#[test]
fn an_answer_that_comes_with_its_own_time_out_is_not_followed_by_a_repetition() {
    let mut bench = Bench::new(|_| {});
    let client = bench.registered(IMEI, None);
    bench.dpe3(&query("1", &client, &["batteryLevel"]));
    bench.dpe3(&query("2", &client, &["volumeLevel"]));
    let asked = bench.client_got();
    // The time is over, and nobody has woken the machine yet.
    bench.now += 31_000;
    bench.dpe2(&answer(&client, &asked));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
    let next = bench.client_got();
    assert_eq!(next.property_names, [Ie::Is("volumeLevel".try_into().unwrap())]);
    assert!(bench.to_client.is_empty(), "one request at a time: {:?}", bench.to_client);
}

#[test]
fn a_registration_that_was_overtaken_on_its_device_cannot_be_completed_any_more() {
    let mut bench = Bench::new(|_| {});
    let first = bench.requested(IMEI, Some(MSISDN));
    let second = bench.requested(IMEI, None);
    assert_ne!(first, second);
    bench.dpe1(&success(&second, Code::OK));
    served(&mut bench, &second);
    assert_eq!(refusal(bench.dpe1(&success(&first, Code::OK))), Some(Code::CLIENT_ID_NOT_REGISTERED));
    let complete = bench.router.directory.associations().filter(|(_, known)| known.complete);
    assert_eq!(complete.map(|(client, _)| client.clone()).collect::<Vec<_>>(), [second]);
}

#[test]
fn a_registration_of_a_user_who_has_moved_on_cannot_be_completed_any_more() {
    let mut bench = Bench::new(|_| {});
    let first = bench.requested(IMEI, Some(MSISDN));
    bench.registered(IMEI_2, Some(MSISDN));
    assert_eq!(refusal(bench.dpe1(&success(&first, Code::OK))), Some(Code::CLIENT_ID_NOT_REGISTERED));
}

#[test]
fn of_two_registrations_of_a_user_the_later_one_has_the_settings_whichever_is_complete_first() {
    let (mut bench, _) = settled(|_| {});
    let second = bench.requested(IMEI_2, Some(MSISDN));
    let third = bench.requested(IMEI_3, Some(MSISDN));
    bench.dpe1(&success(&second, Code::OK));
    assert_eq!(served(&mut bench, &second), WHOLE);
    bench.dpe1(&success(&third, Code::OK));
    assert_eq!(served(&mut bench, &third), WHOLE);
    assert_eq!(bench.device(&third).settings(), (1, 2));
    let complete = bench.router.directory.associations().filter(|(_, known)| known.complete);
    assert_eq!(complete.count(), 1);
}

#[test]
fn a_user_who_declines_the_session_on_a_new_device_has_left_the_old_one() {
    let (mut bench, old) = settled(|_| {});
    let new = bench.requested(IMEI_2, Some(MSISDN));
    bench.dpe1(&success(&new, Code::SESSION_DECLINED));
    assert!(bench.router.directory.association(&old).is_none());
    bench.to_client.clear();
    // There is a session after all: what the client may have of another time is reset, and the settings come.
    assert_eq!(bench.requested(IMEI_2, Some(MSISDN)), new);
    bench.dpe1(&success(&new, Code::OK));
    assert_eq!(served(&mut bench, &new), WHOLE);
}

#[test]
fn a_first_session_after_a_declined_one_begins_with_a_reset() {
    let mut bench = Bench::new(|_| {});
    let client = bench.requested(IMEI, Some(MSISDN));
    bench.dpe1(&success(&client, Code::SESSION_DECLINED));
    assert_eq!(bench.requested(IMEI, Some(MSISDN)), client);
    bench.dpe1(&success(&client, Code::OK));
    assert_eq!(served(&mut bench, &client), [Kind::GroupRelease, Kind::PolicyRelease]);
}

#[test]
fn a_session_that_is_declined_while_settings_are_established_loses_none_of_them() {
    let (mut bench, client) = settled(|_| {});
    bench.requested(IMEI, Some(MSISDN));
    bench.dpe1(&success(&client, Code::OK));
    for kind in [Kind::GroupRelease, Kind::PolicyRelease, Kind::GroupSet] {
        let step = bench.client_got();
        assert_eq!(step.kind, kind);
        bench.dpe2(&answer(&client, &step));
    }
    assert_eq!(bench.client_got().kind, Kind::PropertyPolicySet);
    bench.requested(IMEI, Some(MSISDN));
    bench.dpe1(&success(&client, Code::SESSION_DECLINED));
    assert_eq!(bench.device(&client).settings(), (1, 2));
    bench.requested(IMEI, Some(MSISDN));
    bench.dpe1(&success(&client, Code::OK));
    assert_eq!(served(&mut bench, &client), WHOLE);
    bench.pass(3_600);
    let ended = bench.sp_got();
    assert_eq!((ended.policy_id, ended.status), (token("low"), Ie::Is(Code::POLICY_EXPIRED)));
}

#[test]
fn what_was_set_too_late_is_released_also_after_a_reset() {
    let mut bench = Bench::new(|_| {});
    let client = bench.registered(IMEI, Some(MSISDN));
    bench.dpe3(&group_set("1", &client, "screen", &["muted"]));
    bench.pass(70);
    let late = bench.client_got();
    assert_eq!(bench.sp_got().status, Ie::Is(Code::NOT_RESPONDING));
    bench.to_client.clear();
    bench.requested(IMEI, Some(MSISDN));
    bench.dpe1(&success(&client, Code::OK));
    assert_eq!(served(&mut bench, &client), [Kind::GroupRelease, Kind::PolicyRelease]);
    bench.dpe2(&answer(&client, &late));
    let release = bench.client_got();
    assert_eq!((release.kind, release.group_id), (Kind::GroupRelease, late.group_id));
}

#[test]
fn a_policy_whose_group_is_gone_when_settings_are_established_is_told_to_its_sp() {
    let (mut bench, client) = settled(|config| config.group.release_cascade = false);
    assert_eq!(bench.done(&group(Kind::GroupRelease, "20", &client, "screen")).status, Ie::Is(Code::OK));
    bench.requested(IMEI, Some(MSISDN));
    bench.dpe1(&success(&client, Code::OK));
    assert_eq!(served(&mut bench, &client), [Kind::GroupRelease, Kind::PolicyRelease, Kind::PropertyPolicySet]);
    let told = bench.sp_got();
    assert_eq!((told.policy_id, told.status), (token("all"), Ie::Is(Code::POLICY_ID_NOT_REGISTERED)));
}

#[test]
fn a_registration_that_is_asked_for_again_when_its_last_time_is_over_is_there_under_the_id_that_was_given() {
    let mut bench = Bench::new(|_| {});
    let client = bench.requested(IMEI, Some(MSISDN));
    // It was told three times to begin again, and the last wait is over; nobody has woken the machine yet.
    bench.pass(30 + 2 * 30);
    bench.to_client.clear();
    bench.now += 31_000;
    assert_eq!(bench.requested(IMEI, Some(MSISDN)), client);
    assert!(bench.to_client.is_empty(), "it is not told to do what it has just done: {:?}", bench.to_client);
    assert!(bench.router.directory.association(&client).is_some());
    assert_eq!(refusal(bench.dpe1(&success(&client, Code::OK))), None);
    assert!(bench.router.directory.association(&client).is_some_and(|known| known.complete));
}

/// A query is out, and releases wait behind it; then the client registers again, and the query is answered.
fn releasing_before_a_session(bench: &mut Bench, imei: &str, client: &ClientId, releases: &[Message]) {
    bench.dpe3(&query("20", client, &["batteryLevel"]));
    for release in releases {
        bench.dpe3(release);
    }
    let asked = bench.client_got();
    bench.requested(imei, Some(MSISDN));
    bench.dpe1(&success(client, Code::OK));
    assert_eq!(asked.kind, Kind::PropertyQuery);
    bench.dpe2(&answer(client, &asked));
    assert_eq!(bench.sp_got().message_id, token("20"));
}

#[test]
fn what_waited_to_be_released_is_released_with_everything_when_settings_are_established() {
    let (mut bench, client) = settled(|_| {});
    let releases = [release("21", &client, "low"), group(Kind::GroupRelease, "22", &client, "screen")];
    releasing_before_a_session(&mut bench, IMEI, &client, &releases);
    assert_eq!(served(&mut bench, &client), [Kind::GroupRelease, Kind::PolicyRelease]);
    let told = [bench.sp_got(), bench.sp_got()].map(|told| (told.message_id, told.status));
    assert_eq!(told, [(token("22"), Ie::Is(Code::OK)), (token("21"), Ie::Is(Code::OK))]);
    assert_eq!(bench.device(&client).settings(), (0, 0));
}

#[test]
fn what_was_not_released_in_time_is_set_again_with_the_next_registration() {
    let (mut bench, _) = settled(|config| {
        config.dpe2.queue_max_wait = Millis(20_000);
        config.reg.settings_sync = SettingsSync::OnChange;
    });
    // The user's next device says nothing, so that the settings are still to be established.
    let client = bench.requested(IMEI_2, Some(MSISDN));
    bench.dpe1(&success(&client, Code::OK));
    bench.pass(600);
    (bench.to_client, bench.to_sp) = Default::default();
    releasing_before_a_session(&mut bench, IMEI_2, &client, &[release("21", &client, "low")]);
    bench.pass(21);
    let told = bench.sp_got();
    assert_eq!((told.message_id, told.status), (token("21"), Ie::Is(Code::NOT_RESPONDING)));
    assert_eq!(
        served(&mut bench, &client),
        [Kind::GroupRelease, Kind::PolicyRelease, Kind::GroupSet, Kind::GroupPolicySet]
    );
    bench.requested(IMEI_2, Some(MSISDN));
    bench.dpe1(&success(&client, Code::OK));
    assert_eq!(served(&mut bench, &client), WHOLE);
}

/// A request is out, and nobody has it; then the client registers again.
fn asked_before_a_session(bench: &mut Bench, client: &ClientId, asked: &Message) -> Message {
    bench.dpe3(asked);
    let lost = bench.client_got();
    assert_eq!(lost.kind, asked.kind);
    begin_session(bench, client);
    lost
}

fn begin_session(bench: &mut Bench, client: &ClientId) {
    assert_eq!(bench.requested(IMEI, Some(MSISDN)), *client);
    assert_eq!(bench.dpe1(&success(client, Code::OK)), None);
}

#[test]
fn what_was_out_when_a_session_began_is_asked_again_when_the_settings_are_there() {
    let (mut bench, client) = settled(|_| {});
    let lost = asked_before_a_session(&mut bench, &client, &group(Kind::GroupQuery, "20", &client, "screen"));
    assert!(bench.to_client.is_empty(), "its time is not over");
    bench.dpe3(&query("21", &client, &["muted"]));
    bench.pass(31);
    assert_eq!(served(&mut bench, &client), [&WHOLE[..], &[Kind::GroupQuery, Kind::PropertyQuery]].concat());
    let told = [bench.sp_got(), bench.sp_got()].map(|told| (told.message_id, told.status));
    assert_eq!(
        told,
        [(token("20"), Ie::Is(Code::OK)), (token("21"), Ie::Is(Code::OK))],
        "in the order in which they came"
    );
    assert_eq!(bench.dpe2(&Bench::answer_of(&client, &lost)), None, "late, and dropped");
    assert!(bench.to_sp.is_empty());
}

#[test]
fn an_answer_from_before_a_session_is_none_to_a_query_that_asks_for_something_else_now() {
    let (mut bench, client) = settled(|config| config.cache.clear_on_registration = true);
    // The cache knows one of the two, until the session begins.
    bench.done(&query("20", &client, &["OSName"]));
    let lost = asked_before_a_session(&mut bench, &client, &query("21", &client, &["muted", "OSName"]));
    assert_eq!(lost.property_names.len(), 1);
    bench.pass(31);
    let mut asked = bench.client_got();
    while asked.kind != Kind::PropertyQuery {
        bench.dpe2(&answer(&client, &asked));
        asked = bench.client_got();
    }
    assert_eq!(asked.property_names.len(), 2);
    assert_eq!(bench.dpe2(&answer(&client, &lost)), None, "late, and dropped");
    assert!(bench.to_client.is_empty() && bench.to_sp.is_empty());
    bench.dpe2(&answer(&client, &asked));
    assert_eq!(bench.sp_got().results.len(), 2);
}

#[test]
fn an_answer_from_before_a_session_is_none_to_a_policy_whose_group_has_another_id_since() {
    let (mut bench, client) = settled(|_| {});
    let lost = asked_before_a_session(&mut bench, &client, &group_policy("20", &client, "dark", "screen"));
    bench.pass(31);
    for kind in WHOLE {
        let step = bench.client_got();
        assert_eq!(step.kind, kind);
        bench.dpe2(&answer(&client, &step));
    }
    let asked = bench.client_got();
    assert_eq!(asked.policy_id, lost.policy_id);
    assert_ne!(asked.group_id, lost.group_id);
    let mut late = answer(&client, &lost);
    late.status = Ie::Is(Code::GROUP_ID_NOT_REGISTERED);
    assert_eq!(bench.dpe2(&late), None, "late, and dropped");
    assert!(bench.to_client.is_empty() && bench.to_sp.is_empty());
    bench.dpe2(&answer(&client, &asked));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
}

#[test]
fn what_was_set_before_a_session_went_with_its_reset_and_is_set_again() {
    for is_late in [false, true] {
        let (mut bench, client) = settled(|_| {});
        for request in [group_set("20", &client, "dark", &["muted"]), property_policy("21", &client, "full")] {
            let lost = asked_before_a_session(&mut bench, &client, &request);
            bench.pass(31);
            let mut asked = bench.client_got();
            while asked.group_id != lost.group_id || asked.policy_id != lost.policy_id {
                bench.dpe2(&answer(&client, &asked));
                asked = bench.client_got();
            }
            if is_late {
                assert_eq!(bench.dpe2(&answer(&client, &lost)), None, "late, and dropped");
            }
            assert!(bench.to_client.is_empty() && bench.to_sp.is_empty());
            bench.dpe2(&answer(&client, &asked));
            let told = bench.sp_got();
            assert_eq!((told.message_id, told.status), (request.message_id, Ie::Is(Code::OK)));
        }
        assert_eq!(bench.device(&client).settings(), (2, 3));
    }
}

#[test]
fn a_policy_that_waits_for_a_group_which_the_client_refuses_is_refused_and_reports_nothing() {
    let (mut bench, client) = settled(|_| {});
    asked_before_a_session(&mut bench, &client, &group_policy("20", &client, "dark", "screen"));
    bench.pass(31);
    let mut asked = bench.client_got();
    while asked.kind != Kind::GroupSet {
        bench.dpe2(&answer(&client, &asked));
        asked = bench.client_got();
    }
    let mut refused = answer(&client, &asked);
    refused.status = Ie::Is(Code::PROPERTY_NAME_MISSING);
    bench.dpe2(&refused);
    assert_eq!(served(&mut bench, &client), [Kind::PropertyPolicySet], "nothing is there to set the other two on");
    let told = [bench.sp_got(), bench.sp_got()].map(|told| (told.kind, told.policy_id, told.status));
    assert_eq!(
        told,
        [
            (Kind::GroupReport, token("all"), Ie::Is(Code::POLICY_ID_NOT_REGISTERED)),
            (Kind::GroupPolicySetAck, token("dark"), Ie::Is(Code::GROUP_ID_NOT_REGISTERED))
        ]
    );
    assert!(bench.to_sp.is_empty());
    assert_eq!(bench.device(&client).settings(), (0, 1));
}

#[test]
fn what_a_client_has_not_got_yet_when_a_session_begins_is_not_taken_to_be_gone() {
    let (mut bench, client) = settled(|_| {});
    let lost = asked_before_a_session(&mut bench, &client, &group(Kind::GroupQuery, "20", &client, "screen"));
    let unknown = |lost: &Message, code: Code| {
        let mut unknown = answer(&client, lost);
        unknown.status = Ie::Is(code);
        unknown
    };
    bench.dpe2(&unknown(&lost, Code::GROUP_ID_NOT_REGISTERED));
    assert!(bench.to_sp.is_empty());
    assert_eq!(served(&mut bench, &client), [&WHOLE[..], &[Kind::GroupQuery]].concat());
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
    // What is to be released goes with the reset.
    let lost = asked_before_a_session(&mut bench, &client, &release("21", &client, "low"));
    bench.dpe2(&unknown(&lost, Code::POLICY_ID_NOT_REGISTERED));
    let whole_but_one = [Kind::GroupRelease, Kind::PolicyRelease, Kind::GroupSet, Kind::GroupPolicySet];
    assert_eq!(served(&mut bench, &client), whole_but_one);
    let told = bench.sp_got();
    assert_eq!((told.message_id, told.status), (token("21"), Ie::Is(Code::OK)));
    // Without a session that begins, the client is believed.
    bench.dpe3(&group(Kind::GroupQuery, "22", &client, "screen"));
    let asked = bench.client_got();
    bench.dpe2(&unknown(&asked, Code::GROUP_ID_NOT_REGISTERED));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::GROUP_ID_NOT_REGISTERED));
}

#[test]
fn a_client_that_begins_sessions_without_end_does_not_keep_an_sp_waiting() {
    let (mut bench, client) = settled(|_| {});
    bench.dpe3(&group(Kind::GroupQuery, "20", &client, "screen"));
    for round in 0..2 {
        assert_eq!(bench.client_got().kind, Kind::GroupQuery);
        begin_session(&mut bench, &client);
        assert!(bench.to_sp.is_empty(), "{round}");
        bench.pass(31);
        while bench.to_client.front().is_some_and(|(_, step)| step.kind != Kind::GroupQuery) {
            let (_, step) = bench.to_client.pop_front().unwrap();
            bench.dpe2(&answer(&client, &step));
        }
    }
    let told = bench.sp_got();
    assert_eq!((told.message_id, told.status), (token("20"), Ie::Is(Code::NOT_RESPONDING)));
    assert!(bench.to_sp.is_empty());
}

#[test]
fn a_synchronisation_that_fails_does_not_take_along_the_one_of_the_next_session() {
    for is_refused in [false, true] {
        let (mut bench, client) = settled(|_| {});
        begin_session(&mut bench, &client);
        bench.pass(95);
        assert_eq!(bench.to_client.len(), 4, "the first step and three repetitions");
        let (_, last) = bench.to_client.pop_back().unwrap();
        bench.to_client.clear();
        begin_session(&mut bench, &client);
        if is_refused {
            let mut refusal = answer(&client, &last);
            refusal.status = Ie::Is(Code::INTERNAL_ERROR);
            bench.dpe2(&refusal);
        } else {
            bench.pass(31);
        }
        assert_eq!(served(&mut bench, &client), WHOLE, "{is_refused}");
        assert_eq!(bench.device(&client).settings(), (1, 2));
    }
}

#[test]
fn what_a_synchronisation_has_not_set_is_not_taken_to_be_gone_and_is_released_by_that() {
    let (mut bench, client) = settled(|_| {});
    begin_session(&mut bench, &client);
    for kind in [Kind::GroupRelease, Kind::PolicyRelease] {
        let step = bench.client_got();
        assert_eq!(step.kind, kind);
        bench.dpe2(&answer(&client, &step));
    }
    // The client has nothing now, and is silent when its group is to be set again.
    bench.pass(4 * 31);
    bench.to_client.clear();
    for (request, code, told) in [
        (group(Kind::GroupQuery, "20", &client, "screen"), Code::GROUP_ID_NOT_REGISTERED, Code::NOT_RESPONDING),
        (group_policy("21", &client, "dark", "screen"), Code::GROUP_ID_NOT_REGISTERED, Code::NOT_RESPONDING),
        (release("22", &client, "low"), Code::POLICY_ID_NOT_REGISTERED, Code::OK),
    ] {
        bench.dpe3(&request);
        let asked = bench.client_got();
        assert_eq!(asked.kind, request.kind);
        let mut unknown = answer(&client, &asked);
        unknown.status = Ie::Is(code);
        bench.dpe2(&unknown);
        let answered = bench.sp_got();
        assert_eq!((answered.message_id, answered.status), (request.message_id, Ie::Is(told)));
    }
    // The next session sets what is left: the group, and the policy on it.
    begin_session(&mut bench, &client);
    let rest = [Kind::GroupRelease, Kind::PolicyRelease, Kind::GroupSet, Kind::GroupPolicySet];
    assert_eq!(served(&mut bench, &client), rest);
    // With everything set, the client is believed.
    bench.dpe3(&group(Kind::GroupQuery, "23", &client, "screen"));
    let mut unknown = answer(&client, &bench.client_got());
    unknown.status = Ie::Is(Code::GROUP_ID_NOT_REGISTERED);
    bench.dpe2(&unknown);
    assert_eq!(bench.sp_got().status, Ie::Is(Code::GROUP_ID_NOT_REGISTERED));
}
