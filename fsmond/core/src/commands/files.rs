//! `files`, `failures`: the ledger, page by page.

use fsmon_protocol::ApiError;

use super::Outcome;
use crate::io::{Answer, FilesPage, FilesQuery, Now};
use crate::machine::Machine;

/// So many places are looked at before others have their turn.
const PLACES: u32 = 100_000;

impl Machine {
    pub(super) fn files(&self, now: Now, query: &FilesQuery) -> Result<Outcome, ApiError> {
        let mut ids = self.find_all(&query.watches)?;
        ids.sort_unstable();
        let mut page = FilesPage::default();
        let mut left = PLACES;
        for id in ids.into_iter().filter(|&id| id >= query.from.0) {
            let Some(watch) = self.watches.get(&id) else { continue };
            let from = if id == query.from.0 { query.from.1 } else { 0 };
            if let Some(place) = watch.list_files(from, query, now, &self.shared.runs, &mut left, &mut page.files) {
                page.next = Some((id, place));
                break;
            }
        }
        Ok(Outcome::Now(Answer::Files(page)))
    }
}
