//! The client: registration, who it believes, and what it answers.

use std::collections::BTreeMap;

use core_kit::{Durable, Env, Machine, Millis, Tick, UnixMillis};
use dpe_core::{
    client::{Channel, Client, EventKind, Input, Misuse, Output, PhaseKind, Profile, Report, Sender, TABLE},
    codes::Code,
    config::ClientConfig,
    ids::ClientId,
    policy::Terms,
    property::Reading,
    wire::{Identity, Ie, Kind, Message, PropertyName, Secret, Value},
};

use crate::bench::{IMEI, MSISDN, body, name, read, token};

/// A client under test, with a device that has some properties.
pub(crate) struct Phone {
    pub(crate) client: Client,
    pub(crate) now: u64,
    pub(crate) values: BTreeMap<PropertyName, Value>,
    pub(crate) sent: Vec<(Channel, Message)>,
    pub(crate) reports: Vec<Report>,
}

pub(crate) fn profile() -> Profile {
    Profile {
        config: ClientConfig { server_addresses: vec!["dpe.example".into(), "192.0.2.1".into()], ..Default::default() },
        version: "1.0".into(),
        device: Some(Identity::new("imei", IMEI)),
        user: Some(Identity::new("msisdn", MSISDN)),
        contact: None,
        token: Some(Secret("boot".into())),
    }
}

impl Phone {
    pub(crate) fn new(profile: &Profile) -> Self {
        let values = [("batteryLevel", 50), ("currentOrientation", 1), ("displayLightIntensity", 7), ("OSName", 3)];
        let values = values.into_iter().map(|(text, value)| (name(text), Value::integer(value))).collect();
        Self { client: Client::new(profile), now: 1000, values, sent: Vec::new(), reports: Vec::new() }
    }

    pub(crate) fn try_input(&mut self, input: Input) -> Result<(), Misuse> {
        let env = Env { now: Tick(self.now), wall: UnixMillis(self.now), entropy: [3; 32] };
        let mut todo = Some(input);
        while let Some(input) = todo.take() {
            let mut out = Vec::new();
            self.client.handle(&env, input, &mut out)?;
            // A client that is stored and taken up again is the same client.
            let stored = serde_json::to_string(&self.client.snapshot()).unwrap();
            let restored = Client::restore(serde_json::from_str(&stored).unwrap(), &profile()).unwrap();
            assert_eq!(restored.snapshot(), self.client.snapshot());
            for output in out {
                match output {
                    Output::Report(report) => self.reports.push(report),
                    Output::Send(channel, bytes) => self.sent.push((channel, read(&bytes))),
                    Output::Ask(question) => {
                        assert_eq!(self.client.pending(), Some(question.clone()));
                        let readings = question.names.iter().map(|name| self.reading(name)).collect();
                        todo = Some(question.answer(readings));
                    }
                }
            }
        }
        Ok(())
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.try_input(input).unwrap();
    }

    fn reading(&self, of: &PropertyName) -> Reading {
        match self.values.get(of) {
            Some(value) => Reading::of(of.clone(), value.clone()),
            None if of.as_str().starts_with("un") => Reading::without(of.clone(), Code::PROPERTY_NAME_UNKNOWN),
            None => Reading::without(of.clone(), Code::NOT_SUPPORTED),
        }
    }

    pub(crate) fn gets(&mut self, message: &Message) {
        self.input(Input::Received(Sender::Name("dpe.example".into()), body(message)));
    }

    /// The next message that the client sends.
    pub(crate) fn says(&mut self) -> Message {
        assert!(!self.sent.is_empty(), "{:?}", self.reports);
        self.sent.remove(0).1
    }

    /// What the client answers to a message.
    fn asked(&mut self, message: &Message) -> Message {
        self.gets(message);
        let answer = self.says();
        assert!(self.sent.is_empty());
        answer
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now + seconds * 1000;
        while let Some(at) = self.client.deadline().map(|deadline| deadline.at).filter(|at| at.0 <= end) {
            self.now = self.now.max(at.0);
            self.input(Input::Wake);
        }
        self.now = end;
    }

    fn sample(&mut self, of: &str, value: i64) {
        self.values.insert(name(of), Value::integer(value));
        self.input(Input::Sampled(vec![Reading::of(name(of), Value::integer(value))]));
    }
}

