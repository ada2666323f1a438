//! Roots that go, come back, or are something else; and what cannot be seen: said, and repaired.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use fsmon_tests::{Daemon, DaemonOptions, process};
use nix::sys::signal::Signal;

fn deletes(d: &Daemon) -> usize {
    d.json(["tail", "--no-follow", "-n", "1000", "--kinds", "delete"]).len()
}

#[test]
fn a_root_that_is_removed_and_made_again_goes_on_and_is_not_held() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.add(&["--rescan", "off"], &[&job.command()]);
    for round in 0..8 {
        fs::create_dir(root.join("d")).unwrap();
        let files: Vec<_> = (0..20).map(|n| root.join(format!("d/{round}-{n}"))).collect();
        for file in &files {
            fs::write(file, "x").unwrap();
        }
        let (mine, all) = (root.join(format!("f{round}")), 21 * (round + 1));
        fs::write(&mine, "x").unwrap();
        d.until("all are processed", || job.runs().len() == all);
        fs::remove_dir_all(&root).unwrap();
        fs::create_dir(&root).unwrap();
        // Seen again: by an event, or by the comparison that follows.
        d.until("it goes on", || {
            let status = d.show("data");
            assert_ne!(status["state"], "held", "round {round}: {}", d.diagnosis());
            status["state"] == "watching" && status["files"] == 0 && status["open_gaps"] == 0
        });
    }
    assert_eq!(deletes(&d), 8 * 22, "each was told as deleted once");
}

#[test]
fn a_root_that_is_missing_or_no_folder_is_waited_for() {
    let mut d = Daemon::start();
    let (base, job) = (d.dir("late"), d.job());
    let root = base.join("root");
    d.ok([
        "add",
        "--allow-missing",
        "--existing",
        "run",
        "--name",
        "late",
        root.to_str().unwrap(),
        "--",
        &job.command(),
    ]);
    d.wait_state("late", "waiting");
    d.ctl(["health"]).with_code(6);
    fs::write(&root, "a file").unwrap();
    d.until("what is there is said", || d.show("late")["details"].to_string().contains("not a folder"));
    d.restart();
    d.wait_state("late", "waiting");
    fs::remove_file(&root).unwrap();
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a"), "1").unwrap();
    d.until("it is processed", || job.runs().len() == 1);
    d.wait_watching("late");

    // Replaced by a link to another folder: another root, so nothing is believed. Then the true one is back.
    let other = d.dir("other");
    fs::rename(&root, base.join("aside")).unwrap();
    symlink(&other, &root).unwrap();
    d.wait_state("late", "held");
    let details = d.show("late")["details"].to_string();
    assert!(details.contains("resume") && details.contains("accept"), "both ways out are said: {details}");
    d.restart();
    d.wait_state("late", "held");
    fs::remove_file(&root).unwrap();
    fs::rename(base.join("aside"), &root).unwrap();
    d.wait_watching("late");
    d.wait_idle("late");
    assert_eq!((job.runs().len(), deletes(&d)), (1, 0));
}

#[test]
fn after_a_damaged_database_watches_are_held_until_a_person_decides() {
    let mut d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    fs::write(root.join("a"), "1").unwrap();
    d.add(&["--existing", "run"], &[&job.command()]);
    d.until("it is processed", || job.runs().len() == 1);
    assert_eq!(d.stop(), Some(0));
    for entry in fs::read_dir(d.state()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.contains(".db") || name.contains("sqlite") {
            fs::write(&path, "this is no database at all, and it is longer than any header of one could ever be")
                .unwrap();
        }
    }
    d.start_again();
    d.wait_state("data", "held");
    let details = d.show("data")["details"].to_string();
    assert!(details.contains("damaged") && details.contains("resume") && details.contains("accept"), "{details}");
    d.ctl(["health"]).with_code(6);
    d.restart();
    d.wait_state("data", "held");
    assert_eq!(job.runs().len(), 1, "nothing runs by itself");
    d.ok(["resume", "data"]);
    d.until("all are processed", || job.runs().len() == 2);
    d.wait_watching("data");
}

