//! A disk that is full, failing or without inodes, an fsync that fails, and too few descriptors: nothing is started that
//! is not recorded, it is said, and it goes on by itself.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fsmon_tests::wait::{holds_within, pause};
use fsmon_tests::{Daemon, DaemonOptions, Job, LIMIT, Ran, process, programs};

/// A small tmpfs for the state, unmounted when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Under the state folder of a daemon that was not started yet. None where nothing can be mounted.
    fn below(d: &Daemon, options: &str) -> Option<Self> {
        fs::create_dir(d.state()).unwrap();
        let options = format!("mode=700,{options}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(d.state()).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            println!("skipped: no tmpfs can be mounted here");
            return None;
        }
        Some(Self(d.state()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Writes until nothing more fits.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    path
}

/// Every run once, and for what is there.
fn each_once(job: &Job, paths: &[PathBuf]) {
    for path in paths {
        assert!(job.is_done(path), "{}", path.display());
        assert_eq!(job.runs_of(path).len(), 1, "{}", path.display());
    }
}

/// Writes so many files, named after `what`.
fn files(d: &Daemon, what: &str, count: usize) -> Vec<PathBuf> {
    let paths: Vec<PathBuf> = (0..count).map(|n| d.root().join(format!("{what}{n}"))).collect();
    for path in &paths {
        fs::write(path, path.to_str().unwrap()).unwrap();
    }
    paths
}

fn store_error(d: &Daemon) -> String {
    d.status()["store_error"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_full_disk_starts_nothing_and_is_got_over_without_help() {
    let mut d = Daemon::prepare(DaemonOptions::default());
    let Some(disk) = SmallDisk::below(&d, "size=6m") else { return };
    d.start_again();
    let job = d.job();
    d.add(&["--settle", "20ms"], &[&job.command()]);
    let mut all = files(&d, "before", 3);
    d.until("these are done", || all.iter().all(|path| job.is_done(path)));
    let filler = fill(&disk.0);
    // What the log of the database has room for is stored still; then nothing is.
    let mut n = 0;
    d.until("it says that it cannot write", || {
        all.extend(files(&d, &format!("full{n}-"), 50));
        n += 1;
        !store_error(&d).is_empty()
    });
    assert!(store_error(&d).contains("full"), "{}", store_error(&d));
    d.ctl(["health"]).with_code(6);
    d.until("what was running has ended", || d.show("data")["running"] == 0);
    let runs = job.runs().len();
    all.extend(files(&d, "more", 20));
    d.until("they are seen and wait", || d.show("data")["pending"].as_u64() >= Some(20));
    assert_eq!(job.runs().len(), runs, "nothing is started that cannot be recorded");
    // Whoever changes something is told why they wait, and what that means.
    // (A little may still fit.)
    d.until("a change is answered with why it is not recorded", || {
        d.ctl(["pause", "data"]);
        let resumed = d.ctl(["resume", "data"]);
        let told = resumed.complaint();
        resumed.code == 4 && told.contains("cannot be recorded now") && told.contains("full")
    });
    fs::remove_file(filler).unwrap();
    d.until("all is done", || store_error(&d).is_empty() && all.iter().all(|path| job.is_done(path)));
    d.wait_idle("data");
    each_once(&job, &all);
    d.restart();
    d.wait_watching("data");
    d.wait_idle("data");
    each_once(&job, &all);
    assert_eq!(d.stop(), Some(0));
}

#[test]
fn without_inodes_a_watch_is_answered_when_it_is_recorded_or_told_that_it_is_not() {
    let mut d = Daemon::prepare(DaemonOptions::default());
    let Some(disk) = SmallDisk::below(&d, "size=16m,nr_inodes=40") else { return };
    d.start_again();
    let mut takes = Vec::new();
    for n in 0..60 {
        let path = disk.0.join(format!("taker{n}"));
        match fs::write(&path, "") {
            Ok(()) => takes.push(path),
            Err(_) => break,
        }
    }
    assert!(takes.len() < 60, "inodes are out");
    let mut add = d.fsmonctl(["add", "-q", "--name", "data", d.root().to_str().unwrap()]).spawn().unwrap();
    d.until("it says that it cannot write", || !store_error(&d).is_empty());
    assert!(add.try_wait().unwrap().is_none(), "not answered before it is recorded");
    for path in takes {
        fs::remove_file(path).unwrap();
    }
    let status = process::wait_for(&mut add, LIMIT).expect("it is answered");
    assert!([Some(0), Some(4)].contains(&status.code()), "done, or done and not recorded so far: {status}");
    d.until("it is recorded", || store_error(&d).is_empty());
    d.restart();
    d.wait_watching("data");
    assert_eq!(d.stop(), Some(0));
}

/// A daemon whose calls go wrong as `inject` says; its commands are left alone. None without strace.
fn injected(inject: &str, trace: &str) -> Option<Daemon> {
    let wrapper = ["strace", "-D", "-f", "-q", "-b", "execve", "-o", "/dev/null", "-e", trace, "-e", inject];
    let tried = Command::new("strace").args(["-D", "-q", "-b", "execve", "-o", "/dev/null", "true"]).output();
    if programs::installed("strace").is_none() || !tried.is_ok_and(|tried| tried.status.success()) {
        println!("skipped: strace cannot be used here");
        return None;
    }
    Some(Daemon::prepare(DaemonOptions { wrapper: wrapper.map(String::from).to_vec(), ..Default::default() }))
}

#[test]
fn a_disk_that_fails_for_a_while_loses_nothing() {
    for error in ["EIO", "EROFS", "ENOSPC", "EDQUOT"] {
        let inject = format!("inject=pwrite64:error={error}:when=60..61");
        let Some(mut d) = injected(&inject, "trace=pwrite64") else { return };
        d.start_again();
        let job = d.job();
        d.add(&["--settle", "20ms"], &[&job.command()]);
        let mut all = Vec::new();
        let mut n = 0;
        d.until("the disk has failed", || {
            all.extend(files(&d, &format!("f{n}-"), 3));
            n += 1;
            pause(std::time::Duration::from_millis(20));
            d.log().contains("cannot be written")
        });
        d.until("all is done", || all.iter().all(|path| job.is_done(path)));
        assert!(d.log().contains("can be written again"), "{error}: {}", d.log());
        d.wait_idle("data");
        each_once(&job, &all);
        assert_eq!(d.stop(), Some(0), "{error}");
    }
}

#[test]
fn an_fsync_that_fails_ends_it_with_a_reason_and_1() {
    let Some(mut d) = injected("inject=fdatasync,fsync:error=EIO:when=12", "trace=fdatasync,fsync") else { return };
    d.start_again();
    let job = d.job();
    // It may end before it answers.
    let root = d.root();
    d.ctl(["add", "--name", "data", "--settle", "20ms", root.to_str().unwrap(), "--", &job.command()]);
    let mut all = Vec::new();
    d.until("it ends", || {
        if all.len() < 200 {
            all.extend(files(&d, &format!("f{}-", all.len()), 1));
        }
        !d.runs()
    });
    let code = d.wait_end(LIMIT).flatten();
    assert_eq!(code, Some(1), "{}", d.console());
    assert!(d.console().contains("database failed"), "the reason is told: {}", d.console());
    d.set_wrapper(Vec::new());
    d.start_again();
    if d.ctl(["show", "data"]).code != 0 {
        d.add(&["--existing", "run"], &[&job.command()]);
    }
    d.until("all is done", || all.iter().all(|path| job.is_done(path)));
}

#[test]
fn the_folder_is_synced_after_a_rename_and_before_the_answer() {
    if injected("inject=swapon:error=EIO", "trace=swapon").is_none() {
        return;
    }
    let log = tempfile::tempdir().unwrap();
    let log = log.path().join("calls");
    let strace = ["strace", "-D", "-f", "-q", "-y", "-b", "execve", "-o", log.to_str().unwrap(), "-e"];
    let mut wrapper = strace.map(String::from).to_vec();
    wrapper.push("trace=fsync,rename,renameat,renameat2".into());
    let mut d = Daemon::start_with(DaemonOptions { wrapper, ..Default::default() });
    d.add(&[], &[]);
    assert_eq!(d.stop(), Some(0));
    let read = || fs::read_to_string(&log).unwrap();
    assert!(holds_within(LIMIT, || read().contains("exited with")), "strace tells the end");
    let calls = read();
    let state = format!("<{}>", d.state().display());
    for name in ["watches.toml", "fsmond.db"] {
        let renamed = calls.lines().position(|l| l.contains("rename") && l.contains(&format!("{name}\""))).unwrap();
        let thread = calls.lines().nth(renamed).unwrap().split_whitespace().next().unwrap();
        let mut after =
            calls.lines().skip(renamed + 1).filter(|line| line.starts_with(thread) && !line.contains("resumed"));
        let next = after.next().unwrap_or_default();
        assert!(next.contains("fsync") && next.contains(&state), "{name}: after its rename comes {next}");
    }
}

#[test]
fn of_a_hundred_starts_at_once_one_lives_and_the_others_say_why_not() {
    let d = Daemon::prepare(DaemonOptions::default());
    let start = || {
        let mut command = d.fsmond();
        command.arg("--foreground").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut all: Vec<_> = (0..100).map(|_| start()).collect();
    d.until("one answers and the others have ended", || {
        let alive = all.iter_mut().filter_map(|child| child.try_wait().unwrap().is_none().then_some(())).count();
        alive == 1 && d.ctl(["status"]).code == 0
    });
    let codes = all.iter_mut().filter_map(|child| child.try_wait().unwrap()?.code());
    assert_eq!(codes.filter(|code| *code == 1).count(), 99);
    d.ok(["stop"]);
    d.until("it has stopped", || all.iter_mut().all(|child| child.try_wait().unwrap().is_some()));
}

#[test]
fn without_descriptors_it_neither_dies_nor_spins_and_answers_afterwards() {
    let Some(options) = DaemonOptions::with_descriptors(32) else { return };
    let d = Daemon::start_with(options);
    let job = d.job();
    d.add(&["--settle", "20ms"], &[&job.command()]);
    let connections: Vec<_> = (0..100).map(|_| UnixStream::connect(d.socket())).collect();
    let ticks = || -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", d.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    // A loop that does not wait takes all there is: on an idle machine 100 ticks in a second.
    let before = ticks();
    pause(std::time::Duration::from_secs(1));
    assert!(ticks() - before < 60, "it spins: {} ticks in a second", ticks() - before);
    drop(connections);
    let all = files(&d, "f", 5);
    d.until("it works", || all.iter().all(|path| job.is_done(path)));
}

#[test]
fn a_start_for_which_there_are_no_descriptors_is_put_off_and_uses_no_attempt() {
    let Some(options) = DaemonOptions::with_descriptors(40) else { return };
    let config = Some("[daemon]\nmax-runs = 16\n".to_owned());
    let d = Daemon::start_with(DaemonOptions { config, ..options });
    let job = d.job_script("sleep 0.2");
    let all = files(&d, "f", 60);
    // More at once than there are descriptors for.
    let options = ["--existing", "run", "--concurrency", "16", "--retries", "0", "--backoff", "100ms"];
    d.add(&options, &[&job.command()]);
    d.until("all are done", || all.iter().all(|path| job.is_done(path)));
    d.wait_idle("data");
    each_once(&job, &all);
    assert_eq!(d.show("data")["failed"], 0);
    let runs = d.ok(["runs", "--json", "-n", "1000"]).json();
    assert!(runs.iter().any(|run| run["status"] == "later"), "none was put off, so this test shows nothing");
}

#[test]
fn a_console_that_nobody_reads_holds_nothing_up() {
    let d = Daemon::prepare(DaemonOptions::default());
    let mut command = d.fsmond();
    command.args(["--foreground", "--log-level", "trace"]).stdin(Stdio::null());
    // Both ends of the pipes stay open here, and nobody ever reads.
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    d.until("it is ready", || d.ctl(["status"]).code == 0);
    let job = d.job();
    d.add(&["--settle", "20ms"], &[&job.command()]);
    // Each makes several lines; a pipe holds 64 KiB.
    for round in 0..10 {
        files(&d, &format!("r{round}-"), 300);
        fs::create_dir(d.root().join(format!("d{round}"))).unwrap();
    }
    let last = files(&d, "last", 1);
    d.ok(["set", "data", "--concurrency", "4"]);
    d.until("events are seen and answered", || d.show("data")["files"] == 3001);
    d.until("a run is made", || job.runs().len() > 20);
    d.ok(["pause", "data"]);
    assert!(last[0].exists());
    Ran::command(&mut d.fsmonctl(["stop"])).ok();
    assert!(process::wait_for(&mut child, LIMIT).expect("it ends").success());
}
