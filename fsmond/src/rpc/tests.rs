//! The server over a real Unix socket, a real engine with a scripted core, and a fake store.

mod attacks;
mod methods;
mod roles;
mod tail;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fsmon_core::io::{
    Answer, Command, Covering, FolderProblem, JournalRow, Kept, Name, RunId, Sighting, Stat, StoreOp, WatchId,
};
use fsmon_core::preview::{Preview, Trial};
use fsmon_core::{Effect, Input, Now};
use fsmon_protocol::doctor::Finding;
use fsmon_protocol::event::GapReason;
use fsmon_protocol::explain::{Explained, OnDisk, Rule, Ruling};
use fsmon_protocol::fingerprint::Fingerprint;
use fsmon_protocol::rpc::FsmonClient;
use fsmon_protocol::rpc_types::{DryRun, Reloaded, Reply, SweepStage, SweepStatus};
use fsmon_protocol::run::{RunInfo, RunStatus, Trigger};
use fsmon_protocol::spec::{Backend, Options, Rules};
use fsmon_protocol::status::{Counters, DefinedBy, GapInfo, WatchState, WatchStatus};
use fsmon_protocol::units::Span;
use fsmon_protocol::{ApiError, RawPath, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Access, Bound, Control, DaemonFacts, Grants, Limits, Roles, Server, bind, serve};
use crate::edges::{FileFacts, Folders, GapsQuery, History, JournalPage, JournalQuery, RunOutput, RunsQuery, Survey};
use crate::engine::testing::{Bench, bench_after};

/// A store that has committed what tests say.
#[derive(Default)]
struct FakeHistory {
    committed: Mutex<Vec<JournalRow>>,
    output: Mutex<(Vec<u8>, bool)>,
    queries: Mutex<Vec<JournalQuery>>,
}

impl FakeHistory {
    fn page(&self, query: &JournalQuery) -> JournalPage {
        let rows = self.committed.lock().unwrap();
        let max = usize::try_from(query.max).unwrap();
        let matches = |row: &&JournalRow| {
            row.record.seq > query.after
                && query.since.is_none_or(|since| row.record.time >= since)
                && (query.watches.is_empty() || row.watch.is_some_and(|watch| query.watches.contains(&watch)))
                && (query.kinds.is_empty()
                    || query.kinds.iter().any(|kind| kind == crate::engine::kind_of(&row.record.what)))
        };
        let mut records: Vec<_> = rows.iter().filter(matches).map(|row| row.record.as_ref().clone()).collect();
        if let Some(last) = query.last {
            let skip = records.len().saturating_sub(usize::try_from(last).unwrap());
            records.drain(..skip);
        }
        let cut = records.len() > max;
        records.truncate(max);
        let end = rows.last().map_or(0, |row| row.record.seq);
        let next = if cut { records.last().unwrap().seq } else { end.max(query.after) };
        JournalPage { records, next, oldest: rows.first().map_or(0, |row| row.record.seq) }
    }
}

