//! Every verb through the real binary, against a daemon that answers by script.

use std::collections::VecDeque;
use std::os::unix::ffi::OsStrExt;

use crate::fake::{Daemon, Said, State, ctl, nobody, record, run_info, sweep, until, watch};
use fsmon_protocol::event::{EventKind, GapReason};
use fsmon_protocol::file::{FileInfo, FileState};
use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use fsmon_protocol::rpc_types::SweepStage;
use fsmon_protocol::spec::Existing;
use fsmon_protocol::status::{GapInfo, Progress, WatchState};
use fsmon_protocol::{ApiError, ErrorKind, Span, SpanOrOff, Timestamp};
use serde_json::Value;

fn with_data() -> Daemon {
    Daemon::with(State { watches: vec![watch("data", "/data")], ..State::default() })
}

#[test]
fn add_sends_what_was_given_and_waits_for_the_first_scan() {
    let mut scanning = watch("inbox", "/x");
    scanning.state = WatchState::Scanning;
    scanning.scan = Some(Progress { looked: 7, folders: 1, folders_left: 2 });
    let mut done = watch("inbox", "/x");
    done.rules.command.clear();
    let daemon = Daemon::with(State { shows: VecDeque::from([scanning.clone(), scanning, done]), ..State::default() });
    let said = daemon.run(&["add", "in/../box//", "--every", "15m", "--existing=skip", "--", "cp", "-v", "{path}"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.out.contains("added 'inbox': /x\n"), "{}", said.out);
    assert!(
        said.out.contains(
            "found 4,312 files in 120 folders; 4,312 files already there are taken as done; --existing run processes them\n"
        ),
        "{}",
        said.out
    );
    assert!(said.out.contains("next occurrence: in 1h 58m (every 2h)\n"), "{}", said.out);
    let state = daemon.state();
    assert_eq!(state.asked, ["add", "show inbox", "show inbox"]);
    let spec = &state.added[0];
    assert_eq!(spec.path, daemon.folder.path().join("box").canonicalize_parent());
    assert_eq!((spec.name.as_str(), spec.options.existing), ("", Some(Existing::Skip)));
    assert_eq!(spec.options.command.as_deref().unwrap(), ["cp", "-v", "{path}"]);
    assert_eq!(spec.options.every, Some(SpanOrOff::On(Span::secs(900))));
    assert_eq!((spec.options.settle, spec.options.include.clone()), (None, None));
}

/// The current folder as the program sees it: a temporary folder may be reached through a symlink.
trait Parent {
    fn canonicalize_parent(&self) -> String;
}

impl Parent for std::path::PathBuf {
    fn canonicalize_parent(&self) -> String {
        let parent = self.parent().unwrap().canonicalize().unwrap();
        parent.join(self.file_name().unwrap()).to_str().unwrap().to_owned()
    }
}

#[test]
fn add_refuses_what_cannot_be_before_it_asks() {
    let daemon = Daemon::start();
    let bad = std::ffi::OsStr::from_bytes(b"/a\xff");
    let said = Said::from(daemon.ctl(&["add"]).arg(bad).output().unwrap());
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains(r"'/a\xff' is not UTF-8"), "{said:?}");
    let said = daemon.run(&["add", "/data", "--name", "no good"]);
    assert_eq!(said.code, 2, "{said:?}");
    let said = daemon.run(&["add", "/data", "cp", "{path}"]);
    assert!(said.code == 2 && said.err.contains("goes after --"), "{said:?}");
    assert!(daemon.state().asked.is_empty());
}

