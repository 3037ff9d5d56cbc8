//! Requests of the server: checks K4 to K6, and what is done [DPE digest 3.3.4, 3.5 to 3.7].

use alloc::vec::Vec;

use super::{
    Channel, Client, Step,
    duty::{Duty, Said},
};
use crate::{
    codes::Code,
    ids::{Token, dpe2},
    policy::Watched,
    property::Reading,
    wire::{Decoded, Ie, Kind, Message, PropertyName, ResultIe},
};

impl Client {
    pub(super) fn requested(&mut self, message: &Message, read: &Decoded, step: &mut Step<'_>) {
        let id: dpe2::MessageId = match message.message_id.need_id(Code::MESSAGE_ID_MISSING, Code::MESSAGE_ID_MISSING) {
            Ok(id) => id,
            Err(code) => return self.error(Some(read), code, step),
        };
        if self.state.policies.values().any(|policy| policy.message == id) {
            return self.acknowledge(message, Code::MESSAGE_ID_REPEATED, step);
        }
        match self.take(message, id) {
            Ok(Some(duty)) if self.state.duties.len() >= self.profile.config.state.duties_max => {
                drop(duty);
                self.acknowledge(message, Code::INTERNAL_ERROR, step);
            }
            Ok(Some(duty)) => self.state.duties.push_back(duty),
            Ok(None) => self.acknowledge(message, Code::OK, step),
            Err(code) => self.acknowledge(message, code, step),
        }
    }

    /// What is to be looked up before the answer can be given; nothing where the request is done already.
    fn take(&mut self, message: &Message, id: dpe2::MessageId) -> Result<Option<Duty>, Code> {
        match message.kind {
            Kind::PropertyQuery => Ok(Some(Duty::Query { request: said(message), names: names(message)? })),
            Kind::GroupQuery => {
                let group: dpe2::GroupId =
                    message.group_id.need_id(Code::GROUP_ID_MISSING, Code::GROUP_ID_NOT_REGISTERED)?;
                let names = self.state.groups.get(&group).ok_or(Code::GROUP_ID_NOT_REGISTERED)?.clone();
                Ok(Some(Duty::Query { request: said(message), names }))
            }
            Kind::GroupSet => {
                let group: dpe2::GroupId =
                    message.group_id.need_id(Code::GROUP_ID_MISSING, Code::GROUP_ID_NOT_REGISTERED)?;
                if self.state.groups.contains_key(&group) {
                    return Err(Code::GROUP_ID_REPEATED);
                }
                if self.state.groups.len() >= self.profile.config.state.groups_max {
                    return Err(Code::INTERNAL_ERROR);
                }
                Ok(Some(Duty::SetGroup { request: said(message), group, names: names(message)? }))
            }
            Kind::GroupRelease => self.release_group(message).map(|()| None),
            Kind::PropertyPolicySet | Kind::GroupPolicySet => self.take_policy(message, id).map(Some),
            _ => self.release_policy(message).map(|()| None),
        }
    }

    fn take_policy(&self, message: &Message, id: dpe2::MessageId) -> Result<Duty, Code> {
        let policy: dpe2::PolicyId =
            message.policy_id.need_id(Code::POLICY_ID_MISSING, Code::POLICY_ID_NOT_REGISTERED)?;
        if self.state.policies.contains_key(&policy) {
            return Err(Code::POLICY_ID_REPEATED);
        }
        if self.state.policies.len() >= self.profile.config.state.policies_max {
            return Err(Code::INTERNAL_ERROR);
        }
        let (watched, names) = if message.kind == Kind::PropertyPolicySet {
            let names = names(message)?;
            let [name] = names.as_slice() else { return Err(Code::PROPERTY_NAME_UNKNOWN) };
            (Watched::Property(name.clone()), names)
        } else {
            let group: dpe2::GroupId =
                message.group_id.need_id(Code::GROUP_ID_MISSING, Code::GROUP_ID_NOT_REGISTERED)?;
            if !self.state.groups.contains_key(&group) {
                return Err(Code::GROUP_ID_NOT_REGISTERED);
            }
            (Watched::Group(group), Vec::new())
        };
        let terms = crate::policy::Terms::of(message);
        let duration = match &message.duration {
            Ie::Unusable | Ie::Repeated => Err(Code::DURATION_FORMAT),
            Ie::Is(_) | Ie::Absent => Ok(()),
        };
        Ok(Duty::SetPolicy { request: said(message), message: id, policy, watched, names, terms, duration })
    }

    /// Ends one group, or all; the policies on it end with it.
    fn release_group(&mut self, message: &Message) -> Result<(), Code> {
        if message.group_id.get().is_some_and(Token::is_all) {
            self.state.groups.clear();
            self.state.policies.retain(|_, policy| matches!(policy.watched, Watched::Property(_)));
            return Ok(());
        }
        let group: dpe2::GroupId = message.group_id.need_id(Code::GROUP_ID_MISSING, Code::GROUP_ID_NOT_REGISTERED)?;
        self.state.groups.remove(&group).ok_or(Code::GROUP_ID_NOT_REGISTERED)?;
        self.state.policies.retain(|_, policy| policy.watched != Watched::Group(group.clone()));
        Ok(())
    }

    /// Ends one policy, or all, of either kind; with it ends its Message-ID.
    fn release_policy(&mut self, message: &Message) -> Result<(), Code> {
        if message.policy_id.get().is_some_and(Token::is_all) {
            self.state.policies.clear();
            return Ok(());
        }
        let policy: dpe2::PolicyId =
            message.policy_id.need_id(Code::POLICY_ID_MISSING, Code::POLICY_ID_NOT_REGISTERED)?;
        self.state.policies.remove(&policy).map(drop).ok_or(Code::POLICY_ID_NOT_REGISTERED)
    }

    /// The answer to a request, without results.
    pub(super) fn acknowledge(&self, request: &Message, status: Code, step: &mut Step<'_>) {
        self.answer(request, status, &[], step);
    }

    /// The answer to a request.
    pub(super) fn answer(&self, request: &Message, status: Code, readings: &[Reading], step: &mut Step<'_>) {
        let Some(kind) = request.kind.answer() else { return };
        let mut answer = Message::new(kind);
        answer.message_id = request.message_id.get().cloned().into();
        answer.client_id = self.state.client.as_ref().map(Token::from).into();
        answer.group_id = request.group_id.get().cloned().into();
        answer.policy_id = request.policy_id.get().cloned().into();
        answer.results = readings.iter().map(ResultIe::from).collect();
        answer.status = Ie::Is(status);
        if !status.is_ok() {
            step.out.push(super::Output::Report(super::Report::Faulty(status)));
        }
        self.send(Channel::Messages, answer, step);
    }
}

/// What an answer needs of its request.
fn said(message: &Message) -> Said {
    Said {
        kind: message.kind,
        message_id: message.message_id.get().cloned(),
        group_id: message.group_id.get().cloned(),
        policy_id: message.policy_id.get().cloned(),
    }
}

/// The names of a request, each once.
fn names(message: &Message) -> Result<Vec<PropertyName>, Code> {
    let mut names: Vec<PropertyName> = Vec::new();
    for name in &message.property_names {
        let name = name.need(Code::PROPERTY_NAME_MISSING, Code::PROPERTY_NAME_MISSING)?;
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    if names.is_empty() { Err(Code::PROPERTY_NAME_MISSING) } else { Ok(names) }
}
