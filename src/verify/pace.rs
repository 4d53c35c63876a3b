//! How many new posts a site may have in a minute and in an hour.

use crate::base::limits::HOUR_SECONDS;
use crate::base::time::Time;
use serde::{Deserialize, Serialize};

/// New posts of a site in a minute.
pub const PER_MINUTE: u32 = 60;
/// New posts of a site in an hour.
pub const PER_HOUR: u32 = 1000;

/// The new posts of this minute and of this hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    minute: Window,
    hour: Window,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    began: Time,
    posts: u32,
}

impl Window {
    /// The posts of the window that `now` is in. One that began later was of a clock that was set back.
    fn posts(self, seconds: u32, now: Time) -> u32 {
        match self.began <= now && now < self.began.plus(seconds) {
            true => self.posts,
            false => 0,
        }
    }

    fn add(&mut self, seconds: u32, now: Time) {
        let posts = self.posts(seconds, now);
        if posts == 0 {
            self.began = now;
        }
        self.posts = posts + 1;
    }
}

impl Pace {
    /// In how many seconds there may be another new post, where so many ledgers share the site; 0 for now.
    pub fn wait(&self, ledgers: u8, now: Time) -> u32 {
        let wait = |window: Window, seconds, most: u32| {
            let is_full = window.posts(seconds, now) >= most.div_ceil(ledgers.max(1).into());
            let end = window.began.plus(seconds);
            if is_full { end.distance(now).max(1) } else { 0 }
        };
        let minute = wait(self.minute, 60, PER_MINUTE);
        minute.max(wait(self.hour, HOUR_SECONDS, PER_HOUR))
    }

    /// Notes a new post.
    pub fn add(&mut self, now: Time) {
        self.minute.add(60, now);
        self.hour.add(HOUR_SECONDS, now);
    }
}
