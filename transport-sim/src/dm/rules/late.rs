//! D09: what comes too late changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use dm_core::auth::Scheme;

use super::{Key, Side, Sight, Stage, Watcher, opens};
use crate::{
    End, Ledger, NodeId, Rule, RuleId,
    dm::{Fact, Services},
};

/// D09.
pub const LATE: Rule =
    Rule { id: RuleId("D09"), says: "a message of a session that is over, or that nobody opened, makes no session" };

/// The messages that came too late, or without a session.
#[derive(Default)]
pub(super) struct Late {
    /// Commits in each session that began with nothing to begin it.
    unopened: BTreeMap<Key, u32>,
    /// Sessions that a server had ended when such a message came, and the commits since then.
    over: BTreeMap<Key, u32>,
    /// Sessions that somebody opened.
    known: BTreeSet<Key>,
    /// Sessions that were opened more than once, which somebody may who shows no digest.
    reopened: BTreeSet<Key>,
}

impl Watcher for Late {
    fn rules(&self) -> &'static [Rule] {
        &[LATE]
    }

    fn delivered(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        match sight.side {
            // Who waits for nothing takes no reply: what its tree does is noted in no session then. A reply of another
            // session may come on the connection of this one, where the network mistakes it.
            Side::Server if stage.current(sight.key.device) != Some(sight.key) => {}
            Side::Server => {
                let is_over = stage.session(sight.key).is_some_and(|session| session.client.is_some());
                if is_over && stage.watched(sight.key).is_some() {
                    ledger.judge(LATE, !sight.taken, || "a device waits for a reply in a session that is over");
                }
            }
            Side::Client if opens(sight.message) => {
                if stage.session(sight.key).is_some_and(|session| session.server.is_some()) {
                    self.reopened.insert(sight.key);
                }
                self.known.insert(sight.key);
                self.over.remove(&sight.key);
                self.unopened.remove(&sight.key);
            }
            Side::Client => {
                let Some(session) = stage.session(sight.key) else { return };
                // Copies of a session with a password are a session.
                if stage.towards(sight.key).is_some_and(|towards| towards.client.scheme == Scheme::Basic) {
                    return;
                }
                if session.server.is_some() && !self.reopened.contains(&sight.key) {
                    self.over.entry(sight.key).or_default();
                } else if session.server.is_none()
                    && session.began.is_none()
                    && sight.first
                    && sight.msg_id().0 > 1
                    && !self.known.contains(&sight.key)
                {
                    self.unopened.entry(sight.key).or_default();
                }
            }
        }
    }

    fn noted(&mut self, stage: &Stage, node: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        match fact {
            Fact::Restored { .. } => {
                // A session that is not over any more goes on.
                let goes_on = |key: &Key| !stage.is_in_doubt(*key);
                self.over.retain(|key, _| goes_on(key));
                self.unopened.retain(|key, _| goes_on(key));
            }
            Fact::Committed { device, session, .. } => {
                let Some(key) = stage.told_by(node, *device, session) else { return };
                let late = [self.over.get_mut(&key), self.unopened.get_mut(&key)];
                late.into_iter().flatten().for_each(|commits| *commits += 1);
            }
            Fact::Executed { kind, uri, .. } => {
                let is_over =
                    stage.current(node).and_then(|key| stage.session(key)).is_none_or(|one| one.client.is_some());
                if is_over {
                    ledger.judge(LATE, false, || format!("{} {uri} is done in no session", kind.name()));
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, stage: &Stage, _: &End<'_, Services>, ledger: &mut Ledger) {
        for (key, commits) in self.over.iter().chain(&self.unopened) {
            ledger.judge(LATE, *commits == 0, || {
                let id = stage.session(*key).map(|session| session.id.as_str()).unwrap_or_default();
                format!("session {id} of device {} is stored {commits} times", key.device)
            });
        }
    }
}