fn response(client: Option<&str>, status: Option<Code>) -> Message {
    let mut message = Message::new(Kind::RegisterResponse);
    message.client_id = client.map_or(Ie::Absent, token);
    message.status = status.into();
    message.security_token = Ie::Is(Secret("session".into()));
    message
}

fn registered() -> Phone {
    let mut phone = Phone::new(&profile());
    phone.input(Input::Start);
    phone.says();
    phone.gets(&response(Some("c7"), Some(Code::OK)));
    phone.says();
    assert_eq!(phone.client.phase(), PhaseKind::Registered);
    phone
}

fn request(kind: Kind, id: &str) -> Message {
    let mut message = Message::new(kind);
    message.message_id = token(id);
    message
}

fn group_set(id: &str, group: &str, members: &[&str]) -> Message {
    let mut message = request(Kind::GroupSet, id);
    message.group_id = token(group);
    message.property_names = members.iter().map(|text| Ie::Is(name(text))).collect();
    message
}

fn policy(id: &str, policy: &str, terms: &Terms) -> Message {
    let mut message = request(Kind::PropertyPolicySet, id);
    message.policy_id = token(policy);
    message.property_names = vec![Ie::Is(name("batteryLevel"))];
    terms.write(&mut message);
    message.duration = Ie::Is(3600);
    message
}

fn low() -> Terms {
    Terms::new("Threshold", &[("operator", "lt"), ("value", "20")])
}

#[test]
fn on_start_up_the_client_registers_with_all_it_knows() {
    let mut phone = Phone::new(&profile());
    phone.input(Input::Start);
    let (channel, asked) = phone.sent.remove(0);
    assert_eq!((channel, asked.kind), (Channel::Register, Kind::RegisterRequest));
    assert_eq!(asked.device_identity, Ie::Is(Identity::new("imei", IMEI)));
    assert_eq!(asked.user_identity, Ie::Is(Identity::new("msisdn", MSISDN)));
    assert_eq!((asked.dpe_version, asked.security_token), (Ie::Is("1.0".into()), Ie::Is(Secret("boot".into()))));
    phone.gets(&response(Some("c7"), Some(Code::OK)));
    let done = phone.says();
    assert_eq!((done.kind, done.client_id, done.status), (Kind::RegisterSuccess, token("c7"), Ie::Is(Code::OK)));
    assert_eq!(done.security_token, Ie::Is(Secret("session".into())), "the token of the session proves the client");
    assert_eq!(phone.client.client_id().map(ClientId::as_str), Some("c7"));
    assert!(phone.reports.contains(&Report::Registered("c7".try_into().unwrap())));
}

#[test]
fn without_a_server_address_nothing_begins() {
    let mut bare = profile();
    bare.config.server_addresses.clear();
    let mut phone = Phone::new(&bare);
    assert_eq!(phone.try_input(Input::Start), Err(Misuse::Unprovisioned));
    phone.input(Input::Provisioned(vec!["dpe.example".into()]));
    phone.input(Input::Start);
    assert_eq!(phone.says().kind, Kind::RegisterRequest);
}

#[test]
fn a_message_of_anybody_but_the_server_is_ignored() {
    let mut phone = registered();
    let query = body(&group_set("1", "g1", &["batteryLevel"]));
    for sender in [Sender::Name("dpe.evil".into()), Sender::Address("192.0.2.2".parse().unwrap())] {
        phone.input(Input::Received(sender, query.clone()));
        assert!(phone.sent.is_empty());
        assert_eq!(phone.reports.pop(), Some(Report::ForeignSender));
    }
    let command = body(&Message::new(Kind::RegisterCommand));
    phone.input(Input::Received(Sender::Name("dpe.evil".into()), command));
    assert_eq!((phone.client.phase(), phone.client.settings()), (PhaseKind::Registered, (0, 0)));
    phone.input(Input::Received(Sender::Address("192.0.2.1".parse().unwrap()), query));
    assert_eq!(phone.says().status, Ie::Is(Code::OK));
}

