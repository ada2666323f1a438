//! `--keep-runs`: how much of a watch's history of runs is kept.

use std::fs;

use fsmon_tests::Daemon;

fn runs(d: &Daemon, watch: &str) -> usize {
    d.json(["runs", watch]).len()
}

#[test]
fn a_watch_keeps_so_many_runs_and_the_others_keep_theirs() {
    let mut d = Daemon::start();
    let other = d.dir("other");
    d.add(&["--keep-runs", "3"], &["true"]);
    d.add_folder("all", &other, &[], &["true"]);
    for n in 0..8 {
        fs::write(d.root().join(format!("f{n}")), "x").unwrap();
        fs::write(other.join(format!("f{n}")), "x").unwrap();
    }
    d.until("all have run", || d.status()["counters"]["runs"] == 16);
    d.wait_idle("data");
    d.wait_idle("all");
    // What is too much goes at the start, and every minute.
    d.restart();
    d.until("three are left", || runs(&d, "data") == 3);
    assert_eq!(runs(&d, "all"), 8);
    let shown = d.json(["runs", "data"]);
    assert!(shown.iter().all(|run| run["status"] == "ok"), "{shown:?}");
    let told = d.json(["tail", "data", "--since", "1h", "--kinds", "run", "--no-follow"]);
    assert_eq!(told.iter().filter(|record| record["status"] == "ok").count(), 8, "the journal has its own time");

    d.ok(["set", "data", "--keep-runs", "1"]);
    d.restart();
    d.until("one is left", || runs(&d, "data") == 1);
    d.ok(["set", "data", "--unset", "keep-runs"]);
    assert!(d.show("data")["rules"]["keep_runs"].is_null());
}

#[test]
fn what_is_no_number_and_no_duration_is_refused() {
    let d = Daemon::start();
    let root = d.root();
    for bad in ["0", "1.5", "many", "99999999999"] {
        let said = d.ctl(["add", root.to_str().unwrap(), "--keep-runs", bad]).with_code(2).complaint();
        assert!(said.contains("keep-runs"), "{said}");
    }
}
