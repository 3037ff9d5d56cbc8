//! From the server's commands to what is to be done, and in which order.

use alloc::{collections::VecDeque, string::String, vec::Vec};
use core::ops::Range;

use smol_str::SmolStr;

use super::{
    Profile, Report,
    object::{Chunk, Incoming, has_more_data},
    phase::Draft,
};
use crate::{
    codes::{AlertCode, StatusCode},
    fault::PeerFault,
    ids::{CmdId, MsgId},
    prompt::Prompt,
    session::{content_of, refuse_all},
    tree::{Found, Op},
    wire::{Alert, Block as WireBlock, Command, Exec, Header, Item, Message, Meta},
};

/// A message of the server that is worked on, and the answer to it as far as it is known.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) draft: Draft,
    pub(super) msg_id: MsgId,
    /// Whether the server's package goes on after this message.
    pub(super) is_open: bool,
    /// Whether the message brings the session any further.
    pub(super) progress: bool,
    /// One for each command, in document order.
    pub(super) answers: Vec<Answer>,
    pub(super) blocks: Vec<Block>,
    /// What is left to do, in order.
    pub(super) tasks: VecDeque<Task>,
    /// Objects that the server broke off.
    pub(super) broken_off: Vec<SmolStr>,
    /// The object that goes on in the next message, if its chunk of this one is kept.
    pub(super) object: Option<Incoming>,
    /// What the operations of the open question are for.
    pub(super) asked: Vec<Asked>,
    /// The operations of the tree's open transaction, and the prompts in it.
    pub(super) transaction: Option<Transaction>,
    /// Operations done.
    pub(super) done: u32,
}

/// The answer to one command.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) cmd: SmolStr,
    pub(super) cmd_id: CmdId,
    /// Whether it is the status of a Next Message alert.
    pub(super) is_next: bool,
    /// One for each item; one for a command as a whole.
    pub(super) places: Vec<Place>,
}

/// One status.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) target: Option<SmolStr>,
    pub(super) source: Option<SmolStr>,
    /// Nothing until it is known.
    pub(super) code: Option<StatusCode>,
    /// What the user said.
    pub(super) texts: Vec<String>,
    /// What a `Get` found.
    pub(super) found: Vec<Found>,
    /// The node that could not be made.
    pub(super) failed_at: Option<SmolStr>,
}

/// Where an answer's place is: the number of the answer and of the place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot(pub(super) usize, pub(super) usize);

/// A `Sequence` or an `Atomic`.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) is_atomic: bool,
    /// The answers: the block's own first, then those of its members.
    pub(super) answers: Range<usize>,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// An operation of the tree.
    Op { spot: Spot, op: Op, block: Option<usize> },
    /// Something to ask the user.
    Prompt { spot: Spot, prompt: Prompt, block: Option<usize> },
    /// A block begins.
    Enter(usize),
    /// An `Atomic` ends.
    Leave(usize),
    /// A chunk of an object: the operations, and whether more chunks follow.
    Chunk { spot: Spot, ops: Vec<Op>, more: bool },
    /// What was kept of an object is dropped.
    Discard,
}

/// What an operation is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    Item(Spot),
    Begin(usize),
    Commit(usize),
    RollBack(usize),
    Chunk { spot: Spot, more: bool },
    Nothing,
}

/// The tree's open transaction.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) block: usize,
    /// Its operations, in the order in which they were asked for.
    pub(super) ops: Vec<Spot>,
}

impl Work {
    pub(super) fn place(&mut self, Spot(answer, place): Spot) -> Option<&mut Place> {
        self.answers.get_mut(answer).and_then(|answer| answer.places.get_mut(place))
    }

    pub(super) fn set(&mut self, spot: Spot, code: StatusCode) {
        if let Some(place) = self.place(spot) {
            place.code = Some(code);
        }
    }

    /// The place of a block's own status.
    pub(super) fn own_spot(&self, block: usize) -> Spot {
        Spot(self.blocks.get(block).map_or(0, |block| block.answers.start), 0)
    }
}

/// Where a message stands in the exchange of packages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// The last message of this client ended its package, so that nothing of it can be asked for.
    pub(super) closed: bool,
    /// This client's package is not ended yet though the server's is: it must not send anything new (F4, F5).
    pub(super) is_ours: bool,
    /// An object of this client is on its way to the server.
    pub(super) is_telling: bool,
    /// Octets of a message to the server, and what of them the header and its status take.
    pub(super) bytes_max: usize,
    pub(super) header_bytes: usize,
}

