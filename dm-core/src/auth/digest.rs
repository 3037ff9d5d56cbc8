//! The digests of DM security, as pure functions [DM SEC 1.2, 5.3 and 5.4; digest 4.3].
//!
//! `H` is MD5 and `B64` is base64 with padding. MD5 is broken as a hash; it is what every DM 1.2 peer speaks, and TLS
//! underneath is what protects a session.

use alloc::{string::String, vec::Vec};
use core::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest as _, Md5};
use smol_str::SmolStr;
use subtle::ConstantTimeEq;

use super::Nonce;

/// `H(user ":" password)`: all that a verifier needs to keep, and as good as the password for DM. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialHash([u8; 16]);

impl CredentialHash {
    /// The hash of a name and a password.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        Self(h(&[user.as_bytes(), b":", password.as_bytes()]))
    }

    /// The hash as it is usually stored: `B64(H(user ":" password))`.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// The hash in a text that [`to_base64`](Self::to_base64) made.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        Some(Self(STANDARD.decode(text).ok()?.try_into().ok()?))
    }

    /// Whether both are the same; takes the same time whatever the answer.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for CredentialHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialHash(..)")
    }
}

/// What one message shows to prove a [`CredentialHash`]. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest with these octets, as a notification has it.
    #[must_use]
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The digest as a notification has it.
    #[must_use]
    pub const fn to_octets(&self) -> [u8; 16] {
        self.0
    }

    /// The digest in `Cred/Data` of type `syncml:auth-md5`.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        Some(Self(STANDARD.decode(text.trim()).ok()?.try_into().ok()?))
    }

    /// The digest as it goes on the wire.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Whether both are the same; takes the same time whatever the answer.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// `H(body)`: all that is needed of a message to sign it, or to verify it, under `syncml:auth-MAC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyHash([u8; 16]);

impl BodyHash {
    /// The hash of a message as it is on the wire.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(h(&[body]))
    }

    /// As it goes into the digest: `B64(H(body))`.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// The hash in a text that [`to_base64`](Self::to_base64) made.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        Some(Self(STANDARD.decode(text).ok()?.try_into().ok()?))
    }
}

/// `Cred/Data` of type `syncml:auth-basic`: `B64(user ":" password)`.
#[must_use]
pub fn basic(user: &str, password: &str) -> String {
    STANDARD.encode([user.as_bytes(), b":", password.as_bytes()].concat())
}

/// The name and the credential hash in `Cred/Data` of type `syncml:auth-basic`; nothing if it is none.
#[must_use]
pub fn open_basic(data: &str) -> Option<(SmolStr, CredentialHash)> {
    let text = STANDARD.decode(data.trim()).ok()?;
    let colon = text.iter().position(|byte| *byte == b':')?;
    let user = core::str::from_utf8(text.get(..colon)?).ok()?;
    Some((user.into(), CredentialHash(h(&[&text]))))
}

/// The digest of type `syncml:auth-md5`: `H(B64(H(user ":" password)) ":" nonce)`, the nonce as raw octets.
#[must_use]
pub fn md5(credentials: &CredentialHash, nonce: &Nonce) -> Digest {
    Digest(h(&[credentials.to_base64().as_bytes(), b":", nonce.as_bytes()]))
}

/// The digest of type `syncml:auth-MAC`: `H(B64(H(user ":" password)) ":" nonce ":" B64(H(body)))`, over the message as
/// it is on the wire.
#[must_use]
pub fn mac(credentials: &CredentialHash, nonce: &Nonce, body: &[u8]) -> Digest {
    mac_over(credentials, nonce, &BodyHash::of(body))
}

/// The same, of a body whose hash is known.
#[must_use]
pub fn mac_over(credentials: &CredentialHash, nonce: &Nonce, body: &BodyHash) -> Digest {
    let body = body.to_base64();
    Digest(h(&[credentials.to_base64().as_bytes(), b":", nonce.as_bytes(), b":", body.as_bytes()]))
}

