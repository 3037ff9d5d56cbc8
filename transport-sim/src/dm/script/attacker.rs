//! A client that breaks the protocol, and one that says to be somebody else.

use std::collections::VecDeque;

use bytes::Bytes;
use core_kit::Tick;
use dm_core::{
    auth::{Account, Scheme, SignRequest, Signature},
    codes::{AlertCode, StatusCode},
    ids::{CmdId, MsgId, SessionId},
    limits::WireLimits,
    wire::{
        Alert, Command, Cred, Edit, Encoding, Format, Item, Location, Message as SyncMl, Meta, Results, Status, decode,
    },
};

use super::{message, number, status, written};
use crate::{
    Context, FaultId, Message, NodeId,
    dm::{Party, envelope::Envelope},
};

/// What an attacker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dm) enum Attack {
    /// A session in another device's name with a guess at its password.
    Guess,
    /// A session in another device's name with credentials that were heard on the wire: of that device, of another one,
    /// or of a server.
    Steal,
    /// A whole message that was heard on the wire, once more.
    Repeat,
    /// A message of a session that nobody opened.
    Unopened,
    /// An own session without an end.
    Endless,
    /// An own session in which a number is used for two messages.
    Reuse,
    /// An own session with statuses and results for nothing, and numbers that cannot be.
    Strays,
    /// No message at all.
    Garbage,
    /// An own session that is opened, and in which nothing more is said.
    Silence,
    /// An own session that begins with as many alerts as a message may have.
    Hog,
}

impl Attack {
    pub(in crate::dm) const ALL: [Self; 10] = [
        Self::Guess,
        Self::Steal,
        Self::Repeat,
        Self::Unopened,
        Self::Endless,
        Self::Reuse,
        Self::Strays,
        Self::Garbage,
        Self::Silence,
        Self::Hog,
    ];

    /// The fault that this is.
    const fn fault(self) -> FaultId {
        match self {
            Self::Guess | Self::Steal => FaultId::F42,
            Self::Repeat => FaultId::F40,
            Self::Endless => FaultId::F44,
            Self::Unopened | Self::Reuse | Self::Strays | Self::Garbage => FaultId::F45,
            Self::Silence => FaultId::F43,
            Self::Hog => FaultId::F46,
        }
    }
}

/// Alerts that a hog sends at once.
const ALERTS: usize = 200;

/// Whom it goes to, and in whose name.
#[derive(Clone)]
pub(in crate::dm) struct Target {
    pub(in crate::dm) node: NodeId,
    pub(in crate::dm) url: String,
    /// The device that it says to be where it lies.
    pub(in crate::dm) victim: String,
    /// The victim's name in credentials.
    pub(in crate::dm) user: String,
}

/// How often an attacker answers in one session: far more than any server takes.
const ANSWERS: u32 = 1_000;

/// A client that breaks the protocol.
pub struct Attacker {
    /// What it is where it does not lie: a device with an account of scheme `Basic`.
    device: String,
    own: Account,
    plan: VecDeque<(Tick, Attack, Target)>,
    begun: u16,
    /// The session that goes on, and how often it was answered.
    open: Option<(Attack, Target, SessionId, u32)>,
}

impl Attacker {
    pub(in crate::dm) const fn new(device: String, own: Account, plan: VecDeque<(Tick, Attack, Target)>) -> Self {
        Self { device, own, plan, begun: 0, open: None }
    }

    pub(in crate::dm) fn arm(&self, ctx: &mut Context<'_, Party>) {
        ctx.wake_at(self.plan.front().map(|(at, ..)| *at));
    }

    pub(in crate::dm) fn wake(&mut self, ctx: &mut Context<'_, Party>) {
        if let Some((_, attack, target)) = self.plan.pop_front() {
            // No device has so large numbers.
            self.begun = self.begun.saturating_add(1);
            let session = SessionId::from_number(0xF000 + self.begun);
            if let Some(bytes) = self.first(ctx, attack, &target, &session) {
                ctx.count_fault(attack.fault());
                let channel = ctx.open_channel();
                ctx.send(target.node, channel, bytes);
            }
            self.open = Some((attack, target, session, 0));
        }
        self.arm(ctx);
    }

    pub(in crate::dm) fn receive(&mut self, ctx: &mut Context<'_, Party>, came: &Message) {
        let Envelope::Session(_, body) = Envelope::open(&came.bytes) else { return };
        let Ok(decoded) = decode(Encoding::Xml, &body, &WireLimits::SERVER) else { return };
        let heard = decoded.message;
        let Some((attack, target, session, answers)) = &mut self.open else { return };
        // A server may turn down each message of a session that it has given up, and store nothing: then only the attacker ends
        // what never comes to an end. Each copy of a reply that the network makes is answered, too.
        if heard.header.session_id != *session || ctx.is_healed() || *answers >= ANSWERS {
            return;
        }
        *answers += 1;
        let next = Self::next(*attack, *answers, &heard).map(|(msg_id, mut commands, is_final)| {
            let reference = status(heard.header.msg_id, CmdId::header(), Status::HEADER, StatusCode::OK);
            commands.insert(0, Command::Status(reference));
            let mut message = message(session, msg_id, &target.url, &self.device);
            message.is_final = is_final;
            message.commands = commands;
            number(&mut message.commands, &mut 1);
            if *attack == Attack::Strays {
                message.commands.iter_mut().last().into_iter().for_each(|last| last.cmd_id_slot().set(CmdId::header()));
            }
            (target.node, message)
        });
        if let Some((node, message)) = next
            && let Some(bytes) = written(&message)
        {
            let channel = ctx.open_channel();
            ctx.send(node, channel, bytes);
        }
    }

