//! Bad input: a short error that says what to do, the exit code of the contract, and nothing changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use fsmon_tests::{Daemon, DaemonOptions, Ran, process};

/// A call of fsmonctl that is refused.
struct Bad {
    args: &'static [&'static str],
    code: i32,
    /// A word that the error must hold.
    says: &'static str,
}

const BAD: &[Bad] = &[
    Bad { args: &["add", "/no/such/folder"], code: 1, says: "/no/such/folder" },
    Bad { args: &["add", "/dev/null"], code: 1, says: "/dev/null" },
    Bad { args: &["add", "/proc"], code: 1, says: "/proc" },
    Bad { args: &["show", "nobody"], code: 1, says: "nobody" },
    Bad { args: &["remove", "nobody"], code: 1, says: "nobody" },
    Bad { args: &["remove", "data", "nobody"], code: 1, says: "nobody" },
    Bad { args: &["pause", "nobody"], code: 1, says: "nobody" },
    Bad { args: &["resume", "nobody"], code: 1, says: "nobody" },
    Bad { args: &["run-now", "nobody"], code: 1, says: "nobody" },
    Bad { args: &["set", "nobody", "--settle", "1s"], code: 1, says: "nobody" },
    Bad { args: &["set-interval", "nobody", "1h"], code: 1, says: "nobody" },
    Bad { args: &["tail", "nobody", "--no-follow"], code: 1, says: "nobody" },
    Bad { args: &["runs", "nobody"], code: 1, says: "nobody" },
    Bad { args: &["logs", "999999"], code: 1, says: "999999" },
    Bad { args: &["set-interval", "data", "soon"], code: 2, says: "soon" },
    Bad { args: &["set-interval", "data", "-5s"], code: 2, says: "-5s" },
    Bad { args: &["set-interval", "data", "1ms"], code: 2, says: "100ms" },
    Bad { args: &["set-interval", "data", "999999999999999999999d"], code: 2, says: "999" },
    Bad { args: &["set", "data", "--settle", "quick"], code: 2, says: "quick" },
    Bad { args: &["set", "data", "--include", "[z-a"], code: 2, says: "[z-a" },
    Bad { args: &["set", "data", "--include", "a{b"], code: 2, says: "a{b" },
    Bad { args: &["set", "data", "--concurrency", "0"], code: 2, says: "concurrency" },
    Bad { args: &["set", "data", "--min-size", "3X"], code: 2, says: "3X" },
    Bad { args: &["set", "data", "--min-size", "3M", "--max-size", "2M"], code: 2, says: "min-size" },
    Bad { args: &["set", "data", "--env", "FSMON_PATH=x"], code: 2, says: "FSMON_" },
    Bad { args: &["set", "data", "--kinds", "open"], code: 2, says: "open" },
    Bad { args: &["set", "data", "--backend", "magic"], code: 2, says: "magic" },
    Bad { args: &["set", "data", "--", "sh", "-c", "rm {path}"], code: 2, says: "{path}" },
    Bad { args: &["set", "data", "--", "{path}"], code: 2, says: "{path}" },
    Bad { args: &["add", "--name", "no spaces", "."], code: 2, says: "no spaces" },
    Bad { args: &["frobnicate"], code: 2, says: "frobnicate" },
    Bad { args: &["add", "--frobnicate", "."], code: 2, says: "frobnicate" },
    Bad { args: &["log-level", "loud"], code: 2, says: "loud" },
];

