//! The bytes of what is stored and published. From the first release on a newer Tally reads what an
//! older one wrote: rows that once were pinned are kept here and read, whatever is written by then.

#![allow(clippy::expect_used)]

mod site;

use site::{START, Site, at, post};
use std::collections::BTreeMap;
use tally::base::limits::HOUR_SECONDS as HOUR;
use tally::model::mode::Mode;
use tally::model::outcome::Outcome;
use tally::model::page::Line;
use tally::model::place::place;
use tally::model::reason::Reason;
use tally::model::record::{Period, Record};
use tally::published::head::{HEAD, Published};

/// A row of storage or a key of Workers KV in each line: its name, then its bytes in hexadecimal digits. As
/// they are written now.
const PINNED: &str = include_str!("pinned.txt");
/// As they were written before they said when the books were begun.
const PINNED_3: &str = include_str!("pinned-3.txt");
/// As they were written before posts had a standing.
const PINNED_2: &str = include_str!("pinned-2.txt");

/// What places follow from in the pinned rows.
const SECRET: [u8; 16] = [2; 16];

type Bytes = BTreeMap<String, Vec<u8>>;

fn pinned(all: &str) -> (Bytes, Bytes) {
    let digits = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(pair, 16).expect("a byte")
    };
    let all = all.lines().map(|line| {
        let (name, bytes) = line.split_once(' ').expect("a name and bytes");
        let bytes = bytes.as_bytes().chunks(2).map(digits).collect();
        (name.to_owned(), bytes)
    });
    all.partition(|(name, _)| name.starts_with("0:"))
}

/// A site with something in every field that is stored: posts with entries and without, all events,
/// marks in rows of their own and in the journal, a list of a prefix.
fn busy() -> Site {
    let mut site = Site::new(vec![]);
    site.settings.lists = vec!["/posts/".to_owned()];
    site.tally.skip(Reason::Bot, 3);
    site.tally.skip(Reason::Unknown, 2);
    for (id, views) in [("142", 300), ("143", 5), ("144", 6)] {
        site.set(id, views);
    }
    for n in 0..3 {
        site.ping(
            "/posts/é",
            Some(&format!("id {n}")),
            Some(&format!("192.0.2.{n}")),
        );
    }
    site.save();
    site.settle(600);
    // The visitors are forgotten, and the ids kept in a row.
    site.now = START + HOUR;
    site.settle(HOUR);
    let mut record = Record::default();
    record.view(at(site.now - 5 * HOUR));
    record.view(at(site.now));
    let records = vec![(post("imported"), record)];
    let (now, settings) = (at(site.now), &site.settings);
    let imported = site.tally.import(
        &site.store,
        records,
        Mode::Add,
        Some("an import"),
        settings,
        now,
    );
    assert_eq!(imported, Ok(true));
    for n in 0..500 {
        site.ping(
            format!("post-{}", n % 5),
            None,
            Some(&format!("198.51.{}.{}", n / 100, n % 100)),
        );
    }
    site.save();
    site
}

#[test]
fn rows_and_keys_are_written_as_before() {
    let site = busy();
    let written: Bytes = site.store.rows.borrow().clone();
    let (rows, keys) = pinned(PINNED);
    if (&written, &site.kv) != (&rows, &keys) {
        let line = |(name, bytes): (&String, &Vec<u8>)| {
            let bytes: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{name} {bytes}\n")
        };
        let all: String = written.iter().chain(&site.kv).map(line).collect();
        let name = std::env::temp_dir().join("pinned.txt");
        std::fs::write(&name, all).expect("a file");
        unreachable!("what is written now is in {}", name.display());
    }
}

#[test]
fn rows_are_read_as_before() {
    for rows in [PINNED_2, PINNED_3, PINNED] {
        is_read(pinned(rows).0);
    }
}

fn is_read(rows: Bytes) {
    let mut site = restarted(rows);
    assert_eq!(site.export(), busy().export());
    // The ids and the visitors are known.
    assert!(matches!(
        site.ping("/posts/é", Some("id 2"), None),
        Outcome::Repeat(3)
    ));
    let again = site.ping("post-2", None, Some("198.51.2.57"));
    assert!(matches!(again, Outcome::Repeat(100)));
    let (now, settings) = (at(site.now), &site.settings);
    let imported = site.tally.import(
        &site.store,
        vec![],
        Mode::Add,
        Some("an import"),
        settings,
        now,
    );
    assert_eq!(imported, Ok(false), "taken in before");
}

/// Pages are found by the depths of their ranges.
#[test]
fn split_pages_are_read_as_before() {
    let (mut rows, _) = pinned(PINNED_2);
    let page = rows.remove("0:page:").expect("a page");
    let (_, mut rest): (u64, _) = postcard::take_from_bytes(&page).expect("an event's number");
    let header = &page[..page.len() - rest.len()];
    let mut halves = [header.to_vec(), header.to_vec()];
    while !rest.is_empty() {
        let (line, after): (Line, _) = postcard::take_from_bytes(rest).expect("a line");
        let half = place(&SECRET, line.id) >> 63;
        halves[half as usize].extend_from_slice(&rest[..rest.len() - after.len()]);
        rest = after;
    }
    for (half, name) in halves.into_iter().zip(["0:page:0", "0:page:1"]) {
        assert!(half.len() > header.len(), "both have posts");
        rows.insert(name.to_owned(), half);
    }
    rows.insert("0:pages".to_owned(), vec![2, 1, 1]);
    assert_eq!(restarted(rows).export(), busy().export());
}

#[test]
fn what_is_published_is_read_as_before() {
    for (keys, unknown, begun) in [(PINNED_2, 0, 0), (PINNED_3, 2, 0), (PINNED, 2, START)] {
        is_published(&pinned(keys).1, unknown, begun);
    }
}

fn is_published(keys: &Bytes, unknown: u64, begun: u32) {
    let published = Published::read(keys[HEAD].clone()).expect("a head");
    let summary = &published.head.summary;
    assert_eq!((summary.posts, summary.site.total), (4, 314));
    assert_eq!(summary.skipped, [0, 3, 0, 0, 0, unknown]);
    assert_eq!(published.head.begun, at(begun));
    let top = |prefix| {
        let places = published.top(prefix, Period::All).expect("a list");
        let places = places
            .iter()
            .map(|place| (place.post.as_str(), place.views));
        places.collect::<Vec<_>>()
    };
    assert_eq!(
        top(""),
        [("142", 300), ("144", 6), ("143", 5), ("/posts/é", 3)]
    );
    assert_eq!(top("/posts/"), [("/posts/é", 3)]);
    let part = published.inline().expect("a part");
    let line = part.find(&SECRET, &post("/posts/é")).expect("lines");
    let views = line.expect("the post").times().views(at(START));
    assert_eq!(views, [3; 3]);
}

/// A ledger over these rows.
fn restarted(rows: Bytes) -> Site {
    let mut site = Site::new(vec![]);
    site.now = busy().now;
    site.settings = busy().settings;
    site.store.rows.replace(rows);
    site.crash();
    site
}
