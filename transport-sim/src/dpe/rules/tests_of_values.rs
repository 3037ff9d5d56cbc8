//! The rest of the rules fire when they are broken.

use dpe_core::{
    codes::Code,
    property::Reading,
    server::directory::{Change, Directory},
    wire::{Identity, Parameter, ResultIe, Value},
};

use super::{
    tests::{DEVICE, Film, OTHER_DEVICE, SERVER, answer, bytes, film, message, sp, token},
    *,
};
use crate::Channel;

const CLIENT: &str = "c0123456789abcdef0123456789abcdef";

fn client() -> ClientId {
    "c1".try_into().unwrap()
}

fn reading(name: &str, value: Value) -> ResultIe {
    ResultIe::from(&Reading::of(name.try_into().unwrap(), value))
}

/// A query of these names that is answered with these values.
fn queries(film: &mut Film, number: u64, names: &[&str], results: Vec<ResultIe>) {
    let id = format!("q{number}");
    let mut query = message(Kind::PropertyQuery, &id);
    query.property_names = names.iter().map(|name| Ie::Is((*name).try_into().unwrap())).collect();
    let mut result = answer(Kind::PropertyResult, &id, Code::OK);
    result.results = results;
    film.takes(number, &query, &[&result], 0);
}

/// A client registers, and is given a Client-ID on the same channel.
fn registers(film: &mut Film, node: NodeId, number: u64, client: &str) {
    let mut request = Message::new(Kind::RegisterRequest);
    request.device_identity = Ie::Is(Identity::new("mac", &format!("02:00:00:00:00:0{}", node.0)));
    let channel = Channel { opener: node, number };
    let mut show = |from, to, envelope: Envelope| {
        let message = crate::Message::new(number, from, to, channel, envelope.encode());
        film.show(&Event::Sent(&message));
        film.show(&Event::Delivered(&message));
    };
    show(node, SERVER, Envelope::Register(bytes(&request)));
    let mut response = answer(Kind::RegisterResponse, "1", Code::OK);
    response.client_id = token(client);
    show(SERVER, node, Envelope::Reply(bytes(&response)));
}

/// A policy comes to a client.
fn installs(film: &mut Film, kind: &str) {
    let mut set = message(Kind::PropertyPolicySet, "70001");
    set.sp_id = Ie::Absent;
    (set.policy_id, set.policy_type) = (token("90001"), Ie::Is(kind.into()));
    set.property_names = vec![Ie::Is("batteryLevel".try_into().unwrap())];
    set.parameters = vec![Parameter { name: "value".into(), value: "30".into() }];
    film.carry(SERVER, DEVICE, &Envelope::Contact(bytes(&set)));
}

fn client_reports(film: &mut Film, level: i64) {
    let mut report = message(Kind::PropertyReport, "70001");
    (report.policy_id, report.status) = (token("90001"), Code::OK.into());
    report.results = vec![reading("batteryLevel", Value::integer(level))];
    film.carry(DEVICE, SERVER, &Envelope::Messages(bytes(&report)));
}

#[test]
fn an_answer_with_more_or_less_than_was_asked_for_is_found() {
    let level = || reading("batteryLevel", Value::integer(5));
    let mut good = film();
    queries(&mut good, 0, &["batteryLevel"], vec![level()]);
    assert_eq!((good.ledger.met(SUBSET), good.ledger.met(TYPED)), (1, 1));
    assert_eq!(good.ends(), BTreeSet::new());
    for names in [&["batteryLevel", "muted"][..], &["muted"]] {
        let mut film = film();
        queries(&mut film, 0, names, vec![level()]);
        film.breaks(SUBSET);
    }
}

#[test]
fn a_value_that_no_sp_may_see_is_found() {
    let mut film = film();
    queries(&mut film, 0, &["imei"], vec![reading("imei", Value::integer(5))]);
    film.breaks(PERMITTED);
}

