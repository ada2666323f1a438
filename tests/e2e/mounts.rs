//! File systems that are mounted over what is watched, and that go away: hidden is not deleted. And roots that are
//! taken away by what leads to them.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use fsmon_tests::ctl::shell;
use fsmon_tests::{Daemon, DaemonOptions, LIMIT, Ran};

/// A daemon in a mount namespace of its own, so that nothing mounted there outlives it. None where the system gives
/// none.
fn daemon_with_mounts() -> Option<Daemon> {
    let wrapper: Vec<String> = ["unshare", "-Urm", "--propagation", "private"].map(String::from).to_vec();
    let mut probe = Command::new(&wrapper[0]);
    probe.args(&wrapper[1..]).args(["mount", "-t", "tmpfs", "t", "/mnt"]);
    if !probe.output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: nothing can be mounted in a namespace of one's own");
        return None;
    }
    Some(Daemon::start_with(DaemonOptions { wrapper, ..Default::default() }))
}

/// Runs a script where the daemon's mounts are seen.
#[track_caller]
fn inside(d: &Daemon, script: &str) {
    let pid = d.pid().to_string();
    let mut command = Command::new("nsenter");
    command.args(["-t", &pid, "-U", "-m", "--preserve-credentials", "sh", "-euc", script]);
    Ran::command(command.current_dir("/")).ok();
}

fn gaps_closed(d: &Daemon, reason: &str) -> usize {
    let told = d.json(["tail", "--no-follow", "-n", "1000", "--kinds", "gap"]);
    told.iter().filter(|gap| gap["reason"] == reason && gap["closed"] == true).count()
}

#[test]
fn what_a_mount_hides_is_not_deleted_and_what_it_brings_is_seen_live() {
    let Some(d) = daemon_with_mounts() else { return };
    let (root, job) = (d.root(), d.job());
    let sub = root.join("sub");
    fs::create_dir_all(sub.join("deep")).unwrap();
    d.add(&["--kinds", "create,modify,rename,delete"], &[&job.command()]);
    let tail = d.tail();
    for name in ["a", "deep/b"] {
        fs::write(sub.join(name), "old").unwrap();
    }
    d.until("both are processed", || job.runs().len() == 2);

    inside(&d, &format!("mount -t tmpfs t {}", sub.display()));
    d.until("the mount is noticed", || gaps_closed(&d, "mount") == 1);
    assert_eq!(d.show("data")["files"], 0, "they can't be seen now");
    inside(&d, &format!("mkdir {0}/new; echo x > {0}/new/x", sub.display()));
    d.until("a file on it is processed", || job.runs().len() == 3);
    let lines = tail.wait_for(LIMIT, "its create", |lines| lines.iter().any(|l| l.is("create", &sub.join("new/x"))));
    assert_eq!(lines.iter().filter(|line| line.kind() == "delete").count(), 0, "hidden is not deleted: {lines:?}");

    inside(&d, &format!("umount {}", sub.display()));
    d.until("the unmount is noticed", || gaps_closed(&d, "mount") >= 2 && d.show("data")["files"] == 2);
    fs::write(sub.join("a"), "old and new").unwrap();
    tail.wait_event("modify", &sub.join("a"));
    d.until("it is processed", || job.is_done(&sub.join("a")));
    d.wait_idle("data");
    assert_eq!(job.runs().len(), 4, "nothing else has run again: {:?}", job.runs());
    assert!(tail.events().iter().all(|line| line.kind() != "delete"), "{:?}", tail.events());
}

#[test]
fn a_bind_mount_below_and_one_over_the_root_are_noticed() {
    let Some(d) = daemon_with_mounts() else { return };
    let (root, job) = (d.root(), d.job());
    let (other, sub) = (d.dir("other"), root.join("sub"));
    fs::write(other.join("o"), "o").unwrap();
    fs::create_dir(&sub).unwrap();
    fs::write(root.join("r"), "r").unwrap();
    d.add(&[], &[&job.command()]);
    inside(&d, &format!("mount --bind {} {}", other.display(), sub.display()));
    d.until("what it shows is processed", || job.runs_of(&sub.join("o")).len() == 1);
    // By its own path, which is not watched, and yet the same folder.
    fs::write(other.join("live"), "l").unwrap();
    d.until("what is written by the other path is seen", || job.runs_of(&sub.join("live")).len() == 1);

    inside(&d, &format!("mount -t tmpfs t {}", root.display()));
    d.wait_state("data", "held");
    assert!(d.show("data")["details"].to_string().contains("resume"), "{}", d.show("data"));
    inside(&d, &format!("umount {}", root.display()));
    d.wait_watching("data");
    d.wait_idle("data");
    assert_eq!(job.runs().len(), 2, "nothing runs again");
    let deletes = d.json(["tail", "--no-follow", "-n", "1000", "--kinds", "delete"]);
    assert!(deletes.is_empty(), "{deletes:?}");
}

#[test]
fn an_idle_watch_does_not_block_an_unmount_and_goes_on_when_it_is_mounted_again() {
    let Some(d) = daemon_with_mounts() else { return };
    let (root, job) = (d.root(), d.job());
    let image = d.dir("image");
    inside(
        &d,
        &format!("mount --bind {} {}; mkdir {}/d; echo 1 > {1}/d/a", image.display(), root.display(), root.display()),
    );
    d.add(&[], &[&job.command()]);
    inside(&d, &format!("echo 2 > {}/d/b", root.display()));
    d.until("it is processed", || job.runs().len() == 1);
    d.wait_idle("data");
    // Not lazily: it fails if anything is held open.
    inside(&d, &format!("umount {}", root.display()));
    d.wait_state("data", "held");
    d.ctl(["health"]).with_code(6);
    fs::write(image.join("d/while-away"), "3").unwrap();
    inside(&d, &format!("mount --bind {} {}", image.display(), root.display()));
    d.wait_watching("data");
    d.until("what was written meanwhile is processed", || job.runs().len() == 2);
    let deletes = d.json(["tail", "--no-follow", "-n", "1000", "--kinds", "delete"]);
    assert!(deletes.is_empty(), "{deletes:?}");
}

#[test]
fn a_link_that_leads_elsewhere_and_a_folder_above_that_moves_are_noticed() {
    let d = Daemon::start();
    let job = d.job();
    let base = d.dir("lead");
    shell(&base, "mkdir -p one/in two/in && echo 1 > one/in/a && echo 2 > one/in/b && ln -s one link");
    d.add_folder("linked", &base.join("link/in"), &["--rescan", "off"], &[&job.command()]);

    shell(&base, "mv one elsewhere");
    d.wait_state("linked", "waiting");
    shell(&base, "mv elsewhere one");
    d.wait_watching("linked");

    // Replaced in one step, as `ln -sfn` does.
    symlink("two", base.join("next")).unwrap();
    fs::rename(base.join("next"), base.join("link")).unwrap();
    d.wait_state("linked", "held");
    shell(&base, "ln -sfn one link");
    d.wait_watching("linked");
    fs::write(base.join("one/in/c"), "3").unwrap();
    d.until("it goes on", || job.runs().len() == 1);
    let deletes = d.json(["tail", "--no-follow", "-n", "1000", "--kinds", "delete"]);
    assert!(deletes.is_empty(), "{deletes:?}");
}
