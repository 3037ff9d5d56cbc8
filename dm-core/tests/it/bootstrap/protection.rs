//! Who may bootstrap a device.

use dm_core::{
    bootstrap::{
        self, ContentType, ContentTypeError, ContentTypeFault as Fault, Device, Key, KeyError, Mac, Method,
        NetworkSecret, Policy, Profile, Protection, Provisioned, Refused, Secrets,
    },
    ids::ServerId,
    limits::{BootstrapLimits, WireLimits},
    wire::Encoding,
};

use super::{TRUSTING, W7, cp_document, dm_profile, document};
use crate::wbxml;

const IMSI: &str = "310260123456789";
const ALL: Secrets<'static> = Secrets { pin: Some("1234"), network: Some(NetworkSecret::Imsi(IMSI)) };

fn mac(profile: Profile, method: Method, secrets: &Secrets<'_>, body: &[u8]) -> String {
    Key::new(profile, method, secrets).expect("a key").mac(body).to_hex()
}

/// The vectors of the digest's section 9.3, over its document W-3.
#[test]
fn the_vectors_of_the_dm_profile_are_met() {
    let body = wbxml::octets(wbxml::W_3);
    for (method, expected) in [
        (Method::User, "D2CD7D4608A6CB38F95635D7AEAF640FA58A4624"),
        (Method::Network, "A40B3FDD4009A192B40A3E417E57DDC90536F17C"),
        (Method::UserAndNetwork, "7FE3C08FF9F2DD83F74BD012DED27704AC9D2B2D"),
    ] {
        assert_eq!(mac(Profile::DeviceManagement, method, &ALL, &body), expected, "{method:?}");
    }
}

#[test]
fn the_vector_of_an_imsi_in_semi_octets_is_met() {
    let body = wbxml::octets(wbxml::W_3);
    let by_imsi = mac(Profile::ClientProvisioning, Method::Network, &ALL, &body);
    assert_eq!(by_imsi, "FFA6EE270ED6FBF88C70FE5BCCA0538A9CC0AB46");
    let octets = Secrets { network: Some(NetworkSecret::Octets(b"\x39\x01\x62\x10\x32\x54\x76\x98")), pin: None };
    assert_eq!(mac(Profile::ClientProvisioning, Method::Network, &octets, &body), by_imsi);
    // The PIN's digits follow the secret's octets.
    let both = mac(Profile::ClientProvisioning, Method::UserAndNetwork, &ALL, &body);
    let octets = Secrets { network: Some(NetworkSecret::Octets(b"\x39\x01\x62\x10\x32\x54\x76\x981234")), pin: None };
    assert_eq!(mac(Profile::ClientProvisioning, Method::Network, &octets, &body), both);
}

/// A document and its MAC as a gateway of another maker sent them.
#[test]
fn the_mac_of_another_implementation_is_met() {
    let secrets = Secrets { pin: None, network: Some(NetworkSecret::Imsi("123456789012345")) };
    let mac = mac(Profile::ClientProvisioning, Method::Network, &secrets, &cp_document::octets(cp_document::GATEWAY));
    assert_eq!(mac, "C483EC25F7E3E0CF100380DA5F6714CF204A5EC5");
}

/// A bootstrap of each profile.
fn bodies() -> [(Profile, Vec<u8>); 2] {
    let document = document(W7).encode(Encoding::Wbxml).expect("written");
    [(Profile::ClientProvisioning, document), (Profile::DeviceManagement, dm_profile::message())]
}

fn signed(profile: Profile, method: Method, secrets: &Secrets<'_>, body: &[u8]) -> ContentType {
    let mac = Key::new(profile, method, secrets).expect("a key").mac(body);
    ContentType { profile, encoding: Encoding::Wbxml, protection: Some(Protection { method, mac }) }
}

fn receive(content_type: &ContentType, body: &[u8], secrets: &Secrets<'_>) -> Result<bool, Refused> {
    let received = bootstrap::receive(content_type, body, secrets, &Device::default(), &Policy::default());
    received.map(|bootstrap| bootstrap.is_authenticated)
}

#[test]
fn a_bootstrap_is_taken_from_whoever_knows_the_secret() {
    for (profile, body) in bodies() {
        for method in [Method::Network, Method::User, Method::UserAndNetwork] {
            let content_type = signed(profile, method, &ALL, &body);
            assert_eq!(receive(&content_type, &body, &ALL), Ok(true), "{profile:?} {method:?}");
        }
    }
}

