//! The standard objects as values, and descriptions of them.

use dm_core::{
    auth::{Nonce, Scheme, SignRequest},
    ddf::{self, Difference, Occurrence, Schema, SchemaNode, Violation},
    tnds::{TndsEncoding, TndsError},
    tree::{
        AccessType, Address, AddressKind, AuthLevel, AuthType, Builder, Credentials, DevDetail, DevInfo, DmAcc, Memory,
        ObjectVersion, TreeFault, Verb,
    },
    wire::Format,
};

use super::{OWNER, add, done, formatted, get, open, refused};

fn schema(text: &str) -> SchemaNode {
    Schema::parse(text.as_bytes(), TndsEncoding::Xml).unwrap().root
}

fn account() -> DmAcc {
    DmAcc {
        version: ObjectVersion::V1_3,
        server_id: "srv".into(),
        name: Some("Example".into()),
        preferred_connectivity: Some("./NAP/1".into()),
        connectivity: vec!["./NAP/1".into(), "./NAP/2".into()],
        addresses: vec![
            Address { address: "https://dm.example.com/dm".into(), kind: AddressKind::Uri, ports: vec![8443, 443] },
            Address { address: "192.0.2.1".into(), kind: AddressKind::IpV4, ports: vec![] },
        ],
        preferred_auth: Some(AuthType::Digest),
        credentials: vec![
            Credentials::new(AuthLevel::Client, AuthType::Basic, "weak", "w"),
            Credentials {
                nonce: Some(Nonce::new(&[0xff, 0])),
                ..Credentials::new(AuthLevel::Client, AuthType::Digest, "client", "c")
            },
            Credentials::new(AuthLevel::Server, AuthType::Digest, "server", "s"),
            Credentials::new(AuthLevel::Http, AuthType::HttpBasic, "proxy", "p"),
        ],
        server_version: Some("1.3".into()),
    }
}

fn with(account: &DmAcc) -> Memory {
    open().dm_acc("./DMAcc/1", account).finish().unwrap()
}

#[test]
fn an_account_is_read_as_it_was_built() {
    let tree = with(&account());
    assert_eq!(DmAcc::read(&tree, "./DMAcc/1"), Some(account()));
    let small = DmAcc {
        server_id: "s".into(),
        addresses: vec![Address { address: "a".into(), ..Address::default() }],
        ..DmAcc::default()
    };
    assert_eq!(DmAcc::read(&with(&small), "./DMAcc/1"), Some(small));
}

#[test]
fn accounts_are_found_by_their_type_wherever_they_are() {
    let other = DmAcc { server_id: "other".into(), version: ObjectVersion::V1_2, ..account() };
    let tree = with(&account()).edit().dm_acc("./SyncML/DMAcc/x", &other).interior("./DMAcc/not").finish().unwrap();
    assert_eq!(DmAcc::find(&tree), ["./DMAcc/1", "./SyncML/DMAcc/x"]);
    assert_eq!(DmAcc::of_server(&tree, &"other".into()), Some(("./SyncML/DMAcc/x".into(), other)));
    assert_eq!(DmAcc::of_server(&tree, &"nobody".into()), None);
    assert_eq!(tree.node("./DMAcc/1").unwrap().media_type(), "urn:oma:mo:oma-dm-dmacc:1.1");
}

#[test]
fn what_names_no_server_is_no_account() {
    let tree = open().leaf("./A/AppID", "w7").leaf("./B/ServerID", "").finish().unwrap();
    assert_eq!(["./A", "./B", "./C"].map(|uri| DmAcc::read(&tree, uri)), [None, None, None]);
}

#[test]
fn a_session_takes_its_profile_and_credentials_from_the_account() {
    let account = account();
    let profile = account.profile("IMEI:1").unwrap();
    assert_eq!((profile.server.as_str(), profile.server_id.as_str()), ("https://dm.example.com:8443/dm", "srv"));
    assert_eq!(
        (profile.first, profile.weakest, profile.server_scheme),
        (Some(Scheme::Md5), Scheme::Basic, Some(Scheme::Md5))
    );
    let own = account.client_account().unwrap();
    assert_eq!(
        (own.user.as_str(), own.password.reveal(), own.scheme, own.nonce),
        ("client", "c", Scheme::Md5, Nonce::new(&[0xff, 0]))
    );
    assert_eq!(account.server_account().unwrap().user, "server");
    let weak = DmAcc { preferred_auth: Some(AuthType::Basic), ..account.clone() };
    assert_eq!(weak.client_account().unwrap().user, "weak", "the preferred kind, even if another is stronger");
    assert_eq!(weak.profile("IMEI:1").unwrap().first, Some(Scheme::Basic));
    let unknown = DmAcc { preferred_auth: Some(AuthType::Hmac), ..account.clone() };
    assert_eq!(unknown.client_account().unwrap().user, "client");
    let bare = DmAcc { credentials: vec![], preferred_auth: None, ..account.clone() };
    let profile = bare.profile("IMEI:1").unwrap();
    assert_eq!((profile.first, profile.server_scheme, bare.client_account()), (None, None, None));
    assert!(DmAcc { addresses: vec![], ..account }.profile("IMEI:1").is_none());
}

