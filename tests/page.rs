//! What is stored and published stays readable: these bytes are in ledgers and namespaces already.

#![allow(clippy::expect_used)]

use tally::base::id::PostId;
use tally::base::time::{DAY, Time};
use tally::model::page::{self, Changes, Entry, Post};
use tally::model::place::{Range, place};
use tally::model::record::{Record, Times};

fn id(text: &str) -> PostId {
    PostId::parse(text.to_owned()).expect("an id")
}

#[test]
fn a_line_is_written_as_before() {
    let mut post = Post::default();
    post.record.view(Time::from_seconds(20_000 * DAY));
    post.record.set(300);
    post.entry = Entry::Count(2);
    let bytes = [
        3, b'1', b'4', b'2', // the id
        0xac, 0x02, // 300 views
        1, 2,  // its entry in Workers KV is 2
        12, // bytes of times
        0x80, 0xa6, 0x1d, 1, 1, 1, // the 480,000th hour, alone, with one view
        0xa0, 0x9c, 0x01, 1, 1, 1, // the 20,000th day, alone, with one view
    ];
    assert_eq!(
        page::write(&id("142"), &post, Vec::new()),
        Ok(bytes.to_vec())
    );
    let line = page::find(&bytes, "142").expect("a page").expect("a line");
    assert_eq!(line.post(), Ok(post));
}

#[test]
fn a_post_is_where_it_was() {
    let places = ["142", "hello-world", "é"].map(|id| place(&[7; 16], id));
    assert_eq!(places, PLACES);
}

const PLACES: [u64; 3] = [
    3525929637230144289,
    10032179292200132556,
    3039246611501444933,
];

#[test]
fn ranges_cover_all_places_once() {
    assert_eq!(Range::cover([0]), Some(vec![Range::ALL]));
    let ranges = Range::cover([1, 2, 3, 3]).expect("a cover");
    assert_eq!(
        ranges.iter().map(|range| range.name()).collect::<Vec<_>>(),
        ["0", "10", "110", "111"]
    );
    for place in [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1] {
        assert_eq!(ranges.iter().filter(|range| range.holds(place)).count(), 1);
    }
    for wrong in [
        vec![],
        vec![1],
        vec![1, 1, 1],
        vec![2, 1, 2],
        vec![0, 0],
        vec![255, 1],
        vec![41],
    ] {
        assert_eq!(Range::cover(wrong.clone()), None, "{wrong:?}");
    }
}

/// Windows are read from the bytes as from the record.
#[test]
fn times_are_read_as_they_were_written() {
    let now = Time::from_seconds(20_040 * DAY + 5);
    let mut record = Record::default();
    for age in (0..60 * 24).step_by(5) {
        record.view(Time::from_seconds(now.seconds() - age * 3600 / 2));
    }
    let post = Post {
        record: record.clone(),
        entry: Entry::None,
    };
    let times = post.times().expect("bytes");
    let [_, periods @ ..] = tally::model::record::Period::EACH;
    assert_eq!(
        Times(&times).views(now),
        periods.map(|period| record.views(period, now))
    );
    assert_eq!(Times(&[]).views(now), [0; 3]);
    assert_eq!(Times(&[255; 40]).views(now), [0; 3]);
}

/// A line is never longer than the bound, whatever is in it.
#[test]
fn a_line_has_a_bound() {
    let mut record = Record::default();
    let most = (1 << 53) - 1;
    let mut times = Record::default();
    for day in 0..30 {
        times.days.add(20_000 + day, most);
    }
    for hour in 0..24 {
        times.hours.add(480_000 + hour, most);
    }
    record.add(&times);
    record.set(most);
    record.hours = times.hours;
    record.days = times.days;
    let entry = Entry::Count(most);
    let line = page::write(&id(&"x".repeat(512)), &Post { record, entry }, Vec::new());
    let bytes = line.expect("bytes").len();
    assert!(bytes <= page::MAX_LINE_BYTES, "{bytes}");
    assert!(bytes > 900, "{bytes}");
}

#[test]
fn changes_are_merged_in_order() {
    let post = |views| {
        let mut post = Post::default();
        post.record.set(views);
        post
    };
    let mut page = Vec::new();
    for (name, views) in [("b", 1), ("d", 2), ("f", 3)] {
        page = page::write(&id(name), &post(views), page).expect("bytes");
    }
    let changes = [("a", 4), ("d", 0), ("e", 5), ("f", 6), ("g", 7)];
    let changes: Changes = changes.map(|(name, views)| (id(name), post(views))).into();
    let mut merged = Vec::new();
    page::merge(&page, &changes, &mut |_, line| {
        merged.extend_from_slice(line);
        Ok(())
    })
    .expect("a page");
    let lines = page::read(&merged).map(|line| line.expect("a line"));
    let lines: Vec<_> = lines.map(|line| (line.id, line.total)).collect();
    assert_eq!(lines, [("a", 4), ("b", 1), ("e", 5), ("f", 6), ("g", 7)]);
}
