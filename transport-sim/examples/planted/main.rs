//! Plants bugs, one after the other, and lets the rules find them. `cargo xtask sim --planted` builds and runs this.

#[cfg(planted)]
mod hunt;
#[cfg(planted)]
mod stage;
#[cfg(planted)]
mod table;

use std::process::ExitCode;

#[cfg(planted)]
fn main() -> ExitCode {
    table::run(std::env::args().skip(1))
}

/// There is nothing to plant: a build without the cfg has no bug in it.
#[cfg(not(planted))]
fn main() -> ExitCode {
    eprintln!("planted: this build has no bugs to plant; `cargo xtask sim --planted` makes one that has");
    ExitCode::from(2)
}
