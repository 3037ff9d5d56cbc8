//! Orders in blocks, and orders for the user.

use dm_core::{
    prompt::{Choice, Echo, InputType, Prompt, Reply, Response, Wanted},
    server::OrderFault,
};

use super::*;

fn add(tag: &str, uri: &str) -> Order {
    Order::new(tag, Request::Add(vec![Entry::text(uri, "x")]))
}

fn status(cmd_ref: u32, cmd: &str, code: u16, items: &str) -> String {
    format!(
        "<Status><CmdID>{cmd_ref}1</CmdID><MsgRef>1</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>{cmd}</Cmd>\
         <Data>{code}</Data>{items}</Status>"
    )
}

/// What becomes of the orders if the device answers package 2 with these statuses.
fn answered(orders: Vec<Order>, statuses: &str) -> Server {
    let mut server = Server::trusting(vec![orders]);
    server.reply(from_device(1, "", PACKAGE_ONE));
    let header = status(0, "SyncHdr", 200, "");
    server.reply(from_device(2, "", &format!("{header}{statuses}<Final/>")));
    server
}

#[test]
fn each_order_in_a_block_has_its_own_outcome() {
    let block = vec![add("a", "./A"), add("b", "./B")];
    for (request, name) in [(Request::Sequence(block.clone()), "Sequence"), (Request::Atomic(block), "Atomic")] {
        let mut server = Server::trusting(vec![vec![Order::new("block", request)]]);
        let reply = server.reply(from_device(1, "", PACKAGE_ONE));
        assert!(lines(&reply).contains(name), "{}", lines(&reply));
        let statuses = [status(4, name, 507, ""), status(5, "Add", 216, ""), status(6, "Add", 425, "")].concat();
        server.reply(from_device(2, "", &format!("{}{statuses}<Final/>", status(0, "SyncHdr", 200, ""))));
        assert_eq!(server.outcomes(), ["block: 507", "a: 216", "b: 425"]);
        assert!(server.faults().is_empty());
    }
}

#[test]
fn what_a_device_does_not_say_of_an_order_in_a_block_is_unknown() {
    let block = Order::new("block", Request::Atomic(vec![add("a", "./A"), add("b", "./B")]));
    let server = answered(vec![block], &[status(4, "Atomic", 200, ""), status(6, "Add", 200, "")].concat());
    assert_eq!(server.outcomes(), ["block: 200", "a: unknown", "b: 200"]);
}

#[test]
fn a_block_that_was_refused_with_the_server_goes_out_again_as_a_whole() {
    let block = Order::new("block", Request::Sequence(vec![add("a", "./A"), add("b", "./B")]));
    let mut server = Server { device: None, orders: vec![vec![block]], ..Server::new(Profile::new(SERVER)) };
    let first = lines(&server.reply(from_device(1, "", PACKAGE_ONE)));
    let chal = "<Chal><Meta><Format xmlns='syncml:metinf'>b64</Format><Type xmlns='syncml:metinf'>syncml:auth-md5</Type>\
        <NextNonce xmlns='syncml:metinf'>Tm9uY2U=</NextNonce></Meta></Chal>";
    let header = format!(
        "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>{chal}<Data>401</Data></Status>"
    );
    let statuses = [status(4, "Sequence", 401, ""), status(5, "Add", 401, ""), status(6, "Add", 401, "")].concat();
    let again = lines(&server.reply(from_device(2, "", &format!("{header}{statuses}<Final/>"))));
    let block = |lines: &str| lines[lines.find("Sequence").expect("the block")..].to_string();
    assert_eq!(block(&first), block(&again));
    assert!(server.outcomes().is_empty());
}

#[test]
pub(crate) fn orders_that_cannot_be_sent_do_not_block_the_rest() {
    let bad = Order::new("bad", Request::Get(vec!["/A".into()]));
    let mut server = Server::trusting(vec![vec![bad.clone(), bad.clone()], vec![bad, add("a", "./A")]]);
    let reply = server.reply(from_device(1, "", PACKAGE_ONE));
    assert!(lines(&reply).ends_with("Add ./A = \"x\"; Final"), "{}", lines(&reply));
    assert_eq!(server.outcomes().len(), 3);
    assert!(
        server
            .reports
            .iter()
            .any(|report| { matches!(report, Report::NotSent { fault: Some(OrderFault::Address(_)), .. }) })
    );
}

#[test]
pub(crate) fn a_server_that_signs_asks_for_other_orders_where_none_can_be_sent() {
    let exec = Request::Exec { entry: Entry::bare("./A"), correlator: Some("\u{1}".into()) };
    let orders = vec![vec![Order::new("bad", exec)], vec![add("a", "./A")]];
    let mut server = Server { device: None, orders, ..Server::new(Profile::new(SERVER)) };
    let reply = lines(&server.reply(from_device(1, "", PACKAGE_ONE)));
    assert!(reply.ends_with("Add ./A = \"x\"; Final"), "{reply}");
    assert_eq!(server.outcomes(), ["bad: not sent Some(NotEncodable)"]);
}

#[test]
fn the_user_is_asked_and_the_answer_comes_back_typed() {
    let choices = || vec!["one".to_string(), "two".into(), "three".into()];
    let text = Wanted::Text { default: None, chars_max: None, input: InputType::default(), echo: Echo::default() };
    let item = |text: &str| format!("<Item><Data>{text}</Data></Item>");
    let chosen = |numbers: &[usize]| Response::Chosen(numbers.iter().map(|at| Choice::at(*at)).collect());
    for (wanted, code, items, reply) in [
        (Wanted::Attention, 200, String::new(), Some(Reply::Given(Response::Yes))),
        (Wanted::Consent { default: None }, 304, String::new(), Some(Reply::Given(Response::No))),
        (Wanted::Consent { default: None }, 214, String::new(), Some(Reply::Cancelled)),
        (text.clone(), 200, item("hello"), Some(Reply::Given(Response::Text("hello".into())))),
        (text, 408, String::new(), Some(Reply::TimedOut { default: None })),
        (Wanted::One { choices: choices(), default: None }, 200, item("2"), Some(Reply::Given(chosen(&[1])))),
        (
            Wanted::Any { choices: choices(), default: Vec::new() },
            200,
            format!("{}{}", item("1"), item("3")),
            Some(Reply::Given(chosen(&[0, 2]))),
        ),
        (Wanted::One { choices: choices(), default: None }, 200, item("9"), None),
        (Wanted::Attention, 406, String::new(), Some(Reply::NotSupported)),
    ] {
        let prompt = Prompt::new("Well?", wanted);
        let code_sent = prompt.code();
        let mut server = Server::trusting(vec![vec![Order::new("ask", Request::Ask(prompt))]]);
        let first = lines(&server.reply(from_device(1, "", PACKAGE_ONE)));
        assert!(first.contains(&format!("Alert {}", code_sent.0)), "{first}");
        let statuses = status(4, "Alert", code, &items);
        server.reply(from_device(2, "", &format!("{}{statuses}<Final/>", status(0, "SyncHdr", 200, ""))));
        let Some(Report::Done(done)) = server.reports.last() else { panic!("{:?}", server.reports) };
        assert_eq!((done.items[0].status, done.items[0].reply.clone()), (Some(StatusCode(code)), reply));
    }
}
