//! A crash at every step: the daemon is killed at its n-th call that writes, for every n of a whole life, then at some
//! call while it recovers, and then has to make everything good.
//!
//! `strace` counts the calls, for each thread by itself, and kills; commands are not traced. What a life is made of:
//! a first start, a watch, files written, changed, renamed and deleted, an option changed, a
//! clean stop. Afterwards what was answered is there, the journal is the tree, every last content was processed, and
//! at most the run that was going at each kill was made again, under the same event id.
//!
//! By hand only, with `--ignored`: without more a sample; `STEPS=all` takes every step (minutes), `STEPS=17` the 17th alone.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "all of this is test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fsmon_tests::mirror::Wrong;
use fsmon_tests::wait::holds_within;
use fsmon_tests::{Daemon, DaemonOptions, Job, LIMIT, Mirror, process, programs};
use nix::sys::signal::Signal;

/// The calls at which it is killed: those that change what is on disk, and those that tell somebody something.
const CALLS: [&str; 2] = ["pwrite64,fdatasync,fsync,rename,unlink,ftruncate", "write,sendto"];
/// How many of each kind of call in a sample.
const SAMPLE: usize = 8;
/// Lives side by side.
const AT_ONCE: usize = 3;
/// The watch's options: one run at a time, and nothing that repairs what the daemon would miss.
const OPTIONS: [&str; 8] = ["--existing", "run", "--settle", "20ms", "--every", "off", "--rescan", "off"];

/// Where a life is ended: the n-th of these calls, and the n-th of its recovery.
#[derive(Debug, Clone, Copy)]
struct Step {
    calls: &'static str,
    first: usize,
    second: usize,
}

/// How far a life came.
#[derive(Debug, Default, Clone, Copy)]
struct Lived {
    kills: usize,
    repeated: usize,
}

#[test]
#[ignore = "it takes minutes: STEPS=all cargo test -p fsmon-tests --test steps -- --ignored"]
fn killed_at_any_step_and_again_while_it_recovers_it_makes_everything_good() {
    if programs::installed("strace").is_none() || !can_trace() {
        println!("skipped: strace cannot be used here");
        return;
    }
    let mut steps = Vec::new();
    for calls in CALLS {
        let count = count(calls);
        let numbers: Vec<usize> = match std::env::var("STEPS").ok().as_deref() {
            Some("all") => (1..=count).collect(),
            Some(n) => vec![n.parse().expect("STEPS is 'all' or a number")],
            None => (0..SAMPLE).map(|n| 1 + n * count / SAMPLE).collect(),
        };
        println!("{calls}: {count} in the busiest thread of a life, {} tried", numbers.len());
        // The recovery makes a few dozen calls: any of them, so that all come up.
        steps.extend(numbers.into_iter().map(|n| Step { calls, first: n, second: 1 + (n * 7) % 40 }));
    }
    let (next, sum, failed) = (AtomicUsize::new(0), Mutex::new(Lived::default()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(step) = steps.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match live(*step) {
                        Ok(lived) => {
                            let mut sum = sum.lock().unwrap();
                            (sum.kills, sum.repeated) = (sum.kills + lived.kills, sum.repeated + lived.repeated);
                        }
                        Err(wrong) => failed.lock().unwrap().push(format!("{step:?}: {}", wrong.what)),
                    }
                }
            });
        }
    });
    let (sum, failed) = (sum.into_inner().unwrap(), failed.into_inner().unwrap());
    println!("{} lives, {} kills, {} runs made again, {} wrong", steps.len(), sum.kills, sum.repeated, failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(sum.kills >= steps.len() / 2, "the kills did not happen");
}

