//! `verify`, slice by slice.

use fsmon_protocol::file::FilesCursor;
use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::verify::{Difference, DifferenceKind, VerifyReply};

use crate::fake::{Daemon, State};

#[test]
fn verify_asks_slice_after_slice_and_ends_with_what_they_come_to() {
    let slice = |count: u64, paths: &[&[u8]], next: Option<u32>| VerifyReply {
        folders: 2,
        entries: 1000,
        counts: vec![0, count, 0, 0, 0],
        differences: paths.iter().map(|&path| gone(path)).collect(),
        next: next.map(|place| FilesCursor { watch: 1, place }),
    };
    let daemon = Daemon::with(State {
        verified: vec![slice(1, &[b"/r/a\x1b[31m"], Some(1)), slice(2, &[b"/r/b\xff"], None)],
        ..State::default()
    });
    let said = daemon.run(&["verify", "data", "-n", "2"]);
    assert_eq!(said.code, 6, "{said:?}");
    let lines: Vec<_> = said.out.lines().collect();
    assert_eq!(lines[0], "gone     /r/a\\e[31m");
    assert_eq!(lines[2], "2,000 names in 4 folders compared: 3 gone");
    assert_eq!(daemon.state().asked[1], r#"verify ["data"] Some(FilesCursor { watch: 1, place: 1 }) 1"#);
    let said = daemon.run(&["verify", "--json"]);
    let lines: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[1]["path_bytes"], &lines[1]["known"]), (&"L3IvYv8=".into(), &"file".into()), "{said:?}");
    assert_eq!((&lines[2]["same"], &lines[2]["gone"]), (&false.into(), &3.into()), "{said:?}");
    daemon.state().verified = vec![slice(0, &[], None)];
    let said = daemon.run(&["verify"]);
    assert_eq!((said.code, said.out.as_str()), (0, "nothing differs: 1,000 names in 2 folders compared\n"), "{said:?}");
}

fn gone(path: &[u8]) -> Difference {
    Difference {
        watch: "data".into(),
        path: path.into(),
        kind: DifferenceKind::Gone,
        known: Some(FileType::File),
        found: None,
        ledger: None,
        disk: None,
        why: None,
    }
}
