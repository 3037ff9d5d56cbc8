//! D18: an account is closed to guessing, and open to its device again.

use std::collections::{BTreeMap, BTreeSet};

use core_kit::{Millis, Tick};
use dm_core::{auth::LockoutLimits, codes::StatusCode, ids::SessionId, wire::Command};

use super::{Side, Sight, Stage, Watcher, stage::one_name};
use crate::{
    Ledger, NodeId, Rule, RuleId,
    dm::{Fact, Services},
};

/// D18.
pub const LOCKED: Rule = Rule {
    id: RuleId("D18"),
    says: "after so many wrong credentials an account is closed for a while, to everybody, and then open again",
};

/// What lies between a node's look at the clock and its commit, twice.
const MARGIN: Millis = Millis(2_000);

/// What each account was claimed with, as the rule counts it.
#[derive(Default)]
pub(super) struct Closed {
    accounts: BTreeMap<(usize, String), Account>,
    /// Services that do not count as the rule does: their stores have forgotten what was guessed since the backup.
    unsure: BTreeSet<usize>,
    /// Whom each session of whoever it is says to be.
    claims: BTreeMap<Thread, (usize, String)>,
    /// Of each node that sends a stored reply once more: whose. It was judged when that was made.
    repeats: BTreeMap<NodeId, Thread>,
}

/// A session as its server's node tells of it: the node, the client's end, the name. A stranger who repeats a message of a
/// device, or of a copy of one, is judged as himself, while the session that it is of is theirs.
type Thread = (NodeId, NodeId, SessionId);

#[derive(Default)]
struct Account {
    wrong: u32,
    last: Tick,
    until: Tick,
}

impl Account {
    fn wrong(&mut self, limits: &LockoutLimits, now: Tick) {
        if now.0 >= self.last.0.saturating_add(limits.forget.0) {
            self.wrong = 0;
        }
        self.wrong += 1;
        self.last = now;
        if self.wrong > limits.free {
            let doublings = (self.wrong - limits.free - 1).min(30);
            self.until = now + Millis(limits.longest.0.min(limits.first.0 << doublings));
        }
    }
}

impl Watcher for Closed {
    fn rules(&self) -> &'static [Rule] {
        &[LOCKED]
    }

    fn delivered(&mut self, stage: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        if sight.side == Side::Server {
            return;
        }
        // By the node that judges: whoever repeats a message of somebody else may send it to another service.
        let service = stage.servers.get(&sight.server).copied();
        if let Some(service) = service {
            self.claims.insert(thread(sight), (service, sight.message.header.source.uri.to_string()));
        }
    }

    fn noted(&mut self, stage: &Stage, node: NodeId, fact: &Fact, services: &Services, _: &mut Ledger) {
        if let Fact::Restored { .. } = fact {
            self.unsure.extend(stage.servers.get(&node));
        }
        if let Fact::Repeated { device, session } = fact {
            self.repeats.insert(node, (node, *device, session.clone()));
        }
        let Fact::Judged { device, session, believed } = fact else { return };
        let Some(claim) = self.claims.get(&(node, *device, session.clone())) else { return };
        let Some(limits) = services.of(claim.0).and_then(|backend| backend.lockout.as_ref()) else { return };
        let account = self.accounts.entry(claim.clone()).or_default();
        if *believed {
            *account = Account::default();
        } else {
            account.wrong(limits, stage.now);
        }
    }

    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        // The node that made the reply may have died with it: then it is sent for the first time now.
        if sight.side == Side::Client {
            return;
        }
        let thread = thread(sight);
        if self.repeats.remove(&sight.server).as_ref() == Some(&thread) || !sight.is_judged() {
            return;
        }
        let claim = self.claims.get(&thread).filter(|(service, _)| !self.unsure.contains(service));
        let Some((claim, account)) = claim.and_then(|claim| Some((claim, self.accounts.get(claim)?))) else { return };
        let code = sight.message.commands.iter().find_map(|command| match command {
            Command::Status(status) if status.is_for_header() => Some(status.code),
            _ => None,
        });
        let now = stage.now;
        let (opened, closed) =
            (now > account.until + MARGIN, now > account.last + MARGIN && now + MARGIN < account.until);
        match code {
            Some(StatusCode::BUSY) => {
                ledger.judge(LOCKED, !opened, || {
                    format!("the account {claim:?} is closed longer than until {}", account.until.0)
                });
            }
            Some(StatusCode::AUTHENTICATED | StatusCode::UNAUTHORIZED) if closed => {
                ledger.judge(LOCKED, false, || format!("the account {claim:?} is open before {}", account.until.0));
            }
            _ => {}
        }
    }
}

fn thread(sight: &Sight<'_>) -> Thread {
    (sight.server, sight.end, one_name(&sight.message.header.session_id))
}
