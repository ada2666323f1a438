//! What git says of a line is what is said here; `tests/e2e/gitignore.rs` asks git itself.

use super::line::{Odd, read};
use super::*;

fn file(text: &str) -> IgnoreFile {
    IgnoreFile::new(text.as_bytes()).unwrap()
}

/// What a file says of each path: `+` ignored, `-` taken back, `.` nothing. One that ends in `/` is a folder.
fn said(text: &str, paths: &str) -> String {
    let file = file(text);
    let one = |path: &str| {
        let rel = path.strip_suffix('/').unwrap_or(path);
        match file.ignores(rel.as_bytes(), rel != path) {
            Some(true) => '+',
            Some(false) => '-',
            None => '.',
        }
    };
    paths.split(' ').map(one).collect()
}

#[test]
fn the_last_line_that_matches_decides() {
    assert_eq!(said("*.log\n!keep.log\n", "a.log d/a.log keep.log d/keep.log a.txt"), "++--.");
    assert_eq!(said("# no\n\n/a\nb/\nc/d\n", "a x/a b b/ x/b/ c/d x/c/d"), "+..+++.");
    assert_eq!(said("*\n!*/\n!*.c\n", "a a/ a.c d/b.c"), "+---");
    assert_eq!(said("a/**\n**/x\n", "a/ a/b a/b/c x d/x"), ".++++");
}

#[test]
fn it_is_what_git_takes_it_for() {
    assert_eq!(said("{a,b}\n", "a b {a,b}"), "..+", "git knows no alternatives");
    assert_eq!(said("[[:digit:]]x\n", "1x ax"), "+.");
    assert_eq!(said("[z-a]\n", "z a m"), "+..", "the first of a range is read alone as well");
    assert_eq!(said("[a\\]]x\n", "]x ax bx"), "++.");
    assert_eq!(said("a[!b]c\n", "a/c axc abc"), ".+.", "a class never matches a slash");
    assert_eq!(said("[!-]\n[]-]y\n[a-]z\n[^^]w\n", "- b -y ]y -z az ^w bw"), ".+++++.+");
    assert_eq!(said("a\\\\/\n", "a\\/ a/ a\\"), "+..");
    assert_eq!(said("[./!]\n", "! d/!"), "+.", "a slash is one, in a class too");
    assert_eq!(said("***/x/***\n", "x/ x/y a/x/y"), ".++");
    assert_eq!(said("\\#a\n\\!b\nc\\ \nd \n", "#a !b c d"), "++.+");
    assert_eq!(file("c\\ \n").ignores(b"c ", false), Some(true));
    assert_eq!(file("a\t\n").ignores(b"a", false), None, "only spaces go");
    assert_eq!(file("a\t\n").ignores(b"a\t", false), Some(true));
    assert_eq!(said("\u{feff}a\r\nb\r\n", "a b"), "++");
}

#[test]
fn what_cannot_be_understood_ignores_nothing_and_takes_back_more() {
    for line in ["[a", "[", "a\\", "a\\/", "!", "/", "!//", "[[:nothing:]]", "[é]x"] {
        assert_eq!(read(line.as_bytes()), Err(Odd), "{line}");
    }
    assert_eq!(read(b"b\xfcro"), Err(Odd));
    let latin = IgnoreFile::new(b"*\n!b\xfcro\n!x[\xc3\xa9]\n").unwrap();
    assert_eq!((latin.ignores(b"b\xfcro", false), latin.ignores(b"a", false)), (Some(false), Some(true)));
    assert_eq!(latin.ignores("xé".as_bytes(), false), Some(false));
    assert_eq!((file("[a\nb\n").odd(), file("[a\nb\n").rules()), (1, 1));
}

#[test]
fn it_tells_the_line_that_decides() {
    let it = file("# rules\n*.log\n!keep.log\n*.log \n");
    assert_eq!(it.line(b"d/a.log", false), Some((4, &b"*.log "[..])));
    assert_eq!(it.line(b"a", false), None);
    assert_eq!(file("*.log\n!keep.log").line(b"keep.log", false), Some((2, &b"!keep.log"[..])));
}

#[test]
fn what_is_too_large_is_refused() {
    assert!(IgnoreFile::new(&vec![b'\n'; LARGEST + 1]).is_err());
    assert!(IgnoreFile::new("a\n".repeat(MOST_RULES + 1).as_bytes()).is_err());
    assert!(IgnoreFile::new("?*".repeat(100_000).as_bytes()).is_err(), "as a whole");
    assert!(IgnoreFile::new(&[0xff; 1000]).is_ok_and(|it| it.rules() == 0), "no text at all");
}

#[test]
fn the_nearest_file_that_says_anything_decides() {
    let (root, deep) = (file("*.log\nx\n"), file("!a.log\n"));
    let above = || [(2, &deep), (0, &root)];
    let told = |rel: &[u8]| decide(above(), rel, false).map(|(from, _, ignored)| (from, ignored));
    assert_eq!(told(b"d/a.log"), Some((2, false)));
    assert_eq!(told(b"d/b.log"), Some((0, true)));
    assert_eq!(told(b"d/c"), None);
}

#[test]
fn a_long_rule_and_much_text_weigh_as_many_short_rules() {
    let weight = |text: &[u8]| IgnoreFile::new(text).unwrap().weight();
    assert_eq!(weight(b"*.o\n# remark\ntarget/\n"), 2);
    assert!(weight("a*b?".repeat(200).as_bytes()) >= 50);
    assert!(weight(format!("# {}\n", "x".repeat(200_000)).as_bytes()) >= 60);
}
