//! One line of `tail` in its two forms: JSON for programs, text for people.
//!
//! Both programs print through here, so that `fsmond --watch`, `fsmonctl tail` and what a command gets on stdin are
//! the same. Names of fields and kinds are a promise to scripts: extend, never change. Nothing here travels on the
//! socket, and nothing here reads a clock.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::event::{Event, Gap, Occurrence, Origin, Record, RunRecord, WatchChange, What, Why};
use crate::fingerprint::FileType;
use crate::path::{self, RawPath};
use crate::run::Outcome;
use crate::units::Timestamp;

/// Every word that can stand in `kind`, in the order the manual lists them.
pub const KINDS: [&str; 10] =
    ["create", "modify", "delete", "rename", "attrib", "gap", "run", "schedule", "service", "watch"];

/// The word for what a record tells: one of [`KINDS`].
pub const fn kind_word(what: &What) -> &'static str {
    match what {
        What::Event(event) => event.kind.as_str(),
        What::Gap(_) => "gap",
        What::Run(_) => "run",
        What::Schedule(_) => "schedule",
        What::Service(_) => "service",
        What::Watch(_) => "watch",
    }
}

/// The JSON form, field by field; what is absent is left out. Paths are text, with the exact bytes in base64 beside
/// them only where the text is lossy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the fields are described where the records are, under the same names")]
pub struct JsonLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    pub time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<&'a str>,
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_bytes: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub file_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
}

impl<'a> JsonLine<'a> {
    /// One event from its parts, as a command gets it on stdin.
    pub fn of_event(seq: u64, time: Timestamp, watch: Option<&'a str>, event: &'a Event) -> Self {
        let mut line = Self { seq: Some(seq), time, watch, kind: event.kind.as_str(), ..Self::default() };
        line.event(event);
        line
    }

    fn event(&mut self, event: &'a Event) {
        self.set_path(&event.path);
        self.from = event.from.as_ref().map(RawPath::text);
        self.from_bytes = event.from.as_ref().and_then(RawPath::base64_if_lossy);
        self.file_type = Some(event.file_type.as_str());
        self.size = event.size;
        self.origin = Some(event.origin.as_str());
        self.why = event.why.map(Why::as_str);
    }

    fn gap(&mut self, gap: &'a Gap) {
        self.gap = Some(gap.id);
        self.since = Some(gap.since);
        self.reason = Some(gap.reason.as_str());
        self.scope = Some(gap.scope.text());
        self.scope_bytes = gap.scope.base64_if_lossy();
        self.closed = Some(gap.closed);
        self.found = gap.found;
    }

    fn run(&mut self, run: &'a RunRecord) {
        self.run = Some(run.run);
        self.trigger = Some(run.trigger.as_str());
        self.status = Some(run.status.as_str());
        self.attempt = Some(run.attempt);
        self.exit = run.exit;
        self.outcome = run.outcome.as_ref().map(Outcome::as_str);
        match &run.outcome {
            Some(Outcome::Signalled(signal)) => self.signal = Some(*signal),
            Some(Outcome::NotStarted(why) | Outcome::WorkerFailed(why)) => self.error = Some(why),
            Some(Outcome::Answered(answer, message)) => {
                (self.answer, self.message) = (Some(answer.as_str()), message.as_deref());
            }
            _ => {}
        }
        self.ms = run.ms;
        self.files = run.files;
        if let Some(path) = &run.path {
            self.set_path(path);
        }
    }

    fn schedule(&mut self, occurrence: &Occurrence) {
        self.due = Some(occurrence.due);
        self.looked = Some(occurrence.looked);
        self.pending = Some(occurrence.pending);
        self.status = Some(occurrence.status.as_str());
    }

    fn set_path(&mut self, path: &'a RawPath) {
        self.path = Some(path.text());
        self.path_bytes = path.base64_if_lossy();
    }
}

impl<'a> From<&'a Record> for JsonLine<'a> {
    fn from(record: &'a Record) -> Self {
        let mut line = Self {
            seq: Some(record.seq),
            time: record.time,
            watch: record.watch.as_deref(),
            kind: kind_word(&record.what),
            ..Self::default()
        };
        match &record.what {
            What::Event(event) => line.event(event),
            What::Gap(gap) => line.gap(gap),
            What::Run(run) => line.run(run),
            What::Schedule(occurrence) => line.schedule(occurrence),
            What::Service(status) => line.status = Some(status.as_str()),
            What::Watch(change) => {
                line.status = Some(change.status.as_str());
                line.detail = change.detail.as_deref();
            }
        }
        line
    }
}

