//! What the client's answers and reports change, and what SPs get of them [DPE digest 3.4.2, 3.5 to 3.7].

use alloc::{vec, vec::Vec};

use super::{
    Device, Step,
    state::{Dialogue, Life, Op, Outstanding, Target},
    vocabulary::{Output, Report},
};
use crate::{
    codes::Code,
    config::DurationStart,
    ids::{Token, dpe2},
    policy::Watched,
    property::{Reading, read_result},
    server::link::{PolicyReport, ToGate},
    wire::{Decoded, Ie, Kind, Message, PropertyName, ResultIe},
};

/// What is wrong with an answer.
enum Wrong {
    /// The client names what is not its own, or not of this dialogue.
    Identification(Code),
    /// An element is missing or cannot be used.
    Format(Code),
}

/// Reads results. Names that were not asked for, and results that cannot be read, are a fault; so are missing names.
/// What can be used is given all the same.
fn read_results(results: &[ResultIe], is_asked: impl Fn(&PropertyName) -> bool) -> (Vec<Reading>, Option<Code>) {
    let (mut readings, mut fault): (Vec<Reading>, _) = (Vec::new(), None);
    for result in results {
        match read_result(result) {
            Ok(reading) if !is_asked(&reading.name) || readings.iter().any(|known| known.name == reading.name) => {
                fault = fault.or(Some(Code::RESULT_UNKNOWN));
            }
            Ok(reading) => readings.push(reading),
            Err(code) => fault = fault.or(Some(code)),
        }
    }
    (readings, fault)
}

/// Whether the element names what it should: `missing` where it is not there, `wrong` where it names something else.
fn names(ie: &Ie<Token>, expected: &str, missing: Code, wrong: Code) -> Result<(), Wrong> {
    match ie {
        Ie::Is(token) if token.as_str() == expected => Ok(()),
        Ie::Is(_) | Ie::Repeated => Err(Wrong::Identification(wrong)),
        Ie::Absent | Ie::Unusable => Err(Wrong::Format(missing)),
    }
}

impl Device {
    /// A message that has a Message-ID of the outstanding request.
    pub(super) fn answer_received(&mut self, message: &Message, read: &Decoded, step: &mut Step<'_>) {
        let Some(out) = self.state.outstanding.clone() else { return };
        if out.kind.answer() != Some(message.kind) {
            if let Op::PolicySet { policy, .. } = &out.op
                && message.kind.is_report()
                && core_kit::planted!("P21-report-before-set")
            {
                return self.report_received(*policy, message, read, step);
            }
            if message.kind.is_report() && matches!(out.op, Op::PolicySet { .. }) {
                // A policy reports before its acknowledgement comes: nobody knows of it yet.
                return step.report(Report::Late(message.kind));
            }
            Self::refused(Code::MESSAGE_TYPE_UNKNOWN, read, step);
            return self.faulty(step);
        }
        if let Err(wrong) = self.check_names(&out.op, message) {
            return match wrong {
                Wrong::Identification(code) => self.unidentified(code, read, step),
                Wrong::Format(code) => {
                    step.report(Report::Faulty(Some(message.kind), code));
                    self.faulty(step);
                }
            };
        }
        let status = match message.status.need(Code::STATUS_MISSING, Code::STATUS_ERROR) {
            Ok(status) if status.is_valid() => *status,
            Ok(_) => return self.malformed(message.kind, Code::STATUS_ERROR, Vec::new(), step),
            Err(code) => return self.malformed(message.kind, code, Vec::new(), step),
        };
        if out.op.is_query() && status.is_ok() {
            let (readings, fault) = read_results(&message.results, |name| out.names.contains(name));
            let is_whole = out.names.iter().all(|name| readings.iter().any(|reading| reading.name == *name));
            let fault = fault.or((!is_whole).then_some(Code::RESULT_MISSING));
            match fault {
                Some(code) => self.malformed(message.kind, code, readings, step),
                None => self.complete(status, &readings, step),
            }
        } else {
            self.complete(status, &[], step);
        }
    }

