//! Commands that hang, fail, flood, leave children, or can't be started.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fsmon_tests::{Daemon, DaemonOptions, process};
use serde_json::Value;

/// The runs of the watch that are over, the oldest first.
fn ended(d: &Daemon) -> Vec<Value> {
    let mut runs = d.json(["runs", "data"]);
    runs.retain(|run| run["status"] != "started");
    runs.sort_by_key(|run| run["run"].as_u64());
    runs
}

fn pid_in(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[test]
fn a_hung_command_is_ended_with_its_children() {
    let d = Daemon::start();
    let (root, pids) = (d.root(), d.dir("pids"));
    let script = format!(
        "trap '' TERM; (trap '' TERM; sleep 1000) & echo $! > {0}/child; echo $$ > {0}/own; wait; sleep 1000",
        pids.display()
    );
    let options = ["--timeout", "1s", "--grace", "300ms", "--retries", "0"];
    d.add(&options, &["/bin/sh", "-c", &script, "sh", "{path}"]);
    fs::write(root.join("f"), "x").unwrap();
    d.until("the run has failed", || !d.json(["runs", "data", "--failed"]).is_empty());
    let (own, child) = (pid_in(&pids.join("own")).unwrap(), pid_in(&pids.join("child")).unwrap());
    d.until("all of it is gone", || !process::lives(own) && !process::lives(child));
    assert_eq!(ended(&d)[0]["status"], "failed");
    assert!(d.show("data")["running"] == 0 && d.show("data")["failed"] == 1);
}

#[test]
fn children_left_behind_neither_block_nor_outlive_the_run() {
    let d = Daemon::start();
    let (root, pids) = (d.root(), d.dir("pids"));
    let script = format!("sleep 300 & echo $! > {}/child; exit 0", pids.display());
    d.add(&[], &["/bin/sh", "-c", &script, "sh", "{path}"]);
    fs::write(root.join("f"), "x").unwrap();
    d.until("the run is over", || ended(&d).len() == 1);
    assert_eq!(ended(&d)[0]["status"], "ok");
    let child = pid_in(&pids.join("child")).unwrap();
    d.until("the child is gone", || !process::lives(child));
}

/// In a container that somebody entered from outside, group and session may have leaders that cannot be seen.
#[test]
fn children_are_ended_where_our_session_is_not_to_be_seen() {
    let wrapper: Vec<String> = ["unshare", "-Urpf", "--mount-proc", "--kill-child"].map(String::from).to_vec();
    let probe = std::process::Command::new(&wrapper[0]).args(&wrapper[1..]).arg("true").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no process namespace can be had");
        return;
    }
    let d = Daemon::start_with(DaemonOptions { wrapper, ..DaemonOptions::default() });
    d.add(&[], &["/bin/sh", "-c", "sleep 300 & exit 0", "sh", "{path}"]);
    fs::write(d.root().join("f"), "x").unwrap();
    d.until("the run is over", || ended(&d).len() == 1);
    assert_eq!(ended(&d)[0]["status"], "ok");
    d.until("nothing of it is left", || process::of_commands_below(d.base()).is_empty());
}

#[test]
fn a_command_that_prints_a_gigabyte_is_bounded() {
    let d = Daemon::start();
    let root = d.root();
    d.add(&[], &["/bin/sh", "-c", "echo begin; yes | head -c 1G", "sh", "{path}"]);
    fs::write(root.join("f"), "x").unwrap();
    d.until("it is over", || ended(&d).len() == 1);
    let run = &ended(&d)[0];
    assert_eq!(run["status"], "ok");
    let (kept, dropped) = (run["output_bytes"].as_u64().unwrap(), run["output_dropped"].as_u64().unwrap());
    assert!((1..=1 << 20).contains(&kept), "{kept} bytes kept");
    assert_eq!(kept + dropped, (1 << 30) + 6, "every byte is kept or counted");
    let size: u64 = walk(&d.state()).iter().map(|path| fs::metadata(path).map_or(0, |m| m.len())).sum();
    assert!(size < 64 << 20, "the state folder holds {size} bytes");
    let number = run["run"].as_u64().unwrap().to_string();
    let shown = d.ok(["logs", &number]);
    assert!(shown.text().starts_with("begin\n"), "what it said is shown: {:.80}", shown.text());
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    fsmon_tests::tree::contents(folder).into_keys().map(|relative| folder.join(relative)).collect()
}

