//! Every rule fires when it is broken, and none does when nothing is.
//!
//! A film is what a world looks like from outside; each test shows one picture of it that must not be.

use dpe_core::{
    client::PhaseKind,
    codes::Code,
    identity::DeviceIdentity,
    property::Reading,
    server::directory::{Change, Directory},
    wire::{Identity, ResultIe, Value, encode},
};

use super::*;
use crate::{Channel, RuleId, dpe::Scenario};

pub(super) const DEVICE: NodeId = NodeId(1);
pub(super) const OTHER_DEVICE: NodeId = NodeId(2);
pub(super) const SP: NodeId = NodeId(100);
pub(super) const SERVER: NodeId = NodeId(1_000);

pub(super) struct Film {
    pub(super) rules: Rules,
    pub(super) ledger: Ledger,
    pub(super) shared: Backend,
    pub(super) at: Tick,
    number: u64,
}

pub(super) fn film() -> Film {
    let mut scenario = Scenario::standard(1);
    scenario.devices = 2;
    scenario.config.sp.window_threshold = 2;
    let mut rules = Rules::new(scenario.watched());
    let mut shared = Backend::new(dpe_core::server::Profile::default(), crate::CrashPlan::NONE, crate::Permille::NEVER);
    let mut directory = Directory::default();
    let device = DeviceIdentity::try_from(&Identity::new("mac", "02:00:00:00:00:01")).unwrap();
    directory.apply(Change::Confirm { client: "c1".try_into().unwrap(), device, user: None, tag: None });
    shared.hold(directory);
    rules.refusals.given("c1".try_into().unwrap());
    for node in [DEVICE, OTHER_DEVICE] {
        rules.lives.has_registered(node);
    }
    Film { rules, ledger: Ledger::default(), shared, at: Tick(0), number: 0 }
}

pub(super) fn sp() -> SpId {
    "sp-100.example".try_into().unwrap()
}

pub(super) fn token(text: &str) -> Ie<Token> {
    Ie::Is(text.try_into().unwrap())
}

pub(super) fn message(kind: Kind, id: &str) -> Message {
    let mut message = Message::new(kind);
    message.message_id = token(id);
    message.client_id = token("c1");
    message.sp_id = token(sp().as_str());
    message
}

pub(super) fn answer(kind: Kind, id: &str, status: Code) -> Message {
    let mut answer = message(kind, id);
    answer.sp_id = token(sp().as_str());
    answer.status = status.into();
    answer
}

pub(super) fn bytes(message: &Message) -> Bytes {
    encode(message).unwrap().into()
}

impl Film {
    pub(super) fn show(&mut self, event: &Event<'_, Fact>) {
        self.rules.observe(self.at, event, &self.shared, &mut self.ledger);
    }

    pub(super) fn note(&mut self, node: NodeId, fact: &Fact) {
        self.show(&Event::Noted(node, fact));
    }

    /// A message that leaves and arrives.
    pub(super) fn carry(&mut self, from: NodeId, to: NodeId, envelope: &Envelope) {
        self.number += 1;
        let channel = Channel { opener: from, number: self.number };
        let message = crate::Message::new(self.number, from, to, channel, envelope.encode());
        self.show(&Event::Sent(&message));
        self.show(&Event::Delivered(&message));
    }

    pub(super) fn asked(&mut self, node: NodeId, kind: Kind, id: &str) {
        self.note(
            SERVER,
            &Fact::Committed { at: self.at, downlinks: 1, stepped: Vec::new(), gates: Vec::new(), exchange: None },
        );
        let request = Message { sp_id: Ie::Absent, ..message(kind, id) };
        self.carry(SERVER, node, &Envelope::Contact(bytes(&request)));
    }

