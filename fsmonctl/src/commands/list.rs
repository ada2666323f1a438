//! `list`: every watch on one line.

use clap::Args;

use super::Session;
use crate::client::{ask, soon};
use crate::failure::Failure;

/// What is watched, and how it goes
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl list
  fsmonctl list --json | jq -r .name")]
pub struct List {}

impl List {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let client = session.look().await?;
        let watches = ask(client.rpc().list(soon())).await?;
        if watches.is_empty() && !session.out.is_json() {
            session.out.note("nothing is watched yet; add a folder with: fsmonctl add PATH");
            return Ok(());
        }
        session.out.watches(&watches)
    }
}
