//! One sample of every request, every reply and every word that travels. A new method or variant does not compile
//! until it has its sample here.

use std::time::Instant;

use fsmon_protocol::doctor::{Finding, Verdict};
use fsmon_protocol::error::{ApiError, ErrorKind};
use fsmon_protocol::event::{
    Event, EventKind, Gap, GapReason, Occurrence, OccurrenceStatus, Origin, Record, RunRecord, ServiceStatus,
    WatchChange, WatchChangeStatus, What, Why,
};
use fsmon_protocol::explain::{Explained, OnDisk, Rule, Ruling, RunsNot, Waits};
use fsmon_protocol::file::{FileInfo, FileState, FilesCursor, FilesReply, FilesRequest};
use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use fsmon_protocol::rpc::codec::encode;
use fsmon_protocol::rpc::{FsmonRequest, FsmonResponse};
use fsmon_protocol::rpc_types::{
    Again, Cursor, DryRun, GapsRequest, Listed, LogChunk, Reloaded, Removed, ReplayRequest, RunsRequest, SweepStage,
    SweepStatus, TailReply, TailRequest,
};
use fsmon_protocol::run::{Answer, Outcome, RunInfo, RunStatus, Trigger};
use fsmon_protocol::spec::{
    After, Backend, BreakAfter, CatchUp, Dedupe, Existing, KeepRuns, Mode, OnSchedule, Options, Order, Rules, Stdin,
    Umask, WatchSpec,
};
use fsmon_protocol::status::{
    Broken, Counters, DaemonStatus, DefinedBy, GapInfo, Progress, WatchState, WatchStatus, Workers,
};
use fsmon_protocol::verify::{Difference, DifferenceKind, VerifyReply, VerifyRequest};
use fsmon_protocol::{RawPath, Size, Span, SpanOrOff, Timestamp};
use tarpc::{ClientMessage, Request, Response, context};

/// A name and the bytes that stand for it.
pub type Named = (String, Vec<u8>);

/// Names every method: gives the list, and a function that does not compile when one is missing.
macro_rules! methods {
    ($($method:ident),* $(,)?) => {
        pub const METHODS: &[&str] = &[$(stringify!($method)),*];
        pub fn request_name(request: &FsmonRequest) -> &'static str {
            match request { $(FsmonRequest::$method { .. } => stringify!($method)),* }
        }
        pub fn reply_name(reply: &FsmonResponse) -> &'static str {
            match reply { $(FsmonResponse::$method(_) => stringify!($method)),* }
        }
    };
}
methods!(
    Status,
    Add,
    Remove,
    List,
    Show,
    Set,
    SetInterval,
    Pause,
    Resume,
    RunNow,
    Sweep,
    Tail,
    Runs,
    Logs,
    Reload,
    Stop,
    LogLevel,
    Doctor,
    Files,
    Retry,
    GiveUp,
    Gaps,
    Accept,
    Verify,
    DryAdd,
    DrySet,
    Explain,
    Replay,
);

