//! One run of /bin/true for each file, two at once, beside a bare loop that starts as many, and a pipe from inotifywait to
//! xargs; and the same files as lines to a worker that only answers.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fsmon_tests::wait::{holds_within, pause};
use fsmon_tests::{Daemon, programs};

use crate::feed::name;
use crate::procs::Usage;
use crate::table::Table;
use crate::{Common, work};

/// How many run at once.
const AT_ONCE: u32 = 2;

/// The longest that the runs of one row may take.
const LONGEST: Duration = Duration::from_secs(600);

/// So many times as many files are lines to a worker: they are many in a second.
const LINES: u32 = 10;

/// How often all of them take their turns: a machine that is not ours alone is now fast and now slow, and what uses more of its
/// caches is slowed more.
const ROUNDS: usize = 27;

/// How often a worker is measured, which is compared with nothing.
const WORKER_ROUNDS: usize = 9;

/// What was measured once.
#[derive(Clone, Copy)]
struct Measured {
    runs_a_second: f64,
    /// Microseconds for each run; none where it was not measured.
    cpu: Option<f64>,
}

/// A row for the loop, one for the pipe, and those of fsmond: of each the median of some rounds, in which they take turns.
pub fn measure(common: &Common, files: u32) -> Result<Table> {
    let head = ["runs/s", "of the bare loop", "µs CPU/run of its own"];
    let mut table = Table::new(format!("runs: {files} runs of /bin/true, {AT_ONCE} at once"), &head);
    let (root, lines) = (work::folder(common)?, work::folder(common)?);
    for n in 0..files {
        work::file(&root.path().join(name(n)))?;
    }
    for n in 0..LINES * files {
        work::file(&lines.path().join(name(n)))?;
    }
    let piped = programs::installed("inotifywait").is_some() && programs::installed("xargs").is_some();
    let (mut loops, mut pipes, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        loops.push(bare(root.path(), files)?);
        ours.push(fsmond(root.path(), files)?);
        if piped {
            pipes.push(pipe(common, files)?);
        }
    }
    table.add("bare loop", Ok(beside(&loops, &loops)));
    if piped {
        table.add("inotifywait | xargs", Ok(beside(&pipes, &loops)));
    } else {
        table.note("inotifywait | xargs: one of them is not installed");
    }
    table.add("fsmond", Ok(beside(&ours, &loops)));
    for in_flight in ["1", "16", "1000"] {
        let rounds: Result<Vec<_>> =
            (0..WORKER_ROUNDS).map(|_| worker(lines.path(), LINES * files, in_flight)).collect();
        table.add(&format!("fsmond, a worker with {in_flight}"), rounds.map(|rounds| beside(&rounds, &[])));
    }
    table.note("fsmond: from when the first run is told; finding the files is rows 2 and 5.");
    table.note(format!("To the workers: {} files.", LINES * files));
    table.note("inotifywait | xargs remembers nothing: no start, no result, no output.");
    table.note("entr and watchexec make one run of many changes, and none for each file: they have no row.");
    Ok(table)
}

/// Files that are made while a pipe watches: xargs ends after the last run, since `head` gives it no more names.
fn pipe(common: &Common, files: u32) -> Result<Measured> {
    let root = work::folder(common)?;
    let mut inotifywait = Command::new("inotifywait");
    inotifywait.args(["-m", "-e", "close_write", "--format", "%w%f"]).arg(root.path());
    let mut watching = Part(inotifywait.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    let names = watching.0.stdout.take().context("it is piped")?;
    let said = watching.0.stderr.take().context("it is piped")?;
    // It says that it watches, and nothing after that.
    if !BufReader::new(said).lines().map_while(Result::ok).any(|line| line.contains("established")) {
        bail!("inotifywait does not watch");
    }
    let mut head = Command::new("head");
    let mut head = Part(head.arg("-n").arg(files.to_string()).stdin(names).stdout(Stdio::piped()).spawn()?);
    let names = head.0.stdout.take().context("it is piped")?;
    let mut xargs = Command::new("xargs");
    let mut xargs = Part(xargs.args(["-P", &AT_ONCE.to_string(), "-n", "1", "/bin/true"]).stdin(names).spawn()?);
    let start = Instant::now();
    for n in 0..files {
        work::file(&root.path().join(name(n)))?;
    }
    let mut ended = Ok(None);
    if !holds_within(LONGEST, || {
        ended = xargs.0.try_wait();
        !matches!(ended, Ok(None))
    }) {
        bail!("not done within {} s: events were lost", LONGEST.as_secs());
    }
    if !ended?.is_some_and(|status| status.success()) {
        bail!("xargs failed");
    }
    Ok(Measured { runs_a_second: f64::from(files) / start.elapsed().as_secs_f64(), cpu: None })
}

/// A part of a pipe. It ends when this is dropped.
struct Part(Child);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The files as lines to one worker, so many at a time.
fn worker(root: &Path, files: u32, in_flight: &str) -> Result<Measured> {
    let own = std::env::current_exe()?;
    let own = own.to_str().expect("a path of our own");
    given(root, files, &["--mode", "worker", "--in-flight", in_flight], &[own, "worker"])
}

/// That worker: all is well with every file. It answers when it has read all there is, as one with a buffer does.
pub fn answer() -> Result<()> {
    let mut lines = BufReader::new(std::io::stdin().lock());
    let mut out = std::io::stdout().lock();
    let (mut line, mut answers) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let digits: Vec<u8> =
            line.iter().copied().skip_while(|b| !b.is_ascii_digit()).take_while(u8::is_ascii_digit).collect();
        answers.extend_from_slice(b"{\"run\":");
        answers.extend_from_slice(&digits);
        answers.extend_from_slice(b",\"status\":\"ok\"}\n");
        if !lines.buffer().contains(&b'\n') {
            out.write_all(&answers)?;
            out.flush()?;
            answers.clear();
        }
    }
}