#[test]
fn a_cached_value_that_is_too_old_is_found() {
    let ttl = film().rules.watched.config.cache.ttl;
    for (age, is_fresh) in [(ttl.0, true), (ttl.0 + 10_000, false)] {
        let mut film = film();
        let mut result = message(Kind::PropertyResult, "70001");
        (result.status, result.results) = (Code::OK.into(), vec![reading("OSName", Value::text("x"))]);
        film.carry(DEVICE, SERVER, &Envelope::Messages(bytes(&result)));
        film.at = Tick(age);
        queries(&mut film, 0, &["OSName"], vec![reading("OSName", Value::text("device-01.example"))]);
        assert_eq!(film.ends(), if is_fresh { BTreeSet::new() } else { BTreeSet::from([FRESH.id]) });
    }
}

#[test]
fn an_older_value_after_a_newer_one_is_found() {
    let mut film = film();
    film.rules.watched.config.sp.window_threshold = 9;
    for (number, count) in [(0, 3), (1, 2)] {
        queries(&mut film, number, &["volumeLevel"], vec![reading("volumeLevel", Value::integer(count))]);
    }
    film.breaks(FORWARDS);
}

#[test]
fn a_result_that_is_not_whole_and_a_value_of_another_type_are_found() {
    let mut wrong = Value::integer(1);
    wrong.text = "no number".into();
    let mut typed = film();
    queries(&mut typed, 0, &["batteryLevel"], vec![reading("batteryLevel", wrong)]);
    typed.breaks(TYPED);
}

#[test]
fn a_static_property_that_changes_is_found() {
    let mut film = film();
    for (number, name) in [(0, "device-01.example"), (1, "device-02.example")] {
        queries(&mut film, number, &["operatorName"], vec![reading("operatorName", Value::text(name))]);
    }
    assert!(film.ends().contains(&STATIC.id));
}

#[test]
fn a_refusal_that_tells_of_others_is_found() {
    let mut query = message(Kind::GroupQuery, "1");
    query.group_id = token("g");
    for (code, is_told) in [(Code::GROUP_ID_NOT_REGISTERED, false), (Code::NOT_RESPONDING, true)] {
        let mut film = film();
        film.takes(0, &query, &[&answer(Kind::GroupResult, "1", code)], 0);
        assert_eq!((film.ledger.met(UNIFORM), film.broken().contains(&UNIFORM.id)), (1, is_told));
    }
}

#[test]
fn a_client_id_that_is_like_another_is_found() {
    let mut alike = film();
    registers(&mut alike, DEVICE, 1, CLIENT);
    registers(&mut alike, OTHER_DEVICE, 2, &CLIENT.replace("def", "fed").replacen("fed", "def", 1));
    alike.breaks(UNLINKABLE);
    let mut telling = film();
    registers(&mut telling, DEVICE, 1, "c0123-34600555001-4567");
    telling.breaks(UNLINKABLE);
}

#[test]
fn requests_that_turn_to_a_client_without_a_registration_are_found() {
    let mut film = film();
    for (node, id) in [(DEVICE, "70001"), (OTHER_DEVICE, "70002")] {
        film.asked(node, Kind::PropertyQuery, id);
    }
    assert_eq!(film.broken(), BTreeSet::new());
    film.at = Tick(60_000);
    film.asked(DEVICE, Kind::PropertyQuery, "70003");
    film.breaks(ONE_ACTIVE);
}

#[test]
fn a_registration_that_is_given_another_client_id_when_it_comes_again_is_found() {
    let mut film = film();
    registers(&mut film, DEVICE, 1, CLIENT);
    registers(&mut film, DEVICE, 1, "cffffffffffffffffffffffffffffffff");
    film.breaks(IDEMPOTENT);
}

/// A registration that comes again and is given another Client-ID, by the clock of the server's node that takes it; before
/// that, perhaps, another node takes a step of the client by a clock of its own.
fn comes_again(between: Option<u64>, at: u64) -> bool {
    let mut film = film();
    let steps = |film: &mut Film, at: u64| {
        let stepped = vec![CLIENT.try_into().unwrap()];
        let step = Fact::Committed { at: Tick(at), downlinks: 0, stepped, gates: Vec::new(), exchange: None };
        film.note(SERVER, &step);
    };
    steps(&mut film, 1_000);
    registers(&mut film, DEVICE, 1, CLIENT);
    for at in between.into_iter().chain([at]) {
        steps(&mut film, at);
    }
    registers(&mut film, DEVICE, 1, "cffffffffffffffffffffffffffffffff");
    film.broken().contains(&IDEMPOTENT.id)
}

