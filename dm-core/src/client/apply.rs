//! From the server's commands to operations on the tree, and from their results to statuses.

use alloc::{boxed::Box, string::String, vec::Vec};

use core_kit::Env;

use super::{
    Ops, Output, Report, Session,
    phase::{Asking, Draft, Next},
};
use crate::{
    codes::{AlertCode, StatusCode},
    fault::PeerFault,
    ids::{CmdId, MsgId},
    session::{Outcome, content_of, fill, refuse_all, status_for},
    tree::{Found, Op, OpResult},
    wire::{Command, Encoding, Exec, Header, Item, Location, Message, Results, Status},
};

/// A package of the server, and the reply to it as far as the tree does not decide.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    draft: Draft,
    msg_id: MsgId,
    is_final: bool,
    slots: Vec<Slot>,
}

/// The place of one command's answer in the reply.
#[derive(Clone, Debug)]
enum Slot {
    /// Decided.
    Status(Box<Status>),
    /// For the tree to decide, item by item.
    Items { name: &'static str, cmd_id: CmdId, items: Vec<Place> },
}

/// What one item of a command is about.
#[derive(Clone, Debug)]
struct Place {
    target: Option<String>,
    source: Option<String>,
    /// The number of the operation, or the status of an item that makes none.
    op: Result<usize, StatusCode>,
}

impl Session {
    /// Carries out what a believed server wants, in document order.
    pub(super) fn execute(&mut self, env: &Env, message: &Message, draft: Draft, out: &mut Vec<Output>) -> Next {
        let mut planner = Planner { msg_id: message.header.msg_id, ..Planner::default() };
        let mut seen = Vec::new();
        for command in &message.commands {
            match command {
                Command::Status(status) => {
                    if !self.is_expected(status) {
                        let (msg_ref, cmd_ref) = (status.msg_ref, status.cmd_ref.clone());
                        planner.fault(PeerFault::UnexpectedStatus { msg_ref, cmd_ref });
                    }
                }
                _ => planner.command(command, &mut seen),
            }
        }
        out.extend(planner.reports.into_iter().map(Output::Report));
        let plan = Plan { draft, msg_id: planner.msg_id, is_final: message.is_final, slots: planner.slots };
        if planner.ops.is_empty() {
            return self.conclude(env, plan, &[], out);
        }
        let server = Some(self.profile.server_id.clone());
        let ops = Ops::new(self.next_question(), env.wall, server, planner.ops);
        Next::Ask(Asking::Applying(ops, plan).into())
    }

    /// Whether a status of the server is for something in the last message out.
    fn is_expected(&self, status: &Status) -> bool {
        let number = status.cmd_ref.as_ref().and_then(|id| id.as_str().parse::<u32>().ok());
        status.is_for_header()
            || (status.msg_ref == self.common.sent && number.is_some_and(|n| n <= self.common.sent_commands))
    }

    /// Goes on with what the tree did.
    pub(super) fn applied(
        &mut self,
        env: &Env,
        ops: &Ops,
        plan: Plan,
        results: &[OpResult],
        out: &mut Vec<Output>,
    ) -> Next {
        let commands = u32::try_from(ops.ops.len()).unwrap_or(u32::MAX);
        out.push(Output::Report(Report::Executed { msg_id: plan.msg_id, commands }));
        self.conclude(env, plan, results, out)
    }

    /// Makes the reply, or ends the session if there is nothing to say [DM 1.2, 8].
    fn conclude(&mut self, env: &Env, plan: Plan, results: &[OpResult], out: &mut Vec<Output>) -> Next {
        let Plan { mut draft, msg_id, is_final, slots } = plan;
        for slot in slots {
            slot.answer(msg_id, results, self.profile.encoding, &mut draft.commands);
        }
        if !is_final {
            self.common.open_messages += 1;
            if self.common.open_messages > self.profile.session.open_messages_max {
                draft.alert = Some(AlertCode::SESSION_ABORT);
                draft.end = Some(Outcome::Failed(PeerFault::Endless));
            } else {
                // The server's package is open, so this client's must stay open too (F2, F6).
                draft.alert = Some(AlertCode::NEXT_MESSAGE);
            }
            return self.sign_and_send(env, draft, out);
        }
        self.common.open_messages = 0;
        if draft.commands.is_empty() {
            return Next::over(Outcome::Completed);
        }
        self.sign_and_send(env, draft, out)
    }
}

impl Slot {
    fn status(status: Status) -> Self {
        Self::Status(status.into())
    }

    fn answer(self, msg_ref: MsgId, results: &[OpResult], encoding: Encoding, to: &mut Vec<Command>) {
        let (name, cmd_id, items) = match self {
            Self::Status(status) => return to.push(Command::Status(*status)),
            Self::Items { name, cmd_id, items } => (name, cmd_id, items),
        };
        let mut found = Vec::new();
        for Place { target, source, op } in items {
            let result = op.map(|at| results.get(at));
            let code = match result {
                Ok(Some(result)) => {
                    found.extend(result.found.iter().filter(|_| result.status.is_success()));
                    result.status
                }
                Ok(None) => StatusCode::COMMAND_FAILED,
                Err(code) => code,
            };
            to.push(Command::Status(Status {
                cmd_id: None,
                msg_ref,
                cmd_ref: Some(cmd_id.clone()),
                cmd: name.into(),
                target_refs: target.into_iter().collect(),
                source_refs: source.into_iter().collect(),
                cred: None,
                chal: None,
                code,
                items: Vec::new(),
            }));
        }
        if !found.is_empty() {
            to.push(Command::Results(Results {
                msg_ref: Some(msg_ref),
                cmd_ref: cmd_id,
                items: found.into_iter().map(|node| told(node, encoding)).collect(),
                ..Results::default()
            }));
        }
    }
}

/// An item that tells what a node holds, with the node as its source.
pub(super) fn told(node: &Found, encoding: Encoding) -> Item {
    let mut item = Item { source: Some(Location::new(node.uri.clone())), ..Item::default() };
    fill(&mut item, &node.content, encoding);
    item
}

#[derive(Default)]
struct Planner {
    msg_id: MsgId,
    slots: Vec<Slot>,
    ops: Vec<Op>,
    reports: Vec<Report>,
}

impl Planner {
    fn fault(&mut self, fault: PeerFault) {
        self.reports.push(Report::Fault { msg_id: Some(self.msg_id), fault });
    }

