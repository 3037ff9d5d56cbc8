//! What went over the wire, as a sequence for people.

use dm_core::{
    Packet,
    codes::StatusCode,
    limits::WireLimits,
    prompt::{Prompt, Reply, Response},
    server::{Done, ItemDone},
    tree::{Memory, Show},
    wire::{Encoding, Values, decode, outline},
};

/// Columns of a line of the chart; only an item that is longer goes beyond.
pub(super) const COLUMNS: usize = 120;

/// Who sent a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// The device.
    Client,
    /// The management server.
    Server,
}

impl From {
    const fn arrow(self) -> &'static str {
        match self {
            Self::Client => "client ---> server",
            Self::Server => "client <--- server",
        }
    }
}

/// The heading of a part; the first has nothing before it.
pub(super) fn title(number: u8, text: &str) {
    let (before, line) = (if number == 1 { "" } else { "\n" }, format!("{number}. {text}"));
    println!("{before}{line}\n{}", "=".repeat(line.chars().count()));
}

/// One message: an arrow, its number, how it is written, and a line for each command. `note` says what else happened
/// to it.
pub(super) fn message(at_ms: Option<u64>, from: From, packet: &Packet, note: &str) {
    let (time, arrow) = (at_ms.map(time).unwrap_or_default(), from.arrow());
    let (encoding, bytes) = (encoding_name(packet.encoding), packet.body.len());
    let lines = match decode(packet.encoding, &packet.body, &WireLimits::SERVER) {
        Ok(decoded) => {
            let header = &decoded.message.header;
            println!(
                "  {time}{arrow}  message {}  {} {encoding}  {bytes} bytes{note}",
                header.msg_id, header.ver_proto
            );
            let mut lines = outline(&decoded.message, Values::Shown);
            if header.cred.is_some() {
                lines.insert(0, "(credentials)".into());
            }
            lines
        }
        Err(error) => {
            println!("  {time}{arrow}  {encoding}  {bytes} bytes{note}");
            vec![error.to_string()]
        }
    };
    let margin = time.chars().count() + 22;
    for line in lines.iter().flat_map(|line| wrap(&explained(line), COLUMNS - margin)) {
        println!("{}{line}", " ".repeat(margin));
    }
}

/// One message that is known from before: only what happened to it.
pub(super) fn again(at_ms: u64, from: From, packet: &Packet, note: &str) {
    let number = decode(packet.encoding, &packet.body, &WireLimits::SERVER)
        .map(|decoded| decoded.message.header.msg_id.to_string())
        .unwrap_or_default();
    println!("  {}{}  message {number}{note}", time(at_ms), from.arrow());
}

/// What the device shows its user, and what the user does.
pub(super) fn prompt(prompt: &Prompt, reply: &Reply) {
    println!("  at the device       {:?}  the user: {}", prompt.text, said(reply));
}

/// What became of orders, item by item.
pub(super) fn done<'a>(orders: impl IntoIterator<Item = &'a Done>) {
    println!("\n  what became of the orders:");
    for done in orders {
        for item in &done.items {
            let status = item.status.map_or_else(|| "no status".to_owned(), |status| format!("{status:?}"));
            let line = format!("    {:<16}{:<24}{status:<28}{}", done.tag.as_str(), item.uri, told(item));
            println!("{}", line.trim_end());
        }
    }
}

/// The tree of a device. Lines that `before` does not have are marked.
pub(super) fn tree(tree: &Memory, before: Option<&Memory>) {
    let draw = |tree: &Memory| tree.draw(Show::Values).to_string();
    let (now, then) = (draw(tree), before.map(draw));
    println!();
    for (line, is_new) in marked(&now, then.as_deref()) {
        println!("  {} {line}", if is_new { '*' } else { ' ' });
    }
}

/// Each line, and whether it is none of those before.
fn marked<'a>(now: &'a str, before: Option<&str>) -> Vec<(&'a str, bool)> {
    // The corner before a name says where its neighbours are, and nothing of the node.
    let bare = |line: &str| line.replace('└', "├");
    let then: Option<Vec<String>> = before.map(|before| before.lines().map(bare).collect());
    let is_new = |line: &str| then.as_ref().is_some_and(|then| !then.contains(&bare(line)));
    now.lines().map(|line| (line, is_new(line))).collect()
}

