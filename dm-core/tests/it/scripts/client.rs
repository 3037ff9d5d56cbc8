//! Our client under a script that is its server and its firmware.

use core_kit::{Body, Machine};
use dm_core::{
    alert::{AlertItem, AlertKind, DeviceAlert, Mark},
    auth::Account,
    client::{Answer, Failure, Input, NewAlert, Output, Profile, Question, Report, Session, Trigger},
    codes::StatusCode,
    tree::{Content, Found, Op, OpResult},
    wire::{Command, Encoding, Item},
};

use super::{
    Side,
    message::parse_command,
    notes::Notes,
    run::{Driver, World, adjusted, answer, asked, json, reason, scheme, word},
    script::{Script, Step},
    text::{compact, content, number, parse_item, words},
};
use crate::harness::{Device, SERVER};

/// What the tree says of the device when the session opens.
const DEVICE_INFO: [(&str, &str); 2] = [("./DevInfo/Man", "Acme"), ("./DevInfo/Mod", "M1")];

pub(super) struct Client {
    profile: Profile,
    session: Session,
    /// The server's account; nothing where the profile does not ask for proof.
    server: Option<Account>,
}

impl Driver for Client {
    const SIDE: Side = Side::Client;
    const WORDS: &'static [&'static str] =
        &["again", "bytes", "start", "tree", "user", "alert", "answer", "wake", "abort", "lost", "wait"];

    fn new(script: &Script, encoding: Encoding) -> Result<Self, String> {
        let usual = Profile { encoding, first: None, server_scheme: None, ..Device::usual() };
        let profile = adjusted(&usual, script)?;
        let account = |name: &str| Notes::account("server", scheme(name)?);
        Ok(Self {
            session: Session::new(&profile),
            profile,
            server: script.setting("server").map(account).transpose()?,
        })
    }

    fn feed(&mut self, step: &Step, world: &mut World) -> Result<Vec<Vec<String>>, String> {
        let input = match step.word() {
            "start" => Input::Start(match step.rest().split_once(' ') {
                Some(("client", session)) => Trigger::Client(session.into()),
                Some(("server", session)) => Trigger::Server(session.into()),
                _ => return Err("who starts which session?".into()),
            }),
            "tree" => self.tree(step, world)?,
            "answer" => {
                let id = self.session.pending().ok_or("no question is open")?.id();
                Input::Answered(answer::<Answer>(step, &id)?)
            }
            "user" => self.user(step)?,
            "alert" => Input::Alert(alert(step, world)?),
            "abort" => Input::Abort(reason(step.rest())?),
            "lost" => Input::SendFailed(match step.rest() {
                "temporary" => Failure::Temporary,
                "permanent" => Failure::Permanent,
                other => return Err(format!("how is {other} a loss?")),
            }),
            "wake" => {
                world.now = self.session.deadline().ok_or("the session waits for no time")?.at.0 - 1;
                Input::Wake
            }
            "wait" => {
                world.now += number::<u64>(step.rest())?;
                return Ok(Vec::new());
            }
            _ => Input::Received(world.packet(Side::Server, step)?),
        };
        let (mut lines, mut todo) = (Vec::new(), Some(input));
        while let Some(input) = todo.take() {
            for output in world.step(&mut self.session, input, &self.profile)? {
                match output {
                    Output::Report(report) => lines.push(vec![report_line(&report, world)]),
                    Output::Send(request) => {
                        let mut message = world.sent(Side::Client, &request.packet)?;
                        if request.url != SERVER {
                            message[0] += " to=";
                            message[0] += &request.url;
                        }
                        if !request.wants_reply {
                            message[0] += " no-reply-wanted";
                        }
                        lines.push(message);
                    }
                    Output::Finished(outcome) => lines.push(vec![format!("end {}", word(&outcome))]),
                    Output::Ask(Question::Authenticate(question)) => {
                        let (verdict, said) = world.judge(Side::Client, self.server.as_ref(), &question.claim);
                        lines.push(said);
                        todo = Some(question.answer(verdict));
                    }
                    Output::Ask(Question::Sign(question)) => {
                        let (signature, said) = world.sign(Side::Client, "device", &question.request);
                        lines.push(said);
                        todo = Some(match signature {
                            Some(signature) => question.answer(signature),
                            None => question.decline(),
                        });
                    }
                    // The client itself wants to know: of the device, before it says its first word.
                    Output::Ask(Question::Tree(ops)) if ops.server.is_none() && ops.ops.iter().all(is_get) => {
                        let results = ops.ops.iter().map(device_info).collect();
                        todo = Some(ops.answer(results));
                    }
                    Output::Ask(question) => lines.push(question_lines(&question)),
                }
            }
        }
        Ok(lines)
    }
}

