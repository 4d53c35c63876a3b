//! The memory of a ledger whose room is full of posts with the longest titles and addresses: an isolate has 128 MB, and
//! marks of visitors and ids (`tally::books::marks`) take 20 of them at the most. One test, because it measures all that
//! the process takes.

#![allow(clippy::expect_used)]

mod site;

use site::{START, Site as Books, at, post};
use tally::base::site::Site;
use tally::base::time::DAY;
use tally::model::record::Record;
use tally::model::standing::Standing;
use tally::verify::verdict::Verdict;

const POSTS: u32 = 17_000;
const MIB: usize = 1 << 20;

/// The most bytes that this process has had, where the system tells.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: usize = peak.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes << 10)
}

fn id(n: u32) -> String {
    format!("/{n:x>400}")
}

/// The bytes of rows and of Workers KV, which the tests have in memory and a ledger has not.
fn elsewhere(books: &Books) -> usize {
    let rows = books.store.rows.borrow();
    let kv = books.kv.values().map(Vec::len);
    rows.values().map(Vec::len).chain(kv).sum()
}

#[test]
fn titles_have_a_bound_in_storage_and_in_memory() {
    let mut books = Books::new(vec![]);
    books.settings.sites = Site::parse("https://blog.example").into_iter().collect();
    books.settings.writes = 100_000;
    let mut view = Record::default();
    view.view(at(START));
    for first in (0..POSTS).step_by(8500) {
        let records = (first..first + 8500).map(|n| (post(id(n)), view.clone()));
        books.import(records.collect());
        books.save();
    }
    let mut named = 0;
    for n in 0..POSTS {
        let path = format!("/{n:x>511}");
        let address = format!("https://blog.example{path}");
        let title = "t".repeat(200);
        let real = Verdict::Real { title, path };
        let (store, settings, now) = (&books.store, &books.settings, at(books.now));
        let judged = books
            .tally
            .judged(store, &post(id(n)), &address, real, settings, now);
        assert_eq!(judged, Ok(true));
        let kept = books.tally.standing(store, &post(id(n))).expect("a page");
        named += u32::from(matches!(kept, Standing::Verified { title, .. } if !title.is_empty()));
        if n % 500 == 0 {
            books.save();
        }
    }
    // What is left of 16 MiB for 712 bytes each. The others have none.
    assert!((12_000..14_000).contains(&named), "{named}");
    // The room that only the owner can fill is still theirs.
    let long = (0..5000).map(|n| (post(format!("{n:o>512}")), view.clone()));
    books.import(long.collect());
    books.save();
    let pages = |books: &Books| {
        let rows = books.store.rows.borrow();
        let pages = rows.iter().filter(|(key, _)| key.starts_with("0:page:"));
        pages.map(|(_, row)| row.len()).sum::<usize>()
    };
    assert!(pages(&books) < 21 * MIB, "{} bytes", pages(&books));

    books.crash();
    for n in 0..3000 {
        books.ping(id(n * 7919 % POSTS), None, Some(&format!("192.0.2.{n}")));
        if n % 256 == 0 {
            books.save();
        }
    }
    books.now += DAY / 24;
    books.settle(600);
    if let Some(peak) = peak() {
        // More than the ledger takes: all of the process, and what was freed and not given back.
        let peak = (peak - elsewhere(&books)) / MIB;
        println!("{named} titles, {peak} MiB");
        assert!(peak < 70, "{peak} MiB");
    }
}
