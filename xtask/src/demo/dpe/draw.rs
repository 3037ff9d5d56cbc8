//! What went over the wires of DPE, as a sequence for people.

use core::fmt::Write as _;

use core_kit::Body;
use dpe_core::{
    codes::Code,
    ids::Token,
    limits::WireLimits,
    wire::{self, Decoded, Identity, Ie, Message, PropertyName, ResultIe, Value},
};

use super::super::chart;

/// Columns of the left part, in which the arrows are.
const MARGIN: usize = 46;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// A client, by its number.
    Phone(usize),
    /// The server.
    Server,
    /// An SP, by its number.
    Provider(usize),
}

/// One message that was sent.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) at_ms: u64,
    pub(super) from: Who,
    pub(super) to: Who,
    pub(super) body: Body,
    /// What else happened to it.
    pub(super) note: &'static str,
}

impl Said {
    /// The arrows: clients on the left, SPs on the right.
    fn arrow(&self) -> String {
        let phone = |number: usize| format!("phone-{}", number + 1);
        let provider = |number: usize| super::PROVIDERS.get(number).copied().unwrap_or_default();
        match (self.from, self.to) {
            (Who::Phone(from), _) => format!("{} ---> server", phone(from)),
            (Who::Server, Who::Phone(to)) => format!("{} <--- server", phone(to)),
            (Who::Server, Who::Provider(to)) => format!("{:12}server ---> {}", "", provider(to)),
            (Who::Provider(from), _) => format!("{:12}server <--- {}", "", provider(from)),
            (Who::Server, Who::Server) => String::new(),
        }
    }
}

/// The messages, one after the other.
pub(super) fn sequence(text: &mut String, said: &[Said]) {
    for one in said {
        let head = format!("  {}{}", chart::time(one.at_ms), one.arrow());
        let (kind, details) = match wire::decode(&one.body, &WireLimits::DEFAULT) {
            Ok(Decoded::Message(message)) => (message.kind.name(), details(&message)),
            Ok(Decoded::Untyped(untyped)) => ("(no message)", untyped.code.to_string()),
            Err(error) => ("(unreadable)", error.to_string()),
        };
        // A `String` takes whatever is written to it.
        let _ = writeln!(text, "{head:<MARGIN$}{kind}  {} bytes{}", one.body.len(), one.note);
        for line in chart::wrap(&details, chart::COLUMNS - MARGIN - 2) {
            let _ = writeln!(text, "{:MARGIN$}  {line}", "");
        }
    }
}

/// The elements of a message, for people; without those that both sides know anyway.
fn details(message: &Message) -> String {
    let mut parts = Vec::new();
    let mut token = |what: &str, ie: &Ie<Token>| {
        parts.extend(ie.get().map(|token| format!("{what} {}", short(token.as_str()))));
    };
    token("message", &message.message_id);
    token("client", &message.client_id);
    token("group", &message.group_id);
    token("policy", &message.policy_id);
    let identity = |of: &Identity| format!("{} {}", of.scheme, short(&of.text));
    parts.extend(message.device_identity.get().map(identity));
    parts.extend(message.user_identity.get().map(identity));
    parts.extend(message.users.get().into_iter().flatten().map(|user| format!("user {}", identity(user))));
    parts.extend(message.clients.get().into_iter().flatten().map(|id| format!("client now {}", short(id.as_str()))));
    parts.extend(message.replaces.get().into_iter().flatten().map(|id| format!("before {}", short(id.as_str()))));
    parts.extend(message.property_names.iter().filter_map(Ie::get).map(PropertyName::to_string));
    parts.extend(message.policy_type.get().cloned());
    parts.extend(message.parameters.iter().map(|parameter| format!("{}={}", parameter.name, parameter.value)));
    parts.extend(message.duration.get().map(|seconds| format!("for {seconds} s")));
    parts.extend(message.results.iter().map(result));
    parts.extend(message.status.get().map(|code| status(*code)));
    parts.join(", ")
}

fn result(result: &ResultIe) -> String {
    let name = result.name.get().map(PropertyName::to_string).unwrap_or_default();
    match (&result.values, result.status.get()) {
        (Ie::Is(values), _) => format!("{name} = {}", values.iter().map(value).collect::<Vec<_>>().join(" ")),
        (_, Some(code)) => format!("{name}: {}", status(*code)),
        (_, None) => name,
    }
}

fn value(value: &Value) -> String {
    format!("{:?}", value.text)
}

/// A code and its meaning.
pub(super) fn status(code: Code) -> String {
    let name = code.meaning().unwrap_or("unnamed");
    if code.is_ok() { name.into() } else { format!("{code} ({name})") }
}

/// The first characters of a long random name: enough to tell it from another.
pub(super) fn short(text: &str) -> String {
    if text.len() <= 16 {
        return text.into();
    }
    let head: String = text.chars().take(8).collect();
    format!("{head}..")
}
