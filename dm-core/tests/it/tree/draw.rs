//! The tree as text.

use dm_core::{
    codes::StatusCode,
    tree::{Memory, Show, Verb},
    wire::Format,
};

fn sample() -> Memory {
    Memory::builder()
        .interior("./DevInfo")
        .media_type("urn:oma:mo:oma-dm-devinfo:1.0")
        .leaf("./DevInfo/Man", "Example")
        .title("Who made\tit")
        .leaf("./DevInfo/Mod", "\u{1b}[2J\"x\"")
        .leaf("./Acc/Secret", "hunter2")
        .access(&[Verb::Replace])
        .acl("Replace=srv")
        .leaf("./Acc/Data", [0, 0xff])
        .media_type("image/png")
        .leaf("./Long", "é".repeat(41))
        .leaf("./Run", "")
        .format(&Format::Null)
        .exec(StatusCode::OK)
        .finish()
        .unwrap()
}

#[test]
fn the_structure_shows_no_values() {
    let expected = "\
.  [Add=*&Get=*]
├─ Acc
│  ├─ Data  bin  image/png
│  └─ Secret  chr  [Replace=srv]
├─ DevInfo  urn:oma:mo:oma-dm-devinfo:1.0
│  ├─ Man  chr  (\"Who made\\tit\")
│  └─ Mod  chr
├─ Long  chr
└─ Run  null
";
    assert_eq!(sample().draw(Show::Structure).to_string(), expected);
}

#[test]
fn values_are_short_harmless_and_not_those_that_nobody_may_read() {
    let expected = format!(
        "\
.  [Add=*&Get=*]
├─ Acc
│  ├─ Data  bin  image/png = (2 octets)
│  └─ Secret  chr  [Replace=srv] = (hidden)
├─ DevInfo  urn:oma:mo:oma-dm-devinfo:1.0
│  ├─ Man  chr  (\"Who made\\tit\") = \"Example\"
│  └─ Mod  chr = \"\\u{{1b}}[2J\\\"x\\\"\"
├─ Long  chr = \"{}\"… (82 octets)
└─ Run  null = \"\"
",
        "é".repeat(40)
    );
    assert_eq!(sample().draw(Show::Values).to_string(), expected);
}