#[test]
fn set_sends_only_what_was_given() {
    let daemon = with_data();
    assert_eq!(daemon.run(&["set", "data", "--include", "", "--retries", "0"]).code, 0);
    assert_eq!(daemon.run(&["set", "data", "--no-command"]).code, 0);
    assert_eq!(daemon.run(&["set", "data", "--", "sort"]).out, "changed 'data'\n");
    let nothing = daemon.run(&["set", "data"]);
    assert!(nothing.code == 2 && nothing.err.contains("nothing to change"), "{nothing:?}");
    let state = daemon.state();
    assert_eq!((state.set[0].include.as_deref(), state.set[0].retries), (Some(&[][..]), Some(0)));
    assert_eq!((state.set[0].command.clone(), state.set[0].exclude.clone()), (None, None));
    assert_eq!(state.set[1].command.as_deref(), Some(&[][..]));
    assert_eq!(state.set[2].command.as_deref().unwrap(), ["sort"]);
}

#[test]
fn verbs_that_change_a_watch_say_what_they_did() {
    let daemon = with_data();
    daemon.state().watches[0].pending = 3;
    daemon.state().watches[0].running = 1;
    assert_eq!(
        daemon.run(&["rm", "data", "--kill"]).out,
        "removed 'data': /data; 3 pending files dropped; 1 command still running\n"
    );
    assert_eq!(daemon.run(&["pause", "data"]).out, "paused 'data'; 1 command still running\n");
    assert_eq!(daemon.run(&["resume", "/data/"]).out, "resumed 'data'; 3 pending\n");
    assert!(daemon.run(&["set-interval", "data", "15m"]).out.ends_with("(every 15m)\n"));
    assert_eq!(daemon.run(&["set-interval", "data", "off"]).out, "next occurrence of 'data': none (every off)\n");
    assert_eq!(daemon.run(&["reload"]).out, "added: new\n");
    assert_eq!(daemon.run(&["log-level", "debug"]).out, "log level: debug\n");
    assert_eq!(daemon.run(&["log-level", "loud"]).code, 2);
    let asked = &daemon.state().asked;
    assert_eq!(asked[..3], ["remove --kill data", "pause data", "resume /data"]);
    assert_eq!(asked[3..], ["set_interval data 15m", "set_interval data off", "reload", "log_level debug"]);
}

#[test]
fn list_and_show_tell_all_and_escape() {
    let daemon = with_data();
    let mut hostile = watch("evil", "/a\x1b]0;x\x07\nb\u{202e}");
    hostile.state = WatchState::Held;
    hostile.details = vec!["the root is another one".into()];
    daemon.state().watches.push(hostile);
    let said = daemon.run(&["list"]);
    let lines: Vec<_> = said.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", said.out);
    let header: Vec<_> = lines[0].split_whitespace().collect();
    assert_eq!(header, ["NAME", "STATE", "FILES", "PENDING", "FAILED", "EVERY", "NEXT", "PATH", "COMMAND"]);
    assert!(
        lines[1].contains("in 1h 58m") && lines[1].contains(" /data ") && lines[1].ends_with("  echo 'a b'"),
        "{}",
        lines[1]
    );
    assert!(lines[2].contains(r"/a\e]0;x\u{7}\nb\u{202e}"), "{}", lines[2]);
    let colored = daemon.run(&["list", "--color=always"]).out;
    assert!(colored.contains("\x1b[32mwatching\x1b[0m") && colored.contains("\x1b[1;31mheld\x1b[0m"), "{colored:?}");
    let shown = daemon.run(&["show", "evil"]).out;
    assert!(!shown.contains('\x1b') && shown.contains("the root is another one"), "{shown}");
    assert!(shown.contains("next occurrence:") && shown.contains("open-quiet:"), "{shown}");
    let object: Value = serde_json::from_str(&daemon.run(&["show", "evil", "--json"]).out).unwrap();
    assert_eq!(object["path"], "/a\x1b]0;x\x07\nb\u{202e}");
    let none = Daemon::start().run(&["list"]);
    assert!(none.code == 0 && none.out.is_empty() && none.err.contains("fsmonctl add"), "{none:?}");
}

