//! The table `runs`: a row at the start of each run, completed at its end.

use fsmon_core::io::{RunEndRow, RunId, RunRow, WatchId};
use fsmon_protocol::RawPath;
use fsmon_protocol::run::{Answer, Outcome, RunInfo, RunStatus};
use rusqlite::{Connection, OptionalExtension, Row};

use super::columns::{self, Binder, Sql};
use super::output::Outputs;
use super::words::Word;
use crate::edges::RunsQuery;

const COLUMNS: &str = "run, name, path, trigger, attempt, status, outcome, code, reason, started, ms, output_bytes, \
     output_dropped, event_id, files";

/// About how many bytes a row takes beside path and output.
const ROW_BYTES: u64 = 160;

/// SQL for about how many bytes a run takes, its output included wherever that is.
pub(super) const BYTES_SQL: &str = "160 + coalesce(length(path), 0) + length(event_id) + output_bytes";

const START: &str = "INSERT INTO runs (run, watch, name, path, trigger, attempt, started, event_id, status, files) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const END: &str = "UPDATE runs SET status = ?1, outcome = ?2, code = ?3, reason = ?4, ms = ?5, output = ?6, \
     output_bytes = ?7, output_dropped = ?8 WHERE run = ?9";

/// Those that failed, in the very words of the index of them. One that was interrupted and came to nothing never began.
const NOT_OK: &str = "(status = 'failed' OR status = 'retry' OR status = 'lost' \
     OR (status = 'interrupted' AND outcome IS NOT NULL))";

/// Writes the start of a run.
pub(super) fn start(conn: &Connection, row: &RunRow) -> Sql<()> {
    let mut statement = conn.prepare_cached(START)?;
    Binder::new(&mut statement)
        .number(row.run)?
        .value(row.watch.0)?
        .value(&*row.watch_name)?
        .maybe_path(row.path.as_ref())?
        .word(row.trigger)?
        .value(row.attempt)?
        .value(row.started.0)?
        .value(&row.event_id)?
        .word(RunStatus::Started)?
        .maybe_number(row.files)?
        .run()
        .map(drop)
}

/// About how many bytes the start of a run takes.
pub(super) fn start_bytes(row: &RunRow) -> u64 {
    let texts = row.path.as_ref().map_or(0, |p| p.as_bytes().len()) + row.event_id.len();
    ROW_BYTES + u64::try_from(texts).unwrap_or(u64::MAX)
}

/// What the end of a run did beside its row.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Ended {
    /// How many bytes of output the run keeps.
    pub(super) output_bytes: u64,
    /// Whether its file is to be removed once this is durable.
    pub(super) remove_file: bool,
}

/// Writes the end of a run. Short output moves into the row. A run that is no longer known (retention took it) is let
/// be.
pub(super) fn end(conn: &Connection, outputs: &Outputs, row: &RunEndRow) -> Sql<Ended> {
    // Where the daemon died during the run nobody counted its output, but the file is there.
    let output_bytes = match row.output_bytes {
        0 if row.outcome.is_none() => outputs.length(row.run).unwrap_or(0),
        told => told,
    };
    let short = if output_bytes == 0 { None } else { outputs.short(row.run) };
    let (outcome, code, reason) = match &row.outcome {
        None => (None, None, None),
        Some(Outcome::Exited(status)) => (Some("exited"), Some(*status), None),
        Some(Outcome::Signalled(signal)) => (Some("signalled"), Some(*signal), None),
        Some(Outcome::TimedOut) => (Some("timed_out"), None, None),
        Some(Outcome::Interrupted) => (Some("interrupted"), None, None),
        Some(Outcome::NotStarted(why)) => (Some("not_started"), None, Some(&**why)),
        Some(Outcome::Answered(answer, message)) => (Some(answer.word()), None, message.as_deref()),
        Some(Outcome::WorkerFailed(why)) => (Some("worker_failed"), None, Some(&**why)),
    };
    let mut statement = conn.prepare_cached(END)?;
    let known = Binder::new(&mut statement)
        .word(row.status)?
        .value(outcome)?
        .value(code)?
        .value(reason)?
        .maybe_number(row.ms)?
        .value(short.as_deref())?
        .number(output_bytes)?
        .number(row.output_dropped)?
        .number(row.run)?
        .run()?
        > 0;
    // One without a byte is made where it could not be written, or the daemon died.
    let empty = output_bytes == 0 && (row.output_dropped > 0 || row.outcome.is_none());
    let remove_file = short.is_some() || empty || !known;
    Ok(Ended { output_bytes: if known { output_bytes } else { 0 }, remove_file })
}

fn decode(row: &Row<'_>) -> Sql<RunInfo> {
    Ok(RunInfo {
        run: columns::run_id(row, 0)?,
        watch: columns::text(row, 1)?,
        path: columns::maybe_path(row, 2)?,
        trigger: columns::word(row, 3)?,
        attempt: columns::small(row, 4)?,
        status: columns::word(row, 5)?,
        outcome: decode_outcome(row)?,
        started: columns::time(row, 9)?,
        ms: columns::maybe_number(row, 10)?,
        output_bytes: columns::number(row, 11)?,
        output_dropped: columns::number(row, 12)?,
        event_id: row.get(13)?,
        files: columns::maybe_number(row, 14)?,
    })
}

