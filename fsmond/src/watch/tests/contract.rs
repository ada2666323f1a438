//! What every source must do. What `notify` cannot do is listed at its module and left to the tests of inotify.

use std::fs;

use super::*;

/// Runs one test for both sources.
macro_rules! for_both {
    ($($name:ident),* $(,)?) => {
        mod inotify {
            use super::*;
            $(#[test] fn $name() { super::$name(Backend::Inotify); })*
        }
        mod notify {
            use super::*;
            $(#[test] fn $name() { super::$name(Backend::Notify); })*
        }
    };
}

for_both!(
    a_file_is_created_written_closed_and_deleted,
    a_rename_has_one_cookie_in_and_across_folders,
    an_unpaired_rename_is_followed_by_an_empty_queue,
    new_folders_are_told_and_armed_on_request,
    a_folder_that_is_deleted_is_disarmed,
    no_hints_of_what_was_disarmed_or_closed,
    a_folder_made_again_is_armed_again,
    names_keep_their_bytes,
    the_same_folder_in_two_watches,
    the_root_moved_away,
    a_folder_swapped_for_a_link_is_gone,
    no_handle_is_kept,
);

const R: NodeId = NodeId::ROOT;

fn a_file_is_created_written_closed_and_deleted(backend: Backend) {
    let mut b = Bench::new();
    b.open(backend);
    b.arm(R, "");
    fs::write(b.path("f"), "x").unwrap();
    let told = b.hint(&name(R, b"f", NameHint::Closed, false));
    let expected = [NameHint::Created, NameHint::Modified, NameHint::Closed].map(|how| name(R, b"f", how, false));
    assert_eq!(told, expected);
    fs::set_permissions(b.path("f"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    b.hint(&name(R, b"f", NameHint::Attrib, false));
    fs::remove_file(b.path("f")).unwrap();
    b.hint(&name(R, b"f", NameHint::Deleted, false));
}

fn a_rename_has_one_cookie_in_and_across_folders(backend: Backend) {
    let mut b = Bench::new();
    fs::create_dir(b.path("d")).unwrap();
    fs::write(b.path("f"), "x").unwrap();
    b.open(backend);
    b.arm(R, "");
    b.arm(node(4), "d");
    for (from, to, folder, new) in [("f", "g", R, &b"g"[..]), ("g", "d/h", node(4), b"h")] {
        fs::rename(b.path(from), b.path(to)).unwrap();
        let hints = b.hints_until(|hints| {
            let arrived = |what: &HintWhat| {
                matches!(what, HintWhat::Name { folder: f, name, how: NameHint::MovedTo(_), .. }
                    if *f == folder && **name == *new)
            };
            hints.iter().any(|h| arrived(&h.what)) && hints.iter().any(|h| h.what == HintWhat::ReadEmpty)
        });
        let cookies: Vec<u32> = hints
            .iter()
            .filter_map(|hint| match &hint.what {
                HintWhat::Name { how: NameHint::MovedFrom(cookie) | NameHint::MovedTo(cookie), .. } => Some(*cookie),
                _ => None,
            })
            .collect();
        assert!(cookies.len() == 2 && cookies[0] == cookies[1] && cookies[0] != 0, "{hints:?}");
    }
}

fn an_unpaired_rename_is_followed_by_an_empty_queue(backend: Backend) {
    let mut b = Bench::new();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(b.path("f"), "x").unwrap();
    b.open(backend);
    b.arm(R, "");
    assert!(!b.hints_before_mark(R, "").contains(&HintWhat::ReadEmpty), "only after a rename");
    fs::rename(b.path("f"), elsewhere.path().join("f")).unwrap();
    let told = b.hint(&HintWhat::ReadEmpty);
    assert!(matches!(&told[0], HintWhat::Name { how: NameHint::MovedFrom(_), .. }), "{told:?}");
}

fn new_folders_are_told_and_armed_on_request(backend: Backend) {
    let mut b = Bench::new();
    b.open(backend);
    b.arm(R, "");
    fs::create_dir_all(b.path("a/b")).unwrap();
    fs::write(b.path("a/b/f"), "x").unwrap();
    b.hint(&name(R, b"a", NameHint::Created, true));
    let a = b.list(node(1), "a");
    assert_eq!(a.entries.keys().collect::<Vec<_>>(), [b"b"]);
    let inner = b.list(node(2), "a/b");
    assert_eq!(inner.entries.keys().collect::<Vec<_>>(), [b"f"]);
    assert_eq!(inner.end, Ok((Armed::Yes, a.entries[&b"b"[..]].fingerprint.inode)));
    fs::write(b.path("a/b/g"), "x").unwrap();
    b.hint(&name(node(2), b"g", NameHint::Closed, false));
}

fn a_folder_that_is_deleted_is_disarmed(backend: Backend) {
    let mut b = Bench::new();
    fs::create_dir(b.path("d")).unwrap();
    b.open(backend);
    b.arm(R, "");
    b.arm(node(1), "d");
    fs::remove_dir(b.path("d")).unwrap();
    b.hint(&HintWhat::Disarmed { folder: node(1), unmounted: false });
    let root = b.path("");
    fs::remove_dir(root).unwrap();
    b.hint(&HintWhat::Disarmed { folder: R, unmounted: false });
    assert_eq!(b.list(R, "").end, Err(FolderProblem::Gone));
}

fn no_hints_of_what_was_disarmed_or_closed(backend: Backend) {
    let mut b = Bench::new();
    fs::create_dir(b.path("d")).unwrap();
    b.open(backend);
    b.arm(R, "");
    b.arm(node(1), "d");
    b.edge.disarm(W, node(1));
    b.edge.flush();
    fs::write(b.path("d/f"), "x").unwrap();
    let told = b.hints_before_mark(R, "");
    assert!(!told.iter().any(|what| matches!(what, HintWhat::Name { folder, .. } if *folder == node(1))), "{told:?}");
    // Asked and taken back in one go.
    b.edge.list(ListRequest { arm: true, ..asking(node(1), b"d", 7) });
    b.edge.disarm(W, node(1));
    b.edge.flush();
    let Input::Listed(parts) = b.answer() else { panic!() };
    assert!(parts.iter().any(|p| matches!(p.part, ListPart::Done { armed: Armed::NotAsked, .. })), "{parts:?}");
    // And asked again.
    b.arm(node(1), "d");
    fs::write(b.path("d/g"), "x").unwrap();
    b.hint(&name(node(1), b"g", NameHint::Closed, false));
    b.edge.close(W);
    b.edge.flush();
    fs::write(b.path("after"), "x").unwrap();
    b.open(backend);
    b.arm(R, "");
    assert_eq!(b.hints_before_mark(R, ""), []);
}

fn a_folder_made_again_is_armed_again(backend: Backend) {
    let mut b = Bench::new();
    b.open(backend);
    b.arm(R, "");
    for round in 0..20_u32 {
        fs::create_dir(b.path("d")).unwrap();
        b.arm(node(1), "d");
        fs::write(b.path(format!("d/{round}")), "x").unwrap();
        b.hint(&name(node(1), round.to_string().as_bytes(), NameHint::Closed, false));
        fs::remove_dir_all(b.path("d")).unwrap();
        b.hint(&HintWhat::Disarmed { folder: node(1), unmounted: false });
    }
}

fn names_keep_their_bytes(backend: Backend) {
    let mut b = Bench::new();
    b.open(backend);
    b.arm(R, "");
    let long = [b'n'; 255];
    for bytes in [&b"\xff\xfe"[..], b"a\nb", b" ", b"-rf", b"\x1b]0;x\x07", &long] {
        fs::write(b.odd(bytes), "x").unwrap();
        b.hint(&name(R, bytes, NameHint::Closed, false));
        let looked = b.look(R, "", &[bytes]);
        assert!(matches!(seen(&looked, 0), Seen::Here(stat) if stat.fingerprint.size == 1));
        assert!(b.list(R, "").entries.contains_key(bytes));
    }
    fs::create_dir(b.odd(b"\xff d")).unwrap();
    assert!(matches!(b.list_of(W, node(9), b"\xff d", true).end, Ok((Armed::Yes, _))));
    fs::write(b.odd(b"\xff d/\xff"), "x").unwrap();
    b.hint(&name(node(9), b"\xff", NameHint::Closed, false));
}

fn the_same_folder_in_two_watches(backend: Backend) {
    let mut b = Bench::new();
    let other = WatchId(2);
    fs::create_dir(b.path("d")).unwrap();
    b.open(backend);
    let inner = b.path("d");
    b.open_at(other, &inner, backend).unwrap();
    b.arm(node(5), "d");
    assert!(matches!(b.list_of(other, R, b"", true).end, Ok((Armed::Yes, _))));
    fs::write(b.path("d/f"), "x").unwrap();
    let closed = |watch, folder| Hint { watch, what: name(folder, b"f", NameHint::Closed, false) };
    b.hints_until(|hints| hints.contains(&closed(W, node(5))) && hints.contains(&closed(other, R)));
    b.edge.close(W);
    fs::write(b.path("d/g"), "x").unwrap();
    let hint = Hint { watch: other, what: name(R, b"g", NameHint::Closed, false) };
    b.hints_until(|hints| hints.contains(&hint));
}

fn the_root_moved_away(backend: Backend) {
    let mut b = Bench::new();
    let root = b.path("root");
    fs::create_dir_all(root.join("sub")).unwrap();
    b.open_at(W, &root, backend).unwrap();
    b.arm(R, "");
    fs::rename(&root, b.path("moved")).unwrap();
    b.hint(&HintWhat::RootMoved);
    // Another folder at the same place is not taken for it, nor are its missing files for deleted ones.
    fs::create_dir(&root).unwrap();
    assert_eq!(b.list(R, "").end, Err(FolderProblem::Gone));
    assert!(matches!(b.list(node(1), "sub").end, Err(FolderProblem::Other(_))));
    assert_eq!(b.look(R, "", &[b"sub"]).result, Err(FolderProblem::Gone));
    assert!(b.open_at(W, &root, backend).is_ok());
    b.arm(R, "");
}

fn a_folder_swapped_for_a_link_is_gone(backend: Backend) {
    let mut b = Bench::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "x").unwrap();
    fs::create_dir(b.path("d")).unwrap();
    b.open(backend);
    b.arm(R, "");
    fs::remove_dir(b.path("d")).unwrap();
    std::os::unix::fs::symlink(outside.path(), b.path("d")).unwrap();
    let whole = b.list(node(1), "d");
    assert_eq!((whole.entries.len(), whole.end), (0, Err(FolderProblem::Gone)));
    assert_eq!(b.look(node(1), "d", &[b"secret"]).result, Err(FolderProblem::Gone));
    let looked = b.look(R, "", &[b"d"]);
    assert!(matches!(seen(&looked, 0), Seen::Here(s) if s.file_type == fsmon_protocol::fingerprint::FileType::Symlink));
}

fn no_handle_is_kept(backend: Backend) {
    let mut b = Bench::new();
    fs::create_dir_all(b.path("a/b")).unwrap();
    b.open(backend);
    for (index, path) in ["", "a", "a/b"].iter().enumerate() {
        b.arm(node(u32::try_from(index).unwrap()), path);
        b.look(R, "", &[b"a"]);
    }
    let dir = b.path("");
    wait_until("no handle is open", || handles_into(&dir).is_empty());
}
