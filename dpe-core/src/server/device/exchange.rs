//! The exchange on DPE-2: at most one request is out, the others wait [DPE digest 3.4, 3.12].

use alloc::{collections::VecDeque, format, vec, vec::Vec};

use super::{
    Device, Step,
    state::{Dialogue, Life, Op, Outstanding, Target, Waiting},
    vocabulary::{Downlink, Output, Report},
};
use crate::{
    codes::Code,
    ids::{Token, dpe2},
    policy::Watched,
    property::Reading,
    server::{
        link::{Answered, ToGate},
        write,
    },
    wire::{Ie, Kind, Message},
};

impl Device {
    /// A Message-ID that this client never saw.
    fn message_id(&mut self) -> Option<dpe2::MessageId> {
        dpe2::MessageId::try_from(format!("{}", self.number())).ok()
    }

    /// Lets the request of an SP wait for its turn; the caller has checked that there is room.
    pub(super) fn enqueue(&mut self, op: Op, step: &Step<'_>) {
        let until = step.now + self.config().dpe2.queue_max_wait;
        self.state.queue.push_back(Waiting { op, until, messages: Vec::new() });
    }

    pub(super) fn has_room(&self) -> bool {
        self.state.queue.len() < usize::try_from(self.config().dpe2.queue_max).unwrap_or(usize::MAX)
    }

    /// Sends what is next, if nothing is out.
    pub(super) fn dispatch(&mut self, step: &mut Step<'_>) {
        while (self.state.outstanding.is_none() || core_kit::planted!("P01-second-out"))
            && self.state.asking.is_none()
            && self.state.paused.is_none()
            && self.state.is_active()
        {
            if self.state.sync.is_some() {
                match self.next_of_sync(step) {
                    Some(op) => self.start(op, Vec::new(), true, step),
                    None if self.state.sync.is_some() => return,
                    None => {}
                }
                continue;
            }
            let urgent = self.state.urgent.pop_front().map(|op| (op, Vec::new()));
            let next = || self.state.queue.pop_front().map(|waiting| (waiting.op, waiting.messages));
            let Some((op, messages)) = urgent.or_else(next) else { return };
            self.start(op, messages, false, step);
        }
    }

    /// Sends a request, or ends it at once where there is nothing left to ask. It may have been out before, under these
    /// Message-IDs, until a synchronisation put it back: each of them was one attempt, and they are good again where an answer
    /// from before says what one from now on would. What was set before went with the reset [DPE 8.2.2], and what a property
    /// query asks depends on the cache.
    fn start(&mut self, op: Op, mut messages: Vec<dpe2::MessageId>, syncing: bool, step: &mut Step<'_>) {
        if let Some(readings) = self.answered_by_cache(&op, step.now) {
            if let Some(from) = op.from() {
                step.report(Report::CacheHit);
                self.tell(&from.clone(), Code::OK, readings, step);
            }
            return;
        }
        let names = self.names_to_ask(&op, step.now);
        let Some((kind, mut message)) = self.request(&op, &names, step) else {
            return self.gone(&op, step);
        };
        let Some(mut id) = self.message_id() else { return };
        if core_kit::planted!("P11-message-id-passed-on")
            && let Some(Ok(said)) = op.from().map(|from| dpe2::MessageId::try_from(from.message.as_str()))
        {
            id = said;
        }
        message.message_id = Ie::Is((&id).into());
        let until = step.now + self.wait(&op);
        let spent = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        let is_void = matches!(op, Op::Query { .. } | Op::GroupSet { .. } | Op::PolicySet { .. });
        let former = if is_void { messages.len() } else { 0 };
        messages.push(id);
        self.state.outstanding = Some(Outstanding {
            op,
            kind,
            messages,
            former,
            names,
            until,
            silences: spent,
            faults: spent,
            mistaken: spent,
            usable: Vec::new(),
            syncing,
        });
        self.send(&message, step);
    }

    fn wait(&self, op: &Op) -> core_kit::Millis {
        if op.is_query() { self.config().dpe2.noreply_timeout } else { self.config().dpe2.ack_timeout }
    }

    fn send(&self, message: &Message, step: &mut Step<'_>) {
        let contact = self.known().and_then(|known| known.contact.clone());
        step.request = write::body(message);
        step.out.extend(step.request.clone().map(|body| Output::Send(Downlink { contact, body })));
    }

