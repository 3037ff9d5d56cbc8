//! A session after the end of another one with the same identifier, as clients have it that know one identifier only.

use dm_core::wire::Command;

use super::*;

/// A server that has served one session of two packages.
fn over() -> Server {
    let mut server = waiting();
    server.reply(from_device(2, "", "<Final/>"));
    assert_eq!(server.finished.take(), Some(Outcome::Completed));
    server.orders = read();
    server
}

fn opening(text: &str) -> Packet {
    from_device(1, "", &PACKAGE_ONE.replace("Acme", text))
}

#[test]
fn the_opening_of_another_session_begins_it() {
    let mut server = over();
    let before = server.session.revision();
    let reply = server.reply(opening("Other"));
    assert!(lines(&reply).ends_with("Get ./DevInfo/Man; Final"), "{}", lines(&reply));
    assert_eq!(message(&reply).header.msg_id, MsgId(1));
    assert!(server.session.revision() > before, "a store that compares revisions takes it");
    server.reply(from_device(2, "", "<Final/>"));
    assert_eq!(server.finished, Some(Outcome::Completed));
}

#[test]
fn the_same_opening_without_a_digest_begins_a_session_too() {
    let mut server = over();
    let reply = server.reply(from_device(1, "", PACKAGE_ONE));
    assert!(lines(&reply).ends_with("Get ./DevInfo/Man; Final"), "{}", lines(&reply));
}

#[test]
fn an_old_opening_with_a_digest_begins_nothing() {
    let mut server = Server { own: None, orders: read(), ..Server::new(Profile::new(SERVER)) };
    let account = server.device.clone().unwrap();
    let first = from_device(1, &cred(&account, None), PACKAGE_ONE);
    server.reply(first.clone());
    server.reply(from_device(2, "", "<Final/>"));
    assert_eq!(server.finished, Some(Outcome::Completed));
    assert_eq!(refused(&mut server, first), PeerFault::SessionOver);
    // With another digest it is a session, though not of this device unless the digest is the right one.
    let reply = server.reply(from_device(1, &cred(&account, Some(b"other")), PACKAGE_ONE));
    assert!(lines(&reply).starts_with("Status 401 SyncHdr"), "{}", lines(&reply));
}

#[test]
fn an_opening_after_the_deadline_is_stored_the_same_by_a_session_that_was_stored_before() {
    let mut kept = waiting().session;
    let late = env(kept.deadline().unwrap().at.0);
    let mut stored = Session::restore(kept.snapshot(), &Profile::new(SERVER)).unwrap();
    // Whatever it was restored from itself is not its state any more.
    kept.handle(&env(0), Input::Wake, &mut Vec::new()).unwrap();
    let said = [&mut kept, &mut stored].map(|session| {
        let mut out = Vec::new();
        session.handle(&late, Input::Received(opening("Other")), &mut out).unwrap();
        assert!(session.pending().is_some(), "it works on the message");
        out
    });
    assert_eq!(said[0], said[1]);
    assert_eq!(kept.snapshot(), stored.snapshot());
}

#[test]
fn what_is_no_opening_is_still_refused() {
    let mut server = over();
    let package_three = from_device(1, "", "<Final/>");
    assert_eq!(refused(&mut server, package_three), PeerFault::SessionOver);
    let late = from_device(2, "", PACKAGE_ONE);
    assert_eq!(refused(&mut server, late), PeerFault::SessionOver);
}

#[test]
fn the_last_reply_of_the_old_session_is_given_until_the_new_one_is_believed() {
    let mut server = Server { own: None, orders: read(), ..Server::new(Profile::new(SERVER)) };
    let account = server.device.clone().unwrap();
    server.reply(from_device(1, &cred(&account, None), PACKAGE_ONE));
    let last = from_device(2, "", "<Final/>");
    let stored = server.reply(last.clone());
    let challenge = server.reply(opening("Other"));
    let Command::Status(status) = &message(&challenge).commands[0] else { panic!("no status for the header") };
    let nonce = status.chal.as_ref().and_then(|chal| chal.meta.next_nonce.as_ref()).unwrap();
    let nonce = Nonce::from_base64(nonce.reveal()).unwrap();
    assert_eq!(server.reply(last.clone()), stored);
    let believed = server.reply(from_device(2, &cred(&account, Some(nonce.as_bytes())), PACKAGE_ONE));
    assert!(lines(&believed).starts_with("Status 212 SyncHdr"), "{}", lines(&believed));
    assert_eq!(refused(&mut server, last), PeerFault::SessionOver);
}

#[test]
fn a_session_that_goes_on_is_not_disturbed_by_another_opening() {
    let mut server = waiting();
    server.reply(from_device(2, "", "<Alert><CmdID>1</CmdID><Data>1222</Data></Alert>"));
    assert_eq!(refused(&mut server, opening("Other")), PeerFault::StaleMessage(MsgId(1)));
}

#[test]
fn a_session_that_has_timed_out_makes_room() {
    let mut server = waiting();
    server.now = server.session.deadline().unwrap().at.0;
    server.orders = read();
    let reply = server.reply(opening("Other"));
    assert!(lines(&reply).ends_with("Get ./DevInfo/Man; Final"), "{}", lines(&reply));
    assert_eq!(server.outcomes(), ["read: unknown"]);
    assert_eq!(server.finished, Some(Outcome::TimedOut));
    assert_eq!(server.session.outcome(), None);
}
