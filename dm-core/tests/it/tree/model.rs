//! The tree against a model of it: a plain map from addresses to nodes, and rights looked up by walking up the names.
//!
//! `DM_TREE_CASES` sets how many scripts are tried; the full run is
//! `DM_TREE_CASES=100000 cargo test --release -p dm-core --test it tree::model`.

use std::collections::{BTreeMap, BTreeSet};

use dm_core::{
    ids::ServerId,
    tree::{Memory, Node, Op, Verb},
};
use proptest::{prelude::*, test_runner::Config};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use super::{add, add_interior, copy, delete, exec, get, replace, text};

const SERVERS: [&str; 3] = ["a", "b", "c"];

/// Who is granted what, in a node's own list.
type Grants = BTreeSet<(&'static str, &'static str)>;

/// A node of the model. Its children are those whose address begins with its own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Nothing for an interior node.
    value: Option<String>,
    grants: Grants,
}

/// What nobody changes: the commands that the nodes of the beginning admit. They go by identity, so a node that was
/// deleted and added again is like any other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Built {
    permanent: bool,
    verbs: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    nodes: BTreeMap<String, Entry>,
    built: BTreeMap<String, Built>,
    runs: usize,
}

/// The model, and how it answered last.
#[derive(Clone, Debug)]
struct Model {
    now: Content,
    saved: Option<Content>,
    answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    data: Option<String>,
}

