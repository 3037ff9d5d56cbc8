//! Package 0: the vectors of the digest, 1.8 and 1.9.4, under their names; what an attacker can send; and properties.

use core_kit::{Millis, Tick};
use dm_core::{
    auth::{CredentialHash, Nonce},
    client::Trigger,
    ids::ServerId,
    limits::NotifyLimits,
    notify::{
        self, BuildError, Conduct, Decision, Ignored, Initiator, Known, Layout, Notice, ParseErrorKind, Policy, Resync,
        Seen, SessionNumber, UiMode, Unverified, VersionHint, push, resync_nonce,
        v1_2::{FormatVersion, Notification},
    },
    prompt::Wanted,
};
use proptest::{collection::vec, prelude::*};

/// Octets in hexadecimal, with or without spaces.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// One server's account on a client.
struct Account {
    server: ServerId,
    credentials: CredentialHash,
    nonce: Nonce,
    seen: Seen,
}

impl Account {
    fn new(server: &str, password: &str, nonce: &[u8]) -> Self {
        let credentials = CredentialHash::new(server, password);
        Self { server: server.into(), credentials, nonce: Nonce::new(nonce), seen: Seen::default() }
    }

    fn sign(&self, notification: &Notification) -> Vec<u8> {
        notification.sign(&self.credentials, &self.nonce).unwrap()
    }

    fn receive_in(&mut self, layout: Layout, message: &[u8], now: Tick, policy: &Policy) -> Decision {
        let Self { server, credentials, nonce, seen } = self;
        let known = Known { credentials, nonce, seen };
        notify::receive(layout, message, |named| (named == server).then_some(known), now, policy)
    }

    fn receive(&mut self, message: &[u8]) -> Decision {
        self.receive_in(Layout::V1_2, message, Tick(0), &Policy::default())
    }
}

fn session(number: u16) -> SessionNumber {
    SessionNumber::new(number).unwrap()
}

fn n1() -> (Account, Notification, Vec<u8>) {
    let account = Account::new("com.mgmtsrv.manage", "srvpwd", &hex("00112233445566778899aabbccddeeff"));
    let notification = Notification {
        ui_mode: UiMode::Background,
        initiator: Initiator::User,
        ..Notification::new(account.server.clone(), session(0x1234))
    };
    let message = hex("ffe8e4f68468302 4c822fa47451c54d4
        02 d0 00 00 00 12 34 12 63 6f 6d 2e 6d 67 6d 74 73 72 76 2e 6d 61 6e 61 67 65"
        .replace('\n', "")
        .as_str());
    (account, notification, message)
}

fn n2() -> (Account, Notification) {
    let account = Account::new("dm.example.com", "OhBehave", b"Nonce");
    let notification =
        Notification { ui_mode: UiMode::UserInteraction, ..Notification::new(account.server.clone(), session(0x00AB)) };
    (account, notification)
}

const N2_TRIGGER: &str = "02 f8 00 00 00 00 ab 0e 64 6d 2e 65 78 61 6d 70 6c 65 2e 63 6f 6d";

/// Checks that the notification is written as `message`, read back from it, and followed.
fn check(account: &mut Account, notification: &Notification, message: &[u8]) -> notify::Start {
    assert_eq!(account.sign(notification), message);
    let (read, reserved) = Notification::decode(message).unwrap();
    assert_eq!((&read, reserved.bits()), (notification, 0));
    let unverified = Unverified::decode(Layout::V1_2, message).unwrap();
    let verified = unverified.verify(&account.credentials, &account.nonce).unwrap();
    assert_eq!(verified.notice(), &Notice::V1_2(read));
    assert_eq!(verified.server(), &account.server);
    let decision = account.receive(message);
    let Decision::Start(start) = decision else { panic!("{decision:?}") };
    assert_eq!((start.session, start.initiator), (notification.session, notification.initiator));
    assert!(!start.resync);
    start
}

#[test]
fn vector_n1_background_by_the_user() {
    let (mut account, notification, message) = n1();
    assert_eq!(message.len(), 42);
    let start = check(&mut account, &notification, &message);
    assert_eq!(start.conduct, Conduct::Silent);
    assert_eq!(start.trigger(), Trigger::Server("1234".into()));
}

