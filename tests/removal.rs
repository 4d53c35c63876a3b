//! Removing many posts: those that the owner names, and where strangers have filled their room, those that
//! nobody would miss.

#![allow(clippy::expect_used)]

mod site;

use site::{Site, at, post};
use std::collections::BTreeSet;
use tally::base::error::Error;
use tally::base::limits::HOUR_SECONDS as HOUR;
use tally::base::time::DAY;
use tally::books::removal::Removed;
use tally::model::filter::Filter;
use tally::model::record::{Period, Record};
use tally::verify::verdict::{Verdict, Why};

fn filter(prefix: &str, views: Option<u64>) -> Filter {
    let prefix = prefix.to_owned();
    Filter { prefix, views }
}

/// Removes or counts all that a filter takes, with crashes between the calls; what that was, and how many
/// calls it took.
fn remove(site: &mut Site, filter: &Filter, dry: bool) -> ((u32, u64), u32) {
    let (mut posts, mut views, mut calls) = (0, 0, 0);
    let mut next = Some(0);
    while let Some(from) = next {
        let now = at(site.now);
        let removed = site.tally.remove(&site.store, from, filter, dry, now);
        let removed: Removed = removed.expect("pages");
        assert!(dry || removed.posts <= 200, "{removed:?}");
        posts += removed.posts;
        views += removed.views;
        next = removed.next;
        calls += 1;
        let before = site.store.writes.get();
        site.save();
        let rows = site.store.writes.get() - before;
        assert!(rows <= 80, "{rows} rows");
        if calls % 10 == 1 {
            site.crash();
        }
    }
    ((posts, views), calls)
}

/// Posts of all kinds: of anybody with one view and with two, and of the owner.
fn mixed() -> Site {
    let mut site = Site::new(vec![]);
    site.settings.publish = 1;
    site.settings.writes = 100_000;
    for id in ["/wp-login", "/wp-admin", "/hello", "/wp-twice", "/wp-twice"] {
        site.ping(id, None, None);
    }
    site.set("/wp-mine", 1);
    site.set("/both", 1);
    site.ping("/both", None, None);
    site.import(vec![(post("/wp-imported"), {
        let mut record = Record::default();
        record.view(at(site.now));
        record
    })]);
    site
}

#[test]
fn the_owner_removes_what_a_filter_takes() {
    let all = [
        "/both",
        "/hello",
        "/wp-admin",
        "/wp-imported",
        "/wp-login",
        "/wp-mine",
        "/wp-twice",
    ];
    for (prefix, views, gone) in [
        ("/wp-", Some(1), &["/wp-login", "/wp-admin"][..]),
        ("/wp-", Some(2), &["/wp-login", "/wp-admin", "/wp-twice"]),
        ("", Some(1), &["/wp-login", "/wp-admin", "/hello"]),
        (
            "/wp-",
            None,
            &[
                "/wp-login",
                "/wp-admin",
                "/wp-twice",
                "/wp-mine",
                "/wp-imported",
            ],
        ),
        ("/wp-l", None, &["/wp-login"]),
        ("wp", None, &[]),
        ("/wp-login/", None, &[]),
    ] {
        let mut site = mixed();
        site.settle(60);
        assert_eq!(site.published().head.summary.posts, 7);
        assert_eq!(site.entries.len(), 7, "Workers KV has all");
        let filter = filter(prefix, views);
        let views = |id: &&&str| if **id == "/wp-twice" { 2 } else { 1 };
        let expected = (gone.len() as u32, gone.iter().map(|id| views(&id)).sum());
        assert_eq!(remove(&mut site, &filter, true).0, expected, "{filter:?}");
        assert_eq!(site.export().len(), 7, "a dry run removes nothing");
        assert_eq!(remove(&mut site, &filter, false).0, expected);
        assert_eq!(
            remove(&mut site, &filter, false).0,
            (0, 0),
            "nothing is left"
        );
        let left: BTreeSet<&str> = all.into_iter().filter(|id| !gone.contains(id)).collect();
        let ids = site.export().into_keys().map(|id| id.as_str().to_owned());
        assert_eq!(
            ids.collect::<Vec<_>>(),
            left.iter().copied().collect::<Vec<_>>()
        );
        site.settle(60);
        let published = site.published();
        assert_eq!(published.head.summary.posts as usize, left.len());
        let sum: u64 = site.export().values().map(|record| record.total).sum();
        assert_eq!(published.head.summary.site.total, sum);
        let top: BTreeSet<String> = site
            .top("", Period::All)
            .into_iter()
            .map(|one| one.0)
            .collect();
        assert!(top.iter().map(String::as_str).eq(left.iter().copied()));
        let entries = site.entries.keys().map(|id| id.as_str());
        assert!(entries.eq(left.iter().copied()));
    }
}

