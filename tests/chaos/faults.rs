//! What goes wrong while the writers work: the daemon killed, stopped, its queue overflown, its disk taken away.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use fsmon_tests::{Daemon, wait};
use nix::sys::signal::Signal;

use crate::place::Place;
use crate::story::Story;

/// How often each fault happened.
#[derive(Debug, Default)]
pub struct Counts {
    kills: usize,
    kills_at_start: usize,
    stops: usize,
    pauses: usize,
    overflows: usize,
    unmounts: usize,
}

impl Counts {
    /// How often a version may have been given again for each command that runs at once: when the daemon ended, and
    /// when it was stopped for a while, since then it learns of a change later than the command has seen it.
    pub fn repeats(&self) -> usize {
        self.kills + self.kills_at_start + self.stops + self.pauses + self.overflows
    }

    /// Adds those of another history.
    pub fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.kills_at_start += other.kills_at_start;
        self.stops += other.stops;
        self.pauses += other.pauses;
        self.overflows += other.overflows;
        self.unmounts += other.unmounts;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills at work and {} while starting, {} clean stops, {} times stopped and continued, {} overflows, {} \
             unmounts",
            self.kills, self.kills_at_start, self.stops, self.pauses, self.overflows, self.unmounts
        )
    }
}

/// Faults, one after the other, until the writers are done.
pub fn play(
    dice: &mut fastrand::Rng,
    place: &Place,
    daemon: &mut Daemon,
    story: &Story,
    done: impl Fn() -> bool,
) -> Counts {
    let mut counts = Counts::default();
    while !done() {
        wait::pause(Duration::from_millis(dice.u64(0..200)));
        match dice.u32(0..12) {
            0..3 => kill(dice, daemon, story, &mut counts),
            3..5 => kill_while_starting(dice, daemon, story, &mut counts),
            5 => stop(dice, daemon, story, &mut counts),
            6..8 => pause(dice, daemon, story, &mut counts),
            8..10 => overflow(dice, place, daemon, story, &mut counts),
            _ if place.can_be_taken_away() => take_away(dice, place, story, &mut counts),
            _ => {}
        }
    }
    counts
}

/// A while, mostly short.
fn a_while(dice: &mut fastrand::Rng) {
    let most = *dice.choice(&[1, 30, 300, 600]).unwrap();
    wait::pause(Duration::from_millis(dice.u64(0..most)));
}

fn kill(dice: &mut fastrand::Rng, daemon: &mut Daemon, story: &Story, counts: &mut Counts) {
    story.tell("** fsmond is killed");
    daemon.kill9();
    a_while(dice);
    daemon.start_again();
    story.tell("** fsmond is ready again");
    counts.kills += 1;
}

fn kill_while_starting(dice: &mut fastrand::Rng, daemon: &mut Daemon, story: &Story, counts: &mut Counts) {
    story.tell("** fsmond is killed, and again while it starts");
    daemon.kill9();
    for _ in 0..2 {
        let mut start = daemon.fsmond();
        let mut child = start.arg("--foreground").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait::pause(Duration::from_millis(dice.u64(0..120)));
        child.kill().unwrap();
        child.wait().unwrap();
        counts.kills_at_start += 1;
    }
    daemon.start_again();
    story.tell("** fsmond is ready again");
    counts.kills += 1;
}

fn stop(dice: &mut fastrand::Rng, daemon: &mut Daemon, story: &Story, counts: &mut Counts) {
    story.tell("** fsmond is stopped cleanly");
    assert_eq!(daemon.stop(), Some(0), "{}", daemon.console());
    a_while(dice);
    daemon.start_again();
    story.tell("** fsmond is ready again");
    counts.stops += 1;
}

fn pause(dice: &mut fastrand::Rng, daemon: &Daemon, story: &Story, counts: &mut Counts) {
    story.tell("** fsmond gets SIGSTOP");
    daemon.signal(Signal::SIGSTOP);
    a_while(dice);
    daemon.signal(Signal::SIGCONT);
    story.tell("** fsmond gets SIGCONT");
    counts.pauses += 1;
}

/// Fills the kernel's queue while the daemon is stopped, and leaves nothing behind in the tree. What the writers do
/// from then on until it is continued is told to nobody.
fn overflow(dice: &mut fastrand::Rng, place: &Place, daemon: &Daemon, story: &Story, counts: &mut Counts) {
    let Ok(limit) = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events") else { return };
    let limit: u32 = limit.trim().parse().unwrap();
    if limit > 200_000 {
        return;
    }
    story.tell("** fsmond gets SIGSTOP, and more events than fit");
    daemon.signal(Signal::SIGSTOP);
    flood(&place.root().join("flood"), limit / 2 + 500);
    story.tell("** the kernel's queue is full");
    a_while(dice);
    daemon.signal(Signal::SIGCONT);
    story.tell("** fsmond gets SIGCONT");
    counts.overflows += 1;
}

/// A file that comes and goes: two events each time.
fn flood(path: &Path, times: u32) {
    for _ in 0..times {
        if fs::File::create(path).is_ok() {
            fs::remove_file(path).unwrap();
        }
    }
}

fn take_away(dice: &mut fastrand::Rng, place: &Place, story: &Story, counts: &mut Counts) {
    let _alone = place.present.write().unwrap();
    story.tell("** the file system is unmounted");
    assert!(place.unmount(), "it stays busy: the daemon must not keep a file system from being unmounted");
    a_while(dice);
    assert!(place.mount(), "it cannot be mounted again");
    story.tell("** the file system is mounted again");
    counts.unmounts += 1;
}
