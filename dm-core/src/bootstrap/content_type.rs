//! The content type of a bootstrap: which profile it has, and how it says who sent it [DM SEC 1.2, 5.7.2; WSP 8.4.2.24].

use alloc::string::String;

use super::{Mac, Method, Profile};
use crate::wire::Encoding;

/// What the content type of a bootstrap says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentType {
    /// What is in the bootstrap.
    pub profile: Profile,
    /// How that is written.
    pub encoding: Encoding,
    /// `SEC` and `MAC`; nothing where neither is there.
    pub protection: Option<Protection>,
}

/// How a bootstrap says who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// `SEC`: what the key is made of.
    pub method: Method,
    /// `MAC`.
    pub mac: Mac,
}

/// Why a content type is that of no bootstrap. It names the place and never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at octet {offset} of the content type")]
pub struct ContentTypeError {
    /// What is wrong.
    pub fault: ContentTypeFault,
    /// Where, in octets from its start.
    pub offset: usize,
}

/// What is wrong with a content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentTypeFault {
    /// It is broken, or ends early.
    #[error("broken syntax")]
    Malformed,
    /// Longer than a kilobyte.
    #[error("too long")]
    TooLong,
    /// The media type of something else. A DM message in XML is no bootstrap either [DM BOOT 1.2].
    #[error("not the media type of a bootstrap")]
    OtherContent,
    /// `SEC` names no method that the profile has.
    #[error("unknown security method")]
    UnknownMethod,
    /// `MAC` is not 40 hexadecimal digits.
    #[error("bad MAC")]
    BadMac,
    /// `SEC` or `MAC` comes twice.
    #[error("repeated parameter")]
    Repeated,
    /// `SEC` without `MAC`, or `MAC` without `SEC`.
    #[error("half a protection")]
    HalfProtected,
}

use ContentTypeFault as Fault;

/// The media types, with their numbers in WSP where they have one.
const MEDIA: [(&str, Option<u8>, Profile, Encoding); 3] = [
    ("application/vnd.wap.connectivity-wbxml", Some(0x36), Profile::ClientProvisioning, Encoding::Wbxml),
    ("text/vnd.wap.connectivity-xml", None, Profile::ClientProvisioning, Encoding::Xml),
    ("application/vnd.syncml.dm+wbxml", Some(0x42), Profile::DeviceManagement, Encoding::Wbxml),
];

impl ContentType {
    /// Octets of a content type.
    pub const BYTES_MAX: usize = 1024;

    /// Reads a content type in text, as HTTP and e-mail have it: `type/subtype; SEC=..; MAC=..`. Parameters may come in
    /// any order and letters, with or without quotes; others do not matter.
    ///
    /// # Errors
    /// It is broken, or that of something else.
    pub fn parse(text: &str) -> Result<Self, ContentTypeError> {
        if text.len() > Self::BYTES_MAX {
            return Err(Fault::TooLong.at(0));
        }
        let mut parts = text.split(';');
        let media = parts.next().unwrap_or_default();
        let mut parameters = Parameters::of(|(name, ..)| name.eq_ignore_ascii_case(media.trim()), 0)?;
        let mut at = media.len() + 1;
        for part in parts {
            let parameter = part.trim();
            let (name, value) = match parameter.split_once('=') {
                Some((name, value)) => (name.trim_end(), value.trim_start()),
                None if parameter.is_empty() => ("", ""),
                None => return Err(Fault::Malformed.at(at)),
            };
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            parameters.take(name.as_bytes(), Value::Text(value.as_bytes()), at)?;
            at += part.len() + 1;
        }
        parameters.finish(text.len())
    }

    /// Reads a content type in octets, as a WAP push has it. `octets` is the value of the field and nothing else.
    ///
    /// # Errors
    /// It is broken, or that of something else.
    pub fn from_wsp(octets: &[u8]) -> Result<Self, ContentTypeError> {
        if octets.len() > Self::BYTES_MAX {
            return Err(Fault::TooLong.at(0));
        }
        let mut reader = Reader { octets, at: 0 };
        // With parameters, a length goes before the media type.
        let length = match octets.first() {
            Some(short @ 0..=30) => {
                reader.at = 1;
                Some(usize::from(*short))
            }
            Some(31) => {
                reader.at = 1;
                Some(reader.number()?)
            }
            _ => None,
        };
        if length.is_some_and(|length| length != octets.len() - reader.at) {
            return Err(Fault::Malformed.at(0));
        }
        let at = reader.at;
        let media = reader.value()?;
        let mut parameters = Parameters::of(
            |(name, number, ..)| match media {
                Value::Number(media) => *number == Some(media),
                Value::Text(media) => name.as_bytes().eq_ignore_ascii_case(media),
            },
            at,
        )?;
        while reader.at < octets.len() {
            if length.is_none() {
                return Err(Fault::Malformed.at(reader.at));
            }
            let at = reader.at;
            let name: &[u8] = match reader.value()? {
                Value::Number(0x11) => b"SEC",
                Value::Number(0x12) => b"MAC",
                Value::Number(_) => b"",
                Value::Text(name) => name,
            };
            let value = reader.value()?;
            parameters.take(name, value, at)?;
        }
        parameters.finish(octets.len())
    }

