//! Carries out what a server wants: operations go to the tree, prompts to the user, and their results become statuses.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use core_kit::Env;

use super::{
    Ops, Output, Report, Session, User,
    phase::{Asking, Doing, Draft, Next},
    plan::{Asked, Place, Planner, Spot, Task, Transaction, Turn, Work},
    say::{Say, Telling, Told, octets},
};
use crate::{
    codes::{AlertCode, StatusCode},
    fault::PeerFault,
    prompt::Reply,
    session::Outcome,
    tree::{Found, Op, OpResult},
    wire::{Command, Message, Status},
};

impl Session {
    /// Carries out what a believed server wants, in document order.
    pub(super) fn execute(&mut self, env: &Env, message: &Message, draft: Draft, out: &mut Vec<Output>) -> Next {
        for command in &message.commands {
            if let Command::Status(status) = command {
                self.hear_status(message, status, out);
            }
        }
        let turn = Turn {
            closed: self.common.package.closed,
            is_ours: !self.common.package.closed && !self.common.server_open,
            is_telling: self.telling().is_some(),
            bytes_max: self.bytes_max(),
            // To know it, a message must be written; nothing but an `Atomic` asks.
            header_bytes: if message.commands.iter().any(is_block) { self.header_bytes(&draft) } else { 0 },
        };
        let object = self.common.incoming.take().map(|object| *object);
        let profile = Arc::clone(&self.profile);
        let mut planner = Planner::new(&profile, message.header.msg_id, turn, object);
        let work = planner.plan(message, draft).into();
        out.extend(planner.reports.drain(..).map(Output::Report));
        if planner.stops_telling {
            self.stop_telling(out);
        }
        self.advance(env, work, out)
    }

    /// What the server says of something that this client sent.
    fn hear_status(&mut self, message: &Message, status: &Status, out: &mut Vec<Output>) {
        if status.is_for_header() {
            return;
        }
        let number = status.cmd_ref.as_ref().and_then(|id| id.as_str().parse::<u32>().ok());
        let of_last = status.msg_ref == self.common.sent;
        // Statuses may come messages later, but not for what was never sent.
        let of_package = self.common.package.first <= status.msg_ref && status.msg_ref < self.common.sent;
        let known = of_last && number.is_some_and(|number| (1..=self.common.sent_commands).contains(&number));
        let alert =
            self.common.unanswered.iter().position(|one| one.msg_id == status.msg_ref && Some(one.cmd) == number);
        if let Some(at) = alert {
            if status.code.is_final() {
                self.alert_answered(at, status, out);
            }
        } else if !known && !of_package {
            let (msg_ref, cmd_ref) = (status.msg_ref, status.cmd_ref.clone());
            let fault = PeerFault::UnexpectedStatus { msg_ref, cmd_ref };
            out.push(Output::Report(Report::Fault { msg_id: Some(message.header.msg_id), fault }));
        }
        let refused = !status.code.is_success() && status.code.is_final();
        if of_last && number.is_some() && number == self.common.part_out && refused {
            self.stop_telling(out);
        }
    }

    fn alert_answered(&mut self, at: usize, status: &Status, out: &mut Vec<Output>) {
        let Some(one) = self.common.unanswered.get_mut(at) else { return };
        let report = Report::AlertAnswered { tag: one.tag.clone(), status: status.code };
        out.push(Output::Report(report));
        let names_item = !status.source_refs.is_empty() || !status.target_refs.is_empty();
        one.items = if names_item { one.items.saturating_sub(1) } else { 0 };
        if one.items == 0 {
            self.common.unanswered.remove(at);
        }
    }

    /// The object of this client that the server has a part of, by its place in the queue.
    fn telling(&self) -> Option<usize> {
        self.common.queue.iter().position(|say| say.value().is_some_and(|value| value.sent > 0))
    }

    /// The server does not want the rest of the object that is on its way.
    fn stop_telling(&mut self, out: &mut Vec<Output>) {
        if let Some(at) = self.telling() {
            let dropped = self.common.queue_mut().remove(at);
            Self::abandon(&dropped, out);
        }
    }

