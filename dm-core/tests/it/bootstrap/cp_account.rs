//! From a provisioning document to the account.

use dm_core::{
    auth::Nonce,
    bootstrap::{Account, AccountError, AccountFault as Fault, Connection, Content, Profile, cp::Parameter},
    limits::BootstrapLimits,
    tree::{Address, AddressKind, AuthLevel, AuthType, Credentials, DmAcc, Memory, ObjectVersion},
    wire::Encoding,
};

use super::{W7, document, received};

fn accounts(xml: &str) -> Result<Vec<Account>, AccountError> {
    document(xml).accounts(&BootstrapLimits::DEFAULT)
}

#[test]
fn every_parameter_of_w7_goes_to_its_node() {
    let expected = Account {
        version: ObjectVersion::V1_2,
        server_id: "dm.example.com".into(),
        name: Some("Example & Co".into()),
        preferred_connection: Some(Connection::AccessPoint("nap-1".into())),
        connections: vec![Connection::AccessPoint("nap-1".into()), Connection::Proxy("proxy-1".into())],
        addresses: vec![
            Address { address: "https://dm.example.com/dm".into(), kind: AddressKind::Uri, ports: vec![8443] },
            Address { address: "192.0.2.1".into(), kind: AddressKind::IpV4, ports: vec![] },
        ],
        preferred_auth: None,
        credentials: vec![
            Credentials {
                level: AuthLevel::Client,
                kind: AuthType::Digest,
                name: Some("device-001".into()),
                secret: Some("s3cr3t-pass".into()),
                nonce: Some(Nonce::new(b"Nonce")),
            },
            Credentials {
                level: AuthLevel::Server,
                kind: AuthType::Hmac,
                name: Some("dm-server".into()),
                secret: Some("pw".into()),
                nonce: None,
            },
        ],
        acl: "Delete=dm.example.com&Get=dm.example.com&Replace=dm.example.com".parse().expect("a list"),
        starts_session: true,
    };
    assert_eq!(accounts(W7), Ok(vec![expected]));
}

#[test]
fn the_levels_of_client_provisioning_are_those_of_the_object_by_other_names() {
    for (level, auth_type, expected) in [
        ("APPSRV", "BASIC", AuthLevel::Client),
        ("CLIENT", "DIGEST", AuthLevel::Server),
        ("OBEX", "HTTP-DIGEST", AuthLevel::Obex),
    ] {
        let xml = W7.replace("\"APPSRV\"", &format!("\"{level}\"")).replace("\"DIGEST\"", &format!("\"{auth_type}\""));
        assert_eq!(accounts(&xml).map(|accounts| accounts[0].credentials[0].level), Ok(expected), "{level}");
    }
}

#[test]
fn the_server_gets_get_replace_and_delete_and_nobody_else_anything() {
    let acl = accounts(W7).expect("an account")[0].acl.to_string();
    assert_eq!(acl, "Delete=dm.example.com&Get=dm.example.com&Replace=dm.example.com");
}

#[test]
fn a_document_without_w7_makes_no_account_and_gives_nobody_rights() {
    let xml = W7.replace("\"w7\"", "\"w2\"");
    let bootstrap =
        received(Profile::ClientProvisioning, Encoding::Xml, xml.as_bytes()).expect("no account is no error");
    assert!(bootstrap.accounts.is_empty() && bootstrap.replaced.is_empty());
}

#[test]
fn connectivity_comes_with_the_account_as_it_was_written() {
    let bootstrap = received(Profile::ClientProvisioning, Encoding::Xml, W7.as_bytes()).expect("a bootstrap");
    let Content::Document(document) = &bootstrap.content else { panic!("{bootstrap:?}") };
    let proxy = document.of_kind("PXLOGICAL").next().expect("a proxy");
    assert_eq!(proxy.parameter("PROXY-ID"), Some(&Parameter::new("PROXY-ID", "proxy-1")));
    assert_eq!(proxy.characteristics[0].parameters, [Parameter::new("PORTNBR", "9201")]);
    assert_eq!(document.of_kind("NAPDEF").count(), 1);
}

/// The device names the account and its connections, and the object is in the tree.
#[test]
fn an_account_becomes_a_standard_object_in_a_tree() {
    let account = &accounts(W7).expect("an account")[0];
    let object = account.dm_acc(|connection| match connection {
        Connection::AccessPoint(id) => format!("./NAP/{id}"),
        Connection::Proxy(id) => format!("./Proxy/{id}"),
        Connection::Reference(reference) => reference.clone(),
    });
    let tree = Memory::builder().dm_acc("./DMAcc/1", &object).finish().expect("a tree");
    let read = DmAcc::read(&tree, "./DMAcc/1").expect("an account");
    assert_eq!(read, object);
    assert_eq!(read.preferred_connectivity.as_deref(), Some("./NAP/nap-1"));
    assert_eq!(read.connectivity, ["./NAP/nap-1", "./Proxy/proxy-1"]);
    assert_eq!(read.credentials, account.credentials);
}