    /// Whether the answer names the group or policy of the request.
    fn check_names(&self, op: &Op, message: &Message) -> Result<(), Wrong> {
        let group = |id: &str| names(&message.group_id, id, Code::GROUP_ID_MISSING, Code::GROUP_ID_NOT_REGISTERED);
        let policy = |id: &str| names(&message.policy_id, id, Code::POLICY_ID_MISSING, Code::POLICY_ID_NOT_REGISTERED);
        let group_of = |number: &u64| self.state.groups.get(number).map_or("", |group| group.id.as_str());
        let policy_of = |number: &u64| self.state.policies.get(number).map_or("", |policy| policy.id.as_str());
        match op {
            Op::Query { .. } => Ok(()),
            Op::GroupQuery { group: number, .. } | Op::GroupSet { group: number, .. } => group(group_of(number)),
            Op::GroupRelease { target, .. } => match target {
                Target::All => group(Token::ALL),
                Target::Number(number) => group(group_of(number)),
                Target::Stray(id) => group(id.as_str()),
            },
            Op::PolicySet { policy: number, .. } => policy(policy_of(number)),
            Op::PolicyRelease { target, .. } => match target {
                Target::All => policy(Token::ALL),
                Target::Number(number) => policy(policy_of(number)),
                Target::Stray(id) => policy(id.as_str()),
            },
        }
    }

    fn malformed(&mut self, kind: Kind, code: Code, usable: Vec<Reading>, step: &mut Step<'_>) {
        step.report(Report::Faulty(Some(kind), code));
        if let Some(out) = &mut self.state.outstanding {
            for reading in usable {
                out.usable.retain(|known| known.name != reading.name);
                out.usable.push(reading);
            }
        }
        self.faulty(step);
    }

    /// The answer was faulty: the operation is repeated, and in the end the SP gets what could be used [DPE 7.3.6].
    pub(super) fn faulty(&mut self, step: &mut Step<'_>) {
        let max = self.config().dpe2.bad_format_retries;
        let Some(out) = &mut self.state.outstanding else { return };
        if out.faults < max {
            out.faults += 1;
            return self.repeat(step);
        }
        if out.op.is_query() && !out.usable.is_empty() {
            let usable = core::mem::take(&mut out.usable);
            return self.complete(Code::OK, &usable, step);
        }
        self.abandon(Code::NOT_RESPONDING, step);
    }

    /// The request came to its end.
    fn complete(&mut self, status: Code, readings: &[Reading], step: &mut Step<'_>) {
        if self.is_unsettled(status) {
            return self.put_back(step);
        }
        let Some(out) = self.state.outstanding.take() else { return };
        step.withdraw();
        self.state.paused = None;
        let is_repetition = out.messages.len() > 1;
        let status = self.outcome(&out.op, is_repetition, status);
        let keeps = matches!(out.op, Op::PolicySet { .. }) && status.is_ok();
        if !keeps && is_repetition {
            for message in &out.messages {
                self.bury_message(message.clone());
            }
        }
        self.remember(readings, step.now);
        match &out.op {
            Op::Query { from, .. } => {
                if let Some(from) = from {
                    let all = self.completed(&out.op, &out.names, readings, step.now);
                    let all = if status.is_ok() { all } else { Vec::new() };
                    self.tell(from, status, all, step);
                }
            }
            Op::GroupQuery { from, .. } => {
                let all = self.completed(&out.op, &out.names, readings, step.now);
                let all = if status.is_ok() { all } else { Vec::new() };
                self.tell(from, status, all, step);
            }
            Op::GroupSet { from, group } => self.group_set(*group, from.as_ref(), status, step),
            Op::GroupRelease { from, target } => self.group_released(target, from.as_ref(), status, step),
            Op::PolicySet { from, policy } => self.policy_set(*policy, &out.messages, from.as_ref(), status, step),
            Op::PolicyRelease { from, target } => self.policy_released(target, from.as_ref(), status, step),
        }
        if out.syncing && matches!(out.op, Op::GroupRelease { .. } | Op::PolicyRelease { .. }) {
            if status.is_ok() {
                self.reset(&out.op, step);
            } else {
                self.sync_failed(step);
            }
        }
        self.clean_up();
    }

