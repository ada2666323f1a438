//! The machine with a store, a source, a lister, a looker and a runner in memory. Each answers at once, unless it is
//! held. What the machine does is noted as outcomes.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use fsmon_core::ignores::{self, IgnoreFile};
use fsmon_core::io::{
    Ack, Answer, Armed, AskIgnores, Command, Covering, DigestRequest, Digested, Effect, FolderProblem, Hint, HintWhat,
    IgnoreRead, Input, ListPart, ListRequest, Listing, LookRequest, Looked, Now, OpenRequest, PutAway, PutAwayRequest,
    RootFacts, RootProblem, RunEnded, Seen, Settings, Sighting, SpawnRequest, StoreOp, Token, WatchId,
};
use fsmon_core::{Machine, Numbers};
use fsmon_protocol::ApiError;
use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use fsmon_protocol::spec::{After, Backend, Options};
use fsmon_protocol::status::Workers;
use fsmon_protocol::units::Timestamp;

use crate::commands::{Commands, End};
use crate::disk::Disk;
use crate::outcome::{Frame, Outcome};
use crate::store::Stored;

/// The clock that is never set begins here, so that nothing works only from zero on.
const BOOT: u64 = 1_000_000_000_000;
/// The wall clock when the story begins.
pub const WALL: i64 = 1_800_000_000_000_000_000;

pub struct Daemon {
    machine: Option<Machine>,
    settings: Settings,
    pub stored: Stored,
    store: VecDeque<(StoreOp, Option<Ack>)>,
    opens: VecDeque<OpenRequest>,
    lists: VecDeque<ListRequest>,
    looks: VecDeque<LookRequest>,
    digests: VecDeque<DigestRequest>,
    moves: VecDeque<PutAwayRequest>,
    roots: HashMap<WatchId, String>,
    commands: Commands,
    /// Parts that do not answer now.
    pub held: BTreeSet<String>,
    /// What came and was not yet expected.
    pub outcomes: VecDeque<Outcome>,
    /// All that happened, for a failure's sake.
    pub story: Vec<String>,
    unanswered: BTreeSet<Token>,
    last_token: Token,
    last_sweep: u64,
    reserved: u64,
    pub frame: Frame,
    pub disk: Disk,
    mono: u64,
}

impl Daemon {
    pub fn new() -> Self {
        let settings = Settings { defaults: Options::default(), max_runs: 100 };
        Self {
            machine: Some(Machine::new(settings.clone(), Numbers { seq: 1, run: 1, watch: 1 }, 7)),
            settings,
            stored: Stored::default(),
            store: VecDeque::new(),
            opens: VecDeque::new(),
            lists: VecDeque::new(),
            looks: VecDeque::new(),
            digests: VecDeque::new(),
            moves: VecDeque::new(),
            roots: HashMap::new(),
            commands: Commands::default(),
            held: BTreeSet::new(),
            outcomes: VecDeque::new(),
            story: Vec::new(),
            unanswered: BTreeSet::new(),
            last_token: 0,
            last_sweep: 0,
            reserved: 0,
            frame: Frame { root: String::new(), wall: WALL },
            // What is made before the first watch is an hour old.
            disk: Disk::new(WALL - 3_600_000_000_000),
            mono: BOOT,
        }
    }

    /// Nanoseconds since the story began.
    pub fn time(&self) -> u64 {
        self.mono - BOOT
    }

    fn now(&self) -> Now {
        Now { mono: self.mono, wall: Timestamp(self.disk.wall), stamp: Timestamp(self.disk.wall) }
    }

    // --------------------------------------------------------------------------------------------------------- life

    /// The daemon dies: what is not durable is lost, and its commands with it.
    pub fn crash(&mut self) {
        self.machine = None;
        self.store.clear();
        self.opens.clear();
        self.lists.clear();
        self.looks.clear();
        self.digests.clear();
        self.moves.clear();
        self.commands = Commands::default();
        self.unanswered.clear();
        self.disk.disarm_all();
    }

    /// It starts again from what is durable.
    pub fn start(&mut self) -> Result<(), String> {
        self.reserved += 1000;
        let mut machine = self.stored.load(&self.settings, self.reserved)?;
        let now = self.now();
        self.stored.journal.iter().for_each(|row| machine.replay(now, row));
        let mut out = Vec::new();
        machine.start(now, &self.stored.unended(), &mut out);
        self.machine = Some(machine);
        self.take(out)?;
        self.pump()
    }

