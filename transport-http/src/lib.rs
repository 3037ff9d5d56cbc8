//! stub
pub mod app;
mod body;
pub mod env;
mod limits;
pub mod listen;
pub mod map;
pub mod serve;
mod stall;
pub mod store;
pub use app::App;
pub use limits::Limits;
