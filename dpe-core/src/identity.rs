//! Who a client is: the identities of devices and users, and where they are learnt from [DPE digest 3.1.4].

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use serde::{Deserialize, Serialize};

use crate::{codes::Code, config::Identification, wire::Identity};

/// The identity of a device, in the form in which two of them are compared. `Debug` shows the kind only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceIdentity {
    /// The first 14 digits of an IMEI: the check digit and the software version say nothing of the device.
    Imei(String),
    /// 12 lower-case hexadecimal digits.
    Mac(String),
    /// A static address, where deployment trusts it [DPE digest O1].
    Ipv6(Ipv6Addr),
}

/// The identity of a user, in the form in which two of them are compared. `Debug` shows the kind only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserIdentity {
    /// 5 to 15 digits, without `+`.
    Msisdn(String),
    /// `sip:user@host`, scheme and host in lower case.
    Sip(String),
    /// 6 to 15 digits.
    Imsi(String),
    /// Whatever the DPE Provider has agreed on.
    Generic(String),
}

/// The text is no identity of its scheme, or the scheme is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identity of its scheme")]
pub struct BadIdentity;

fn digits(text: &str, range: core::ops::RangeInclusive<usize>) -> Option<&str> {
    (range.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

/// The check digit of an IMEI makes this sum a multiple of ten.
fn luhn(text: &str) -> u32 {
    let digits = text.bytes().rev().map(|byte| u32::from(byte.saturating_sub(b'0')));
    digits.enumerate().map(|(at, digit)| if at % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { digit }).sum()
}

impl TryFrom<&Identity> for DeviceIdentity {
    type Error = BadIdentity;

    fn try_from(identity: &Identity) -> Result<Self, BadIdentity> {
        let text = identity.text.as_str();
        match identity.scheme.as_str() {
            "imei" => {
                let text = digits(text, 14..=16).filter(|text| text.len() != 15 || luhn(text).is_multiple_of(10));
                text.and_then(|text| text.get(..14)).map(|text| Self::Imei(text.to_owned())).ok_or(BadIdentity)
            }
            "mac" => {
                let plain: String = text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
                let is_mac = plain.len() == 12 && plain.bytes().all(|byte| byte.is_ascii_hexdigit());
                if is_mac { Ok(Self::Mac(plain.to_ascii_lowercase())) } else { Err(BadIdentity) }
            }
            "ipv6" => text.parse().map(Self::Ipv6).map_err(|_| BadIdentity),
            _ => Err(BadIdentity),
        }
    }
}

impl TryFrom<&Identity> for UserIdentity {
    type Error = BadIdentity;

    fn try_from(identity: &Identity) -> Result<Self, BadIdentity> {
        let text = identity.text.as_str();
        let found = match identity.scheme.as_str() {
            "msisdn" => {
                digits(text.strip_prefix('+').unwrap_or(text), 5..=15).map(|text| Self::Msisdn(text.to_owned()))
            }
            "imsi" => digits(text, 6..=15).map(|text| Self::Imsi(text.to_owned())),
            "sip" => sip(text).map(Self::Sip),
            "generic" => (!text.is_empty()).then(|| Self::Generic(text.to_owned())),
            _ => None,
        };
        found.ok_or(BadIdentity)
    }
}

fn sip(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let (user, host) = rest.split_once('@')?;
    let is_uri = matches!(scheme.as_str(), "sip" | "sips") && !user.is_empty() && !host.is_empty();
    let is_plain = !text.chars().any(char::is_whitespace) && !host.contains('@');
    (is_uri && is_plain).then(|| format!("{scheme}:{user}@{}", host.to_ascii_lowercase()))
}

impl fmt::Debug for DeviceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Imei(_) => "an IMEI",
            Self::Mac(_) => "a MAC",
            Self::Ipv6(_) => "an IPv6 address",
        })
    }
}

impl fmt::Debug for UserIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Msisdn(_) => "an MSISDN",
            Self::Sip(_) => "a SIP URI",
            Self::Imsi(_) => "an IMSI",
            Self::Generic(_) => "a generic identity",
        })
    }
}

/// What an SP asks a Client-ID by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    /// A device.
    Device(DeviceIdentity),
    /// A user.
    User(UserIdentity),
}

impl TryFrom<&Identity> for Key {
    type Error = BadIdentity;

    fn try_from(identity: &Identity) -> Result<Self, BadIdentity> {
        DeviceIdentity::try_from(identity).map(Self::Device).or_else(|_| identity.try_into().map(Self::User))
    }
}

