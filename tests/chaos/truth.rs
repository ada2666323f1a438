//! What the job of a history looks at, and what its record of runs must show: no version was given twice without a
//! reason, and never two at once for one file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fsmon_tests::mirror::Wrong;
use fsmon_tests::{Daemon, Job};

/// What the job does first. It says when two run at once for one path, since each holds a lock while it works. And it
/// fails where the file cannot be opened; once it is open its file system stays until the job has ended.
pub fn careful(locks: &Path) -> String {
    let locks = locks.display();
    format!(
        r#"exec 9>"{locks}/$(printf %s "$1" | cksum | tr ' ' -)"
flock -n 9 || echo "$1" >> '{locks}/two'
exec 8<"$1""#
    )
}

/// Never two at once; and a version given again only where the daemon had ended.
pub fn check_runs(job: &Job, may_repeat: usize, locks: &Path) -> Result<(), Wrong> {
    if let Ok(two) = fs::read_to_string(locks.join("two")) {
        return Err(Wrong::new(format!("two runs of one file at once: {two}")));
    }
    let mut times: BTreeMap<(PathBuf, String, String), usize> = BTreeMap::new();
    for run in job.runs() {
        *times.entry((run.path, run.id, run.sum)).or_default() += 1;
    }
    let repeated: usize = times.values().map(|n| n - 1).sum();
    if repeated > may_repeat {
        let what = format!("{repeated} versions were given again, at most {may_repeat} may have been under way");
        let paths = times.into_iter().filter(|(_, n)| *n > 1).map(|((path, ..), _)| path).take(5).collect();
        return Err(Wrong { what, paths });
    }
    Ok(())
}

/// The ledger is the tree, and every folder has its watch, as the daemon itself compares them.
pub fn check_ledger(daemon: &Daemon) -> Result<(), Wrong> {
    let said = daemon.ctl(["verify", "data"]);
    if said.code == 0 { Ok(()) } else { Err(Wrong::new(format!("verify: {}{}", said.text(), said.complaint()))) }
}
