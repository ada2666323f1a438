//! Real files that are put in the place of others.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn handed(root: &Path, rel: &str) -> Handed {
    let name = |name: &OsStr| CString::new(name.as_bytes()).unwrap();
    let rel = Path::new(rel);
    Handed {
        root: name(root.as_os_str()),
        folders: rel.parent().unwrap().iter().map(name).collect(),
        name: name(rel.file_name().unwrap()),
    }
}

/// What was read, or why not.
fn read(root: &Path, rel: &str) -> Result<String, NotStarted> {
    let handed = handed(root, rel);
    match handed.open() {
        Ok(file) => Ok(io::read_to_string(File::from(file)).unwrap()),
        Err(error) => Err(handed.explain(&error).expect("it is about the file")),
    }
}

#[track_caller]
fn refused(read: Result<String, NotStarted>, says: &[&str]) {
    let Err(NotStarted::Because(why)) = read else { panic!("{read:?}") };
    for part in says {
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[test]
fn only_a_regular_file_below_the_root_is_opened() {
    let top = tempfile::tempdir().unwrap();
    let (root, outside) = (top.path().join("root"), top.path().join("outside"));
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(root.join("a/b/f"), "mine").unwrap();
    fs::write(root.join("f"), "top").unwrap();
    fs::write(outside.join("f"), "secret").unwrap();
    assert_eq!(read(&root, "a/b/f").unwrap(), "mine");
    assert_eq!(read(&root, "f").unwrap(), "top");
    // The root itself may be named through a link.
    symlink(&root, top.path().join("link")).unwrap();
    assert_eq!(read(&top.path().join("link"), "a/b/f").unwrap(), "mine");

    symlink(&outside, root.join("a/out")).unwrap();
    refused(read(&root, "a/out/f"), &["/root/a/out is a symbolic link", "nothing was read"]);
    symlink(outside.join("f"), root.join("to-file")).unwrap();
    refused(read(&root, "to-file"), &["/root/to-file is no regular file"]);
    refused(read(&root, "a/b"), &["no regular file"]);
    refused(read(&root, "f/x"), &["/root/f is a symbolic link by now, or no folder"]);
    nix::unistd::mkfifo(&root.join("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    refused(read(&root, "fifo"), &["no regular file"]);
    for gone in ["a/b/no", "no/f", "a/no/f"] {
        assert_eq!(read(&root, gone), Err(NotStarted::Vanished), "{gone}");
    }
    refused(read(&top.path().join("no-root"), "f"), &["/no-root can't be opened", "No such file"]);
}

/// A folder and a link to elsewhere change places all the time: what is read is never what is elsewhere.
#[test]
fn whatever_is_swapped_meanwhile_nothing_of_elsewhere_is_opened() {
    let top = tempfile::tempdir().unwrap();
    let (root, outside) = (top.path().join("root"), top.path().join("outside"));
    fs::create_dir_all(root.join("d")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(root.join("d/f"), "mine").unwrap();
    fs::write(outside.join("f"), "secret").unwrap();
    symlink(&outside, root.join("link")).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::sync::atomic::Ordering::Relaxed;
            let (d, link, aside) = (root.join("d"), root.join("link"), root.join("aside"));
            while !done.load(Relaxed) {
                fs::rename(&d, &aside).unwrap();
                fs::rename(&link, &d).unwrap();
                fs::rename(&d, &link).unwrap();
                fs::rename(&aside, &d).unwrap();
            }
        });
        let (mut mine, mut refused) = (0, 0);
        while mine < 500 || refused < 500 {
            match read(&root, "d/f") {
                Ok(text) => {
                    assert_eq!(text, "mine");
                    mine += 1;
                }
                Err(_) => refused += 1,
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn other_errors_of_a_start_are_not_taken_for_the_files() {
    let handed = handed(Path::new("/r"), "a/f");
    for error in [Errno::NOENT, Errno::ACCESS, Errno::NOEXEC] {
        assert_eq!(handed.explain(&error.into()), None);
    }
    assert_eq!(handed.explain(&io::Error::other("x")), None);
    for (step, place) in [(0, "/r "), (1, "/r/a "), (2, "/r/a/f "), (usize::MAX, "/r/a/f ")] {
        let Some(NotStarted::Because(why)) = handed.explain(&number_of(step, Errno::ACCESS.raw_os_error())) else {
            panic!("step {step}")
        };
        assert!(why.starts_with(place), "{why}");
    }
}
