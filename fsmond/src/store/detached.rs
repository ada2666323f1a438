//! Watches that nothing defines any more: their rows and ledgers stay for a while, so that one that comes back goes on
//! where it was. They hold nothing else back: neither journal nor retention waits for them.

use std::collections::BTreeMap;
use std::time::Duration;

use fsmon_core::io::{Kept, WatchId};
use fsmon_protocol::{RawPath, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use super::columns::{self, Sql};
use super::{ignores, journal, ledger};

/// For so long.
pub(super) const KEPT: Duration = Duration::from_secs(7 * 86_400);

/// Nothing defines it any more.
pub(super) fn mark(conn: &Connection, watch: WatchId, since: Timestamp, behind: bool) -> Sql<()> {
    let sql = "UPDATE watch SET detached = ?2, behind = ?3 WHERE id = ?1";
    conn.prepare_cached(sql)?.execute((watch.0, since.0, behind)).map(drop)
}

/// All of them, and since when.
pub(super) fn all(conn: &Connection) -> Sql<BTreeMap<WatchId, Timestamp>> {
    let mut statement = conn.prepare("SELECT id, detached FROM watch WHERE detached IS NOT NULL")?;
    let rows = statement.query_map((), |row| Ok((WatchId(columns::small(row, 0)?), columns::time(row, 1)?)))?;
    rows.collect()
}

/// What is kept of the latest one of this name and path.
pub(super) fn kept(conn: &Connection, name: &str, path: &RawPath) -> Sql<Option<Kept>> {
    let sql = "SELECT id, detached FROM watch WHERE name = ?1 AND path = ?2 AND detached IS NOT NULL ORDER BY id DESC";
    let found = conn
        .query_row(sql, (name, path.as_bytes()), |row| Ok((columns::small(row, 0)?, columns::time(row, 1)?)))
        .optional()?;
    let Some((id, since)) = found else { return Ok(None) };
    let Some(row) = ledger::watches(conn)?.into_iter().find(|row| row.id == WatchId(id)) else { return Ok(None) };
    let (mut nodes, mut records) = (Vec::new(), Vec::new());
    ledger::nodes(conn, row.id, |node| nodes.push(node))?;
    journal::replay(conn, row.upto, |record| {
        if record.watch == Some(row.id) {
            records.push(record);
        }
    })?;
    let ignores = ignores::all(conn, row.id)?;
    Ok(Some(Kept { row, since, nodes, ignores, journal: records }))
}

/// Forgets those that were detached before this time, and those whose missing records went with the journal up to
/// `gone`: what is left of them would no longer tell what was processed.
pub(super) fn forget(conn: &Connection, before: Timestamp, gone: u64) -> Sql<u64> {
    let mut statement = conn.prepare_cached("SELECT id FROM watch WHERE detached < ?1 OR (behind AND upto < ?2)")?;
    let rows = statement.query_map((before.0, gone.cast_signed()), |row| columns::small(row, 0))?;
    let ids: Vec<u32> = rows.collect::<Sql<_>>()?;
    for id in &ids {
        ledger::remove_watch(conn, WatchId(*id))?;
    }
    Ok(ids.len() as u64)
}
