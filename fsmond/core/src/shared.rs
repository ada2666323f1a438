//! What all watches share: numbers, limits, running commands, sweeps, and the way out.

use std::sync::Arc;

use fsmon_protocol::event::{Record, What};
use fsmon_protocol::fingerprint::Fingerprint;
use fsmon_protocol::status::Counters;

use crate::io::{Ack, Effect, JournalRow, LogLevel, Now, RunId, StoreOp, WatchId};
use crate::runs::Runs;
use crate::sweep::Sweeps;

/// What all watches share.
#[derive(Debug)]
pub struct Shared {
    /// The number of the next record or sweep.
    pub next_seq: u64,
    /// The number of the next run.
    pub next_run: RunId,
    /// For jitter only.
    pub random: fastrand::Rng,
    /// Runs that are being recorded or whose command runs.
    pub runs: Runs,
    /// How many of them are lent: they have no place yet.
    pub lent: usize,
    /// How many commands run at once over all watches.
    pub max_runs: u32,
    /// Whether a watch waits for a place that other watches' commands have, or there are more commands than places by now.
    pub crowded: bool,
    /// Sweeps, those of late included.
    pub sweeps: Sweeps,
    /// Since start.
    pub counters: Counters,
    /// Why the store cannot write, if so: no run is started until it can.
    pub store_error: Option<String>,
    /// The daemon stops: nothing is started.
    pub stopping: bool,
    /// The last number given to a look or a listing.
    pub last_tag: u32,
}

impl Shared {
    /// The number of a look or listing: never 0, not used for a long time.
    pub fn tag(&mut self) -> u32 {
        self.last_tag = self.last_tag.wrapping_add(1).max(1);
        self.last_tag
    }

    /// The number of a record or sweep.
    pub fn seq(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    /// Whether anything may start now.
    pub fn may_start(&self) -> bool {
        !self.stopping && self.store_error.is_none()
    }

    /// Whether there is room for one more command.
    pub fn has_room(&self) -> bool {
        self.runs.commands() - self.lent < self.max_runs as usize
    }

    /// Whether more commands run than may by now.
    pub fn has_too_many(&self) -> bool {
        self.runs.commands() - self.lent > self.max_runs as usize
    }
}

/// One step's view of the world: now, the way out, and what is shared.
pub struct Ctx<'a> {
    /// Both clocks.
    pub now: Now,
    /// The way out.
    pub out: &'a mut Vec<Effect>,
    /// What all watches share.
    pub shared: &'a mut Shared,
}

impl Ctx<'_> {
    /// Appends a record to the journal and gives its number.
    pub fn record(&mut self, watch: Option<(WatchId, &Arc<str>)>, what: What, fingerprint: Option<Fingerprint>) -> u64 {
        self.record_for(watch, what, fingerprint, None)
    }

    /// The same; somebody waits until it is durable.
    pub fn record_for(
        &mut self,
        watch: Option<(WatchId, &Arc<str>)>,
        what: What,
        fingerprint: Option<Fingerprint>,
        ack: Option<Ack>,
    ) -> u64 {
        let seq = self.shared.seq();
        self.shared.counters.records += 1;
        let record = Record { seq, time: self.now.wall, watch: watch.map(|(_, name)| Arc::clone(name)), what };
        let row = JournalRow { watch: watch.map(|(id, _)| id), record: Arc::new(record), fingerprint };
        self.store(StoreOp::Record(row), ack);
        seq
    }

    /// Stores something.
    pub fn store(&mut self, op: StoreOp, ack: Option<Ack>) {
        self.out.push(Effect::Store(op, ack));
    }

    /// Says something that is no record.
    pub fn log(&mut self, level: LogLevel, line: String) {
        self.out.push(Effect::Log(level, line));
    }
}
