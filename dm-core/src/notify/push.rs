//! How a notification travels as a WAP push in a short message or a datagram [NOTI 1.2, 7.1 and C; WSP 8].
//!
//! What is written is the specification's own example. What is read may be spelled otherwise, since some senders use
//! text where a number should be [digest 12.3].

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{BuildError, Layout, head::Reader};

/// `X-WAP-Application-ID`, as text.
pub const APPLICATION_ID: &str = "x-wap-application:syncml.dm";
/// `X-WAP-Application-ID`, as a number; on the wire its highest bit is set.
pub const APPLICATION_CODE: u8 = 0x07;
/// The WDP port of a push without security, which is the UDP port too.
pub const PORT: u16 = 2948;
/// Octets of a notification that fit into one short message.
pub const SMS_MESSAGE_BYTES_MAX: usize = SMS_BYTES_MAX - UDH.len() - WSP_HEADER_BYTES;

/// Octets of user data in a short message of 8-bit data.
const SMS_BYTES_MAX: usize = 140;
/// User data header: 6 octets, one element for 16-bit ports, to 2948 from 49154.
const UDH: [u8; 7] = [0x06, 0x05, 0x04, 0x0B, 0x84, 0xC0, 0x02];
/// What [`wsp`] writes before the notification.
const WSP_HEADER_BYTES: usize = 6;
const PDU_PUSH: u8 = 0x06;
/// The field name `X-WAP-Application-ID` as a number.
const FIELD_APPLICATION: u8 = 0x2F;

/// A notification as it was pushed. Nothing is known of its sender yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed<'a> {
    /// How the message is arranged, as the content type says.
    pub layout: Layout,
    /// The sender's number for the push; it tells a repeated push from a new one, and nothing else.
    pub transaction: u8,
    /// The notification.
    pub message: &'a [u8],
}

/// Why octets are no pushed notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{kind} at octet {offset}")]
#[serde(deny_unknown_fields)]
pub struct PushError {
    /// What is wrong.
    pub kind: PushErrorKind,
    /// Where, in octets from the start of what was to be read.
    pub offset: usize,
}

/// What is wrong with a push, or why it is for somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PushErrorKind {
    /// It ends too early, or a length in it is wrong.
    #[error("malformed push")]
    Malformed,
    /// A part of a longer message, whose parts have to be put together first.
    #[error("part of a longer message")]
    Partial,
    /// To no port, or to another one than [`PORT`].
    #[error("for another port")]
    ForeignPort,
    /// A PDU of another type than push.
    #[error("not a push")]
    NotPush,
    /// A content type that is no notification's.
    #[error("other content")]
    ForeignContent,
    /// For another application than device management.
    #[error("for another application")]
    ForeignApplication,
}

/// The payload of a datagram to [`PORT`]: the WSP headers and the notification.
#[must_use]
pub fn wsp(layout: Layout, transaction: u8, message: &[u8]) -> Vec<u8> {
    let header: [u8; WSP_HEADER_BYTES] =
        [transaction, PDU_PUSH, 3, short(layout.wsp_code()), short(FIELD_APPLICATION), short(APPLICATION_CODE)];
    [&header, message].concat()
}

/// The user data of a single short message of 8-bit data, its header included.
///
/// # Errors
///
/// [`BuildError::TooLong`] for a notification of more than [`SMS_MESSAGE_BYTES_MAX`] octets.
pub fn sms(layout: Layout, transaction: u8, message: &[u8]) -> Result<Vec<u8>, BuildError> {
    if message.len() > SMS_MESSAGE_BYTES_MAX {
        return Err(BuildError::TooLong { max: SMS_MESSAGE_BYTES_MAX });
    }
    Ok([&UDH, &wsp(layout, transaction, message)[..]].concat())
}

