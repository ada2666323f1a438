//! The portable way of opening and looking beside that of Linux.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::*;

/// The names in a folder, sorted, by one of the two ways.
macro_rules! names_by {
    ($way:ident, $root:expr, $path:expr) => {{
        let root = $way::open_root($root).unwrap();
        $way::open_beneath(root.as_fd(), $path, true).and_then(|folder| {
            let mut names = Vec::new();
            $way::names(folder.as_fd(), |name| {
                names.push(name.to_bytes().to_vec());
                Ok(())
            })?;
            names.sort();
            Ok(names)
        })
    }};
}

#[test]
fn both_ways_see_the_same_and_follow_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"\xff\n");
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    fs::write(dir.path().join("a/b").join(odd), "12345").unwrap();
    symlink("/etc", dir.path().join("a/out")).unwrap();
    symlink("b", dir.path().join("a/in")).unwrap();
    for path in [b"".as_slice(), b"a", b"a/b", b"a/./b"] {
        assert_eq!(names_by!(linux, dir.path(), path), names_by!(portable, dir.path(), path));
        let root = open_root(dir.path()).unwrap();
        let one = open_beneath(root.as_fd(), path, true).unwrap();
        let other = linux::open_by_component(root.as_fd(), path, false).unwrap();
        assert_eq!(look_at_fd(one.as_fd()), look_at_fd(other.as_fd()));
    }
    assert_eq!(names_by!(linux, dir.path(), b"a/b"), Ok(vec![b"\xff\n".to_vec()]));
    for path in [b"a/out".as_slice(), b"a/in", b"a/out/ssl", b"..", b"a/../..", b"/etc", b"none", b"a/b/\xff\n"] {
        for result in [names_by!(linux, dir.path(), path), names_by!(portable, dir.path(), path)] {
            let error = result.unwrap_err();
            assert!([Errno::LOOP, Errno::NOTDIR, Errno::XDEV, Errno::NOENT].contains(&error), "{path:?}: {error}");
        }
        let root = open_root(dir.path()).unwrap();
        assert!(linux::open_by_component(root.as_fd(), path, true).is_err());
    }
}

#[test]
fn both_ways_tell_the_same_facts() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "12345").unwrap();
    symlink("f", dir.path().join("l")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("p"), rustix::fs::Mode::RUSR).unwrap();
    let root = open_root(dir.path()).unwrap();
    for (name, file_type) in [("f", FileType::File), ("l", FileType::Symlink), ("p", FileType::Other)] {
        let one = look_at(root.as_fd(), name, true).unwrap();
        let other = portable::look_at(root.as_fd(), name, true).unwrap();
        assert_eq!((one.inode, one.size, one.mtime, one.ctime), (other.inode, other.size, other.mtime, other.ctime));
        assert_eq!((one.file_type, other.file_type), (file_type, file_type));
    }
}

#[test]
fn whether_a_file_is_open_for_writing_is_told_for_regular_files_only() {
    let folder = tempfile::tempdir().unwrap();
    let place = open_root(folder.path()).unwrap();
    let written = |name: &str| is_written(place.as_fd(), name);
    let file = fs::File::create(folder.path().join("f")).unwrap();
    let reader = fs::File::open(folder.path().join("f")).unwrap();
    assert_eq!(written("f"), Some(true));
    fs::hard_link(folder.path().join("f"), folder.path().join("g")).unwrap();
    assert_eq!(written("g"), Some(true), "by whatever name");
    drop(file);
    assert_eq!(written("f"), Some(false), "a reader is no writer");
    drop(reader);
    assert_eq!(written("f"), Some(false), "no lease was kept: it is given again");
    symlink("f", folder.path().join("link")).unwrap();
    let fifo = rustix::fs::mknodat(&place, "fifo", rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0);
    assert!(fifo.is_ok());
    for name in ["link", "fifo", "missing", "."] {
        assert_eq!(written(name), None, "{name}");
    }
}
