//! When to publish, and how many writes to Workers KV a publication may take.
//!
//! A day's writes are never used up: the heads of the rest of the day are set aside, and for a large site
//! some parts with them; what is left goes to the posts' own entries, and where even the heads would be
//! too many they come less often.

use crate::base::settings::Settings;
use crate::base::time::{Day, Time};
use serde::{Deserialize, Serialize};

/// The most writes of one publication beside its head, so that it is over in seconds.
const MOST_WRITES: u32 = 100;

/// The writes to Workers KV of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    day: Day,
    spent: u32,
}

impl Budget {
    /// The writes of the day of `now`, failed ones included.
    pub fn spent(&self, now: Time) -> u32 {
        if self.day == now.day() { self.spent } else { 0 }
    }

    /// Takes writes out of the day's budget.
    pub fn spend(&mut self, writes: u32, now: Time) {
        *self = Self {
            day: now.day(),
            spent: self.spent(now).saturating_add(writes),
        };
    }

    /// Gives writes back that were not tried; those of another day are gone.
    pub fn refund(&mut self, writes: u32, now: Time) {
        self.spent = self.spent(now).saturating_sub(writes);
        self.day = now.day();
    }

    /// When the next publication may come, after the last began at `last`.
    pub fn next(&self, last: Time, now: Time, settings: &Settings) -> Time {
        let rest = now.rest_of_day();
        let Some(pace) = rest.checked_div(self.left(now, settings)) else {
            return now.plus(rest);
        };
        // A clock that was set back must not stop publication.
        let last = last.min(now);
        last.plus(settings.publish.max(pace)).max(now)
    }

    /// How many writes a publication that begins now may take beside its head; `None` where there is none
    /// left for the head. Those of later publications are set aside: of their heads, and of `parts` parts
    /// each.
    pub fn beside_head(&self, parts: u32, now: Time, settings: &Settings) -> Option<u32> {
        let left = self.left(now, settings).checked_sub(1)?;
        let later = now.rest_of_day().div_ceil(settings.publish);
        let aside = later.saturating_mul(1 + parts);
        Some(left.saturating_sub(aside).min(MOST_WRITES))
    }

    /// How many of a site's parts a publication that begins now may write, so that the day's writes
    /// last for the day.
    pub fn parts(&self, now: Time, settings: &Settings) -> u32 {
        let heads = now.rest_of_day().div_ceil(settings.publish);
        let left = self.left(now, settings).saturating_sub(heads);
        left.div_ceil(heads).min(left)
    }

    fn left(&self, now: Time, settings: &Settings) -> u32 {
        settings.writes.saturating_sub(self.spent(now))
    }
}
