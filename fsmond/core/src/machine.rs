//! The machine: all watches, what they share, and the one step that takes an input and gives effects.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound::{Excluded, Unbounded};

use fsmon_protocol::ApiError;
use fsmon_protocol::event::WatchChangeStatus;
use fsmon_protocol::run::{Answer, Outcome, RunStatus};
use fsmon_protocol::spec::WatchSpec;
use fsmon_protocol::status::Counters;
use fsmon_protocol::units::Timestamp;

use crate::io::{
    Ack, Effect, GapRow, Input, JournalRow, NodeRow, Now, RunId, RunRow, Settings, StoreOp, Token, WatchId, WatchRow,
};
use crate::runs::Runs;
use crate::shared::{Ctx, Shared};
use crate::sweep::Sweeps;
use crate::watch::{Watch, record_lost, store_end};

/// What an answer waits for: its effects to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Promise {
    /// The state of these watches then.
    Watches(Vec<WatchId>),
    /// What was removed.
    Removed(Vec<fsmon_protocol::rpc_types::Removed>),
    /// Of how many files.
    Count(u64),
    /// That it is done.
    Done,
}

/// Where numbers begin, as the store has reserved them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// The next journal number.
    pub seq: u64,
    /// The next run.
    pub run: RunId,
    /// The next watch.
    pub watch: u32,
}

/// The state machine. See the crate's documentation.
#[derive(Debug)]
pub struct Machine {
    pub(crate) watches: BTreeMap<WatchId, Watch>,
    pub(crate) shared: Shared,
    pub(crate) settings: Settings,
    pub(crate) next_watch: u32,
    pub(crate) promises: HashMap<Token, Promise>,
    /// Watches that this step touched.
    touched: BTreeSet<WatchId>,
    /// The time of the newest record that was replayed: until then the daemon is known to have run.
    heard: Option<Timestamp>,
    /// Watches that are restored and were not defined for a while: since when.
    pub(crate) returned: BTreeMap<WatchId, Timestamp>,
    /// Watches that were detached while commands of theirs ran: how often these would be tried again.
    pub(crate) detached: BTreeMap<WatchId, u32>,
    /// The watch that started a run last: the next one's turn comes first.
    turn: WatchId,
}

impl Machine {
    /// A machine without watches. `seed` is for jitter only.
    pub fn new(settings: Settings, numbers: Numbers, seed: u64) -> Self {
        let shared = Shared {
            next_seq: numbers.seq.max(1),
            next_run: numbers.run.max(1),
            random: fastrand::Rng::with_seed(seed),
            runs: Runs::default(),
            lent: 0,
            max_runs: settings.max_runs.max(1),
            crowded: false,
            sweeps: Sweeps::default(),
            counters: Counters::default(),
            store_error: None,
            stopping: false,
            last_tag: 0,
        };
        Self {
            watches: BTreeMap::new(),
            shared,
            settings,
            next_watch: numbers.watch.max(1),
            promises: HashMap::new(),
            touched: BTreeSet::new(),
            heard: None,
            returned: BTreeMap::new(),
            detached: BTreeMap::new(),
            turn: WatchId(0),
        }
    }

    /// Takes a stored watch. Its rows follow by [`Machine::restore`], then [`Machine::restored`].
    pub fn add_stored(&mut self, row: WatchRow, spec: WatchSpec) -> Result<(), ApiError> {
        let id = row.id;
        self.next_watch = self.next_watch.max(id.0 + 1);
        self.watches.insert(id, Watch::new(row, spec, &self.settings.defaults)?);
        Ok(())
    }

    /// Takes one stored row of a watch's ledger. Returns false where it makes no sense.
    pub fn restore(&mut self, watch: WatchId, row: NodeRow) -> bool {
        self.watches.get_mut(&watch).is_some_and(|w| w.restore(row))
    }

    /// After the last row of a watch. Returns how many rows made no sense: their files are found by the first scan.
    pub fn restored(&mut self, watch: WatchId) -> u32 {
        self.watches.get_mut(&watch).map_or(0, Watch::restored)
    }

    /// Takes what is stored of the ignore file in a folder of a watch, after [`Machine::restored`].
    pub fn restore_ignores(&mut self, watch: WatchId, place: u32, text: &[u8]) {
        if let Some(watch) = self.watches.get_mut(&watch) {
            watch.restore_ignores(place, text);
        }
    }

    /// Takes a gap that no reconcile has closed: the first one that begins from now on does. One of a watch that is no more
    /// is left out.
    pub fn restore_gap(&mut self, row: GapRow) {
        if let Some(watch) = self.watches.get_mut(&row.watch) {
            watch.restore_gap(row);
        }
    }

