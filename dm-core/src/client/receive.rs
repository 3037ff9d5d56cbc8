//! From a reply that came in to what it means for both sides' standing.

use alloc::{boxed::Box, vec::Vec};

use core_kit::Env;

use super::{
    Authenticate, Output, Report, Session,
    phase::{Asking, Draft, Held, Next, Sender, Standing},
};
use crate::{
    auth::{Claim, Nonce, Scheme, Scope, Verdict},
    codes::{AlertCode, StatusCode},
    fault::PeerFault,
    session::{Answering, Outcome, Verdicts, refuse_all, table::EventKind},
    version,
    wire::{Chal, Command, Message, Status},
};

impl Session {
    /// Takes a reply: what it says of this client first, then who sent it, then what it wants [digest 4.6].
    pub(super) fn receive(
        &mut self,
        env: &Env,
        message: Box<Message>,
        status: usize,
        sender: Sender,
        out: &mut Vec<Output>,
    ) -> Next {
        let header = &message.header;
        self.common.now = env.now;
        self.common.heard = header.msg_id;
        self.common.messages = self.common.messages.saturating_add(1);
        if self.common.messages > self.profile.session.messages_max {
            return Next::over(Outcome::Failed(PeerFault::Endless));
        }
        if let Some(url) = &header.resp_uri {
            self.common.url = url.as_str().into();
        }
        if let Some(size) = header.meta.as_ref().and_then(|meta| meta.max_msg_size) {
            self.common.max_msg_size = Some(size);
        }
        if let Some(size) = header.meta.as_ref().and_then(|meta| meta.max_obj_size) {
            self.common.max_obj_size = Some(size);
        }
        // An abort needs no proof: it makes nobody do anything.
        if message.commands.iter().any(is_abort) && !core_kit::planted!("D11-abort-ignored") {
            return Next::over(Outcome::PeerAborted);
        }
        let Some(Command::Status(status)) = message.commands.get(status) else {
            return Next::over(Outcome::Failed(PeerFault::WrongReference));
        };
        let challenged = match self.read_own_standing(status, sender.identity.is_some(), out) {
            Ok(challenged) => challenged,
            Err(outcome) => return Next::over(outcome),
        };
        self.landed(!challenged);
        if core_kit::planted!("D13-server-unproven") {
            self.common.server = Standing::Proven;
        }
        let issued = match &self.common.server {
            Standing::Proven => {
                self.hand_out(out);
                return self.proceed(env, &Held { message, challenged }, Verdicts::plain(StatusCode::OK), None, out);
            }
            Standing::Unproven { nonce, .. } | Standing::PerMessage { nonce, .. } => nonce.clone(),
        };
        let Sender { presented, identity } = sender;
        let claim = Claim {
            peer: header.source.uri.clone(),
            session: header.session_id.clone(),
            presented,
            nonce: issued,
            transport: identity,
        };
        // Even valid credentials are no good if others were asked for [DM SEC 1.2, 5.4.1].
        if let Some(scheme) = self.common.server.wanted().filter(|wanted| claim.presented.is_other_than(*wanted)) {
            let fault = PeerFault::WrongScheme(scheme);
            out.push(Output::Report(Report::Fault { msg_id: Some(self.common.heard), fault }));
            out.push(Output::Report(Report::ServerNotAuthenticated));
            return Next::over(Outcome::ServerNotAuthenticated);
        }
        let question = Authenticate { id: self.next_question(), claim };
        Next::Ask(Asking::Authenticating(question, Held { message, challenged }.into()).into())
    }

