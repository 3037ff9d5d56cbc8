//! `Atomic` and `Sequence`: what is done, what is undone, and which statuses say so [digest 2.6].

use dm_core::{
    client::{Ops, Question},
    codes::StatusCode,
    prompt::{Reply, Response},
    tree::{Op, OpResult},
};

use super::{
    prompts::{confirm, prompted, set},
    *,
};

fn delete(id: u32, uri: &str) -> String {
    format!("<Delete><CmdID>{id}</CmdID>{}</Delete>", item(uri))
}

fn atomic(inner: &str) -> String {
    format!("<Atomic><CmdID>2</CmdID>{inner}</Atomic>")
}

/// What a trusting client says to these commands, whose tree answers by hand: question by question, the codes.
fn by_hand(body: &str, answers: &[&[u16]]) -> (String, Vec<Vec<Op>>) {
    let mut device = waiting();
    let mut answers = answers.iter();
    let mut todo = Some(reply(1, 1, &format!("{body}<Final/>")));
    let (mut asked, mut said) = (Vec::new(), String::from("nothing"));
    while let Some(input) = todo.take() {
        device.now += 1;
        for output in device.session.step(&env(device.now), input, &device.profile).unwrap() {
            match output {
                Output::Ask(Question::Tree(ops)) => {
                    asked.push(ops.ops.to_vec());
                    let codes = answers.next().expect("an answer for each question");
                    todo = Some(answer(ops, codes));
                }
                Output::Send(request) => said = lines(&request.packet),
                _ => {}
            }
        }
    }
    assert_eq!(answers.len(), 0, "every answer was asked for");
    (said, asked)
}

fn answer(ops: Ops, codes: &[u16]) -> Input {
    let mut results: Vec<_> = codes.iter().map(|code| OpResult::status(StatusCode(code % 1000))).collect();
    // 1000 and more: the roll-back could not undo the operation with this number.
    if let [code] = codes
        && *code >= 1000
    {
        results[0].not_undone = vec![u32::from(code / 1000 - 1)];
    }
    ops.answer(results)
}

#[test]
pub(crate) fn an_atomic_is_one_question_from_its_begin_to_its_commit() {
    let body = atomic(&format!("{}{}", set(3, "4"), delete(4, "./A")));
    let (said, asked) = by_hand(&body, &[&[200, 200, 200, 200]]);
    assert_eq!(
        said,
        "Status 200 SyncHdr; Status 200 Atomic; Status 200 Replace ./Settings/Volume; Status 200 Delete ./A; Final"
    );
    let [ops] = asked.as_slice() else { panic!("{asked:?}") };
    assert!(matches!(ops.as_slice(), [Op::Begin, Op::Replace { .. }, Op::Delete { .. }, Op::Commit]), "{ops:?}");
}

#[test]
pub(crate) fn a_member_that_fails_undoes_those_before_it() {
    let body = atomic(&format!("{}{}{}", set(3, "4"), delete(4, "./Nope"), set(5, "5")));
    let mut device = waiting();
    assert_eq!(
        sent(&mut device, reply(1, 1, &format!("{body}<Final/>"))),
        "Status 200 SyncHdr; Status 507 Atomic; Status 216 Replace ./Settings/Volume; Status 404 Delete ./Nope; \
         Status 215 Replace ./Settings/Volume; Final"
    );
    assert_eq!(device.tree.text("./Settings/Volume"), Some("3"));
    assert!(!device.tree.is_open());
}

#[test]
pub(crate) fn what_cannot_be_undone_is_told_member_by_member() {
    let body = atomic(&format!("{}{}{}", delete(3, "./A"), delete(4, "./B"), delete(5, "./C")));
    let expect = |first: u16, second: u16| {
        format!(
            "Status 200 SyncHdr; Status 507 Atomic; Status {first} Delete ./A; Status {second} Delete ./B; \
             Status 405 Delete ./C; Final"
        )
    };
    let fails: &[u16] = &[200, 200, 200, 405, 215];
    assert_eq!(by_hand(&body, &[fails, &[200]]).0, expect(216, 216));
    assert_eq!(by_hand(&body, &[fails, &[2516]]).0, expect(216, 516));
    assert_eq!(by_hand(&body, &[fails, &[1516]]).0, expect(516, 216));
    assert_eq!(by_hand(&body, &[fails, &[516]]).0, expect(516, 516), "it is not told which");
}

