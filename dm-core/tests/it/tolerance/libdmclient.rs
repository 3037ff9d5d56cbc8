//! libdmclient, [digest 12.2].
//!
//! Its recorded sessions are answered in `captured_sessions`; its session identifier with its octets swapped is compared by
//! `notify::tests::only_the_lenient_comparison_exchanges_the_octets`.

use super::*;
use dm_core::server::Entry;

#[test]
fn libdmclient_message_size_is_kept() {
    let big = Entry::text("./A", &"x".repeat(40_000));
    let mut server = Server::trusting(vec![vec![Order::new("big", Request::Replace(vec![big]))]]);
    let meta = "<Meta><MaxMsgSize xmlns='syncml:metinf'>16384</MaxMsgSize></Meta>";
    let reply = server.reply(from_device(1, meta, PACKAGE_ONE));
    assert!((12_000..=16_384).contains(&reply.body.len()), "{}: {:?}", reply.body.len(), server.outcomes());
}

#[test]
fn libdmclient_atomic_without_a_status_leaves_its_orders_unknown() {
    let add = Order::new("add", Request::Add(vec![Entry::text("./A", "x")]));
    let mut server = waiting(Order::new("block", Request::Atomic(vec![add])));
    server.reply(from_device(2, "", &format!("{BELIEVED}<Final/>")));
    assert_eq!(server.outcomes(), ["block: unknown", "add: unknown"]);
    assert_eq!(server.finished, Some(Outcome::Completed));
}

#[test]
fn libdmclient_refusals_are_the_outcomes_of_their_orders() {
    let pair = dm_core::server::Pair { from: "./A".into(), to: "./B".into() };
    let add = Request::Add(vec![Entry::text("./A", "x")]);
    for (request, cmd, code) in [
        (Request::Copy(vec![pair]), "Copy", 501),
        (Request::Get(vec!["./A?list=Struct".into()]), "Get", 406),
        (add.clone(), "Add", 406),
        (add.clone(), "Add", 414),
        (add, "Add", 500),
    ] {
        let mut server = waiting(Order::new("order", request));
        server.reply(from_device(2, "", &format!("{BELIEVED}{}<Final/>", status(cmd, code))));
        assert_eq!(server.outcomes(), [format!("order: {code}")]);
        assert_eq!(server.finished, Some(Outcome::Completed));
    }
}

#[test]
fn libdmclient_device_information_may_come_in_any_order() {
    let item = |uri: &str| format!("<Item><Source><LocURI>{uri}</LocURI></Source><Data>x</Data></Item>");
    let uris = ["./DevInfo/Ext/Bearer", "./DevInfo/Lang", "./DevInfo/DmV", "./DevInfo/Mod", "./DevInfo/Man"];
    let items: String = uris.map(item).concat();
    let body =
        format!("<Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Replace><CmdID>2</CmdID>{items}</Replace><Final/>");
    let mut server = Server::trusting(Vec::new());
    server.reply(from_device(1, "", &body));
    assert_eq!(told(&server), uris);
    assert!(server.faults().is_empty(), "{:?}", server.faults());
}
