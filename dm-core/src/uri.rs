//! Addresses of nodes: parsed, bounded, and spelled in one way.

use alloc::string::{String, ToString};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use smol_str::{SmolStr, format_smolstr};

use crate::{codes::StatusCode, limits::UriLimits};

/// The address of a node, relative to the root of the tree [DM TND 1.2, 5].
///
/// `./A/B` and `A/B` are the same address; the first is how it is displayed. The root is `.`. Names are compared
/// octet by octet: letters count in their case, and a percent escape is not the character that it stands for.
///
/// ```
/// use dm_core::{limits::UriLimits, uri::{LocUri, Suffix}};
///
/// let uri = LocUri::parse("DevInfo/Man?prop=ACL", UriLimits::DEFAULT)?;
/// assert_eq!(uri.to_string(), "./DevInfo/Man?prop=ACL");
/// assert_eq!(uri.name(), Some("Man"));
/// assert_eq!(uri.suffix(), Some(&Suffix::Prop("ACL".into())));
/// # Ok::<(), dm_core::uri::UriError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocUri {
    /// The segments joined by `/`; nothing for the root. Copies share it.
    path: SmolStr,
    suffix: Option<Suffix>,
}

/// What an address asks for instead of the node itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suffix {
    /// `?prop=`: the property of this name [DM TND 1.2, 7]. Whether there is one is for the tree to say.
    Prop(String),
    /// `?list=`: the sub-tree, in this form [DM TND 1.2, 8].
    List(String),
}

/// Why text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UriError {
    /// The address is longer than `MaxTotLen`, or than [`UriLimits::TOTAL_BYTES_MAX`].
    #[error("address too long")]
    TooLong,
    /// The address has more segments than `MaxDepth`.
    #[error("too many segments")]
    TooDeep,
    /// A segment is longer than `MaxSegLen`, or than [`UriLimits::SEGMENT_BYTES_MAX`].
    #[error("segment too long")]
    SegmentTooLong,
    /// There is no text before the suffix; the root is `.`.
    #[error("empty address")]
    Empty,
    /// The address starts with `/` or with a scheme. After `./` a colon is as good as any other character.
    #[error("absolute address")]
    Absolute,
    /// Two slashes in a row, or one at the end.
    #[error("empty segment")]
    EmptySegment,
    /// `..` anywhere, or `.` after the start.
    #[error("segment of dots")]
    DotSegment,
    /// A control character.
    #[error("control character")]
    Control,
    /// A name with `/` or `?` in it; only where a name stands alone.
    #[error("name with a separator")]
    Separator,
    /// A `?` that neither `prop=` nor `list=` follows, with one word behind it.
    #[error("unknown suffix")]
    UnknownSuffix,
}

impl UriError {
    /// What a command with such an address is answered with: 414 for what is too long or too deep, 404 for the rest,
    /// since no node has that address [digest 6.6].
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::TooLong | Self::TooDeep | Self::SegmentTooLong => StatusCode::URI_TOO_LONG,
            Self::Empty
            | Self::Absolute
            | Self::EmptySegment
            | Self::DotSegment
            | Self::Control
            | Self::Separator
            | Self::UnknownSuffix => StatusCode::NOT_FOUND,
        }
    }
}

impl LocUri {
    /// The root.
    #[must_use]
    pub const fn root() -> Self {
        Self { path: SmolStr::new_static(""), suffix: None }
    }

    /// Reads an address as a server writes it.
    ///
    /// # Errors
    /// The text is not a relative address within `limits`.
    pub fn parse(text: &str, limits: UriLimits) -> Result<Self, UriError> {
        let counted = text.strip_prefix("./").unwrap_or(text);
        let octets = counted.len();
        // There are never more characters than octets, so most addresses need not be counted.
        if !limits.admits_total(octets, octets) && !limits.admits_total(octets, counted.chars().count()) {
            return Err(UriError::TooLong);
        }
        let suffix_at = text.bytes().position(|octet| octet == b'?').unwrap_or(text.len());
        let (address, suffix) = match text.split_at_checked(suffix_at) {
            Some((address, suffix)) if !suffix.is_empty() => {
                (address, Some(Suffix::parse(suffix.get(1..).unwrap_or_default())?))
            }
            _ => (text, None),
        };
        let path = match address {
            "" => return Err(UriError::Empty),
            "." => "",
            _ => match address.strip_prefix("./") {
                Some(path) => check_path(path, limits)?,
                None if is_absolute(address) => return Err(UriError::Absolute),
                None => check_path(address, limits)?,
            },
        };
        Ok(Self { path: path.into(), suffix })
    }

