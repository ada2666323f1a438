//! The filter's rules as tables.

use fsmon_protocol::ErrorKind;
use fsmon_protocol::spec::{Options, Rules};

use super::*;

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_string()).collect()
}

fn filter(include: &[&str], exclude: &[&str]) -> Filter {
    let options = Options { include: Some(words(include)), exclude: Some(words(exclude)), ..Options::default() };
    Filter::new(&Rules::from_options(&options)).unwrap()
}

fn refused(include: &[&str], exclude: &[&str]) -> ApiError {
    let options = Options { include: Some(words(include)), exclude: Some(words(exclude)), ..Options::default() };
    Filter::new(&Rules::from_options(&options)).unwrap_err()
}

/// Whether a scan from the root would come to this file: every folder above it is entered, and it counts.
fn reached(f: &Filter, rel: &[u8]) -> bool {
    let mut depth = 0;
    for (at, _) in rel.iter().enumerate().filter(|(_, b)| **b == b'/') {
        depth += 1;
        if !f.folder(&rel[..at], depth) {
            return false;
        }
    }
    f.file(rel)
}

#[test]
fn include_and_exclude_follow_gitignore() {
    #[rustfmt::skip]
    let table: &[(&[&str], &[&str], &str, bool)] = &[
        (&[], &[], "a", true),
        (&[], &[], "a/b/c", true),
        // Without a slash: any depth. With one: from the root on.
        (&["*.csv"], &[], "a.csv", true),
        (&["*.csv"], &[], "x/y/a.csv", true),
        (&["*.csv"], &[], "a.csv.part", false),
        (&["/a.csv"], &[], "a.csv", true),
        (&["/a.csv"], &[], "x/a.csv", false),
        (&["in/*.csv"], &[], "in/a.csv", true),
        (&["in/*.csv"], &[], "in/x/a.csv", false),
        (&["in/*.csv"], &[], "x/in/a.csv", false),
        (&["in/**/a"], &[], "in/a", true),
        (&["in/**/a"], &[], "in/x/y/a", true),
        (&["**/in/a"], &[], "x/in/a", true),
        // A folder includes all below.
        (&["src/"], &[], "src/x/a.c", true),
        (&["src/"], &[], "lib/src/a.c", true),
        (&["/src/"], &[], "lib/src/a.c", false),
        (&["src/"], &[], "src", false),
        (&["src"], &[], "src", true),
        (&["src"], &[], "src/a/b", true),
        (&["src/**"], &[], "src/a/b", true),
        (&["/*"], &[], "x/y", true),
        // The last match decides, the file before its folders.
        (&["*.csv", "!tmp*"], &[], "tmp1.csv", false),
        (&["!tmp*", "*.csv"], &[], "tmp1.csv", true),
        (&["src/", "!*.o"], &[], "src/a.o", false),
        (&["src/", "!*.o"], &[], "src/a.c", true),
        (&["src/", "!src/gen/"], &[], "src/gen/a.c", false),
        // Exclude: folders and files, and what is taken back.
        (&[], &["*.tmp"], "x/a.tmp", false),
        (&[], &["tmp/"], "x/tmp/a", false),
        (&[], &["tmp/"], "x/tmp", true),
        (&[], &["/tmp"], "x/tmp/a", true),
        (&[], &["*.log", "!keep.log"], "x/keep.log", true),
        (&[], &["*.log", "!keep.log"], "x/other.log", false),
        (&[], &["build/", "!build/keep"], "build/keep", false),
        (&[], &["build/*", "!build/keep"], "build/keep", true),
        (&[], &["node_modules"], "a/node_modules/b/c", false),
        // Exclude is stronger.
        (&["*.csv"], &["old/"], "old/a.csv", false),
        (&["a"], &["a"], "a", false),
        // Odd names.
        (&["\\#a"], &[], "#a", true),
        (&["\\!a"], &[], "!a", true),
        (&["*.{csv,tsv}"], &[], "a.tsv", true),
        (&["[ab].csv"], &[], "c.csv", false),
        (&["a b"], &[], "a b", true),
        (&["*.CSV"], &[], "a.csv", false),
        (&["*"], &[], "a\nb", true),
    ];
    for (include, exclude, path, expected) in table {
        let f = filter(include, exclude);
        assert_eq!(reached(&f, path.as_bytes()), *expected, "include {include:?} exclude {exclude:?} {path:?}");
    }
}

#[test]
fn names_that_are_not_utf8_match_by_their_bytes() {
    let f = filter(&["*.csv"], &["sub/"]);
    assert!(reached(&f, b"\xff\xfe.csv"));
    assert!(reached(&f, b"\xff/\xfe.csv"));
    assert!(!reached(&f, b"\xff/sub/\xfe.csv"));
    assert!(!reached(&f, b"\xff.cs\xff"));
    assert!(reached(&filter(&["?"], &[]), b"\xff"));
}

#[test]
fn include_never_keeps_a_folder_from_being_entered() {
    let f = filter(&["/in/*.csv", "!x/"], &[]);
    assert!(f.folder(b"", 0));
    assert!(f.folder(b"x", 1));
    assert!(f.folder(b"y/z", 2));
}

