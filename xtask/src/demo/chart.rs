//! What went over the wire, as a sequence for people.

use dm_core::{
    Packet,
    limits::WireLimits,
    server::Done,
    wire::{Values, decode, outline},
};

/// Who sent a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// The device.
    Client,
    /// The management server.
    Server,
}

pub(super) fn title(text: &str) {
    println!("{text}\n{}", "=".repeat(text.chars().count()));
}

/// One message: an arrow, its number, and a line for each command. `note` says what else happened to it.
pub(super) fn message(at_ms: Option<u64>, from: From, packet: &Packet, note: &str) {
    let arrow = match from {
        From::Client => "client ---> server",
        From::Server => "client <--- server",
    };
    let time = at_ms.map(|ms| format!("{:>8.3} s  ", seconds(ms))).unwrap_or_default();
    let lines = match decode(packet.encoding, &packet.body, &WireLimits::SERVER) {
        Ok(decoded) => {
            let number = format!("message {}", decoded.message.header.msg_id);
            let mut lines = outline(&decoded.message, Values::Shown);
            if decoded.message.header.cred.is_some() {
                lines.insert(0, "(credentials)".into());
            }
            println!("  {time}{arrow}  {number}, {} bytes{note}", packet.body.len());
            lines
        }
        Err(error) => {
            println!("  {time}{arrow}  {} bytes{note}", packet.body.len());
            vec![error.to_string()]
        }
    };
    let indent = " ".repeat(time.len() + 22);
    for line in lines {
        println!("{indent}{line}");
    }
}

/// One message that is known from before: only what happened to it.
pub(super) fn again(at_ms: u64, from: From, packet: &Packet, note: &str) {
    let arrow = match from {
        From::Client => "client ---> server",
        From::Server => "client <--- server",
    };
    let number = decode(packet.encoding, &packet.body, &WireLimits::SERVER)
        .map(|decoded| decoded.message.header.msg_id.to_string())
        .unwrap_or_default();
    println!("  {:>8.3} s  {arrow}  message {number}{note}", seconds(at_ms));
}

/// What became of an order, item by item.
pub(super) fn done(done: &Done) {
    for item in &done.items {
        let status = item.status.map_or_else(|| "no status".to_owned(), |status| format!("{status:?}"));
        let value = item.found.first().and_then(|found| found.content.data.as_ref());
        let value = value.map(|data| format!("  {:?}", String::from_utf8_lossy(data))).unwrap_or_default();
        println!("    {:<16} {:<22} {status}{value}", done.tag.as_str(), item.uri);
    }
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds of a session, for people")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
