use alloc::{format, string::ToString, vec};

use proptest::prelude::*;

use super::*;
use crate::{limits::WireLimits, wire};

fn choice(number: u32) -> Choice {
    Choice(NonZeroU32::new(number).unwrap())
}

fn seconds(number: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(number)
}

fn items(texts: &[Option<&str>]) -> Vec<Item> {
    texts.iter().map(|text| Item { data: text.map(Into::into), ..Item::default() }).collect()
}

fn alert(code: u16, texts: &[Option<&str>]) -> Alert {
    Alert { items: items(texts), ..Alert::new(AlertCode(code)) }
}

#[test]
fn an_alert_has_parameters_text_and_choices_in_this_order() {
    let prompt = Prompt {
        shown_s_min: seconds(10),
        waited_s_max: seconds(30),
        ..Prompt::new(
            "Which one?",
            Wanted::Any { choices: vec!["Wi-Fi".into(), "GPRS & more".into()], default: vec![choice(2), choice(1)] },
        )
    };
    let made = prompt.to_alert();
    let texts: Vec<_> = made.items.iter().map(|item| item.data.as_ref().and_then(|data| data.as_text())).collect();
    let all = ["MINDT=10&MAXDT=30&DR=2-1", "Which one?", "Wi-Fi", "GPRS & more"].map(Some);
    assert_eq!((made.code, texts.as_slice()), (Some(AlertCode::MULTIPLE_CHOICE), all.as_slice()));
    assert_eq!(Prompt::from_alert(&made), Ok(prompt));
    assert_eq!(Prompt::new("Hello", Wanted::Attention).to_alert().items[0], Item::default());
}

#[test]
fn every_parameter_is_read_and_unknown_ones_are_passed_over() {
    let read = Prompt::from_alert(&alert(
        1102,
        &[Some("X=1&MINDT=1&MAXDT=2&DR=Jos%C3%A9+A.&MAXLEN=8&IT=P&ET=P&Y&"), Some("Your name?")],
    ));
    let wanted = Wanted::Text {
        default: Some("José A.".into()),
        chars_max: seconds(8),
        input: InputType::Phone,
        echo: Echo::Password,
    };
    let prompt = Prompt { shown_s_min: seconds(1), waited_s_max: seconds(2), ..Prompt::new("Your name?", wanted) };
    assert_eq!(read, Ok(prompt));
    // The default response means nothing to 1100, nor do the parameters of 1102 to 1101.
    let shown = Prompt::from_alert(&alert(1100, &[Some("DR=x&MAXLEN=none"), Some("Hello")]));
    assert_eq!(shown, Ok(Prompt::new("Hello", Wanted::Attention)));
}

#[test]
fn a_broken_alert_is_told_apart_by_what_is_wrong_with_it() {
    use PromptFault::{BadParameter, Incomplete, OtherAlert, Surplus};
    let text = Some("Text");
    let broken: [(u16, &[Option<&str>], PromptFault); 22] = [
        (1100, &[], Incomplete),
        (1100, &[text], Incomplete),
        (1100, &[None, None], Incomplete),
        (1100, &[None, Some("")], Incomplete),
        (1101, &[None, text, Some("more")], Surplus),
        (1103, &[None, text], Incomplete),
        (1104, &[None, text, text, None], Incomplete),
        (1105, &[None, text], OtherAlert),
        (1222, &[], OtherAlert),
        (1100, &[Some("MINDT=-1"), text], BadParameter(Parameter::MinDt)),
        (1100, &[Some("MINDT="), text], BadParameter(Parameter::MinDt)),
        (1100, &[Some("MAXDT=99999999999999999999"), text], BadParameter(Parameter::MaxDt)),
        (1100, &[Some("MAXDT=1&MAXDT=2"), text], BadParameter(Parameter::MaxDt)),
        (1101, &[Some("DR=2"), text], BadParameter(Parameter::Dr)),
        (1102, &[Some("DR=%"), text], BadParameter(Parameter::Dr)),
        (1102, &[Some("DR=abc&MAXLEN=2"), text], BadParameter(Parameter::Dr)),
        (1102, &[Some("MAXLEN=0"), text], BadParameter(Parameter::MaxLen)),
        (1102, &[Some("IT=X"), text], BadParameter(Parameter::It)),
        (1102, &[Some("ET=t"), text], BadParameter(Parameter::Et)),
        (1103, &[Some("DR=2"), text, text], BadParameter(Parameter::Dr)),
        (1104, &[Some("DR=1-1"), text, text], BadParameter(Parameter::Dr)),
        (1104, &[Some("DR=1-"), text, text], BadParameter(Parameter::Dr)),
    ];
    for (code, texts, fault) in broken {
        assert_eq!(Prompt::from_alert(&alert(code, texts)), Err(fault), "{code} {texts:?}");
        assert_eq!(fault.status().0, if fault == OtherAlert { 406 } else { 412 });
    }
    let mut cut = alert(1100, &[None, text]);
    cut.items[1].more_data = true;
    assert_eq!(Prompt::from_alert(&cut), Err(Incomplete), "a prompt does not come in chunks");
}

