//! D41, D42 and D43: notifications and bootstraps, judged with the accounts and with the network's secret.

use std::collections::{BTreeMap, BTreeSet};

use dm_core::{
    bootstrap::{ContentType, Key as MacKey, NetworkSecret, Secrets},
    codes::AlertCode,
    ids::{ServerId, SessionId},
    notify::v1_2::Notification,
    wire::Command,
};

use super::{Side, Sight, Stage, Watcher};
use crate::{
    Ledger, NodeId, Rule, RuleId,
    dm::{Fact, Services, envelope::Envelope},
};

/// D41.
pub const NOTIFIED: Rule = Rule {
    id: RuleId("D41"),
    says: "a notification that its server has not signed starts nothing, and only one that it has starts a session",
};
/// D42.
pub const ONE_SESSION: Rule =
    Rule { id: RuleId("D42"), says: "however often a notification comes, it starts at most one session" };
/// D43.
pub const BOOTSTRAPPED: Rule = Rule {
    id: RuleId("D43"),
    says: "a bootstrap is taken from one who knows the secret, by a device without accounts, and replaces none",
};

#[derive(Default)]
pub(super) struct Pushed {
    /// Whether the notification that came last is signed as it should be.
    last: BTreeMap<NodeId, bool>,
    /// Sessions that notifications asked for, and those that were followed.
    asked: BTreeSet<(NodeId, SessionId)>,
    followed: BTreeMap<(NodeId, SessionId), u32>,
    /// Those that were followed once, whether or not the device remembers that.
    started: BTreeSet<(NodeId, SessionId)>,
    /// Whether the bootstrap that came last is of one who knows the secret.
    bootstrap: BTreeMap<NodeId, bool>,
    accounts: BTreeMap<NodeId, BTreeSet<ServerId>>,
}

impl Watcher for Pushed {
    fn rules(&self) -> &'static [Rule] {
        &[NOTIFIED, ONE_SESSION, BOOTSTRAPPED]
    }

    fn pushed(&mut self, stage: &Stage, to: NodeId, envelope: &Envelope, _: &mut Ledger) {
        let Some(watched) = stage.devices.get(&to) else { return };
        match envelope {
            Envelope::Notification(bytes) => {
                let is_signed = bytes.split_first_chunk::<16>().and_then(|(digest, trigger)| {
                    let server = Notification::decode(bytes).ok()?.0.server;
                    let at = watched.towards.iter().position(|towards| towards.server_id == server)?;
                    stage.vault.signs((to, at, Side::Server), digest, trigger)
                });
                self.last.insert(to, is_signed.is_some());
            }
            Envelope::Bootstrap(media_type, body) => {
                let secrets = Secrets { pin: None, network: Some(NetworkSecret::Octets(&watched.network_secret)) };
                let is_theirs = ContentType::parse(media_type).is_ok_and(|content_type| {
                    content_type.protection.is_some_and(|protection| {
                        let key = MacKey::new(content_type.profile, protection.method, &secrets);
                        key.is_ok_and(|key| key.mac(body) == protection.mac)
                    })
                });
                self.bootstrap.insert(to, is_theirs);
            }
            Envelope::Session(..) => {}
        }
    }

    fn noted(&mut self, stage: &Stage, node: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        match fact {
            Fact::Notified { session, followed } => {
                let is_signed = self.last.remove(&node).unwrap_or_default();
                ledger.judge(NOTIFIED, is_signed || !followed, || {
                    format!("device {node} follows a notification for session {session} that nobody signed")
                });
                let times = self.followed.entry((node, session.clone())).or_default();
                *times += u32::from(*followed);
                if *followed {
                    self.started.insert((node, session.clone()));
                }
                let again = !self.asked.insert((node, session.clone()));
                if *followed || again {
                    ledger.judge(ONE_SESSION, *times <= 1, || {
                        format!("device {node} follows {times} notifications for session {session}")
                    });
                }
            }
            Fact::Forgot { notices, accounts, .. } => {
                for session in notices {
                    if let Some(times) = self.followed.get_mut(&(node, session.clone())) {
                        *times = times.saturating_sub(1);
                    }
                }
                self.accounts.insert(node, accounts.iter().cloned().collect());
            }
            Fact::Bootstrapped(servers) => {
                let first = || stage.devices.get(&node).map(|watched| watched.provisioned.iter().cloned().collect());
                let known = self.accounts.entry(node).or_insert_with(|| first().unwrap_or_default());
                let is_theirs = self.bootstrap.remove(&node).unwrap_or_default();
                ledger.judge(BOOTSTRAPPED, servers.is_empty() || (is_theirs && known.is_empty()), || {
                    format!("device {node} takes a bootstrap with {} accounts", servers.len())
                });
                known.extend(servers.iter().cloned());
            }
            _ => {}
        }
    }

    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        let asked =
            sight.message.commands.iter().any(
                |command| matches!(command, Command::Alert(alert) if alert.code == Some(AlertCode::SERVER_INITIATED)),
            );
        if sight.side == Side::Client && sight.is_judged() && asked {
            let Some(id) = stage.session(sight.key).map(|session| session.id.clone()) else { return };
            let followed = self.started.contains(&(sight.key.device, id));
            ledger.judge(NOTIFIED, followed, || "a session was asked for by nobody");
        }
    }
}
