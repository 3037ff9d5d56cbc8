//! One run of a script: what comes in is fed to the machine, what comes out is compared line by line.

use core_kit::Env;
use dm_core::{
    Packet,
    auth::{Account, Claim, Presented, Scheme, Scope, SignRequest, Signature, Verdict},
    codes::StatusCode,
    limits::WireLimits,
    session::Reason,
    wire::{Command, Encoding, Message, decode, encode},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Side,
    message::{parse, render},
    notes::Notes,
    script::{Script, Step},
    text::{compact, number, unquote},
};
use crate::harness::{Driven, env};

/// A machine with a script in the place of everything around it.
pub(super) trait Driver {
    /// Whose machine it is.
    const SIDE: Side;

    /// Whether the step is something that happens to the machine; everything else comes out of it.
    fn is_input(step: &Step) -> bool {
        let word = step.word();
        let foreign = if Self::SIDE == Side::Server { 'C' } else { 'S' };
        let is_message =
            word.strip_prefix(foreign).is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()));
        is_message || Self::WORDS.contains(&word)
    }

    /// The first words of inputs that are no messages.
    const WORDS: &'static [&'static str];

    fn new(script: &Script, encoding: Encoding) -> Result<Self, String>
    where
        Self: Sized;

    /// Does the step, and gives all that comes out, each as lines.
    fn feed(&mut self, step: &Step, world: &mut World) -> Result<Vec<Vec<String>>, String>;
}

/// What is around a machine.
pub(super) struct World {
    pub(super) encoding: Encoding,
    pub(super) notes: Notes,
    pub(super) now: u64,
    /// The last message that came in.
    last_in: Option<Packet>,
    /// The last message that went out.
    last_out: Option<Packet>,
    scope: Option<Scope>,
    refusal: Option<StatusCode>,
    declines: bool,
}

/// Runs the script; with `bless` it is written anew with what really comes out.
pub(super) fn run<D: Driver>(script: &Script, encoding: Encoding, bless: bool) -> Result<Notes, String> {
    let mut world = World::new(script, encoding)?;
    let mut driver = D::new(script, encoding)?;
    let at = |line: usize| format!("{}.txt:{line} ({encoding:?})", script.name);
    let (mut pending, mut written) = (Vec::new().into_iter(), Vec::new());
    for step in &script.steps {
        if D::is_input(step) {
            if let Some(lines) = pending.next().filter(|_| !bless) {
                let lines: Vec<String> = lines;
                return Err(format!("{}: before this, this comes out too:\n{}", at(step.line), lines.join("\n")));
            }
            written.push(step.clone());
            let outputs = driver.feed(step, &mut world).map_err(|error| format!("{}: {error}", at(step.line)))?;
            written.extend(outputs.iter().cloned().map(Step::of));
            pending = outputs.into_iter();
        } else if !bless {
            let Some(actual) = pending.next() else {
                return Err(format!("{}: this does not come out:\n{}", at(step.line), step.head));
            };
            let actual = Step::of(actual);
            let all: Vec<&str> = actual.lines().map(|(_, line)| line).collect();
            let mut lines = actual.lines().map(|(_, line)| line);
            for (number, expected) in step.lines() {
                let found = lines.next().unwrap_or("nothing more");
                if found != expected {
                    let all = all.join("\n");
                    return Err(format!("{}\n  said: {expected}\n  came: {found}\nin\n{all}", at(number)));
                }
            }
            if let Some(more) = lines.next() {
                return Err(format!("{}: in this comes more: {more}\nin\n{}", at(step.line), all.join("\n")));
            }
        }
    }
    if bless {
        script.write(&written, D::is_input)?;
    } else if let Some(lines) = pending.next() {
        return Err(format!("{}.txt: at the end this comes out too:\n{}", script.name, lines.join("\n")));
    }
    Ok(world.notes)
}

impl World {
    fn new(script: &Script, encoding: Encoding) -> Result<Self, String> {
        let scope = match script.setting("scope") {
            None => None,
            Some("message") => Some(Scope::Message),
            Some("session") => Some(Scope::Session),
            Some("transport") => Some(Scope::Transport),
            Some(other) => return Err(format!("what is the scope {other}?")),
        };
        Ok(Self {
            encoding,
            notes: Notes::default(),
            now: 0,
            last_in: None,
            last_out: None,
            scope,
            refusal: script.setting("refuse").map(|code| number(code).map(StatusCode)).transpose()?,
            declines: script.setting("sign") == Some("decline"),
        })
    }

