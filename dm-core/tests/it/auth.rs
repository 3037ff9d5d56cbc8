//! Who believes whom, and for how long [DM SEC 1.2, 5; digest 4].

use core_kit::{Millis, Tick};
use dm_core::{
    Packet,
    auth::{
        Account, BodyHash, CredentialHash, Lockout, LockoutLimits, Mac, Nonce, Resync, Scheme, Scope, SignRequest,
        Verdict, digest,
    },
    client,
    codes::StatusCode,
    fault::PeerFault,
    server::{Entry, Input, Order, Output, Profile, Question, Report, Request, Session},
    session::Outcome,
    tree::Content,
    wire::{Chal, Command, Status},
};

use crate::harness::{
    Device, Driven, PACKAGE_ONE, SERVER, Server, cred, env, from_device, from_server, lines, message,
};

fn orders() -> Vec<Vec<Order>> {
    let read = Order::new("read", Request::Get(vec!["./DevInfo/Man".into()]));
    let set = Order::new("set", Request::Replace(vec![Entry::text("./Settings/Volume", "7")]));
    vec![vec![read], vec![set]]
}

const OUTCOMES: [&str; 2] = ["read: 200 \"Acme\"", "set: 200"];

/// A pair whose client proves itself by one scheme and whose server by another; nothing where the transport does.
fn pair(client: Option<Scheme>, server: Option<Scheme>) -> (Device, Server) {
    let mut profile = Device::usual();
    (profile.first, profile.server_scheme) = (client, server);
    profile.weakest = client.unwrap_or(Scheme::Basic);
    let mut device = Device::new(profile);
    let mut node = Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    match client {
        Some(scheme) => (device.own.scheme, node.device.as_mut().unwrap().scheme) = (scheme, scheme),
        None => node.device = None,
    }
    match server {
        Some(scheme) => (device.server.scheme, node.own.as_mut().unwrap().scheme) = (scheme, scheme),
        None => node.own = None,
    }
    (device, node)
}

/// Lets both talk; every message as it went out.
fn talk(device: &mut Device, server: &mut Server) -> Vec<Packet> {
    let (mut said, mut request) = (Vec::new(), Some(device.start()));
    while let Some(packet) = request {
        let reply = server.reply(packet.clone());
        said.extend([packet, reply.clone()]);
        request = device.send(client::Input::Received(reply));
    }
    said
}

fn header_status(packet: &Packet) -> Option<Status> {
    message(packet).commands.into_iter().find_map(|command| match command {
        Command::Status(status) if status.is_for_header() => Some(status),
        _ => None,
    })
}

fn chal(packet: &Packet) -> Option<Chal> {
    header_status(packet).and_then(|status| status.chal.map(|chal| *chal))
}

fn next_nonce(packet: &Packet) -> Option<Nonce> {
    Nonce::from_base64(chal(packet)?.meta.next_nonce?.reveal())
}

/// The same message under a seal.
fn sealed(packet: Packet, account: &Account, nonce: Option<&Nonce>) -> Packet {
    let body = Some(BodyHash::of(&packet.body));
    let request = SignRequest { peer: "".into(), scheme: Scheme::Mac, nonce: nonce.cloned(), body };
    let digest = digest::Digest::from_base64(&account.sign(&request).data).unwrap();
    let field = Mac { user: account.user.clone(), digest }.to_field();
    packet.with_mac(field)
}

fn ok(msg_ref: u32, chal: &str) -> String {
    format!(
        "<Status><CmdID>90</CmdID><MsgRef>{msg_ref}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>{chal}<Data>200</Data>\
         </Status>"
    )
}

fn chal_text(scheme: &str, nonce: &[u8]) -> String {
    format!(
        "<Chal><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>{scheme}</Type>\
         <NextNonce xmlns='syncml:metinf'>{}</NextNonce></Meta></Chal>",
        Nonce::new(nonce).to_base64()
    )
}

