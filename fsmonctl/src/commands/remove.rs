//! `remove`: watches go; files stay.

use std::ffi::OsString;

use clap::Args;
use fsmon_protocol::path::escape;

use super::Session;
use crate::args::watches;
use crate::client::{ask, soon};
use crate::failure::Failure;
use crate::output::text::count;

/// Stop watching; files are never touched
///
/// Pending work is dropped, and its number printed. Running commands finish, unless --kill is given. Either all of the
/// named watches go or none. Adding one again is a new watch.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl remove data
  fsmonctl remove /data /srv/in --kill    by path, and end their running commands")]
pub struct Remove {
    /// Names or paths of watches
    #[arg(required = true)]
    watch: Vec<OsString>,

    /// End running commands too
    #[arg(long)]
    kill: bool,
}

impl Remove {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let names = watches(&self.watch)?;
        let client = session.change().await?;
        let removed = ask(client.rpc().remove(soon(), names, self.kill)).await?;
        for one in &removed {
            if session.out.is_json() {
                session.out.object(one)?;
                continue;
            }
            let mut parts = vec![format!("removed '{}': {}", escape(one.name.as_bytes()), escape(one.path.as_bytes()))];
            if one.dropped > 0 {
                parts.push(format!("{} dropped", count(one.dropped, "pending file")));
            }
            if one.running > 0 {
                parts.push(format!("{} still running", count(one.running, "command")));
            }
            session.out.line(&parts.join("; "))?;
        }
        Ok(())
    }
}
