//! Messages of clients that are not what they should be, and the strategies of the server.

use dpe_core::{
    codes::Code,
    config::Strategy,
    ids::ClientId,
    server::device::Report,
    wire::{Identity, Ie, Kind, Message},
};

use crate::bench::{Bench, IMEI, IMEI_2, MSISDN, answer, body, device_source, query, success, token};

/// A client with a query out, and the query.
fn asked(strategies: &[Strategy]) -> (Bench, ClientId, Message) {
    let mut bench = Bench::new(|config| config.verify.client_failure_strategy = strategies.to_vec());
    let client = bench.registered(IMEI, Some(MSISDN));
    bench.dpe3(&query("1", &client, &["muted"]));
    let asked = bench.client_got();
    (bench, client, asked)
}

/// The answer under a foreign Client-ID, over the transport of the client.
fn mistaken(bench: &mut Bench, client: &ClientId, asked: &Message) -> Option<Message> {
    let mut wrong = answer(client, asked);
    wrong.client_id = token("somebody");
    bench.dpe2_raw(Some(client), &device_source(), &body(&wrong))
}

#[test]
fn the_client_id_of_a_message_must_be_there_and_registered() {
    let (mut bench, client, asked) = asked(&[Strategy::Error]);
    let mut message = answer(&client, &asked);
    message.client_id = Ie::Absent;
    for via in [None, Some(&client)] {
        let error = bench.dpe2_raw(via, &device_source(), &body(&message)).unwrap();
        assert_eq!((error.kind, error.status), (Kind::Error, Ie::Is(Code::CLIENT_ID_MISSING)));
        assert_eq!(error.message_id, asked.message_id);
    }
    message.client_id = token("nobody");
    let error = bench.dpe2(&message).unwrap();
    assert_eq!(error.status, Ie::Is(Code::CLIENT_ID_NOT_REGISTERED));
    assert_eq!((error.client_id, error.offending_type), (token("nobody"), Ie::Is("DPE_Property_Result".into())));
    // A client that has not completed its registration is not registered either.
    let pending = bench.requested(IMEI_2, None);
    assert_eq!(bench.dpe2(&answer(&pending, &asked)).unwrap().status, Ie::Is(Code::CLIENT_ID_NOT_REGISTERED));
    assert!(bench.to_sp.is_empty());
}

#[test]
fn the_client_id_must_belong_to_the_identity_that_the_network_sees() {
    let (mut bench, client, asked) = asked(&[Strategy::Error]);
    let message = body(&answer(&client, &asked));
    let mut source = device_source();
    source.radius.device = Some(Identity::new("imei", IMEI_2));
    assert_eq!(bench.dpe2_raw(None, &source, &message).unwrap().status, Ie::Is(Code::DEVICE_IDENTITY_ERROR));
    source.radius.device = Some(Identity::new("imei", IMEI));
    source.radius.user = Some(Identity::new("msisdn", "99999"));
    assert_eq!(bench.dpe2_raw(None, &source, &message).unwrap().status, Ie::Is(Code::USER_IDENTITY_ERROR));
    assert!(bench.to_sp.is_empty());
    source.radius.user = Some(Identity::new("msisdn", MSISDN));
    assert_eq!(bench.dpe2_raw(None, &source, &message), None);
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
}

#[test]
fn the_message_id_must_be_that_of_a_dialogue_with_this_client() {
    let (mut bench, client, asked) = asked(&[Strategy::Error]);
    let mut message = answer(&client, &asked);
    message.message_id = Ie::Absent;
    assert_eq!(bench.dpe2(&message).unwrap().status, Ie::Is(Code::MESSAGE_ID_MISSING));
    message.message_id = token("1");
    let error = bench.dpe2(&message).unwrap();
    assert_eq!(error.status, Ie::Is(Code::MESSAGE_ID_NOT_REGISTERED), "the SP's own Message-ID is none here");
    // Another registered client is no actor in this dialogue.
    let other = bench.registered(IMEI_2, None);
    assert_eq!(bench.dpe2(&answer(&other, &asked)).unwrap().status, Ie::Is(Code::MESSAGE_ID_NOT_REGISTERED));
    assert!(bench.to_sp.is_empty());
    bench.dpe2(&answer(&client, &asked));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
}

#[test]
fn a_message_of_no_or_a_foreign_type_is_an_error_and_the_request_is_repeated() {
    let (mut bench, client, asked) = asked(&[Strategy::Error]);
    let id = asked.message_id.get().unwrap();
    for (kind, code) in [("", Code::MESSAGE_TYPE_MISSING), ("DPE_News", Code::MESSAGE_TYPE_UNKNOWN)] {
        let text = format!(
            "<DPE_News xmlns='urn:x-dpe:msg:1.0'><Message-Type>{kind}</Message-Type><Message-ID>{id}</Message-ID>\
             <Client-ID>{client}</Client-ID></DPE_News>"
        );
        let error = bench.dpe2_raw(None, &device_source(), &text.as_bytes().into()).unwrap();
        assert_eq!((error.kind, error.status), (Kind::Error, Ie::Is(code)));
        assert_eq!(bench.client_got().kind, Kind::PropertyQuery, "asked again");
    }
    // A request of the server is nothing that a client may send.
    let mut request = asked.clone();
    request.client_id = Ie::Is((&client).into());
    request.message_id = token("77");
    assert_eq!(bench.dpe2(&request).unwrap().status, Ie::Is(Code::MESSAGE_TYPE_UNKNOWN));
    assert!(bench.to_client.is_empty());
    // An answer of another kind is not what the dialogue expects; the two repetitions are used up.
    let mut other = answer(&client, &asked);
    other.kind = Kind::GroupSetAck;
    assert_eq!(bench.dpe2(&other).unwrap().status, Ie::Is(Code::MESSAGE_TYPE_UNKNOWN));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::NOT_RESPONDING));
}

