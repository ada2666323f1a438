//! watchdog, the library of Python, in the smallest program that prints what it says.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Running, Tool};

pub struct Watchdog;

const PROGRAM: &str = r"
import sys, time
from watchdog.observers import Observer
from watchdog.events import FileSystemEventHandler

class Printer(FileSystemEventHandler):
    def on_closed(self, event):
        print(event.src_path, flush=True)
    on_deleted = on_closed
    def on_moved(self, event):
        print(event.dest_path, flush=True)

observer = Observer()
observer.schedule(Printer(), sys.argv[1], recursive=True)
observer.start()
observer.join()
";

impl Tool for Watchdog {
    fn name(&self) -> &'static str {
        "watchdog"
    }

    fn is_there(&self) -> bool {
        let import = Command::new("python3").args(["-c", "import watchdog.observers"]).output();
        import.is_ok_and(|output| output.status.success())
    }

    fn start(&self, root: &Path) -> Result<Running> {
        // The interpreter itself, not a script that stands before it: its process is measured.
        let found = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output()?;
        let python = String::from_utf8(found.stdout)?;
        Running::one(Command::new(python.trim()).args(["-u", "-c", PROGRAM]).arg(root))
    }
}
