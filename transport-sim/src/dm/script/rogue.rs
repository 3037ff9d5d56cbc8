//! A management server that has an account on devices and breaks the protocol in each session in another way.

use std::collections::BTreeMap;

use bytes::Bytes;
use dm_core::{
    auth::Scheme,
    codes::{AlertCode, StatusCode},
    ids::{CmdId, MsgId, SessionId},
    limits::WireLimits,
    wire::{
        Alert, Block, Chal, Command, Delete, Edit, Encoding, Exec, Format, Get, Item, Message as SyncMl, Meta, Results,
        Status, decode,
    },
};

use super::{message, number, status, statuses, target, written};
use crate::{
    Context, FaultId, Message, NodeId, Site,
    dm::{Party, envelope::Envelope},
};

const CHAPTER: Site = Site("rogue.chapter");

/// One way to break the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dm) enum Chapter {
    /// Packages without an end and without a command.
    Endless,
    /// Credentials of a weaker kind are asked for.
    Downgrade,
    /// Commands in an `Atomic` that may not be there.
    BadAtomic,
    /// A value in parts that is shorter than it was said to be.
    Short,
    /// A value in parts that is broken off by another command.
    Interrupted,
    /// A value in parts that is larger than anybody takes.
    Large,
    /// A value in parts, as it should be.
    Parts,
    /// An abort, and commands beside it.
    Abort,
    /// Statuses and results for what was never sent, and numbers that are used twice.
    Strays,
    /// No message at all.
    Garbage,
    /// Commands against nodes that must stay as they are.
    Forbidden,
    /// A `Sequence` with a member that fails, and prompts.
    Sequence,
    /// The reply to another message.
    WrongReference,
    /// A hundred commands at once.
    Flood,
    /// Commands, and then not a word more.
    Silence,
    /// The session is to be one of DM 1.1.
    Older,
}

impl Chapter {
    pub(in crate::dm) const ALL: [Self; 16] = [
        Self::Endless,
        Self::Downgrade,
        Self::BadAtomic,
        Self::Short,
        Self::Interrupted,
        Self::Large,
        Self::Parts,
        Self::Abort,
        Self::Strays,
        Self::Garbage,
        Self::Forbidden,
        Self::Sequence,
        Self::WrongReference,
        Self::Flood,
        Self::Silence,
        Self::Older,
    ];

    /// The fault that this is, where it is one.
    const fn fault(self) -> Option<FaultId> {
        Some(match self {
            Self::Parts => return None,
            Self::Endless => FaultId::F44,
            Self::Downgrade | Self::Older => FaultId::F49,
            Self::Large | Self::Flood => FaultId::F46,
            Self::Forbidden => FaultId::F47,
            Self::Silence => FaultId::F43,
            Self::BadAtomic
            | Self::Short
            | Self::Interrupted
            | Self::Abort
            | Self::Strays
            | Self::Garbage
            | Self::Sequence
            | Self::WrongReference => FaultId::F45,
        })
    }
}

/// A server that breaks the protocol. Devices believe it by its transport, so that what it wants is carried out as far
/// as it may be.
pub struct Rogue {
    url: String,
    /// What the coming sessions are; when these are used up it is drawn.
    chapters: Vec<Chapter>,
    sessions: BTreeMap<(NodeId, SessionId), Told>,
}

/// How far it is in a session.
struct Told {
    chapter: Chapter,
    turn: u32,
    last: Option<(MsgId, Bytes)>,
}

impl Rogue {
    pub(in crate::dm) fn new(url: impl Into<String>, chapters: Vec<Chapter>) -> Self {
        Self { url: url.into(), chapters, sessions: BTreeMap::new() }
    }

