//! What a command gets that asks for its file opened.

use super::*;

const CAT: [&str; 2] = ["cat", "{fd}"];

fn as_user(user: &str) -> Options {
    Options { run_as: Some(user.into()), ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_reads_its_file_by_descriptor_and_has_nothing_else_open() {
    let mut bench = Bench::new();
    let name = b"sub/-odd \xff\nname";
    let file = bench.root().join(name);
    std::fs::create_dir(bench.root.path().join("sub")).unwrap();
    std::fs::write(file.as_path(), "content").unwrap();
    let options = [
        Options::default(),
        Options { umask: Some(Umask(0o27)), nice: Some(7), ..Options::default() },
        Options { stdin: Some(Stdin::Json), cwd: Some("/".into()), ..Options::default() },
    ];
    for options in options {
        let request = bench.request(&CAT, name, options);
        assert_eq!(bench.output_of(request).await, b"content");
    }
    let script = "for d in /proc/$$/fd/*; do [ -e $d ] && echo fd ${d##*/}; done; echo $#; cat <&3
        rm \"$FSMON_PATH\"; cat \"$1\"; readlink \"$1\"";
    let request = bench.request(&["sh", "-c", script, "sh", "{fd}"], name, Options::default());
    let printed = bench.output_of(request).await;
    let expected = [b"fd 0\nfd 1\nfd 2\nfd 3\n1\ncontentcontent", file.as_bytes(), b" (deleted)\n"].concat();
    assert_eq!(printed, expected, "{}", String::from_utf8_lossy(&printed));
    // And one that does not ask for it has none.
    let request = bench.request(&["sh", "-c", "[ ! -e /proc/$$/fd/3 ]", "sh"], name, Options::default());
    assert_eq!(bench.output_of(request).await, b"");
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_is_vanished_and_one_that_is_a_link_is_refused() {
    let mut bench = Bench::new();
    let run = bench.give(&CAT, Options::default());
    assert_eq!(bench.inbox.recv().await, Some(Input::RunVanished(run)));
    std::os::unix::fs::symlink("/etc/hostname", bench.root.path().join("file")).unwrap();
    let ended = bench.run(&CAT, Options::default()).await;
    assert!(matches!(&ended.outcome, Outcome::NotStarted(why) if why.contains("no regular file")), "{ended:?}");
    // Where the program is what is wrong, that is said.
    std::fs::remove_file(bench.root.path().join("file")).unwrap();
    std::fs::write(bench.root.path().join("file"), "x").unwrap();
    let ended = bench.run(&["/no/such/program", "{fd}"], Options::default()).await;
    assert!(matches!(&ended.outcome, Outcome::NotStarted(why) if why.contains("is not there")), "{ended:?}");
    assert!(!bench.output_file(run).exists());
    bench.nothing_more().await;
}

/// As another user it is that user's rights that count, and not those of the daemon.
#[tokio::test(flavor = "multi_thread")]
async fn as_another_user_it_is_opened_with_the_rights_of_that_user() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can become somebody else.
    }
    let mut bench = Bench::new();
    let file = bench.root.path().join("file");
    std::fs::write(&file, "content").unwrap();
    let mode = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    // May be gone through and not be listed.
    mode(bench.root.path(), 0o711);
    mode(&file, 0o644);
    let request = bench.request(&CAT, b"file", as_user("nobody"));
    assert_eq!(bench.output_of(request).await, b"content");
    mode(&file, 0o600);
    let ended = bench.run(&CAT, as_user("nobody")).await;
    let Outcome::NotStarted(why) = &ended.outcome else { panic!("{ended:?}") };
    assert!(why.starts_with("as user ") && why.contains("may not be opened for the command"), "{why}");
    let request = bench.request(&CAT, b"file", as_user("root"));
    assert_eq!(bench.output_of(request).await, b"content");
    mode(&file, 0o644);
    mode(bench.root.path(), 0o700);
    let ended = bench.run(&CAT, Options { cwd: Some("/".into()), ..as_user("nobody") }).await;
    assert!(matches!(&ended.outcome, Outcome::NotStarted(why) if why.contains("may not be opened")), "{ended:?}");
    bench.nothing_more().await;
}
