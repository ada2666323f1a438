//! What came out of the machine, as a story tells it: some words, some `key=value`, and when.

use std::collections::BTreeMap;
use std::fmt;

use fsmon_core::io::{Change, SpawnRequest};
use fsmon_protocol::RawPath;
use fsmon_protocol::event::{EventKind, Record, What, Why};
use fsmon_protocol::explain::{Explained, OnDisk, RunsNot, Waits};
use fsmon_protocol::run::RunStatus;
use fsmon_protocol::units::{Span, Timestamp};

pub struct Outcome {
    words: Vec<String>,
    fields: BTreeMap<&'static str, String>,
    /// Nanoseconds since the story began.
    pub at: u64,
    /// What is said to people.
    pub detail: String,
}

/// How paths and times are told: relative to the first root, and to the beginning.
#[derive(Clone, Default)]
pub struct Frame {
    pub root: String,
    pub wall: i64,
}

impl Frame {
    fn path(&self, path: &RawPath) -> String {
        let text = path.text();
        let below = text.strip_prefix(&self.root).and_then(|rest| rest.strip_prefix('/'));
        below.map_or_else(|| text.to_string(), str::to_owned)
    }

    fn time(&self, time: Timestamp) -> String {
        let nanos = time.0 - self.wall;
        let span = Span(std::time::Duration::from_nanos(nanos.unsigned_abs()));
        if nanos < 0 { format!("-{span}") } else { span.to_string() }
    }
}

impl Outcome {
    pub fn new(at: u64, words: &[&str]) -> Self {
        let words = words.iter().map(|&w| w.to_owned()).collect();
        Self { words, fields: BTreeMap::new(), at, detail: String::new() }
    }

    #[allow(clippy::needless_pass_by_value, reason = "easier to read where it is called")]
    pub fn with<T: ToString>(mut self, key: &'static str, value: T) -> Self {
        self.fields.insert(key, value.to_string());
        self
    }

