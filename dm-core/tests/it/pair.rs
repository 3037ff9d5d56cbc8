//! Our client against our server, without a network in between. Both go through their snapshot after every step.

use dm_core::{
    auth::{Nonce, Scheme, Scope},
    server::{Entry, Order, Profile, Request},
    session::Outcome,
};

use crate::harness::{Device, SERVER, Server, converse};

fn orders() -> Vec<Vec<Order>> {
    let first = vec![
        Order::new("read", Request::Get(vec!["./DevInfo/Man".into(), "./Nope".into()])),
        Order::new("add", Request::Add(vec![Entry::text("./Settings/Ringtone", "bell")])),
        Order::new("set", Request::Replace(vec![Entry::text("./Settings/Volume", "7")])),
        Order::new("run", Request::Exec { entry: Entry::bare("./Ops/Reboot"), correlator: None }),
    ];
    vec![first, vec![Order::new("read back", Request::Get(vec!["./Settings/Ringtone".into()]))]]
}

const OUTCOMES: [&str; 5] = ["read: 200 \"Acme\", 404", "add: 200", "set: 200", "run: 200", "read back: 200 \"bell\""];

#[test]
pub(crate) fn a_session_with_digests_both_ways_runs_to_its_end() {
    let mut device = Device::new(Device::usual());
    let mut server = Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    let said = converse(&mut device, &mut server);
    assert_eq!(
        said,
        [
            "C: Alert 1201 (Client-initiated management); Replace ./DevInfo/Man = \"Acme\", ./DevInfo/Mod = \"M1\"; Final",
            "S: Status 212 SyncHdr + next nonce syncml:auth-md5; Status 200 Alert; Status 200 Replace; \
             Get ./DevInfo/Man, ./Nope; Add ./Settings/Ringtone = \"bell\"; Replace ./Settings/Volume = \"7\"; \
             Exec ./Ops/Reboot; Final",
            "C: Status 212 SyncHdr + next nonce syncml:auth-md5; Status 200 Get ./DevInfo/Man; Status 404 Get ./Nope; \
             Results ./DevInfo/Man = \"Acme\"; Status 200 Add ./Settings/Ringtone; Status 200 Replace ./Settings/Volume; \
             Status 200 Exec ./Ops/Reboot; Final",
            "S: Status 200 SyncHdr; Get ./Settings/Ringtone; Final",
            "C: Status 200 SyncHdr; Status 200 Get ./Settings/Ringtone; Results ./Settings/Ringtone = \"bell\"; Final",
            "S: Status 200 SyncHdr; Final",
        ]
    );
    assert_eq!((device.finished, server.finished.clone()), (Some(Outcome::Completed), Some(Outcome::Completed)));
    assert_eq!(server.outcomes(), OUTCOMES);
    assert_eq!(device.tree.text("./Settings/Volume"), Some("7"));
    // Both nonces have moved on, and both sides know the same ones.
    assert_eq!(device.own.nonce, server.device.unwrap().nonce);
    assert_eq!(device.server.nonce, server.own.unwrap().nonce);
    assert_ne!((device.own.nonce, device.server.nonce), (Nonce::default(), Nonce::default()));
}

#[test]
pub(crate) fn stale_nonces_on_both_sides_are_mended_within_the_session() {
    let mut device = Device::new(Device::usual());
    let mut server = Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    device.own.nonce = Nonce::new(b"what the server has forgotten");
    device.server.nonce = Nonce::new(b"what the server never got");
    let said = converse(&mut device, &mut server);
    let heads: Vec<_> = said.iter().map(|line| line.split_once(';').unwrap().0).collect();
    assert_eq!(
        heads,
        [
            "C: Alert 1201 (Client-initiated management)",
            "S: Status 401 SyncHdr + challenge syncml:auth-md5",
            "C: Status 407 SyncHdr + challenge syncml:auth-md5",
            "S: Status 212 SyncHdr + next nonce syncml:auth-md5",
            "C: Status 212 SyncHdr + next nonce syncml:auth-md5",
            "S: Status 200 SyncHdr",
            "C: Status 200 SyncHdr",
            "S: Status 200 SyncHdr",
        ],
        "{said:#?}"
    );
    assert_eq!((device.finished, server.finished.clone()), (Some(Outcome::Completed), Some(Outcome::Completed)));
    assert_eq!(server.outcomes(), OUTCOMES);
    assert_eq!(device.own.nonce, server.device.unwrap().nonce);
    assert_eq!(device.server.nonce, server.own.unwrap().nonce);
}

