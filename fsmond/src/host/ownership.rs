//! Whose files the daemon trusts: its config and its state decide which commands run as its user, so nobody else may
//! be able to change them.
//!
//! What was opened is asked, never a path: between a check of a path and its use somebody could swap what it names.
//! Folders above are not asked; whoever can swap one of them (a sticky `/tmp` lets nobody) can only put there what
//! belongs to himself, and that is refused.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fsmon_protocol::path::escape;
use rustix::process::geteuid;

/// Somebody else could change what has to be trusted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// It belongs to somebody else.
    #[error("{} belongs to user {uid}, who is neither root nor the user fsmond runs as ({own}); give it to one of them, or name another", shown(.path))]
    Owner {
        /// What.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
        /// Who we are.
        own: u32,
    },
    /// What is to be written to has another name elsewhere, which somebody may have given it to have that written.
    #[error("{} has a second name (a hard link), under which it would be written too; remove one of them", shown(.path))]
    Linked {
        /// What.
        path: PathBuf,
    },
    /// Its mode lets others write.
    #[error("{} can be written by {who} (mode {mode:04o}); run: chmod go-w {}", shown(.path), shown(.path))]
    Writable {
        /// What.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Who may write.
        who: &'static str,
    },
}

impl From<Untrusted> for io::Error {
    fn from(error: Untrusted) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, error)
    }
}

/// Checks what was opened: it belongs to root or to the daemon's user, and neither group nor others may write to it.
/// `path` is only for the message.
pub fn check(opened: &File, path: &Path) -> io::Result<()> {
    Ok(judge(&opened.metadata()?, path, 0o022)?)
}

/// Checks a file that was opened for writing, without following links: as [`check`], and it is a regular file with
/// this one name.
pub fn check_written(opened: &File, path: &Path) -> io::Result<()> {
    let facts = opened.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    judge(&facts, path, 0o022)?;
    if facts.nlink() > 1 {
        return Err(Untrusted::Linked { path: path.to_owned() }.into());
    }
    Ok(())
}

/// Checks a folder in which the daemon makes files that it opens with [`check_written`]: it belongs to root or to the
/// daemon's user, and not everybody may write to it, unless it is sticky like `/tmp`. Its group may, as that of
/// `/var/log` may on Debian: it can get in the way, but can have nothing written elsewhere.
pub fn check_folder(opened: &File, path: &Path) -> io::Result<()> {
    let facts = opened.metadata()?;
    let sticky = facts.mode() & 0o1000 != 0;
    Ok(judge(&facts, path, if sticky { 0 } else { 0o002 })?)
}

/// `refused` are the permission bits that may not be set.
fn judge(facts: &Metadata, path: &Path, refused: u32) -> Result<(), Untrusted> {
    let own = geteuid().as_raw();
    if facts.uid() != 0 && facts.uid() != own {
        return Err(Untrusted::Owner { path: path.to_owned(), uid: facts.uid(), own });
    }
    let mode = facts.mode() & 0o7777;
    if mode & refused != 0 {
        let who = if mode & 0o002 != 0 { "everybody" } else { "its group" };
        return Err(Untrusted::Writable { path: path.to_owned(), mode, who });
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn with_mode(mode: u32) -> (tempfile::TempDir, PathBuf, File) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fsmond.toml");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let file = File::open(&path).unwrap();
        (folder, path, file)
    }

    #[test]
    fn own_files_are_trusted_unless_others_can_write_them() {
        for mode in [0o600, 0o640, 0o644, 0o444, 0o755] {
            let (_folder, path, file) = with_mode(mode);
            check(&file, &path).unwrap();
        }
        for (mode, who) in [(0o620, "its group"), (0o664, "its group"), (0o602, "everybody"), (0o666, "everybody")] {
            let (_folder, path, file) = with_mode(mode);
            let said = check(&file, &path).unwrap_err().to_string();
            assert!(
                said.contains(path.to_str().unwrap()) && said.contains(who) && said.contains("chmod go-w"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_sticky_folder_above_does_not_matter_and_an_open_one_of_ours_does() {
        let above = tempfile::tempdir().unwrap();
        fs::set_permissions(above.path(), Permissions::from_mode(0o1777)).unwrap();
        let sticky = File::open(above.path()).unwrap();
        check_folder(&sticky, above.path()).unwrap();
        check(&sticky, above.path()).unwrap_err();

        let state = above.path().join("state");
        fs::create_dir(&state).unwrap();
        fs::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
        check(&File::open(&state).unwrap(), &state).unwrap();
        fs::set_permissions(&state, Permissions::from_mode(0o777)).unwrap();
        check_folder(&File::open(&state).unwrap(), &state).unwrap_err();
        fs::set_permissions(&state, Permissions::from_mode(0o775)).unwrap();
        check_folder(&File::open(&state).unwrap(), &state).unwrap();
        check(&File::open(&state).unwrap(), &state).unwrap_err();
    }

    #[test]
    fn what_is_written_has_one_name() {
        let (folder, path, file) = with_mode(0o640);
        check_written(&file, &path).unwrap();
        fs::hard_link(&path, folder.path().join("elsewhere")).unwrap();
        let said = check_written(&file, &path).unwrap_err().to_string();
        assert!(said.contains(path.to_str().unwrap()) && said.contains("second name"), "{said}");
        check(&file, &path).unwrap();
        let said = check_written(&File::open(folder.path()).unwrap(), folder.path()).unwrap_err().to_string();
        assert!(said.contains("not a regular file"), "{said}");
    }

    #[test]
    fn a_file_of_somebody_else_is_refused_by_name() {
        if !geteuid().is_root() {
            // Only root can give a file away; for others, root's own files must be trusted.
            check(&File::open("/etc/passwd").unwrap(), Path::new("/etc/passwd")).unwrap();
            return;
        }
        let (_folder, path, file) = with_mode(0o644);
        std::os::unix::fs::fchown(&file, Some(65534), None).unwrap();
        let said = check(&file, &path).unwrap_err().to_string();
        assert!(said.contains(path.to_str().unwrap()) && said.contains("user 65534"), "{said}");
    }
}
