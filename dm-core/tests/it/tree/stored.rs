//! The stored form: one text for one tree, and nothing that is damaged becomes a tree.

use dm_core::{
    codes::StatusCode,
    ids::ServerId,
    tree::{DevDetail, DevInfo, Memory},
    wire::Format,
};

use super::{OWNER, done, exec, open, text};

fn sample() -> Memory {
    let mut tree = open()
        .dev_info(&DevInfo { dev_id: "urn:uuid:1".into(), ..DevInfo::default() })
        .dev_detail(&DevDetail::default())
        .leaf("./Run", "")
        .exec(StatusCode::ACCEPTED)
        .leaf("./Octets", [0, 0xff])
        .leaf("./a/b", "5")
        .format(&Format::Int)
        .acl("Get=a+b")
        .finish()
        .unwrap();
    assert_eq!(tree.apply_one(&ServerId::from(OWNER), &exec("./Run", text("now"))).status, StatusCode::ACCEPTED);
    tree
}

#[test]
fn a_tree_survives_the_store_with_everything_in_it() {
    let tree = sample();
    let stored = serde_json::to_string(&tree).unwrap();
    let restored: Memory = serde_json::from_str(&stored).unwrap();
    assert_eq!(restored, tree);
    assert_eq!(restored.clone().take_runs().len(), 1);
    assert_eq!(serde_json::to_string(&restored).unwrap(), stored);
}

#[test]
fn equal_trees_have_one_text_however_they_came_about() {
    let once = open().leaf("./A", "1").leaf("./B/C", "2").finish().unwrap();
    let mut again = open().leaf("./B/C", "2").leaf("./X", "9").leaf("./A", "1").finish().unwrap();
    done(&mut again, OWNER, &super::delete("./X"));
    assert_eq!((again.root().version(), again.take_changes().list.len()), (1, 1), "but for what tells of changes");
    let again: Memory =
        serde_json::from_str(&serde_json::to_string(&again).unwrap().replace(",\"version\":1", "")).unwrap();
    assert_eq!(serde_json::to_string(&once).unwrap(), serde_json::to_string(&again).unwrap());
}

#[test]
fn the_text_is_flat_and_has_parents_before_children() {
    let tree = open().leaf("./B/a", "1").leaf("./A", "x").permanent().finish().unwrap();
    let stored = serde_json::to_value(&tree).unwrap();
    let nodes = stored["v1"]["nodes"].as_array().unwrap();
    let uris: Vec<&str> = nodes.iter().map(|node| node["uri"].as_str().unwrap()).collect();
    assert_eq!(uris, [".", "./A", "./B", "./B/a"]);
    let leaf = serde_json::json!({
        "uri": "./A", "format": "chr", "type": "text/plain", "value": "x", "permanent": true,
        "access": ["Add", "Copy", "Delete", "Get", "Replace"],
    });
    assert_eq!(nodes[1], leaf);
}

#[test]
fn what_is_damaged_is_refused_and_told() {
    let good = serde_json::to_value(open().leaf("./A/B", "5").format(&Format::Int).finish().unwrap()).unwrap();
    let damaged = |pointer: &str, value: serde_json::Value| {
        let mut stored = good.clone();
        *stored.pointer_mut(pointer).unwrap() = value;
        serde_json::from_value::<Memory>(stored).unwrap_err().to_string()
    };
    let vectors = [
        ("/v1/nodes/0/uri", "./X".into(), ".: the root is not an interior node"),
        ("/v1/nodes/0/permanent", false.into(), ".: the root is not an interior node"),
        ("/v1/nodes/0/acl", "".into(), ".: the root must have an access control list"),
        ("/v1/nodes/0/acl", "Get".into(), "access control list, entry 0: unknown command"),
        ("/v1/nodes/1/uri", ".".into(), ".: the node is there already"),
        ("/v1/nodes/1/uri", "./X".into(), "./A/B: no such node"),
        ("/v1/nodes/1/uri", "/A".into(), "absolute address"),
        (
            "/v1/nodes/1/uri",
            "./A?prop=ACL".into(),
            "./A?prop=ACL: an address of a property or a list is no address of a node",
        ),
        ("/v1/nodes/1/format", "chr".into(), "./A: an interior node has no value"),
        ("/v1/nodes/2/format", "bool".into(), "./A/B: not a value of format bool"),
        ("/v1/nodes/2/format", "node".into(), "./A/B: not a value of format node"),
        ("/v1/nodes/2/format", "Int".into(), "./A/B: not a value of format Int"),
        ("/v1/nodes/2/value", "x".into(), "./A/B: not a value of format int"),
        ("/v1/nodes/2/type", "a\nb".into(), "./A/B: unusable type"),
        ("/v1/limits/nodes_max", 2.into(), "./A/B: too many nodes"),
        ("/v1/limits/value_bytes_max", 0.into(), "./A/B: value too large"),
        ("/v1/limits/tree_bytes_max", 0.into(), "./A/B: no room for the value"),
        ("/v1/limits/acl_bytes_max", 9.into(), ".: access control list too long"),
        ("/v1/limits/uri/depth_max", 1.into(), "./A/B: too many segments"),
    ];
    for (pointer, value, message) in vectors {
        assert_eq!(damaged(pointer, value), message, "{pointer}");
    }
    assert!(damaged("/v1", serde_json::json!({})).contains("missing field"));
}

#[test]
fn a_permanent_node_below_a_dynamic_one_is_refused() {
    let tree = open().leaf("./A/B", "").permanent().finish().unwrap();
    let mut stored = serde_json::to_value(tree).unwrap();
    stored["v1"]["nodes"][1]["permanent"] = false.into();
    let error = serde_json::from_value::<Memory>(stored).unwrap_err();
    assert_eq!(error.to_string(), "./A/B: a permanent node below a dynamic one");
}

#[test]
fn a_node_below_a_leaf_is_refused() {
    let tree = open().leaf("./A", "").leaf("./B/C", "").finish().unwrap();
    let mut stored = serde_json::to_value(tree).unwrap();
    stored["v1"]["nodes"].as_array_mut().unwrap().remove(2);
    stored["v1"]["nodes"][2]["uri"] = "./A/C".into();
    let error = serde_json::from_value::<Memory>(stored).unwrap_err();
    assert_eq!(error.to_string(), "./A/C: a leaf has no children");
}
