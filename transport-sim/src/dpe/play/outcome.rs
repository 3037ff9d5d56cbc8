//! What a play came to, and whether that is the same twice.

use std::collections::BTreeMap;

use core_kit::{Body, UnixMillis, journal::RecordOf};
use dpe_core::{
    client::{self, Client},
    ids::{ClientId, Token},
    limits::WireLimits,
    server::{device, directory::Directory},
    sp::{self, Sp},
    wire::{self, Decoded, Ie, Message},
};
use serde::Serialize;

use crate::FaultId;

/// Seconds.
const MINUTE: u32 = 60;
const HOUR: u32 = 3_600;

/// What a play came to, as text in which everything random has a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Performance {
    /// Of each device, in the order of the play.
    pub devices: Vec<Played>,
    /// Of each SP, in the order of the play.
    pub sps: Vec<Played>,
    /// How often each of the mishaps' faults took place; those that did not are left out.
    pub faults: BTreeMap<FaultId, u64>,
    /// What must not have been: broken rules, machines used wrongly, signs that never came.
    pub failures: Vec<String>,
}

/// What a play came to for one device or SP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// What its embedder was told.
    pub told: Vec<String>,
    /// What it holds in the end; of a device also what the server believes.
    pub holds: Vec<String>,
    /// Every different message between it and the server, in the order in which it sent or took them.
    pub messages: Vec<String>,
}

/// The same before anything has a name: Client-IDs, tokens and the numbers of a server are random.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    told: Vec<String>,
    holds: Vec<String>,
    messages: Vec<(bool, Body)>,
}

impl Raw {
    /// What a client did and has, where it took these steps, and what the server has of each Client-ID.
    pub fn of_client<'a>(
        client: &Client,
        steps: impl Iterator<Item = &'a RecordOf<Client>>,
        server: impl Fn(&ClientId) -> String,
    ) -> Self {
        let mut raw = Self::default();
        let mut given = Vec::new();
        for step in steps {
            if let client::Input::Received(_, body) = &step.input {
                raw.say(false, body);
            }
            for output in &step.outputs {
                match output {
                    client::Output::Report(report) => {
                        raw.told.push(json(report));
                        if let client::Report::Registered(client) = report
                            && !given.contains(client)
                        {
                            given.push(client.clone());
                        }
                    }
                    client::Output::Send(_, body) => raw.say(true, body),
                    client::Output::Ask(_) => {}
                }
            }
        }
        let (groups, policies) = client.settings();
        let id = json(&client.client_id());
        raw.holds.push(format!("{:?} {id} groups={groups} policies={policies}", client.phase()));
        raw.holds.extend(given.iter().map(|id| format!("server: {} {}", json(id), server(id))));
        raw
    }

    /// What an SP did and has, where it took these steps.
    pub fn of_sp<'a>(sp: &Sp, steps: impl Iterator<Item = &'a RecordOf<Sp>>) -> Self {
        let mut raw = Self::default();
        for step in steps {
            if let sp::Input::Received(body) = &step.input {
                raw.say(false, body);
            }
            for output in &step.outputs {
                match output {
                    sp::Output::Send(_, body) => raw.say(true, body),
                    sp::Output::Reported(report) => {
                        let timestamp = report.timestamp.map(|_| UnixMillis(0));
                        raw.told.push(json(&sp::Reported { timestamp, ..report.clone() }));
                    }
                    told => raw.told.push(json(told)),
                }
            }
        }
        raw.holds.extend(sp.groups().map(|(group, client)| format!("group {group} on {}", json(client))));
        raw.holds.extend(sp.policies().map(|policy| format!("policy {policy}")));
        raw.holds.push(format!("unfinished={}", sp.unfinished()));
        raw
    }

    fn say(&mut self, is_own: bool, body: &Body) {
        let new = (is_own, body.clone());
        if !self.messages.contains(&new) {
            self.messages.push(new);
        }
    }
}