#[test]
fn each_bad_call_is_refused_with_its_code_and_changes_nothing() {
    let d = Daemon::start();
    d.add(&[], &[]);
    let before = d.show("data")["rules"].clone();
    let mut wrong = Vec::new();
    for bad in BAD {
        let ran = d.ctl(bad.args);
        let err = ran.complaint();
        let fine = ran.code == bad.code
            && err.to_lowercase().contains(&bad.says.to_lowercase())
            && !err.contains("panicked")
            && ran.out.is_empty()
            && (bad.code == 2 || err.lines().count() <= 2);
        if !fine {
            wrong.push(format!(
                "{:?}: code {} (wanted {}, '{}'): {}{err}",
                bad.args,
                ran.code,
                bad.code,
                bad.says,
                ran.text()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), BAD.len(), wrong.join("\n"));
    assert_eq!(d.show("data")["rules"], before);
    assert_eq!(d.json(["list"]).len(), 1);
}

#[test]
fn an_error_is_one_json_object_where_json_is_asked_for() {
    let d = Daemon::start();
    for (args, kind) in [(["show", "nobody"], "not_found"), (["set-interval", "nobody"], "usage")] {
        let ran = d.ctl(["--json"].into_iter().chain(args));
        let error: serde_json::Value = serde_json::from_str(ran.complaint().trim()).expect("one line of JSON");
        assert_eq!(error["error"]["kind"], kind, "{error}");
        assert!(error["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
    }
}

#[test]
fn a_relative_path_is_made_absolute_where_it_was_typed() {
    let d = Daemon::start();
    let sub = d.dir("here/sub");
    let mut add = d.fsmonctl(["add", "./sub"]);
    Ran::command(add.current_dir(d.base().join("here"))).ok();
    assert_eq!(d.show("sub")["path"].as_str(), sub.to_str());
    let mut show = d.fsmonctl(["--json", "show", "sub/"]);
    let by_path = Ran::command(show.current_dir(d.base().join("here"))).ok();
    assert_eq!(by_path.json()[0]["name"], "sub", "a watch is known by its path too");
}

#[test]
fn the_same_path_twice_needs_a_name() {
    let d = Daemon::start();
    let root = d.root();
    let path = root.to_str().unwrap();
    d.add(&[], &[]);
    d.ctl(["add", path]).refused(1, "--name");
    d.ctl(["add", "--name", "data", d.dir("other").to_str().unwrap()]).refused(1, "data");
    d.ok(["add", "--name", "again", path]);
    let both = d.ctl(["show", path]).refused(1, "again");
    assert!(both.complaint().contains("data"), "a path that names two is refused with both: {}", both.complaint());
}

#[test]
fn a_folder_that_may_not_be_read_is_refused() {
    let d = Daemon::start_with(DaemonOptions { as_nobody: process::is_root(), ..DaemonOptions::default() });
    let closed = d.dir("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let ran = d.ctl(["add", closed.to_str().unwrap()]);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    ran.refused(1, "closed");
}

#[test]
fn a_file_that_may_not_be_read_is_reported_and_stops_nothing() {
    let d = Daemon::start_with(DaemonOptions { as_nobody: process::is_root(), ..DaemonOptions::default() });
    let (root, job) = (d.root(), d.dir("job"));
    let script = format!(r#"cat "$1" >> {}/out"#, job.display());
    d.add(&["--retries", "0"], &["/bin/sh", "-c", &script, "sh", "{path}"]);
    fs::write(root.join("secret"), "x").unwrap();
    fs::set_permissions(root.join("secret"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::write(root.join("open"), "readable").unwrap();
    d.until("the readable one has run", || {
        fs::read_to_string(job.join("out")).is_ok_and(|text| text.contains("readable"))
    });
    if process::is_root() {
        d.until("the other is set aside", || d.show("data")["failed"] == 1);
    }
}

#[test]
fn a_bad_config_is_refused_with_file_and_line() {
    let cases = [
        ("[daemon]\nfrobnicate = 1\n", "frobnicate", 2),
        ("[[watch]]\nname = \"a\"\npath = \"/tmp\"\n\nsettle = \"quick\"\n", "quick", 5),
        ("[[watch]]\nname = \"a b\"\npath = \"/tmp\"\n", "a b", 2),
        ("[[watch]]\nname = \"a\"\npath = \"/tmp\"\n[[watch]]\nname = \"a\"\npath = \"/usr\"\n", "a", 5),
        ("[defaults]\nevery = 5\n", "every", 2),
        ("this is not TOML\n", "TOML", 1),
    ];
    for (text, word, line) in cases {
        let mut d = Daemon::prepare(DaemonOptions { config: Some(text.into()), ..DaemonOptions::default() });
        for background in [false, true] {
            let (code, said) = if background {
                let ran = d.start_in_background();
                (Some(ran.code), ran.complaint())
            } else {
                let failure = d.try_start().expect_err("a bad config");
                (failure.code, failure.console)
            };
            assert_eq!(code, Some(78), "{text}: {said}");
            let place = format!("{}:{line}", d.config().display());
            let told =
                said.contains(&place) || (said.contains("fsmond.toml") && said.contains(&format!("line {line}")));
            assert!(told, "no file and line {line} for {text}: {said}");
            assert!(word == "TOML" || said.contains(word), "no '{word}': {said}");
        }
    }
}

#[test]
fn a_config_that_others_may_write_is_refused() {
    let mut d = Daemon::prepare(DaemonOptions { config: Some(String::new()), ..DaemonOptions::default() });
    fs::set_permissions(d.config(), fs::Permissions::from_mode(0o666)).unwrap();
    let failure = d.try_start().expect_err("anyone could set commands");
    assert!(failure.console.contains("fsmond.toml"), "{}", failure.console);
    fs::set_permissions(d.config(), fs::Permissions::from_mode(0o600)).unwrap();
    d.start_again();
}

#[test]
fn a_watch_from_the_config_can_not_be_changed_by_a_call() {
    let mut d = Daemon::prepare(DaemonOptions::default());
    let root = d.root();
    d.write_config(&format!("[[watch]]\nname = \"fixed\"\npath = \"{}\"\n", root.display()));
    d.start_again();
    d.wait_watching("fixed");
    d.ctl(["set", "fixed", "--settle", "1s"]).refused(1, "fsmond.toml");
    d.ctl(["remove", "fixed"]).refused(1, "fsmond.toml");
}

#[test]
fn without_a_daemon_every_verb_says_so() {
    let d = Daemon::prepare(DaemonOptions::default());
    for args in [&["status"][..], &["list"], &["tail"], &["add", "/tmp"], &["run-now"], &["stop"]] {
        d.ctl(args).refused(3, "fsmond");
    }
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused_and_the_first_lives_on() {
    let d = Daemon::start();
    d.add(&[], &[]);
    let mut second = d.fsmond();
    let ran = Ran::command(second.arg("--foreground"));
    assert_eq!(ran.code, 1, "{}", ran.complaint());
    assert!(ran.complaint().contains("already"), "{}", ran.complaint());
    let mut other_state = Command::new(fsmon_tests::programs::fsmond());
    other_state.args(["--foreground", "--state-dir"]).arg(d.dir("state2")).arg("--socket").arg(d.socket());
    let ran = Ran::command(&mut other_state);
    assert_eq!(ran.code, 1, "the same socket with another state: {}", ran.complaint());
    assert_eq!(d.json(["list"]).len(), 1, "the first is unharmed");
}
