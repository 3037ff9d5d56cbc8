//! The beginning of a session, and what becomes of settings when the device or its user changes [DPE digest 3.9, 3.10].

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use super::{
    Device, Step,
    state::{Group, Known, Life, Op, Policy, Standing, Sync, Target},
    table::EventKind,
    vocabulary::{Filter, Item, Output, Question, Register, Report},
};
use crate::{
    codes::Code,
    config::{Audience, CacheMode, Restore, SettingsSync},
    ids::{ClientId, SpId, dpe3},
    policy::Watched,
    server::{
        QuestionId,
        directory::{Assigned, Case, Change},
        link::{
            Ask, ClientChanged, Inherit, InheritedGroup, InheritedPolicy, Leave, Operation, PolicyTerms, ToDevice,
            ToGate,
        },
    },
};

/// What of an SP moves with its user.
type Moved = (Vec<dpe3::GroupId>, Vec<dpe3::PolicyId>, Vec<dpe3::MessageId>);

impl Device {
    /// The registration is complete: former Client-IDs leave, and the settings are established.
    pub(super) fn begin_session(&mut self, register: Register, step: &mut Step<'_>) {
        self.state.known = Some(Known::from(&register));
        let assigned = register.assigned;
        step.out.push(Output::Directory(Change::Confirm {
            client: self.state.client.clone(),
            device: register.device,
            user: assigned.user.clone(),
            tag: assigned.tag.clone(),
        }));
        if self.config().cache.clear_on_registration || assigned.case != Case::Same {
            self.state.cache.clear();
        }
        let waiting = self.take_over(&assigned, true, step);
        let config = self.config();
        let has_settings = !self.state.groups.is_empty()
            || !self.state.policies.is_empty()
            || !self.state.stray_groups.is_empty()
            || !self.state.stray_policies.is_empty()
            || self.state.sync_owed;
        let always = config.reg.settings_sync == SettingsSync::Always;
        let is_change = assigned.case != Case::Same || !waiting.is_empty();
        let was_paused = self.state.paused.take().is_some();
        let is_owed = (always && has_settings) || self.state.sync_owed;
        if is_change || is_owed {
            self.state.sync = Some(Sync {
                waiting,
                inherited_groups: Vec::new(),
                inherited_policies: Vec::new(),
                is_filtered: false,
                steps: None,
                reports: Vec::new(),
                is_complete: true,
            });
        } else {
            self.fill();
        }
        // What was out when the client had to register again is sent again.
        if was_paused && self.state.outstanding.is_some() {
            self.repeat(step);
        }
    }

    /// The client was given its Client-ID and wants no session. What its registration changes for others holds all the
    /// same; what of its settings is to be established waits until there is a session.
    pub(super) fn decline_session(&mut self, register: &Register, step: &mut Step<'_>) {
        let known = Known::from(register);
        self.state.known = Some(known.clone());
        step.out.push(Output::Directory(Change::Confirm {
            client: self.state.client.clone(),
            device: known.device,
            user: known.user,
            tag: known.tag,
        }));
        step.out.push(Output::Directory(Change::Suspend(self.state.client.clone())));
        self.state.cache.clear();
        self.give_up_requests(Code::CLIENT_ID_NOT_REGISTERED, step);
        let is_other = register.assigned.case != Case::Same;
        let waiting = self.take_over(&register.assigned, false, step);
        self.state.sync_owed |= is_other || !waiting.is_empty();
    }

