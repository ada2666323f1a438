//! A clean stop and what is there after the next start.

use std::fs;
use std::path::{Path, PathBuf};

use fsmon_tests::{Daemon, Line, ctl, tree};

#[test]
fn watches_intervals_pauses_and_history_are_kept() {
    let mut d = Daemon::start();
    let (root, job, other) = (d.root(), d.job(), d.dir("other"));
    d.add(&["--settle", "50ms", "--include", "*.csv"], &[&job.command()]);
    d.add_folder("other", &other, &[], &[]);
    d.ok(["set-interval", "data", "30m"]);
    fs::write(root.join("a.csv"), "1").unwrap();
    d.until("it has run", || job.is_done(&root.join("a.csv")));
    d.wait_idle("data");
    let (rules, last) = (d.show("data")["rules"].clone(), d.status()["last_seq"].as_u64().unwrap());
    let told = d.ok(["tail", "--json", "-n", "1000", "--no-follow", "--kinds", "create,run"]).json();
    let runs = d.json(["runs"]);

    d.restart();
    d.wait_watching("data");
    d.wait_watching("other");
    assert_eq!(d.show("data")["rules"], rules);
    assert_eq!(d.show("data")["rules"]["every"], "30m");
    assert_eq!(d.ok(["tail", "--json", "-n", "1000", "--no-follow", "--kinds", "create,run"]).json(), told);
    assert_eq!(d.json(["runs"]), runs);
    assert!(d.status()["last_seq"].as_u64().unwrap() >= last, "numbers go on");
    d.wait_idle("data");
    assert_eq!(job.runs().len(), 1, "what is done stays done");
}

/// Every event of a watch after this number, but for marks.
fn told_after(d: &Daemon, seq: u64) -> Vec<Line> {
    let lines = d.ok(["tail", "data", "--json", "--since", &seq.to_string(), "--no-follow"]).json();
    lines.into_iter().map(Line).filter(|line| line.is_event() && !fsmon_tests::tail::is_mark(&line.path())).collect()
}

fn sorted(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort();
    paths
}

#[test]
fn exactly_what_changed_while_it_was_down_is_delivered() {
    let mut d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    let files = tree::make(&root, 40, 600);
    d.add(&["--concurrency", "4", "--kinds", "create,modify,rename,delete"], &[&job.command()]);
    d.wait_idle("data");
    let last = d.status()["last_seq"].as_u64().unwrap();
    assert_eq!(d.stop(), Some(0));

    let (changed, deleted, moved) = (&files[0..100], &files[100..200], &files[200..300]);
    for path in changed {
        fs::write(path, "changed while down").unwrap();
    }
    for path in deleted {
        fs::remove_file(path).unwrap();
    }
    for path in moved {
        fs::rename(path, new_name(path)).unwrap();
    }
    let created: Vec<PathBuf> = (0..100).map(|n| root.join("new").join(format!("deep{n}")).join("f")).collect();
    for path in &created {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "created while down").unwrap();
    }

    d.start_again();
    d.wait_watching("data");
    d.until("each has run", || job.runs().len() >= 400);
    d.wait_idle("data");
    let events = told_after(&d, last);
    let of = |kind: &str| {
        let lines = events.iter().filter(|line| line.kind() == kind && line.field("type") == "file");
        sorted(lines.map(Line::path).collect())
    };
    assert_eq!(of("modify"), sorted(changed.to_vec()));
    assert_eq!(of("delete"), sorted(deleted.to_vec()));
    assert_eq!(of("rename"), sorted(moved.iter().map(|path| new_name(path)).collect()));
    assert_eq!(of("create"), sorted(created.clone()));
    assert!(events.iter().all(|line| line.field("origin") == "scan"), "found by looking");

    let runs = job.runs();
    assert_eq!(runs.len(), 400, "each once, and nothing else");
    assert!(runs.iter().all(|run| run.trigger == "recovery"), "{:?}", runs.iter().find(|r| r.trigger != "recovery"));
    for path in changed.iter().chain(&created) {
        assert!(job.is_done(path), "{}", path.display());
    }
}

fn new_name(path: &Path) -> PathBuf {
    path.with_extension("moved")
}

#[test]
fn nothing_changed_means_nothing_is_delivered() {
    let mut d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    tree::make(&root, 20, 300);
    d.add(&["--existing", "run", "--concurrency", "4"], &[&job.command()]);
    d.until("all have run", || job.runs().len() == 300);
    d.wait_idle("data");
    for _ in 0..3 {
        let last = d.status()["last_seq"].as_u64().unwrap();
        d.restart();
        d.wait_watching("data");
        d.wait_idle("data");
        assert_eq!(told_after(&d, last).len(), 0);
    }
    assert_eq!(job.runs().len(), 300);
}

#[test]
fn a_stop_with_1000_files_pending_and_a_run_going_loses_nothing() {
    let mut d = Daemon::start();
    let (root, began) = (d.root(), d.dir("signs").join("began"));
    let job = d.job_script(&format!(
        "echo >> {}; [ -e {} ] || sleep 60",
        began.display(),
        d.dir("signs").join("go").display()
    ));
    d.add(&["--grace", "1s"], &[&job.command()]);
    let tail = d.tail();
    ctl::shell(&root, "i=0; while [ $i -lt 1000 ]; do echo $i > f$i; i=$((i+1)); done");
    tail.up_to_now(&root);
    d.until("a run goes on and the rest is pending", || {
        began.exists() && d.show("data")["pending"].as_u64() >= Some(999)
    });
    drop(tail);
    assert_eq!(d.stop(), Some(0), "{}", d.console());
    assert!(!d.socket().exists(), "the socket is gone after a clean stop");

    fs::write(d.dir("signs").join("go"), "").unwrap();
    d.start_again();
    d.ok(["set", "data", "--concurrency", "4"]);
    d.until("every file has run", || job.runs().len() >= 1000);
    d.wait_idle("data");
    let runs = job.runs();
    for n in 0..1000 {
        let path = root.join(format!("f{n}"));
        let of: Vec<_> = runs.iter().filter(|run| run.path == path).collect();
        assert_eq!(of.len(), 1, "{}: {of:?}", path.display());
        assert_eq!(of[0].attempt, 1, "a run that our stop ended uses no attempt");
        assert_eq!(of[0].sum, fsmon_tests::job::sum_of(&path));
    }
}