#[test]
fn what_no_device_could_show_is_found_before_it_is_sent() {
    let bad = [
        (Prompt::new("", Wanted::Attention), PromptFault::Incomplete),
        (Prompt::new("Which?", Wanted::One { choices: vec![], default: None }), PromptFault::Incomplete),
        (Prompt::new("a\u{0}b", Wanted::Attention), PromptFault::BadCharacter),
        (
            Prompt::new("Which?", Wanted::Any { choices: vec!["\u{1}".into()], default: vec![] }),
            PromptFault::BadCharacter,
        ),
        (
            Prompt::new("Which?", Wanted::One { choices: vec!["a".into()], default: Some(choice(2)) }),
            PromptFault::BadParameter(Parameter::Dr),
        ),
    ];
    for (prompt, fault) in bad {
        assert_eq!(prompt.check(), Err(fault), "{prompt:?}");
    }
}

#[test]
fn a_reply_has_its_status_and_is_read_out_of_it() {
    let consent = Prompt::new("Now?", Wanted::Consent { default: Some(true) });
    let text = Prompt::new(
        "Name?",
        Wanted::Text { default: None, chars_max: seconds(3), input: InputType::default(), echo: Echo::default() },
    );
    let choices = vec!["a".to_string(), "b".into(), "c".into()];
    let one = Prompt::new("Which?", Wanted::One { choices: choices.clone(), default: None });
    let any = Prompt::new("Which?", Wanted::Any { choices, default: vec![] });
    let told = [
        (&consent, Reply::Given(Response::Yes), 200, ""),
        (&consent, Reply::Given(Response::No), 304, ""),
        (&consent, Reply::TimedOut { default: Some(Response::No) }, 408, "0"),
        (&consent, Reply::TimedOut { default: Some(Response::Yes) }, 408, "1"),
        (&consent, Reply::TimedOut { default: None }, 408, ""),
        (&consent, Reply::Cancelled, 214, ""),
        (&text, Reply::Given(Response::Text("Eve".into())), 200, "Eve"),
        (&text, Reply::NotSupported, 406, ""),
        (&one, Reply::Given(Response::Chosen(vec![choice(3)])), 200, "3"),
        (&any, Reply::Given(Response::Chosen(vec![choice(3), choice(1)])), 200, "3,1"),
        (&any, Reply::Given(Response::Chosen(vec![])), 200, ""),
        (&any, Reply::TimedOut { default: Some(Response::Chosen(vec![choice(2)])) }, 408, "2"),
        (&any, Reply::NotShown, 416, ""),
    ];
    for (prompt, reply, code, texts) in told {
        assert!(prompt.admits(&reply), "{reply:?}");
        assert_eq!((reply.status().0, reply.texts().join(",")), (code, texts.to_string()), "{reply:?}");
        assert_eq!(prompt.reply(reply.status(), &reply.items()), Ok(reply));
    }
    let wrong: [(&Prompt, u16, &[Option<&str>], NoReply); 9] = [
        (&one, 200, &[Some("4")], NoReply::BadItems),
        (&one, 200, &[Some("1"), Some("2")], NoReply::BadItems),
        (&one, 200, &[], NoReply::BadItems),
        (&any, 200, &[Some("-1")], NoReply::BadItems),
        (&any, 200, &[None], NoReply::BadItems),
        (&text, 200, &[Some("Alice")], NoReply::BadItems),
        (&text, 304, &[], NoReply::BadItems),
        (&consent, 408, &[Some("yes")], NoReply::BadItems),
        (&consent, 215, &[], NoReply::Status(StatusCode::NOT_EXECUTED)),
    ];
    for (prompt, code, texts, why) in wrong {
        assert_eq!(prompt.reply(StatusCode(code), &items(texts)), Err(why), "{prompt:?} {code}");
    }
    assert!(!consent.admits(&Reply::Given(Response::Text("x".into()))));
    assert!(!text.admits(&Reply::Given(Response::Text("\u{7}".into()))));
}

