//! More files than the kernel keeps events for: the tool is stopped meanwhile, as a machine under load stops it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use fsmon_tests::process;
use nix::sys::signal::Signal;

use crate::feed::name;
use crate::table::Table;
use crate::{Common, tools, work};

/// How long a tool may be silent while it looks for what it missed.
const REPAIR: Duration = Duration::from_secs(40);

/// One row for each tool. Only the tool itself is stopped, not what reads from it.
pub fn measure(common: &Common, files: u32) -> Table {
    let head = ["lost", "told again", "all told after s"];
    let mut table = Table::new(format!("overflow: {files} files while the tool is stopped"), &head);
    table.note("SIGSTOP for the tool alone, files made, SIGCONT; the clock starts there");
    work::each_of(tools::all().into(), common, &mut table, |tool| {
        let root = work::folder(common)?;
        let folders = if tool.is_flat() { vec![root.path().to_owned()] } else { work::folders(root.path(), 100)? };
        let mut running = tool.start(root.path())?;
        work::wait_ready(&mut running, &folders)?;
        let signal = |signal| running.pids.iter().for_each(|pid| process::signal(*pid, signal));
        signal(Signal::SIGSTOP);
        for n in 0..files {
            work::file(&folders[n as usize % folders.len()].join(name(n)))?;
        }
        let start = Instant::now();
        signal(Signal::SIGCONT);
        let lost = work::wait_told_for(&mut running, files, REPAIR);
        let told: Vec<_> = running.feed.seen().iter().filter(|(n, _)| *n < files).copied().collect();
        let distinct: HashSet<u32> = told.iter().map(|(n, _)| *n).collect();
        let again = u32::try_from(told.len() - distinct.len())?;
        let last = told.last().map_or(0.0, |(_, time)| time.duration_since(start).as_secs_f64());
        Ok(vec![work::share(lost, files), again.to_string(), format!("{last:.1}")])
    });
    table
}