fn question_lines(question: &Question) -> Vec<String> {
    let mut lines = vec![asked(question, &["ops", "at"])];
    if let Question::Tree(ops) = question {
        lines.extend(ops.ops.iter().map(|op| format!("  {}", compact(&json(op)))));
    }
    lines
}

const fn is_get(op: &Op) -> bool {
    matches!(op, Op::Get { .. })
}

fn device_info(op: &Op) -> OpResult {
    let known = DEVICE_INFO.iter().find(|(uri, _)| op.uri() == Some(uri));
    let found = |(uri, value): &(&str, &str)| {
        let data = Some(Body::from(value.as_bytes()));
        OpResult::found(vec![Found { uri: (*uri).into(), content: Content { data, ..Content::default() } }])
    };
    known.map_or_else(|| OpResult::status(StatusCode::NOT_FOUND), found)
}

impl Client {
    /// The answer to the open question for the user: a `Reply` in JSON.
    fn user(&self, step: &Step) -> Result<Input, String> {
        let Some(Question::User(question)) = self.session.pending() else { return Err("the user is not asked".into()) };
        let reply = serde_json::from_str(step.rest()).map_err(|error| error.to_string())?;
        Ok(question.answer(reply))
    }

    /// The answer to the open question for the tree: for each operation a status, and what was found, as in
    /// `200 = "Acme" | 404 | 200 ./A/B [node] = "C/D" & ./A/B/C = "1"`.
    fn tree(&self, step: &Step, world: &World) -> Result<Input, String> {
        let Some(Question::Tree(ops)) = self.session.pending() else { return Err("the tree is not asked".into()) };
        let words = words(step.rest())?;
        let results: Vec<&[String]> = words.split(|word| word == "|").collect();
        if results.len() != ops.ops.len() {
            return Err(format!("{} operations are asked for", ops.ops.len()));
        }
        let results = results.iter().zip(ops.ops.iter()).map(|(words, op)| result(words, op, world));
        let results = results.collect::<Result<Vec<OpResult>, String>>()?;
        Ok(ops.answer(results))
    }
}

/// `tag: Alert 1226 corr=x | item`; a size without a value stands for one in the tree.
fn alert(step: &Step, world: &World) -> Result<NewAlert, String> {
    let (tag, command) = step.rest().split_once(": ").ok_or("an alert is `alert tag: Alert code | item`")?;
    let Command::Alert(alert) = parse_command(Side::Client, &format!("0 {command}"), &world.notes)? else {
        return Err("a device tells with an Alert".into());
    };
    let item = |item: &Item| {
        let meta = item.meta.clone().unwrap_or_default();
        let in_parts = meta.size.filter(|_| item.data.is_none());
        AlertItem {
            source: item.source_uri().map(String::from),
            content: Content { in_parts, ..content(item) },
            mark: meta.mark.as_deref().map(Mark::parse),
        }
    };
    let kind = alert.code.and_then(AlertKind::of).ok_or("a device tells with 1224 or 1226")?;
    let items = alert.items.iter().map(item).collect();
    Ok(NewAlert { tag: tag.into(), alert: DeviceAlert { kind, correlator: alert.correlator, items } })
}

fn result(words: &[String], op: &Op, world: &World) -> Result<OpResult, String> {
    let (code, mut rest) = words.split_first().ok_or("an operation gets a status")?;
    let mut result = OpResult::status(StatusCode(number(code)?));
    while let Some((first, more)) = rest.split_first() {
        match first.split_once('=') {
            Some(("failed-at", uri)) => result.failed_at = Some(uri.into()),
            Some(("in-parts", bytes)) => {
                let in_parts = Some(number(bytes)?);
                let uri = op.uri().unwrap_or_default().into();
                result.found.push(Found { uri, content: Content { in_parts, ..Content::default() } });
            }
            Some(("not-undone", list)) => result.not_undone = list.split(',').map(number).collect::<Result<_, _>>()?,
            _ => break,
        }
        rest = more;
    }
    for found in rest.split(|word| word == "&").filter(|words| !words.is_empty()) {
        let mut words = found.to_vec();
        if words[0] == "=" || words[0].starts_with('[') {
            words.insert(0, op.uri().unwrap_or("-").into());
        }
        let item = parse_item(&words, &world.notes)?;
        let content = content(&item);
        result.found.push(Found { uri: item.target_uri().unwrap_or_default().into(), content });
    }
    Ok(result)
}

fn report_line(report: &Report, world: &mut World) -> String {
    match report {
        Report::ClientNonce(nonce) => format!("report client-nonce {}", world.notes.nonce(nonce)),
        Report::ServerNonce(nonce) => format!("report server-nonce {}", world.notes.nonce(nonce)),
        report => format!("report {}", compact(&json(report))),
    }
}
