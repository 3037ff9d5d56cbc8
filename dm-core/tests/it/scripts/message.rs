//! Messages in the notation: a line for the header's facts, then one for each command.

use dm_core::{
    codes::{AlertCode, StatusCode},
    ids::{CmdId, MsgId},
    wire::{
        Alert, Block, Chal, Command, Cred, Delete, Edit, Exec, Get, Header, Item, Location, Map, Message, Meta,
        Results, Search, Status, Sync,
    },
};
use smol_str::SmolStr;

use super::{
    Side,
    notes::Notes,
    text::{bracketed, item, meta, number, parse_item, parse_meta, words},
};
use crate::harness::{DEVICE, SERVER};

/// A line longer than this has its items on lines of their own.
const LINE: usize = 110;
const SESSION: &str = "2F";

impl Side {
    const fn letter(self) -> char {
        match self {
            Self::Client => 'C',
            Self::Server => 'S',
        }
    }

    const fn address(self) -> &'static str {
        match self {
            Self::Client => DEVICE,
            Self::Server => SERVER,
        }
    }
}

/// The message that `side` sent: the head, and its lines.
pub(super) fn render(side: Side, message: &Message, notes: &mut Notes) -> Vec<String> {
    let mut lines = vec![head(side, &message.header, notes)];
    for command in &message.commands {
        command_lines(side, command, 1, notes, &mut lines);
    }
    if message.is_final {
        lines.push("  Final".into());
    }
    lines
}

fn head(side: Side, header: &Header, notes: &mut Notes) -> String {
    let mut words = vec![format!("{}{}", side.letter(), header.msg_id)];
    let mut fact = |name: &str, value: &str, usual: &str| {
        if value != usual {
            words.push(format!("{name}={value}"));
        }
    };
    fact("session", header.session_id.as_str(), SESSION);
    fact("dtd", &header.ver_dtd, "1.2");
    fact("proto", &header.ver_proto, "DM/1.2");
    fact("target", &header.target.uri, side.other().address());
    fact("source", &header.source.uri, side.address());
    fact("resp-uri", header.resp_uri.as_deref().unwrap_or_default(), "");
    let mut user = None;
    if let Some(cred) = &header.cred {
        let text = notes.cred(cred);
        user = notes.parse_cred(&text).ok().and_then(|(_, user)| user);
        words.push(format!("cred={text}"));
    }
    if header.source.name.as_deref() != user.as_deref() {
        words.push(format!("name={}", header.source.name.as_deref().unwrap_or("-")));
    }
    words.extend(header.meta.as_ref().map(|found| format!("meta[{}]", meta(found, notes))));
    words.extend(header.no_resp.then(|| "no-resp".into()));
    words.join(" ")
}

fn command_lines(side: Side, command: &Command, depth: usize, notes: &mut Notes, lines: &mut Vec<String>) {
    let id = command.cmd_id().map_or_else(|| "-".into(), |id| format!("{:?}", id.as_str()).replace('"', ""));
    let id = if id.is_empty() { "none".into() } else { id };
    let mut words = vec![id, command.name().to_owned()];
    words.extend(arguments(side, command, notes));
    let items: Vec<String> = items(command).iter().map(|found| item(found, notes)).collect();
    let indent = "  ".repeat(depth);
    let mut line = format!("{indent}{}", words.join(" "));
    let inline = items.join(" | ");
    if items.len() > 1 && line.len() + inline.len() > LINE {
        lines.push(line);
        lines.extend(items.iter().map(|item| format!("{indent}  | {item}")));
    } else {
        if !items.is_empty() {
            line = format!("{line} | {inline}");
        }
        lines.push(line);
    }
    for inner in command.inner() {
        command_lines(side, inner, depth + 1, notes, lines);
    }
}

