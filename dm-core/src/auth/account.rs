//! What a party knows of its own credentials, or of its peer's.

use smol_str::SmolStr;

use super::{Claim, CredentialHash, Nonce, Presented, Scheme, Scope, SignRequest, Signature, Verdict, digest};
use crate::{codes::StatusCode, wire::Secret};

/// One party's credentials towards one peer: enough to judge that party's claims and to sign for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub user: SmolStr,
    /// The password.
    pub password: Secret,
    /// The only scheme that is good enough: a peer cannot talk an account down.
    pub scheme: Scheme,
    /// The nonce issued last; it outlives sessions.
    pub nonce: Nonce,
}

impl Account {
    /// An account that no nonce has been issued for.
    #[must_use]
    pub fn new(user: &str, password: &str, scheme: Scheme) -> Self {
        Self { user: user.into(), password: password.into(), scheme, nonce: Nonce::default() }
    }

    /// Whether a claim to be the holder of this account is true.
    #[must_use]
    pub fn judge(&self, claim: &Claim) -> Verdict {
        let own = self.hash();
        let nonce = claim.nonce.as_ref().unwrap_or(&self.nonce);
        let named = |user: &Option<SmolStr>| user.as_ref().is_none_or(|user| *user == self.user);
        let proven = match &claim.presented {
            Presented::Basic { user, hash } => *user == self.user && own.matches(hash),
            Presented::Md5 { digest, .. }
                if core_kit::planted!("D15-older-nonce") && digest::md5(&own, &self.nonce).matches(digest) =>
            {
                true
            }
            Presented::Md5 { user, digest } => digest::md5(&own, nonce).matches(digest) && named(user),
            Presented::Mac { user, digest, body } => {
                *user == self.user && digest::mac_over(&own, nonce, body).matches(digest)
            }
            Presented::Unsupported => return Verdict::Refused(StatusCode::NOT_SUPPORTED),
            Presented::Nothing | Presented::Unreadable => false,
        };
        if proven && claim.presented.scheme() == Some(self.scheme) {
            Verdict::Accepted(if self.scheme == Scheme::Mac { Scope::Message } else { Scope::Session })
        } else {
            Verdict::Challenge { scheme: self.scheme, nonce: None }
        }
    }

    /// The holder's signature.
    #[must_use]
    pub fn sign(&self, request: &SignRequest) -> Signature {
        let nonce = request.nonce.as_ref().unwrap_or(&self.nonce);
        let data = match request.scheme {
            Scheme::Basic => digest::basic(&self.user, self.password.reveal()),
            Scheme::Md5 if core_kit::planted!("D22-password-shown") => {
                digest::basic(&self.user, self.password.reveal())
            }
            Scheme::Md5 => digest::md5(&self.hash(), nonce).to_base64(),
            Scheme::Mac => {
                request.body.map(|body| digest::mac_over(&self.hash(), nonce, &body).to_base64()).unwrap_or_default()
            }
        };
        Signature { user: self.user.clone(), data }
    }