    /// A request that the server takes, with what comes of it in the same step.
    pub(super) fn takes(&mut self, number: u64, request: &Message, answers: &[&Message], downlinks: usize) {
        self.carry(SP, SERVER, &Envelope::Request(number, bytes(request)));
        self.note(SERVER, &Fact::Took { sp: sp(), number, at: self.at });
        for answer in answers {
            self.posts(answer);
        }
        self.note(
            SERVER,
            &Fact::Committed { at: self.at, downlinks, stepped: Vec::new(), gates: vec![sp()], exchange: None },
        );
    }

    pub(super) fn posts(&mut self, message: &Message) {
        self.number += 1;
        self.note(SERVER, &Fact::Posted { sp: sp(), number: self.number, body: bytes(message), at: self.at });
    }

    /// A policy that is set, with Message-ID 1.
    pub(super) fn with_policy(&mut self, kind: Kind) {
        let mut set = message(kind, "1");
        set.policy_id = token("p");
        if kind == Kind::GroupPolicySet {
            set.group_id = token("g");
        }
        let ack = answer(kind.answer().unwrap(), "1", Code::OK);
        self.takes(0, &set, &[&ack], 0);
    }

    pub(super) fn report(&mut self, status: Code) {
        let mut report = answer(Kind::PropertyReport, "1", status);
        report.policy_id = token("p");
        self.posts(&report);
    }

    pub(super) fn broken(&self) -> BTreeSet<RuleId> {
        self.ledger.violations().iter().map(|violation| violation.rule).collect()
    }

    pub(super) fn ends(mut self) -> BTreeSet<RuleId> {
        self.rules.watched.devices.clear();
        let end = End { at: self.at, shared: &self.shared, trace: "" };
        self.rules.finish(&end, &mut self.ledger);
        self.broken()
    }

    pub(super) fn breaks(self, rule: Rule) {
        let mut broken = self.ends();
        assert!(broken.remove(&rule.id), "{broken:?}");
        // A picture of one request may lack what an answer to it would need.
        broken.retain(|id| ![UNIFORM.id, SUBSET.id, FAIR.id].contains(id));
        assert_eq!(broken, BTreeSet::new());
    }
}

#[test]
fn a_good_story_breaks_nothing() {
    let mut film = film();
    film.with_policy(Kind::PropertyPolicySet);
    film.report(Code::OK);
    film.report(Code::POLICY_EXPIRED);
    film.asked(DEVICE, Kind::PropertyQuery, "70001");
    film.carry(DEVICE, SERVER, &Envelope::Messages(bytes(&answer(Kind::PropertyResult, "70001", Code::OK))));
    film.asked(DEVICE, Kind::GroupQuery, "70002");
    film.asked(OTHER_DEVICE, Kind::GroupQuery, "70001");
    assert_eq!(film.ends(), BTreeSet::new());
}

#[test]
fn two_requests_that_are_out_at_once_are_found() {
    let mut film = film();
    film.asked(DEVICE, Kind::PropertyQuery, "70001");
    film.at = Tick(5_000);
    film.asked(DEVICE, Kind::GroupQuery, "70002");
    film.breaks(ONE_OUT);
}

#[test]
fn a_request_after_the_time_of_the_one_before_is_none_too_many() {
    let mut film = film();
    film.asked(DEVICE, Kind::PropertyQuery, "70001");
    film.at = Tick(30_000);
    film.asked(DEVICE, Kind::GroupQuery, "70002");
    assert_eq!(film.ends(), BTreeSet::new());
}

#[test]
fn a_damaged_answer_may_be_asked_for_again_whatever_credentials_it_had() {
    for is_damaged in [true, false] {
        let mut film = film();
        film.asked(DEVICE, Kind::PropertyQuery, "70001");
        film.note(DEVICE, &Fact::Hostile(FaultId::F42));
        let result = Envelope::Messages(bytes(&answer(Kind::PropertyResult, "70001", Code::OK)));
        let channel = Channel { opener: DEVICE, number: 9 };
        let mut message = crate::Message::new(9, DEVICE, SERVER, channel, result.encode());
        film.show(&Event::Sent(&message));
        if is_damaged {
            (message.bytes, message.altered) = (Envelope::Messages(Bytes::from_static(b"<DPE")).encode(), true);
        }
        film.show(&Event::Delivered(&message));
        film.at = Tick(1_000);
        film.asked(DEVICE, Kind::GroupQuery, "70002");
        assert_eq!(film.broken().contains(&ONE_OUT.id), !is_damaged);
    }
}

