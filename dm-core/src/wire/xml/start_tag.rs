//! Start tags: names, attributes, and the namespaces that they bind.

use alloc::vec::Vec;

use super::{
    Kind, METINF, SYNCML_1_1, SYNCML_1_2,
    chars::{expanded, is_name},
};
use crate::wire::{Page, source::is_space};

/// `prefix:local`, or `local` with an empty prefix; nothing for what is no such name.
pub(crate) fn qualified(name: &str) -> Option<(&str, &str)> {
    if !is_name(name) {
        return None;
    }
    match name.split_once(':') {
        None => Some(("", name)),
        Some((prefix, local)) => {
            (!prefix.is_empty() && !local.contains(':') && is_name(local)).then_some((prefix, local))
        }
    }
}

/// The attributes of a tag as they are written, strictly: each after white space, each with a quoted value.
pub(crate) struct Attributes<'a>(pub(crate) &'a str);

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(&'a str, &'a str), Kind>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_start_matches(is_space);
        if rest.is_empty() {
            return None;
        }
        let follows_space = rest.len() < self.0.len();
        let Some((name, value, rest)) = split_attribute(rest).filter(|_| follows_space) else {
            self.0 = "";
            return Some(Err(Kind::NotWellFormed));
        };
        self.0 = rest;
        Some(Ok((name, value)))
    }
}

/// The first attribute of `text`, and what follows it.
fn split_attribute(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let rest = rest.trim_start_matches(is_space);
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (value, rest) = rest.strip_prefix(quote)?.split_once(quote)?;
    (!value.contains('<')).then_some((name.trim_end_matches(is_space), value, rest))
}

/// What a namespace is to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// That of SyncML, in either version.
    SyncMl,
    /// That of MetInf.
    MetInf,
    /// No namespace.
    None,
    /// Any other.
    Foreign,
}

impl Space {
    fn named(uri: &str) -> Self {
        match uri {
            SYNCML_1_2 | SYNCML_1_1 => Self::SyncMl,
            METINF => Self::MetInf,
            "" => Self::None,
            _ => Self::Foreign,
        }
    }

    pub(super) const fn of(page: Page) -> Self {
        match page {
            Page::SyncMl => Self::SyncMl,
            Page::MetInf => Self::MetInf,
        }
    }
}

/// The prefixes that mean something, innermost binding last. The default namespace has the empty prefix.
pub(super) struct Namespaces<'a> {
    bindings: Vec<Binding<'a>>,
    /// The namespace of an element without a prefix, which nearly all are.
    default: Space,
}

impl Default for Namespaces<'_> {
    fn default() -> Self {
        Self { bindings: Vec::new(), default: Space::None }
    }
}

struct Binding<'a> {
    depth: usize,
    prefix: &'a str,
    space: Space,
    /// What was the namespace without a prefix before.
    outer_default: Space,
}

impl<'a> Namespaces<'a> {
    /// Bindings in scope at once. Messages have two or three; every name is looked up through all of them.
    const BINDINGS_MAX: usize = 64;

    /// Forgets the bindings of elements at `depth` and deeper, which are closed when another one opens there.
    #[inline]
    pub(super) fn enter(&mut self, depth: usize) {
        while let Some(binding) = self.bindings.pop_if(|binding| binding.depth >= depth) {
            self.default = binding.outer_default;
        }
    }

    /// Takes an attribute of the element at `depth` if it is a declaration; says whether it is.
    pub(super) fn declare(&mut self, depth: usize, prefix: &'a str, local: &'a str, value: &str) -> Result<bool, Kind> {
        let declared = match (prefix, local) {
            ("", "xmlns") => "",
            ("xmlns", prefix) => prefix,
            _ => return Ok(false),
        };
        let space = Space::named(&expanded(value)?);
        // A prefix cannot be unbound [Namespaces in XML 1.0, 5], and nobody may bind this one.
        if declared == "xmlns" || (space == Space::None && !declared.is_empty()) {
            return Err(Kind::NotWellFormed);
        }
        self.bind(depth, declared, space).map(|()| true)
    }

