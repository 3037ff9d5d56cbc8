//! The DM profile: a message that adds a `DMAcc` object.

use dm_core::{
    auth::Nonce,
    bootstrap::{
        Account, AccountError, AccountFault, Connection, Content, Profile, Refused,
        message::{MessageError, ObjectError, ObjectFault as Fault},
    },
    tree::{Address, AddressKind, AuthLevel, AuthType, Credentials, ObjectVersion},
    wire::{self, Block, Command, Data, DecodeErrorKind as Kind, Edit, Encoding, Format, Item, Message, Meta, Tag},
};
use proptest::{collection::vec, prelude::*};

use super::received;
use crate::wbxml;

/// Version, the public identifier in the string table, character set, `MgmtTree` with `VerDTD`.
const BEGIN: &[u8] = b"\x02\x00\x00\x6A\x1A-//OMA//DTD-DM-DDF 1.2//EN\x00\x02\x60\x77\x031.2\0\x01";

fn string(token: u8, text: &str) -> Vec<u8> {
    [&[token, 0x03], text.as_bytes(), b"\0\x01"].concat()
}

/// A `Node` with this name and what follows it.
fn node(name: &str, rest: &[u8]) -> Vec<u8> {
    [b"\x64", string(0x66, name).as_slice(), rest, b"\x01"].concat()
}

/// A leaf of format `chr`.
fn leaf(name: &str, value: &str) -> Vec<u8> {
    node(name, &[&b"\x6F\x5C\x0B\x01\x75"[..], &string(0x61, "text/plain"), b"\x01\x01", &string(0x76, value)].concat())
}

fn interior(name: &str, children: &[Vec<u8>]) -> Vec<u8> {
    node(name, &[&b"\x6F\x5C\x25\x01\x75\x11\x01\x01"[..], &children.concat()].concat())
}

/// The root of an object, with an access control list.
fn object(name: &str, urn: &str, acl: &str, children: &[Vec<u8>]) -> Vec<u8> {
    let properties = [&b"\x6F"[..], &string(0x46, acl), b"\x5C\x25\x01\x75", &string(0x51, urn), b"\x01\x01"].concat();
    node(name, &[properties, children.concat()].concat())
}

const DMACC: &str = "urn:oma:mo:oma-dm-dmacc:1.0";

/// Everything that the standard object has.
fn account() -> Vec<Vec<u8>> {
    let nonce = node("AAuthData", b"\x6F\x5C\x09\x01\x75\x61\x03x/y\0\x01\x01\x01\x76\xC3\x04\xFF\x00\xFE\x01\x01");
    vec![
        leaf("AppID", "w7"),
        leaf("ServerID", "dm.example.com"),
        leaf("Name", "Example"),
        leaf("PrefConRef", "./Inbox/nap"),
        interior("ToConRef", &[interior("1", &[leaf("ConRef", "./Inbox/nap")]), interior("2", &[leaf("ConRef", "x")])]),
        interior(
            "AppAddr",
            &[interior(
                "1",
                &[
                    leaf("Addr", "https://dm.example.com/dm"),
                    leaf("AddrType", "URI"),
                    interior("Port", &[interior("1", &[leaf("PortNbr", "8443")])]),
                ],
            )],
        ),
        leaf("AAuthPref", "HMAC"),
        interior(
            "AppAuth",
            &[
                interior(
                    "1",
                    &[
                        leaf("AAuthLevel", "CLCRED"),
                        leaf("AAuthType", "DIGEST"),
                        leaf("AAuthName", "device-001"),
                        leaf("AAuthSecret", "s3cr3t-pass"),
                        nonce,
                    ],
                ),
                interior(
                    "2",
                    &[leaf("AAuthLevel", "SRVCRED"), leaf("AAuthType", "HMAC"), leaf("AAuthName", "dm-server")],
                ),
            ],
        ),
        interior("Ext", &[leaf("Vendor", "x")]),
    ]
}

