//! Rights: the specification's own example, who may change a list, and what a creator gets.

use dm_core::{
    ids::ServerId,
    tree::{Actor, Memory},
};

use super::{OWNER, add, add_interior, copy, delete, done, exec, get, open, read, refused, replace, text};

const SERVERS: [&str; 4] = ["ServerA", "ServerB", "ServerC", "ServerD"];

/// The example of [DM TND 1.2, 7.7.1.6].
fn example() -> Memory {
    Memory::builder()
        .interior("./NodeA")
        .acl("Get=ServerC&Replace=ServerC")
        .leaf("./NodeA/Node1", "1")
        .acl("Get=*")
        .interior("./NodeB")
        .acl("Get=ServerA&Replace=ServerA")
        .leaf("./NodeB/Node2", "2")
        .interior("./NodeB/Node3")
        .acl("Get=ServerB&Replace=ServerB&Delete=ServerB")
        .leaf("./NodeB/Node3/Node4", "4")
        .leaf("./NodeB/Node3/Node5", "5")
        .acl("Get=ServerA&Replace=ServerA&Get=ServerB")
        .finish()
        .unwrap()
}

#[test]
fn example_anyone_may_get_node1() {
    for server in SERVERS {
        assert_eq!(read(&mut example(), server, "./NodeA/Node1"), "1");
    }
}

#[test]
fn example_only_the_server_that_may_replace_the_parent_may_replace_the_list_of_the_leaf_node1() {
    let op = replace("./NodeA/Node1?prop=ACL", text("Get=ServerC"));
    for server in ["ServerA", "ServerB", "ServerD"] {
        refused(&mut example(), server, &op, 425);
    }
    let mut tree = example();
    done(&mut tree, "ServerC", &op);
    assert_eq!(tree.node("./NodeA/Node1").unwrap().acl().to_string(), "Get=ServerC");
}

#[test]
fn example_nobody_may_delete_or_replace_node1() {
    for server in SERVERS {
        refused(&mut example(), server, &delete("./NodeA/Node1"), 425);
        refused(&mut example(), server, &replace("./NodeA/Node1", text("x")), 425);
    }
}

#[test]
fn example_the_list_of_node1_reads_as_it_is() {
    assert_eq!(read(&mut example(), "ServerA", "./NodeA/Node1?prop=ACL"), "Get=*");
}

#[test]
fn example_the_list_of_node4_reads_as_empty_since_ancestors_are_not_searched() {
    assert_eq!(read(&mut example(), "ServerB", "./NodeB/Node3/Node4?prop=ACL"), "");
}

#[test]
fn example_server_a_may_replace_node5() {
    let mut tree = example();
    done(&mut tree, "ServerA", &replace("./NodeB/Node3/Node5", text("new")));
    assert_eq!(tree.text("./NodeB/Node3/Node5"), Some("new"));
}

#[test]
fn example_server_b_may_get_node5_by_the_second_of_two_entries() {
    assert_eq!(read(&mut example(), "ServerB", "./NodeB/Node3/Node5"), "5");
}

#[test]
fn example_server_a_may_not_get_node4_which_has_the_list_of_node3() {
    refused(&mut example(), "ServerA", &get("./NodeB/Node3/Node4"), 425);
}

#[test]
fn example_anyone_may_add_below_the_root_and_owns_what_is_interior() {
    for server in SERVERS {
        let mut tree = example();
        done(&mut tree, server, &add("./New", text("x")));
        assert_eq!(read(&mut tree, "ServerD", "./New?prop=ACL"), "", "a leaf inherits");
        assert_eq!(read(&mut tree, "ServerD", "./New"), "x");
        done(&mut tree, server, &add_interior("./Own"));
        let acl = format!("Add={server}&Delete={server}&Replace={server}");
        assert_eq!(tree.node("./Own").unwrap().acl().to_string(), acl);
    }
}

#[test]
fn nothing_is_inherited_beside_a_list_of_ones_own() {
    let mut tree = open().leaf("A", "x").acl("Get=other").finish().unwrap();
    for op in [get("A"), replace("A", text("y")), delete("A")] {
        refused(&mut tree, OWNER, &op, 425);
    }
}

#[test]
fn a_right_that_is_missing_is_425_for_every_command() {
    let mut tree = Memory::builder()
        .interior("./A")
        .acl("Get=reader")
        .leaf("./A/B", "x")
        .interior("./A/Run")
        .exec(dm_core::codes::StatusCode::OK)
        .leaf("./Free", "x")
        .acl("Get=*&Replace=*")
        .leaf("./Secret", "x")
        .acl("Replace=*")
        .finish()
        .unwrap();
    let ops = [
        get("./A"),
        get("./A/B"),
        get("./A/B?prop=ACL"),
        get("./A/B?prop=Size"),
        add("./A/C", text("")),
        add("./A/C/D/E", text("")),
        replace("./A/B", text("")),
        replace("./A/B?prop=ACL", text("")),
        replace("./A/B?prop=Name", text("C")),
        delete("./A/B"),
        exec("./A/Run", text("")),
        copy("./A/B", "./Free"),
        copy("./Free", "./A/B"),
        copy("./Free", "./A/C"),
        copy("./Secret", "./Free"),
        copy("./Secret", "./New"),
        replace(".?prop=ACL", text("Get=*&Replace=stranger")),
    ];
    for op in ops {
        refused(&mut tree, "stranger", &op, 425);
    }
}

