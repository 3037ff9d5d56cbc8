//! What is stored today must be read tomorrow: snapshots and journals as files in the repository.
//!
//! A difference is a change that users of stored machines feel. If it is meant, `cargo xtask bless` writes the files anew,
//! and the changelog says so.

use core_kit::{
    Durable, Env, Machine, Tick, UnixMillis,
    journal::{self, JournalOf},
};
use dpe_core::{
    client::{self, Client, Sender},
    codes::Code,
    config::{Config, SpProfile},
    ids::{ClientId, SpId},
    policy::{Terms, Watched},
    property::Reading,
    server::{self, device, gate},
    sp::{self, Sp, What},
    wire::{Identity, Ie, Kind, Message, PropertyName, Value},
};

use crate::{
    bench::{
        Bench, IMEI, IMEI_2, MSISDN, answer, ask, body, group, name, property_policy, query, read, report, sp_source,
        success, token,
    },
    client::profile,
};

#[path = "../../../core-kit/tests/support/golden.rs"]
mod files;

use files::{check_journal, check_snapshot};

/// The configuration that a [`Bench`] has.
fn server_profile() -> server::Profile {
    server::Profile::new(Config::default()).unwrap()
}

fn env(now: u64) -> Env {
    Env { now: Tick(now), wall: UnixMillis(1_700_000_000_000 + now), entropy: [5; 32] }
}

/// A machine whose every step is recorded.
struct Recorded<M: Durable> {
    machine: M,
    journal: JournalOf<M>,
    now: u64,
}

impl<M> Recorded<M>
where
    M: Durable<Input: Clone, Output: Clone, Misuse: std::fmt::Debug>,
{
    fn new(machine: M, profile: M::Profile) -> Self {
        let journal = journal::begin(&machine, profile);
        Self { machine, journal, now: 0 }
    }

    fn take(&mut self, input: M::Input) -> Vec<M::Output> {
        self.now += 10;
        let record = journal::step(&mut self.machine, &env(self.now), input).expect("the input fits");
        let outputs = record.outputs.clone();
        self.journal.records.push(record);
        outputs
    }
}

/// A device from before it is known until another one has taken its user over; at its busiest with a group, a policy, a
/// cached property, a query that is out and one that waits.
#[test]
fn device_snapshots_are_read_back() {
    let profile = server_profile();
    let mut bench = Bench::new(|_| {});
    check_snapshot("device-unknown", &device::Device::new(&profile, "c1".try_into().unwrap()), &profile);
    let client = bench.requested(IMEI, Some(MSISDN));
    check_snapshot("device-pending", bench.device(&client), &profile);
    bench.dpe1(&success(&client, Code::OK));
    bench.serve();
    check_snapshot("device-active", bench.device(&client), &profile);
    bench.with_group(&client);
    bench.done(&property_policy("p-1", &client, "low"));
    bench.done(&query("q-1", &client, &["OSName"]));
    bench.dpe3(&query("q-2", &client, &["batteryLevel"]));
    bench.dpe3(&group(Kind::GroupQuery, "q-3", &client, "screen"));
    check_snapshot("device-busy", bench.device(&client), &profile);
    bench.serve();
    let next = bench.registered(IMEI_2, Some(MSISDN));
    check_snapshot("device-retired", bench.device(&client), &profile);
    check_snapshot("device-inherited", bench.device(&next), &profile);
    bench.router.command(&env(bench.now + 1), &next, "because").unwrap();
    check_snapshot("device-commanded", bench.device(&next), &profile);
}

