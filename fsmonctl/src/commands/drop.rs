//! `drop`: what is to be done for a file is given up.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Session;
use crate::args::{file, watch};
use crate::client::{ask, soon};
use crate::failure::Failure;
use crate::output::text::count;

/// Give up what is pending or failed of these files
///
/// They are taken as done as they are, until they change again; the journal says so. No file is touched, and a command
/// that runs already ends by itself. A folder stands for the files below it.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl drop data /data/in/broken.csv
  fsmonctl drop data /data/in/old")]
pub struct Drop {
    /// Name or path of a watch
    watch: OsString,

    /// Files that are pending or failed, or folders with such files
    #[arg(required = true)]
    path: Vec<PathBuf>,
}

impl Drop {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let watch = watch(&self.watch)?;
        let paths = self.path.iter().map(|path| file(path)).collect::<Result<Vec<_>, _>>()?;
        let client = session.change().await?;
        let dropped = ask(client.rpc().give_up(soon(), watch, paths)).await?;
        if session.out.is_json() {
            return session.out.object(&json!({ "dropped": dropped }));
        }
        Ok(session.out.line(&format!("{} taken as done", count(dropped, "file")))?)
    }
}