#[test]
fn no_and_cancel_stop_what_depends_on_the_prompt_and_nothing_else_does() {
    let stops = [Reply::Given(Response::No), Reply::Cancelled];
    let others = [Reply::Given(Response::Yes), Reply::TimedOut { default: None }, Reply::NotSupported, Reply::NotShown];
    assert!(stops.iter().all(Reply::stops) && !others.iter().any(Reply::stops));
}

fn prompts() -> impl Strategy<Value = Prompt> {
    let chosen =
        |count: usize| proptest::sample::subsequence((0..count).map(Choice::at).collect::<Vec<_>>(), 0..=count);
    let input = proptest::sample::select(vec![
        InputType::Alphanumeric,
        InputType::Numeric,
        InputType::Date,
        InputType::Time,
        InputType::Phone,
        InputType::Ipv4,
    ]);
    let text = proptest::option::of("\\PC{0,12}");
    let wanted = prop_oneof![
        Just(Wanted::Attention),
        any::<Option<bool>>().prop_map(|default| Wanted::Consent { default }),
        (text, 12..90u32, any::<bool>(), input, any::<bool>()).prop_map(|(default, max, bounded, input, hidden)| {
            let echo = if hidden { Echo::Password } else { Echo::Text };
            Wanted::Text { default, chars_max: seconds(max).filter(|_| bounded), input, echo }
        }),
        proptest::collection::vec("\\PC{0,8}", 1..6)
            .prop_flat_map(move |choices| { (Just(choices.clone()), chosen(choices.len())) })
            .prop_map(|(choices, chosen)| Wanted::One { choices, default: chosen.first().copied() }),
        proptest::collection::vec("\\PC{0,8}", 1..6)
            .prop_flat_map(move |choices| { (Just(choices.clone()), chosen(choices.len())) })
            .prop_map(|(choices, default)| Wanted::Any { choices, default }),
    ];
    ("\\PC{1,20}", any::<u32>(), any::<u32>(), wanted).prop_map(|(text, min, max, wanted)| Prompt {
        text,
        shown_s_min: seconds(min),
        waited_s_max: seconds(max),
        wanted,
    })
}

proptest! {
    #[test]
    fn a_prompt_comes_back_from_the_wire_as_it_was(prompt in prompts()) {
        let message = wire::Message { commands: vec![wire::Command::Alert(prompt.to_alert())], ..wire::Message::default() };
        prop_assert_eq!(prompt.check(), Ok(()));
        for encoding in [wire::Encoding::Xml, wire::Encoding::Wbxml] {
            let octets = wire::encode(encoding, &message).unwrap();
            let read = wire::decode(encoding, &octets, &WireLimits::CLIENT).unwrap().message;
            let [wire::Command::Alert(alert)] = read.commands.as_slice() else { panic!("{read:?}") };
            prop_assert_eq!(Prompt::from_alert(alert), Ok(prompt.clone()));
        }
    }

    #[test]
    fn whatever_the_items_hold_it_is_read_or_refused(code in 1100..1105u16, texts in proptest::collection::vec(proptest::option::of(".{0,30}"), 0..5)) {
        let texts: Vec<_> = texts.iter().map(Option::as_deref).collect();
        if let Ok(prompt) = Prompt::from_alert(&alert(code, &texts)) {
            prop_assert_eq!(Prompt::from_alert(&prompt.to_alert()), Ok(prompt.clone()));
            prop_assert_eq!(prompt.check(), Ok(()), "{}", format!("{prompt:?}"));
        }
    }
}
