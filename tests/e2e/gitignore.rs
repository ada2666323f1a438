//! `--gitignore`: what the ignore files in the tree leave out takes nothing of the daemon, and what they let in is told
//! and processed, as they change and over restarts. Where git is there, it is asked whether it sees the same files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use fsmon_tests::{Daemon, DaemonOptions, tree};

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    fs::write(path, text).expect("a file");
}

/// How many files, folders and armed folders it has.
fn counts(d: &Daemon) -> (u64, u64, u64) {
    let show = d.show("data");
    let of = |key: &str| show[key].as_u64().expect("a number");
    (of("files"), of("folders"), of("armed"))
}

/// Every file that it knows, relative to the root.
fn known(d: &Daemon) -> BTreeSet<String> {
    let root = format!("{}/", d.root().to_str().expect("text"));
    let path =
        |file: serde_json::Value| file["path"].as_str().and_then(|path| path.strip_prefix(&root)).map(str::to_owned);
    d.json(["files", "data"]).into_iter().map(|file| path(file).expect("a path below the root")).collect()
}

#[test]
fn what_is_ignored_takes_no_watch_and_rules_take_effect_as_they_change() {
    let mut d = Daemon::start();
    let root = d.root();
    tree::make(&root.join("node_modules"), 100, 1000);
    tree::make(&root.join("web/node_modules"), 10, 10);
    write(&root.join(".git/index"), "x");
    write(&root.join(".gitignore"), "node_modules/\n*.log\n");
    write(&root.join("web/.gitignore"), "!keep.log\n");
    write(&root.join("a.c"), "x");
    let job = d.job();
    d.add(&["--gitignore"], &[&job.command()]);
    // .gitignore, a.c, web/.gitignore; the root and web.
    assert_eq!(counts(&d), (3, 2, 2));
    let tail = d.tail();
    write(&root.join("node_modules/new/b.js"), "x");
    write(&root.join("web/a.log"), "x");
    write(&root.join("web/keep.log"), "x");
    tail.wait_event("create", &root.join("web/keep.log"));
    d.until("it has run", || job.is_done(&root.join("web/keep.log")));

    // A folder that was watched is let go as soon as a rule says so, and another one is let in.
    write(&root.join("out/1/x.o"), "x");
    tail.wait_event("create", &root.join("out/1/x.o"));
    write(&root.join(".gitignore"), "out/\n*.log\n");
    d.until("the rule holds", || counts(&d).2 > 100);
    assert!(!known(&d).iter().any(|path| path.starts_with("out/")));
    let told = d.json(["explain".as_ref(), root.join("out/1/x.o").as_os_str()]).remove(0);
    assert_eq!((&told["rule"], &told["pattern"], &told["rule_line"]), (&"gitignore".into(), &"out/".into(), &1.into()));
    assert_eq!(told["rule_file"], root.join(".gitignore").to_str().expect("text"));
    let said = d.ok(["explain".as_ref(), root.join("out/1/x.o").as_os_str()]).text();
    assert!(said.contains("the pattern 'out/' in line 1 of") && said.contains("--no-gitignore"), "{said}");
    // What was there before the watch was follows --existing, which is skip; what came since is new.
    tail.wait_event("create", &root.join("node_modules/new/b.js"));
    d.until("it has run", || job.is_done(&root.join("node_modules/new/b.js")));
    d.wait_idle("data");
    let modules =
        |runs: usize| job.runs().iter().filter(|run| run.path.starts_with(root.join("node_modules"))).count() == runs;
    assert!(modules(1), "{:?}", job.runs());

    // Back to where it was; and a restart tells nothing twice, cleanly or not.
    write(&root.join(".gitignore"), "node_modules/\n*.log\nout/\n");
    d.until("the rule holds", || counts(&d).2 == 2);
    d.wait_idle("data");
    for cleanly in [true, false] {
        let (before, runs) = (known(&d), job.runs().len());
        let events = tail_events(&d);
        if cleanly {
            d.restart();
        } else {
            d.kill9();
            d.start_again();
        }
        d.wait_watching("data");
        d.wait_idle("data");
        assert_eq!((known(&d), job.runs().len(), tail_events(&d)), (before, runs, events));
    }
    d.ctl(["verify", "data"]).with_code(0);
}

