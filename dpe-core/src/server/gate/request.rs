//! Requests of the SP: checks P1 to P10 and those of each type, in order [DPE digest 3.3.3, 3.5 to 3.7, 3.10.1].

use alloc::{string::ToString, vec, vec::Vec};

use core_kit::Body;

use super::{
    Gate, Ignored, Output, Report, Step,
    state::{Course, Dialogue, Group, Life, Lookup, Policy},
};
use crate::{
    codes::Code,
    config::{BadInput, IdScope},
    identity::{Key, Source},
    ids::{ClientId, SpId, Token, dpe3},
    limits::DURATION_SECS_MAX,
    policy::{Reader, Terms, Watched},
    server::{
        QuestionId,
        directory::Find,
        link::{Ask, Operation, PolicyTerms, ToDevice},
        write,
    },
    wire::{self, Decoded, Identity, Ie, Kind, Message, PropertyName},
};

/// A reply to somebody who is not let in, or why there is none.
type TurnedAway = Result<(Code, Body), Ignored>;

/// A request that is to be registered: what it is, and what it names.
struct Accepted {
    what: Operation,
    group: Option<dpe3::GroupId>,
    policy: Option<dpe3::PolicyId>,
}

impl Accepted {
    const fn plain(what: Operation) -> Self {
        Self { what, group: None, policy: None }
    }
}

impl Gate {
    /// P2 to P6: whether the sender is the SP.
    pub(super) fn identify(&self, source: &Source, body: &Body) -> Result<(), TurnedAway> {
        let message = match wire::decode(body, &self.config().wire) {
            Err(_) => return Err(Err(Ignored::Unreadable)),
            Ok(Decoded::Untyped(untyped)) => return Err(Err(Ignored::Fault(untyped.code))),
            Ok(Decoded::Message(message)) => message,
        };
        if !message.kind.is_request() && message.kind != Kind::ClientIdQuery {
            return Err(Err(Ignored::Fault(Code::MESSAGE_TYPE_UNKNOWN)));
        }
        self.check_sp(source, &message).map_err(|code| {
            let is_told = self.config().sp.auth_failure_action == BadInput::Error;
            let answer = super::refusal(&message, code, &self.profile.sp.id).filter(|_| is_told);
            answer.and_then(|answer| write::body(&answer)).map(|body| (code, body)).ok_or(Ignored::Fault(code))
        })
    }

    /// A message of the SP, which has been identified.
    pub(super) fn received(&mut self, body: &Body, step: &mut Step<'_>) {
        let Ok(Decoded::Message(message)) = wire::decode(body, &self.config().wire) else { return };
        if !self.admits(step.now) {
            return self.refuse(&message, Code::WINDOW_OVERFLOW, step);
        }
        let id: dpe3::MessageId = match message.message_id.need_id(Code::MESSAGE_ID_MISSING, Code::MESSAGE_ID_MISSING) {
            Ok(id) => id,
            Err(code) => return self.refuse(&message, code, step),
        };
        let is_number = id.as_str().bytes().all(|byte| byte.is_ascii_digit());
        if message.kind == Kind::ClientIdQuery && self.config().dpe3.strict_integer_message_id && !is_number {
            return self.refuse(&message, Code::MESSAGE_ID_MISSING, step);
        }
        if self.state.dialogues.contains_key(&id) {
            return self.refuse(&message, Code::MESSAGE_ID_REPEATED, step);
        }
        let is_open = |dialogue: &&Dialogue| dialogue.course != Course::Retained;
        let open = self.state.dialogues.values().filter(is_open).count();
        if open >= quota(self.config().sp.max_open_dialogues) {
            return self.refuse(&message, Code::WINDOW_OVERFLOW, step);
        }
        if message.kind == Kind::ClientIdQuery {
            return self.look_up(&message, id, step);
        }
        let client: ClientId = match message.client_id.need_id(Code::CLIENT_ID_MISSING, Code::CLIENT_ID_NOT_REGISTERED)
        {
            Ok(client) => client,
            Err(code) => return self.refuse(&message, code, step),
        };
        if self.is_star(&message) {
            return self.release_all(&message, &id, &client, step);
        }
        // A fault counts only if the client is there: the device has the next word.
        let accepted = self.check(&message, &client).unwrap_or_else(|code| Accepted::plain(Operation::Refused(code)));
        self.register(&message, &id, &client, &accepted);
        let ask = Ask { sp: self.profile.sp.id.clone(), message: id, kind: message.kind, what: accepted.what };
        step.out.push(Output::Device(client, ToDevice::Ask(ask)));
    }

