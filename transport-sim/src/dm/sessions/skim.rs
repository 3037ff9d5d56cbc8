//! What the rules need to know of a message, read without the codec.
//!
//! A rule must not take the codec's word for what it has written, and with a million devices there is no time to read every
//! message as a whole a second time. So this looks at tags only, allocates one list, and knows what our writers write: no
//! comments, no `CDATA`, no prefixes, no blocks of commands. Whatever else comes is nothing that it can read, which is a
//! broken rule.

use memchr::memchr;

use crate::dm::OpKind;

mod window;

use window::{Ending, Start, to_tag, window};

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

/// Elements that may be open at the same time.
const DEPTH_MAX: usize = 12;

/// Octets of a short command.
const COMMAND_OCTETS: usize = 128;

/// The elements that are open.
#[derive(Default)]
struct Open {
    endings: [Ending; DEPTH_MAX],
    tags: [Tag; DEPTH_MAX],
    depth: usize,
}

impl Open {
    fn push(&mut self, ending: Ending, tag: Tag) -> Option<()> {
        *self.endings.get_mut(self.depth)? = ending;
        *self.tags.get_mut(self.depth)? = tag;
        self.depth += 1;
        Some(())
    }

    /// Closes the innermost element; how it is closed.
    fn pop(&mut self) -> Option<Ending> {
        self.depth = self.depth.checked_sub(1)?;
        *self.tags.get_mut(self.depth)? = Tag::Other;
        self.endings.get(self.depth).copied()
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

/// A number as our writers write it: of digits, and of no more than nine.
fn number(text: &str) -> Option<u32> {
    let digits = text.as_bytes();
    if digits.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

impl<'a> Skim<'a> {
    /// Reads a message; nothing where it is none that our writers write.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let text = core::str::from_utf8(bytes).ok()?;
        let mut skim = Self { commands: Vec::with_capacity(bytes.len() / COMMAND_OCTETS), ..Self::default() };
        let (mut open, mut at) = (Open::default(), 0);
        while let Some(found) = to_tag(bytes, at) {
            at += found + 1;
            let inside = window(bytes, at);
            match inside.to_le_bytes() {
                // What is closed is what was opened last.
                [b'/', ..] => at += 1 + open.pop()?.is_at(bytes, at + 1)?,
                [b'?', ..] => at += 1 + memchr(b'>', bytes.get(at..)?)?,
                _ => {
                    let Start { tag, ending, is_empty, is_final, octets } = Start::at(bytes, at, inside)?;
                    at += octets;
                    if is_empty {
                        skim.is_final |= is_final;
                        continue;
                    }
                    skim.begin(&open, tag)?;
                    // Most elements are text, and over at once.
                    let over = at + to_tag(bytes, at)?;
                    if bytes.get(over + 1) == Some(&b'/') {
                        if tag != Tag::Other {
                            skim.take(&open, tag, || text.get(at..over))?;
                        }
                        at = over + 2 + ending.is_at(bytes, over + 2)?;
                    } else {
                        at = over;
                        open.push(ending, tag)?;
                    }
                }
            }
        }
        (open.depth == 0 && skim.msg_id > 0).then_some(skim)
    }

    /// Another element begins inside those that are open.
    fn begin(&mut self, open: &Open, tag: Tag) -> Option<()> {
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
    fn take(&mut self, open: &Open, tag: Tag, text: impl FnOnce() -> Option<&'a str>) -> Option<()> {
        if open.part() == Tag::Header {
            match (tag, open.innermost()) {
                (Tag::SessionId, _) => self.session = text()?,
                (Tag::MsgId, _) => self.msg_id = number(text()?)?,
                (Tag::LocUri, Tag::Source) => self.source = text()?,
                (Tag::Data, Tag::Cred) => self.cred = Some(text()?),
                (Tag::MaxMsgSize, _) => self.max_msg_size = Some(text()?.parse().ok()?),
                _ => {}
            }
            return Some(());
        }
        let Some(command) = self.commands.last_mut() else { return Some(()) };
        match (tag, open.depth) {
            (Tag::CmdId, 3) => command.id = number(text()?)?,
            (Tag::MsgRef, 3) => command.msg_ref = number(text()?)?,
            (Tag::CmdRef, 3) => command.cmd_ref = number(text()?)?,
            (Tag::Cmd, 3) => command.cmd = text()?,
            (Tag::Data, 3) if command.name == Name::Status => command.code = u16::try_from(number(text()?)?).ok()?,
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