/// The notification in the user data of a short message. Information elements other than ports and parts do not matter.
///
/// # Errors
///
/// It is no push, one for somebody else, or one of several parts.
pub fn open_sms(user_data: &[u8]) -> Result<Pushed<'_>, PushError> {
    let mut reader = Reader::new(user_data, 0);
    let end = match reader.octet() {
        Some(octets) => 1 + usize::from(octets),
        None => return Err(malformed(0)),
    };
    let mut elements = Reader::new(user_data.get(..end).ok_or(malformed(0))?, 1);
    let mut port = None;
    while !elements.rest().is_empty() {
        let at = elements.at();
        let element = elements.array().and_then(|[kind, octets]| Some((kind, elements.take(octets.into())?)));
        match element.ok_or(malformed(at))? {
            // Ports of 16 bits. Where an element comes twice, the last one counts [3GPP TS 23.040, 9.2.3.24].
            (0x05, &[high, low, _, _]) => port = Some(u16::from_be_bytes([high, low])),
            // Parts, with a reference of 8 or 16 bits, the number of parts and the number of this one.
            (0x00, &[_, parts, _]) | (0x08, &[_, _, parts, _]) if parts <= 1 => {}
            (0x00 | 0x08, _) => return Err(PushError { kind: PushErrorKind::Partial, offset: at }),
            _ => {}
        }
    }
    if port != Some(PORT) {
        return Err(PushError { kind: PushErrorKind::ForeignPort, offset: 0 });
    }
    open(Reader::new(user_data, end))
}

/// The notification in the payload of a datagram that came to [`PORT`].
///
/// # Errors
///
/// It is no push, or one for somebody else.
pub fn open_wsp(payload: &[u8]) -> Result<Pushed<'_>, PushError> {
    open(Reader::new(payload, 0))
}