/// How many events were ever told.
fn tail_events(d: &Daemon) -> usize {
    let all = d.json(["tail", "--since", "1h", "--no-follow"]);
    all.iter()
        .filter(|record| ["create", "modify", "delete", "rename"].iter().any(|kind| record["kind"] == *kind))
        .count()
}

#[test]
fn a_dry_run_knows_the_ignore_files_and_the_option_can_be_taken_back() {
    let d = Daemon::start();
    let root = d.root();
    write(&root.join(".gitignore"), "/out/\n");
    write(&root.join("out/x"), "x");
    write(&root.join("sub/out/y"), "y");
    write(&root.join("sub/.gitignore"), "z\n");
    write(&root.join("sub/z"), "z");
    let path = root.to_str().expect("text");
    let found = d.json(["add", path, "--gitignore", "--dry-run"]).remove(0);
    // The two ignore files and sub/out/y.
    assert_eq!(found["matches"]["count"].as_u64(), Some(3), "{found}");
    d.add(&[], &[]);
    let found = d.json(["set", "data", "--gitignore", "--dry-run"]).remove(0);
    assert_eq!(found["dropped"]["count"].as_u64(), Some(2), "{found}");
    d.ok(["set", "data", "--gitignore"]);
    d.until("the rules hold", || counts(&d).0 == 3);
    let found = d.json(["set", "data", "--no-gitignore", "--dry-run"]).remove(0);
    assert_eq!(found["gained"]["count"].as_u64(), Some(2), "{found}");
    d.ok(["set", "data", "--unset", "gitignore"]);
    d.until("none holds", || counts(&d).0 == 5);
}

#[test]
fn an_ignore_file_that_is_none_ignores_nothing_and_one_that_cannot_be_read_says_what_it_said() {
    let d = Daemon::start();
    let root = d.root();
    let rules = root.join(".gitignore");
    write(&rules, "*.log\n");
    write(&d.base().join("elsewhere"), "*\n");
    fs::create_dir(root.join("link")).expect("a folder");
    symlink(d.base().join("elsewhere"), root.join("link/.gitignore")).expect("a link");
    for folder in ["fifo", "folder", "binary"] {
        fs::create_dir(root.join(folder)).expect("a folder");
    }
    let fifo = root.join("fifo/.gitignore");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    fs::create_dir(root.join("folder/.gitignore")).expect("a folder");
    fs::write(root.join("binary/.gitignore"), [0xff, 0, b'*', b'\n', 0x80, b'\n', b'[', b'\n'].repeat(1000))
        .expect("a file");
    d.add(&["--gitignore"], &[]);
    let tail = d.tail();
    for folder in ["link", "fifo", "folder", "binary"] {
        write(&root.join(folder).join("a"), "x");
        tail.wait_event("create", &root.join(folder).join("a"));
    }
    // A gigabyte is not read, and no rule of it holds; what was said before does.
    let large = File::options().write(true).open(&rules).expect("the file");
    large.set_len(1 << 30).expect("a gigabyte of nothing");
    drop(large);
    d.until("that is told", || d.ok(["show", "data"]).text().contains("1 ignore file can't be read"));
    write(&root.join("a.log"), "x");
    write(&root.join("b"), "x");
    tail.wait_event("create", &root.join("b"));
    assert!(!known(&d).contains("a.log"));
    fs::remove_file(&rules).expect("it is there");
    tail.wait_event("create", &root.join("a.log"));
    d.until("nothing is amiss", || !d.ok(["show", "data"]).text().contains("can't be read"));
    // One that the daemon may not read: only where that holds for it.
    write(&rules, "*.log\n");
    d.until("the rule holds", || !known(&d).contains("a.log"));
    fs::set_permissions(&rules, fs::Permissions::from_mode(0o000)).expect("a mode");
    if File::open(&rules).is_err() {
        d.until("that is told", || d.ok(["show", "data"]).text().contains("1 ignore file can't be read"));
        write(&root.join("c.log"), "x");
        write(&root.join("c"), "x");
        tail.wait_event("create", &root.join("c"));
        assert!(!known(&d).contains("c.log"));
    }
}

