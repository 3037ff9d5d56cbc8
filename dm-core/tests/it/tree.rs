//! The tree in memory: rights, commands, bounds, the stored form, and what holds after any operations.

use dm_core::{
    ids::ServerId,
    tree::{Content, Memory, Op, OpResult},
    wire::Format,
};

mod acl;
mod add;
mod atomic;
mod change;
mod draw;
mod lists;
mod model;
mod mounts;
mod objects;
mod parts;
mod properties;
mod props;
mod read;
mod stored;
mod tnds;

/// Who may do everything in trees of [`open`].
const OWNER: &str = "owner";

/// A builder whose root lets [`OWNER`] do everything and everybody read.
fn open() -> dm_core::tree::Builder {
    Memory::builder().at(".").acl("Add=owner&Delete=owner&Exec=owner&Get=*&Replace=owner")
}

fn text(data: &str) -> Content {
    Content { data: Some(data.as_bytes().into()), ..Content::default() }
}

fn formatted(format: &str, data: &str) -> Content {
    Content { format: Some(Format::parse(format)), ..text(data) }
}

fn typed(media_type: &str, data: &str) -> Content {
    Content { media_type: Some(media_type.into()), ..text(data) }
}

fn get(uri: &str) -> Op {
    Op::Get { uri: uri.into() }
}

fn add(uri: &str, content: Content) -> Op {
    Op::Add { uri: uri.into(), content }
}

fn add_interior(uri: &str) -> Op {
    add(uri, Content { format: Some(Format::Node), ..Content::default() })
}

fn replace(uri: &str, content: Content) -> Op {
    Op::Replace { uri: uri.into(), content }
}

fn delete(uri: &str) -> Op {
    Op::Delete { uri: uri.into() }
}

fn copy(from: &str, to: &str) -> Op {
    Op::Copy { from: from.into(), to: to.into() }
}

fn exec(uri: &str, argument: Content) -> Op {
    Op::Exec { uri: uri.into(), argument, correlator: None }
}

fn apply(tree: &mut Memory, server: &str, op: &Op) -> OpResult {
    tree.apply_one(&ServerId::from(server), op)
}

/// The operation is done, and answered so.
#[track_caller]
fn done(tree: &mut Memory, server: &str, op: &Op) {
    assert_eq!(apply(tree, server, op), OpResult::status(dm_core::codes::StatusCode::OK), "{server}: {op:?}");
}

/// The operation is answered with the status, and the tree is as it was.
#[track_caller]
fn refused(tree: &mut Memory, server: &str, op: &Op, status: u16) {
    let before = tree.clone();
    assert_eq!(apply(tree, server, op).status.0, status, "{server}: {op:?}");
    assert_eq!(*tree, before, "a refused operation changes nothing");
}

/// What a `Get` of one thing finds, as text.
#[track_caller]
fn read(tree: &mut Memory, server: &str, uri: &str) -> String {
    let result = apply(tree, server, &get(uri));
    assert_eq!((result.status.0, result.found.len()), (200, 1), "{uri}");
    assert_eq!(result.found[0].uri, uri, "a node is named as the server named it");
    String::from_utf8(result.found[0].content.data.as_deref().unwrap().to_vec()).unwrap()
}