#[test]
fn vector_n1_in_a_short_message_of_55_octets() {
    let (_, _, message) = n1();
    let sms = push::sms(Layout::V1_2, 1, &message).unwrap();
    assert_eq!(sms, [hex("06 05 04 0b 84 c0 02 01 06 03 c4 af 87"), message.clone()].concat());
    assert_eq!(sms.len(), 55);
    let pushed = push::open_sms(&sms).unwrap();
    assert_eq!((pushed.layout, pushed.transaction, pushed.message), (Layout::V1_2, 1, &message[..]));
    assert_eq!(push::open_wsp(&sms[7..]), Ok(pushed));
    assert_eq!(push::wsp(Layout::V1_2, 1, &message), sms[7..]);
}

#[test]
fn vector_n2_user_interaction_by_the_server() {
    let (mut account, notification) = n2();
    let message = [hex("9cef3482b7e0b580686bfd1ee489b3b7"), hex(N2_TRIGGER)].concat();
    let start = check(&mut account, &notification, &message);
    assert_eq!(start.conduct, Conduct::Ask);
    assert_eq!(start.trigger(), Trigger::Server("AB".into()));
}

/// N-3: the trigger of N-2 with the nonce of resynchronisation, as the digest says and as libdmclient does it.
fn n3() -> (Vec<u8>, Vec<u8>) {
    let zero = [hex("b86b0ebc70e7d71fe2d40b6b4030d7e2"), hex(N2_TRIGGER)].concat();
    let ascii = [hex("a36c4f471814afd3666336a529b89ea6"), hex(N2_TRIGGER)].concat();
    (zero, ascii)
}

#[test]
fn vector_n3_resynchronisation_counts_only_where_the_policy_allows_it() {
    let (mut account, notification) = n2();
    let (zero, ascii) = n3();
    assert_eq!(notification.sign(&account.credentials, &resync_nonce()).unwrap(), zero);
    let on = Policy { resync: Resync::On, ..Policy::default() };

    assert_eq!(account.receive(&zero), Decision::Ignore(Ignored::ResyncOff));
    assert_eq!(account.receive_in(Layout::V1_2, &ascii, Tick(0), &on), Decision::Ignore(Ignored::WrongDigest));
    let decision = account.receive_in(Layout::V1_2, &zero, Tick(0), &on);
    let Decision::Start(start) = decision else { panic!("{decision:?}") };
    assert!(start.resync && start.conduct == Conduct::Ask);
}

#[test]
fn vector_n3_negative_is_taken_only_by_the_lenient_setting() {
    let (account, _) = n2();
    let (zero, ascii) = n3();
    let verdict = |message: &[u8], resync, lenient_ascii_zero_nonce| {
        let policy = Policy { resync, lenient_ascii_zero_nonce, ..Policy::default() };
        let unverified = Unverified::decode(Layout::V1_2, message).unwrap();
        unverified.judge(&account.credentials, &account.nonce, &policy).map(|verified| verified.is_resync())
    };
    assert_eq!(verdict(&ascii, Resync::Off, false), Err(Ignored::WrongDigest));
    assert_eq!(verdict(&ascii, Resync::On, false), Err(Ignored::WrongDigest));
    assert_eq!(verdict(&ascii, Resync::AskUser, false), Err(Ignored::WrongDigest));
    assert_eq!(verdict(&ascii, Resync::Off, true), Err(Ignored::ResyncOff), "the policy still decides");
    assert_eq!(verdict(&ascii, Resync::On, true), Ok(true));
    assert_eq!(verdict(&zero, Resync::On, true), Ok(true));
}

#[test]
fn vector_n4_the_digest_covers_the_vendor_octets() {
    let mut account = Account::new("com.vzwdmserver", "pw", &hex("00112233445566778899aabbccddeeff"));
    let notification =
        Notification { vendor: vec![1, 2, 3].into(), ..Notification::new(account.server.clone(), session(1)) };
    let trigger = hex("02 c8 00 00 00 00 01 0f 63 6f 6d 2e 76 7a 77 64 6d 73 65 72 76 65 72 01 02 03");
    let message = [hex("b1688e34c74969441621ecdfa8479ec4"), trigger].concat();
    let start = check(&mut account, &notification, &message);
    assert_eq!((start.conduct, start.recommended), (Conduct::Announce, None));

    for shorter in 39..message.len() {
        assert_eq!(account.receive(&message[..shorter]), Decision::Ignore(Ignored::WrongDigest));
    }
    let longer = [&message[..], &[4]].concat();
    assert_eq!(account.receive(&longer), Decision::Ignore(Ignored::WrongDigest));
}

