//! Device change, obsolete Client-IDs, Client ID reports, and that no identity crosses DPE-3.

use dpe_core::{
    codes::Code,
    config::{Assignment, Audience, Config, ObsoleteAction, Restore, SettingsSync},
    ids::ClientId,
    server::device::{Item, Question, table::PhaseKind},
    wire::{Identity, Ie, Kind, Message},
};

use crate::bench::{
    Bench, IMEI, IMEI_2, MSISDN, answer, group, group_policy, name, property_policy, query, report, success, token,
};

/// A user on a first device with a group, a policy on a property and one on the group.
fn settled(change: impl FnOnce(&mut Config)) -> (Bench, ClientId) {
    let mut bench = Bench::new(change);
    let client = bench.registered(IMEI, Some(MSISDN));
    bench.with_group(&client);
    assert_eq!(bench.done(&property_policy("10", &client, "low")).status, Ie::Is(Code::OK));
    assert_eq!(bench.done(&group_policy("11", &client, "all", "screen")).status, Ie::Is(Code::OK));
    (bench, client)
}

/// Registers and answers every step of the synchronisation; gives the Client-ID and the steps.
fn synchronised(bench: &mut Bench, imei: &str, user: Option<&str>) -> (ClientId, Vec<Message>) {
    let client = bench.requested(imei, user);
    assert_eq!(bench.dpe1(&success(&client, Code::OK)), None);
    let mut steps = Vec::new();
    while let Some((to, step)) = bench.to_client.pop_front() {
        assert_eq!(to, client);
        assert!(bench.to_client.is_empty(), "one at a time");
        assert_eq!(bench.dpe2(&answer(&client, &step)), None);
        steps.push(step);
    }
    (client, steps)
}

fn kinds(steps: &[Message]) -> Vec<Kind> {
    steps.iter().map(|step| step.kind).collect()
}

const RESET: [Kind; 2] = [Kind::GroupRelease, Kind::PolicyRelease];
const WHOLE: [Kind; 5] =
    [Kind::GroupRelease, Kind::PolicyRelease, Kind::GroupSet, Kind::PropertyPolicySet, Kind::GroupPolicySet];

#[test]
fn a_new_user_on_a_new_device_begins_with_a_reset() {
    let mut bench = Bench::new(|_| {});
    let (_, steps) = synchronised(&mut bench, IMEI, Some(MSISDN));
    assert_eq!(kinds(&steps), RESET);
    assert_eq!((&steps[0].group_id, &steps[1].policy_id), (&token("*"), &token("*")));
    assert!(bench.to_sp.is_empty(), "nobody knew the user");
}

#[test]
fn the_settings_of_a_user_follow_to_another_device_and_the_sps_are_told() {
    let (mut bench, old) = settled(|_| {});
    bench.pass(600);
    let (new, steps) = synchronised(&mut bench, IMEI_2, Some(MSISDN));
    assert_ne!(new, old);
    assert_eq!(kinds(&steps), WHOLE);
    assert_eq!((&steps[0].group_id, &steps[1].policy_id), (&token("*"), &token("*")));
    assert_eq!(steps[2].property_names.len(), 2);
    assert_eq!(steps[3].duration, Ie::Is(3000), "the rest of its time");
    assert_eq!(steps[4].group_id, steps[2].group_id);
    let told = bench.sp_got();
    assert_eq!(told.kind, Kind::ClientIdReport);
    assert!(told.message_id.get().is_some_and(|id| id.as_str().parse::<u64>().is_ok()));
    assert_eq!(told.clients, Ie::Is(vec![(&new).into()]));
    assert_eq!(told.replaces, Ie::Is(vec![(&old).into()]));
    assert_eq!(told.users.get().map(Vec::len), Some(1));
    assert!(bench.to_sp.is_empty(), "once");
    // The SP's own names, Message-ID and the end of the policy are what they were.
    bench.dpe2(&report(&new, &steps[3], &["batteryLevel"]));
    let reported = bench.sp_got();
    assert_eq!((reported.policy_id, reported.message_id), (token("low"), token("10")));
    assert_eq!(reported.client_id, Ie::Is((&new).into()));
    assert_eq!(bench.done(&group(Kind::GroupQuery, "20", &new, "screen")).status, Ie::Is(Code::OK));
    bench.pass(3000);
    let expired = bench.sp_got();
    assert_eq!((expired.policy_id, expired.status), (token("low"), Ie::Is(Code::POLICY_EXPIRED)));
    assert_eq!(bench.device(&old).phase(), PhaseKind::Retired);
}

