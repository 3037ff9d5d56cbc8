//! D37: what comes in parts comes whole.

use std::collections::BTreeMap;

use core_kit::{Body, Tick};
use dm_core::ids::{DeviceId, JobTag};

use crate::{
    Checker, End, Event, Figure, Ledger, Rule, RuleId,
    dm::{Fact, Fingerprint, Party, Services},
};

/// D37.
pub const BYTE_EQUAL: Rule =
    Rule { id: RuleId("D37"), says: "a value that came in parts has the octets that were sent, at the end" };

/// Compares what arrived with what was sent, on both sides. It asks the device's tree and the server's store, and no
/// machine.
pub struct Objects {
    device: DeviceId,
    to_device: BTreeMap<String, Body>,
    to_server: BTreeMap<JobTag, Body>,
    leaves: BTreeMap<String, Option<Fingerprint>>,
}

impl Objects {
    /// Watches one device: the values that it shall have at these addresses, and those that these orders shall read.
    #[must_use]
    pub const fn new(device: DeviceId, to_device: BTreeMap<String, Body>, to_server: BTreeMap<JobTag, Body>) -> Self {
        Self { device, to_device, to_server, leaves: BTreeMap::new() }
    }
}

impl Checker<Party> for Objects {
    fn rules(&self) -> Vec<Rule> {
        vec![BYTE_EQUAL]
    }

    fn observe(&mut self, _: Tick, event: &Event<'_, Fact>, _: &Services, _: &mut Ledger) {
        if let Event::Noted(_, Fact::Leaf { uri, value }) = event {
            self.leaves.insert(uri.clone(), *value);
        }
    }

    fn finish(&mut self, end: &End<'_, Services>, ledger: &mut Ledger) {
        let mut judge = |way: &'static str, place: &str, sent: &[u8], came: Option<Fingerprint>| {
            let sent = Fingerprint::of(sent);
            let equal = came == Some(sent);
            ledger.count(way, Figure::Sum(u64::from(equal)));
            ledger.judge(BYTE_EQUAL, equal, || match came {
                Some(came) => format!("{place}: sent was {sent}, there is {came}"),
                None => format!("{place}: nothing is there"),
            });
        };
        for (uri, sent) in &self.to_device {
            judge("equal-at-device", uri, sent, self.leaves.get(uri).copied().flatten());
        }
        for (tag, sent) in &self.to_server {
            let came = end.shared.iter().find_map(|backend| backend.value_read(&self.device, tag));
            let came = came.map(|value| Fingerprint::of(&value));
            judge("equal-at-server", &tag.to_string(), sent, came);
        }
    }
}
