//! Who believes whom: verdicts on the device, and what the device says of this server [DM SEC 1.2, 5.3; digest 4.6].

use alloc::vec::Vec;

use core_kit::Env;

use super::{
    Authenticate, Output, Report, Session,
    phase::{Asking, Draft, Next, Standing, Taken},
    receive::Work,
};
use crate::{
    auth::{Claim, Nonce, Presented, Scheme, Scope, Verdict},
    codes::StatusCode,
    fault::PeerFault,
    ids::MsgId,
    session::{Outcome, Verdicts, refuse_all, table::EventKind},
    wire::{Chal, Command, Message},
};

/// What the device said of this server's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OwnStanding {
    /// Nothing that changes what comes next.
    Unchanged,
    /// It wants other ones, and nothing of the last message was carried out.
    Challenged,
    /// It is lost.
    Lost(Outcome),
}

/// What a challenge asks for.
struct Demand {
    scheme: Scheme,
    /// The nonce to use; nothing to draw one.
    nonce: Option<Nonce>,
    /// Whether it is the last word.
    ends: bool,
}

impl Session {
    /// Goes on with a message, once it is known who sent it.
    pub(super) fn doubt(&mut self, env: &Env, taken: Taken, out: &mut Vec<Output>) -> (EventKind, Next) {
        if core_kit::planted!("D13-client-unproven") {
            self.common.client = Standing::Proven;
        }
        let issued = match &self.common.client {
            Standing::Proven => {
                let next = self.work(env, &taken, Verdicts::plain(StatusCode::OK), out);
                return (EventKind::Received, next);
            }
            Standing::Unproven { nonce, .. } | Standing::PerMessage { nonce, .. } => nonce.clone(),
        };
        let claim = Claim {
            peer: taken.message.header.source.uri.clone(),
            session: taken.message.header.session_id.clone(),
            presented: taken.presented.clone(),
            nonce: issued,
            transport: taken.identity.clone(),
        };
        // Even valid credentials are no good if others were asked for [DM SEC 1.2, 5.4.1].
        if let Some(scheme) = self.common.client.wanted().filter(|wanted| claim.presented.is_other_than(*wanted)) {
            let fault = PeerFault::WrongScheme(scheme);
            out.push(Output::Report(Report::Fault { msg_id: taken.message.header.msg_id, fault }));
            let demand = Demand { scheme, nonce: None, ends: true };
            return (EventKind::Ended, self.challenge(env, &claim, &taken, demand, out));
        }
        let question = Authenticate { id: self.next_question(), claim };
        (EventKind::Received, Next::Ask(Asking::Authenticating(question, taken.into()).into()))
    }

    /// Goes on with a message whose sender was judged.
    pub(super) fn judged(
        &mut self,
        env: &Env,
        claim: &Claim,
        taken: &Taken,
        verdict: Verdict,
        prove: Option<Scheme>,
        out: &mut Vec<Output>,
    ) -> (EventKind, Next) {
        match verdict {
            Verdict::Accepted(scope) => {
                let verdict = self.believe(env, claim, scope, prove, out);
                (EventKind::Believed, self.work(env, taken, verdict, out))
            }
            Verdict::Challenge { scheme, nonce } => {
                // Once a message was sealed, one that is not, or not well, ends the session [DM SEC 1.2, 5.4.3].
                let ends = matches!(self.common.client, Standing::PerMessage { scheme: Some(Scheme::Mac), .. });
                (EventKind::Challenged, self.challenge(env, claim, taken, Demand { scheme, nonce, ends }, out))
            }
            Verdict::Refused(code) => (EventKind::Ended, self.turn_away(env, taken, code, Outcome::Refused(code), out)),
            Verdict::LockedOut => {
                (EventKind::Ended, self.turn_away(env, taken, StatusCode::BUSY, Outcome::LockedOut, out))
            }
        }
    }

