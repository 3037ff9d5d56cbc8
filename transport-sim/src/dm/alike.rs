//! What simulated devices have in common, whichever scenario they are of.

use core_kit::Body;
use dm_core::{
    alert::{AlertItem, AlertKind, DeviceAlert},
    client::NewAlert,
    codes::StatusCode,
    tree::{Builder, Content, DevInfo, Verb},
    wire::Format,
};

/// What `./DevInfo` says of a device.
pub(super) fn dev_info(id: &str, model: &str) -> DevInfo {
    DevInfo {
        dev_id: id.into(),
        manufacturer: "Example".into(),
        model: model.into(),
        dm_version: "1.2".into(),
        language: "en".into(),
    }
}

/// `./Sim` with a node of every kind that orders may meet: `./Sim/Value` to be written, `Run` and `Later` to be executed at
/// once and after a while, `Secret` that nobody may read, `Fixed` that cannot be deleted, `ReadOnly`, and `Number`. The
/// server of this identifier may do everything, and any other may read.
pub(super) fn with_sim(tree: Builder, server: &str) -> Builder {
    tree.interior("./Sim")
        .acl(&format!("Add={server}&Delete={server}&Get=*&Replace={server}&Exec={server}"))
        .leaf("./Sim/Value", "0")
        .leaf("./Sim/Run", "")
        .exec(StatusCode::OK)
        .leaf("./Sim/Later", "")
        .exec(StatusCode::ACCEPTED)
        .leaf("./Sim/Secret", "hidden")
        .acl(&format!("Replace={server}"))
        .leaf("./Sim/Fixed", "stays")
        .permanent()
        .leaf("./Sim/ReadOnly", "as it is")
        .access(&[Verb::Get])
        .leaf("./Sim/Number", "5")
        .format(&Format::Int)
}

/// An alert of a device, of this label: of an event, or a generic one.
pub(super) fn alert(label: &str, event: bool) -> NewAlert {
    let kind = if event { AlertKind::ClientEvent } else { AlertKind::Generic };
    let content = Content {
        format: Some(Format::Chr),
        media_type: Some("com.example.sim.alert".into()),
        data: Some(Body::from(&b"something happened"[..])),
        in_parts: None,
    };
    let item = AlertItem { source: Some("./Sim/Value".into()), content, mark: None };
    NewAlert { tag: label.into(), alert: DeviceAlert { kind, correlator: None, items: vec![item] } }
}
