//! `reload`: the config file, read again.

use clap::Args;
use fsmon_protocol::path::escape;

use super::Session;
use crate::client::{ask, soon};
use crate::failure::Failure;

/// Read the config file again; a bad one is refused and the old one stays
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl reload
  fsmonctl reload --json")]
pub struct Reload {}

impl Reload {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let client = session.change().await?;
        let done = ask(client.rpc().reload(soon())).await?;
        if session.out.is_json() {
            return session.out.object(&done);
        }
        let mut changed = false;
        for (what, names) in [
            ("added", &done.added),
            ("taken up again (only what changed meanwhile is processed)", &done.attached),
            ("changed", &done.changed),
            ("detached (the ledger is kept for 7 days)", &done.detached),
            ("only after the next start", &done.at_restart),
        ] {
            if !names.is_empty() {
                let names: Vec<_> = names.iter().map(|name| escape(name.as_bytes())).collect();
                session.out.line(&format!("{what}: {}", names.join(", ")))?;
                changed = true;
            }
        }
        if !changed {
            session.out.line("reloaded; nothing is different")?;
        }
        Ok(())
    }
}
