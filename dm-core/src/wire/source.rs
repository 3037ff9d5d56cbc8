//! What the mapping sees of an encoding: elements that open and close, and the text between them.
//!
//! One mapping ([`super::read`]) reads the model from these events. A codec that gives them needs no mapping of its own.

use super::{Data, DecodeErrorKind as Kind, Deviations, ElementPath, Tag};
use crate::limits::WireLimits;

/// What comes next in a message.
pub(super) enum Event<'a> {
    /// An element begins; nothing where its name is none of ours.
    Open(Option<Tag>),
    /// Text, in pieces of the source's choice.
    Text(&'a str),
    /// One character that was written by name or number.
    Char(char),
    /// The innermost element ends.
    Close,
}

/// An event that is no text.
#[cfg_attr(not(feature = "xml"), expect(dead_code, reason = "WBXML is read by events alone"))]
pub(super) enum Markup {
    /// As [`Event::Open`].
    Open(Option<Tag>),
    /// As [`Event::Close`].
    Close,
}

/// An encoded message, read once from its start to its end, within limits.
pub(super) trait Source<'a> {
    /// The next event. An element that is empty gives both its events.
    fn event(&mut self) -> Result<Event<'a>, Kind>;

    /// The next event if it is no text and easy to see. If there is nothing, nothing has changed.
    fn tag(&mut self) -> Result<Option<Markup>, Kind> {
        Ok(None)
    }

    /// The text of the element that was just opened, if it has nothing else and this is easy to see; it is closed then.
    /// If there is nothing, nothing has changed.
    fn text_and_close(&mut self) -> Option<&'a str> {
        None
    }

    /// The content of the `Data` that was just opened; it is closed then.
    fn data(&mut self) -> Result<Data, Kind>;

    /// Passes over the rest of the innermost element; it is closed then. Nothing in it counts as a deviation.
    fn pass(&mut self) -> Result<(), Kind>;

    /// Checks that nothing follows the root, which is closed.
    fn finish(&mut self) -> Result<(), Kind>;

    /// The elements that are open.
    fn nesting(&self) -> &Nesting;

    /// Where the last event began, in octets from the start of the message; after an error, where that is.
    fn offset(&self) -> usize;

    /// What was forgiven so far.
    fn deviations(&mut self) -> &mut Deviations;
}

/// White space: what may stand between elements, and around values.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The elements that are open, counted against the limits that every encoding has.
///
/// An element that closes stays the innermost one until the next event, so that whoever misses something in it can
/// still say where.
pub(super) struct Nesting {
    open: [Option<Tag>; Self::DEPTH_CEILING],
    depth: usize,
    innermost_is_closed: bool,
    depth_max: usize,
    elements_left: usize,
}

impl Nesting {
    /// The depth that no limits go beyond. The mapping calls itself once for each nested command, which costs stack:
    /// this bounds it, whatever the caller allows, to a small part of the 2 MiB that a thread has.
    const DEPTH_CEILING: usize = 64;

    pub(super) fn new(limits: &WireLimits) -> Self {
        Self {
            open: [None; Self::DEPTH_CEILING],
            depth: 0,
            innermost_is_closed: false,
            depth_max: limits.depth_max.min(Self::DEPTH_CEILING),
            elements_left: limits.elements_max,
        }
    }

    /// Forgets the element that was closed by the last event. To be called before the next one is read.
    #[inline]
    pub(super) fn step(&mut self) {
        self.depth = self.depth.saturating_sub(usize::from(core::mem::take(&mut self.innermost_is_closed)));
    }

    /// Opens an element; nothing where it has no known name, or this is not known yet.
    #[inline]
    pub(super) fn enter(&mut self, tag: Option<Tag>) -> Result<(), Kind> {
        if self.depth >= self.depth_max {
            return Err(Kind::TooDeep);
        }
        self.elements_left = self.elements_left.checked_sub(1).ok_or(Kind::TooManyElements)?;
        // The depth is below the ceiling, so there is always a place.
        if let Some(place) = self.open.get_mut(self.depth) {
            *place = tag;
        }
        self.depth += 1;
        Ok(())
    }

    /// Names the innermost element.
    #[inline]
    pub(super) fn name(&mut self, tag: Tag) {
        if let Some(innermost) = self.depth.checked_sub(1).and_then(|at| self.open.get_mut(at)) {
            *innermost = Some(tag);
        }
    }

    /// Closes the innermost element.
    #[inline]
    pub(super) fn close(&mut self) {
        self.innermost_is_closed = true;
    }

    fn open(&self) -> &[Option<Tag>] {
        self.open.get(..self.depth).unwrap_or_default()
    }

    /// How many elements are open, the one that the last event closed included.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// The innermost element with a name.
    pub(super) fn here(&self) -> Tag {
        self.open().iter().rev().find_map(|tag| *tag).unwrap_or(Tag::SyncMl)
    }

    /// The elements with a name, outermost first.
    pub(super) fn path(&self) -> ElementPath {
        ElementPath(self.open().iter().filter_map(|tag| *tag).collect())
    }
}
