//! Wrong credentials cost time: whoever guesses is told to come back later, before anything is judged.
//!
//! Two counts, both of this node alone and gone with it. One is for each device that is claimed, and grows with every
//! wrong guess at it; the device itself ends it by proving itself. The other is for each address, and only time ends it:
//! it keeps one party from guessing at many devices. An embedder that wants the same for all of its nodes keeps a
//! [`Lockout`] with each account.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use core_kit::{Millis, Tick};
use dm_core::{
    auth::{Claim, Lockout, LockoutLimits, Presented},
    ids::DeviceId,
    server::{Report, SessionKey},
};

/// How much guessing a node puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginLimits {
    /// Wrong credentials for one device, whoever shows them. Then its claims wait, longer each time.
    pub device: LockoutLimits,
    /// Wrong credentials from one address (of IPv6: from one network of 64 bits) that cost nothing. Stale nonces count
    /// too, so this should be as large as the fleets that share an address.
    pub source_burst: u32,
    /// How long it takes until one of them is forgotten; claims from an address that has used them up wait for that.
    pub source_refill: Millis,
    /// Devices, and addresses, that are remembered. With one more the one with the oldest failure is forgotten.
    pub remembered_max: usize,
}

impl LoginLimits {
    /// Ten for a device, then a second and twice as long each time up to five minutes; a hundred from an address, and one
    /// every three seconds.
    pub const DEFAULT: Self = Self {
        device: LockoutLimits {
            free: 10,
            first: Millis::from_secs(1),
            longest: Millis::from_secs(5 * 60),
            forget: Millis::from_secs(60 * 60),
        },
        source_burst: 100,
        source_refill: Millis::from_secs(3),
        remembered_max: 10_000,
    };
}

/// What was guessed wrong lately.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    devices: HashMap<DeviceId, (Tick, Lockout)>,
    sources: HashMap<IpAddr, (Tick, Drained)>,
}

/// How many failures of an address are not forgotten yet, as the time at which the last of them will be.
#[derive(Clone, Copy, Debug, Default)]
struct Drained {
    empty_at: Tick,
}

impl Throttle {
    /// How long whoever makes this claim has to wait; nothing if it may be judged. What is not a guess may always be: a
    /// claim without credentials, and one of somebody whom the transport has authenticated.
    pub(crate) fn wait(
        &self,
        limits: &LoginLimits,
        claim: &Claim,
        source: Option<IpAddr>,
        now: Tick,
    ) -> Option<Millis> {
        if claim.presented == Presented::Nothing || claim.transport.is_some() {
            return None;
        }
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let device = counts.devices.get(&DeviceId::from(claim.peer.as_str()));
        let device = device.and_then(|(_, lockout)| lockout.left_for(claim, &limits.device, now));
        let source = source.and_then(|source| counts.sources.get(&source)?.1.left(limits, now));
        device.max(source)
    }

    /// Counts what came of a message of this session.
    pub(crate) fn hear(
        &self,
        limits: &LoginLimits,
        SessionKey { device, session }: &SessionKey,
        source: Option<IpAddr>,
        reports: &[Report],
        now: Tick,
    ) {
        for report in reports {
            match report {
                Report::AuthenticationFailed { .. } => {
                    let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    let lockout = entry(&mut counts.devices, device.clone(), limits, now);
                    lockout.hear_in(session, report, &limits.device, now);
                    if let Some(source) = source {
                        entry(&mut counts.sources, source, limits, now).failed(limits, now);
                    }
                }
                Report::Authenticated { .. } => {
                    self.0.lock().unwrap_or_else(PoisonError::into_inner).devices.remove(device);
                }
                _ => {}
            }
        }
    }
}

/// The count of `key`, used now. One more than may be remembered makes room by forgetting the one used least lately.
fn entry<'a, K: Clone + Eq + Hash, V: Default>(
    counts: &'a mut HashMap<K, (Tick, V)>,
    key: K,
    limits: &LoginLimits,
    now: Tick,
) -> &'a mut V {
    if counts.len() >= limits.remembered_max.max(1) && !counts.contains_key(&key) {
        let oldest = counts.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
        oldest.and_then(|oldest| counts.remove(&oldest));
    }
    let (used, count) = counts.entry(key).or_default();
    *used = now;
    count
}

impl Drained {
    fn failed(&mut self, limits: &LoginLimits, now: Tick) {
        self.empty_at = self.empty_at.max(now) + limits.source_refill;
    }

    /// How long until less than a whole burst is left to be forgotten.
    fn left(self, limits: &LoginLimits, now: Tick) -> Option<Millis> {
        let burst = limits.source_refill.0.saturating_mul(u64::from(limits.source_burst));
        let beyond = self.empty_at.0.saturating_sub(now.0).saturating_sub(burst);
        (beyond > 0).then_some(Millis(beyond))
    }
}