    /// Whether this is the root, with or without a suffix.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.path.is_empty()
    }

    /// The names on the way from the root to the node.
    #[must_use]
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        Segments(&self.path)
    }

    /// The node's own name; the root has none.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.segments().next_back()
    }

    /// The address of the parent, without suffix; the root has none.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        (!self.is_root()).then(|| self.ancestor(1))
    }

    /// Octets and characters of the address without suffix, as [`UriLimits::admits_total`] counts them.
    pub(crate) fn length(&self) -> (usize, usize) {
        (self.path.len(), self.path.chars().count())
    }

    /// What is asked for instead of the node itself.
    #[must_use]
    pub const fn suffix(&self) -> Option<&Suffix> {
        self.suffix.as_ref()
    }

    /// The address of the node's child of that name.
    ///
    /// # Errors
    /// It is no name, or the address would be beyond `limits`.
    pub fn child(&self, name: &str, limits: UriLimits) -> Result<Self, UriError> {
        check_name(name, limits)?;
        let child = self.join(name);
        let (octets, chars) = child.length();
        if !limits.admits_total(octets, chars) {
            return Err(UriError::TooLong);
        }
        if !limits.admits_depth(child.segments().count()) {
            return Err(UriError::TooDeep);
        }
        Ok(child)
    }

    /// The address without its suffix, and that.
    pub(crate) fn split(self) -> (Self, Option<Suffix>) {
        (Self { path: self.path, suffix: None }, self.suffix)
    }

    /// The address of the node so many levels above, without suffix; at most the root.
    pub(crate) fn ancestor(&self, levels: usize) -> Self {
        let mut path = Segments(&self.path);
        path.by_ref().rev().take(levels).for_each(drop);
        Self { path: if levels == 0 { self.path.clone() } else { path.0.into() }, suffix: None }
    }

    /// The address of a child that is there.
    pub(crate) fn join(&self, name: &str) -> Self {
        let path = if self.is_root() { name.into() } else { format_smolstr!("{}/{name}", self.path) };
        Self { path, suffix: None }
    }
}

/// What is left of a path whose segments are taken from either end. `str::split` searches as it would in a long text,
/// which is most of the work where a segment has a few letters.
#[derive(Clone)]
struct Segments<'a>(&'a str);

impl<'a> Iterator for Segments<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let end = self.0.bytes().position(|octet| octet == b'/').unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..).unwrap_or_default();
        (!name.is_empty()).then_some(name)
    }
}

impl DoubleEndedIterator for Segments<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let start = self.0.bytes().rposition(|octet| octet == b'/').map_or(0, |slash| slash + 1);
        let (rest, name) = self.0.split_at_checked(start)?;
        self.0 = rest.get(..start.saturating_sub(1)).unwrap_or_default();
        (!name.is_empty()).then_some(name)
    }
}

impl Suffix {
    fn parse(text: &str) -> Result<Self, UriError> {
        let (kind, word) = text.split_once('=').ok_or(UriError::UnknownSuffix)?;
        let is_word = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-'));
        match kind {
            "prop" if is_word => Ok(Self::Prop(word.into())),
            "list" if is_word => Ok(Self::List(word.into())),
            _ => Err(UriError::UnknownSuffix),
        }
    }
}