/// What the server has of a Client-ID, as text.
#[must_use]
pub fn believed(device: Option<&device::Device>, directory: &Directory, client: &ClientId) -> String {
    let machine = device.map(|device| (device.phase(), device.settings()));
    let known = directory.association(client).map(|known| (known.complete, known.suspended, &known.user));
    format!("{machine:?} {}", json(&known))
}

impl Performance {
    /// What these came to, with a name for everything random.
    #[must_use]
    pub fn of(devices: Vec<Raw>, sps: Vec<Raw>, faults: BTreeMap<FaultId, u64>, failures: Vec<String>) -> Self {
        let mut names = Names::default();
        let read = |raw: &Raw| -> Vec<(bool, Option<Message>)> {
            raw.messages.iter().map(|(is_own, body)| (*is_own, message(body))).collect()
        };
        let of_devices: Vec<_> = devices.iter().map(read).collect();
        let of_sps: Vec<_> = sps.iter().map(read).collect();
        for (is_device, all) in [(true, &of_devices), (false, &of_sps)] {
            for message in all.iter().flatten().filter_map(|(_, message)| message.as_ref()) {
                names.learn(message, is_device);
            }
        }
        let played = |(raw, messages): (Raw, Vec<(bool, Option<Message>)>)| {
            let text = |lines: Vec<String>| lines.iter().map(|line| names.apply(line)).collect();
            let mut said: Vec<String> = Vec::new();
            for (is_own, message) in messages {
                let line = names.show(is_own, message);
                // The same but for its number: it was sent again.
                if !said.contains(&line) {
                    said.push(line);
                }
            }
            Played { told: text(raw.told), holds: text(raw.holds), messages: said }
        };
        let devices = devices.into_iter().zip(of_devices).map(played).collect();
        let sps = sps.into_iter().zip(of_sps).map(played).collect();
        Self { devices, sps, faults, failures }
    }

    /// What is not the same in two performances, in words; nothing if they are the same. Where only the outcome must be,
    /// messages may differ, and what clients heard on the way.
    #[must_use]
    pub fn differences(&self, other: &Self, is_outcome_only: bool) -> Vec<String> {
        let mut found: Vec<String> = self.failures.iter().chain(&other.failures).cloned().collect();
        if self.faults != other.faults {
            found.push(format!("what went wrong: {:?} and {:?}", self.faults, other.faults));
        }
        for (what, one, other) in [("device", &self.devices, &other.devices), ("SP", &self.sps, &other.sps)] {
            if one.len() != other.len() {
                found.push(format!("{} of {what} and {}", one.len(), other.len()));
            }
            for (n, (one, other)) in one.iter().zip(other).enumerate() {
                let lists = [
                    ("holds", &one.holds, &other.holds, true),
                    ("told", &one.told, &other.told, !is_outcome_only || what == "SP"),
                    ("message", &one.messages, &other.messages, !is_outcome_only),
                ];
                for (list, one, other, _) in lists.into_iter().filter(|(.., counts)| *counts) {
                    found.extend(first(one, other).map(|first| format!("{what} {n}, {list} {first}")));
                }
            }
        }
        found
    }

    /// How many different messages there were.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.devices.iter().chain(&self.sps).map(|played| played.messages.len()).sum()
    }
}

/// The first place where two lists differ: what comes after it mostly follows from it.
fn first(one: &[String], other: &[String]) -> Option<String> {
    let at = one.iter().zip(other).position(|(one, other)| one != other);
    let at = at.or_else(|| (one.len() != other.len()).then_some(one.len().min(other.len())))?;
    let show = |list: &[String]| list.get(at).cloned().unwrap_or_else(|| "none".into());
    Some(format!("{}: {} and {}", at + 1, show(one), show(other)))
}

/// As text that hides nothing, which `Debug` does.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}

