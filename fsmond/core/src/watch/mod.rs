//! One watch: its tree, what is suspected, what is pending, its scans, schedule and state.
//!
//! The files below each hold one of its concerns as an `impl Watch`. In the order in which a change travels: `hints`
//! and `listing` raise suspicions, `looks` confirms them, `tell` records what follows, `settle` (by the rule of
//! `complete`), `starts` and `runs` process it. Around them: `wanted`, `ignoring` and `let_in` say what is watched at all; then
//! `root`, `mounts`, `reconcile`, `pairing`, `rename`, `clocks`, `occurrence`, `giving`, `ahead`, `once`, `batch`, `breaker`,
//! `dedupe`, `order`, `pace`, `put_away`, `workers`, `ledger`, `looping`, `verify`, `explain`, `status`. A watch knows no
//! other watch.

mod accept;
mod ahead;
mod aside;
mod asked;
mod batch;
mod breaker;
mod change;
mod clocks;
mod complete;
mod dedupe;
mod dropping;
mod explain;
mod files;
mod findings;
mod flaws;
mod giving;
mod hints;
mod ignoring;
mod ledger;
mod let_in;
mod listing;
mod looks;
mod looping;
mod mounts;
mod occurrence;
mod once;
mod order;
mod pace;
mod pairing;
pub mod pending;
pub mod probe;
mod put_away;
mod reconcile;
mod rename;
mod replay;
mod root;
mod runs;
mod settle;
mod stage;
mod starts;
mod status;
pub mod suspects;
mod tell;
mod understood;
mod unreadable;
mod verify;
mod waiters;
mod wanted;
mod workers;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use fsmon_protocol::event::{WatchChange, WatchChangeStatus, What};
use fsmon_protocol::spec::{Backend, Options, Rules, WatchSpec};
use fsmon_protocol::status::{DefinedBy, Workers};
use fsmon_protocol::units::Timestamp;
use fsmon_protocol::{ApiError, RawPath};

use crate::filter::Filter;
use crate::io::{Held, Name, NodeId, RootFacts, WatchId, WatchRow};
use crate::plan::Plan;
use crate::shared::Ctx;
use crate::tree::Tree;

use ahead::Ahead;
use asked::Asked;
use breaker::Breaker;
use clocks::Clocks;
use dedupe::Processed;
use ignoring::Ignores;
use ledger::Ledger;
use let_in::LetIn;
use listing::Listings;
use looping::Recent;
use once::Once;
use pace::Paced;
use pending::PendingMap;
use put_away::AfterRuns;
use reconcile::{OpenGap, Scan};
use rename::Limbo;
use suspects::Suspects;

pub use runs::{record_lost, store_end};
pub use understood::{Understood, root_of, understand};

/// The root, as far as the source has it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Root {
    /// Asked for and not yet answered.
    Opening,
    /// It is there.
    Open(RootFacts),
    /// It is not there or cannot be watched: why, and when to try again.
    Waiting(String, u64),
}