#[test]
fn vector_n5_an_old_format_with_the_highest_session_and_no_nonce() {
    let mut account = Account::new("x", "y", b"");
    let notification = Notification {
        version: FormatVersion::V1_0,
        ui_mode: UiMode::Informative,
        ..Notification::new(account.server.clone(), session(0xFFFF))
    };
    let message = hex("54ac345b99845918d9db159dd92cb097 02a800000 0ffff0178");
    let start = check(&mut account, &notification, &message);
    assert_eq!(start.conduct, Conduct::Announce);
    assert_eq!(start.trigger(), Trigger::Server("FFFF".into()));
}

#[test]
fn every_single_bit_of_n1_counts() {
    let (mut account, _, message) = n1();
    for bit in 0..message.len() * 8 {
        let mut flipped = message.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // Also by a client that looks up the same account whatever the server is called.
        if let Ok(read) = Unverified::decode(Layout::V1_2, &flipped) {
            assert_eq!(read.verify(&account.credentials, &account.nonce), Err(Ignored::WrongDigest), "bit {bit}");
        }
        for policy in [Policy::default(), Policy { resync: Resync::On, ..Policy::default() }] {
            let decision = account.receive_in(Layout::V1_2, &flipped, Tick(0), &policy);
            assert!(matches!(decision, Decision::Ignore(_)), "bit {bit}: {decision:?}");
        }
    }
    assert_eq!(account.seen, Seen::default(), "none of them left a trace");
    assert!(matches!(account.receive(&message), Decision::Start(_)));
}

#[test]
fn every_truncation_of_n1_is_refused_with_its_place() {
    let (mut account, _, message) = n1();
    for octets in 0..message.len() {
        let expected = if octets < 24 { (ParseErrorKind::Truncated, octets) } else { (ParseErrorKind::BeyondEnd, 23) };
        let error = Notification::decode(&message[..octets]).unwrap_err();
        assert_eq!((error.kind, error.offset), expected, "{octets} octets");
        assert_eq!(account.receive(&message[..octets]), Decision::Ignore(Ignored::Malformed(error)));
    }
    assert_eq!(account.seen, Seen::default());
}

#[test]
fn a_short_message_that_ends_within_its_headers_is_refused() {
    let sms = push::sms(Layout::V1_2, 1, &n1().2).unwrap();
    for octets in 0..=sms.len() {
        assert_eq!(push::open_sms(&sms[..octets]).is_ok(), octets >= 13, "{octets} octets");
    }
}

/// T04, F41, D41, D42.
#[test]
fn a_notification_replayed_a_thousand_times_starts_one_session() {
    let (mut account, notification, message) = n1();
    let mut starts = 0;
    let mut after_the_first = None;
    for round in 0..1_000 {
        match account.receive_in(Layout::V1_2, &message, Tick(round), &Policy::default()) {
            Decision::Start(_) => starts += 1,
            decision => assert_eq!(decision, Decision::AlreadyRun(notification.session)),
        }
        // The memory is stored and read back each time, and stays as it was.
        let stored = serde_json::to_string(&account.seen).unwrap();
        account.seen = serde_json::from_str(&stored).unwrap();
        assert_eq!(after_the_first.get_or_insert(stored.clone()), &stored);
    }
    assert_eq!(starts, 1);
    // Signed anew for the same session it is the same session.
    account.nonce = Nonce::new(b"another");
    assert_eq!(account.receive(&message), Decision::Ignore(Ignored::WrongDigest));
    let again = account.sign(&Notification { ui_mode: UiMode::Informative, ..notification.clone() });
    assert_eq!(account.receive(&again), Decision::AlreadyRun(notification.session));
}

