//! How single things read for people: numbers, times, counts, words. Everything here returns text that is safe to print.

use std::time::{Duration, UNIX_EPOCH};

use fsmon_protocol::path::escape;
use fsmon_protocol::run::{Outcome, RunInfo};
use fsmon_protocol::{Span, Timestamp};

/// Any bytes made safe for a terminal, with newlines, tabs and backslashes left as they are.
///
/// For text of many lines, where an escaped newline would hide the lines and a doubled backslash would mislead more
/// than it tells. File names go through `escape` itself, which is exact.
pub fn escape_lines(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for piece in bytes.split_inclusive(|b| matches!(b, b'\n' | b'\t' | b'\\')) {
        let (rest, kept) = match piece.split_last() {
            Some((last @ (b'\n' | b'\t' | b'\\'), rest)) => (rest, Some(char::from(*last))),
            _ => (piece, None),
        };
        out.push_str(&escape(rest));
        out.extend(kept);
    }
    out
}

/// [`escape_lines`] for text that comes in pieces: a character cut by a border is kept for the next piece.
#[derive(Debug, Default)]
pub struct Escaper {
    kept: Vec<u8>,
}

impl Escaper {
    /// The next piece, escaped, as far as it is complete.
    pub fn push(&mut self, piece: &[u8]) -> String {
        self.kept.extend_from_slice(piece);
        let complete = match self.kept.utf8_chunks().last() {
            // At the very end, a sequence that began right and stops short may go on in the next piece.
            Some(last) if is_cut(last.invalid()) => self.kept.len() - last.invalid().len(),
            _ => self.kept.len(),
        };
        let rest = self.kept.split_off(complete);
        escape_lines(&std::mem::replace(&mut self.kept, rest))
    }

    /// What is left when nothing more comes.
    pub fn finish(self) -> String {
        escape_lines(&self.kept)
    }
}

/// Whether these bytes are the beginning of a longer UTF-8 sequence.
fn is_cut(invalid: &[u8]) -> bool {
    std::str::from_utf8(invalid).is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none())
}

/// A number with thousands apart: `4,312`.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 file`, `4,312 files`.
pub fn count(n: u64, one: &str) -> String {
    format!("{} {one}{}", number(n), if n == 1 { "" } else { "s" })
}

/// A span in its two largest units: `1h 58m`, `3s`, `20ms`.
pub fn rough(span: Duration) -> String {
    const UNITS: [(&str, u128); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    // From a second on to the nearest second, so that what is two hours from now does not read `1h 59m`.
    let ms = if span.as_millis() >= 1_000 { (span.as_millis() + 500) / 1_000 * 1_000 } else { span.as_millis() };
    let Some(first) = UNITS.iter().position(|(_, size)| ms >= *size) else { return "0s".into() };
    let (unit, size) = UNITS[first];
    let whole = format!("{}{unit}", ms / size);
    // Milliseconds after seconds are noise.
    match UNITS.get(first + 1).map(|(unit, smaller)| (ms % size / smaller, *unit)) {
        Some((rest, unit)) if rest > 0 && unit != "ms" => format!("{whole} {rest}{unit}"),
        _ => whole,
    }
}

/// When it is or was, from now: `in 1h 58m`, `3m ago`, `now`.
pub fn relative(time: Timestamp, now: Timestamp) -> String {
    let ahead = time.since(now);
    let behind = now.since(time);
    if ahead.max(behind) < Duration::from_secs(1) {
        "now".into()
    } else if ahead > behind {
        format!("in {}", rough(ahead))
    } else {
        format!("{} ago", rough(behind))
    }
}

/// A point in time to the second, UTC: `2026-11-23T18:10:00Z`.
pub fn clock(time: Timestamp) -> String {
    let after = Duration::from_nanos(u64::try_from(time.0).unwrap_or(0));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + after).to_string()
}

