//! What `add --dry-run` and `set --dry-run` print: counts, and the first files of each sort.

use std::time::Duration;

use fsmon_protocol::ErrorKind;
use fsmon_protocol::path::escape;
use fsmon_protocol::rpc_types::{DryRun, Listed, Reply};
use tarpc::client::RpcError;

use super::Session;
use crate::client::ask;
use crate::failure::Failure;
use crate::output::json;
use crate::output::text::{count, number};

/// How long the daemon may look: it gives up by itself before that.
pub const DRY_RUN: Duration = Duration::from_secs(25);

/// Asks, and prints the answer. Exit 4 where the tree could not be seen whole.
pub async fn dry_run(
    session: &Session<'_>,
    question: impl Future<Output = Result<Reply<DryRun>, RpcError>>,
    changes: bool,
) -> Result<(), Failure> {
    let found = ask(question).await?;
    let out = session.out;
    if out.is_json() {
        out.object(&json::dry_run(&found))?;
    } else {
        let looked = format!("{} in {}", count(found.looked, "file"), count(found.folders, "folder"));
        out.line(&format!("dry run of '{}': {looked} looked at, nothing changed", escape(found.name.as_bytes())))?;
        list(session, "would be watched", &found.matches, !changes)?;
        if changes {
            list(session, "would no longer be watched", &found.dropped, true)?;
            list(session, "would newly be watched", &found.gained, true)?;
        }
        list(session, "would run now", &found.runs, true)?;
    }
    if found.complete {
        return Ok(());
    }
    out.note("some of the tree could not be read, or not in time: the numbers are too small");
    Err(Failure::Silent(ErrorKind::TimedOut))
}

/// One sort of files: how many, and the first of them.
fn list(session: &Session<'_>, what: &str, files: &Listed, named: bool) -> Result<(), Failure> {
    session.out.line(&format!("{} {what}", count(files.count, "file")))?;
    if !named {
        return Ok(());
    }
    for path in &files.first {
        session.out.line(&format!("  {path}"))?;
    }
    let more = files.count.saturating_sub(files.first.len() as u64);
    if more > 0 {
        session.out.line(&format!("  … and {} more", number(more)))?;
    }
    Ok(())
}