impl History for FakeHistory {
    fn journal(&self, query: JournalQuery) -> BoxFuture<'_, Result<JournalPage, ApiError>> {
        let page = self.page(&query);
        self.queries.lock().unwrap().push(query);
        async move { Ok(page) }.boxed()
    }
    fn runs(&self, query: RunsQuery) -> BoxFuture<'_, Result<Vec<RunInfo>, ApiError>> {
        let all = (0..query.max.min(3)).map(|n| run_info(n.into())).collect();
        async move { if query.watch == Some(WatchId(9)) { Ok(vec![]) } else { Ok(all) } }.boxed()
    }
    fn output(&self, run: RunId, offset: u64, max: usize) -> BoxFuture<'_, Result<RunOutput, ApiError>> {
        let (bytes, ended) = self.output.lock().unwrap().clone();
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = bytes.into_iter().skip(skip).take(max).collect();
        async move { Ok(RunOutput { info: run_info(run), bytes, ended }) }.boxed()
    }
    fn gaps(&self, query: GapsQuery) -> BoxFuture<'_, Result<Vec<GapInfo>, ApiError>> {
        let all = (0..query.max.min(3)).map(|n| gap_info(n.into())).collect();
        async move { if query.watch == Some(WatchId(9)) { Ok(vec![]) } else { Ok(all) } }.boxed()
    }
    fn files(&self, files: Vec<(WatchId, u32, RawPath)>) -> BoxFuture<'_, Result<Vec<FileFacts>, ApiError>> {
        let facts = |(_, place, _): (WatchId, u32, RawPath)| FileFacts {
            seen: Some(Fingerprint { inode: 1, size: place.into(), mtime: 0, ctime: 0 }),
            last: Some(run_info(place.into())),
            processed: None,
        };
        async move { Ok(files.into_iter().map(facts).collect()) }.boxed()
    }
    fn kept(&self, _: String, _: RawPath) -> BoxFuture<'_, Result<Option<Box<Kept>>, ApiError>> {
        async { Ok(None) }.boxed()
    }
}

fn gap_info(id: u64) -> GapInfo {
    GapInfo {
        id,
        watch: Arc::from("w1"),
        reason: GapReason::Overflow,
        scope: "/r".into(),
        since: Timestamp(0),
        closed: None,
        found: None,
    }
}

fn run_info(run: RunId) -> RunInfo {
    RunInfo {
        run,
        watch: Arc::from("w1"),
        path: None,
        trigger: Trigger::Manual,
        attempt: 1,
        status: RunStatus::Started,
        outcome: None,
        started: Timestamp(0),
        ms: None,
        output_bytes: 0,
        output_dropped: 0,
        event_id: String::new(),
        files: None,
    }
}

/// A disk on which nothing can be read.
struct NoFolders;

impl Folders for NoFolders {
    fn read(&self, _: RawPath, _: RawPath) -> BoxFuture<'_, Result<Vec<(Name, Stat)>, FolderProblem>> {
        async { Err(FolderProblem::NotPermitted) }.boxed()
    }
    fn trace(&self, _: RawPath, _: RawPath, _: bool) -> BoxFuture<'_, Sighting> {
        async { Sighting { names: vec![], end: Err(FolderProblem::NotPermitted) } }.boxed()
    }
}

/// An edge that finds nothing.
struct FakeSurvey;

impl Survey for FakeSurvey {
    fn survey(&self, trial: Trial) -> BoxFuture<'_, Result<DryRun, ApiError>> {
        async { Preview::new(trial).map(Preview::finish) }.boxed()
    }
}

/// The app, which stops when it is told to.
struct FakeControl(CancellationToken);

impl Control for FakeControl {
    fn reload(&self) -> BoxFuture<'_, Reply<Reloaded>> {
        async { Err(ApiError::refused("line 3 of the config is bad")) }.boxed()
    }
    fn stop(&self) -> BoxFuture<'_, Reply<()>> {
        self.0.cancel();
        async { Ok(()) }.boxed()
    }
    fn later_stamp(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
    fn check_command(&self, root: &Path, _given: &Options) -> Reply<()> {
        if root.ends_with("theirs") { Err(ApiError::refused("others can write there")) } else { Ok(()) }
    }
    fn doubts(&self, _root: &Path, rules: &Rules) -> Vec<String> {
        rules.env.iter().map(|pair| format!("{} is odd", pair.len())).take(1).collect()
    }
    fn examine(&self, watches: &[WatchStatus], _failed: &[RunOutput], _counters: &Counters) -> Vec<Finding> {
        watches.iter().map(|watch| Finding::well("state", "as it should be").of(&watch.name)).collect()
    }
    fn log_level(&self, level: &str) -> Reply<()> {
        match level {
            "debug" => Ok(()),
            "panic" => panic!("as the test wants"),
            _ => Err(ApiError::usage("no such level")),
        }
    }
    fn facts(&self) -> DaemonFacts {
        DaemonFacts {
            started: Timestamp(1),
            uptime: Span::secs(5),
            socket: PathBuf::from("/s"),
            state_dir: PathBuf::from("/d"),
            config: None,
            log_file: None,
            log_level: "info".into(),
            log_lines_dropped: 7,
        }
    }
}