#[test]
pub(crate) fn a_stale_server_nonce_alone_makes_the_commands_go_out_twice_and_run_once() {
    let mut device = Device::new(Device::usual());
    let mut server = Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    device.server.nonce = Nonce::new(b"what the server never got");
    let said = converse(&mut device, &mut server);
    assert!(said[2].starts_with("C: Status 401 SyncHdr + challenge syncml:auth-md5; Status 401 Get;"), "{said:#?}");
    assert!(said[3].contains("Exec ./Ops/Reboot"), "{said:#?}");
    assert_eq!(server.outcomes(), OUTCOMES);
    assert_eq!(device.tree.take_runs().len(), 1);
}

#[test]
pub(crate) fn a_client_without_credentials_is_challenged_and_goes_back_to_package_one() {
    let mut profile = Device::usual();
    profile.first = None;
    let mut device = Device::new(profile);
    let mut server = Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    let said = converse(&mut device, &mut server);
    assert_eq!(
        said[1],
        "S: Status 407 SyncHdr + challenge syncml:auth-md5; Status 407 Alert; Status 407 Replace; Final"
    );
    assert!(said[2].contains("Alert 1201") && said[2].contains("Replace ./DevInfo/Man"), "{said:#?}");
    assert_eq!(server.outcomes(), OUTCOMES);
}

#[test]
pub(crate) fn basic_credentials_work_where_both_sides_want_them() {
    let mut profile = Device::usual();
    (profile.first, profile.weakest, profile.server_scheme) = (Some(Scheme::Basic), Scheme::Basic, Some(Scheme::Basic));
    let mut device = Device::new(profile);
    let mut server = Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    (device.own.scheme, device.server.scheme) = (Scheme::Basic, Scheme::Basic);
    server.device.as_mut().unwrap().scheme = Scheme::Basic;
    server.own.as_mut().unwrap().scheme = Scheme::Basic;
    let said = converse(&mut device, &mut server);
    assert!(said[1].starts_with("S: Status 212 SyncHdr; Status 200 Alert"), "{said:#?}");
    assert_eq!(server.outcomes(), OUTCOMES);
}

#[test]
pub(crate) fn a_wrong_password_ends_the_session_on_both_sides() {
    let mut device = Device::new(Device::usual());
    let mut server = Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    device.own.password = "wrong".into();
    let said = converse(&mut device, &mut server);
    assert_eq!(said.len(), 4, "{said:#?}");
    assert_eq!(device.finished, Some(Outcome::ClientNotAuthenticated));
    assert_eq!(server.finished, Some(Outcome::ClientNotAuthenticated));
    assert_eq!(server.outcomes(), [""; 0]);
}

#[test]
pub(crate) fn a_server_with_a_wrong_password_gets_nothing_done() {
    let mut device = Device::new(Device::usual());
    let mut server = Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    server.own.as_mut().unwrap().password = "wrong".into();
    converse(&mut device, &mut server);
    assert_eq!(device.finished, Some(Outcome::ServerNotAuthenticated));
    assert_eq!(device.tree.text("./Settings/Volume"), Some("3"));
    assert!(device.tree.take_runs().is_empty());
}

#[test]
pub(crate) fn a_server_without_work_ends_the_session_with_package_two() {
    let mut device = Device::new(Device::usual());
    let mut server = Server::new(Profile::new(SERVER));
    let said = converse(&mut device, &mut server);
    assert_eq!(said.len(), 2, "{said:#?}");
    assert_eq!((device.finished, server.finished), (Some(Outcome::Completed), Some(Outcome::Completed)));
}