#[test]
fn where_configured_a_foreign_sender_leads_to_an_error() {
    let mut noisy = profile();
    noisy.config.server_addr_mismatch_action = dpe_core::config::BadInput::Error;
    let mut phone = Phone::new(&noisy);
    phone.input(Input::Start);
    phone.gets(&response(Some("c7"), Some(Code::OK)));
    phone.sent.clear();
    phone.input(Input::Received(Sender::Name("dpe.evil".into()), body(&request(Kind::GroupQuery, "1"))));
    assert_eq!(phone.says().kind, Kind::Error);
}

#[test]
fn a_client_that_wants_no_session_says_so_with_the_client_id_it_was_given() {
    let mut phone = Phone::new(&profile());
    phone.input(Input::Want(false));
    phone.input(Input::Start);
    phone.says();
    phone.gets(&response(Some("c7"), Some(Code::OK)));
    let done = phone.says();
    assert_eq!((done.client_id, done.status), (token("c7"), Ie::Is(Code::SESSION_DECLINED)));
    assert_eq!(phone.client.phase(), PhaseKind::Declined);
    phone.gets(&request(Kind::PolicyRelease, "1"));
    assert!(phone.sent.is_empty(), "no exchange without a session");
    phone.input(Input::Want(true));
    assert_eq!(phone.says().kind, Kind::RegisterRequest);
}

#[test]
fn nothing_is_answered_before_the_registration_is_complete() {
    let mut phone = Phone::new(&profile());
    phone.input(Input::Start);
    phone.says();
    phone.gets(&group_set("1", "g1", &["batteryLevel"]));
    assert!(phone.sent.is_empty());
    assert_eq!(phone.reports.pop(), Some(Report::Unexpected(Kind::GroupSet)));
}

#[test]
fn a_late_response_is_asked_for_again_with_growing_pauses() {
    let mut phone = Phone::new(&profile());
    phone.input(Input::Start);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let at = phone.client.deadline().unwrap().at.0;
        pauses.push((at - phone.now) / 1000);
        phone.now = at;
        phone.input(Input::Wake);
    }
    assert_eq!(pauses, [30, 60, 120, 240, 480, 600, 600]);
    assert_eq!(phone.sent.len(), 8);
}

#[test]
fn a_faulty_response_is_told_and_tried_again_later() {
    for (client, status, code) in [
        (Some("c7"), None, Code::STATUS_MISSING),
        (Some("c7"), Some(Code(99)), Code::STATUS_ERROR),
        (None, Some(Code::OK), Code::CLIENT_ID_MISSING),
    ] {
        // The client knows a Client-ID from before, so that there is somebody to say it.
        let mut phone = registered();
        phone.gets(&Message::new(Kind::RegisterCommand));
        phone.says();
        phone.gets(&response(client, status));
        let told = phone.says();
        assert_eq!((told.kind, told.client_id, told.status), (Kind::RegisterSuccess, token("c7"), Ie::Is(code)));
        assert_eq!(phone.client.phase(), PhaseKind::Idle);
        phone.pass(30);
        assert_eq!(phone.says().kind, Kind::RegisterRequest);
    }
}

#[test]
fn a_refusal_is_tried_again_unless_the_version_is_refused() {
    for (code, phase) in [
        (Code::DEVICE_IDENTITY_MISSING, PhaseKind::Idle),
        (Code::TOKEN_NOT_REGISTERED, PhaseKind::Idle),
        (Code::VERSION_UNKNOWN, PhaseKind::Stopped),
    ] {
        let mut phone = Phone::new(&profile());
        phone.input(Input::Start);
        phone.says();
        phone.gets(&response(None, Some(code)));
        assert_eq!((phone.client.phase(), phone.sent.len()), (phase, 0));
        assert!(phone.reports.contains(&Report::Refused(code)));
        phone.pass(100_000);
        assert_eq!(phone.sent.is_empty(), phase == PhaseKind::Stopped);
        phone.sent.clear();
        phone.input(Input::Start);
        assert_eq!(phone.says().kind, Kind::RegisterRequest);
    }
}