/// A range of addresses, written `10.0.0.0/8`; an address alone is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// The text is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a network, as 10.0.0.0/8")]
pub struct BadNetwork;

impl TryFrom<&str> for Network {
    type Error = BadNetwork;

    fn try_from(text: &str) -> Result<Self, BadNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| BadNetwork)?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(max), str::parse).map_err(|_| BadNetwork)?;
        if bits <= max { Ok(Self { address, bits }) } else { Err(BadNetwork) }
    }
}

impl TryFrom<String> for Network {
    type Error = BadNetwork;

    fn try_from(text: String) -> Result<Self, BadNetwork> {
        text.as_str().try_into()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        format!("{}/{}", network.address, network.bits)
    }
}

impl Network {
    /// Whether the address is in the range. An IPv4 address inside an IPv6 one counts as itself.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = |all: u32| all.saturating_sub(u32::from(self.bits));
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// What the transport saw of a sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The address of the TCP peer, which may be a proxy.
    pub peer: IpAddr,
    /// Headers of the request, as they came; names in any case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// What the network's access control (RADIUS) says of the address, where there is such a feed.
    #[serde(default)]
    pub radius: Claims,
    /// The token that came beside the message, in a header of the transport.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<crate::wire::Secret>,
}

impl Source {
    /// A sender of whom only the address is known.
    #[must_use]
    pub fn at(peer: IpAddr) -> Self {
        Self { peer, headers: Vec::new(), radius: Claims::default(), token: None }
    }
}

/// Identities that a source names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Claims {
    /// Of the device.
    pub device: Option<Identity>,
    /// Of the user.
    pub user: Option<Identity>,
}

/// Which source of identities [DPE digest 3.1.4].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentitySource {
    /// The feed of the network's access control.
    Radius,
    /// Headers that a trusted proxy set.
    ProxyHeaders,
    /// The elements of the message.
    Message,
}

/// What a header of a trusted proxy means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderMeaning {
    /// The client's address; a list, of which the right-most untrusted one counts.
    ClientIp,
    /// The identity of the user, in this scheme.
    User(String),
    /// The identity of the device, in this scheme.
    Device(String),
}

/// What the network and the message together say of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Where the client is. An IPv4 address is never an identity.
    pub address: IpAddr,
    /// The device.
    pub device: Option<DeviceIdentity>,
    /// The user.
    pub user: Option<UserIdentity>,
}

impl Source {
    /// The client's address: that of the peer, or the one which a trusted proxy forwarded for [DPE digest ID1, ID2].
    #[must_use]
    pub fn address(&self, config: &Identification) -> IpAddr {
        if !config.trusts(self.peer) {
            return self.peer;
        }
        let named = |(name, _): &&(String, String)| config.meaning(name) == Some(&HeaderMeaning::ClientIp);
        let lists = self.headers.iter().filter(named).map(|(_, list)| list.as_str());
        // Several headers of one name are one list.
        let mut all: Vec<&str> = lists.flat_map(|list| list.split(',')).map(str::trim).collect();
        all.reverse();
        let mut addresses = all.iter().map_while(|text| text.parse::<IpAddr>().ok());
        addresses.find(|address| !config.trusts(*address)).unwrap_or(self.peer)
    }

    fn proxy_claims(&self, config: &Identification) -> Claims {
        let mut claims = Claims::default();
        if config.trusts(self.peer) {
            for (name, value) in &self.headers {
                match config.meaning(name) {
                    Some(HeaderMeaning::User(scheme)) => claims.user = Some(Identity::new(scheme, value.trim())),
                    Some(HeaderMeaning::Device(scheme)) => claims.device = Some(Identity::new(scheme, value.trim())),
                    Some(HeaderMeaning::ClientIp) | None => {}
                }
            }
        }
        claims
    }

