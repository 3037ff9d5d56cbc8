//! The small parts of the notation: words, values, `Meta`, items.

use dm_core::{
    tree::Content,
    wire::{Data, Format, Item, Location, Meta},
};
use serde_json::{Map, Value};

use super::notes::Notes;

/// From how many equal characters on a value is written as `"x"*20`.
const RUN: usize = 16;

/// The words of a line: what is between spaces, where brackets and quotes hold together what is in them.
pub(super) fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for c in line.chars() {
        if quoted {
            word.push(c);
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            ' ' if depth == 0 => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            '"' => quoted = true,
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' => depth = depth.checked_sub(1).ok_or("a bracket closes that was not open")?,
            _ => {}
        }
        word.push(c);
    }
    if quoted || depth > 0 {
        return Err("a bracket or a quote is not closed".into());
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

/// A text in quotes, or several, long runs of one character as `"x"*20`.
pub(super) fn quote(text: &str) -> String {
    let (mut parts, mut plain) = (Vec::new(), String::new());
    let chars: Vec<char> = text.chars().collect();
    for run in chars.chunk_by(|a, b| a == b) {
        if run.len() < RUN {
            plain.extend(run);
            continue;
        }
        if !plain.is_empty() {
            parts.push(json(&std::mem::take(&mut plain)));
        }
        parts.push(format!("{}*{}", json(&run[0].to_string()), run.len()));
    }
    if !plain.is_empty() || parts.is_empty() {
        parts.push(json(&plain));
    }
    parts.join(" ")
}

fn json(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

/// One part of what [`quote`] writes.
pub(super) fn unquote(word: &str) -> Result<String, String> {
    let end = word.rfind('"').ok_or_else(|| format!("{word} is no text in quotes"))?;
    let (text, times) = word.split_at(end + 1);
    let text: String = serde_json::from_str(text).map_err(|error| format!("{word}: {error}"))?;
    match times.strip_prefix('*') {
        Some(times) => Ok(text.repeat(number(times)?)),
        None if times.is_empty() => Ok(text),
        None => Err(format!("{word}: what is {times}?")),
    }
}

pub(super) fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number here"))
}

/// `Meta` without its brackets: `chr; text/plain; size 10`.
pub(super) fn meta(meta: &Meta, notes: &mut Notes) -> String {
    let mut parts = Vec::new();
    if let Some(format) = &meta.format {
        let name = format.as_str();
        parts.push(if matches!(format, Format::Other(_)) { format!("format {name}") } else { name.into() });
    }
    if let Some(text) = &meta.media_type {
        let plain = Format::parse(text) == Format::Other(text.to_string()) && !text.contains(' ');
        parts.push(if plain { text.to_string() } else { format!("type {text}") });
    }
    let sizes = [("size", meta.size), ("max-msg", meta.max_msg_size), ("max-obj", meta.max_obj_size)];
    parts.extend(sizes.iter().filter_map(|(name, size)| Some(format!("{name} {}", (*size)?))));
    parts.extend(meta.mark.iter().map(|mark| format!("mark {mark}")));
    parts.extend(meta.version.iter().map(|version| format!("version {version}")));
    parts.extend(meta.next_nonce.iter().map(|nonce| format!("nonce {}", notes.nonce_text(nonce.reveal()))));
    parts.join("; ")
}

/// What [`meta`] writes.
pub(super) fn parse_meta(text: &str, notes: &Notes) -> Result<Meta, String> {
    let mut meta = Meta::default();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once(' ') {
            Some(("size", size)) => meta.size = Some(number(size)?),
            Some(("max-msg", size)) => meta.max_msg_size = Some(number(size)?),
            Some(("max-obj", size)) => meta.max_obj_size = Some(number(size)?),
            Some(("mark", mark)) => meta.mark = Some(mark.into()),
            Some(("version", version)) => meta.version = Some(version.into()),
            Some(("nonce", name)) => meta.next_nonce = Some(notes.nonce_named(name)?.to_base64().as_str().into()),
            Some(("format", name)) => meta.format = Some(Format::Other(name.into())),
            Some(("type", text)) => meta.media_type = Some(text.into()),
            Some(_) => return Err(format!("{part} is nothing that Meta has")),
            None => match Format::parse(part) {
                Format::Other(text) => meta.media_type = Some(text.into()),
                format => meta.format = Some(format),
            },
        }
    }
    Ok(meta)
}

/// The text between brackets after a name: `meta[..]`.
pub(super) fn bracketed<'a>(word: &'a str, name: &str) -> Option<&'a str> {
    word.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')
}

/// An item: `./A [chr] = "1" more`, where `@./A` is a source and `./A -> ./B` has both.
pub(super) fn item(item: &Item, notes: &mut Notes) -> String {
    let mut words = Vec::new();
    match (&item.source, &item.target) {
        (None, None) => words.push("-".into()),
        (Some(source), None) => words.push(format!("@{}", location(source))),
        (None, Some(target)) => words.push(location(target)),
        (Some(source), Some(target)) => words.push(format!("{} -> {}", location(source), location(target))),
    }
    if item.source_parent.is_some() || item.target_parent.is_some() {
        words.push("parents".into());
    }
    words.extend(item.meta.as_ref().map(|found| format!("[{}]", meta(found, notes))));
    if let Some(data) = &item.data {
        words.push("=".into());
        words.push(match data {
            Data::Text(text) => quote(text),
            Data::Opaque(octets) => format!("hex:{}", hex(octets)),
        });
    }
    if item.more_data {
        words.push("more".into());
    }
    words.join(" ")
}

