//! The table `ignore_file`: what the ignore files in the tree of a watch said, by the place of their folders. A part of
//! its ledger, written with each checkpoint.

use std::sync::Arc;

use fsmon_core::ignores::IgnoreFile;
use fsmon_core::io::WatchId;
use rusqlite::Connection;

use super::columns::{self, Sql};

/// Writes those that say something else than before.
pub(super) fn write(conn: &Connection, watch: WatchId, changed: &[(u32, Option<Arc<IgnoreFile>>)]) -> Sql<()> {
    for (place, file) in changed {
        match file {
            Some(file) => conn
                .prepare_cached("INSERT OR REPLACE INTO ignore_file (watch, idx, content) VALUES (?1, ?2, ?3)")?
                .execute((watch.0, place, file.text()))?,
            None => conn
                .prepare_cached("DELETE FROM ignore_file WHERE watch = ?1 AND idx = ?2")?
                .execute((watch.0, place))?,
        };
    }
    Ok(())
}

/// Forgets those of a watch.
pub(super) fn remove(conn: &Connection, watch: WatchId) -> Sql<()> {
    conn.prepare_cached("DELETE FROM ignore_file WHERE watch = ?1")?.execute([watch.0]).map(drop)
}

/// All of one watch: the place of the folder, and what is in the file.
pub(super) fn all(conn: &Connection, watch: WatchId) -> Sql<Vec<(u32, Vec<u8>)>> {
    let mut statement = conn.prepare_cached("SELECT idx, content FROM ignore_file WHERE watch = ?1 ORDER BY idx")?;
    let rows = statement.query_map([watch.0], |row| Ok((columns::small(row, 0)?, row.get(1)?)))?;
    rows.collect()
}
