//! One record as one line. Whatever a file name or a message from outside holds, it can neither make a second line nor
//! steer a terminal.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::SystemTime;

use fsmon_protocol::path::escape;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// Longer lines are cut, and say so.
const LONGEST: usize = 16 << 10;

/// How an output's lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text.
    Text,
    /// Text with a coloured level.
    Coloured,
    /// Text for systemd's journal, which has the time by itself and takes the level as a number before the line.
    Journal,
    /// One JSON object with `time`, `level`, `message` and `fields`.
    Json,
}

/// A record taken apart, so that it is read once and written in several styles.
#[derive(Debug)]
pub struct Parts {
    time: SystemTime,
    level: Level,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Parts {
    /// Of a record.
    pub fn of(event: &Event<'_>) -> Self {
        let mut parts = Self::new(*event.metadata().level(), String::new());
        event.record(&mut parts);
        parts
    }

    /// Of a message that is our own.
    pub fn new(level: Level, message: String) -> Self {
        Self { time: SystemTime::now(), level, message, fields: Vec::new() }
    }

    /// The line, with its newline.
    pub fn line(&self, style: Style) -> String {
        let mut line = match style {
            Style::Text => self.text(false),
            Style::Coloured => self.text(true),
            Style::Journal => self.journal(),
            Style::Json => self.json(),
        };
        line.push('\n');
        line
    }

    fn text(&self, colour: bool) -> String {
        let mut line = String::with_capacity(160);
        let (on, off) = if colour { (colour_of(self.level), "\x1b[0m") } else { ("", "") };
        let time = humantime::format_rfc3339_millis(self.time);
        // Writing to a String can't fail, here and below.
        let _ = write!(line, "{time} {on}{:>5}{off} ", self.level.as_str());
        self.what(&mut line);
        cut(line)
    }

    fn journal(&self) -> String {
        let mut line = format!("<{}>", priority_of(self.level));
        self.what(&mut line);
        cut(line)
    }

    /// The message and its fields.
    fn what(&self, line: &mut String) {
        line.push_str(&clean(&self.message));
        for (key, value) in &self.fields {
            let _ = match value {
                Value::String(text) if is_plain(text) => write!(line, " {key}={text}"),
                Value::String(text) => write!(line, " {key}=\"{}\"", clean(text).replace('"', "\\\"")),
                other => write!(line, " {key}={other}"),
            };
        }
    }

    /// Exact: what is misleading on a terminal is written as `\uNNNN`, which means the same to a reader of JSON.
    fn json(&self) -> String {
        let time = humantime::format_rfc3339_millis(self.time);
        let mut fields: serde_json::Map<_, _> = self.fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        let whole = |message: &str, fields: &serde_json::Map<String, Value>| {
            serde_json::json!({ "time": time.to_string(), "level": self.level.as_str(), "message": message, "fields": fields })
                .to_string()
        };
        let mut line = whole(&self.message, &fields);
        if line.len() > LONGEST {
            // Still one valid object: long texts are cut, the rest stays.
            for value in fields.values_mut() {
                if let Value::String(text) = value {
                    *text = cut_to(std::mem::take(text), 1 << 10);
                }
            }
            line = whole(&cut_to(self.message.clone(), 4 << 10), &fields);
        }
        ascii_where_misleading(&line)
    }
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.fields.push((field.name(), Value::from(value)));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), Value::from(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((field.name(), Value::from(value)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.push((field.name(), Value::from(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), Value::from(value)));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_str(field, &crate::host::chain::chain(value));
    }
}

/// Escapes what could mislead, and leaves alone what was escaped before: a path prints itself escaped, and escaping
/// its backslashes once more would only make it hard to read.
fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return escape(text.as_bytes());
    }
    let parts: Vec<_> = text.split('\\').map(|part| escape(part.as_bytes())).collect();
    Cow::Owned(parts.join("\\"))
}

/// Whether a value needs no quotes.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains([' ', '"', '=', '\'']) && clean(text) == text
}

fn cut(line: String) -> String {
    if line.len() > LONGEST { cut_to(line, LONGEST) } else { line }
}

/// The first `most` bytes at most, and how many are missing.
fn cut_to(mut text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let whole = text.len();
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    let _ = write!(text, "… ({} bytes more)", whole - end);
    text
}

/// JSON escapes control characters below U+0020 by itself; the other misleading ones are left to us.
fn ascii_where_misleading(json: &str) -> String {
    if json.is_ascii() && !json.contains('\u{7f}') {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len());
    let (mut buffer, mut units) = ([0; 4], [0; 2]);
    for c in json.chars() {
        let misleading = c != '\\' && escape(c.encode_utf8(&mut buffer).as_bytes()).len() != c.len_utf8();
        if misleading {
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

const fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[2m",
    }
}

/// As `sd-daemon(3)` counts: errors are 3, notes for finding faults 7.
const fn priority_of(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(message: &str, fields: &[(&'static str, &str)]) -> Parts {
        let mut parts = Parts::new(Level::INFO, message.to_owned());
        parts.fields = fields.iter().map(|(k, v)| (*k, Value::from(*v))).collect();
        parts
    }

    const FORGED: &str = "a\nNov 23 sshd: Accepted\u{1b}[2J\u{202e}\u{9b}x";

    #[test]
    fn one_record_is_one_line_whatever_it_holds() {
        for style in [Style::Text, Style::Journal, Style::Json] {
            let line = parts(FORGED, &[("path", FORGED), ("plain", "x")]).line(style);
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(line.ends_with('\n') && !line.contains(['\u{1b}', '\u{202e}', '\u{9b}', '\r']), "{line}");
        }
    }

    #[test]
    fn json_is_exact() {
        let line = parts(FORGED, &[("path", "\u{e0001}\u{7f}ü\\")]).line(Style::Json);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["message"], FORGED);
        assert_eq!(read["fields"]["path"], "\u{e0001}\u{7f}ü\\");
        assert_eq!(read["level"], "INFO");
        assert!(line.contains('ü') && line.contains("\\u202e"));
        humantime::parse_rfc3339(read["time"].as_str().unwrap()).unwrap();
    }

    #[test]
    fn text_quotes_what_needs_it_and_escapes_once() {
        let path = fsmon_protocol::RawPath::from("/a/new\nline");
        let text = parts("saw it", &[("path", &path.to_string()), ("name", "data"), ("empty", ""), ("q", "a \"b\"")]);
        let line = text.line(Style::Text);
        assert!(line.ends_with(" INFO saw it path=/a/new\\nline name=data empty=\"\" q=\"a \\\"b\\\"\"\n"), "{line}");
        assert_eq!(line.as_bytes()[..24].len(), "2026-11-23T18:10:00.123Z".len());
        assert!(text.line(Style::Journal).starts_with("<6>saw it path=/a/new\\nline name=data "));
        assert!(text.line(Style::Coloured).contains("\x1b[32m INFO\x1b[0m"));
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let long = "é".repeat(LONGEST);
        let line = parts(&long, &[]).line(Style::Text);
        assert!(line.len() < LONGEST + 40 && line.ends_with("bytes more)\n"));
        let line = parts(&long, &[("path", &long)]).line(Style::Json);
        assert!(line.len() < LONGEST);
        serde_json::from_str::<Value>(&line).unwrap();
    }
}