#[derive(Clone, Debug)]
enum Act {
    AddInterior(String),
    AddLeaf(String, &'static str),
    Replace(String, &'static str),
    Delete(String),
    Copy(String, String),
    Get(String),
    GetAcl(String),
    Exec(String),
    Rename(String, &'static str),
    SetAcl(String, Grants),
    Begin,
    Commit,
    RollBack,
}

type Step = (&'static str, Act);

/// The address of the parent; the root is the empty address.
fn parent(uri: &str) -> Option<&str> {
    if uri.is_empty() { None } else { Some(uri.rsplit_once('/').map_or("", |(parent, _)| parent)) }
}

fn is_at_or_below(uri: &str, top: &str) -> bool {
    uri == top || top.is_empty() || uri.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.into() } else { format!("{parent}/{name}") }
}

impl Content {
    fn exists(&self, uri: &str) -> bool {
        self.nodes.contains_key(uri)
    }

    fn is_interior(&self, uri: &str) -> bool {
        self.nodes[uri].value.is_none()
    }

    fn is_permanent(&self, uri: &str) -> bool {
        self.built.get(uri).is_some_and(|built| built.permanent)
    }

    /// `A`dd, `C`opy, `D`elete, `E`xec, `G`et, `R`eplace.
    fn admits(&self, uri: &str, verb: char) -> bool {
        self.built.get(uri).map_or("ACDGR", |built| built.verbs).contains(verb)
    }

    /// The nearest node on the way up that has a list of its own says.
    fn may(&self, who: &str, right: &str, uri: &str) -> bool {
        let mut at = uri;
        while self.nodes[at].grants.is_empty() {
            at = parent(at).unwrap();
        }
        let grants = &self.nodes[at].grants;
        grants.iter().any(|(command, server)| *command == right && (*server == "*" || *server == who))
    }

    fn children(&self, uri: &str) -> Vec<&str> {
        let is_child = |other: &&String| parent(other) == Some(uri);
        self.nodes.keys().filter(is_child).map(|other| other.rsplit('/').next().unwrap()).collect()
    }

    fn acl(&self, uri: &str) -> String {
        let mut entries: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (right, who) in &self.nodes[uri].grants {
            entries.entry(right).or_default().push(who);
        }
        let entry = |(right, who): (&str, Vec<&str>)| {
            let who = if who.contains(&"*") { "*".to_owned() } else { who.join("+") };
            format!("{right}={who}")
        };
        entries.into_iter().map(entry).collect::<Vec<_>>().join("&")
    }

    fn add(&mut self, who: &'static str, uri: &str, value: Option<&str>) -> u16 {
        if self.exists(uri) {
            return 418;
        }
        match self.nearest_may_add(who, uri) {
            200 => self.create(who, uri, value),
            status => status,
        }
    }

    fn nearest(&self, uri: &str) -> String {
        let mut at = parent(uri).unwrap();
        while !self.exists(at) {
            at = parent(at).unwrap();
        }
        at.into()
    }

    fn nearest_may_add(&self, who: &str, uri: &str) -> u16 {
        let nearest = self.nearest(uri);
        if !self.is_interior(&nearest) || !self.admits(&nearest, 'A') {
            return 405;
        }
        if self.may(who, "Add", &nearest) { 200 } else { 425 }
    }

    fn create(&mut self, who: &'static str, uri: &str, value: Option<&str>) -> u16 {
        let nearest = self.nearest(uri);
        let mut owned = !self.may(who, "Replace", &nearest);
        let mut ways: Vec<&str> =
            std::iter::successors(Some(uri), |at| parent(at)).take_while(|at| *at != nearest).collect();
        ways.reverse();
        for way in ways {
            let value = if way == uri { value.map(Into::into) } else { None };
            let owns = owned && value.is_none();
            owned = false;
            let grants =
                if owns { ["Add", "Delete", "Replace"].map(|right| (right, who)).into() } else { Grants::new() };
            self.nodes.insert(way.into(), Entry { value, grants });
        }
        200
    }

    fn replace(&mut self, who: &str, uri: &str, value: &str) -> u16 {
        if !self.exists(uri) {
            return 404;
        }
        if !self.admits(uri, 'R') || self.is_interior(uri) {
            return 405;
        }
        if !self.may(who, "Replace", uri) {
            return 425;
        }
        self.nodes.get_mut(uri).unwrap().value = Some(value.into());
        200
    }

    fn delete(&mut self, who: &str, uri: &str) -> u16 {
        if !self.exists(uri) {
            return 404;
        }
        if self.is_permanent(uri) || !self.admits(uri, 'D') {
            return 405;
        }
        if !self.may(who, "Delete", uri) {
            return 425;
        }
        self.nodes.retain(|other, _| !is_at_or_below(other, uri));
        self.built.retain(|other, _| !is_at_or_below(other, uri));
        200
    }

    fn copy(&mut self, who: &'static str, from: &str, to: &str) -> u16 {
        if !self.exists(from) {
            return 404;
        }
        if self.is_interior(from) || !self.admits(from, 'C') || !self.admits(from, 'G') {
            return 405;
        }
        let value = self.nodes[from].value.clone();
        let readable = self.may(who, "Get", from);
        if !self.exists(to) {
            return match (self.nearest_may_add(who, to), readable) {
                (405, _) => 405,
                (_, false) => 425,
                (200, true) => self.create(who, to, value.as_deref()),
                (status, true) => status,
            };
        }
        if self.is_interior(to) || !self.admits(to, 'R') {
            return 403;
        }
        if !readable || !self.may(who, "Replace", to) {
            return 425;
        }
        self.nodes.get_mut(to).unwrap().value = value;
        200
    }

    fn get(&self, who: &str, uri: &str) -> Answer {
        let failed = |status| Answer { status, data: None };
        if !self.exists(uri) {
            return failed(404);
        }
        if !self.admits(uri, 'G') {
            return failed(405);
        }
        if !self.may(who, "Get", uri) {
            return failed(425);
        }
        let data = self.nodes[uri].value.clone().unwrap_or_else(|| self.children(uri).join("/"));
        Answer { status: 200, data: Some(data) }
    }

    fn exec(&mut self, who: &str, uri: &str) -> u16 {
        if !self.exists(uri) {
            return 404;
        }
        if !self.admits(uri, 'E') {
            return 405;
        }
        if !self.may(who, "Exec", uri) {
            return 425;
        }
        self.runs += 1;
        200
    }

    fn rename(&mut self, who: &str, uri: &str, name: &str) -> u16 {
        if !self.exists(uri) {
            return 404;
        }
        let Some(above) = parent(uri) else { return 405 };
        if self.is_permanent(uri) || !self.admits(uri, 'R') {
            return 405;
        }
        if !self.may(who, "Replace", uri) {
            return 425;
        }
        let new = join(above, name);
        if new != uri && self.exists(&new) {
            return 418;
        }
        let moved = |other: &str| match other.strip_prefix(uri) {
            Some(rest) if is_at_or_below(other, uri) => format!("{new}{rest}"),
            _ => other.to_owned(),
        };
        self.nodes = self.nodes.iter().map(|(other, entry)| (moved(other), entry.clone())).collect();
        self.built = self.built.iter().map(|(other, built)| (moved(other), built.clone())).collect();
        200
    }

    fn set_acl(&mut self, who: &str, uri: &str, grants: &Grants) -> u16 {
        if !self.exists(uri) {
            return 404;
        }
        let Some(above) = parent(uri) else {
            return match (grants.is_empty(), self.may(who, "Replace", uri)) {
                (true, _) => 405,
                (false, false) => 425,
                (false, true) => self.grant(uri, grants),
            };
        };
        let by_node = self.is_interior(uri) && self.may(who, "Replace", uri);
        if !by_node && !self.may(who, "Replace", above) {
            return 425;
        }
        self.grant(uri, grants)
    }

    fn grant(&mut self, uri: &str, grants: &Grants) -> u16 {
        self.nodes.get_mut(uri).unwrap().grants.clone_from(grants);
        200
    }
}

impl Model {
    fn step(mut self, (who, act): &Step) -> Self {
        let now = &mut self.now;
        let mut data = None;
        let status = match act {
            Act::AddInterior(uri) => now.add(who, uri, None),
            Act::AddLeaf(uri, value) => now.add(who, uri, Some(value)),
            Act::Replace(uri, value) => now.replace(who, uri, value),
            Act::Delete(uri) => now.delete(who, uri),
            Act::Copy(from, to) => now.copy(who, from, to),
            Act::Get(uri) => {
                let answer = now.get(who, uri);
                data = answer.data;
                answer.status
            }
            Act::GetAcl(uri) if !now.exists(uri) => 404,
            Act::GetAcl(uri) if !now.may(who, "Get", uri) => 425,
            Act::GetAcl(uri) => {
                data = Some(now.acl(uri));
                200
            }
            Act::Exec(uri) => now.exec(who, uri),
            Act::Rename(uri, name) => now.rename(who, uri, name),
            Act::SetAcl(uri, grants) => now.set_acl(who, uri, grants),
            Act::Begin => {
                // What was left open is undone first.
                if let Some(saved) = self.saved.take() {
                    self.now = saved;
                }
                self.saved = Some(self.now.clone());
                200
            }
            Act::Commit => self.saved.take().map_or(500, |_| 200),
            Act::RollBack => match self.saved.take() {
                Some(saved) => {
                    self.now = saved;
                    200
                }
                None => 500,
            },
        };
        self.answer = Answer { status, data };
        self
    }
}

/// The beginning: something that cannot go, something that can be run, and things that admit little.
const START: [(&str, Option<&str>, bool, &str); 7] = [
    ("P", None, true, "ACDGR"),
    ("P/A", Some("1"), true, "ACDGR"),
    ("B", None, false, "G"),
    ("B/R", Some("2"), false, "ACDGRE"),
    ("R", Some("3"), false, "ACDGRE"),
    ("C", Some("4"), false, "R"),
    ("A", Some("5"), false, "DG"),
];

fn root_grants() -> Grants {
    [("Add", "*"), ("Delete", "a"), ("Exec", "b"), ("Get", "*"), ("Replace", "a")].into()
}

fn start_model() -> Model {
    let entry = |value: Option<&str>| Entry { value: value.map(Into::into), grants: Grants::new() };
    let mut now = Content::default();
    now.nodes.insert(String::new(), Entry { value: None, grants: root_grants() });
    now.built.insert(String::new(), Built { permanent: true, verbs: "AG" });
    for (uri, value, permanent, verbs) in START {
        now.nodes.insert(uri.into(), entry(value));
        now.built.insert(uri.into(), Built { permanent, verbs });
    }
    Model { now, saved: None, answer: Answer { status: 0, data: None } }
}

fn start_tree() -> Memory {
    let verb = |letter| match letter {
        'A' => Verb::Add,
        'C' => Verb::Copy,
        'D' => Verb::Delete,
        'E' => Verb::Exec,
        'G' => Verb::Get,
        _ => Verb::Replace,
    };
    let builder = Memory::builder().at(".").acl("Add=*&Delete=a&Exec=b&Get=*&Replace=a");
    let built = START.into_iter().fold(builder, |builder, (uri, value, permanent, verbs)| {
        let builder = match value {
            Some(value) => builder.leaf(uri, value),
            None => builder.interior(uri),
        };
        let all: Vec<Verb> = verbs.chars().map(verb).collect();
        let builder = builder.access(&all);
        if permanent { builder.permanent() } else { builder }
    });
    built.finish().unwrap()
}

fn uri() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["A", "B", "C", "P", "R"]);
    prop_oneof![
        1 => Just(String::new()),
        20 => prop::collection::vec(name, 1..=3).prop_map(|names| names.join("/")),
    ]
}

fn below_root() -> impl Strategy<Value = String> {
    uri().prop_filter("the root", |uri| !uri.is_empty())
}

fn grants() -> impl Strategy<Value = Grants> {
    let right = prop::sample::select(vec!["Add", "Delete", "Exec", "Get", "Replace"]);
    let who = prop::sample::select(vec!["a", "b", "c", "*"]);
    prop_oneof![
        1 => Just(Grants::new()),
        4 => prop::collection::btree_set((right, who), 1..6),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let value = || prop::sample::select(vec!["", "x", "yz"]);
    let name = prop::sample::select(vec!["A", "B", "C", "P", "R"]);
    prop_oneof![
        3 => below_root().prop_map(Act::AddInterior),
        4 => (below_root(), value()).prop_map(|(uri, value)| Act::AddLeaf(uri, value)),
        4 => (uri(), value()).prop_map(|(uri, value)| Act::Replace(uri, value)),
        3 => uri().prop_map(Act::Delete),
        3 => (uri(), below_root()).prop_map(|(from, to)| Act::Copy(from, to)),
        3 => uri().prop_map(Act::Get),
        2 => uri().prop_map(Act::GetAcl),
        2 => uri().prop_map(Act::Exec),
        3 => (uri(), name).prop_map(|(uri, name)| Act::Rename(uri, name)),
        4 => (uri(), grants()).prop_map(|(uri, grants)| Act::SetAcl(uri, grants)),
        2 => Just(Act::Begin),
        1 => Just(Act::Commit),
        1 => Just(Act::RollBack),
    ]
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(start_model()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Step> {
        (prop::sample::select(SERVERS.to_vec()), act()).boxed()
    }

    fn apply(state: Self, step: &Step) -> Self {
        state.step(step)
    }
}

fn op(act: &Act) -> Op {
    let address = |uri: &str| if uri.is_empty() { ".".to_owned() } else { format!("./{uri}") };
    match act {
        Act::AddInterior(uri) => add_interior(&address(uri)),
        Act::AddLeaf(uri, value) => add(&address(uri), text(value)),
        Act::Replace(uri, value) => replace(&address(uri), text(value)),
        Act::Delete(uri) => delete(&address(uri)),
        Act::Copy(from, to) => copy(&address(from), &address(to)),
        Act::Get(uri) => get(&address(uri)),
        Act::GetAcl(uri) => get(&format!("{}?prop=ACL", address(uri))),
        Act::Exec(uri) => exec(&address(uri), text("")),
        Act::Rename(uri, name) => replace(&format!("{}?prop=Name", address(uri)), text(name)),
        Act::SetAcl(uri, grants) => {
            let entries: Vec<String> = grants.iter().map(|(right, who)| format!("{right}={who}")).collect();
            replace(&format!("{}?prop=ACL", address(uri)), text(&entries.join("&")))
        }
        Act::Begin => Op::Begin,
        Act::Commit => Op::Commit,
        Act::RollBack => Op::RollBack,
    }
}

/// Address, value and list of every node, in the order of the model.
fn listed(tree: &Memory) -> BTreeMap<String, (Option<String>, String)> {
    let (mut all, mut open) = (BTreeMap::new(), vec![(String::new(), tree.root())]);
    while let Some((uri, node)) = open.pop() {
        open.extend(node.children().map(|(name, child): (&str, &Node)| (join(&uri, name), child)));
        let value = node.value().map(|value| String::from_utf8(value.to_vec()).unwrap());
        all.insert(uri, (value, node.acl().to_string()));
    }
    all
}

/// The tree that is tried. Now and then it comes from the store.
struct Tried;

impl StateMachineTest for Tried {
    type SystemUnderTest = Memory;
    type Reference = Model;

    fn init_test(_: &Model) -> Memory {
        start_tree()
    }

    fn apply(mut tree: Memory, model: &Model, (who, act): Step) -> Memory {
        let result = tree.apply_one(&ServerId::from(who), &op(&act));
        let data = result.found.first().and_then(|found| found.content.data.as_deref());
        let data = data.map(|data| String::from_utf8(data.to_vec()).unwrap());
        assert_eq!(Answer { status: result.status.0, data }, model.answer, "{who}: {act:?}");
        if matches!(act, Act::Begin | Act::Get(_)) {
            let stored = serde_json::to_string(&tree).unwrap();
            let restored: Memory = serde_json::from_str(&stored).unwrap();
            assert_eq!(restored, tree);
            return restored;
        }
        tree
    }

    fn check_invariants(tree: &Memory, model: &Model) {
        let expected =
            model.now.nodes.iter().map(|(uri, entry)| (uri.clone(), (entry.value.clone(), model.now.acl(uri))));
        assert_eq!(listed(tree), expected.collect());
        assert_eq!(tree.node_count(), model.now.nodes.len());
        let is_permanent = |uri: &String| tree.node(&format!("./{uri}")).is_some_and(Node::is_permanent);
        assert!(model.now.built.iter().all(|(uri, built)| uri.is_empty() || built.permanent == is_permanent(uri)));
        let runs = |mut tree: Memory| tree.take_runs().len();
        let done = model.saved.as_ref().map_or(model.now.runs, |saved| saved.runs);
        assert_eq!(runs(tree.clone()), done, "runs of an open Atomic are not told yet");
    }
}

/// A few for every run of the tests; the full number is for whoever changes the tree.
#[expect(clippy::disallowed_methods, reason = "how long a test tries is no behaviour of the core")]
fn cases() -> u32 {
    std::env::var("DM_TREE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(128)
}

prop_state_machine! {
    #![proptest_config(Config { cases: cases(), failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_tree_does_what_its_model_does(sequential 1..50 => Tried);
}

#[test]
fn the_model_reaches_every_status_of_its_commands() {
    let mut seen = BTreeSet::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let step = (prop::sample::select(SERVERS.to_vec()), act());
    for _ in 0..200 {
        let mut model = start_model();
        for _ in 0..50 {
            let step = proptest::strategy::ValueTree::current(&step.new_tree(&mut runner).unwrap());
            model = model.step(&step);
            let kind = format!("{:?}", step.1);
            seen.insert((kind.split('(').next().unwrap().to_owned(), model.answer.status));
        }
    }
    let expected: [(&str, &[u16]); 13] = [
        ("AddInterior", &[200, 405, 418, 425]),
        ("AddLeaf", &[200, 405, 418, 425]),
        ("Begin", &[200]),
        ("Commit", &[200, 500]),
        ("Copy", &[200, 403, 404, 405, 425]),
        ("Delete", &[200, 404, 405, 425]),
        ("Exec", &[200, 404, 405, 425]),
        ("Get", &[200, 404, 405, 425]),
        ("GetAcl", &[200, 404, 425]),
        ("Rename", &[200, 404, 405, 418, 425]),
        ("Replace", &[200, 404, 405, 425]),
        ("RollBack", &[200, 500]),
        ("SetAcl", &[200, 404, 405, 425]),
    ];
    let expected =
        expected.into_iter().flat_map(|(kind, all)| all.iter().map(move |status| (kind.to_owned(), *status)));
    assert_eq!(seen, expected.collect());
}