#[test]
fn a_bootstrap_with_a_wrong_mac_has_no_effect() {
    for (profile, body) in bodies() {
        for (method, tries_left) in [(Method::Network, 0), (Method::User, 2), (Method::UserAndNetwork, 2)] {
            let others = Secrets { pin: Some("4321"), network: Some(NetworkSecret::Imsi("310260123456780")) };
            let wrong = Err(Refused::WrongMac { tries_left });
            let content_type = signed(profile, method, &others, &body);
            assert_eq!(receive(&content_type, &body, &ALL), wrong, "another key, {profile:?} {method:?}");
            let content_type = signed(profile, method, &ALL, &body);
            for at in 0..body.len() {
                let mut changed = body.clone();
                changed[at] ^= 1;
                assert_eq!(receive(&content_type, &changed, &ALL), wrong, "octet {at}, {profile:?} {method:?}");
            }
        }
    }
}

#[test]
fn an_unauthenticated_bootstrap_needs_the_option_of_that_name() {
    for (profile, body) in bodies() {
        let plain = super::plain(profile, Encoding::Wbxml);
        assert_eq!(receive(&plain, &body, &ALL), Err(Refused::Unauthenticated));
        let taken = bootstrap::receive(&plain, &body, &ALL, &Device::default(), &TRUSTING).expect("trusted");
        assert!(!taken.is_authenticated && taken.accounts.len() == 1);
    }
    // The option does not make a wrong MAC right.
    let [(profile, body), _] = bodies();
    let wrong = signed(profile, Method::User, &Secrets { pin: Some("0000"), network: None }, &body);
    let refused = bootstrap::receive(&wrong, &body, &ALL, &Device::default(), &TRUSTING);
    assert_eq!(refused, Err(Refused::WrongMac { tries_left: 2 }));
}

#[test]
fn a_wrong_pin_may_be_typed_three_times() {
    let [(profile, body), _] = bodies();
    let content_type = signed(profile, Method::User, &ALL, &body);
    let typed = |pin, wrong_pins| {
        let secrets = Secrets { pin: Some(pin), network: None };
        let device = Device { accounts: &[], wrong_pins };
        bootstrap::receive(&content_type, &body, &secrets, &device, &Policy::default()).map(drop)
    };
    assert_eq!(typed("1111", 0), Err(Refused::WrongMac { tries_left: 2 }));
    assert_eq!(typed("2222", 1), Err(Refused::WrongMac { tries_left: 1 }));
    assert_eq!(typed("1234", 2), Ok(()));
    assert_eq!(typed("3333", 2), Err(Refused::WrongMac { tries_left: 0 }));
    assert_eq!(typed("1234", 3), Err(Refused::TooManyWrongPins), "the right one is too late");
    // The network's secret is not typed.
    let device = Device { accounts: &[], wrong_pins: 3 };
    let network = signed(profile, Method::Network, &ALL, &body);
    assert!(bootstrap::receive(&network, &body, &ALL, &device, &Policy::default()).is_ok());
}

#[test]
fn a_missing_secret_is_asked_for() {
    let [(profile, body), _] = bodies();
    let nothing = Secrets::default();
    for (method, secrets, error) in [
        (Method::User, nothing, KeyError::NoPin),
        (Method::Network, nothing, KeyError::NoNetworkSecret),
        (Method::UserAndNetwork, Secrets { network: None, ..ALL }, KeyError::NoNetworkSecret),
        (Method::UserAndNetwork, Secrets { pin: None, ..ALL }, KeyError::NoPin),
        (Method::Network, Secrets { network: Some(NetworkSecret::Imsi("no IMSI")), ..ALL }, KeyError::BadImsi),
    ] {
        let content_type = signed(profile, method, &ALL, &body);
        assert_eq!(receive(&content_type, &body, &secrets), Err(Refused::NoKey(error)), "{method:?}");
    }
    let mac = Mac::from_hex(&[b'0'; 40]).expect("a MAC");
    let protection = Some(Protection { method: Method::UserMac, mac });
    let content_type = ContentType { protection, ..super::plain(profile, Encoding::Wbxml) };
    assert_eq!(receive(&content_type, &body, &ALL), Err(Refused::NoKey(KeyError::UnsupportedMethod)));
}

