//! What comes to devices by push: notifications and bootstraps of their servers, and what others make of them.

use std::collections::VecDeque;

use bytes::Bytes;
use core_kit::{Millis, Tick};
use dm_core::{
    auth::{CredentialHash, Nonce, Resync},
    bootstrap::{Key, Method, NetworkSecret, Profile, Secrets},
    ids::{DeviceId, ServerId},
    notify::{SessionNumber, UiMode, resync_nonce, v1_2::Notification},
};

use super::{Party, envelope::Envelope};
use crate::{Channel, Context, FaultId, NodeId};

/// One thing to send.
#[derive(Clone, Debug)]
pub(super) enum Push {
    /// A notification, signed with the nonce that the store has.
    Good(Notice),
    /// One signed with the nonce of resynchronisation, after the server gave itself leave to take it.
    Resync(Notice),
    /// One that nobody has signed well.
    Forged(Notice),
    /// What was sent so many pushes ago, once more.
    Again(usize),
    /// Package 0 that is none.
    Garbage(NodeId),
    /// A bootstrap for this server's account, signed with this secret.
    Bootstrap { device: NodeId, server: ServerId, url: String, secret: Vec<u8> },
}

/// Which session is asked for, and of whom.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) device: NodeId,
    pub(super) id: DeviceId,
    pub(super) service: usize,
    pub(super) server: ServerId,
    pub(super) session: u16,
    pub(super) ui_mode: UiMode,
}

/// How long the device may take to come after a notification that resynchronises.
const PATIENCE: Millis = Millis::from_secs(2 * 3_600);

/// Sends what was planned.
pub struct Pusher {
    plan: VecDeque<(Tick, Push)>,
    sent: Vec<(NodeId, Bytes)>,
}

impl Pusher {
    pub(super) const fn new(plan: VecDeque<(Tick, Push)>) -> Self {
        Self { plan, sent: Vec::new() }
    }

    pub(super) fn arm(&self, ctx: &mut Context<'_, Party>) {
        ctx.wake_at(self.plan.front().map(|(at, _)| *at));
    }

    pub(super) fn wake(&mut self, ctx: &mut Context<'_, Party>) {
        if let Some((_, push)) = self.plan.pop_front()
            && let Some((device, bytes)) = self.make(ctx, push)
        {
            self.sent.push((device, bytes.clone()));
            let channel: Channel = ctx.open_channel();
            ctx.send(device, channel, bytes);
        }
        self.arm(ctx);
    }

    fn make(&self, ctx: &mut Context<'_, Party>, push: Push) -> Option<(NodeId, Bytes)> {
        match push {
            Push::Good(notice) => {
                let own = &ctx.shared().of(notice.service)?.devices().load(&notice.id)?.value.own;
                let (credentials, nonce) = (CredentialHash::new(&own.user, own.password.reveal()), own.nonce.clone());
                notice.signed(&credentials, &nonce)
            }
            Push::Resync(notice) => {
                let session = SessionNumber::new(notice.session)?.id();
                let leave = Resync::arm(session, ctx.common_now(), PATIENCE);
                let backend = ctx.shared().of_mut(notice.service)?;
                backend.change(&notice.id, |device| device.resync = Some(leave));
                let own = &backend.devices().load(&notice.id)?.value.own;
                let credentials = CredentialHash::new(&own.user, own.password.reveal());
                notice.signed(&credentials, &resync_nonce())
            }
            Push::Forged(notice) => notice.signed(&CredentialHash::new("nobody", "knows"), &Nonce::new(b"any")),
            Push::Again(back) => {
                let old = self.sent.iter().rev().nth(back).cloned()?;
                ctx.count_fault(FaultId::F41);
                Some(old)
            }
            Push::Garbage(device) => Some((device, Envelope::Notification(Bytes::from_static(b"none")).close())),
            Push::Bootstrap { device, server, url, secret } => Some((device, bootstrap(&server, &url, &secret)?)),
        }
    }
}

impl Notice {
    fn signed(&self, credentials: &CredentialHash, nonce: &Nonce) -> Option<(NodeId, Bytes)> {
        let session = SessionNumber::new(self.session)?;
        let notification = Notification { ui_mode: self.ui_mode, ..Notification::new(self.server.clone(), session) };
        let bytes = notification.sign(credentials, nonce).ok()?;
        Some((self.device, Envelope::Notification(bytes.into()).close()))
    }
}

/// A provisioning document with one account, in its envelope.
fn bootstrap(server: &ServerId, url: &str, secret: &[u8]) -> Option<Bytes> {
    let document = format!(
        "<wap-provisioningdoc version=\"1.1\"><characteristic type=\"APPLICATION\"><parm name=\"APPID\" value=\"w7\"/>\
         <parm name=\"PROVIDER-ID\" value=\"{server}\"/><characteristic type=\"APPADDR\">\
         <parm name=\"ADDR\" value=\"{url}\"/></characteristic></characteristic></wap-provisioningdoc>"
    );
    let secrets = Secrets { pin: None, network: Some(NetworkSecret::Octets(secret)) };
    let mac = Key::new(Profile::ClientProvisioning, Method::Network, &secrets).ok()?.mac(document.as_bytes());
    let media_type = format!("text/vnd.wap.connectivity-xml;SEC=0;MAC={}", mac.to_hex());
    Some(Envelope::Bootstrap(media_type, document.into()).close())
}
