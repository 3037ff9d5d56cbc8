//! Strategies for messages: everything that the model can hold and a codec must carry.
//!
//! What comes out is canonical, so that it equals itself after a trip through a codec: values that lose the white space
//! around them when they are read have none, and a [`Format`] that has a name of its own is never [`Format::Other`].
//! Commands are nested two deep at most and every list is short, so a message keeps within [`WireLimits::CLIENT`].
//! Whatever has parts is boxed: a strategy holds its parts by value, and a message of them would not fit on the stack.
//!
//! [`WireLimits::CLIENT`]: dm_core::limits::WireLimits::CLIENT

use dm_core::{
    codes::{AlertCode, StatusCode},
    ids::{CmdId, MsgId, SessionId},
    wire::{
        Alert, Anchor, Block, Chal, Command, Cred, Data, Delete, Edit, Exec, Filter, Format, Get, Header, Item,
        Location, Map, MapItem, Memory, Message, Meta, Refs, Results, Search, Status, Sync,
    },
};
use proptest::{
    char,
    collection::vec,
    option,
    prelude::{BoxedStrategy, Just, Strategy, any},
    prop_oneof,
    sample::select,
};

/// Text that is kept as it is: any characters of XML 1.0, those with a meaning in XML above all.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => char::range(' ', '~'),
        2 => select(vec!['<', '>', '&', '"', '\'', ']', '\t', '\n', '\r', ' ']),
        1 => prop_oneof![
            char::range('\u{80}', '\u{D7FF}'),
            char::range('\u{E000}', '\u{FFFD}'),
            char::range('\u{10000}', '\u{10FFFF}'),
        ],
    ];
    vec(character, 0..16).prop_map(String::from_iter)
}

/// Text without white space around it.
pub(crate) fn token() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.trim_matches([' ', '\t', '\r', '\n']).to_owned())
}

/// An address as a device has it, or any text.
pub(crate) fn uri() -> impl Strategy<Value = String> {
    prop_oneof![3 => "\\./[A-Z][a-z]{1,6}(/[A-Za-z0-9]{1,6}){0,3}(\\?list=Struct)?", 1 => token()]
}

/// A `CmdID`.
pub(crate) fn cmd_id() -> impl Strategy<Value = CmdId> {
    prop_oneof![4 => (1_u32..1000).prop_map(CmdId::from), 1 => token().prop_map(CmdId::from)]
}

/// A `Location` without `Filter`.
fn plain_location() -> BoxedStrategy<Location> {
    (uri(), option::of(text()))
        .prop_map(|(uri, name)| Location { name: name.map(Into::into), ..Location::new(uri) })
        .boxed()
}

/// A `Target` or `Source`, seldom with a `Filter`.
pub(crate) fn location() -> BoxedStrategy<Location> {
    let filter = (
        option::of(meta()),
        option::of(item_at(plain_location())),
        option::of(item_at(plain_location())),
        option::of(token()),
    )
        .prop_map(|(meta, field, record, filter_type)| Filter { meta, field, record, filter_type });
    (plain_location(), option::weighted(0.1, filter.prop_map(Box::new)))
        .prop_map(|(location, filter)| Location { filter, ..location })
        .boxed()
}

/// A `Format`, known or not.
pub(crate) fn format() -> impl Strategy<Value = Format> {
    use Format::{B64, Bin, Bool, Chr, Date, Float, Int, Node, Null, Time, Xml};
    prop_oneof![
        4 => select(vec![B64, Bin, Bool, Chr, Int, Node, Null, Xml, Date, Time, Float]),
        1 => token().prop_map(|token| Format::parse(&token)),
        1 => Just(Format::Other("Chr".to_owned())),
    ]
}

/// A `Meta`.
pub(crate) fn meta() -> BoxedStrategy<Meta> {
    let anchor = (option::of(text()), text()).prop_map(|(last, next)| Anchor { last, next });
    let memory = (any::<bool>(), any::<u64>(), any::<u64>()).prop_map(|(shared, free_bytes, free_ids)| Memory {
        shared,
        free_bytes,
        free_ids,
    });
    let rare = (
        option::weighted(0.1, anchor.prop_map(Box::new)),
        option::weighted(0.1, token()),
        vec(text(), 0..2),
        option::weighted(0.1, memory.prop_map(Box::new)),
        any::<bool>(),
    );
    let common = (
        option::of(format()),
        option::of(token()),
        option::of(token()),
        option::of(any::<u64>()),
        option::of(token()),
        option::of(any::<u64>()),
        option::of(any::<u64>()),
    );
    (common, rare)
        .prop_map(|(common, rare)| {
            let (format, media_type, mark, size, next_nonce, max_msg_size, max_obj_size) = common;
            let (anchor, version, emi, memory, field_level) = rare;
            let next_nonce = next_nonce.map(Into::into);
            Meta {
                field_level,
                format,
                media_type: media_type.map(Into::into),
                mark: mark.map(Into::into),
                size,
                anchor,
                version,
                next_nonce,
                max_msg_size,
                max_obj_size,
                emi,
                memory,
            }
        })
        .boxed()
}