#[test]
fn a_registration_is_waited_for_by_the_clocks_of_the_servers_nodes() {
    assert!(comes_again(None, 30_999));
    assert!(!comes_again(None, 31_000));
    assert!(!comes_again(Some(31_000), 30_000));
}

#[test]
fn a_registration_may_be_given_another_client_id_once_its_device_took_that_of_another_one() {
    const EARLIER: &str = "cffffffffffffffffffffffffffffffff";
    let mut film = film();
    registers(&mut film, DEVICE, 1, CLIENT);
    let success = Message { client_id: token(EARLIER), ..message(Kind::RegisterSuccess, "2") };
    film.carry(DEVICE, SERVER, &Envelope::Messages(bytes(&success)));
    registers(&mut film, DEVICE, 1, EARLIER);
    assert!(!film.broken().contains(&IDEMPOTENT.id));
}

#[test]
fn a_success_without_a_complete_registration_or_after_a_decline_is_found() {
    let result = answer(Kind::PropertyResult, "1", Code::OK);
    let posted = |shared: &Backend| {
        let (mut ledger, body, sp) = (Ledger::default(), bytes(&result), sp());
        lives::Lives::posted(&Post { sp: &sp, id: "1".into(), message: &result, body: &body }, shared, &mut ledger);
        ledger.first_broken()
    };
    let mut film = film();
    film.shared.hold(Directory::default());
    assert_eq!(posted(&film.shared), Some(COMPLETE.id));
    let mut directory = Directory::default();
    let device = Identity::new("mac", "02:00:00:00:00:01");
    let device = dpe_core::identity::DeviceIdentity::try_from(&device).unwrap();
    directory.apply(Change::Confirm { client: client(), device, user: None, tag: None });
    film.shared.hold(directory.clone());
    assert_eq!(posted(&film.shared), None);
    directory.apply(Change::Suspend(client()));
    film.shared.hold(directory);
    assert_eq!(posted(&film.shared), Some(DECLINED.id));
    // There is no device with it.
    let mut ledger = Ledger::default();
    lives::Lives::crashed(&film.shared, &mut ledger);
    assert_eq!(ledger.first_broken(), Some(WHOLE.id));
}

#[test]
fn a_report_that_no_client_sent_is_found() {
    let mut film = film();
    let mut report = answer(Kind::PropertyReport, "1", Code::OK);
    (report.sequence, report.timestamp) = (Ie::Is(1), Ie::Is(core_kit::UnixMillis(1_000)));
    let (body, sp) = (bytes(&report), sp());
    let post = Post { sp: &sp, id: "1".into(), message: &report, body: &body };
    let Film { rules, ledger, .. } = &mut film;
    rules.reports.posted(&post, ledger);
    assert_eq!(film.broken(), BTreeSet::from([GENUINE.id]));
}

#[test]
fn a_threshold_that_reports_again_without_having_been_left_is_found() {
    let mut film = film();
    installs(&mut film, "Threshold");
    client_reports(&mut film, 20);
    film.note(DEVICE, &Fact::Sampled { level: 40, count: 1 });
    client_reports(&mut film, 10);
    assert_eq!((film.broken(), film.ledger.met(CROSSING)), (BTreeSet::new(), 2));
    film.note(DEVICE, &Fact::Sampled { level: 32, count: 2 });
    client_reports(&mut film, 11);
    film.breaks(CROSSING);
}

#[test]
fn reports_that_follow_each_other_too_soon_are_found() {
    let mut film = film();
    installs(&mut film, "OnChange");
    for at in [0, 20_000, 30_000] {
        film.at = Tick(at);
        client_reports(&mut film, 20);
    }
    assert_eq!(film.ledger.met(SPACED), 2);
    film.breaks(SPACED);
}

