//! File names that people and attackers really use. Each is one component, and every one must go through unharmed.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// The names: what is special about each, and its bytes.
pub fn hostile() -> Vec<(&'static str, OsString)> {
    let fixed: [(&str, &[u8]); 26] = [
        ("spaces", b"  two  spaces  "),
        ("single quote", b"it's"),
        ("double quote", b"say \"hello\""),
        ("newline", b"first\nsecond"),
        ("carriage return", b"over\rwrite"),
        ("tab", b"a\tb"),
        ("leading dash", b"-rf"),
        ("long option", b"--help"),
        ("command substitution", b"$(touch pwned)"),
        ("backquotes", b"`touch pwned`"),
        ("semicolon", b";touch pwned;"),
        ("pipe and ampersand", b"a|touch pwned&b"),
        ("variable", b"$HOME${IFS}"),
        ("glob", b"*?[a-z]"),
        ("backslash", b"back\\slash\\n"),
        ("placeholder", b"{path}{name}"),
        ("percent", b"%s%n%00"),
        ("tilde", b"~root"),
        ("hash", b"#comment"),
        ("negated glob", b"!important"),
        ("hidden", b".hidden"),
        ("three dots", b"..."),
        ("not UTF-8", b"\xff\xfe\x80latin-\xe9"),
        ("terminal escapes", b"\x1b]0;title\x07\x1b[31mred\x1b[2J"),
        ("right to left", "\u{202e}gpj.exe".as_bytes()),
        ("wide and joined", "日本語 \u{1f469}\u{200d}\u{1f4bb}".as_bytes()),
    ];
    let mut names: Vec<_> = fixed.into_iter().map(|(what, name)| (what, OsString::from_vec(name.to_vec()))).collect();
    names.push(("255 bytes", OsString::from_vec(vec![b'n'; 255])));
    names.push(("a forged log line", OsString::from_vec(b"x\n2026-11-23T18:10:00Z ERROR forged".to_vec())));
    names
}