#[test]
fn the_memory_of_sessions_is_bounded_and_forgets_the_oldest() {
    let (mut account, notification, _) = n1();
    let most = u16::try_from(NotifyLimits::DEFAULT.sessions_remembered_max).unwrap();
    assert_eq!(most, 32);
    let messages: Vec<_> = (1..=most + 1)
        .map(|number| account.sign(&Notification { session: session(number), ..notification.clone() }))
        .collect();
    let sizes: Vec<_> = messages
        .iter()
        .map(|message| {
            assert!(matches!(account.receive(message), Decision::Start(_)));
            serde_json::to_value(&account.seen).unwrap()["sessions"].as_array().unwrap().len()
        })
        .collect();
    assert_eq!(sizes[usize::from(most) - 1..], [32, 32]);
    for (message, number) in messages.iter().zip(1..).skip(1) {
        assert_eq!(account.receive(message), Decision::AlreadyRun(session(number)));
    }
    assert!(matches!(account.receive(&messages[0]), Decision::Start(_)), "only its nonce would keep it out");

    let none = NotifyLimits { sessions_remembered_max: 0, ..NotifyLimits::DEFAULT };
    let forgetful = Policy { limits: none, ..Policy::default() };
    let first = &messages[5];
    let mut fresh = n1().0;
    assert!(matches!(fresh.receive_in(Layout::V1_2, first, Tick(0), &forgetful), Decision::Start(_)));
    assert!(matches!(fresh.receive_in(Layout::V1_2, first, Tick(0), &forgetful), Decision::AlreadyRun(_)));
}

#[test]
fn a_session_that_never_reached_its_server_can_be_asked_for_again() {
    let (mut account, notification, message) = n1();
    assert!(matches!(account.receive(&message), Decision::Start(_)));
    account.seen.forget(session(1));
    assert!(matches!(account.receive(&message), Decision::AlreadyRun(_)));
    account.seen.forget(notification.session);
    assert!(matches!(account.receive(&message), Decision::Start(_)));
    assert!(matches!(account.receive(&message), Decision::AlreadyRun(_)));
}

/// T05, F41.
#[test]
fn the_zero_nonce_is_refused_unarmed_and_rationed_when_armed() {
    let (mut account, notification) = n2();
    let sign = |account: &Account, number| {
        let asked = Notification { session: session(number), ..notification.clone() };
        asked.sign(&account.credentials, &resync_nonce()).unwrap()
    };
    let (first, second) = (sign(&account, 1), sign(&account, 2));
    let on = Policy { resync: Resync::On, ..Policy::default() };
    let Millis(interval) = on.limits.resync_interval;
    assert_eq!(interval, 3_600_000);
    let begun = Tick(5_000_000);
    let at = |span: u64| begun + Millis(span);

    // Unarmed.
    assert_eq!(account.receive_in(Layout::V1_2, &first, begun, &Policy::default()), ignored(Ignored::ResyncOff));
    assert_eq!(account.seen, Seen::default());
    // Armed.
    assert!(matches!(account.receive_in(Layout::V1_2, &first, begun, &on), Decision::Start(start) if start.resync));
    // A second time: the same one, then another one, up to the end of the hour.
    let before = account.seen.clone();
    for now in [begun, at(1), at(interval), at(interval * 100)] {
        assert_eq!(account.receive_in(Layout::V1_2, &first, now, &on), Decision::AlreadyRun(session(1)));
    }
    for now in [begun, at(1), at(interval - 1)] {
        assert_eq!(account.receive_in(Layout::V1_2, &second, now, &on), ignored(Ignored::ResyncTooSoon));
    }
    assert_eq!(account.seen, before);
    // A notification with the right nonce is not rationed.
    let proper = account.sign(&Notification { session: session(3), ..notification.clone() });
    let decision = account.receive_in(Layout::V1_2, &proper, at(1), &on);
    assert!(matches!(decision, Decision::Start(start) if !start.resync));
    // The hour is over.
    assert!(matches!(account.receive_in(Layout::V1_2, &second, at(interval), &on), Decision::Start(_)));
    let third = sign(&account, 4);
    assert_eq!(account.receive_in(Layout::V1_2, &third, at(interval + 1), &on), ignored(Ignored::ResyncTooSoon));
}

fn ignored(why: Ignored) -> Decision {
    Decision::Ignore(why)
}

