//! More events than the kernel keeps: said, and repaired.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use fsmon_tests::{Daemon, LIMIT};
use nix::sys::signal::Signal;

#[test]
fn a_stopped_daemon_finds_20000_files_after_the_kernel_lost_them() {
    let d = Daemon::start();
    let root = d.root();
    d.add(&[], &[]);
    let last = d.status()["last_seq"].as_u64().expect("a number");
    let limit: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let count = 20_000.max(limit + 4_000).min(200_000);
    d.signal(Signal::SIGSTOP);
    for n in 0..count {
        fs::write(root.join(format!("f{n}")), "x").unwrap();
    }
    d.signal(Signal::SIGCONT);
    // One that had been started before would give up, should the files have taken long.
    let tail = d.tail_since(last);
    tail.wait_for(LIMIT, "an overflow that is closed again", |lines| {
        lines.iter().any(|l| l.kind() == "gap" && l.field("reason") == "overflow" && l.0["closed"] == true)
    });
    let events = tail.up_to_now(&root);
    let gaps: Vec<_> = tail.lines().into_iter().filter(|line| line.kind() == "gap").collect();
    assert!(gaps.iter().any(|line| line.0["closed"] == false), "it was opened: {gaps:?}");
    let mut told: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for line in events.iter().filter(|line| line.kind() == "create") {
        *told.entry(line.path()).or_default() += 1;
    }
    let lost = (0..count).filter(|n| !told.contains_key(&root.join(format!("f{n}")))).count();
    assert_eq!(lost, 0, "lost of {count}");
    assert!(told.values().all(|times| *times == 1), "each is told once");
    d.wait_idle("data");
    let status = d.status();
    assert!(status["counters"]["overflows"].as_u64() >= Some(1), "{}", status["counters"]);
    assert_eq!(status["watches"][0]["state"], "watching", "whole again");
    let known = d.json(["gaps", "data"]);
    let closed = known.iter().find(|gap| gap["reason"] == "overflow").expect("it is kept");
    assert!(closed["open"] == false && closed["found"].as_u64() >= Some(1), "{closed}");
    d.ctl(["health"]).ok();
}

#[test]
fn folders_beyond_the_limit_of_watches_are_polled_and_that_is_said() {
    let wrapper = "echo 20 > /proc/sys/user/max_inotify_watches && exec \"$@\"";
    let wrapper: Vec<String> = ["unshare", "-Ur", "sh", "-c", wrapper, "sh"].map(String::from).to_vec();
    let probe = std::process::Command::new("unshare")
        .args(["-Ur", "sh", "-c", "echo 20 > /proc/sys/user/max_inotify_watches"])
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no user namespace with a limit of its own can be had");
        return;
    }
    let d = Daemon::start_with(fsmon_tests::DaemonOptions { wrapper, ..Default::default() });
    let (root, job) = (d.root(), d.job());
    for n in 0..50 {
        fs::create_dir(root.join(format!("d{n}"))).unwrap();
    }
    d.ok(["add", "--name", "data", "--poll-interval", "300ms", root.to_str().unwrap(), "--", &job.command()]);
    d.wait_state("data", "degraded");
    let details = d.show("data")["details"].to_string();
    assert!(details.contains("max_user_watches"), "what would cure it is said: {details}");
    d.ctl(["health"]).with_code(6);
    for n in 0..50 {
        fs::write(root.join(format!("d{n}/f")), "x").unwrap();
    }
    d.until("all are found", || (0..50).all(|n| job.is_done(&root.join(format!("d{n}/f")))));
}
