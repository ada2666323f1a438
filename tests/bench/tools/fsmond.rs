//! fsmond, with its journal and ledger on, followed by `fsmonctl tail --json`.

use std::path::Path;
use std::process::Stdio;

use anyhow::Result;
use fsmon_tests::Daemon;

use super::{Running, Tool, spawn};

pub struct Fsmond;

impl Tool for Fsmond {
    fn name(&self) -> &'static str {
        "fsmond"
    }

    fn is_there(&self) -> bool {
        true
    }

    fn start(&self, root: &Path) -> Result<Running> {
        let d = Daemon::start();
        d.add_folder("bench", root, &[], &[]);
        let since = d.status()["last_seq"].to_string();
        let mut tail = d.fsmonctl(["tail", "--json", "--since", &since]);
        let (child, feed) = spawn(tail.stdin(Stdio::null()))?;
        let (pids, readers) = (vec![d.pid()], vec![child.id()]);
        Ok(Running { feed, pids, readers, children: vec![child], _kept: Some(Box::new(d)) })
    }
}
