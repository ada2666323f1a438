//! What was found to be safe for root a moment ago, so that one command after another does not look at the same folders.
//!
//! Nobody whom [`super::trust`] does not trust could have changed such a place since: that is what was found. Only root, or
//! the user a program runs as, can have opened it to others meanwhile, and that is seen a moment later. What was not there is
//! never remembered: anybody may put something there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long it is remembered.
const KEPT: Duration = Duration::from_millis(100);
/// So many places at most.
const MOST: usize = 64;

/// Places, and beside root the user who may change them.
type Safe = HashMap<(PathBuf, Option<u32>), Instant>;

/// Places that were found to be safe.
#[derive(Debug, Default)]
pub(super) struct Vouched(Mutex<Safe>);

impl Vouched {
    /// Looks at a place, unless it was found to be safe a moment ago. `look` says whether it is there, and why it is not safe.
    pub(super) fn or(
        &self,
        place: &Path,
        user: Option<u32>,
        look: impl FnOnce() -> Result<bool, String>,
    ) -> Result<(), String> {
        let (key, now) = ((place.to_owned(), user), Instant::now());
        if self.lock().get(&key).is_some_and(|&found| now < found + KEPT) {
            return Ok(());
        }
        if look()? {
            let mut safe = self.lock();
            if safe.len() >= MOST {
                safe.clear();
            }
            safe.insert(key, now);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Safe> {
        // Nothing that is done under this lock can leave it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_found_safe_and_is_there_is_not_looked_at_again() {
        let vouched = Vouched::default();
        let place = Path::new("/a");
        let looked = |user, found: Result<bool, String>| {
            let mut looked = false;
            let _ = vouched.or(place, user, || {
                looked = true;
                found
            });
            looked
        };
        assert!(looked(None, Err("no".into())));
        assert!(looked(None, Ok(false)));
        assert!(looked(None, Ok(true)));
        assert!(looked(Some(4711), Ok(true)), "another user is trusted there");
        // What was found so long ago counts no more.
        vouched.lock().values_mut().for_each(|found| *found -= KEPT);
        assert!(looked(None, Ok(false)));
        // As long as it counts, nothing is looked at.
        vouched.lock().insert((place.to_owned(), None), Instant::now() + Duration::from_secs(600));
        assert!(!looked(None, Ok(true)));
    }

    #[test]
    fn it_does_not_grow() {
        let vouched = Vouched::default();
        for n in 0..10 * MOST {
            vouched.or(&PathBuf::from(n.to_string()), None, || Ok(true)).unwrap();
        }
        assert!(vouched.lock().len() <= MOST);
    }
}
