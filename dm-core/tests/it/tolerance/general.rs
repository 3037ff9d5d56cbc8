//! What any peer may get wrong, [digest 12.4], as our server takes it.
//!
//! Shown elsewhere: documents that are too large, too deep or of too many elements, and document types that declare
//! anything, by the tests of `hostile`.

use super::*;

/// A server that reads one node, and gets these results and their status.
fn answered(results: &str, status: &str) -> Server {
    let mut server = waiting(get("./A"));
    server.reply(from_device(2, "", &format!("{BELIEVED}{results}{status}<Final/>")));
    server
}

fn results(meta: &str, more: &str) -> String {
    format!(
        "<Results><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Item>{more}<Source><LocURI>./A</LocURI></Source>\
         {meta}<Data>7</Data></Item></Results>"
    )
}

#[test]
fn general_message_without_final_is_answered_with_the_wish_for_the_next() {
    let mut server = Server::trusting(vec![vec![get("./A")]]);
    let reply = server.reply(from_device(1, "", &PACKAGE_ONE.replace("<Final/>", "")));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Status 200 Alert; Status 200 Replace; Alert 1222 (Next message)");
}

#[test]
fn general_value_without_format_and_type_is_read() {
    let server = answered(&results("", ""), &status("Get", 200));
    assert_eq!(server.outcomes(), ["get: 200 \"7\""]);
    assert!(server.faults().is_empty(), "{:?}", server.faults());
}

#[test]
fn general_type_with_white_space_is_the_same_type() {
    let meta = "<Meta><Type xmlns='syncml:metinf'>\n  text/plain </Type></Meta>";
    let server = answered(&results(meta, ""), &status("Get", 200));
    assert_eq!(read_type(&server), Some("text/plain"));
}

#[test]
fn general_meta_wrapped_in_metinf_is_read() {
    let meta = "<Meta><MetInf xmlns='syncml:metinf'><Format>chr</Format><Type>text/x-odd</Type></MetInf></Meta>";
    let server = answered(&results(meta, ""), &status("Get", 200));
    assert_eq!(read_type(&server), Some("text/x-odd"));
    assert!(deviations(&server).is_empty());
}

/// The type of what was read.
fn read_type(server: &Server) -> Option<&str> {
    let done = server.reports.iter().find_map(|report| match report {
        Report::Done(done) => Some(done),
        _ => None,
    });
    done.unwrap().items[0].found[0].content.media_type.as_deref()
}

#[test]
fn general_header_status_without_its_reference_is_the_headers() {
    let mut server = waiting(get("./A"));
    let header = BELIEVED.replace("<CmdRef>0</CmdRef>", "");
    server.reply(from_device(2, "", &format!("{header}{}<Final/>", status("Get", 404))));
    assert_eq!(server.outcomes(), ["get: 404"]);
    assert!(server.faults().is_empty(), "{:?}", server.faults());
}

#[test]
fn general_status_without_its_own_number_is_taken() {
    let server = answered("", &status("Get", 404).replace("<CmdID>2</CmdID>", ""));
    assert_eq!(server.outcomes(), ["get: 404"]);
    assert!(server.faults().is_empty(), "{:?}", server.faults());
}

#[test]
fn general_attributes_anywhere_are_passed_over_and_counted() {
    let odd = results("", "").replace("<Item>", "<Item a='1'>").replace("<LocURI>", "<LocURI b='2' c='3'>");
    let server = answered(&odd, &status("Get", 200));
    assert_eq!(server.outcomes(), ["get: 200 \"7\""]);
    assert_eq!(deviations(&server), [Deviations { foreign_attributes: 3, ..Deviations::default() }]);
}

#[test]
fn general_byte_order_mark_is_passed_over() {
    let mut bytes = b"\xef\xbb\xbf".to_vec();
    bytes.extend_from_slice(&from_device(1, "", PACKAGE_ONE).body);
    let mut server = Server::trusting(Vec::new());
    let reply = server.reply(Packet::xml(bytes));
    assert_eq!(lines(&reply), "Status 200 SyncHdr; Status 200 Alert; Status 200 Replace; Final");
}

#[test]
fn general_unknown_element_in_an_item_is_passed_over_and_counted() {
    let server = answered(&results("", "<Odd><Data>8</Data></Odd>"), &status("Get", 200));
    assert_eq!(server.outcomes(), ["get: 200 \"7\""]);
    assert_eq!(deviations(&server).len(), 1);
    assert!(deviations(&server)[0].foreign_elements > 0);
}

#[test]
fn general_empty_body_goes_on_with_the_session() {
    let mut server = waiting(get("./A"));
    let reply = server.reply(from_device(2, "", ""));
    assert!(lines(&reply).starts_with("Status 200 SyncHdr"), "{}", lines(&reply));
    assert!(!matches!(server.finished, Some(Outcome::Failed(_))), "{:?}", server.finished);
}
