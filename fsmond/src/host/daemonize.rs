//! Into the background, and back to the caller with a result: `fsmond` returns only when the daemon is ready or has
//! failed, and says which.
//!
//! A wrapper around the `daemonize` crate that uses its `execute` alone. Never its pid file (it follows symlinks), its
//! change of user or group (it keeps the supplementary groups of root), its `privileged_action` (undefined behaviour)
//! or its exit code (a failure may come out as 0): what happened comes through a pipe.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use ::daemonize::{Daemonize, Outcome};
use fsmon_protocol::path::escape;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;

/// How long the caller waits for the daemon.
pub const LONGEST_START: Duration = Duration::from_secs(60);

/// The longest message that comes through the pipe.
const LONGEST_MESSAGE: u64 = 64 << 10;

/// On which side of the fork we are.
#[derive(Debug)]
pub enum Side {
    /// The process that was called: it has said what there is to say and has to end now with this code.
    Parent(u8),
    /// The daemon.
    Child(Readiness),
}

/// Who is told that the daemon is ready, or why it is not. Dropped without a word, the daemon counts as failed.
#[derive(Debug)]
pub struct Readiness(Option<PipeWriter>);

/// Goes on in the background, with `/` as working directory and without console. What is still told to the caller
/// goes through the [`Readiness`] of the child. `log` is where the caller is sent if the daemon dies without a word.
///
/// Refused if the process has more than one thread: the others would not be in the background.
pub fn daemonize(log: &Path) -> io::Result<Side> {
    daemonize_within(log, LONGEST_START)
}

/// Stays in the foreground: the same umask, and failures are said on stderr.
pub fn foreground() -> Readiness {
    restrict_new_files();
    Readiness(None)
}

/// New files are for the daemon's user and, to read, its group.
fn restrict_new_files() {
    rustix::process::umask(Mode::WGRP | Mode::RWXO);
}

/// [`daemonize`], waiting so long.
fn daemonize_within(log: &Path, limit: Duration) -> io::Result<Side> {
    if threads().is_some_and(|n| n != 1) {
        return Err(io::Error::other("a bug: going into the background after threads were started"));
    }
    let (reader, mut writer) = io::pipe()?;
    let began = Instant::now();
    match Daemonize::new().working_directory("/").execute() {
        Outcome::Parent(Ok(_)) => {
            drop(writer);
            Ok(Side::Parent(wait(reader, began + limit, log)))
        }
        Outcome::Parent(Err(e)) => Err(io::Error::other(format!("can't go into the background: {e}"))),
        Outcome::Child(Ok(_)) => {
            drop(reader);
            restrict_new_files();
            // The caller may be gone already; the daemon goes on all the same.
            let _ = writeln!(writer, "PID {}", std::process::id());
            Ok(Side::Child(Readiness(Some(writer))))
        }
        Outcome::Child(Err(e)) => {
            drop(reader);
            Readiness(Some(writer)).failed(&format!("can't go into the background: {e}"), 1);
            // We are a copy that nobody waits for: the caller has the message.
            std::process::exit(1);
        }
    }
}

impl Readiness {
    /// Tells that the daemon does its work. The caller ends with 0.
    pub fn ready(mut self) {
        self.tell("READY\n");
    }

    /// Tells why the daemon ends, and with which code the caller has to.
    pub fn failed(mut self, why: &str, code: u8) {
        if self.0.is_some() {
            self.tell(&format!("FAILED {code} {why}"));
        } else {
            let _ = writeln!(io::stderr(), "fsmond: {why}");
        }
    }

    fn tell(&mut self, what: &str) {
        if let Some(mut pipe) = self.0.take() {
            // A caller that was killed hears nothing, and the daemon goes on.
            let _ = pipe.write_all(what.as_bytes());
        }
    }
}

/// Waits for the daemon's word, says it on stderr where it is a failure, and tells the code to end with.
fn wait(mut reader: PipeReader, end: Instant, log: &Path) -> u8 {
    let mut said = Vec::new();
    let in_time = loop {
        let Some(left) = end.checked_duration_since(Instant::now()) else { break false };
        let Ok(left) = Timespec::try_from(left) else { break false };
        match poll(&mut [PollFd::new(&reader, PollFlags::IN)], Some(&left)) {
            Ok(0) => break false,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => break true,
        }
        let mut chunk = [0; 4096];
        match reader.read(&mut chunk) {
            Ok(n) if n > 0 && (said.len() as u64) < LONGEST_MESSAGE => said.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            _ => break true,
        }
    };
    let (code, message) = judge(&String::from_utf8_lossy(&said), in_time, log);
    if let Some(message) = message {
        let _ = writeln!(io::stderr(), "fsmond: {message}");
    }
    code
}

/// What the daemon said, as a code and a message.
fn judge(said: &str, in_time: bool, log: &Path) -> (u8, Option<String>) {
    let (pid, word) = match said.strip_prefix("PID ").and_then(|rest| rest.split_once('\n')) {
        Some((pid, word)) => (Some(pid), word),
        None => (None, said),
    };
    if word == "READY\n" {
        return (0, None);
    }
    if let Some((code, why)) = word.strip_prefix("FAILED ").and_then(|rest| rest.split_once(' ')) {
        // A failure is never 0, whatever came through.
        return (code.parse().ok().filter(|code| *code != 0).unwrap_or(1), Some(why.trim_end().to_owned()));
    }
    let log = escape(log.as_os_str().as_encoded_bytes());
    let message = match (in_time, pid) {
        (false, Some(pid)) => {
            format!("process {pid} is still starting after {} s and goes on; see {log}", LONGEST_START.as_secs())
        }
        _ => format!("fsmond ended before it was ready; see {log}"),
    };
    (1, Some(message))
}

/// How many threads this process has, where the system tells.
fn threads() -> Option<usize> {
    if cfg!(target_os = "linux") { Some(std::fs::read_dir("/proc/self/task").ok()?.count()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_daemon_said_decides_the_code() {
        let judge = |said: &str, in_time| judge(said, in_time, Path::new("/log"));
        assert_eq!(judge("PID 5\nREADY\n", true), (0, None));
        assert_eq!(judge("READY\n", true), (0, None));
        assert_eq!(judge("PID 5\nFAILED 78 a: b\nc\n", true), (78, Some("a: b\nc".into())));
        assert_eq!(judge("FAILED 0 x", true), (1, Some("x".into())), "a failure is never 0");
        for said in ["", "PID 5\n", "PID 5\nREA", "PID 5", "FAILED"] {
            let (code, message) = judge(said, true);
            assert_eq!((code, message.unwrap().as_str()), (1, "fsmond ended before it was ready; see /log"), "{said}");
        }
        let (code, message) = judge("PID 5\n", false);
        assert!(code == 1 && message.unwrap().contains("process 5 is still starting after 60 s and goes on; see /log"));
    }

    #[test]
    fn a_process_with_threads_is_refused() {
        // A test runs in a thread of its own.
        if cfg!(target_os = "linux") {
            daemonize(Path::new("/log")).map(|_| ()).unwrap_err();
        }
    }
}
