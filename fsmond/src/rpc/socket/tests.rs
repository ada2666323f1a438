//! The socket: its mode at every moment, and what is refused around it.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use fsmon_protocol::ErrorKind;
use tempfile::TempDir;

use super::*;

const PRIVATE: Access = Access { mode: 0o600, group: None };

fn here() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    (folder, path)
}

fn try_bind(path: &Path) -> Result<(UnixListener, Bound<()>), ApiError> {
    bind(path, PRIVATE, |_| Ok(()))
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[tokio::test]
async fn it_has_its_mode_is_answered_and_goes_with_its_owner() {
    let (_folder, path) = here();
    for wanted in [0o600, 0o660, 0o666] {
        let (listener, bound) = bind(&path, Access { mode: wanted, group: None }, |_| Ok(())).unwrap();
        assert_eq!(mode(&path), wanted);
        tokio::net::UnixStream::connect(&path).await.unwrap();
        drop((listener, bound));
        assert!(!path.exists());
    }
    let group = rustix::process::getegid().as_raw();
    let (_listener, _bound) = bind(&path, Access { mode: 0o660, group: Some(group) }, |_| Ok(())).unwrap();
    assert_eq!(mode(&path), 0o660);
}

#[tokio::test]
async fn it_is_never_wider_than_its_final_mode() {
    let (_folder, path) = here();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut widest = 0;
            while !done.load(Ordering::SeqCst) {
                widest |= fs::symlink_metadata(&path).map_or(0, |found| found.mode() & 0o777);
            }
            widest
        });
        for _ in 0..200 {
            drop(try_bind(&path).unwrap());
        }
        done.store(true, Ordering::SeqCst);
        assert_eq!(watching.join().unwrap() & !0o600, 0);
    });
}

#[tokio::test]
async fn a_stale_socket_is_removed_only_under_the_lock() {
    let (_folder, path) = here();
    drop(StdListener::bind(&path).unwrap());
    let locked = |lock: &Path| -> Result<(), ApiError> {
        assert_eq!(lock, Path::new(&format!("{}.lock", path.display())));
        assert!(path.exists(), "nothing is touched before the lock is ours");
        Err(ApiError::refused("another fsmond holds the lock"))
    };
    assert_eq!(bind(&path, PRIVATE, locked).unwrap_err().message, "another fsmond holds the lock");
    assert!(path.exists());
    let (_listener, _bound) = try_bind(&path).unwrap();
    tokio::net::UnixStream::connect(&path).await.unwrap();
}

#[tokio::test]
async fn what_is_alive_or_no_socket_is_never_removed() {
    let (folder, path) = here();
    let alive = StdListener::bind(&path).unwrap();
    assert!(try_bind(&path).unwrap_err().message.contains("listens"));
    assert!(path.exists());
    drop(alive);
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert!(try_bind(&path).unwrap_err().message.contains("no socket"));
    assert!(elsewhere.exists());
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    assert!(try_bind(&path).unwrap_err().message.contains("no socket"));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(try_bind(&path).unwrap_err().message.contains("no socket"));
}

#[tokio::test]
async fn what_took_its_place_is_left_alone() {
    let (folder, path) = here();
    let (_listener, bound) = try_bind(&path).unwrap();
    fs::rename(&path, folder.path().join("moved")).unwrap();
    fs::write(&path, "another's").unwrap();
    drop(bound);
    assert_eq!(fs::read(&path).unwrap(), b"another's");
}

#[test]
fn folders_that_others_can_write_are_refused_by_name() {
    let (folder, _) = here();
    let open = folder.path().join("open");
    fs::create_dir_all(open.join("own")).unwrap();
    let set = |mode| fs::set_permissions(&open, fs::Permissions::from_mode(mode)).unwrap();
    let message = |path: PathBuf| try_bind(&path).unwrap_err().message;
    for wide in [0o777, 0o757, 0o1777] {
        set(wide);
        assert!(message(open.join("s")).contains(open.to_str().unwrap()), "{wide:o}");
    }
    set(0o777);
    assert!(message(open.join("own/s")).contains("written by others"));
    set(0o1777);
    check_folder(&open.join("own/s")).unwrap();
    symlink(&open, folder.path().join("link")).unwrap();
    assert!(message(folder.path().join("link/s")).contains("written by others"), "links are looked through");
    assert!(message(folder.path().join("none/s")).contains("none"));
    assert!(message(PathBuf::from("relative/s")).contains("no folder"));
    if rustix::process::geteuid().is_root() {
        set(0o755);
        std::os::unix::fs::chown(&open, Some(65_534), None).unwrap();
        assert!(message(open.join("s")).contains("belongs to user 65534"));
    }
}

#[test]
fn a_path_that_is_too_long_is_refused_with_its_length() {
    let path = PathBuf::from(format!("/{}", "x".repeat(200)));
    let error = try_bind(&path).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(error.message.contains("201"));
}