#[cfg(test)]
mod tests {
    use dm_core::auth::Nonce;

    use super::*;

    const LIMITS: LoginLimits = LoginLimits {
        device: LockoutLimits { free: 2, first: Millis(1_000), longest: Millis(4_000), forget: Millis(60_000) },
        source_burst: 3,
        source_refill: Millis(100),
        remembered_max: 2,
    };
    const FAILED: &[Report] = &[Report::AuthenticationFailed { scheme: None }];
    const PROVED: &[Report] = &[Report::Authenticated { user: None, scheme: None }];

    fn claim(device: &str) -> Claim {
        let presented = Presented::Unreadable;
        Claim { peer: device.into(), session: "1".into(), presented, nonce: None, transport: None }
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn fail(throttle: &Throttle, device: &str, source: impl Into<Option<IpAddr>>, now: u64) {
        throttle.hear(&LIMITS, &key(device), source.into(), FAILED, Tick(now));
    }

    fn key(device: &str) -> SessionKey {
        SessionKey { device: device.into(), session: "1".into() }
    }

    #[test]
    fn guesses_at_one_device_wait_longer_each_time_until_it_proves_itself() {
        let throttle = Throttle::default();
        let wait = |now| throttle.wait(&LIMITS, &claim("a"), None, Tick(now));
        fail(&throttle, "a", ip(1), 0);
        fail(&throttle, "a", ip(2), 0);
        assert_eq!(wait(0), None);
        fail(&throttle, "a", ip(3), 0);
        assert_eq!((wait(0), wait(999), wait(1_000)), (Some(Millis(1_000)), Some(Millis(1)), None));
        fail(&throttle, "a", ip(4), 1_000);
        assert_eq!(wait(1_000), Some(Millis(2_000)));
        assert_eq!(throttle.wait(&LIMITS, &claim("b"), None, Tick(1_000)), None, "others do not wait");
        throttle.hear(&LIMITS, &key("a"), None, PROVED, Tick(1_000));
        assert_eq!(wait(1_000), None);
    }

    #[test]
    fn a_device_whose_stale_nonce_was_one_too_many_may_answer_its_challenge() {
        let throttle = Throttle::default();
        (0..3).for_each(|_| fail(&throttle, "a", None, 0));
        let answer = Claim { nonce: Some(Nonce::new(b"of this session")), ..claim("a") };
        assert_eq!(throttle.wait(&LIMITS, &answer, None, Tick(1)), None);
        let other = Claim { session: "2".into(), ..answer };
        assert_eq!(throttle.wait(&LIMITS, &other, None, Tick(1)), Some(Millis(999)));
    }

    #[test]
    fn an_address_that_guesses_at_many_devices_waits_and_no_proof_ends_that() {
        let throttle = Throttle::default();
        for device in ["a", "b", "c", "d"] {
            assert_eq!(throttle.wait(&LIMITS, &claim(device), Some(ip(1)), Tick(0)), None);
            fail(&throttle, device, ip(1), 0);
        }
        throttle.hear(&LIMITS, &key("d"), Some(ip(1)), PROVED, Tick(0));
        assert_eq!(throttle.wait(&LIMITS, &claim("e"), Some(ip(1)), Tick(0)), Some(Millis(100)));
        assert_eq!(throttle.wait(&LIMITS, &claim("e"), Some(ip(1)), Tick(100)), None);
        assert_eq!(throttle.wait(&LIMITS, &claim("e"), Some(ip(2)), Tick(0)), None, "other addresses do not wait");
    }

    #[test]
    fn what_is_no_guess_never_waits() {
        let throttle = Throttle::default();
        (0..9).for_each(|_| fail(&throttle, "a", ip(1), 0));
        assert!(throttle.wait(&LIMITS, &claim("a"), Some(ip(1)), Tick(0)).is_some());
        let nothing = Claim { presented: Presented::Nothing, ..claim("a") };
        assert_eq!(throttle.wait(&LIMITS, &nothing, Some(ip(1)), Tick(0)), None);
        let known = Claim { transport: Some("CN=a".into()), ..claim("a") };
        assert_eq!(throttle.wait(&LIMITS, &known, Some(ip(1)), Tick(0)), None);
    }

    #[test]
    fn only_so_many_are_remembered_and_the_oldest_goes() {
        let throttle = Throttle::default();
        for (now, device) in (0..).zip(["a", "a", "a", "b", "b", "b", "c"]) {
            fail(&throttle, device, None, now);
        }
        let waits = ["a", "b"].map(|device| throttle.wait(&LIMITS, &claim(device), None, Tick(7)).is_some());
        assert_eq!(waits, [false, true]);
        assert_eq!(throttle.0.lock().unwrap().devices.len(), 2);
    }
}
