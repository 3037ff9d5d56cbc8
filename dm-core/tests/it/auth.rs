//! Who believes whom, and for how long [DM SEC 1.2, 5; digest 4].

use dm_core::{
    Packet,
    auth::{Account, BodyHash, CredentialHash, Mac, Nonce, Scheme, Scope, SignRequest, Verdict, digest},
    client,
    codes::StatusCode,
    fault::PeerFault,
    server::{Entry, Input, Order, Output, Profile, Question, Request, Session},
    session::Outcome,
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
    header_status(packet).and_then(|status| status.chal)
}

fn next_nonce(packet: &Packet) -> Option<Nonce> {
    Nonce::from_base64(chal(packet)?.meta.next_nonce?.reveal())
}

/// The same message under a seal.
fn sealed(packet: Packet, account: &Account, nonce: Option<&Nonce>) -> Packet {
    let body = Some(BodyHash::of(&packet.body));
    let request = SignRequest { peer: String::new(), scheme: Scheme::Mac, nonce: nonce.cloned(), body };
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
        peer: String::new(),
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
