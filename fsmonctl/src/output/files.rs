//! How files of the ledger read for people.

use std::time::Duration;

use fsmon_protocol::Timestamp;
use fsmon_protocol::file::{FileInfo, FileState};
use fsmon_protocol::run::RunInfo;

use super::table::Sheet;
use super::text::{number, outcome, relative};
use super::{Out, json};
use crate::failure::Failure;

impl Out {
    /// A page of files; the first one has the header.
    pub fn files(&self, files: &[FileInfo], first: bool) -> Result<(), Failure> {
        if self.is_json() {
            return files.iter().try_for_each(|file| self.object(&json::file(file)));
        }
        let now = Timestamp::now();
        let header = ["STATE", "NEXT", "TRIES", "SIZE", "MODIFIED", "PROCESSED", "PATH"];
        let mut sheet = Sheet::new(&header, &[6]);
        for file in files {
            let when = |time: Option<Timestamp>| time.map_or_else(|| "-".into(), |time| relative(time, now));
            let processed = |run: &RunInfo| format!("{} (run {})", relative(ended(run), now), run.run);
            sheet.row(vec![
                file.state.as_str().into(),
                when(file.due),
                file.attempts.to_string(),
                file.seen.map_or_else(|| "-".into(), |seen| number(seen.size)),
                when(file.seen.map(|seen| Timestamp(seen.mtime))),
                file.processed.as_ref().map_or_else(|| "-".into(), processed),
                file.path.to_string(),
            ]);
        }
        self.sheet(sheet, first, files, |file| file.state)
    }

    /// A page of failed files; the first one has the header.
    pub fn failures(&self, files: &[FileInfo], first: bool) -> Result<(), Failure> {
        if self.is_json() {
            return files.iter().try_for_each(|file| self.object(&json::file(file)));
        }
        let now = Timestamp::now();
        let mut sheet = Sheet::new(&["WATCH", "TRIES", "RUN", "ENDED", "FAILED", "PATH"], &[3, 5]);
        for file in files {
            let last = |tell: &dyn Fn(&RunInfo) -> String| file.last.as_ref().map_or_else(|| "-".into(), tell);
            sheet.row(vec![
                file.watch.to_string(),
                file.attempts.to_string(),
                last(&|run| run.run.to_string()),
                last(&outcome),
                last(&|run| relative(ended(run), now)),
                file.path.to_string(),
            ]);
        }
        self.sheet(sheet, first, files, |_| FileState::Clean)
    }

    /// Prints a page. A word that tells the state is the first of its line, and coloured.
    fn sheet(
        &self,
        sheet: Sheet,
        first: bool,
        files: &[FileInfo],
        state: fn(&FileInfo) -> FileState,
    ) -> Result<(), Failure> {
        let mut lines = sheet.lines().into_iter();
        let header = lines.next().filter(|_| first);
        header.map_or(Ok(()), |header| self.line(&self.style().bold(&header)))?;
        for (line, file) in lines.zip(files) {
            let state = state(file);
            self.line(&match line.strip_prefix(state.as_str()) {
                Some(rest) => format!("{}{rest}", self.style().file(state)),
                None => line,
            })?;
        }
        Ok(())
    }
}

/// When a run ended, as far as is known.
pub fn ended(run: &RunInfo) -> Timestamp {
    run.started.plus(Duration::from_millis(run.ms.unwrap_or(0)))
}
