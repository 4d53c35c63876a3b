//! A post's record against a model that keeps every number in a map.

#![allow(clippy::expect_used)]

use proptest::prelude::*;
use std::collections::BTreeMap;
use tally::base::limits::DAYS;
use tally::base::limits::MAX_COUNT as MAX;
use tally::base::time::{DAY, Day, Hour, Time};
use tally::model::record::{HOURS, Period, Record};

const HOUR: u32 = 3600;
const MOST: u64 = MAX as u64;
/// A midnight.
const START: u32 = 20_000 * DAY;

fn at(seconds: u32) -> Time {
    Time::from_seconds(seconds)
}

fn viewed(times: impl IntoIterator<Item = u32>) -> Record {
    let mut record = Record::default();
    times
        .into_iter()
        .for_each(|seconds| record.view(at(seconds)));
    record
}

fn hours(record: &Record) -> BTreeMap<Hour, u64> {
    record.by_hour().collect()
}

fn days(record: &Record) -> BTreeMap<Day, u64> {
    record.by_day().collect()
}

#[test]
fn a_day_is_this_hour_and_the_23_before() {
    let record = viewed([START + 5 * HOUR + 1800]);
    for (seconds, views) in [
        (START + 5 * HOUR, 1),
        (START + 5 * HOUR + 1800, 1),
        (START + 28 * HOUR + 3599, 1),
        (START + 29 * HOUR, 0),
        (START + 4 * HOUR + 3599, 0),
    ] {
        assert_eq!(record.views(Period::Day, at(seconds)), views, "{seconds}");
    }
}

#[test]
fn weeks_and_months_are_days_with_this_one() {
    for (period, length) in [(Period::Week, 7), (Period::Month, 30)] {
        let record = viewed([START + DAY - 1]);
        for (seconds, views) in [
            (START, 1),
            (START + length * DAY - 1, 1),
            (START + length * DAY, 0),
            (START - 1, 0),
        ] {
            assert_eq!(record.views(period, at(seconds)), views, "{seconds}");
        }
    }
}

#[test]
fn all_never_ends() {
    let record = viewed([START, START + 400 * DAY]);
    for now in [0, START, u32::MAX] {
        assert_eq!(record.views(Period::All, at(now)), 2);
    }
}

#[test]
fn old_hours_and_days_are_dropped() {
    let record = viewed((0..60).map(|day| START + day * DAY));
    assert_eq!(record.total, 60);
    assert_eq!(record.by_hour().count(), 1);
    assert_eq!(record.by_day().count(), DAYS as usize);
    let record = viewed((0..60).map(|hour| START + hour * HOUR));
    assert_eq!(record.by_hour().count(), HOURS as usize);
    assert_eq!(record.views(Period::Day, at(START + 59 * HOUR)), 24);
}

#[test]
fn history_is_the_last_days_with_the_oldest_first() {
    let record = viewed([START, START, START + 2 * DAY]);
    let now = at(START + 2 * DAY + 5);
    let day = |n: u32| Day::from(START / DAY + n);
    assert_eq!(record.history(1, now), [(day(2), 1)]);
    assert_eq!(
        record.history(3, now),
        [(day(0), 2), (day(1), 0), (day(2), 1)]
    );
    let all = record.history(DAYS + 5, now);
    assert_eq!(all.len(), DAYS as usize);
    assert!(all.is_sorted_by_key(|entry| entry.0));
    assert_eq!(all.iter().map(|entry| entry.1).sum::<u64>(), 3);
    assert_eq!(record.history(0, now), []);
}

#[test]
fn set_keeps_the_hours_and_days_that_fit() {
    let before = viewed([START, START + 1, START + DAY]);
    for total in [3, 4, MOST] {
        let mut record = before.clone();
        record.set(total);
        assert_eq!(record.total, total);
        assert_eq!(hours(&record), hours(&before), "{total}");
        assert_eq!(days(&record), days(&before), "{total}");
    }
    for total in [0, 1, 2] {
        let mut record = before.clone();
        record.set(total);
        assert_eq!(record.total, total);
        assert_eq!(record.by_hour().count() + record.by_day().count(), 0);
    }
    // An import may have the one without the other.
    let (mut by_hour, mut by_day) = (Record::default(), Record::default());
    by_hour.hours.add(at(START).hour().into(), 2);
    by_day.days.add(at(START).day().into(), 2);
    for record in [&mut by_hour, &mut by_day] {
        record.set(1);
        assert_eq!(record.by_hour().count() + record.by_day().count(), 0);
    }
}

#[test]
fn numbers_stop_at_the_most() {
    let mut record = Record::default();
    record.set(u64::MAX);
    assert_eq!(record.total, MOST);
    record.view(at(START));
    assert_eq!(record.total, MOST);
    let mut full = Record {
        total: MOST,
        ..Record::default()
    };
    full.hours.add(at(START).hour().into(), u64::MAX);
    full.days.add(at(START).day().into(), MOST);
    full.add(&full.clone());
    full.view(at(START));
    assert_eq!(full.total, MOST);
    assert_eq!(hours(&full), BTreeMap::from([(at(START).hour(), MOST)]));
    assert_eq!(days(&full), BTreeMap::from([(at(START).day(), MOST)]));
    full.view(at(START + HOUR));
    assert_eq!(full.views(Period::Day, at(START + HOUR)), MOST);
}

