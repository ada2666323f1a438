//! What a command gets, and why one cannot be started.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_arrive_as_they_are() {
    let mut bench = Bench::new();
    let names: [&[u8]; 9] = [
        b"-rf",
        b"a b",
        b"new\nline",
        b"$(touch pwned)`id`;x&|<>'\"\\",
        b"\xff\xfe",
        b"{path}{name}",
        b"x;touch${IFS}p;y",
        b"*?[a]",
        b"dir/\x01\x1b[31m",
    ];
    for name in names {
        let script = "printf '%s\\0' \"$@\" \"$FSMON_PATH\"";
        let request =
            bench.request(&["sh", "-c", script, "sh", "{path}", "x{rel}", "{name}"], name, Options::default());
        let path = request.root.join(name).into_bytes();
        let last = name.rsplit(|&b| b == b'/').next().unwrap();
        let last = if last[0] == b'-' { [b"./", last].concat() } else { last.to_vec() };
        let expected = [&path[..], &[b"x", name].concat(), &last, &path, b""].join(&0);
        assert_eq!(bench.output_of(request).await, expected, "{name:?}");
    }
    assert_eq!(std::fs::read_dir(bench.root.path()).unwrap().count(), 0, "no name was run");
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_exactly_what_is_promised() {
    let mut bench = Bench::new();
    let env = Some(vec!["A=b=c".into(), "LANG=xx".into(), "EMPTY=".into()]);
    let mut request =
        bench.request(&["env", "-0"], b"in/\xff", Options { env, append_path: Some(false), ..Options::default() });
    request.kind = EventKind::Rename;
    request.from = Some("/old".into());
    let root = request.root.clone();
    let printed = bench.output_of(request).await;
    let got: BTreeMap<Vec<u8>, Vec<u8>> = printed
        .split(|&b| b == 0)
        .filter_map(|pair| {
            let at = pair.iter().position(|&b| b == b'=')?;
            Some((pair[..at].to_vec(), pair[at + 1..].to_vec()))
        })
        .collect();
    let mut expected: BTreeMap<Vec<u8>, Vec<u8>> = [
        ("A", &b"b=c"[..]),
        ("EMPTY", b""),
        ("LANG", b"xx"),
        ("FSMON_TRIGGER", b"file_change"),
        ("FSMON_EVENT", b"rename"),
        ("FSMON_PATH", root.join(b"in/\xff").as_bytes()),
        ("FSMON_OLD_PATH", b"/old"),
        ("FSMON_ROOT", root.as_bytes()),
        ("FSMON_WATCH", b"data"),
        ("FSMON_RUN", b"1"),
        ("FSMON_EVENT_ID", b"event-1"),
        ("FSMON_ATTEMPT", b"2"),
        ("FSMON_DAEMON", root.as_bytes()),
    ]
    .map(|(name, value)| (name.into(), value.to_vec()))
    .into();
    for name in ["PATH", "HOME", "USER", "TZ"] {
        if let Some(value) = got.get(name.as_bytes()) {
            expected.insert(name.into(), value.clone());
        }
    }
    assert_eq!(got, expected);
    assert!(got.contains_key(&b"PATH"[..]) && got.contains_key(&b"HOME"[..]));
    // No rename: no old path.
    let mut request = bench.request(&["env"], b"f", Options { append_path: Some(false), ..Options::default() });
    request.from = Some("/old".into());
    assert!(!String::from_utf8(bench.output_of(request).await).unwrap().contains("FSMON_OLD_PATH"));
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stdin_is_nothing_or_one_line() {
    let mut bench = Bench::new();
    let cat = Options { append_path: Some(false), ..Options::default() };
    let request = bench.request(&["cat"], b"f", cat.clone());
    assert_eq!(bench.output_of(request).await, b"");
    assert!(!bench.output_file(1).exists(), "no file for no output");
    // Longer than a pipe holds.
    let name = b"\xff".repeat(100_000);
    let mut request = bench.request(&["cat"], &name, Options { stdin: Some(Stdin::Json), ..cat.clone() });
    request.kind = EventKind::Create;
    // The path in the environment would be too long for the system.
    let root = request.root.clone();
    request.rel = name[..2_000].into();
    let line = String::from_utf8(bench.output_of(request).await).unwrap();
    assert_eq!(line.matches('\n').count(), 1);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["kind"], "create");
    assert_eq!(value["seq"], 184);
    assert_eq!(value["time"], "2017-07-14T02:40:00.123456789Z");
    assert_eq!((&value["watch"], &value["type"], &value["size"]), (&"data".into(), &"file".into(), &12.into()));
    assert_eq!(value["path_bytes"], root.join(&name[..2_000]).base64_if_lossy().unwrap());
    // A command that never reads it.
    let ended = bench.run(&["true"], Options { stdin: Some(Stdin::Json), ..cat }).await;
    assert_eq!(ended.outcome, Outcome::Exited(0));
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_in_the_root_or_where_its_rules_say() {
    let mut bench = Bench::new();
    let pwd = ["sh", "-c", "pwd -P"];
    let request = bench.request(&pwd, b"f", Options::default());
    let root = std::fs::canonicalize(bench.root.path()).unwrap();
    assert_eq!(bench.output_of(request).await, [RawPath::from(root).as_bytes(), b"\n"].concat());
    let request = bench.request(&pwd, b"f", Options { cwd: Some("/".into()), ..Options::default() });
    assert_eq!(bench.output_of(request).await, b"/\n");
    // A program with a slash is relative to that folder, and keeps its name.
    let script = bench.root.path().join("tool");
    std::fs::write(&script, "#!/bin/sh\necho \"$0\"\n").unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let request = bench.request(&["./tool"], b"f", Options::default());
    assert!(bench.output_of(request).await.ends_with(b"tool\n"));
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_says_why() {
    let mut bench = Bench::new();
    let plain = bench.root.path().join("plain");
    std::fs::write(&plain, "echo hi\n").unwrap();
    let bad = bench.root.path().join("bad");
    std::fs::write(&bad, "#!/no/such/interpreter\n").unwrap();
    let odd = bench.root.path().join("odd");
    std::fs::write(&odd, "\x01\x02 no program\n").unwrap();
    for file in [&bad, &odd] {
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let long = "x".repeat(3 << 20);
    let in_path = Options { env: Some(vec![format!("PATH=.:{}", bench.root().text())]), ..Options::default() };
    let table: Vec<(Vec<&str>, Options, &str)> = vec![
        (vec!["fsmon-no-such-program"], Options::default(), "was not found in PATH"),
        (vec!["/no/such/program"], Options::default(), "'/no/such/program' is not there"),
        (vec!["./plain"], Options::default(), "may not be executed: see its mode"),
        (vec!["plain"], in_path, "plain' is not executable"),
        (vec!["./bad"], Options::default(), "needs an interpreter that is not there"),
        (vec!["./odd"], Options::default(), "neither a program for this machine nor a script"),
        (vec!["/"], Options::default(), "is a folder, no program"),
        (vec!["true", &long], Options::default(), "too long for the system"),
        (vec!["true"], Options { cwd: Some("/no/such/folder".into()), ..Options::default() }, "the folder to run in"),
        (vec![], Options::default(), "the watch has no command"),
    ];
    for (argv, options, expected) in table {
        let ended = bench.run(&argv, options).await;
        let Outcome::NotStarted(why) = ended.outcome else { panic!("{argv:?}: {ended:?}") };
        assert!(why.contains(expected), "{expected}: {why}");
        assert_eq!(why.lines().count(), 1);
    }
    bench.nothing_more().await;
}

/// A batch of two files with odd names.
fn batch(bench: &mut Bench, argv: &[&str]) -> SpawnRequest {
    let mut request = bench.request(argv, b"", Options { mode: Some(Mode::Batch), ..Options::default() });
    let change = |kind, name: &[u8]| Change {
        kind,
        path: request.root.join(name),
        from: None,
        size: Some(3),
        event_id: format!("key of {}", name.len()),
    };
    request.manifest = Some([change(EventKind::Create, b"-a b"), change(EventKind::Modify, b"new\nline")].into());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_gets_its_paths_as_arguments_or_as_lines_and_a_key_of_its_own() {
    let mut bench = Bench::new();
    let script = "printf '%s\\0' \"$@\" \"${FSMON_PATH-unset}\" \"${FSMON_EVENT_ID-unset}\" \"$FSMON_BATCH_ID\"; cat";
    let request = batch(&mut bench, &["sh", "-c", script, "sh", "in", "{paths}", "{root}"]);
    let (root, id) = (request.root.clone(), request.event_id.clone());
    let (first, second) = (root.join(b"-a b"), root.join(b"new\nline"));
    let expected =
        [b"in", first.as_bytes(), second.as_bytes(), root.as_bytes(), b"unset", b"unset", id.as_bytes(), b""];
    assert_eq!(bench.output_of(request).await, expected.join(&0));
    let request = batch(&mut bench, &["cat"]);
    let printed = String::from_utf8(bench.output_of(request).await).unwrap();
    let lines: Vec<serde_json::Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{printed}");
    assert_eq!(lines[0]["path"].as_str().unwrap().as_bytes(), first.as_bytes());
    assert_eq!(
        (&lines[1]["kind"], &lines[1]["event_id"], &lines[1]["size"]),
        (&"modify".into(), &"key of 8".into(), &3.into())
    );
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_the_umask_and_niceness_of_its_watch() {
    let mut bench = Bench::new();
    let options = || Options { umask: Some(Umask(0o27)), nice: Some(7), ..Options::default() };
    let request = bench.request(&["sh", "-c", "umask; nice; touch made"], b"", options());
    let made = request.root.join(b"made");
    let printed = String::from_utf8(bench.output_of(request).await).unwrap();
    let numbers: Vec<_> = printed.lines().map(|line| line.trim_start_matches('0')).collect();
    assert_eq!(numbers, ["27", "7"]);
    assert_eq!(std::fs::metadata(made.as_path()).unwrap().permissions().mode() & 0o777, 0o640);
    if !rustix::process::getuid().is_root() {
        let ended = bench.run(&["true"], Options { nice: Some(-20), ..Options::default() }).await;
        assert!(matches!(&ended.outcome, Outcome::NotStarted(why) if why.contains("only root")), "{ended:?}");
    }
    bench.nothing_more().await;
}
