//! `watches.toml`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use fsmon_protocol::event::EventKind;
use fsmon_protocol::spec::{
    After, Backend, BreakAfter, CatchUp, Dedupe, Existing, KeepRuns, Mode, OnSchedule, Options, Order, Stdin, Umask,
    WatchSpec,
};
use fsmon_protocol::units::{Size, Span, SpanOrOff};

use super::*;

fn every_option() -> Options {
    Options {
        command: Some(vec!["sh".into(), "-c".into(), "echo \"$1\"\n'".into(), "{path}".into()]),
        include: Some(vec!["*.csv".into()]),
        exclude: Some(Vec::new()),
        min_size: Some(Size(1)),
        max_size: Some(Size(10 << 20)),
        recursive: Some(false),
        max_depth: Some(u32::MAX),
        hidden: Some(false),
        kinds: Some(vec![EventKind::Create, EventKind::Delete]),
        existing: Some(Existing::Run),
        settle: Some(Span::millis(0)),
        open_quiet: Some(Span::millis(1500)),
        max_wait: Some(SpanOrOff::Off),
        every: Some(SpanOrOff::On(Span::secs(7200))),
        rescan: Some(SpanOrOff::Off),
        on_schedule: Some(OnSchedule::All),
        concurrency: Some(4),
        timeout: Some(Span::secs(600)),
        grace: Some(Span::secs(1)),
        retries: Some(0),
        backoff: Some(Span::secs(1)),
        cwd: Some("/tmp/ü".into()),
        env: Some(vec!["A=b=c".into()]),
        stdin: Some(Stdin::Json),
        append_path: Some(false),
        backend: Some(Backend::Poll),
        poll_interval: Some(Span::secs(5)),
        allow_missing: Some(true),
        attrib: Some(true),
        run_as: Some("alice:staff".into()),
        cron: Some("*/30 * * * *".into()),
        tz: Some("Australia/Lord_Howe".into()),
        jitter: Some(Span::secs(7)),
        catch_up: Some(CatchUp::None),
        ready_file: Some("{stem}.ok".into()),
        min_age: Some(Span::millis(1)),
        mode: Some(Mode::Batch),
        batch_max: Some(50),
        batch_wait: Some(Span::millis(1)),
        on_success: Some(After::Move("/done".into())),
        on_failure: Some(After::Keep),
        in_flight: Some(16),
        order: Some(Order::Mtime),
        key: Some("^(.)".into()),
        umask: Some(Umask(0o27)),
        nice: Some(5),
        output_max: Some(Size(2 << 20)),
        break_after: Some(BreakAfter::Runs(5)),
        keep_runs: Some(KeepRuns::Newest(500)),
        gitignore: Some(true),
        dedupe: Some(Dedupe::Content),
    }
}

fn spec(name: &str, options: Options) -> WatchSpec {
    WatchSpec { name: name.into(), path: "/data/\"odd\"\tname".into(), options }
}

#[test]
fn specs_are_written_and_read_again() {
    let dir = folder();
    assert!(read_watches(dir.path()).unwrap().is_empty());
    let mut running = start(dir.path());
    let specs = vec![spec("all", every_option()), spec("none", Options::default())];
    running.store(vec![StoreOp::SaveWatches(Vec::new()), StoreOp::SaveWatches(specs.clone())]);
    assert_eq!(read_watches(dir.path()).unwrap(), specs);
    let path = dir.path().join("watches.toml");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\n[[watch]]\nname = \"all\"\npath = ") && text.contains("\nevery = \"2h\"\n"), "{text}");
    running.store(vec![StoreOp::SaveWatches(Vec::new())]);
    assert!(read_watches(dir.path()).unwrap().is_empty());
    running.close();
}

#[test]
fn a_link_in_its_place_is_replaced_when_writing_and_refused_when_reading() {
    let dir = folder();
    let victim = dir.path().join("victim");
    fs::write(&victim, "# mine\n").unwrap();
    let path = dir.path().join("watches.toml");
    symlink(&victim, &path).unwrap();
    symlink(&victim, dir.path().join(".watches.toml.new")).unwrap();
    assert!(read_watches(dir.path()).is_err());
    let mut running = start(dir.path());
    running.store(vec![StoreOp::SaveWatches(vec![spec("a", Options::default())])]);
    running.close();
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "# mine\n");
}

#[test]
fn errors_name_file_and_line() {
    let good = "# a\n[[watch]]\nname = \"a\"\npath = \"/a\"\n";
    for (text, line, part) in [
        (format!("{good}colour = 3\n"), 5, "colour"),
        (format!("{good}settle = \"soon\"\n"), 5, "soon"),
        (format!("{good}retries = -1\n"), 5, "-1"),
        (format!("{good}\n[[watch]]\nname = \"b\"\n"), 6, "path"),
        (format!("{good}\n[[watch]]\nname = \"a\"\npath = \"/b\"\n"), 6, "two watches"),
        (format!("{good}\n[[watch]]\nname = \"b/c\"\npath = \"/b\"\n"), 6, "b/c"),
        (format!("{good}\n[[watch]]\nname = \"b\"\npath = \"b\"\n"), 6, "absolute"),
        (format!("{good}name = \"b\"\n"), 5, "duplicate"),
        (format!("{good}[watches]\n"), 5, "watches"),
        (format!("{good}= 3\n"), 5, "key"),
    ] {
        let error = parse_watches(Path::new("/state/watches.toml"), &text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("/state/watches.toml:{line}: ")), "{error}\n{text}");
        assert!(error.contains(part) && !error.contains('\n'), "{error}");
    }
}
