//! `{fd}`: a command that is handed its file open reads that file, whatever somebody puts in its place meanwhile.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use fsmon_tests::{Daemon, DaemonOptions, process, tree};
use serde_json::Value;

fn lines(log: &Path) -> Vec<String> {
    fs::read_to_string(log).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Descriptors that a process has open.
fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn a_thousand_files_are_handed_over_and_nothing_stays_open() {
    let d = Daemon::start();
    let (root, out) = (d.root(), d.dir("out"));
    let script = "cat \"$1\" > \"$2/$3\"; ls -1 /proc/self/fd | tr '\\n' ' ' > \"$2/$3.fds\"; echo $# > \"$2/count\"";
    let out_text = out.to_str().unwrap();
    d.add(&["--concurrency", "4"], &["/bin/sh", "-c", script, "sh", "{fd}", out_text, "{name}"]);
    let before = open_files(d.pid());
    for n in 0..1000 {
        fs::write(root.join(format!("f{n}")), format!("content of {n}")).unwrap();
    }
    let done = || d.json(["runs", "data", "-n", "1000"]).iter().filter(|run| run["status"] == "ok").count();
    d.until("all have run", || done() == 1000);
    for n in 0..1000 {
        assert_eq!(fs::read_to_string(out.join(format!("f{n}"))).unwrap(), format!("content of {n}"));
        // The last one is the listing's own.
        assert_eq!(fs::read_to_string(out.join(format!("f{n}.fds"))).unwrap(), "0 1 2 3 4 ");
    }
    assert_eq!(lines(&out.join("count")), ["3"], "no path is appended");
    d.until("nothing stays open", || open_files(d.pid()) <= before);
}

/// A file `d/f` that is seen, looked at and ready, and waits for another run; `meanwhile`, with the root and a folder
/// beside it in which there is an `f` too, something is done about that. Returns what the command, which is `given` the
/// file, has read, and the daemon, for which the file is over.
fn read_after(given: &str, meanwhile: impl FnOnce(&Path, &Path)) -> (Vec<String>, Daemon) {
    let d = Daemon::start();
    let (root, outside, out) = (d.root(), d.dir("outside"), d.dir("out"));
    let (gate, log) = (out.join("gate"), out.join("log"));
    fs::create_dir(root.join("d")).unwrap();
    fs::write(outside.join("f"), "secret").unwrap();
    fs::write(outside.join("first"), "first").unwrap();
    let script = format!(
        "while [ \"$2\" = first ] && [ ! -e {} ]; do sleep 0.01; done
        c=$(cat \"$1\") && printf '%s %s\\n' \"$2\" \"$c\" >> {}",
        gate.display(),
        log.display()
    );
    // Compared when it is asked for, and only then: what happens meanwhile is seen by nobody.
    let mut options = vec!["--backend", "poll", "--poll-interval", "1h", "--settle", "1ms", "--retries", "0"];
    if process::is_root() {
        // Else it refuses any command where others could write.
        options.extend(["--run-as", "root"]);
    }
    d.add(&options, &["/bin/sh", "-c", &script, "sh", given, "{name}"]);
    for (file, text, state) in [("d/first", "first", "running"), ("d/f", "mine", "ready")] {
        let file = root.join(file);
        fs::write(&file, text).unwrap();
        // Old enough to need no second look.
        let old = SystemTime::now() - Duration::from_secs(3600);
        fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        d.ok(["run-now", "data"]);
        d.until(state, || d.json(["explain", file.to_str().unwrap()])[0]["state"] == state);
    }
    meanwhile(&root, &outside);
    fs::write(&gate, "").unwrap();
    d.until("the second one is over or waits", || runs_of(&d, "d/f").iter().any(|run| run["status"] != "started"));
    (lines(&log), d)
}

/// The runs of one file of the watch, the newest first.
fn runs_of(d: &Daemon, file: &str) -> Vec<Value> {
    let path = d.root().join(file);
    let mut runs = d.json(["runs", "data", "-n", "1000"]);
    runs.retain(|run| run["path"] == path.to_str().unwrap());
    runs
}

fn swap(root: &Path, outside: &Path) {
    fs::rename(root.join("d"), root.join("aside")).unwrap();
    symlink(outside, root.join("d")).unwrap();
}

#[test]
fn a_folder_that_becomes_a_link_before_the_run_leads_the_command_nowhere() {
    let (read, _) = read_after("{path}", swap);
    assert_eq!(read, ["first first", "f secret"], "a path leads to whatever is there");
    let (read, d) = read_after("{fd}", swap);
    assert_eq!(read, ["first first"]);
    let run = &runs_of(&d, "d/f")[0];
    assert_eq!(run["status"], "failed", "{run}");
    assert!(run.to_string().contains("/data/d is a symbolic link by now"), "{run}");
    let (read, d) = read_after("{fd}", |root, outside| {
        fs::remove_file(root.join("d/f")).unwrap();
        symlink(outside.join("f"), root.join("d/f")).unwrap();
    });
    assert_eq!(read, ["first first"]);
    assert!(runs_of(&d, "d/f")[0].to_string().contains("/data/d/f is no regular file"), "{:?}", runs_of(&d, "d/f"));
}

#[test]
fn a_file_that_is_gone_when_it_is_to_be_opened_has_vanished_and_one_that_is_back_runs() {
    let (read, d) = read_after("{fd}", |root, _| fs::remove_file(root.join("d/f")).unwrap());
    assert_eq!(read, ["first first"]);
    assert_eq!(runs_of(&d, "d/f")[0]["status"], "vanished");
    d.wait_idle("data");
    assert_eq!(d.show("data")["failed"], 0);

    let (read, d) = read_after("{fd}", |root, _| fs::rename(root.join("d"), root.join("aside")).unwrap());
    assert_eq!(read, ["first first"]);
    fs::rename(d.root().join("aside"), d.root().join("d")).unwrap();
    d.until("it has run", || runs_of(&d, "d/f")[0]["status"] == "ok");
    let runs = runs_of(&d, "d/f");
    assert_eq!(runs.last().unwrap()["status"], "vanished", "{runs:?}");
    assert_eq!(lines(&d.base().join("out/log")), ["first first", "f mine"]);
}

/// Folders are swapped for links to elsewhere and back all the time, while their files change and run.
#[test]
fn whatever_is_swapped_no_command_reads_what_is_elsewhere() {
    let d = Daemon::start();
    let (root, outside, log) = (d.root(), d.dir("outside"), d.dir("out").join("log"));
    for n in 0..7 {
        fs::write(outside.join(format!("f{n}")), "secret").unwrap();
    }
    let script = format!("c=$(cat \"$1\") && printf '%s\\n' \"$c\" >> {}", log.display());
    let mut options = vec!["--settle", "1ms", "--every", "300ms", "--backoff", "10ms", "--retries", "1000"];
    if process::is_root() {
        options.extend(["--run-as", "root"]);
    }
    d.add(&options, &["/bin/sh", "-c", &script, "sh", "{fd}"]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let folder = root.join("d");
            let mut round = 0_u32;
            while !done.load(Ordering::SeqCst) {
                round += 1;
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(format!("f{}", round % 7)), "mine").unwrap();
                std::thread::yield_now();
                tree::swap_for_link(&folder, &outside);
            }
        });
        // Also where this fails: else it would wait for that thread for ever.
        let _done = OnDrop(|| done.store(true, Ordering::SeqCst));
        d.until("commands have run, and some were refused or in vain", || {
            // Files that changed during each of their runs look like a command that makes its own work.
            d.ctl(["resume", "data"]);
            lines(&log).len() >= 30
        });
    });
    d.ctl(["resume", "data"]);
    fs::write(root.join("d/last"), "last").unwrap();
    d.until("it goes on", || lines(&log).contains(&"last".to_owned()));
    assert!(lines(&log).iter().all(|line| ["", "mine", "last"].contains(&line.as_str())), "{:?}", lines(&log));
}

