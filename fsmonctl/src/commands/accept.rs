//! `accept`: what a held watch found is right and done.

use std::ffi::OsString;

use clap::Args;
use fsmon_protocol::path::escape;
use serde_json::json;

use super::Session;
use crate::args::watch;
use crate::client::{ask, soon};
use crate::failure::Failure;
use crate::output::text::count;

/// A held watch: what is there now is right and done
///
/// The folder is compared and nothing that differs makes work: the journal tells it, no command runs for it. What was
/// pending or failed is given up. To have it processed say `resume` instead. Where a command made its own work, only
/// the files that went round are taken as done, and commands start again.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl accept data")]
pub struct Accept {
    /// Name or path of a watch
    watch: OsString,
}

impl Accept {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let watch = watch(&self.watch)?;
        let client = session.change().await?;
        let given_up = ask(client.rpc().accept(soon(), watch.clone())).await?;
        if session.out.is_json() {
            return session.out.object(&json!({ "watch": watch, "given_up": given_up }));
        }
        let files = count(given_up, "pending file");
        Ok(session.out.line(&format!("accepted '{}'; {files} given up", escape(watch.as_bytes())))?)
    }
}
