//! The objects that describe the device.

use alloc::{
    format,
    string::{String, ToString},
};

use super::{ObjectVersion, fixed, object};
use crate::{
    limits::UriLimits,
    tree::{access::Verb, build::Builder, memory::Memory},
    wire::Format,
};

/// The values of `./DevInfo`: what every session tells the server first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevInfo {
    /// `DevId`: a globally unique URN, such as `IMEI:..` or `urn:uuid:..`.
    pub dev_id: String,
    /// `Man`: the manufacturer.
    pub manufacturer: String,
    /// `Mod`: the model.
    pub model: String,
    /// `DmV`: the version of the client, in the manufacturer's words.
    pub dm_version: String,
    /// `Lang`: a language tag of RFC 1766.
    pub language: String,
}

/// The values of `./DevDetail`. Those below `./DevDetail/URI` are not among them: they are the tree's own limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevDetail {
    /// `DevTyp`: the kind of device.
    pub device_type: String,
    /// `OEM`: the maker of the device.
    pub oem: String,
    /// `FwV`: the version of the firmware.
    pub firmware: String,
    /// `SwV`: the version of the software.
    pub software: String,
    /// `HwV`: the version of the hardware.
    pub hardware: String,
    /// `LrgObj`: whether the client takes large objects.
    pub large_objects: bool,
}

impl DevInfo {
    /// What `./DevInfo` says; nothing where there is none.
    #[must_use]
    pub fn read(tree: &Memory) -> Option<Self> {
        tree.node("./DevInfo")?;
        Some(Self {
            dev_id: text(tree, "./DevInfo/DevId"),
            manufacturer: text(tree, "./DevInfo/Man"),
            model: text(tree, "./DevInfo/Mod"),
            dm_version: text(tree, "./DevInfo/DmV"),
            language: text(tree, "./DevInfo/Lang"),
        })
    }

    pub(crate) fn build(&self, builder: Builder, version: ObjectVersion) -> Builder {
        let leaves = [
            ("DevId", &self.dev_id),
            ("Man", &self.manufacturer),
            ("Mod", &self.model),
            ("DmV", &self.dm_version),
            ("Lang", &self.language),
        ];
        let root = object(builder, "./DevInfo", version.dev_info());
        leaves.into_iter().fold(root, |builder, (name, value)| fixed(builder, &format!("./DevInfo/{name}"), value))
    }
}

impl DevDetail {
    /// What `./DevDetail` says; nothing where there is none.
    #[must_use]
    pub fn read(tree: &Memory) -> Option<Self> {
        tree.node("./DevDetail")?;
        Some(Self {
            device_type: text(tree, "./DevDetail/DevTyp"),
            oem: text(tree, "./DevDetail/OEM"),
            firmware: text(tree, "./DevDetail/FwV"),
            software: text(tree, "./DevDetail/SwV"),
            hardware: text(tree, "./DevDetail/HwV"),
            large_objects: tree.text("./DevDetail/LrgObj") == Some("true"),
        })
    }

    pub(crate) fn build(&self, builder: Builder, version: ObjectVersion, limits: UriLimits) -> Builder {
        // Where the device has no bound of its own the hard one counts, and 0 would hide it.
        let or_hard = |own: u16, hard: usize| if own == 0 { hard } else { hard.min(own.into()) }.to_string();
        let leaves = [
            ("URI/MaxDepth", &limits.depth_max.to_string()),
            ("URI/MaxTotLen", &or_hard(limits.total_chars_max, UriLimits::TOTAL_BYTES_MAX)),
            ("URI/MaxSegLen", &or_hard(limits.segment_chars_max, UriLimits::SEGMENT_BYTES_MAX)),
            ("DevTyp", &self.device_type),
            ("OEM", &self.oem),
            ("FwV", &self.firmware),
            ("SwV", &self.software),
            ("HwV", &self.hardware),
            ("LrgObj", &self.large_objects.to_string()),
        ];
        let root = object(builder, "./DevDetail", version.dev_detail());
        let root = root.interior("./DevDetail/URI").access(&[Verb::Get]).permanent();
        let all = leaves
            .into_iter()
            .fold(root, |builder, (name, value)| fixed(builder, &format!("./DevDetail/{name}"), value));
        // The leaf that was named last.
        all.format(&Format::Bool)
    }
}

fn text(tree: &Memory, uri: &str) -> String {
    tree.text(uri).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{limits::TreeLimits, tree::AccessType};

    #[test]
    fn the_objects_have_all_that_they_must_permanent_and_to_be_read_only() {
        let info = DevInfo { dev_id: "urn:uuid:1".into(), model: "M1".into(), ..DevInfo::default() };
        let detail = DevDetail { firmware: "1.0".into(), large_objects: true, ..DevDetail::default() };
        let tree = Memory::builder().dev_info(&info).dev_detail(&detail).finish().unwrap();
        let names = |uri| tree.node(uri).unwrap().children().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names("./DevInfo"), ["DevId", "DmV", "Lang", "Man", "Mod"]);
        assert_eq!(names("./DevDetail"), ["DevTyp", "FwV", "HwV", "LrgObj", "OEM", "SwV", "URI"]);
        assert_eq!(names("./DevDetail/URI"), ["MaxDepth", "MaxSegLen", "MaxTotLen"]);
        assert_eq!((DevInfo::read(&tree), DevDetail::read(&tree)), (Some(info), Some(detail)));
        assert_eq!((tree.text("./DevInfo/DevId"), tree.text("./DevInfo/Mod")), (Some("urn:uuid:1"), Some("M1")));
        assert_eq!((tree.text("./DevDetail/FwV"), tree.text("./DevDetail/LrgObj")), (Some("1.0"), Some("true")));
        assert_eq!(tree.node("./DevDetail/LrgObj").unwrap().format(), &Format::Bool);
        assert_eq!(tree.node("./DevDetail/URI/MaxDepth").unwrap().format(), &Format::Chr);
        assert_eq!(tree.node("./DevInfo").unwrap().media_type(), "urn:oma:mo:oma-dm-devinfo:1.0");
        for object in ["./DevInfo", "./DevDetail", "./DevDetail/URI"].map(|uri| tree.node(uri).unwrap()) {
            for node in object.children().map(|(_, node)| node).chain([object]) {
                assert!(node.is_permanent() && node.access() == AccessType::GET);
            }
        }
    }

    #[test]
    fn the_published_limits_are_those_of_the_tree() {
        let uri = UriLimits { depth_max: 8, total_chars_max: 127, segment_chars_max: 32 };
        let publish = |uri| {
            let tree = Memory::builder_within(TreeLimits { uri, ..TreeLimits::DEFAULT });
            let tree = tree.dev_detail(&DevDetail::default()).finish().unwrap();
            ["MaxDepth", "MaxTotLen", "MaxSegLen"]
                .map(|name| tree.text(&format!("./DevDetail/URI/{name}")).unwrap().to_string())
        };
        assert_eq!(publish(uri), ["8", "127", "32"]);
        assert_eq!(publish(UriLimits::HARD), ["0", "1024", "255"]);
    }
}
