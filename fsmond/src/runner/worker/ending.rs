//! How a worker is ended: its stdin closed, TERM, KILL, each when it is due. It decides nothing but that.

use fsmon_core::io::RunId;
use tokio::time::Instant;

use super::{AFTER_KILL, Wish, Worker};

/// How long one that closed its stdin or stdout has to end by itself.
const TO_END: std::time::Duration = std::time::Duration::from_secs(1);

/// Why it is being ended.
#[derive(Debug)]
pub(super) enum Cause {
    /// That is wanted.
    Wanted,
    /// These runs took too long.
    TimedOut(Vec<RunId>),
    /// It does not keep to what was agreed.
    Broke(String),
    /// It closed its stdin or stdout, as one does that ends.
    Closed(String),
}

/// That it is being ended, and how far that is.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) cause: Cause,
    term_at: Option<Instant>,
    kill_at: Option<Instant>,
    give_up_at: Option<Instant>,
    pub(super) termed: bool,
    killed: bool,
    /// The wish that was followed last.
    wish: Wish,
}

impl Ending {
    fn new(cause: Cause, term_at: Option<Instant>) -> Self {
        Self { cause, term_at, kill_at: None, give_up_at: None, termed: false, killed: false, wish: Wish::Serve }
    }

    /// TERM then, or sooner if that was due before.
    fn term(&mut self, at: Instant) {
        self.term_at = Some(self.term_at.map_or(at, |before| before.min(at)));
    }

    /// KILL then, or sooner.
    fn kill(&mut self, at: Instant) {
        self.kill_at = Some(self.kill_at.map_or(at, |before| before.min(at)));
    }
}

impl Worker<'_> {
    /// Does what is wanted.
    pub(super) fn follow(&mut self, wish: Wish) {
        if wish == Wish::Serve {
            return;
        }
        let (now, grace) = (Instant::now(), self.pool.request.rules.grace.0);
        let idle = self.flights.is_empty();
        let ending = self.ending.get_or_insert_with(|| Ending::new(Cause::Wanted, None));
        if wish == Wish::Finish && idle && ending.term_at.is_none() {
            ending.term(now + grace);
        }
        if std::mem::replace(&mut ending.wish, wish) == wish {
            return;
        }
        match wish {
            Wish::Serve | Wish::Finish => {}
            Wish::Kill => {
                ending.term(now);
                ending.kill(now + grace);
            }
            Wish::Stop(deadline) => {
                let left = deadline.saturating_duration_since(now);
                ending.term(now + grace.min(left / 2));
                ending.kill(deadline);
                ending.give_up_at = Some(deadline + AFTER_KILL);
            }
        }
    }

    /// The next moment at which something is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let timeout = self.flights.front().map(|flight| flight.since + self.pool.request.rules.timeout.0);
        match &self.ending {
            None => timeout,
            Some(ending) if !ending.termed => [ending.term_at, timeout].into_iter().flatten().min(),
            Some(ending) if !ending.killed => ending.kill_at,
            Some(ending) => ending.give_up_at,
        }
    }

    /// Does what is due; false where it is given up.
    pub(super) fn on_time(&mut self) -> bool {
        let (now, timeout, grace) =
            (Instant::now(), self.pool.request.rules.timeout.0, self.pool.request.rules.grace.0);
        let late = self.flights.iter().filter(|flight| flight.since + timeout <= now);
        let late: Vec<RunId> = late.map(|flight| flight.run).collect();
        if !late.is_empty() && self.ending.as_ref().is_none_or(|ending| !ending.termed) {
            self.ending.get_or_insert_with(|| Ending::new(Cause::TimedOut(late), None)).term(now);
        }
        let Some(ending) = &mut self.ending else { return true };
        if !ending.termed {
            if ending.term_at.is_some_and(|at| at <= now) {
                ending.termed = true;
                ending.kill(now + grace);
                self.leader.ask_group_to_end();
                self.stdin = None;
            }
            return true;
        }
        if !ending.killed {
            if ending.kill_at.is_some_and(|at| at <= now) {
                ending.killed = true;
                self.leader.kill_group();
            }
            return true;
        }
        ending.give_up_at.is_none_or(|at| at > now)
    }

    /// It said what makes no sense: nothing more of it is believed.
    pub(super) fn refuse(&mut self, why: String) {
        self.silent = true;
        self.ending.get_or_insert_with(|| Ending::new(Cause::Broke(why), None)).term(Instant::now());
    }

    /// It can't go on: it has a moment to end by itself.
    pub(super) fn closed(&mut self, why: &str) {
        self.ending.get_or_insert_with(|| Ending::new(Cause::Closed(why.to_owned()), Some(Instant::now() + TO_END)));
    }
}