#[test]
fn the_client_registers_again_on_command_change_schedule_and_error() {
    let again = |phone: &mut Phone| assert_eq!(phone.says().kind, Kind::RegisterRequest);
    let mut phone = registered();
    phone.gets(&Message::new(Kind::RegisterCommand));
    again(&mut phone);
    let mut phone = registered();
    phone.input(Input::Identity { device: profile().device, user: None });
    again(&mut phone);
    let mut phone = registered();
    phone.input(Input::Identity { device: profile().device, user: profile().user });
    assert!(phone.sent.is_empty(), "nothing changed");
    for (code, is_answered) in [(Code::CLIENT_ID_NOT_REGISTERED, true), (Code::MESSAGE_ID_NOT_REGISTERED, false)] {
        let mut phone = registered();
        let mut error = Message::new(Kind::Error);
        error.status = code.into();
        phone.gets(&error);
        assert_eq!(!phone.sent.is_empty(), is_answered, "{code}");
    }
    let mut phone = registered();
    phone.gets(&response(None, Some(Code::TOKEN_MISSING)));
    phone.pass(30);
    again(&mut phone);
    let mut scheduled = profile();
    scheduled.config.reregister_interval = Millis::from_secs(500);
    let mut phone = Phone::new(&scheduled);
    phone.input(Input::Start);
    phone.gets(&response(Some("c7"), Some(Code::OK)));
    phone.sent.clear();
    phone.pass(500);
    again(&mut phone);
}

#[test]
fn a_new_client_id_is_used_from_then_on_and_settings_stay_until_the_server_resets_them() {
    let mut phone = registered();
    assert_eq!(phone.asked(&group_set("1", "g1", &["batteryLevel"])).client_id, token("c7"));
    phone.gets(&Message::new(Kind::RegisterCommand));
    phone.says();
    let mut query = request(Kind::GroupQuery, "2");
    query.group_id = token("g1");
    assert_eq!(phone.asked(&query).client_id, token("c7"), "still answered under the old one");
    phone.gets(&response(Some("c8"), Some(Code::OK)));
    phone.says();
    assert_eq!(phone.asked(&query).client_id, token("c8"));
    let mut foreign = query;
    foreign.client_id = token("c7");
    phone.gets(&foreign);
    assert!(phone.sent.is_empty(), "a message for another client is ignored");
}

#[test]
fn messages_of_no_type_or_without_message_id_are_errors() {
    let mut phone = registered();
    let server = || Sender::Name("dpe.example".into());
    for (kind, code) in [("", Code::MESSAGE_TYPE_MISSING), ("X", Code::MESSAGE_TYPE_UNKNOWN)] {
        let text = format!("<X xmlns='urn:x-dpe:msg:1.0'><Message-Type>{kind}</Message-Type></X>");
        phone.input(Input::Received(server(), text.as_bytes().into()));
        let error = phone.says();
        assert_eq!((error.kind, error.client_id, error.status), (Kind::Error, token("c7"), Ie::Is(code)));
    }
    assert_eq!(phone.asked(&Message::new(Kind::PropertyResult)).status, Ie::Is(Code::MESSAGE_TYPE_UNKNOWN));
    assert_eq!(phone.asked(&Message::new(Kind::GroupQuery)).status, Ie::Is(Code::MESSAGE_ID_MISSING));
    phone.input(Input::Received(server(), b"noise"[..].into()));
    assert!(phone.sent.is_empty());
}

#[test]
fn a_query_is_answered_with_values_and_their_status() {
    let mut phone = registered();
    let mut query = request(Kind::PropertyQuery, "1");
    assert_eq!(phone.asked(&query).status, Ie::Is(Code::PROPERTY_NAME_MISSING));
    query.property_names = ["batteryLevel", "muted", "unheardOf"].iter().map(|text| Ie::Is(name(text))).collect();
    let answer = phone.asked(&query);
    assert_eq!((answer.kind, answer.status), (Kind::PropertyResult, Ie::Is(Code::OK)));
    assert_eq!((answer.message_id, answer.client_id), (token("1"), token("c7")));
    assert_eq!(answer.security_token, Ie::Is(Secret("session".into())));
    let statuses: Vec<_> = answer.results.iter().filter_map(|result| result.status.get().copied()).collect();
    assert_eq!(statuses, [Code::OK, Code::NOT_SUPPORTED, Code::PROPERTY_NAME_UNKNOWN]);
    assert_eq!(answer.results[0].values, Ie::Is(vec![Value::integer(50)]));
}

#[test]
fn what_the_device_gives_and_cannot_be_sent_has_no_result() {
    let mut phone = registered();
    phone.values.insert(name("batteryLevel"), Value { text: "\u{1}".into(), ..Value::integer(1) });
    let mut query = request(Kind::PropertyQuery, "1");
    query.property_names = vec![Ie::Is(name("batteryLevel"))];
    assert_eq!(phone.asked(&query).results[0].status, Ie::Is(Code::RESULT_MISSING));
}

