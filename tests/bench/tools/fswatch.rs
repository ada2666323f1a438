//! fswatch, with the shortest delay it takes.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use fsmon_tests::programs;

use super::{Running, Tool};

pub struct Fswatch;

impl Tool for Fswatch {
    fn name(&self) -> &'static str {
        "fswatch"
    }

    fn is_there(&self) -> bool {
        programs::installed("fswatch").is_some()
    }

    fn start(&self, root: &Path) -> Result<Running> {
        Running::one(Command::new("fswatch").args(["-r", "-l", "0.1"]).arg(root))
    }
}
