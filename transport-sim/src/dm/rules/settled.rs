//! D31, D44 and D48: what was ordered is settled, nothing is left behind, and in the end all is done.

use std::collections::{BTreeMap, BTreeSet};

use dm_core::{
    auth::Scheme,
    ids::{CmdId, MsgId},
    server::{Order, Request},
    wire::Command,
};

use super::{CONVERGES, Key, Side, Sight, Stage, Watcher, each_command, items_of, operations};
use crate::{
    End, Ledger, NodeId, Rule, RuleId,
    dm::{Backend, Fact, OpKind, OrderState, Services},
};

/// D31.
pub const SETTLED: Rule = Rule {
    id: RuleId("D31"),
    says: "no order is lost or stays with a session that is over, and done is what a device has answered",
};
/// D44.
pub const LEAKS: Rule = Rule {
    id: RuleId("D44"),
    says: "at rest there is no timer, no open session, no part of a value and no order that nobody has",
};
/// D48.
pub const COMPLETES: Rule = Rule {
    id: RuleId("D48"),
    says: "after all has healed a device's orders are carried out in at most three sessions",
};

/// Sessions that it may take to find together again.
const ATTEMPTS_MAX: usize = 3;

type Addresses = Vec<(OpKind, String)>;

/// What a status is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    /// One operation.
    One(OpKind, String),
    /// A `Sequence` or an `Atomic` with these inside. Each of them has an outcome of its own, and may have none: the
    /// answer to the whole says all the same that it is done.
    Block(Addresses),
}

impl About {
    /// What must have been answered for the order to be done.
    fn all_of(order: &Order) -> Vec<Self> {
        let addresses = operations(order).into_iter().map(|(kind, uri)| (kind, uri.to_owned()));
        match &order.request {
            Request::Sequence(_) | Request::Atomic(_) => vec![Self::Block(addresses.collect())],
            _ => addresses.map(|(kind, uri)| Self::One(kind, uri)).collect(),
        }
    }
}

/// Follows statuses from the device's word to the order that they are for.
#[derive(Default)]
pub(super) struct Settled {
    /// What the commands of servers are about.
    commands: BTreeMap<(Key, MsgId, CmdId), Vec<About>>,
    /// What came back to the server with a final status.
    answered: BTreeSet<(NodeId, About)>,
}

impl Watcher for Settled {
    fn rules(&self) -> &'static [Rule] {
        &[SETTLED]
    }

    fn sent(&mut self, _: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        if sight.side == Side::Client || !sight.first {
            return;
        }
        let (key, msg_id) = (sight.key, sight.msg_id());
        each_command(&sight.message.commands, &mut |command| {
            let Some(id) = command.cmd_id() else { return };
            let about = if let Command::Sequence(_) | Command::Atomic(_) = command {
                let mut inside = Vec::new();
                each_command(command.inner(), &mut |command| inside.extend(addresses_of(command)));
                vec![About::Block(inside)]
            } else {
                addresses_of(command).map(|(kind, uri)| About::One(kind, uri)).collect()
            };
            self.commands.entry((key, msg_id, id.clone())).or_default().extend(about);
        });
    }

    fn delivered(&mut self, stage: &Stage, sight: &Sight<'_>, _: &mut Ledger) {
        if sight.side == Side::Server || !sight.first {
            return;
        }
        let device = stage.original(sight.key.device);
        for command in &sight.message.commands {
            if let Command::Status(status) = command
                && status.code.is_final()
                && let Some(id) = &status.cmd_ref
                && let Some(about) = self.commands.get(&(sight.key, status.msg_ref, id.clone()))
            {
                self.answered.extend(about.iter().map(|about| (device, about.clone())));
            }
        }
    }

    fn finish(&mut self, stage: &Stage, end: &End<'_, Services>, ledger: &mut Ledger) {
        let stores = end.shared.iter().map(Backend::devices).enumerate();
        for (service, id, row) in
            stores.flat_map(|(service, devices)| devices.rows().map(move |(id, row)| (service, id, row)))
        {
            // Who shows a password shows the same one always: copies of a whole session are a session to the server then,
            // and what they say of other commands settles the orders that it was given.
            let may_be_copied = row.value.account.scheme == Scheme::Basic || stage.is_misled(id, service);
            let queued: BTreeSet<_> = row.value.queue.iter().flatten().map(|order| &order.tag).collect();
            for (tag, job) in &row.value.orders {
                let is_settled = match &job.state {
                    OrderState::HandedOut => false,
                    OrderState::Queued => queued.contains(tag),
                    OrderState::NotSent(fault) => fault.is_some() || queued.contains(tag),
                    OrderState::Unknown => !queued.contains(tag),
                    OrderState::Done(_) => {
                        let node = row.value.node;
                        let was_answered = |about: About| self.answered.contains(&(node, about));
                        let answered = About::all_of(&job.order).into_iter().all(was_answered);
                        !queued.contains(tag) && (answered || may_be_copied)
                    }
                };
                ledger.judge(SETTLED, is_settled, || {
                    format!("order {tag} of {id} is {}, and should not be", job.state.name())
                });
            }
        }
    }
}

/// The operations of a command, one for each address.
fn addresses_of(command: &Command) -> impl Iterator<Item = (OpKind, String)> {
    let items = items_of(command).into_iter().flat_map(|(kind, items)| items.iter().map(move |item| (kind, item)));
    items.filter_map(|(kind, item)| Some((kind, item.target_uri()?.to_owned())))
}

/// What is true of a world that has healed and come to rest.
pub(super) struct Healed;

impl Watcher for Healed {
    fn rules(&self) -> &'static [Rule] {
        &[LEAKS, COMPLETES, CONVERGES]
    }

    fn noted(&mut self, _: &Stage, node: NodeId, fact: &Fact, _: &Services, ledger: &mut Ledger) {
        if let Fact::Rested { open, kept } = fact {
            ledger.judge(LEAKS, !open && !kept, || format!("device {node} rests with something left"));
        }
    }

    fn finish(&mut self, stage: &Stage, end: &End<'_, Services>, ledger: &mut Ledger) {
        for backend in end.shared.iter() {
            let timers = backend.sessions().rows().filter(|(_, row)| row.value.deadline.is_some()).count();
            let parts = backend.loose_parts();
            ledger.judge(LEAKS, timers == 0 && parts == 0, || {
                format!("a store has {timers} timers and parts of {parts} values")
            });
        }
        for (node, watched) in &stage.devices {
            let Some(heals) = watched.heals else { continue };
            for (at, towards) in watched.towards.iter().enumerate() {
                let Some(backend) = towards.service.and_then(|service| end.shared.of(service)) else { continue };
                let of = stage.sessions().filter(|session| session.key.device == *node && session.towards == Some(at));
                let after: Vec<_> = of.filter(|session| session.began.is_some_and(|began| began >= heals)).collect();
                if after.is_empty() {
                    continue;
                }
                let found = after.iter().take(ATTEMPTS_MAX).any(|session| session.is_completed());
                ledger.judge(CONVERGES, found, || {
                    format!("of {} sessions of device {node} with {} none is completed", after.len(), towards.server_id)
                });
                let left = backend.devices().load(&watched.device).map_or(0, |row| row.value.queue.len());
                ledger.judge(COMPLETES, left == 0, || {
                    format!("{left} packages for device {node} still wait at {}", towards.server_id)
                });
            }
        }
    }
}
