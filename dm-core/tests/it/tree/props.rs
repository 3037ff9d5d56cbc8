//! What holds after any operations of anybody.

use std::collections::BTreeSet;

use dm_core::{
    ids::ServerId,
    limits::{TreeLimits, UriLimits},
    tree::{Content, Memory, Node, Op, Verb},
    wire::Format,
};
use proptest::prelude::*;

const LIMITS: TreeLimits = TreeLimits {
    uri: UriLimits { depth_max: 4, total_chars_max: 24, segment_chars_max: 6 },
    nodes_max: 14,
    value_bytes_max: 12,
    tree_bytes_max: 40,
    acl_bytes_max: 48,
    type_bytes_max: 24,
    runs_max: 3,
    undo_max: 16,
    list_nodes_max: 8,
    changes_max: 4,
};

/// Small enough that operations meet, with something of everything in it.
fn start() -> Memory {
    Memory::builder_within(LIMITS)
        .at(".")
        .acl("Add=*&Delete=a+b&Exec=a&Get=*&Replace=a+b")
        .leaf("./P/A", "5")
        .format(&Format::Int)
        .permanent()
        .leaf("./B", "x")
        .access(&[Verb::Get, Verb::Copy])
        .leaf("./C", [0xff])
        .leaf("./R", "")
        .exec(dm_core::codes::StatusCode::OK)
        .interior("./P/C")
        .acl("Add=b&Get=b&Replace=b")
        .finish()
        .unwrap()
}

/// Addresses that mostly meet: few names, short ways, now and then something else.
fn uri() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        40 => prop::sample::select(vec!["A", "B", "C", "P", "R"]),
        3 => prop::sample::select(vec!["longer", "é"]),
        1 => prop::sample::select(vec!["toolong", "..", ""]),
    ];
    let path = prop_oneof![
        20 => prop::collection::vec(name.clone(), 1..4),
        1 => prop::collection::vec(name, 0..6),
    ];
    let suffix = prop_oneof![
        20 => Just(""),
        8 => prop::sample::select(vec!["?prop=ACL", "?prop=Name", "?prop=Size"]),
        1 => prop::sample::select(vec!["?list=TNDS", "?prop=Title", "?"]),
    ];
    (path, suffix).prop_map(|(path, suffix)| {
        let path = if path.is_empty() { ".".to_owned() } else { path.join("/") };
        format!("{path}{suffix}")
    })
}

fn content() -> impl Strategy<Value = Content> {
    let format = prop_oneof![
        6 => Just(""),
        3 => Just("node"),
        3 => prop::sample::select(vec!["int", "b64", "bin", "null", "Chr", "none"]),
    ];
    let media_type = prop_oneof![
        12 => Just(None),
        3 => prop::sample::select(vec![Some("text/plain"), Some("urn:x"), Some("\u{7}")]),
    ];
    let words =
        ["", "5", "A", "B", "longer", "AP8=", "Get=*", "Add=*&Get=*&Replace=*", "Get=b", "Add=", "much too long"];
    let data = prop_oneof![
        4 => prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..14),
    ];
    (format, media_type, prop::option::weighted(0.7, data)).prop_map(|(format, media_type, data)| Content {
        format: (!format.is_empty()).then(|| Format::parse(format)),
        media_type: media_type.map(Into::into),
        data: data.map(Into::into),
        in_parts: None,
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => uri().prop_map(|uri| Op::Get { uri: uri.into() }),
        4 => (uri(), content()).prop_map(|(uri, content)| Op::Add { uri: uri.into(), content }),
        4 => (uri(), content()).prop_map(|(uri, content)| Op::Replace { uri: uri.into(), content }),
        2 => uri().prop_map(|uri| Op::Delete { uri: uri.into() }),
        2 => (uri(), uri()).prop_map(|(from, to)| Op::Copy { from: from.into(), to: to.into() }),
        1 => (uri(), content()).prop_map(|(uri, argument)| Op::Exec { uri: uri.into(), argument, correlator: None }),
    ]
}

/// Every node with its address and whether its parent is permanent.
fn walk<'a>(uri: &str, node: &'a Node, all: &mut Vec<(String, &'a Node)>) {
    all.push((uri.to_owned(), node));
    for (name, child) in node.children() {
        assert!(child.is_permanent() <= node.is_permanent(), "{uri}/{name} would go with its parent");
        walk(&format!("{uri}/{name}"), child, all);
    }
}

fn check_well_formed(tree: &Memory) {
    let mut all = Vec::new();
    walk(".", tree.root(), &mut all);
    let addresses: BTreeSet<&str> = all.iter().map(|(uri, _)| uri.as_str()).collect();
    assert_eq!((addresses.len(), all.len()), (all.len(), tree.node_count()), "every address is there once");
    assert!(all.len() <= LIMITS.nodes_max);
    let octets: usize = all.iter().filter_map(|(_, node)| node.value()).map(|value| value.len()).sum();
    assert!(octets <= LIMITS.tree_bytes_max);
    for (uri, node) in all {
        assert_eq!(tree.node(&uri), Some(node), "{uri} leads to its node, within the limits of addresses");
        assert_eq!(node.is_interior(), node.value().is_none(), "{uri}");
        assert!(node.is_interior() || node.children().len() == 0, "{uri}: a leaf has no children");
        assert!(node.value().is_none_or(|value| value.len() <= LIMITS.value_bytes_max), "{uri}");
    }
    assert!(!tree.root().acl().is_empty(), "the root keeps a list");
    assert!(["./P", "./P/A"].iter().all(|uri| tree.node(uri).is_some_and(Node::is_permanent)));
    // The stored form is checked for formats, counts and places when it is read.
    let stored = serde_json::to_string(tree).unwrap();
    assert_eq!(&serde_json::from_str::<Memory>(&stored).unwrap(), tree);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_operations_leave_a_well_formed_tree_and_failed_ones_the_same(
        ops in prop::collection::vec((prop::sample::select(vec!["a", "b", "c"]), op()), 1..40),
    ) {
        let mut tree = start();
        for (server, op) in ops {
            let before = tree.clone();
            let result = tree.apply_one(&ServerId::from(server), &op);
            let reads = matches!(op, Op::Get { .. });
            if reads || !result.status.is_success() {
                prop_assert_eq!(&tree, &before, "{:?} was answered with {:?}", op, result.status);
            }
            prop_assert_eq!(result.found.is_empty(), !(reads && result.status.is_success()));
            check_well_formed(&tree);
        }
    }

    #[test]
    fn a_server_without_any_right_changes_nothing(ops in prop::collection::vec(op(), 1..20)) {
        let mut tree = start().edit().at(".").acl("Get=c&Replace=a").at("./P/C").acl("Get=c").finish().unwrap();
        let before = tree.clone();
        for result in tree.apply(&ServerId::from("stranger"), &ops) {
            prop_assert!(!result.status.is_success());
        }
        prop_assert_eq!(tree, before);
    }

    #[test]
    fn the_same_operations_have_the_same_results(ops in prop::collection::vec(op(), 1..20)) {
        let (mut one, mut other) = (start(), start());
        prop_assert_eq!(one.apply(&ServerId::from("a"), &ops), other.apply(&ServerId::from("a"), &ops));
        prop_assert_eq!(one, other);
    }
}
