//! The codec against libwbxml, another reader and writer of WBXML that nobody here wrote.
//!
//! Each generated message goes two ways: ours to WBXML, then `wbxml2xml` to XML; and ours to XML, then `xml2wbxml` to
//! WBXML. What comes back is read by us and compared with the message. [`KNOWN`] is the list of all differences that
//! there may be, each with its reason: the test does to the message what the list says, and everything else must be
//! equal. So an unknown difference fails, and so does a known one that is no longer there.
//!
//! The programs are in Debian's package `libwbxml2-utils`. Where they are not installed the tests say so and pass. They
//! run as child processes with ten seconds and a gigabyte each, since libwbxml does not bound its recursion.
//!
//! `LIBWBXML_CASES` is the number of messages: 500 if it is not set. The full run is
//!
//! ```text
//! LIBWBXML_CASES=20000 cargo test -p dm-core --test it wbxml::libwbxml -- --nocapture
//! ```

use std::{
    env,
    io::Write,
    process::{Command as Process, Stdio},
};

use dm_core::{
    limits::WireLimits,
    wire::{self, Command, Data, Edit, Encoding, Format, Item, Message, Meta},
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

use super::{W_3, WBXML, accepted, encode, octets};
use crate::{captures, generate};

/// From WBXML to XML, without indentation and with all white space.
pub(crate) const TO_XML: &[&str] = &["wbxml2xml", "-m", "0", "-k", "-o", "-", "-"];
/// From XML to WBXML, with a string table and with all white space.
pub(crate) const TO_WBXML: &[&str] = &["xml2wbxml", "-k", "-o", "-", "-"];

/// What one of the programs makes of `input`.
pub(crate) fn run(program: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Process::new("sh")
        .args(["-c", "ulimit -t 10 -v 1000000; exec \"$@\"", "sh"])
        .args(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    // A program that gives up before it has read everything says so in its status.
    drop(child.stdin.take().expect("piped").write_all(input));
    let output = child.wait_with_output().expect("it was started");
    let story = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?} ended with {}: {story}\n{input:02x?}", output.status);
    output.stdout
}

/// Whether the programs are there. Says so where they are not.
pub(crate) fn is_installed() -> bool {
    let found = Process::new("sh").args(["-c", "command -v wbxml2xml xml2wbxml"]).stdout(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        println!("skipped: libwbxml not installed");
    }
    found
}

/// A message as a list of tags and texts. Our own encoder made the XML, so there is nothing odd in it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Open(String),
    Text(String),
    Close,
}

fn pieces(message: &Message) -> Vec<Piece> {
    let xml =
        String::from_utf8(wire::encode(Encoding::Xml, message).expect("text in characters of XML")).expect("text");
    let mut pieces = Vec::new();
    for part in xml.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("every tag ends");
        if tag.starts_with('/') {
            pieces.push(Piece::Close);
        } else if !tag.starts_with('?') {
            let name = tag.split([' ', '/']).next().expect("a name");
            pieces.push(Piece::Open(name.to_owned()));
            if tag.ends_with('/') {
                pieces.push(Piece::Close);
            }
        }
        if !text.is_empty() {
            let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&#13;", "\r").replace("&amp;", "&");
            pieces.push(Piece::Text(text));
        }
    }
    pieces
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ToXml,
    ToWbxml,
}

/// A kind of difference.
struct Difference {
    name: &'static str,
    reason: &'static str,
    way: Way,
    /// What libwbxml makes of a message.
    apply: fn(Vec<Piece>) -> Vec<Piece>,
}

/// All differences that there may be.
const KNOWN: &[Difference] = &[
    Difference {
        name: "carriage returns",
        reason: "wbxml2xml writes a carriage return as it is and not by its number, and XML 1.0 (2.11) makes every \
            reader take it for a line feed, alone and before one",
        way: Way::ToXml,
        apply: |pieces| with_texts(pieces, |_, text| text.replace("\r\n", "\n").replace('\r', "\n")),
    },
    Difference {
        name: "elements of 1.2 in 1.1",
        reason: "SyncML 1.1 ends at token 0x34 and its MetInf at 0x15 (libwbxml adds SourceParent); wbxml2xml names what comes after it `unknown`, \
            as the public identifier says, and our reader passes over elements that it does not know",
        way: Way::ToXml,
        apply: without_1_2,
    },
    Difference {
        name: "line feeds in values",
        reason: "xml2wbxml puts a carriage return before every line feed of the value in an Add or a Replace, a habit for vCards",
        way: Way::ToWbxml,
        apply: |pieces| {
            with_texts(pieces, |path, text| if is_object(path) { text.replace('\n', "\r\n") } else { text.to_owned() })
        },
    },
];