#[test]
fn noise_is_dropped_without_an_answer() {
    let (mut bench, client, _) = asked(&[Strategy::Error]);
    assert_eq!(bench.dpe2_raw(Some(&client), &device_source(), &b"noise"[..].into()), None);
    assert_eq!(bench.device_reports.last(), Some(&Report::Unreadable));
    assert_eq!(bench.dpe2_raw(None, &device_source(), &b"noise"[..].into()), None);
}

#[test]
fn an_error_of_the_client_makes_the_server_repeat() {
    let (mut bench, client, asked) = asked(&[Strategy::Error]);
    let mut error = Message::new(Kind::Error);
    error.message_id = asked.message_id.clone();
    error.client_id = Ie::Is((&client).into());
    error.status = Code::MESSAGE_TYPE_UNKNOWN.into();
    assert_eq!(bench.dpe2(&error), None);
    assert_eq!(bench.client_got().kind, Kind::PropertyQuery);
}

#[test]
fn strategy_error_tells_the_client_and_lets_the_timer_run() {
    let (mut bench, client, asked) = asked(&[Strategy::Error]);
    assert_eq!(mistaken(&mut bench, &client, &asked).unwrap().status, Ie::Is(Code::CLIENT_ID_NOT_REGISTERED));
    assert!(bench.to_client.is_empty());
    bench.dpe2(&answer(&client, &asked));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
}

#[test]
fn strategy_retry_sends_the_request_again_as_often_as_configured() {
    let (mut bench, client, asked) = asked(&[Strategy::Retry]);
    for _ in 0..2 {
        assert_eq!(mistaken(&mut bench, &client, &asked), None);
        let again = bench.client_got();
        assert_eq!(again.property_names, asked.property_names);
        assert_ne!(again.message_id, asked.message_id);
    }
    assert_eq!(mistaken(&mut bench, &client, &asked), None);
    assert!(bench.to_client.is_empty());
    assert_eq!(bench.sp_got().status, Ie::Is(Code::NOT_RESPONDING));
}

#[test]
fn strategy_reregister_demands_a_registration_and_sends_the_request_again() {
    let (mut bench, client, asked) = asked(&[Strategy::Error, Strategy::Reregister]);
    assert!(mistaken(&mut bench, &client, &asked).is_some(), "the error comes first, and the list goes on");
    let command = bench.client_got();
    assert_eq!((command.kind, command.reason), (Kind::RegisterCommand, Ie::Is("identification_failed".into())));
    bench.dpe3(&query("2", &client, &["muted"]));
    assert!(bench.to_client.is_empty(), "the queue is paused");
    assert_eq!(bench.requested(IMEI, Some(MSISDN)), client);
    assert_eq!(bench.dpe1(&success(&client, Code::OK)), None);
    let again = bench.client_got();
    assert_eq!(again.property_names, asked.property_names);
    assert_ne!(again.message_id, asked.message_id);
    bench.dpe2(&answer(&client, &again));
    assert_eq!((bench.sp_got().message_id, bench.to_client.len()), (token("1"), 1));
}

#[test]
fn a_client_that_does_not_register_again_in_time_is_silent() {
    let (mut bench, client, asked) = asked(&[Strategy::Reregister]);
    mistaken(&mut bench, &client, &asked);
    bench.pass(59);
    assert!(bench.to_sp.is_empty());
    bench.pass(1);
    assert_eq!(bench.sp_got().status, Ie::Is(Code::NOT_RESPONDING));
}

#[test]
fn strategy_ignore_does_nothing() {
    let (mut bench, client, asked) = asked(&[Strategy::Ignore]);
    assert_eq!(mistaken(&mut bench, &client, &asked), None);
    assert!(bench.to_client.is_empty() && bench.to_sp.is_empty());
    let mut nobody = answer(&client, &asked);
    nobody.client_id = token("nobody");
    assert_eq!(bench.dpe2(&nobody), None);
}

#[test]
fn where_nothing_is_out_retry_and_reregister_have_nothing_to_do() {
    let (mut bench, client, asked) = asked(&[Strategy::Retry, Strategy::Reregister, Strategy::Error]);
    bench.dpe2(&answer(&client, &asked));
    assert!(mistaken(&mut bench, &client, &asked).is_some());
    assert!(bench.to_client.is_empty());
}

#[test]
fn the_server_does_not_acknowledge_what_a_client_answers() {
    let (mut bench, client, asked) = asked(&[Strategy::Error]);
    assert_eq!(bench.dpe2(&answer(&client, &asked)), None);
    assert!(bench.to_client.is_empty());
}
