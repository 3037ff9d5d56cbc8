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
    server_plain
    client_plain
}
