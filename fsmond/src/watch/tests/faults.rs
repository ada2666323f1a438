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
    let file = fs::File::create(b.path("f")).unwrap();
    for index in 0..(limit + 8192) / 2 {
        let (from, to) = if index % 2 == 0 { ("a", "b") } else { ("b", "a") };
        if index == 0 {
            fs::write(b.path("a"), "").unwrap();
        }
        fs::rename(b.path(from), b.path(to)).unwrap();
    }
    drop(file);
    b.hint(&HintWhat::Overflow);
    // And it goes on.
    fs::write(b.path("after"), "").unwrap();
    b.hint(&name(R, b"after", NameHint::Closed, false));
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
    for index in 0..5000 {
        fs::write(b.path(index.to_string()), "").unwrap();
    }
    // The reader waits on a full ring, a worker on a full inbox.
    for scan in 0..100 {
        b.edge.list(ListRequest { watch: W, folder: R, path: RawPath::default(), arm: false, scan });
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
    // What is below the mount is another folder, not the emptied root.
    let whole = b.list(R, "");
    assert_eq!((whole.entries.len(), whole.end), (0, Err(FolderProblem::Gone)));
}
