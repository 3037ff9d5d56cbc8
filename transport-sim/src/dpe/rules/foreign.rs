//! P11 and P14: what an SP never gets to see.

use std::collections::{BTreeMap, BTreeSet};

use dpe_core::{
    ids::{SpId, Token},
    wire::{Ie, Message},
};

use super::{Post, Request, Watched};
use crate::{Figure, Ledger, Rule, RuleId};

/// P11.
pub const FOREIGN: Rule = Rule {
    id: RuleId("P11"),
    says: "no SP gets an identifier of another SP or of DPE-2, and no client gets one of an SP",
};
/// P14.
pub const IDENTITIES: Rule = Rule {
    id: RuleId("P14"),
    says: "no identity of a device or user crosses DPE-3 or is in the trace, but one that the SP itself asked by",
};

/// Octets that are looked for before the whole is.
const PREFIX: usize = 8;

pub(super) struct Foreign {
    sps: Vec<String>,
    /// Identities by their first octets.
    identities: BTreeMap<String, Vec<String>>,
    /// Identifiers that SPs wrote themselves: they get them back.
    uttered: BTreeMap<SpId, BTreeSet<String>>,
    /// What SPs asked by.
    disclosed: BTreeSet<(SpId, String)>,
    dpe2: BTreeSet<Token>,
    found: u64,
}

impl Foreign {
    pub(super) fn new(watched: &Watched) -> Self {
        let mut identities: BTreeMap<String, Vec<String>> = BTreeMap::new();
        // A MAC address may be written without its colons.
        let bare = watched.identities.iter().map(|identity| identity.replace(':', ""));
        for identity in watched.identities.iter().cloned().chain(bare) {
            let prefix = identity.chars().take(PREFIX).collect();
            identities.entry(prefix).or_default().push(identity);
        }
        let (disclosed, dpe2, uttered) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        Self { sps: watched.sps.values().cloned().collect(), identities, uttered, disclosed, dpe2, found: 0 }
    }

    pub(super) fn took(&mut self, sp: &SpId, request: &Request) {
        if let Ie::Is(key) = &request.message.query_key {
            self.disclosed.insert((sp.clone(), key.text.clone()));
        }
        let own = ids(&request.message).map(|id| id.as_str().to_owned());
        self.uttered
            .entry(sp.clone())
            .or_default()
            .extend(own.filter(|id| self.sps.iter().any(|sp| id.contains(sp.as_str()))));
    }

    /// A message to a client.
    pub(super) fn downlink(&mut self, message: &Message, body: &[u8], ledger: &mut Ledger) {
        self.dpe2.extend(ids(message).filter(|id| !id.is_all()).cloned());
        let text = String::from_utf8_lossy(body);
        let seen = self.sps.iter().find(|sp| text.contains(sp.as_str()));
        self.found += u64::from(seen.is_some());
        ledger.judge(FOREIGN, seen.is_none(), || format!("{} of a client names {seen:?}", message.kind.name()));
    }

    pub(super) fn posted(&mut self, post: &Post<'_>, ledger: &mut Ledger) {
        let text = String::from_utf8_lossy(post.body);
        let uttered = self.uttered.get(post.sp).into_iter().flatten();
        let text = uttered.fold(text.into_owned(), |text, own| text.replace(own.as_str(), ""));
        let other = self.sps.iter().find(|sp| *sp != post.sp.as_str() && text.contains(sp.as_str()));
        let inner = ids(post.message).find(|id| self.dpe2.contains(*id));
        self.found += u64::from(other.is_some()) + u64::from(inner.is_some());
        ledger.judge(FOREIGN, other.is_none() && inner.is_none(), || {
            format!("{} for {} holds {other:?} {inner:?}", post.message.kind.name(), post.sp)
        });
        let shown = self.shown(&text).find(|identity| !self.disclosed.contains(&(post.sp.clone(), (*identity).into())));
        ledger.judge(IDENTITIES, shown.is_none(), || {
            format!("{} for {} shows an identity", post.message.kind.name(), post.sp)
        });
    }

    /// The identities that a text shows.
    fn shown<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let near = self.identities.iter().filter(|(prefix, _)| text.contains(prefix.as_str()));
        near.flat_map(|(_, all)| all).filter(|identity| text.contains(identity.as_str())).map(String::as_str)
    }

    pub(super) fn finish(&self, trace: &str, ledger: &mut Ledger) {
        let shown = self.shown(trace).next();
        ledger.judge(IDENTITIES, shown.is_none(), || "the trace shows an identity");
        ledger.count("foreign-ids", Figure::Sum(self.found));
    }
}

fn ids(message: &Message) -> impl Iterator<Item = &Token> {
    [&message.message_id, &message.group_id, &message.policy_id].into_iter().filter_map(Ie::get)
}