#[test]
fn hidden_names_and_depth() {
    let with = |options: Options| Filter::new(&Rules::from_options(&options)).unwrap();
    let f = with(Options { hidden: Some(false), ..Options::default() });
    for (path, expected) in [("a", true), (".a", false), ("x/.a", false), (".x/a", false), ("x.y/a.b", true)] {
        assert_eq!(reached(&f, path.as_bytes()), expected, "{path}");
    }
    assert!(reached(&with(Options::default()), b".x/.a"));
    for (recursive, max_depth, path, expected) in [
        (false, None, "a", true),
        (false, None, "x/a", false),
        (false, Some(5), "x/a", false),
        (true, Some(0), "x/a", false),
        (true, Some(1), "x/a", true),
        (true, Some(1), "x/y/a", false),
        (true, Some(2), "x/y/a", true),
    ] {
        let f = with(Options { recursive: Some(recursive), max_depth, ..Options::default() });
        assert_eq!(reached(&f, path.as_bytes()), expected, "{recursive} {max_depth:?} {path}");
    }
}

#[test]
fn it_tells_which_rule_decides_and_by_which_pattern() {
    let f = Filter::new(&Rules::from_options(&Options {
        include: Some(words(&["*.csv", "src/", "!src/old/"])),
        exclude: Some(words(&["*.tmp", "!keep.tmp", "/build/"])),
        hidden: Some(false),
        max_depth: Some(2),
        ready_file: Some("{name}.done".into()),
        ..Options::default()
    }))
    .unwrap();
    for (rel, rule, pattern, upto) in [
        ("x/a.csv", Rule::Include, Some("*.csv"), "x/a.csv"),
        ("src/a.c", Rule::Include, Some("src/"), "src"),
        ("src/old/a.c", Rule::NotIncluded, Some("!src/old/"), "src/old"),
        ("a.txt", Rule::NotIncluded, None, "a.txt"),
        ("a.txt.done", Rule::ReadyFile, None, "a.txt.done"),
        ("a.tmp", Rule::Exclude, Some("*.tmp"), "a.tmp"),
        ("src/keep.tmp", Rule::Include, Some("src/"), "src"),
        (".a.csv", Rule::Hidden, None, ".a.csv"),
    ] {
        let expected = Decision { rule, pattern, upto: upto.len() };
        assert_eq!(f.decide_file(rel.as_bytes()), expected, "{rel}");
    }
    for (rel, depth, rule, pattern) in [
        ("build", 1, Rule::Exclude, Some("/build/")),
        ("x", 1, Rule::All, None),
        (".git", 1, Rule::Hidden, None),
        ("x/y/z", 3, Rule::MaxDepth, None),
        ("", 0, Rule::All, None),
    ] {
        let expected = Decision { rule, pattern, upto: rel.len() };
        assert_eq!(f.decide_folder(rel.as_bytes(), depth), expected, "{rel}");
    }
    let taken_back = filter(&[], &["*.tmp", "!keep.tmp"]);
    let expected = Decision { rule: Rule::All, pattern: Some("!keep.tmp"), upto: 8 };
    assert_eq!(taken_back.decide_file(b"keep.tmp"), expected);
    let flat = Options { recursive: Some(false), ..Options::default() };
    let flat = Filter::new(&Rules::from_options(&flat)).unwrap();
    assert_eq!(flat.decide_folder(b"x", 1).rule, Rule::NoRecursive);
}

#[test]
fn size_gates_both_ends_inclusively() {
    let options = Options { min_size: Some(Size(10)), max_size: Some(Size(20)), ..Options::default() };
    let f = Filter::new(&Rules::from_options(&options)).unwrap();
    for (size, expected) in [(9, false), (10, true), (20, true), (21, false)] {
        assert_eq!(f.size_ok(size), expected, "{size}");
    }
    assert!(f.file(b"any"), "size gates the command, not the index");
    assert!(filter(&[], &[]).size_ok(0) && filter(&[], &[]).size_ok(u64::MAX));
}

#[test]
fn a_bad_pattern_is_named_with_the_reason() {
    for (glob, why) in [
        ("[ab", "unclosed"),
        ("a[z-a]", "invalid range"),
        ("{a,b", "unclosed"),
        ("a\\", "dangling"),
        ("#a", "comment"),
        ("", "nothing below the root"),
        ("/", "nothing below the root"),
        ("  ", "nothing below the root"),
        ("!", "nothing below the root"),
        ("./a", "never match"),
        ("a/../b", "never match"),
        ("//a", "more than one"),
    ] {
        let error = refused(&[], &["ok", glob]);
        assert_eq!(error.kind, ErrorKind::Usage, "{glob}");
        assert!(error.message.starts_with(&format!("exclude '{}'", escape(glob.as_bytes()))), "{}", error.message);
        assert!(error.message.contains(why), "{glob}: {}", error.message);
    }
    assert!(refused(&["!a", "!b"], &[]).message.contains("only patterns with '!'"));
    assert!(refused(&["\u{1b}[31m[x"], &[]).message.contains("\\e[31m"), "control characters are escaped");
}