#[test]
fn run_now_tells_what_it_looked_at() {
    let sweeps = VecDeque::from([sweep(SweepStage::Reconciling, 0, 0), sweep(SweepStage::Running, 0, 0)]);
    let daemon = Daemon::with(State { sweeps, ..State::default() });
    let said = daemon.run(&["run-now", "data"]);
    assert_eq!((said.code, said.out.as_str()), (0, "4,312 files looked at, 3 pending (--all-files runs them all)\n"));
    assert_eq!(daemon.state().asked, ["run_now data false", "sweep 9 Reconciling"]);
}

#[test]
fn run_now_wait_ends_with_6_if_a_run_failed() {
    let steps =
        [(SweepStage::Reconciling, 0), (SweepStage::Running, 0), (SweepStage::Running, 2), (SweepStage::Done, 2)];
    for (failed, code) in [(0, 0), (1, 6)] {
        let sweeps = steps.iter().map(|(stage, ok)| sweep(*stage, *ok, failed)).collect();
        let daemon = Daemon::with(State { sweeps, ..State::default() });
        let said = daemon.run(&["run-now", "--all-files", "--wait"]);
        assert_eq!(said.code, code, "{said:?}");
        assert_eq!(said.out, format!("4,312 files looked at, 3 pending\n2 ok, {failed} failed, 0 vanished\n"));
    }
}

#[test]
fn health_is_one_exit_code_with_reasons() {
    let daemon = with_data();
    assert_eq!(daemon.run(&["health"]).out, "healthy: 1 watch\n");
    daemon.state().watches[0].state = WatchState::Paused;
    assert_eq!(daemon.run(&["health"]).code, 0);
    daemon.state().watches[0].state = WatchState::Degraded;
    daemon.state().watches[0].details = vec!["no more inotify watches".into()];
    daemon.state().store_error = Some("disk full".into());
    let said = daemon.run(&["health"]);
    let told = "fsmond: store: disk full\ndata: degraded: no more inotify watches\n";
    assert_eq!((said.code, said.out.as_str()), (6, told));
    let object: Value = serde_json::from_str(&daemon.run(&["health", "--json"]).out).unwrap();
    assert_eq!((&object["healthy"], &object["problems"][1]["what"]), (&false.into(), &"degraded".into()));
}

