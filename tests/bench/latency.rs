//! From the close of a file to the line that tells of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fsmon_tests::wait::pause_until;

use crate::feed::name;
use crate::procs::Usage;
use crate::table::Table;
use crate::{Common, work};

/// One row for each tool.
pub fn measure(common: &Common, files: u32, rate: u32) -> Table {
    let head = ["p50 ms", "p99 ms", "max ms", "lost", "µs CPU/file"];
    let mut table = Table::new(format!("latency: close of a file to its line, {rate} files/s, {files} files"), &head);
    work::each_tool(common, &mut table, |tool| {
        let root = work::folder(common)?;
        let folders = work::folders(root.path(), 10)?;
        let mut running = tool.start(root.path())?;
        work::wait_ready(&mut running, &folders)?;
        let before = Usage::of(&running.pids)?;
        let start = Instant::now();
        let mut closed = Vec::with_capacity(files as usize);
        for n in 0..files {
            pause_until(start + Duration::from_secs(1) * n / rate);
            work::file(&folders[(n % 10) as usize].join(name(n)))?;
            closed.push(Instant::now());
        }
        let lost = work::wait_told(&mut running, files);
        let used = Usage::of(&running.pids)?.since(before);
        let mut told: HashMap<u32, Instant> = HashMap::new();
        for (n, time) in running.feed.seen() {
            // A line that came before the close tells of something else, such as the creation.
            if closed.get(*n as usize).is_some_and(|closed| time >= closed) {
                told.entry(*n).or_insert(*time);
            }
        }
        let mut delays: Vec<f64> = (0..files)
            .zip(&closed)
            .filter_map(|(n, closed)| Some(told.get(&n)?.duration_since(*closed).as_secs_f64() * 1e3))
            .collect();
        anyhow::ensure!(!delays.is_empty(), "tells of nothing after its close");
        delays.sort_by(f64::total_cmp);
        let at = |part: usize| format!("{:.2}", delays[(delays.len() - 1) * part / 1000]);
        let cpu = format!("{:.1}", used.cpu * 1e6 / f64::from(files));
        Ok(vec![at(500), at(990), at(1000), work::share(lost, files), cpu])
    });
    table.note(
        "a line that was read before the close returned counts for nothing; so does a tool's own delay on purpose",
    );
    table
}