#[test]
fn the_list_of_an_interior_node_is_for_who_may_replace_the_node_or_its_parent() {
    let tree = Memory::builder()
        .interior("./P")
        .acl("Get=*&Replace=parent")
        .interior("./P/N")
        .acl("Replace=node")
        .leaf("./P/N/Leaf", "")
        .acl("Replace=leaf")
        .finish()
        .unwrap();
    for server in ["parent", "node"] {
        let mut tree = tree.clone();
        done(&mut tree, server, &replace("./P/N?prop=ACL", text("Get=x")));
    }
    refused(&mut tree.clone(), "leaf", &replace("./P/N?prop=ACL", text("Get=x")), 425);
    for server in ["parent", "leaf"] {
        refused(&mut tree.clone(), server, &replace("./P/N/Leaf?prop=ACL", text("Get=x")), 425);
    }
    done(&mut tree.clone(), "node", &replace("./P/N/Leaf?prop=ACL", text("Get=x")));
}

#[test]
fn control_is_taken_in_two_steps() {
    let mut tree = open().leaf("./A/B", "x").acl("Get=other").finish().unwrap();
    refused(&mut tree, OWNER, &delete("./A/B"), 425);
    done(&mut tree, OWNER, &replace("./A/B?prop=ACL", text("")));
    done(&mut tree, OWNER, &delete("./A/B"));
}

#[test]
fn the_list_of_a_node_can_be_replaced_whatever_the_node_admits() {
    let mut tree = open().leaf("./Secret", "x").access(&[]).permanent().finish().unwrap();
    refused(&mut tree, OWNER, &get("./Secret"), 405);
    done(&mut tree, OWNER, &replace("./Secret?prop=ACL", text("Get=a")));
    done(&mut tree, OWNER, &replace("./Secret?prop=ACL", text("")));
    assert_eq!(read(&mut tree, OWNER, "./Secret?prop=ACL"), "");
}

#[test]
fn the_root_keeps_a_list() {
    let mut tree = open().finish().unwrap();
    refused(&mut tree, OWNER, &replace(".?prop=ACL", text("")), 405);
    done(&mut tree, OWNER, &replace(".?prop=ACL", text("Get=*&Replace=heir")));
    refused(&mut tree, OWNER, &replace(".?prop=ACL", text("Get=*")), 425);
    assert_eq!(read(&mut tree, "anyone", ".?prop=ACL"), "Get=*&Replace=heir");
}

#[test]
fn the_first_implicit_ancestor_is_its_creators_and_the_others_inherit_from_it() {
    let mut tree = Memory::default();
    done(&mut tree, "s", &add("./A/B/C", text("x")));
    let own = |uri: &str| tree.node(uri).unwrap().acl().to_string();
    assert_eq!(own("./A"), "Add=s&Delete=s&Replace=s");
    assert_eq!((own("./A/B"), own("./A/B/C")), (String::new(), String::new()));
    done(&mut tree, "s", &replace("./A/B/C", text("y")));
    refused(&mut tree, "t", &add("./A/D", text("")), 425);
}

#[test]
fn who_may_replace_the_parent_gets_no_list_on_what_it_adds() {
    let mut tree = open().finish().unwrap();
    done(&mut tree, OWNER, &add_interior("./A/B"));
    for uri in ["./A", "./A/B"] {
        assert!(tree.node(uri).unwrap().acl().is_empty());
    }
}

#[test]
fn a_server_whose_name_is_a_list_of_its_own_gets_no_more_than_everybody() {
    let mut tree = Memory::default();
    done(&mut tree, "x&Get=y", &add_interior("./A"));
    assert!(tree.node("./A").unwrap().acl().is_empty());
    let mut tree = open().leaf("A", "").acl("Get=x").finish().unwrap();
    refused(&mut tree, "*", &get("A"), 425);
}

#[test]
fn the_device_itself_needs_no_right_but_is_bound_by_what_nodes_are() {
    let mut tree = Memory::builder().leaf("./A", "x").acl("Get=s").leaf("./P", "").permanent().finish().unwrap();
    let nobody: Option<&ServerId> = None;
    let results = tree.apply(nobody, &[get("./A"), delete("./P"), replace("./A?prop=ACL", text("")), delete("./A")]);
    assert_eq!(results.iter().map(|result| result.status.0).collect::<Vec<_>>(), [200, 405, 200, 200]);
    done(&mut tree, "s", &add("./B", text("")));
    assert_eq!(tree.apply_one(Actor::Device, &add_interior("./C")).status.0, 200);
    assert!(tree.node("./C").unwrap().acl().is_empty());
}

#[test]
fn a_forgotten_server_is_on_no_list() {
    let mut tree = Memory::builder()
        .at(".")
        .acl("Add=old&Get=old+new&Replace=old")
        .leaf("./A/B", "")
        .acl("Get=old")
        .leaf("./C", "")
        .acl("Get=new+old&Delete=old")
        .finish()
        .unwrap();
    tree.forget_server(&"old".into());
    let own = |uri: &str| tree.node(uri).unwrap().acl().to_string();
    assert_eq!((own("."), own("./A/B"), own("./C")), ("Add=*&Get=new".into(), String::new(), "Get=new".into()));
}