/// Checks that text can be the name of a node: one segment.
///
/// # Errors
/// It cannot, or is beyond `limits`.
pub fn check_name(name: &str, limits: UriLimits) -> Result<(), UriError> {
    if !limits.admits_segment(name.len(), name.chars().count()) {
        return Err(UriError::SegmentTooLong);
    }
    match name {
        "" => Err(UriError::EmptySegment),
        "." | ".." => Err(UriError::DotSegment),
        _ if name.contains(char::is_control) => Err(UriError::Control),
        _ if name.contains(['/', '?']) => Err(UriError::Separator),
        _ => Ok(()),
    }
}

fn check_path(path: &str, limits: UriLimits) -> Result<&str, UriError> {
    if !limits.admits_depth(1 + path.bytes().filter(|octet| *octet == b'/').count()) {
        return Err(UriError::TooDeep);
    }
    // Nearly every address is of printable ASCII: then an octet is a character, and what is left to look at are lengths
    // and dots. That costs a fifth of looking at the characters.
    if path.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        path.as_bytes().split(|octet| *octet == b'/').try_for_each(|name| check_printable(name, limits))?;
    } else {
        path.split('/').try_for_each(|name| check_name(name, limits))?;
    }
    Ok(path)
}

/// The same as [`check_name`], of printable ASCII without separators.
fn check_printable(name: &[u8], limits: UriLimits) -> Result<(), UriError> {
    match name {
        _ if !limits.admits_segment(name.len(), name.len()) => Err(UriError::SegmentTooLong),
        b"" => Err(UriError::EmptySegment),
        b"." | b".." => Err(UriError::DotSegment),
        _ => Ok(()),
    }
}

/// Whether a reader of RFC 2396 would not take the text for a relative reference.
fn is_absolute(address: &str) -> bool {
    let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme);
    let mut letters = scheme.chars();
    address.starts_with('/')
        || letters.next().is_some_and(|c| c.is_ascii_alphabetic())
            && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prop(name) => write!(f, "?prop={name}"),
            Self::List(attribute) => write!(f, "?list={attribute}"),
        }
    }
}

/// The one spelling: `.` for the root, and `./` before everything else.
impl fmt::Display for LocUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(".")?;
        if !self.is_root() {
            write!(f, "/{}", self.path)?;
        }
        self.suffix.as_ref().map_or(Ok(()), |suffix| suffix.fmt(f))
    }
}

/// Within [`UriLimits::HARD`].
impl FromStr for LocUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text, UriLimits::HARD)
    }
}

impl Serialize for LocUri {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for LocUri {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        let spellings = [
            (".", "."),
            ("A", "./A"),
            ("./A", "./A"),
            ("A/B", "./A/B"),
            ("./Vendor/.hidden/a..b", "./Vendor/.hidden/a..b"),
            ("./urn:x/A", "./urn:x/A"),
            ("./A%20B/é c", "./A%20B/é c"),
            (".?prop=ACL", ".?prop=ACL"),
            ("A?prop=Title", "./A?prop=Title"),
            ("./A/B?list=TNDS+Value-ACL", "./A/B?list=TNDS+Value-ACL"),
        ];
        for (text, shown) in spellings {
            let uri: LocUri = text.parse().unwrap();
            assert_eq!(uri.to_string(), shown);
            assert_eq!(shown.parse(), Ok(uri), "{shown}");
        }
        assert_eq!("./A/B".parse::<LocUri>(), "A/B".parse());
        assert_ne!("./A/b".parse::<LocUri>(), "./A/B".parse(), "letters count in their case");
    }