    // ------------------------------------------------------------------------------------------------ in and out

    pub fn step(&mut self, input: Input) -> Result<(), String> {
        let now = self.now();
        let Some(machine) = &mut self.machine else { return Ok(()) };
        if input != Input::Tick {
            let at = fsmon_protocol::units::Span(std::time::Duration::from_nanos(self.mono - BOOT));
            self.story.push(format!("        {at} in  {input:?}"));
        }
        let mut out = Vec::new();
        machine.step(now, input, &mut out);
        self.take(out)
    }

    /// Gives a command; it may be answered later.
    pub fn command(&mut self, command: Command) -> Result<(), String> {
        self.last_token += 1;
        self.unanswered.insert(self.last_token);
        self.step(Input::Command(self.last_token, Box::new(command)))?;
        self.pump()
    }

    /// Asks something that is answered at once.
    pub fn ask(&mut self, command: Command) -> Result<Answer, String> {
        let now = self.now();
        let machine = self.machine.as_mut().ok_or("the daemon does not run")?;
        let mut out = Vec::new();
        machine.step(now, Input::Command(0, Box::new(command)), &mut out);
        let found = out.iter().position(|e| matches!(e, Effect::Answer(0, _))).ok_or("it was not answered")?;
        let Effect::Answer(_, answer) = out.remove(found) else { return Err("it was not answered".to_owned()) };
        self.take(out)?;
        answer.map_err(|error| format!("{error:?}"))
    }

    /// The store says that it cannot write, and holds what it is given; or that it can again.
    pub fn store_fails(&mut self, fails: bool) -> Result<(), String> {
        self.held.remove("store");
        if fails {
            self.held.insert("store".to_owned());
        }
        self.step(Input::StoreState(fails.then(|| "disk full".to_owned())))?;
        self.pump()
    }

    pub fn last_sweep(&self) -> u64 {
        self.last_sweep
    }

    pub fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    fn came(&mut self, outcome: Outcome) {
        self.story.push(format!("        out {outcome}"));
        self.outcomes.push_back(outcome);
    }

    fn take(&mut self, out: Vec<Effect>) -> Result<(), String> {
        for effect in out {
            match effect {
                Effect::Open(request) => {
                    self.roots.insert(request.watch, request.root.text().into_owned());
                    self.opens.push_back(request);
                }
                Effect::Close(watch) => {
                    self.disk.disarm(watch, None);
                    self.lists.retain(|r| r.watch != watch);
                    self.looks.retain(|r| r.watch != watch);
                    self.digests.retain(|r| r.watch != watch);
                }
                Effect::List(request) => self.lists.push_back(request),
                Effect::Look(request) => self.looks.push_back(request),
                Effect::Digest(request) => self.digests.push_back(request),
                Effect::Disarm(watch, node) => self.disk.disarm(watch, Some(node)),
                Effect::Store(op, ack) => {
                    if let StoreOp::Record(row) = &op {
                        if row.record.seq <= self.reserved {
                            return Err(format!("a journal number is not more than the one before: {row:?}"));
                        }
                        self.reserved = row.record.seq;
                        if let Some(outcome) = Outcome::record(&row.record, self.time(), &self.frame) {
                            self.came(outcome);
                        }
                    }
                    self.store.push_back((op, ack));
                }
                Effect::Spawn(request) => self.spawn(request)?,
                Effect::TakeBack(watch, only) => self.commands.take_back(watch, only),
                Effect::PutAway(request) => self.moves.push_back(request),
                Effect::EndRun(run) => {
                    let path = self.commands.path(run).unwrap_or_default();
                    self.came(Outcome::new(self.time(), &["kills", &path]));
                }
                Effect::Workers(watch, wanted) => {
                    let how_many = wanted.map_or(0, |wanted| wanted.rules.concurrency);
                    let outcome = Outcome::new(self.time(), &["workers", &how_many.to_string()]);
                    self.came(outcome.with("watch", watch.0));
                }
                Effect::Answer(token, answer) => {
                    self.unanswered.remove(&token);
                    self.answered(answer);
                }
                Effect::SweepMoved(_) => {}
                Effect::Log(level, line) => self.story.push(format!("        log {level:?}: {line}")),
            }
        }
        Ok(())
    }

