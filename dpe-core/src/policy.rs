//! Policies: what an SP asks to be told of, and when it is time to tell [DPE digest 10.2]. All of it is pure.

use alloc::{
    borrow::ToOwned,
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};

use core_kit::{Millis, Tick};
use serde::{Deserialize, Serialize};

use crate::{
    codes::Code,
    property::{Decimal, Reading},
    wire::{Ie, Message, Parameter, PropertyName, Value},
};

/// The type and the parameters of a policy as they are written. A [`Rule`] is what they mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// `Policy-Type`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `Policy-Parameter`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
}

impl Terms {
    /// The terms of a message, unread.
    ///
    /// # Errors
    /// 29 without a type, 30 for one that cannot be read.
    pub fn of(message: &Message) -> Result<Self, Code> {
        let kind = message.policy_type.need(Code::POLICY_TYPE_MISSING, Code::POLICY_TYPE_UNKNOWN)?;
        Ok(Self { kind: kind.clone(), parameters: message.parameters.clone() })
    }

    /// Terms of this type with these parameters.
    #[must_use]
    pub fn new(kind: &str, parameters: &[(&str, &str)]) -> Self {
        let parameter =
            |(name, value): &(&str, &str)| Parameter { name: (*name).to_owned(), value: (*value).to_owned() };
        Self { kind: kind.to_owned(), parameters: parameters.iter().map(parameter).collect() }
    }

    /// Writes the terms into a message.
    pub fn write(&self, to: &mut Message) {
        to.policy_type = Ie::Is(self.kind.clone());
        to.parameters.clone_from(&self.parameters);
    }
}

/// What a policy watches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Watched<Group> {
    /// One property.
    Property(PropertyName),
    /// A group of them.
    Group(Group),
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
}

/// When a report is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Every interval, first one interval after set-up.
    Periodic {
        /// The interval.
        interval: Millis,
    },
    /// When a value differs from the one reported last.
    OnChange {
        /// By at least so much, where it is a number.
        min_delta: Option<Decimal>,
        /// Not more often than this.
        min_interval: Option<Millis>,
    },
    /// When a comparison becomes true.
    Threshold {
        /// How.
        operator: Operator,
        /// With what.
        value: String,
        /// How far beyond the comparison must be false before it counts again.
        hysteresis: Option<Decimal>,
        /// Not more often than this.
        min_interval: Option<Millis>,
        /// Which member of a group is compared.
        property: Option<PropertyName>,
    },
}

/// Which members of a group a report carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All of them.
    All,
    /// Those that changed.
    Changed,
}

/// What terms mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// When a report is due.
    pub trigger: Trigger,
    /// Whether one is due right after set-up.
    pub initial: bool,
    /// What a report of a group carries.
    pub scope: Scope,
}

/// What the terms of a policy are read against.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// `policy.min_interval`: shorter intervals are refused.
    pub interval_min: Millis,
    /// The members, for a policy on a group.
    pub members: Option<&'a [PropertyName]>,
}