    pub(in crate::dm) fn receive(&mut self, ctx: &mut Context<'_, Party>, came: &Message) {
        let Envelope::Session(_, body) = Envelope::open(&came.bytes) else { return };
        let Ok(decoded) = decode(Encoding::Xml, &body, &WireLimits::SERVER) else { return };
        let heard = decoded.message;
        let key = (came.from, heard.header.session_id.clone());
        let told = match self.sessions.entry(key) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let all = u32::try_from(Chapter::ALL.len()).unwrap_or(1);
                let drawn = || Chapter::ALL.get(ctx.choose(CHAPTER, Some(came.from), all) as usize).copied();
                let chapter = self.chapters.pop().or_else(drawn).unwrap_or(Chapter::Sequence);
                chapter.fault().into_iter().for_each(|fault| ctx.count_fault(fault));
                entry.insert(Told { chapter, turn: 0, last: None })
            }
        };
        let bytes = match &told.last {
            Some((msg_id, bytes)) if *msg_id == heard.header.msg_id => bytes.clone(),
            _ => {
                told.turn += 1;
                let Some(bytes) = told.chapter.reply(told.turn, &heard, &self.url) else { return };
                told.last = Some((heard.header.msg_id, bytes.clone()));
                bytes
            }
        };
        ctx.send(came.from, came.channel, bytes);
    }
}

impl Chapter {
    fn reply(self, turn: u32, heard: &SyncMl, url: &str) -> Option<Bytes> {
        if self == Self::Silence && turn == 2 {
            return None;
        }
        if self == Self::Garbage && turn == 2 {
            return Some(Bytes::from_static(b"<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</Ver"));
        }
        let header = &heard.header;
        let mut reply = message(&header.session_id, MsgId(turn), &header.source.uri, url);
        let msg_ref = match self {
            Self::WrongReference if turn == 2 => MsgId(99),
            _ => header.msg_id,
        };
        let mut own = status(msg_ref, CmdId::header(), Status::HEADER, StatusCode::OK);
        if self == Self::Downgrade {
            own.code = StatusCode::UNAUTHORIZED;
            let meta =
                Meta { format: Some(Format::B64), media_type: Some(Scheme::Basic.as_type().into()), ..Meta::default() };
            own.chal = Some(Chal { meta }.into());
        }
        if self == Self::Older {
            own.code = StatusCode::PROTOCOL_NOT_SUPPORTED;
            own.items = vec![Item { data: Some("DM/1.1".into()), ..Item::default() }];
        }
        reply.commands.push(Command::Status(own));
        reply.commands.extend(statuses(heard));
        let (commands, is_final) = self.commands(turn);
        reply.commands.extend(commands);
        reply.is_final = is_final;
        number(&mut reply.commands, &mut 1);
        if self == Self::Strays && turn == 1 {
            let same = reply.commands.last().and_then(Command::cmd_id).cloned().unwrap_or_default();
            let mut twice = get("./Sim/Value");
            twice.cmd_id_slot().set(same);
            let mut zero = get("./Sim/Value");
            zero.cmd_id_slot().set(CmdId::header());
            reply.commands.extend([twice, zero]);
        }
        written(&reply)
    }