/// The digest of a server notification: `H(B64(H(server-identifier ":" password)) ":" nonce ":" B64(H(trigger)))`. The
/// credentials are those of the server under its identifier, which need not be the name it authenticates with in a
/// session; the nonce is the server's, as raw octets; the trigger is all but the digest [NOTI 1.2, 6.2.2].
#[must_use]
pub fn notification(server: &CredentialHash, nonce: &Nonce, trigger: &[u8]) -> Digest {
    mac(server, nonce, trigger)
}

fn h(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim()).ok()
}

/// The vectors of the digest, 4.4, named after their numbers.
#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(bytes: &[u8]) -> Nonce {
        Nonce::new(bytes)
    }

    fn bruce() -> CredentialHash {
        CredentialHash::new("Bruce2", "OhBehave")
    }

    fn device() -> CredentialHash {
        CredentialHash::new("device-001", "s3cr3t-pass")
    }

    fn long_nonce() -> Nonce {
        Nonce::from_base64("ABEiM0RVZneImaq7zN3u/w==").unwrap()
    }

    #[test]
    fn vector_a1_basic() {
        assert_eq!(basic("Bruce2", "OhBehave"), "QnJ1Y2UyOk9oQmVoYXZl");
        let (user, hash) = open_basic("QnJ1Y2UyOk9oQmVoYXZl").unwrap();
        assert_eq!((user.as_str(), hash), ("Bruce2", bruce()));
        assert_eq!(open_basic("QnJ1Y2Uy"), None, "no colon");
        assert_eq!(open_basic("***"), None, "no base64");
    }

    #[test]
    fn vector_a2_stored_secret() {
        assert_eq!(bruce().to_base64(), "PtEdr8lBQ45IbT1bZIkrOQ==");
        assert_eq!(CredentialHash::from_base64("PtEdr8lBQ45IbT1bZIkrOQ=="), Some(bruce()));
    }

    #[test]
    fn vector_a3_md5_of_the_specification() {
        let nonce = Nonce::from_base64("Tm9uY2U=").unwrap();
        assert_eq!(nonce.as_bytes(), b"Nonce");
        assert_eq!(md5(&bruce(), &nonce).to_base64(), "Zz6EivR3yeaaENcRN6lpAQ==");
    }

    #[test]
    fn vector_a4_md5_with_an_empty_nonce() {
        assert_eq!(md5(&bruce(), &nonce(b"")).to_base64(), "lEf25jyjHbCcTbj4p/1pUw==");
    }

    #[test]
    fn vector_a5_md5_with_a_binary_nonce() {
        let bytes = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
        assert_eq!(long_nonce().as_bytes(), bytes);
        assert_eq!(device().to_base64(), "yYEo5mcj/3lbz/4LKUV6dQ==");
        assert_eq!(md5(&device(), &long_nonce()).to_base64(), "IL8BJTggg59+TW50eOzRRg==");
    }

    #[test]
    fn vector_a6_md5_with_the_nonce_of_resynchronisation() {
        assert_eq!(md5(&device(), &nonce(&[0; 4])).to_base64(), "6Zu8JwiZ2tU7QOrFFnGjFA==");
    }

    #[test]
    fn vector_a7_the_text_of_a_nonce_is_not_the_nonce() {
        let wrong = Digest::from_base64("+3qn5PdRkxTCyEbw0T6W3g==").unwrap();
        assert_eq!(md5(&device(), &nonce(b"ABEiM0RVZneImaq7zN3u/w==")), wrong);
        assert!(!md5(&device(), &long_nonce()).matches(&wrong));
    }

    #[test]
    fn vector_a8_mac_of_a_short_body() {
        let body = b"<SyncML xmlns='SYNCML:SYNCML1.2'></SyncML>";
        let digest = mac(&bruce(), &nonce(b"Nonce"), body);
        assert_eq!(base64(&h(&[body])), "H3xwy8pX1UqPHmyp+R/yyg==");
        assert_eq!(digest.0, 0xe806_64f7_a0c6_e85d_2348_8684_a5b2_b836_u128.to_be_bytes());
        assert_eq!(digest.to_base64(), "6AZk96DG6F0jSIaEpbK4Ng==");
        let hex = alloc::format!("{:032x}", u128::from_be_bytes(digest.0));
        assert_eq!(base64(hex.as_bytes()), "ZTgwNjY0ZjdhMGM2ZTg1ZDIzNDg4Njg0YTViMmI4MzY=");
    }

    #[test]
    fn vector_a9_mac_of_a_wbxml_body() {
        let body = concat!(
            "02a4016a006d6c7103312e3200017203444d2f312e3200016503414200015b033100016e5703687474703a2f2f732f646d0001016757",
            "03494d45493a310001015a00014c03353030300001010100006b464b033100014f0331323031000101120101"
        );
        let pair = |at: usize| u8::from_str_radix(&body[at..at + 2], 16).unwrap();
        let body: Vec<u8> = (0..body.len()).step_by(2).map(pair).collect();
        assert_eq!(base64(&h(&[&body])), "Ci8in9rrRnUImgjPXLb7Cg==");
        assert_eq!(mac(&device(), &long_nonce(), &body).to_base64(), "tJ/hsHrZXJRvAmOgHzWITw==");
    }

    #[test]
    fn vector_a10_mac_of_an_empty_body() {
        assert_eq!(base64(&h(&[])), "1B2M2Y8AsgTpgAmY7PhCfg==");
        assert_eq!(mac(&device(), &long_nonce(), b"").to_base64(), "AFKRmy4US8QQ0KA/e3h1Sg==");
    }

    /// The notifications of the digest, 1.8 and 1.9.4; the tests of `notify` have their octets.
    #[test]
    fn vectors_n1_n2_n3_and_p13_of_a_notification() {
        let n1 = b"\x02\xd0\0\0\0\x12\x34\x12com.mgmtsrv.manage";
        let server = CredentialHash::new("com.mgmtsrv.manage", "srvpwd");
        assert_eq!(server.to_base64(), "k1gvMfTJFGLXJE7GnEG0CQ==");
        assert_eq!(base64(&h(&[n1])), "ne6BhXyhdpa6cRlZxXFamA==");
        let digest = notification(&server, &long_nonce(), n1).to_octets();
        assert_eq!(digest, 0xffe8_e4f6_8468_3024_c822_fa47_451c_54d4_u128.to_be_bytes());

        let n2 = b"\x02\xf8\0\0\0\0\xab\x0edm.example.com";
        let server = CredentialHash::new("dm.example.com", "OhBehave");
        assert_eq!(server.to_base64(), "tS9F6QhTr6SMOeof9ZXnCg==");
        assert_eq!(base64(&h(&[n2])), "Y5wXpT9G1APAdPPDd7nEqg==");
        let p13 = b"\x03\x78\0\0\0\0\xab\x02\x10\x0edm.example.com\x30\x02\0\x0c";
        assert_eq!(base64(&h(&[p13])), "FjcOrvqy104buFMlhwYHXg==");
        for (nonce_octets, trigger, digest) in [
            (&b"Nonce"[..], &n2[..], 0x9cef_3482_b7e0_b580_686b_fd1e_e489_b3b7_u128),
            (&[0; 4], n2, 0xb86b_0ebc_70e7_d71f_e2d4_0b6b_4030_d7e2),
            (b"0x00000000", n2, 0xa36c_4f47_1814_afd3_6663_36a5_29b8_9ea6),
            (b"Nonce", p13, 0x44ed_44bc_3df8_4739_c099_b1b2_d512_9384),
        ] {
            let octets = notification(&server, &nonce(nonce_octets), trigger).to_octets();
            assert_eq!(octets, digest.to_be_bytes());
            assert!(Digest::from_octets(octets).matches(&notification(&server, &nonce(nonce_octets), trigger)));
        }
    }

    #[test]
    fn debug_hides_hashes_and_digests() {
        let shown = alloc::format!("{:?} {:?}", bruce(), md5(&bruce(), &nonce(b"Nonce")));
        assert_eq!(shown, "CredentialHash(..) Digest(..)");
    }
}