#[test]
pub(crate) fn macs_in_both_directions_sign_every_message_with_a_new_nonce() {
    let (mut device, mut server) = pair(Some(Scheme::Mac), Some(Scheme::Mac));
    let said = talk(&mut device, &mut server);
    assert_eq!(said.len(), 6);
    let passwords = [CredentialHash::new("device-001", "s3cr3t-pass"), CredentialHash::new("dm-server", "s3rv3r-pass")];
    // What each side must use next: at first the nonce that both have stored.
    let mut due = [Nonce::default(), Nonce::default()];
    for (at, packet) in said.iter().enumerate() {
        let (me, other) = (at % 2, (at + 1) % 2);
        let mac = Mac::parse(packet.mac.as_ref().expect("every message is signed")).expect("well");
        assert!(digest::mac(&passwords[me], &due[me], &packet.body).matches(&mac.digest), "message {at}");
        let header = message(packet).header;
        assert_eq!(header.source.name.as_deref(), Some(mac.user.as_str()));
        assert!(header.cred.is_none());
        if at > 0 {
            let status = header_status(packet).unwrap();
            assert_eq!(status.code, StatusCode::OK, "never 212");
            assert_eq!(status.chal.unwrap().meta.media_type.as_deref(), Some("syncml:auth-MAC"));
            let next = next_nonce(packet).unwrap();
            assert_ne!(next, due[other], "a new one every time");
            due[other] = next;
        }
    }
    assert_eq!(server.outcomes(), OUTCOMES);
    assert_eq!((device.finished, server.finished), (Some(Outcome::Completed), Some(Outcome::Completed)));
    // What was issued last is stored on both sides, for the next session.
    assert_eq!([&device.own.nonce, &device.server.nonce], [&due[0], &due[1]]);
    assert_eq!([server.device.unwrap().nonce, server.own.unwrap().nonce], due);
}

#[test]
fn every_scheme_of_the_client_works_with_every_scheme_of_the_server() {
    let schemes = [None, Some(Scheme::Basic), Some(Scheme::Md5), Some(Scheme::Mac)];
    for (own, others) in schemes.into_iter().flat_map(|own| schemes.map(|others| (own, others))) {
        let (mut device, mut server) = pair(own, others);
        let said = talk(&mut device, &mut server);
        assert_eq!(server.outcomes(), OUTCOMES, "{own:?} {others:?}");
        assert_eq!((device.finished, server.finished), (Some(Outcome::Completed), Some(Outcome::Completed)));
        assert_eq!(said.len(), 6);
        for (at, packet) in said.iter().enumerate() {
            let scheme = if at % 2 == 0 { own } else { others };
            assert_eq!(packet.mac.is_some(), scheme == Some(Scheme::Mac), "{own:?} {others:?}, message {at}");
            // 212 ends the showing of credentials; a seal never ends.
            let shown = matches!(scheme, Some(Scheme::Basic | Scheme::Md5)) && at < 2;
            assert_eq!(message(packet).header.cred.is_some(), shown, "{own:?} {others:?}, message {at}");
        }
    }
}

#[test]
fn a_client_that_is_challenged_for_a_mac_goes_back_to_package_one_under_a_seal() {
    let (mut device, mut server) = pair(Some(Scheme::Mac), Some(Scheme::Mac));
    device.profile.first = None;
    device.session = client::Session::new(&device.profile);
    let said = talk(&mut device, &mut server);
    assert!(said[0].mac.is_none() && said[1].mac.is_none());
    assert_eq!(
        lines(&said[1]),
        "Status 407 SyncHdr + challenge syncml:auth-MAC; Status 407 Alert; Status 407 Replace; Final"
    );
    assert!(lines(&said[2]).contains("Alert 1201") && said[2].mac.is_some(), "{}", lines(&said[2]));
    assert_eq!(server.outcomes(), OUTCOMES);
    // A weaker first try is a challenge too, and the client takes the stronger scheme.
    let (mut device, mut server) = pair(Some(Scheme::Mac), None);
    (device.profile.first, device.profile.weakest) = (Some(Scheme::Md5), Scheme::Md5);
    device.session = client::Session::new(&device.profile);
    let said = talk(&mut device, &mut server);
    assert!(lines(&said[1]).starts_with("Status 401 SyncHdr + challenge syncml:auth-MAC"), "{}", lines(&said[1]));
    assert_eq!(server.outcomes(), OUTCOMES);
}

#[test]
fn a_server_that_is_challenged_for_a_mac_seals_its_package_and_sends_its_orders_again() {
    let (mut device, mut server) = pair(Some(Scheme::Md5), Some(Scheme::Mac));
    server.own.as_mut().unwrap().scheme = Scheme::Md5;
    let said = talk(&mut device, &mut server);
    assert!(lines(&said[2]).starts_with("Status 401 SyncHdr + challenge syncml:auth-MAC; Status 401 Get"));
    assert!(said[1].mac.is_none() && said[3].mac.is_some());
    assert_eq!(server.outcomes(), OUTCOMES);
}

