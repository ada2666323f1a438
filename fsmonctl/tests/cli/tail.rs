//! `tail` through the real binary: pages, following, a daemon that goes away, readers that go away, Ctrl-C.

use std::io::{BufRead, BufReader, Lines, Read};
use std::process::{Child, ChildStdout, Stdio};

use crate::fake::{Daemon, State, record, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

fn with_records(numbers: std::ops::RangeInclusive<u64>) -> Daemon {
    let records = numbers.map(|seq| record(seq, format!("/data/{seq}").as_bytes())).collect();
    Daemon::with(State { records, ..State::default() })
}

/// A following `tail`, ended when dropped.
struct Follower {
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Follower {
    fn start(daemon: &Daemon, words: &[&str]) -> Self {
        let mut command = daemon.ctl(words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = Some(BufReader::new(child.stdout.take().unwrap()).lines());
        until("tail has asked and asks again", || daemon.state().asked.len() >= 2);
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.as_mut().unwrap().next().unwrap().unwrap()
    }

    fn seq(&mut self) -> u64 {
        serde_json::from_str::<Value>(&self.line()).unwrap()["seq"].as_u64().unwrap()
    }

    fn end(&mut self) -> (Option<i32>, String) {
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), err)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_happened_comes_in_pages_and_ends() {
    let daemon = with_records(1..=25);
    let seqs = |words: &[&str]| -> Vec<u64> {
        let said = daemon.run(&[&["tail", "--no-follow", "--json"], words].concat());
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        said.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!(seqs(&[]), (16..=25).collect::<Vec<_>>());
    assert_eq!(seqs(&["-n", "3"]), [23, 24, 25]);
    assert_eq!(seqs(&["-n", "99"]).len(), 25);
    assert_eq!(seqs(&["--since", "21"]), [22, 23, 24, 25]);
    assert_eq!(seqs(&["--since", "1h"]).len(), 25);
    assert_eq!(daemon.run(&["tail", "--since", "soon"]).code, 2);
    assert_eq!(daemon.run(&["tail", "--kinds", "create,foo"]).code, 2);
    assert_eq!(daemon.run(&["tail", "data", "--kinds", "run,gap", "--no-follow"]).code, 0);
    assert_eq!(daemon.state().asked.iter().filter(|q| q.contains(r#"["data"] ["run", "gap"]"#)).count(), 5);
}

#[test]
fn names_are_escaped_for_people_and_exact_in_json() {
    let daemon = Daemon::with(State { records: vec![record(1, b"/data/\xff\n\x1b[2J")], ..State::default() });
    let said = daemon.run(&["tail", "--no-follow"]);
    assert_eq!(said.out.lines().count(), 1);
    assert!(said.out.contains(r"/data/\xff\n\e[2J"), "{}", said.out);
    let said = daemon.run(&["tail", "--no-follow", "--json"]);
    let object: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(object["path_bytes"], "L2RhdGEv/wobWzJK");
}

#[test]
fn what_retention_took_is_said() {
    let daemon = with_records(8..=8);
    daemon.state().missed = 7;
    let said = daemon.run(&["tail", "--since", "0", "--no-follow", "-q"]);
    assert!(said.out.lines().count() == 1 && said.err.contains("7 records"), "{said:?}");
    daemon.state().missed = 7;
    let said = daemon.run(&["tail", "--since", "0", "--no-follow", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&said.err).unwrap()["missed"], 7);
}

#[test]
fn following_shows_only_what_is_new_and_survives_a_restart() {
    let mut daemon = with_records(1..=3);
    let mut tail = Follower::start(&daemon, &["tail", "--json"]);
    daemon.state().records.push(record(4, b"/data/4"));
    assert_eq!(tail.seq(), 4);
    daemon.vanish();
    daemon.state().records.push(record(5, b"/data/5"));
    daemon.listen();
    assert_eq!(tail.seq(), 5);
    daemon.state().records.push(record(9, b"/data/9"));
    assert_eq!(tail.seq(), 9);
    tail.child.kill().unwrap();
    let (_, err) = tail.end();
    assert!(err.contains("went away") && err.contains("is back"), "{err}");
}

#[test]
fn another_journal_is_told_and_shown_from_its_beginning() {
    let mut daemon = with_records(1..=30);
    let mut tail = Follower::start(&daemon, &["tail", "--json"]);
    daemon.vanish();
    daemon.state().records = vec![record(1, b"/data/new")];
    daemon.listen();
    assert_eq!(tail.seq(), 1);
    tail.child.kill().unwrap();
    assert!(tail.end().1.contains(r#"{"journal":"new""#));
}

#[test]
fn a_daemon_that_does_not_come_back_ends_it_with_3() {
    let mut daemon = with_records(1..=3);
    let mut tail = Follower::start(&daemon, &["tail"]);
    daemon.vanish();
    let (code, err) = tail.end();
    assert_eq!(code, Some(3), "{err}");
    assert!(err.contains("fsmond --foreground"), "{err}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let daemon = with_records(1..=3);
    let mut tail = Follower::start(&daemon, &["tail", "-n", "1"]);
    assert!(tail.line().contains("/data/3"));
    // Now the reading end is closed, so that the next record cannot be written.
    tail.lines = None;
    daemon.state().records.push(record(4, b"/data/4"));
    assert_eq!(tail.end(), (Some(0), String::new()));
    // And so it does while nothing happens.
    let mut tail = Follower::start(&daemon, &["tail"]);
    tail.lines = None;
    assert_eq!(tail.end(), (Some(0), String::new()));
}

#[test]
fn ctrl_c_ends_it_with_130() {
    let daemon = with_records(1..=3);
    let mut tail = Follower::start(&daemon, &["tail"]);
    kill(Pid::from_raw(i32::try_from(tail.child.id()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(tail.end(), (Some(130), String::new()));
}

#[test]
fn ctrl_c_ends_it_also_while_nobody_reads() {
    // One page of these is more than a pipe holds.
    let long = [b"/".as_slice(), &vec![b'a'; 40_000]].concat();
    let daemon = Daemon::with(State { records: vec![record(1, &long), record(2, &long)], ..State::default() });
    let mut child = daemon.ctl(&["tail", "-n", "2"]).stdout(Stdio::piped()).spawn().unwrap();
    until("tail has asked", || !daemon.state().asked.is_empty());
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let mut code = None;
    until("tail has ended", || {
        code = child.try_wait().unwrap();
        code.is_some()
    });
    assert_eq!(code.unwrap().code(), Some(130));
}
