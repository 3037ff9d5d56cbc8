//! Serialised sub-trees, written.

use alloc::{string::String, vec::Vec};

use super::{Document, Part, Tag, TndsEncoding, element::Sink};
use crate::wire::Format;

/// How deep nodes are nested. What is deeper stands beside them, with its way spelled out.
const NESTING_MAX: usize = 24;

impl Document {
    /// The document in an encoding; nothing where this build has no such encoding, or where a value is text that the
    /// encoding cannot hold.
    #[must_use]
    pub fn encode(&self, encoding: TndsEncoding) -> Option<Vec<u8>> {
        match encoding {
            #[cfg(feature = "xml")]
            TndsEncoding::Xml => {
                let mut sink = super::xml::XmlSink::default();
                self.write(&mut sink)?;
                Some(sink.into_bytes())
            }
            #[cfg(feature = "wbxml")]
            TndsEncoding::Wbxml => {
                let mut sink = super::wbxml::WbxmlSink::default();
                self.write(&mut sink)?;
                Some(sink.into_bytes())
            }
            #[cfg(not(all(feature = "xml", feature = "wbxml")))]
            _ => None,
        }
    }

    /// The encoding that a `Get` is answered in, the format that goes with it, and the document.
    pub(crate) fn serialise(&self) -> Option<(Format, &'static str, Vec<u8>)> {
        let encodings = [(Format::Xml, TndsEncoding::Xml), (Format::Bin, TndsEncoding::Wbxml)];
        encodings
            .into_iter()
            .find_map(|(format, encoding)| Some((format, encoding.media_type(), self.encode(encoding)?)))
    }

    fn write(&self, sink: &mut impl Sink) -> Option<()> {
        sink.open(Tag::MgmtTree);
        sink.leaf(Tag::VerDtd, "1.2")?;
        for (tag, text) in [(Tag::Man, &self.manufacturer), (Tag::Mod, &self.model)] {
            if let Some(text) = text {
                sink.leaf(tag, text)?;
            }
        }
        // The nodes that are open: each part goes into the innermost that is above it.
        let mut open: Vec<&[String]> = Vec::new();
        for part in &self.parts {
            while open.last().is_some_and(|above| !is_below(&part.path, above)) || open.len() >= NESTING_MAX {
                open.pop();
                sink.close();
            }
            let inside = open.last().map_or(0, |above| above.len());
            write_part(sink, part, inside)?;
            if part.is_interior {
                open.push(&part.path);
            } else {
                sink.close();
            }
        }
        for _ in open {
            sink.close();
        }
        sink.close();
        Some(())
    }
}

fn is_below(path: &[String], above: &[String]) -> bool {
    path.len() > above.len() && path.starts_with(above)
}

/// Writes what a node is, and leaves it open. The first `inside` names of its path are those of the nodes around it.
fn write_part(sink: &mut impl Sink, part: &Part, inside: usize) -> Option<()> {
    sink.open(Tag::Node);
    let (name, way) = match part.path.get(inside..).unwrap_or_default() {
        [] => ("", &[][..]),
        [way @ .., name] => (name.as_str(), way),
    };
    sink.leaf(Tag::NodeName, name)?;
    if !way.is_empty() {
        sink.leaf(Tag::Path, &way.join("/"))?;
    }
    write_properties(sink, part)?;
    if let Some(value) = part.value.as_deref() {
        sink.open(Tag::Value);
        match core::str::from_utf8(value) {
            Ok(text) if part.format != Some(Format::Bin) => sink.text(text)?,
            _ => sink.octets(value),
        }
        sink.close();
    }
    Some(())
}

fn write_properties(sink: &mut impl Sink, part: &Part) -> Option<()> {
    let before = [(Tag::Acl, &part.acl)];
    let middle =
        [(Tag::Name, &part.name), (Tag::Size, &part.size), (Tag::Title, &part.title), (Tag::TStamp, &part.stamp)];
    let after = [(Tag::VerNo, &part.version)];
    let format = part.format.as_ref().and_then(|format| Tag::from_name(format.as_str()));
    let is_silent = before.iter().chain(&middle).chain(&after).all(|(_, text)| text.is_none());
    if is_silent && format.is_none() && part.media_type.is_none() {
        return Some(());
    }
    let leaves = |sink: &mut _, leaves: &[(Tag, &Option<String>)]| {
        leaves.iter().try_for_each(|(tag, text)| text.as_ref().map_or(Some(()), |text| Sink::leaf(sink, *tag, text)))
    };
    sink.open(Tag::RtProperties);
    leaves(sink, &before)?;
    if let Some(format) = format {
        sink.open(Tag::Format);
        sink.empty(format);
        sink.close();
    }
    leaves(sink, &middle)?;
    if let Some(media_type) = &part.media_type {
        sink.open(Tag::Type);
        sink.leaf(if part.is_interior { Tag::DdfName } else { Tag::Mime }, media_type)?;
        sink.close();
    }
    leaves(sink, &after)?;
    sink.close();
    Some(())
}
