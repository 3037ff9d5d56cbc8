//! What goes into one message of a package: as much as the server takes [DM 1.2, 6 and 7; digest 3.4 to 3.7].

use alloc::vec::Vec;

use smol_str::SmolStr;

use super::{
    Session,
    phase::{Draft, Flight, Unanswered},
    say::{Piece, Say, Value, octets, shown},
};
use crate::{
    auth::{Scheme, Signature},
    codes::AlertCode,
    fault::PeerFault,
    ids::MsgId,
    session::{Form, header_status, number},
    tree::Found,
    wire::{self, Alert, Command, Edit, Message, Results},
};

/// A message that is written, and what of the package is in it.
pub(super) struct Packed {
    pub(super) body: Vec<u8>,
    pub(super) msg_id: MsgId,
    pub(super) commands: u32,
    pub(super) flight: Flight,
    pub(super) closed: bool,
    pub(super) part_out: Option<u32>,
    pub(super) alerts: Vec<Unanswered>,
}

/// Why no message can be written.
pub(super) enum Stuck {
    /// This thing to say does not fit into any message.
    At(usize),
    /// Nothing can be done about it.
    For(PeerFault),
}

/// A part of a value that the tree is to be asked for.
pub(super) struct Wanted {
    pub(super) uri: SmolStr,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    /// Whether the server's rights count: it is an answer to a `Get`.
    pub(super) for_server: bool,
}

/// How the message goes on after what is whole.
enum Then<'a> {
    /// Everything is in it: the package ends, as far as the server's has.
    Done,
    /// The rest goes into the next one.
    Close,
    /// A part of a value comes last.
    Piece(Piece<'a>),
    /// A part of a value would come last, and is not here.
    Want(Wanted),
}

/// How what is left of a thing to say stands.
enum Left<'a> {
    /// All of it, and none of it was sent.
    Whole,
    /// The end of its value.
    End(Piece<'a>),
    /// Some more of its value, but not to the end.
    Some(&'a [u8]),
}

/// What a value must leave of a message to be begun in it.
const PART_BYTES_MIN: usize = 64;
/// What the status for a Next Message alert takes, at most.
const NEXT_BYTES: usize = 160;
/// What credentials take, at most: a name and a digest.
const CRED_BYTES: usize = 400;

/// A message, the alerts in it, and its octets.
struct Written {
    message: Message,
    alerts: Vec<Unanswered>,
    body: Vec<u8>,
}

/// Everything that a message could hold.
struct Pages<'a> {
    session: &'a Session,
    draft: &'a Draft,
    signature: Option<&'a (Scheme, Signature)>,
    says: Vec<&'a Say>,
    bytes_max: usize,
}

impl Session {
    /// Octets of a message that the server takes.
    pub(super) fn bytes_max(&self) -> usize {
        let bytes_max = self.common.max_msg_size.unwrap_or(self.profile.session.unannounced_bytes_max);
        let bytes_max = if core_kit::planted!("D08-too-large") { bytes_max.saturating_mul(4) } else { bytes_max };
        usize::try_from(bytes_max).unwrap_or(usize::MAX)
    }

    /// Octets of a message without anything in it but the status for the header.
    pub(super) fn header_bytes(&self, draft: &Draft) -> usize {
        let pages = Pages { session: self, draft, signature: None, says: Vec::new(), bytes_max: usize::MAX };
        let proof = if self.common.own.scheme.is_some() && !self.common.own.believed { CRED_BYTES } else { 0 };
        pages.size(0, None).unwrap_or(0).saturating_add(proof)
    }

    /// Whether what a `Get` found can reach the server: in one message, or in chunks.
    pub(super) fn can_tell(&self, found: &Found) -> bool {
        let value = Value { content: &found.content, uri: Some(&found.uri), sent: 0 };
        let size = || value.form(self.profile.encoding).size(value.total());
        // No form is longer than base64; which one it is shows only when the whole value is looked at.
        let may_be_too_large = |max: &u64| Form::Base64.size(value.total()) > *max;
        if self.common.max_obj_size.filter(may_be_too_large).is_some_and(|max| size() > max) {
            return false;
        }
        if self.profile.large_objects && found.content.format != Some(wire::Format::Node) {
            return true;
        }
        let results = Results { items: [shown(found, self.profile.encoding)].into(), ..Results::default() };
        let message = Message { commands: [Command::Results(results)].into(), ..Message::default() };
        wire::encode(self.profile.encoding, &message).is_ok_and(|body| {
            let header = self.header_bytes(&Draft::default()).saturating_add(NEXT_BYTES);
            body.len().saturating_add(header) <= self.bytes_max()
        })
    }

