//! A post's record: its views in total, by hour and by day, and the periods that are read from them.

use crate::base::id::PostId;
use crate::base::limits::{DAYS, MAX_COUNT};
use crate::base::time::{Day, Hour, Time};
use serde::{Deserialize, Serialize};

/// How many hours a record keeps, up to its newest.
pub const HOURS: u32 = 24;
/// The days of a week.
const WEEK: u32 = 7;
/// The most views that are counted.
const MOST: u64 = MAX_COUNT as u64;

/// Posts with their records, as they are imported and exported.
pub type Records = Vec<(PostId, Record)>;

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
    /// All of them, in the order in which they are published.
    pub const EACH: [Self; 4] = [Self::All, Self::Day, Self::Week, Self::Month];

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

    /// Sets the total. Hours and days that no longer fit into it are forgotten.
    pub fn set(&mut self, total: u64) {
        self.total = total.min(MOST);
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

    /// Subtracts another record's views, as far as there are any.
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
            Period::Week => self.days.last(WEEK, now.day().into()),
            Period::Month => self.days.last(DAYS, now.day().into()),
        }
    }

    /// The last `days` days with their views, the oldest first.
    pub fn history(&self, days: u32, now: Time) -> Vec<(Day, u64)> {
        let day = |before| now.day().minus(before);
        let last = (0..days.min(DAYS)).rev().map(day);
        last.map(|day| (day, self.days.get(day.into()))).collect()
    }

    /// The same with what is of a time after `now` as of `now`, so that it does not push out what is
    /// before.
    pub fn until(mut self, now: Time) -> Self {
        self.hours.until(now.hour().into());
        self.days.until(now.day().into());
        self
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
#[serde(try_from = "Packed", into = "Packed")]
pub struct Buckets<const KEPT: u32>(Vec<(u32, u64)>);

/// Buckets as they are written: the newest, bit n of `mask` for the one n before it, and the views of
/// those whose bit is set, the newest first.
#[derive(Serialize, Deserialize)]
struct Packed {
    newest: u32,
    mask: u32,
    views: Vec<u64>,
}

impl<const KEPT: u32> From<Buckets<KEPT>> for Packed {
    fn from(buckets: Buckets<KEPT>) -> Self {
        let newest = buckets.newest();
        let bit = |mask: u32, bucket: &(u32, u64)| mask | 1 << (newest - bucket.0);
        Self {
            newest,
            mask: buckets.0.iter().fold(0, bit),
            views: buckets.0.iter().rev().map(|bucket| bucket.1).collect(),
        }
    }
}

impl<const KEPT: u32> TryFrom<Packed> for Buckets<KEPT> {
    type Error = &'static str;

    fn try_from(packed: Packed) -> Result<Self, Self::Error> {
        let Packed {
            newest,
            mask,
            views,
        } = packed;
        let fits = u64::from(mask) >> KEPT == 0 && mask.count_ones() as usize == views.len();
        let starts = mask & 1 == u32::from(!views.is_empty());
        let past = mask.checked_ilog2().is_none_or(|oldest| oldest <= newest);
        if !(fits && starts && past) || views.iter().any(|views| !(1..=MOST).contains(views)) {
            return Err("buckets");
        }
        let set = (0..KEPT).filter(|bit| mask >> bit & 1 == 1);
        let mut buckets: Vec<_> = set.map(|bit| newest - bit).zip(views).collect();
        buckets.reverse();
        Ok(Self(buckets))
    }
}

impl<const KEPT: u32> Buckets<KEPT> {
    /// Whether there are no views.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The newest bucket; 0 if there is none.
    pub fn newest(&self) -> u32 {
        self.0.last().map_or(0, |bucket| bucket.0)
    }

    /// Adds views to a bucket. Those too far behind the newest are dropped.
    pub fn add(&mut self, at: u32, views: u64) {
        self.change(at, |before| sum(before, views));
    }

    fn until(&mut self, latest: u32) {
        let later = self.0.iter().filter(|bucket| bucket.0 > latest);
        let views = later.map(|bucket| bucket.1).fold(0, sum);
        if views > 0 {
            self.0.retain(|bucket| bucket.0 <= latest);
            self.add(latest, views);
        }
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
        let newest = self.newest();
        self.0
            .retain(|bucket| newest - bucket.0 < KEPT && bucket.1 > 0);
    }

    fn get(&self, at: u32) -> u64 {
        let found = self.0.binary_search_by_key(&at, |bucket| bucket.0);
        found.map_or(0, |i| self.0[i].1)
    }

    /// The views of the `count` buckets up to `now`.
    fn last(&self, count: u32, now: u32) -> u64 {
        let within = |bucket: &&(u32, u64)| is_within(bucket.0, count, now);
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

/// Hours and days as they are written, in postcard, to be read without an allocation.
///
/// Bytes that make no sense have no views.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times<'a>(pub &'a [u8]);

impl Times<'_> {
    /// The views of the periods that end now: the day, the week, the month.
    pub fn views(self, now: Time) -> [u64; 3] {
        let mut windows = [0; 3];
        self.each(|bucket| match bucket {
            Bucket::Hour(at, views) if is_within(at, HOURS, now.hour().into()) => {
                windows[0] = sum(windows[0], views);
            }
            Bucket::Hour(..) => {}
            Bucket::Day(at, views) => {
                for (window, days) in [(1, WEEK), (2, DAYS)] {
                    if is_within(at, days, now.day().into()) {
                        windows[window] = sum(windows[window], views);
                    }
                }
            }
        });
        windows
    }

    /// When the views of one of the periods will be fewer if no view comes, if they ever will.
    pub fn fades(self, now: Time) -> Option<Time> {
        let mut soonest: Option<Time> = None;
        self.each(|bucket| {
            let ends = match bucket {
                Bucket::Hour(at, _) => [Hour::from(at.saturating_add(HOURS)).begin(); 2],
                Bucket::Day(at, _) => {
                    [WEEK, DAYS].map(|days| Day::from(at.saturating_add(days)).begin())
                }
            };
            for end in ends.into_iter().filter(|end| *end > now) {
                soonest = Some(soonest.map_or(end, |soonest| soonest.min(end)));
            }
        });
        soonest
    }

    fn each(self, mut work: impl FnMut(Bucket)) {
        let mut rest = self.0;
        let mut all = || {
            each(&mut rest, |at, views| work(Bucket::Hour(at, views)))?;
            each(&mut rest, |at, views| work(Bucket::Day(at, views)))
        };
        // Empty if there are none.
        let _ = all();
    }
}

impl<'a> Times<'a> {
    /// What is written behind the hours and days.
    pub fn rest(self) -> &'a [u8] {
        let mut rest = self.0;
        let mut all = || {
            each(&mut rest, |_, _| {})?;
            each(&mut rest, |_, _| {})
        };
        // Empty if there are none.
        let _ = all();
        rest
    }
}

enum Bucket {
    Hour(u32, u64),
    Day(u32, u64),
}

/// Reads a [`Packed`] bucket by bucket.
fn each(rest: &mut &[u8], mut work: impl FnMut(u32, u64)) -> Option<()> {
    let newest = varint(rest)? as u32;
    let mut mask = varint(rest)? as u32;
    let mut left = varint(rest)?;
    let mut before = 0;
    while mask != 0 && left > 0 {
        let skip = mask.trailing_zeros();
        before += skip;
        work(newest.checked_sub(before)?, varint(rest)?);
        mask = mask.checked_shr(skip + 1).unwrap_or_default();
        before += 1;
        left -= 1;
    }
    Some(())
}

/// Reads an integer as postcard writes it
/// (<https://postcard.jamesmunns.com/wire-format#varint-encoded-integers>).
pub(super) fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Whether a bucket is one of the `count` up to `now`.
fn is_within(at: u32, count: u32, now: u32) -> bool {
    at <= now && now - at < count
}

fn sum(a: u64, b: u64) -> u64 {
    a.saturating_add(b).min(MOST)
}