fn expected() -> Account {
    let reference = |to: &str| Connection::Reference(to.into());
    Account {
        version: ObjectVersion::V1_2,
        server_id: "dm.example.com".into(),
        name: Some("Example".into()),
        preferred_connection: Some(reference("./Inbox/nap")),
        connections: vec![reference("./Inbox/nap"), reference("x")],
        addresses: vec![Address {
            address: "https://dm.example.com/dm".into(),
            kind: AddressKind::Uri,
            ports: vec![8443],
        }],
        preferred_auth: Some(AuthType::Hmac),
        credentials: vec![
            Credentials {
                level: AuthLevel::Client,
                kind: AuthType::Digest,
                name: Some("device-001".into()),
                secret: Some("s3cr3t-pass".into()),
                nonce: Some(Nonce::new(b"\xFF\x00\xFE\x01")),
            },
            Credentials {
                level: AuthLevel::Server,
                kind: AuthType::Hmac,
                name: Some("dm-server".into()),
                secret: None,
                nonce: None,
            },
        ],
        acl: "Get=dm.example.com&Replace=dm.example.com".parse().expect("a list"),
        starts_session: false,
    }
}

fn tree(nodes: &[Vec<u8>]) -> Vec<u8> {
    [BEGIN, &nodes.concat(), b"\x01"].concat()
}

fn tree_of(children: &[Vec<u8>]) -> Vec<u8> {
    tree(&[object("X", DMACC, "Get=dm.example.com&Replace=dm.example.com", children)])
}

fn item(octets: Vec<u8>) -> Item {
    let meta = Meta {
        format: Some(Format::Bin),
        media_type: Some("application/vnd.syncml.dmtnds+wbxml".into()),
        ..Meta::default()
    };
    Item { meta: Some(meta.into()), data: Some(Data::Opaque(octets.into())), ..Item::target("./Inbox") }
}

fn adding(items: Vec<Item>) -> Message {
    let add = Command::Add(Edit { cmd_id: "1".into(), items, ..Edit::default() });
    Message { commands: vec![add], is_final: true, ..Message::default() }
}

fn encode(message: &Message) -> Vec<u8> {
    wire::encode(Encoding::Wbxml, message).expect("written")
}

/// The message of one full account.
pub(super) fn message() -> Vec<u8> {
    encode(&adding(vec![item(tree_of(&account()))]))
}

