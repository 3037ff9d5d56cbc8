//! P04 to P07, P33 and P34: what an answer says of properties.

use std::collections::{BTreeMap, BTreeSet};

use core_kit::Tick;
use dpe_core::{
    config::Config,
    ids::{ClientId, SpId},
    property::read_result,
    wire::{Kind, Message, PropertyName, ValueType},
};

use super::{Doubt, Key, Post, Request, client_of, doubt::excused, text};
use crate::{Ledger, Rule, RuleId};

/// P04. Our server merges nothing: what it promises is that each answer has its own request's properties, all of them.
pub const SUBSET: Rule = Rule {
    id: RuleId("P04"),
    says: "an answer has the properties of its own request or group, each once, and no others",
};
/// P05.
pub const PERMITTED: Rule = Rule {
    id: RuleId("P05"),
    says: "no SP gets a value of a property that SPs may not see, or that the vocabulary lacks",
};
/// P06. A value has no age on DPE-3: judged is that none is given that is older than the cache may keep it.
pub const FRESH: Rule =
    Rule { id: RuleId("P06"), says: "a value from the cache came from its client within the time that it is fresh" };
/// P07. Reports may overtake each other, which is why they are numbered: judged are answers to queries.
pub const FORWARDS: Rule =
    Rule { id: RuleId("P07"), says: "an SP that asks a client again never gets an older value than before" };
/// P33. The vocabulary has no types: judged is that every result is whole, and that a value is of the type that it says.
pub const TYPED: Rule = Rule {
    id: RuleId("P33"),
    says: "a result has a value of its type or a status that says why not, whatever the client sent",
};
/// P34. A device generation is a Client-ID.
pub const STATIC: Rule =
    Rule { id: RuleId("P34"), says: "what never changes on a device does not change under its Client-ID" };

/// Properties that never change on a device, and one that only grows.
const UNCHANGING: [&str; 2] = ["OSName", "operatorName"];
const GROWING: &str = "volumeLevel";
/// How far apart sending and taking may be, and the clocks of two nodes that drift.
const STEP_MS: u64 = 2_000;
const DRIFT_MS: u64 = 120_000;

pub(super) struct Values {
    config: Config,
    asked: BTreeMap<Key, BTreeSet<PropertyName>>,
    /// Members of groups: as they are asked for, and once they are acknowledged.
    wanted: BTreeMap<Key, (String, BTreeSet<PropertyName>)>,
    groups: BTreeMap<(SpId, String), BTreeSet<PropertyName>>,
    /// When each value last came from its client.
    came: BTreeMap<(ClientId, PropertyName), Tick>,
    grown: BTreeMap<(SpId, ClientId), i64>,
    fixed: BTreeMap<(ClientId, PropertyName), String>,
    slack: u64,
}

