//! Options as people write them on the command line, and what of them travels.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: OptionArgs,
}

fn options(words: &[&str]) -> Result<Options, ApiError> {
    let line = Line::try_parse_from(std::iter::once(&"x").chain(words)).map_err(|e| ApiError::usage(e.to_string()))?;
    line.options.into_options(None)
}

#[test]
fn nothing_given_is_nothing_sent() {
    assert!(options(&[]).unwrap().is_empty());
}

#[test]
fn each_option_arrives() {
    let got = options(&[
        "--include=*.csv",
        "--include=*.txt",
        "--exclude=tmp/",
        "--min-size=1K",
        "--max-size=10M",
        "--no-recursive",
        "--max-depth=3",
        "--no-hidden",
        "--kinds=create,delete",
        "--existing=run",
        "--settle=1s",
        "--open-quiet=2s",
        "--max-wait=off",
        "--every=15m",
        "--rescan=off",
        "--on-schedule=all",
        "--concurrency=4",
        "--timeout=1h",
        "--grace=3s",
        "--retries=0",
        "--backoff=2s",
        "--cwd=/tmp",
        "--env=A=1",
        "--env=B=2",
        "--stdin=json",
        "--no-path",
        "--backend=poll",
        "--poll-interval=5s",
        "--allow-missing",
        "--attrib",
        "--run-as=alice:staff",
        "--tz=Europe/Paris",
        "--jitter=1m",
        "--catch-up=none",
        "--ready-file={name}.done",
        "--min-age=5s",
        "--mode=batch",
        "--batch-max=50",
        "--batch-wait=7s",
        "--in-flight=16",
        "--on-success=move:/done",
        "--on-failure=keep",
        "--order=name",
        "--key=^(.)",
        "--umask=027",
        "--nice=-5",
        "--output-max=2M",
        "--break-after=5",
        "--keep-runs=500",
        "--gitignore",
        "--dedupe=content",
    ])
    .unwrap();
    let text = serde_json::to_value(&got).unwrap();
    // Every option but the command was given, and the cron line in whose place the interval is; so none may be missing.
    for (option, value) in text.as_object().unwrap() {
        assert_eq!(value.is_null(), ["command", "cron"].contains(&option.as_str()), "{option}");
    }
    assert_eq!(got.include.unwrap(), ["*.csv", "*.txt"]);
    assert_eq!(got.kinds.unwrap(), [EventKind::Create, EventKind::Delete]);
    assert_eq!(got.max_size, Some(Size(10 << 20)));
    assert_eq!(got.every, Some(SpanOrOff::On(Span::secs(900))));
    assert_eq!((got.append_path, got.recursive, got.hidden), (Some(false), Some(false), Some(false)));
    assert_eq!(got.env.unwrap(), ["A=1", "B=2"]);
}

#[test]
fn a_schedule_is_an_interval_or_a_cron_line() {
    assert_eq!(options(&["--cron", "30 2 * * *"]).unwrap().cron.unwrap(), "30 2 * * *");
    assert!(options(&["--cron", "@daily", "--every", "2h"]).unwrap_err().message.contains("--every"));
}

#[test]
fn the_last_of_two_opposites_holds() {
    assert_eq!(options(&["--hidden", "--no-hidden"]).unwrap().hidden, Some(false));
    assert_eq!(options(&["--no-path", "--path-appended"]).unwrap().append_path, Some(true));
}

#[test]
fn an_empty_word_empties_a_list_and_stands_alone() {
    assert_eq!(options(&["--include", ""]).unwrap().include, Some(vec![]));
    assert!(options(&["--env", "", "--env", "A=1"]).is_err());
}

#[test]
fn wrong_values_are_told_with_what_would_be_right() {
    assert!(options(&["--settle", "soon"]).unwrap_err().message.contains("500ms"));
    assert!(options(&["--kinds", "create,foo"]).unwrap_err().message.contains("rename"));
}
