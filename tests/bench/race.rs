//! Folders six deep and at once a file in the deepest: how many are lost.

use std::fs;

use crate::feed::name;
use crate::table::Table;
use crate::{Common, work};

/// One row for each tool.
pub fn measure(common: &Common, times: u32) -> Table {
    let mut table = Table::new(format!("race: mkdir -p six deep and at once a file in it, {times} times"), &["lost"]);
    work::each_tool(common, &mut table, |tool| {
        let root = work::folder(common)?;
        let folders = work::folders(root.path(), 4)?;
        let mut running = tool.start(root.path())?;
        work::wait_ready(&mut running, &folders)?;
        for n in 0..times {
            let folder = root.path().join(format!("r{n}/a/b/c/d/e"));
            fs::create_dir_all(&folder)?;
            work::file(&folder.join(name(n)))?;
        }
        let lost = work::wait_told(&mut running, times);
        Ok(vec![work::share(lost, times)])
    });
    table
}