#[test]
fn a_device_with_accounts_takes_a_bootstrap_only_as_its_policy_says() {
    let (same, other) = (ServerId::from("dm.example.com"), ServerId::from("other.example.com"));
    for (profile, body) in bodies() {
        let try_on = |accounts: &[ServerId], provisioned, is_signed: bool| {
            let content_type = if is_signed {
                signed(profile, Method::User, &ALL, &body)
            } else {
                super::plain(profile, Encoding::Wbxml)
            };
            let device = Device { accounts, wrong_pins: 0 };
            let policy = Policy { provisioned, accept_unauthenticated: true, ..Policy::default() };
            bootstrap::receive(&content_type, &body, &ALL, &device, &policy).map(|bootstrap| bootstrap.replaced)
        };
        let (same, other) = (std::slice::from_ref(&same), std::slice::from_ref(&other));
        assert_eq!(try_on(other, Provisioned::Refuse, true), Err(Refused::Provisioned));
        assert_eq!(try_on(other, Provisioned::Add, true), Ok(vec![]));
        let known = Err(Refused::KnownServer(same[0].clone()));
        assert_eq!(try_on(same, Provisioned::Add, true), known, "no account is replaced silently");
        assert_eq!(try_on(same, Provisioned::AddOrReplace, true), Ok(same.to_vec()));
        assert_eq!(try_on(same, Provisioned::AddOrReplace, false), known, "never by somebody unknown");
    }
}

#[test]
fn one_bootstrap_brings_one_account_of_a_server() {
    let application = &W7[W7.find("<characteristic type=\"APPLICATION\">").unwrap()..W7.rfind("</wap").unwrap()];
    let twice = W7.replace(application, &application.repeat(2));
    let refused = super::received(Profile::ClientProvisioning, Encoding::Xml, twice.as_bytes());
    assert_eq!(refused, Err(Refused::KnownServer("dm.example.com".into())));
}

#[test]
fn a_bootstrap_above_its_size_is_not_looked_at() {
    let [(profile, body), _] = bodies();
    let wire = WireLimits { message_bytes_max: body.len() - 1, ..WireLimits::CLIENT };
    let policy = Policy { limits: BootstrapLimits { wire, ..BootstrapLimits::DEFAULT }, ..TRUSTING };
    let content_type = super::plain(profile, Encoding::Wbxml);
    let refused = bootstrap::receive(&content_type, &body, &ALL, &Device::default(), &policy);
    assert_eq!(refused, Err(Refused::TooLarge));
}

const HEX: &str = "D2CD7D4608A6CB38F95635D7AEAF640FA58A4624";

#[test]
fn a_content_type_in_text_is_read_however_it_is_spelled() {
    let mac = Mac::from_hex(HEX.as_bytes()).expect("a MAC");
    let content_type =
        |profile, encoding, method| ContentType { profile, encoding, protection: Some(Protection { method, mac }) };
    let (cp, dm) = (Profile::ClientProvisioning, Profile::DeviceManagement);
    for (text, expected) in [
        (format!("application/vnd.syncml.dm+wbxml; SEC=USERPIN; MAC={HEX}"), (dm, Encoding::Wbxml, Method::User)),
        (
            format!("Application/Vnd.Syncml.DM+WBXML;mac=\"{}\" ; charset=utf-8;sec = networkid;", HEX.to_lowercase()),
            (dm, Encoding::Wbxml, Method::Network),
        ),
        (
            format!("application/vnd.syncml.dm+wbxml;SEC=USERPIN_NETWORKID;MAC={HEX}"),
            (dm, Encoding::Wbxml, Method::UserAndNetwork),
        ),
        (format!("application/vnd.wap.connectivity-wbxml; SEC=0; MAC={HEX}"), (cp, Encoding::Wbxml, Method::Network)),
        (
            format!("application/vnd.wap.connectivity-wbxml; SEC=USERNETWPIN; MAC={HEX}"),
            (cp, Encoding::Wbxml, Method::UserAndNetwork),
        ),
        (format!("text/vnd.wap.connectivity-xml; SEC=1; MAC={HEX}"), (cp, Encoding::Xml, Method::User)),
        (format!("application/vnd.wap.connectivity-wbxml; SEC=3; MAC={HEX}"), (cp, Encoding::Wbxml, Method::UserMac)),
    ] {
        let expected = content_type(expected.0, expected.1, expected.2);
        assert_eq!(ContentType::parse(&text), Ok(expected), "{text}");
        assert_eq!(ContentType::parse(&expected.to_text()), Ok(expected), "{text}");
    }
    let plain = super::plain(dm, Encoding::Wbxml);
    assert_eq!(ContentType::parse("application/vnd.syncml.dm+wbxml"), Ok(plain));
    assert_eq!(ContentType::parse(&plain.to_text()), Ok(plain));
}