#[test]
fn without_inotify_instances_a_watch_is_polled_and_degraded() {
    let script = "echo 0 > /proc/sys/user/max_inotify_instances && exec \"$@\"";
    let wrapper: Vec<String> = ["unshare", "-Ur", "sh", "-c", script, "sh"].map(String::from).to_vec();
    let probe = Command::new(&wrapper[0]).args(&wrapper[1..]).arg("true").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no user namespace with a limit of its own can be had");
        return;
    }
    let d = Daemon::start_with(DaemonOptions { wrapper, ..Default::default() });
    let (root, job) = (d.root(), d.job());
    d.ok(["add", "--name", "data", "--poll-interval", "300ms", root.to_str().unwrap(), "--", &job.command()]);
    d.wait_state("data", "degraded");
    let status = d.show("data");
    assert_eq!(status["backend"], "poll");
    assert!(status["details"].to_string().contains("max_user_instances"), "the cure is named: {status}");
    fs::write(root.join("a"), "x").unwrap();
    d.until("it is found and processed", || job.is_done(&root.join("a")));
    d.ctl(["health"]).with_code(6);
}

#[test]
fn with_few_descriptors_all_is_found_and_the_daemon_lives() {
    let Some(options) = DaemonOptions::with_descriptors(32) else { return };
    let d = Daemon::start_with(options);
    let job = d.job();
    let folders: Vec<_> = (0..12).map(|n| d.dir(&format!("w{n}"))).collect();
    for (n, folder) in folders.iter().enumerate() {
        let name = format!("w{n}");
        // One of them may be refused for want of a descriptor; it is asked again.
        let add = ["add", "--name", &name, "--poll-interval", "300ms", folder.to_str().unwrap(), "--", &job.command()];
        d.until("it is added", || d.ctl(add).code == 0 || d.ctl(["show", &name]).code == 0);
    }
    for folder in &folders {
        fs::write(folder.join("f"), "x").unwrap();
    }
    d.until("all are processed", || folders.iter().all(|folder| job.is_done(&folder.join("f"))));
}

#[test]
fn a_folder_that_cannot_be_read_is_counted_and_found_when_it_can() {
    let root_user = nix::unistd::geteuid().is_root();
    let d = Daemon::start_with(DaemonOptions { as_nobody: root_user, ..Default::default() });
    let (root, job) = (d.root(), d.job_script(""));
    let closed = root.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    d.ok(["add", "--name", "data", "--rescan", "off", root.to_str().unwrap(), "--", "true"]);
    d.wait_state("data", "degraded");
    assert!(d.show("data")["details"].to_string().contains("can't be read"), "{}", d.show("data"));
    fs::write(root.join("beside"), "x").unwrap();
    d.until("the rest works", || d.show("data")["files"] == 1);
    assert_eq!(d.log().matches("what is in it is not seen").count(), 1, "said once");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o777)).unwrap();
    d.wait_watching("data");
    fs::write(closed.join("a"), "x").unwrap();
    d.until("it is seen", || d.show("data")["files"] == 2);
    drop(job);
}