#[test]
fn a_checkout_that_writes_the_ignore_file_anew_lets_in_nothing_meanwhile() {
    let d = Daemon::start();
    let root = d.root();
    let rules = |more: &str| format!("*.o\n{more}\n");
    write(&root.join(".gitignore"), &rules("1"));
    let job = d.job();
    d.add(&["--gitignore"], &[&job.command()]);
    write(&root.join("out/a.o"), "x");
    write(&root.join("out/a.c"), "x");
    d.until("it has run", || job.is_done(&root.join("out/a.c")));
    for round in 2..6 {
        // As git does it: the old one goes, then there is a new one.
        fs::remove_file(root.join(".gitignore")).expect("it is there");
        write(&root.join(".gitignore"), &rules(&round.to_string()));
        write(&root.join(format!("out/{round}.o")), "x");
        write(&root.join(format!("out/{round}.c")), "x");
        d.until("it has run", || job.is_done(&root.join(format!("out/{round}.c"))));
    }
    d.wait_idle("data");
    assert!(!job.runs().iter().any(|run| run.path.extension().is_some_and(|end| end == "o")), "{:?}", job.runs());
}

#[test]
fn a_polled_watch_of_the_config_heeds_them_and_knows_them_when_it_comes_back() {
    let mut d = Daemon::prepare(DaemonOptions::default());
    let root = d.root();
    let config = |watched: bool| {
        let watch = format!(
            "[[watch]]\nname = \"data\"\npath = {root:?}\ngitignore = true\nbackend = \"poll\"\npoll-interval = \"1s\"\n"
        );
        if watched { watch } else { String::new() }
    };
    write(&root.join(".gitignore"), "out/\n");
    write(&root.join("out/x"), "x");
    d.write_config(&config(true));
    d.start_again();
    d.wait_watching("data");
    assert_eq!(known(&d), BTreeSet::from([".gitignore".to_owned()]));
    write(&root.join("out/y"), "y");
    write(&root.join(".gitignore"), "new/\n");
    write(&root.join("new/z"), "z");
    d.until("the rule holds", || known(&d).len() == 3);
    let before = known(&d);
    for watched in [false, true] {
        d.write_config(&config(watched));
        d.ok(["reload"]);
    }
    d.wait_watching("data");
    assert_eq!(known(&d), before);
    let told = d.json(["tail", "data", "--since", "1h", "--no-follow", "--kinds", "create,delete,modify"]);
    let of = |name: &str| {
        told.iter().filter(|event| event["path"].as_str().is_some_and(|path| path.ends_with(name))).count()
    };
    assert_eq!((of("out/y"), of("out/x"), of("new/z")), (1, 0, 0), "{told:?}");
}

/// Ignore files that say all that they can, by the folder they are in.
const RULES: &[(&str, &str)] = &[
    (
        "",
        "# a remark\n\n*.log\n!important.log\n/build\n/only/here.txt\ntemp/\ndoc/**/*.pdf\n**/deep/x\nabc/**\n\\#hash\n\\!bang\n",
    ),
    (
        "",
        "trail \nkept\\ \n{a,b}.txt\n[[:upper:]]?.up\nrange[0-3].x\nnot[!a-c].x\nesc[\\]]].x\n*.tab\t\na**b.star\nfoo/*\n!foo/in\n",
    ),
    ("", "open[.x\nback\\\nq?estion\n/*/second\n!*/second/not\nwin.txt\r\nsp ace.txt\n*.[oa]\n-dash\n[!]-]z\n[]-]y\n"),
    ("sub", "!*.log\n/build\n*.txt\n!a.txt\n../up\n./dot\n//two\nx/\n!/x\n"),
    ("sub/sub", "*\n!.gitignore\n!*/\n!*.c\n"),
    ("bom", "\u{feff}first\nsecond\n"),
    ("all", "*\n"),
    ("temp/inside", "!*\n"),
];

