//! What stands in Workers KV under Tally's own keys may be anything: it is read or refused, and breaks
//! nothing.

#![allow(clippy::expect_used)]

mod site;

use proptest::prelude::*;
use site::{START, Site, at, post};
use std::sync::LazyLock;
use tally::books::takeover::{FoundPart, Want};
use tally::model::record::{Period, Record};
use tally::published::head::{HEAD, Published, Where};
use tally::published::part::Part;

/// A head with its posts, a head of parts, and a part.
static VALUES: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    let small = published(20);
    let large = published(1600);
    let part = large.kv.iter().find(|(key, _)| *key != HEAD);
    let (_, part) = part.expect("a part");
    [small.kv[HEAD].clone(), large.kv[HEAD].clone(), part.clone()]
});

fn published(posts: u32) -> Site {
    let mut site = Site::new(vec![]);
    site.settings.writes = 100_000;
    site.settings.lists = vec!["1".to_owned()];
    let records = (0..posts).map(|n| {
        let mut record = Record::default();
        (0..24).for_each(|hour| record.view(at(START - hour * 3600)));
        (post(format!("{n}{:x>500}", "")), record)
    });
    site.import(records.collect());
    site.save();
    site.settle(600);
    site
}

/// A value with some bytes replaced, some taken out and some put in.
fn damaged(value: usize) -> impl Strategy<Value = Vec<u8>> {
    let place = prop_oneof![3 => 0..200_usize, 1 => 0..VALUES[value].len()];
    let byte = prop_oneof![
        Just(0),
        Just(1),
        Just(0x7f),
        Just(0x80),
        Just(0xff),
        any::<u8>()
    ];
    let bytes = prop::collection::vec(byte, 0..6);
    prop::collection::vec((place, 0..6_usize, bytes), 1..4).prop_map(move |changes| {
        let mut all = VALUES[value].clone();
        for (place, out, bytes) in changes {
            let begin = place.min(all.len());
            let end = (begin + out).min(all.len());
            all.splice(begin..end, bytes);
        }
        all
    })
}

/// Reads all that there is to read of a part.
fn read(part: &Part, secret: &[u8; 16]) {
    for line in part.lines() {
        let Ok(line) = line else { break };
        line.times().views(at(START));
        line.times().fades(at(START));
        let _ = line.post();
    }
    for n in 0..20 {
        let _ = part.find(secret, &post(n));
    }
}

/// Restores a ledger from a head and, for every part that it names, from this one.
fn restore(head: &Published, part: impl Fn() -> FoundPart) {
    let mut site = Site::unadopted();
    // One after the other, and after an hour what cannot be read is left.
    for step in 0..1000 {
        site.now = START + step * 600;
        let found = match site.tally.want(&site.store, None).expect("pages") {
            None | Some(Want::List(_)) => break,
            Some(Want::Head) => site.tally.found_head(&site.store, head, at(site.now)),
            Some(Want::Part(key)) => {
                let now = at(site.now);
                site.tally.found_part(&site.store, &key, &part(), now)
            }
            Some(want) => unreachable!("{want:?}"),
        };
        // One that cannot be read is asked for again.
        let _ = found;
        site.save();
        site.crash();
    }
    assert!(!matches!(
        site.tally.want(&site.store, None),
        Ok(Some(Want::Head | Want::Part(..)))
    ));
    site.ping("a view", None, None);
    site.export();
}

/// As in tests/fuzz.rs.
fn cases(cases: u32) -> ProptestConfig {
    let times = std::env::var("FUZZ")
        .ok()
        .and_then(|times| times.parse().ok());
    ProptestConfig::with_cases(cases.saturating_mul(times.unwrap_or(1)))
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn heads(bytes in prop_oneof![damaged(0), damaged(1)]) {
        let Ok(head) = Published::read(bytes) else { return Ok(()) };
        for period in Period::EACH {
            head.top("", period);
            head.top("1", period);
        }
        if let Where::Here(part) = head.part_of(&post("1")) {
            read(part, &head.head.secret);
        }
        restore(&head, || FoundPart::Nothing);
    }

    #[test]
    fn parts(bytes in damaged(2)) {
        let Ok(part) = Part::read(bytes, 0) else { return Ok(()) };
        read(&part, &[2; 16]);
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn ledgers_are_restored_from_what_can_be_read(bytes in damaged(2)) {
        let head = Published::read(VALUES[1].clone()).expect("a head");
        restore(&head, || match Part::read(bytes.clone(), 0) {
            Ok(part) => FoundPart::Part(part),
            Err(_) => FoundPart::Unreadable,
        });
    }
}