fn arguments(side: Side, command: &Command, notes: &mut Notes) -> Vec<String> {
    let mut words = Vec::new();
    let mut common = |no_resp: bool, cred: bool, found: Option<&Meta>| {
        words.extend(no_resp.then(|| "no-resp".to_owned()));
        words.extend(cred.then(|| "cred".to_owned()));
        words.extend(found.map(|found| format!("meta[{}]", meta(found, notes))));
    };
    match command {
        Command::Add(edit) | Command::Copy(edit) | Command::Move(edit) | Command::Replace(edit) => {
            common(edit.no_resp, edit.cred.is_some(), edit.meta.as_deref());
        }
        Command::Delete(delete) => {
            common(delete.no_resp, delete.cred.is_some(), delete.meta.as_deref());
            words.extend(delete.archive.then(|| "archive".into()));
            words.extend(delete.soft.then(|| "soft".into()));
        }
        Command::Get(get) | Command::Put(get) => common(get.no_resp, get.cred.is_some(), get.meta.as_deref()),
        Command::Exec(exec) => {
            common(exec.no_resp, exec.cred.is_some(), exec.meta.as_deref());
            words.extend(exec.correlator.iter().map(|text| format!("corr={text}")));
        }
        Command::Alert(alert) => {
            common(alert.no_resp, alert.cred.is_some(), None);
            words.push(alert.code.map_or_else(|| "-".into(), |code| code.to_string()));
            words.extend(alert.correlator.iter().map(|text| format!("corr={text}")));
        }
        Command::Atomic(block) | Command::Sequence(block) => common(block.no_resp, false, block.meta.as_deref()),
        Command::Results(results) => {
            common(false, false, results.meta.as_deref());
            let to = results.msg_ref.map_or_else(|| "-".into(), |to| to.to_string());
            words.push(format!("{to}/{}", results.cmd_ref.as_str()));
            words.extend(results.cmd.iter().map(|cmd| format!("cmd={cmd}")));
            words.extend(results.target_ref.iter().map(|uri| format!("to={uri}")));
            words.extend(results.source_ref.iter().map(|uri| format!("from={uri}")));
        }
        Command::Status(status) => words = status_words(side, status, notes),
        Command::Map(_) | Command::Search(_) | Command::Sync(_) => {}
    }
    words
}

fn status_words(side: Side, status: &Status, notes: &mut Notes) -> Vec<String> {
    let cmd_ref = status.cmd_ref.as_ref().map_or("-", CmdId::as_str);
    let mut words = vec![format!("{}/{cmd_ref}", status.msg_ref), status.cmd.to_string(), status.code.to_string()];
    let (targets, sources) = usual_refs(side);
    if !status.is_for_header() || *status.target_refs != targets || *status.source_refs != sources {
        words.extend(status.target_refs.iter().map(|uri| format!("to={uri}")));
        words.extend(status.source_refs.iter().map(|uri| format!("from={uri}")));
        words.extend((status.is_for_header() && words.len() == 3).then(|| "no-refs".to_owned()));
    }
    words.extend(status.cred.is_some().then(|| "cred".into()));
    words.extend(status.chal.as_ref().map(|chal| format!("chal[{}]", meta(&chal.meta, notes))));
    words
}

/// The references of a status for a header, written by `side`: the other one's `Target` and `Source`.
fn usual_refs(side: Side) -> ([SmolStr; 1], [SmolStr; 1]) {
    ([side.address().into()], [side.other().address().into()])
}

fn items(command: &Command) -> &[Item] {
    match command {
        Command::Add(edit) | Command::Copy(edit) | Command::Move(edit) | Command::Replace(edit) => &edit.items,
        Command::Delete(delete) => &delete.items,
        Command::Get(get) | Command::Put(get) => &get.items,
        Command::Exec(exec) => &exec.items,
        Command::Alert(alert) => &alert.items,
        Command::Results(results) => &results.items,
        Command::Status(status) => &status.items,
        Command::Atomic(_) | Command::Sequence(_) | Command::Map(_) | Command::Search(_) | Command::Sync(_) => &[],
    }
}

/// The message that lines say `side` sends.
pub(super) fn parse(side: Side, head: &str, body: &[String], notes: &Notes) -> Result<Message, String> {
    let header = parse_head(side, head, notes)?;
    let mut message = Message { header, ..Message::default() };
    let mut lines: Vec<String> = Vec::new();
    for line in body {
        match (line.trim_start().starts_with('|'), lines.last_mut()) {
            (true, Some(last)) => *last = format!("{last} {}", line.trim_start()),
            _ => lines.push(line.clone()),
        }
    }
    if lines.last().is_some_and(|line| line == "  Final") {
        message.is_final = true;
        lines.pop();
    }
    let mut lines = lines.iter().map(String::as_str).peekable();
    message.commands = parse_commands(side, &mut lines, 1, notes)?;
    match lines.next() {
        None => Ok(message),
        Some(line) => Err(format!("{line:?} is nothing that stands here")),
    }
}

