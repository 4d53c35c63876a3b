//! What is published, when, and what is due after it; and what is taken over before.

#![allow(clippy::expect_used)]

mod site;

use site::{START, Site, at, post};
use tally::base::id::PostId;
use tally::base::time::DAY;
use tally::books::tally::{Part, Publication, Rows, Tally};
use tally::model::reason::Reason;
use tally::published::snapshot::Adopted;

/// The midnight after the first day's noon.
const MIDNIGHT: u32 = START + DAY / 2;

fn due(entries: &[(&str, u64)]) -> Vec<(PostId, u64)> {
    entries
        .iter()
        .map(|(id, views)| (post(id), *views))
        .collect()
}

/// A site with counts, all published.
fn published(posts: &[(&str, u64)]) -> Site {
    let mut site = Site::new(vec![]);
    posts.iter().for_each(|(id, views)| site.set(id, *views));
    let mut expected = due(posts);
    expected.sort_by_key(|(id, views)| (u64::MAX - views, id.clone()));
    assert_eq!(site.publish(), expected);
    site
}

#[test]
fn after_everything_is_published_nothing_is_due() {
    let mut site = published(&[("a", 1), ("b", 2)]);
    assert_eq!(site.arm(), None);
    site.now += DAY;
    assert_eq!(site.arm(), None);
    assert!(site.begin().is_none());
}

#[test]
fn the_salt_is_due_when_its_visitors_may_come_again() {
    let mut site = Site::new(vec![]);
    site.ping("a", None, Some("1"));
    site.publish();
    let due = MIDNIGHT + site.settings.dedupe;
    assert_eq!(site.arm(), Some(due));
    assert_eq!(site.arm(), None, "it is set");
    site.save();
    site.crash();
    assert_eq!(site.arm(), None, "it is set still");
    site.now = due;
    assert!(site.begin().is_none(), "nothing has changed");
    assert_eq!(site.arm(), None, "there is no salt");
}

/// A publication soon after midnight must not put it off by a day.
#[test]
fn the_salt_of_yesterday_is_due_today() {
    let mut site = Site::new(vec![]);
    site.now = MIDNIGHT - 60;
    site.ping("a", None, Some("1"));
    site.now = MIDNIGHT + 60;
    site.publish();
    assert_eq!(site.arm(), Some(MIDNIGHT + site.settings.dedupe));
}

#[test]
fn writes_that_were_not_tried_are_given_back() {
    let mut site = published(&[]);
    (0..10).for_each(|n| site.set(n, 1));
    site.now += 300;
    let begun = site.begin().expect("changes");
    assert_eq!(site.writes, 11);
    site.writes = 3;
    site.end(true, begun.entries[..1].to_vec(), false);
    site.set("a", 1);
    site.now += 300;
    // Of the first publication 1, of the second 3, and 11 of this one.
    assert_eq!(site.snapshot().summary.budget.spent(at(site.now)), 15);
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
    assert!(site.begin().is_none(), "too early");
    assert_eq!(site.arm(), Some(START + 300), "so that it is set again");
    site.now = START + 299;
    assert!(site.begin().is_none());
    site.now += 1;
    assert_eq!(site.publish(), due(&[("a", 3)]));
    site.now = START + 9000;
    site.ping("a", None, None);
    assert_eq!(site.arm(), Some(site.now), "at once after a while");
}

#[test]
fn an_alarm_that_does_not_come_is_set_again() {
    let mut site = published(&[("a", 1)]);
    site.ping("a", None, None);
    assert_eq!(site.arm(), Some(START + 300));
    site.now = START + 360;
    assert_eq!(site.arm(), None, "it may be late");
    site.now += 1;
    assert_eq!(site.arm(), Some(site.now));
}

#[test]
fn a_snapshot_that_fails_is_due_again() {
    let mut site = published(&[]);
    site.set("a", 1);
    site.now += 300;
    let begun = site.begin().expect("a change");
    assert!(begun.snapshot.is_some());
    site.end(false, vec![], false);
    assert_eq!(site.arm(), Some(START + 600));
    assert!(site.begin().is_none(), "too early");
    site.now += 300;
    let begun = site.begin().expect("the change still");
    assert!(begun.snapshot.is_some());
    assert_eq!(begun.entries, due(&[("a", 1)]));
}

