//! Carrying out what the core decided, in an order that keeps its promises.
//!
//! Within one turn: requests to see are handed to the workers first, since they take longest; records become visible
//! in the ring; then all store operations are submitted at once; and only then are commands started or ended and
//! callers answered. So nothing is started or answered whose record was not given to the store before.

use std::collections::HashMap;
use std::sync::Arc;

use fsmon_core::Effect;
use fsmon_core::io::{
    Ack, Answer, LogLevel, PutAwayRequest, RunId, SpawnRequest, StoreOp, Token, WatchId, WorkersRequest,
};
use fsmon_protocol::ApiError;
use tokio::sync::{oneshot, watch};
use tracing::{debug, error, info, warn};

use super::Edges;
use super::load::{Full, Load};
use super::record_log::log_record;
use super::ring::{RingEntry, RingWriter};
use crate::edges::{RunnerEdge, StoreEdge, WatchEdge};

/// After so many store operations memory is given back: some tenths of a second of work in a flood of events.
const MUCH: usize = 16_384;

type Reply = oneshot::Sender<Result<Answer, ApiError>>;

/// The token of a command that was given to the core before the engine started: nobody waits for its answer.
pub const NOBODY: Token = 0;

/// What waits until the turn's store operations are submitted.
enum Later {
    Spawn(Box<SpawnRequest>),
    TakeBack(WatchId, Option<RunId>),
    EndRun(RunId),
    PutAway(PutAwayRequest),
    Workers(WatchId, Option<Box<WorkersRequest>>),
    Answer(Token, Result<Answer, ApiError>),
}

/// Everything the engine acts with.
pub(super) struct Outbox<W, S, R> {
    pub edges: Edges<W, S, R>,
    pub load: Load,
    ring: RingWriter,
    sweep_moved: watch::Sender<u64>,
    waiting: HashMap<Token, Reply>,
    next_token: Token,
    operations: Vec<(StoreOp, Option<Ack>)>,
    later: Vec<Later>,
    /// Store operations since memory was given back.
    stored: usize,
}

impl<W: WatchEdge, S: StoreEdge, R: RunnerEdge> Outbox<W, S, R> {
    pub fn new(edges: Edges<W, S, R>, ring: RingWriter, sweep_moved: watch::Sender<u64>) -> Self {
        Self {
            edges,
            load: Load::default(),
            ring,
            sweep_moved,
            waiting: HashMap::new(),
            next_token: 0,
            operations: Vec::new(),
            later: Vec::new(),
            stored: 0,
        }
    }

    /// Remembers who waits, and gives the token that the answer will carry.
    pub fn wait_for(&mut self, reply: Reply) -> Token {
        self.next_token += 1;
        self.waiting.insert(self.next_token, reply);
        self.next_token
    }

    /// Whether so much was stored that memory is to be given back; once for each time.
    pub fn much_was_stored(&mut self) -> bool {
        let much = self.stored >= MUCH;
        if much {
            self.stored = 0;
        }
        much
    }

    /// Why hints have to wait, if they have.
    pub fn full(&self, now: u64) -> Option<Full> {
        self.load.full(self.edges.store.backlog(), now)
    }

    /// Carries out one turn's effects.
    pub fn carry_out(&mut self, effects: &mut Vec<Effect>, now: u64) {
        let mut asked = false;
        let mut sweeps = false;
        for effect in effects.drain(..) {
            match effect {
                Effect::Store(operation, ack) => self.remember(operation, ack),
                Effect::Spawn(request) => self.later.push(Later::Spawn(request)),
                Effect::TakeBack(watch, only) => self.later.push(Later::TakeBack(watch, only)),
                Effect::EndRun(run) => self.later.push(Later::EndRun(run)),
                Effect::PutAway(request) => self.later.push(Later::PutAway(request)),
                Effect::Workers(watch, wanted) => self.later.push(Later::Workers(watch, wanted)),
                Effect::Answer(token, answer) => self.later.push(Later::Answer(token, answer)),
                Effect::SweepMoved(_) => sweeps = true,
                Effect::Log(level, line) => log(level, &line),
                seeing => {
                    asked = true;
                    self.see(seeing, now);
                }
            }
        }
        if asked {
            self.edges.watch.flush();
        }
        self.ring.publish();
        if !self.operations.is_empty() {
            self.stored += self.operations.len();
            self.edges.store.submit(std::mem::take(&mut self.operations));
        }
        self.act();
        if sweeps {
            self.sweep_moved.send_modify(|moves| *moves += 1);
        }
    }

    fn see(&mut self, effect: Effect, now: u64) {
        let edge = &mut self.edges.watch;
        match effect {
            Effect::Open(request) => edge.open(request),
            Effect::Close(watch) => {
                self.load.closed(watch);
                edge.close(watch);
            }
            Effect::List(request) => {
                self.load.listing(request.watch, now);
                edge.list(request);
            }
            Effect::Look(request) => {
                self.load.look(request.watch, now);
                edge.look(request);
            }
            Effect::Digest(request) => edge.digest(request),
            Effect::Disarm(watch, folder) => edge.disarm(watch, folder),
            Effect::Store(..)
            | Effect::Spawn(_)
            | Effect::TakeBack(..)
            | Effect::EndRun(_)
            | Effect::PutAway(_)
            | Effect::Workers(..)
            | Effect::Answer(..)
            | Effect::SweepMoved(_)
            | Effect::Log(..) => {}
        }
    }

    fn remember(&mut self, operation: StoreOp, ack: Option<Ack>) {
        if let StoreOp::Record(row) = &operation {
            log_record(&row.record);
            self.ring.push(RingEntry { watch: row.watch, record: Arc::clone(&row.record) });
        }
        self.operations.push((operation, ack));
    }

    fn act(&mut self) {
        for later in self.later.drain(..) {
            match later {
                Later::Spawn(request) => self.edges.runner.spawn(request),
                Later::TakeBack(watch, only) => self.edges.runner.take_back(watch, only),
                Later::EndRun(run) => self.edges.runner.end(run),
                Later::PutAway(request) => self.edges.runner.put_away(request),
                Later::Workers(watch, wanted) => self.edges.runner.workers(watch, wanted),
                Later::Answer(token, answer) => {
                    if let Some(reply) = self.waiting.remove(&token) {
                        // Whoever asked may have gone meanwhile.
                        drop(reply.send(answer));
                    } else if token != NOBODY {
                        error!(token, "an answer to nobody: this is a bug in fsmond");
                    }
                }
            }
        }
    }
}

fn log(level: LogLevel, line: &str) {
    match level {
        LogLevel::Error => error!("{line}"),
        LogLevel::Warn => warn!("{line}"),
        LogLevel::Info => info!("{line}"),
        LogLevel::Debug => debug!("{line}"),
    }
}
