//! A large tree in which nothing happens: CPU and wake-ups.

use std::time::Duration;

use anyhow::Result;
use fsmon_tests::wait::pause;

use crate::procs::Usage;
use crate::table::Table;
use crate::{Common, work};

/// How long a tool has to come to rest first.
const REST: Duration = Duration::from_secs(5);

/// One row for each tool.
pub fn measure(common: &Common, folders: u32, seconds: u64) -> Result<Table> {
    let head = ["CPU %", "wake-ups", "RSS MB"];
    let mut table = Table::new(format!("idle: {folders} folders, nothing happens for {seconds} s"), &head);
    let root = work::folder(common)?;
    let all = work::folders(root.path(), folders)?;
    work::each_tool(common, &mut table, |tool| {
        let mut running = tool.start(root.path())?;
        work::wait_ready(&mut running, &all)?;
        pause(REST);
        let before = Usage::of(&running.pids)?;
        pause(Duration::from_secs(seconds));
        let used = Usage::of(&running.pids)?.since(before);
        let length = f64::from(u32::try_from(seconds)?);
        let [rss, _] = used.megabytes();
        Ok(vec![format!("{:.2}", used.cpu * 100.0 / length), used.wakeups.to_string(), rss])
    });
    Ok(table)
}
