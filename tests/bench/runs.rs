//! One run of /bin/true for each file, two at once, beside a bare loop that starts as many; and the same files as lines to a
//! worker that only answers.

use std::io::{BufRead, BufReader, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fsmon_tests::Daemon;
use fsmon_tests::wait::pause;

use crate::feed::name;
use crate::procs::Usage;
use crate::table::Table;
use crate::{Common, work};

/// How many run at once.
const AT_ONCE: u32 = 2;

/// A row for the loop and one for fsmond.
pub fn measure(common: &Common, files: u32) -> Result<Table> {
    let head = ["runs/s", "µs CPU/run of its own"];
    let mut table = Table::new(format!("runs: {files} runs of /bin/true, {AT_ONCE} at once"), &head);
    let root = work::folder(common)?;
    for n in 0..files {
        work::file(&root.path().join(name(n)))?;
    }
    table.add("bare loop", bare(root.path(), files));
    table.add("fsmond", fsmond(root.path(), files));
    for in_flight in ["1", "16", "1000"] {
        table.add(&format!("fsmond, a worker with {in_flight}"), worker(root.path(), files, in_flight));
    }
    Ok(table)
}

/// The files as lines to one worker, so many at a time.
fn worker(root: &std::path::Path, files: u32, in_flight: &str) -> Result<Vec<String>> {
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
fn bare(root: &std::path::Path, files: u32) -> Result<Vec<String>> {
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
fn fsmond(root: &std::path::Path, files: u32) -> Result<Vec<String>> {
    given(root, files, &["--concurrency", "2"], &["/bin/true"])
}

fn given(root: &std::path::Path, files: u32, options: &[&str], command: &[&str]) -> Result<Vec<String>> {
    let d = Daemon::start();
    let pid = [d.pid()];
    let (before, start) = (Usage::of(&pid)?, Instant::now());
    let add = ["add", "--name", "data", "--existing", "run"];
    let root = root.to_str().expect("a path of our own");
    d.ok(add.iter().chain(options).chain(&[root, "--"]).chain(command));
    while d.status()["counters"]["runs"].as_u64() < Some(files.into()) || d.show("data")["running"] != 0 {
        if start.elapsed() > Duration::from_secs(600) {
            bail!("not done within 600 s: {}", d.show("data"));
        }
        pause(Duration::from_millis(100));
    }
    Ok(cells(files, start.elapsed(), Usage::of(&pid)?.since(before)))
}

fn cells(files: u32, time: Duration, used: Usage) -> Vec<String> {
    let files = f64::from(files);
    vec![format!("{:.0}", files / time.as_secs_f64()), format!("{:.0}", used.cpu * 1e6 / files)]
}
