//! Looking and listing, whatever the source.

use std::fs;
use std::os::unix::net::UnixListener;

use super::*;

const R: NodeId = NodeId::ROOT;

#[test]
fn what_is_not_a_file_is_reported_and_never_opened() {
    use fsmon_protocol::fingerprint::FileType;
    let mut b = Bench::new();
    rustix::fs::mkfifoat(rustix::fs::CWD, b.path("p"), rustix::fs::Mode::RUSR).unwrap();
    let _socket = UnixListener::bind(b.path("s")).unwrap();
    fs::write(b.path("f"), "123").unwrap();
    b.open(Backend::Poll);
    let whole = b.list(R, "");
    assert!(matches!(whole.end, Ok((Armed::NotAsked, _))));
    let types: Vec<FileType> = whole.entries.values().map(|stat| stat.file_type).collect();
    assert_eq!(types, [FileType::File, FileType::Other, FileType::Other]);
    let looked = b.look(R, "", &[b"none", b"f", b"a/b", b"..", b""]);
    assert_eq!(seen(&looked, 0), &Seen::Gone);
    assert_eq!(seen(&looked, 1), &Seen::Here(whole.entries[&b"f"[..]]));
    (2..5).for_each(|at| assert_eq!(seen(&looked, at), &Seen::Unknown("not a name".to_owned())));
}

#[test]
fn own_files_are_marked() {
    let mut b = Bench::new();
    fs::create_dir(b.path("state")).unwrap();
    let log = b.path("log");
    fs::write(&log, "").unwrap();
    fs::write(b.path("theirs"), "").unwrap();
    b.own.register(&b.path("state")).unwrap();
    b.own.register_fd("stdout", fs::File::open(&log).unwrap()).unwrap();
    b.open(Backend::Poll);
    let own = |whole: Whole| whole.entries.into_values().map(|stat| stat.own).collect::<Vec<_>>();
    assert_eq!(own(b.list(R, "")), [true, true, false]);
    assert!(matches!(seen(&b.look(R, "", &[b"log"]), 0), Seen::Here(stat) if stat.own));
    b.own.forget(Path::new("stdout"));
    assert_eq!(own(b.list(R, "")), [false, true, false]);
}

#[test]
fn a_large_folder_comes_in_parts_and_looks_come_in_order() {
    let mut b = Bench::new();
    for index in 0..2500 {
        fs::write(b.path(index.to_string()), "").unwrap();
    }
    b.open(Backend::Poll);
    b.edge.list(asking(R, b"", 7));
    for tag in 0..200 {
        let names = vec![tag.to_string().into_bytes().into()];
        b.edge.look(LookRequest { check: false, watch: W, folder: R, path: RawPath::default(), inode: 0, names, tag });
    }
    b.edge.flush();
    let (mut entries, mut tags, mut done) = (0, Vec::new(), false);
    while !done || tags.len() < 200 {
        match b.answer() {
            Input::Listed(parts) => {
                for part in parts {
                    match part.part {
                        ListPart::Entries(some) => entries += some.len(),
                        ListPart::Ignores(_) => {}
                        ListPart::Done { .. } => done = true,
                        ListPart::Failed(problem) => panic!("{problem:?}"),
                    }
                }
            }
            Input::Looked(looked) => tags.extend(looked.into_iter().map(|one| one.tag)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((entries, tags), (2500, (0..200).collect::<Vec<u32>>()));
}

#[test]
fn roots_that_cannot_be_watched_say_why() {
    let mut b = Bench::new();
    fs::write(b.path("f"), "").unwrap();
    std::os::unix::fs::symlink(b.path(""), b.path("link")).unwrap();
    std::os::unix::fs::symlink("loop", b.path("loop")).unwrap();
    let at = |b: &mut Bench, path: &str| b.open_at(W, &b.path(path), Backend::Auto);
    assert_eq!(at(&mut b, "none"), Err(RootProblem::Missing));
    assert_eq!(at(&mut b, "f/below"), Err(RootProblem::Missing));
    assert_eq!(at(&mut b, "f"), Err(RootProblem::NotAFolder));
    assert!(matches!(at(&mut b, "loop"), Err(RootProblem::Other(_))));
    assert!(matches!(b.open_at(W, Path::new("/proc/sys"), Backend::Auto), Err(RootProblem::Other(_))));
    let through_link = at(&mut b, "link").unwrap();
    let facts = at(&mut b, "").unwrap();
    assert_eq!(through_link, facts);
    assert_eq!((facts.backend, facts.backend_why.clone(), facts.mount_point), (Backend::Inotify, None, false));
    assert_eq!(facts.inode, std::os::unix::fs::MetadataExt::ino(&fs::metadata(b.path("")).unwrap()));
    assert!(b.open_at(W, Path::new("/"), Backend::Auto).unwrap().mount_point);
    assert_eq!(b.list(node(1), "proc").end, Err(FolderProblem::PseudoFileSystem));
    assert_eq!(b.list(node(1), "sys/kernel").end, Err(FolderProblem::PseudoFileSystem));
}

#[test]
fn notify_is_refused_to_root() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: not root");
        return;
    }
    let (inbox, mut answers) = mpsc::channel(8);
    let mut edge = Watching::start(inbox, mpsc::channel(8).0, OwnFiles::default());
    edge.open(OpenRequest { watch: W, root: "/".into(), backend: Backend::Notify });
    let Some(Input::Opened { result: Err(RootProblem::Other(why)), .. }) = answers.blocking_recv() else { panic!() };
    assert!(why.contains("refused to root") && !why.contains("  "), "{why}");
    assert_eq!(edge.shutdown(), 0);
}
