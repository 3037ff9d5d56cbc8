//! What holds for any script of inputs, sensible or not.
//!
//! Two machines get the same script. One is never stored; the other goes through its snapshot, as JSON, after every
//! step. Both must say the same, and what is refused must change nothing.

use core_kit::{Durable, Machine};
use dm_core::{
    Packet,
    alert::{AlertItem, AlertKind, DeviceAlert},
    auth::{Account, Nonce, Scheme, Scope, Signature, Verdict},
    client::{self, Failure, Trigger},
    codes::{AlertCode, StatusCode},
    ids::QuestionId,
    prompt::{Prompt, Reply, Response, Wanted},
    server::{self, Entry, Order, Request},
    session::{Misuse, Reason},
    tree::{Content, Found, Op, OpResult},
};
use proptest::{prelude::*, sample::Index};
use serde::{Serialize, de::DeserializeOwned};

use crate::harness::{DEVICE, Device, PACKAGE_ONE, SERVER, cred, env, from_device, from_server};

/// Drives both machines through `script`; `input` makes an input of a step and of what the machine asks.
fn run<M, A>(
    fresh: impl Fn() -> M,
    profile: &M::Profile,
    script: &[A],
    wake: &M::Input,
    input: impl Fn(&M, &A) -> (u64, M::Input),
) where
    M: Durable<Misuse = Misuse>,
    M::Input: Clone,
    M::Output: PartialEq + std::fmt::Debug + Serialize + DeserializeOwned,
    M::Snapshot: PartialEq + std::fmt::Debug + Serialize + DeserializeOwned,
    M::RestoreError: std::fmt::Debug,
{
    let (mut kept, mut stored) = (fresh(), fresh());
    let mut now = 0;
    for act in script {
        let (later, input) = input(&kept, act);
        now += later;
        let (mut out, mut out_of_stored) = (Vec::new(), Vec::new());
        let before = kept.snapshot();
        let revision = kept.revision();
        let result = kept.handle(&env(now), input.clone(), &mut out);
        assert_eq!(result, stored.handle(&env(now), input, &mut out_of_stored));
        assert_eq!(out, out_of_stored);
        if result.is_err() {
            assert_eq!((kept.snapshot(), out.len()), (before, 0), "a refused input changes nothing");
        } else if kept.revision() == revision {
            assert_eq!(kept.snapshot(), before, "what changes the session has a revision of its own");
        }
        let json = serde_json::to_string(&stored.snapshot()).expect("a snapshot is JSON");
        let snapshot = serde_json::from_str(&json).expect("JSON is a snapshot");
        stored = M::restore(snapshot, profile).expect("a snapshot is taken back");
        assert_eq!(stored.snapshot(), kept.snapshot());
        // The outputs are what a journal holds.
        let json = serde_json::to_string(&out).expect("outputs are JSON");
        assert_eq!(serde_json::from_str::<Vec<M::Output>>(&json).expect("JSON is outputs"), out);
    }
    // Left alone, every session ends.
    for _ in 0..64 {
        let Some(deadline) = kept.deadline() else { break };
        assert!(kept.handle(&env(deadline.at.0), wake.clone(), &mut Vec::new()).is_ok());
        assert!(kept.deadline().is_none_or(|next| next.at > deadline.at), "a wake moves the deadline on");
    }
    assert!(kept.deadline().is_none());
}

#[derive(Clone, Debug)]
enum Act {
    /// A message out of the pool, with a number, perhaps damaged at one place.
    Message { body: Index, msg_id: u32, signed: bool, damage: Option<(Index, u8)> },
    /// An answer to the open question, of the right kind or not.
    Answer { right: bool, choice: Index },
    /// A timer.
    Wake,
    /// The embedder gives up.
    Abort,
    /// The message was lost, for a client.
    Lost { permanent: bool },
    /// Once more from the start, for a client.
    Start,
    /// Something to tell the server, for a client.
    Alert { octets: usize },
}

fn act() -> impl Strategy<Value = (u64, Act)> {
    let message =
        (any::<Index>(), 0..6u32, any::<bool>(), proptest::option::weighted(0.2, (any::<Index>(), any::<u8>())))
            .prop_map(|(body, msg_id, signed, damage)| Act::Message { body, msg_id, signed, damage });
    let answer =
        (proptest::bool::weighted(0.9), any::<Index>()).prop_map(|(right, choice)| Act::Answer { right, choice });
    let act = prop_oneof![
        8 => message,
        8 => answer,
        1 => Just(Act::Wake),
        1 => Just(Act::Abort),
        1 => any::<bool>().prop_map(|permanent| Act::Lost { permanent }),
        1 => Just(Act::Start),
        1 => prop_oneof![0..40usize, 900..3000usize].prop_map(|octets| Act::Alert { octets }),
    ];
    let later = prop_oneof![8 => 1..100u64, 1 => 10_000..70_000u64, 1 => 290_000..310_000u64];
    (later, act)
}

