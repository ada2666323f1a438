//! `explain`: why a path was, was not or will be processed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Session;
use crate::args::file;
use crate::client::{ask, within};
use crate::failure::Failure;

/// How long the daemon may take to look at the path below the root of each watch.
const LONGEST_LOOK: Duration = Duration::from_secs(20);

/// Why a file was, was not or will be processed
///
/// Says for each watch that covers the path which filter lets it in or keeps it out, what the ledger knows of it, what is
/// on disk, what it waits for, which run was its last and which one processed it; and what to do about it. It works for
/// folders and links too, and for paths at which nothing is. Nothing is changed by it.
///
/// Exit 0: told, also where every watch leaves it out. Exit 1: no watch covers the path.
#[derive(Debug, Args)]
#[command(after_help = "\
STATES
  settling, ready, running, backoff, failed, clean   as of `fsmonctl files`
  kept_out     a filter leaves it out
  unknown      let in, and nothing is known of it: not there, or not yet seen
  not_a_file   a folder, a link or a device: commands run for regular files only
  hidden       below a mount, or on a file system that is not mounted
  moving       renamed away a moment ago, where to is not yet known

EXAMPLES
  fsmonctl explain /srv/in/a.csv
  cd /srv/in && fsmonctl explain a.csv
  fsmonctl explain /srv/in/a.csv --json | jq -r '.waits[].for'")]
pub struct Explain {
    /// A path; it need not be there
    path: PathBuf,
}

impl Explain {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let path = file(&self.path)?;
        let client = session.look().await?;
        let told = ask(client.rpc().explain(within(LONGEST_LOOK), path)).await?;
        session.out.explained(&told)
    }
}
