//! A run as a sequence for people: a line of life for each node, an arrow for each message.
//!
//! A message stands where it arrives, and one that is lost where it was sent; the time that it took is written on it.
//! What happened to a node in between, and which faults took place, is written beside it.

use core::fmt::Write as _;
use std::collections::{BTreeMap, BTreeSet};

use core_kit::Tick;

use crate::{
    FaultId, NodeId,
    node::Message,
    traffic::{Fate, Mark, MarkKind, Transmission},
};

/// Columns of the time, and from one line of life to the next.
const TIME: usize = 14;
const APART: usize = 30;
/// More nodes than this do not fit side by side: then each message is a line of text.
const SIDE_BY_SIDE_MAX: usize = 5;

/// Draws messages and what happened between them, as [`World::take_traffic`](crate::World::take_traffic) and
/// [`World::take_marks`](crate::World::take_marks) give them. `name` names a node, and `explain` gives lines to write
/// under a message, none for nothing.
///
/// ```text
///                     1 device                      9 server
///                         |                             |
///         0.020 s         |---- #1 4 octets, +20 ms --->|
///         0.022 s         |                             X  9 server: crashes
///         0.025 s         |x---- #2 4 octets, lost -----|  F02
/// ```
#[must_use]
pub fn draw_sequence(
    traffic: &[Transmission],
    marks: &[Mark],
    name: impl Fn(NodeId) -> String,
    mut explain: impl FnMut(&Message) -> Vec<String>,
) -> String {
    let chart = Chart::of(traffic, marks, name);
    let mut struck: BTreeMap<u64, Vec<FaultId>> = BTreeMap::new();
    for mark in marks {
        if let MarkKind::Struck(fault, Some(number)) = mark.what {
            struck.entry(number).or_default().push(fault);
        }
    }
    let mut text = chart.head();
    for (at, line) in in_order(traffic, marks) {
        match line {
            Line::Message(sent) => {
                let faults = struck.get(&sent.message.number).map(Vec::as_slice).unwrap_or_default();
                text.push_str(&chart.message(at, sent, faults));
                for said in explain(&sent.message) {
                    _ = writeln!(text, "{}{said}", " ".repeat(TIME + 4));
                }
            }
            Line::Mark(mark) => text.push_str(&chart.mark(at, mark).unwrap_or_default()),
        }
    }
    text
}

