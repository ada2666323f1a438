//! Commands as another user, and what a daemon of root does not run. Only root can try.

use super::*;

fn as_user(user: &str) -> Options {
    Options { run_as: Some(user.into()), ..Options::default() }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_as_another_user_has_nothing_left_of_root() {
    if !is_root() {
        return; // Only root can become somebody else.
    }
    let mut bench = Bench::new();
    let script = "id -u; id -g; id -G; echo $HOME $USER; grep -E '^(Uid|Gid|Cap(Inh|Prm|Eff|Amb))' /proc/self/status
        echo by name > /dev/stderr; cat /etc/shadow 2>/dev/null && echo readable; :";
    let request = bench.request(&["sh", "-c", script], b"f", as_user("nobody"));
    let printed = String::from_utf8(bench.output_of(request).await).unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let (uid, gid) = (nobody.uid.to_string(), nobody.gid.to_string());
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[..3], [&*uid, &*gid, &*gid], "{printed}");
    assert_eq!(lines[3], format!("{} nobody", nobody.dir.display()));
    for (name, id) in [("Uid:", &uid), ("Gid:", &gid)] {
        let line = lines.iter().find_map(|line| line.strip_prefix(name)).unwrap();
        assert!(line.split_whitespace().all(|number| number == *id), "real, effective, saved: {printed}");
    }
    for line in lines.iter().filter(|line| line.starts_with("Cap")) {
        assert!(line.ends_with("\t0000000000000000"), "{line}");
    }
    assert!(lines.contains(&"by name") && !lines.contains(&"readable"), "{printed}");

    let request = bench.request(&["sh", "-c", "id -g"], b"f", as_user("nobody:12345"));
    assert_eq!(bench.output_of(request).await, b"12345\n");
    let request = bench.request(&["sh", "-c", "id -u"], b"f", as_user(""));
    assert_eq!(bench.output_of(request).await, b"0\n", "an empty word is the daemon's own user");
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_cannot_be_had_says_why() {
    let mut bench = Bench::new();
    let expected = if is_root() { "'no-such-user', which is not there" } else { "needs a daemon that runs as root" };
    let ended = bench.run(&["true"], as_user("no-such-user")).await;
    assert!(matches!(&ended.outcome, Outcome::NotStarted(why) if why.contains(expected)), "{ended:?}");
    if is_root() {
        let ended = bench.run(&["true"], as_user("nobody:no-such-group")).await;
        assert!(matches!(&ended.outcome, Outcome::NotStarted(why) if why.contains("no-such-group")), "{ended:?}");
        let ended = bench.run(&["/root/no-program-of-nobodys"], as_user("nobody")).await;
        assert!(matches!(&ended.outcome, Outcome::NotStarted(why) if why.starts_with("as user ")), "{ended:?}");
    }
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn root_runs_nothing_where_others_can_write_unless_told_as_whom() {
    if !is_root() {
        return; // Only root has this rule.
    }
    let mut bench = Bench::new();
    std::fs::set_permissions(bench.root.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let ended = bench.run(&["true"], Options::default()).await;
    assert!(matches!(&ended.outcome, Outcome::NotStarted(why) if why.contains("--run-as")), "{ended:?}");
    for user in ["nobody", "root"] {
        let ended = bench.run(&["true"], as_user(user)).await;
        assert_eq!(ended.outcome, Outcome::Exited(0), "as {user}");
    }
    // A program that others can change is not run by root, whoever may write to the root of the watch.
    let tool = bench.root.path().join("tool");
    std::fs::write(&tool, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&tool, PermissionsExt::from_mode(0o755)).unwrap();
    let ended = bench.run(&["./tool"], as_user("root")).await;
    assert!(
        matches!(&ended.outcome, Outcome::NotStarted(why) if why.contains("can be changed by everybody")),
        "{ended:?}"
    );
    bench.nothing_more().await;
}
