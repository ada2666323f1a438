//! `--mode worker`: processes that stay, what they answer, and what becomes of files when they fail, hang, flood or die.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fsmon_tests::{Daemon, process, programs};
use serde_json::Value;

/// A worker in `sh` that answers with `$status` what `body` makes of `$path`; a path of these tests needs no JSON.
fn worker(d: &Daemon, body: &str) -> PathBuf {
    let script = d.base().join("worker.sh");
    let text = format!(
        r#"echo $$ >> {0}/pids
while IFS= read -r line; do
    run=${{line#*'"run":'}}; run=${{run%%,*}}
    path=${{line#*'"path":"'}}; path=${{path%%'"'*}}
    name=${{path##*/}}
    status=ok
    {body}
    printf '{{"run":%s,"status":"%s"}}\n' "$run" "$status"
done
"#,
        d.base().display()
    );
    fs::write(&script, text).unwrap();
    script
}

fn add(d: &Daemon, options: &[&str], body: &str) {
    let script = worker(d, body);
    d.add(&[&["--mode", "worker"][..], options].concat(), &["/bin/sh", script.to_str().unwrap()]);
}

fn pids(d: &Daemon) -> Vec<u32> {
    let text = fs::read_to_string(d.base().join("pids")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn runs(d: &Daemon) -> Vec<Value> {
    let mut runs = d.json(["runs", "data", "-n", "1000"]);
    runs.retain(|run| run["status"] != "started");
    runs.reverse();
    runs
}

fn all_done(d: &Daemon) -> bool {
    let show = d.show("data");
    show["pending"] == 0 && show["running"] == 0
}

#[test]
fn two_processes_are_started_once_and_do_all_files() {
    let d = Daemon::start();
    let root = d.root();
    add(&d, &["--concurrency", "2", "--in-flight", "8"], "echo \"on $path\" >&2");
    d.until("both are up", || pids(&d).len() == 2 && d.show("data")["workers"]["up"] == 2);
    for n in 0..300 {
        fs::write(root.join(format!("f{n}")), "x").unwrap();
    }
    d.wait_idle("data");
    d.until("all are done", || runs(&d).len() == 300);
    assert!(runs(&d).iter().all(|run| run["status"] == "ok" && run["answer"] == "ok"), "{:?}", runs(&d)[0]);
    assert_eq!(pids(&d).len(), 2, "nobody was started again");
    for pid in pids(&d) {
        assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), Path::new("/"), "it keeps no mount busy");
    }
    assert!(d.ok(["status"]).text().contains("2 of 2 up, 0 restarts"), "{}", d.ok(["status"]).text());
    // A watch that goes lets its workers go.
    let pids = pids(&d);
    d.ok(["remove", "data"]);
    d.until("they are gone", || pids.iter().all(|&pid| !process::lives(pid)));
}

#[test]
fn with_one_line_at_a_time_what_it_says_is_the_output_of_its_file() {
    let d = Daemon::start();
    let root = d.root();
    add(&d, &[], "echo \"on $name\" >&2; [ $name = bad ] && status=fail");
    for name in ["one", "bad", "two"] {
        fs::write(root.join(name), "x").unwrap();
    }
    d.until("all are done", || runs(&d).len() == 3);
    for run in runs(&d) {
        let name = run["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        assert_eq!(d.ok(["logs", &run["run"].to_string()]).text(), format!("on {name}\n"));
        assert_eq!(run["status"], if name == "bad" { "failed" } else { "ok" });
    }
    assert_eq!(d.show("data")["failed"], 1, "what it says has failed is set aside at once");
}

/// What it has then fails; it is started again; no file of it is lost.
#[test]
fn a_worker_that_dies_hangs_or_talks_nonsense_is_started_again() {
    let d = Daemon::start();
    let root = d.root();
    let body = "case $name in die) exit 3;; hang) sleep 1000;; talk) echo hello;; long) head -c 70000 /dev/zero | tr '\\0' x;; esac";
    let options = ["--retries", "0", "--timeout", "2s", "--grace", "200ms"];
    add(&d, &options, body);
    let mut expected = BTreeSet::new();
    for (name, outcome, says) in [
        ("die", "worker_failed", "exit 3"),
        ("hang", "timed_out", ""),
        ("talk", "worker_failed", "no answer"),
        ("long", "worker_failed", "more than 65536 bytes"),
    ] {
        let seen = runs(&d).len();
        fs::write(root.join(name), "x").unwrap();
        d.until("it has failed", || runs(&d).len() > seen);
        let run = runs(&d).pop().unwrap();
        assert_eq!((&run["status"], &run["outcome"]), (&"failed".into(), &outcome.into()), "{run}");
        assert!(run["error"].as_str().unwrap_or_default().contains(says), "{run}");
        expected.insert(name);
        let last = *pids(&d).last().unwrap();
        fs::write(root.join(format!("after {name}")), "x").unwrap();
        d.until("the next one does the next file", || {
            let after = runs(&d).pop().unwrap();
            after["status"] == "ok" && after["path"].as_str().unwrap().ends_with(&format!("after {name}"))
        });
        assert!(pids(&d).len() > expected.len() && !process::lives(last) || pids(&d).last() != Some(&last));
    }
    assert_eq!(d.show("data")["failed"], 4);
    assert!(d.show("data")["workers"]["restarts"].as_u64().unwrap() >= 4);
}

#[test]
fn one_that_ignores_its_stdin_or_floods_holds_nothing_up() {
    let d = Daemon::start();
    let root = d.root();
    let script = d.base().join("deaf.sh");
    fs::write(&script, "yes >&2 & trap '' TERM; sleep 1000").unwrap();
    let options = ["--mode", "worker", "--in-flight", "5000", "--timeout", "3s", "--grace", "300ms", "--retries", "0"];
    d.add(&options, &["/bin/sh", script.to_str().unwrap()]);
    d.until("it is up", || d.show("data")["workers"]["up"] == 1);
    for n in 0..3000 {
        fs::write(root.join(format!("{n:0>100}")), "x").unwrap();
    }
    // The daemon answers all the while, and its memory does not follow the flood.
    d.until("what it had has timed out", || d.show("data")["failed"].as_u64() > Some(0));
    let memory = fs::read_to_string(format!("/proc/{}/status", d.pid())).unwrap();
    let kib: u64 =
        memory.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok()).unwrap();
    assert!(kib < 200_000, "{kib} KiB");
    d.ok(["remove", "data", "--kill"]);
    d.until("nothing of it is left", || process::of_commands_below(d.base()).is_empty());
}

#[test]
fn without_a_worker_nothing_is_given_out_and_that_is_said() {
    let d = Daemon::start();
    let root = d.root();
    d.ok(["-q", "add", root.to_str().unwrap(), "--name", "data", "--mode", "worker", "--", "/no/such/worker"]);
    fs::write(root.join("f"), "x").unwrap();
    d.wait_state("data", "degraded");
    assert!(d.ok(["show", "data"]).text().contains("'/no/such/worker' is not there"));
    d.ctl(["health"]).with_code(6);
    assert!(runs(&d).is_empty());
    let script = worker(&d, "");
    d.ok(["set", "data", "--", "/bin/sh", script.to_str().unwrap()]);
    d.until("it is done", || runs(&d).len() == 1 && all_done(&d));
    d.wait_state("data", "watching");
}

#[test]
fn a_stop_takes_back_what_is_not_answered_and_a_kill_leaves_no_worker_behind() {
    let mut d = Daemon::start();
    let (root, base) = (d.root(), d.base().to_owned());
    let wait = format!("[ -e {0}/go ] || {{ touch {0}/busy; sleep 1000; }}", base.display());
    add(&d, &["--grace", "500ms"], &wait);
    fs::write(root.join("f"), "x").unwrap();
    d.until("it works", || base.join("busy").exists());
    let first = pids(&d);
    assert_eq!(d.stop(), Some(0));
    assert!(first.iter().all(|&pid| !process::lives(pid)));
    fs::remove_file(base.join("busy")).unwrap();
    d.start_again();
    d.until("the next one works on it", || base.join("busy").exists());
    assert_eq!(runs(&d)[0]["status"], "interrupted");
    let second = *pids(&d).last().unwrap();
    d.kill9();
    assert!(process::lives(second), "it works on and has not noticed");
    fs::write(base.join("go"), "").unwrap();
    d.start_again();
    assert!(!process::lives(second), "it is ended before anything is given out");
    d.until("the file is done", || runs(&d).iter().any(|run| run["status"] == "ok"));
    let ids: BTreeSet<String> = runs(&d).iter().map(|run| run["event_id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "it has the same key each time");
    assert!(runs(&d).iter().all(|run| run["attempt"] == 1), "{:?}", runs(&d));
}

/// Each of the examples that come with it processes a file with a hard name.
#[test]
fn the_examples_work() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/examples");
    let rust = std::env::current_exe().unwrap().parent().unwrap().join("../examples/worker");
    if !rust.exists() {
        eprintln!("the Rust one is skipped: cargo build -p fsmon-tests --example worker");
    }
    for (program, argv) in [
        ("python3", vec!["python3".to_owned(), examples.join("worker.py").to_str().unwrap().to_owned()]),
        ("jq", vec![examples.join("worker.sh").to_str().unwrap().to_owned()]),
        ("sh", vec![rust.to_str().unwrap().to_owned()]),
    ] {
        if argv[0].ends_with("examples/worker") && !rust.exists() {
            continue;
        }
        if programs::installed(program).is_none() {
            eprintln!("skipped: {program} is not installed");
            continue;
        }
        let d = Daemon::start();
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        d.add(&["--mode", "worker"], &argv);
        let path = d.root().join("a \"b\" ü;$(x)");
        fs::write(&path, "x").unwrap();
        d.until("it is done", || runs(&d).len() == 1);
        let run = &runs(&d)[0];
        assert_eq!(run["status"], "ok", "{argv:?}: {run}");
        let said = d.ok(["logs", &run["run"].to_string()]).text();
        assert!(said.starts_with(&format!("file_change: {}", path.display())), "{argv:?}: {said}");
    }
}

#[test]
fn what_makes_no_sense_with_a_worker_is_refused_with_what_would() {
    let d = Daemon::start();
    let root = d.root();
    let add = |words: &[&str]| d.ctl(["add", root.to_str().unwrap()].iter().chain(words));
    add(&["--mode", "worker", "--", "work", "{path}"]).refused(2, "JSON line on stdin");
    add(&["--mode", "worker", "--stdin", "json", "--", "work"]).refused(2, "stdin");
    add(&["--mode", "worker", "--batch-max", "5", "--", "work"]).refused(2, "--mode batch");
    add(&["--in-flight", "5", "--", "work"]).refused(2, "--mode worker");
    add(&["--mode", "worker", "--on-schedule", "once", "--", "work"]).refused(2, "once");
}
