//! The service for one connection: one line per method, the work is in the file of its theme.

use std::sync::Arc;
use std::time::Duration;

use fsmon_core::io::{Answer, Command};
use fsmon_protocol::doctor::Finding;
use fsmon_protocol::explain::Explained;
use fsmon_protocol::file::{FilesReply, FilesRequest};
use fsmon_protocol::rpc::Fsmon;
use fsmon_protocol::rpc_types::{
    DryRun, GapsRequest, LONGEST_WAIT, LogChunk, Reloaded, Removed, ReplayRequest, Reply, RunsRequest, SweepStage,
    SweepStatus, TailReply, TailRequest,
};
use fsmon_protocol::run::RunInfo;
use fsmon_protocol::spec::{Options, WatchSpec};
use fsmon_protocol::status::{DaemonStatus, GapInfo, WatchStatus};
use fsmon_protocol::units::SpanOrOff;
use fsmon_protocol::verify::{VerifyReply, VerifyRequest};
use fsmon_protocol::{ApiError, ErrorKind, RawPath};
use tarpc::context::Context;
use tokio::time::{Instant, timeout};

use super::Server;
use super::peer::Peer;
use super::roles::Role;

/// So long is waited for a record where the store says that it cannot write.
const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// One connection's view of the server.
#[derive(Debug, Clone)]
pub struct Session {
    /// What all share.
    pub server: Arc<Server>,
    /// Who is at the other end; none where it could not be told.
    pub peer: Option<Arc<Peer>>,
}

impl Session {
    /// A session of this user.
    pub fn new(server: Arc<Server>, peer: Option<Peer>) -> Self {
        Self { server, peer: peer.map(Arc::new) }
    }

    /// The user, for the log.
    pub fn uid(&self) -> Option<u32> {
        self.peer.as_ref().map(|peer| peer.uid)
    }

    /// What they may do as of now; none: nothing.
    pub fn role(&self) -> Option<Role> {
        self.server.roles.of(self.peer.as_deref())
    }

    /// Has the engine carry out a command. The answer comes when its effect is recorded; where nothing can be recorded
    /// now, that is said instead of letting the caller wait for it.
    pub async fn command(&self, command: Command) -> Reply<Answer> {
        let engine = &self.server.engine;
        let mut answer = Box::pin(engine.command(command));
        loop {
            match (timeout(STORE_PATIENCE, &mut answer).await, engine.store_error()) {
                (Ok(answer), _) => return answer,
                (Err(_), Some(why)) => return Err(unrecorded(&why)),
                (Err(_), None) => {}
            }
        }
    }
}

/// Until when a request waits that asks to wait so many milliseconds.
pub fn wait_until(wait_ms: u32) -> Instant {
    Instant::now() + Duration::from_millis(wait_ms.into()).min(LONGEST_WAIT)
}

/// It is done, and the store cannot write it down.
fn unrecorded(why: &str) -> ApiError {
    ApiError::new(ErrorKind::TimedOut, format!("it is done, but cannot be recorded now: {why}"))
        .hint("it is recorded as soon as that is possible, and lost if fsmond ends before; fsmonctl health says when all is well")
}

/// The core answered with something else than the command asks for.
pub fn odd(answer: &Answer) -> ApiError {
    let what = match answer {
        Answer::Watches(_) => "watches",
        Answer::Removed(_) => "removed watches",
        Answer::Sweep(_) => "a sweep",
        Answer::Resolved(_) => "names",
        Answer::Counters(_) => "counters",
        Answer::Files(_) => "files",
        Answer::Count(_) => "a number",
        Answer::Trial(_) => "a trial",
        Answer::Done => "no more than 'done'",
        Answer::Heard(_) => "a probe",
        Answer::Folders(_) => "folders",
        Answer::Compared(_) => "a comparison",
        Answer::Covering(_) => "who covers a path",
        Answer::Explained(_) => "an explanation",
    };
    ApiError::bug(format!("the core answered with {what}"))
}

