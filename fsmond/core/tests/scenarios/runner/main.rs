//! The core as stories: each text file beside this folder tells what happens and what must come of it. A new case is
//! a new file and needs no Rust; `README.md` there tells the words.
//!
//! `SCENARIO=save cargo test -p fsmon-core --test scenarios` acts out only those whose file name has `save` in it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "it is a test, helpers included")]

mod commands;
mod daemon;
mod disk;
mod outcome;
mod store;
mod story;
mod words;

use std::fs;
use std::path::Path;

/// The stories by file name, sorted.
fn stories() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let only = std::env::var("SCENARIO").unwrap_or_default();
    let mut all: Vec<(String, String)> = fs::read_dir(&folder)
        .expect("the folder of the stories")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "txt"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()))
        .filter(|(name, _)| name.contains(&only))
        .collect();
    all.sort();
    all
}

#[test]
fn every_story_ends_as_it_is_told() {
    let stories = stories();
    assert!(!stories.is_empty(), "there is no story to act out");
    let mut wrong = Vec::new();
    for (name, text) in &stories {
        assert!(text.starts_with("# "), "{name}: the first line says why the story is told");
        let known = text.lines().any(|line| line.starts_with("known-difference:"));
        match (story::act(text), known) {
            (Ok(()), false) | (Err(_), true) => {}
            (Ok(()), true) => wrong.push(format!("{name}: the known difference is no more: take its line away")),
            (Err(why), false) => wrong.push(format!("{name}, {why}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} stories:\n\n{}\n", wrong.len(), stories.len(), wrong.join("\n\n"));
}

/// A runner that lets everything pass would prove nothing.
#[test]
fn a_wrong_story_is_found_out() {
    let begin = "watch /w command=true\nsave a 1\n";
    for (rest, line) in [
        ("told create a size=2", 3),
        ("told modify a", 3),
        ("told create a origin=scan", 3),
        ("told create a at 1s", 3),
        ("told create a nothing=1", 3),
        ("told create a\nat 1s", 4),
        ("told create a\nat 1s\nstarts a attempt=2", 5),
        ("told create a\nat 50ms\nstarts a", 5),
        ("told create a\nshows w files=2", 4),
        ("told create a\nat 1s\nstarts a\nends b exit=0", 6),
        ("at 1s", 3),
        ("", 2),
        ("told create a\nwrit a 1", 4),
    ] {
        let result = story::act(&format!("{begin}{rest}"));
        let why = result.expect_err(&format!("it should be found out: {rest}"));
        assert!(why.starts_with(&format!("line {line}:")), "{rest}: {why}");
    }
    story::act(&format!("{begin}told create a size=1 origin=live at 0ms")).expect("a true story passes");
}
