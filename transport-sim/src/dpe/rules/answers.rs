//! P02 and P03: every request has its answer, and only that.

use std::collections::{BTreeMap, BTreeSet};

use dpe_core::{
    codes::Code,
    ids::SpId,
    wire::{Kind, Message},
};

use super::{Key, Post, Request, text};
use crate::{Figure, Ledger, Rule, RuleId};

/// P02.
pub const ANSWERED: Rule = Rule { id: RuleId("P02"), says: "every request of an SP gets exactly one final answer" };
/// P03.
pub const FINAL: Rule =
    Rule { id: RuleId("P03"), says: "no answer comes without a request, none after the final one, none to another SP" };

#[derive(Default)]
pub(super) struct Answers {
    /// What SPs want, and whether it has come to its end.
    asked: BTreeMap<String, bool>,
    /// Requests that the server took and has not answered, by what answers them.
    open: BTreeMap<Key, Option<Kind>>,
    closed: BTreeSet<Key>,
    answered: u64,
    twice: u64,
}

impl Answers {
    pub(super) fn asked(&mut self, tag: &str, ledger: &mut Ledger) {
        let is_new = self.asked.insert(tag.to_owned(), false).is_none();
        ledger.judge(ANSWERED, is_new, || format!("{tag} is asked twice"));
    }

    pub(super) fn done(&mut self, tag: &str, status: Option<Code>, ledger: &mut Ledger) {
        let before = self.asked.insert(tag.to_owned(), true);
        self.twice += u64::from(before == Some(true));
        self.answered += u64::from(before == Some(false) && status.is_some());
        ledger.judge(ANSWERED, before == Some(false), || format!("{tag} ends and was not under way"));
        ledger.judge(ANSWERED, status.is_some(), || format!("{tag} ends without an answer"));
    }

    pub(super) fn took(&mut self, sp: &SpId, request: &Request) {
        // Who speaks in the name of another is not answered.
        if text(&request.message.sp_id) != sp.as_str() {
            return;
        }
        self.open.insert((sp.clone(), request.id.clone()), request.message.kind.answer());
    }

    /// An answer was stored.
    pub(super) fn posted(&mut self, post: &Post<'_>, ledger: &mut Ledger) {
        let key = post.key();
        let expected = self.open.remove(&key);
        self.twice += u64::from(self.closed.contains(&key));
        ledger.judge(FINAL, expected == Some(Some(post.message.kind)), || {
            format!("{} has {} for dialogue {} of {expected:?}", post.sp, post.message.kind.name(), post.id)
        });
        self.closed.insert(key);
    }

    pub(super) fn finish(&self, ledger: &mut Ledger) {
        let open: Vec<&String> = self.asked.iter().filter(|(_, done)| !**done).map(|(tag, _)| tag).collect();
        for tag in &open {
            ledger.judge(ANSWERED, false, || format!("{tag} has no end"));
        }
        for (sp, id) in self.open.keys() {
            ledger.judge(ANSWERED, false, || format!("dialogue {id} of {sp} was taken and not answered"));
        }
        ledger.count("requests", Figure::Sum(self.asked.len() as u64));
        ledger.count("answered", Figure::Sum(self.answered));
        ledger.count("answered-twice", Figure::Sum(self.twice));
        ledger.count("unanswered", Figure::Sum(self.asked.len() as u64 - self.answered));
    }
}

/// A message leaves for an SP.
pub(super) fn addressed(sp: Option<&str>, message: &Message, ledger: &mut Ledger) {
    let named = text(&message.sp_id);
    ledger.judge(FINAL, sp == Some(named.as_str()), || format!("a message for {named} goes to {sp:?}"));
}
