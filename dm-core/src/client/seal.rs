//! What speaks for a message: credentials that go into it, or a seal over all of it [DM SEC 1.2, 5.4].

use alloc::vec::Vec;

use core_kit::Env;
use smol_str::SmolStr;

use super::{
    Output, Report, Session, Sign,
    phase::{Asking, Draft, Next, Rest, Wait, Waiting, Written},
};
use crate::auth::{BodyHash, Mac, Scheme, SignRequest, Signature};

impl Session {
    /// Sends the message, with credentials where the server has not believed this client for the session yet.
    pub(super) fn prove_and_send(&mut self, env: &Env, draft: Draft, out: &mut Vec<Output>) -> Next {
        match self.common.own.scheme {
            // The name is in the message, so it is asked for before that is written; once.
            Some(scheme) if !self.common.own.believed && !self.common.own.seals() => {
                let question = self.sign_question(scheme, None);
                Next::Ask(Asking::Signing(question, draft.into()).into())
            }
            _ => self.send(env, draft, None, out),
        }
    }

    /// Goes on with a message whose credentials have come.
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

    /// `Source/LocName` of a message that will be sealed.
    pub(super) fn name_to_show(&self) -> Option<SmolStr> {
        self.common.own.user.clone().filter(|_| self.common.own.seals())
    }

    /// Lets a written message go, once it is sealed where it must be.
    pub(super) fn seal(&mut self, env: &Env, written: Written, out: &mut Vec<Output>) -> Next {
        if !self.common.own.seals() {
            return self.release(env, written, None, out);
        }
        let body = BodyHash::of(&written.request.packet.body);
        let question = self.sign_question(Scheme::Mac, Some(body));
        Next::Ask(Asking::Sealing(question, written).into())
    }

    /// Lets a message go, and waits for the reply or ends the session.
    pub(super) fn release(
        &mut self,
        env: &Env,
        written: Written,
        seal: Option<&Signature>,
        out: &mut Vec<Output>,
    ) -> Next {
        let Written { mut request, issued, end } = written;
        request.packet.mac = seal.and_then(Mac::of_signature).map(|mac| mac.to_field());
        if let Some(nonce) = issued {
            // Only now: a nonce that was never sent must not replace the one that the server knows.
            out.push(Output::Report(Report::ServerNonce(nonce)));
        }
        out.push(Output::Send(request.clone()));
        if let Some(outcome) = end {
            return Next::over(outcome);
        }
        let wait = Wait::Reply(env.now + self.profile.retry.response_ms);
        Next::Rest(Rest::Waiting(Waiting { request, failed: 0, wait, fault: None }))
    }

    fn sign_question(&mut self, scheme: Scheme, body: Option<BodyHash>) -> Sign {
        let peer = self.profile.server.clone();
        let request = SignRequest { peer, scheme, nonce: self.common.own.nonce.clone(), body };
        Sign { id: self.next_question(), request }
    }
}