    /// The part of a value that the next message has room for and that is not here.
    pub(super) fn wanted_part(&self, draft: &Draft) -> Option<Wanted> {
        let pages = self.pages(draft, None);
        // What is here whole is not asked for, and to lay out a message costs as much as to write it.
        if !pages.says.iter().any(|say| matches!(pages.left(say), Left::Some([]))) {
            return None;
        }
        match pages.layout() {
            Ok((_, Then::Want(wanted))) => Some(wanted),
            _ => None,
        }
    }

    /// Writes the next message of the package.
    pub(super) fn pack(&self, draft: &Draft, signature: Option<&(Scheme, Signature)>) -> Result<Packed, Stuck> {
        let pages = self.pages(draft, signature);
        let (count, piece, Written { message, alerts, body }) = pages.written()?;
        let commands = u32::try_from(message.commands.len()).unwrap_or(u32::MAX);
        let said = u32::try_from(count).unwrap_or(u32::MAX);
        let before = pages.says.get(count).and_then(|say| say.value()).map_or(0, |value| value.sent);
        // A status brings nothing new by itself, only that there is less to say.
        let rest = count < pages.says.len();
        let news = |say: &Say| match say {
            Say::Next(_) => false,
            Say::Statuses(_) => rest,
            Say::Result(_) | Say::Alert(_) | Say::NoEnd(_) => true,
        };
        let moves = piece.is_some() || pages.head(count).any(news);
        let part = piece.map(|piece| before.saturating_add(octets(piece.octets.len())));
        Ok(Packed {
            body,
            msg_id: message.header.msg_id,
            commands,
            // What ends the session is not waited for.
            flight: if draft.end.is_some() { Flight::default() } else { Flight { said, part, moves } },
            closed: message.is_final,
            part_out: piece.map(|_| commands),
            alerts,
        })
    }

    fn pages<'a>(&'a self, draft: &'a Draft, signature: Option<&'a (Scheme, Signature)>) -> Pages<'a> {
        let queue = self.common.queue.iter();
        let says = if draft.alert.is_none() {
            queue.collect()
        } else {
            // With an abort goes what was done [DM 1.2, 8.1], apart from what is out already.
            let out = usize::try_from(self.common.flight.said).unwrap_or(usize::MAX);
            queue.skip(out).filter(|say| matches!(say, Say::Statuses(_))).collect()
        };
        Pages { session: self, draft, signature, says, bytes_max: self.bytes_max() }
    }
}

impl<'a> Pages<'a> {
    fn aborts(&self) -> bool {
        self.draft.alert.is_some()
    }

    fn opening(&self) -> bool {
        self.session.common.package.opening && !self.aborts()
    }