#[test]
fn without_init_no_session_is_asked_for() {
    let xml = W7.replace("<parm name=\"INIT\"/>", "");
    assert_eq!(accounts(&xml).map(|accounts| accounts[0].starts_session), Ok(false));
}

#[test]
fn what_makes_no_account_is_refused_with_its_place() {
    let server = "name=\"PROVIDER-ID\" value=\"dm.example.com\"";
    let with_server = |id: &str| W7.replace(server, &format!("name=\"PROVIDER-ID\" value=\"{id}\""));
    for (xml, fault, place) in [
        (W7.replace(server, "name=\"X\""), Fault::Missing, "APPLICATION[0]/PROVIDER-ID"),
        (with_server(""), Fault::Missing, "APPLICATION[0]/PROVIDER-ID"),
        (with_server("a b"), Fault::BadValue, "APPLICATION[0]/PROVIDER-ID"),
        (with_server("*"), Fault::BadValue, "APPLICATION[0]/PROVIDER-ID"),
        (with_server("a+b"), Fault::BadValue, "APPLICATION[0]/PROVIDER-ID"),
        (with_server("a&amp;Add=a"), Fault::BadValue, "APPLICATION[0]/PROVIDER-ID"),
        (with_server(&"x".repeat(2049)), Fault::TooLong, "APPLICATION[0]/PROVIDER-ID"),
        (W7.replace("\"NAME\"", "\"APPID\""), Fault::Repeated, "APPLICATION[0]/APPID"),
        (W7.replace("\"APPADDR\"", "\"X\""), Fault::Missing, "APPLICATION[0]/APPADDR"),
        (W7.replace("value=\"nap-1\"", ""), Fault::Missing, "APPLICATION[0]/TO-NAPID"),
        (W7.replace("\"ADDR\" value=\"192.0.2.1\"", "\"ADDR\""), Fault::Missing, "APPLICATION[0]/APPADDR[1]/ADDR"),
        (W7.replace("\"IPV4\"", "\"E164\""), Fault::BadValue, "APPLICATION[0]/APPADDR[1]/ADDRTYPE"),
        (W7.replace("8443", "0"), Fault::BadValue, "APPLICATION[0]/APPADDR[0]/PORT[0]/PORTNBR"),
        (W7.replace("8443", "65536"), Fault::BadValue, "APPLICATION[0]/APPADDR[0]/PORT[0]/PORTNBR"),
        (W7.replace("8443", "+80"), Fault::BadValue, "APPLICATION[0]/APPADDR[0]/PORT[0]/PORTNBR"),
        (W7.replace("8443", ""), Fault::Missing, "APPLICATION[0]/APPADDR[0]/PORT[0]/PORTNBR"),
        (W7.replace("\"APPSRV\"", "\"CLCRED\""), Fault::BadValue, "APPLICATION[0]/APPAUTH[0]/AAUTHLEVEL"),
        (W7.replace("\"DIGEST\"", "\"MD5\""), Fault::BadValue, "APPLICATION[0]/APPAUTH[0]/AAUTHTYPE"),
        (W7.replace("\"DIGEST\"", "\"\""), Fault::Missing, "APPLICATION[0]/APPAUTH[0]/AAUTHTYPE"),
        (W7.replace("\"APPSRV\"", "\"OBEX\""), Fault::BadValue, "APPLICATION[0]/APPAUTH[0]/AAUTHTYPE"),
        (W7.replace("Tm9uY2U=", "Tm9uY2U"), Fault::BadValue, "APPLICATION[0]/APPAUTH[0]/AAUTHDATA"),
    ] {
        assert_eq!(accounts(&xml), Err(AccountError { fault, place: place.into() }), "{xml}");
    }
}

#[test]
fn an_error_names_the_place_and_not_the_value() {
    let error = accounts(&W7.replace("Tm9uY2U=", "hunter2!")).expect_err("no base64");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let shown = format!("{:?}", document(W7));
    assert!(!shown.contains("s3cr3t-pass") && shown.contains("AAUTHSECRET"), "{shown}");
}

#[test]
fn accounts_and_their_parts_are_bounded() {
    let limits = BootstrapLimits { accounts_max: 1, entries_max: 2, ..BootstrapLimits::DEFAULT };
    let application = &W7[W7.find("<characteristic type=\"APPLICATION\">").unwrap()..W7.rfind("</wap").unwrap()];
    assert!(document(W7).accounts(&limits).is_ok());
    for (from, to, place) in [
        (application, &application.repeat(2)[..], "APPLICATION[1]"),
        ("<parm name=\"INIT\"/>", "<parm name=\"TO-NAPID\" value=\"x\"/>", "APPLICATION[0]/TO-NAPID"),
        (
            "<characteristic type=\"APPADDR\">",
            "<characteristic type=\"APPADDR\"><parm name=\"ADDR\" value=\"x\"/>\
            </characteristic><characteristic type=\"APPADDR\">",
            "APPLICATION[0]/APPADDR[2]",
        ),
    ] {
        let error = document(&W7.replacen(from, to, 1)).accounts(&limits);
        assert_eq!(error, Err(AccountError { fault: Fault::TooMany, place: place.into() }));
    }
}