#[test]
fn a_failing_file_is_tried_again_with_growing_pauses_and_then_set_aside() {
    let d = Daemon::start();
    let root = d.root();
    let job = d.job_script("");
    let times = d.dir("times").join("log");
    let failing = format!(
        r#"printf '%s %s %s\n' "$(date +%s%N)" "$FSMON_ATTEMPT" "$FSMON_EVENT_ID" >> {}; exit 3"#,
        times.display()
    );
    d.add(&["--retries", "3", "--backoff", "200ms"], &["/bin/sh", "-c", &failing, "sh", "{path}"]);
    let file = root.join("f");
    fs::write(&file, "x").unwrap();
    d.until("it is set aside", || d.show("data")["failed"] == 1);

    let text = fs::read_to_string(&times).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(lines.iter().map(|line| line[1]).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    assert!(lines.iter().all(|line| line[2] == lines[0][2] && !line[2].is_empty()), "one version, one id: {text}");
    let at: Vec<u64> = lines.iter().map(|line| line[0].parse().unwrap()).collect();
    for (n, pair) in at.windows(2).enumerate() {
        let (pause, least) = (pair[1] - pair[0], 100_000_000_u64 << n);
        assert!(pause >= least, "pause {n} of {pause} ns is shorter than {least}");
    }
    let failed = d.json(["runs", "data", "--failed"]);
    assert!(failed.iter().any(|run| run["status"] == "failed" && run["attempt"] == 4), "{failed:?}");
    assert_eq!(failed[0]["path"].as_str().unwrap(), file.to_str().unwrap());

    // New content makes it pending again, from the first attempt on.
    d.ok(["set", "data", "--", &job.command()]);
    fs::write(&file, "new content").unwrap();
    d.until("it has run", || job.is_done(&file));
    assert_eq!(job.runs()[0].attempt, 1);
    d.until("it is set aside no more", || d.show("data")["failed"] == 0);
}

#[test]
fn later_uses_no_attempt() {
    let d = Daemon::start();
    let (root, signs) = (d.root(), d.dir("signs"));
    let body = format!("echo >> {0}/tried; [ -e {0}/go ] || exit 75", signs.display());
    let job = d.job_script(&body);
    d.add(&["--retries", "1", "--backoff", "50ms"], &[&job.command()]);
    fs::write(root.join("f"), "x").unwrap();
    let tried = || fs::read_to_string(signs.join("tried")).unwrap_or_default().lines().count();
    d.until("it was told 'later' more often than there are attempts", || tried() >= 4);
    fs::write(signs.join("go"), "").unwrap();
    d.until("it has run", || job.is_done(&root.join("f")));
    assert_eq!(job.runs()[0].attempt, 1);
}

#[test]
fn a_command_that_can_not_be_started_fails_with_its_reason() {
    let d = Daemon::start();
    let (root, folder) = (d.root(), d.dir("bad"));
    let not_executable = folder.join("script");
    fs::write(&not_executable, "#!/bin/sh\n").unwrap();
    let bad_interpreter = fsmon_tests::Job::script(&folder, "");
    fs::write(bad_interpreter.command(), "#!/no/such/interpreter\n").unwrap();
    for (n, command) in [not_executable.to_str().unwrap(), &bad_interpreter.command()].into_iter().enumerate() {
        if n == 0 {
            let options = ["--retries", "0"];
            d.add(&options, &[command]);
        } else {
            d.ok(["set", "data", "--", command]);
        }
        fs::write(root.join("f"), format!("{n}")).unwrap();
        d.until("it has failed", || ended(&d).len() == n + 1);
        let run = &ended(&d)[n];
        assert_eq!(run["status"], "failed", "{run}");
        assert!(run.to_string().contains(["may not be executed", "needs an interpreter"][n]), "{run}");
    }
}

#[test]
fn a_command_gets_a_clean_environment() {
    let options = DaemonOptions { env: vec![("SECRET_OF_THE_DAEMON".into(), "1".into())], ..DaemonOptions::default() };
    let d = Daemon::start_with(options);
    let (root, out) = (d.root(), d.dir("out"));
    let script =
        format!("umask > {0}/umask; ls -l /proc/self/fd > {0}/fds; pwd > {0}/cwd; env -0 > {0}/env", out.display());
    d.add(&["--env", "GREETING=hello world"], &["/bin/sh", "-c", &script, "sh", "{path}"]);
    let file = root.join("f");
    fs::write(&file, "x").unwrap();
    d.until("it is over", || ended(&d).len() == 1);
    assert_eq!(ended(&d)[0]["status"], "ok");

    let text = fs::read_to_string(out.join("env")).unwrap();
    let get =
        |name: &str| text.split('\0').find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned);
    assert_eq!(get("SECRET_OF_THE_DAEMON"), None);
    assert_eq!(get("GREETING").as_deref(), Some("hello world"));
    assert_eq!(get("FSMON_PATH").as_deref(), file.to_str());
    assert_eq!(get("FSMON_ROOT").as_deref(), root.to_str());
    assert_eq!(get("FSMON_WATCH").as_deref(), Some("data"));
    assert_eq!(get("FSMON_EVENT").as_deref(), Some("create"));
    assert_eq!(get("FSMON_TRIGGER").as_deref(), Some("file_change"));
    assert_eq!(get("FSMON_ATTEMPT").as_deref(), Some("1"));
    assert!(get("FSMON_RUN").is_some() && get("FSMON_EVENT_ID").is_some() && get("PATH").is_some());
    assert_eq!(fs::read_to_string(out.join("cwd")).unwrap().trim(), root.to_str().unwrap());
    if Path::new("/proc/self/fd").exists() {
        let fds = fs::read_to_string(out.join("fds")).unwrap();
        let open: Vec<&str> = fds.lines().filter_map(|line| line.split_once(" -> ")?.0.rsplit(' ').next()).collect();
        // ls itself holds 3: the folder it lists.
        assert!(open.iter().all(|fd| ["0", "1", "2", "3"].contains(fd)), "nothing of the daemon's is open: {fds}");
    }
    assert!(!d.ok(["show", "data", "--json"]).text().contains("hello world"), "environment values are shown to no one");
}

