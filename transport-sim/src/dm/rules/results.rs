//! D03: what a `Get` found comes once, and only if it found something.

use std::collections::{BTreeMap, BTreeSet};

use dm_core::{
    ids::{CmdId, MsgId},
    wire::{Command, Item},
};

use super::{Key, Side, Sight, Stage, Watcher};
use crate::{End, Ledger, Rule, RuleId, dm::Services};

/// D03.
pub const RESULTS: Rule = Rule {
    id: RuleId("D03"),
    says: "results are for a Get that was sent and has a status of success, and one item comes once",
};

/// What came back for one `Get`.
#[derive(Default)]
struct Got {
    /// The items that came whole.
    whole: BTreeSet<String>,
    succeeded: bool,
}

/// The `Get`s of servers.
#[derive(Default)]
pub(super) struct Answers {
    gets: BTreeMap<(Key, MsgId, CmdId), Got>,
}

impl Watcher for Answers {
    fn rules(&self) -> &'static [Rule] {
        &[RESULTS]
    }

    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        if sight.side == Side::Server {
            super::each_command(&sight.message.commands, &mut |command| {
                if let Command::Get(get) = command {
                    let id = (sight.key, sight.msg_id(), get.cmd_id.clone());
                    self.gets.entry(id).or_default();
                }
            });
            return;
        }
        if !sight.is_judged() || stage.is_in_doubt(sight.key) {
            return;
        }
        for command in &sight.message.commands {
            match command {
                Command::Status(status) if status.cmd == "Get" && status.code.is_success() => {
                    let id = status.cmd_ref.clone().unwrap_or_default();
                    let got = self.gets.get_mut(&(sight.key, status.msg_ref, id));
                    if let Some(got) = got {
                        got.succeeded = true;
                    }
                }
                Command::Results(results) => {
                    let msg_ref = results.msg_ref.unwrap_or(MsgId::FIRST);
                    let got = self.gets.get_mut(&(sight.key, msg_ref, results.cmd_ref.clone()));
                    let about = || format!("results for command {} of message {msg_ref}", results.cmd_ref);
                    ledger.judge(RESULTS, got.is_some(), || format!("{}, which is no Get", about()));
                    for item in got.into_iter().flat_map(|got| results.items.iter().filter_map(|item| got.take(item))) {
                        ledger.judge(RESULTS, false, || format!("{} have {item} twice", about()));
                    }
                }
                _ => {}
            }
        }
    }

    fn finish(&mut self, stage: &Stage, _: &End<'_, Services>, ledger: &mut Ledger) {
        for ((key, msg_id, id), got) in &self.gets {
            let is_judged = stage
                .session(*key)
                .is_some_and(|session| session.is_completed() && !session.is_reopened && !session.is_in_doubt);
            if is_judged && !got.whole.is_empty() {
                ledger.judge(RESULTS, got.succeeded, || format!("Get {id} of message {msg_id} failed, and found"));
            }
        }
    }
}

impl Got {
    /// The item's address, if it had come already.
    fn take(&mut self, item: &Item) -> Option<String> {
        let uri = item.source_uri()?.to_owned();
        if item.more_data {
            return self.whole.contains(&uri).then_some(uri);
        }
        (!self.whole.insert(uri.clone())).then_some(uri)
    }
}
