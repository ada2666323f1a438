//! `--order` and `--key`: which file starts first, and which run one after another.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fsmon_tests::Daemon;

/// A command that writes down when it began and ended each file, and the names in between.
fn script(log: &Path) -> String {
    format!("echo begin $1 >> {0}; sleep 0.1; echo end $1 >> {0}", log.display())
}

fn lines(log: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once(' ')).map(|(what, name)| (what.into(), name.into())).collect()
}

fn begun(log: &Path) -> Vec<String> {
    lines(log).into_iter().filter(|(what, _)| what == "begin").map(|(_, name)| name).collect()
}

#[test]
fn files_start_by_their_names_or_their_times() {
    for (order, expected) in [("name", ["a", "b", "c", "d"]), ("mtime", ["d", "c", "b", "a"])] {
        let d = Daemon::start();
        let (root, log) = (d.root(), d.dir("out").join("log"));
        d.add(&["--order", order], &["sh", "-c", &script(&log), "sh", "{name}"]);
        d.ok(["pause", "data"]);
        let now = std::time::SystemTime::now();
        for (n, name) in ["b", "d", "a", "c"].into_iter().enumerate() {
            fs::write(root.join(name), name).unwrap();
            let age = std::time::Duration::from_secs(60 * u64::from(name.as_bytes()[0]) + n as u64);
            fs::File::options().write(true).open(root.join(name)).unwrap().set_modified(now - age).unwrap();
        }
        d.until("all are ready", || d.json(["files", "data", "--state", "ready"]).len() == 4);
        d.ok(["resume", "data"]);
        d.until("all are done", || lines(&log).len() == 8);
        assert_eq!(begun(&log), expected, "--order {order}");
    }
}

#[test]
fn files_of_one_key_run_one_after_another_and_others_beside_them() {
    let d = Daemon::start();
    let (root, log) = (d.root(), d.dir("out").join("log"));
    let options = ["--order", "name", "--key", "^([^/]+)/", "--concurrency", "4"];
    for lane in ["x", "y", "z"] {
        fs::create_dir(root.join(lane)).unwrap();
    }
    d.add(&options, &["sh", "-c", &script(&log), "sh", "{rel}"]);
    d.ok(["pause", "data"]);
    for n in (0..6).rev() {
        for lane in ["x", "y", "z"] {
            fs::write(root.join(lane).join(n.to_string()), "x").unwrap();
        }
    }
    d.until("all are ready", || d.json(["files", "data", "--state", "ready"]).len() == 18);
    d.ok(["resume", "data"]);
    d.until("all are done", || lines(&log).len() == 36);
    let (mut running, mut most) = (BTreeMap::new(), 0);
    for (what, name) in lines(&log) {
        let lane = name.split('/').next().unwrap().to_owned();
        if what == "begin" {
            assert_eq!(running.insert(lane, name), None, "two of one key at once");
            most = most.max(running.len());
        } else {
            assert_eq!(running.remove(&lane), Some(name));
        }
    }
    assert!(most > 1, "other keys run beside it");
    for lane in ["x", "y", "z"] {
        let names: Vec<_> = begun(&log).into_iter().filter(|name| name.starts_with(lane)).collect();
        assert_eq!(names, (0..6).map(|n| format!("{lane}/{n}")).collect::<Vec<_>>());
    }
}

#[test]
fn a_key_that_is_no_pattern_is_refused_by_name() {
    let d = Daemon::start();
    let root = d.root().display().to_string();
    d.ctl(["add", &root, "--key", "(", "--", "true"]).refused(2, "key '('");
    d.ctl(["add", &root, "--mode", "batch", "--order", "name", "--", "true"]).refused(2, "order");
    d.add(&["--order", "mtime", "--key", "a"], &["true"]);
    let shown = d.ok(["show", "data"]).text();
    assert!(shown.contains("order") && shown.contains("mtime") && shown.contains("key"), "{shown}");
}
