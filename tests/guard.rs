//! What strangers may add: floods of new posts beside a blog that goes on.

#![allow(clippy::expect_used)]

mod site;

use site::{START, Site, at, post};
use tally::base::error::Error;
use tally::base::limits::HOUR_SECONDS as HOUR;
use tally::base::time::Time;
use tally::model::mode::Mode;
use tally::model::network;
use tally::model::outcome::Outcome;
use tally::model::record::Record;

const NEW: Result<Outcome, Error> = Ok(Outcome::Counted(1));
const REFUSED: Result<Outcome, Error> = Err(Error::TooManyNewPosts);

/// A site with the default limit, and one post that is known.
fn guarded() -> Site {
    let mut site = Site::new(vec![]);
    site.settings.new_posts = 500;
    site.set("hello", 1);
    site
}

/// The address of the nth network.
fn address(n: u32) -> String {
    format!("10.{}.{}.7", n / 256, n % 256)
}

#[test]
fn a_flood_of_new_posts_ends_and_the_blog_goes_on() {
    let mut site = guarded();
    for n in 0..500 {
        let new = site.try_ping(format!("flood {n}"), None, Some(&address(n)));
        assert_eq!(new, NEW, "{n}");
    }
    site.save();
    for n in 500..2000 {
        let writes = site.store.writes.get();
        let new = site.try_ping(format!("flood {n}"), Some("an id"), Some(&address(n)));
        assert_eq!(new, REFUSED, "{n}");
        assert_eq!(site.views(format!("flood {n}")), 0);
        assert_eq!(site.store.writes.get(), writes);
    }
    // Readers of posts that are there, and the owner, do not notice.
    assert_eq!(
        site.ping("hello", None, Some("192.0.2.1")),
        Outcome::Counted(2)
    );
    assert_eq!(
        site.ping("flood 7", None, Some("192.0.2.1")),
        Outcome::Counted(2)
    );
    site.set("the owner's", 5);
    let records = (0..1000).map(|n| (post(format!("imported {n}")), Record::default()));
    site.import(records.collect());
    assert_eq!(site.ping("the owner's", None, None), Outcome::Counted(6));
    // A restart changes nothing.
    site.save();
    site.crash();
    assert_eq!(site.try_ping("new", None, Some("192.0.2.1")), REFUSED);
    site.now += HOUR - START % HOUR - 1;
    assert_eq!(site.try_ping("new", None, Some("192.0.2.1")), REFUSED);
    site.now += 1;
    // The id of a refused ping is not known.
    assert_eq!(site.try_ping("flood 600", Some("an id"), None), NEW);
    assert_eq!(site.tally.views(&site.store, &post("flood 600")), Ok(1));
}

#[test]
fn nobody_adds_posts_where_none_may() {
    let mut site = guarded();
    site.settings.new_posts = 0;
    assert_eq!(site.try_ping("new", None, None), REFUSED);
    assert_eq!(site.ping("hello", None, None), Outcome::Counted(2));
}

/// A new post of a reader who may be known by this address, or not.
fn ping(site: &mut Site, id: u32, address: &str, may_know: bool) -> Result<Outcome, Error> {
    let ping = tally::books::tally::Ping {
        post: &post(id),
        id: None,
        visitor: Some((address, "Firefox")).filter(|_| may_know),
        network: Some(network::hash(address)).filter(|_| !may_know),
    };
    let (store, settings, now) = (&site.store, &site.settings, at(site.now));
    site.tally.ping(store, ping, settings, now, || [0; 16])
}

#[test]
fn a_network_adds_few_posts_whatever_it_says_of_itself() {
    for (own, other) in [
        (["192.0.2.1", "192.0.2.255"], "192.0.3.1"),
        (["2001:db8:1::1", "2001:db8:1:ffff::1"], "2001:db8:2::1"),
    ] {
        let mut site = guarded();
        for n in 0..30 {
            let address = own[n as usize % 2];
            assert_eq!(ping(&mut site, n, address, n % 3 > 0), NEW, "{n}");
        }
        for (n, address) in own.into_iter().enumerate() {
            assert_eq!(ping(&mut site, 31, address, n > 0), REFUSED);
        }
        assert_eq!(ping(&mut site, 0, own[0], false), Ok(Outcome::Counted(2)));
        assert_eq!(ping(&mut site, 31, other, true), NEW);
        assert_eq!(site.try_ping("nobody's", None, None), NEW);
        site.now += HOUR;
        assert_eq!(ping(&mut site, 32, own[0], true), NEW);
    }
}

#[test]
fn ledgers_share_what_may_be_added() {
    let mut site = guarded();
    site.settings.ledgers = 4;
    let added = (0..500).filter(|n| ping(&mut site, *n, &address(*n), true) == NEW);
    assert_eq!(added.count(), 125);
    site.now += HOUR;
    let added = (500..600).filter(|n| ping(&mut site, *n, "192.0.2.1", true) == NEW);
    assert_eq!(added.count(), 8);
    site.now += HOUR;
    site.settings.ledgers = 64;
    let added = (600..700).filter(|n| ping(&mut site, *n, "192.0.2.1", true) == NEW);
    assert_eq!(added.count(), 5, "posts of one ledger, as it happens");
}

/// What cannot be looked for in Workers KV may be an old post, and counts.
#[test]
fn nothing_is_refused_while_old_posts_are_not_known() {
    let mut site = Site::unadopted();
    site.settings.new_posts = 3;
    site.tally.tried(false);
    for n in 0..10 {
        assert_eq!(site.try_ping(n, None, None), NEW);
    }
    site.tally.found_no_head();
    site.adopt(vec![], 0);
    let added = (10..20).filter(|n| site.try_ping(n, None, None) == NEW);
    assert_eq!(added.count(), 3);
}

#[test]
fn a_clock_that_was_set_back_opens_no_more_than_an_hour() {
    let mut site = guarded();
    site.settings.new_posts = 10;
    let flood = |site: &mut Site, from: u32| {
        let new = |n: &u32| site.try_ping(n, None, None) == NEW;
        (from..from + 20).filter(new).count()
    };
    assert_eq!(flood(&mut site, 0), 10);
    site.now -= HOUR;
    assert_eq!(flood(&mut site, 100), 10);
    assert_eq!(flood(&mut site, 200), 0);
    assert_eq!(Time::from_seconds(START + 5).rest_of_hour(), HOUR - 5);
    assert_eq!(Time::from_seconds(START + HOUR - 1).rest_of_hour(), 1);
}

/// The networks of an hour are bounded; those beyond count for the site only.
#[test]
fn more_networks_than_are_known_add_posts_all_the_same() {
    let mut site = guarded();
    site.settings.new_posts = 100_000;
    for n in 0..3000 {
        assert_eq!(ping(&mut site, n, &address(n), false), NEW, "{n}");
    }
    let (store, settings, now) = (&site.store, &site.settings, at(site.now));
    let records = vec![(post("imported"), Record::default())];
    let imported = site
        .tally
        .import(store, records, Mode::Add, None, settings, now);
    assert_eq!(imported, Ok(true));
}
