//! What a command must not get from the daemon: descriptors, ignored or blocked signals, its terminal's group.

use super::*;

/// Marks the inner process of a test that starts itself again under other conditions.
const INNER: &str = "FSMON_TEST_INNER";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_daemon_reaches_a_command() {
    if std::env::var_os(INNER).is_none() {
        // Again, as a daemon that was started carelessly: with open descriptors, ignored signals, a full environment.
        let script = "trap '' HUP INT QUIT USR1 TERM CHLD; exec 3</dev/null 9>/dev/null; exec \"$@\"";
        let status = std::process::Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "runner::tests::hygiene::nothing_of_the_daemon_reaches_a_command", "--nocapture"])
            .env(INNER, "1")
            .env("NOTIFY_SOCKET", "/x")
            .env("LISTEN_FDS", "1")
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
        assert!(String::from_utf8_lossy(&status.stdout).contains("1 passed"));
        return;
    }
    let mut bench = Bench::new();
    let script = "for d in /proc/$$/fd/*; do [ -e $d ] && echo fd ${d##*/}; done
        grep -E '^Sig(Blk|Ign)' /proc/self/status; env";
    let request = bench.request(&["sh", "-c", script], b"f", Options::default());
    let printed = String::from_utf8(bench.output_of(request).await).unwrap();
    let descriptors: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix("fd ")).collect();
    assert_eq!(descriptors, ["0", "1", "2"]);
    for name in ["SigBlk:", "SigIgn:"] {
        let mask = printed.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        // The C library's posix_spawn ignores 32 and 33 for its own use: no program can have another use for them.
        let own = 0b11 << 31;
        assert_eq!(u64::from_str_radix(mask, 16).unwrap() & !own, 0, "{printed}");
    }
    assert!(!printed.contains("NOTIFY_SOCKET") && !printed.contains("LISTEN_FDS") && !printed.contains(INNER));
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leads_a_group_of_its_own() {
    let mut bench = Bench::new();
    let request = bench.request(&["sh", "-c", "echo $$; cut -d' ' -f5 /proc/$$/stat; umask"], b"f", Options::default());
    let printed = String::from_utf8(bench.output_of(request).await).unwrap();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], lines[1], "its group has its own number");
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap().trim();
    assert_eq!(lines[2], umask, "the umask is the daemon's");
    bench.nothing_more().await;
}
