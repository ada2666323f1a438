//! Moving and deleting on a real file system.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use fsmon_core::io::{NodeId, WatchId};
use tempfile::TempDir;

use super::*;

struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        Self { dir }
    }

    fn path(&self, rel: &str) -> PathBuf {
        self.dir.path().join(rel)
    }

    fn write(&self, rel: &str, text: &str) {
        fs::create_dir_all(self.path(rel).parent().unwrap()).unwrap();
        fs::write(self.path(rel), text).unwrap();
    }

    fn read(&self, rel: &str) -> String {
        fs::read_to_string(self.path(rel)).unwrap()
    }

    /// What is asked of the file as it is now.
    fn request(&self, rel: &str, after: After) -> PutAwayRequest {
        let told = fs::symlink_metadata(self.path("in").join(rel)).unwrap();
        let mtime = told.mtime() * 1_000_000_000 + told.mtime_nsec();
        PutAwayRequest {
            watch: WatchId(1),
            node: NodeId::ROOT,
            root: RawPath::from(self.path("in").as_path()),
            rel: RawPath::from(rel),
            given: Fingerprint { inode: told.ino(), size: told.len(), mtime, ctime: 0 },
            after,
            key: "0123".to_owned(),
            again: false,
        }
    }

    fn move_it(&self, rel: &str) -> PutAway {
        put_away(&self.request(rel, self.to("done")))
    }

    fn to(&self, rel: &str) -> After {
        After::Move(self.path(rel).to_str().unwrap().to_owned())
    }

    fn moved(&self, rel: &str) -> PutAway {
        PutAway::Moved(RawPath::from(self.path(rel).as_path()))
    }
}

#[test]
fn a_file_keeps_its_place_below_and_overwrites_nothing() {
    let b = Bench::new();
    for (rel, to) in [("a.csv", "a.csv"), ("a.csv", "a.1.csv"), ("a.csv", "a.2.csv"), ("x/y/b", "x/y/b"), (".c", ".c")]
    {
        b.write(&format!("in/{rel}"), to);
        assert_eq!(b.move_it(rel), b.moved(&format!("done/{to}")));
        assert_eq!(b.read(&format!("done/{to}")), to);
        assert!(!b.path("in").join(rel).exists());
    }
    assert_eq!(b.read("done/a.csv"), "a.csv");
    assert_eq!(numbered(OsStr::new(".c"), 3), ".c.3");
    assert_eq!(numbered(OsStr::new("a.tar.gz"), 1), "a.tar.1.gz");
}

#[test]
fn another_version_is_left_alone_and_one_that_is_gone_is_told_so() {
    let b = Bench::new();
    for after in [After::Delete, b.to("done")] {
        b.write("in/a", "one");
        let request = b.request("a", after);
        b.write("in/a", "two!");
        assert_eq!(put_away(&request), PutAway::Changed);
        fs::remove_file(b.path("in/a")).unwrap();
        assert_eq!(put_away(&request), PutAway::Gone);
        symlink("/etc/passwd", b.path("in/a")).unwrap();
        assert_eq!(put_away(&request), PutAway::Changed);
        fs::remove_file(b.path("in/a")).unwrap();
    }
    b.write("in/a", "one");
    assert_eq!(put_away(&b.request("a", After::Delete)), PutAway::Deleted);
    assert!(!b.path("in/a").exists());
}

#[test]
fn no_symbolic_link_leads_out_of_the_root_or_into_it() {
    let b = Bench::new();
    b.write("in/x/a", "one");
    b.write("out/a", "other");
    let request = b.request("x/a", After::Delete);
    fs::rename(b.path("in/x"), b.path("x")).unwrap();
    symlink(b.path("out"), b.path("in/x")).unwrap();
    assert_eq!(put_away(&request), PutAway::Gone);
    assert_eq!(b.read("out/a"), "other");
    b.write("in/a", "one");
    symlink(b.path("in"), b.path("done")).unwrap();
    assert!(matches!(b.move_it("a"), PutAway::Kept(why) if why.contains("leads into the watch")));
    fs::remove_file(b.path("done")).unwrap();
    assert!(matches!(put_away(&b.request("a", b.to("no/where"))), PutAway::Kept(why) if why.contains("can't make")));
    assert_eq!(b.read("in/a"), "one");
}

/// `/dev/shm` is another file system than that of temporary files on most machines.
#[test]
fn between_file_systems_it_is_copied_whole_with_its_time_and_mode() {
    let b = Bench::new();
    let Ok(far) = tempfile::tempdir_in("/dev/shm") else { return };
    if far.path().metadata().unwrap().dev() == b.dir.path().metadata().unwrap().dev() {
        return;
    }
    let to = || After::Move(far.path().to_str().unwrap().to_owned());
    let text = "0123456789".repeat(100_000);
    for number in 0..2 {
        b.write("in/a.bin", &text);
        fs::set_permissions(b.path("in/a.bin"), fs::Permissions::from_mode(0o640)).unwrap();
        let before = fs::metadata(b.path("in/a.bin")).unwrap();
        let name = numbered(OsStr::new("a.bin"), number);
        let moved = put_away(&b.request("a.bin", to()));
        assert_eq!(moved, PutAway::Moved(RawPath::from(far.path().join(&name).as_path())));
        let after = fs::metadata(far.path().join(&name)).unwrap();
        assert_eq!((after.mtime(), after.mtime_nsec()), (before.mtime(), before.mtime_nsec()));
        assert_eq!((after.len(), after.mode() & 0o7777), (before.len(), 0o640));
        assert!(!b.path("in/a.bin").exists());
    }
    // A daemon died between the copy and the removal: the copy is found, and no second one is made.
    b.write("in/b.bin", &text);
    let mut request = b.request("b.bin", to());
    let copied = far.path().join("b.bin");
    fs::copy(b.path("in/b.bin"), &copied).unwrap();
    let time = fs::metadata(b.path("in/b.bin")).unwrap().modified().unwrap();
    File::options().write(true).open(&copied).unwrap().set_modified(time).unwrap();
    fs::write(far.path().join(".fsmond-0123"), "half").unwrap();
    request.again = true;
    assert_eq!(put_away(&request), PutAway::Moved(RawPath::from(copied.as_path())));
    assert!(!b.path("in/b.bin").exists());
    // One that died in the middle of it left only a hidden part, which is begun anew.
    b.write("in/c.bin", "whole");
    let request = PutAwayRequest { again: true, ..b.request("c.bin", to()) };
    assert_eq!(put_away(&request), PutAway::Moved(RawPath::from(far.path().join("c.bin").as_path())));
    let mut names: Vec<_> = fs::read_dir(far.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.1.bin", "a.bin", "b.bin", "c.bin"]);
}

#[test]
fn what_a_dead_daemon_left_aside_gets_its_name_back() {
    let b = Bench::new();
    b.write("in/a", "processed");
    b.write(&format!("in/{PROBE_PREFIX}0123"), "a version that came just before the daemon died");
    assert_eq!(put_away(&b.request("a", After::Delete)), PutAway::Deleted);
    assert!(!b.path("in/a").exists() && !b.path(&format!("in/{PROBE_PREFIX}0123")).exists());
    assert_eq!(b.read("in/a.1"), "a version that came just before the daemon died");
}