/// The message, without what is another thing on every network: where a client listens, what the time is, and how many
/// seconds are left of a policy for hours that is set again.
fn message(body: &Body) -> Option<Message> {
    let Ok(Decoded::Message(mut message)) = wire::decode(body, &WireLimits::DEFAULT) else { return None };
    message.contact = Ie::Absent;
    if message.timestamp.get().is_some() {
        message.timestamp = Ie::Is(UnixMillis(0));
    }
    if let Ie::Is(seconds) = &mut message.duration
        && *seconds > MINUTE
    {
        *seconds = seconds.next_multiple_of(HOUR);
    }
    Some(*message)
}

/// Names for what is random, in the order in which it appears in messages.
#[derive(Default)]
struct Names {
    known: BTreeMap<String, String>,
}

impl Names {
    fn learn(&mut self, message: &Message, is_device: bool) {
        let mut found: Vec<&str> = Vec::new();
        found.extend(message.client_id.get().map(Token::as_str));
        for list in [&message.clients, &message.replaces] {
            found.extend(list.get().into_iter().flatten().map(Token::as_str));
        }
        // What a user without a name is called.
        let users = message.users.get().into_iter().flatten().filter(|user| user.scheme == "generic");
        found.extend(users.map(|user| user.text.as_str()));
        if is_device {
            found.extend(
                [&message.message_id, &message.group_id, &message.policy_id]
                    .map(Ie::get)
                    .into_iter()
                    .flatten()
                    .map(Token::as_str),
            );
        }
        for text in found {
            let name = format!("name-{}", self.known.len() + 1);
            self.known.entry(text.to_owned()).or_insert(name);
        }
    }

    fn show(&self, is_own: bool, message: Option<Message>) -> String {
        let arrow = if is_own { "->" } else { "<-" };
        let octets = message.and_then(|message| wire::encode(&message).ok());
        let text = octets.as_deref().and_then(|octets| core::str::from_utf8(octets).ok());
        format!("{arrow} {}", self.apply(text.unwrap_or("no message")))
    }

    /// The text with names in place of what is random in it, which stands in quotation marks or between tags there.
    fn apply(&self, text: &str) -> String {
        let parts = text.split_inclusive(['"', '<', '>']).map(|part| {
            let end = part.len() - usize::from(part.ends_with(['"', '<', '>']));
            let (word, mark) = part.split_at(end);
            [self.known.get(word).map_or(word, String::as_str), mark].concat()
        });
        parts.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dpe::play::Play;

    fn performed(name: &str) -> Performance {
        Play::all().into_iter().find(|play| play.name == name).unwrap().perform()
    }

    #[test]
    fn a_play_that_is_performed_twice_is_the_same() {
        assert_eq!(performed("group").differences(&performed("group"), false), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_difference_is_told() {
        let good = performed("group");
        let changes: [fn(&mut Performance); 9] = [
            |other| other.failures.push("a rule is broken".into()),
            |other| _ = other.faults.insert(FaultId::F01, 1),
            |other| _ = other.devices.pop(),
            |other| _ = other.devices[0].holds.pop(),
            |other| other.sps[0].holds.push("more".into()),
            |other| other.sps[0].told[0].push('.'),
            |other| _ = other.devices[0].told.pop(),
            |other| _ = other.devices[0].messages.pop(),
            |other| other.sps[0].messages.swap(0, 1),
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let mut other = good.clone();
            change(&mut other);
            assert_eq!(good.differences(&other, false).len(), 1, "{n}");
            assert_eq!(good.differences(&other, true).len(), usize::from(n < 6), "{n}");
        }
    }

    #[test]
    fn what_is_random_has_a_name() {
        let names = Names { known: [("a1b2".to_owned(), "name-1".to_owned())].into() };
        assert_eq!(names.apply(r#""a1b2" a1b2 <A>a1b2</A> "a1b2c""#), r#""name-1" a1b2 <A>name-1</A> "a1b2c""#);
    }
}
