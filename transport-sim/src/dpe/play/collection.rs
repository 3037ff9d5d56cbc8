//! Plays that any network must give the same outcome to.

use core_kit::Millis;
use dpe_core::{
    config::{ClientConfig, Config},
    ids::SpId,
    policy::{Terms, Watched},
    sp::{self, What as Wants},
    wire::{Identity, PropertyName},
};

use super::{Act, Play, Player, Provider, Sign, Whose};
use crate::{Mishap, What};

const ME: Whose = Whose::Of(0);
/// Longer than anything takes in a play.
const LONG: u32 = 3_600;
/// How soon both ends send again where messages get lost.
const HASTY: Millis = Millis(1_500);

impl Play {
    /// All plays of this collection.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut plays = queries();
        plays.extend(policies());
        plays.extend(lives());
        let polled: Vec<Self> = plays.iter().filter_map(Self::polled).collect();
        plays.extend(polled);
        plays.extend(refused());
        plays.extend(disturbed());
        plays
    }

    /// A play of an SP and a device in which these acts follow the device's registration, and nothing goes wrong.
    fn of(name: &'static str, says: &'static str, acts: Vec<Act>) -> Self {
        let mut config = Config::default();
        config.policy.min_interval = Millis::from_secs(1);
        config.http.poll_wait = Millis::from_secs(5);
        (config.sp.max_connections, config.dpe1.rate_per_ip) = (64, 1_000);
        let clients = ClientConfig { min_interval: Millis::from_secs(1), ..ClientConfig::default() };
        let mut all = registered(0);
        all.extend(acts);
        Self {
            name,
            says,
            config,
            clients,
            sps: providers(1),
            devices: vec![Player::new(1)],
            acts: all,
            mishaps: Vec::new(),
            is_polled: false,
        }
    }

    /// The same, asked for and not pushed, where it is one of those that show it.
    fn polled(&self) -> Option<Self> {
        let name = match self.name {
            "query" => "query-polled",
            "cache" => "cache-polled",
            "group" => "group-polled",
            "periodic" => "periodic-polled",
            "threshold" => "threshold-polled",
            "expiry" => "expiry-polled",
            "again" => "again-polled",
            "device-change" => "device-change-polled",
            _ => return None,
        };
        Some(Self { name, says: "the same, and both sides poll", is_polled: true, ..self.clone() })
    }

    fn among(mut self, devices: u32, sps: u32) -> Self {
        self.devices = (1..=devices).map(Player::new).collect();
        self.sps = providers(sps);
        self
    }

    /// The same with mishaps of the first device.
    fn with(mut self, nth: u32, what: What) -> Self {
        self.mishaps = vec![Mishap { device: 0, nth, what }];
        (self.clients.response_timeout, self.config.reg.ack_timeout) = (HASTY, HASTY);
        (self.config.dpe2.noreply_timeout, self.config.dpe2.ack_timeout) = (HASTY, HASTY);
        self
    }
}

impl Player {
    fn new(number: u32) -> Self {
        Self {
            name: format!("device-{number:02}.example"),
            identity: Identity::new("mac", &format!("02:5a:5a:5a:5a:{number:02x}")),
            user: Some(user(number)),
        }
    }
}

fn user(number: u32) -> Identity {
    Identity::new("msisdn", &format!("34600555{number:03}"))
}

fn providers(count: u32) -> Vec<Provider> {
    let id = |number: u32| SpId::try_from(format!("sp-{number}.example")).ok();
    let provider = |(n, id): (usize, SpId)| {
        let mut profile = sp::Profile::new(id);
        // What is refused with 38 is not asked again: when the window has passed is a matter of time.
        profile.retries = 0;
        Provider { profile, may_look_up: n == 0 }
    };
    (1..=count).filter_map(id).enumerate().map(provider).collect()
}

/// A device registers, for the first time.
fn registered(device: usize) -> Vec<Act> {
    vec![Act::Start(device), Act::Until(Sign::Client(device, 1))]
}

/// The first SP asks for these things, one after the other, of the first device; each is answered, and nothing else told.
fn asked(wants: Vec<Wants>) -> Vec<Act> {
    asked_of(ME, 0, wants)
}

/// The same of somebody else, when so much was told before.
fn asked_of(whose: Whose, before: usize, wants: Vec<Wants>) -> Vec<Act> {
    let one = |(n, what)| [Act::Ask(0, whose, what), Act::Until(Sign::Sp(0, n))];
    (before + 1..).zip(wants).flat_map(one).collect()
}

fn told(count: usize) -> Act {
    Act::Until(Sign::Sp(0, count))
}

fn name(text: &str) -> Vec<PropertyName> {
    text.split(' ').filter_map(|text| text.try_into().ok()).collect()
}

fn query(properties: &str) -> Wants {
    Wants::Query(name(properties))
}

/// The names are written down below and good ones, which a test shows.
fn group(id: &str, properties: &str) -> Vec<Wants> {
    id.try_into().map(|id| Wants::GroupSet(id, name(properties))).into_iter().collect()
}

fn group_query(id: &str) -> Vec<Wants> {
    id.try_into().map(Wants::GroupQuery).into_iter().collect()
}

