//! One visit of a worker to a root: a handle to start from, held for one batch of requests and then let go.
//!
//! The root must still be the folder that was opened. If it was replaced, unmounted or mounted over, nothing beneath
//! it can be told from here: what is there now is another tree, and would read as if everything had been deleted.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fsmon_core::io::FolderProblem;
use rustix::io::Errno;

use super::mount::Class;
use super::own::OwnSet;
use super::source::Source;
use super::sys::{self, Facts};

/// A root that was opened.
pub struct Root {
    /// Its absolute path; symbolic links in it are followed.
    pub path: PathBuf,
    /// What it was when it was opened.
    pub facts: Facts,
    /// What kind of file system it is on.
    pub class: Class,
    /// Where its hints come from; none where it is polled.
    pub source: Option<Arc<dyn Source>>,
    /// Set once the watch was closed: nothing more is done or answered for it.
    pub closed: AtomicBool,
}

impl Root {
    /// Whether nothing more is to be done for it.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// The visit.
pub struct Visit {
    /// To where.
    pub root: Arc<Root>,
    /// fsmond's own files at this time.
    pub own: OwnSet,
    base: Result<OwnedFd, FolderProblem>,
    /// Device → class, for file systems that are mounted below.
    classes: RefCell<HashMap<u64, Class>>,
}

/// A folder beneath the root, open for the time of one request.
pub struct Entered {
    /// Its handle.
    pub fd: OwnedFd,
    /// Its inode, 0 where inodes are not stable.
    pub inode: u64,
    /// What kind of file system it is on.
    pub class: Class,
}

impl Visit {
    /// Opens the root.
    pub fn begin(root: Arc<Root>, own: OwnSet) -> Self {
        let base = open_base(&root);
        let classes = RefCell::new(HashMap::from([(root.facts.dev, root.class)]));
        Self { root, own, base, classes }
    }

    /// Opens a folder by its path beneath the root, to read it or only to look from it. If its inode is another than
    /// `expected` (0: any), a folder was renamed since the path was made, and the one that is meant is not there.
    pub fn enter(&self, path: &[u8], expected: u64, read: bool) -> Result<Entered, FolderProblem> {
        let base = match &self.base {
            Ok(base) => base,
            Err(problem) if path.is_empty() => return Err(problem.clone()),
            // Nobody may take a folder for deleted only because its root cannot be reached.
            Err(_) => return Err(FolderProblem::Other("the root of the watch cannot be reached".to_owned())),
        };
        let fd = sys::open_beneath(base.as_fd(), path, read).map_err(problem)?;
        let facts = sys::look_at_fd(fd.as_fd()).map_err(problem)?;
        let class = self.class(&fd, facts.dev).map_err(problem)?;
        if class.pseudo {
            return Err(FolderProblem::PseudoFileSystem);
        }
        let inode = if class.stable_inodes { facts.inode } else { 0 };
        if expected != 0 && inode != 0 && expected != inode {
            return Err(FolderProblem::Gone);
        }
        Ok(Entered { fd, inode, class })
    }

    fn class(&self, fd: &OwnedFd, dev: u64) -> rustix::io::Result<Class> {
        if let Some(class) = self.classes.borrow().get(&dev) {
            return Ok(*class);
        }
        let class = Class::of(&sys::fs_type(fd.as_fd())?);
        self.classes.borrow_mut().insert(dev, class);
        Ok(class)
    }
}

fn open_base(root: &Root) -> Result<OwnedFd, FolderProblem> {
    let base = sys::open_root(&root.path).map_err(problem)?;
    let facts = sys::look_at_fd(base.as_fd()).map_err(problem)?;
    let same = facts.dev == root.facts.dev && (facts.inode == root.facts.inode || !root.class.stable_inodes);
    if same { Ok(base) } else { Err(FolderProblem::Gone) }
}

/// What an error of entering a folder means.
pub fn problem(error: Errno) -> FolderProblem {
    match error {
        // ELOOP and ENOTDIR: a symbolic link or a file is there now. EXDEV: not beneath the root.
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV => FolderProblem::Gone,
        Errno::ACCESS | Errno::PERM => FolderProblem::NotPermitted,
        Errno::NAMETOOLONG => FolderProblem::Other("path too long".to_owned()),
        Errno::MFILE | Errno::NFILE => FolderProblem::Other(
            "no more file descriptors: raise the limit on open files (LimitNOFILE, ulimit -n)".to_owned(),
        ),
        other => FolderProblem::Other(other.to_string()),
    }
}
