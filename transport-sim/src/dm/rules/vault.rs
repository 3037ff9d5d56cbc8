//! Whether credentials are good: the rules' own judgement, with the accounts and the nonces that were given out. What the
//! machines make of them is not believed.

use std::collections::BTreeMap;

use bytes::Bytes;
use dm_core::{
    auth::{Account, BodyHash, CredentialHash, Mac, MacField, Nonce, Presented, Scheme, digest},
    wire::Header,
};

use super::{
    Side,
    stage::{Key, Watched},
};
use crate::NodeId;

/// Nonces of an account that are tried, from the newest on, as long as nobody has gone back to an earlier one.
const TRIED_MAX: usize = 8;

/// What credentials show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Proof {
    /// There are none.
    #[default]
    Nothing,
    /// They are nobody's.
    Wrong,
    /// They are another account's: of another device, of another service, or of the other side.
    Foreign,
    /// They are those of a side whom the transport proves.
    Transport,
    /// They are good, and made without a nonce.
    Plain,
    /// They are good, and made with this nonce of all that were given to the account.
    Nonce {
        /// Which, from 0.
        at: u32,
        /// The last that was given in the same session, before they arrived.
        last_here: Option<u32>,
    },
    /// They are good, and made with the nonce of resynchronisation.
    Zero,
}

impl Proof {
    pub(super) const fn is_good(self) -> bool {
        matches!(self, Self::Transport | Self::Plain | Self::Nonce { .. } | Self::Zero)
    }
}

/// Whose account: of a device and one of its servers, the side that proves itself with it.
pub(super) type Owner = (NodeId, usize, Side);

struct Known {
    account: Account,
    hash: CredentialHash,
    is_by_transport: bool,
    has_gone_back: bool,
    /// With the session that each was given in.
    nonces: Vec<(Nonce, Option<Key>)>,
}

/// All accounts.
pub(super) struct Vault {
    accounts: BTreeMap<Owner, Known>,
}

impl Vault {
    pub(super) fn new(devices: &BTreeMap<NodeId, Watched>) -> Self {
        let mut accounts = BTreeMap::new();
        for (node, watched) in devices {
            for (at, towards) in watched.towards.iter().enumerate() {
                for (side, account) in [(Side::Client, &towards.client), (Side::Server, &towards.server)] {
                    let known = Known {
                        hash: CredentialHash::new(&account.user, account.password.reveal()),
                        account: account.clone(),
                        is_by_transport: towards.service.is_none(),
                        has_gone_back: false,
                        nonces: vec![(account.nonce.clone(), None)],
                    };
                    accounts.insert((*node, at, side), known);
                }
            }
        }
        Self { accounts }
    }

    /// Keeps a nonce that was given to the owner. In a reply that is sent once more, and changed, it is the one that it was.
    pub(super) fn given(&mut self, owner: Owner, nonce: Nonce, here: Key) {
        let known = self.accounts.get_mut(&owner).filter(|known| known.nonces.iter().all(|(known, _)| *known != nonce));
        if let Some(known) = known {
            known.nonces.push((nonce, Some(here)));
        }
    }

    /// One side of these accounts went back to what it had stored before: any nonce may be used again.
    pub(super) fn went_back(&mut self, of: impl Fn(NodeId, usize) -> bool) {
        let known = self.accounts.iter_mut().filter(|((device, towards, _), _)| of(*device, *towards));
        known.for_each(|(_, known)| known.has_gone_back = true);
    }

    /// What the credentials of a message show, if the owner sent it.
    pub(super) fn proof(
        &self,
        owner: Owner,
        here: Key,
        header: &Header,
        mac: Option<&MacField>,
        body: &Bytes,
    ) -> Proof {
        let Some(known) = self.accounts.get(&owner) else { return Proof::Wrong };
        if known.is_by_transport {
            return Proof::Transport;
        }
        let presented = match mac {
            Some(field) => Mac::parse(field).map_or(Presented::Unreadable, |Mac { user, digest }| Presented::Mac {
                user,
                digest,
                body: BodyHash::of(body),
            }),
            None => Presented::from_cred(header.cred.as_deref(), header.source.name.as_deref()),
        };
        if presented == Presented::Nothing {
            return Proof::Nothing;
        }
        let proof = known.judge(&presented, here);
        if proof.is_good() {
            return proof;
        }
        let foreign =
            self.accounts.iter().any(|(other, known)| *other != owner && known.judge(&presented, here).is_good());
        if foreign { Proof::Foreign } else { Proof::Wrong }
    }

