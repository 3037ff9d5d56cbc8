//! Runs as files: a scenario, a seed, and the decisions that make the run.
//!
//! ```text
//! {"transport-sim":"recording","version":1,"scenario":"ledger","seed":4711,"rule":"L1","story":"a copy is booked twice"}
//! {"node":1,"about":2,"site":"fault.message","nth":3,"options":16,"chosen":3}
//! ```
//!
//! The first line is the head; `rule` and `story` may be absent. Each other line is a decision. A replay needs no
//! generator: what the file does not say is 0.

use serde_json::Value;

use crate::{
    NodeId,
    decide::{Decision, Site, Who},
};

/// The version of the form that this crate writes and reads.
pub const RECORDING_VERSION: u64 = 1;

/// Octets of a line, and decisions of a file.
const LINE_MAX: usize = 64 * 1024;
const DECISIONS_MAX: usize = 10_000_000;

/// A run that can be had again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// What was simulated, in the words of whoever simulates.
    pub scenario: String,
    /// What the scenario and the entropy follow from.
    pub seed: u64,
    /// The rule that is broken, if one is.
    pub rule: Option<String>,
    /// What happens, for people, in one line.
    pub story: Option<String>,
    /// The choices that are not 0.
    pub decisions: Vec<Decision>,
}

/// Why a file is no recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct RecordingError {
    /// Where, from 1.
    pub line: usize,
    /// What is wrong.
    pub fault: RecordingFault,
}

/// What is wrong with a line of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordingFault {
    /// It is no JSON object, or too long to be read.
    #[error("a JSON object is expected")]
    NotAnObject,
    /// The first line is of another kind of file.
    #[error("this is not the head of a recording")]
    NotARecording,
    /// It was written in a form that this crate does not know.
    #[error("version {0} is not known")]
    Version(u64),
    /// A field is not there, or of another type, or out of its range.
    #[error("the field {0:?} is missing or wrong")]
    Field(&'static str),
    /// There are more decisions, or more different sites, than are read.
    #[error("there is too much")]
    TooMuch,
}

impl Recording {
    /// The file.
    #[must_use]
    pub fn write(&self) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        let optional = |name: &str, text: &Option<String>| {
            text.as_ref().map(|text| format!(",\"{name}\":{}", quoted(text))).unwrap_or_default()
        };
        let mut lines = vec![format!(
            "{{\"transport-sim\":\"recording\",\"version\":{RECORDING_VERSION},\"scenario\":{},\"seed\":{}{}{}}}\n",
            quoted(&self.scenario),
            self.seed,
            optional("rule", &self.rule),
            optional("story", &self.story),
        )];
        lines.extend(self.decisions.iter().map(|Decision { who, site, nth, options, chosen }| {
            let about = who.about.map_or("null".into(), |about| about.to_string());
            format!(
                "{{\"node\":{},\"about\":{about},\"site\":{},\"nth\":{nth},\"options\":{options},\"chosen\":{chosen}}}\n",
                who.node,
                quoted(site.0)
            )
        }));
        lines.concat()
    }

    /// Reads what [`write`](Self::write) wrote. Empty lines are passed over.
    ///
    /// # Errors
    /// The first line that is wrong, and how.
    pub fn read(text: &str) -> Result<Self, RecordingError> {
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let at = |line| move |fault| RecordingError { line, fault };
        let (number, head) = lines.next().ok_or(at(1)(RecordingFault::NotARecording))?;
        let mut recording = read_head(head).map_err(at(number))?;
        for (number, line) in lines {
            if recording.decisions.len() == DECISIONS_MAX {
                return Err(at(number)(RecordingFault::TooMuch));
            }
            recording.decisions.push(read_decision(line).map_err(at(number))?);
        }
        Ok(recording)
    }
}

fn object(line: &str) -> Result<Value, RecordingFault> {
    if line.len() > LINE_MAX {
        return Err(RecordingFault::NotAnObject);
    }
    serde_json::from_str(line).ok().filter(Value::is_object).ok_or(RecordingFault::NotAnObject)
}

fn read_head(line: &str) -> Result<Recording, RecordingFault> {
    let head = object(line)?;
    if head.get("transport-sim").and_then(Value::as_str) != Some("recording") {
        return Err(RecordingFault::NotARecording);
    }
    match head.get("version").and_then(Value::as_u64) {
        Some(RECORDING_VERSION) => {}
        Some(other) => return Err(RecordingFault::Version(other)),
        None => return Err(RecordingFault::Field("version")),
    }
    let optional = |name: &'static str| match head.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(RecordingFault::Field(name)),
    };
    Ok(Recording {
        scenario: optional("scenario")?.ok_or(RecordingFault::Field("scenario"))?,
        seed: head.get("seed").and_then(Value::as_u64).ok_or(RecordingFault::Field("seed"))?,
        rule: optional("rule")?,
        story: optional("story")?,
        decisions: Vec::new(),
    })
}

fn read_decision(line: &str) -> Result<Decision, RecordingFault> {
    let decision = object(line)?;
    let number = |name: &'static str| {
        let number = decision.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        number.ok_or(RecordingFault::Field(name))
    };
    let about = match decision.get("about") {
        None | Some(Value::Null) => None,
        Some(_) => Some(NodeId(number("about")?)),
    };
    let site = decision.get("site").and_then(Value::as_str).ok_or(RecordingFault::Field("site"))?;
    Ok(Decision {
        who: Who { node: NodeId(number("node")?), about },
        site: Site::named(site).ok_or(RecordingFault::TooMuch)?,
        nth: number("nth")?,
        options: number("options")?,
        chosen: number("chosen")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording() -> Recording {
        let decision = |about, chosen| Decision {
            who: Who { node: NodeId(1), about },
            site: Site("link.loss"),
            nth: 3,
            options: u32::MAX,
            chosen,
        };
        Recording {
            scenario: "a \"name\"".into(),
            seed: u64::MAX,
            rule: Some("D29".into()),
            story: None,
            decisions: vec![decision(None, 1), decision(Some(NodeId(0)), 7)],
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = recording().write();
        assert_eq!(Recording::read(&text), Ok(recording()));
        assert_eq!(Recording::read(&format!("\n{}\n\n", text.replace('\n', "\r\n"))), Ok(recording()));
    }

    #[test]
    fn what_is_no_recording_is_refused_with_its_line() {
        let text = recording().write();
        let fault = |text: &str| Recording::read(text).map_err(|error| (error.line, error.fault));
        assert_eq!(fault(""), Err((1, RecordingFault::NotARecording)));
        assert_eq!(fault("{}"), Err((1, RecordingFault::NotARecording)));
        assert_eq!(fault("[]"), Err((1, RecordingFault::NotAnObject)));
        assert_eq!(fault(&text.replace("\"version\":1", "\"version\":2")), Err((1, RecordingFault::Version(2))));
        assert_eq!(fault(&text.replace("\"seed\":1", "\"seed\":-1")), Err((1, RecordingFault::Field("seed"))));
        assert_eq!(fault(&text.replace("\"nth\":3", "\"nth\":4294967296")), Err((2, RecordingFault::Field("nth"))));
        assert_eq!(fault(&text.replace("\"about\":0", "\"about\":\"\"")), Err((3, RecordingFault::Field("about"))));
        assert_eq!(fault(&text.replace("link.loss", &"x".repeat(65))), Err((2, RecordingFault::TooMuch)));
        assert_eq!(fault(&format!("{text}nothing")), Err((4, RecordingFault::NotAnObject)));
    }
}
