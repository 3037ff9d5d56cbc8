//! Who may fetch what the server has for a client, and for an SP.

use dpe_core::{codes::Code, ids::SpId, server::router::Poll, wire::Kind, wire::Secret};

use crate::bench::{Bench, IMEI, device_source, read, request, source, sp_source, success};

fn refusal(poll: Poll) -> Option<Code> {
    match poll {
        Poll::Refused(body) => {
            let error = read(&body);
            assert_eq!(error.kind, Kind::Error);
            error.status.into_option()
        }
        Poll::Of(_) | Poll::Ignored => None,
    }
}

#[test]
fn a_client_polls_from_its_first_response_on_and_a_stranger_does_not() {
    let mut bench = Bench::new(|_| {});
    let client = bench.requested(IMEI, None);
    let poll = |bench: &Bench, named| bench.router.poll(&device_source(), named);
    assert_eq!(poll(&bench, Some(client.as_str())), Poll::Of(client.clone()), "it has to hear a register command");
    bench.dpe1(&success(&client, Code::OK));
    assert_eq!(poll(&bench, Some(client.as_str())), Poll::Of(client.clone()));
    assert_eq!(refusal(poll(&bench, Some("nobody"))), Some(Code::CLIENT_ID_NOT_REGISTERED));
    for named in [None, Some(""), Some("with blank")] {
        assert_eq!(refusal(poll(&bench, named)), Some(Code::CLIENT_ID_MISSING), "{named:?}");
    }
    assert_eq!(refusal(poll(&bench, Some("*"))), Some(Code::CLIENT_ID_NOT_REGISTERED));
}

#[test]
fn a_client_with_a_session_token_polls_with_it_only() {
    let mut bench = Bench::new(|_| {});
    let mut asked = request(IMEI, None);
    asked.security_token = Secret("boot".into()).into();
    let response = bench.dpe1(&asked).unwrap();
    let (client, token) = (response.client_id.into_option().unwrap(), response.security_token.into_option().unwrap());
    let poll = |shown: Option<&str>| {
        let mut from = device_source();
        from.token = shown.map(|shown| Secret(shown.into()));
        bench.router.poll(&from, Some(client.as_str()))
    };
    assert!(matches!(poll(Some(&token.0)), Poll::Of(_)));
    assert_eq!(refusal(poll(None)), Some(Code::TOKEN_MISSING));
    assert_eq!(refusal(poll(Some("other"))), Some(Code::TOKEN_NOT_REGISTERED));
}

#[test]
fn a_poll_from_outside_the_clients_networks_is_ignored() {
    let mut bench = Bench::new(|config| config.dpe1.allowed_networks = vec!["10.0.0.0/8".try_into().unwrap()]);
    let client = bench.registered(IMEI, None);
    assert_eq!(bench.router.poll(&source("192.0.2.1"), Some(client.as_str())), Poll::Ignored);
    assert!(matches!(bench.router.poll(&device_source(), Some(client.as_str())), Poll::Of(_)));
}

#[test]
fn an_sp_is_known_by_where_it_comes_from() {
    let bench = Bench::new(|_| {});
    let sp = SpId::try_from("sp").unwrap();
    let other = SpId::try_from("other").unwrap();
    assert!(bench.router.is_from_sp(Some(&sp), &sp_source()) && bench.router.is_from_sp(None, &sp_source()));
    assert!(!bench.router.is_from_sp(Some(&other), &sp_source()));
    assert!(!bench.router.is_from_sp(Some(&sp), &device_source()) && !bench.router.is_from_sp(None, &device_source()));
    assert_eq!(bench.router.provider(&sp).map(|sp| &sp.id), Some(&sp));
}

#[test]
fn a_client_was_last_seen_where_its_message_came_from() {
    let mut bench = Bench::new(|_| {});
    let client = bench.registered(IMEI, None);
    assert_eq!(bench.device(&client).address(), Some(device_source().peer));
}