    /// Tells that something does not reach the server, or not whole.
    pub(super) fn abandon(say: &Say, out: &mut Vec<Output>) {
        let report = match say {
            Say::Result(telling) => Report::ValueAbandoned { uri: telling.found.uri.clone() },
            Say::Alert(alerting) => Report::AlertAbandoned { tag: alerting.tag.clone() },
            Say::Next(_) | Say::Statuses(_) | Say::NoEnd(_) => return,
        };
        out.push(Output::Report(report));
    }

    /// Does what can be done until somebody has to be asked, or nothing is left.
    fn advance(&mut self, env: &Env, mut work: Box<Work>, out: &mut Vec<Output>) -> Next {
        loop {
            match work.tasks.front() {
                None => return self.conclude(env, work, out),
                Some(Task::Prompt { .. }) => {
                    if let Some(Task::Prompt { prompt, .. }) = work.tasks.front() {
                        let question = User { id: self.next_question(), prompt: prompt.clone() };
                        return Next::Ask(Asking::Prompting(question, work).into());
                    }
                }
                Some(_) => {
                    if let Some(ops) = self.batch(env, &mut work) {
                        return Next::Ask(Asking::Applying(ops, Doing::Plan(work)).into());
                    }
                }
            }
        }
    }

    /// Takes as many tasks as one question can hold; nothing if they are nothing to ask.
    fn batch(&mut self, env: &Env, work: &mut Work) -> Option<Ops> {
        let count = work.tasks.len();
        let (mut ops, mut asked) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let is_atomic = |work: &Work, block: usize| work.blocks.get(block).is_some_and(|block| block.is_atomic);
        let mut stops = work.transaction.is_some();
        while let Some(task) = work.tasks.pop_front() {
            match task {
                Task::Op { spot, op, .. } => {
                    if let Some(transaction) = &mut work.transaction {
                        transaction.ops.push(spot);
                    }
                    ops.push(op);
                    asked.push(Asked::Item(spot));
                }
                Task::Enter(block) if !is_atomic(work, block) => {
                    // From now on the sequence counts as begun, whatever comes of its members.
                    let own = work.own_spot(block);
                    work.set(own, StatusCode::OK);
                }
                Task::Enter(block) if ops.is_empty() => {
                    work.transaction = Some(Transaction { block, ops: Vec::new() });
                    ops.push(Op::Begin);
                    asked.push(Asked::Begin(block));
                    stops = true;
                }
                Task::Leave(block) => {
                    ops.push(Op::Commit);
                    asked.push(Asked::Commit(block));
                    break;
                }
                Task::Chunk { spot, ops: all, more } if ops.is_empty() => {
                    asked.extend(all.iter().map(|_| Asked::Chunk { spot, more }));
                    ops = all;
                    stops = true;
                    break;
                }
                Task::Discard => {
                    ops.push(Op::Discard);
                    asked.push(Asked::Nothing);
                }
                task @ (Task::Prompt { .. } | Task::Enter(_) | Task::Chunk { .. }) => {
                    work.tasks.push_front(task);
                    break;
                }
            }
        }
        if ops.is_empty() {
            return None;
        }
        if core_kit::planted!("D10-more-than-asked") {
            ops.push(Op::Get { uri: "./DevInfo/Mod".into() });
            asked.push(Asked::Nothing);
        }
        if core_kit::planted!("D46-read-again-and-again")
            && let Some(get) = ops.iter().find(|op| matches!(op, Op::Get { .. })).cloned()
        {
            ops.extend(core::iter::repeat_n(get, 200));
            asked.resize_with(ops.len(), || Asked::Nothing);
        }
        work.asked = asked;
        let gets = ops.iter().filter(|op| matches!(op, Op::Get { .. })).count();
        let server = Some(self.profile.server_id.clone());
        let mut question = Ops::new(self.next_question(), env.wall, server, ops);
        question.stops_at_failure = stops;
        if self.profile.large_objects && gets > 0 {
            // Together they stay within what is kept until the server has it.
            let each = self.profile.queue_bytes_max.checked_div(octets(gets)).unwrap_or(u64::MAX);
            question.whole_bytes_max = Some(each.min(octets(self.bytes_max())).max(1));
        }
        Some(question)
    }

