//! The machine with a store, a source, lookers and a runner in memory, each as slow as chance wants it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use fsmon_core::io::{
    Ack, Answer, Armed, AskIgnores, Checkpoint, Command, Digest, DigestRequest, Digested, Effect, FolderProblem, Hint,
    HintWhat, Input, JournalRow, ListPart, ListRequest, Listing, LookRequest, Looked, NodeId, NodeRow, Now, PutAway,
    PutAwayRequest, RootFacts, RootProblem, RunRow, Seen, Settings, SpawnRequest, StoreOp, WatchId, WatchRow,
};
use fsmon_core::{Machine, Numbers};
use fsmon_protocol::spec::{After, Backend, BreakAfter, Dedupe, Mode, Options, Order, WatchSpec};
use fsmon_protocol::status::{DefinedBy, WatchState, WatchStatus, Workers};
use fsmon_protocol::units::{Span, SpanOrOff, Timestamp};

use crate::disk::{Disk, ROOT};

mod commands;

pub const WATCH: WatchId = WatchId(1);

/// How files are processed.
#[derive(Clone, Copy)]
pub struct Sort {
    /// What a run is for.
    pub mode: Mode,
    /// Whether they are deleted then.
    pub deletes: bool,
    /// Whether files whose paths begin alike run one after another.
    pub lanes: bool,
    /// After how many failed runs in a row one file at a time is tried.
    pub break_after: BreakAfter,
    /// Whether the ignore files in the tree are heeded.
    pub gitignore: bool,
    /// By what files are told from what was processed of them.
    pub dedupe: Dedupe,
}

/// A run for each file, and they stay.
pub const EACH: Sort = Sort {
    mode: Mode::Each,
    deletes: false,
    lanes: false,
    break_after: BreakAfter::Off,
    gitignore: false,
    dedupe: Dedupe::Off,
};

/// What is durable.
#[derive(Default, Clone)]
pub struct Stored {
    row: Option<WatchRow>,
    nodes: BTreeMap<u32, NodeRow>,
    ignores: BTreeMap<u32, Vec<u8>>,
    journal: Vec<JournalRow>,
    runs: BTreeMap<u64, (RunRow, bool)>,
}

/// A file that a command was given.
pub struct Given {
    path: Vec<u8>,
    deleted: bool,
    /// 0: not yet read.
    version: u64,
}

pub struct Daemon {
    /// Of the history, for messages.
    pub seed: u64,
    machine: Machine,
    stored: Stored,
    store: VecDeque<(StoreOp, Option<Ack>)>,
    lists: VecDeque<ListRequest>,
    looks: VecDeque<LookRequest>,
    digests: VecDeque<DigestRequest>,
    /// A file that is being read, and what was in it.
    reading: Option<(DigestRequest, Option<u64>)>,
    /// Each command with the files it was given, and in which version.
    pub running: HashMap<u64, Vec<Given>>,
    /// Those that wait for one of them to end.
    waiting: VecDeque<Box<SpawnRequest>>,
    /// Those that were taken back, which is yet to be heard of.
    taken_back: VecDeque<u64>,
    /// What is asked to be deleted after its run.
    leaving: VecDeque<PutAwayRequest>,
    /// How files are processed.
    sort: Sort,
    /// Workers are asked for, and not yet up.
    workers_asked: Option<u32>,
    opening: bool,
    /// The root as it was when it was opened.
    opened: u64,
    /// The source is closed, and folders are disarmed, as soon as the disk is at hand.
    closing: bool,
    disarming: Vec<NodeId>,
    /// The store can't write.
    store_fails: bool,
    /// How far somebody has set the wall clock.
    clock_set: i64,
    recorded: BTreeSet<u64>,
    /// Every event told, in order, since the first start.
    pub told: Vec<JournalRow>,
    /// Which version of each path was given out last, and whether that run ended well.
    pub processed: HashMap<Vec<u8>, u64>,
    pub mono: u64,
    reserved: u64,
}

pub fn settings() -> Settings {
    Settings { defaults: Options::default(), max_runs: 4 }
}