fn open(mut reader: Reader<'_>) -> Result<Pushed<'_>, PushError> {
    let at = reader.at();
    let foreign = |kind, offset| PushError { kind, offset };
    let [transaction, pdu] = reader.array().ok_or(malformed(at))?;
    if pdu != PDU_PUSH {
        return Err(foreign(PushErrorKind::NotPush, at + 1));
    }
    let length_at = reader.at();
    let length = uintvar(&mut reader).ok_or(malformed(length_at))?;
    let from = reader.at();
    let headers = reader.take(length).ok_or(malformed(length_at))?;
    let message = reader.rest();

    let mut fields = Reader::new(headers, 0);
    let content = Value::read(&mut fields).ok_or(malformed(from))?;
    let layout = content.layout().ok_or(foreign(PushErrorKind::ForeignContent, from))?;
    while !fields.rest().is_empty() {
        let at = from + fields.at();
        let (is_application, value) = field(&mut fields).ok_or(malformed(at))?;
        // A push that names no application is taken: its content type has only one.
        if is_application && !value.is_application() {
            return Err(foreign(PushErrorKind::ForeignApplication, at));
        }
    }
    Ok(Pushed { layout, transaction, message })
}

const fn malformed(offset: usize) -> PushError {
    PushError { kind: PushErrorKind::Malformed, offset }
}

const fn short(code: u8) -> u8 {
    code | 0x80
}

/// A number of up to five octets with seven bits each [WSP 8.1.2].
fn uintvar(from: &mut Reader<'_>) -> Option<usize> {
    let mut number = 0_u32;
    for _ in 0..5 {
        let octet = from.octet()?;
        number = number.checked_mul(0x80)? | u32::from(octet & 0x7F);
        if octet & 0x80 == 0 {
            return usize::try_from(number).ok();
        }
    }
    None
}

/// The value of a field in its general form [WSP 8.4.1.2].
#[derive(Clone, Copy)]
enum Value<'a> {
    /// A number of seven bits.
    Code(u8),
    /// Characters up to a NUL, which is not among them.
    Text(&'a [u8]),
    /// Octets with a length.
    Data(&'a [u8]),
}

impl<'a> Value<'a> {
    fn read(from: &mut Reader<'a>) -> Option<Self> {
        match *from.rest().first()? {
            octets @ 0..=30 => {
                from.octet()?;
                from.take(octets.into()).map(Self::Data)
            }
            31 => {
                from.octet()?;
                let octets = uintvar(from)?;
                from.take(octets).map(Self::Data)
            }
            32..=127 => characters(from).map(Self::Text),
            code => {
                from.octet()?;
                Some(Self::Code(code & 0x7F))
            }
        }
    }

    /// The layout that a content type names, with or without parameters.
    fn layout(self) -> Option<Layout> {
        match self {
            Self::Code(code) => Layout::from_wsp_code(code),
            Self::Text(text) => Layout::from_media_type(core::str::from_utf8(text).ok()?),
            // The media type comes first, parameters after it.
            Self::Data(general) => match Self::read(&mut Reader::new(general, 0))? {
                Self::Data(&[code]) | Self::Code(code) => Layout::from_wsp_code(code),
                Self::Text(text) => Self::Text(text).layout(),
                Self::Data(_) => None,
            },
        }
    }

    fn is_application(self) -> bool {
        match self {
            Self::Code(code) | Self::Data(&[code]) => code == APPLICATION_CODE,
            Self::Text(text) => text.eq_ignore_ascii_case(APPLICATION_ID.as_bytes()),
            Self::Data(_) => false,
        }
    }
}

/// Whether the next field is the application's, and its value. Other pages of field names are not known here.
fn field<'a>(from: &mut Reader<'a>) -> Option<(bool, Value<'a>)> {
    let is_application = match *from.rest().first()? {
        name @ 0x80.. => {
            from.octet()?;
            name == short(FIELD_APPLICATION)
        }
        32..=126 => characters(from)?.eq_ignore_ascii_case(b"X-Wap-Application-Id"),
        _ => return None,
    };
    Some((is_application, Value::read(from)?))
}

/// Characters up to a NUL, without the mark that lets a text begin with a high octet [WSP 8.4.2.1].
fn characters<'a>(from: &mut Reader<'a>) -> Option<&'a [u8]> {
    let octets = from.rest().iter().position(|octet| *octet == 0)?;
    let text = from.take(octets)?;
    from.octet()?;
    Some(text.strip_prefix(&[0x7F]).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"notification";

    /// A push with these headers.
    fn pushed(headers: &[u8]) -> Vec<u8> {
        let length = u8::try_from(headers.len()).unwrap();
        [&[7, PDU_PUSH, length], headers, MESSAGE].concat()
    }

    fn refused(payload: &[u8]) -> (PushErrorKind, usize) {
        let error = open_wsp(payload).unwrap_err();
        (error.kind, error.offset)
    }

    #[test]
    fn numbers_and_texts_name_the_same_content_and_application() {
        for headers in [
            &b"\xc4\xaf\x87"[..],
            b"\xc4",
            b"\x01\xc4\xaf\x87",
            b"\x02\x01\x44\xaf\x01\x07",
            b"\x03\xc4\x81\xea\xaf\x87",
            b"\x1f\x01\xc4\xaf\x87",
            b"application/vnd.syncml.notification\0\xaf\x87",
            b"application/vnd.syncml.notification;x=y\0\xaf\x87",
            b"\x1f\x24application/vnd.syncml.notification\0\xaf\x87",
            b"\xc4\xafx-wap-application:syncml.dm\0",
            b"\xc4X-Wap-Application-Id\0x-wap-application:syncml.dm\0",
            b"\xc4\xb4\x80\xaf\x87\x8d\x02\x00\x10X-Other\0\x7f\xffvalue\0",
        ] {
            let expected = Pushed { layout: Layout::V1_2, transaction: 7, message: MESSAGE };
            assert_eq!(open_wsp(&pushed(headers)), Ok(expected), "{headers:?}");
        }
    }

    #[test]
    fn what_is_for_somebody_else_is_told_apart_from_what_is_broken() {
        use PushErrorKind as Kind;
        assert_eq!(refused(b""), (Kind::Malformed, 0));
        assert_eq!(refused(b"\x01\x07\x03\xc4\xaf\x87"), (Kind::NotPush, 1));
        assert_eq!(refused(b"\x01\x06\x03\xc4\xaf"), (Kind::Malformed, 2));
        assert_eq!(refused(b"\x01\x06\x80\x80\x80\x80\x80\x00"), (Kind::Malformed, 2));
        assert_eq!(refused(b"\x01\x06\xff\xff\xff\xff\x7f"), (Kind::Malformed, 2));
        assert_eq!(refused(&pushed(b"")), (Kind::Malformed, 3));
        assert_eq!(refused(&pushed(b"\xc4\xaf")), (Kind::Malformed, 4));
        assert_eq!(refused(&pushed(b"\xc4\xaf\x1e")), (Kind::Malformed, 4));
        assert_eq!(refused(&pushed(b"\xc4\xafno end")), (Kind::Malformed, 4));
        assert_eq!(refused(&pushed(b"\xc4\x05\x87")), (Kind::Malformed, 4));
        assert_eq!(refused(&pushed(b"\xc4\x7f\x02")), (Kind::Malformed, 4));
        for content in [&b"\xc2"[..], b"\x01\xc2", b"text/plain\0", b"\x02\x02\x44", b"\0"] {
            assert_eq!(refused(&pushed(content)), (Kind::ForeignContent, 3), "{content:?}");
        }
        for application in [&b"\x88"[..], b"\x01\x08", b"\x02\0\x07", b"x-wap-application:wml.ua\0"] {
            let headers = [b"\xc4\xb4\x80\xaf", application].concat();
            assert_eq!(refused(&pushed(&headers)), (Kind::ForeignApplication, 6), "{application:?}");
        }
    }

    #[test]
    fn the_header_of_a_short_message_leads_to_the_port() {
        use PushErrorKind as Kind;
        let payload = wsp(Layout::V1_2, 7, MESSAGE);
        let with = |elements: &[u8]| [&[u8::try_from(elements.len()).unwrap()], elements, &payload].concat();
        let expected = Pushed { layout: Layout::V1_2, transaction: 7, message: MESSAGE };
        for elements in [
            &b"\x05\x04\x0b\x84\xc0\x02"[..],
            b"\x05\x04\x0b\x84\0\0\x24\x01\x02",
            b"\x00\x03\x09\x01\x01\x05\x04\x0b\x84\xc0\x02",
            b"\x08\x04\x09\x09\x01\x01\x05\x04\x0b\x84\xc0\x02",
            b"\x05\x04\x0b\x85\xc0\x02\x05\x04\x0b\x84\xc0\x02",
        ] {
            assert_eq!(open_sms(&with(elements)), Ok(expected), "{elements:?}");
        }
        for (elements, kind, offset) in [
            (&b""[..], Kind::ForeignPort, 0),
            (b"\x05\x04\x0b\x85\xc0\x02", Kind::ForeignPort, 0),
            (b"\x05\x03\x0b\x84\xc0", Kind::ForeignPort, 0),
            (b"\x05\x04\x0b\x84\xc0\x02\x00\x03\x09\x02\x01", Kind::Partial, 7),
            (b"\x08\x04\x09\x09\x03\x01\x05\x04\x0b\x84\xc0\x02", Kind::Partial, 1),
            (b"\x05\x05\x0b\x84\xc0\x02", Kind::Malformed, 1),
            (b"\x05", Kind::Malformed, 1),
        ] {
            assert_eq!(open_sms(&with(elements)), Err(PushError { kind, offset }), "{elements:?}");
        }
        assert_eq!(open_sms(b""), Err(malformed(0)));
        assert_eq!(open_sms(&[0xFF; 20]), Err(malformed(0)));
        let alone = open_sms(&UDH).unwrap_err();
        assert_eq!((alone.kind, alone.offset), (Kind::Malformed, 7));
    }

    #[test]
    fn one_short_message_takes_127_octets_of_notification() {
        assert_eq!(SMS_MESSAGE_BYTES_MAX, 127);
        assert_eq!(sms(Layout::V1_2, 1, &[0; 127]).unwrap().len(), 140);
        assert_eq!(sms(Layout::V1_2, 1, &[0; 128]), Err(BuildError::TooLong { max: 127 }));
    }
}