#[test]
pub(crate) fn peers_whom_the_transport_has_proved_need_no_credentials() {
    let mut device = Device::trusting();
    let mut server = Server::trusting(orders());
    let said = converse(&mut device, &mut server);
    assert!(said[1].starts_with("S: Status 200 SyncHdr; Status 200 Alert"), "{said:#?}");
    assert_eq!(server.outcomes(), OUTCOMES);
}

#[test]
pub(crate) fn orders_that_do_not_fit_wait_for_the_next_package() {
    let mut device = Device::trusting();
    device.profile.max_msg_size = Some(1_400);
    device.session = dm_core::client::Session::new(&device.profile);
    let entry = |n: u32| Entry::text(&format!("./Settings/Slot{n}"), &"x".repeat(100));
    let many = (0..12).map(|n| Order::new(format!("{n}"), Request::Add(vec![entry(n)]))).collect();
    let mut server = Server::trusting(vec![many]);
    let said = converse(&mut device, &mut server);
    assert!(said.len() > 4, "{said:#?}");
    let all: Vec<String> = (0..12).map(|n| format!("{n}: 200")).collect();
    assert_eq!(server.outcomes(), all);
}

#[test]
pub(crate) fn an_order_that_never_fits_or_cannot_be_written_does_not_stop_the_others() {
    let mut device = Device::trusting();
    device.profile.max_msg_size = Some(2_000);
    device.session = dm_core::client::Session::new(&device.profile);
    let add = |tag: &str, uri: &str, text: &str| Order::new(tag, Request::Add(vec![Entry::text(uri, text)]));
    let mut server = Server::trusting(vec![vec![
        add("fits", "./Settings/A", "a"),
        Order::new("huge", Request::Get((0..99).map(|n| format!("./Settings/B{n}").into()).collect())),
        Order::new("unwritable", Request::Exec { entry: Entry::bare("./D"), correlator: Some("\u{1}".into()) }),
        Order::new("empty", Request::Get(Vec::new())),
        add("also fits", "./Settings/C", "c"),
    ]]);
    converse(&mut device, &mut server);
    let mut outcomes = server.outcomes();
    outcomes.sort();
    assert_eq!(
        outcomes,
        [
            "also fits: 200",
            "empty: not sent Some(Empty)",
            "fits: 200",
            "huge: not sent Some(TooLarge)",
            "unwritable: not sent Some(NotEncodable)",
        ]
    );
    assert_eq!(server.finished, Some(Outcome::Completed));
}

#[test]
pub(crate) fn results_larger_than_the_server_takes_become_413() {
    let profile = dm_core::client::Profile { large_objects: false, ..Device::trusting().profile };
    let mut device = Device::new(profile);
    device.tree.set_value("./Settings/Volume", "v".repeat(3_000)).unwrap();
    let mut profile = Profile::new(SERVER);
    profile.max_msg_size = Some(2_000);
    let get = |uri: &str| Order::new(uri, Request::Get(vec![uri.into()]));
    let orders = vec![vec![get("./Settings/Volume"), get("./DevInfo/Man")]];
    let mut server = Server { device: None, own: None, orders, ..Server::new(profile) };
    converse(&mut device, &mut server);
    assert_eq!(server.outcomes(), ["./Settings/Volume: 413", "./DevInfo/Man: 200 \"Acme\""]);
}

#[test]
pub(crate) fn credentials_that_count_for_one_message_are_shown_in_every_one() {
    let mut device = Device::new(Device::usual());
    let mut server = Server { orders: orders(), scope: Scope::Message, ..Server::new(Profile::new(SERVER)) };
    let said = converse(&mut device, &mut server);
    let next = |line: &&String| line.starts_with("S: Status 200 SyncHdr + next nonce syncml:auth-md5");
    assert_eq!(said.iter().filter(next).count(), 3, "{said:#?}");
    assert_eq!(server.outcomes(), OUTCOMES);
    assert_eq!(device.own.nonce, server.device.unwrap().nonce);
}
