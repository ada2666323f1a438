//! Real commands, looked at from outside, by what Linux tells about processes.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fsmon_core::io::{Change, RunEnded, WatchId};
use fsmon_protocol::event::EventKind;
use fsmon_protocol::run::Trigger;
use fsmon_protocol::spec::{Mode, Options, Rules, Stdin, Umask};
use fsmon_protocol::units::{Size, Span};
use fsmon_protocol::{RawPath, Timestamp};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;

mod ending;
mod handed;
mod hygiene;
mod places;
mod run_as;
mod speed;
mod starting;

/// No test takes longer, however busy the machine is.
const LIMIT: Duration = Duration::from_secs(60);

/// A runner, a root, and the engine's end of the inbox.
struct Bench {
    root: TempDir,
    output: TempDir,
    runner: Runner,
    inbox: mpsc::Receiver<Input>,
    next: RunId,
}

impl Bench {
    fn new() -> Self {
        keep_number();
        let (root, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (sender, inbox) = mpsc::channel(16);
        let output_dir = output.path().join("runs");
        // Its own, since what is left of its runs is found by it, and tests run side by side.
        let daemon_id = root.path().display().to_string();
        let options = RunnerOptions::new(output_dir, daemon_id);
        Self { root, output, runner: Runner::start(sender.clone(), sender, options).unwrap(), inbox, next: 1 }
    }

    fn root(&self) -> RawPath {
        self.root.path().into()
    }

    /// A request for `argv` on the file `rel`, with short times, to be changed before it is given out.
    fn request(&mut self, argv: &[&str], rel: &[u8], options: Options) -> SpawnRequest {
        let command = Some(argv.iter().map(|word| (*word).to_string()).collect());
        let concurrency = options.concurrency.or(Some(8));
        let options = Options { command, concurrency, ..options };
        let run = self.next;
        self.next += 1;
        SpawnRequest {
            run,
            watch: WatchId(7),
            watch_name: "data".into(),
            root: self.root(),
            rel: rel.into(),
            from: None,
            kind: EventKind::Modify,
            trigger: Trigger::FileChange,
            attempt: 2,
            event_id: format!("event-{run}"),
            size: Some(12),
            seq: 184,
            time: Timestamp(1_500_000_000_123_456_789),
            rules: Arc::new(Rules::from_options(&options)),
            manifest: None,
        }
    }

    fn give(&mut self, argv: &[&str], options: Options) -> RunId {
        let request = self.request(argv, b"file", options);
        let run = request.run;
        self.runner.spawn(Box::new(request));
        run
    }

    async fn ended(&mut self) -> RunEnded {
        match tokio::time::timeout(LIMIT, self.inbox.recv()).await.expect("a run ends").expect("the runner is there") {
            Input::RunEnded(ended) => ended,
            other => panic!("{other:?}"),
        }
    }

    async fn run(&mut self, argv: &[&str], options: Options) -> RunEnded {
        let run = self.give(argv, options);
        let ended = self.ended().await;
        assert_eq!(ended.run, run);
        ended
    }

    /// Runs and returns what was printed; it must succeed.
    async fn output_of(&mut self, request: SpawnRequest) -> Vec<u8> {
        let run = request.run;
        self.runner.spawn(Box::new(request));
        let ended = self.ended().await;
        let bytes = self.printed(run);
        assert_eq!(ended.outcome, Outcome::Exited(0), "{}", String::from_utf8_lossy(&bytes));
        assert_eq!((ended.output_bytes, ended.output_dropped), (bytes.len() as u64, 0));
        bytes
    }

    fn output_file(&self, run: RunId) -> PathBuf {
        self.output.path().join("runs").join(run.to_string())
    }

    fn printed(&self, run: RunId) -> Vec<u8> {
        std::fs::read(self.output_file(run)).unwrap_or_default()
    }

    /// Nothing more comes, and every run is forgotten.
    async fn nothing_more(mut self) {
        self.runner.stop(Instant::now() + LIMIT).await;
        assert!(self.runner.shared.running().runs.is_empty());
        assert!(matches!(self.inbox.try_recv(), Err(mpsc::error::TryRecvError::Empty)));
    }
}

/// Waits until this is so.
async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let until = Instant::now() + LIMIT;
    while !so() {
        assert!(Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The number that a command wrote into this file, once it is complete.
async fn pid_in(file: &Path) -> rustix::process::Pid {
    let mut pid = None;
    eventually("a pid is written", || {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        pid = text.strip_suffix('\n').and_then(|text| text.parse().ok()).and_then(rustix::process::Pid::from_raw);
        pid.is_some()
    })
    .await;
    pid.unwrap()
}

fn lives(pid: rustix::process::Pid) -> bool {
    processes::read(pid).is_some()
}

fn millis(timeout: u64, grace: u64) -> Options {
    Options { timeout: Some(Span::millis(timeout)), grace: Some(Span::millis(grace)), ..Options::default() }
}