/// The bytes of every variant without fields of these enums.
macro_rules! words {
    ($($enum:ident { $($variant:ident),* $(,)? })*) => {
        pub fn words() -> Vec<Named> {
            $( let _ = |word: $enum| match word { $($enum::$variant => ()),* }; )*
            vec![$($(
                (format!("{}.{}", stringify!($enum), stringify!($variant)), encode(&$enum::$variant).unwrap())
            ),*),*]
        }
    };
}
words! {
    Answer { Ok, Retry, Fail }
    Backend { Auto, Inotify, Notify, Poll }
    CatchUp { None, Once }
    DefinedBy { Runtime, Config }
    ErrorKind { Refused, NotFound, Usage, NoDaemon, TimedOut, NotPermitted, Unhealthy, Bug }
    DifferenceKind { Untold, Gone, Changed, Unarmed, Unread }
    EventKind { Create, Modify, Rename, Delete, Attrib }
    Existing { Skip, Run }
    FileState { Clean, Settling, Ready, Running, Backoff, Failed }
    FileType { File, Dir, Symlink, Other }
    GapReason { Overflow, SourceError, Limit, RootGone, Mount, Down, Unreadable }
    Mode { Each, Batch, Worker }
    Order { Arrival, Name, Mtime }
    OccurrenceStatus { Done, SkippedBusy, SkippedPaused, SkippedUnable, SkippedMissed }
    OnSchedule { Pending, All, Once }
    Origin { Live, Scan }
    Rule {
        All, Include, ReadyFile, NotIncluded, Exclude, Hidden, NoRecursive, MaxDepth, Own, Pseudo, Through,
        Gitignore,
    }
    RunsNot { NoCommand, NotAFile, ReadyFile, Size, Unchanged }
    RunStatus { Started, Ok, Retry, Failed, Later, Interrupted, Vanished, Lost }
    ServiceStatus { Started, Stopped, Reloaded }
    Stdin { None, Json }
    SweepStage { Reconciling, Running, Done }
    Trigger { FileChange, Recovery, Scheduled, Manual }
    WatchChangeStatus {
        Added, Removed, Changed, Waiting, Held, Degraded, Recovered, Paused, Resumed, Ready, Retried,
        Dropped, Accepted, Detached, Attached,
    }
    Verdict { Well, Note, Bad }
    WatchState { Watching, Scanning, Degraded, Waiting, Held, Paused, Stuck }
    Why { Ctime }
}

/// What travels inside of others and has forms of its own.
pub fn parts() -> Vec<Named> {
    let named = |name: &str, bytes: std::io::Result<Vec<u8>>| (name.to_owned(), bytes.unwrap());
    let fingerprint = Fingerprint { inode: 1, size: 2, mtime: -3, ctime: 1 << 40 };
    vec![
        named("Cursor.Now", encode(&Cursor::Now)),
        named("Cursor.Last", encode(&Cursor::Last(10))),
        named("Cursor.After", encode(&Cursor::After(184))),
        named("Cursor.Since", encode(&Cursor::Since(TIME))),
        named("Again.All", encode(&Again::All)),
        named("Again.Failed", encode(&Again::Failed)),
        named("Outcome.Exited", encode(&Outcome::Exited(-1))),
        named("Outcome.Signalled", encode(&Outcome::Signalled(9))),
        named("Outcome.TimedOut", encode(&Outcome::TimedOut)),
        named("Outcome.Interrupted", encode(&Outcome::Interrupted)),
        named("Outcome.NotStarted", encode(&Outcome::NotStarted("no such file".into()))),
        named("SpanOrOff.Off", encode(&SpanOrOff::Off)),
        named("SpanOrOff.On", encode(&SpanOrOff::On(Span::secs(7200)))),
        named("RawPath", encode(&RawPath::from(&b"/d/\xff\n"[..]))),
        named("Fingerprint", encode(&fingerprint)),
        named("Options.none", encode(&Options::default())),
        named("OnDisk.Missing", encode(&OnDisk::Missing)),
        named("OnDisk.Through", encode(&OnDisk::Through(FileType::Symlink, "/data/l".into()))),
        named("OnDisk.Unknown", encode(&OnDisk::Unknown("why".into()))),
    ]
}

pub const TIME: Timestamp = Timestamp(1_795_457_400_123_456_789);

