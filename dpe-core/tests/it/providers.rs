//! What SPs may get wrong, and how much they may ask.

use dpe_core::{
    codes::Code,
    config::{BadInput, MissingSpId, WindowAlgorithm},
    ids::ClientId,
    wire::{Identity, Ie, Kind, Message},
};

use crate::bench::{
    Bench, IMEI, answer, body, group_policy, group_set, property_policy, query, read, source, sp_source, token,
};

fn bench() -> (Bench, ClientId) {
    let mut bench = Bench::new(|_| {});
    let client = bench.registered(IMEI, None);
    (bench, client)
}

/// Asserts that a message leaves no trace.
fn ignored(bench: &mut Bench, address: &str, bytes: &[u8]) {
    let gates = ["sp", "sp-2"].map(|id| bench.router.gate(&id.try_into().unwrap()).map(core_kit::Durable::snapshot));
    let devices: Vec<_> = bench.router.clients().cloned().collect();
    let before: Vec<_> = devices.iter().map(|client| core_kit::Durable::snapshot(bench.device(client))).collect();
    bench.ignored = 0;
    bench.dpe3_raw(&source(address), &bytes.into());
    assert_eq!(bench.ignored, 1, "ignored");
    assert!(bench.to_sp.is_empty() && bench.replies.is_empty() && bench.to_client.is_empty(), "no output");
    let after = ["sp", "sp-2"].map(|id| bench.router.gate(&id.try_into().unwrap()).map(core_kit::Durable::snapshot));
    assert_eq!(gates, after, "no state");
    let now: Vec<_> = devices.iter().map(|client| core_kit::Durable::snapshot(bench.device(client))).collect();
    assert_eq!(before, now, "no state");
}

#[test]
fn unknown_sps_addresses_and_types_are_ignored_without_a_trace() {
    let (mut bench, client) = bench();
    let good = query("1", &client, &["muted"]);
    let mut unknown = good.clone();
    unknown.sp_id = token("stranger");
    ignored(&mut bench, "192.0.2.10", &body(&unknown));
    ignored(&mut bench, "192.0.2.11", &body(&good));
    ignored(&mut bench, "192.0.2.20", &body(&good));
    let mut starred = good.clone();
    starred.sp_id = token("*");
    ignored(&mut bench, "192.0.2.99", &body(&starred));
    let text = String::from_utf8(body(&good).to_vec()).unwrap();
    for (from, to) in [
        ("<Message-Type>DPE_Property_Query</Message-Type>", ""),
        ("<Message-Type>DPE_Property_Query</Message-Type>", "<Message-Type>DPE_News</Message-Type>"),
        ("<Message-ID>1</Message-ID>", "<Message-ID>&x;</Message-ID>"),
    ] {
        ignored(&mut bench, "192.0.2.10", text.replace(from, to).as_bytes());
    }
    for kind in Kind::ALL.iter().filter(|kind| !kind.is_request() && **kind != Kind::ClientIdQuery) {
        let mut message = Message::new(*kind);
        message.message_id = token("1");
        message.sp_id = token("sp");
        message.client_id = Ie::Is((&client).into());
        ignored(&mut bench, "192.0.2.10", &body(&message));
    }
    ignored(&mut bench, "192.0.2.10", b"noise");
    assert_eq!(bench.done(&good).status, Ie::Is(Code::OK));
}

#[test]
fn a_request_without_sp_id_is_told_so_where_the_address_is_known() {
    let (mut bench, client) = bench();
    let mut message = query("1", &client, &["muted"]);
    message.sp_id = Ie::Absent;
    bench.dpe3_raw(&sp_source(), &body(&message));
    let told = bench.replies.pop_front().unwrap();
    assert_eq!((told.kind, told.status), (Kind::PropertyResult, Ie::Is(Code::SP_ID_MISSING)));
    assert_eq!(told.message_id, token("1"));
    ignored(&mut bench, "203.0.113.1", &body(&message));
    for (action, address, is_told) in
        [(MissingSpId::Ignore, "192.0.2.10", false), (MissingSpId::Error, "203.0.113.1", true)]
    {
        let mut bench = Bench::new(|config| config.sp.missing_spid_action = action);
        bench.dpe3_raw(&source(address), &body(&message));
        assert_eq!(!bench.replies.is_empty(), is_told, "{action:?}");
    }
}

#[test]
fn unknown_sps_and_addresses_are_told_so_where_configured() {
    let mut bench = Bench::new(|config| config.sp.auth_failure_action = BadInput::Error);
    let client = bench.registered(IMEI, None);
    let mut message = query("1", &client, &["muted"]);
    bench.dpe3_raw(&source("203.0.113.1"), &body(&message));
    let told = bench.sp_got();
    assert_eq!((told.kind, told.status), (Kind::PropertyResult, Ie::Is(Code::SP_ADDRESS_NOT_REGISTERED)));
    message.sp_id = token("stranger");
    bench.dpe3_raw(&sp_source(), &body(&message));
    let told = bench.replies.pop_front().unwrap();
    assert_eq!((told.kind, told.status), (Kind::PropertyResult, Ie::Is(Code::SP_ID_NOT_REGISTERED)));
    assert_eq!(bench.gate_size(), 0);
}

