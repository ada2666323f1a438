//! What a hostile neighbour on the same machine can't do: lead out of a watched folder, have root work for him, read
//! secrets, forge lines, plant a config; and what whoever starts the daemon carelessly can't break.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use fsmon_tests::{Daemon, DaemonOptions, process, programs, tree};

const SOMEBODY: u32 = 54_321;

fn root_only() -> bool {
    if !process::is_root() {
        eprintln!("skipped: only root can try this");
    }
    process::is_root()
}

#[test]
fn root_runs_no_command_where_others_can_write_unless_told_as_whom() {
    if !root_only() {
        return;
    }
    let d = Daemon::start();
    let (root, out) = (d.root(), d.dir("out"));
    fs::set_permissions(d.base(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o777)).unwrap();
    chown(&root, Some(SOMEBODY), None).unwrap();
    let path = root.to_str().unwrap();
    let command = ["--", "/bin/sh", "-c", "id -u > \"$1\"/\"$2\"", "sh", out.to_str().unwrap(), "{name}"];
    let add = |options: &[&str]| d.ctl([&["add", path, "--name", "data"], options, &command].concat());
    add(&[]).refused(1, "--run-as");
    add(&["--run-as", "no-such-user"]).refused(1, "no-such-user");
    add(&["--run-as", "a:b:c"]).refused(2, "USER:GROUP");
    d.ok(["add", path, "--name", "looks-only"]);
    add(&["--run-as", "nobody"]).ok();
    d.wait_watching("data");
    fs::write(root.join("f"), "x").unwrap();
    d.until("it has run", || fs::read_to_string(out.join("f")).is_ok_and(|id| id.trim() == "65534"));

    // The daemon's own user again: refused at once, and at the run where the folder changes hands later.
    d.ctl(["set", "data", "--run-as", ""]).refused(1, "--run-as");
    chown(&root, Some(0), None).unwrap();
    d.ok(["set", "data", "--run-as", "", "--retries", "0"]);
    chown(&root, Some(SOMEBODY), None).unwrap();
    fs::write(root.join("g"), "x").unwrap();
    d.until("the run is refused", || d.show("data")["failed"] == 1);
    let failed = d.ok(["runs", "data", "--failed"]).text();
    assert!(failed.contains("not started") || failed.contains("run-as"), "{failed}");
    assert!(!out.join("g").exists());
}

#[test]
fn only_a_daemon_of_root_runs_as_others() {
    if !root_only() {
        return;
    }
    let d = Daemon::start_with(DaemonOptions { as_nobody: true, ..DaemonOptions::default() });
    let root = d.root();
    d.ctl(["add", root.to_str().unwrap(), "--run-as", "root", "--", "/bin/true"]).refused(1, "runs as user 65534");
}

/// Folders that are swapped for links to elsewhere and back, all the time: nothing of elsewhere is ever told or run.
#[test]
fn a_folder_that_is_swapped_for_a_link_leads_nobody_out() {
    let d = Daemon::start();
    let (root, outside, job) = (d.root(), d.dir("outside"), d.job());
    for n in 0..20 {
        fs::write(outside.join(format!("foreign-{n}")), "secret").unwrap();
    }
    fs::create_dir(outside.join("foreign-folder")).unwrap();
    fs::write(outside.join("foreign-folder/foreign-deep"), "secret").unwrap();
    d.add(&["--settle", "1ms", "--every", "300ms", "--rescan", "200ms"], &[&job.command()]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            let folder = root.join("d");
            let mut round = 0_u32;
            while !done.load(Ordering::SeqCst) {
                round += 1;
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(format!("own-{}", round % 7)), round.to_string()).unwrap();
                tree::swap_for_link(&folder, &outside);
            }
            round
        });
        d.until("there were 20 comparisons with the tree", || {
            let told = d.json(["tail", "--no-follow", "-n", "1000", "--kinds", "schedule"]);
            told.len() >= 20
        });
        done.store(true, Ordering::SeqCst);
        assert!(swapping.join().unwrap() > 100, "it was swapped often");
    });
    // Files that changed during each of their runs look like a command that makes its own work: that is held.
    d.ctl(["resume", "data"]);
    fs::write(root.join("d/last"), "x").unwrap();
    d.until("it goes on", || job.is_done(&root.join("d/last")));
    let told = d.ok(["tail", "--no-follow", "-n", "100000", "--json"]).text();
    assert!(!told.contains("foreign"), "nothing of elsewhere is told");
    assert!(!d.log().contains("foreign"), "nor logged");
    assert!(job.runs().iter().all(|run| run.path.starts_with(&root)), "nor run");
    assert!(job.runs().iter().all(|run| !run.path.to_string_lossy().contains("foreign")));
}

