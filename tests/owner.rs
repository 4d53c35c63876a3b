//! Which ledger a post belongs to.

#![allow(clippy::expect_used)]

use tally::base::id::PostId;
use tally::base::limits::MAX_LEDGERS;
use tally::model::owner::{Owners, SLOTS, slot, tag};

fn post(id: String) -> PostId {
    PostId::parse(id).expect("an id")
}

fn counts(owners: &Owners, of: impl Iterator<Item = u8>) -> Vec<usize> {
    let mut counts = vec![0; usize::from(owners.ledgers())];
    of.for_each(|owner| counts[usize::from(owner)] += 1);
    counts
}

#[test]
fn slots_are_dealt_out_evenly() {
    for ledgers in 1..=MAX_LEDGERS {
        let owners = Owners::among(ledgers);
        let counts = counts(&owners, (0..SLOTS).map(|slot| owners.of(slot)));
        let (least, most) = (counts.iter().min(), counts.iter().max());
        let (least, most) = (least.expect("one"), most.expect("one"));
        assert!(most - least <= 1, "{ledgers}: {least} to {most}");
    }
}

#[test]
fn with_more_ledgers_slots_go_to_new_ones_only() {
    let all: Vec<Owners> = (1..=MAX_LEDGERS).map(Owners::among).collect();
    for (n, old) in all.iter().enumerate() {
        for new in &all[n..] {
            for slot in 0..SLOTS {
                let (before, after) = (old.of(slot), new.of(slot));
                let numbers = (old.ledgers(), new.ledgers());
                assert!(after == before || after >= numbers.0, "{numbers:?}");
            }
        }
    }
}

#[test]
fn ten_thousand_posts_are_within_a_fifth_of_even() {
    for (name, id) in [
        ("numbers", (|n| format!("{n}")) as fn(u32) -> String),
        ("paths", |n| format!("/2026/11/a-post-with-a-title-{n}")),
    ] {
        for ledgers in 2..=64 {
            let owners = Owners::among(ledgers);
            let posts = (0..10_000).map(|n| owners.of_post(&post(id(n))));
            let counts = counts(&owners, posts);
            let even = 10_000.0 / f64::from(ledgers);
            for count in counts {
                let off = (count as f64 / even - 1.0).abs();
                // With 64 there are 156 posts for each, and chance alone makes a quarter.
                let most = if ledgers <= 48 { 0.2 } else { 0.3 };
                assert!(
                    off < most,
                    "{name}, {ledgers} ledgers: {count} beside {even}"
                );
            }
        }
    }
}

/// A Worker and a ledger of different versions have to agree.
#[test]
fn owners_stay_what_they_are() {
    let posts = ["142", "/2026/hello", "é"].map(|id| post(id.to_owned()));
    assert_eq!(posts.each_ref().map(slot), [845, 263, 953]);
    assert_eq!(posts.each_ref().map(tag), [866275, 270253, 976557]);
    let owners = [2, 4, 16, 64].map(Owners::among);
    let of = |owners: &Owners| posts.each_ref().map(|post| owners.of_post(post));
    assert_eq!(
        owners.each_ref().map(of),
        [[1, 0, 1], [1, 3, 1], [9, 15, 14], [9, 15, 32]]
    );
}
