//! What every sans-IO protocol core of this workspace shares, and nothing that knows a protocol.
//!
//! A core is a value: one call goes in, everything to do comes out, nothing is left queued inside.
//!
//! - [`Env`] is all that a step may observe besides its input and its own state: time and entropy.
//! - [`Machine`] is the shape of a core, [`Durable`] that of one which is stored between steps, [`pump`] the plain way
//!   to drive either.
//! - [`asking`] is how a machine with an open question is stored.
//! - [`journal`] keeps what went through a machine; [`replay`](journal::replay) feeds it back and names the first step
//!   that differs.
//!
//! ```
//! use core_kit::{Deadline, Env, Machine, Tick, UnixMillis, pump};
//!
//! /// Counts down to zero, one answered question at a time.
//! struct Countdown(u32);
//!
//! impl Machine for Countdown {
//!     type Input = ();
//!     type Output = u32;
//!     type Misuse = core::convert::Infallible;
//!     type Why = ();
//!
//!     fn handle(&mut self, _: &Env, (): (), out: &mut Vec<u32>) -> Result<(), Self::Misuse> {
//!         self.0 = self.0.saturating_sub(1);
//!         out.push(self.0);
//!         Ok(())
//!     }
//!
//!     fn deadline(&self) -> Option<Deadline<()>> {
//!         None
//!     }
//! }
//!
//! let env = || Env { now: Tick(0), wall: UnixMillis(0), entropy: [0; 32] };
//! let mut seen = Vec::new();
//! pump(&mut Countdown(3), env, (), |left| {
//!     seen.push(left);
//!     (left > 0).then_some(())
//! })
//! .unwrap();
//! assert_eq!(seen, [2, 1, 0]);
//! ```
#![no_std]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod asking;
mod body;
mod env;
pub mod hex;
pub mod journal;
mod machine;
#[cfg(any(planted, test))]
pub mod planted;

pub use body::Body;
pub use env::{Env, Millis, Tick, UnixMillis};
pub use machine::{Deadline, Durable, Machine, pump};

/// Whether a bug of this name is planted: `false`, and nothing else, in every build that is used for anything.
///
/// The cores are tested by rules that watch them from outside. Whether a rule would see anything is tested by bugs that
/// are in the cores on purpose: each stands at its place as `planted!("its name")`. A build with `--cfg planted`, which
/// `cargo xtask sim --planted` makes for itself, can switch one of them on. In any other build this is the word `false`,
/// and the compiler leaves nothing of the place.
#[cfg(not(planted))]
#[macro_export]
macro_rules! planted {
    ($id:literal) => {
        false
    };
}

/// Whether a bug of this name is planted. A name that is not in the catalogue does not compile.
#[cfg(planted)]
#[macro_export]
macro_rules! planted {
    ($id:literal) => {{
        const NUMBER: u16 = $crate::planted::number($id);
        $crate::planted::is_on(NUMBER)
    }};
}
