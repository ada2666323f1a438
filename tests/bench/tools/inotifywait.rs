//! inotifywait of inotify-tools: prints what the kernel says and keeps nothing.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use fsmon_tests::programs;

use super::{Running, Tool};

pub struct Inotifywait;

impl Tool for Inotifywait {
    fn name(&self) -> &'static str {
        "inotifywait"
    }

    fn is_there(&self) -> bool {
        programs::installed("inotifywait").is_some()
    }

    fn start(&self, root: &Path) -> Result<Running> {
        let events = ["-e", "close_write", "-e", "moved_to", "-e", "moved_from", "-e", "delete"];
        let mut command = Command::new("inotifywait");
        Running::one(command.args(["-m", "-r", "-q", "--format", "%e %w%f"]).args(events).arg(root))
    }
}
