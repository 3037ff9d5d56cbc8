//! Sessions that keep no record of what they are working on do and say the same as those that keep one.

use core_kit::{Durable, Machine};
use dm_core::{
    Packet,
    client::{self, Trigger},
    server::{self, Entry, Input, Order, Profile, Request, Turn},
    session::{Outcome, Reason},
    wire::Encoding,
};

use crate::harness::{Device, SERVER, Server, env};

fn orders() -> Vec<Vec<Order>> {
    let first = vec![
        Order::new("read", Request::Get(vec!["./DevInfo/Man".into(), "./Nope".into()])),
        Order::new("add", Request::Add(vec![Entry::text("./Settings/Ringtone", "bell")])),
    ];
    vec![first, vec![Order::new("run", Request::Exec { entry: Entry::bare("./Ops/Reboot"), correlator: None })]]
}

/// A whole session of a client: all that it says, and every state between messages.
fn client_session(is_recorded: bool) -> (Vec<client::Output>, Vec<client::Snapshot>) {
    let mut device = Device::new(Device::usual());
    let mut server = Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    let session = client::Session::new(&device.profile);
    let mut session = if is_recorded { session } else { session.unrecorded() };
    let (mut said, mut rests, mut out) = (Vec::new(), Vec::new(), Vec::new());
    let mut next = Some(client::Input::Start(Trigger::Client("2F".into())));
    while let Some(input) = next.take() {
        device.now += 1;
        session.handle(&env(device.now), input, &mut out).unwrap();
        let restored = client::Session::restore(session.snapshot(), &device.profile).unwrap();
        match session.pending() {
            None => rests.push(session.snapshot()),
            open if is_recorded => assert_eq!(restored.pending(), open),
            Some(_) => {
                assert_eq!((restored.pending(), restored.in_flight()), (None, None));
                assert_eq!(restored.outcome(), Some(&Outcome::Aborted(Reason::Unavailable)));
                let stored = serde_json::to_string(&session.snapshot()).unwrap();
                assert!(!stored.contains("./DevInfo"), "what is over has nothing to say: {stored}");
            }
        }
        for output in out.drain(..) {
            said.push(output.clone());
            match output {
                client::Output::Ask(question) => next = Some(device.answer(question)),
                client::Output::Send(request) => next = Some(client::Input::Received(server.reply(request.packet))),
                client::Output::Report(report) => device.hear(report),
                client::Output::Finished(_) => {}
            }
        }
    }
    (said, rests)
}

#[test]
fn a_client_without_a_record_says_the_same_and_is_stored_the_same_between_messages() {
    let (said, rests) = client_session(true);
    assert!(rests.len() > 3 && said.contains(&client::Output::Finished(Outcome::Completed)));
    assert_eq!(client_session(false), (said, rests));
}

#[test]
fn a_client_that_drops_its_record_while_it_asks_is_stored_as_given_up() {
    let device = Device::new(Device::usual());
    let mut session = client::Session::new(&device.profile);
    session.handle(&env(1), client::Input::Start(Trigger::Client("1".into())), &mut Vec::new()).unwrap();
    let open = session.pending();
    let session = session.unrecorded();
    assert_eq!(session.pending(), open);
    let stored = client::Session::restore(session.snapshot(), &device.profile).unwrap();
    assert_eq!(stored.outcome(), Some(&Outcome::Aborted(Reason::Unavailable)));
}

/// A message as a node takes it: everything that the turn came to.
fn turn(
    node: &mut Server,
    stored: Option<server::Snapshot>,
    input: Input,
    is_recorded: bool,
) -> (server::Snapshot, server::Facts) {
    let turn = Turn::begin(stored, &node.profile).unwrap();
    let mut turn = if is_recorded { turn } else { turn.unrecorded() };
    node.now += 1;
    let mut open = turn.step(&env(node.now), input).unwrap();
    while let Some(question) = open {
        node.now += 1;
        let answer = node.answer(question);
        open = turn.step(&env(node.now), answer).unwrap();
    }
    turn.finish()
}

#[test]
fn a_turn_without_a_record_comes_to_the_same_in_both_encodings() {
    for encoding in [Encoding::Xml, Encoding::Wbxml] {
        check_turns_without_a_record(encoding);
    }
}

fn check_turns_without_a_record(encoding: Encoding) {
    let mut device = Device::new(client::Profile { encoding, ..Device::usual() });
    let node = || Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    let (mut recording, mut node) = (node(), node());
    let (mut stored, mut packet, mut turns) = (None, Some(device.start()), 0);
    while let Some(request) = packet.take() {
        let input = Input::Received(request);
        let (snapshot, facts) = turn(&mut recording, stored.clone(), input.clone(), true);
        let (other_snapshot, other_facts) = turn(&mut node, stored.clone(), input, false);
        assert!(!facts.records.is_empty() && other_facts.records.is_empty());
        assert_eq!(snapshot, other_snapshot);
        assert_eq!((&facts.reports, &facts.reply), (&other_facts.reports, &other_facts.reply));
        assert_eq!((&facts.refused, &facts.finished), (&other_facts.refused, &other_facts.finished));
        for report in facts.reports {
            recording.hear(report.clone());
            node.hear(report);
        }
        stored = Some(snapshot);
        packet = device.send(client::Input::Received(facts.reply.unwrap()));
        turns += 1;
    }
    assert_eq!((turns, device.finished), (3, Some(Outcome::Completed)));
}

/// What a turn stores that ends with a question open, after so many answers; nothing if there are not so many questions.
fn early_end(stored: Option<&server::Snapshot>, packet: &Packet, answers: usize) -> Option<server::Snapshot> {
    let mut node = Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    let mut turn = Turn::begin(stored.cloned(), &node.profile).unwrap().unrecorded();
    let mut open = turn.step(&env(9), Input::Received(packet.clone())).unwrap()?;
    for _ in 0..answers {
        open = turn.step(&env(9), node.answer(open)).unwrap()?;
    }
    Some(turn.finish().0)
}

#[test]
fn a_turn_without_a_record_that_ends_too_early_stores_the_session_as_it_was() {
    let mut device = Device::new(Device::usual());
    let mut node = Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    let first = device.start();
    let before = server::Session::new(&node.profile).snapshot();
    let ends: Vec<_> = (0..).map_while(|answers| early_end(None, &first, answers)).collect();
    assert!(ends.len() > 1 && ends.iter().all(|stored| *stored == before), "{ends:?}");
    let (stored, facts) = turn(&mut node, None, Input::Received(first), false);
    let second = device.send(client::Input::Received(facts.reply.unwrap())).unwrap();
    assert_eq!(early_end(Some(&stored), &second, 0), Some(stored));
}
