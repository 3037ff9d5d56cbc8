//! Where two JSON values differ, said so that a person sees it at once.

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write;

use serde_json::Value;

/// How many differences are listed.
const SHOWN_MAX: usize = 8;
/// How many characters are shown on each side of the first one that differs.
const CONTEXT: usize = 30;

/// One line per place that differs; nothing where the values are equal.
pub(super) fn difference(recorded: &Value, replayed: &Value) -> Option<String> {
    let mut found = Vec::new();
    walk("", recorded, replayed, &mut found);
    if found.is_empty() {
        return None;
    }
    let more = found.len().saturating_sub(SHOWN_MAX);
    found.truncate(SHOWN_MAX);
    let mut text = found.join("\n");
    if more > 0 {
        let _ = write!(text, "\n(and {more} more)");
    }
    Some(text)
}

/// The depth is that of the values, which `serde_json` bounds while reading.
fn walk(path: &str, recorded: &Value, replayed: &Value, found: &mut Vec<String>) {
    match (recorded, replayed) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                match b.get(key) {
                    Some(other) => walk(&format!("{path}.{key}"), value, other, found),
                    None => found.push(format!("  {path}.{key}: only recorded: {}", short(value))),
                }
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                found.push(format!("  {path}.{key}: only replayed: {}", short(value)));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for (at, pair) in a.iter().zip(b).enumerate() {
                walk(&format!("{path}[{at}]"), pair.0, pair.1, found);
            }
            for (at, value) in a.iter().enumerate().skip(b.len()) {
                found.push(format!("  {path}[{at}]: only recorded: {}", short(value)));
            }
            for (at, value) in b.iter().enumerate().skip(a.len()) {
                found.push(format!("  {path}[{at}]: only replayed: {}", short(value)));
            }
        }
        (Value::String(a), Value::String(b)) if a != b => found.push(text(path, a, b)),
        (a, b) if a != b => found.push(format!("  {path}: recorded {}, replayed {}", short(a), short(b))),
        _ => {}
    }
}

/// Two texts, cut around the first character that differs.
fn text(path: &str, recorded: &str, replayed: &str) -> String {
    let same = recorded.chars().zip(replayed.chars()).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(CONTEXT);
    let cut = |text: &str| -> String {
        let shown: String = text.chars().skip(from).take(same - from + CONTEXT).collect();
        let (before, after) = (from > 0, text.chars().nth(same + CONTEXT).is_some());
        format!("{}{shown}{}", if before { ".." } else { "" }, if after { ".." } else { "" })
    };
    format!(
        "  {path}: differs from character {same} on\n    recorded: {}\n    replayed: {}",
        cut(recorded),
        cut(replayed)
    )
}

fn short(value: &Value) -> String {
    let text = format!("{value}");
    if text.chars().count() <= 2 * CONTEXT {
        text
    } else {
        text.chars().take(2 * CONTEXT).chain("..".chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_have_no_difference() {
        assert_eq!(difference(&json!({"a": [1, "x"]}), &json!({"a": [1, "x"]})), None);
    }

    #[test]
    fn the_place_and_both_sides_are_named() {
        let found = difference(&json!([{"body": "<a>212</a>"}]), &json!([{"body": "<a>213</a>"}])).unwrap();
        assert!(found.contains("[0].body: differs from character 5"), "{found}");
        assert!(found.contains("recorded: <a>212</a>") && found.contains("replayed: <a>213</a>"), "{found}");
        let found = difference(&json!([1, {"k": 1}]), &json!([2])).unwrap();
        assert!(found.contains("[0]: recorded 1, replayed 2") && found.contains("[1]: only recorded"), "{found}");
    }

    #[test]
    fn a_long_list_is_cut() {
        let found = difference(&json!(alloc::vec![1; 20]), &json!(alloc::vec![2; 20])).unwrap();
        assert!(found.ends_with("(and 12 more)"), "{found}");
    }
}
