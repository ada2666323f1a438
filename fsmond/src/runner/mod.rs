//! Runs commands: each in a process group of its own, with a clean environment, bounded output and a bounded time.
//!
//! To follow one run read `life` (on a thread of `followers`), and one worker `worker` (`workers`: those of a watch); around them are `environment`,
//! `program` and `launch` (what is started), `leader`, `exit` and `stragglers` (its processes), `output` and `stdin` (its
//! pipes), `handed` (the file that it finds open), `run_as`, `manners` and `trust` (as whom, how, and what root may run at
//! all; `vouched`: what was found so a moment ago). `places` holds what waits for another to end. `inherited` keeps what the daemon was started with away from commands, and `leftovers` ends what an earlier daemon left behind. `mover` does
//! what becomes of a file after its run. `beneath` is how a file below a root is reached.
//!
//! Never here: whether and when to run, how often to try again, what a result means. Never a shell. Never a signal to
//! a number that could be somebody else's by now.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fsmon_core::Input;
use fsmon_core::io::{Change, PutAway, PutAwayRequest, RunId, SpawnRequest, WatchId, WorkersRequest};
use fsmon_protocol::run::Outcome;
use fsmon_protocol::spec::Mode;
use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

use crate::edges::{Inbox, Results, RunnerEdge};
pub(crate) use doubt::doubt;
use environment::Environment;
use followers::Followers;
pub(crate) use handed::keep_number;
use life::End;
use places::Places;
use vouched::Vouched;
use workers::{Pool, Wish};

mod beneath;
mod doubt;
mod environment;
mod exit;
mod followers;
mod handed;
mod inherited;
mod launch;
mod leader;
pub mod leftovers;
mod life;
mod manners;
mod mover;
mod output;
mod places;
#[cfg(target_os = "linux")]
mod processes;
mod program;
mod readable;
pub(crate) mod run_as;
mod stdin;
mod stragglers;
#[cfg(test)]
mod tests;
pub(crate) mod trust;
mod vouched;
mod worker;
mod workers;

/// After the deadline of a stop, how long a killed process may take to disappear before it is given up.
const AFTER_KILL: Duration = Duration::from_secs(1);

/// So many files of one watch are moved or deleted at once: a file system that hangs holds up no other watch.
const MOVES: usize = 4;

/// How commands are run, the same for all.
#[derive(Debug, Clone)]
pub struct RunnerOptions {
    /// Folder for output: one file per run that prints anything, named by the run's number. Made if it is not there.
    pub output_dir: PathBuf,
    /// What tells this daemon's commands from those of another on the same machine: the id of its state folder.
    /// Commands carry it in their environment as `FSMON_DAEMON`.
    pub daemon_id: String,
}

impl RunnerOptions {
    /// As they are for every run.
    pub fn new(output_dir: PathBuf, daemon_id: String) -> Self {
        Self { output_dir, daemon_id }
    }
}

/// Runs commands. Clones share the same runs.
#[derive(Clone)]
pub struct Runner {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    followers: Followers,
    runtime: Handle,
}

/// What all runs share.
struct Shared {
    inbox: Inbox,
    results: Results,
    options: RunnerOptions,
    base: Environment<'static>,
    vouched: Vouched,
    running: Mutex<Running>,
    moves: Mutex<HashMap<WatchId, Arc<Semaphore>>>,
}

#[derive(Default)]
struct Running {
    runs: HashMap<RunId, Control>,
    places: Places,
    /// The workers of each watch, and those that are being ended.
    pools: Vec<Arc<Pool>>,
    /// The deadline of the stop, once the daemon stops.
    stop: Option<Instant>,
}

/// How one run is told to end.
struct Control {
    /// By this and its number its processes are known.
    event_id: String,
    grace: Duration,
    wish: watch::Sender<Option<End>>,
}

impl Control {
    /// Ends the run no later than was wished before.
    fn end(&self, now: Instant, deadline: Option<Instant>) {
        self.wish.send_modify(|wish| {
            let kill_at = deadline.unwrap_or(now + self.grace).min(now + self.grace);
            let kill_at = wish.map_or(kill_at, |before| before.kill_at.min(kill_at));
            let give_up_at = deadline.map(|at| at + AFTER_KILL).or(wish.and_then(|before| before.give_up_at));
            *wish = Some(End { kill_at, give_up_at });
        });
    }
}

impl Running {
    /// A run begins; what it will hear of its end.
    fn enter(&mut self, request: &SpawnRequest) -> watch::Receiver<Option<End>> {
        let (wish, wished) = watch::channel(None);
        let control = Control { event_id: request.event_id.clone(), grace: request.rules.grace.0, wish };
        if let Some(deadline) = self.stop {
            control.end(Instant::now(), Some(deadline));
        }
        self.runs.insert(request.run, control);
        wished
    }