    fn hash(&self) -> CredentialHash {
        CredentialHash::new(&self.user, self.password.reveal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{auth::BodyHash, wire::Cred};

    fn claim(presented: Presented, nonce: Option<&str>) -> Claim {
        Claim {
            peer: "IMEI:1".into(),
            session: "1".into(),
            presented,
            nonce: nonce.map(|n| Nonce::new(n.as_bytes())),
            transport: None,
        }
    }

    fn signed(account: &Account, scheme: Scheme, nonce: Option<&str>) -> Presented {
        let nonce = nonce.map(|n| Nonce::new(n.as_bytes()));
        let signature = account.sign(&SignRequest { peer: "s".into(), scheme, nonce, body: None });
        Presented::from_cred(Some(&Cred::signed(scheme, &signature)), Some(&signature.user))
    }

    #[test]
    fn an_account_believes_its_own_signature_and_no_other() {
        let mut account = Account::new("Bruce2", "OhBehave", Scheme::Md5);
        account.nonce = Nonce::new(b"stored");
        let accepted = Verdict::Accepted(Scope::Session);
        assert_eq!(account.judge(&claim(signed(&account, Scheme::Md5, None), None)), accepted);
        assert_eq!(account.judge(&claim(signed(&account, Scheme::Md5, Some("n")), Some("n"))), accepted);
        for wrong in [
            claim(signed(&account, Scheme::Md5, None), Some("n")),
            claim(signed(&account, Scheme::Md5, Some("n")), None),
            claim(signed(&Account::new("Bruce2", "no", Scheme::Md5), Scheme::Md5, Some("n")), Some("n")),
            claim(Presented::Nothing, None),
            claim(Presented::Unreadable, None),
        ] {
            assert_ne!(account.judge(&wrong), accepted, "{wrong:?}");
        }
    }

    #[test]
    fn the_right_password_by_a_weaker_scheme_is_challenged() {
        let account = Account::new("Bruce2", "OhBehave", Scheme::Md5);
        let verdict = account.judge(&claim(signed(&account, Scheme::Basic, None), None));
        assert_eq!(verdict, Verdict::Challenge { scheme: Scheme::Md5, nonce: None });
        let account = Account { scheme: Scheme::Basic, ..account };
        let verdict = account.judge(&claim(signed(&account, Scheme::Basic, None), None));
        assert_eq!(verdict, Verdict::Accepted(Scope::Session));
    }

    #[test]
    fn a_mac_proves_one_message_and_only_under_its_own_name() {
        let account = Account::new("Bruce2", "OhBehave", Scheme::Mac);
        let body = BodyHash::of(b"a message");
        let request = SignRequest { peer: "s".into(), scheme: Scheme::Mac, nonce: None, body: Some(body) };
        let digest = digest::Digest::from_base64(&account.sign(&request).data).unwrap();
        let shown = |user: &str, body| Presented::Mac { user: user.into(), digest: digest.clone(), body };
        assert_eq!(account.judge(&claim(shown("Bruce2", body), None)), Verdict::Accepted(Scope::Message));
        let challenge = Verdict::Challenge { scheme: Scheme::Mac, nonce: None };
        assert_eq!(account.judge(&claim(shown("Bruce", body), None)), challenge);
        assert_eq!(account.judge(&claim(shown("Bruce2", BodyHash::of(b"another")), None)), challenge);
        assert_eq!(account.judge(&claim(shown("Bruce2", body), Some("n"))), challenge);
        assert_eq!(account.sign(&SignRequest { body: None, ..request }).data, "", "only the name is wanted yet");
    }

    #[test]
    fn a_scheme_that_is_only_a_name_here_is_refused_as_not_supported() {
        let account = Account::new("Bruce2", "OhBehave", Scheme::Md5);
        for named in ["syncml:auth-X509", "SYNCML:AUTH-SECURID", " syncml:auth-safeword", "syncml:auth-digipass"] {
            let mut cred = Cred::signed(Scheme::Md5, &Signature { user: "Bruce2".into(), data: "x".into() });
            cred.meta.as_mut().unwrap().media_type = Some(named.into());
            let presented = Presented::from_cred(Some(&cred), None);
            assert_eq!(account.judge(&claim(presented, None)), Verdict::Refused(StatusCode::NOT_SUPPORTED), "{named}");
        }
    }

    #[test]
    fn credentials_of_an_unknown_type_or_that_cannot_be_read_are_not_missing() {
        let mut cred = Cred::signed(Scheme::Md5, &Signature { user: "u".into(), data: "no digest".into() });
        assert_eq!(Presented::from_cred(Some(&cred), None), Presented::Unreadable);
        cred.meta = None;
        assert_eq!(Presented::from_cred(Some(&cred), None).refusal(), StatusCode::UNAUTHORIZED);
        assert_eq!(Presented::from_cred(None, None).refusal(), StatusCode::MISSING_CREDENTIALS);
    }

    #[test]
    fn debug_hides_everything_that_signs() {
        let account = Account { nonce: Nonce::new(b"n-o-n-c-e"), ..Account::new("Bruce2", "OhBehave", Scheme::Md5) };
        let request = SignRequest { peer: "s".into(), scheme: Scheme::Basic, nonce: None, body: None };
        let shown =
            alloc::format!("{account:?} {:?} {:?}", account.sign(&request), signed(&account, Scheme::Basic, None));
        for hidden in ["OhBehave", "n-o-n-c-e", "QnJ1Y2Uy", "PtEdr8lB"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}
