//! `--on-success` and `--on-failure`: what becomes of files after their runs.

use std::fs;

use fsmon_tests::Daemon;
use serde_json::Value;

fn runs(d: &Daemon) -> Vec<Value> {
    d.json(["runs", "data", "-n", "1000"])
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn processed_files_are_moved_overwrite_nothing_and_are_no_work_again() {
    let d = Daemon::start();
    let (root, done) = (d.root(), d.base().join("done"));
    let target = format!("move:{}", done.display());
    d.add(&["--on-success", &target, "--kinds", "create,modify,rename,delete"], &["true"]);
    for n in 0..3 {
        fs::write(root.join("a.csv"), format!("content {n}")).unwrap();
        fs::create_dir_all(root.join("x")).unwrap();
        fs::write(root.join(format!("x/b{n}")), "b").unwrap();
        d.until("both are moved", || !root.join("a.csv").exists() && !root.join(format!("x/b{n}")).exists());
    }
    d.wait_idle("data");
    assert_eq!(names(&done), ["a.1.csv", "a.2.csv", "a.csv", "x"]);
    assert_eq!(names(&done.join("x")), ["b0", "b1", "b2"]);
    assert_eq!(fs::read_to_string(done.join("a.1.csv")).unwrap(), "content 1");
    d.until("their deletion is told", || d.show("data")["files"] == 0);
    let told = d.json(["tail", "data", "--no-follow", "--kinds", "delete"]);
    assert_eq!(told.len(), 6, "{told:?}");
    assert_eq!(runs(&d).len(), 6, "{:?}", runs(&d));
    fs::write(root.join("mine"), "x").unwrap();
    d.until("it is moved", || done.join("mine").exists());
    assert!(d.ok(["show", "data"]).text().contains("on-success"));
}

/// A file that is written again while its command runs is not the version that was processed: it has one more run, and
/// goes after that.
#[test]
fn only_the_version_that_was_processed_is_deleted() {
    let d = Daemon::start();
    let (root, out) = (d.root(), d.dir("out"));
    let script =
        format!("cat \"$1\" >> {0}/log; touch {0}/started; while [ ! -e {0}/go ]; do sleep 0.02; done", out.display());
    d.add(&["--on-success", "delete"], &["sh", "-c", &script, "sh"]);
    fs::write(root.join("a"), "one ").unwrap();
    d.until("its command runs", || out.join("started").exists());
    fs::write(root.join("a"), "two ").unwrap();
    fs::write(out.join("go"), "").unwrap();
    d.until("it is deleted", || !root.join("a").exists());
    assert_eq!(fs::read_to_string(out.join("log")).unwrap(), "one two ");
}

#[test]
fn what_is_set_aside_is_moved_and_what_cannot_be_is_told_and_done_later() {
    let d = Daemon::start();
    let (root, bad) = (d.root(), d.base().join("no/bad"));
    let target = format!("move:{}", bad.display());
    d.add(&["--on-failure", &target, "--retries", "0"], &["false"]);
    fs::write(root.join("a"), "x").unwrap();
    d.until("it cannot be moved", || d.show("data")["state"] == "degraded");
    assert_eq!(d.json(["failures", "data"]).len(), 1);
    assert!(d.ok(["show", "data"]).text().contains("can't be moved or deleted"), "{}", d.ok(["show", "data"]).text());
    assert!(d.log().contains("can't be moved or deleted"));
    fs::create_dir(d.base().join("no")).unwrap();
    d.until("it is moved", || bad.join("a").exists());
    d.until("the watch is well again", || d.show("data")["state"] == "watching" && d.show("data")["failed"] == 0);
    assert_eq!(runs(&d).len(), 1);
}

/// Killed when a file was processed and before it was moved: the next start moves it, and runs nothing again.
#[test]
fn a_daemon_that_dies_before_the_move_makes_up_for_it() {
    let mut d = Daemon::start();
    let (root, done) = (d.root(), d.base().join("no/done"));
    let target = format!("move:{}", done.display());
    d.add(&["--on-success", &target], &["true"]);
    for n in 0..50 {
        fs::write(root.join(format!("f{n}")), "x").unwrap();
    }
    d.until("all are processed", || runs(&d).iter().filter(|run| run["status"] == "ok").count() == 50);
    d.kill9();
    fs::create_dir_all(&done).unwrap();
    d.start_again();
    d.until("all are moved", || names(&done).len() == 50 && names(&root).is_empty());
    d.wait_idle("data");
    assert_eq!(runs(&d).len(), 50);
}

#[test]
fn a_batch_is_moved_file_by_file() {
    let d = Daemon::start();
    let (root, done) = (d.root(), d.base().join("done"));
    let target = format!("move:{}", done.display());
    d.add(&["--on-success", &target, "--mode", "batch", "--batch-wait", "200ms"], &["true", "{paths}"]);
    for n in 0..50 {
        fs::write(root.join(format!("f{n}")), "x").unwrap();
    }
    d.until("all are moved", || names(&done).len() == 50);
    d.wait_idle("data");
    assert!(runs(&d).len() < 50);
}

#[test]
fn a_folder_that_the_watch_sees_is_refused() {
    let d = Daemon::start();
    let inside = format!("move:{}", d.root().join("done").display());
    let root = d.root().display().to_string();
    d.ctl(["add", &root, "--on-success", &inside, "--", "true"]).refused(2, "sees them again");
    d.ctl(["add", &root, "--dry-run", "--on-success", &inside, "--", "true"]).refused(2, "sees them again");
    d.ctl(["add", &root, "--on-failure", "delete", "--", "true"]).refused(2, "nobody has processed");
    d.ctl(["add", &root, "--on-success", "away", "--", "true"]).refused(2, "move:DIR");
    d.add(&["--on-success", &inside, "--exclude", "/done/"], &["true"]);
    d.ctl(["set", "data", "--exclude", ""]).refused(2, "sees them again");
    fs::write(d.root().join("a"), "x").unwrap();
    d.until("it is moved", || d.root().join("done/a").exists());
    d.wait_idle("data");
    assert_eq!(runs(&d).len(), 1);
}
