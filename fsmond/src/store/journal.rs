//! The table `journal`: one row per record, with what the ledger needs beside it to be rebuilt.
//!
//! A row comes back exactly as it was stored. The number is the row's key, so appending is the cheapest write SQLite
//! has, and there is no index to keep.

use std::sync::Arc;

use fsmon_core::io::{JournalRow, WatchId};
use fsmon_protocol::event::{Event, EventKind, Gap, Occurrence, Record, RunRecord, WatchChange, What};
use fsmon_protocol::run::{Answer, Outcome};
use fsmon_protocol::units::Timestamp;
use rusqlite::{CachedStatement, Connection, Row};

use super::columns::{self, Binder, Sql};
use super::words::Word;

/// All columns, in the order of [`decode`].
pub(super) const COLUMNS: &str = "seq, time, watch, name, kind, path, from_path, type, size, origin, why, \
     inode, length, mtime, ctime, run, trigger, status, attempt, exit, ms, reason, closed, found, due, looked, pending, detail, \
     gap, since, outcome, signal, files";

/// Column of the time in [`COLUMNS`].
pub(super) const TIME: usize = 1;
/// Column of the watch's number in [`COLUMNS`].
pub(super) const WATCH: usize = 2;
/// Column of the kind in [`COLUMNS`].
pub(super) const KIND: usize = 4;

/// About how many bytes a row takes beside its texts and paths.
const ROW_BYTES: u64 = 80;

/// SQL for about how many bytes a row takes: the same as [`bytes`].
pub(super) const BYTES_SQL: &str = "80 + coalesce(length(name), 0) + coalesce(length(path), 0) \
     + coalesce(length(from_path), 0) + coalesce(length(detail), 0)";

/// Columns that every row has, then those of events and those of all else: events are most of the rows, and each
/// column that is bound costs time.
const INSERT_EVENT: &str = "INSERT INTO journal (seq, time, watch, name, inode, length, mtime, ctime, \
     kind, path, from_path, type, size, origin, why) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
const INSERT_RUN: &str = "INSERT INTO journal (seq, time, watch, name, inode, length, mtime, ctime, \
     kind, run, trigger, status, attempt, exit, ms, path, outcome, signal, reason, files) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";
const INSERT_OTHER: &str = "INSERT INTO journal (seq, time, watch, name, inode, length, mtime, ctime, \
     kind, path, status, reason, closed, found, due, looked, pending, detail, gap, since) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";

/// The statements that append rows, for one transaction.
pub(super) struct Appender<'c> {
    event: CachedStatement<'c>,
    run: CachedStatement<'c>,
    other: CachedStatement<'c>,
}

impl<'c> Appender<'c> {
    /// Prepares them, or takes them from the connection's cache.
    pub(super) fn new(conn: &'c Connection) -> Sql<Self> {
        Ok(Self {
            event: conn.prepare_cached(INSERT_EVENT)?,
            run: conn.prepare_cached(INSERT_RUN)?,
            other: conn.prepare_cached(INSERT_OTHER)?,
        })
    }

    /// Appends one row.
    pub(super) fn append(&mut self, row: &JournalRow) -> Sql<()> {
        match &row.record.what {
            What::Event(event) => Self::event(begin(&mut self.event, row)?, event),
            What::Run(run) => Self::run(begin(&mut self.run, row)?, run),
            other => Self::other(begin(&mut self.other, row)?, other),
        }
    }

    fn event(mut binder: Binder<'_, '_>, event: &Event) -> Sql<()> {
        binder
            .word(event.kind)?
            .path(&event.path)?
            .maybe_path(event.from.as_ref())?
            .word(event.file_type)?
            .maybe_number(event.size)?
            .word(event.origin)?
            .maybe_word(event.why)?
            .run()
            .map(drop)
    }

    fn run(mut binder: Binder<'_, '_>, run: &RunRecord) -> Sql<()> {
        binder
            .value("run")?
            .number(run.run)?
            .word(run.trigger)?
            .word(run.status)?
            .value(run.attempt)?
            .value(run.exit)?
            .maybe_number(run.ms)?
            .maybe_path(run.path.as_ref())?
            .value(match &run.outcome {
                Some(Outcome::Answered(answer, _)) => Some(answer.word()),
                other => other.as_ref().map(Outcome::as_str),
            })?
            .value(match run.outcome {
                Some(Outcome::Signalled(signal)) => Some(signal),
                _ => None,
            })?
            .value(match &run.outcome {
                Some(Outcome::NotStarted(why) | Outcome::WorkerFailed(why)) => Some(why.as_str()),
                Some(Outcome::Answered(_, message)) => message.as_deref(),
                _ => None,
            })?
            .maybe_number(run.files)?
            .run()
            .map(drop)
    }

    fn other(mut binder: Binder<'_, '_>, what: &What) -> Sql<()> {
        let mut due = None;
        let mut gap = None;
        let (kind, status, detail) = match what {
            What::Gap(g) => {
                gap = Some(g);
                ("gap", None, None)
            }
            What::Schedule(o) => {
                due = Some(o);
                ("schedule", Some(o.status.word()), None)
            }
            What::Service(s) => ("service", Some(s.word()), None),
            What::Watch(w) => ("watch", Some(w.status.word()), w.detail.as_deref()),
            // Both have statements of their own.
            What::Event(_) | What::Run(_) => return Ok(()),
        };
        binder
            .value(kind)?
            .maybe_path(gap.map(|g| &g.scope))?
            .value(status)?
            .maybe_word(gap.map(|g| g.reason))?
            .value(gap.map(|g| g.closed))?
            .maybe_number(gap.and_then(|g| g.found))?
            .value(due.map(|o| o.due.0))?
            .maybe_number(due.map(|o| o.looked))?
            .maybe_number(due.map(|o| o.pending))?
            .value(detail)?
            .maybe_number(gap.map(|g| g.id))?
            .value(gap.map(|g| g.since.0))?
            .run()
            .map(drop)
    }
}

