//! D14, D15, D17, D20 and D21: which credentials are taken.

use std::collections::{BTreeMap, BTreeSet};

use dm_core::{
    auth::{Nonce, Scheme},
    codes::StatusCode,
    ids::{MsgId, SessionId},
    notify::v1_2::Notification,
    wire::{Command, Message, Status},
};

use super::{FRESH, Key, Proof, Side, Sight, Stage, Watcher, vault::Owner};
use crate::{
    Ledger, NodeId, Rule, RuleId,
    dm::{Fact, Services, envelope::Envelope},
};

/// D15.
pub const LATEST: Rule =
    Rule { id: RuleId("D15"), says: "only the last nonce that was given counts, in its session and from then on" };
/// D17.
pub const ZERO: Rule = Rule {
    id: RuleId("D17"),
    says: "the nonce of resynchronisation is taken once, in a session that the server asked for with it, and replaced",
};
/// D20.
pub const NO_WEAKER: Rule =
    Rule { id: RuleId("D20"), says: "nobody shows credentials of a weaker kind than the account's, whoever asks" };
/// D21.
pub const OWN_ACCOUNT: Rule =
    Rule { id: RuleId("D21"), says: "credentials of another account or of the other side are not taken" };

/// What was shown, and what was taken.
#[derive(Default)]
pub(super) struct Credentials {
    /// The nonces that were given, each with the session and the side that gave it first.
    given: BTreeMap<String, (Key, Side)>,
    /// Sessions that a device has taken up again from an earlier record.
    again: BTreeSet<Key>,
    claims: BTreeMap<(Key, Side, MsgId), (Proof, Option<Owner>)>,
    /// Sides that need to prove nothing more in a session.
    proven: BTreeSet<(Key, Side)>,
    /// The message that each nonce was taken for, and the last nonce that was taken.
    taken: BTreeMap<(Owner, u32), (Key, MsgId)>,
    last: BTreeMap<Owner, u32>,
    /// Sessions that a server has asked for with the nonce of resynchronisation.
    armed: BTreeSet<(NodeId, usize, SessionId)>,
    used: BTreeMap<(Owner, SessionId), MsgId>,
    /// Devices that were asked for weaker credentials.
    tempted: BTreeSet<Key>,
}

impl Watcher for Credentials {
    fn rules(&self) -> &'static [Rule] {
        &[FRESH, LATEST, ZERO, NO_WEAKER, OWN_ACCOUNT]
    }

    fn sent(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        if !sight.is_judged() {
            return;
        }
        self.judge_given(sight, ledger);
        self.judge_scheme(stage, sight, ledger);
        let header = sight.message.commands.iter().find_map(|command| match command {
            Command::Status(status) if status.is_for_header() => Some(status),
            _ => None,
        });
        if let Some(status) = header
            && let Some((proof, owner)) = self.claims.get(&(sight.key, sight.side.peer(), status.msg_ref)).copied()
            && !stage.is_in_doubt(sight.key)
        {
            self.judge_taken(stage, sight, status, (proof, owner), ledger);
        }
    }

    fn delivered(&mut self, stage: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        // A message that comes again is the same claim; only the first time were those the nonces. What a device does not
        // wait for it does not read: a reply for another device, in a session of the same name, claims nothing here.
        let claim = (sight.key, sight.side, sight.msg_id());
        if sight.taken && (sight.first || !self.claims.contains_key(&claim)) {
            if sight.proof != Proof::Nothing {
                self.claims.insert(claim, (sight.proof, sight.owner));
            } else if sight.side == Side::Server {
                self.claims.remove(&claim);
            }
        }
        let weakest = stage.towards(sight.key).map(|towards| towards.client.scheme);
        if sight.side == Side::Server
            && sight.taken
            && weakest.is_some_and(|weakest| asked_for(sight.message) < weakest)
        {
            self.tempted.insert(sight.key);
        }
    }

    /// What a store has taken since the backup it does not know: with its next credentials it begins anew.
    fn noted(&mut self, stage: &Stage, node: NodeId, fact: &Fact, _: &Services, _: &mut Ledger) {
        let service = stage.servers.get(&node).copied();
        match fact {
            Fact::Restored { .. } => {
                let of = |owner: &Owner| stage.devices.get(&owner.0).and_then(|one| one.towards.get(owner.1));
                let is_other = |owner: &Owner| of(owner).is_none_or(|towards| towards.service != service);
                self.last.retain(|owner, _| is_other(owner));
                // What it took in a commit that is undone it does not know to have taken.
                self.taken.retain(|(owner, _), (key, _)| is_other(owner) || !stage.is_in_doubt(*key));
            }
            Fact::Forgot { resumes, .. } => {
                self.last.retain(|(device, ..), _| *device != node);
                // What it took of its servers it does not know to have taken.
                self.taken.retain(|((device, _, side), _), _| *device != node || *side == Side::Client);
                self.again.extend(resumes.as_ref().and_then(|_| stage.current(node)));
            }
            _ => {}
        }
    }

    fn pushed(&mut self, stage: &Stage, to: NodeId, envelope: &Envelope, _: &mut Ledger) {
        let Envelope::Notification(bytes) = envelope else { return };
        let Some((digest, trigger)) = bytes.split_first_chunk::<16>() else { return };
        let Ok((read, _)) = Notification::decode(bytes) else { return };
        let Some(watched) = stage.devices.get(&to) else { return };
        let Some(at) = watched.towards.iter().position(|towards| towards.server_id == read.server) else { return };
        if stage.vault.signs((to, at, Side::Server), digest, trigger) == Some(true) {
            self.armed.insert((to, at, read.session.id()));
        }
    }
}

