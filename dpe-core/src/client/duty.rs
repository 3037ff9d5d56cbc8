//! What a client has to look up before it can answer or report, one question at a time.

use alloc::{vec, vec::Vec};

use core_kit::Tick;
use serde::{Deserialize, Serialize};

use super::{Channel, Client, Output, Policy, Properties, Report, Step};
use crate::{
    codes::Code,
    ids::{Token, dpe2},
    policy::{Due, Reader, Scope, Terms, Watch, Watched},
    property::Reading,
    wire::{Ie, Kind, Message, PropertyName, ResultIe, Value, is_xml_char},
};

/// What an answer repeats of its request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    pub(super) kind: Kind,
    pub(super) message_id: Option<Token>,
    pub(super) group_id: Option<Token>,
    pub(super) policy_id: Option<Token>,
}

impl Said {
    fn message(&self) -> Message {
        let mut message = Message::new(self.kind);
        message.message_id = self.message_id.clone().into();
        message.group_id = self.group_id.clone().into();
        message.policy_id = self.policy_id.clone().into();
        message
    }
}

/// Something to do with properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Duty {
    Query {
        request: Said,
        names: Vec<PropertyName>,
    },
    SetGroup {
        request: Said,
        group: dpe2::GroupId,
        names: Vec<PropertyName>,
    },
    SetPolicy {
        request: Said,
        message: dpe2::MessageId,
        policy: dpe2::PolicyId,
        watched: Watched<dpe2::GroupId>,
        names: Vec<PropertyName>,
        terms: Result<Terms, Code>,
        duration: Result<(), Code>,
    },
    Report {
        policy: dpe2::PolicyId,
        names: Vec<PropertyName>,
    },
}

impl Duty {
    pub(super) fn names(&self) -> &[PropertyName] {
        match self {
            Self::Query { names, .. }
            | Self::SetGroup { names, .. }
            | Self::SetPolicy { names, .. }
            | Self::Report { names, .. } => names,
        }
    }
}

impl Client {
    /// Does what is to be done, up to the next question.
    pub(super) fn work(&mut self, step: &mut Step<'_>) {
        while self.state.asking.is_none() {
            let Some(duty) = self.state.duties.pop_front() else { return };
            if duty.names().is_empty() {
                self.done(duty, Vec::new(), step);
                continue;
            }
            self.state.asked = self.state.asked.saturating_add(1);
            let question = Properties { id: self.state.asked, names: duty.names().to_vec() };
            self.state.asking = Some((question.id, duty));
            step.out.push(Output::Ask(question));
        }
    }

    pub(super) fn answered(&mut self, readings: Vec<Reading>, step: &mut Step<'_>) {
        let Some((_, duty)) = self.state.asking.take() else { return };
        self.done(duty, readings, step);
    }

    fn done(&mut self, duty: Duty, readings: Vec<Reading>, step: &mut Step<'_>) {
        let readings = complete(duty.names(), readings, self.profile.config.wire.value_bytes_max);
        match duty {
            Duty::Query { request, .. } => self.answer(&request.message(), Code::OK, &readings, step),
            Duty::SetGroup { request, group, names } => {
                let status = Self::unsupported(&readings, self.profile.config.partial_group).err().unwrap_or(Code::OK);
                if status.is_ok() && !core_kit::planted!("P26-group-not-kept") {
                    self.state.groups.insert(group, names);
                }
                self.acknowledge(&request.message(), status, step);
            }
            Duty::SetPolicy { request, message, policy, watched, terms, duration, .. } => {
                let set = self.set_policy(message, &policy, watched, terms, duration, &readings, step.now);
                self.acknowledge(&request.message(), set.as_ref().err().copied().unwrap_or(Code::OK), step);
                if let Ok(Some(due)) = set {
                    self.due(policy, &due, step);
                }
            }
            Duty::Report { policy, .. } => self.report(&policy, &readings, step),
        }
    }

