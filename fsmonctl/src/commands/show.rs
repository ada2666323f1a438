//! `show`: one watch, whole.

use std::ffi::OsString;

use clap::Args;

use super::Session;
use crate::args::watch;
use crate::client::{ask, soon};
use crate::failure::Failure;

/// One watch: its state, counts, backend, last and next occurrence, and all its rules
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl show data
  fsmonctl show . --json | jq .rules")]
pub struct Show {
    /// Name or path of a watch
    watch: OsString,
}

impl Show {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let name = watch(&self.watch)?;
        let client = session.look().await?;
        let status = ask(client.rpc().show(soon(), name)).await?;
        session.out.watch(&status)
    }
}