/// Every option given, each with a value of its own.
pub fn options() -> Options {
    Options {
        command: Some(vec!["process".into(), "{path}".into()]),
        include: Some(vec!["*.csv".into()]),
        exclude: Some(vec!["tmp/".into()]),
        min_size: Some(Size(1)),
        max_size: Some(Size(10 << 20)),
        recursive: Some(true),
        max_depth: Some(3),
        hidden: Some(false),
        kinds: Some(vec![EventKind::Create, EventKind::Delete]),
        existing: Some(Existing::Run),
        settle: Some(Span::millis(250)),
        open_quiet: Some(Span::secs(31)),
        max_wait: Some(SpanOrOff::On(Span::secs(90))),
        every: Some(SpanOrOff::Off),
        rescan: Some(SpanOrOff::On(Span::secs(5400))),
        on_schedule: Some(OnSchedule::All),
        concurrency: Some(4),
        timeout: Some(Span::secs(601)),
        grace: Some(Span::secs(11)),
        retries: Some(6),
        backoff: Some(Span::secs(2)),
        cwd: Some("/srv".into()),
        env: Some(vec!["A=b".into()]),
        stdin: Some(Stdin::Json),
        append_path: Some(false),
        backend: Some(Backend::Poll),
        poll_interval: Some(Span::secs(33)),
        allow_missing: Some(true),
        attrib: Some(true),
        run_as: Some("alice:staff".into()),
        cron: Some("30 2 * * *".into()),
        tz: Some("Europe/Paris".into()),
        jitter: Some(Span::secs(61)),
        catch_up: Some(CatchUp::None),
        ready_file: Some("{name}.done".into()),
        min_age: Some(Span::secs(5)),
        mode: Some(Mode::Batch),
        batch_max: Some(50),
        batch_wait: Some(Span::secs(7)),
        on_success: Some(After::Move("/done".into())),
        on_failure: Some(After::Keep),
        in_flight: Some(16),
        order: Some(Order::Name),
        key: Some("^(.)".into()),
        umask: Some(Umask(0o27)),
        nice: Some(5),
        output_max: Some(Size(2 << 20)),
        break_after: Some(BreakAfter::Runs(5)),
        keep_runs: Some(KeepRuns::Newest(500)),
        gitignore: Some(true),
        dedupe: Some(Dedupe::Content),
    }
}

pub fn spec() -> WatchSpec {
    WatchSpec { name: "data".into(), path: "/data".into(), options: options() }
}

fn watch() -> WatchStatus {
    WatchStatus {
        name: "data".into(),
        path: "/data".into(),
        state: WatchState::Degraded,
        details: vec!["part of it is polled".into()],
        defined_by: DefinedBy::Config,
        backend: Backend::Inotify,
        files: 1,
        folders: 2,
        armed: 3,
        pending: 4,
        running: 5,
        failed: 6,
        transient: 7,
        open_gaps: 8,
        scan: Some(Progress { looked: 9, folders: 10, folders_left: 11 }),
        last_reconcile: Some(TIME),
        last_due: None,
        next_due: Some(Timestamp(-1)),
        added: TIME,
        rules: Rules::from_options(&options()),
        gaps: vec![gap()],
        next_dates: vec!["2026-11-24T02:30:00+01:00".into()],
        warnings: vec!["it is not there".into()],
        workers: Some(Workers { wanted: 4, up: 3, restarts: 2, trouble: Some("exit 1".into()) }),
        broken: Some(Broken { failed: 5, since: TIME, next: Some(TIME) }),
        unchanged: 8,
    }
}

fn gap() -> GapInfo {
    GapInfo {
        id: 184,
        watch: "data".into(),
        reason: GapReason::Overflow,
        scope: "/data".into(),
        since: TIME,
        closed: Some(TIME),
        found: Some(7),
    }
}

fn sweep() -> SweepStatus {
    SweepStatus {
        id: 1,
        stage: SweepStage::Running,
        watches: vec!["data".into()],
        looked: 4312,
        pending: 3,
        ok: 2,
        failed: 1,
        vanished: 0,
        set_aside: 5,
        not_run: 6,
        not_ready: 7,
    }
}