    /// The content type in text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let media = MEDIA.iter().find(|media| media.2 == self.profile && media.3 == self.encoding);
        let mut text = String::from(media.map_or("application/vnd.syncml.dm+xml", |media| media.0));
        if let Some(Protection { method, mac }) = self.protection {
            let method = match (method, self.profile) {
                (Method::Network, Profile::DeviceManagement) => "NETWORKID",
                (Method::User, Profile::DeviceManagement) => "USERPIN",
                (Method::UserAndNetwork, Profile::DeviceManagement) => "USERPIN_NETWORKID",
                (Method::Network, Profile::ClientProvisioning) => "0",
                (Method::User, Profile::ClientProvisioning) => "1",
                (Method::UserAndNetwork, Profile::ClientProvisioning) => "2",
                (Method::UserMac, _) => "3",
            };
            text.extend(["; SEC=", method, "; MAC=", &mac.to_hex()]);
        }
        text
    }
}

impl ContentTypeFault {
    const fn at(self, offset: usize) -> ContentTypeError {
        ContentTypeError { fault: self, offset }
    }
}

/// A value of WSP: a number of seven bits, or text.
#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u8),
    Text(&'a [u8]),
}

struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn octet(&mut self) -> Result<u8, ContentTypeError> {
        let octet = self.octets.get(self.at).copied().ok_or(Fault::Malformed.at(self.at))?;
        self.at += 1;
        Ok(octet)
    }

    /// A number of up to five octets with seven bits each.
    fn number(&mut self) -> Result<usize, ContentTypeError> {
        let (begin, mut number) = (self.at, 0_usize);
        for _ in 0..5 {
            let octet = self.octet()?;
            number = number << 7 | usize::from(octet & 0x7F);
            if number > ContentType::BYTES_MAX {
                break;
            }
            if octet & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Fault::Malformed.at(begin))
    }

    fn value(&mut self) -> Result<Value<'a>, ContentTypeError> {
        let begin = self.at;
        match self.octet()? {
            number @ 0x80.. => Ok(Value::Number(number & 0x7F)),
            // One octet with a length of its own.
            0x01 => self.octet().map(Value::Number),
            0x20.. => {
                let rest = self.octets.get(begin..).unwrap_or_default();
                let length = rest.iter().position(|octet| *octet == 0).ok_or(Fault::Malformed.at(self.octets.len()))?;
                self.at = begin + length + 1;
                let text = rest.get(..length).unwrap_or_default();
                // Before a text that begins with a high octet, or with a quote that is not closed.
                Ok(Value::Text(text.strip_prefix(b"\x7F").or(text.strip_prefix(b"\"")).unwrap_or(text)))
            }
            _ => Err(Fault::Malformed.at(begin)),
        }
    }
}

/// What is known of a content type so far.
struct Parameters {
    profile: Profile,
    encoding: Encoding,
    method: Option<Method>,
    mac: Option<Mac>,
}

impl Parameters {
    fn of(
        is_meant: impl Fn(&(&str, Option<u8>, Profile, Encoding)) -> bool,
        at: usize,
    ) -> Result<Self, ContentTypeError> {
        let media = MEDIA.iter().find(|media| is_meant(media)).ok_or(Fault::OtherContent.at(at))?;
        Ok(Self { profile: media.2, encoding: media.3, method: None, mac: None })
    }

    fn take(&mut self, name: &[u8], value: Value<'_>, at: usize) -> Result<(), ContentTypeError> {
        if name.eq_ignore_ascii_case(b"SEC") {
            let method = match value {
                Value::Number(number) => Method::parse(self.profile, &alloc::format!("{number}")),
                Value::Text(text) => core::str::from_utf8(text).ok().and_then(|text| Method::parse(self.profile, text)),
            };
            let method = method.ok_or(Fault::UnknownMethod.at(at))?;
            if self.method.replace(method).is_some() {
                return Err(Fault::Repeated.at(at));
            }
        } else if name.eq_ignore_ascii_case(b"MAC") {
            let mac = match value {
                Value::Number(_) => None,
                Value::Text(text) => Mac::from_hex(text),
            };
            if self.mac.replace(mac.ok_or(Fault::BadMac.at(at))?).is_some() {
                return Err(Fault::Repeated.at(at));
            }
        }
        Ok(())
    }

    fn finish(self, end: usize) -> Result<ContentType, ContentTypeError> {
        let protection = match (self.method, self.mac) {
            (None, None) => None,
            (Some(method), Some(mac)) => Some(Protection { method, mac }),
            _ => return Err(Fault::HalfProtected.at(end)),
        };
        Ok(ContentType { profile: self.profile, encoding: self.encoding, protection })
    }
}
