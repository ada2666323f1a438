//! What kind of file system something is on: whether to enter it, whether its events tell all, whether to trust inodes.
//!
//! Magic numbers are those of `linux/magic.h` and of the file systems' own sources; types are as in
//! `/proc/self/mountinfo` (proc(5)). Must never do I/O: the callers read, this decides.

/// What follows from the type of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// Made up by the kernel: never entered.
    pub pseudo: bool,
    /// Others can change it without this kernel telling.
    pub remote: bool,
    /// The inode of a file stays while the file is there, also over a remount.
    pub stable_inodes: bool,
}

impl Class {
    /// The class of a type such as `ext4`, `nfs4`, `fuse.sshfs`.
    pub fn of(fs_type: &str) -> Self {
        let base = fs_type.split('.').next().unwrap_or(fs_type);
        let pseudo = PSEUDO.contains(&base);
        let fuse = matches!(base, "fuse" | "fuseblk" | "virtiofs");
        Self { pseudo, remote: fuse || REMOTE.contains(&base), stable_inodes: !(fuse || UNSTABLE.contains(&base)) }
    }
}

/// Made up by the kernel; `autofs` too, where entering would mount everything.
const PSEUDO: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "efivarfs",
    "fusectl",
    "mqueue",
    "nsfs",
    "pipefs",
    "proc",
    "pstore",
    "resctrl",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "sockfs",
    "sysfs",
    "tracefs",
    "linprocfs",
    "linsysfs",
    "procfs",
    "fdescfs",
];

/// Changed by other machines, or by a server behind the kernel's back.
const REMOTE: &[&str] = &[
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb2",
    "smb3",
    "smbfs",
    "vboxsf",
    "vmhgfs",
    "prl_fs",
];

/// Inodes made up while mounted.
const UNSTABLE: &[&str] = &[
    "9p", "cifs", "davfs", "exfat", "msdos", "ntfs", "ntfs3", "prl_fs", "smb2", "smb3", "smbfs", "vboxsf", "vfat",
    "vmhgfs",
];

/// The type behind a magic number of `statfs`, where it is known.
#[cfg(target_os = "linux")]
pub fn name_of(magic: u32) -> Option<&'static str> {
    MAGIC.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
}

#[cfg(target_os = "linux")]
const MAGIC: &[(u32, &str)] = &[
    (0xef53, "ext4"),
    (0x0102_1994, "tmpfs"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x794c_7630, "overlay"),
    (0xf2f5_2010, "f2fs"),
    (0x2fc1_2fc1, "zfs"),
    (0xca45_1a4e, "bcachefs"),
    (0x8584_58f6, "ramfs"),
    (0x7371_7368, "squashfs"),
    (0x9660, "iso9660"),
    (0x4d44, "vfat"),
    (0x2011_bab0, "exfat"),
    (0x5346_544e, "ntfs"),
    (0x7366_746e, "ntfs3"),
    (0x6573_5546, "fuse"),
    (0x6969, "nfs"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x517b, "smbfs"),
    (0x0102_1997, "9p"),
    (0x5346_414f, "afs"),
    (0x00c3_6400, "ceph"),
    (0x7375_7245, "coda"),
    (0x0116_1970, "gfs2"),
    (0x7461_636f, "ocfs2"),
    (0x0bd0_0bd0, "lustre"),
    (0x786f_4256, "vboxsf"),
    (0x0187, "autofs"),
    (0x4249_4e4d, "binfmt_misc"),
    (0xcafe_4a11, "bpf"),
    (0x0027_e0eb, "cgroup"),
    (0x6367_7270, "cgroup2"),
    (0x6265_6570, "configfs"),
    (0x6462_6720, "debugfs"),
    (0x1cd1, "devpts"),
    (0xde5e_81e4, "efivarfs"),
    (0x6573_5543, "fusectl"),
    (0x1980_0202, "mqueue"),
    (0x6e73_6673, "nsfs"),
    (0x5049_5045, "pipefs"),
    (0x9fa0, "proc"),
    (0x6165_676c, "pstore"),
    (0x0765_5821, "resctrl"),
    (0x6759_6969, "rpc_pipefs"),
    (0x7363_6673, "securityfs"),
    (0xf97c_ff8c, "selinuxfs"),
    (0x4341_5d53, "smackfs"),
    (0x534f_434b, "sockfs"),
    (0x6265_6572, "sysfs"),
    (0x7472_6163, "tracefs"),
];

