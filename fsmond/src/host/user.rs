//! Who the daemon is: the user it runs as, by the system's user database.

use std::path::PathBuf;

use nix::unistd::{Gid, Uid, User};

/// The daemon's own user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// Effective user number.
    pub uid: u32,
    /// Effective group number.
    pub gid: u32,
    /// Name; the number where the database has none.
    pub name: String,
    /// Home folder; `/` where the database has none.
    pub home: PathBuf,
}

impl Me {
    /// Asks the system. A user the database does not know (as in a container started with a bare number) is no error.
    pub fn ask() -> Self {
        let uid = Uid::effective();
        let known = User::from_uid(uid).ok().flatten();
        let (name, home) = known.map_or_else(|| (uid.to_string(), PathBuf::from("/")), |user| (user.name, user.dir));
        Self { uid: uid.as_raw(), gid: Gid::effective().as_raw(), name, home }
    }

    /// Whether this is root.
    pub const fn is_root(&self) -> bool {
        self.uid == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_knows_its_user() {
        let me = Me::ask();
        assert_eq!(me.uid, rustix::process::geteuid().as_raw());
        assert!(!me.name.is_empty());
        assert!(me.home.is_absolute());
        if me.is_root() {
            assert_eq!(me.name, "root");
        }
    }
}
