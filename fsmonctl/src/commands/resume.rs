//! `resume`: runs go on after `pause`, or after a watch was held.

use std::ffi::OsString;

use clap::Args;
use fsmon_protocol::path::escape;

use super::Session;
use crate::args::watches;
use crate::client::{ask, soon};
use crate::failure::Failure;
use crate::output::text::number;

/// Let commands of these watches start again
///
/// What changed meanwhile is processed; occurrences that were skipped are made up for by one. A watch that is held
/// processes what it found.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl resume data
  fsmonctl resume data inbox")]
pub struct Resume {
    /// Names or paths of watches
    #[arg(required = true)]
    watch: Vec<OsString>,
}

impl Resume {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let names = watches(&self.watch)?;
        let client = session.change().await?;
        for status in ask(client.rpc().resume(soon(), names)).await? {
            if session.out.is_json() {
                session.out.object(&status)?;
            } else {
                let name = escape(status.name.as_bytes());
                session.out.line(&format!("resumed '{name}'; {} pending", number(status.pending)))?;
            }
        }
        Ok(())
    }
}
