//! What is published, when, and what is due after it; what is restored or taken over before.

#![allow(clippy::expect_used)]

mod site;

use site::{START, Site, at, post};
use std::cell::Cell;
use std::collections::BTreeSet;
use tally::base::limits::HOUR_SECONDS as HOUR;
use tally::base::time::{DAY, Time};
use tally::books::publication::{Action, StaleEntry};
use tally::books::rows::Rows;
use tally::books::takeover::{Found, FoundPart, Section, Want};
use tally::books::tally::Tally;
use tally::model::page::Entry;
use tally::model::place::{Range, place};
use tally::model::reason::Reason;
use tally::model::record::{Period, Record};
use tally::published::budget::Budget;
use tally::published::head::{Adopted, HEAD, Published};
use tally::published::part::{self, Part};

/// The midnight after the first day's noon.
const MIDNIGHT: u32 = START + DAY / 2;

fn named(entries: &[StaleEntry]) -> Vec<(&str, u64)> {
    let entries = entries.iter();
    entries.map(|one| (one.post.as_str(), one.views)).collect()
}

/// Publishes what is due, which has these entries.
fn publishes(site: &mut Site, entries: &[(&str, u64)]) {
    let published = site.publish_due().expect("something is due");
    assert_eq!(named(&published), entries);
}

/// A site with counts, all published.
fn published(posts: &[(&str, u64)]) -> Site {
    let mut site = Site::new(vec![]);
    posts.iter().for_each(|(id, views)| site.set(id, *views));
    let mut expected = posts.to_vec();
    expected.sort_by_key(|(id, views)| (u64::MAX - views, *id));
    publishes(&mut site, &expected);
    site
}

fn ranked(places: &[(&str, u64)]) -> Vec<(String, u64)> {
    let places = places.iter();
    places
        .map(|(id, views)| ((*id).to_owned(), *views))
        .collect()
}

#[test]
fn after_everything_is_published_nothing_is_due() {
    let mut site = published(&[("a", 1), ("b", 2)]);
    assert_eq!(site.arm(), None);
    site.now += DAY;
    assert_eq!(site.arm(), None);
    assert!(site.publish_due().is_none());
}

/// Marks and salts are forgotten when they no longer matter, and the windows of the lists end; after
/// that nothing is due, and nothing of the visitor is stored.
#[test]
fn a_quiet_site_comes_to_rest() {
    let mut site = Site::new(vec![]);
    site.ping("a", Some("1"), Some("192.0.2.1"));
    let (mut alarms, mut last) = (0, site.now);
    while let Some(alarm) = site.arm() {
        alarms += 1;
        assert!(alarms < 20, "an alarm that brings nothing forward");
        site.now = site.now.max(alarm);
        last = site.now;
        site.publish_due();
        site.save();
    }
    assert!(last < START + 32 * DAY);
    let rows = site.store.rows.borrow();
    let marks = rows
        .keys()
        .filter(|key| key.contains(":visitors:") || key.contains(":ids:"));
    assert_eq!(marks.count(), 0);
}

#[test]
fn writes_that_were_not_tried_are_given_back() {
    let mut site = published(&[]);
    (0..10).for_each(|n| site.set(n, 1));
    site.now += 300;
    site.publish_where(|_| false);
    assert_eq!(site.writes, 2);
    site.now += 300;
    site.publish_due();
    // Of the first publication 1, of the second 1, and 11 of this one.
    let spent = site.published().head.summary.budget.spent(at(site.now));
    assert_eq!(spent, 13);
}

#[test]
fn a_change_is_due_after_the_seconds_between_publications() {
    let mut site = published(&[("a", 1)]);
    site.now += 10;
    site.ping("a", None, None);
    assert_eq!(site.arm(), Some(START + 300));
    site.now += 10;
    site.ping("a", None, None);
    assert_eq!(site.arm(), None, "once for all");
    assert!(site.publish_due().is_none(), "too early");
    assert_eq!(site.arm(), Some(START + 300), "so that it is set again");
    site.now = START + 298;
    assert!(site.publish_due().is_none());
    site.now = START + 300;
    publishes(&mut site, &[("a", 3)]);
    site.now = START + 9000;
    site.ping("a", None, None);
    assert_eq!(site.arm(), Some(site.now), "at once after a while");
}

