//! The log: one line per record, rotation, floods, and what is counted instead of written.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::mpsc;

use tracing::subscriber::with_default;
use tracing::{debug, error, info, warn};

use super::*;

const SOON: Duration = Duration::from_secs(20);

fn settings(path: &Path) -> Settings {
    Settings {
        level: Level::Info,
        format: Format::Text,
        console: false,
        file: Some(FileSettings { path: path.to_owned(), rotation: Rotation::default() }),
    }
}

fn rotated(path: &Path, max_size: u64, keep: u32) -> Settings {
    let rotation = Rotation { max_size, keep, ..Rotation::default() };
    Settings { file: Some(FileSettings { path: path.to_owned(), rotation }), ..settings(path) }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn records_become_lines_of_a_file_that_only_we_and_our_group_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log/filesystem_monitor.log");
    let (subscriber, log) = build(&settings(&path), None).unwrap();
    with_default(subscriber, || {
        info!(path = "/a/b\nforged", run = 7, "started");
        debug!("not shown");
        tracing::error!(target: "tarpc::server", "not ours");
        let cause = io::Error::other("disk full");
        error!(error = &cause as &(dyn std::error::Error + 'static), "it failed");
    });
    assert!(log.flush(SOON));
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().map(|l| &l["2026-11-23T18:10:00.123Z".len()..]).collect();
    assert_eq!(lines, ["  INFO started path=\"/a/b\\nforged\" run=7", " ERROR it failed error=\"disk full\""]);
    let (file, parent) = (fs::metadata(&path).unwrap(), fs::metadata(path.parent().unwrap()).unwrap());
    assert_eq!(file.permissions().mode() & 0o137, 0, "0640 at most, whatever the umask is");
    assert_eq!(parent.permissions().mode() & 0o027, 0, "0750 at most");
}

#[test]
fn the_level_changes_while_it_runs_and_others_speak_only_at_trace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.log");
    let (subscriber, log) = build(&settings(&path), None).unwrap();
    with_default(subscriber, || {
        let both = |n: u32| {
            debug!(n, "ours");
            tracing::info!(target: "tarpc", n, "theirs");
        };
        both(1);
        log.set_level("debug").unwrap();
        both(2);
        log.set_level("trace").unwrap();
        both(3);
        log.set_level("error").unwrap();
        both(4);
        let said = log.set_level("loud").unwrap_err().to_string();
        assert!(said.contains("'loud' is not a log level; there are error, warn"), "{said}");
    });
    assert_eq!(log.level(), Level::Error);
    assert!(log.flush(SOON));
    let text = fs::read_to_string(&path).unwrap();
    let told: Vec<_> = text.lines().map(|l| l[31..].to_owned()).collect();
    assert_eq!(told, ["ours n=2", "ours n=3", "theirs n=3"], "{text}");
}

#[test]
fn rotation_by_size_keeps_order_and_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("filesystem_monitor.log");
    // From an earlier life that kept more, and what is none of ours.
    fs::write(folder.path().join("filesystem_monitor.log.9"), "old").unwrap();
    fs::write(folder.path().join("filesystem_monitor.log.gz"), "theirs").unwrap();
    let (subscriber, log) = build(&rotated(&path, 1_000, 2), None).unwrap();
    with_default(subscriber, || {
        for n in 0..100 {
            info!(n, "a line of the log that is about eighty bytes long");
            assert!(log.flush(SOON));
        }
    });
    assert_eq!(
        names(folder.path()),
        ["filesystem_monitor.log", "filesystem_monitor.log.1", "filesystem_monitor.log.2", "filesystem_monitor.log.gz"]
    );
    let mut text = String::new();
    for name in ["filesystem_monitor.log.2", "filesystem_monitor.log.1", "filesystem_monitor.log"] {
        let part = fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(part.len() <= 1_000 && !part.is_empty(), "{name}: {}", part.len());
        text.push_str(&part);
    }
    let numbers: Vec<u32> = text.lines().map(|l| l.rsplit_once('=').unwrap().1.parse().unwrap()).collect();
    let first = numbers[0];
    assert_eq!(numbers, (first..100).collect::<Vec<_>>());
    assert_eq!(log.dropped(), 0);
}