fn watch_status(name: &str) -> WatchStatus {
    let mut rules = Rules::from_options(&Options::default());
    rules.env = vec!["TOKEN=secret".into(), "EMPTY=".into()];
    WatchStatus {
        name: name.into(),
        path: "/r".into(),
        state: WatchState::Watching,
        details: vec![],
        defined_by: DefinedBy::Runtime,
        backend: Backend::Inotify,
        files: 0,
        folders: 1,
        armed: 1,
        pending: 0,
        running: 0,
        failed: 0,
        transient: 0,
        open_gaps: 0,
        scan: None,
        last_reconcile: None,
        last_due: None,
        next_due: None,
        added: Timestamp(0),
        rules,
        gaps: vec![],
        next_dates: vec![],
        warnings: vec![],
        workers: None,
        broken: None,
        unchanged: 0,
    }
}

/// What the scripted core answers. A `Pause` of the watch `silent` is never answered.
fn answer(command: &Command) -> Option<Result<Answer, ApiError>> {
    Some(match command {
        Command::Pause(names) if names[0] == "silent" => return None,
        Command::Add { spec, .. } => Ok(Answer::Watches(vec![watch_status(&spec.path)])),
        Command::Show(names) if names.is_empty() => Ok(Answer::Watches(vec![watch_status("w1"), watch_status("w2")])),
        Command::Show(names) => Err(ApiError::not_found(format!("no watch {}", names[0]))),
        Command::Resolve(names) => {
            let id = |name: &String| WatchId(name.trim_start_matches('w').parse().unwrap());
            Ok(Answer::Resolved(names.iter().map(|name| (id(name), Arc::from(name.as_str()))).collect()))
        }
        Command::Counters => Ok(Answer::Counters(Counters { hints: 3, ..Counters::default() })),
        Command::Sweep(id) => Ok(Answer::Sweep(sweep(*id, SweepStage::Running))),
        Command::RunNow { watches, .. } => {
            let mut status = sweep(5, SweepStage::Reconciling);
            status.watches.clone_from(watches);
            Ok(Answer::Sweep(status))
        }
        Command::Set { watch, .. } | Command::SetInterval(watch, _) => Ok(Answer::Watches(vec![watch_status(watch)])),
        Command::DrySet { watch, .. } => {
            let rules = Arc::new(Rules::from_options(&Options::default()));
            let (path, root) = ("/r".into(), "/r".into());
            let trial = Trial { name: watch.clone(), path, root, only: None, before: Some(Arc::clone(&rules)), rules };
            Ok(Answer::Trial(Box::new(trial)))
        }
        Command::Remove { .. } => Ok(Answer::Removed(vec![])),
        Command::Covering(path) => {
            let one = |id| Covering {
                watch: WatchId(id),
                root: "/r".into(),
                rel: path.as_bytes().strip_prefix(b"/r/").unwrap_or_default().into(),
                stuck: id == 2,
                check: false,
            };
            Ok(Answer::Covering(vec![one(1), one(2)]))
        }
        Command::Explain(seen) => {
            let place = |id| (id == WatchId(1)).then_some(7);
            let told = seen.iter().map(|(one, _)| (one.watch, place(one.watch), explained(&one.rel)));
            Ok(Answer::Explained(told.collect()))
        }
        Command::Pause(names) | Command::Resume(names) => {
            Ok(Answer::Watches(names.iter().map(|name| watch_status(name)).collect()))
        }
        _ => Ok(Answer::Done),
    })
}

