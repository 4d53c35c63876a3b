//! Ids, addresses and visitors chosen so that their hashes collide. What is hashed with a secret key cannot be chosen;
//! where the key is public, as for the owner of a post, or were it known, steps and bytes stay bounded.

#![allow(clippy::expect_used)]

mod site;

use siphasher::sip::SipHasher13;
use site::{START, Site, at, post};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher;
use tally::base::limits::HOUR_SECONDS as HOUR;
use tally::batch::newcomers::Newcomers;
use tally::books::marks::Salts;
use tally::model::outcome::Outcome;
use tally::model::owner::{Owners, slot, tag};
use tally::model::place::place;
use tally::verify::memory::{Memory, UNREAL};

/// What places follow from in the books of these tests, as pinned.rs has it.
const SECRET: [u8; 16] = [2; 16];

fn hash(key: [u8; 16], text: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_key(&key);
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Posts whose places share their first bits, which is what their pages are told apart by: pages are split until
/// each is short, and a ping writes no more rows than one of any post.
#[test]
fn posts_that_would_all_be_in_one_page() {
    const BITS: u32 = 8;
    let mut site = Site::new(vec![]);
    let ids = (0..).map(|n: u32| format!("{n}{}", "x".repeat(200)));
    let chosen = ids.filter(|id| place(&SECRET, id) >> (64 - BITS) == 0);
    let chosen: Vec<_> = chosen.take(1200).collect();
    for _ in 0..3 {
        for id in &chosen {
            let before = site.store.writes.get();
            site.ping(id, None, None);
            site.save();
            let writes = site.store.writes.get() - before;
            assert!(writes <= 80, "{writes} rows");
        }
    }
    site.settle(24 * HOUR);
    site.crash();
    assert!(site.export().values().all(|record| record.total == 3));
    let rows = site.store.rows.borrow();
    let pages = rows.iter().filter(|(key, _)| key.starts_with("0:page:"));
    let lengths: Vec<_> = pages.map(|(_, row)| row.len()).collect();
    assert!(
        lengths.iter().all(|length| *length <= 66 << 10),
        "{lengths:?}"
    );
    let bytes: usize = lengths.iter().sum();
    assert!(bytes > 3 * (64 << 10), "{bytes} would fit into few pages");
    // One for each bit that they share, beside those that hold them.
    assert!(
        lengths.len() <= bytes / (16 << 10) + BITS as usize,
        "{lengths:?}"
    );
}

/// The slot of a post, and with it the owner, follows from its id alone, so that posts of one ledger can be chosen: it
/// adds its share of new posts in an hour, and writes no more rows than others.
#[test]
fn posts_that_are_all_of_one_ledger() {
    let first = post("flood 0");
    let ids = (0..).map(|n: u32| post(format!("flood {n}")));
    let chosen: Vec<_> = ids
        .filter(|id| slot(id) == slot(&first))
        .take(600)
        .collect();
    let owners = Owners::among(4);
    assert!(
        chosen
            .iter()
            .all(|id| owners.of_post(id) == owners.of_post(&first))
    );
    let mut site = Site::new(vec![]);
    site.settings.ledgers = 4;
    site.settings.new_posts = 500;
    let mut added = 0;
    for (n, id) in (0_u32..).zip(&chosen) {
        let address = format!("10.{}.{}.7", n / 256, n % 256);
        let before = site.store.writes.get();
        added +=
            u32::from(site.try_ping(id.as_str(), None, Some(&address)) == Ok(Outcome::Counted(1)));
        site.save();
        let writes = site.store.writes.get() - before;
        assert!(writes <= 80, "{writes} rows");
    }
    assert_eq!(added, 125);
    site.crash();
    let longest = site.store.rows.borrow().values().map(Vec::len).max();
    assert!(longest <= Some(66 << 10), "{longest:?}");
}

/// All marks of one post share the bits of its tag. A map of marks takes the lowest bits of each for its bucket and
/// the highest, of 64 or in Wasm of 32, to tell those of a bucket apart: both are of the secret hash.
#[test]
fn marks_of_one_post_do_not_share_buckets() {
    let mut salts = Salts::new([7; 16]);
    salts.rotate(at(START), 1800, || [9; 16]);
    let post = post("viral");
    let marks: Vec<u64> = (0..1 << 15)
        .filter_map(|n| salts.visitor(&post, &n.to_string(), "Firefox")[0])
        .inspect(|mark| assert_eq!(mark.tag(), tag(&post)))
        .map(|mark| postcard::to_extend(&mark, Vec::new()).expect("bytes"))
        .map(|bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
        .collect();
    let most = |part: &dyn Fn(u64) -> u64| {
        let mut counts: HashMap<u64, u32> = HashMap::new();
        for mark in &marks {
            *counts.entry(part(*mark)).or_default() += 1;
        }
        counts.into_values().max()
    };
    assert!(most(&|mark| mark & 0x7fff) <= Some(12));
    for shift in [57, 25] {
        assert!(most(&|mark| (mark >> shift) & 0x7f) <= Some(400));
    }
}

/// Addresses that share a hash with a key that everybody knows.
#[test]
fn an_address_cannot_be_chosen_to_pass_for_another() {
    let mut known: BTreeMap<u32, String> = BTreeMap::new();
    let mut pairs = Vec::new();
    for n in 0..400_000 {
        let address = format!("2001:db8:{:x}:{:x}", n >> 16, n & 0xffff);
        let hash = hash([0; 16], &address) as u32;
        if let Some(other) = known.insert(hash, address.clone()) {
            pairs.push((other, address));
        }
    }
    assert!(!pairs.is_empty());
    for (one, other) in &pairs {
        let mut naive = Newcomers::new([0; 16]);
        assert_eq!((naive.asks(one, 1.0), naive.asks(other, 1.0)), (0, 2));
        let mut newcomers = Newcomers::new([7; 16]);
        assert_eq!(
            (newcomers.asks(one, 1.0), newcomers.asks(other, 1.0)),
            (0, 0)
        );
    }
}

/// What the site does not have is remembered by hashes that differ from isolate to isolate.
#[test]
fn a_post_cannot_be_chosen_to_pass_for_another() {
    let remembered = |key| {
        let mut memory = Memory::new(key);
        memory.remember("a", "/a", at(START), UNREAL);
        assert!(memory.has("a", "/a", at(START), UNREAL));
        let text = format!("{memory:?}");
        text.split_once("latest").map(|(_, rest)| rest.to_owned())
    };
    assert_eq!(remembered([1; 16]), remembered([1; 16]));
    assert_ne!(remembered([1; 16]), remembered([2; 16]));
}
