//! Lines of `tail`, as JSON and as text.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::event::{EventKind, GapReason, OccurrenceStatus, ServiceStatus, WatchChangeStatus};
use crate::run::{Answer, RunStatus, Trigger};

/// 2026-11-23T18:10:00.123456789Z
const TIME: Timestamp = Timestamp(1_795_457_400_123_456_789);

fn record(watch: Option<&str>, what: What) -> Record {
    Record { seq: 184, time: TIME, watch: watch.map(Arc::from), what }
}

fn event(kind: EventKind, path: &[u8]) -> Event {
    Event {
        kind,
        path: path.into(),
        from: None,
        file_type: FileType::File,
        size: Some(12),
        origin: Origin::Live,
        why: None,
    }
}

fn as_json(record: &Record) -> serde_json::Value {
    serde_json::from_str(&json_line(record)).unwrap()
}

#[test]
fn a_create_is_exactly_the_line_of_the_contract() {
    let line = json_line(&record(Some("data"), What::Event(event(EventKind::Create, b"/data/a.csv"))));
    let promised = concat!(
        r#"{"seq":184,"time":"2026-11-23T18:10:00.123456789Z","watch":"data","kind":"create","#,
        r#""path":"/data/a.csv","type":"file","size":12,"origin":"live"}"#
    );
    assert_eq!(line, promised);
}

#[test]
fn an_event_from_parts_is_the_same_line() {
    let event = event(EventKind::Modify, b"/data/a.csv");
    let parts = event_json_line(184, TIME, Some("data"), &event);
    assert_eq!(parts, json_line(&record(Some("data"), What::Event(event))));
}

#[test]
fn a_rename_has_both_names_and_bytes_only_where_lossy() {
    let mut renamed = event(EventKind::Rename, b"/data/\xff\xfe");
    renamed.from = Some("/data/old".into());
    renamed.origin = Origin::Scan;
    renamed.why = Some(Why::Ctime);
    renamed.size = None;
    let record = record(Some("data"), What::Event(renamed));
    assert_eq!(
        as_json(&record),
        json!({"seq":184, "time":"2026-11-23T18:10:00.123456789Z", "watch":"data", "kind":"rename",
            "path":"/data/\u{fffd}\u{fffd}", "path_bytes":"L2RhdGEv//4=", "from":"/data/old",
            "type":"file", "origin":"scan", "why":"ctime"})
    );
    assert_eq!(
        text_line(&record),
        "2026-11-23 18:10:00.123Z  data  rename    /data/old -> /data/\\xff\\xfe  (scan, why: ctime)"
    );
}

/// What a run is told as.
fn runs() -> Vec<(Record, serde_json::Value, &'static str)> {
    let run = RunRecord {
        run: 5,
        trigger: Trigger::FileChange,
        status: RunStatus::Retry,
        attempt: 2,
        exit: Some(1),
        ms: Some(40),
        path: Some("/data/a b".into()),
        outcome: Some(Outcome::Exited(1)),
        files: None,
    };
    let answer = Some(Outcome::Answered(Answer::Retry, Some("no total".to_owned())));
    let answered = RunRecord { exit: None, outcome: answer, ..run.clone() };
    let batch = RunRecord { path: None, files: Some(1000), ..run.clone() };
    let started =
        RunRecord { status: RunStatus::Started, exit: None, ms: None, path: None, outcome: None, ..run.clone() };
    let killed = RunRecord { exit: None, outcome: Some(Outcome::Signalled(9)), ..run.clone() };
    let why = "no such program".to_owned();
    let unstarted = RunRecord { exit: None, ms: None, outcome: Some(Outcome::NotStarted(why)), ..run.clone() };
    vec![
        (
            record(Some("data"), What::Run(run)),
            json!({"kind":"run", "run":5, "trigger":"file_change", "status":"retry", "attempt":2, "exit":1,
                "outcome":"exited", "ms":40, "path":"/data/a b"}),
            "data  run       retry #5  \"/data/a b\"  (file_change, attempt 2, exit 1, 40 ms)",
        ),
        (
            record(Some("data"), What::Run(answered)),
            json!({"kind":"run", "run":5, "trigger":"file_change", "status":"retry", "attempt":2, "outcome":"answered",
                "answer":"retry", "message":"no total", "ms":40, "path":"/data/a b"}),
            "data  run       retry #5  \"/data/a b\"  (file_change, attempt 2, retry: no total, 40 ms)",
        ),
        (
            record(Some("data"), What::Run(batch)),
            json!({"kind":"run", "run":5, "trigger":"file_change", "status":"retry", "attempt":2, "exit":1,
                "outcome":"exited", "ms":40, "files":1000}),
            "data  run       retry #5  1000 files  (file_change, attempt 2, exit 1, 40 ms)",
        ),
        (
            record(Some("data"), What::Run(killed)),
            json!({"kind":"run", "run":5, "trigger":"file_change", "status":"retry", "attempt":2, "outcome":"signalled",
                "signal":9, "ms":40, "path":"/data/a b"}),
            "data  run       retry #5  \"/data/a b\"  (file_change, attempt 2, signal 9, 40 ms)",
        ),
        (
            record(Some("data"), What::Run(unstarted)),
            json!({"kind":"run", "run":5, "trigger":"file_change", "status":"retry", "attempt":2,
                "outcome":"not_started", "error":"no such program", "path":"/data/a b"}),
            "data  run       retry #5  \"/data/a b\"  (file_change, attempt 2, not started: no such program)",
        ),
        (
            record(Some("data"), What::Run(started)),
            json!({"kind":"run", "run":5, "trigger":"file_change", "status":"started", "attempt":2}),
            "data  run       started #5  (file_change, attempt 2)",
        ),
    ]
}

