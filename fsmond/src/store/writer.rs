//! The store's thread: takes what was submitted meanwhile, commits it in one transaction, acknowledges, and begins
//! again.
//!
//! Nothing is acknowledged before it is durable. What cannot be stored now is kept and tried again; it never gets lost
//! and never overtakes. After a failed fsync nothing is acknowledged at all, and the thread ends.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fsmon_core::Input;
use fsmon_core::io::StoreOp;
use fsmon_protocol::spec::WatchSpec;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::error::{StoreError, Trouble};
use super::history::{Question, Reader};
use super::mail::{Batch, Mailbox, patience};
use super::retention::Keeper;
use super::transaction::{self, Written, weigh};
use super::{Store, open, watches_toml};
use crate::edges::StoreEdge;

/// Operations in one transaction, about: what was submitted together is never split.
const TRANSACTION: usize = 20_000;
/// From one attempt to the next while the store cannot write.
const RETRY: Duration = Duration::from_secs(5);
/// Pages in the write-ahead log (4 KiB each) from which on it is moved into the database.
const LOG_PAGES: i64 = 2_000;

/// What the thread is sent.
pub(super) enum Request {
    /// There is mail.
    Store,
    Ask(Question),
    Close,
}

/// The store, started: the engine's side of it.
#[derive(Debug)]
pub struct Storing {
    thread: mpsc::Sender<Request>,
    mail: Mailbox,
    backlog: Arc<AtomicUsize>,
    joined: JoinHandle<Result<(), String>>,
}

impl StoreEdge for Storing {
    fn submit(&mut self, operations: Batch) {
        if operations.is_empty() {
            return;
        }
        self.backlog.fetch_add(operations.len(), Ordering::Relaxed);
        if self.mail.post(operations) {
            // The thread only ends before us after it has told why, and then nothing is acknowledged any more.
            drop(self.thread.send(Request::Store));
        }
    }

    fn backlog(&self) -> usize {
        self.backlog.load(Ordering::Relaxed)
    }
}

impl Storing {
    /// Commits everything, marks the stop as clean, empties the write-ahead log and ends the thread. Blocks, so not to
    /// be called on a runtime's thread. Acks that find the inbox full or closed are dropped from here on: who needs
    /// them waits for them before this. An error says why the stop was not clean; the state is safe all the same.
    pub fn close(self) -> Result<(), String> {
        drop(self.thread.send(Request::Close));
        drop(self.thread);
        self.joined.join().map_err(|_| "the store's thread panicked".to_owned())?
    }
}

/// See [`Store::start`].
pub(super) fn start(store: Store, fatal: oneshot::Sender<String>) -> Result<(Storing, Reader), StoreError> {
    let (thread, requests) = mpsc::channel();
    let backlog = Arc::new(AtomicUsize::new(0));
    let mail = Mailbox::default();
    let keeper = Keeper::new(store.options, &store.outputs, store.clean);
    let writer = Writer {
        store,
        keeper,
        requests,
        mail: mail.clone(),
        backlog: backlog.clone(),
        queue: VecDeque::new(),
        queued: 0,
        due: None,
        failing: None,
        questions: VecDeque::new(),
        closing: false,
    };
    let joined = std::thread::Builder::new()
        .name("store".into())
        .spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| writer.run()))
                .unwrap_or_else(|_| Err("the store's thread panicked, which is a bug".into()));
            if let Err(why) = &result {
                drop(fatal.send(why.clone()));
            }
            result
        })
        .map_err(StoreError::io("start a thread for", "the store".as_ref()))?;
    Ok((Storing { thread: thread.clone(), mail, backlog, joined }, Reader::new(thread)))
}

struct Writer {
    store: Store,
    keeper: Keeper,
    requests: mpsc::Receiver<Request>,
    mail: Mailbox,
    backlog: Arc<AtomicUsize>,
    /// What is to be stored, in order.
    queue: VecDeque<Batch>,
    /// How many operations that is.
    queued: usize,
    /// When it is to be stored, where there is anything.
    due: Option<Instant>,
    /// While the store cannot write: when it is tried again.
    failing: Option<Instant>,
    questions: VecDeque<Question>,
    closing: bool,
}

/// Why the thread has to end.
struct Fatal(String);

