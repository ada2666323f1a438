//! Where a history happens: a plain folder, or a file system of its own that can be taken away.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{OnceLock, RwLock};
use std::time::Duration;

use fsmon_tests::{Daemon, Job, Ran, process, wait};

/// How the watched folder lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An ordinary folder.
    Plain,
    /// A folder in a file system of its own: unmounted, the folder is missing.
    Below,
    /// The mount point itself: unmounted, the folder is another one, and empty.
    MountPoint,
}

/// The folders of one history.
pub struct Place {
    base: tempfile::TempDir,
    kind: Kind,
    /// Whether hard links are made.
    pub has_links: bool,
    /// By what a file is told from what was processed of it.
    dedupe: &'static str,
    /// Taken for reading by each step of a writer, for writing while the file system is away.
    pub present: RwLock<()>,
}

impl Place {
    /// The place for this seed.
    pub fn new(seed: u64) -> Self {
        let kind = match seed % 5 {
            3 if Self::can_mount() => Kind::Below,
            4 if Self::can_mount() => Kind::MountPoint,
            _ => Kind::Plain,
        };
        let base = tempfile::Builder::new().prefix("fsmon-chaos-").tempdir().unwrap();
        let dedupe = if seed.is_multiple_of(3) { "off" } else { "content" };
        let place = Self { base, kind, has_links: seed % 2 == 1, dedupe, present: RwLock::new(()) };
        fs::create_dir(place.disk()).unwrap();
        if place.can_be_taken_away() {
            make_file_system(&place.image());
            assert!(place.mount(), "what could be mounted once can be mounted again");
            fs::remove_dir(place.disk().join("lost+found")).unwrap();
        }
        for folder in [place.root(), place.outside()] {
            fs::create_dir_all(folder).unwrap();
        }
        place
    }

    /// Whether a file system can be mounted here at all.
    pub fn can_mount() -> bool {
        static CAN: OnceLock<bool> = OnceLock::new();
        *CAN.get_or_init(|| {
            if !process::is_root() || fsmon_tests::programs::installed("mkfs.ext4").is_none() {
                return false;
            }
            let folder = tempfile::tempdir().unwrap();
            let image = folder.path().join("image");
            make_file_system(&image);
            let tried = Command::new("mount").args(["-o", "loop"]).arg(&image).arg(folder.path()).output().unwrap();
            tried.status.success() && Ran::command(Command::new("umount").arg(folder.path())).code == 0
        })
    }

    /// Whether the file system under the root can be taken away.
    pub fn can_be_taken_away(&self) -> bool {
        self.kind != Kind::Plain
    }

    fn disk(&self) -> PathBuf {
        self.base.path().join("disk")
    }

    fn image(&self) -> PathBuf {
        self.base.path().join("image")
    }

    /// The watched folder.
    pub fn root(&self) -> PathBuf {
        match self.kind {
            Kind::MountPoint => self.disk(),
            Kind::Plain | Kind::Below => self.disk().join("watched"),
        }
    }

    /// A folder beside it, to move things to and from. On another file system that is refused, which is fine.
    pub fn outside(&self) -> PathBuf {
        match self.kind {
            Kind::MountPoint => self.base.path().join("outside"),
            Kind::Plain | Kind::Below => self.disk().join("outside"),
        }
    }

    /// A path as it stands in the story and in the journal of this place, from the root on.
    pub fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(self.root()).unwrap_or(path)
    }

    /// Watches the root. Nothing but events, and what the daemon does about those it lost, may find a change: so there
    /// is neither a schedule nor a rescan. The command must not stand in the root, which it would keep busy.
    pub fn add_watch(&self, daemon: &Daemon, job: &Job, concurrency: usize) {
        let concurrency = concurrency.to_string();
        let options = ["--every", "off", "--rescan", "off", "--cwd", "/", "--settle", "20ms", "--existing", "run"];
        let options = [&options[..], &["--concurrency", &concurrency, "--dedupe", self.dedupe]].concat();
        daemon.add_folder("data", &self.root(), &options, &[&job.command()]);
    }

    /// Takes the file system away. False if it stays busy: the daemon may be looking at it just now, for a while.
    pub fn unmount(&self) -> bool {
        let unmounted = || Ran::command(Command::new("umount").arg(self.disk())).code == 0;
        wait::holds_within(Duration::from_secs(20), unmounted)
    }

    /// Brings it back.
    pub fn mount(&self) -> bool {
        Ran::command(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.disk())).code == 0
    }
}

/// A small file system in a file.
fn make_file_system(image: &Path) {
    let file = fs::File::create(image).unwrap();
    file.set_len(32 << 20).unwrap();
    Ran::command(Command::new("mkfs.ext4").args(["-q", "-F", "-m0", "-N", "4096"]).arg(image)).ok();
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.can_be_taken_away() {
            drop(Command::new("umount").arg("-l").arg(self.disk()).output());
        }
    }
}
