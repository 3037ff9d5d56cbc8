//! Plays that any network must give the same outcome to.

use std::collections::BTreeMap;

use core_kit::{Body, Millis};
use dm_core::{
    auth::{Account, Nonce, Scheme},
    client::{self, Retry},
    codes::AlertCode,
    notify::UiMode,
    prompt::{Echo, InputType, Prompt, Wanted},
    server::{self, Entry, Order, Pair, Request},
    tree::{Content, Memory, TreeError},
    wire::{Encoding, Format},
};

use super::{Act, Mishap, Notified, Play, Player, What};
use crate::dm::alike::{alert, dev_info, with_sim};

/// The server's address in messages: a name, so that they have the same octets wherever the server is.
const SERVER_URL: &str = "http://dm.example/dm";
const SERVER_ID: &str = "srv";
/// Octets of a value that goes in parts, and of the messages that it goes in.
const OBJECT_BYTES: usize = 6 * 1024;
const SMALL_MESSAGE_BYTES: u64 = 2 * 1024;
/// Where messages get lost a device waits for less than a second, so that it costs no more on a real network. In other
/// plays it is patient: a busy machine shall not make it send again.
const HASTY: Retry = Retry { response_ms: Millis(800), times: 6, first_ms: Millis(30), longest_ms: Millis(400) };

impl Play {
    /// All plays of this collection.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut plays = quiet_ones();
        plays.extend(called_ones());
        plays.extend(refused_ones());
        plays.extend(disturbed_ones());
        plays
    }

    /// A play in which a device does these acts, and nothing goes wrong.
    fn of(name: &'static str, says: &'static str, acts: Vec<Act>) -> Self {
        let server = server::Profile::new(SERVER_URL);
        let devices = vec![Player::new(1, Scheme::Md5, acts)];
        Self { name, says, server, values: BTreeMap::new(), devices, mishaps: Vec::new() }
    }

    /// The same with another scheme and another encoding.
    fn spoken(mut self, scheme: Scheme, encoding: Encoding) -> Self {
        for (n, player) in (1..).zip(&mut self.devices) {
            let (acts, retry) = (core::mem::take(&mut player.acts), player.client.retry);
            *player = Player::new(n, scheme, acts);
            (player.client.encoding, player.client.retry) = (encoding, retry);
        }
        self
    }

    /// The same with messages of 2 KiB, and values of 6 KiB that go both ways.
    fn with_objects(mut self, format: &Format) -> Self {
        for player in &mut self.devices {
            player.client.max_msg_size = Some(SMALL_MESSAGE_BYTES);
            player.tree = with_leaf(&player.tree, format);
        }
        self.server.max_msg_size = Some(SMALL_MESSAGE_BYTES);
        self.values = BTreeMap::from([("put".into(), Body::from(object("to the device")))]);
        self
    }

    /// The same with mishaps of the first device, each with its message's number.
    fn with(mut self, mishaps: &[(u32, What)]) -> Self {
        self.mishaps = mishaps.iter().map(|(nth, what)| Mishap { device: 0, nth: *nth, what: *what }).collect();
        if self.has_repetitions() {
            self.devices.iter_mut().for_each(|player| player.client.retry = HASTY);
        }
        self
    }

    fn edit(mut self, edit: impl Fn(&mut Player)) -> Self {
        self.devices.iter_mut().for_each(edit);
        self
    }
}

impl Player {
    fn new(number: u32, scheme: Scheme, acts: Vec<Act>) -> Self {
        let id = format!("IMEI:49300510059280{number}");
        let mut client = client::Profile::new(id.as_str(), SERVER_URL, SERVER_ID);
        (client.first, client.weakest, client.server_scheme) = (Some(scheme), scheme, Some(scheme));
        client.prompts = vec![AlertCode::DISPLAY, AlertCode::CONFIRM, AlertCode::TEXT_INPUT];
        let mut own = Account::new(&format!("device{number}"), "wood-anemone-41", scheme);
        let mut server = Account::new(SERVER_ID, "kingfisher-77", scheme);
        own.nonce = Nonce::new(b"for the client's first");
        server.nonce = Nonce::new(b"for the server's first");
        let accounts = (own, server);
        // The tree is written down below and correct, which a test shows.
        let tree = tree(&id).unwrap_or_default();
        Self { client, on_device: accounts.clone(), on_server: accounts, tree, acts }
    }
}