impl Reader<'_> {
    /// Reads the terms. Faults are found in the order type, missing parameters, unknown or unusable ones.
    ///
    /// # Errors
    /// 30 for an unknown type, 31 for a mandatory parameter that is absent, 32 for one that is unknown or unusable.
    pub fn read(&self, terms: &Terms) -> Result<Rule, Code> {
        let (mandatory, optional): (&[&str], &[&str]) = match terms.kind.as_str() {
            "Periodic" => (&["interval"], &[]),
            "OnChange" => (&[], &["min-delta", "min-interval"]),
            "Threshold" if self.members.is_some() => {
                (&["operator", "value", "property"], &["hysteresis", "min-interval"])
            }
            "Threshold" => (&["operator", "value"], &["hysteresis", "min-interval"]),
            _ => return Err(Code::POLICY_TYPE_UNKNOWN),
        };
        let common: &[&str] = if self.members.is_some() { &["report-initial", "scope"] } else { &["report-initial"] };
        let named = |name: &str| terms.parameters.iter().find(|parameter| parameter.name == name);
        if mandatory.iter().any(|name| named(name).is_none()) {
            return Err(Code::PARAMETER_MISSING);
        }
        for (at, parameter) in terms.parameters.iter().enumerate() {
            let name = parameter.name.as_str();
            let is_known = mandatory.contains(&name) || optional.contains(&name) || common.contains(&name);
            if !is_known || terms.parameters.iter().skip(at + 1).any(|other| other.name == name) {
                return Err(Code::PARAMETER_UNKNOWN);
            }
        }
        let value = |name: &str| named(name).map(|parameter| parameter.value.as_str());
        self.trigger(&terms.kind, value)
            .and_then(|trigger| {
                let initial = match value("report-initial") {
                    None | Some("false") => false,
                    Some("true") => true,
                    Some(_) => return None,
                };
                let scope = match value("scope") {
                    None | Some("all") => Scope::All,
                    Some("changed") => Scope::Changed,
                    Some(_) => return None,
                };
                Some(Rule { trigger, initial, scope })
            })
            .ok_or(Code::PARAMETER_UNKNOWN)
    }

    fn trigger<'t>(&self, kind: &str, value: impl Fn(&str) -> Option<&'t str>) -> Option<Trigger> {
        // Nothing for an absent parameter, an error for an unusable one.
        let interval = |name: &str| value(name).map(|text| self.interval(text).ok_or(())).transpose();
        let decimal = |name: &str| {
            let read = |text| Decimal::parse(text).filter(|number| !number.is_negative()).ok_or(());
            value(name).map(read).transpose()
        };
        match kind {
            "Periodic" => Some(Trigger::Periodic { interval: self.interval(value("interval")?)? }),
            "OnChange" => Some(Trigger::OnChange {
                min_delta: decimal("min-delta").ok()?,
                min_interval: interval("min-interval").ok()?,
            }),
            _ => {
                let operator = match value("operator")? {
                    "lt" => Operator::Lt,
                    "le" => Operator::Le,
                    "gt" => Operator::Gt,
                    "ge" => Operator::Ge,
                    "eq" => Operator::Eq,
                    "ne" => Operator::Ne,
                    _ => return None,
                };
                let property = match value("property") {
                    Some(name) => Some(PropertyName::try_from(name).ok()?),
                    None => None,
                };
                let is_member = |name: &PropertyName| self.members.is_none_or(|members| members.contains(name));
                if property.as_ref().is_some_and(|name| !is_member(name)) {
                    return None;
                }
                let bound = value("value")?.to_owned();
                let is_order = !matches!(operator, Operator::Eq | Operator::Ne);
                if bound.is_empty() || (is_order && Decimal::parse(&bound).is_none()) {
                    return None;
                }
                Some(Trigger::Threshold {
                    operator,
                    value: bound,
                    hysteresis: decimal("hysteresis").ok()?,
                    min_interval: interval("min-interval").ok()?,
                    property,
                })
            }
        }
    }

    fn interval(&self, text: &str) -> Option<Millis> {
        let is_number = !text.is_empty() && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
        let interval = is_number.then(|| text.parse().ok()).flatten().map(Millis::from_secs)?;
        (interval >= self.interval_min).then_some(interval)
    }
}

/// What a client remembers of a policy between samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// The values that were reported last, or seen first.
    reported: BTreeMap<PropertyName, Vec<Value>>,
    /// When a report was made last.
    at: Option<Tick>,
    /// When the next report is due: of an interval, or of a change that was held back.
    due: Option<Tick>,
    /// Members whose change was held back.
    held: Vec<PropertyName>,
    /// Whether the comparison of a threshold is true, so that it does not count again.
    crossed: bool,
}

/// A report is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The members that it is about; empty stands for all.
    pub changed: Vec<PropertyName>,
}

impl Watch {
    /// Begins to watch; says whether a report is due at once.
    #[must_use]
    pub fn begin(rule: &Rule, now: Tick) -> (Self, Option<Due>) {
        let due = match rule.trigger {
            Trigger::Periodic { interval } => Some(now + interval),
            _ => None,
        };
        (Self { due, ..Self::default() }, rule.initial.then(|| Due { changed: Vec::new() }))
    }

    /// When to call [`wake`](Self::wake) at the latest.
    #[must_use]
    pub const fn due(&self) -> Option<Tick> {
        self.due
    }

    /// The time that was waited for may have come.
    pub fn wake(&mut self, rule: &Rule, now: Tick) -> Option<Due> {
        let due = self.due.filter(|due| *due <= now)?;
        self.due = match rule.trigger {
            // From the time it was due, so that intervals do not drift; intervals that were slept through are lost.
            Trigger::Periodic { interval } => {
                let next = due + interval;
                Some(if next <= now { now + interval } else { next })
            }
            _ => None,
        };
        Some(Due { changed: core::mem::take(&mut self.held) })
    }