/// Binds the columns that every row has.
fn begin<'s, 'c>(statement: &'s mut CachedStatement<'c>, row: &JournalRow) -> Sql<Binder<'s, 'c>> {
    let mut binder = Binder::new(statement);
    binder
        .number(row.record.seq)?
        .value(row.record.time.0)?
        .value(row.watch.map(|w| w.0))?
        .value(row.record.watch.as_deref())?
        .fingerprint(row.fingerprint.as_ref())?;
    Ok(binder)
}

/// About how many bytes the row takes in the database.
pub(super) fn bytes(row: &JournalRow) -> u64 {
    let texts = match &row.record.what {
        What::Event(e) => e.path.as_bytes().len() + e.from.as_ref().map_or(0, |p| p.as_bytes().len()),
        What::Run(r) => r.path.as_ref().map_or(0, |p| p.as_bytes().len()),
        What::Gap(g) => g.scope.as_bytes().len(),
        // SQLite counts characters of a text; a detail is a sentence, where that is much the same.
        What::Watch(w) => w.detail.as_ref().map_or(0, |d| d.chars().count()),
        What::Schedule(_) | What::Service(_) => 0,
    };
    let name = row.record.watch.as_ref().map_or(0, |n| n.len());
    ROW_BYTES + u64::try_from(texts + name).unwrap_or(u64::MAX)
}

/// A row as it was stored, from [`COLUMNS`].
pub(super) fn decode(row: &Row<'_>) -> Sql<JournalRow> {
    let name = row.get_ref(3)?.as_str_or_null()?.map(Into::into);
    let record =
        Record { seq: columns::number(row, 0)?, time: columns::time(row, TIME)?, watch: name, what: decode_what(row)? };
    let watch = row.get::<_, Option<u32>>(WATCH)?.map(WatchId);
    Ok(JournalRow { watch, record: Arc::new(record), fingerprint: columns::fingerprint(row, 11)? })
}

fn decode_what(row: &Row<'_>) -> Sql<What> {
    let kind = row.get_ref(KIND)?.as_str()?;
    if let Some(kind) = EventKind::from_word(kind) {
        return Ok(What::Event(Event {
            kind,
            path: columns::path(row, 5)?,
            from: columns::maybe_path(row, 6)?,
            file_type: columns::word(row, 7)?,
            size: columns::maybe_number(row, 8)?,
            origin: columns::word(row, 9)?,
            why: columns::maybe_word(row, 10)?,
        }));
    }
    match kind {
        "run" => Ok(What::Run(RunRecord {
            run: columns::run_id(row, 15)?,
            trigger: columns::word(row, 16)?,
            status: columns::word(row, 17)?,
            attempt: columns::small(row, 18)?,
            exit: row.get(19)?,
            ms: columns::maybe_number(row, 20)?,
            path: columns::maybe_path(row, 5)?,
            outcome: decode_outcome(row)?,
            files: columns::maybe_number(row, 32)?,
        })),
        "gap" => Ok(What::Gap(Gap {
            reason: columns::word(row, 21)?,
            scope: columns::path(row, 5)?,
            closed: row.get(22)?,
            found: columns::maybe_number(row, 23)?,
            // Before version 4 there was neither.
            id: columns::maybe_number(row, 28)?.unwrap_or(0),
            since: row
                .get::<_, Option<i64>>(29)?
                .map_or_else(|| columns::time(row, TIME), |since| Ok(Timestamp(since)))?,
        })),
        "schedule" => Ok(What::Schedule(Occurrence {
            due: columns::time(row, 24)?,
            looked: columns::number(row, 25)?,
            pending: columns::number(row, 26)?,
            status: columns::word(row, 17)?,
        })),
        "service" => columns::word(row, 17).map(What::Service),
        "watch" => Ok(What::Watch(WatchChange { status: columns::word(row, 17)?, detail: row.get(27)? })),
        other => Err(columns::nonsense(KIND, format!("the kind '{other}' is unknown"))),
    }
}

/// How a run ended; none where it has not, or where it was stored before version 4.
fn decode_outcome(row: &Row<'_>) -> Sql<Option<Outcome>> {
    Ok(match row.get_ref(30)?.as_str_or_null()? {
        None => None,
        Some("exited") => Some(Outcome::Exited(row.get(19)?)),
        Some("signalled") => Some(Outcome::Signalled(row.get(31)?)),
        Some("timed_out") => Some(Outcome::TimedOut),
        Some("interrupted") => Some(Outcome::Interrupted),
        Some("not_started") => Some(Outcome::NotStarted(row.get(21)?)),
        Some("worker_failed") => Some(Outcome::WorkerFailed(row.get(21)?)),
        Some(other) => match Answer::from_word(other) {
            Some(answer) => Some(Outcome::Answered(answer, row.get(21)?)),
            None => return Err(columns::nonsense(30, format!("the outcome '{other}' is unknown"))),
        },
    })
}

/// Gives every row with a number above `after`, in order.
pub(super) fn replay(conn: &Connection, after: u64, mut each: impl FnMut(JournalRow)) -> Sql<()> {
    let mut statement = conn.prepare(&format!("SELECT {COLUMNS} FROM journal WHERE seq > ?1 ORDER BY seq"))?;
    let mut rows = statement.query([after.cast_signed()])?;
    while let Some(row) = rows.next()? {
        each(decode(row)?);
    }
    Ok(())
}
