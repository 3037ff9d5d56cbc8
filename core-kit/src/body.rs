//! Bytes that stay readable in a journal.

use alloc::{string::String, vec::Vec};
use core::{
    cmp::Ordering,
    hash::{Hash, Hasher},
    ops::Deref,
};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, ser::SerializeMap};

use crate::hex;

/// The bytes of a message or of a value, cheap to clone.
///
/// In JSON it is a string where the bytes are UTF-8 text, and `{"hex": ".."}` where they are not: one spelling for each
/// value, and an XML session can be read in its journal. `Debug` shows the length only, since messages hold
/// credentials.
#[derive(Clone)]
pub struct Body(Repr);

/// Most values are a few octets. Those take no memory of their own, as long as they fit beside the mark that tells them
/// from shared ones.
#[derive(Clone)]
enum Repr {
    Short { octets: [u8; Body::SHORT_MAX], bytes: u8 },
    Shared(Bytes),
}

impl Body {
    const SHORT_MAX: usize = 23;

    /// The bytes, sharing their storage where they have any.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match &self.0 {
            Repr::Short { .. } => Bytes::copy_from_slice(self),
            Repr::Shared(bytes) => bytes.clone(),
        }
    }

    fn short(bytes: &[u8]) -> Option<Self> {
        let mut octets = [0; Self::SHORT_MAX];
        octets.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self(Repr::Short { octets, bytes: u8::try_from(bytes.len()).ok()? }))
    }
}

impl Default for Body {
    fn default() -> Self {
        Self(Repr::Short { octets: [0; Self::SHORT_MAX], bytes: 0 })
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Repr::Shared(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::short(&bytes).unwrap_or_else(|| Self(Repr::Shared(bytes.into())))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        Self::short(bytes).unwrap_or_else(|| Self(Repr::Shared(Bytes::copy_from_slice(bytes))))
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Short { octets, bytes } => octets.get(..usize::from(*bytes)).unwrap_or_default(),
            Repr::Shared(bytes) => bytes,
        }
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Body {}

impl PartialOrd for Body {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Body {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Body {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl core::fmt::Debug for Body {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if let Ok(text) = core::str::from_utf8(self) {
            return to.serialize_str(text);
        }
        let mut map = to.serialize_map(Some(1))?;
        map.serialize_entry("hex", &hex::encode(self))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Binary { hex: String },
        }
        match Form::deserialize(from)? {
            Form::Text(text) => Ok(text.into()),
            Form::Binary { hex } => {
                let bytes = hex::decode(&hex).ok_or_else(|| D::Error::custom("not lower-case hexadecimal"))?;
                Ok(bytes.into())
            }
        }
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    fn hashed(body: &Body) -> u64 {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn text_stays_text_and_other_bytes_become_hex() {
        for (bytes, json) in [(&b"<a/>"[..], r#""<a/>""#), (&[0x02, 0xff], r#"{"hex":"02ff"}"#), (&[], r#""""#)] {
            let body = Body::from(bytes);
            assert_eq!(serde_json::to_string(&body).unwrap(), json);
            assert_eq!(serde_json::from_str::<Body>(json).unwrap(), body);
        }
        assert!(serde_json::from_str::<Body>(r#"{"hex":"0"}"#).is_err());
        assert!(serde_json::from_str::<Body>(r#"{"hex":"FF"}"#).is_err());
    }

    #[test]
    fn a_body_is_its_bytes_however_it_is_kept() {
        let octets: Vec<u8> = (0..30).collect();
        for length in 0..=octets.len() {
            let bytes = octets.get(..length).unwrap();
            let shared = Body::from(Bytes::copy_from_slice(bytes));
            for body in [Body::from(bytes), Body::from(bytes.to_vec())] {
                assert_eq!((&*body, &body.to_bytes()[..]), (bytes, bytes));
                assert_eq!((&body, body.cmp(&shared), &body.clone()), (&shared, Ordering::Equal, &body));
                assert_eq!(hashed(&body), hashed(&shared));
                assert!(body < Body::from(&octets[1..]) && (length == 0 || body > Body::default()));
            }
        }
        assert_eq!(size_of::<Body>(), size_of::<Bytes>());
    }

    #[test]
    fn debug_shows_no_content() {
        assert_eq!(alloc::format!("{:?}", Body::from(&b"secret"[..])), "6 bytes");
    }
}
