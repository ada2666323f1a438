//! The core under random histories: a file system that changes at any moment, hints that come late or not at all,
//! looks and commits and runs as slow as chance wants, crashes. After each history the world comes to rest, and then
//! nothing may be lost.
//!
//! A seed replays a failure: `SIM_SEED=123 cargo test -p fsmon-core --test sim`. `SIM_SEEDS=100000` tries more.

#![allow(clippy::unwrap_used, reason = "a test that can't go on ends here")]

mod daemon;
mod disk;
mod told;

use std::collections::BTreeSet;

use daemon::{Daemon, EACH, Sort};
use disk::{Disk, ROOT};
use fastrand::Rng;
use fsmon_core::ignores;
use fsmon_core::io::Command;
use fsmon_protocol::rpc_types::{Again, ReplayRequest};
use fsmon_protocol::spec::{BreakAfter, Dedupe, Mode, Options};
use fsmon_protocol::status::{DefinedBy, WatchState};
use fsmon_protocol::units::{Span, Timestamp};
use told::{deleted, played, text};

fn pick<T: Clone>(random: &mut Rng, from: &[T]) -> Option<T> {
    (!from.is_empty()).then(|| from[random.usize(..from.len())].clone())
}

/// One random change of the file system.
fn change(disk: &mut Disk, random: &mut Rng, what: u8, gitignore: bool) {
    let folders = disk.folders();
    let folder = pick(random, &folders).unwrap();
    let other = pick(random, &folders).unwrap();
    let letter = [b'a' + random.u8(..5)];
    let new = if gitignore && random.u8(..4) == 0 { ignores::NAME } else { &letter };
    let files: Vec<_> = disk.entries(folder).into_iter().filter(|&(_, i)| !disk.is_dir(i)).collect();
    let all = disk.entries(folder);
    let free = disk.child(folder, new).is_none();
    match what {
        0..=2 if free => disk.create(folder, new, random.u8(..4) > 0),
        3 | 4 if free => disk.mkdir(folder, new),
        5..=7 => {
            if let Some((name, _)) = pick(random, &files) {
                disk.write(folder, &name, random.u8(..4) > 0);
            }
        }
        8 => {
            let open: Vec<_> = files.iter().filter(|(_, i)| disk.inodes[i].open).cloned().collect();
            if let Some((name, _)) = pick(random, &open) {
                disk.close(folder, &name);
            }
        }
        9 => {
            if let Some((name, _)) = pick(random, &all) {
                disk.remove(folder, &name);
            }
        }
        10 | 11 => {
            if let Some((name, _)) = pick(random, &all) {
                disk.rename(folder, &name, other, new);
            }
        }
        12 => {
            if let Some((name, _)) = pick(random, &all) {
                disk.move_out(folder, &name);
            }
        }
        _ if free => disk.move_in(folder, new),
        _ => {}
    }
}

/// Something that leaves a file as it was, or brings back what was in it before.
fn repeat(disk: &mut Disk, random: &mut Rng) {
    let folder = pick(random, &disk.folders()).unwrap();
    let files: Vec<_> = disk.entries(folder).into_iter().filter(|&(_, i)| !disk.is_dir(i)).collect();
    let Some((name, inode)) = pick(random, &files) else { return };
    let (now, before) = (disk.inodes[&inode].version, disk.inodes[&inode].before);
    match random.u8(..4) {
        0 => disk.touch(folder, &name),
        1 => disk.write_content(folder, &name, now, random.u8(..4) > 0),
        _ => disk.write_content(folder, &name, before, random.u8(..4) > 0),
    }
}

/// Everything does its part for a while, some of it late, so that files are processed; and they change meanwhile.
fn go_on(daemon: &mut Daemon, disk: &mut Disk, random: &mut Rng) {
    for _ in 0..random.usize(..60) {
        daemon.open(disk);
        daemon.raise(disk);
        daemon.list(disk);
        daemon.look(disk);
        match random.u8(..8) {
            0 => repeat(disk, random),
            1 => change(disk, random, 5, false),
            2..=5 => drop(daemon.read(disk, 20)),
            _ => {}
        }
        daemon.commit(disk, 20);
        daemon.read_files(disk);
        if random.bool() {
            daemon.end_run(disk, random.usize(..8), random.u8(..6) > 0);
        } else {
            daemon.hear_taken_back(disk);
        }
        daemon.digest(disk, true);
        let span = [1_000, 1_000_000, 5_000_000, 100_000_000][random.usize(..4)];
        daemon.pass(disk, random.u64(..span));
    }
}

