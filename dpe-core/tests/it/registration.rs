//! Registration on the server, in every mode and from every source of identities.

use dpe_core::{
    codes::Code,
    config::{Assignment, BadInput},
    identity::{Claims, HeaderMeaning, Key, Network, Source},
    ids::ClientId,
    server::device::{Report, table::PhaseKind},
    wire::{Identity, Ie, Kind, Message, Secret},
};

use crate::bench::{Bench, IMEI, IMEI_2, MSISDN, answer, body, device_source, query, request, source, success, token};

fn refused(bench: &mut Bench, message: &Message) -> Code {
    let response = bench.dpe1(message).unwrap();
    assert_eq!((response.kind, response.client_id), (Kind::RegisterResponse, Ie::Absent));
    response.status.into_option().unwrap()
}

fn bench() -> Bench {
    Bench::new(|_| {})
}

#[test]
fn a_request_is_answered_with_a_client_id_and_the_success_establishes_the_session() {
    let mut bench = bench();
    let mut asked = request(IMEI, Some(MSISDN));
    asked.message_id = token("echo");
    let response = bench.dpe1(&asked).unwrap();
    assert_eq!(response.kind, Kind::RegisterResponse);
    assert_eq!((response.status.clone(), response.message_id.clone()), (Ie::Is(Code::OK), token("echo")));
    assert_eq!(response.dpe_version, Ie::Is("1.0".into()));
    let client = ClientId::try_from(response.client_id.into_option().unwrap()).unwrap();
    assert_eq!(bench.device(&client).phase(), PhaseKind::PendingAck);
    // Nothing is exchanged before the client has agreed.
    assert_eq!(bench.refused(&query("1", &client, &["muted"])), Code::CLIENT_ID_NOT_REGISTERED);
    assert_eq!(bench.dpe1(&success(&client, Code::OK)), None);
    assert_eq!(bench.device(&client).phase(), PhaseKind::Active);
    bench.serve();
    assert_eq!(bench.done(&query("1", &client, &["muted"])).status, Ie::Is(Code::OK));
    let known = bench.router.directory.association(&client).unwrap();
    assert!(known.complete && known.user.is_some());
    // Said again, it changes nothing.
    assert_eq!(bench.dpe1(&success(&client, Code::OK)), None);
    assert!(bench.to_client.is_empty());
}

#[test]
fn client_ids_are_random_and_say_nothing_of_the_identity() {
    let mut bench = bench();
    let client = bench.registered(IMEI, Some(MSISDN));
    assert_eq!(client.as_str().len(), 1 + 32, "128 bits");
    assert!(!client.as_str().contains("4901542") && !client.as_str().contains("346001"));
    let mut other = Bench::new(|config| config.client_id.version_ranges = [("1.0".into(), "v1-".into())].into());
    other.env();
    assert!(other.registered(IMEI, Some(MSISDN)).as_str().starts_with("v1-"));
}

#[test]
fn checks_come_in_order_and_the_first_fault_is_told() {
    let mut bench = Bench::new(|config| {
        config.reg.require_user_identity = true;
        config.reg.require_token = true;
    });
    bench.router.directory.register_token(Secret("right".into()), (&Identity::new("imei", IMEI)).try_into().unwrap());
    let mut message = Message::new(Kind::RegisterRequest);
    message.user_identity = Identity::new("msisdn", "x").into();
    assert_eq!(refused(&mut bench, &message), Code::DEVICE_IDENTITY_MISSING);
    message.device_identity = Identity::new("imei", "490154203237519").into();
    assert_eq!(refused(&mut bench, &message), Code::DEVICE_IDENTITY_ERROR);
    message.device_identity = Identity::new("imei", IMEI).into();
    assert_eq!(refused(&mut bench, &message), Code::USER_IDENTITY_ERROR);
    message.user_identity = Ie::Absent;
    assert_eq!(refused(&mut bench, &message), Code::USER_IDENTITY_MISSING);
    message.user_identity = Identity::new("msisdn", MSISDN).into();
    assert_eq!(refused(&mut bench, &message), Code::VERSION_MISSING);
    message.dpe_version = Ie::Is("9".into());
    assert_eq!(refused(&mut bench, &message), Code::VERSION_UNKNOWN);
    message.dpe_version = Ie::Is("1.0".into());
    assert_eq!(refused(&mut bench, &message), Code::TOKEN_MISSING);
    message.security_token = Ie::Is(Secret("wrong".into()));
    assert_eq!(refused(&mut bench, &message), Code::TOKEN_NOT_REGISTERED);
    assert!(bench.router.directory.is_empty());
    message.security_token = Ie::Is(Secret("right".into()));
    assert_eq!(bench.dpe1(&message).unwrap().status, Ie::Is(Code::OK));
}