    /// Sends the outstanding request again, under a fresh Message-ID; the earlier ones stay good. A synchronisation that
    /// waits for it to end goes first.
    pub(super) fn repeat(&mut self, step: &mut Step<'_>) {
        if self.is_sync_next() {
            return self.put_back(step);
        }
        let Some(out) = self.state.outstanding.clone() else { return };
        let (Some((_, mut message)), Some(id)) = (self.request(&out.op, &out.names, step), self.message_id()) else {
            return self.abandon(Code::NOT_RESPONDING, step);
        };
        message.message_id = Ie::Is((&id).into());
        let until = step.now + self.wait(&out.op);
        if let Some(out) = &mut self.state.outstanding {
            out.messages.push(id);
            out.until = until;
        }
        self.send(&message, step);
    }

    /// The outstanding request comes to nothing for now: the settings that it may be about are to be established first, and
    /// the requests of SPs are held meanwhile [DPE 8.2.2].
    pub(super) fn put_back(&mut self, step: &mut Step<'_>) {
        let Some(out) = self.close(step) else { return };
        // What the server itself wants of the client, the synchronisation has it do.
        if out.op.from().is_some() {
            let until = step.now + self.config().dpe2.queue_max_wait;
            self.state.queue.push_front(Waiting { op: out.op, until, messages: out.messages });
        }
    }

    /// The request as a message, without its Message-ID; nothing where what it is about is gone.
    fn request(&self, op: &Op, names: &[crate::wire::PropertyName], step: &Step<'_>) -> Option<(Kind, Message)> {
        let state = &self.state;
        let mut message;
        match op {
            Op::Query { .. } => {
                message = Message::new(Kind::PropertyQuery);
                message.property_names = names.iter().cloned().map(Ie::Is).collect();
            }
            Op::GroupQuery { group, .. } => {
                message = Message::new(Kind::GroupQuery);
                message.group_id = Ie::Is((&state.groups.get(group)?.id).into());
            }
            Op::GroupSet { group, .. } => {
                let group = state.groups.get(group)?;
                message = Message::new(Kind::GroupSet);
                message.group_id = Ie::Is((&group.id).into());
                message.property_names = group.members.iter().cloned().map(Ie::Is).collect();
            }
            Op::GroupRelease { target, .. } => {
                message = Message::new(Kind::GroupRelease);
                message.group_id = Ie::Is(match target {
                    Target::All => Token::all(),
                    Target::Number(group) => (&state.groups.get(group)?.id).into(),
                    Target::Stray(id) => id.into(),
                });
            }
            Op::PolicySet { policy, .. } => {
                let policy = state.policies.get(policy)?;
                match &policy.watched {
                    Watched::Property(name) => {
                        message = Message::new(Kind::PropertyPolicySet);
                        message.property_names = vec![Ie::Is(name.clone())];
                    }
                    Watched::Group(name) => {
                        let group = state.groups.get(&state.group_of(&policy.sp, name)?)?;
                        message = Message::new(Kind::GroupPolicySet);
                        message.group_id = Ie::Is((&group.id).into());
                    }
                }
                message.policy_id = Ie::Is((&policy.id).into());
                policy.terms.write(&mut message);
                // What is left of it, rounded up: the server ends it anyway.
                let left = policy.expires.map(|end| end.0.saturating_sub(step.now.0).div_ceil(1000).max(1));
                let left = left.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(policy.duration);
                message.duration = Ie::Is(left);
            }
            Op::PolicyRelease { target, .. } => {
                message = Message::new(Kind::PolicyRelease);
                message.policy_id = Ie::Is(match target {
                    Target::All => Token::all(),
                    Target::Number(policy) => (&state.policies.get(policy)?.id).into(),
                    Target::Stray(id) => id.into(),
                });
            }
        }
        // A client that has got another Client-ID since knows by this that the request is not for it any more.
        message.client_id = Ie::Is((&state.client).into());
        Some((message.kind, message))
    }

    /// What the request was about ended before its turn came.
    fn gone(&mut self, op: &Op, step: &mut Step<'_>) {
        let code = match op {
            Op::PolicySet { from: None, policy } => return self.lose_policy(*policy, step),
            Op::PolicySet { policy, .. } if self.state.policies.contains_key(policy) => {
                self.state.policies.remove(policy);
                Code::GROUP_ID_NOT_REGISTERED
            }
            Op::PolicySet { .. } | Op::PolicyRelease { .. } => Code::POLICY_ID_NOT_REGISTERED,
            _ => Code::GROUP_ID_NOT_REGISTERED,
        };
        if let Some(from) = op.from().cloned() {
            self.tell(&from, code, Vec::new(), step);
        }
    }