#[test]
fn what_changes_while_it_cannot_be_read_is_processed_when_it_can() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can change what the daemon may not read");
        return;
    }
    for (closed, mode) in [("", 0o000), ("", 0o444), ("sub", 0o000), ("sub", 0o444), ("sub/deep", 0o000)] {
        let d = Daemon::start_with(DaemonOptions { as_nobody: true, ..Default::default() });
        let (root, out) = (d.root(), d.dir("out"));
        let done = |file: &std::path::PathBuf| {
            fs::read(out.join(file.file_name().unwrap())).is_ok_and(|copy| copy == fs::read(file).unwrap())
        };
        let folder = d.dir("data/sub").join("deep");
        d.dir("data/sub/deep");
        let files = [root.join("a"), root.join("sub/b"), folder.join("c")];
        for file in &files {
            fs::write(file, "first").unwrap();
        }
        let add = ["add", "--name", "data", "--existing", "run", "--rescan", "off", "--every", "off"];
        d.ok([&add[..], &[root.to_str().unwrap(), "--", "cp", "{path}", out.to_str().unwrap()]].concat());
        d.until("all are processed", || files.iter().all(done));
        d.wait_idle("data");
        fs::set_permissions(root.join(closed), fs::Permissions::from_mode(mode)).unwrap();
        for file in &files {
            fs::write(file, "second").unwrap();
        }
        let new = folder.join("new");
        fs::write(&new, "new").unwrap();
        d.wait_state("data", "degraded");
        d.ctl(["health"]).with_code(6);
        fs::set_permissions(root.join(closed), fs::Permissions::from_mode(0o755)).unwrap();
        d.until(&format!("what changed below {closed:?} of mode {mode:o} is processed"), || {
            files.iter().chain([&new]).all(done)
        });
        d.wait_watching("data");
        d.wait_idle("data");
        assert!(d.json(["gaps", "data"]).iter().any(|gap| gap["reason"] == "unreadable"), "{closed:?} {mode:o}");
        d.ctl(["verify", "data"]).with_code(0);
        d.ctl(["health"]).with_code(0);
    }
}

#[test]
fn the_daemons_own_folder_is_never_watched() {
    let d = Daemon::start();
    for path in [d.state(), d.state().join("output")] {
        let told = d.ok(["add", "--name", "own", path.to_str().unwrap()]).text();
        assert!(told.contains("keeps its own files there"), "{told}");
        assert_eq!(d.show("own")["state"], "waiting");
        d.ok(["remove", "own"]);
    }
}

#[test]
fn a_file_system_that_hangs_makes_only_its_own_watch_stuck() {
    // Before what unmounts, so that its folder is removed after that, also where the test fails.
    let mut d = Daemon::start();
    let job = d.job();
    let (behind, front) = (d.dir("behind"), d.dir("front"));
    let bindfs = Command::new("bindfs").arg("-f").args([&behind, &front]).stdout(Stdio::null()).spawn();
    let Ok(mut bindfs) = bindfs else {
        eprintln!("skipped: no bindfs");
        return;
    };
    let mounted = || fs::read_to_string("/proc/self/mountinfo").unwrap().contains(front.to_str().unwrap());
    if !fsmon_tests::wait::holds_within(std::time::Duration::from_secs(10), mounted) {
        eprintln!("skipped: bindfs does not mount here");
        let _ = bindfs.kill();
        let _ = bindfs.wait();
        return;
    }
    let unmount = Unmount(front.clone(), bindfs);
    d.add(&[], &[&job.command()]);
    d.ok(["add", "--name", "front", "--backend", "poll", "--poll-interval", "200ms", front.to_str().unwrap()]);
    d.wait_watching("front");
    process::signal(unmount.1.id(), Signal::SIGSTOP);
    d.wait_state("front", "stuck");
    d.ctl(["health"]).with_code(6);
    fs::write(d.root().join("a"), "x").unwrap();
    d.until("the other watch goes on", || job.is_done(&d.root().join("a")));
    process::signal(unmount.1.id(), Signal::SIGCONT);
    d.wait_watching("front");
    process::signal(unmount.1.id(), Signal::SIGSTOP);
    d.wait_state("front", "stuck");
    assert_eq!(d.stop(), Some(0), "it stops all the same");
}

/// Ends a file system of a test, also one that is stopped.
struct Unmount(std::path::PathBuf, std::process::Child);

impl Drop for Unmount {
    fn drop(&mut self) {
        process::signal(self.1.id(), Signal::SIGCONT);
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = self.1.kill();
        let _ = self.1.wait();
    }
}