#[test]
fn groups_are_made_whole_or_not_at_all() {
    let mut phone = registered();
    let mut nameless = group_set("1", "g1", &["batteryLevel"]);
    nameless.group_id = Ie::Absent;
    assert_eq!(phone.asked(&nameless).status, Ie::Is(Code::GROUP_ID_MISSING));
    for (members, code) in [
        (&[][..], Code::PROPERTY_NAME_MISSING),
        (&["batteryLevel", "unheardOf"], Code::PROPERTY_NAME_UNKNOWN),
        (&["batteryLevel", "muted"], Code::NOT_SUPPORTED),
    ] {
        assert_eq!(phone.asked(&group_set("1", "g1", members)).status, Ie::Is(code));
        assert_eq!(phone.client.settings(), (0, 0));
    }
    let ack = phone.asked(&group_set("1", "g1", &["batteryLevel"]));
    assert_eq!((ack.kind, ack.group_id, ack.status), (Kind::GroupSetAck, token("g1"), Ie::Is(Code::OK)));
    assert_eq!(phone.asked(&group_set("1", "g1", &["OSName"])).status, Ie::Is(Code::GROUP_ID_REPEATED));
    let mut partly = profile();
    partly.config.partial_group = true;
    let mut phone = Phone::new(&partly);
    phone.input(Input::Start);
    phone.gets(&response(Some("c7"), Some(Code::OK)));
    phone.sent.clear();
    assert_eq!(phone.asked(&group_set("1", "g1", &["batteryLevel", "muted"])).status, Ie::Is(Code::OK));
    assert_eq!(phone.asked(&group_set("1", "g2", &["muted"])).status, Ie::Is(Code::NOT_SUPPORTED));
}

#[test]
fn a_group_is_queried_and_released() {
    let mut phone = registered();
    phone.asked(&group_set("1", "g1", &["batteryLevel", "OSName"]));
    let mut query = request(Kind::GroupQuery, "2");
    assert_eq!(phone.asked(&query).status, Ie::Is(Code::GROUP_ID_MISSING));
    query.group_id = token("g9");
    assert_eq!(phone.asked(&query).status, Ie::Is(Code::GROUP_ID_NOT_REGISTERED));
    query.group_id = token("g1");
    let answer = phone.asked(&query);
    assert_eq!((answer.kind, answer.group_id, answer.results.len()), (Kind::GroupResult, token("g1"), 2));
    let mut grouped = policy("3", "p1", &Terms::new("Periodic", &[("interval", "60")]));
    grouped.kind = Kind::GroupPolicySet;
    grouped.group_id = token("g1");
    assert_eq!(phone.asked(&grouped).status, Ie::Is(Code::OK));
    let mut release = request(Kind::GroupRelease, "4");
    assert_eq!(phone.asked(&release).status, Ie::Is(Code::GROUP_ID_MISSING));
    release.group_id = token("g9");
    assert_eq!(phone.asked(&release).status, Ie::Is(Code::GROUP_ID_NOT_REGISTERED));
    release.group_id = token("g1");
    let ack = phone.asked(&release);
    assert_eq!((ack.kind, ack.group_id, ack.status), (Kind::GroupReleaseAck, token("g1"), Ie::Is(Code::OK)));
    assert_eq!(phone.client.settings(), (0, 0), "the policy on it ends too");
}

#[test]
fn a_star_releases_everything_and_is_a_success_when_there_is_nothing() {
    let mut phone = registered();
    for _ in 0..2 {
        phone.asked(&group_set("1", "g1", &["batteryLevel"]));
        phone.asked(&group_set("1", "g2", &["OSName"]));
        phone.asked(&policy("2", "p1", &low()));
        let mut grouped = policy("3", "p2", &Terms::new("Periodic", &[("interval", "60")]));
        grouped.kind = Kind::GroupPolicySet;
        grouped.group_id = token("g1");
        phone.asked(&grouped);
        assert_eq!(phone.client.settings(), (2, 2));
        let mut policies = request(Kind::PolicyRelease, "4");
        policies.policy_id = token("*");
        let ack = phone.asked(&policies);
        assert_eq!((ack.policy_id, ack.status), (token("*"), Ie::Is(Code::OK)));
        assert_eq!(phone.client.settings(), (2, 0), "property and group policies");
        let mut groups = request(Kind::GroupRelease, "5");
        groups.group_id = token("*");
        for _ in 0..2 {
            let ack = phone.asked(&groups);
            assert_eq!((ack.group_id, ack.status), (token("*"), Ie::Is(Code::OK)));
        }
        assert_eq!(phone.client.settings(), (0, 0));
    }
}