fn group_release(id: &str) -> Vec<Wants> {
    id.try_into().map(Wants::GroupRelease).into_iter().collect()
}

fn policy(id: &str, on: &str, terms: Terms, seconds: u32) -> Vec<Wants> {
    let on = on.try_into().map(Watched::Property);
    let set = |(id, on)| Wants::PolicySet(id, on, terms, Some(seconds));
    id.try_into().ok().zip(on.ok()).map(set).into_iter().collect()
}

fn on_group(id: &str, group: &str, terms: Terms, seconds: u32) -> Vec<Wants> {
    let group = group.try_into().map(Watched::Group);
    let set = |(id, on)| Wants::PolicySet(id, on, terms, Some(seconds));
    id.try_into().ok().zip(group.ok()).map(set).into_iter().collect()
}

fn release(id: &str) -> Vec<Wants> {
    id.try_into().map(Wants::PolicyRelease).into_iter().collect()
}

fn periodic() -> Terms {
    Terms::new("Periodic", &[("interval", "1")])
}

fn low() -> Terms {
    Terms::new("Threshold", &[("operator", "lt"), ("value", "30"), ("hysteresis", "5")])
}

fn on_change() -> Terms {
    Terms::new("OnChange", &[("min-interval", "1"), ("report-initial", "true")])
}

fn queries() -> Vec<Play> {
    let all = vec![query("batteryLevel operatorName volumeLevel"), query("batteryLevel"), query("batteryLevel muted")];
    let mut changed = asked(vec![query("batteryLevel volumeLevel")]);
    changed.push(Act::Level(0, 81, false));
    changed.extend(asked_of(ME, 1, vec![query("batteryLevel volumeLevel")]));
    let cached = vec![query("OSName"), query("OSName"), query("OSName batteryLevel")];
    let groups = [
        group("screen", "batteryLevel operatorName"),
        group_query("screen"),
        group_release("screen"),
        group_query("screen"),
        group("screen", "volumeLevel"),
        group("odd", "muted"),
        group_query("screen"),
    ];
    vec![
        Play::of("query", "properties, one of which the device lacks", asked(all)),
        Play::of("changed", "a property that has changed between two queries", changed),
        Play::of("cache", "a property that is answered from the cache the second time", asked(cached)),
        Play::of("group", "a group is set, read, released, read again, and set anew", asked(groups.concat())),
    ]
}

fn policies() -> Vec<Play> {
    // The SP is told once for each answer, and once for each report.
    let mut periodic_ones = asked(policy("beat", "batteryLevel", periodic(), LONG));
    periodic_ones.push(told(3));
    periodic_ones.extend(asked_of(ME, 3, release("beat")));
    let mut threshold = asked(policy("low", "batteryLevel", low(), LONG));
    // Below, still below, above, below again.
    for (level, count) in [(20, 2), (19, 2), (80, 2), (10, 3)] {
        threshold.extend([Act::Level(0, level, true), told(count)]);
    }
    threshold.extend(asked_of(ME, 3, release("low")));
    let mut grouped =
        asked([group("screen", "batteryLevel volumeLevel"), on_group("news", "screen", on_change(), LONG)].concat());
    grouped.push(told(3));
    // The policies on a group end with it.
    grouped.extend(
        [group_release("screen"), group_query("screen")].concat().into_iter().map(|what| Act::Ask(0, ME, what)),
    );
    grouped.push(told(6));
    let mut expiry = asked(policy("short", "batteryLevel", low(), 1));
    expiry.push(told(2));
    expiry.extend(asked_of(ME, 2, release("short")));
    let twice = [policy("one", "batteryLevel", low(), LONG), policy("two", "batteryLevel", on_change(), LONG)].concat();
    let mut two = asked(twice);
    two.push(told(3));
    two.extend(asked_of(ME, 3, [release("one"), release("one"), release("two")].concat()));
    let odd = Terms::new("Threshold", &[("operator", "like"), ("value", "30")]);
    let unknown = Terms::new("Sometimes", &[]);
    let bad = [
        policy("odd", "batteryLevel", odd, LONG),
        policy("unknown", "batteryLevel", unknown, LONG),
        policy("missing", "muted", low(), LONG),
        on_group("nowhere", "screen", low(), LONG),
        release("never"),
    ];
    vec![
        Play::of("periodic", "a policy that reports every second, until it is released", periodic_ones),
        Play::of("threshold", "a policy that reports when a level is crossed", threshold),
        Play::of("group-policy", "a policy on a group, which ends with it", grouped),
        Play::of("expiry", "a policy that expires, and what is said to whoever releases it then", expiry),
        Play::of("two-policies", "two policies on one property, released one after the other", two),
        Play::of("bad-policies", "policies that cannot be set, and one that never was", asked(bad.concat())),
    ]
}

