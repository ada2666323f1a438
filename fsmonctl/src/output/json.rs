//! The JSON forms that are not just the type's own: exact where a name is not UTF-8, flat where a script wants it flat.

use fsmon_protocol::explain::{Explained, OnDisk, Waits};
use fsmon_protocol::file::FileInfo;
use fsmon_protocol::rpc_types::{DryRun, Listed, LogChunk};
use fsmon_protocol::run::{Outcome, RunInfo};
use fsmon_protocol::status::GapInfo;
use fsmon_protocol::verify::Difference;
use fsmon_protocol::{RawPath, Timestamp};
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
    if let Some(files) = info.files {
        object["files"] = json!(files);
    }
    if let Some(ms) = info.ms {
        object["ms"] = json!(ms);
    }
    let Some(outcome) = &info.outcome else { return object };
    match outcome {
        Outcome::Exited(status) => object["exit"] = json!(status),
        Outcome::Signalled(signal) => object["signal"] = json!(signal),
        Outcome::NotStarted(why) | Outcome::WorkerFailed(why) => object["error"] = json!(why),
        Outcome::Answered(answer, message) => {
            object["answer"] = json!(answer);
            if let Some(message) = message {
                object["message"] = json!(message);
            }
        }
        Outcome::TimedOut | Outcome::Interrupted => {}
    }
    object["outcome"] = json!(outcome.as_str());
    object
}

/// What differs between disk and ledger. `ledger` and `disk` are what each has of it.
pub fn difference(difference: &Difference) -> Value {
    let mut object = json!({"watch": difference.watch, "kind": difference.kind, "path": difference.path.text()});
    if let Some(bytes) = difference.path.base64_if_lossy() {
        object["path_bytes"] = json!(bytes);
    }
    let optional = [
        ("known", difference.known.map(|known| json!(known))),
        ("found", difference.found.map(|found| json!(found))),
        ("ledger", difference.ledger.map(|ledger| json!(ledger))),
        ("disk", difference.disk.map(|disk| json!(disk))),
        ("why", difference.why.as_ref().map(|why| json!(why))),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            object[name] = value;
        }
    }
    object
}

/// A file of the ledger. `size` and `mtime` are those that were seen last; `last` and `processed` are runs.
pub fn file(info: &FileInfo) -> Value {
    let mut object = json!({
        "watch": info.watch, "path": info.path.text(), "type": info.file_type, "state": info.state,
        "attempts": info.attempts,
    });
    if let Some(bytes) = info.path.base64_if_lossy() {
        object["path_bytes"] = json!(bytes);
    }
    let optional = [
        ("kind", info.kind.map(|kind| json!(kind))),
        ("due", info.due.map(|due| json!(due))),
        ("size", info.seen.map(|seen| json!(seen.size))),
        ("mtime", info.seen.map(|seen| json!(Timestamp(seen.mtime)))),
        ("last", info.last.as_ref().map(run)),
        ("processed", info.processed.as_ref().map(run)),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            object[key] = value;
        }
    }
    object
}

