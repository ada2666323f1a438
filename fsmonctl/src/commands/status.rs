//! `status`: the daemon at a glance.

use clap::Args;

use super::Session;
use crate::client::{ask, soon};
use crate::failure::Failure;

/// The daemon at a glance
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl status
  fsmonctl status --json | jq .counters")]
pub struct Status {}

impl Status {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let client = session.look().await?;
        let status = ask(client.rpc().status(soon())).await?;
        session.out.daemon(&status)
    }
}
