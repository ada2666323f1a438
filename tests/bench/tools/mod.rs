//! The tools that are measured, each in a file of its own.

mod fsmond;
mod fswatch;
pub mod incron;
mod inotifywait;
pub mod notify;
mod watchdog;
mod watchexec;
pub mod watchman;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::feed::Feed;

/// A file watcher that can be started on a folder and then prints a line for each file that is made there.
pub trait Tool {
    /// Its name.
    fn name(&self) -> &'static str;
    /// Whether it is installed.
    fn is_there(&self) -> bool;
    /// Starts it on a folder and all below it.
    fn start(&self, root: &Path) -> Result<Running>;
    /// Whether it sees one folder only, and nothing below it.
    fn is_flat(&self) -> bool {
        false
    }
    /// Ends it, does `down`, and starts it again with all it remembers. Also says when it was started.
    fn restart(&self, root: &Path, running: Running, down: &mut Down<'_>) -> Result<(Running, Instant)> {
        drop(running);
        down()?;
        let start = Instant::now();
        Ok((self.start(root)?, start))
    }
}

/// What happens while a tool is not running.
pub type Down<'a> = dyn FnMut() -> Result<()> + 'a;

/// Every tool, fsmond first.
pub fn all() -> [Box<dyn Tool>; 8] {
    [
        Box::new(fsmond::Fsmond),
        Box::new(inotifywait::Inotifywait),
        Box::new(incron::Incron),
        Box::new(watchman::Watchman),
        Box::new(notify::Notify),
        Box::new(watchdog::Watchdog),
        Box::new(watchexec::Watchexec),
        Box::new(fswatch::Fswatch),
    ]
}

/// A tool that runs. It ends when this is dropped.
pub struct Running {
    /// What it prints.
    pub feed: Feed,
    /// The processes that watch.
    pub pids: Vec<u32>,
    /// The processes that only print what those found.
    readers: Vec<u32>,
    children: Vec<Child>,
    /// What has to live as long as it.
    kept: Option<Box<dyn std::any::Any>>,
}

impl Running {
    /// A tool that is one process: this command, which prints by itself.
    fn one(command: &mut Command) -> Result<Self> {
        let (child, feed) = spawn(command)?;
        let pids = vec![child.id()];
        Ok(Self { feed, pids, readers: Vec::new(), children: vec![child], kept: None })
    }

    /// The processes that watch, and those that only print.
    pub fn with_readers(&self) -> Vec<u32> {
        self.pids.iter().chain(&self.readers).copied().collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a command whose output is to be read.
fn spawn(command: &mut Command) -> Result<(Child, Feed)> {
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
    let output = child.stdout.take().context("it is piped")?;
    Ok((child, Feed::new(output)))
}
