//! From elements and attributes to the document, the same for both encodings.

use alloc::{string::String, vec::Vec};

use super::{Characteristic, DecodeError, Document, Fault, Parameter};
use crate::{limits::WireLimits, wire::DecodeErrorKind as WireKind};

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// `wap-provisioningdoc`.
    Document,
    /// `characteristic`.
    Characteristic,
    /// `parm`.
    Parameter,
    /// Of no vocabulary of ours.
    Other,
}

impl Element {
    pub(super) const NAMES: [(&'static str, Self); 3] =
        [("wap-provisioningdoc", Self::Document), ("characteristic", Self::Characteristic), ("parm", Self::Parameter)];

    pub(super) fn named(name: &str) -> Self {
        Self::NAMES.iter().find(|(known, _)| *known == name).map_or(Self::Other, |(_, element)| *element)
    }
}

/// The attributes that mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    /// `name`, of a `parm`.
    Name,
    /// `value`, of a `parm`.
    Value,
    /// `type`, of a `characteristic`.
    Type,
    /// `version`, of the document.
    Version,
    /// Any other.
    Other,
}

impl Attribute {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "name" => Self::Name,
            "value" => Self::Value,
            "type" => Self::Type,
            "version" => Self::Version,
            _ => Self::Other,
        }
    }
}

/// The attributes of one element.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) name: Option<String>,
    pub(super) value: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) version: Option<String>,
}

impl Attributes {
    /// Where the value of an attribute goes; nowhere for one that means nothing.
    pub(super) fn slot(&mut self, attribute: Attribute) -> Option<&mut Option<String>> {
        Some(match attribute {
            Attribute::Name => &mut self.name,
            Attribute::Value => &mut self.value,
            Attribute::Type => &mut self.kind,
            Attribute::Version => &mut self.version,
            Attribute::Other => return None,
        })
    }
}

/// What comes next in a document.
pub(super) enum Event {
    /// An element begins. One that is empty gives both its events.
    Open(Element, Attributes),
    /// The innermost element ends.
    Close,
    /// Text that is not white space.
    Text,
}

/// An encoded document, read once from its start to its end.
pub(super) trait Source {
    /// The next event.
    fn event(&mut self) -> Result<Event, Fault>;

    /// Checks that nothing follows the root, which is closed.
    fn finish(&mut self) -> Result<(), Fault>;

    /// Where the last event began; after an error, where that is.
    fn offset(&self) -> usize;
}

/// Reads one document, the whole of it.
pub(super) fn document<S: Source>(source: S, limits: &WireLimits) -> Result<Document, DecodeError> {
    let mut reader = Reader { source, elements: 0, depth: 0, limits };
    reader.document().map_err(|fault| DecodeError { fault, offset: reader.source.offset(), depth: reader.depth })
}

struct Reader<'l, S> {
    source: S,
    elements: usize,
    depth: usize,
    limits: &'l WireLimits,
}

impl<S: Source> Reader<'_, S> {
    /// What no limits go beyond: a document is dropped by recursion.
    const DEPTH_CEILING: usize = 64;

    fn event(&mut self) -> Result<Event, Fault> {
        let event = self.source.event()?;
        match event {
            Event::Open(..) if self.depth >= self.limits.depth_max.min(Self::DEPTH_CEILING) => {
                return Err(WireKind::TooDeep.into());
            }
            Event::Open(..) if self.elements >= self.limits.elements_max => {
                return Err(WireKind::TooManyElements.into());
            }
            Event::Open(..) => {
                self.depth += 1;
                self.elements += 1;
            }
            // Nothing is open where the source gives this: it would have been an error there.
            Event::Close => self.depth = self.depth.saturating_sub(1),
            Event::Text => {}
        }
        Ok(event)
    }

    fn document(&mut self) -> Result<Document, Fault> {
        let Event::Open(Element::Document, root) = self.event()? else { return Err(Fault::OtherDocument) };
        let mut document = Document { version: root.version, characteristics: Vec::new() };
        let mut open: Vec<Characteristic> = Vec::new();
        loop {
            match self.event()? {
                Event::Open(Element::Characteristic, attributes) => {
                    let kind = attributes.kind.ok_or(Fault::Unnamed)?;
                    open.push(Characteristic { kind, ..Characteristic::default() });
                }
                Event::Open(Element::Parameter, attributes) => {
                    let name = attributes.name.ok_or(Fault::Unnamed)?;
                    let parameter = Parameter { name, value: attributes.value };
                    open.last_mut().ok_or(Fault::UnexpectedContent)?.parameters.push(parameter);
                    match self.event()? {
                        Event::Close => {}
                        Event::Open(..) | Event::Text => return Err(Fault::UnexpectedContent),
                    }
                }
                Event::Open(Element::Document, _) | Event::Text => return Err(Fault::UnexpectedContent),
                Event::Open(Element::Other, _) => self.pass()?,
                Event::Close => match open.pop() {
                    Some(done) => {
                        let into = open.last_mut().map_or(&mut document.characteristics, |at| &mut at.characteristics);
                        into.push(done);
                    }
                    None => break,
                },
            }
        }
        self.source.finish()?;
        Ok(document)
    }

    /// Passes over the rest of the innermost element.
    fn pass(&mut self) -> Result<(), Fault> {
        let depth = self.depth;
        while self.depth >= depth {
            self.event()?;
        }
        Ok(())
    }
}
