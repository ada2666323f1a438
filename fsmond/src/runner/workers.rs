//! The workers of one watch: the queue of lines that they share, how many are up, and what they are to do. Each is kept
//! going by a task of its own, see [`super::worker`].
//!
//! The queue is as long as the core lets it be: what all workers together may have at a time. Where none is up any more,
//! what was not given to one is taken back, which uses no attempt.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fsmon_core::Input;
use fsmon_core::io::{RunEnded, RunId, SpawnRequest, WatchId, WorkersRequest};
use fsmon_protocol::run::Outcome;
use fsmon_protocol::status::Workers;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::warn;

use super::Shared;

/// What the workers are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Work.
    Serve,
    /// Answer what they were given, and end.
    Finish,
    /// End, at the latest then: the daemon stops.
    Stop(Instant),
    /// End now: TERM, grace, KILL.
    Kill,
}

/// The workers of one watch.
pub(super) struct Pool {
    pub(super) request: WorkersRequest,
    pub(super) wish: watch::Sender<Wish>,
    /// There is something in the queue.
    pub(super) news: Notify,
    state: Mutex<State>,
    /// One report at a time, so that they arrive in order.
    telling: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<SpawnRequest>,
    /// Runs that are not answered: with which worker; 0 for those in the queue.
    open: HashMap<RunId, u32>,
    up: u32,
    restarts: u64,
    trouble: Option<String>,
}

/// The answer about a run that no worker has.
pub(super) fn without_output(run: RunId, outcome: Outcome) -> RunEnded {
    RunEnded { run, outcome, ms: 0, output_bytes: 0, output_dropped: 0 }
}

impl Pool {
    pub(super) fn new(request: WorkersRequest) -> Self {
        let (wish, _) = watch::channel(Wish::Serve);
        Self { request, wish, news: Notify::new(), state: Mutex::default(), telling: tokio::sync::Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under this lock can leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is the one that a watch's lines go to.
    pub(super) fn serves(&self, watch: WatchId) -> bool {
        self.request.watch == watch && *self.wish.borrow() == Wish::Serve
    }

    /// Whether these would be the same workers.
    pub(super) fn is_as(&self, wanted: &WorkersRequest) -> bool {
        let (a, b) = (&self.request.rules, &wanted.rules);
        let times = (a.timeout, a.grace) == (b.timeout, b.grace);
        let many = (a.concurrency, a.in_flight) == (b.concurrency, b.in_flight);
        let what = (&a.command, &a.env, &a.cwd, &a.run_as) == (&b.command, &b.env, &b.cwd, &b.run_as);
        times && many && what && (&self.request.root, &self.request.watch_name) == (&wanted.root, &wanted.watch_name)
    }

    /// A line for one of them.
    pub(super) fn push(&self, request: SpawnRequest) {
        let mut state = self.state();
        state.open.insert(request.run, 0);
        state.queue.push_back(request);
        drop(state);
        self.news.notify_one();
    }

    /// Lines for this worker, which has room for so many. Not more than its share, so that no other is idle.
    pub(super) fn take(&self, worker: u32, room: usize) -> Vec<SpawnRequest> {
        let mut state = self.state();
        let all = usize::try_from(self.request.rules.concurrency).unwrap_or(1).max(1);
        let n = state.queue.len().div_ceil(all).min(room);
        let taken: Vec<_> = state.queue.drain(..n).collect();
        for request in &taken {
            state.open.insert(request.run, worker);
        }
        if !state.queue.is_empty() {
            self.news.notify_one();
        }
        taken
    }

    /// Tells what came of a run.
    pub(super) async fn ended(&self, shared: &Shared, ended: RunEnded) {
        if self.state().open.remove(&ended.run).is_some() {
            // The engine is gone only when nobody waits for an answer any more.
            let _ = shared.inbox.send(Input::RunEnded(ended)).await;
        }
    }

    /// A person wants this run to end. Whether it is here.
    pub(super) fn end(&self, run: RunId) -> bool {
        let here = self.state().open.contains_key(&run);
        if here {
            self.wish.send_modify(|wish| *wish = if matches!(wish, Wish::Stop(_)) { *wish } else { Wish::Kill });
        }
        here
    }

    /// What no worker has is taken back.
    pub(super) async fn take_back(&self, shared: &Shared) {
        let queue = std::mem::take(&mut self.state().queue);
        for request in queue {
            self.ended(shared, without_output(request.run, Outcome::Interrupted)).await;
        }
    }

    /// What a worker's task left unanswered when it panicked.
    pub(super) async fn answer_for(&self, shared: &Shared, worker: u32) {
        let open: Vec<RunId> = self.state().open.iter().filter(|(_, of)| **of == worker).map(|(&run, _)| run).collect();
        for run in open {
            let why = "a bug in fsmond ended its worker: see the log".to_owned();
            self.ended(shared, without_output(run, Outcome::WorkerFailed(why))).await;
        }
    }

    /// One more is up.
    pub(super) async fn up(&self, shared: &Shared, again: bool) {
        {
            let mut state = self.state();
            state.up += 1;
            state.restarts += u64::from(again);
            if state.up == self.request.rules.concurrency {
                state.trouble = None;
            }
        }
        self.tell(shared).await;
    }

    /// One could not be started, or one that `was_up` has ended.
    pub(super) async fn down(&self, shared: &Shared, was_up: bool, why: String) {
        let serves = *self.wish.borrow() == Wish::Serve;
        if serves {
            warn!(target: "fsmond::worker", watch = &*self.request.watch_name, why, "a worker is down");
        }
        let none = {
            let mut state = self.state();
            state.up = state.up.saturating_sub(u32::from(was_up));
            state.trouble = Some(why);
            state.up == 0
        };
        self.tell(shared).await;
        if none || !serves {
            self.take_back(shared).await;
        }
    }

    /// Tells how they are, as long as they are the watch's.
    async fn tell(&self, shared: &Shared) {
        let _one_at_a_time = self.telling.lock().await;
        if *self.wish.borrow() != Wish::Serve {
            return;
        }
        let workers = {
            let State { up, restarts, trouble, .. } = &*self.state();
            Workers { wanted: self.request.rules.concurrency, up: *up, restarts: *restarts, trouble: trouble.clone() }
        };
        let _ = shared.inbox.send(Input::Workers(self.request.watch, workers)).await;
    }
}
