//! A device management client of Samsung's, [digest 12.3].
//!
//! Shown elsewhere: the public identifier in the string table by
//! `wire::wbxml::header::tests::an_identifier_in_the_string_table_may_be_spelled_and_ended_in_several_ways`, the header
//! of a document of nodes by `tree::tnds::a_wbxml_document_begins_on_page_0_and_names_its_type`, vendor octets and the
//! zero nonce of a notification by tests of `notify`, credentials of another type by
//! `server::a_digest_over_the_wrong_nonce_or_of_another_scheme_is_challenged_anew`.

use super::*;

#[test]
fn samsung_in_wbxml_is_answered_in_wbxml() {
    let text = message(&from_device(1, "", PACKAGE_ONE));
    let packet = Packet::new(Encoding::Wbxml, encode(Encoding::Wbxml, &text).unwrap());
    let mut server = Server::trusting(vec![vec![get("./A")]]);
    let reply = server.reply(packet);
    assert_eq!(reply.encoding, Encoding::Wbxml);
    assert!(lines(&reply).ends_with("Get ./A; Final"), "{}", lines(&reply));
}

#[test]
fn samsung_session_identifier_in_lower_case_is_the_same() {
    let mut server = waiting(get("./A"));
    let next = from_device(2, "", &format!("{BELIEVED}{}<Final/>", status("Get", 404)));
    server.reply(edited(&next, "<SessionID>2F<", "<SessionID>2f<"));
    assert_eq!(server.outcomes(), ["get: 404"]);
    assert_eq!(server.finished, Some(Outcome::Completed));
}

#[test]
fn samsung_private_status_is_a_failure_of_its_order_only() {
    let mut server = waiting(get("./A"));
    server.reply(from_device(2, "", &format!("{BELIEVED}{}<Final/>", status("Get", 450))));
    assert_eq!(server.outcomes(), ["get: 450"]);
    let failed = server.reports.iter().any(|report| matches!(report, Report::Done(done) if !done.is_success()));
    assert!(failed && server.faults().is_empty(), "{:?}", server.faults());
}