#[test]
fn runs_are_listed_with_how_they_ended() {
    let daemon = Daemon::with(State { runs: vec![run_info(7, b"/data/a\xff\x1b")], ..State::default() });
    let said = daemon.run(&["runs", "data", "--failed", "-n", "5"]);
    let line = said.out.lines().nth(1).unwrap();
    for part in ["7 ", "data", "failed", "exit 3", "file_change", "20ms", r"/data/a\xff\e"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(daemon.state().asked, [r#"runs Some("data") true 5"#]);
    let object: Value = serde_json::from_str(&daemon.run(&["runs", "--json"]).out).unwrap();
    assert_eq!((&object["exit"], object["path_bytes"].is_string()), (&3.into(), true));
}

#[test]
fn logs_are_exact_where_no_terminal_is() {
    let output = b"one\n\x1b[31mtw\xc3\xb6\xff\0".to_vec();
    let daemon = Daemon::with(State { runs: vec![run_info(7, b"/a")], output: output.clone(), ..State::default() });
    for words in [&["logs", "7"][..], &["logs", "7", "-f"], &["logs", "7", "--raw"]] {
        assert_eq!(daemon.ctl(words).output().unwrap().stdout, output, "{words:?}");
    }
    let said = daemon.run(&["logs", "7", "--json"]);
    let pieces: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(pieces.len(), output.len().div_ceil(3));
    assert_eq!((&pieces[0]["text"], &pieces.last().unwrap()["finished"]), (&"one".into(), &true.into()));
    assert_eq!(daemon.run(&["logs", "8"]).code, 1);
}

#[test]
fn stop_waits_until_the_socket_is_gone() {
    let daemon = Daemon::start();
    let said = daemon.run(&["stop"]);
    assert_eq!((said.code, said.out.as_str()), (0, "fsmond (pid 4242) has stopped\n"));
    until("the socket is gone", || !daemon.socket().exists());
}

#[test]
fn without_a_daemon_every_verb_says_so() {
    let (_folder, socket) = nobody().unwrap();
    for words in [&["list"][..], &["add", "/data"], &["tail"], &["stop"], &["health"]] {
        let said = Said::from(ctl(&socket).args(words).output().unwrap());
        assert_eq!(said.code, 3, "{said:?}");
        assert!(said.err.contains("fsmond --foreground"), "{said:?}");
    }
}

#[test]
fn each_kind_of_refusal_has_its_exit_code_and_its_json() {
    let daemon = Daemon::start();
    for (kind, code) in [
        (ErrorKind::Refused, 1),
        (ErrorKind::NotFound, 1),
        (ErrorKind::Usage, 2),
        (ErrorKind::TimedOut, 4),
        (ErrorKind::NotPermitted, 5),
        (ErrorKind::Bug, 70),
    ] {
        daemon.state().refusal = Some(ApiError::new(kind, "no\x1b[31m").hint("do this"));
        let said = daemon.run(&["list"]);
        assert_eq!((said.code, said.out.as_str()), (code, ""), "{said:?}");
        assert!(said.err.starts_with("error: no\\e[31m\n  do this\n"), "{said:?}");
        let said = daemon.run(&["list", "--json"]);
        let error: Value = serde_json::from_str(&said.err).unwrap();
        assert_eq!((said.code, &error["error"]["message"]), (code, &"no\x1b[31m".into()));
        assert_eq!((&error["error"]["hint"], error["error"]["kind"].is_string()), (&"do this".into(), true));
    }
}

#[test]
fn usage_errors_are_json_where_json_is_asked_for() {
    let (_folder, socket) = nobody().unwrap();
    let said = Said::from(ctl(&socket).args(["--json", "lst"]).output().unwrap());
    let error: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!((said.code, &error["error"]["kind"]), (2, &"usage".into()));
    let said = Said::from(ctl(&socket).args(["show"]).output().unwrap());
    assert_eq!(said.code, 2);
}

#[test]
fn every_verb_prints_one_object_per_line_with_json() {
    let daemon = with_data();
    {
        let mut state = daemon.state();
        state.sweeps = VecDeque::from([sweep(SweepStage::Done, 3, 0)]);
        state.records = vec![record(1, b"/data/a\n")];
        state.runs = vec![run_info(7, b"/data/a")];
        state.output = b"text".to_vec();
    }
    for words in [
        &["add", "/b"][..],
        &["list"],
        &["ls"],
        &["show", "data"],
        &["set", "data", "--retries=1"],
        &["set-interval", "data", "1h"],
        &["pause", "data"],
        &["resume", "data"],
        &["run-now", "--wait"],
        &["tail", "--no-follow"],
        &["status"],
        &["health"],
        &["runs"],
        &["logs", "7"],
        &["reload"],
        &["log-level", "info"],
        &["completions", "bash"],
        &["remove", "data"],
        &["stop"],
    ] {
        let said = daemon.run(&[words, &["--json"]].concat());
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{words:?}");
        assert!(!said.out.is_empty(), "{words:?}");
        for line in said.out.lines() {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{words:?}: {e}: {line}"));
            assert!(value.is_object(), "{words:?}: {line}");
        }
    }
}

#[test]
fn failed_files_are_listed_retried_and_dropped() {
    let file = |path: &str, run: u64| FileInfo {
        watch: "data".into(),
        path: path.into(),
        file_type: FileType::File,
        state: FileState::Failed,
        kind: Some(EventKind::Modify),
        attempts: 3,
        due: None,
        seen: Some(Fingerprint { inode: 1, size: 4312, mtime: 0, ctime: 0 }),
        last: Some(run_info(run, b"")),
        processed: None,
    };
    let files = vec![file("/data/c", 9), file("/data/a\x1b", 8), file("/data/b", 7)];
    let daemon = Daemon::with(State { files, ..State::default() });
    let said = daemon.run(&["failures", "data"]).out;
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("WATCH  TRIES  RUN  ENDED"), "{said}");
    assert!(lines[1].starts_with("data   3      8    exit 3") && lines[1].ends_with(r"/data/a\e"), "{said}");
    assert!(lines.len() == 4 && lines[3].ends_with("/data/b"), "a page at a time, without another header: {said}");
    assert_eq!(daemon.state().asked, [r#"files ["data"] failed 0"#, r#"files ["data"] failed 2"#]);
    let said = daemon.run(&["files", "data", "--state", "pending", "-n", "1", "--json"]).out;
    let object: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&object["path"], &object["size"], &object["last"]["run"]),
        (&"/data/c".into(), &4312.into(), &9.into())
    );
    assert!(daemon.state().asked.last().unwrap().contains("settling,ready,backoff"));
    let none = Daemon::start().run(&["failures"]);
    assert!(none.code == 0 && none.out.is_empty() && none.err == "no failed files\n", "{none:?}");

    assert_eq!(daemon.run(&["retry", "data", "/data/./a"]).out, "1 failed file pending again\n");
    assert_eq!(daemon.run(&["drop", "data", "/data/a", "/data/b"]).out, "2 files taken as done\n");
    let asked = daemon.state().asked.clone();
    assert!(asked.iter().any(|asked| asked.starts_with("retry data") && asked.contains("/data/a")), "{asked:?}");
    assert!(asked.last().unwrap().starts_with("give_up data"), "{asked:?}");
}

#[test]
fn an_open_gap_is_told_by_gaps_health_show_and_status() {
    let mut blind = watch("data", "/data");
    let gap = GapInfo {
        id: 184,
        watch: "data".into(),
        reason: GapReason::Overflow,
        scope: "/data".into(),
        since: Timestamp(0),
        closed: None,
        found: None,
    };
    let closed = GapInfo { id: 9, closed: Some(Timestamp(4_000_000_000)), found: Some(4312), ..gap.clone() };
    blind.gaps = vec![gap, closed];
    let daemon = Daemon::with(State { watches: vec![blind], ..State::default() });
    let said = daemon.run(&["gaps", "data"]).out;
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("GAP  WATCH  REASON    SINCE"), "{said}");
    assert!(lines[1].starts_with("184  data   overflow  1970-01-01T00:00:00Z  open    -      /data"), "{said}");
    assert!(lines[2].starts_with("9    data   overflow  1970-01-01T00:00:00Z  4s      4,312  /data"), "{said}");
    assert_eq!(daemon.state().asked, [r#"gaps Some("data") 20"#]);
    let said = daemon.run(&["gaps", "--json"]).out;
    let first: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!((&first["gap"], &first["open"], first.get("closed")), (&184.into(), &true.into(), None));
    let said = daemon.run(&["health"]);
    assert!(said.code == 6 && said.out.starts_with("data: gap: overflow below /data, since "), "{said:?}");
    assert!(daemon.run(&["status"]).out.contains("data has an open gap: overflow below /data"));
    assert!(daemon.run(&["show", "data"]).out.contains("open gaps:       overflow below /data"));
    let none = Daemon::start().run(&["gaps"]);
    assert!(none.code == 0 && none.err == "no gaps\n", "{none:?}");
}

#[test]
fn accept_says_what_is_given_up() {
    let daemon = with_data();
    daemon.state().watches[0].pending = 2;
    assert_eq!(daemon.run(&["accept", "data"]).out, "accepted 'data'; 2 pending files given up\n");
    assert_eq!(daemon.state().asked, ["accept data"]);
    assert_eq!(daemon.run(&["accept", "other"]).code, 1);
}