#[test]
fn requests_wait_until_the_settings_are_there() {
    let (mut bench, _) = settled(|_| {});
    let new = bench.requested(IMEI_2, Some(MSISDN));
    bench.dpe1(&success(&new, Code::OK));
    bench.dpe3(&query("20", &new, &["muted"]));
    let mut steps = Vec::new();
    while let Some((_, step)) = bench.to_client.pop_front() {
        bench.dpe2(&answer(&new, &step));
        steps.push(step.kind);
    }
    assert_eq!(steps, [&WHOLE[..], &[Kind::PropertyQuery]].concat());
    assert_eq!(bench.sp_got().kind, Kind::ClientIdReport);
    assert_eq!(bench.sp_got().message_id, token("20"));
}

#[test]
fn an_obsolete_client_id_is_refused_and_the_sp_gets_the_new_one_once() {
    let (mut bench, old) = settled(|config| config.cid_report.audience = Audience::None);
    let (new, _) = synchronised(&mut bench, IMEI_2, Some(MSISDN));
    assert!(bench.to_sp.is_empty());
    bench.dpe3(&query("20", &old, &["muted"]));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::CLIENT_ID_NOT_REGISTERED));
    let told = bench.sp_got();
    assert_eq!((told.clients, told.replaces), (Ie::Is(vec![(&new).into()]), Ie::Is(vec![(&old).into()])));
    assert_eq!(bench.refused(&query("20", &old, &["muted"])), Code::CLIENT_ID_NOT_REGISTERED);
    assert!(bench.to_sp.is_empty());
    bench.pass(30 * 86_400);
    assert!(bench.router.device(&old).is_none(), "forgotten in the end");
    bench.to_sp.clear();
    bench.to_client.clear();
    assert_eq!(bench.refused(&query("21", &old, &["muted"])), Code::CLIENT_ID_NOT_REGISTERED);
    let (mut bench, old) = settled(|config| {
        config.cid_report.audience = Audience::None;
        config.obsolete_client_id.action = ObsoleteAction::ErrorOnly;
    });
    synchronised(&mut bench, IMEI_2, Some(MSISDN));
    assert_eq!(bench.refused(&query("20", &old, &["muted"])), Code::CLIENT_ID_NOT_REGISTERED);
    assert!(bench.to_sp.is_empty());
}

#[test]
fn requests_that_were_open_on_the_old_client_id_are_refused() {
    let (mut bench, old) = settled(|_| {});
    bench.dpe3(&query("20", &old, &["muted"]));
    bench.dpe3(&query("21", &old, &["muted"]));
    bench.to_client.clear();
    synchronised(&mut bench, IMEI_2, Some(MSISDN));
    for id in ["20", "21"] {
        let told = bench.sp_got();
        assert_eq!((told.message_id, told.status), (token(id), Ie::Is(Code::CLIENT_ID_NOT_REGISTERED)));
    }
    assert_eq!(bench.sp_got().kind, Kind::ClientIdReport);
}

#[test]
fn with_a_new_client_id_for_each_registration_open_requests_go_along() {
    let (mut bench, old) = settled(|config| config.client_id.assignment = Assignment::PerRegistration);
    bench.dpe3(&query("20", &old, &["muted"]));
    bench.dpe3(&crate::bench::group_set("21", &old, "sound", &["muted"]));
    bench.to_client.clear();
    let (new, steps) = synchronised(&mut bench, IMEI, Some(MSISDN));
    assert_eq!(kinds(&steps), [&WHOLE[..], &[Kind::PropertyQuery, Kind::GroupSet]].concat());
    assert_eq!(bench.sp_got().kind, Kind::ClientIdReport);
    for id in ["20", "21"] {
        let told = bench.sp_got();
        assert_eq!((told.message_id, told.status), (token(id), Ie::Is(Code::OK)));
        assert_eq!(told.client_id, Ie::Is((&new).into()));
    }
}

