//! A large tree: how long until all of it is watched, and the memory that takes.

use std::time::Instant;

use anyhow::Result;

use crate::feed::name;
use crate::procs::Usage;
use crate::table::Table;
use crate::{Common, work};

/// One row for each tool.
pub fn measure(common: &Common, folders: u32, files: u32) -> Result<Table> {
    let head = ["ready s", "CPU s", "RSS MB", "PSS MB"];
    let mut table = Table::new(format!("arm: a tree of {folders} folders and {files} files"), &head);
    table.note("ready: a new file is told of in each of 17 folders spread over the tree");
    let root = work::folder(common)?;
    let all = work::folders(root.path(), folders)?;
    for n in 0..files {
        work::file(&all[(n % folders) as usize].join(name(n)))?;
    }
    work::each_tool(common, &mut table, |tool| {
        let start = Instant::now();
        let mut running = tool.start(root.path())?;
        work::wait_ready(&mut running, &all)?;
        let ready = start.elapsed().as_secs_f64();
        let used = Usage::of(&running.pids)?;
        let [rss, pss] = used.megabytes();
        Ok(vec![format!("{ready:.2}"), format!("{:.2}", used.cpu), rss, pss])
    });
    Ok(table)
}
