//! Who may run: an exclusive lock on the state folder and one beside the socket. A lock is a lock the kernel holds for
//! this process, never a file's existence: after a kill it is free, and no stale file has to be judged. The process
//! number in the file is information for people and is never trusted.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fsmon_protocol::ApiError;
use fsmon_protocol::path::escape;
use rustix::fs::{FlockOperation, OFlags, flock};

use super::chain::chain;
use super::{os, ownership};

/// A held lock. It ends with the process, or when dropped. The file stays: removing it would let two daemons hold
/// locks on two files of the same name.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// How long a lock that is held is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Takes the lock, now or within [`PATIENCE`]: a command that a killed daemon was just starting holds its open files,
/// the lock among them, for the moment until it becomes the command.
fn lock_soon(file: &File) -> rustix::io::Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

/// The lock can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody has it.
    #[error("fsmond is running already{}: it holds {}", pid_shown(*pid), shown(path))]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// What the holder wrote into it, where that can be read.
        pid: Option<u32>,
    },
    /// The state folder is on a file system on which neither locks nor the database are safe.
    #[error(
        "the state folder {} is on a network file system ({kind}), where locks and the database are not safe; \
         name a local one with --state-dir, or give --allow-network-state if only this machine ever uses it",
        shown(path)
    )]
    Network {
        /// The folder.
        path: PathBuf,
        /// What it is on.
        kind: &'static str,
    },
    /// It can't be made or opened, or others could change it.
    #[error("can't use {}", shown(path))]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl From<LockError> for ApiError {
    fn from(error: LockError) -> Self {
        Self::refused(chain(&error))
    }
}

impl Lock {
    /// Makes the state folder (0700) if it is not there, checks it, and locks it by its file `lock`.
    ///
    /// `allow_network`: take it although it is on a network file system.
    pub fn state(folder: &Path, allow_network: bool) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { path: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let opened = File::open(folder).map_err(failed)?;
        ownership::check(&opened, folder).map_err(failed)?;
        let kind = os::network_file_system(&opened).map_err(|e| failed(e.into()))?;
        if let Some(kind) = kind
            && !allow_network
        {
            return Err(LockError::Network { path: folder.to_owned(), kind });
        }
        Self::file(&folder.join("lock"))
    }

    /// Locks by the file at `path`, as `<socket>.lock`, so that only one daemon serves at this socket. Its folder has
    /// to be there.
    pub fn file(path: &Path) -> Result<Self, LockError> {
        let path = path.to_owned();
        let opened = open(&path).and_then(|file| match lock_soon(&file) {
            Ok(()) => Ok(Ok(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(Err(file)),
            Err(e) => Err(e.into()),
        });
        match opened {
            Ok(Ok(file)) => {
                let lock = Self { file };
                lock.sign().map_err(|source| LockError::Io { path, source })?;
                Ok(lock)
            }
            Ok(Err(held)) => Err(LockError::Held { pid: written_pid(&held), path }),
            Err(source) => Err(LockError::Io { path, source }),
        }
    }

    /// Writes this process's number into the file. To be called again after going into the background, which gives
    /// the process another number; the lock itself goes along.
    pub fn sign(&self) -> io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    }
}

/// Makes the folder of the socket (0755, less the umask) if only that one is missing, as `/run/fsmond` is after a boot
/// where no service manager makes it.
pub fn make_socket_folder(socket: &Path) -> Result<(), LockError> {
    let folder = socket.parent().unwrap_or(Path::new("/"));
    let failed = |source| LockError::Io { path: folder.to_owned(), source };
    match DirBuilder::new().mode(0o755).create(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(failed(e)),
        _ => {}
    }
    File::open(folder).and_then(|opened| ownership::check_folder(&opened, folder)).map_err(failed)
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)?;
    ownership::check_written(&file, path)?;
    Ok(file)
}

fn written_pid(mut file: &File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn pid_shown(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn the_state_folder_is_made_private_and_locked_once() {
        let above = tempfile::tempdir().unwrap();
        let state = above.path().join("a/state");
        let lock = Lock::state(&state, false).unwrap();
        assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
        let error = Lock::state(&state, false).unwrap_err();
        let own = std::process::id();
        assert!(matches!(&error, LockError::Held { pid: Some(pid), .. } if *pid == own), "{error}");
        assert!(error.to_string().contains(&format!("(process {own}): it holds")), "{error}");
        drop(lock);
        assert!(state.join("lock").exists(), "the file stays");
        Lock::state(&state, false).unwrap();
    }

    #[test]
    fn what_the_file_says_is_never_trusted() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join("lock"), "1\n").unwrap();
        let lock = Lock::state(state.path(), false).unwrap();
        fs::write(state.path().join("lock"), "\u{1b}[31mnonsense, and a lot of it, and more").unwrap();
        let error = Lock::state(state.path(), false).unwrap_err();
        assert!(matches!(error, LockError::Held { pid: None, .. }), "{error}");
        drop(lock);
    }

    #[test]
    fn planted_names_and_open_folders_are_refused() {
        let above = tempfile::tempdir().unwrap();
        let victim = above.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let state = above.path().join("state");
        fs::create_dir(&state).unwrap();
        symlink(&victim, state.join("lock")).unwrap();
        Lock::state(&state, false).unwrap_err();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        fs::set_permissions(&state, fs::Permissions::from_mode(0o770)).unwrap();
        let said = chain(&Lock::state(&state, false).unwrap_err());
        assert!(said.contains("can be written by its group"), "{said}");
    }

    #[test]
    fn a_socket_has_its_own_lock() {
        let above = tempfile::tempdir().unwrap();
        let socket = above.path().join("fsmond/fsmond.sock");
        make_socket_folder(&socket).unwrap();
        make_socket_folder(&socket).unwrap();
        let beside = above.path().join("fsmond/fsmond.sock.lock");
        let lock = Lock::file(&beside).unwrap();
        let said = Lock::file(&beside).unwrap_err().to_string();
        assert!(said.contains("running already"), "{said}");
        drop(lock);
        Lock::file(&beside).unwrap();
        let said = chain(&make_socket_folder(Path::new("/nonexistent/a/s.sock")).unwrap_err());
        assert!(said.contains("/nonexistent/a: No such file"), "{said}");
    }
}
