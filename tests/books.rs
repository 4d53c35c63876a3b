//! Cases of the ledger's books that the model of `tally.rs` does not reach: many posts, long times,
//! no room.

#![allow(clippy::expect_used)]

mod site;

use site::{START, Site, at, post};
use tally::base::error::Error;
use tally::base::id::PostId;
use tally::base::limits::MAX_COUNT as MAX;
use tally::base::time::DAY;
use tally::books::takeover::Found;
use tally::model::mode::Mode;
use tally::model::outcome::Outcome;
use tally::model::record::Record;
use tally::model::standing::Standing;

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

fn long(id: u64) -> String {
    format!("/posts/{id:0100}")
}

/// Thousands of pings, each stored before the next: the journal is sealed and folded, and the pages
/// are split.
#[test]
fn many_posts_are_kept_for_little() {
    let mut site = Site::new(vec![]);
    site.store.writes.set(0);
    for n in 0..6000 {
        let (of, address) = (n * 7 % 2000, n.to_string());
        let outcome = site.ping(long(of), Some(&address), Some(&address));
        assert_eq!(outcome, Outcome::Counted(n / 2000 + 1));
        site.save();
        let head = site.store.rows.borrow()["0:state"].len();
        assert!(head < 12_000, "a ping writes {head} bytes");
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
    let outcome = site.ping(long(35), Some("5"), None);
    assert_eq!(outcome, Outcome::Repeat(3), "old ids are in older rows");
    site.publish_due().expect("a publication");
    assert_eq!(site.published().head.summary.site.total, 6000);
}

/// Ids as long as they may be, more than there is room for: no row passes what the store takes (which
/// [`site::Store`] asserts), the rows of a ping are bounded, and what is known goes on.
#[test]
fn strangers_cannot_fill_the_site_up() {
    let mut site = Site::new(vec![]);
    let id = |n: u32| format!("{n:x>512}");
    let mut refused = 0;
    for n in 0..32_000 {
        let before = site.store.writes.get();
        match site.try_ping(id(n), None, None) {
            Ok(outcome) => assert_eq!(outcome, Outcome::Counted(1)),
            Err(error) => {
                assert_eq!(error, Error::TooManyPosts);
                refused += 1;
            }
        }
        site.save();
        let writes = site.store.writes.get() - before;
        // Two pages, the pages they are split into, and 32 rows of the journal that are dropped.
        assert!(writes <= 80, "{writes} rows");
    }
    assert!((500..2000).contains(&refused), "{refused} were refused");
    assert_eq!(site.ping(id(7), None, None), Outcome::Counted(2));
    site.set("the owner's", 5);
    site.save();
    site.crash();
    assert_eq!(site.ping(id(7), None, None), Outcome::Counted(3));
    assert_eq!(site.views("the owner's"), 5);
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
            if site.arm().is_some_and(|due| due <= site.now) {
                site.publish_due();
            }
        }
        let rows = site.store.rows.borrow().len();
        most = if day < 2 { rows } else { most };
        assert!(rows <= most + 9, "{rows} rows on day {day}");
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
    assert_eq!(site.ping("b", Some("x"), Some("3")), one, "of another post");
    site.save();
    site.crash();
    site.now += DAY - 1;
    assert_eq!(site.ping("a", Some("x"), Some("9")), again, "after a start");
    site.publish_due().expect("a publication");
    assert_eq!(site.published().head.summary.skipped, [4, 0, 0, 0, 0, 0]);
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
    site.publish_due();
    site.now += 60;
    assert_eq!(site.ping("a", None, Some("1")), Outcome::Repeat(1));
}

/// More posts than there is room for, with the longest ids.
fn too_many() -> Vec<PostId> {
    (0..30_841).map(|n| post(format!("{n:0512}"))).collect()
}

fn import(site: &mut Site, records: Vec<(PostId, Record)>) -> Result<bool, Error> {
    let (store, settings, now) = (&site.store, &site.settings, at(site.now));
    let tally = &mut site.tally;
    tally.import(store, records, Mode::Add, None, settings, now)
}