/// What goes wrong around the daemon, and what people say to it.
fn trouble(daemon: &mut Daemon, disk: &mut Disk, random: &mut Rng) {
    let w = || vec!["w".to_owned()];
    match random.u8(..12) {
        0 => disk.lose_events(),
        1 | 2 => daemon.set_store_fails(disk, true),
        3..=5 => daemon.set_store_fails(disk, false),
        6 => daemon.set_clock(random.i64(-7_200_000_000_000..7_200_000_000_000)),
        7 => daemon.say(disk, Command::Pause(w())),
        8 => daemon.say(disk, Command::Resume(w())),
        9 if random.bool() => daemon.say(disk, Command::RunNow { watches: w(), all_files: random.bool() }),
        9 => {
            let again =
                [Again::All, Again::Failed, Again::Since(Timestamp(disk.wall - 2_000_000_000))][random.usize(..3)];
            let (pause, dry_run) = (Span::millis(random.u64(..3000)), random.u8(..5) == 0);
            daemon.say(disk, Command::GiveAgain(ReplayRequest { watch: "w".to_owned(), again, pause, dry_run }));
        }
        10 => {
            let concurrency = Some(random.u32(1..5));
            let settle = Some(Span::millis(random.u64(..200)));
            let options = Options { concurrency, settle, ..Options::default() };
            daemon
                .say(disk, Command::Set { watch: "w".to_owned(), options, unset: Vec::new(), by: DefinedBy::Runtime });
        }
        // The root goes; an empty one may be made in its place; then the true one is back.
        _ if disk.away => disk.put_root(random.u8(..3) > 0),
        _ if disk.root != ROOT => {
            disk.move_root();
            disk.put_root(true);
        }
        _ => disk.move_root(),
    }
}

/// Lets everything that is due happen until nothing is.
fn come_to_rest(daemon: &mut Daemon, disk: &mut Disk, random: &mut Rng, seed: u64) {
    daemon.set_store_fails(disk, false);
    if daemon.state(disk) == WatchState::Paused {
        daemon.say(disk, Command::Resume(vec!["w".to_owned()]));
    }
    let mut held = 0;
    for round in 0..200_000 {
        let mut busy = daemon.open(disk);
        busy |= daemon.raise(disk);
        busy |= daemon.read(disk, 1 + random.usize(..20));
        busy |= daemon.list(disk);
        busy |= daemon.look(disk);
        busy |= daemon.digest(disk, true);
        busy |= daemon.commit(disk, 1 + random.usize(..20));
        busy |= daemon.put_away(disk);
        busy |= daemon.hear_taken_back(disk);
        daemon.read_files(disk);
        busy |= daemon.end_run(disk, random.usize(..8), true);
        if busy {
            daemon.pass(disk, random.u64(..1_000_000));
            continue;
        }
        // It is held for a root that is not coming back; one that is there is found by itself before.
        held = if daemon.state(disk) == WatchState::Held { held + 1 } else { 0 };
        if held > 5 {
            daemon.say(disk, Command::Resume(vec!["w".to_owned()]));
            continue;
        }
        // The rescan of every two hours is the only thing left to wait for.
        match daemon.next_deadline() {
            Some(due) if due < daemon.mono + 3_600_000_000_000 => {
                let left = due.saturating_sub(daemon.mono);
                daemon.pass(disk, left.max(1));
            }
            // It was taken for one that makes its own work, so often did a file change right after its runs.
            _ if held > 0 => daemon.say(disk, Command::Resume(vec!["w".to_owned()])),
            _ => return,
        }
        assert!(round < 199_999, "seed {seed}: the world does not come to rest: {}", daemon.status(disk));
    }
}