    /// Answers a message of somebody who is not served, and ends the session.
    fn turn_away(
        &mut self,
        env: &Env,
        taken: &Taken,
        code: StatusCode,
        outcome: Outcome,
        out: &mut Vec<Output>,
    ) -> Next {
        self.common.client = Standing::default();
        let (statuses, end) = (refuse_all(&taken.message, code), Some(outcome));
        self.send(env, Draft { statuses, end, ..Draft::new(taken, Verdicts::plain(code)) }, None, out)
    }

    fn believe(
        &mut self,
        env: &Env,
        claim: &Claim,
        scope: Scope,
        prove: Option<Scheme>,
        out: &mut Vec<Output>,
    ) -> Verdicts {
        let (scheme, mut version) = (claim.presented.scheme(), None);
        if matches!(self.common.client, Standing::Unproven { .. }) {
            let user = claim.presented.user().map(Into::into);
            out.push(Output::Report(Report::Authenticated { user, scheme }));
            self.common.own.prove = prove;
            version = self.version_to_recommend();
        }
        // No message is believed for another one's seal.
        let scope = if scheme == Some(Scheme::Mac) { Scope::Message } else { scope };
        // A digest is good once: its nonce is followed by a new one, for the next message or the next session.
        let digest = scheme.filter(|scheme| scheme.needs_nonce() && scope != Scope::Transport);
        let next = digest.map(|_| self.draw_nonce(env));
        if let Some(nonce) = &next {
            out.push(Output::Report(Report::ClientNonce(nonce.clone())));
        }
        let chal = digest.map(|scheme| Chal::new(scheme, next.as_ref()).into());
        let (standing, code) = match scope {
            Scope::Session => (Standing::Proven, StatusCode::AUTHENTICATED),
            Scope::Transport => (Standing::Proven, StatusCode::OK),
            Scope::Message => (Standing::PerMessage { nonce: next.or(claim.nonce.clone()), scheme }, StatusCode::OK),
        };
        self.common.client = standing;
        // Whoever shows this is in the new session.
        self.common.previous = None;
        Verdicts { code, chal, version }
    }

    fn challenge(&mut self, env: &Env, claim: &Claim, taken: &Taken, demand: Demand, out: &mut Vec<Output>) -> Next {
        let Demand { scheme, nonce, ends } = demand;
        let (mut wrong, mut challenges) = match self.common.client {
            Standing::Unproven { wrong, challenges, .. } => (wrong, challenges),
            Standing::PerMessage { .. } | Standing::Proven => (0, 0),
        };
        challenges += 1;
        if claim.presented != Presented::Nothing {
            wrong += 1;
            out.push(Output::Report(Report::AuthenticationFailed { scheme: claim.presented.scheme() }));
        }
        let nonce = scheme.needs_nonce().then(|| nonce.unwrap_or_else(|| self.draw_nonce(env)));
        let code = claim.presented.refusal();
        let verdict = Verdicts::challenge(code, Chal::new(scheme, nonce.as_ref()));
        // One challenge more than wrong credentials: a device that showed none has not been wrong.
        let wrong_max = self.profile.session.wrong_credentials_max;
        let last = ends || wrong >= wrong_max || challenges > wrong_max;
        self.common.client = Standing::Unproven { nonce, scheme: Some(scheme), wrong, challenges };
        let draft = Draft {
            statuses: refuse_all(&taken.message, code),
            end: last.then_some(Outcome::ClientNotAuthenticated),
            ..Draft::new(taken, verdict)
        };
        self.send(env, draft, None, out)
    }

    fn draw_nonce(&self, env: &Env) -> Nonce {
        if core_kit::planted!("D14-nonce-again") {
            return Nonce::drawn([7; 32]);
        }
        Nonce::drawn(env.draw("dm.server.next-nonce", self.common.revision))
    }

