//! The tables `watch` and `node`: watches and their ledgers, each a checkpoint of the journal up to a number.
//!
//! Rows are keyed by their place in the tree and written in that order, which is the order SQLite appends cheapest.

use fsmon_core::io::{Checkpoint, Held, NodeRow, NodeState, Owed, PendingRow, WatchId, WatchRow};
use fsmon_protocol::Timestamp;
use rusqlite::{Connection, Row};

use super::columns::{self, Binder, Sql};
use super::ignores;

/// A watch that writes its row is defined. Everything but how far the ledger is: only a checkpoint moves that, since it is the only one that writes the rows.
/// A watch whose number said more than its rows hold would forget, in a crash, what lies between.
const WRITE_WATCH: &str = "INSERT INTO watch (id, name, path, defined_by, only_name, added, baseline_done, \
     paused, last_due, root_fs, root_inode, root_mount, upto, accepting, owed_due, owed_attempts, held, \
     held_until_root, keep_runs) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19) \
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, path = excluded.path, defined_by = excluded.defined_by, \
     only_name = excluded.only_name, added = excluded.added, baseline_done = excluded.baseline_done, \
     paused = excluded.paused, last_due = excluded.last_due, root_fs = excluded.root_fs, \
     root_inode = excluded.root_inode, root_mount = excluded.root_mount, accepting = excluded.accepting, \
     owed_due = excluded.owed_due, owed_attempts = excluded.owed_attempts, held = excluded.held, \
     held_until_root = excluded.held_until_root, keep_runs = excluded.keep_runs, detached = NULL, behind = NULL";

const WRITE_UPTO: &str = "UPDATE watch SET upto = ?2 WHERE id = ?1";

/// A fingerprint that is not given leaves the stored one as it is: the core keeps only a hash of what it has not looked
/// at just now. Everything else is as the core says, none too.
const WRITE_NODE: &str = "INSERT INTO node (watch, idx, parent, name, type, known, inode, length, mtime, ctime, \
     state, kind, from_path, trigger, attempts, sweep, mount_point, hidden, share, processed) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20) \
     ON CONFLICT (watch, idx) DO UPDATE SET parent = excluded.parent, name = excluded.name, type = excluded.type, \
     known = excluded.known, inode = COALESCE(excluded.inode, inode), length = COALESCE(excluded.length, length), \
     mtime = COALESCE(excluded.mtime, mtime), ctime = COALESCE(excluded.ctime, ctime), state = excluded.state, \
     kind = excluded.kind, from_path = excluded.from_path, trigger = excluded.trigger, attempts = excluded.attempts, \
     sweep = excluded.sweep, mount_point = excluded.mount_point, hidden = excluded.hidden, \
     share = excluded.share, processed = excluded.processed";

/// Writes a watch's row; how far its ledger is counts only for a new one.
pub(super) fn write_watch(conn: &Connection, row: &WatchRow) -> Sql<()> {
    let mut statement = conn.prepare_cached(WRITE_WATCH)?;
    Binder::new(&mut statement)
        .value(row.id.0)?
        .value(&*row.name)?
        .path(&row.path)?
        .word(row.defined_by)?
        .value(row.only.as_deref())?
        .value(row.added.0)?
        .value(row.baseline_done)?
        .value(row.paused)?
        .value(row.last_due.0)?
        .value(row.root.as_ref().map(|r| &*r.0))?
        .maybe_number(row.root.as_ref().map(|r| r.1))?
        .value(row.root.as_ref().map(|r| r.2))?
        .number(row.upto)?
        .value(row.accepting)?
        .value(row.owed.map(|owed| owed.due.0))?
        .value(row.owed.map(|owed| owed.attempts))?
        .value(row.held.as_ref().map(|held| &*held.why))?
        .value(row.held.as_ref().map(|held| held.until_root))?
        .value(row.keep_runs.map(|kept| kept.to_string()).as_deref())?
        .run()
        .map(drop)
}

/// Writes a checkpoint: first the places that are free are cleared, since a row may have taken one of them.
pub(super) fn write_checkpoint(conn: &Connection, checkpoint: &Checkpoint) -> Sql<()> {
    let watch = checkpoint.watch.id.0;
    let mut freed = checkpoint.freed.clone();
    freed.sort_unstable();
    let mut delete = conn.prepare_cached("DELETE FROM node WHERE watch = ?1 AND idx = ?2")?;
    for index in freed {
        delete.execute((watch, index))?;
    }
    let mut rows: Vec<&NodeRow> = checkpoint.rows.iter().collect();
    rows.sort_unstable_by_key(|row| row.index);
    let mut write = conn.prepare_cached(WRITE_NODE)?;
    for row in rows {
        let (state, pending) = match &row.state {
            NodeState::Clean => (None, None),
            NodeState::Pending(p) => (Some("pending"), Some(p)),
            NodeState::Failed(p) => (Some("failed"), Some(p)),
            NodeState::Leaving(p) => (Some("leaving"), Some(p)),
        };
        Binder::new(&mut write)
            .value(watch)?
            .value(row.index)?
            .value(row.parent)?
            .value(&*row.name)?
            .word(row.file_type)?
            .value(row.known)?
            .fingerprint(row.seen.as_ref())?
            .value(state)?
            .maybe_word(pending.map(|p| p.kind))?
            .maybe_path(pending.and_then(|p| p.from.as_ref()))?
            .maybe_word(pending.map(|p| p.trigger))?
            .value(pending.map(|p| p.attempts))?
            .maybe_number(pending.map(|p| p.sweep))?
            .value(row.mount_point)?
            .value(row.hidden)?
            .value(pending.and_then(|p| p.share))?
            .value(row.processed)?
            .run()?;
    }
    ignores::write(conn, checkpoint.watch.id, &checkpoint.ignores)?;
    write_watch(conn, &checkpoint.watch)?;
    let upto = checkpoint.watch.upto.cast_signed();
    conn.prepare_cached(WRITE_UPTO)?.execute((watch, upto)).map(drop)
}

