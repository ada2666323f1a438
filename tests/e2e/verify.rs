//! `verify`: it must see what no event told, change nothing by looking, and find nothing in a tree that is only busy.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fsmon_tests::Daemon;
use serde_json::Value;

/// What differs, as kinds and the ends of their paths, and the sum.
fn verify(d: &Daemon, code: i32) -> (Vec<String>, Value) {
    let mut lines = d.ctl(["--json", "verify", "data"]).with_code(code).json();
    let sum = lines.pop().expect("a sum");
    let root = format!("{}/", d.root().display());
    let told = |line: &Value| {
        let path = line["path"].as_str().unwrap();
        format!("{} {}", line["kind"].as_str().unwrap(), path.strip_prefix(&root).unwrap_or("."))
    };
    (lines.iter().map(told).collect(), sum)
}

#[test]
fn no_folder_is_left_out() {
    let d = Daemon::start();
    d.add(&["--rescan", "off", "--every", "off"], &[]);
    // Files come into folders while these are found and listed.
    for n in 0..300 {
        let folder = d.root().join(format!("{n}/a/b/c"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("f"), "x").unwrap();
    }
    d.until("all is seen", || d.show("data")["files"] == 300);
    d.wait_idle("data");
    let (different, sum) = verify(&d, 0);
    assert_eq!((different, &sum["folders"], &sum["busy"]), (Vec::<String>::new(), &1201.into(), &Value::Null), "{sum}");
}

#[test]
fn a_write_that_no_event_told_is_seen_and_left_alone_until_a_scan() {
    let d = Daemon::start();
    let (root, other) = (d.root(), d.dir("other"));
    fs::create_dir(root.join("sub")).unwrap();
    fs::write(root.join("sub/same"), "x").unwrap();
    fs::write(root.join("left.tmp"), "x").unwrap();
    fs::write(other.join("out"), "one").unwrap();
    fs::hard_link(other.join("out"), root.join("in")).unwrap();
    d.add(&["--rescan", "off", "--every", "off", "--exclude", "*.tmp"], &["true"]);
    let (different, sum) = verify(&d, 0);
    assert_eq!((different.len(), &sum["same"], &sum["folders"]), (0, &true.into(), &2.into()), "{sum}");
    // By its other name, in a folder that is not watched: the kernel tells nothing of it here.
    fs::write(other.join("out"), "one and more").unwrap();
    for _ in 0..2 {
        let (different, sum) = verify(&d, 6);
        assert_eq!(different, ["changed in"]);
        assert_eq!((&sum["same"], &sum["changed"], &sum["gone"]), (&false.into(), &1.into(), &0.into()), "{sum}");
    }
    let text = d.ctl(["verify"]).with_code(6).text();
    assert!(text.contains("3 bytes in the ledger, 12 on disk") && text.contains("1 changed"), "{text}");
    let few = d.ctl(["verify", "-n", "0"]).with_code(6).text();
    assert!(few.lines().count() == 1 && few.contains("1 changed"), "counted, though not named: {few}");
    assert!(d.json(["runs", "data"]).is_empty(), "looking is no work");
    d.ok(["run-now", "data", "--wait"]);
    d.wait_idle("data");
    assert_eq!(verify(&d, 0).0, [""; 0]);
    assert_eq!(d.json(["runs", "data"]).len(), 1);
    d.ctl(["verify", "nothing"]).refused(1, "fsmonctl list");
}

#[test]
fn a_busy_tree_does_not_differ() {
    let d = Daemon::start();
    let root = d.root();
    d.add(&["--rescan", "off"], &[]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..6000 {
                let folder = root.join(format!("d{}", n % 7));
                let _ = fs::create_dir(&folder);
                fs::write(folder.join(format!("f{}", n % 50)), n.to_string()).unwrap();
                if n % 50 == 0 {
                    let _ = fs::rename(&folder, root.join(format!("r{}", n % 11)));
                }
                if n % 130 == 0 {
                    let _ = fs::remove_dir_all(root.join(format!("r{}", n % 3)));
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            let (different, sum) = verify(&d, 0);
            assert!(different.is_empty(), "{sum}");
        }
    });
    d.wait_idle("data");
    let (_, sum) = verify(&d, 0);
    assert_eq!(sum["folders"], d.show("data")["folders"], "every folder is compared at rest");
}

#[test]
fn a_folder_of_many_names_is_compared_in_portions_and_a_missing_root_is_told() {
    let d = Daemon::start();
    let root = d.root();
    for n in 0..10_000 {
        fs::write(root.join(format!("f{n}")), "").unwrap();
    }
    d.add(&["--rescan", "off"], &[]);
    let (_, sum) = verify(&d, 0);
    assert_eq!(sum["entries"], 10_000, "{sum}");
    fs::rename(&root, d.base().join("away")).unwrap();
    d.wait_state("data", "waiting");
    let (different, _) = verify(&d, 6);
    assert_eq!(different, ["unread ."]);
}
