//! Version negotiation: the requirements and the flows of "multi-version client communication", and the rules of
//! [digest 10] that go with them.

use dm_core::{
    Packet,
    auth::{Account, CredentialHash, Nonce, Scheme},
    client::{self, Trigger},
    codes::StatusCode,
    fault::PeerFault,
    notify::{Layout, SessionNumber, Unverified, VersionHint, v1_2},
    server::{self, Order, Profile, Request},
    session::Outcome,
    tree::{Address, DmAcc, Memory as Tree},
    version::{Choice, Memory, Version, Versions, fall_back},
    wire::{Command, Encoding, Message},
};

use crate::harness::{Device, PACKAGE_ONE, SERVER, Server, from_device, from_server, lines, message};

const ACCOUNT: &str = "./DMAcc/Srv";

/// A client that speaks all versions, and what it keeps from one session to the next.
struct Client {
    supported: Versions,
    memory: Memory,
    own: Account,
    server: Account,
    /// Whether the transport has authenticated the server.
    over_tls: bool,
    sessions: u16,
    /// The version of every session that was tried.
    tried: Vec<Version>,
}

impl Client {
    fn new() -> Self {
        Self {
            supported: Versions::ALL,
            memory: Memory::default(),
            own: Account::new("device-001", "s3cr3t-pass", Scheme::Md5),
            server: Account::new("dm-server", "s3rv3r-pass", Scheme::Md5),
            over_tls: false,
            sessions: 0,
            tried: Vec::new(),
        }
    }

    fn choice(&self) -> Choice {
        Choice { memory: self.memory.clone(), ..Choice::of(self.supported) }
    }

    /// Manages the device, with as many sessions as the versions need. Nobody is asked anything.
    fn manage(&mut self, server: &mut Server, choice: &Choice, notified: Option<SessionNumber>) -> Outcome {
        let mut version = choice.version().expect("a version fits");
        loop {
            let (outcome, opened) = self.session(server, version, notified);
            assert_eq!(opened.header.ver_proto, version.ver_proto());
            let next = match &outcome {
                Outcome::VersionRefused { recommended, .. } => fall_back(self.supported, version, *recommended),
                _ => None,
            };
            match next {
                Some(next) => version = next,
                None => return outcome,
            }
        }
    }

    /// One session; how it ended, and its first message.
    fn session(
        &mut self,
        server: &mut Server,
        version: Version,
        notified: Option<SessionNumber>,
    ) -> (Outcome, Message) {
        self.sessions += 1;
        self.tried.push(version);
        let mut device = Device::new(client::Profile { version, ..Device::usual() });
        (device.own, device.server) = (self.own.clone(), self.server.clone());
        (device.now, server.session) = (server.now, server::Session::new(&server.profile));
        let trigger = match notified {
            Some(session) => session.trigger(),
            None => Trigger::Client(dm_core::ids::SessionId::from_number(self.sessions)),
        };
        let first = device.send(client::Input::Start(trigger)).unwrap();
        let (opened, mut request) = (message(&first), Some(first));
        while let Some(packet) = request {
            let reply = server.reply(packet);
            assert_eq!(message(&reply).header.ver_dtd, version.ver_dtd());
            let reply = if self.over_tls { reply.from_identity("dm.example.com") } else { reply };
            request = device.send(client::Input::Received(reply));
        }
        (self.own, self.server) = (device.own, device.server);
        for report in device.reports {
            if let client::Report::VersionRecommended(version) = report {
                self.memory.recommended(version);
            }
        }
        let outcome = device.finished.unwrap();
        self.memory.hear(version, &outcome);
        (outcome, opened)
    }
}

fn server(versions: Versions, recommended: Option<Version>) -> Server {
    let orders = vec![vec![Order::new("read", Request::Get(vec!["./DevInfo/Man".into()]))]];
    Server { orders, ..Server::new(Profile { versions, recommended, ..Profile::new(SERVER) }) }
}

/// What the status of the header says besides its code.
fn recommended(packet: &Packet) -> (StatusCode, Vec<String>) {
    let message = message(packet);
    let Some(Command::Status(status)) = message.commands.first() else { panic!("no status comes first") };
    assert!(status.is_for_header());
    let text = |item: &dm_core::wire::Item| {
        assert_eq!(item.meta.as_ref().unwrap().media_type.as_deref(), Some("text/plain"));
        String::from_utf8(item.data.as_ref().unwrap().as_bytes().to_vec()).unwrap()
    };
    (status.code, status.items.iter().map(text).collect())
}