#[test]
fn rotation_by_age_and_without_old_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.log");
    fs::write(&path, "yesterday\n").unwrap();
    let rotation = Rotation { max_age: Duration::ZERO, keep: 0, ..Rotation::default() };
    let file = Some(FileSettings { path: path.clone(), rotation });
    let (subscriber, log) = build(&Settings { file, ..settings(&path) }, None).unwrap();
    with_default(subscriber, || info!("today"));
    assert!(log.flush(SOON));
    assert_eq!(names(folder.path()), ["l.log"]);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("today\n") && !text.contains("yesterday"), "{text}");
}

#[test]
fn a_rotation_that_fails_loses_neither_lines_nor_old_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.log");
    // A folder in the place of the first old file can't be replaced by a file.
    fs::create_dir_all(folder.path().join("l.log.1/x")).unwrap();
    fs::create_dir(folder.path().join("l.log.2")).unwrap();
    fs::write(folder.path().join("l.log.2/keep"), "").unwrap();
    let (subscriber, log) = build(&rotated(&path, 200, 2), None).unwrap();
    with_default(subscriber, || {
        for n in 0..20 {
            info!(n, "a line of the log that is about eighty bytes long");
            assert!(log.flush(SOON));
        }
    });
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 20);
    assert!(folder.path().join("l.log.2/keep").exists() && folder.path().join("l.log.1/x").exists());
    assert_eq!(log.dropped(), 0);
}

#[test]
fn a_file_that_was_moved_away_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.log");
    let (subscriber, log) = build(&settings(&path), None).unwrap();
    with_default(subscriber, || {
        info!("one");
        assert!(log.flush(SOON));
        let first = fs::metadata(&path).unwrap().ino();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        log.reopen();
        info!("two");
        assert!(log.flush(SOON));
        assert_ne!(fs::metadata(&path).unwrap().ino(), first);
        // Nobody says so: found within a few seconds of writing on.
        fs::rename(&path, folder.path().join("moved again")).unwrap();
        let end = Instant::now() + SOON;
        while !path.exists() && Instant::now() < end {
            info!("three");
            assert!(log.flush(SOON));
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("moved").ends_with("one\n") && read("l.log").ends_with("three\n"));
    assert!(read("moved again").contains("two\n"));
}

#[test]
fn a_flood_is_counted_and_warnings_pass() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.log");
    let (subscriber, log) = build(&settings(&path), None).unwrap();
    let began = Instant::now();
    let mut warned = 0;
    with_default(subscriber, || {
        // Several windows of a second are possible on a slow machine.
        for n in 0..50_000 {
            info!(n, "flood");
            if n % 10_000 == 0 {
                warn!(n, "important");
                warned += 1;
            }
        }
    });
    assert!(log.flush(SOON));
    let seconds = began.elapsed().as_secs() + 1;
    let text = fs::read_to_string(&path).unwrap();
    let written = text.lines().filter(|l| l.contains(" flood ")).count() as u64;
    assert!(written >= 1_000 && written <= 1_000 * seconds, "{written} in {seconds} s");
    assert_eq!(text.lines().filter(|l| l.contains("important")).count(), warned);
    let counted: u64 = text
        .lines()
        .filter_map(|l| l.split_once(" WARN and ")?.1.strip_suffix(" more in this second"))
        .map(|n| n.replace(',', "").parse::<u64>().unwrap())
        .sum();
    assert_eq!(written + counted, 50_000, "every line is written or counted");
    assert_eq!(log.dropped(), counted);
}

