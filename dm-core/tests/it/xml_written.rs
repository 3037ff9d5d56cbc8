//! What the XML codec writes: one spelling, the same bytes every time.

use dm_core::{
    codes::StatusCode,
    ids::{CmdId, MsgId},
    wire::{
        self, Block, Chal, Command, Cred, Data, Edit, EncodeError, Encoding, Exec, Format, Header, Item, Location,
        Message, Meta, Results, Status, Tag,
    },
};

/// One message with everything that device management uses, and the only bytes that we write for it.
#[test]
fn a_message_is_written_in_the_order_of_the_dtd() {
    let meta = |format, media_type: &str| Meta {
        format: Some(format),
        media_type: Some(media_type.into()),
        ..Meta::default()
    };
    let chal_meta = Meta { next_nonce: Some("Tm9uY2U=".into()), ..meta(Format::B64, "syncml:auth-md5") };
    let header = Header {
        ver_dtd: "1.2".into(),
        ver_proto: "DM/1.2".into(),
        session_id: "2F".into(),
        msg_id: MsgId(2),
        target: Location::new("urn:uuid:7d9f0c1e"),
        source: Location { name: Some("us".into()), ..Location::new("https://dm.example.com/dm?a=1&b=2") },
        resp_uri: Some("https://dm.example.com/dm/2F".into()),
        no_resp: true,
        cred: Some(Cred { meta: Some(meta(Format::B64, "syncml:auth-basic")), data: "QTpC".into() }.into()),
        meta: Some(Meta { max_msg_size: Some(1), max_obj_size: Some(2), ..Meta::default() }.into()),
    };
    let status = Status {
        cmd_id: Some(1.into()),
        msg_ref: MsgId(1),
        cmd_ref: Some(CmdId::header()),
        cmd: Status::HEADER.into(),
        target_refs: ["t".into()].into(),
        source_refs: ["s".into()].into(),
        cred: None,
        chal: Some(Chal { meta: chal_meta }.into()),
        code: StatusCode::AUTHENTICATED,
        items: vec![Item { data: Some("more".into()), ..Item::default() }],
    };
    let chunk = Item {
        target: Some(Location::new("./a")),
        meta: Some(Meta { size: Some(9), ..meta(Format::Chr, "text/plain") }.into()),
        data: Some("<&>\r\n\"'".into()),
        more_data: true,
        ..Item::default()
    };
    let edit = Edit { cmd_id: 3.into(), items: vec![chunk], ..Edit::default() };
    let commands = vec![
        Command::Status(status),
        Command::Atomic(Block { cmd_id: 2.into(), commands: vec![Command::Replace(edit)], ..Block::default() }),
        Command::Exec(Exec {
            cmd_id: 4.into(),
            correlator: Some("c".into()),
            items: vec![Item::target("./b")],
            ..Exec::default()
        }),
        Command::Results(Results {
            cmd_ref: 5.into(),
            msg_ref: Some(MsgId(1)),
            cmd: Some("Get".into()),
            ..Results::default()
        }),
    ];
    let written = wire::encode(Encoding::Xml, &Message { header, commands, is_final: true }).expect("XML can carry it");
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD>\
        <VerProto>DM/1.2</VerProto><SessionID>2F</SessionID><MsgID>2</MsgID><Target><LocURI>urn:uuid:7d9f0c1e</LocURI></Target>\
        <Source><LocURI>https://dm.example.com/dm?a=1&amp;b=2</LocURI><LocName>us</LocName></Source>\
        <RespURI>https://dm.example.com/dm/2F</RespURI><NoResp/><Cred><Meta><Format xmlns=\"syncml:metinf\">b64</Format>\
        <Type xmlns=\"syncml:metinf\">syncml:auth-basic</Type></Meta><Data>QTpC</Data></Cred>\
        <Meta><MaxMsgSize xmlns=\"syncml:metinf\">1</MaxMsgSize><MaxObjSize xmlns=\"syncml:metinf\">2</MaxObjSize></Meta></SyncHdr>\
        <SyncBody><Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><TargetRef>t</TargetRef>\
        <SourceRef>s</SourceRef><Chal><Meta><Format xmlns=\"syncml:metinf\">b64</Format>\
        <Type xmlns=\"syncml:metinf\">syncml:auth-md5</Type><NextNonce xmlns=\"syncml:metinf\">Tm9uY2U=</NextNonce></Meta></Chal>\
        <Data>212</Data><Item><Data>more</Data></Item></Status><Atomic><CmdID>2</CmdID><Replace><CmdID>3</CmdID><Item>\
        <Target><LocURI>./a</LocURI></Target><Meta><Format xmlns=\"syncml:metinf\">chr</Format>\
        <Type xmlns=\"syncml:metinf\">text/plain</Type><Size xmlns=\"syncml:metinf\">9</Size></Meta>\
        <Data>&lt;&amp;&gt;&#13;\n\"'</Data><MoreData/></Item></Replace></Atomic><Exec><CmdID>4</CmdID><Correlator>c</Correlator>\
        <Item><Target><LocURI>./b</LocURI></Target></Item></Exec><Results><MsgRef>1</MsgRef><CmdRef>5</CmdRef><Cmd>Get</Cmd>\
        </Results><Final/></SyncBody></SyncML>";
    assert_eq!(String::from_utf8_lossy(&written), expected);
}

