//! The files in `conformance/`: what a specification demands, and what shows that it is there.

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::ci::root;

/// The rows of one protocol, from one file or from several.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Matrix {
    /// As in the totals: `dm`.
    pub(crate) protocol: String,
    pub(crate) section: Vec<Section>,
}

/// Rows that belong together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) row: Vec<Row>,
}

/// One requirement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// As in the specification.
    pub(crate) id: String,
    pub(crate) role: Role,
    /// In our own words.
    pub(crate) meaning: String,
    pub(crate) need: Need,
    /// `crate::it::module::name`, or `crate::lib::module::name` for a unit test.
    #[serde(default)]
    pub(crate) tests: Vec<String>,
    /// Why it is not there, as a customer would be told.
    pub(crate) reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    Client,
    Server,
    /// An application at the far end of the interface between server and service provider.
    Sp,
    /// Every role.
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Need {
    #[serde(rename = "M")]
    Mandatory,
    #[serde(rename = "O")]
    Optional,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mandatory => "M",
            Self::Optional => "O",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Sp => "sp",
            Self::Both => "both",
        })
    }
}

/// How many rows are what. Its text is the last line of the command, and stands in the README.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) protocol: String,
    pub(crate) shown: usize,
    pub(crate) reasoned: usize,
    pub(crate) open: usize,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, shown, reasoned, open } = self;
        let all = shown + reasoned + open;
        write!(f, "conformance: {protocol} {shown} of {all} shown, {reasoned} with a reason, {open} open")
    }
}

impl Matrix {
    /// All protocols: the files of each one after the other, by name.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let folder = root().join("conformance");
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort_by_key(|path| path.file_stem().map(ToOwned::to_owned));
        let mut all: Vec<Self> = Vec::new();
        for path in &paths {
            let read = Self::read(path)?;
            match all.iter_mut().find(|matrix| matrix.protocol == read.protocol) {
                Some(matrix) => matrix.section.extend(read.section),
                None => all.push(read),
            }
        }
        all.iter().try_for_each(Self::check)?;
        Ok(all)
    }

    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let matrix: Self = toml::from_str(text)?;
        matrix.check()?;
        Ok(matrix)
    }

    fn check(&self) -> Result<()> {
        let mut seen = BTreeSet::new();
        for row in self.rows() {
            ensure!(seen.insert(&row.id), "row {} is there twice", row.id);
            let reason = row.reason.as_ref();
            ensure!(row.tests.is_empty() || reason.is_none(), "row {} has tests and a reason: one is enough", row.id);
            ensure!(reason.is_none_or(|reason| reason.len() > 20), "row {}: that is no reason", row.id);
            for test in &row.tests {
                let named = TestName::parse(test).is_some();
                ensure!(named, "row {}: {test:?} is no crate::binary::module::name", row.id);
            }
        }
        Ok(())
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.section.iter().flat_map(|section| &section.row)
    }

    /// The totals where `passes` says which rows' tests do.
    pub(crate) fn totals(&self, passes: impl Fn(&Row) -> bool) -> Totals {
        let mut totals = Totals { protocol: self.protocol.clone(), shown: 0, reasoned: 0, open: 0 };
        for row in self.rows() {
            if row.reason.is_some() {
                totals.reasoned += 1;
            } else if !row.tests.is_empty() && passes(row) {
                totals.shown += 1;
            } else {
                totals.open += 1;
            }
        }
        totals
    }
}

/// What is wrong with the totals in the README: `cargo xtask tidy` compares them with the files.
pub(crate) fn drift() -> Result<Vec<String>> {
    let readme = fs::read_to_string(root().join("README.md"))?;
    let totals = Matrix::all()?.into_iter().map(|matrix| matrix.totals(|_| true).to_string());
    let missing = totals.filter(|line| readme.lines().all(|found| found.trim() != line));
    Ok(missing.map(|line| format!("README.md has no line {line:?}, which is what conformance/ says")).collect())
}

/// A test as a row names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TestName {
    pub(crate) package: String,
    /// `lib`, or the name of an integration test.
    pub(crate) binary: String,
    pub(crate) path: String,
}

impl TestName {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, "::");
        let (package, binary, path) = (parts.next()?, parts.next()?, parts.next()?);
        let usable = [package, binary, path].iter().all(|part| !part.is_empty() && !part.contains(char::is_whitespace));
        usable.then(|| Self { package: package.into(), binary: binary.into(), path: path.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        protocol = "x"
        [[section]]
        title = "One"
        [[section.row]]
        id = "A"
        role = "client"
        need = "M"
        meaning = "something"
        tests = ["dm-core::it::a::b"]
        [[section.row]]
        id = "B"
        role = "server"
        need = "O"
        meaning = "something else"
        reason = "nobody has ever asked for it"
        [[section.row]]
        id = "C"
        role = "both"
        need = "O"
        meaning = "the third"
    "#;

    #[test]
    fn a_row_is_shown_has_a_reason_or_is_open() -> Result<()> {
        let matrix = Matrix::parse(FILE)?;
        assert_eq!(matrix.totals(|_| true).to_string(), "conformance: x 1 of 3 shown, 1 with a reason, 1 open");
        assert_eq!(matrix.totals(|_| false).open, 2);
        Ok(())
    }

    #[test]
    fn a_file_that_contradicts_itself_is_refused() {
        for (from, to) in [
            ("id = \"B\"", "id = \"A\""),
            ("reason = ", "tests = [\"dm-core::it::a\"]\nreason = "),
            ("nobody has ever asked for it", "why not"),
            ("dm-core::it::a::b", "dm-core"),
            ("need = \"M\"", "need = \"X\""),
            ("meaning = \"the third\"", "meaning = \"the third\"\ntest = []"),
        ] {
            assert!(Matrix::parse(&FILE.replace(from, to)).is_err(), "{to}");
        }
    }
}
