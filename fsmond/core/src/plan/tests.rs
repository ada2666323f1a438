//! Cron lines over the days on which clocks change, in the zones that are known for it; and what is refused.

use std::time::Duration;

use fsmon_protocol::spec::{Options, Rules};
use fsmon_protocol::units::Timestamp;

use super::*;

fn cron(line: &str, zone: &str) -> CronPlan {
    let options = Options { cron: Some(line.into()), tz: Some(zone.into()), ..Options::default() };
    match Plan::new(&Rules::from_options(&options)).unwrap() {
        Plan::Cron(plan) => *plan,
        other => panic!("{other:?}"),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// All due times after `from` and until `until`, in the zone.
fn dates(plan: &CronPlan, from: &str, until: &str) -> Vec<String> {
    let dates = std::iter::successors(plan.after(at(from)), |&date| plan.after(date));
    dates.take_while(|&date| date <= at(until)).map(|date| rfc3339(date, &plan.zone)).collect()
}

/// A day on which the clock of a zone changes, from one midnight before it to one after, by UTC and with room.
const CHANGES: [(&str, &str, &str, &str); 14] = [
    ("Europe/Paris", "spring, 23 h", "2026-03-27T12:00:00Z", "2026-03-31T12:00:00Z"),
    ("Europe/Paris", "autumn, 25 h", "2026-10-23T12:00:00Z", "2026-10-27T12:00:00Z"),
    ("America/New_York", "spring", "2026-03-06T12:00:00Z", "2026-03-10T12:00:00Z"),
    ("America/New_York", "autumn", "2026-10-30T12:00:00Z", "2026-11-03T12:00:00Z"),
    ("America/Sao_Paulo", "spring, midnight is skipped", "2018-11-02T12:00:00Z", "2018-11-06T12:00:00Z"),
    ("America/Sao_Paulo", "autumn, midnight comes twice", "2018-02-16T12:00:00Z", "2018-02-20T12:00:00Z"),
    ("Australia/Lord_Howe", "spring, half an hour", "2026-10-02T12:00:00Z", "2026-10-06T12:00:00Z"),
    ("Australia/Lord_Howe", "autumn, half an hour", "2026-04-03T12:00:00Z", "2026-04-07T12:00:00Z"),
    ("Africa/Cairo", "spring, midnight is skipped", "2026-04-22T12:00:00Z", "2026-04-26T12:00:00Z"),
    ("Africa/Cairo", "autumn", "2026-10-28T12:00:00Z", "2026-11-01T12:00:00Z"),
    ("Asia/Tehran", "spring, midnight is skipped", "2022-03-20T12:00:00Z", "2022-03-24T12:00:00Z"),
    ("Europe/London", "spring", "2026-03-27T12:00:00Z", "2026-03-31T12:00:00Z"),
    ("Asia/Kolkata", "no change", "2026-03-27T12:00:00Z", "2026-03-31T12:00:00Z"),
    ("UTC", "no change", "2026-03-27T12:00:00Z", "2026-03-31T12:00:00Z"),
];

#[test]
fn a_fixed_time_of_the_day_comes_once_a_day_whatever_the_clock_does() {
    for (zone, what, from, until) in CHANGES {
        for line in ["30 2 * * *", "0 0 * * *", "30 0 * * *", "30 1 * * *", "15 3 * * *", "@daily"] {
            let plan = cron(line, zone);
            let dates = dates(&plan, from, until);
            assert_eq!(dates.len(), 4, "{line} in {zone} ({what}): {dates:?}");
            let mut days: Vec<&str> = dates.iter().map(|date| &date[..10]).collect();
            days.dedup();
            assert_eq!(days.len(), 4, "a day has one: {line} in {zone} ({what}): {dates:?}");
        }
    }
}

#[test]
fn the_day_of_23_hours_runs_its_half_past_two_when_the_gap_ends() {
    let plan = cron("30 2 * * *", "Europe/Paris");
    assert_eq!(
        dates(&plan, "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z"),
        ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
    );
    assert_eq!(
        dates(&plan, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
        ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]
    );
}

#[test]
fn a_day_that_never_was_is_left_out() {
    // Samoa went over the date line: there was no 30 December 2011.
    let plan = cron("30 2 * * *", "Pacific/Apia");
    let dates = dates(&plan, "2011-12-28T12:00:00Z", "2012-01-01T00:00:00Z");
    let last = ["2011-12-31T02:30:00+14:00", "2012-01-01T02:30:00+14:00"];
    assert_eq!(dates[..2], ["2011-12-28T02:30:00-10:00", "2011-12-29T02:30:00-10:00"]);
    assert_eq!(dates[dates.len() - 2..], last, "{dates:?}");
    let floating = cron("*/15 * * * *", "Pacific/Apia");
    assert_eq!(
        self::dates(&floating, "2011-12-30T09:40:00Z", "2011-12-30T10:20:00Z"),
        ["2011-12-29T23:45:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T00:15:00+14:00"]
    );
    assert!(dates.len() <= 5, "at most one for the day that was skipped: {dates:?}");
}

#[test]
fn every_half_hour_follows_the_time_that_passes() {
    for (zone, what, from, until) in CHANGES {
        let plan = cron("*/30 * * * *", zone);
        let mut last = plan.after(at(from)).unwrap();
        while last <= at(until) {
            let next = plan.after(last).unwrap();
            let apart = next.since(last);
            assert!(next > last, "time goes forward: {zone} ({what})");
            assert_eq!(apart, Duration::from_secs(1800), "{zone} ({what}) after {last}");
            last = next;
        }
    }
}

#[test]
fn what_comes_next_is_always_later_and_found_from_anywhere() {
    for (zone, what, from, until) in CHANGES {
        for line in ["30 2 * * *", "*/17 * * * *", "0 */5 * * *", "5 0,1,2,3 * * *", "0 0 1 * *"] {
            let plan = cron(line, zone);
            let mut time = at(from);
            let mut due = plan.after(time).unwrap();
            while time < at(until) {
                let next = plan.after(time).unwrap();
                assert!(next > time, "{line} in {zone} ({what}) at {time}");
                if time < due {
                    assert_eq!(next, due, "{line} in {zone} ({what}) from {time}");
                } else {
                    due = next;
                }
                time = time.plus(Duration::from_secs(419));
            }
        }
    }
}

#[test]
fn of_many_missed_the_latest_is_found_without_walking_through_all() {
    let now = at("2026-11-25T12:34:56.5Z");
    for (line, latest) in [
        ("* * * * * *", "2026-11-25T12:34:56Z"),
        ("* * * * *", "2026-11-25T12:34:00Z"),
        ("0 * * * *", "2026-11-25T12:00:00Z"),
        ("30 2 * * *", "2026-11-25T02:30:00Z"),
        ("0 0 1 * *", "2026-11-01T00:00:00Z"),
        ("0 0 1 1 *", "2026-01-01T00:00:00Z"),
        ("0 0 29 2 *", "2024-02-29T00:00:00Z"),
    ] {
        let plan = cron(line, "UTC");
        let first = plan.after(at("1999-01-01T00:00:00Z")).unwrap();
        assert_eq!(plan.latest(first, now), at(latest), "{line}");
    }
    let plan = cron("30 2 * * *", "UTC");
    let due = at("2026-11-25T02:30:00Z");
    assert_eq!(plan.latest(due, due), due, "one that is due just now");
}

#[test]
fn only_what_names_no_time_of_the_day_is_due_again_after_the_clock_was_set_back() {
    let hours = |n: u64| Duration::from_secs(n * 3600);
    for (line, again) in [
        ("30 2 * * *", false),
        ("0 2,14 * * *", false),
        ("@daily", false),
        ("*/30 * * * *", true),
        ("15 * * * *", true),
        ("0 */2 * * *", true),
        ("@hourly", true),
        ("0 */5 * * * *", true),
        ("0 30 2 * * *", false),
        ("0 30 2 * * * 2030", false),
    ] {
        let plan = cron(line, "UTC");
        assert_eq!(plan.serves_again(hours(1)), again, "{line}");
        assert!(plan.serves_again(hours(4)), "{line}: the clock was wrong before");
    }
}

#[test]
fn dates_to_come_are_told_in_the_zone() {
    let plan = Plan::Cron(Box::new(cron("30 2 * * *", "Europe/Paris")));
    let dates = plan.dates(at("2026-03-28T01:30:00Z"), 3);
    assert_eq!(dates, ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]);
    let plan = Plan::Every(Duration::from_secs(7200));
    assert_eq!(plan.dates(at("2026-03-28T23:30:00Z"), 2), ["2026-03-28T23:30:00Z", "2026-03-29T01:30:00Z"]);
    assert!(Plan::Off.dates(at("2026-03-28T23:30:00Z"), 5).is_empty());
}

#[test]
fn what_cannot_be_understood_is_refused_by_its_option() {
    for (line, zone, says) in [
        ("61 * * * *", "UTC", "cron '61 * * * *'"),
        ("* * *", "UTC", "cron '* * *'"),
        ("", "UTC", "cron ''"),
        ("0 0 30 2 *", "UTC", "no date fits it"),
        ("@never", "UTC", "cron '@never'"),
        ("a\u{1b}[31m b c d e", "UTC", "cron 'a\\e[31m b c d e'"),
        ("@daily", "Mars/Olympus", "tz 'Mars/Olympus'"),
        ("@daily", "", "tz ''"),
    ] {
        let options = Options { cron: Some(line.into()), tz: Some(zone.into()), ..Options::default() };
        let error = Plan::new(&Rules::from_options(&options)).unwrap_err();
        assert!(error.message.contains(says), "{error}");
        assert!(error.hint.is_some() && !error.message.contains('\u{1b}'), "{error}");
    }
}

#[test]
fn zones_are_those_built_in() {
    assert!(knows_zone("Australia/Lord_Howe") && knows_zone("UTC") && !knows_zone("../../etc/passwd"));
}
