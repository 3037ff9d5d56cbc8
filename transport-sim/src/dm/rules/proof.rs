//! D13: nothing reaches the tree before both sides have proved themselves.

use std::collections::BTreeMap;

use dm_core::{codes::StatusCode, wire::Command};

use super::{Key, Proof, Side, Sight, Stage, Watcher};
use crate::{
    Ledger, NodeId, Rule, RuleId,
    dm::{Fact, Services},
};

/// D13.
pub const AUTHENTICATED: Rule = Rule {
    id: RuleId("D13"),
    says: "no command of a server reaches the tree before both sides have shown credentials of this session",
};

/// What was shown in each session.
#[derive(Default)]
pub(super) struct Shown {
    sessions: BTreeMap<Key, Credentials>,
}

#[derive(Clone, Copy, Default)]
struct Credentials {
    client: bool,
    client_was_told: bool,
    server: bool,
}

impl Watcher for Shown {
    fn rules(&self) -> &'static [Rule] {
        &[AUTHENTICATED]
    }

    fn delivered(&mut self, _: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        let shown = self.sessions.entry(sight.key).or_default();
        let proven = sight.proof.is_good();
        match sight.side {
            Side::Client => shown.client |= proven,
            Side::Server => {
                shown.server |= proven;
                shown.client_was_told |= shown.client && accepts(sight) || sight.proof == Proof::Transport;
            }
        }
    }

    fn noted(&mut self, stage: &Stage, node: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        let Fact::Executed { kind, uri, .. } = fact else { return };
        let shown = stage.current(node).and_then(|key| self.sessions.get(&key)).copied().unwrap_or_default();
        ledger.judge(AUTHENTICATED, shown.client && shown.client_was_told && shown.server, || {
            format!("{} {uri} with credentials of {shown}", kind.name())
        });
    }
}

impl core::fmt::Display for Credentials {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match (self.client && self.client_was_told, self.server) {
            (true, true) => "both",
            (true, false) => "the client only",
            (false, true) => "the server only",
            (false, false) => "neither side",
        })
    }
}

/// Whether the message tells its receiver that its credentials are good.
fn accepts(sight: &Sight<'_>) -> bool {
    // Damage may make another code of it, which counts by its first digit where nobody knows it.
    let says_so = |code: StatusCode| {
        matches!(code, StatusCode::AUTHENTICATED | StatusCode::OK) || (sight.is_altered && code.is_success())
    };
    sight.message.commands.iter().any(|command| match command {
        Command::Status(status) => status.is_for_header() && says_so(status.code),
        _ => false,
    })
}