    /// What the client's answer to this says of it. A repetition finds what the first one did. And what a synchronisation
    /// that came to no end has not set is not there, while it is registered: the next session sets it [DPE digest 3.9].
    fn outcome(&self, op: &Op, is_repetition: bool, status: Code) -> Code {
        let is_owed = self.state.sync_owed && op.from().is_some();
        match (op, status) {
            (Op::GroupSet { .. }, Code::GROUP_ID_REPEATED) | (Op::PolicySet { .. }, Code::POLICY_ID_REPEATED)
                if is_repetition =>
            {
                Code::OK
            }
            (Op::GroupRelease { .. }, Code::GROUP_ID_NOT_REGISTERED)
            | (Op::PolicyRelease { .. }, Code::POLICY_ID_NOT_REGISTERED)
                if is_repetition || is_owed =>
            {
                Code::OK
            }
            (Op::GroupQuery { .. } | Op::PolicySet { .. }, Code::GROUP_ID_NOT_REGISTERED) if is_owed => {
                Code::NOT_RESPONDING
            }
            (_, status) => status,
        }
    }

    /// Whether the client says that it has not got what is about to be set again: a registration has come since it was asked.
    fn is_unsettled(&self, status: Code) -> bool {
        let tries = self.config().dpe2.ack_retries.saturating_add(1);
        let may_wait = |out: &Outstanding| {
            out.op.from().is_some() && u32::try_from(out.messages.len()).is_ok_and(|spent| spent <= tries)
        };
        self.is_sync_next()
            && matches!(status, Code::GROUP_ID_NOT_REGISTERED | Code::POLICY_ID_NOT_REGISTERED)
            && self.state.outstanding.as_ref().is_some_and(may_wait)
    }

    fn group_set(&mut self, number: u64, from: Option<&Dialogue>, status: Code, step: &mut Step<'_>) {
        if status.is_ok() {
            if let Some(group) = self.state.groups.get_mut(&number) {
                group.life = Life::Active;
            }
        } else if from.is_none() {
            return self.lose_group(number, step);
        } else {
            self.state.groups.remove(&number);
        }
        if let Some(from) = from {
            self.tell(from, status, Vec::new(), step);
        }
    }

    pub(super) fn group_released(
        &mut self,
        target: &Target<dpe2::GroupId>,
        from: Option<&Dialogue>,
        status: Code,
        step: &mut Step<'_>,
    ) {
        let is_gone = status.is_ok() || status == Code::GROUP_ID_NOT_REGISTERED;
        match target {
            Target::All => self.state.stray_groups.clear(),
            Target::Stray(id) if is_gone => drop(self.state.late_groups.remove(id)),
            Target::Stray(_) => {}
            Target::Number(number) => {
                let mut name = None;
                if is_gone {
                    if let Some(group) = self.state.groups.remove(number) {
                        name = Some(group.name.clone());
                        if self.config().group.release_cascade {
                            self.end_policies_on(&group.sp, &group.name, step);
                        }
                    }
                } else if let Some(group) = self.state.groups.get_mut(number) {
                    group.life = Life::Active;
                    name = Some(group.name.clone());
                }
                if let Some(from) = from {
                    self.tell_of(from, status, Vec::new(), name, None, step);
                }
            }
        }
    }

    /// The policies on a group end with it, on the client too.
    fn end_policies_on(&mut self, sp: &crate::ids::SpId, group: &crate::ids::dpe3::GroupId, step: &mut Step<'_>) {
        let is_on = |policy: &super::state::Policy| {
            policy.sp == *sp && matches!(&policy.watched, Watched::Group(name) if name == group)
        };
        let numbers: Vec<u64> =
            self.state.policies.iter().filter(|(_, policy)| is_on(policy)).map(|(number, _)| *number).collect();
        for number in numbers {
            // A set that is on its way finds its group gone, and its dialogue ends then.
            let is_pending = |policy: &super::state::Policy| policy.life == Life::Pending;
            if self.state.policies.get(&number).is_none_or(is_pending) {
                continue;
            }
            let Some(policy) = self.state.policies.remove(&number) else { continue };
            for message in policy.messages {
                self.bury_message(message);
            }
            self.bury_policy(policy.id);
            let ended = ToGate::PolicyEnded(self.state.client.clone(), policy.name);
            step.out.push(Output::Gate(policy.sp, ended));
        }
    }