/// Package 1 of a client of this version.
fn opening(dtd: &str, proto: &str) -> Packet {
    let packet = from_device(1, "", PACKAGE_ONE);
    let text = std::str::from_utf8(&packet.body).unwrap();
    Packet::xml(text.replace("<VerDTD>1.2", &format!("<VerDTD>{dtd}")).replace("DM/1.2", proto))
}

/// What the client takes from a notification of the server.
fn notified(recommends: Option<VersionHint>) -> (SessionNumber, Option<VersionHint>) {
    let credentials = CredentialHash::new("srv", "s3rv3r-pass");
    let session = SessionNumber::new(0x2F).unwrap();
    let mut notification = v1_2::Notification::new("srv".into(), session);
    if let Some(version) = recommends {
        notification.vendor = version.to_vendor();
    }
    let signed = notification.sign(&credentials, &Nonce::default()).unwrap();
    let read = Unverified::decode(Layout::V1_2, &signed).unwrap();
    let verified = read.verify(&credentials, &Nonce::default()).unwrap();
    (session, verified.recommended())
}

#[test]
fn server_1_a_notification_says_which_version_is_recommended() {
    let version = Version::V1_2.number();
    assert_eq!(notified(Some(version)).1, Some(version));
    // A plain notification of DM 1.2 recommends nothing.
    assert_eq!(notified(None).1, None);
}

#[cfg(feature = "provisional-notification")]
#[test]
fn server_1_the_notification_of_1_3_always_says_which_version_is_recommended() {
    use dm_core::notify::v1_3;
    let credentials = CredentialHash::new("srv", "s3rv3r-pass");
    let session = SessionNumber::new(0x2F).unwrap();
    let notification = v1_3::Notification::new("srv".into(), session, Version::V1_3.number());
    let signed = notification.sign(&credentials, &Nonce::default()).unwrap();
    let read = Unverified::decode(Layout::Provisional, &signed).unwrap();
    let verified = read.verify(&credentials, &Nonce::default()).unwrap();
    assert_eq!(verified.recommended().and_then(Version::from_number), Some(Version::V1_3));
}

#[test]
fn server_2_a_session_of_another_version_is_told_the_recommended_one_and_goes_on() {
    let told = |version, recommended_version: Option<Version>| {
        let mut server = server(Versions::ALL, recommended_version);
        server.device = None;
        let reply = server.reply(opening("1.2", version));
        let header = message(&reply).header;
        assert_eq!(header.ver_proto, version, "the session keeps its version");
        assert!(lines(&reply).contains("Get ./DevInfo/Man"), "{}", lines(&reply));
        recommended(&reply)
    };
    assert_eq!(told("DM/1.2", Some(Version::V1_3)), (StatusCode::OK, vec!["DM/1.3".to_owned()]));
    assert_eq!(told("DM/1.3", Some(Version::V1_2)), (StatusCode::OK, vec!["DM/1.2".to_owned()]));
    assert_eq!(told("DM/1.3", Some(Version::V1_3)), (StatusCode::OK, vec![]));
    assert_eq!(told("DM/1.2", None), (StatusCode::OK, vec![]), "it is a MAY, and off unless asked for");
}

#[test]
fn server_2_the_recommendation_is_for_believed_devices_and_comes_once() {
    let mut server = server(Versions::ALL, Some(Version::V1_3));
    let mut device = Device::new(client::Profile { first: None, ..Device::usual() });
    let challenge = server.reply(device.start());
    assert_eq!(recommended(&challenge), (StatusCode::MISSING_CREDENTIALS, vec![]));
    let second = server.reply(device.send(client::Input::Received(challenge)).unwrap());
    assert_eq!(recommended(&second), (StatusCode::AUTHENTICATED, vec!["DM/1.3".to_owned()]));
    let third = server.reply(device.send(client::Input::Received(second)).unwrap());
    assert_eq!(recommended(&third), (StatusCode::OK, vec![]));
}

