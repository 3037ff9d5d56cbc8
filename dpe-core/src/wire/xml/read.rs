//! From a tree to a message.

use alloc::{borrow::ToOwned, boxed::Box, string::String, vec::Vec};

use super::{
    super::{
        DecodeError, Decoded, Element, Identity, Ie, Kind, Message, Parameter, PropertyName, ResultIe, Secret, Untyped,
        Value, ValueType, parse_date,
    },
    tree::Node,
};
use crate::{
    codes::Code,
    ids::Token,
    limits::{DURATION_SECS_MAX, TEXT_BYTES_MAX, WireLimits},
};

/// The message that the tree says.
pub(super) fn message(root: &Node, limits: &WireLimits) -> Result<Decoded, DecodeError> {
    let mut types = children(root, "Message-Type");
    let said = types.next().map(Node::trimmed).filter(|text| !text.is_empty());
    let repeated = types.next().is_some();
    let by_root = Kind::from_name(&root.name);
    match (said, by_root) {
        (Some(said), Some(kind)) if !repeated && said == kind.name() => {
            let mut message = Message::new(kind);
            for element in kind.elements() {
                read(root, *element, &mut message, limits)?;
            }
            Ok(Decoded::Message(Box::new(message)))
        }
        _ => Ok(Decoded::Untyped(Untyped {
            code: if said.is_none() { Code::MESSAGE_TYPE_MISSING } else { Code::MESSAGE_TYPE_UNKNOWN },
            offending: said.unwrap_or(&root.name).chars().take(64).collect(),
            root: by_root,
            message_id: once(root, "Message-ID", token),
            sp_id: once(root, "SP-ID", token),
            client_id: once(root, "Client-ID", token),
        })),
    }
}

/// Reads one element wherever it is among the children.
fn read(root: &Node, element: Element, to: &mut Message, limits: &WireLimits) -> Result<(), DecodeError> {
    let name = element.name();
    match element {
        Element::MessageId => to.message_id = once(root, name, token),
        Element::SpId => to.sp_id = once(root, name, token),
        Element::ClientId => to.client_id = once(root, name, token),
        Element::Users => to.users = bag(root, name, limits, identity)?,
        Element::Clients => to.clients = bag(root, name, limits, token)?,
        Element::Replaces => to.replaces = bag(root, name, limits, token)?,
        Element::DeviceIdentity => to.device_identity = identity_or_alias(root, name, "IMEI", "imei"),
        Element::UserIdentity => to.user_identity = identity_or_alias(root, name, "MSISDN", "msisdn"),
        Element::DpeVersion => to.dpe_version = once(root, name, text),
        Element::Contact => to.contact = once(root, name, text),
        Element::Reason => to.reason = once(root, name, text),
        Element::QueryKey => to.query_key = once(root, name, identity),
        Element::PolicyId => to.policy_id = once(root, name, token),
        Element::GroupId => to.group_id = once(root, name, token),
        Element::PropertyName => {
            for node in bounded(root, name, limits.properties_max)? {
                to.property_names.push(if node.trimmed().is_empty() { Ie::Absent } else { one(node, property_name) });
            }
        }
        Element::PolicyType => to.policy_type = once(root, name, text),
        Element::PolicyParameter => {
            for node in bounded(root, name, limits.parameters_max)? {
                let name = node.attribute("name").unwrap_or_default().trim().to_owned();
                to.parameters.push(Parameter { name, value: node.trimmed().to_owned() });
            }
        }
        Element::Duration => to.duration = once(root, name, seconds),
        Element::PropertyResult => {
            for node in bounded(root, name, limits.properties_max)? {
                to.results.push(result(node, limits));
            }
        }
        Element::Timestamp => to.timestamp = once(root, name, |node| parse_date(node.trimmed())),
        Element::Sequence => to.sequence = once(root, name, |node| node.trimmed().parse().ok()),
        Element::OffendingType => to.offending_type = once(root, name, text),
        Element::Status => to.status = once(root, name, code),
        Element::SecurityToken => to.security_token = once(root, name, |node| text(node).map(Secret)),
    }
    Ok(())
}

/// The children of this name; an underscore is as good as a hyphen [DPE digest 2.0].
fn children<'a>(node: &'a Node, name: &'a str) -> impl Iterator<Item = &'a Node> {
    let same = |a: &str, b: &str| a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| plain(a) == plain(b));
    node.children.iter().filter(move |child| same(&child.name, name))
}

const fn plain(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte }
}