fn spec(Sort { mode, deletes, lanes, break_after, gitignore, dedupe }: Sort) -> WatchSpec {
    let options = Options {
        command: Some(vec!["true".into()]),
        concurrency: Some(3),
        settle: Some(Span::millis(if dedupe == Dedupe::Off { 50 } else { 0 })),
        open_quiet: Some(Span::secs(5)),
        every: Some(SpanOrOff::Off),
        backoff: Some(Span::millis(200)),
        retries: Some(1000),
        break_after: Some(break_after),
        gitignore: Some(gitignore),
        dedupe: Some(dedupe),
        mode: Some(mode),
        batch_max: (mode == Mode::Batch).then_some(3),
        on_success: deletes.then_some(After::Delete),
        in_flight: (mode == Mode::Worker).then_some(2),
        order: lanes.then_some(Order::Name),
        key: lanes.then(|| "^.".to_owned()),
        batch_wait: (mode == Mode::Batch).then_some(Span::millis(100)),
        ..Options::default()
    };
    WatchSpec { name: "w".into(), path: "/w".into(), options }
}

impl Daemon {
    pub fn new(disk: &Disk, seed: u64, sort: Sort) -> Self {
        let numbers = Numbers { seq: 1, run: 1, watch: 1 };
        let mut daemon = Self::with(Machine::new(settings(), numbers, seed), Stored::default());
        daemon.sort = sort;
        let command = Command::Add { spec: spec(sort), defined_by: DefinedBy::Runtime, only: None };
        daemon.step(disk, Input::Command(1, Box::new(command)));
        while !daemon.store.is_empty() {
            daemon.commit(disk, usize::MAX);
        }
        daemon
    }

    fn with(machine: Machine, stored: Stored) -> Self {
        Self {
            seed: 0,
            machine,
            stored,
            store: VecDeque::new(),
            lists: VecDeque::new(),
            looks: VecDeque::new(),
            digests: VecDeque::new(),
            reading: None,
            running: HashMap::new(),
            waiting: VecDeque::new(),
            taken_back: VecDeque::new(),
            leaving: VecDeque::new(),
            sort: EACH,
            workers_asked: None,
            opening: false,
            opened: ROOT,
            closing: false,
            disarming: Vec::new(),
            store_fails: false,
            clock_set: 0,
            recorded: BTreeSet::new(),
            told: Vec::new(),
            processed: HashMap::new(),
            mono: 1_000_000_000,
            reserved: 1,
        }
    }

    pub fn now(&self, disk: &Disk) -> Now {
        Now { mono: self.mono, wall: Timestamp(disk.wall + self.clock_set), stamp: Timestamp(disk.wall - 8_000_000) }
    }

    /// The daemon dies and starts again from what is durable; `lost` of what was handed to the store but not durable.
    pub fn crash(mut self, disk: &mut Disk, seed: u64) -> Self {
        // Half of what was asked to be deleted is, and nobody is left to hear of it.
        for request in std::mem::take(&mut self.leaving).into_iter().step_by(2) {
            self.delete(disk, &request);
        }
        disk.armed.clear();
        disk.queue.clear();
        disk.overflowed = false;
        let reserved = self.reserved + 100_000;
        let numbers = Numbers { seq: reserved, run: reserved, watch: 2 };
        let mut next = Self::with(Machine::new(settings(), numbers, seed), self.stored.clone());
        (next.told, next.processed, next.mono, next.reserved) = (self.told, self.processed, self.mono, reserved);
        (next.seed, next.clock_set, next.sort) = (self.seed, self.clock_set, self.sort);
        // What was told and not stored was not told, as far as the next one knows.
        let durable: BTreeSet<u64> = next.stored.journal.iter().map(|r| r.record.seq).collect();
        next.told.retain(|row| durable.contains(&row.record.seq));
        if std::env::var_os("SIM_TRACE").is_some() {
            println!("> Listed crash {}", next.story());
        }
        let row = next.stored.row.clone().unwrap();
        next.machine.add_stored(row, spec(next.sort)).unwrap();
        for node in next.stored.nodes.clone().into_values() {
            assert!(next.machine.restore(WATCH, node));
        }
        assert_eq!(
            next.machine.restored(WATCH),
            0,
            "seed {seed}: every stored row makes sense: {:#?}",
            next.stored.nodes
        );
        for (at, text) in &next.stored.ignores {
            next.machine.restore_ignores(WATCH, *at, text);
        }
        let now = next.now(disk);
        for row in next.stored.journal.clone() {
            next.machine.replay(now, &row);
        }
        let lost: Vec<RunRow> = next.stored.runs.values().filter(|(_, ended)| !ended).map(|(r, _)| r.clone()).collect();
        let mut out = Vec::new();
        next.machine.start(now, &lost, &mut out);
        next.take_effects(out);
        next
    }

