//! Files flat out into 100 folders: how many are lost, and what one costs.

use std::time::Instant;

use anyhow::Context;

use crate::feed::name;
use crate::procs::Usage;
use crate::table::Table;
use crate::{Common, work};

/// One row for each tool.
pub fn measure(common: &Common, files: u32) -> Table {
    let head = ["lost", "µs CPU/file", "with reader", "files/s made", "all told after s", "RSS MB", "PSS MB"];
    let mut table = Table::new(format!("burst: {files} files flat out into 100 folders"), &head);
    table.note("CPU: user and system time of the tool; 'with reader' adds the client that prints, where there is one");
    work::each_tool(common, &mut table, |tool| {
        let root = work::folder(common)?;
        let folders = work::folders(root.path(), 100)?;
        let mut running = tool.start(root.path())?;
        work::wait_ready(&mut running, &folders)?;
        let (daemon, all) = (Usage::of(&running.pids)?, Usage::of(&running.with_readers())?);
        let start = Instant::now();
        for n in 0..files {
            work::file(&folders[(n % 100) as usize].join(name(n)))?;
        }
        let made = start.elapsed().as_secs_f64();
        let lost = work::wait_told(&mut running, files);
        let last = running.feed.seen().last().map_or(made, |(_, time)| time.duration_since(start).as_secs_f64());
        let share = work::share(lost, files);
        let now = Usage::of(&running.pids).with_context(|| format!("ended by itself, lost {share}"))?;
        let daemon = now.since(daemon);
        let all = Usage::of(&running.with_readers())?.since(all);
        let each = |cpu: f64| format!("{:.1}", cpu * 1e6 / f64::from(files));
        let [rss, pss] = daemon.megabytes();
        let rate = format!("{:.0}", f64::from(files) / made);
        Ok(vec![share, each(daemon.cpu), each(all.cpu), rate, format!("{last:.1}"), rss, pss])
    });
    table
}
