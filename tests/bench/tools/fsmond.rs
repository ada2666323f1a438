//! fsmond, with its journal and ledger on, followed by `fsmonctl tail --json`.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use fsmon_tests::Daemon;

use super::{Down, Running, Tool, spawn};

pub struct Fsmond;

impl Tool for Fsmond {
    fn name(&self) -> &'static str {
        "fsmond"
    }

    fn is_there(&self) -> bool {
        true
    }

    fn start(&self, root: &Path) -> Result<Running> {
        let d = Daemon::start();
        d.add_folder("bench", root, &[], &[]);
        for gap in d.json(["gaps"]) {
            // Another program had used up what the system gives to this user: what is measured is polling.
            eprintln!("fsmond was degraded: {gap}");
        }
        let since = d.status()["last_seq"].as_u64().context("a number")?;
        follow(d, since)
    }

    fn restart(&self, _root: &Path, mut running: Running, down: &mut Down<'_>) -> Result<(Running, Instant)> {
        let kept = running.kept.take().context("a daemon")?;
        let mut d = kept.downcast::<Daemon>().ok().context("a daemon")?;
        drop(running);
        let since = d.status()["last_seq"].as_u64().context("a number")?;
        ensure!(d.stop() == Some(0), "it does not stop");
        down()?;
        let start = Instant::now();
        d.start_again();
        Ok((follow(*d, since)?, start))
    }
}

/// Everything it tells after this number.
fn follow(d: Daemon, since: u64) -> Result<Running> {
    let mut tail = d.fsmonctl(["tail", "--json", "--since", &since.to_string()]);
    let (child, feed) = spawn(tail.stdin(Stdio::null()))?;
    let (pids, readers) = (vec![d.pid()], vec![child.id()]);
    Ok(Running { feed, pids, readers, children: vec![child], kept: Some(Box::new(d)) })
}
