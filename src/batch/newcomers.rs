//! Skips the rate limit for the first ping of an address, and makes up for it by asking twice at the second one.
//!
//! Most readers send one ping in a while, and asking the rate limit costs as much as the rest of the ping. For an
//! address that sends more, every ping is counted.

use crate::model::place::{Hashed, Key, place};
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::mem::take;

/// The period of the rate limit in `wrangler.toml`, in milliseconds.
const PERIOD: f64 = 60_000.0;
/// As many addresses may be new in a period; more are asked about at once.
const MOST: usize = 100_000;

/// Who has come in this period, and who in the one before, by hashes, of which one may be of two addresses, but of
/// none that somebody has chosen: whether the rate limit knows of all their pings.
#[derive(Debug)]
pub struct Newcomers {
    key: Key,
    began: f64,
    latest: Latest,
    before: Latest,
}

type Latest = HashMap<u32, bool, BuildHasherDefault<Hashed>>;

impl Newcomers {
    /// Nobody has come yet; `key` is for the hashes.
    pub fn new(key: Key) -> Self {
        Self {
            key,
            began: 0.0,
            latest: Latest::default(),
            before: Latest::default(),
        }
    }

    /// How often the rate limit is to be asked about a ping of an address, `now` in milliseconds.
    pub fn asks(&mut self, address: &str, now: f64) -> u8 {
        self.turn(now);
        let address = place(&self.key, address) as u32;
        let known = self.latest.get(&address);
        let known = known.copied().or_else(|| self.before.remove(&address));
        let asks = match known {
            Some(true) => 1,
            Some(false) => 2,
            None if self.latest.len() >= MOST => return 1,
            None => 0,
        };
        self.latest.insert(address, asks > 0);
        asks
    }

    /// Begins a period where one is over, or the clock was set back.
    fn turn(&mut self, now: f64) {
        let age = now - self.began;
        if !(0.0..PERIOD).contains(&age) {
            let latest = take(&mut self.latest);
            self.before = if age < 2.0 * PERIOD {
                latest
            } else {
                Latest::default()
            };
            self.began = now;
        }
    }
}
