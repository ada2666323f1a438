//! `files`: what the ledger knows of each file of a watch.

use std::ffi::OsString;

use clap::{Args, ValueEnum};
use fsmon_protocol::file::{FileInfo, FileState, FilesRequest};

use super::Session;
use crate::args::watch;
use crate::client::{ask, soon};
use crate::failure::Failure;

/// The files of a watch, and where each stands
///
/// Size and time of modification are those that were seen last; `processed` tells of the latest run that succeeded, as
/// long as runs are kept. A long list comes in no particular order.
#[derive(Debug, Args)]
#[command(after_help = "\
STATES
  pending   changed and to be processed: settling, ready (waits for its turn) or backoff (failed, tried again)
  running   its command runs
  failed    set aside after the last attempt; see `fsmonctl failures`
  clean     processed, or taken as done

EXAMPLES
  fsmonctl files data
  fsmonctl files data --state pending,running
  fsmonctl files data --state clean --json | jq -r .path")]
pub struct Files {
    /// Name or path of a watch
    watch: OsString,

    /// Only files in one of these states
    #[arg(long, value_delimiter = ',', value_name = "STATE")]
    state: Vec<StateWord>,

    /// At most so many
    #[arg(short = 'n', long = "max", value_name = "N")]
    max: Option<u32>,
}

/// The words of `--state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StateWord {
    Pending,
    Settling,
    Ready,
    Backoff,
    Running,
    Failed,
    Clean,
}

impl StateWord {
    const fn states(self) -> &'static [FileState] {
        match self {
            Self::Pending => &FileState::PENDING,
            Self::Settling => &[FileState::Settling],
            Self::Ready => &[FileState::Ready],
            Self::Backoff => &[FileState::Backoff],
            Self::Running => &[FileState::Running],
            Self::Failed => &[FileState::Failed],
            Self::Clean => &[FileState::Clean],
        }
    }
}

impl Files {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let watches = vec![watch(&self.watch)?];
        let states = self.state.iter().flat_map(|word| word.states().iter().copied()).collect();
        let request = FilesRequest { watches, states, from: None, max: self.max.unwrap_or(u32::MAX) };
        let shown = Box::pin(each_page(session, request, |files, first| session.out.files(files, first))).await?;
        if shown == 0 && !session.out.is_json() {
            session.out.note("no files");
        }
        Ok(())
    }
}

/// Asks for page after page, so that no list is too long; each page is sorted. Gives how many files there were.
pub async fn each_page(
    session: &Session<'_>,
    mut request: FilesRequest,
    mut show: impl FnMut(&[FileInfo], bool) -> Result<(), Failure>,
) -> Result<usize, Failure> {
    let client = session.look().await?;
    let mut shown = 0;
    while request.max > 0 {
        let mut page = ask(client.rpc().files(soon(), request.clone())).await?;
        page.files.sort_by(|a, b| (&a.watch, a.path.as_bytes()).cmp(&(&b.watch, b.path.as_bytes())));
        if !page.files.is_empty() {
            show(&page.files, shown == 0)?;
        }
        shown += page.files.len();
        request.max = request.max.saturating_sub(u32::try_from(page.files.len()).unwrap_or(u32::MAX));
        let Some(next) = page.next else { break };
        request.from = Some(next);
    }
    Ok(shown)
}