    /// One command directly in the body or directly in a Sequence. `seen` are the identifiers so far.
    fn command(&mut self, command: &Command, seen: &mut Vec<CmdId>) {
        let id = command.cmd_id().cloned().unwrap_or_default();
        if let Command::Results(_) = command {
            // Only a client has results.
            return self.fault(PeerFault::UnexpectedResults { cmd_ref: id });
        }
        if seen.contains(&id) {
            self.fault(PeerFault::CmdIdReused(id));
            return self.refuse(command, StatusCode::BAD_REQUEST);
        }
        if id.as_str().is_empty() || id.is_header() {
            self.fault(PeerFault::CmdIdUnusable(id));
            return self.refuse(command, StatusCode::BAD_REQUEST);
        }
        seen.push(id.clone());
        match command {
            Command::Get(get) => {
                self.items(command, get.cred.is_some(), &get.items, |item| Some(Op::Get { uri: target(item)? }));
            }
            Command::Add(add) => self.items(command, add.cred.is_some(), &add.items, |item| {
                Some(Op::Add { uri: target(item)?, content: content_of(item, add.meta.as_ref()) })
            }),
            Command::Replace(replace) => self.items(command, replace.cred.is_some(), &replace.items, |item| {
                Some(Op::Replace { uri: target(item)?, content: content_of(item, replace.meta.as_ref()) })
            }),
            Command::Delete(delete) => self
                .items(command, delete.cred.is_some(), &delete.items, |item| Some(Op::Delete { uri: target(item)? })),
            Command::Copy(copy) => self.items(command, copy.cred.is_some(), &copy.items, |item| {
                Some(Op::Copy { from: item.source_uri()?.into(), to: target(item)? })
            }),
            Command::Exec(exec) => self.exec(command, exec),
            Command::Sequence(block) => {
                self.slots.push(Slot::status(status_for(self.msg_id, command, StatusCode::OK)));
                for inner in &block.commands {
                    match inner {
                        // Neither is in DM's set for a Sequence [DM RepPro 1.2, 6.6.14].
                        Command::Atomic(_) | Command::Sequence(_) => self.refuse(inner, StatusCode::COMMAND_FAILED),
                        Command::Status(_) => {}
                        inner => self.command(inner, seen),
                    }
                }
            }
            Command::Alert(alert) => {
                let code = match alert.code {
                    Some(AlertCode::NEXT_MESSAGE) => StatusCode::OK,
                    code => {
                        self.reports.push(Report::Alerted(code));
                        if code.is_some() { StatusCode::NOT_SUPPORTED } else { StatusCode::INCOMPLETE }
                    }
                };
                self.slots.push(Slot::status(status_for(self.msg_id, command, code)));
            }
            Command::Atomic(_)
            | Command::Map(_)
            | Command::Move(_)
            | Command::Put(_)
            | Command::Search(_)
            | Command::Sync(_)
            | Command::Results(_)
            | Command::Status(_) => self.refuse(command, StatusCode::NOT_SUPPORTED),
        }
    }

    /// A command and everything inside it gets the same status, and nothing is done.
    fn refuse(&mut self, command: &Command, code: StatusCode) {
        let header = Header { msg_id: self.msg_id, ..Header::default() };
        let message = Message { header, commands: [command.clone()].into(), is_final: true };
        self.slots.extend(refuse_all(&message, code).into_iter().map(Slot::status));
    }

    fn exec(&mut self, command: &Command, exec: &Exec) {
        // The schema allows one item, and which of several to run is not for this client to guess.
        if exec.items.len() > 1 {
            return self.refuse(command, StatusCode::BAD_REQUEST);
        }
        self.items(command, exec.cred.is_some(), &exec.items, |item| {
            let argument = content_of(item, exec.meta.as_ref());
            Some(Op::Exec { uri: target(item)?, argument, correlator: exec.correlator.clone() })
        });
    }

    /// One operation for each item; an item without an address gets 404 [digest 6.1].
    fn items(&mut self, command: &Command, cred: bool, items: &[Item], op: impl Fn(&Item) -> Option<Op>) {
        let cmd_id = command.cmd_id().cloned().unwrap_or_default();
        if cred {
            self.fault(PeerFault::CredInCommand(cmd_id.clone()));
        }
        if items.is_empty() {
            return self.refuse(command, StatusCode::BAD_REQUEST);
        }
        let targets = items.iter().map(|item| {
            let op = match op(item) {
                Some(op) => {
                    self.ops.push(op);
                    Ok(self.ops.len() - 1)
                }
                None => Err(StatusCode::NOT_FOUND),
            };
            Place { target: target(item), source: item.source_uri().map(String::from), op }
        });
        let items = targets.collect();
        self.slots.push(Slot::Items { name: command.name(), cmd_id, items });
    }
}

fn target(item: &Item) -> Option<String> {
    item.target_uri().map(String::from)
}
