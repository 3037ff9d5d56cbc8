//! D06: every session ends, and nobody uses a machine wrongly on the way.

use super::{Stage, Watcher};
use crate::{
    End, Ledger, NodeId, Rule, RuleId,
    dm::{Backend, Fact, Services},
};

/// D06.
pub const ENDS: Rule = Rule { id: RuleId("D06"), says: "every session ends on both sides, in a typed outcome" };
/// The machines' own contract.
pub const USED_WELL: Rule = Rule { id: RuleId("use"), says: "no machine refuses what its driver tells it" };

pub(super) struct Ends;

impl Watcher for Ends {
    fn rules(&self) -> &'static [Rule] {
        &[ENDS, USED_WELL]
    }

    fn noted(&mut self, _: &Stage, _: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        let misused = if let Fact::Misused(what) = fact { Some(what) } else { None };
        ledger.judge(USED_WELL, misused.is_none(), || misused.cloned().unwrap_or_default());
    }

    fn finish(&mut self, stage: &Stage, end: &End<'_, Services>, ledger: &mut Ledger) {
        // Nobody ends a session that he does not know of any more.
        let known = |session: &&super::stage::Session| session.client.is_some() || !session.is_in_doubt;
        for session in stage.sessions().filter(|session| session.began.is_some()).filter(known) {
            ledger.judge(ENDS, session.client.is_some(), || {
                format!("session {} of device {} goes on", session.id, session.key.device)
            });
        }
        for (key, row) in end.shared.iter().flat_map(|backend| Backend::sessions(backend).rows()) {
            let over = row.value.outcome.is_some() && row.value.deadline.is_none();
            ledger.judge(ENDS, over, || format!("session {} of {} goes on at the server", key.session, key.device));
        }
    }
}