fn damaged(packet: &Packet, damage: Option<&(Index, u8)>) -> Packet {
    let mut body = packet.body.to_vec();
    if let Some((at, byte)) = damage {
        let at = at.index(body.len());
        body[at] = *byte;
    }
    Packet::xml(body)
}

const NONCE: &[u8] = b"0123456789abcdef";

/// What signs a message: a password, or a digest.
const SIGNED: [&str; 2] = ["eDp5", "AAECAwQFBgcICQoLDA0ODw=="];

fn account() -> Account {
    Account { nonce: Nonce::new(NONCE), ..Account::new("u", "p", Scheme::Md5) }
}

fn server_input(session: &server::Session, (later, act): &(u64, Act)) -> (u64, server::Input) {
    let status = |cmd: u32, code: u16| {
        format!(
            "<Status><CmdID>{cmd}</CmdID><MsgRef>1</MsgRef><CmdRef>{cmd}</CmdRef><Cmd>Get</Cmd><Data>{code}</Data></Status>"
        )
    };
    let header = |code: &str| {
        let chal = "<Chal><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>syncml:auth-md5</Type>\
            <NextNonce xmlns='syncml:metinf'>Tm9uY2U=</NextNonce></Meta></Chal>";
        format!("<Status><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>{chal}<Data>{code}</Data></Status>")
    };
    let results = |size: &str, more: &str| {
        format!(
            "<Results><CmdID>7</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Item><Source><LocURI>./A</LocURI></Source>\
             <Meta>{size}</Meta><Data>abc</Data>{more}</Item></Results>"
        )
    };
    let bodies = [
        PACKAGE_ONE.to_string(),
        PACKAGE_ONE.replace("<Final/>", ""),
        format!("{}{}{}<Final/>", header("212"), status(4, 200), status(5, 404)),
        format!("{}{}<Final/>", header("401"), status(4, 401)),
        format!("{}<Final/>", header("407").replace("auth-md5", "auth-MAC")),
        format!("{}<Alert><CmdID>3</CmdID><Data>1222</Data></Alert>", header("200")),
        "<Alert><CmdID>3</CmdID><Data>1223</Data></Alert><Final/>".to_string(),
        "<Final/>".to_string(),
        format!("{}{}<Alert><CmdID>3</CmdID><Data>1222</Data></Alert>", header("200"), status(4, 213)),
        format!("{}{}<Alert><CmdID>3</CmdID><Data>1225</Data></Alert>", header("200"), status(2, 213)),
        format!(
            "{}{}{}",
            header("200"),
            status(4, 200),
            results("<Size xmlns='syncml:metinf'>6</Size>", "<MoreData/>")
        ),
        format!("{}{}<Final/>", header("200"), results("", "")),
        format!("{}{}", header("200"), results("", "<MoreData/>")),
    ];
    let input = match act {
        Act::Message { body, msg_id, signed, damage } => {
            let cred = if *signed { cred(&account(), Some(NONCE)) } else { String::new() };
            let packet = from_device(*msg_id, &cred, &bodies[body.index(bodies.len())]);
            server::Input::Received(damaged(&packet, damage.as_ref()))
        }
        Act::Answer { right: true, choice } => match session.pending() {
            Some(server::Question::Authenticate(question)) => {
                let verdicts = [
                    account().judge(&question.claim),
                    Verdict::Accepted(Scope::Session),
                    Verdict::Accepted(Scope::Message),
                    Verdict::Accepted(Scope::Transport),
                    Verdict::Challenge { scheme: Scheme::Basic, nonce: None },
                    Verdict::Challenge { scheme: Scheme::Md5, nonce: Some(Nonce::new(NONCE)) },
                    Verdict::Refused(StatusCode::BUSY),
                    Verdict::Challenge { scheme: Scheme::Mac, nonce: None },
                    Verdict::LockedOut,
                ];
                let prove = [None, Some(Scheme::Basic), Some(Scheme::Md5), Some(Scheme::Mac)];
                question.answer(verdicts[choice.index(9)].clone(), prove[choice.index(4)])
            }
            Some(server::Question::Commands(question)) => {
                let one = Order::new("get", Request::Get(vec!["./A".into(), "./B".into()]));
                let prompt = Prompt::new("Go on?", Wanted::Consent { default: None });
                let ask = Order::new("ask", Request::Ask(prompt));
                let content = Content { in_parts: Some(100_000), ..Content::default() };
                let large = Order::new("large", Request::Replace(vec![Entry { uri: "./A".into(), content }]));
                let batches = [
                    vec![],
                    vec![one.clone()],
                    vec![one.clone(); 40],
                    vec![
                        Order::new("x", Request::Add(vec![Entry::text("./\u{2}", "x")])),
                        Order::new("y", Request::Get(vec![])),
                    ],
                    vec![large.clone(), one.clone()],
                    vec![Order::new("block", Request::Sequence(vec![one.clone(), ask.clone()])), large],
                    vec![
                        Order::new("all", Request::Atomic(vec![ask, one])),
                        Order::new("none", Request::Atomic(vec![])),
                    ],
                ];
                question.answer(batches[choice.index(7)].clone())
            }
            Some(server::Question::Fetch(question)) if choice.index(8) == 0 => question.decline(),
            Some(server::Question::Fetch(question)) => {
                let octets = vec![b'<'; usize::try_from(question.bytes).unwrap()];
                question.answer(octets)
            }
            Some(server::Question::Sign(question)) if choice.index(4) == 0 => question.decline(),
            Some(server::Question::Sign(question)) => {
                question.answer(Signature { user: "s".into(), data: SIGNED[choice.index(2)].into() })
            }
            None => server::Input::Wake,
        },
        Act::Answer { right: false, choice } => server::Input::Answered(server::Answer::Commands {
            id: QuestionId(choice.index(6) as u64),
            orders: Vec::new(),
        }),
        Act::Abort => server::Input::Abort(Reason::Requested),
        Act::Wake | Act::Lost { .. } | Act::Start | Act::Alert { .. } => server::Input::Wake,
    };
    (*later, input)
}