#[test]
fn server_3_a_version_that_is_not_spoken_gets_an_error_with_the_recommended_one() {
    let (all, old) = (Versions::ALL, Versions::up_to(Version::V1_2));
    let new = Versions::of(&[Version::V1_2, Version::V1_3]);
    // What the client says, what the server speaks; the code, what is recommended, and the version of the answer.
    for (dtd, proto, spoken, code, instead, answer) in [
        ("2.0", "DM/1.2", all, 505, "DM/1.3", ("1.2", "DM/1.2")),
        ("", "", all, 505, "DM/1.3", ("1.2", "DM/1.2")),
        ("1.2", "DM/2.0", all, 513, "DM/1.3", ("1.2", "DM/1.3")),
        ("1.2", "DM/9.9", old, 513, "DM/1.2", ("1.2", "DM/1.2")),
        ("1.2", "SyncML/1.2", all, 513, "DM/1.3", ("1.2", "DM/1.3")),
        ("1.2", "DM/1.3", old, 513, "DM/1.2", ("1.2", "DM/1.2")),
        ("1.1", "DM/1.2", all, 513, "DM/1.3", ("1.1", "DM/1.1")),
        ("1.2", "DM/1.1", all, 513, "DM/1.3", ("1.2", "DM/1.3")),
        ("1.1", "DM/1.1", new, 513, "DM/1.3", ("1.2", "DM/1.2")),
    ] {
        let mut server = server(spoken, None);
        let reply = server.reply(opening(dtd, proto));
        let what = format!("{dtd} {proto}");
        assert_eq!(recommended(&reply), (StatusCode(code), vec![instead.to_owned()]), "{what}");
        let header = message(&reply).header;
        assert_eq!((header.ver_dtd.as_str(), header.ver_proto.as_str()), answer, "{what}");
        // Every command gets the same, there is nothing else, and the session is over.
        let all = format!("Status {code} SyncHdr \"{instead}\"; Status {code} Alert; Status {code} Replace; Final");
        assert_eq!(lines(&reply), all, "{what}");
        let fault =
            if code == 505 { PeerFault::DtdVersion(dtd.into()) } else { PeerFault::ProtocolVersion(proto.into()) };
        assert_eq!(server.finished, Some(Outcome::Failed(fault)), "{what}");
    }
}

#[test]
fn client_1_a_client_prefers_the_version_that_the_notification_recommends() {
    for version in Version::ALL {
        let choice = Choice { notified: Some(version.number()), ..Choice::of(Versions::ALL) };
        assert_eq!(choice.version(), Some(version));
        // Also to what it remembers, and to what the account says.
        let mut memory = Memory::default();
        memory.worked(Version::V1_3);
        let choice = Choice { account: Some(VersionHint::new(1, 3)), memory, ..choice };
        assert_eq!(choice.version(), Some(version));
    }
}

#[test]
fn client_2_a_client_uses_the_next_lower_version_that_it_speaks() {
    let old = Versions::of(&[Version::V1_1_2]);
    let choice =
        |supported, major, minor| Choice { notified: Some(VersionHint::new(major, minor)), ..Choice::of(supported) };
    assert_eq!(choice(old, 1, 3).version(), Some(Version::V1_1_2));
    assert_eq!(choice(Versions::ALL, 2, 0).version(), Some(Version::V1_3));
}

#[test]
fn client_3_a_client_uses_no_higher_version_unless_its_configuration_says_so() {
    let new = Versions::of(&[Version::V1_3]);
    let choice = Choice { notified: Some(VersionHint::new(1, 2)), ..Choice::of(new) };
    assert_eq!(choice.version(), None);
    let configured = Choice { configured: Some(Version::V1_3), ..choice.clone() };
    assert_eq!(configured.version(), Some(Version::V1_3));
    let not_spoken = Choice { configured: Some(Version::V1_1_2), ..choice };
    assert_eq!(not_spoken.version(), None);
}

#[test]
fn client_4_a_session_of_its_own_begins_with_what_the_account_says_then_with_what_worked() {
    let mut memory = Memory::default();
    memory.worked(Version::V1_2);
    let choice = Choice { account: Some(VersionHint::new(1, 1)), memory, ..Choice::of(Versions::ALL) };
    assert_eq!(choice.version(), Some(Version::V1_1_2));
    assert_eq!(Choice { account: None, ..choice.clone() }.version(), Some(Version::V1_2));
    assert_eq!(Choice::of(Versions::ALL).version(), Some(Version::V1_3));
}

