//! What the fleet's rules need to know of a message, read without the codec.
//!
//! A rule must not take the codec's word for what it has written, and a fleet's rules have no time to read every message
//! as a whole a second time. So this looks at tags only, allocates one list, and knows what our writers write: no
//! comments, no `CDATA`, no prefixes, no blocks of commands. Whatever else comes is nothing that it can read, which is a
//! broken rule in a fleet.

use memchr::memchr;

use crate::dm::OpKind;

/// What a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Status,
    Results,
    Alert,
    Op(OpKind),
}

impl Name {
    /// As on the wire.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "Status",
            Self::Results => "Results",
            Self::Alert => "Alert",
            Self::Op(kind) => kind.name(),
        }
    }
}

/// What the header of a message is called in a `Status`.
pub(super) const HEADER: &str = "SyncHdr";

/// One command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen<'a> {
    pub(super) name: Name,
    pub(super) id: u32,
    /// What a `Status` or `Results` refer to.
    pub(super) msg_ref: u32,
    pub(super) cmd_ref: u32,
    /// What a `Status` says it is for.
    pub(super) cmd: &'a str,
    /// What a `Status` says.
    pub(super) code: u16,
    /// The nonce that a `Status` gives.
    pub(super) nonce: Option<&'a str>,
    /// The address of the first item.
    pub(super) uri: &'a str,
    pub(super) items: u16,
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Skim<'a> {
    pub(super) session: &'a str,
    pub(super) msg_id: u32,
    pub(super) source: &'a str,
    /// What its sender shows of itself.
    pub(super) cred: Option<&'a str>,
    /// What its sender takes.
    pub(super) max_msg_size: Option<u32>,
    pub(super) commands: Vec<Seen<'a>>,
    pub(super) is_final: bool,
}

/// What an element is to the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tag {
    Header,
    Body,
    Command(Name),
    SessionId,
    MsgId,
    Source,
    LocUri,
    Cred,
    Data,
    MaxMsgSize,
    CmdId,
    MsgRef,
    CmdRef,
    Cmd,
    NextNonce,
    Item,
    /// Nothing.
    #[default]
    Other,
}

impl Tag {
    fn of(name: &[u8]) -> Self {
        match name {
            b"SyncHdr" => Self::Header,
            b"SyncBody" => Self::Body,
            b"Status" => Self::Command(Name::Status),
            b"Results" => Self::Command(Name::Results),
            b"Alert" => Self::Command(Name::Alert),
            b"Get" => Self::Command(Name::Op(OpKind::Get)),
            b"Add" => Self::Command(Name::Op(OpKind::Add)),
            b"Replace" => Self::Command(Name::Op(OpKind::Replace)),
            b"Delete" => Self::Command(Name::Op(OpKind::Delete)),
            b"Copy" => Self::Command(Name::Op(OpKind::Copy)),
            b"Exec" => Self::Command(Name::Op(OpKind::Exec)),
            b"SessionID" => Self::SessionId,
            b"MsgID" => Self::MsgId,
            b"Source" => Self::Source,
            b"LocURI" => Self::LocUri,
            b"Cred" => Self::Cred,
            b"Data" => Self::Data,
            b"MaxMsgSize" => Self::MaxMsgSize,
            b"CmdID" => Self::CmdId,
            b"MsgRef" => Self::MsgRef,
            b"CmdRef" => Self::CmdRef,
            b"Cmd" => Self::Cmd,
            b"NextNonce" => Self::NextNonce,
            b"Item" => Self::Item,
            _ => Self::Other,
        }
    }
}

/// Elements that may be open at the same time.
const DEPTH_MAX: usize = 12;

/// The elements that are open.
#[derive(Default)]
struct Open<'a> {
    names: [&'a [u8]; DEPTH_MAX],
    tags: [Tag; DEPTH_MAX],
    depth: usize,
}

impl<'a> Open<'a> {
    fn push(&mut self, name: &'a [u8], tag: Tag) -> Option<()> {
        *self.names.get_mut(self.depth)? = name;
        *self.tags.get_mut(self.depth)? = tag;
        self.depth += 1;
        Some(())
    }

    /// Closes the innermost element; its name.
    fn pop(&mut self) -> Option<&'a [u8]> {
        self.depth = self.depth.checked_sub(1)?;
        *self.tags.get_mut(self.depth)? = Tag::Other;
        self.names.get(self.depth).copied()
    }

    fn innermost(&self) -> Tag {
        self.depth.checked_sub(1).and_then(|at| self.tags.get(at)).copied().unwrap_or_default()
    }

    /// The child of the root.
    const fn part(&self) -> Tag {
        let [_, part, ..] = self.tags;
        part
    }
}

/// Where the octet is. Mostly one tag follows right on another.
fn find(octet: u8, bytes: &[u8]) -> Option<usize> {
    if bytes.first() == Some(&octet) { Some(0) } else { memchr(octet, bytes) }
}

