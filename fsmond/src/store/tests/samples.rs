//! Rows to store: every variant once, and as many as wanted at random.

use std::sync::Arc;

use fsmon_core::ignores::IgnoreFile;
use fsmon_core::io::{
    Checkpoint, Held, JournalRow, NodeRow, NodeState, Owed, PendingRow, RunEndRow, RunRow, WatchId, WatchRow,
};
use fsmon_protocol::RawPath;
use fsmon_protocol::event::*;
use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use fsmon_protocol::run::{Answer, Outcome, RunStatus, Trigger};
use fsmon_protocol::spec::KeepRuns;
use fsmon_protocol::status::DefinedBy;
use fsmon_protocol::units::Timestamp;

/// Numbers that look random and are the same in every run (xorshift64*).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % n
    }

    fn small(&mut self, n: u32) -> u32 {
        u32::try_from(self.below(u64::from(n))).unwrap()
    }

    pub(super) fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()].clone()
    }

    fn maybe<T>(&mut self, some: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| some(self))
    }
}

pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

pub(super) const KINDS: [EventKind; 5] =
    [EventKind::Create, EventKind::Modify, EventKind::Rename, EventKind::Delete, EventKind::Attrib];
pub(super) const TYPES: [FileType; 4] = [FileType::File, FileType::Dir, FileType::Symlink, FileType::Other];
pub(super) const TRIGGERS: [Trigger; 4] = [Trigger::FileChange, Trigger::Recovery, Trigger::Scheduled, Trigger::Manual];
pub(super) const STATUSES: [RunStatus; 8] = [
    RunStatus::Started,
    RunStatus::Ok,
    RunStatus::Retry,
    RunStatus::Failed,
    RunStatus::Later,
    RunStatus::Interrupted,
    RunStatus::Vanished,
    RunStatus::Lost,
];

/// A name that is not UTF-8, has a newline and a quote, and looks like an option.
pub(super) const ODD: &[u8] = b"/data/-\xff\n'\"\x01 name";

pub(super) fn fingerprint(inode: u64) -> Fingerprint {
    Fingerprint { inode, size: inode / 3, mtime: -5, ctime: i64::MAX }
}

pub(super) fn event(seq: u64) -> JournalRow {
    let what = What::Event(Event {
        kind: EventKind::Create,
        path: RawPath::from(format!("/data/folder-{}/file-{seq}.csv", seq / 1000).as_bytes()),
        from: None,
        file_type: FileType::File,
        size: Some(seq),
        origin: Origin::Live,
        why: None,
    });
    let record = Record { seq, time: now(), watch: Some("data".into()), what };
    JournalRow { watch: Some(WatchId(1)), record: Arc::new(record), fingerprint: Some(fingerprint(seq)) }
}

fn every_gap() -> Vec<What> {
    let mut whats = Vec::new();
    for reason in [
        GapReason::Overflow,
        GapReason::SourceError,
        GapReason::Limit,
        GapReason::RootGone,
        GapReason::Mount,
        GapReason::Down,
        GapReason::Unreadable,
    ] {
        whats.push(What::Gap(Gap {
            reason,
            scope: ODD.into(),
            closed: false,
            found: None,
            id: 3,
            since: Timestamp(-1),
        }));
        whats.push(What::Gap(Gap {
            reason,
            scope: "/".into(),
            closed: true,
            found: Some(7),
            id: 3,
            since: Timestamp(2),
        }));
    }
    whats
}

fn every_run() -> Vec<What> {
    let mut whats = Vec::new();
    for (trigger, status) in TRIGGERS.iter().flat_map(|t| STATUSES.map(|s| (*t, s))) {
        let record = RunRecord {
            run: 9,
            trigger,
            status,
            attempt: 3,
            exit: None,
            ms: None,
            path: None,
            outcome: None,
            files: None,
        };
        whats.push(What::Run(record.clone()));
        whats.push(What::Run(RunRecord { files: Some(1000), ..record.clone() }));
        whats.push(What::Run(RunRecord {
            exit: Some(-1),
            ms: Some(12),
            path: Some(ODD.into()),
            outcome: Some(Outcome::Exited(-1)),
            ..record.clone()
        }));
        for outcome in [
            Outcome::Signalled(9),
            Outcome::TimedOut,
            Outcome::Interrupted,
            Outcome::NotStarted("no such program".into()),
            Outcome::Answered(Answer::Ok, None),
            Outcome::Answered(Answer::Fail, Some("no total".into())),
            Outcome::WorkerFailed("exit 1".into()),
        ] {
            whats.push(What::Run(RunRecord { outcome: Some(outcome), ..record.clone() }));
        }
    }
    whats
}

