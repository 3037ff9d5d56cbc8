//! The management tree: what may be asked of it, and an in-memory one that answers.
//!
//! A client session never touches a tree. It asks, with a list of [`Op`]s, and takes back one [`OpResult`] for each;
//! who answers is the embedder's choice. [`Memory`] is a tree that does: [`Memory::answer`] answers, [`Memory::builder`]
//! makes one, [`Memory::draw`] shows it. [`MountedTree`] is one with sub-trees of the embedder's own in it.
//!
//! Sub-trees are read with `?list=`, and added and replaced as [serialised](crate::tnds) ones; in a build without any
//! codec they are answered with 406 and 415.

mod access;
mod acl;
mod apply;
mod build;
mod change;
mod draw;
mod error;
mod judge;
mod memory;
mod mount;
mod node;
mod object;
mod op;
mod property;
mod stage;
mod stamp;
mod stored;
mod undo;
mod value;

pub use access::{AccessType, Verb};
pub use acl::{Acl, AclError, AclFault, Right};
pub use apply::Manner;
pub use build::Builder;
pub use change::{Change, Changes, What};
pub use draw::{Drawing, Show};
pub use error::{TreeError, TreeFault};
pub use memory::{Actor, Memory, Run};
pub use mount::{Call, Mount, MountedTree};
pub use node::Node;
pub use object::{Address, AddressKind, AuthLevel, AuthType, Credentials, DevDetail, DevInfo, DmAcc, ObjectVersion};
pub use op::{Content, Found, Op, OpResult};
pub(crate) use property::Property;
pub(crate) use value::from_base64;
