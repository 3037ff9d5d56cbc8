//! Sessions that keep no record of what they are working on do and say the same as those that keep one.

use core_kit::{Deadline, Durable, Machine};
use dm_core::{
    Packet,
    client::{self, Trigger},
    server::{self, Arrival, Entry, Input, Order, Profile, Request, Turn},
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

/// What a turn comes to that ends with a question open, after so many answers; nothing if there are not so many questions.
fn early_end(mut turn: Turn, packet: &Packet, answers: usize) -> Option<End> {
    let mut node = Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    let arrival = Arrival::read(packet.clone(), &node.profile).unwrap();
    let mut open = turn.receive(&env(9), arrival).unwrap()?;
    for _ in 0..answers {
        open = turn.step(&env(9), node.answer(open)).unwrap()?;
    }
    Some(End::of(turn))
}

/// All that a node takes from a turn.
#[derive(Debug, PartialEq)]
struct End {
    is_worth_keeping: bool,
    deadline: Option<Deadline<server::Why>>,
    stored: server::Snapshot,
    reports: Vec<server::Report>,
    replied: bool,
    finished: Option<Outcome>,
}

impl End {
    fn of(turn: Turn) -> Self {
        let (is_worth_keeping, deadline) = (turn.is_worth_keeping(), turn.deadline());
        let (stored, facts) = turn.finish();
        let server::Facts { reports, reply, finished, .. } = facts;
        Self { is_worth_keeping, deadline, stored, reports, replied: reply.is_some(), finished }
    }

    /// That of a turn in which nothing has happened.
    fn without_a_message(stored: Option<&server::Snapshot>) -> Self {
        let end = Self::of(begun(stored));
        assert!(!end.is_worth_keeping && !end.replied && end.reports.is_empty() && end.finished.is_none());
        end
    }
}

fn begun(stored: Option<&server::Snapshot>) -> Turn {
    Turn::begin(stored.cloned(), Profile::new(SERVER)).unwrap().unrecorded()
}

/// A session after the device's first message, and its second one, which answers orders.
fn in_the_middle() -> (server::Snapshot, Packet) {
    let mut device = Device::new(Device::usual());
    let mut node = Server { orders: orders(), ..Server::new(Profile::new(SERVER)) };
    let (stored, facts) = turn(&mut node, None, Input::Received(device.start()), false);
    (stored, device.send(client::Input::Received(facts.reply.unwrap())).unwrap())
}

#[test]
fn a_turn_without_a_record_that_ends_too_early_comes_to_nothing() {
    let (stored, second) = in_the_middle();
    for (stored, packet) in [(None, Device::new(Device::usual()).start()), (Some(&stored), second)] {
        let ends: Vec<_> = (0..).map_while(|answers| early_end(begun(stored), &packet, answers)).collect();
        assert!(!ends.is_empty());
        for end in ends {
            assert_eq!(end, End::without_a_message(stored));
        }
    }
}

#[test]
fn what_a_turn_without_a_record_did_before_the_message_that_is_undone_counts() {
    let (stored, second) = in_the_middle();
    let device_is_silent = || {
        let mut turn = begun(Some(&stored));
        let late = turn.deadline().unwrap().at.0;
        assert_eq!(turn.step(&env(late), Input::Wake), Ok(None));
        turn
    };
    let end = End::of(device_is_silent());
    assert_eq!((end.is_worth_keeping, end.finished.clone()), (true, Some(Outcome::TimedOut)));
    // Of a session with the same identifier.
    let opening = Device::new(client::Profile { device_info: [].into(), ..Device::usual() }).start();
    assert_eq!(early_end(device_is_silent(), &opening, 0), Some(end));
    // In one step with the message it is undone with it.
    let late = begun(Some(&stored)).deadline().unwrap().at.0;
    let mut turn = begun(Some(&stored));
    assert!(turn.step(&env(late), Input::Received(opening)).unwrap().is_some());
    assert_eq!(End::of(turn), End::without_a_message(Some(&stored)));
    // A record that was begun before is stored with all that it has brought.
    let mut turn = Turn::begin(Some(stored), Profile::new(SERVER)).unwrap();
    assert!(turn.step(&env(9), Input::Received(second)).unwrap().is_some());
    let end = End::of(turn.unrecorded());
    assert!(end.is_worth_keeping && !end.reports.is_empty());
}