#[test]
pub(crate) fn a_commit_that_fails_is_rolled_back() {
    let (said, asked) = by_hand(&atomic(&delete(3, "./A")), &[&[200, 200, 510], &[200]]);
    assert_eq!(said, "Status 200 SyncHdr; Status 507 Atomic; Status 216 Delete ./A; Final");
    assert_eq!(asked.last(), Some(&vec![Op::RollBack]));
}

#[test]
pub(crate) fn a_tree_without_transactions_makes_an_atomic_406() {
    let body = atomic(&format!("{}{}", delete(3, "./A"), delete(4, "./B")));
    let (said, _) = by_hand(&body, &[&[406, 215, 215, 215]]);
    assert_eq!(said, "Status 200 SyncHdr; Status 406 Atomic; Status 406 Delete ./A; Status 406 Delete ./B; Final");
    let (said, _) = by_hand(&body, &[&[510, 215, 215, 215]]);
    assert_eq!(said, "Status 200 SyncHdr; Status 507 Atomic; Status 215 Delete ./A; Status 215 Delete ./B; Final");
}

#[test]
pub(crate) fn an_atomic_that_is_known_to_fail_is_not_begun() {
    let get = format!("<Get><CmdID>4</CmdID>{}</Get>", item("./DevInfo/Man"));
    let exec = format!("<Exec><CmdID>4</CmdID>{}</Exec>", item("./Ops/Reboot"));
    let nested = format!("<Atomic><CmdID>4</CmdID>{}</Atomic>", delete(5, "./A"));
    let sequence = format!("<Sequence><CmdID>4</CmdID>{}</Sequence>", delete(5, "./A"));
    let event = "<Alert><CmdID>4</CmdID><Data>1224</Data></Alert>";
    let reused = delete(3, "./A");
    let nowhere = "<Delete><CmdID>4</CmdID><Item><Data>x</Data></Item></Delete>";
    let cases = [
        (get.as_str(), 507, "Status 500 Get"),
        (&exec, 507, "Status 500 Exec"),
        (&nested, 500, "Status 500 Atomic; Status 500 Delete"),
        (&sequence, 507, "Status 500 Sequence; Status 500 Delete"),
        (event, 507, "Status 406 Alert"),
        (&reused, 507, "Status 400 Delete"),
        (nowhere, 507, "Status 404 Delete"),
    ];
    for (inner, own, member) in cases {
        let (said, asked) = by_hand(&atomic(&format!("{}{inner}", set(3, "4"))), &[]);
        let expected =
            format!("Status 200 SyncHdr; Status {own} Atomic; Status 215 Replace ./Settings/Volume; {member}; Final");
        assert_eq!((said, asked), (expected, Vec::new()), "{inner}");
    }
}

#[test]
pub(crate) fn an_atomic_whose_statuses_do_not_fit_into_a_message_is_517() {
    let members: String = (3..30).map(|id| set(id, "4")).collect();
    let mut device = waiting();
    let body = format!("{}<Final/>", atomic(&members));
    let said = sent(&mut device, reply_with(1, 1, &max_msg_size(2000), &body));
    assert!(said.starts_with("Status 200 SyncHdr; Status 517 Atomic; Status 215 Replace"), "{said}");
    assert_eq!(device.tree.text("./Settings/Volume"), Some("3"));
    assert!(device.asked.iter().flatten().all(|op| *op != Op::Begin));
    // With room for them it is done.
    let mut device = waiting();
    let said = sent(&mut device, reply_with(1, 1, &max_msg_size(20_000), &body));
    assert!(said.starts_with("Status 200 SyncHdr; Status 200 Atomic; Status 200 Replace"), "{said}");
    assert_eq!(device.tree.text("./Settings/Volume"), Some("4"));
}

