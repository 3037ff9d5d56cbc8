//! The management client of Windows, [digest 12.1].
//!
//! Shown elsewhere: the query of its address by
//! `transport-http::it::media::any_path_and_any_query_below_the_mounting_point_is_served`, children in any order by
//! `xml::children_may_come_in_any_order`, foreign attributes anywhere by `xml::attributes_are_tolerated_and_counted`.

use super::*;

#[test]
fn windows_client_revision_is_not_the_version_of_the_protocol() {
    let body = PACKAGE_ONE.replace("./DevInfo/Man", "./DevInfo/DmV").replace("Acme", "1.3");
    let mut server = Server::trusting(Vec::new());
    let reply = server.reply(from_device(1, "", &body));
    assert_eq!(message(&reply).header.ver_proto, "DM/1.2");
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Status 200 Alert; Status 200 Replace; Final");
}

#[test]
fn windows_message_in_the_older_namespace_is_answered_in_the_newer() {
    let mut server = Server::trusting(Vec::new());
    let reply = server.reply(edited(&from_device(1, "", PACKAGE_ONE), "SYNCML:SYNCML1.2", "SYNCML:SYNCML1.1"));
    let text = std::str::from_utf8(&reply.body).unwrap();
    assert!(text.contains("SYNCML:SYNCML1.2") && text.contains("DM/1.2"), "{text}");
}

#[test]
fn windows_original_error_of_a_status_is_passed_over_and_counted() {
    let mut server = waiting(get("./A"));
    let odd = status("Get", 500).replace("<Data>", "<Data msft:originalerror='0x80070002'>");
    let packet = from_device(2, "", &format!("{BELIEVED}{odd}<Final/>"));
    let namespace = "<SyncBody xmlns:msft='http://schemas.microsoft.com/MobileDevice/MDM'>";
    server.reply(edited(&packet, "<SyncBody>", namespace));
    assert_eq!(server.outcomes(), ["get: 500"]);
    assert_eq!(deviations(&server), [Deviations { foreign_attributes: 1, ..Deviations::default() }]);
    assert!(server.faults().is_empty(), "{:?}", server.faults());
}

#[test]
fn windows_authenticated_by_the_transport_shows_no_credentials() {
    // 212 of the server's own header is as good as 200.
    let mut server = waiting(get("./A"));
    assert!(server.session.is_authenticated());
    let header = BELIEVED.replace("200", "212");
    server.reply(from_device(2, "", &format!("{header}{}<Final/>", status("Get", 404))));
    assert_eq!(server.outcomes(), ["get: 404"]);
    assert_eq!(server.finished, Some(Outcome::Completed));
}

#[test]
fn windows_session_identifier_is_opaque() {
    for id in ["9", "10", "65535", "FFFF", "0007"] {
        let mut server = Server::trusting(vec![vec![get("./A")]]);
        let spelled = format!("<SessionID>{id}<");
        let reply = server.reply(edited(&from_device(1, "", PACKAGE_ONE), "<SessionID>2F<", &spelled));
        assert_eq!(message(&reply).header.session_id.as_str(), id);
        server.reply(edited(&from_device(2, "", &format!("{BELIEVED}<Final/>")), "<SessionID>2F<", &spelled));
        assert_eq!(server.finished, Some(Outcome::Completed), "{id}");
    }
}

#[test]
fn windows_client_events_are_known_by_types_without_prefix() {
    for media_type in ["com.microsoft/MDM/LoginStatus", "com.microsoft/MDM/AADUserToken", "com.microsoft.mdm.synctype"]
    {
        let event = format!(
            "<Alert><CmdID>3</CmdID><Data>1224</Data><Item><Meta><Type xmlns='syncml:metinf'>{media_type}</Type></Meta>\
             <Data>user</Data></Item></Alert><Final/>"
        );
        let mut server = Server::trusting(Vec::new());
        let reply = server.reply(from_device(1, "", &PACKAGE_ONE.replace("<Final/>", &event)));
        assert!(lines(&reply).ends_with("Status 200 Replace; Status 200 Alert; Final"), "{}", lines(&reply));
        let alerts = alerted(&server);
        assert_eq!((alerts.len(), alerts[0].kind), (1, AlertKind::ClientEvent));
        assert_eq!(alerts[0].items[0].plain_type(), media_type);
        assert_eq!(alerts[0].items[0].content.data.as_ref().map(|data| data.to_vec()), Some(b"user".to_vec()));
    }
}

#[test]
fn windows_generic_alerts_are_known_by_types_that_are_no_reversed_domain_names() {
    for (written, plain) in [
        ("com.microsoft:mdm.unenrollment.userrequest", "com.microsoft:mdm.unenrollment.userrequest"),
        ("Reversed-Domain-Name:com.microsoft.mdm.win32csp_install", "com.microsoft.mdm.win32csp_install"),
        ("com.microsoft.mdm.declaredconfigurationdocuments", "com.microsoft.mdm.declaredconfigurationdocuments"),
    ] {
        let alert = format!(
            "<Alert><CmdID>3</CmdID><Data>1226</Data><Item><Meta><Type xmlns='syncml:metinf'>{written}</Type>\
             <Format xmlns='syncml:metinf'>int</Format></Meta><Data>1</Data></Item></Alert><Final/>"
        );
        let mut server = Server::trusting(Vec::new());
        let reply = server.reply(from_device(1, "", &PACKAGE_ONE.replace("<Final/>", &alert)));
        assert!(lines(&reply).ends_with("Status 200 Replace; Status 200 Alert; Final"), "{}", lines(&reply));
        assert_eq!(alerted(&server)[0].items[0].plain_type(), plain);
    }
}

