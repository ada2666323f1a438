//! Limits of the system, in a user namespace of their own: the test starts itself again inside.

use std::fs;
use std::process::Command;

use super::*;

const R: NodeId = NodeId::ROOT;

/// Runs an ignored test of this module where one of the limits is set. False: the system does not let us.
fn inside(test: &str, limit: &str) -> bool {
    let exe = std::env::current_exe().unwrap();
    let script = format!("echo {limit} >/proc/sys/user/$0 && exec \"$@\"");
    let (key, script) =
        (limit.split(' ').next_back().unwrap(), script.replace(limit, limit.split(' ').next().unwrap()));
    let inner = format!("watch::tests::limits::{test}");
    let out = Command::new("unshare")
        .args(["-Ur", "sh", "-c", &script, key])
        .arg(exe)
        .args(["--exact", &inner, "--ignored", "--nocapture"])
        .output();
    let Ok(out) = out else { return false };
    let text = String::from_utf8_lossy(&out.stdout);
    if !text.contains("running 1 test") {
        println!("skipped: no user namespace here: {}", String::from_utf8_lossy(&out.stderr));
        return false;
    }
    assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
    true
}

#[test]
fn no_more_watches() {
    // One of them is for the folder that leads to the root.
    inside("no_more_watches_inside", "4 max_inotify_watches");
}

#[test]
#[ignore = "run by no_more_watches"]
fn no_more_watches_inside() {
    let mut b = Bench::new();
    b.open(Backend::Inotify);
    for index in 0..5 {
        fs::create_dir(b.path(index.to_string())).unwrap();
        fs::write(b.path(format!("{index}/f")), "").unwrap();
        let whole = b.list(node(index), &index.to_string());
        let expected = if index < 3 { Armed::Yes } else { Armed::NoMoreWatches };
        assert_eq!((whole.entries.len(), whole.end.unwrap().0), (1, expected));
    }
    // One is given back, and another can be had.
    b.edge.disarm(W, node(0));
    b.edge.flush();
    let until = Instant::now() + LIMIT;
    while b.list(node(4), "4").end.unwrap().0 != Armed::Yes {
        assert!(Instant::now() < until);
    }
}

#[test]
fn no_instance() {
    inside("no_instance_inside", "0 max_inotify_instances");
}

#[test]
#[ignore = "run by no_instance"]
fn no_instance_inside() {
    let mut b = Bench::new();
    let root = b.path("");
    let facts = b.open_at(W, &root, Backend::Auto).unwrap();
    assert_eq!(facts.backend, Backend::Poll);
    assert!(facts.limited.unwrap().contains("fs.inotify.max_user_instances"));
    assert!(matches!(b.list(R, "").end, Ok((Armed::NotAsked, _))));
}

#[test]
fn one_instance_is_shared() {
    inside("one_instance_is_shared_inside", "1 max_inotify_instances");
}

#[test]
#[ignore = "run by one_instance_is_shared"]
fn one_instance_is_shared_inside() {
    let mut b = Bench::new();
    let root = b.path("");
    for watch in [W, WatchId(2)] {
        assert_eq!(b.open_at(watch, &root, Backend::Auto).unwrap().backend, Backend::Inotify);
        assert!(matches!(b.list_of(watch, R, b"", true).end, Ok((Armed::Yes, _))));
    }
    fs::write(b.path("f"), "").unwrap();
    let closed = |watch| Hint { watch, what: name(R, b"f", NameHint::Closed, false) };
    b.hints_until(|hints| hints.contains(&closed(W)) && hints.contains(&closed(WatchId(2))));
    b.edge.close(W);
    fs::write(b.path("g"), "").unwrap();
    let hint = Hint { watch: WatchId(2), what: name(R, b"g", NameHint::Closed, false) };
    let hints = b.hints_until(|hints| hints.contains(&hint));
    assert!(hints.iter().all(|hint| hint.watch != W), "{hints:?}");
}
