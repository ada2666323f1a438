//! The config reader: what it takes, and the exact line of every fault.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use fsmon_protocol::units::{Span, SpanOrOff};

use super::*;

const FULL: &str = r#"
[daemon]
socket = "/run/fsmond/fsmond.sock"
socket_mode = "0660"
socket-group = "staff"
operators = ["alice", "@staff"]
readers = ["@4711"]
log-level = "debug"
log_file = "/var/log/fsmond/filesystem_monitor.log"
log-format = "json"
log-max-size = "20M"
log-keep = 3
retention-days = 14
retention-size = "1G"
max-runs = 8

[defaults]
settle = "200ms"
on_schedule = "all"

[[watch]]
name = "data"
path = "/srv/data"
command = ["/usr/bin/import", "{path}"]
open-quiet = "1m"
every = "off"

[[watch]]
path = "/srv/in"
append_path = false
"#;

/// Stands for the core, which understands globs and templates.
#[allow(clippy::unnecessary_wraps, reason = "it has the type of a check")]
fn anything(_: &Rules) -> Result<(), ApiError> {
    Ok(())
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/fsmond/fsmond.toml"), &anything)
}

#[test]
fn everything_that_may_be_written_is_read() {
    let config = parse(FULL).unwrap();
    assert_eq!(config.daemon.socket_mode, Some(SocketMode(0o660)));
    assert_eq!(config.daemon.socket_group.as_ref().map(GroupName::shown).as_deref(), Some("staff"));
    assert_eq!(
        config.daemon.operators.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["the user 'alice'", "the group 'staff'"]
    );
    assert_eq!((config.daemon.admins.len(), config.daemon.readers.len()), (0, 1));
    assert_eq!(config.daemon.log_level, Some(Level::Debug));
    assert_eq!(config.daemon.log_format, Some(Format::Json));
    assert_eq!(config.daemon.log_max_size, Some(Size(20 << 20)));
    assert_eq!(config.daemon.max_runs, Some(8));
    assert_eq!(config.daemon.rotation(), Rotation { max_size: 20 << 20, keep: 3, ..Rotation::default() });
    assert_eq!(config.defaults.settle, Some(Span::millis(200)));
    let [data, second] = config.watches.as_slice() else { panic!("{:?}", config.watches) };
    assert_eq!((data.name.as_str(), data.path.as_str()), ("data", "/srv/data"));
    assert_eq!(data.options.every, Some(SpanOrOff::Off));
    assert_eq!(data.options.settle, None, "defaults are not mixed in");
    assert_eq!(second.name, "in", "the last component of the path");
    assert_eq!(second.options.append_path, Some(false));
    assert_eq!(parse("").unwrap().watches, []);
}