    /// Whoever had this Client-ID loses it, and former Client-IDs leave: those whose settings come to this one.
    fn take_over(&mut self, assigned: &Assigned, has_session: bool, step: &mut Step<'_>) -> BTreeSet<ClientId> {
        if assigned.user_left {
            // The Client-ID stays with the device; what the user before had there goes.
            let audience = self.audience();
            let open: Vec<Op> = self.take_requests(step);
            for op in open {
                self.end_without_answer(&op, false, Code::CLIENT_ID_NOT_REGISTERED, step);
            }
            self.lose_everything(step);
            let client = Some(self.state.client.clone());
            self.report_change(&audience, &ClientChanged { user: None, client: client.clone(), replaces: None }, step);
            if assigned.tag.is_some() && has_session {
                self.report_change(
                    &audience,
                    &ClientChanged { user: assigned.tag.clone(), client, replaces: None },
                    step,
                );
            }
        }
        for sibling in assigned.siblings.iter().filter(|_| has_session) {
            step.out.push(Output::Device(sibling.clone(), ToDevice::Sibling(self.state.client.clone())));
        }
        let mut waiting = BTreeSet::new();
        for (client, leave) in &assigned.leave {
            if leave.same_user {
                waiting.insert(client.clone());
            }
            step.out.push(Output::Device(client.clone(), ToDevice::Leave(leave.clone())));
        }
        waiting
    }

    /// Reads the static profile, in that mode.
    fn fill(&mut self) {
        if self.config().cache.mode == CacheMode::StaticProfile {
            let names = self.config().vocabulary.names.clone();
            self.state.urgent.push_back(Op::Query { from: None, names });
        }
    }

    /// Whether a synchronisation has not begun yet, and waits for what is out.
    pub(super) fn is_sync_next(&self) -> bool {
        self.state.sync.as_ref().is_some_and(|sync| sync.steps.is_none())
    }

    /// The next step of a synchronisation; nothing while it waits, or at its end.
    pub(super) fn next_of_sync(&mut self, step: &mut Step<'_>) -> Option<Op> {
        let sync = self.state.sync.as_ref()?;
        if !sync.waiting.is_empty() {
            return None;
        }
        let has_inherited = !sync.inherited_groups.is_empty() || !sync.inherited_policies.is_empty();
        if self.config().device_change.restore == Restore::Filter && has_inherited && !sync.is_filtered {
            self.state.asked = self.state.asked.saturating_add(1);
            let id = QuestionId(self.state.asked);
            self.state.asking = Some(id);
            step.out.extend(self.filter(id).map(Question::Filter).map(Output::Ask));
            return None;
        }
        if sync.steps.is_none() {
            let steps = self.plan();
            if let Some(sync) = &mut self.state.sync {
                sync.steps = Some(steps);
            }
        }
        // A policy may have come to its end meanwhile, or its group may have been refused.
        while let Some(op) = self.state.sync.as_mut().and_then(|sync| sync.steps.as_mut()?.pop_front()) {
            match &op {
                Op::GroupSet { group, .. } if !self.state.groups.contains_key(group) => {}
                Op::PolicySet { policy, .. } if !self.state.policies.contains_key(policy) => {}
                _ => return Some(op),
            }
        }
        self.sync_done(step);
        None
    }

    /// Everything is reset, then set: groups, policies on properties, policies on groups [DPE 8.2.2].
    fn plan(&mut self) -> VecDeque<Op> {
        let mut steps = VecDeque::from([
            Op::GroupRelease { from: None, target: Target::All },
            Op::PolicyRelease { from: None, target: Target::All },
        ]);
        self.state.stray_groups.clear();
        self.state.stray_policies.clear();
        self.state.urgent.clear();
        let active = |life: Life| life == Life::Active;
        let groups: Vec<u64> =
            self.state.groups.iter().filter(|(_, group)| active(group.life)).map(|(number, _)| *number).collect();
        for number in groups {
            let Some((_, id)) = self.group_id() else { continue };
            if let Some(group) = self.state.groups.get_mut(&number) {
                let old = core::mem::replace(&mut group.id, id);
                self.bury_group(old);
            }
            if !core_kit::planted!("P26-group-not-restored") {
                steps.push_back(Op::GroupSet { from: None, group: number });
            }
        }
        let mut policies: Vec<(bool, u64)> = Vec::new();
        for (number, policy) in self.state.policies.iter().filter(|(_, policy)| active(policy.life)) {
            policies.push((matches!(policy.watched, Watched::Group(_)), *number));
        }
        policies.sort_unstable();
        for (_, number) in policies {
            let Some((_, id)) = self.policy_id() else { continue };
            let Some(policy) = self.state.policies.get_mut(&number) else { continue };
            let old = core::mem::replace(&mut policy.id, id);
            for message in core::mem::take(&mut policy.messages) {
                self.bury_message(message);
            }
            self.bury_policy(old);
            steps.push_back(Op::PolicySet { from: None, policy: number });
        }
        steps
    }