fn quiet_ones() -> Vec<Play> {
    let mut plays = Vec::new();
    let schemes = [
        ("basic-xml", "Basic both ways, XML", Scheme::Basic, Encoding::Xml),
        ("basic-wbxml", "Basic both ways, WBXML", Scheme::Basic, Encoding::Wbxml),
        ("md5-xml", "digests both ways, XML", Scheme::Md5, Encoding::Xml),
        ("md5-wbxml", "digests both ways, WBXML", Scheme::Md5, Encoding::Wbxml),
        ("mac-xml", "messages signed both ways, XML", Scheme::Mac, Encoding::Xml),
        ("mac-wbxml", "messages signed both ways, WBXML", Scheme::Mac, Encoding::Wbxml),
    ];
    for (name, says, scheme, encoding) in schemes {
        plays.push(Play::of(name, says, vec![Act::usual("a"), Act::usual("b")]).spoken(scheme, encoding));
    }
    let stale = |player: &mut Player| {
        player.on_device.0.nonce = Nonce::new(b"of another time");
        player.on_device.1.nonce = Nonce::new(b"of another time, too");
    };
    let challenged = |name, says| Play::of(name, says, vec![Act::usual("a"), Act::usual("b")]).edit(stale);
    plays.push(challenged("challenge-md5", "neither side has the other's nonce: challenges, and then again"));
    let challenged = challenged("challenge-mac", "the same with signed messages");
    plays.push(challenged.spoken(Scheme::Mac, Encoding::Xml).edit(stale));
    plays.push(Play::of("orders", "every kind of order, good and failing ones", vec![Act::of(every_order())]));
    let wbxml = Play::of("orders-wbxml", "the same in WBXML", vec![Act::of(every_order())]);
    plays.push(wbxml.spoken(Scheme::Md5, Encoding::Wbxml));
    plays.push(Play::of("atomic", "an Atomic that is done, and two that are undone", vec![Act::of(atomics())]));
    let objects = |name, says| Play::of(name, says, vec![Act::of(large_values(&Format::Chr))]);
    plays.push(objects("objects", "values of 6 KiB both ways in messages of 2 KiB").with_objects(&Format::Chr));
    let signed = objects("objects-mac-wbxml", "the same in signed WBXML").spoken(Scheme::Mac, Encoding::Wbxml);
    plays.push(signed.with_objects(&Format::Chr));
    let octets = Play::of("octets", "octets that are no text, both ways", vec![Act::of(large_values(&Format::Bin))]);
    plays.push(octets.with_objects(&Format::Bin));
    let act = Act { alerts: vec![alert("event", true), alert("generic", false)], ..Act::usual("a") };
    plays.push(Play::of("alerts", "the device tells of an event and has a generic alert", vec![act]));
    plays.push(Play::of("prompts", "the server asks the user, alone and in blocks", vec![Act::of(prompts())]));
    let mut three = Play::of("three-devices", "three devices at once", vec![]);
    three.devices = [(1, Scheme::Md5), (2, Scheme::Basic), (3, Scheme::Mac)]
        .map(|(n, scheme)| Player::new(n, scheme, vec![Act::usual("a"), Act::of(atomics())]))
        .into();
    plays.push(three);
    plays
}

fn called_ones() -> Vec<Play> {
    let notified = |ui_mode| Act { notified: Some(Notified { session: 7, ui_mode }), ..Act::usual("a") };
    let play = |name, says, act| Play::of(name, says, vec![act]);
    let server_aborts = |messages| Act { server_aborts_after: Some(messages), ..Act::usual("a") };
    let gives_up = |replies| Act { aborts_after: Some(replies), ..Act::usual("a") };
    vec![
        play("notified", "a notification asks for the session", notified(UiMode::Background)),
        play("notified-asking", "the same, and the user is asked first", notified(UiMode::UserInteraction)),
        Play::of("abort", "the device gives a session up, and comes again", vec![gives_up(2), Act::usual("b")]),
        Play::of("abort-at-once", "the same with the first reply", vec![gives_up(1), Act::usual("b")]),
        Play::of("abort-mac", "the same with signed messages", vec![gives_up(2), Act::usual("b")])
            .spoken(Scheme::Mac, Encoding::Xml),
        Play::of("server-abort", "the server gives a session up, and the device comes again", {
            vec![server_aborts(2), Act::usual("b")]
        }),
        Play::of("server-abort-at-once", "the same after the first message", vec![server_aborts(1), Act::usual("b")]),
        Play::of("server-abort-mac", "the same with signed messages", vec![server_aborts(2), Act::usual("b")])
            .spoken(Scheme::Mac, Encoding::Wbxml),
        Play::of("server-abort-object", "the server gives a session up in the middle of a value", {
            vec![Act { server_aborts_after: Some(2), ..Act::of(large_values(&Format::Chr)) }, Act::usual("b")]
        })
        .with_objects(&Format::Chr),
        Play::of("server-abort-lost", "the reply that says so is lost", vec![server_aborts(2), Act::usual("b")])
            .with(&[(3, What::ReplyLost)]),
    ]
}