    #[test]
    fn what_is_no_address_is_answered_with_404() {
        let vectors = [
            ("", UriError::Empty),
            ("?prop=ACL", UriError::Empty),
            ("/", UriError::Absolute),
            ("/A", UriError::Absolute),
            ("http://example.com/A", UriError::Absolute),
            ("urn:x", UriError::Absolute),
            ("./", UriError::EmptySegment),
            ("./A/", UriError::EmptySegment),
            ("A//B", UriError::EmptySegment),
            (".//A", UriError::EmptySegment),
            ("..", UriError::DotSegment),
            ("../A", UriError::DotSegment),
            ("./A/../B", UriError::DotSegment),
            ("././A", UriError::DotSegment),
            ("A/.", UriError::DotSegment),
            ("A\n", UriError::Control),
            ("A\u{0}", UriError::Control),
            ("A?", UriError::UnknownSuffix),
            ("A?prop", UriError::UnknownSuffix),
            ("A?prop=", UriError::UnknownSuffix),
            ("A?Prop=ACL", UriError::UnknownSuffix),
            ("A?prop=ACL&list=TNDS", UriError::UnknownSuffix),
            ("A?prop=ACL/B", UriError::UnknownSuffix),
            ("A?x=y", UriError::UnknownSuffix),
        ];
        for (text, error) in vectors {
            assert_eq!(text.parse::<LocUri>(), Err(error), "{text:?}");
            assert_eq!(error.status(), StatusCode::NOT_FOUND, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_or_too_deep_is_answered_with_414() {
        let limits = UriLimits { depth_max: 3, total_chars_max: 12, segment_chars_max: 5 };
        for text in ["./a/b/c", "./aaaaa", "./ééééé", "./aaaaa/bbbbb/", "./aaaaa/bbbbb", "./aaa?prop=AC"] {
            let parsed = LocUri::parse(text, limits);
            assert!(!matches!(parsed, Err(error) if error.status() == StatusCode::URI_TOO_LONG), "{text}: {parsed:?}");
        }
        let beyond = [
            ("./a/b/c/d", UriError::TooDeep),
            ("./aaaaaa", UriError::SegmentTooLong),
            ("./aaaaa/bbbbb/cc", UriError::TooLong),
            ("./aaaa?prop=ACL", UriError::TooLong),
        ];
        for (text, error) in beyond {
            assert_eq!(LocUri::parse(text, limits), Err(error), "{text}");
            assert_eq!(error.status(), StatusCode::URI_TOO_LONG);
        }
    }

    #[test]
    fn a_device_without_bounds_has_the_hard_ones() {
        let deep = |segments: usize| alloc::vec!["a"; segments].join("/");
        assert_eq!(LocUri::parse(&deep(512), UriLimits::HARD).unwrap().segments().count(), 512);
        assert_eq!(LocUri::parse(&deep(513), UriLimits::HARD), Err(UriError::TooLong));
        assert_eq!(LocUri::parse(&"é".repeat(127), UriLimits::HARD).map(|_| ()), Ok(()));
        assert_eq!(LocUri::parse(&"é".repeat(128), UriLimits::HARD), Err(UriError::SegmentTooLong));
    }

    #[test]
    fn an_address_knows_its_name_its_parent_and_its_children() {
        let uri: LocUri = "./A/B?prop=Name".parse().unwrap();
        assert_eq!(uri.segments().collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!((uri.name(), uri.parent().unwrap().to_string()), (Some("B"), "./A".into()));
        let root = uri.parent().unwrap().parent().unwrap();
        assert_eq!((root.clone(), root.name(), root.parent()), (LocUri::root(), None, None));
        assert_eq!(root.child("X", UriLimits::DEFAULT).unwrap().to_string(), "./X");
        assert_eq!(uri.child("C", UriLimits::DEFAULT).unwrap().to_string(), "./A/B/C");
        let limits = UriLimits { depth_max: 2, ..UriLimits::DEFAULT };
        let refused = [("C", UriError::TooDeep), ("a/b", UriError::Separator), ("a?b", UriError::Separator)];
        for (name, error) in refused {
            assert_eq!(uri.child(name, limits), Err(error));
        }
        let limits = UriLimits { total_chars_max: 4, ..UriLimits::DEFAULT };
        assert_eq!(uri.child("C2", limits), Err(UriError::TooLong));
    }

    #[cfg(feature = "std")]
    #[test]
    fn an_address_is_stored_as_its_text() {
        let uri: LocUri = "A/B?prop=ACL".parse().unwrap();
        let json = serde_json::to_string(&uri).unwrap();
        assert_eq!(json, r#""./A/B?prop=ACL""#);
        assert_eq!(serde_json::from_str::<LocUri>(&json).unwrap(), uri);
        assert!(serde_json::from_str::<LocUri>(r#""/A""#).is_err());
    }
}
