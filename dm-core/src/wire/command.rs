//! The commands of a message body [DM RepPro 1.2, 6.5 and 6.6].

use alloc::{boxed::Box, string::String, vec::Vec};

use smol_str::SmolStr;

use super::{
    message::{Chal, Cred, Data, Item, Meta},
    refs::Refs,
    sync::{Map, Search, Sync},
};
use crate::{
    codes::{AlertCode, StatusCode},
    ids::{CmdId, MsgId},
};

/// Any element that may stand in `SyncBody`, `Final` aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `Add`: create nodes.
    Add(Edit),
    /// `Alert`: tell the peer something.
    Alert(Alert),
    /// `Atomic`: all of it or nothing.
    Atomic(Block),
    /// `Copy`: copy values between nodes.
    Copy(Edit),
    /// `Delete`: remove nodes.
    Delete(Delete),
    /// `Exec`: run a node.
    Exec(Exec),
    /// `Get`: read nodes.
    Get(Get),
    /// `Map`: not used in DM.
    Map(Box<Map>),
    /// `Move`: not used in DM.
    Move(Edit),
    /// `Put`: not used in DM.
    Put(Get),
    /// `Replace`: overwrite values.
    Replace(Edit),
    /// `Results`: what a `Get` found.
    Results(Results),
    /// `Search`: not used in DM.
    Search(Box<Search>),
    /// `Sequence`: in this order.
    Sequence(Block),
    /// `Status`: what became of a command.
    Status(Status),
    /// `Sync`: not used in DM.
    Sync(Box<Sync>),
}

impl Command {
    /// The element's name, as `Cmd` of a `Status` has it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "Add",
            Self::Alert(_) => "Alert",
            Self::Atomic(_) => "Atomic",
            Self::Copy(_) => "Copy",
            Self::Delete(_) => "Delete",
            Self::Exec(_) => "Exec",
            Self::Get(_) => "Get",
            Self::Map(_) => "Map",
            Self::Move(_) => "Move",
            Self::Put(_) => "Put",
            Self::Replace(_) => "Replace",
            Self::Results(_) => "Results",
            Self::Search(_) => "Search",
            Self::Sequence(_) => "Sequence",
            Self::Status(_) => "Status",
            Self::Sync(_) => "Sync",
        }
    }

    /// The command's `CmdID`; nothing only for a `Status` or `Results` whose sender left it out.
    #[must_use]
    pub const fn cmd_id(&self) -> Option<&CmdId> {
        match self {
            Self::Add(edit) | Self::Copy(edit) | Self::Move(edit) | Self::Replace(edit) => Some(&edit.cmd_id),
            Self::Alert(alert) => Some(&alert.cmd_id),
            Self::Atomic(block) | Self::Sequence(block) => Some(&block.cmd_id),
            Self::Delete(delete) => Some(&delete.cmd_id),
            Self::Exec(exec) => Some(&exec.cmd_id),
            Self::Get(get) | Self::Put(get) => Some(&get.cmd_id),
            Self::Map(map) => Some(&map.cmd_id),
            Self::Results(results) => results.cmd_id.as_ref(),
            Self::Search(search) => Some(&search.cmd_id),
            Self::Status(status) => status.cmd_id.as_ref(),
            Self::Sync(sync) => Some(&sync.cmd_id),
        }
    }

    /// The place of the `CmdID`, to number a command before it is sent.
    pub const fn cmd_id_slot(&mut self) -> CmdIdSlot<'_> {
        match self {
            Self::Add(edit) | Self::Copy(edit) | Self::Move(edit) | Self::Replace(edit) => {
                CmdIdSlot::Required(&mut edit.cmd_id)
            }
            Self::Alert(alert) => CmdIdSlot::Required(&mut alert.cmd_id),
            Self::Atomic(block) | Self::Sequence(block) => CmdIdSlot::Required(&mut block.cmd_id),
            Self::Delete(delete) => CmdIdSlot::Required(&mut delete.cmd_id),
            Self::Exec(exec) => CmdIdSlot::Required(&mut exec.cmd_id),
            Self::Get(get) | Self::Put(get) => CmdIdSlot::Required(&mut get.cmd_id),
            Self::Map(map) => CmdIdSlot::Required(&mut map.cmd_id),
            Self::Results(results) => CmdIdSlot::Optional(&mut results.cmd_id),
            Self::Search(search) => CmdIdSlot::Required(&mut search.cmd_id),
            Self::Status(status) => CmdIdSlot::Optional(&mut status.cmd_id),
            Self::Sync(sync) => CmdIdSlot::Required(&mut sync.cmd_id),
        }
    }

    /// The commands inside, for `Atomic`, `Sequence` and `Sync`.
    #[must_use]
    pub fn inner(&self) -> &[Self] {
        match self {
            Self::Atomic(block) | Self::Sequence(block) => &block.commands,
            Self::Sync(sync) => &sync.commands,
            _ => &[],
        }
    }
}