/// Paths to judge by them: each also below `sub`, and below `sub/sub`.
const PATHS: &[&str] = &[
    "a.log",
    "important.log",
    "build/x",
    "x/build/y",
    "only/here.txt",
    "only/there.txt",
    "temp/a",
    "temp/inside/b",
    "file/temp",
    "doc/a.pdf",
    "doc/b/c/a.pdf",
    "doc/a.txt",
    "q/deep/x",
    "deep/x/y",
    "abc/d",
    "abc/e/f",
    "#hash",
    "!bang",
    "trail",
    "trail ",
    "kept",
    "kept ",
    "a.txt",
    "{a,b}.txt",
    "b.txt",
    "AB.up",
    "aB.up",
    "range2.x",
    "range5.x",
    "nota.x",
    "notd.x",
    "esc].x]",
    "esc]].x",
    "c.tab",
    "c.tab\t",
    "axyb.star",
    "a/b.star",
    "foo/in",
    "foo/out",
    "foo/in2/x",
    "open[.x",
    "back",
    "back\\",
    "question",
    "d/second",
    "d/second2",
    "d/second/not",
    "win.txt",
    "sp ace.txt",
    "e.o",
    "e.a",
    "e.c",
    "-dash",
    "]z",
    "-z",
    "az",
    "]y",
    "-y",
    "up",
    "dot",
    "two",
    "x/1",
    "y/x/1",
    "x2/x",
    "deep/er/still/a.c",
    "a/first",
    "first",
    "second",
];

#[test]
fn the_same_files_are_seen_as_by_git() {
    let git = |root: &Path, args: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(root).args(args).stderr(Stdio::null());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("XDG_CONFIG_HOME", root);
        command.output().ok().filter(|ran| ran.status.success()).map(|ran| ran.stdout)
    };
    let d = Daemon::start();
    let root = d.root();
    if git(&root, &["init", "-q"]).is_none() {
        eprintln!("skipped: git is not installed");
        return;
    }
    for path in PATHS {
        for below in ["", "sub", "sub/sub", "bom", "all", "temp/inside"] {
            let path = root.join(below).join(path);
            // Some names are a folder's elsewhere.
            if fs::create_dir_all(path.parent().expect("a folder")).is_ok() && !path.exists() {
                fs::write(&path, "x").expect("a file");
            }
        }
    }
    for (folder, rules) in RULES {
        let file = root.join(folder).join(".gitignore");
        let before = fs::read_to_string(&file).unwrap_or_default();
        fs::write(&file, before + rules).expect("a file");
    }
    let seen = git(&root, &["ls-files", "-z", "--others", "--exclude-standard"]).expect("git lists");
    let seen = String::from_utf8(seen).expect("text");
    let by_git: BTreeSet<String> = seen.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    assert!(by_git.len() > 100, "{by_git:?}");
    d.add(&["--gitignore"], &[]);
    let here = known(&d);
    let (only_git, only_here) = (by_git.difference(&here), here.difference(&by_git));
    assert!(
        by_git == here,
        "git alone sees {:?}, fsmond alone {:?}",
        only_git.collect::<Vec<_>>(),
        only_here.collect::<Vec<_>>()
    );
    // One after another, the files are changed: the rules hold for events as for the first listing.
    fs::write(root.join("sub/.gitignore"), "!build\n*.c\n").expect("a file");
    let seen = String::from_utf8(git(&root, &["ls-files", "-z", "--others", "--exclude-standard"]).expect("git lists"))
        .expect("text");
    let by_git: BTreeSet<String> = seen.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    d.until("both see the same again", || known(&d) == by_git);
}