    /// The checks of each type.
    fn check(&self, message: &Message, client: &ClientId) -> Result<Accepted, Code> {
        match message.kind {
            Kind::PropertyQuery => {
                let names = self.names(message, self.config().dpe.multi_property_query)?;
                Ok(Accepted::plain(Operation::Query(names)))
            }
            Kind::GroupQuery => {
                let group = self.active_group(message, client)?;
                Ok(Accepted { what: Operation::GroupQuery(group.clone()), group: Some(group), policy: None })
            }
            Kind::GroupSet => self.check_group_set(message, client),
            Kind::GroupRelease => {
                let group = self.active_group(message, client)?;
                Ok(Accepted { what: Operation::GroupRelease(group.clone()), group: Some(group), policy: None })
            }
            Kind::PropertyPolicySet | Kind::GroupPolicySet => self.check_policy_set(message, client),
            _ => {
                let policy = self.active_policy(message, client)?;
                Ok(Accepted { what: Operation::PolicyRelease(policy.clone()), group: None, policy: Some(policy) })
            }
        }
    }

    /// The property names of a request, each once.
    fn names(&self, message: &Message, many: bool) -> Result<Vec<PropertyName>, Code> {
        let mut names: Vec<PropertyName> = Vec::new();
        for name in &message.property_names {
            let name = name.need(Code::PROPERTY_NAME_MISSING, Code::PROPERTY_NAME_MISSING)?;
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        if names.is_empty() {
            return Err(Code::PROPERTY_NAME_MISSING);
        }
        let is_allowed = |name: &PropertyName| self.config().vocabulary.allows(name);
        if (!many && message.property_names.len() > 1)
            || !(names.iter().all(is_allowed) || core_kit::planted!("P05-any-property"))
        {
            return Err(Code::PROPERTY_NAME_UNKNOWN);
        }
        Ok(names)
    }

    fn active_group(&self, message: &Message, client: &ClientId) -> Result<dpe3::GroupId, Code> {
        if message.group_id.get().is_some_and(Token::is_all) {
            return Err(Code::GROUP_ID_NOT_REGISTERED);
        }
        let name = message.group_id.need_id(Code::GROUP_ID_MISSING, Code::GROUP_ID_NOT_REGISTERED)?;
        match self.state.group(&name, client) {
            Some(group) if group.life == Life::Active => Ok(name),
            _ => Err(Code::GROUP_ID_NOT_REGISTERED),
        }
    }

    fn active_policy(&self, message: &Message, client: &ClientId) -> Result<dpe3::PolicyId, Code> {
        if message.policy_id.get().is_some_and(Token::is_all) {
            return Err(Code::POLICY_ID_NOT_REGISTERED);
        }
        let name = message.policy_id.need_id(Code::POLICY_ID_MISSING, Code::POLICY_ID_NOT_REGISTERED)?;
        match self.state.policy(&name, client) {
            Some(policy) if policy.life == Life::Active => Ok(name),
            None if self.state.expired.contains_key(&name) => Err(Code::POLICY_EXPIRED),
            _ => Err(Code::POLICY_ID_NOT_REGISTERED),
        }
    }

    fn check_group_set(&self, message: &Message, client: &ClientId) -> Result<Accepted, Code> {
        let name: dpe3::GroupId = message.group_id.need_id(Code::GROUP_ID_MISSING, Code::GROUP_ID_NOT_REGISTERED)?;
        let is_taken = match self.config().ids.scope {
            IdScope::Sp => self.state.groups.contains_key(&name),
            IdScope::SpAndClient => self.state.group(&name, client).is_some(),
        };
        if is_taken {
            return Err(Code::GROUP_ID_REPEATED);
        }
        let members = self.names(message, true)?;
        if self.state.groups.values().map(Vec::len).sum::<usize>() >= quota(self.config().sp.max_groups) {
            return Err(Code::WINDOW_OVERFLOW);
        }
        Ok(Accepted { what: Operation::GroupSet(name.clone(), members), group: Some(name), policy: None })
    }

    fn check_policy_set(&self, message: &Message, client: &ClientId) -> Result<Accepted, Code> {
        let config = self.config();
        let name: dpe3::PolicyId =
            message.policy_id.need_id(Code::POLICY_ID_MISSING, Code::POLICY_ID_NOT_REGISTERED)?;
        let duration = match message.duration {
            Ie::Is(seconds) => seconds,
            Ie::Absent => config.policy.default_duration.ok_or(Code::DURATION_FORMAT)?,
            Ie::Unusable | Ie::Repeated => return Err(Code::DURATION_FORMAT),
        };
        if duration > config.policy.max_duration.min(DURATION_SECS_MAX) {
            return Err(Code::DURATION_OVERFLOW);
        }
        let is_taken = match config.ids.scope {
            IdScope::Sp => self.state.policies.contains_key(&name),
            IdScope::SpAndClient => self.state.policy(&name, client).is_some(),
        };
        if is_taken {
            return Err(Code::POLICY_ID_REPEATED);
        }
        let (watched, members) = if message.kind == Kind::PropertyPolicySet {
            let mut names = self.names(message, false)?;
            let name = names.pop().ok_or(Code::PROPERTY_NAME_MISSING)?;
            (Watched::Property(name), None)
        } else {
            let group = self.active_group(message, client)?;
            let members = self.state.group(&group, client).map(|group| group.members.as_slice());
            (Watched::Group(group), members)
        };
        let terms = if config.policy.validate_at_server {
            let terms = Terms::of(message)?;
            Reader { interval_min: config.policy.min_interval, members }.read(&terms)?;
            terms
        } else {
            Terms::of(message).unwrap_or_else(|_| Terms::new("", &[]))
        };
        if self.state.policies.values().map(Vec::len).sum::<usize>() >= quota(config.sp.max_policies) {
            return Err(Code::WINDOW_OVERFLOW);
        }
        let set = PolicyTerms { policy: name.clone(), watched, terms, duration };
        Ok(Accepted { what: Operation::PolicySet(set), group: None, policy: Some(name) })
    }

    /// Registers the dialogue, and what it sets or releases.
    fn register(&mut self, message: &Message, id: &dpe3::MessageId, client: &ClientId, accepted: &Accepted) {
        let state = &mut self.state;
        match &accepted.what {
            Operation::GroupSet(name, members) => {
                let group = Group { client: client.clone(), members: members.clone(), life: Life::Pending };
                state.groups.entry(name.clone()).or_default().push(group);
            }
            Operation::GroupRelease(name) => {
                if let Some(group) = state.group_mut(name, client) {
                    group.life = Life::Releasing;
                }
            }
            Operation::PolicySet(set) => {
                let report = match set.watched {
                    Watched::Property(_) => Kind::PropertyReport,
                    Watched::Group(_) => Kind::GroupReport,
                };
                let policy = Policy { client: client.clone(), report, message: id.clone(), life: Life::Pending };
                state.policies.entry(set.policy.clone()).or_default().push(policy);
                state.expired.remove(&set.policy);
            }
            Operation::PolicyRelease(name) => {
                if let Some(policy) = state.policy_mut(name, client) {
                    policy.life = Life::Releasing;
                }
            }
            Operation::Refused(_) | Operation::Query(_) | Operation::GroupQuery(_) => {}
        }
        // A refused request says its own names in the answer, whatever they are worth.
        let said_group = message.group_id.get().cloned().and_then(|token| token.try_into().ok());
        let said_policy = message.policy_id.get().cloned().and_then(|token| token.try_into().ok());
        let dialogue = Dialogue {
            client: client.clone(),
            kind: message.kind,
            group: accepted.group.clone().or(said_group),
            policy: accepted.policy.clone().or(said_policy),
            course: Course::Open,
            settles: !matches!(accepted.what, Operation::Refused(_)),
        };
        self.state.dialogues.insert(id.clone(), dialogue);
    }

    fn is_star(&self, message: &Message) -> bool {
        self.config().dpe3.allow_star_release
            && match message.kind {
                Kind::GroupRelease => message.group_id.get().is_some_and(Token::is_all),
                Kind::PolicyRelease => message.policy_id.get().is_some_and(Token::is_all),
                _ => false,
            }
    }

    /// Releases each group or policy that the SP has on this client; the `*` itself goes no further.
    fn release_all(&mut self, message: &Message, id: &dpe3::MessageId, client: &ClientId, step: &mut Step<'_>) {
        let mut releases = Vec::new();
        if message.kind == Kind::GroupRelease {
            for (name, groups) in &mut self.state.groups {
                for group in groups.iter_mut().filter(|group| group.client == *client && group.life == Life::Active) {
                    group.life = Life::Releasing;
                    releases.push(Operation::GroupRelease(name.clone()));
                }
            }
        } else {
            for (name, policies) in &mut self.state.policies {
                for policy in
                    policies.iter_mut().filter(|policy| policy.client == *client && policy.life == Life::Active)
                {
                    policy.life = Life::Releasing;
                    releases.push(Operation::PolicyRelease(name.clone()));
                }
            }
        }
        if releases.is_empty() {
            // Nothing to release is success, if the client is there.
            releases.push(Operation::Refused(Code::OK));
        }
        let course = Course::Many { left: releases.len(), worst: Code::OK };
        let dialogue =
            Dialogue { client: client.clone(), kind: message.kind, group: None, policy: None, course, settles: true };
        self.state.dialogues.insert(id.clone(), dialogue);
        for what in releases {
            let (sp, kind) = (self.profile.sp.id.clone(), message.kind);
            let ask = Ask { sp, message: id.clone(), kind, what };
            step.out.push(Output::Device(client.clone(), ToDevice::Ask(ask)));
        }
    }

    /// A Client ID query: the store is asked, if the SP may ask by such a key at all.
    fn look_up(&mut self, message: &Message, id: dpe3::MessageId, step: &mut Step<'_>) {
        let is_allowed = |key: &&Identity| self.profile.sp.query_key_schemes.contains(&key.scheme);
        let key = message.query_key.get().filter(is_allowed).cloned();
        let Some((key, parsed)) = key.and_then(|key| Key::try_from(&key).ok().map(|parsed| (key, parsed))) else {
            return self.respond(&id, Vec::new(), step);
        };
        self.state.asked = self.state.asked.saturating_add(1);
        let question = Find { id: QuestionId(self.state.asked), key: parsed };
        step.out.push(Output::Ask(question.clone()));
        self.state.asking = Some(Lookup { question, key, message: id });
    }

    /// The store has answered: the Client-IDs are disclosed, and their devices hear of it.
    pub(super) fn found(&mut self, clients: Vec<ClientId>, step: &mut Step<'_>) {
        let Some(lookup) = self.state.asking.take() else { return };
        for client in &clients {
            let has_room = self.state.disclosed.len() < self.config().state.disclosed_max;
            if matches!(lookup.question.key, Key::User(_)) && has_room {
                self.state.disclosed.insert(client.clone(), lookup.key.clone());
            }
            step.out.push(Output::Device(client.clone(), ToDevice::Disclosed(self.profile.sp.id.clone())));
        }
        self.respond(&lookup.message, clients, step);
    }

    fn respond(&self, id: &dpe3::MessageId, clients: Vec<ClientId>, step: &mut Step<'_>) {
        let mut response = Message::new(Kind::ClientIdResponse);
        response.message_id = Ie::Is(id.into());
        response.sp_id = Ie::Is((&self.profile.sp.id).into());
        response.clients = Ie::Is(clients.into_iter().map(Token::from).collect());
        response.status = Ie::Is(Code::OK);
        step.out.push(Output::Report(Report::Answered(Kind::ClientIdQuery, Code::OK)));
        self.send(&response, Some(id.clone()), true, step);
    }

    /// A number for a message of the server's own.
    pub(super) fn report_id(&mut self) -> Option<Token> {
        self.state.reports = self.state.reports.saturating_add(1);
        self.state.reports.saturating_add(500_000).to_string().try_into().ok()
    }

    /// What a user is called towards this SP: by the key that it asked by, else by a pseudonym of its own.
    pub(super) fn user(&self, tag: &crate::server::link::UserTag, clients: [&Option<ClientId>; 2]) -> Identity {
        let known = clients.into_iter().flatten().find_map(|client| self.state.disclosed.get(client));
        let sp: &SpId = &self.profile.sp.id;
        known.cloned().unwrap_or_else(|| Identity::new("generic", &tag.pseudonym(sp)))
    }
}

fn quota(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A bag of one, or of none.
pub(super) fn bag<T>(item: Option<T>) -> Ie<Vec<T>> {
    Ie::Is(item.map_or_else(Vec::new, |item| vec![item]))
}
