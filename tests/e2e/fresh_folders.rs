//! Files in folders that were made a moment before: none may be missed, and none told twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fsmon_tests::{Daemon, Job, Line, Ran, Tail, ctl, programs, tree};

/// How often each path was told as created.
fn creates(events: &[Line]) -> BTreeMap<PathBuf, usize> {
    let mut count = BTreeMap::new();
    for line in events.iter().filter(|line| line.kind() == "create") {
        *count.entry(line.path()).or_default() += 1;
    }
    count
}

/// Every file below `root` was told as created once, and has run with its content.
#[track_caller]
fn all_told_once(d: &Daemon, tail: &Tail, job: &Job, root: &Path) {
    let files: Vec<_> = tree::files(root).into_iter().filter(|path| !fsmon_tests::tail::is_mark(path)).collect();
    all_run(d, job, &files);
    let created = creates(&tail.up_to_now(root));
    let wrong: Vec<_> = files.iter().filter(|path| created.get(*path) != Some(&1)).collect();
    assert!(wrong.is_empty(), "of {} files {} are not told once: {:?}", files.len(), wrong.len(), wrong.first());
}

/// Waits until each of these files has run with its content. What is in a fresh folder is told when that has been
/// listed, which may be after what is made later elsewhere: so this comes before any count of what was told.
#[track_caller]
fn all_run(d: &Daemon, job: &Job, files: &[PathBuf]) {
    let sums: Vec<String> = files.iter().map(|path| fsmon_tests::job::sum_of(path)).collect();
    d.until("every file has run with its content", || {
        let runs: BTreeMap<PathBuf, String> = job.runs().into_iter().map(|run| (run.path, run.sum)).collect();
        files.iter().zip(&sums).all(|(path, sum)| runs.get(path) == Some(sum))
    });
    d.wait_idle("data");
}

fn watched() -> (Daemon, Tail, Job) {
    let d = Daemon::start();
    let job = d.job();
    d.add(&["--concurrency", "4"], &[&job.command()]);
    let tail = d.tail();
    (d, tail, job)
}

#[test]
fn a_file_at_once_in_a_folder_just_made_500_times() {
    let (d, tail, job) = watched();
    ctl::shell(d.root(), "i=0; while [ $i -lt 500 ]; do mkdir -p $i/a/b/c && echo $i > $i/a/b/c/f; i=$((i+1)); done");
    all_told_once(&d, &tail, &job, &d.root());
    assert_eq!(tree::files(&d.root()).iter().filter(|path| path.ends_with("f")).count(), 500);
}

#[test]
fn an_unpacked_archive() {
    let (d, tail, job) = watched();
    tree::make(&d.dir("source"), 80, 400);
    ctl::shell(d.base(), "tar cf source.tar source");
    ctl::shell(d.root(), "tar xf ../source.tar");
    all_told_once(&d, &tail, &job, &d.root());
}

#[test]
fn a_cloned_repository() {
    if programs::installed("git").is_none() {
        eprintln!("skipped: git is not installed");
        return;
    }
    let (d, tail, job) = watched();
    let source = d.dir("source");
    tree::make(&source, 30, 200);
    let git = |args: &[&str]| {
        let mut git = d.command("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]);
        Ran::command(git.args(args)).ok();
    };
    let path = source.to_str().unwrap();
    git(&["-C", path, "init", "-q"]);
    git(&["-C", path, "add", "."]);
    git(&["-C", path, "commit", "-q", "-m", "all"]);
    let into = d.root().join("clone");
    git(&["clone", "-q", path, into.to_str().unwrap()]);

    // What git keeps of its own comes and goes; the files it checks out are what a person looks for.
    all_run(&d, &job, &tree::files(&into));
    let created = creates(&tail.up_to_now(&d.root()));
    let checked_out: Vec<_> = tree::files(&into).into_iter().filter(|f| !f.starts_with(into.join(".git"))).collect();
    assert_eq!(checked_out.len(), 200);
    for file in &checked_out {
        assert_eq!(created.get(file), Some(&1), "{}", file.display());
    }
}

#[test]
fn a_folder_replaced_by_a_file_and_back_many_times() {
    let (d, tail, job) = watched();
    let script = "i=0; while [ $i -lt 300 ]; do mkdir d; : > d/f; rm -r d; : > d; rm d; i=$((i+1)); done; \
                  mkdir d; echo end > d/f";
    ctl::shell(d.root(), script);
    let file = d.root().join("d/f");
    d.until("the end is processed", || job.is_done(&file));
    tail.up_to_now(&d.root());
    d.wait_idle("data");
    assert_eq!(d.json(["runs", "data", "--failed"]).len(), 0, "a file that is gone is no failure");
}
