//! One call of a program, and what it said.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::process;
use crate::wait::holds_within;

/// The longest that any call of a program may take.
const LONGEST: Duration = Duration::from_secs(180);

/// What a program said and how it ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The command line, for messages.
    pub line: String,
    /// Exit code; 128 and the signal's number if a signal ended it.
    pub code: i32,
    /// What it printed.
    pub out: Vec<u8>,
    /// What it complained.
    pub err: Vec<u8>,
}

impl Ran {
    /// Runs a command to its end. Output goes through files, so that a long one can't block it.
    pub fn command(command: &mut Command) -> Self {
        let line = format!("{command:?}");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (out, err) = (folder.path().join("out"), folder.path().join("err"));
        command.stdin(Stdio::null());
        command.stdout(File::create(&out).expect("a file")).stderr(File::create(&err).expect("a file"));
        let mut started = command.spawn();
        // A copy of a program that was just made: what another test is starting still holds it open for a moment.
        let is_busy = |started: &io::Result<Child>| {
            started.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ExecutableFileBusy)
        };
        holds_within(LONGEST, || {
            if is_busy(&started) {
                started = command.spawn();
            }
            !is_busy(&started)
        });
        let mut child = started.unwrap_or_else(|error| panic!("{line} can't be started: {error}"));
        let status = process::wait_for(&mut child, LONGEST);
        let read = |path| std::fs::read(path).expect("its output");
        let Some(status) = status else {
            process::signal(child.id(), nix::sys::signal::Signal::SIGKILL);
            let _ = child.wait();
            panic!("{line} did not end: {}", String::from_utf8_lossy(&[read(&out), read(&err)].concat()));
        };
        Self { line, code: exit_code(status), out: read(&out), err: read(&err) }
    }

    /// What it printed, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// What it complained, as text.
    pub fn complaint(&self) -> String {
        String::from_utf8_lossy(&self.err).into_owned()
    }

    /// What it printed, one JSON value for each line.
    pub fn json(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.out).expect("JSON is UTF-8");
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{}: {e} in {line}", self.line)))
            .collect()
    }

    /// Panics unless it ended with 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.with_code(0)
    }

    /// Panics unless it ended with this code.
    #[track_caller]
    pub fn with_code(self, code: i32) -> Self {
        let (out, err) = (self.text(), self.complaint());
        assert_eq!(self.code, code, "{}\nstdout: {out}\nstderr: {err}", self.line);
        self
    }

    /// Panics unless it ended with `code` and a short error that names `word`: at most two lines, no panic, nothing
    /// printed as if it had worked.
    #[track_caller]
    pub fn refused(self, code: i32, word: &str) -> Self {
        let ran = self.with_code(code);
        let err = ran.complaint();
        assert!(err.to_lowercase().contains(&word.to_lowercase()), "{}: no '{word}' in: {err}", ran.line);
        assert!(!err.contains("panicked"), "{}: {err}", ran.line);
        assert!(ran.out.is_empty(), "{}: a refusal that prints: {}", ran.line, ran.text());
        ran
    }
}

/// The exit code as a shell tells it.
pub fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// Runs a shell script in a folder and panics unless it ends with 0.
pub fn shell(folder: impl AsRef<std::path::Path>, script: impl AsRef<OsStr>) -> Ran {
    Ran::command(Command::new("/bin/sh").arg("-euc").arg(script).current_dir(folder)).ok()
}