    fn spawn(&mut self, request: Box<SpawnRequest>) -> Result<(), String> {
        if !self.stored.has_start(request.run) {
            return Err(format!("a run started before its start was durable: {request:?}"));
        }
        self.commands.queue(request).map_or(Ok(()), |request| self.begin(request))
    }

    fn begin(&mut self, request: Box<SpawnRequest>) -> Result<(), String> {
        let outcome = Outcome::spawn(&request, self.time(), &self.frame);
        self.came(outcome);
        self.commands.begin(request, self.mono)
    }

    fn hear_taken_back(&mut self) -> Result<bool, String> {
        let Some(run) = self.commands.next_taken_back() else { return Ok(false) };
        self.step(Input::RunTakenBack(run))?;
        Ok(true)
    }

    /// Only answers with news in them are told.
    fn answered(&mut self, answer: Result<Answer, ApiError>) {
        let at = self.time();
        match answer {
            Ok(Answer::Sweep(sweep)) => self.last_sweep = sweep.id,
            Ok(Answer::Removed(all)) => {
                for one in all {
                    let outcome = Outcome::new(at, &["removed", &one.name]);
                    self.came(outcome.with("dropped", one.dropped).with("running", one.running));
                }
            }
            Ok(Answer::Count(n)) => self.came(Outcome::new(at, &["counted", &n.to_string()])),
            Ok(Answer::Done) => self.came(Outcome::new(at, &["done"])),
            Ok(_) => {}
            Err(error) => {
                let says = format!("{}; {}", error.message, error.hint.unwrap_or_default());
                self.came(Outcome::new(at, &["refused", error.kind.as_str()]).saying(says));
            }
        }
    }

    // ---------------------------------------------------------------------------------------------------- answering

    fn holds(&self, part: &str) -> bool {
        self.held.contains(part)
    }

    /// Lets every part that is not held answer, until there is nothing more to answer.
    pub fn pump(&mut self) -> Result<(), String> {
        for _ in 0..1_000_000 {
            let seen = self.read()? || self.open()? || self.list()? || self.look()? || self.digest()?;
            if !(seen || self.hear_taken_back()? || self.put_away()? || self.commit()?) {
                return Ok(());
            }
        }
        Err("it does not come to rest: the same is asked again and again".to_owned())
    }

    fn read(&mut self) -> Result<bool, String> {
        if self.holds("reads") || (self.disk.queue.is_empty() && self.disk.mounted.is_empty()) {
            return Ok(false);
        }
        if !self.disk.mounted.is_empty() {
            let points = std::mem::take(&mut self.disk.mounted);
            self.step(Input::Mounted(points))?;
        }
        let mut hints = std::mem::take(&mut self.disk.queue);
        let watches: BTreeSet<WatchId> = hints.iter().map(|hint| hint.watch).collect();
        hints.extend(watches.into_iter().map(|watch| Hint { watch, what: HintWhat::ReadEmpty }));
        self.step(Input::Hints(hints))?;
        Ok(true)
    }

    fn open(&mut self) -> Result<bool, String> {
        if self.holds("opens") {
            return Ok(false);
        }
        let Some(request) = self.opens.pop_front() else { return Ok(false) };
        let result = match self.disk.resolve(request.root.as_bytes()) {
            None => Err(RootProblem::Missing),
            Some(inode) if !self.disk.is_dir(inode) => Err(RootProblem::NotAFolder),
            Some(inode) if !self.disk.readable(inode) => Err(RootProblem::NotPermitted),
            Some(inode) => Ok(RootFacts {
                real: request.root.clone(),
                backend: match request.backend {
                    Backend::Auto if self.disk.watches == 0 => Backend::Poll,
                    Backend::Auto => Backend::Inotify,
                    asked => asked,
                },
                backend_why: None,
                limited: (self.disk.watches == 0).then(|| "no inotify instance left".to_owned()),
                fs_type: "memory".to_owned(),
                inode,
                mount_point: self.disk.is_mount(inode),
            }),
        };
        self.step(Input::Opened { watch: request.watch, result })?;
        Ok(true)
    }

