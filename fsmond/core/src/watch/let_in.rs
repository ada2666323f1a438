//! Which filters a watch had before somebody changed them, until the reconcile that follows has seen everything.
//!
//! What newly matches and was there already follows `existing`. What matched before as well, and is not known, is another
//! thing: it was made and not heard of yet, so it is new. It decides nothing about the filters as they are now.

use std::collections::HashMap;
use std::sync::Arc;

use fsmon_protocol::Timestamp;

use super::Watch;
use crate::filter::Filter;
use crate::ignores::IgnoreFile;
use crate::shared::Ctx;
use crate::tree::ROOT;

/// So many changes are told apart; of more, the first ones count as having let in everything.
const MOST: usize = 8;

/// Filters as they were.
#[derive(Debug)]
pub(super) struct LetIn {
    /// What was there before that was taken as `existing` says.
    since: Timestamp,
    /// None lets in everything.
    filter: Option<Filter>,
    /// What the ignore files said, by the place of their folders; none where they were not asked.
    ignores: Option<HashMap<u32, Arc<IgnoreFile>>>,
}

impl Watch {
    /// The filters are about to be changed. To be called before anything is.
    pub(super) fn keep_filters(&mut self) {
        let ignores = self.heeds_ignores().then(|| self.ignores.all().clone());
        self.let_in.push(LetIn { since: self.added, filter: Some(self.filter.clone()), ignores });
        if self.let_in.len() > MOST {
            self.let_in.remove(1);
            self.let_in[0].filter = None;
            self.let_in[0].ignores = None;
        }
    }

    /// The filters were changed: what they no longer let in is dropped, and what they let in now is looked for.
    pub(super) fn filters_changed(&mut self, ctx: &mut Ctx<'_>) {
        self.heed_ignores_or_not();
        self.drop_unwanted(ctx);
        self.baseline_done = false;
        self.added = ctx.now.stamp;
        self.want_scan();
    }

    /// When it was added, as it is stored: until all is seen, from before its filters were changed. After a crash nobody
    /// knows these, so that what was made since runs.
    pub(super) fn added_as_stored(&self) -> Timestamp {
        self.let_in.first().map_or(self.added, |before| before.since)
    }

    /// A folder is not watched any more: another one may get its place.
    pub(super) fn forget_let_in(&mut self, at: u32) {
        for before in &mut self.let_in {
            before.ignores.as_mut().and_then(|ignores| ignores.remove(&at));
        }
    }

    /// Whether an entry that is seen for the first time is new by filters that there were.
    pub(super) fn was_let_in(&self, at: u32, dir: bool, ctime: i64) -> bool {
        self.only.is_none()
            && self.let_in.iter().any(|before| ctime >= before.since.0 && self.let_in_by(before, at, dir))
    }

    fn let_in_by(&self, before: &LetIn, at: u32, dir: bool) -> bool {
        let Some(filter) = &before.filter else { return true };
        let rel = self.tree.path(at);
        let (mut at, mut end, mut dir) = (at, rel.len(), dir);
        while at != ROOT {
            let (folder, name, rel) = (self.tree.node(at).parent(), self.tree.node(at).name(), &rel[..end]);
            let depth = rel.split(|&b| b == b'/').count();
            let matches = if dir { filter.folder(rel, depth.try_into().unwrap_or(u32::MAX)) } else { filter.file(rel) };
            let ignored = before
                .ignores
                .as_ref()
                .is_some_and(|ignores| self.is_ignored(folder, rel, dir, |at| ignores.get(&at).map(Arc::as_ref)));
            if !matches || ignored {
                return false;
            }
            end = end.saturating_sub(name.len() + 1);
            (at, dir) = (folder, true);
        }
        true
    }
}
