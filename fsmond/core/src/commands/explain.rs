//! `explain`: which watches cover a path, and what each knows of it.

use fsmon_protocol::path::quote;
use fsmon_protocol::{ApiError, RawPath};

use super::Outcome;
use crate::io::{Answer, Covering, Now, Sighting};
use crate::machine::Machine;

/// So many watches are named where none covers the path.
const NAMED: usize = 3;

impl Machine {
    /// The watches that cover a path. Refused where none does.
    pub(super) fn covering(&self, now: Now, path: &RawPath) -> Result<Outcome, ApiError> {
        let all: Vec<_> = self.watches.values().filter_map(|watch| watch.covering(path, now)).collect();
        if all.is_empty() { Err(self.uncovered(path)) } else { Ok(Outcome::Now(Answer::Covering(all))) }
    }

    fn uncovered(&self, path: &RawPath) -> ApiError {
        let below: Vec<&str> = self.watches.values().filter(|w| w.is_below(path)).map(|w| &*w.name).collect();
        let error = ApiError::not_found(format!("no watch covers {}", quote(path.as_bytes())));
        if below.is_empty() {
            return error.hint("`fsmonctl list` shows what is watched, `fsmonctl add FOLDER` watches one more folder");
        }
        let more = below.len().checked_sub(NAMED + 1).map(|more| format!("{} more", more + 1));
        let named = below.iter().take(NAMED).map(|name| (*name).to_owned()).chain(more).collect::<Vec<_>>().join(", ");
        error.hint(format!("below it is what these watch: {named}; explain a path there, or add one more watch"))
    }

    /// What they know of it. A watch that was removed meanwhile says nothing.
    pub(super) fn explain(&self, now: Now, seen: &[(Covering, Sighting)]) -> Outcome {
        let told = seen.iter().filter_map(|(covering, sighting)| {
            let watch = self.watches.get(&covering.watch)?;
            let (place, explained) = watch.explain(&covering.rel, sighting, &self.shared, now);
            Some((covering.watch, place, explained))
        });
        Outcome::Now(Answer::Explained(told.collect()))
    }
}