    fn policy_set(
        &mut self,
        number: u64,
        messages: &[dpe2::MessageId],
        from: Option<&Dialogue>,
        status: Code,
        step: &mut Step<'_>,
    ) {
        if status.is_ok() {
            let at_ack = self.config().policy.duration_start == DurationStart::Ack;
            if let Some(policy) = self.state.policies.get_mut(&number) {
                policy.life = if policy.life == Life::Releasing { Life::Releasing } else { Life::Active };
                policy.messages = messages.to_vec();
                if at_ack && policy.expires.is_none() {
                    policy.expires = Some(step.now + core_kit::Millis::from_secs(u64::from(policy.duration)));
                }
            }
        } else if from.is_none() {
            return self.lose_policy(number, step);
        } else {
            self.state.policies.remove(&number);
        }
        if let Some(from) = from {
            self.tell(from, status, Vec::new(), step);
        }
    }

    pub(super) fn policy_released(
        &mut self,
        target: &Target<dpe2::PolicyId>,
        from: Option<&Dialogue>,
        status: Code,
        step: &mut Step<'_>,
    ) {
        let is_gone = status.is_ok() || status == Code::POLICY_ID_NOT_REGISTERED;
        match target {
            Target::All => self.state.stray_policies.clear(),
            Target::Stray(id) if is_gone => drop(self.state.late_policies.remove(id)),
            Target::Stray(_) => {}
            Target::Number(number) => {
                let mut name = None;
                if is_gone {
                    if let Some(policy) = self.state.policies.remove(number) {
                        if core_kit::planted!("P25-others-released") {
                            self.state.policies.clear();
                        }
                        name = Some(policy.name);
                        for message in policy.messages {
                            self.bury_message(message);
                        }
                    }
                } else if let Some(policy) = self.state.policies.get_mut(number) {
                    policy.life = Life::Active;
                    name = Some(policy.name.clone());
                }
                if let Some(from) = from {
                    self.tell_of(from, status, Vec::new(), None, name, step);
                }
            }
        }
    }

    /// A message with the retained Message-ID of a policy.
    pub(super) fn report_received(&mut self, number: u64, message: &Message, read: &Decoded, step: &mut Step<'_>) {
        if !self.is_reporting(number, message.kind) {
            return Self::refused(Code::MESSAGE_TYPE_UNKNOWN, read, step);
        }
        let Some(policy) = self.state.policies.get(&number).cloned() else { return };
        let (missing, wrong) = (Code::POLICY_ID_MISSING, Code::POLICY_ID_NOT_REGISTERED);
        match names(&message.policy_id, policy.id.as_str(), missing, wrong) {
            Ok(()) => {}
            Err(Wrong::Format(code)) => return Self::refused(code, read, step),
            Err(Wrong::Identification(code)) => {
                self.release_unknown(message);
                return self.unidentified(code, read, step);
            }
        }
        let (group, members) = match &policy.watched {
            Watched::Property(name) => (None, vec![name.clone()]),
            Watched::Group(name) => {
                let group = self.state.group_of(&policy.sp, name).and_then(|number| self.state.groups.get(&number));
                let id = group.map_or("", |group| group.id.as_str());
                let said = match &message.group_id {
                    Ie::Absent => None,
                    Ie::Is(said) if said.as_str() == id => Some(name.clone()),
                    _ => return self.unidentified(Code::GROUP_ID_NOT_REGISTERED, read, step),
                };
                (said, group.map(|group| group.members.clone()).unwrap_or_default())
            }
        };
        let read = message.status.need(Code::STATUS_MISSING, Code::STATUS_ERROR).copied();
        let read = read.and_then(|status| if status.is_valid() { Ok(status) } else { Err(Code::STATUS_ERROR) });
        let (readings, fault) = read_results(&message.results, |name| members.contains(name));
        let fault = fault.or(readings.is_empty().then_some(Code::RESULT_MISSING));
        let status = match (read, fault) {
            (Err(code), _) => return step.report(Report::Faulty(Some(message.kind), code)),
            (Ok(status), Some(code)) if status.is_ok() => {
                return step.report(Report::Faulty(Some(message.kind), code));
            }
            (Ok(status), _) => status,
        };
        self.remember(&readings, step.now);
        let report = PolicyReport {
            client: self.state.client.clone(),
            policy: policy.name,
            group,
            status,
            readings,
            timestamp: message.timestamp.get().copied(),
            sequence: message.sequence.get().copied(),
        };
        step.out.push(Output::Gate(policy.sp, ToGate::Report(report)));
    }
}