/// `]]>` in a value: wbxml2xml writes that of an `Add` or a `Replace` as one CDATA section and does not mind what is in it, so what
/// it writes is not the same any more, and often is no XML. Such a message is not sent that way.
fn breaks_cdata(message: &[Piece]) -> bool {
    let mut breaks = false;
    with_texts(message.to_vec(), |path, text| {
        breaks |= is_object(path) && text.contains("]]>");
        text.to_owned()
    });
    breaks
}

/// Whether this is what libwbxml takes for a vCard or the like: any `Data` two levels below an `Add` or a `Replace`, that
/// of a `Cred` too.
fn is_object(path: &[String]) -> bool {
    matches!(path, [.., command, _, data] if (command == "Add" || command == "Replace") && data == "Data")
}

/// Changes every text. `change` also sees the elements that it is in.
fn with_texts(mut pieces: Vec<Piece>, mut change: impl FnMut(&[String], &str) -> String) -> Vec<Piece> {
    let mut path = Vec::new();
    for piece in &mut pieces {
        match piece {
            Piece::Open(name) => path.push(name.clone()),
            Piece::Text(text) => *text = change(&path, text),
            Piece::Close => drop(path.pop()),
        }
    }
    pieces
}

fn without_1_2(pieces: Vec<Piece>) -> Vec<Piece> {
    const NEW: &[&str] =
        &["Field", "Filter", "Record", "FilterType", "TargetParent", "Move", "Correlator", "FieldLevel"];
    let is_1_1 = |pair: &[Piece]| pair == [Piece::Open("VerDTD".into()), Piece::Text("1.1".into())];
    if !pieces.windows(2).any(is_1_1) {
        return pieces;
    }
    let (mut kept, mut within) = (Vec::new(), 0);
    for piece in pieces {
        let is_out = within > 0;
        match &piece {
            Piece::Open(name) if is_out || NEW.contains(&name.as_str()) => within += 1,
            Piece::Close if is_out => within -= 1,
            Piece::Text(_) if is_out => {}
            _ => kept.push(piece),
        }
    }
    kept
}

/// How often each known difference was met, and how many messages went each way.
#[derive(Default)]
struct Met {
    known: Vec<u32>,
    messages: u32,
    broken_cdata: u32,
}

impl Met {
    /// Compares what came back with what libwbxml is known to make of `message`.
    #[track_caller]
    fn compare(&mut self, way: Way, message: &Message, came_back: &Message, sent: &[u8]) {
        self.messages += 1;
        self.known.resize(KNOWN.len(), 0);
        let mut expected = pieces(message);
        for (known, met) in KNOWN.iter().zip(&mut self.known).filter(|(known, _)| known.way == way) {
            let changed = (known.apply)(expected.clone());
            *met += u32::from(changed != expected);
            expected = changed;
        }
        let found = pieces(came_back);
        let at = expected.iter().zip(&found).position(|(expected, found)| expected != found);
        let at = at.unwrap_or(expected.len().min(found.len()));
        assert!(
            expected == found,
            "{way:?}: a difference that is not known\nexpected {:?}\nfound    {:?}\nsent {}",
            expected.get(at.saturating_sub(2)..),
            found.get(at.saturating_sub(2)..),
            sent.escape_ascii()
        );
    }

