//! From events to the model, the same for every encoding.
//!
//! Children may come in any order [digest 2.1]. One that the model holds once may come once; one that it has no place
//! for is passed over and counted. What is missing is judged when the parent closes.
//!
//! Text that the protocol compares or computes with loses the white space around it, since peers indent their
//! messages. What only its sender understands is kept as it is: `Data`, `LocName`, `Correlator`, `EMI`, anchors.

use alloc::{borrow::Cow, boxed::Box, vec::Vec};
use core::{marker::PhantomData, str::FromStr};

use super::{
    Command, DecodeError, DecodeErrorKind as Kind, Decoded, Header, Message, Tag,
    source::{Event, Markup, Source, is_space},
};
use crate::{ids::MsgId, limits::WireLimits};

mod command;
mod common;

/// Reads one message, the whole of it.
pub(super) fn message<'a, S: Source<'a>>(source: S, limits: &WireLimits) -> Result<Decoded, DecodeError> {
    let mut reader = Reader::new(source, limits);
    match reader.message() {
        Ok(message) => Ok(Decoded { message, deviations: *reader.source.deviations() }),
        Err(kind) => Err(reader.error(kind)),
    }
}

/// Reads one message up to the end of its header.
pub(super) fn header<'a, S: Source<'a>>(source: S, limits: &WireLimits) -> Result<Header, DecodeError> {
    let mut reader = Reader::new(source, limits);
    reader.first_header().map_err(|kind| reader.error(kind))
}

/// Reads from a source. Every method that reads an element begins after its opening and ends after its closing.
struct Reader<'a, S> {
    source: S,
    /// The header, once it was read.
    header: Option<Header>,
    commands: usize,
    commands_max: usize,
    events_borrow_from: PhantomData<&'a str>,
}

impl<'a, S: Source<'a>> Reader<'a, S> {
    fn new(source: S, limits: &WireLimits) -> Self {
        let commands_max = limits.commands_max;
        Self { source, header: None, commands: 0, commands_max, events_borrow_from: PhantomData }
    }

    fn error(&mut self, kind: Kind) -> DecodeError {
        let path = self.source.nesting().path();
        DecodeError { kind, offset: self.source.offset(), path, header: self.header.take().map(Box::new) }
    }

    fn message(&mut self) -> Result<Message, Kind> {
        self.root()?;
        let mut body = None;
        while let Some(tag) = self.child()? {
            match tag {
                Tag::SyncHdr if self.header.is_some() => return Err(Kind::Repeated(tag)),
                Tag::SyncHdr => self.header = Some(self.sync_hdr()?),
                Tag::SyncBody => self.once(&mut body, Self::sync_body)?,
                _ => self.skip()?,
            }
        }
        if self.header.is_none() {
            return Err(Kind::Missing(Tag::SyncHdr));
        }
        let (commands, is_final) = required(body, Tag::SyncBody)?;
        self.source.finish()?;
        let header = required(self.header.take(), Tag::SyncHdr)?;
        Ok(Message { header, commands, is_final })
    }

    fn first_header(&mut self) -> Result<Header, Kind> {
        self.root()?;
        while let Some(tag) = self.child()? {
            match tag {
                Tag::SyncHdr => return self.sync_hdr(),
                _ => self.skip()?,
            }
        }
        Err(Kind::Missing(Tag::SyncHdr))
    }

    #[inline(never)]
    fn root(&mut self) -> Result<(), Kind> {
        let is_root = match self.source.tag()? {
            Some(markup) => matches!(markup, Markup::Open(Some(Tag::SyncMl))),
            None => matches!(self.source.event()?, Event::Open(Some(Tag::SyncMl))),
        };
        if is_root { Ok(()) } else { Err(Kind::NotSyncMl) }
    }

    fn sync_hdr(&mut self) -> Result<Header, Kind> {
        let mut header = Header::default();
        let (mut ver_dtd, mut ver_proto, mut session_id, mut msg_id) = (None, None, None, None);
        let (mut target, mut source) = (None, None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::VerDtd => self.once(&mut ver_dtd, Self::token)?,
                Tag::VerProto => self.once(&mut ver_proto, Self::token)?,
                Tag::SessionId => self.once(&mut session_id, Self::token)?,
                Tag::MsgId => self.once(&mut msg_id, Self::msg_id)?,
                Tag::Target => self.once(&mut target, Self::location)?,
                Tag::Source => self.once(&mut source, Self::location)?,
                Tag::RespUri => self.once(&mut header.resp_uri, Self::token)?,
                Tag::NoResp => self.flag(&mut header.no_resp)?,
                Tag::Cred => self.once(&mut header.cred, Self::boxed_cred)?,
                Tag::Meta => self.once(&mut header.meta, Self::boxed_meta)?,
                _ => self.skip()?,
            }
        }
        header.ver_dtd = required(ver_dtd, Tag::VerDtd)?;
        header.ver_proto = required(ver_proto, Tag::VerProto)?;
        header.session_id = required(session_id, Tag::SessionId)?;
        header.msg_id = required(msg_id, Tag::MsgId)?;
        header.target = required(target, Tag::Target)?;
        header.source = required(source, Tag::Source)?;
        Ok(header)
    }

    fn sync_body(&mut self) -> Result<(Vec<Command>, bool), Kind> {
        let (mut commands, mut is_final) = (Vec::new(), false);
        while let Some(tag) = self.child()? {
            if tag == Tag::Final {
                self.flag(&mut is_final)?;
            } else {
                self.command_or_skip(tag, &mut commands)?;
            }
        }
        Ok((commands, is_final))
    }
}

