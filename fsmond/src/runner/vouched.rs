//! What was found to be safe for root a moment ago, so that one command after another does not look at every folder and link
//! above the same place.
//!
//! Nobody whom [`super::trust`] does not trust could have changed such a place since: that is what was found. Only root, or
//! the user a program runs as, can have moved it away or opened it to others meanwhile. So one look has to show that what is
//! there now is the same, belongs to the same and can be written by the same. What was not there is never remembered.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long it is remembered: what is above a place may have been opened by root meanwhile.
const KEPT: Duration = Duration::from_millis(100);
/// So many places at most.
const MOST: usize = 64;

/// A place, what it has to be safe below, and beside root the user who may change it.
type Place = (PathBuf, PathBuf, Option<u32>);

/// What was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    owner: (u32, u32),
    mode: u32,
}

impl Identity {
    /// Of what the path leads to; none, where it leads nowhere.
    fn of(path: &Path) -> Option<Self> {
        let facts = fs::metadata(path).ok()?;
        let owner = (facts.uid(), facts.gid());
        Some(Self { device: facts.dev(), inode: facts.ino(), owner, mode: facts.mode() })
    }
}

/// Places that were found to be safe, and when.
#[derive(Debug, Default)]
pub(super) struct Vouched(Mutex<HashMap<Place, (Identity, Instant)>>);

impl Vouched {
    /// Has `look` look at a place, unless that found it safe a moment ago. It says why the place is not safe. What is between
    /// `root` and the place is looked at more strictly than what is above `root`.
    pub(super) fn or(
        &self,
        root: &Path,
        path: &Path,
        user: Option<u32>,
        look: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        let place = (path.to_owned(), root.to_owned(), user);
        let (now, there) = (Instant::now(), Identity::of(path));
        let known = self.lock().get(&place).copied().filter(|&(_, found)| now < found + KEPT);
        if there.is_some() && there == known.map(|(identity, _)| identity) {
            return Ok(());
        }
        look()?;
        // It was taken before the look: should another be there by now, it is looked at again.
        if let Some(there) = there {
            let mut safe = self.lock();
            if safe.len() >= MOST {
                safe.clear();
            }
            safe.insert(place, (there, now));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, (Identity, Instant)>> {
        // Nothing that is done under this lock can leave it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_what_was_found_safe_and_is_still_the_same_is_not_looked_at_again() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("folder");
        let vouched = Vouched::default();
        let looked = |user, found: Result<(), String>| {
            // As if it had been found just now, however slow the machine is.
            vouched.lock().values_mut().for_each(|(_, found)| *found = Instant::now() + Duration::from_secs(600));
            let mut looked = false;
            let _ = vouched.or(top.path(), &folder, user, || {
                looked = true;
                found
            });
            looked
        };
        assert!(looked(None, Ok(())) && looked(None, Ok(())), "it is not there");
        fs::create_dir(&folder).unwrap();
        assert!(looked(None, Err("no".into())));
        assert!(looked(None, Ok(())));
        assert!(!looked(None, Ok(())));
        assert!(looked(Some(4711), Ok(())), "another user is trusted there");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(looked(None, Err("no".into())));
        assert!(looked(None, Ok(())));
        fs::rename(&folder, top.path().join("away")).unwrap();
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(looked(None, Ok(())), "it is another one");
    }

    #[test]
    fn it_is_not_remembered_for_long_and_does_not_grow() {
        let vouched = Vouched::default();
        let top = tempfile::tempdir().unwrap();
        for n in 0..10 * MOST {
            let folder = top.path().join(n.to_string());
            fs::create_dir(&folder).unwrap();
            vouched.or(top.path(), &folder, None, || Ok(())).unwrap();
        }
        assert!(vouched.lock().len() <= MOST);
        vouched.lock().values_mut().for_each(|(_, found)| *found -= KEPT);
        let last = top.path().join((10 * MOST - 1).to_string());
        assert!(vouched.or(top.path(), &last, None, || Err("it was looked at".into())).is_err());
    }
}