    /// Goes on with what the tree did.
    pub(super) fn applied(
        &mut self,
        env: &Env,
        mut work: Box<Work>,
        results: Vec<OpResult>,
        out: &mut Vec<Output>,
    ) -> Next {
        let mut failed = None;
        let mut chunk: Option<(Spot, bool, StatusCode)> = None;
        for (asked, result) in core::mem::take(&mut work.asked).into_iter().zip(results) {
            let code = result.status;
            match asked {
                Asked::Item(spot) => {
                    work.done = work.done.saturating_add(1);
                    if let Some(transaction) = &work.transaction
                        && !code.is_success()
                    {
                        failed.get_or_insert((transaction.block, StatusCode::ATOMIC_FAILED));
                    }
                    if let Some(place) = work.place(spot) {
                        place.code = Some(code);
                        place.failed_at = result.failed_at;
                        place.found = if code.is_success() { result.found } else { Vec::new() };
                    }
                }
                Asked::Begin(block) if !code.is_success() => {
                    // Without a transaction there is nothing to roll back.
                    work.transaction = None;
                    let unable = code == StatusCode::NOT_SUPPORTED;
                    let (own, members) =
                        if unable { (code, code) } else { (StatusCode::ATOMIC_FAILED, StatusCode::NOT_EXECUTED) };
                    skip(&mut work, Some(block), members);
                    settle(&mut work, block, own, members);
                    work.transaction = None;
                    return self.advance(env, work, out);
                }
                Asked::Commit(block) => match failed {
                    None if code.is_success() => {
                        let own = work.own_spot(block);
                        work.set(own, StatusCode::OK);
                        work.transaction = None;
                    }
                    None => failed = Some((block, StatusCode::ATOMIC_FAILED)),
                    Some(_) => {}
                },
                Asked::RollBack(block) => rolled_back(&mut work, block, code, &result.not_undone),
                Asked::Chunk { spot, more } => {
                    work.done = work.done.saturating_add(u32::from(chunk.is_none()));
                    let before = chunk.map_or(StatusCode::OK, |(_, _, code)| code);
                    chunk = Some((spot, more, if before.is_success() { code } else { before }));
                }
                Asked::Begin(_) | Asked::Nothing => {}
            }
        }
        if let Some((spot, more, code)) = chunk {
            let kept = code.is_success();
            work.set(spot, if kept && more { StatusCode::CHUNK_ACCEPTED } else { code });
            if more && !kept {
                work.object = work.object.take().map(|object| object.refused(code));
            }
        }
        if let Some((block, code)) = failed {
            return self.roll_back(env, work, block, code);
        }
        self.advance(env, work, out)
    }

    /// An `Atomic` has failed: what was not reached is not done, what was done is undone [DM RepPro 1.2, 6.6.3].
    fn roll_back(&mut self, env: &Env, mut work: Box<Work>, block: usize, code: StatusCode) -> Next {
        skip(&mut work, Some(block), StatusCode::NOT_EXECUTED);
        let own = work.own_spot(block);
        work.set(own, code);
        work.asked = [Asked::RollBack(block)].into();
        let server = Some(self.profile.server_id.clone());
        let ops = Ops::new(self.next_question(), env.wall, server, [Op::RollBack]);
        Next::Ask(Asking::Applying(ops, Doing::Plan(work)).into())
    }