    /// Tells an SP what became of its request.
    pub(super) fn tell(&self, to: &Dialogue, status: Code, readings: Vec<Reading>, step: &mut Step<'_>) {
        self.tell_of(to, status, readings, None, None, step);
    }

    pub(super) fn tell_of(
        &self,
        to: &Dialogue,
        status: Code,
        readings: Vec<Reading>,
        group: Option<crate::ids::dpe3::GroupId>,
        policy: Option<crate::ids::dpe3::PolicyId>,
        step: &mut Step<'_>,
    ) {
        let (client, message) = (self.state.client.clone(), to.message.clone());
        let answered = Answered { client, message, status, readings, group, policy };
        step.out.push(Output::Gate(to.sp.clone(), ToGate::Answered(answered)));
    }

    /// The client did not answer in time, or cannot be reached.
    pub(super) fn silent(&mut self, step: &mut Step<'_>) {
        let Some(out) = &mut self.state.outstanding else { return };
        let max = match &out.op {
            _ if out.syncing => self.profile.config().device_change.sync_retries,
            Op::PolicyRelease { from: None, .. } => self.profile.config().policy.expiry_release_retries,
            _ => self.profile.config().dpe2.ack_retries,
        };
        if out.silences < max {
            out.silences += 1;
            return self.repeat(step);
        }
        let kind = out.kind;
        step.report(Report::Silent(kind));
        self.abandon(Code::NOT_RESPONDING, step);
    }

    /// Takes the outstanding request out. Its Message-IDs are good for late answers only.
    pub(super) fn close(&mut self, step: &mut Step<'_>) -> Option<Outstanding> {
        let out = self.state.outstanding.take()?;
        step.withdraw();
        for message in &out.messages {
            self.bury_message(message.clone());
        }
        self.state.paused = None;
        Some(out)
    }

    /// The outstanding request comes to nothing: the SP is told, and what it was about is put right.
    pub(super) fn abandon(&mut self, code: Code, step: &mut Step<'_>) {
        let Some(out) = self.close(step) else { return };
        if out.syncing {
            return self.sync_failed(step);
        }
        self.end_without_answer(&out.op, true, code, step);
    }

    /// Puts right what a request was about that ends without the client's answer [DPE digest G6, G11, L5, L9]. What was
    /// sent may have come to the client.
    pub(super) fn end_without_answer(&mut self, op: &Op, sent: bool, code: Code, step: &mut Step<'_>) {
        let (mut group, mut policy) = (None, None);
        let mut readings = Vec::new();
        let mut status = code;
        match op {
            Op::Query { .. } | Op::GroupQuery { .. } => {
                if let Some(served) = self.served_when_unreachable(op, code) {
                    (status, readings) = (Code::OK, served);
                }
            }
            Op::GroupSet { group: number, .. } => {
                if let Some(lost) = self.state.groups.remove(number) {
                    if sent {
                        self.bury_group(lost.id.clone());
                        self.stray_group(lost.id);
                    }
                    group = Some(lost.name);
                }
            }
            Op::GroupRelease { target: Target::Number(number), .. } => {
                if let Some(kept) = self.state.groups.get_mut(number) {
                    kept.life = Life::Active;
                    group = Some(kept.name.clone());
                }
                self.kept_in_sync();
            }
            Op::GroupRelease { target: Target::Stray(id), .. } => self.stray_group(id.clone()),
            Op::PolicySet { policy: number, .. } => {
                if let Some(lost) = self.state.policies.remove(number) {
                    if sent {
                        self.bury_policy(lost.id.clone());
                        self.stray_policy(lost.id);
                    }
                    policy = Some(lost.name);
                }
            }
            Op::PolicyRelease { target: Target::Number(number), .. } => {
                if let Some(kept) = self.state.policies.get_mut(number) {
                    kept.life = Life::Active;
                    policy = Some(kept.name.clone());
                }
                self.kept_in_sync();
            }
            Op::PolicyRelease { target: Target::Stray(id), .. } => self.stray_policy(id.clone()),
            Op::GroupRelease { target: Target::All, .. } | Op::PolicyRelease { target: Target::All, .. } => {}
        }
        if let Some(from) = op.from().cloned()
            && !core_kit::planted!("P02-silence-not-told")
        {
            self.tell_of(&from, status, readings, group, policy, step);
        }
    }