    /// A reset is done: with it went what an SP's release waits to take off the client, which need not be asked again. What
    /// is to be set once more is released by itself afterwards.
    pub(super) fn reset(&mut self, op: &Op, step: &mut Step<'_>) {
        let takes_all = matches!(op, Op::PolicyRelease { .. });
        let steps = self.state.sync.as_ref().and_then(|sync| sync.steps.as_ref());
        let is_set_again = |found: &dyn Fn(&Op) -> bool| steps.is_some_and(|steps| steps.iter().any(found));
        let is_gone = |op: &Op| match op {
            Op::GroupRelease { target: Target::Number(number), .. } => {
                !is_set_again(&|step| matches!(step, Op::GroupSet { group, .. } if group == number))
            }
            // The policies on groups end with the groups.
            Op::PolicyRelease { target: Target::Number(number), .. } => {
                let policy = self.state.policies.get(number);
                let is_on_group = policy.is_some_and(|policy| matches!(policy.watched, Watched::Group(_)));
                (takes_all || is_on_group)
                    && !is_set_again(&|step| matches!(step, Op::PolicySet { policy, .. } if policy == number))
            }
            _ => false,
        };
        let gone: Vec<Op> =
            self.state.queue.iter().map(|waiting| &waiting.op).filter(|op| is_gone(op)).cloned().collect();
        self.state.queue.retain(|waiting| !gone.contains(&waiting.op));
        for op in gone {
            match op {
                Op::GroupRelease { from, target } => self.group_released(&target, from.as_ref(), Code::OK, step),
                Op::PolicyRelease { from, target } => self.policy_released(&target, from.as_ref(), Code::OK, step),
                _ => {}
            }
        }
    }

    fn sync_done(&mut self, step: &mut Step<'_>) {
        let Some(sync) = self.state.sync.take() else { return };
        self.state.sync_owed = !sync.is_complete;
        step.report(Report::Synchronised(sync.is_complete));
        let mut by_old: BTreeMap<Option<ClientId>, BTreeSet<SpId>> = BTreeMap::new();
        for (sp, old) in sync.reports {
            by_old.entry(old).or_default().insert(sp);
        }
        let user = self.known().and_then(|known| known.tag.clone());
        for (replaces, audience) in by_old {
            let changed = ClientChanged { user: user.clone(), client: Some(self.state.client.clone()), replaces };
            self.report_change(&audience, &changed, step);
        }
        self.fill();
    }

    /// A step of the synchronisation got no answer, or a refusal where there can be none: the rest waits for the next
    /// registration.
    pub(super) fn sync_failed(&mut self, step: &mut Step<'_>) {
        // The next registration may have come already: what failed belongs to the synchronisation before.
        if !self.is_sync_next() {
            if let Some(sync) = &mut self.state.sync {
                sync.is_complete = false;
                sync.steps = Some(VecDeque::new());
            }
            self.state.sync_owed = true;
        }
        self.dispatch(step);
    }

    /// Who hears when the Client-ID changes.
    fn audience(&self) -> BTreeSet<SpId> {
        let state = &self.state;
        let groups = state.groups.values().map(|group| &group.sp);
        let policies = state.policies.values().map(|policy| &policy.sp);
        let out = state.outstanding.iter().filter_map(|out| out.op.from());
        let dialogues = state.queue.iter().filter_map(|waiting| waiting.op.from()).chain(out).map(|from| &from.sp);
        state.audience.iter().chain(groups).chain(policies).chain(dialogues).cloned().collect()
    }

