//! Between the items of a message and the contents of a tree.

use base64::{Engine, engine::general_purpose::STANDARD};
use smol_str::SmolStr;

use crate::{
    tree::Content,
    wire::{Data, Encoding, Format, Item, Meta, chars::is_char},
};

/// What an item holds. What its own `Meta` says goes before what the command's says [DM RepPro 1.2, 6.3.3].
pub(crate) fn content_of(item: &Item, command: Option<&Meta>) -> Content {
    let said = |part: fn(&Meta) -> Option<&Meta>| item.meta.as_deref().and_then(part).or(command.and_then(part));
    let format = said(|meta| meta.format.is_some().then_some(meta)).and_then(|meta| meta.format.clone());
    let media_type = said(|meta| meta.media_type.is_some().then_some(meta)).and_then(|meta| meta.media_type.as_ref());
    Content {
        format,
        media_type: media_type.map(trimmed),
        data: item.data.as_ref().map(|data| data.as_bytes().into()),
        in_parts: None,
    }
}

/// Gives an item a content. Octets that XML cannot carry become base64 with the format that says so
/// [DM TND 1.2, 7.7.2].
pub(crate) fn fill(item: &mut Item, content: &Content, encoding: Encoding) {
    let text = content.data.as_ref().map(|data| core::str::from_utf8(data));
    let binary = content.format.as_ref().is_some_and(|format| format.meant() == Format::Bin);
    let (format, data) = match (encoding, text) {
        (_, None) => (content.format.clone(), None),
        (Encoding::Xml, Some(Ok(text))) if !binary && is_xml_text(text) => {
            (content.format.clone(), Some(Data::from(text)))
        }
        (Encoding::Xml, Some(_)) => {
            let octets = content.data.as_deref().unwrap_or_default();
            (Some(Format::B64), Some(Data::from(STANDARD.encode(octets))))
        }
        (Encoding::Wbxml, Some(Ok(text))) if !binary => (content.format.clone(), Some(Data::from(text))),
        (Encoding::Wbxml, Some(_)) => {
            let octets = content.data.as_ref().map(core_kit::Body::to_bytes).unwrap_or_default();
            (content.format.clone(), Some(Data::Opaque(octets)))
        }
    };
    item.data = data;
    if format.is_some() || content.media_type.is_some() {
        let media_type = content.media_type.clone();
        item.meta = Some(Meta { format, media_type, ..Meta::default() }.into());
    }
}

/// Real peers pad the type with white space [digest 12.4].
fn trimmed(text: &SmolStr) -> SmolStr {
    match text.trim() {
        all if all.len() == text.len() => text.clone(),
        part => part.into(),
    }
}

/// Whether XML 1.0 has all characters of the text.
pub(crate) fn is_xml_text(text: &str) -> bool {
    // Most values are printable ASCII, which is seen without a look at its characters.
    text.bytes().all(|octet| matches!(octet, b' '..=b'~')) || text.chars().all(is_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(format: Option<Format>, data: &[u8]) -> Content {
        Content { format, data: Some(data.into()), ..Content::default() }
    }

    fn filled(content: &Content, encoding: Encoding) -> Item {
        let mut item = Item::default();
        fill(&mut item, content, encoding);
        item
    }

    #[test]
    fn text_stays_text_and_octets_become_base64_in_xml() {
        let item = filled(&content(None, b"a<b"), Encoding::Xml);
        assert_eq!((item.meta, item.data), (None, Some("a<b".into())));
        for octets in [content(Some(Format::Bin), b"ab"), content(Some(Format::Chr), &[0xff]), content(None, &[0])] {
            let item = filled(&octets, Encoding::Xml);
            assert_eq!(item.meta.and_then(|meta| meta.format), Some(Format::B64));
            assert_eq!(item.data, Some(STANDARD.encode(&*octets.data.unwrap()).into()));
        }
    }

    #[test]
    fn a_text_is_one_of_xml_if_all_its_characters_are() {
        for c in ('\0'..='\u{FF}').chain(['\u{D7FF}', '\u{E000}', '\u{FFFD}', '\u{FFFE}', '\u{FFFF}', '\u{1F512}']) {
            for text in [alloc::format!("{c}"), alloc::format!("{c} ~"), alloc::format!("a{c}")] {
                assert_eq!(is_xml_text(&text), is_char(c), "{c:?}");
            }
        }
        assert!(is_xml_text("") && !is_xml_text("\u{1F}") && is_xml_text("\t\r\n\u{7F}"));
    }

    #[test]
    fn octets_are_opaque_in_wbxml() {
        let item = filled(&content(Some(Format::Bin), b"ab"), Encoding::Wbxml);
        assert_eq!(item.data, Some(Data::Opaque(bytes::Bytes::from_static(b"ab"))));
        assert_eq!(item.meta.and_then(|meta| meta.format), Some(Format::Bin));
    }

    #[test]
    fn an_items_meta_goes_before_its_commands() {
        let meta = |format, media_type: &str| Meta { format, media_type: Some(media_type.into()), ..Meta::default() };
        let mut item = Item { meta: Some(meta(None, " text/x ").into()), ..Item::target("./A") };
        let command = meta(Some(Format::Int), "text/plain");
        let found = content_of(&item, Some(&command));
        assert_eq!((found.format, found.media_type.as_deref()), (Some(Format::Int), Some("text/x")));
        item.meta = None;
        assert_eq!(content_of(&item, Some(&command)).media_type.as_deref(), Some("text/plain"));
        assert_eq!(content_of(&item, None), Content::default());
    }
}
