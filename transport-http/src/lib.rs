//! stub
pub mod agent;
pub mod app;
mod body;
pub mod device;
pub mod env;
mod limits;
pub mod listen;
pub mod map;
pub mod memory;
mod post;
pub mod serve;
mod stall;
pub mod store;
pub mod testkit;
pub mod transport;
pub use app::App;
pub use limits::Limits;
pub use post::HttpTransport;
