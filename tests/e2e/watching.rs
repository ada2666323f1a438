//! What is told of files that come, change, move and go; and steering a watch while it runs.

use std::fs;
use std::os::unix::fs::symlink;

use fsmon_tests::{Daemon, LIMIT, Line, Ran, ctl};

/// The kinds told for a path, in order.
fn kinds(lines: &[Line], path: &std::path::Path) -> Vec<String> {
    lines.iter().filter(|line| line.path() == path).map(|line| line.kind().to_owned()).collect()
}

#[test]
fn add_change_rename_and_delete_are_told_once_each() {
    let d = Daemon::start();
    let root = d.root();
    d.add(&[], &[]);
    let tail = d.tail();
    let (a, b) = (root.join("a.csv"), root.join("b.csv"));

    fs::write(&a, "one\n").unwrap();
    tail.wait_event("create", &a);
    fs::write(&a, "one and two\n").unwrap();
    tail.wait_event("modify", &a);
    fs::rename(&a, &b).unwrap();
    tail.wait_event("rename", &b);
    fs::remove_file(&b).unwrap();
    tail.wait_event("delete", &b);

    let events = tail.up_to_now(&root);
    let told: Vec<_> = events.iter().map(|line| (line.kind().to_owned(), line.path())).collect();
    let expected =
        [("create", &a), ("modify", &a), ("rename", &b), ("delete", &b)].map(|(k, p)| (k.to_owned(), p.clone()));
    assert_eq!(told, expected);
    assert_eq!(events[2].from(), a);
    assert_eq!(events[0].number("size"), Some(4));
    for line in &events {
        assert_eq!((line.field("watch"), line.field("type"), line.field("origin")), ("data", "file", "live"));
        assert!(line.field("time").ends_with('Z') && line.field("time").len() == 30, "{line:?}");
    }
    let numbers: Vec<_> = tail.lines().iter().map(|line| line.number("seq").unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "numbers rise: {numbers:?}");
}

#[test]
fn history_is_told_again_from_a_number_or_the_last_few() {
    let d = Daemon::start();
    let root = d.root();
    d.add(&[], &[]);
    let tail = d.tail();
    for n in 0..5 {
        fs::write(root.join(format!("f{n}")), "x").unwrap();
        tail.wait_event("create", &root.join(format!("f{n}")));
    }
    let told = tail.events();
    let last_two: Vec<_> = d.ok(["tail", "--json", "-n", "2", "--no-follow", "--kinds", "create"]).json();
    assert_eq!(last_two, told[3..].iter().map(|line| line.0.clone()).collect::<Vec<_>>());
    let second = told[1].number("seq").unwrap().to_string();
    let after: Vec<_> = d.ok(["tail", "--json", "--since", &second, "--no-follow", "--kinds", "create"]).json();
    assert_eq!(after, told[2..].iter().map(|line| line.0.clone()).collect::<Vec<_>>());
}

#[test]
fn folders_links_and_fifos_are_told_by_type_and_run_nothing() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.add(&[], &[&job.command()]);
    let tail = d.tail();
    fs::create_dir(root.join("folder")).unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    symlink(".", root.join("loop")).unwrap();
    ctl::shell(&root, "mkfifo fifo");
    let file = root.join("folder").join("file");
    fs::write(&file, "content").unwrap();

    let events = tail.up_to_now(&root);
    let types: Vec<_> = ["folder", "link", "loop", "fifo"]
        .map(|name| {
            let lines: Vec<_> = events.iter().filter(|line| line.path() == root.join(name)).collect();
            assert_eq!(lines.len(), 1, "{name}: {lines:?}");
            (lines[0].kind().to_owned(), lines[0].field("type").to_owned())
        })
        .to_vec();
    let expected = ["dir", "symlink", "symlink", "other"].map(|t| ("create".to_owned(), t.to_owned()));
    assert_eq!(types, expected);
    d.until("the file has run", || job.is_done(&file));
    d.wait_idle("data");
    assert_eq!(job.runs().iter().map(|run| &run.path).collect::<Vec<_>>(), [&file]);
}

#[test]
fn a_tree_that_is_moved_in_around_and_out_stays_true() {
    let d = Daemon::start();
    let (root, outside) = (d.root(), d.dir("outside"));
    d.add(&[], &[]);
    let tail = d.tail();
    fs::create_dir_all(outside.join("x/deep")).unwrap();
    fs::write(outside.join("x/deep/f"), "1").unwrap();

    fs::rename(outside.join("x"), root.join("x")).unwrap();
    tail.wait_event("create", &root.join("x/deep/f"));
    fs::rename(root.join("x"), root.join("y")).unwrap();
    let moved = tail.wait_event("rename", &root.join("y"));
    assert_eq!((moved.from(), moved.field("type")), (root.join("x"), "dir"));
    fs::write(root.join("y/deep/g"), "2").unwrap();
    tail.wait_event("create", &root.join("y/deep/g"));
    fs::rename(root.join("y"), outside.join("z")).unwrap();
    tail.wait_event("delete", &root.join("y"));
    fs::write(outside.join("z/deep/h"), "3").unwrap();

    let events = tail.up_to_now(&root);
    assert!(events.iter().all(|line| !line.path().ends_with("h")), "nothing is told of what is outside now");
    assert!(kinds(&events, &root.join("x/deep/g")).is_empty(), "the old path is not used after the move");
}