    pub fn step(&mut self, disk: &Disk, input: Input) {
        if std::env::var_os("SIM_TRACE").is_some() {
            println!("> {input:?}");
        }
        let mut out = Vec::new();
        let now = self.now(disk);
        self.machine.step(now, input, &mut out);
        self.take_effects(out);
        let flaws = self.machine.flaws();
        assert!(flaws.is_empty(), "seed {}: {flaws:#?}\n{}", self.seed, self.story());
        assert!(self.looks.len() <= 20_000 && self.lists.len() <= 512, "what is asked at once is bounded");
    }

    /// What the daemon has let go of is told no more.
    fn let_go(&mut self, disk: &mut Disk) {
        if std::mem::take(&mut self.closing) {
            disk.armed.clear();
            disk.queue.clear();
            disk.overflowed = false;
        }
        for node in self.disarming.drain(..) {
            disk.armed.retain(|_, armed| *armed != node);
        }
    }

    /// How it is.
    pub fn shown(&mut self, disk: &Disk) -> WatchStatus {
        let mut out = Vec::new();
        let now = self.now(disk);
        self.machine.step(now, Input::Command(8, Box::new(Command::Show(vec![]))), &mut out);
        let answer = out.iter().find_map(|effect| match effect {
            Effect::Answer(8, Ok(Answer::Watches(watches))) => Some(watches[0].clone()),
            _ => None,
        });
        self.take_effects(out);
        answer.unwrap()
    }

    pub fn state(&mut self, disk: &Disk) -> WatchState {
        self.shown(disk).state
    }

    pub fn say(&mut self, disk: &Disk, command: Command) {
        self.step(disk, Input::Command(7, Box::new(command)));
    }

    /// The store says that it cannot write, or that it can again.
    pub fn set_store_fails(&mut self, disk: &Disk, fails: bool) {
        if self.store_fails != fails {
            self.store_fails = fails;
            self.step(disk, Input::StoreState(fails.then(|| "disk full".to_owned())));
        }
    }

    /// Somebody sets the wall clock.
    pub fn set_clock(&mut self, by: i64) {
        self.clock_set += by;
    }

    fn take_effects(&mut self, out: Vec<Effect>) {
        for effect in out {
            match effect {
                Effect::Open(_) => self.opening = true,
                Effect::List(request) => self.lists.push_back(request),
                Effect::Look(request) => self.looks.push_back(request),
                Effect::Digest(request) => self.digests.push_back(request),
                Effect::Store(op, ack) => {
                    if let StoreOp::Record(row) = &op {
                        self.reserved = self.reserved.max(row.record.seq);
                        self.told.push(row.clone());
                    }
                    self.store.push_back((op, ack));
                }
                Effect::Spawn(request) => {
                    assert!(self.recorded.contains(&request.run), "a run starts only after its start is recorded");
                    let limited = self.sort.mode != Mode::Worker;
                    let limit = request.rules.concurrency as usize;
                    if limited && self.running.len() >= limit {
                        self.waiting.push_back(request);
                    } else {
                        self.begin(&request);
                    }
                }
                Effect::TakeBack(_, only) => self.take_back(only),
                Effect::PutAway(request) => self.leaving.push_back(request),
                Effect::Close(_) => {
                    // What is under way may still be answered; what is not yet begun is not.
                    self.closing = true;
                    self.disarming.clear();
                    self.lists.clear();
                    self.looks.clear();
                    self.digests.clear();
                }
                Effect::Workers(_, wanted) => self.workers_asked = wanted.map(|wanted| wanted.rules.concurrency),
                Effect::Disarm(_, node) => self.disarming.push(node),
                Effect::EndRun(_) | Effect::Answer(..) | Effect::SweepMoved(_) | Effect::Log(..) => {}
            }
        }
    }

    pub fn open(&mut self, disk: &mut Disk) -> bool {
        self.let_go(disk);
        if !std::mem::take(&mut self.opening) {
            return false;
        }
        if disk.away {
            self.step(disk, Input::Opened { watch: WATCH, result: Err(RootProblem::Missing) });
            return true;
        }
        let facts = RootFacts {
            real: "/w".into(),
            backend: Backend::Inotify,
            backend_why: None,
            limited: None,
            fs_type: "sim".into(),
            inode: disk.root,
            mount_point: false,
        };
        self.opened = disk.root;
        self.step(disk, Input::Opened { watch: WATCH, result: Ok(facts) });
        true
    }

