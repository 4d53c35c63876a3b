//! Cases of the ledger's books that the model of `tally.rs` does not reach: many posts, long times,
//! no room.

#![allow(clippy::expect_used)]

mod site;

use site::{START, Site, at, post};
use tally::base::error::Error;
use tally::base::id::PostId;
use tally::base::limits::MAX_COUNT as MAX;
use tally::base::time::DAY;
use tally::model::mode::Mode;
use tally::model::outcome::Outcome;
use tally::model::page;
use tally::model::record::{Period, Record};

const WINDOW: u32 = 1800;

#[test]
fn outcomes_travel_as_numbers() {
    for views in [0, 1, 7, MAX as u64] {
        for outcome in [Outcome::Counted(views), Outcome::Repeat(views)] {
            assert_eq!(Outcome::from_number(outcome.number()), outcome);
        }
    }
    assert_eq!(Outcome::Repeat(0).number(), -1.0);
}

/// Thousands of pings, each stored before the next: the journal is sealed and folded, and the pages
/// are split.
#[test]
fn many_posts_are_kept_for_little() {
    let mut site = Site::new(vec![]);
    site.store.writes.set(0);
    for n in 0..6000 {
        let (of, address) = (n * 7 % 2000, n.to_string());
        let outcome = site.ping(of, Some(&address), Some(&address));
        assert_eq!(outcome, Outcome::Counted(n / 2000 + 1));
        site.save();
        let head = site.store.rows.borrow()["0:head"].len();
        assert!(head < 10_000, "a ping writes {head} bytes");
        if n % 997 == 0 {
            site.crash();
        }
    }
    let rows = f64::from(site.store.writes.get());
    assert!(rows < 6000.0 * 1.05, "{rows} rows were written");
    let pages = |store: &site::Store| {
        let rows = store.rows.borrow();
        rows.keys().filter(|key| key.starts_with("0:page:")).count()
    };
    assert!(pages(&site.store) >= 4);
    site.crash();
    let posts = site.export();
    assert_eq!(posts.len(), 2000);
    assert!(posts.values().all(|record| record.total == 3));
    let outcome = site.ping(0, Some("5"), None);
    assert_eq!(outcome, Outcome::Repeat(3), "old ids are in older rows");
    assert_eq!(site.snapshot().summary.site.total, 6000);
}

/// Rows of the journal go when nothing has to be known by them any more.
#[test]
fn the_journal_does_not_grow_for_ever() {
    let mut site = Site::new(vec![]);
    let mut most = 0;
    for day in 0..6 {
        for n in 0..3000 {
            site.now = START + day * DAY + n * 28;
            site.ping(n % 5, Some(&format!("{day}:{n}")), None);
            if n % 10 == 0 {
                site.save();
            }
        }
        let rows = site.store.rows.borrow().len();
        most = if day < 2 { rows } else { most };
        assert!(rows <= most + 1, "{rows} rows on day {day}");
    }
    site.save();
    site.crash();
    assert_eq!((0..5).map(|id| site.views(id)).sum::<u64>(), 18_000);
    let outcome = site.ping(0, Some("5:0"), None);
    assert!(matches!(outcome, Outcome::Repeat(_)), "23 hours are no day");
}

#[test]
fn an_id_counts_once() {
    let mut site = Site::new(vec![]);
    let one = Outcome::Counted(1);
    assert_eq!(site.ping("a", Some("x"), Some("1")), one);
    let again = Outcome::Repeat(1);
    assert_eq!(site.ping("a", Some("x"), Some("1")), again);
    assert_eq!(
        site.ping("a", Some("x"), Some("2")),
        again,
        "another visitor"
    );
    assert_eq!(site.ping("a", Some("x"), None), again, "nobody");
    assert_eq!(site.ping("b", Some("x"), Some("3")), Outcome::Repeat(0));
    site.save();
    site.crash();
    site.now += DAY - 1;
    assert_eq!(site.ping("a", Some("x"), Some("9")), again, "after a start");
    assert_eq!(site.snapshot().summary.skipped, [5, 0, 0, 0, 0]);
    site.now += 1;
    let outcome = site.ping("a", Some("x"), Some("9"));
    assert_eq!(outcome, Outcome::Counted(2), "a day is over");
}

