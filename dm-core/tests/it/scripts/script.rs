//! A script as a file: comments, settings, steps.

use std::{fs, path::PathBuf};

/// Something at the margin, and the indented lines below it.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    /// Where it is, from 1.
    pub(super) line: usize,
    pub(super) head: String,
    pub(super) body: Vec<String>,
    /// Comments before it.
    comments: Vec<String>,
}

/// A whole script.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) name: String,
    /// The comment that it begins with.
    pub(super) title: Vec<String>,
    pub(super) settings: Vec<(String, String)>,
    pub(super) steps: Vec<Step>,
}

pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

impl Script {
    pub(super) fn read(name: &str) -> Result<Self, String> {
        let path = folder().join(format!("{name}.txt"));
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(name, &text)
    }

    pub(super) fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut script = Self { name: name.into(), title: Vec::new(), settings: Vec::new(), steps: Vec::new() };
        let mut comments: Vec<String> = Vec::new();
        let mut in_head = true;
        for (at, line) in text.lines().enumerate() {
            let wrong = |what: &str| Err(format!("{name}.txt:{}: {what}", at + 1));
            if line.trim_end() != line {
                return wrong("space at the end of the line");
            }
            if let Some(comment) = line.strip_prefix('#') {
                if in_head { &mut script.title } else { &mut comments }.push(comment.trim().into());
            } else if line.is_empty() {
                in_head = false;
            } else if in_head {
                let Some((key, value)) = line.split_once(": ") else { return wrong("this is no setting") };
                script.settings.push((key.into(), value.into()));
            } else if line.starts_with(' ') {
                let Some(step) = script.steps.last_mut() else { return wrong("nothing is above this") };
                step.body.push(line.into());
            } else {
                let comments = std::mem::take(&mut comments);
                script.steps.push(Step { line: at + 1, head: line.into(), body: Vec::new(), comments });
            }
        }
        if script.title.is_empty() {
            return Err(format!("{name}.txt: the first line says in a comment what the script is about"));
        }
        Ok(script)
    }

    /// The first setting of the name.
    pub(super) fn setting<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// All settings of the name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.settings.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The file with these steps, where `is_input` says which begin something new.
    pub(super) fn write(&self, steps: &[Step], is_input: impl Fn(&Step) -> bool) -> Result<(), String> {
        let mut lines: Vec<String> = self.title.iter().map(|line| format!("# {line}")).collect();
        lines.extend(self.settings.iter().map(|(key, value)| format!("{key}: {value}")));
        for step in steps {
            if is_input(step) {
                lines.push(String::new());
            }
            lines.extend(step.comments.iter().map(|line| format!("# {line}")));
            lines.push(step.head.clone());
            lines.extend(step.body.iter().cloned());
        }
        let path = folder().join(format!("{}.txt", self.name));
        fs::write(&path, lines.join("\n") + "\n").map_err(|error| format!("{}: {error}", path.display()))
    }
}

impl Step {
    pub(super) fn of(lines: Vec<String>) -> Self {
        let mut lines = lines.into_iter();
        Self { head: lines.next().unwrap_or_default(), body: lines.collect(), ..Self::default() }
    }

    pub(super) fn word(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// What follows the first word.
    pub(super) fn rest(&self) -> &str {
        self.head.split_once(' ').map_or("", |(_, rest)| rest)
    }

    /// Its lines and their numbers.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let all = std::iter::once(self.head.as_str()).chain(self.body.iter().map(String::as_str));
        all.enumerate().map(|(at, line)| (self.line + at, line))
    }
}