#[test]
fn elements_inside_a_metinf_element_need_no_declaration() {
    let anchor = wire::Anchor { last: Some("1".into()), next: "2".into() };
    let meta = Meta { anchor: Some(anchor.into()), field_level: true, ..Meta::default() };
    let edit = Edit { cmd_id: 1.into(), meta: Some(meta.into()), ..Edit::default() };
    let message = Message { commands: vec![Command::Add(edit)], ..Message::default() };
    let written = wire::encode(Encoding::Xml, &message).expect("XML can carry it");
    let expected = "<Meta><FieldLevel xmlns=\"syncml:metinf\"/><Anchor xmlns=\"syncml:metinf\"><Last>1</Last><Next>2</Next></Anchor></Meta>";
    assert!(String::from_utf8_lossy(&written).contains(expected), "{}", String::from_utf8_lossy(&written));
}

#[test]
fn the_root_namespace_follows_the_version() {
    for (ver_dtd, namespace) in [("1.1", "SYNCML:SYNCML1.1"), ("1.2", "SYNCML:SYNCML1.2"), ("", "SYNCML:SYNCML1.2")] {
        let header = Header { ver_dtd: ver_dtd.into(), ..Header::default() };
        let written = wire::encode(Encoding::Xml, &Message { header, ..Message::default() }).expect("XML can carry it");
        let root = format!("<SyncML xmlns=\"{namespace}\"><SyncHdr><VerDTD>{ver_dtd}</VerDTD>");
        assert!(String::from_utf8_lossy(&written).contains(&root), "{ver_dtd}");
    }
}

#[test]
fn what_xml_cannot_carry_is_refused_with_its_place() {
    let with_item = |item: Item| Message {
        commands: vec![Command::Add(Edit { items: vec![item], ..Edit::default() })],
        ..Message::default()
    };
    for c in ['\0', '\u{1}', '\u{B}', '\u{1F}', '\u{FFFE}', '\u{FFFF}'] {
        let data = with_item(Item { data: Some(format!("a{c}").into()), ..Item::default() });
        assert_eq!(wire::encode(Encoding::Xml, &data), Err(EncodeError::BadCharacter(Tag::Data)), "{c:?}");
        let uri = with_item(Item::target(c.to_string()));
        assert_eq!(wire::encode(Encoding::Xml, &uri), Err(EncodeError::BadCharacter(Tag::LocUri)), "{c:?}");
    }
    let octets = with_item(Item { data: Some(Data::Opaque(b"a"[..].into())), ..Item::default() });
    assert_eq!(wire::encode(Encoding::Xml, &octets), Err(EncodeError::Opaque(Tag::Data)));
}

#[test]
fn what_cannot_stand_in_text_is_replaced_or_refused_wherever_it_is() {
    let plain: Vec<char> = ('a'..='z').cycle().take(100).collect();
    let written = |text: &str| -> Result<String, EncodeError> {
        let item = Item { data: Some(text.into()), ..Item::default() };
        let commands = vec![Command::Add(Edit { items: vec![item], ..Edit::default() })];
        let octets = wire::encode(Encoding::Xml, &Message { commands, ..Message::default() })?;
        Ok(String::from_utf8(octets).expect("XML is text"))
    };
    for length in (1..40).chain([63, 64, 65, 100]) {
        for at in 0..length {
            let with = |piece: &str| {
                let (before, after) = (&plain[..at], &plain[at + 1..length]);
                [String::from_iter(before), piece.into(), String::from_iter(after)].concat()
            };
            let all = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;"), ("\u{20AC}", "\u{20AC}")];
            for (piece, as_written) in all {
                let text = written(&with(piece)).expect("XML can carry it");
                assert!(text.contains(&format!("<Data>{}</Data>", with(as_written))), "{piece:?} {at} of {length}");
            }
            for bad in ["\u{B}", "\u{FFFE}"] {
                let refused = Err(EncodeError::BadCharacter(Tag::Data));
                assert_eq!(written(&with(bad)), refused, "{bad:?} {at} of {length}");
            }
        }
    }
}