#[test]
fn a_missing_token_is_fine_where_none_is_required_and_a_wrong_one_never() {
    let mut bench = bench();
    bench.router.directory.register_token(Secret("right".into()), (&Identity::new("imei", IMEI_2)).try_into().unwrap());
    assert_eq!(bench.dpe1(&request(IMEI, None)).unwrap().status, Ie::Is(Code::OK));
    let mut message = request(IMEI, None);
    // It is registered, but for another device.
    message.security_token = Ie::Is(Secret("right".into()));
    assert_eq!(refused(&mut bench, &message), Code::TOKEN_NOT_REGISTERED);
}

#[test]
fn the_session_token_proves_the_client_in_all_that_follows() {
    let mut bench = Bench::new(|config| config.reg.require_token = true);
    let mut message = request(IMEI, None);
    message.security_token = Ie::Is(Secret("boot".into()));
    let response = bench.dpe1(&message).unwrap();
    let session = response.security_token.clone();
    assert!(session.get().is_some_and(|token| token.0 != "boot"));
    let client = ClientId::try_from(response.client_id.into_option().unwrap()).unwrap();
    let mut done = success(&client, Code::OK);
    assert_eq!(refused(&mut bench, &done), Code::TOKEN_MISSING);
    done.security_token = Ie::Is(Secret("boot".into()));
    assert_eq!(refused(&mut bench, &done), Code::TOKEN_NOT_REGISTERED);
    done.security_token = session.clone();
    assert_eq!(bench.dpe1(&done), None);
    let reset = bench.client_got();
    for (shown, code) in [(Ie::Absent, Code::TOKEN_MISSING), (Ie::Is(Secret("x".into())), Code::TOKEN_NOT_REGISTERED)] {
        let mut ack = answer(&client, &reset);
        ack.security_token = shown;
        assert_eq!(bench.dpe2(&ack).unwrap().status, Ie::Is(code));
    }
    let mut source = device_source();
    source.token = session.into_option();
    assert_eq!(bench.dpe2_raw(Some(&client), &source, &body(&answer(&client, &reset))), None);
    assert_eq!(bench.client_got().kind, Kind::PolicyRelease);
}

#[test]
fn a_success_is_checked_too() {
    let mut bench = bench();
    let client = bench.requested(IMEI, None);
    let mut message = success(&client, Code::OK);
    message.client_id = Ie::Absent;
    assert_eq!(refused(&mut bench, &message), Code::CLIENT_ID_MISSING);
    message.client_id = token("nobody");
    assert_eq!(refused(&mut bench, &message), Code::CLIENT_ID_NOT_REGISTERED);
    let mut message = success(&client, Code(41));
    assert_eq!(refused(&mut bench, &message), Code::STATUS_ERROR);
    message.status = Ie::Absent;
    assert_eq!(refused(&mut bench, &message), Code::STATUS_MISSING);
    let mut elsewhere = device_source();
    elsewhere.radius.device = Some(Identity::new("imei", IMEI_2));
    let response = bench.register_from(&elsewhere, &body(&success(&client, Code::OK))).unwrap();
    assert_eq!(response.status, Ie::Is(Code::DEVICE_IDENTITY_ERROR));
    assert_eq!(bench.device(&client).phase(), PhaseKind::PendingAck);
    let client = bench.requested(IMEI_2, Some(MSISDN));
    let mut elsewhere = device_source();
    elsewhere.radius.user = Some(Identity::new("msisdn", "99999"));
    let response = bench.register_from(&elsewhere, &body(&success(&client, Code::OK))).unwrap();
    assert_eq!(response.status, Ie::Is(Code::USER_IDENTITY_ERROR));
}