/// A point in time to the second, and how far from now.
pub fn moment(time: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", clock(time), relative(time, now))
}

/// Milliseconds as a span.
pub fn took(ms: u64) -> String {
    rough(Span::millis(ms).0)
}

/// A command as one line, its words quoted for a POSIX shell where they need it, then escaped.
pub fn command(argv: &[String]) -> String {
    let words: Vec<String> = argv
        .iter()
        .map(|word| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=:,@%+{}".contains(&b) || b >= 0x80;
            if !word.is_empty() && word.bytes().all(plain) {
                escape(word.as_bytes()).into_owned()
            } else {
                format!(
                    "'{}'",
                    escape_lines(word.replace('\'', r"'\''").as_bytes()).replace('\n', "\\n").replace('\t', "\\t")
                )
            }
        })
        .collect();
    words.join(" ")
}

/// So many characters of what a worker says stand in a column.
const SAID: usize = 60;

/// How a command ended: `exit 1`, `signal 9`, `timed out`; or what its worker said, as far as there is room.
pub fn outcome(info: &RunInfo) -> String {
    let Some(outcome) = &info.outcome else { return "-".into() };
    let text = outcome.to_string();
    match outcome {
        Outcome::Answered(..) if text.chars().count() > SAID => text.chars().take(SAID).chain(['…']).collect(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!(["0", "999", "1,000", "4,312", "1,234,567"], [0, 999, 1000, 4312, 1_234_567].map(number).as_slice());
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(0, "file"), "0 files");
    }

    #[test]
    fn spans_show_their_two_largest_units() {
        assert_eq!(rough(Duration::from_secs(7080)), "1h 58m");
        assert_eq!(rough(Duration::from_secs(7200)), "2h");
        assert_eq!(rough(Duration::from_millis(7_199_900)), "2h");
        assert_eq!(rough(Duration::from_millis(3_250)), "3s");
        assert_eq!(rough(Duration::from_millis(20)), "20ms");
        assert_eq!(rough(Duration::from_nanos(3)), "0s");
        assert_eq!(rough(Duration::from_secs(90_061)), "1d 1h");
    }

    #[test]
    fn times_are_told_from_now() {
        let now = Timestamp(1_800_000_000_000_000_000);
        assert_eq!(relative(now.plus(Duration::from_secs(7080)), now), "in 1h 58m");
        assert_eq!(relative(now.minus(Duration::from_secs(180)), now), "3m ago");
        assert_eq!(relative(now.plus(Duration::from_millis(5)), now), "now");
        assert_eq!(moment(now, now), "2027-01-15T08:00:00Z (now)");
    }

    #[test]
    fn lines_stay_and_what_misleads_is_escaped() {
        assert_eq!(escape_lines(b"a\tb\\d\n\x1b[31mred\x07\r\n\xff"), "a\tb\\d\n\\e[31mred\\u{7}\\r\n\\xff");
        assert_eq!(escape_lines("\u{202e}abc".as_bytes()), "\\u{202e}abc");
        assert_eq!(escape_lines(b""), "");
    }

    #[test]
    fn characters_cut_between_pieces_arrive_whole() {
        let mut escaper = Escaper::default();
        let mut out = String::new();
        for byte in "a\u{e4}\u{1f600}\u{1b}".as_bytes() {
            out += &escaper.push(&[*byte]);
        }
        out += &escaper.push(b"\xff\xe2\x82");
        out += &escaper.finish();
        assert_eq!(out, "a\u{e4}\u{1f600}\\e\\xff\\xe2\\x82");
    }

    #[test]
    fn commands_read_as_a_shell_would_take_them() {
        let words = ["sh", "-c", "echo \"$1\"", "sh", "{path}", "", "it's", "a\nb\x1b"].map(str::to_owned);
        assert_eq!(command(&words), r#"sh -c 'echo "$1"' sh {path} '' 'it'\''s' 'a\nb\e'"#);
    }
}