fn refused_ones() -> Vec<Play> {
    let usual = || vec![Act::usual("a")];
    let wrong_device = Play::of("wrong-device", "the device has another password than the server knows", usual());
    let wrong_server = Play::of("wrong-server", "the server has another password than the device knows", usual());
    let stranger = Play::of("not-ordered", "orders that cannot be sent", vec![Act::of(impossible())]);
    let mut fussy = Play::of("other-version", "the server has another version of DM only", usual());
    fussy.server.versions = dm_core::version::Versions::of(&[dm_core::version::Version::V1_3]);
    vec![
        wrong_device.edit(|player| player.on_device.0.password = "another".into()),
        wrong_server.edit(|player| player.on_server.1.password = "another".into()),
        stranger.with_objects(&Format::Chr),
        fussy,
    ]
}

fn disturbed_ones() -> Vec<Play> {
    let two = || vec![Act::usual("a"), Act::usual("b")];
    let of = |name, says, mishaps: &[(u32, What)]| Play::of(name, says, two()).with(mishaps);
    let objects = |name, says| Play::of(name, says, vec![Act::of(large_values(&Format::Chr))]);
    vec![
        of("lost", "a request is lost, and later a reply", &[(1, What::RequestLost), (3, What::ReplyLost)]),
        of("lost-first-reply", "the reply to the first message is lost", &[(1, What::ReplyLost)]),
        of("doubled", "messages come twice at once", &[(1, What::Doubled), (4, What::Doubled)]),
        of("late", "a message comes again when its session is over", &[(3, What::Late)]),
        of(
            "resets",
            "connections are reset before, within and after replies",
            &[(1, What::ResetBefore), (2, What::ResetWithin), (3, What::ResetAfter), (5, What::ResetWithin)],
        ),
        of("server-dies", "the server's node dies between commit and reply", &[(2, What::ServerDies)]),
        of("server-dies-first", "the same with the first message", &[(1, What::ServerDies), (4, What::ServerDies)]),
        of("device-restarts", "the device dies before it sends", &[(2, What::DeviceRestarts)]),
        of("device-restarts-first", "the same before its first message", &[(1, What::DeviceRestarts)]),
        of("mac-lost", "signed messages are lost", &[(2, What::RequestLost), (3, What::ReplyLost)])
            .spoken(Scheme::Mac, Encoding::Wbxml),
        objects("objects-lost", "parts of values are lost and doubled, and the server's node dies")
            .with_objects(&Format::Chr)
            .with(&[(3, What::RequestLost), (4, What::ReplyLost), (6, What::ServerDies), (8, What::Doubled)]),
        objects("objects-restart", "the device dies in the middle of a value")
            .with_objects(&Format::Chr)
            .with(&[(4, What::DeviceRestarts)]),
        Play::of(
            "atomic-lost",
            "the reply to an Atomic's statuses is lost, and the device dies",
            vec![Act::of(atomics())],
        )
        .with(&[(2, What::ReplyLost), (3, What::DeviceRestarts)]),
    ]
}

impl Act {
    fn of(packages: Vec<Vec<Order>>) -> Self {
        Self { packages, ..Self::default() }
    }

    /// Reads, adds, replaces and runs, and reads again in a later package.
    fn usual(mark: &str) -> Self {
        let tag = |name: &str| format!("{mark} {name}");
        let added = format!("./Sim/Added-{mark}");
        let first = vec![
            Order::new(tag("get"), get(&["./DevInfo/Man"])),
            Order::new(tag("add"), Request::Add(vec![Entry::text(&added, mark)])),
            Order::new(tag("replace"), replace("./Sim/Value", mark)),
            Order::new(tag("exec"), Request::Exec { entry: Entry::bare("./Sim/Run"), correlator: None }),
        ];
        Self::of(vec![first, vec![Order::new(tag("get-added"), get(&[&added, "./Sim/Value"]))]])
    }
}

