//! Chaos: random histories on a real file system, with the real programs, and faults at random moments.
//!
//! Several writers work in one watched tree while the daemon is killed, stopped and continued, its queue overflown and
//! its file system taken away. When all is quiet again the journal must equal the tree, and every file's last content
//! must have been given to the command. Nothing else may repair what was missed: schedule and rescan are off.
//!
//! What is done follows from the seed, when it is done from the machine too; so a seed that failed may have to be
//! repeated. A failure prints its seed and its story, and leaves all of it in a folder.
//!
//! `CHAOS_SEEDS=200` runs so many, `CHAOS_SEED=7` one, `CHAOS_AT_ONCE=2` so many side by side.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "all of this is test code")]

mod faults;
mod place;
mod story;
mod truth;
mod writers;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;

use fsmon_tests::mirror::Wrong;
use fsmon_tests::{Daemon, LIMIT, Mirror, wait};

use crate::place::Place;
use crate::story::Story;

/// How many histories without another wish.
const SEEDS: u64 = 20;
/// How many side by side: they wait most of the time.
const AT_ONCE: u64 = 4;
/// Commands at once in one history.
const CONCURRENCY: usize = 3;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is '{text}', not a number")))
}

#[test]
fn nothing_is_lost_and_the_journal_is_the_tree() {
    let seeds = match number("CHAOS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CHAOS_SEEDS").unwrap_or(SEEDS),
    };
    if !Place::can_mount() {
        println!("skipped: histories in which the file system is unmounted; only root can, with loop devices");
    }
    let (next, end) = (AtomicU64::new(seeds.start), seeds.end);
    let (failed, sum) = (Mutex::new(Vec::new()), Mutex::new(faults::Counts::default()));
    std::thread::scope(|scope| {
        for _ in 0..number("CHAOS_AT_ONCE").unwrap_or(AT_ONCE).max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    match history(seed) {
                        Ok(counts) => sum.lock().unwrap().add(&counts),
                        Err(()) => failed.lock().unwrap().push(seed),
                    }
                }
            });
        }
    });
    println!("{} histories: {}", end - seeds.start, sum.into_inner().unwrap());
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {} seeds failed: {failed:?}", failed.len(), end - seeds.start);
}

/// One history, to its end. A failure has been told.
fn history(seed: u64) -> Result<faults::Counts, ()> {
    let story = Story::default();
    let place = Place::new(seed);
    let mut daemon = Daemon::start();
    let done = catch_unwind(AssertUnwindSafe(|| act(seed, &place, &mut daemon, &story)));
    let wrong = match done {
        Ok(Ok(counts)) => return Ok(counts),
        Ok(Err(wrong)) => wrong,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map_or("it panicked, see above", String::as_str);
            Wrong::new(text.to_owned())
        }
    };
    story.tell_failure(seed, &wrong, &daemon);
    Err(())
}

fn act(seed: u64, place: &Place, daemon: &mut Daemon, story: &Story) -> Result<faults::Counts, Wrong> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let job = daemon.job_script(&truth::careful(&daemon.dir("locks")));
    place.add_watch(daemon, &job, CONCURRENCY);
    let stop = AtomicBool::new(false);
    let counts = std::thread::scope(|scope| {
        let writers: Vec<_> =
            writers::all(seed, place, story).into_iter().map(|w| scope.spawn(|| w.work(&stop))).collect();
        let counts =
            faults::play(&mut dice, place, daemon, story, || writers.iter().all(ScopedJoinHandle::is_finished));
        stop.store(true, Ordering::Relaxed);
        counts
    });
    story.tell("all is quiet");
    if place.has_links {
        // A write by one name of a file tells nothing about its other names: the next comparison finds it.
        daemon.until("it can be looked at", || daemon.ctl(["run-now", "data"]).code == 0);
    }
    let mut mirror = Mirror::new(&place.root());
    let mut wrong = None;
    wait::holds_within(LIMIT, || {
        wrong = mirror.compare(daemon, &job).err();
        wrong.is_none()
    });
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    truth::check_runs(&job, counts.repeats() * CONCURRENCY, &daemon.dir("locks"))?;
    daemon.wait_idle("data");
    mirror.compare(daemon, &job)?;
    truth::check_ledger(daemon)?;
    // The ledger is the tree: a start over an unchanged tree finds nothing to tell and nothing to do.
    let (last, runs) = (mirror.last(), job.runs().len());
    daemon.restart();
    daemon.wait_watching("data");
    daemon.wait_idle("data");
    mirror.compare(daemon, &job)?;
    truth::check_ledger(daemon)?;
    mirror.nothing_after(last, runs, &job)?;
    Ok(counts)
}
