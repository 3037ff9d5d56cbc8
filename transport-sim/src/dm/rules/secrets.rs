//! D22, from outside: passwords and what is as good as they are do not show.

use std::collections::BTreeMap;

use dm_core::{
    auth::{Account, Scheme, SignRequest},
    wire::Secret,
};

use super::Watched;
use crate::{Ledger, NodeId, Rule, RuleId};

/// D22.
pub const SECRETS: Rule =
    Rule { id: RuleId("D22"), says: "no password, in clear or as basic credentials, is on the wire or in the trace" };

pub(super) struct Secrets {
    needles: Vec<Secret>,
}

impl Secrets {
    pub(super) fn new(devices: &BTreeMap<NodeId, Watched>) -> Self {
        let accounts = devices.values().flat_map(|watched| [&watched.client, &watched.server]);
        Self { needles: accounts.flat_map(|account| [account.password.clone(), basic(account)]).collect() }
    }

    pub(super) fn sent(&self, bytes: &[u8], ledger: &mut Ledger) {
        self.judge(bytes, "a message", ledger);
    }

    pub(super) fn finish(&self, trace: &str, ledger: &mut Ledger) {
        self.judge(trace.as_bytes(), "the trace", ledger);
    }

    fn judge(&self, bytes: &[u8], place: &str, ledger: &mut Ledger) {
        let shows = |secret: &Secret| holds(bytes, secret.reveal().as_bytes());
        ledger.judge(SECRETS, !self.needles.iter().any(shows), || format!("{place} shows a password"));
    }
}

fn basic(account: &Account) -> Secret {
    let request = SignRequest { peer: String::new(), scheme: Scheme::Basic, nonce: None, body: None };
    account.sign(&request).data.into()
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    // Most octets are not the first one: that is seen faster than that a whole window differs.
    let mut starts = bytes.iter().enumerate().filter(|(_, octet)| *octet == first);
    starts.any(|(at, _)| bytes.get(at..).is_some_and(|rest| rest.starts_with(needle)))
}