#[test]
fn an_alarm_that_does_not_come_is_set_again() {
    let mut site = published(&[("a", 1)]);
    site.set("a", 2);
    assert_eq!(site.arm(), Some(START + 300));
    site.now = START + 360;
    assert_eq!(site.arm(), None, "it may be late");
    site.now += 1;
    assert_eq!(site.arm(), Some(site.now));
}

#[test]
fn a_head_that_fails_is_due_again() {
    let mut site = published(&[]);
    site.set("a", 1);
    site.now += 300;
    site.publish_where(|_| false).expect("a change");
    assert_eq!(site.arm(), Some(START + 600));
    assert!(site.publish_due().is_none(), "too early");
    site.now += 300;
    publishes(&mut site, &[("a", 1)]);
    assert_eq!(site.read("a"), 1);
}

/// They wait for an hour, so that they do not keep others back.
#[test]
fn entries_that_fail_are_set_aside() {
    let mut site = published(&[]);
    for (id, views) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        site.set(id, views);
    }
    site.now += 300;
    site.publish_where(|key| matches!(key, HEAD | "a"));
    site.set("e", 1);
    site.now += 300;
    publishes(&mut site, &[("e", 1)]);
    site.now += HOUR;
    let due = [("d", 4), ("c", 3), ("b", 2)];
    publishes(&mut site, &due);
    assert_eq!(site.arm(), None);
}

#[test]
fn what_changes_meanwhile_is_due_again() {
    let mut site = published(&[("a", 1)]);
    site.set("a", 2);
    site.now += 300;
    let now = at(site.now);
    let begun = site.tally.begin(&site.store, now, &site.settings);
    assert!(begun.expect("pages").is_some());
    // Before the head is put together, and while it is written.
    site.set("a", 3);
    let head = site.next_write().expect("a head");
    site.kv.insert(head.key, head.bytes);
    assert_eq!(site.published().head.summary.site.total, 3);
    assert_eq!(site.read("a"), 3);
    site.set("a", 4);
    site.tally.written(head.what, head.at);
    let ended = site
        .tally
        .end(&site.store, Default::default(), now, &site.settings);
    ended.expect("rows");
    assert_eq!(site.arm(), Some(START + 600));
    site.now += 300;
    publishes(&mut site, &[("a", 4)]);
    assert_eq!(site.read("a"), 4);
}

/// Written or not: a crash between begin and end must not lose a publication, nor its cost.
#[test]
fn a_crash_while_publishing_is_made_good() {
    let mut site = published(&[]);
    site.set("a", 1);
    site.now += 300;
    let begun = site.tally.begin(&site.store, at(site.now), &site.settings);
    assert!(begun.expect("pages").is_some());
    site.save();
    site.crash();
    assert_eq!(site.arm(), Some(START + 600));
    site.now += 300;
    publishes(&mut site, &[("a", 1)]);
    let spent = site.published().head.summary.budget.spent(at(site.now));
    assert_eq!(spent, 5);
}

/// A change that cannot be stored takes the publication with it that is on its way.
#[test]
fn the_publication_that_a_failed_write_interrupts_is_not_forgotten() {
    let mut site = published(&[("a", 1)]);
    site.set("a", 2);
    site.save();
    site.now += 300;
    let now = at(site.now);
    let begun = site.tally.begin(&site.store, now, &site.settings);
    assert!(begun.expect("pages").is_some());
    site.save();
    site.set("b", 1);
    site.store.fails_after.set(Some(0));
    assert!(site.tally.save(&site.store, now, &site.settings).is_err());
    site.store.fails_after.set(None);
    site.crash();
    // What the alarm goes on with is of books that are gone.
    assert_eq!(site.next_write(), None);
    let ended = site
        .tally
        .end(&site.store, Default::default(), now, &site.settings);
    ended.expect("rows");
    assert_eq!(site.arm(), Some(START + 600));
    site.now += 300;
    publishes(&mut site, &[("a", 2)]);
}