#[test]
fn a_plain_registration_establishes_the_settings_again_where_configured() {
    let (mut bench, client) = settled(|_| {});
    let (same, steps) = synchronised(&mut bench, IMEI, Some(MSISDN));
    assert_eq!((same, kinds(&steps)), (client, WHOLE.to_vec()));
    assert!(bench.to_sp.is_empty(), "nothing changed for the SPs");
    let (mut bench, _) = settled(|config| config.reg.settings_sync = SettingsSync::OnChange);
    assert_eq!(synchronised(&mut bench, IMEI, Some(MSISDN)).1, []);
}

#[test]
fn what_the_new_device_refuses_is_gone_and_the_sp_is_told_of_policies() {
    let (mut bench, _) = settled(|_| {});
    let new = bench.requested(IMEI_2, Some(MSISDN));
    bench.dpe1(&success(&new, Code::OK));
    while let Some((_, step)) = bench.to_client.pop_front() {
        let mut ack = answer(&new, &step);
        if step.kind == Kind::GroupSet {
            ack.status = Code::NOT_SUPPORTED.into();
        }
        bench.dpe2(&ack);
        assert_ne!(step.kind, Kind::GroupPolicySet, "its group is gone");
    }
    let lost = bench.sp_got();
    assert_eq!((lost.kind, lost.status), (Kind::GroupReport, Ie::Is(Code::POLICY_ID_NOT_REGISTERED)));
    assert_eq!((lost.policy_id, lost.message_id), (token("all"), token("11")));
    assert_eq!(bench.sp_got().kind, Kind::ClientIdReport);
    assert_eq!(bench.refused(&group(Kind::GroupQuery, "20", &new, "screen")), Code::GROUP_ID_NOT_REGISTERED);
}

#[test]
fn what_is_relevant_may_be_asked_or_be_nothing() {
    let (mut bench, _) = settled(|config| config.device_change.restore = Restore::Filter);
    let new = bench.requested(IMEI_2, Some(MSISDN));
    bench.dpe1(&success(&new, Code::OK));
    assert!(bench.to_client.is_empty());
    let (client, Question::Filter(question)) = bench.questions.pop_front().unwrap();
    assert_eq!(bench.device(&new).pending(), Some(Question::Filter(question.clone())));
    let keep =
        question.items.iter().map(|item| !matches!(item, Item::Policy(_, policy, _) if policy.as_str() == "low"));
    let answer_of = question.clone().answer(keep.collect());
    let env = bench.env();
    for effect in bench.router.filtered(&env, &client, answer_of).unwrap() {
        use dpe_core::server::router::Effect;
        match effect {
            Effect::ToClient(client, downlink) => {
                bench.to_client.push_back((client, crate::bench::read(&downlink.body)));
            }
            Effect::ToSp(sp, message) => bench.to_sp.push_back((sp, crate::bench::read(&message.body))),
            _ => {}
        }
    }
    let mut steps = Vec::new();
    while let Some((_, step)) = bench.to_client.pop_front() {
        bench.dpe2(&answer(&new, &step));
        steps.push(step.kind);
    }
    assert_eq!(steps, [Kind::GroupRelease, Kind::PolicyRelease, Kind::GroupSet, Kind::GroupPolicySet]);
    assert_eq!(bench.sp_got().policy_id, token("low"));

    let (mut bench, _) = settled(|config| config.device_change.restore = Restore::None);
    assert_eq!(kinds(&synchronised(&mut bench, IMEI_2, Some(MSISDN)).1), RESET);
    assert_eq!(bench.to_sp.len(), 3, "two policies and the Client-ID");
    assert_eq!(bench.gate_size(), 0);
}

#[test]
fn another_user_on_the_device_inherits_nothing() {
    let (mut bench, old) = settled(|_| {});
    let (new, steps) = synchronised(&mut bench, IMEI, Some("99999"));
    assert_ne!(new, old);
    assert_eq!(kinds(&steps), RESET);
    for _ in 0..2 {
        assert_eq!(bench.sp_got().status, Ie::Is(Code::POLICY_ID_NOT_REGISTERED));
    }
    let told = bench.sp_got();
    assert_eq!(
        (told.clients, told.replaces),
        (Ie::Is(vec![]), Ie::Is(vec![(&old).into()])),
        "the user has none any more"
    );
    assert_eq!(told.users.get().map(Vec::len), Some(1));
    assert!(bench.to_sp.is_empty());
}

