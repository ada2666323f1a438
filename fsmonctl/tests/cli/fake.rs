//! A daemon that only answers: the real service behind the real transport, with scripted replies.
//!
//! Each answer is a field that a test sets; each question is noted, so that a test can see what arrived.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use fsmon_protocol::doctor::Finding;
use fsmon_protocol::event::{Event, EventKind, Origin, Record, What};
use fsmon_protocol::explain::Explained;
use fsmon_protocol::file::{FileInfo, FilesCursor, FilesReply, FilesRequest};
use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::rpc::{Fsmon, server};
use fsmon_protocol::rpc_types::*;
use fsmon_protocol::run::{Outcome, RunInfo, RunStatus, Trigger};
use fsmon_protocol::spec::{Backend, Options, Rules, WatchSpec};
use fsmon_protocol::status::*;
use fsmon_protocol::verify::{VerifyReply, VerifyRequest};
use fsmon_protocol::{ApiError, RawPath, Span, SpanOrOff, Timestamp};
use futures::StreamExt;
use tarpc::context::Context;
use tarpc::server::Channel;

/// The longest that anything here is waited for.
pub const LIMIT: Duration = Duration::from_secs(20);

/// What the fake answers, and what it was asked.
#[derive(Default)]
pub struct State {
    pub asked: Vec<String>,
    pub added: Vec<WatchSpec>,
    pub set: Vec<Options>,
    pub watches: Vec<WatchStatus>,
    /// Answers of `show`, one after the other; then the first watch of that name.
    pub shows: VecDeque<WatchStatus>,
    /// Answers of `run_now` and then `sweep`, one after the other.
    pub sweeps: VecDeque<SweepStatus>,
    pub records: Vec<Record>,
    /// Records that retention took before the first.
    pub missed: u64,
    pub runs: Vec<RunInfo>,
    pub files: Vec<FileInfo>,
    pub explained: Vec<Explained>,
    /// Slices of `verify`, each asked for by its number.
    pub verified: Vec<VerifyReply>,
    pub output: Vec<u8>,
    pub dry_run: Option<DryRun>,
    pub store_error: Option<String>,
    /// Every method answers this.
    pub refusal: Option<ApiError>,
    pub stopping: bool,
}

/// The server of one connection.
#[derive(Clone)]
struct Fake(Arc<Mutex<State>>);

impl Fake {
    fn ask(&self, question: &str) -> Result<MutexGuard<'_, State>, ApiError> {
        let mut state = self.0.lock().unwrap();
        state.asked.push(question.to_owned());
        state.refusal.clone().map_or(Ok(state), Err)
    }

    fn named(&self, question: &str, names: &[String]) -> Reply<Vec<WatchStatus>> {
        let state = self.ask(&format!("{question} {}", names.join(" ")))?;
        names.iter().map(|name| find(&state, name)).collect()
    }
}

fn find(state: &State, name: &str) -> Reply<WatchStatus> {
    let found = state.watches.iter().find(|watch| watch.name == name || watch.path == name);
    found.cloned().ok_or_else(|| ApiError::not_found(format!("no watch '{name}'")).hint("see: fsmonctl list"))
}

impl Fsmon for Fake {
    async fn status(self, _: Context) -> Reply<DaemonStatus> {
        let state = self.ask("status")?;
        Ok(DaemonStatus {
            version: "0.1.0".into(),
            pid: 4242,
            uid: 0,
            started: Timestamp(0),
            uptime: Span::secs(7080),
            socket: "/s".into(),
            state_dir: "/state".into(),
            config: None,
            log_file: None,
            log_level: "info".into(),
            watches: state.watches.clone(),
            last_seq: state.records.last().map_or(0, |record| record.seq),
            store_error: state.store_error.clone(),
            counters: Counters::default(),
        })
    }

    async fn add(self, _: Context, spec: WatchSpec) -> Reply<WatchStatus> {
        let mut state = self.ask("add")?;
        state.added.push(spec.clone());
        let mut status = match state.shows.pop_front() {
            Some(status) => status,
            None => watch("added", &spec.path),
        };
        status.rules = Rules::from_options(&spec.options);
        state.watches.push(status.clone());
        Ok(status)
    }

    async fn remove(self, _: Context, watches: Vec<String>, kill: bool) -> Reply<Vec<Removed>> {
        let found = self.named(if kill { "remove --kill" } else { "remove" }, &watches)?;
        let removed = |w: WatchStatus| Removed { name: w.name, path: w.path, dropped: w.pending, running: w.running };
        Ok(found.into_iter().map(removed).collect())
    }

