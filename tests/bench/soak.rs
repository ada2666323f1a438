//! Very many files and folders that come and go: whether memory, descriptors and watches come back to where they were.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use fsmon_tests::Daemon;
use fsmon_tests::wait::holds_within;

use crate::procs::Usage;
use crate::table::Table;
use crate::{Common, work};

/// How many are there at once.
const AT_ONCE: u32 = 5_000;
/// Rows of the table: so often it is looked at.
const LOOKS: u32 = 10;
/// The longest that anything is waited for.
const LONGEST: Duration = Duration::from_secs(120);

/// A row for each tenth of the way, after the first of each kind, which warms up.
pub fn measure(common: &Common, names: u32, folders: u32) -> Result<Table> {
    let head = ["RSS MB", "descriptors", "watches", "threads", "state MB"];
    let mut table =
        Table::new(format!("soak: {names} names made and deleted, {folders} folders made and removed"), &head);
    let root = work::folder(common)?;
    let d = Daemon::start();
    d.add_folder("bench", root.path(), &["--rescan", "off", "--every", "off"], &[]);
    let rounds = names.div_ceil(AT_ONCE);
    for round in 0..rounds {
        let paths: Vec<_> = (0..AT_ONCE).map(|n| root.path().join(format!("name-{round}-{n}"))).collect();
        for path in &paths {
            work::file(path)?;
        }
        until(&d, |watch| watch["files"] == AT_ONCE)?;
        for path in &paths {
            fs::remove_file(path)?;
        }
        until(&d, |watch| watch["files"] == 0)?;
        if (round + 1) % (rounds / LOOKS).max(1) == 0 {
            table.add(&format!("{} names", (round + 1) * AT_ONCE), look(&d));
        }
    }
    let rounds = folders.div_ceil(AT_ONCE);
    for round in 0..rounds {
        let paths: Vec<_> = (0..AT_ONCE).map(|n| root.path().join(format!("folder-{round}-{n}"))).collect();
        for path in &paths {
            fs::create_dir(path)?;
        }
        until(&d, |watch| watch["folders"] == AT_ONCE + 1)?;
        for path in &paths {
            fs::remove_dir(path)?;
        }
        until(&d, |watch| watch["folders"] == 1)?;
        if (round + 1) % (rounds / LOOKS).max(1) == 0 {
            table.add(&format!("{} folders", (round + 1) * AT_ONCE), look(&d));
        }
    }
    Ok(table)
}

/// Waits until the daemon has seen it all.
fn until(d: &Daemon, is_so: impl Fn(&serde_json::Value) -> bool) -> Result<()> {
    ensure!(holds_within(LONGEST, || is_so(&d.show("bench"))), "it does not see all: {}", d.show("bench"));
    Ok(())
}

/// What it holds now.
fn look(d: &Daemon) -> Result<Vec<String>> {
    let [rss, _] = Usage::of(&[d.pid()])?.megabytes();
    let process = Path::new("/proc").join(d.pid().to_string());
    let count = |what: &str| fs::read_dir(process.join(what)).map(Iterator::count);
    let mut watches = 0;
    for entry in fs::read_dir(process.join("fdinfo"))? {
        // One may be closed between listing and reading.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        watches += text.lines().filter(|line| line.starts_with("inotify wd:")).count();
    }
    let state: u64 = fs::read_dir(d.state())?.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum();
    let (descriptors, threads) = (count("fd")?, count("task")?);
    Ok(vec![rss, descriptors.to_string(), watches.to_string(), threads.to_string(), (state >> 20).to_string()])
}