impl Writer {
    fn run(mut self) -> Result<(), String> {
        loop {
            let now = Instant::now();
            match self.requests.recv_timeout(self.next_due(now).saturating_duration_since(now)) {
                Ok(request) => self.take(request),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => self.closing = true,
            }
            while let Ok(request) = self.requests.try_recv() {
                self.take(request);
            }
            self.take_mail();
            if self.closing {
                return self.finish();
            }
            self.turn().map_err(|Fatal(why)| why)?;
            if let Some(due) = self.due.filter(|_| self.failing.is_none()) {
                // What may wait that long is taken when what waits here is committed.
                self.mail.comes_within(due.saturating_duration_since(Instant::now()));
            }
        }
    }

    fn take_mail(&mut self) {
        let batches = self.mail.take();
        let now = Instant::now();
        self.queued += batches.iter().map(Vec::len).sum::<usize>();
        let due = batches.iter().map(|batch| now + patience(batch)).min();
        self.due = self.due.into_iter().chain(due).min();
        self.queue.extend(batches);
    }

    fn take(&mut self, request: Request) {
        match request {
            // It is taken after all requests: what was submitted before a question was asked is among it.
            Request::Store => {}
            Request::Ask(question) => self.questions.push_back(question),
            Request::Close => self.closing = true,
        }
    }

    /// When there is something to do, if nothing is sent before.
    fn next_due(&self, now: Instant) -> Instant {
        if !self.questions.is_empty() {
            return now;
        }
        // While the store cannot write there are no steps of retention, and the next attempt is all there is to do.
        if let Some(attempt) = self.failing {
            return attempt;
        }
        let step = self.keeper.due(self.store.volume);
        self.commit_due(now).map_or(step, |commit| commit.min(step))
    }

    fn commit_due(&self, now: Instant) -> Option<Instant> {
        let due = self.due?;
        if self.failing.is_some() {
            return self.failing;
        }
        // Whoever asks is to be told of everything that was submitted before.
        let at_once = self.queued >= TRANSACTION || !self.questions.is_empty();
        Some(if at_once { now } else { due })
    }

    /// One of everything that is due: a commit, a question's turn, a step of retention.
    fn turn(&mut self) -> Result<(), Fatal> {
        let now = Instant::now();
        if self.commit_due(now).is_some_and(|due| due <= now) {
            self.commit()?;
        }
        if let Some(question) = self.questions.pop_front()
            && let Some(rest) = question.turn(&self.store.conn, &self.store.outputs)
        {
            self.questions.push_back(rest);
        }
        if self.failing.is_none() && self.keeper.due(self.store.volume) <= Instant::now() {
            let Store { conn, outputs, volume, .. } = &mut self.store;
            if let Err(e) = self.keeper.step(conn, outputs, volume) {
                rest_if_later(&e, "old records could not be removed")?;
            }
        }
        Ok(())
    }

    /// Stores as much as fits one transaction and acknowledges it. Where that is impossible now, says so once.
    fn commit(&mut self) -> Result<(), Fatal> {
        if self.failing.is_some()
            && let Err(e) = open::checkpoint(&self.store.conn)
            && let Failed::Fatal(why) = Failed::of(&e)
        {
            // An emptied write-ahead log has room for what a full disk refused; where that fails too, what comes next
            // says so.
            return Err(Fatal(why));
        }
        match self.write() {
            Ok(written) => {
                if self.failing.take().is_some() {
                    tracing::warn!("the database can be written again");
                    self.tell(Input::StoreState(None));
                }
                self.acknowledge(written);
                self.empty_log()
            }
            Err(Failed::Later(why)) => {
                if self.failing.is_none() {
                    tracing::error!("the database cannot be written, no command is started until it can: {why}");
                    self.tell(Input::StoreState(Some(why)));
                }
                self.failing = Some(Instant::now() + RETRY);
                Ok(())
            }
            Err(Failed::Fatal(why)) => Err(Fatal(why)),
        }
    }

