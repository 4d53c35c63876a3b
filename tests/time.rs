//! Hours and days in UTC, and how they are written and read.

#![allow(clippy::expect_used)]

use proptest::prelude::*;
use tally::base::time::{DAY, Day, Hour, Time};

/// The days from 1970-01-01 to 2105-12-31.
const DAYS: u32 = 136 * 365 + 33;

/// A calendar that counts every day, one after the other.
fn calendar() -> impl Iterator<Item = (u32, u32, u32)> {
    let every = |years: u32, year: u32| year.is_multiple_of(years);
    let leap = move |year| every(4, year) && (!every(100, year) || every(400, year));
    let length = move |year, month| match month {
        2 => 28 + u32::from(leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let months = (1970..=2105).flat_map(|year| (1..=12).map(move |month| (year, month)));
    months
        .flat_map(move |(year, month)| (1..=length(year, month)).map(move |day| (year, month, day)))
}

#[test]
fn every_day_is_written_and_read_as_the_calendar_has_it() {
    let mut days = 0;
    for (n, (year, month, day)) in (0..).zip(calendar()) {
        let text = format!("{year:04}-{month:02}-{day:02}");
        assert_eq!(Day::from(n).to_string(), text);
        assert_eq!(text.parse(), Ok(Day::from(n)));
        days += 1;
    }
    assert_eq!(days, DAYS);
    assert_eq!(Day::from(DAYS).to_string(), "2106-01-01");
}

#[test]
fn what_is_no_day_is_refused() {
    for text in [
        "",
        "2026",
        "2026-02",
        "2026-02-29",
        "2100-02-29",
        "2026-04-31",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-01-32",
        "2026-1-01",
        "2026-01-1",
        "26-01-01",
        "02026-01-01",
        "+026-01-01",
        "2026-+1-01",
        "2026-01-01-",
        "2026-01-01 ",
        " 2026-01-01",
        "2026/01/01",
        "1969-12-31",
        "2106-01-01",
        "9999-99-99",
        "２０２６-01-01",
    ] {
        assert_eq!(text.parse::<Day>(), Err(()), "{text}");
        assert_eq!(format!("{text}T10").parse::<Hour>(), Err(()), "{text}");
    }
}

#[test]
fn what_is_no_hour_is_refused() {
    for text in [
        "",
        "T",
        "2026-11-21",
        "2026-11-21T",
        "2026-11-21T1",
        "2026-11-21T24",
        "2026-11-21T-1",
        "2026-11-21T010",
        "2026-11-21T10:00",
        "2026-11-21t10",
        "2026-11-21 10",
        "2026-11-21TT10",
    ] {
        assert_eq!(text.parse::<Hour>(), Err(()), "{text}");
    }
}

#[test]
fn moments_are_written_in_utc() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_868_799, "2000-02-29T23:59:59Z"),
        (1_795_255_662, "2026-11-21T10:07:42Z"),
        (u32::MAX, "2106-02-07T06:28:15Z"),
    ] {
        assert_eq!(Time::from_seconds(seconds).to_string(), text);
    }
}

#[test]
fn milliseconds_are_cut_to_seconds() {
    for (millis, seconds) in [
        (0.0, 0),
        (999.0, 0),
        (1000.0, 1),
        (1999.9, 1),
        (-5000.0, 0),
        (f64::NAN, 0),
        (1e300, u32::MAX),
    ] {
        let time = Time::from_millis(millis);
        assert_eq!(time, Time::from_seconds(seconds), "{millis}");
    }
    let last = Time::from_seconds(u32::MAX);
    assert_eq!(Time::from_millis(last.millis()), last);
    assert_eq!(last.plus(1), last, "time ends");
}

#[test]
fn a_day_ends_at_midnight() {
    let midnight = Time::from_seconds(20_000 * DAY);
    assert_eq!(midnight.rest_of_day(), DAY);
    assert_eq!(midnight.plus(1).rest_of_day(), DAY - 1);
    assert_eq!(midnight.plus(DAY - 1).rest_of_day(), 1);
    assert_eq!(Day::from(3).minus(1), Day::from(2));
    assert_eq!(Day::from(3).minus(4), Day::from(0), "time begins");
}

proptest! {
    #[test]
    fn an_hour_is_read_as_it_is_written(n in 0..DAYS * 24) {
        let hour = Hour::from(n);
        prop_assert_eq!(hour.to_string().parse(), Ok(hour));
        let day = hour.to_string()[..10].parse::<Day>();
        prop_assert_eq!(day, Ok(Day::from(n / 24)));
    }

    #[test]
    fn hours_and_days_hold_their_moments(seconds in 0..DAYS * DAY) {
        let time = Time::from_seconds(seconds);
        let (hour, day) = (u32::from(time.hour()), u32::from(time.day()));
        prop_assert!((hour * 3600..(hour + 1) * 3600).contains(&seconds));
        prop_assert!((day * DAY..=day * DAY + (DAY - 1)).contains(&seconds));
        let rest = time.rest_of_day();
        prop_assert!((1..=DAY).contains(&rest));
        prop_assert_eq!(time.plus(rest).day(), Day::from(day + 1));
        prop_assert_eq!(time.plus(rest).rest_of_day(), DAY);
    }

    #[test]
    fn a_distance_has_no_direction(a: u32, b: u32) {
        let (one, other) = (Time::from_seconds(a), Time::from_seconds(b));
        prop_assert_eq!(one.distance(other), other.distance(one));
        prop_assert_eq!(one.min(other).plus(one.distance(other)), one.max(other));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9T:-]{0,14}|.{0,20}") {
        if let Ok(day) = text.parse::<Day>() {
            prop_assert_eq!(day.to_string(), text.clone());
        }
        if let Ok(hour) = text.parse::<Hour>() {
            prop_assert_eq!(hour.to_string(), text);
        }
    }
}