#[test]
fn a_message_of_no_type_is_answered_or_ignored_by_configuration() {
    let texts = [
        ("<DPE_X xmlns='urn:x-dpe:msg:1.0'/>", Code::MESSAGE_TYPE_MISSING),
        ("<DPE_X xmlns='urn:x-dpe:msg:1.0'><Message-Type>X</Message-Type></DPE_X>", Code::MESSAGE_TYPE_UNKNOWN),
    ];
    let mut bench = bench();
    for (text, code) in texts {
        let response = bench.register_from(&device_source(), &text.as_bytes().into()).unwrap();
        assert_eq!((response.kind, response.status), (Kind::RegisterResponse, Ie::Is(code)));
    }
    // A message of another interface is of no type here.
    let foreign = query("1", &ClientId::try_from("c").unwrap(), &["muted"]);
    assert_eq!(refused(&mut bench, &foreign), Code::MESSAGE_TYPE_UNKNOWN);
    let mut bench = Bench::new(|config| config.dpe1.bad_message_type_action = BadInput::Ignore);
    for (text, _) in texts {
        assert_eq!(bench.register_from(&device_source(), &text.as_bytes().into()), None);
    }
    assert_eq!(bench.register_from(&device_source(), &b"noise"[..].into()), None);
    assert_eq!(bench.ignored, 3);
}

#[test]
fn only_clients_of_the_network_may_register() {
    let mut bench = Bench::new(|config| {
        config.dpe1.allowed_networks = vec![Network::try_from("10.0.0.0/8").unwrap()];
    });
    assert_eq!(bench.register_from(&source("192.0.2.1"), &body(&request(IMEI, None))), None);
    assert_eq!((bench.ignored, bench.router.directory.len()), (1, 0));
    bench.registered(IMEI, None);
}

#[test]
fn without_acknowledgement_the_client_is_commanded_to_register_a_limited_number_of_times() {
    let mut bench = bench();
    let client = bench.requested(IMEI, None);
    bench.pass(29);
    assert!(bench.to_client.is_empty());
    bench.pass(1);
    for _ in 0..3 {
        let command = bench.client_got();
        assert_eq!((command.kind, command.reason), (Kind::RegisterCommand, Ie::Is("ack_timeout".into())));
        assert_eq!(bench.device(&client).phase(), PhaseKind::CommandSent);
        bench.pass(30);
    }
    assert!(bench.to_client.is_empty());
    assert!(bench.device_reports.contains(&Report::RegistrationFailed));
    assert!(bench.router.directory.is_empty(), "the new Client-ID is dropped");
    assert!(bench.router.device(&client).is_none());
}

#[test]
fn a_request_after_the_command_gets_the_same_client_id_and_the_acknowledgement_stops_the_timer() {
    let mut bench = Bench::new(|config| config.reg.ack_timeout = core_kit::Millis::from_secs(7));
    let client = bench.requested(IMEI, None);
    bench.pass(7);
    assert_eq!(bench.client_got().kind, Kind::RegisterCommand);
    assert_eq!(bench.registered(IMEI, None), client);
    bench.pass(100);
    assert!(bench.to_client.is_empty());
    assert_eq!(bench.device(&client).phase(), PhaseKind::Active);
}

#[test]
fn attempts_count_until_a_registration_succeeds() {
    let mut bench = bench();
    for _ in 0..3 {
        bench.requested(IMEI, None);
        bench.pass(30);
        assert_eq!(bench.client_got().kind, Kind::RegisterCommand);
    }
    bench.requested(IMEI, None);
    bench.pass(30);
    assert!(bench.to_client.is_empty());
    assert!(bench.device_reports.contains(&Report::RegistrationFailed));
}

