//! What a message says, for whoever looks at a drawing.

use bytes::Bytes;
use dpe_core::{
    limits::WireLimits,
    wire::{Decoded, Message, decode},
};

use super::Envelope;

/// The envelope, and what is in it: its kind, the identifiers it names, its status.
pub(super) fn outline(bytes: &Bytes) -> Vec<String> {
    let Some(envelope) = Envelope::decode(bytes) else { return vec!["no envelope".to_owned()] };
    let said = match &envelope {
        Envelope::Taken(number) => format!("number {number} has come"),
        Envelope::Register(body)
        | Envelope::Messages(body)
        | Envelope::Reply(body)
        | Envelope::Contact(body)
        | Envelope::Request(_, body)
        | Envelope::Callback(_, body) => match decode(body, &WireLimits::DEFAULT) {
            Ok(Decoded::Message(message)) => names(&message),
            Ok(Decoded::Untyped(untyped)) => format!("no message: {:?}", untyped.code),
            Err(error) => format!("cannot be read: {error}"),
        },
    };
    vec![said]
}

fn names(message: &Message) -> String {
    let ids = [
        ("message", &message.message_id),
        ("client", &message.client_id),
        ("group", &message.group_id),
        ("policy", &message.policy_id),
    ];
    let ids = ids.into_iter().filter_map(|(what, ie)| Some(format!(" {what}={}", ie.get()?.as_str())));
    let status = message.status.get().map(|status| format!(" status={status:?}"));
    ids.chain(status).fold(message.kind.name().to_owned(), |line, part| line + &part)
}

#[cfg(test)]
mod tests {
    use dpe_core::{
        codes::Code,
        wire::{Ie, Kind, encode},
    };

    use super::*;

    #[test]
    fn a_message_is_told_by_its_kind_its_names_and_its_status() {
        let mut message = Message::new(Kind::GroupReleaseAck);
        message.message_id = Ie::Is("m-1".try_into().expect("a token"));
        message.group_id = Ie::Is("g0".try_into().expect("a token"));
        message.status = Ie::Is(Code::GROUP_ID_NOT_REGISTERED);
        let body = encode(&message).expect("a message");
        let told = outline(&Envelope::Callback(4, body.into()).encode());
        assert_eq!(told, ["DPE_Group_Release_Ack message=m-1 group=g0 status=23 group_id_not_registered"]);
    }

    #[test]
    fn what_is_no_message_is_told_as_that() {
        assert_eq!(outline(&Envelope::Taken(7).encode()), ["number 7 has come"]);
        assert_eq!(outline(&Bytes::from_static(b"?")), ["no envelope"]);
        let [told] = &*outline(&Envelope::Reply(Bytes::from_static(b"<")).encode()) else { panic!("one line") };
        assert!(told.starts_with("cannot be read: "), "{told}");
    }
}