fn viewed(ids: Vec<PostId>) -> Vec<(PostId, Record)> {
    let mut view = Record::default();
    view.view(at(START));
    ids.into_iter().map(|id| (id, view.clone())).collect()
}

/// The owner has room where strangers have none.
#[test]
fn an_import_that_does_not_fit_changes_nothing() {
    let mut site = Site::new(vec![]);
    let records = viewed(too_many());
    let (last, fitting) = records.split_last().expect("posts");
    assert_eq!(import(&mut site, fitting.to_vec()), Ok(true));
    site.save();
    let refused = site.try_ping(last.0.as_str(), None, None);
    assert_eq!(refused, Err(Error::TooManyPosts));
    let owners: Vec<_> = (0..8_000).map(|n| post(format!("o{n:0511}"))).collect();
    assert_eq!(import(&mut site, viewed(owners)), Err(Error::TooManyPosts));
    assert_eq!(import(&mut site, vec![last.clone()]), Ok(true));
    let all: u64 = site.export().values().map(|record| record.total).sum();
    assert_eq!(all, 30_841);
    let first = fitting[0].0.as_str();
    assert_eq!(
        site.ping(first, None, None),
        Outcome::Counted(2),
        "no new post"
    );
}

#[test]
fn an_import_with_an_id_is_taken_in_once() {
    let mut site = Site::new(vec![]);
    for taken in [true, false] {
        let records = viewed(vec![post("a")]);
        let (store, settings, now) = (&site.store, &site.settings, at(site.now));
        let import = site
            .tally
            .import(store, records, Mode::Add, Some("x"), settings, now);
        assert_eq!(import, Ok(taken));
        site.save();
        site.crash();
    }
    assert_eq!(site.views("a"), 1);
}

#[test]
fn a_takeover_without_room_ends_and_tells_what_it_left() {
    let mut site = Site::unadopted();
    site.tally.found_no_head();
    let posts = (0..40_000).map(|n| post(format!("{n:0512}")));
    site.adopt(posts.map(|id| (id, Found::Count(3))).collect(), 5);
    assert!(site.tally.is_taken_over());
    site.save();
    site.publish_due();
    let adopted = site.published().head.summary.adopted.expect("the end");
    assert_eq!(adopted.posts + adopted.left, 40_005);
    assert!(adopted.left > 1000, "{adopted:?}");
    assert_eq!(site.views(format!("{:0512}", 0)), 3);
}

/// Whether the owner has set a post, told by what is stored.
fn is_owned(site: &mut Site, id: &str) -> bool {
    let standing = site.tally.standing(&site.store, &post(id));
    match standing.expect("a page") {
        Standing::Owner => true,
        Standing::Open => false,
        other => unreachable!("{other:?}"),
    }
}

/// A ping is anybody's, and what the owner has set stays his over views, crashes and folds.
#[test]
fn the_owners_posts_are_known() {
    let mut site = Site::new(vec![(post("adopted"), Found::Count(3))]);
    site.ping("pinged", None, None);
    site.ping("both", None, None);
    site.set("both", 7);
    site.set("set", 7);
    site.set("forgotten", 7);
    site.set("forgotten", 0);
    let nothing = (post("nothing"), Record::default());
    let records = [viewed(vec![post("imported")]), vec![nothing]].concat();
    assert_eq!(import(&mut site, records), Ok(true));
    for (n, id) in ["both", "set", "imported"].into_iter().enumerate() {
        for _ in 0..n {
            site.ping(id, None, None);
        }
    }
    for _ in 0..2 {
        for id in ["both", "set", "imported"] {
            assert!(is_owned(&mut site, id), "{id}");
        }
        for id in ["pinged", "adopted", "forgotten", "nothing"] {
            assert!(!is_owned(&mut site, id), "{id}");
        }
        site.save();
        // The marks in the journal are forgotten, and with them it is folded.
        site.settle(DAY);
        site.crash();
    }
    let rows = site.store.rows.borrow();
    assert!(!rows.keys().any(|key| key.starts_with("0:journal:")));
}
