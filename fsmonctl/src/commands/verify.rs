//! `verify`: whether disk, ledger and the watches of the kernel are one.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use fsmon_protocol::ErrorKind;
use fsmon_protocol::verify::{DifferenceKind, VerifyReply, VerifyRequest};

use super::Session;
use crate::args::watch;
use crate::client::{ask, within};
use crate::failure::Failure;

/// How long the daemon may take for one slice: it ends soon, unless a file system is slow.
const LONGEST_SLICE: Duration = Duration::from_secs(120);

/// Compare the folder with the ledger and the kernel's watches, and change nothing
///
/// Reads every folder and says what differs: exit 0 only if nothing does, 6 if something does. What the daemon is about
/// to look at by itself is no difference, nor is what a mount hides; what differs is looked at twice before it is told.
/// While the daemon compares by itself it waits for the end of that. A watch that is polled knows what changed only after
/// its next poll.
#[derive(Debug, Args)]
#[command(after_help = "\
DIFFERENCES
  untold    on disk, and not in the ledger
  gone      in the ledger, and not on disk
  changed   another type, inode, size or time than in the ledger
  unarmed   a folder without a watch of the kernel, so that what happens there is found by scans only
  unread    a folder that cannot be read

What differs is made good by `fsmonctl run-now`, which compares too and processes what it finds.

EXAMPLES
  fsmonctl verify
  fsmonctl verify data && echo all is known
  fsmonctl verify data --json | jq -r 'select(.kind == \"gone\").path'")]
pub struct Verify {
    /// Name or path of a watch [default: every watch]
    watch: Option<OsString>,

    /// Name at most so many differences; all are counted
    #[arg(short = 'n', long = "max", value_name = "N", default_value_t = 100)]
    max: u32,
}

impl Verify {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let watches = self.watch.as_deref().map(watch).transpose()?.into_iter().collect();
        let client = session.look().await?;
        let mut request = VerifyRequest { watches, from: None, max: self.max };
        let mut sum = VerifyReply { counts: vec![0; DifferenceKind::ALL.len()], ..VerifyReply::default() };
        loop {
            let slice = ask(client.rpc().verify(within(LONGEST_SLICE), request.clone())).await?;
            session.out.differences(&slice.differences)?;
            sum.folders += slice.folders;
            sum.entries += slice.entries;
            sum.counts.iter_mut().zip(&slice.counts).for_each(|(sum, count)| *sum += count);
            request.max = request.max.saturating_sub(u32::try_from(slice.differences.len()).unwrap_or(u32::MAX));
            request.from = slice.next;
            if request.from.is_none() {
                break;
            }
        }
        session.out.verified(&sum)?;
        if sum.counts.iter().all(|&count| count == 0) { Ok(()) } else { Err(Failure::Silent(ErrorKind::Unhealthy)) }
    }
}
