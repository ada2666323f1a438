//! Reading a file to tell whether it is what was processed.

use std::fs;
use std::io::Write;

use fsmon_core::io::{Digest, DigestRequest, Digested};
use fsmon_protocol::fingerprint::Fingerprint;

use super::*;

const R: NodeId = NodeId::ROOT;

fn stat(b: &mut Bench, name: &[u8]) -> Fingerprint {
    let looked = b.look(R, "", &[name]);
    let Seen::Here(stat) = seen(&looked, 0) else { panic!("{looked:?}") };
    stat.fingerprint
}

fn ask(b: &mut Bench, name: &[u8], seen: Fingerprint, content: bool) {
    let (path, inode, file) = (RawPath::default(), 0, node(5));
    b.edge.digest(DigestRequest { watch: W, folder: R, path, inode, name: name.into(), file, seen, content, tag: 9 });
    b.edge.flush();
}

fn digest(b: &mut Bench, name: &[u8], seen: Fingerprint, content: bool) -> Result<Option<Digest>, String> {
    ask(b, name, seen, content);
    let Input::Digested(Digested { watch, file, tag, result }) = b.answer() else { panic!("not a digest") };
    assert_eq!((watch, file, tag), (W, node(5), 9));
    result
}

#[test]
fn content_is_told_only_of_a_file_that_is_what_was_seen() {
    let mut b = Bench::new();
    for (name, content) in [("f", "one"), ("same", "one"), ("other", "two"), ("none", "")] {
        fs::write(b.path(name), content).unwrap();
    }
    fs::write(b.path("long"), vec![7; 1_000_000]).unwrap();
    b.open(Backend::Poll);
    let mut of = |name: &str| {
        let seen = stat(&mut b, name.as_bytes());
        digest(&mut b, name.as_bytes(), seen, true).unwrap().unwrap()
    };
    let one = of("f");
    assert_eq!(one, *blake3::hash(b"one").as_bytes());
    assert_eq!(of("long"), *blake3::hash(&vec![7; 1_000_000]).as_bytes());
    assert!(of("same") == one && of("other") != one && of("none") != one);

    let seen = stat(&mut b, b"f");
    assert_eq!(digest(&mut b, b"f", seen, false), Ok(None), "it is only looked at");
    for changed in [Fingerprint { ctime: seen.ctime - 1, ..seen }, Fingerprint { inode: seen.inode + 1, ..seen }] {
        for content in [true, false] {
            assert!(digest(&mut b, b"f", changed, content).unwrap_err().contains("changed"));
        }
    }
    let open = fs::File::options().append(true).open(b.path("f")).unwrap();
    assert!(digest(&mut b, b"f", seen, true).unwrap_err().contains("open for writing"));
    (&open).write_all(b"!").unwrap();
    drop(open);
    assert!(digest(&mut b, b"f", seen, true).unwrap_err().contains("changed"));
    assert!(digest(&mut b, b"gone", seen, true).is_err());
}

#[test]
fn what_is_no_regular_file_is_never_opened() {
    let mut b = Bench::new();
    fs::write(b.path("f"), "one").unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, b.path("p"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    std::os::unix::fs::symlink("f", b.path("l")).unwrap();
    fs::create_dir(b.path("d")).unwrap();
    b.open(Backend::Poll);
    for name in [b"p", b"l", b"d"] {
        let seen = stat(&mut b, name);
        assert!(digest(&mut b, name, seen, true).is_err(), "{name:?}");
        assert!(digest(&mut b, name, seen, false).is_err(), "{name:?}");
    }
}

#[test]
fn looks_and_listings_do_not_wait_for_a_file_that_is_read() {
    let mut b = Bench::new();
    fs::File::create(b.path("large")).unwrap().set_len(4 << 30).unwrap();
    fs::write(b.path("f"), "one").unwrap();
    b.open(Backend::Poll);
    let (large, small) = (stat(&mut b, b"large"), stat(&mut b, b"f"));
    ask(&mut b, b"large", large, true);
    ask(&mut b, b"f", small, true);
    for _ in 0..20 {
        stat(&mut b, b"f");
        assert!(b.list_of(W, R, b"", false).end.is_ok());
    }
    // Nothing is read for a watch that is closed, and nothing holds up the end.
    b.edge.close(W);
    b.edge.flush();
}