/// One watch.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent facts; each is explained where it stands")]
pub struct Watch {
    /// Its number.
    pub id: WatchId,
    /// Its name.
    pub name: Arc<str>,
    /// As it was defined.
    pub spec: WatchSpec,
    /// Its options with every default.
    pub rules: Arc<Rules>,
    /// By whom it was defined.
    pub defined_by: DefinedBy,
    /// Absolute path of the root folder.
    pub root_path: RawPath,
    /// Whether its runs are stopped by a person.
    pub paused: bool,
    only: Option<Name>,
    added: Timestamp,
    filter: Filter,
    /// What the ignore files in the tree say.
    ignores: Ignores,
    /// Its filters before they were changed, until all is seen since.
    let_in: Vec<LetIn>,
    root: Root,
    /// The root as it was when it was last believed.
    root_before: Option<(String, u64, bool)>,
    /// Why it does not act until a person decides.
    held: Option<Held>,
    /// Why its commands are not started until a person decides: one of them makes its own work.
    looping: Option<String>,
    /// Whether its commands are tried one at a time, since so many failed.
    breaker: Breaker,
    /// The runs that ended last.
    recent: VecDeque<Recent>,
    /// A person said that the next reconcile may delete as much as it finds gone.
    unbraked: bool,
    /// A person said that what is there is right and done: nothing that the next reconcile finds is work.
    accepting: bool,
    /// Since when the daemon was not running, until its root is open again.
    down: Option<Timestamp>,
    tree: Tree,
    suspects: Suspects,
    listings: Listings,
    scan: Option<Scan>,
    /// Whether the first scan is complete.
    baseline_done: bool,
    /// Sweeps that wait for the next reconcile.
    wanted_by: Vec<u64>,
    /// A reconcile is wanted of this and all below it.
    scan_wanted: Option<Handle>,
    gaps: Vec<OpenGap>,
    limbo: Vec<Limbo>,
    asked: Asked,
    pending: PendingMap,
    ahead: Ahead,
    paced: Paced,
    /// What was processed of each file, where a change that leaves it so runs nothing.
    processed: Processed,
    /// Files to put away once the ends of their runs are stored.
    leaving: AfterRuns,
    /// A file that could not be put away, and why.
    kept: Option<(Handle, String)>,
    /// Files that wait for a file of this name in this folder.
    awaited: HashMap<(u32, Name), Vec<u32>>,
    /// The pattern of its lanes.
    key: Option<regex::bytes::Regex>,
    /// The schedule, understood.
    plan: Plan,
    /// The run for the whole watch, if one is due or runs.
    once: Option<Once>,
    /// Sweeps that want one more of it.
    once_more: Vec<u64>,
    clocks: Clocks,
    ledger: Ledger,
    /// Folders that cannot be read.
    unreadable: u64,
    /// Armed folders.
    armed: u64,
    /// Why some folders have no watches, if so.
    limit: Option<String>,
    transient: u64,
    /// The probe that is awaited, and whether it was heard of.
    probe: Option<(Name, bool)>,
    /// How its workers are, where it has some and that was told.
    workers: Option<Workers>,
}

impl Watch {
    /// A watch as it was asked for. Refuses what cannot be understood.
    pub fn new(row: WatchRow, spec: WatchSpec, defaults: &Options) -> Result<Self, ApiError> {
        let understood = understand(&spec.options, defaults)?;
        let root_path = root_of(&row.path, row.only.is_some());
        understood.check_at(&root_path, row.only.is_some())?;
        let Understood { rules, filter, plan, key } = understood;
        Ok(Self {
            id: row.id,
            name: row.name.clone(),
            spec,
            ledger: Ledger::new(row.upto, row.keep_runs != rules.keep_runs),
            processed: Processed::new(&rules),
            rules,
            defined_by: row.defined_by,
            root_path,
            paused: row.paused,
            only: row.only,
            added: row.added,
            filter,
            ignores: Ignores::default(),
            let_in: Vec::new(),
            root: Root::Opening,
            root_before: row.root,
            held: row.held,
            looping: None,
            breaker: Breaker::default(),
            recent: VecDeque::new(),
            unbraked: row.accepting,
            accepting: row.accepting,
            down: None,
            tree: Tree::new(),
            suspects: Suspects::default(),
            listings: Listings::default(),
            scan: None,
            baseline_done: row.baseline_done,
            wanted_by: Vec::new(),
            scan_wanted: Some(NodeId::ROOT),
            gaps: Vec::new(),
            limbo: Vec::new(),
            asked: Asked::default(),
            pending: PendingMap::default(),
            ahead: Ahead::default(),
            paced: Paced::default(),
            leaving: AfterRuns::new(),
            kept: None,
            awaited: HashMap::new(),
            key,
            plan,
            once: None,
            once_more: Vec::new(),
            clocks: Clocks::new(row.last_due, row.owed),
            unreadable: 0,
            armed: 0,
            limit: None,
            transient: 0,
            probe: None,
            workers: None,
        })
    }

