//! P12, P20, P21 and P24: when a policy reports, and how it and a group end.

use std::collections::{BTreeMap, BTreeSet};

use dpe_core::{codes::Code, ids::SpId, wire::Kind};

use super::{Key, Post, Request, text};
use crate::{Figure, Ledger, Rule, RuleId};

/// P12.
pub const RELEASED: Rule =
    Rule { id: RuleId("P12"), says: "a group that was released is not read or watched until it is set again" };
/// P20.
pub const EXPIRES: Rule =
    Rule { id: RuleId("P20"), says: "every policy ends, and its SP gets the notice of its expiry at most once" };
/// P21.
pub const LIVE: Rule =
    Rule { id: RuleId("P21"), says: "no policy reports before its SP was told that it is set, or after its end" };
/// P24.
pub const CANCELLED: Rule =
    Rule { id: RuleId("P24"), says: "once a release is acknowledged the policy reports no more" };

/// A policy that an SP wants to set, or has set.
#[derive(Clone)]
struct Set {
    policy: String,
    /// The group that it watches, where it watches one.
    group: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Released,
    /// The SP was told so in a last report.
    Told,
}

#[derive(Default)]
pub(super) struct Policies {
    wanted: BTreeMap<Key, Set>,
    live: BTreeMap<Key, Set>,
    ended: BTreeMap<Key, End>,
    /// Those whose client said, when they were released, that it has not got them: they end with that.
    lost: BTreeSet<Key>,
    groups: BTreeSet<(SpId, String)>,
    /// Groups that were released, and not set again since.
    released: BTreeSet<(SpId, String)>,
    /// What each query of a group is about.
    queried: BTreeMap<Key, String>,
    expired: u64,
    twice: u64,
    reports: u64,
}

impl Policies {
    pub(super) fn took(&mut self, sp: &SpId, request: &Request) {
        if matches!(request.message.kind, Kind::PropertyPolicySet | Kind::GroupPolicySet) {
            let set = Set { policy: text(&request.message.policy_id), group: text(&request.message.group_id) };
            self.wanted.insert((sp.clone(), request.id.clone()), set);
        }
        if request.message.kind == Kind::GroupQuery {
            self.queried.insert((sp.clone(), request.id.clone()), text(&request.message.group_id));
        }
    }

    pub(super) fn posted(&mut self, post: &Post<'_>, ledger: &mut Ledger) {
        let (group, is_ok) = (text(&post.message.group_id), post.is_ok());
        match post.message.kind {
            Kind::PropertyReport | Kind::GroupReport => self.reported(post, ledger),
            Kind::GroupPolicySetAck if !is_ok => {
                let group = self.wanted.get(&post.key()).map(|set| set.group.clone());
                self.refused(post.sp, group, ledger);
            }
            Kind::GroupResult if !is_ok => {
                let group = self.queried.remove(&post.key());
                self.refused(post.sp, group, ledger);
            }
            Kind::PropertyPolicySetAck | Kind::GroupPolicySetAck if is_ok => {
                if let Some(set) = self.wanted.get(&post.key()) {
                    if !set.group.is_empty() {
                        self.used(post.sp, &set.group.clone(), ledger);
                    }
                    let set = self.wanted.get(&post.key()).cloned();
                    self.live.extend(set.map(|set| (post.key(), set)));
                }
            }
            Kind::PolicyReleaseAck if is_ok => {
                let policy = text(&post.message.policy_id);
                self.release(post.sp, |set| set.policy == policy, ledger);
            }
            Kind::PolicyReleaseAck if post.message.status.get() == Some(&Code::POLICY_ID_NOT_REGISTERED) => {
                let policy = text(&post.message.policy_id);
                self.lose(post.sp, |set| set.policy == policy);
            }
            Kind::GroupReleaseAck if post.message.status.get() == Some(&Code::GROUP_ID_NOT_REGISTERED) => {
                self.lose(post.sp, |set| set.group == group);
            }
            Kind::GroupSetAck if is_ok => {
                self.released.remove(&(post.sp.clone(), group.clone()));
                self.groups.insert((post.sp.clone(), group));
            }
            Kind::GroupReleaseAck if is_ok => {
                self.groups.remove(&(post.sp.clone(), group.clone()));
                self.released.insert((post.sp.clone(), group.clone()));
                self.release(post.sp, |set| set.group == group, ledger);
            }
            Kind::GroupResult if is_ok => self.used(post.sp, &group, ledger),
            _ => {}
        }
    }

    fn reported(&mut self, post: &Post<'_>, ledger: &mut Ledger) {
        let (key, status) = (post.key(), post.message.status.get().copied());
        let expires = status == Some(Code::POLICY_EXPIRED);
        let is_last = expires || status == Some(Code::POLICY_ID_NOT_REGISTERED);
        let how = || format!("policy {} of {} reports {status:?}", text(&post.message.policy_id), post.sp);
        let was = self.ended.get(&key).copied();
        self.reports += u64::from(!is_last);
        if expires {
            self.expired += 1;
            self.twice += u64::from(was == Some(End::Told));
            ledger.judge(EXPIRES, was != Some(End::Told), || format!("{}, again", how()));
        }
        ledger.judge(CANCELLED, was != Some(End::Released), || format!("{} after its release", how()));
        if was.is_none() || (was == Some(End::Told) && !expires) {
            ledger.judge(LIVE, self.live.contains_key(&key), || format!("{} and is not set", how()));
        }
        if is_last {
            self.live.remove(&key);
            self.ended.insert(key, End::Told);
        }
    }

    fn release(&mut self, sp: &SpId, is_meant: impl Fn(&Set) -> bool, ledger: &mut Ledger) {
        let meant = self.live.iter().filter(|((of, _), set)| of == sp && is_meant(set));
        for key in meant.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.live.remove(&key);
            self.ended.insert(key, End::Released);
            ledger.judge(CANCELLED, true, || "");
        }
    }

    fn lose(&mut self, sp: &SpId, is_meant: impl Fn(&Set) -> bool) {
        let meant = self.live.iter().filter(|((of, _), set)| of == sp && is_meant(set));
        self.lost.extend(meant.map(|(key, _)| key.clone()));
    }

    /// A group was read or is watched.
    fn used(&self, sp: &SpId, group: &str, ledger: &mut Ledger) {
        let is_there = self.groups.contains(&(sp.clone(), group.to_owned()));
        ledger.judge(RELEASED, is_there, || format!("group {group} of {sp} is used and is not set"));
    }

    /// Somebody was told that he cannot read or watch a group: as it must be for one that was released.
    fn refused(&self, sp: &SpId, group: Option<String>, ledger: &mut Ledger) {
        if group.is_some_and(|group| self.released.contains(&(sp.clone(), group))) {
            ledger.judge(RELEASED, true, || "");
        }
    }

    pub(super) fn finish(&self, ledger: &mut Ledger) {
        for ((sp, _), set) in self.live.iter().filter(|(key, _)| !self.lost.contains(key)) {
            ledger.judge(EXPIRES, false, || format!("policy {} of {sp} does not end", set.policy));
        }
        ledger.count("expired", Figure::Sum(self.expired));
        ledger.count("expired-twice", Figure::Sum(self.twice));
        ledger.count("reports", Figure::Sum(self.reports));
    }
}