#[test]
fn windows_alerts_may_come_after_the_device_information() {
    let (alert, rest) = PACKAGE_ONE.split_at(PACKAGE_ONE.find("<Replace>").unwrap());
    let swapped = format!("{}{alert}<Final/>", rest.replace("<Final/>", ""));
    let mut server = Server::trusting(Vec::new());
    let reply = server.reply(from_device(1, "", &swapped));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Status 200 Replace; Status 200 Alert; Final");
    assert!(server.faults().is_empty(), "{:?}", server.faults());
}

#[test]
fn windows_device_information_may_hold_other_nodes() {
    let item = "<Item><Source><LocURI>./Vendor/MSFT/DMClient/HWDevID</LocURI></Source><Data>ab</Data></Item></Replace>";
    let mut server = Server::trusting(Vec::new());
    server.reply(from_device(1, "", &PACKAGE_ONE.replace("</Replace>", item)));
    assert_eq!(told(&server), ["./DevInfo/Man", "./Vendor/MSFT/DMClient/HWDevID"]);
}

#[test]
fn windows_status_for_header_of_message_0_is_ignored() {
    let odd = "<Status><CmdID>9</CmdID><MsgRef>0</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>500</Data></Status>";
    let mut server = Server::trusting(vec![vec![get("./A")]]);
    let reply = server.reply(from_device(1, "", &format!("{odd}{PACKAGE_ONE}")));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Status 200 Alert; Status 200 Replace; Get ./A; Final");
    assert!(server.faults().is_empty() && server.finished.is_none(), "{:?}", server.faults());
}

#[test]
fn windows_results_may_name_their_command_and_come_in_any_order() {
    let mut server = waiting(get("./A"));
    let results = "<Results><CmdID>3</CmdID><Item><Data>7</Data><Source><LocURI>./A</LocURI></Source></Item>\
        <Cmd>Get</Cmd><CmdRef>4</CmdRef><Meta><Format xmlns='syncml:metinf'>int</Format></Meta><MsgRef>1</MsgRef></Results>";
    server.reply(from_device(2, "", &format!("{BELIEVED}{results}{}<Final/>", status("Get", 200))));
    assert_eq!(server.outcomes(), ["get: 200 \"7\""]);
    assert!(server.faults().is_empty(), "{:?}", server.faults());
}

#[test]
fn windows_addresses_may_be_those_of_a_user_or_of_the_device() {
    for uri in ["./User/Vendor/MSFT/Policy/Config/A", "./Device/Vendor/MSFT/BitLocker", "./Vendor/MSFT/DMClient"] {
        let mut server = Server::trusting(vec![vec![get(uri)]]);
        let reply = server.reply(from_device(1, "", PACKAGE_ONE));
        assert!(lines(&reply).contains(&format!("Get {uri}")), "{}", lines(&reply));
        server.reply(from_device(2, "", &format!("{BELIEVED}{}<Final/>", status("Get", 405))));
        assert_eq!(server.outcomes(), ["get: 405"]);
    }
}

#[test]
fn windows_get_in_an_atomic_is_never_sent() {
    let block = Order::new("block", Request::Atomic(vec![get("./A")]));
    let mut server = Server::trusting(vec![vec![block], Vec::new()]);
    let reply = server.reply(from_device(1, "", PACKAGE_ONE));
    assert!(!lines(&reply).contains("Atomic"), "{}", lines(&reply));
    assert_eq!(server.outcomes()[0], "block: not sent Some(NotInBlock)");
}

#[test]
fn windows_mobile_in_version_1_1_is_served_in_it() {
    let old = edited(&from_device(1, "", PACKAGE_ONE), "<VerDTD>1.2", "<VerDTD>1.1");
    let mut server = Server::trusting(Vec::new());
    let reply = server.reply(edited(&old, "DM/1.2", "DM/1.1"));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Status 200 Alert; Status 200 Replace; Final");
    let header = message(&reply).header;
    assert_eq!((header.ver_dtd.as_str(), header.ver_proto.as_str()), ("1.1", "DM/1.1"));
}

#[test]
fn windows_names_of_children_are_segments_of_addresses_as_they_come() {
    let mut server = Server::trusting(vec![vec![get("./A")], vec![get("./A/a%20b%2Fc")]]);
    server.reply(from_device(1, "", PACKAGE_ONE));
    let results = "<Results><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Item><Source><LocURI>./A</LocURI>\
        </Source><Meta><Format xmlns='syncml:metinf'>node</Format></Meta><Data>a%20b%2Fc/d</Data></Item></Results>";
    let reply = server.reply(from_device(2, "", &format!("{BELIEVED}{results}{}<Final/>", status("Get", 200))));
    assert_eq!(server.outcomes(), ["get: 200 \"a%20b%2Fc/d\""]);
    assert!(lines(&reply).ends_with("Get ./A/a%20b%2Fc; Final"), "{}", lines(&reply));
}