    async fn list(self, _: Context) -> Reply<Vec<WatchStatus>> {
        Ok(self.ask("list")?.watches.clone())
    }

    async fn show(self, _: Context, watch: String) -> Reply<WatchStatus> {
        let mut state = self.ask(&format!("show {watch}"))?;
        state.shows.pop_front().map_or_else(|| find(&state, &watch), Ok)
    }

    async fn set(self, _: Context, watch: String, options: Options, unset: Vec<String>) -> Reply<WatchStatus> {
        let mut state = self.ask(format!("set {watch} {}", unset.join(" ")).trim_end())?;
        state.set.push(options);
        find(&state, &watch)
    }

    async fn set_interval(self, _: Context, watch: String, every: SpanOrOff) -> Reply<WatchStatus> {
        let state = self.ask(&format!("set_interval {watch} {every}"))?;
        let mut status = find(&state, &watch)?;
        status.rules.every = every;
        // As the daemon does: without a schedule there is no next occurrence.
        status.next_due = status.next_due.filter(|_| every != SpanOrOff::Off);
        Ok(status)
    }

    async fn pause(self, _: Context, watches: Vec<String>) -> Reply<Vec<WatchStatus>> {
        self.named("pause", &watches)
    }

    async fn resume(self, _: Context, watches: Vec<String>) -> Reply<Vec<WatchStatus>> {
        self.named("resume", &watches)
    }

    async fn run_now(self, _: Context, watches: Vec<String>, all_files: bool) -> Reply<SweepStatus> {
        let mut state = self.ask(&format!("run_now {} {all_files}", watches.join(" ")))?;
        state.sweeps.pop_front().ok_or_else(|| ApiError::bug("no sweep scripted"))
    }

    async fn replay(self, _: Context, request: ReplayRequest) -> Reply<SweepStatus> {
        let mut state = self.ask(&format!("replay {} {:?} {}", request.watch, request.again, request.pause))?;
        state.sweeps.pop_front().ok_or_else(|| ApiError::bug("no sweep scripted"))
    }

    async fn sweep(self, _: Context, id: u64, seen: SweepStage, _wait_ms: u32) -> Reply<SweepStatus> {
        let mut state = self.ask(&format!("sweep {id} {seen:?}"))?;
        state.sweeps.pop_front().ok_or_else(|| ApiError::bug("no sweep scripted"))
    }

