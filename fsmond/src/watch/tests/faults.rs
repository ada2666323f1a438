//! What goes wrong: full queues, endless depth, unmounts, and ends.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use super::*;

const R: NodeId = NodeId::ROOT;

#[test]
fn a_full_queue_is_told_as_an_overflow() {
    let mut b = Bench::with_ring(1);
    b.open(Backend::Inotify);
    b.arm(R, "");
    // The ring has one batch, the reader holds another of 64 KiB, the kernel 16,384 events: then some are lost.
    let limit: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    fs::write(b.path("a"), "").unwrap();
    for index in 0..limit {
        let (from, to) = if index % 2 == 0 { ("a", "b") } else { ("b", "a") };
        fs::rename(b.path(from), b.path(to)).unwrap();
    }
    b.hint(&HintWhat::Overflow);
    // And it goes on.
    fs::write(b.path("after"), "").unwrap();
    b.hint(&name(R, b"after", NameHint::Closed, false));
}

#[test]
fn notify_never_waits_for_the_ring() {
    let mut b = Bench::with_ring(1);
    fs::create_dir(b.path("d")).unwrap();
    b.open(Backend::Notify);
    b.arm(R, "");
    fs::write(b.path("a"), "").unwrap();
    for index in 0..40_000 {
        let (from, to) = if index % 2 == 0 { ("a", "b") } else { ("b", "a") };
        fs::rename(b.path(from), b.path(to)).unwrap();
    }
    // Nobody takes the hints, and still its thread answers.
    b.arm(node(1), "d");
    b.hint(&HintWhat::Overflow);
    fs::write(b.path("d/after"), "").unwrap();
    b.hint(&name(node(1), b"after", NameHint::Closed, false));
}

#[test]
fn nothing_is_lost_between_arming_and_listing() {
    let mut b = Bench::new();
    b.open(Backend::Inotify);
    for round in 1..40_u32 {
        let folder = b.path(round.to_string());
        fs::create_dir(&folder).unwrap();
        let writer = std::thread::spawn(move || {
            (0..100).for_each(|index| fs::write(folder.join(index.to_string()), "").unwrap());
        });
        let whole = b.list(node(round), &round.to_string());
        writer.join().unwrap();
        let listed = whole.entries.len();
        let hints = b.hints_until(|hints| {
            let last = |hint: &Hint| hint.what == name(node(round), b"99", NameHint::Closed, false);
            whole.entries.contains_key(&b"99"[..]) || hints.iter().any(last)
        });
        let told = |index: u32| {
            let name = index.to_string();
            hints.iter().any(|hint| matches!(&hint.what, HintWhat::Name { name: n, .. } if **n == *name.as_bytes()))
        };
        let lost: Vec<u32> =
            (0..100).filter(|i| !whole.entries.contains_key(i.to_string().as_bytes()) && !told(*i)).collect();
        assert!(lost.is_empty(), "{lost:?} of round {round}, {listed} listed");
        b.edge.disarm(W, node(round));
    }
}

