//! `retry`: failed files run again.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Session;
use crate::args::{file, watch};
use crate::client::{ask, soon};
use crate::failure::Failure;
use crate::output::text::count;

/// Run failed files again, from the first attempt on
///
/// Without PATH all failed files of the watch. A folder stands for the failed files below it.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl retry data
  fsmonctl retry data /data/in/a.csv /data/in/old")]
pub struct Retry {
    /// Name or path of a watch
    watch: OsString,

    /// Files that failed, or folders with such files
    path: Vec<PathBuf>,
}

impl Retry {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let watch = watch(&self.watch)?;
        let paths = self.path.iter().map(|path| file(path)).collect::<Result<Vec<_>, _>>()?;
        let client = session.change().await?;
        let retried = ask(client.rpc().retry(soon(), watch, paths)).await?;
        if session.out.is_json() {
            return session.out.object(&json!({ "retried": retried }));
        }
        Ok(session.out.line(&format!("{} pending again", count(retried, "failed file")))?)
    }
}
