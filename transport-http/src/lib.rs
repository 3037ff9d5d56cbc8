//! stub
pub mod app;
mod body;
pub mod env;
mod limits;
pub mod listen;
pub mod map;
pub mod memory;
pub mod serve;
mod stall;
pub mod store;
pub mod testkit;
pub use app::App;
pub use limits::Limits;
