//! The SP's machine by itself.

use core_kit::{Durable, Env, Machine, Tick, UnixMillis};
use dpe_core::{
    codes::Code,
    ids::ClientId,
    policy::{Terms, Watched},
    sp::{ClientChanged, Done, Input, Misuse, Output, Profile, Request, Sp, What},
    wire::{Identity, Ie, Kind, Message},
};

use crate::bench::{body, name, read, token};

struct Desk {
    sp: Sp,
    now: u64,
    out: Vec<Output>,
}

fn profile() -> Profile {
    Profile::new("sp".try_into().unwrap())
}

impl Desk {
    fn new() -> Self {
        Self { sp: Sp::new(&profile()), now: 1000, out: Vec::new() }
    }

    fn try_input(&mut self, input: Input) -> Result<(), Misuse> {
        let env = Env { now: Tick(self.now), wall: UnixMillis(0), entropy: [5; 32] };
        let before = self.sp.snapshot();
        let result = self.sp.handle(&env, input, &mut self.out);
        if result.is_err() {
            assert_eq!(self.sp.snapshot(), before, "an error changes nothing");
        }
        let stored = serde_json::to_string(&self.sp.snapshot()).unwrap();
        self.sp = Sp::restore(serde_json::from_str(&stored).unwrap(), &profile()).unwrap();
        result
    }

    fn asks(&mut self, tag: &str, what: What) -> Message {
        self.try_input(Input::Request(request(tag, what))).unwrap();
        self.sent()
    }

    fn sent(&mut self) -> Message {
        match self.out.remove(0) {
            Output::Send(_, bytes) => read(&bytes),
            other => panic!("{other:?}"),
        }
    }

    fn gets(&mut self, message: &Message) {
        self.try_input(Input::Received(body(message))).unwrap();
    }

    fn wakes(&mut self, seconds: u64) {
        self.now += seconds * 1000;
        self.try_input(Input::Wake).unwrap();
    }
}

fn client(text: &str) -> ClientId {
    text.try_into().unwrap()
}

fn request(tag: &str, what: What) -> Request {
    Request { tag: tag.into(), client: Some(client("c7")), what }
}

fn query() -> What {
    What::Query(vec![name("muted")])
}

fn policy(text: &str) -> What {
    let terms = Terms::new("Threshold", &[("operator", "lt"), ("value", "20")]);
    What::PolicySet(text.try_into().unwrap(), Watched::Property(name("batteryLevel")), terms, Some(3600))
}

fn answer(asked: &Message, status: Code) -> Message {
    let mut message = Message::new(asked.kind.answer().unwrap());
    (message.message_id, message.sp_id) = (asked.message_id.clone(), asked.sp_id.clone());
    (message.client_id, message.group_id) = (asked.client_id.clone(), asked.group_id.clone());
    (message.policy_id, message.status) = (asked.policy_id.clone(), status.into());
    message
}

fn done(tag: &str, status: Option<Code>) -> Output {
    Output::Done(Done { tag: tag.into(), status, readings: vec![], clients: vec![] })
}

#[test]
fn the_sp_sets_the_message_id_and_every_request_ends_once() {
    let mut desk = Desk::new();
    let first = desk.asks("a", query());
    let second = desk.asks("b", What::GroupSet("screen".try_into().unwrap(), vec![name("muted")]));
    assert_eq!((first.kind, second.kind), (Kind::PropertyQuery, Kind::GroupSet));
    assert_eq!((first.sp_id.clone(), first.client_id.clone()), (token("sp"), token("c7")));
    assert_ne!(first.message_id, second.message_id);
    for (asked, tag) in [(second, "b"), (first, "a")] {
        desk.gets(&answer(&asked, Code::OK));
        assert_eq!(desk.out.remove(0), done(tag, Some(Code::OK)));
        desk.gets(&answer(&asked, Code::OK));
        assert_eq!(desk.out.remove(0), Output::Ignored, "a second answer is nobody's");
    }
    assert_eq!(desk.sp.unfinished(), 0);
}

