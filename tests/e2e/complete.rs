//! Only complete files run, however they are written, and however they are noticed: exactly one run, on all of it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use fsmon_tests::job::sum_of;
use fsmon_tests::wait::pause_until;
use fsmon_tests::{Daemon, Job, ctl, programs};

/// Writes a MiB each `beat`, and does `between` after each; the file is open all the time.
fn write_slowly(file: &mut File, mibs: u8, beat: Duration, mut between: impl FnMut(u8)) {
    let start = Instant::now();
    for n in 0..mibs {
        file.write_all(&vec![n; 1 << 20]).unwrap();
        between(n);
        pause_until(start + beat * (u32::from(n) + 1));
    }
}

/// One run of the file, on what it holds now, and no run of anything else.
#[track_caller]
fn one_run(d: &Daemon, watch: &str, job: &Job, file: &Path) {
    d.until(&format!("'{watch}' has run it"), || job.is_done(file));
    d.wait_idle(watch);
    let runs = job.runs();
    assert_eq!(runs.len(), 1, "{watch}: {runs:?}");
    assert_eq!((runs[0].path.as_path(), runs[0].sum.as_str()), (file, sum_of(file).as_str()), "{watch}");
}

#[test]
fn a_file_that_is_written_for_ten_seconds_runs_once_live_polled_and_over_a_restart() {
    let mut d = Daemon::start();
    let (root, live, polled) = (d.root(), Job::logging(&d.dir("live")), Job::logging(&d.dir("polled")));
    d.add_folder("live", &root, &[], &[&live.command()]);
    d.add_folder("polled", &root, &["--backend", "poll", "--poll-interval", "500ms"], &[&polled.command()]);
    let path = root.join("slow");
    let mut file = File::create(&path).unwrap();
    write_slowly(&mut file, 10, Duration::from_secs(1), |n| {
        if n == 4 {
            d.kill9();
            d.start_again();
        }
    });
    assert!(live.runs().is_empty() && polled.runs().is_empty(), "{:?} {:?}", live.runs(), polled.runs());
    drop(file);
    one_run(&d, "live", &live, &path);
    one_run(&d, "polled", &polled, &path);
}

#[test]
fn an_upload_that_sets_an_old_time_at_its_end_runs_once() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.add(&["--settle", "1s"], &[&job.command()]);
    let path = root.join("scp");
    let mut file = File::create(&path).unwrap();
    write_slowly(&mut file, 3, Duration::from_millis(700), |_| {});
    drop(file);
    ctl::shell(&root, "touch -d 2001-01-01 scp; chmod 640 scp");
    one_run(&d, "data", &job, &path);
}

#[test]
fn rsync_with_a_file_of_its_own_or_in_place_runs_once() {
    if programs::installed("rsync").is_none() {
        eprintln!("skipped: rsync is not installed");
        return;
    }
    for how in ["", "--inplace"] {
        let d = Daemon::start();
        let (root, outside, job) = (d.root(), d.dir("outside"), d.job());
        let path = root.join("big");
        fs::write(&path, vec![1; 2 << 20]).unwrap();
        fs::write(outside.join("big"), vec![2; 3 << 20]).unwrap();
        d.add(&["--settle", "1s"], &[&job.command()]);
        ctl::shell(d.base(), format!("rsync -at --whole-file --bwlimit=1000 {how} outside/big data/big"));
        one_run(&d, "data", &job, &path);
    }
}

#[test]
fn an_upload_under_another_name_runs_once_under_its_own() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.add(&["--settle", "2s"], &[&job.command()]);
    let (part, path) = (root.join(".big.part"), root.join("big"));
    let mut file = File::create(&part).unwrap();
    write_slowly(&mut file, 3, Duration::from_millis(700), |_| {});
    drop(file);
    fs::rename(&part, &path).unwrap();
    one_run(&d, "data", &job, &path);

    // As OpenSSH's server does it where rename would replace something.
    let (d, part) = (Daemon::start(), ".linked.part");
    let (root, job) = (d.root(), d.job());
    d.add(&["--settle", "2s"], &[&job.command()]);
    let (part, path) = (root.join(part), root.join("linked"));
    let mut file = File::create(&part).unwrap();
    write_slowly(&mut file, 3, Duration::from_millis(700), |_| {});
    drop(file);
    fs::hard_link(&part, &path).unwrap();
    fs::remove_file(&part).unwrap();
    one_run(&d, "data", &job, &path);
}

#[test]
fn a_file_waits_for_its_ready_file_and_for_its_age() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.add(&["--ready-file", "{name}.done", "--include", "*.csv", "--min-age", "1s"], &[&job.command()]);
    let path = root.join("x.csv");
    fs::write(&path, "complete").unwrap();
    fs::write(root.join("y.csv.done"), "").unwrap();
    d.until("it waits", || d.show("data")["pending"] == 1);
    assert!(job.runs().is_empty());
    fs::write(root.join("x.csv.done"), "").unwrap();
    one_run(&d, "data", &job, &path);
    d.ctl(["set", "data", "--ready-file", "{path}"]).refused(2, "ready-file");
    assert_eq!(d.show("data")["rules"]["ready_file"], "{name}.done");
}