    pub fn saying(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    fn maybe(self, key: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// A record of the journal. The start of a run is left out: `starts` tells it.
    pub fn record(record: &Record, at: u64, frame: &Frame) -> Option<Self> {
        let watch = record.watch.as_deref().unwrap_or("-");
        let outcome = match &record.what {
            What::Event(event) => Self::new(at, &["told", event.kind.as_str(), &frame.path(&event.path)])
                .with("type", event.file_type.as_str())
                .with("origin", event.origin.as_str())
                .maybe("from", event.from.as_ref().map(|from| frame.path(from)))
                .maybe("size", event.size)
                .maybe("why", event.why.map(Why::as_str)),
            What::Gap(gap) => {
                Self::new(at, &["told", "gap", gap.reason.as_str(), if gap.closed { "closed" } else { "open" }])
                    .with("scope", frame.path(&gap.scope))
                    .with("gap", gap.id)
                    .with("since", frame.time(gap.since))
                    .maybe("found", gap.found)
            }
            What::Run(run) if run.status == RunStatus::Started => return None,
            What::Run(run) => {
                let path = run.path.as_ref().map(|path| frame.path(path));
                let words = ["told", "run", run.status.as_str()].into_iter().chain(path.as_deref());
                Self::new(at, &words.collect::<Vec<_>>())
                    .with("trigger", run.trigger.as_str())
                    .with("attempt", run.attempt)
                    .maybe("exit", run.exit)
                    .maybe("files", run.files)
            }
            What::Schedule(it) => Self::new(at, &["told", "schedule", it.status.as_str()])
                .with("due", frame.time(it.due))
                .with("looked", it.looked)
                .with("pending", it.pending),
            What::Service(status) => Self::new(at, &["told", "service", status.as_str()]),
            What::Watch(change) => Self::new(at, &["told", "watch", change.status.as_str()])
                .saying(change.detail.clone().unwrap_or_default()),
        };
        Some(outcome.with("watch", watch))
    }

    /// What a watch has to say of a path.
    pub fn explained(told: &Explained, at: u64, frame: &Frame) -> Self {
        let waits = told.waits.iter().map(|waits| match waits {
            Waits::ReadyFile(path) => format!("ready_file:{}", frame.path(path)),
            other => other.as_str().to_owned(),
        });
        let disk = match &told.disk {
            OnDisk::Missing => "missing".to_owned(),
            OnDisk::Here { file_type, as_known: Some(false), .. } => format!("other-{}", file_type.as_str()),
            OnDisk::Here { file_type, .. } => file_type.as_str().to_owned(),
            OnDisk::Through(file_type, path) => format!("through-{}:{}", file_type.as_str(), frame.path(path)),
            OnDisk::Unknown(why) => why.clone(),
        };
        let file = told.file.as_ref();
        Self::new(at, &[])
            .with("is", told.standing().as_str())
            .with("watch", &told.watch)
            .with("state", told.state.as_str())
            .with("rule", told.ruling.rule.as_str())
            .with("pattern", told.ruling.pattern.as_deref().unwrap_or("none"))
            .with("by", frame.path(&told.ruling.at))
            .maybe("line", told.ruling.line.as_ref().map(|(file, line)| format!("{}:{line}", frame.path(file))))
            .with("disk", disk)
            .with("waits", join(waits))
            .with("runs-not", told.runs_not.map_or("-", RunsNot::as_str))
            .with("again", told.again)
            .with("unsettled", told.unsettled)
            .with("gaps", told.gaps.len())
            .maybe("run", told.run)
            .maybe("attempts", file.map(|file| file.attempts))
            .maybe("kind", file.and_then(|file| file.kind).map(EventKind::as_str))
            .maybe("due", file.and_then(|file| file.due).map(|due| frame.time(due)))
    }

    /// A command that is started.
    pub fn spawn(request: &SpawnRequest, at: u64, frame: &Frame) -> Self {
        let path = frame.path(&request.root.join(request.rel.as_bytes()));
        Self::new(at, &["starts", &path])
            .with("watch", &request.watch_name)
            .with("event", request.kind.as_str())
            .with("trigger", request.trigger.as_str())
            .with("attempt", request.attempt)
            .with("id", &request.event_id)
            .maybe("from", request.from.as_ref().map(|from| frame.path(from)))
            .maybe("size", request.size)
            .maybe("changes", request.manifest.as_ref().map(|changes| manifest(changes, frame)))
    }

    /// Whether it is what a line of the story expects; if not, what differs. `$name` stands for any value the first
    /// time and for the same one later, `!$name` for another one.
    pub fn differs(&self, expected: &str, names: &mut BTreeMap<String, String>) -> Option<String> {
        let mut words = Vec::new();
        let mut parts = expected.split_whitespace();
        while let Some(part) = parts.next() {
            if part == "at" {
                let when = parts.next().unwrap_or_default();
                if let Some(why) = differs_in_time(self.at, when) {
                    return Some(why);
                }
            } else if let Some((key, value)) = part.split_once('=') {
                let Some(came) = self.fields.get(key) else { return Some(format!("it has no {key}")) };
                let other = value.strip_prefix('!');
                let wanted = other.unwrap_or(value);
                let known = match wanted.strip_prefix('$') {
                    Some(name) => names.entry(name.to_owned()).or_insert_with(|| came.clone()).clone(),
                    None => wanted.to_owned(),
                };
                if (known == *came) == other.is_some() {
                    return Some(format!("{key} is {came}"));
                }
            } else {
                words.push(part);
            }
        }
        (words != self.words).then(|| "it is something else".to_owned())
    }

    /// Whether it begins with these words.
    pub fn begins(&self, words: &[&str]) -> bool {
        self.words.len() >= words.len() && self.words.iter().zip(words).all(|(a, b)| a == b)
    }
}

fn join(words: impl Iterator<Item = String>) -> String {
    let all: Vec<_> = words.collect();
    if all.is_empty() { "none".to_owned() } else { all.join(",") }
}

/// What a run for the whole watch is given: `create:a,delete:b`, or `none`.
fn manifest(changes: &[Change], frame: &Frame) -> String {
    join(changes.iter().map(|c| format!("{}:{}", c.kind.as_str(), frame.path(&c.path))))
}

/// `500ms`, or `500ms..1s` where chance has a say.
fn differs_in_time(at: u64, when: &str) -> Option<String> {
    let (from, to) = when.split_once("..").unwrap_or((when, when));
    let parse = |text: &str| text.parse::<Span>().map(Span::nanos);
    let (Ok(from), Ok(to)) = (parse(from), parse(to)) else { return Some(format!("'{when}' is no time")) };
    (at < from || at > to).then(|| format!("it came at {}", Span(std::time::Duration::from_nanos(at))))
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.words.join(" "))?;
        for (key, value) in &self.fields {
            write!(f, " {key}={value}")?;
        }
        write!(f, " at {}", Span(std::time::Duration::from_nanos(self.at)))?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}
