//! Journals as files: JSON Lines, the header first, then one line per step.

use alloc::{format, string::String, vec::Vec};
use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Header, Journal, JournalOf, Record, Replay, VERSION, difference::difference};
use crate::Durable;

/// The longest line that is read: a step holds at most one message in and one out.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a file was not read as a journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file could not be read.
    #[error("the journal cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The first line is not a journal's header.
    #[error("line 1 is not the header of a journal: {0}")]
    Header(serde_json::Error),
    /// The journal is of another version of the form.
    #[error("the journal is of version {found}, this program reads version {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// The journal is of another machine.
    #[error("the journal is of {found}, not of {expected}")]
    Machine {
        /// The machine that was asked for.
        expected: &'static str,
        /// The journal's.
        found: String,
    },
    /// A line after the header is not a step.
    #[error("step {seq} (line {line}) cannot be read: {reason}")]
    Record {
        /// Counted from 1, the header included.
        line: usize,
        /// The step, as the line says, or else as its place says.
        seq: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A line is longer than [`LINE_BYTES_MAX`].
    #[error("line {line} is longer than {LINE_BYTES_MAX} bytes")]
    LineTooLong {
        /// Counted from 1.
        line: usize,
    },
}

/// Writes a journal.
///
/// # Errors
/// What the writer says.
pub fn write<P, S, I, O>(journal: &Journal<P, S, I, O>, to: &mut impl Write) -> io::Result<()>
where
    P: Serialize,
    S: Serialize,
    I: Serialize,
    O: Serialize,
{
    let mut line = |text: serde_json::Result<String>| writeln!(to, "{}", text?);
    line(serde_json::to_string(&journal.header))?;
    journal.records.iter().try_for_each(|record| line(serde_json::to_string(record)))
}

/// A journal whose header has been read far enough to know which machine it is of.
pub struct Opened<R> {
    machine: String,
    header: String,
    lines: Lines<R>,
}

/// Reads the first line of a journal.
///
/// # Errors
/// [`ReadError::Io`], [`ReadError::Header`], [`ReadError::Version`], [`ReadError::LineTooLong`].
pub fn open<R: BufRead>(from: R) -> Result<Opened<R>, ReadError> {
    #[derive(Deserialize)]
    struct Peek {
        journal: u32,
        machine: String,
    }
    let mut lines = Lines { from, line: 0 };
    let header = lines.next()?.unwrap_or_default();
    let Peek { journal: found, machine } = serde_json::from_str(&header).map_err(ReadError::Header)?;
    if found != VERSION {
        return Err(ReadError::Version { found });
    }
    Ok(Opened { machine, header, lines })
}

impl<R: BufRead> Opened<R> {
    /// Which machine the journal is of: `dm.server`.
    #[must_use]
    pub fn machine(&self) -> &str {
        &self.machine
    }

    /// The whole journal, as one of an `M`.
    ///
    /// Every record must be spelled as [`write()`] spells it, white space aside. So a change of any byte that means
    /// something is found: here if it makes no step any more, in the replay if it makes another.
    ///
    /// # Errors
    /// Any of [`ReadError`].
    pub fn read<M>(mut self) -> Result<JournalOf<M>, ReadError>
    where
        M: Durable,
        M::Profile: DeserializeOwned,
        M::Snapshot: DeserializeOwned,
        M::Input: Serialize + DeserializeOwned,
        M::Output: Serialize + DeserializeOwned,
    {
        if self.machine != M::NAME {
            return Err(ReadError::Machine { expected: M::NAME, found: self.machine });
        }
        let header: Header<M::Profile, M::Snapshot> = serde_json::from_str(&self.header).map_err(ReadError::Header)?;
        let mut records = Vec::new();
        while let Some(text) = self.lines.next()? {
            records.push(record(&text, self.lines.line, records.last())?);
        }
        Ok(Journal { header, records })
    }
}

fn record<I, O>(text: &str, line: usize, before: Option<&Record<I, O>>) -> Result<Record<I, O>, ReadError>
where
    I: Serialize + DeserializeOwned,
    O: Serialize + DeserializeOwned,
{
    let by_place = before.map_or(0, |before| before.seq + 1);
    let broken = |seq: u64, reason: String| ReadError::Record { line, seq, reason };
    let spelled: Value = serde_json::from_str(text).map_err(|error| broken(by_place, format!("{error}")))?;
    let seq = spelled.get("seq").and_then(Value::as_u64).unwrap_or(by_place);
    let record: Record<I, O> = serde_json::from_str(text).map_err(|error| broken(seq, format!("{error}")))?;
    let canonical = serde_json::to_value(&record).map_err(|error| broken(seq, format!("{error}")))?;
    match difference(&spelled, &canonical) {
        None => Ok(record),
        Some(difference) => Err(broken(seq, format!("not as a journal spells it\n{difference}"))),
    }
}

/// Restores the machine and replays the whole journal.
///
/// # Errors
/// The header's snapshot was not taken.
pub fn replay<M>(journal: JournalOf<M>) -> Result<Replay<M::Output, M::Misuse>, M::RestoreError>
where
    M: Durable,
    M::Output: PartialEq,
{
    let mut machine = M::restore(journal.header.first, &journal.header.profile)?;
    Ok(super::replay(&mut machine, journal.records))
}

/// Where two lists of outputs differ, for people; nothing where they are equal.
pub fn differ<O: Serialize>(recorded: &[O], replayed: &[O]) -> Option<String> {
    let value = |outputs: &[O]| serde_json::to_value(outputs).unwrap_or(Value::Null);
    difference(&value(recorded), &value(replayed))
}

/// Lines of bounded length.
struct Lines<R> {
    from: R,
    line: usize,
}

impl<R: BufRead> Lines<R> {
    /// Blank lines are passed over, so that a trailing one does no harm.
    fn next(&mut self) -> Result<Option<String>, ReadError> {
        loop {
            let mut text = String::new();
            self.line += 1;
            let bound = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
            if io::Read::take(&mut self.from, bound).read_line(&mut text)? == 0 {
                return Ok(None);
            }
            if text.len() == LINE_BYTES_MAX {
                return Err(ReadError::LineTooLong { line: self.line });
            }
            if !text.trim().is_empty() {
                return Ok(Some(text));
            }
        }
    }
}