#[test]
fn a_report_that_overtakes_the_acknowledgement_is_no_answer() {
    let mut film = film();
    film.asked(DEVICE, Kind::PropertyPolicySet, "70001");
    film.carry(DEVICE, SERVER, &Envelope::Messages(bytes(&answer(Kind::PropertyReport, "70001", Code::OK))));
    film.at = Tick(5_000);
    film.asked(DEVICE, Kind::GroupQuery, "70002");
    assert!(film.broken().contains(&ONE_OUT.id));
}

#[test]
fn an_answer_that_crosses_the_repetition_counts_also_where_an_earlier_one_was_not_believed() {
    for is_answered_again in [true, false] {
        let mut film = film();
        let answered = Envelope::Messages(bytes(&answer(Kind::PropertyResult, "70001", Code::OK)));
        film.asked(DEVICE, Kind::PropertyQuery, "70001");
        film.at = Tick(1_000);
        film.carry(DEVICE, SERVER, &answered);
        film.at = Tick(30_000);
        if is_answered_again {
            film.carry(DEVICE, SERVER, &answered);
        }
        film.at = Tick(30_020);
        film.asked(DEVICE, Kind::PropertyQuery, "70003");
        film.at = Tick(30_040);
        film.asked(DEVICE, Kind::GroupQuery, "70004");
        assert_eq!(film.broken().contains(&ONE_OUT.id), !is_answered_again);
    }
}

#[test]
fn an_answer_counts_when_a_node_takes_it_which_stood_still_when_it_came() {
    for is_taken in [true, false] {
        let mut film = film();
        film.asked(DEVICE, Kind::PropertyQuery, "70001");
        film.at = Tick(1_000);
        film.carry(DEVICE, SERVER, &Envelope::Messages(bytes(&answer(Kind::PropertyResult, "70001", Code::OK))));
        let exchange = is_taken.then_some(Channel { opener: DEVICE, number: film.number });
        film.at = Tick(30_000);
        film.asked(DEVICE, Kind::PropertyQuery, "70003");
        film.at = Tick(40_000);
        let step = Fact::Committed { at: film.at, downlinks: 1, stepped: Vec::new(), gates: Vec::new(), exchange };
        film.note(SERVER, &step);
        film.asked(DEVICE, Kind::GroupQuery, "70004");
        assert_eq!(film.broken().contains(&ONE_OUT.id), !is_taken);
    }
}

/// What comes of a node's queue: some messages, then the end of a registration, and then two requests.
fn begins_a_session_after(waiting: usize) -> Film {
    let mut film = film();
    let late = Envelope::Messages(bytes(&answer(Kind::PropertyResult, "70000", Code::OK)));
    for _ in 0..waiting {
        film.carry(DEVICE, SERVER, &late);
    }
    film.carry(DEVICE, SERVER, &Envelope::Messages(bytes(&answer(Kind::RegisterSuccess, "69999", Code::OK))));
    film.at = Tick(1);
    film.asked(DEVICE, Kind::PropertyQuery, "70001");
    film.at = Tick(11);
    film.asked(DEVICE, Kind::GroupQuery, "70002");
    film
}

#[test]
fn a_session_begins_when_all_that_came_before_is_taken() {
    assert!(begins_a_session_after(0).broken().contains(&ONE_OUT.id));
    assert!(!begins_a_session_after(1).broken().contains(&ONE_OUT.id));
}

