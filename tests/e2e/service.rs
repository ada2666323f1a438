//! The daemon as a service: background, one line for all, reload, log.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

use fsmon_tests::{Daemon, DaemonOptions, LIMIT, Ran, process, programs};
use nix::sys::signal::Signal;

#[test]
fn in_the_background_it_returns_when_it_is_ready() {
    let mut d = Daemon::prepare(DaemonOptions::default());
    let ran = d.start_in_background().ok();
    assert!(process::lives(d.pid()));
    let tty = fs::read_to_string(format!("/proc/{}/stat", d.pid())).unwrap_or_default();
    let fields: Vec<&str> = tty.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    assert!(fields.len() < 5 || fields[4] == "0", "it has no terminal: {tty}");
    let (root, job) = (d.root(), d.job());
    d.add(&[], &[&job.command()]);
    fs::write(root.join("f"), "x").unwrap();
    d.until("it works", || job.is_done(&root.join("f")));
    let f = root.join("f");
    d.until("the log, begun after the fork, tells all of it", || {
        let log = d.log();
        log.contains("fsmond has started") && log.contains(f.to_str().unwrap())
    });
    let names = fs::read_dir(d.state()).unwrap().map(|entry| entry.unwrap().file_name());
    let pid_files = names.filter(|name| name.to_string_lossy().ends_with(".pid")).count();
    assert_eq!(pid_files, 0, "the lock decides who runs, never a pid file");
    d.ok(["stop"]);
    d.wait_end(LIMIT).unwrap_or_else(|| panic!("it does not stop: {}", ran.complaint()));
    d.ctl(["status"]).refused(3, "fsmond");
}

#[test]
fn in_the_background_a_failure_is_told_by_code_and_reason() {
    let mut d = Daemon::prepare(DaemonOptions::default());
    fs::write(d.state(), "a file where the state folder should be").unwrap();
    let ran = d.start_in_background();
    assert_eq!(ran.code, 1, "{}", ran.complaint());
    assert!(ran.complaint().contains("state"), "{}", ran.complaint());
}

#[test]
fn started_by_root_it_becomes_another_user_with_all_that_makes_one() {
    if !process::is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    let d = Daemon::prepare(DaemonOptions { as_nobody: true, ..DaemonOptions::default() });
    let mut command = d.fsmond();
    // Back to root, with a group of root's that must not stay.
    let ran = Ran::command(command.args(["--user", "nobody"]).uid(0).gid(0)).ok();
    let pid = d.status()["pid"].as_u64().unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let numbers = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("{key}: {status}"));
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(numbers("Uid:"), ["65534"; 4], "{}", ran.complaint());
    assert_eq!(numbers("Gid:"), ["65534"; 4]);
    assert_eq!(numbers("Groups:"), ["65534"], "none of root's");
    assert_eq!(numbers("CapEff:"), ["0000000000000000"]);
    d.ok(["stop"]);

    let ran = Ran::command(d.fsmond().args(["--user", "no-such-user"]));
    assert_eq!(ran.code, 1);
    assert!(ran.complaint().contains("no-such-user"), "{}", ran.complaint());
    let ran = Ran::command(d.fsmond().args(["--user", "root"]));
    assert!(ran.code == 1 && ran.complaint().contains("only root"), "{}", ran.complaint());
}

#[test]
fn one_line_watches_and_runs() {
    let d = Daemon::prepare(DaemonOptions::default());
    let (root, job) = (d.root(), d.job());
    let mut command = d.command(programs::fsmond());
    command.arg("--foreground").arg("--watch").arg(&root).arg("--").arg(job.command());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    // Whether it is ready is not told on stdout, so files are made until one is seen.
    let mut n = 0;
    let seen = fsmon_tests::wait::holds_within(LIMIT, || {
        n += 1;
        fs::write(root.join(format!("f{n}")), "content").unwrap();
        lines.recv_timeout(Duration::from_millis(200)).is_ok_and(|line| line.contains("create") && line.contains("/f"))
    });
    let ran = fsmon_tests::wait::holds_within(LIMIT, || job.is_done(&root.join(format!("f{n}"))));
    process::signal(child.id(), Signal::SIGTERM);
    let status = process::wait_for(&mut child, LIMIT);
    let _ = child.kill();
    let mut err = String::new();
    let _ = std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut err);
    assert!(seen, "an event on stdout: {err}");
    assert!(ran, "the command ran: {err}");
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{err}");
    assert!(!err.is_empty(), "the log is on stderr");
}

