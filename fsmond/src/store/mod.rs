//! The store edge: one SQLite database that remembers the journal, the ledgers, the runs and the watches.
//!
//! It acknowledges nothing that is not durable, and decides nothing: what is stored is what the core said. One thread
//! owns the one connection; everything else talks to it through [`Storing`] and [`Reader`].
//!
//! Reading order: `schema` (the tables), `open` (from file to connection), `journal`, `ledger`, `runs`, `output` (what
//! stands in them), `transaction` and `writer` (the thread), `history` (questions), `retention` (what goes), `watches_toml`.

mod columns;
mod detached;
mod error;
mod files;
mod gaps;
mod history;
mod ignores;
mod journal;
mod ledger;
mod mail;
mod numbers;
mod open;
mod output;
mod retention;
mod runs;
mod schema;
mod transaction;
mod watches_toml;
mod words;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fsmon_core::io::{GapRow, JournalRow, NodeRow, RunId, RunRow, WatchId, WatchRow};
use fsmon_protocol::Timestamp;
use rusqlite::Connection;
use tokio::sync::oneshot;

pub use error::StoreError;
pub use history::Reader;
pub use watches_toml::{WatchesError, parse_watches, read_watches};
pub use writer::Storing;

use crate::edges::Inbox;
use numbers::Numbers;
use output::Outputs;
use retention::Volume;

/// What may be set about the store.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// For how long records and runs are kept.
    pub keep: Duration,
    /// How many bytes of records, runs and output are kept, about.
    pub keep_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { keep: Duration::from_secs(7 * 86_400), keep_bytes: 256 << 20 }
    }
}

/// A store that was opened, and what was found.
#[derive(Debug)]
pub struct Opened {
    /// The store: load from it, then [`Store::start`] it.
    pub store: Store,
    /// The first free journal number.
    pub next_seq: u64,
    /// The first free run number.
    pub next_run: RunId,
    /// The first free watch number.
    pub next_watch: u32,
    /// The watches, by number.
    pub watches: Vec<WatchRow>,
    /// Those of them that nothing defined, and since when.
    pub detached: BTreeMap<WatchId, Timestamp>,
    /// Whether the last stop was clean. After any other, runs may be unfinished and their processes alive.
    pub clean: bool,
    /// Whether there was no database before: either at all, or because `set_aside` tells of a damaged one.
    pub fresh: bool,
    /// Where a damaged database was put. What was processed is not known then, so every watch has to come up held.
    pub set_aside: Option<PathBuf>,
    /// What a person has to be told, loudly.
    pub notices: Vec<String>,
}

/// An open database, before its thread is started.
#[derive(Debug)]
pub struct Store {
    conn: Connection,
    dir: PathBuf,
    outputs: Outputs,
    inbox: Inbox,
    options: StoreOptions,
    numbers: Numbers,
    volume: Volume,
    clean: bool,
}

impl Store {
    /// Opens the database of the state folder `dir`, which has to be there, and which the caller has locked.
    ///
    /// A damaged database is set aside and a fresh one begun: see [`Opened::set_aside`]. One that a newer fsmond wrote,
    /// or a symbolic link in its place, is refused untouched.
    pub fn open(dir: &Path, inbox: Inbox, options: StoreOptions) -> Result<Opened, StoreError> {
        // SQLite refuses links anywhere in a path; those above the state folder are the administrator's.
        let dir = std::fs::canonicalize(dir).map_err(StoreError::io("open the state folder", dir))?;
        let found = open::open(&dir)?;
        match Self::from_found(&dir, found, inbox.clone(), options) {
            Err(StoreError::Damaged(why)) => Self::from_found(&dir, open::begin_anew(&dir, &why)?, inbox, options),
            other => other,
        }
    }

    fn from_found(dir: &Path, found: open::Found, inbox: Inbox, options: StoreOptions) -> Result<Opened, StoreError> {
        let open::Found { database: open::Database { conn, numbers, clean }, fresh, set_aside, notices } = found;
        let outputs = Outputs::open(dir)?;
        let watches = ledger::watches(&conn)?;
        let detached = detached::all(&conn)?;
        let volume = Volume::load(&conn, clean)?;
        let store = Self { conn, dir: dir.into(), outputs, inbox, options, numbers, volume, clean };
        Ok(Opened {
            next_seq: numbers.seq,
            next_run: numbers.run,
            next_watch: u32::try_from(numbers.watch).unwrap_or(u32::MAX),
            store,
            watches,
            detached,
            clean,
            fresh,
            set_aside,
            notices,
        })
    }

    /// The folder where the runner writes output, one file per run, named by its number.
    pub fn output_folder(&self) -> &Path {
        self.outputs.folder()
    }

    /// Gives every row of one ledger, by place in the tree.
    pub fn load_nodes(&self, watch: WatchId, each: impl FnMut(NodeRow)) -> Result<(), StoreError> {
        Ok(ledger::nodes(&self.conn, watch, each)?)
    }

    /// What the ignore files of one watch said: the place of the folder in the tree, and what was in the file.
    pub fn load_ignores(&self, watch: WatchId) -> Result<Vec<(u32, Vec<u8>)>, StoreError> {
        Ok(ignores::all(&self.conn, watch)?)
    }

    /// Gives every journal row with a number above `after`, in order, exactly as it was stored.
    pub fn replay(&self, after: u64, each: impl FnMut(JournalRow)) -> Result<(), StoreError> {
        Ok(journal::replay(&self.conn, after, each)?)
    }

    /// Runs that have a start and no end: the daemon died while they ran. Oldest first.
    pub fn unfinished_runs(&self) -> Result<Vec<RunRow>, StoreError> {
        Ok(runs::unfinished(&self.conn)?)
    }

    /// Gaps that no reconcile has closed.
    pub fn open_gaps(&self) -> Result<Vec<GapRow>, StoreError> {
        Ok(gaps::open(&self.conn)?)
    }

    /// After [`StoreError::Damaged`] while loading: sets the database aside and begins a fresh one.
    pub fn start_over(self, why: &str) -> Result<Opened, StoreError> {
        let Self { conn, dir, inbox, options, .. } = self;
        // What is damaged is kept as it is, its write-ahead log included.
        conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        drop(conn);
        Self::from_found(&dir, open::begin_anew(&dir, why)?, inbox, options)
    }

    /// Starts the thread. `fatal` tells, at most once, why nothing may be stored any more (a failed fsync, damage, a
    /// bug): the daemon has to end with exit 1, and whatever was not acknowledged by then never will be.
    pub fn start(self, fatal: oneshot::Sender<String>) -> Result<(Storing, Reader), StoreError> {
        writer::start(self, fatal)
    }
}
