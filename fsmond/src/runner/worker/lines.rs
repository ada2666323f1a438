//! What a worker says on its stdout: one JSON line for each file. Bytes in, answers out; anything else is told as what it
//! is, and nothing is kept that is longer than a line may be.

use fsmon_core::io::RunId;
use fsmon_protocol::path::escape;
use fsmon_protocol::run::Answer;
use serde::Deserialize;

/// The longest line.
pub(super) const LONGEST: usize = 64 * 1024;
/// So much of a message is kept.
const MESSAGE: usize = 1024;
/// So much of a line that cannot be understood is shown.
const SHOWN: usize = 100;

/// What a worker says about a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) run: RunId,
    pub(super) answer: Answer,
    pub(super) message: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    run: RunId,
    status: Answer,
    message: Option<String>,
}

/// Lines in the making.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) buffer: Vec<u8>,
    /// How much of it was given out.
    taken: usize,
}

impl Lines {
    /// The next line, where one is complete; or why it is none.
    pub(super) fn next(&mut self) -> Option<Result<Answered, String>> {
        let rest = &self.buffer[self.taken..];
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            if rest.len() >= LONGEST {
                return Some(Err(format!("it wrote a line of more than {LONGEST} bytes")));
            }
            self.buffer.drain(..self.taken);
            self.taken = 0;
            return None;
        };
        self.taken += end + 1;
        Some(understand(&rest[..end]))
    }
}

fn understand(line: &[u8]) -> Result<Answered, String> {
    if line.len() >= LONGEST {
        return Err(format!("it wrote a line of more than {LONGEST} bytes"));
    }
    let Line { run, status, message } = serde_json::from_slice(line).map_err(|error| {
        let shown = escape(&line[..line.len().min(SHOWN)]);
        format!("it wrote a line that is no answer ({error}): {shown}")
    })?;
    let message = message.filter(|message| !message.is_empty()).map(|mut message| {
        if message.len() > MESSAGE {
            let whole = (0..=MESSAGE).rev().find(|&at| message.is_char_boundary(at));
            message.truncate(whole.unwrap_or(0));
            message.push('…');
        }
        message
    });
    Ok(Answered { run, answer: status, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines, bytes: &[u8]) -> Vec<Result<Answered, String>> {
        lines.buffer.extend_from_slice(bytes);
        std::iter::from_fn(|| lines.next()).take(10).collect()
    }

    #[test]
    fn answers_come_in_pieces_and_together() {
        let mut lines = Lines::default();
        assert!(all(&mut lines, b"{\"run\":7,\"sta").is_empty());
        let got = all(
            &mut lines,
            b"tus\":\"ok\"}\n{\"run\":8,\"status\":\"retry\",\"message\":\"no total\",\"more\":[1]}\n{",
        );
        let ok = Answered { run: 7, answer: Answer::Ok, message: None };
        let retry = Answered { run: 8, answer: Answer::Retry, message: Some("no total".into()) };
        assert_eq!(got, [Ok(ok), Ok(retry)]);
        assert_eq!(lines.buffer, b"{");
    }

    #[test]
    fn what_is_no_answer_is_told_and_nothing_grows() {
        let why = |bytes: &[u8]| all(&mut Lines::default(), bytes).remove(0).unwrap_err();
        assert!(why(b"Traceback \x1b[31m\n").contains("no answer") && !why(b"\x1b\n").contains('\x1b'));
        assert!(why(b"\n").contains("no answer"));
        assert!(why(b"{\"run\":1,\"status\":\"done\"}\n").contains("no answer"));
        assert!(why(&vec![b'x'; LONGEST]).contains("more than"));
        let long = format!("{{\"run\":1,\"status\":\"fail\",\"message\":\"{}\"}}\n", "ä".repeat(3000));
        let told = all(&mut Lines::default(), long.as_bytes()).remove(0).unwrap().message.unwrap();
        assert!(told.len() < 1100 && told.ends_with('…'));
    }
}
