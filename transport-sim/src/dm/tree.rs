//! What the trees of simulated devices have in common.

use dm_core::{
    codes::StatusCode,
    tree::{Builder, Verb},
    wire::Format,
};

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
