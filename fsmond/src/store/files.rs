//! What the database knows of single files beside what the core knows: their fingerprints and their runs.

use fsmon_core::io::WatchId;
use fsmon_protocol::RawPath;
use rusqlite::{Connection, OptionalExtension};

use super::columns::{self, Sql};
use super::runs;
use crate::edges::FileFacts;

/// Facts about these files of one watch, each by its place in the ledger and its path, in the order asked.
pub(super) fn facts(conn: &Connection, files: &[(WatchId, u32, RawPath)]) -> Sql<Vec<FileFacts>> {
    let mut seen = conn.prepare_cached("SELECT inode, length, mtime, ctime FROM node WHERE watch = ?1 AND idx = ?2")?;
    let mut all = Vec::with_capacity(files.len());
    for (watch, place, path) in files {
        let row = seen.query_row((watch.0, place), |row| columns::fingerprint(row, 0)).optional()?;
        all.push(FileFacts {
            seen: row.flatten(),
            last: runs::latest(conn, *watch, path, false)?,
            processed: runs::latest(conn, *watch, path, true)?,
        });
    }
    Ok(all)
}