#[test]
fn no_more_is_subtracted_than_there_is() {
    let mut record = viewed([START, START + HOUR]);
    record.subtract(&viewed([START, START, START, START + 5 * HOUR]));
    assert_eq!(record.total, 0);
    assert_eq!(
        hours(&record),
        BTreeMap::from([(at(START + HOUR).hour(), 1)])
    );
    assert_eq!(days(&record), BTreeMap::new());
}

/// Views by hour or by day, of which those `kept` or more behind the newest are dropped.
#[derive(Default)]
struct Model {
    total: u64,
    hours: BTreeMap<Hour, u64>,
    days: BTreeMap<Day, u64>,
}

fn bump<At: Ord + Copy + Into<u32>>(counts: &mut BTreeMap<At, u64>, at: At, kept: u32) {
    *counts.entry(at).or_default() += 1;
    let newest: u32 = counts.keys().last().map_or(0, |newest| (*newest).into());
    counts.retain(|at, _| newest - (*at).into() < kept);
}

impl Model {
    fn view(&mut self, at: Time) {
        self.total += 1;
        bump(&mut self.hours, at.hour(), HOURS);
        bump(&mut self.days, at.day(), DAYS);
    }

    fn views(&self, period: Period, now: Time) -> u64 {
        let (hour, day) = (u32::from(now.hour()), u32::from(now.day()));
        let of_days = |count: u32| {
            let within = (day + 1 - count)..=day;
            let days = self.days.iter();
            let days = days.filter(|(at, _)| within.contains(&u32::from(**at)));
            days.map(|(_, views)| views).sum()
        };
        let within = (hour - 23)..=hour;
        let hours = self.hours.iter();
        let hours = hours.filter(|(at, _)| within.contains(&u32::from(**at)));
        match period {
            Period::All => self.total,
            Period::Day => hours.map(|(_, views)| views).sum(),
            Period::Week => of_days(7),
            Period::Month => of_days(30),
        }
    }
}

/// Moments of a clock that jumps both ways, mostly by little.
fn moments() -> impl Strategy<Value = Vec<u32>> {
    let step = prop_oneof![
        4 => -HOUR_I..HOUR_I,
        2 => -30 * HOUR_I..30 * HOUR_I,
        1 => -40 * DAY_I..40 * DAY_I,
    ];
    prop::collection::vec(step, 0..80).prop_map(|steps| {
        let mut now = i64::from(START);
        let mut moment = |step: i64| {
            now = (now + step).max(i64::from(START) / 2);
            now as u32
        };
        steps.into_iter().map(&mut moment).collect()
    })
}

const HOUR_I: i64 = HOUR as i64;
const DAY_I: i64 = DAY as i64;

fn record() -> impl Strategy<Value = Record> {
    (moments(), 0..20_u64).prop_map(|(moments, more)| {
        let mut record = viewed(moments);
        record.set(record.total + more);
        record
    })
}

proptest! {
    #[test]
    fn it_counts_as_the_model_does(moments in moments()) {
        let (mut record, mut model) = (Record::default(), Model::default());
        for moment in moments {
            let now = at(moment);
            record.view(now);
            model.view(now);
            prop_assert_eq!(hours(&record), model.hours.clone());
            prop_assert_eq!(days(&record), model.days.clone());
            for period in [Period::All, Period::Day, Period::Week, Period::Month] {
                prop_assert_eq!(record.views(period, now), model.views(period, now));
            }
            let month: u64 = record.history(30, now).iter().map(|entry| entry.1).sum();
            prop_assert_eq!(month, model.views(Period::Month, now));
        }
    }

    #[test]
    fn merging_knows_no_order_and_no_repeats(a in record(), b in record(), c in record()) {
        let merged = |one: &Record, other: &Record| {
            let mut merged = one.clone();
            merged.merge(other);
            merged
        };
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(merged(&merged(&a, &b), &b), merged(&a, &b));
        prop_assert_eq!(merged(&a, &a), a.clone());
        prop_assert_eq!(merged(&a, &b).total, a.total.max(b.total));
    }

    #[test]
    fn adding_knows_no_order_and_loses_no_total(a in record(), b in record()) {
        let (mut one, mut other) = (a.clone(), b.clone());
        one.add(&b);
        other.add(&a);
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(one.total, a.total + b.total);
    }

    #[test]
    fn what_was_added_can_be_taken_away(moments in moments(), more in moments()) {
        let (a, b) = (viewed(moments), viewed(more));
        let mut record = a.clone();
        record.add(&b);
        record.subtract(&b);
        prop_assert_eq!(record.total, a.total);
        // What the other's newer hours pushed out does not come back.
        let kept = |(hour, views): (Hour, u64)| hours(&a).get(&hour) >= Some(&views);
        prop_assert!(record.by_hour().all(kept));
    }

    #[test]
    fn totals_never_fall(a in record(), b in record(), moment in START / 2..START * 2) {
        let mut record = a.clone();
        record.view(at(moment));
        prop_assert_eq!(record.total, a.total + 1);
        for change in [Record::add, Record::merge] {
            let before = record.total;
            change(&mut record, &b);
            prop_assert!(record.total >= before.max(b.total));
        }
    }

    #[test]
    fn it_is_stored_as_it_is(record in record()) {
        let bytes = postcard::to_extend(&record, Vec::new()).expect("bytes");
        prop_assert_eq!(postcard::from_bytes(&bytes), Ok(record));
    }
}
