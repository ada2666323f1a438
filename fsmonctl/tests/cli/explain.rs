//! `explain`: a block for each watch, with nothing in it that a terminal would act on.

use fsmon_protocol::explain::{Explained, OnDisk, Rule, Ruling, Waits};
use fsmon_protocol::file::{FileInfo, FileState};
use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use fsmon_protocol::status::{DefinedBy, WatchState};
use fsmon_protocol::{ApiError, Timestamp};

use crate::fake::{Daemon, State};

fn kept_out() -> Explained {
    Explained {
        watch: "data".into(),
        root: "/r".into(),
        path: b"/r/a\x1b[31m".as_slice().into(),
        ruling: Ruling {
            rule: Rule::Exclude,
            pattern: Some("a\u{202e}*".into()),
            at: b"/r/a\x1b[31m".as_slice().into(),
            line: None,
        },
        disk: OnDisk::Unknown("no\x1b".into()),
        known: None,
        hidden: false,
        moving: false,
        unsettled: false,
        file: None,
        waits: vec![],
        run: None,
        again: false,
        runs_not: None,
        kinds: vec![],
        retries: 5,
        by_many: false,
        defined_by: DefinedBy::Config,
        added: Timestamp(0),
        last: None,
        processed: None,
        state: WatchState::Watching,
        details: vec!["why\x07".into()],
        gaps: vec![],
        next_due: None,
    }
}

#[test]
fn each_watch_has_a_block_and_names_are_escaped() {
    let held = Explained {
        watch: "held".into(),
        ruling: Ruling { rule: Rule::All, pattern: None, at: "/r/a".into(), line: None },
        path: "/r/a".into(),
        known: Some(FileType::File),
        disk: OnDisk::Missing,
        file: Some(FileInfo {
            watch: "held".into(),
            path: "/r/a".into(),
            file_type: FileType::File,
            state: FileState::Settling,
            kind: None,
            attempts: 0,
            due: None,
            seen: Some(Fingerprint { inode: 1, size: 5, mtime: 0, ctime: 0 }),
            last: None,
            processed: None,
        }),
        waits: vec![Waits::Decision("say\x1b so".into()), Waits::ReadyFile(b"/r/\x1b.done".as_slice().into())],
        state: WatchState::Held,
        ..kept_out()
    };
    let daemon = Daemon::with(State { explained: vec![kept_out(), held], ..State::default() });
    let said = daemon.run(&["explain", "/r/a"]);
    assert_eq!((said.code, daemon.state().asked[0].as_str()), (0, "explain /r/a"), "{said:?}");
    for part in [
        "path:    /r/a\\e[31m\n",
        "answer:  not watched: the pattern 'a\\u{202e}*' of --exclude matches it\n",
        "to do:   change exclude of 'data' in the config file",
        "\n\npath:      /r/a\nwatch:     held (/r), held\n",
        "waits for: say\\e so\n",
        "waits for: its ready file /r/\\e.done\n",
        "ledger:    5 bytes",
    ] {
        assert!(said.out.contains(part), "{part:?} in {}", said.out);
    }
    assert!(!said.out.contains(['\x1b', '\x07', '\u{202e}']), "{said:?}");
    let said = daemon.run(&["explain", "--json", "/r/a"]);
    let lines: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["state"], &lines[1]["state"]), (&"kept_out".into(), &"settling".into()), "{said:?}");
    assert_eq!(lines[1]["waits"][0]["for"], "decision");
    daemon.state().refusal = Some(ApiError::not_found("no watch covers /r/a"));
    assert_eq!(daemon.run(&["explain", "/r/a"]).code, 1);
}
