//! `files`, `failures`, `retry`, `drop`: the ledger, and what a person decides about single files.

use fsmon_core::io::{Answer, Command, FilesPage, FilesQuery, WatchId};
use fsmon_protocol::file::{FileInfo, FilesCursor, FilesReply, FilesRequest};
use fsmon_protocol::rpc_types::Reply;
use fsmon_protocol::run::RunInfo;

use super::roles::Role;
use super::runs::hide_command;
use super::session::{Session, odd};

/// Files in one reply: with the longest paths still far below what a frame may have.
const MOST_FILES: usize = 1000;

impl Session {
    /// One page of the ledger.
    pub async fn list_files(&self, request: FilesRequest) -> Reply<FilesReply> {
        let most = usize::try_from(request.max).unwrap_or(usize::MAX).clamp(1, MOST_FILES);
        let mut from = request.from.map_or((WatchId(0), 0), |at| (WatchId(at.watch), at.place));
        let mut found = Vec::new();
        let next = loop {
            let query = FilesQuery {
                watches: request.watches.clone(),
                states: request.states.clone(),
                from,
                max: most - found.len(),
            };
            // Each question is a short one for the engine, whose other work goes on in between.
            let FilesPage { files, next } = match self.command(Command::Files(query)).await? {
                Answer::Files(page) => page,
                other => return Err(odd(&other)),
            };
            found.extend(files);
            match next {
                Some(at) if found.len() < most && !self.server.stop.is_cancelled() => from = at,
                next => break next,
            }
        };
        let next = next.map(|(watch, place)| FilesCursor { watch: watch.0, place });
        Ok(FilesReply { files: self.with_history(found).await?, next })
    }

    /// Adds what only the store knows.
    async fn with_history(&self, found: Vec<(WatchId, u32, FileInfo)>) -> Reply<Vec<FileInfo>> {
        let asked = found.iter().map(|(watch, place, info)| (*watch, *place, info.path.clone())).collect();
        let facts = self.server.history.files(asked).await?;
        let run = |run| self.beside_its_file(run);
        let all = found.into_iter().zip(facts).map(|((_, _, info), facts)| FileInfo {
            seen: info.seen.or(facts.seen),
            last: facts.last.map(run),
            processed: facts.processed.map(run),
            ..info
        });
        Ok(all.collect())
    }

    /// A run as it is told beside its file, to somebody of this role.
    pub fn beside_its_file(&self, mut run: RunInfo) -> RunInfo {
        if self.role() < Some(Role::Operator) {
            hide_command(&mut run.outcome);
        }
        // The path stands there already.
        RunInfo { path: None, ..run }
    }

    /// A command that answers with a number of files.
    pub async fn count(&self, command: Command) -> Reply<u64> {
        match self.command(command).await? {
            Answer::Count(count) => Ok(count),
            other => Err(odd(&other)),
        }
    }
}
