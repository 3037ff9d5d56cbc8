//! Which statuses the source of each role can give: the constants that it names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::ci::root;

/// Where each role's statuses come from, in `dm-core/src`.
const PARTS: [(&str, &[&str]); 2] =
    [("client", &["client", "session", "tree", "prompt"]), ("server", &["server", "session", "fault.rs"])];

/// `client 404`, `server 212`..
pub(crate) fn statuses() -> Result<BTreeSet<String>> {
    let source = root().join("dm-core/src");
    let codes = constants(&fs::read_to_string(source.join("codes.rs"))?);
    let mut found = BTreeSet::new();
    for (role, parts) in PARTS {
        for part in parts {
            for file in files(&source.join(part))? {
                let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
                let names = named(&text);
                found.extend(names.iter().filter_map(|name| Some(format!("{role} {}", codes.get(name)?))));
            }
        }
    }
    Ok(found)
}

/// The Rust files below a folder, or the file itself; nothing where neither is there.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(path.exists().then(|| path.to_path_buf()).into_iter().collect());
    }
    let mut all = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if !is_test && (path.is_dir() || path.extension().is_some_and(|extension| extension == "rs")) {
            all.extend(files(&path)?);
        }
    }
    Ok(all)
}

/// Name and number of each status: lines like `OK = 200 "OK";` of the macro's call for `StatusCode`.
fn constants(text: &str) -> BTreeMap<String, u16> {
    let own = text.split("codes! {").find(|part| part.trim_start().starts_with("StatusCode")).unwrap_or_default();
    let lines = own.lines().filter_map(|line| {
        let (name, rest) = line.trim().split_once(" = ")?;
        Some((name.to_owned(), rest.split(' ').next()?.parse().ok()?))
    });
    lines.collect()
}

/// The constants of `StatusCode` that a file names outside of its tests.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let uses = lines.flat_map(|line| line.split("StatusCode::").skip(1));
    let name = |part: &str| part.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect::<String>();
    uses.map(name).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_found_in_code_and_not_in_tests_or_comments() {
        let text = "fn f() { (StatusCode::OK, StatusCode::NOT_FOUND) }\n// StatusCode::BUSY\n#[cfg(test)]\nmod tests { \
            StatusCode::CONFLICT }";
        assert_eq!(named(text), ["NOT_FOUND".to_owned(), "OK".to_owned()].into());
        let codes = constants("codes! { StatusCode:\n  OK = 200 \"OK\";\n}\ncodes! { AlertCode:\n X = 1 \"x\"; }");
        assert_eq!(codes, [("OK".to_owned(), 200)].into());
    }
}
