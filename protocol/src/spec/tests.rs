//! Options: merged, checked, written and read again.

use serde_json::json;

use super::*;
use crate::error::ErrorKind;

/// Every option as a config file gives it, under the name of the option.
fn written() -> serde_json::Value {
    let text = r#"{
        "command": ["process", "{path}"], "include": ["*.csv"], "exclude": ["tmp/"],
        "min-size": "1", "max-size": "10M", "recursive": true, "max-depth": 3, "hidden": false,
        "kinds": ["create", "modify", "rename", "delete"], "existing": "run",
        "settle": "250ms", "open-quiet": "31s", "max-wait": "1m30s", "every": "off", "rescan": "1h30m",
        "on-schedule": "all", "concurrency": 4, "timeout": "10m", "grace": "11s", "retries": 6, "backoff": "2s",
        "cwd": "/srv", "env": ["A=b"], "stdin": "json", "append-path": false, "backend": "poll",
        "poll-interval": "33s", "allow-missing": true, "attrib": true, "run-as": "alice:staff",
        "cron": "30 2 * * *", "tz": "Europe/Paris",
        "jitter": "1m", "catch-up": "none", "ready-file": "{name}.done", "min-age": "5s",
        "mode": "batch", "batch-max": 50, "batch-wait": "7s",
        "on-success": "delete", "on-failure": "move:/bad", "in-flight": 16,
        "order": "name", "key": "^(.)",
        "umask": "027", "nice": 5, "output-max": "2M", "break-after": 5, "keep-runs": "30d",
        "gitignore": true, "dedupe": "content"
    }"#;
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_option_is_read_and_written_under_its_name() {
    let options: Options = serde_json::from_value(written()).unwrap();
    assert_eq!(options.max_wait, Some(SpanOrOff::On(Span::secs(90))));
    assert_eq!(options.every, Some(SpanOrOff::Off));
    assert_eq!(options.max_size, Some(Size(10 << 20)));
    assert_eq!(serde_json::to_value(&options).unwrap(), written());
    assert_eq!(serde_json::from_value::<Options>(json!({})).unwrap(), Options::default());
    assert!(Options::default().is_empty() && !options.is_empty());
}