#[test]
fn an_answer_of_another_device_under_the_same_client_id_is_one() {
    for (client, is_answered) in [("c1", true), ("c2", false)] {
        let mut film = film();
        film.asked(DEVICE, Kind::PropertyQuery, "70001");
        let result = Message { client_id: token(client), ..answer(Kind::PropertyResult, "70001", Code::OK) };
        film.carry(OTHER_DEVICE, SERVER, &Envelope::Messages(bytes(&result)));
        film.at = Tick(5_000);
        film.asked(DEVICE, Kind::GroupQuery, "70002");
        assert_eq!(film.broken().contains(&ONE_OUT.id), !is_answered, "{client}");
    }
}

#[test]
fn a_request_without_an_end_is_found_and_so_is_one_that_ends_twice_or_without_an_answer() {
    let mut unanswered = film();
    unanswered.takes(0, &message(Kind::PropertyQuery, "1"), &[], 1);
    unanswered.breaks(ANSWERED);
    let mut open = film();
    open.note(SP, &Fact::Asked { tag: "a".into() });
    open.breaks(ANSWERED);
    for ends in [&[Some(Code::OK), Some(Code::OK)][..], &[None]] {
        let mut film = film();
        film.note(SP, &Fact::Asked { tag: "a".into() });
        for status in ends {
            film.note(SP, &Fact::Done { tag: "a".into(), status: *status });
        }
        film.breaks(ANSWERED);
    }
}

#[test]
fn an_answer_to_nothing_or_a_second_one_or_one_to_another_sp_is_found() {
    let result = answer(Kind::PropertyResult, "1", Code::OK);
    let mut stray = film();
    stray.posts(&result);
    stray.breaks(FINAL);
    let mut second = film();
    second.takes(0, &message(Kind::PropertyQuery, "1"), &[&result, &result], 0);
    second.breaks(FINAL);
    let mut astray = film();
    astray.carry(SERVER, NodeId(101), &Envelope::Callback(0, bytes(&result)));
    astray.breaks(FINAL);
}

#[test]
fn a_client_id_of_two_devices_and_a_value_of_another_device_are_found() {
    let mut given = film();
    let response = Envelope::Reply(bytes(&answer(Kind::RegisterResponse, "1", Code::OK)));
    given.carry(SERVER, DEVICE, &response);
    given.carry(SERVER, OTHER_DEVICE, &response);
    given.breaks(ATTRIBUTED);
    let mut mixed = film();
    mixed.carry(SERVER, DEVICE, &response);
    let mut result = answer(Kind::PropertyResult, "1", Code::OK);
    let other = Reading::of("operatorName".try_into().unwrap(), Value::text("device-02.example"));
    result.results = vec![ResultIe::from(&other)];
    mixed.takes(0, &message(Kind::PropertyQuery, "1"), &[&result], 0);
    mixed.breaks(ATTRIBUTED);
}

#[test]
fn a_success_of_an_obsolete_client_id_is_found() {
    let mut film = film();
    film.shared.hold(Directory::default());
    film.rules.clients.give_up("c1".try_into().unwrap());
    let refused = answer(Kind::PropertyResult, "1", Code::CLIENT_ID_NOT_REGISTERED);
    film.takes(0, &message(Kind::PropertyQuery, "1"), &[&refused], 0);
    assert_eq!(film.broken(), BTreeSet::new());
    film.takes(1, &message(Kind::PropertyQuery, "2"), &[&answer(Kind::PropertyResult, "2", Code::OK)], 0);
    assert!(film.broken().contains(&OBSOLETE.id));
}