#[test]
fn a_client_id_that_stays_with_its_device_loses_the_user_and_the_settings() {
    let (mut bench, old) = settled(|config| config.client_id.assignment = Assignment::PerDevice);
    let (new, steps) = synchronised(&mut bench, IMEI, Some("99999"));
    assert_eq!((new, kinds(&steps)), (old.clone(), RESET.to_vec()));
    let told: Vec<Message> = bench.to_sp.drain(..).map(|(_, message)| message).collect();
    let mut first_two = kinds(&told)[..2].to_vec();
    first_two.sort_unstable();
    assert_eq!(first_two, [Kind::PropertyReport, Kind::GroupReport]);
    assert_eq!(kinds(&told)[2..], [Kind::ClientIdReport, Kind::ClientIdReport]);
    let reports: Vec<_> = told.iter().filter(|message| message.kind == Kind::ClientIdReport).collect();
    assert_eq!((&reports[0].users, &reports[0].clients), (&Ie::Is(vec![]), &Ie::Is(vec![(&old).into()])), "no user");
    assert_eq!(reports[1].users.get().map(Vec::len), Some(1), "and then the new one");
}

#[test]
fn in_permanent_mode_a_user_who_moves_leaves_the_client_id_behind() {
    let (mut bench, old) = settled(|config| config.client_id.assignment = Assignment::PerDevice);
    let new = bench.requested(IMEI_2, Some(MSISDN));
    bench.dpe1(&success(&new, Code::OK));
    let mut to_old = Vec::new();
    let mut to_new = Vec::new();
    while let Some((to, step)) = bench.to_client.pop_front() {
        bench.dpe2(&answer(&to, &step));
        if to == old { to_old.push(step.kind) } else { to_new.push(step.kind) }
    }
    assert_eq!((to_old, to_new), (RESET.to_vec(), WHOLE.to_vec()));
    assert_eq!(bench.device(&old).phase(), PhaseKind::Active);
    assert_eq!(bench.router.directory.association(&old).unwrap().user, None);
    let left = bench.sp_got();
    assert_eq!((left.users, left.clients), (Ie::Is(vec![]), Ie::Is(vec![(&old).into()])));
    let came = bench.sp_got();
    assert_eq!((came.clients, came.replaces), (Ie::Is(vec![(&new).into()]), Ie::Absent));
}

#[test]
fn a_user_with_several_devices_keeps_them_all() {
    let (mut bench, first) = settled(|config| config.device_change.multi_device_users = true);
    let (second, steps) = synchronised(&mut bench, IMEI_2, Some(MSISDN));
    assert_eq!(kinds(&steps), RESET);
    assert_eq!(bench.device(&first).phase(), PhaseKind::Active);
    let told = bench.sp_got();
    assert_eq!((told.kind, told.replaces), (Kind::ClientIdReport, Ie::Absent));
    assert_eq!(told.clients, Ie::Is(vec![(&second).into()]));
    let mut lookup = Message::new(Kind::ClientIdQuery);
    (lookup.message_id, lookup.sp_id) = (token("30"), token("sp"));
    lookup.query_key = Identity::new("msisdn", MSISDN).into();
    bench.dpe3(&lookup);
    assert_eq!(bench.sp_got().clients.get().map(Vec::len), Some(2));
    // The second is taken over by somebody else: the first is still valid.
    synchronised(&mut bench, IMEI_2, Some("99999"));
    let told = bench.sp_got();
    assert_eq!((told.clients, told.replaces), (Ie::Is(vec![(&first).into()]), Ie::Is(vec![(&second).into()])));
    assert_eq!(told.users, Ie::Is(vec![Identity::new("msisdn", MSISDN)]), "in the form that the SP asked by");
}