    fn report_change(&self, audience: &BTreeSet<SpId>, changed: &ClientChanged, step: &mut Step<'_>) {
        match self.config().cid_report.audience {
            Audience::None => {}
            Audience::All => step.out.push(Output::Everyone(ToGate::ClientChanged(changed.clone()))),
            Audience::Related => {
                let tell = |sp: &SpId| Output::Gate(sp.clone(), ToGate::ClientChanged(changed.clone()));
                step.out.extend(audience.iter().map(tell));
            }
        }
    }

    /// The requests of SPs that have no answer, in order.
    fn take_requests(&mut self, step: &mut Step<'_>) -> Vec<Op> {
        let out = self.close(step).map(|out| out.op);
        let queue = core::mem::take(&mut self.state.queue);
        let all = out.into_iter().chain(queue.into_iter().map(|waiting| waiting.op));
        self.state.urgent.clear();
        self.state.sync = None;
        all.filter(|op| op.from().is_some()).collect()
    }

    /// What the SP asked for, again. What was to be set is taken out, and what was to be released is as before.
    fn undo(&mut self, op: &Op) -> Option<Ask> {
        let from = op.from()?;
        let what = match op {
            Op::Query { names, .. } => Operation::Query(names.clone()),
            Op::GroupQuery { group, .. } => Operation::GroupQuery(self.state.groups.get(group)?.name.clone()),
            Op::GroupSet { group, .. } => {
                let group = self.state.groups.remove(group)?;
                Operation::GroupSet(group.name, group.members)
            }
            Op::GroupRelease { target: Target::Number(group), .. } => {
                let group = self.state.groups.get_mut(group)?;
                group.life = Life::Active;
                Operation::GroupRelease(group.name.clone())
            }
            Op::PolicySet { policy, .. } => Operation::PolicySet(terms(&self.state.policies.remove(policy)?)),
            Op::PolicyRelease { target: Target::Number(policy), .. } => {
                let policy = self.state.policies.get_mut(policy)?;
                policy.life = Life::Active;
                Operation::PolicyRelease(policy.name.clone())
            }
            Op::GroupRelease { .. } | Op::PolicyRelease { .. } => return None,
        };
        Some(Ask { sp: from.sp.clone(), message: from.message.clone(), kind: from.kind, what })
    }

    /// Another Client-ID takes over, or the user has left the device.
    pub(super) fn leave(&mut self, leave: &Leave, step: &mut Step<'_>) {
        if matches!(self.state.standing, Standing::Retired { .. }) {
            // Somebody else was first, and has what there was.
            if leave.same_user {
                let nothing = ToDevice::NoSuchDevice(self.state.client.clone());
                step.out.push(Output::Device(leave.successor.clone(), nothing));
            }
            return;
        }
        let audience = self.audience();
        let mut asks = Vec::new();
        for op in self.take_requests(step) {
            if leave.same_user && leave.same_device {
                asks.extend(self.undo(&op));
            } else {
                self.end_without_answer(&op, false, Code::CLIENT_ID_NOT_REGISTERED, step);
            }
        }
        let is_plain = leave.same_user && leave.same_device;
        let inherits = leave.same_user && (is_plain || self.config().device_change.restore != Restore::None);
        let (mut groups, mut policies) = (Vec::new(), Vec::new());
        if inherits {
            for group in core::mem::take(&mut self.state.groups).into_values() {
                groups.push(InheritedGroup { sp: group.sp, group: group.name, members: group.members });
            }
            for policy in core::mem::take(&mut self.state.policies).into_values() {
                let expires = policy.expires.unwrap_or(step.now);
                policies.push(InheritedPolicy { sp: policy.sp.clone(), set: terms(&policy), expires });
            }
        } else {
            self.lose_everything(step);
        }
        self.state.cache.clear();
        let user = self.known().and_then(|known| known.tag.clone());
        let client = self.state.client.clone();
        if leave.same_user {
            let inherit = Inherit {
                from: client.clone(),
                groups,
                policies,
                asks,
                audience: audience.iter().cloned().collect(),
                replaced: !leave.stays,
            };
            step.out.push(Output::Device(leave.successor.clone(), ToDevice::Inherit(inherit)));
        } else {
            let changed = ClientChanged { user, client: leave.other.clone(), replaces: Some(client.clone()) };
            self.report_change(&audience, &changed, step);
        }
        if leave.stays {
            self.report_change(
                &audience,
                &ClientChanged { user: None, client: Some(client.clone()), replaces: None },
                step,
            );
            if let Some(known) = &mut self.state.known {
                (known.user, known.tag) = (None, None);
            }
            step.out.push(Output::Directory(Change::NoUser(client)));
            // The client is to keep nothing of the user.
            self.state.urgent.push_back(Op::GroupRelease { from: None, target: Target::All });
            self.state.urgent.push_back(Op::PolicyRelease { from: None, target: Target::All });
            return;
        }
        let until = step.now + self.config().obsolete_client_id.retention;
        let until = if core_kit::planted!("P31-retired-for-ever") { core_kit::Tick(u64::MAX) } else { until };
        let (successor, same_user) = match (&leave.other, leave.same_user) {
            (_, true) => (leave.successor.clone(), true),
            (Some(other), false) => (other.clone(), true),
            (None, false) => (leave.successor.clone(), false),
        };
        self.walk(EventKind::Left, |state| {
            state.registering = None;
            state.standing = Standing::Retired { successor, same_user, until };
        });
        step.out.push(Output::Directory(Change::Drop(client)));
    }

