//! What a tool prints, with the moment each part of it came.
//!
//! All files of the benchmark have a number in their name, so that whatever a tool's lines look like, the file they
//! tell of can be known. While work goes on lines are only kept, so that reading them costs the tool next to nothing.

use std::io::Read;
use std::process::ChildStdout;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// How the name of every file begins; seven digits follow.
const PREFIX: &[u8] = b"bench";
const DIGITS: usize = 7;

/// The name of the file with this number.
pub fn name(number: u32) -> String {
    format!("bench{number:07}")
}

type Chunks = Arc<Mutex<Vec<(Instant, Vec<u8>)>>>;

/// The output of a tool.
pub struct Feed {
    chunks: Chunks,
    rest: Vec<u8>,
    /// Which number was told of, and when, in order.
    seen: Vec<(u32, Instant)>,
}

impl Feed {
    /// Reads it to its end in the background.
    pub fn new(mut output: ChildStdout) -> Self {
        let chunks = Chunks::default();
        let shared = Arc::clone(&chunks);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(length) = output.read(&mut buffer) {
                if length == 0 {
                    break;
                }
                let now = Instant::now();
                shared.lock().unwrap().push((now, buffer[..length].to_vec()));
            }
        });
        Self { chunks, rest: Vec::new(), seen: Vec::new() }
    }

    /// Every number told of so far, with the moment its line was complete. A file that is told of twice is here twice.
    pub fn seen(&mut self) -> &[(u32, Instant)] {
        let chunks = std::mem::take(&mut *self.chunks.lock().unwrap());
        for (time, bytes) in chunks {
            self.rest.extend_from_slice(&bytes);
            if let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') {
                let rest = self.rest.split_off(end + 1);
                let lines = std::mem::replace(&mut self.rest, rest);
                self.seen.extend(numbers(&lines).map(|number| (number, time)));
            }
        }
        &self.seen
    }
}

/// Every number in a text.
fn numbers(text: &[u8]) -> impl Iterator<Item = u32> {
    let length = PREFIX.len() + DIGITS;
    text.windows(length)
        .filter(|window| window.starts_with(PREFIX))
        .filter_map(|window| std::str::from_utf8(&window[PREFIX.len()..]).ok()?.parse().ok())
}
