//! What was found not to be real, for a while.

use siphasher::sip::SipHasher13;
use std::collections::HashMap;
use std::hash::Hasher;
use std::mem::replace;

/// For how long a post that the site does not have is not asked for again, in milliseconds.
pub const UNREAL: f64 = 600_000.0;
/// As many are remembered, and as many again that are older.
const MOST: usize = 2048;

/// Posts with the addresses at which they were looked for, by hashes, and until when something holds for each.
#[derive(Debug, Default)]
pub struct Memory {
    latest: HashMap<u64, f64>,
    before: HashMap<u64, f64>,
}

impl Memory {
    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.latest.is_empty() && self.before.is_empty()
    }

    /// Remembers something for so long, `now` in milliseconds.
    pub fn remember(&mut self, post: &str, address: &str, now: f64, long: f64) {
        if self.latest.len() >= MOST {
            self.before = replace(&mut self.latest, HashMap::new());
        }
        self.latest.insert(hash(post, address), now + long);
    }

    /// Whether it still holds. Where the clock was set back, it does not.
    pub fn has(&self, post: &str, address: &str, now: f64, long: f64) -> bool {
        let hash = hash(post, address);
        let until = self.latest.get(&hash).or_else(|| self.before.get(&hash));
        until.is_some_and(|until| (0.0..=long).contains(&(until - now)))
    }

    /// Forgets it.
    pub fn forget(&mut self, post: &str, address: &str) {
        let hash = hash(post, address);
        self.latest.remove(&hash);
        self.before.remove(&hash);
    }
}

fn hash(post: &str, address: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(post.as_bytes());
    hasher.write_u8(0xff);
    hasher.write(address.as_bytes());
    hasher.finish()
}
