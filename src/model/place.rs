//! Where a post is kept: a keyed hash of its id, and the ranges of hashes that pages and parts cover.
//!
//! The key is a secret of the site, so nobody can choose ids that all end up in one page.

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// 128 random bits.
pub type Key = [u8; 16];

/// The place of a post: SipHash-1-3 of its id.
pub fn place(secret: &Key, post: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_key(secret);
    hasher.write(post.as_bytes());
    hasher.finish()
}

/// The hasher of a map whose keys are keyed hashes already. The hasher of the standard library would have the same
/// key in every isolate, because Wasm has no random numbers of its own.
#[derive(Debug, Default)]
pub struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, _: &[u8]) {}

    fn write_u32(&mut self, hash: u32) {
        // A map takes bits from both ends.
        self.0 = u64::from(hash) << 32 | u64::from(hash);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The places whose first `depth` bits are those of `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Range {
    start: u64,
    depth: u8,
}

impl Range {
    /// All places.
    pub const ALL: Self = Self { start: 0, depth: 0 };
    /// A range this deep is not split again. Hashes of 64 bits do not fill one.
    pub const MAX_DEPTH: u8 = 40;

    /// The range of this depth that begins at `start`; `None` where none does.
    pub fn at(start: u64, depth: u8) -> Option<Self> {
        let range = Self { start, depth };
        range.is_valid().then_some(range)
    }

    /// Whether it can be one, which what was read from elsewhere may not be.
    pub fn is_valid(self) -> bool {
        self.depth <= Self::MAX_DEPTH && self.start << self.depth == 0
    }

    /// The first place.
    pub fn start(self) -> u64 {
        self.start
    }

    /// How many bits its places share.
    pub fn depth(self) -> u8 {
        self.depth
    }

    /// The first place behind it; `None` for the last range.
    pub fn end(self) -> Option<u64> {
        match self.depth {
            0 => None,
            depth => self.start.checked_add(1 << (64 - depth)),
        }
    }

    /// Whether a place is in it.
    pub fn holds(self, place: u64) -> bool {
        match self.depth {
            0 => true,
            depth => (place ^ self.start) >> (64 - depth) == 0,
        }
    }

    /// Whether all of `other` is in it.
    pub fn covers(self, other: Self) -> bool {
        other.depth >= self.depth && self.holds(other.start)
    }

    /// Its two halves; `None` at [`Range::MAX_DEPTH`].
    pub fn halves(self) -> Option<[Self; 2]> {
        let depth = self.depth + 1;
        (depth <= Self::MAX_DEPTH).then(|| {
            let middle = self.start | 1 << (64 - depth);
            [self.start, middle].map(|start| Self { start, depth })
        })
    }

    /// The ranges of these depths, one after the other; `None` where they do not cover all places
    /// exactly.
    pub fn cover(depths: impl IntoIterator<Item = u8>) -> Option<Vec<Self>> {
        let mut ranges = Vec::new();
        let mut next = Some(0);
        for depth in depths {
            let range = Self::at(next?, depth)?;
            next = range.end();
            ranges.push(range);
        }
        (next.is_none() && !ranges.is_empty()).then_some(ranges)
    }

    /// The bits that its places share, as a name in keys; empty for [`Range::ALL`].
    pub fn name(self) -> String {
        let bit = |n: u8| if self.start << n >> 63 == 1 { '1' } else { '0' };
        (0..self.depth).map(bit).collect()
    }
}

/// The index of the range that holds a place, in ranges that cover all places in their order.
pub fn find<T>(ranges: &[T], range: impl Fn(&T) -> Range, place: u64) -> usize {
    ranges
        .partition_point(|one| range(one).start <= place)
        .saturating_sub(1)
}