    fn head(&self, count: usize) -> impl Iterator<Item = &'a Say> {
        self.says.iter().take(count).copied()
    }

    /// The message, with how many of the first things to say are whole in it, and what part comes then.
    fn written(&self) -> Result<(usize, Option<Piece<'a>>, Written), Stuck> {
        let all = self.says.len();
        if self.whole() == all {
            // The usual case: everything fits.
            let written = self.write(all, None)?;
            if written.body.len() <= self.bytes_max {
                return Ok((all, None, written));
            }
        }
        let (count, then) = self.layout()?;
        let piece = if let Then::Piece(piece) = then { Some(piece) } else { None };
        Ok((count, piece, self.write(count, piece)?))
    }

    fn write(&self, count: usize, piece: Option<Piece<'_>>) -> Result<Written, Stuck> {
        let (message, alerts) = self.message(count, piece);
        let body = self.encoded(&message)?;
        Ok(Written { message, alerts, body })
    }

    /// How many of the first things to say could be whole in the message: what there is not all of, is never in the
    /// middle.
    fn whole(&self) -> usize {
        let is_part = |say: &&Say| matches!(self.left(say), Left::Some(_));
        self.says.iter().position(is_part).unwrap_or(self.says.len())
    }

    /// How many of the first things to say are whole in the message, and what comes then.
    fn layout(&self) -> Result<(usize, Then<'a>), Stuck> {
        let count = self.says.len();
        let fits = self.fitting(self.whole())?;
        if fits == count {
            return Ok((fits, Then::Done));
        }
        let then = if self.aborts() { Then::Close } else { self.then(fits)? };
        // Alone with what must be in every message, and it does not fit.
        let fresh = self.head(fits).all(|say| matches!(say, Say::Next(_))) && !self.opening();
        if fresh && matches!(then, Then::Close) && !self.aborts() {
            return Err(Stuck::At(fits));
        }
        Ok((fits, then))
    }

    /// The largest number of the first `most` things that fit into the message together.
    fn fitting(&self, most: usize) -> Result<usize, Stuck> {
        if self.fits(most)? {
            return Ok(most);
        }
        if !self.fits(0)? {
            return Err(Stuck::For(PeerFault::PeerTooSmall));
        }
        let (mut fits, mut beyond) = (0, most);
        while beyond - fits > 1 {
            let middle = usize::midpoint(fits, beyond);
            if self.fits(middle)? { fits = middle } else { beyond = middle }
        }
        Ok(fits)
    }

    fn fits(&self, count: usize) -> Result<bool, Stuck> {
        Ok(self.size(count, None)? <= self.bytes_max)
    }

    /// What of the next thing goes into the message after these.
    fn then(&self, fits: usize) -> Result<Then<'a>, Stuck> {
        let Some(say) = self.says.get(fits).copied() else { return Ok(Then::Close) };
        let Some(value) = say.value().filter(|_| self.session.profile.large_objects) else { return Ok(Then::Close) };
        let encoding = self.session.profile.encoding;
        let (form, total) = (value.form(encoding), value.total());
        let left = self.left(say);
        let crowded = self.opening() || self.head(fits).any(|say| !matches!(say, Say::Next(_)));
        if value.sent == 0 && crowded {
            // A value that fits into a message of its own does not go in chunks.
            let alone = match &left {
                Left::Some(_) => {
                    self.size(0, None)?.saturating_add(usize::try_from(form.size(total)).unwrap_or(usize::MAX))
                }
                Left::Whole | Left::End(_) => self.alone(say)?,
            };
            if alone.saturating_add(NEXT_BYTES) <= self.bytes_max {
                return Ok(Then::Close);
            }
        }
        let size = (value.sent == 0).then(|| form.size(total));
        let frame = self.size(fits, Some(Piece { octets: &[], form, size, more: true }))?;
        let room = self.bytes_max.saturating_sub(frame);
        if room < PART_BYTES_MIN && crowded {
            return Ok(Then::Close);
        }
        let (octets, is_end) = match left {
            Left::Whole => (value.content.data.as_deref().unwrap_or_default(), true),
            Left::End(piece) => (piece.octets, true),
            Left::Some([]) => {
                let bytes = octets(form.may_fit(room)).min(total.saturating_sub(value.sent));
                let for_server = matches!(say, Say::Result(_));
                let wanted = value.uri.map(|uri| Wanted { uri: uri.into(), offset: value.sent, bytes, for_server });
                return Ok(wanted.filter(|wanted| wanted.bytes > 0).map_or(Then::Close, Then::Want));
            }
            Left::Some(octets) => (octets, false),
        };
        // Text that a message cannot carry as text was not known to be such when the value was begun.
        let cut = form.cut(octets, is_end, room).and_then(|cut| octets.get(..cut)).filter(|part| !part.is_empty());
        Ok(cut.map_or(Then::Close, |part| {
            let more = !is_end || part.len() < octets.len();
            Then::Piece(Piece { octets: part, form, size: size.filter(|_| more), more })
        }))
    }

    /// Octets of a message with nothing but this.
    fn alone(&self, say: &'a Say) -> Result<usize, Stuck> {
        let piece = if let Left::End(piece) = self.left(say) { Some(piece) } else { None };
        let mut message = self.frame();
        say.write(piece, self.session.profile.encoding, &mut message.commands);
        self.encoded(&message).map(|body| body.len())
    }

    fn left(&self, say: &'a Say) -> Left<'a> {
        let Some(value) = say.value() else { return Left::Whole };
        let end = |octets| {
            let form = value.form(self.session.profile.encoding);
            Left::End(Piece { octets, form, size: None, more: false })
        };
        let Some(total) = value.content.in_parts else {
            let sent = usize::try_from(value.sent).unwrap_or(usize::MAX);
            let rest = value.content.data.as_deref().and_then(|data| data.get(sent..)).filter(|_| sent > 0);
            return rest.map_or(Left::Whole, end);
        };
        match &self.draft.part {
            Some(part) if part.offset == value.sent => {
                let is_end = part.offset.saturating_add(octets(part.octets.len())) >= total;
                if is_end { end(&part.octets) } else { Left::Some(&part.octets) }
            }
            _ => Left::Some(&[]),
        }
    }

    /// The message with the header's status and nothing else.
    fn frame(&self) -> Message {
        let status = self.draft.answering.as_ref().map(|(to, verdict)| header_status(to, verdict.clone()));
        // Room for what else there may be: the alert and the device information, or Next Message.
        let mut commands = Vec::with_capacity(self.says.len() + 3);
        commands.extend(status.map(Command::Status));
        Message { header: self.session.header(self.opening(), self.signature), commands, is_final: true }
    }

    /// The message with the first `count` things to say and perhaps a part of the next, and the alerts in it.
    fn message(&self, count: usize, piece: Option<Piece<'_>>) -> (Message, Vec<Unanswered>) {
        let encoding = self.session.profile.encoding;
        let mut message = self.frame();
        let msg_id = message.header.msg_id;
        let commands = &mut message.commands;
        let mut alerts = Vec::new();
        let mut opening = self.opening();
        for say in self.head(count) {
            if opening && !matches!(say, Say::Next(_) | Say::Statuses(_)) {
                self.open(commands);
                opening = false;
            }
            let left = if let Left::End(piece) = self.left(say) { Some(piece) } else { None };
            say.write(left, encoding, commands);
            if let Say::Alert(alerting) = say {
                let cmd = u32::try_from(commands.len()).unwrap_or(u32::MAX);
                let items = u32::try_from(alerting.alert.items.len()).unwrap_or(u32::MAX);
                alerts.push(Unanswered { msg_id, cmd, items, tag: alerting.tag.clone() });
            }
        }
        if opening {
            self.open(commands);
        }
        if let (Some(say), Some(piece)) = (self.says.get(count), piece) {
            say.write(Some(piece), encoding, commands);
        }
        let done = count == self.says.len() && piece.is_none();
        message.is_final = self.aborts() || (done && !self.session.common.server_open);
        let tail = if self.aborts() {
            self.draft.alert
        } else {
            // The server's package is open, so this client's must stay open too (F2, F6).
            (done && self.session.common.server_open).then_some(AlertCode::NEXT_MESSAGE)
        };
        commands.extend(tail.map(|code| Command::Alert(Alert::new(code))));
        number(commands);
        (message, alerts)
    }

    /// Package 1: the alert that opens the session, and the device information.
    fn open(&self, commands: &mut Vec<Command>) {
        let common = &self.session.common;
        commands.push(Command::Alert(Alert::new(common.start)));
        let items = common.device_info.iter().map(|node| shown(node, self.session.profile.encoding)).collect();
        commands.push(Command::Replace(Edit { items, ..Edit::default() }));
    }

    fn size(&self, count: usize, piece: Option<Piece<'_>>) -> Result<usize, Stuck> {
        self.write(count, piece).map(|written| written.body.len())
    }

    fn encoded(&self, message: &Message) -> Result<Vec<u8>, Stuck> {
        let body = wire::encode(self.session.profile.encoding, message);
        body.map_err(|_| Stuck::For(PeerFault::Unanswerable))
    }
}