/// What the device told with the status of an item.
fn told(item: &ItemDone) -> String {
    match (item.found.first().and_then(|found| found.content.data.as_ref()), &item.reply) {
        (Some(data), _) => format!("{:?}", String::from_utf8_lossy(data)),
        (None, Some(reply)) => format!("the user: {}", said(reply)),
        (None, None) => String::new(),
    }
}

/// What the user did, in a word or two.
fn said(reply: &Reply) -> String {
    match reply {
        Reply::Given(Response::Yes) => "yes".into(),
        Reply::Given(Response::No) => "no".into(),
        Reply::Given(Response::Text(text)) => format!("{text:?}"),
        Reply::Given(Response::Chosen(choices)) => {
            choices.iter().map(|choice| choice.0.to_string()).collect::<Vec<_>>().join(", ")
        }
        Reply::Cancelled => "cancelled".into(),
        Reply::TimedOut { .. } => "said nothing in time".into(),
        Reply::NotSupported | Reply::NotShown => "was not asked".into(),
    }
}

/// The line of a status, with the words for a code that tells of no success.
fn explained(line: &str) -> String {
    let code = line.trim_start().strip_prefix("Status ").and_then(|rest| rest.split(' ').next()?.parse().ok());
    match code.map(StatusCode) {
        Some(code) if !code.is_success() => format!("{line}  ({})", code.name().unwrap_or("unnamed")),
        _ => line.into(),
    }
}

/// The line in pieces of so many columns at most, broken between items; all but the first are indented further.
pub(super) fn wrap(line: &str, columns: usize) -> Vec<String> {
    let start: String = line.chars().take_while(|c| *c == ' ').collect();
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for item in line.split_inclusive(", ") {
        if !piece.is_empty() && piece.chars().count() + item.trim_end().chars().count() > columns {
            pieces.push(piece.trim_end().to_owned());
            piece = format!("{start}    ");
        }
        piece.push_str(item);
    }
    pieces.push(piece);
    pieces
}

const fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Xml => "XML",
        Encoding::Wbxml => "WBXML",
    }
}

/// Seconds and thousandths of one.
pub(super) fn time(ms: u64) -> String {
    format!("{:>4}.{:03} s  ", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_between_items_and_lose_nothing() {
        assert_eq!(wrap("  Get ./A, ./B, ./C", 13), ["  Get ./A,", "      ./B,", "      ./C"]);
        assert_eq!(wrap("Get ./A, ./B", 80), ["Get ./A, ./B"]);
        assert_eq!(wrap("Add ./A = \"a long one\", ./B", 8), ["Add ./A = \"a long one\",", "    ./B"]);
    }

    #[test]
    fn only_what_went_wrong_is_put_into_words() {
        let refused = "Status 513 SyncHdr \"DM/1.2\"";
        assert_eq!(explained(refused), format!("{refused}  (Protocol version not supported)"));
        assert_eq!(explained("  Status 599 Get"), "  Status 599 Get  (unnamed)");
        for same in ["Status 200 SyncHdr", "Get ./Status 513", "Final"] {
            assert_eq!(explained(same), same);
        }
    }

    #[test]
    fn a_time_is_in_seconds_below_each_other() {
        assert_eq!([time(0), time(1_020), time(3_600_007)], ["   0.000 s  ", "   1.020 s  ", "3600.007 s  "]);
        assert_eq!(time(12_345_678), "12345.678 s  ");
    }

    #[test]
    fn a_drawing_marks_what_is_new_and_not_what_only_moved() {
        let (before, after) = ("├─ A\n└─ B = \"0\"\n", "├─ A\n├─ B = \"0\"\n└─ C\n");
        assert_eq!(marked(after, Some(before)), [("├─ A", false), ("├─ B = \"0\"", false), ("└─ C", true)]);
        assert!(marked(after, None).iter().all(|(_, is_new)| !is_new));
    }
}
