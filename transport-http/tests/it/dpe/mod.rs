//! Device Profile Evolution over real sockets.

mod anonymity;
mod clients;
mod downlink;
mod kit;
mod providers;
mod rules;
mod story;