/// One request of each kind that an SP may send to a client.
fn one_of_each(client: &ClientId) -> Vec<Message> {
    vec![
        query("1", client, &["muted"]),
        crate::bench::group(Kind::GroupQuery, "1", client, "g"),
        group_set("1", client, "g", &["muted"]),
        crate::bench::group(Kind::GroupRelease, "1", client, "g"),
        property_policy("1", client, "p"),
        group_policy("1", client, "p", "g"),
        crate::bench::release("1", client, "p"),
    ]
}

#[test]
fn missing_elements_of_any_request_are_told_in_its_own_answer() {
    let (mut bench, client) = bench();
    for mut message in one_of_each(&client) {
        let kind = message.kind;
        let whole = message.clone();
        message.message_id = Ie::Absent;
        assert_eq!(bench.refused(&message), Code::MESSAGE_ID_MISSING, "{kind}");
        message = whole.clone();
        message.client_id = Ie::Absent;
        assert_eq!(bench.refused(&message), Code::CLIENT_ID_MISSING, "{kind}");
        message.client_id = token("nobody");
        assert_eq!(bench.refused(&message), Code::CLIENT_ID_NOT_REGISTERED, "{kind}");
    }
    assert_eq!(bench.gate_size(), 0);
}

#[test]
fn a_message_id_that_is_in_use_is_told_in_any_answer() {
    let (mut bench, client) = bench();
    bench.dpe3(&query("1", &client, &["muted"]));
    bench.to_client.clear();
    for message in one_of_each(&client) {
        assert_eq!(bench.refused(&message), Code::MESSAGE_ID_REPEATED, "{}", message.kind);
    }
    let mut lookup = Message::new(Kind::ClientIdQuery);
    (lookup.message_id, lookup.sp_id) = (token("1"), token("sp"));
    assert_eq!(bench.refused(&lookup), Code::MESSAGE_ID_REPEATED);
}

#[test]
fn silence_of_the_client_is_told_in_any_answer() {
    for message in one_of_each(&ClientId::try_from("x").unwrap()) {
        let (mut bench, client) = bench();
        let needs_group = matches!(message.kind, Kind::GroupQuery | Kind::GroupRelease | Kind::GroupPolicySet);
        if needs_group {
            assert_eq!(bench.done(&group_set("g", &client, "g", &["muted"])).status, Ie::Is(Code::OK));
        }
        if message.kind == Kind::PolicyRelease {
            assert_eq!(bench.done(&property_policy("p", &client, "p")).status, Ie::Is(Code::OK));
        }
        let mut message = message;
        message.client_id = Ie::Is((&client).into());
        bench.dpe3(&message);
        bench.pass(60);
        let told = bench.sp_got();
        assert_eq!((Some(told.kind), told.status), (message.kind.answer(), Ie::Is(Code::NOT_RESPONDING)));
    }
}

#[test]
fn requests_above_the_threshold_of_the_window_are_refused_and_not_counted() {
    let mut bench = Bench::new(|config| {
        config.sp.window_threshold = 3;
        config.sp.window_seconds = 10;
    });
    let client = bench.registered(IMEI, None);
    for id in ["1", "2"] {
        bench.done(&query(id, &client, &["muted"]));
    }
    // What fails a later check counts too.
    assert_eq!(bench.refused(&query("3", &client, &[])), Code::PROPERTY_NAME_MISSING);
    for message in one_of_each(&client) {
        assert_eq!(bench.refused(&message), Code::WINDOW_OVERFLOW, "{}", message.kind);
    }
    let mut lookup = Message::new(Kind::ClientIdQuery);
    (lookup.message_id, lookup.sp_id) = (token("1"), token("sp"));
    assert_eq!(bench.refused(&lookup), Code::WINDOW_OVERFLOW);
    // Another SP is not affected.
    let mut other = query("1", &client, &["muted"]);
    other.sp_id = token("sp-2");
    bench.dpe3_raw(&source("192.0.2.20"), &body(&other));
    bench.serve();
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
    bench.pass(9);
    assert_eq!(bench.refused(&query("4", &client, &["muted"])), Code::WINDOW_OVERFLOW);
    bench.pass(1);
    assert_eq!(bench.done(&query("4", &client, &["muted"])).status, Ie::Is(Code::OK));
}

#[test]
fn fixed_windows_begin_at_multiples_of_their_length() {
    let mut bench = Bench::new(|config| {
        config.sp.window_threshold = 1;
        config.sp.window_seconds = 10;
        config.sp.window_algorithm = WindowAlgorithm::Fixed;
    });
    let client = bench.registered(IMEI, None);
    bench.pass(9);
    bench.done(&query("1", &client, &["muted"]));
    assert_eq!(bench.refused(&query("2", &client, &["muted"])), Code::WINDOW_OVERFLOW);
    bench.pass(1);
    assert_eq!(bench.done(&query("2", &client, &["muted"])).status, Ie::Is(Code::OK));
}