/// The type of the mount with this number in a table of the form of `/proc/self/mountinfo`.
#[cfg(target_os = "linux")]
pub fn type_in_table(table: &[u8], mount: u64) -> Option<String> {
    if mount == 0 {
        return None;
    }
    // "36 35 98:0 /from /to rw,noatime master:1 - ext3 /dev/root rw": the number first, the type after the lone dash.
    table.split(|b| *b == b'\n').find_map(|line| {
        let mut fields = line.split(|b| *b == b' ');
        let number: u64 = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        (number == mount).then_some(())?;
        fields.find(|field| *field == b"-")?;
        Some(String::from_utf8_lossy(fields.next()?).into_owned())
    })
}

/// What tells one mount from another, and where it is.
#[cfg(target_os = "linux")]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Mount {
    /// Its number, device, root and type; numbers are used again.
    what: Vec<u8>,
    point: Vec<u8>,
}

/// The mounts in a table of the form of `/proc/self/mountinfo`.
#[cfg(target_os = "linux")]
pub fn mounts_in(table: &[u8]) -> std::collections::HashSet<Mount> {
    table.split(|b| *b == b'\n').filter_map(mount_in).collect()
}

#[cfg(target_os = "linux")]
fn mount_in(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|b| *b == b' ');
    let (number, _parent, device) = (fields.next()?, fields.next()?, fields.next()?);
    let (root, point) = (fields.next()?, fields.next()?);
    fields.find(|field| *field == b"-")?;
    let (kind, source) = (fields.next()?, fields.next()?);
    Some(Mount { what: [number, device, root, kind, source].join(&b' '), point: unescaped(point) })
}

/// Space, tab, newline and backslash are written as three octal digits after a backslash.
#[cfg(target_os = "linux")]
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let octal = after.get(..3).filter(|_| byte == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &after[3..];
            }
            None => out.push(byte),
        }
    }
    out
}

/// Where something is mounted in one table and not in the other; pseudo file systems too, since they hide as well.
#[cfg(target_os = "linux")]
pub fn changed_points(
    before: &std::collections::HashSet<Mount>,
    now: &std::collections::HashSet<Mount>,
) -> Vec<Vec<u8>> {
    let mut points: Vec<Vec<u8>> = before.symmetric_difference(now).map(|mount| mount.point.clone()).collect();
    points.sort_unstable();
    points.dedup();
    points
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_apart() {
        let local = Class { pseudo: false, remote: false, stable_inodes: true };
        for name in ["ext4", "tmpfs", "overlay", "0x1234", "devtmpfs"] {
            assert_eq!(Class::of(name), local, "{name}");
        }
        assert!(Class::of("proc").pseudo && Class::of("fusectl").pseudo && !Class::of("fusectl").remote);
        for name in ["fuse.sshfs", "fuse", "fuseblk", "9p", "cifs"] {
            assert!(Class::of(name).remote && !Class::of(name).stable_inodes, "{name}");
        }
        assert!(Class::of("nfs4").remote && Class::of("nfs4").stable_inodes);
        assert!(!Class::of("vfat").remote && !Class::of("vfat").stable_inodes);
    }

    #[test]
    fn every_pseudo_file_system_of_linux_is_known_by_its_number() {
        for name in PSEUDO.iter().filter(|n| !["linprocfs", "linsysfs", "procfs", "fdescfs"].contains(n)) {
            assert!(MAGIC.iter().any(|(_, known)| known == name), "{name}");
        }
    }

    #[test]
    fn only_mounts_that_came_or_went_are_changed() {
        let before =
            b"22 1 0:20 / /proc rw,nosuid - proc proc rw\n36 22 0:31 / /a\\040b\\134 rw master:1 x:2 - tmpfs t rw\n";
        let now = b"22 1 0:20 / /proc ro - proc proc rw\n37 22 8:1 /sub /c rw - ext4 /dev/sda1 rw\njunk\n";
        let points = changed_points(&mounts_in(before), &mounts_in(now));
        assert_eq!(points, [b"/a b\\".to_vec(), b"/c".to_vec()]);
        assert!(changed_points(&mounts_in(before), &mounts_in(before)).is_empty());
    }

    #[test]
    fn the_mount_table_is_read() {
        let table =
            b"22 1 0:20 / /proc rw,nosuid - proc proc rw\n36 35 0:31 / /a\\040b rw master:1 x:2 - fuse.sshfs h:/ rw\n";
        assert_eq!(type_in_table(table, 36).as_deref(), Some("fuse.sshfs"));
        assert_eq!(type_in_table(table, 22).as_deref(), Some("proc"));
        assert_eq!(type_in_table(table, 2), None);
        assert_eq!(type_in_table(b"junk\n36\n36 -", 36), None);
    }
}