/// A group that was acknowledged, a crash, and the group is unknown; what is in between comes in between.
fn forgets_a_group(between: impl FnOnce(&mut Film)) -> Film {
    let mut film = film();
    registers(&mut film, DEVICE, 1, "c1");
    let mut set = message(Kind::GroupSet, "1");
    set.group_id = token("g");
    let mut ack = answer(Kind::GroupSetAck, "1", Code::OK);
    ack.group_id = token("g");
    film.takes(0, &set, &[&ack], 0);
    // What is there by half is another rule's.
    film.shared.hold(Directory::default());
    film.show(&Event::Crashed(SERVER));
    between(&mut film);
    let mut query = message(Kind::GroupQuery, "2");
    query.group_id = token("g");
    let mut gone = answer(Kind::GroupResult, "2", Code::GROUP_ID_NOT_REGISTERED);
    gone.group_id = token("g");
    film.takes(1, &query, &[&gone], 0);
    film
}

#[test]
fn a_setting_that_is_gone_after_a_crash_is_found() {
    forgets_a_group(|_| {}).breaks(DURABLE);
}

#[test]
fn a_policy_goes_with_its_group_also_where_it_was_acknowledged_while_the_release_was_out() {
    let released = |is_ok: bool, waits: bool| {
        let mut film = film();
        registers(&mut film, DEVICE, 1, "c1");
        let (set, release) = (policy_set("2"), message(Kind::GroupRelease, "3"));
        film.takes(1, &set, &[], 1);
        film.takes(2, &release, &[], 0);
        film.posts(&answer(Kind::GroupPolicySetAck, "2", Code::OK));
        film.show(&Event::Crashed(SERVER));
        let mut gone = message(Kind::PolicyRelease, "4");
        gone.policy_id = token("p");
        let done = answer(Kind::GroupReleaseAck, "3", if is_ok { Code::OK } else { Code::GROUP_ID_NOT_REGISTERED });
        let unknown = answer(Kind::PolicyReleaseAck, "4", Code::POLICY_ID_NOT_REGISTERED);
        if waits {
            film.takes(3, &gone, &[&done, &unknown], 0);
        } else {
            film.posts(&done);
            film.takes(3, &gone, &[&unknown], 0);
        }
        film.broken().contains(&DURABLE.id)
    };
    for waits in [false, true] {
        assert!(released(false, waits));
        assert!(!released(true, waits));
    }
}

fn policy_set(id: &str) -> Message {
    let mut set = message(Kind::GroupPolicySet, id);
    (set.group_id, set.policy_id) = (token("g"), token("p"));
    set
}

#[test]
fn a_device_that_becomes_the_client_of_another_one_has_nothing_to_keep() {
    let film = forgets_a_group(|film| registers(film, OTHER_DEVICE, 2, "c1"));
    assert!(!film.broken().contains(&DURABLE.id));
}

#[test]
fn a_device_that_was_another_client_meanwhile_has_nothing_to_keep_until_its_settings_are_established() {
    let told = |film: &mut Film, kind: Kind, client: &str, group: &str| {
        let told = Message { client_id: token(client), group_id: token(group), ..Message::new(kind) };
        film.carry(SERVER, DEVICE, &Envelope::Contact(bytes(&told)));
    };
    let was_another = |film: &mut Film, group: &str| {
        registers(film, DEVICE, 2, "c2");
        told(film, Kind::GroupRelease, "c2", group);
        registers(film, DEVICE, 3, "c1");
    };
    let is_blamed = |film: Film| film.broken().contains(&DURABLE.id);
    assert!(!is_blamed(forgets_a_group(|film| was_another(film, "*"))));
    assert!(is_blamed(forgets_a_group(|film| was_another(film, "70007"))), "a group of the other one");
    assert!(is_blamed(forgets_a_group(|film| {
        was_another(film, "*");
        told(film, Kind::GroupRelease, "c1", "*");
    })));
    assert!(is_blamed(forgets_a_group(|film| told(film, Kind::GroupRelease, "c1", "*"))), "it was no other");
}