#[test]
fn a_post_that_is_forgotten_loses_its_entry() {
    let mut site = published(&[("a", 5), ("b", 1)]);
    site.set("a", 0);
    site.set("new", 3);
    site.set("new", 0);
    site.now += 300;
    publishes(&mut site, &[("a", 0)]);
    site.set("a", 1);
    site.set("a", 0);
    site.now += 300;
    publishes(&mut site, &[]);
    let summary = site.published().head.summary;
    assert_eq!((summary.posts, summary.site.total), (1, 1));
    assert_eq!(site.top("", Period::All), ranked(&[("b", 1)]));
}

#[test]
fn what_is_forgotten_does_not_wait_for_what_has_grown() {
    let mut site = published(&[("small", 1), ("big", 5)]);
    site.settings.publish = DAY;
    site.settings.writes = 3;
    site.set("small", 0);
    site.set("big", 9000);
    site.set("new", 9000);
    site.now += DAY;
    let entries = site.publish_due().expect("changes");
    assert_eq!(named(&entries).first(), Some(&("small", 0)));
}

#[test]
fn the_furthest_behind_come_first_as_far_as_the_budget_goes() {
    let mut site = Site::new(vec![]);
    site.settings.publish = DAY;
    site.settings.writes = 4;
    for (id, views) in [("a", 1), ("b", 9), ("c", 5), ("d", 5)] {
        site.set(id, views);
    }
    publishes(&mut site, &[("b", 9), ("c", 5)]);
    assert_eq!(site.arm(), Some(MIDNIGHT), "one write is set aside");
    site.now = MIDNIGHT;
    assert!(site.publish_due().is_none(), "a day after the last one");
    site.now = START + DAY;
    publishes(&mut site, &[("d", 5), ("a", 1)]);
}

#[test]
fn a_publication_has_a_hundred_entries_at_most() {
    let mut site = Site::new(vec![]);
    site.settings.writes = 100_000;
    (0..150).for_each(|n| site.set(n, 1));
    assert_eq!(site.publish_due().expect("changes").len(), 100);
    site.now += 300;
    assert_eq!(site.publish_due().expect("the others").len(), 50);
    assert_eq!(site.arm(), None);
}

/// More than are ranked at a time.
#[test]
fn thousands_of_entries_are_all_written_in_the_end() {
    let mut site = Site::new(vec![]);
    site.settings.writes = 100_000;
    let all: BTreeSet<String> = (0..3000).map(|n| n.to_string()).collect();
    all.iter().for_each(|id| site.set(id, 1));
    let mut written = BTreeSet::new();
    while let Some(alarm) = site.arm() {
        site.now = site.now.max(alarm);
        for entry in site.publish_due().unwrap_or_default() {
            assert!(written.insert(entry.post.as_str().to_owned()), "once each");
        }
        site.save();
        assert!(site.now < START + 3 * DAY);
    }
    assert_eq!(written, all);
}

#[test]
fn keys_that_workers_kv_does_not_take_have_no_entries() {
    let mut site = Site::new(vec![]);
    for id in [".", "..", "...", "a"] {
        site.set(id, 1);
    }
    publishes(&mut site, &[("...", 1), ("a", 1)]);
    assert_eq!(site.arm(), None);
}

#[test]
fn without_a_budget_nothing_is_written() {
    let mut site = published(&[("a", 1)]);
    site.settings.writes = 2;
    site.set("a", 2);
    site.now += 300;
    assert!(site.publish_due().is_none());
    assert_eq!(site.arm(), Some(MIDNIGHT));
    site.now = MIDNIGHT;
    assert!(site.publish_due().is_some());
}

#[test]
fn what_was_skipped_is_published() {
    let mut site = published(&[]);
    site.tally.skip(Reason::Bot, 3);
    site.tally.skip(Reason::Flood, 1);
    site.tally.skip(Reason::Bot, 2);
    site.now += 300;
    publishes(&mut site, &[]);
    assert_eq!(site.published().head.summary.skipped, [0, 5, 0, 0, 1, 0]);
}

