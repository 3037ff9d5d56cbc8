//! What a transport has to know of a client and no message tells it [DPE digest 6.4].

use core::net::IpAddr;

use super::{
    Device,
    state::{Known, Standing},
};
use crate::{codes::Code, identity::Source, wire::Ie};

impl Device {
    /// Whether the sender of something that is no message, as a poll, is this client: checks V4 and V5. A client that
    /// was given a session token shows it, whether or not tokens are mandatory: the Client-ID alone is no secret.
    ///
    /// A registration that is not complete counts: the client has to hear the command that repeats it.
    ///
    /// # Errors
    /// 12 where there is no such client any more, 2 or 4 where the network names somebody else, 7 and 8 for the token.
    pub fn recognises(&self, source: &Source) -> Result<(), Code> {
        let state = &self.state;
        let is_there = match state.standing {
            Standing::Active | Standing::Declined => true,
            Standing::Unknown | Standing::Failed => state.registering.is_some(),
            Standing::Retired { .. } => false,
        };
        if !is_there {
            return Err(Code::CLIENT_ID_NOT_REGISTERED);
        }
        let asked = self.asked();
        // While it registers anew, it may not have heard of the new token yet.
        let both = [asked.as_ref(), self.known()];
        let mut verdict = Err(Code::CLIENT_ID_NOT_REGISTERED);
        for known in both.into_iter().flatten() {
            verdict = self.check_identity(known, source).and_then(|()| match (&source.token, &known.token) {
                (None, Some(_)) => Err(Code::TOKEN_MISSING),
                _ => self.check_token(known, &Ie::Absent, source),
            });
            if verdict.is_ok() {
                break;
            }
        }
        verdict
    }

    /// Where the client listens, if it does.
    #[must_use]
    pub fn contact(&self) -> Option<&str> {
        let request = self.state.registering.as_ref().and_then(|registering| registering.request.as_ref());
        let asked = request.map(|request| request.contact.as_deref());
        asked.unwrap_or_else(|| self.known().and_then(|known| known.contact.as_deref()))
    }

    /// Where the client was last seen.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.asked().as_ref().or_else(|| self.known()).map(|known| known.address)
    }

    fn asked(&self) -> Option<Known> {
        let request = self.state.registering.as_ref().and_then(|registering| registering.request.as_ref());
        request.map(Known::from)
    }
}
