//! What a device does that no client of ours would: it replays, falls silent, never comes to an end, violates the protocol,
//! shows wrong credentials, takes too much.

use std::collections::VecDeque;

use bytes::Bytes;
use core_kit::{Millis, Tick};
use dpe_core::{
    codes::Code,
    ids::Token,
    limits::WireLimits,
    property::Reading,
    wire::{Decoded, Ie, Kind, Message, ResultIe, Secret, Value, decode, encode},
};

use super::{Fact, Party, binding::Envelope};
use crate::{Context, FaultId, Site, Span};

const HOW: Site = Site("spite.how");
const WHICH: Site = Site("spite.which");
const SPAN: Site = Site("spite.span");

/// Messages that a device keeps to replay one.
const KEPT: usize = 16;
/// How long it is silent: shorter than one wait for an answer, or longer than all of them.
const SILENCE_MS: Span = Span::new(5_000, 200_000);
/// How late a late answer is: after the wait for it.
const LATE_MS: Span = Span::new(31_000, 90_000);
/// How long it does not complete a registration, or goes on with the same answer, and how often it does the latter.
const ENDLESS_MS: Span = Span::new(60_000, 300_000);
const BABBLE_MS: u64 = 3_000;
/// Commands to register that somebody has kept.
const COMMANDS: usize = 4;
/// Messages that a hog sends at once, and results in one of them: as many as a message may have, or far more.
const HOGGED: usize = 6;
const RESULTS: [usize; 2] = [128, 400];

/// How one device misbehaves.
#[derive(Default)]
pub(super) struct Spite {
    silent_until: Tick,
    sent: VecDeque<Envelope>,
    /// Answers that were held back, each with its time.
    held: Vec<(Tick, Envelope)>,
    /// Until then it completes no registration.
    incomplete_until: Tick,
    /// Commands to register that came, as somebody on the way has kept them.
    commands: VecDeque<Bytes>,
}

impl Spite {
    /// F43: whether it takes nothing in.
    pub(super) fn is_silent(&self, ctx: &Context<'_, Party>) -> bool {
        !ctx.is_healed() && ctx.now() < self.silent_until
    }

    /// When something that was held back is to leave.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.held.iter().map(|(at, _)| *at).min()
    }

    /// What is to leave by now.
    pub(super) fn due(&mut self, now: Tick) -> Vec<Envelope> {
        let (due, held) = core::mem::take(&mut self.held).into_iter().partition(|(at, _)| *at <= now);
        self.held = held;
        let due: Vec<(Tick, Envelope)> = due;
        due.into_iter().map(|(_, envelope)| envelope).collect()
    }

    /// A message of the server came.
    pub(super) fn overhear(&mut self, body: &Bytes) {
        const COMMAND: &[u8] = b"DPE_Register_Command";
        if body.windows(COMMAND.len()).take(COMMAND.len() * 4).any(|octets| octets == COMMAND) {
            self.commands.push_back(body.clone());
            if self.commands.len() > COMMANDS {
                self.commands.pop_front();
            }
        }
    }

    /// F41: a command to register that comes again, long after the server sent it.
    pub(super) fn replayed(&self, ctx: &mut Context<'_, Party>) -> Option<Bytes> {
        let kept = self.commands.front()?;
        ctx.strikes(FaultId::F41, None).then(|| kept.clone())
    }

    /// F44, where it never completes its registration: whether that begins now.
    pub(super) fn begins_for_ever(&mut self, ctx: &mut Context<'_, Party>) -> bool {
        if !ctx.strikes(FaultId::F44, None) {
            return false;
        }
        let (now, lasts) = (ctx.now(), ctx.draw(SPAN, None, ENDLESS_MS));
        match self.sent.back().filter(|last| matches!(last, Envelope::Messages(_))) {
            Some(last) if ctx.choose(HOW, None, 2) == 0 => {
                let times = lasts.0 / BABBLE_MS;
                self.held.extend((1..=times).map(|n| (now + Millis(n * BABBLE_MS), last.clone())));
                false
            }
            _ => {
                self.incomplete_until = now + lasts;
                true
            }
        }
    }

    /// F40, F43 and F46, each with its chance: what leaves at once, and as what.
    pub(super) fn tempt(&mut self, ctx: &mut Context<'_, Party>) -> Vec<(FaultId, Envelope)> {
        let mut leaving = Vec::new();
        if ctx.strikes(FaultId::F43, None) {
            self.silent_until = ctx.now() + ctx.draw(SPAN, None, SILENCE_MS);
        }
        if !self.sent.is_empty() && ctx.strikes(FaultId::F40, None) {
            let which = ctx.choose(WHICH, None, u32::try_from(self.sent.len()).unwrap_or(1));
            if let Some(old) = self.sent.get(which as usize) {
                leaving.push((FaultId::F40, old.clone()));
            }
        }
        if let Some(last) = self.sent.back().cloned()
            && ctx.strikes(FaultId::F46, None)
        {
            let results = RESULTS.into_iter().cycle().take(HOGGED);
            leaving.extend(results.map(|results| (FaultId::F46, swollen(&last, results))));
        }
        leaving
    }

    /// F42, F44, F45 and F49: what leaves in the place of a message.
    pub(super) fn twist(&mut self, ctx: &mut Context<'_, Party>, envelope: Envelope) -> Option<Envelope> {
        self.sent.push_back(envelope.clone());
        if self.sent.len() > KEPT {
            self.sent.pop_front();
        }
        let Some(message) = envelope.body().and_then(read) else { return Some(envelope) };
        if message.kind == Kind::RegisterSuccess && !ctx.is_healed() && ctx.now() < self.incomplete_until {
            return None;
        }
        if !matches!(envelope, Envelope::Messages(_)) {
            return Some(envelope);
        }
        if let Ie::Is(token) = &message.security_token {
            let me = ctx.node();
            ctx.shared().show_token(me, token);
            if let Some(envelope) = unproven(ctx, &message) {
                return Some(envelope);
            }
        }
        if !ctx.strikes(FaultId::F45, None) {
            return Some(envelope);
        }
        let how = ctx.choose(HOW, None, 9);
        if how == 0 {
            let at = ctx.now() + Millis(ctx.draw(SPAN, None, LATE_MS).0);
            self.held.push((at, envelope));
            return None;
        }
        let me = ctx.node();
        let nth = ctx.choose(WHICH, None, 64);
        let foreign = ctx.shared().foreign(me, nth).map(Token::from);
        ctx.note(&Fact::Hostile(FaultId::F45));
        Some(Envelope::Messages(violate(message, how, foreign).unwrap_or_else(|| Bytes::from_static(b"<DPE"))))
    }
}