#[test]
fn identifiers_of_others_are_found_on_both_interfaces() {
    let mut inner = film();
    inner.asked(DEVICE, Kind::PropertyQuery, "1");
    inner.takes(0, &message(Kind::PropertyQuery, "1"), &[&answer(Kind::PropertyResult, "1", Code::OK)], 0);
    inner.breaks(FOREIGN);
    let mut other = film();
    let mut result = answer(Kind::GroupResult, "1", Code::GROUP_ID_NOT_REGISTERED);
    result.group_id = token("sp-101.example-g1");
    other.takes(0, &message(Kind::GroupQuery, "1"), &[&result], 0);
    other.breaks(FOREIGN);
    let mut outer = film();
    let mut release = message(Kind::GroupRelease, "70001");
    release.group_id = token("sp-100.example-g1");
    outer.carry(SERVER, DEVICE, &Envelope::Contact(bytes(&release)));
    outer.breaks(FOREIGN);
}

#[test]
fn an_identity_is_found_unless_the_sp_asked_by_it() {
    let mut report = answer(Kind::ClientIdReport, "500001", Code::OK);
    report.client_id = Ie::Absent;
    report.users = Ie::Is(vec![Identity::new("msisdn", "34600555002")]);
    report.clients = Ie::Is(vec!["c1".try_into().unwrap()]);
    let mut shown = film();
    shown.posts(&report);
    shown.breaks(IDENTITIES);
    let mut asked = film();
    let mut query = message(Kind::ClientIdQuery, "1");
    query.query_key = Ie::Is(Identity::new("msisdn", "34600555002"));
    let mut response = answer(Kind::ClientIdResponse, "1", Code::OK);
    response.client_id = Ie::Absent;
    asked.takes(0, &query, &[&response], 0);
    asked.posts(&report);
    assert_eq!(asked.ends(), BTreeSet::new());
}

#[test]
fn a_policy_that_expires_twice_or_never_is_found() {
    let mut twice = film();
    twice.with_policy(Kind::PropertyPolicySet);
    twice.report(Code::POLICY_EXPIRED);
    twice.report(Code::POLICY_EXPIRED);
    twice.breaks(EXPIRES);
    let mut never = film();
    never.with_policy(Kind::PropertyPolicySet);
    never.breaks(EXPIRES);
}

#[test]
fn a_report_before_the_acknowledgement_or_after_the_end_is_found() {
    let mut before = film();
    before.report(Code::OK);
    before.breaks(LIVE);
    let mut after = film();
    after.with_policy(Kind::PropertyPolicySet);
    after.report(Code::POLICY_EXPIRED);
    after.report(Code::OK);
    after.breaks(LIVE);
}

#[test]
fn a_report_after_the_release_is_found() {
    let mut film = film();
    film.with_policy(Kind::PropertyPolicySet);
    let mut release = message(Kind::PolicyRelease, "2");
    release.policy_id = token("p");
    let mut ack = answer(Kind::PolicyReleaseAck, "2", Code::OK);
    ack.policy_id = token("p");
    film.takes(1, &release, &[&ack], 0);
    film.report(Code::OK);
    film.breaks(CANCELLED);
}

#[test]
fn a_group_that_is_used_and_not_set_is_found() {
    let mut film = film();
    let mut result = answer(Kind::GroupResult, "1", Code::OK);
    result.group_id = token("g");
    film.takes(0, &message(Kind::GroupQuery, "1"), &[&result], 0);
    film.breaks(RELEASED);
}

#[test]
fn a_policy_on_a_group_ends_with_it() {
    let mut film = film();
    let mut set = answer(Kind::GroupSetAck, "0", Code::OK);
    set.group_id = token("g");
    film.takes(7, &message(Kind::GroupSet, "0"), &[&set], 0);
    film.at = Tick(60_000);
    film.with_policy(Kind::GroupPolicySet);
    let mut gone = answer(Kind::GroupReleaseAck, "2", Code::OK);
    gone.group_id = token("g");
    film.takes(8, &message(Kind::GroupRelease, "2"), &[&gone], 0);
    film.report(Code::OK);
    film.breaks(CANCELLED);
}