/// Starts and awaits, and nothing else.
fn bare(root: &Path, files: u32) -> Result<Measured> {
    let own = [std::process::id()];
    let (before, start) = (Usage::of(&own)?, Instant::now());
    std::thread::scope(|scope| {
        for part in 0..AT_ONCE {
            scope.spawn(move || {
                for n in (part..files).step_by(AT_ONCE as usize) {
                    let status = Command::new("/bin/true").arg(root.join(name(n))).status().expect("it can be started");
                    assert!(status.success());
                }
            });
        }
    });
    Ok(measured(files, start.elapsed(), Usage::of(&own)?.since(before)))
}

/// The same through fsmond, with its start and its result recorded for each.
fn fsmond(root: &Path, files: u32) -> Result<Measured> {
    given(root, files, &["--concurrency", "2"], &["/bin/true"])
}

fn given(root: &Path, files: u32, options: &[&str], command: &[&str]) -> Result<Measured> {
    let d = Daemon::start();
    let pid = [d.pid()];
    let (before, start) = (Usage::of(&pid)?, Instant::now());
    let add = ["add", "--name", "data", "--existing", "run"];
    let root = root.to_str().expect("a path of our own");
    d.ok(add.iter().chain(options).chain(&[root, "--"]).chain(command));
    // To find the files is not what is measured here. What has been given out by now may not have begun: it counts for less.
    let mut first = None;
    loop {
        let runs = d.status()["counters"]["runs"].as_u64().unwrap_or_default();
        if first.is_none() && runs > 0 {
            first = Some((u32::try_from(runs)?, Instant::now()));
        }
        if runs >= u64::from(files) && d.show("data")["running"] == 0 {
            break;
        }
        if start.elapsed() > LONGEST {
            bail!("not done within {} s: {}", LONGEST.as_secs(), d.show("data"));
        }
        // To ask takes time from what is asked about, so it is asked rarely before the end.
        let left = f64::from(files) / f64::from(u32::try_from(runs)?.max(1)) - 1.0;
        pause(start.elapsed().mul_f64(0.8 * left.clamp(0.0, 1.0)).max(Duration::from_millis(20)));
    }
    let (before_first, began) = first.context("it has run some")?;
    let all = measured(files, began.elapsed(), Usage::of(&pid)?.since(before));
    Ok(Measured { runs_a_second: f64::from(files - before_first) / began.elapsed().as_secs_f64(), ..all })
}

fn measured(files: u32, time: Duration, used: Usage) -> Measured {
    let (files, time) = (f64::from(files), time.as_secs_f64());
    Measured { runs_a_second: files / time, cpu: Some(used.cpu * 1e6 / files) }
}

/// The cells of a row: medians of all rounds, and of what each was of the loop in the same round.
fn beside(rounds: &[Measured], loops: &[Measured]) -> Vec<String> {
    let rate = median(rounds.iter().map(|round| round.runs_a_second).collect());
    let of = rounds.iter().zip(loops).map(|(round, bare)| 100.0 * round.runs_a_second / bare.runs_a_second);
    let of = median(of.collect()).map_or_else(|| "–".to_owned(), |of| format!("{of:.0} %"));
    let cpu = median(rounds.iter().filter_map(|round| round.cpu).collect());
    let number = |number: Option<f64>| number.map_or_else(|| "–".to_owned(), |number| format!("{number:.0}"));
    vec![number(rate), of, number(cpu)]
}

fn median(mut all: Vec<f64>) -> Option<f64> {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied()
}