/// F42 and F49: the message with another session's token, or a guessed one, or with none where one is asked for.
fn unproven(ctx: &mut Context<'_, Party>, message: &Message) -> Option<Envelope> {
    let fault = [FaultId::F42, FaultId::F49].into_iter().find(|fault| ctx.strikes(*fault, None))?;
    let mut message = message.clone();
    message.security_token = if fault == FaultId::F49 {
        Ie::Absent
    } else {
        let (me, nth) = (ctx.node(), ctx.choose(WHICH, None, 64));
        let guessed = || Secret(format!("guess{nth:027}"));
        Ie::Is(if nth % 2 == 0 { ctx.shared().foreign_token(me, nth / 2) } else { None }.unwrap_or_else(guessed))
    };
    let body = encode(&message).ok()?;
    ctx.note(&Fact::Hostile(fault));
    Some(Envelope::Messages(body.into()))
}

/// The message as no client of ours would send it; nothing where it is no message at all.
fn violate(mut message: Message, how: u32, foreign: Option<Token>) -> Option<Bytes> {
    match how {
        1 => message.client_id = foreign.into(),
        2 => message.message_id = Ie::Is("799999".try_into().ok()?),
        3 => message.results.iter_mut().for_each(|result| result.values = Ie::Is(vec![Value::text("no number")])),
        4 => drop(message.results.pop()),
        5 => {
            let unasked = Reading::of("signalStrength".try_into().ok()?, Value::integer(1));
            message.results.push(ResultIe::from(&unasked));
        }
        6 => message.kind = if message.kind == Kind::GroupSetAck { Kind::PropertyResult } else { Kind::GroupSetAck },
        7 => message.status = Ie::Is(Code(77)),
        _ => return None,
    }
    encode(&message).ok().map(Bytes::from)
}

/// The same message with far more in it than anybody asked for.
fn swollen(envelope: &Envelope, results: usize) -> Envelope {
    let Envelope::Messages(body) = envelope else { return envelope.clone() };
    let Some(mut message) = read(body) else { return envelope.clone() };
    if let Some(result) = message.results.first().cloned() {
        message.results = vec![result; results];
    }
    encode(&message).map_or_else(|_| envelope.clone(), |body| Envelope::Messages(body.into()))
}

fn read(body: &Bytes) -> Option<Message> {
    match decode(body, &WireLimits::DEFAULT) {
        Ok(Decoded::Message(message)) => Some(*message),
        Ok(Decoded::Untyped(_)) | Err(_) => None,
    }
}