#[test]
fn tree_1_the_account_says_the_highest_version_of_the_server() {
    let account = |version: Option<&str>| DmAcc {
        server_id: "srv".into(),
        addresses: vec![Address { address: SERVER.into(), ..Address::default() }],
        server_version: version.map(Into::into),
        ..DmAcc::default()
    };
    let said = |tree: &Tree| DmAcc::read(tree, ACCOUNT).unwrap().highest_version();
    let built = |version| said(&Tree::builder().dm_acc(ACCOUNT, &account(version)).finish().unwrap());
    assert_eq!(built(Some("1.3")), Some(VersionHint::new(1, 3)));
    assert_eq!(built(None), None);
    assert_eq!(built(Some("new")), None);
    // The node of Windows will do, and a node of another name.
    let tree = Tree::builder()
        .dm_acc(ACCOUNT, &account(None))
        .leaf(&format!("{ACCOUNT}/Ext/Microsoft/ProtoVer"), " 1.1 ")
        .leaf(&format!("{ACCOUNT}/Ext/Ver"), "1.2")
        .finish()
        .unwrap();
    assert_eq!(said(&tree), Some(VersionHint::new(1, 1)));
    let named = DmAcc::read_with(&tree, ACCOUNT, "Ext/Ver").unwrap();
    assert_eq!(named.highest_version(), Some(VersionHint::new(1, 2)));
    let choice = Choice { account: named.highest_version(), ..Choice::of(Versions::ALL) };
    assert_eq!(choice.version(), Some(Version::V1_2));
}

#[test]
fn normal_flow_a_session_of_the_device_has_the_version_of_the_account() {
    let mut server = server(Versions::of(&[Version::V1_1_2]), None);
    let mut client = Client::new();
    let choice = Choice { account: Some(VersionHint::new(1, 1)), ..client.choice() };
    assert_eq!(client.manage(&mut server, &choice, None), Outcome::Completed);
    assert_eq!(client.tried, [Version::V1_1_2]);
    assert_eq!(server.outcomes(), ["read: 200 \"Acme\""]);
}

#[test]
fn alternative_flow_i_a_session_of_the_server_has_the_version_of_its_notification() {
    let mut server = server(Versions::of(&[Version::V1_1_2]), None);
    let mut client = Client::new();
    let (session, hint) = notified(Some(VersionHint::new(1, 1)));
    let choice = Choice { notified: hint, ..client.choice() };
    assert_eq!(client.manage(&mut server, &choice, Some(session)), Outcome::Completed);
    assert_eq!(client.tried, [Version::V1_1_2]);
    assert_eq!(server.outcomes(), ["read: 200 \"Acme\""]);
}

#[test]
fn alternative_flow_ii_a_recommendation_counts_from_the_next_session_on() {
    let mut server = server(Versions::ALL, Some(Version::V1_3));
    let mut client = Client::new();
    client.memory.worked(Version::V1_2);
    for _ in 0..2 {
        let choice = client.choice();
        assert_eq!(client.manage(&mut server, &choice, None), Outcome::Completed);
    }
    assert_eq!(client.tried, [Version::V1_2, Version::V1_3]);
}

#[test]
fn alternative_flow_iii_an_unknown_version_gets_an_error_with_the_recommended_one() {
    // A client of the future comes with 2.0 to a server whose highest version is 1.2.
    let mut old = server(Versions::up_to(Version::V1_2), None);
    let reply = old.reply(opening("1.2", "DM/2.0"));
    assert_eq!(recommended(&reply), (StatusCode::PROTOCOL_NOT_SUPPORTED, vec!["DM/1.2".to_owned()]));
    // Ours comes with 1.3, and again with what it is told, under a new identifier.
    let mut client = Client::new();
    let choice = client.choice();
    assert_eq!(client.manage(&mut old, &choice, None), Outcome::Completed);
    assert_eq!(client.tried, [Version::V1_3, Version::V1_2]);
    assert_eq!(old.outcomes(), ["read: 200 \"Acme\""]);
    assert_eq!(client.choice().version(), Some(Version::V1_2), "it remembers");
}