// Every request under way takes as much memory as the largest of these: what is large and rare has its own place.
impl Fsmon for Session {
    async fn status(self, _: Context) -> Reply<DaemonStatus> {
        self.daemon_status().await
    }
    async fn add(self, _: Context, spec: WatchSpec) -> Reply<WatchStatus> {
        Box::pin(self.add_watch(spec)).await
    }
    async fn remove(self, _: Context, watches: Vec<String>, kill: bool) -> Reply<Vec<Removed>> {
        self.remove_watches(watches, kill).await
    }
    async fn list(self, _: Context) -> Reply<Vec<WatchStatus>> {
        self.watches(Command::Show(Vec::new())).await
    }
    async fn show(self, _: Context, watch: String) -> Reply<WatchStatus> {
        self.one_watch(Command::Show(vec![watch])).await
    }
    async fn set(self, _: Context, watch: String, options: Options, unset: Vec<String>) -> Reply<WatchStatus> {
        Box::pin(self.set_options(watch, options, unset)).await
    }
    async fn set_interval(self, _: Context, watch: String, every: SpanOrOff) -> Reply<WatchStatus> {
        self.one_watch(Command::SetInterval(watch, every)).await
    }
    async fn pause(self, _: Context, watches: Vec<String>) -> Reply<Vec<WatchStatus>> {
        self.named_watches(watches, Command::Pause).await
    }
    async fn resume(self, _: Context, watches: Vec<String>) -> Reply<Vec<WatchStatus>> {
        self.named_watches(watches, Command::Resume).await
    }
    async fn run_now(self, _: Context, watches: Vec<String>, all_files: bool) -> Reply<SweepStatus> {
        self.start_sweep(watches, all_files).await
    }
    async fn sweep(self, _: Context, id: u64, seen: SweepStage, wait_ms: u32) -> Reply<SweepStatus> {
        self.follow_sweep(id, seen, wait_until(wait_ms)).await
    }
    async fn tail(self, _: Context, request: TailRequest) -> Reply<TailReply> {
        self.tail_from(request).await
    }
    async fn runs(self, _: Context, request: RunsRequest) -> Reply<Vec<RunInfo>> {
        self.latest_runs(request).await
    }
    async fn logs(self, _: Context, run: u64, offset: u64, wait_ms: u32) -> Reply<LogChunk> {
        self.run_output(run, offset, wait_until(wait_ms)).await
    }
    async fn reload(self, _: Context) -> Reply<Reloaded> {
        self.server.control.reload().await
    }
    async fn stop(self, _: Context) -> Reply<()> {
        self.server.control.stop().await
    }
    async fn log_level(self, _: Context, level: String) -> Reply<()> {
        self.server.control.log_level(&level)
    }
    async fn doctor(self, _: Context) -> Reply<Vec<Finding>> {
        Box::pin(self.examine()).await
    }
    async fn files(self, _: Context, request: FilesRequest) -> Reply<FilesReply> {
        Box::pin(self.list_files(request)).await
    }
    async fn retry(self, _: Context, watch: String, paths: Vec<RawPath>) -> Reply<u64> {
        self.count(Command::Retry { watch, paths }).await
    }
    async fn gaps(self, _: Context, request: GapsRequest) -> Reply<Vec<GapInfo>> {
        self.known_gaps(request).await
    }
    async fn accept(self, _: Context, watch: String) -> Reply<u64> {
        self.count(Command::Accept(watch)).await
    }
    async fn give_up(self, _: Context, watch: String, paths: Vec<RawPath>) -> Reply<u64> {
        self.count(Command::GiveUp { watch, paths }).await
    }
    async fn verify(self, _: Context, request: VerifyRequest) -> Reply<VerifyReply> {
        Box::pin(self.verify_slice(request)).await
    }
    async fn dry_add(self, _: Context, spec: WatchSpec) -> Reply<DryRun> {
        Box::pin(self.dry_add_watch(spec)).await
    }
    async fn dry_set(self, _: Context, watch: String, options: Options, unset: Vec<String>) -> Reply<DryRun> {
        Box::pin(self.dry_set_options(watch, options, unset)).await
    }
    async fn explain(self, _: Context, path: RawPath) -> Reply<Vec<Explained>> {
        Box::pin(self.explain_path(&path)).await
    }
    async fn replay(self, _: Context, request: ReplayRequest) -> Reply<SweepStatus> {
        self.sweep_answer(Command::GiveAgain(request)).await
    }
}
