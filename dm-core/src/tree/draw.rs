//! The tree as text, for people.

use alloc::{format, string::String};
use core::fmt;

use super::{
    access::Verb,
    memory::Memory,
    node::{Kind, Node, PLAIN},
};
use crate::wire::Format;

/// How much a drawing tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Names, formats, types and access control lists: no values.
    Structure,
    /// Also the first characters of every value that its leaf would let a server read.
    Values,
}

/// A tree to be displayed; made by [`Memory::draw`].
#[derive(Clone, Copy, Debug)]
pub struct Drawing<'a> {
    tree: &'a Memory,
    show: Show,
}

/// Characters of a value that are shown.
const VALUE_CHARS: usize = 40;

impl Memory {
    /// The tree as lines of text, one for each node, indented by lines from parent to child.
    ///
    /// Behind the name stands the format of a leaf, then the type where it is not `text/plain`, then the node's own
    /// access control list in brackets and its title in parentheses. Values are shown only when asked for, shortened and with control characters
    /// escaped.
    #[must_use]
    pub const fn draw(&self, show: Show) -> Drawing<'_> {
        Drawing { tree: self, show }
    }
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(".")?;
        self.line(f, self.tree.root())?;
        self.below(f, self.tree.root(), "")
    }
}

impl Drawing<'_> {
    /// Goes as deep in calls as the tree is deep.
    fn below(&self, f: &mut fmt::Formatter<'_>, node: &Node, indent: &str) -> fmt::Result {
        let mut children = node.children().peekable();
        while let Some((name, child)) = children.next() {
            let (corner, line) = if children.peek().is_some() { ("├─ ", "│  ") } else { ("└─ ", "   ") };
            write!(f, "{indent}{corner}{name}")?;
            self.line(f, child)?;
            self.below(f, child, &format!("{indent}{line}"))?;
        }
        Ok(())
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, node: &Node) -> fmt::Result {
        if !node.is_interior() {
            write!(f, "  {}", node.format().as_str())?;
        }
        if !matches!(node.media_type(), "" | PLAIN) {
            write!(f, "  {}", node.media_type())?;
        }
        if !node.acl().is_empty() {
            write!(f, "  [{}]", node.acl())?;
        }
        if !node.title().is_empty() {
            write!(f, "  ({})", shorten(node.title()))?;
        }
        if let (Kind::Leaf { format, value }, Show::Values) = (&node.kind, self.show) {
            let text = core::str::from_utf8(value).ok().filter(|_| *format != Format::Bin);
            match text {
                _ if !node.access().admits(Verb::Get) => f.write_str(" = (hidden)")?,
                Some(text) => write!(f, " = {}", shorten(text))?,
                None => write!(f, " = ({} octets)", value.len())?,
            }
        }
        f.write_str("\n")
    }
}

/// The start of a value in quotes, and where that is not all of it how long it is.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS) {
        Some((end, _)) => format!("{:?}… ({} octets)", text.get(..end).unwrap_or_default(), text.len()),
        None => format!("{text:?}"),
    }
}