#[test]
fn an_address_becomes_one_that_messages_go_to() {
    let vectors = [
        (AddressKind::Uri, "https://a/dm", vec![], "https://a/dm"),
        (AddressKind::Uri, "https://a", vec![443], "https://a:443"),
        (AddressKind::Uri, "https://a?x", vec![443], "https://a:443?x"),
        (AddressKind::Uri, "https://a:1/dm", vec![443], "https://a:1/dm"),
        (AddressKind::Uri, "https://u:p@a/dm", vec![443], "https://u:p@a:443/dm"),
        (AddressKind::Uri, "https://[2001:db8::1]/dm", vec![443], "https://[2001:db8::1]:443/dm"),
        (AddressKind::Uri, "somewhere", vec![443], "somewhere"),
        (AddressKind::IpV4, "192.0.2.1", vec![8080], "http://192.0.2.1:8080"),
        (AddressKind::IpV6, "2001:db8::1", vec![8080], "http://[2001:db8::1]:8080"),
    ];
    for (kind, address, ports, url) in vectors {
        assert_eq!(Address { address: address.into(), kind, ports }.url(), url);
    }
}

#[test]
fn a_nonce_is_kept_with_the_credentials_that_it_is_for() {
    let mut tree = with(&account());
    let nonces = |tree: &Memory| -> Vec<Option<Nonce>> {
        DmAcc::read(tree, "./DMAcc/1").unwrap().credentials.into_iter().map(|own| own.nonce).collect()
    };
    tree.store_nonce("./DMAcc/1", AuthLevel::Client, &Nonce::new(b"new")).unwrap();
    tree.store_nonce("./DMAcc/1", AuthLevel::Server, &Nonce::new(b"first")).unwrap();
    let new = |octets: &[u8]| Some(Nonce::new(octets));
    assert_eq!(nonces(&tree), [None, new(b"new"), new(b"first"), None]);
    assert_eq!(
        tree.store_nonce("./Nowhere", AuthLevel::Client, &Nonce::new(b"x")).unwrap_err().fault,
        TreeFault::NotThere
    );
    assert_eq!(schema(ddf::DM_ACC_1_3).check(&tree, "./DMAcc/1"), [], "what was added is as described");
    let account = DmAcc::read(&tree, "./DMAcc/1").unwrap().client_account().unwrap();
    let request = |nonce| SignRequest { peer: "srv".into(), scheme: Scheme::Md5, nonce, body: None };
    assert_eq!(account.sign(&request(None)), account.sign(&request(new(b"new"))));
}

#[test]
fn no_server_reads_secrets_and_nonces() {
    let mut tree = with(&account());
    for leaf in ["AAuthSecret", "AAuthData"] {
        refused(&mut tree, OWNER, &get(&format!("./DMAcc/1/AppAuth/2/{leaf}")), 405);
    }
    let all = super::apply(&mut tree, OWNER, &get("./DMAcc/1?list=StructData"));
    assert!(all.found.iter().all(|found| !found.uri.ends_with("Secret") && !found.uri.ends_with("Data")));
}

#[test]
fn the_version_of_the_server_may_be_at_another_place() {
    let base = DmAcc { server_version: None, ..account() };
    let tree = with(&base)
        .edit()
        .leaf("./DMAcc/1/Ext/Microsoft/ProtoVer", "1.2")
        .leaf("./DMAcc/1/Ver", "1.1")
        .finish()
        .unwrap();
    let version = |account: Option<DmAcc>| account.unwrap().server_version;
    assert_eq!(version(DmAcc::read(&tree, "./DMAcc/1")), Some("1.2".into()), "what others write is read as well");
    assert_eq!(version(DmAcc::read_with(&tree, "./DMAcc/1", "Ver")), Some("1.1".into()));
    assert_eq!(version(DmAcc::read(&with(&base), "./DMAcc/1")), None, "it may be missing");
}

fn standard(builder: Builder, version: ObjectVersion) -> Memory {
    let builder = builder.object_version(version).dev_info(&DevInfo::default()).dev_detail(&DevDetail::default());
    builder.dm_acc("./DMAcc/1", &DmAcc { version, ..account() }).finish().unwrap()
}