    /// Replays a journal row that may be newer than the ledger of its watch. In order of number.
    pub fn replay(&mut self, now: Now, row: &JournalRow) {
        self.heard = self.heard.max(Some(row.record.time));
        let mut unheard = Vec::new();
        if let Some(watch) = row.watch.and_then(|id| self.watches.get_mut(&id)) {
            watch.replay(row, &mut Ctx { now, out: &mut unheard, shared: &mut self.shared });
        }
    }

    /// Everything is restored: ends the records of `lost` runs, of which nobody knows how they ended, and opens the
    /// roots.
    pub fn start(&mut self, now: Now, lost: &[RunRow], out: &mut Vec<Effect>) {
        let mut ctx = Ctx { now, out, shared: &mut self.shared };
        for row in lost {
            record_lost(row, &mut ctx);
        }
        let all: Vec<WatchId> = self.watches.keys().copied().collect();
        for id in all {
            self.begin(id, now, out);
        }
    }

    /// A watch that is restored begins its work: what happened since it was last at work is found by a scan.
    pub(crate) fn begin(&mut self, id: WatchId, now: Now, out: &mut Vec<Effect>) {
        let (returned, heard) = (self.returned.remove(&id), self.heard);
        self.detached.remove(&id);
        self.with(id, now, out, |watch, ctx| {
            watch.replayed(returned.or(heard), ctx);
            if returned.is_some() {
                watch.note(WatchChangeStatus::Attached, None, ctx);
                ctx.store(StoreOp::Watch(Box::new(watch.row())), None);
                watch.adopt_runs(ctx);
            }
            watch.drop_unwanted(ctx);
            watch.open(ctx);
        });
    }

    /// Takes one input and appends what follows from it to `out`, in the order in which it must be done.
    pub fn step(&mut self, now: Now, input: Input, out: &mut Vec<Effect>) {
        self.take(now, input, out);
        let due: Vec<WatchId> = self
            .watches
            .iter()
            .filter(|(_, w)| w.deadline().is_some_and(|at| at <= now.mono))
            .map(|(&id, _)| id)
            .collect();
        self.touched.extend(due);
        for id in std::mem::take(&mut self.touched) {
            self.with(id, now, out, Watch::settle_step);
        }
        self.start_runs(now, out);
        out.extend(self.shared.sweeps.take_moved().into_iter().map(Effect::SweepMoved));
    }

    /// When the next [`Input::Tick`] is due, by the clock that is never set; none if nothing happens by itself.
    pub fn next_deadline(&self) -> Option<u64> {
        self.watches.values().filter_map(Watch::deadline).min()
    }

    /// Whether the results of runs may gather for some milliseconds: enough starts are lent to the runner to go on with.
    pub fn results_may_gather(&self) -> bool {
        self.watches.values().any(Watch::results_may_gather)
    }

    /// What contradicts itself in its state: nothing, ever. For tests.
    pub fn flaws(&self) -> Vec<String> {
        let mut flaws: Vec<String> = self.watches.values().flat_map(Watch::flaws).collect();
        let lent: usize = self.watches.values().map(|watch| watch.lent() as usize).sum();
        if lent != self.shared.lent {
            flaws.push(format!("{lent} starts are lent, and {} are counted", self.shared.lent));
        }
        flaws
    }

