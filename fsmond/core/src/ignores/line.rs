//! One line of an ignore file, written so that the `ignore` crate takes it for what git does.
//!
//! git knows no `{a,b}`; a class takes `\` and `[:alpha:]`, never matches a `/`, and matches nothing where it is not
//! closed; of blanks at the end only spaces go. A line that is no UTF-8 cannot be told to the crate.

use std::iter::Peekable;
use std::str::Chars;

/// A line that says nothing that could be understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Odd;

/// What stands for bytes that are no UTF-8, in a line that takes back: any of them.
const ANY: char = char::REPLACEMENT_CHARACTER;

/// The pattern that a line holds; none for a comment or an empty one.
pub fn read(line: &[u8]) -> Result<Option<String>, Odd> {
    let line = without_spaces(line);
    if line.is_empty() || line.first() == Some(&b'#') {
        return Ok(None);
    }
    let takes_back = line.first() == Some(&b'!');
    let text = String::from_utf8_lossy(line);
    if !takes_back && std::str::from_utf8(line).is_err() {
        return Err(Odd);
    }
    let body = text.strip_prefix('!').unwrap_or(&text);
    if body.bytes().all(|byte| byte == b'/') {
        // It names nothing.
        return Err(Odd);
    }
    let mut pattern = String::from(if takes_back { "!" } else { "" });
    // The crate would say so by itself, but the class that is written may have a slash where this one has none, or lack one.
    if !body.strip_suffix('/').unwrap_or(body).contains('/') {
        pattern.push_str("**/");
    } else if !body.starts_with('/') {
        pattern.push('/');
    }
    let mut rest = body.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => escaped(rest.next().ok_or(Odd)?, rest.peek().is_none(), &mut pattern)?,
            // More than two are as two.
            '*' if pattern.ends_with("**") => {}
            '{' | '}' => pattern.extend(['\\', c]),
            '[' => match class(&mut rest) {
                Ok(class) => pattern.push_str(&class),
                // Nobody can say what it would take back.
                Err(Class::Foreign) if takes_back => pattern.push('*'),
                Err(_) => return Err(Odd),
            },
            ANY if takes_back => pattern.push('*'),
            // The crate drops any blank at the end.
            c if c.is_whitespace() && rest.peek().is_none() => pattern.extend(['[', c, ']']),
            c => pattern.push(c),
        }
    }
    Ok(Some(pattern))
}

/// A character that stands for itself.
fn escaped(c: char, last: bool, pattern: &mut String) -> Result<(), Odd> {
    match c {
        // The slash that says that a folder is meant is none of the pattern, which so ends in the `\`.
        '/' if last => return Err(Odd),
        // In a class it says nothing to the slash behind it.
        '\\' => pattern.push_str("[\\]"),
        c if last && c.is_whitespace() => pattern.extend(['[', c, ']']),
        c => pattern.extend(['\\', c]),
    }
    Ok(())
}

/// Without the spaces at the end, but for one that is escaped.
fn without_spaces(line: &[u8]) -> &[u8] {
    let (mut end, mut at) = (0, 0);
    while let Some(&byte) = line.get(at) {
        at += if byte == b'\\' { 2 } else { 1 };
        if byte != b' ' {
            end = at.min(line.len());
        }
    }
    &line[..end]
}

/// Why a class cannot be written.
enum Class {
    /// It matches nothing.
    Nothing,
    /// It holds what is no ASCII: for git these are bytes, for the crate characters.
    Foreign,
}

/// Reads a class behind its `[`, and writes it.
fn class(rest: &mut Peekable<Chars<'_>>) -> Result<String, Class> {
    let negated = rest.next_if(|&c| c == '!' || c == '^').is_some();
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    let mut foreign = false;
    let mut before: Option<u8> = None;
    let mut first = true;
    loop {
        let c = rest.next().ok_or(Class::Nothing)?;
        if c == ']' && !first {
            break;
        }
        first = false;
        if c == '['
            && rest.peek() == Some(&':')
            && let Some(named) = named(rest)?
        {
            ranges.extend_from_slice(named);
            before = None;
            continue;
        }
        let ends = |rest: &Peekable<Chars<'_>>| rest.clone().next().is_none_or(|c| c == ']');
        if let (b'-', Some(low)) = (u8::try_from(c).unwrap_or_default(), before)
            && !ends(rest)
        {
            match byte(rest.next().ok_or(Class::Nothing)?, rest)? {
                Some(high) => ranges.push((low, high)),
                None => foreign = true,
            }
            before = None;
            continue;
        }
        before = byte(c, rest)?;
        match before {
            Some(one) => ranges.push((one, one)),
            None => foreign = true,
        }
    }
    if foreign { Err(Class::Foreign) } else { written(negated, &ranges) }
}

/// A member of a class, perhaps behind a `\`; none where it is no ASCII.
fn byte(c: char, rest: &mut Peekable<Chars<'_>>) -> Result<Option<u8>, Class> {
    let c = if c == '\\' { rest.next().ok_or(Class::Nothing)? } else { c };
    Ok(u8::try_from(c).ok().filter(u8::is_ascii))
}

/// A named class, where this is one: behind its `[`, at the colon.
fn named(rest: &mut Peekable<Chars<'_>>) -> Result<Option<&'static [(u8, u8)]>, Class> {
    let ahead: String = rest.clone().take_while(|&c| c != ']').collect();
    let Some(name) = ahead.strip_prefix(':').and_then(|name| name.strip_suffix(':')) else { return Ok(None) };
    let ranges: &[(u8, u8)] = match name {
        "alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        "alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        "blank" => &[(b'\t', b'\t'), (b' ', b' ')],
        "cntrl" => &[(1, 31), (127, 127)],
        "digit" => &[(b'0', b'9')],
        "graph" => &[(b'!', b'~')],
        "lower" => &[(b'a', b'z')],
        "print" => &[(b' ', b'~')],
        "punct" => &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')],
        "space" => &[(b'\t', b'\r'), (b' ', b' ')],
        "upper" => &[(b'A', b'Z')],
        "xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return Err(Class::Nothing),
    };
    for _ in 0..=ahead.len() {
        rest.next();
    }
    Ok(Some(ranges))
}

/// A class as the crate reads it: `]` comes first, `-` last, and there is no escape.
fn written(negated: bool, ranges: &[(u8, u8)]) -> Result<String, Class> {
    let has = |byte: u8| ranges.iter().any(|&(low, high)| (low..=high).contains(&byte));
    let members: Vec<u8> = (1..128).filter(|&byte| has(byte) && !b"/]-".contains(&byte)).collect();
    if !negated && members.is_empty() && !has(b']') && !has(b'-') {
        return Err(Class::Nothing);
    }
    let mut class = String::from(if negated { "[!" } else { "[" });
    // It never matches the one that parts folders. No name holds a NUL, so one that comes first says nothing.
    match (has(b']'), negated) {
        (true, _) => class.push(']'),
        (false, true) => class.push('/'),
        (false, false) => class.push('\0'),
    }
    if negated && has(b']') {
        class.push('/');
    }
    for run in members.chunk_by(|a, b| a + 1 == *b) {
        let (low, high) = (char::from(run[0]), char::from(run[run.len() - 1]));
        if run.len() > 2 {
            class.extend([low, '-', high]);
        } else {
            class.extend(run.iter().copied().map(char::from));
        }
    }
    if has(b'-') {
        class.push('-');
    }
    class.push(']');
    Ok(class)
}