#[test]
fn a_message_that_the_codec_does_not_read_is_found_unless_its_sender_says_so() {
    let garbage = Envelope::Messages(Bytes::from_static(b"<DPE"));
    let mut honest = film();
    honest.carry(DEVICE, SERVER, &garbage);
    honest.breaks(BOUNDED);
    let mut hostile = film();
    hostile.note(DEVICE, &Fact::Hostile(FaultId::F45));
    hostile.carry(DEVICE, SERVER, &garbage);
    assert_eq!(hostile.ends(), BTreeSet::new());
}

#[test]
fn a_refusal_for_overload_before_the_window_is_used_up_is_found() {
    let mut film = film();
    let refused = answer(Kind::PropertyResult, "1", Code::WINDOW_OVERFLOW);
    film.takes(0, &message(Kind::PropertyQuery, "1"), &[&refused], 0);
    film.breaks(FAIR);
}

#[test]
fn a_release_that_takes_another_policy_along_is_found() {
    let mut film = film();
    let at = |film: &mut Film, number, id: &str, policy: &str, kind: Kind| {
        let mut request = message(kind, id);
        request.policy_id = token(policy);
        let mut ack = answer(kind.answer().unwrap(), id, Code::OK);
        ack.policy_id = token(policy);
        film.takes(number, &request, &[&ack], 0);
    };
    at(&mut film, 0, "1", "p", Kind::PropertyPolicySet);
    film.at = Tick(60_000);
    at(&mut film, 1, "2", "q", Kind::PropertyPolicySet);
    film.shared.hold_device(client());
    at(&mut film, 2, "3", "p", Kind::PolicyRelease);
    assert!(film.broken().contains(&INDEPENDENT.id));
}

#[test]
fn one_step_may_release_two_policies() {
    let mut film = film();
    let ack_of = |id: &str, policy: &str, kind: Kind| {
        let mut request = message(kind, id);
        request.policy_id = token(policy);
        let mut ack = answer(kind.answer().unwrap(), id, Code::OK);
        ack.policy_id = token(policy);
        (request, ack)
    };
    for (number, policy) in [(0, "p"), (1, "q")] {
        film.at = Tick(60_000 * number);
        let (request, ack) = ack_of(&number.to_string(), policy, Kind::PropertyPolicySet);
        film.takes(number, &request, &[&ack], 0);
    }
    film.shared.hold_device(client());
    let (request, first) = ack_of("2", "p", Kind::PolicyRelease);
    let (_, second) = ack_of("3", "q", Kind::PolicyRelease);
    film.takes(2, &request, &[&first, &second], 0);
    assert!(!film.broken().contains(&INDEPENDENT.id));
}

/// A message of a client that was changed on its way.
fn comes_damaged(film: &mut Film, message: &Message) {
    let channel = Channel { opener: DEVICE, number: 900 };
    let mut sent = crate::Message::new(900, DEVICE, SERVER, channel, Envelope::Messages(bytes(message)).encode());
    film.show(&Event::Sent(&sent));
    sent.altered = true;
    film.show(&Event::Delivered(&sent));
}

#[test]
fn a_message_that_came_damaged_excuses_the_values_in_it_and_no_others() {
    for (damaged, is_excused) in [("device-02.example", true), ("device-03.example", false)] {
        let mut film = film();
        let mut result = message(Kind::PropertyResult, "70001");
        (result.status, result.results) = (Code::OK.into(), vec![reading("operatorName", Value::text(damaged))]);
        comes_damaged(&mut film, &result);
        for (number, name) in [(0, "device-01.example"), (1, "device-02.example")] {
            queries(&mut film, number, &["operatorName"], vec![reading("operatorName", Value::text(name))]);
        }
        assert_eq!(film.ends().contains(&STATIC.id), !is_excused, "{damaged}");
    }
}

#[test]
fn a_registration_that_came_damaged_excuses_all_that_is_said_under_its_client_id() {
    let mut film = film();
    comes_damaged(&mut film, &message(Kind::RegisterSuccess, "70001"));
    for (number, count) in [(0, 3), (1, 2)] {
        queries(&mut film, number, &["volumeLevel"], vec![reading("volumeLevel", Value::integer(count))]);
    }
    assert!(!film.ends().contains(&FORWARDS.id));
}
