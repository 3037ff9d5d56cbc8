//! What SPs want of the client, as far as the server decides it [DPE digest 3.5 to 3.7].

use alloc::{format, vec::Vec};

use core_kit::Millis;

use super::{
    Device, Step,
    state::{Dialogue, Group, Life, Op, Policy, Standing, Target},
    vocabulary::{Output, Report},
};
use crate::{
    codes::Code,
    config::{DurationStart, ObsoleteAction},
    ids::{SpId, dpe2},
    policy::Watched,
    server::link::{Ask, ClientChanged, Operation, PolicyTerms, ToGate},
};

impl Device {
    pub(super) fn ask(&mut self, ask: Ask, step: &mut Step<'_>) {
        let from = Dialogue::from(&ask);
        if let Standing::Retired { successor, same_user, .. } = &self.state.standing {
            let (successor, same_user) = (successor.clone(), *same_user);
            let code =
                if core_kit::planted!("P13-obsolete-answers") { Code::OK } else { Code::CLIENT_ID_NOT_REGISTERED };
            self.tell(&from, code, Vec::new(), step);
            let wanted = self.config().obsolete_client_id.action == ObsoleteAction::ErrorAndReport;
            let is_new =
                self.state.told.len() < self.config().state.audience_max && self.state.told.insert(from.sp.clone());
            if wanted && is_new {
                let changed = ClientChanged {
                    user: self.known().and_then(|known| known.tag.clone()),
                    client: same_user.then_some(successor),
                    replaces: Some(self.state.client.clone()),
                };
                step.out.push(Output::Gate(from.sp, ToGate::ClientChanged(changed)));
            }
            return;
        }
        if !self.state.is_active() {
            let readings = match &ask.what {
                Operation::Query(names) if self.config().cache.serve_when_unreachable => {
                    self.answered_by_cache(&Op::Query { from: None, names: names.clone() }, step.now)
                }
                _ => None,
            };
            if let Some(readings) = readings {
                return self.tell(&from, Code::OK, readings, step);
            }
            let mut code = Code::CLIENT_ID_NOT_REGISTERED;
            let is_query = matches!(ask.what, Operation::Query(_));
            if core_kit::planted!("P32-declined-answers") && is_query && self.state.standing == Standing::Declined {
                code = Code::OK;
            }
            return self.tell(&from, code, Vec::new(), step);
        }
        let (group, policy) = match &ask.what {
            Operation::GroupSet(group, _) | Operation::GroupRelease(group) => (Some(group.clone()), None),
            Operation::PolicyRelease(policy) => (None, Some(policy.clone())),
            Operation::PolicySet(set) => (None, Some(set.policy.clone())),
            Operation::Refused(_) | Operation::Query(_) | Operation::GroupQuery(_) => (None, None),
        };
        if let Err(code) = self.admit(ask.what, &from, step) {
            self.tell_of(&from, code, Vec::new(), group, policy, step);
        }
    }