/// Octets of the longest name. A tag with attributes is longer.
const NAME_MAX: usize = 16;

/// The name in a tag.
fn name_in(tag: &[u8]) -> &[u8] {
    let end = if tag.len() > NAME_MAX { memchr(b' ', tag) } else { None };
    end.and_then(|end| tag.get(..end)).unwrap_or(tag)
}

/// How long a closing tag is after its `</`, if it is that of an element.
fn end_of(name: &[u8], closed: &[u8]) -> Option<usize> {
    let is_closed = closed.starts_with(name) && closed.get(name.len()) == Some(&b'>');
    is_closed.then_some(name.len() + 1)
}

impl<'a> Skim<'a> {
    /// Reads a message; nothing where it is none that our writers write.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let text = core::str::from_utf8(bytes).ok()?;
        let mut skim = Self { commands: Vec::with_capacity(8), ..Self::default() };
        let (mut open, mut at) = (Open::default(), 0);
        while let Some(found) = find(b'<', bytes.get(at..)?) {
            at += found + 1;
            let inside = bytes.get(at..)?;
            match inside.first()? {
                // What is closed is what was opened last.
                b'/' => at += 1 + end_of(open.pop()?, inside.get(1..)?)?,
                b'?' => at += 1 + memchr(b'>', inside)?,
                _ => {
                    let whole = inside.get(..memchr(b'>', inside)?)?;
                    at += whole.len() + 1;
                    if let Some(empty) = whole.strip_suffix(b"/") {
                        skim.is_final |= name_in(empty) == b"Final";
                        continue;
                    }
                    let name = name_in(whole);
                    let tag = Tag::of(name);
                    skim.begin(&open, tag)?;
                    // Most elements are text, and over at once.
                    let rest = bytes.get(at..)?;
                    let over = find(b'<', rest)?;
                    match rest.get(over + 1..)?.strip_prefix(b"/") {
                        Some(closed) => {
                            skim.take(&open, tag, || text.get(at..at + over))?;
                            at += over + 2 + end_of(name, closed)?;
                        }
                        None => open.push(name, tag)?,
                    }
                }
            }
        }
        (open.depth == 0 && skim.msg_id > 0).then_some(skim)
    }

    /// Another element begins inside those that are open.
    fn begin(&mut self, open: &Open<'a>, tag: Tag) -> Option<()> {
        if open.depth == 2 && open.part() == Tag::Body {
            let Tag::Command(name) = tag else { return None };
            let (id, msg_ref, cmd_ref, code, items) = (0, 0, 0, 0, 0);
            self.commands.push(Seen { name, id, msg_ref, cmd_ref, cmd: "", code, nonce: None, uri: "", items });
        } else if open.depth == 3
            && tag == Tag::Item
            && let Some(command) = self.commands.last_mut()
        {
            command.items += 1;
        }
        Some(())
    }

    /// Takes the text of an element inside those that are open, where a rule wants to know it.
    fn take(&mut self, open: &Open<'a>, tag: Tag, text: impl FnOnce() -> Option<&'a str>) -> Option<()> {
        if open.part() == Tag::Header {
            match (tag, open.innermost()) {
                (Tag::SessionId, _) => self.session = text()?,
                (Tag::MsgId, _) => self.msg_id = text()?.parse().ok()?,
                (Tag::LocUri, Tag::Source) => self.source = text()?,
                (Tag::Data, Tag::Cred) => self.cred = Some(text()?),
                (Tag::MaxMsgSize, _) => self.max_msg_size = Some(text()?.parse().ok()?),
                _ => {}
            }
            return Some(());
        }
        let Some(command) = self.commands.last_mut() else { return Some(()) };
        match (tag, open.depth) {
            (Tag::CmdId, 3) => command.id = text()?.parse().ok()?,
            (Tag::MsgRef, 3) => command.msg_ref = text()?.parse().ok()?,
            (Tag::CmdRef, 3) => command.cmd_ref = text()?.parse().ok()?,
            (Tag::Cmd, 3) => command.cmd = text()?,
            (Tag::Data, 3) if command.name == Name::Status => command.code = text()?.parse().ok()?,
            (Tag::NextNonce, _) => command.nonce = Some(text()?),
            (Tag::LocUri, 5) if command.items == 1 => command.uri = text()?,
            _ => {}
        }
        Some(())
    }

    /// What its sender says of the message that it answers: which, and how its credentials fared.
    pub(super) fn answer(&self) -> Option<(u32, u16)> {
        self.statuses().find(|status| status.cmd == HEADER).map(|status| (status.msg_ref, status.code))
    }

    pub(super) fn statuses(&self) -> impl Iterator<Item = &Seen<'a>> {
        self.commands.iter().filter(|command| command.name == Name::Status)
    }
}
