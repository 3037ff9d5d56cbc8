//! What a run remembers: the nonces that were seen, under names, the accounts of both sides, and what was covered.

use std::collections::{BTreeMap, BTreeSet};

use dm_core::{
    auth::{Account, BodyHash, Digest, Mac, MacField, Nonce, Scheme, SignRequest},
    wire::{Cred, Meta},
};

/// Everybody's accounts under the names that scripts use, each with user and password.
const ACCOUNTS: [(&str, &str, &str); 4] = [
    ("device", "device-001", "s3cr3t-pass"),
    ("server", "dm-server", "s3rv3r-pass"),
    ("wrong", "device-001", "a guess"),
    ("wrong-server", "dm-server", "a guess"),
];

/// What a run remembers.
#[derive(Default)]
pub(super) struct Notes {
    /// The nonces that our side drew, in order: `$n1`, `$n2`..
    drawn: Vec<Nonce>,
    /// Those that a script gave by their text.
    given: BTreeSet<String>,
    /// What the script covers, as keys of the table.
    pub(super) covered: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Notes {
    pub(super) fn cover(&mut self, kind: &'static str, what: impl Into<String>) {
        self.covered.entry(kind).or_default().insert(what.into());
    }

    /// The name of a nonce: `$n1` for the first one that was drawn, its text where that is a word, `empty`.
    pub(super) fn nonce(&mut self, nonce: &Nonce) -> String {
        let octets = nonce.as_bytes();
        if octets.is_empty() {
            return "empty".into();
        }
        if octets.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-') {
            let word = String::from_utf8_lossy(octets).into_owned();
            self.given.insert(word.clone());
            return word;
        }
        let known = self.drawn.iter().position(|drawn| drawn == nonce);
        let at = known.unwrap_or_else(|| {
            self.drawn.push(nonce.clone());
            self.drawn.len() - 1
        });
        format!("$n{}", at + 1)
    }

    /// As [`nonce`](Self::nonce), for `NextNonce`.
    pub(super) fn nonce_text(&mut self, base64: &str) -> String {
        match Nonce::from_base64(base64) {
            Some(nonce) => self.nonce(&nonce),
            None => format!("(no base64: {base64})"),
        }
    }

    pub(super) fn nonce_named(&self, name: &str) -> Result<Nonce, String> {
        if name == "empty" {
            return Ok(Nonce::default());
        }
        let Some(number) = name.strip_prefix("$n") else { return Ok(Nonce::new(name.as_bytes())) };
        let at = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        at.and_then(|at| self.drawn.get(at)).cloned().ok_or_else(|| format!("{name} has not been seen"))
    }

    pub(super) fn account(name: &str, scheme: Scheme) -> Result<Account, String> {
        let found = ACCOUNTS.iter().find(|(alias, ..)| *alias == name);
        let (_, user, password) = found.ok_or_else(|| format!("there is no account {name}"))?;
        Ok(Account::new(user, password, scheme))
    }

    /// `Cred` in words: `md5(device, $n1)`; whose it is and which nonce it counts for is found out by trying.
    pub(super) fn cred(&mut self, cred: &Cred) -> String {
        let named = cred.meta.as_ref().and_then(|meta| meta.media_type.as_deref());
        let Some(scheme) = named.and_then(Scheme::from_type) else {
            return format!("raw({}, {})", named.unwrap_or("-"), cred.data.reveal());
        };
        let nonces = if scheme == Scheme::Md5 { self.all_nonces() } else { vec![None] };
        for (alias, ..) in ACCOUNTS {
            for nonce in &nonces {
                let Ok((signed, _)) = Self::signed(alias, scheme, nonce.clone()) else { continue };
                if signed.data == cred.data {
                    return match nonce {
                        Some(nonce) => format!("md5({alias}, {})", self.nonce(nonce)),
                        None => format!("basic({alias})"),
                    };
                }
            }
        }
        format!("raw({}, {})", scheme.as_type(), cred.data.reveal())
    }

    /// What [`cred`](Self::cred) writes, and the user's name that goes with it.
    pub(super) fn parse_cred(&self, text: &str) -> Result<(Cred, Option<String>), String> {
        let (kind, arguments) = text.strip_suffix(')').and_then(|text| text.split_once('(')).ok_or(text)?;
        let arguments: Vec<&str> = arguments.split(", ").collect();
        match (kind, arguments.as_slice()) {
            ("md5", [alias, nonce]) => Self::signed(alias, Scheme::Md5, Some(self.nonce_named(nonce)?)),
            ("basic", [alias]) => Self::signed(alias, Scheme::Basic, None),
            ("raw", [media_type, data]) => {
                let meta = Meta { media_type: Some((*media_type).into()), ..Meta::default() };
                Ok((Cred { meta: Some(meta), data: (*data).into() }, None))
            }
            _ => Err(format!("{text} are no credentials")),
        }
    }

    fn signed(alias: &str, scheme: Scheme, nonce: Option<Nonce>) -> Result<(Cred, Option<String>), String> {
        let account = Self::account(alias, scheme)?;
        let signature = account.sign(&SignRequest { peer: "".into(), scheme, nonce, body: None });
        let format = Some(dm_core::wire::Format::B64);
        let meta = Meta { format, media_type: Some(scheme.as_type().into()), ..Meta::default() };
        Ok((Cred { meta: Some(meta), data: signature.data.as_str().into() }, Some(account.user.into())))
    }

    fn all_nonces(&self) -> Vec<Option<Nonce>> {
        let given = self.given.iter().map(|word| Nonce::new(word.as_bytes()));
        self.drawn.iter().cloned().chain(given).chain([Nonce::default()]).map(Some).collect()
    }

    /// What signs a message as a whole, in words: `(device, $n1)`.
    pub(super) fn mac(&mut self, field: &MacField, body: &[u8]) -> String {
        let Some(found) = Mac::parse(field) else { return "(unreadable)".into() };
        for (alias, ..) in ACCOUNTS {
            for nonce in self.all_nonces().into_iter().flatten() {
                if Self::sealed(alias, nonce.clone(), body).is_ok_and(|mac| mac == found) {
                    return format!("({alias}, {})", self.nonce(&nonce));
                }
            }
        }
        "(of nobody)".into()
    }

    /// What [`mac`](Self::mac) writes.
    pub(super) fn parse_mac(&self, text: &str, body: &[u8]) -> Result<MacField, String> {
        let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        let (alias, nonce) = inner.and_then(|text| text.split_once(", ")).ok_or("mac=(account, nonce)")?;
        Ok(Self::sealed(alias, self.nonce_named(nonce)?, body)?.to_field())
    }

    fn sealed(alias: &str, nonce: Nonce, body: &[u8]) -> Result<Mac, String> {
        let account = Self::account(alias, Scheme::Mac)?;
        let (nonce, body) = (Some(nonce), Some(BodyHash::of(body)));
        let signature = account.sign(&SignRequest { peer: "".into(), scheme: Scheme::Mac, nonce, body });
        let digest = Digest::from_base64(&signature.data).ok_or("a signature is in base64")?;
        Ok(Mac { user: signature.user, digest })
    }
}