    fn take(&mut self, now: Now, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Hints(hints) => {
                for hint in hints {
                    self.with(hint.watch, now, out, |watch, ctx| watch.on_hint(hint.what, ctx));
                }
            }
            Input::Opened { watch, result } => self.with(watch, now, out, |watch, ctx| watch.on_opened(result, ctx)),
            Input::Mounted(points) => {
                let all: Vec<WatchId> = self.watches.keys().copied().collect();
                for id in all {
                    self.with(id, now, out, |watch, ctx| watch.on_mounted(&points, ctx));
                }
            }
            Input::Listed(parts) => {
                for part in parts {
                    self.with(part.watch, now, out, |watch, ctx| watch.on_listed(part, ctx));
                }
            }
            Input::Looked(answers) => {
                for answer in answers {
                    self.with(answer.watch, now, out, |watch, ctx| watch.on_looked(answer, ctx));
                }
            }
            Input::Digested(digested) => {
                self.with(digested.watch, now, out, |watch, ctx| watch.on_digested(digested, ctx));
            }
            Input::Stored(acks) => acks.into_iter().for_each(|ack| self.on_stored(now, ack, out)),
            Input::StoreState(error) => self.shared.store_error = error,
            Input::RunEnded(ended) => {
                let Some(watch) = self.shared.runs.get(ended.run).map(|run| run.watch) else { return };
                if self.watches.contains_key(&watch) {
                    self.with(watch, now, out, |watch, ctx| watch.on_run_ended(&ended, ctx));
                } else if let Some(run) = self.shared.runs.remove(ended.run) {
                    // Its watch ended meanwhile; the run is history all the same, and counts if that comes back.
                    let status = match ended.outcome {
                        Outcome::Exited(0) | Outcome::Answered(Answer::Ok, _) => RunStatus::Ok,
                        Outcome::Interrupted => RunStatus::Interrupted,
                        _ if self.detached.get(&run.watch).is_some_and(|&retries| run.attempt <= retries) => {
                            RunStatus::Retry
                        }
                        _ => RunStatus::Failed,
                    };
                    let mut ctx = Ctx { now, out, shared: &mut self.shared };
                    store_end(ended.run, &run, status, Some(&ended), None, &mut ctx);
                }
            }
            Input::RunVanished(run) => self.not_begun(now, run, out, Watch::on_run_vanished),
            Input::RunPutOff(run, why) => {
                self.not_begun(now, run, out, |watch, run, ctx| watch.on_run_put_off(run, why, ctx));
            }
            Input::RunTakenBack(run) => self.not_begun(now, run, out, Watch::taken_back),
            Input::PutAway { watch, node, result } => {
                self.with(watch, now, out, |watch, ctx| watch.on_put_away(node, result, ctx));
            }
            Input::Workers(watch, workers) => self.with(watch, now, out, |watch, _| watch.on_workers(workers)),
            Input::Command(token, command) => self.command(now, token, *command, out),
            Input::Tick => {}
        }
    }

    fn on_stored(&mut self, now: Now, ack: Ack, out: &mut Vec<Effect>) {
        match ack {
            Ack::RunStart(watch, run) => {
                if self.watches.contains_key(&watch) {
                    self.with(watch, now, out, |watch, ctx| watch.on_run_recorded(run, ctx));
                } else {
                    self.end_unstarted(run, now, out);
                }
            }
            Ack::RunEnd(watch, run) => self.with(watch, now, out, |watch, ctx| watch.on_end_recorded(run, ctx.now)),
            Ack::Checkpoint(watch) => self.with(watch, now, out, |watch, _| watch.on_checkpoint_stored()),
            Ack::Command(token) => self.keep_promise(now, token, out),
        }
    }

    /// A run has not begun.
    fn not_begun(
        &mut self,
        now: Now,
        run: RunId,
        out: &mut Vec<Effect>,
        then: impl FnOnce(&mut Watch, RunId, &mut Ctx<'_>),
    ) {
        let watch = self.shared.runs.get(run).map(|run| run.watch);
        if let Some(watch) = watch.filter(|watch| self.watches.contains_key(watch)) {
            self.with(watch, now, out, |watch, ctx| then(watch, run, ctx));
        } else {
            self.end_unstarted(run, now, out);
        }
    }

    /// Ends a run that was not started and whose watch is no more: where that may come back, its file still waits.
    fn end_unstarted(&mut self, id: RunId, now: Now, out: &mut Vec<Effect>) {
        let Some(run) = self.shared.runs.remove(id) else { return };
        let back = self.detached.contains_key(&run.watch);
        let status = if back { RunStatus::Interrupted } else { RunStatus::Vanished };
        store_end(id, &run, status, None, None, &mut Ctx { now, out, shared: &mut self.shared });
    }

    /// Does something with a watch, if there is one of this number, and remembers that it was touched.
    pub(crate) fn with(
        &mut self,
        id: WatchId,
        now: Now,
        out: &mut Vec<Effect>,
        act: impl FnOnce(&mut Watch, &mut Ctx<'_>),
    ) {
        if let Some(watch) = self.watches.get_mut(&id) {
            act(watch, &mut Ctx { now, out, shared: &mut self.shared });
            self.touched.insert(id);
        }
    }

    /// Starts what is ready, and records ahead what may follow.
    fn start_runs(&mut self, now: Now, out: &mut Vec<Effect>) {
        let waits = !self.shared.has_room() && self.watches.values().any(|w| w.lacks_room(&self.shared));
        self.shared.crowded = waits || self.shared.has_too_many();
        for watch in self.watches.values_mut() {
            watch.hurry(self.shared.crowded, now.mono);
        }
        self.take_places(now, out);
        for watch in self.watches.values_mut() {
            watch.record_ahead(&mut Ctx { now, out, shared: &mut self.shared });
        }
    }

    /// Starts what there is a place for, watch after watch in turn, so that none starves another.
    fn take_places(&mut self, now: Now, out: &mut Vec<Effect>) {
        loop {
            let mut started = false;
            let after = self.watches.range((Excluded(self.turn), Unbounded)).map(|(&id, _)| id);
            let turn: Vec<WatchId> = after.chain(self.watches.range(..=self.turn).map(|(&id, _)| id)).collect();
            for id in turn {
                if !self.shared.may_start() {
                    return;
                }
                if let Some(watch) = self.watches.get_mut(&id)
                    && watch.start_one(&mut Ctx { now, out, shared: &mut self.shared })
                {
                    started = true;
                    self.turn = id;
                }
            }
            if !started {
                return;
            }
        }
    }
}
