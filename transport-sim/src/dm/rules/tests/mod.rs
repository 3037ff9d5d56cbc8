//! Every rule fires when it is broken, and none does when nothing is.
//!
//! A film is what the standard session looks like from outside; a test changes one picture of it.

use std::collections::BTreeSet;

use dm_core::{
    ids::DeviceId,
    session::Outcome,
    wire::{Encoding, Message as SyncMl, Status, encode},
};

use super::*;
use crate::{
    Channel, CrashPlan, Permille, RuleId,
    dm::{Backend, Direction, Scenario},
};

mod session;
mod trees;
mod values;
mod world;

const DEVICE: NodeId = NodeId(1);
const SERVER: NodeId = NodeId(100);

/// One picture.
#[derive(Clone)]
enum Scene {
    Message(Side, SyncMl),
    Lost(Side, SyncMl),
    Raw(Side, Bytes),
    Fact(NodeId, Fact),
    /// From here on it is so late.
    Time(u64),
}

use Scene::{Fact as Noted, Message as Sent};

/// The pictures by what they show: messages of client and server alternate.
const C1: usize = 1;
const S1: usize = 2;
const ADD: usize = 4;
const C2: usize = 7;
const C3: usize = 10;
const S3: usize = 12;
const END: usize = 13;

fn film() -> Vec<Scene> {
    let run = Scenario::standard(1).run();
    let mut messages = run.traffic.iter().map(|sent| {
        let side = if sent.direction == Direction::ToServer { Side::Client } else { Side::Server };
        Sent(side, decode(Encoding::Xml, &sent.body, &WireLimits::SERVER).unwrap().message)
    });
    let id = run.sessions[0].id.clone();
    let mut done = run.executions.iter().map(|done| {
        let (kind, uri, status) = (done.kind, done.uri.clone(), done.status);
        Noted(DEVICE, Fact::Executed { kind, uri, status })
    });
    let mut film = vec![Noted(DEVICE, Fact::Began(id.clone()))];
    film.extend(messages.by_ref().take(2));
    film.extend(done.by_ref().take(4));
    film.extend(messages.by_ref().take(2));
    film.extend(done);
    film.extend(messages.by_ref().take(1));
    film.push(Noted(SERVER, Fact::ServerEnded { device: DEVICE, session: id.clone(), outcome: Outcome::Completed }));
    film.extend(messages);
    film.push(Noted(DEVICE, Fact::ClientEnded(id, Outcome::Completed)));
    film
}

fn rules() -> Rules {
    let scenario = Scenario::standard(1);
    Rules::new(BTreeMap::from([(DEVICE, scenario.watched())]))
}

/// Shows a film to the rules, with this store at its end, and tells which of them it broke.
fn broken_by(film: &[Scene], services: &Services) -> BTreeSet<RuleId> {
    broken_of(rules(), film, services)
}

/// Shows a film to these rules.
fn broken_of(mut rules: Rules, film: &[Scene], services: &Services) -> BTreeSet<RuleId> {
    let (mut ledger, mut channel) = (Ledger::default(), Channel { opener: DEVICE, number: 0 });
    let (mut trace, mut now) = (String::new(), Tick(0));
    for (number, scene) in film.iter().enumerate() {
        let mut show = |event: &Event<'_, Fact>| rules.observe(now, event, services, &mut ledger);
        let (side, bytes, arrives) = match scene {
            Sent(side, message) => (*side, encode(Encoding::Xml, message).unwrap().into(), true),
            Scene::Lost(side, message) => (*side, encode(Encoding::Xml, message).unwrap().into(), false),
            Scene::Raw(side, bytes) => (*side, bytes.clone(), true),
            Scene::Time(at) => {
                now = Tick(*at);
                continue;
            }
            Noted(node, fact) => {
                trace.push_str(&fact.to_string());
                show(&Event::Noted(*node, fact));
                continue;
            }
        };
        let (from, to) = if side == Side::Client { (DEVICE, SERVER) } else { (SERVER, DEVICE) };
        channel.number += u64::from(side == Side::Client);
        let message = Message::new(number as u64, from, to, channel, bytes);
        show(&Event::Sent(&message));
        show(&if arrives { Event::Delivered(&message) } else { Event::Lost(&message) });
    }
    rules.finish(&End { at: Tick(0), shared: services, trace: &trace }, &mut ledger);
    ledger.violations().iter().map(|violation| violation.rule).collect()
}

fn backend() -> Services {
    let scenario = Scenario::standard(1);
    let mut backend = Backend::new(scenario.server.clone(), CrashPlan::NONE, Permille::NEVER);
    let Towards { client, server, .. } = scenario.watched().towards.remove(0);
    backend.enter(DeviceId::from(scenario.client.device.as_str()), DEVICE, client, server, &scenario.packages);
    Services::new(vec![backend])
}

fn assert_breaks(film: &[Scene], rule: Rule) {
    assert_eq!(broken_by(film, &backend()), BTreeSet::from([rule.id]));
}

/// The film with one message changed.
fn with_message(at: usize, change: impl FnOnce(&mut SyncMl)) -> Vec<Scene> {
    let mut film = film();
    match &mut film[at] {
        Sent(_, message) => change(message),
        _ => panic!("no message at {at}"),
    }
    film
}

fn statuses(message: &mut SyncMl) -> impl Iterator<Item = &mut Status> {
    message.commands.iter_mut().filter_map(|command| match command {
        Command::Status(status) => Some(status),
        _ => None,
    })
}

/// Shows a film to all rules, and tells which of them it broke.
fn broken_of_all(film: &[Scene]) -> BTreeSet<RuleId> {
    broken_of(rules().with_all(), film, &backend())
}

/// The film is fine but for this rule, and perhaps others that the same break is one of.
fn assert_finds(film: &[Scene], rule: Rule) {
    let broken = broken_of_all(film);
    assert!(broken.contains(&rule.id), "{broken:?}");
}