fn run() -> RunInfo {
    RunInfo {
        run: 5,
        watch: "data".into(),
        path: Some(b"/data/\xff".as_slice().into()),
        trigger: Trigger::Recovery,
        attempt: 2,
        status: RunStatus::Retry,
        outcome: Some(Outcome::Exited(3)),
        started: TIME,
        ms: Some(40),
        output_bytes: 100,
        output_dropped: 200,
        event_id: "0123456789abcdef".into(),
        files: Some(12),
    }
}

fn file() -> FileInfo {
    FileInfo {
        watch: "data".into(),
        path: b"/data/\xff".as_slice().into(),
        file_type: FileType::File,
        state: FileState::Backoff,
        kind: Some(EventKind::Modify),
        attempts: 2,
        due: Some(TIME),
        seen: Some(Fingerprint { inode: 1, size: 2, mtime: 3, ctime: 4 }),
        last: Some(RunInfo { path: None, ..run() }),
        processed: None,
    }
}

/// One record of every sort.
pub fn records() -> Vec<Record> {
    let event = Event {
        kind: EventKind::Rename,
        path: b"/data/\xff".as_slice().into(),
        from: Some("/data/a".into()),
        file_type: FileType::File,
        size: Some(12),
        origin: Origin::Scan,
        why: Some(Why::Ctime),
    };
    let gap =
        Gap { reason: GapReason::Overflow, scope: "/data".into(), closed: true, found: Some(7), id: 180, since: TIME };
    let run = RunRecord {
        run: 5,
        trigger: Trigger::Scheduled,
        status: RunStatus::Ok,
        attempt: 1,
        exit: Some(0),
        ms: Some(40),
        path: Some("/data/a".into()),
        outcome: Some(Outcome::Exited(0)),
        files: Some(12),
    };
    let due = Occurrence { due: TIME, looked: 9, pending: 1, status: OccurrenceStatus::SkippedPaused };
    let held = WatchChange { status: WatchChangeStatus::Held, detail: Some("it is empty".into()) };
    let record = |seq, watch: Option<&str>, what| Record { seq, time: TIME, watch: watch.map(Into::into), what };
    vec![
        record(1, Some("data"), What::Event(event)),
        record(2, Some("data"), What::Gap(gap)),
        record(3, Some("data"), What::Run(run)),
        record(300, Some("data"), What::Schedule(due)),
        record(70_000, None, What::Service(ServiceStatus::Started)),
        record(u64::MAX, Some("data"), What::Watch(held)),
    ]
}

pub fn requests() -> Vec<FsmonRequest> {
    let watches = || vec!["data".to_owned(), "/srv".to_owned()];
    let tail = TailRequest {
        cursor: Cursor::After(184),
        watches: watches(),
        kinds: vec!["run".into()],
        max: 500,
        wait_ms: 25_000,
    };
    let files = FilesRequest {
        watches: watches(),
        states: vec![FileState::Failed],
        from: Some(FilesCursor { watch: 1, place: 2 }),
        max: 100,
    };
    vec![
        FsmonRequest::Status {},
        FsmonRequest::Add { spec: spec() },
        FsmonRequest::Remove { watches: watches(), kill: true },
        FsmonRequest::List {},
        FsmonRequest::Show { watch: "data".into() },
        FsmonRequest::Set { watch: "data".into(), options: options(), unset: vec!["cwd".into()] },
        FsmonRequest::SetInterval { watch: "data".into(), every: SpanOrOff::On(Span::secs(900)) },
        FsmonRequest::Pause { watches: watches() },
        FsmonRequest::Resume { watches: watches() },
        FsmonRequest::RunNow { watches: watches(), all_files: true },
        FsmonRequest::Sweep { id: 1, seen: SweepStage::Reconciling, wait_ms: 1000 },
        FsmonRequest::Tail { request: tail },
        FsmonRequest::Runs { request: RunsRequest { watch: Some("data".into()), failed: true, max: 20 } },
        FsmonRequest::Logs { run: 5, offset: 70_000, wait_ms: 0 },
        FsmonRequest::Reload {},
        FsmonRequest::Stop {},
        FsmonRequest::LogLevel { level: "debug".into() },
        FsmonRequest::Doctor {},
        FsmonRequest::Files { request: files },
        FsmonRequest::Retry { watch: "data".into(), paths: vec!["/data/a".into()] },
        FsmonRequest::GiveUp { watch: "data".into(), paths: vec![b"/data/\xff".as_slice().into()] },
        FsmonRequest::Gaps { request: GapsRequest { watch: Some("data".into()), max: 20 } },
        FsmonRequest::Accept { watch: "data".into() },
        FsmonRequest::Verify { request: VerifyRequest { watches: vec!["data".into()], from: None, max: 100 } },
        FsmonRequest::DryAdd { spec: spec() },
        FsmonRequest::DrySet { watch: "data".into(), options: options(), unset: vec![] },
        FsmonRequest::Explain { path: b"/data/\xff".as_slice().into() },
        FsmonRequest::Replay {
            request: ReplayRequest {
                watch: "data".into(),
                again: Again::Since(TIME),
                pause: Span::millis(100),
                dry_run: true,
            },
        },
    ]
}

