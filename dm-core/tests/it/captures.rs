//! Sessions that were recorded from clients which this project did not write.

use dm_core::{
    codes::{AlertCode, StatusCode},
    ids::{CmdId, MsgId},
    limits::WireLimits,
    wire::{self, Command, Data, Decoded, Deviations, Encoding, Format, Message, Secret, Status},
};

/// Every recorded body in XML, by the name of its file below `captures/`.
macro_rules! captures {
    ($($name:literal),+ $(,)?) => {
        pub(crate) const XML: &[(&str, &[u8])] = &[$(($name, include_bytes!(concat!("../captures/", $name)))),+];
    };
}

captures![
    "hostap-hs20/01-c2s.xml",
    "hostap-hs20/01-s2c.xml",
    "hostap-hs20/02-c2s.xml",
    "hostap-hs20/02-s2c.xml",
    "hostap-hs20/03-c2s.xml",
    "hostap-hs20/03-s2c.xml",
    "libdmclient-basic/01-c2s.xml",
    "libdmclient-basic/01-s2c.xml",
    "libdmclient-basic/02-c2s.xml",
    "libdmclient-basic/02-s2c.xml",
    "libdmclient-md5/01-c2s.xml",
    "libdmclient-md5/01-s2c.xml",
    "libdmclient-md5/02-c2s.xml",
    "libdmclient-md5/02-s2c.xml",
    "libdmclient-md5/03-c2s.xml",
    "libdmclient-md5/03-s2c.xml",
];

fn decoded(name: &str) -> Decoded {
    let (_, bytes) = XML.iter().find(|(known, _)| *known == name).expect("a capture of this name");
    wire::decode(Encoding::Xml, bytes, &WireLimits::CLIENT).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn message(name: &str) -> Message {
    decoded(name).message
}

fn statuses(message: &Message) -> Vec<&Status> {
    let mut statuses = Vec::new();
    for command in &message.commands {
        if let Command::Status(status) = command {
            statuses.push(status);
        }
    }
    statuses
}

#[test]
fn every_capture_on_disk_is_tested() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures");
    let mut on_disk = Vec::new();
    for folder in std::fs::read_dir(root).expect("the captures") {
        let folder = folder.expect("a folder").path();
        for file in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = file.expect("a file").path();
            if path.extension().is_some_and(|extension| extension == "xml") {
                let name = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
                on_disk.push(name);
            }
        }
    }
    on_disk.sort();
    assert_eq!(on_disk, XML.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

#[test]
fn every_capture_is_read_without_deviation_and_survives_being_written_again() {
    for (name, _) in XML {
        let Decoded { message, deviations } = decoded(name);
        assert_eq!(deviations, Deviations::default(), "{name}");
        let written = wire::encode(Encoding::Xml, &message).expect("what was read can be written");
        let again = wire::decode(Encoding::Xml, &written, &WireLimits::CLIENT).expect("what was written can be read");
        assert_eq!(again.message, message, "{name}");
    }
}

/// The scripted server wrote in the order of the DTD and in the usual style, so its bodies are the very bytes that we
/// write for the same messages.
#[test]
fn server_bodies_are_written_again_octet_for_octet() {
    for (name, bytes) in XML.iter().filter(|(name, _)| name.ends_with("s2c.xml")) {
        let written = wire::encode(Encoding::Xml, &message(name)).expect("what was read can be written");
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(bytes), "{name}");
    }
}

#[test]
fn hostap_leaves_the_cmd_ref_of_a_header_status_out() {
    let message = message("hostap-hs20/02-c2s.xml");
    let statuses = statuses(&message);
    assert_eq!((statuses[0].cmd.as_str(), &statuses[0].cmd_ref), ("SyncHdr", &None));
    assert!(statuses[0].is_for_header());
    assert!(statuses[1..].iter().all(|status| status.cmd_ref.is_some() && !status.is_for_header()));
}

#[test]
fn hostap_puts_the_target_ref_after_the_code() {
    let message = message("hostap-hs20/02-c2s.xml");
    let read: Vec<_> = statuses(&message)
        .iter()
        .map(|status| {
            (
                status.cmd.as_str(),
                status.code,
                status.target_refs.iter().map(smol_str::SmolStr::as_str).collect::<Vec<_>>(),
            )
        })
        .collect();
    let subscription = "./Wi-Fi/wi-fi.org/PerProviderSubscription/x";
    assert_eq!(
        read,
        [
            ("SyncHdr", StatusCode::AUTHENTICATED, vec![]),
            ("Get", StatusCode::COMMAND_FAILED, vec![subscription]),
            ("Exec", StatusCode::NOT_FOUND, vec!["./DevDetail/Ext/org.wi-fi/Wi-Fi/Ops/unknownOp"]),
            ("Delete", StatusCode::NOT_IMPLEMENTED, vec![subscription]),
        ]
    );
}