    /// The folder that is meant: where `inode` is given, another one at its path is not it.
    fn folder(&self, watch: WatchId, path: &[u8], inode: u64) -> Result<u64, FolderProblem> {
        let full = [self.roots[&watch].as_bytes(), b"/", path].concat();
        let meant = |&at: &u64| self.disk.is_dir(at) && (inode == 0 || inode == at);
        let inode = self.disk.resolve(&full).filter(meant).ok_or(FolderProblem::Gone)?;
        if self.disk.readable(inode) { Ok(inode) } else { Err(FolderProblem::NotPermitted) }
    }

    fn list(&mut self) -> Result<bool, String> {
        if self.holds("lists") {
            return Ok(false);
        }
        let Some(request) = self.lists.pop_front() else { return Ok(false) };
        let part = |part| Listing { watch: request.watch, folder: request.folder, scan: request.scan, part };
        let parts = match self.folder(request.watch, request.path.as_bytes(), request.inode) {
            Err(problem) => vec![part(ListPart::Failed(problem))],
            Ok(inode) => {
                let armed = match (request.arm, request.arm && self.disk.arm(inode, request.watch, request.folder)) {
                    (false, _) => Armed::NotAsked,
                    (_, true) => Armed::Yes,
                    (_, false) => Armed::NoMoreWatches,
                };
                let entries = self.disk.entries(inode).into_iter().map(|(name, i)| (name, self.disk.stat(i)));
                let entries = entries.collect();
                let ignores = match request.ignores {
                    AskIgnores::No => None,
                    AskIgnores::Yes(_) => Some(part(ListPart::Ignores(self.read_ignores(inode)))),
                };
                let rest = [part(ListPart::Entries(entries)), part(ListPart::Done { armed, inode })];
                ignores.into_iter().chain(rest).collect()
            }
        };
        self.step(Input::Listed(parts))?;
        Ok(true)
    }

    fn read_ignores(&self, folder: u64) -> IgnoreRead {
        match self.disk.child(folder, ignores::NAME) {
            None => IgnoreRead::Missing,
            Some(file) if self.disk.stat(file).file_type != FileType::File => IgnoreRead::Missing,
            Some(file) if !self.disk.readable(file) => IgnoreRead::Unread("permission denied".to_owned()),
            Some(file) => match IgnoreFile::new(self.disk.text(file)) {
                Ok(file) => IgnoreRead::Read(Arc::new(file)),
                Err(why) => IgnoreRead::Unread(why),
            },
        }
    }

    fn look(&mut self) -> Result<bool, String> {
        if self.holds("looks") {
            return Ok(false);
        }
        let Some(request) = self.looks.pop_front() else { return Ok(false) };
        let see = |folder: u64, name: &[u8]| {
            let inode = self.disk.child(folder, name);
            inode.map_or(Seen::Gone, |inode| Seen::Here(self.disk.stat(inode)))
        };
        let result = self
            .folder(request.watch, request.path.as_bytes(), request.inode)
            .map(|folder| request.names.iter().map(|name| (name.clone(), see(folder, name))).collect());
        let looked = Looked { watch: request.watch, folder: request.folder, tag: request.tag, result };
        self.step(Input::Looked(vec![looked]))?;
        Ok(true)
    }

    /// Reads one file, which must be what was seen.
    fn digest(&mut self) -> Result<bool, String> {
        if self.holds("digests") {
            return Ok(false);
        }
        let Some(request) = self.digests.pop_front() else { return Ok(false) };
        let folder = self.folder(request.watch, request.path.as_bytes(), request.inode);
        let inode = folder.ok().and_then(|folder| self.disk.child(folder, &request.name));
        let inode = inode.filter(|&inode| self.disk.stat(inode).fingerprint == request.seen);
        let digest = inode.ok_or("it has changed").and_then(|inode| self.disk.digest(inode).ok_or("permission denied"));
        let result = digest.map(|digest| request.content.then_some(digest)).map_err(str::to_owned);
        self.step(Input::Digested(Digested { watch: request.watch, file: request.file, tag: request.tag, result }))?;
        Ok(true)
    }