#[test]
fn a_refusal_by_the_client_counts_as_a_failed_attempt() {
    let mut bench = bench();
    let client = bench.requested(IMEI, None);
    assert_eq!(bench.dpe1(&success(&client, Code::STATUS_MISSING)), None);
    assert_eq!(bench.client_got().kind, Kind::RegisterCommand);
}

#[test]
fn a_client_that_declines_is_known_and_gets_no_requests() {
    let mut bench = bench();
    let client = bench.requested(IMEI, None);
    assert_eq!(bench.dpe1(&success(&client, Code::SESSION_DECLINED)), None);
    assert_eq!(bench.device(&client).phase(), PhaseKind::Declined);
    assert!(bench.router.directory.association(&client).is_some_and(|known| known.suspended));
    assert_eq!(bench.refused(&query("1", &client, &["muted"])), Code::CLIENT_ID_NOT_REGISTERED);
    assert_eq!(bench.registered(IMEI, None), client, "it may still want a session later");
}

#[test]
fn the_server_may_command_a_registration_at_any_time_and_on_a_schedule() {
    let mut bench = Bench::new(|config| config.reg.reregister_interval = core_kit::Millis::from_secs(1000));
    let client = bench.registered(IMEI, None);
    let env = bench.env();
    let effects = bench.router.command(&env, &client, "event").unwrap();
    assert_eq!(effects.len(), 1);
    assert_eq!(bench.done(&query("1", &client, &["muted"])).status, Ie::Is(Code::OK), "it stays usable meanwhile");
    assert_eq!(bench.registered(IMEI, None), client);
    bench.pass(1000);
    assert_eq!(bench.client_got().reason, Ie::Is("scheduled".into()));
    // A client that does not follow stays what it was.
    bench.pass(120);
    assert_eq!(bench.device(&client).phase(), PhaseKind::Active);
}

#[test]
fn a_changed_address_does_not_break_the_association() {
    let mut bench = bench();
    let client = bench.registered(IMEI, Some(MSISDN));
    let response = bench.register_from(&source("10.9.9.9"), &body(&request(IMEI, Some(MSISDN)))).unwrap();
    assert_eq!(response.client_id, Ie::Is((&client).into()));
    bench.dpe3(&query("1", &client, &["muted"]));
    let asked = bench.client_got();
    bench.dpe2_raw(None, &source("10.7.7.7"), &body(&answer(&client, &asked)));
    assert_eq!(bench.sp_got().status, Ie::Is(Code::OK));
}

#[test]
fn the_life_of_a_client_id_is_a_matter_of_configuration() {
    let mut bench = bench();
    let first = bench.registered(IMEI, Some(MSISDN));
    assert_eq!(bench.registered(IMEI, Some(MSISDN)), first, "per user and device");
    assert_ne!(bench.registered(IMEI, Some("12345")), first);

    let mut bench = Bench::new(|config| config.client_id.assignment = Assignment::PerDevice);
    let first = bench.registered(IMEI, Some(MSISDN));
    assert_eq!(bench.registered(IMEI, Some("12345")), first, "per device");

    let mut bench = Bench::new(|config| config.client_id.assignment = Assignment::PerRegistration);
    let first = bench.registered(IMEI, Some(MSISDN));
    let pending = bench.requested(IMEI, Some(MSISDN));
    assert_ne!(pending, first, "per registration");
    assert_eq!(bench.requested(IMEI, Some(MSISDN)), pending, "the one before was not completed");
    assert_eq!(bench.dpe1(&success(&pending, Code::OK)), None);
    bench.serve();
    assert_eq!(bench.device(&first).phase(), PhaseKind::Retired);
}