    /// Takes a request, or says why not.
    fn admit(&mut self, what: Operation, from: &Dialogue, step: &mut Step<'_>) -> Result<(), Code> {
        let op = match what {
            Operation::Refused(code) => return Err(code),
            Operation::Query(names) => Op::Query { from: Some(from.clone()), names },
            Operation::GroupQuery(group) => {
                let group = self.state.group_of(&from.sp, &group).ok_or(Code::GROUP_ID_NOT_REGISTERED)?;
                if self.state.groups.get(&group).is_none_or(|group| group.life != Life::Active) {
                    return Err(Code::GROUP_ID_NOT_REGISTERED);
                }
                Op::GroupQuery { from: from.clone(), group }
            }
            Operation::GroupSet(name, members) => {
                if self.state.group_of(&from.sp, &name).is_some() {
                    return Err(Code::GROUP_ID_REPEATED);
                }
                self.check_room()?;
                if self.state.groups.len() >= self.config().state.groups_max {
                    return Err(Code::WINDOW_OVERFLOW);
                }
                let (number, id) = self.group_id().ok_or(Code::INTERNAL_ERROR)?;
                let group = Group { sp: from.sp.clone(), name, id, members, life: Life::Pending };
                self.state.groups.insert(number, group);
                Op::GroupSet { from: Some(from.clone()), group: number }
            }
            Operation::GroupRelease(name)
                if core_kit::planted!("P12-group-not-released")
                    && self.state.policies.values().all(|policy| policy.watched != Watched::Group(name.clone())) =>
            {
                self.tell_of(from, Code::OK, Vec::new(), Some(name), None, step);
                return Ok(());
            }
            Operation::PolicyRelease(name) if core_kit::planted!("P24-policy-not-released") => {
                self.tell_of(from, Code::OK, Vec::new(), None, Some(name), step);
                return Ok(());
            }
            Operation::GroupRelease(name) => {
                let number = self.state.group_of(&from.sp, &name).ok_or(Code::GROUP_ID_NOT_REGISTERED)?;
                self.check_room()?;
                let group = self.state.groups.get_mut(&number).ok_or(Code::GROUP_ID_NOT_REGISTERED)?;
                if group.life != Life::Active {
                    return Err(Code::GROUP_ID_NOT_REGISTERED);
                }
                group.life = Life::Releasing;
                Op::GroupRelease { from: Some(from.clone()), target: Target::Number(number) }
            }
            Operation::PolicySet(terms) => {
                self.check_room()?;
                let policy = self.new_policy(terms, from, step)?;
                Op::PolicySet { from: Some(from.clone()), policy }
            }
            Operation::PolicyRelease(name) => {
                let number = self.state.policy_of(&from.sp, &name).ok_or(Code::POLICY_ID_NOT_REGISTERED)?;
                self.check_room()?;
                let policy = self.state.policies.get_mut(&number).ok_or(Code::POLICY_ID_NOT_REGISTERED)?;
                if policy.life != Life::Active {
                    return Err(Code::POLICY_ID_NOT_REGISTERED);
                }
                policy.life = Life::Releasing;
                Op::PolicyRelease { from: Some(from.clone()), target: Target::Number(number) }
            }
        };
        if let Some(readings) = self.answered_by_cache(&op, step.now) {
            step.report(Report::CacheHit);
            self.tell(from, Code::OK, readings, step);
            return Ok(());
        }
        self.check_room()?;
        self.enqueue(op, step);
        Ok(())
    }

    fn check_room(&self) -> Result<(), Code> {
        if self.has_room() { Ok(()) } else { Err(Code::NOT_RESPONDING) }
    }

    fn new_policy(&mut self, set: PolicyTerms, from: &Dialogue, step: &Step<'_>) -> Result<u64, Code> {
        if self.state.policy_of(&from.sp, &set.policy).is_some() {
            return Err(Code::POLICY_ID_REPEATED);
        }
        if let Watched::Group(group) = &set.watched
            && self.state.group_of(&from.sp, group).is_none()
        {
            return Err(Code::GROUP_ID_NOT_REGISTERED);
        }
        if self.state.policies.len() >= self.config().state.policies_max {
            return Err(Code::WINDOW_OVERFLOW);
        }
        let (number, id) = self.policy_id().ok_or(Code::INTERNAL_ERROR)?;
        let at_request = self.config().policy.duration_start == DurationStart::Request;
        let expires = at_request.then(|| step.now + Millis::from_secs(u64::from(set.duration)));
        let PolicyTerms { policy: name, watched, terms, duration } = set;
        let (sp, messages) = (from.sp.clone(), Vec::new());
        let policy = Policy { sp, name, id, watched, terms, duration, expires, messages, life: Life::Pending };
        self.state.policies.insert(number, policy);
        Ok(number)
    }

    /// A fresh identifier for a group, and the number that it is made of.
    pub(super) fn group_id(&mut self) -> Option<(u64, dpe2::GroupId)> {
        let number = self.number();
        dpe2::GroupId::try_from(format!("g{number}")).ok().map(|id| (number, id))
    }

    /// A fresh identifier for a policy, and the number that it is made of.
    pub(super) fn policy_id(&mut self) -> Option<(u64, dpe2::PolicyId)> {
        let number = self.number();
        dpe2::PolicyId::try_from(format!("p{number}")).ok().map(|id| (number, id))
    }

    /// An SP was told this Client-ID: it belongs to those who hear when it changes.
    pub(super) fn disclosed(&mut self, sp: SpId) {
        if self.state.audience.len() < self.config().state.audience_max {
            self.state.audience.insert(sp);
        }
    }
}
