//! One run of /bin/true for each file, two at once, beside a bare loop that starts as many.

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
    Ok(table)
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
    let d = Daemon::start();
    let pid = [d.pid()];
    let (before, start) = (Usage::of(&pid)?, Instant::now());
    let add = ["add", "--name", "data", "--existing", "run", "--concurrency", "2"];
    let root = root.to_str().expect("a path of our own");
    d.ok(add.iter().copied().chain([root, "--", "/bin/true"]));
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
