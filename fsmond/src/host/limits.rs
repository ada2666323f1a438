//! Limits of the process that the daemon changes for itself.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// macOS takes no soft limit above this, although its hard limit says "unlimited" (`OPEN_MAX` of `sys/syslimits.h`).
#[cfg(target_os = "macos")]
const HIGHEST: u64 = 10_240;
/// More descriptors than any machine has memory for; only so that "unlimited" is a number.
#[cfg(not(target_os = "macos"))]
const HIGHEST: u64 = 1 << 30;

/// The limit on open descriptors, before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// The soft limit the process was started with: what its commands should be given, since programs that use
    /// `select(2)` break with descriptors above 1023.
    pub before: u64,
    /// The soft limit now.
    pub now: u64,
}

/// Raises the soft limit on open descriptors to the hard one.
pub fn raise_open_files() -> io::Result<OpenFiles> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let before = current.unwrap_or(HIGHEST);
    let wanted = maximum.unwrap_or(HIGHEST).min(HIGHEST);
    if wanted <= before {
        return Ok(OpenFiles { before, now: before });
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?;
    Ok(OpenFiles { before, now: wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let raised = raise_open_files().unwrap();
        assert!(raised.now >= raised.before);
        let again = raise_open_files().unwrap();
        assert_eq!(again, OpenFiles { before: raised.now, now: raised.now });
    }
}
