//! Looking at files without ever following a symbolic link below the root: the system calls, per system.
//!
//! Must never open what is neither a folder nor a regular file (a fifo would block, a device may act), and never keep a
//! handle.

use fsmon_core::io::Stat;
use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use rustix::io::Errno;

use super::own::OwnSet;

#[cfg(target_os = "linux")]
mod lease;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{
    fs_type, fs_type_of_root, is_written, look_at, look_at_fd, look_at_path, names, open_beneath, open_file, open_root,
    real_path,
};

#[cfg(any(not(target_os = "linux"), test))]
#[cfg_attr(target_os = "linux", allow(dead_code, reason = "compiled on Linux to be tested there"))]
mod portable;
#[cfg(not(target_os = "linux"))]
pub use portable::{
    fs_type, fs_type_of_root, is_written, look_at, look_at_fd, look_at_path, names, open_beneath, open_file, open_root,
    real_path,
};

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

/// What a look at one entry tells. Times are nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Device.
    pub dev: u64,
    /// Inode, as told.
    pub inode: u64,
    /// Type.
    pub file_type: FileType,
    /// Size in bytes.
    pub size: u64,
    /// Time of last modification.
    pub mtime: i64,
    /// Time of last change.
    pub ctime: i64,
    /// Time of birth; 0 where unknown.
    pub btime: i64,
    /// Whether it is the root of a mount; none where the system does not tell.
    pub mount_root: Option<bool>,
    /// Number of its mount as in mountinfo; 0 where unknown.
    pub mount: u64,
}

impl Facts {
    /// As the core wants it. Inode and ctime are left out where the file system does not keep inodes stable.
    pub fn stat(&self, stable_inodes: bool, own: &OwnSet) -> Stat {
        Stat {
            file_type: self.file_type,
            fingerprint: Fingerprint {
                inode: if stable_inodes { self.inode } else { 0 },
                size: self.size,
                mtime: self.mtime,
                ctime: if stable_inodes { self.ctime } else { 0 },
            },
            btime: self.btime,
            own: own.contains(self.dev, self.inode),
            mount_point: self.mount_root.unwrap_or(false),
            written: None,
        }
    }
}

/// The type behind the mode bits.
fn file_type(mode: rustix::fs::RawMode) -> FileType {
    match rustix::fs::FileType::from_raw_mode(mode) {
        rustix::fs::FileType::RegularFile => FileType::File,
        rustix::fs::FileType::Directory => FileType::Dir,
        rustix::fs::FileType::Symlink => FileType::Symlink,
        _ => FileType::Other,
    }
}

/// Seconds and nanoseconds as nanoseconds, held at the ends of the range.
fn nanos(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// The components of a relative path; `EXDEV` (not beneath) for one that would leave it.
fn components(path: &[u8]) -> Result<Vec<&[u8]>, Errno> {
    let parts: Vec<&[u8]> = path.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if path.first() == Some(&b'/') || parts.contains(&b"..".as_slice()) {
        return Err(Errno::XDEV);
    }
    Ok(parts)
}
