//! D22, from outside: passwords and what is as good as they are do not show.

use std::collections::{BTreeMap, BTreeSet};

use dm_core::{
    auth::{Account, Scheme, SignRequest},
    wire::{Command, Secret},
};

use super::{Sight, Stage, Watched, Watcher};
use crate::{End, Ledger, NodeId, Rule, RuleId, dm::Services};

/// D22.
pub const SECRETS: Rule = Rule {
    id: RuleId("D22"),
    says: "no password is on the wire, but as basic credentials where that is agreed, and no secret or nonce in the trace",
};

pub(super) struct Secrets {
    /// What must not be on the wire, by device and server.
    needles: BTreeMap<(NodeId, usize), Vec<Secret>>,
    /// What must not be in the trace.
    nonces: BTreeSet<String>,
}

impl Secrets {
    pub(super) fn new(devices: &BTreeMap<NodeId, Watched>) -> Self {
        let mut needles = BTreeMap::new();
        for (node, watched) in devices {
            for (at, towards) in watched.towards.iter().enumerate() {
                let of = |account: &Account| {
                    let agreed = account.scheme == Scheme::Basic;
                    [Some(account.password.clone()), (!agreed).then(|| basic(account))]
                };
                let secrets = [&towards.client, &towards.server].into_iter().flat_map(of).flatten();
                needles.insert((*node, at), secrets.collect());
            }
        }
        Self { needles, nonces: BTreeSet::new() }
    }

    fn judge<'a>(bytes: &[u8], mut needles: impl Iterator<Item = &'a Secret>, place: &str, ledger: &mut Ledger) {
        let shows = |secret: &Secret| holds(bytes, secret.reveal().as_bytes());
        ledger.judge(SECRETS, !needles.any(shows), || format!("{place} shows a password"));
    }
}

impl Watcher for Secrets {
    fn rules(&self) -> &'static [Rule] {
        &[SECRETS]
    }

    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        if !sight.first {
            return;
        }
        let towards = stage.session(sight.key).and_then(|session| session.towards);
        let needles = towards.and_then(|at| self.needles.get(&(sight.key.device, at)));
        Self::judge(sight.bytes, needles.into_iter().flatten(), "a message", ledger);
        for command in &sight.message.commands {
            let Command::Status(status) = command else { continue };
            let given = status.chal.as_ref().and_then(|chal| chal.meta.next_nonce.as_ref());
            self.nonces.extend(given.map(|nonce| nonce.reveal().to_owned()));
        }
        self.nonces.extend(sight.message.header.cred.as_ref().map(|cred| cred.data.reveal().to_owned()));
    }

    fn finish(&mut self, _: &Stage, end: &End<'_, Services>, ledger: &mut Ledger) {
        Self::judge(end.trace.as_bytes(), self.needles.values().flatten(), "the trace", ledger);
        // A word of the trace is what stands between spaces, or behind a name.
        let shown = end.trace.split([' ', '\n']).flat_map(|word| [Some(word), word.split_once('=').map(|(_, of)| of)]);
        let shown = shown.flatten().find(|word| self.nonces.contains(*word));
        ledger.judge(SECRETS, shown.is_none(), || "the trace shows a nonce or a digest");
    }
}

fn basic(account: &Account) -> Secret {
    let request = SignRequest { peer: "".into(), scheme: Scheme::Basic, nonce: None, body: None };
    account.sign(&request).data.into()
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    // Most octets are not the first one: that is seen faster than that a whole window differs.
    let mut starts = bytes.iter().enumerate().filter(|(_, octet)| *octet == first);
    starts.any(|(at, _)| bytes.get(at..).is_some_and(|rest| rest.starts_with(needle)))
}
