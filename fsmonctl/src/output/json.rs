//! The JSON forms that are not just the type's own: exact where a name is not UTF-8, flat where a script wants it flat.

use fsmon_protocol::RawPath;
use fsmon_protocol::rpc_types::LogChunk;
use fsmon_protocol::run::{Outcome, RunInfo};
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;

/// One object on one line.
pub fn line(object: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(object).map_err(|e| Failure::bug(format!("this cannot be written as JSON: {e}")))
}

/// A run. `outcome` is a word; `exit`, `signal` and `error` beside it only where there is one.
pub fn run(info: &RunInfo) -> Value {
    let mut object = json!({
        "run": info.run, "watch": info.watch, "trigger": info.trigger, "attempt": info.attempt, "status": info.status,
        "started": info.started, "output_bytes": info.output_bytes, "output_dropped": info.output_dropped,
        "event_id": info.event_id,
    });
    if let Some(path) = &info.path {
        object["path"] = json!(path.text());
        if let Some(bytes) = path.base64_if_lossy() {
            object["path_bytes"] = json!(bytes);
        }
    }
    if let Some(ms) = info.ms {
        object["ms"] = json!(ms);
    }
    let word = match &info.outcome {
        None => return object,
        Some(Outcome::Exited(status)) => {
            object["exit"] = json!(status);
            "exited"
        }
        Some(Outcome::Signalled(signal)) => {
            object["signal"] = json!(signal);
            "signalled"
        }
        Some(Outcome::TimedOut) => "timed_out",
        Some(Outcome::Interrupted) => "interrupted",
        Some(Outcome::NotStarted(why)) => {
            object["error"] = json!(why);
            "not_started"
        }
    };
    object["outcome"] = json!(word);
    object
}

/// A piece of a run's output: `text`, and `bytes` in base64 beside it where the text is not exact.
pub fn chunk(offset: u64, chunk: &LogChunk) -> Value {
    // The same rule as for names: the type that knows it is the one for paths.
    let output = RawPath::from(&chunk.bytes[..]);
    let mut object = json!({
        "run": chunk.info.run, "status": chunk.info.status, "offset": offset, "next": chunk.next,
        "finished": chunk.finished, "text": output.text(),
    });
    if let Some(bytes) = output.base64_if_lossy() {
        object["bytes"] = json!(bytes);
    }
    object
}

#[cfg(test)]
mod tests {
    use fsmon_protocol::Timestamp;
    use fsmon_protocol::run::{RunStatus, Trigger};

    use super::*;

    #[test]
    fn a_run_is_flat_and_its_path_exact() {
        let mut info = RunInfo {
            run: 7,
            watch: "data".into(),
            path: Some(RawPath::from(&b"/data/\xff"[..])),
            trigger: Trigger::FileChange,
            attempt: 2,
            status: RunStatus::Failed,
            outcome: Some(Outcome::Exited(3)),
            started: Timestamp(0),
            ms: Some(20),
            output_bytes: 5,
            output_dropped: 0,
            event_id: "e".into(),
        };
        let object = run(&info);
        assert_eq!(object["path"], "/data/\u{fffd}");
        assert_eq!(object["path_bytes"], "L2RhdGEv/w==");
        assert_eq!((&object["exit"], &object["outcome"]), (&json!(3), &json!("exited")));
        assert_eq!(object["trigger"], "file_change");
        info.outcome = Some(Outcome::NotStarted("no such file".into()));
        assert_eq!(run(&info)["error"], "no such file");
        info.outcome = None;
        assert!(run(&info).get("outcome").is_none());
    }
}