    fn by_xml(&mut self, message: &Message, binary: &[u8]) {
        if breaks_cdata(&pieces(message)) {
            self.broken_cdata += 1;
            return;
        }
        let text = run(TO_XML, binary);
        let read = wire::decode(Encoding::Xml, &text, &WireLimits::SERVER);
        let read = read.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&text)));
        self.compare(Way::ToXml, message, &read.message, binary);
    }

    fn by_wbxml(&mut self, message: &Message, text: &[u8]) {
        let version = if message.header.ver_dtd == "1.1" { "1.1" } else { "1.2" };
        let text = String::from_utf8(text.to_vec()).expect("text");
        let root = text.find("<SyncML").expect("a root");
        let doctype = format!("<!DOCTYPE SyncML PUBLIC \"-//SYNCML//DTD SyncML {version}//EN\" \"x\">");
        let text = format!("{}{doctype}{}", &text[..root], &text[root..]);
        let binary = run(TO_WBXML, text.as_bytes());
        self.compare(Way::ToWbxml, message, &accepted(&binary), text.as_bytes());
    }

    fn print(&self) {
        println!("{} messages came back", self.messages);
        println!("{:>6} not sent to XML: `]]>` in a value", self.broken_cdata);
        for (known, met) in KNOWN.iter().zip(&self.known) {
            println!("{met:>6} {:?} {}: {}", known.way, known.name, known.reason);
        }
    }
}

/// How many messages are generated.
#[expect(clippy::disallowed_methods, reason = "the number of cases of a test is no part of any result")]
pub(crate) fn cases() -> u32 {
    env::var("LIBWBXML_CASES").map_or(500, |cases| cases.parse().expect("LIBWBXML_CASES is a number"))
}

#[test]
fn generated_messages_mean_the_same_to_libwbxml_in_both_directions() {
    if !is_installed() {
        return;
    }
    let cases = cases();
    let (mut runner, strategy, mut met) = (TestRunner::deterministic(), generate::message(), Met::default());
    for _ in 0..cases {
        let message = strategy.new_tree(&mut runner).expect("a message").current();
        met.by_xml(&message, &encode(&message));
        met.by_wbxml(&message, &wire::encode(Encoding::Xml, &message).expect("text in characters of XML"));
    }
    met.print();
    if cases >= 500 {
        for (known, met) in KNOWN.iter().zip(&met.known) {
            assert!(*met > 0, "{} was not met: a difference that is gone has no place in the table", known.name);
        }
    }
}

#[test]
fn captures_mean_the_same_to_libwbxml_in_both_directions() {
    if !is_installed() {
        return;
    }
    let mut met = Met::default();
    for (_, binary) in WBXML {
        met.by_xml(&accepted(binary), binary);
    }
    for (_, text) in captures::XML {
        let message = wire::decode(Encoding::Xml, text, &WireLimits::SERVER).expect("a message").message;
        met.by_xml(&message, &encode(&message));
        met.by_wbxml(&message, text);
    }
    met.print();
}

/// A message that replaces one value.
fn replacing(meta: Meta, octets: Vec<u8>) -> Message {
    let item = Item { meta: Some(meta.into()), data: Some(Data::Opaque(octets.into())), ..Item::target("./A") };
    Message { commands: vec![Command::Replace(Edit { items: vec![item], ..Edit::default() })], ..Message::default() }
}

#[test]
fn octets_are_the_same_octets_to_libwbxml() {
    if !is_installed() {
        return;
    }
    let value: Vec<u8> = (0..=255).collect();
    let message = replacing(Meta { format: Some(Format::Bin), ..Meta::default() }, value.clone());
    let text = run(TO_XML, &encode(&message));
    let written = [b"<Data><![CDATA[", value.as_slice(), b"]]></Data>"].concat();
    assert!(text.windows(written.len()).any(|window| window == written), "{}", String::from_utf8_lossy(&text));
}

/// libwbxml reads a document in `Data` where `Type` says that it is one.
#[test]
fn a_document_inside_a_message_is_a_document_to_libwbxml() {
    if !is_installed() {
        return;
    }
    let meta = Meta {
        format: Some(Format::Bin),
        media_type: Some("application/vnd.syncml.dmtnds+wbxml".into()),
        ..Meta::default()
    };
    let text = run(TO_XML, &encode(&replacing(meta, octets(W_3))));
    let text = String::from_utf8(text).expect("text");
    for part in ["<MgmtTree", "<NodeName>A</NodeName>", "<NodeName>B</NodeName>", "<Value>x</Value>"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}