    /// What it says in the session's so-manieth message, and whether that ends the package.
    fn commands(self, turn: u32) -> (Vec<Command>, bool) {
        let none = || (Vec::new(), true);
        match (self, turn) {
            (Self::Endless, _) => (Vec::new(), false),
            (Self::BadAtomic, 1) | (Self::Sequence | Self::Forbidden | Self::Flood, 2) => {
                let with = |bad: Command| atomic(vec![replace("./Rogue/Leaf", "a"), bad]);
                let bad = [get("./Sim/Value"), exec("./Sim/Run"), atomic(vec![replace("./Rogue/Leaf", "b")])];
                (bad.map(with).into(), true)
            }
            (Self::Short, 1) => (vec![part("./Rogue/Leaf", Some(3_000), &"s".repeat(1_000), true)], false),
            (Self::Short, 2) => (vec![part("./Rogue/Leaf", None, "end", false)], true),
            (Self::Interrupted, 1) => (vec![part("./Rogue/Leaf", Some(2_000), &"i".repeat(1_000), true)], false),
            (Self::Interrupted, 2) | (Self::Strays, 3) => (vec![replace("./Rogue/Other", "instead")], true),
            (Self::Strays, 2) => (vec![part("./Rogue/Leaf", Some(3_000), &"i".repeat(500), true)], false),
            (Self::Large, 1) => (vec![part("./Rogue/Leaf", Some(1 << 40), &"l".repeat(1_000), true)], false),
            (Self::Large, 2) => (vec![part("./Rogue/Leaf", None, &"l".repeat(1_000), false)], true),
            (Self::Parts, 1) => (vec![part("./Rogue/Leaf", Some(2_500), &"1".repeat(1_000), true)], false),
            (Self::Parts, 2) => (vec![part("./Rogue/Leaf", None, &"2".repeat(1_000), true)], false),
            (Self::Parts, 3) => (vec![part("./Rogue/Leaf", None, &"3".repeat(500), false)], true),
            (Self::Abort, 2) => {
                let abort = Command::Alert(Alert::new(AlertCode::SESSION_ABORT));
                (vec![replace("./Rogue/Leaf", "too late"), abort, replace("./Rogue/Other", "too late")], true)
            }
            (Self::Strays, 1) => {
                let stray = status(MsgId(7), CmdId::from(9), "Get", StatusCode::OK);
                let results =
                    Results { cmd_ref: CmdId::from(3), items: vec![target("./Sim/Value")], ..Results::default() };
                (vec![Command::Status(stray), Command::Results(results), get("./Sim/Value")], true)
            }
            (Self::Forbidden, 1) => {
                let delete = |uri: &str| Command::Delete(Delete { items: vec![target(uri)], ..Delete::default() });
                let commands = vec![
                    delete("./DevInfo"),
                    delete("./DevInfo/Man"),
                    replace("./DevInfo/Man?prop=Name", "Gone"),
                    replace("./DevInfo/Man", "Other"),
                    replace("./?prop=ACL", ""),
                    replace("./Sim/Value", "not yours"),
                    get("./Sim/Secret"),
                    exec("./Sim/Value"),
                ];
                (commands, true)
            }
            (Self::Sequence, 1) => {
                let prompt = Alert { items: prompt(), ..Alert::new(AlertCode::CONFIRM) };
                let members = vec![
                    replace("./Rogue/Leaf", "first"),
                    replace("./Rogue/Missing", "fails"),
                    Command::Alert(prompt),
                    replace("./Rogue/Other", "last"),
                ];
                (vec![Command::Sequence(Block { commands: members, ..Block::default() })], true)
            }
            (Self::Flood, 1) => ((0..100).map(|_| get("./Rogue/Leaf")).collect(), true),
            (Self::Abort | Self::Garbage | Self::WrongReference | Self::Silence, 1) => (vec![get("./Sim/Value")], true),
            _ => none(),
        }
    }
}

fn prompt() -> Vec<Item> {
    [None, Some("Shall it be?")]
        .map(|text| Item { data: Some(text.unwrap_or("MAXDT=5").into()), ..Item::default() })
        .into()
}

fn edit(uri: &str, text: &str) -> Edit {
    Edit { items: vec![target(uri).with_data(text)], ..Edit::default() }
}

fn replace(uri: &str, text: &str) -> Command {
    Command::Replace(edit(uri, text))
}

fn get(uri: &str) -> Command {
    Command::Get(Get { items: vec![target(uri)], ..Get::default() })
}

fn exec(uri: &str) -> Command {
    Command::Exec(Exec { items: vec![target(uri)], ..Exec::default() })
}

fn atomic(commands: Vec<Command>) -> Command {
    Command::Atomic(Block { commands, ..Block::default() })
}

fn part(uri: &str, size: Option<u64>, text: &str, more: bool) -> Command {
    let meta = size.map(|size| Meta { size: Some(size), ..Meta::default() }.into());
    let item = Item { meta, more_data: more, ..target(uri).with_data(text) };
    Command::Replace(Edit { items: vec![item], ..Edit::default() })
}
