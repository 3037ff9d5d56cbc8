//! What the XML codec reads: every spelling that real peers use, and what it says about the others.

use dm_core::{
    codes::{AlertCode, StatusCode},
    ids::{CmdId, MsgId, SessionId},
    limits::WireLimits,
    wire::{
        self, Alert, Command, Cred, Data, DecodeError, DecodeErrorKind, Decoded, Delete, Deviations, Encoding, Format,
        Get, Header, Item, Location, Message, Meta, Tag,
    },
};

/// What every `SyncHdr` must have.
pub(crate) const HEADER: &str = "<SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>2F</SessionID>\
    <MsgID>1</MsgID><Target><LocURI>https://dm.example.com/dm</LocURI></Target>\
    <Source><LocURI>urn:uuid:7d9f0c1e</LocURI></Source></SyncHdr>";

/// A message with a good header and this in its body.
pub(crate) fn with_body(body: &str) -> String {
    format!("<SyncML xmlns=\"SYNCML:SYNCML1.2\">{HEADER}<SyncBody>{body}</SyncBody></SyncML>")
}

pub(crate) fn read(text: &str) -> Result<Decoded, DecodeError> {
    wire::decode(Encoding::Xml, text.as_bytes(), &WireLimits::CLIENT)
}

#[track_caller]
pub(crate) fn refused(text: &str) -> DecodeErrorKind {
    read(text).expect_err(text).kind
}

