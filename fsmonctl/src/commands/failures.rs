//! `failures`: files that were set aside.

use std::ffi::OsString;

use clap::Args;
use fsmon_protocol::file::{FileState, FilesRequest};

use super::Session;
use super::files::each_page;
use crate::args::watch;
use crate::failure::Failure;

/// Files that were set aside after their last attempt
///
/// Such a file runs again when it changes, or by `retry`; `drop` takes it as done as it is.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl failures
  fsmonctl failures data
  fsmonctl failures --json | jq -r .path")]
pub struct Failures {
    /// Name or path of a watch [default: every watch]
    watch: Option<OsString>,

    /// At most so many
    #[arg(short = 'n', long = "max", value_name = "N")]
    max: Option<u32>,
}

impl Failures {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let watches = self.watch.as_deref().map(watch).transpose()?.into_iter().collect();
        let states = vec![FileState::Failed];
        let request = FilesRequest { watches, states, from: None, max: self.max.unwrap_or(u32::MAX) };
        let shown = Box::pin(each_page(session, request, |files, first| session.out.failures(files, first))).await?;
        if shown == 0 && !session.out.is_json() {
            session.out.note("no failed files");
        }
        Ok(())
    }
}
