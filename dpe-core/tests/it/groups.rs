//! Groups: set, query, release, and what both sides may get wrong.

use dpe_core::{
    codes::Code,
    config::IdScope,
    ids::ClientId,
    wire::{Ie, Kind},
};

use crate::bench::{Bench, IMEI, IMEI_2, answer, ask, body, group, group_policy, group_set, query, source, token};

fn bench() -> (Bench, ClientId) {
    let mut bench = Bench::new(|_| {});
    let client = bench.registered(IMEI, None);
    (bench, client)
}

#[test]
fn a_group_is_set_under_an_id_of_its_own_and_acknowledged_under_the_sps() {
    let (mut bench, client) = bench();
    bench.dpe3(&group_set("1", &client, "screen", &["muted", "language"]));
    let set = bench.client_got();
    assert_eq!(set.kind, Kind::GroupSet);
    assert!(set.group_id != token("screen") && set.group_id.get().is_some());
    assert_eq!(set.property_names.len(), 2);
    // Nothing can be asked of it before the client has it.
    assert_eq!(bench.refused(&group(Kind::GroupQuery, "2", &client, "screen")), Code::GROUP_ID_NOT_REGISTERED);
    bench.dpe2(&answer(&client, &set));
    let ack = bench.sp_got();
    assert_eq!((ack.kind, ack.message_id, ack.group_id), (Kind::GroupSetAck, token("1"), token("screen")));
    assert_eq!(ack.status, Ie::Is(Code::OK));
}

#[test]
fn a_group_id_is_taken_once_for_each_sp() {
    let (mut bench, client) = bench();
    bench.with_group(&client);
    let again = group_set("2", &client, "screen", &["muted"]);
    assert_eq!(bench.refused(&again), Code::GROUP_ID_REPEATED);
    let other = bench.registered(IMEI_2, None);
    assert_eq!(bench.refused(&group_set("2", &other, "screen", &["muted"])), Code::GROUP_ID_REPEATED);
    let mut foreign = again;
    foreign.sp_id = token("sp-2");
    bench.dpe3_raw(&source("192.0.2.20"), &body(&foreign));
    bench.serve();
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
}

#[test]
fn group_ids_may_be_unique_for_each_client_where_configured() {
    let mut bench = Bench::new(|config| config.ids.scope = IdScope::SpAndClient);
    for imei in [IMEI, IMEI_2] {
        let client = bench.registered(imei, None);
        bench.with_group(&client);
        assert_eq!(bench.refused(&group_set("2", &client, "screen", &["muted"])), Code::GROUP_ID_REPEATED);
    }
}

#[test]
fn a_group_needs_an_id_and_names() {
    let (mut bench, client) = bench();
    let mut set = group_set("1", &client, "g", &["muted"]);
    set.group_id = Ie::Absent;
    assert_eq!(bench.refused(&set), Code::GROUP_ID_MISSING);
    assert_eq!(bench.refused(&group_set("1", &client, "*", &["muted"])), Code::GROUP_ID_MISSING);
    assert_eq!(bench.refused(&group_set("1", &client, "g", &[])), Code::PROPERTY_NAME_MISSING);
    assert_eq!(bench.refused(&group_set("1", &client, "g", &["shoeSize"])), Code::PROPERTY_NAME_UNKNOWN);
    assert_eq!(bench.gate_size(), 0, "a refused request leaves nothing");
}

#[test]
fn a_group_that_the_client_refuses_is_gone_and_its_id_is_free() {
    let (mut bench, client) = bench();
    let before = (bench.device(&client).size(), bench.gate_size());
    for code in [Code::NOT_SUPPORTED, Code::GROUP_ID_REPEATED] {
        bench.dpe3(&group_set("1", &client, "screen", &["muted"]));
        let mut refusal = answer(&client, &bench.client_got());
        refusal.status = code.into();
        bench.dpe2(&refusal);
        assert_eq!(bench.sp_got().status, Ie::Is(code));
        assert_eq!((bench.device(&client).size(), bench.gate_size()), before);
    }
    bench.with_group(&client);
}