    /// Binds a prefix in the element at `depth`.
    #[inline]
    pub(super) fn bind(&mut self, depth: usize, prefix: &'a str, space: Space) -> Result<(), Kind> {
        if self.bindings.len() >= Self::BINDINGS_MAX {
            return Err(Kind::TooManyAttributes);
        }
        self.bindings.push(Binding { depth, prefix, space, outer_default: self.default });
        if prefix.is_empty() {
            self.default = space;
        }
        Ok(())
    }

    /// The namespace of an element with this prefix. A prefix that nobody bound is foreign.
    #[inline]
    pub(super) fn of(&self, prefix: &str) -> Space {
        if prefix.is_empty() { self.default } else { self.innermost(prefix).unwrap_or(Space::Foreign) }
    }

    fn innermost(&self, prefix: &str) -> Option<Space> {
        self.bindings.iter().rev().find(|binding| binding.prefix == prefix).map(|binding| binding.space)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qualified_name_has_one_colon_at_most() {
        assert_eq!(qualified("Type"), Some(("", "Type")));
        assert_eq!(qualified("mi:Type"), Some(("mi", "Type")));
        for name in ["", ":", "a:", ":a", "a:b:c", "a:1", "1:a", "a b"] {
            assert_eq!(qualified(name), None, "{name}");
        }
    }

    #[test]
    fn attributes_are_read_as_the_grammar_has_them() {
        let all: Result<Vec<_>, _> = Attributes(" a=\"1\"\n b = 'x\"y'\t").collect();
        assert_eq!(all, Ok(alloc::vec![("a", "1"), ("b", "x\"y")]));
        for bad in ["a=\"1\"", " a", " a=", " a=1", " a=\"1", " a=\"1\"b=\"2\"", " a=\"<\"", " \"1\""] {
            assert_eq!(Attributes(bad).find_map(Result::err), Some(Kind::NotWellFormed), "{bad}");
        }
    }

    #[test]
    fn a_binding_ends_with_its_element() -> Result<(), Kind> {
        let mut namespaces = Namespaces::default();
        namespaces.enter(1);
        assert!(namespaces.declare(1, "", "xmlns", "SYNCML:SYNCML1.2")?);
        namespaces.enter(2);
        assert!(namespaces.declare(2, "", "xmlns", "syncml:metinf")?);
        assert!(namespaces.declare(2, "xmlns", "v", "urn:x")?);
        assert!(!namespaces.declare(2, "v", "attribute", "1")?);
        assert_eq!((namespaces.of(""), namespaces.of("v")), (Space::MetInf, Space::Foreign));
        namespaces.enter(2);
        assert_eq!((namespaces.of(""), namespaces.of("v")), (Space::SyncMl, Space::Foreign));
        namespaces.enter(1);
        assert_eq!(namespaces.of(""), Space::None);
        Ok(())
    }

    #[test]
    fn a_declaration_may_use_references_but_not_unbind_a_prefix() {
        let mut namespaces = Namespaces::default();
        assert_eq!(namespaces.declare(1, "", "xmlns", "syncml&#58;metinf"), Ok(true));
        assert_eq!(namespaces.of(""), Space::MetInf);
        assert_eq!(namespaces.declare(1, "xmlns", "p", ""), Err(Kind::NotWellFormed));
        assert_eq!(namespaces.declare(1, "xmlns", "xmlns", "urn:x"), Err(Kind::NotWellFormed));
    }

    #[test]
    fn bindings_are_bounded_over_all_depths() {
        let mut namespaces = Namespaces::default();
        let refused = (1..1000).map(|depth| namespaces.declare(depth, "xmlns", "p", "urn:x")).find_map(Result::err);
        assert_eq!((refused, namespaces.bindings.len()), (Some(Kind::TooManyAttributes), 64));
    }
}