/// A `Cred`.
pub(crate) fn cred() -> BoxedStrategy<Cred> {
    (option::of(meta()), text()).prop_map(|(meta, data)| Cred { meta, data: data.into() }).boxed()
}

/// Text as the value of an `Item`. Octets are not here: only some encodings have them.
pub(crate) fn data() -> impl Strategy<Value = Data> {
    text().prop_map(Data::from)
}

fn item_at(location: BoxedStrategy<Location>) -> BoxedStrategy<Item> {
    (
        option::of(location.clone()),
        option::of(location),
        option::weighted(0.1, uri()),
        option::weighted(0.1, uri()),
        option::of(meta().prop_map(Box::new)),
        option::of(data()),
        any::<bool>(),
    )
        .prop_map(|(target, source, source_parent, target_parent, meta, data, more_data)| Item {
            target,
            source,
            source_parent: source_parent.map(Into::into),
            target_parent: target_parent.map(Into::into),
            meta,
            data,
            more_data,
        })
        .boxed()
}

/// An `Item`.
pub(crate) fn item() -> BoxedStrategy<Item> {
    item_at(location())
}

fn items() -> BoxedStrategy<Vec<Item>> {
    vec(item(), 0..3).boxed()
}

/// `Add`, `Copy`, `Replace` or `Move`.
pub(crate) fn edit() -> BoxedStrategy<Edit> {
    (
        cmd_id(),
        any::<bool>(),
        option::weighted(0.1, cred().prop_map(Box::new)),
        option::of(meta().prop_map(Box::new)),
        items(),
    )
        .prop_map(|(cmd_id, no_resp, cred, meta, items)| Edit { cmd_id, no_resp, cred, meta, items })
        .boxed()
}

/// `Delete`.
pub(crate) fn delete() -> BoxedStrategy<Delete> {
    (edit(), any::<bool>(), any::<bool>())
        .prop_map(|(edit, archive, soft)| {
            let Edit { cmd_id, no_resp, cred, meta, items } = edit;
            Delete { cmd_id, no_resp, archive, soft, cred, meta, items }
        })
        .boxed()
}

/// `Get` or `Put`.
pub(crate) fn get() -> BoxedStrategy<Get> {
    (edit(), option::weighted(0.1, token()))
        .prop_map(|(edit, lang)| {
            let Edit { cmd_id, no_resp, cred, meta, items } = edit;
            Get { cmd_id, no_resp, lang, cred, meta, items }
        })
        .boxed()
}

/// `Exec`.
pub(crate) fn exec() -> BoxedStrategy<Exec> {
    (edit(), option::of(text()))
        .prop_map(|(edit, correlator)| {
            let Edit { cmd_id, no_resp, cred, meta, items } = edit;
            Exec { cmd_id, no_resp, cred, meta, correlator, items }
        })
        .boxed()
}

/// `Alert`.
pub(crate) fn alert() -> BoxedStrategy<Alert> {
    let code = prop_oneof![3 => 1100_u16..1230, 1 => any::<u16>()].prop_map(AlertCode);
    (
        cmd_id(),
        any::<bool>(),
        option::weighted(0.1, cred().prop_map(Box::new)),
        option::weighted(0.9, code),
        option::of(text()),
        items(),
    )
        .prop_map(|(cmd_id, no_resp, cred, code, correlator, items)| Alert {
            cmd_id,
            no_resp,
            cred,
            code,
            correlator,
            items,
        })
        .boxed()
}

/// `Results`.
pub(crate) fn results() -> BoxedStrategy<Results> {
    (
        option::of(cmd_id()),
        option::of(msg_id()),
        cmd_id(),
        option::weighted(0.2, token().prop_map(Into::into)),
        option::of(meta().prop_map(Box::new)),
        option::of(uri().prop_map(Into::into)),
        option::of(uri().prop_map(Into::into)),
        items(),
    )
        .prop_map(|(cmd_id, msg_ref, cmd_ref, cmd, meta, target_ref, source_ref, items)| Results {
            cmd_id,
            msg_ref,
            cmd_ref,
            cmd,
            meta,
            target_ref,
            source_ref,
            items,
        })
        .boxed()
}

/// `Status`.
pub(crate) fn status() -> BoxedStrategy<Status> {
    let code = prop_oneof![3 => 100_u16..600, 1 => any::<u16>()].prop_map(StatusCode);
    let cmd = prop_oneof![select(vec!["SyncHdr", "Get", "Replace"]).prop_map(str::to_owned), token()];
    let answered = (option::of(cmd_id()), msg_id(), option::of(cmd_id()), cmd);
    let chal = meta().prop_map(|meta| Chal { meta });
    let answer = (option::weighted(0.1, cred().prop_map(Box::new)), option::of(chal.prop_map(Box::new)), code, items());
    (answered, vec(uri().prop_map(Into::into), 0..3), vec(uri().prop_map(Into::into), 0..3), answer)
        .prop_map(|(answered, target_refs, source_refs, answer)| {
            let (cmd_id, msg_ref, cmd_ref, cmd) = answered;
            let ((cred, chal, code, items), cmd) = (answer, cmd.into());
            let (target_refs, source_refs) = (Refs::from(target_refs), Refs::from(source_refs));
            Status { cmd_id, msg_ref, cmd_ref, cmd, target_refs, source_refs, cred, chal, code, items }
        })
        .boxed()
}

