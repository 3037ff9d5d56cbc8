//! How a DPE message travels: one line that says where it is bound for, as a path of HTTP would, and the real bytes.
//!
//! ```text
//! request 17 9d4e3f01
//! <DPE_Property_Query xmlns="urn:x-dpe:msg:1.0">..
//! ```
//!
//! The two lines between an SP and the server number what they carry: the sender repeats until it is told `taken 17`, and
//! the receiver takes each number once. That is what a connection does for HTTP, except that here it survives the crash
//! of either end. They have a checksum, too: whoever finds another one drops the message, and it comes again. Between a
//! client and the server nothing is numbered or checked: what is lost or damaged there is the protocol's own affair.

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
            Self::Request(number, body) => (numbered("request", *number, body), body),
            Self::Callback(number, body) => (numbered("callback", *number, body), body),
            Self::Taken(number) => (numbered("taken", *number, &none), &none),
        };
        let mut bytes = BytesMut::with_capacity(line.len() + 1 + body.len());
        bytes.put_slice(line.as_bytes());
        bytes.put_u8(b'\n');
        bytes.put_slice(body);
        bytes.freeze()
    }

    /// The message in it, if one is.
    #[must_use]
    pub const fn body(&self) -> Option<&Bytes> {
        match self {
            Self::Register(body)
            | Self::Messages(body)
            | Self::Reply(body)
            | Self::Contact(body)
            | Self::Request(_, body)
            | Self::Callback(_, body) => Some(body),
            Self::Taken(_) => None,
        }
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
            Some((what, rest)) => {
                let number = rest.split_once(' ')?.0.parse().ok()?;
                if line != numbered(what, number, &body) {
                    return None;
                }
                match what {
                    "request" => Self::Request(number, body),
                    "callback" => Self::Callback(number, body),
                    "taken" => Self::Taken(number),
                    _ => return None,
                }
            }
        })
    }
}

/// The line of a numbered envelope.
fn numbered(what: &str, number: u64, body: &Bytes) -> String {
    let octets = what.bytes().chain(number.to_be_bytes()).chain(body.iter().copied());
    let sum = octets.fold(0x811C_9DC5_u32, |sum, octet| (sum ^ u32::from(octet)).wrapping_mul(0x0100_0193));
    format!("{what} {number} {sum:08x}")
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
        for wrong in ["", "register", "request\n", "request x\n", "other 1\n", "request 1 00000000\n"] {
            assert_eq!(Envelope::decode(&Bytes::from(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn no_damage_to_a_numbered_envelope_goes_unnoticed() {
        let good = Envelope::Request(17, Bytes::from_static(b"<a>1</a>")).encode();
        for bit in 0..good.len() * 8 {
            let mut damaged = good.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Envelope::decode(&damaged.into()), None, "bit {bit}");
        }
    }
}