fn can_trace() -> bool {
    let tried = Command::new("strace").args(["-D", "-f", "-q", "-b", "execve", "-o", "/dev/null", "true"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

/// The daemon under strace, with these words more. It stays our own child; its commands are let go.
fn traced(words: &[&str]) -> Vec<String> {
    let strace = ["strace", "-D", "-f", "-q", "-b", "execve"];
    strace.iter().chain(words).map(|word| (*word).to_owned()).collect()
}

/// How many of these calls the busiest thread makes in a whole life without a kill.
fn count(calls: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("calls");
    let trace = format!("trace={calls}");
    let wrapper = traced(&["-o", log.to_str().unwrap(), "-e", &trace]);
    let mut life = Life::new(wrapper);
    life.daemon.start_again();
    assert!(life.work(), "without a kill it lives to its end\n{}", life.daemon.diagnosis());
    let mut threads: BTreeMap<String, usize> = BTreeMap::new();
    let ended = || fs::read_to_string(&log).unwrap().contains("exited with");
    assert!(holds_within(LIMIT, ended), "strace tells the end");
    for line in fs::read_to_string(&log).unwrap().lines().filter(|line| line.contains('(')) {
        *threads.entry(line.split_whitespace().next().unwrap().to_owned()).or_default() += 1;
    }
    threads.into_values().max().unwrap()
}

struct Life {
    daemon: Daemon,
    job: Job,
    /// What was answered, so that it has to be there for ever.
    answered: BTreeSet<&'static str>,
    kills: usize,
}

impl Life {
    fn new(wrapper: Vec<String>) -> Self {
        let daemon = Daemon::prepare(DaemonOptions { wrapper, ..Default::default() });
        let job = daemon.job();
        Self { daemon, job, answered: BTreeSet::new(), kills: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.daemon.root().join(name)
    }

    /// A call that is answered, or not since the daemon is dead by now.
    fn call(&mut self, what: &'static str, args: &[&str]) -> bool {
        let ran = self.daemon.ctl(args);
        let done = ran.code == 0;
        // Its connections are closed a moment before it has ended.
        assert!(done || holds_within(LIMIT, || !self.daemon.runs()), "{}: {}", ran.line, ran.complaint());
        if done {
            self.answered.insert(what);
        }
        done
    }

    /// Waits until each of these was processed as it is, unless the daemon dies before.
    fn processed(&mut self, names: &[&str]) -> bool {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
        let mut lives = true;
        let done = holds_within(LIMIT, || {
            let done = paths.iter().all(|path| self.job.is_done(path));
            lives = self.daemon.runs();
            done || !lives
        });
        assert!(done, "{names:?} are not processed\n{}", self.daemon.diagnosis());
        lives
    }

    /// A whole life. False once the daemon has died; then what it has not come to is not done.
    fn work(&mut self) -> bool {
        let (root, command) = (self.daemon.root(), self.job.command());
        let add = [&["add", "--name", "data"], &OPTIONS[..], &[root.to_str().unwrap(), "--", &command]].concat();
        if !self.call("add", &add) {
            return false;
        }
        for n in 0..3 {
            fs::write(self.path(&format!("old{n}")), format!("there before {n}")).unwrap();
        }
        if !self.processed(&["old0", "old1", "old2"]) {
            return false;
        }
        fs::create_dir(self.path("d")).unwrap();
        for name in ["a", "b", "d/c"] {
            fs::write(self.path(name), format!("{name}, the first")).unwrap();
        }
        if !self.processed(&["a", "b", "d/c"]) || !self.call("set", &["set", "data", "--timeout", "7m"]) {
            return false;
        }
        fs::write(self.path("a"), "a, the second").unwrap();
        fs::rename(self.path("b"), self.path("d/b")).unwrap();
        fs::remove_file(self.path("old0")).unwrap();
        if !self.processed(&["a", "d/b"]) || !self.call("stop", &["stop"]) {
            return false;
        }
        self.wait_end();
        true
    }

    /// Starts it under these words; false if it died, which is what they are for.
    fn start(&mut self, wrapper: Vec<String>) -> bool {
        self.daemon.set_wrapper(wrapper);
        match self.daemon.try_start() {
            Ok(()) => true,
            Err(failure) if failure.code == Some(128 + Signal::SIGKILL as i32) => {
                self.kills += 1;
                false
            }
            Err(failure) => panic!("it does not start, code {:?}: {}", failure.code, failure.console),
        }
    }

    /// Ends it if it still lives; it may be killed even while it stops.
    fn end(&mut self) {
        if !self.daemon.is_started() {
            return;
        }
        self.daemon.signal(Signal::SIGTERM);
        self.wait_end();
    }

    /// Waits for its end, and counts it where it is a kill.
    fn wait_end(&mut self) {
        match self.daemon.wait_end(LIMIT).flatten() {
            Some(0) => {}
            Some(code) if code == 128 + Signal::SIGKILL as i32 => self.kills += 1,
            other => panic!("it ends with {other:?}\n{}", self.daemon.console()),
        }
    }
}

fn live(step: Step) -> Result<Lived, Wrong> {
    let inject = |n: usize| {
        let (trace, inject) = (format!("trace={}", step.calls), format!("inject={}:signal=KILL:when={n}", step.calls));
        traced(&["-o", "/dev/null", "-e", &trace, "-e", &inject])
    };
    let mut life = Life::new(Vec::new());
    if life.start(inject(step.first)) {
        life.work();
    }
    life.end();
    // It recovers, and dies again: now, or in the work that is left.
    if life.start(inject(step.second)) {
        let waits = holds_within(LIMIT, || {
            !life.daemon.runs() || life.daemon.ctl(["show", "data"]).code != 0 || {
                let status = life.daemon.ctl(["--json", "show", "data"]).json();
                status.first().is_some_and(|s| s["pending"] == 0 && s["running"] == 0 && s["scan"].is_null())
            }
        });
        assert!(waits, "it does not come to rest\n{}", life.daemon.diagnosis());
    }
    life.end();
    assert!(life.start(Vec::new()), "nobody kills it now");
    check(&mut life)
}

/// Everything that has to hold in the end.
fn check(life: &mut Life) -> Result<Lived, Wrong> {
    let shown = life.daemon.ctl(["--json", "show", "data"]);
    if shown.code != 0 {
        if life.answered.contains("add") {
            return Err(Wrong::new("the watch was answered as added and is gone".into()));
        }
        let job = life.job.command();
        life.daemon.add(&OPTIONS, &[&job]);
    } else if life.answered.contains("set") && shown.json()[0]["rules"]["timeout"] != "7m" {
        return Err(Wrong::new("an option was answered as set and is not".into()));
    }
    life.daemon.wait_watching("data");
    let mut mirror = Mirror::new(&life.daemon.root());
    let mut wrong = None;
    holds_within(LIMIT, || {
        wrong = mirror.compare(&life.daemon, &life.job).err();
        wrong.is_none()
    });
    if let Some(wrong) = wrong {
        return Err(Wrong::new(format!("{}\n{}", wrong.what, life.daemon.diagnosis())));
    }
    let mut ids: BTreeMap<(PathBuf, String), Vec<String>> = BTreeMap::new();
    for run in life.job.runs() {
        ids.entry((run.path, run.sum)).or_default().push(run.id);
    }
    let repeated: usize = ids.values().map(|ids| ids.len() - 1).sum();
    if repeated > life.kills {
        return Err(Wrong::new(format!("{repeated} runs were made again after {} kills: {ids:?}", life.kills)));
    }
    if let Some((of, ids)) = ids.iter().find(|(_, ids)| ids.iter().any(|id| *id != ids[0])) {
        return Err(Wrong::new(format!("one version was given out under two ids: {of:?} {ids:?}")));
    }
    assert!(process::lives(life.daemon.pid()));
    Ok(Lived { kills: life.kills, repeated })
}