fn parse_head(side: Side, head: &str, notes: &Notes) -> Result<Header, String> {
    let words = words(head)?;
    let (first, facts) = words.split_first().ok_or("an empty line")?;
    let msg_id = first.strip_prefix(side.letter()).ok_or_else(|| format!("{first} is not {}", side.letter()))?;
    let mut header = Header {
        ver_dtd: "1.2".into(),
        ver_proto: "DM/1.2".into(),
        session_id: SESSION.into(),
        msg_id: MsgId(number(msg_id)?),
        target: Location::new(side.other().address()),
        source: Location::new(side.address()),
        ..Header::default()
    };
    for word in facts {
        if word == "no-resp" {
            header.no_resp = true;
            continue;
        }
        if let Some(text) = bracketed(word, "meta") {
            header.meta = Some(parse_meta(text, notes)?.into());
            continue;
        }
        let (name, value) = word.split_once('=').ok_or_else(|| format!("{word} is no fact of a header"))?;
        match name {
            "session" => header.session_id = value.into(),
            "dtd" => header.ver_dtd = value.into(),
            "proto" => header.ver_proto = value.into(),
            "target" => header.target.uri = value.into(),
            "source" => header.source.uri = value.into(),
            "resp-uri" => header.resp_uri = Some(value.into()),
            "name" => header.source.name = (value != "-").then(|| value.into()),
            "cred" => {
                let (cred, user) = notes.parse_cred(value)?;
                (header.cred, header.source.name) = (Some(cred.into()), user.map(Into::into));
            }
            _ => return Err(format!("{name} is no fact of a header")),
        }
    }
    Ok(header)
}

fn parse_commands<'a>(
    side: Side,
    lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str> + Clone>,
    depth: usize,
    notes: &Notes,
) -> Result<Vec<Command>, String> {
    let mut commands = Vec::new();
    let indent = "  ".repeat(depth);
    while let Some(line) = lines.next_if(|line| line.strip_prefix(&indent).is_some_and(|rest| !rest.starts_with(' '))) {
        let mut command = parse_command(side, line, notes).map_err(|error| format!("{}: {error}", line.trim()))?;
        if let Command::Atomic(block) | Command::Sequence(block) = &mut command {
            // Recursion as deep as whoever wrote the script made it.
            let mut inner: Vec<&str> = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with(&format!("{indent}  "))) {
                inner.push(line);
            }
            let mut inner = inner.into_iter().peekable();
            block.commands = parse_commands(side, &mut inner, depth + 1, notes)?;
            if let Some(line) = inner.next() {
                return Err(format!("{line:?} is indented too deeply"));
            }
        }
        commands.push(command);
    }
    Ok(commands)
}

/// One command, without those inside.
pub(super) fn parse_command(side: Side, line: &str, notes: &Notes) -> Result<Command, String> {
    let words = words(line)?;
    let mut parts = words.split(|word| word == "|");
    let head = parts.next().ok_or("an empty line")?;
    let items = parts.map(|words| parse_item(words, notes)).collect::<Result<Vec<Item>, String>>()?;
    let [id, name, arguments @ ..] = head else { return Err("a command has a number and a name".into()) };
    let mut found = Arguments::default();
    for word in arguments {
        found.take(word, notes)?;
    }
    let id = match id.as_str() {
        "-" => None,
        "none" => Some(CmdId::from("")),
        id => Some(CmdId::from(id)),
    };
    let cmd_id = id.clone().unwrap_or_default();
    let Arguments { meta, correlator, .. } = found.clone();
    let meta = meta.map(Box::new);
    let [no_resp, archive, soft] = ["no-resp", "archive", "soft"].map(|flag| found.has(flag));
    let cred = found.has("cred").then(|| Cred {
        meta: Some(Meta { media_type: Some("syncml:auth-basic".into()), ..Meta::default() }),
        data: "eDp5".into(),
    });
    let cred = cred.map(Box::new);
    let edit = Edit { cmd_id: cmd_id.clone(), no_resp, cred: cred.clone(), meta: meta.clone(), items: items.clone() };
    let get = Get {
        cmd_id: cmd_id.clone(),
        no_resp,
        lang: None,
        cred: cred.clone(),
        meta: meta.clone(),
        items: items.clone(),
    };
    let block = Block { cmd_id: cmd_id.clone(), no_resp, meta: meta.clone(), commands: Vec::new() };
    let command = match name.as_str() {
        "Add" => Command::Add(edit),
        "Copy" => Command::Copy(edit),
        "Move" => Command::Move(edit),
        "Replace" => Command::Replace(edit),
        "Get" => Command::Get(get),
        "Put" => Command::Put(get),
        "Delete" => Command::Delete(Delete { cmd_id, no_resp, archive, soft, cred, meta, items }),
        "Exec" => Command::Exec(Exec { cmd_id, no_resp, cred, meta, correlator, items }),
        "Alert" => {
            let code = match found.next()?.as_str() {
                "-" => None,
                code => Some(AlertCode(number(code)?)),
            };
            Command::Alert(Alert { cmd_id, no_resp, cred, code, correlator, items })
        }
        "Atomic" => Command::Atomic(block),
        "Sequence" => Command::Sequence(block),
        "Results" => {
            let (msg_ref, cmd_ref) = found.reference()?;
            Command::Results(Results {
                cmd_id: id,
                msg_ref,
                cmd_ref: cmd_ref.unwrap_or_default(),
                cmd: found.cmd.take(),
                meta,
                target_ref: found.to.pop(),
                source_ref: found.from.pop(),
                items,
            })
        }
        "Status" => Command::Status(parse_status(side, id, &mut found, cred, items)?),
        "Map" => Command::Map(Map { cmd_id, ..Map::default() }.into()),
        "Search" => Command::Search(Search { cmd_id, ..Search::default() }.into()),
        "Sync" => Command::Sync(Sync { cmd_id, ..Sync::default() }.into()),
        other => return Err(format!("{other} is no command")),
    };
    match found.plain.first() {
        None => Ok(command),
        Some(word) => Err(format!("what is {word}?")),
    }
}