    /// What a former Client-ID had.
    pub(super) fn inherit(&mut self, inherit: Inherit, step: &mut Step<'_>) {
        let client = self.state.client.clone();
        let mut moved: BTreeMap<SpId, Moved> = BTreeMap::new();
        for from in inherit.groups {
            let (Some((number, id)), true) = (self.group_id(), self.state.group_of(&from.sp, &from.group).is_none())
            else {
                continue;
            };
            moved.entry(from.sp.clone()).or_default().0.push(from.group.clone());
            let group = Group { sp: from.sp, name: from.group, id, members: from.members, life: Life::Active };
            self.state.groups.insert(number, group);
            if let Some(sync) = &mut self.state.sync {
                sync.inherited_groups.push(number);
            }
        }
        for from in inherit.policies {
            let is_new = self.state.policy_of(&from.sp, &from.set.policy).is_none();
            let (Some((number, id)), true) = (self.policy_id(), is_new) else { continue };
            moved.entry(from.sp.clone()).or_default().1.push(from.set.policy.clone());
            let PolicyTerms { policy: name, watched, terms, duration } = from.set;
            let (expires, messages) = (Some(from.expires), Vec::new());
            let policy =
                Policy { sp: from.sp, name, id, watched, terms, duration, expires, messages, life: Life::Active };
            self.state.policies.insert(number, policy);
            if let Some(sync) = &mut self.state.sync {
                sync.inherited_policies.push(number);
            }
        }
        for ask in &inherit.asks {
            let sp = moved.entry(ask.sp.clone()).or_default();
            sp.2.push(ask.message.clone());
            match &ask.what {
                Operation::GroupSet(group, _) => sp.0.push(group.clone()),
                Operation::PolicySet(set) => sp.1.push(set.policy.clone()),
                _ => {}
            }
        }
        for (sp, (groups, policies, dialogues)) in moved {
            let told = ToGate::Moved { from: inherit.from.clone(), to: client.clone(), groups, policies, dialogues };
            step.out.push(Output::Gate(sp, told));
        }
        let old = inherit.replaced.then(|| inherit.from.clone());
        for sp in &inherit.audience {
            self.disclosed(sp.clone());
        }
        if let Some(sync) = &mut self.state.sync {
            sync.reports.extend(inherit.audience.into_iter().map(|sp| (sp, old.clone())));
        }
        self.nothing_inherited(&inherit.from);
        for ask in inherit.asks {
            self.ask(ask, step);
        }
    }

