//! The bare `notify` crate, which many watchers are built on: prints the paths of each event and keeps nothing.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecursiveMode, Watcher};

use super::{Running, Tool};

pub struct Notify;

impl Tool for Notify {
    fn name(&self) -> &'static str {
        "notify"
    }

    fn is_there(&self) -> bool {
        true
    }

    fn start(&self, root: &Path) -> Result<Running> {
        Running::one(Command::new(std::env::current_exe()?).arg("notify-peer").arg(root))
    }
}

/// Watches and prints until it is ended; the process that is measured.
pub fn watch(root: &Path) -> Result<()> {
    let (sender, events) = std::sync::mpsc::channel();
    let mut watcher = notify::recommended_watcher(sender)?;
    watcher.watch(root, RecursiveMode::Recursive)?;
    let mut out = std::io::stdout().lock();
    for event in events {
        let event = event?;
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        if event.kind == closed || event.kind.is_remove() {
            for path in &event.paths {
                writeln!(out, "{}", path.display())?;
            }
            out.flush()?;
        }
    }
    Ok(())
}