fn check(daemon: &mut Daemon, disk: &Disk, seed: u64, renames: bool) {
    for path in deleted(&daemon.told).into_iter().filter(|_| !renames) {
        let stayed = disk.resolve(&path).is_some() && !disk.taken.contains(&path);
        assert!(!stayed, "seed {seed}: {} never went away: {}", text(&path), daemon.story());
    }
    let there: BTreeSet<Vec<u8>> = disk.paths().into_keys().collect();
    let told = played(&daemon.told).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    if there != told {
        let missing: Vec<_> = there.difference(&told).map(|p| text(p)).collect();
        let extra: Vec<_> = told.difference(&there).map(|p| text(p)).collect();
        let story = daemon.story();
        panic!("seed {seed}: journal and tree differ: not told {missing:?}, told and not there {extra:?}\n{story}");
    }
    for (path, inode) in disk.paths() {
        let file = &disk.inodes[&inode];
        if file.dir.is_none() {
            let done = daemon.processed.get(&path).copied();
            assert_eq!(
                done,
                Some(file.version),
                "seed {seed}: {} is not processed as it is now: {}\n{}",
                text(&path),
                daemon.status(disk),
                daemon.story()
            );
        }
    }
}

/// Where ignore files decide, what they let in is known and processed, and nothing else is known.
fn check_heeded(daemon: &mut Daemon, disk: &Disk, seed: u64) {
    let heeded = disk.heeded();
    let folders = heeded.values().filter(|&&inode| disk.is_dir(inode)).count() as u64 + 1;
    let counts = (heeded.len() as u64 + 1 - folders, folders);
    for (path, inode) in heeded.iter().filter(|&(_, &inode)| !disk.is_dir(inode)) {
        let (done, version) = (daemon.processed.get(path).copied(), disk.inodes[inode].version);
        let path = text(path);
        assert_eq!(done, Some(version), "seed {seed}: {path} is not processed as it is now\n{}", daemon.story());
    }
    let shown = daemon.shown(disk);
    assert_eq!((shown.files, shown.folders), counts, "seed {seed}: files and folders: {heeded:?}\n{}", daemon.story());
}

/// `renames`: folders and files are renamed too. Then a listing may be ahead of the events, and what it saw early be
/// told as gone and come again; without, nothing that stayed is ever told as gone. Gives how many changes ran nothing since
/// the last start.
fn history(seed: u64, crashes: bool, renames: bool, sort: Sort) -> u64 {
    let mut random = Rng::with_seed(seed);
    let mut disk = Disk::new(1_800_000_000_000_000_000);
    let mut daemon = Daemon::new(&disk, seed, sort);
    daemon.seed = seed;
    for step in 0..random.usize(20..200) {
        match random.u8(..25) {
            0..=5 | 16 | 20 if sort.dedupe != Dedupe::Off => match random.u8(..4) {
                0 => drop(daemon.digest(&disk, random.u8(..8) > 0)),
                1 => go_on(&mut daemon, &mut disk, &mut random),
                2 => repeat(&mut disk, &mut random),
                _ => {
                    repeat(&mut disk, &mut random);
                    go_on(&mut daemon, &mut disk, &mut random);
                }
            },
            0..=7 => {
                let what = random.u8(..if renames { 14 } else { 10 });
                change(&mut disk, &mut random, what, sort.gitignore);
            }
            8..=10 => drop(daemon.read(&mut disk, random.usize(1..30))),
            11 | 12 => drop(daemon.list(&mut disk)),
            13..=15 => drop(daemon.look(&disk)),
            16 | 17 => drop(daemon.commit(&disk, random.usize(1..30))),
            18 => {
                daemon.read_files(&disk);
                daemon.end_run(&disk, random.usize(..8), random.u8(..4) > 0);
            }
            19 => {
                let _ = daemon.open(&mut disk) || daemon.put_away(&mut disk) || daemon.hear_taken_back(&disk);
                if sort.mode == Mode::Worker {
                    match random.u8(..4) {
                        0 => daemon.fell(&disk, random.bool()),
                        _ => drop(daemon.raise(&disk)),
                    }
                }
            }
            20..=22 => {
                let span = [100_000, 5_000_000, 30_000_000, 600_000_000, 3_000_000_000];
                daemon.pass(&mut disk, span[random.usize(..5)]);
            }
            23 if sort.dedupe != Dedupe::Off && random.u8(..4) == 0 => {
                let dedupe = Some([Dedupe::Off, sort.dedupe][random.usize(..2)]);
                let options = Options { dedupe, ..Options::default() };
                let (watch, by) = ("w".to_owned(), DefinedBy::Runtime);
                daemon.say(&disk, Command::Set { watch, options, unset: Vec::new(), by });
            }
            23 => trouble(&mut daemon, &mut disk, &mut random),
            _ if crashes && random.u8(..if sort.dedupe == Dedupe::Off { 4 } else { 2 }) == 0 => {
                daemon = daemon.crash(&mut disk, seed + step as u64);
            }
            _ => {}
        }
        daemon.read_files(&disk);
    }
    if disk.away || disk.root != ROOT {
        if !disk.away {
            disk.move_root();
        }
        disk.put_root(true);
    }
    come_to_rest(&mut daemon, &mut disk, &mut random, seed);
    if sort.gitignore {
        check_heeded(&mut daemon, &disk, seed);
    } else {
        check(&mut daemon, &disk, seed, renames);
    }
    daemon.shown(&disk).unchanged
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIM_SEEDS").unwrap_or(10_000),
    }
}