    /// Hands over up to `n` hints; the reader notices when its queue is empty.
    pub fn read(&mut self, disk: &mut Disk, n: usize) -> bool {
        self.let_go(disk);
        if disk.queue.is_empty() && std::mem::take(&mut disk.overflowed) {
            disk.queue.push_back(HintWhat::Overflow);
        }
        let mut hints: Vec<HintWhat> = Vec::new();
        while hints.len() < n
            && let Some(hint) = disk.queue.pop_front()
        {
            hints.push(hint);
        }
        if hints.is_empty() {
            return false;
        }
        if disk.queue.is_empty() {
            if std::mem::take(&mut disk.overflowed) {
                hints.push(HintWhat::Overflow);
            }
            hints.push(HintWhat::ReadEmpty);
        }
        let hints = hints.into_iter().map(|what| Hint { watch: WATCH, what }).collect();
        self.step(disk, Input::Hints(hints));
        true
    }

    pub fn list(&mut self, disk: &mut Disk) -> bool {
        self.let_go(disk);
        let Some(request) = self.lists.pop_front() else { return false };
        // Another root than the one that was opened is gone.
        let meant = |&i: &u64| disk.is_dir(i) && [0, i].contains(&request.inode) && disk.root == self.opened;
        let inode = disk.resolve(request.path.as_bytes()).filter(meant);
        let listing = |part| Listing { watch: WATCH, folder: request.folder, scan: request.scan, part };
        let Some(inode) = inode else {
            self.step(disk, Input::Listed(vec![listing(ListPart::Failed(FolderProblem::Gone))]));
            return true;
        };
        disk.armed.insert(inode, request.folder);
        let entries = disk.entries(inode).into_iter().map(|(name, i)| (name, disk.stat(i))).collect();
        let done = ListPart::Done { armed: Armed::Yes, inode };
        let read = (request.ignores != AskIgnores::No).then(|| listing(disk.listed_ignores(inode)));
        let parts = read.into_iter().chain([listing(ListPart::Entries(entries)), listing(done)]);
        self.step(disk, Input::Listed(parts.collect()));
        true
    }

    pub fn look(&mut self, disk: &Disk) -> bool {
        let Some(request) = self.looks.pop_front() else { return false };
        let meant = |&i: &u64| disk.is_dir(i) && [0, i].contains(&request.inode) && disk.root == self.opened;
        let folder = disk.resolve(request.path.as_bytes()).filter(meant);
        let result = folder.ok_or(FolderProblem::Gone).map(|folder| {
            let see = |name: &[u8]| disk.child(folder, name).map_or(Seen::Gone, |i| Seen::Here(disk.stat(i)));
            request.names.iter().map(|name| (name.clone(), see(name))).collect()
        });
        let looked = Looked { watch: WATCH, folder: request.folder, tag: request.tag, result };
        self.step(disk, Input::Looked(vec![looked]));
        true
    }

    /// Begins to read a file, or has read it: it must have been what was seen all the time.
    pub fn digest(&mut self, disk: &Disk, well: bool) -> bool {
        let content = |request: &DigestRequest| {
            let meant = |&i: &u64| disk.is_dir(i) && [0, i].contains(&request.inode) && disk.root == self.opened;
            let folder = disk.resolve(request.path.as_bytes()).filter(meant)?;
            let file = disk.inodes.get(&disk.child(folder, &request.name)?)?;
            (file.dir.is_none() && file.stat == request.seen).then_some(file.version)
        };
        let Some((request, before)) = self.reading.take() else {
            let Some(request) = self.digests.pop_front() else { return false };
            let before = content(&request);
            self.reading = Some((request, before));
            return true;
        };
        let read = before.filter(|_| well && content(&request).is_some());
        let digest = |version: u64| {
            let mut digest = Digest::default();
            digest[..8].copy_from_slice(&version.to_le_bytes());
            request.content.then_some(digest)
        };
        let result = read.map(digest).ok_or_else(|| "it has changed".to_owned());
        let digested = Digested { watch: WATCH, file: request.file, tag: request.tag, result };
        self.step(disk, Input::Digested(digested));
        true
    }

    /// Deletes one file whose run is over, and answers.
    pub fn put_away(&mut self, disk: &mut Disk) -> bool {
        self.let_go(disk);
        let Some(request) = self.leaving.pop_front() else { return false };
        let result = self.delete(disk, &request);
        self.step(disk, Input::PutAway { watch: WATCH, node: request.node, result });
        true
    }