fn location(location: &Location) -> String {
    match &location.name {
        Some(name) => format!("{}({name})", location.uri),
        None => location.uri.to_string(),
    }
}

fn parse_location(word: &str) -> Location {
    match word.strip_suffix(')').and_then(|word| word.split_once('(')) {
        Some((uri, name)) => Location { name: Some(name.into()), ..Location::new(uri) },
        None => Location::new(word),
    }
}

/// What [`item`] writes.
pub(super) fn parse_item(words: &[String], notes: &Notes) -> Result<Item, String> {
    let mut item = Item::default();
    let mut words = words.iter().map(String::as_str).peekable();
    let first = words.next().ok_or("an item has at least an address, or -")?;
    if words.next_if_eq(&"->").is_some() {
        item.source = Some(parse_location(first));
        item.target = Some(parse_location(words.next().ok_or("-> leads nowhere")?));
    } else if let Some(source) = first.strip_prefix('@') {
        item.source = Some(parse_location(source));
    } else if first != "-" {
        item.target = Some(parse_location(first));
    }
    if let Some(text) = words.peek().and_then(|word| bracketed(word, "")) {
        item.meta = Some(parse_meta(text, notes)?.into());
        words.next();
    }
    if words.next_if_eq(&"=").is_some() {
        item.data = Some(parse_value(&mut words)?);
    }
    item.more_data = words.next_if_eq(&"more").is_some();
    match words.next() {
        None => Ok(item),
        Some(word) => Err(format!("{word} is nothing that an item has")),
    }
}

fn parse_value<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> Result<Data, String> {
    if let Some(digits) = words.peek().and_then(|word| word.strip_prefix("hex:")) {
        let octets = unhex(digits)?;
        words.next();
        return Ok(Data::Opaque(octets.into()));
    }
    let mut text = String::new();
    while let Some(word) = words.next_if(|word| word.starts_with('"')) {
        text.push_str(&unquote(word)?);
    }
    Ok(Data::from(text))
}

/// What an item says that a node holds.
pub(super) fn content(item: &Item) -> Content {
    let meta = item.meta.clone().unwrap_or_default();
    let data = item.data.as_ref().map(|data| data.as_bytes().into());
    Content { format: meta.format, media_type: meta.media_type, data, in_parts: None }
}

fn hex(octets: &[u8]) -> String {
    octets
        .iter()
        .flat_map(|octet| [octet >> 4, octet & 15])
        .filter_map(|half| char::from_digit(half.into(), 16))
        .collect()
}

fn unhex(digits: &str) -> Result<Vec<u8>, String> {
    let pair = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..digits.len()).step_by(2).map(|at| pair(at).ok_or_else(|| format!("{digits} is not in hexadecimal"))).collect()
}

/// A value of serde in one line, addresses first and contents as items have them: `done tag=read items=[./A status=200]`.
/// What is null does not show.
pub(super) fn compact(value: &Value) -> String {
    let line = match value {
        Value::Object(map) if map.len() == 1 => map.iter().next().map(|(name, inner)| match inner {
            Value::Object(fields) => format!("{name} {}", fields_of(fields)),
            inner => format!("{name} {}", nested(inner)),
        }),
        _ => None,
    };
    line.unwrap_or_else(|| nested(value)).trim_end().into()
}

/// The fields that say most, in front.
const FIRST: [&str; 6] = ["tag", "uri", "source", "from", "to", "code"];

fn fields_of(fields: &Map<String, Value>) -> String {
    let rank = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    let mut shown: Vec<(&String, &Value)> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
    shown.sort_by_key(|(name, _)| (matches!(name.as_str(), "content" | "argument"), rank(name)));
    let words = shown.into_iter().map(|(name, value)| match (name.as_str(), value) {
        ("uri", Value::String(uri)) => uri.clone(),
        ("content" | "argument", Value::Object(content)) => content_of(content),
        _ => format!("{name}={}", nested(value)),
    });
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A content as an item has it.
fn content_of(content: &Map<String, Value>) -> String {
    let text = |name: &str| content.get(name).and_then(Value::as_str);
    let meta: Vec<&str> = [text("format"), text("media_type")].into_iter().flatten().collect();
    let mut words = Vec::new();
    if !meta.is_empty() {
        words.push(format!("[{}]", meta.join("; ")));
    }
    match content.get("data") {
        Some(Value::String(text)) => words.push(format!("= {}", quote(text))),
        Some(Value::Object(octets)) => words.push(format!("= {}", fields_of(octets))),
        _ => {}
    }
    let known = ["format", "media_type", "data"];
    let more = content.iter().filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null());
    words.extend(more.map(|(name, value)| format!("{name}={}", nested(value))));
    words.join(" ")
}

fn nested(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.contains_key("uri") => fields_of(fields),
        Value::Object(fields) => format!("{{{}}}", fields_of(fields)),
        Value::Array(values) => format!("[{}]", values.iter().map(nested).collect::<Vec<_>>().join(", ")),
        Value::String(text) => {
            let odd = |c: char| c.is_whitespace() || c.is_control() || "\"[]{},=".contains(c);
            let runs = text.chars().collect::<Vec<_>>().chunk_by(|a, b| a == b).any(|run| run.len() >= RUN);
            if text.is_empty() || text.contains(odd) || runs { quote(text) } else { text.clone() }
        }
        other => other.to_string(),
    }
}
