//! `fsmonctl tail --json`, followed in the background.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::Value;

/// One line of `tail --json`.
#[derive(Debug, Clone)]
pub struct Line(pub Value);

impl Line {
    /// A field as text; empty if it is not there.
    pub fn field(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// A field as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    /// What it tells of: `create`, `run`, `gap`, …
    pub fn kind(&self) -> &str {
        self.field("kind")
    }

    /// Whether it tells of a file rather than of the daemon.
    pub fn is_event(&self) -> bool {
        matches!(self.kind(), "create" | "modify" | "delete" | "rename" | "attrib")
    }

    /// The exact path: from its bytes where the text is not exact.
    pub fn path(&self) -> PathBuf {
        self.path_field("path")
    }

    /// The exact path before a rename.
    pub fn from(&self) -> PathBuf {
        self.path_field("from")
    }

    fn path_field(&self, name: &str) -> PathBuf {
        match self.0[format!("{name}_bytes")].as_str() {
            Some(base64) => {
                let bytes = base64::engine::general_purpose::STANDARD.decode(base64).expect("base64");
                PathBuf::from(OsString::from_vec(bytes))
            }
            None => PathBuf::from(self.field(name)),
        }
    }

    /// Whether it is an event of this kind for this path.
    pub fn is(&self, kind: &str, path: &Path) -> bool {
        self.kind() == kind && self.path() == path
    }
}

#[derive(Default)]
struct Collected {
    lines: Vec<Line>,
    ended: bool,
}

/// A follower. It ends when it is dropped.
pub struct Tail {
    child: Child,
    reader: Option<JoinHandle<()>>,
    collected: Arc<(Mutex<Collected>, Condvar)>,
}

impl Tail {
    /// Starts `command`, which prints lines of JSON without end.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("fsmonctl can be started");
        let output = child.stdout.take().expect("it is piped");
        let collected = Arc::<(Mutex<Collected>, Condvar)>::default();
        let shared = Arc::clone(&collected);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                let value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("tail is not JSON: {e}: {line}"));
                shared.0.lock().unwrap().lines.push(Line(value));
                shared.1.notify_all();
            }
            shared.0.lock().unwrap().ended = true;
            shared.1.notify_all();
        });
        Self { child, reader: Some(reader), collected }
    }

    /// What it printed so far.
    pub fn lines(&self) -> Vec<Line> {
        self.collected.0.lock().unwrap().lines.clone()
    }

    /// What it printed so far about files.
    pub fn events(&self) -> Vec<Line> {
        self.lines().into_iter().filter(Line::is_event).collect()
    }

    /// Waits until `holds` for what was printed so far, and gives it; panics with the last of it after `limit`, or as
    /// soon as the follower has ended.
    #[track_caller]
    pub fn wait_for(&self, limit: Duration, what: &str, holds: impl Fn(&[Line]) -> bool) -> Vec<Line> {
        let end = Instant::now() + limit;
        let mut collected = self.collected.0.lock().unwrap();
        loop {
            if holds(&collected.lines) {
                return collected.lines.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || collected.ended {
                let last: Vec<String> = collected.lines.iter().rev().take(40).map(|line| line.0.to_string()).collect();
                let (count, ended) = (collected.lines.len(), collected.ended);
                drop(collected);
                panic!("tail never told: {what}; {count} lines, ended: {ended}, the last first:\n{}", last.join("\n"));
            }
            collected = self.collected.1.wait_timeout(collected, left).unwrap().0;
        }
    }

    /// Waits for an event of this kind for this path.
    #[track_caller]
    pub fn wait_event(&self, kind: &str, path: &Path) -> Line {
        let what = format!("{kind} {}", path.display());
        let lines = self.wait_for(crate::LIMIT, &what, |lines| lines.iter().any(|line| line.is(kind, path)));
        lines.into_iter().find(|line| line.is(kind, path)).expect("it was there")
    }

    /// Events come in order: makes a file, waits until it is told, and gives every event before it. So what is
    /// missing then has been missed, and what is twice has been told twice.
    ///
    /// The file is held open meanwhile: that is announced later than what was closed, or could not be closed, before.
    #[track_caller]
    pub fn up_to_now(&self, folder: &Path) -> Vec<Line> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mark = folder.join(format!("{MARK}{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let held = std::fs::File::create(&mark).expect("a file that marks the end");
        let lines = self.wait_for(crate::LIMIT, "the mark", |lines| lines.iter().any(|l| l.is("create", &mark)));
        drop(held);
        lines.into_iter().filter(|line| line.is_event() && !is_mark(&line.path())).collect()
    }
}

/// How the names of the files begin that mark a point in the sequence of events.
const MARK: &str = "zz-mark-";

/// Whether this is a file that only marks a point in the sequence of events.
pub fn is_mark(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(MARK))
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
