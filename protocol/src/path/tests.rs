//! Paths: exact on the wire, harmless on a terminal.

use super::*;

#[test]
fn ordinary_names_stay_as_they_are() {
    for name in ["", "a.csv", "/data/ümläut/日本語.txt", "with blank", "$(id);x|y&'\"`", "-rf", "🦀", "e\u{301}"]
    {
        assert!(matches!(escape(name.as_bytes()), Cow::Borrowed(same) if same == name), "{name}");
        assert!(matches!(tame(name), Cow::Borrowed(same) if same == name), "{name}");
    }
}

#[test]
fn controls_and_what_is_not_text_are_shown() {
    for (bytes, shown) in [
        (&b"a\nb"[..], "a\\nb"),
        (b"\r\t", "\\r\\t"),
        (b"\x1b]0;x\x07\x1b[31m", "\\e]0;x\\u{7}\\e[31m"),
        (b"\x00\x7f", "\\u{0}\\u{7f}"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"ok\xc3", "ok\\xc3"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        (b"\xc0\xaf", "\\xc0\\xaf"),
        (b"back\\slash", "back\\\\slash"),
        ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
        ("\u{202e}gpj.exe".as_bytes(), "\\u{202e}gpj.exe"),
        ("a\u{200b}b\u{2028}c".as_bytes(), "a\\u{200b}b\\u{2028}c"),
    ] {
        assert_eq!(escape(bytes), shown);
    }
}

#[test]
fn no_character_that_misleads_gets_through() {
    for range in [0x0..=0x1f, 0x7f..=0x9f, 0x200b..=0x200f, 0x2028..=0x202e, 0x2066..=0x2069, 0xfe00..=0xfe0f] {
        for c in range.filter_map(char::from_u32) {
            let text = format!("a{c}b");
            for shown in [escape(text.as_bytes()), tame(&text), quote(text.as_bytes())] {
                assert!(!shown.contains(c), "U+{:04x}", u32::from(c));
            }
        }
    }
    for c in ['\u{61c}', '\u{ad}', '\u{feff}', '\u{3164}', '\u{115f}', '\u{e0041}', '\u{e0100}', '\u{1d173}'] {
        assert!(!escape(c.to_string().as_bytes()).contains(c), "U+{:04x}", u32::from(c));
    }
}

/// Undoes [`escape`], to show that no two names look the same.
fn unescape(shown: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = shown.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend(c.to_string().bytes());
            continue;
        }
        match rest.next().unwrap() {
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            'r' => bytes.push(b'\r'),
            'e' => bytes.push(0x1b),
            'x' => {
                let hex: String = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&hex, 16).unwrap());
            }
            'u' => {
                let hex: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                bytes.extend(char::from_u32(u32::from_str_radix(&hex, 16).unwrap()).unwrap().to_string().bytes());
            }
            c => bytes.extend(c.to_string().bytes()),
        }
    }
    bytes
}

#[test]
fn escaping_is_unambiguous() {
    let mut names: Vec<Vec<u8>> = (0..=255).map(|byte| vec![b'a', byte]).collect();
    names.extend((0..=255).map(|byte| vec![0xe2, 0x80, byte]));
    names.extend([&b"\\n"[..], b"\n", b"\\\\n", b"\\xff", b"\xff", b"\\u{7}"].map(<[u8]>::to_vec));
    for name in &names {
        assert_eq!(unescape(&escape(name)), *name);
    }
}

#[test]
fn a_word_ends_where_its_quotes_end() {
    for (bytes, shown) in [
        (&b"/a"[..], "/a"),
        (b"", "\"\""),
        (b"/a b", "\"/a b\""),
        (b"/a\"b", "\"/a\\\"b\""),
        (b"/a\\\" b", "\"/a\\\\\\\" b\""),
        ("/a\u{a0}b".as_bytes(), "\"/a\u{a0}b\""),
    ] {
        assert_eq!(quote(bytes), shown);
    }
}

#[test]
fn taming_leaves_what_is_escaped() {
    let sentence = format!("root {} is gone\u{1b}", RawPath::from(&b"/a\\\n"[..]));
    assert_eq!(tame(&sentence), "root /a\\\\\\n is gone\\e");
    assert_eq!(tame(&tame(&sentence)), tame(&sentence));
}

#[test]
fn paths_keep_their_bytes() {
    let bytes = b"/d/\xff\xfe\n".to_vec();
    let path = RawPath::from(bytes.clone());
    assert_eq!(path.as_bytes(), bytes);
    assert_eq!(path.as_path().as_os_str().as_bytes(), bytes);
    assert_eq!(RawPath::from(path.as_path()), path);
    assert_eq!(RawPath::from(PathBuf::from(path.as_path())), path);
    assert_eq!(path.to_string(), "/d/\\xff\\xfe\\n");
    assert_eq!(format!("{path:?}"), "\"/d/\\xff\\xfe\\n\"");
    assert_eq!(path.base64_if_lossy().unwrap(), "L2Qv//4K");
    assert_eq!(RawPath::from("/d/ü").base64_if_lossy(), None);
    assert_eq!(path.into_bytes(), bytes);
}

#[test]
fn joining_puts_one_slash_between() {
    for (folder, name, joined) in
        [("/a", "b", "/a/b"), ("/", "b", "/b"), ("/a/", "b/c", "/a/b/c"), ("", "b", "b"), ("/a", "", "/a")]
    {
        assert_eq!(RawPath::from(folder).join(name.as_bytes()), RawPath::from(joined));
    }
}
