//! Orders that are out, and what the device says of them.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{Done, ItemDone, Order, Report, Request};
use crate::{
    codes::StatusCode,
    fault::PeerFault,
    ids::{CmdId, JobTag, MsgId},
    session::content_of,
    tree::Found,
    wire::{Command, Item, Results, Status},
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
            let waiting = named.find(|(state, uri)| state.status.is_none() && same_node(uri, reference));
            if let Some((state, _)) = waiting {
                state.status = Some(status.code);
                taken = true;
            }
        }
        taken
    }

    fn take_results(&mut self, results: &Results) -> bool {
        let Request::Get(uris) = &self.order.request else { return false };
        let only = self.items.len() == 1;
        let mut all = true;
        for item in &results.items {
            let Some(uri) = item.source_uri().or(results.source_ref.as_deref()).or(item.target_uri()) else {
                all = false;
                continue;
            };
            // A Get of a sub-tree is answered with nodes below the one that was asked for.
            let mut asked = uris.iter().zip(self.items.iter_mut());
            match asked.find(|(asked, _)| only || same_node(without_query(asked), without_query(uri))) {
                Some((_, state)) => {
                    let content = content_of(item, results.meta.as_ref());
                    state.found.push(Found { uri: uri.into(), content });
                }
                None => all = false,
            }
        }
        all
    }

    /// What became of the order; nothing if no item has a status.
    fn done(&self) -> Option<Done> {
        self.items.iter().find(|state| state.status.is_some())?;
        let uris = self.order.request.uris().chain(core::iter::repeat(""));
        let items = self.items.iter().zip(uris).map(|(state, uri)| ItemDone {
            uri: uri.into(),
            status: state.status,
            found: state.found.clone(),
        });
        Some(Done { tag: self.order.tag.clone(), items: items.collect() })
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

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
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

    pub(super) fn take_results(&mut self, results: &Results) -> Result<(), PeerFault> {
        // A missing MsgRef means the first message (rule 10).
        let msg_ref = results.msg_ref.unwrap_or(MsgId::FIRST);
        let sent = self.find(msg_ref, &results.cmd_ref);
        if sent.is_some_and(|sent| sent.take_results(results)) {
            return Ok(());
        }
        Err(PeerFault::UnexpectedResults { cmd_ref: results.cmd_ref.clone() })
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
        each.map(|sent| match sent.done() {
            Some(done) => Report::Done(done),
            None => Report::Unknown(sent.order.tag),
        })
    }
}

/// `./A` and `A` are the same node [DM TND 1.2, 5].
fn same_node(a: &str, b: &str) -> bool {
    let plain = |uri| str::strip_prefix(uri, "./").unwrap_or(uri);
    plain(a) == plain(b)
}

fn without_query(uri: &str) -> &str {
    uri.split_once('?').map_or(uri, |(node, _)| node)
}

/// A device information item or another one that the device sent of its own accord.
pub(super) fn told(items: &[Item], meta: Option<&crate::wire::Meta>) -> Vec<Found> {
    let uri = |item: &Item| item.source_uri().or(item.target_uri()).map(String::from);
    items.iter().filter_map(|item| Some(Found { uri: uri(item)?, content: content_of(item, meta) })).collect()
}
