//! Spans, sizes and times as people write them.

use super::*;

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

#[test]
fn spans_are_read_as_people_write_them() {
    const MS: u64 = 1_000_000;
    for (text, nanos) in [
        ("0s", 0),
        ("500ms", 500 * MS),
        ("30s", 30_000 * MS),
        ("15m", 900_000 * MS),
        ("2h", 7_200_000 * MS),
        ("1d", 86_400_000 * MS),
        ("1w", 7 * 86_400_000 * MS),
        ("1h30m", 5_400_000 * MS),
        (" 1h 30m ", 5_400_000 * MS),
        ("2 hours", 7_200_000 * MS),
        ("250us", 250_000),
        ("7ns", 7),
    ] {
        assert_eq!(text.parse::<Span>().unwrap().nanos(), nanos, "{text}");
    }
}

#[test]
fn what_is_not_a_span_is_refused_with_an_example() {
    for text in [
        "",
        " ",
        "10",
        "s",
        "-1s",
        "+1s",
        "1x",
        "1s2",
        "1:30",
        "off",
        "15M",
        "1month",
        "2y",
        "1year",
        "1h 2M",
        "99999999999999999999s",
        "１s",
        "1s\n\x1b[2J x",
    ] {
        let error = text.parse::<Span>().unwrap_err().to_string();
        assert!(error.ends_with("is not a duration like 500ms, 30s, 15m, 2h or 1d"), "{text}: {error}");
        assert!(!error.contains('\x1b') && !error.contains('\n'), "{error}");
    }
    for text in ["99999999999d", "36601d"] {
        assert_eq!(text.parse::<Span>().unwrap_err().to_string(), format!("'{text}' is not shorter than 100 years"));
        assert_eq!(text.parse::<SpanOrOff>().unwrap_err(), text.parse::<Span>().unwrap_err());
    }
}

#[test]
fn spans_are_written_so_that_they_can_be_read() {
    for (span, text) in [
        (Span::default(), "0s"),
        (Span::millis(500), "500ms"),
        (Span::secs(30), "30s"),
        (Span::secs(90), "1m30s"),
        (Span::secs(7200), "2h"),
        (Span::secs(86_400), "1d"),
        (Span(Duration::new(86_400 + 3661, 1_002_003)), "1d1h1m1s1ms2us3ns"),
        (Span(LONGEST), "36600d"),
    ] {
        assert_eq!(span.to_string(), text);
        assert_eq!(text.parse::<Span>().unwrap(), span);
        assert_eq!(json(&span), format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Span>(&json(&span)).unwrap(), span);
    }
    assert_eq!(Span(Duration::MAX).nanos(), u64::MAX);
}

#[test]
fn a_span_or_off() {
    for (text, value) in [
        ("off", SpanOrOff::Off),
        (" off ", SpanOrOff::Off),
        ("2h", SpanOrOff::On(Span::secs(7200))),
        ("0", SpanOrOff::On(Span::default())),
        ("0s", SpanOrOff::On(Span::default())),
    ] {
        assert_eq!(text.parse::<SpanOrOff>().unwrap(), value);
        assert_eq!(serde_json::from_str::<SpanOrOff>(&json(&value)).unwrap(), value);
    }
    assert_eq!(json(&SpanOrOff::Off), "\"off\"");
    assert_eq!(SpanOrOff::Off.span(), None);
    for text in ["", "OFF", "never", "5", "no"] {
        let error = text.parse::<SpanOrOff>().unwrap_err().to_string();
        assert!(error.ends_with("is not a duration like 30s, 15m, 2h or 1d, nor 'off'"), "{error}");
    }
}

#[test]
fn sizes_are_read_and_written() {
    for (text, bytes) in [
        ("0", 0),
        ("500", 500),
        ("500B", 500),
        ("64K", 64 << 10),
        ("64k", 64 << 10),
        ("64KiB", 64 << 10),
        ("10M", 10 << 20),
        ("10m", 10 << 20),
        ("2G", 2 << 30),
        (" 3T ", 3 << 40),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(text.parse::<Size>().unwrap(), Size(bytes), "{text}");
    }
    for text in ["", "K", "-1", "+1", "1.5M", "10 M", "64KB", "1E", "18446744073709551616", "16777216T", "1K2", "٣"] {
        let error = text.parse::<Size>().unwrap_err().to_string();
        assert!(error.ends_with("is not a size like 500, 64K, 10M or 2G"), "{text}: {error}");
    }
    for (bytes, text) in [(0, "0"), (1, "1"), (1023, "1023"), (1024, "1K"), (1025, "1025"), (10 << 20, "10M")] {
        assert_eq!(Size(bytes).to_string(), text);
        assert_eq!(serde_json::from_str::<Size>(&json(&Size(bytes))).unwrap(), Size(bytes));
    }
    assert_eq!(Size(u64::MAX).to_string().parse::<Size>().unwrap(), Size(u64::MAX));
}

#[test]
fn times_are_written_in_utc() {
    let time = Timestamp(1_795_457_400_123_456_789);
    assert_eq!(time.to_string(), "2026-11-23T18:10:00.123456789Z");
    assert_eq!(time.for_people(), "2026-11-23 18:10:00.123Z");
    assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
    assert_eq!(json(&time), "\"2026-11-23T18:10:00.123456789Z\"");
    for whole in [Timestamp(1_795_457_400_000_000_000), Timestamp(0)] {
        assert_eq!(whole.to_string().parse::<Timestamp>().unwrap(), whole);
        assert!(whole.to_string().ends_with(":00.000000000Z"), "{whole}");
    }
    assert_eq!("2026-11-23 18:10:00".parse::<Timestamp>().unwrap(), Timestamp(1_795_457_400_000_000_000));
    for text in ["", "now", "2026-13-01T00:00:00Z", "18:10", "2026-11-23T18:10:00+01:00"] {
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
}

#[test]
fn times_at_the_ends_neither_overflow_nor_panic() {
    assert_eq!(Timestamp(i64::MIN).to_string(), "1970-01-01T00:00:00.000000000Z");
    assert_eq!(Timestamp(i64::MIN).for_people(), "1970-01-01 00:00:00.000Z");
    assert!(Timestamp(i64::MAX).to_string().starts_with("2262-04-11T"));
    assert_eq!(Timestamp(i64::MAX).plus(Duration::MAX), Timestamp(i64::MAX));
    assert_eq!(Timestamp(i64::MIN).minus(Duration::MAX), Timestamp(i64::MIN));
    assert_eq!(Timestamp(i64::MIN).since(Timestamp(i64::MAX)), Duration::ZERO);
    assert_eq!(Timestamp(i64::MAX).since(Timestamp(i64::MIN)), Duration::from_nanos(i64::MAX.unsigned_abs()));
    assert_eq!(Timestamp(5).since(Timestamp(2)), Duration::from_nanos(3));
    assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_nanos(3)), Timestamp(-3));
    assert_eq!("9999-12-31T23:59:59Z".parse::<Timestamp>().unwrap(), Timestamp(i64::MAX));
}