    async fn tail(self, _: Context, request: TailRequest) -> Reply<TailReply> {
        drop(self.ask(&format!("tail {:?} {:?} {:?}", request.cursor, request.watches, request.kinds))?);
        let until = Instant::now() + Duration::from_millis(request.wait_ms.into());
        loop {
            let reply = page(&mut self.0.lock().unwrap(), &request);
            if !reply.records.is_empty() || Instant::now() >= until {
                return Ok(reply);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn runs(self, _: Context, request: RunsRequest) -> Reply<Vec<RunInfo>> {
        let state = self.ask(&format!("runs {:?} {} {}", request.watch, request.failed, request.max))?;
        Ok(state.runs.clone())
    }

    async fn logs(self, _: Context, run: u64, offset: u64, _wait_ms: u32) -> Reply<LogChunk> {
        let state = self.ask(&format!("logs {run} {offset}"))?;
        let info = state.runs.iter().find(|info| info.run == run).cloned();
        let info = info.ok_or_else(|| ApiError::not_found(format!("no run {run}")))?;
        // Three bytes at a time, so that every border is met.
        let rest = &state.output[usize::try_from(offset).unwrap()..];
        let bytes = rest[..rest.len().min(3)].to_vec();
        let next = offset + bytes.len() as u64;
        Ok(LogChunk { info, next, finished: next == state.output.len() as u64, bytes })
    }

    async fn reload(self, _: Context) -> Reply<Reloaded> {
        drop(self.ask("reload")?);
        Ok(Reloaded {
            added: vec!["new".into()],
            changed: vec![],
            detached: vec![],
            at_restart: vec![],
            attached: vec![],
        })
    }

    async fn stop(self, _: Context) -> Reply<()> {
        self.ask("stop")?.stopping = true;
        Ok(())
    }

    async fn log_level(self, _: Context, level: String) -> Reply<()> {
        self.ask(&format!("log_level {level}")).map(drop)
    }

    async fn doctor(self, _: Context) -> Reply<Vec<Finding>> {
        let state = self.ask("doctor")?;
        let cure = "sysctl -w fs.inotify.max_user_watches=16384";
        let bad = Finding::bad("watches", "8000 used of 8192", cure).of("\u{1b}[31mdata");
        let bad = state.store_error.as_ref().map(|_| bad);
        Ok(bad.into_iter().chain([Finding::well("clock", "it is right")]).collect())
    }

    async fn files(self, _: Context, request: FilesRequest) -> Reply<FilesReply> {
        let from = request.from.map_or(0, |cursor| cursor.place as usize);
        let states: Vec<_> = request.states.iter().map(|state| state.as_str()).collect();
        let state = self.ask(&format!("files {:?} {} {from}", request.watches, states.join(",")))?;
        // Two at a time, so that there are pages.
        let files: Vec<_> = state.files.iter().skip(from).take(2.min(request.max as usize)).cloned().collect();
        let next = from + files.len();
        let more = next < state.files.len();
        Ok(FilesReply { files, next: more.then(|| FilesCursor { watch: 1, place: u32::try_from(next).unwrap() }) })
    }

    async fn retry(self, _: Context, watch: String, paths: Vec<RawPath>) -> Reply<u64> {
        drop(self.ask(&format!("retry {watch} {paths:?}"))?);
        Ok(paths.len() as u64)
    }

    async fn gaps(self, _: Context, request: GapsRequest) -> Reply<Vec<GapInfo>> {
        let state = self.ask(&format!("gaps {:?} {}", request.watch, request.max))?;
        Ok(state.watches.iter().flat_map(|watch| watch.gaps.clone()).collect())
    }

    async fn accept(self, _: Context, watch: String) -> Reply<u64> {
        Ok(find(&*self.ask(&format!("accept {watch}"))?, &watch)?.pending)
    }

    async fn give_up(self, _: Context, watch: String, paths: Vec<RawPath>) -> Reply<u64> {
        drop(self.ask(&format!("give_up {watch} {paths:?}"))?);
        Ok(paths.len() as u64)
    }

    async fn verify(self, _: Context, request: VerifyRequest) -> Reply<VerifyReply> {
        let state = self.ask(&format!("verify {:?} {:?} {}", request.watches, request.from, request.max))?;
        let at = request.from.map_or(0, |from| from.place as usize);
        Ok(state.verified.get(at).cloned().unwrap_or_default())
    }

    async fn dry_add(self, _: Context, spec: WatchSpec) -> Reply<DryRun> {
        self.ask(&format!("dry_add {}", spec.path)).map(|state| state.dry_run.clone())?.ok_or(no_dry_run())
    }

    async fn dry_set(self, _: Context, watch: String, _: Options, unset: Vec<String>) -> Reply<DryRun> {
        let question = format!("dry_set {watch} {}", unset.join(" "));
        self.ask(question.trim_end()).map(|state| state.dry_run.clone())?.ok_or(no_dry_run())
    }

    async fn explain(self, _: Context, path: RawPath) -> Reply<Vec<Explained>> {
        Ok(self.ask(&format!("explain {path}"))?.explained.clone())
    }
}

fn no_dry_run() -> ApiError {
    ApiError::refused("the test has no answer for a dry run")
}

/// The records that a request asks for; without kinds and watches, which no test here needs of the fake.
fn page(state: &mut State, request: &TailRequest) -> TailReply {
    let last = state.records.last().map_or(0, |record| record.seq);
    let all = state.records.len();
    let after = match request.cursor {
        Cursor::Now => last,
        Cursor::Last(n) => all.checked_sub(n as usize + 1).map_or(0, |i| state.records[i].seq),
        Cursor::After(seq) => seq,
        Cursor::Since(_) => 0,
    };
    let matching: Vec<_> = state.records.iter().filter(|record| record.seq > after).cloned().collect();
    // Two at a time, so that there are pages.
    let records: Vec<_> = matching.iter().take(2).cloned().collect();
    let next = records.last().map_or(after.max(last.min(after)), |record| record.seq);
    TailReply { more: matching.len() > records.len(), records, next, missed: std::mem::take(&mut state.missed) }
}

/// The fake, listening.
pub struct Daemon {
    pub folder: tempfile::TempDir,
    state: Arc<Mutex<State>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Daemon {
    pub fn start() -> Self {
        Self::with(State::default())
    }

    pub fn with(state: State) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut daemon = Self { folder, state: Arc::new(Mutex::new(state)), runtime: None };
        daemon.listen();
        daemon
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Starts to listen; answers with what the state says.
    pub fn listen(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(async { tokio::net::UnixListener::bind(self.socket()) }).unwrap();
        let state = self.state.clone();
        let socket = self.socket();
        runtime.spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                // A daemon that stops takes no one any more, and then takes its socket away.
                if state.lock().unwrap().stopping {
                    let _ = std::fs::remove_file(&socket);
                    return;
                }
                let fake = Fake(state.clone());
                tokio::spawn(async move {
                    let Ok(transport) = server::transport(stream).await else { return };
                    let requests = server::channel(transport).execute(fake.serve());
                    requests.for_each_concurrent(None, |request| request).await;
                });
            }
        });
        self.runtime = Some(runtime);
    }

    /// Ends as a killed daemon does: connections break, nobody listens.
    pub fn vanish(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(LIMIT);
        }
        std::fs::remove_file(self.socket()).unwrap();
    }

