//! fsmonctl on a terminal: what fits, what is coloured, what is escaped, what is written over.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::process::Command;

use fsmon_protocol::status::{Progress, WatchState};
use nix::pty::{Winsize, openpty};

use crate::fake::{Daemon, State, run_info, watch};

/// What a command writes to a terminal of this width, and its exit code.
fn on_terminal(mut command: Command, columns: u16) -> (String, Option<i32>) {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).unwrap();
    let mut child = command.stdout(pty.slave.try_clone().unwrap()).stderr(pty.slave).spawn().unwrap();
    // The command holds the terminal open as well; only the child may.
    drop(command);
    let mut written = Vec::new();
    let mut buffer = [0; 4096];
    let mut master = File::from(pty.master);
    // Linux ends a terminal whose other side is closed with an error, others with an end.
    while let Ok(n @ 1..) = master.read(&mut buffer) {
        written.extend_from_slice(&buffer[..n]);
    }
    (String::from_utf8(written).unwrap().replace("\r\n", "\n"), child.wait().unwrap().code())
}

#[test]
fn a_list_fits_and_is_coloured() {
    let path = "/srv/a/rather/long/path/with/many/folders/on/the/way/to/the/data";
    let daemon = Daemon::with(State { watches: vec![watch("data", path), watch("b", "/b")], ..State::default() });
    let (plain, code) = on_terminal(daemon.ctl(&["list", "--color=never"]), 100);
    assert_eq!(code, Some(0));
    let lines: Vec<_> = plain.lines().collect();
    assert_eq!(lines.len(), 3, "{plain}");
    assert!(lines.iter().all(|line| line.chars().count() <= 100), "{plain}");
    assert!(lines[1].contains("4,312") && lines[1].contains("/srv/a/") && lines[1].contains('…'), "{plain}");
    let (colored, _) = on_terminal(daemon.ctl(&["list"]), 100);
    assert!(colored.contains("\x1b[32mwatching\x1b[0m"), "{colored:?}");
    let mut command = daemon.ctl(&["list"]);
    command.env("NO_COLOR", "1");
    assert_eq!(on_terminal(command, 100).0, plain);
}

#[test]
fn the_output_of_a_run_plays_no_tricks_unless_asked_to() {
    let output = b"a\tb\\n\n\x1b]0;title\x07\x1b[2J \xc3\xb6\xff".to_vec();
    let daemon = Daemon::with(State { runs: vec![run_info(7, b"/a")], output, ..State::default() });
    assert_eq!(on_terminal(daemon.ctl(&["logs", "7"]), 80).0, "a\tb\\n\n\\e]0;title\\u{7}\\e[2J ö\\xff");
    let (raw, _) = on_terminal(daemon.ctl(&["logs", "7", "--json"]), 80);
    assert!(!raw.contains('\x1b'), "{raw:?}");
}

#[test]
fn the_first_scan_is_shown_on_one_line_that_goes_away() {
    let mut scanning = watch("inbox", "/x");
    scanning.state = WatchState::Scanning;
    scanning.scan = Some(Progress { looked: 1234, folders: 1, folders_left: 2 });
    let shows = VecDeque::from([scanning.clone(), scanning, watch("inbox", "/x")]);
    let daemon = Daemon::with(State { shows, ..State::default() });
    // What it found is a longer line, which may wrap; the one that is written over may not.
    let (written, code) = on_terminal(daemon.ctl(&["add", "/x"]), 80);
    assert_eq!(code, Some(0));
    assert!(written.contains("\r'inbox' is added; first scan: 1,234 looked at, 2 folders to go"), "{written:?}");
    let over = written.split('\r').filter_map(|line| line.strip_suffix("\x1b[K"));
    assert!(over.clone().count() >= 2 && over.clone().all(|line| line.chars().count() < 80), "{written:?}");
    assert!(written.contains("\r\x1b[Kadded 'inbox': /x\n"), "{written:?}");
    daemon.state().shows.clear();
    let (quiet, _) = on_terminal(daemon.ctl(&["add", "/x", "-q"]), 80);
    assert!(!quiet.contains('\r'), "{quiet:?}");
}