    fn delete(&self, disk: &mut Disk, request: &PutAwayRequest) -> PutAway {
        let (folder, name) = match request.rel.as_bytes().iter().rposition(|&byte| byte == b'/') {
            Some(at) => (&request.rel.as_bytes()[..at], &request.rel.as_bytes()[at + 1..]),
            None => (&b""[..], request.rel.as_bytes()),
        };
        if disk.away || disk.root != self.opened {
            return PutAway::Kept("the root is another one".to_owned());
        }
        let folder = disk.resolve(folder).filter(|&folder| disk.is_dir(folder));
        let Some((folder, inode)) = folder.and_then(|folder| Some((folder, disk.child(folder, name)?))) else {
            return PutAway::Gone;
        };
        let found = disk.stat(inode).fingerprint;
        let is = |f: fsmon_protocol::fingerprint::Fingerprint| (f.inode, f.size, f.mtime);
        if is(found) != is(request.given) {
            return PutAway::Changed;
        }
        let version = disk.inodes[&inode].version;
        let done = self.processed.get(request.rel.as_bytes()).copied();
        assert_eq!(done, Some(version), "seed {}: deleted unprocessed: {request:?}\n{}", self.seed, self.story());
        disk.remove(folder, name);
        PutAway::Deleted
    }

    /// Makes up to `n` operations durable.
    pub fn commit(&mut self, disk: &Disk, n: usize) -> bool {
        if self.store.is_empty() || self.store_fails {
            return false;
        }
        let n = n.min(self.store.len());
        let mut acks = Vec::new();
        for (op, ack) in self.store.drain(..n) {
            match op {
                StoreOp::Record(row) => self.stored.journal.push(row),
                StoreOp::RunStart(row) => {
                    self.recorded.insert(row.run);
                    self.stored.runs.insert(row.run, (row, false));
                }
                StoreOp::RunEnd(end) => {
                    if let Some(run) = self.stored.runs.get_mut(&end.run) {
                        run.1 = true;
                    }
                }
                StoreOp::Checkpoint(checkpoint) => {
                    let Checkpoint { watch, rows, freed, ignores } = *checkpoint;
                    self.stored.row = Some(watch);
                    for at in freed {
                        self.stored.nodes.remove(&at);
                    }
                    for mut row in rows {
                        let old = self.stored.nodes.get(&row.index).and_then(|old| old.seen);
                        row.seen = row.seen.or(old);
                        self.stored.nodes.insert(row.index, row);
                    }
                    for (at, file) in ignores {
                        match file {
                            Some(file) => drop(self.stored.ignores.insert(at, file.text().to_vec())),
                            None => drop(self.stored.ignores.remove(&at)),
                        }
                    }
                }
                StoreOp::Watch(row) => self.stored.row = Some(*row),
                StoreOp::WatchRemoved(_) | StoreOp::Detached { .. } | StoreOp::SaveWatches(_) => {}
            }
            acks.extend(ack);
        }
        self.step(disk, Input::Stored(acks));
        true
    }

    /// Workers that were asked for come up.
    pub fn raise(&mut self, disk: &Disk) -> bool {
        let Some(wanted) = self.workers_asked.take() else { return false };
        self.tell_workers(disk, wanted, wanted);
        true
    }

    /// A worker ends with all that it has, or all of them, and comes back later.
    pub fn fell(&mut self, disk: &Disk, all: bool) {
        if self.sort.mode == Mode::Worker && self.workers_asked.is_none() {
            self.tell_workers(disk, 3, if all { 0 } else { 2 });
            self.workers_asked = Some(3);
        }
    }

    fn tell_workers(&mut self, disk: &Disk, wanted: u32, up: u32) {
        let trouble = (up < wanted).then(|| "exit 1".to_owned());
        self.step(disk, Input::Workers(WATCH, Workers { wanted, up, restarts: 0, trouble }));
    }

    /// Moves time on, and ticks if something is due.
    pub fn pass(&mut self, disk: &mut Disk, nanos: u64) {
        self.mono += nanos;
        disk.wall += i64::try_from(nanos).unwrap();
        if self.machine.next_deadline().is_some_and(|due| due <= self.mono) {
            self.step(disk, Input::Tick);
        }
    }

    pub fn next_deadline(&self) -> Option<u64> {
        self.machine.next_deadline()
    }

    /// What was told, a line each.
    pub fn story(&self) -> String {
        let line = |row: &JournalRow| format!("{} {:?}\n", row.record.seq, row.record.what);
        self.told.iter().map(line).collect()
    }

    pub fn status(&mut self, disk: &Disk) -> String {
        let mut out = Vec::new();
        let now = self.now(disk);
        self.machine.step(now, Input::Command(9, Box::new(Command::Show(vec![]))), &mut out);
        format!("{:#?}", out.iter().find(|e| matches!(e, Effect::Answer(..))))
    }
}
