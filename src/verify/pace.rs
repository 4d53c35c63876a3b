//! Limits how often something happens in a minute and in an hour.

use crate::base::limits::HOUR_SECONDS;
use crate::base::time::Time;
use serde::{Deserialize, Serialize};

/// How often something may happen.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// In a minute.
    pub minute: u32,
    /// In an hour.
    pub hour: u32,
}

/// New posts of a site.
pub const NEW_POSTS: Most = Most {
    minute: 60,
    hour: 1000,
};
/// Pages of a site that are read, whatever they prove.
pub const PAGES: Most = Most {
    minute: 240,
    hour: 4000,
};

/// How often it has happened in this minute and in this hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    minute: Window,
    hour: Window,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    began: Time,
    count: u32,
}

impl Window {
    /// The count of the window that `now` is in. A window that begins later is from before the clock was set back.
    fn count(self, seconds: u32, now: Time) -> u32 {
        match self.began <= now && now < self.began.plus(seconds) {
            true => self.count,
            false => 0,
        }
    }

    fn add(&mut self, seconds: u32, now: Time) {
        let count = self.count(seconds, now);
        if count == 0 {
            self.began = now;
        }
        self.count = count + 1;
    }
}

impl Pace {
    /// In how many seconds it may happen again, if so many ledgers share the site; 0 for now.
    pub fn wait(&self, most: Most, ledgers: u8, now: Time) -> u32 {
        let wait = |window: Window, seconds, most: u32| {
            let is_full = window.count(seconds, now) >= most.div_ceil(ledgers.max(1).into());
            let end = window.began.plus(seconds);
            if is_full { end.distance(now).max(1) } else { 0 }
        };
        let minute = wait(self.minute, 60, most.minute);
        minute.max(wait(self.hour, HOUR_SECONDS, most.hour))
    }

    /// Notes that it happens.
    pub fn add(&mut self, now: Time) {
        self.minute.add(60, now);
        self.hour.add(HOUR_SECONDS, now);
    }
}