fn get(uris: &[&str]) -> Request {
    Request::Get(uris.iter().map(|uri| (*uri).into()).collect())
}

fn replace(uri: &str, text: &str) -> Request {
    Request::Replace(vec![Entry::text(uri, text)])
}

fn copy(from: &str, to: &str) -> Request {
    Request::Copy(vec![Pair { from: from.into(), to: to.into() }])
}

fn delete(uri: &str) -> Request {
    Request::Delete(vec![uri.into()])
}

fn every_order() -> Vec<Vec<Order>> {
    let run = |uri: &str, correlator: Option<&str>| Request::Exec {
        entry: Entry::text(uri, "now"),
        correlator: correlator.map(Into::into),
    };
    let sequence = vec![
        Order::new("s replace", replace("./Sim/Value", "in a sequence")),
        Order::new("s get", get(&["./Sim/Value"])),
        Order::new("s fails", delete("./Sim/Missing")),
        Order::new("s exec", run("./Sim/Run", None)),
    ];
    let folder = Request::Add(vec![Entry::node("./Sim/New"), Entry::text("./Sim/New/Leaf", "deep")]);
    vec![
        vec![
            Order::new("get", get(&["./DevInfo/Mod", "./Sim/Folder", "./Sim/Missing"])),
            Order::new("properties", get(&["./Sim/Value?prop=ACL", "./Sim/Value?list=StructData", "./Sim?list=TNDS"])),
            Order::new("add", folder),
            Order::new("add again", Request::Add(vec![Entry::text("./Sim/New/Leaf", "again")])),
            Order::new("replace", replace("./Sim/Value", "<&> ß")),
            Order::new("read only", replace("./Sim/ReadOnly", "changed")),
            Order::new("number", replace("./Sim/Number", "no number")),
            Order::new("permanent", delete("./Sim/Fixed")),
        ],
        vec![
            Order::new("copy", copy("./Sim/Value", "./Sim/New/Copy")),
            Order::new("delete", delete("./Sim/Folder")),
            Order::new("run", run("./Sim/Run", None)),
            Order::new("run later", run("./Sim/Later", Some("c1"))),
            Order::new("sequence", Request::Sequence(sequence)),
            Order::new("acl", replace("./Sim/New/Leaf?prop=ACL", "Get=*")),
            Order::new("not allowed", replace("./Sim/New/Leaf", "changed")),
            Order::new("title", replace("./Sim/New?prop=Title", "new")),
            Order::new("hidden", get(&["./Sim/Secret"])),
        ],
        vec![Order::new("stamp", get(&["./Sim/Value?prop=TStamp", "./Sim/Value?prop=VerNo", "./Sim/New?prop=Title"]))],
    ]
}

fn atomics() -> Vec<Vec<Order>> {
    let done = vec![
        Order::new("d replace", replace("./Sim/Value", "all")),
        Order::new("d add", Request::Add(vec![Entry::text("./Sim/All", "of it")])),
        Order::new("d copy", copy("./Sim/Number", "./Sim/Copied")),
    ];
    let undone = vec![
        Order::new("u replace", replace("./Sim/Value", "nothing")),
        Order::new("u delete", delete("./Sim/Folder")),
        Order::new("u fails", replace("./Sim/Missing", "fails")),
        Order::new("u last", delete("./Sim/Value")),
    ];
    let foreign = vec![
        Order::new("f add", Request::Add(vec![Entry::text("./Sim/Nothing", "of it")])),
        Order::new("f fails", replace("./Sim/ReadOnly", "fails")),
    ];
    vec![
        vec![
            Order::new("done", Request::Atomic(done)),
            Order::new("undone", Request::Atomic(undone)),
            Order::new("undone too", Request::Atomic(foreign)),
        ],
        vec![Order::new("look", get(&["./Sim", "./Sim/Value", "./Sim/Folder"]))],
    ]
}

fn large_values(format: &Format) -> Vec<Vec<Order>> {
    let content =
        Content { format: Some(format.clone()), media_type: None, data: None, in_parts: Some(OBJECT_BYTES as u64) };
    let put = Request::Replace(vec![Entry { uri: "./Sim/Big".into(), content }]);
    vec![
        vec![Order::new("put", put), Order::new("before", get(&["./Sim/Value"]))],
        vec![Order::new("large", get(&["./Sim/Large"])), Order::new("after", replace("./Sim/Value", "after"))],
    ]
}

