//! The engine over a scripted core and fake edges.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fsmon_core::io::{
    Ack, Answer, Command, Hint, HintWhat, LookRequest, Looked, NodeId, RunEnded, RunRow, SpawnRequest, StoreOp, WatchId,
};
use fsmon_core::{Effect, Input};
use fsmon_protocol::event::EventKind;
use fsmon_protocol::run::{Outcome, Trigger};
use fsmon_protocol::spec::{Options, Rules};
use fsmon_protocol::{ErrorKind, RawPath, Timestamp};

use super::load::{LOOKS, STORE_OPERATIONS};
use super::owner::nap;
use super::ring::{RingEntry, RingRead, with_capacity};
use super::testing::{Bench, Call, bench, created, until};

const W: WatchId = WatchId(1);

fn hint() -> Vec<Hint> {
    vec![Hint { watch: W, what: HintWhat::ReadEmpty }]
}

fn look(watch: WatchId, tag: u32) -> Effect {
    Effect::Look(LookRequest {
        check: false,
        watch,
        folder: NodeId::ROOT,
        path: RawPath::default(),
        inode: 0,
        names: vec![],
        tag,
    })
}

fn looked(watch: WatchId) -> Looked {
    Looked { watch, folder: NodeId::ROOT, tag: 0, result: Ok(vec![]) }
}

fn run_row() -> RunRow {
    RunRow {
        run: 7,
        watch: W,
        watch_name: Arc::from("w1"),
        path: None,
        trigger: Trigger::Manual,
        attempt: 1,
        started: Timestamp(0),
        event_id: String::new(),
        files: None,
    }
}

fn spawn() -> Effect {
    Effect::Spawn(Box::new(SpawnRequest {
        run: 7,
        watch: W,
        watch_name: Arc::from("w1"),
        root: RawPath::from("/r"),
        rel: RawPath::from("f"),
        from: None,
        kind: EventKind::Create,
        trigger: Trigger::Manual,
        attempt: 1,
        event_id: String::new(),
        size: None,
        seq: 1,
        time: Timestamp(0),
        rules: Arc::new(Rules::from_options(&Options::default())),
        manifest: None,
    }))
}

#[tokio::test]
async fn the_store_has_a_start_before_the_runner_and_before_the_answer() {
    let bench = bench(|_, input, effects| {
        if let Input::Command(token, _) = input {
            effects.push(Effect::Answer(token, Ok(Answer::Done)));
            effects.push(spawn());
            effects.push(look(W, 1));
            effects.push(Effect::Store(StoreOp::RunStart(run_row()), Some(Ack::RunStart(W, 7))));
            effects.push(look(W, 2));
        }
    });
    assert_eq!(bench.handle.command(Command::Counters).await, Ok(Answer::Done));
    until("the run is spawned", || bench.edges.calls.lock().unwrap().contains(&Call::Spawn(7))).await;
    let submit = Call::Submit(vec![(StoreOp::RunStart(run_row()), Some(Ack::RunStart(W, 7)))]);
    let calls = bench.edges.calls.lock().unwrap().clone();
    assert_eq!(calls, [Call::Look(W), Call::Look(W), Call::Flush, submit, Call::Spawn(7)]);
}

