//! What an SP has in mind: what it wants by chance, and what it wants next when one thing is done.
//!
//! Chance alone seldom asks for a group that was just released, or has two policies on one client of which it then
//! releases one. What was done is therefore followed by what belongs to it.

use std::collections::BTreeMap;

use core_kit::Millis;
use dpe_core::{
    codes::Code,
    ids::{ClientId, SpId, dpe3},
    policy::{Terms, Watched},
    sp::What,
    wire::{Identity, PropertyName},
};

use super::Party;
use crate::{Context, Site, Span};

const WHAT: Site = Site("sp.what");
const NAME: Site = Site("sp.name");
const DETAIL: Site = Site("sp.detail");
const NEXT: Site = Site("sp.next");
const SOON: Site = Site("sp.soon");

/// How soon one thing follows the other.
const SOON_MS: Span = Span::new(200, 12_000);

/// Lists of properties that an SP asks for. The last ones name what a device lacks, what nobody knows, and what no SP
/// may see.
const ASKED: [&[&str]; 6] = [
    &["batteryLevel", "operatorName", "volumeLevel"],
    &["operatorName", "volumeLevel"],
    &["OSName"],
    &["OSName", "volumeLevel"],
    &["batteryLevel", "muted"],
    &["imei"],
];
/// Members of groups; the last one cannot be set.
const MEMBERS: [&[&str]; 3] = [&["batteryLevel", "operatorName"], &["volumeLevel"], &["muted"]];

/// Something that an SP wants of a client.
pub(super) struct Wish {
    pub(super) client: ClientId,
    pub(super) what: What,
}

/// What an SP wants, and what it remembers to want more.
pub(super) struct Story {
    me: SpId,
    /// Users that it knows by name, where it may look up their Client-IDs.
    users: Vec<Identity>,
    /// What was asked and has no answer yet, by tag.
    open: BTreeMap<String, Wish>,
    /// The clients that its policies are on.
    held: BTreeMap<dpe3::PolicyId, ClientId>,
}

impl Story {
    pub(super) const fn new(me: SpId, users: Vec<Identity>) -> Self {
        Self { me, users, open: BTreeMap::new(), held: BTreeMap::new() }
    }

    /// This was asked.
    pub(super) fn asked(&mut self, tag: String, wish: Wish) {
        self.open.insert(tag, wish);
    }

    /// A policy is no more.
    pub(super) fn ended(&mut self, policy: &dpe3::PolicyId) {
        self.held.remove(policy);
    }

    /// What was asked under this tag has its answer: what is wanted next, and how soon.
    pub(super) fn done(
        &mut self,
        ctx: &mut Context<'_, Party>,
        tag: &str,
        status: Option<Code>,
    ) -> Option<(Millis, Wish)> {
        let Wish { client, what } = self.open.remove(tag)?;
        let is_ok = status?.is_ok();
        match &what {
            What::PolicySet(policy, ..) if is_ok => _ = self.held.insert(policy.clone(), client.clone()),
            What::PolicyRelease(policy) if is_ok => self.ended(policy),
            _ => {}
        }
        if ctx.is_healed() {
            return None;
        }
        let what = self.next(ctx, &client, what, is_ok)?;
        Some((ctx.draw(SOON, None, SOON_MS), Wish { client, what }))
    }

    /// What follows.
    fn next(&self, ctx: &mut Context<'_, Party>, client: &ClientId, what: What, is_ok: bool) -> Option<What> {
        let turn = ctx.choose(NEXT, None, 4);
        Some(match (what, is_ok, turn) {
            // The value may have changed, and must not go back.
            (What::Query(names), true, 2..) => What::Query(names),
            (What::GroupSet(group, _), true, 0) | (What::GroupQuery(group), true, 2..) => What::GroupRelease(group),
            // What was released nobody can read or watch, until it is set again.
            (What::GroupSet(group, _), true, 2..)
            | (What::GroupQuery(group), true, 1)
            | (What::GroupRelease(group), true, 0..3) => What::GroupQuery(group),
            (What::GroupSet(group, _), true, 1) | (What::GroupRelease(group), true, _) => {
                self.policy(ctx, Watched::Group(group))?
            }
            (What::GroupQuery(group), false, 2..) => What::GroupSet(group, names(MEMBERS.first()?)),
            (What::PolicySet(policy, ..), true, _) => {
                match self.held.iter().find(|(other, on)| *on == client && **other != policy) {
                    Some((other, _)) if turn == 1 => What::PolicyRelease(other.clone()),
                    Some(_) if turn == 2 => What::PolicyRelease(policy),
                    _ if turn == 0 => return None,
                    _ => self.policy(ctx, Watched::Property("batteryLevel".try_into().ok()?))?,
                }
            }
            (What::PolicyRelease(policy), true, 3) => What::PolicyRelease(policy),
            _ => return None,
        })
    }

    /// What it wants by chance.
    pub(super) fn any(&self, ctx: &mut Context<'_, Party>) -> Option<What> {
        Some(match ctx.choose(WHAT, None, 16) {
            0..4 => What::Query(names(ASKED.get(detail(ctx, ASKED.len()))?)),
            4..7 => {
                let members = names(MEMBERS.get(detail(ctx, MEMBERS.len()))?);
                What::GroupSet(self.group(ctx)?, members)
            }
            7 => What::GroupQuery(self.group(ctx)?),
            8 => What::GroupRelease(self.group(ctx)?),
            9..12 => self.policy(ctx, Watched::Property("batteryLevel".try_into().ok()?))?,
            12 | 13 => {
                let on = Watched::Group(self.group(ctx)?);
                self.policy(ctx, on)?
            }
            14 => What::PolicyRelease(self.name('p', ctx).try_into().ok()?),
            _ => match self.users.get(detail(ctx, self.users.len().max(1))) {
                Some(user) => What::ClientIds(user.clone()),
                None => What::GroupQuery(self.group(ctx)?),
            },
        })
    }

    fn policy(&self, ctx: &mut Context<'_, Party>, on: Watched<dpe3::GroupId>) -> Option<What> {
        let options = if matches!(on, Watched::Group(_)) { 2 } else { 3 };
        let (terms, seconds) = match detail(ctx, options) {
            0 => (Terms::new("Periodic", &[("interval", "40")]), 130),
            1 => (Terms::new("OnChange", &[("min-interval", "20"), ("report-initial", "true")]), 240),
            _ => (Terms::new("Threshold", &[("operator", "lt"), ("value", "30"), ("hysteresis", "5")]), 200),
        };
        Some(What::PolicySet(self.name('p', ctx).try_into().ok()?, on, terms, Some(seconds)))
    }

    fn group(&self, ctx: &mut Context<'_, Party>) -> Option<dpe3::GroupId> {
        self.name('g', ctx).try_into().ok()
    }

    /// Half of the names are such that other SPs use the same; a name of one's own is an alarm wherever else it shows.
    fn name(&self, letter: char, ctx: &mut Context<'_, Party>) -> String {
        match ctx.choose(NAME, None, 4) {
            n @ 0..2 => format!("{letter}{n}"),
            n => format!("{}-{letter}{n}", self.me),
        }
    }
}

fn detail(ctx: &mut Context<'_, Party>, options: usize) -> usize {
    ctx.choose(DETAIL, None, u32::try_from(options).unwrap_or(1)) as usize
}

pub(super) fn names(texts: &[&str]) -> Vec<PropertyName> {
    texts.iter().filter_map(|text| (*text).try_into().ok()).collect()
}