#[test]
fn gate_snapshots_are_read_back() {
    let mut bench = Bench::new(|_| {});
    let mut sp = SpProfile::new(SpId::try_from("sp").unwrap(), vec!["192.0.2.10".try_into().unwrap()]);
    sp.query_key_schemes = vec!["sip".into(), "msisdn".into(), "imei".into()];
    let profile = gate::Profile { config: server_profile(), sp };
    let gate = |bench: &Bench| bench.router.gate(&profile.sp.id).unwrap().clone();
    check_snapshot("gate-fresh", &gate(&bench), &profile);
    let client = bench.registered(IMEI, Some(MSISDN));
    bench.with_group(&client);
    bench.done(&property_policy("p-1", &client, "low"));
    bench.dpe3(&query("q-1", &client, &["batteryLevel"]));
    check_snapshot("gate-busy", &gate(&bench), &profile);
    let mut asking = gate::Gate::new(&profile);
    let mut find = ask(Kind::ClientIdQuery, "1", &client);
    (find.client_id, find.query_key) = (Ie::Absent, Identity::new("msisdn", MSISDN).into());
    asking.handle(&env(1), gate::Input::Received(sp_source(), body(&find)), &mut Vec::new()).unwrap();
    assert!(asking.pending().is_some());
    check_snapshot("gate-asking", &asking, &profile);
    bench.pass(3600);
    check_snapshot("gate-expired", &gate(&bench), &profile);
}

#[test]
fn journals_of_device_and_gate_replay_identical() {
    let mut bench = Bench::new(|_| {});
    bench.router.record();
    let client = bench.registered(IMEI, Some(MSISDN));
    bench.done(&query("q-1", &client, &["OSName"]));
    bench.done(&query("q-2", &client, &["OSName"]));
    bench.with_group(&client);
    bench.dpe3(&property_policy("p-1", &client, "low"));
    let set = bench.to_client.front().unwrap().1.clone();
    bench.serve();
    bench.dpe2(&report(&client, &set, &["batteryLevel"]));
    bench.pass(3600);
    bench.serve();
    bench.dpe3(&query("silent", &client, &["batteryLevel"]));
    bench.pass(60);
    bench.to_client.clear();
    let next = bench.registered(IMEI_2, Some(MSISDN));
    bench.dpe3(&query("obsolete", &client, &["batteryLevel"]));
    let codes: Vec<_> = bench.to_sp.iter().filter_map(|(_, message)| message.status.get()).copied().collect();
    for code in [Code::POLICY_EXPIRED, Code::NOT_RESPONDING, Code::CLIENT_ID_NOT_REGISTERED] {
        assert!(codes.contains(&code), "{code:?} is not among {codes:?}");
    }
    let journals = bench.router.journals().unwrap();
    assert_eq!(journals.devices.len(), 2);
    check_journal::<device::Device>("device-left", &journals.devices[&client]);
    check_journal::<device::Device>("device-next", &journals.devices[&next]);
    check_journal::<gate::Gate>("gate", &journals.gates[&SpId::try_from("sp").unwrap()]);
}

fn from_server(message: &Message) -> client::Input {
    client::Input::Received(Sender::Name("dpe.example".into()), body(message))
}

/// Takes an input, and answers every question: 50, or for the level of the battery this.
fn takes(client: &mut Recorded<Client>, input: client::Input, level: i64) {
    let mut todo = Some(input);
    while let Some(input) = todo.take() {
        for output in client.take(input) {
            if let client::Output::Ask(question) = output {
                let worth = |of: &PropertyName| if of.as_str() == "batteryLevel" { level } else { 50 };
                let read = |of: &PropertyName| Reading::of(of.clone(), Value::integer(worth(of)));
                let readings = question.names.iter().map(read).collect();
                todo = Some(question.answer(readings));
            }
        }
    }
}

/// What the server says to this client.
fn to_client(kind: Kind, id: &str) -> Message {
    let mut message = Message::new(kind);
    message.message_id = token(id);
    message.client_id = token("c1");
    message
}

fn group_of(kind: Kind, id: &str) -> Message {
    let mut message = to_client(kind, id);
    message.group_id = token("g1");
    message.property_names = match kind {
        Kind::GroupSet => vec![Ie::Is(name("currentOrientation")), Ie::Is(name("displayLightIntensity"))],
        _ => Vec::new(),
    };
    message
}

fn policy_of(id: &str) -> Message {
    let mut message = to_client(Kind::PropertyPolicySet, id);
    message.policy_id = token("p1");
    message.property_names = vec![Ie::Is(name("batteryLevel"))];
    Terms::new("Threshold", &[("operator", "lt"), ("value", "20")]).write(&mut message);
    message.duration = Ie::Is(3600);
    message
}

