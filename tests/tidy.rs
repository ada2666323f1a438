//! House rules that no compiler and no lint holds: each is written down here with its reason, and enforced.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "all of this is test code")]

use std::fs;
use std::path::{Path, PathBuf};

/// A file is about one thing; longer ones are about two.
const LONGEST_FILE: usize = 400;
/// Tests are lists of cases and may be longer.
const LONGEST_TEST_FILE: usize = 600;
/// The map of the house has to be read in one sitting.
const LONGEST_MAP: usize = 150;

/// A source file: its path from the top of the repository, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("tests.rs")
    }

    /// The lines that are code, with their numbers: no comments, nothing from the first `#[cfg(test)]` of a module on.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        let lines = self.text[..end].lines().enumerate().map(|(n, line)| (n + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

/// Every Rust source of the repository.
fn sources() -> Vec<Source> {
    let top = top();
    let mut found = Vec::new();
    let mut folders = vec![top.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&top).unwrap().to_str().unwrap().to_owned();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 20, "the sources are found");
    found
}

/// Fails with all offenders at once.
#[track_caller]
fn none(offenders: &[String]) {
    assert!(offenders.is_empty(), "{} offenders:\n{}", offenders.len(), offenders.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//!")).map(|source| source.path);
    none(&silent.collect::<Vec<_>>());
}

#[test]
fn files_are_short() {
    let long = sources().into_iter().filter_map(|source| {
        let (lines, longest) =
            (source.text.lines().count(), if source.is_test() { LONGEST_TEST_FILE } else { LONGEST_FILE });
        (lines > longest).then(|| format!("{}: {lines} lines, at most {longest}", source.path))
    });
    none(&long.collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_undone() {
    let words = ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "XXX"];
    let undone = sources().into_iter().filter(|source| source.path != "tests/tidy.rs").flat_map(|source| {
        let lines = source.text.lines().enumerate();
        let hits = lines.filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        hits.map(|(n, line)| format!("{}:{}: {line}", source.path, n + 1)).collect::<Vec<_>>()
    });
    none(&undone.collect::<Vec<_>>());
}

/// Code under a folder may not hold any of these.
struct Ban {
    below: &'static str,
    words: &'static [&'static str],
    why: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        below: "fsmond/core/src/",
        words: &[
            "std::fs",
            "std::net",
            "std::process",
            "std::thread",
            "std::sync::Mutex",
            "std::os::fd",
            "std::os::unix::fs",
            "std::os::unix::net",
            "std::os::unix::process",
            "Instant",
            "SystemTime",
            "Timestamp::now",
            "tokio",
            "rustix",
            "nix::",
            "async fn",
            "println!",
        ],
        why: "the core decides and does nothing: no I/O, no clock, no async, no threads, no locks",
    },
    Ban {
        below: "protocol/src/",
        words: &["fsmon_core", "fsmond::"],
        why: "the contract knows neither of the two programs",
    },
    Ban { below: "fsmonctl/src/", words: &["fsmon_core", "fsmond::"], why: "fsmonctl knows the contract only" },
    Ban {
        below: "fsmond/src/watch/",
        words: &[
            "crate::engine",
            "crate::rpc",
            "crate::app",
            "crate::store",
            "crate::runner",
            "crate::host",
            "rusqlite",
        ],
        why: "edges know neither each other nor the engine",
    },
    Ban {
        below: "fsmond/src/store/",
        words: &["crate::engine", "crate::rpc", "crate::app", "crate::watch", "crate::runner", "crate::host", "tarpc"],
        why: "edges know neither each other nor the engine",
    },
    Ban {
        below: "fsmond/src/runner/",
        words: &[
            "crate::engine",
            "crate::rpc",
            "crate::app",
            "crate::watch",
            "crate::store",
            "crate::host",
            "rusqlite",
        ],
        why: "edges know neither each other nor the engine",
    },
    Ban {
        below: "fsmond/src/host/",
        words: &["crate::engine", "crate::rpc", "crate::app", "crate::watch", "crate::store", "crate::runner"],
        why: "edges know neither each other nor the engine",
    },
    Ban {
        below: "fsmond/src/engine/",
        words: &[
            "crate::rpc",
            "crate::app",
            "crate::watch",
            "crate::store",
            "crate::runner",
            "crate::host",
            "rusqlite",
        ],
        why: "the engine knows the edges' traits, never an edge",
    },
    Ban {
        below: "fsmond/src/rpc/",
        words: &["crate::app", "crate::watch", "crate::store", "crate::runner", "rusqlite"],
        why: "the server knows the engine's handle and the contract",
    },
];

#[test]
fn who_may_use_whom() {
    let mut offenders = Vec::new();
    for source in
        sources().iter().filter(|source| !source.path.ends_with("tests.rs") && !source.path.contains("/tests/"))
    {
        for ban in BANS.iter().filter(|ban| source.path.starts_with(ban.below)) {
            let hits = source.code().filter(|(_, line)| ban.words.iter().any(|word| holds_word(line, word)));
            offenders.extend(hits.map(|(n, line)| format!("{}:{n}: {}\n    {}", source.path, line.trim(), ban.why)));
        }
    }
    none(&offenders);
}

/// Whether a line of code holds `word`, not as the end of a longer one.
fn holds_word(line: &str, word: &str) -> bool {
    let code = line.split(" //").next().unwrap_or(line);
    code.match_indices(word).any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn each_package_depends_on_what_it_may() {
    let allowed: &[(&str, &[&str])] = &[
        ("protocol", &[]),
        ("fsmond/core", &["fsmon-protocol"]),
        ("fsmond", &["fsmon-protocol", "fsmon-core"]),
        ("fsmonctl", &["fsmon-protocol"]),
    ];
    let own = ["fsmon-protocol", "fsmon-core", "fsmond", "fsmonctl", "fsmon-tests"];
    for (package, may) in allowed {
        let manifest = fs::read_to_string(top().join(package).join("Cargo.toml")).unwrap();
        // What a package is made of may name a package that must be installed; only dependencies count here.
        let code = manifest.split("[package.metadata").next().unwrap_or_default();
        let used = own.iter().filter(|name| {
            code.lines().any(|line| line.strip_prefix(**name).is_some_and(|rest| rest.starts_with([' ', '.', '='])))
        });
        let wrong: Vec<_> = used.filter(|name| !may.contains(name)).collect();
        assert!(wrong.is_empty(), "{package} may not depend on {wrong:?}");
    }
}

#[test]
fn the_core_has_few_dependencies() {
    let manifest = fs::read_to_string(top().join("fsmond/core/Cargo.toml")).unwrap();
    for edge in ["tokio", "notify", "rusqlite", "tarpc", "rustix", "nix", "clap", "tracing", "anyhow"] {
        assert!(!manifest.lines().any(|line| line.starts_with(edge)), "the core can't need {edge}");
    }
}

#[test]
fn a_newcomer_finds_the_papers() {
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        let text = fs::read_to_string(top().join(name)).unwrap_or_default();
        assert!(!text.trim().is_empty(), "{name} is missing");
    }
    let lines = fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap().lines().count();
    assert!(lines <= LONGEST_MAP, "ARCHITECTURE.md has {lines} lines, at most {LONGEST_MAP}");
}

#[test]
fn every_end_to_end_module_is_in_the_test() {
    let main = fs::read_to_string(top().join("tests/e2e/main.rs")).unwrap();
    for entry in fs::read_dir(top().join("tests/e2e")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || main.contains(&format!("mod {module};")), "{name} is forgotten");
    }
}
