//! What a device tells of its own accord: client events (alert 1224) and generic alerts (alert 1226) as typed values
//! [DM 1.2, 8.7; DM RepPro 1.2, 6.6.2].

use alloc::{string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    codes::{AlertCode, StatusCode},
    session::{content_of, fill},
    tree::Content,
    wire::{Alert, Encoding, Item, Location},
};

/// An alert of a device, with one or more items that have nothing to do with each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceAlert {
    /// Which of the two.
    pub kind: AlertKind,
    /// That of the `Exec` whose end this reports; nothing for any other alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlator: Option<String>,
    /// What it says, item by item; at least one.
    pub items: Vec<AlertItem>,
}

/// Which kind of alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertKind {
    /// 1224.
    ClientEvent,
    /// 1226.
    Generic,
}

/// One item of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertItem {
    /// The node of the management object that it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What it says. The type tells what that means: see [`AlertItem::plain_type`].
    pub content: Content,
    /// Its importance; nothing stands for [`Mark::Informational`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

/// How important a generic alert is, the most important first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// `fatal`.
    Fatal,
    /// `critical`.
    Critical,
    /// `minor`.
    Minor,
    /// `warning`.
    Warning,
    /// `informational`, the default.
    Informational,
    /// `harmless`.
    Harmless,
    /// `indeterminate`.
    Indeterminate,
    /// Any other word.
    Other(String),
}

impl AlertKind {
    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> AlertCode {
        match self {
            Self::ClientEvent => AlertCode::CLIENT_EVENT,
            Self::Generic => AlertCode::GENERIC,
        }
    }

    /// The kind of a code; nothing for the alerts that are no device's news.
    #[must_use]
    pub const fn of(code: AlertCode) -> Option<Self> {
        match code {
            AlertCode::CLIENT_EVENT => Some(Self::ClientEvent),
            AlertCode::GENERIC => Some(Self::Generic),
            _ => None,
        }
    }
}

impl DeviceAlert {
    /// The alert as it is sent, its `CmdID` still to be set. A value in parts is left empty.
    #[must_use]
    pub fn to_alert(&self, encoding: Encoding) -> Alert {
        let items = self.items.iter().map(|item| item.to_item(encoding)).collect();
        Alert { items, correlator: self.correlator.clone(), ..Alert::new(self.kind.code()) }
    }
}

impl AlertItem {
    /// The type without the prefix that the standard wants and most devices leave out: `Content-Type:` or
    /// `Reversed-Domain-Name:`, and without white space around it. Empty where there is none.
    #[must_use]
    pub fn plain_type(&self) -> &str {
        let text = self.content.media_type.as_deref().unwrap_or_default().trim();
        let prefixed = text.split_once(':').filter(|(prefix, _)| {
            ["Content-Type", "Reversed-Domain-Name"].iter().any(|known| prefix.trim().eq_ignore_ascii_case(known))
        });
        prefixed.map_or(text, |(_, rest)| rest.trim())
    }

    /// The item of an alert.
    pub(crate) fn of(item: &Item) -> Self {
        Self {
            source: item.source_uri().map(String::from),
            content: content_of(item, None),
            mark: item.meta.as_ref().and_then(|meta| meta.mark.as_deref()).map(Mark::parse),
        }
    }

    /// What it lacks, as the status that says so: a generic alert has a type and data. A format may be missing
    /// [digest 12.4].
    pub(crate) fn fault(&self, kind: AlertKind) -> Option<StatusCode> {
        let has_data = self.content.data.is_some() || self.content.in_parts.is_some();
        (kind == AlertKind::Generic && (self.plain_type().is_empty() || !has_data)).then_some(StatusCode::INCOMPLETE)
    }

    pub(crate) fn to_item(&self, encoding: Encoding) -> Item {
        let mut item = Item { source: self.source.as_deref().map(Location::new), ..Item::default() };
        fill(&mut item, &self.content, encoding);
        if let Some(mark) = &self.mark {
            item.meta.get_or_insert_default().mark = Some(mark.name().into());
        }
        item
    }
}

const MARKS: [(&str, Mark); 7] = [
    ("fatal", Mark::Fatal),
    ("critical", Mark::Critical),
    ("minor", Mark::Minor),
    ("warning", Mark::Warning),
    ("informational", Mark::Informational),
    ("harmless", Mark::Harmless),
    ("indeterminate", Mark::Indeterminate),
];

impl Mark {
    /// The mark of a word, in letters of either case.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let known = MARKS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map_or_else(|| Self::Other(text.into()), |(_, mark)| mark)
    }

    /// The word on the wire.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Other(text) => text,
            known => MARKS.iter().find(|(_, mark)| mark == known).map_or("", |(name, _)| name),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Mark {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self::parse(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(media_type: &str) -> AlertItem {
        let content = Content { media_type: Some(media_type.into()), ..Content::default() };
        AlertItem { source: None, content, mark: None }
    }

    #[test]
    fn a_type_is_compared_without_its_prefix() {
        for (text, plain) in [
            ("Reversed-Domain-Name: org.example.dm.update", "org.example.dm.update"),
            ("Reversed-Domain-Name:com.example.install", "com.example.install"),
            (" content-type : text/plain ", "text/plain"),
            ("urn:oma:at:scomo:1.0", "urn:oma:at:scomo:1.0"),
            ("com.example:mdm.userrequest", "com.example:mdm.userrequest"),
            ("", ""),
        ] {
            assert_eq!(typed(text).plain_type(), plain);
        }
    }

    #[test]
    fn marks_are_ordered_by_importance_and_keep_unknown_words() {
        for pair in MARKS.windows(2) {
            assert!(pair[0].1 < pair[1].1);
        }
        for (name, mark) in MARKS {
            assert_eq!((Mark::parse(&name.to_uppercase()), mark.name()), (mark.clone(), name));
        }
        assert_eq!(Mark::parse(" odd ").name(), "odd");
    }

    #[test]
    fn an_alert_is_read_as_it_was_written() {
        let content = Content {
            format: Some(crate::wire::Format::Chr),
            media_type: Some("Reversed-Domain-Name: org.example.x".into()),
            data: Some(b"200"[..].into()),
            in_parts: None,
        };
        let item = AlertItem { source: Some("./A".into()), content, mark: Some(Mark::Warning) };
        let alert = DeviceAlert { kind: AlertKind::Generic, correlator: Some("j".into()), items: [item].into() };
        let written = alert.to_alert(Encoding::Xml);
        assert_eq!((written.code, written.correlator.as_deref()), (Some(AlertCode::GENERIC), Some("j")));
        assert_eq!(written.items.iter().map(AlertItem::of).collect::<Vec<_>>(), alert.items);
        assert_eq!(alert.items[0].fault(AlertKind::Generic), None);
        assert_eq!(typed("x").fault(AlertKind::Generic), Some(StatusCode::INCOMPLETE));
        assert_eq!(typed("").fault(AlertKind::ClientEvent), None);
    }
}
