//! Who may have sent a bootstrap: a MAC that is keyed with what only the network or the user knows [DM SEC 1.2, 5.7.2].

use alloc::{string::String, vec::Vec};
use core::fmt;

use hmac::{Hmac, KeyInit, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::Profile;

/// What the key of a MAC is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// What the device and its network share: `NETWORKID`, and `NETWPIN` in client provisioning.
    Network,
    /// A PIN that the user was told: `USERPIN`.
    User,
    /// Both: `USERPIN_NETWORKID`, and `USERNETWPIN` in client provisioning.
    UserAndNetwork,
    /// A PIN that holds the MAC itself: `USERPINMAC`, in client provisioning only. It is recognised and refused: how the
    /// PIN is made of the MAC is in no text that we could read.
    UserMac,
}

impl Method {
    /// Whether the user types something.
    #[must_use]
    pub const fn needs_pin(self) -> bool {
        !matches!(self, Self::Network)
    }

    /// The method that `SEC` names in a content type, by name or, in client provisioning, by number.
    #[must_use]
    pub fn parse(profile: Profile, text: &str) -> Option<Self> {
        let names: &[(&str, Self)] = match profile {
            Profile::ClientProvisioning => &[
                ("0", Self::Network),
                ("1", Self::User),
                ("2", Self::UserAndNetwork),
                ("3", Self::UserMac),
                ("NETWPIN", Self::Network),
                ("USERPIN", Self::User),
                ("USERNETWPIN", Self::UserAndNetwork),
                ("USERPINMAC", Self::UserMac),
            ],
            Profile::DeviceManagement => {
                &[("NETWORKID", Self::Network), ("USERPIN", Self::User), ("USERPIN_NETWORKID", Self::UserAndNetwork)]
            }
        };
        names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, method)| *method)
    }
}

/// What a device knows to check a MAC with.
#[derive(Clone, Copy, Default)]
pub struct Secrets<'a> {
    /// What the user typed.
    pub pin: Option<&'a str>,
    /// What the device shares with its network.
    pub network: Option<NetworkSecret<'a>>,
}

/// What a device shares with its network.
#[derive(Clone, Copy)]
pub enum NetworkSecret<'a> {
    /// The decimal digits of an IMSI. The DM profile takes them as text, client provisioning as semi-octets.
    Imsi(&'a str),
    /// Anything else, in the octets that are the key, as they are.
    Octets(&'a [u8]),
}

/// Nothing of a secret shows but that it is there.
impl fmt::Debug for Secrets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("pin", &self.pin.is_some()).field("network", &self.network.is_some()).finish()
    }
}

/// Why there is no key for a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The user has not typed the PIN yet.
    #[error("the user's PIN is needed")]
    NoPin,
    /// The device shares nothing with its network.
    #[error("the network's secret is needed")]
    NoNetworkSecret,
    /// An IMSI is 6 to 15 decimal digits.
    #[error("not an IMSI")]
    BadImsi,
    /// [`Method::UserMac`].
    #[error("method not supported")]
    UnsupportedMethod,
}

/// The key of a MAC. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// The key of a method.
    ///
    /// The two profiles differ: the DM profile joins PIN and secret with a colon and takes an IMSI as text; client
    /// provisioning takes an IMSI in semi-octets and puts the PIN behind it. The former is the specification's. The
    /// latter is what implementations do, and a vector of one of them is among our tests for the IMSI alone.
    ///
    /// # Errors
    /// A secret that the method needs is not there, or is none.
    pub fn new(profile: Profile, method: Method, secrets: &Secrets<'_>) -> Result<Self, KeyError> {
        let pin = || secrets.pin.map(str::as_bytes).ok_or(KeyError::NoPin);
        let network = || match (secrets.network, profile) {
            (None, _) => Err(KeyError::NoNetworkSecret),
            (Some(NetworkSecret::Octets(octets)), _) => Ok(octets.to_vec()),
            (Some(NetworkSecret::Imsi(imsi)), _) if !is_imsi(imsi) => Err(KeyError::BadImsi),
            (Some(NetworkSecret::Imsi(imsi)), Profile::DeviceManagement) => Ok(imsi.as_bytes().to_vec()),
            (Some(NetworkSecret::Imsi(imsi)), Profile::ClientProvisioning) => Ok(semi_octets(imsi)),
        };
        Ok(Self(match (method, profile) {
            (Method::Network, _) => network()?,
            (Method::User, _) => pin()?.to_vec(),
            (Method::UserAndNetwork, Profile::DeviceManagement) => [pin()?, b":", &network()?].concat(),
            (Method::UserAndNetwork, Profile::ClientProvisioning) => [&network()?, pin()?].concat(),
            (Method::UserMac, _) => return Err(KeyError::UnsupportedMethod),
        }))
    }

    /// The MAC of a document: HMAC-SHA1 [RFC 2104] over its octets as they are sent.
    #[must_use]
    pub fn mac(&self, document: &[u8]) -> Mac {
        // A key of any length is a key of HMAC.
        let octets = Hmac::<Sha1>::new_from_slice(&self.0).map(|mut hmac| {
            hmac.update(document);
            hmac.finalize().into_bytes().into()
        });
        Mac(octets.unwrap_or_default())
    }
}