#[test]
pub(crate) fn the_statuses_of_an_atomic_stay_in_one_message() {
    let members: String = (3..7).map(|id| set(id, "4")).collect();
    let get = |id: u32| format!("<Get><CmdID>{id}</CmdID>{}</Get>", item("./DevInfo/Man"));
    let gets: String = (10..14).map(get).collect();
    let mut device = waiting();
    let body = format!("{gets}{}<Final/>", atomic(&members));
    let first = sent(&mut device, reply_with(1, 1, &max_msg_size(1700), &body));
    assert!(!first.contains("Final") && !first.contains("Atomic") && first.contains("Status 200 Get"), "{first}");
    let mut said = first;
    let mut msg_id = 1;
    while !said.contains("Atomic") {
        msg_id += 1;
        said = sent(&mut device, reply(msg_id, msg_id, NEXT));
        assert!(said.starts_with("Status 200 SyncHdr; Status 200 Alert"), "{said}");
    }
    assert_eq!(said.matches("Status 200 Replace").count(), 4, "{said}");
    assert!(said.ends_with("Final"));
}

#[test]
pub(crate) fn a_failure_in_a_sequence_does_not_stop_it() {
    let sequence = format!("<Sequence><CmdID>2</CmdID>{}{}</Sequence>", delete(3, "./Nope"), set(4, "4"));
    let mut device = waiting();
    assert_eq!(
        sent(&mut device, reply(1, 1, &format!("{sequence}<Final/>"))),
        "Status 200 SyncHdr; Status 200 Sequence; Status 404 Delete ./Nope; Status 200 Replace ./Settings/Volume; Final"
    );
    assert_eq!(device.tree.text("./Settings/Volume"), Some("4"));
}

#[test]
pub(crate) fn what_surrounds_an_atomic_is_done_in_document_order() {
    let mut device = prompted(&[Reply::Given(Response::Yes)]);
    let body = format!("{}{}{}{}<Final/>", set(10, "1"), confirm(11), atomic(&set(3, "2")), set(12, "3"));
    sent(&mut device, reply(1, 1, &body));
    let written: Vec<_> = device
        .asked
        .iter()
        .flatten()
        .filter_map(|op| match op {
            Op::Replace { content, .. } => content.data.as_deref().map(<[u8]>::to_vec),
            _ => None,
        })
        .collect();
    assert_eq!(written, [b"1", b"2", b"3"]);
    assert_eq!(device.prompts.len(), 1);
}

#[test]
pub(crate) fn the_meta_of_a_block_holds_for_what_is_in_it() {
    let meta = |format: &str| format!("<Meta><Format xmlns='syncml:metinf'>{format}</Format></Meta>");
    let add = |id: u32, uri: &str, own: &str| {
        format!("<Add><CmdID>{id}</CmdID>{own}<Item><Target><LocURI>{uri}</LocURI></Target></Item></Add>")
    };
    let body = format!(
        "<Sequence><CmdID>2</CmdID>{}{}{}</Sequence><Final/>",
        meta("node"),
        add(3, "./Settings/X", ""),
        add(4, "./Settings/Y", &meta("chr"))
    );
    let mut device = waiting();
    sent(&mut device, reply(1, 1, &body));
    assert!(device.tree.node("./Settings/X").unwrap().value().is_none());
    assert_eq!(device.tree.text("./Settings/Y"), Some(""));
}

#[test]
pub(crate) fn no_resp_is_ignored_on_commands_and_on_the_header() {
    let body = format!(
        "<Get><CmdID>2</CmdID><NoResp/>{0}</Get><Sequence><CmdID>3</CmdID><NoResp/><Get><CmdID>4</CmdID><NoResp/>{0}</Get>\
         </Sequence><Alert><CmdID>5</CmdID><NoResp/><Data>1100</Data></Alert><Final/>",
        item("./DevInfo/Man")
    );
    let mut device = waiting();
    assert_eq!(
        sent(&mut device, reply_with(1, 1, "<NoResp/>", &body)),
        "Status 200 SyncHdr; Status 200 Get ./DevInfo/Man; Results ./DevInfo/Man = \"Acme\"; Status 200 Sequence; \
         Status 200 Get ./DevInfo/Man; Results ./DevInfo/Man = \"Acme\"; Status 406 Alert; Final"
    );
}