    pub(super) fn nothing_inherited(&mut self, from: &ClientId) {
        if let Some(sync) = &mut self.state.sync {
            sync.waiting.remove(from);
        }
    }

    /// The user has one more device: those who know of this one hear of it.
    pub(super) fn sibling(&mut self, other: &ClientId, step: &mut Step<'_>) {
        let user = self.known().and_then(|known| known.tag.clone());
        let changed = ClientChanged { user, client: Some(other.clone()), replaces: None };
        self.report_change(&self.audience(), &changed, step);
    }

    /// The open question.
    pub(super) fn filter(&self, id: QuestionId) -> Option<Filter> {
        let (sync, known) = (self.state.sync.as_ref()?, self.known()?);
        let group = |number: &u64| {
            let group = self.state.groups.get(number)?;
            Some(Item::Group(group.sp.clone(), group.name.clone(), group.members.clone()))
        };
        let policy = |number: &u64| {
            let policy = self.state.policies.get(number)?;
            Some(Item::Policy(policy.sp.clone(), policy.name.clone(), policy.watched.clone()))
        };
        let groups = sync.inherited_groups.iter().filter_map(group);
        let policies = sync.inherited_policies.iter().filter_map(policy);
        Some(Filter { id, device: known.device.clone(), items: groups.chain(policies).collect() })
    }

    pub(super) fn filtered(&mut self, keep: &[bool], step: &mut Step<'_>) {
        self.state.asking = None;
        let Some(sync) = &mut self.state.sync else { return };
        sync.is_filtered = true;
        let (groups, policies) = (sync.inherited_groups.clone(), sync.inherited_policies.clone());
        let mut keep = keep.iter().copied();
        let mut dropped = |number: &u64| (!keep.next().unwrap_or(false)).then_some(*number);
        let groups: Vec<u64> = groups.iter().filter_map(&mut dropped).collect();
        let policies: Vec<u64> = policies.iter().filter_map(&mut dropped).collect();
        for number in policies {
            self.lose_policy(number, step);
        }
        for number in groups {
            self.lose_group(number, step);
        }
    }

    /// A group cannot be kept, nor can the policies on it.
    pub(super) fn lose_group(&mut self, number: u64, step: &mut Step<'_>) {
        let Some(group) = self.state.groups.remove(&number) else { return };
        // A set that is on its way finds its group gone, and its dialogue ends then.
        let is_on = |policy: &Policy| {
            policy.life != Life::Pending
                && policy.sp == group.sp
                && matches!(&policy.watched, Watched::Group(name) if *name == group.name)
        };
        let on: Vec<u64> =
            self.state.policies.iter().filter(|(_, policy)| is_on(policy)).map(|(number, _)| *number).collect();
        for policy in on {
            self.lose_policy(policy, step);
        }
        self.bury_group(group.id);
        step.out.push(Output::Gate(group.sp, ToGate::GroupLost(self.state.client.clone(), group.name)));
    }

    /// A policy cannot be kept.
    pub(super) fn lose_policy(&mut self, number: u64, step: &mut Step<'_>) {
        let Some(policy) = self.state.policies.remove(&number) else { return };
        for message in policy.messages {
            self.bury_message(message);
        }
        self.bury_policy(policy.id);
        step.out.push(Output::Gate(policy.sp, ToGate::PolicyLost(self.state.client.clone(), policy.name)));
    }

    fn lose_everything(&mut self, step: &mut Step<'_>) {
        let policies: Vec<u64> = self.state.policies.keys().copied().collect();
        for number in policies {
            self.lose_policy(number, step);
        }
        let groups: Vec<u64> = self.state.groups.keys().copied().collect();
        for number in groups {
            self.lose_group(number, step);
        }
    }
}

fn terms(policy: &Policy) -> PolicyTerms {
    PolicyTerms {
        policy: policy.name.clone(),
        watched: policy.watched.clone(),
        terms: policy.terms.clone(),
        duration: policy.duration,
    }
}
