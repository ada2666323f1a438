//! How fast it is: a figure to look at, never a test that fails for time.
//!
//! `cargo test --release -p fsmond store::tests::speed -- --ignored --nocapture`

use std::time::Instant;

use fsmon_core::io::{Checkpoint, NodeState};

use super::samples::{self, Dice, event};
use super::*;

/// Seconds of processor time that this process has used.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap()).as_secs_f64()
}

#[test]
#[ignore = "it measures"]
fn rows_per_second() {
    let dir = folder();
    let mut running = start_with(dir.path(), KEEP_ALL);
    let batches: Vec<Vec<StoreOp>> =
        (0..1000).map(|b| (1..=1000).map(|n| StoreOp::Record(event(b * 1000 + n))).collect()).collect();
    let (begun, used) = (Instant::now(), cpu());
    let mut last = None;
    for batch in batches {
        last = Some(running.submit(batch));
    }
    running.wait_for(last.unwrap());
    report("journal rows", 1_000_000, begun, used);

    let mut dice = Dice(1);
    let rows: Vec<_> = (0..500_000)
        .map(|n| NodeRow {
            name: format!("file-{n}.csv").into_bytes().into(),
            state: NodeState::Clean,
            ..samples::node(&mut dice, n)
        })
        .collect();
    let checkpoint = Checkpoint { watch: samples::watch(1), rows, freed: Vec::new(), ignores: Vec::new() };
    let (begun, used) = (Instant::now(), cpu());
    running.store(vec![StoreOp::Checkpoint(Box::new(checkpoint))]);
    report("ledger rows", 500_000, begun, used);

    let (begun, used) = (Instant::now(), cpu());
    for n in 1..=500 {
        running.store(vec![StoreOp::RunStart(samples::run_start(n))]);
    }
    report("single durable commits", 500, begun, used);
    running.close();

    let (begun, used) = (Instant::now(), cpu());
    let (opened, _inbox) = open(dir.path());
    assert_eq!(nodes_of(&opened.store, WatchId(1)).len(), 500_000);
    report("ledger rows loaded", 500_000, begun, used);
    let (begun, used) = (Instant::now(), cpu());
    assert_eq!(journal_of(&opened.store).len(), 1_000_000);
    report("journal rows replayed", 1_000_000, begun, used);
}

fn report(what: &str, n: u32, begun: Instant, used: f64) {
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu() - used);
    let n = f64::from(n);
    println!("{what}: {:.0}/s, {:.2} us of processor each, {:.2} us in all", n / wall, cpu / n * 1e6, wall / n * 1e6);
}
