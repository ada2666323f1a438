//! `runs`: the history of runs.

use std::ffi::OsString;

use clap::Args;
use fsmon_protocol::rpc_types::RunsRequest;

use super::Session;
use crate::args::watch;
use crate::client::{ask, soon};
use crate::failure::Failure;

/// The latest runs of commands, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl runs
  fsmonctl runs data --failed
  fsmonctl runs -n 500 --json | jq -r .path")]
pub struct Runs {
    /// Name or path of a watch [default: every watch]
    watch: Option<OsString>,

    /// Only those that failed
    #[arg(long)]
    failed: bool,

    /// At most so many
    #[arg(short = 'n', long = "max", value_name = "N", default_value_t = 20)]
    max: u32,
}

impl Runs {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let watch = self.watch.as_deref().map(watch).transpose()?;
        let client = session.look().await?;
        let request = RunsRequest { watch, failed: self.failed, max: self.max };
        let runs = ask(client.rpc().runs(soon(), request)).await?;
        if runs.is_empty() && !session.out.is_json() {
            session.out.note(if self.failed { "no failed runs" } else { "no runs yet" });
            return Ok(());
        }
        session.out.runs(&runs)
    }
}