    /// Whether a notification has a digest that the server may have made: with a nonce that it was given, or with that of
    /// resynchronisation, which is told by the second value.
    pub(super) fn signs(&self, owner: Owner, digest: &[u8], trigger: &[u8]) -> Option<bool> {
        let known = self.accounts.get(&owner)?;
        let made_with = |nonce: &Nonce| digest::notification(&known.hash, nonce, trigger).to_octets() == digest;
        if made_with(&Nonce::resync()) {
            return Some(true);
        }
        known.nonces.iter().rev().any(|(nonce, _)| made_with(nonce)).then_some(false)
    }
}

impl Known {
    fn judge(&self, presented: &Presented, here: Key) -> Proof {
        if presented.scheme() != Some(self.account.scheme) || self.is_by_transport {
            return Proof::Wrong;
        }
        if self.account.scheme == Scheme::Basic {
            let good = matches!(presented, Presented::Basic { user, hash } if *user == self.account.user && hash.matches(&self.hash));
            return if good { Proof::Plain } else { Proof::Wrong };
        }
        let made_with = |nonce: &Nonce| match presented {
            Presented::Md5 { user, digest } => {
                user.as_ref().is_none_or(|user| *user == self.account.user)
                    && digest::md5(&self.hash, nonce).matches(digest)
            }
            Presented::Mac { user, digest, body } => {
                *user == self.account.user && digest::mac_over(&self.hash, nonce, body).matches(digest)
            }
            _ => false,
        };
        let tried_max = if self.has_gone_back { usize::MAX } else { TRIED_MAX };
        let tried = self.nonces.iter().enumerate().rev().take(tried_max);
        let found = tried.into_iter().find(|(_, (nonce, _))| made_with(nonce));
        if let Some((at, _)) = found {
            let last_here = self.nonces.iter().rposition(|(_, given)| *given == Some(here));
            let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            return Proof::Nonce { at: number(at), last_here: last_here.map(number) };
        }
        if made_with(&Nonce::resync()) { Proof::Zero } else { Proof::Wrong }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dm::Scenario;

    #[test]
    fn a_nonce_from_long_ago_is_good_where_somebody_went_back_to_it() {
        let (device, other) = (NodeId(1), NodeId(2));
        let watched = Scenario::standard(1).watched();
        let account = watched.towards[0].client.clone();
        let hash = CredentialHash::new(&account.user, account.password.reveal());
        let mut vault = Vault::new(&BTreeMap::from([(device, watched)]));
        let (owner, here) = ((device, 0, Side::Client), Key { device, number: 0 });
        let judge = |vault: &Vault, nonce: &Nonce| {
            let digest = digest::md5(&hash, nonce);
            vault.accounts[&owner].judge(&Presented::Md5 { user: None, digest }, here)
        };
        for number in 0..8_u8 {
            assert!(judge(&vault, &account.nonce).is_good(), "{number} were given since");
            vault.given(owner, Nonce::new(&[number]), here);
            vault.given(owner, Nonce::new(&[number]), here);
        }
        assert_eq!(judge(&vault, &account.nonce), Proof::Wrong);
        vault.went_back(|of, _| of == other);
        assert_eq!(judge(&vault, &account.nonce), Proof::Wrong, "it was another one");
        vault.went_back(|of, towards| (of, towards) == (device, 0));
        assert_eq!(judge(&vault, &account.nonce), Proof::Nonce { at: 0, last_here: Some(8) });
        assert_eq!(judge(&vault, &Nonce::new(b"nobody's")), Proof::Wrong);
    }
}