/// Who goes on from what another has published, goes on with what that did not count, and since when.
#[test]
fn since_when_it_is_counted_is_published_and_restored() {
    let before = published(&[("142", 3)]);
    assert_eq!(before.published().head.begun, at(START));
    // Nobody knows it where an older version has begun.
    for begun in [at(START - 40 * DAY), Time::default()] {
        let mut found = before.published();
        found.head.begun = begun;
        let mut site = Site::another();
        site.now = before.now;
        let now = at(site.now);
        site.tally
            .found_head(&site.store, &found, now)
            .expect("rows");
        site.save();
        site.crash();
        site.settle(600);
        assert_eq!(site.published().head.begun, begun);
    }
}

/// Also where nobody comes any more.
#[test]
fn lists_follow_the_hours_and_the_days() {
    let mut site = Site::new(vec![]);
    site.ping("old", None, None);
    site.ping("old", None, None);
    site.now += 20 * HOUR;
    site.ping("new", None, None);
    site.settle(600);
    let both = ranked(&[("old", 2), ("new", 1)]);
    assert_eq!(site.top("", Period::Day), both);
    site.now = START + 25 * HOUR;
    site.settle(600);
    assert_eq!(site.top("", Period::Day), ranked(&[("new", 1)]));
    assert_eq!(site.top("", Period::Week), both);
    site.now = START + 9 * DAY;
    site.settle(600);
    assert_eq!(site.top("", Period::Week), []);
    assert_eq!(site.top("", Period::Month), both);
    site.now = START + 40 * DAY;
    site.settle(600);
    assert_eq!(site.top("", Period::Month), []);
    assert_eq!(site.top("", Period::All), both);
}

/// More posts than a ranking keeps were before it, and all fade at once.
#[test]
fn a_list_that_fades_is_filled_from_all_posts() {
    let mut site = Site::new(vec![]);
    for n in 0..400 {
        site.ping(format!("{n:0>3}"), None, None);
        site.ping(format!("{n:0>3}"), None, None);
    }
    site.now += 2 * HOUR;
    for n in 400..700 {
        site.ping(n, None, None);
    }
    site.settle(600);
    assert!(
        site.top("", Period::Day)
            .iter()
            .all(|(_, views)| *views == 2)
    );
    site.crash();
    site.now = START + 25 * HOUR;
    site.settle(600);
    let expected = (400..500).map(|n| (n.to_string(), 1));
    assert_eq!(site.top("", Period::Day), expected.collect::<Vec<_>>());
}

#[test]
fn prefixes_have_lists_of_their_own() {
    let mut site = Site::new(vec![]);
    for (id, views) in [
        ("/", 9),
        ("/posts/a", 2),
        ("/posts/b", 3),
        ("/de/posts/a", 5),
    ] {
        site.set(id, views);
    }
    site.settle(600);
    site.settings.lists = ["/posts/", "/none"].map(str::to_owned).to_vec();
    // As after a deployment with other settings.
    site.save();
    site.crash();
    site.set("/posts/a", 4);
    site.settle(600);
    let posts = ranked(&[("/posts/a", 4), ("/posts/b", 3)]);
    assert_eq!(site.top("/posts/", Period::All), posts);
    assert_eq!(site.top("/none", Period::All), []);
    assert_eq!(site.top("", Period::All).len(), 4);
    assert_eq!(site.published().top("/de/", Period::All), None);
}

/// Ids as long as they may be, so that few of them make a large site.
fn long(n: u32) -> String {
    format!("{n:x>512}")
}

/// A site that is published in parts.
fn large(posts: u32) -> Site {
    let mut site = Site::new(vec![]);
    site.settings.writes = 100_000;
    let records = (0..posts).map(|n| {
        let mut record = Record::default();
        record.view(at(START));
        record.set(u64::from(n) + 1);
        (post(long(n)), record)
    });
    let records: Vec<_> = records.collect();
    for some in records.chunks(500) {
        site.import(some.to_vec());
        site.save();
    }
    site.settle(600);
    site
}

