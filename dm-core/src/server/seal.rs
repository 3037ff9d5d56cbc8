//! What speaks for a reply: credentials that go into it, or a seal over all of it [DM SEC 1.2, 5.4].

use alloc::vec::Vec;

use core_kit::Env;
use smol_str::SmolStr;

use super::{
    Output, Session, Sign,
    phase::{Answered, Asking, Draft, Next, Rest, Standing, Written},
};
use crate::{
    auth::{BodyHash, Mac, Scheme, SignRequest, Signature},
    session::Outcome,
};

impl Session {
    /// Sends the reply, with credentials where the device has not believed this server for the session yet.
    pub(super) fn sign_and_send(&mut self, env: &Env, draft: Draft, out: &mut Vec<Output>) -> Next {
        match self.common.own.prove {
            // The name is in the message, so it is asked for before that is written; once.
            Some(scheme) if !self.common.own.believed && !self.common.own.seals() => {
                let question = self.sign_question(scheme, None);
                Next::Ask(Asking::Signing(question, draft).into())
            }
            _ => self.send(env, draft, None, out),
        }
    }

    /// Goes on with a reply whose credentials have come.
    pub(super) fn signed(
        &mut self,
        env: &Env,
        draft: Draft,
        scheme: Scheme,
        signature: Option<Signature>,
        out: &mut Vec<Output>,
    ) -> Next {
        if scheme == Scheme::Mac {
            self.common.own.user = signature.map(|signature| signature.user);
            return self.send(env, draft, None, out);
        }
        let signature = signature.map(|signature| (scheme, signature));
        self.send(env, draft, signature.as_ref(), out)
    }

    /// `Source/LocName` of a reply that will be sealed.
    pub(super) fn name_to_show(&self) -> Option<SmolStr> {
        self.common.own.user.clone().filter(|_| self.is_sealing())
    }

    /// Lets a written reply go, once it is sealed where it must be.
    pub(super) fn seal(&mut self, env: &Env, written: Written, out: &mut Vec<Output>) -> Next {
        if !self.is_sealing() {
            return self.release(env, written, None, out);
        }
        let body = BodyHash::of(&written.reply.body);
        let question = self.sign_question(Scheme::Mac, Some(body));
        Next::Ask(Asking::Sealing(question, written).into())
    }

    /// Lets a reply go, and waits for the device or ends the session.
    pub(super) fn release(
        &mut self,
        env: &Env,
        written: Written,
        seal: Option<&Signature>,
        out: &mut Vec<Output>,
    ) -> Next {
        let Written { answered: (msg_id, hash), mut reply, end } = written;
        reply.mac = seal.and_then(Mac::of_signature).map(|mac| mac.to_field());
        self.common.last = Some(Answered { msg_id, hash, reply: reply.clone() });
        out.push(Output::Reply(reply));
        if let Some(outcome) = end {
            return self.finish(outcome, out);
        }
        let patience = match self.common.client {
            Standing::Unproven { .. } => self.profile.unauthenticated_ms,
            Standing::PerMessage { .. } | Standing::Proven => self.profile.idle_ms,
        };
        Next::Rest(Rest::Waiting { until: env.now + patience })
    }

    fn finish(&mut self, outcome: Outcome, out: &mut Vec<Output>) -> Next {
        self.close(out);
        out.push(Output::Finished(outcome.clone()));
        Rest::over(outcome)
    }

    /// Whether the reply under way is sealed: every one is that a believed device gets. To others there is nothing to
    /// prove, and their nonces are nobody's.
    fn is_sealing(&self) -> bool {
        self.common.own.seals() && self.is_authenticated()
    }

    fn sign_question(&mut self, scheme: Scheme, body: Option<BodyHash>) -> Sign {
        let peer = self.common.peer.as_ref().map(|peer| peer.device.as_str().into()).unwrap_or_default();
        let request = SignRequest { peer, scheme, nonce: self.common.own.nonce.clone(), body };
        Sign { id: self.next_question(), request }
    }
}