    /// A release comes to nothing. Where a synchronisation has begun without what it was about, the next one sets that again.
    fn kept_in_sync(&mut self) {
        if let Some(sync) = self.state.sync.as_mut().filter(|sync| sync.steps.is_some()) {
            sync.is_complete = false;
        }
    }

    /// Remembers a group that may be on the client and should not.
    pub(super) fn stray_group(&mut self, id: dpe2::GroupId) {
        if self.state.stray_groups.len() < self.config().state.tombstones_max {
            self.state.stray_groups.insert(id);
        }
    }

    /// Remembers a policy that may be on the client and should not.
    pub(super) fn stray_policy(&mut self, id: dpe2::PolicyId) {
        if self.state.stray_policies.len() < self.config().state.tombstones_max {
            self.state.stray_policies.insert(id);
        }
    }

    /// The client is there: what should not be on it is released.
    pub(super) fn clean_up(&mut self) {
        while let Some(id) = self.state.stray_policies.pop_first() {
            self.state.urgent.push_back(Op::PolicyRelease { from: None, target: Target::Stray(id) });
        }
        while let Some(id) = self.state.stray_groups.pop_first() {
            self.state.urgent.push_back(Op::GroupRelease { from: None, target: Target::Stray(id) });
        }
    }

    pub(super) fn expire_exchange(&mut self, step: &mut Step<'_>) {
        if self.state.paused.is_some_and(|until| until <= step.now) {
            self.abandon(Code::NOT_RESPONDING, step);
        }
        let is_late = self.state.outstanding.as_ref().is_some_and(|out| out.until <= step.now);
        if is_late && self.state.paused.is_none() {
            self.silent(step);
        }
        let is_over = |waiting: &Waiting| waiting.until <= step.now;
        let (over, rest) = core::mem::take(&mut self.state.queue).into_iter().partition(is_over);
        self.state.queue = rest;
        self.end_waiting(over, Code::NOT_RESPONDING, step);
        self.dispatch(step);
    }

    /// Ends all requests of SPs, in the order in which they came. What the server itself wants of the client waits for its
    /// next session.
    pub(super) fn give_up_requests(&mut self, code: Code, step: &mut Step<'_>) {
        // What a synchronisation was to set stays registered: no SP asked for it now.
        self.state.sync_owed |= self.state.sync.take().is_some();
        if let Some(out) = self.close(step).filter(|out| !out.syncing) {
            self.end_without_answer(&out.op, true, code, step);
        }
        let waiting = core::mem::take(&mut self.state.queue);
        self.end_waiting(waiting, code, step);
        for op in core::mem::take(&mut self.state.urgent) {
            self.end_without_answer(&op, false, code, step);
        }
    }

    fn end_waiting(&mut self, all: VecDeque<Waiting>, code: Code, step: &mut Step<'_>) {
        for waiting in all {
            self.end_without_answer(&waiting.op, !waiting.messages.is_empty(), code, step);
        }
    }

    /// Policies whose time is over: the client is told to release them, and the SP that they have ended. The two do not
    /// wait for each other [DPE 7.2.4.1].
    pub(super) fn expire_policies(&mut self, step: &mut Step<'_>) {
        let is_over = |policy: &super::state::Policy| {
            !core_kit::planted!("P20-never-ends")
                && policy.life == Life::Active
                && policy.expires.is_some_and(|end| end <= step.now)
        };
        let over: Vec<u64> =
            self.state.policies.iter().filter(|(_, policy)| is_over(policy)).map(|(number, _)| *number).collect();
        for number in over {
            let Some(policy) = self.state.policies.remove(&number) else { continue };
            for message in policy.messages {
                self.bury_message(message);
            }
            self.bury_policy(policy.id.clone());
            if !matches!(self.state.standing, super::state::Standing::Retired { .. }) {
                let release = Op::PolicyRelease { from: None, target: Target::Stray(policy.id) };
                self.state.urgent.push_back(release);
            }
            step.report(Report::PolicyExpired(policy.sp.clone(), policy.name.clone()));
            if core_kit::planted!("P20-end-not-told") {
                continue;
            }
            step.out.push(Output::Gate(policy.sp, ToGate::Expired(self.state.client.clone(), policy.name)));
        }
    }
}