#[test]
fn a_visitor_counts_once_within_the_window() {
    let mut site = Site::new(vec![]);
    assert_eq!(site.ping("a", None, Some("1")), Outcome::Counted(1));
    assert_eq!(site.ping("a", Some("x"), Some("1")), Outcome::Repeat(1));
    assert_eq!(
        site.ping("a", Some("x"), Some("2")),
        Outcome::Counted(2),
        "a refused id is new"
    );
    assert_eq!(site.ping("b", None, Some("1")), Outcome::Counted(1));
    assert_eq!(site.ping("a", None, None), Outcome::Counted(3));
    assert_eq!(
        site.ping("a", None, None),
        Outcome::Counted(4),
        "nobody is no visitor"
    );
    site.save();
    site.crash();
    site.now += WINDOW - 1;
    assert_eq!(site.ping("a", None, Some("1")), Outcome::Repeat(4));
    site.now += 1;
    assert_eq!(site.ping("a", None, Some("1")), Outcome::Counted(5));
    site.settings.dedupe = 0;
    assert_eq!(site.ping("a", None, Some("1")), Outcome::Counted(6));
}

/// The window goes over midnight, whatever is published meanwhile.
#[test]
fn a_visitor_counts_once_over_midnight() {
    let mut site = Site::new(vec![]);
    site.now = START + DAY / 2 - 60;
    assert_eq!(site.ping("a", None, Some("1")), Outcome::Counted(1));
    site.now += 120;
    site.save();
    site.publish();
    site.now += 60;
    assert_eq!(site.ping("a", None, Some("1")), Outcome::Repeat(1));
}

/// Ids can be chosen so that, once there are two pages, they are all in the second.
#[test]
fn a_page_that_loses_all_its_posts_is_empty() {
    let mut site = Site::new(vec![]);
    let ids = (0..)
        .map(post)
        .filter(|id| page::number(id.as_str(), 2) == 1);
    let mut view = Record::default();
    view.view(at(START));
    let records: Vec<_> = ids.take(600).map(|id| (id, view.clone())).collect();
    let (few, more) = records.split_at(300);
    for records in [few, more] {
        let imported = site.tally.import(&site.store, records.to_vec(), Mode::Add);
        imported.expect("room for all");
        site.save();
    }
    assert_eq!(site.export().len(), 600);
    site.crash();
    assert_eq!(site.export().len(), 600);
    assert_eq!(site.snapshot().top(Period::All, 1000, at(START)).len(), 600);
}

/// More posts than there is room for, with the longest ids.
fn too_many() -> Vec<PostId> {
    (0..30_841).map(|n| post(format!("{n:0512}"))).collect()
}

#[test]
fn an_import_that_does_not_fit_changes_nothing() {
    let mut site = Site::new(vec![]);
    let mut view = Record::default();
    view.view(at(START));
    let posts = too_many();
    let records: Vec<_> = posts.into_iter().map(|id| (id, view.clone())).collect();
    let (last, fitting) = records.split_last().expect("posts");
    let imported = site.tally.import(&site.store, fitting.to_vec(), Mode::Add);
    assert_eq!(imported, Ok(()));
    site.save();
    let refused = vec![fitting[0].clone(), last.clone()];
    let imported = site.tally.import(&site.store, refused, Mode::Add);
    assert_eq!(imported, Err(Error::TooManyPosts));
    let total = site.snapshot().summary.site.total;
    let all: u64 = site.export().values().map(|record| record.total).sum();
    assert_eq!((total, all), (30_840, 30_840));
    let first = fitting[0].0.as_str();
    assert_eq!(
        site.ping(first, None, None),
        Outcome::Counted(2),
        "no new post"
    );
}

#[test]
fn what_cannot_be_taken_over_is_not_counted_twice() {
    let mut site = Site::unadopted();
    let posts = too_many();
    let first = posts[0].clone();
    let entries: Vec<_> = posts.into_iter().map(|id| (id, Some(3))).collect();
    for _ in 0..2 {
        // It fails, and the next alarm tries it again.
        let adopted = site.adopt(entries.clone(), 0);
        assert_eq!(adopted, Err(Error::TooManyPosts));
    }
    assert_eq!(site.views(first.as_str()), 0);
}