#[test]
fn time_set_back_delays_the_next_resynchronisation_by_one_interval() {
    let (mut account, notification) = n2();
    let on = Policy { resync: Resync::On, ..Policy::default() };
    let Millis(interval) = on.limits.resync_interval;
    let mut ask = |number, now| {
        let asked = Notification { session: session(number), ..notification.clone() };
        let message = asked.sign(&account.credentials, &resync_nonce()).unwrap();
        account.receive_in(Layout::V1_2, &message, Tick(now), &on)
    };
    assert!(matches!(ask(1, u64::MAX / 2), Decision::Start(_)));
    assert_eq!(ask(2, 10), ignored(Ignored::ResyncTooSoon));
    assert_eq!(ask(2, 9 + interval), ignored(Ignored::ResyncTooSoon));
    assert!(matches!(ask(2, 10 + interval), Decision::Start(_)));
}

#[test]
fn a_stored_nonce_with_the_reserved_value_does_not_switch_resynchronisation_on() {
    let (mut account, _) = n2();
    account.nonce = resync_nonce();
    let (zero, _) = n3();
    assert_eq!(account.receive(&zero), ignored(Ignored::ResyncOff));
    let unverified = Unverified::decode(Layout::V1_2, &zero).unwrap();
    assert_eq!(unverified.verify(&account.credentials, &account.nonce), Err(Ignored::WrongDigest));
}

#[test]
fn resynchronisation_can_be_made_to_ask_the_user_each_time() {
    let (mut account, notification) = n2();
    let asks = Policy { resync: Resync::AskUser, ..Policy::default() };
    let silent = Notification { ui_mode: UiMode::Background, ..notification };
    let message = silent.sign(&account.credentials, &resync_nonce()).unwrap();
    let decision = account.receive_in(Layout::V1_2, &message, Tick(0), &asks);
    assert!(matches!(decision, Decision::Start(start) if start.conduct == Conduct::Ask), "{decision:?}");
    let proper = account.sign(&Notification { session: session(2), ..silent });
    let decision = account.receive_in(Layout::V1_2, &proper, Tick(0), &asks);
    assert!(matches!(decision, Decision::Start(start) if start.conduct == Conduct::Silent), "{decision:?}");
}

#[test]
fn the_mode_says_what_the_user_sees_and_the_policy_only_fills_the_gap() {
    for unspecified in [Conduct::Silent, Conduct::Announce, Conduct::Ask] {
        let policy = Policy { unspecified, ..Policy::default() };
        for (ui_mode, conduct) in [
            (UiMode::Unspecified, unspecified),
            (UiMode::Background, Conduct::Silent),
            (UiMode::Informative, Conduct::Announce),
            (UiMode::UserInteraction, Conduct::Ask),
        ] {
            let (mut account, notification, _) = n1();
            let message = account.sign(&Notification { ui_mode, ..notification });
            let decision = account.receive_in(Layout::V1_2, &message, Tick(0), &policy);
            let Decision::Start(start) = decision else { panic!("{ui_mode:?}: {decision:?}") };
            assert_eq!(start.conduct, conduct, "{ui_mode:?}");
            let wanted = match start.trigger_showing("Manage now?") {
                Trigger::Announced { prompt, .. } => Some(prompt.wanted),
                trigger => {
                    assert_eq!(trigger, start.trigger());
                    None
                }
            };
            let expected = match conduct {
                Conduct::Silent => None,
                Conduct::Announce => Some(Wanted::Attention),
                Conduct::Ask => Some(Wanted::Consent { default: None }),
            };
            assert_eq!(wanted, expected, "{ui_mode:?}");
        }
    }
}

#[test]
fn a_notification_of_another_server_is_ignored() {
    let (mut account, notification, message) = n1();
    let foreign = Account::new("dm.other.example", "srvpwd", account.nonce.as_bytes());
    let unknown = foreign.sign(&Notification { server: foreign.server.clone(), ..notification.clone() });
    assert_eq!(account.receive(&unknown), ignored(Ignored::UnknownServer));
    // Somebody who knows another account signs in this one's name.
    assert_eq!(account.receive(&foreign.sign(&notification)), ignored(Ignored::WrongDigest));
    assert_eq!(account.seen, Seen::default());
    assert!(matches!(account.receive(&message), Decision::Start(_)));
}

#[test]
fn what_is_no_notification_asks_for_no_account() {
    let decision = notify::receive(Layout::V1_2, &[0; 25], |server| panic!("{server}"), Tick(0), &Policy::default());
    assert!(matches!(decision, Decision::Ignore(Ignored::Malformed(_))));
}