fn prompts() -> Vec<Vec<Order>> {
    let ask = |text: &str, wanted| Request::Ask(Prompt::new(text, wanted));
    let consent = || Wanted::Consent { default: None };
    let text = Wanted::Text { default: None, chars_max: None, input: InputType::default(), echo: Echo::default() };
    let block =
        vec![Order::new("p replace", replace("./Sim/Value", "asked")), Order::new("p ask", ask("Keep it?", consent()))];
    vec![
        vec![
            Order::new("show", ask("Something happens now.", Wanted::Attention)),
            Order::new("agree", ask("Agreed?", consent())),
            Order::new("atomic", Request::Atomic(block.clone())),
        ],
        vec![Order::new("enter", ask("Who are you?", text)), Order::new("sequence", Request::Sequence(block))],
    ]
}

/// Orders that the server finds out about, and one that it can send.
fn impossible() -> Vec<Vec<Order>> {
    let huge = "x".repeat(40 * 1024);
    vec![vec![
        Order::new("empty", Request::Get(Vec::new())),
        Order::new("nowhere", get(&["//"])),
        Order::new("in a block", Request::Atomic(vec![Order::new("inner", get(&["./Sim/Value"]))])),
        Order::new("no such value", large_values(&Format::Chr).remove(0).remove(0).request),
        Order::new("huge", Request::Sequence(vec![Order::new("inside", replace("./Sim/Value", &huge))])),
        Order::new("possible", get(&["./Sim/Value"])),
    ]]
}

fn tree(id: &str) -> Result<Memory, TreeError> {
    let info = dev_info(id, "Player");
    with_sim(Memory::builder().dev_info(&info), "srv")
        .leaf("./Sim/Folder/One", "1")
        .leaf("./Sim/Folder/Two", "2")
        .leaf("./Sim/Big", "")
        .finish()
}

/// The tree with a large value to read, and a leaf for the one that comes.
fn with_leaf(tree: &Memory, format: &Format) -> Memory {
    let edit = tree.clone().edit().leaf("./Sim/Large", object("to the server")).format(format);
    edit.at("./Sim/Big").format(format).finish().unwrap_or_default()
}

/// A text of so many octets that belongs to the label. As octets it is as good as any.
fn object(label: &str) -> Vec<u8> {
    let words = [label, " <&> ß "].concat();
    let mut text = words.repeat(OBJECT_BYTES / words.len());
    while text.len() < OBJECT_BYTES {
        text.push('.');
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use dm_core::session::{Outcome, Reason};

    use super::*;
    use crate::{
        dm::{OrderState, play::Ending},
        mishap::held_to,
    };

    #[test]
    fn names_are_different_and_trees_are_as_they_should_be() {
        let plays = Play::all();
        held_to::own_names(plays.iter().map(|play| play.name));
        for player in plays.iter().flat_map(|play| &play.devices) {
            assert_eq!(player.tree.text("./Sim/Folder/Two"), Some("2"));
        }
        assert!(plays.iter().any(|play| play.devices[0].tree.node("./Sim/Large").is_some()));
    }

    #[test]
    fn every_mishap_happens_in_a_play() {
        let plays = Play::all();
        let all: BTreeSet<What> = plays.iter().flat_map(|play| &play.mishaps).map(|mishap| mishap.what).collect();
        assert_eq!(all.into_iter().collect::<Vec<_>>(), What::ALL);
    }

    #[test]
    fn a_session_that_the_server_aborts_has_ended_so_for_both_and_the_next_one_does_what_is_left() {
        let plays = Play::all();
        let aborted = plays.iter().filter(|play| play.devices.iter().any(|player| player.server_aborts().count() > 0));
        let mut count = 0;
        for play in aborted {
            let played = play.perform().devices.remove(0);
            let ends = |ending: &Ending| (ending.client.clone(), ending.server.clone());
            let expected = [
                (Some(Outcome::PeerAborted), Some(Outcome::Aborted(Reason::Requested))),
                (Some(Outcome::Completed), Some(Outcome::Completed)),
            ];
            assert_eq!(played.sessions.iter().map(ends).collect::<Vec<_>>(), expected, "{}", play.name);
            assert!(!played.orders.values().any(|state| *state == OrderState::Queued), "{}", play.name);
            count += 1;
        }
        assert_eq!(count, 5);
    }

    #[test]
    fn what_goes_wrong_in_a_play_does_in_its_performance_and_no_rule_is_broken() {
        for play in Play::all() {
            let performed = play.perform();
            held_to::its_plan(play.name, &play.mishaps, &performed.failures, &performed.faults);
        }
    }
}