#[test]
fn more_than_the_window_allows_and_a_refusal_that_goes_further_are_found() {
    let query = |id: &str| (message(Kind::PropertyQuery, id), answer(Kind::PropertyResult, id, Code::OK));
    let mut many = film();
    for (number, id) in [(0, "1"), (1, "2"), (2, "3")] {
        let (request, result) = query(id);
        many.takes(number, &request, &[&result], 0);
    }
    many.breaks(WINDOW);
    let mut sent_on = film();
    let refused = answer(Kind::PropertyResult, "1", Code::WINDOW_OVERFLOW);
    sent_on.takes(0, &query("1").0, &[&refused], 1);
    sent_on.breaks(WINDOW);
}

#[test]
fn a_client_that_the_server_does_not_know_is_found_in_the_end() {
    for (phase, client) in [(PhaseKind::Idle, None), (PhaseKind::Registered, Some("c1".try_into().unwrap()))] {
        let mut film = film();
        film.note(DEVICE, &Fact::Standing { phase, client, settings: (0, 0) });
        let devices = BTreeSet::from([DEVICE]);
        film.rules.rest.finish(&devices, &film.rules.doubt, &film.shared, &mut film.ledger);
        assert_eq!(film.broken(), BTreeSet::from([CONVERGED.id]));
    }
}

#[test]
fn a_client_may_have_what_a_late_copy_of_a_request_brought_it() {
    let mut film = film();
    let set = Envelope::Contact(bytes(&message(Kind::PropertyPolicySet, "70001")));
    let message = crate::Message::new(1, SERVER, DEVICE, Channel { opener: SERVER, number: 1 }, set.encode());
    film.show(&Event::Sent(&message));
    film.show(&Event::Delivered(&message));
    assert!(!film.rules.doubt.has_more(DEVICE));
    film.at = Tick(8 * 60 * 60 * 1_000);
    film.show(&Event::Delivered(&message));
    assert!(film.rules.doubt.has_more(DEVICE));
}

#[test]
fn what_a_late_copy_of_a_release_took_along_may_be_missing_until_the_client_registers() {
    let mut film = film();
    let release = Envelope::Contact(bytes(&message(Kind::GroupRelease, "70001")));
    let channel = Channel { opener: SERVER, number: 1 };
    let late = crate::Message::new(1, SERVER, DEVICE, channel, release.encode());
    film.show(&Event::Sent(&late));
    film.show(&Event::Delivered(&late));
    assert!(!film.rules.doubt.is_emptied(DEVICE), "in time");
    film.at = Tick(7 * 24 * 60 * 60 * 1_000);
    film.show(&Event::Delivered(&late));
    assert!(film.rules.doubt.is_emptied(DEVICE) && !film.rules.doubt.is_emptied(OTHER_DEVICE));
    film.carry(
        SERVER,
        DEVICE,
        &Envelope::Reply(bytes(&answer(Kind::RegisterResponse, "1", Code::DEVICE_IDENTITY_ERROR))),
    );
    assert!(film.rules.doubt.is_emptied(DEVICE), "it is not registered");
    film.carry(SERVER, DEVICE, &Envelope::Reply(bytes(&answer(Kind::RegisterResponse, "2", Code::OK))));
    assert!(!film.rules.doubt.is_emptied(DEVICE));
}

#[test]
fn what_an_sp_still_waits_for_is_found_in_the_end() {
    let mut waits = film();
    waits.note(SP, &Fact::Holds { groups: 0, policies: 0, unfinished: 1 });
    waits.breaks(RETURNED);
    let mut keeps = film();
    keeps.note(SP, &Fact::Holds { groups: 0, policies: 1, unfinished: 0 });
    keeps.breaks(KEPT);
}

#[test]
fn a_world_that_is_cut_off_has_timers_left_and_dialogues_open() {
    let mut scenario = Scenario::standard(1);
    scenario.bounds.events = 300;
    let run = scenario.run();
    let broken: BTreeSet<RuleId> = run.ledger.violations().iter().map(|violation| violation.rule).collect();
    assert!(broken.contains(&TIMERS.id), "{broken:?}");
}