    /// Its row as of now.
    pub fn row(&self) -> WatchRow {
        WatchRow {
            id: self.id,
            name: Arc::clone(&self.name),
            path: RawPath::from(self.spec.path.as_str()),
            defined_by: self.defined_by,
            only: self.only.clone(),
            added: self.added_as_stored(),
            baseline_done: self.baseline_done,
            paused: self.paused,
            held: self.held.clone(),
            last_due: self.clocks.last_due,
            owed: self.clocks.owed,
            root: self.root_before.clone(),
            upto: self.ledger.checkpoint,
            accepting: self.accepting,
            keep_runs: self.rules.keep_runs,
        }
    }

    /// Where its path is one file: its name.
    pub fn only(&self) -> Option<&Name> {
        self.only.as_ref()
    }

    /// How its changes are seen.
    pub fn backend(&self) -> Backend {
        match &self.root {
            Root::Open(facts) => facts.backend,
            _ => self.rules.backend,
        }
    }

    /// Whether folders are armed.
    fn arms(&self) -> bool {
        self.backend() != Backend::Poll
    }

    /// Whether its root is there and it may act.
    pub fn acts(&self) -> bool {
        matches!(self.root, Root::Open(_)) && self.held.is_none()
    }

    /// Whether it can't be reconciled now: its root is not there, or it is held.
    pub fn unable(&self) -> bool {
        self.held.is_some() || matches!(self.root, Root::Waiting(..))
    }

    /// Everything that is due by now, and what follows from what this step did.
    pub fn settle_step(&mut self, ctx: &mut Ctx<'_>) {
        self.on_clocks(ctx);
        self.catch_up(ctx);
        self.on_once_due(ctx);
        self.breaker.on_due(ctx.now.mono);
        self.on_ahead_due(ctx);
        self.settle_limbo(ctx);
        self.on_pending_due(ctx);
        self.on_turn(ctx);
        self.on_unreadable_due(ctx);
        self.on_ignores_due(ctx);
        self.send_listings(ctx);
        self.send_looks(ctx);
        self.on_digests_due(ctx);
        self.send_digests(ctx);
        self.maybe_finish_scan(ctx);
        self.maybe_start_scan(ctx);
        self.maybe_checkpoint(ctx);
    }

    /// The next moment at which it has something to do by itself.
    pub fn deadline(&self) -> Option<u64> {
        let moments = [
            self.suspects.deadline().filter(|_| self.acts()),
            self.pending.deadline().filter(|_| self.acts()),
            self.limbo_deadline(),
            self.once_deadline().filter(|_| self.acts()),
            self.breaker.after(),
            self.ahead_deadline(),
            self.processed.deadline(),
            self.turn(),
            self.clocks.deadline(self.root == Root::Opening),
            self.ledger.deadline(),
            self.root_deadline(),
            self.scan_deadline(),
            self.findings_deadline(),
            self.ignores.deadline().filter(|_| self.acts()),
            self.clocks.retry_unreadable.filter(|_| self.acts()),
        ];
        moments.into_iter().flatten().min()
    }

    /// Records a change of the watch itself.
    pub fn note(&self, status: WatchChangeStatus, detail: Option<String>, ctx: &mut Ctx<'_>) -> u64 {
        ctx.record(Some((self.id, &self.name)), What::Watch(WatchChange { status, detail }), None)
    }

    /// The absolute path of an entry, as the journal knows it: below something in limbo, where that was before.
    fn absolute(&self, at: u32) -> RawPath {
        let path = self.tree.path(at);
        let Some((from, depth)) = self.limbo_above(at) else { return self.root_path.join(&path) };
        let base = self.path_before(from).unwrap_or_else(|| self.root_path.join(&from.name));
        path.split(|&b| b == b'/').skip(depth).fold(base, |path, name| path.join(name))
    }
}

/// An entry that may be gone by the time it is needed.
type Handle = NodeId;