#[test]
fn bits_for_future_use_are_covered_by_the_digest_and_handed_on() {
    let (mut account, _) = n2();
    let trigger = hex(&N2_TRIGGER.replacen("00 00 00 00 ab", "00 00 2a 00 ab", 1));
    let digest = dm_core::auth::digest::notification(&account.credentials, &account.nonce, &trigger);
    let message = [&digest.to_octets(), &trigger[..]].concat();
    let unverified = Unverified::decode(Layout::V1_2, &message).unwrap();
    let verified = unverified.verify(&account.credentials, &account.nonce).unwrap();
    assert_eq!(verified.reserved().bits(), 0x2a);
    assert!(matches!(account.receive(&message), Decision::Start(_)));
}

#[test]
fn the_vendor_hint_recommends_a_version() {
    let (mut account, notification, _) = n1();
    let hint = VersionHint::new(1, 3);
    let message = account.sign(&Notification { vendor: hint.to_vendor(), ..notification });
    assert!(message.ends_with(b"OMADM-VER=1.3"));
    let decision = account.receive(&message);
    assert!(matches!(decision, Decision::Start(start) if start.recommended == Some(hint)), "{decision:?}");
}

#[test]
fn a_long_server_identifier_fits_no_short_message() {
    let account = Account::new(&"s".repeat(255), "pw", b"n");
    let message = account.sign(&Notification::new(account.server.clone(), session(1)));
    assert_eq!(push::sms(Layout::V1_2, 1, &message), Err(BuildError::TooLong { max: push::SMS_MESSAGE_BYTES_MAX }));
    assert_eq!(push::open_wsp(&push::wsp(Layout::V1_2, 9, &message)).unwrap().message, message);
}

#[test]
fn a_stored_memory_is_read_strictly() {
    let (mut account, _, message) = n1();
    assert!(matches!(account.receive(&message), Decision::Start(_)));
    let stored = serde_json::to_string(&account.seen).unwrap();
    assert_eq!(stored, r#"{"sessions":[4660],"resync_at":null}"#);
    for damaged in [r#"{"sessions":[0],"resync_at":null}"#, r#"{"sessions":[],"resync_at":null,"x":1}"#] {
        assert!(serde_json::from_str::<Seen>(damaged).is_err(), "{damaged}");
    }
}

fn ui_mode() -> impl Strategy<Value = UiMode> {
    prop_oneof![
        Just(UiMode::Unspecified),
        Just(UiMode::Background),
        Just(UiMode::Informative),
        Just(UiMode::UserInteraction)
    ]
}

fn initiator() -> impl Strategy<Value = Initiator> {
    prop_oneof![Just(Initiator::User), Just(Initiator::Server)]
}

fn notification() -> impl Strategy<Value = Notification> {
    let version = prop_oneof![Just(FormatVersion::V1_0), Just(FormatVersion::V1_1)];
    let server = "[a-z.:/\u{e4}\u{20ac}]{1,80}";
    (version, ui_mode(), initiator(), 1..=u16::MAX, server, vec(any::<u8>(), 0..300)).prop_map(
        |(version, ui_mode, initiator, number, server, vendor)| Notification {
            version,
            ui_mode,
            initiator,
            session: session(number),
            server: server.into(),
            vendor: vendor.into(),
        },
    )
}

/// Octets that look like a notification for longer than random ones do.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let head = prop_oneof![Just([0x02, 0xc8]), Just([0x02, 0xb8]), Just([0x03, 0x78]), any::<[u8; 2]>()];
    (vec(any::<u8>(), 0..20), head, vec(prop_oneof![0_u8..24, any::<u8>()], 0..80), any::<bool>()).prop_map(
        |(filling, head, rest, exact)| {
            let digest = if exact { vec![0; 16] } else { filling };
            [digest, head.to_vec(), rest].concat()
        },
    )
}

