//! `explain`: for each path one reason that is right, whatever is there or not, and nothing that a reader may not see.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use fsmon_tests::Daemon;
use serde_json::Value;

/// What the only watch of a path says of it.
#[track_caller]
fn explain(d: &Daemon, path: &Path) -> Value {
    let mut told = d.json(["explain".as_ref(), path.as_os_str()]);
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)
}

#[track_caller]
fn text(d: &Daemon, path: &Path) -> String {
    d.ok(["explain".as_ref(), path.as_os_str()]).text()
}

/// What it waits for, in words.
fn waits(told: &Value) -> Vec<&str> {
    told["waits"].as_array().unwrap().iter().map(|one| one["for"].as_str().unwrap()).collect()
}

#[test]
fn what_a_filter_keeps_out_is_told_with_the_pattern_and_what_is_elsewhere_is_refused() {
    let d = Daemon::start();
    let root = d.root();
    d.add(&["--include", "*.csv", "--exclude", "tmp/", "--no-hidden", "--max-depth", "1"], &["true"]);
    fs::create_dir_all(root.join("tmp")).unwrap();
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("tmp/x.csv"), "x").unwrap();
    let in_root = |path: &str| root.join(path);
    for (path, rule, pattern, at) in [
        ("tmp/x.csv", "exclude", Some("tmp/"), "tmp"),
        ("tmp", "exclude", Some("tmp/"), "tmp"),
        ("x.txt", "not_included", None, "x.txt"),
        (".x.csv", "hidden", None, ".x.csv"),
        ("a/b/x.csv", "max_depth", None, "a/b"),
    ] {
        let told = explain(&d, &in_root(path));
        assert_eq!(
            (&told["state"], &told["watched"], &told["rule"]),
            (&"kept_out".into(), &false.into(), &rule.into())
        );
        assert_eq!(told["pattern"].as_str(), pattern, "{told}");
        assert_eq!(told["rule_at"], in_root(at).to_str().unwrap(), "{told}");
        assert!(told["disk"].get("size").is_none_or(Value::is_null), "nothing of what is kept out is told: {told}");
    }
    let said = text(&d, &in_root("tmp/x.csv"));
    assert!(said.contains("not watched: the pattern 'tmp/' of --exclude matches the folder"), "{said}");
    assert!(said.contains("fsmonctl set data --exclude"), "{said}");
    // A relative path is below the working folder, and the folder of the root may be named by its real name.
    let link = d.base().join("link");
    std::os::unix::fs::symlink(&root, &link).unwrap();
    d.ok(["add".as_ref(), link.as_os_str(), "--name".as_ref(), "other".as_ref()]);
    d.wait_watching("other");
    let told = d.json(["explain".as_ref(), in_root("new.csv").as_os_str()]);
    let watches: Vec<_> = told.iter().map(|one| one["watch"].as_str().unwrap()).collect();
    assert_eq!(watches, ["data", "other"]);
    d.ctl(["explain", "/elsewhere/x"]).refused(1, "no watch covers /elsewhere/x");
    d.ctl(["explain".as_ref(), d.base().as_os_str()]).refused(1, "data, other");
    d.ctl(["explain", ""]).with_code(2);
}

#[test]
fn folders_links_missing_paths_and_hostile_names_have_their_reason() {
    let d = Daemon::start();
    let root = d.root();
    d.add(&[], &["true"]);
    fs::create_dir(root.join("folder")).unwrap();
    fs::write(root.join("folder/file"), "x").unwrap();
    std::os::unix::fs::symlink("folder", root.join("link")).unwrap();
    let odd = root.join(std::ffi::OsStr::from_bytes(b"\xff\x1b[31m\n"));
    fs::write(&odd, "xy").unwrap();
    d.until("all are known", || d.show("data")["files"] == 3);
    d.wait_idle("data");
    let state = |path: &str| explain(&d, &root.join(path));
    let (folder, link, below) = (state("folder"), state("link"), state("link/file"));
    assert_eq!((&folder["state"], &folder["type"]), (&"not_a_file".into(), &"dir".into()), "{folder}");
    assert_eq!((&link["state"], &link["disk"]["is"]), (&"not_a_file".into(), &"symlink".into()), "{link}");
    assert_eq!((&below["rule"], &below["disk"]["is"]), (&"through".into(), &"through".into()), "{below}");
    let none = state("none");
    assert_eq!((&none["state"], &none["disk"]["is"]), (&"unknown".into(), &"missing".into()), "{none}");
    assert_eq!(explain(&d, &root)["state"], "not_a_file");
    let told = explain(&d, &odd);
    assert_eq!((&told["state"], &told["size"]), (&"clean".into(), &2.into()), "{told}");
    assert!(told["path_bytes"].is_string(), "{told}");
    let said = text(&d, &odd);
    assert!(said.contains(r"\xff\e[31m\n") && !said.contains('\x1b'), "{said:?}");
}

