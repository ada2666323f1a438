//! `--mode batch`: one run for many files, and what becomes of them when it fails, hangs, or the daemon dies.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fsmon_tests::{Daemon, process};
use serde_json::Value;

const BATCH: [&str; 4] = ["--mode", "batch", "--batch-wait", "300ms"];

fn runs(d: &Daemon) -> Vec<Value> {
    let mut runs = d.json(["runs", "data", "-n", "1000"]);
    runs.reverse();
    runs
}

/// Has these files ready together, so that they are one batch however slow the machine is.
fn together(d: &Daemon, contents: impl Iterator<Item = (String, &'static str)>) {
    d.ok(["pause", "data"]);
    let mut files = 0;
    for (name, content) in contents {
        fs::write(d.root().join(name), content).unwrap();
        files += 1;
    }
    d.until("all are ready", || d.json(["files", "data", "--state", "ready"]).len() == files);
    d.ok(["resume", "data"]);
}

/// How often each file was given, as a command wrote that down: a path a line.
fn given(log: &Path) -> BTreeMap<String, u32> {
    let mut given = BTreeMap::new();
    for line in fs::read_to_string(log).unwrap_or_default().lines() {
        *given.entry(line.rsplit('/').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    given
}

#[test]
fn many_files_are_one_run_and_read_as_such() {
    let d = Daemon::start();
    let out = d.dir("out");
    let archive = out.join("all.tar");
    d.add(&BATCH, &["tar", "-cPf", archive.to_str().unwrap(), "{paths}"]);
    together(&d, (0..200).map(|n| (format!("f{n} -x"), "x")));
    d.wait_idle("data");
    let names = fsmon_tests::ctl::shell(&out, "tar -tPf all.tar").ok().text();
    assert_eq!(runs(&d).len(), 1, "{:?}", runs(&d));
    assert_eq!(names.lines().count(), 200);
    let run = &runs(&d)[0];
    assert_eq!((&run["status"], &run["files"], run.get("path")), (&"ok".into(), &200.into(), None));
    assert!(d.ok(["runs"]).text().contains("200 files"), "{}", d.ok(["runs"]).text());
    assert!(d.ok(["tail", "-n", "1", "--no-follow", "--kinds", "run"]).text().contains("200 files"));
    assert!(d.ok(["show", "data"]).text().contains("batch-max"));
}

#[test]
fn without_paths_in_the_command_the_files_come_as_lines_and_a_large_batch_is_cut() {
    let d = Daemon::start();
    let (root, out) = (d.root(), d.dir("out"));
    let script = format!("cat >> {}/lines", out.display());
    let options = [&BATCH[..], &["--batch-max", "60"]].concat();
    d.add(&options, &["sh", "-c", &script]);
    for n in 0..100 {
        fs::write(root.join(format!("f{n}")), "x").unwrap();
    }
    d.wait_idle("data");
    let text = fs::read_to_string(out.join("lines")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 100);
    assert!(
        lines.iter().all(|l| l["kind"] == "create" && l["size"] == 1 && l["event_id"].as_str().unwrap().len() == 32)
    );
    assert!(runs(&d).iter().all(|run| run["files"].as_u64().unwrap_or(1) <= 60));
}

/// Arguments have a limit: a batch is cut to fit it, whatever `--batch-max` says.
#[test]
fn paths_that_do_not_fit_the_limit_of_arguments_are_several_batches() {
    let d = Daemon::start();
    let (root, out) = (d.root(), d.dir("out"));
    let log = out.join("log");
    let script = format!("printf '%s\\n' \"$@\" >> {}", log.display());
    let options = [&BATCH[..], &["--batch-max", "100000", "--existing", "run"]].concat();
    for n in 0..2500 {
        fs::write(root.join(format!("{n:0>200}")), "x").unwrap();
    }
    d.add(&options, &["sh", "-c", &script, "sh", "{paths}"]);
    d.wait_idle("data");
    assert_eq!(given(&log).len(), 2500);
    assert!(given(&log).values().all(|&times| times == 1));
    let runs = runs(&d);
    assert!((3..20).contains(&runs.len()) && runs.iter().all(|run| run["status"] == "ok"), "{} runs", runs.len());
}

#[test]
fn of_a_batch_that_fails_only_the_bad_file_is_set_aside() {
    let d = Daemon::start();
    let (root, out) = (d.root(), d.dir("out"));
    let log = out.join("log");
    let script = format!(
        "for f; do grep -q bad \"$f\" && {{ echo \"$f is bad\" >&2; exit 1; }}; done; printf '%s\\n' \"$@\" >> {}",
        log.display()
    );
    let options = [&BATCH[..], &["--retries", "2", "--backoff", "100ms"]].concat();
    d.add(&options, &["sh", "-c", &script, "sh", "{paths}"]);
    together(&d, (0..40).map(|n| (format!("f{n}"), if n == 23 { "bad" } else { "good" })));
    d.until("one file is set aside and all others are done", || {
        let show = d.show("data");
        show["failed"] == 1 && show["pending"] == 0
    });
    let failures = d.json(["failures", "data"]);
    assert!(failures[0]["path"].as_str().unwrap().ends_with("/f23"));
    assert_eq!(failures[0]["last"]["exit"], 1, "{failures:?}");
    let number = failures[0]["last"]["run"].to_string();
    assert!(d.ok(["logs", &number]).text().contains("f23 is bad"));
    assert_eq!(given(&log).len(), 39);
    let alone: Vec<_> = runs(&d).into_iter().filter(|run| run["status"] == "failed").collect();
    assert!(alone.len() == 1 && alone[0].get("files").is_none(), "{alone:?}");
    fs::write(root.join("f23"), "mended").unwrap();
    d.until("it runs with its new content", || d.show("data")["failed"] == 0 && d.show("data")["pending"] == 0);
}

#[test]
fn a_file_that_changes_during_the_batch_runs_once_more_and_no_file_twice_at_once() {
    let d = Daemon::start();
    let (root, out) = (d.root(), d.dir("out"));
    let log = out.join("log");
    // Each file has its lock while it is worked on: a second run of it would fail.
    let script = format!(
        "for f; do mkdir {0}/lock.\"${{f##*/}}\" || exit 1; done; until [ -e {0}/go ]; do sleep 0.05; done; \
         for f; do rmdir {0}/lock.\"${{f##*/}}\"; cat \"$f\" >> {0}/seen; done; printf '%s\\n' \"$@\" >> {1}",
        out.display(),
        log.display()
    );
    let options = [&BATCH[..], &["--concurrency", "3", "--retries", "0"]].concat();
    d.add(&options, &["sh", "-c", &script, "sh", "{paths}"]);
    together(&d, (0..10).map(|n| (format!("f{n}"), "old")));
    d.until("the batch runs", || d.show("data")["running"] == 10);
    fs::write(root.join("f3"), "new").unwrap();
    fs::remove_file(root.join("f4")).unwrap();
    fs::write(out.join("go"), "").unwrap();
    d.wait_idle("data");
    assert_eq!(d.show("data")["failed"], 0);
    assert_eq!(given(&log)["f3"], 2, "{:?}", given(&log));
    assert!(fs::read_to_string(out.join("seen")).unwrap().ends_with("new"));
    assert_eq!(given(&log).values().sum::<u32>(), 11);
}

#[test]
fn a_daemon_that_dies_during_a_batch_gives_all_of_it_out_again_after_its_leftover_was_ended() {
    let mut d = Daemon::start();
    let out = d.dir("out");
    let script = format!(
        "if [ -e {0}/pid ]; then printf '%s\\n' \"$@\" >> {0}/log; exit 0; fi; echo $$ > {0}/pid; sleep 1000",
        out.display()
    );
    d.add(&BATCH, &["sh", "-c", &script, "sh", "{paths}"]);
    together(&d, (0..5).map(|n| (format!("f{n}"), "x")));
    d.until("the batch runs", || fs::read_to_string(out.join("pid")).is_ok_and(|pid| pid.ends_with('\n')));
    let pid: u32 = fs::read_to_string(out.join("pid")).unwrap().trim().parse().unwrap();
    d.kill9();
    assert!(process::lives(pid), "nobody has ended it");
    d.start_again();
    assert!(!process::lives(pid), "it is ended before anything runs");
    d.until("all are done", || given(&out.join("log")).len() == 5);
    d.wait_idle("data");
    assert!(given(&out.join("log")).values().all(|&times| times == 1));
    let lost: Vec<_> = runs(&d).into_iter().filter(|run| run["status"] == "lost").collect();
    assert!(lost.len() == 1 && lost[0]["files"] == 5, "{lost:?}");
}

#[test]
fn what_makes_no_sense_in_a_batch_is_refused_with_what_would() {
    let d = Daemon::start();
    let root = d.root();
    let root = root.to_str().unwrap();
    let add = |words: &[&str]| d.ctl(["add", root].iter().chain(words));
    add(&["--mode", "batch", "--", "import", "{path}"]).refused(2, "{paths}");
    add(&["--", "import", "{paths}"]).refused(2, "--mode batch");
    add(&["--mode", "batch", "--no-path", "--", "import"]).refused(2, "append-path");
    add(&["--mode", "batch", "--on-schedule", "once", "--", "import"]).refused(2, "once");
    add(&["--batch-max", "7", "--", "import"]).refused(2, "--mode batch");
}
