//! What the fleet's rules need to know of a message, read without the codec.
//!
//! A rule must not take the codec's word for what it has written, and a fleet's rules have no time to read every message
//! as a whole a second time. So this looks at tags only, allocates one list, and knows what our writers write: no
//! comments, no `CDATA`, no prefixes, no blocks of commands. Whatever else comes is nothing that it can read, which is a
//! broken rule in a fleet.

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
    fn of(tag: &str) -> Option<Self> {
        Some(match tag {
            "Status" => Self::Status,
            "Results" => Self::Results,
            "Alert" => Self::Alert,
            "Get" => Self::Op(OpKind::Get),
            "Add" => Self::Op(OpKind::Add),
            "Replace" => Self::Op(OpKind::Replace),
            "Delete" => Self::Op(OpKind::Delete),
            "Copy" => Self::Op(OpKind::Copy),
            "Exec" => Self::Op(OpKind::Exec),
            _ => return None,
        })
    }

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

/// Elements that may be open at the same time.
const DEPTH_MAX: usize = 12;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    open: [&'a str; DEPTH_MAX],
    depth: usize,
}

impl<'a> Reader<'a> {
    /// The element that is open so many levels up, from 0 for the innermost.
    fn up(&self, levels: usize) -> &'a str {
        let at = self.depth.checked_sub(levels + 1);
        at.and_then(|at| self.open.get(at)).copied().unwrap_or_default()
    }

    /// The outer elements, from the root on.
    fn down(&self, level: usize) -> &'a str {
        self.open.get(level).copied().filter(|_| level < self.depth).unwrap_or_default()
    }

    fn find(&self, octet: u8) -> Option<usize> {
        self.text.as_bytes().get(self.at..)?.iter().position(|found| *found == octet).map(|found| self.at + found)
    }
}

impl<'a> Skim<'a> {
    /// Reads a message; nothing where it is none that our writers write.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let text = core::str::from_utf8(bytes).ok()?;
        let mut skim = Self { commands: Vec::with_capacity(8), ..Self::default() };
        let mut reader = Reader { text, at: 0, open: [""; DEPTH_MAX], depth: 0 };
        while let Some(begin) = reader.find(b'<') {
            let between = text.get(reader.at..begin)?;
            reader.at = begin + 1;
            let end = reader.find(b'>')?;
            let tag = text.get(reader.at..end)?;
            reader.at = end + 1;
            if let Some(closed) = tag.strip_prefix('/') {
                if reader.depth == 0 || reader.up(0) != closed {
                    return None;
                }
                skim.close(&reader, between)?;
                reader.depth -= 1;
            } else if !tag.starts_with('?') {
                let name = tag.split_once([' ', '/']).map_or(tag, |(name, _)| name);
                if tag.ends_with('/') {
                    skim.is_final |= name == "Final";
                    continue;
                }
                *reader.open.get_mut(reader.depth)? = name;
                reader.depth += 1;
                skim.begin(&reader)?;
            }
        }
        (reader.depth == 0 && skim.msg_id > 0).then_some(skim)
    }

    fn begin(&mut self, reader: &Reader<'a>) -> Option<()> {
        if reader.depth == 3 && reader.down(1) == "SyncBody" {
            let name = Name::of(reader.up(0))?;
            let (id, msg_ref, cmd_ref, code, items) = (0, 0, 0, 0, 0);
            self.commands.push(Seen { name, id, msg_ref, cmd_ref, cmd: "", code, nonce: None, uri: "", items });
        } else if reader.depth == 4
            && reader.up(0) == "Item"
            && let Some(command) = self.commands.last_mut()
        {
            command.items += 1;
        }
        Some(())
    }

    fn close(&mut self, reader: &Reader<'a>, text: &'a str) -> Option<()> {
        if reader.down(1) == HEADER {
            match (reader.up(0), reader.up(1)) {
                ("SessionID", _) => self.session = text,
                ("MsgID", _) => self.msg_id = text.parse().ok()?,
                ("LocURI", "Source") => self.source = text,
                ("Data", "Cred") => self.cred = Some(text),
                ("MaxMsgSize", _) => self.max_msg_size = Some(text.parse().ok()?),
                _ => {}
            }
            return Some(());
        }
        let Some(command) = self.commands.last_mut().filter(|_| reader.depth > 3) else { return Some(()) };
        match (reader.up(0), reader.depth) {
            ("CmdID", 4) => command.id = text.parse().ok()?,
            ("MsgRef", 4) => command.msg_ref = text.parse().ok()?,
            ("CmdRef", 4) => command.cmd_ref = text.parse().ok()?,
            ("Cmd", 4) => command.cmd = text,
            ("Data", 4) if command.name == Name::Status => command.code = text.parse().ok()?,
            ("NextNonce", _) => command.nonce = Some(text),
            ("LocURI", 6) if command.items == 1 => command.uri = text,
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