#[test]
fn nothing_is_lost_while_it_runs() {
    for seed in seeds() {
        history(seed, false, true, EACH);
    }
}

#[test]
fn nothing_is_lost_over_crashes() {
    for seed in seeds() {
        history(seed, true, true, EACH);
    }
}

#[test]
fn nothing_that_stayed_is_told_as_gone() {
    for seed in seeds() {
        history(seed, true, false, EACH);
    }
}

#[test]
fn nothing_is_lost_in_batches_over_crashes() {
    for seed in seeds() {
        history(seed, true, true, Sort { mode: Mode::Batch, ..EACH });
    }
}

/// Files are deleted once they are processed: only those, and only in the version that was.
#[test]
fn nothing_is_deleted_that_was_not_processed() {
    for seed in seeds() {
        let mode = if seed % 2 == 0 { Mode::Each } else { Mode::Batch };
        history(seed, true, seed % 3 == 0, Sort { mode, deletes: true, ..EACH });
    }
}

/// Files run in lanes: never two of one at once, and none is left waiting in one.
#[test]
fn nothing_is_lost_in_lanes_over_crashes() {
    for seed in seeds() {
        history(seed, true, seed % 2 == 0, Sort { lanes: true, deletes: seed % 3 == 0, ..EACH });
    }
}

#[test]
fn nothing_is_lost_with_workers_over_crashes() {
    for seed in seeds() {
        history(seed, true, true, Sort { mode: Mode::Worker, ..EACH });
    }
}

/// When one or two runs in a row fail, one file at a time is tried: none is forgotten over that, in any mode.
#[test]
fn nothing_is_lost_when_runs_are_held_back() {
    for seed in seeds() {
        let mode = [Mode::Each, Mode::Batch, Mode::Worker][usize::try_from(seed % 3).unwrap()];
        let break_after = BreakAfter::Runs(1 + u32::from(seed % 2 == 0));
        history(seed, seed % 5 > 1, true, Sort { mode, lanes: seed % 6 == 0, break_after, ..EACH });
    }
}

/// Ignore files come, change and go with all else: what they let in at last is processed, and what they do not is let go.
#[test]
fn nothing_is_lost_where_ignore_files_decide() {
    for seed in seeds() {
        history(seed, seed % 4 > 0, seed % 3 > 0, Sort { gitignore: true, ..EACH });
    }
}

/// Changes that leave files as they were processed run nothing, and none that does not is taken for one: by content and by
/// size and mtime, in any mode, over crashes and failed runs.
#[test]
fn nothing_is_lost_when_what_is_the_same_runs_nothing() {
    let mut unchanged = 0;
    for seed in seeds() {
        let mode = [Mode::Each, Mode::Batch, Mode::Worker][usize::try_from(seed % 3).unwrap()];
        let dedupe = if seed % 16 == 0 { Dedupe::Meta } else { Dedupe::Content };
        let deletes = seed % 8 == 1 && mode != Mode::Worker;
        unchanged += history(seed, seed % 5 > 1, seed % 2 == 0, Sort { mode, deletes, dedupe, ..EACH });
    }
    assert!(unchanged > seeds().count() as u64 / 2, "too few changes ran nothing: {unchanged}");
}