/// Turns commands into tasks and answers.
pub(super) struct Planner<'a> {
    profile: &'a Profile,
    turn: Turn,
    msg_id: MsgId,
    /// The block that the next command is in, and the block's `Meta`.
    inside: Option<(usize, Option<&'a Meta>)>,
    seen: Vec<CmdId>,
    answers: Vec<Answer>,
    blocks: Vec<Block>,
    tasks: VecDeque<Task>,
    broken_off: Vec<SmolStr>,
    object: Option<Incoming>,
    progress: bool,
    /// The server gives up an object that this client sends.
    pub(super) stops_telling: bool,
    pub(super) reports: Vec<Report>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(profile: &'a Profile, msg_id: MsgId, turn: Turn, object: Option<Incoming>) -> Self {
        Self {
            profile,
            turn,
            msg_id,
            inside: None,
            seen: Vec::new(),
            answers: Vec::new(),
            blocks: Vec::new(),
            tasks: VecDeque::new(),
            broken_off: Vec::new(),
            object,
            progress: false,
            stops_telling: false,
            reports: Vec::new(),
        }
    }

    /// The plan for all commands of a message.
    pub(super) fn plan(&mut self, message: &'a Message, draft: Draft) -> Work {
        let commands = message.commands.iter().filter(|command| !matches!(command, Command::Status(_)));
        let count = commands.clone().count();
        self.seen.reserve(count);
        self.answers.reserve(count);
        self.tasks.reserve(count);
        for (at, command) in commands.enumerate() {
            self.top_level(command, at + 1 == count);
        }
        let mut is_open = !message.is_final;
        let chunk_follows = matches!(self.tasks.back(), Some(Task::Chunk { more: true, .. }))
            || (self.object.is_some() && message.commands.iter().any(has_more_data));
        if chunk_follows && message.is_final {
            // The last chunk ends the package, not this one (F3).
            self.fault(PeerFault::EarlyFinal);
            is_open = true;
        } else if message.is_final && !chunk_follows {
            self.break_off();
        }
        if self.turn.is_ours {
            if message.is_final {
                self.fault(PeerFault::EarlyFinal);
            }
            is_open = false;
        }
        Work {
            draft,
            msg_id: self.msg_id,
            is_open,
            progress: self.progress,
            answers: core::mem::take(&mut self.answers),
            blocks: core::mem::take(&mut self.blocks),
            tasks: core::mem::take(&mut self.tasks),
            broken_off: core::mem::take(&mut self.broken_off),
            object: self.object.take(),
            asked: Vec::new(),
            transaction: None,
            done: 0,
        }
    }

    fn fault(&mut self, fault: PeerFault) {
        self.reports.push(Report::Fault { msg_id: Some(self.msg_id), fault });
    }

    /// The object is not gone on with: what there is of it is dropped, and the server is told [digest 3.7].
    fn break_off(&mut self) {
        if core_kit::planted!("D38-not-broken-off") {
            self.object = None;
            return;
        }
        if let Some(object) = self.object.take()
            && object.is_kept()
        {
            self.fault(PeerFault::ObjectInterrupted);
            self.tasks.push_back(Task::Discard);
            self.broken_off.push(object.uri);
        }
    }

    fn top_level(&mut self, command: &'a Command, is_last: bool) {
        if let Command::Alert(alert) = command
            && self.exchange(command, alert)
        {
            return;
        }
        if let Command::Results(results) = command {
            // Only a client has results.
            return self.fault(PeerFault::UnexpectedResults { cmd_ref: results.cmd_ref.clone() });
        }
        if self.turn.is_ours {
            self.fault(PeerFault::OutOfTurn);
            return self.refuse(command, StatusCode::BAD_REQUEST);
        }
        let more = has_more_data(command);
        // A chunk with more to come is the last command of its message.
        let misplaced = more && !is_last;
        let goes_on = self.object.take_if(|object| object.goes_on_with(command) && !misplaced);
        self.break_off();
        if goes_on.is_none() && !more {
            self.progress = true;
            return self.command(command);
        }
        if !self.identify(command) {
            return;
        }
        let chunk = match goes_on {
            _ if misplaced => None,
            Some(object) => object.go_on(command),
            None => Incoming::begin(command, self.profile.large_objects, self.profile.max_obj_size),
        };
        match chunk {
            Some(chunk) => self.chunk(command, chunk),
            None => self.refuse_chunk(command),
        }
    }

    fn refuse_chunk(&mut self, command: &Command) {
        self.fault(PeerFault::BadChunk);
        self.answer_all(command, StatusCode::BAD_REQUEST);
    }

    /// Alerts about the exchange of messages itself; whether it is one.
    fn exchange(&mut self, command: &Command, alert: &Alert) -> bool {
        let (code, is_next) = match alert.code {
            Some(AlertCode::NEXT_MESSAGE) if self.turn.closed => {
                self.fault(PeerFault::NothingToContinue);
                (StatusCode::NOT_ALLOWED, true)
            }
            Some(AlertCode::NEXT_MESSAGE) => (StatusCode::OK, true),
            Some(AlertCode::NO_END_OF_DATA) if self.turn.is_telling => {
                self.stops_telling = true;
                (StatusCode::OK, false)
            }
            _ => return false,
        };
        if self.identify(command) {
            let spot = self.answer(command, is_next);
            self.decide(spot, code);
        }
        true
    }

    fn chunk(&mut self, command: &Command, chunk: Chunk) {
        let at = self.answers.len();
        let (cmd, cmd_id) = (command.name().into(), command.cmd_id().cloned().unwrap_or_default());
        let target = match command {
            Command::Add(edit) | Command::Replace(edit) => edit.items.first().and_then(target),
            Command::Exec(exec) => exec.items.first().and_then(target),
            _ => None,
        };
        let places = [Place { target, ..Place::default() }].into();
        self.answers.push(Answer { cmd, cmd_id, is_next: false, places });
        let spot = Spot(at, 0);
        match chunk {
            Chunk::Keep(op, rest) => {
                // An empty chunk brings nothing: an object of them would never end.
                self.progress |= matches!(&op, Op::Stage { data, .. } if !data.is_empty());
                self.object = Some(rest);
                self.tasks.push_back(Task::Chunk { spot, ops: [op].into(), more: true });
            }
            Chunk::End(keep, op) => {
                self.progress = true;
                self.tasks.push_back(Task::Chunk { spot, ops: [keep, op].into(), more: false });
            }
            Chunk::Refuse { code, discard, rest } => {
                self.decide(spot, code);
                self.object = rest;
                if discard {
                    self.tasks.push_back(Task::Discard);
                }
            }
        }
    }

    /// Whether the command can be referred to; if not it is refused.
    fn identify(&mut self, command: &Command) -> bool {
        let id = command.cmd_id().cloned().unwrap_or_default();
        let fault = if self.seen.contains(&id) {
            PeerFault::CmdIdReused(id)
        } else if id.as_str().is_empty() || id.is_header() {
            PeerFault::CmdIdUnusable(id)
        } else {
            self.seen.push(id);
            return true;
        };
        self.fault(fault);
        self.answer_all(command, StatusCode::BAD_REQUEST);
        false
    }

    /// One command directly in the body or directly in a block.
    fn command(&mut self, command: &'a Command) {
        if !self.identify(command) {
            return;
        }
        let atomic = self.inside.is_some_and(|(block, _)| self.blocks.get(block).is_some_and(|block| block.is_atomic));
        if self.inside.is_some() && has_more_data(command) {
            // A block is in one message [DM 1.2, 6.1].
            return self.refuse_chunk(command);
        }
        match command {
            Command::Get(_) | Command::Exec(_) if atomic && !core_kit::planted!("D28-read-in-atomic") => {
                self.answer_all(command, StatusCode::COMMAND_FAILED);
            }
            Command::Get(get) => {
                self.items(command, get.cred.is_some(), &get.items, |_, uri| Some(Op::Get { uri }));
            }
            Command::Add(add) => {
                let meta = self.meta(add.meta.as_deref());
                self.items(command, add.cred.is_some(), &add.items, |item, uri| {
                    Some(Op::Add { uri, content: content_of(item, meta.as_ref()) })
                });
            }
            Command::Replace(replace) => {
                let meta = self.meta(replace.meta.as_deref());
                self.items(command, replace.cred.is_some(), &replace.items, |item, uri| {
                    Some(Op::Replace { uri, content: content_of(item, meta.as_ref()) })
                });
            }
            Command::Delete(delete) => {
                self.items(command, delete.cred.is_some(), &delete.items, |_, uri| Some(Op::Delete { uri }));
            }
            Command::Copy(copy) => self.items(command, copy.cred.is_some(), &copy.items, |item, to| {
                Some(Op::Copy { from: source(item)?, to })
            }),
            Command::Exec(exec) => self.exec(command, exec),
            // Neither is in DM's sets for blocks [DM RepPro 1.2, 6.6.3 and 6.6.14].
            Command::Sequence(_) | Command::Atomic(_) if self.inside.is_some() => {
                self.answer_all(command, StatusCode::COMMAND_FAILED);
            }
            Command::Sequence(block) => self.block(command, block, false),
            Command::Atomic(block) => self.block(command, block, true),
            Command::Alert(alert) => self.alert(command, alert),
            Command::Results(_) => {
                self.fault(PeerFault::UnexpectedResults { cmd_ref: command.cmd_id().cloned().unwrap_or_default() });
            }
            Command::Map(_)
            | Command::Move(_)
            | Command::Put(_)
            | Command::Search(_)
            | Command::Sync(_)
            | Command::Status(_) => self.answer_all(command, StatusCode::NOT_SUPPORTED),
        }
    }

    /// The command's `Meta`, and where it says nothing that of the block around it.
    fn meta(&self, own: Option<&Meta>) -> Option<Meta> {
        let Some((_, Some(outer))) = self.inside else { return own.cloned() };
        let own = own.cloned().unwrap_or_default();
        let format = own.format.or_else(|| outer.format.clone());
        let media_type = own.media_type.or_else(|| outer.media_type.clone());
        Some(Meta { format, media_type, ..Meta::default() })
    }

    fn exec(&mut self, command: &Command, exec: &Exec) {
        // The schema allows one item, and which of several to run is not for this client to guess.
        if exec.items.len() > 1 {
            return self.answer_all(command, StatusCode::BAD_REQUEST);
        }
        let meta = self.meta(exec.meta.as_deref());
        self.items(command, exec.cred.is_some(), &exec.items, |item, uri| {
            let argument = content_of(item, meta.as_ref());
            Some(Op::Exec { uri, argument, correlator: exec.correlator.clone() })
        });
    }

    fn alert(&mut self, command: &Command, alert: &Alert) {
        let spot = self.answer(command, false);
        let Some(code) = alert.code.filter(|code| self.profile.prompts.contains(code)) else {
            self.reports.push(Report::Alerted(alert.code));
            let code = if alert.code.is_some() { StatusCode::NOT_SUPPORTED } else { StatusCode::INCOMPLETE };
            return self.decide(spot, code);
        };
        match Prompt::from_alert(alert) {
            Ok(prompt) => self.tasks.push_back(Task::Prompt { spot, prompt, block: self.inside.map(|(at, _)| at) }),
            Err(fault) => {
                self.fault(PeerFault::BadPrompt { code, fault });
                self.decide(spot, fault.status());
            }
        }
    }

    /// A block and all in it.
    fn block(&mut self, command: &'a Command, block: &'a WireBlock, is_atomic: bool) {
        let own = self.answer(command, false);
        let Spot(first, _) = own;
        let (number, tasks_before) = (self.blocks.len(), self.tasks.len());
        self.blocks.push(Block { is_atomic, answers: first..first });
        self.tasks.push_back(Task::Enter(number));
        self.inside = Some((number, block.meta.as_deref()));
        for inner in &block.commands {
            if !matches!(inner, Command::Status(_)) {
                self.command(inner);
            }
        }
        self.inside = None;
        let answers = first..self.answers.len();
        if let Some(block) = self.blocks.last_mut() {
            block.answers = answers.clone();
        }
        if core_kit::planted!("D27-backwards")
            && !is_atomic
            && let Some(members) = self.tasks.make_contiguous().get_mut(tasks_before + 1..)
        {
            members.reverse();
        }
        if !is_atomic {
            return;
        }
        self.tasks.push_back(Task::Leave(number));
        if let Some(code) = self.doom(&answers, block) {
            // It cannot be done as a whole, so it is not begun.
            self.tasks.truncate(tasks_before);
            for answer in self.answers.iter_mut().skip(first) {
                for place in &mut answer.places {
                    place.code.get_or_insert(StatusCode::NOT_EXECUTED);
                }
            }
            self.decide(own, code);
        }
    }

    /// The status of an `Atomic` that is known to fail: a member is not carried out, or the statuses of all of them do
    /// not fit into one message, so that the server could see a part of them only.
    fn doom(&self, answers: &Range<usize>, block: &WireBlock) -> Option<StatusCode> {
        let members = self.answers.get(answers.start + 1..answers.end).unwrap_or_default();
        if block.commands.iter().any(|inner| matches!(inner, Command::Atomic(_))) {
            return Some(StatusCode::COMMAND_FAILED);
        }
        if members.iter().flat_map(|answer| &answer.places).any(|place| place.code.is_some()) {
            return Some(StatusCode::ATOMIC_FAILED);
        }
        let all = self.answers.get(answers.clone()).unwrap_or_default();
        let statuses = all.iter().flat_map(|answer| answer.told(self.msg_id));
        let commands = statuses.map(|told| Command::Status(told.status())).collect();
        let message = Message { header: Header::default(), commands, is_final: false };
        let size = |message: &Message| crate::wire::encode(self.profile.encoding, message).map_or(0, |body| body.len());
        let statuses_bytes = size(&message).saturating_sub(size(&Message::default()));
        let too_large = self.turn.header_bytes.saturating_add(statuses_bytes) > self.turn.bytes_max;
        too_large.then_some(StatusCode::ATOMIC_RESPONSE_TOO_LARGE)
    }

    /// One operation for each item; an item without an address gets 404 [digest 6.1].
    fn items(&mut self, command: &Command, cred: bool, items: &[Item], op: impl Fn(&Item, SmolStr) -> Option<Op>) {
        let cmd_id = command.cmd_id().cloned().unwrap_or_default();
        if cred {
            self.fault(PeerFault::CredInCommand(cmd_id.clone()));
        }
        if items.is_empty() {
            return self.answer_all(command, StatusCode::BAD_REQUEST);
        }
        let at = self.answers.len();
        let block = self.inside.map(|(block, _)| block);
        let mut places = Vec::with_capacity(items.len());
        for item in items {
            let (target, source) = (target(item), source(item));
            let op = target.clone().and_then(|target| op(item, target));
            let mut place = Place { target, source, ..Place::default() };
            match op {
                Some(op) => self.tasks.push_back(Task::Op { spot: Spot(at, places.len()), op, block }),
                None => place.code = Some(StatusCode::NOT_FOUND),
            }
            places.push(place);
        }
        self.answers.push(Answer { cmd: command.name().into(), cmd_id, is_next: false, places });
    }

    /// An answer to a command as a whole.
    fn answer(&mut self, command: &Command, is_next: bool) -> Spot {
        let cmd_id = command.cmd_id().cloned().unwrap_or_default();
        self.answers.push(Answer { cmd: command.name().into(), cmd_id, is_next, places: [Place::default()].into() });
        Spot(self.answers.len() - 1, 0)
    }

    fn decide(&mut self, Spot(answer, place): Spot, code: StatusCode) {
        let place = self.answers.get_mut(answer).and_then(|answer| answer.places.get_mut(place));
        if let Some(place) = place {
            place.code = Some(code);
        }
    }

    /// A command of the body, with everything in it, gets the same status.
    fn refuse(&mut self, command: &Command, code: StatusCode) {
        if self.identify(command) {
            self.answer_all(command, code);
        }
    }

    /// A command and everything inside it gets the same status, and nothing is done.
    fn answer_all(&mut self, command: &Command, code: StatusCode) {
        let header = Header { msg_id: self.msg_id, ..Header::default() };
        let message = Message { header, commands: [command.clone()].into(), is_final: true };
        for status in refuse_all(&message, code) {
            let place = Place { code: Some(code), ..Place::default() };
            let cmd_id = status.cmd_ref.unwrap_or_default();
            self.answers.push(Answer { cmd: status.cmd, cmd_id, is_next: false, places: [place].into() });
        }
    }
}

impl Answer {
    /// Its statuses, as far as they are known; success for the rest.
    pub(super) fn told(&self, msg_id: MsgId) -> impl Iterator<Item = super::say::Told> {
        self.places.iter().map(move |place| super::say::Told {
            msg_id,
            cmd_id: self.cmd_id.clone(),
            cmd: self.cmd.clone(),
            target: place.target.clone(),
            source: place.source.clone(),
            code: place.code.unwrap_or(StatusCode::OK),
            texts: place.texts.clone(),
            failed_at: place.failed_at.clone(),
        })
    }
}

fn target(item: &Item) -> Option<SmolStr> {
    item.target.as_ref().map(|target| target.uri.clone())
}

fn source(item: &Item) -> Option<SmolStr> {
    item.source.as_ref().map(|source| source.uri.clone())
}
