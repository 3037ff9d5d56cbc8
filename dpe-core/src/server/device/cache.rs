//! What is answered without asking the client [DPE digest 3.8].

use alloc::vec::Vec;

use core_kit::Tick;

use super::{
    Device,
    state::{Cached, Op},
};
use crate::{codes::Code, config::CacheMode, property::Reading, wire::PropertyName};

impl Device {
    /// Keeps what may be kept.
    pub(super) fn remember(&mut self, readings: &[Reading], now: Tick) {
        let config = &self.profile.config().cache;
        for reading in readings {
            let is_kept = match config.mode {
                CacheMode::Off => false,
                CacheMode::SemiDynamic => config.semi_dynamic.contains(&reading.name),
                CacheMode::StaticProfile => true,
            };
            let is_kept = is_kept || core_kit::planted!("P07-age-renewed");
            let is_fact = reading.status.is_ok() || reading.status == Code::NOT_SUPPORTED;
            let has_room = self.state.cache.len() < self.profile.config().state.cached_max
                || self.state.cache.contains_key(&reading.name);
            if is_kept && is_fact && has_room {
                let mut reading = reading.clone();
                if core_kit::planted!("P07-age-renewed")
                    && let Some(known) = self.state.cache.get(&reading.name)
                {
                    reading = known.reading.clone();
                }
                if core_kit::planted!("P34-cached-cut") {
                    reading.values.iter_mut().for_each(|value| value.text.truncate(8));
                }
                self.state.cache.insert(reading.name.clone(), Cached { reading, at: now });
            }
        }
    }

    /// A fresh reading of this name.
    fn cached(&self, name: &PropertyName, now: Tick) -> Option<&Reading> {
        let config = &self.profile.config().cache;
        let cached = self.state.cache.get(name)?;
        let is_fresh = match config.mode {
            CacheMode::Off => false,
            CacheMode::SemiDynamic => cached.at + config.ttl_of(name) > now || core_kit::planted!("P06-never-stale"),
            CacheMode::StaticProfile => true,
        };
        is_fresh.then_some(&cached.reading)
    }

    /// What the request asks for; nothing if it is no query.
    pub(super) fn names_of(&self, op: &Op) -> Option<Vec<PropertyName>> {
        match op {
            Op::Query { names, .. } => Some(names.clone()),
            Op::GroupQuery { group, .. } => self.state.groups.get(group).map(|group| group.members.clone()),
            _ => None,
        }
    }

    /// The whole answer to a query, where the client need not be asked.
    pub(super) fn answered_by_cache(&self, op: &Op, now: Tick) -> Option<Vec<Reading>> {
        let names = self.names_of(op)?;
        // The server itself asks in order to fill the cache.
        let fills = matches!(op, Op::Query { from: None, .. });
        if self.profile.config().cache.mode == CacheMode::StaticProfile && !fills {
            if self.is_filling() {
                return None;
            }
            let unknown = |name: &PropertyName| Reading::without(name.clone(), Code::NOT_SUPPORTED);
            return Some(
                names.iter().map(|name| self.cached(name, now).cloned().unwrap_or_else(|| unknown(name))).collect(),
            );
        }
        if fills && self.state.is_active() {
            return None;
        }
        names.iter().map(|name| self.cached(name, now).cloned()).collect()
    }

    /// Whether the static profile is being read, or about to be.
    fn is_filling(&self) -> bool {
        let is_fill = |op: &Op| matches!(op, Op::Query { from: None, .. });
        self.state.sync.is_some()
            || self.state.urgent.iter().any(is_fill)
            || self.state.outstanding.as_ref().is_some_and(|out| is_fill(&out.op))
    }

    /// What the client is asked for a query: of properties those that are not fresh, of a group all.
    pub(super) fn names_to_ask(&self, op: &Op, now: Tick) -> Vec<PropertyName> {
        let names = self.names_of(op).unwrap_or_default();
        match op {
            Op::Query { from: Some(_), .. } => {
                names.into_iter().filter(|name| self.cached(name, now).is_none()).collect()
            }
            _ => names,
        }
    }

    /// What the client answered, and what it was not asked because it was known.
    pub(super) fn completed(&self, op: &Op, asked: &[PropertyName], readings: &[Reading], now: Tick) -> Vec<Reading> {
        let names = self.names_of(op).unwrap_or_default();
        let find = |name: &PropertyName| {
            let read = readings.iter().find(|reading| reading.name == *name);
            let known = if asked.contains(name) { None } else { self.cached(name, now) };
            read.or(known).cloned().unwrap_or_else(|| Reading::without(name.clone(), Code::RESULT_MISSING))
        };
        names.iter().map(find).collect()
    }

    /// What the cache has for a client that is silent, whatever its age; nothing where that is not wanted.
    pub(super) fn served_when_unreachable(&self, op: &Op, code: Code) -> Option<Vec<Reading>> {
        if code != Code::NOT_RESPONDING || !self.profile.config().cache.serve_when_unreachable {
            return None;
        }
        let names = self.names_of(op)?;
        if !names.iter().any(|name| self.state.cache.contains_key(name)) {
            return None;
        }
        let find = |name: &PropertyName| match self.state.cache.get(name) {
            Some(cached) => cached.reading.clone(),
            None => Reading::without(name.clone(), Code::RESULT_MISSING),
        };
        Some(names.iter().map(find).collect())
    }
}