/// What a watch has to say of a path. What is as in `files` has the names it has there.
pub fn explained(told: &Explained) -> Value {
    let mut object = path(&told.path);
    let waits = told.waits.iter().map(waits).collect::<Vec<_>>();
    let gaps = told.gaps.iter().map(gap).collect::<Vec<_>>();
    let file = told.file.as_ref();
    let fields = [
        ("watch", Some(json!(told.watch))),
        ("root", Some(json!(told.root.text()))),
        ("state", Some(json!(told.standing().as_str()))),
        ("watched", Some(json!(told.ruling.rule.lets_in()))),
        ("rule", Some(json!(told.ruling.rule))),
        ("rule_at", Some(json!(told.ruling.at.text()))),
        ("pattern", told.ruling.pattern.as_ref().map(|pattern| json!(pattern))),
        ("rule_file", told.ruling.line.as_ref().map(|(file, _)| json!(file.text()))),
        ("rule_line", told.ruling.line.as_ref().map(|(_, line)| json!(line))),
        ("disk", Some(on_disk(&told.disk))),
        ("type", told.known.map(|known| json!(known))),
        ("kind", file.and_then(|file| file.kind).map(|kind| json!(kind))),
        ("attempts", file.map(|file| json!(file.attempts))),
        ("due", file.and_then(|file| file.due).map(|due| json!(due))),
        ("size", file.and_then(|file| file.seen).map(|seen| json!(seen.size))),
        ("mtime", file.and_then(|file| file.seen).map(|seen| json!(Timestamp(seen.mtime)))),
        ("waits", Some(json!(waits))),
        ("run", told.run.map(|run| json!(run))),
        ("again", told.run.map(|_| json!(told.again))),
        ("runs_not", told.runs_not.map(|why| json!(why))),
        ("last", told.last.as_ref().map(run)),
        ("processed", told.processed.as_ref().map(run)),
        ("watch_state", Some(json!(told.state))),
        ("details", Some(json!(told.details))),
        ("gaps", Some(json!(gaps))),
        ("next_due", told.next_due.map(|due| json!(due))),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            object[name] = value;
        }
    }
    object
}

/// What is at a path: its type, `missing`, `through` (with what is on the way) or `unknown` (with why).
fn on_disk(disk: &OnDisk) -> Value {
    match disk {
        OnDisk::Missing => json!({"is": "missing"}),
        OnDisk::Through(file_type, at) => json!({"is": "through", "type": file_type, "at": at.text()}),
        OnDisk::Unknown(why) => json!({"is": "unknown", "why": why}),
        OnDisk::Here { file_type, size, mtime, as_known } => {
            json!({"is": file_type, "size": size, "mtime": mtime, "as_known": as_known})
        }
    }
}

/// What is waited for: a word, and what belongs to it.
fn waits(waits: &Waits) -> Value {
    let mut object = json!({"for": waits.as_str()});
    match waits {
        Waits::Decision(why) | Waits::Store(why) => object["why"] = json!(why),
        Waits::ReadyFile(ready) | Waits::Lane(ready) => {
            object["path"] = json!(ready.text());
            if let Some(bytes) = ready.base64_if_lossy() {
                object["path_bytes"] = json!(bytes);
            }
        }
        Waits::Place(most) | Waits::PlaceInAll(most) | Waits::Others(most) | Waits::Workers(most) => {
            object["most"] = json!(most);
        }
        _ => {}
    }
    object
}

/// A gap. `closed` is when, where it is.
pub fn gap(info: &GapInfo) -> Value {
    let mut object = json!({
        "gap": info.id, "watch": info.watch, "reason": info.reason, "scope": info.scope.text(), "since": info.since,
        "open": info.closed.is_none(),
    });
    if let Some(bytes) = info.scope.base64_if_lossy() {
        object["scope_bytes"] = json!(bytes);
    }
    if let Some(closed) = info.closed {
        object["closed"] = json!(closed);
    }
    if let Some(found) = info.found {
        object["found"] = json!(found);
    }
    object
}

/// A dry run: each sort of files with its `count` and the first of them.
pub fn dry_run(found: &DryRun) -> Value {
    let listed = |files: &Listed| {
        let first: Vec<Value> = files.first.iter().map(path).collect();
        json!({ "count": files.count, "first": first })
    };
    json!({
        "name": found.name, "path": found.path, "looked": found.looked, "folders": found.folders,
        "complete": found.complete, "matches": listed(&found.matches), "runs": listed(&found.runs),
        "dropped": listed(&found.dropped), "gained": listed(&found.gained),
    })
}

/// A path as an object of its own, exact where it is not UTF-8.
fn path(path: &RawPath) -> Value {
    let mut object = json!({ "path": path.text() });
    if let Some(bytes) = path.base64_if_lossy() {
        object["path_bytes"] = json!(bytes);
    }
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
            files: None,
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
