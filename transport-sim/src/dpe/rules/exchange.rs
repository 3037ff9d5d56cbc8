//! P01: what a client is asked at a time.

use std::collections::BTreeMap;

use core_kit::{Millis, Tick};
use dpe_core::{
    config::Config,
    ids::{ClientId, Token},
    wire::{Ie, Kind, Message},
};

use super::{doubt::excused, reader::Read, text};
use crate::{Channel, Figure, Ledger, NodeId, Rule, RuleId, dpe::server::WORK_MS};

/// P01.
pub const ONE_OUT: Rule =
    Rule { id: RuleId("P01"), says: "a client is asked one thing at a time: until it answers, or its time is over" };

/// How long a step that began before an answer was taken may still do as if it had not come: its own time, and that of the
/// step of an SP's request which came first.
const CROSSING_MS: u64 = 2 * WORK_MS.most.0;

/// A request that was sent and has not come to its end, as far as can be seen.
struct Out {
    /// Its Message-IDs, of all times that it was sent.
    ids: Vec<String>,
    /// The request without its Message-ID, and without the time that a policy has left: a repetition is the same request.
    what: Box<Message>,
    /// When its time is over, by the clock of its server. It is kept beyond that, since a repetition may get the answer to the first sending.
    until: Tick,
    /// When it was sent, for the last time.
    sent: Tick,
    /// When the server has taken an answer at the latest.
    answered: Option<Tick>,
    /// When the server has taken something at the latest that may have been an answer, before it was damaged.
    unclear: Option<Tick>,
}

impl Out {
    const fn sets_policy(&self) -> bool {
        matches!(self.what.kind, Kind::PropertyPolicySet | Kind::GroupPolicySet)
    }
}

/// What the server has from the device at a node.
#[derive(Clone, Copy, Default)]
struct Inbox {
    /// When it has taken all of it at the latest: it takes one message after the other, with a step for each.
    empty: Tick,
    /// When it has come to the last end of a registration, at the latest: a session begins then, and what was out before ends
    /// with the former one.
    begins: Option<Tick>,
}

/// What has come as an answer.
struct Answer {
    node: NodeId,
    id: String,
    client: Option<Ie<Token>>,
    /// A policy's reports have the Message-ID of its request, and may overtake the acknowledgement: they are no answer.
    is_report: bool,
}

pub(super) struct Exchange {
    query_wait: Millis,
    other_wait: Millis,
    out: BTreeMap<NodeId, Vec<Out>>,
    /// What has come and was not taken yet, by its exchange: a node that stands still takes it later than any other would.
    coming: BTreeMap<Channel, Answer>,
    inboxes: BTreeMap<NodeId, Inbox>,
    /// The time of each client's machine: the latest that any node's clock has shown it.
    now: BTreeMap<String, Tick>,
    most: u64,
}

impl Exchange {
    pub(super) const fn new(config: &Config) -> Self {
        let (query_wait, other_wait) = (config.dpe2.noreply_timeout, config.dpe2.ack_timeout);
        Self {
            query_wait,
            other_wait,
            out: BTreeMap::new(),
            coming: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            now: BTreeMap::new(),
            most: 0,
        }
    }

    /// The machine of a client has taken a step, which the clock of its node put at this time.
    pub(super) fn stepped(&mut self, client: &ClientId, step: Tick) {
        let now = self.now.entry(client.as_str().to_owned()).or_default();
        *now = step.max(*now);
    }