pub fn replies() -> Vec<FsmonResponse> {
    let watch_reply = || Ok(watch());
    let removed = Removed { name: "data".into(), path: "/data".into(), dropped: 3, running: 1 };
    let tail = TailReply { records: records(), next: 184, missed: 2, more: true };
    let logs = LogChunk { info: run(), bytes: b"out\xff\n".to_vec(), next: 5, finished: true };
    let reloaded = Reloaded {
        added: vec!["a".into()],
        changed: vec!["b".into()],
        detached: vec!["c".into()],
        at_restart: vec!["socket".into()],
        attached: vec!["d".into()],
    };
    vec![
        FsmonResponse::Status(Ok(daemon())),
        FsmonResponse::Add(watch_reply()),
        FsmonResponse::Remove(Ok(vec![removed])),
        FsmonResponse::List(Ok(vec![watch()])),
        FsmonResponse::Show(Err(ApiError::not_found("no watch 'x'").hint("see fsmonctl list"))),
        FsmonResponse::Set(watch_reply()),
        FsmonResponse::SetInterval(Err(ApiError::usage("too short"))),
        FsmonResponse::Pause(Ok(vec![watch()])),
        FsmonResponse::Resume(Ok(vec![])),
        FsmonResponse::RunNow(Ok(sweep())),
        FsmonResponse::Sweep(Ok(sweep())),
        FsmonResponse::Tail(Ok(tail)),
        FsmonResponse::Runs(Ok(vec![run()])),
        FsmonResponse::Logs(Ok(logs)),
        FsmonResponse::Reload(Ok(reloaded)),
        FsmonResponse::Stop(Ok(())),
        FsmonResponse::LogLevel(Ok(())),
        FsmonResponse::Doctor(Ok(vec![Finding::bad("queue", "it was full", "sysctl").of("data")])),
        FsmonResponse::Files(Ok(FilesReply { files: vec![file()], next: Some(FilesCursor { watch: 1, place: 2 }) })),
        FsmonResponse::Retry(Ok(3)),
        FsmonResponse::GiveUp(Ok(1)),
        FsmonResponse::Gaps(Ok(vec![gap()])),
        FsmonResponse::Accept(Ok(2)),
        FsmonResponse::Verify(Ok(verified())),
        FsmonResponse::DryAdd(Ok(dry_run())),
        FsmonResponse::DrySet(Ok(dry_run())),
        FsmonResponse::Explain(Ok(vec![explained()])),
        FsmonResponse::Replay(Ok(sweep())),
    ]
}