/// What must hold of any octets in any layout: nothing panics, what is read is within its bounds, nothing is started.
fn hold(layout: Layout, octets: &[u8]) -> Result<(), TestCaseError> {
    let (mut account, ..) = n1();
    let decision = account.receive_in(layout, octets, Tick(0), &Policy { resync: Resync::On, ..Policy::default() });
    prop_assert!(matches!(decision, Decision::Ignore(_)));
    prop_assert_eq!(account.seen, Seen::default());
    match Unverified::decode(layout, octets) {
        Ok(read) => prop_assert!((1..=256).contains(&read.server().as_str().len())),
        Err(error) => prop_assert!(error.offset <= octets.len(), "{}", error),
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_was_written_is_read_back_and_believed(asked in notification(), nonce in vec(any::<u8>(), 0..20)) {
        let mut account = Account::new(asked.server.as_str(), "pw", &nonce);
        let message = account.sign(&asked);
        prop_assert_eq!(Notification::decode(&message).unwrap().0, asked.clone());
        let json = serde_json::to_string(&asked).unwrap();
        prop_assert_eq!(serde_json::from_str::<Notification>(&json).unwrap(), asked.clone());
        if account.nonce != resync_nonce() {
            let decision = account.receive(&message);
            prop_assert!(matches!(decision, Decision::Start(start) if start.session == asked.session));
        }
        prop_assert!(asked.session.is_named(&asked.session.id()));
        let pushed = push::wsp(Layout::V1_2, 3, &message);
        prop_assert_eq!(push::open_wsp(&pushed).unwrap().message, &message[..]);
    }

    #[test]
    fn no_octets_panic_or_start_anything(octets in prop_oneof![vec(any::<u8>(), 0..400), likely()]) {
        hold(Layout::V1_2, &octets)?;
        #[cfg(feature = "provisional-notification")]
        hold(Layout::Provisional, &octets)?;
    }

    #[test]
    fn no_octets_of_a_push_panic(
        octets in vec(prop_oneof![any::<u8>(), Just(0x05), Just(0xC4), Just(0xAF), Just(0x1F), 0_u8..8], 0..60)
    ) {
        let framed = [&b"\x06\x05\x04\x0b\x84\xc0\x02\x01\x06"[..], &octets].concat();
        for result in [push::open_sms(&octets), push::open_wsp(&octets), push::open_sms(&framed)] {
            match result {
                Ok(pushed) => prop_assert!(framed.ends_with(pushed.message)),
                Err(error) => prop_assert!(error.offset <= framed.len()),
            }
        }
    }

    #[test]
    fn whatever_comes_each_session_starts_once_while_it_is_remembered(
        asked in vec((1_u16..=8, any::<bool>(), 0_u64..8_000_000), 1..60)
    ) {
        let (mut account, notification) = n2();
        let on = Policy { resync: Resync::On, ..Policy::default() };
        let mut started = Vec::new();
        let mut resyncs: Vec<u64> = Vec::new();
        let mut now = 0;
        for (number, zero, later) in asked {
            now += later;
            let nonce = if zero { resync_nonce() } else { account.nonce.clone() };
            let asked = Notification { session: session(number), ..notification.clone() };
            let message = asked.sign(&account.credentials, &nonce).unwrap();
            let before = account.seen.clone();
            if let Decision::Start(start) = account.receive_in(Layout::V1_2, &message, Tick(now), &on) {
                started.push(start.session);
                resyncs.extend(start.resync.then_some(now));
            } else {
                prop_assert_eq!(&account.seen, &before);
            }
        }
        let mut once = started.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), started.len());
        prop_assert!(resyncs.windows(2).all(|pair| pair[1] - pair[0] >= 3_600_000));
    }
}

/// The layout of this project's own.
#[cfg(feature = "provisional-notification")]
mod provisional {
    use dm_core::notify::v1_3::{Bearer, MoIndex, Notification};
    use proptest::option;

    use super::*;

    fn p13() -> (Account, Notification, Vec<u8>) {
        let account = Account::new("dm.example.com", "OhBehave", b"Nonce");
        let notification = Notification {
            ui_mode: UiMode::UserInteraction,
            requested: vec![MoIndex::DEV_INFO_1_1],
            ..Notification::new(account.server.clone(), session(0xAB), VersionHint::new(1, 3))
        };
        let signed = hex("03 78 00 00 00 00 ab 02 10 0e 64 6d 2e 65 78 61 6d 70 6c 65 2e 63 6f 6d 30 02 00 0c");
        let message = [signed, hex("44ed44bc3df84739c099b1b2d5129384")].concat();
        (account, notification, message)
    }

