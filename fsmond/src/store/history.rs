//! Questions about the past, answered by the store's thread between commits.
//!
//! One question never holds up storing for long: it looks at a bounded number of rows, then a commit has its turn.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use fsmon_core::io::{Kept, RunId, WatchId};
use fsmon_protocol::event::Record;
use fsmon_protocol::run::{RunInfo, RunStatus};
use fsmon_protocol::status::GapInfo;
use fsmon_protocol::{ApiError, RawPath};
use futures::future::BoxFuture;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::columns::{self, Sql};
use super::output::Outputs;
use super::writer::Request;
use super::{detached, files, gaps, journal, runs};
use crate::edges::{FileFacts, GapsQuery, History, JournalPage, JournalQuery, RunOutput, RunsQuery};

/// How many journal rows are looked at before a commit has its turn.
const ROWS: usize = 50_000;
/// How many records or runs are given at most, whatever is asked.
const LARGEST_PAGE: u32 = 10_000;
/// How many bytes of output are given at most, whatever is asked.
const LARGEST_OUTPUT: usize = 1 << 20;
/// How many questions may wait; one more is refused.
const WAITING: usize = 256;

type Answer<T> = oneshot::Sender<Result<T, ApiError>>;

/// Asks the store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    thread: mpsc::Sender<Request>,
    waiting: Arc<AtomicUsize>,
}

impl Reader {
    pub(super) fn new(thread: mpsc::Sender<Request>) -> Self {
        Self { thread, waiting: Arc::new(AtomicUsize::new(0)) }
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(Answer<T>) -> What + Send + 'static,
    ) -> BoxFuture<'_, Result<T, ApiError>> {
        Box::pin(async move {
            let place = Place(self.waiting.clone());
            if place.0.fetch_add(1, Ordering::Relaxed) >= WAITING {
                return Err(ApiError::refused("too many questions at once").hint("try again in a moment"));
            }
            let (answer, answered) = oneshot::channel();
            let stopped = || ApiError::refused("the store has stopped").hint("see the daemon's log");
            let question = Question { what: question(answer), place };
            self.thread.send(Request::Ask(question)).map_err(|_| stopped())?;
            answered.await.map_err(|_| stopped())?
        })
    }
}

impl History for Reader {
    fn journal(&self, query: JournalQuery) -> BoxFuture<'_, Result<JournalPage, ApiError>> {
        self.ask(move |answer| What::Journal(Box::new(Search::new(query)), answer))
    }

    fn runs(&self, query: RunsQuery) -> BoxFuture<'_, Result<Vec<RunInfo>, ApiError>> {
        self.ask(move |answer| What::Runs(RunsQuery { max: query.max.min(LARGEST_PAGE), ..query }, answer))
    }

    fn output(&self, run: RunId, offset: u64, max: usize) -> BoxFuture<'_, Result<RunOutput, ApiError>> {
        self.ask(move |answer| What::Output { run, offset, max: max.min(LARGEST_OUTPUT), answer })
    }

    fn gaps(&self, query: GapsQuery) -> BoxFuture<'_, Result<Vec<GapInfo>, ApiError>> {
        self.ask(move |answer| What::Gaps(GapsQuery { max: query.max.min(LARGEST_PAGE), ..query }, answer))
    }

    fn files(&self, files: Vec<(WatchId, u32, RawPath)>) -> BoxFuture<'_, Result<Vec<FileFacts>, ApiError>> {
        self.ask(move |answer| What::Files(files, answer))
    }

    fn kept(&self, name: String, path: RawPath) -> BoxFuture<'_, Result<Option<Box<Kept>>, ApiError>> {
        self.ask(move |answer| What::Kept(name, path, answer))
    }
}

/// Holds a question's place among those that wait, until it is answered or given up.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One question, on its way to the thread or waiting there.
pub(super) struct Question {
    what: What,
    place: Place,
}

enum What {
    Journal(Box<Search>, Answer<JournalPage>),
    Runs(RunsQuery, Answer<Vec<RunInfo>>),
    Gaps(GapsQuery, Answer<Vec<GapInfo>>),
    Files(Vec<(WatchId, u32, RawPath)>, Answer<Vec<FileFacts>>),
    Kept(String, RawPath, Answer<Option<Box<Kept>>>),
    Output { run: RunId, offset: u64, max: usize, answer: Answer<RunOutput> },
}

impl Question {
    /// Works on it for a while. Gives it back if it needs another turn.
    pub(super) fn turn(self, conn: &Connection, outputs: &Outputs) -> Option<Self> {
        let Self { what, place } = self;
        match what {
            What::Journal(_, answer) if answer.is_closed() => {}
            What::Journal(mut search, answer) => match search.turn(conn) {
                Ok(None) => return Some(Self { what: What::Journal(search, answer), place }),
                Ok(Some(page)) => send(answer, Ok(page)),
                Err(e) => send(answer, Err(unreadable(&e))),
            },
            What::Runs(query, answer) => send(answer, runs::list(conn, &query).map_err(|e| unreadable(&e))),
            What::Gaps(query, answer) => send(answer, gaps::list(conn, &query).map_err(|e| unreadable(&e))),
            What::Files(all, answer) => send(answer, files::facts(conn, &all).map_err(|e| unreadable(&e))),
            What::Kept(name, path, answer) => {
                let kept = detached::kept(conn, &name, &path).map(|kept| kept.map(Box::new));
                send(answer, kept.map_err(|e| unreadable(&e)));
            }
            What::Output { run, offset, max, answer } => send(answer, output(conn, outputs, run, offset, max)),
        }
        None
    }
}

