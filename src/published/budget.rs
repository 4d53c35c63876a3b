//! When to publish, and how many writes to Workers KV a publication may use.
//!
//! The day's writes are never used up. The writes for the remaining heads of the day are reserved, and on a large
//! site some for parts; the rest goes to the posts' own entries. If even the heads would be too many, they come
//! less often.

use crate::base::settings::Settings;
use crate::base::time::{Day, Time};
use serde::{Deserialize, Serialize};

/// The most writes of one publication beside its head, so that it is over in seconds.
pub const MOST_WRITES: u32 = 100;

/// The writes to Workers KV of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    day: Day,
    spent: u32,
    /// Whether several ledgers share it, none of whose posts the head carries.
    #[serde(skip)]
    is_shared: bool,
}

impl Budget {
    /// Notes whether several ledgers share it.
    pub fn share(&mut self, is_shared: bool) {
        self.is_shared = is_shared;
    }

    /// The writes of the day of `now`, failed ones included.
    pub fn spent(&self, now: Time) -> u32 {
        if self.day == now.day() { self.spent } else { 0 }
    }

    /// Takes writes out of the day's budget.
    pub fn spend(&mut self, writes: u32, now: Time) {
        self.spent = self.spent(now).saturating_add(writes);
        self.day = now.day();
    }

    /// Gives writes back that were not tried; those of another day are gone.
    pub fn refund(&mut self, writes: u32, now: Time) {
        self.spent = self.spent(now).saturating_sub(writes);
        self.day = now.day();
    }

    /// When the next publication may come, after the last began at `last`.
    pub fn next(&self, last: Time, now: Time, settings: &Settings) -> Time {
        let rest = now.rest_of_day();
        let left = self.left(now, settings);
        // Parts that several ledgers write with each head take as many again and more.
        let publications = if self.is_shared {
            left.div_ceil(3)
        } else {
            left
        };
        let Some(pace) = rest.checked_div(publications) else {
            return now.plus(rest);
        };
        // A clock that was set back must not stop publication.
        let last = last.min(now);
        last.plus(settings.publish.max(pace)).max(now)
    }

    /// How many writes a publication that begins now may take beside its head; `None` if there is none
    /// left for the head. Those of later publications are set aside: of their heads, and of `parts` parts
    /// each.
    pub fn beside_head(&self, parts: u32, now: Time, settings: &Settings) -> Option<u32> {
        let left = self.left(now, settings).checked_sub(1)?;
        let aside = self.heads(now, settings).saturating_mul(1 + parts);
        Some(left.saturating_sub(aside).min(MOST_WRITES))
    }

    /// How many of a site's parts a publication that begins now may write, so that the day's writes
    /// last for the day.
    pub fn parts(&self, now: Time, settings: &Settings) -> u32 {
        let heads = self.heads(now, settings);
        let left = self.left(now, settings).saturating_sub(heads);
        left.div_ceil(heads.max(1)).min(left)
    }

    /// The heads of the rest of the day: one for each publication, and where several ledgers share few writes
    /// a third of these, because a head without new parts is worth little then.
    fn heads(&self, now: Time, settings: &Settings) -> u32 {
        let heads = now.rest_of_day().div_ceil(settings.publish);
        match self.is_shared {
            true => heads.min(self.left(now, settings) / 3),
            false => heads,
        }
    }

    /// How many writes are left of the day.
    pub fn left(&self, now: Time, settings: &Settings) -> u32 {
        settings.writes.saturating_sub(self.spent(now))
    }
}
