//! Client, server and SP together, and what holds for the server's machines whatever comes in.

use core_kit::{Body, Env, Machine, Tick, UnixMillis};
use dpe_core::{
    client::{Channel, PhaseKind},
    codes::Code,
    ids::ClientId,
    policy::{Terms, Watched},
    sp::{Done, Input, Output, Profile, Request, Sp, What},
    wire::{self, Kind, Message},
};
use proptest::prelude::*;

use crate::{
    bench::{Bench, IMEI, MSISDN, body, device_source, name, query, request, sp_source, success},
    client::{Phone, profile},
    generate::message,
};

/// A phone, a server and an SP, connected by a network that loses nothing.
struct World {
    bench: Bench,
    phone: Phone,
    sp: Sp,
    told: Vec<Output>,
}

impl World {
    fn new() -> Self {
        let sp = Sp::new(&Profile::new("sp".try_into().unwrap()));
        let mut own = profile();
        own.token = None;
        Self { bench: Bench::new(|_| {}), phone: Phone::new(&own), sp, told: Vec::new() }
    }

    /// Carries messages until there are none.
    fn settle(&mut self) {
        self.phone.now = self.bench.now;
        loop {
            if !self.phone.sent.is_empty() {
                let (channel, said) = self.phone.sent.remove(0);
                let reply = match channel {
                    Channel::Register => self.bench.dpe1(&said),
                    Channel::Messages => self.bench.dpe2(&said),
                };
                if let Some(reply) = reply {
                    self.phone.gets(&reply);
                }
            } else if let Some((_, asked)) = self.bench.to_client.pop_front() {
                self.phone.gets(&asked);
            } else if let Some((to, said)) = self.bench.to_sp.pop_front() {
                assert_eq!(to.as_str(), "sp");
                self.sp_input(Input::Received(body(&said)));
            } else {
                return;
            }
        }
    }

    fn sp_input(&mut self, input: Input) {
        let env = Env { now: Tick(self.bench.now), wall: UnixMillis(0), entropy: [1; 32] };
        let mut out = Vec::new();
        self.sp.handle(&env, input, &mut out).unwrap();
        for output in out {
            match output {
                Output::Send(_, bytes) => self.bench.dpe3_raw(&sp_source(), &bytes),
                told => self.told.push(told),
            }
        }
    }