    /// The environment of the next step.
    pub(super) fn env(&mut self) -> Env {
        self.now += 1;
        env(self.now)
    }

    /// One step of the machine, which then goes through its snapshot.
    pub(super) fn step<M: Driven>(
        &mut self,
        machine: &mut M,
        input: M::Input,
        profile: &M::Profile,
    ) -> Result<Vec<M::Output>, String>
    where
        M::Output: Clone,
    {
        let env = self.env();
        machine.step(&env, input, profile).map_err(|misuse| format!("the machine refuses that: {misuse}"))
    }

    /// The packet of a message step of the other side.
    pub(super) fn packet(&mut self, from: Side, step: &Step) -> Result<Packet, String> {
        if step.word() == "again" {
            return self.last_in.clone().ok_or_else(|| "nothing came yet".into());
        }
        let packet = if step.word() == "bytes" {
            Packet::new(self.encoding, unquote(step.rest())?)
        } else {
            let (head, mac) = match step.head.split_once(" mac=") {
                Some((head, mac)) => (head, Some(mac)),
                None => (step.head.as_str(), None),
            };
            let message = parse(from, head, &step.body, &self.notes)?;
            let mut canonical = render(from, &message, &mut self.notes);
            if let Some(mac) = mac {
                canonical[0] = format!("{head} mac={mac}");
            }
            for ((_, said), meant) in step.lines().zip(&canonical) {
                if said != meant {
                    return Err(format!("write\n  {meant}\ninstead of\n  {said}"));
                }
            }
            self.heard(from, &message);
            let body = encode(self.encoding, &message).map_err(|error| error.to_string())?;
            let mac = mac.map(|mac| self.notes.parse_mac(mac, &body)).transpose()?;
            let packet = Packet::new(self.encoding, body);
            match mac {
                Some(mac) => packet.with_mac(mac),
                None => packet,
            }
        };
        self.last_in = Some(packet.clone());
        Ok(packet)
    }

    /// The lines of a message that our side sent.
    pub(super) fn sent(&mut self, from: Side, packet: &Packet) -> Result<Vec<String>, String> {
        if packet.encoding != self.encoding {
            return Err(format!("the message that came out is in {:?}", packet.encoding));
        }
        let decoded = decode(packet.encoding, &packet.body, &WireLimits::SERVER).map_err(|error| error.to_string())?;
        if !decoded.deviations.is_empty() {
            return Err(format!("what came out strays: {:?}", decoded.deviations));
        }
        let mut lines = render(from, &decoded.message, &mut self.notes);
        if let Some(mac) = &packet.mac {
            lines[0] = format!("{} mac={}", lines[0], self.notes.mac(mac, &packet.body));
        }
        if self.last_out.replace(packet.clone()).is_some_and(|last| last == *packet) {
            return Ok(vec![format!("{} again", lines[0].split(' ').next().unwrap_or_default())]);
        }
        self.said(from, &decoded.message);
        Ok(lines)
    }

    fn heard(&mut self, from: Side, message: &Message) {
        let us = from.other();
        each(&message.commands, "plain", &mut |command, place| match command {
            Command::Status(status) => self.notes.cover("status taken", format!("{us} {}", status.code)),
            Command::Alert(alert) => {
                let code = alert.code.map_or_else(|| "-".into(), |code| code.to_string());
                self.notes.cover("alert taken", format!("{us} {code}"));
                self.notes.cover("command taken", format!("{us} Alert {place}"));
            }
            command => self.notes.cover("command taken", format!("{us} {} {place}", command.name())),
        });
    }

    fn said(&mut self, us: Side, message: &Message) {
        each(&message.commands, "plain", &mut |command, place| match command {
            Command::Status(status) => self.notes.cover("status given", format!("{us} {}", status.code)),
            Command::Alert(alert) => {
                let code = alert.code.map_or_else(|| "-".into(), |code| code.to_string());
                self.notes.cover("alert given", format!("{us} {code}"));
                self.notes.cover("command given", format!("{us} Alert {place}"));
            }
            command => self.notes.cover("command given", format!("{us} {} {place}", command.name())),
        });
    }

