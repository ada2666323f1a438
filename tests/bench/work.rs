//! The work that every tool is put to, and waiting for it to be seen.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fsmon_tests::wait::{holds_within, pause};

use crate::feed::name;
use crate::tools::Running;
use crate::{Common, tools};

/// How long nothing must come before what did not come counts as lost.
const QUIET: Duration = Duration::from_secs(3);
/// The longest that anything is waited for.
const LONGEST: Duration = Duration::from_secs(60);
/// Files with these numbers and above only try whether a tool is ready.
const PROBES: u32 = 9_000_000;

/// A folder for one measurement, on the file system that was asked for. Removed when it is dropped.
pub fn folder(common: &Common) -> Result<tempfile::TempDir> {
    let place = &common.place;
    tempfile::Builder::new().prefix("fsmon-bench-").tempdir_in(place).with_context(|| format!("{}", place.display()))
}

/// Measures each tool that sees a whole tree in turn: `one` gets the tool, and gives its cells.
pub fn each_tool(
    common: &Common,
    table: &mut crate::table::Table,
    one: impl FnMut(&dyn tools::Tool) -> Result<Vec<String>>,
) {
    let whole = tools::all().into_iter().filter(|tool| !tool.is_flat()).collect();
    each_of(whole, common, table, one);
}

/// The same for these tools.
pub fn each_of(
    all: Vec<Box<dyn tools::Tool>>,
    common: &Common,
    table: &mut crate::table::Table,
    mut one: impl FnMut(&dyn tools::Tool) -> Result<Vec<String>>,
) {
    for tool in all {
        if !common.tools.is_empty() && !common.tools.iter().any(|wanted| wanted == tool.name()) {
            continue;
        }
        if tool.is_there() {
            table.add(tool.name(), one(tool.as_ref()));
        } else {
            table.note(format!("{} is not installed", tool.name()));
        }
    }
}

/// How often a tool is tried.
const PROBE_EVERY: Duration = Duration::from_millis(25);

/// Makes this many folders below `root`, nested in hundreds.
pub fn folders(root: &Path, count: u32) -> Result<Vec<PathBuf>> {
    let make = |n: u32| {
        let path = if count <= 100 { root.join(format!("d{n}")) } else { root.join(format!("d{}/e{n}", n / 100)) };
        fs::create_dir_all(&path)?;
        Ok(path)
    };
    (0..count).map(make).collect()
}

/// Makes one file with a few bytes in it.
pub fn file(path: &Path) -> Result<()> {
    let mut file = fs::File::create(path).with_context(|| format!("{}", path.display()))?;
    Ok(file.write_all(b"content\n")?)
}

/// Makes files in a sample of the folders until the tool has told of one in each; so it sees all of the tree.
pub fn wait_ready(running: &mut Running, folders: &[PathBuf]) -> Result<()> {
    const SAMPLE: usize = 16;
    let step = (folders.len() / SAMPLE).max(1);
    let sample: Vec<&PathBuf> = folders.iter().step_by(step).chain(folders.last()).collect();
    let count = u32::try_from(sample.len())?;
    let mut next = PROBES;
    let mut made = Vec::new();
    let mut due = Instant::now();
    let ready = holds_within(LONGEST, || {
        let told: HashSet<u32> =
            running.feed.seen().iter().filter(|(n, _)| *n >= PROBES).map(|(n, _)| (n - PROBES) % count).collect();
        if Instant::now() >= due {
            due = Instant::now() + PROBE_EVERY;
            for folder in &sample {
                let path = folder.join(name(next));
                next += 1;
                let _ = file(&path);
                made.push(path);
            }
        }
        told.len() == sample.len()
    });
    for path in made {
        let _ = fs::remove_file(path);
    }
    if !ready {
        bail!("not ready within {} s", LONGEST.as_secs());
    }
    Ok(())
}

/// Waits until numbers below `count` have all been told of, or nothing more comes. Says how many are lost.
pub fn wait_told(running: &mut Running, count: u32) -> u32 {
    wait_told_for(running, count, QUIET)
}

/// The same where a tool may be silent for so long before it goes on.
pub fn wait_told_for(running: &mut Running, count: u32, quiet: Duration) -> u32 {
    let end = Instant::now() + LONGEST;
    let mut told: HashSet<u32> = HashSet::new();
    let (mut looked, mut last) = (0, Instant::now());
    loop {
        let seen = running.feed.seen();
        if seen.len() > looked {
            told.extend(seen[looked..].iter().map(|(n, _)| *n).filter(|n| *n < count));
            looked = seen.len();
            last = Instant::now();
        }
        let missing = count - u32::try_from(told.len()).expect("not more than there are");
        if missing == 0 || last.elapsed() > quiet || Instant::now() > end {
            return missing;
        }
        pause(Duration::from_millis(20));
    }
}

/// So many of so many, for people.
pub fn share(part: u32, whole: u32) -> String {
    if part == 0 { "0".into() } else { format!("{part} ({:.0} %)", f64::from(part) * 100.0 / f64::from(whole)) }
}
