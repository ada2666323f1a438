//! How runs end, by themselves and otherwise, and that nothing of them is left.

use super::leftovers::{Leftover, end_leftovers};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn exit_status_and_signals_are_told_apart() {
    let mut bench = Bench::new();
    for (script, expected) in [
        ("exit 0", Outcome::Exited(0)),
        ("exit 75", Outcome::Exited(75)),
        ("kill -9 $$", Outcome::Signalled(9)),
        ("kill -15 $$", Outcome::Signalled(15)),
    ] {
        assert_eq!(bench.run(&["sh", "-c", script], Options::default()).await.outcome, expected, "{script}");
    }
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_comes_in_order_and_is_private() {
    let mut bench = Bench::new();
    let script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done";
    let ended = bench.run(&["sh", "-c", script], Options::default()).await;
    assert_eq!(bench.printed(1), b"out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n");
    assert_eq!(ended.output_bytes, 36);
    let mode = std::fs::metadata(bench.output_file(1)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A file or a link that is there already is not touched, and the run goes on all the same.
    let victim = bench.root.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, bench.output_file(2)).unwrap();
    let ended = bench.run(&["sh", "-c", "echo x; echo y"], Options::default()).await;
    assert_eq!((ended.outcome, ended.output_bytes, ended.output_dropped), (Outcome::Exited(0), 0, 4));
    assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_output_is_bounded_and_does_not_block() {
    let mut bench = Bench::new();
    let options = Options { output_max: Some(Size(100_000)), ..Options::default() };
    let ended = bench.run(&["sh", "-c", "yes | head -c 1G; echo end >&2"], options).await;
    assert_eq!(ended.outcome, Outcome::Exited(0));
    assert_eq!(ended.output_bytes, 100_000);
    assert_eq!(ended.output_dropped, (1 << 30) + 4 - 100_000);
    assert_eq!(bench.printed(1), b"y\n".repeat(50_000));
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_ends_even_those_that_refuse() {
    let mut bench = Bench::new();
    // The grandchild, too, ignores TERM.
    let script =
        "trap '' TERM; sh -c 'echo $$ > grandchild; while :; do sleep 1; done' & wait; while :; do sleep 1; done";
    let run = bench.give(&["sh", "-c", script], millis(4_000, 100));
    let grandchild = pid_in(&bench.root.path().join("grandchild")).await;
    let ended = bench.ended().await;
    assert_eq!((ended.run, ended.outcome), (run, Outcome::TimedOut));
    assert!(ended.ms >= 4_100);
    assert!(!lives(grandchild));
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_the_group_of_an_ended_run_is_ended_too() {
    let escaping = "setsid sh -c 'trap \"\" TERM; echo $$ > escaped; while :; do sleep 1; done' & \
                    until [ -s escaped ]; do sleep 0.02; done; touch ready; wait; while :; do sleep 1; done";
    // At its timeout, by a person's wish, and when the daemon stops.
    for how in ["timeout", "wish", "stop"] {
        let mut bench = Bench::new();
        let timeout = if how == "timeout" { 4_000 } else { 60_000 };
        let run = bench.give(&["sh", "-c", escaping], millis(timeout, 100));
        let escaped = pid_in(&bench.root.path().join("escaped")).await;
        let ready = bench.root.path().join("ready");
        eventually("it is ready", || ready.exists()).await;
        match how {
            "wish" => bench.runner.end(run),
            "stop" => bench.runner.stop(Instant::now() + Duration::from_millis(200)).await,
            _ => {}
        }
        bench.ended().await;
        assert!(!lives(escaped), "{how}");
        bench.nothing_more().await;
    }
    // One that ended by itself may leave a daemon behind.
    let mut bench = Bench::new();
    let script =
        "setsid sh -c 'echo $$ > daemon; exec sleep 300' >/dev/null 2>&1 & until [ -s daemon ]; do sleep 0.02; done";
    assert_eq!(bench.run(&["sh", "-c", script], Options::default()).await.outcome, Outcome::Exited(0));
    let daemon = pid_in(&bench.root.path().join("daemon")).await;
    assert!(lives(daemon));
    rustix::process::kill_process(daemon, rustix::process::Signal::KILL).unwrap();
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_polite_command_has_its_grace() {
    let mut bench = Bench::new();
    let script = "trap 'echo bye; exit 3' TERM; echo ready > ready; while :; do sleep 0.02; done";
    let run = bench.give(&["sh", "-c", script], millis(60_000, 60_000));
    let ready = bench.root.path().join("ready");
    eventually("it is ready", || std::fs::read(&ready).is_ok_and(|text| text == b"ready\n")).await;
    bench.runner.end(run);
    bench.runner.end(run);
    assert_eq!(bench.ended().await.outcome, Outcome::Interrupted);
    assert!(bench.printed(run).ends_with(b"bye\n"));
    bench.runner.end(run);
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_command_can_be_ended() {
    let mut bench = Bench::new();
    let run = bench.give(&["sh", "-c", "echo $$ > pid; kill -STOP $$"], millis(60_000, 60_000));
    pid_in(&bench.root.path().join("pid")).await;
    bench.runner.end(run);
    assert_eq!(bench.ended().await.outcome, Outcome::Interrupted);
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_leaves_behind_is_ended() {
    let mut bench = Bench::new();
    let ignoring = "sh -c 'trap \"\" TERM; echo $$ > left; while :; do sleep 1; done'";
    for (script, grace) in [
        // Holds the pipe; holds nothing; refuses to end.
        ("sleep 300 & echo $! > left; exit 0".to_string(), 60_000),
        ("sleep 300 >/dev/null 2>&1 & echo $! > left; exit 0".into(), 60_000),
        (format!("{ignoring} >/dev/null 2>&1 & while [ ! -s left ]; do sleep 0.01; done; exit 0"), 50),
        (format!("{ignoring} & while [ ! -s left ]; do sleep 0.01; done; exit 0"), 50),
        ("yes & echo $! > left; exit 0".into(), 60_000),
    ] {
        let ended = bench.run(&["sh", "-c", &script], millis(60_000, grace)).await;
        assert_eq!(ended.outcome, Outcome::Exited(0), "{script}");
        let left = bench.root.path().join("left");
        assert!(!lives(pid_in(&left).await), "{script}");
        std::fs::remove_file(left).unwrap();
    }
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_leaves_the_group_holds_nothing_up() {
    let mut bench = Bench::new();
    let script = "setsid sh -c 'echo $$ > left; sleep 300' & while [ ! -s left ]; do sleep 0.01; done";
    let ended = bench.run(&["sh", "-c", script], millis(60_000, 60_000)).await;
    assert_eq!(ended.outcome, Outcome::Exited(0));
    let left = pid_in(&bench.root.path().join("left")).await;
    assert!(lives(left));
    rustix::process::kill_process_group(left, rustix::process::Signal::KILL).unwrap();
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_interrupts_all_and_what_comes_later() {
    let mut bench = Bench::new();
    let refuse = "trap '' TERM; echo $$ > $0; while :; do sleep 1; done";
    let polite = bench.give(&["sh", "-c", "echo $$ > a; exec sleep 300"], millis(60_000, 60_000));
    let rude = bench.give(&["sh", "-c", refuse, "b"], millis(60_000, 60_000));
    let pids = [pid_in(&bench.root.path().join("a")).await, pid_in(&bench.root.path().join("b")).await];
    bench.runner.stop(Instant::now() + Duration::from_millis(300)).await;
    assert!(!pids.into_iter().any(lives));
    let late = bench.give(&["sh", "-c", "touch late"], Options::default());
    let mut ended = Vec::new();
    for _ in 0..3 {
        let one = bench.ended().await;
        assert_eq!(one.outcome, Outcome::Interrupted);
        ended.push(one.run);
    }
    ended.sort_unstable();
    assert_eq!(ended, [polite, rude, late]);
    assert!(!bench.root.path().join("late").exists());
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_zombies_and_one_answer_each() {
    let mut bench = Bench::new();
    let mut runs = Vec::new();
    let mut leaders = 0;
    for _ in 0..50 {
        runs.push(bench.give(&["sh", "-c", "true & echo $$"], Options::default()));
        runs.push(bench.give(&["/no/such/program"], Options::default()));
        runs.push(bench.give(&["sleep", "300"], Options { append_path: Some(false), ..millis(60_000, 60_000) }));
        bench.runner.end(*runs.last().unwrap());
        for _ in 0..3 {
            let run = bench.ended().await.run;
            assert!(runs.contains(&run));
            if let Ok(pid) = String::from_utf8(bench.printed(run)).unwrap().trim().parse::<u32>() {
                assert!(!Path::new(&format!("/proc/{pid}")).exists(), "reaped before the run is reported");
                leaders += 1;
            }
            runs.retain(|one| *one != run);
        }
    }
    assert!(runs.is_empty());
    assert_eq!(leaders, 50);
    bench.nothing_more().await;
}

/// A real process with the marks of a run, in a group of its own, as a daemon that was killed leaves it.
fn orphan(daemon: &str, run: &str, event: &str, script: &str, folder: &Path) -> std::process::Child {
    use std::os::unix::process::CommandExt;
    std::process::Command::new("sh")
        .args(["-c", script])
        .env("FSMON_DAEMON", daemon)
        .env("FSMON_RUN", run)
        .env("FSMON_EVENT_ID", event)
        .current_dir(folder)
        .process_group(0)
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_this_daemon_and_these_runs_are_ended() {
    let folder = tempfile::tempdir().unwrap();
    // Unique, since other tests run beside this one.
    let me = format!("leftovers-{}", std::process::id());
    let hard = "trap '' TERM; env -i sh -c 'trap \"\" TERM; echo $$ > clean; while :; do sleep 1; done' & wait; while :; do sleep 1; done";
    let mut ours = orphan(&me, "5", "e5", hard, folder.path());
    let mut strangers = [
        orphan("another", "5", "e5", "exec sleep 300", folder.path()),
        orphan(&me, "6", "e6", "exec sleep 300", folder.path()),
        orphan(&me, "5", "other-event", "exec sleep 300", folder.path()),
    ];
    let clean = pid_in(&folder.path().join("clean")).await;
    let runs = [(5, "e5".to_string()), (9, "e9".to_string())];
    let found = end_leftovers(&me, &runs, Duration::from_millis(200)).await.unwrap();
    let [Leftover { run: 5, processes, gone: true }] = &found[..] else { panic!("{found:?}") };
    assert!(processes.contains(&i32::try_from(ours.id()).unwrap()));
    assert!(processes.contains(&clean.as_raw_nonzero().get()), "found by its group");
    assert!(!lives(clean));
    assert!(!ours.wait().unwrap().success());
    for stranger in &mut strangers {
        assert!(stranger.try_wait().unwrap().is_none(), "another's is not touched");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
    assert_eq!(end_leftovers(&me, &runs, Duration::ZERO).await.unwrap(), []);
}
