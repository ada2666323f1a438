//! `tail`: records from a cursor on, from the store and then from the ring, without a gap or a repeat between them.
//!
//! The ring has the newest records, also those that are not committed yet; the store has what the ring has let go.
//! A cursor only ever moves over records that were looked at, whether they matched or not.

use std::collections::VecDeque;
use std::time::Duration;

use fsmon_core::io::WatchId;
use fsmon_protocol::event::What;
use fsmon_protocol::rpc_types::{Cursor, Reply, TailReply, TailRequest};
use fsmon_protocol::{ApiError, ErrorKind, Record, Timestamp, path};
use tokio::time::{Instant, sleep, sleep_until};

use super::roles::Role;
use super::runs::hide_command;
use super::session::{Session, wait_until};
use crate::edges::JournalQuery;
use crate::engine::{Ring, RingEntry, RingRead, kind_of};

/// Records in one reply.
const MOST_RECORDS: usize = 4096;
/// About how many bytes one reply has: far below what a frame may have.
const MOST_BYTES: usize = 512 << 10;
/// The most that [`Cursor::Last`] goes back.
const FURTHEST_BACK: u32 = 10_000;
/// Records taken from the ring under its lock.
const AT_ONCE: usize = 1024;
/// How soon to ask again for records that the ring has let go and the store has not committed yet.
const COMMIT_PAUSE: Duration = Duration::from_millis(10);
/// The kinds there are.
pub(super) const KINDS: [&str; 10] =
    ["create", "modify", "rename", "delete", "attrib", "gap", "run", "schedule", "service", "watch"];

/// Which records are wanted.
struct Filter {
    watches: Vec<WatchId>,
    kinds: Vec<String>,
    since: Option<Timestamp>,
}

impl Filter {
    fn takes(&self, entry: &RingEntry) -> bool {
        let record = &entry.record;
        (self.watches.is_empty() || entry.watch.is_some_and(|watch| self.watches.contains(&watch)))
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == kind_of(&record.what)))
            && self.since.is_none_or(|since| record.time >= since)
    }
}

/// The reply as it grows: bounded in records and bytes from the front, or (for the last so many) kept short by
/// letting the oldest go.
struct Batch {
    records: VecDeque<Record>,
    bytes: usize,
    most: usize,
    last: Option<usize>,
}

impl Batch {
    /// Takes a record, or does not since the reply is full.
    fn take(&mut self, record: &Record) -> bool {
        if let Some(last) = self.last {
            if self.records.len() == last {
                self.records.pop_front();
            }
            self.records.push_back(record.clone());
            return true;
        }
        let bytes = self.bytes + size_of_record(record);
        if !self.records.is_empty() && (self.records.len() >= self.most || bytes > MOST_BYTES) {
            return false;
        }
        self.bytes = bytes;
        self.records.push_back(record.clone());
        true
    }

    fn room(&self) -> usize {
        self.last.unwrap_or(self.most - self.records.len().min(self.most))
    }

    /// Cuts the last so many down to one reply. Gives the number of the last record left if any had to go.
    fn cut(&mut self) -> Option<u64> {
        self.last.take()?;
        let all = std::mem::take(&mut self.records);
        for record in all {
            if !self.take(&record) {
                return self.records.back().map(|record| record.seq);
            }
        }
        None
    }
}