impl Values {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            asked: BTreeMap::new(),
            wanted: BTreeMap::new(),
            groups: BTreeMap::new(),
            came: BTreeMap::new(),
            grown: BTreeMap::new(),
            fixed: BTreeMap::new(),
            slack: STEP_MS,
        }
    }

    /// A clock drifts.
    pub(super) const fn drifts(&mut self) {
        self.slack = DRIFT_MS;
    }

    pub(super) fn took(&mut self, sp: &SpId, request: &Request) {
        let names: BTreeSet<PropertyName> =
            request.message.property_names.iter().filter_map(|name| name.get().cloned()).collect();
        let key = (sp.clone(), request.id.clone());
        match request.message.kind {
            Kind::PropertyQuery => _ = self.asked.insert(key, names),
            Kind::GroupSet => _ = self.wanted.insert(key, (text(&request.message.group_id), names)),
            _ => {}
        }
    }

    /// A message of a client has reached the server.
    pub(super) fn arrived(&mut self, at: Tick, message: &Message) {
        let Some(client) = client_of(message) else { return };
        for name in message.results.iter().filter_map(|result| result.name.get()) {
            self.came.insert((client.clone(), name.clone()), at);
        }
    }

    /// `at` is the earlier one of the time and of that of the step.
    pub(super) fn posted(&mut self, at: Tick, post: &Post<'_>, doubt: &Doubt, ledger: &mut Ledger) {
        let group = (post.sp.clone(), text(&post.message.group_id));
        if post.message.kind == Kind::GroupSetAck
            && post.is_ok()
            && let Some((name, members)) = self.wanted.remove(&post.key())
        {
            self.groups.insert((post.sp.clone(), name), members);
        }
        if post.message.results.is_empty() {
            return;
        }
        let names: BTreeSet<PropertyName> =
            post.message.results.iter().filter_map(|result| result.name.get().cloned()).collect();
        let expected = match post.message.kind {
            Kind::PropertyResult => self.asked.get(&post.key()),
            Kind::GroupResult => self.groups.get(&group),
            _ => None,
        };
        if let Some(expected) = expected {
            let is_own = names == *expected && names.len() == post.message.results.len();
            ledger.judge(SUBSET, is_own, || format!("{} {} has {names:?}, not {expected:?}", post.sp, post.id));
        }
        let client = client_of(post.message);
        let is_doubted = client.as_ref().is_some_and(|client| doubt.is_under(client));
        for result in &post.message.results {
            let reading = read_result(result);
            let is_whole = reading.as_ref().is_ok_and(|reading| {
                reading.status.is_ok() != reading.values.is_empty()
                    && reading.values.iter().all(|value| is_typed(value.kind, &value.text))
            });
            ledger.judge(TYPED, is_whole, || format!("{} {} has {:?}", post.sp, post.id, result.status));
            let Ok(reading) = reading else { continue };
            let Some(value) = reading.values.first() else { continue };
            let vocabulary = &self.config.vocabulary;
            let is_permitted =
                vocabulary.names.contains(&reading.name) && !vocabulary.denied_to_sp.contains(&reading.name);
            ledger.judge(PERMITTED, is_permitted, || format!("{} gets {}", post.sp, reading.name.as_str()));
            let Some(client) = &client else { continue };
            let is_spoilt = |text: &str| is_doubted || doubt.is_damaged(client, &reading.name, text);
            if post.is_answer() && self.config.cache.semi_dynamic.contains(&reading.name) {
                let came = self.came.get(&(client.clone(), reading.name.clone()));
                let most = self.config.cache.ttl_of(&reading.name).0 + self.slack;
                let is_fresh = came.is_some_and(|came| at.0.saturating_sub(came.0) <= most);
                ledger.judge(FRESH, is_fresh, || format!("{} of {client} came at {came:?}", reading.name.as_str()));
            }
            if post.is_answer()
                && reading.name.as_str() == GROWING
                && let Ok(count) = value.text.parse()
            {
                let before = self.grown.insert((post.sp.clone(), client.clone()), count);
                if let Some(before) = before {
                    let is_older = count < before;
                    let is_excused = is_spoilt(&before.to_string()) || is_spoilt(&value.text);
                    let is_good = !is_older || excused("excused-P07", is_older, is_excused, ledger);
                    ledger.judge(FORWARDS, is_good, || format!("{} gets {count} after {before}", post.sp));
                }
            }
            if UNCHANGING.contains(&reading.name.as_str()) {
                let key = (client.clone(), reading.name.clone());
                if let Some(before) = self.fixed.insert(key, value.text.clone()) {
                    let is_other = before != value.text;
                    let is_excused = is_spoilt(&before) || is_spoilt(&value.text);
                    let is_good = !is_other || excused("excused-P34", is_other, is_excused, ledger);
                    ledger.judge(STATIC, is_good, || format!("{} changes", reading.name.as_str()));
                }
            }
        }
    }
}

fn is_typed(kind: ValueType, text: &str) -> bool {
    match kind {
        ValueType::Integer => text.parse::<i64>().is_ok(),
        ValueType::Boolean => matches!(text, "true" | "false"),
        _ => true,
    }
}
