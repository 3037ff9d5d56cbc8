//! A device in memory, for demonstrations and tests.

use async_trait::async_trait;
use dm_core::{
    auth::{Account, Claim, SignRequest, Signature, Verdict},
    client::{Ops, Report},
    tree::{Memory, OpResult},
};

use crate::dm::device::Agent;

/// A tree, what the device proves itself with, and what it knows of its server.
#[derive(Clone, Debug)]
pub struct MemoryAgent {
    /// The management tree.
    pub tree: Memory,
    /// The device's own account with the server.
    pub account: Account,
    /// The server's account with the device.
    pub server: Account,
    /// What sessions have reported, the oldest first; it grows until it is taken.
    pub reports: Vec<Report>,
}

impl MemoryAgent {
    /// A device that no session has been run on.
    #[must_use]
    pub const fn new(tree: Memory, account: Account, server: Account) -> Self {
        Self { tree, account, server, reports: Vec::new() }
    }
}

#[async_trait]
impl Agent for MemoryAgent {
    async fn tree(&mut self, ops: &Ops) -> Vec<OpResult> {
        self.tree.answer(ops)
    }

    async fn sign(&mut self, request: &SignRequest) -> Option<Signature> {
        Some(self.account.sign(request))
    }

    async fn authenticate(&mut self, claim: &Claim) -> Verdict {
        self.server.judge(claim)
    }

    async fn report(&mut self, report: &Report) {
        match report {
            Report::ClientNonce(nonce) => self.account.nonce = nonce.clone(),
            Report::ServerNonce(nonce) => self.server.nonce = nonce.clone(),
            other => self.reports.push(other.clone()),
        }
    }
}