#[test]
fn open_dialogues_groups_and_policies_of_an_sp_are_bounded() {
    let mut bench = Bench::new(|config| {
        config.sp.max_open_dialogues = 2;
        config.sp.max_groups = 1;
        config.sp.max_policies = 1;
    });
    let client = bench.registered(IMEI, None);
    bench.with_group(&client);
    assert_eq!(bench.refused(&group_set("2", &client, "more", &["muted"])), Code::WINDOW_OVERFLOW);
    assert_eq!(bench.done(&property_policy("2", &client, "p")).status, Ie::Is(Code::OK));
    assert_eq!(bench.refused(&property_policy("3", &client, "q")), Code::WINDOW_OVERFLOW);
    bench.dpe3(&query("3", &client, &["muted"]));
    bench.dpe3(&query("4", &client, &["muted"]));
    bench.dpe3(&query("5", &client, &["muted"]));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::WINDOW_OVERFLOW));
}

fn lookup(id: &str, key: Option<Identity>) -> Message {
    let mut message = Message::new(Kind::ClientIdQuery);
    (message.message_id, message.sp_id, message.query_key) = (token(id), token("sp"), key.into());
    message
}

#[test]
fn a_client_id_query_is_answered_with_the_client_ids_of_the_identity() {
    let (mut bench, client) = bench();
    bench.dpe3(&lookup("77", Some(Identity::new("imei", IMEI))));
    let told = bench.sp_got();
    assert_eq!((told.kind, told.message_id), (Kind::ClientIdResponse, token("77")));
    assert_eq!(told.clients, Ie::Is(vec![(&client).into()]));
    assert_eq!(told.status, Ie::Is(Code::OK));
    assert_eq!(bench.gate_size(), 0);
    for key in [
        None,
        Some(Identity::new("imei", "356938035643809")),
        Some(Identity::new("imei", "nonsense")),
        // Not agreed with this SP.
        Some(Identity::new("generic", "x")),
    ] {
        bench.dpe3(&lookup("78", key));
        let told = bench.sp_got();
        assert_eq!((told.clients, told.status), (Ie::Is(vec![]), Ie::Is(Code::OK)), "an empty bag is none");
    }
    assert_eq!(
        bench.refused(&lookup("79", None).tap(|message| message.message_id = Ie::Absent)),
        Code::MESSAGE_ID_MISSING
    );
    let text = String::from_utf8(bench.seen_by_sps.clone()).unwrap();
    assert!(text.contains("<Message-Type>DPE_Client_ID_Response</Message-Type>"));
}

trait Tap: Sized {
    fn tap(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl Tap for Message {}

#[test]
fn a_client_that_has_not_registered_or_declined_is_not_found() {
    let mut bench = Bench::new(|_| {});
    let client = bench.requested(IMEI, None);
    let key = || Some(Identity::new("imei", IMEI));
    bench.dpe3(&lookup("1", key()));
    assert_eq!(bench.sp_got().clients, Ie::Is(vec![]));
    bench.dpe1(&crate::bench::success(&client, Code::SESSION_DECLINED));
    bench.dpe3(&lookup("1", key()));
    assert_eq!(bench.sp_got().clients, Ie::Is(vec![]));
}

#[test]
fn message_ids_of_client_id_queries_may_have_to_be_numbers() {
    let (mut bench, _) = bench();
    bench.dpe3(&lookup("a", None));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
    let mut bench = Bench::new(|config| config.dpe3.strict_integer_message_id = true);
    assert_eq!(bench.refused(&lookup("a", None)), Code::MESSAGE_ID_MISSING);
    bench.dpe3(&lookup("1", None));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
}

#[test]
fn answers_go_to_the_callback_where_that_is_agreed() {
    use dpe_core::{
        config::{ResponseMode, SpProfile},
        identity::Network,
        server::router::Effect,
    };
    let (mut bench, client) = bench();
    let mut sp = SpProfile::new("sp-3".try_into().unwrap(), vec![Network::try_from("192.0.2.30").unwrap()]);
    sp.callback = Some("https://sp.example/dpe".into());
    sp.response_mode = ResponseMode::Callback;
    bench.router.add_sp(sp);
    let mut message = query("1", &client, &["muted"]);
    message.sp_id = token("sp-3");
    let env = bench.env();
    let sent = bench.router.from_sp(&env, &source("192.0.2.30"), &body(&message)).unwrap();
    let asked = sent.iter().find_map(|effect| match effect {
        Effect::ToClient(_, downlink) => Some(read(&downlink.body)),
        _ => None,
    });
    let env = bench.env();
    let told = bench.router.from_client(&env, None, &source("10.1.0.1"), &body(&answer(&client, &asked.unwrap())));
    let told = told.unwrap().into_iter().find_map(|effect| match effect {
        Effect::ToSp(_, message) => Some(message),
        _ => None,
    });
    let told = told.unwrap();
    assert_eq!(told.callback.as_deref(), Some("https://sp.example/dpe"));
    assert_eq!((told.is_answer, told.answers), (true, Some("1".try_into().unwrap())));
}
