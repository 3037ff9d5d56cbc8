//! P08: what a refusal tells.

use std::collections::{BTreeMap, BTreeSet};

use dpe_core::{
    codes::Code,
    ids::{ClientId, SpId},
    wire::Kind,
};

use super::{Key, Post, Request, client_of, text};
use crate::{Ledger, Rule, RuleId};

/// P08.
pub const UNIFORM: Rule = Rule {
    id: RuleId("P08"),
    says: "a group, policy or client that is not an SP's is answered as one that never was, whoever else has it",
};

#[derive(Default)]
pub(super) struct Refusals {
    /// Names that each SP has tried to set for itself.
    own: BTreeSet<(SpId, String)>,
    given: BTreeSet<ClientId>,
    /// Requests for what the SP cannot have, and what the answer must be.
    foreign: BTreeMap<Key, Code>,
}

impl Refusals {
    /// A Client-ID is given to a client.
    pub(super) fn given(&mut self, client: ClientId) {
        self.given.insert(client);
    }

    pub(super) fn took(&mut self, sp: &SpId, request: &Request) {
        let message = &request.message;
        let (group, policy) = (text(&message.group_id), text(&message.policy_id));
        let is_own = |name: &String| self.own.contains(&(sp.clone(), name.clone()));
        let expected = match message.kind {
            Kind::GroupQuery | Kind::GroupRelease if !is_own(&group) => Code::GROUP_ID_NOT_REGISTERED,
            Kind::PolicyRelease if !is_own(&policy) => Code::POLICY_ID_NOT_REGISTERED,
            Kind::PropertyQuery if client_of(message).is_some_and(|client| !self.given.contains(&client)) => {
                Code::CLIENT_ID_NOT_REGISTERED
            }
            Kind::GroupSet => {
                self.own.insert((sp.clone(), group));
                return;
            }
            Kind::PropertyPolicySet | Kind::GroupPolicySet => {
                self.own.insert((sp.clone(), policy));
                return;
            }
            _ => return,
        };
        self.foreign.insert((sp.clone(), request.id.clone()), expected);
    }

    pub(super) fn posted(&mut self, post: &Post<'_>, ledger: &mut Ledger) {
        let Some(expected) = self.foreign.remove(&post.key()) else { return };
        let status = post.message.status.get().copied();
        // What has nothing to do with the name comes first: the window, and a client that is not there.
        let may = [expected, Code::CLIENT_ID_NOT_REGISTERED, Code::WINDOW_OVERFLOW].map(Some);
        ledger.judge(UNIFORM, may.contains(&status), || format!("{} {} is answered {status:?}", post.sp, post.id));
    }
}
