//! Hostile file names: exact for programs, escaped for people, never code and never an option.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use fsmon_tests::{Daemon, Line, Ran, names};

/// Panics if a terminal or a reader of lines could be misled by what was printed.
#[track_caller]
fn harmless(ran: &Ran) {
    let text = std::str::from_utf8(&ran.out).expect("what people read is UTF-8");
    let bad: Vec<char> = text.chars().filter(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}').collect();
    assert!(bad.is_empty(), "{}: {bad:?}", ran.line);
}

#[test]
fn every_name_is_exact_in_the_journal_the_argument_and_the_environment() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.add(&["--concurrency", "2"], &[&job.command()]);
    let tail = d.tail();
    let files: BTreeMap<PathBuf, &str> =
        names::hostile().into_iter().map(|(what, name)| (root.join(name), what)).collect();
    for path in files.keys() {
        fs::write(path, path.as_os_str().as_encoded_bytes()).unwrap();
    }

    let events = tail.up_to_now(&root);
    for (path, what) in &files {
        let told: Vec<_> = events.iter().filter(|line| &line.path() == path).map(Line::kind).collect();
        // On a busy machine one may be told between its making and its writing.
        assert!(matches!(told[..], ["create"] | ["create", "modify"]), "{what}: {told:?}");
    }
    assert!(events.iter().all(|line| files.contains_key(&line.path())), "and nothing else is told");

    d.until("each has run", || job.runs().len() >= files.len());
    d.wait_idle("data");
    let runs = job.runs();
    assert_eq!(runs.len(), files.len(), "each ran once");
    for run in &runs {
        let what = files.get(&run.path).unwrap_or_else(|| panic!("not a name of ours: {:?}", run.path));
        assert_eq!(run.argument, run.path, "{what}");
        assert_eq!(run.sum, fsmon_tests::job::sum_of(&run.path), "{what}");
    }
    let ran: BTreeSet<&PathBuf> = runs.iter().map(|run| &run.path).collect();
    assert_eq!(ran.len(), files.len());
    for folder in [root, d.base().to_owned(), d.base().join("home")] {
        assert!(!folder.join("pwned").exists(), "a name became code in {}", folder.display());
    }
}

#[test]
fn people_read_escaped_names_one_line_for_each() {
    let d = Daemon::start();
    let root = d.root();
    d.add(&["--retries", "0"], &["/bin/false"]);
    let tail = d.tail();
    let count = names::hostile().len();
    for (_, name) in names::hostile() {
        fs::write(root.join(name), "x").unwrap();
    }
    tail.up_to_now(&root);
    d.until("each has failed", || d.show("data")["failed"].as_u64() >= Some(count as u64));

    let told = d.ok(["tail", "-n", "1000", "--no-follow", "--kinds", "create"]);
    harmless(&told);
    assert_eq!(told.text().lines().count(), count + 1, "one line for each, and one for the mark:\n{}", told.text());
    for args in [&["runs", "data"][..], &["runs", "--failed"], &["list"], &["status"], &["show", "data"]] {
        harmless(&d.ok(args));
    }
    let log = d.log();
    assert!(!log.chars().any(|c| c.is_control() && c != '\n'), "the log is escaped");
    assert!(!log.lines().any(|line| line.starts_with("2026-11-23T18:10:00Z ERROR forged")), "no forged line");
}

#[test]
fn a_name_in_an_error_is_escaped_too() {
    let d = Daemon::start();
    let ran = d.ctl(["show", "\u{1b}[31m\nred"]);
    assert_ne!(ran.code, 0);
    assert!(!ran.complaint().contains('\u{1b}'), "{}", ran.complaint());
    assert!(ran.complaint().lines().count() <= 2, "{}", ran.complaint());
}

#[test]
fn a_folder_with_a_hostile_name_can_be_watched() {
    let d = Daemon::start();
    let job = d.job();
    let folder = d.dir("-x $(touch pwned)\n\"quoted\"");
    d.add_folder("odd", &folder, &[], &[&job.command()]);
    assert_eq!(d.show("odd")["path"].as_str().unwrap(), folder.to_str().unwrap());
    fs::write(folder.join("f"), "content").unwrap();
    d.until("it has run", || job.is_done(&folder.join("f")));
    harmless(&d.ok(["list"]));
}

#[test]
fn placeholders_are_replaced_once_and_options_are_kept_from_names() {
    let d = Daemon::start();
    let (root, out) = (d.root(), d.dir("out").join("args"));
    let script = format!(r#"printf '%s\0' "$@" >> {}"#, out.display());
    let command = ["/bin/sh", "-c", &script, "sh", "{name}", "{stem}.{ext}", "{rel}", "[{event}:{trigger}:{watch}]"];
    d.add(&[], &command);
    fs::create_dir(root.join("sub")).unwrap();
    fs::write(root.join("sub/-{path}.txt"), "x").unwrap();
    d.until("it has run", || out.exists() && d.show("data")["pending"] == 0 && d.show("data")["running"] == 0);
    let args = fs::read_to_string(&out).unwrap();
    let args: Vec<&str> = args.split_terminator('\0').collect();
    assert_eq!(args, ["./-{path}.txt", "./-{path}.txt", "sub/-{path}.txt", "[create:file_change:data]"]);
}

#[test]
fn the_event_on_stdin_is_the_line_of_tail() {
    let d = Daemon::start();
    let (root, out) = (d.root(), d.dir("out").join("stdin"));
    let script = format!("cat >> {}", out.display());
    d.add(&["--stdin", "json"], &["/bin/sh", "-c", &script, "sh", "{path}"]);
    let tail = d.tail();
    let path = root.join("it's \"odd\"\n");
    fs::write(&path, "12345").unwrap();
    let told = tail.wait_event("create", &path);
    d.until("it has run", || fs::read_to_string(&out).is_ok_and(|text| text.ends_with('\n')));
    let given: serde_json::Value = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
    for field in ["watch", "kind", "path", "type", "size"] {
        assert_eq!(given[field], told.0[field], "{field} of {given}");
    }
}