    /// fsmonctl that talks to this fake.
    pub fn ctl(&self, words: &[&str]) -> Command {
        let mut command = ctl(&self.socket());
        command.args(words).current_dir(self.folder.path());
        command
    }

    /// What fsmonctl says to these words.
    pub fn run(&self, words: &[&str]) -> Said {
        Said::from(self.ctl(words).output().unwrap())
    }
}

/// fsmonctl with a clean environment and this socket.
pub fn ctl(socket: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fsmonctl"));
    command.env_clear().env("FSMON_SOCKET", socket).stdin(Stdio::null());
    command
}

/// What fsmonctl said, and its exit code.
#[derive(Debug)]
pub struct Said {
    pub out: String,
    pub err: String,
    pub code: i32,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap(),
        }
    }
}

/// Waits until `level` is reached.
pub fn until(what: &str, mut level: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !level() {
        assert!(Instant::now() < end, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A watch that is well.
pub fn watch(name: &str, path: &str) -> WatchStatus {
    WatchStatus {
        name: name.into(),
        path: path.into(),
        state: WatchState::Watching,
        details: vec![],
        defined_by: DefinedBy::Runtime,
        backend: Backend::Inotify,
        files: 4312,
        folders: 120,
        armed: 120,
        pending: 0,
        running: 0,
        failed: 0,
        transient: 0,
        open_gaps: 0,
        scan: None,
        last_reconcile: Some(Timestamp::now()),
        last_due: None,
        next_due: Some(Timestamp::now().plus(Duration::from_secs(7110))),
        added: Timestamp::now(),
        rules: Rules::from_options(&Options { command: Some(vec!["echo".into(), "a b".into()]), ..Options::default() }),
        gaps: vec![],
        next_dates: vec![],
        warnings: vec![],
        workers: None,
        broken: None,
        unchanged: 0,
    }
}

/// A created file.
pub fn record(seq: u64, path: &[u8]) -> Record {
    let what = What::Event(Event {
        kind: EventKind::Create,
        path: RawPath::from(path),
        from: None,
        file_type: FileType::File,
        size: Some(12),
        origin: Origin::Live,
        why: None,
    });
    Record { seq, time: Timestamp(1_800_000_000_000_000_000), watch: Some("data".into()), what }
}

/// A run that failed.
pub fn run_info(run: u64, path: &[u8]) -> RunInfo {
    RunInfo {
        run,
        watch: "data".into(),
        path: Some(RawPath::from(path)),
        trigger: Trigger::FileChange,
        attempt: 2,
        status: RunStatus::Failed,
        outcome: Some(Outcome::Exited(3)),
        started: Timestamp::now(),
        ms: Some(20),
        output_bytes: 5,
        output_dropped: 0,
        event_id: "e1".into(),
        files: None,
    }
}

/// A sweep at a stage.
pub fn sweep(stage: SweepStage, ok: u64, failed: u64) -> SweepStatus {
    SweepStatus {
        id: 9,
        stage,
        watches: vec!["data".into()],
        looked: 4312,
        pending: 3,
        ok,
        failed,
        vanished: 0,
        set_aside: 0,
        not_run: 0,
        not_ready: 0,
    }
}

/// A socket at which nobody listens.
pub fn nobody() -> io::Result<(tempfile::TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("s");
    Ok((folder, socket))
}