    /// How an own session goes on.
    fn next(attack: Attack, answers: u32, heard: &SyncMl) -> Option<(MsgId, Vec<Command>, bool)> {
        match attack {
            Attack::Endless => Some((MsgId(answers + 1), Vec::new(), false)),
            // The first message had the number 1, and was answered.
            Attack::Reuse if answers == 1 => Some((MsgId(1), opening("other"), true)),
            Attack::Strays if answers == 1 => {
                let stray = status(heard.header.msg_id, CmdId::from(77), "Replace", StatusCode::OK);
                let item =
                    Item { source: Some(Location::new("./Sim/Value")), data: Some("x".into()), ..Item::default() };
                let results = Results { cmd_ref: CmdId::from(78), items: vec![item], ..Results::default() };
                Some((MsgId(2), vec![Command::Status(stray), Command::Results(results)], true))
            }
            _ => None,
        }
    }

    fn first(
        &self,
        ctx: &mut Context<'_, Party>,
        attack: Attack,
        target: &Target,
        session: &SessionId,
    ) -> Option<Bytes> {
        let honest = matches!(attack, Attack::Endless | Attack::Reuse | Attack::Strays | Attack::Silence | Attack::Hog);
        let device = if honest { &self.device } else { &target.victim };
        let mut message = message(session, MsgId(1), &target.url, device);
        match attack {
            Attack::Repeat => return ctx.shared().heard().find(|bytes| is_opening(bytes)).cloned(),
            Attack::Garbage => return Some(Bytes::from_static(b"<SyncML><SyncHdr></SyncML>\xff\0")),
            Attack::Unopened => message.header.msg_id = MsgId(5),
            Attack::Guess => {
                let guess = Account::new(&target.user, "is it this one?", Scheme::Md5);
                let request = SignRequest { peer: "".into(), scheme: Scheme::Md5, nonce: None, body: None };
                show(&mut message, Scheme::Md5, &guess.sign(&request));
            }
            Attack::Steal => {
                let older = usize::from(self.begun % 2);
                let cred = ctx.shared().heard().filter_map(cred_in).nth(older)?;
                message.header.cred = Some(cred);
                message.header.source.name = Some(target.user.clone().into());
            }
            Attack::Endless | Attack::Reuse | Attack::Strays | Attack::Silence | Attack::Hog => {
                let request = SignRequest { peer: "".into(), scheme: Scheme::Basic, nonce: None, body: None };
                show(&mut message, Scheme::Basic, &self.own.sign(&request));
            }
        }
        message.commands = opening("en");
        if attack == Attack::Unopened {
            message.commands.remove(0);
        }
        if attack == Attack::Hog {
            let data = Item { data: Some("x".into()), ..Item::default() };
            let alert = || Command::Alert(Alert { items: vec![data.clone()], ..Alert::new(AlertCode::GENERIC) });
            message.commands.extend((0..ALERTS).map(|_| alert()));
        }
        message.is_final = attack != Attack::Endless;
        number(&mut message.commands, &mut 1);
        written(&message)
    }
}

fn show(message: &mut SyncMl, scheme: Scheme, signature: &Signature) {
    let meta = Meta { format: Some(Format::B64), media_type: Some(scheme.as_type().into()), ..Meta::default() };
    message.header.cred = Some(Cred { meta: Some(meta), data: signature.data.as_str().into() }.into());
    message.header.source.name = Some(signature.user.as_str().into());
}

/// The credentials of a message that was heard.
fn cred_in(bytes: &Bytes) -> Option<Box<Cred>> {
    let Envelope::Session(None, body) = Envelope::open(bytes) else { return None };
    decode(Encoding::Xml, &body, &WireLimits::SERVER).ok()?.message.header.cred
}

/// Whether it is the first message of a session.
fn is_opening(bytes: &Bytes) -> bool {
    let Envelope::Session(_, body) = Envelope::open(bytes) else { return false };
    decode(Encoding::Xml, &body, &WireLimits::SERVER).is_ok_and(|decoded| {
        let opens = |command: &Command| matches!(command, Command::Alert(alert) if alert.code == Some(AlertCode::CLIENT_INITIATED));
        decoded.message.commands.iter().any(opens)
    })
}

fn opening(language: &str) -> Vec<Command> {
    let leaves = [("DevId", "x"), ("Man", "x"), ("Mod", "x"), ("DmV", "1.2"), ("Lang", language)];
    let item = |(leaf, value): &(&str, &str)| Item {
        source: Some(Location::new(format!("./DevInfo/{leaf}"))),
        data: Some((*value).into()),
        ..Item::default()
    };
    let info = Edit { items: leaves.iter().map(item).collect(), ..Edit::default() };
    vec![Command::Alert(Alert::new(AlertCode::CLIENT_INITIATED)), Command::Replace(info)]
}
