//! Clocks that are set, stand still or are wrong: when the next occurrence comes all the same.

use std::time::Duration;

use fsmon_protocol::spec::Options;
use fsmon_protocol::units::Span;

use super::*;

const SECOND: u64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// A watch's clocks beside a machine's: real time passes, and the wall clock may be set.
struct Desk {
    plan: Plan,
    clocks: Clocks,
    jitter: Duration,
    /// Seconds of real time.
    real: u64,
    /// The wall clock minus real time, in seconds.
    offset: i64,
    /// Due times and the seconds of real time at which they came.
    came: Vec<(Timestamp, u64)>,
}

impl Desk {
    fn new(options: &Options, wall: &str) -> Self {
        let rules = Rules::from_options(options);
        let plan = Plan::new(&rules).unwrap();
        let wall: Timestamp = wall.parse().unwrap();
        let mut desk = Self {
            plan,
            clocks: Clocks::new(wall, None),
            jitter: rules.jitter.0,
            real: 1_000,
            offset: wall.0 / 1_000_000_000 - 1_000,
            came: Vec::new(),
        };
        desk.replan();
        desk
    }

    fn every(seconds: u64) -> Self {
        let every = fsmon_protocol::SpanOrOff::On(Span::secs(seconds));
        Self::new(&Options { every: Some(every), ..Options::default() }, "2026-03-28T12:00:00Z")
    }

    fn cron(line: &str, zone: &str, wall: &str) -> Self {
        Self::new(&Options { cron: Some(line.into()), tz: Some(zone.into()), ..Options::default() }, wall)
    }

    fn now(&self) -> Now {
        let wall = Timestamp((i64::try_from(self.real).unwrap() + self.offset) * 1_000_000_000);
        Now { mono: self.real * SECOND, wall, stamp: wall }
    }

    fn replan(&mut self) {
        let now = self.now();
        self.clocks.set_schedule(&self.plan, self.jitter, 0.5, now);
    }

    /// Real time passes; the machine wakes for each deadline.
    fn pass(&mut self, seconds: u64) {
        let until = self.real + seconds;
        while let Some(deadline) = self.clocks.deadline(false).filter(|&at| at <= until * SECOND) {
            self.real = self.real.max(deadline.div_ceil(SECOND));
            self.look();
        }
        self.real = until;
    }

    /// The machine sleeps: nothing is looked at until it wakes.
    fn sleep(&mut self, seconds: u64) {
        self.real += seconds;
        self.look();
    }

    fn look(&mut self) {
        let now = self.now();
        if let Some(come) = self.clocks.come(&self.plan, now) {
            self.came.push((come.due, self.real));
            self.replan();
        }
    }

    /// The daemon starts again, with what it had stored.
    fn restart(&mut self) {
        self.clocks = Clocks::new(self.clocks.last_due, self.clocks.owed);
        self.replan();
    }

    fn days(&self) -> Vec<String> {
        self.came.iter().map(|(due, _)| due.to_string()[..16].to_owned()).collect()
    }
}

#[test]
fn an_interval_never_exceeds_itself_whatever_the_wall_clock_does() {
    let mut desk = Desk::every(7200);
    for step in [0, 3_600, -3_600, 400 * DAY, -400 * DAY, -20_000 * DAY, 20_000 * DAY, 3 * 3_600, -3 * 3_600] {
        desk.offset += step;
        desk.pass(7200);
    }
    let starts: Vec<u64> = desk.came.iter().map(|&(_, real)| real).collect();
    assert_eq!(starts.len(), 9);
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] <= 7201), "{starts:?}");
}

#[test]
fn an_interval_does_not_drift_over_a_thousand_periods() {
    let mut desk = Desk::every(10);
    for n in 0..1000 {
        // Served up to nine seconds late.
        desk.sleep(10 + n % 9);
        desk.pass(10 - n % 9);
    }
    assert!(desk.came.iter().all(|(due, _)| (due.0 / 1_000_000_000 - desk.came[0].0.0 / 1_000_000_000) % 10 == 0));
    assert!(desk.came.len() >= 1990, "{}", desk.came.len());
}

#[test]
fn a_clock_of_1970_or_2038_at_boot_makes_nobody_wait_for_more_than_an_interval() {
    for wrong in [-56 * 365 * DAY, 12 * 365 * DAY] {
        let mut desk = Desk::every(7200);
        desk.pass(7200);
        desk.offset += wrong;
        desk.restart();
        desk.pass(7200);
        desk.offset -= wrong;
        desk.pass(7200);
        let starts: Vec<u64> = desk.came.iter().map(|&(_, real)| real).collect();
        assert!(starts.len() >= 3, "{starts:?}");
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] <= 7201), "{starts:?}");
    }
}