#[test]
fn the_count_comes_by_itself_when_its_second_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.log");
    let (subscriber, log) = build(&settings(&path), None).unwrap();
    with_default(subscriber, || (0..20_000).for_each(|n| info!(n, "flood")));
    let end = Instant::now() + SOON;
    while Instant::now() < end && !fs::read_to_string(&path).unwrap().ends_with("more in this second\n") {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Instant::now() < end, "nobody logged anything more, and still the count was written");
    assert!(log.dropped() > 0);
}

/// An output that takes nothing until it is told to.
struct Stuck {
    go: mpsc::Receiver<()>,
    taken: Arc<Mutex<String>>,
}

impl queue::Sink for Stuck {
    fn write(&mut self, lines: &str) -> u64 {
        // Once the sender is gone it takes everything.
        let _ = self.go.recv();
        self.taken.lock().unwrap().push_str(lines);
        0
    }
}

#[test]
fn a_stuck_output_blocks_nobody_and_the_loss_is_told_when_there_is_room() {
    let (go, stuck) = mpsc::channel();
    let taken = Arc::new(Mutex::new(String::new()));
    let queue = queue::start(Style::Text, "stuck", Stuck { go: stuck, taken: Arc::clone(&taken) }).unwrap();
    for n in 0..20_000 {
        assert!(queue.admits(tracing::Level::ERROR));
        queue.push(format!("line {n}\n"));
    }
    let dropped = queue.dropped();
    assert!(dropped >= 20_000 - 2 * 8_192, "{dropped}");
    assert!(!queue.flush(Instant::now() + Duration::from_millis(10)), "it is stuck");
    drop(go);
    assert!(queue.flush(Instant::now() + SOON));
    let text = taken.lock().unwrap();
    let written = text.lines().filter(|l| l.starts_with("line ")).count() as u64;
    assert_eq!(written + dropped, 20_000);
    let told: u64 = text
        .lines()
        .filter_map(|l| l.split_once(" WARN ")?.1.strip_suffix(" log lines were dropped"))
        .map(|n| n.replace(',', "").parse::<u64>().unwrap())
        .sum();
    assert_eq!(told, dropped);
}

/// An output that fails a few times.
struct Full {
    failures: u32,
    taken: Arc<Mutex<String>>,
}

impl queue::Sink for Full {
    fn write(&mut self, lines: &str) -> u64 {
        if self.failures > 0 {
            self.failures -= 1;
            return lines.lines().count() as u64;
        }
        self.taken.lock().unwrap().push_str(lines);
        0
    }
}

#[test]
fn what_a_full_disk_refuses_is_counted_and_told_afterwards() {
    let taken = Arc::new(Mutex::new(String::new()));
    let full = Full { failures: 2, taken: Arc::clone(&taken) };
    let queue = queue::start(Style::Text, "full", full).unwrap();
    queue.push("one\n".into());
    assert!(queue.flush(Instant::now() + SOON), "tried again without anybody logging");
    assert_eq!(queue.dropped(), 1);
    assert!(taken.lock().unwrap().ends_with(" WARN 1 log lines were dropped\n"));
}

#[test]
fn a_disk_without_room_never_fails_the_log() {
    // Linux's own full disk is not a regular file, so it is refused as a log file, by name.
    let said = build(&settings(Path::new("/dev/full")), None).map(|_| ()).unwrap_err();
    let said = crate::host::chain::chain(&said);
    assert!(said.contains("/dev/full") && said.contains("not a regular file"), "{said}");
}

#[test]
fn planted_names_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let path = folder.path().join("l.log");
    symlink(&victim, &path).unwrap();
    let said = crate::host::chain::chain(&build(&settings(&path), None).map(|_| ()).unwrap_err());
    assert!(said.contains("symbolic link"), "{said}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    // A folder that everybody may write to, without the sticky bit.
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let said = crate::host::chain::chain(&build(&settings(&open.join("l.log")), None).map(|_| ()).unwrap_err());
    assert!(said.contains("can be written by everybody"), "{said}");
    // A fifo does not hang the start.
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    build(&settings(&fifo), None).map(|_| ()).unwrap_err();
}
