//! Which of a site's ledgers owns a post.
//!
//! A post's slot follows from its id alone, so a Worker knows the owner without asking. [`Owners`] distributes the
//! slots as evenly as possible. When ledgers are added, a slot either stays where it is or moves to a new ledger.

use crate::base::id::PostId;
use crate::base::limits::MAX_LEDGERS;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// The number of a ledger, from 0 on. Its object has this name in decimal digits.
pub type Ledger = u8;

/// The ledger that leads: it is there whatever their number is.
pub const LEAD: Ledger = 0;
/// How many slots there are.
pub const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 10;
/// How many bits of [`digest`] a mark of a visitor tells.
pub const TAG_BITS: u32 = 20;

/// A hash of a post's id without a secret: SipHash-1-3 with a key of zeros.
fn digest(post: &PostId) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(post.as_str().as_bytes());
    hasher.finish()
}

/// The slot of a post: the first bits of its digest.
pub fn slot(post: &PostId) -> usize {
    (digest(post) >> (64 - SLOT_BITS)) as usize
}

/// The first [`TAG_BITS`] bits of a post's digest.
pub fn tag(post: &PostId) -> u32 {
    (digest(post) >> (64 - TAG_BITS)) as u32
}

/// The slot of the posts that have a tag.
pub fn slot_of_tag(tag: u32) -> usize {
    (tag >> (TAG_BITS - SLOT_BITS)) as usize
}

/// The owner of each slot, where a site has so many ledgers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owners {
    ledgers: u8,
    /// Empty for one ledger, which owns all.
    slots: Vec<Ledger>,
}

impl Owners {
    /// Deals the slots out to `ledgers`, 1 to [`MAX_LEDGERS`]: ledger by ledger, each of which takes its
    /// share from those that have the most.
    pub fn among(ledgers: u8) -> Self {
        let ledgers = ledgers.clamp(1, MAX_LEDGERS);
        if ledgers == 1 {
            return Self {
                ledgers,
                slots: Vec::new(),
            };
        }
        let mut hands: Vec<Vec<usize>> = vec![(0..SLOTS).collect()];
        for number in 2..=usize::from(ledgers) {
            let mut hand = Vec::with_capacity(SLOTS / number);
            for _ in 0..SLOTS / number {
                // The first of those that have the most.
                let fullest = hands.iter_mut().rev().max_by_key(|hand| hand.len());
                hand.extend(fullest.and_then(Vec::pop));
            }
            hands.push(hand);
        }
        let mut slots = vec![0; SLOTS];
        for (hand, ledger) in hands.into_iter().zip(0..) {
            for slot in hand {
                slots[slot] = ledger;
            }
        }
        Self { ledgers, slots }
    }

    /// How many ledgers there are.
    pub fn ledgers(&self) -> u8 {
        self.ledgers
    }

    /// The owner of a slot.
    pub fn of(&self, slot: usize) -> Ledger {
        self.slots.get(slot).copied().unwrap_or_default()
    }

    /// The owner of a post.
    pub fn of_post(&self, post: &PostId) -> Ledger {
        match self.ledgers {
            1 => 0,
            _ => self.of(slot(post)),
        }
    }
}

impl Default for Owners {
    fn default() -> Self {
        Self::among(1)
    }
}