#[track_caller]
fn accepted(text: &str) -> Decoded {
    read(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[track_caller]
fn only_command(body: &str) -> Command {
    let mut commands = accepted(&with_body(body)).message.commands;
    assert_eq!(commands.len(), 1, "{body}");
    commands.remove(0)
}

/// The `Meta` of the only item of a `Replace`.
#[track_caller]
fn meta(xml: &str) -> (Meta, Deviations) {
    let text = with_body(&format!("<Replace><CmdID>1</CmdID><Item>{xml}</Item></Replace>"));
    let Decoded { message, deviations } = accepted(&text);
    let Some(Command::Replace(replace)) = message.commands.into_iter().next() else { panic!("no Replace: {xml}") };
    (*replace.items.into_iter().next().and_then(|item| item.meta).expect("a Meta"), deviations)
}

/// The text of the only item's `Data`.
#[track_caller]
fn data(xml: &str) -> (String, Deviations) {
    let text = with_body(&format!("<Replace><CmdID>1</CmdID><Item><Data>{xml}</Data></Item></Replace>"));
    let Decoded { message, deviations } = accepted(&text);
    let Some(Command::Replace(replace)) = message.commands.first() else { panic!("no Replace: {xml}") };
    (replace.items[0].data.as_ref().and_then(Data::as_text).expect("text").to_owned(), deviations)
}

fn get(id: u32, uri: &str) -> Command {
    Command::Get(Get { cmd_id: id.into(), items: vec![Item::target(uri)], ..Get::default() })
}

const GET: &str = "<Get><CmdID>4</CmdID><Item><Target><LocURI>./DevDetail/FwV</LocURI></Target></Item></Get>";

#[test]
fn an_indented_message_is_read_to_the_model() {
    let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<SyncML xmlns="SYNCML:SYNCML1.2">
  <SyncHdr>
    <VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>2F</SessionID><MsgID> 1 </MsgID>
    <Target><LocURI> https://dm.example.com/dm </LocURI></Target>
    <Source><LocURI>urn:uuid:7d9f0c1e</LocURI><LocName>device-001</LocName></Source>
    <Cred>
      <Meta><Format xmlns="syncml:metinf">b64</Format><Type xmlns="syncml:metinf">syncml:auth-md5</Type></Meta>
      <Data>IL8BJTggg59+TW50eOzRRg==</Data>
    </Cred>
    <Meta><MaxMsgSize xmlns="syncml:metinf">16384</MaxMsgSize></Meta>
  </SyncHdr>
  <SyncBody>
    <Alert><CmdID>1</CmdID><Data> 1201 </Data></Alert>
    <Final/>
  </SyncBody>
</SyncML>
"#;
    let meta = Meta { format: Some(Format::B64), media_type: Some("syncml:auth-md5".into()), ..Meta::default() };
    let source = Location { name: Some("device-001".into()), ..Location::new("urn:uuid:7d9f0c1e") };
    let expected = Message {
        header: Header {
            ver_dtd: "1.2".into(),
            ver_proto: "DM/1.2".into(),
            session_id: SessionId::from("2F"),
            msg_id: MsgId(1),
            target: Location::new("https://dm.example.com/dm"),
            source,
            cred: Some(Cred { meta: Some(meta), data: "IL8BJTggg59+TW50eOzRRg==".into() }.into()),
            meta: Some(Meta { max_msg_size: Some(16384), ..Meta::default() }.into()),
            ..Header::default()
        },
        commands: vec![Command::Alert(Alert { cmd_id: 1.into(), ..Alert::new(AlertCode::CLIENT_INITIATED) })],
        is_final: true,
    };
    assert_eq!(accepted(text), Decoded { message: expected, deviations: Deviations::default() });
}

#[test]
fn syncml_is_known_by_its_namespace_and_not_by_a_prefix() {
    let expected = accepted(&with_body(GET)).message;
    for namespace in ["SYNCML:SYNCML1.2", "SYNCML:SYNCML1.1"] {
        let plain = with_body(GET).replace("SYNCML:SYNCML1.2", namespace);
        let prefixed =
            plain.replace("</", "\0").replace('<', "<s:").replace('\0', "</s:").replace("xmlns=", "xmlns:s=");
        for text in [plain, prefixed] {
            let read = accepted(&text);
            assert_eq!((read.message, read.deviations), (expected.clone(), Deviations::default()), "{text}");
        }
    }
}

#[test]
fn a_message_without_namespaces_is_read_and_counted() {
    let text = with_body(GET).replace(" xmlns=\"SYNCML:SYNCML1.2\"", "");
    let read = accepted(&text);
    assert_eq!(read.message, accepted(&with_body(GET)).message);
    let elements = u32::try_from(text.matches('<').count() - text.matches("</").count()).expect("a few");
    assert_eq!(read.deviations, Deviations { stray_namespaces: elements, ..Deviations::default() });
}

#[test]
fn another_root_is_not_syncml() {
    for text in [
        "<html/>".to_owned(),
        "<syncml xmlns='SYNCML:SYNCML1.2'/>".to_owned(),
        "<x:SyncML/>".to_owned(),
        with_body("").replace("SYNCML:SYNCML1.2", "SYNCML:SYNCML2.0"),
        with_body("").replace("SYNCML:SYNCML1.2", "syncml:syncml1.2"),
        with_body("").replace("SYNCML:SYNCML1.2", "syncml:metinf"),
        "{\"json\": true}".to_owned(),
    ] {
        assert_eq!(refused(&text), DecodeErrorKind::NotSyncMl, "{text}");
    }
}

#[test]
fn meta_is_read_in_every_style() {
    let expected =
        Meta { format: Some(Format::Chr), media_type: Some("text/plain".into()), size: Some(7), ..Meta::default() };
    let styles = [
        "<Meta><Format xmlns='syncml:metinf'>chr</Format><Type xmlns='syncml:metinf'>text/plain</Type>\
         <Size xmlns='syncml:metinf'>7</Size></Meta>",
        "<Meta xmlns:mi='syncml:metinf'><mi:Format>chr</mi:Format><mi:Type>text/plain</mi:Type><mi:Size>7</mi:Size></Meta>",
        "<Meta><MetInf xmlns='syncml:metinf'><Size>7</Size><Type> text/plain </Type><Format>chr</Format></MetInf></Meta>",
        "<Meta><mi:Size xmlns:mi='syncml:metinf'>7</mi:Size>\
         <MetInf xmlns='syncml:metinf'><Type>text/plain</Type><Format>chr</Format></MetInf></Meta>",
    ];
    for style in styles {
        assert_eq!(meta(style), (expected.clone(), Deviations::default()), "{style}");
    }
}

#[test]
fn meta_in_the_wrong_namespace_is_read_and_counted() {
    let expected = Meta { format: Some(Format::Chr), size: Some(7), ..Meta::default() };
    for (style, stray_namespaces) in [
        ("<Meta><Format>chr</Format><Size>7</Size></Meta>", 2),
        ("<Meta><MetInf><Format>chr</Format><Size>7</Size></MetInf></Meta>", 3),
        ("<Meta xmlns='syncml:metinf'><Format>chr</Format><Size>7</Size></Meta>", 1),
        ("<Meta xmlns=''><Format>chr</Format><Size xmlns='syncml:metinf'>7</Size></Meta>", 2),
    ] {
        assert_eq!(
            meta(style),
            (expected.clone(), Deviations { stray_namespaces, ..Deviations::default() }),
            "{style}"
        );
    }
}

#[test]
fn a_metinf_child_counts_once_inside_and_outside_the_wrapper() {
    let text = "<Replace><CmdID>1</CmdID><Meta xmlns:m='syncml:metinf'><m:Type>a</m:Type>\
                <m:MetInf><m:Type>a</m:Type></m:MetInf></Meta></Replace>";
    assert_eq!(refused(&with_body(text)), DecodeErrorKind::Repeated(Tag::Type));
    let twice = text.replace("<m:Type>a</m:Type>", "").replace("</Meta>", "<m:MetInf/></Meta>");
    assert_eq!(refused(&with_body(&twice)), DecodeErrorKind::Repeated(Tag::MetInf));
}

#[test]
fn foreign_elements_are_passed_over_with_all_that_is_in_them() {
    for (foreign, foreign_elements) in [
        ("<Vendor/>", 1),
        ("<v:Get xmlns:v='urn:v'><CmdID>9</CmdID><Get/>text &amp; <![CDATA[<]]><v:x a='1'/></v:Get>", 1),
        ("<Get xmlns='urn:v'/><unbound:Get/>", 2),
        ("<cmdid>1</cmdid><CmdId>1</CmdId>", 2),
        ("<CmdID>1</CmdID>", 1),
        ("<LocURI/><MetInf xmlns='syncml:metinf'/>", 2),
        ("<SyncHdr/><SyncBody><Final/></SyncBody>", 2),
    ] {
        let read = accepted(&with_body(&format!("{foreign}{GET}{foreign}<Final/>")));
        assert_eq!(
            (read.message.commands, read.message.is_final),
            (vec![get(4, "./DevDetail/FwV")], true),
            "{foreign}"
        );
        let deviations = Deviations { foreign_elements: 2 * foreign_elements, ..Deviations::default() };
        assert_eq!(read.deviations, deviations, "{foreign}");
    }
}

#[test]
fn foreign_elements_may_stand_in_every_element_with_children() {
    let foreign = "<v:x xmlns:v='urn:v'><Data/></v:x>";
    let plain = with_body(&format!(
        "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><Cmd>Get</Cmd><Chal><Meta><Type xmlns='syncml:metinf'>a</Type></Meta>\
         </Chal><Data>200</Data></Status><Atomic><CmdID>2</CmdID>{GET}</Atomic><Final></Final>"
    ));
    let strewn =
        ["SyncML", "SyncHdr", "SyncBody", "Status", "Chal", "Meta", "Atomic", "Get", "Item", "Target", "Final"]
            .iter()
            .fold(plain.clone(), |text, parent| {
                text.replace(&format!("</{parent}>"), &format!("{foreign}</{parent}>"))
            });
    let (plain, strewn) = (accepted(&plain), accepted(&strewn));
    assert_eq!(strewn.message, plain.message);
    // `Target` is there twice: in the header and in the item.
    assert_eq!(strewn.deviations, Deviations { foreign_elements: 12, ..Deviations::default() });
}

#[test]
fn attributes_are_tolerated_and_counted() {
    let text = "<Status xml:lang='en'><CmdID>1</CmdID><MsgRef>1</MsgRef><Cmd>Get</Cmd>\
                <Data msft:originalerror=\"0x86000002\" x='&lt;&#65;'>500</Data></Status>";
    let text = with_body(text)
        .replace("<SyncBody>", "<SyncBody xmlns:msft=\"http://schemas.microsoft.com/MobileDevice/MDM\">");
    let read = accepted(&text);
    assert_eq!(read.deviations, Deviations { foreign_attributes: 3, ..Deviations::default() });
    let Command::Status(status) = &read.message.commands[0] else { panic!("{:?}", read.message.commands) };
    assert_eq!(status.code, StatusCode::COMMAND_FAILED);
}

#[test]
fn children_may_come_in_any_order() {
    let orders = [
        (GET, "<Get><Item><Target><LocURI>./DevDetail/FwV</LocURI></Target></Item><CmdID>4</CmdID></Get>"),
        (
            "<Results><CmdID>1</CmdID><MsgRef>2</MsgRef><CmdRef>3</CmdRef><Cmd>Get</Cmd><Meta/><Item/></Results>",
            "<Results><Item/><Meta/><Cmd>Get</Cmd><CmdRef>3</CmdRef><MsgRef>2</MsgRef><CmdID>1</CmdID></Results>",
        ),
        (
            "<Atomic><CmdID>1</CmdID><Meta/><Get><CmdID>2</CmdID></Get></Atomic>",
            "<Atomic><Get><CmdID>2</CmdID></Get><Meta/><CmdID>1</CmdID></Atomic>",
        ),
        ("<Item><Data/><MoreData/></Item>", "<Item><MoreData/><Data/></Item>"),
    ];
    for (usual, other) in orders {
        let wrap = |xml: &str| {
            if xml.starts_with("<Item>") { format!("<Add><CmdID>1</CmdID>{xml}</Add>") } else { xml.into() }
        };
        assert_eq!(only_command(&wrap(usual)), only_command(&wrap(other)));
    }
    let (header, body) = (HEADER, "<SyncBody><Final/></SyncBody>");
    let last = "<SyncHdr><Source><LocURI>urn:uuid:7d9f0c1e</LocURI></Source><Target><LocURI>https://dm.example.com/dm</LocURI>\
                </Target><MsgID>1</MsgID><SessionID>2F</SessionID><VerProto>DM/1.2</VerProto><VerDTD>1.2</VerDTD></SyncHdr>";
    let usual = accepted(&format!("<SyncML xmlns='SYNCML:SYNCML1.2'>{header}{body}</SyncML>"));
    let turned = accepted(&format!("<SyncML xmlns='SYNCML:SYNCML1.2'>{body}{last}</SyncML>"));
    assert_eq!(usual.message, turned.message);
}

#[test]
fn a_child_that_may_come_once_is_refused_the_second_time() {
    let cases = [
        ("<Get><CmdID>1</CmdID><CmdID>1</CmdID></Get>", Tag::CmdId),
        ("<Get><CmdID>1</CmdID><NoResp/><NoResp/></Get>", Tag::NoResp),
        ("<Get><CmdID>1</CmdID><Item><Target><LocURI>a</LocURI></Target><Target/></Item></Get>", Tag::Target),
        ("<Get><CmdID>1</CmdID><Item><Source><LocURI>a</LocURI><LocURI/></Source></Item></Get>", Tag::LocUri),
        ("<Get><CmdID>1</CmdID><Item><Meta/><Meta/></Item></Get>", Tag::Meta),
        ("<Add><CmdID>1</CmdID><Item><Data/><Data/></Item></Add>", Tag::Data),
        ("<Status><MsgRef>1</MsgRef><Cmd>Get</Cmd><Data>200</Data><Data>200</Data></Status>", Tag::Data),
        ("<Exec><CmdID>1</CmdID><Correlator>a</Correlator><Correlator>b</Correlator></Exec>", Tag::Correlator),
        ("<Final/><Final/>", Tag::Final),
    ];
    for (body, tag) in cases {
        assert_eq!(refused(&with_body(body)), DecodeErrorKind::Repeated(tag), "{body}");
    }
    assert_eq!(
        refused(&with_body("").replace("</SyncML>", "<SyncBody/></SyncML>")),
        DecodeErrorKind::Repeated(Tag::SyncBody)
    );
    assert_eq!(
        refused(&with_body("").replace("<SyncBody>", &format!("{HEADER}<SyncBody>"))),
        DecodeErrorKind::Repeated(Tag::SyncHdr)
    );
}

#[test]
fn a_missing_child_is_named() {
    let body = |body: &str| with_body(body);
    for command in [
        "Add", "Alert", "Atomic", "Copy", "Delete", "Exec", "Get", "Map", "Move", "Put", "Replace", "Search",
        "Sequence", "Sync",
    ] {
        assert_eq!(refused(&body(&format!("<{command}/>"))), DecodeErrorKind::Missing(Tag::CmdId), "{command}");
    }
    for (missing, tag) in [
        ("<Status><Cmd>Get</Cmd><Data>200</Data></Status>", Tag::MsgRef),
        ("<Status><MsgRef>1</MsgRef><Data>200</Data></Status>", Tag::Cmd),
        ("<Status><MsgRef>1</MsgRef><Cmd>Get</Cmd></Status>", Tag::Data),
        ("<Results><CmdID>1</CmdID></Results>", Tag::CmdRef),
        ("<Add><CmdID>1</CmdID><Item><Target/></Item></Add>", Tag::LocUri),
        ("<Add><CmdID>1</CmdID><Item><SourceParent/></Item></Add>", Tag::LocUri),
        ("<Map><CmdID>1</CmdID><MapItem><Target><LocURI>a</LocURI></Target></MapItem></Map>", Tag::Source),
        ("<Add><CmdID>1</CmdID><Meta xmlns:m='syncml:metinf'><m:Anchor/></Meta></Add>", Tag::Next),
        ("<Add><CmdID>1</CmdID><Meta xmlns:m='syncml:metinf'><m:Mem/></Meta></Add>", Tag::FreeMem),
    ] {
        assert_eq!(refused(&body(missing)), DecodeErrorKind::Missing(tag), "{missing}");
    }
    for tag in [Tag::VerDtd, Tag::VerProto, Tag::SessionId, Tag::MsgId, Tag::Target, Tag::Source] {
        let text = with_body("");
        let (from, to) = (format!("<{tag}>"), format!("</{tag}>"));
        let (from, to) = (text.find(&from).expect("there"), text.find(&to).expect("there") + to.len());
        let text = format!("{}{}", &text[..from], &text[to..]);
        assert_eq!(refused(&text), DecodeErrorKind::Missing(tag), "{text}");
    }
    assert_eq!(refused("<SyncML xmlns='SYNCML:SYNCML1.2'/>"), DecodeErrorKind::Missing(Tag::SyncHdr));
    let headless = format!("<SyncML xmlns='SYNCML:SYNCML1.2'>{HEADER}</SyncML>");
    assert_eq!(refused(&headless), DecodeErrorKind::Missing(Tag::SyncBody));
}

#[test]
fn what_real_clients_leave_out_is_not_missed() {
    let status = only_command("<Status><MsgRef>0</MsgRef><Cmd>SyncHdr</Cmd><Data>500</Data></Status>");
    let Command::Status(status) = status else { panic!("{status:?}") };
    assert_eq!((status.cmd_id.clone(), status.cmd_ref.clone(), status.msg_ref), (None, None, MsgId(0)));
    assert!(status.is_for_header());
    let results = only_command("<Results><CmdRef>4</CmdRef></Results>");
    assert!(matches!(&results, Command::Results(results) if results.cmd_id.is_none() && results.msg_ref.is_none()));
    let alert = only_command("<Alert><CmdID/></Alert>");
    assert!(matches!(&alert, Command::Alert(alert) if alert.code.is_none() && alert.cmd_id == CmdId::from("")));
    assert_eq!(accepted(&with_body("")).message.commands, []);
}

#[test]
fn text_is_put_together_from_all_its_pieces() {
    for (xml, text) in [
        ("", ""),
        ("a&lt;b<![CDATA[<c>&amp;]]>d&#x41;", "a<b<c>&amp;dA"),
        ("&#32;&amp;&quot;&apos;&gt;&#9;", " &\"'>\t"),
        ("a<!-- b -->c<!---->", "ac"),
        ("  kept as it is\n", "  kept as it is\n"),
        ("one\r\ntwo\rthree\r", "one\ntwo\nthree\n"),
        ("one\r\ntwo\rthree\r\r\n<![CDATA[four\r\n]]>", "one\ntwo\nthree\n\nfour\n"),
        ("kept&#13;&#10;", "kept\r\n"),
        ("<![CDATA[]]>", ""),
        ("<![CDATA[]]]]><![CDATA[>]]>", "]]>"),
        ("<![CDATA[ ]] > ]]>", " ]] > "),
        ("\u{E9}&#xE9;\u{1F512}&#x1F512;", "\u{E9}\u{E9}\u{1F512}\u{1F512}"),
    ] {
        assert_eq!(data(xml), (text.to_owned(), Deviations::default()), "{xml}");
    }
}

#[test]
fn names_lose_the_space_around_them_and_values_do_not() {
    let text = with_body(
        "<Exec><CmdID>\n &#49;\t</CmdID><Correlator> c </Correlator><Item><Target><LocURI> ./a b </LocURI><LocName> n </LocName>\
         </Target><Data> d </Data></Item></Exec>",
    );
    let Command::Exec(exec) = accepted(&text).message.commands.remove(0) else { panic!("no Exec") };
    let target = exec.items[0].target.as_ref().expect("a Target");
    assert_eq!((exec.cmd_id.as_str(), exec.correlator.as_deref()), ("1", Some(" c ")));
    assert_eq!((target.uri.as_str(), target.name.as_deref()), ("./a b", Some(" n ")));
    assert_eq!(exec.items[0].data, Some(Data::from(" d ")));
}

#[test]
fn numbers_are_decimal_digits_in_range() {
    for number in ["", " ", "+1", "-1", "0x1", "1 2", "1.0", "\u{661}", "65536", "99999999999999999999999"] {
        let status = format!("<Status><MsgRef>1</MsgRef><Cmd>Get</Cmd><Data>{number}</Data></Status>");
        assert_eq!(refused(&with_body(&status)), DecodeErrorKind::BadNumber(Tag::Data), "{number}");
    }
    let msg_id = with_body("").replace("<MsgID>1<", "<MsgID>4294967296<");
    assert_eq!(refused(&msg_id), DecodeErrorKind::BadNumber(Tag::MsgId));
    let size = "<Meta><Size xmlns='syncml:metinf'>SIZE</Size></Meta>";
    assert_eq!(meta(&size.replace("SIZE", "18446744073709551615")).0.size, Some(u64::MAX));
    let too_large = size.replace("SIZE", "18446744073709551616");
    let too_large = with_body(&format!("<Add><CmdID>1</CmdID><Item>{too_large}</Item></Add>"));
    assert_eq!(refused(&too_large), DecodeErrorKind::BadNumber(Tag::Size));
    let code = only_command("<Alert><CmdID>1</CmdID><Data>\n <!-- x -->0&#49;201 </Data></Alert>");
    assert!(matches!(code, Command::Alert(alert) if alert.code == Some(AlertCode::CLIENT_INITIATED)));
}

#[test]
fn text_among_children_and_children_in_text_are_refused() {
    for (body, tag) in [
        ("text", Tag::SyncBody),
        ("<Get>text<CmdID>1</CmdID></Get>", Tag::Get),
        ("<Get><CmdID>1</CmdID>&#65;</Get>", Tag::Get),
        ("<Get><CmdID>1</CmdID><![CDATA[x]]></Get>", Tag::Get),
        ("<Final>x</Final>", Tag::Final),
        ("<Get><CmdID><b/></CmdID></Get>", Tag::CmdId),
        ("<Get><CmdID>1<CmdID/></CmdID></Get>", Tag::CmdId),
        ("<Status><MsgRef>1</MsgRef><Cmd>Get</Cmd><Data><x/></Data></Status>", Tag::Data),
        ("<Add><CmdID>1</CmdID><Item><Meta>x</Meta></Item></Add>", Tag::Meta),
    ] {
        assert_eq!(refused(&with_body(body)), DecodeErrorKind::UnexpectedContent(tag), "{body}");
    }
    accepted(&with_body("<Get>&#32;<CmdID>1</CmdID><![CDATA[ ]]></Get>"));
}

#[test]
fn mark_up_in_data_that_nobody_escaped_is_its_text() {
    let tree = "<MgmtTree xmlns=\"syncml:dmddf1.2\" a='&lt;'><VerDTD>1.2</VerDTD>\r\n<Node><!-- n --><Data>&amp;<![CDATA[x]]></Data>\
                <Value/></Node></MgmtTree>";
    for raw in [tree.to_owned(), format!(" x &lt; {tree} y\r"), "<Data/>".to_owned(), "a<b/>".to_owned()] {
        assert_eq!(data(&raw), (raw.clone(), Deviations { raw_markup: 1, ..Deviations::default() }), "{raw}");
    }
    for (bad, kind) in [
        ("<a></b>", DecodeErrorKind::NotWellFormed),
        ("<a>&x;</a>", DecodeErrorKind::UnknownEntity),
        ("<a b='&#1;'/>", DecodeErrorKind::BadCharacter),
        ("<?xml version='1.0'?><a/>", DecodeErrorKind::NotWellFormed),
        ("<?p x?><a/>", DecodeErrorKind::ProcessingInstruction),
    ] {
        let text = with_body(&format!("<Add><CmdID>1</CmdID><Item><Data>{bad}</Data></Item></Add>"));
        assert_eq!(refused(&text), kind, "{bad}");
    }
}

#[test]
fn an_element_without_content_may_be_written_in_two_ways() {
    for (short, long) in [
        ("<Final/>", "<Final></Final>"),
        ("<Final/>", "<Final > \n<!-- --> </Final\n>"),
        (
            "<Delete><CmdID>1</CmdID><NoResp/><Archive/><SftDel/><Item><MoreData/></Item></Delete>",
            "<Delete><CmdID>1</CmdID><NoResp></NoResp><Archive></Archive><SftDel></SftDel><Item><MoreData></MoreData></Item>\
             </Delete>",
        ),
        ("<Add><CmdID>1</CmdID><Item/></Add>", "<Add><CmdID>1</CmdID><Item></Item></Add>"),
        (
            "<Add><CmdID>1</CmdID><Item><Data/>\n</Item></Add>",
            "<Add><CmdID>1</CmdID><Item><Data></Data>\n</Item></Add>",
        ),
    ] {
        assert_eq!(accepted(&with_body(short)), accepted(&with_body(long)), "{long}");
    }
    let delete = only_command("<Delete><CmdID>1</CmdID><NoResp/><Archive/><SftDel/></Delete>");
    let expected = Delete { cmd_id: 1.into(), no_resp: true, archive: true, soft: true, ..Delete::default() };
    assert_eq!(delete, Command::Delete(expected));
}

#[test]
fn a_prologue_is_passed_over() {
    let doctype = "<!DOCTYPE SyncML PUBLIC \"-//SYNCML//DTD SyncML 1.2//EN\" \
                   \"http://www.openmobilealliance.org/tech/DTD/OMA-TS-SyncML_RepPro_DTD-V1_2.dtd\">";
    let plain = with_body(GET);
    for (before, after, doctypes) in [
        ("\u{FEFF}", "", 0),
        ("\u{FEFF}<?xml version=\"1.0\"?>", "\r\n", 0),
        ("<?xml version='1.0' encoding='us-ascii' standalone='yes'?>\n", "<!-- end -->\n", 0),
        (&format!("<?xml version=\"1.0\"?>\n{doctype}\n"), "", 1),
        ("<!-- a --> <!DOCTYPE SyncML> <!-- b -->", " ", 1),
    ] {
        let read = accepted(&format!("{before}{plain}{after}"));
        assert_eq!(read.message, accepted(&plain).message, "{before}");
        assert_eq!(read.deviations, Deviations { doctypes, ..Deviations::default() }, "{before}");
    }
}

#[test]
fn the_header_is_read_alone_whatever_follows_it() {
    let expected = accepted(&with_body("")).message.header;
    for rest in ["", "<", "<SyncBody>&broken;", "\0", "\u{FFFF}", "</SyncML>trailing"] {
        let text = format!("<SyncML xmlns='SYNCML:SYNCML1.2'><Vendor/>{HEADER}{rest}");
        let header = wire::decode_header(Encoding::Xml, text.as_bytes(), &WireLimits::CLIENT);
        assert_eq!(header.as_ref(), Ok(&expected), "{rest:?}");
    }
    let empty =
        wire::decode_header(Encoding::Xml, b"<SyncML><SyncBody><Get/></SyncBody></SyncML>", &WireLimits::CLIENT);
    assert_eq!(empty.map_err(|error| error.kind), Err(DecodeErrorKind::Missing(Tag::SyncHdr)));
}

#[test]
fn an_error_says_where_it_is_and_who_sent_it() {
    let in_body =
        with_body("<Sequence><CmdID>1</CmdID><v:x xmlns:v='urn:v'/><Get><CmdID>2</CmdID><Item/>here</Get></Sequence>");
    let error = read(&in_body).expect_err("text in Get");
    assert_eq!(error.kind, DecodeErrorKind::UnexpectedContent(Tag::Get));
    assert_eq!(Some(error.offset), in_body.find("here"));
    assert_eq!(error.path.0, [Tag::SyncMl, Tag::SyncBody, Tag::Sequence, Tag::Get]);
    assert_eq!(error.header.as_deref(), Some(&accepted(&with_body("")).message.header));
    let shown = format!("unexpected content in Get at byte {} in SyncML/SyncBody/Sequence/Get", error.offset);
    assert_eq!(error.to_string(), shown);

    let again = with_body("<Get><CmdID>2</CmdID><NoResp></NoResp><NoResp/></Get>");
    let error = read(&again).expect_err("a second NoResp");
    assert_eq!(Some(error.offset), again.find("<NoResp/>"));

    let missing = with_body("<Get></Get>");
    let error = read(&missing).expect_err("no CmdID");
    assert_eq!((Some(error.offset), error.path.0.last()), (missing.find("</Get>"), Some(&Tag::Get)));

    let in_header = format!("\u{FEFF}<?xml version='1.0'?>{}", with_body("").replace("<MsgID>1<", "<MsgID>one<"));
    let error = read(&in_header).expect_err("no number");
    assert_eq!((Some(error.offset), error.header), (in_header.find("</MsgID>"), None));
    assert_eq!(error.path.0, [Tag::SyncMl, Tag::SyncHdr, Tag::MsgId]);
}