#[test]
fn names_forge_no_lines_of_the_log() {
    let d = Daemon::start();
    let root = d.root();
    d.add(&[], &[]);
    let name = "x\n2026-01-01T00:00:00.000000Z ERROR fsmond: forged\u{1b}[2J\u{202e}";
    fs::write(root.join(name), "x").unwrap();
    d.until("it is told", || d.log().contains("forged"));
    let log = d.log();
    assert!(log.lines().filter(|line| line.contains("forged")).all(|line| line.contains("\\n2026-01-01")), "{log}");
    assert!(!log.contains(['\u{1b}', '\u{202e}']), "nothing in it plays tricks on a terminal");
    // Nor where fsmonctl shows it, in errors and in what it completes.
    let shown = [d.ok(["tail", "--no-follow", "-n", "9"]), d.ctl(["show", name]), d.ctl(["remove", name])];
    for ran in shown {
        let all = ran.text() + &ran.complaint();
        assert!(
            !all.contains(['\u{1b}', '\u{202e}']) && !all.lines().any(|line| line.starts_with("2026-01-01T")),
            "{all}"
        );
    }
}

#[test]
fn secrets_are_in_no_file_that_others_read_and_in_no_output() {
    let d = Daemon::start();
    let secret = "s3cr3t-of-mine";
    d.add(&["--env", &format!("TOKEN={secret}")], &["/bin/true", "{path}"]);
    fs::write(d.root().join("f"), "x").unwrap();
    d.wait_idle("data");
    d.ok(["log-level", "trace"]);
    d.ok(["set", "data", "--env", &format!("TOKEN={secret}"), "--env", "OTHER=1"]);
    for args in [&["show", "data"][..], &["list"], &["status"], &["runs"], &["tail", "--no-follow", "-n", "99"]] {
        for json in [None, Some("--json")] {
            let ran = d.ctl(args.iter().copied().chain(json));
            assert!(!(ran.text() + &ran.complaint()).contains(secret), "{}", ran.line);
        }
    }
    assert!(!d.log().contains(secret) && !d.console().contains(secret), "{}", d.log());
    for path in tree::contents(&d.state()).into_keys() {
        let mode = fs::symlink_metadata(d.state().join(&path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "{} is open to others: {mode:o}", path.display());
    }
}

#[test]
fn a_config_inside_a_watched_folder_is_never_read() {
    let mut d = Daemon::start();
    d.add(&[], &[]);
    for name in [".fsmond.toml", "fsmond.toml", "watches.toml", ".config"] {
        fs::write(d.root().join(name), "[[watch]]\nname = \"planted\"\npath = \"/etc\"\n").unwrap();
    }
    d.ok(["reload"]);
    d.restart();
    assert!(!d.ok(["list"]).text().contains("planted"));
}

#[test]
fn signals_that_were_blocked_or_ignored_at_the_start_do_their_work() {
    if programs::installed("python3").is_none() {
        eprintln!("skipped: python3 is not installed");
        return;
    }
    let careless = "import os,signal,sys\n\
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP})\n\
        for s in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(s, signal.SIG_IGN)\n\
        os.execv(sys.argv[1], sys.argv[1:])\n";
    let wrapper = ["python3", "-c", careless].map(String::from).to_vec();
    let mut d = Daemon::start_with(DaemonOptions { wrapper, ..DaemonOptions::default() });
    let job = d.job();
    d.add(&[], &[&job.command()]);
    fs::write(d.root().join("f"), "x").unwrap();
    d.until("a command runs and its end is seen", || job.is_done(&d.root().join("f")));
    d.wait_idle("data");
    assert_eq!(d.stop(), Some(0));
    d.start_in_background().ok();
    assert_eq!(d.stop(), None, "in the background, too");
}

#[test]
fn state_that_others_planted_or_can_write_is_refused_by_name() {
    let plant = |what: &str, how: &dyn Fn(&Daemon)| {
        let mut d = Daemon::prepare(DaemonOptions::default());
        fs::create_dir(d.state()).unwrap();
        fs::set_permissions(d.state(), fs::Permissions::from_mode(0o700)).unwrap();
        how(&d);
        let failure = d.try_start().expect_err(what);
        assert!(failure.console.contains(what), "{what}: {}", failure.console);
        assert_eq!(fs::read_to_string(d.base().join("home/precious")).unwrap_or("safe".into()), "safe", "{what}");
    };
    let precious = |d: &Daemon| {
        fs::write(d.base().join("home/precious"), "safe").unwrap();
        d.base().join("home/precious")
    };
    let link = |d: &Daemon, name: &str| symlink(precious(d), d.state().join(name)).unwrap();
    plant("lock", &|d| link(d, "lock"));
    plant("fsmond.db", &|d| link(d, "fsmond.db"));
    plant("watches.toml", &|d| link(d, "watches.toml"));
    plant("filesystem_monitor.log", &|d| {
        fs::create_dir(d.state().join("log")).unwrap();
        link(d, "log/filesystem_monitor.log");
    });
    plant("state", &|d| fs::set_permissions(d.state(), fs::Permissions::from_mode(0o777)).unwrap());
    plant("fsmond.sock.lock", &|d| symlink(precious(d), d.base().join("fsmond.sock.lock")).unwrap());
    plant("fsmond.sock", &|d| symlink(precious(d), d.base().join("fsmond.sock")).unwrap());
    if process::is_root() {
        plant("state", &|d| chown(d.state(), Some(SOMEBODY), None).unwrap());
    }
}

/// Files that are made, and under which path, as the system calls tell it: all of them are its own.
#[test]
fn nothing_is_made_outside_of_its_own_folders() {
    if programs::installed("strace").is_none() {
        eprintln!("skipped: strace is not installed");
        return;
    }
    let trace = tempfile::tempdir().unwrap();
    let file = trace.path().join("trace");
    let calls = "trace=creat,open,openat,mkdir,mkdirat,mknod,mknodat,symlink,symlinkat,rename,renameat,renameat2";
    let wrapper = ["strace", "-f", "-y", "-e", calls, "-e", "signal=none", "-o", file.to_str().unwrap()];
    let wrapper = wrapper.map(String::from).to_vec();
    let mut d = Daemon::start_with(DaemonOptions { wrapper, ..DaemonOptions::default() });
    d.add(&[], &["/bin/true"]);
    for n in 0..50 {
        fs::write(d.root().join(format!("f{n}")), "x").unwrap();
    }
    d.until("all have run", || d.json(["runs", "-n", "100"]).len() == 50);
    d.ok(["run-now", "data", "--all-files", "--wait"]);
    d.ok(["set", "data", "--settle", "1ms"]);
    d.ok(["stop"]);
    d.wait_end(fsmon_tests::wait::LIMIT).expect("it ends");
    let text = fs::read_to_string(&file).unwrap();
    let makes = |line: &&str| {
        (line.contains("O_CREAT") || line.contains("O_TMPFILE") || !line.contains(" open")) && !line.contains(" = -1 ")
    };
    let made: Vec<&str> = text.lines().filter(makes).filter(|line| line.contains('"')).collect();
    assert!(made.len() > 3, "{text}");
    let own = [d.state(), d.socket()].map(|path| path.to_str().unwrap().to_owned());
    for line in made {
        assert!(own.iter().any(|own| line.contains(own.as_str())) || line.contains("/dev/null"), "{line}");
    }
}
