//! `--dry-run`: what would match and run, and that nothing is changed by asking.

use std::fs;

use fsmon_tests::Daemon;

/// The file names below the root of what was listed.
fn names(listed: &serde_json::Value) -> Vec<String> {
    let first = listed["first"].as_array().expect("a list");
    let name =
        |entry: &serde_json::Value| entry["path"].as_str().expect("a path").rsplit('/').next().map(str::to_owned);
    let mut names: Vec<String> = first.iter().filter_map(name).collect();
    names.sort();
    names
}

#[test]
fn add_says_what_it_would_match_and_run_and_adds_nothing() {
    let daemon = Daemon::start();
    let root = daemon.root();
    fs::create_dir_all(root.join("tmp")).unwrap();
    for name in ["a.csv", "b.csv", "c.txt", "tmp/d.csv"] {
        fs::write(root.join(name), "12345").unwrap();
    }
    fs::write(root.join("b.csv"), vec![b'x'; 5000]).unwrap();
    let before = daemon.status()["last_seq"].clone();
    let path = root.to_str().unwrap();
    let args = ["--include", "*.csv", "--exclude", "tmp/", "--max-size", "1K", "--existing", "run", "--", "true"];
    let found = daemon.json(["add", path, "--dry-run"].iter().chain(&args)).remove(0);
    assert_eq!((found["looked"].as_u64(), found["complete"].as_bool()), (Some(3), Some(true)), "{found}");
    assert_eq!(names(&found["matches"]), ["a.csv", "b.csv"]);
    assert_eq!(names(&found["runs"]), ["a.csv"], "b.csv is too large");
    let said = daemon.ok(["add", path, "--dry-run"].iter().chain(&args)).text();
    assert!(said.contains("2 files would be watched") && said.contains("1 file would run now"), "{said}");
    assert!(said.contains("/a.csv"), "{said}");
    assert!(daemon.json(["list"]).is_empty(), "nothing was added");
    assert_eq!(daemon.status()["last_seq"], before, "nothing was recorded");
    // What `add` itself would refuse is refused here.
    let refused = daemon.ctl(["add", path, "--dry-run", "--include", "!a"]);
    assert_eq!(refused.code, 2, "{}", refused.complaint());
}

#[test]
fn set_says_what_would_drop_out_and_newly_match_and_unset_gives_a_default_back() {
    let daemon = Daemon::start();
    let root = daemon.root();
    for name in ["a.csv", "b.txt"] {
        fs::write(root.join(name), "12345").unwrap();
    }
    let job = daemon.job();
    daemon.add(&["--include", "*.csv", "--max-size", "1K"], &[&job.command()]);
    let found = daemon.json(["set", "data", "--include", "*.txt", "--existing", "run", "--dry-run"]).remove(0);
    assert_eq!(names(&found["dropped"]), ["a.csv"]);
    assert_eq!(names(&found["gained"]), ["b.txt"]);
    assert_eq!(names(&found["runs"]), ["b.txt"]);
    let rules = daemon.show("data")["rules"].clone();
    assert_eq!((&rules["include"][0], &rules["max_size"]), (&"*.csv".into(), &"1K".into()), "nothing was set");
    // Unsetting the filter lets everything in; it is asked first, then done.
    let found = daemon.json(["set", "data", "--unset", "include", "--dry-run"]).remove(0);
    assert_eq!((names(&found["gained"]), found["dropped"]["count"].as_u64()), (vec!["b.txt".to_owned()], Some(0)));
    daemon.ok(["set", "data", "--unset", "max-size", "--unset", "include"]);
    let rules = daemon.show("data")["rules"].clone();
    assert_eq!((rules["include"].as_array().map(Vec::len), &rules["max_size"]), (Some(0), &serde_json::Value::Null));
    let refused = daemon.ctl(["set", "data", "--unset", "frobnicate"]);
    assert_eq!(refused.code, 2, "{}", refused.complaint());
    assert!(refused.complaint().contains("frobnicate"), "{}", refused.complaint());
    assert_eq!(job.runs().len(), 0, "no run was made by asking");
}