    /// A property was seen.
    pub fn observe(&mut self, rule: &Rule, now: Tick, reading: &Reading) -> Option<Due> {
        if !reading.status.is_ok() {
            return None;
        }
        let (is_met, min_interval) = match &rule.trigger {
            Trigger::Periodic { .. } => return None,
            Trigger::OnChange { min_delta, min_interval } => {
                let Some(last) = self.reported.get(&reading.name) else {
                    // The first value is what later ones are compared with.
                    self.reported.insert(reading.name.clone(), reading.values.clone());
                    return None;
                };
                (differs(last, &reading.values, *min_delta), *min_interval)
            }
            Trigger::Threshold { operator, value, hysteresis, min_interval, property } => {
                if property.as_ref().is_some_and(|name| *name != reading.name) {
                    return None;
                }
                let now_met = reading.values.first().is_some_and(|read| compare(*operator, &read.text, value));
                let was = self.crossed;
                if now_met {
                    self.crossed = true;
                } else if reading.values.first().is_some_and(|read| rearms(*operator, &read.text, value, *hysteresis)) {
                    self.crossed = false;
                }
                (now_met && (!was || core_kit::planted!("P23-every-sample")), *min_interval)
            }
        };
        if !is_met {
            return None;
        }
        let free = self.at.zip(min_interval).map(|(at, interval)| at + interval);
        if let Some(free) = free.filter(|free| *free > now)
            && !core_kit::planted!("P27-too-often")
        {
            self.due = Some(free);
            if !self.held.contains(&reading.name) {
                self.held.push(reading.name.clone());
            }
            return None;
        }
        Some(Due { changed: [reading.name.clone()].into() })
    }

    /// A report with these readings leaves.
    pub fn reported(&mut self, rule: &Rule, now: Tick, readings: &[Reading]) {
        self.at = Some(now);
        if !matches!(rule.trigger, Trigger::Periodic { .. }) {
            for reading in readings.iter().filter(|reading| reading.status.is_ok()) {
                self.reported.insert(reading.name.clone(), reading.values.clone());
            }
        }
    }
}

fn number(values: &[Value]) -> Option<Decimal> {
    match values {
        [value] => Decimal::parse(&value.text),
        _ => None,
    }
}

fn differs(last: &[Value], now: &[Value], min_delta: Option<Decimal>) -> bool {
    match (min_delta, number(last), number(now)) {
        (Some(delta), Some(last), Some(now)) => last != now && last.distance(now) >= delta,
        _ => last != now,
    }
}

fn compare(operator: Operator, read: &str, bound: &str) -> bool {
    let numbers = Decimal::parse(read).zip(Decimal::parse(bound));
    match (operator, numbers) {
        (Operator::Eq, Some((read, bound))) => read == bound,
        (Operator::Ne, Some((read, bound))) => read != bound,
        (Operator::Eq, None) => read == bound,
        (Operator::Ne, None) => read != bound,
        (Operator::Lt, Some((read, bound))) => read < bound,
        (Operator::Le, Some((read, bound))) => read <= bound,
        (Operator::Gt, Some((read, bound))) => read > bound,
        (Operator::Ge, Some((read, bound))) => read >= bound,
        (_, None) => false,
    }
}

/// Whether a value for which the comparison is false lies far enough from the bound.
fn rearms(operator: Operator, read: &str, bound: &str, hysteresis: Option<Decimal>) -> bool {
    let (Some(margin), Some((read, bound))) = (hysteresis, Decimal::parse(read).zip(Decimal::parse(bound))) else {
        return true;
    };
    match operator {
        Operator::Lt | Operator::Le => read >= bound.plus(margin),
        Operator::Gt | Operator::Ge => read <= bound.minus(margin),
        Operator::Eq => read.distance(bound) >= margin,
        Operator::Ne => true,
    }
}

