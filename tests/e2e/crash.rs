//! kill -9 at any moment: nothing lost, and nothing repeated but under the same event id.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fsmon_tests::{Daemon, process, wait};

/// Writes and changes files in `root` until told to stop; says how many there are.
fn writer(root: PathBuf, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<usize> {
    std::thread::spawn(move || {
        let mut n = 0;
        while !stop.load(Ordering::Relaxed) {
            let folder = root.join(format!("d{}", n % 9)).join(format!("e{}", n / 40));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(format!("f{n}")), format!("content {n}")).unwrap();
            if n % 5 == 0 && n > 20 {
                let earlier = n - 17;
                let folder = root.join(format!("d{}", earlier % 9)).join(format!("e{}", earlier / 40));
                fs::write(folder.join(format!("f{earlier}")), format!("changed by {n}")).unwrap();
            }
            n += 1;
            wait::pause(Duration::from_millis(3));
        }
        n
    })
}

#[test]
fn killed_again_and_again_under_load_it_delivers_every_final_content() {
    let mut d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.add(&["--concurrency", "4", "--settle", "20ms"], &[&job.command()]);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = writer(root.clone(), Arc::clone(&stop));
    let kills = 6;
    for kill in 0..kills {
        // At different distances from the start: in the first scan, between start and commit, in full work.
        let seen = job.runs().len();
        d.until("it goes on", || job.runs().len() > seen + kill * 7);
        d.kill9();
        d.start_again();
    }
    stop.store(true, Ordering::Relaxed);
    let written = writer.join().unwrap();
    d.ok(["run-now", "data", "--wait"]);
    d.wait_idle("data");

    let files = fsmon_tests::tree::files(&root);
    assert_eq!(files.len(), written);
    let mut runs: BTreeMap<PathBuf, Vec<_>> = BTreeMap::new();
    for run in job.runs() {
        runs.entry(run.path.clone()).or_default().push(run);
    }
    let mut repeated = 0;
    for file in &files {
        let of = runs.get(file).unwrap_or_else(|| panic!("never ran: {}", file.display()));
        assert_eq!(of.last().unwrap().sum, fsmon_tests::job::sum_of(file), "the final content of {}", file.display());
        let mut ids: BTreeMap<&str, &str> = BTreeMap::new();
        for run in of {
            // A run may see content that is newer than its event; two runs of one content are one event given twice.
            if let Some(sum) = ids.insert(&run.id, &run.sum) {
                repeated += usize::from(sum == run.sum);
            }
        }
        let versions = 1 + usize::from(fs::read_to_string(file).unwrap().starts_with("changed"));
        assert!(ids.len() <= versions + 1, "{}: more ids than versions: {of:?}", file.display());
    }
    assert!(repeated <= kills * 4, "{repeated} repeats: at most what was running at each kill");
    assert_eq!(d.json(["runs", "--failed"]).iter().filter(|run| run["status"] == "failed").count(), 0);
}

#[test]
fn a_command_left_by_a_killed_daemon_is_ended_before_its_file_runs_again() {
    let mut d = Daemon::start();
    let (root, signs) = (d.root(), d.dir("signs"));
    // Each run says who else is running: never anyone. A zombie that nobody reaps does not run.
    let body = format!(
        r#"if [ -e {0}/pid ] && grep -q '^State:[^ZX]*$' "/proc/$(cat {0}/pid)/status" 2>/dev/null; then echo two >> {0}/two; fi
echo $$ > {0}/pid; [ -e {0}/go ] || sleep 300"#,
        signs.display()
    );
    let job = d.job_script(&body);
    d.add(&[], &[&job.command()]);
    let file = root.join("f");
    fs::write(&file, "content").unwrap();
    d.until("it runs", || fs::read_to_string(signs.join("pid")).is_ok_and(|pid| pid.ends_with('\n')));
    let left: u32 = fs::read_to_string(signs.join("pid")).unwrap().trim().parse().unwrap();
    d.until("the start is shown", || d.show("data")["running"] == 1);
    let first = d.json(["runs"])[0]["event_id"].as_str().unwrap().to_owned();
    d.kill9();
    assert!(process::lives(left), "it was left running");
    fs::write(signs.join("go"), "").unwrap();
    d.start_again();
    d.until("it has run", || job.is_done(&file));
    d.wait_idle("data");
    assert!(!signs.join("two").exists(), "never two at once for a file");
    assert!(!process::lives(left));
    assert_eq!(job.runs().len(), 1);
    assert_eq!(job.runs()[0].id, first, "the same version has the same id");
}

#[test]
fn an_attempt_count_outlives_a_kill() {
    let mut d = Daemon::start();
    let (root, tried) = (d.root(), d.dir("signs").join("tried"));
    let script = format!("echo $FSMON_ATTEMPT >> {}; exit 1", tried.display());
    d.add(&["--retries", "3", "--backoff", "300ms"], &["/bin/sh", "-c", &script, "sh", "{path}"]);
    fs::write(root.join("f"), "x").unwrap();
    d.until("it is in back-off after the second attempt", || {
        d.json(["runs", "data", "--failed"]).iter().any(|run| run["attempt"] == 2)
    });
    d.kill9();
    d.start_again();
    d.until("it is set aside", || d.show("data")["failed"] == 1);
    let tried = fs::read_to_string(&tried).unwrap();
    let attempts: Vec<u32> = tried.lines().map(|line| line.parse().unwrap()).collect();
    assert!(attempts.is_sorted() && attempts.last() == Some(&4), "{attempts:?}");
}
