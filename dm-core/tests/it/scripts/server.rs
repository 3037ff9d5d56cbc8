//! Our server under a script that is its device and its embedder.

use std::iter::Peekable;

use core_kit::Machine;
use dm_core::{
    auth::{Account, Scheme},
    prompt::Prompt,
    server::{Answer, Entry, Input, Order, Output, Pair, Profile, Question, Report, Request, Session},
    tree::Content,
    wire::{Command, Encoding, Item},
};

use super::{
    Side,
    message::parse_command,
    notes::Notes,
    run::{Driver, World, adjusted, answer, asked, json, reason, scheme, word},
    script::{Script, Step},
    text::{compact, content, number, unquote, words},
};
use crate::harness::SERVER;

pub(super) struct Server {
    profile: Profile,
    session: Session,
    /// The device's account; nothing where the transport has proved the device.
    device: Option<Account>,
    prove: Option<Scheme>,
}

impl Driver for Server {
    const SIDE: Side = Side::Server;
    const WORDS: &'static [&'static str] = &["again", "bytes", "orders", "fetch", "answer", "wake", "abort", "wait"];

    fn new(script: &Script, _: Encoding) -> Result<Self, String> {
        let profile = adjusted(&Profile::new(SERVER), script)?;
        let account = |name: &str| Notes::account("device", scheme(name)?);
        Ok(Self {
            session: Session::new(&profile),
            profile,
            device: script.setting("device").map(account).transpose()?,
            prove: script.setting("prove").map(scheme).transpose()?,
        })
    }

    fn feed(&mut self, step: &Step, world: &mut World) -> Result<Vec<Vec<String>>, String> {
        let input = match step.word() {
            "orders" => self.orders(step, world)?,
            "fetch" => self.fetch(step)?,
            "answer" => {
                let id = self.session.pending().ok_or("no question is open")?.id();
                Input::Answered(answer::<Answer>(step, &id)?)
            }
            "abort" => Input::Abort(reason(step.rest())?),
            "wake" => {
                world.now = self.session.deadline().ok_or("the session waits for no time")?.at.0 - 1;
                Input::Wake
            }
            "wait" => {
                world.now += number::<u64>(step.rest())?;
                return Ok(Vec::new());
            }
            _ => Input::Received(world.packet(Side::Client, step)?),
        };
        let (mut lines, mut todo) = (Vec::new(), Some(input));
        while let Some(input) = todo.take() {
            for output in world.step(&mut self.session, input, &self.profile)? {
                match output {
                    Output::Report(report) => lines.push(vec![report_line(&report, world)]),
                    Output::Reply(packet) => lines.push(world.sent(Side::Server, &packet)?),
                    Output::Refuse(fault) => lines.push(vec![format!("refuse {}", word(&fault))]),
                    Output::Finished(outcome) => lines.push(vec![format!("end {}", word(&outcome))]),
                    Output::Ask(Question::Authenticate(question)) => {
                        let (verdict, said) = world.judge(Side::Server, self.device.as_ref(), &question.claim);
                        lines.push(said);
                        todo = Some(question.answer(verdict, self.prove));
                    }
                    Output::Ask(Question::Sign(question)) => {
                        let (signature, said) = world.sign(Side::Server, "server", &question.request);
                        lines.push(said);
                        todo = Some(match signature {
                            Some(signature) => question.answer(signature),
                            None => question.decline(),
                        });
                    }
                    Output::Ask(question) => lines.push(vec![asked(&question, &["device"])]),
                }
            }
        }
        Ok(lines)
    }
}

impl Server {
    /// The answer to the open question for commands: `tag: Command | item` on each line.
    fn orders(&self, step: &Step, world: &World) -> Result<Input, String> {
        let Some(Question::Commands(question)) = self.session.pending() else {
            return Err("no orders are asked for".into());
        };
        let mut lines = step.body.iter().map(String::as_str).peekable();
        let orders = orders(&mut lines, 1, &world.notes)?;
        match lines.next() {
            None => Ok(question.answer(orders)),
            Some(line) => Err(format!("{line:?} is indented too deeply")),
        }
    }

    /// The answer to the open question for a part of a value: a text, or `none`.
    fn fetch(&self, step: &Step) -> Result<Input, String> {
        let Some(Question::Fetch(question)) = self.session.pending() else { return Err("nothing is fetched".into()) };
        if step.rest() == "none" {
            return Ok(question.decline());
        }
        let parts = words(step.rest())?.iter().map(|word| unquote(word)).collect::<Result<String, String>>()?;
        Ok(question.answer(parts))
    }
}

/// The orders at a depth, those of a block deeper.
fn orders<'a>(
    lines: &mut Peekable<impl Iterator<Item = &'a str>>,
    depth: usize,
    notes: &Notes,
) -> Result<Vec<Order>, String> {
    let mut all = Vec::new();
    let indent = "  ".repeat(depth);
    let mine = |line: &&str| line.strip_prefix(&indent).is_some_and(|rest| !rest.starts_with(' '));
    while let Some(line) = lines.next_if(mine) {
        let (tag, command) = line.trim().split_once(": ").ok_or("an order is `tag: Command | item`")?;
        let request = match command {
            "Sequence" => Request::Sequence(orders(lines, depth + 1, notes)?),
            "Atomic" => Request::Atomic(orders(lines, depth + 1, notes)?),
            command => request(&parse_command(Side::Server, &format!("0 {command}"), notes)?)?,
        };
        all.push(Order::new(tag, request));
    }
    Ok(all)
}

fn request(command: &Command) -> Result<Request, String> {
    let uris = |items: &[Item]| items.iter().map(|item| item.target_uri().unwrap_or_default().into()).collect();
    // A size without a value: the value is asked for as it goes out.
    let in_parts = |item: &Item| item.meta.as_ref().and_then(|meta| meta.size).filter(|_| item.data.is_none());
    let entry = |item: &Item| Entry {
        uri: item.target_uri().unwrap_or_default().into(),
        content: Content { in_parts: in_parts(item), ..content(item) },
    };
    Ok(match command {
        Command::Get(get) => Request::Get(uris(&get.items)),
        Command::Delete(delete) => Request::Delete(uris(&delete.items)),
        Command::Add(add) => Request::Add(add.items.iter().map(entry).collect()),
        Command::Replace(replace) => Request::Replace(replace.items.iter().map(entry).collect()),
        Command::Copy(copy) => {
            let pair = |item: &Item| Pair {
                from: item.source_uri().unwrap_or_default().into(),
                to: item.target_uri().unwrap_or_default().into(),
            };
            Request::Copy(copy.items.iter().map(pair).collect())
        }
        Command::Exec(exec) => {
            let entry = exec.items.first().map(entry).ok_or("an Exec has an item")?;
            Request::Exec { entry, correlator: exec.correlator.clone() }
        }
        Command::Alert(alert) => Request::Ask(Prompt::from_alert(alert).map_err(|fault| fault.to_string())?),
        other => return Err(format!("a server orders no {}", other.name())),
    })
}

fn report_line(report: &Report, world: &mut World) -> String {
    match report {
        Report::ClientNonce(nonce) => format!("report client-nonce {}", world.notes.nonce(nonce)),
        Report::ServerNonce(nonce) => format!("report server-nonce {}", world.notes.nonce(nonce)),
        report => format!("report {}", compact(&json(report))),
    }
}
