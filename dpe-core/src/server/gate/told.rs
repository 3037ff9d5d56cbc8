//! What devices tell, in the SP's own words [DPE digest 3.4.2, 3.7, 3.10].

use alloc::vec::Vec;

use super::{
    Gate, Output, Report, Step,
    request::bag,
    state::{Course, Life},
};
use crate::{
    codes::Code,
    ids::{ClientId, Token, dpe3},
    server::link::{Answered, ClientChanged, PolicyReport, ToGate},
    wire::{Ie, Kind, Message, ResultIe},
};

impl Gate {
    pub(super) fn told(&mut self, told: ToGate, step: &mut Step<'_>) {
        match told {
            ToGate::Answered(answered) => self.answered(answered, step),
            ToGate::Report(report) => self.report(&report, step),
            ToGate::Expired(client, policy) => {
                let until = step.now + self.config().policy.expired_memory;
                if self.end_policy(&client, &policy, Code::POLICY_EXPIRED, step)
                    && self.state.expired.len() < self.config().state.expired_max
                {
                    self.state.expired.insert(policy, until);
                }
            }
            ToGate::PolicyLost(client, policy) => {
                self.end_policy(&client, &policy, Code::POLICY_ID_NOT_REGISTERED, step);
            }
            ToGate::GroupLost(client, group) => self.state.remove_group(&group, &client),
            ToGate::PolicyEnded(client, policy) => drop(self.state.remove_policy(&policy, &client)),
            ToGate::Moved { from, to, groups, policies, dialogues } => {
                self.moved(&from, &to, &groups, &policies, &dialogues);
            }
            ToGate::ClientChanged(changed) => self.client_changed(changed, step),
        }
    }

    /// A message that answers a dialogue or belongs to one.
    fn message(&self, kind: Kind, id: &dpe3::MessageId, client: &ClientId, status: Code) -> Message {
        let mut message = Message::new(kind);
        message.message_id = Ie::Is(id.into());
        message.sp_id = Ie::Is((&self.profile.sp.id).into());
        message.client_id = Ie::Is(client.into());
        message.status = Ie::Is(status);
        message
    }

    fn answered(&mut self, answered: Answered, step: &mut Step<'_>) {
        let Some(mut dialogue) = self.state.dialogues.get(&answered.message).cloned() else {
            return step.out.push(Output::Report(Report::Stale));
        };
        let (client, status) = (dialogue.client.clone(), answered.status);
        match dialogue.course {
            Course::Retained => return step.out.push(Output::Report(Report::Stale)),
            Course::Open => {
                if !core_kit::planted!("P29-place-not-returned") || answered.status != Code::NOT_RESPONDING {
                    self.state.dialogues.remove(&answered.message);
                }
                if dialogue.settles {
                    self.settle(dialogue.kind, &client, dialogue.group.as_ref(), dialogue.policy.as_ref(), &answered);
                }
            }
            Course::Many { left, worst } => {
                self.settle(dialogue.kind, &client, answered.group.as_ref(), answered.policy.as_ref(), &answered);
                let worst = if worst.is_ok() { status } else { worst };
                if left > 1 {
                    dialogue.course = Course::Many { left: left - 1, worst };
                    self.state.dialogues.insert(answered.message, dialogue);
                    return;
                }
                self.state.dialogues.remove(&answered.message);
                let Some(kind) = dialogue.kind.answer() else { return };
                let mut message = self.message(kind, &answered.message, &client, worst);
                message.group_id = Ie::Is(Token::all());
                message.policy_id = Ie::Is(Token::all());
                step.out.push(Output::Report(Report::Answered(dialogue.kind, worst)));
                return self.send(&message, Some(answered.message), true, step);
            }
        }
        let is_set = matches!(dialogue.kind, Kind::PropertyPolicySet | Kind::GroupPolicySet);
        let Some(kind) = dialogue.kind.answer() else { return };
        let mut message = self.message(kind, &answered.message, &client, status);
        message.group_id = dialogue.group.as_ref().map(Token::from).into();
        message.policy_id = dialogue.policy.as_ref().map(Token::from).into();
        message.results = answered.readings.iter().map(ResultIe::from).collect();
        if core_kit::planted!("P04-result-twice") {
            message.results.extend(message.results.first().cloned());
        }
        if core_kit::planted!("P33-value-lost")
            && let Some(result) = message.results.first_mut()
        {
            result.values = Ie::Absent;
        }
        step.out.push(Output::Report(Report::Answered(dialogue.kind, status)));
        self.send(&message, Some(answered.message.clone()), true, step);
        if core_kit::planted!("P03-answered-twice") && dialogue.kind == Kind::GroupQuery {
            self.send(&message, Some(answered.message.clone()), true, step);
        }
        if is_set && status.is_ok() {
            dialogue.course = Course::Retained;
            self.state.dialogues.insert(answered.message, dialogue);
        }
    }