#[test]
fn entries_that_fail_are_due_again() {
    let mut site = published(&[]);
    site.set("a", 1);
    site.set("b", 2);
    site.now += 300;
    let begun = site.begin().expect("changes");
    assert_eq!(begun.entries, due(&[("b", 2), ("a", 1)]));
    site.end(true, due(&[("b", 2)]), false);
    site.save();
    site.crash();
    assert_eq!(site.arm(), Some(START + 600));
    site.now += 300;
    let begun = site.begin().expect("the other entry");
    assert!(begun.snapshot.is_none(), "readers have it");
    assert_eq!(begun.entries, due(&[("a", 1)]));
    site.end(true, begun.entries, true);
    assert_eq!(site.arm(), None);
}

#[test]
fn what_changes_meanwhile_is_due_again() {
    let mut site = published(&[("a", 1)]);
    site.set("a", 2);
    site.now += 300;
    let begun = site.begin().expect("a change");
    site.ping("a", None, None);
    site.end(true, begun.entries, true);
    assert_eq!(site.arm(), Some(START + 600));
    site.now += 300;
    let Publication {
        snapshot, entries, ..
    } = site.begin().expect("the view");
    assert!(snapshot.is_some());
    assert_eq!(entries, due(&[("a", 3)]));
}

/// Written or not: a crash between begin and end must not lose a publication, nor its cost.
#[test]
fn a_crash_while_publishing_is_made_good() {
    let mut site = published(&[]);
    site.set("a", 1);
    site.now += 300;
    site.begin().expect("a change");
    site.save();
    site.crash();
    assert_eq!(site.arm(), Some(START + 600));
    site.now += 300;
    assert_eq!(site.snapshot().summary.budget.spent(at(site.now)), 5);
}

#[test]
fn a_post_that_is_forgotten_loses_its_entry() {
    let mut site = published(&[("a", 5), ("b", 1)]);
    site.set("a", 0);
    site.set("new", 3);
    site.set("new", 0);
    site.now += 300;
    assert_eq!(site.publish(), due(&[("a", 0)]), "0 is to be deleted");
    site.set("a", 1);
    site.set("a", 0);
    site.now += 300;
    assert_eq!(site.publish(), [], "it is gone");
    site.now += 300;
    site.tally.publish_again();
    let summary = site.snapshot().summary;
    assert_eq!((summary.posts, summary.site.total), (1, 1));
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
    let begun = site.begin().expect("changes");
    assert!(begun.more);
    assert_eq!(begun.entries.first(), due(&[("small", 0)]).first());
}

#[test]
fn the_furthest_behind_come_first_as_far_as_the_budget_goes() {
    let mut site = Site::new(vec![]);
    site.settings.publish = DAY;
    site.settings.writes = 4;
    for (id, views) in [("a", 1), ("b", 9), ("c", 5), ("d", 5)] {
        site.set(id, views);
    }
    let begun = site.begin().expect("changes");
    assert!(begun.snapshot.is_some() && begun.more);
    assert_eq!(begun.entries, due(&[("b", 9), ("c", 5)]));
    site.end(true, begun.entries, false);
    assert_eq!(site.arm(), Some(MIDNIGHT), "one write is set aside");
    site.now = MIDNIGHT;
    assert!(site.begin().is_none(), "a day after the last one");
    site.now = START + DAY;
    let begun = site.begin().expect("the others");
    assert!(begun.snapshot.is_none() && !begun.more);
    assert_eq!(begun.entries, due(&[("d", 5), ("a", 1)]));
}

#[test]
fn a_publication_has_a_hundred_entries_at_most() {
    let mut site = Site::new(vec![]);
    site.settings.writes = 100_000;
    (0..150).for_each(|n| site.set(n, 1));
    let begun = site.begin().expect("changes");
    assert_eq!((begun.entries.len(), begun.more), (100, true));
    site.end(true, begun.entries, false);
    site.now += 300;
    assert_eq!(site.publish().len(), 50);
    assert_eq!(site.arm(), None);
}

#[test]
fn keys_that_workers_kv_does_not_take_have_no_entries() {
    let mut site = Site::new(vec![]);
    for id in [".", "..", "...", "a"] {
        site.set(id, 1);
    }
    assert_eq!(site.publish(), due(&[("...", 1), ("a", 1)]));
}

#[test]
fn without_a_budget_nothing_is_written() {
    let mut site = published(&[("a", 1)]);
    site.settings.writes = 2;
    site.set("a", 2);
    site.now += 300;
    assert!(site.begin().is_none());
    assert_eq!(site.arm(), Some(MIDNIGHT));
    site.now = MIDNIGHT;
    assert!(site.begin().is_some());
}

