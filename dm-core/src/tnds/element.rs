//! A document as elements, read within limits from either encoding.

use alloc::{string::String, vec::Vec};

use super::{Tag, TndsError};

/// One element with all that is in it. Nothing is deeper than [`Limits::DEPTH_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) tag: Tag,
    /// The elements in it, in their order.
    pub(crate) children: Vec<Element>,
    /// The text in it, white space included.
    pub(crate) text: String,
    /// Octets that stand for themselves; WBXML only.
    pub(crate) opaque: Option<Vec<u8>>,
}

impl Element {
    fn new(tag: Tag) -> Self {
        Self { tag, children: Vec::new(), text: String::new(), opaque: None }
    }

    /// The first child of that name.
    pub(crate) fn child(&self, tag: Tag) -> Option<&Self> {
        self.children.iter().find(|child| child.tag == tag)
    }

    /// The children of that name.
    pub(crate) fn all(&self, tag: Tag) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| child.tag == tag)
    }

    /// The text without white space around it.
    pub(crate) fn token(&self) -> &str {
        self.text.trim()
    }
}

/// What a document may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) bytes_max: usize,
    pub(crate) elements_max: usize,
}

impl Limits {
    /// Elements open at once. Whatever visits elements goes as deep in calls.
    pub(crate) const DEPTH_MAX: usize = 64;
}

/// Puts elements together as an encoding gives them.
#[derive(Debug)]
pub(super) struct Builder {
    limits: Limits,
    /// Elements that are open, outermost first; nothing for one of no known name.
    open: Vec<Option<Element>>,
    elements: usize,
    root: Option<Element>,
}

impl Builder {
    pub(super) const fn new(limits: Limits) -> Self {
        Self { limits, open: Vec::new(), elements: 0, root: None }
    }

    /// An element begins. One of no known name is passed over with all that is in it.
    pub(super) fn open(&mut self, tag: Option<Tag>) -> Result<(), TndsError> {
        self.elements += 1;
        if self.root.is_some() {
            return Err(TndsError::NotWellFormed);
        }
        if self.elements > self.limits.elements_max || self.open.len() >= Limits::DEPTH_MAX {
            return Err(TndsError::TooLarge);
        }
        if self.open.is_empty() && tag != Some(Tag::MgmtTree) {
            return Err(TndsError::NotATree);
        }
        // What is in an unknown element is unknown as well.
        let tag = tag.filter(|_| self.open.last().is_none_or(Option::is_some));
        self.open.push(tag.map(Element::new));
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), TndsError> {
        match self.open.last_mut() {
            Some(Some(element)) => element.text.push_str(text),
            Some(None) => {}
            None if text.trim().is_empty() => {}
            None => return Err(TndsError::NotWellFormed),
        }
        Ok(())
    }

    #[cfg(feature = "wbxml")]
    pub(super) fn opaque(&mut self, octets: &[u8]) {
        if let Some(Some(element)) = self.open.last_mut() {
            element.opaque.get_or_insert_with(Vec::new).extend_from_slice(octets);
        }
    }

    /// The innermost element ends.
    pub(super) fn close(&mut self) -> Result<(), TndsError> {
        let closed = self.open.pop().ok_or(TndsError::NotWellFormed)?;
        match (self.open.last_mut(), closed) {
            (Some(Some(parent)), Some(child)) => parent.children.push(child),
            (None, Some(root)) => self.root = Some(root),
            (Some(_), _) | (None, None) => {}
        }
        Ok(())
    }

    /// Whether the outermost element has ended.
    #[cfg(feature = "wbxml")]
    pub(super) const fn is_complete(&self) -> bool {
        self.root.is_some()
    }

    pub(super) fn finish(self) -> Result<Element, TndsError> {
        self.root.ok_or(TndsError::NotWellFormed)
    }
}

/// What a document is written into.
pub(super) trait Sink {
    fn open(&mut self, tag: Tag);
    fn close(&mut self);
    /// Text. Nothing where the encoding cannot hold it.
    fn text(&mut self, text: &str) -> Option<()>;
    /// Octets that are no text.
    fn octets(&mut self, octets: &[u8]);

    /// An element with nothing in it.
    fn empty(&mut self, tag: Tag) {
        self.open(tag);
        self.close();
    }

    /// An element with text in it.
    fn leaf(&mut self, tag: Tag, text: &str) -> Option<()> {
        self.open(tag);
        self.text(text)?;
        self.close();
        Some(())
    }
}
