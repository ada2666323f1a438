//! What the store promises, tried on real files.

mod crash;
mod damage;
mod detached;
mod faults;
mod history;
mod migration;
mod model;
mod retention;
mod round_trip;
mod samples;
mod speed;
mod watches;

use std::path::Path;
use std::time::Duration;

use fsmon_core::Input;
use fsmon_core::io::{Ack, StoreOp};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::edges::StoreEdge;

/// Longer than anything here takes on a slow machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A started store and the other ends of what it was given.
struct Running {
    storing: Storing,
    reader: Reader,
    inbox: mpsc::Receiver<Input>,
    fatal: oneshot::Receiver<String>,
    token: u64,
}

/// Waits for a future, but not for ever.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, future).await.expect("it takes too long") })
}

/// Nothing is ever too old.
const KEEP_ALL: StoreOptions = StoreOptions { keep: Duration::MAX, keep_bytes: u64::MAX };

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(dir: &Path) -> (Opened, mpsc::Receiver<Input>) {
    open_with(dir, StoreOptions::default())
}

fn open_with(dir: &Path, options: StoreOptions) -> (Opened, mpsc::Receiver<Input>) {
    let (sender, inbox) = mpsc::channel(1024);
    (Store::open(dir, sender, options).unwrap(), inbox)
}

fn open_error(dir: &Path) -> StoreError {
    let (sender, _inbox) = mpsc::channel(1);
    Store::open(dir, sender, StoreOptions::default()).unwrap_err()
}

fn start(dir: &Path) -> Running {
    start_with(dir, StoreOptions::default())
}

fn start_with(dir: &Path, options: StoreOptions) -> Running {
    let (opened, inbox) = open_with(dir, options);
    let (sender, fatal) = oneshot::channel();
    let (storing, reader) = opened.store.start(sender).unwrap();
    Running { storing, reader, inbox, fatal, token: 0 }
}

impl Running {
    /// Submits these and one that is acknowledged, without waiting. Gives that ack.
    fn submit(&mut self, mut operations: Vec<StoreOp>) -> Ack {
        self.token += 1;
        let ack = Ack::Command(self.token);
        let last = operations.pop().unwrap();
        let mut operations: Vec<_> = operations.into_iter().map(|o| (o, None)).collect();
        operations.push((last, Some(ack)));
        self.storing.submit(operations);
        ack
    }

    /// Stores these and waits until they are durable.
    fn store(&mut self, operations: Vec<StoreOp>) {
        let ack = self.submit(operations);
        self.wait_for(ack);
    }

    fn wait_for(&mut self, ack: Ack) {
        loop {
            if let Input::Stored(acks) = self.next()
                && acks.contains(&ack)
            {
                return;
            }
        }
    }

    fn next(&mut self) -> Input {
        wait(self.inbox.recv()).unwrap()
    }

    fn close(self) {
        self.storing.close().unwrap();
    }
}

fn journal_of(store: &Store) -> Vec<JournalRow> {
    let mut rows = Vec::new();
    store.replay(0, |row| rows.push(row)).unwrap();
    rows
}

fn nodes_of(store: &Store, watch: WatchId) -> Vec<NodeRow> {
    let mut rows = Vec::new();
    store.load_nodes(watch, |row| rows.push(row)).unwrap();
    rows
}
