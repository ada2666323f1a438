//! One transaction: every operation becomes rows, or none does.
//!
//! Nothing outside the database is changed here, so that a transaction which fails can be tried again as it is.

use fsmon_core::io::{RunId, StoreOp};
use fsmon_protocol::event::What;

use super::columns::Sql;
use super::retention::Volume;
use super::{Numbers, Store, detached, gaps, journal, ledger, runs};

/// What one transaction came to, taken over once it is durable.
pub(super) struct Written {
    pub(super) numbers: Numbers,
    pub(super) volume: Volume,
    pub(super) rows: u64,
    pub(super) batches: usize,
    pub(super) remove_files: Vec<RunId>,
}

/// Writes these operations, which are `batches` batches, and makes them durable.
pub(super) fn run<'o>(store: &Store, operations: impl Iterator<Item = &'o StoreOp>, batches: usize) -> Sql<Written> {
    let conn = &store.conn;
    let mut written =
        Written { numbers: store.numbers, volume: store.volume, rows: 0, batches, remove_files: Vec::new() };
    let transaction = conn.unchecked_transaction()?;
    let mut appender = journal::Appender::new(conn)?;
    for operation in operations {
        written.rows += 1;
        match operation {
            StoreOp::Record(row) => {
                appender.append(row)?;
                if let What::Gap(gap) = &row.record.what {
                    gaps::note(conn, row, gap)?;
                }
                written.numbers.saw_seq(row.record.seq);
                written.volume.journal += journal::bytes(row);
            }
            StoreOp::RunStart(row) => {
                runs::start(conn, row)?;
                written.numbers.saw_run(row.run);
                written.volume.runs += runs::start_bytes(row);
            }
            StoreOp::RunEnd(row) => {
                let ended = runs::end(conn, &store.outputs, row)?;
                written.volume.runs += ended.output_bytes;
                if ended.remove_file {
                    written.remove_files.push(row.run);
                }
            }
            StoreOp::Checkpoint(checkpoint) => {
                ledger::write_checkpoint(conn, checkpoint)?;
                written.numbers.saw_watch(conn, checkpoint.watch.id.0)?;
            }
            StoreOp::Watch(row) => {
                ledger::write_watch(conn, row)?;
                written.numbers.saw_watch(conn, row.id.0)?;
            }
            StoreOp::WatchRemoved(id) => {
                ledger::remove_watch(conn, *id)?;
                gaps::end(conn, *id)?;
            }
            StoreOp::Detached { watch, since, behind } => {
                detached::mark(conn, *watch, *since, *behind)?;
                gaps::end(conn, *watch)?;
            }
            // Written before.
            StoreOp::SaveWatches(_) => {}
        }
    }
    written.numbers.reserve(conn)?;
    drop(appender);
    transaction.commit()?;
    Ok(written)
}

/// About how much work an operation is, in rows.
pub(super) fn weigh(operation: &StoreOp) -> usize {
    match operation {
        StoreOp::Checkpoint(checkpoint) => 1 + checkpoint.rows.len() + checkpoint.freed.len(),
        _ => 1,
    }
}