#[test]
fn filters_say_which_files_run() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    let options = ["--include", "*.csv", "--exclude", "tmp/", "--min-size", "2", "--no-hidden"];
    d.add(&options, &[&job.command()]);
    fs::create_dir(root.join("tmp")).unwrap();
    for name in ["a.txt", ".b.csv", "tmp/c.csv"] {
        fs::write(root.join(name), "long enough").unwrap();
    }
    fs::write(root.join("short.csv"), "1").unwrap();
    fs::write(root.join("yes.csv"), "long enough").unwrap();
    d.until("the one that matches has run", || job.is_done(&root.join("yes.csv")));
    d.ok(["run-now", "data", "--wait"]);
    assert_eq!(job.runs().len(), 1, "{:?}", job.runs());
}

#[test]
fn what_is_there_already_is_skipped_or_run_as_asked() {
    let d = Daemon::start();
    let (skipped, run) = (d.dir("skipped"), d.dir("run"));
    let job = d.job();
    for folder in [&skipped, &run] {
        for n in 0..10 {
            fs::write(folder.join(format!("f{n}")), "there before").unwrap();
        }
    }
    d.add_folder("skipped", &skipped, &[], &[&job.command()]);
    assert_eq!(d.show("skipped")["files"], 10);
    d.wait_idle("skipped");
    assert!(job.runs().is_empty(), "{:?}", job.runs());
    d.add_folder("run", &run, &["--existing", "run"], &[&job.command()]);
    d.until("all that was there has run", || job.runs().len() == 10);
    assert!(job.runs().iter().all(|job_run| job_run.path.starts_with(&run)));
}

#[test]
fn a_changed_interval_takes_effect_at_once() {
    let d = Daemon::start();
    d.add(&[], &[]);
    assert_eq!(d.show("data")["rules"]["every"], "2h");
    let tail = d.tail();
    d.ok(["set-interval", "data", "200ms"]);
    assert_eq!(d.show("data")["rules"]["every"], "200ms");
    tail.wait_for(LIMIT, "three occurrences", |lines| {
        lines.iter().filter(|line| line.kind() == "schedule" && line.field("status") == "done").count() >= 3
    });
    d.ok(["set-interval", "data", "off"]);
    assert!(d.show("data")["next_due"].is_null(), "off means that none is due");
}

#[test]
fn an_occurrence_runs_every_file_when_told_to() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    for name in ["a", "b"] {
        fs::write(root.join(name), name).unwrap();
    }
    d.add(&["--on-schedule", "all", "--every", "300ms"], &[&job.command()]);
    d.until("each has run twice by the schedule", || {
        ["a", "b"]
            .iter()
            .all(|name| job.runs_of(&root.join(name)).iter().filter(|run| run.trigger == "scheduled").count() >= 2)
    });
}

#[test]
fn run_now_waits_for_what_it_runs() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    for n in 0..5 {
        fs::write(root.join(format!("f{n}")), "there before").unwrap();
    }
    d.add(&[], &[&job.command()]);
    let nothing = d.ok(["run-now", "data", "--wait"]).text();
    assert!(nothing.contains("5 files looked at, 0 pending"), "{nothing}");
    assert!(job.runs().is_empty());
    d.ok(["run-now", "data", "--all-files", "--wait"]);
    let runs = job.runs();
    assert_eq!(runs.len(), 5, "every run has ended when the call returns: {runs:?}");
    assert!(runs.iter().all(|run| run.trigger == "manual"), "{runs:?}");
}

#[test]
fn run_now_says_when_a_run_failed() {
    let d = Daemon::start();
    fs::write(d.root().join("f"), "there before").unwrap();
    d.add(&["--retries", "0"], &["/bin/false"]);
    d.ctl(["run-now", "data", "--all-files", "--wait"]).with_code(6);
}

#[test]
fn a_paused_watch_sees_but_runs_nothing_until_it_is_resumed() {
    let mut d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.add(&[], &[&job.command()]);
    d.ok(["pause", "data"]);
    let tail = d.tail();
    fs::write(root.join("f"), "content").unwrap();
    tail.wait_event("create", &root.join("f"));
    d.ctl(["run-now", "data"]).with_code(1);
    d.restart();
    d.wait_state("data", "paused");
    d.until("it is known as pending", || d.show("data")["pending"] == 1);
    assert!(job.runs().is_empty());
    d.ok(["resume", "data"]);
    d.until("it has run", || job.is_done(&root.join("f")));
}