    /// A run of this watch has ended: the one that takes its place begins, if one waits.
    fn next(&mut self, watch: WatchId) -> Option<(Arc<SpawnRequest>, watch::Receiver<Option<End>>)> {
        let next = self.places.pass_on(watch)?;
        let wish = self.enter(&next);
        Some((next, wish))
    }
}

impl Runner {
    /// Makes ready to run commands; what comes of them goes to `results`, all other answers to `inbox`. Must be called
    /// within a runtime, and before anything else
    /// starts a process. Fails where the folder for output cannot be made.
    pub fn start(inbox: Inbox, results: Results, options: RunnerOptions) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&options.output_dir)?;
        inherited::close_descriptors_on_exec()?;
        inherited::unignore_signals();
        let base = environment::base(&options.daemon_id);
        let shared = Arc::new(Shared {
            inbox,
            results,
            options,
            base,
            vouched: Vouched::default(),
            running: Mutex::default(),
            moves: Mutex::default(),
        });
        Ok(Self { shared, tasks: TaskTracker::new(), followers: Followers::new(), runtime: Handle::current() })
    }

    /// Ends all commands for a shutdown: TERM at once, KILL after the grace of each or at `deadline`, whichever comes
    /// first. Returns when all have ended and said so (as [`Outcome::Interrupted`]), at the latest two seconds after
    /// the deadline. The inbox must be emptied meanwhile. What is asked to start from now on is interrupted at once.
    pub async fn stop(&self, deadline: Instant) {
        let ended: Vec<(RunId, String)> = {
            let mut running = self.shared.running();
            running.stop = Some(deadline);
            self.taken_back(running.places.take_back_all());
            let now = Instant::now();
            running.runs.values().for_each(|control| control.end(now, Some(deadline)));
            for pool in &running.pools {
                pool.wish.send_replace(Wish::Stop(deadline));
            }
            running.runs.iter().map(|(run, control)| (*run, control.event_id.clone())).collect()
        };
        self.tasks.close();
        if timeout_at(deadline + 2 * AFTER_KILL, self.tasks.wait()).await.is_err() {
            debug!("commands were still running after the deadline of the stop");
        }
        // For all of them at once: each look goes through all processes there are.
        life::end_escaped(&self.shared.options.daemon_id, &ended, deadline).await;
    }
}

impl RunnerEdge for Runner {
    fn spawn(&mut self, request: Box<SpawnRequest>) {
        if request.rules.mode == Mode::Worker {
            return self.give(*request);
        }
        let request = Arc::<SpawnRequest>::from(request);
        let wish = {
            let mut running = self.shared.running();
            if !running.places.take(&request) {
                return;
            }
            running.enter(&request)
        };
        let (run, watch) = (request.run, request.watch);
        let lives = self.tasks.track_future(follow(request, Arc::clone(&self.shared), wish));
        if let Err(error) = self.followers.follow(lives) {
            self.shared.running().runs.remove(&run);
            let why = format!("no thread can be started for it: {error}; see the limits on processes and open files");
            self.answer(Input::RunPutOff(run, why));
            // Nobody would begin what waits for its place.
            let mut running = self.shared.running();
            self.taken_back(std::iter::from_fn(|| running.places.pass_on(watch)).map(|next| next.run));
        }
    }

    fn take_back(&mut self, watch: WatchId, only: Option<RunId>) {
        let taken = self.shared.running().places.take_back(watch, only);
        self.taken_back(taken);
    }

    fn end(&mut self, run: RunId) {
        let running = self.shared.running();
        match running.runs.get(&run) {
            Some(control) => control.end(Instant::now(), None),
            None => drop(running.pools.iter().any(|pool| pool.end(run))),
        }
    }

    fn put_away(&mut self, request: PutAwayRequest) {
        let mut moves = self.shared.moves.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = moves.entry(request.watch).or_insert_with(|| Arc::new(Semaphore::new(MOVES)));
        // Not among the runs that a stop waits for: what is not done then, the next start does.
        self.runtime.spawn(put_away(request, Arc::clone(turn), self.shared.inbox.clone()));
    }