fn decode_outcome(row: &Row<'_>) -> Sql<Option<Outcome>> {
    let outcome = match row.get_ref(6)?.as_str_or_null()? {
        None => return Ok(None),
        Some("exited") => Outcome::Exited(row.get(7)?),
        Some("signalled") => Outcome::Signalled(row.get(7)?),
        Some("timed_out") => Outcome::TimedOut,
        Some("interrupted") => Outcome::Interrupted,
        Some("not_started") => Outcome::NotStarted(row.get(8)?),
        Some("worker_failed") => Outcome::WorkerFailed(row.get(8)?),
        Some(other) => match Answer::from_word(other) {
            Some(answer) => Outcome::Answered(answer, row.get(8)?),
            None => return Err(columns::nonsense(6, format!("the outcome '{other}' is unknown"))),
        },
    };
    Ok(Some(outcome))
}

/// Runs that have a start and no end, oldest first.
pub(super) fn unfinished(conn: &Connection) -> Sql<Vec<RunRow>> {
    let mut statement = conn.prepare(
        "SELECT run, watch, name, path, trigger, attempt, started, event_id, files FROM runs \
         WHERE status = 'started' ORDER BY run",
    )?;
    let rows = statement.query_map((), |row| {
        Ok(RunRow {
            run: columns::run_id(row, 0)?,
            watch: WatchId(columns::small(row, 1)?),
            watch_name: columns::text(row, 2)?,
            path: columns::maybe_path(row, 3)?,
            trigger: columns::word(row, 4)?,
            attempt: columns::small(row, 5)?,
            started: columns::time(row, 6)?,
            event_id: row.get(7)?,
            files: columns::maybe_number(row, 8)?,
        })
    })?;
    rows.collect()
}

/// Runs that match, newest first.
pub(super) fn list(conn: &Connection, query: &RunsQuery) -> Sql<Vec<RunInfo>> {
    let mut statement = conn.prepare_cached(&list_sql(query))?;
    let rows = statement.query_map((query.watch.map(|w| w.0), query.max), decode)?;
    rows.collect()
}

fn list_sql(query: &RunsQuery) -> String {
    let filter = match (query.watch.is_some(), query.failed) {
        (false, false) => "?1 IS NULL",
        (true, false) => "watch = ?1",
        (false, true) => &format!("?1 IS NULL AND {NOT_OK}"),
        // The plus keeps SQLite to the index of those that failed, which is the shorter one.
        (true, true) => &format!("+watch = ?1 AND {NOT_OK}"),
    };
    format!("SELECT {COLUMNS} FROM runs WHERE {filter} ORDER BY run DESC LIMIT ?2")
}

/// One run.
pub(super) fn one(conn: &Connection, run: RunId) -> Sql<Option<RunInfo>> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE run = ?1");
    conn.prepare_cached(&sql)?.query_row([run.cast_signed()], decode).optional()
}

/// The latest run of a watch for the file at this path; or the latest that succeeded.
pub(super) fn latest(conn: &Connection, watch: WatchId, path: &RawPath, ok: bool) -> Sql<Option<RunInfo>> {
    let filter = if ok { "AND status = 'ok'" } else { "" };
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE path = ?1 AND watch = ?2 {filter} ORDER BY run DESC LIMIT 1");
    conn.prepare_cached(&sql)?.query_row((path.as_bytes(), watch.0), decode).optional()
}

/// Output that is in the row: at most `max` bytes from `offset` on. None where it is not there.
pub(super) fn inline_output(conn: &Connection, run: RunId, offset: u64, max: usize) -> Sql<Option<Vec<u8>>> {
    let mut statement = conn.prepare_cached("SELECT output FROM runs WHERE run = ?1")?;
    let mut rows = statement.query([run.cast_signed()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let Some(bytes) = row.get_ref(0)?.as_blob_or_null()? else { return Ok(None) };
    let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let to = from.saturating_add(max).min(bytes.len());
    Ok(Some(bytes[from..to].to_vec()))
}

/// Whether the run's file is its output: it is known, and its output is not in its row.
pub(super) fn needs_file(conn: &Connection, run: RunId) -> Sql<bool> {
    let sql = "SELECT output IS NULL AND (output_bytes > 0 OR status = ?2) FROM runs WHERE run = ?1";
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement
        .query_row((run.cast_signed(), RunStatus::Started.word()), |row| row.get(0))
        .optional()?
        .unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use fsmon_core::io::WatchId;

    use super::*;
    use crate::store::schema;

    fn told(sql: &str, column: usize) -> Vec<String> {
        let conn = Connection::open_in_memory().unwrap();
        schema::migrate(&conn).unwrap();
        let mut statement = conn.prepare(sql).unwrap();
        // What is bound to them makes no difference.
        statement.raw_query().mapped(|row| row.get(column)).map(Result::unwrap).collect()
    }

    #[test]
    fn those_that_failed_are_found_by_their_index() {
        for watch in [None, Some(WatchId(1))] {
            let query = RunsQuery { watch, failed: true, ..Default::default() };
            let plan = told(&format!("EXPLAIN QUERY PLAN {}", list_sql(&query)), 3).join("; ");
            assert!(plan.contains("INDEX runs_not_ok") && !plan.contains("TEMP"), "{plan}");
        }
    }

    /// Each would take longer to make than the row takes to write.
    #[test]
    fn no_table_is_made_to_write_a_run() {
        for sql in [START, END] {
            let steps = told(&format!("EXPLAIN {sql}"), 1);
            assert!(steps.iter().any(|step| step == "OpenWrite"), "{steps:?}");
            assert!(!steps.iter().any(|step| step == "OpenEphemeral"), "{steps:?}");
        }
    }
}