fn map() -> BoxedStrategy<Map> {
    let item = (location(), location()).prop_map(|(target, source)| MapItem { target, source });
    (
        cmd_id(),
        option::of(location()),
        option::of(location()),
        option::of(cred().prop_map(Box::new)),
        option::of(meta().prop_map(Box::new)),
        vec(item, 0..3),
    )
        .prop_map(|(cmd_id, target, source, cred, meta, items)| Map { cmd_id, target, source, cred, meta, items })
        .boxed()
}

fn search() -> BoxedStrategy<Search> {
    (get(), any::<bool>(), option::of(location()), vec(location(), 0..3), option::of(data()))
        .prop_map(|(get, no_results, target, sources, data)| {
            let Get { cmd_id, no_resp, lang, cred, meta, items: _ } = get;
            Search { cmd_id, no_resp, no_results, cred, target, sources, lang, meta, data }
        })
        .boxed()
}

/// A command with no commands inside.
pub(crate) fn simple_command() -> BoxedStrategy<Command> {
    prop_oneof![
        edit().prop_map(Command::Add),
        alert().prop_map(Command::Alert),
        edit().prop_map(Command::Copy),
        delete().prop_map(Command::Delete),
        exec().prop_map(Command::Exec),
        get().prop_map(Command::Get),
        map().prop_map(|map| Command::Map(map.into())),
        edit().prop_map(Command::Move),
        get().prop_map(Command::Put),
        edit().prop_map(Command::Replace),
        results().prop_map(Command::Results),
        search().prop_map(|search| Command::Search(search.into())),
        status().prop_map(Command::Status),
    ]
    .boxed()
}

/// An `Atomic`, a `Sequence` or a `Sync` of commands.
fn block_of(command: BoxedStrategy<Command>) -> BoxedStrategy<Command> {
    let block = (cmd_id(), any::<bool>(), option::of(meta().prop_map(Box::new)), vec(command.clone(), 0..3))
        .prop_map(|(cmd_id, no_resp, meta, commands)| Block { cmd_id, no_resp, meta, commands })
        .boxed();
    let sync = (edit(), option::of(location()), option::of(location()), option::of(any::<u64>()), vec(command, 0..3))
        .prop_map(|(edit, target, source, number_of_changes, commands)| {
            let Edit { cmd_id, no_resp, cred, meta, items: _ } = edit;
            Sync { cmd_id, no_resp, cred, target, source, meta, number_of_changes, commands }
        });
    prop_oneof![
        block.clone().prop_map(Command::Atomic),
        block.prop_map(Command::Sequence),
        sync.prop_map(|sync| Command::Sync(sync.into())),
    ]
    .boxed()
}

/// Any command. What it nests are any commands too, since a codec does not judge.
pub(crate) fn command() -> BoxedStrategy<Command> {
    let inner = prop_oneof![4 => simple_command(), 1 => block_of(simple_command())];
    prop_oneof![4 => simple_command(), 1 => block_of(inner.boxed())].boxed()
}

/// A `MsgID`.
pub(crate) fn msg_id() -> impl Strategy<Value = MsgId> {
    prop_oneof![4 => 0_u32..10, 1 => any::<u32>()].prop_map(MsgId)
}

/// A `SyncHdr`.
pub(crate) fn header() -> BoxedStrategy<Header> {
    let version = prop_oneof![
        3 => Just(("1.2".to_owned(), "DM/1.2".to_owned())),
        1 => Just(("1.1".to_owned(), "DM/1.1".to_owned())),
        1 => (token(), token()),
    ];
    let session = prop_oneof!["[0-9A-F]{1,4}", token()].prop_map(SessionId::from);
    (
        (version, session, msg_id()),
        (location(), location(), option::of(uri())),
        (any::<bool>(), option::of(cred().prop_map(Box::new)), option::of(meta().prop_map(Box::new))),
    )
        .prop_map(|(session, places, rest)| {
            let ((ver_dtd, ver_proto), session_id, msg_id) = session;
            let (ver_dtd, ver_proto) = (ver_dtd.into(), ver_proto.into());
            let (target, source, resp_uri) = places;
            let (no_resp, cred, meta) = rest;
            Header { ver_dtd, ver_proto, session_id, msg_id, target, source, resp_uri, no_resp, cred, meta }
        })
        .boxed()
}

/// A whole message.
pub(crate) fn message() -> BoxedStrategy<Message> {
    (header(), vec(command(), 0..5), any::<bool>())
        .prop_map(|(header, commands, is_final)| Message { header, commands, is_final })
        .boxed()
}
