//! The tables, and how a database of any older version becomes one of this version.
//!
//! A migration, once released, is never changed: a new version is a new entry at the end of [`MIGRATIONS`].

use rusqlite::Connection;

use super::columns::Sql;

/// `PRAGMA application_id` of our databases: "fsmn".
pub(super) const APPLICATION: i32 = 0x6673_6d6e;

/// The version that this fsmond writes.
pub(super) const VERSION: i64 = 13;

/// What makes version n+1 out of version n.
const MIGRATIONS: [&str; 13] = [V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12, V13];

/// The first version. Times are nanoseconds since 1970; paths and names are bytes; words are those of the contract.
const V1: &str = "
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    watch INTEGER,      -- number of the watch
    name TEXT,          -- its name then
    kind TEXT NOT NULL, -- create modify rename delete attrib, gap run schedule service watch
    path BLOB,          -- of events and runs; of gaps the scope
    from_path BLOB,
    type TEXT,
    size INTEGER,
    origin TEXT,
    why TEXT,
    inode INTEGER,      -- inode, length, mtime, ctime: the fingerprint
    length INTEGER,
    mtime INTEGER,
    ctime INTEGER,
    run INTEGER,
    trigger TEXT,
    status TEXT,        -- of runs, schedules, the service and watches
    attempt INTEGER,
    exit INTEGER,
    ms INTEGER,
    reason TEXT,        -- reason, closed, found: of gaps
    closed INTEGER,
    found INTEGER,
    due INTEGER,        -- due, looked, pending: of schedules
    looked INTEGER,
    pending INTEGER,
    detail TEXT
) STRICT;

CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    watch INTEGER NOT NULL,
    name TEXT NOT NULL,
    path BLOB,
    trigger TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    started INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    status TEXT NOT NULL,
    outcome TEXT,       -- exited signalled timed_out interrupted not_started
    code INTEGER,       -- exit status or signal
    reason TEXT,        -- why it could not be started
    ms INTEGER,
    output BLOB,        -- where it is short; else in the file output/<run>
    output_bytes INTEGER NOT NULL DEFAULT 0,
    output_dropped INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX runs_of_watch ON runs (watch, run);
CREATE INDEX runs_not_ok ON runs (run) WHERE status IN ('failed', 'retry', 'lost', 'interrupted');
CREATE INDEX runs_unfinished ON runs (run) WHERE status = 'started';

CREATE TABLE watch (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    path BLOB NOT NULL,
    defined_by TEXT NOT NULL,
    only_name BLOB,
    added INTEGER NOT NULL,
    baseline_done INTEGER NOT NULL,
    paused INTEGER NOT NULL,
    last_due INTEGER NOT NULL,
    root_fs TEXT,
    root_inode INTEGER,
    root_mount INTEGER,
    upto INTEGER NOT NULL -- the ledger holds everything up to this journal number
) STRICT;

CREATE TABLE node (
    watch INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    name BLOB NOT NULL,
    type TEXT NOT NULL,
    known INTEGER NOT NULL, -- whether it is there, as far as the journal tells
    inode INTEGER,
    length INTEGER,
    mtime INTEGER,
    ctime INTEGER,
    state TEXT,         -- none: clean; else pending or failed
    kind TEXT,          -- from here on: what is pending
    from_path BLOB,
    trigger TEXT,
    attempts INTEGER,
    sweep INTEGER,
    PRIMARY KEY (watch, idx)
) STRICT, WITHOUT ROWID;
";

/// Mounts below a root and what they hide.
const V2: &str = "
ALTER TABLE node ADD COLUMN mount_point INTEGER NOT NULL DEFAULT 0; -- whether something is mounted at this folder
ALTER TABLE node ADD COLUMN hidden INTEGER; -- the layer of mounts that it lies on, where that cannot be seen now
";

/// What became of one file is asked for by its path.
const V3: &str = "CREATE INDEX runs_of_path ON runs (path, run);";