/// Posts that wait for the site take none of the others' room.
#[test]
fn posts_that_wait_are_removed_where_there_are_no_others() {
    let mut site = Site::new(vec![]);
    let settings = site.settings.clone();
    for n in 0..3 {
        let down = Verdict::Unreachable(Why::Timeout);
        let (store, now) = (&site.store, at(site.now));
        let told = site
            .tally
            .judged(store, &post(format!("/{n}")), "", down, &settings, now);
        assert_eq!(told, Ok(true));
        site.ping(format!("/{n}"), None, None);
    }
    let all = filter("/", None);
    assert_eq!(remove(&mut site, &all, true).0, (3, 3));
    assert_eq!(remove(&mut site, &all, false).0, (3, 3));
    assert_eq!(remove(&mut site, &all, true).0, (0, 0));
}

/// Many posts, of which nearly all go: call by call, each of which does little.
#[test]
fn many_posts_are_removed_in_small_steps() {
    let mut site = Site::new(vec![]);
    let id = |n: u32| post(format!("/spam/{n:x>40}"));
    let mut viewed = Record::default();
    viewed.view(at(site.now));
    for part in 0..4 {
        let records = (part * 3000..(part + 1) * 3000).map(|n| (id(n), viewed.clone()));
        site.import(records.collect());
        site.save();
    }
    site.set("hello", 7);
    site.save();
    let everything = filter("/spam/", None);
    let (found, calls) = remove(&mut site, &everything, true);
    assert_eq!(found, (12_000, 12_000));
    assert!(calls < 10, "{calls}");
    let (found, calls) = remove(&mut site, &everything, false);
    assert_eq!(found, (12_000, 12_000));
    assert!((60..80).contains(&calls), "{calls}");
    assert_eq!(site.export().len(), 1);
    assert_eq!(site.views("hello"), 7);
}

/// A ping of somebody, as a flood sends it.
fn flood(site: &mut Site, n: u32) -> bool {
    match site.try_ping(format!("{n:x>512}"), None, None) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error, Error::TooManyPosts);
            false
        }
    }
}

/// Goes on by the alarm for so long. Each alarm does little.
fn alarms(site: &mut Site, seconds: u32) -> u32 {
    let end = site.now + seconds;
    site.tally.alarm_came();
    let mut alarms = 0;
    while let Some(alarm) = site.arm().filter(|alarm| *alarm <= end) {
        site.now = site.now.max(alarm);
        let before = (site.export_count(), site.store.writes.get());
        site.publish_due();
        site.save();
        assert!(before.0 - site.export_count() <= 200);
        let rows = site.store.writes.get() - before.1;
        assert!(rows <= 160, "{rows} rows");
        alarms += 1;
    }
    site.now = end;
    alarms
}

#[test]
fn what_nobody_would_miss_makes_room() {
    let mut site = Site::new(vec![]);
    site.settings.publish = DAY;
    site.set("the owner's", 1);
    site.ping("twice", None, None);
    site.ping("twice", None, None);
    site.ping("once", None, None);
    let mut n = 0;
    while flood(&mut site, n) {
        n += 1;
        if n % 500 == 0 {
            site.save();
        }
    }
    site.save();
    let (all, day) = (site.export_count(), DAY + 2 * HOUR);
    // Younger than a day: nothing goes.
    alarms(&mut site, HOUR);
    assert_eq!(site.export_count(), all);
    assert!(!flood(&mut site, n));
    // In the midst of it the ledger starts again.
    alarms(&mut site, day);
    site.crash();
    alarms(&mut site, 10);
    let left = site.export_count();
    assert!(left < all - 400, "{left} of {all} are left");
    assert!(
        left > all - 1400,
        "no more go than have to: {left} of {all}"
    );
    assert!(flood(&mut site, n), "there is room for a new post");
    for (id, views) in [("the owner's", 1), ("twice", 2)] {
        assert_eq!(site.views(id), views, "{id}");
    }
    // The flood goes on for days, and the blog, too.
    for day in 0..3 {
        for m in 0..500 {
            flood(&mut site, 100_000 + day * 1000 + m);
        }
        assert!(flood(&mut site, 200_000 + day), "day {day}");
        site.save();
        alarms(&mut site, DAY + 2 * HOUR);
    }
    let sum: u64 = site.export().values().map(|record| record.total).sum();
    site.publish_due();
    let summary = site.published().head.summary;
    assert_eq!(
        (summary.site.total, summary.posts as usize),
        (sum, site.export_count())
    );
    assert_eq!(site.views("the owner's"), 1);
}

/// Where nothing can go the ledger rests.
#[test]
fn room_that_cannot_be_made_is_not_looked_for_all_day() {
    let mut site = Site::new(vec![]);
    site.settings.publish = DAY;
    let records = (0..30_700).map(|n| {
        let mut record = Record::default();
        record.set(1);
        (post(format!("{n:x>512}")), record)
    });
    site.import(records.collect());
    site.save();
    alarms(&mut site, 2 * DAY);
    let before = site.export_count();
    assert_eq!(before, 30_700);
    let alarms = alarms(&mut site, DAY);
    assert!(alarms < 24 * 100, "{alarms} alarms in a day");
}