#[test]
fn a_large_site_is_published_in_parts() {
    let mut site = large(5000);
    let parts = site.published().ledgers()[0].ranges.len();
    assert!((3..=8).contains(&parts), "{parts} parts");
    for n in (0..5000).step_by(97) {
        assert_eq!(site.read(long(n)), u64::from(n) + 1);
    }
    assert_eq!(site.read("unknown"), 0);
    // All entries are written; one view changes one part, the head and one entry.
    site.settle(2 * HOUR);
    let before = site.writes;
    site.now += 300;
    site.ping(long(7), None, None);
    site.settle(600);
    assert_eq!(site.read(long(7)), 9);
    assert_eq!(site.writes - before, 3);
    let summary = site.published().head.summary;
    assert_eq!(summary.oldest, summary.published);
}

/// A part that is split keeps its place until both halves are written.
#[test]
fn growth_never_hides_a_post() {
    let mut site = Site::new(vec![]);
    site.settings.writes = 100_000;
    for n in 0..4000 {
        site.set(long(n), u64::from(n) + 1);
        if n % 100 == 99 {
            site.save();
            site.now += 300;
            // Every other publication ends after its first write.
            let first = Cell::new(true);
            site.publish_where(|_| n % 200 == 99 || first.replace(false));
            site.save();
            for old in (0..n.saturating_sub(300)).step_by(50).filter(|_| n > 400) {
                assert!(site.read(long(old)) > 0, "{old} of {n}");
            }
        }
    }
    site.settle(600);
    assert!(site.published().ledgers()[0].ranges.len() > 1);
    assert_eq!(site.read(long(3999)), 4000);
    // Keys that no head lists any more are removed after an hour.
    site.now += 2 * HOUR;
    site.settle(600);
    let keys = site.kv.len();
    assert_eq!(keys, 1 + site.published().ledgers()[0].ranges.len());
}

/// With few writes a day, the part that has waited the longest comes first, and `oldest` tells of it.
#[test]
fn a_small_budget_publishes_the_parts_furthest_behind() {
    let mut site = large(5000);
    let parts = site.published().ledgers()[0].ranges.len() as u32;
    site.now += DAY;
    site.settings.publish = HOUR;
    site.settings.writes = 17;
    let changed = site.now;
    for n in 0..5000 {
        site.ping(long(n), None, None);
    }
    site.save();
    site.now += 60;
    let mut hours = 0;
    loop {
        let alarm = site.arm().expect("parts are behind");
        site.now = site.now.max(alarm);
        let is_published = site.publish_due().is_some();
        site.save();
        if !is_published {
            continue;
        }
        let summary = site.published().head.summary;
        if summary.oldest == summary.published {
            break;
        }
        assert_eq!(summary.oldest, at(changed));
        hours += 1;
        assert!(hours < 3 * parts, "{hours} publications for {parts} parts");
    }
    assert!(hours > 1);
    for n in (0..5000).step_by(97) {
        assert_eq!(site.read(long(n)), u64::from(n) + 2);
    }
}

/// Gives a ledger what it wants to read, until it wants nothing.
fn restore(site: &mut Site, kv: &Site) {
    for _ in 0..1000 {
        let now = at(site.now);
        match site.tally.want(&site.store, None).expect("pages") {
            None => return,
            Some(Want::Head) => {
                let head = Published::read(kv.kv[HEAD].clone()).expect("a head");
                site.tally
                    .found_head(&site.store, &head, now)
                    .expect("room");
            }
            Some(Want::Part(key)) => {
                let part = Part::read(kv.kv[&key].clone(), 0).expect("a part");
                let part = FoundPart::Part(part);
                let found = site.tally.found_part(&site.store, &key, &part, now);
                found.expect("room");
            }
            Some(want) => unreachable!("{want:?}"),
        }
        site.save();
        site.crash();
    }
    unreachable!("it never ends");
}