#[test]
fn a_folder_that_keeps_being_swapped_for_a_link_never_leads_out() {
    let mut b = Bench::new();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(outside.path().join("in")).unwrap();
    fs::write(outside.path().join("in/secret"), "x").unwrap();
    fs::create_dir_all(b.path("folder/in")).unwrap();
    std::os::unix::fs::symlink(outside.path(), b.path("link")).unwrap();
    b.open(Backend::Inotify);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (swapping, folder, link) = (std::sync::Arc::clone(&stop), b.path("folder"), b.path("link"));
    let swapper = std::thread::spawn(move || {
        while !swapping.load(std::sync::atomic::Ordering::Relaxed) {
            rustix::fs::renameat_with(
                rustix::fs::CWD,
                &folder,
                rustix::fs::CWD,
                &link,
                rustix::fs::RenameFlags::EXCHANGE,
            )
            .unwrap();
        }
    });
    let (mut gone, mut there) = (0, 0);
    for _ in 0..3000 {
        let whole = b.list(node(1), "folder/in");
        assert!(whole.entries.is_empty(), "{whole:?}");
        match whole.end {
            Ok(_) => there += 1,
            Err(problem) => {
                assert_eq!(problem, FolderProblem::Gone);
                gone += 1;
            }
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    swapper.join().unwrap();
    fs::write(outside.path().join("in/secret"), "y").unwrap();
    b.arm(R, "");
    let told = b.hints_before_mark(R, "");
    assert!(!told.iter().any(|what| matches!(what, HintWhat::Name { name, .. } if **name == *b"secret")));
    println!("{there} times listed, {gone} times gone");
}

#[test]
fn a_tree_deeper_than_any_path_is_entered() {
    let mut b = Bench::new();
    b.open(Backend::Inotify);
    let part = [b'd'; 200];
    let mut held: OwnedFd = fs::File::open(b.path("")).unwrap().into();
    let mut path = RawPath::default();
    for _ in 0..60 {
        rustix::fs::mkdirat(held.as_fd(), &part[..], rustix::fs::Mode::RWXU).unwrap();
        held = super::super::sys::open_beneath(held.as_fd(), &part, true).unwrap();
        path = path.join(&part);
    }
    assert!(path.as_bytes().len() > 12_000);
    assert!(matches!(b.list_of(W, node(1), path.as_bytes(), true).end, Ok((Armed::Yes, _))));
    rustix::fs::mkdirat(held.as_fd(), "new", rustix::fs::Mode::RWXU).unwrap();
    b.hint(&name(node(1), b"new", NameHint::Created, true));
    // What this made is too deep for a plain removal of the temporary folder by path, not by handle.
    assert!(b.dir.close().is_ok());
}

#[test]
fn more_watches_than_instances_share() {
    let mut b = Bench::new();
    for index in 0..20 {
        fs::create_dir(b.path(index.to_string())).unwrap();
        let root = b.path(index.to_string());
        assert_eq!(b.open_at(WatchId(index), &root, Backend::Inotify).unwrap().backend, Backend::Inotify);
        assert!(matches!(b.list_of(WatchId(index), R, b"", true).end, Ok((Armed::Yes, _))));
    }
    for index in 0..19 {
        b.edge.close(WatchId(index));
    }
    fs::write(b.path("19/f"), "").unwrap();
    let hint = Hint { watch: WatchId(19), what: name(R, b"f", NameHint::Closed, false) };
    b.hints_until(|hints| hints.contains(&hint));
}

#[test]
fn the_end_does_not_wait_for_anyone() {
    let mut b = Bench::with_ring(1);
    b.open(Backend::Inotify);
    b.arm(R, "");
    for index in 0..1500 {
        fs::write(b.path(index.to_string()), "").unwrap();
    }
    // The reader waits on a full ring, a worker on a full inbox.
    for scan in 0..300 {
        b.edge.list(asking(R, b"", scan));
    }
    b.edge.flush();
    assert_eq!(b.edge.shutdown(), 0);
}

#[test]
fn an_unmount_is_not_blocked_and_is_told() {
    let mut b = Bench::new();
    fs::create_dir_all(b.path("m")).unwrap();
    fs::write(b.path("m/below"), "").unwrap();
    let at = b.path("m");
    let mounted = std::process::Command::new("mount").args(["-t", "tmpfs", "fsmon-test"]).arg(&at).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: may not mount");
        return;
    }
    let facts = b.open_at(W, &at, Backend::Auto).unwrap();
    assert_eq!((facts.fs_type.as_str(), facts.mount_point), ("tmpfs", true));
    b.arm(R, "");
    fs::write(b.path("m/f"), "").unwrap();
    assert!(matches!(seen(&b.look(R, "", &[b"f"]), 0), Seen::Here(_)));
    wait_until("no handle is open", || handles_into(&at).is_empty());
    let umount = std::process::Command::new("umount").arg(&at).status().unwrap();
    assert!(umount.success());
    b.hint(&HintWhat::Disarmed { folder: R, unmounted: true });
    b.mounted(&at.canonicalize().unwrap());
    // What is below the mount is another folder, not the emptied root.
    let whole = b.list(R, "");
    assert_eq!((whole.entries.len(), whole.end), (0, Err(FolderProblem::Gone)));
}