    /// Puts the registers right after an answer.
    fn settle(
        &mut self,
        kind: Kind,
        client: &ClientId,
        group: Option<&dpe3::GroupId>,
        policy: Option<&dpe3::PolicyId>,
        answered: &Answered,
    ) {
        let status = answered.status;
        let state = &mut self.state;
        match (kind, group, policy) {
            (Kind::GroupSet, Some(name), _) => {
                let is_ours = state.group(name, client).is_some_and(|group| group.life == Life::Pending);
                match state.group_mut(name, client) {
                    Some(_) if core_kit::planted!("P35-group-not-stored") => state.remove_group(name, client),
                    Some(group) if is_ours && status.is_ok() => group.life = Life::Active,
                    Some(_) if is_ours => state.remove_group(name, client),
                    _ => {}
                }
            }
            (Kind::GroupRelease, Some(name), _) => {
                let is_gone = status.is_ok() || status == Code::GROUP_ID_NOT_REGISTERED;
                let is_ours = state.group(name, client).is_some_and(|group| group.life == Life::Releasing);
                match state.group_mut(name, client) {
                    Some(group) if core_kit::planted!("P12-group-not-released") && is_gone => group.life = Life::Active,
                    Some(_) if is_ours && is_gone => state.remove_group(name, client),
                    Some(group) if is_ours => group.life = Life::Active,
                    _ => {}
                }
            }
            (Kind::PropertyPolicySet | Kind::GroupPolicySet, _, Some(name)) => {
                let is_ours = state.policy(name, client).is_some_and(|policy| policy.message == answered.message);
                match state.policy_mut(name, client) {
                    Some(policy) if is_ours && status.is_ok() => policy.life = Life::Active,
                    Some(_) if is_ours => drop(state.remove_policy(name, client)),
                    _ => {}
                }
            }
            (Kind::PolicyRelease, _, Some(name)) => {
                let is_gone = status.is_ok() || status == Code::POLICY_ID_NOT_REGISTERED;
                let is_ours = state.policy(name, client).is_some_and(|policy| policy.life == Life::Releasing);
                match state.policy_mut(name, client) {
                    Some(policy) if core_kit::planted!("P24-policy-not-released") => policy.life = Life::Active,
                    Some(_) if is_ours && is_gone => drop(state.remove_policy(name, client)),
                    Some(policy) if is_ours => policy.life = Life::Active,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// There is no device of the Client-ID that a dialogue is about.
    pub(super) fn no_such_client(&mut self, client: ClientId, message: dpe3::MessageId, step: &mut Step<'_>) {
        let (status, readings) = (Code::CLIENT_ID_NOT_REGISTERED, Vec::new());
        let status = if core_kit::planted!("P08-told-apart") { Code::INTERNAL_ERROR } else { status };
        let Some(dialogue) = self.state.dialogues.get_mut(&message) else { return };
        if let Course::Many { left, .. } = &mut dialogue.course {
            *left = 1;
        }
        // What was there is gone with the device.
        for groups in self.state.groups.values_mut() {
            groups.retain(|group| group.client != client);
        }
        self.state.groups.retain(|_, groups| !groups.is_empty());
        let is_lost = |policies: &Vec<super::state::Policy>| policies.iter().any(|policy| policy.client == client);
        let lost: Vec<_> =
            self.state.policies.iter().filter(|(_, all)| is_lost(all)).map(|(name, _)| name.clone()).collect();
        for name in lost {
            self.state.remove_policy(&name, &client);
        }
        self.answered(Answered { client, message, status, readings, group: None, policy: None }, step);
    }

    fn report(&self, report: &PolicyReport, step: &mut Step<'_>) {
        let Some(policy) = self.state.policy(&report.policy, &report.client) else {
            return step.out.push(Output::Report(Report::Stale));
        };
        let mut message = self.message(policy.report, &policy.message, &report.client, report.status);
        message.policy_id = Ie::Is((&report.policy).into());
        message.group_id = report.group.as_ref().map(Token::from).into();
        message.results = report.readings.iter().map(ResultIe::from).collect();
        message.timestamp = report.timestamp.into();
        message.sequence = report.sequence.into();
        if core_kit::planted!("P22-other-number") {
            message.sequence = Ie::Is(report.sequence.unwrap_or_default().saturating_add(1));
        }
        self.send(&message, None, false, step);
    }

    /// A policy ends, and the SP hears why in the last report of it.
    fn end_policy(&mut self, client: &ClientId, name: &dpe3::PolicyId, status: Code, step: &mut Step<'_>) -> bool {
        let Some(policy) = self.state.remove_policy(name, client) else { return false };
        let mut message = self.message(policy.report, &policy.message, client, status);
        message.policy_id = Ie::Is(name.into());
        self.send(&message, None, false, step);
        if core_kit::planted!("P20-end-told-twice") {
            self.send(&message, None, false, step);
        }
        true
    }

    /// Groups, policies and dialogues belong to another Client-ID now.
    fn moved(
        &mut self,
        from: &ClientId,
        to: &ClientId,
        groups: &[dpe3::GroupId],
        policies: &[dpe3::PolicyId],
        dialogues: &[dpe3::MessageId],
    ) {
        for name in groups {
            if let Some(group) = self.state.group_mut(name, from) {
                group.client = to.clone();
            }
        }
        for name in policies {
            let message = self.state.policy_mut(name, from).map(|policy| {
                policy.client = to.clone();
                policy.message.clone()
            });
            if let Some(dialogue) = message.and_then(|message| self.state.dialogues.get_mut(&message)) {
                dialogue.client = to.clone();
            }
        }
        for message in dialogues {
            if let Some(dialogue) = self.state.dialogues.get_mut(message) {
                dialogue.client = to.clone();
            }
        }
    }

    fn client_changed(&mut self, changed: ClientChanged, step: &mut Step<'_>) {
        let Some(id) = self.report_id() else { return };
        let mut message = Message::new(Kind::ClientIdReport);
        message.message_id = Ie::Is(id);
        message.sp_id = Ie::Is((&self.profile.sp.id).into());
        let user = changed.user.as_ref().map(|tag| self.user(tag, [&changed.replaces, &changed.client]));
        // What was disclosed of the old Client-ID holds for the new one of the same user.
        let before = changed.replaces.as_ref().and_then(|old| self.state.disclosed.remove(old));
        match (&changed.client, before) {
            (Some(client), Some(key)) => drop(self.state.disclosed.insert(client.clone(), key)),
            (Some(client), None) if changed.user.is_none() => drop(self.state.disclosed.remove(client)),
            _ => {}
        }
        message.users = bag(user);
        message.clients = bag(changed.client.map(Token::from));
        message.replaces = changed.replaces.map_or(Ie::Absent, |old| bag(Some(old.into())));
        self.send(&message, None, false, step);
    }
}
