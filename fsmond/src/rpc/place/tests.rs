//! What `add` refuses of a path before the core sees it.

use std::os::unix::fs::symlink;

use super::*;

fn message(path: &str) -> String {
    look_at(path, false).unwrap_err().message
}

#[test]
fn folders_and_files_are_taken_as_they_are_named() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().to_str().unwrap();
    fs::create_dir_all(temp.path().join("real/inner")).unwrap();
    fs::write(temp.path().join("real/file"), "1").unwrap();
    symlink(temp.path().join("real"), temp.path().join("link")).unwrap();
    let place = |path: &str| look_at(&format!("{root}{path}"), false).unwrap();
    let folder = |path: &str| Place { path: format!("{root}{path}"), only: None };
    assert_eq!(place("/real/"), folder("/real"));
    assert_eq!(place("/./real//inner"), folder("/real/inner"));
    assert_eq!(place("/link"), folder("/link"), "links in the named path stay");
    let real = fs::canonicalize(temp.path()).unwrap();
    assert_eq!(place("/link/inner/..").path, real.join("real").to_str().unwrap(), "'..' after a link is the link's");
    let file = Place { path: format!("{root}/link/file"), only: Some(b"file".as_slice().into()) };
    assert_eq!(place("/link/file"), file);
}

#[test]
fn what_can_not_be_watched_is_refused_with_the_reason() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().to_str().unwrap();
    assert!(message("relative").contains("not absolute"));
    assert!(message("").contains("not absolute"));
    assert!(message("/a\0b").contains("NUL"));
    assert!(message(&format!("{root}/none")).contains("nothing at"));
    assert!(message(&format!("{root}/none/../x")).contains("nothing at"));
    fs::write(temp.path().join("file"), "1").unwrap();
    assert!(message(&format!("{root}/file/below")).contains("no folder"));
    symlink(temp.path().join("file"), temp.path().join("to-file")).unwrap();
    assert!(message(&format!("{root}/to-file")).contains("symbolic link"));
    symlink("dangling", temp.path().join("dangling")).unwrap();
    assert!(look_at(&format!("{root}/dangling"), false).is_err());
    assert!(message("/dev/null").contains("a device"));
    let socket = temp.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(message(socket.to_str().unwrap()).contains("a socket"));
    assert!(!message(&format!("{root}/\u{202e}evil")).contains('\u{202e}'), "names are escaped");
}

#[test]
fn a_root_that_is_not_there_yet_is_taken_where_that_is_allowed() {
    let temp = tempfile::tempdir().unwrap();
    let path = format!("{}/later", temp.path().to_str().unwrap());
    assert_eq!(look_at(&path, true).unwrap(), Place { path, only: None });
    assert!(look_at("relative", true).is_err());
}

#[cfg(target_os = "linux")]
#[test]
fn what_the_kernel_makes_up_is_refused_by_its_kind() {
    assert!(message("/proc").contains("proc"));
    assert!(message("/proc/self/status").contains("proc"));
    if Path::new("/sys/kernel").exists() {
        assert!(message("/sys/kernel").contains("sysfs"));
    }
}