/// What a server may say.
fn server_bodies(session: &client::Session) -> Vec<String> {
    let reference = session.in_flight().map_or(1, |request| crate::harness::message(&request.packet).header.msg_id.0);
    let header = |code: &str| {
        let chal = "<Chal><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>syncml:auth-md5</Type>\
            <NextNonce xmlns='syncml:metinf'>Tm9uY2U=</NextNonce></Meta></Chal>";
        format!(
            "<Status><MsgRef>{reference}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>{chal}<Data>{code}</Data></Status>"
        )
    };
    let get = "<Get><CmdID>2</CmdID><Item><Target><LocURI>./A</LocURI></Target></Item><Item/></Get>";
    let alert = |code: u16| format!("<Alert><CmdID>3</CmdID><Data>{code}</Data></Alert>");
    let confirm =
        |id: u32| format!("<Alert><CmdID>{id}</CmdID><Data>1101</Data><Item/><Item><Data>Now?</Data></Item></Alert>");
    let chunk = |id: u32, size: Option<u32>, data: &str, more: bool| {
        let size =
            size.map(|size| format!("<Meta><Size xmlns='syncml:metinf'>{size}</Size></Meta>")).unwrap_or_default();
        let more = if more { "<MoreData/>" } else { "" };
        format!(
            "<Add><CmdID>{id}</CmdID><Item><Target><LocURI>./B</LocURI></Target>{size}<Data>{data}</Data>{more}</Item></Add>"
        )
    };
    let add = |id: u32, data: &str, more: bool| chunk(id, None, data, more);
    vec![
        format!("{}{get}<Final/>", header("212")),
        format!("{}{get}<Final/>", header("200")),
        format!("{}<Sequence><CmdID>1</CmdID>{get}{}</Sequence>", header("200"), alert(1101)),
        format!("{}<Final/>", header("212")),
        format!("{}<Final/>", header("401")),
        format!("{}{get}<Final/>", header("407")),
        format!("{}<Final/>", header("401").replace("auth-md5", "auth-MAC")),
        format!("{}<Final/>", header("513")),
        format!("{}{}<Final/>", header("200"), alert(1223)),
        get.to_string(),
        format!("{}<Final/>", header("101")),
        format!("{}{}", header("200"), alert(1222)),
        format!("{}{}<Final/>", header("200"), alert(1225)),
        format!("{}<Atomic><CmdID>1</CmdID>{}{}</Atomic><Final/>", header("200"), add(2, "x", false), confirm(3)),
        format!(
            "{}{}{}<Sequence><CmdID>5</CmdID>{}{}</Sequence>",
            header("212"),
            confirm(1),
            add(2, "x", false),
            confirm(3),
            add(4, "x", false)
        ),
        format!("{}{}", header("200"), chunk(1, Some(6), "ab", true)),
        format!("{}{}", header("200"), chunk(1, None, "cd", true)),
        format!("{}{}<Final/>", header("200"), chunk(1, None, "ef", false)),
        format!("{}{}<Final/>", header("200"), chunk(1, None, "", true)),
    ]
}

