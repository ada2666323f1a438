//! A few changes in a large tree while the tool is not running: which of them it tells after its next start, and what
//! else it tells that did not change.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fsmon_tests::wait::pause;

use crate::feed::name;
use crate::table::Table;
use crate::{Common, work};

/// Files that are changed, and files that are deleted, while the tool is down.
const CHANGED: u32 = 100;
const DELETED: u32 = 50;
/// How long nothing must come before the tool is taken to be done.
const QUIET: Duration = Duration::from_secs(5);

/// One row for each tool.
pub fn measure(common: &Common, folders: u32, files: u32) -> Table {
    let head = ["changes lost", "deletes lost", "told without reason", "all told after s"];
    let title = format!(
        "restart: {files} files in {folders} folders, {CHANGED} changed and {DELETED} deleted while it is down"
    );
    let mut table = Table::new(title, &head);
    let mut bare = Vec::new();
    work::each_tool(common, &mut table, |tool| {
        let root = work::folder(common)?;
        let places = work::folders(root.path(), folders)?;
        let place = |n: u32| places[n as usize % places.len()].join(name(n));
        for n in 0..files {
            work::file(&place(n))?;
        }
        let mut running = tool.start(root.path())?;
        work::wait_ready(&mut running, &places)?;
        let step = files / (CHANGED + DELETED);
        let (changed, deleted): (Vec<u32>, Vec<u32>) =
            (0..CHANGED + DELETED).map(|n| n * step).partition(|n| n / step < CHANGED);
        let mut down = || {
            for n in &changed {
                fs::write(place(*n), "changed while it was down\n")?;
            }
            for n in &deleted {
                fs::remove_file(place(*n))?;
            }
            bare.push(walk(root.path())?);
            Ok(())
        };
        let (mut running, start) = tool.restart(root.path(), running, &mut down)?;
        let told = settled(&mut running);
        let missing = |wanted: &[u32]| u32::try_from(wanted.iter().filter(|n| !told.0.contains(n)).count());
        let (no_change, no_delete) = (missing(&changed)?, missing(&deleted)?);
        let reason: HashSet<u32> = changed.iter().chain(&deleted).copied().collect();
        let without = told.0.difference(&reason).filter(|n| **n < files).count();
        let after = told.1.map_or("-".into(), |last| format!("{:.2}", last.duration_since(start).as_secs_f64()));
        Ok(vec![work::share(no_change, CHANGED), work::share(no_delete, DELETED), without.to_string(), after])
    });
    let least = bare.iter().min().map_or(0.0, Duration::as_secs_f64);
    table.note("watchman is asked anew, as by a client that was not told where it was; its server forgets too");
    table.note(format!("`find -printf` over the same tree takes {least:.2} s"));
    table
}

/// How long it takes to look at every file of a tree, the way `find` does.
fn walk(root: &Path) -> Result<Duration> {
    let start = Instant::now();
    let status =
        Command::new("find").arg(root).args(["-printf", "%i %s %T@ %C@ %p\n"]).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "find fails");
    Ok(start.elapsed())
}

/// Everything told of until nothing more comes, and when the last of it came.
fn settled(running: &mut crate::tools::Running) -> (HashSet<u32>, Option<Instant>) {
    let begun = Instant::now();
    loop {
        let seen = running.feed.seen();
        let last = seen.last().map(|(_, time)| *time);
        if last.unwrap_or(begun).max(begun).elapsed() > QUIET {
            return (seen.iter().map(|(n, _)| *n).collect(), last);
        }
        pause(Duration::from_millis(50));
    }
}