/// A MAC.
#[derive(Clone, Copy, Debug)]
pub struct Mac([u8; 20]);

impl Mac {
    /// The MAC that 40 hexadecimal digits spell, in letters of either case.
    #[must_use]
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        let mut octets = [0; 20];
        if text.len() != 2 * octets.len() {
            return None;
        }
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        for (octet, pair) in octets.iter_mut().zip(text.chunks_exact(2)) {
            let [high, low] = *pair else { return None };
            *octet = digit(high)? << 4 | digit(low)?;
        }
        Some(Self(octets))
    }

    /// As in a content type: upper-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        let nibbles = self.0.iter().flat_map(|octet| [octet >> 4, octet & 0x0F]);
        nibbles
            .filter_map(|nibble| char::from_digit(nibble.into(), 16))
            .map(|digit| digit.to_ascii_uppercase())
            .collect()
    }

    /// Whether both are the same; takes the same time whatever the answer.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl PartialEq for Mac {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other)
    }
}

impl Eq for Mac {}

fn is_imsi(text: &str) -> bool {
    (6..=15).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit())
}

/// Two digits in each octet, the first in its low half. Before them goes a 9 where their number is odd, and a 1 where it is
/// even and `F` fills the last octet up, as an IMSI is stored on a SIM.
fn semi_octets(imsi: &str) -> Vec<u8> {
    let (first, filler) = if imsi.len() % 2 == 1 { (9, None) } else { (1, Some(0x0F)) };
    let digits = imsi.bytes().map(|octet| octet & 0x0F);
    let halves: Vec<u8> = core::iter::once(first).chain(digits).chain(filler).collect();
    halves.chunks(2).map(|pair| pair.iter().rev().fold(0, |octet, half| octet << 4 | half)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_imsi_is_coded_as_on_a_sim() {
        assert_eq!(semi_octets("310260123456789"), [0x39, 0x01, 0x62, 0x10, 0x32, 0x54, 0x76, 0x98]);
        assert_eq!(semi_octets("21407650123456"), [0x21, 0x41, 0x70, 0x56, 0x10, 0x32, 0x54, 0xF6]);
        let secrets = |imsi| Secrets { pin: None, network: Some(NetworkSecret::Imsi(imsi)) };
        for bad in ["", "12345", "1234567890123456", "31026012345678x", "+31026012345678"] {
            let key = Key::new(Profile::ClientProvisioning, Method::Network, &secrets(bad));
            assert_eq!(key, Err(KeyError::BadImsi), "{bad}");
        }
    }

    #[test]
    fn a_mac_is_forty_digits() {
        let mac = Key(b"k".to_vec()).mac(b"d");
        assert_eq!(Mac::from_hex(mac.to_hex().as_bytes()), Some(mac));
        assert_eq!(Mac::from_hex(mac.to_hex().to_ascii_lowercase().as_bytes()), Some(mac));
        for bad in ["", "00", &"0".repeat(39), &"0".repeat(41), &"g".repeat(40), &"é".repeat(20)] {
            assert_eq!(Mac::from_hex(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let secrets = Secrets { pin: Some("1234"), network: Some(NetworkSecret::Imsi("310260123456789")) };
        let key = Key::new(Profile::DeviceManagement, Method::UserAndNetwork, &secrets);
        let shown = alloc::format!("{secrets:?} {key:?}");
        assert!(!shown.contains("1234") && !shown.contains("49"), "{shown}");
    }
}