#[test]
fn operational_aspect_a_device_of_two_servers_speaks_to_each_in_its_own_version_and_asks_nobody() {
    // The IT department has DM 1.1.2, the operator 1.3; the client keeps what it learns with each account.
    let mut department = server(Versions::of(&[Version::V1_1_2]), None);
    let mut operator = server(Versions::ALL, None);
    let (mut work, mut private) = (Client::new(), Client::new());
    for _ in 0..2 {
        for (client, server) in [(&mut work, &mut department), (&mut private, &mut operator)] {
            let choice = client.choice();
            assert_eq!(client.manage(server, &choice, None), Outcome::Completed);
        }
    }
    assert_eq!(work.tried, [Version::V1_3, Version::V1_1_2, Version::V1_1_2]);
    assert_eq!(private.tried, [Version::V1_3, Version::V1_3]);
}

#[test]
fn a_session_that_a_notification_asked_for_keeps_its_identifier_and_alert_when_it_falls_back() {
    let mut old = server(Versions::up_to(Version::V1_2), None);
    let mut client = Client::new();
    let (session, _) = notified(None);
    for version in [Version::V1_3, Version::V1_2] {
        let (outcome, opened) = client.session(&mut old, version, Some(session));
        assert_eq!((opened.header.session_id.as_str(), opened.header.msg_id.0), ("2F", 1));
        assert!(opened.commands.iter().any(|command| matches!(command, Command::Alert(alert)
            if alert.code == Some(dm_core::codes::AlertCode::SERVER_INITIATED))));
        let refused = matches!(outcome, Outcome::VersionRefused { .. });
        assert_eq!(refused, version == Version::V1_3, "{outcome:?}");
    }
}

#[test]
fn a_refusal_ends_the_session_with_what_is_known_of_it() {
    for (code, item, recommended) in [
        (
            513,
            "<Item><Meta><Type xmlns='syncml:metinf'>text/plain</Type></Meta><Data>DM/1.1</Data></Item>",
            Some((1, 1)),
        ),
        (513, "<Item><Data>use something else</Data></Item><Item><Data> DM/1.2 </Data></Item>", Some((1, 2))),
        (505, "<Item><Data>DM/2.0</Data></Item>", Some((2, 0))),
        (505, "", None),
        (513, "<Item><Data>1.2</Data></Item>", None),
    ] {
        for trusted in [false, true] {
            let mut device = Device::new(Device::usual());
            device.start();
            let status = format!(
                "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>{code}</Data>{item}\
                 </Status><Final/>"
            );
            let reply = from_server(1, "", &status);
            let reply = if trusted { reply.from_identity("dm.example.com") } else { reply };
            assert_eq!(device.send(client::Input::Received(reply)), None);
            let recommended = recommended.map(|(major, minor)| VersionHint::new(major, minor));
            let code = StatusCode(code);
            assert_eq!(device.finished, Some(Outcome::VersionRefused { code, recommended, trusted }));
        }
    }
}

#[test]
fn whoever_answers_in_the_servers_name_cannot_keep_a_client_on_an_old_version() {
    let mut real = server(Versions::ALL, None);
    let mut client = Client::new();
    client.memory.worked(Version::V1_3);
    // Somebody refuses the version in the server's name; the client tries the lower one with the real server.
    let mut liar = server(Versions::of(&[Version::V1_1_2]), None);
    let (outcome, _) = client.session(&mut liar, Version::V1_3, None);
    let Outcome::VersionRefused { recommended, trusted: false, .. } = outcome else { panic!("{outcome:?}") };
    let lower = fall_back(client.supported, Version::V1_3, recommended).unwrap();
    assert_eq!(client.session(&mut real, lower, None).0, Outcome::Completed);
    assert_eq!(client.choice().version(), Some(Version::V1_3), "it is back at once");
    // A server that TLS has authenticated is taken at its word.
    client.over_tls = true;
    let choice = client.choice();
    client.manage(&mut liar, &choice, None);
    assert_eq!(client.choice().version(), Some(Version::V1_1_2));
}