fn tree_answer(ops: client::Ops, choice: Index) -> client::Input {
    let statuses = [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::ACCEPTED];
    let found = |uri: &str, data: Option<&[u8]>, in_parts| Found {
        uri: uri.into(),
        content: Content { data: data.map(Into::into), in_parts, ..Content::default() },
    };
    let result = |(at, op): (usize, &Op)| match op {
        Op::Get { uri } if at == 0 => OpResult::found(match choice.index(4) {
            0 => vec![found(uri, None, Some(5000))],
            1 => vec![found(uri, Some(&[b'&'; 3000]), None)],
            2 => vec![found(uri, Some(b"a\x00"), None), found("./A/B", Some(b"x"), None)],
            _ => Vec::new(),
        }),
        Op::Read { uri, bytes, .. } => {
            let octets = vec![b'r'; usize::try_from(*bytes).expect("a message is not so large")];
            OpResult::found(vec![found(uri, Some(&octets), None)])
        }
        _ => OpResult::status(statuses[(at + choice.index(3)) % 3]),
    };
    let results = ops.ops.iter().enumerate().map(result).collect();
    ops.answer(results)
}

fn client_input(session: &client::Session, (later, act): &(u64, Act)) -> (u64, client::Input) {
    let bodies = server_bodies(session);
    let input = match act {
        Act::Message { body, msg_id, signed, damage } => {
            let small = "<Meta><MaxMsgSize xmlns='syncml:metinf'>900</MaxMsgSize></Meta>";
            let cred = if *signed { cred(&account(), Some(NONCE)) } else { String::new() }
                + if *msg_id == 3 { small } else { "" };
            let packet = from_server(*msg_id, &cred, &bodies[body.index(bodies.len())]);
            client::Input::Received(damaged(&packet, damage.as_ref()))
        }
        Act::Answer { right: true, choice } => match session.pending() {
            Some(client::Question::Tree(ops)) => tree_answer(ops, *choice),
            Some(client::Question::User(question)) => {
                let replies = [
                    Reply::Given(Response::Yes),
                    Reply::Given(Response::No),
                    Reply::Cancelled,
                    Reply::TimedOut { default: None },
                    Reply::Given(Response::Text("no answer to this".into())),
                ];
                question.answer(replies[choice.index(5)].clone())
            }
            Some(client::Question::Sign(question)) if choice.index(4) == 0 => question.decline(),
            Some(client::Question::Sign(question)) => {
                question.answer(Signature { user: "c".into(), data: SIGNED[choice.index(2)].into() })
            }
            Some(client::Question::Authenticate(question)) => {
                let verdicts = [
                    account().judge(&question.claim),
                    Verdict::Accepted(Scope::Session),
                    Verdict::Accepted(Scope::Message),
                    Verdict::Challenge { scheme: Scheme::Md5, nonce: None },
                    Verdict::Refused(StatusCode::FORBIDDEN),
                ];
                question.answer(verdicts[choice.index(5)].clone())
            }
            None => client::Input::Wake,
        },
        Act::Answer { right: false, choice } => client::Input::Answered(client::Answer::Tree {
            id: QuestionId(choice.index(6) as u64),
            results: Vec::new(),
        }),
        Act::Wake => client::Input::Wake,
        Act::Abort => client::Input::Abort(Reason::Requested),
        Act::Lost { permanent } => {
            client::Input::SendFailed(if *permanent { Failure::Permanent } else { Failure::Temporary })
        }
        Act::Start => client::Input::Start(Trigger::Client("2F".into())),
        Act::Alert { octets } => {
            let content = Content {
                media_type: Some("org.example.event".into()),
                data: Some(vec![b'a'; *octets].into()),
                ..Content::default()
            };
            let item = AlertItem { source: Some("./A".into()), content, mark: None };
            let alert = DeviceAlert { kind: AlertKind::Generic, correlator: None, items: vec![item] };
            client::Input::Alert(client::NewAlert { tag: "a".into(), alert })
        }
    };
    (*later, input)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_server_session_survives_any_script_and_any_crash(script in proptest::collection::vec(act(), 1..24)) {
        let profile = server::Profile::new(SERVER);
        run(|| server::Session::new(&profile), &profile, &script, &server::Input::Wake, server_input);
    }

    #[test]
    fn a_client_session_survives_any_script_and_any_crash(script in proptest::collection::vec(act(), 1..24)) {
        let profile = client::Profile { first: None, prompts: vec![AlertCode::CONFIRM], ..Device::usual() };
        prop_assert_eq!(profile.device.as_str(), DEVICE);
        let started = || {
            let mut session = client::Session::new(&profile);
            session.handle(&env(0), client::Input::Start(Trigger::Client("2F".into())), &mut Vec::new()).expect("starts");
            session
        };
        run(started, &profile, &script, &client::Input::Wake, client_input);
    }
}