#[test]
fn an_answer_that_never_comes_is_given_up() {
    let mut desk = Desk::new();
    desk.asks("a", query());
    desk.wakes(179);
    assert!(desk.out.is_empty());
    desk.wakes(1);
    assert_eq!(desk.out.remove(0), done("a", None));
    let asked = desk.asks("b", query());
    let id = asked.message_id.get().unwrap().clone().try_into().unwrap();
    desk.try_input(Input::SendFailed(id)).unwrap();
    assert_eq!(desk.out.remove(0), done("b", None));
}

#[test]
fn after_an_overflow_the_sp_pauses_for_a_window_and_sends_again() {
    let mut desk = Desk::new();
    let asked = desk.asks("a", query());
    desk.gets(&answer(&asked, Code::WINDOW_OVERFLOW));
    desk.try_input(Input::Request(request("b", query()))).unwrap();
    assert!(desk.out.is_empty(), "nothing is sent meanwhile");
    desk.wakes(59);
    assert!(desk.out.is_empty());
    desk.wakes(1);
    let again = desk.sent();
    assert_ne!(again.message_id, asked.message_id);
    assert_eq!(desk.sent().kind, Kind::PropertyQuery);
    let mut again = again;
    for _ in 0..2 {
        desk.gets(&answer(&again, Code::WINDOW_OVERFLOW));
        desk.wakes(60);
        again = desk.sent();
    }
    desk.gets(&answer(&again, Code::WINDOW_OVERFLOW));
    assert_eq!(desk.out.remove(0), done("a", Some(Code::WINDOW_OVERFLOW)), "not for ever");
}

#[test]
fn a_message_id_that_the_server_holds_is_replaced() {
    let mut desk = Desk::new();
    let asked = desk.asks("a", query());
    desk.gets(&answer(&asked, Code::MESSAGE_ID_REPEATED));
    let again = desk.sent();
    assert_ne!(again.message_id, asked.message_id);
    desk.gets(&answer(&again, Code::OK));
    assert_eq!(desk.out.remove(0), done("a", Some(Code::OK)));
}

#[test]
fn names_of_groups_and_policies_are_used_once() {
    let mut desk = Desk::new();
    let asked = desk.asks("a", policy("low"));
    assert_eq!(desk.try_input(Input::Request(request("b", policy("low")))), Err(Misuse::NameInUse));
    desk.gets(&answer(&asked, Code::OK));
    assert_eq!(desk.try_input(Input::Request(request("b", policy("low")))), Err(Misuse::NameInUse));
    desk.out.clear();
    let release = desk.asks("c", What::PolicyRelease("low".try_into().unwrap()));
    desk.gets(&answer(&release, Code::OK));
    desk.out.clear();
    desk.asks("d", policy("low"));
    let nobody = Request { client: None, ..request("e", query()) };
    assert_eq!(desk.try_input(Input::Request(nobody)), Err(Misuse::NoClient));
    let bad = request("f", What::ClientIds(Identity::new("generic", "\u{1}")));
    assert_eq!(desk.try_input(Input::Request(bad)), Err(Misuse::NotEncodable));
}

#[test]
fn reports_are_matched_and_an_expired_policy_is_deleted() {
    let mut desk = Desk::new();
    let asked = desk.asks("a", policy("low"));
    let mut said = Message::new(Kind::PropertyReport);
    (said.message_id, said.client_id) = (asked.message_id.clone(), token("c7"));
    (said.policy_id, said.status) = (token("low"), Code::OK.into());
    desk.gets(&said);
    assert_eq!(desk.out.remove(0), Output::Ignored, "not before the policy is accepted");
    desk.gets(&answer(&asked, Code::OK));
    desk.out.clear();
    for _ in 0..2 {
        desk.gets(&said);
        assert!(matches!(desk.out.remove(0), Output::Reported(_)));
    }
    let mut foreign = said.clone();
    foreign.message_id = token("99");
    desk.gets(&foreign);
    assert_eq!(desk.out.remove(0), Output::Ignored);
    said.status = Code::POLICY_EXPIRED.into();
    desk.gets(&said);
    assert_eq!(desk.out.remove(0), Output::PolicyEnded("low".try_into().unwrap(), Code::POLICY_EXPIRED));
    assert_eq!(desk.sp.policies().count(), 0);
    desk.gets(&said);
    assert_eq!(desk.out.remove(0), Output::Ignored);
}

