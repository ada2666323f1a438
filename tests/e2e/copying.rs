//! Whole trees at once: every file, complete, once.

use std::fs;

use fsmon_tests::{Daemon, ctl, tree};

#[test]
fn a_copied_tree_of_1000_files_is_processed_whole_and_each_once() {
    let d = Daemon::start();
    let (root, out, source) = (d.root(), d.dir("out"), d.dir("source"));
    let runs = d.dir("job").join("runs");
    tree::make(&source, 60, 1000);
    let script = format!(r#"cp "$1" {} && echo "$1" >> {}"#, out.display(), runs.display());
    d.add(&["--concurrency", "4"], &["/bin/sh", "-c", &script, "sh", "{path}"]);

    ctl::shell(d.base(), format!("cp -r source {}/", root.display()));
    d.until("1,000 copies", || fs::read_dir(&out).unwrap().count() == 1000 && d.show("data")["pending"] == 0);
    d.wait_idle("data");

    for (relative, content) in tree::contents(&source) {
        let copy = out.join(relative.file_name().unwrap());
        assert_eq!(fs::read(&copy).unwrap(), content, "{}", copy.display());
    }
    let told = fs::read_to_string(&runs).unwrap();
    let mut each: Vec<&str> = told.lines().collect();
    assert_eq!(each.len(), 1000, "each file ran once");
    each.sort_unstable();
    each.dedup();
    assert_eq!(each.len(), 1000, "each file ran");
    assert_eq!(d.json(["runs", "data", "--failed"]).len(), 0);
}

#[test]
fn a_slow_writer_is_waited_for() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.add(&[], &[&job.command()]);
    let file = root.join("slow");
    ctl::shell(&root, "for i in 1 2 3 4 5; do echo $i; sleep 0.3; done > slow");
    d.until("it has run", || job.is_done(&file));
    d.wait_idle("data");
    assert_eq!(job.runs_of(&file).len(), 1, "one run, when it was complete: {:?}", job.runs());
}

#[test]
fn a_change_during_a_run_makes_exactly_one_more() {
    let d = Daemon::start();
    let (root, go) = (d.root(), d.dir("signs").join("go"));
    let began = d.dir("signs").join("began");
    let job =
        d.job_script(&format!("echo >> {}; while [ ! -e {} ]; do sleep 0.02; done", began.display(), go.display()));
    d.add(&[], &[&job.command()]);
    let file = root.join("f");
    fs::write(&file, "first").unwrap();
    d.until("the first run has begun", || began.exists());
    let tail = d.tail();
    for n in 0..20 {
        fs::write(&file, format!("change {n}")).unwrap();
    }
    tail.wait_event("modify", &file);
    tail.up_to_now(&root);
    fs::write(&go, "").unwrap();
    d.until("the last content has run", || job.is_done(&file));
    d.wait_idle("data");
    let runs = job.runs_of(&file);
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert_ne!(runs[0].id, runs[1].id);
}

#[test]
fn a_burst_on_one_file_ends_with_its_last_content() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.add(&[], &[&job.command()]);
    let file = root.join("f");
    for n in 0..1000 {
        fs::write(&file, format!("{n}")).unwrap();
    }
    d.until("the last content has run", || job.is_done(&file));
    d.wait_idle("data");
    assert!(job.is_done(&file), "and stays the last");
    assert!(job.runs().len() < 100, "changes are gathered: {} runs", job.runs().len());
}
