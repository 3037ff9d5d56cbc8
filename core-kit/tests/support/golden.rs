//! Stored forms as files in the repository, for the golden tests of all cores: each includes this file.
//!
//! Paths are those below the `tests` folder of the crate that includes it.

use std::{fs, path::PathBuf};

use core_kit::{
    Durable,
    journal::{JournalOf, Replay, file},
};
use serde::{Serialize, de::DeserializeOwned};

/// The file's text, after writing `text` to it if that was asked for.
fn golden(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the folder can be made");
        fs::write(&path, text).expect("the file can be written");
    }
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask bless` writes it", path.display()))
}

/// The machine's snapshot is the stored one, and is taken back.
pub(crate) fn check_snapshot<M>(name: &str, machine: &M, profile: &M::Profile)
where
    M: Durable<Snapshot: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug, RestoreError: std::fmt::Debug>,
{
    let text = serde_json::to_string_pretty(&machine.snapshot()).expect("a snapshot is JSON") + "\n";
    let stored = golden(&format!("snapshots/v1/{name}.json"), &text);
    assert_eq!(stored, text, "{name}: the stored form has changed; if that is meant, `cargo xtask bless`");
    let snapshot = serde_json::from_str(&stored).expect("the file is a snapshot");
    let restored = M::restore(snapshot, profile).expect("the snapshot is taken back");
    assert_eq!(restored.snapshot(), machine.snapshot());
    assert_eq!(restored.revision(), machine.revision());
}

/// The stored journal is of this machine, replays, and has as many steps as this one.
pub(crate) fn check_journal<M>(name: &str, journal: &JournalOf<M>)
where
    M: Durable<
            Profile: Serialize + DeserializeOwned,
            Snapshot: Serialize + DeserializeOwned,
            Input: Serialize + DeserializeOwned,
            Output: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
            RestoreError: std::fmt::Debug,
            Misuse: std::fmt::Debug,
        >,
{
    let mut text = Vec::new();
    file::write(journal, &mut text).expect("a journal is text");
    let stored = golden(&format!("journals/{name}.jsonl"), std::str::from_utf8(&text).expect("a journal is UTF-8"));
    let opened = file::open(stored.as_bytes()).expect("the file is a journal");
    assert_eq!(opened.machine(), M::NAME);
    let stored: JournalOf<M> = opened.read::<M>().expect("the file is a journal of this machine");
    let steps = journal.records.len();
    match file::replay::<M>(stored).expect("its snapshot is taken back") {
        Replay::Same { steps: replayed } => assert_eq!(replayed, steps),
        Replay::Diverged { seq, recorded, replayed } => {
            let place = file::differ(&recorded, &replayed).unwrap_or_default();
            panic!("{name}, step {seq}: the session says something else now\n{place}")
        }
        other => panic!("{name}: {other:?}"),
    }
}
