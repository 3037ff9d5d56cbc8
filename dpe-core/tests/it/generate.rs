//! Messages of every shape, for properties.

use core_kit::UnixMillis;
use dpe_core::{
    codes::Code,
    ids::Token,
    wire::{Element, Identity, Ie, Kind, Message, Parameter, PropertyName, ResultIe, Secret, Value, ValueType},
};
use proptest::{collection::vec, option, prelude::*};

fn token() -> BoxedStrategy<Token> {
    "[!-~]{1,64}".prop_map(|text| Token::try_from(text).unwrap()).boxed()
}

fn text() -> BoxedStrategy<String> {
    "[A-Za-z0-9<>&\"'é\u{10000}]([ -~é\n]{0,20}[A-Za-z0-9])?".boxed()
}

fn name() -> BoxedStrategy<PropertyName> {
    "[A-Za-z0-9._:/#-]{1,128}".prop_map(|text| PropertyName::try_from(text).unwrap()).boxed()
}

fn identity() -> BoxedStrategy<Identity> {
    (text(), text()).prop_map(|(scheme, text)| Identity { scheme, text }).boxed()
}

fn ie<T: std::fmt::Debug + Clone + 'static>(of: BoxedStrategy<T>) -> BoxedStrategy<Ie<T>> {
    option::of(of).prop_map(Ie::from).boxed()
}

fn value() -> BoxedStrategy<Value> {
    let text = "[ -~é\t\n\r\u{10000}]{0,30}";
    (0..ValueType::ALL.len(), text).prop_map(|(kind, text)| Value { kind: ValueType::ALL[kind], text }).boxed()
}

fn result() -> BoxedStrategy<ResultIe> {
    let values = option::of(vec(value(), 1..4)).prop_map(Ie::from).boxed();
    (ie(name()), ie(any::<u16>().prop_map(Code).boxed()), values)
        .prop_map(|(name, status, values)| ResultIe { name, status, values })
        .boxed()
}

/// One message of any kind with any of its elements.
pub(crate) fn message() -> BoxedStrategy<Message> {
    let ids = (ie(token()), ie(token()), ie(token()), ie(token()), ie(token()));
    let numbers = (
        ie(any::<u16>().prop_map(Code).boxed()),
        ie((1..=0x7fff_ffff_u32).boxed()),
        ie((0..=253_402_300_799_999_u64).prop_map(UnixMillis).boxed()),
        ie(any::<u64>().boxed()),
    );
    let identities = (ie(identity()), ie(identity()), ie(identity()), ie(vec(identity(), 0..3).boxed()));
    let texts = (ie(text()), ie(text()), ie(text()), ie(text()), ie(text()), ie(text()));
    let lists = (
        vec(name().prop_map(Ie::Is), 0..5),
        vec(result(), 0..5),
        vec((text(), text()).prop_map(|(name, value)| Parameter { name, value }), 0..4),
        ie(vec(token(), 0..3).boxed()),
        ie(vec(token(), 0..3).boxed()),
    );
    (0..Kind::ALL.len(), ids, numbers, identities, texts, lists)
        .prop_map(|(kind, ids, numbers, identities, texts, lists)| {
            let kind = Kind::ALL[kind];
            let mut all = Message::new(kind);
            (all.message_id, all.sp_id, all.client_id, all.group_id, all.policy_id) = ids;
            (all.status, all.duration, all.timestamp, all.sequence) = numbers;
            (all.device_identity, all.user_identity, all.query_key, all.users) = identities;
            (all.dpe_version, all.contact, all.reason, all.policy_type, all.offending_type) =
                (texts.0, texts.1, texts.2, texts.3, texts.4);
            all.security_token = texts.5.into_option().map(Secret).into();
            (all.property_names, all.results, all.parameters, all.clients, all.replaces) = lists;
            only(kind, &all)
        })
        .boxed()
}

/// The elements that the kind has, of those.
fn only(kind: Kind, all: &Message) -> Message {
    let (mut to, all) = (Message::new(kind), all.clone());
    for element in kind.elements() {
        match element {
            Element::MessageId => to.message_id = all.message_id.clone(),
            Element::SpId => to.sp_id = all.sp_id.clone(),
            Element::Users => to.users = all.users.clone(),
            Element::ClientId => to.client_id = all.client_id.clone(),
            Element::Clients => to.clients = all.clients.clone(),
            Element::Replaces => to.replaces = all.replaces.clone(),
            Element::DeviceIdentity => to.device_identity = all.device_identity.clone(),
            Element::UserIdentity => to.user_identity = all.user_identity.clone(),
            Element::DpeVersion => to.dpe_version = all.dpe_version.clone(),
            Element::Contact => to.contact = all.contact.clone(),
            Element::Reason => to.reason = all.reason.clone(),
            Element::QueryKey => to.query_key = all.query_key.clone(),
            Element::PolicyId => to.policy_id = all.policy_id.clone(),
            Element::GroupId => to.group_id = all.group_id.clone(),
            Element::PropertyName => to.property_names.clone_from(&all.property_names),
            Element::PolicyType => to.policy_type = all.policy_type.clone(),
            Element::PolicyParameter => to.parameters.clone_from(&all.parameters),
            Element::Duration => to.duration = all.duration.clone(),
            Element::PropertyResult => to.results.clone_from(&all.results),
            Element::Timestamp => to.timestamp = all.timestamp.clone(),
            Element::Sequence => to.sequence = all.sequence.clone(),
            Element::OffendingType => to.offending_type = all.offending_type.clone(),
            Element::Status => to.status = all.status.clone(),
            Element::SecurityToken => to.security_token = all.security_token.clone(),
        }
    }
    to
}