/// Whoever asked may be gone: then nobody misses the answer.
fn send<T>(answer: Answer<T>, result: Result<T, ApiError>) {
    drop(answer.send(result));
}

fn unreadable(error: &rusqlite::Error) -> ApiError {
    tracing::error!("cannot read the database: {error}");
    ApiError::refused(format!("the database cannot be read: {error}"))
        .hint("see the daemon's log; a restart checks the database and sets it aside if it is damaged")
}

fn output(conn: &Connection, outputs: &Outputs, run: RunId, offset: u64, max: usize) -> Result<RunOutput, ApiError> {
    let info = runs::one(conn, run).map_err(|e| unreadable(&e))?;
    let mut info = info.ok_or_else(|| {
        ApiError::not_found(format!("there is no run {run}")).hint("fsmonctl runs lists those that are kept")
    })?;
    let ended = info.status != RunStatus::Started;
    let inline = runs::inline_output(conn, run, offset, max).map_err(|e| unreadable(&e))?;
    let bytes = match inline {
        Some(bytes) => bytes,
        None if ended && info.output_bytes == 0 => Vec::new(),
        None => outputs
            .read(run, offset, max)
            .map_err(|e| ApiError::refused(format!("the output of run {run} cannot be read: {e}")))?,
    };
    if !ended {
        info.output_bytes = outputs.length(run).unwrap_or(0);
    }
    Ok(RunOutput { info, bytes, ended })
}

/// A search through the journal: forwards up to a page full, or backwards for the last so many.
struct Search {
    query: JournalQuery,
    watches: HashSet<u32>,
    kinds: HashSet<String>,
    /// Backwards: where to go on below, and the newest number there was at the beginning.
    below: Option<(u64, u64)>,
    /// Backwards: what was found, newest first.
    found: Vec<Record>,
}

impl Search {
    fn new(query: JournalQuery) -> Self {
        let watches = query.watches.iter().map(|w| w.0).collect();
        let kinds = query.kinds.iter().cloned().collect();
        Self { query, watches, kinds, below: None, found: Vec::new() }
    }

    /// One turn: a page, or none if it goes on in another turn.
    fn turn(&mut self, conn: &Connection) -> Sql<Option<JournalPage>> {
        let bounds = |sql| {
            let mut statement = conn.prepare_cached(sql)?;
            statement.query_row((), |row| columns::maybe_number(row, 0))
        };
        let Some(newest) = bounds("SELECT max(seq) FROM journal")? else {
            return Ok(Some(JournalPage { records: Vec::new(), next: self.query.after, oldest: 0 }));
        };
        let oldest = bounds("SELECT min(seq) FROM journal")?.unwrap_or(0);
        match self.query.last {
            None => self.forwards(conn, newest, oldest).map(Some),
            Some(last) => self.backwards(conn, newest, oldest, last.min(self.query.max).min(LARGEST_PAGE) as usize),
        }
    }

    fn forwards(&self, conn: &Connection, newest: u64, oldest: u64) -> Sql<JournalPage> {
        let max = self.query.max.min(LARGEST_PAGE) as usize;
        let mut records = Vec::new();
        let mut next = self.query.after;
        let mut looked = 0;
        let sql = format!("SELECT {} FROM journal WHERE seq > ?1 ORDER BY seq", journal::COLUMNS);
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query([self.query.after.min(i64::MAX.cast_unsigned()).cast_signed()])?;
        while records.len() < max && looked < ROWS {
            let Some(row) = rows.next()? else {
                return Ok(JournalPage { records, next: next.max(newest), oldest });
            };
            looked += 1;
            next = columns::number(row, 0)?;
            if self.matches(row)? {
                records.push(Arc::unwrap_or_clone(journal::decode(row)?.record));
            }
        }
        Ok(JournalPage { records, next, oldest })
    }

    fn backwards(&mut self, conn: &Connection, newest: u64, oldest: u64, last: usize) -> Sql<Option<JournalPage>> {
        let (below, top) = self.below.unwrap_or((newest + 1, newest));
        let sql = format!(
            "SELECT {} FROM journal WHERE seq < ?1 AND seq > ?2 ORDER BY seq DESC LIMIT {ROWS}",
            journal::COLUMNS
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let after = self.query.after.min(i64::MAX.cast_unsigned()).cast_signed();
        let mut rows = statement.query((below.cast_signed(), after))?;
        let mut looked = 0;
        while self.found.len() < last
            && let Some(row) = rows.next()?
        {
            looked += 1;
            self.below = Some((columns::number(row, 0)?, top));
            if self.matches(row)? {
                self.found.push(Arc::unwrap_or_clone(journal::decode(row)?.record));
            }
        }
        if self.found.len() < last && looked == ROWS {
            return Ok(None);
        }
        let mut records = std::mem::take(&mut self.found);
        records.reverse();
        Ok(Some(JournalPage { records, next: top.max(self.query.after), oldest }))
    }

    fn matches(&self, row: &rusqlite::Row<'_>) -> Sql<bool> {
        if let Some(since) = self.query.since
            && columns::time(row, journal::TIME)? < since
        {
            return Ok(false);
        }
        if !self.watches.is_empty() {
            match row.get::<_, Option<u32>>(journal::WATCH)? {
                Some(watch) if self.watches.contains(&watch) => {}
                _ => return Ok(false),
            }
        }
        Ok(self.kinds.is_empty() || self.kinds.contains(row.get_ref(journal::KIND)?.as_str()?))
    }
}