    /// Moves or deletes a file after its run. A folder that is not there is not made.
    fn put_away(&mut self) -> Result<bool, String> {
        if self.holds("moves") {
            return Ok(false);
        }
        let Some(request) = self.moves.pop_front() else { return Ok(false) };
        let path = request.root.join(request.rel.as_bytes()).text().into_owned();
        let is = |f: Fingerprint| (f.inode, f.size, f.mtime);
        let found = self.disk.resolve(path.as_bytes()).map(|inode| self.disk.stat(inode).fingerprint);
        let result = match (found, &request.after) {
            (None, _) => PutAway::Gone,
            (Some(found), _) if is(found) != is(request.given) => PutAway::Changed,
            (_, After::Move(folder)) if self.disk.resolve(folder.as_bytes()).is_none() => {
                PutAway::Kept(format!("{folder} is not there"))
            }
            (_, After::Move(folder)) => {
                let to = format!("{folder}/{}", request.rel.text());
                self.disk.rename(&path, &to)?;
                PutAway::Moved(to.as_str().into())
            }
            (_, After::Delete) => {
                self.disk.remove(&path)?;
                PutAway::Deleted
            }
            (_, After::Keep) => return Err(format!("what is kept was to be put away: {request:?}")),
        };
        let (word, rel) = (format!("{result:?}").to_lowercase(), request.rel.text().into_owned());
        let word = word.split('(').next().unwrap_or_default().to_owned();
        self.came(Outcome::new(self.time(), &["puts", &rel]).with("away", word).with("again", request.again));
        self.step(Input::PutAway { watch: request.watch, node: request.node, result })?;
        Ok(true)
    }

    /// What somebody sees of a path who looks now.
    pub fn sighting(&self, covering: &Covering) -> Sighting {
        let mut seen = Sighting { names: Vec::new(), end: Ok(()) };
        let mut folder = self.disk.resolve(covering.root.as_bytes());
        for name in covering.rel.as_bytes().split(|&b| b == b'/').filter(|name| !name.is_empty()) {
            let Some(inode) = folder.and_then(|folder| self.disk.child(folder, name)) else {
                seen.end = Err(FolderProblem::Gone);
                break;
            };
            seen.names.push(self.disk.stat(inode));
            if !self.disk.is_dir(inode) {
                break;
            }
            folder = Some(inode);
        }
        seen
    }

    fn commit(&mut self) -> Result<bool, String> {
        if self.holds("store") || self.store.is_empty() {
            return Ok(false);
        }
        let mut acks = Vec::new();
        for (op, ack) in std::mem::take(&mut self.store) {
            self.stored.keep(op)?;
            acks.extend(ack);
        }
        self.step(Input::Stored(acks))?;
        Ok(true)
    }

    /// Ends the command that runs for this file, or for a batch with it, or says that it did not begin.
    pub fn end_run(&mut self, path: &str, how: End) -> Result<(), String> {
        let (run, began, next) = self.commands.end(path)?;
        let ms = (self.mono - began) / 1_000_000;
        if let Some(next) = next {
            self.begin(next)?;
        }
        let ended = |outcome| RunEnded { run, outcome, ms, output_bytes: 0, output_dropped: 0 };
        self.step(match how {
            End::Ran(outcome) => Input::RunEnded(ended(outcome)),
            End::Vanished => Input::RunVanished(run),
            End::PutOff => Input::RunPutOff(run, "no descriptors".into()),
        })?;
        self.pump()
    }

    /// So many workers of the watch are up.
    pub fn workers(&mut self, watch: WatchId, wanted: u32, up: u32) -> Result<(), String> {
        let trouble = (up < wanted).then(|| "exit 1".to_owned());
        self.step(Input::Workers(watch, Workers { wanted, up, restarts: 0, trouble }))?;
        self.pump()
    }

    // --------------------------------------------------------------------------------------------------------- time

    /// Moves both clocks on to a moment of the story; what is due until then happens when it is due.
    pub fn pass_until(&mut self, time: u64) -> Result<(), String> {
        let target = BOOT + time;
        if target < self.mono {
            return Err("time does not go back".to_owned());
        }
        let mut again = 0;
        self.pump()?;
        while let Some(due) = self.machine.as_ref().and_then(Machine::next_deadline).filter(|&due| due <= target) {
            again = if due > self.mono { 0 } else { again + 1 };
            if again > 1000 {
                return Err("a deadline stays due however often it is served: the daemon would spin".to_owned());
            }
            self.set_mono(due.max(self.mono));
            self.step(Input::Tick)?;
            self.pump()?;
        }
        self.set_mono(target);
        Ok(())
    }

    fn set_mono(&mut self, mono: u64) {
        self.disk.wall += i64::try_from(mono - self.mono).expect("a span of a story");
        self.mono = mono;
    }
}
