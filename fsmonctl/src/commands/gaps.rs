//! `gaps`: where events may have been lost, and what became of it.

use std::ffi::OsString;

use clap::Args;
use fsmon_protocol::rpc_types::GapsRequest;

use super::Session;
use crate::args::watch;
use crate::client::{ask, soon};
use crate::failure::Failure;

/// Spans of time in which events may have been lost, the open ones first
///
/// A gap is closed only by comparing the folder with the ledger after it; `found` is how many changes that brought to
/// light. Closed ones are kept as long as the journal.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl gaps
  fsmonctl gaps data -n 100
  fsmonctl gaps --json | jq 'select(.open)'")]
pub struct Gaps {
    /// Name or path of a watch [default: every watch]
    watch: Option<OsString>,

    /// At most so many
    #[arg(short = 'n', long = "max", value_name = "N", default_value_t = 20)]
    max: u32,
}

impl Gaps {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let watch = self.watch.as_deref().map(watch).transpose()?;
        let client = session.look().await?;
        let gaps = ask(client.rpc().gaps(soon(), GapsRequest { watch, max: self.max })).await?;
        if gaps.is_empty() && !session.out.is_json() {
            session.out.note("no gaps");
            return Ok(());
        }
        session.out.gaps(&gaps)
    }
}