#[test]
fn a_file_is_told_on_its_way_from_open_to_processed() {
    let d = Daemon::start();
    let root = d.root();
    d.add(&["--ready-file", "{name}.done"], &["true"]);
    let (path, ready) = (root.join("a"), root.join("a.done"));
    let mut file = File::create(&path).unwrap();
    file.write_all(b"four").unwrap();
    d.until("it is seen", || explain(&d, &path)["state"] == "settling");
    let told = explain(&d, &path);
    let open = waits(&told);
    assert!(open[0] == "writer" || open[0] == "close", "{told}");
    assert_eq!(open[1..], ["ready_file"], "{told}");
    drop(file);
    d.until("only its ready file is missing", || waits(&explain(&d, &path)) == ["ready_file"]);
    let told = explain(&d, &path);
    assert_eq!(told["waits"][0]["path"], ready.to_str().unwrap(), "{told}");
    assert_eq!((&told["disk"]["as_known"], &told["disk"]["size"]), (&true.into(), &4.into()), "{told}");
    assert!(text(&d, &path).contains(&format!("its ready file {}", ready.display())));
    d.ok(["pause", "data"]);
    fs::write(&ready, "").unwrap();
    d.until("only the pause keeps it", || waits(&explain(&d, &path)) == ["resume"]);
    assert_eq!(explain(&d, &path)["watch_state"], "paused");
    d.ok(["resume", "data"]);
    d.until("it is processed", || explain(&d, &path)["state"] == "clean");
    let told = explain(&d, &path);
    let run = &d.json(["runs", "data"])[0];
    assert_eq!((&told["processed"]["run"], &told["last"]["status"]), (&run["run"], &"ok".into()), "{told}");
    assert!(text(&d, &path).contains(&format!("processed by run {}", run["run"])));
    assert_eq!(explain(&d, &ready)["runs_not"], "ready_file");
    fs::remove_file(&path).unwrap();
    d.until("it is gone", || explain(&d, &path)["state"] == "unknown");
    assert_eq!(explain(&d, &path)["last"]["run"], run["run"], "its runs are still told");
}

#[test]
fn what_fails_is_told_in_back_off_and_then_set_aside() {
    let d = Daemon::start();
    let root = d.root();
    d.add(&["--retries", "1", "--backoff", "1d"], &["/bin/sh", "-c", "exit 3", "sh", "{path}"]);
    d.add_folder("slow", &d.dir("slow"), &["--no-path"], &["/bin/sleep", "600"]);
    let path = root.join("it's bad");
    fs::write(&path, "x").unwrap();
    d.until("it failed once", || explain(&d, &path)["state"] == "backoff");
    let told = explain(&d, &path);
    assert_eq!((&told["attempts"], waits(&told)), (&1.into(), vec!["backoff"]), "{told}");
    assert!(told["due"].is_string() && told["last"]["exit"] == 3, "{told}");
    assert!(text(&d, &path).contains("attempt 2 of 2"));
    d.ok(["run-now", "data"]);
    d.until("it failed for good", || explain(&d, &path)["state"] == "failed");
    let said = text(&d, &path);
    assert!(said.contains("set aside after 2 attempts"), "{said}");
    assert!(said.contains(r"fsmonctl retry data ") && said.contains(r"it'\''s bad'"), "as a shell takes it: {said}");
    let (first, second) = (d.base().join("slow/1"), d.base().join("slow/2"));
    fs::write(&first, "x").unwrap();
    d.until("one runs", || explain(&d, &first)["state"] == "running");
    fs::write(&second, "x").unwrap();
    d.until("the other waits", || waits(&explain(&d, &second)) == ["place"]);
    fs::write(&first, "xx").unwrap();
    d.until("one more run is to follow", || explain(&d, &first)["again"] == true);
    assert!(text(&d, &first).contains("one more run follows"));
    d.ok(["remove", "slow", "--kill"]);
}