fn bounded<'a>(node: &'a Node, name: &'a str, max: usize) -> Result<Vec<&'a Node>, DecodeError> {
    let found: Vec<&Node> = children(node, name).collect();
    if found.len() > max { Err(DecodeError::TooMany) } else { Ok(found) }
}

/// An element that may be there once. An empty one is absent.
fn once<'a, T>(root: &'a Node, name: &'a str, read: impl Fn(&Node) -> Option<T>) -> Ie<T> {
    let mut found = children(root, name);
    match (found.next(), found.next()) {
        (None, _) => Ie::Absent,
        (Some(node), None) if node.trimmed().is_empty() && node.children.is_empty() => Ie::Absent,
        (Some(node), None) => one(node, read),
        (Some(_), Some(_)) => Ie::Repeated,
    }
}

fn one<T>(node: &Node, read: impl Fn(&Node) -> Option<T>) -> Ie<T> {
    if node.children.is_empty() { read(node).map_or(Ie::Unusable, Ie::Is) } else { Ie::Unusable }
}

fn identity_or_alias(root: &Node, name: &str, alias: &str, scheme: &str) -> Ie<Identity> {
    let by_alias = once(root, alias, |node| text(node).map(|text| Identity::new(scheme, &text)));
    match (once(root, name, identity), by_alias) {
        (found, Ie::Absent) | (Ie::Absent, found) => found,
        // Both spellings are the element twice.
        _ => Ie::Repeated,
    }
}

/// A bag: an element with items, or an empty one, which is the seeds' null. A plain text is a bag of one.
fn bag<T>(
    root: &Node,
    name: &str,
    limits: &WireLimits,
    read: impl Fn(&Node) -> Option<T>,
) -> Result<Ie<Vec<T>>, DecodeError> {
    let mut found = children(root, name);
    let node = match (found.next(), found.next()) {
        (None, _) => return Ok(Ie::Absent),
        (Some(node), None) => node,
        (Some(_), Some(_)) => return Ok(Ie::Repeated),
    };
    let items = bounded(node, "Item", limits.properties_max)?;
    let items: Option<Vec<T>> = if node.trimmed().is_empty() {
        items.into_iter().map(read).collect()
    } else {
        read(node).map(|item| [item].into())
    };
    Ok(items.map_or(Ie::Unusable, Ie::Is))
}

fn result(node: &Node, limits: &WireLimits) -> ResultIe {
    let values: Option<Vec<Value>> = children(node, "Value").map(|node| value(node, limits)).collect();
    let values = match values {
        None => Ie::Unusable,
        Some(values) if values.is_empty() => Ie::Absent,
        Some(values) => Ie::Is(values),
    };
    ResultIe { name: once(node, "Property-Name", property_name), status: once(node, "Property-Status", code), values }
}

/// A value; nothing where it is too long, of an unknown type, or has elements in it.
fn value(node: &Node, limits: &WireLimits) -> Option<Value> {
    let kind = match node.attribute("type") {
        None => ValueType::String,
        Some(name) => ValueType::ALL.iter().copied().find(|kind| kind.name() == name)?,
    };
    let fits = node.children.is_empty() && node.text.len() <= limits.value_bytes_max;
    fits.then(|| Value { kind, text: node.text.clone() })
}

fn token(node: &Node) -> Option<Token> {
    Token::try_from(node.trimmed()).ok()
}

/// Whether text is short enough for an element that has no bound of its own.
const fn is_short(text: &str) -> bool {
    text.len() <= TEXT_BYTES_MAX
}

fn text(node: &Node) -> Option<String> {
    is_short(node.trimmed()).then(|| node.trimmed().to_owned())
}

fn property_name(node: &Node) -> Option<PropertyName> {
    PropertyName::try_from(node.trimmed()).ok()
}

fn identity(node: &Node) -> Option<Identity> {
    let scheme = node.attribute("scheme").unwrap_or("generic").trim();
    let short = is_short(scheme) && is_short(node.trimmed());
    (short && !node.trimmed().is_empty()).then(|| Identity::new(scheme, node.trimmed()))
}

fn code(node: &Node) -> Option<Code> {
    decimal(node.trimmed()).and_then(|number| number.try_into().ok()).map(Code)
}

fn seconds(node: &Node) -> Option<u32> {
    decimal(node.trimmed()).filter(|seconds| (1..=DURATION_SECS_MAX).contains(seconds))
}

/// Decimal digits and nothing else.
fn decimal(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