/// Text, and the faults that are told: line, and what the message has in it.
type Case = (&'static str, &'static [(usize, &'static str)]);

const FAULTS: &[Case] = &[
    ("[daemon\n", &[(1, "")]),
    ("\n\n= 3\n", &[(3, "")]),
    ("[daemon]\nsocket = \"/a\"\nsocket = \"/b\"\n", &[(3, "duplicate key")]),
    ("[deamon]\n", &[(1, "unknown table or key 'deamon'")]),
    ("\nretention-days = 3\n", &[(2, "there are [daemon]")]),
    ("[[daemon]]\n", &[(1, "once only")]),
    ("daemon = 3\n", &[(1, "is a table")]),
    ("[daemon]\nadmin = [\"eve\"]\n", &[(2, "did you mean 'admins'?")]),
    ("[daemon]\n\nadmins = \"eve\"\n", &[(3, "admins: invalid type")]),
    ("[daemon]\nreaders = [\"a\", \"b c\"]\n", &[(2, "readers: 'b c' is no name of a user or group")]),
    ("[daemon]\nsocket-group = \"@staff\"\n", &[(2, "socket-group: '@staff' is no name")]),
    ("[daemon]\n\nlog-lvel = \"info\"\n", &[(3, "did you mean 'log-level'?")]),
    ("[daemon]\nlog-level = \"loud\"\n", &[(2, "log-level: ")]),
    ("[daemon]\nsocket = \"run/x\"\n", &[(2, "socket 'run/x' is a relative path")]),
    ("[daemon]\nlog_file = \"~/x\"\n", &[(2, "'~' and variables are not expanded")]),
    ("[daemon]\nsocket_mode = \"0777\"\n", &[(2, "socket-mode: '0777' is not a socket's mode in octal")]),
    ("[daemon]\nsocket_mode = 660\n", &[(2, "socket-mode: invalid type")]),
    ("[daemon]\nmax-runs = 0\n", &[(2, "max-runs is less than 1")]),
    ("[daemon]\nlog-keep = -1\n", &[(2, "log-keep: ")]),
    ("[daemon]\nlog_level = \"info\"\nlog-level = \"warn\"\n", &[(3, "log-level is given twice, first in line 2")]),
    ("[defaults]\nevery = \"2 fortnights\"\n", &[(2, "every: '2 fortnights' is not a duration")]),
    ("[defaults]\nconcurrency = 0\n", &[(2, "concurrency is 0")]),
    ("[defaults]\nmin-size = \"2K\"\nmax-size = \"1K\"\n", &[(1, "min-size 2K is more than max-size 1K")]),
    ("[watch]\npath = \"/a\"\n", &[(1, "with two brackets")]),
    ("[[watch]]\nname = \"a\"\n", &[(1, "this watch has no path")]),
    ("[[watch]]\npath = \"a/b\"\n", &[(2, "path 'a/b' is a relative path")]),
    ("[[watch]]\npath = \"~/in\"\n", &[(2, "not expanded")]),
    ("[[watch]]\npath = \"/\"\n", &[(2, "write name = ")]),
    ("[[watch]]\npath = 5\n", &[(2, "path: invalid type")]),
    ("[[watch]]\nname = \"a b\"\npath = \"/a\"\n", &[(2, "'a b' can't be the name")]),
    ("[[watch]]\npath = \"/a\"\nincldue = []\n", &[(3, "watch 'a': unknown key 'incldue'; did you mean 'include'?")]),
    ("[[watch]]\npath = \"/a\"\nno-recursive = true\n", &[(3, "write recursive = false")]),
    ("[[watch]]\npath = \"/a\"\ncommand = \"x\"\n", &[(3, "watch 'a': command: invalid type")]),
    ("[[watch]]\npath = \"/a\"\nkinds = [\n \"create\",\n \"explode\"]\n", &[(5, "kinds: unknown variant")]),
    ("[[watch]]\npath = \"/a\"\ncwd = \"b\"\n", &[(3, "cwd 'b' is a relative path")]),
    ("[[watch]]\npath = \"/a\"\nenv = [\"FSMON_X=1\"]\n", &[(3, "FSMON_")]),
    (
        "[[watch]]\npath = \"/a\"\n[[watch]]\npath = \"/b/a\"\n",
        &[(4, "two watches are named 'a', the first in line 2")],
    ),
    ("[defaults]\nmin_size = \"2K\"\n[[watch]]\npath = \"/a\"\nmax_size = \"1K\"\n", &[(3, "watch 'a': min-size 2K")]),
    (
        "[defaults]\nmin-size = 2\nmax-size = \"1K\"\nmin_size = \"2K\"\n[[watch]]\npath = \"/a\"\nmax-size = \"1\"\n",
        &[(2, "min-size: invalid type"), (4, "min-size is given twice, first in line 2")],
    ),
    (
        "[[watch]]\npath = \"/a\"\ntimeout = \"0s\"\n[[watch]]\npath = \"/b\"\ntimeout = \"0s\"\n",
        &[(3, "watch 'a': timeout is 0"), (6, "watch 'b': timeout is 0")],
    ),
    (
        "[defaults]\nmin-size = \"2K\"\nmax-size = \"1K\"\n[[watch]]\npath = \"/a\"\n",
        &[(1, "min-size 2K is more than max-size 1K")],
    ),
    (
        "[[watch]]\npath = \"a\"\nsettle = \"x\"\n\n[daemon]\nmax-runs = 0\n[[watch]]\npath = \"/b\"\nfoo = 1\n",
        &[(2, "relative"), (3, "settle: "), (6, "max-runs"), (9, "unknown key 'foo'")],
    ),
    ("[[watch]]\npath = \"/a\"\nbatch-max = 5\n", &[(1, "batch-max makes no sense with mode each")]),
];

#[test]
fn every_fault_is_told_with_file_line_and_key() {
    for (text, expected) in FAULTS {
        let error = parse(text).expect_err(text);
        let told: Vec<_> = error.problems.iter().map(|p| (p.line.unwrap_or(0), p.message.as_str())).collect();
        assert_eq!(told.len(), expected.len(), "{text}: {told:?}");
        for ((line, message), (wanted_line, wanted)) in told.iter().zip(*expected) {
            assert!(line == wanted_line && message.contains(wanted), "{text}: {told:?}");
            assert!(!message.contains('\n'), "{message}");
        }
        assert!(error.to_string().starts_with("/etc/fsmond/fsmond.toml:"), "{error}");
    }
}

#[test]
fn what_the_core_refuses_has_its_line() {
    let no_stars = |rules: &Rules| {
        if rules.include.iter().any(|glob| glob.contains('[')) {
            return Err(ApiError::usage("the glob '[' is not closed").hint("write ]"));
        }
        Ok(())
    };
    let text = "[[watch]]\npath = \"/a\"\nsettle = \"1s\"\ninclude = [\"[\"]\n";
    let error = Config::parse(text, Path::new("c"), &no_stars).unwrap_err();
    assert_eq!(error.to_string(), "c:4: watch 'a': the glob '[' is not closed; write ]");
}

#[test]
fn names_in_messages_can_not_forge_lines() {
    let error = parse("[[watch]]\npath = \"/a\"\n\"x\\n/etc: fine\\u001b[31m\" = 1\n").unwrap_err();
    assert_eq!(error.to_string().lines().count(), 1);
    assert!(!error.to_string().contains('\u{1b}'));
    let error = parse("[[watch]]\npath = \"/a\"\nkinds = [\"x\\n\\u001b\"]\n").unwrap_err();
    assert_eq!(error.to_string().lines().count(), 1);
    assert!(!error.to_string().contains('\u{1b}'));
}

#[test]
fn files_are_read_only_if_they_can_be_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fsmond.toml");
    let load = |must_exist| Config::load(&path, must_exist, &anything);
    assert_eq!(load(false).unwrap(), Config::default(), "none at all is fine");
    assert!(load(true).unwrap_err().to_string().contains("fsmond.toml: No such file"));

    fs::write(&path, FULL).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(load(true).unwrap().file.as_deref(), Some(path.as_path()));
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert!(load(false).unwrap_err().to_string().contains("can be written by everybody"));

    fs::write(&path, b"[daemon]\n# \xff\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert!(load(false).unwrap_err().to_string().contains("line 2 is not UTF-8"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(load(false).unwrap_err().to_string().contains("not a regular file"));
    fs::remove_dir(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(load(false).unwrap_err().to_string().contains("not a regular file"), "and it does not hang");
}

#[test]
fn a_reload_is_the_difference() {
    let old = parse(FULL).unwrap();
    assert!(old.diff(&old).is_empty());
    let text = FULL
        .replace("max-runs = 8", "max-runs = 9")
        .replace("[\"@4711\"]", "[\"@4712\"]")
        .replace("log-keep = 3\n", "")
        .replace("200ms", "300ms")
        .replace("open-quiet = \"1m\"\n", "")
        .replace("/srv/in", "/srv/elsewhere/in");
    let new = parse(&(text + "[[watch]]\npath = \"/new\"\n")).unwrap();
    let diff = old.diff(&new);
    let names = |specs: &[WatchSpec]| specs.iter().map(|w| w.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&diff.added), ["in", "new"]);
    assert_eq!(diff.detached, ["in"], "a watch with another path is another watch");
    assert_eq!(names(&diff.changed), ["data"]);
    assert_eq!(diff.changed[0].options.open_quiet, None);
    assert_eq!(diff.defaults.unwrap().settle, Some(Span::millis(300)));
    assert_eq!((diff.now, diff.at_restart), (vec!["readers", "max-runs"], vec!["log-keep"]));
    assert_eq!(new.diff(&Config::default()).detached, ["data", "in", "new"]);
}
