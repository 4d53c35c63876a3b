//! Time as a value that is passed in: a moment, and its hour and day in UTC.

use serde::{Deserialize, Serialize};
use std::fmt;

const HOUR: u32 = 3600;
/// The seconds of a day in UTC.
pub const DAY: u32 = 24 * HOUR;

/// A moment: whole seconds since the Unix epoch, until the year 2106.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Time(u32);

impl Time {
    /// Takes milliseconds since the Unix epoch, as `Date.now()` tells them.
    pub fn from_millis(millis: f64) -> Self {
        // The cast saturates.
        Self((millis / 1000.0) as u32)
    }

    /// Takes seconds since the Unix epoch.
    pub const fn from_seconds(seconds: u32) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// Milliseconds since the Unix epoch.
    pub fn millis(self) -> f64 {
        f64::from(self.0) * 1000.0
    }

    /// The moment so many seconds later.
    pub fn plus(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// The seconds between two moments, whichever is the later.
    pub fn distance(self, other: Self) -> u32 {
        self.0.abs_diff(other.0)
    }

    /// The hour that it lies in.
    pub fn hour(self) -> Hour {
        Hour(self.0 / HOUR)
    }

    /// The day that it lies in.
    pub fn day(self) -> Day {
        Day(self.0 / DAY)
    }

    /// The seconds until the next hour begins: 1 to 3600.
    pub fn rest_of_hour(self) -> u32 {
        HOUR - self.0 % HOUR
    }

    /// The seconds until the next day begins: 1 to [`DAY`].
    pub fn rest_of_day(self) -> u32 {
        DAY - self.0 % DAY
    }
}

/// `2026-11-21T10:07:42Z`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (minute, second) = (self.0 / 60 % 60, self.0 % 60);
        write!(f, "{}:{minute:02}:{second:02}Z", self.hour())
    }
}

/// An hour, counted from the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hour(u32);

/// A day, counted from the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Day(u32);

impl Hour {
    /// The moment at which it begins.
    pub fn begin(self) -> Time {
        Time(self.0.saturating_mul(HOUR))
    }

    /// The moment at which the next hour begins.
    pub fn end(self) -> Time {
        Time(self.0.saturating_add(1).saturating_mul(HOUR))
    }
}

impl Day {
    /// The moment at which it begins.
    pub fn begin(self) -> Time {
        Time(self.0.saturating_mul(DAY))
    }

    /// The moment at which the next day begins.
    pub fn end(self) -> Time {
        Time(self.0.saturating_add(1).saturating_mul(DAY))
    }

    /// The day so many days before.
    pub fn minus(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days))
    }
}

impl From<Hour> for u32 {
    fn from(hour: Hour) -> u32 {
        hour.0
    }
}

impl From<Day> for u32 {
    fn from(day: Day) -> u32 {
        day.0
    }
}

impl From<u32> for Hour {
    fn from(hour: u32) -> Self {
        Self(hour)
    }
}

impl From<u32> for Day {
    fn from(day: u32) -> Self {
        Self(day)
    }
}

/// `2026-11-21T10`.
impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}T{:02}", Day(self.0 / 24), self.0 % 24)
    }
}

/// `2026-11-21`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (year, month, day) = civil(self.0);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Reads what [`Display`](fmt::Display) writes.
impl std::str::FromStr for Hour {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (day, hour) = text.split_once('T').ok_or(())?;
        let day: Day = day.parse()?;
        let hour = digits(hour, 2).filter(|hour| *hour < 24).ok_or(())?;
        Ok(Self(day.0 * 24 + hour))
    }
}

/// Reads what [`Display`](fmt::Display) writes.
impl std::str::FromStr for Day {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '-');
        let mut part = |length| parts.next().and_then(|part| digits(part, length)).ok_or(());
        let date = (part(4)?, part(2)?, part(2)?);
        let day = days(date).ok_or(())?;
        (civil(day) == date).then_some(Self(day)).ok_or(())
    }
}

fn digits(text: &str, length: usize) -> Option<u32> {
    let all = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

/// Days before a month of a year that begins in March: its months are 31, 30, 31, 30, 31 long, again
/// and again, and the leap day is its last.
fn before_month(month: u32) -> u32 {
    (153 * month + 2) / 5
}

/// From days since the Unix epoch to year, month and day of the Gregorian calendar.
fn civil(days: u32) -> (u32, u32, u32) {
    // Years begin in March, eras of 400 years (146,097 days) in March of the year 0.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + u32::from(month <= 2);
    (year, month, day - before_month(march) + 1)
}

/// The inverse of [`civil`], for dates from 1970 to 2105; an invalid date gives an arbitrary day.
fn days((year, month, day): (u32, u32, u32)) -> Option<u32> {
    if !(1970..=2105).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, march) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap = year / 4 - year / 100 + year / 400;
    (365 * year + leap + before_month(march) + day - 1).checked_sub(719_468)
}