#[test]
fn what_is_built_is_as_the_descriptions_say() {
    let texts = [
        (ObjectVersion::V1_2, [ddf::DEV_INFO_1_2, ddf::DEV_DETAIL_1_2, ddf::DM_ACC_1_2]),
        (ObjectVersion::V1_3, [ddf::DEV_INFO_1_3, ddf::DEV_DETAIL_1_3, ddf::DM_ACC_1_3]),
    ];
    for (version, texts) in texts {
        let tree = standard(open(), version);
        for (text, uri) in texts.into_iter().zip(["./DevInfo", "./DevDetail", "./DMAcc/1"]) {
            assert_eq!(schema(text).check(&tree, uri), [], "{version:?} {uri}");
        }
    }
    let older = schema(ddf::DEV_INFO_1_2).check(&standard(open(), ObjectVersion::V1_3), "./DevInfo");
    let what = Difference::Type("urn:oma:mo:oma-dm-devinfo:1.1".into());
    assert_eq!(older, [Violation { uri: "./DevInfo".into(), what }]);
}

#[test]
fn every_difference_is_told_with_its_place() {
    let tree = open()
        .interior("./DevInfo")
        .media_type("urn:oma:mo:oma-dm-devinfo:1.0")
        .access(&[Verb::Get])
        .permanent()
        .leaf("./DevInfo/DevId", "1")
        .format(&Format::Int)
        .permanent()
        .leaf("./DevInfo/Man", "")
        .leaf("./DevInfo/Mod", "")
        .access(&[Verb::Replace])
        .permanent()
        .leaf("./DevInfo/Colour", "")
        .leaf("./DevInfo/Lang", "")
        .media_type("text/x")
        .permanent()
        .interior("./DevInfo/Ext")
        .permanent()
        .leaf("./DevInfo/Ext/Whatever/There/Is", "")
        .finish()
        .unwrap();
    let told = schema(ddf::DEV_INFO_1_2).check(&tree, "./DevInfo");
    let expected = [
        ("./DevInfo/Colour", Difference::Unknown),
        ("./DevInfo/DevId", Difference::Format(Format::Int)),
        ("./DevInfo/Lang", Difference::Type("text/x".into())),
        ("./DevInfo/Man", Difference::Scope),
        ("./DevInfo/Mod", Difference::Access(AccessType::of(&[Verb::Replace]))),
        ("./DevInfo/DmV", Difference::Missing),
    ];
    assert_eq!(told, expected.map(|(uri, what)| Violation { uri: uri.into(), what }));
    let nowhere = schema(ddf::DEV_INFO_1_2).check(&tree, "./DevDetail");
    assert_eq!(nowhere, [Violation { uri: "./DevDetail".into(), what: Difference::Missing }]);
    let secret = with(&account()).edit().at("./DMAcc/1/AppAuth/1/AAuthSecret").access(&[Verb::Get]).finish().unwrap();
    assert_eq!(schema(ddf::DM_ACC_1_3).check(&secret, "./DMAcc/1").len(), 1, "what is not to be read must not be");
}

/// A description of a node `T` with this in it.
fn description(inside: &str) -> Result<SchemaNode, TndsError> {
    let text = format!("<MgmtTree><VerDTD>1.2</VerDTD><Node><NodeName>T</NodeName>{inside}</Node></MgmtTree>");
    Schema::parse(text.as_bytes(), TndsEncoding::Xml).map(|schema| schema.root)
}

fn properties(format: &str, rest: &str) -> String {
    format!(
        "<DFProperties><AccessType><Get/></AccessType><DFFormat><{format}/></DFFormat>{rest}<DFType><MIME>a/b</MIME></DFType></DFProperties>"
    )
}

#[test]
fn a_description_is_read_with_all_that_it_says() {
    let inside = "<Path>.</Path><DFProperties><AccessType><Exec/><Get/></AccessType><DefaultValue>5</DefaultValue>\
        <Description>A number</Description><DFFormat><int/></DFFormat><Occurrence><ZeroOrN>7</ZeroOrN></Occurrence>\
        <Scope><Permanent/></Scope><DFTitle>Number</DFTitle><DFType><MIME>a/b</MIME><MIME>c/d</MIME></DFType>\
        <CaseSense><CIS/></CaseSense></DFProperties>";
    let expected = SchemaNode {
        name: Some("T".into()),
        path: Some(".".into()),
        access: AccessType::of(&[Verb::Exec, Verb::Get]),
        default: Some("5".into()),
        description: Some("A number".into()),
        format: Format::Int,
        occurrence: Occurrence::ZeroOrN(7),
        is_permanent: true,
        title: Some("Number".into()),
        types: vec!["a/b".into(), "c/d".into()],
        is_case_sensitive: Some(false),
        children: vec![],
    };
    assert_eq!(description(inside), Ok(expected));
    let least = description(&properties("chr", "")).unwrap();
    assert_eq!((least.occurrence, least.is_permanent, least.is_case_sensitive), (Occurrence::One, false, None));
}

