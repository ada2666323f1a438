//! Small words of the language: spans, options, and what `shows` compares.

use fsmon_protocol::rpc_types::{Again, ReplayRequest};
use fsmon_protocol::spec::Options;
use fsmon_protocol::status::WatchStatus;
use fsmon_protocol::units::{Span, Timestamp};

use crate::daemon::WALL;
use crate::outcome::Outcome;

/// Nanoseconds.
pub fn span(text: &str) -> Result<u64, String> {
    text.parse::<Span>().map(Span::nanos).map_err(|error| error.to_string())
}

/// How long after the beginning of the story this is.
pub fn span_since_start(wall: i64) -> String {
    Span(std::time::Duration::from_nanos((wall - WALL).unsigned_abs())).to_string()
}

/// A watch as `shows` compares it.
pub fn shown(status: &WatchStatus) -> Outcome {
    Outcome::new(0, &[])
        .with("state", status.state.as_str())
        .with("files", status.files)
        .with("folders", status.folders)
        .with("armed", status.armed)
        .with("pending", status.pending)
        .with("running", status.running)
        .with("failed", status.failed)
        .with("transient", status.transient)
        .with("unchanged", status.unchanged)
        .with("gaps", status.open_gaps)
}

/// Options as on the command line, each `name=value`; lists are separated by commas.
pub fn options_from(text: &str) -> Result<(Option<String>, Options), String> {
    let mut name = None;
    let mut map = serde_json::Map::new();
    for pair in text.split_whitespace() {
        let (key, value) = pair.split_once('=').ok_or(format!("'{pair}' is not option=value"))?;
        let value: serde_json::Value = match key {
            "name" => {
                name = Some(value.to_owned());
                continue;
            }
            "command" | "include" | "exclude" | "kinds" | "env" => {
                value.split(',').filter(|v| !v.is_empty()).collect::<Vec<_>>().into()
            }
            "break-after" if value != "off" => value.parse::<u32>().map_err(|e| format!("{key}: {e}"))?.into(),
            "concurrency" | "retries" | "max-depth" | "batch-max" | "in-flight" => {
                value.parse::<u32>().map_err(|e| format!("{key}: {e}"))?.into()
            }
            "cron" => value.replace('_', " ").into(),
            _ if value == "true" || value == "false" => (value == "true").into(),
            _ => value.into(),
        };
        map.insert(key.to_owned(), value);
    }
    let options = serde_json::from_value(map.into()).map_err(|error| error.to_string())?;
    Ok((name, options))
}

/// What `replay` is asked: `--all`, `--failed`, or `--since=D` after the beginning; `--pause=D`, `--dry-run`.
pub fn again(watch: String, words: &[String], now: u64) -> Result<ReplayRequest, String> {
    let mut request = ReplayRequest { watch, again: Again::All, pause: Span::secs(0), dry_run: false };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("--all", _) => request.again = Again::All,
            ("--failed", _) => request.again = Again::Failed,
            ("--since", after) => {
                let nanos = i64::try_from(span(after)?.min(now)).map_err(|error| error.to_string())?;
                request.again = Again::Since(Timestamp(WALL + nanos));
            }
            ("--pause", pause) => request.pause = Span(std::time::Duration::from_nanos(span(pause)?)),
            ("--dry-run", _) => request.dry_run = true,
            (other, _) => return Err(format!("no replay takes '{other}'")),
        }
    }
    Ok(request)
}