/// From before the start to a declined session; in between a group, a policy that reports, and queries.
#[test]
fn client_snapshots_are_read_back_and_its_journal_replays_identical() {
    let profile = profile();
    check_snapshot("client-idle", &Client::new(&profile), &profile);
    let mut client = Recorded::new(Client::new(&profile), profile.clone());
    client.take(client::Input::Start);
    check_snapshot("client-awaiting", &client.machine, &profile);
    let mut response = to_client(Kind::RegisterResponse, "1");
    (response.message_id, response.status) = (Ie::Absent, Ie::Is(Code::OK));
    client.take(from_server(&response));
    check_snapshot("client-registered", &client.machine, &profile);
    for message in [group_of(Kind::GroupSet, "m1"), policy_of("m2"), group_of(Kind::GroupQuery, "m3")] {
        takes(&mut client, from_server(&message), 50);
    }
    assert_eq!(client.machine.settings(), (1, 1));
    for level in [50, 15] {
        let read = Reading::of(name("batteryLevel"), Value::integer(level));
        takes(&mut client, client::Input::Sampled(vec![read]), level);
    }
    let mut asked = to_client(Kind::PropertyQuery, "m4");
    asked.property_names = vec![Ie::Is(name("OSName"))];
    client.take(from_server(&asked));
    check_snapshot("client-asking", &client.machine, &profile);
    let question = client.machine.pending().expect("a question is open");
    client.take(question.answer(Vec::new()));
    client.take(from_server(&group_of(Kind::GroupRelease, "m5")));
    client.take(client::Input::Want(false));
    client.take(client::Input::Start);
    client.take(from_server(&response));
    assert_eq!(client.machine.phase(), client::PhaseKind::Declined);
    check_snapshot("client-declined", &client.machine, &profile);
    check_journal::<Client>("client", &client.journal);
}

#[test]
fn sp_snapshots_are_read_back_and_its_journal_replays_identical() {
    let profile = sp::Profile::new("sp".try_into().unwrap());
    check_snapshot("sp-fresh", &Sp::new(&profile), &profile);
    let mut sp = Recorded::new(Sp::new(&profile), profile.clone());
    let c1: ClientId = "c1".try_into().unwrap();
    let asks = |sp: &mut Recorded<Sp>, what: What, status: Code| {
        let request = sp::Request { tag: format!("{}", sp.now), client: Some(c1.clone()), what };
        let out = sp.take(sp::Input::Request(request));
        let Some(sp::Output::Send(_, sent)) = out.last() else { panic!("nothing is sent: {out:?}") };
        let mut answered = answer(&c1, &read(sent));
        (answered.sp_id, answered.status) = (token("sp"), Ie::Is(status));
        sp.take(sp::Input::Received(body(&answered)));
    };
    let battery = || vec![name("batteryLevel")];
    asks(&mut sp, What::Query(battery()), Code::OK);
    asks(&mut sp, What::GroupSet("g".try_into().unwrap(), battery()), Code::OK);
    let terms = Terms::new("Threshold", &[("operator", "lt"), ("value", "20")]);
    let watched = Watched::Property(name("batteryLevel"));
    asks(&mut sp, What::PolicySet("p".try_into().unwrap(), watched, terms, Some(3600)), Code::OK);
    check_snapshot("sp-settled", &sp.machine, &profile);
    let request = sp::Request { tag: "open".into(), client: Some(c1.clone()), what: What::Query(battery()) };
    sp.take(sp::Input::Request(request));
    check_snapshot("sp-open", &sp.machine, &profile);
    asks(&mut sp, What::Query(battery()), Code::WINDOW_OVERFLOW);
    check_snapshot("sp-paused", &sp.machine, &profile);
    sp.now += 200_000;
    let out = sp.take(sp::Input::Wake);
    assert!(out.iter().any(|output| matches!(output, sp::Output::Done(done) if done.status.is_none())), "{out:?}");
    assert!(out.iter().any(|output| matches!(output, sp::Output::Send(..))), "what was refused goes again: {out:?}");
    check_journal::<Sp>("sp", &sp.journal);
}
