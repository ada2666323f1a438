//! `fsmonctl replay`: files are given out again, at a pace and behind what changes.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use fsmon_protocol::Timestamp;
use fsmon_tests::Daemon;

/// A watch with so many files, all of them processed.
fn processed(d: &Daemon, files: usize, options: &[&str]) -> (fsmon_tests::Job, Vec<PathBuf>) {
    let job = d.job();
    d.add(options, &[&job.command()]);
    let paths: Vec<PathBuf> = (0..files).map(|n| d.root().join(format!("f{n:03}"))).collect();
    for path in &paths {
        fs::write(path, "x").unwrap();
    }
    d.until("all are processed", || job.runs().len() == files && d.show("data")["pending"] == 0);
    (job, paths)
}

#[test]
fn every_file_runs_once_more_with_another_id_and_what_changes_goes_first() {
    let d = Daemon::start();
    let (job, paths) = processed(&d, 20, &["--settle", "10ms"]);
    let before: BTreeSet<String> = job.runs().into_iter().map(|run| run.id).collect();
    let said = d.ok(["replay", "data", "--all", "--dry-run"]).text();
    assert_eq!(said, "dry run: 20 files would be given out again, at 10/s\n");
    assert_eq!(job.runs().len(), 20, "it was only counted");
    let said = d.ok(["replay", "data", "--all", "--rate", "2/s"]).text();
    assert_eq!(said, "20 files are given out again, at 2/s\n");
    let live = d.root().join("live");
    fs::write(&live, "x").unwrap();
    d.until("what changed is processed", || job.is_done(&live));
    let paced = d.json(["files", "data", "--state", "ready"]);
    assert!(paced.len() > 5, "most of the others wait: {paced:?}");
    let last = paced.last().unwrap()["path"].as_str().unwrap().to_owned();
    let why = d.ok(["explain", &last]).text();
    assert!(why.contains("its turn") && why.contains("replay"), "{why}");
    // Another replay joins what waits, and its pace counts for all.
    let said = d.ok(["replay", "data", "--all", "--rate", "off", "--wait"]).text();
    assert!(said.contains("as fast as it goes") && said.contains(" 0 failed"), "{said}");
    assert_eq!(d.show("data")["pending"], 0);
    for path in &paths {
        let again: Vec<_> = job.runs_of(path).into_iter().filter(|run| !before.contains(&run.id)).collect();
        assert!((1..=2).contains(&again.len()) && again.iter().all(|run| run.trigger == "manual"), "{again:?}");
        assert!(again.iter().all(|run| run.attempt == 1));
    }
}

#[test]
fn only_what_changed_since_or_what_failed_is_given_out() {
    let d = Daemon::start();
    let (job, _) = processed(&d, 3, &["--retries", "0"]);
    let since = Timestamp::now();
    let probe = d.dir("out").join("probe");
    d.until("the clock of the file system, which is a little behind, is past that", || {
        fs::write(&probe, "x").unwrap();
        Timestamp::from(fs::metadata(&probe).unwrap().modified().unwrap()) > since
    });
    let since = since.to_string();
    let new = d.root().join("new");
    fs::write(&new, "x").unwrap();
    d.until("it is processed", || job.is_done(&new));
    let said = d.ok(["replay", "data", "--since", &since, "--wait"]).text();
    assert_eq!(said, "1 file is given out again, at 10/s\n1 ok, 0 failed, 0 vanished\n");
    assert_eq!((job.runs().len(), job.runs_of(&new).len()), (5, 2));
    assert!(d.ok(["replay", "data", "--since", "1h", "--dry-run"]).text().contains("4 files"));

    d.ok(["set", "data", "--", "false"]);
    d.ctl(["replay", "data", "--all", "--rate", "off", "--wait"]).with_code(6);
    assert_eq!(d.show("data")["failed"], 4);
    assert!(d.ok(["replay", "data", "--all"]).text().starts_with("0 files"), "what failed is left alone");
    d.ok(["set", "data", "--", "true"]);
    let done = d.json(["replay", "data", "--state", "failed", "--rate", "100", "--wait"]);
    assert_eq!((done[0]["pending"].as_u64(), done[0]["ok"].as_u64()), (Some(4), Some(4)), "{done:?}");
    assert_eq!(d.show("data")["failed"], 0);
}

#[test]
fn what_is_not_given_out_yet_outlives_a_kill() {
    let mut d = Daemon::start();
    let (job, paths) = processed(&d, 30, &[]);
    d.ok(["replay", "data", "--all", "--rate", "5/s"]);
    d.until("some ran again", || job.runs().len() >= 33);
    d.kill9();
    d.start_again();
    d.wait_idle("data");
    for path in &paths {
        let ids: BTreeSet<String> = job.runs_of(path).into_iter().map(|run| run.id).collect();
        assert_eq!(ids.len(), 2, "{}: once, and once more", path.display());
    }
    assert!(job.runs().len() <= 61, "at most the one that was cut off is made twice");
}

#[test]
fn what_it_cannot_do_is_refused() {
    let d = Daemon::start();
    processed(&d, 1, &[]);
    d.ctl(["replay", "data"]).refused(2, "--since");
    d.ctl(["replay", "data", "--all", "--since", "1h"]).refused(2, "cannot be used with");
    d.ctl(["replay", "data", "--all", "--rate", "0/s"]).refused(2, "10/s");
    d.ctl(["replay", "data", "--since", "yesterday"]).refused(2, "1h");
    d.ctl(["replay", "data", "--state", "pending"]).refused(2, "failed");
    d.ctl(["replay", "nobody", "--all"]).refused(1, "nobody");
    d.ok(["pause", "data"]);
    d.ctl(["replay", "data", "--all"]).refused(1, "paused");
    d.ok(["resume", "data"]);
    d.ok(["set", "data", "--no-command"]);
    d.ctl(["replay", "data", "--all"]).refused(1, "no command");
}
