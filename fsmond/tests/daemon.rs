//! The daemon as a program: starts, watches, refuses a second one, stops, and goes on where it was.

#![allow(clippy::unwrap_used, reason = "all of this file is a test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SOON: Duration = Duration::from_secs(60);

/// A folder with a private state, a socket and something to watch.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.watched()).unwrap();
        place
    }

    fn watched(&self) -> PathBuf {
        self.0.path().join("in")
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    /// fsmond with nothing of the caller's environment that would lead it elsewhere.
    fn fsmond(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fsmond"));
        for name in
            ["FSMON_SOCKET", "FSMON_STATE_DIR", "FSMON_CONFIG", "STATE_DIRECTORY", "LOGS_DIRECTORY", "LISTEN_PID"]
        {
            command.env_remove(name);
        }
        command.env("XDG_CONFIG_HOME", self.0.path().join("no-config"));
        command.arg("--state-dir").arg(self.state()).args(words).stdin(Stdio::null());
        command
    }

    /// `fsmond --watch in WORDS…`, and its lines.
    fn watch(&self, words: &[&str]) -> (Child, Lines) {
        let watched = self.watched();
        let mut all = vec!["--foreground", "--watch", watched.to_str().unwrap()];
        all.extend(words);
        let mut child = self.fsmond(&all).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        (child, lines)
    }

    /// `fsmond --socket …`, waited for.
    fn start(&self, words: &[&str]) -> Output {
        let socket = self.0.path().join("fsmond.sock");
        self.fsmond(&["--socket", socket.to_str().unwrap()]).args(words).output().unwrap()
    }
}

/// What comes on a stdout, without ever waiting for it for ever.
struct Lines(Receiver<String>);

impl Lines {
    fn of(stdout: ChildStdout) -> Self {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self(lines)
    }

    /// The next line that has all of these in it; those before it are let go, and given where there is none.
    fn until(&self, words: &[&str]) -> String {
        let end = Instant::now() + SOON;
        let mut before = Vec::new();
        while let Ok(line) = self.0.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
            before.push(line);
        }
        panic!("no line with {words:?} came after {before:#?}");
    }
}

fn end(mut child: Child) -> i32 {
    kill(pid_of(&child), Signal::SIGTERM).unwrap();
    child.wait().unwrap().code().unwrap()
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < end, "it did not come true that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn one_line_watches_runs_and_remembers() {
    let place = Place::new();
    let (child, lines) = place.watch(&["--", "cp", "{path}", "../out-{name}"]);
    lines.until(&["watch", "ready"]);
    fs::write(place.watched().join("a"), "one").unwrap();
    lines.until(&["create", "/in/a", "3 bytes"]);
    lines.until(&["run", "ok", "/in/a"]);
    assert_eq!(fs::read_to_string(place.0.path().join("out-a")).unwrap(), "one");
    assert_eq!(end(child), 0);
    lines.until(&["service", "stopped"]);

    // While it was down: a change, a rename, a new file. The one that did not change is left alone.
    fs::write(place.watched().join("b"), "new").unwrap();
    fs::rename(place.watched().join("a"), place.watched().join("c")).unwrap();
    let (mut child, lines) = place.watch(&["--", "cp", "{path}", "../out-{name}"]);
    let renamed = lines.until(&["rename", "/in/a"]);
    assert!(renamed.contains("/in/c"), "{renamed}");
    lines.until(&["create", "/in/b"]);
    lines.until(&["run", "ok"]);
    lines.until(&["run", "ok"]);
    kill(pid_of(&child), Signal::SIGKILL).unwrap();
    child.wait().unwrap();

    // After a kill as well: nothing but what changed.
    fs::remove_file(place.watched().join("b")).unwrap();
    let (child, lines) = place.watch(&["--", "cp", "{path}", "../out-{name}"]);
    lines.until(&["delete", "/in/b"]);
    let gap = lines.until(&["gap", "closed"]);
    assert!(gap.contains("1 found"), "{gap}");
    assert_eq!(end(child), 0);
}

#[test]
fn a_stdout_that_nobody_reads_any_more_ends_it_cleanly() {
    let place = Place::new();
    let watched = place.watched();
    let mut command = place.fsmond(&["--watch", watched.to_str().unwrap()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains("started"), "{line}");
    drop(stdout);
    let mut n = 0;
    until("it has ended", || {
        n += 1;
        fs::write(watched.join(format!("f{n}")), "x").unwrap();
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn in_the_background_it_is_ready_when_the_caller_comes_back_and_alone() {
    let place = Place::new();
    let started = place.start(&[]);
    assert!(started.status.success(), "{started:?}");
    let lock = fs::read_to_string(place.state().join("lock")).unwrap();
    let pid = Pid::from_raw(lock.trim().parse().unwrap());
    let socket = place.0.path().join("fsmond.sock");
    std::os::unix::net::UnixStream::connect(&socket).unwrap();

    let second = place.start(&[]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("is running already") && said.contains(&pid.to_string()), "{said}");

    kill(pid, Signal::SIGTERM).unwrap();
    until("the socket is gone", || !socket.exists());
    until("the process is gone", || is_gone(pid));
}

/// Gone, or only its number is left because nobody has asked how it ended.
fn is_gone(pid: Pid) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    kill(pid, None).is_err() || state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

#[test]
fn a_bad_config_is_told_with_its_line_before_anything_is_made() {
    let place = Place::new();
    let config = place.0.path().join("fsmond.toml");
    fs::write(&config, "[daemon]\nlog-level = \"loud\"\n").unwrap();
    private(&config);
    for words in [&["--foreground"][..], &[], &["--check-config"]] {
        let mut all = vec!["--config", config.to_str().unwrap()];
        all.extend(words);
        let output = place.start(&all);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("fsmond.toml:2: log-level"), "{said}");
    }
    assert!(!place.state().exists());
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