/// Where a command keeps its `CmdID`.
#[derive(Debug)]
pub enum CmdIdSlot<'a> {
    /// It must have one.
    Required(&'a mut CmdId),
    /// Some peers leave it out.
    Optional(&'a mut Option<CmdId>),
}

impl CmdIdSlot<'_> {
    /// Writes the identifier.
    pub fn set(self, id: CmdId) {
        match self {
            Self::Required(slot) => *slot = id,
            Self::Optional(slot) => *slot = Some(id),
        }
    }
}

/// `Add`, `Copy`, `Replace` and `Move`: items and what they all share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// `CmdID`.
    pub cmd_id: CmdId,
    /// `NoResp`: not used in DM, ignored when received.
    pub no_resp: bool,
    /// `Cred`: not allowed in a DM command.
    pub cred: Option<Box<Cred>>,
    /// `Meta`: the default for all items.
    pub meta: Option<Box<Meta>>,
    /// `Item`, at least one.
    pub items: Vec<Item>,
}

/// `Delete`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delete {
    /// `CmdID`.
    pub cmd_id: CmdId,
    /// `NoResp`: not used in DM, ignored when received.
    pub no_resp: bool,
    /// `Archive`: not used in DM.
    pub archive: bool,
    /// `SftDel`: not used in DM.
    pub soft: bool,
    /// `Cred`: not allowed in a DM command.
    pub cred: Option<Box<Cred>>,
    /// `Meta`: the default for all items.
    pub meta: Option<Box<Meta>>,
    /// `Item`, at least one.
    pub items: Vec<Item>,
}

/// `Get`, and `Put` which has the same content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Get {
    /// `CmdID`.
    pub cmd_id: CmdId,
    /// `NoResp`: not used in DM, ignored when received.
    pub no_resp: bool,
    /// `Lang`: not used in DM.
    pub lang: Option<String>,
    /// `Cred`: not allowed in a DM command.
    pub cred: Option<Box<Cred>>,
    /// `Meta`: the default for all items.
    pub meta: Option<Box<Meta>>,
    /// `Item`, at least one.
    pub items: Vec<Item>,
}

/// `Exec`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// `CmdID`.
    pub cmd_id: CmdId,
    /// `NoResp`: not used in DM, ignored when received.
    pub no_resp: bool,
    /// `Cred`: not allowed in a DM command.
    pub cred: Option<Box<Cred>>,
    /// `Meta`: the default for all items.
    pub meta: Option<Box<Meta>>,
    /// `Correlator`: comes back in the alert that reports the end.
    pub correlator: Option<String>,
    /// `Item`: exactly one by the schema; a peer's other counts are kept and judged by the session.
    pub items: Vec<Item>,
}