#[test]
fn a_command_that_changes_its_own_file_is_stopped_from_going_round() {
    let d = Daemon::start();
    let (root, out) = (d.root(), d.dir("out").join("count"));
    let script = format!("echo >> {}; echo more >> \"$1\"", out.display());
    d.add(&["--settle", "10ms"], &["/bin/sh", "-c", &script, "sh", "{path}"]);
    fs::write(root.join("f"), "x").unwrap();
    d.wait_state("data", "held");
    let count = fs::read_to_string(&out).unwrap().lines().count();
    assert!((5..20).contains(&count), "{count} runs");
}

#[test]
fn a_program_that_is_not_there_is_warned_of_and_may_come_later() {
    let d = Daemon::start();
    let (root, bin) = (d.root(), d.dir("bin"));
    let tool = bin.join("later");
    let path = format!("PATH={}:/usr/bin:/bin", bin.display());
    let add = ["add", "--retries", "0", "--env", &path, root.to_str().unwrap(), "--", "later", "{path}"];
    let said = d.ctl([&["-q"], &add[..]].concat()).ok();
    for part in ["warning:", "'later' was not found in PATH", "install it, or give the whole path", "'data' fail"] {
        assert!(said.complaint().contains(part), "{part}: {}", said.complaint());
    }
    assert!(said.out.is_empty(), "with -q what was asked for needs no words: {}", said.text());
    assert!(!said.complaint().contains(bin.to_str().unwrap()), "no value of the environment is told");
    fs::write(root.join("a"), "1").unwrap();
    d.until("its run fails", || d.show("data")["failed"] == 1);
    fs::write(&tool, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o644)).unwrap();
    let set = |command: &str| d.json(["set", "data", "--", command, "{path}"]).remove(0)["warnings"].clone();
    assert!(set("later")[0].as_str().unwrap().contains("is not executable"), "{}", set("later"));
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(set("later"), serde_json::json!([]));
    assert!(set("./later")[0].as_str().unwrap().contains("'./later' is not there"), "{}", set("./later"));
    assert!(set("/usr")[0].as_str().unwrap().contains("is a folder"));
    assert_eq!(set(tool.to_str().unwrap()), serde_json::json!([]));
    let said = d.ok(["set", "data", "--retries", "1"]);
    assert!(said.complaint().is_empty(), "{}", said.complaint());
    d.ok(["retry", "data"]);
    d.until("it runs", || d.show("data")["failed"] == 0 && d.show("data")["pending"] == 0);
}

/// `--umask`, `--nice` and `--output-max`: how a command behaves, and how much it may say.
#[test]
fn a_command_behaves_as_its_watch_says() {
    let d = Daemon::start();
    let (root, out) = (d.root(), d.dir("out"));
    let script = format!("umask; nice; touch {0}/made; head -c 100000 /dev/zero; touch {0}/done", out.display());
    d.add(&["--umask", "027", "--nice", "5", "--output-max", "1K"], &["sh", "-c", &script, "sh"]);
    fs::write(root.join("a"), "x").unwrap();
    d.until("it has run", || d.json(["runs", "data"]).iter().any(|run| run["status"] == "ok"));
    assert_eq!(fs::metadata(out.join("made")).unwrap().permissions().mode() & 0o777, 0o640);
    let run = &d.json(["runs", "data"])[0];
    assert_eq!(run["output_bytes"], 1024, "{run}");
    assert!(run["output_dropped"].as_u64().unwrap() > 90_000, "{run}");
    let said = d.ok(["logs", &run["run"].to_string()]).text();
    assert!(said.contains("27\n5\n"), "{said:?}");
    let path = root.display().to_string();
    d.ctl(["add", &path, "--name", "x", "--umask", "999", "--", "true"]).refused(2, "octal");
    d.ctl(["add", &path, "--name", "x", "--nice", "20", "--", "true"]).refused(2, "nice 20");
    let shown = d.ok(["show", "data"]).text();
    assert!(["umask", "nice", "output-max"].iter().all(|option| shown.contains(option)), "{shown}");
}