enum Line<'a> {
    Message(&'a Transmission),
    Mark(&'a Mark),
}

/// Everything by its time; what happens at the same time in the order it was told, marks first.
fn in_order<'a>(traffic: &'a [Transmission], marks: &'a [Mark]) -> Vec<(Tick, Line<'a>)> {
    let stands_at = |sent: &Transmission| match sent.fate {
        Fate::Delivered(at) | Fate::Undeliverable(at) => at,
        Fate::Lost | Fate::InFlight => sent.sent_at,
    };
    let marks = marks.iter().map(|mark| (mark.at, Line::Mark(mark)));
    let mut lines: Vec<(Tick, Line<'_>)> =
        marks.chain(traffic.iter().map(|sent| (stands_at(sent), Line::Message(sent)))).collect();
    lines.sort_by_key(|(at, _)| *at);
    lines
}

struct Chart {
    nodes: Vec<(NodeId, String)>,
    is_side_by_side: bool,
}

impl Chart {
    fn of(traffic: &[Transmission], marks: &[Mark], name: impl Fn(NodeId) -> String) -> Self {
        let ends = traffic.iter().flat_map(|sent| [sent.message.from, sent.message.to]);
        let nodes: BTreeSet<NodeId> = ends.chain(marks.iter().filter_map(|mark| mark.node)).collect();
        let nodes: Vec<(NodeId, String)> = nodes.into_iter().map(|id| (id, format!("{id} {}", name(id)))).collect();
        Self { is_side_by_side: nodes.len() <= SIDE_BY_SIDE_MAX, nodes }
    }

    fn name(&self, id: NodeId) -> &str {
        self.nodes.iter().find(|(known, _)| *known == id).map_or("", |(_, name)| name)
    }

    /// The column of a node's line of life.
    fn column(&self, id: NodeId) -> usize {
        let at = self.nodes.iter().position(|(known, _)| *known == id).unwrap_or(0);
        TIME + APART / 3 + at * APART
    }

    fn head(&self) -> String {
        if !self.is_side_by_side {
            return String::new();
        }
        let mut names = Row::default();
        for (id, name) in &self.nodes {
            names.put(self.column(*id).saturating_sub(name.chars().count() / 2), name);
        }
        format!("{}\n{}\n", names.text(), self.lives().text())
    }

    fn lives(&self) -> Row {
        let mut row = Row::default();
        self.nodes.iter().for_each(|(id, _)| row.put(self.column(*id), "|"));
        row
    }

    fn message(&self, at: Tick, sent: &Transmission, faults: &[FaultId]) -> String {
        let Message { from, to, number, copy, bytes, .. } = &sent.message;
        let fate = match sent.fate {
            Fate::Delivered(at) => format!("+{} ms", at.0.saturating_sub(sent.sent_at.0)),
            Fate::Lost => "lost".into(),
            Fate::Undeliverable(_) => "nobody there".into(),
            Fate::InFlight => "on its way".into(),
        };
        let arrives = matches!(sent.fate, Fate::Delivered(_));
        let what = format!("#{number}{} {} octets, {fate}", if *copy { " again" } else { "" }, bytes.len());
        let names: Vec<&str> = faults.iter().map(|fault| fault.name()).collect();
        let beside = if faults.is_empty() || *copy { String::new() } else { format!("  {}", names.join(" ")) };
        if !self.is_side_by_side {
            let arrow = if arrives { "--->" } else { "---x" };
            return format!("{}  {} {arrow} {}  {what}{beside}\n", time(at), self.name(*from), self.name(*to));
        }
        let mut row = self.lives();
        row.put(0, &time(at));
        let (start, end) = (self.column(*from), self.column(*to));
        let (left, right) = (start.min(end), start.max(end));
        let width = right.saturating_sub(left).saturating_sub(1);
        let dashes = width.saturating_sub(what.chars().count() + 4);
        let (before, after) = ("-".repeat(dashes / 2), "-".repeat(dashes - dashes / 2));
        let arrow = match (start <= end, arrives) {
            (true, true) => format!("-{before} {what} {after}>"),
            (true, false) => format!("-{before} {what} {after}x"),
            (false, true) => format!("<{before} {what} {after}-"),
            (false, false) => format!("x{before} {what} {after}-"),
        };
        row.put(left + 1, &arrow);
        format!("{}{beside}\n", row.text())
    }

    fn mark(&self, at: Tick, mark: &Mark) -> Option<String> {
        let (sign, said) = match &mark.what {
            MarkKind::Crashed => ("X", "crashes".to_owned()),
            MarkKind::Restarted => ("O", "is back".to_owned()),
            MarkKind::Noted(note) => ("*", note.clone()),
            MarkKind::Healed => ("|", "all faults are over".to_owned()),
            // Faults of messages stand beside these, and those of crashes are crashes.
            MarkKind::Struck(_, Some(_)) | MarkKind::Struck(FaultId::F22 | FaultId::F25, None) => return None,
            MarkKind::Struck(fault, None) => ("!", format!("{fault} {}", fault.says())),
        };
        let who = mark.node.map(|node| format!("{}: ", self.name(node))).unwrap_or_default();
        let mut row = Row::default();
        if self.is_side_by_side {
            row = self.lives();
            if let Some(node) = mark.node {
                row.put(self.column(node), sign);
            }
        }
        row.put(0, &time(at));
        Some(format!("{}  {who}{said}\n", row.text()))
    }
}

fn time(at: Tick) -> String {
    format!("{:>9}.{:03} s", at.0 / 1_000, at.0 % 1_000)
}

/// A line of text that can be written into at any column.
#[derive(Default)]
struct Row(Vec<char>);

impl Row {
    fn put(&mut self, at: usize, text: &str) {
        let end = at + text.chars().count();
        if self.0.len() < end {
            self.0.resize(end, ' ');
        }
        self.0.iter_mut().skip(at).zip(text.chars()).for_each(|(place, c)| *place = c);
    }

    fn text(&self) -> String {
        self.0.iter().collect::<String>().trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::node::Channel;

    fn sent(number: u64, from: u32, to: u32, at: u64, fate: Fate) -> Transmission {
        let channel = Channel { opener: NodeId(1), number: 1 };
        let message = Message::new(number, NodeId(from), NodeId(to), channel, Bytes::from_static(b"test"));
        Transmission { sent_at: Tick(at), message, fate }
    }

    #[test]
    fn a_sequence_has_a_line_for_all_that_happened() {
        let traffic = [sent(1, 1, 9, 0, Fate::Delivered(Tick(20))), sent(2, 9, 1, 25, Fate::Lost)];
        let mark = |at, node, what| Mark { at: Tick(at), node: Some(NodeId(node)), what };
        let marks = [mark(22, 9, MarkKind::Crashed), mark(25, 9, MarkKind::Struck(FaultId::F02, Some(2)))];
        let name = |id: NodeId| if id.0 == 1 { "device".into() } else { "server".into() };
        let text = draw_sequence(&traffic, &marks, name, |message| {
            if message.number == 1 { vec!["Get ./A".into()] } else { Vec::new() }
        });
        let expected = "                    1 device                      9 server
                        |                             |
        0.020 s         |---- #1 4 octets, +20 ms --->|
                  Get ./A
        0.022 s         |                             X  9 server: crashes
        0.025 s         |x---- #2 4 octets, lost -----|  F02
";
        assert_eq!(text, expected);
    }

    #[test]
    fn more_nodes_than_fit_are_told_in_words() {
        let traffic: Vec<Transmission> = (2..9).map(|to| sent(1, 1, to, 0, Fate::Delivered(Tick(20)))).collect();
        let text = draw_sequence(&traffic, &[], |_| "n".into(), |_| Vec::new());
        assert_eq!(text.lines().next(), Some("        0.020 s  1 n ---> 2 n  #1 4 octets, +20 ms"));
    }
}
