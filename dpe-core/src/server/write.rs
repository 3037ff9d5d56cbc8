//! Messages that several machines of the server write.

use core_kit::Body;

use crate::{
    codes::Code,
    ids::Token,
    wire::{self, Decoded, Ie, Kind, Message},
};

/// The bytes of a message. All that machines put into one was read from one, so it can be written.
pub(crate) fn body(message: &Message) -> Option<Body> {
    let mut octets = wire::encode(message).ok()?;
    if core_kit::planted!("P36-line-added") {
        octets.push(b'\n');
    }
    Some(Body::from(octets))
}

/// `DPE_Error` for a message [DPE digest 2.2].
pub(crate) fn error(offending: &Decoded, code: Code) -> Message {
    let mut error = Message::new(Kind::Error);
    let (message_id, client_id, name) = match offending {
        Decoded::Message(message) => (&message.message_id, &message.client_id, message.kind.name().into()),
        Decoded::Untyped(untyped) => (&untyped.message_id, &untyped.client_id, untyped.offending.clone()),
    };
    error.message_id = echo(message_id);
    error.client_id = echo(client_id);
    error.offending_type = Ie::Is(name);
    error.status = Ie::Is(code);
    error
}

/// An element as it was received, where it can be written at all.
pub(crate) fn echo(token: &Ie<Token>) -> Ie<Token> {
    token.get().cloned().into()
}

/// `DPE_Register_Response` that refuses.
pub(crate) fn refusal(code: Code, message_id: &Ie<Token>) -> Message {
    let mut response = Message::new(Kind::RegisterResponse);
    response.message_id = echo(message_id);
    response.status = Ie::Is(code);
    response
}