#[test]
fn without_acknowledgement_the_sp_gets_39_and_a_late_one_leads_to_a_release() {
    let (mut bench, client) = bench();
    bench.dpe3(&group_set("1", &client, "screen", &["muted"]));
    bench.pass(60);
    let (first, _) = (bench.client_got(), bench.client_got());
    let ack = bench.sp_got();
    assert_eq!((ack.kind, ack.status), (Kind::GroupSetAck, Ie::Is(Code::NOT_RESPONDING)));
    assert_eq!(bench.gate_size(), 0, "the id is free");
    bench.dpe2(&answer(&client, &first));
    let clean = bench.client_got();
    assert_eq!((clean.kind, clean.group_id.clone()), (Kind::GroupRelease, first.group_id));
    bench.dpe2(&answer(&client, &clean));
    assert!(bench.to_client.is_empty() && bench.to_sp.is_empty());
}

#[test]
fn a_repeated_set_that_the_client_has_already_counts_as_done() {
    let (mut bench, client) = bench();
    bench.dpe3(&group_set("1", &client, "screen", &["muted"]));
    bench.pass(30);
    let (first, second) = (bench.client_got(), bench.client_got());
    assert_eq!(first.group_id, second.group_id, "a repetition has the same group");
    let mut ack = answer(&client, &second);
    ack.status = Code::GROUP_ID_REPEATED.into();
    bench.dpe2(&ack);
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
}

#[test]
fn an_acknowledgement_that_names_another_group_is_not_believed() {
    let (mut bench, client) = bench();
    bench.dpe3(&group_set("1", &client, "screen", &["muted"]));
    let set = bench.client_got();
    let mut wrong = answer(&client, &set);
    wrong.group_id = token("g1");
    assert_eq!(bench.dpe2(&wrong).unwrap().status, Ie::Is(Code::GROUP_ID_NOT_REGISTERED));
    assert!(bench.to_sp.is_empty());
    let mut without = answer(&client, &set);
    without.group_id = Ie::Absent;
    assert_eq!(bench.dpe2(&without), None);
    let repeated = bench.client_got();
    assert_eq!(repeated.kind, Kind::GroupSet, "a missing element makes the server repeat");
    bench.dpe2(&answer(&client, &repeated));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
}

#[test]
fn a_release_needs_a_group_of_this_sp() {
    let (mut bench, client) = bench();
    bench.with_group(&client);
    assert_eq!(bench.refused(&ask(Kind::GroupRelease, "1", &client)), Code::GROUP_ID_MISSING);
    for id in ["none", "*"] {
        assert_eq!(bench.refused(&group(Kind::GroupRelease, "1", &client, id)), Code::GROUP_ID_NOT_REGISTERED);
    }
    let mut foreign = group(Kind::GroupRelease, "1", &client, "screen");
    foreign.sp_id = token("sp-2");
    bench.dpe3_raw(&source("192.0.2.20"), &body(&foreign));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::GROUP_ID_NOT_REGISTERED));
    assert!(bench.to_client.is_empty());
}