/// Everything but events and runs, with the fields that the contract names for each kind.
fn others() -> Vec<(Record, serde_json::Value, &'static str)> {
    let gap =
        Gap { reason: GapReason::Overflow, scope: "/data".into(), closed: true, found: Some(7), id: 180, since: TIME };
    let open =
        Gap { reason: GapReason::SourceError, scope: "/data".into(), closed: false, found: None, id: 184, since: TIME };
    let due = Occurrence { due: TIME, looked: 4312, pending: 0, status: OccurrenceStatus::SkippedBusy };
    let held = WatchChange { status: WatchChangeStatus::Held, detail: Some("it is \u{1b}[31mempty".into()) };
    vec![
        (
            record(Some("data"), What::Gap(gap)),
            json!({"kind":"gap", "gap":180, "reason":"overflow", "scope":"/data", "since":"2026-11-23T18:10:00.123456789Z",
                "closed":true, "found":7}),
            "data  gap       closed: overflow below /data  (7 found)",
        ),
        (
            record(Some("data"), What::Gap(open)),
            json!({"kind":"gap", "gap":184, "reason":"source_error", "scope":"/data",
                "since":"2026-11-23T18:10:00.123456789Z", "closed":false}),
            "data  gap       open: source_error below /data",
        ),
        (
            record(Some("data"), What::Schedule(due)),
            json!({"kind":"schedule", "due":"2026-11-23T18:10:00.123456789Z", "looked":4312, "pending":0,
                "status":"skipped_busy"}),
            "data  schedule  skipped_busy due 2026-11-23 18:10:00.123Z  (4312 looked at, 0 pending)",
        ),
        (
            record(None, What::Service(ServiceStatus::Reloaded)),
            json!({"kind":"service", "status":"reloaded"}),
            "-  service   reloaded",
        ),
        (
            record(Some("data"), What::Watch(held)),
            json!({"kind":"watch", "status":"held", "detail":"it is \u{1b}[31mempty"}),
            "data  watch     held: it is \\e[31mempty",
        ),
    ]
}

#[test]
fn every_other_kind_has_exactly_its_fields() {
    for (record, mut fields, text) in runs().into_iter().chain(others()) {
        fields["seq"] = json!(184);
        fields["time"] = json!("2026-11-23T18:10:00.123456789Z");
        if let Some(watch) = &record.watch {
            fields["watch"] = json!(&**watch);
        }
        assert_eq!(as_json(&record), fields);
        assert_eq!(text_line(&record), format!("2026-11-23 18:10:00.123Z  {text}"));
        assert!(KINDS.contains(&kind_word(&record.what)));
    }
}

#[test]
fn a_hostile_name_stays_one_honest_line() {
    let names: [&[u8]; 6] = [
        b"/d/a\nNov 23 10:00:00 host sshd[1]: Accepted password",
        b"/d/\x1b]0;owned\x07\x1b[31m",
        "/d/\u{202e}gpj.exe".as_bytes(),
        "/d/line\u{2028}separated\u{85}twice".as_bytes(),
        b"/d/\xff\xfe\r\n",
        b"/d/a  (12 bytes) -> /etc/passwd",
    ];
    for name in names {
        let record = record(Some("data"), What::Event(event(EventKind::Create, name)));
        let text = text_line(&record);
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(!text.contains(['\u{202e}', '\u{2028}']), "{text:?}");
        let json = json_line(&record);
        assert!(!json.contains(['\n', '\r', '\u{1b}']), "{json:?}");
        let back: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(back["path"].as_str().unwrap(), String::from_utf8_lossy(name));
    }
    let forged = record(Some("data"), What::Event(event(EventKind::Create, names[5])));
    assert!(text_line(&forged).ends_with("create    \"/d/a  (12 bytes) -> /etc/passwd\"  (12 bytes)"));
}

#[test]
fn the_service_has_no_watch_and_absent_things_no_field() {
    let line = json_line(&record(None, What::Service(ServiceStatus::Started)));
    assert_eq!(line, r#"{"seq":184,"time":"2026-11-23T18:10:00.123456789Z","kind":"service","status":"started"}"#);
}
