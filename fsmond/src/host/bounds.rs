//! What this process, and with it each command, may not do beyond its user's rights, as far as a process can tell of
//! itself: what a unit, a container or whoever started the daemon took away. Reads, and changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, geteuid, getrlimit};

/// What is taken away. Where the system does not tell, nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// No new privileges can be gained.
    pub no_new_privileges: bool,
    /// System calls are filtered.
    pub filtered: bool,
    /// Root's rights are not whole: which of them are left, one bit for each. None: as usual.
    pub capabilities: Option<u64>,
    /// There is no network device but the one that leads back here.
    pub lonely: bool,
    /// How large a file may become, in bytes; none: as large as the file system takes.
    pub file_size: Option<u64>,
    /// How much memory a process may map, in bytes.
    pub memory: Option<u64>,
    /// What is mounted, in the order in which it was.
    pub mounts: Vec<Mount>,
    /// The unit of systemd that this process is in, and whether it is of a user's manager.
    pub unit: Option<(String, bool)>,
}

/// Something that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub at: PathBuf,
    /// Which part of the file system is seen there.
    pub part: String,
    /// Its type.
    pub fs_type: String,
    /// Nothing can be written there.
    pub read_only: bool,
    /// Nothing can be written to the file system, wherever it is mounted.
    pub all_read_only: bool,
    /// No program can be run from there.
    pub no_exec: bool,
}

impl Bounds {
    /// Those of this process.
    pub fn read() -> Self {
        let own = |name: &str| fs::read_to_string(Path::new("/proc/self").join(name)).unwrap_or_default();
        let mut bounds = Self::of(&own("status"), &own("mountinfo"), &own("cgroup"));
        bounds.lonely = only_loopback(&own("net/dev"));
        bounds.file_size = getrlimit(Resource::Fsize).current;
        bounds.memory = getrlimit(Resource::As).current;
        if !geteuid().is_root() {
            // Others have none to lose.
            bounds.capabilities = None;
        }
        bounds
    }

    /// From the texts of three files below `/proc/self`.
    pub fn of(status: &str, mountinfo: &str, cgroup: &str) -> Self {
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map_or("", str::trim);
        Self {
            no_new_privileges: field("NoNewPrivs:") == "1",
            filtered: field("Seccomp:") == "2",
            capabilities: u64::from_str_radix(field("CapBnd:"), 16).ok(),
            mounts: mountinfo.lines().filter_map(mount).collect(),
            unit: unit(cgroup),
            ..Self::default()
        }
    }

    /// What is mounted where this path leads, by its letters.
    pub fn mount_of(&self, path: &Path) -> Option<&Mount> {
        let over = self.mounts.iter().filter(|mount| path.starts_with(&mount.at));
        // Of several at one place the last lies on top.
        over.max_by_key(|mount| mount.at.components().count())
    }
}

impl Mount {
    /// Whether a unit put an empty folder here that nobody may enter.
    pub fn is_locked(&self) -> bool {
        self.part.ends_with("/inaccessible/dir")
    }

    /// Whether a unit put a folder of its own here, as `PrivateTmp=` does.
    pub fn is_private(&self) -> bool {
        self.part.contains("/systemd-private-")
    }
}

/// One line of `/proc/self/mountinfo` (proc(5)).
fn mount(line: &str) -> Option<Mount> {
    let (this, whole) = line.split_once(" - ")?;
    let this: Vec<&str> = this.split(' ').collect();
    let whole: Vec<&str> = whole.split(' ').collect();
    let has = |options: &str, option| options.split(',').any(|one| one == option);
    Some(Mount {
        // Tab, newline and backslash stay escaped: no unit has them in a path.
        at: this.get(4)?.replace("\\040", " ").into(),
        part: (*this.get(3)?).to_owned(),
        fs_type: (*whole.first()?).to_owned(),
        read_only: has(this.get(5)?, "ro"),
        all_read_only: has(whole.get(2)?, "ro"),
        no_exec: has(this.get(5)?, "noexec"),
    })
}

/// The unit that a control group belongs to: the innermost one that is a service.
fn unit(cgroup: &str) -> Option<(String, bool)> {
    // The line of systemd's own hierarchy, or of the only one.
    let line = cgroup.lines().find_map(|line| line.split_once(":name=systemd:").or_else(|| line.split_once("0::")))?;
    let parts: Vec<&str> = line.1.split('/').filter(|part| part.ends_with(".service")).collect();
    let (name, above) = parts.split_last()?;
    Some(((*name).to_owned(), above.iter().any(|part| part.starts_with("user@"))))
}

/// Whether a list of network devices (`/proc/net/dev`) has one, and that is the loopback.
fn only_loopback(devices: &str) -> bool {
    let mut names = devices.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim()).peekable();
    names.peek().is_some() && names.all(|name| name == "lo")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_away_is_read() {
        let free = "NoNewPrivs:\t0\nSeccomp:\t0\nCapBnd:\t000001ffffffffff\n";
        let bounds = Bounds::of(free, "", "0::/user.slice/user-0.slice/session-1.scope\n");
        assert_eq!(bounds, Bounds { capabilities: Some(0x1ff_ffff_ffff), ..Bounds::default() });
        let tight = Bounds::of("NoNewPrivs:\t1\nSeccomp:\t2\nCapBnd:\t0\n", "", "");
        assert!(tight.no_new_privileges && tight.filtered && tight.capabilities == Some(0));
    }

    #[test]
    fn the_unit_is_the_innermost_service() {
        let unit_of = |cgroup: &str| Bounds::of("", "", cgroup).unit;
        let systems = Some(("fsmond.service".to_owned(), false));
        assert_eq!(unit_of("0::/system.slice/fsmond.service\n"), systems);
        assert_eq!(unit_of("4:cpu:/\n1:name=systemd:/system.slice/fsmond.service\n0::/\n"), systems);
        let of_user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/fsmond.service\n";
        assert_eq!(unit_of(of_user), Some(("fsmond.service".to_owned(), true)));
        assert_eq!(unit_of("0::/docker/abc\n"), None);
    }

    #[test]
    fn a_path_is_on_the_mount_that_was_made_last() {
        let table = "1 0 8:1 / / ro,relatime shared:1 - ext4 /dev/sda1 rw\n\
            2 1 8:1 /home /home rw - ext4 /dev/sda1 rw\n\
            3 1 0:47 /systemd/inaccessible/dir /home ro,noexec shared:2 - tmpfs tmpfs rw,size=1k\n\
            4 1 8:2 / /my\\040disk rw - ext4 /dev/sdb1 ro\njunk\n";
        let bounds = Bounds::of("", table, "");
        let of = |path: &str| bounds.mount_of(Path::new(path)).unwrap();
        assert!(of("/etc/x").read_only && !of("/etc/x").all_read_only && !of("/etc/x").no_exec);
        assert_eq!(of("/home/a").part, "/systemd/inaccessible/dir");
        assert!(of("/homes").at == Path::new("/") && of("/my disk/x").all_read_only);
        assert_eq!(Bounds::default().mount_of(Path::new("/x")), None);
    }

    #[test]
    fn a_machine_without_network_is_told() {
        let head = "Inter-|   Receive\n face |bytes\n";
        assert!(only_loopback(&format!("{head}    lo: 0 0\n")));
        assert!(!only_loopback(&format!("{head}    lo: 0 0\n  eth0: 1 2\n")) && !only_loopback(head));
        assert!(!Bounds::read().mounts.is_empty() || cfg!(not(target_os = "linux")));
    }
}
