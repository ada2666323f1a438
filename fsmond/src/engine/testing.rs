//! Fakes for tests of the engine and of the server: a core that follows a script, and edges that write down what they
//! are asked.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fsmon_core::io::{
    Ack, DigestRequest, JournalRow, ListRequest, LookRequest, NodeId, OpenRequest, PutAwayRequest, RunId, SpawnRequest,
    StoreOp, WatchId, WorkersRequest,
};
use fsmon_core::{Effect, Input, Now};
use fsmon_protocol::event::{Event, EventKind, Origin, What};
use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::{RawPath, Record, Timestamp};

use super::{Clock, Core, Edges, EngineHandle, EngineTask, Process};
use crate::edges::{HintRing, Inbox, Results, RunnerEdge, StoreEdge, WatchEdge};

/// A core that does what its script says.
pub struct ScriptedCore<F> {
    pub script: F,
    pub deadline: Arc<Mutex<Option<u64>>>,
    pub gathers: Arc<AtomicBool>,
}

impl<F: FnMut(Now, Input, &mut Vec<Effect>) + Send + 'static> Core for ScriptedCore<F> {
    fn step(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        (self.script)(now, input, effects);
    }
    fn next_deadline(&self) -> Option<u64> {
        *self.deadline.lock().unwrap()
    }
    fn results_may_gather(&self) -> bool {
        self.gathers.load(Ordering::SeqCst)
    }
}

/// What edges were asked, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    Open(WatchId),
    Close(WatchId),
    List(WatchId),
    Look(WatchId),
    Digest(WatchId),
    Disarm(WatchId),
    Flush,
    Submit(Vec<(StoreOp, Option<Ack>)>),
    Spawn(RunId),
    TakeBack(WatchId, Option<RunId>),
    End(RunId),
    PutAway(NodeId),
    Workers(WatchId),
}

/// All three edges in one.
#[derive(Debug, Clone, Default)]
pub struct FakeEdges {
    pub calls: Arc<Mutex<Vec<Call>>>,
    pub backlog: Arc<AtomicUsize>,
}

impl FakeEdges {
    fn note(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }
}

impl WatchEdge for FakeEdges {
    fn open(&mut self, request: OpenRequest) {
        self.note(Call::Open(request.watch));
    }
    fn close(&mut self, watch: WatchId) {
        self.note(Call::Close(watch));
    }
    fn list(&mut self, request: ListRequest) {
        self.note(Call::List(request.watch));
    }
    fn look(&mut self, request: LookRequest) {
        self.note(Call::Look(request.watch));
    }
    fn digest(&mut self, request: DigestRequest) {
        self.note(Call::Digest(request.watch));
    }
    fn disarm(&mut self, watch: WatchId, _folder: NodeId) {
        self.note(Call::Disarm(watch));
    }
    fn flush(&mut self) {
        self.note(Call::Flush);
    }
}

impl StoreEdge for FakeEdges {
    fn submit(&mut self, operations: Vec<(StoreOp, Option<Ack>)>) {
        self.note(Call::Submit(operations));
    }
    fn backlog(&self) -> usize {
        self.backlog.load(Ordering::SeqCst)
    }
}

impl RunnerEdge for FakeEdges {
    fn spawn(&mut self, request: Box<SpawnRequest>) {
        self.note(Call::Spawn(request.run));
    }
    fn take_back(&mut self, watch: WatchId, only: Option<RunId>) {
        self.note(Call::TakeBack(watch, only));
    }
    fn end(&mut self, run: RunId) {
        self.note(Call::End(run));
    }
    fn put_away(&mut self, request: PutAwayRequest) {
        self.note(Call::PutAway(request.node));
    }
    fn workers(&mut self, watch: WatchId, _wanted: Option<Box<WorkersRequest>>) {
        self.note(Call::Workers(watch));
    }
}

/// A running engine over fakes.
pub struct Bench {
    pub handle: EngineHandle,
    pub task: EngineTask<FakeEdges, FakeEdges, FakeEdges>,
    pub inbox: Inbox,
    pub results: Results,
    pub hints: HintRing,
    pub edges: FakeEdges,
    pub deadline: Arc<Mutex<Option<u64>>>,
    /// Whether results gather.
    pub gathers: Arc<AtomicBool>,
    pub clock: Arc<AtomicU64>,
}

/// Starts an engine whose core follows `script` and whose clock only moves when the test says so.
pub fn bench(script: impl FnMut(Now, Input, &mut Vec<Effect>) + Send + 'static) -> Bench {
    bench_after(0, script)
}

/// The same, with a ring that begins after this journal number.
pub fn bench_after(last_seq: u64, script: impl FnMut(Now, Input, &mut Vec<Effect>) + Send + 'static) -> Bench {
    let deadline = Arc::new(Mutex::new(None));
    let gathers = Arc::new(AtomicBool::new(false));
    let core = ScriptedCore { script, deadline: deadline.clone(), gathers: gathers.clone() };
    let edges = FakeEdges::default();
    let clock = Arc::new(AtomicU64::new(0));
    let (inbox, results, hints, intake) = super::queues();
    let all = Edges { watch: edges.clone(), store: edges.clone(), runner: edges.clone() };
    let told: Clock = {
        let clock = clock.clone();
        Box::new(move || Now { mono: clock.load(Ordering::SeqCst), wall: Timestamp::now(), stamp: Timestamp::now() })
    };
    let (handle, task) =
        super::start(core, all, intake, Process { clock: told, give_back: || () }, last_seq, Vec::new());
    Bench { handle, task, inbox, results, hints, edges, deadline, gathers, clock }
}

/// Waits for `is_so`, at most 10 seconds.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..5000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("in 10 s it did not come true that {what}");
}

/// A record of a created file.
pub fn created(seq: u64, watch: u32, path: &str) -> JournalRow {
    let event = Event {
        kind: EventKind::Create,
        path: RawPath::from(path),
        from: None,
        file_type: FileType::File,
        size: Some(1),
        origin: Origin::Live,
        why: None,
    };
    let time = Timestamp(i64::try_from(seq).unwrap());
    let record = Record { seq, time, watch: Some(Arc::from(format!("w{watch}"))), what: What::Event(event) };
    JournalRow { watch: Some(WatchId(watch)), record: Arc::new(record), fingerprint: None }
}