    /// What the server says of this client: whether it wants other credentials. `is_known` says whether the transport
    /// has authenticated it.
    fn read_own_standing(&mut self, status: &Status, is_known: bool, out: &mut Vec<Output>) -> Result<bool, Outcome> {
        let chal = status.chal.as_ref().map(|chal| &chal.meta);
        let scheme = chal.and_then(|meta| meta.media_type.as_deref()).and_then(Scheme::from_type);
        let nonce = chal.and_then(Nonce::given);
        if !status.code.is_final() {
            // It says nothing yet (101): what was known still holds.
            return Ok(false);
        }
        let own = &mut self.common.own;
        if status.code.is_success() {
            if !core::mem::replace(&mut own.reported, true) {
                out.push(Output::Report(Report::Authenticated { scheme: own.scheme }));
            }
            if own.seals() && (status.code == StatusCode::AUTHENTICATED || nonce.is_none()) {
                let fault = PeerFault::NoNextNonce;
                out.push(Output::Report(Report::Fault { msg_id: Some(self.common.heard), fault: fault.clone() }));
                return Err(Outcome::Failed(fault));
            }
            if let Some(nonce) = nonce.or(own.nonce.clone().filter(|_| !own.believed)) {
                // Without a new nonce the one just used stays the last that was issued.
                (own.nonce, own.unstored) = (Some(nonce.clone()), Some(nonce));
            }
            own.recommended = version::recommended(&status.items).or(own.recommended);
            // 212 is for the session. So is 200 if nothing was shown: then nothing was needed.
            own.believed |= status.code == StatusCode::AUTHENTICATED || own.scheme.is_none();
            return Ok(false);
        }
        if !status.code.is_challenge() {
            let recommended = version::recommended(&status.items);
            return Err(match status.code {
                code @ (StatusCode::DTD_NOT_SUPPORTED | StatusCode::PROTOCOL_NOT_SUPPORTED) => {
                    let trusted = is_known || self.common.server == Standing::Proven;
                    Outcome::VersionRefused { code, recommended, trusted }
                }
                code => Outcome::PeerRefused(code),
            });
        }
        out.push(Output::Report(Report::NotBelieved(status.code)));
        let fault = match (scheme, &nonce) {
            (None, _) | (Some(Scheme::Md5 | Scheme::Mac), None) => Some(PeerFault::NoChallenge),
            (Some(scheme), _) if scheme < self.profile.weakest && !core_kit::planted!("D20-talked-down") => {
                Some(PeerFault::WeakChallenge(scheme))
            }
            _ => None,
        };
        if let Some(fault) = fault {
            out.push(Output::Report(Report::Fault { msg_id: Some(self.common.heard), fault }));
            return Err(Outcome::ClientNotAuthenticated);
        }
        let shown = own.scheme.is_some();
        own.challenges += 1;
        own.wrong += u32::from(shown && status.code == StatusCode::UNAUTHORIZED);
        let is_kept = [core_kit::planted!("D16-nonce-ignored"), core_kit::planted!("D15-older-nonce")].contains(&true);
        let nonce = if is_kept { own.nonce.clone() } else { nonce };
        (own.scheme, own.nonce, own.believed) = (scheme, nonce, false);
        let wrong_max = self.profile.session.wrong_credentials_max;
        if own.wrong >= wrong_max || own.challenges > wrong_max {
            return Err(Outcome::ClientNotAuthenticated);
        }
        Ok(true)
    }

    /// Goes on with a reply whose sender was judged.
    pub(super) fn judged(
        &mut self,
        env: &Env,
        claim: &Claim,
        held: &Held,
        verdict: Verdict,
        out: &mut Vec<Output>,
    ) -> (EventKind, Next) {
        match verdict {
            Verdict::Accepted(scope) => {
                out.push(Output::Report(Report::ServerAuthenticated));
                self.hand_out(out);
                let scheme = claim.presented.scheme();
                // No message is believed for another one's seal.
                let scope = if scheme == Some(Scheme::Mac) { Scope::Message } else { scope };
                let digest = scheme.filter(|scheme| scheme.needs_nonce() && scope != Scope::Transport);
                let next = digest.map(|_| self.draw_nonce(env));
                let (standing, code) = match scope {
                    Scope::Session => (Standing::Proven, StatusCode::AUTHENTICATED),
                    Scope::Transport => (Standing::Proven, StatusCode::OK),
                    Scope::Message => {
                        let nonce = next.clone().or(claim.nonce.clone());
                        (Standing::PerMessage { nonce, scheme }, StatusCode::OK)
                    }
                };
                self.common.server = standing;
                let chal = digest.map(|scheme| Chal::new(scheme, next.as_ref()).into());
                (EventKind::Believed, self.proceed(env, held, Verdicts { code, chal, version: None }, next, out))
            }
            Verdict::Challenge { scheme, nonce } => {
                out.push(Output::Report(Report::ServerNotAuthenticated));
                (EventKind::Challenged, self.challenge(env, claim, held, scheme, nonce, out))
            }
            Verdict::Refused(_) | Verdict::LockedOut => {
                out.push(Output::Report(Report::ServerNotAuthenticated));
                (EventKind::Ended, Next::over(Outcome::ServerNotAuthenticated))
            }
        }
    }

