//! The management tree: what may be asked of it, and an in-memory one that answers.
//!
//! A client session never touches a tree. It asks, with a list of [`Op`]s, and takes back one [`OpResult`] for each;
//! who answers is the embedder's choice. [`Memory`] is a tree that does.

mod op;

pub use op::{Content, Found, Op, OpResult};
