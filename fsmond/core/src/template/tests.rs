//! Templates as tables.

use std::os::unix::ffi::OsStrExt;

use fsmon_protocol::ErrorKind;
use fsmon_protocol::spec::Options;

use super::*;

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_string()).collect()
}

fn values<'a>(root: &'a [u8], rel: &'a [u8]) -> Values<'a> {
    Values { root, rel, old_path: None, event: "modify", trigger: "file_change", watch: "data", opened: "/dev/fd/3" }
}

fn expanded(words: &[&str], values: &Values<'_>) -> Vec<Vec<u8>> {
    expand(&argv(words), values, true).iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn texts(words: &[&str], values: &Values<'_>) -> Vec<String> {
    expanded(words, values).into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
}

#[test]
fn every_placeholder_has_its_value() {
    let mut v = values(b"/data", b"in/x/report.tar.gz");
    v.old_path = Some(b"/data/in/old");
    for (written, expected) in [
        ("{path}", "/data/in/x/report.tar.gz"),
        ("{rel}", "in/x/report.tar.gz"),
        ("{name}", "report.tar.gz"),
        ("{stem}", "report.tar"),
        ("{ext}", "gz"),
        ("{dir}", "/data/in/x"),
        ("{root}", "/data"),
        ("{old_path}", "/data/in/old"),
        ("{event}", "modify"),
        ("{trigger}", "file_change"),
        ("{watch}", "data"),
        ("{fd}", "/dev/fd/3"),
        ("--in={fd}", "--in=/dev/fd/3"),
        ("a{event}b{watch}c", "amodifybdatac"),
        ("--out={dir}/{stem}.json", "--out=/data/in/x/report.tar.json"),
        // Everything else stays.
        ("{{path}}", "{/data/in/x/report.tar.gz}"),
        ("{pth}", "{pth}"),
        ("{}", "{}"),
        ("${x} {path", "${x} {path"),
        ("{Path}", "{Path}"),
        ("{ path }", "{ path }"),
        ("{é{ext}", "{égz"),
    ] {
        assert_eq!(texts(&["cmd", written, "{path}"], &v)[1], expected, "{written}");
    }
}

#[test]
fn odd_paths_have_the_parts_one_expects() {
    for (root, rel, path, dir, stem, ext) in [
        ("/", "a", "/a", "/", "a", ""),
        ("/", "x/a.b", "/x/a.b", "/x", "a", "b"),
        ("/r", "a", "/r/a", "/r", "a", ""),
        ("/r", ".bashrc", "/r/.bashrc", "/r", ".bashrc", ""),
        ("/r", ".a.b", "/r/.a.b", "/r", ".a", "b"),
        ("/r", "a.", "/r/a.", "/r", "a", ""),
        ("/r", "x.y/a", "/r/x.y/a", "/r/x.y", "a", ""),
        ("/r", "", "/r", "/r", "r", ""),
        ("/in/r.x", "", "/in/r.x", "/in/r.x", "r", "x"),
    ] {
        let got = texts(&["c", "{path}", "{dir}", "{stem}", "{ext}"], &values(root.as_bytes(), rel.as_bytes()));
        assert_eq!(got[1..], [path, dir, stem, ext], "{root} {rel}");
    }
}

#[test]
fn the_path_is_appended_only_without_any_placeholder() {
    let v = values(b"/data", b"a");
    assert_eq!(texts(&["cmd", "-v"], &v), ["cmd", "-v", "/data/a"]);
    assert_eq!(texts(&["cmd", "{event}"], &v), ["cmd", "modify"]);
    assert_eq!(texts(&["cmd", "{pth}"], &v), ["cmd", "{pth}", "/data/a"]);
    assert_eq!(expand(&argv(&["cmd", "-v"]), &v, false).len(), 2);
    assert!(expand(&[], &v, true).is_empty());
}

#[test]
fn a_value_is_never_expanded_again() {
    let v = values(b"/{root}", b"{path}{name}");
    assert_eq!(texts(&["cmd", "{name}:{rel}:{path}"], &v)[1], "{path}{name}:{path}{name}:/{root}/{path}{name}");
}

#[test]
fn no_value_becomes_an_option() {
    let v = values(b"/data", b"-rf");
    for (written, expected) in [
        ("{name}", "./-rf"),
        ("{rel}", "./-rf"),
        ("{stem}", "./-rf"),
        ("{path}", "/data/-rf"),
        ("--file={name}", "--file=-rf"),
        ("x{name}", "x-rf"),
        // A value of nothing before it leaves it at the beginning.
        ("{old_path}{name}", "./-rf"),
        ("{name}{name}", "./-rf-rf"),
    ] {
        assert_eq!(texts(&["cmd", written], &v)[1], expected, "{written}");
    }
    assert_eq!(texts(&["cmd", "{old_path}", "x"], &v), ["cmd", "", "x"], "nothing is still an argument");
}

#[test]
fn bytes_stay_as_they_are() {
    let v = values(b"/d\xff", b"\xfe/a b\n'\"$(id);\xc3.\x80");
    let got = expanded(&["cmd", "{path}", "{name}", "{stem}", "{ext}", "{dir}"], &v);
    assert_eq!(got[1], b"/d\xff/\xfe/a b\n'\"$(id);\xc3.\x80");
    assert_eq!(got[2], b"a b\n'\"$(id);\xc3.\x80");
    assert_eq!(got[3], b"a b\n'\"$(id);\xc3");
    assert_eq!(got[4], b"\x80");
    assert_eq!(got[5], b"/d\xff/\xfe");
}

#[test]
fn code_takes_no_placeholder() {
    let refused: &[&[&str]] = &[
        &["{path}"],
        &["/opt/{name}/run", "x"],
        &["sh", "-c", "cat {path}"],
        &["/bin/sh", "-c", "cat '{path}'"],
        &["bash", "-ec", "x {name}"],
        &["bash", "-c", "--", "x {name}"],
        &["bash", "-c", "-e", "x {name}"],
        &["bash", "-eo", "pipefail", "-c", "x {name}"],
        &["bash", "-c", "-o", "pipefail", "x {name}"],
        &["bash", "-o", "{name}", "-c", "x"],
        &["bash", "--rcfile", "f", "-c", "x ${path}"],
        &["zsh", "-fc", "{event}"],
        &["ksh93", "-c", "{rel}"],
        &["dash", "-c", "{rel}"],
        &["fish", "--command={rel}"],
        &["fish", "--command", "echo {rel}"],
        &["fish", "-c{rel}"],
        &["{fd}"],
        &["sh", "-c", "cat {fd}"],
        &["env", "sh", "-c", "{path}"],
        &["env", "-i", "A=b", "/bin/bash", "-xc", "{path}"],
        &["/usr/bin/env", "-S", "sh -c", "{path}"],
        &["env", "-iS", "sh -c"],
        &["env", "--split-string=sh -c {path}"],
        &["nice", "-n", "5", "env", "sh", "-c", "{path}"],
        &["timeout", "5", "sh", "-c", "{path}"],
        &["busybox", "sh", "-c", "{path}"],
        &["su", "nobody", "-c", "x {path}"],
        &["flock", "/tmp/l", "-c", "x {path}"],
        &["awk", "BEGIN { print \"{name}\" }"],
        &["gawk", "-F", ":", "{ print \"{name}\" }", "f"],
        &["awk", "-v", "n={name}", "{ print n }"],
        &["sed", "-i", "s/x/{name}/", "f"],
        &["sed", "-n", "-e", "p", "-e", "s/x/{name}/e", "f"],
        &["sed", "--expression=s/x/{name}/", "f"],
        &["find", "{dir}", "-exec", "sh", "-c", "echo {name}", ";"],
        &["ssh", "host", "cat {path}"],
        &["ssh", "host", "rm", "{path}"],
        &["watch", "ls", "{path}"],
        &["runuser", "-u", "x", "--", "sh", "-c", "{path}"],
        &["python3", "-c", "open('{path}')"],
        &["python3.12", "-Bc", "open('{path}')"],
        &["perl", "-ne", "print '{path}'"],
        &["perl", "-l", "-e", "print '{path}'"],
        &["lua", "-l", "mod", "-e", "x('{path}')"],
        &["node", "--eval", "x('{path}')"],
        // The path that would be appended would be the script.
        &["sh", "-c"],
        &["sh", "-c", "-e"],
        &["su", "-c"],
    ];
    for words in refused {
        let error = check(&argv(words), Mode::Each).expect_err(&format!("{words:?} must be refused"));
        assert_eq!(error.kind, ErrorKind::Usage);
        assert!(error.hint.is_some(), "{words:?}");
    }
    let error = check(&argv(&["sh", "-c", "cat {path}"]), Mode::Each).unwrap_err();
    assert!(error.message.starts_with("{path} stands in text that 'sh' would run as code"), "{}", error.message);
    assert_eq!(error.hint.as_deref(), Some("hand it over as an argument of its own: -- sh -c '… \"$1\" …' sh {path}"));
}

#[test]
fn arguments_take_placeholders() {
    let accepted: &[&[&str]] = &[
        &[],
        &["cmd"],
        &["cmd", "{path}", "--x={name}"],
        &["sh", "-c", "cat \"$1\"", "sh", "{path}"],
        &["sh", "-c", "cat \"$1\"", "sh", "{fd}"],
        &["bash", "-euo", "pipefail", "-c", "x ${y} {} {pth}", "bash", "{path}", "{event}"],
        &["sh", "script.sh", "{path}"],
        &["sh", "script.sh", "-c", "{path}"],
        &["sh", "{path}"],
        &["env", "A={path}", "cmd", "{name}"],
        &["env", "-u", "PS", "cmd", "{name}"],
        &["env", "sh", "-c", "x", "sh", "{path}"],
        &["flock", "{path}", "sh", "-c", "x \"$1\"", "sh", "{path}"],
        &["timeout", "5", "cmd", "-c", "{path}"],
        &["grep", "sh", "-c", "{path}"],
        &["rsync", "-e", "ssh", "{path}", "h:"],
        &["python3", "x.py", "-c", "{path}"],
        &["python3", "-c", "import sys", "{path}"],
        &["awk", "{print}", "{path}"],
        &["awk", "-f", "prog.awk", "{path}"],
        &["gawk", "-F:", "-e", "{ print $1 }", "{path}"],
        &["sed", "-i.bak", "s/a/b/", "{path}"],
        &["sed", "-n", "-e", "p", "{path}"],
        &["sed", "-f", "script.sed", "{path}"],
        &["find", "{dir}", "-name", "*.x", "-exec", "rm", "{}", ";"],
        &["find", "{dir}", "-exec", "sh", "-c", "echo \"$1\"", "sh", "{path}", ";"],
        &["ssh", "host", "date"],
    ];
    for words in accepted {
        check(&argv(words), Mode::Each).unwrap_or_else(|e| panic!("{words:?}: {e}"));
    }
}

#[test]
fn a_batch_takes_its_paths_as_arguments_and_nothing_of_one_file() {
    let values = Values { trigger: "manual", watch: "w", ..values(b"/w", b"") };
    let paths: Vec<RawPath> = [&b"/w/a b"[..], b"/w/\xff", b"/w/{root}"].map(RawPath::from).into();
    let expand = |words: &[&str]| expand_batch(&argv(words), &values, paths.iter());
    let expected = |before: &[&str], after: &[&str]| -> Vec<OsString> {
        let paths = paths.iter().map(|path| OsString::from_vec(path.as_bytes().to_vec()));
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        words(before).into_iter().chain(paths).chain(words(after)).collect()
    };
    assert_eq!(expand(&["tar", "cf", "{watch}.tar", "{paths}"]), expected(&["tar", "cf", "w.tar"], &[]));
    assert_eq!(expand(&["mv", "{paths}", "{root}/done"]), expected(&["mv"], &["/w/done"]));
    assert_eq!(expand(&["import", "--all"]), ["import", "--all"]);
    for fine in
        [&["tar", "cf", "{watch}.tar", "{paths}"][..], &["import"], &["sh", "-c", "cat \"$@\"", "sh", "{paths}"]]
    {
        check(&argv(fine), Mode::Batch).unwrap();
    }
    for (words, mode, says) in [
        (&["import", "{path}"][..], Mode::Batch, "about one file"),
        (&["import", "--of={name}"], Mode::Batch, "about one file"),
        (&["import", "{fd}"], Mode::Batch, "about one file"),
        (&["import", "{fd}"], Mode::Worker, "JSON line"),
        (&["import", "--files={paths}"], Mode::Batch, "only a part"),
        (&["import", "{paths}", "{paths}"], Mode::Batch, "twice"),
        (&["sh", "-c", "{paths}"], Mode::Batch, "code"),
        (&["{paths}"], Mode::Batch, "program"),
        (&["import", "{paths}"], Mode::Each, "--mode batch"),
        (&["import", "{paths}"], Mode::Worker, "JSON line"),
        (&["import", "{path}"], Mode::Worker, "JSON line"),
    ] {
        let error = check(&argv(words), mode).unwrap_err();
        let text = format!("{} {}", error.message, error.hint.unwrap_or_default());
        assert!(text.contains(says), "{words:?}: {text}");
    }
}

#[test]
fn what_cannot_be_opened_is_not_asked_for_opened() {
    let rules =
        |words: &[&str], options: Options| Rules::from_options(&Options { command: Some(argv(words)), ..options });
    let with_deletes = || Options { kinds: Some(vec![EventKind::Create, EventKind::Delete]), ..Options::default() };
    let once = || Options { on_schedule: Some(OnSchedule::Once), ..Options::default() };
    for options in [with_deletes(), once(), Options::default()] {
        check_command(&rules(&["import", "{path}", "{pth}"], options)).unwrap();
    }
    check_command(&rules(&["import", "--in={fd}", "{name}"], Options::default())).unwrap();
    for (options, says) in [(with_deletes(), "deleted"), (once(), "on-schedule once")] {
        let error = check_command(&rules(&["import", "--in={fd}"], options)).unwrap_err();
        assert!(error.message.contains(says) && error.hint.is_some(), "{error:?}");
    }
    assert!(takes_file(&argv(&["import", "x{fd}"])) && !takes_file(&argv(&["{fd}", "{path}"])));
}