    fn receive(account: &mut Account, message: &[u8]) -> Decision {
        account.receive_in(Layout::Provisional, message, Tick(0), &Policy::default())
    }

    #[test]
    fn vector_p13_1_recommends_dm_1_3() {
        let (mut account, notification, message) = p13();
        assert_eq!(notification.sign(&account.credentials, &account.nonce).unwrap(), message);
        assert_eq!(Notification::decode(&message).unwrap().0, notification);
        let unverified = Unverified::decode(Layout::Provisional, &message).unwrap();
        let verified = unverified.verify(&account.credentials, &account.nonce).unwrap();
        assert_eq!(verified.notice(), &Notice::Provisional(notification));
        let decision = receive(&mut account, &message);
        let Decision::Start(start) = decision else { panic!("{decision:?}") };
        assert_eq!((start.conduct, start.recommended), (Conduct::Ask, Some(VersionHint::new(1, 3))));
        assert_eq!(start.trigger(), Trigger::Server("AB".into()));
        assert_eq!(receive(&mut account, &message), Decision::AlreadyRun(session(0xAB)));
    }

    #[test]
    fn every_bit_and_every_octet_of_p13_1_counts() {
        let (mut account, _, message) = p13();
        for bit in 0..message.len() * 8 {
            let mut flipped = message.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = Unverified::decode(Layout::Provisional, &flipped) {
                assert_eq!(read.verify(&account.credentials, &account.nonce), Err(Ignored::WrongDigest), "bit {bit}");
            }
            assert!(matches!(receive(&mut account, &flipped), Decision::Ignore(_)), "bit {bit}");
        }
        for octets in 0..message.len() {
            let decision = receive(&mut account, &message[..octets]);
            assert!(matches!(decision, Decision::Ignore(Ignored::Malformed(_))), "{octets} octets: {decision:?}");
        }
        assert_eq!(account.seen, Seen::default());
    }

    #[test]
    fn neither_layout_is_taken_for_the_other() {
        let (mut account, _, message) = p13();
        assert!(matches!(account.receive(&message), Decision::Ignore(Ignored::Malformed(_))));
        let (_, old) = n2();
        let old = account.sign(&old);
        assert!(matches!(receive(&mut account, &old), Decision::Ignore(Ignored::Malformed(_))));
    }

    #[test]
    fn the_content_type_of_a_push_selects_the_layout() {
        let (_, _, message) = p13();
        let sms = push::sms(Layout::Provisional, 1, &message).unwrap();
        assert_eq!(sms[7..13], hex("01 06 03 d8 af 87"));
        assert_eq!(push::open_sms(&sms).unwrap().layout, Layout::Provisional);
        let text = [b"\x01\x06\x27", &b"application/vnd.syncml.dm.notification\0"[..], &message].concat();
        let pushed = push::open_wsp(&text).unwrap();
        assert_eq!((pushed.layout, pushed.message), (Layout::Provisional, &message[..]));
    }

    fn notification() -> impl Strategy<Value = Notification> {
        let mos = || vec(any::<u16>().prop_map(MoIndex), 0..6);
        let text = || option::of("[ -~\u{20ac}]{1,60}");
        let lists = (mos(), mos(), vec(any::<u8>().prop_map(Bearer), 0..6));
        let head = (1_u16..=3, ui_mode(), initiator(), 1..=u16::MAX, "[a-z.\u{e4}]{1,90}");
        (head, lists, text(), text()).prop_map(|(head, (targeted, requested, bearers), connect_reason, vendor_info)| {
            let (minor, ui_mode, initiator, number, server) = head;
            let new = Notification::new(server.into(), session(number), VersionHint::new(1, minor));
            Notification { ui_mode, initiator, targeted, requested, bearers, connect_reason, vendor_info, ..new }
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back_and_believed(asked in notification()) {
            let mut account = Account::new(asked.server.as_str(), "pw", b"nonce");
            let message = asked.sign(&account.credentials, &account.nonce).unwrap();
            prop_assert_eq!(Notification::decode(&message).unwrap().0, asked.clone());
            let decision = receive(&mut account, &message);
            prop_assert!(matches!(decision, Decision::Start(start) if start.recommended == Some(asked.recommended)));
        }
    }
}