#[test]
fn unknown_keys_and_bad_values_are_refused_by_name() {
    for (text, says) in [
        (json!({"min_size": "1"}), "unknown field `min_size`"),
        (json!({"evry": "1h"}), "unknown field `evry`"),
        (json!({"every": "15M"}), "'15M' is not a duration"),
        (json!({"every": 3600}), "invalid type"),
        (json!({"backend": "fanotify"}), "unknown variant `fanotify`"),
        (json!({"kinds": ["moved"]}), "unknown variant `moved`"),
        (json!({"concurrency": -1}), "invalid value"),
    ] {
        let error = serde_json::from_value::<Options>(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn options_that_are_given_win_over_defaults() {
    let defaults: Options = serde_json::from_value(json!({"every": "1h", "retries": 9})).unwrap();
    let given: Options = serde_json::from_value(json!({"every": "off", "settle": "1s"})).unwrap();
    let merged = serde_json::to_value(given.or(&defaults)).unwrap();
    assert_eq!((&merged["every"], &merged["settle"], &merged["retries"]), (&json!("off"), &json!("1s"), &json!(9)));
    let every: Options = serde_json::from_value(written()).unwrap();
    assert_eq!(Options::default().or(&every), every);
    assert_eq!(every.clone().or(&Options::default()), every);
}

#[test]
fn defaults_are_those_of_the_manual_and_pass_the_check() {
    let rules = Rules::from_options(&Options::default());
    rules.check().unwrap();
    assert!(rules.recursive && rules.hidden && rules.append_path && !rules.attrib && !rules.allow_missing);
    assert!(!rules.gitignore);
    assert_eq!(rules.kinds, [EventKind::Create, EventKind::Modify, EventKind::Rename]);
    assert_eq!((rules.every.to_string(), rules.rescan.to_string()), ("2h".into(), "2h".into()));
    assert_eq!((rules.settle.to_string(), rules.open_quiet.to_string()), ("100ms".into(), "30s".into()));
    assert_eq!((rules.timeout.to_string(), rules.grace.to_string()), ("10m".into(), "10s".into()));
    assert_eq!((rules.concurrency, rules.retries, rules.backoff), (1, 5, Span::secs(1)));
    assert_eq!((rules.max_wait, rules.poll_interval), (SpanOrOff::Off, Span::secs(30)));
    assert_eq!((rules.existing, rules.on_schedule), (Existing::Skip, OnSchedule::Pending));
    assert_eq!((rules.stdin, rules.backend), (Stdin::None, Backend::Auto));
}

#[test]
fn values_that_make_no_sense_are_refused_by_name() {
    for (options, says) in [
        (json!({"concurrency": 0}), "concurrency is 0"),
        (json!({"timeout": "0s"}), "timeout is 0"),
        (json!({"poll-interval": "0s"}), "poll-interval is 0"),
        (json!({"backoff": "0s"}), "backoff is 0"),
        (json!({"every": "99ms"}), "every is shorter than 100ms"),
        (json!({"rescan": "0s"}), "rescan is shorter than 100ms"),
        (json!({"min-size": "2K", "max-size": "1K"}), "min-size 2K is more than max-size 1K"),
        (json!({"every": "1h", "cron": "@daily"}), "every and cron are both given"),
        (json!({"every": "1h", "jitter": "1h"}), "jitter 1h is not shorter than every 1h"),
        (json!({"env": ["NOVALUE"]}), "env 'NOVALUE'"),
        (json!({"env": ["=x"]}), "env ''"),
        (json!({"env": ["FSMON_PATH=x"]}), "env 'FSMON_PATH'"),
        (json!({"env": ["A=\u{0}"]}), "env 'A'"),
        (json!({"env": ["\u{1b}[31m"]}), "env '\\e[31m'"),
        (json!({"command": [""]}), "the command is an empty word"),
        (json!({"command": ["a", "b\u{0}"]}), "has a NUL in it"),
    ] {
        let options: Options = serde_json::from_value(options).unwrap();
        let error = Rules::from_options(&options).check().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Usage);
        assert!(error.message.contains(says), "{error}");
        assert!(error.hint.is_some(), "{error}");
    }
}

#[test]
fn a_value_of_the_environment_is_never_in_a_refusal() {
    let options: Options = serde_json::from_value(json!({"env": ["FSMON_X=secret"]})).unwrap();
    let error = Rules::from_options(&options).check().unwrap_err();
    assert!(!format!("{error:?}").contains("secret"));
}

#[test]
fn names_are_short_and_plain() {
    for name in ["a", "data", "A-Z_0.9", &"x".repeat(64)] {
        check_name(name).unwrap();
    }
    for name in ["", "a b", "a/b", "ü", "a\n", &"x".repeat(65)] {
        assert_eq!(check_name(name).unwrap_err().kind, ErrorKind::Usage, "{name}");
    }
}

#[test]
fn words_are_those_that_are_read() {
    for (word, json) in [
        (Existing::Run.as_str(), json!(Existing::Run)),
        (OnSchedule::All.as_str(), json!(OnSchedule::All)),
        (OnSchedule::Once.as_str(), json!(OnSchedule::Once)),
        (CatchUp::None.as_str(), json!(CatchUp::None)),
        (Stdin::Json.as_str(), json!(Stdin::Json)),
        (Backend::Inotify.as_str(), json!(Backend::Inotify)),
    ] {
        assert_eq!(json, word);
    }
}

#[test]
fn an_interval_takes_the_place_of_a_cron_line_and_the_other_way_round() {
    let given = |options: serde_json::Value| serde_json::from_value::<Options>(options).unwrap();
    let (interval, cron) = (given(json!({"every": "15m"})), given(json!({"cron": "@daily"})));
    let changed = interval.clone().or(&cron);
    assert_eq!((changed.cron.as_deref(), changed.every), (None, Some(SpanOrOff::On(Span::secs(900)))));
    let changed = cron.clone().or(&interval);
    assert_eq!((changed.cron.as_deref(), changed.every), (Some("@daily"), None));
    assert_eq!(Rules::from_options(&changed).every, SpanOrOff::Off);
    let unchanged = given(json!({"retries": 1})).or(&cron);
    assert_eq!(unchanged.cron.as_deref(), Some("@daily"));
}

#[test]
fn every_option_that_can_be_given_can_be_unset_by_its_name() {
    let given = json!({
        "include": ["*.csv"], "max-size": "1K", "every": "15m", "run-as": "alice", "cron": "@daily", "tz": "Europe/Paris",
        "jitter": "1m", "catch-up": "none", "ready-file": "{name}.done", "min-age": "5s", "command": ["true"],
        "mode": "batch", "batch-max": 50, "batch-wait": "7s",
        "on-success": "delete", "on-failure": "move:/bad", "in-flight": 16,
        "order": "name", "key": "^(.)",
        "umask": "027", "nice": 5, "output-max": "2M", "break-after": 5, "keep-runs": "30d", "dedupe": "content"
    });
    let names: Vec<String> = given.as_object().unwrap().keys().cloned().collect();
    let mut options: Options = serde_json::from_value(given).unwrap();
    options.unset(&names[..1]).unwrap();
    assert!(!options.is_empty(), "only what is named is taken back");
    options.unset(&names).unwrap();
    assert!(options.is_empty(), "{options:?}");
    let error = options.unset(&["frobnicate".to_owned()]).unwrap_err();
    assert!(error.message.contains("frobnicate") && error.hint.is_some(), "{error}");
}

#[test]
fn how_much_of_the_history_is_kept_is_a_number_or_a_duration() {
    let read = |value: serde_json::Value| {
        serde_json::from_value::<Options>(json!({ "keep-runs": value })).map(|o| o.keep_runs)
    };
    assert_eq!(read(json!(500)).unwrap(), Some(KeepRuns::Newest(500)));
    assert_eq!(read(json!("500")).unwrap(), Some(KeepRuns::Newest(500)));
    assert_eq!(read(json!("2h")).unwrap(), Some(KeepRuns::For(Span::secs(7200))));
    for bad in [json!(0), json!(-1), json!("some"), json!(1.5), json!("99999999999")] {
        let said = read(bad.clone()).unwrap_err().to_string();
        assert!(said.contains("from 1 on"), "{bad}: {said}");
    }
}
