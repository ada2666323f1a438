//! `--break-after`: when so many runs in a row have failed, one file at a time is tried until one succeeds.

use std::fs;

use fsmon_tests::{Daemon, DaemonOptions};

/// A command that fails for as long as a file of this name is not there, and says when it was called.
fn needs(d: &Daemon) -> (String, std::path::PathBuf) {
    let up = d.dir("out").join("up");
    (format!("echo run >> {0}.log; test -e {0}", up.display()), up)
}

fn calls(up: &std::path::Path) -> usize {
    fs::read_to_string(up.with_extension("log")).unwrap_or_default().lines().count()
}

#[test]
fn an_outage_uses_no_file_up_and_is_told() {
    let d = Daemon::start();
    let (root, (script, up)) = (d.root(), needs(&d));
    d.add(&["--break-after", "3", "--retries", "0", "--backoff", "500ms"], &["sh", "-c", &script, "sh"]);
    for n in 0..20 {
        fs::write(root.join(format!("f{n:02}")), "x").unwrap();
    }
    d.wait_state("data", "degraded");
    d.until("some were tried in vain", || calls(&up) >= 5);
    let shown = d.show("data");
    assert_eq!((shown["failed"].as_u64(), shown["broken"]["failed"].as_u64()), (Some(3), Some(3)), "{shown}");
    assert!(shown["broken"]["since"].is_string() && shown["rules"]["break_after"] == 3, "{shown}");
    assert!(d.ok(["status"]).text().contains("the last 3 runs failed"));
    let health = d.ctl(["health"]).with_code(6).text();
    assert!(health.contains("degraded") && health.contains("fsmonctl resume data"), "{health}");
    let waits = d.json(["files", "data", "--state", "ready"]);
    let why = d.ok(["explain", waits[0]["path"].as_str().unwrap()]).text();
    assert!(why.contains("3 runs failed in a row"), "{why}");
    assert!(d.log().contains("watch degraded"), "{}", d.log());

    fs::write(&up, "").unwrap();
    d.until("all others are done", || d.show("data")["pending"] == 0);
    let shown = d.show("data");
    assert_eq!((shown["state"].as_str(), shown["failed"].as_u64()), (Some("watching"), Some(3)), "{shown}");
    assert!(shown["broken"].is_null(), "{shown}");
    d.ctl(["health"]).ok();
    d.ok(["retry", "data"]);
    d.wait_idle("data");
    assert_eq!(d.show("data")["failed"], 0);
}

#[test]
fn who_waits_for_a_run_now_hears_of_what_is_not_run_and_a_person_closes_it() {
    let d = Daemon::start();
    let (root, (script, up)) = (d.root(), needs(&d));
    d.add(&["--break-after", "2", "--backoff", "1h"], &["sh", "-c", &script, "sh"]);
    for n in 0..5 {
        fs::write(root.join(format!("f{n}")), "x").unwrap();
    }
    d.wait_state("data", "degraded");
    assert_eq!(calls(&up), 2);
    let said = d.ctl(["run-now", "data", "--wait"]).with_code(6);
    assert!(said.text().contains("0 ok, ") && said.text().contains(" not run"), "{}", said.text());
    d.wait_state("data", "degraded");
    assert_eq!(calls(&up), 4);

    fs::write(&up, "").unwrap();
    d.ok(["resume", "data"]);
    d.until("what waited is done", || d.show("data")["state"] == "watching");
    assert!(d.ok(["run-now", "data", "--wait"]).text().contains(" 0 failed, 0 vanished\n"));
    d.until("all are done", || d.show("data")["pending"] == 0);
}

#[test]
fn what_it_cannot_be_is_refused() {
    let config = Some("[defaults]\nbreak-after = 4\n".to_owned());
    let d = Daemon::start_with(DaemonOptions { config, ..DaemonOptions::default() });
    d.ctl(["add", d.root().to_str().unwrap(), "--break-after", "0", "--", "true"]).refused(2, "from 1 on");
    d.ctl(["add", d.root().to_str().unwrap(), "--break-after", "often", "--", "true"]).refused(2, "'off'");
    d.add(&[], &["true"]);
    assert_eq!(d.show("data")["rules"]["break_after"], 4);
    d.write_config("[defaults]\nbreak-after = 0\n");
    d.ctl(["reload"]).refused(1, "break-after");
}