impl Session {
    /// See [`fsmon_protocol::rpc::Fsmon::tail`].
    pub async fn tail_from(&self, request: TailRequest) -> Reply<TailReply> {
        check_kinds(&request.kinds)?;
        let until = wait_until(request.wait_ms);
        let mut ring = self.server.engine.ring();
        // Where "now" is, before anything that takes time.
        let now = ring.last();
        let watches = if request.watches.is_empty() { Vec::new() } else { self.resolve(request.watches).await? };
        let mut filter = Filter { watches, kinds: request.kinds, since: None };
        let most = usize::try_from(request.max).unwrap_or(usize::MAX).clamp(1, MOST_RECORDS);
        let mut batch = Batch { records: VecDeque::new(), bytes: 0, most, last: None };
        let mut at = match request.cursor {
            Cursor::Now | Cursor::Last(0) => now,
            Cursor::After(seq) => seq,
            Cursor::Since(since) => {
                filter.since = Some(since);
                0
            }
            Cursor::Last(n) => {
                batch.last = usize::try_from(n.min(FURTHEST_BACK)).ok();
                0
            }
        };
        let counts_missed = matches!(request.cursor, Cursor::After(_));
        let mut missed = 0;
        loop {
            let (read_to, mut more, lost) = self.collect(&ring, at, &filter, &mut batch).await?;
            at = read_to;
            missed += if counts_missed { lost } else { 0 };
            if let Some(cut_at) = batch.cut() {
                (at, more) = (cut_at, true);
            }
            if !batch.records.is_empty() || missed > 0 || self.server.stop.is_cancelled() || Instant::now() >= until {
                let mut records = Vec::from(batch.records);
                if self.role() < Some(Role::Operator) {
                    for record in &mut records {
                        hide_program(record);
                    }
                }
                return Ok(TailReply { records, next: at, missed, more });
            }
            tokio::select! {
                news = ring.wait_beyond(at) => if !news { return Err(ended()) },
                () = sleep_until(until) => {}
                () = self.server.stop.cancelled() => {}
            }
        }
    }

    /// Fills the batch with what comes after `at`. Gives up to where it looked, whether it stopped since the batch is
    /// full, and how many records before the first are gone from the store.
    async fn collect(&self, ring: &Ring, mut at: u64, filter: &Filter, batch: &mut Batch) -> Reply<(u64, bool, u64)> {
        let mut lost = 0;
        loop {
            match ring.read(at, AT_ONCE) {
                RingRead::Entries(entries) if entries.is_empty() => return Ok((at, false, lost)),
                RingRead::Entries(entries) => {
                    for entry in entries {
                        if filter.takes(&entry) && !batch.take(&entry.record) {
                            return Ok((at, true, lost));
                        }
                        at = entry.record.seq;
                    }
                }
                RingRead::Older(_) => {
                    let page = self.server.history.journal(query(at, filter, batch)).await?;
                    lost += page.oldest.saturating_sub(at.saturating_add(1));
                    for record in &page.records {
                        if !batch.take(record) {
                            return Ok((at, true, lost));
                        }
                        at = record.seq;
                    }
                    if page.next <= at && page.records.is_empty() {
                        if self.server.stop.is_cancelled() {
                            return Ok((at, false, lost));
                        }
                        sleep(COMMIT_PAUSE).await;
                    }
                    at = at.max(page.next);
                }
            }
        }
    }
}

/// What to ask the store for. The last so many are asked for once, from the start of the journal; what comes after
/// them is read on from there.
fn query(at: u64, filter: &Filter, batch: &Batch) -> JournalQuery {
    let max = u32::try_from(batch.room()).unwrap_or(u32::MAX).max(1);
    JournalQuery {
        after: at,
        since: filter.since,
        last: batch.last.filter(|_| at == 0).and_then(|last| u32::try_from(last).ok()),
        watches: filter.watches.clone(),
        kinds: filter.kinds.clone(),
        max,
    }
}

fn hide_program(record: &mut Record) {
    if let What::Run(run) = &mut record.what {
        hide_command(&mut run.outcome);
    }
}

fn check_kinds(kinds: &[String]) -> Result<(), ApiError> {
    match kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
        None => Ok(()),
        Some(kind) => Err(ApiError::usage(format!("there is no kind '{}'", path::escape(kind.as_bytes())))
            .hint(format!("the kinds are {}", KINDS.join(", ")))),
    }
}

fn ended() -> ApiError {
    ApiError::new(ErrorKind::NoDaemon, "fsmond is stopping").hint("start it again, then go on from the same number")
}

/// About how many bytes a record has on the wire, rather more than less.
fn size_of_record(record: &Record) -> usize {
    let text = match &record.what {
        What::Event(event) => event.path.as_bytes().len() + event.from.as_ref().map_or(0, |from| from.as_bytes().len()),
        What::Gap(gap) => gap.scope.as_bytes().len(),
        What::Run(run) => run.path.as_ref().map_or(0, |path| path.as_bytes().len()),
        What::Watch(change) => change.detail.as_ref().map_or(0, String::len),
        What::Schedule(_) | What::Service(_) => 0,
    };
    96 + record.watch.as_ref().map_or(0, |name| name.len()) + text
}
