//! Real sockets, real HTTP: nothing of the network is a stand-in.

mod kit;
mod limits;
mod media;
mod nodes;
mod posting;
mod session;
mod stores;
mod tls;