#[test]
fn what_was_skipped_is_published() {
    let mut site = published(&[]);
    site.tally.skip(Reason::Bot, 3);
    site.tally.skip(Reason::Flood, 1);
    site.tally.skip(Reason::Bot, 2);
    site.now += 300;
    assert_eq!(site.snapshot().summary.skipped, [0, 5, 0, 0, 1]);
}

#[test]
fn counts_that_are_taken_over_go_on() {
    let entries = [("a", Some(41)), ("b", None), ("c", Some(0))];
    let entries = entries.map(|(id, count)| (post(id), count));
    let mut site = Site::new(entries.to_vec());
    site.crash();
    assert!(site.tally.takeover().is_none());
    for (id, views) in [("a", 42), ("b", 1), ("c", 1)] {
        site.ping(id, None, None);
        assert_eq!(site.views(id), views);
    }
    let summary = site.snapshot().summary;
    assert_eq!((summary.site.total, summary.posts), (44, 3));
    assert_eq!(summary.adopted, Some(Adopted { posts: 2, left: 1 }));
}

#[test]
fn another_programs_entries_are_left_alone() {
    let mut site = Site::new(vec![(post("a"), None), (post("b"), Some(7))]);
    assert_eq!(site.publish(), [], "all entries are right");
    for views in [9, 0] {
        site.set("a", views);
        site.now += 300;
        assert_eq!(site.publish(), [], "{views}");
        site.save();
        site.crash();
    }
}

/// Before it is taken over, nobody knows whose the entries are.
#[test]
fn a_new_ledger_publishes_no_entries() {
    let mut site = Site::unadopted();
    assert!(site.tally.takeover().is_some());
    site.ping("a", None, None);
    let begun = site.begin().expect("a view");
    assert_eq!(begun.entries, []);
    assert!(begun.snapshot.is_some() && begun.more);
    site.end(true, vec![], false);
    site.save();
    site.crash();
    assert!(site.tally.takeover().is_some());
    let found = vec![(post("a"), Some(9))];
    site.adopt(found, 2).expect("room");
    assert!(site.tally.takeover().is_none());
    assert_eq!(site.views("a"), 10, "what was counted meanwhile is added");
    site.now += 300;
    assert_eq!(site.publish(), due(&[("a", 10)]));
}

/// A long list comes in parts, between which anything may happen.
#[test]
fn a_takeover_goes_on_where_it_was() {
    let mut site = Site::unadopted();
    assert_eq!(site.tally.takeover(), Some(None));
    let cursor = Some("b".to_owned());
    let part = |id, next| Part {
        entries: vec![(post(id), Some(5))],
        left: 1,
        next,
    };
    let first = site
        .tally
        .adopt_part(&site.store, &None, part("a", cursor.clone()));
    first.expect("room");
    // Another attempt had the same part.
    let again = site
        .tally
        .adopt_part(&site.store, &None, part("a", cursor.clone()));
    again.expect("nothing to do");
    assert!(site.tally.takeover().is_some());
    site.ping("a", None, None);
    site.ping("b", None, None);
    site.save();
    site.crash();
    assert_eq!(site.tally.takeover(), Some(cursor.clone()));
    // A ping had it asked for before the list came to it.
    let alone = [(post("b"), Some(5))];
    site.tally.adopt(&site.store, &alone).expect("room");
    let last = site.tally.adopt_part(&site.store, &cursor, part("b", None));
    last.expect("room");
    assert_eq!(site.tally.takeover(), None);
    site.save();
    site.crash();
    assert!(site.tally.takeover().is_none());
    assert_eq!((site.views("a"), site.views("b")), (6, 6));
    let summary = site.snapshot().summary;
    assert_eq!((summary.site.total, summary.posts), (12, 2));
    assert_eq!(summary.adopted, Some(Adopted { posts: 2, left: 2 }));
}

#[test]
fn rows_that_make_no_sense_are_an_error() {
    let mut site = published(&[("a", 1)]);
    site.save();
    for bytes in [&[][..], &[0], &[255; 40]] {
        let store = site::Store::default();
        store.put("0:head", bytes).expect("a row");
        let loaded = Tally::load(&store, || unreachable!());
        assert!(loaded.is_err(), "{bytes:?}");
    }
}