#[test]
fn only_after_the_clients_confirmation_a_group_is_gone() {
    let (mut bench, client) = bench();
    let before = (bench.device(&client).size(), bench.gate_size());
    bench.with_group(&client);
    let release = group(Kind::GroupRelease, "2", &client, "screen");
    bench.dpe3(&release);
    let asked = bench.client_got();
    assert_eq!(asked.kind, Kind::GroupRelease);
    assert_eq!((asked.client_id.clone(), asked.sp_id.clone()), (Ie::Is((&client).into()), Ie::Absent));
    // A second release meanwhile is refused and spoils nothing.
    assert_eq!(bench.refused(&group(Kind::GroupRelease, "3", &client, "screen")), Code::GROUP_ID_NOT_REGISTERED);
    bench.pass(60);
    assert_eq!(bench.sp_got().status, Ie::Is(Code::NOT_RESPONDING));
    bench.to_client.clear();
    assert_eq!(
        bench.done(&group(Kind::GroupQuery, "4", &client, "screen")).status,
        Ie::Is(Code::OK),
        "it is still there"
    );
    let ack = bench.done(&release);
    assert_eq!((ack.kind, ack.group_id, ack.status), (Kind::GroupReleaseAck, token("screen"), Ie::Is(Code::OK)));
    assert_eq!(bench.refused(&group(Kind::GroupQuery, "5", &client, "screen")), Code::GROUP_ID_NOT_REGISTERED);
    bench.pass(301);
    bench.done(&query("6", &client, &["muted"]));
    assert_eq!((bench.device(&client).size(), bench.gate_size()), before);
}

#[test]
fn a_client_that_refuses_a_release_keeps_its_group_unless_it_has_none() {
    let (mut bench, client) = bench();
    bench.with_group(&client);
    let release = group(Kind::GroupRelease, "2", &client, "screen");
    for (code, kept) in [(Code::GROUP_ID_MISSING, true), (Code::GROUP_ID_NOT_REGISTERED, false)] {
        bench.dpe3(&release);
        let mut refusal = answer(&client, &bench.client_got());
        refusal.status = code.into();
        bench.dpe2(&refusal);
        assert_eq!(bench.sp_got().status, Ie::Is(code));
        bench.dpe3(&group(Kind::GroupQuery, "3", &client, "screen"));
        assert_eq!(bench.to_client.is_empty(), !kept);
        bench.serve();
        bench.sp_got();
    }
}

#[test]
fn the_policies_on_a_group_end_with_it() {
    let (mut bench, client) = bench();
    bench.with_group(&client);
    assert_eq!(bench.done(&group_policy("2", &client, "p", "screen")).status, Ie::Is(Code::OK));
    assert_eq!(bench.done(&group(Kind::GroupRelease, "3", &client, "screen")).status, Ie::Is(Code::OK));
    assert_eq!(bench.refused(&crate::bench::release("4", &client, "p")), Code::POLICY_ID_NOT_REGISTERED);
    assert_eq!(bench.gate_size(), 0, "the retained Message-ID is free too");
}

#[test]
fn a_star_of_an_sp_never_reaches_the_client() {
    let mut bench = Bench::new(|config| config.dpe3.allow_star_release = true);
    let client = bench.registered(IMEI, None);
    bench.with_group(&client);
    bench.done(&group_set("2", &client, "sound", &["muted"]));
    let mut foreign = group_set("1", &client, "theirs", &["muted"]);
    foreign.sp_id = token("sp-2");
    bench.dpe3_raw(&source("192.0.2.20"), &body(&foreign));
    bench.serve();
    bench.sp_got();
    bench.dpe3(&group(Kind::GroupRelease, "3", &client, "*"));
    for _ in 0..2 {
        let asked = bench.client_got();
        assert_ne!(asked.group_id, token("*"));
        bench.dpe2(&answer(&client, &asked));
    }
    let ack = bench.sp_got();
    assert_eq!((ack.message_id, ack.group_id, ack.status), (token("3"), token("*"), Ie::Is(Code::OK)));
    assert!(bench.to_sp.is_empty(), "one answer in the end");
    assert_eq!(bench.gate_size(), 0);
    let mut theirs = group(Kind::GroupQuery, "4", &client, "theirs");
    theirs.sp_id = token("sp-2");
    bench.dpe3_raw(&source("192.0.2.20"), &body(&theirs));
    assert_eq!(bench.client_got().kind, Kind::GroupQuery, "the other SP's group is untouched");
    bench.dpe3(&group(Kind::GroupRelease, "5", &client, "*"));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK), "nothing to release is success");
}
