//! The units as they are shipped: systemd understands every line, and they limit as much as is said of them.
//!
//! What they do is tried in a booted systemd by `tests/systemd/run.sh`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fsmon_tests::{Ran, programs};

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("packaging/systemd")
}

/// A folder with a copy of the units that calls the programs where they are here. None where systemd is missing.
fn copied() -> Option<tempfile::TempDir> {
    if programs::installed("systemd-analyze").is_none() {
        println!("skipped: systemd-analyze is not installed");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("user")).unwrap();
    for unit in ["fsmond.service", "fsmond.socket", "fsmond@.service", "user/fsmond.service"] {
        let text = fs::read_to_string(units().join(unit)).unwrap();
        let text = text.replace("/usr/bin/fsmonctl", programs::fsmonctl().to_str().unwrap());
        let text = text.replace("/usr/bin/fsmond ", &format!("{} ", programs::fsmond().display()));
        fs::write(folder.path().join(unit), text).unwrap();
    }
    Some(folder)
}

fn analyze(folder: &Path, args: &[&str]) -> Ran {
    // For `--user` there has to be a folder for run time, as a login makes one.
    Ran::command(Command::new("systemd-analyze").current_dir(folder).env("XDG_RUNTIME_DIR", folder).args(args))
}

const VERIFY: [&str; 3] = ["verify", "--man=no", "--recursive-errors=yes"];

/// The line with which `systemd-analyze security` ends.
fn score(folder: &Path, unit: &str, most: &str) -> Ran {
    let threshold = format!("--threshold={most}");
    analyze(folder, &["security", "--offline=true", "--no-pager", &threshold, unit])
}

#[test]
fn systemd_understands_every_line() {
    let Some(folder) = copied() else { return };
    let folder = folder.path();
    fs::rename(folder.join("fsmond@.service"), folder.join("fsmond@alice.service")).unwrap();
    let system = ["./fsmond.service", "./fsmond.socket", "./fsmond@alice.service"];
    let ran = analyze(folder, &[&VERIFY[..], &system].concat()).ok();
    assert!(ran.complaint().is_empty(), "{}", ran.complaint());
    let ran = analyze(folder, &[&VERIFY[..], &["--user", "./user/fsmond.service"]].concat()).ok();
    assert!(ran.complaint().is_empty(), "{}", ran.complaint());

    let broken = fs::read_to_string(folder.join("fsmond.service")).unwrap().replace("WatchdogSec", "WatchdogSeconds");
    fs::write(folder.join("fsmond.service"), broken).unwrap();
    assert_ne!(analyze(folder, &[&VERIFY[..], &["./fsmond.service"]].concat()).code, 0, "a wrong line is noticed");
}

#[test]
fn the_units_limit_as_much_as_is_said() {
    let Some(folder) = copied() else { return };
    let folder = folder.path();
    score(folder, "fsmond.service", "50").ok();
    score(folder, "fsmond@.service", "50").ok();
    // A drop-in is read after the unit; offline, the two in one file are the same.
    let with = |drop_in: &str| {
        let texts =
            [folder.join("fsmond.service"), units().join(drop_in)].map(|file| fs::read_to_string(file).unwrap());
        let own = folder.join(drop_in.trim_end_matches(".conf"));
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("fsmond.service"), texts.concat()).unwrap();
        own
    };
    let strict = with("strict.conf");
    score(&strict, "fsmond.service", "12").ok();
    analyze(&strict, &[&VERIFY[..], &["./fsmond.service"]].concat()).ok();
    let root = with("root.conf");
    analyze(&root, &[&VERIFY[..], &["./fsmond.service"]].concat()).ok();
}

#[test]
fn the_two_services_of_the_system_limit_the_same() {
    let limits = |unit: &str| {
        let text = fs::read_to_string(units().join(unit)).unwrap();
        let (_, limits) = text.split_once("CapabilityBoundingSet=").unwrap();
        let (limits, _) = limits.split_once("[Install]").unwrap();
        limits.trim().to_owned()
    };
    assert_eq!(limits("fsmond.service"), limits("fsmond@.service"));
}

#[test]
fn the_config_that_is_installed_is_good_with_and_without_its_comments() {
    let text = fs::read_to_string(units().parent().unwrap().join("fsmond.toml")).unwrap();
    // A setting that is a comment begins right after its sign; what is meant for people has a space there.
    let setting = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest.to_owned(),
        _ => line.to_owned(),
    };
    let all: Vec<String> = text.lines().map(setting).collect();
    let folder = tempfile::tempdir().unwrap();
    for (text, watches) in [(text, "0 watches"), (all.join("\n"), "1 watches")] {
        let file = folder.path().join("fsmond.toml");
        fs::write(&file, text).unwrap();
        let ran = Ran::command(Command::new(programs::fsmond()).arg("--check-config").arg("--config").arg(file)).ok();
        assert!(ran.text().contains(watches), "{}", ran.text());
    }
}
