//! `pause`: no runs until `resume`.

use std::ffi::OsString;

use clap::Args;
use fsmon_protocol::path::escape;

use super::Session;
use crate::args::watches;
use crate::client::{ask, soon};
use crate::failure::Failure;
use crate::output::text::count;

/// Start no more commands of these watches until `resume`
///
/// Survives a restart. Running commands finish; occurrences of the schedule are skipped. Watching goes on, so that
/// nothing is missed.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl pause data
  fsmonctl pause data inbox")]
pub struct Pause {
    /// Names or paths of watches
    #[arg(required = true)]
    watch: Vec<OsString>,
}

impl Pause {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let names = watches(&self.watch)?;
        let client = session.change().await?;
        for status in ask(client.rpc().pause(soon(), names)).await? {
            if session.out.is_json() {
                session.out.object(&status)?;
                continue;
            }
            let mut parts = vec![format!("paused '{}'", escape(status.name.as_bytes()))];
            if status.running > 0 {
                parts.push(format!("{} still running", count(status.running, "command")));
            }
            session.out.line(&parts.join("; "))?;
        }
        Ok(())
    }
}
