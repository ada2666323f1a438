//! What can go wrong in the store, and what each failure means: refuse to start, begin anew, try again, or stop.
//!
//! The decision is made here and nowhere else, from SQLite's extended result codes.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ffi;

/// Why the store cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database was written by a newer fsmond. It was not touched.
    #[error(
        "{} was written by a newer fsmond (its version is {found}, this fsmond knows {known}): \
         install that fsmond again, or move the file away to begin anew", path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// What is there is not what fsmond makes. It was not touched.
    #[error("{} {why}", path.display())]
    Refused {
        /// What.
        path: PathBuf,
        /// What is wrong with it and what to do.
        why: String,
    },
    /// Another process has the database open.
    #[error("{} is in use by another process: stop that one first", .0.display())]
    Busy(PathBuf),
    /// The content makes no sense. [`Store::start_over`](super::Store::start_over) sets the database aside.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// The system said no.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// SQLite said no.
    #[error("cannot use the database: {0}")]
    Sqlite(rusqlite::Error),
}

impl StoreError {
    /// For `map_err` on an operation of the file system.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { what, path, source }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match Trouble::of(&error) {
            Trouble::Damaged => Self::Damaged(error.to_string()),
            _ => Self::Sqlite(error),
        }
    }
}

/// What a failed operation means for what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The disk is full, read-only or failing: the same may work later.
    Later,
    /// What is stored makes no sense.
    Damaged,
    /// Nothing that is written from now on may be believed, or there is a bug.
    Fatal,
}

impl Trouble {
    /// Which of them an error is.
    pub(super) fn of(error: &rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let code = match error {
            E::SqliteFailure(e, _) => e.extended_code,
            E::SqlInputError { error, .. } => error.extended_code,
            E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..)
            | E::InvalidColumnType(..)
            | E::QueryReturnedNoRows
            | E::Utf8Error(..) => return Self::Damaged,
            _ => return Self::Fatal,
        };
        match code {
            // After a failed fsync the kernel may have dropped the pages and say "fine" the next time: PostgreSQL's
            // lesson of 2018. So nothing is tried again.
            ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => Self::Fatal,
            ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_DATA => Self::Damaged,
            _ => match code & 0xff {
                ffi::SQLITE_FULL
                | ffi::SQLITE_READONLY
                | ffi::SQLITE_IOERR
                | ffi::SQLITE_CANTOPEN
                | ffi::SQLITE_NOMEM
                | ffi::SQLITE_BUSY
                | ffi::SQLITE_LOCKED
                | ffi::SQLITE_PERM => Self::Later,
                ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB | ffi::SQLITE_ERROR | ffi::SQLITE_FORMAT => Self::Damaged,
                _ => Self::Fatal,
            },
        }
    }
}

/// Whether SQLite says that somebody else holds the lock.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(e, _) if matches!(e.extended_code & 0xff, ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED))
}
