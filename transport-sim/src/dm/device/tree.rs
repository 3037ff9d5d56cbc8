//! What a device's tree does for servers, and who is told of it.

use std::sync::Arc;

use core_kit::UnixMillis;
use dm_core::{
    client::Ops,
    codes::StatusCode,
    tree::{Op, OpResult},
};

use super::{Device, Execution};
use crate::{
    Context,
    dm::{Fact, Fingerprint, OpKind, Party, Step},
};

impl Device {
    /// What the tree answers; nothing where that could not be written, so that nothing of it was done.
    pub(super) fn ask_tree(&mut self, ctx: &mut Context<'_, Party>, ops: &Ops) -> Option<Vec<OpResult>> {
        if let Some((id, results)) = &self.answered
            && *id == ops.id
            && !core_kit::planted!("D29-done-again-after-crash")
        {
            return Some(results.to_vec());
        }
        let written = self.done.mark();
        self.known.tree.tell_time(ops.at);
        let mut results = Vec::with_capacity(ops.ops.len());
        for op in ops.ops.iter() {
            let result = self.do_one(ctx, ops, op);
            let stops = ops.stops_at_failure && !result.status.is_success();
            results.push(result);
            if stops {
                break;
            }
        }
        results.resize(ops.ops.len(), OpResult::status(StatusCode::NOT_EXECUTED));
        if ops.server.is_some() {
            for (op, result) in ops.ops.iter().zip(&results) {
                let Some((kind, uri)) = OpKind::of(op).zip(op.uri()) else { continue };
                let done = Execution { kind, uri: uri.into(), status: result.status };
                let Execution { kind, uri, status } = done.clone();
                self.untold.push(Fact::Executed { kind, uri, status });
                self.done.push(done);
            }
        }
        if ops.ops.contains(&Op::RollBack) {
            self.untold.push(Fact::RolledBack);
        }
        self.answered = Some((ops.id, Arc::new(results.clone())));
        let untold = core::mem::take(&mut self.untold);
        if !self.save(ctx) {
            self.done.forget_since(written);
            return None;
        }
        self.executions.extend(self.done.since(written).cloned());
        for fact in &untold {
            ctx.note(fact);
        }
        Some(results)
    }

    /// Does one operation, and tells of it where that is wanted.
    fn do_one(&mut self, ctx: &Context<'_, Party>, ops: &Ops, op: &Op) -> OpResult {
        let tells = self.known.tells_steps;
        let before = tells.then(|| match self.told.take() {
            Some(told) if *told == self.known.tree => told,
            _ => Arc::new(self.known.tree.clone()),
        });
        let result = self.apply(ops, op, self.known.cannot_undo && !ctx.is_healed());
        let (Some(before), Some(server), Some(current)) = (before, &ops.server, &self.current) else { return result };
        let tree = &self.known.tree;
        let after = if *before == *tree { Arc::clone(&before) } else { Arc::new(tree.clone()) };
        self.told = Some(Arc::clone(&after));
        let (session, server, op, at) = (current.id.clone(), server.clone(), op.clone(), ops.at);
        let step = Step { session, server, op, at, result: result.clone(), before, after };
        self.untold.push(Fact::Stepped(Arc::new(step)));
        result
    }

    fn apply(&mut self, ops: &Ops, op: &Op, cannot_undo: bool) -> OpResult {
        self.in_atomic = if *op == Op::Begin { 0 } else { self.in_atomic + 1 };
        let undone_by_nobody = *op == Op::RollBack && cannot_undo && self.known.tree.is_open();
        let done = if undone_by_nobody { &Op::Commit } else { op };
        let result = self.known.tree.apply_in(ops.manner(), ops.server.as_ref(), core::slice::from_ref(done));
        if undone_by_nobody {
            let not_undone = (0..self.in_atomic.saturating_sub(1)).collect();
            return OpResult { not_undone, ..OpResult::status(StatusCode::ROLL_BACK_FAILED) };
        }
        result.into_iter().next().unwrap_or_else(|| OpResult::status(StatusCode::COMMAND_FAILED))
    }

    /// Tells what the tree holds, between two sessions.
    pub(super) fn show(&self, ctx: &mut Context<'_, Party>) {
        if !self.known.tells_tree {
            return;
        }
        // When the tree was last told the time is no part of what it holds.
        let mut tree = self.known.tree.clone();
        tree.tell_time(UnixMillis(0));
        match serde_json::to_vec(&tree) {
            Ok(tree) => ctx.note(&Fact::Tree(Fingerprint::of(&tree))),
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
        for uri in &self.known.shown {
            let value = self.known.tree.node(uri).and_then(|node| node.value()).map(|value| Fingerprint::of(value));
            ctx.note(&Fact::Leaf { uri: uri.clone(), value });
        }
    }
}