#[test]
fn identities_may_come_from_the_network() {
    let mut bench = Bench::new(|config| {
        config.identity.trusted_proxies = vec![Network::try_from("10.0.0.1").unwrap()];
        config.identity.header_names = [
            ("x-forwarded-for".into(), HeaderMeaning::ClientIp),
            ("x-msisdn".into(), HeaderMeaning::User("msisdn".into())),
        ]
        .into();
    });
    let mut bare = request(IMEI, None);
    bare.device_identity = Ie::Absent;
    let mut by_radius = source("10.5.5.5");
    by_radius.radius = Claims { device: Some(Identity::new("imei", IMEI)), user: None };
    assert_eq!(bench.register_from(&by_radius, &body(&bare)).unwrap().status, Ie::Is(Code::OK));
    let proxied = |peer: &str| {
        let mut source = source(peer);
        source.headers =
            vec![("X-MSISDN".into(), MSISDN.into()), ("X-Forwarded-For".into(), "10.8.8.8, 10.0.0.1".into())];
        source
    };
    let client = bench.register_from(&proxied("10.0.0.1"), &body(&request(IMEI_2, None))).unwrap().client_id;
    let client = ClientId::try_from(client.into_option().unwrap()).unwrap();
    let known = bench.router.directory.association(&client).unwrap().user.clone();
    assert_eq!(known.map(Key::User), Key::try_from(&Identity::new("msisdn", MSISDN)).ok());
    // What anybody else forwards counts for nothing.
    let client = bench.register_from(&proxied("10.0.0.2"), &body(&request("358240051111110", None))).unwrap().client_id;
    let client = ClientId::try_from(client.into_option().unwrap()).unwrap();
    assert_eq!(bench.router.directory.association(&client).unwrap().user, None);
}

#[test]
fn sources_that_contradict_each_other_are_an_error() {
    let mut bench = bench();
    let mut source = device_source();
    source.radius.device = Some(Identity::new("imei", IMEI_2));
    let response = bench.register_from(&source, &body(&request(IMEI, None))).unwrap();
    assert_eq!(response.status, Ie::Is(Code::DEVICE_IDENTITY_ERROR));
    source.radius = Claims { device: None, user: Some(Identity::new("msisdn", "99999")) };
    let response = bench.register_from(&source, &body(&request(IMEI, Some(MSISDN)))).unwrap();
    assert_eq!(response.status, Ie::Is(Code::USER_IDENTITY_ERROR));
}

#[test]
fn the_forwarded_address_is_the_rightmost_one_that_is_no_proxy() {
    let config = dpe_core::config::Identification {
        trusted_proxies: vec![Network::try_from("10.0.0.0/24").unwrap()],
        ..Default::default()
    };
    let mut through = Source::at("10.0.0.1".parse().unwrap());
    through.headers = vec![("x-forwarded-for".into(), "1.1.1.1, 203.0.113.5, 10.0.0.7".into())];
    assert_eq!(through.address(&config).to_string(), "203.0.113.5");
    through.peer = "198.51.100.1".parse().unwrap();
    assert_eq!(through.address(&config).to_string(), "198.51.100.1");
}

#[test]
fn a_static_ipv6_address_may_be_the_identity_of_a_device_where_that_is_enabled() {
    let mut bare = request(IMEI, None);
    bare.device_identity = Ie::Absent;
    let home = source("2001:db8::7");
    assert_eq!(
        bench().register_from(&home, &body(&bare)).unwrap().status,
        Ie::Is(Code::DEVICE_IDENTITY_MISSING),
        "off by default"
    );
    let mut bench = Bench::new(|config| {
        config.identity.ipv6_as_device_id = true;
        config.identity.static_ipv6_prefixes = vec![Network::try_from("2001:db8::/32").unwrap()];
    });
    let first = bench.register_from(&home, &body(&bare)).unwrap();
    assert_eq!(first.status, Ie::Is(Code::OK));
    assert_eq!(bench.register_from(&home, &body(&bare)).unwrap().client_id, first.client_id);
    for other in ["2001:db9::7", "10.0.0.1"] {
        let response = bench.register_from(&source(other), &body(&bare)).unwrap();
        assert_eq!(response.status, Ie::Is(Code::DEVICE_IDENTITY_MISSING), "{other}");
    }
}
