//! Whom a request comes from, as far as its connection says: what [`serve`](crate::serve()) puts into its extensions.

use std::net::{IpAddr, Ipv6Addr};

/// Whom the transport has authenticated as the sender of a request; put into the request's extensions by whatever ends
/// TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity(pub String);

/// The address that a connection comes from, as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// Where a request comes from, as one party: an IPv4 address, or the network of an IPv6 address. Behind a proxy that is
/// the proxy for all of them: there, let a layer put the address in that the proxy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source(pub IpAddr);

impl Source {
    /// The party at an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                Self(IpAddr::V6(Ipv6Addr::from(network)))
            }
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}