/// Every variant of everything a record can be, numbered from 1.
pub(super) fn every_record() -> Vec<JournalRow> {
    let mut whats = Vec::new();
    let base = Event {
        kind: EventKind::Create,
        path: ODD.into(),
        from: None,
        file_type: FileType::File,
        size: None,
        origin: Origin::Live,
        why: None,
    };
    whats.extend(KINDS.map(|kind| What::Event(Event { kind, from: Some(ODD.into()), ..base.clone() })));
    whats.extend(TYPES.map(|file_type| What::Event(Event { file_type, size: Some(u64::MAX), ..base.clone() })));
    whats.push(What::Event(Event { origin: Origin::Scan, why: Some(Why::Ctime), size: Some(0), ..base.clone() }));
    whats.push(What::Event(Event { path: RawPath::default(), from: Some(RawPath::default()), ..base }));
    whats.extend(every_gap());
    whats.extend(every_run());
    for status in [
        OccurrenceStatus::Done,
        OccurrenceStatus::SkippedBusy,
        OccurrenceStatus::SkippedPaused,
        OccurrenceStatus::SkippedUnable,
        OccurrenceStatus::SkippedMissed,
    ] {
        whats.push(What::Schedule(Occurrence { due: Timestamp(-1), looked: u64::MAX, pending: 0, status }));
    }
    whats.extend([ServiceStatus::Started, ServiceStatus::Stopped, ServiceStatus::Reloaded].map(What::Service));
    for status in WATCH_CHANGES {
        whats.push(What::Watch(WatchChange { status, detail: None }));
        whats.push(What::Watch(WatchChange { status, detail: Some("wäre 'so'\n\0".into()) }));
    }
    let prints = [None, Some(fingerprint(u64::MAX)), Some(fingerprint(0))];
    let watches = [None, Some(WatchId(u32::MAX)), Some(WatchId(1))];
    let names = [None, Some(Arc::from("data"))];
    whats
        .into_iter()
        .enumerate()
        .map(|(i, what)| JournalRow {
            watch: watches[i % 3],
            record: Arc::new(Record {
                seq: i as u64 + 1,
                time: Timestamp(i64::try_from(i).unwrap() + 1),
                watch: names[i % 2].clone(),
                what,
            }),
            fingerprint: prints[i / 2 % 3],
        })
        .collect()
}

const WATCH_CHANGES: [WatchChangeStatus; 12] = [
    WatchChangeStatus::Added,
    WatchChangeStatus::Removed,
    WatchChangeStatus::Changed,
    WatchChangeStatus::Waiting,
    WatchChangeStatus::Held,
    WatchChangeStatus::Degraded,
    WatchChangeStatus::Recovered,
    WatchChangeStatus::Paused,
    WatchChangeStatus::Resumed,
    WatchChangeStatus::Ready,
    WatchChangeStatus::Detached,
    WatchChangeStatus::Attached,
];

pub(super) fn run_start(run: u64) -> RunRow {
    RunRow {
        run,
        watch: WatchId(1),
        watch_name: "data".into(),
        path: Some(ODD.into()),
        trigger: Trigger::FileChange,
        attempt: 1,
        started: now(),
        event_id: format!("event-{run}"),
        files: None,
    }
}

pub(super) fn run_end(run: u64, status: RunStatus) -> RunEndRow {
    let outcome = Some(Outcome::Exited(0));
    RunEndRow { run, status, outcome, ms: Some(5), output_bytes: 0, output_dropped: 0 }
}

pub(super) fn watch(id: u32) -> WatchRow {
    WatchRow {
        id: WatchId(id),
        name: format!("watch-{id}").into(),
        path: ODD.into(),
        defined_by: DefinedBy::Runtime,
        only: None,
        added: Timestamp(1),
        baseline_done: false,
        paused: true,
        held: None,
        last_due: Timestamp(i64::MAX),
        owed: None,
        root: None,
        upto: 0,
        accepting: id % 2 == 1,
        keep_runs: None,
    }
}

pub(super) fn node(dice: &mut Dice, index: u32) -> NodeRow {
    let pending = |dice: &mut Dice| PendingRow {
        kind: dice.one(&KINDS),
        from: dice.maybe(|_| ODD.into()),
        trigger: dice.one(&TRIGGERS),
        attempts: dice.small(9),
        sweep: dice.below(u64::MAX),
        share: dice.maybe(|dice| dice.small(9)),
    };
    NodeRow {
        index,
        parent: dice.small(index.max(1)),
        name: format!("name-{}", dice.below(1000)).into_bytes().into(),
        file_type: dice.one(&TYPES),
        known: dice.below(4) > 0,
        mount_point: dice.below(9) == 0,
        hidden: dice.maybe(|d| d.small(u32::MAX)),
        seen: dice.maybe(|d| fingerprint(d.below(u64::MAX))),
        processed: dice.maybe(|d| [u8::try_from(d.small(256)).unwrap_or_default(); 32]),
        state: match dice.below(3) {
            0 => NodeState::Clean,
            1 => NodeState::Pending(pending(dice)),
            _ => NodeState::Failed(pending(dice)),
        },
    }
}

pub(super) fn checkpoint(dice: &mut Dice, id: u32, upto: u64) -> Checkpoint {
    let row = WatchRow {
        upto,
        only: dice.maybe(|_| Box::from(&b"only\xff"[..])),
        root: dice.maybe(|d| ("ext4".into(), d.below(u64::MAX), d.below(2) == 0)),
        owed: dice.maybe(|d| Owed { due: Timestamp(-1), attempts: d.small(9) }),
        baseline_done: true,
        held: dice.maybe(|d| Held { why: "why \u{1b}".into(), until_root: d.below(2) == 0 }),
        defined_by: DefinedBy::Config,
        keep_runs: Some(KeepRuns::Newest(1_000_000)),
        ..watch(id)
    };
    let mut indexes: Vec<u32> = (0..dice.small(12)).map(|_| dice.small(30)).collect();
    indexes.sort_unstable();
    indexes.dedup();
    let freed: Vec<u32> = (0..dice.small(4)).map(|_| dice.small(30)).filter(|f| !indexes.contains(f)).collect();
    let rows = indexes.into_iter().map(|index| node(dice, index)).collect();
    let ignores = (0..dice.small(4)).map(|at| (at, dice.maybe(ignore_file))).collect();
    Checkpoint { watch: row, rows, freed, ignores }
}

fn ignore_file(dice: &mut Dice) -> Arc<IgnoreFile> {
    let text = [&b"\xff"[..], dice.below(9).to_string().as_bytes(), b"\n"].concat();
    Arc::new(IgnoreFile::new(&text).unwrap())
}