    fn acknowledge(&mut self, written: Written) {
        self.store.numbers = written.numbers;
        self.store.volume = written.volume;
        self.keeper.stored(written.rows);
        for run in written.remove_files {
            self.store.outputs.remove(run);
        }
        let mut acks = Vec::new();
        for batch in self.queue.drain(..written.batches) {
            self.queued -= batch.len();
            self.backlog.fetch_sub(batch.len(), Ordering::Relaxed);
            acks.extend(batch.into_iter().filter_map(|(_, ack)| ack));
        }
        let now = Instant::now();
        self.due = self.queue.iter().map(|batch| now + patience(batch)).min();
        if !acks.is_empty() {
            self.tell(Input::Stored(acks));
        }
    }

    /// Waits while the inbox is full: the engine always drains it. Where the engine is gone, nobody is to be told.
    fn tell(&self, input: Input) {
        if self.closing {
            if let Err(TrySendError::Full(_)) = self.store.inbox.try_send(input) {
                tracing::debug!("the inbox was full while the store closed");
            }
        } else {
            drop(self.store.inbox.blocking_send(input));
        }
    }

    fn write(&mut self) -> Result<Written, Failed> {
        let mut batches = 0;
        let mut weight = 0;
        for batch in &self.queue {
            let more: usize = batch.iter().map(|(operation, _)| weigh(operation)).sum();
            if batches > 0 && weight + more > TRANSACTION {
                break;
            }
            batches += 1;
            weight += more;
        }
        let operations = || self.queue.range(..batches).flatten().map(|(operation, _)| operation);
        // Specs first: a crash in between leaves a watch that begins anew or one that is no more, both of which the
        // next start understands. Only the last ones matter, since each holds all.
        let specs = operations().rev().find_map(|o| if let StoreOp::SaveWatches(s) = o { Some(s) } else { None });
        if let Some(specs) = specs {
            self.save(specs)?;
        }
        transaction::run(&self.store, operations(), batches).map_err(|e| Failed::of(&e))
    }

    fn save(&self, specs: &[WatchSpec]) -> Result<(), Failed> {
        watches_toml::write(&self.store.dir, specs).map_err(|e| {
            let why = e.to_string();
            if e.is_fatal() { Failed::Fatal(why) } else { Failed::Later(why) }
        })
    }

    /// Moves the write-ahead log into the database once it is long. SQLite would do that by itself inside a commit, but
    /// then nobody would learn of an fsync that fails.
    fn empty_log(&self) -> Result<(), Fatal> {
        let conn = &self.store.conn;
        let pages = || conn.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?.query_row((), |row| row.get::<_, i64>(1));
        let moved = pages().and_then(|pages| {
            if pages < LOG_PAGES {
                return Ok(());
            }
            conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()))
        });
        moved.or_else(|e| rest_if_later(&e, "the write-ahead log could not be emptied"))
    }

    fn finish(mut self) -> Result<(), String> {
        self.questions.clear();
        while !self.queue.is_empty() {
            self.commit().map_err(|Fatal(why)| why)?;
            if self.failing.is_some() {
                return Err(format!("{} operations could not be stored", self.queued));
            }
        }
        let Store { conn, numbers, volume, .. } = self.store;
        let clean = || {
            let transaction = conn.unchecked_transaction()?;
            numbers.finish(&conn)?;
            volume.save(&conn)?;
            transaction.commit()?;
            conn.flush_prepared_statement_cache();
            open::checkpoint(&conn)
        };
        clean().map_err(|e| format!("the database could not be closed cleanly: {e}"))?;
        conn.close().map_err(|(_, e)| format!("the database could not be closed: {e}"))
    }
}

/// Why a transaction failed, and what that means.
enum Failed {
    Later(String),
    Fatal(String),
}

impl Failed {
    fn of(error: &rusqlite::Error) -> Self {
        match Trouble::of(error) {
            Trouble::Later => Self::Later(error.to_string()),
            Trouble::Damaged => Self::Fatal(format!("the database is damaged: {error}")),
            Trouble::Fatal => Self::Fatal(format!("the database failed: {error}")),
        }
    }
}

/// Housekeeping that failed is tried again at its next turn, unless nothing may be believed any more.
fn rest_if_later(error: &rusqlite::Error, what: &str) -> Result<(), Fatal> {
    match Failed::of(error) {
        Failed::Later(why) => {
            tracing::warn!("{what}: {why}");
            Ok(())
        }
        Failed::Fatal(why) => Err(Fatal(why)),
    }
}
