//! How a DPE message travels: one line that says where it is bound for, as a path of HTTP would, and the real bytes.
//!
//! ```text
//! request 17
//! <DPE_Property_Query xmlns="urn:x-dpe:msg:1.0">..
//! ```
//!
//! The two lines between an SP and the server number what they carry: the sender repeats until it is told `taken 17`, and
//! the receiver takes each number once. That is what a connection does for HTTP, except that here it survives the crash
//! of either end. Between a client and the server nothing is numbered: what is lost there is the protocol's own affair.

use bytes::{BufMut, Bytes, BytesMut};

/// What a message of the simulated network is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// A client's message on DPE-1.
    Register(Bytes),
    /// A client's message on DPE-2.
    Messages(Bytes),
    /// The server's reply to either, on its channel.
    Reply(Bytes),
    /// The server's message to a client that listens.
    Contact(Bytes),
    /// An SP's message, with its number on this SP's line.
    Request(u64, Bytes),
    /// The server's message to an SP, with its number on the line back.
    Callback(u64, Bytes),
    /// The message of this number has come, and need not be sent again.
    Taken(u64),
}

impl Envelope {
    /// The octets.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let none = Bytes::new();
        let (line, body) = match self {
            Self::Register(body) => ("register".to_owned(), body),
            Self::Messages(body) => ("messages".to_owned(), body),
            Self::Reply(body) => ("reply".to_owned(), body),
            Self::Contact(body) => ("contact".to_owned(), body),
            Self::Request(number, body) => (format!("request {number}"), body),
            Self::Callback(number, body) => (format!("callback {number}"), body),
            Self::Taken(number) => (format!("taken {number}"), &none),
        };
        let mut bytes = BytesMut::with_capacity(line.len() + 1 + body.len());
        bytes.put_slice(line.as_bytes());
        bytes.put_u8(b'\n');
        bytes.put_slice(body);
        bytes.freeze()
    }

    /// Reads what [`encode`](Self::encode) wrote; nothing of anything else.
    #[must_use]
    pub fn decode(bytes: &Bytes) -> Option<Self> {
        let end = bytes.iter().position(|octet| *octet == b'\n')?;
        let line = core::str::from_utf8(bytes.get(..end)?).ok()?;
        let body = bytes.slice(end.saturating_add(1)..);
        Some(match line.split_once(' ') {
            None => match line {
                "register" => Self::Register(body),
                "messages" => Self::Messages(body),
                "reply" => Self::Reply(body),
                "contact" => Self::Contact(body),
                _ => return None,
            },
            Some(("request", number)) => Self::Request(number.parse().ok()?, body),
            Some(("callback", number)) => Self::Callback(number.parse().ok()?, body),
            Some(("taken", number)) => Self::Taken(number.parse().ok()?),
            Some(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let body = Bytes::from_static(b"<a>\n</a>");
        for envelope in [
            Envelope::Register(body.clone()),
            Envelope::Messages(body.clone()),
            Envelope::Reply(body.clone()),
            Envelope::Contact(body.clone()),
            Envelope::Request(17, body.clone()),
            Envelope::Callback(u64::MAX, body),
            Envelope::Taken(0),
        ] {
            assert_eq!(Envelope::decode(&envelope.encode()), Some(envelope));
        }
        for wrong in ["", "register", "request\n", "request x\n", "other 1\n"] {
            assert_eq!(Envelope::decode(&Bytes::from(wrong)), None, "{wrong}");
        }
    }
}