#[test]
fn a_ledger_without_storage_is_restored_from_what_was_published() {
    for posts in [50, 5000] {
        let mut before = large(posts);
        before.tally.skip(Reason::Bot, 7);
        before.settle(2 * HOUR);
        let mut site = Site::unadopted();
        site.now = before.now;
        site.settings = before.settings.clone();
        site.entries = before.entries.clone();
        assert!(
            site.publish_due().is_none(),
            "nothing is put in its place before"
        );
        restore(&mut site, &before);
        assert_eq!(site.export(), before.export());
        site.tally.publish_again(at(site.now));
        site.settle(600);
        for period in Period::EACH {
            assert_eq!(site.top("", period), before.top("", period));
        }
        let (mut now, then) = (
            site.published().head.summary,
            before.published().head.summary,
        );
        let spent = |budget: Budget| budget.spent(at(site.now));
        assert!(spent(now.budget) > spent(then.budget), "the day goes on");
        now.budget = then.budget;
        now.published = then.published;
        now.oldest = then.oldest;
        assert_eq!(now, then);
        // The entries are those that were written.
        assert_eq!(site.tally.deployment().1, [before.tally.deployment().0]);
        assert!(site.writes <= 10, "{} writes", site.writes);
    }
}

/// What another program has written is never overwritten; what Tally may have written itself is.
#[test]
fn an_entry_is_only_written_where_it_may_be() {
    let stale = |entry, views| StaleEntry {
        post: post("a"),
        views,
        entry,
    };
    use Action::{Keep, Remove, Write};
    for (entry, found, of_five, of_none) in [
        (Entry::None, Found::Nothing, Write(5), Keep(Entry::None)),
        (
            Entry::None,
            Found::Count(3),
            Keep(Entry::Foreign),
            Keep(Entry::Foreign),
        ),
        (
            Entry::None,
            Found::Other,
            Keep(Entry::Foreign),
            Keep(Entry::Foreign),
        ),
        (Entry::Unasked, Found::Nothing, Write(5), Keep(Entry::None)),
        (Entry::Unasked, Found::Count(3), Write(5), Remove),
        (
            Entry::Unasked,
            Found::Count(5),
            Keep(Entry::Count(5)),
            Remove,
        ),
        (
            Entry::Unasked,
            Found::Other,
            Keep(Entry::Foreign),
            Keep(Entry::Foreign),
        ),
    ] {
        assert!(stale(entry, 5).is_unknown());
        assert_eq!(
            stale(entry, 5).action(found),
            of_five,
            "{entry:?} {found:?}"
        );
        assert_eq!(
            stale(entry, 0).action(found),
            of_none,
            "{entry:?} {found:?}"
        );
    }
    assert!(!stale(Entry::Count(3), 5).is_unknown());
    assert_eq!(stale(Entry::Count(3), 5).known_action(), Write(5));
    assert_eq!(stale(Entry::Count(3), 0).known_action(), Remove);
}