#[test]
fn the_checks_of_a_policy_come_in_order() {
    let mut phone = registered();
    let mut message = request(Kind::PropertyPolicySet, "1");
    message.duration = Ie::Is(60);
    let mut expect = |message: &Message, code: Code| assert_eq!(phone.asked(message).status, Ie::Is(code), "{code}");
    expect(&message, Code::POLICY_ID_MISSING);
    message.policy_id = token("p1");
    expect(&message, Code::PROPERTY_NAME_MISSING);
    message.property_names = vec![Ie::Is(name("unheardOf"))];
    expect(&message, Code::PROPERTY_NAME_UNKNOWN);
    message.property_names = vec![Ie::Is(name("muted"))];
    expect(&message, Code::NOT_SUPPORTED);
    message.property_names = vec![Ie::Is(name("batteryLevel"))];
    expect(&message, Code::POLICY_TYPE_MISSING);
    Terms::new("Daily", &[]).write(&mut message);
    expect(&message, Code::POLICY_TYPE_UNKNOWN);
    Terms::new("Threshold", &[("operator", "lt")]).write(&mut message);
    expect(&message, Code::PARAMETER_MISSING);
    Terms::new("Threshold", &[("operator", "<"), ("value", "1")]).write(&mut message);
    expect(&message, Code::PARAMETER_UNKNOWN);
    low().write(&mut message);
    expect(&message, Code::OK);
    message.message_id = token("2");
    expect(&message, Code::POLICY_ID_REPEATED);
    let mut grouped = message.clone();
    (grouped.kind, grouped.policy_id) = (Kind::GroupPolicySet, token("p2"));
    expect(&grouped, Code::GROUP_ID_MISSING);
    grouped.group_id = token("g9");
    expect(&grouped, Code::GROUP_ID_NOT_REGISTERED);
}

#[test]
fn a_duration_that_is_no_number_is_refused() {
    let mut phone = registered();
    let text = String::from_utf8(body(&policy("1", "p1", &low())).to_vec()).unwrap();
    let text = text.replace("<Duration>3600<", "<Duration>an hour<");
    phone.input(Input::Received(Sender::Name("dpe.example".into()), text.as_bytes().into()));
    assert_eq!(phone.says().status, Ie::Is(Code::DURATION_FORMAT));
    assert_eq!(phone.client.settings(), (0, 0));
}

#[test]
fn only_the_message_ids_of_policies_are_remembered() {
    let mut phone = registered();
    phone.asked(&policy("70005", "p1", &low()));
    for kind in [Kind::PropertyQuery, Kind::GroupQuery, Kind::GroupSet, Kind::GroupRelease, Kind::PolicyRelease] {
        let again = phone.asked(&request(kind, "70005"));
        assert_eq!((Some(again.kind), again.status), (kind.answer(), Ie::Is(Code::MESSAGE_ID_REPEATED)));
    }
    assert_eq!(phone.asked(&policy("70005", "p2", &low())).status, Ie::Is(Code::MESSAGE_ID_REPEATED));
    for _ in 0..2 {
        let mut query = request(Kind::PropertyQuery, "70006");
        query.property_names = vec![Ie::Is(name("batteryLevel"))];
        assert_eq!(phone.asked(&query).status, Ie::Is(Code::OK), "any other is free once it is answered");
    }
    let mut release = request(Kind::PolicyRelease, "70007");
    assert_eq!(phone.asked(&release).status, Ie::Is(Code::POLICY_ID_MISSING));
    release.policy_id = token("p9");
    assert_eq!(phone.asked(&release).status, Ie::Is(Code::POLICY_ID_NOT_REGISTERED));
    release.policy_id = token("p1");
    assert_eq!(phone.asked(&release).status, Ie::Is(Code::OK));
    assert_eq!(phone.asked(&policy("70005", "p2", &low())).status, Ie::Is(Code::OK), "released with the policy");
}