#[test]
fn a_removed_watch_is_gone_and_its_files_are_not() {
    let d = Daemon::start();
    let (root, job, other) = (d.root(), d.job(), d.dir("other"));
    d.add(&[], &[&job.command()]);
    d.add_folder("other", &other, &[], &[]);
    fs::write(root.join("f"), "content").unwrap();
    d.until("it has run", || job.is_done(&root.join("f")));
    let tail = d.tail();
    d.ok(["remove", "data"]);
    d.ctl(["show", "data"]).refused(1, "data");
    fs::write(root.join("g"), "content").unwrap();
    let events = tail.up_to_now(&other);
    assert!(events.is_empty(), "{events:?}");
    assert!(root.join("f").exists());
    assert!(tail.lines().iter().any(|line| line.kind() == "watch" && line.field("status") == "removed"));
    // Added again it is a new watch: what is there is taken as done.
    d.add(&[], &[&job.command()]);
    d.wait_idle("data");
    assert_eq!(job.runs().len(), 1);
}

#[test]
fn an_option_can_be_changed_and_a_new_command_is_for_what_comes() {
    let d = Daemon::start();
    let (root, first) = (d.root(), d.job());
    d.add(&[], &[&first.command()]);
    fs::write(root.join("a"), "1").unwrap();
    d.until("the first has run", || first.is_done(&root.join("a")));
    let second = fsmon_tests::Job::logging(&d.dir("second"));
    d.ok(["set", "data", "--settle", "50ms", "--", &second.command()]);
    assert_eq!(d.show("data")["rules"]["settle"], "50ms");
    fs::write(root.join("b"), "2").unwrap();
    d.until("the second has run", || second.is_done(&root.join("b")));
    d.ok(["run-now", "data", "--wait"]);
    assert_eq!((first.runs().len(), second.runs().len()), (1, 1));
}

#[test]
fn one_file_can_be_watched_alone() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    let file = root.join("settings.toml");
    fs::write(&file, "a = 1\n").unwrap();
    d.add_folder("one", &file, &[], &[&job.command()]);
    fs::write(root.join("beside"), "not watched").unwrap();
    fs::write(root.join("new"), "a = 2\n").unwrap();
    fs::rename(root.join("new"), &file).unwrap();
    d.until("the new content has run", || job.is_done(&file));
    d.ok(["run-now", "one", "--wait"]);
    assert!(job.runs().iter().all(|run| run.path == file), "{:?}", job.runs());
}

#[test]
fn a_root_that_goes_and_comes_back_loses_nothing() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.add(&[], &[&job.command()]);
    let tail = d.tail();
    let away = d.base().join("away");
    fs::rename(&root, &away).unwrap();
    d.wait_state("data", "waiting");
    assert!(tail.events().is_empty(), "a root that is gone is not a deletion: {:?}", tail.events());
    fs::write(away.join("meanwhile"), "content").unwrap();
    fs::rename(&away, &root).unwrap();
    d.until("what came meanwhile has run", || job.is_done(&root.join("meanwhile")));
    fs::write(root.join("after"), "content").unwrap();
    d.until("what came after has run", || job.is_done(&root.join("after")));
}

#[test]
fn a_polled_watch_finds_the_same() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.add(&["--backend", "poll", "--poll-interval", "200ms"], &[&job.command()]);
    assert_eq!(d.show("data")["backend"], "poll");
    let tail = d.tail();
    let file = root.join("a/b/f");
    ctl::shell(&root, "mkdir -p a/b; echo one > a/b/f");
    let found = tail.wait_event("create", &file);
    assert_eq!(found.field("origin"), "scan");
    d.until("it has run", || job.is_done(&file));
    fs::remove_file(&file).unwrap();
    tail.wait_event("delete", &file);
}

#[test]
fn overlapping_watches_are_independent() {
    let d = Daemon::start();
    let (root, outer) = (d.root(), d.job());
    let inner = fsmon_tests::Job::logging(&d.dir("inner-job"));
    fs::create_dir(root.join("in")).unwrap();
    d.add(&[], &[&outer.command()]);
    d.add_folder("inner", &root.join("in"), &[], &[&inner.command()]);
    fs::write(root.join("in/f"), "content").unwrap();
    d.until("both have run it", || outer.is_done(&root.join("in/f")) && inner.is_done(&root.join("in/f")));
    d.ok(["remove", "inner"]);
    fs::write(root.join("in/g"), "content").unwrap();
    d.until("the outer one goes on", || outer.is_done(&root.join("in/g")));
    assert_eq!(inner.runs().len(), 1);
}

#[test]
fn help_and_version_work_without_a_daemon() {
    let d = Daemon::prepare(fsmon_tests::DaemonOptions::default());
    let daemon = |arg| Ran::command(d.command(fsmon_tests::programs::fsmond()).arg(arg)).ok().text();
    assert!(daemon("--help").contains("--foreground"));
    assert!(daemon("--version").contains(env!("CARGO_PKG_VERSION")));
    assert!(d.ok(["--help"]).text().contains("tail"));
    assert!(d.ok(["--version"]).text().contains(env!("CARGO_PKG_VERSION")));
}