/// A user's client has another Client-ID.
fn client_id_report(new: &str, old: &str) -> Message {
    let mut told = Message::new(Kind::ClientIdReport);
    told.message_id = token("500001");
    told.users = Ie::Is(vec![Identity::new("generic", "x")]);
    told.clients = Ie::Is(vec![new.try_into().unwrap()]);
    told.replaces = Ie::Is(vec![old.try_into().unwrap()]);
    told
}

#[test]
fn a_client_id_report_replaces_what_was_known() {
    let mut desk = Desk::new();
    let asked = desk.asks("a", What::GroupSet("screen".try_into().unwrap(), vec![name("muted")]));
    desk.gets(&answer(&asked, Code::OK));
    desk.out.clear();
    let mut told = client_id_report("c8", "c7");
    desk.gets(&told);
    let changed = ClientChanged {
        users: vec![Identity::new("generic", "x")],
        clients: vec![client("c8")],
        replaces: vec![client("c7")],
    };
    assert_eq!(desk.out.remove(0), Output::ClientChanged(changed));
    assert_eq!(desk.sp.groups().next().unwrap().1.as_str(), "c8");
    (told.clients, told.replaces) = (Ie::Is(vec![]), Ie::Is(vec!["c8".try_into().unwrap()]));
    desk.gets(&told);
    assert_eq!(desk.sp.groups().count(), 0, "the user has no client any more");
}

#[test]
fn client_ids_are_looked_up() {
    let mut desk = Desk::new();
    let lookup = Request { tag: "a".into(), client: None, what: What::ClientIds(Identity::new("sip", "sip:a@b")) };
    desk.try_input(Input::Request(lookup)).unwrap();
    let asked = desk.sent();
    assert_eq!((asked.kind, asked.query_key.get().unwrap().scheme.as_str()), (Kind::ClientIdQuery, "sip"));
    let mut told = Message::new(Kind::ClientIdResponse);
    (told.message_id, told.clients) = (asked.message_id, Ie::Is(vec!["c7".try_into().unwrap()]));
    desk.gets(&told);
    let found = Done { tag: "a".into(), status: Some(Code::OK), readings: vec![], clients: vec![client("c7")] };
    assert_eq!(desk.out.remove(0), Output::Done(found), "an absent status is success here");
}

/// An SP with a group, a policy on it, and one on a property.
fn with_policies() -> Desk {
    let mut desk = Desk::new();
    let group = || "screen".try_into().unwrap();
    let terms = Terms::new("Periodic", &[("interval", "60")]);
    let set = What::PolicySet("all".try_into().unwrap(), Watched::Group(group()), terms, Some(60));
    for what in [What::GroupSet(group(), vec![name("muted")]), set, policy("low")] {
        let asked = desk.asks("a", what);
        desk.gets(&answer(&asked, Code::OK));
        desk.out.clear();
    }
    desk
}

#[test]
fn the_policies_on_a_group_end_when_it_is_released() {
    let mut desk = with_policies();
    let asked = desk.asks("a", What::GroupRelease("screen".try_into().unwrap()));
    desk.gets(&answer(&asked, Code::OK));
    let ended = Output::PolicyEnded("all".try_into().unwrap(), Code::POLICY_ID_NOT_REGISTERED);
    assert_eq!(desk.out, [ended, done("a", Some(Code::OK))]);
    assert_eq!(desk.sp.policies().count(), 1);
}

#[test]
fn they_end_too_when_the_client_has_another_id_before_the_answer_comes() {
    let mut desk = with_policies();
    let asked = desk.asks("a", What::GroupRelease("screen".try_into().unwrap()));
    desk.gets(&client_id_report("c8", "c7"));
    desk.out.clear();
    desk.gets(&answer(&asked, Code::OK));
    let ended = Output::PolicyEnded("all".try_into().unwrap(), Code::POLICY_ID_NOT_REGISTERED);
    assert_eq!(desk.out, [ended, done("a", Some(Code::OK))]);
    assert_eq!((desk.sp.policies().count(), desk.sp.groups().count()), (1, 0));
}