/// The JSON itself, without a newline at its end and with none inside.
impl fmt::Display for JsonLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only strings, numbers and booleans under text keys: there is nothing in it that could fail.
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// A record as one line of JSON, without the newline.
pub fn json_line(record: &Record) -> String {
    JsonLine::from(record).to_string()
}

/// One event from its parts as one line of JSON, without the newline: what a command gets with `--stdin json`.
pub fn event_json_line(seq: u64, time: Timestamp, watch: Option<&str>, event: &Event) -> String {
    JsonLine::of_event(seq, time, watch, event).to_string()
}

/// The text form in pieces, so that a caller can align and colour them. Every piece is escaped and without newlines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLine<'a> {
    /// In UTC, to the millisecond: `2026-11-23 18:10:00.123Z`.
    pub time: String,
    /// The watch's name, or `-` for the service itself.
    pub watch: Cow<'a, str>,
    /// One of [`KINDS`].
    pub kind: &'static str,
    /// The path and whatever else there is to tell.
    pub rest: String,
}

impl<'a> From<&'a Record> for TextLine<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            time: record.time.for_people(),
            watch: record.watch.as_deref().map_or(Cow::Borrowed("-"), path::tame),
            kind: kind_word(&record.what),
            rest: match &record.what {
                What::Event(event) => event_text(event),
                What::Gap(gap) => gap_text(gap),
                What::Run(run) => run_text(run),
                What::Schedule(occurrence) => schedule_text(occurrence),
                What::Service(status) => status.as_str().to_owned(),
                What::Watch(change) => watch_text(change),
            },
        }
    }
}

impl fmt::Display for TextLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {:<8}  {}", self.time, self.watch, self.kind, self.rest)
    }
}

/// A record as one line for people, without colour and without the newline.
pub fn text_line(record: &Record) -> String {
    TextLine::from(record).to_string()
}

fn event_text(event: &Event) -> String {
    let path = path::quote(event.path.as_bytes());
    let text = match &event.from {
        Some(from) => format!("{} -> {path}", path::quote(from.as_bytes())),
        None => path.into_owned(),
    };
    let mut details = Vec::new();
    if event.file_type != FileType::File {
        details.push(event.file_type.as_str().to_owned());
    }
    if let Some(size) = event.size {
        details.push(format!("{size} byte{}", if size == 1 { "" } else { "s" }));
    }
    if event.origin != Origin::Live {
        details.push(event.origin.as_str().to_owned());
    }
    if let Some(why) = event.why {
        details.push(format!("why: {}", why.as_str()));
    }
    with_details(text, &details)
}

fn gap_text(gap: &Gap) -> String {
    let state = if gap.closed { "closed" } else { "open" };
    let text = format!("{state}: {} below {}", gap.reason.as_str(), path::quote(gap.scope.as_bytes()));
    let found = gap.found.map(|found| format!("{found} found"));
    with_details(text, found.as_slice())
}

fn run_text(run: &RunRecord) -> String {
    let mut text = format!("{} #{}", run.status.as_str(), run.run);
    if let Some(path) = &run.path {
        text.push_str("  ");
        text.push_str(&path::quote(path.as_bytes()));
    }
    if let Some(files) = run.files {
        // Writing to a string cannot fail.
        let _ = write!(text, "  {files} file{}", if files == 1 { "" } else { "s" });
    }
    let mut details = vec![run.trigger.as_str().to_owned(), format!("attempt {}", run.attempt)];
    details.extend(run.outcome.as_ref().map(ToString::to_string));
    details.extend(run.ms.map(|ms| format!("{ms} ms")));
    with_details(text, &details)
}

fn with_details(text: String, details: &[String]) -> String {
    if details.is_empty() { text } else { format!("{text}  ({})", details.join(", ")) }
}

fn schedule_text(occurrence: &Occurrence) -> String {
    format!(
        "{} due {}  ({} looked at, {} pending)",
        occurrence.status.as_str(),
        occurrence.due.for_people(),
        occurrence.looked,
        occurrence.pending
    )
}

fn watch_text(change: &WatchChange) -> String {
    match &change.detail {
        Some(detail) => format!("{}: {}", change.status.as_str(), path::tame(detail)),
        None => change.status.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests;