/// A parameter of a whole number of seconds.
#[must_use]
pub fn seconds(name: &str, seconds: u32) -> Parameter {
    Parameter { name: name.to_owned(), value: seconds.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> PropertyName {
        PropertyName::try_from(text).unwrap()
    }

    fn read(kind: &str, parameters: &[(&str, &str)]) -> Result<Rule, Code> {
        Reader { interval_min: Millis::from_secs(5), members: None }.read(&Terms::new(kind, parameters))
    }

    fn at(seconds: u64) -> Tick {
        Tick(seconds * 1000)
    }

    fn level(number: i64) -> Reading {
        Reading::of(name("level"), Value::integer(number))
    }

    /// The seconds at which a rule fires for these values, one a second.
    fn fires(rule: &Rule, values: &[i64]) -> Vec<u64> {
        let (mut watch, _) = Watch::begin(rule, at(0));
        let mut fired = Vec::new();
        for (second, value) in (1..).zip(values) {
            let mut due = watch.wake(rule, at(second));
            due = watch.observe(rule, at(second), &level(*value)).or(due);
            if due.is_some() {
                watch.reported(rule, at(second), &[level(*value)]);
                fired.push(second);
            }
        }
        fired
    }

    #[test]
    fn terms_are_judged_in_the_order_of_the_codes() {
        for (kind, parameters, code) in [
            ("Daily", &[][..], Code::POLICY_TYPE_UNKNOWN),
            ("periodic", &[("interval", "60")], Code::POLICY_TYPE_UNKNOWN),
            ("Periodic", &[("x", "1")], Code::PARAMETER_MISSING),
            ("Periodic", &[("interval", "60"), ("x", "1")], Code::PARAMETER_UNKNOWN),
            ("Periodic", &[("interval", "60"), ("interval", "60")], Code::PARAMETER_UNKNOWN),
            ("Periodic", &[("interval", "4")], Code::PARAMETER_UNKNOWN),
            ("Periodic", &[("interval", "-60")], Code::PARAMETER_UNKNOWN),
            ("Periodic", &[("interval", "60"), ("scope", "all")], Code::PARAMETER_UNKNOWN),
            ("Periodic", &[("interval", "60"), ("report-initial", "yes")], Code::PARAMETER_UNKNOWN),
            ("OnChange", &[("min-delta", "-1")], Code::PARAMETER_UNKNOWN),
            ("OnChange", &[("min-interval", "x")], Code::PARAMETER_UNKNOWN),
            ("Threshold", &[("operator", "lt")], Code::PARAMETER_MISSING),
            ("Threshold", &[("operator", "<"), ("value", "1")], Code::PARAMETER_UNKNOWN),
            ("Threshold", &[("operator", "lt"), ("value", "one")], Code::PARAMETER_UNKNOWN),
        ] {
            assert_eq!(read(kind, parameters), Err(code), "{kind} {parameters:?}");
        }
        assert!(read("Threshold", &[("operator", "eq"), ("value", "portrait"), ("report-initial", "true")]).is_ok());
    }

    #[test]
    fn a_threshold_on_a_group_names_a_member() {
        let members = [name("a")];
        let reader = Reader { interval_min: Millis(0), members: Some(&members) };
        let read = |property| {
            let mut terms = Terms::new("Threshold", &[("operator", "lt"), ("value", "1"), ("scope", "changed")]);
            if let Some(property) = property {
                terms.parameters.push(Parameter { name: "property".into(), value: String::from(property) });
            }
            reader.read(&terms).map(|rule| rule.scope)
        };
        assert_eq!(read(None), Err(Code::PARAMETER_MISSING));
        assert_eq!(read(Some("b")), Err(Code::PARAMETER_UNKNOWN));
        assert_eq!(read(Some("a")), Ok(Scope::Changed));
    }

    #[test]
    fn a_periodic_policy_fires_each_interval_and_does_not_catch_up() {
        let rule = read("Periodic", &[("interval", "5"), ("report-initial", "true")]).unwrap();
        assert!(Watch::begin(&rule, at(0)).1.is_some());
        assert_eq!(fires(&rule, &[0; 16]), [5, 10, 15]);
        let (mut watch, _) = Watch::begin(&rule, at(0));
        assert!(watch.wake(&rule, at(17)).is_some());
        assert_eq!(watch.due(), Some(at(22)));
    }

    #[test]
    fn a_change_fires_when_it_is_large_enough() {
        let any = read("OnChange", &[]).unwrap();
        assert_eq!(fires(&any, &[1, 1, 2, 2, 1]), [3, 5]);
        let by_five = read("OnChange", &[("min-delta", "5")]).unwrap();
        assert_eq!(fires(&by_five, &[10, 12, 14, 15, 19, 10]), [4, 6]);
    }

    #[test]
    fn a_change_that_comes_too_soon_is_told_when_the_interval_is_over() {
        let rule = read("OnChange", &[("min-interval", "5")]).unwrap();
        assert_eq!(fires(&rule, &[1, 2, 3, 4, 4, 4, 4, 4, 4]), [2, 7]);
    }

    #[test]
    fn a_threshold_fires_once_and_again_only_beyond_its_hysteresis() {
        let plain = read("Threshold", &[("operator", "lt"), ("value", "20")]).unwrap();
        assert_eq!(fires(&plain, &[25, 19, 18, 20, 19]), [2, 5]);
        let wide = read("Threshold", &[("operator", "lt"), ("value", "20"), ("hysteresis", "5")]).unwrap();
        assert_eq!(fires(&wide, &[25, 19, 22, 19, 25, 19]), [2, 6]);
        let above = read("Threshold", &[("operator", "ge"), ("value", "20"), ("hysteresis", "2")]).unwrap();
        assert_eq!(fires(&above, &[20, 19, 20, 18, 20]), [1, 5]);
    }
}
