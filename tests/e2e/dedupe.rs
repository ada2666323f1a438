//! `--dedupe`: a change that leaves a file as it was processed runs nothing, and that is told.

use std::fs;
use std::path::Path;

use fsmon_tests::{Daemon, DaemonOptions, Job, LIMIT, ctl, programs};

fn unchanged(d: &Daemon) -> u64 {
    d.show("data")["unchanged"].as_u64().unwrap()
}

/// Does something that changes nothing until it runs nothing: what was processed is known a moment after the run only.
fn until_known(d: &Daemon, change: impl Fn()) {
    d.until("a change runs nothing", || {
        let before = unchanged(d);
        let tail = d.tail();
        change();
        tail.wait_for(LIMIT, "it is told", |lines| lines.iter().any(|line| line.kind() == "modify"));
        d.wait_idle("data");
        unchanged(d) > before
    });
}

fn touch(path: &Path) {
    ctl::shell(path.parent().unwrap(), format!("touch {}", path.display())).ok();
}

#[test]
fn by_content_only_other_content_runs() {
    let d = Daemon::start();
    let (root, job, fail) = (d.root(), d.dir("job"), d.dir("signs").join("fail"));
    let job = Job::script(&job, &format!("[ ! -e {} ]", fail.display()));
    d.add(&["--dedupe", "content", "--retries", "0"], &[&job.command()]);
    let (file, copy) = (root.join("f"), d.base().join("copy"));
    fs::write(&copy, "first").unwrap();
    fs::copy(&copy, &file).unwrap();
    d.until("it has run", || job.is_done(&file));
    until_known(&d, || touch(&file));
    let runs = job.runs_of(&file).len();

    until_known(&d, || {
        fs::copy(&copy, &file).unwrap();
    });
    assert_eq!(job.runs_of(&file).len(), runs, "a copy of the same runs nothing");
    assert!(d.log().contains("is as it was processed: nothing is run (dedupe content)"), "{}", d.log());
    let why = d.ok(["explain", file.to_str().unwrap()]).text();
    assert!(why.contains("its last change left it as it was processed by run"), "{why}");
    assert_eq!(d.json(["explain", file.to_str().unwrap()])[0]["runs_not"], "unchanged");
    assert!(d.ok(["show", "data"]).text().contains("ran nothing, by --dedupe"));

    // What fails is not what was processed, and what was before it is not either.
    fs::write(&fail, "").unwrap();
    fs::write(&file, "other").unwrap();
    d.until("it has failed", || d.show("data")["failed"] == 1);
    fs::remove_file(&fail).unwrap();
    fs::copy(&copy, &file).unwrap();
    d.until("it has run again", || job.runs_of(&file).len() == runs + 1);
    d.wait_idle("data");
    assert!(job.is_done(&file) && d.show("data")["failed"] == 0);

    // A person is not told that it would be the same.
    until_known(&d, || touch(&file));
    let runs = job.runs_of(&file).len();
    d.ok(["run-now", "data", "--all-files", "--wait"]);
    assert_eq!(job.runs_of(&file).len(), runs + 1);
    until_known(&d, || touch(&file));
    d.ok(["set", "data", "--dedupe", "off"]);
    let runs = job.runs_of(&file).len();
    touch(&file);
    d.until("it has run", || job.runs_of(&file).len() == runs + 1);
}

#[test]
fn what_was_processed_is_known_after_a_restart_but_not_what_a_killed_daemon_had_begun() {
    let mut d = Daemon::start();
    let (root, go, began) = (d.root(), d.dir("signs").join("go"), d.dir("signs").join("began"));
    let wait = format!("echo >> {}; while [ ! -e {} ]; do sleep 0.02; done", began.display(), go.display());
    let job = d.job_script(&wait);
    fs::write(&go, "").unwrap();
    d.add(&["--dedupe", "content"], &[&job.command()]);
    let file = root.join("f");
    fs::write(&file, "first").unwrap();
    d.until("it has run", || job.is_done(&file));
    until_known(&d, || touch(&file));
    let runs = job.runs_of(&file).len();

    d.stop();
    fs::write(root.join("new"), "first").unwrap();
    fs::write(&file, "first").unwrap();
    d.start_again();
    d.until("what is new has run", || job.is_done(&root.join("new")));
    d.until("what is the same has not", || unchanged(&d) == 1 && d.show("data")["pending"] == 0);
    assert_eq!(job.runs_of(&file).len(), runs);

    fs::remove_file(&go).unwrap();
    fs::remove_file(&began).unwrap();
    fs::write(&file, "other").unwrap();
    d.until("a run has begun", || began.exists());
    d.kill9();
    fs::write(&file, "first").unwrap();
    fs::write(&go, "").unwrap();
    d.start_again();
    d.until("it has run, since nobody knows what the other run did", || job.runs_of(&file).len() > runs);
    d.wait_idle("data");
    assert!(job.is_done(&file));
}

#[test]
fn by_meta_a_copy_with_its_times_runs_nothing_and_a_touch_does() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    let kinds = ["--dedupe", "meta", "--kinds", "create,modify", "--exclude", ".*"];
    d.add(&kinds, &[&job.command()]);
    let (file, source) = (root.join("f"), d.dir("source").join("f"));
    fs::write(&source, "first").unwrap();
    ctl::shell(d.base(), format!("cp -p {} {}", source.display(), file.display())).ok();
    d.until("it has run", || job.is_done(&file));
    let again = format!("cp -p {0} {1}/.f && mv {1}/.f {1}/f", source.display(), root.display());
    until_known(&d, || drop(ctl::shell(d.base(), &again).ok()));
    let runs = job.runs_of(&file).len();
    if programs::installed("rsync").is_some() {
        let rsync = format!("rsync -tI {} {}/", source.display(), root.display());
        until_known(&d, || drop(ctl::shell(d.base(), &rsync).ok()));
        assert_eq!(job.runs_of(&file).len(), runs);
    }
    touch(&file);
    d.until("a touch runs", || job.runs_of(&file).len() == runs + 1);
    fs::write(&file, "other").unwrap();
    d.until("another content runs", || job.is_done(&file));
}

#[test]
fn words_that_are_none_are_refused_and_the_config_has_it_too() {
    let config = Some("[defaults]\ndedupe = \"meta\"\n".to_owned());
    let d = Daemon::start_with(DaemonOptions { config, ..DaemonOptions::default() });
    d.ctl(["add", d.root().to_str().unwrap(), "--dedupe", "hash", "--", "true"]).refused(2, "content");
    d.add(&[], &["true"]);
    assert_eq!(d.show("data")["rules"]["dedupe"], "meta");
    d.write_config("[defaults]\ndedupe = \"hash\"\n");
    d.ctl(["reload"]).refused(1, "dedupe");
}
