//! What may stand around the root element: a declaration, comments, white space, a document type.

use super::{Kind, chars::is_name, start_tag::Attributes};
use crate::wire::source::is_space;

/// The declaration of nearly all messages, and of those that are written here.
pub(super) const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

/// A text of which the beginning was passed over. [`Kind::Truncated`] means that the text ends too early.
pub(super) struct Prologue<'a> {
    /// What was not passed over. After an error it begins at the fault.
    pub(super) rest: &'a str,
    /// Document types that were passed over.
    pub(super) doctypes: u32,
}

impl<'a> Prologue<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, doctypes: 0 }
    }

    /// Passes over everything before the root.
    pub(super) fn pass(&mut self) -> Result<(), Kind> {
        if let Some(rest) = self.rest.strip_prefix(DECLARATION) {
            self.rest = rest;
        } else if self.rest.starts_with("<?xml") && self.rest.chars().nth(5).is_some_and(|c| is_space(c) || c == '?') {
            self.declaration()?;
        }
        self.misc()?;
        if self.rest.starts_with("<!DOCTYPE") {
            self.document_type()?;
            self.misc()?;
        }
        match self.rest.strip_prefix('<') {
            None if self.rest.is_empty() => Err(Kind::Truncated),
            // Not XML at all, most likely.
            None => Err(Kind::NotSyncMl),
            Some(rest) if rest.starts_with('?') => {
                Err(if rest.contains("?>") { Kind::ProcessingInstruction } else { Kind::Truncated })
            }
            Some(rest) if "!DOCTYPE".starts_with(rest) || "!--".starts_with(rest) => Err(Kind::Truncated),
            Some(rest) if rest.starts_with('!') => Err(Kind::NotWellFormed),
            Some(_) => Ok(()),
        }
    }

    /// Passes over white space and comments.
    pub(super) fn misc(&mut self) -> Result<(), Kind> {
        loop {
            self.rest = self.rest.trim_start_matches(is_space);
            let Some(comment) = self.rest.strip_prefix("<!--") else { return Ok(()) };
            // The first double hyphen must be the one that ends the comment.
            let (_, after) = comment.split_once("--").ok_or(Kind::Truncated)?;
            self.rest = match after.strip_prefix('>') {
                Some(rest) => rest,
                None if after.is_empty() => return Err(Kind::Truncated),
                None => return Err(Kind::NotWellFormed),
            };
        }
    }

    fn declaration(&mut self) -> Result<(), Kind> {
        let (declaration, rest) = self.rest.split_once("?>").ok_or(Kind::Truncated)?;
        let mut attributes = Attributes(declaration.strip_prefix("<?xml").unwrap_or_default());
        match attributes.next().transpose()? {
            Some(("version", version)) if version.starts_with("1.") => {}
            _ => return Err(Kind::NotWellFormed),
        }
        let mut next = attributes.next().transpose()?;
        if let Some(("encoding", encoding)) = next {
            if !["UTF-8", "UTF8", "US-ASCII"].iter().any(|known| known.eq_ignore_ascii_case(encoding)) {
                return Err(Kind::NotUtf8);
            }
            next = attributes.next().transpose()?;
        }
        if let Some(("standalone", "yes" | "no")) = next {
            next = attributes.next().transpose()?;
        }
        if next.is_some() {
            return Err(Kind::NotWellFormed);
        }
        self.rest = rest;
        Ok(())
    }

    /// Passes over a document type with an external identifier, as libwbxml writes it. The identifier is not looked
    /// at, let alone fetched.
    fn document_type(&mut self) -> Result<(), Kind> {
        let content = self.rest.strip_prefix("<!DOCTYPE").unwrap_or_default();
        let mut quote = None;
        for (at, c) in content.char_indices() {
            match (quote, c) {
                (Some(open), c) => quote = (open != c).then_some(open),
                (None, '"' | '\'') => quote = Some(c),
                (None, '[') => return Err(Kind::InternalSubset),
                (None, '<') => return Err(Kind::NotWellFormed),
                (None, '>') => {
                    let (content, rest) = content.split_at(at);
                    let name = content.trim_start_matches(is_space).split(is_space).next().unwrap_or_default();
                    if !content.starts_with(is_space) || !is_name(name) {
                        return Err(Kind::NotWellFormed);
                    }
                    self.rest = rest.strip_prefix('>').unwrap_or_default();
                    self.doctypes += 1;
                    return Ok(());
                }
                (None, _) => {}
            }
        }
        Err(Kind::Truncated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rest of `text`, and the document types before it.
    fn pass(text: &str) -> Result<(&str, u32), Kind> {
        let mut prologue = Prologue::new(text);
        prologue.pass().map(|()| (prologue.rest, prologue.doctypes))
    }

    #[test]
    fn everything_before_the_root_is_passed_over() {
        let declaration = "<?xml version='1.0' encoding=\"utf-8\" standalone = 'no' ?>";
        let doctype = "<!DOCTYPE SyncML PUBLIC \"-//SYNCML//DTD SyncML [1.2]>//EN\" 'http://x/[y]>'>";
        for (before, doctypes) in [
            ("", 0),
            (" \r\n\t<!-- - -><a> --><!---->", 0),
            (declaration, 0),
            ("<?xml version=\"1.1\"?>", 0),
            (&alloc::format!("{declaration}\n<!--x-->{doctype} <!--y-->"), 1),
            ("<!DOCTYPE a>", 1),
        ] {
            assert_eq!(pass(before), Err(Kind::Truncated), "{before}");
            assert_eq!(pass(&alloc::format!("{before}<a")), Ok(("<a", doctypes)), "{before}");
        }
    }

    #[test]
    fn what_may_not_stand_before_the_root_is_named() {
        for (text, kind) in [
            ("", Kind::Truncated),
            ("{}", Kind::NotSyncMl),
            ("\u{FEFF}<a/>", Kind::NotSyncMl),
            ("<?xml-stylesheet href='x'?><a/>", Kind::ProcessingInstruction),
            ("<?p", Kind::Truncated),
            ("<?xml version='1.0' encoding='ISO-8859-1'?><a/>", Kind::NotUtf8),
            ("<?xml version='1.0' encoding='UTF-16'?><a/>", Kind::NotUtf8),
            ("<?xml encoding='UTF-8'?><a/>", Kind::NotWellFormed),
            ("<?xml version='2.0'?><a/>", Kind::NotWellFormed),
            ("<?xml version='1.0' standalone='maybe'?><a/>", Kind::NotWellFormed),
            ("<?xml version='1.0' version='1.0'?><a/>", Kind::NotWellFormed),
            (" <?xml version='1.0'?><a/>", Kind::ProcessingInstruction),
            ("<!DOCTYPE a [<!ENTITY x 'y'>]><a/>", Kind::InternalSubset),
            ("<!DOCTYPE a SYSTEM 'x' [", Kind::InternalSubset),
            ("<!DOCTYPE><a/>", Kind::NotWellFormed),
            ("<!DOCTYPEa><a/>", Kind::NotWellFormed),
            ("<!DOCTYPE a <a/>", Kind::NotWellFormed),
            ("<!DOCTYPE a><!DOCTYPE a><a/>", Kind::NotWellFormed),
            ("<!doctype a><a/>", Kind::NotWellFormed),
            ("<!DOCTYPE a SYSTEM 'x>", Kind::Truncated),
            ("<!-- -- --><a/>", Kind::NotWellFormed),
            ("<!-- --->", Kind::NotWellFormed),
            ("<!-- -", Kind::Truncated),
            ("<!", Kind::Truncated),
        ] {
            assert_eq!(pass(text), Err(kind), "{text}");
        }
    }
}