    fn workers(&mut self, watch: WatchId, wanted: Option<Box<WorkersRequest>>) {
        let mut running = self.shared.running();
        if running.stop.is_some() {
            return;
        }
        let current = running.pools.iter().find(|pool| pool.serves(watch));
        if let Some(pool) = current {
            if wanted.as_ref().is_some_and(|wanted| pool.is_as(wanted)) {
                return;
            }
            pool.wish.send_replace(Wish::Finish);
            let (pool, shared) = (Arc::clone(pool), Arc::clone(&self.shared));
            self.tasks.spawn_on(async move { pool.take_back(&shared).await }, &self.runtime);
        }
        if let Some(wanted) = wanted {
            let pool = Arc::new(Pool::new(*wanted));
            running.pools.push(Arc::clone(&pool));
            self.tasks.spawn_on(keep_all(pool, Arc::clone(&self.shared)), &self.runtime);
        }
    }
}

impl Runner {
    /// Gives a line to the workers of its watch; where there are none any more, it is taken back.
    fn give(&self, request: SpawnRequest) {
        let pool = self.shared.running().pools.iter().find(|pool| pool.serves(request.watch)).cloned();
        if let Some(pool) = pool {
            pool.push(request);
            return;
        }
        self.answer(Input::RunEnded(workers::without_output(request.run, Outcome::Interrupted)));
    }

    /// The answers about runs that were taken back.
    fn taken_back(&self, runs: impl IntoIterator<Item = RunId>) {
        runs.into_iter().for_each(|run| self.answer(Input::RunTakenBack(run)));
    }

    /// The answer about a run that never began.
    fn answer(&self, answer: Input) {
        let shared = Arc::clone(&self.shared);
        let send = async move {
            // The engine is gone only when nobody waits for an answer any more.
            let _ = shared.inbox.send(answer).await;
        };
        drop(self.tasks.spawn_on(send, &self.runtime));
    }
}

/// Keeps all workers of a pool going, until all have ended for good.
async fn keep_all(pool: Arc<Pool>, shared: Arc<Shared>) {
    let all = 1..=pool.request.rules.concurrency;
    let workers: Vec<_> = all.map(|n| tokio::spawn(worker::keep(Arc::clone(&pool), Arc::clone(&shared), n))).collect();
    for worker in workers {
        // One that panicked outside of its worker's life leaves that to the others.
        let _ = worker.await;
    }
    shared.running().pools.retain(|other| !Arc::ptr_eq(other, &pool));
    // What was pushed while the last one ended.
    pool.take_back(&shared).await;
}

/// One file that is moved or deleted, and the one answer about it.
async fn put_away(request: PutAwayRequest, turn: Arc<Semaphore>, inbox: Inbox) {
    let Ok(_turn) = turn.acquire().await else { return };
    let (watch, node, path) = (request.watch, request.node, request.root.join(request.rel.as_bytes()));
    let result = tokio::task::spawn_blocking(move || mover::put_away(&request)).await;
    let result = result.unwrap_or_else(|error| PutAway::Kept(format!("it failed within fsmond: {error}")));
    match &result {
        PutAway::Moved(to) => info!("{path} was moved to {to}"),
        PutAway::Deleted => info!("{path} was processed and deleted"),
        PutAway::Gone | PutAway::Changed | PutAway::Kept(_) => debug!(?result, "{path} was not moved or deleted"),
    }
    // The engine is gone only when nobody waits for an answer any more.
    let _ = inbox.send(Input::PutAway { watch, node, result }).await;
}

/// One run, and those that take its place one after another.
async fn follow(first: Arc<SpawnRequest>, shared: Arc<Shared>, wish: watch::Receiver<Option<End>>) {
    let watch = first.watch;
    let mut next = Some((first, wish));
    while let Some((request, wish)) = next {
        let ended = supervise(request, &shared, wish).await;
        next = shared.running().next(watch);
        // The engine is gone only when nobody waits for an answer any more.
        let _ = shared.results.send(ended).await;
    }
}

/// One run, and the one answer about it, whatever happens in between.
async fn supervise(request: Arc<SpawnRequest>, shared: &Arc<Shared>, wish: watch::Receiver<Option<End>>) -> Input {
    let run = request.run;
    let life = AssertUnwindSafe(life::run(request, Arc::clone(shared), wish)).catch_unwind();
    let ended = life.await.unwrap_or_else(|_panic| {
        // Its processes were killed when the leader was dropped.
        let outcome = Outcome::NotStarted("a bug in fsmond ended this run: see the log".into());
        Input::RunEnded(workers::without_output(run, outcome))
    });
    debug!(run, ?ended, "run ended");
    shared.running().runs.remove(&run);
    ended
}

/// The files of a batch; none where the run is for one file, or for the whole watch.
fn batch_of(request: &SpawnRequest) -> Option<&[Change]> {
    request.manifest.as_deref().filter(|_| request.rules.mode == Mode::Batch)
}

impl Shared {
    fn running(&self) -> MutexGuard<'_, Running> {
        // Nothing that is done under this lock can leave it half done.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
