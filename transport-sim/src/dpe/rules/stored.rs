//! P35 and P36: what outlives a crash, and what a party may emit at all.

use std::collections::BTreeMap;

use dpe_core::{
    codes::Code,
    config::Config,
    ids::{ClientId, SpId},
    wire::Kind,
};

use super::{Doubt, Key, Post, Request, client_of, doubt::excused, reader::Read, text};
use crate::{Ledger, NodeId, Rule, RuleId};

/// P35.
pub const DURABLE: Rule = Rule {
    id: RuleId("P35"),
    says: "after a crash of a server node a group or policy that was acknowledged is not answered as unknown",
};
/// P36. That no step panics or goes on for ever shows in a run that ends; secrets in the trace are looked for by P14.
pub const BOUNDED: Rule = Rule {
    id: RuleId("P36"),
    says: "what a party emits is within the bounds of a message, and the codec reads it back",
};

pub(super) struct Stored {
    octets_max: usize,
    crashed: bool,
    /// Groups and policies as they are asked for, and once they are acknowledged.
    wanted: BTreeMap<Key, (ClientId, String)>,
    live: BTreeMap<(SpId, String), ClientId>,
    /// Policies that were there when their release was asked for, by that dialogue.
    leaving: BTreeMap<Key, (ClientId, String)>,
    owners: BTreeMap<ClientId, NodeId>,
}

impl Stored {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            octets_max: config.wire.message_bytes_max,
            crashed: false,
            wanted: BTreeMap::new(),
            live: BTreeMap::new(),
            leaving: BTreeMap::new(),
            owners: BTreeMap::new(),
        }
    }

    /// A server node has crashed.
    pub(super) const fn crashed(&mut self) {
        self.crashed = true;
    }

    /// A client is given a Client-ID.
    pub(super) fn given(&mut self, node: NodeId, client: ClientId) {
        self.owners.insert(client, node);
    }

    pub(super) fn took(&mut self, sp: &SpId, request: &Request) {
        let message = &request.message;
        let Some(client) = client_of(message) else { return };
        let name = match message.kind {
            Kind::GroupSet | Kind::GroupQuery => text(&message.group_id),
            Kind::PropertyPolicySet | Kind::GroupPolicySet => text(&message.policy_id),
            // From here on it may be on its way out.
            Kind::GroupRelease => return self.live.retain(|(of, _), _| of != sp),
            Kind::PolicyRelease => {
                let key = (sp.clone(), text(&message.policy_id));
                if self.live.remove(&key) == Some(client.clone()) {
                    self.leaving.insert((sp.clone(), request.id.clone()), (client, key.1));
                }
                return;
            }
            _ => return,
        };
        self.wanted.insert((sp.clone(), request.id.clone()), (client, name));
    }

    pub(super) fn posted(&mut self, post: &Post<'_>, doubt: &Doubt, ledger: &mut Ledger) {
        let wanted = self.wanted.remove(&post.key());
        let status = post.message.status.get().copied();
        match post.message.kind {
            Kind::GroupSetAck | Kind::PropertyPolicySetAck | Kind::GroupPolicySetAck => {
                let Some((client, name)) = wanted else { return };
                let key = (post.sp.clone(), name);
                if post.is_ok() {
                    self.live.insert(key, client);
                } else if self.crashed && self.live.get(&key) == Some(&client) {
                    // It is there already: any other refusal says so, too, before it could be found missing.
                    ledger.judge(DURABLE, true, || "");
                }
            }
            Kind::GroupResult => {
                let Some((client, name)) = wanted else { return };
                let key = (post.sp.clone(), name);
                if !self.crashed || self.live.get(&key) != Some(&client) {
                    return;
                }
                let is_gone = status == Some(Code::GROUP_ID_NOT_REGISTERED);
                self.judge((&client, &key.1), post, is_gone, doubt, ledger);
            }
            Kind::PolicyReleaseAck => {
                let Some((client, name)) = self.leaving.remove(&post.key()).filter(|_| self.crashed) else { return };
                let is_gone = status == Some(Code::POLICY_ID_NOT_REGISTERED);
                self.judge((&client, &name), post, is_gone, doubt, ledger);
            }
            // What was acknowledged since it was asked for went with the group, too, and what waits to be released.
            Kind::GroupReleaseAck if post.is_ok() => {
                self.live.retain(|(of, _), _| of != post.sp);
                self.leaving.retain(|(of, _), _| of != post.sp);
            }
            Kind::PropertyReport | Kind::GroupReport if !post.is_ok() => {
                let policy = text(&post.message.policy_id);
                // It has ended by itself.
                self.leaving.retain(|(sp, _), (_, name)| sp != post.sp || *name != policy);
                self.live.remove(&(post.sp.clone(), policy));
            }
            _ => {}
        }
    }

    /// What was there is answered for, after a crash of a server node.
    fn judge(
        &self,
        (client, name): (&ClientId, &str),
        post: &Post<'_>,
        is_gone: bool,
        doubt: &Doubt,
        ledger: &mut Ledger,
    ) {
        // A client that has lost its memory may say the same, and is believed. So may a device that has become this client
        // by another one's identity, and one that was another client meanwhile.
        let may_lack = |node: &NodeId| doubt.has_less(*node) || doubt.is_of(*node) || doubt.is_stripped(*node, client);
        let is_lost = self.owners.get(client).is_none_or(may_lack) || doubt.is_shared(client);
        let is_kept = !is_gone || excused("excused-P35", is_gone, is_lost, ledger);
        ledger.judge(DURABLE, is_kept, || format!("{name} of {} is gone", post.sp));
    }

    /// A message of so many octets leaves.
    pub(super) fn sent(&self, sent: &crate::Message, octets: usize, read: &Read, doubt: &Doubt, ledger: &mut Ledger) {
        // A forged message was written by no machine.
        if doubt.is_forged(sent) {
            return;
        }
        let is_good = octets <= self.octets_max && read.is_written_back;
        ledger.judge(BOUNDED, is_good, || format!("{octets} octets of {} are not read back", sent.from));
    }
}
