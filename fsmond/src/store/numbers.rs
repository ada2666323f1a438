//! The numbers of records, runs and watches, so that none is ever used twice.
//!
//! The core hands out numbers and shows them before they are stored. So the store reserves a block ahead of what it
//! has stored: after a crash counting goes on behind the block. After a clean stop it goes on without a hole.

use rusqlite::Connection;

use super::columns::Sql;
use super::schema::{meta, set_meta};

/// How many numbers are reserved at once. Far more than the engine can have outstanding.
pub(super) const BLOCK: u64 = 1 << 20;

/// Where counting stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    /// The next free journal number, as far as is stored.
    pub(super) seq: u64,
    /// The next free run number, as far as is stored.
    pub(super) run: u64,
    /// The next free watch number.
    pub(super) watch: u64,
    /// Journal numbers below this may have been shown.
    pub(super) reserved_seq: u64,
    /// Run numbers below this may have been shown.
    pub(super) reserved_run: u64,
}

impl Numbers {
    /// Where counting begins in a fresh database: after `seq` and `run`.
    pub(super) fn begin(conn: &Connection, seq: u64, run: u64) -> Sql<()> {
        for (key, value) in [("next_seq", seq), ("next_run", run), ("next_watch", 1), ("clean", 1)] {
            set_meta(conn, key, value)?;
        }
        Ok(())
    }

    /// Reads where counting stands, reserves a block, and marks the database as in use: if the next start finds it
    /// so, there was a crash. Gives the numbers and whether the last stop was clean.
    pub(super) fn take(conn: &Connection) -> Sql<(Self, bool)> {
        let must = |key| meta(conn, key)?.ok_or(rusqlite::Error::QueryReturnedNoRows);
        let clean = must("clean")? == 1;
        let (seq, run) =
            if clean { (must("next_seq")?, must("next_run")?) } else { (must("reserved_seq")?, must("reserved_run")?) };
        // What is stored wins over what the counters say, should they ever disagree.
        let used = |sql| conn.query_row(sql, (), |row| super::columns::number(row, 0));
        let seq = seq.max(used("SELECT coalesce(max(seq), 0) + 1 FROM journal")?);
        let run = run.max(used("SELECT coalesce(max(run), 0) + 1 FROM runs")?);
        let watch = must("next_watch")?.max(used("SELECT coalesce(max(id), 0) + 1 FROM watch")?);
        let transaction = conn.unchecked_transaction()?;
        let mut numbers = Self { seq, run, watch, reserved_seq: 0, reserved_run: 0 };
        numbers.reserve(conn)?;
        set_meta(conn, "clean", 0)?;
        transaction.commit()?;
        Ok((numbers, clean))
    }

    /// Notes that a journal number is used.
    pub(super) fn saw_seq(&mut self, seq: u64) {
        self.seq = self.seq.max(seq.saturating_add(1));
    }

    /// Notes that a run number is used.
    pub(super) fn saw_run(&mut self, run: u64) {
        self.run = self.run.max(run.saturating_add(1));
    }

    /// Notes that a watch number is used; a new one is written, since the watch's row may be removed later.
    pub(super) fn saw_watch(&mut self, conn: &Connection, id: u32) -> Sql<()> {
        if u64::from(id) >= self.watch {
            self.watch = u64::from(id) + 1;
            set_meta(conn, "next_watch", self.watch)?;
        }
        Ok(())
    }

    /// Reserves a new block of what has less than half of one left. To be called inside a transaction.
    pub(super) fn reserve(&mut self, conn: &Connection) -> Sql<()> {
        if self.reserved_seq < self.seq.saturating_add(BLOCK / 2) {
            self.reserved_seq = self.seq.saturating_add(BLOCK);
            set_meta(conn, "reserved_seq", self.reserved_seq)?;
        }
        if self.reserved_run < self.run.saturating_add(BLOCK / 2) {
            self.reserved_run = self.run.saturating_add(BLOCK);
            set_meta(conn, "reserved_run", self.reserved_run)?;
        }
        Ok(())
    }

    /// Marks a clean stop, after which counting goes on without a hole.
    pub(super) fn finish(&self, conn: &Connection) -> Sql<()> {
        set_meta(conn, "next_seq", self.seq)?;
        set_meta(conn, "next_run", self.run)?;
        set_meta(conn, "clean", 1)
    }
}
