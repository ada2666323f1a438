//! What a watch tells about itself.

use std::sync::Arc;

use fsmon_protocol::status::{GapInfo, Progress, WatchState, WatchStatus};

use super::reconcile::OpenGap;
use super::{Root, Watch};
use crate::io::Now;
use crate::runs::Runs;

/// So many occurrences to come are told.
const DATES: usize = 5;

impl Watch {
    /// How much is in it, for people.
    pub(super) fn contents(&self) -> String {
        let count = |n: u64, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
        format!("{} in {}", count(self.tree.files(), "file"), count(self.tree.folders(), "folder"))
    }

    /// Its state as of now.
    pub fn status(&self, now: Now, runs: &Runs) -> WatchStatus {
        let scan = self.scan.as_ref().map(|scan| Progress {
            looked: scan.looked,
            folders: scan.folders,
            folders_left: self.listings.left(),
        });
        WatchStatus {
            name: self.name.to_string(),
            path: self.spec.path.clone(),
            state: self.state(now),
            details: self.details(now),
            defined_by: self.defined_by,
            backend: self.backend(),
            files: self.tree.files(),
            folders: self.tree.folders(),
            armed: self.armed,
            pending: self.pending.pending(),
            running: u64::from(self.files_running(runs)),
            failed: self.pending.failed(),
            transient: self.transient,
            unchanged: self.processed.unchanged,
            open_gaps: self.gaps.len() as u64,
            scan,
            last_reconcile: self.clocks.last_reconcile,
            last_due: self.clocks.last_reconcile.map(|_| self.clocks.last_due),
            next_due: self.clocks.next_due_wall(now),
            added: self.added,
            rules: (*self.rules).clone(),
            next_dates: self.clocks.next_due_wall(now).map_or_else(Vec::new, |next| self.plan.dates(next, DATES)),
            workers: self.workers.clone(),
            broken: self.breaker.told(now),
            gaps: self.gaps.iter().map(|gap| self.gap_info(gap)).collect(),
            warnings: Vec::new(),
        }
    }

    /// A gap that is open.
    pub(super) fn gap_info(&self, gap: &OpenGap) -> GapInfo {
        GapInfo {
            id: gap.id,
            watch: Arc::clone(&self.name),
            reason: gap.reason,
            scope: gap.scope.clone(),
            since: gap.since,
            closed: None,
            found: None,
        }
    }

    /// Its state in one word.
    pub(super) fn state(&self, now: Now) -> WatchState {
        if self.paused {
            WatchState::Paused
        } else if self.held.is_some() || self.looping.is_some() {
            WatchState::Held
        } else if self.asked.stuck(now.mono) {
            WatchState::Stuck
        } else if matches!(self.root, Root::Waiting(..)) {
            WatchState::Waiting
        } else if self.limit.is_some()
            || self.unreadable > 0
            || self.keeps().is_some()
            || self.missing_workers().is_some()
            || self.breaker.is_open()
        {
            WatchState::Degraded
        } else if self.scan.is_some() || self.root == Root::Opening || !self.baseline_done {
            WatchState::Scanning
        } else {
            WatchState::Watching
        }
    }

    /// Why it is in that state, and what would cure it.
    pub(super) fn details(&self, now: Now) -> Vec<String> {
        let mut details = Vec::new();
        details.extend(self.held.as_ref().map(|held| held.why.clone()));
        details.extend(self.looping.clone());
        if self.asked.stuck(now.mono) {
            let path = &self.root_path;
            details.push(format!("the file system of {path} does not answer; it goes on when that does"));
        }
        if let Root::Waiting(why, _) = &self.root {
            details.push(format!("{} {why}; it is looked for every second", self.root_path));
        }
        if let Root::Open(facts) = &self.root {
            details.extend(facts.backend_why.clone());
        }
        if let Some(why) = &self.limit {
            details.push(format!("{why}; until then the tree is scanned every {}", self.rules.poll_interval));
        }
        details.extend(self.missing_workers());
        details.extend(self.broken(now));
        if self.unreadable > 0 {
            details.push(format!("{} folders can't be read by the daemon; the log names them", self.unreadable));
        }
        match self.ignores.unread() {
            0 => {}
            1 => details.push("1 ignore file can't be read; what it said holds; the log names it".to_owned()),
            n => details.push(format!("{n} ignore files can't be read; what they said holds; the log names them")),
        }
        details.extend(self.keeps().map(str::to_owned));
        details
    }
}
