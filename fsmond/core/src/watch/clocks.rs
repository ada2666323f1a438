//! When to act without any change: the next occurrence of the schedule, the rescan, the search for a lost root.
//!
//! An interval is anchored on the previous due time, so that it does not drift. Within a boot it follows the clock
//! that is never set; across boots what is left of it is taken from the wall clock, and is never more than the whole
//! interval nor less than nothing. A cron line follows the wall clock, which may be set at any time: it is asked again
//! at least once a minute.

use std::time::Duration;

use fsmon_protocol::event::GapReason;
use fsmon_protocol::spec::{Backend, Rules};
use fsmon_protocol::units::Timestamp;

use super::{Root, Watch};
use crate::io::{Now, Owed};
use crate::plan::{CronPlan, Plan};
use crate::shared::Ctx;

/// The wall clock may be set: so often a cron line asks it again.
const NAP: Duration = Duration::from_secs(60);

/// The clocks of one watch. All but the timestamps are nanoseconds of the clock that is never set.
#[derive(Debug)]
pub(super) struct Clocks {
    /// When the last occurrence was due, or when the schedule began.
    pub last_due: Timestamp,
    /// A moment of this boot, and how long after the last due time it was.
    since_due: Option<(u64, Duration)>,
    /// The wall clock was set back, so that the last due time is ahead of it: what is due from here on is due again.
    set_back: Option<Timestamp>,
    next: Option<Next>,
    /// The sweep of an occurrence that is not finished.
    pub occurrence: Option<(u64, Timestamp)>,
    /// An occurrence that is not served yet: skipped and to be made up for, or under way. Over a restart too.
    pub owed: Option<Owed>,
    next_rescan: Option<u64>,
    pub last_reconcile: Option<Timestamp>,
    /// No reconcile begins before this.
    pub next_scan: u64,
    pub retry_root: Option<u64>,
    /// A look missed the root: it is lost at this time, unless that is told before.
    pub missed_root: Option<u64>,
    /// When what cannot be read is tried again.
    pub retry_unreadable: Option<u64>,
}

/// The next occurrence.
#[derive(Debug, Clone, Copy)]
struct Next {
    due: Due,
    /// How much later than due it starts: its share of the jitter.
    delay: Duration,
    /// When its clock is asked.
    look: u64,
}

/// A due time, by the clock that its schedule follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// Nanoseconds of the clock that is never set.
    Mono(u64),
    Wall(Timestamp),
}

/// An occurrence whose time has come: the latest of those that were due, and how late it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Come {
    pub due: Timestamp,
    pub late: Duration,
}

impl Clocks {
    pub fn new(last_due: Timestamp, owed: Option<Owed>) -> Self {
        Self {
            last_due,
            since_due: None,
            set_back: None,
            next: None,
            occurrence: None,
            owed,
            next_rescan: None,
            last_reconcile: None,
            next_scan: 0,
            retry_root: None,
            missed_root: None,
            retry_unreadable: None,
        }
    }

    /// A schedule with a cron line begins now: it does not make up for what was due before.
    pub fn begin(&mut self, now: Now) {
        self.last_due = now.wall;
        self.since_due = None;
    }

    /// The next occurrence follows from the last one and the schedule; with an interval it is never later than one
    /// interval from now. `random` (0 to 1) chooses its share of the jitter.
    pub fn set_schedule(&mut self, plan: &Plan, jitter: Duration, random: f64, now: Now) {
        let delay = jitter.mul_f64(random.clamp(0.0, 1.0));
        self.next = match plan {
            Plan::Off => None,
            Plan::Every(every) => {
                let left = every.saturating_sub(self.since_due(now));
                let due = now.mono.saturating_add(nanos(left));
                Some(Next { due: Due::Mono(due), delay, look: due.saturating_add(nanos(delay)) })
            }
            Plan::Cron(plan) => plan.after(self.served(plan, now)).map(|due| Next::by_wall(due, delay, now)),
        };
    }

    /// Until when a cron line has been served.
    fn served(&mut self, plan: &CronPlan, now: Now) -> Timestamp {
        let ahead = self.last_due.since(now.wall);
        if ahead.is_zero() {
            self.set_back = None;
            self.last_due
        } else if plan.serves_again(ahead) {
            let from = self.set_back.map_or(now.wall, |from| from.min(now.wall));
            *self.set_back.insert(from)
        } else {
            self.last_due
        }
    }

    /// How long ago the last due time was. The wall clock is asked once; from then on it may be set.
    pub fn since_due(&mut self, now: Now) -> Duration {
        let &mut (then, before) = self.since_due.get_or_insert((now.mono, now.wall.since(self.last_due)));
        before.saturating_add(Duration::from_nanos(now.mono.saturating_sub(then)))
    }