/// With every form of what is waited for.
fn explained() -> Explained {
    Explained {
        watch: "data".into(),
        root: "/data".into(),
        path: b"/data/\xff".as_slice().into(),
        ruling: Ruling {
            rule: Rule::Include,
            pattern: Some("*.csv".into()),
            at: "/data/a".into(),
            line: Some(("/data/.gitignore".into(), 7)),
        },
        disk: OnDisk::Here { file_type: FileType::File, size: Some(1), mtime: Some(TIME), as_known: Some(true) },
        known: Some(FileType::File),
        hidden: true,
        moving: false,
        unsettled: true,
        file: Some(file()),
        waits: vec![
            Waits::Resume,
            Waits::Decision("why".into()),
            Waits::Root,
            Waits::Store("full".into()),
            Waits::Stop,
            Waits::Mount,
            Waits::Quiet,
            Waits::Close,
            Waits::Writer,
            Waits::Same,
            Waits::Age,
            Waits::ReadyFile("/data/a.done".into()),
            Waits::Look,
            Waits::Backoff,
            Waits::Place(1),
            Waits::PlaceInAll(2),
            Waits::Turn,
            Waits::Others(1000),
            Waits::Workers(2),
            Waits::Lane("/in/a".into()),
            Waits::Breaker(5, Some(TIME)),
            Waits::Pace,
            Waits::Occurrence,
            Waits::Retry,
        ],
        run: Some(7),
        again: true,
        runs_not: Some(RunsNot::Size),
        kinds: vec![EventKind::Create],
        retries: 5,
        by_many: false,
        defined_by: DefinedBy::Config,
        added: TIME,
        last: Some(run()),
        processed: None,
        state: WatchState::Held,
        details: vec!["why".into()],
        gaps: vec![gap()],
        next_due: Some(TIME),
    }
}

fn verified() -> VerifyReply {
    let disk = Fingerprint { inode: 1, size: 2, mtime: 3, ctime: 4 };
    let difference = Difference {
        watch: "data".into(),
        path: "/data/a".into(),
        kind: DifferenceKind::Changed,
        known: Some(FileType::File),
        found: Some(FileType::File),
        ledger: Some(Fingerprint { size: 1, ..disk }),
        disk: Some(disk),
        why: None,
    };
    let next = Some(FilesCursor { watch: 1, place: 2 });
    VerifyReply { folders: 1, entries: 3, counts: vec![0, 0, 1, 0, 0], differences: vec![difference], next }
}

fn dry_run() -> DryRun {
    let listed = |count| Listed { count, first: vec![b"/data/\xff".as_slice().into()] };
    DryRun {
        name: "data".into(),
        path: "/data".into(),
        looked: 1,
        folders: 2,
        complete: true,
        matches: listed(3),
        runs: listed(4),
        dropped: listed(5),
        gained: Listed::default(),
    }
}

fn daemon() -> DaemonStatus {
    DaemonStatus {
        version: "0.1.0".into(),
        pid: 4711,
        uid: 1000,
        started: TIME,
        uptime: Span::secs(61),
        socket: "/run/fsmond/fsmond.sock".into(),
        state_dir: "/var/lib/fsmond".into(),
        config: Some("/etc/fsmond/fsmond.toml".into()),
        log_file: None,
        log_level: "info".into(),
        watches: vec![watch()],
        last_seq: 184,
        store_error: Some("the disk is full".into()),
        counters: Counters {
            hints: 1,
            records: 2,
            looks: 3,
            overflows: 4,
            runs: 5,
            runs_failed: 6,
            log_lines_dropped: 7,
        },
    }
}

/// A request as a client sends it, with a deadline that has passed: only that one has the same bytes every time.
pub fn message(id: u64, message: FsmonRequest) -> ClientMessage<FsmonRequest> {
    let mut context = context::current();
    context.deadline = Instant::now();
    ClientMessage::Request(Request { context, id, message })
}

/// A reply as the daemon sends it.
pub fn response(request_id: u64, reply: FsmonResponse) -> Response<FsmonResponse> {
    Response { request_id, message: Ok(reply) }
}