/// What stands under the keys of parts may be anything; the ledger takes what it can read, tells how
/// much it could not, and removes only what it has read.
#[test]
fn parts_that_cannot_be_read_are_left_and_counted() {
    let before = large(5000);
    let head = Published::read(before.kv[HEAD].clone()).expect("a head");
    let key = |range: &Range| part::key(&head.head.deployment, *range);
    let ranges = &head.ledgers()[0].ranges;
    assert!(ranges.len() >= 4);
    let mut site = Site::another();
    site.now = before.now;
    let found = site.tally.found_head(&site.store, &head, at(site.now));
    found.expect("rows");
    let part = |range: &Range| Part::read(before.kv[&key(range)].clone(), 0);
    let mut damaged = before.kv[&key(&ranges[2])].clone();
    let end = damaged.len() - 10;
    damaged[end..].fill(0xff);
    let damaged = FoundPart::Part(Part::read(damaged, 0).expect("a part"));
    let another = FoundPart::Part(part(&ranges[3]).expect("a part"));
    for hour in [0, HOUR] {
        site.now = before.now + hour;
        for (range, found) in [
            (ranges[0], &FoundPart::Nothing),
            (ranges[1], &FoundPart::Unreadable),
            (ranges[3], &another),
            (ranges[2], &damaged),
        ] {
            let asked = site
                .tally
                .found_part(&site.store, &key(&range), found, at(site.now));
            let waits = hour == 0 && matches!(found, FoundPart::Nothing | FoundPart::Unreadable);
            assert_eq!(asked.is_err(), waits, "{found:?}");
        }
    }
    restore(&mut site, &before);
    let missing = |n: &u32| {
        let place = place(&head.head.secret, &long(*n));
        ranges[..2].iter().any(|range| range.holds(place))
    };
    let lost: Vec<u32> = (0..5000).filter(missing).collect();
    let unread = (0..5000).filter(|n| !missing(n) && site.views(long(*n)) == 0);
    assert_eq!(unread.count(), 1, "the last post of the damaged part");
    assert!(lost.iter().all(|n| site.views(long(*n)) == 0));
    site.tally.publish_again(at(site.now));
    site.kv.clone_from(&before.kv);
    site.settle(2 * HOUR);
    let adopted = site.published().head.summary.adopted.expect("an end");
    assert_eq!(adopted.left, 3);
    for (range, stays) in ranges.iter().zip([true, true, true, false]) {
        assert_eq!(site.kv.contains_key(&key(range)), stays, "{}", range.name());
    }
}

#[test]
fn a_view_that_comes_while_parts_are_restored_is_added() {
    let before = large(5000);
    let mut site = Site::unadopted();
    site.now = before.now;
    let head = Published::read(before.kv[HEAD].clone()).expect("a head");
    let found = site.tally.found_head(&site.store, &head, at(site.now));
    found.expect("rows");
    // Workers KV failed when its part was asked for.
    site.ping(long(7), None, None);
    site.set(long(8), 5);
    site.set(long(9), 0);
    restore(&mut site, &before);
    assert_eq!(site.views(long(7)), 9);
    assert_eq!(site.views(long(8)), 5, "what the owner set is not added to");
    assert_eq!(site.views(long(9)), 0, "what the owner deleted stays so");
}

#[test]
fn counts_that_are_taken_over_go_on() {
    let entries = [
        ("a", Found::Count(41)),
        ("b", Found::Other),
        ("c", Found::Count(0)),
    ];
    let entries = entries.map(|(id, found)| (post(id), found));
    let mut site = Site::new(entries.to_vec());
    site.crash();
    assert!(site.tally.is_taken_over());
    for (id, views) in [("a", 42), ("b", 1), ("c", 1)] {
        site.ping(id, None, None);
        assert_eq!(site.views(id), views);
    }
    site.publish_due();
    let summary = site.published().head.summary;
    assert_eq!((summary.site.total, summary.posts), (44, 3));
    assert_eq!(summary.adopted, Some(Adopted { posts: 2, left: 1 }));
}

/// Readers who find nothing published are told that nothing was counted only where that is so.
#[test]
fn nothing_published_means_nothing_counted_at_first() {
    let again = |site: &mut Site| site.tally.publish_again(at(site.now));
    let mut site = Site::unadopted();
    assert!(!again(&mut site), "nobody knows what is in Workers KV");
    site.tally.found_no_head();
    assert!(!again(&mut site));
    site.adopt(vec![(post("words"), Found::Other)], 3);
    assert!(again(&mut site), "no counts are");
    site.ping("a", None, None);
    site.publish_due();
    site.now += 119;
    assert!(again(&mut site), "Workers KV may not show it yet");
    site.now += 1;
    assert!(!again(&mut site), "what was published is lost");
    let mut site = Site::new(vec![(post("a"), Found::Count(7))]);
    assert!(!again(&mut site), "a count was taken over");
}