#[test]
fn a_report_names_the_user_as_the_sp_does_or_by_a_pseudonym_of_its_own() {
    let (mut bench, _) = settled(|config| config.cid_report.audience = Audience::All);
    let mut lookup = Message::new(Kind::ClientIdQuery);
    (lookup.message_id, lookup.sp_id) = (token("30"), token("sp"));
    lookup.query_key = Identity::new("msisdn", MSISDN).into();
    bench.dpe3(&lookup);
    bench.sp_got();
    let mut seen = Vec::new();
    for imei in [IMEI_2, IMEI] {
        synchronised(&mut bench, imei, Some(MSISDN));
        let mut told: Vec<_> = bench.to_sp.drain(..).collect();
        told.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(told[0].1.users, Ie::Is(vec![Identity::new("msisdn", MSISDN)]));
        let users = told[1].1.users.clone().into_option().unwrap();
        assert_eq!((told[1].0.as_str(), users[0].scheme.as_str()), ("sp-2", "generic"));
        seen.push(users);
    }
    assert_eq!(seen[0], seen[1], "stable for the SP and the user");
}

#[test]
fn a_synchronisation_that_gets_no_answer_is_taken_up_at_the_next_registration() {
    let (mut bench, _) = settled(|_| {});
    let new = bench.requested(IMEI_2, Some(MSISDN));
    bench.dpe1(&success(&new, Code::OK));
    bench.pass(120);
    assert_eq!(bench.to_client.len(), 4, "the first step and three repetitions");
    bench.to_client.clear();
    assert_eq!(bench.device(&new).phase(), PhaseKind::Active);
    let (_, steps) = synchronised(&mut bench, IMEI_2, Some(MSISDN));
    assert_eq!(kinds(&steps), WHOLE);
}

#[test]
fn no_identity_crosses_to_an_sp_that_did_not_name_it_itself() {
    let mut bench = Bench::new(|config| {
        config.cid_report.audience = Audience::All;
        config.sp.auth_failure_action = dpe_core::config::BadInput::Error;
    });
    let address = "10.200.201.202";
    let from = crate::bench::source(address);
    let mut message = crate::bench::request(IMEI, Some("sip-canary"));
    message.user_identity = Identity::new("sip", "sip:canary@operator.example").into();
    message.contact = Ie::Is("http://canary-contact/".into());
    let register = |bench: &mut Bench, message: &Message| {
        let response = bench.register_from(&from, &crate::bench::body(message)).unwrap();
        let client = ClientId::try_from(response.client_id.into_option().unwrap()).unwrap();
        bench.register_from(&from, &crate::bench::body(&success(&client, Code::OK)));
        bench.serve();
        client
    };
    let client = register(&mut bench, &message);
    bench.with_group(&client);
    bench.done(&property_policy("10", &client, "low"));
    bench.done(&group_policy("11", &client, "all", "screen"));
    bench.done(&query("12", &client, &["muted", "OSName"]));
    for denied in ["imei", "MSISDN", "ipAddress", "serialNumber", "bluetoothAddress", "meid"] {
        assert_eq!(bench.refused(&query("13", &client, &[denied])), Code::PROPERTY_NAME_UNKNOWN);
    }
    let set = bench.done(&group(Kind::GroupQuery, "14", &client, "screen"));
    assert_eq!(set.status, Ie::Is(Code::OK));
    message.device_identity = Identity::new("imei", IMEI_2).into();
    let new = register(&mut bench, &message);
    bench.dpe3(&query("15", &client, &["muted"]));
    bench.dpe3(&query("16", &new, &["muted"]));
    bench.pass(90);
    bench.to_client.clear();
    message.user_identity = Identity::new("msisdn", MSISDN).into();
    register(&mut bench, &message);
    bench.pass(90_000);
    let reports = bench.to_sp.iter().filter(|(_, message)| message.kind == Kind::ClientIdReport).count();
    assert!(reports >= 4, "the story has changes of the Client-ID in it: {reports}");
    let seen = String::from_utf8(bench.seen_by_sps.clone()).unwrap();
    let digits = MSISDN.trim_start_matches('+');
    for secret in [IMEI, &IMEI[..14], IMEI_2, &IMEI_2[..14], digits, "canary", "operator.example", address] {
        assert!(!seen.contains(secret), "{secret} crossed DPE-3");
    }
    assert!(seen.contains(name("batteryLevel").as_str()) || seen.contains("muted"), "something was seen at all");
}
