//! The ledger as people see it: files and where they stand, failed files, and what a person decides about them.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use fsmon_tests::Daemon;
use serde_json::Value;

/// A command that succeeds only for files with a line `good`.
fn picky() -> [&'static str; 5] {
    ["/bin/sh", "-c", "grep -q '^good' \"$1\"", "sh", "{path}"]
}

fn paths(files: &[Value]) -> Vec<&str> {
    let mut paths: Vec<_> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    paths
}

#[test]
fn failed_files_are_listed_and_run_again_by_retry_over_a_restart() {
    let mut d = Daemon::start();
    let root = d.root();
    d.add(&["--retries", "1", "--backoff", "50ms"], &picky());
    for name in ["a", "b", "c"] {
        fs::write(root.join(name), "bad\n").unwrap();
    }
    d.until("all have failed", || d.show("data")["failed"] == 3);
    let listed = d.json(["failures"]);
    assert_eq!(listed.len(), 3);
    for file in &listed {
        assert_eq!((&file["state"], &file["attempts"]), (&"failed".into(), &2.into()), "{file}");
        assert_eq!((&file["last"]["exit"], &file["last"]["attempt"]), (&1.into(), &2.into()), "{file}");
        assert_eq!((&file["size"], file.get("processed")), (&4.into(), None), "{file}");
    }
    let text = d.ok(["failures", "data"]).text();
    assert!(text.contains("exit 1") && text.contains(root.join("a").to_str().unwrap()), "{text}");
    // Neither a restart nor run-now touches them.
    d.kill9();
    d.start_again();
    d.wait_watching("data");
    let said = d.ok(["run-now", "data", "--all-files", "--wait"]);
    assert!(said.complaint().contains("3 failed files left alone"), "{}", said.complaint());
    assert_eq!(d.show("data")["failed"], 3);
    let before = d.json(["runs", "data"]).len();
    assert_eq!(before, 6);
    // What is made right under the same content is seen only by retry.
    d.ctl(["retry", "data", "/nowhere"]).refused(1, "fsmonctl failures data");
    d.ok(["retry", "data", root.join("a").to_str().unwrap()]);
    d.until("it failed once more", || d.json(["runs", "data"]).len() == 8 && d.show("data")["failed"] == 3);
    let again = &d.json(["runs", "data"])[1];
    assert_eq!((&again["attempt"], &again["trigger"]), (&1.into(), &"manual".into()), "{again}");
    fs::write(root.join("a"), "good\n").unwrap();
    d.until("new content runs", || !d.json(["files", "data", "--state", "clean"]).is_empty());
    let file = d.json(["files", "data", "--state", "clean"]).remove(0);
    assert_eq!((&file["processed"]["status"], &file["size"]), (&"ok".into(), &5.into()), "{file}");
    assert_eq!(file["processed"]["run"], file["last"]["run"], "{file}");
}

#[test]
fn dropped_files_are_done_as_they_are_also_after_a_crash() {
    let mut d = Daemon::start();
    let root = d.root();
    d.add(&["--retries", "0"], &picky());
    fs::create_dir(root.join("old")).unwrap();
    for name in ["old/a", "old/b", "c"] {
        fs::write(root.join(name), "bad\n").unwrap();
    }
    d.until("all have failed", || d.show("data")["failed"] == 3);
    let said = d.ok(["drop", "data", root.join("old").to_str().unwrap()]).text();
    assert_eq!(said, "2 files taken as done\n");
    d.kill9();
    d.start_again();
    d.wait_watching("data");
    let left = d.json(["failures", "data"]);
    assert_eq!(paths(&left), [root.join("c").to_str().unwrap()]);
    let records = d.json(["tail", "--since", "1h", "--kinds", "watch", "--no-follow"]);
    let dropped = records.iter().find(|record| record["status"] == "dropped").expect("the journal says so");
    assert!(dropped["detail"].as_str().unwrap().contains("old/a"), "{dropped}");
    d.ctl(["drop", "data", root.join("old").to_str().unwrap()]).refused(1, "pending or failed");
    d.ctl(["drop", "data"]).with_code(2);
    let runs = d.json(["runs", "data"]).len();
    fs::write(root.join("old/a"), "good\n").unwrap();
    d.until("a change runs it", || d.json(["runs", "data"]).len() == runs + 1);
}

#[test]
fn thousands_of_files_come_page_by_page_each_once() {
    let d = Daemon::start();
    let root = d.root();
    for folder in 0..5 {
        fs::create_dir(root.join(format!("d{folder}"))).unwrap();
        for n in 0..700 {
            fs::write(root.join(format!("d{folder}/f{n}")), "x").unwrap();
        }
    }
    let odd = root.join(std::ffi::OsStr::from_bytes(b"odd\xff\n"));
    fs::write(&odd, "xyz").unwrap();
    d.add(&[], &["/bin/true"]);
    let files = d.json(["files", "data"]);
    let mut all = paths(&files);
    all.dedup();
    assert_eq!((files.len(), all.len()), (3501, 3501));
    assert!(files.iter().all(|file| file["state"] == "clean" && file["size"].as_u64() >= Some(1)), "all are known");
    let lossy = files.iter().find(|file| file.get("path_bytes").is_some()).expect("the odd one");
    assert_eq!(lossy["size"], 3);
    assert_eq!(d.json(["files", "data", "-n", "1500"]).len(), 1500);
    assert!(d.json(["files", "data", "--state", "pending,running,failed"]).is_empty());
    let text = d.ok(["files", "data", "-n", "3"]).text();
    assert!(text.starts_with("STATE") && text.lines().count() == 4, "{text}");
    d.ctl(["files", "nowhere"]).refused(1, "no watch has the name");
}

#[test]
fn a_mass_deletion_is_accepted_over_a_crash_without_a_run() {
    let mut d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    for n in 0..150 {
        fs::write(root.join(format!("f{n}")), "x").unwrap();
    }
    d.add(&["--kinds", "create,modify,delete"], &[&job.command()]);
    d.ctl(["accept", "data"]).refused(1, "not held");
    d.kill9();
    for n in 0..120 {
        fs::remove_file(root.join(format!("f{n}"))).unwrap();
    }
    fs::write(root.join("new"), "x").unwrap();
    d.start_again();
    d.wait_state("data", "held");
    d.ctl(["health"]).with_code(6);
    assert!(d.show("data")["details"].to_string().contains("fsmonctl accept data"));
    d.ok(["accept", "data"]);
    d.kill9();
    d.start_again();
    d.wait_watching("data");
    assert_eq!((&d.show("data")["files"], &d.show("data")["pending"]), (&31.into(), &0.into()));
    assert!(job.runs().is_empty(), "nothing of it is work: {:?}", job.runs());
    assert!(d.json(["gaps", "data"]).iter().all(|gap| gap["open"] == false));
    fs::write(root.join("new"), "more").unwrap();
    d.until("a change is work again", || job.is_done(&root.join("new")));
}