fn accounts(message: &Message) -> Result<Vec<Account>, MessageError> {
    match received(Profile::DeviceManagement, Encoding::Wbxml, &encode(message)) {
        Ok(bootstrap) => Ok(bootstrap.accounts),
        Err(Refused::Message(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn of_tree(octets: Vec<u8>) -> Result<Vec<Account>, MessageError> {
    accounts(&adding(vec![item(octets)]))
}

#[test]
fn every_node_of_the_object_goes_into_the_account() {
    let bootstrap = received(Profile::DeviceManagement, Encoding::Wbxml, &message()).expect("a bootstrap");
    assert_eq!(bootstrap.accounts, [expected()]);
    let Content::Message(message) = bootstrap.content else { panic!("{:?}", bootstrap.content) };
    assert_eq!(message.commands.len(), 1, "the whole message, for what else is in it");
}

#[test]
fn an_object_may_come_in_a_block_in_base64_and_with_nodes_one_by_one() {
    let base64 = base64(&tree_of(&account()));
    let mut coded = item(Vec::new());
    coded.meta = coded.meta.map(|meta| Meta { format: Some(Format::B64), ..*meta }.into());
    coded.data = Some(base64.into());
    assert_eq!(accounts(&adding(vec![coded.clone()])), Ok(vec![expected()]), "base64");
    coded.data = Some("no base64".into());
    let error = ObjectError { fault: Fault::BadBase64, offset: 0 };
    assert_eq!(accounts(&adding(vec![coded])), Err(MessageError::Object { item: 0, error }));

    let commands = adding(vec![item(tree_of(&account()))]).commands;
    let block = Command::Sequence(Block { commands, ..Block::default() });
    assert_eq!(accounts(&Message { commands: vec![block], ..Message::default() }), Ok(vec![expected()]), "in a block");

    // Flat: each node says where it is.
    let at = |path: &str, name: &str, value: &str| node(name, &[string(0x6C, path), string(0x76, value)].concat());
    let flat = [
        object("X", DMACC, "", &[]),
        at("X", "AppID", "w7"),
        at("./X", "ServerID", "s"),
        at("X/AppAddr/1", "Addr", "a"),
    ];
    let read = of_tree(tree(&flat)).expect("an account");
    assert_eq!((read[0].server_id.as_str(), read[0].addresses[0].address.as_str()), ("s", "a"));
    assert!(read[0].acl.is_empty(), "no list of its own");
}

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let triple = |three: &[u8]| {
        let bits = three.iter().fold(0_usize, |bits, octet| bits << 8 | usize::from(*octet)) << (8 * (3 - three.len()));
        let digit = |at: usize| if at > three.len() { '=' } else { char::from(DIGITS[bits >> (18 - 6 * at) & 63]) };
        [0, 1, 2, 3].map(digit)
    };
    octets.chunks(3).flat_map(triple).collect()
}

#[test]
fn the_device_names_the_account_where_the_server_does_not() {
    let mut unnamed = object("", DMACC, "", &account());
    assert_eq!(of_tree(tree(&[unnamed.clone()])).map(|accounts| accounts.len()), Ok(1), "an empty name");
    unnamed.drain(1..5);
    assert_eq!(of_tree(tree(&[unnamed])).map(|accounts| accounts.len()), Ok(1), "no name");
}

#[test]
fn of_several_versions_of_an_account_the_newest_counts() {
    let named = |version: &str, name: &str| {
        let mut children = account();
        children[2] = leaf("Name", name);
        object(version, &format!("urn:oma:mo:oma-dm-dmacc:{version}"), "", &children)
    };
    let read = |nodes: &[Vec<u8>]| {
        of_tree(tree(nodes)).map(|accounts| accounts.into_iter().filter_map(|account| account.name).collect::<Vec<_>>())
    };
    let versions = [named("1.0", "old"), named("1.1", "new"), named("9.9", "newer than we know")];
    assert_eq!(read(&versions), Ok(vec!["new".to_owned()]));
    assert_eq!(read(&[named("1.1", "new"), named("1.0", "old")]), Ok(vec!["new".to_owned()]));
    let error = AccountError { fault: AccountFault::Repeated, place: "2".into() };
    let twice = [object("1", DMACC, "", &account()), object("2", DMACC, "", &account())];
    assert_eq!(read(&twice), Err(MessageError::Account { item: 0, error }));
}

#[test]
fn other_objects_other_commands_and_other_places_are_passed_over() {
    let nap = tree(&[object("nap", "urn:oma:mo:oma-dm-nap:1.0", "", &[leaf("NAPType", "IP")])]);
    assert_eq!(accounts(&adding(vec![item(nap.clone()), item(tree_of(&account()))])), Ok(vec![expected()]));
    assert_eq!(accounts(&adding(vec![item(nap)])), Err(MessageError::NoAccount));
    assert_eq!(accounts(&adding(vec![])), Err(MessageError::NoAccount));
    let mut elsewhere = item(tree_of(&account()));
    for place in ["./DMAcc", "./Inboxes", "."] {
        elsewhere.target = Item::target(place).target;
        assert_eq!(accounts(&adding(vec![elsewhere.clone()])), Err(MessageError::NoAccount), "{place}");
    }
    let replace = adding(vec![item(tree_of(&account()))]).commands.into_iter().map(|command| match command {
        Command::Add(edit) => Command::Replace(edit),
        other => other,
    });
    let message = Message { commands: replace.collect(), ..Message::default() };
    assert_eq!(accounts(&message), Err(MessageError::NoAccount));
}

#[test]
fn what_is_no_message_of_a_bootstrap_is_refused_with_its_place() {
    let xml = wire::encode(Encoding::Xml, &Message::default()).expect("written");
    let refused = received(Profile::DeviceManagement, Encoding::Xml, &xml);
    assert_eq!(refused, Err(Refused::Message(MessageError::NotWbxml)), "WBXML only");
    let Err(Refused::Message(MessageError::Message(error))) =
        received(Profile::DeviceManagement, Encoding::Wbxml, &message()[..20])
    else {
        panic!("it was cut")
    };
    assert_eq!((error.kind, error.offset), (Kind::Truncated, 20));
    assert_eq!(error.path.0, [Tag::SyncMl, Tag::SyncHdr, Tag::Source]);

    let object = |fault| Err(MessageError::Object { item: 1, error: ObjectError { fault, offset: 0 } });
    let second = |item: Item| accounts(&adding(vec![self::item(tree_of(&account())), item]));
    let good = item(tree_of(&account()));
    assert_eq!(second(Item { data: None, ..good.clone() }), object(Fault::Missing));
    assert_eq!(second(Item { more_data: true, ..good.clone() }), object(Fault::Missing));
    let xml = Meta { media_type: Some("application/vnd.syncml.dmtnds+xml".into()), ..Meta::default() };
    assert_eq!(second(Item { meta: Some(xml.into()), ..good }), object(Fault::OtherType));
}

#[test]
fn what_is_no_document_of_nodes_is_refused_with_its_place() {
    let good = tree_of(&account());
    let begin = BEGIN.len();
    let after = |octets: &[u8]| [BEGIN, octets].concat();
    let deep = [b"\x64\x66\x03a\0\x01".repeat(100), b"\x01".repeat(101)].concat();
    let long = node(&"x".repeat(1000), &node(&"y".repeat(100), b""));
    for (octets, fault, offset) in [
        (b"".to_vec(), Fault::Encoding(Kind::Truncated), 0),
        (b"<MgmtTree/>".to_vec(), Fault::Encoding(Kind::UnknownVersion), 0),
        (message(), Fault::OtherDocument, 1),
        ([&BEGIN[..31], b"\x00\x02\x24"].concat(), Fault::OtherDocument, 33),
        ([&BEGIN[..31], b"\x2D"].concat(), Fault::Encoding(Kind::UnknownPage), 31),
        (after(b"\x3D"), Fault::Encoding(Kind::UnknownToken), begin),
        (after(b"\x03x\0\x01"), Fault::UnexpectedContent, begin),
        (after(b"\x64\x66\x24\x01\x01\x01"), Fault::UnexpectedContent, begin + 2),
        (after(b"\x64\x66\x03a\0\x01\x66\x03b\0\x01\x01\x01"), Fault::UnexpectedContent, begin + 6),
        (after(b"\x64\x66\xC3\x01\xFF\x01\x01\x01"), Fault::Encoding(Kind::NotUtf8), begin + 5),
        (after(&[node("a", b""), node("a", b""), b"\x01".to_vec()].concat()), Fault::RepeatedNode, begin + 13),
        (after(&deep), Fault::Encoding(Kind::TooDeep), begin + 6 * 30 + 1),
        (after(&[long, b"\x01".to_vec()].concat()), Fault::LongAddress, begin + 1005 + 105),
        ([good.as_slice(), b"\x01"].concat(), Fault::Encoding(Kind::TrailingContent), good.len()),
        (good[..good.len() - 1].to_vec(), Fault::Encoding(Kind::Truncated), good.len() - 1),
    ] {
        let error = MessageError::Object { item: 0, error: ObjectError { fault, offset } };
        assert_eq!(of_tree(octets.clone()), Err(error), "{octets:02x?}");
    }
}

#[test]
fn every_cut_of_an_object_is_an_end_that_comes_too_early() {
    let good = tree_of(&account());
    for length in 0..good.len() {
        let error = of_tree(good[..length].to_vec()).expect_err("it was cut");
        let expected = ObjectError { fault: Fault::Encoding(Kind::Truncated), offset: length };
        assert_eq!(error, MessageError::Object { item: 0, error: expected }, "cut at {length}");
    }
}

#[test]
fn what_makes_no_account_is_refused_with_its_node() {
    let many = |what: &str| interior(what, &(0..17).map(|n| interior(&n.to_string(), &[])).collect::<Vec<_>>());
    for (at, changed, fault, place) in [
        (0, leaf("AppID", "w2"), AccountFault::BadValue, "X/AppID"),
        (0, leaf("App", "w7"), AccountFault::Missing, "X/AppID"),
        (1, leaf("ServerID", ""), AccountFault::Missing, "X/ServerID"),
        (1, leaf("ServerID", &"x".repeat(2049)), AccountFault::TooLong, "X/ServerID"),
        (4, interior("ToConRef", &[interior("1", &[])]), AccountFault::Missing, "X/ToConRef/1/ConRef"),
        (4, many("ToConRef"), AccountFault::Missing, "X/ToConRef/0/ConRef"),
        (5, interior("AppAddr", &[]), AccountFault::Missing, "X/AppAddr"),
        (5, interior("AppAddr", &[interior("1", &[])]), AccountFault::Missing, "X/AppAddr/1/Addr"),
        (
            5,
            interior("AppAddr", &[interior("1", &[leaf("Addr", "a"), leaf("AddrType", "E164")])]),
            AccountFault::BadValue,
            "X/AppAddr/1/AddrType",
        ),
        (
            5,
            interior(
                "AppAddr",
                &[interior("1", &[leaf("Addr", "a"), interior("Port", &[interior("p", &[leaf("PortNbr", "70000")])])])],
            ),
            AccountFault::BadValue,
            "X/AppAddr/1/Port/p/PortNbr",
        ),
        (6, leaf("AAuthPref", "MD5"), AccountFault::BadValue, "X/AAuthPref"),
        (
            7,
            interior("AppAuth", &[interior("1", &[leaf("AAuthType", "BASIC")])]),
            AccountFault::Missing,
            "X/AppAuth/1/AAuthLevel",
        ),
        (
            7,
            interior("AppAuth", &[interior("1", &[leaf("AAuthLevel", "HTTP"), leaf("AAuthType", "DIGEST")])]),
            AccountFault::BadValue,
            "X/AppAuth/1/AAuthType",
        ),
    ] {
        let mut children = account();
        children[at] = changed;
        let error = AccountError { fault, place: place.into() };
        assert_eq!(of_tree(tree_of(&children)), Err(MessageError::Account { item: 0, error }), "{place}");
    }
    let error = AccountError { fault: AccountFault::BadValue, place: "X".into() };
    let bad_list = tree(&[object("X", DMACC, "Get", &account())]);
    assert_eq!(of_tree(bad_list), Err(MessageError::Account { item: 0, error }), "the access control list");
}

#[test]
fn accounts_and_their_parts_are_bounded() {
    let connections = (0..17).map(|n| interior(&n.to_string(), &[leaf("ConRef", "x")])).collect::<Vec<_>>();
    let mut children = account();
    children[4] = interior("ToConRef", &connections);
    let error = AccountError { fault: AccountFault::TooMany, place: "X/ToConRef/16".into() };
    assert_eq!(of_tree(tree_of(&children)), Err(MessageError::Account { item: 0, error }));
    let nodes: Vec<_> = (0..9)
        .map(|n: u8| {
            let mut children = account();
            children[1] = leaf("ServerID", &format!("server {n}"));
            object(&n.to_string(), DMACC, "", &children)
        })
        .collect();
    assert_eq!(of_tree(tree(&nodes[..8])).map(|accounts| accounts.len()), Ok(8));
    let error = AccountError { fault: AccountFault::TooMany, place: "8".into() };
    assert_eq!(of_tree(tree(&nodes)), Err(MessageError::Account { item: 0, error: error.clone() }));
    let items = nodes.iter().map(|node| item(tree(std::slice::from_ref(node)))).collect();
    assert_eq!(accounts(&adding(items)), Err(MessageError::Account { item: 8, error }));
}

/// Vector W-3 is a document of nodes, though not of an account.
#[test]
fn the_vector_of_a_document_of_nodes_is_read() {
    let w_3 = wbxml::octets(wbxml::W_3);
    assert_eq!(w_3.len(), 91);
    assert_eq!(of_tree(w_3.clone()), Err(MessageError::NoAccount), "it is read, and holds no account");
    let offset = w_3.len() - 1;
    let error = ObjectError { fault: Fault::Encoding(Kind::Truncated), offset };
    assert_eq!(of_tree(w_3[..offset].to_vec()), Err(MessageError::Object { item: 0, error }));
}

proptest! {
    #[test]
    fn a_damaged_object_is_an_account_or_an_error(
        places in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut octets = tree_of(&account());
        for (place, octet) in places {
            let at = place.index(octets.len());
            octets[at] = octet;
        }
        octets.truncate(cut.index(2 * octets.len()).max(1));
        if let Err(MessageError::Object { error, .. }) = of_tree(octets.clone()) {
            prop_assert!(error.offset <= octets.len(), "{error}");
        }
    }
}
