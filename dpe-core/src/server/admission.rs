//! Who may knock at all: connections of one address, and registrations of one address in a minute [DPE digest 3.13].
//!
//! A transport asks before it reads anything. What is remembered is bounded by what is open, and by a minute.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use core_kit::{Millis, Tick};

use super::Profile;

/// Addresses that are counted at a time. Beyond them nobody new is let in until a minute has passed.
const ADDRESSES_MAX: usize = 65_536;
const MINUTE: Millis = Millis::from_secs(60);

/// Counts what is open and what came.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    profile: Profile,
    /// Open connections on DPE-3 by address.
    open: BTreeMap<IpAddr, u32>,
    /// Registrations of this minute by address.
    registrations: BTreeMap<IpAddr, u32>,
    minute_ends: Tick,
}

impl Admission {
    /// Nothing is open.
    #[must_use]
    pub fn new(profile: &Profile) -> Self {
        Self { profile: profile.clone(), ..Self::default() }
    }

    /// Whether a connection on DPE-3 from this address is let in (P1). One that is must be [closed](Self::close).
    pub fn open(&mut self, from: IpAddr) -> bool {
        let max = self.profile.config().sp.max_connections;
        if self.open.len() >= ADDRESSES_MAX && !self.open.contains_key(&from) {
            return false;
        }
        let open = self.open.entry(from).or_default();
        let is_admitted = *open < max;
        if is_admitted {
            *open += 1;
        }
        is_admitted
    }

    /// A connection that was let in has ended.
    pub fn close(&mut self, from: IpAddr) {
        if let Some(open) = self.open.get_mut(&from) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                self.open.remove(&from);
            }
        }
    }

    /// Whether a message on DPE-1 from this address is read, `dpe1.rate_per_ip` being the most in a minute.
    pub fn registers(&mut self, from: IpAddr, now: Tick) -> bool {
        if now >= self.minute_ends {
            self.registrations.clear();
            self.minute_ends = now + MINUTE;
        }
        if self.registrations.len() >= ADDRESSES_MAX && !self.registrations.contains_key(&from) {
            return false;
        }
        let count = self.registrations.entry(from).or_default();
        *count = count.saturating_add(1);
        *count <= self.profile.config().dpe1.rate_per_ip
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn admission() -> Admission {
        let mut config = Config::default();
        (config.sp.max_connections, config.dpe1.rate_per_ip) = (2, 3);
        Admission::new(&config.into())
    }

    #[test]
    fn an_address_has_so_many_connections_and_no_more() {
        let mut admission = admission();
        assert!(admission.open(address(1)) && admission.open(address(1)));
        assert!(!admission.open(address(1)));
        assert!(admission.open(address(2)), "another address has its own");
        admission.close(address(1));
        assert!(admission.open(address(1)) && !admission.open(address(1)));
        for last in [1, 1, 2, 3] {
            admission.close(address(last));
        }
        assert!(admission.open.is_empty());
    }

    #[test]
    fn an_address_registers_so_often_in_a_minute() {
        let mut admission = admission();
        let answers = [0, 1, 2, 3, 59_999, 60_000].map(|now| admission.registers(address(1), Tick(now)));
        assert_eq!(answers, [true, true, true, false, false, true]);
        assert!(admission.registers(address(2), Tick(60_001)));
        assert_eq!(admission.registrations.len(), 2, "what is older is forgotten");
    }
}