#[test]
fn a_policy_reports_when_its_condition_is_met() {
    let mut phone = registered();
    phone.asked(&policy("70005", "p1", &low()));
    phone.sample("batteryLevel", 21);
    assert!(phone.sent.is_empty());
    for sequence in 1..3 {
        phone.sample("batteryLevel", 19);
        let told = phone.says();
        assert_eq!((told.kind, told.client_id), (Kind::PropertyReport, token("c7")));
        assert_eq!((told.message_id, told.policy_id), (token("70005"), token("p1")));
        assert_eq!((told.sequence, told.status), (Ie::Is(sequence), Ie::Is(Code::OK)));
        assert_eq!(told.results[0].values, Ie::Is(vec![Value::integer(19)]));
        assert!(told.timestamp.get().is_some());
        phone.sample("batteryLevel", 18);
        phone.sample("batteryLevel", 40);
        assert!(phone.sent.is_empty());
    }
    let mut release = request(Kind::PolicyRelease, "70007");
    release.policy_id = token("p1");
    phone.asked(&release);
    phone.sample("batteryLevel", 1);
    assert!(phone.sent.is_empty());
}

#[test]
fn a_group_policy_reports_all_members_or_those_that_changed() {
    let mut phone = registered();
    phone.asked(&group_set("1", "g1", &["currentOrientation", "displayLightIntensity"]));
    let grouped = |id: &str, name_of: &str, terms: &Terms| {
        let mut message = policy(id, name_of, terms);
        message.kind = Kind::GroupPolicySet;
        message.group_id = token("g1");
        message.property_names.clear();
        message
    };
    let periodic = Terms::new("Periodic", &[("interval", "300"), ("report-initial", "true")]);
    phone.gets(&grouped("2", "p1", &periodic));
    assert_eq!(phone.says().kind, Kind::GroupPolicySetAck);
    let first = phone.says();
    assert_eq!((first.kind, first.group_id, first.results.len()), (Kind::GroupReport, token("g1"), 2));
    phone.pass(299);
    assert!(phone.sent.is_empty());
    phone.pass(1);
    assert_eq!(phone.says().results.len(), 2);
    phone.asked(&grouped("3", "p2", &Terms::new("OnChange", &[("scope", "changed")])));
    phone.sample("currentOrientation", 1);
    phone.sample("currentOrientation", 2);
    let changed = phone.says();
    assert_eq!((changed.policy_id, changed.results.len()), (token("p2"), 1));
    assert_eq!(changed.results[0].name, Ie::Is(name("currentOrientation")));
}

#[test]
fn while_a_question_is_open_nothing_else_is_taken_and_nothing_changes() {
    let mut client = registered().client;
    let env = Env { now: Tick(5000), wall: UnixMillis(0), entropy: [3; 32] };
    let mut query = request(Kind::PropertyQuery, "1");
    query.property_names = vec![Ie::Is(name("batteryLevel"))];
    let received = Input::Received(Sender::Name("dpe.example".into()), body(&query));
    let mut out = Vec::new();
    assert_eq!(client.handle(&env, Input::Answered(1, vec![]), &mut out), Err(Misuse::NotAsked));
    client.handle(&env, received.clone(), &mut out).unwrap();
    let before = client.snapshot();
    out.clear();
    assert_eq!(client.handle(&env, received, &mut out), Err(Misuse::Asking));
    assert_eq!(client.handle(&env, Input::Answered(99, vec![]), &mut out), Err(Misuse::NotAsked));
    assert_eq!((client.snapshot(), out.len()), (before, 0));
}

#[test]
fn every_row_of_the_table_leads_somewhere() {
    for (at, row) in TABLE.iter().enumerate() {
        assert!(!TABLE[..at].contains(row), "{row:?} is there twice");
        assert!(TABLE.iter().any(|next| next.0 == row.2), "{row:?} leads nowhere");
    }
    let mut phone = Phone::new(&profile());
    phone.input(Input::Start);
    assert_eq!(phone.client.walked(), Some((PhaseKind::Idle, EventKind::Requested, PhaseKind::AwaitResponse)));
}
