//! What is at a path that somebody wants watched. Reads, and never opens anything but folders.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind as Io};
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use fsmon_core::io::Name;
use fsmon_protocol::{ApiError, ErrorKind, RawPath};

/// A path that can be watched.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// Absolute, without `.`, `..` or doubled slashes. Symbolic links in it stay as they are named.
    pub path: String,
    /// Where it is one file: its name.
    pub only: Option<Name>,
}

impl Place {
    /// The folder that is watched.
    pub fn folder(&self) -> &Path {
        let path = Path::new(&self.path);
        if self.only.is_some() { path.parent().unwrap_or(path) } else { path }
    }
}

/// Looks, or says why it can't be watched and what to do about it.
pub fn look_at(given: &str, allow_missing: bool) -> Result<Place, ApiError> {
    if given.contains('\0') {
        return Err(ApiError::usage("the path has a NUL in it, which no path can have"));
    }
    if !given.starts_with('/') {
        return Err(ApiError::usage(format!("the path '{}' is not absolute", RawPath::from(given)))
            .hint("give the whole path, from / on"));
    }
    let path = plain(Path::new(given)).map_err(|error| unseen(Path::new(given), &error))?;
    let text = path.to_str().map(str::to_string).ok_or_else(|| {
        ApiError::refused(format!("the path {} leads through a name that is not UTF-8", RawPath::from(path.as_path())))
            .hint("name it by a path without '..'")
    })?;
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => {
            check_folder(&path)?;
            Ok(Place { path: text, only: None })
        }
        Ok(found) if found.is_file() => {
            // The name itself is what is watched in its folder, so it must not be a link to elsewhere.
            let own = fs::symlink_metadata(&path).map_err(|error| unseen(&path, &error))?;
            let (Some(folder), Some(name), true) = (path.parent(), path.file_name(), own.is_file()) else {
                return Err(ApiError::refused(format!("{} is a symbolic link to a file", shown(&path)))
                    .hint("name the file that it leads to"));
            };
            check_folder(folder)?;
            Ok(Place { path: text.clone(), only: Some(name.as_encoded_bytes().into()) })
        }
        Ok(found) => {
            let what = kind(&found);
            Err(ApiError::refused(format!("{} is {what}", shown(&path))).hint("name a folder or a regular file"))
        }
        Err(error) if error.kind() == Io::NotFound && allow_missing => Ok(Place { path: text, only: None }),
        Err(error) => Err(unseen(&path, &error)),
    }
}

/// The path without what means nothing. `..` is resolved as the system would: after the links before it.
fn plain(given: &Path) -> io::Result<PathBuf> {
    let mut path = PathBuf::from("/");
    for part in given.components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => {
                path = fs::canonicalize(&path)?;
                path.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(path)
}

fn check_folder(folder: &Path) -> Result<(), ApiError> {
    if let Some(kind) = pseudo::kind_of(folder) {
        return Err(ApiError::refused(format!("{} is on {kind}, which the kernel makes up", shown(folder)))
            .hint("its files have no changes that could be watched"));
    }
    fs::read_dir(folder).map(drop).map_err(|error| unseen(folder, &error))
}

fn kind(found: &Metadata) -> &'static str {
    let kind = found.file_type();
    if kind.is_fifo() {
        "a fifo"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn unseen(path: &Path, error: &io::Error) -> ApiError {
    let shown = shown(path);
    match error.kind() {
        Io::NotFound => ApiError::new(ErrorKind::NotFound, format!("there is nothing at {shown}"))
            .hint("make it first, or give --allow-missing to watch for it"),
        Io::NotADirectory => ApiError::refused(format!("the path {shown} goes through something that is no folder"))
            .hint("check the path"),
        Io::PermissionDenied => {
            let user = rustix::process::geteuid().as_raw();
            ApiError::refused(format!("fsmond (user {user}) may not read {shown}"))
                .hint("let that user read it, or run fsmond as another one")
        }
        _ => ApiError::refused(format!("{shown} can't be looked at: {error}")),
    }
}

fn shown(path: &Path) -> RawPath {
    RawPath::from(path)
}

/// File systems whose files are not stored anywhere: reading them is a question to the kernel.
#[cfg(target_os = "linux")]
mod pseudo {
    use std::path::Path;

    /// Numbers from `linux/magic.h` and the file systems' own sources.
    const KINDS: [(u64, &str); 18] = [
        (0x9fa0, "proc"),
        (0x6265_6572, "sysfs"),
        (0x6462_6720, "debugfs"),
        (0x7472_6163, "tracefs"),
        (0x7363_6673, "securityfs"),
        (0x0027_e0eb, "cgroup"),
        (0x6367_7270, "cgroup2"),
        (0x1cd1, "devpts"),
        (0xcafe_4a11, "bpf"),
        (0x6165_676c, "pstore"),
        (0xde5e_81e4, "efivarfs"),
        (0x6265_6570, "configfs"),
        (0xf97c_ff8c, "selinuxfs"),
        (0x1980_0202, "mqueue"),
        (0x4249_4e4d, "binfmt_misc"),
        (0x6573_5543, "fusectl"),
        (0x6e73_6673, "nsfs"),
        (0x6759_6969, "rpc_pipefs"),
    ];

    /// Which one the folder is on, if any.
    pub fn kind_of(folder: &Path) -> Option<&'static str> {
        let number = u64::try_from(rustix::fs::statfs(folder).ok()?.f_type).ok()? & 0xffff_ffff;
        KINDS.iter().find(|(magic, _)| *magic == number).map(|(_, name)| *name)
    }
}

/// Elsewhere the source finds out when it opens the root.
#[cfg(not(target_os = "linux"))]
mod pseudo {
    use std::path::Path;

    /// Not known here.
    pub fn kind_of(_folder: &Path) -> Option<&'static str> {
        None
    }
}

#[cfg(test)]
mod tests;
