//! A watch that leaves the config and comes back: the same watch, with its ledger, and only what changed meanwhile runs.

use std::fs;
use std::path::Path;

use fsmon_tests::{Daemon, DaemonOptions, Job};
use serde_json::Value;

/// A config with one watch, or with none.
fn config(root: &Path, job: Option<&Job>) -> String {
    let watch = |job: &Job| {
        let root = root.display();
        format!(
            "[[watch]]\nname = \"data\"\npath = \"{root}\"\ncommand = [{:?}, \"{{path}}\"]\nexisting = \"run\"\n",
            job.command()
        )
    };
    job.map_or_else(String::new, watch)
}

/// A daemon with a watch of its config that has processed two files, and the job that did.
fn processed() -> (Daemon, Job) {
    let mut d = Daemon::prepare(DaemonOptions::default());
    let (root, job) = (d.root(), d.job());
    fs::write(root.join("a"), "1").unwrap();
    fs::write(root.join("b"), "1").unwrap();
    d.write_config(&config(&root, Some(&job)));
    d.start_again();
    d.until("both are processed", || job.is_done(&root.join("a")) && job.is_done(&root.join("b")));
    // On disk too, so that nothing of it is lost by a crash.
    d.until("their results are stored", || {
        d.json(["runs", "data"]).iter().filter(|run| run["status"] == "ok").count() == 2
    });
    (d, job)
}

/// How often each file ran, all in all.
fn runs(job: &Job) -> Vec<String> {
    let mut all: Vec<_> = job.runs().iter().map(|run| run.path.file_name().unwrap().to_string_lossy().into()).collect();
    all.sort_unstable();
    all
}

#[track_caller]
fn statuses(d: &Daemon) -> Vec<Value> {
    let told = d.json(["tail", "--since", "1h", "--kinds", "watch", "--no-follow"]);
    told.into_iter().map(|record| record["status"].clone()).collect()
}

#[test]
fn by_reload_and_back_only_what_changed_meanwhile_runs() {
    let (d, job) = processed();
    let root = d.root();
    d.write_config("");
    let said = d.ok(["reload"]).text();
    assert!(said.contains("detached (the ledger is kept for 7 days): data"), "{said}");
    assert!(d.json(["list"]).is_empty());
    d.ctl(["explain".as_ref(), root.join("a").as_os_str()]).refused(1, "no watch covers");
    fs::write(root.join("b"), "two").unwrap();
    fs::write(root.join("c"), "1").unwrap();
    d.write_config(&config(&root, Some(&job)));
    let said = d.ok(["reload"]).text();
    assert!(said.starts_with("taken up again") && said.ends_with(": data\n"), "{said}");
    d.wait_watching("data");
    d.until("what changed is processed", || job.is_done(&root.join("b")) && job.is_done(&root.join("c")));
    d.wait_idle("data");
    assert_eq!(runs(&job), ["a", "b", "b", "c"]);
    assert_eq!(statuses(&d), ["added", "ready", "detached", "attached"]);
    let gap = &d.json(["gaps", "data"])[0];
    assert_eq!((&gap["reason"], &gap["found"]), (&"down".into(), &2.into()), "{gap}");
    // Every run of the watch is still its own.
    assert_eq!(d.json(["runs", "data"]).len(), 4);
}

#[test]
fn over_restarts_it_is_the_same_watch_too() {
    for hard in [false, true] {
        let (mut d, job) = processed();
        let root = d.root();
        let mut again = |config: &str| {
            if hard {
                d.kill9();
            } else {
                assert_eq!(d.stop(), Some(0));
            }
            d.write_config(config);
            d.start_again();
            d.json(["list"]).len()
        };
        assert_eq!(again(""), 0);
        fs::write(root.join("b"), "two").unwrap();
        assert_eq!(again(""), 0, "it stays so");
        assert_eq!(again(&config(&root, Some(&job))), 1);
        d.until("what changed is processed", || job.is_done(&root.join("b")));
        d.wait_idle("data");
        assert_eq!(runs(&job), ["a", "b", "b"], "hard: {hard}");
        assert_eq!(statuses(&d), ["added", "ready", "detached", "attached"], "hard: {hard}");
        assert!(d.log().contains("no longer defined: it is detached"), "{}", d.log());
    }
}

#[test]
fn detached_at_a_start_and_back_by_reload_and_elsewhere_it_is_another_one() {
    let (mut d, job) = processed();
    let root = d.root();
    d.kill9();
    d.write_config("");
    d.start_again();
    fs::write(root.join("c"), "1").unwrap();
    d.write_config(&config(&root, Some(&job)));
    d.ok(["reload"]);
    d.until("what is new is processed", || job.is_done(&root.join("c")));
    d.wait_idle("data");
    assert_eq!(runs(&job), ["a", "b", "c"]);
    let other = d.dir("other");
    fs::write(other.join("x"), "1").unwrap();
    d.write_config(&config(&other, Some(&job)));
    d.ok(["reload"]);
    d.until("the other folder is processed", || job.is_done(&other.join("x")));
    assert_eq!(statuses(&d)[4..], ["detached", "added", "ready"]);
    // One that is made by hand is a new one.
    d.write_config("");
    d.ok(["reload"]);
    d.add(&["--existing", "run"], &[&job.command()]);
    d.wait_idle("data");
    assert_eq!(runs(&job), ["a", "a", "b", "b", "c", "c", "x"]);
    d.ok(["remove", "data"]);
}