    /// Goes on with what the user said [DM 1.2, 10].
    pub(super) fn replied(&mut self, env: &Env, mut work: Box<Work>, reply: &Reply, out: &mut Vec<Output>) -> Next {
        let Some(Task::Prompt { spot, block, .. }) = work.tasks.pop_front() else {
            return self.advance(env, work, out);
        };
        if let Some(place) = work.place(spot) {
            place.code = Some(reply.status());
            place.texts = reply.texts();
        }
        if *reply == Reply::Cancelled {
            // The processing of the message stops here.
            skip(&mut work, None, StatusCode::NOT_EXECUTED);
        }
        let atomic = work.transaction.as_ref().map(|transaction| transaction.block);
        if let Some(block) = atomic.filter(|_| !reply.status().is_success()) {
            return self.roll_back(env, work, block, StatusCode::ATOMIC_FAILED);
        }
        if reply.stops() && block.is_some() {
            skip(&mut work, block, StatusCode::NOT_EXECUTED);
        }
        self.advance(env, work, out)
    }

    /// Makes the reply, or ends the session if there is nothing to say [DM 1.2, 8].
    fn conclude(&mut self, env: &Env, mut work: Box<Work>, out: &mut Vec<Output>) -> Next {
        if work.done > 0 {
            out.push(Output::Report(Report::Executed { msg_id: work.msg_id, commands: work.done }));
        }
        if self.common.package.closed && !work.is_open && work.answers.is_empty() {
            // Statuses and nothing else: the server's session is over, whatever this client would like to tell.
            return Next::over(Outcome::Completed);
        }
        self.common.incoming = work.object.take().map(Into::into);
        self.common.server_open = work.is_open;
        self.note(&mut work);
        let Work { mut draft, progress, .. } = *work;
        if progress || self.common.moved {
            self.common.open_messages = 0;
        } else {
            self.common.open_messages += 1;
        }
        if self.common.open_messages > self.profile.session.open_messages_max && !core_kit::planted!("D07-never-enough")
        {
            draft.alert = Some(AlertCode::SESSION_ABORT);
            draft.end = Some(Outcome::Failed(PeerFault::Endless));
        } else if !self.common.server_open && self.common.queue.is_empty() {
            return Next::over(Outcome::Completed);
        }
        self.sign_and_send(env, draft, out)
    }

    /// Takes the answers into what is to be said.
    fn note(&mut self, work: &mut Work) {
        let mut said = Vec::with_capacity(work.answers.len());
        let mut next = Vec::new();
        let mut weight: u64 = self.common.queue.iter().map(Say::weight).sum();
        let atomics: Vec<_> =
            work.blocks.iter().filter(|block| block.is_atomic).map(|block| block.answers.clone()).collect();
        let mut together: Vec<Told> = Vec::new();
        for (at, mut answer) in core::mem::take(&mut work.answers).into_iter().enumerate() {
            for place in &mut answer.places {
                weight = self.weigh(place, weight);
            }
            let told = answer.told(work.msg_id);
            if answer.is_next {
                next.extend(told.map(Say::Next));
                continue;
            }
            if let Some(atomic) = atomics.iter().find(|atomic| atomic.contains(&at)) {
                together.extend(told);
                if at + 1 == atomic.end {
                    said.push(Say::Statuses(core::mem::take(&mut together)));
                }
                continue;
            }
            if core_kit::planted!("D01-status-missing") && answer.cmd == "Exec" {
                continue;
            }
            if core_kit::planted!("D01-status-twice") {
                said.extend(answer.told(work.msg_id).map(|told| Say::Statuses([told].into())));
            }
            for told in told {
                said.push(Say::Statuses([told].into()));
            }
            let (msg_id, cmd_id) = (work.msg_id, answer.cmd_id);
            for found in answer.places.into_iter().flat_map(|place| place.found) {
                let telling = Telling { msg_id, cmd_id: cmd_id.clone(), found, sent: 0 };
                if core_kit::planted!("D03-results-twice") {
                    said.push(Say::Result(telling.clone()));
                }
                said.push(Say::Result(telling));
            }
        }
        said.extend(work.broken_off.drain(..).map(Say::NoEnd));
        // An alert that is not begun has time.
        let not_begun = |say: &Say| matches!(say, Say::Alert(alerting) if alerting.sent == 0);
        let at = self.common.queue.iter().position(not_begun).unwrap_or(self.common.queue.len());
        let queue = self.common.queue_mut();
        if queue.is_empty() {
            *queue = said;
        } else {
            queue.splice(at..at, said);
        }
        queue.splice(0..0, next);
    }

