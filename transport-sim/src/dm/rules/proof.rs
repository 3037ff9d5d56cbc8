//! D13: nothing reaches the tree before both sides have proved themselves.

use std::collections::BTreeMap;

use dm_core::{
    auth::{Account, Claim, Nonce, Presented, Verdict},
    codes::StatusCode,
    ids::SessionId,
    wire::{Command, Message},
};

use super::{Key, Side, Sight, Watched};
use crate::{Ledger, NodeId, Rule, RuleId, dm::Fact};

/// D13.
pub const AUTHENTICATED: Rule = Rule {
    id: RuleId("D13"),
    says: "no command of a server reaches the tree before both sides have shown credentials of this session",
};

/// Judges credentials itself, with the accounts and with every nonce that was given out: what the machines make of them
/// is not believed.
pub(super) struct Proof {
    accounts: BTreeMap<(NodeId, Side), Known>,
    shown: BTreeMap<Key, Shown>,
    current: BTreeMap<NodeId, SessionId>,
}

struct Known {
    account: Account,
    nonces: Vec<Nonce>,
}

#[derive(Clone, Copy, Default)]
struct Shown {
    client: bool,
    client_was_told: bool,
    server: bool,
}

impl Proof {
    pub(super) fn new(devices: &BTreeMap<NodeId, Watched>) -> Self {
        let known = |account: &Account| Known { account: account.clone(), nonces: vec![account.nonce.clone()] };
        let accounts = devices.iter().flat_map(|(node, watched)| {
            [((*node, Side::Client), known(&watched.client)), ((*node, Side::Server), known(&watched.server))]
        });
        Self { accounts: accounts.collect(), shown: BTreeMap::new(), current: BTreeMap::new() }
    }

    /// Keeps the nonces that a side gives to the other.
    pub(super) fn sent(&mut self, sight: &Sight<'_>) {
        let given = sight.message.commands.iter().filter_map(|command| match command {
            Command::Status(status) => status.chal.as_ref()?.meta.next_nonce.as_ref(),
            _ => None,
        });
        let given = given.filter_map(|nonce| Nonce::from_base64(nonce.reveal()));
        if let Some(known) = self.accounts.get_mut(&(sight.key.0, sight.side.peer())) {
            known.nonces.extend(given);
        }
    }

    pub(super) fn delivered(&mut self, sight: &Sight<'_>) {
        let proven = self.accounts.get(&(sight.key.0, sight.side)).is_some_and(|known| known.proves(sight.message));
        let shown = self.shown.entry(sight.key.clone()).or_default();
        match sight.side {
            Side::Client => shown.client |= proven,
            Side::Server => {
                shown.server |= proven;
                shown.client_was_told |= shown.client && accepts(sight.message);
            }
        }
    }

    pub(super) fn noted(&mut self, node: NodeId, fact: &Fact, ledger: &mut Ledger) {
        match fact {
            Fact::Began(id) => _ = self.current.insert(node, id.clone()),
            Fact::Executed { kind, uri, .. } => {
                let key = self.current.get(&node).map(|id| (node, id.clone()));
                let shown = key.and_then(|key| self.shown.get(&key)).copied().unwrap_or_default();
                ledger.judge(AUTHENTICATED, shown.client && shown.client_was_told && shown.server, || {
                    format!("{} {uri} with credentials of {shown}", kind.name())
                });
            }
            _ => {}
        }
    }
}

impl core::fmt::Display for Shown {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match (self.client && self.client_was_told, self.server) {
            (true, true) => "both",
            (true, false) => "the client only",
            (false, true) => "the server only",
            (false, false) => "neither side",
        })
    }
}

impl Known {
    fn proves(&self, message: &Message) -> bool {
        let source = &message.header.source;
        let presented = Presented::from_cred(message.header.cred.as_ref(), source.name.as_deref());
        self.nonces.iter().any(|nonce| {
            let claim = Claim {
                peer: source.uri.clone(),
                session: message.header.session_id.clone(),
                presented: presented.clone(),
                nonce: Some(nonce.clone()),
                transport: None,
            };
            matches!(self.account.judge(&claim), Verdict::Accepted(_))
        })
    }
}

/// Whether the message tells its receiver that its credentials are good.
fn accepts(message: &Message) -> bool {
    message.commands.iter().any(|command| match command {
        Command::Status(status) => {
            status.is_for_header() && matches!(status.code, StatusCode::AUTHENTICATED | StatusCode::OK)
        }
        _ => false,
    })
}
