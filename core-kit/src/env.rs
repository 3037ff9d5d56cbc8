//! Everything a step may observe besides its input and its own state.

use core::ops::Add;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A span of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// A span of `seconds`.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }
}

/// Milliseconds on the caller's own timeline. Only differences and order mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tick(pub u64);

impl Add<Millis> for Tick {
    type Output = Self;

    /// Saturates at the end of the timeline, so that a deadline far away never wraps into the past.
    fn add(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z. Only for dates that go on the wire or into a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

/// What the world looks like at one step.
///
/// `entropy` must be fresh and unpredictable for every step (on a device or server: from the operating system), and is
/// recorded in the journal: the draws of a past session are no secret to its reader.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Env {
    /// The caller's monotonic time.
    pub now: Tick,
    /// The caller's calendar time.
    pub wall: UnixMillis,
    /// 256 unpredictable bits for this step.
    #[serde(with = "crate::hex")]
    pub entropy: [u8; 32],
}

impl Env {
    /// Bytes bound to `label` and `n`: adding a draw elsewhere never shifts this one.
    #[must_use]
    pub fn draw(&self, label: &str, n: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.entropy);
        // The length keeps ("ab", ..) and ("a", ..) apart whatever follows the label.
        hash.update((label.len() as u64).to_be_bytes());
        hash.update(label.as_bytes());
        hash.update(n.to_be_bytes());
        hash.finalize().into()
    }
}

/// Nonces are drawn from the entropy, and nonces do not appear in logs.
impl core::fmt::Debug for Env {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Env").field("now", &self.now).field("wall", &self.wall).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> Env {
        Env { now: Tick(7), wall: UnixMillis(1_000), entropy: [9; 32] }
    }

    #[test]
    fn a_draw_depends_on_entropy_label_and_number_only() {
        let draw = env().draw("nonce", 1);
        assert_eq!(draw, Env { now: Tick(8), wall: UnixMillis(2), ..env() }.draw("nonce", 1));
        assert_ne!(draw, env().draw("nonce", 2));
        assert_ne!(draw, env().draw("nonc", 1));
        assert_ne!(draw, Env { entropy: [8; 32], ..env() }.draw("nonce", 1));
    }

    #[test]
    fn a_deadline_far_away_does_not_wrap() {
        assert_eq!(Tick(u64::MAX - 1) + Millis(5), Tick(u64::MAX));
    }

    #[cfg(feature = "std")]
    #[test]
    fn env_survives_json_and_has_one_spelling() {
        let text = serde_json::to_string(&env()).unwrap();
        assert_eq!(serde_json::from_str::<Env>(&text).unwrap(), env());
        assert!(serde_json::from_str::<Env>(&text.replace("09", "0G")).is_err());
        assert!(serde_json::from_str::<Env>(&text.replacen("09", "", 1)).is_err());
        assert!(serde_json::from_str::<Env>(&text.replacen("09", "0909", 1)).is_err());
    }
}
