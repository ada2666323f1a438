//! watchexec, which only prints events here.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use fsmon_tests::programs;

use super::{Running, Tool};

pub struct Watchexec;

impl Tool for Watchexec {
    fn name(&self) -> &'static str {
        "watchexec"
    }

    fn is_there(&self) -> bool {
        programs::installed("watchexec").is_some()
    }

    fn start(&self, root: &Path) -> Result<Running> {
        let options = ["--only-emit-events", "--emit-events-to=stdio", "--no-vcs-ignore", "--debounce=0ms", "-w"];
        Running::one(Command::new("watchexec").args(options).arg(root))
    }
}