#[test]
fn hostap_uses_a_cmd_id_twice() {
    let message = message("hostap-hs20/02-c2s.xml");
    let ids: Vec<_> = message.commands.iter().filter_map(|command| command.cmd_id().map(CmdId::as_str)).collect();
    assert_eq!(ids, ["1", "2", "3", "3"]);
}

#[test]
fn hostap_carries_an_escaped_tree_in_a_generic_alert() {
    let message = message("hostap-hs20/01-c2s.xml");
    let Command::Alert(alert) = &message.commands[1] else { panic!("{:?}", message.commands[1]) };
    assert_eq!((alert.code, alert.items.len()), (Some(AlertCode::GENERIC), 1));
    let item = &alert.items[0];
    let meta = item.meta.as_ref().expect("a Meta");
    let media_type = "Reversed-Domain-Name: org.wi-fi.hotspot2dot0.SubscriptionCreation";
    assert_eq!((meta.media_type.as_deref(), &meta.format), (Some(media_type), &Some(Format::Xml)));
    assert_eq!(item.source_uri(), Some("./Wi-Fi/org.wi-fi/PerProviderSubscription"));
    let tree = item.data.as_ref().and_then(Data::as_text).expect("text");
    assert!(tree.starts_with("<MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD><Node>"), "{tree}");
    assert!(tree.ends_with("<Value>false</Value></Node></Node></MgmtTree>"), "{tree}");
}

#[test]
fn hostap_spells_a_format_in_its_own_way() {
    let message = message("hostap-hs20/01-c2s.xml");
    let Command::Replace(replace) = &message.commands[2] else { panic!("{:?}", message.commands[2]) };
    for item in &replace.items {
        let format = item.meta.as_ref().and_then(|meta| meta.format.as_ref()).expect("a Format");
        assert_eq!((format, format.meant()), (&Format::Other("Chr".into()), Format::Chr));
    }
}

#[test]
fn libdmclient_says_who_it_is_and_how_much_it_takes() {
    let header = message("libdmclient-basic/01-c2s.xml").header;
    assert_eq!((header.ver_dtd.as_str(), header.ver_proto.as_str()), ("1.2", "DM/1.2"));
    assert_eq!((header.session_id.as_str(), header.msg_id), ("1", MsgId::FIRST));
    assert_eq!(
        (header.source.uri.as_str(), header.target.uri.as_str()),
        ("DMCtest", "http://127.0.0.1:8080/funambol/dm")
    );
    assert_eq!(header.meta.and_then(|meta| meta.max_msg_size), Some(16384));
    let cred = header.cred.expect("credentials");
    let meta = cred.meta.expect("their Meta");
    assert_eq!((meta.media_type.as_deref(), meta.format), (Some("syncml:auth-basic"), Some(Format::B64)));
    assert_eq!(cred.data.reveal(), "ZnVuYW1ib2w6ZnVuYW1ib2w=");
}

#[test]
fn libdmclient_answers_a_get_of_three_with_one_results_of_two() {
    let message = message("libdmclient-basic/02-c2s.xml");
    let results: Vec<_> = message
        .commands
        .iter()
        .filter_map(|command| if let Command::Results(results) = command { Some(results) } else { None })
        .collect();
    assert_eq!(results.len(), 1);
    assert_eq!((results[0].msg_ref, results[0].cmd_ref.as_str()), (Some(MsgId(1)), "4"));
    let values: Vec<_> = results[0]
        .items
        .iter()
        .map(|item| (item.source_uri().unwrap_or(""), item.data.as_ref().and_then(Data::as_text).unwrap_or("")))
        .collect();
    assert_eq!(values, [("./DevDetail/SwV", "TODO"), ("./DevInfo/Man", "test manufacturer")]);
}

#[test]
fn libdmclient_challenges_the_server_with_a_nonce() {
    let message = message("libdmclient-md5/02-c2s.xml");
    let chal = statuses(&message)[0].chal.as_ref().expect("a challenge");
    assert_eq!(chal.meta.media_type.as_deref(), Some("syncml:auth-md5"));
    assert_eq!(chal.meta.next_nonce.as_ref().map(Secret::reveal), Some("UXRIQ1RUQ000Yk09"));
}
