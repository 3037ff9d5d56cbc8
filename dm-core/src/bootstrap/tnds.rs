//! Documents of nodes in WBXML, as far as a bootstrap needs them [DM TNDS 1.2, 5 and 6; digest 6.8].

use alloc::{
    borrow::ToOwned,
    collections::BTreeSet,
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::message::{ObjectError, ObjectFault as Fault};
use crate::{
    limits::{UriLimits, WireLimits},
    wire::{
        DecodeErrorKind as WireKind, Format,
        source::is_space,
        wbxml::{
            header::{self, DocumentType},
            lexer::{Lexer, Name, Token},
            octets::Octets,
        },
    },
};

/// A node of a document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    /// Its address within the document: names with `/` between them.
    pub(super) path: String,
    /// The object that it is, for an interior node: `DDFName`.
    pub(super) object: Option<String>,
    /// `Format`, where the document has it.
    pub(super) format: Option<Format>,
    /// `ACL`.
    pub(super) acl: Option<String>,
    /// `Value`.
    pub(super) value: Option<Vec<u8>>,
}

const DDF: DocumentType = DocumentType {
    numbers: &[],
    is_named: |name| name.eq_ignore_ascii_case(b"-//OMA//DTD-DM-DDF 1.2//EN"),
    otherwise: WireKind::NotSyncMl,
};

/// The code page of these documents.
const PAGE: u8 = 2;
/// The tokens of the page, all of which are elements.
const TOKENS: core::ops::RangeInclusive<u8> = 0x05..=0x3C;

macro_rules! elements {
    ($($variant:ident = $token:literal $name:literal;)+) => {
        /// The elements that are read. Others of the vocabulary are passed over.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Element {
            $($variant,)+
            Other,
        }

        impl Element {
            fn named(name: &str) -> Self {
                match name { $($name => Self::$variant,)+ _ => Self::Other }
            }

            fn of_token(token: u8) -> Self {
                match token { $($token => Self::$variant,)+ _ => Self::Other }
            }
        }
    };
}

elements! {
    Acl = 0x06 "ACL";
    DdfName = 0x11 "DDFName";
    Format = 0x1C "Format";
    MgmtTree = 0x20 "MgmtTree";
    Node = 0x24 "Node";
    NodeName = 0x26 "NodeName";
    Path = 0x2C "Path";
    RtProperties = 0x2F "RTProperties";
    Type = 0x35 "Type";
    Value = 0x36 "Value";
    B64 = 0x08 "b64";
    Bin = 0x09 "bin";
    Bool = 0x0A "bool";
    Chr = 0x0B "chr";
    Date = 0x10 "date";
    Float = 0x1B "float";
    Int = 0x1E "int";
    Interior = 0x25 "node";
    Null = 0x27 "null";
    Time = 0x32 "time";
    Xml = 0x39 "xml";
}

impl Element {
    /// The format that an element inside `Format` names.
    fn format(self) -> Option<Format> {
        Some(match self {
            Self::B64 => Format::B64,
            Self::Bin => Format::Bin,
            Self::Bool => Format::Bool,
            Self::Chr => Format::Chr,
            Self::Date => Format::Date,
            Self::Float => Format::Float,
            Self::Int => Format::Int,
            Self::Interior => Format::Node,
            Self::Null => Format::Null,
            Self::Time => Format::Time,
            Self::Xml => Format::Xml,
            _ => return None,
        })
    }
}

/// The nodes of a document, in their order. Those that the device has to name have a name that no node can have.
pub(super) fn read(bytes: &[u8], limits: &WireLimits) -> Result<Vec<Node>, ObjectError> {
    let fault = |fault: WireKind, offset| ObjectError { fault: fault.into(), offset };
    if bytes.len() > limits.message_bytes_max {
        return Err(fault(WireKind::TooLarge, 0));
    }
    let mut octets = Octets::new(bytes);
    let table = header::read(&mut octets, &DDF, limits.string_table_bytes_max).map_err(|(kind, at)| fault(kind, at))?;
    let mut reader = Reader {
        lexer: Lexer::new(octets, table, limits),
        is_empty: false,
        depth: 0,
        elements: 0,
        limits,
        nodes: Vec::new(),
        paths: BTreeSet::new(),
        unnamed: 0,
    };
    match reader.document() {
        Ok(()) => Ok(reader.nodes),
        Err(fault) => Err(ObjectError { fault, offset: reader.lexer.at() }),
    }
}

impl From<WireKind> for Fault {
    fn from(kind: WireKind) -> Self {
        match kind {
            WireKind::NotSyncMl => Self::OtherDocument,
            kind => Self::Encoding(kind),
        }
    }
}

struct Reader<'a, 'l> {
    lexer: Lexer<'a>,
    /// Whether the last element that opened has no content and must be closed.
    is_empty: bool,
    depth: usize,
    elements: usize,
    limits: &'l WireLimits,
    nodes: Vec<Node>,
    paths: BTreeSet<String>,
    unnamed: usize,
}

/// What comes next in a document.
enum Event<'a> {
    Open(Element),
    Text(&'a [u8]),
    Char(char),
    Close,
}

