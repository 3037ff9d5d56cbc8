//! Whole sessions as text: what each side sends, and what must come out. `tests/scripts/README.md` tells the notation.
//!
//! Each script runs against one of our machines, in XML and in WBXML, and the machine goes through its snapshot after
//! every step. `cargo xtask scripts` prints what they cover.

use std::{collections::BTreeSet, env, fmt, fs};

use dm_core::wire::Encoding;

mod client;
mod message;
mod notes;
mod run;
mod script;
mod server;
mod text;

use script::Script;

/// Which side of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// Runs a script in every encoding that it is for.
fn check(name: &str) {
    if let Err(error) = run_all(&name.replace('_', "-")) {
        panic!("{error}");
    }
}

fn run_all(name: &str) -> Result<(), String> {
    let mut script = Script::read(name)?;
    let encodings: &[Encoding] = match script.setting("encoding") {
        None => &[Encoding::Xml, Encoding::Wbxml],
        Some("xml") => &[Encoding::Xml],
        Some("wbxml") => &[Encoding::Wbxml],
        Some(other) => return Err(format!("{name}.txt: what is the encoding {other}?")),
    };
    let run = match script.setting("machine") {
        Some("client") => run::run::<client::Client>,
        Some("server") => run::run::<server::Server>,
        _ => return Err(format!("{name}.txt: whose machine is it for?")),
    };
    if env::var_os("BLESS").is_some() {
        run(&script, encodings[0], true)?;
        script = Script::read(name)?;
    }
    let mut covered = Vec::new();
    for encoding in encodings {
        let mut notes = run(&script, *encoding, false)?;
        notes.cover("encoding", format!("{encoding:?}"));
        covered.push(notes.covered);
    }
    // For `cargo xtask scripts`, which asks for the output of tests that pass.
    println!("\n@script\t{name}\t{}", script.title.join(" "));
    let bad: Vec<&str> = script.all("bad input").collect();
    for input in bad {
        println!("@covers\tbad input\t{input}");
    }
    for (kind, whats) in covered.iter().flatten() {
        for what in whats {
            println!("@covers\t{kind}\t{what}");
        }
    }
    Ok(())
}

/// What a script of these steps fails with, where `client-nothing-to-do` has them otherwise.
fn fails(from: &str, to: &str) -> String {
    let text = fs::read_to_string(script::folder().join("client-nothing-to-do.txt")).unwrap();
    assert!(text.contains(from), "{text}");
    let altered = Script::parse("altered", &text.replace(from, to)).unwrap();
    run::run::<client::Client>(&altered, Encoding::Xml, false).map(drop).unwrap_err()
}

#[test]
fn a_difference_is_told_with_its_line() {
    let error = fails("  1 Alert 1201", "  1 Alert 1200");
    assert!(error.starts_with("altered.txt:6 (Xml)\n  said:   1 Alert 1200\n  came:   1 Alert 1201\n"), "{error}");
    let error = fails("end completed", "end peer-aborted");
    assert!(error.contains("came: end completed"), "{error}");
}

#[test]
fn what_comes_out_and_is_not_stated_fails() {
    let error = fails("\nend completed", "");
    assert!(error.contains("at the end this comes out too:\nend completed"), "{error}");
    let error = fails("report authenticated\n", "\nwait 1\n");
    assert!(error.contains("before this, this comes out too:\nreport authenticated"), "{error}");
}

#[test]
fn what_is_stated_and_does_not_come_out_fails() {
    let error = fails("end completed", "end completed\nreport authenticated");
    assert!(error.contains("this does not come out:\nreport authenticated"), "{error}");
    let error = fails("  Final\nreport", "  Final\n  Final\nreport");
    assert!(error.contains("a command has a number and a name"), "{error}");
}

#[test]
fn a_message_is_written_in_one_way_only() {
    let error = fails("  1 Status 1/0 SyncHdr 200", "  1 Status 1/0   SyncHdr 200");
    assert!(error.contains("write\n    1 Status 1/0 SyncHdr 200\ninstead of"), "{error}");
}

macro_rules! scripts {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )+

        #[test]
        fn every_script_on_disk_is_run() {
            let named: BTreeSet<String> = [$(stringify!($name)),+].iter().map(|name| name.replace('_', "-")).collect();
            let files = fs::read_dir(script::folder()).expect("the folder is there").map(|entry| entry.unwrap().path());
            let texts = files.filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
            let found: BTreeSet<String> = texts.map(|path| path.file_stem().unwrap().to_string_lossy().into()).collect();
            assert_eq!(found, named);
        }
    };
}

scripts! {
    client_abort_received
    client_aborts
    client_alerts
    client_auth_basic
    client_auth_mac
    client_auth_md5
    client_auth_per_message
    client_both_challenged
    client_broken_commands
    client_challenged
    client_challenged_again
    client_challenged_to_basic
    client_challenged_without_chal
    client_command_ids
    client_dtd_refused
    client_endless
    client_gap
    client_get_sub_tree
    client_items
    client_lost
    client_malformed
    client_next_message
    client_next_message_unasked
    client_no_room
    client_nothing_to_do
    client_notified
    client_number_reused
    client_other_session
    client_plain
    client_refused
    client_repeated
    client_resp_uri
    client_sequence
    client_sequence_nested
    client_server_basic
    client_server_challenged
    client_server_mac
    client_server_mac_challenged
    client_server_md5
    client_server_per_message
    client_server_refused
    client_server_stronger
    client_server_unreadable
    client_server_wants_nothing
    client_server_weaker
    client_server_wrong
    client_statuses_add
    client_statuses_copy
    client_statuses_delete
    client_statuses_exec
    client_statuses_get
    client_statuses_replace
    client_too_many_messages
    client_unexpected
    client_unknown_commands
    client_unreachable
    client_version_1_1
    client_version_1_3
    client_version_recommended
    client_version_refused
    client_wrong_reference
    server_aborts
    server_alert_types
    server_alerts
    server_auth_basic
    server_auth_mac
    server_auth_mac_wrong
    server_auth_md5
    server_auth_never
    server_auth_per_message
    server_auth_stronger
    server_auth_unreadable
    server_auth_unsupported
    server_auth_weaker
    server_auth_wrong
    server_blocks
    server_busy
    server_challenged
    server_challenged_in_vain
    server_challenged_to_basic
    server_challenged_without_nonce
    server_command_ids
    server_commands_of_a_device
    server_cred_in_command
    server_device_aborts
    server_endless
    server_gap
    server_late
    server_malformed
    server_next_message
    server_next_message_unasked
    server_next_session
    server_no_device_info
    server_no_header_status
    server_no_room
    server_not_served
    server_object_early_final
    server_object_fetched
    server_object_given_up
    server_object_in
    server_object_in_abandoned
    server_object_in_alert
    server_object_in_another
    server_object_in_longer
    server_object_in_shorter
    server_object_in_too_large
    server_object_in_without_size
    server_object_mismatch
    server_object_out
    server_object_refused
    server_object_too_large
    server_object_unanswered
    server_opens_with_anything
    server_orders_refused
    server_other_session
    server_plain
    server_prompts
    server_prompts_in_blocks
    server_refused
    server_repeated
    server_resp_uri
    server_reused_number
    server_silence
    server_status_in_progress
    server_stranger_silence
    server_too_many_commands
    server_too_many_messages
    server_unexpected_results
    server_unexpected_status
    server_version_1_1
    server_version_1_3
    server_version_changed
    server_version_disabled
    server_version_dtd
    server_version_mixed
    server_version_protocol
    server_version_recommended
}
