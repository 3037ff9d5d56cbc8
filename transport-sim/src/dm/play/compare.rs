//! Whether two performances are the same.

use core::fmt::Debug;

use dm_core::{
    Packet, client,
    limits::WireLimits,
    server,
    wire::{Command, Message, Secret, decode},
};

use super::{Ending, Performance, Played, Speaker};

/// How much of the messages must be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closeness {
    /// Every octet.
    Octets,
    /// All but nonces and what is made of them. How often an end woke up before it sent a message again depends on the
    /// network, and the nonces that it draws afterwards depend on that.
    ButNonces,
}

pub(super) fn differences(one: &Performance, other: &Performance, closeness: Closeness) -> Vec<String> {
    let mut found: Vec<String> = one.failures.iter().chain(&other.failures).cloned().collect();
    if one.faults != other.faults {
        found.push(format!("what went wrong: {:?} and {:?}", one.faults, other.faults));
    }
    if one.devices.len() != other.devices.len() {
        found.push(format!("{} devices and {}", one.devices.len(), other.devices.len()));
    }
    for (n, (one, other)) in one.devices.iter().zip(&other.devices).enumerate() {
        let mut differences = Vec::new();
        compare(one, other, closeness, &mut differences);
        found.extend(differences.into_iter().map(|difference| format!("device {n}: {difference}")));
    }
    found
}

fn compare(one: &Played, other: &Played, closeness: Closeness, found: &mut Vec<String>) {
    let sessions = |played: &Played| -> Vec<Ending> {
        played.sessions.iter().map(|ending| without_nonces(ending, closeness)).collect()
    };
    list("session", &sessions(one), &sessions(other), found);
    let orders = |played: &Played| played.orders.clone().into_iter().collect::<Vec<_>>();
    list("order", &orders(one), &orders(other), found);
    list("operation", &one.executions, &other.executions, found);
    if one.tree != other.tree {
        found.push("the trees differ".into());
    }
    let messages = |played: &Played| -> Vec<Said> {
        played.messages.iter().map(|(speaker, packet)| Said::of(*speaker, packet, closeness)).collect()
    };
    list("message", &messages(one), &messages(other), found);
}

/// Tells of the first place where two lists differ: what comes after it mostly follows from it.
fn list<T: PartialEq + Debug>(what: &str, one: &[T], other: &[T], found: &mut Vec<String>) {
    let at = one.iter().zip(other).position(|(one, other)| one != other);
    let at = at.or_else(|| (one.len() != other.len()).then_some(one.len().min(other.len())));
    if let Some(at) = at {
        let show = |item: Option<&T>| item.map_or_else(|| "none".to_owned(), |item| format!("{item:?}"));
        found.push(format!("{what} {}: {} and {}", at + 1, show(one.get(at)), show(other.get(at))));
    }
}

fn without_nonces(ending: &Ending, closeness: Closeness) -> Ending {
    let mut ending = ending.clone();
    if closeness == Closeness::ButNonces {
        ending
            .on_device
            .retain(|report| !matches!(report, client::Report::ClientNonce(_) | client::Report::ServerNonce(_)));
        ending
            .on_server
            .retain(|report| !matches!(report, server::Report::ClientNonce(_) | server::Report::ServerNonce(_)));
    }
    ending
}

/// A message, as far as it counts.
#[derive(PartialEq, Eq, Debug)]
enum Said {
    /// All of it; what it says is for people who look for the difference.
    Octets(Speaker, Packet, String),
    /// What it says, nonces left out.
    Message(Speaker, Box<Message>),
}

impl Said {
    fn of(speaker: Speaker, packet: &Packet, closeness: Closeness) -> Self {
        let decoded = decode(packet.encoding, &packet.body, &WireLimits::SERVER);
        match (decoded, closeness) {
            (Ok(decoded), Closeness::ButNonces) => Self::Message(speaker, Box::new(blank(decoded.message))),
            (Ok(decoded), Closeness::Octets) => Self::Octets(speaker, packet.clone(), format!("{:?}", decoded.message)),
            (Err(error), _) => Self::Octets(speaker, packet.clone(), error.to_string()),
        }
    }
}

fn blank(mut message: Message) -> Message {
    if let Some(cred) = &mut message.header.cred {
        cred.data = Secret::default();
    }
    for command in &mut message.commands {
        if let Command::Status(status) = command
            && let Some(chal) = &mut status.chal
            && let Some(nonce) = &mut chal.meta.next_nonce
        {
            *nonce = Secret::default();
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use dm_core::{session::Outcome, wire::Encoding};

    use super::*;
    use crate::{
        FaultId,
        dm::{OrderState, play::Play},
    };

    fn performed(name: &str) -> Performance {
        Play::all().into_iter().find(|play| play.name == name).unwrap().perform()
    }

    fn count(one: &Performance, other: &Performance, closeness: Closeness) -> usize {
        differences(one, other, closeness).len()
    }

    #[test]
    fn a_play_that_is_performed_twice_is_the_same() {
        assert_eq!(differences(&performed("lost"), &performed("lost"), Closeness::Octets), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_difference_is_told() {
        let good = performed("md5-xml");
        let changes: [fn(&mut Performance); 8] = [
            |other| other.failures.push("a rule is broken".into()),
            |other| _ = other.faults.insert(FaultId::F01, 1),
            |other| _ = other.devices.pop(),
            |other| other.devices[0].sessions[1].server = Some(Outcome::TimedOut),
            |other| _ = other.devices[0].sessions[0].on_server.pop(),
            |other| _ = other.devices[0].orders.insert("a get".into(), OrderState::Unknown),
            |other| _ = other.devices[0].executions.pop(),
            |other| other.devices[0].tree.set_value("./Sim/Value", "other").unwrap(),
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let mut other = good.clone();
            change(&mut other);
            for closeness in [Closeness::Octets, Closeness::ButNonces] {
                assert_eq!(count(&good, &other, closeness), 1, "{n} {closeness:?}");
            }
        }
    }

    #[test]
    fn messages_are_as_close_as_said() {
        let good = performed("md5-xml");
        let altered = |from: &str, to: &str| {
            let mut other = good.clone();
            let (_, packet) = &mut other.devices[0].messages[1];
            let text = core::str::from_utf8(&packet.body).unwrap();
            assert!(text.contains(from), "{text}");
            *packet = Packet::new(Encoding::Xml, text.replacen(from, to, 1));
            other
        };
        let text = core::str::from_utf8(&good.devices[0].messages[1].1.body).unwrap();
        let nonce = text.split_once("<NextNonce").unwrap().1.split_once('>').unwrap().1.split_once('<').unwrap().0;
        let other_nonce = altered(nonce, "AAAA");
        assert_eq!(count(&good, &other_nonce, Closeness::Octets), 1);
        assert_eq!(count(&good, &other_nonce, Closeness::ButNonces), 0);
        assert_eq!(count(&good, &altered("<Final/>", ""), Closeness::ButNonces), 1);
    }
}
