//! What a command gets on its stdin where its watch says `--stdin json`: its event, as one line of JSON.

use std::borrow::Cow;
use std::io;
use std::os::fd::OwnedFd;

use fsmon_core::io::SpawnRequest;
use fsmon_protocol::event::EventKind;
use fsmon_protocol::run::Trigger;
use fsmon_protocol::{RawPath, Timestamp};
use serde::Serialize;
use tokio::net::unix::pipe::Sender;

/// A line on its way to a command. Dropping it closes the pipe, which is how the command learns that this was all.
pub(super) struct Feed {
    pipe: Sender,
    line: Vec<u8>,
    written: usize,
}

impl Feed {
    /// This line into that pipe. Needs a runtime.
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

/// The bytes of one run's event as a JSON line, newline included, as `tail --json` prints events.
pub(super) fn event_line(request: &SpawnRequest) -> Vec<u8> {
    let path = request.root.join(request.rel.as_bytes());
    let from = request.from.as_ref().filter(|_| request.kind == EventKind::Rename);
    let origin = if request.trigger == Trigger::FileChange { "live" } else { "scan" };
    let line = EventLine {
        seq: request.seq,
        time: request.time,
        watch: &request.watch_name,
        kind: request.kind.as_str(),
        path: path.text(),
        path_bytes: path.base64_if_lossy(),
        from: from.map(RawPath::text),
        from_bytes: from.and_then(RawPath::base64_if_lossy),
        file_type: "file",
        size: request.size,
        origin,
    };
    // Strings and numbers always serialize.
    let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// The fields of an event in a line of `tail --json`.
#[derive(Serialize)]
struct EventLine<'a> {
    seq: u64,
    time: Timestamp,
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
    origin: &'static str,
}