#[test]
fn what_is_no_description_is_refused() {
    let vectors = [
        String::new(),
        properties("chr", "<Occurrence/>"),
        properties("chr", "<Occurrence><Get/></Occurrence>"),
        properties("chr", "<Occurrence><OneOrN>1</OneOrN></Occurrence>"),
        properties("chr", "<Occurrence><OneOrN>65537</OneOrN></Occurrence>"),
        properties("chr", "<Scope><Get/></Scope>"),
        properties("chr", "<CaseSense/>"),
        properties("Node", ""),
        properties("chr", &format!("</DFProperties><Node>{}</Node><DFProperties>", properties("chr", ""))),
    ];
    for inside in vectors {
        assert!(description(&inside).is_err(), "{inside}");
    }
    for text in ["<MgmtTree/>", "<MgmtTree><Node/></MgmtTree>", "", "<Node/>"] {
        assert!(Schema::parse(text.as_bytes(), TndsEncoding::Xml).is_err(), "{text}");
    }
}

#[test]
fn occurrences_are_counted() {
    let vectors: [(&str, &[usize], &[usize]); 6] = [
        ("<One/>", &[1], &[0, 2]),
        ("<ZeroOrOne/>", &[0, 1], &[2]),
        ("<ZeroOrMore/>", &[0, 1, 5], &[]),
        ("<OneOrMore/>", &[1, 5], &[0]),
        ("<ZeroOrN>2</ZeroOrN>", &[0, 2], &[3]),
        ("<OneOrN>2</OneOrN>", &[1, 2], &[0, 3]),
    ];
    for (occurrence, good, bad) in vectors {
        let child = properties("chr", &format!("<Occurrence>{occurrence}</Occurrence>"));
        let node = properties("node", "").replace("<MIME>a/b</MIME>", "<DDFName/>");
        let schema = description(&format!("{node}<Node><NodeName/>{child}</Node>")).unwrap();
        let differences = |count: usize| {
            let tree = (0..count)
                .fold(open().interior("./T"), |builder, n| builder.leaf(&format!("./T/{n}"), "").media_type("a/b"));
            schema.check(&tree.finish().unwrap(), "./T")
        };
        for count in good {
            assert_eq!(differences(*count), [], "{occurrence} {count}");
        }
        for count in bad {
            let told = differences(*count);
            assert_eq!((told.len(), told[0].uri.as_str()), (1, "./T/*"), "{occurrence} {count}");
        }
    }
}

#[test]
fn names_are_told_apart_as_the_description_says() {
    let node = |sense: &str| {
        let top = properties("node", "").replace("<MIME>a/b</MIME>", "<DDFName/>");
        let child = properties("chr", "").replace("</DFType>", &format!("</DFType>{sense}"));
        description(&format!("{top}<Node><NodeName>Leaf</NodeName>{child}</Node>")).unwrap()
    };
    for (sense, matches) in
        [("", false), ("<CaseSense><CS/></CaseSense>", false), ("<CaseSense><CIS/></CaseSense>", true)]
    {
        assert_eq!(node(sense).child("leaf").is_some(), matches, "{sense}");
        assert!(node(sense).child("Leaf").is_some());
    }
}

#[test]
fn nodes_are_given_the_access_and_the_scope_that_are_described() {
    let tree = open()
        .leaf("./DevInfo/Man", "")
        .leaf("./DevInfo/Other", "")
        .described("./DevInfo", &schema(ddf::DEV_INFO_1_2))
        .finish()
        .unwrap();
    let told = |uri: &str| (tree.node(uri).unwrap().access(), tree.node(uri).unwrap().is_permanent());
    assert_eq!(told("./DevInfo/Man"), (AccessType::GET, true));
    assert_eq!(told("./DevInfo/Other"), (AccessType::USUAL, false));
    let mut tree = tree;
    refused(&mut tree, OWNER, &add("./DevInfo/New", formatted("chr", "")), 405);
    done(&mut tree, OWNER, &add("./Elsewhere", formatted("chr", "")));
    let fault = open().described("./Nothing", &schema(ddf::DEV_INFO_1_2)).finish().unwrap_err();
    assert_eq!(fault.fault, TreeFault::NotThere);
}
