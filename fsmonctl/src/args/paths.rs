//! Paths from the command line, made absolute by their text alone.
//!
//! Symlinks are never resolved here: the daemon watches the path that was named, and follows the links in it.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use fsmon_protocol::path::escape;
use fsmon_protocol::{ApiError, RawPath};
use std::os::unix::ffi::OsStrExt;

/// The path of a watch: as [`file()`], and UTF-8.
pub fn absolute(path: &Path) -> Result<String, ApiError> {
    let whole = whole(path)?;
    whole.to_str().map(str::to_owned).ok_or_else(|| {
        ApiError::usage(format!("'{}' is not UTF-8", escape(whole.as_os_str().as_bytes())))
            .hint("a watch's own path must be UTF-8 (names below it may be any bytes); watch its parent folder")
    })
}

/// The path of a file below a watch: absolute, and any bytes.
pub fn file(path: &Path) -> Result<RawPath, ApiError> {
    whole(path).map(|whole| RawPath::from(whole.as_path()))
}

/// `path` made absolute against the current folder, `.` and `..` taken out of its text.
fn whole(path: &Path) -> Result<PathBuf, ApiError> {
    if path.as_os_str().is_empty() {
        return Err(ApiError::usage("the path is empty").hint("name a folder or a file"));
    }
    let current = if path.is_absolute() {
        PathBuf::new()
    } else {
        std::env::current_dir().map_err(|e| {
            ApiError::usage(format!("the current folder is not known: {e}")).hint("give an absolute path")
        })?
    };
    Ok(plain(&current.join(path)))
}

/// `path` without `.`, `..` and doubled slashes, by its text.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            // The parent of the root is the root: `pop` does nothing there.
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// A WATCH as it was typed: a name stays, a path is made absolute. What has a slash in it, or is `.` or `..`, is a
/// path; no name has a slash.
pub fn watch(typed: &OsStr) -> Result<String, ApiError> {
    let bytes = typed.as_bytes();
    if bytes.contains(&b'/') || bytes == b"." || bytes == b".." {
        return absolute(Path::new(typed));
    }
    typed.to_str().map(str::to_owned).ok_or_else(|| ApiError::not_found(format!("no watch '{}'", escape(bytes))))
}

/// Several of them.
pub fn watches(typed: &[std::ffi::OsString]) -> Result<Vec<String>, ApiError> {
    typed.iter().map(|one| watch(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute_by_their_text() {
        assert_eq!(absolute(Path::new("/a//b/./c/../d/")).unwrap(), "/a/b/d");
        assert_eq!(absolute(Path::new("/..")).unwrap(), "/");
        let here = std::env::current_dir().unwrap();
        assert_eq!(absolute(Path::new("x/y")).unwrap(), here.join("x/y").to_str().unwrap());
        assert_eq!(absolute(Path::new(".")).unwrap(), here.to_str().unwrap());
    }

    #[test]
    fn what_cannot_be_named_is_refused_escaped() {
        let bad = absolute(Path::new(OsStr::from_bytes(b"/a\xff\x1b"))).unwrap_err();
        assert_eq!(bad.message, r"'/a\xff\e' is not UTF-8");
        assert!(absolute(Path::new("")).is_err());
    }

    #[test]
    fn a_watch_is_a_name_or_a_path() {
        assert_eq!(watch(OsStr::new("data")).unwrap(), "data");
        assert_eq!(watch(OsStr::new("/data/")).unwrap(), "/data");
        assert!(watch(OsStr::new("..")).unwrap().starts_with('/'));
    }
}