/// What all elements are read with.
impl<'a, S: Source<'a>> Reader<'a, S> {
    /// The next child that has a known name; nothing when the element closes.
    #[inline(never)]
    fn child(&mut self) -> Result<Option<Tag>, Kind> {
        match self.source.tag()? {
            Some(Markup::Open(Some(tag))) => return Ok(Some(tag)),
            Some(Markup::Close) => return Ok(None),
            Some(Markup::Open(None)) => self.skip()?,
            None => {}
        }
        self.next_child()
    }

    /// As [`Self::child`], whatever comes.
    #[inline(never)]
    fn next_child(&mut self) -> Result<Option<Tag>, Kind> {
        loop {
            let is_blank = match self.source.event()? {
                Event::Open(Some(tag)) => return Ok(Some(tag)),
                Event::Close => return Ok(None),
                Event::Open(None) => {
                    self.skip()?;
                    true
                }
                Event::Text(text) => text.chars().all(is_space),
                Event::Char(c) => is_space(c),
            };
            if !is_blank {
                return Err(Kind::UnexpectedContent(self.here()));
            }
        }
    }

    /// Passes over the element that was just opened, which has no place here.
    fn skip(&mut self) -> Result<(), Kind> {
        let foreign = &mut self.source.deviations().foreign_elements;
        *foreign = foreign.saturating_add(1);
        self.source.pass()
    }

    /// Reads a child that may come once.
    fn once<T>(&mut self, slot: &mut Option<T>, read: impl FnOnce(&mut Self) -> Result<T, Kind>) -> Result<(), Kind> {
        if slot.is_some() {
            return Err(Kind::Repeated(self.here()));
        }
        *slot = Some(read(self)?);
        Ok(())
    }

    /// Reads a child that has no content, and means something by being there.
    fn flag(&mut self, slot: &mut bool) -> Result<(), Kind> {
        if *slot {
            return Err(Kind::Repeated(self.here()));
        }
        while self.child()?.is_some() {
            self.skip()?;
        }
        *slot = true;
        Ok(())
    }

    /// The text of an element that has nothing else.
    fn text(&mut self) -> Result<Cow<'a, str>, Kind> {
        let (here, mut text) = (self.here(), Cow::Borrowed(""));
        loop {
            match self.source.event()? {
                Event::Text(piece) if text.is_empty() => text = Cow::Borrowed(piece),
                Event::Text(piece) => text.to_mut().push_str(piece),
                Event::Char(c) => text.to_mut().push(c),
                Event::Close => return Ok(text),
                Event::Open(_) => return Err(Kind::UnexpectedContent(here)),
            }
        }
    }

    /// What the text of an element that has nothing else comes to.
    fn with_text<T>(&mut self, read: impl FnOnce(&str) -> T) -> Result<T, Kind> {
        match self.source.text_and_close() {
            Some(text) => Ok(read(text)),
            None => self.text().map(|text| read(&text)),
        }
    }

    /// Text as it is.
    fn verbatim<T: for<'t> From<&'t str>>(&mut self) -> Result<T, Kind> {
        self.with_text(|text| T::from(text))
    }

    /// Text without the white space around it.
    fn token<T: for<'t> From<&'t str>>(&mut self) -> Result<T, Kind> {
        self.with_text(|text| T::from(trimmed(text)))
    }

    /// A number in decimal digits and nothing else.
    fn number<T: FromStr>(&mut self) -> Result<T, Kind> {
        let number = self.with_text(|text| {
            let digits = trimmed(text);
            if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
        })?;
        number.ok_or_else(|| Kind::BadNumber(self.here()))
    }

    fn msg_id(&mut self) -> Result<MsgId, Kind> {
        self.number().map(MsgId)
    }

    /// The innermost element.
    fn here(&self) -> Tag {
        self.source.nesting().here()
    }
}

fn required<T>(slot: Option<T>, tag: Tag) -> Result<T, Kind> {
    slot.ok_or(Kind::Missing(tag))
}

fn trimmed(text: &str) -> &str {
    // Most text has nothing to lose, as its first and last octet tell.
    match (text.as_bytes().first(), text.as_bytes().last()) {
        (Some(first), Some(last)) if *first > b' ' && *last > b' ' => text,
        _ => text.trim_matches(is_space),
    }
}