/// Gaps have a table of their own, which outlives the journal; runs tell in the journal how they ended; a held watch can
/// be accepted as it is.
const V4: &str = "
CREATE TABLE gap (
    id INTEGER PRIMARY KEY, -- number of the record that opened it
    watch INTEGER,
    name TEXT NOT NULL,
    reason TEXT NOT NULL,
    scope BLOB NOT NULL,
    since INTEGER NOT NULL,
    closed INTEGER,     -- none: it is open
    found INTEGER
) STRICT;
CREATE INDEX gap_open ON gap (id) WHERE closed IS NULL;
ALTER TABLE journal ADD COLUMN gap INTEGER;     -- gap, since: of gaps
ALTER TABLE journal ADD COLUMN since INTEGER;
ALTER TABLE journal ADD COLUMN outcome TEXT;    -- outcome, signal: of runs; why one was not started is in reason
ALTER TABLE journal ADD COLUMN signal INTEGER;
ALTER TABLE watch ADD COLUMN accepting INTEGER NOT NULL DEFAULT 0;
";

/// An occurrence of a schedule that is not served yet outlives a restart.
const V5: &str = "
ALTER TABLE watch ADD COLUMN owed_due INTEGER; -- when it was due; none: nothing is owed
ALTER TABLE watch ADD COLUMN owed_attempts INTEGER;
";

/// A watch that is held stays so over a restart.
const V6: &str = "
ALTER TABLE watch ADD COLUMN held TEXT; -- why, for people; none: it is not held
ALTER TABLE watch ADD COLUMN held_until_root INTEGER; -- whether it ends by itself when the root is what it was
";

/// A run may be for many files.
const V7: &str = "
ALTER TABLE runs ADD COLUMN files INTEGER; -- how many; none: it is for one file alone
ALTER TABLE journal ADD COLUMN files INTEGER;
";

/// The ledger of a watch that nothing defines any more is kept for a while.
const V8: &str = "
ALTER TABLE watch ADD COLUMN detached INTEGER; -- since when nothing defines it; none: it is defined
ALTER TABLE watch ADD COLUMN behind INTEGER; -- whether the journal has records of it that its ledger does not hold
";

/// A batch that failed goes on in halves after a restart too.
const V9: &str = "
ALTER TABLE node ADD COLUMN share INTEGER; -- with how many others it may share a batch; none: any number
";

/// A watch may keep less of the history of its runs than the daemon.
const V10: &str = "
ALTER TABLE watch ADD COLUMN keep_runs TEXT; -- a number of runs, or a duration; none: as the daemon
";

/// What the ignore files in a tree say is a part of its ledger.
const V11: &str = "
CREATE TABLE ignore_file (
    watch INTEGER NOT NULL,
    idx INTEGER NOT NULL, -- the place of its folder; the root is 0
    content BLOB NOT NULL,
    PRIMARY KEY (watch, idx)
) STRICT, WITHOUT ROWID;
";

/// What the last run of a file was given, so that a change that leaves it so runs nothing.
const V12: &str = "
ALTER TABLE node ADD COLUMN processed BLOB; -- a digest of it; none: it is not known, or that run has not succeeded
";

/// A start that was taken back has not failed. And in other words: for each row that is written SQLite makes a table of a list
/// of more than two.
const V13: &str = "
DROP INDEX runs_not_ok;
CREATE INDEX runs_not_ok ON runs (run) WHERE status = 'failed' OR status = 'retry' OR status = 'lost'
    OR (status = 'interrupted' AND outcome IS NOT NULL);
";

/// Settings of one connection. The locking mode comes first: set before the first access it makes SQLite keep the
/// index of the write-ahead log in our memory instead of a shared file.
pub(super) fn configure(conn: &Connection) -> Sql<()> {
    conn.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -4096;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 33554432;",
    )?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// The version of an open database.
pub(super) fn version(conn: &Connection) -> Sql<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings a database from its version to [`VERSION`], each step in a transaction of its own.
pub(super) fn migrate(conn: &Connection) -> Sql<()> {
    let from = usize::try_from(version(conn)?).unwrap_or(0);
    for (done, step) in MIGRATIONS.iter().enumerate().skip(from) {
        let transaction = conn.unchecked_transaction()?;
        conn.execute_batch(step)?;
        conn.pragma_update(None, "user_version", i64::try_from(done + 1).unwrap_or(i64::MAX))?;
        transaction.commit()?;
    }
    Ok(())
}

/// A number in `meta`, if it is there.
pub(super) fn meta(conn: &Connection, key: &str) -> Sql<Option<u64>> {
    let mut statement = conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let mut rows = statement.query([key])?;
    rows.next()?.map(|row| super::columns::number(row, 0)).transpose()
}

/// Writes a number to `meta`.
pub(super) fn set_meta(conn: &Connection, key: &str, value: u64) -> Sql<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute((key, value.cast_signed()))
        .map(drop)
}
