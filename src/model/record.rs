//! A post's record: its views in all, by hour and by day, and the windows that are read from them.

use crate::base::limits::{DAYS, MAX_COUNT};
use crate::base::time::{Day, Hour, Time};
use serde::{Deserialize, Serialize};

/// How many hours a record keeps, up to its newest.
pub const HOURS: u32 = 24;

/// The views of a post, or of the whole site.
///
/// Every number stays at or below [`MAX_COUNT`]: what would go beyond stays there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// All views.
    pub total: u64,
    /// Views by hour.
    pub hours: Buckets<HOURS>,
    /// Views by day.
    pub days: Buckets<DAYS>,
}

/// The views that a top list is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// All of them.
    All,
    /// Those of the last 24 hours: of this hour and the 23 before.
    Day,
    /// Those of the last 7 days, this one included.
    Week,
    /// Those of the last 30 days, this one included.
    Month,
}

impl Period {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Period::All => "all",
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
        }
    }
}

impl Record {
    /// Adds a view.
    pub fn view(&mut self, at: Time) {
        self.total = sum(self.total, 1);
        self.hours.add(at.hour().into(), 1);
        self.days.add(at.day().into(), 1);
    }

    /// Makes the total another. Hours and days that no longer fit in it are forgotten.
    pub fn set(&mut self, total: u64) {
        self.total = total.min(MAX_COUNT as u64);
        if self.hours.all() > self.total || self.days.all() > self.total {
            self.hours = Buckets::default();
            self.days = Buckets::default();
        }
    }

    /// Adds another record's views.
    pub fn add(&mut self, other: &Self) {
        self.total = sum(self.total, other.total);
        other.hours.each(|hour, views| self.hours.add(hour, views));
        other.days.each(|day, views| self.days.add(day, views));
    }

    /// Takes another record's views away, as far as there are any.
    pub fn subtract(&mut self, other: &Self) {
        self.total = self.total.saturating_sub(other.total);
        other
            .hours
            .each(|hour, views| self.hours.lower(hour, views));
        other.days.each(|day, views| self.days.lower(day, views));
    }

    /// Takes the greater of each number: to merge the same record again changes nothing, in
    /// whatever order records come.
    pub fn merge(&mut self, other: &Self) {
        self.total = self.total.max(other.total);
        other
            .hours
            .each(|hour, views| self.hours.raise(hour, views));
        other.days.each(|day, views| self.days.raise(day, views));
    }

    /// The views of a period that ends now.
    pub fn views(&self, period: Period, now: Time) -> u64 {
        match period {
            Period::All => self.total,
            Period::Day => self.hours.last(HOURS, now.hour().into()),
            Period::Week => self.days.last(7, now.day().into()),
            Period::Month => self.days.last(DAYS, now.day().into()),
        }
    }

    /// The last `days` days with their views, the oldest first.
    pub fn history(&self, days: u32, now: Time) -> Vec<(Day, u64)> {
        let day = |before| now.day().minus(before);
        let last = (0..days.min(DAYS)).rev().map(day);
        last.map(|day| (day, self.days.get(day.into()))).collect()
    }

    /// The hours that had views, the oldest first.
    pub fn by_hour(&self) -> impl Iterator<Item = (Hour, u64)> {
        self.hours
            .0
            .iter()
            .map(|&(hour, views)| (hour.into(), views))
    }

    /// The days that had views, the oldest first.
    pub fn by_day(&self) -> impl Iterator<Item = (Day, u64)> {
        self.days.0.iter().map(|&(day, views)| (day.into(), views))
    }
}

/// Views by hour or by day: those of the newest that had any, and of the `KEPT` − 1 before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buckets<const KEPT: u32>(Vec<(u32, u64)>);

impl<const KEPT: u32> Buckets<KEPT> {
    /// Whether there are no views.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds views to a bucket. Those too far behind the newest are dropped.
    pub fn add(&mut self, at: u32, views: u64) {
        self.change(at, |before| sum(before, views));
    }

    fn raise(&mut self, at: u32, views: u64) {
        self.change(at, |before| before.max(views));
    }

    fn lower(&mut self, at: u32, views: u64) {
        if let Ok(i) = self.0.binary_search_by_key(&at, |bucket| bucket.0) {
            self.0[i].1 = self.0[i].1.saturating_sub(views);
        }
        self.0.retain(|bucket| bucket.1 > 0);
    }

    fn change(&mut self, at: u32, change: impl FnOnce(u64) -> u64) {
        match self.0.last_mut() {
            Some((newest, views)) if *newest == at => *views = change(*views),
            _ => self.insert(at, change),
        }
    }

    fn insert(&mut self, at: u32, change: impl FnOnce(u64) -> u64) {
        match self.0.binary_search_by_key(&at, |bucket| bucket.0) {
            Ok(i) => self.0[i].1 = change(self.0[i].1),
            Err(i) => self.0.insert(i, (at, change(0))),
        }
        let newest = self.0.last().map_or(0, |bucket| bucket.0);
        self.0.retain(|bucket| newest - bucket.0 < KEPT);
    }

    fn get(&self, at: u32) -> u64 {
        let found = self.0.binary_search_by_key(&at, |bucket| bucket.0);
        found.map_or(0, |i| self.0[i].1)
    }

    /// The views of the `count` buckets up to `now`.
    fn last(&self, count: u32, now: u32) -> u64 {
        let within = |bucket: &&(u32, u64)| bucket.0 <= now && now - bucket.0 < count;
        let views = self.0.iter().filter(within).map(|bucket| bucket.1);
        views.fold(0, sum)
    }

    fn all(&self) -> u64 {
        self.0.iter().map(|bucket| bucket.1).fold(0, sum)
    }

    fn each(&self, mut work: impl FnMut(u32, u64)) {
        self.0.iter().for_each(|&(at, views)| work(at, views));
    }
}

fn sum(a: u64, b: u64) -> u64 {
    a.saturating_add(b).min(MAX_COUNT as u64)
}