    fn asks(&mut self, client: &ClientId, what: What) -> Done {
        self.sp_input(Input::Request(Request { tag: "t".into(), client: Some(client.clone()), what }));
        self.settle();
        let at = self.told.iter().position(|told| matches!(told, Output::Done(_))).unwrap();
        match self.told.remove(at) {
            Output::Done(done) => done,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_client_a_server_and_an_sp_go_through_a_whole_story() {
    let mut world = World::new();
    world.phone.input(dpe_core::client::Input::Start);
    world.settle();
    assert_eq!(world.phone.client.phase(), PhaseKind::Registered);
    let client = world.phone.client.client_id().unwrap().clone();
    let read = world.asks(&client, What::Query(vec![name("batteryLevel"), name("muted")]));
    assert_eq!(read.status, Some(Code::OK));
    let statuses: Vec<_> = read.readings.iter().map(|reading| reading.status).collect();
    assert_eq!(statuses, [Code::OK, Code::NOT_SUPPORTED]);
    let group: dpe_core::ids::dpe3::GroupId = "screen".try_into().unwrap();
    let members = vec![name("currentOrientation"), name("displayLightIntensity")];
    assert_eq!(world.asks(&client, What::GroupSet(group.clone(), members)).status, Some(Code::OK));
    assert_eq!(world.asks(&client, What::GroupQuery(group.clone())).readings.len(), 2);
    let lacking = What::GroupSet("bad".try_into().unwrap(), vec![name("muted")]);
    assert_eq!(world.asks(&client, lacking).status, Some(Code::NOT_SUPPORTED));
    let terms = Terms::new("Threshold", &[("operator", "lt"), ("value", "20")]);
    let set = What::PolicySet("low".try_into().unwrap(), Watched::Property(name("batteryLevel")), terms, Some(600));
    assert_eq!(world.asks(&client, set).status, Some(Code::OK));
    let terms = Terms::new("Periodic", &[("interval", "300")]);
    let set = What::PolicySet("all".try_into().unwrap(), Watched::Group(group.clone()), terms, Some(6000));
    assert_eq!(world.asks(&client, set).status, Some(Code::OK));
    assert_eq!(world.phone.client.settings(), (1, 2));
    let low = dpe_core::property::Reading::of(name("batteryLevel"), dpe_core::wire::Value::integer(5));
    world.phone.input(dpe_core::client::Input::Sampled(vec![low]));
    world.settle();
    assert!(matches!(world.told.remove(0), Output::Reported(_)));
    world.bench.pass(600);
    world.settle();
    assert_eq!(world.told.remove(0), Output::PolicyEnded("low".try_into().unwrap(), Code::POLICY_EXPIRED));
    assert_eq!(world.phone.client.settings(), (1, 1), "and the client has released it");
    // The periodic one has reported meanwhile.
    assert!(matches!(world.told.remove(0), Output::Reported(_)));
    // The user takes the SIM to another device.
    let mut other = profile();
    other.token = None;
    other.device = Some(wire::Identity::new("imei", crate::bench::IMEI_2));
    world.phone = Phone::new(&other);
    world.phone.input(dpe_core::client::Input::Start);
    world.settle();
    let new = world.phone.client.client_id().unwrap().clone();
    assert_ne!(new, client);
    assert_eq!(world.phone.client.settings(), (1, 1), "group and policy have followed");
    assert!(matches!(world.told.remove(0), Output::ClientChanged(_)));
    assert_eq!(world.sp.groups().next().unwrap().1, &new);
    assert_eq!(world.asks(&new, What::GroupRelease(group)).status, Some(Code::OK));
    assert_eq!(world.phone.client.settings(), (0, 0));
    let ended = Output::PolicyEnded("all".try_into().unwrap(), Code::POLICY_ID_NOT_REGISTERED);
    assert_eq!(world.told, [ended], "the policy on the group ends with it");
    assert_eq!(world.asks(&client, What::Query(vec![name("muted")])).status, Some(Code::CLIENT_ID_NOT_REGISTERED));
}

/// Any message, with the names of things that exist.
fn aimed(at: &ClientId, mut message: Message, to: u8) -> Body {
    if !to.is_multiple_of(4) {
        message.client_id = dpe_core::wire::Ie::Is(at.into());
    }
    if !to.is_multiple_of(3) {
        message.sp_id = crate::bench::token("sp");
    }
    body(&message)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn no_message_from_anywhere_breaks_a_server(script in proptest::collection::vec((message(), any::<u8>()), 1..30)) {
        let mut bench = Bench::new(|_| {});
        let client = bench.registered(IMEI, Some(MSISDN));
        bench.with_group(&client);
        for (message, to) in script {
            let bytes = aimed(&client, message, to);
            match to % 3 {
                0 => drop(bench.register_from(&device_source(), &bytes)),
                1 => drop(bench.dpe2_raw(None, &device_source(), &bytes)),
                _ => bench.dpe3_raw(&sp_source(), &bytes),
            }
            if to % 5 == 0 {
                bench.pass(u64::from(to));
            }
            bench.replies.clear();
            prop_assert!(bench.unanswered() <= 1, "at most one request is out");
        }
        // Whatever came, in the end it serves.
        bench.pass(4000);
        bench.to_client.clear();
        bench.to_sp.clear();
        let client = bench.requested(IMEI, Some(MSISDN));
        bench.dpe1(&success(&client, Code::OK));
        bench.serve();
        bench.pass(100);
        bench.to_sp.clear();
        bench.dpe3(&query("end", &client, &["muted"]));
        bench.serve();
        prop_assert_eq!(bench.to_sp.back().unwrap().1.kind, Kind::PropertyResult);
    }

    #[test]
    fn no_bytes_break_a_server(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bench = Bench::new(|_| {});
        let client = bench.registered(IMEI, None);
        let bytes = Body::from(bytes);
        drop(bench.register_from(&device_source(), &bytes));
        drop(bench.dpe2_raw(Some(&client), &device_source(), &bytes));
        bench.dpe3_raw(&sp_source(), &bytes);
        prop_assert!(bench.to_client.is_empty() && bench.to_sp.is_empty());
    }
}

#[test]
fn a_query_touches_the_machines_that_it_names_and_no_others() {
    use core_kit::Durable;
    let mut bench = Bench::new(|_| {});
    let clients: Vec<ClientId> = (0..50_u64)
        .map(|n| {
            let mut asked = request(IMEI, None);
            asked.device_identity = wire::Identity::new("mac", &format!("{n:012x}")).into();
            let response = bench.dpe1(&asked).unwrap();
            let client = ClientId::try_from(response.client_id.into_option().unwrap()).unwrap();
            bench.dpe1(&success(&client, Code::OK));
            bench.serve();
            client
        })
        .collect();
    let revisions =
        |bench: &Bench| -> Vec<u64> { clients.iter().map(|client| bench.device(client).revision()).collect() };
    let before = revisions(&bench);
    bench.done(&query("1", &clients[7], &["muted"]));
    let changed: Vec<usize> = revisions(&bench)
        .iter()
        .zip(&before)
        .enumerate()
        .filter(|(_, (now, then))| now != then)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(changed, [7]);
}
