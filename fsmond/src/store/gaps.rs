//! The table `gap`: every span in which events may have been lost, from the record that opened it to the one that
//! closed it. It follows from the journal, and outlives it: a gap that no reconcile has closed is never removed.

use fsmon_core::io::{GapRow, JournalRow, WatchId};
use fsmon_protocol::event::Gap;
use fsmon_protocol::status::GapInfo;
use fsmon_protocol::units::Timestamp;
use rusqlite::Connection;

use super::columns::{self, Binder, Sql};
use crate::edges::GapsQuery;

/// Takes a record of a gap: a new row, or the end of one.
pub(super) fn note(conn: &Connection, row: &JournalRow, gap: &Gap) -> Sql<()> {
    if gap.closed {
        let mut statement = conn.prepare_cached("UPDATE gap SET closed = ?2, found = ?3 WHERE id = ?1")?;
        return Binder::new(&mut statement)
            .number(gap.id)?
            .value(row.record.time.0)?
            .maybe_number(gap.found)?
            .run()
            .map(drop);
    }
    let mut statement = conn.prepare_cached(
        "INSERT OR REPLACE INTO gap (id, watch, name, reason, scope, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    Binder::new(&mut statement)
        .number(gap.id)?
        .value(row.watch.map(|watch| watch.0))?
        .value(row.record.watch.as_deref().unwrap_or_default())?
        .word(gap.reason)?
        .path(&gap.scope)?
        .value(gap.since.0)?
        .run()
        .map(drop)
}

/// Those that were open when the daemon died or stopped, the oldest first.
pub(super) fn open(conn: &Connection) -> Sql<Vec<GapRow>> {
    let mut statement = conn.prepare(
        "SELECT id, watch, reason, scope, since FROM gap WHERE closed IS NULL AND watch IS NOT NULL ORDER BY id",
    )?;
    let rows = statement.query_map((), |row| {
        Ok(GapRow {
            id: columns::number(row, 0)?,
            watch: WatchId(columns::small(row, 1)?),
            reason: columns::word(row, 2)?,
            scope: columns::path(row, 3)?,
            since: columns::time(row, 4)?,
        })
    })?;
    rows.collect()
}

/// Gaps that match, the open ones first, then the newest.
pub(super) fn list(conn: &Connection, query: &GapsQuery) -> Sql<Vec<GapInfo>> {
    let filter = if query.watch.is_some() { "watch = ?1" } else { "?1 IS NULL" };
    let sql = format!(
        "SELECT id, name, reason, scope, since, closed, found FROM gap WHERE {filter} \
         ORDER BY closed IS NOT NULL, id DESC LIMIT ?2"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map((query.watch.map(|watch| watch.0), query.max), |row| {
        Ok(GapInfo {
            id: columns::number(row, 0)?,
            watch: columns::text(row, 1)?,
            reason: columns::word(row, 2)?,
            scope: columns::path(row, 3)?,
            since: columns::time(row, 4)?,
            closed: row.get::<_, Option<i64>>(5)?.map(Timestamp),
            found: columns::maybe_number(row, 6)?,
        })
    })?;
    rows.collect()
}

/// Removes those that were closed before this.
pub(super) fn forget(conn: &Connection, before: Timestamp) -> Sql<()> {
    conn.prepare_cached("DELETE FROM gap WHERE closed < ?1")?.execute([before.0]).map(drop)
}

/// A watch is no more, and so there is nothing that could close its open gaps.
pub(super) fn end(conn: &Connection, watch: WatchId) -> Sql<()> {
    conn.prepare_cached("DELETE FROM gap WHERE watch = ?1 AND closed IS NULL")?.execute([watch.0]).map(drop)
}