    /// What was found goes to the server if it takes objects so large, and if they can be kept until it has them; the
    /// weight of all that is kept.
    fn weigh(&self, place: &mut Place, before: u64) -> u64 {
        let more: u64 =
            place.found.iter().filter_map(|found| found.content.data.as_ref()).map(|data| octets(data.len())).sum();
        let weight = before.saturating_add(more);
        let fits = |found: &Found| self.can_tell(found);
        if weight > self.profile.queue_bytes_max.max(before) || !place.found.iter().all(fits) {
            place.found.clear();
            place.code = Some(StatusCode::TOO_LARGE);
            return before;
        }
        weight
    }
}

const fn is_block(command: &Command) -> bool {
    matches!(command, Command::Atomic(_) | Command::Sequence(_))
}

/// Everything that is left of a block, or of the message, is not done. What was kept of an object that was broken off
/// is dropped all the same.
fn skip(work: &mut Work, block: Option<usize>, code: StatusCode) {
    for task in core::mem::take(&mut work.tasks) {
        let skipped = match &task {
            Task::Op { block: of, .. } | Task::Prompt { block: of, .. } => block.is_none() || *of == block,
            Task::Enter(of) | Task::Leave(of) => block.is_none() || Some(*of) == block,
            Task::Chunk { .. } => block.is_none(),
            Task::Discard => false,
        };
        if !skipped {
            work.tasks.push_back(task);
            continue;
        }
        match task {
            Task::Op { spot, .. } | Task::Prompt { spot, .. } => work.set(spot, code),
            Task::Enter(of) => {
                let own = work.own_spot(of);
                work.set(own, code);
            }
            Task::Chunk { spot, more, .. } => {
                work.set(spot, code);
                if more {
                    work.object = work.object.take().map(|object| object.refused(code));
                }
            }
            Task::Leave(_) | Task::Discard => {}
        }
    }
}

/// All members of a block that was not begun get one status, and the block its own.
fn settle(work: &mut Work, block: usize, own: StatusCode, members: StatusCode) {
    let Some(answers) = work.blocks.get(block).map(|block| block.answers.clone()) else { return };
    for answer in work.answers.iter_mut().take(answers.end).skip(answers.start + 1) {
        for place in &mut answer.places {
            place.code = Some(members);
        }
    }
    let spot = work.own_spot(block);
    work.set(spot, own);
}

/// What was done in the `Atomic` was undone, apart from the operations of these numbers.
fn rolled_back(work: &mut Work, block: usize, code: StatusCode, not_undone: &[u32]) {
    let Some(transaction) = work.transaction.take() else { return };
    for (number, spot) in transaction.ops.into_iter().enumerate() {
        let failed = !code.is_success() && not_undone.is_empty();
        let stays = failed || u32::try_from(number).is_ok_and(|number| not_undone.contains(&number));
        if let Some(place) = work.place(spot)
            && place.code.is_some_and(StatusCode::is_success)
        {
            let stays = stays && !core_kit::planted!("D26-said-to-be-undone");
            place.code = Some(if stays { StatusCode::ROLL_BACK_FAILED } else { StatusCode::ROLLED_BACK });
        }
    }
    // Prompts have no operation to undo.
    let Some(answers) = work.blocks.get(block).map(|block| block.answers.clone()) else { return };
    for answer in work.answers.iter_mut().take(answers.end).skip(answers.start + 1) {
        for place in &mut answer.places {
            if place.code.is_some_and(StatusCode::is_success) {
                place.code = Some(StatusCode::ROLLED_BACK);
                place.texts.clear();
            }
        }
    }
}
