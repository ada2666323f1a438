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

/// A row for the loop, one for the pipe, and those of fsmond.
pub fn measure(common: &Common, files: u32) -> Result<Table> {
    let head = ["runs/s", "µs CPU/run of its own"];
    let mut table = Table::new(format!("runs: {files} runs of /bin/true, {AT_ONCE} at once"), &head);
    let root = work::folder(common)?;
    for n in 0..files {
        work::file(&root.path().join(name(n)))?;
    }
    table.add("bare loop", bare(root.path(), files));
    if programs::installed("inotifywait").is_some() && programs::installed("xargs").is_some() {
        table.add("inotifywait | xargs", pipe(common, files));
    } else {
        table.note("inotifywait | xargs: one of them is not installed");
    }
    table.add("fsmond", fsmond(root.path(), files));
    for in_flight in ["1", "16", "1000"] {
        table.add(&format!("fsmond, a worker with {in_flight}"), worker(root.path(), files, in_flight));
    }
    table.note("inotifywait | xargs remembers nothing: no start, no result, no output.");
    table.note("entr and watchexec make one run of many changes, and none for each file: they have no row.");
    Ok(table)
}

/// Files that are made while a pipe watches: xargs ends after the last run, since `head` gives it no more names.
fn pipe(common: &Common, files: u32) -> Result<Vec<String>> {
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
    Ok(vec![rate(files, start.elapsed()), "–".into()])
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
fn worker(root: &Path, files: u32, in_flight: &str) -> Result<Vec<String>> {
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
fn bare(root: &Path, files: u32) -> Result<Vec<String>> {
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
    Ok(cells(files, start.elapsed(), Usage::of(&own)?.since(before)))
}

/// The same through fsmond, with its start and its result recorded for each.
fn fsmond(root: &Path, files: u32) -> Result<Vec<String>> {
    given(root, files, &["--concurrency", "2"], &["/bin/true"])
}

fn given(root: &Path, files: u32, options: &[&str], command: &[&str]) -> Result<Vec<String>> {
    let d = Daemon::start();
    let pid = [d.pid()];
    let (before, start) = (Usage::of(&pid)?, Instant::now());
    let add = ["add", "--name", "data", "--existing", "run"];
    let root = root.to_str().expect("a path of our own");
    d.ok(add.iter().chain(options).chain(&[root, "--"]).chain(command));
    while d.status()["counters"]["runs"].as_u64() < Some(files.into()) || d.show("data")["running"] != 0 {
        if start.elapsed() > LONGEST {
            bail!("not done within {} s: {}", LONGEST.as_secs(), d.show("data"));
        }
        pause(Duration::from_millis(100));
    }
    Ok(cells(files, start.elapsed(), Usage::of(&pid)?.since(before)))
}

fn cells(files: u32, time: Duration, used: Usage) -> Vec<String> {
    vec![rate(files, time), format!("{:.0}", used.cpu * 1e6 / f64::from(files))]
}

fn rate(files: u32, time: Duration) -> String {
    format!("{:.0}", f64::from(files) / time.as_secs_f64())
}