impl<'a> Reader<'a, '_> {
    /// What no limits go beyond: nodes are read by recursion.
    const DEPTH_CEILING: usize = 64;

    fn event(&mut self) -> Result<Event<'a>, Fault> {
        if core::mem::take(&mut self.is_empty) {
            self.depth -= 1;
            return Ok(Event::Close);
        }
        Ok(match self.lexer.next()? {
            Token::Open { name, is_empty, .. } => {
                if self.depth >= self.limits.depth_max.min(Self::DEPTH_CEILING) {
                    return Err(WireKind::TooDeep.into());
                }
                if self.elements >= self.limits.elements_max {
                    return Err(WireKind::TooManyElements.into());
                }
                let element = match name {
                    Name::Known { page: PAGE, token } if TOKENS.contains(&token) => Element::of_token(token),
                    Name::Known { page: PAGE, .. } => return Err(WireKind::UnknownToken.into()),
                    Name::Known { .. } => return Err(WireKind::UnknownPage.into()),
                    Name::Literal(name) => Element::named(name),
                };
                self.depth += 1;
                self.elements += 1;
                self.is_empty = is_empty;
                Event::Open(element)
            }
            Token::End => {
                self.depth = self.depth.checked_sub(1).ok_or(WireKind::NotWellFormed)?;
                Event::Close
            }
            Token::Text(text) => Event::Text(text.as_bytes()),
            Token::Char(c) => Event::Char(c),
            Token::Opaque(octets) => Event::Text(octets),
        })
    }

    fn document(&mut self) -> Result<(), Fault> {
        let Event::Open(Element::MgmtTree) = self.event()? else { return Err(Fault::OtherDocument) };
        while let Some(element) = self.child()? {
            match element {
                Element::Node => self.node("")?,
                _ => self.pass()?,
            }
        }
        self.lexer.finish()?;
        Ok(())
    }

    /// Reads a `Node` that was just opened, and those in it.
    fn node(&mut self, parent: &str) -> Result<(), Fault> {
        let (mut name, mut path, mut node) = (None, None, Node::default());
        // What is inside the node comes after its name [DDF DTD], so its address is known by then.
        let mut place = None;
        while let Some(element) = self.child()? {
            match element {
                Element::NodeName if name.is_none() && place.is_none() => name = Some(self.text()?),
                Element::Path if path.is_none() && place.is_none() => path = Some(self.text()?),
                Element::RtProperties => self.properties(&mut node)?,
                Element::Value if node.value.is_none() => node.value = Some(self.octets()?),
                Element::NodeName | Element::Path | Element::Value => return Err(Fault::UnexpectedContent),
                Element::Node => {
                    let address = self.address(&mut place, parent, name.as_deref(), path.as_deref())?;
                    self.node(&address)?;
                }
                _ => self.pass()?,
            }
        }
        node.path = self.address(&mut place, parent, name.as_deref(), path.as_deref())?;
        if !self.paths.insert(node.path.clone()) {
            return Err(Fault::RepeatedNode);
        }
        self.nodes.push(node);
        Ok(())
    }

    /// The address of a node. Its `Path` goes before its name where it has one.
    fn address(
        &mut self,
        place: &mut Option<String>,
        parent: &str,
        name: Option<&str>,
        path: Option<&str>,
    ) -> Result<String, Fault> {
        if let Some(known) = place {
            return Ok(known.clone());
        }
        let name = match name {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => {
                self.unnamed += 1;
                format!("?{}", self.unnamed)
            }
        };
        let path = path.unwrap_or_default();
        let path = path.strip_prefix("./").unwrap_or(path).trim_matches('/');
        let parts = [parent, if path == "." { "" } else { path }, &name];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let address = parts.join("/");
        // Every node has its whole address, so that long names of many would add up.
        if address.len() > UriLimits::TOTAL_BYTES_MAX {
            return Err(Fault::LongAddress);
        }
        *place = Some(address.clone());
        Ok(address)
    }

    fn properties(&mut self, node: &mut Node) -> Result<(), Fault> {
        while let Some(element) = self.child()? {
            match element {
                Element::Acl => node.acl = Some(self.text()?),
                Element::Format => {
                    while let Some(element) = self.child()? {
                        node.format = element.format().or(node.format.take());
                        self.pass()?;
                    }
                }
                Element::Type => {
                    while let Some(element) = self.child()? {
                        match element {
                            Element::DdfName => node.object = Some(self.text()?),
                            _ => self.pass()?,
                        }
                    }
                }
                _ => self.pass()?,
            }
        }
        Ok(())
    }

    /// The next child; nothing when the element closes. There may be white space between children.
    fn child(&mut self) -> Result<Option<Element>, Fault> {
        loop {
            let is_blank = match self.event()? {
                Event::Open(element) => return Ok(Some(element)),
                Event::Close => return Ok(None),
                Event::Text(text) => text.iter().all(|octet| is_space(char::from(*octet))),
                Event::Char(c) => is_space(c),
            };
            if !is_blank {
                return Err(Fault::UnexpectedContent);
            }
        }
    }

    /// The value of an element that has nothing else.
    fn octets(&mut self) -> Result<Vec<u8>, Fault> {
        let mut octets = Vec::new();
        loop {
            match self.event()? {
                Event::Text(text) => octets.extend_from_slice(text),
                Event::Char(c) => octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                Event::Close => return Ok(octets),
                Event::Open(_) => return Err(Fault::UnexpectedContent),
            }
        }
    }

    /// The same as text, without the white space around it.
    fn text(&mut self) -> Result<String, Fault> {
        let text = String::from_utf8(self.octets()?).map_err(|_| WireKind::NotUtf8)?;
        Ok(text.trim_matches(is_space).to_string())
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
