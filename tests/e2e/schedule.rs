//! Schedules as people meet them: cron lines, one run for all that changed, and clocks that are set under a daemon.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fsmon_tests::wait::{LIMIT, until};
use fsmon_tests::{Daemon, DaemonOptions};
use serde_json::Value;

/// A command that appends what it reads to `seen`, and one line to `starts` and `ends`.
fn reader(folder: &Path, more: &str) -> [String; 3] {
    let script = format!(
        "cd {}; echo \"$FSMON_EVENT_ID $FSMON_PATH\" >> starts; cat >> seen; {more} && echo >> ends",
        folder.display()
    );
    ["/bin/sh".into(), "-c".into(), script]
}

fn add_reader(d: &Daemon, options: &[&str], more: &str) -> PathBuf {
    let folder = d.dir("reader");
    let command = reader(&folder, more);
    let mut options = options.to_vec();
    options.push("--no-path");
    d.add(&options, &command.each_ref().map(String::as_str));
    folder
}

fn lines(path: PathBuf) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// What was read, as `kind name`, sorted.
fn seen(folder: &Path) -> Vec<String> {
    let parsed = lines(folder.join("seen")).into_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let mut all: Vec<String> = parsed
        .map(|change| {
            let path = change["path"].as_str().unwrap();
            format!("{} {}", change["kind"].as_str().unwrap(), path.rsplit('/').next().unwrap())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn one_run_is_given_all_that_changed_since_it_last_succeeded() {
    let mut d = Daemon::start();
    let root = d.root();
    fs::write(root.join("old"), "old").unwrap();
    let folder = add_reader(&d, &["--on-schedule", "once", "--retries", "0"], "test ! -e fails");
    fs::write(root.join("new"), "1").unwrap();
    fs::write(root.join("odd\nname"), "1").unwrap();
    fs::remove_file(root.join("old")).unwrap();
    d.until("three changes wait", || d.show("data")["pending"] == 3);
    fs::write(folder.join("fails"), "").unwrap();
    d.ctl(["run-now", "data", "--wait"]).with_code(6);
    assert_eq!(seen(&folder), ["create new", "create odd\nname", "delete old"]);
    // What failed is given again, deletes too, by a daemon that has forgotten nothing.
    d.kill9();
    fs::remove_file(folder.join("fails")).unwrap();
    fs::remove_file(folder.join("seen")).unwrap();
    d.start_again();
    d.wait_watching("data");
    assert_eq!(d.show("data")["pending"], 3);
    d.ok(["run-now", "data", "--wait"]);
    assert_eq!(seen(&folder), ["create new", "create odd\nname", "delete old"]);
    fs::remove_file(folder.join("seen")).unwrap();
    d.ok(["run-now", "data", "--wait"]);
    assert_eq!(seen(&folder), [""; 0], "nothing changed since");
    let starts = lines(folder.join("starts"));
    assert!(starts.iter().all(|start| start.ends_with(root.to_str().unwrap())), "{starts:?}");
}

#[test]
fn an_occurrence_never_overlaps_the_one_before() {
    let d = Daemon::start();
    let folder = add_reader(&d, &["--on-schedule", "once", "--every", "200ms"], "sleep 1");
    let tail = d.tail();
    let count = |name: &str| lines(folder.join(name)).len();
    d.until("three runs have ended", || {
        assert!(count("starts") <= count("ends") + 1, "two run at once");
        count("ends") >= 3
    });
    tail.wait_for(LIMIT, "skipped ones are recorded", |lines| {
        lines.iter().any(|l| l.field("status") == "skipped_busy")
    });
}

#[test]
fn a_cron_line_is_due_by_its_zone_and_shows_its_dates() {
    let d = Daemon::start();
    let folder = add_reader(&d, &["--on-schedule", "once", "--cron", "* * * * * *", "--tz", "Asia/Kolkata"], "true");
    d.until("three occurrences have run", || lines(folder.join("ends")).len() >= 3);
    d.ok(["set", "data", "--cron", "30 2 * * *"]);
    let show = d.show("data");
    let dates: Vec<&str> = show["next_dates"].as_array().unwrap().iter().map(|date| date.as_str().unwrap()).collect();
    assert_eq!(dates.len(), 5);
    assert!(dates.iter().all(|date| date.ends_with("T02:30:00+05:30")), "{dates:?}");
    let text = d.ok(["show", "data"]).text();
    assert!(text.contains("cron 30 2 * * * in Asia/Kolkata") && text.contains(dates[4]), "{text}");
    d.ok(["set-interval", "data", "1h"]);
    assert!(d.show("data")["rules"]["cron"].is_null());
}

#[test]
fn what_is_no_schedule_is_refused_by_its_option() {
    let mut d = Daemon::start();
    let root = d.root().to_str().unwrap().to_owned();
    d.ctl(["add", &root, "--cron", "61 * * * *"]).refused(2, "cron '61 * * * *'");
    d.ctl(["add", &root, "--cron", "0 0 30 2 *"]).refused(2, "no date fits");
    d.ctl(["add", &root, "--cron", "@daily", "--tz", "Europe/Pariss"]).refused(2, "tz 'Europe/Pariss'");
    d.ctl(["add", &root, "--cron", "@daily", "--every", "1h"]).refused(2, "--every");
    d.ctl(["add", &root, "--every", "1h", "--jitter", "2h"]).refused(2, "jitter");
    d.add(&["--every", "1h"], &["true"]);
    d.ctl(["set", "data", "--jitter", "2h"]).refused(2, "jitter");
    d.stop();
    d.write_config("[[watch]]\npath = \"/\"\ncron = \"@never\"\n");
    let failure = d.try_start().unwrap_err();
    assert!(failure.code == Some(78) && failure.console.contains("cron '@never'"), "{failure:?}");
}

/// A wall clock that only one daemon sees.
struct Clock {
    file: PathBuf,
}

impl Clock {
    /// A daemon, not yet started, whose wall clock is set to this: `+3h`, or `@2026-03-29 00:59:57`.
    fn daemon(start: &str) -> Option<(Daemon, Self)> {
        let folders = fs::read_dir("/usr/lib").ok()?.flatten();
        let library = folders.map(|f| f.path().join("faketime/libfaketime.so.1")).find(|library| library.exists());
        let Some(library) = library else {
            eprintln!("skipped: libfaketime is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap().keep();
        let clock = Self { file: folder.join("clock") };
        clock.set(start);
        let env = [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", clock.file.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("TZ", "UTC"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Some((Daemon::prepare(DaemonOptions { env, ..DaemonOptions::default() }), clock))
    }

    fn set(&self, to: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{to}\n")).unwrap();
        fs::rename(new, &self.file).unwrap();
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.file.parent().unwrap());
    }
}

/// Longer than the longest nap of a daemon that waits for a time of the day.
const NAP: Duration = Duration::from_secs(150);

#[test]
fn an_interval_goes_on_whatever_is_done_to_the_wall_clock() {
    let Some((mut d, clock)) = Clock::daemon("+0") else { return };
    d.start_again();
    let folder = add_reader(&d, &["--on-schedule", "once", "--every", "300ms"], "true");
    for to in ["-3h", "+3h", "-20000d", "+4000d"] {
        clock.set(to);
        let before = lines(folder.join("ends")).len();
        d.until(&format!("three more at {to}"), || lines(folder.join("ends")).len() >= before + 3);
    }
}

#[test]
fn a_day_without_half_past_two_has_its_run_and_a_day_with_two_of_them_has_one() {
    let line = ["--on-schedule", "once", "--cron", "30 2 * * *", "--tz", "Europe/Paris"];
    let Some((mut d, _clock)) = Clock::daemon("@2026-03-29 00:59:50") else { return };
    d.start_again();
    let folder = add_reader(&d, &line, "true");
    assert_eq!(d.show("data")["next_dates"][0], "2026-03-29T03:00:00+02:00");
    until(NAP, "it runs when the gap ends", || lines(folder.join("ends")).len() == 1);
    assert_eq!(d.show("data")["next_dates"][0], "2026-03-30T02:30:00+02:00");

    let Some((mut d, _clock)) = Clock::daemon("@2026-10-25 00:29:50") else { return };
    d.start_again();
    let folder = add_reader(&d, &line, "true");
    assert_eq!(d.show("data")["next_dates"][0], "2026-10-25T02:30:00+02:00");
    until(NAP, "it runs at the first half past two", || lines(folder.join("ends")).len() == 1);
    assert_eq!(d.show("data")["next_dates"][0], "2026-10-26T02:30:00+01:00");
}

#[test]
fn a_downtime_of_twelve_hours_is_made_up_for_once() {
    let Some((mut d, clock)) = Clock::daemon("+0") else { return };
    d.start_again();
    let folder = add_reader(&d, &["--on-schedule", "once", "--cron", "0 * * * *"], "true");
    d.add_folder("not", &d.dir("not"), &["--cron", "0 0 * * *", "--catch-up", "none"], &["true"]);
    assert_eq!(d.stop(), Some(0));
    clock.set("+30h");
    d.start_again();
    d.until("it is made up for", || lines(folder.join("ends")).len() == 1);
    let tail = d.tail_since(0);
    let told = tail.wait_for(LIMIT, "the other is not", |lines| {
        lines.iter().any(|l| l.field("watch") == "not" && l.field("status") == "skipped_missed")
    });
    assert!(!told.iter().any(|l| l.field("watch") == "not" && l.kind() == "schedule" && l.field("status") == "done"));
    assert_eq!(lines(folder.join("ends")).len(), 1);
}

#[test]
fn a_clock_that_leaps_over_a_date_serves_it_within_a_minute_and_repeats_nothing_when_it_is_set_back() {
    let Some((mut d, clock)) = Clock::daemon("@2026-11-25 01:00:00") else { return };
    d.start_again();
    let folder = add_reader(&d, &["--on-schedule", "once", "--cron", "30 2 * * *", "--tz", "UTC"], "true");
    clock.set("@2026-11-25 03:00:00");
    until(NAP, "what it leapt over has run", || lines(folder.join("ends")).len() == 1);
    clock.set("@2026-11-25 01:30:00");
    d.ok(["set", "data", "--retries", "1"]);
    assert_eq!(d.show("data")["next_dates"][0], "2026-11-26T02:30:00Z");
}