impl Credentials {
    fn judge_given(&mut self, sight: &Sight<'_>, ledger: &mut Ledger) {
        for command in &sight.message.commands {
            let Command::Status(status) = command else { continue };
            let Some(nonce) = status.chal.as_ref().and_then(|chal| chal.meta.next_nonce.as_ref()) else { continue };
            let by = (sight.key, sight.side);
            let before = self.given.get(nonce.reveal()).copied();
            // Who goes on from an earlier record has the nonce in it, and says it again in other words.
            let is_again = sight.side == Side::Client && self.again.contains(&sight.key) && before == Some(by);
            let fresh = before.is_none() || is_again;
            self.given.entry(nonce.reveal().to_owned()).or_insert(by);
            ledger.judge(FRESH, fresh, || format!("message {} gives a nonce that was there", sight.msg_id()));
        }
    }

    fn judge_scheme(&mut self, stage: &Stage, sight: &Sight<'_>, ledger: &mut Ledger) {
        let Some(towards) = stage.towards(sight.key) else { return };
        let account = if sight.side == Side::Client { &towards.client } else { &towards.server };
        let shown = sight.message.header.cred.as_ref().and_then(|cred| cred.meta.as_ref());
        let shown = shown.and_then(|meta| meta.media_type.as_deref()).and_then(Scheme::from_type);
        let weaker = shown.filter(|shown| *shown < account.scheme);
        let tempted = sight.side == Side::Client && self.tempted.contains(&sight.key);
        if shown.is_some() || tempted {
            ledger.judge(NO_WEAKER, weaker.is_none(), || format!("{:?} shows {weaker:?}", sight.side));
        }
    }

    fn judge_taken(
        &mut self,
        stage: &Stage,
        sight: &Sight<'_>,
        status: &Status,
        (proof, owner): (Proof, Option<Owner>),
        ledger: &mut Ledger,
    ) {
        let (key, side) = (sight.key, sight.side.peer());
        let is_taken = matches!(status.code, StatusCode::OK | StatusCode::AUTHENTICATED);
        let about = || format!("message {} of the {side:?}", status.msg_ref);
        if proof == Proof::Foreign {
            ledger.judge(OWN_ACCOUNT, !is_taken, || format!("{} has somebody else's credentials", about()));
        }
        match (proof, owner) {
            (Proof::Zero, Some(owner)) => self.judge_zero(stage, owner, sight, status, ledger),
            (Proof::Zero, None) => {
                ledger.judge(ZERO, !is_taken, || format!("{} is a stranger's", about()));
            }
            (Proof::Nonce { at, last_here }, Some(owner)) if is_taken && !self.proven.contains(&(key, side)) => {
                let message = *self.taken.entry((owner, at)).or_insert((key, status.msg_ref));
                ledger.judge(FRESH, message == (key, status.msg_ref), || {
                    format!("{} has credentials that were taken before", about())
                });
                let before = self.last.insert(owner, at);
                let is_latest = last_here.map_or(before.is_none_or(|before| at >= before), |last| at == last);
                ledger.judge(LATEST, is_latest, || format!("{} is taken with nonce {at}, and not the last", about()));
            }
            _ => {}
        }
        if status.code == StatusCode::AUTHENTICATED {
            self.proven.insert((key, side));
        }
    }

    fn judge_zero(&mut self, stage: &Stage, owner: Owner, sight: &Sight<'_>, status: &Status, ledger: &mut Ledger) {
        let (node, at, side) = owner;
        let is_taken = matches!(status.code, StatusCode::OK | StatusCode::AUTHENTICATED);
        let Some(id) = stage.session(sight.key).map(|session| session.id.clone()) else { return };
        let is_armed = self.armed.contains(&(node, at, id.clone()));
        let given = status.chal.as_ref().and_then(|chal| chal.meta.next_nonce.as_ref());
        let is_replaced =
            given.and_then(|nonce| Nonce::from_base64(nonce.reveal())).is_some_and(|nonce| nonce != Nonce::resync());
        let is_only = !is_taken || *self.used.entry((owner, id)).or_insert(status.msg_ref) == status.msg_ref;
        ledger.judge(ZERO, !is_taken || (is_armed && is_only && is_replaced), || {
            format!("{side:?}: asked for {is_armed}, the only time {is_only}, replaced {is_replaced}")
        });
    }
}

/// The kind of credentials that a challenge asks for.
fn asked_for(message: &Message) -> Scheme {
    let all = message.commands.iter().find_map(|command| match command {
        Command::Status(status) if status.is_for_header() && status.code.is_challenge() => status.chal.as_ref(),
        _ => None,
    });
    // Who asks for nothing asks for nothing weaker.
    all.and_then(|chal| Scheme::from_type(chal.meta.media_type.as_deref()?)).unwrap_or(Scheme::Mac)
}
