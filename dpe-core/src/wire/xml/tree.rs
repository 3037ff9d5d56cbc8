//! A document as a small tree: everything that may go wrong with XML as such is decided here.

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec::Vec,
};

use quick_xml::{
    NsReader,
    events::{BytesStart, Event},
    name::{Namespace, ResolveResult},
};

use super::super::{DecodeError, NAMESPACE, is_xml_char};
use crate::limits::WireLimits;

const BYTE_ORDER_MARK: &str = "\u{FEFF}";

/// An element of the namespace of DPE.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The local name.
    pub(super) name: String,
    /// Attributes without a prefix.
    pub(super) attributes: Vec<(String, String)>,
    /// Text directly in it, with its references replaced.
    pub(super) text: String,
    /// Elements directly in it. Those of other namespaces are left out.
    pub(super) children: Vec<Node>,
}

impl Node {
    /// The attribute of this name.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The text without the blanks around it.
    pub(super) fn trimmed(&self) -> &str {
        self.text.trim_matches(is_space)
    }
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// The root of the document.
pub(super) fn parse(bytes: &[u8], limits: &WireLimits) -> Result<Node, DecodeError> {
    let text = core::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    // Nearly every message is printable ASCII throughout, which one pass without branches shows.
    let is_plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'));
    if !is_plain && !text.chars().all(is_xml_char) {
        return Err(DecodeError::BadCharacter);
    }
    let mut reader = NsReader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut parser = Parser { limits, open: Vec::new(), elements: 0, root: None, seen: false };
    loop {
        let (space, event) = reader.read_resolved_event().map_err(|_| DecodeError::NotWellFormed)?;
        let is_ours = matches!(space, ResolveResult::Bound(Namespace(name)) if name == NAMESPACE);
        if matches!(space, ResolveResult::Unknown(_)) {
            return Err(DecodeError::NotWellFormed);
        }
        if parser.take(is_ours, &event)? {
            return parser.root.ok_or(DecodeError::NotWellFormed);
        }
    }
}

struct Parser<'a> {
    limits: &'a WireLimits,
    /// The elements that are open; nothing stands for one of another namespace.
    open: Vec<Option<Node>>,
    elements: usize,
    root: Option<Node>,
    /// Whether anything came yet: a declaration may only come first.
    seen: bool,
}

impl Parser<'_> {
    /// Takes one event. True at the end of the document.
    fn take(&mut self, is_ours: bool, event: &Event<'_>) -> Result<bool, DecodeError> {
        let first = !core::mem::replace(&mut self.seen, true);
        match event {
            Event::Start(tag) => self.enter(is_ours, tag)?,
            Event::Empty(tag) => {
                self.enter(is_ours, tag)?;
                self.leave();
            }
            Event::End(_) => self.leave(),
            Event::Text(text) => self.text(&text.xml10_content())?,
            Event::CData(text) if !self.open.is_empty() => self.text(&text.xml10_content())?,
            Event::GeneralRef(name) if !self.open.is_empty() => {
                let c = referenced(name)?;
                self.text(c.encode_utf8(&mut [0; 4]))?;
            }
            Event::Comment(_) => {}
            Event::Decl(declaration) if first => {
                let encoding = declaration.encoding().transpose().map_err(|_| DecodeError::NotWellFormed)?;
                let is_utf8 = |name: &str| name.eq_ignore_ascii_case("UTF-8") || name.eq_ignore_ascii_case("US-ASCII");
                if !encoding.is_none_or(|name| is_utf8(&name)) {
                    return Err(DecodeError::NotUtf8);
                }
                let version = declaration.version().map_err(|_| DecodeError::NotWellFormed)?;
                if version != "1.0" {
                    return Err(DecodeError::NotWellFormed);
                }
            }
            Event::DocType(_) | Event::PI(_) => return Err(DecodeError::Forbidden),
            Event::CData(_) | Event::GeneralRef(_) | Event::Decl(_) => return Err(DecodeError::NotWellFormed),
            Event::Eof => return if self.open.is_empty() { Ok(true) } else { Err(DecodeError::NotWellFormed) },
        }
        Ok(false)
    }

    fn enter(&mut self, is_ours: bool, tag: &BytesStart<'_>) -> Result<(), DecodeError> {
        self.elements += 1;
        if self.elements > self.limits.elements_max {
            return Err(DecodeError::TooMany);
        }
        if self.open.len() >= self.limits.depth_max {
            return Err(DecodeError::TooDeep);
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(DecodeError::NotWellFormed);
        }
        if self.open.is_empty() && !is_ours {
            return Err(DecodeError::NotDpe);
        }
        let mut attributes = Vec::new();
        for (at, attribute) in tag.attributes().enumerate() {
            if at >= self.limits.attributes_max {
                return Err(DecodeError::TooMany);
            }
            let attribute = attribute.map_err(|_| DecodeError::NotWellFormed)?;
            let value = expanded(&attribute.value)?;
            attributes.push((attribute.key.as_ref().to_owned(), value));
        }
        // What is inside a foreign element is passed over with it, whatever its namespace.
        let is_known = is_ours && self.open.last().is_none_or(Option::is_some);
        let name = tag.local_name().as_ref().to_string();
        self.open.push(is_known.then(|| Node { name, attributes, ..Node::default() }));
        Ok(())
    }

    fn leave(&mut self) {
        let Some(Some(node)) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(Some(parent)) => parent.children.push(node),
            Some(None) => {}
            None => self.root = Some(node),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), DecodeError> {
        match self.open.last_mut() {
            Some(Some(node)) => node.text.push_str(text),
            Some(None) => {}
            None if text.chars().all(is_space) => {}
            None => return Err(DecodeError::NotWellFormed),
        }
        Ok(())
    }
}

/// The character that `&name;` stands for.
fn referenced(name: &str) -> Result<char, DecodeError> {
    let number = match (name, name.strip_prefix('#')) {
        ("lt", _) => return Ok('<'),
        ("gt", _) => return Ok('>'),
        ("amp", _) => return Ok('&'),
        ("apos", _) => return Ok('\''),
        ("quot", _) => return Ok('"'),
        (_, Some(number)) => number,
        (_, None) => return Err(DecodeError::Forbidden),
    };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(DecodeError::NotWellFormed);
    }
    let code = u32::from_str_radix(digits, radix).ok();
    code.and_then(char::from_u32).filter(|c| is_xml_char(*c)).ok_or(DecodeError::BadCharacter)
}

/// An attribute's value with its references replaced.
fn expanded(text: &str) -> Result<String, DecodeError> {
    if text.contains('<') {
        return Err(DecodeError::NotWellFormed);
    }
    let mut pieces = text.split('&');
    let mut all = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, after) = piece.split_once(';').ok_or(DecodeError::NotWellFormed)?;
        all.push(referenced(name)?);
        all.push_str(after);
    }
    Ok(all)
}