    /// The verdict on a claim, and the line that tells of it.
    pub(super) fn judge(&mut self, us: Side, account: Option<&Account>, claim: &Claim) -> (Verdict, Vec<String>) {
        let verdict = match (self.refusal, account.map(|account| account.judge(claim))) {
            (Some(code), _) => Verdict::Refused(code),
            (None, None) => Verdict::Accepted(Scope::Transport),
            (None, Some(Verdict::Accepted(scope))) => Verdict::Accepted(self.scope.unwrap_or(scope)),
            (None, Some(verdict)) => verdict,
        };
        let shown = match &claim.presented {
            Presented::Nothing => "nothing".into(),
            Presented::Unreadable => "unreadable".into(),
            Presented::Unsupported => "unsupported".into(),
            presented => presented.scheme().map_or_else(|| "other".into(), scheme_name),
        };
        let (said, kind) = match &verdict {
            Verdict::Accepted(scope) => (format!("accepted for the {}", word(scope)), "accepted"),
            Verdict::Challenge { scheme, .. } => (format!("challenged to {}", scheme_name(*scheme)), "challenged"),
            Verdict::Refused(code) => (format!("refused with {code}"), "refused"),
            Verdict::LockedOut => ("locked out".into(), "locked out"),
        };
        self.notes.cover("authentication", format!("{shown} {kind} by our {us}"));
        (verdict, vec![format!("asked authenticate {shown}: {said}")])
    }

    /// The signature that is asked for, and the line that tells of it.
    pub(super) fn sign(&mut self, us: Side, account: &str, request: &SignRequest) -> (Option<Signature>, Vec<String>) {
        let scheme = scheme_name(request.scheme);
        if self.declines {
            return (None, vec![format!("asked sign {scheme}: declined")]);
        }
        let asked =
            if request.scheme == Scheme::Mac && request.body.is_none() { "asked sign mac: the name" } else { "" };
        if asked.is_empty() {
            self.notes.cover("authentication", format!("{scheme} shown by our {us}"));
        }
        let account = Notes::account(account, request.scheme).expect("both sides have an account");
        let asked = if asked.is_empty() { format!("asked sign {scheme}") } else { asked.into() };
        (Some(account.sign(request)), vec![asked])
    }
}

/// Visits all commands, those inside others with the others' name as their place.
fn each(commands: &[Command], place: &'static str, visit: &mut impl FnMut(&Command, &'static str)) {
    for command in commands {
        visit(command, place);
        each(command.inner(), command.name(), visit);
    }
}

/// The name that serde writes.
pub(super) fn word(value: &impl Serialize) -> String {
    compact(&json(value))
}

pub(super) fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("it is JSON")
}

fn scheme_name(scheme: Scheme) -> String {
    word(&scheme)
}

pub(super) fn scheme(name: &str) -> Result<Scheme, String> {
    serde_json::from_value(Value::String(name.into())).map_err(|_| format!("{name} is no scheme"))
}

pub(super) fn reason(name: &str) -> Result<Reason, String> {
    serde_json::from_value(Value::String(name.into())).map_err(|_| format!("{name} is no reason"))
}

/// The profile with what the settings `profile.a.b: value` say.
pub(super) fn adjusted<P: Serialize + DeserializeOwned>(profile: &P, script: &Script) -> Result<P, String> {
    let mut tree = json(profile);
    for (key, value) in &script.settings {
        let Some(path) = key.strip_prefix("profile.") else { continue };
        let mut place = &mut tree;
        for name in path.split('.') {
            place = place.get_mut(name).ok_or_else(|| format!("the profile has no {path}"))?;
        }
        *place = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.clone()));
    }
    serde_json::from_value(tree).map_err(|error| error.to_string())
}

/// An answer in JSON, `{"kind": {..}}`, for the question with this number.
pub(super) fn answer<A: DeserializeOwned>(step: &Step, id: &impl Serialize) -> Result<A, String> {
    let mut answer: Value = serde_json::from_str(step.rest()).map_err(|error| error.to_string())?;
    let fields = answer.as_object_mut().and_then(|kinds| kinds.values_mut().next()).and_then(Value::as_object_mut);
    fields.ok_or("an answer is {\"kind\": {..}}")?.insert("id".into(), json(id));
    serde_json::from_value(answer).map_err(|error| error.to_string())
}

/// A question as lines: its kind and fields, without its number.
pub(super) fn asked(question: &impl Serialize, hidden: &[&str]) -> String {
    let mut question = json(question);
    if let Some(fields) =
        question.as_object_mut().and_then(|kinds| kinds.values_mut().next()).and_then(Value::as_object_mut)
    {
        fields.retain(|name, _| name != "id" && !hidden.contains(&name.as_str()));
    }
    format!("ask {}", compact(&question)).trim_end().into()
}