/// An entry that Tally did not write is asked for before it would be overwritten.
#[test]
fn an_entry_that_is_not_known_is_told_to_be() {
    let mut site = Site::new(vec![(post("a"), Found::Count(7))]);
    site.ping("a", None, None);
    site.ping("b", None, None);
    let entries = site.publish_due().expect("views");
    let known: Vec<_> = entries
        .iter()
        .map(|one| (one.post.as_str(), one.entry))
        .collect();
    assert_eq!(known, [("a", Entry::Count(7)), ("b", Entry::None)]);
}

/// Before it is taken over, nobody knows whose the entries are.
#[test]
fn a_new_ledger_publishes_no_entries() {
    let mut site = Site::unadopted();
    site.tally.found_no_head();
    site.ping("a", None, None);
    site.save();
    assert_eq!(site.publish_due(), Some(vec![]));
    site.crash();
    assert!(!site.tally.is_taken_over());
    site.adopt(vec![(post("a"), Found::Count(9))], 2);
    assert!(site.tally.is_taken_over());
    assert_eq!(site.views("a"), 10, "what was counted meanwhile is added");
    site.now += 300;
    publishes(&mut site, &[("a", 10)]);
}

/// A long list comes in parts, between which anything may happen.
#[test]
fn a_takeover_goes_on_where_it_was() {
    let mut site = Site::unadopted();
    assert_eq!(want(&mut site), Some(Want::Head));
    site.tally.found_no_head();
    let cursor = Some("b".to_owned());
    let found = |site: &mut Site, from: &Option<String>, id, next| {
        let section = Section {
            entries: vec![(post(id), Found::Count(5))],
            left: 1,
            next,
        };
        let found = site
            .tally
            .found_section(&site.store, from, section, at(START));
        found.expect("room");
    };
    found(&mut site, &None, "a", cursor.clone());
    // Another attempt had the same part.
    found(&mut site, &None, "a", cursor.clone());
    site.ping("a", None, None);
    site.ping("b", None, None);
    // The owner has the last word on what was not taken over yet.
    site.set("set", 3);
    site.set("deleted", 0);
    site.save();
    site.crash();
    assert_eq!(want(&mut site), Some(Want::List(cursor.clone())));
    // A ping had it asked for before the list came to it.
    for id in ["b", "set", "deleted"] {
        let found = site
            .tally
            .found_entry(&site.store, &post(id), Found::Count(5), at(START));
        found.expect("room");
    }
    found(&mut site, &cursor, "b", None);
    assert_eq!(want(&mut site), None);
    site.save();
    site.crash();
    assert!(site.tally.is_taken_over());
    let views = ["a", "b", "set", "deleted"].map(|id| site.views(id));
    assert_eq!(views, [6, 6, 3, 0]);
    site.publish_due();
    let summary = site.published().head.summary;
    assert_eq!((summary.site.total, summary.posts), (15, 3));
    assert_eq!(summary.adopted, Some(Adopted { posts: 2, left: 2 }));
}

fn want(site: &mut Site) -> Option<Want> {
    site.tally.want(&site.store, None).expect("rows")
}

/// Another deployment publishes here: nothing is written, and it is asked for again in an hour.
#[test]
fn a_ledger_that_is_refused_counts_and_waits() {
    let mut site = published(&[("a", 1)]);
    site.set("a", 2);
    site.now += 300;
    let begun = site.tally.begin(&site.store, at(site.now), &site.settings);
    assert!(begun.expect("pages").is_some());
    site.tally.refuse(at(site.now));
    site.ping("a", None, None);
    assert_eq!(site.arm(), Some(site.now + HOUR));
    assert!(site.publish_due().is_none());
    site.save();
    site.crash();
    site.now += HOUR;
    publishes(&mut site, &[("a", 3)]);
}

#[test]
fn rows_that_make_no_sense_are_an_error() {
    for bytes in [&[][..], &[0], &[255; 40]] {
        let mut site = Site::new(vec![]);
        site.save();
        site.store.put("0:state", bytes).expect("a row");
        let loaded = Tally::load(&site.store, 0, &site.settings, at(START), || unreachable!());
        assert!(loaded.is_err(), "{bytes:?}");
    }
}
