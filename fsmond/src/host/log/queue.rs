//! The bounded queue between those who log and the thread that writes for one output, with its limit on lines per
//! second. Whoever logs never waits: what does not fit is counted, and the count is written as soon as there is room.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::Level;

use super::line::{Parts, Style};

/// Lines at INFO and below that are written in one second; the rest of that second is counted.
pub const LINES_A_SECOND: u64 = 1_000;
/// Lines that may wait.
const MOST_LINES: usize = 8_192;
/// Bytes that may wait.
const MOST_BYTES: usize = 4 << 20;
const SECOND: Duration = Duration::from_secs(1);
/// How long lines gather after some were written: where there are many, waking the thread for each costs more than they do.
const GATHER: Duration = Duration::from_millis(10);
/// How long the thread sleeps where nothing is logged.
const LONGEST_REST: Duration = Duration::from_secs(3600);
/// So many lines gather no longer.
const MANY: usize = MOST_LINES / 2;

/// What the thread writes to.
pub trait Sink: Send + 'static {
    /// Writes whole lines, in order. Tells how many of them, from the end, were not written; never fails, never
    /// panics. May block: only this output's own thread waits.
    fn write(&mut self, lines: &str) -> u64;
}

/// The queue of one output.
pub struct Queue {
    style: Style,
    state: Mutex<State>,
    /// Signalled when there is something to write and the thread waits for that, and when all is written.
    changed: Condvar,
    /// Signalled when lines have gathered long enough.
    hurry: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<String>,
    bytes: usize,
    /// Whether the thread waits for something to write.
    idle: bool,
    /// Whether the thread is writing what it took.
    writing: bool,
    /// How many wait until all is written.
    flushing: u32,
    /// Lines counted since the start.
    dropped: u64,
    /// Lines that found the queue full, or could not be written, and were not told yet.
    lost: u64,
    window: Window,
}

/// The second that is being counted.
#[derive(Default)]
struct Window {
    began: Option<Instant>,
    admitted: u64,
    /// Beyond the limit, not told yet.
    over: u64,
}

impl Window {
    /// When what is over the limit has to be told.
    fn due(&self) -> Option<Instant> {
        (self.over > 0).then_some(self.began).flatten().map(|began| began + SECOND)
    }

    /// Ends a second that is over; tells how many lines were too many in it.
    fn roll(&mut self, now: Instant) -> Option<u64> {
        if self.began.is_some_and(|began| now.duration_since(began) < SECOND) {
            return None;
        }
        let over = std::mem::take(&mut self.over);
        *self = Self { began: Some(now), admitted: 0, over: 0 };
        (over > 0).then_some(over)
    }
}

/// Starts the thread for `sink`. It ends with the process.
pub fn start(style: Style, thread: &str, sink: impl Sink) -> io::Result<Arc<Queue>> {
    let queue = Arc::new(Queue { style, state: Mutex::default(), changed: Condvar::new(), hurry: Condvar::new() });
    let theirs = Arc::clone(&queue);
    std::thread::Builder::new().name(thread.to_owned()).spawn(move || theirs.write_for_ever(sink))?;
    Ok(queue)
}

impl Queue {
    /// Whether a line of this level may come now. If not, it is counted.
    pub fn admits(&self, level: Level) -> bool {
        if level <= Level::WARN {
            return true;
        }
        let mut state = self.lock();
        self.roll(&mut state);
        if state.window.admitted < LINES_A_SECOND {
            state.window.admitted += 1;
            return true;
        }
        state.window.over += 1;
        state.dropped += 1;
        if state.window.over == 1 && state.idle {
            // So that the thread wakes up at the end of this second.
            self.changed.notify_all();
        }
        false
    }

    /// Puts a line at the end, or counts it where there is no room.
    pub fn push(&self, line: String) {
        let mut state = self.lock();
        if state.lines.len() >= MOST_LINES || state.bytes + line.len() > MOST_BYTES {
            state.dropped += 1;
            state.lost += 1;
            return;
        }
        self.put(&mut state, line);
    }

    /// Lines counted instead of written since the start.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Waits until everything is written, at most until `end`. Tells whether it is.
    pub fn flush(&self, end: Instant) -> bool {
        let mut state = self.lock();
        if state.window.over > 0 {
            let over = std::mem::take(&mut state.window.over);
            let line = self.count_line(&over_text(over));
            self.put(&mut state, line);
        }
        state.flushing += 1;
        self.hurry.notify_all();
        let mut all = true;
        while all && (state.writing || state.lost > 0 || !state.lines.is_empty()) {
            let left = end.saturating_duration_since(Instant::now());
            all = !left.is_zero();
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.flushing -= 1;
        all
    }

    fn put(&self, state: &mut State, line: String) {
        state.bytes += line.len();
        state.lines.push_back(line);
        if state.idle {
            self.changed.notify_all();
        } else if state.lines.len() == MANY {
            self.hurry.notify_all();
        }
    }

    fn roll(&self, state: &mut State) {
        if let Some(over) = state.window.roll(Instant::now()) {
            let line = self.count_line(&over_text(over));
            // Beyond the bound by one short line a second at most, while the thread writes.
            self.put(state, line);
        }
    }

    fn count_line(&self, message: &str) -> String {
        Parts::new(Level::WARN, message.to_owned()).line(self.style)
    }

    fn write_for_ever(&self, mut sink: impl Sink) {
        loop {
            let (lines, told) = self.take();
            let failed = sink.write(&lines);
            let mut state = self.lock();
            state.writing = false;
            if failed > 0 {
                // The count stands last, so it is among those that were not written, and is told again.
                let failed = failed - u64::from(told > 0);
                state.dropped += failed;
                state.lost += told + failed;
            }
            if state.flushing > 0 {
                self.changed.notify_all();
            }
            if failed > 0 {
                // Try again with what comes next, not at full speed with the count alone.
                state = self.rest(state, SECOND);
            }
            let gathers = |state: &mut State| state.flushing == 0 && state.lines.len() < MANY;
            drop(self.hurry.wait_timeout_while(state, GATHER, gathers));
        }
    }

    /// Until something comes, at most for so long.
    fn rest<'a>(&self, mut state: MutexGuard<'a, State>, longest: Duration) -> MutexGuard<'a, State> {
        state.idle = true;
        state = self.changed.wait_timeout(state, longest).unwrap_or_else(PoisonError::into_inner).0;
        state.idle = false;
        state
    }

    /// Waits for lines and takes all of them, before them the count of those that were lost.
    fn take(&self) -> (String, u64) {
        let mut state = self.lock();
        loop {
            if state.window.due().is_some_and(|due| due <= Instant::now()) {
                self.roll(&mut state);
            }
            if state.lost > 0 || !state.lines.is_empty() {
                break;
            }
            let due = state.window.due().map(|due| due.saturating_duration_since(Instant::now()));
            state = self.rest(state, due.unwrap_or(LONGEST_REST));
        }
        let lost = std::mem::take(&mut state.lost);
        let mut text: String = state.lines.drain(..).collect();
        state.bytes = 0;
        state.writing = true;
        drop(state);
        if lost > 0 {
            // They were lost while the lines before this one were waiting, so it comes after them.
            text.push_str(&self.count_line(&format!("{} log lines were dropped", grouped(lost))));
        }
        (text, lost)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of somebody who logs leaves counters as they were.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("style", &self.style).finish_non_exhaustive()
    }
}

fn over_text(over: u64) -> String {
    format!("and {} more in this second", grouped(over))
}

/// A number with commas: `12,345`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