    /// What the device says of this server's own credentials.
    pub(super) fn read_own_standing(&mut self, message: &Message, work: &mut Work) -> OwnStanding {
        let sent = self.common.sent;
        // Before the first reply there is nothing to be told of; some clients tell all the same [digest 12.1].
        if sent == MsgId(0) {
            return OwnStanding::Unchanged;
        }
        let mut header = message.commands.iter().filter_map(|command| match command {
            Command::Status(status) if status.is_for_header() && status.msg_ref == sent => Some(status),
            _ => None,
        });
        let Some(first) = header.next() else {
            work.fault(PeerFault::NoHeaderStatus);
            return OwnStanding::Unchanged;
        };
        // "In progress" says nothing yet; what counts may follow it.
        let is_final = |code: StatusCode| code != StatusCode::IN_PROGRESS;
        let Some(status) = core::iter::once(first).chain(header).find(|status| is_final(status.code)) else {
            return OwnStanding::Unchanged;
        };
        let offered = status.chal.as_ref().and_then(|chal| {
            let scheme = chal.meta.media_type.as_deref().and_then(Scheme::from_type)?;
            Some((scheme, Nonce::given(&chal.meta)))
        });
        match status.code {
            code if code.is_success() => self.accepted(code, offered, work),
            code if code.is_challenge() => self.challenged(code, offered, work),
            code => OwnStanding::Lost(Outcome::PeerRefused(code)),
        }
    }

    fn accepted(&mut self, code: StatusCode, offered: Option<(Scheme, Option<Nonce>)>, work: &mut Work) -> OwnStanding {
        let own = &mut self.common.own;
        let next = offered.and_then(|(_, nonce)| nonce);
        if own.seals() && (code == StatusCode::AUTHENTICATED || next.is_none()) {
            work.fault(PeerFault::NoNextNonce);
            return OwnStanding::Lost(Outcome::Failed(PeerFault::NoNextNonce));
        }
        if code == StatusCode::AUTHENTICATED && own.prove.is_some() {
            own.believed = true;
        }
        // Without a new nonce the one just used stays the last that was issued.
        if let Some(nonce) = next.or(own.nonce.clone()) {
            own.nonce = Some(nonce.clone());
            work.reports.push(Report::ServerNonce(nonce));
        }
        OwnStanding::Unchanged
    }

    fn challenged(
        &mut self,
        code: StatusCode,
        offered: Option<(Scheme, Option<Nonce>)>,
        work: &mut Work,
    ) -> OwnStanding {
        work.reports.push(Report::NotBelieved(code));
        let own = &mut self.common.own;
        own.refusals += 1;
        own.believed = false;
        // A device cannot talk the server down to showing its password.
        let weakest = own.prove.unwrap_or(Scheme::Md5);
        let met = match offered {
            Some((scheme, _)) if scheme < weakest => Err(PeerFault::WeakChallenge(scheme)),
            None => Err(PeerFault::NoChallenge),
            Some((scheme, None)) if scheme.needs_nonce() => Err(PeerFault::NoChallenge),
            Some((scheme, nonce)) => Ok((scheme, nonce)),
        };
        match met {
            Ok((scheme, nonce)) if own.refusals <= self.profile.session.wrong_credentials_max => {
                let nonce = if core_kit::planted!("D16-nonce-kept") { own.nonce.clone() } else { nonce };
                (own.prove, own.nonce) = (Some(scheme), nonce);
                // In front, in their order: they come before what is still waiting.
                for order in self.common.outstanding.take_back(self.common.sent).into_iter().rev() {
                    self.common.queue.push_front(order);
                }
                if let Some(sending) = self.common.sending.take() {
                    self.common.queue.push_front(sending.order);
                }
                OwnStanding::Challenged
            }
            Ok(_) => OwnStanding::Lost(Outcome::ServerNotAuthenticated),
            Err(fault) => {
                work.fault(fault);
                OwnStanding::Lost(Outcome::ServerNotAuthenticated)
            }
        }
    }
}