    /// Whether all of these exist here: 16 for a name without meaning, 40 for a property that the device lacks.
    fn unsupported(readings: &[Reading], partly: bool) -> Result<(), Code> {
        let has = |code: Code| readings.iter().any(|reading| reading.status == code);
        let all_lack = readings.iter().all(|reading| reading.status == Code::NOT_SUPPORTED);
        if has(Code::PROPERTY_NAME_UNKNOWN) {
            return Err(Code::PROPERTY_NAME_UNKNOWN);
        }
        if has(Code::NOT_SUPPORTED) && (!partly || all_lack) {
            return Err(Code::NOT_SUPPORTED);
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one duty")]
    fn set_policy(
        &mut self,
        message: dpe2::MessageId,
        policy: &dpe2::PolicyId,
        watched: Watched<dpe2::GroupId>,
        terms: Result<Terms, Code>,
        duration: Result<(), Code>,
        readings: &[Reading],
        now: Tick,
    ) -> Result<Option<Due>, Code> {
        if matches!(watched, Watched::Property(_)) {
            Self::unsupported(readings, false)?;
        }
        let members = match &watched {
            Watched::Property(_) => None,
            Watched::Group(group) => {
                Some(self.state.groups.get(group).ok_or(Code::GROUP_ID_NOT_REGISTERED)?.as_slice())
            }
        };
        let rule = Reader { interval_min: self.profile.config.min_interval, members }.read(&terms?)?;
        duration?;
        let (mut watch, due) = Watch::begin(&rule, now);
        // What is known now is what later values are compared with.
        let first: Vec<_> = readings.iter().filter_map(|reading| watch.observe(&rule, now, reading)).collect();
        let due = due.or_else(|| first.into_iter().next());
        let set = Policy { message, watched, rule, watch, sequence: 0 };
        self.state.policies.insert(policy.clone(), set);
        Ok(due)
    }

    /// Properties were seen: the policies that watch them decide.
    pub(super) fn sampled(&mut self, readings: &[Reading], step: &mut Step<'_>) {
        let now = step.now;
        let mut all_due: Vec<(dpe2::PolicyId, Due)> = Vec::new();
        for (id, policy) in &mut self.state.policies {
            let members = match &policy.watched {
                Watched::Property(name) => vec![name.clone()],
                Watched::Group(group) => self.state.groups.get(group).cloned().unwrap_or_default(),
            };
            let mut due: Option<Due> = None;
            for reading in readings.iter().filter(|reading| members.contains(&reading.name)) {
                if let Some(Due { changed }) = policy.watch.observe(&policy.rule, now, reading) {
                    due.get_or_insert_with(|| Due { changed: Vec::new() }).changed.extend(changed);
                }
            }
            all_due.extend(due.map(|due| (id.clone(), due)));
        }
        for (id, due) in all_due {
            self.due(id, &due, step);
        }
    }

    /// The time that a policy waited for may have come.
    pub(super) fn wake_policies(&mut self, step: &mut Step<'_>) {
        let now = step.now;
        let wake = |(id, policy): (&dpe2::PolicyId, &mut Policy)| {
            policy.watch.wake(&policy.rule, now).map(|due| (id.clone(), due))
        };
        let all_due: Vec<_> = self.state.policies.iter_mut().filter_map(wake).collect();
        for (id, due) in all_due {
            self.due(id, &due, step);
        }
    }

    /// A report is due: the values are asked for when its turn comes.
    fn due(&mut self, id: dpe2::PolicyId, due: &Due, step: &mut Step<'_>) {
        let Some(policy) = self.state.policies.get(&id) else { return };
        let names = match &policy.watched {
            Watched::Property(name) => vec![name.clone()],
            Watched::Group(_) if policy.rule.scope == Scope::Changed && !due.changed.is_empty() => due.changed.clone(),
            Watched::Group(group) => self.state.groups.get(group).cloned().unwrap_or_default(),
        };
        let is_due = |duty: &Duty| matches!(duty, Duty::Report { policy, .. } if *policy == id);
        if self.state.duties.iter().any(is_due) {
            return;
        }
        if self.state.duties.len() >= self.profile.config.state.duties_max {
            return step.out.push(Output::Report(Report::ReportDropped));
        }
        self.state.duties.push_back(Duty::Report { policy: id, names });
    }

    fn report(&mut self, id: &dpe2::PolicyId, readings: &[Reading], step: &mut Step<'_>) {
        let client = self.state.client.as_ref().map(Token::from);
        let Some(policy) = self.state.policies.get_mut(id) else { return };
        policy.sequence = policy.sequence.saturating_add(1);
        policy.watch.reported(&policy.rule, step.now, readings);
        let (kind, group) = match &policy.watched {
            Watched::Property(_) => (Kind::PropertyReport, None),
            Watched::Group(group) => (Kind::GroupReport, Some(Token::from(group))),
        };
        let mut message = Message::new(kind);
        message.message_id = Ie::Is((&policy.message).into());
        message.client_id = client.into();
        message.policy_id = Ie::Is(id.into());
        message.group_id = group.into();
        message.results = readings.iter().map(ResultIe::from).collect();
        message.timestamp = Ie::Is(step.env.wall);
        message.sequence = Ie::Is(policy.sequence);
        message.status = Ie::Is(Code::OK);
        self.send(Channel::Messages, message, step);
    }
}

/// A reading for each name, in the order of the names: what has none, or none that can be sent, has no result.
fn complete(names: &[PropertyName], readings: Vec<Reading>, value_bytes_max: usize) -> Vec<Reading> {
    let fits = |value: &Value| value.text.len() <= value_bytes_max && value.text.chars().all(is_xml_char);
    let is_good = |reading: &Reading| {
        if reading.status.is_ok() {
            !reading.values.is_empty() && reading.values.iter().all(fits)
        } else {
            reading.status.is_valid()
        }
    };
    let mut readings = readings;
    let mut take = |name: &PropertyName| {
        let at = readings.iter().position(|reading| reading.name == *name);
        let found = at.map(|at| readings.swap_remove(at)).filter(is_good);
        let mut found = found.unwrap_or_else(|| Reading::without(name.clone(), Code::RESULT_MISSING));
        if !found.status.is_ok() {
            found.values.clear();
        }
        found
    };
    names.iter().map(&mut take).collect()
}