    /// A message to the client at a node. `step` is the time of the step that it comes of, by the clock of its server.
    pub(super) fn sent(&mut self, (at, step): (Tick, Tick), node: NodeId, message: &Message, ledger: &mut Ledger) {
        if !message.kind.is_request() {
            return;
        }
        let (query_wait, other_wait) = (self.query_wait, self.other_wait);
        let now = self.now.entry(text(&message.client_id)).or_default();
        *now = step.max(*now);
        let step = *now;
        let what = Box::new(Message { message_id: Ie::Absent, duration: Ie::Absent, ..message.clone() });
        // The answer to the first sending is one to the repetition, too.
        let mut ids = vec![text(&message.message_id)];
        // A step that began before the answer came may end after: what it repeats has been answered.
        let (mut answered, mut unclear) = (None, None);
        // It may have been sent to another node first: to a device that was this client then.
        for before in self.out.values().flatten().filter(|out| out.what == what) {
            ids.extend(before.ids.iter().cloned());
            answered = answered.max(before.answered.filter(|then| at.0 <= then.0 + CROSSING_MS));
            unclear = unclear.max(before.unclear.filter(|then| at.0 <= then.0 + CROSSING_MS));
        }
        let out = self.out.entry(node).or_default();
        // Nothing else hides that it was answered than what its client said damaged since.
        let begins = self.inboxes.get(&node).and_then(|inbox| inbox.begins);
        let is_in_time = |out: &Out| out.until > step && begins.is_none_or(|begins| out.sent > begins);
        let is_unclear = |out: &Out| out.unclear.is_some() && out.answered.is_none() && is_in_time(out);
        excused("excused-P01", out.iter().any(is_unclear), true, ledger);
        // A device that has another Client-ID since is another client: what was out under the former one is over.
        let is_same = |out: &&Out| out.what.client_id == what.client_id;
        let is_out = |out: &&Out| is_same(out) && is_in_time(out) && out.answered.is_none() && out.unclear.is_none();
        let others: Vec<Kind> = out.iter().filter(is_out).map(|out| out.what.kind).collect();
        ledger.judge(ONE_OUT, others.is_empty(), || {
            format!("device {node} is asked {} while {others:?} is out", message.kind.name())
        });
        self.most = self.most.max(others.len() as u64 + 1);
        out.retain(|out| out.what != what);
        let is_query = matches!(what.kind, Kind::PropertyQuery | Kind::GroupQuery);
        let wait = if is_query { query_wait } else { other_wait };
        // The server counts by the clocks of its nodes, which may differ.
        let until = step + wait;
        out.push(Out { ids, what, until, sent: at, answered, unclear });
    }

    /// A message of the client at a node has reached the server. An answer that is none any more, but for its Message-ID,
    /// is a faulty one: the server asks again [DPE 7.3.6]. Of one that is not what it was nobody sees which request it answered.
    pub(super) fn arrived(&mut self, at: Tick, (node, channel): (NodeId, Channel), read: &Read, is_altered: bool) {
        let inbox = self.inboxes.entry(node).or_default();
        let next = inbox.empty.max(at);
        let taken = Tick(next.0 + WORK_MS.most.0);
        inbox.empty = taken;
        if is_altered {
            self.out.get_mut(&node).into_iter().flatten().for_each(|out| out.unclear = Some(taken));
        }
        if read.message().is_some_and(|message| message.kind == Kind::RegisterSuccess) {
            inbox.begins = Some(next);
            return;
        }
        let client = read.message().map(|message| message.client_id.clone());
        let is_report = read.message().is_some_and(|message| message.kind.is_report());
        let answer = Answer { node, id: read.message_id(), client, is_report };
        self.answered(&answer, taken);
        self.coming.insert(channel, answer);
    }

    /// The server has taken the message of this exchange.
    pub(super) fn took(&mut self, at: Tick, exchange: Channel) {
        if let Some(answer) = self.coming.remove(&exchange) {
            self.answered(&answer, at);
        }
    }

    fn answered(&mut self, answer: &Answer, taken: Tick) {
        // A device that was this client once may have the request, too, and answer it.
        for (place, out) in &mut self.out {
            let is_meant =
                |out: &&mut Out| *place == answer.node || answer.client.as_ref() == Some(&out.what.client_id);
            let is_it = |out: &&mut Out| out.ids.contains(&answer.id) && !(answer.is_report && out.sets_policy());
            for out in out.iter_mut().filter(is_meant).filter(is_it) {
                // An earlier one may not have been believed: of a client whose token was another one by then.
                out.answered = out.answered.max(Some(taken));
            }
        }
    }

    pub(super) fn finish(&self, ledger: &mut Ledger) {
        ledger.count("outstanding-max", Figure::Most(self.most));
    }
}
