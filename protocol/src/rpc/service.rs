//! The service: one method per verb. Every reply comes after its effect.
//!
//! Anything long is a cursor long-poll in slices of at most [`crate::rpc_types::LONGEST_WAIT`]; the client asks again.

use crate::doctor::Finding;
use crate::explain::Explained;
use crate::file::{FilesReply, FilesRequest};
use crate::path::RawPath;
use crate::rpc_types::{
    DryRun, GapsRequest, LogChunk, Reloaded, Removed, ReplayRequest, Reply, RunsRequest, SweepStage, SweepStatus,
    TailReply, TailRequest,
};
use crate::run::RunInfo;
use crate::spec::{Options, WatchSpec};
use crate::status::{DaemonStatus, GapInfo, WatchStatus};
use crate::units::SpanOrOff;
use crate::verify::{VerifyReply, VerifyRequest};

/// The service of fsmond. Methods are numbered by their order on the wire: new ones go at the end.
#[tarpc::service]
pub trait Fsmon {
    /// The daemon at a glance.
    async fn status() -> Reply<DaemonStatus>;
    /// Adds a watch; answers when it is recorded. `name` empty: the daemon makes one from the path.
    async fn add(spec: WatchSpec) -> Reply<WatchStatus>;
    /// Removes watches, by name or path; all or none.
    async fn remove(watches: Vec<String>, kill: bool) -> Reply<Vec<Removed>>;
    /// Every watch.
    async fn list() -> Reply<Vec<WatchStatus>>;
    /// One watch, by name or path.
    async fn show(watch: String) -> Reply<WatchStatus>;
    /// Changes the given options of one watch, and puts those named in `unset` back to their defaults.
    async fn set(watch: String, options: Options, unset: Vec<String>) -> Reply<WatchStatus>;
    /// Changes the schedule of one watch: next = the later of now and the last due time + the new interval.
    async fn set_interval(watch: String, every: SpanOrOff) -> Reply<WatchStatus>;
    /// Stops runs of these watches until `resume`; survives a restart.
    async fn pause(watches: Vec<String>) -> Reply<Vec<WatchStatus>>;
    /// Lets runs of these watches go on; a held one processes what it found.
    async fn resume(watches: Vec<String>) -> Reply<Vec<WatchStatus>>;
    /// Reconciles these watches (none named: all), then runs what is pending, or every matching file.
    async fn run_now(watches: Vec<String>, all_files: bool) -> Reply<SweepStatus>;
    /// How far a sweep is; waits up to `wait_ms` for it to come further than `seen`.
    async fn sweep(id: u64, seen: SweepStage, wait_ms: u32) -> Reply<SweepStatus>;
    /// Records from a cursor on; waits up to `wait_ms` for the first.
    async fn tail(request: TailRequest) -> Reply<TailReply>;
    /// The latest runs, newest first.
    async fn runs(request: RunsRequest) -> Reply<Vec<RunInfo>>;
    /// Output of one run from `offset` on; waits up to `wait_ms` for more while it runs.
    async fn logs(run: u64, offset: u64, wait_ms: u32) -> Reply<LogChunk>;
    /// Reads the config again; a bad one is refused and the old one stays.
    async fn reload() -> Reply<Reloaded>;
    /// Stops the daemon cleanly; answers when it has begun to stop.
    async fn stop() -> Reply<()>;
    /// Changes the log level: error, warn, info, debug or trace.
    async fn log_level(level: String) -> Reply<()>;
    /// Looks for what stands in the way of the daemon and its watches, with a probe file in the root of each.
    async fn doctor() -> Reply<Vec<Finding>>;
    /// Files of the ledger, page by page.
    async fn files(request: FilesRequest) -> Reply<FilesReply>;
    /// Failed files of one watch are pending again at attempt 1: these, those below these folders, or where none is named
    /// all. Answers how many.
    async fn retry(watch: String, paths: Vec<RawPath>) -> Reply<u64>;
    /// What is pending or failed of these files, or below these folders, is given up. Answers of how many files.
    async fn give_up(watch: String, paths: Vec<RawPath>) -> Reply<u64>;
    /// Spans in which events may have been lost: the open ones first, then the newest.
    async fn gaps(request: GapsRequest) -> Reply<Vec<GapInfo>>;
    /// A held watch: what is there now is right and done. Answers how many pending files are given up by that.
    async fn accept(watch: String) -> Reply<u64>;
    /// Compares disk, ledger and watches of the kernel, slice by slice, and changes nothing.
    async fn verify(request: VerifyRequest) -> Reply<VerifyReply>;
    /// What `add` would find, match and run, without doing it.
    async fn dry_add(spec: WatchSpec) -> Reply<DryRun>;
    /// What `set` would drop, newly match and run, without doing it.
    async fn dry_set(watch: String, options: Options, unset: Vec<String>) -> Reply<DryRun>;
    /// What each watch that covers this absolute path has to say of it. Refused where none does.
    async fn explain(path: RawPath) -> Reply<Vec<Explained>>;
    /// Starts to compare one watch, then gives files out again at a pace; follow with `sweep`.
    async fn replay(request: ReplayRequest) -> Reply<SweepStatus>;
}
