//! The header field `x-syncml-hmac`, where `syncml:auth-MAC` has its credentials [DM SEC 1.2, 5.4.3; digest 4.5].
//!
//! A [`MacField`] is the text that a transport carries beside a message, and a [`Mac`] is what it says. Despite the
//! field's name the digest is a nested MD5 over the message's octets, not the HMAC of RFC 2104.

use alloc::{string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{Digest, Signature, digest};

/// The value of a header field `x-syncml-hmac`, as it came in or goes out. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MacField(String);

impl MacField {
    /// The name of the header field.
    pub const NAME: &'static str = "x-syncml-hmac";
    /// Octets of a value that is read; a longer one is as good as a broken one.
    pub const BYTES_MAX: usize = 1024;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for MacField {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for MacField {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for MacField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MacField({} octets)", self.0.len())
    }
}

/// What a message shows of its sender under `syncml:auth-MAC`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mac {
    /// The name, the same as `Source/LocName` of the message.
    pub user: SmolStr,
    /// Over the account's credentials, a nonce and the message as it is on the wire.
    pub digest: Digest,
}

impl Mac {
    /// Reads a header field.
    ///
    /// The parameters may stand in any order and their names in any letters; unknown ones count for nothing. The name of
    /// the field may stand in front, as the specification's grammar has it. The digest may be base64 of its 16 octets,
    /// or of their 32 hexadecimal digits as in the specification's sample [digest B 1].
    ///
    /// Gives nothing where the field is too long or no such list, names a parameter twice or another algorithm than
    /// MD5, or lacks the name or the digest.
    #[must_use]
    pub fn parse(field: &MacField) -> Option<Self> {
        let text = field.as_str();
        if text.len() > MacField::BYTES_MAX {
            return None;
        }
        let (mut algorithm, mut user, mut mac) = (None, None, None);
        for (name, value) in parameters(without_name(text))? {
            let known = [("algorithm", &mut algorithm), ("username", &mut user), ("mac", &mut mac)];
            let Some((_, slot)) = known.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)) else {
                continue;
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        if algorithm.is_some_and(|algorithm| !algorithm.eq_ignore_ascii_case("MD5")) {
            return None;
        }
        Some(Self { user: user?.into(), digest: open(&mac?)? })
    }

    /// What a signature over a finished message says; nothing where it is no digest.
    #[must_use]
    pub(crate) fn of_signature(signature: &Signature) -> Option<Self> {
        Some(Self { user: signature.user.clone(), digest: Digest::from_base64(&signature.data)? })
    }

    /// Writes the header field, with the digest in its raw form.
    #[must_use]
    pub fn to_field(&self) -> MacField {
        let mut text = String::from("algorithm=MD5, username=\"");
        for c in self.user.chars() {
            if matches!(c, '"' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push_str("\", mac=");
        text.push_str(&self.digest.to_base64());
        MacField(text)
    }
}

fn without_name(text: &str) -> &str {
    let text = text.trim_start();
    match text.split_at_checked(MacField::NAME.len()) {
        Some((name, rest)) if name.eq_ignore_ascii_case(MacField::NAME) => {
            rest.trim_start().strip_prefix(':').unwrap_or(text)
        }
        _ => text,
    }
}

/// A list of `name=value` and `name="value"` with commas between; empty elements are allowed [RFC 2616, 2.1].
fn parameters(text: &str) -> Option<Vec<(&str, String)>> {
    let (mut all, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        if rest.is_empty() {
            return Some(all);
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = if let Some(quoted) = after.trim_start().strip_prefix('"') {
            unquote(quoted)?
        } else {
            let (value, after) = after.split_at(after.find(',').unwrap_or(after.len()));
            (value.trim().into(), after)
        };
        let after = after.trim_start();
        if name.trim().is_empty() || !(after.is_empty() || after.starts_with(',')) {
            return None;
        }
        all.push((name.trim(), value));
        rest = after;
    }
}

/// The rest of a quoted string [RFC 2616, 2.2], and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(c),
        }
    }
    None
}

/// Both forms of a digest [digest B 1].
fn open(text: &str) -> Option<Digest> {
    let octets = digest::from_base64(text)?;
    if let Ok(raw) = <[u8; 16]>::try_from(octets.as_slice()) {
        return Some(Digest::from_octets(raw));
    }
    let hex = core::str::from_utf8(&octets).ok().filter(|hex| hex.len() == 32)?;
    // A sign would be read as a number too.
    let is_hex = hex.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u128::from_str_radix(hex, 16).ok().filter(|_| is_hex)?;
    Some(Digest::from_octets(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{CredentialHash, Nonce};

    const RAW: &str = "6AZk96DG6F0jSIaEpbK4Ng==";
    const HEX: &str = "ZTgwNjY0ZjdhMGM2ZTg1ZDIzNDg4Njg0YTViMmI4MzY=";

    fn a8() -> Mac {
        let credentials = CredentialHash::new("Bruce2", "OhBehave");
        let body = b"<SyncML xmlns='SYNCML:SYNCML1.2'></SyncML>";
        Mac { user: "Bruce2".into(), digest: digest::mac(&credentials, &Nonce::new(b"Nonce"), body) }
    }

    fn parse(text: &str) -> Option<Mac> {
        Mac::parse(&text.into())
    }

    #[test]
    fn vector_a8_is_written_raw_and_read_in_both_forms() {
        let text = alloc::format!("algorithm=MD5, username=\"Bruce2\", mac={RAW}");
        assert_eq!(a8().to_field().as_str(), text);
        assert_eq!(parse(&text), Some(a8()));
        assert_eq!(parse(&alloc::format!("algorithm=MD5, username=\"Bruce2\", mac={HEX}")), Some(a8()));
    }

    #[test]
    fn parameters_come_in_any_order_and_letters_and_unknown_ones_count_for_nothing() {
        for text in [
            alloc::format!("mac={RAW},username=\"Bruce2\""),
            alloc::format!("x-syncml-hmac: username=\"Bruce2\", mac={RAW}"),
            alloc::format!("X-SyncML-HMAC :USERNAME = \"Bruce2\" ,, MAC = \"{RAW}\" ,"),
            alloc::format!("algorithm=md5, colour=\"red, green\", username=Bruce2, mac={RAW}"),
            alloc::format!("  username=\"Br\\uce2\",\tmac={RAW}, algorithm=\"MD5\""),
        ] {
            assert_eq!(parse(&text), Some(a8()), "{text}");
        }
    }

    #[test]
    fn a_field_that_is_broken_incomplete_or_of_another_algorithm_is_nothing() {
        for text in [
            alloc::format!("mac={RAW}"),
            "username=\"Bruce2\"".into(),
            alloc::format!("algorithm=SHA1, username=\"Bruce2\", mac={RAW}"),
            alloc::format!("username=\"Bruce2, mac={RAW}"),
            alloc::format!("username=\"Bruce2\" mac={RAW}"),
            alloc::format!("username=\"Bruce2\", username=\"Bruce2\", mac={RAW}"),
            "username=\"Bruce2\", mac=AAAA".into(),
            "username=\"Bruce2\", mac=***".into(),
            alloc::format!("=x, username=\"Bruce2\", mac={RAW}"),
            alloc::format!("username=\"Bruce2\", mac={}", digest::base64(&[b'g'; 32])),
            alloc::format!("username=\"Bruce2\", mac={}", digest::base64(&[b'+'; 32])),
            alloc::format!("username=\"{}\", mac={RAW}", "x".repeat(MacField::BYTES_MAX)),
            String::new(),
        ] {
            assert_eq!(parse(&text), None, "{text}");
        }
    }

    #[test]
    fn any_name_is_read_as_it_was_written() {
        for user in ["", "a b", "a\"b\\c", "a, mac=x", "\u{fc}ser", "="] {
            let mac = Mac { user: user.into(), ..a8() };
            assert_eq!(Mac::parse(&mac.to_field()), Some(mac), "{user}");
        }
    }

    #[test]
    fn debug_shows_no_digest() {
        let shown = alloc::format!("{:?} {:?}", a8(), a8().to_field());
        assert!(!shown.contains("6AZk"), "{shown}");
    }
}
