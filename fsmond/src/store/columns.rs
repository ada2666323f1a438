//! How single values go into columns and come out again, the same for every table.
//!
//! Unsigned 64-bit numbers keep their bits in SQLite's signed ones: only inodes of unusual file systems are ever
//! large enough to look negative there. A value that cannot be what we wrote is an error, never a guess.

use std::sync::Arc;

use fsmon_core::io::RunId;
use fsmon_protocol::RawPath;
use fsmon_protocol::fingerprint::Fingerprint;
use fsmon_protocol::units::Timestamp;
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Row, Statement, ToSql};

use super::words::Word;

/// What every function here gives.
pub(super) type Sql<T> = rusqlite::Result<T>;

/// Binds values to the parameters of one statement, one after the other.
pub(super) struct Binder<'s, 'c> {
    statement: &'s mut Statement<'c>,
    next: usize,
}

impl<'s, 'c> Binder<'s, 'c> {
    /// Begins with the first parameter.
    pub(super) fn new(statement: &'s mut Statement<'c>) -> Self {
        Self { statement, next: 1 }
    }

    /// Any value that SQLite knows.
    pub(super) fn value(&mut self, value: impl ToSql) -> Sql<&mut Self> {
        self.statement.raw_bind_parameter(self.next, value)?;
        self.next += 1;
        Ok(self)
    }

    /// An unsigned number.
    pub(super) fn number(&mut self, value: u64) -> Sql<&mut Self> {
        self.value(value.cast_signed())
    }

    /// An unsigned number that may be missing.
    pub(super) fn maybe_number(&mut self, value: Option<u64>) -> Sql<&mut Self> {
        self.value(value.map(u64::cast_signed))
    }

    /// A word.
    pub(super) fn word(&mut self, value: impl Word) -> Sql<&mut Self> {
        self.value(value.word())
    }

    /// A word that may be missing.
    pub(super) fn maybe_word<W: Word>(&mut self, value: Option<W>) -> Sql<&mut Self> {
        self.value(value.map(Word::word))
    }

    /// A path.
    pub(super) fn path(&mut self, value: &RawPath) -> Sql<&mut Self> {
        self.value(value.as_bytes())
    }

    /// A path that may be missing.
    pub(super) fn maybe_path(&mut self, value: Option<&RawPath>) -> Sql<&mut Self> {
        self.value(value.map(RawPath::as_bytes))
    }

    /// The four columns of a fingerprint.
    pub(super) fn fingerprint(&mut self, value: Option<&Fingerprint>) -> Sql<&mut Self> {
        self.maybe_number(value.map(|f| f.inode))?
            .maybe_number(value.map(|f| f.size))?
            .value(value.map(|f| f.mtime))?
            .value(value.map(|f| f.ctime))
    }

    /// Runs the statement; tells how many rows it changed.
    pub(super) fn run(&mut self) -> Sql<usize> {
        self.statement.raw_execute()
    }
}

/// An error for a column whose value makes no sense.
pub(super) fn nonsense(column: usize, why: impl Into<String>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Null, why.into().into())
}

/// An unsigned number.
pub(super) fn number(row: &Row<'_>, column: usize) -> Sql<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// An unsigned number that may be missing.
pub(super) fn maybe_number(row: &Row<'_>, column: usize) -> Sql<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned))
}

/// A number of 32 bits.
pub(super) fn small(row: &Row<'_>, column: usize) -> Sql<u32> {
    row.get(column)
}

/// A point in time.
pub(super) fn time(row: &Row<'_>, column: usize) -> Sql<Timestamp> {
    row.get(column).map(Timestamp)
}

/// A text.
pub(super) fn text(row: &Row<'_>, column: usize) -> Sql<Arc<str>> {
    Ok(Arc::from(row.get_ref(column)?.as_str()?))
}

/// A path.
pub(super) fn path(row: &Row<'_>, column: usize) -> Sql<RawPath> {
    Ok(RawPath::from(row.get_ref(column)?.as_blob()?))
}

/// A path that may be missing.
pub(super) fn maybe_path(row: &Row<'_>, column: usize) -> Sql<Option<RawPath>> {
    Ok(row.get_ref(column)?.as_blob_or_null()?.map(RawPath::from))
}

/// A word.
pub(super) fn word<W: Word>(row: &Row<'_>, column: usize) -> Sql<W> {
    maybe_word(row, column)?.ok_or_else(|| nonsense(column, "a word is missing"))
}

/// A word that may be missing.
pub(super) fn maybe_word<W: Word>(row: &Row<'_>, column: usize) -> Sql<Option<W>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        value => {
            let word = value.as_str()?;
            W::from_word(word).map(Some).ok_or_else(|| nonsense(column, format!("the word '{word}' is unknown")))
        }
    }
}

/// The four columns of a fingerprint, from `column` on.
pub(super) fn fingerprint(row: &Row<'_>, column: usize) -> Sql<Option<Fingerprint>> {
    let Some(inode) = maybe_number(row, column)? else { return Ok(None) };
    let size = number(row, column + 1)?;
    Ok(Some(Fingerprint { inode, size, mtime: row.get(column + 2)?, ctime: row.get(column + 3)? }))
}

/// The number of a run.
pub(super) fn run_id(row: &Row<'_>, column: usize) -> Sql<RunId> {
    number(row, column)
}