#[test]
fn a_recommendation_of_a_server_that_is_not_believed_counts_for_nothing() {
    let mut device = Device::new(Device::usual());
    device.start();
    let body = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>212</Data>\
        <Item><Data>DM/1.1</Data></Item></Status><Get><CmdID>2</CmdID><Item><Target><LocURI>./DevInfo/Man</LocURI>\
        </Target></Item></Get><Final/>";
    device.send(client::Input::Received(from_server(1, "", body))).expect("the server is challenged");
    let told = |device: &Device| device.reports.iter().any(|r| matches!(r, client::Report::VersionRecommended(_)));
    assert!(!told(&device));
    let nonce = match &message(&device.session.in_flight().unwrap().packet).commands[0] {
        Command::Status(status) => {
            Nonce::from_base64(status.chal.as_ref().unwrap().meta.next_nonce.as_ref().unwrap().reveal())
        }
        other => panic!("{other:?}"),
    };
    let cred = crate::harness::cred(&device.server, Some(nonce.unwrap().as_bytes()));
    let body = body.replace("<MsgRef>1", "<MsgRef>2").replace("<Item><Data>DM/1.1</Data></Item>", "");
    device.send(client::Input::Received(from_server(2, &cred, &body)));
    assert!(told(&device), "now it is believed");
}

#[test]
fn headers_and_namespaces_of_every_version_are_written_and_read() {
    for (version, namespace) in [
        (Version::V1_1_2, "SYNCML:SYNCML1.1"),
        (Version::V1_2, "SYNCML:SYNCML1.2"),
        (Version::V1_3, "SYNCML:SYNCML1.2"),
    ] {
        let mut profile = client::Profile { version, ..Device::usual() };
        (profile.first, profile.server_scheme) = (None, None);
        let mut server = server(Versions::ALL, None);
        (server.device, server.own) = (None, None);
        let mut device = Device::new(profile);
        let mut request = Some(device.start());
        while let Some(packet) = request {
            let reply = server.reply(packet.clone());
            for packet in [&packet, &reply] {
                let text = std::str::from_utf8(&packet.body).unwrap();
                assert!(text.contains(&format!("<SyncML xmlns=\"{namespace}\">")), "{text}");
                let header = message(packet).header;
                assert_eq!(
                    (header.ver_dtd.as_str(), header.ver_proto.as_str()),
                    (version.ver_dtd(), version.ver_proto())
                );
            }
            request = device.send(client::Input::Received(reply));
        }
        assert_eq!(device.finished, Some(Outcome::Completed));
    }
    // Old clients write a new namespace, and new ones an old one.
    for (dtd, proto, namespace) in [("1.1", "DM/1.1", "SYNCML:SYNCML1.2"), ("1.2", "DM/1.2", "SYNCML:SYNCML1.1")] {
        let text = std::str::from_utf8(&opening(dtd, proto).body).unwrap().replace("SYNCML:SYNCML1.2", namespace);
        let mut server = server(Versions::ALL, None);
        (server.device, server.own) = (None, None);
        let reply = server.reply(Packet::xml(text));
        assert_eq!(recommended(&reply).0, StatusCode::OK, "{dtd} {namespace}");
        assert_eq!(message(&reply).header.ver_proto, proto);
    }
}

#[cfg(feature = "wbxml")]
#[test]
fn a_session_of_1_1_2_in_wbxml_has_the_public_identifier_of_its_version() {
    let mut profile = client::Profile { version: Version::V1_1_2, encoding: Encoding::Wbxml, ..Device::usual() };
    (profile.first, profile.server_scheme) = (None, None);
    let mut server = server(Versions::ALL, None);
    (server.device, server.own) = (None, None);
    let packet = Device::new(profile).start();
    let reply = server.reply(packet.clone());
    for packet in [packet, reply] {
        assert_eq!(packet.body[..3], [0x02, 0x9F, 0x53]);
        assert_eq!(message(&packet).header.ver_proto, "DM/1.1");
    }
}

#[test]
fn a_session_keeps_its_version_whatever_the_device_says_in_the_middle_of_it() {
    let mut server = server(Versions::ALL, None);
    (server.device, server.own) = (None, None);
    server.reply(opening("1.2", "DM/1.2"));
    let text = std::str::from_utf8(&from_device(2, "", "<Final/>").body).unwrap().replace("DM/1.2", "DM/1.3");
    let reply = server.reply(Packet::xml(text));
    assert_eq!(message(&reply).header.ver_proto, "DM/1.2");
    assert!(server.faults().contains(&&PeerFault::ProtocolVersion("DM/1.3".into())), "{:?}", server.faults());
}
