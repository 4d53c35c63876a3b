//! Who was counted lately: visitors of a post, and the ids of pings.
//!
//! A visitor is a hash of post, address and user agent, cut to 64 bits and salted with a random value
//! that lives for a day. Nothing else of a visitor is kept, and without the salt nothing can be
//! told from the hash.

use crate::base::id::PostId;
use crate::base::time::{DAY, Day, Time};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};

/// How long the id of a ping is remembered, in seconds.
pub const ID_SECONDS: u32 = DAY;
/// The most that is remembered of each kind, for the memory of one object. Beyond it the oldest are
/// forgotten early.
const MOST: usize = 1 << 20;

/// A salted hash of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mark([u8; 8]);

/// 128 random bits.
pub type Key = [u8; 16];

/// The secrets that marks are made with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Salts {
    /// For the ids of pings; it stays, because an id tells nothing of a visitor.
    ids: Key,
    today: Option<(Day, Key)>,
    yesterday: Option<(Day, Key)>,
}

impl Salts {
    /// Begins with a random key for the ids.
    pub fn new(ids: Key) -> Self {
        Self {
            ids,
            ..Self::default()
        }
    }

    /// Forgets old salts, and makes one for this day where there is none. A salt is needed until no
    /// visitor has to be known by it any more, `window` seconds into the next day.
    pub fn rotate(&mut self, now: Time, window: u32, random: impl FnOnce() -> Key) {
        if self.today.is_some_and(|(of, _)| of != now.day()) {
            self.yesterday = self.today.take();
        }
        self.forget(now, window);
        self.today.get_or_insert_with(|| (now.day(), random()));
    }

    /// Forgets old salts.
    pub fn forget(&mut self, now: Time, window: u32) {
        let early = DAY - now.rest_of_day() < window;
        let needed =
            |(of, _): &(Day, Key)| *of == now.day() || (early && *of == now.day().minus(1));
        self.today = self.today.filter(needed);
        self.yesterday = self.yesterday.filter(needed);
    }

    /// When there will be something to forget, if there is any salt.
    pub fn forget_at(&self, window: u32) -> Option<Time> {
        let (day, _) = self.yesterday.or(self.today)?;
        Some(day.end().plus(window))
    }

    /// The mark of a visitor today, and the one that they had yesterday.
    pub fn visitor(&self, post: &PostId, address: &str, agent: &str) -> [Option<Mark>; 2] {
        [&self.today, &self.yesterday]
            .map(|salt| salt.map(|(_, key)| mark(&key, &[post.as_str(), address, agent])))
    }

    /// The mark of a ping's id.
    pub fn id(&self, id: &str) -> Mark {
        mark(&self.ids, &[id])
    }
}

fn mark(key: &Key, parts: &[&str]) -> Mark {
    let mut hasher = SipHasher24::new_with_key(key);
    parts.hash(&mut hasher);
    Mark(hasher.finish().to_le_bytes())
}

/// Marks and when they were counted.
#[derive(Debug, Default)]
pub struct Seen(HashMap<Mark, Time>);

impl Seen {
    /// Whether it was counted less than `window` seconds ago.
    pub fn has(&self, mark: &Mark, now: Time, window: u32) -> bool {
        let at = self.0.get(mark);
        at.is_some_and(|at| at.distance(now) < window)
    }

    /// Remembers.
    pub fn insert(&mut self, mark: Mark, at: Time, window: u32) {
        if self.0.len() >= MOST {
            self.prune(at, window);
        }
        self.0.insert(mark, at);
    }

    /// Forgets what is older than `window` seconds, and more where that leaves too many.
    pub fn prune(&mut self, now: Time, mut window: u32) {
        self.0.retain(|_, at| at.distance(now) < window);
        while self.0.len() >= MOST {
            window /= 2;
            self.0.retain(|_, at| at.distance(now) < window);
        }
    }
}