#[test]
fn a_machine_that_slept_serves_one_when_it_wakes_and_keeps_its_rhythm() {
    let mut desk = Desk::every(3600);
    desk.sleep(5 * 3600 + 600);
    assert_eq!(desk.came.len(), 1, "one for all that were slept through");
    desk.pass(3000);
    assert_eq!(desk.came[1].1, 1_000 + 6 * 3600, "at the next full hour of its own");
}

#[test]
fn a_daily_time_comes_once_on_days_of_23_and_25_hours() {
    for (wall, first) in [("2026-03-28T12:00:00Z", "2026-03-29T01:00"), ("2026-10-24T12:00:00Z", "2026-10-25T00:30")] {
        let mut desk = Desk::cron("30 2 * * *", "Europe/Paris", wall);
        desk.pass(3 * 86_400);
        assert_eq!(desk.came.len(), 3);
        assert_eq!(desk.days()[0], first);
        for (due, real) in &desk.came {
            let late = i64::try_from(*real).unwrap() + desk.offset - due.0 / 1_000_000_000;
            assert!((0..=1).contains(&late), "{late} s late");
        }
    }
}

#[test]
fn a_clock_set_back_by_hours_repeats_no_fixed_time_but_what_floats_goes_on() {
    let mut desk = Desk::cron("30 2 * * *", "UTC", "2026-11-25T00:00:00Z");
    desk.pass(3 * 3600);
    desk.offset -= 3 * 3600;
    desk.pass(86_400);
    assert_eq!(desk.days(), ["2026-11-25T02:30"], "not again on the same day");
    desk.pass(3 * 3600);
    assert_eq!(desk.days().last().unwrap(), "2026-11-26T02:30");

    let mut desk = Desk::cron("*/30 * * * *", "UTC", "2026-11-25T00:00:00Z");
    desk.pass(3 * 3600);
    desk.offset -= 3 * 3600;
    let before = desk.came.len();
    desk.pass(3 * 3600);
    assert!((5..=6).contains(&(desk.came.len() - before)), "{:?}", desk.days());
}

#[test]
fn a_clock_set_ahead_serves_what_it_leapt_over_once_and_within_a_minute() {
    let mut desk = Desk::cron("30 2 * * *", "UTC", "2026-11-25T00:00:00Z");
    desk.pass(600);
    desk.offset += 40 * DAY;
    let leapt = desk.real;
    desk.pass(3600);
    assert_eq!(desk.days(), ["2027-01-03T02:30"]);
    assert!(desk.came[0].1 - leapt <= 60);
}

#[test]
fn a_clock_that_was_a_year_ahead_stops_no_schedule_when_it_is_put_right() {
    let mut desk = Desk::cron("30 2 * * *", "UTC", "2027-11-25T00:00:00Z");
    desk.pass(86_400);
    desk.offset -= 365 * DAY;
    desk.pass(2 * 86_400);
    assert_eq!(desk.days(), ["2027-11-25T02:30", "2026-11-26T02:30", "2026-11-27T02:30"]);
}

#[test]
fn a_clock_of_1970_until_the_network_is_there_repeats_nothing() {
    let mut desk = Desk::cron("30 2 * * *", "UTC", "2026-11-25T02:00:00Z");
    desk.pass(3600);
    assert_eq!(desk.came.len(), 1);
    let right = desk.offset;
    desk.offset -= 20_000 * DAY;
    desk.restart();
    desk.pass(120);
    desk.offset = right;
    desk.pass(3600);
    assert_eq!(desk.came.len(), 1, "what ran today does not run again: {:?}", desk.days());
    desk.pass(86_400);
    assert_eq!(desk.days(), ["2026-11-25T02:30", "2026-11-26T02:30"]);
}

#[test]
fn a_downtime_is_made_up_for_once() {
    let mut desk = Desk::cron("0 * * * *", "UTC", "2026-11-25T00:10:00Z");
    desk.pass(3600);
    desk.real += 12 * 3600;
    desk.restart();
    desk.pass(60);
    assert_eq!(desk.days(), ["2026-11-25T01:00", "2026-11-25T13:00"]);
    desk.pass(3600);
    assert_eq!(desk.days().last().unwrap(), "2026-11-25T14:00");
}

#[test]
fn jitter_moves_the_start_and_never_the_rhythm() {
    let mut desk = Desk::every(3600);
    desk.jitter = Duration::from_secs(600);
    desk.replan();
    desk.pass(3 * 3600 + 600);
    let came: Vec<_> = desk.came.iter().map(|(due, real)| (due.to_string()[11..19].to_owned(), *real)).collect();
    let expected = [("13:00:00", 4_900), ("14:00:00", 8_500), ("15:00:00", 12_100)];
    assert_eq!(came, expected.map(|(due, real)| (due.to_owned(), real)));
}
