//! The part of SyncML that device management does not use.
//!
//! It is read and written like the rest, because a message that carries it is legal SyncML: the sessions answer such
//! commands with 406 [DM RepPro 1.2, 6].

use alloc::{boxed::Box, string::String, vec::Vec};

use super::{
    command::Command,
    message::{Cred, Data, Item, Location, Meta},
};
use crate::ids::CmdId;

/// `Sync`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sync {
    /// `CmdID`.
    pub cmd_id: CmdId,
    /// `NoResp`.
    pub no_resp: bool,
    /// `Cred`.
    pub cred: Option<Box<Cred>>,
    /// `Target`.
    pub target: Option<Location>,
    /// `Source`.
    pub source: Option<Location>,
    /// `Meta`.
    pub meta: Option<Box<Meta>>,
    /// `NumberOfChanges`.
    pub number_of_changes: Option<u64>,
    /// The commands inside.
    pub commands: Vec<Command>,
}

/// `Map`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    /// `CmdID`.
    pub cmd_id: CmdId,
    /// `Target`.
    pub target: Option<Location>,
    /// `Source`.
    pub source: Option<Location>,
    /// `Cred`.
    pub cred: Option<Box<Cred>>,
    /// `Meta`.
    pub meta: Option<Box<Meta>>,
    /// `MapItem`s.
    pub items: Vec<MapItem>,
}

/// `MapItem`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapItem {
    /// `Target`.
    pub target: Location,
    /// `Source`.
    pub source: Location,
}

/// `Search`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// `CmdID`.
    pub cmd_id: CmdId,
    /// `NoResp`.
    pub no_resp: bool,
    /// `NoResults`.
    pub no_results: bool,
    /// `Cred`.
    pub cred: Option<Box<Cred>>,
    /// `Target`.
    pub target: Option<Location>,
    /// `Source`s.
    pub sources: Vec<Location>,
    /// `Lang`.
    pub lang: Option<String>,
    /// `Meta`.
    pub meta: Option<Box<Meta>>,
    /// `Data`.
    pub data: Option<Data>,
}

/// `Filter` of a `Target` or `Source`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `Meta`.
    pub meta: Option<Meta>,
    /// `Field`.
    pub field: Option<Item>,
    /// `Record`.
    pub record: Option<Item>,
    /// `FilterType`.
    pub filter_type: Option<String>,
}

/// `Anchor`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchor {
    /// `Last`.
    pub last: Option<String>,
    /// `Next`.
    pub next: String,
}

/// `Mem`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// `SharedMem`.
    pub shared: bool,
    /// `FreeMem`, in octets.
    pub free_bytes: u64,
    /// `FreeID`.
    pub free_ids: u64,
}
