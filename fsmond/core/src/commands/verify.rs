//! `verify`: what is known of the tree, folder by folder, beside what somebody read of it.

use fsmon_protocol::ApiError;

use super::Outcome;
use crate::io::{Answer, Compared, Comparison, FoldersQuery};
use crate::machine::Machine;

/// So many folders of a page.
const FOLDERS: usize = 256;
/// So many places are looked at before others have their turn.
const PLACES: u32 = 100_000;

impl Machine {
    /// The next folders to compare, of one watch.
    pub(super) fn folders(&self, query: &FoldersQuery) -> Result<Outcome, ApiError> {
        let mut ids = self.find_all(&query.watches)?;
        ids.sort_unstable();
        let mut ids = ids.into_iter().filter(|&id| id >= query.from.0);
        let page = ids.next().and_then(|id| {
            let from = if id == query.from.0 { query.from.1 } else { 0 };
            let mut page = self.watches.get(&id)?.folders_to_compare(from, FOLDERS, PLACES);
            page.next = page.next.or_else(|| ids.next().map(|next| (next, 0)));
            Some(page)
        });
        Ok(Outcome::Now(Answer::Folders(page)))
    }

    /// Compares a portion of a folder. One that is no more has nothing to compare.
    pub(super) fn compare(&self, comparison: &Comparison) -> Outcome {
        let watch = self.watches.get(&comparison.watch);
        let compared = watch.map_or_else(Compared::default, |watch| watch.compare(comparison));
        Outcome::Now(Answer::Compared(compared))
    }
}
