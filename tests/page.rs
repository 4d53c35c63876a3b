//! What is stored and published stays readable: these bytes are in ledgers and namespaces already.

#![allow(clippy::expect_used)]

use tally::base::id::PostId;
use tally::base::time::{DAY, Day, Time};
use tally::model::page::{self, Changes, Entry, Post};
use tally::model::place::{Range, place};
use tally::model::record::{Record, Times};
use tally::model::standing::Standing;

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

/// From the weakest to the strongest.
fn standings() -> [Standing; 5] {
    let (since, checked) = (Day::from(20_000), Day::from(20_001));
    let at = Some("/hello/".to_owned());
    let (title, path) = ("Hello".to_owned(), "/2026/hello/".to_owned());
    [
        Standing::Open,
        Standing::Waiting { since, at },
        Standing::Waiting { since, at: None },
        Standing::Owner,
        Standing::Verified {
            checked,
            title,
            path,
        },
    ]
}

/// It stands behind the times, with and without views, and readers that do not ask for it do not see it.
#[test]
fn a_standing_is_written_behind_the_times() {
    let mut viewed = Record::default();
    viewed.view(Time::from_seconds(20_000 * DAY));
    for (record, bytes) in [(viewed, 12), (Record::default(), 6)] {
        for standing in standings() {
            let post = Post {
                record: record.clone(),
                standing,
                ..Post::default()
            };
            let page = page::write(&id("142"), &post, Vec::new()).expect("bytes");
            let line = page::find(&page, "142").expect("a page").expect("a line");
            assert_eq!(line.post(), Ok(post.clone()));
            let views = line.times().views(Time::from_seconds(20_000 * DAY));
            assert_eq!(views, [record.total; 3]);
            assert_eq!(post.is_empty(), record.total == 0 && line.times.is_empty());
            if post.standing == Standing::Owner {
                assert_eq!(line.times[bytes..], [1], "the number of the standing");
            }
        }
    }
}

#[test]
fn a_title_is_written_as_before() {
    let [_, waiting, _, _, verified] = standings();
    let behind = |standing| {
        let post = Post {
            standing,
            ..Post::default()
        };
        post.times().expect("bytes")[6..].to_vec()
    };
    let bytes = [&[2, 0xa0, 0x9c, 1, 1, 7], "/hello/".as_bytes()];
    assert_eq!(behind(waiting), bytes.concat());
    let bytes = [&[3, 0xa1, 0x9c, 1, 5][..], b"Hello", &[12], b"/2026/hello/"];
    assert_eq!(behind(verified), bytes.concat());
}

/// What the owner or the site says is never lost to what nobody says.
#[test]
fn the_stronger_standing_stays() {
    let all = standings();
    for (n, weak) in all.iter().enumerate() {
        for strong in &all[n..] {
            let together = weak.clone().or(strong.clone());
            // Of two that wait the first.
            let is_equal = matches!(
                (weak, strong),
                (Standing::Waiting { .. }, Standing::Waiting { .. })
            );
            assert_eq!(&together, if is_equal { weak } else { strong });
            assert_eq!(strong.clone().or(weak.clone()), *strong);
        }
    }
    let [open, waiting, _, owner, verified] = all;
    for standing in [open, waiting, owner] {
        assert_eq!(standing.owned(), Standing::Owner);
    }
    assert_eq!(verified.clone().owned(), verified);
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
        ..Post::default()
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
    let standing = Standing::Verified {
        checked: Day::from(u32::MAX),
        title: "x".repeat(200),
        path: "x".repeat(512),
    };
    let post = Post {
        record,
        entry,
        standing,
    };
    let line = page::write(&id(&"x".repeat(512)), &post, Vec::new());
    let bytes = line.expect("bytes").len();
    assert!(bytes <= page::MAX_LINE_BYTES, "{bytes}");
    assert!(bytes > 1600, "{bytes}");
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
