//! What a command gets on its stdin: where its watch says `--stdin json` its event, as one line of JSON; a run for the
//! whole watch gets one line for each change, and a batch one for each file, unless they are among its arguments. A worker gets a line for each file, for as long as it lives.

use std::borrow::Cow;
use std::io;
use std::os::fd::OwnedFd;

use fsmon_core::io::{Change, SpawnRequest};
use fsmon_core::template;
use fsmon_protocol::event::EventKind;
use fsmon_protocol::run::Trigger;
use fsmon_protocol::spec::Stdin;
use fsmon_protocol::{RawPath, Timestamp};
use serde::Serialize;
use tokio::net::unix::pipe::Sender;

use super::batch_of;

/// Lines on their way to a command. Dropping it closes the pipe, which is how the command learns that this was all.
pub(super) struct Feed {
    pipe: Sender,
    line: Vec<u8>,
    written: usize,
}

impl Feed {
    /// These lines into that pipe. Needs a runtime.
    pub(super) fn new(pipe: OwnedFd, line: Vec<u8>) -> io::Result<Self> {
        Ok(Self { pipe: Sender::from_owned_fd(pipe)?, line, written: 0 })
    }

    /// Writes what the pipe takes; true when there is nothing more to write, or nobody who reads. May be cancelled.
    pub(super) async fn write(&mut self) -> bool {
        if self.pipe.writable().await.is_err() {
            return true;
        }
        match self.pipe.try_write(&self.line[self.written..]) {
            Ok(n) => self.written += n,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_nobody_reads) => return true,
        }
        self.written == self.line.len()
    }
}

/// What a run gets on its stdin; none: nothing.
pub(super) fn stdin_of(request: &SpawnRequest) -> Option<Vec<u8>> {
    if batch_of(request).is_some() && template::takes_paths(&request.rules.command) {
        return None;
    }
    if let Some(manifest) = &request.manifest {
        let mut lines = Vec::new();
        for change in manifest.iter() {
            lines.extend(change_line(&request.watch_name, change));
        }
        return Some(lines);
    }
    (request.rules.stdin == Stdin::Json).then(|| event_line(request))
}

/// One change of a manifest as a JSON line: the fields of an event but those of a single moment.
fn change_line(watch: &str, change: &Change) -> Vec<u8> {
    line_of(&GivenLine {
        change: ChangeLine {
            watch,
            kind: change.kind.as_str(),
            path: change.path.text(),
            path_bytes: change.path.base64_if_lossy(),
            from: change.from.as_ref().map(RawPath::text),
            from_bytes: change.from.as_ref().and_then(RawPath::base64_if_lossy),
            file_type: "file",
            size: change.size,
        },
        event_id: &change.event_id,
    })
}

/// Strings and numbers always serialize.
fn line_of(line: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// What a worker gets for a file: its event, and what tells the run from all others.
pub(super) fn worker_line(request: &SpawnRequest) -> Vec<u8> {
    with_event(request, |event| {
        let (trigger, attempt) = (request.trigger.as_str(), request.attempt);
        line_of(&WorkerLine { run: request.run, event, trigger, attempt, event_id: &request.event_id })
    })
}

/// The bytes of one run's event as a JSON line, newline included, as `tail --json` prints events.
fn event_line(request: &SpawnRequest) -> Vec<u8> {
    with_event(request, |event| line_of(&event))
}

fn with_event<T>(request: &SpawnRequest, write: impl FnOnce(EventLine<'_>) -> T) -> T {
    let path = request.root.join(request.rel.as_bytes());
    let from = request.from.as_ref().filter(|_| request.kind == EventKind::Rename);
    let origin = if request.trigger == Trigger::FileChange { "live" } else { "scan" };
    write(EventLine {
        seq: request.seq,
        time: request.time,
        change: ChangeLine {
            watch: &request.watch_name,
            kind: request.kind.as_str(),
            path: path.text(),
            path_bytes: path.base64_if_lossy(),
            from: from.map(RawPath::text),
            from_bytes: from.and_then(RawPath::base64_if_lossy),
            file_type: "file",
            size: request.size,
        },
        origin,
    })
}

/// The fields of an event in a line of `tail --json`.
#[derive(Serialize)]
struct EventLine<'a> {
    seq: u64,
    time: Timestamp,
    #[serde(flatten)]
    change: ChangeLine<'a>,
    origin: &'static str,
}

/// A line to a worker.
#[derive(Serialize)]
struct WorkerLine<'a> {
    run: u64,
    #[serde(flatten)]
    event: EventLine<'a>,
    trigger: &'static str,
    attempt: u32,
    event_id: &'a str,
}

/// One file of many, with its key.
#[derive(Serialize)]
struct GivenLine<'a> {
    #[serde(flatten)]
    change: ChangeLine<'a>,
    event_id: &'a str,
}

/// What such a line says of the file.
#[derive(Serialize)]
struct ChangeLine<'a> {
    watch: &'a str,
    kind: &'static str,
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_bytes: Option<String>,
    #[serde(rename = "type")]
    file_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}