    /// Who the sender is by all configured sources together. Sources that contradict each other are an error of the
    /// identity that they disagree on [DPE digest ID3].
    ///
    /// # Errors
    /// 2 for a device identity that is ill formed or contradicted, 4 for a user identity.
    pub fn resolve(&self, config: &Identification, message: &Claims) -> Result<Resolved, Code> {
        let address = self.address(config);
        let (mut device, mut user) = (None, None);
        let proxy = self.proxy_claims(config);
        for source in &config.sources {
            let claims = match source {
                IdentitySource::Radius => &self.radius,
                IdentitySource::ProxyHeaders => &proxy,
                IdentitySource::Message => message,
            };
            if let Some(claimed) = &claims.device {
                let claimed = DeviceIdentity::try_from(claimed).map_err(|_| Code::DEVICE_IDENTITY_ERROR)?;
                if *device.get_or_insert_with(|| claimed.clone()) != claimed {
                    return Err(Code::DEVICE_IDENTITY_ERROR);
                }
            }
        }
        for source in &config.sources {
            let claims = match source {
                IdentitySource::Radius => &self.radius,
                IdentitySource::ProxyHeaders => &proxy,
                IdentitySource::Message => message,
            };
            if let Some(claimed) = &claims.user {
                let claimed = UserIdentity::try_from(claimed).map_err(|_| Code::USER_IDENTITY_ERROR)?;
                let is_allowed = config.allow_imsi || !matches!(claimed, UserIdentity::Imsi(_));
                if !is_allowed || *user.get_or_insert_with(|| claimed.clone()) != claimed {
                    return Err(Code::USER_IDENTITY_ERROR);
                }
            }
        }
        // An IPv6 address of the message must be one that may serve at all.
        if let Some(DeviceIdentity::Ipv6(own)) = &device
            && !config.is_static(IpAddr::V6(*own))
        {
            return Err(Code::DEVICE_IDENTITY_ERROR);
        }
        if let (None, IpAddr::V6(own)) = (&device, address)
            && config.is_static(address)
        {
            device = Some(DeviceIdentity::Ipv6(own));
        }
        Ok(Resolved { address, device, user })
    }
}

impl DeviceIdentity {
    /// The identity as text of its scheme, for a directory's keys.
    #[must_use]
    pub fn to_identity(&self) -> Identity {
        match self {
            Self::Imei(text) => Identity::new("imei", text),
            Self::Mac(text) => Identity::new("mac", text),
            Self::Ipv6(address) => Identity::new("ipv6", &address.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(scheme: &str, text: &str) -> Option<DeviceIdentity> {
        DeviceIdentity::try_from(&Identity::new(scheme, text)).ok()
    }

    fn user(scheme: &str, text: &str) -> Option<UserIdentity> {
        UserIdentity::try_from(&Identity::new(scheme, text)).ok()
    }

    #[test]
    fn imeis_are_compared_by_14_digits_and_checked_by_the_15th() {
        let imei = device("imei", "490154203237518").unwrap();
        assert_eq!(device("imei", "49015420323751"), Some(imei.clone()));
        assert_eq!(device("imei", "4901542032375123"), Some(imei));
        for bad in ["490154203237519", "4901542032375", "49015420323751812", "49015420323751x", ""] {
            assert_eq!(device("imei", bad), None, "{bad}");
        }
    }

    #[test]
    fn macs_have_any_separator() {
        let mac = device("mac", "00:1A:2b:3c:4d:5e");
        assert!(mac.is_some());
        assert_eq!(device("mac", "001a.2b3c.4d5e"), mac);
        assert_eq!(device("mac", "00-1A-2B-3C-4D-5E"), mac);
        assert_eq!(device("mac", "00:1A:2b:3c:4d"), None);
        assert_eq!(device("serial", "1"), None);
    }

    #[test]
    fn users_have_numbers_or_uris() {
        assert_eq!(user("msisdn", "+34600111222"), user("msisdn", "34600111222"));
        assert_eq!(user("sip", "SIP:alice@Operator.Example"), user("sip", "sip:alice@operator.example"));
        for (scheme, bad) in [
            ("msisdn", "1234"),
            ("msisdn", "1234567890123456"),
            ("sip", "alice@operator"),
            ("sip", "sip:operator"),
            ("sip", "sip:a@b c"),
            ("imsi", "x"),
            ("generic", ""),
            ("imei", "490154203237518"),
        ] {
            assert_eq!(user(scheme, bad), None, "{scheme} {bad}");
        }
    }

    #[test]
    fn networks_hold_their_addresses_only() {
        let network = |text: &str| Network::try_from(text).unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(network("10.0.0.0/8").contains(address("10.255.0.1")));
        assert!(!network("10.0.0.0/8").contains(address("11.0.0.1")));
        assert!(network("0.0.0.0/0").contains(address("1.2.3.4")));
        assert!(!network("0.0.0.0/0").contains(address("::1")));
        assert!(network("::/0").contains(address("2001:db8::1")));
        assert!(network("192.0.2.7").contains(address("::ffff:192.0.2.7")));
        assert!(network("2001:db8::/32").contains(address("2001:db8:1::")));
        assert!(!network("2001:db8::/32").contains(address("2001:db9::")));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "x"] {
            assert!(Network::try_from(bad).is_err(), "{bad}");
        }
    }
}