    fn challenge(
        &mut self,
        env: &Env,
        claim: &Claim,
        held: &Held,
        scheme: Scheme,
        nonce: Option<Nonce>,
        out: &mut Vec<Output>,
    ) -> Next {
        let refused = match self.common.server {
            Standing::Unproven { refused, .. } => refused + 1,
            // Once a message was sealed, one that is not, or not well, ends the session [DM SEC 1.2, 5.4.3].
            Standing::PerMessage { scheme: Some(Scheme::Mac), .. } => {
                return Next::over(Outcome::ServerNotAuthenticated);
            }
            Standing::PerMessage { .. } | Standing::Proven => 1,
        };
        let has_commands = held.message.commands.iter().any(|command| !matches!(command, Command::Status(_)));
        // A message of nothing but a challenge is not sent [DM 1.2, 9]; and the third one would be no better.
        if (!has_commands && !held.challenged) || refused > self.profile.session.wrong_credentials_max {
            return Next::over(Outcome::ServerNotAuthenticated);
        }
        let nonce = scheme.needs_nonce().then(|| nonce.unwrap_or_else(|| self.draw_nonce(env)));
        let code = claim.presented.refusal();
        let verdict = Verdicts::challenge(code, Chal::new(scheme, nonce.as_ref()));
        self.common.server = Standing::Unproven { nonce, scheme: Some(scheme), refused };
        let statuses = refuse_all(&held.message, code);
        let draft = Draft {
            answering: Some((Answering::new(&held.message.header), verdict)),
            commands: statuses.into_iter().map(Command::Status).collect(),
            opening: held.challenged,
            ..Draft::default()
        };
        self.sign_and_send(env, draft, out)
    }

    /// Goes on with a reply whose sender is believed.
    fn proceed(
        &mut self,
        env: &Env,
        held: &Held,
        verdict: Verdicts,
        issued: Option<Nonce>,
        out: &mut Vec<Output>,
    ) -> Next {
        let answering = Answering::new(&held.message.header);
        if !held.challenged {
            let draft = Draft { answering: Some((answering, verdict)), issued, ..Draft::default() };
            return self.execute(env, &held.message, draft, out);
        }
        // Back to package 1 [DM 1.2, 9]. A challenge comes without commands; if not, they are not carried out.
        let statuses = refuse_all(&held.message, StatusCode::BAD_REQUEST);
        let draft = Draft {
            answering: Some((answering, verdict)),
            commands: statuses.into_iter().map(Command::Status).collect(),
            opening: true,
            issued,
            ..Draft::default()
        };
        self.sign_and_send(env, draft, out)
    }

    /// Hands out what is meant for this client's next session, now that its giver is believed.
    fn hand_out(&mut self, out: &mut Vec<Output>) {
        let own = &mut self.common.own;
        out.extend(own.unstored.take().map(|nonce| Output::Report(Report::ClientNonce(nonce))));
        out.extend(own.recommended.take().map(|version| Output::Report(Report::VersionRecommended(version))));
    }

    fn draw_nonce(&self, env: &Env) -> Nonce {
        Nonce::drawn(env.draw("dm.client.next-nonce", self.common.revision))
    }
}

fn is_abort(command: &Command) -> bool {
    matches!(command, Command::Alert(alert) if alert.code == Some(AlertCode::SESSION_ABORT))
}
