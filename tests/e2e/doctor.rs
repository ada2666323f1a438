//! `doctor`: all is well, or what is not and what to do about it; and its probes are seen by nobody.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use fsmon_tests::{Daemon, process};
use serde_json::Value;

/// What was found about one thing of a watch.
#[track_caller]
fn finding<'a>(report: &'a Value, watch: &str, topic: &str) -> &'a Value {
    let all = report["findings"].as_array().unwrap();
    let of = |f: &&Value| f["topic"] == topic && f["watch"].as_str().unwrap_or_default() == watch;
    all.iter().find(of).unwrap_or_else(|| panic!("nothing about {topic} of '{watch}': {report}"))
}

#[test]
fn all_is_well_and_nobody_sees_the_probes() {
    let d = Daemon::start();
    let (root, job, other) = (d.root(), d.job(), d.dir("other"));
    d.add(&[], &[&job.command()]);
    d.add_folder("polled", &other, &["--backend", "poll"], &[]);
    for _ in 0..3 {
        let text = d.ok(["doctor"]).text();
        assert!(text.contains("was heard of within") && text.contains("there are no events to probe"), "{text}");
    }
    let report = d.json(["doctor"]).remove(0);
    assert_eq!(report["well"], true);
    for topic in ["watches", "instances", "queue", "descriptors", "disk", "clock"] {
        assert_eq!(finding(&report, "", topic)["verdict"], "well", "{report}");
    }
    for topic in ["state", "mount", "rights", "probe"] {
        assert_eq!(finding(&report, "data", topic)["verdict"], "well", "{report}");
    }
    assert_eq!(fs::read_dir(&root).unwrap().count() + fs::read_dir(&other).unwrap().count(), 0, "nothing is left");
    fs::write(root.join("f"), "x").unwrap();
    fs::write(root.join(".fsmond-probe-of-mine"), "x").unwrap();
    d.ok(["run-now", "data", "--wait"]);
    d.until("the file has run", || job.is_done(&root.join("f")));
    assert_eq!(job.runs().len(), 1);
    let told = d.ok(["tail", "--no-follow", "-n", "1000", "--json"]).text();
    assert!(!told.contains("probe") && d.show("data")["files"] == 1, "{told}");
}

#[test]
fn what_is_not_well_has_its_cure_and_the_exit_code_says_so() {
    let d = Daemon::start();
    let root = d.root();
    d.add(&["--allow-missing"], &["/bin/true"]);
    if process::is_root() {
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
        let ran = d.ctl(["doctor"]).with_code(6);
        assert!(
            ran.text().contains("can be changed by everybody") && ran.text().contains("--run-as"),
            "{}",
            ran.text()
        );
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
    }
    d.ok(["doctor"]);
    fs::remove_dir(&root).unwrap();
    d.wait_state("data", "waiting");
    let ran = d.ctl(["doctor", "--json"]).with_code(6);
    let report = ran.json().remove(0);
    assert_eq!(report["well"], false);
    assert!(finding(&report, "data", "state")["cure"].is_string(), "{report}");
    assert_eq!(finding(&report, "data", "probe")["verdict"], "note");
}

#[test]
fn a_run_that_failed_for_a_limit_is_told_with_its_cure_until_it_succeeds() {
    let d = Daemon::start();
    let (root, marker) = (d.root(), d.dir("elsewhere").join("better"));
    let script = r#"test -e "$2" || { echo "cat: $1: Too many open files" >&2; exit 1; }"#;
    let marker_text = marker.to_str().unwrap();
    d.add(&["--retries", "0"], &["/bin/sh", "-c", script, "sh", "{path}", marker_text]);
    for name in ["a", "b"] {
        fs::write(root.join(name), "x").unwrap();
    }
    d.until("both have failed", || d.show("data")["failed"] == 2);
    let report = d.ctl(["doctor", "--json"]).with_code(6).json().remove(0);
    let found = finding(&report, "data", "run");
    assert_eq!(found["verdict"], "bad");
    let (message, cure) = (found["message"].as_str().unwrap(), found["cure"].as_str().unwrap());
    assert!(message.contains("(and 1 more) failed, because it may not open so many files"), "{message}");
    assert!(message.contains(": Too many open files") && cure.contains("LimitNOFILE="), "{message} {cure}");
    assert!(cure.ends_with("then fsmonctl retry data)"), "{cure}");
    fs::write(marker, "").unwrap();
    d.ok(["retry", "data"]);
    d.until("both have succeeded", || d.show("data")["failed"] == 0 && d.show("data")["pending"] == 0);
    assert!(!d.ok(["doctor"]).text().contains("Too many"));
}
