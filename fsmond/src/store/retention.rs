//! What goes: records and runs that are too old or too many, output files that belong to no run, and ledgers that
//! nobody came back to.
//!
//! Done in small steps between commits. Never touches a record that a ledger still has to replay, the latest record,
//! or a run that has not ended.

use std::time::{Duration, Instant};

use fsmon_core::io::RunId;
use fsmon_protocol::spec::KeepRuns;
use fsmon_protocol::units::Timestamp;
use rusqlite::{Connection, Params};

use super::columns::{self, Sql};
use super::output::Outputs;
use super::schema::{meta, set_meta};
use super::{StoreOptions, detached, gaps, journal, runs};

/// How many rows a step takes at least, where there are so many. While more is stored than that, a step takes twice
/// what was stored since the last one, so that it always catches up.
const STEP: u64 = 2_000;
/// And at most.
const LARGEST_STEP: u64 = 40_000;
/// From one step to the next while there is work, and while there is none.
const BUSY: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(60);
/// Names of output files looked at in one step.
const FILES: usize = 500;
/// Pages given back to the file system in one step, once a quarter of the file is free.
const PAGES: i64 = 2_000;

/// About how many bytes are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) journal: u64,
    pub(super) runs: u64,
}

impl Volume {
    /// As written at the last clean stop, or counted anew.
    pub(super) fn load(conn: &Connection, clean: bool) -> Sql<Self> {
        if clean && let (Some(journal), Some(runs)) = (meta(conn, "journal_bytes")?, meta(conn, "runs_bytes")?) {
            return Ok(Self { journal, runs });
        }
        let sum = |table, bytes| {
            conn.query_row(&format!("SELECT coalesce(sum({bytes}), 0) FROM {table}"), (), |row| columns::number(row, 0))
        };
        Ok(Self { journal: sum("journal", journal::BYTES_SQL)?, runs: sum("runs", runs::BYTES_SQL)? })
    }

    /// Written at a clean stop.
    pub(super) fn save(self, conn: &Connection) -> Sql<()> {
        set_meta(conn, "journal_bytes", self.journal)?;
        set_meta(conn, "runs_bytes", self.runs)
    }

    fn total(self) -> u64 {
        self.journal.saturating_add(self.runs)
    }
}

/// Decides when a step is due, and takes it.
pub(super) struct Keeper {
    options: StoreOptions,
    due: Instant,
    /// Rows stored since the last step.
    stored: u64,
    /// After an unclean stop: output files that are still to be looked at.
    orphans: Option<std::fs::ReadDir>,
}

impl Keeper {
    /// Begins; `clean` says whether output files can be believed to have their runs.
    pub(super) fn new(options: StoreOptions, outputs: &Outputs, clean: bool) -> Self {
        let orphans = if clean { None } else { std::fs::read_dir(outputs.folder()).ok() };
        Self { options, due: Instant::now(), stored: 0, orphans }
    }

    /// Notes that so many rows were stored.
    pub(super) fn stored(&mut self, rows: u64) {
        self.stored += rows;
    }

    /// When the next step is due.
    pub(super) fn due(&self, volume: Volume) -> Instant {
        let pressed = self.stored >= STEP / 2 && volume.total() > self.options.keep_bytes;
        if pressed { Instant::now() } else { self.due }
    }

    /// One step. Where it fails nothing was done, and the next one tries again.
    pub(super) fn step(&mut self, conn: &Connection, outputs: &Outputs, volume: &mut Volume) -> Sql<()> {
        let limit = (2 * self.stored).clamp(STEP, LARGEST_STEP);
        self.stored = 0;
        self.due = Instant::now() + IDLE;
        let transaction = conn.unchecked_transaction()?;
        let taken = take(conn, *volume, self.options, limit)?;
        gaps::forget(conn, Timestamp::now().minus(self.options.keep))?;
        let forgotten = detached::forget(conn, Timestamp::now().minus(detached::KEPT), taken.upto)?;
        transaction.commit()?;
        *volume = taken.volume;
        for run in taken.runs {
            outputs.remove(run);
        }
        let vacuumed = give_back(conn)?;
        let swept = self.sweep(conn, outputs)?;
        if taken.rows + forgotten > 0 || vacuumed || swept {
            self.due = Instant::now() + BUSY;
        }
        Ok(())
    }

    /// Removes output files whose run is not known or has its output in its row.
    fn sweep(&mut self, conn: &Connection, outputs: &Outputs) -> Sql<bool> {
        let Some(names) = &mut self.orphans else { return Ok(false) };
        for _ in 0..FILES {
            let Some(entry) = names.next() else {
                self.orphans = None;
                return Ok(false);
            };
            let run = entry.ok().and_then(|e| e.file_name().to_str()?.parse::<RunId>().ok());
            if let Some(run) = run
                && !runs::needs_file(conn, run)?
            {
                outputs.remove(run);
            }
        }
        Ok(true)
    }
}