#[test]
fn a_content_type_of_a_push_is_read_however_it_is_spelled() {
    let mac = Mac::from_hex(HEX.as_bytes()).expect("a MAC");
    let read = |parts: &[&[u8]]| ContentType::from_wsp(&parts.concat());
    let user = |profile| ContentType {
        protection: Some(Protection { method: Method::User, mac }),
        ..super::plain(profile, Encoding::Wbxml)
    };
    let mac = [b"\x92", HEX.as_bytes(), b"\0"].concat();
    let cp = user(Profile::ClientProvisioning);
    assert_eq!(read(&[b"\x1F\x2D\xB6\x91\x81", &mac]), Ok(cp), "as the specification has it");
    assert_eq!(read(&[b"\x1F\x2E\x01\x36", b"\x91\x81", &mac]), Ok(cp), "the type as a number of one octet");
    let long = [b"application/vnd.wap.connectivity-wbxml\0\x91\x81", &mac[..]].concat();
    let length = u8::try_from(long.len()).unwrap();
    assert_eq!(read(&[&[0x1F, length], &long]), Ok(cp), "the type as text");
    let text = [&b"\xC2SEC\0USERPIN\0MAC\0\x22"[..], HEX.as_bytes(), b"\0"].concat();
    let length = u8::try_from(text.len()).unwrap();
    assert_eq!(read(&[&[0x1F, length], &text]), Ok(user(Profile::DeviceManagement)), "parameters as text");
    assert_eq!(read(&[b"\xB6"]), Ok(super::plain(Profile::ClientProvisioning, Encoding::Wbxml)));
    assert_eq!(
        read(&[b"\x03\xB6\x81\xEA"]),
        Ok(super::plain(Profile::ClientProvisioning, Encoding::Wbxml)),
        "a charset"
    );
}

#[test]
fn what_is_no_content_type_of_a_bootstrap_is_refused_with_its_place() {
    let dm = "application/vnd.syncml.dm+wbxml";
    let end = dm.len();
    for (text, fault, offset) in [
        (String::new(), Fault::OtherContent, 0),
        ("application/vnd.syncml.dm+xml; SEC=USERPIN".into(), Fault::OtherContent, 0),
        ("application/vnd.syncml.notification".into(), Fault::OtherContent, 0),
        (format!("{dm}; SEC=USERPIN"), Fault::HalfProtected, end + 13),
        (format!("{dm}; MAC={HEX}"), Fault::HalfProtected, end + 46),
        (format!("{dm}; SEC=NETWPIN; MAC={HEX}"), Fault::UnknownMethod, end + 1),
        (format!("{dm}; SEC=1; MAC={HEX}"), Fault::UnknownMethod, end + 1),
        (format!("{dm}; SEC=; MAC={HEX}"), Fault::UnknownMethod, end + 1),
        (format!("{dm}; SEC=USERPIN; MAC={}", &HEX[1..]), Fault::BadMac, end + 14),
        (format!("{dm}; SEC=USERPIN; SEC=NETWORKID; MAC={HEX}"), Fault::Repeated, end + 14),
        (format!("{dm}; SEC=USERPIN; MAC={HEX}; MAC={HEX}"), Fault::Repeated, end + 60),
        (format!("{dm}; SEC"), Fault::Malformed, end + 1),
        (format!("{dm}; {}", "x".repeat(1024)), Fault::TooLong, 0),
    ] {
        assert_eq!(ContentType::parse(&text), Err(ContentTypeError { fault, offset }), "{text}");
    }
    for (octets, fault, offset) in [
        (&b""[..], Fault::Malformed, 0),
        (b"\xC4", Fault::OtherContent, 0),
        (b"application/json\0", Fault::OtherContent, 0),
        (b"application/vnd.wap", Fault::Malformed, 19),
        (b"\xB6\x91\x81", Fault::Malformed, 1),
        (b"\x04\xB6\x91\x81", Fault::Malformed, 0),
        (b"\x03\xB6\x91", Fault::Malformed, 0),
        (b"\x02\xB6\x91", Fault::Malformed, 3),
        (b"\x03\xB6\x91\x84", Fault::UnknownMethod, 2),
        (b"\x03\xB6\x91\x81", Fault::HalfProtected, 4),
        (b"\x05\xB6\x91\x81\x91\x81", Fault::Repeated, 4),
        (b"\x05\xB6\x91\x81\x92\x81", Fault::BadMac, 4),
        (b"\x03\xB6\x91\x1F", Fault::Malformed, 3),
        (b"\x1F\xFF\xFF\xFF\xFF\x7F\xB6", Fault::Malformed, 1),
        (&[0xB6; 1025], Fault::TooLong, 0),
    ] {
        assert_eq!(ContentType::from_wsp(octets), Err(ContentTypeError { fault, offset }), "{octets:02x?}");
    }
}