#[tokio::test]
async fn a_store_that_is_behind_holds_up_hints_and_nothing_else() {
    let hints = Arc::new(AtomicUsize::new(0));
    let seen = hints.clone();
    let bench = bench(move |_, input, effects| match input {
        Input::Hints(_) => drop(seen.fetch_add(1, Ordering::SeqCst)),
        Input::Command(token, _) => effects.push(Effect::Answer(token, Ok(Answer::Done))),
        _ => {}
    });
    bench.edges.backlog.store(STORE_OPERATIONS, Ordering::SeqCst);
    // A turn has to pass, since the engine may be waiting with the door for hints open.
    assert_eq!(bench.handle.command(Command::Counters).await, Ok(Answer::Done));
    assert_eq!(bench.handle.command(Command::Counters).await, Ok(Answer::Done));
    bench.hints.send(hint()).await.unwrap();
    for _ in 0..50 {
        assert_eq!(bench.handle.command(Command::Counters).await, Ok(Answer::Done));
    }
    assert_eq!(hints.load(Ordering::SeqCst), 0);
    bench.edges.backlog.store(STORE_OPERATIONS - 1, Ordering::SeqCst);
    until("the hint is taken", || hints.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn looks_that_are_not_answered_hold_up_hints_until_they_are() {
    let hints = Arc::new(AtomicUsize::new(0));
    let seen = hints.clone();
    let bench = bench(move |_, input, effects| match input {
        Input::Hints(_) => drop(seen.fetch_add(1, Ordering::SeqCst)),
        Input::Command(token, _) => {
            (0..u32::try_from(LOOKS).unwrap()).for_each(|tag| effects.push(look(W, tag)));
            effects.push(Effect::Answer(token, Ok(Answer::Done)));
        }
        _ => {}
    });
    bench.handle.command(Command::Counters).await.unwrap();
    bench.hints.send(hint()).await.unwrap();
    // Answers of a watch that asked nothing change nothing.
    bench.inbox.send(Input::Looked(vec![looked(WatchId(2))])).await.unwrap();
    until("that answer is taken", || bench.inbox.capacity() == bench.inbox.max_capacity()).await;
    assert_eq!(hints.load(Ordering::SeqCst), 0);
    bench.inbox.send(Input::Looked(vec![looked(W)])).await.unwrap();
    until("the hint is taken", || hints.load(Ordering::SeqCst) == 1).await;
    let flushes = bench.edges.calls.lock().unwrap().iter().filter(|call| **call == Call::Flush).count();
    assert_eq!(flushes, 1, "all looks of one turn are handed on at once");
}

#[tokio::test]
async fn a_watch_that_is_stuck_or_closed_holds_up_no_hints() {
    for close in [false, true] {
        let hints = Arc::new(AtomicUsize::new(0));
        let seen = hints.clone();
        let bench = bench(move |_, input, effects| match input {
            Input::Hints(_) => drop(seen.fetch_add(1, Ordering::SeqCst)),
            Input::Command(token, command) => {
                match *command {
                    Command::Stop => effects.push(Effect::Close(W)),
                    _ => (0..u32::try_from(LOOKS).unwrap()).for_each(|tag| effects.push(look(W, tag))),
                }
                effects.push(Effect::Answer(token, Ok(Answer::Done)));
            }
            _ => {}
        });
        bench.handle.command(Command::Counters).await.unwrap();
        bench.hints.send(hint()).await.unwrap();
        if close {
            bench.handle.command(Command::Stop).await.unwrap();
        } else {
            bench.clock.store(6_000_000_000, Ordering::SeqCst);
        }
        until("the hint is taken", || hints.load(Ordering::SeqCst) == 1).await;
    }
}

#[tokio::test]
async fn a_flood_of_hints_starves_neither_answers_nor_commands() {
    let answers = Arc::new(AtomicUsize::new(0));
    let seen = answers.clone();
    let bench = bench(move |_, input, effects| match input {
        Input::Stored(_) => drop(seen.fetch_add(1, Ordering::SeqCst)),
        Input::Command(token, _) => effects.push(Effect::Answer(token, Ok(Answer::Done))),
        _ => {}
    });
    let flood = bench.hints.clone();
    let flooding = tokio::spawn(async move { while flood.send(vec![hint().remove(0); 100]).await.is_ok() {} });
    for _ in 0..100 {
        bench.inbox.send(Input::Stored(vec![])).await.unwrap();
        bench.handle.command(Command::Counters).await.unwrap();
    }
    until("all answers are taken", || answers.load(Ordering::SeqCst) == 100).await;
    flooding.abort();
}

#[tokio::test]
async fn a_deadline_is_ticked_when_the_given_clock_says_so() {
    let ticks = Arc::new(Mutex::new(Vec::new()));
    let seen = ticks.clone();
    let bench = bench(move |now, input, effects| match input {
        Input::Tick => seen.lock().unwrap().push(now.mono),
        Input::Command(token, _) => effects.push(Effect::Answer(token, Ok(Answer::Done))),
        _ => {}
    });
    *bench.deadline.lock().unwrap() = Some(20_000_000);
    bench.handle.command(Command::Counters).await.unwrap();
    bench.clock.store(19_000_000, Ordering::SeqCst);
    bench.handle.command(Command::Counters).await.unwrap();
    assert!(ticks.lock().unwrap().is_empty());
    // From here on nothing but the alarm wakes the engine.
    bench.clock.store(20_000_000, Ordering::SeqCst);
    until("the deadline is ticked", || !ticks.lock().unwrap().is_empty()).await;
    assert!(ticks.lock().unwrap().iter().all(|at| *at == 20_000_000));
}

#[test]
fn naps_are_capped_and_never_spin() {
    let cap = Duration::from_secs(60);
    assert_eq!(nap(None, 0, cap), cap);
    assert_eq!(nap(Some(u64::MAX), 0, cap), cap);
    assert_eq!(nap(Some(5_000_000), 1_000_000, cap), Duration::from_millis(4));
    assert_eq!(nap(Some(1), 2, cap), Duration::from_millis(1));
}

#[tokio::test]
async fn a_record_is_in_the_ring_before_it_is_committed() {
    let bench = bench(|_, input, effects| {
        if let Input::Hints(_) = input {
            effects.push(Effect::Store(StoreOp::Record(created(1, 1, "/r/a")), None));
        }
    });
    let mut ring = bench.handle.ring();
    bench.hints.send(hint()).await.unwrap();
    assert!(ring.wait_beyond(0).await);
    let RingRead::Entries(entries) = ring.read(0, 10) else { panic!("the ring has it") };
    assert_eq!(entries[0].record, created(1, 1, "/r/a").record);
    assert_eq!(ring.last(), 1);
}

#[test]
fn the_ring_knows_what_it_let_go_although_numbers_have_holes() {
    let (mut writer, ring) = with_capacity(10, 3);
    for seq in [11, 15, 20, 22, 30] {
        let row = created(seq, 1, "/r/a");
        writer.push(RingEntry { watch: row.watch, record: row.record });
        assert!(matches!(ring.read(10, 1), RingRead::Entries(_) | RingRead::Older(_)));
        writer.publish();
    }
    let numbers = |after| match ring.read(after, 10) {
        RingRead::Entries(entries) => entries.iter().map(|e| e.record.seq).collect(),
        RingRead::Older(gone) => vec![0, gone],
    };
    assert_eq!(numbers(10), [0, 15]);
    assert_eq!(numbers(14), [0, 15]);
    assert_eq!(numbers(15), [20, 22, 30]);
    assert_eq!(numbers(17), [20, 22, 30]);
    assert_eq!(numbers(20), [22, 30]);
    assert_eq!(numbers(30), Vec::<u64>::new());
    assert_eq!(ring.read(15, 1), ring.read(19, 1));
}

#[tokio::test]
async fn a_panic_of_the_core_ends_everything_with_an_error() {
    let mut bench = bench(|_, input, _| {
        if let Input::Command(..) = input {
            panic!("as the test wants");
        }
    });
    let mut ring = bench.handle.ring();
    let error = bench.handle.command(Command::Counters).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoDaemon);
    let (edges, result) = bench.task.ended().await;
    assert!(edges.is_some(), "the edges come back to be closed");
    assert!(result.unwrap_err().to_string().contains("as the test wants"));
    assert!(!ring.wait_beyond(0).await);
}

#[tokio::test]
async fn stop_answers_after_the_core_and_gives_the_edges_back() {
    let mut bench = bench(|_, input, effects| match input {
        Input::Command(token, command) if *command == Command::Stop => {
            effects.push(Effect::Store(StoreOp::WatchRemoved(W), Some(Ack::Command(token))));
        }
        Input::Stored(acks) => {
            for ack in acks {
                let Ack::Command(token) = ack else { continue };
                effects.push(Effect::Answer(token, Ok(Answer::Done)));
            }
        }
        _ => {}
    });
    let handle = bench.handle.clone();
    let stopping = tokio::spawn(async move { handle.stop().await });
    let is_submit = |call: &Call| matches!(call, Call::Submit(_));
    until("the last checkpoint is submitted", || bench.edges.calls.lock().unwrap().iter().any(is_submit)).await;
    assert!(!stopping.is_finished());
    bench.inbox.send(Input::Stored(vec![Ack::Command(1)])).await.unwrap();
    assert_eq!(stopping.await.unwrap(), Ok(()));
    let (edges, result) = bench.task.ended().await;
    assert!(edges.is_some() && result.is_ok());
    assert_eq!(bench.handle.command(Command::Counters).await.unwrap_err().kind, ErrorKind::NoDaemon);
}

#[tokio::test]
async fn a_caller_who_gives_up_harms_nobody() {
    let waiting = Arc::new(Mutex::new(Vec::new()));
    let tokens = waiting.clone();
    let bench = bench(move |_, input, effects| {
        if let Input::Command(token, command) = input {
            match *command {
                Command::Counters => tokens.lock().unwrap().push(token),
                _ => tokens
                    .lock()
                    .unwrap()
                    .drain(..)
                    .chain([token])
                    .for_each(|t| effects.push(Effect::Answer(t, Ok(Answer::Done)))),
            }
        }
    });
    let handle = bench.handle.clone();
    let gives_up = tokio::spawn(async move { handle.command(Command::Counters).await });
    until("the command is there", || !waiting.lock().unwrap().is_empty()).await;
    gives_up.abort();
    assert_eq!(bench.handle.command(Command::Sweep(1)).await, Ok(Answer::Done));
    assert_eq!(bench.handle.command(Command::Sweep(1)).await, Ok(Answer::Done));
}

#[tokio::test]
async fn news_of_sweeps_and_of_the_store_reach_the_handle() {
    let bench = bench(|_, input, effects| {
        if let Input::StoreState(_) = input {
            effects.push(Effect::SweepMoved(3));
        }
    });
    let mut news = bench.handle.sweep_changed();
    bench.inbox.send(Input::StoreState(Some("disk full".into()))).await.unwrap();
    news.changed().await.unwrap();
    assert_eq!(bench.handle.store_error().as_deref(), Some("disk full"));
}

fn result(run: u64) -> Input {
    Input::RunEnded(RunEnded { run, outcome: Outcome::Exited(0), ms: 1, output_bytes: 0, output_dropped: 0 })
}

/// Gives results one after another, letting the engine run in between, and tells whether the last two came in one turn.
async fn come_together(bench: &Bench, first: u64) -> bool {
    let turns = || -> Vec<usize> {
        let calls = bench.edges.calls.lock().unwrap();
        calls.iter().filter_map(|call| if let Call::Submit(all) = call { Some(all.len()) } else { None }).collect()
    };
    let total = |turns: &Vec<usize>| turns.iter().sum::<usize>();
    let before = turns();
    bench.results.send(result(first)).await.unwrap();
    until("the first is taken", || total(&turns()) > total(&before)).await;
    for run in [first + 1, first + 2] {
        bench.results.send(result(run)).await.unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    until("all are taken", || total(&turns()) == total(&before) + 3).await;
    turns().last() == Some(&2)
}

#[tokio::test]
async fn results_gather_while_the_core_lets_them_and_nothing_waits_with_them() {
    let bench = bench(|_, input, effects| match input {
        Input::RunEnded(_) => effects.push(Effect::Store(StoreOp::WatchRemoved(W), None)),
        Input::Command(token, _) => effects.push(Effect::Answer(token, Ok(Answer::Done))),
        _ => {}
    });
    assert!(!come_together(&bench, 1).await);
    bench.gathers.store(true, Ordering::SeqCst);
    // A machine that gives us no time lets the moment pass.
    let mut gathered = false;
    for round in 1..100 {
        gathered |= come_together(&bench, 10 * round).await;
    }
    assert!(gathered);
    // They hold up no command, and are taken with it.
    let submits = || bench.edges.calls.lock().unwrap().iter().filter(|call| matches!(call, Call::Submit(_))).count();
    let before = submits();
    bench.results.send(result(1)).await.unwrap();
    assert_eq!(bench.handle.command(Command::Counters).await, Ok(Answer::Done));
    assert_eq!(submits(), before + 1);
    bench.gathers.store(false, Ordering::SeqCst);
    assert!(!come_together(&bench, 1).await);
}