#[test]
fn a_second_signal_means_now() {
    let mut d = Daemon::start();
    let (root, began) = (d.root(), d.dir("signs").join("began"));
    let script = format!("trap '' TERM; echo > {}; sleep 300", began.display());
    d.add(&["--grace", "10m"], &["/bin/sh", "-c", &script, "sh", "{path}"]);
    fs::write(root.join("f"), "x").unwrap();
    d.until("it runs", || began.exists());
    d.signal(Signal::SIGTERM);
    d.until("it has begun to stop", || d.log().to_lowercase().contains("stop"));
    d.signal(Signal::SIGTERM);
    assert!(d.wait_end(LIMIT).is_some(), "it ends without the grace of ten minutes");
}

/// A config with these watches, each on a folder of its own.
fn config(d: &Daemon, names: &[&str]) -> String {
    let watch = |name: &&str| format!("[[watch]]\nname = \"{name}\"\npath = \"{}\"\n\n", d.dir(name).display());
    names.iter().map(watch).collect()
}

#[test]
fn a_reload_takes_a_good_config_and_refuses_a_bad_one() {
    let mut d = Daemon::prepare(DaemonOptions::default());
    d.write_config(&config(&d, &["one"]));
    d.start_again();
    d.wait_watching("one");
    let tail = d.tail();

    d.write_config(&config(&d, &["one", "two"]));
    d.signal(Signal::SIGHUP);
    d.until("the second is there", || d.json(["list"]).len() == 2);
    d.wait_watching("two");
    tail.wait_for(LIMIT, "the reload", |lines| lines.iter().any(|line| line.field("status") == "reloaded"));

    d.write_config("[[watch]]\nname = \"three\"\npath = \"/tmp\"\nfrobnicate = 1\n");
    d.signal(Signal::SIGHUP);
    d.until("the log says what is wrong", || d.log().contains("frobnicate"));
    let said = d.ctl(["reload"]);
    assert_ne!(said.code, 0);
    assert!(
        said.complaint().contains("frobnicate") && said.complaint().contains("fsmond.toml"),
        "{}",
        said.complaint()
    );
    assert_eq!(d.json(["list"]).len(), 2, "the old one stays");

    d.write_config(&config(&d, &["two"]));
    d.ok(["reload"]);
    let left: Vec<_> = d.json(["list"]).iter().map(|watch| watch["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(left, ["two"]);
}

#[test]
fn the_log_tells_of_start_events_errors_and_stop() {
    let mut d = Daemon::start();
    let root = d.root();
    d.add(&["--retries", "0"], &["/bin/sh", "-c", "echo complaint >&2; exit 7", "sh", "{path}"]);
    fs::write(root.join("a file.txt"), "x").unwrap();
    d.until("it has failed", || d.show("data")["failed"] == 1);
    assert_eq!(d.stop(), Some(0));
    let log = d.log();
    let has = |words: &[&str]| {
        log.lines().any(|line| words.iter().all(|word| line.to_lowercase().contains(&word.to_lowercase())))
    };
    let path = root.join("a file.txt").to_str().unwrap().to_owned();
    assert!(has(&["start", env!("CARGO_PKG_VERSION")]), "the start:\n{log}");
    assert!(has(&["INFO", "create", &path]), "the event with its path:\n{log}");
    assert!(has(&["fail", &path]), "the run that failed:\n{log}");
    assert!(has(&["stop"]), "the stop:\n{log}");
    let stamp = |line: &str| line.starts_with("20") && line.get(10..11) == Some("T");
    assert!(log.lines().all(stamp), "each line has its time:\n{log}");
}

#[test]
fn the_log_level_can_be_changed_while_it_runs() {
    let d = Daemon::start();
    let root = d.root();
    d.add(&[], &[]);
    d.ok(["log-level", "error"]);
    let tail = d.tail();
    fs::write(root.join("quiet"), "x").unwrap();
    tail.wait_event("create", &root.join("quiet"));
    d.ok(["log-level", "info"]);
    fs::write(root.join("loud"), "x").unwrap();
    d.until("the log tells again", || d.log().contains("loud"));
    assert!(!d.log().contains("quiet"));
    assert_eq!(d.status()["log_level"], "info");
}

#[test]
fn its_own_files_are_not_watched_even_inside_a_watched_folder() {
    let d = Daemon::start();
    let job = d.job();
    // The base holds the state folder, the log, the socket and the job's own log.
    d.add_folder("all", d.base(), &["--exclude", "job/"], &[&job.command()]);
    let file = d.root().join("f");
    fs::write(&file, "x").unwrap();
    d.until("the file has run", || job.is_done(&file));
    d.ok(["run-now", "all", "--wait"]);
    let own = job.runs().into_iter().filter(|run| run.path.starts_with(d.state())).count();
    assert_eq!(own, 0, "{:?}", job.runs());
}
