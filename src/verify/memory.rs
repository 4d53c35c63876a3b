//! Remembers for a while which posts were found not to exist.

use crate::base::time::Time;
use crate::model::place::{Hashed, Key};
use siphasher::sip::SipHasher13;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem::take;

/// For how long a post that the site does not have is not asked for again, in seconds.
pub const UNREAL: u32 = 600;
/// For how long the Worker does not ask the ledger either: the owner may have had the post looked at since.
pub const UNREAL_HERE: u32 = 60;
/// As many are remembered, and as many again that are older.
const MOST: usize = 2048;

/// Posts with the addresses at which they were looked for, by hashes that nobody can choose, and until when something
/// holds for each.
#[derive(Debug)]
pub struct Memory {
    key: Key,
    latest: Latest,
    before: Latest,
}

type Latest = HashMap<u64, Time, BuildHasherDefault<Hashed>>;

impl Memory {
    /// Nothing is remembered yet; `key` is for the hashes.
    pub fn new(key: Key) -> Self {
        Self {
            key,
            latest: Latest::default(),
            before: Latest::default(),
        }
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.latest.is_empty() && self.before.is_empty()
    }

    /// Remembers something for so many seconds.
    pub fn remember(&mut self, post: &str, address: &str, now: Time, seconds: u32) {
        if self.latest.len() >= MOST {
            self.before = take(&mut self.latest);
        }
        let hash = self.hash(post, address);
        self.latest.insert(hash, now.plus(seconds));
    }

    /// Whether it still holds. Where the clock was set back, it does not.
    pub fn has(&self, post: &str, address: &str, now: Time, seconds: u32) -> bool {
        let hash = self.hash(post, address);
        let until = self.latest.get(&hash).or_else(|| self.before.get(&hash));
        until.is_some_and(|until| now < *until && *until <= now.plus(seconds))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new(self.key);
    }

    fn hash(&self, post: &str, address: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(post.as_bytes());
        hasher.write_u8(0xff);
        hasher.write(address.as_bytes());
        hasher.finish()
    }
}