fn explained(rel: &RawPath) -> Explained {
    let path = RawPath::from("/r").join(rel.as_bytes());
    Explained {
        watch: Arc::from("w1"),
        root: "/r".into(),
        path: path.clone(),
        ruling: Ruling { rule: Rule::All, pattern: None, at: path, line: None },
        disk: OnDisk::Missing,
        known: None,
        hidden: false,
        moving: false,
        unsettled: false,
        file: None,
        waits: vec![],
        run: None,
        again: false,
        runs_not: None,
        kinds: vec![],
        retries: 0,
        by_many: false,
        defined_by: DefinedBy::Runtime,
        added: Timestamp(0),
        last: None,
        processed: None,
        state: WatchState::Watching,
        details: vec![],
        gaps: vec![],
        next_due: None,
    }
}

fn sweep(id: u64, stage: SweepStage) -> SweepStatus {
    SweepStatus {
        id,
        stage,
        watches: vec![],
        looked: 0,
        pending: 0,
        ok: 0,
        failed: 0,
        vanished: 0,
        set_aside: 0,
        not_run: 0,
        not_ready: 0,
    }
}

/// A server at work.
struct Stand {
    folder: tempfile::TempDir,
    bench: Bench,
    history: Arc<FakeHistory>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    _bound: Bound<()>,
    /// Records that the core stores at the next hints.
    stored: Arc<Mutex<Vec<JournalRow>>>,
    /// Commands that came to the core.
    commands: Arc<Mutex<Vec<Command>>>,
}

impl Stand {
    fn new(limits: Limits) -> Self {
        Self::with(limits, 0, 0o600)
    }

    fn with(limits: Limits, last_seq: u64, mode: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stored = Arc::new(Mutex::new(Vec::new()));
        let commands = Arc::new(Mutex::new(Vec::new()));
        let script = {
            let (stored, commands) = (stored.clone(), commands.clone());
            move |_: Now, input: Input, effects: &mut Vec<Effect>| match input {
                Input::Command(token, command) => {
                    commands.lock().unwrap().push((*command).clone());
                    if let Some(answer) = answer(&command) {
                        effects.push(Effect::Answer(token, answer));
                    }
                }
                Input::Hints(_) => {
                    let rows = std::mem::take(&mut *stored.lock().unwrap());
                    effects.extend(rows.into_iter().map(|row| Effect::Store(StoreOp::Record(row), None)));
                }
                _ => {}
            }
        };
        let bench = bench_after(last_seq, script);
        let history = Arc::new(FakeHistory::default());
        let stop = CancellationToken::new();
        let server = Server {
            engine: bench.handle.clone(),
            history: history.clone(),
            folders: Arc::new(NoFolders),
            survey: Arc::new(FakeSurvey),
            control: Arc::new(FakeControl(stop.clone())),
            roles: Arc::new(Roles::new(rustix::process::geteuid().as_raw(), Grants::default())),
            stop: stop.clone(),
        };
        let path = folder.path().join("s.sock");
        let (listener, bound) = bind(&path, Access { mode, group: None }, |_| Ok(())).unwrap();
        let serving = tokio::spawn(serve(listener, Arc::new(server), limits));
        Self { folder, bench, history, stop, serving, _bound: bound, stored, commands }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s.sock")
    }

    async fn client(&self) -> FsmonClient {
        fsmon_protocol::rpc::connect(&self.socket()).await.unwrap()
    }

    /// Has the core store these.
    async fn store(&self, rows: Vec<JournalRow>) {
        let last = rows.last().unwrap().record.seq;
        self.stored.lock().unwrap().extend(rows);
        self.bench.hints.send(vec![]).await.unwrap();
        assert!(self.bench.handle.ring().wait_beyond(last - 1).await);
    }
}

/// A context for a request that may wait so long.
fn waiting(ms: u64) -> tarpc::context::Context {
    fsmon_protocol::rpc::context(Duration::from_millis(ms))
}