/// A sealed session that has come as far as its first orders, the first reply and the device's nonce for the next message.
fn sealed_session() -> (Server, Packet, Nonce) {
    let (_, mut server) = pair(Some(Scheme::Mac), None);
    let account = server.device.clone().unwrap();
    let reply = server.reply(sealed(from_device(1, "", PACKAGE_ONE), &account, None));
    let nonce = next_nonce(&reply).unwrap();
    (server, reply, nonce)
}

/// Makes a message that is not sealed well, with a nonce that would be good.
type Spoil<'a> = &'a dyn Fn(&Nonce) -> Packet;

#[test]
fn a_sealed_session_ends_with_the_first_message_that_is_not_sealed_well() {
    let account = Account::new("device-001", "s3cr3t-pass", Scheme::Mac);
    let body = format!("{}<Final/>", ok(1, ""));
    let plain = || from_device(2, "", &body);
    let good = |nonce: &Nonce| sealed(plain(), &account, Some(nonce));
    let (mut server, _, nonce) = sealed_session();
    let reply = server.reply(good(&nonce));
    assert!(lines(&reply).starts_with("Status 200 SyncHdr + next nonce syncml:auth-MAC"), "{}", lines(&reply));

    let cases: [(&str, u16, Spoil<'_>); 6] = [
        ("no seal", 407, &|_| plain()),
        ("the nonce of the message before", 401, &|_| sealed(plain(), &account, None)),
        ("another body", 401, &|nonce| {
            let field = good(nonce).mac.unwrap();
            from_device(2, "", &body.replace("90", "91")).with_mac(field)
        }),
        ("another name", 401, &|nonce| {
            sealed(plain(), &Account { user: "device-002".into(), ..account.clone() }, Some(nonce))
        }),
        ("a broken field", 401, &|_| plain().with_mac("algorithm=SHA1, username=\"device-001\", mac=AAAA")),
        ("another scheme", 401, &|nonce| {
            let md5 = Account { scheme: Scheme::Md5, ..account.clone() };
            from_device(2, &cred(&md5, Some(nonce.as_bytes())), &body)
        }),
    ];
    for (what, code, spoil) in cases {
        let (mut server, _, nonce) = sealed_session();
        let reply = server.reply(spoil(&nonce));
        let expected = format!("Status {code} SyncHdr + challenge syncml:auth-MAC; Final");
        assert_eq!(lines(&reply), expected, "{what}");
        assert_eq!(server.finished, Some(Outcome::ClientNotAuthenticated), "{what}");
        assert_eq!(server.outcomes(), ["read: unknown"], "{what}");
    }
}

#[test]
fn both_forms_of_the_digest_are_believed_and_a_repeated_message_gets_the_same_reply() {
    let (_, mut server) = pair(Some(Scheme::Mac), Some(Scheme::Mac));
    let packet = sealed(from_device(1, "", PACKAGE_ONE), server.device.as_ref().unwrap(), None);
    let mac = Mac::parse(packet.mac.as_ref().unwrap()).unwrap();
    let hex = format!("{:032X}", u128::from_be_bytes(mac.digest.to_octets()));
    let field = format!("mac={}, USERNAME=\"device-001\"", Nonce::new(hex.as_bytes()).to_base64());
    let packet = packet.with_mac(field);
    let reply = server.reply(packet.clone());
    assert!(lines(&reply).starts_with("Status 200 SyncHdr + next nonce syncml:auth-MAC"), "{}", lines(&reply));
    assert!(reply.mac.is_some());
    assert_eq!(server.reply(packet), reply);
}

#[test]
fn a_mac_is_never_believed_inside_a_message() {
    let (_, mut server) = pair(Some(Scheme::Mac), None);
    let account = server.device.clone().unwrap();
    let request = SignRequest {
        peer: "".into(),
        scheme: Scheme::Mac,
        nonce: None,
        body: Some(BodyHash::of(&from_device(1, "", PACKAGE_ONE).body)),
    };
    let data = account.sign(&request).data;
    let cred = format!(
        "<Cred><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>syncml:auth-MAC</Type></Meta>\
         <Data>{data}</Data></Cred>"
    );
    let reply = server.reply(from_device(1, &cred, PACKAGE_ONE));
    assert!(lines(&reply).starts_with("Status 401 SyncHdr + challenge syncml:auth-MAC"), "{}", lines(&reply));
}

#[test]
fn a_client_ends_a_sealed_session_whose_server_gives_no_nonce_for_the_next_message() {
    let no_nonce = ok(1, "");
    let for_good = ok(1, &chal_text("syncml:auth-MAC", b"next")).replace("<Data>200", "<Data>212");
    for status in [no_nonce, for_good] {
        let (mut device, _) = pair(Some(Scheme::Mac), None);
        device.start();
        let get = "<Get><CmdID>2</CmdID><Item><Target><LocURI>./DevInfo/Man</LocURI></Target></Item></Get><Final/>";
        let sent = device.send(client::Input::Received(from_server(1, "", &format!("{status}{get}"))));
        assert_eq!(sent, None, "{status}");
        assert_eq!(device.finished, Some(Outcome::Failed(PeerFault::NoNextNonce)), "{status}");
    }
}

#[test]
fn a_server_ends_a_sealed_session_whose_device_gives_no_nonce_for_the_next_message() {
    let for_good = ok(1, &chal_text("syncml:auth-MAC", b"next")).replace("<Data>200", "<Data>212");
    for status in [ok(1, ""), for_good] {
        let (_, mut server) = pair(None, Some(Scheme::Mac));
        server.reply(from_device(1, "", PACKAGE_ONE));
        server.reply(from_device(2, "", &format!("{status}<Final/>")));
        assert_eq!(server.finished, Some(Outcome::Failed(PeerFault::NoNextNonce)), "{status}");
    }
}

#[test]
fn a_client_that_judges_sealed_replies_ends_with_the_first_that_is_not_sealed_well() {
    let (mut device, mut server) = pair(None, Some(Scheme::Mac));
    let first = server.reply(device.start());
    let second = device.send(client::Input::Received(first)).expect("the read is answered");
    let reply = server.reply(second);
    let unsealed = Packet::xml(reply.body.to_bytes().to_vec());
    assert_eq!(device.send(client::Input::Received(unsealed)), None);
    assert_eq!(device.finished, Some(Outcome::ServerNotAuthenticated));
    assert_eq!(device.tree.text("./Settings/Volume"), Some("3"));
}

#[test]
fn an_abort_is_sealed_too() {
    let (mut device, mut server) = pair(Some(Scheme::Mac), Some(Scheme::Mac));
    server.reply(device.start());
    let abort = device.send(client::Input::Abort(dm_core::session::Reason::Requested)).unwrap();
    assert!(lines(&abort).contains("Alert 1223") && abort.mac.is_some(), "{}", lines(&abort));
}

#[test]
fn a_server_with_nothing_to_sign_with_replies_without_a_seal() {
    let profile = Profile::new(SERVER);
    let mut session = Session::new(&profile);
    let mut ask = |input: Input| match session.step(&env(1), input, &profile).unwrap().pop() {
        Some(Output::Ask(question)) => question,
        other => panic!("{other:?}"),
    };
    let Question::Authenticate(question) = ask(Input::Received(from_device(1, "", PACKAGE_ONE))) else { panic!() };
    let accepted = question.answer(Verdict::Accepted(Scope::Transport), Some(Scheme::Mac));
    let Question::Commands(question) = ask(accepted) else { panic!() };
    let read = Order::new("read", Request::Get(vec!["./DevInfo/Man".into()]));
    let Question::Sign(question) = ask(question.answer(vec![read])) else { panic!() };
    assert_eq!(question.request.body, None, "the name is asked for first");
    let outputs = session.step(&env(1), question.decline(), &profile).unwrap();
    let [Output::Reply(reply)] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert!(reply.mac.is_none() && lines(reply).ends_with("Get ./DevInfo/Man; Final"), "{}", lines(reply));
}

fn md5(password: &str) -> Account {
    Account::new("device-001", password, Scheme::Md5)
}

#[test]
fn other_credentials_than_were_asked_for_end_the_session_though_they_are_right() {
    let (_, mut server) = pair(Some(Scheme::Md5), None);
    server.reply(from_device(1, "", PACKAGE_ONE));
    let basic = Account { scheme: Scheme::Basic, ..md5("s3cr3t-pass") };
    let reply = server.reply(from_device(2, &cred(&basic, None), PACKAGE_ONE));
    assert!(lines(&reply).starts_with("Status 401 SyncHdr + challenge syncml:auth-md5; Status 401 Alert"));
    assert_eq!(server.finished, Some(Outcome::ClientNotAuthenticated));
    assert_eq!(server.faults(), [&PeerFault::WrongScheme(Scheme::Md5)]);
    // And the other way round: a server that was asked for a digest shows its password.
    let (mut device, _) = pair(None, Some(Scheme::Md5));
    let get = "<Get><CmdID>2</CmdID><Item><Target><LocURI>./DevInfo/Man</LocURI></Target></Item></Get><Final/>";
    device.start();
    let challenge = device.send(client::Input::Received(from_server(1, "", &format!("{}{get}", ok(1, ""))))).unwrap();
    assert!(lines(&challenge).starts_with("Status 407 SyncHdr + challenge syncml:auth-md5"));
    let shown = cred(&Account::new("dm-server", "s3rv3r-pass", Scheme::Basic), None);
    let body = format!("{}{get}", ok(2, ""));
    assert_eq!(device.send(client::Input::Received(from_server(2, &shown, &body))), None);
    assert_eq!(device.finished, Some(Outcome::ServerNotAuthenticated));
}

#[test]
fn the_scheme_that_a_session_began_with_stays() {
    let (_, mut server) = pair(Some(Scheme::Md5), None);
    server.scope = Scope::Message;
    let reply = server.reply(from_device(1, &cred(&md5("s3cr3t-pass"), None), PACKAGE_ONE));
    assert_eq!(header_status(&reply).unwrap().code, StatusCode::OK);
    let nonce = next_nonce(&reply).unwrap();
    let sealed = sealed(from_device(2, "", "<Final/>"), &md5("s3cr3t-pass"), Some(&nonce));
    server.reply(sealed);
    assert_eq!(server.finished, Some(Outcome::ClientNotAuthenticated));
    assert_eq!(server.faults(), [&PeerFault::WrongScheme(Scheme::Md5)]);
}

#[test]
fn credentials_that_count_for_one_message_are_wanted_with_the_next_one_under_the_new_nonce() {
    let (_, mut server) = pair(Some(Scheme::Md5), None);
    server.scope = Scope::Message;
    let reply = server.reply(from_device(1, &cred(&md5("s3cr3t-pass"), None), PACKAGE_ONE));
    let first = next_nonce(&reply).unwrap();
    let body = format!("{}<Final/>", ok(1, ""));
    // Nothing shown: the message is not taken, and there is another try.
    let reply = server.reply(from_device(2, "", &body));
    assert_eq!(lines(&reply), "Status 407 SyncHdr + challenge syncml:auth-md5; Final");
    let second = next_nonce(&reply).unwrap();
    assert_ne!(first, second);
    let shown = cred(&md5("s3cr3t-pass"), Some(second.as_bytes()));
    let reply = server.reply(from_device(3, &shown, &body));
    assert!(lines(&reply).starts_with("Status 200 SyncHdr + next nonce syncml:auth-md5"), "{}", lines(&reply));
}

#[test]
fn a_client_shows_the_same_credentials_again_where_they_counted_once_and_no_new_nonce_came() {
    let (mut device, _) = pair(Some(Scheme::Md5), None);
    device.own.nonce = Nonce::new(b"stored");
    let first = message(&device.start()).header.cred.unwrap();
    let get = "<Get><CmdID>2</CmdID><Item><Target><LocURI>./DevInfo/Man</LocURI></Target></Item></Get><Final/>";
    let second = device.send(client::Input::Received(from_server(1, "", &format!("{}{get}", ok(1, ""))))).unwrap();
    assert_eq!(message(&second).header.cred.unwrap(), first);
    // With a new nonce they are made anew.
    let status = ok(2, &chal_text("syncml:auth-md5", b"next"));
    let third = device.send(client::Input::Received(from_server(2, "", &format!("{status}{get}")))).unwrap();
    assert_ne!(message(&third).header.cred.unwrap(), first);
    // And 212 ends it.
    let status = ok(3, "").replace("<Data>200", "<Data>212");
    let fourth = device.send(client::Input::Received(from_server(3, "", &format!("{status}{get}")))).unwrap();
    assert_eq!(message(&fourth).header.cred, None);
}

#[test]
fn the_first_failure_is_challenged_with_a_new_nonce_and_the_second_is_the_last() {
    let (_, mut server) = pair(Some(Scheme::Md5), None);
    let stored = Nonce::new(b"stored");
    server.device.as_mut().unwrap().nonce = stored.clone();
    let first = server.reply(from_device(1, &cred(&md5("guess"), Some(b"stored")), PACKAGE_ONE));
    let nonce = next_nonce(&first).unwrap();
    assert_ne!(nonce, stored);
    // The stored nonce counts no more.
    let second = server.reply(from_device(2, &cred(&md5("s3cr3t-pass"), Some(b"stored")), PACKAGE_ONE));
    assert!(lines(&second).starts_with("Status 401 SyncHdr + challenge"), "{}", lines(&second));
    assert_eq!(server.finished, Some(Outcome::ClientNotAuthenticated));
    assert_ne!(next_nonce(&second).unwrap(), nonce);
    let failed = Report::AuthenticationFailed { scheme: Some(Scheme::Md5) };
    assert_eq!(server.reports, [failed.clone(), failed]);
}

#[test]
fn a_challenged_client_goes_back_to_package_one_in_the_same_session_at_the_address_it_was_given() {
    let (mut device, _) = pair(Some(Scheme::Md5), None);
    device.start();
    let challenge = chal_text("syncml:auth-md5", b"n1");
    let body = format!(
        "{}<Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>1</CmdRef><Cmd>Alert</Cmd><Data>401</Data></Status><Final/>",
        ok(1, &challenge).replace("<Data>200", "<Data>401")
    );
    let reply = from_server(1, "<RespURI>https://dm.example.com/dm?token=7</RespURI>", &body);
    let outputs = device.take(client::Input::Received(reply)).unwrap();
    let request = outputs.iter().find_map(|output| match output {
        client::Output::Send(request) => Some(request.clone()),
        _ => None,
    });
    let request = request.unwrap();
    assert_eq!(request.url, "https://dm.example.com/dm?token=7");
    let again = message(&request.packet);
    assert_eq!((again.header.session_id.as_str(), again.header.msg_id.0), ("2F", 2));
    assert!(lines(&request.packet).starts_with("Status 200 SyncHdr; Alert 1201"), "{}", lines(&request.packet));
    let Command::Status(status) = &again.commands[0] else { panic!() };
    assert_eq!(status.msg_ref.0, 1, "it answers the header of the challenge");
    let shown = cred(&md5("s3cr3t-pass"), Some(b"n1"));
    let expected = message(&from_device(2, &shown, "")).header.cred;
    assert_eq!(again.header.cred, expected);
}

#[test]
fn a_challenge_without_a_nonce_or_with_the_nonce_of_resynchronisation_cannot_be_met() {
    for challenge in [chal_text("syncml:auth-md5", &[0; 4]), chal_text("syncml:auth-X509", b"n")] {
        let (mut device, _) = pair(Some(Scheme::Md5), None);
        device.start();
        let status = ok(1, &challenge).replace("<Data>200", "<Data>401");
        assert_eq!(device.send(client::Input::Received(from_server(1, "", &format!("{status}<Final/>")))), None);
        assert_eq!(device.finished, Some(Outcome::ClientNotAuthenticated));
        let fault = client::Report::Fault { msg_id: Some(dm_core::ids::MsgId(1)), fault: PeerFault::NoChallenge };
        assert!(device.reports.contains(&fault), "{:?}", device.reports);
    }
}

#[test]
fn a_nonce_from_a_server_that_is_not_believed_is_used_in_the_session_and_stored_when_it_is() {
    let (mut device, mut server) = pair(Some(Scheme::Md5), Some(Scheme::Md5));
    server.own.as_mut().unwrap().password = "not yet".into();
    let stored = device.own.nonce.clone();
    let challenged = server.reply(device.start());
    assert_eq!(header_status(&challenged).unwrap().code, StatusCode::AUTHENTICATED);
    let request = device.send(client::Input::Received(challenged)).expect("the server is challenged");
    assert_eq!(device.own.nonce, stored, "nobody knows who gave the new one");
    server.own.as_mut().unwrap().password = "s3rv3r-pass".into();
    let reply = server.reply(request);
    device.send(client::Input::Received(reply));
    assert_ne!(device.own.nonce, stored);
    assert_eq!(device.own.nonce, server.device.unwrap().nonce);
}

#[test]
fn credentials_of_a_type_that_is_only_a_name_get_406_and_end_the_session() {
    let (_, mut server) = pair(Some(Scheme::Md5), None);
    let shown = cred(&md5("s3cr3t-pass"), None).replace("syncml:auth-md5", "syncml:auth-securid");
    let reply = server.reply(from_device(1, &shown, PACKAGE_ONE));
    assert_eq!(lines(&reply), "Status 406 SyncHdr; Status 406 Alert; Status 406 Replace; Final");
    assert_eq!(server.finished, Some(Outcome::Refused(StatusCode::NOT_SUPPORTED)));
}

#[test]
fn a_closed_account_gets_503_and_no_challenge_and_is_judged_again_when_it_opens() {
    let limits = LockoutLimits { free: 1, ..LockoutLimits::DEFAULT };
    let (_, template) = pair(Some(Scheme::Md5), None);
    let mut lockout = Lockout::default();
    let mut attempt = |now: u64, password: &str| {
        let mut server = Server { orders: Vec::new(), now, ..Server::new(Profile::new(SERVER)) };
        (server.device, server.own) = (template.device.clone(), None);
        server.verdict = lockout.verdict(&limits, Tick(now));
        let reply = server.reply(from_device(1, &cred(&md5(password), None), PACKAGE_ONE));
        server.reports.iter().for_each(|report| lockout.hear(report, &limits, Tick(now)));
        (lines(&reply), server.finished)
    };
    for now in [1, 2] {
        assert!(attempt(now, "guess").0.starts_with("Status 401 SyncHdr + challenge"));
    }
    let refused = "Status 503 SyncHdr; Status 503 Alert; Status 503 Replace; Final".to_owned();
    assert_eq!(attempt(3, "s3cr3t-pass"), (refused.clone(), Some(Outcome::LockedOut)));
    assert_eq!(attempt(30_001, "guess"), (refused, Some(Outcome::LockedOut)));
    let (said, finished) = attempt(30_002, "s3cr3t-pass");
    assert!(said.starts_with("Status 212 SyncHdr"), "{said}");
    assert_eq!(finished, Some(Outcome::Completed));
}

#[test]
fn a_server_that_lost_the_nonces_resynchronises_in_the_session_that_it_asked_for_and_no_other() {
    let lost = |server: &mut Server| {
        server.device.as_mut().unwrap().nonce = Nonce::new(b"restored from long ago");
        server.own.as_mut().unwrap().nonce = Nonce::new(b"restored as well");
    };
    let (mut device, mut server) = pair(Some(Scheme::Md5), Some(Scheme::Md5));
    lost(&mut server);
    let armed = Resync::arm("2F".into(), Tick(0), Millis::from_secs(600));
    assert!(armed.admits(&"2f".into(), Tick(1)));
    // The notification has made the client take the nonce that everybody knows, for both directions.
    (device.own, device.server) = (device.own.resynchronising(), device.server.resynchronising());
    server.device = server.device.map(|account| account.resynchronising());
    server.own = server.own.map(|account| account.resynchronising());
    let said = talk(&mut device, &mut server);
    assert_eq!(said.len(), 6, "no challenge was needed");
    assert_eq!(server.outcomes(), OUTCOMES);
    for nonce in [&device.own.nonce, &device.server.nonce] {
        assert_ne!(*nonce, Nonce::resync());
    }
    assert_eq!(device.own.nonce, server.device.as_ref().unwrap().nonce);
    assert_eq!(device.server.nonce, server.own.as_ref().unwrap().nonce);

    // A stranger that saw it all, and a client that does the same unasked, are challenged.
    let mut other = Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    (other.device, other.own) = (server.device.clone(), server.own.clone());
    let reply = other.reply(said[0].clone());
    assert!(lines(&reply).starts_with("Status 401 SyncHdr + challenge syncml:auth-md5"), "{}", lines(&reply));
}

#[test]
fn what_the_header_of_the_first_message_is_said_to_have_got_is_ignored() {
    let mut server = Server::trusting(orders());
    let status =
        "<Status><CmdID>9</CmdID><MsgRef>0</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>500</Data></Status>";
    let reply = server.reply(from_device(1, "", &format!("{status}{PACKAGE_ONE}")));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Status 200 Alert; Status 200 Replace; Get ./DevInfo/Man; Final");
    assert_eq!((server.finished.clone(), server.faults().len()), (None, 0));
}

#[test]
fn a_header_that_is_in_progress_is_neither_accepted_nor_refused() {
    let in_progress = ok(1, "").replace("<Data>200", "<Data>101");
    let done =
        "<Status><CmdID>91</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Cmd>Get</Cmd><Data>404</Data></Status><Final/>";
    for header in [in_progress.clone(), format!("{in_progress}{}", ok(1, ""))] {
        let mut server = Server::trusting(vec![orders().remove(0)]);
        server.reply(from_device(1, "", PACKAGE_ONE));
        server.reply(from_device(2, "", &format!("{header}{done}")));
        assert_eq!(server.finished, Some(Outcome::Completed));
        assert_eq!(server.outcomes(), ["read: 404"]);
    }
    // What follows it counts.
    let mut server = Server::trusting(vec![orders().remove(0)]);
    server.reply(from_device(1, "", PACKAGE_ONE));
    let refused = format!("{in_progress}{}<Final/>", ok(1, "").replace("<Data>200", "<Data>500"));
    server.reply(from_device(2, "", &refused));
    assert_eq!(server.finished, Some(Outcome::PeerRefused(StatusCode::COMMAND_FAILED)));
}

#[test]
pub(crate) fn a_value_in_parts_goes_out_under_seals_to_a_device_that_seals() {
    let value = b"0123456789".repeat(300);
    let content = Content { in_parts: Some(value.len() as u64), ..Content::default() };
    let put = Order::new("put", Request::Replace(vec![Entry { uri: "./A".into(), content }]));
    let (_, mut server) = pair(Some(Scheme::Mac), Some(Scheme::Mac));
    (server.orders, server.value) = (vec![vec![put]], Some(value.clone()));
    let account = server.device.clone().unwrap();
    let meta = "<Meta><MaxMsgSize xmlns='syncml:metinf'>1600</MaxMsgSize></Meta>";
    let mut reply = server.reply(sealed(from_device(1, meta, PACKAGE_ONE), &account, None));
    let mut came = Vec::new();
    for number in 2.. {
        assert!(reply.mac.is_some() && reply.body.len() <= 1600);
        let said = message(&reply);
        let Some(Command::Replace(edit)) = said.commands.last() else { break };
        came.extend_from_slice(edit.items[0].data.as_ref().unwrap().as_bytes());
        let more = "<Alert><CmdID>92</CmdID><Data>1222</Data></Alert>";
        let (code, end) = if edit.items[0].more_data { (213, more) } else { (200, "<Final/>") };
        let id = said.commands.last().unwrap().cmd_id().unwrap().as_str();
        let header = ok(number - 1, &chal_text("syncml:auth-MAC", &number.to_be_bytes()));
        let body = format!(
            "{header}<Status><CmdID>91</CmdID><MsgRef>{}</MsgRef><CmdRef>{id}</CmdRef><Cmd>Replace</Cmd>\
             <Data>{code}</Data></Status>{end}",
            number - 1
        );
        let nonce = next_nonce(&reply);
        reply = server.reply(sealed(from_device(number, "", &body), &account, nonce.as_ref()));
    }
    assert_eq!(came, value);
    assert_eq!(server.outcomes(), ["put: 200"]);
    assert_eq!(server.finished, Some(Outcome::Completed));
}

#[test]
fn a_nonce_is_reported_before_the_message_that_gives_it() {
    for scheme in [Scheme::Md5, Scheme::Mac] {
        let (mut device, mut server) = pair(Some(scheme), Some(scheme));
        let said = server.take(Input::Received(device.start())).unwrap();
        let told = said.iter().position(|output| matches!(output, Output::Report(Report::ClientNonce(_))));
        let sent = said.iter().position(|output| matches!(output, Output::Reply(_)));
        assert!(told.unwrap() < sent.unwrap());
        let Output::Reply(reply) = said[sent.unwrap()].clone() else { panic!() };
        assert_eq!(next_nonce(&reply).as_ref(), Some(&server.device.as_ref().unwrap().nonce));
        let said = device.take(client::Input::Received(reply)).unwrap();
        let told = said.iter().position(|o| matches!(o, client::Output::Report(client::Report::ServerNonce(_))));
        let sent = said.iter().position(|output| matches!(output, client::Output::Send(_)));
        assert!(told.unwrap() < sent.unwrap());
    }
}
