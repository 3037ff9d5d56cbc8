//! Bytes that stay readable in a journal.

use alloc::{string::String, vec::Vec};
use core::ops::Deref;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, ser::SerializeMap};

use crate::hex;

/// The bytes of a message, cheap to clone.
///
/// In JSON it is a string where the bytes are UTF-8 text, and `{"hex": ".."}` where they are not: one spelling for each
/// value, and an XML session can be read in its journal. `Debug` shows the length only, since messages hold
/// credentials.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Body(Bytes);

impl Body {
    /// The bytes, sharing their storage.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl core::fmt::Debug for Body {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} bytes", self.0.len())
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
    use super::*;

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
    fn debug_shows_no_content() {
        assert_eq!(alloc::format!("{:?}", Body::from(&b"secret"[..])), "6 bytes");
    }
}