/// `Alert`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alert {
    /// `CmdID`.
    pub cmd_id: CmdId,
    /// `NoResp`: not used in DM, ignored when received.
    pub no_resp: bool,
    /// `Cred`: not allowed in a DM command.
    pub cred: Option<Box<Cred>>,
    /// `Data`: the code.
    pub code: Option<AlertCode>,
    /// `Correlator`: that of the `Exec` which this alert ends.
    pub correlator: Option<String>,
    /// `Item`s.
    pub items: Vec<Item>,
}

/// `Atomic` and `Sequence`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// `CmdID`.
    pub cmd_id: CmdId,
    /// `NoResp`: not used in DM, ignored when received.
    pub no_resp: bool,
    /// `Meta`: the default for all commands inside.
    pub meta: Option<Box<Meta>>,
    /// The commands inside, in order.
    pub commands: Vec<Command>,
}

/// `Results`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// `CmdID`.
    pub cmd_id: Option<CmdId>,
    /// `MsgRef`: the message with the `Get`; absent means the first.
    pub msg_ref: Option<MsgId>,
    /// `CmdRef`: the `Get`.
    pub cmd_ref: CmdId,
    /// `Cmd`: some clients add it.
    pub cmd: Option<SmolStr>,
    /// `Meta`: the default for all items.
    pub meta: Option<Box<Meta>>,
    /// `TargetRef`.
    pub target_ref: Option<SmolStr>,
    /// `SourceRef`.
    pub source_ref: Option<SmolStr>,
    /// `Item`s, each with the node's address as `Source`.
    pub items: Vec<Item>,
}

/// `Status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// `CmdID`: some clients leave it out.
    pub cmd_id: Option<CmdId>,
    /// `MsgRef`: the message with the command.
    pub msg_ref: MsgId,
    /// `CmdRef`: the command; absent in some clients' status for the header.
    pub cmd_ref: Option<CmdId>,
    /// `Cmd`: the command's name, or `SyncHdr`.
    pub cmd: SmolStr,
    /// `TargetRef`s: the items that the status is for.
    pub target_refs: Refs,
    /// `SourceRef`s.
    pub source_refs: Refs,
    /// `Cred`.
    pub cred: Option<Box<Cred>>,
    /// `Chal`.
    pub chal: Option<Box<Chal>>,
    /// `Data`: the code.
    pub code: StatusCode,
    /// `Item`s with more to say: the user's input, the node that failed.
    pub items: Vec<Item>,
}

impl Status {
    /// What `Cmd` says in the status for a `SyncHdr`.
    pub const HEADER: &'static str = "SyncHdr";

    /// Whether it is the status for a `SyncHdr`. A missing `CmdRef` counts as `0` where `Cmd` says so.
    #[must_use]
    pub fn is_for_header(&self) -> bool {
        match &self.cmd_ref {
            Some(cmd_ref) => cmd_ref.is_header(),
            None => self.cmd == Self::HEADER,
        }
    }
}

impl Alert {
    /// An alert with a code and nothing else; the `CmdID` is set when it is sent.
    #[must_use]
    pub fn new(code: AlertCode) -> Self {
        Self { code: Some(code), ..Self::default() }
    }
}

impl Item {
    /// An item about the node at `uri`.
    #[must_use]
    pub fn target(uri: impl Into<SmolStr>) -> Self {
        Self { target: Some(super::message::Location::new(uri)), ..Self::default() }
    }

    /// The same item with a value.
    #[must_use]
    pub fn with_data(self, data: impl Into<Data>) -> Self {
        Self { data: Some(data.into()), ..self }
    }

    /// `Target`'s address, where there is one.
    #[must_use]
    pub fn target_uri(&self) -> Option<&str> {
        self.target.as_ref().map(|target| target.uri.as_str())
    }

    /// `Source`'s address, where there is one.
    #[must_use]
    pub fn source_uri(&self) -> Option<&str> {
        self.source.as_ref().map(|source| source.uri.as_str())
    }
}