fn lives() -> Vec<Play> {
    let mut again = asked([group("screen", "batteryLevel"), policy("low", "batteryLevel", low(), LONG)].concat());
    again.extend([Act::Start(0), Act::Until(Sign::Client(0, 2))]);
    again.extend(asked_of(ME, 2, group_query("screen")));
    again.extend([Act::Level(0, 9, true), told(4)]);
    let mut change = asked([group("screen", "batteryLevel"), policy("low", "batteryLevel", low(), LONG)].concat());
    // The SIM is taken to another device, and what was set follows it.
    change.push(Act::Off(0));
    change.push(Act::User(1, Some(user(1))));
    change.extend(registered(1));
    change.push(told(3));
    change.extend(asked_of(Whose::Of(1), 3, group_query("screen")));
    change.extend([Act::Level(1, 9, true), told(5)]);
    let declined = vec![
        Act::Want(0, false),
        Act::Until(Sign::Client(0, 2)),
        Act::Ask(0, ME, query("batteryLevel")),
        told(1),
        Act::Want(0, true),
        Act::Until(Sign::Client(0, 3)),
        Act::Ask(0, ME, query("batteryLevel")),
        told(2),
    ];
    let mut three =
        Play::of("three-devices", "three devices and two SPs, which do not see what is the other's", Vec::new());
    three = three.among(3, 2);
    three.acts.extend(registered(1).into_iter().chain(registered(2)));
    let found = asked_of(ME, 0, vec![Wants::ClientIds(user(2)), Wants::ClientIds(user(9))]);
    three.acts.extend(found);
    three.acts.extend(asked_of(Whose::Of(2), 2, group("screen", "operatorName")));
    for what in [group_query("screen"), group_release("screen"), group("screen", "batteryLevel"), group_query("screen")]
        .concat()
    {
        three.acts.push(Act::Ask(1, Whose::Of(2), what));
    }
    three.acts.push(Act::Until(Sign::Sp(1, 4)));
    three.acts.extend(asked_of(Whose::Of(2), 3, group_query("screen")));
    vec![
        Play::of("again", "a client that registers again keeps what was set", again),
        Play::of("device-change", "a user takes the SIM to another device, and what was set follows", change)
            .among(2, 1),
        Play::of("declined", "a user who wants no session, and then wants one", declined),
        three,
    ]
}

fn refused() -> Vec<Play> {
    let unknown = asked_of(Whose::Nobody, 0, [vec![query("batteryLevel")], group("screen", "batteryLevel")].concat());
    let denied = asked(vec![query("imei"), query("noSuchProperty"), query("batteryLevel imei")]);
    let mut overload = Play::of("overload", "more queries than the window allows", Vec::new());
    (overload.config.sp.window_threshold, overload.config.sp.window_seconds) = (2, LONG);
    overload.acts.extend(asked(vec![query("batteryLevel"), query("volumeLevel"), query("batteryLevel")]));
    let mut silent = Play::of("silent", "a client that does not answer", Vec::new());
    // Longer than a busy machine takes for what comes before.
    let patience = Millis::from_secs(3);
    (silent.config.dpe2.noreply_timeout, silent.config.dpe2.ack_retries) = (patience, 0);
    silent.acts.push(Act::Off(0));
    silent.acts.extend(asked(vec![query("batteryLevel")]));
    let mut version = Play::of("version", "a server that does not speak the client's version", Vec::new());
    version.config.reg.supported_versions = vec!["2.0".into()];
    vec![
        Play::of("unknown-client", "a client that does not exist", unknown),
        Play::of("denied", "properties that no SP may see, or that nobody knows", denied),
        overload,
        silent,
        version,
    ]
}

fn disturbed() -> Vec<Play> {
    let usual = || asked([vec![query("batteryLevel")], group("screen", "volumeLevel"), group_query("screen")].concat());
    let play = |name, says| Play::of(name, says, usual());
    // A client sends its request, its acknowledgement, and then an answer to each request of the server.
    vec![
        play("request-lost", "the request to register is lost").with(1, What::RequestLost),
        play("reply-lost", "the reply to it is lost").with(1, What::ReplyLost),
        play("request-doubled", "it comes twice").with(1, What::Doubled),
        play("ack-lost", "the acknowledgement is lost").with(2, What::RequestLost),
        play("ack-doubled", "it comes twice").with(2, What::Doubled),
        play("answer-lost", "an answer is lost").with(3, What::RequestLost),
        play("answer-doubled", "it comes twice").with(3, What::Doubled),
        play("answer-reset", "the connection is reset before an answer is through").with(4, What::ResetBefore),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mishap::held_to;

    #[test]
    fn names_are_different_and_every_wish_is_there() {
        let plays = Play::all();
        held_to::own_names(plays.iter().map(|play| play.name));
        for wants in [
            group("a", "b"),
            group_query("a"),
            group_release("a"),
            release("a"),
            policy("a", "b", low(), 1),
            on_group("a", "b", low(), 1),
        ] {
            assert_eq!(wants.len(), 1);
        }
        assert!(plays.iter().all(|play| !play.sps.is_empty()));
    }

    #[test]
    fn what_goes_wrong_in_a_play_does_in_its_performance_and_no_rule_is_broken() {
        for play in Play::all() {
            let performed = play.perform();
            held_to::its_plan(play.name, &play.mishaps, &performed.failures, &performed.faults);
        }
    }
}