fn parse_status(
    side: Side,
    cmd_id: Option<CmdId>,
    found: &mut Arguments,
    cred: Option<Box<Cred>>,
    items: Vec<Item>,
) -> Result<Status, String> {
    let (msg_ref, cmd_ref) = found.reference()?;
    let (cmd, code) = (found.next()?, StatusCode(number(&found.next()?)?));
    let mut status = Status {
        cmd_id,
        msg_ref: msg_ref.ok_or("a status names a message")?,
        cmd_ref,
        cmd: cmd.into(),
        target_refs: std::mem::take(&mut found.to).into(),
        source_refs: std::mem::take(&mut found.from).into(),
        cred,
        chal: found.chal.take(),
        code,
        items,
    };
    let bare = status.target_refs.is_empty() && status.source_refs.is_empty() && !found.has("no-refs");
    if status.is_for_header() && bare {
        let (targets, sources) = usual_refs(side);
        (status.target_refs, status.source_refs) = (targets.into(), sources.into());
    }
    Ok(status)
}

/// What stands between a command's name and its items.
#[derive(Clone, Default)]
struct Arguments {
    /// Those that stand for themselves.
    flags: Vec<&'static str>,
    meta: Option<Meta>,
    chal: Option<Box<Chal>>,
    correlator: Option<String>,
    cmd: Option<SmolStr>,
    to: Vec<SmolStr>,
    from: Vec<SmolStr>,
    /// Those that are known by their place.
    plain: Vec<String>,
}

const FLAGS: [&str; 5] = ["no-resp", "no-refs", "cred", "archive", "soft"];

impl Arguments {
    fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    fn take(&mut self, word: &str, notes: &Notes) -> Result<(), String> {
        if let Some(text) = bracketed(word, "meta") {
            self.meta = Some(parse_meta(text, notes)?);
        } else if let Some(text) = bracketed(word, "chal") {
            self.chal = Some(Chal { meta: parse_meta(text, notes)? }.into());
        } else if let Some(flag) = FLAGS.iter().find(|flag| **flag == word) {
            self.flags.push(flag);
        } else {
            match word.split_once('=') {
                Some(("corr", text)) => self.correlator = Some(text.into()),
                Some(("cmd", text)) => self.cmd = Some(text.into()),
                Some(("to", uri)) => self.to.push(uri.into()),
                Some(("from", uri)) => self.from.push(uri.into()),
                _ => self.plain.push(word.into()),
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<String, String> {
        if self.plain.is_empty() { Err("a word is missing".into()) } else { Ok(self.plain.remove(0)) }
    }

    /// `1/2`: message and command.
    fn reference(&mut self) -> Result<(Option<MsgId>, Option<CmdId>), String> {
        let word = self.next()?;
        let (message, command) = word.split_once('/').ok_or_else(|| format!("{word} is no message/command"))?;
        let message = if message == "-" { None } else { Some(MsgId(number(message)?)) };
        Ok((message, (command != "-").then(|| command.into())))
    }
}