    /// An occurrence of an interval was left out: the rhythm goes on from it.
    pub fn pass_over(&mut self, missed: Duration, now: Now) -> Timestamp {
        self.last_due = now.wall.minus(missed);
        self.since_due = Some((now.mono, missed));
        self.last_due
    }

    /// The next rescan is a whole rescan interval from now; a polled watch, or one with too few watches, has the poll
    /// interval.
    pub fn reset_rescan(&mut self, rules: &Rules, backend: Backend, limited: bool, now: Now) {
        let polls = backend == Backend::Poll || limited;
        let every = if polls { Some(rules.poll_interval) } else { rules.rescan.span() };
        self.next_rescan = every.map(|every| now.mono.saturating_add(every.nanos()));
    }

    /// When the next occurrence is due, by the wall clock.
    pub fn next_due_wall(&self, now: Now) -> Option<Timestamp> {
        match self.next?.due {
            Due::Mono(due) => Some(now.wall.plus(Duration::from_nanos(due.saturating_sub(now.mono)))),
            Due::Wall(due) => Some(due),
        }
    }

    /// The next moment at which one of these is due.
    pub fn deadline(&self, opening: bool) -> Option<u64> {
        let next = self.next.map(|next| next.look).filter(|_| !opening);
        [next, self.next_rescan, self.missed_root].into_iter().flatten().min()
    }

    /// The occurrence whose time has come, if one has. Many that were missed are one, and the rhythm stays.
    fn come(&mut self, plan: &Plan, now: Now) -> Option<Come> {
        let next = self.next.filter(|next| next.look <= now.mono)?;
        match (plan, next.due) {
            (Plan::Every(every), Due::Mono(due)) => {
                let since = now.mono.saturating_sub(due);
                let late = Duration::from_nanos(since % nanos(*every).max(1));
                let due = self.pass_over(late, now);
                Some(Come { due, late: late.saturating_sub(next.delay) })
            }
            (Plan::Cron(plan), Due::Wall(_)) => self.come_by_wall(plan, next, now),
            _ => {
                self.next = None;
                None
            }
        }
    }

    fn come_by_wall(&mut self, plan: &CronPlan, next: Next, now: Now) -> Option<Come> {
        let Some(due) = plan.after(self.served(plan, now)) else {
            self.next = None;
            return None;
        };
        if due.plus(next.delay) > now.wall {
            // The clock was set meanwhile, or only asked.
            self.next = Some(Next::by_wall(due, next.delay, now));
            return None;
        }
        self.last_due = plan.latest(due, now.wall);
        self.set_back = None;
        let late = now.wall.since(self.last_due).saturating_sub(next.delay);
        Some(Come { due: self.last_due, late })
    }
}

impl Next {
    fn by_wall(due: Timestamp, delay: Duration, now: Now) -> Self {
        let left = due.plus(delay).since(now.wall).min(NAP);
        Self { due: Due::Wall(due), delay, look: now.mono.saturating_add(nanos(left)) }
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

impl Watch {
    /// Does what is due by the clock.
    pub(super) fn on_clocks(&mut self, ctx: &mut Ctx<'_>) {
        let now = ctx.now.mono;
        if self.clocks.retry_root.is_some_and(|at| at <= now) {
            self.open(ctx);
        }
        if self.clocks.missed_root.is_some_and(|at| at <= now) {
            self.lose_root("it is not there", GapReason::RootGone, ctx);
        }
        if self.clocks.next_rescan.is_some_and(|at| at <= now) {
            self.clocks.reset_rescan(&self.rules, self.backend(), self.limit.is_some(), ctx.now);
            if matches!(&self.root, Root::Open(facts) if facts.limited.is_some()) && self.acts() {
                // Perhaps the system gives by now what it did not give before.
                self.reopen(ctx);
            } else {
                self.want_scan();
            }
        }
        // What comes due while the root is being opened waits for the answer.
        if self.root != Root::Opening
            && let Some(come) = self.clocks.come(&self.plan, ctx.now)
        {
            self.set_schedule(ctx);
            self.ledger.touch();
            self.on_due(come, ctx);
        }
    }

    /// Finds the next occurrence anew: with an interval, the later of now and the last due time + the interval.
    pub fn set_schedule(&mut self, ctx: &mut Ctx<'_>) {
        self.clocks.set_schedule(&self.plan, self.rules.jitter.0, ctx.shared.random.f64(), ctx.now);
    }
}

#[cfg(test)]
mod tests;