/// Removes a watch's row and its ledger.
pub(super) fn remove_watch(conn: &Connection, id: WatchId) -> Sql<()> {
    conn.prepare_cached("DELETE FROM watch WHERE id = ?1")?.execute([id.0])?;
    conn.prepare_cached("DELETE FROM node WHERE watch = ?1")?.execute([id.0])?;
    ignores::remove(conn, id)
}

/// All watches, by number.
pub(super) fn watches(conn: &Connection) -> Sql<Vec<WatchRow>> {
    let mut statement = conn.prepare(
        "SELECT id, name, path, defined_by, only_name, added, baseline_done, paused, last_due, root_fs, root_inode, \
         root_mount, upto, accepting, owed_due, owed_attempts, held, held_until_root, keep_runs FROM watch ORDER BY id",
    )?;
    let rows = statement.query_map((), |row| {
        let root_fs: Option<String> = row.get(9)?;
        let root = match root_fs {
            Some(fs) => Some((fs, columns::number(row, 10)?, row.get(11)?)),
            None => None,
        };
        let owed = match row.get(14)? {
            Some(due) => Some(Owed { due: Timestamp(due), attempts: columns::small(row, 15)? }),
            None => None,
        };
        Ok(WatchRow {
            id: WatchId(columns::small(row, 0)?),
            name: columns::text(row, 1)?,
            path: columns::path(row, 2)?,
            defined_by: columns::word(row, 3)?,
            only: row.get_ref(4)?.as_blob_or_null()?.map(Into::into),
            added: columns::time(row, 5)?,
            baseline_done: row.get(6)?,
            paused: row.get(7)?,
            held: held(row)?,
            last_due: columns::time(row, 8)?,
            owed,
            root,
            upto: columns::number(row, 12)?,
            accepting: row.get(13)?,
            keep_runs: row.get::<_, Option<String>>(18)?.and_then(|text| text.parse().ok()),
        })
    })?;
    rows.collect()
}

fn held(row: &Row<'_>) -> Sql<Option<Held>> {
    let why: Option<String> = row.get(16)?;
    why.map(|why| Ok(Held { why, until_root: row.get(17)? })).transpose()
}

/// Gives every row of one ledger, by place.
pub(super) fn nodes(conn: &Connection, watch: WatchId, mut each: impl FnMut(NodeRow)) -> Sql<()> {
    let mut statement = conn.prepare_cached(
        "SELECT idx, parent, name, type, known, inode, length, mtime, ctime, state, kind, from_path, trigger, attempts, sweep, \
         mount_point, hidden, share, processed FROM node WHERE watch = ?1 ORDER BY idx",
    )?;
    let mut rows = statement.query([watch.0])?;
    while let Some(row) = rows.next()? {
        each(NodeRow {
            index: columns::small(row, 0)?,
            parent: columns::small(row, 1)?,
            name: row.get_ref(2)?.as_blob()?.into(),
            file_type: columns::word(row, 3)?,
            known: row.get(4)?,
            mount_point: row.get(15)?,
            hidden: row.get(16)?,
            seen: columns::fingerprint(row, 5)?,
            processed: row.get(18)?,
            state: node_state(row)?,
        });
    }
    Ok(())
}

fn node_state(row: &Row<'_>) -> Sql<NodeState> {
    let Some(state) = row.get_ref(9)?.as_str_or_null()? else { return Ok(NodeState::Clean) };
    let pending = PendingRow {
        kind: columns::word(row, 10)?,
        from: columns::maybe_path(row, 11)?,
        trigger: columns::word(row, 12)?,
        attempts: columns::small(row, 13)?,
        sweep: columns::number(row, 14)?,
        share: row.get(17)?,
    };
    match state {
        "pending" => Ok(NodeState::Pending(pending)),
        "failed" => Ok(NodeState::Failed(pending)),
        "leaving" => Ok(NodeState::Leaving(pending)),
        other => Err(columns::nonsense(9, format!("the state '{other}' is unknown"))),
    }
}