/// What one step took.
struct Taken {
    rows: u64,
    /// Records up to this number are gone with it; 0: none.
    upto: u64,
    volume: Volume,
    runs: Vec<RunId>,
}

/// A row that could go.
struct Candidate {
    number: u64,
    time: Timestamp,
    bytes: u64,
}

/// Takes what is too old; and where there is too much, the older of records and runs.
fn take(conn: &Connection, mut volume: Volume, options: StoreOptions, limit: u64) -> Sql<Taken> {
    let records = candidates(
        conn,
        &format!(
            "SELECT seq, time, {} FROM journal WHERE seq <= (SELECT coalesce(min(upto), {}) FROM watch \
             WHERE detached IS NULL) \
             AND seq < (SELECT max(seq) FROM journal) ORDER BY seq LIMIT ?1",
            journal::BYTES_SQL,
            i64::MAX
        ),
        [limit.cast_signed()],
    )?;
    let ended = candidates(
        conn,
        &format!("SELECT run, started, {} FROM runs WHERE status <> 'started' ORDER BY run LIMIT ?1", runs::BYTES_SQL),
        [limit.cast_signed()],
    )?;
    let oldest = Timestamp::now().minus(options.keep);
    let (mut last_record, mut gone) = (None, Vec::new());
    let (mut r, mut e) = (records.iter().peekable(), ended.iter().peekable());
    loop {
        let record_first = match (r.peek(), e.peek()) {
            (Some(record), Some(run)) => record.time <= run.time,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => break,
        };
        let goes = |c: &&&Candidate| volume.total() > options.keep_bytes || c.time < oldest;
        if record_first && let Some(record) = r.next_if(|c| goes(&c)) {
            volume.journal = volume.journal.saturating_sub(record.bytes);
            last_record = Some(record.number);
        } else if !record_first && let Some(run) = e.next_if(|c| goes(&c)) {
            volume.runs = volume.runs.saturating_sub(run.bytes);
            gone.push(run.number);
        } else {
            break;
        }
    }
    // Those that go for the daemon's own limits are the oldest, in order.
    let oldest_left = gone.last().map_or(0, |last| last + 1);
    for run in beyond_their_watch(conn, limit)?.into_iter().filter(|run| run.number >= oldest_left) {
        volume.runs = volume.runs.saturating_sub(run.bytes);
        gone.push(run.number);
    }
    let mut rows = gone.len() as u64;
    if let Some(last) = last_record {
        let sql = "DELETE FROM journal WHERE seq <= ?1";
        rows += conn.prepare_cached(sql)?.execute([last.cast_signed()])? as u64;
    }
    let mut delete = conn.prepare_cached("DELETE FROM runs WHERE run = ?1")?;
    for run in &gone {
        delete.execute([run.cast_signed()])?;
    }
    Ok(Taken { rows, upto: last_record.unwrap_or(0), volume, runs: gone })
}

/// Runs that have ended and are more than their watch keeps, or older.
fn beyond_their_watch(conn: &Connection, limit: u64) -> Sql<Vec<Candidate>> {
    let mut watches = conn.prepare_cached("SELECT id, keep_runs FROM watch WHERE keep_runs IS NOT NULL")?;
    let kept: Vec<(u32, String)> =
        watches.query_map((), |row| Ok((columns::small(row, 0)?, row.get(1)?)))?.collect::<Sql<_>>()?;
    let mut beyond = Vec::new();
    for (watch, kept) in kept {
        let (what, bound) = match kept.parse() {
            Ok(KeepRuns::Newest(runs)) => (
                "run <= (SELECT run FROM runs WHERE watch = ?2 AND status <> 'started' ORDER BY run DESC LIMIT 1 OFFSET ?3)",
                i64::from(runs),
            ),
            Ok(KeepRuns::For(span)) => ("started < ?3", Timestamp::now().minus(span.0).0),
            Err(_) => continue,
        };
        let sql = format!(
            "SELECT run, started, {} FROM runs WHERE watch = ?2 AND status <> 'started' AND {what} ORDER BY run LIMIT ?1",
            runs::BYTES_SQL
        );
        beyond.extend(candidates(conn, &sql, (limit.cast_signed(), watch, bound))?);
    }
    Ok(beyond)
}

fn candidates(conn: &Connection, sql: &str, values: impl Params) -> Sql<Vec<Candidate>> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(values, |row| {
        Ok(Candidate {
            number: columns::number(row, 0)?,
            time: columns::time(row, 1)?,
            bytes: columns::number(row, 2)?,
        })
    })?;
    rows.collect()
}

/// Makes the file shorter where a quarter of it is free; tells whether it did.
fn give_back(conn: &Connection) -> Sql<bool> {
    let pragma = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (free, all) = (pragma("freelist_count")?, pragma("page_count")?);
    if free < 1024 || free < all / 4 {
        return Ok(false);
    }
    // Each row that this gives is one page: it has to be read to its end.
    let mut statement = conn.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = statement.query(())?;
    while rows.next()?.is_some() {}
    Ok(true)
}