#[test]
fn where_there_is_no_file_to_open_it_is_refused() {
    let d = Daemon::start();
    let root = d.root();
    let path = root.to_str().unwrap();
    let add = |options: &[&str], command: &[&str]| {
        d.ctl([&["add", path, "--name", "data"], options, &["--"], command].concat())
    };
    let import = ["import", "--in={fd}"];
    add(&["--mode", "batch"], &import).refused(2, "about one file");
    add(&["--mode", "worker"], &import).refused(2, "JSON line");
    add(&["--on-schedule", "once"], &import).refused(2, "a run is for no file");
    add(&["--kinds", "create,delete"], &import).refused(2, "deleted can't be opened");
    add(&["--kinds", "delete", "--dry-run"], &import).refused(2, "leave delete out");
    add(&[], &["sh", "-c", "cat {fd}"]).refused(2, "sh {path}");
    add(&[], &["{fd}"]).refused(2, "{fd} in it");
    add(&["--kinds", "create,delete"], &["true"]).ok();
    d.ctl(["set", "data", "--", "cat", "{fd}"]).refused(2, "deleted can't be opened");
    d.ok(["set", "data", "--kinds", "create,modify", "--", "cat", "{fd}"]);
    d.ctl(["set", "data", "--kinds", "delete"]).refused(2, "deleted can't be opened");
    d.ctl(["set", "data", "--on-schedule", "once"]).refused(2, "a run is for no file");
    let found = d.ok(["set", "data", "--settle", "1ms", "--dry-run"]);
    assert!(found.text().contains("nothing changed"), "{}", found.text());
    let (dir, text) = (path.to_owned(), "command = [\"cat\", \"{fd}\"]\nkinds = [\"delete\"]");
    let config = Some(format!("[[watch]]\nname = \"data\"\npath = \"{dir}\"\n{text}\n"));
    let mut other = Daemon::prepare(DaemonOptions { config, ..DaemonOptions::default() });
    let failure = other.try_start().expect_err("a bad config");
    assert_eq!(failure.code, Some(78));
    assert!(failure.console.contains("deleted can't be opened"), "{}", failure.console);
}

/// Does this when it is dropped.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0();
    }
}
