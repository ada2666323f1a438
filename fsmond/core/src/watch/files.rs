//! What the ledger tells of single files. Nothing is changed here.

use std::sync::Arc;
use std::time::Duration;

use fsmon_protocol::file::{FileInfo, FileState};

use super::Watch;
use super::pending::{Pending, Stage};
use crate::io::{FilesQuery, Now, WatchId};
use crate::runs::Runs;
use crate::tree::Flags;

impl Watch {
    /// Lists files from this place on, until the page is full or `left` places were looked at. Gives where to go on, or
    /// none at the end.
    pub fn list_files(
        &self,
        from: u32,
        query: &FilesQuery,
        now: Now,
        runs: &Runs,
        left: &mut u32,
        files: &mut Vec<(WatchId, u32, FileInfo)>,
    ) -> Option<u32> {
        for at in from.max(1)..self.tree.places() {
            if files.len() >= query.max || *left == 0 {
                return Some(at);
            }
            *left -= 1;
            let node = self.tree.in_use(at).then(|| self.tree.node(at));
            let Some(node) = node.filter(|n| !n.is_dir() && (n.has(Flags::KNOWN) || n.has(Flags::PENDING))) else {
                continue;
            };
            let pending = self.pending.get(at).filter(|_| node.has(Flags::PENDING));
            if query.states.is_empty() || query.states.contains(&self.file_state(pending, runs)) {
                files.push((self.id, at, self.file_info(at, now, runs)));
            }
        }
        None
    }

    /// What is known of the file at this place.
    pub fn file_info(&self, at: u32, now: Now, runs: &Runs) -> FileInfo {
        let pending = self.pending.get(at).filter(|pending| pending.stage != Stage::Leaving);
        let due = pending.map(|p| p.due).filter(|&due| due != u64::MAX);
        FileInfo {
            watch: Arc::clone(&self.name),
            path: self.absolute(at),
            file_type: self.tree.node(at).file_type,
            state: self.file_state(pending, runs),
            kind: pending.map(|p| p.kind),
            attempts: pending.map_or(0, |p| p.attempts),
            due: due.map(|due| now.wall.plus(Duration::from_nanos(due.saturating_sub(now.mono)))),
            seen: self.ledger.fresh(at).or_else(|| pending.and_then(|p| p.seen)),
            last: None,
            processed: None,
        }
    }

    fn file_state(&self, pending: Option<&Pending>, runs: &Runs) -> FileState {
        match pending.map(|pending| self.stage_told(pending, runs)) {
            None | Some(Stage::Leaving) => FileState::Clean,
            Some(Stage::Settling | Stage::Checking) => FileState::Settling,
            Some(Stage::Ready | Stage::Paced) => FileState::Ready,
            Some(Stage::Running(..)) => FileState::Running,
            Some(Stage::Backoff) => FileState::Backoff,
            Some(Stage::Failed) => FileState::Failed,
        }
    }
}
