//! Shows that the cores need no std, on any host.
//!
//! This crate defines the panic handler, which std defines too. If the cores or anything below them brought std in, it
//! would be defined twice, and this crate would not compile.
#![no_std]
#![forbid(unsafe_code)]

use core::panic::PanicInfo;

use core_kit as _;
use dm_core as _;
use dpe_core as _;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
