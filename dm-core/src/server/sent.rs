//! Orders that are out, and what the device says of them.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{Done, ItemDone, Order, Report, Request};
use crate::{
    codes::StatusCode,
    fault::PeerFault,
    ids::{CmdId, JobTag, MsgId},
    prompt::Reply,
    session::content_of,
    tree::{Content, Found},
    wire::{Command, Item, Status},
};

/// An order in the message that it went out with, and the statuses that came for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sent {
    /// Without the orders in it.
    order: Order,
    msg_id: MsgId,
    cmd_id: CmdId,
    /// One for each item of the order.
    items: Vec<State>,
    /// The orders in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inner: Vec<Self>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct State {
    status: Option<StatusCode>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    found: Vec<Found>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Reply>,
}

impl Sent {
    /// An order that went out as this command.
    pub(super) fn new(mut order: Order, msg_id: MsgId, command: &Command) -> Self {
        let items = (0..order.request.places()).map(|_| State::default()).collect();
        let inner = order.request.inner_mut().map(core::mem::take).unwrap_or_default();
        // One level deep: a block is in no other one.
        let inner = inner.into_iter().zip(command.inner()).map(|(order, command)| Self::new(order, msg_id, command));
        let cmd_id = command.cmd_id().cloned().unwrap_or_default();
        Self { items, msg_id, cmd_id, inner: inner.collect(), order }
    }

    fn is(&self, msg_ref: MsgId, cmd_ref: &CmdId) -> bool {
        self.msg_id == msg_ref && self.cmd_id == *cmd_ref
    }

    /// The order with those in it.
    fn into_order(self) -> Order {
        let Self { mut order, inner, .. } = self;
        if let Some(orders) = order.request.inner_mut() {
            orders.extend(inner.into_iter().map(Self::into_order));
        }
        order
    }

    /// Takes a status; `false` if it is for no item that waits for one.
    fn take(&mut self, status: &Status) -> bool {
        // A code on the way to the final one changes nothing yet.
        if !status.code.is_final() {
            return true;
        }
        if let (Request::Ask(prompt), [state]) = (&self.order.request, self.items.as_mut_slice()) {
            state.reply = prompt.reply(status.code, &status.items).ok();
        }
        let mut taken = false;
        if status.target_refs.is_empty() || self.items.len() == 1 {
            // One status for the whole command (rule 5), or the only item there is under whatever name.
            for state in self.items.iter_mut().filter(|state| state.status.is_none()) {
                state.status = Some(status.code);
                taken = true;
            }
            return taken;
        }
        for reference in &status.target_refs {
            let mut named = self.items.iter_mut().zip(self.order.request.uris());
            let waiting = named
                .find(|(state, uri)| state.status.is_none() && plain_with_suffix(uri) == plain_with_suffix(reference));
            if let Some((state, _)) = waiting {
                state.status = Some(status.code);
                taken = true;
            }
        }
        taken
    }

    /// Takes a node that a `Get` found; `false` if it was not asked for.
    fn take_found(&mut self, uri: &str, content: Content) -> bool {
        let Request::Get(uris) = &self.order.request else { return false };
        let node = plain(uri);
        let exact = |asked: &SmolStr| plain(asked) == node;
        // A Get of a sub-tree is answered with nodes below the one that was asked for.
        let above = |asked: &SmolStr| node.strip_prefix(plain(asked)).is_some_and(|below| below.starts_with('/'));
        let only = (self.items.len() == 1).then_some(0);
        let at = only.or_else(|| uris.iter().position(exact)).or_else(|| uris.iter().position(above));
        let Some(state) = at.and_then(|at| self.items.get_mut(at)) else { return false };
        state.found.push(Found { uri: uri.into(), content });
        true
    }

    /// What became of the order; it is not known if no item has a status.
    fn done(self) -> Report {
        let Order { tag, request } = self.order;
        if self.items.iter().all(|state| state.status.is_none()) {
            return Report::Unknown(tag);
        }
        let mut uris = request.uris();
        let items = self.items.into_iter().map(|State { status, found, reply }| {
            let uri = uris.next().cloned().unwrap_or_default();
            ItemDone { uri, status, found, reply }
        });
        Report::Done(Done { tag, items: items.collect() })
    }
}

/// Everything that is out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Outstanding(Vec<Sent>);

impl Outstanding {
    pub(super) fn push(&mut self, sent: Sent) {
        self.0.push(sent);
    }

    fn find(&mut self, msg_ref: MsgId, cmd_ref: &CmdId) -> Option<&mut Sent> {
        let mut all = self.0.iter_mut();
        all.find_map(|sent| {
            if sent.is(msg_ref, cmd_ref) {
                return Some(sent);
            }
            sent.inner.iter_mut().find(|inner| inner.is(msg_ref, cmd_ref))
        })
    }

    /// The name of the order that went out as this command.
    pub(super) fn tag(&mut self, msg_ref: MsgId, cmd_ref: &CmdId) -> Option<JobTag> {
        self.find(msg_ref, cmd_ref).map(|sent| sent.order.tag.clone())
    }

    pub(super) fn take_status(&mut self, status: &Status) -> Result<(), PeerFault> {
        let sent = status.cmd_ref.as_ref().and_then(|cmd| self.find(status.msg_ref, cmd));
        if sent.is_some_and(|sent| sent.take(status)) {
            return Ok(());
        }
        Err(PeerFault::UnexpectedStatus { msg_ref: status.msg_ref, cmd_ref: status.cmd_ref.clone() })
    }

    /// Takes a node that the `Get` of this command found; `false` if it was not asked for.
    pub(super) fn take_found(&mut self, msg_ref: MsgId, cmd_ref: &CmdId, uri: &str, content: Content) -> bool {
        self.find(msg_ref, cmd_ref).is_some_and(|sent| sent.take_found(uri, content))
    }

    /// Takes everything back that the device refused because it did not believe the server: it was not carried out.
    pub(super) fn take_back(&mut self, msg_id: MsgId) -> Vec<Order> {
        let all = core::mem::take(&mut self.0);
        let (back, out): (Vec<_>, Vec<_>) = all.into_iter().partition(|sent| sent.msg_id == msg_id);
        self.0 = out;
        back.into_iter().map(Sent::into_order).collect()
    }

    /// Closes the device's package: what it did not answer will not be answered any more.
    pub(super) fn close(&mut self) -> impl Iterator<Item = Report> + use<> {
        let all = core::mem::take(&mut self.0).into_iter();
        let each = all.flat_map(|mut sent| {
            let inner = core::mem::take(&mut sent.inner);
            core::iter::once(sent).chain(inner)
        });
        each.map(Sent::done)
    }
}

/// The address as it was asked for.
fn plain_with_suffix(uri: &str) -> &str {
    uri.strip_prefix("./").unwrap_or(uri)
}

/// The address without what does not tell nodes apart: `./A` and `A` are the same one [DM TND 1.2, 5], and a suffix says
/// what is wanted of it.
fn plain(uri: &str) -> &str {
    let node = uri.split_once('?').map_or(uri, |(node, _)| node);
    node.strip_prefix("./").unwrap_or(node)
}

/// A device information item or another one that the device sent of its own accord.
pub(super) fn told(items: &[Item], meta: Option<&crate::wire::Meta>) -> Vec<Found> {
    let uri = |item: &Item| item.source_uri().or(item.target_uri()).map(SmolStr::from);
    items.iter().filter_map(|item| Some(Found { uri: uri(item)?, content: content_of(item, meta) })).collect()
}
