//! Posts that the site confirms, in the books: what counts, what waits, what is published.

#![allow(clippy::expect_used)]

mod site;

use site::{START, Site as Books, at, post};
use tally::base::error::Error;
use tally::base::site::Site;
use tally::base::time::DAY;
use tally::books::takeover::Found;
use tally::books::tally::Ping;
use tally::books::verification::Claim;
use tally::model::outcome::Outcome;
use tally::model::record::Period;
use tally::model::standing::Standing;
use tally::published::head::{HEAD, Published};
use tally::verify::verdict::{NotReal, Verdict, Why};

const BLOG: &str = "https://blog.example";
const DOWN: Verdict = Verdict::Unreachable(Why::Status(503));
const GONE: Verdict = Verdict::NotReal(NotReal::Status(404));

fn books() -> Books {
    let mut books = Books::new(vec![]);
    books.settings.sites = vec![Site::parse(BLOG).expect("a site")];
    books
}

fn real(title: &str, path: &str) -> Verdict {
    Verdict::Real {
        title: title.to_owned(),
        path: path.to_owned(),
    }
}

fn address(id: &str) -> String {
    format!("{BLOG}{id}")
}

fn claim(books: &mut Books, id: &str) -> Result<Claim, Error> {
    let (now, settings) = (at(books.now), &books.settings);
    books
        .tally
        .claim(&books.store, &post(id), &address(id), None, settings, now)
}

fn judged(books: &mut Books, id: &str, verdict: Verdict) -> Result<bool, Error> {
    let (now, settings) = (at(books.now), &books.settings);
    let (post, address) = (post(id), address(id));
    books
        .tally
        .judged(&books.store, &post, &address, verdict, settings, now)
}

fn check(books: &mut Books, id: &str) -> Option<Option<String>> {
    check_of(books, id, None)
}

/// The same of a ping that came from a network.
fn check_of(books: &mut Books, id: &str, network: Option<u32>) -> Option<Option<String>> {
    let ping = Ping {
        post: &post(id),
        id: None,
        visitor: None,
        network,
    };
    books.tally.check(ping, &books.settings, at(books.now))
}

fn standing(books: &mut Books, id: &str) -> Standing {
    books
        .tally
        .standing(&books.store, &post(id))
        .expect("a page")
}

fn ping(books: &mut Books, id: &str) -> Outcome {
    books.ping(id, None, None)
}

fn waiting(books: &Books) -> u32 {
    books.published().head.verification.waiting
}

#[test]
fn a_post_counts_once_its_page_was_read() {
    let mut books = books();
    assert_eq!(ping(&mut books, "/a"), Outcome::Unknown);
    assert_eq!(claim(&mut books, "/a"), Ok(Claim::Yours));
    assert_eq!(claim(&mut books, "/a"), Ok(Claim::Wait));
    assert_eq!(ping(&mut books, "/a"), Outcome::Unknown);
    for _ in 0..2 {
        assert_eq!(judged(&mut books, "/a", real("A", "/a/")), Ok(true));
        assert_eq!(claim(&mut books, "/a"), Ok(Claim::Known));
    }
    assert_eq!(ping(&mut books, "/a"), Outcome::Counted(1));
    books.save();
    books.crash();
    assert_eq!(ping(&mut books, "/a"), Outcome::Counted(2));
    books.settle(60);
    assert_eq!(books.top("", Period::All), [("/a".to_owned(), 2)]);
    let name = Some(("A".to_owned(), "/a/".to_owned()));
    for period in Period::EACH {
        let published = books.published();
        assert_eq!(published.top("", period).expect("a list")[0].name, name);
    }
}

#[test]
fn without_a_site_nothing_is_asked() {
    let mut books = Books::new(vec![]);
    assert_eq!(ping(&mut books, "/a"), Outcome::Counted(1));
    assert_eq!(check(&mut books, "/a"), None);
}

#[test]
fn a_post_that_is_not_real_is_remembered_and_takes_no_room() {
    let mut books = books();
    assert_eq!(claim(&mut books, "/a"), Ok(Claim::Yours));
    assert_eq!(judged(&mut books, "/a", GONE), Ok(false));
    assert_eq!(claim(&mut books, "/a"), Ok(Claim::Unreal));
    books.now += 601;
    assert_eq!(claim(&mut books, "/a"), Ok(Claim::Yours));
    assert_eq!(standing(&mut books, "/a"), Standing::Open);
    books.set("/b", 0);
    books.settle(60);
    assert!(books.export().is_empty());
}

#[test]
fn a_post_that_was_deleted_is_asked_for_again() {
    let mut books = books();
    assert_eq!(judged(&mut books, "/a", real("A", "/a")), Ok(true));
    ping(&mut books, "/a");
    books.settle(3600);
    assert_eq!(books.entries.get(&post("/a")), Some(&1));
    // Its entry in Workers KV is still to be removed.
    books.set("/a", 0);
    assert_eq!(ping(&mut books, "/a"), Outcome::Unknown);
    assert_eq!(claim(&mut books, "/a"), Ok(Claim::Yours));
    assert_eq!(judged(&mut books, "/a", GONE), Ok(false));
    assert_eq!(judged(&mut books, "/a", DOWN), Ok(true));
    assert_eq!(judged(&mut books, "/a", GONE), Ok(false));
    books.settle(3600);
    assert!(!books.entries.contains_key(&post("/a")));
    assert!(books.export().is_empty());
}

#[test]
fn whoever_has_claimed_a_post_and_is_gone_keeps_nobody_out() {
    let mut books = books();
    assert_eq!(claim(&mut books, "/a"), Ok(Claim::Yours));
    books.now += 9;
    assert_eq!(claim(&mut books, "/a"), Ok(Claim::Wait));
    books.now += 1;
    assert_eq!(claim(&mut books, "/a"), Ok(Claim::Yours));
    // A clock that is set back, too.
    books.now -= 3600;
    assert_eq!(claim(&mut books, "/a"), Ok(Claim::Yours));
}

#[test]
fn while_the_site_is_down_a_post_waits_and_is_shown_nowhere() {
    let mut books = books();
    assert_eq!(judged(&mut books, "/real", real("Real", "/real")), Ok(true));
    ping(&mut books, "/real");
    assert_eq!(judged(&mut books, "/new", DOWN), Ok(true));
    for views in 1..=3 {
        assert_eq!(ping(&mut books, "/new"), Outcome::Counted(views));
    }
    books.save();
    books.crash();
    assert_eq!(ping(&mut books, "/new"), Outcome::Counted(4));
    books.settle(3600);
    let summary = books.published().head.summary;
    assert_eq!((summary.site.total, summary.posts), (1, 1));
    assert_eq!(summary.site.history(1, at(books.now))[0].1, 1);
    for period in Period::EACH {
        assert_eq!(books.top("", period), [("/real".to_owned(), 1)]);
    }
    assert_eq!(books.read("/new"), 0);
    assert!(!books.entries.contains_key(&post("/new")));
    assert_eq!(books.entries.get(&post("/real")), Some(&1));
    assert_eq!(books.export().len(), 1);
    assert_eq!(waiting(&books), 1);
    let (since, why) = books
        .published()
        .head
        .verification
        .outage
        .expect("an outage");
    assert_eq!((since, &*why), (at(START), "status 503"));
    // Its views are shown once the site can be read.
    assert_eq!(judged(&mut books, "/new", real("New", "/new")), Ok(true));
    assert_eq!(ping(&mut books, "/new"), Outcome::Counted(5));
    books.settle(3600);
    let summary = books.published().head.summary;
    assert_eq!((summary.site.total, summary.posts), (6, 2));
    assert_eq!(summary.site.history(1, at(books.now))[0].1, 6);
    assert_eq!(books.top("", Period::All)[0], ("/new".to_owned(), 5));
    assert_eq!(books.read("/new"), 5);
    assert_eq!(books.entries.get(&post("/new")), Some(&5));
    let verification = books.published().head.verification;
    assert_eq!((verification.waiting, verification.outage), (0, None));
}

#[test]
fn new_lists_leave_out_posts_that_wait() {
    let mut books = books();
    judged(&mut books, "/posts/new", DOWN).expect("room");
    ping(&mut books, "/posts/new");
    judged(&mut books, "/posts/real", real("", "")).expect("room");
    ping(&mut books, "/posts/real");
    books.settle(3600);
    books.settings.lists = vec!["/posts/".to_owned()];
    books.crash();
    ping(&mut books, "/posts/real");
    books.settle(3600);
    assert_eq!(
        books.top("/posts/", Period::All),
        [("/posts/real".to_owned(), 2)]
    );
}

#[test]
fn a_post_that_waits_and_is_not_real_is_gone() {
    let mut books = books();
    assert_eq!(judged(&mut books, "/new", DOWN), Ok(true));
    // Whoever names another page does nothing to it.
    let (now, settings) = (at(books.now), &books.settings);
    let other = address("/other");
    let told = books
        .tally
        .judged(&books.store, &post("/new"), &other, GONE, settings, now);
    assert_eq!(told, Ok(true));
    assert_eq!(ping(&mut books, "/new"), Outcome::Counted(1));
    assert_eq!(judged(&mut books, "/new", GONE), Ok(false));
    assert_eq!(ping(&mut books, "/new"), Outcome::Unknown);
    books.settle(60);
    assert_eq!(waiting(&books), 0);
}

/// In an outage, somebody names a wrong page for a post, and does so again and again once the site is back. What
/// readers were counted stays, and the first of them who comes then has the right page read.
#[test]
fn whoever_names_a_wrong_page_cannot_keep_a_post_waiting() {
    let mut books = books();
    let judged_at = |books: &mut Books, path: &str, verdict| {
        let (now, settings) = (at(books.now), &books.settings);
        let (store, tally) = (&books.store, &mut books.tally);
        tally.judged(store, &post("142"), &address(path), verdict, settings, now)
    };
    let own_page = Some(None);
    assert_eq!(judged_at(&mut books, "/wrong", DOWN), Ok(true));
    for views in 1..=9 {
        assert_eq!(ping(&mut books, "142"), Outcome::Counted(views));
    }
    books.now += 301;
    let liar = Some(1);
    assert_eq!(check_of(&mut books, "142", liar), own_page);
    assert_eq!(judged_at(&mut books, "/wrong", GONE), Ok(true));
    assert_eq!(
        ping(&mut books, "142"),
        Outcome::Counted(10),
        "none is lost"
    );
    for _ in 0..3 {
        assert_eq!(
            check_of(&mut books, "142", liar),
            None,
            "one try in five minutes"
        );
        assert_eq!(judged_at(&mut books, "/wrong", GONE), Ok(true));
    }
    assert_eq!(check_of(&mut books, "142", Some(2)), own_page);
    assert_eq!(
        judged_at(&mut books, "/hello", real("Hello", "/hello")),
        Ok(true)
    );
    books.settle(60);
    assert_eq!(books.top("", Period::All), [("142".to_owned(), 10)]);
    assert_eq!(check_of(&mut books, "142", Some(3)), None);
}

/// So many networks read the pages of posts that wait, each a few, and all together no more than others may.
#[test]
fn pages_of_posts_that_wait_are_read_at_a_pace() {
    let mut books = books();
    for n in 0..60 {
        assert_eq!(judged(&mut books, &format!("/{n}"), DOWN), Ok(true));
        ping(&mut books, &format!("/{n}"));
    }
    books.now += 301;
    let mut reads = |network: Option<u32>| {
        let looks = (0..60).map(|n| check_of(&mut books, &format!("/{n}"), network));
        looks.flatten().count()
    };
    assert_eq!(reads(Some(1)), 30);
    assert_eq!(reads(Some(1)), 0);
    assert_eq!(reads(None), 60, "all who are of no network share a try");
    assert_eq!(reads(None), 0);
    let others: usize = (2..100).map(|network| reads(Some(network))).sum();
    assert_eq!(others, 240 - 90);
}

#[test]
fn whoever_names_a_wrong_page_first_does_not_hide_a_post() {
    let mut books = books();
    let judged_at = |books: &mut Books, at_path: &str, verdict| {
        let (now, settings) = (at(books.now), &books.settings);
        let address = address(at_path);
        let (store, tally) = (&books.store, &mut books.tally);
        tally.judged(store, &post("142"), &address, verdict, settings, now)
    };
    // In an outage: a reader's page is looked at next, also after another wrong one.
    let long = format!("/{}", "x".repeat(600));
    assert_eq!(judged_at(&mut books, &long, DOWN), Ok(true));
    let kept = standing(&mut books, "142");
    assert!(
        matches!(kept, Standing::Waiting { at: None, .. }),
        "{kept:?}"
    );
    books.now += 301;
    ping(&mut books, "142");
    assert_eq!(check(&mut books, "142"), Some(None));
    assert_eq!(judged_at(&mut books, "/wrong", GONE), Ok(true));
    books.now += 301;
    ping(&mut books, "142");
    assert_eq!(check(&mut books, "142"), Some(None));
    assert_eq!(
        judged_at(&mut books, "/hello", real("", "/hello")),
        Ok(true)
    );
    // A page that alone cannot be read is no outage, makes nothing wait, and takes nothing from a known post.
    let forbidden = Verdict::NotReal(NotReal::Unreadable(Why::Status(403)));
    assert_eq!(
        judged(&mut books, "/.htaccess", forbidden.clone()),
        Ok(false)
    );
    assert_eq!(books.tally.outage(), None);
    let before = standing(&mut books, "142");
    assert_eq!(judged_at(&mut books, "/hello", forbidden), Ok(true));
    assert_eq!(standing(&mut books, "142"), before);
}

#[test]
fn posts_that_wait_have_a_room_of_their_own() {
    let mut books = books();
    let mut taken = 0;
    let id = |n: u32| format!("/{n}{}", "x".repeat(490));
    let refused = loop {
        let id = id(taken);
        match judged(&mut books, &id, DOWN) {
            Ok(known) => assert!(known),
            Err(error) => break error,
        }
        taken += 1;
        // Not faster than new posts may come.
        books.now += 5;
        if taken % 200 == 0 {
            books.save();
        }
    };
    assert_eq!(refused, Error::TooManyAtOnce);
    assert!((900..=2100).contains(&taken), "{taken}");
    // Others are not kept out by them.
    assert_eq!(judged(&mut books, "/real", real("", "")), Ok(true));
    // They leave after a month.
    books.now += 31 * DAY;
    ping(&mut books, "/real");
    // Not all at once, each of which would be a row.
    let (mut left, mut calls) = (taken, 0);
    while left > 0 {
        books.now = books.now.max(books.arm().expect("an alarm"));
        books.publish_due();
        books.save();
        let ids = (0..taken).map(id);
        let waits = ids.filter(|id| standing(&mut books, id).is_waiting());
        let before = std::mem::replace(&mut left, waits.count() as u32);
        assert!(before - left <= 200, "{before} {left}");
        calls += 1;
        assert!(calls < 100, "{left} are left");
    }
    books.settle(3600);
    assert_eq!(waiting(&books), 0);
    assert_eq!(judged(&mut books, "/new", DOWN), Ok(true));
    assert_eq!(books.export().len(), 1);
}

#[test]
fn new_posts_come_at_a_pace_and_known_ones_at_any() {
    let mut books = books();
    let mut real_ones = 0;
    for n in 0..100 {
        let id = format!("/{n}");
        if claim(&mut books, &id) == Ok(Claim::Yours) {
            judged(&mut books, &id, real("", &id)).expect("within the pace");
            real_ones += 1;
        }
    }
    assert_eq!(real_ones, 60);
    assert_eq!(claim(&mut books, "/next"), Err(Error::TooManyAtOnce));
    // Whoever has read its page for nothing, too.
    assert_eq!(
        judged(&mut books, "/next", real("", "")),
        Err(Error::TooManyAtOnce)
    );
    assert_eq!(ping(&mut books, "/next"), Outcome::Unknown);
    assert_eq!(ping(&mut books, "/5"), Outcome::Counted(1));
    books.save();
    books.crash();
    assert_eq!(
        claim(&mut books, "/next"),
        Err(Error::TooManyAtOnce),
        "not forgotten"
    );
    books.set("/owner", 5);
    assert_eq!(ping(&mut books, "/owner"), Outcome::Counted(6));
    books.now += 60;
    assert_eq!(claim(&mut books, "/next"), Ok(Claim::Yours));
    // Pages that prove nothing cost the site something, too.
    let mut read = 0;
    for n in 0..1000 {
        let id = format!("/not-{n}");
        if claim(&mut books, &id) == Ok(Claim::Yours) {
            judged(&mut books, &id, GONE).expect("an answer");
            read += 1;
        }
    }
    assert_eq!(read, 239);
}

#[test]
fn a_network_claims_thirty_posts_in_an_hour() {
    let mut books = books();
    let (now, settings) = (at(books.now), books.settings.clone());
    let mut claim = |n: u32, network| {
        let id = format!("/{n}");
        let (store, tally) = (&books.store, &mut books.tally);
        tally.claim(store, &post(&id), &address(&id), network, &settings, now)
    };
    for n in 0..30 {
        assert_eq!(claim(n, Some(1)), Ok(Claim::Yours));
        assert_eq!(claim(n, Some(1)), Ok(Claim::Wait), "not counted again");
    }
    assert_eq!(claim(30, Some(1)), Err(Error::TooManyNewPosts));
    assert_eq!(claim(30, Some(2)), Ok(Claim::Yours));
    assert_eq!(claim(31, None), Ok(Claim::Yours));
}

#[test]
fn a_page_is_read_again_after_a_month_and_while_the_site_is_down_now_and_then() {
    let mut books = books();
    judged(&mut books, "/a", real("A", "/a")).expect("room");
    ping(&mut books, "/a");
    assert_eq!(check(&mut books, "/a"), None);
    books.now += 31 * DAY;
    ping(&mut books, "/a");
    assert_eq!(check(&mut books, "/a"), Some(Some(address("/a"))));
    assert_eq!(check(&mut books, "/a"), None, "not twice");
    judged(&mut books, "/a", real("B", "/a")).expect("room");
    books.now += 301;
    assert_eq!(check(&mut books, "/a"), None);
    assert!(matches!(standing(&mut books, "/a"), Standing::Verified { title, .. } if title == "B"));
    // One that its page no longer names is counted on.
    judged(&mut books, "/a", GONE).expect("an answer");
    assert!(
        matches!(standing(&mut books, "/a"), Standing::Verified { path, .. } if path.is_empty())
    );
    assert_eq!(ping(&mut books, "/a"), Outcome::Counted(3));
    // The site is down: a post that waits is tried again after five minutes, also by a new object.
    judged(&mut books, "/new", DOWN).expect("room");
    ping(&mut books, "/new");
    books.save();
    books.crash();
    ping(&mut books, "/new");
    assert_eq!(check(&mut books, "/new"), None);
    books.now += 300;
    ping(&mut books, "/new");
    assert_eq!(check(&mut books, "/new"), Some(None), "at the ping's own");
    // One of the owner's is looked for where the ping says.
    books.set("142", 7);
    books.now += 301;
    ping(&mut books, "142");
    assert_eq!(check(&mut books, "142"), Some(None));
    judged(&mut books, "142", GONE).expect("an answer");
    books.now += DAY - 1;
    ping(&mut books, "142");
    assert_eq!(check(&mut books, "142"), None);
    books.now += 1;
    ping(&mut books, "142");
    assert_eq!(check(&mut books, "142"), Some(None));
    judged(&mut books, "142", real("Hello", "/hello")).expect("room");
    assert_eq!(ping(&mut books, "142"), Outcome::Counted(11));
}

#[test]
fn names_have_a_bound() {
    let mut books = books();
    books.settings.lists = (0..16).map(|n| format!("/{n}/")).collect();
    books.settings.ledgers = 1;
    for n in 0..16 * 100 {
        let id = format!("/{}/{}", n % 16, n / 16);
        let path = format!("{id}{}", "x".repeat(500));
        judged(&mut books, &id, real(&"t".repeat(200), &path)).expect("within the pace");
        ping(&mut books, &id);
        books.now += 5;
        books.save();
    }
    books.settle(3600);
    let head = books.published().head;
    let places = head.lists.iter().flat_map(|list| &list.periods).flatten();
    let named = places.clone().filter(|place| place.name.is_some()).count();
    assert!(named > 500 && named < places.count(), "{named}");
    let head = books.published().head;
    let bytes = head.write().expect("a head").len();
    assert!(bytes < 640 << 10, "{bytes}");
}

#[test]
fn what_the_site_says_survives_a_loss_of_storage() {
    let mut books = books();
    judged(&mut books, "/a", real("A", "/a")).expect("room");
    ping(&mut books, "/a");
    judged(&mut books, "/new", DOWN).expect("room");
    ping(&mut books, "/new");
    books.settle(60);
    let mut other = Books::another();
    other.settings.sites = vec![Site::parse(BLOG).expect("a site")];
    take_over(&mut other, &books);
    assert!(matches!(standing(&mut other, "/a"), Standing::Verified { title, .. } if title == "A"));
    assert_eq!(standing(&mut other, "/new"), Standing::Open);
    assert_eq!(ping(&mut other, "/a"), Outcome::Counted(2));
}

/// Takes over what another deployment has published.
fn take_over(books: &mut Books, other: &Books) {
    let head = Published::read(other.kv[HEAD].clone()).expect("a head");
    let taken = books.tally.found_head(&books.store, &head, at(books.now));
    taken.expect("rows");
}

/// Views that a takeover brings were seen, whether the site can be read or not.
#[test]
fn views_that_are_taken_over_do_not_wait() {
    let mut before = Books::new(vec![]);
    before.ping("/old", None, None);
    before.settle(60);
    let mut other = Books::another();
    other.settings.sites = vec![Site::parse(BLOG).expect("a site")];
    for id in ["/old", "/new"] {
        assert_eq!(judged(&mut other, id, DOWN), Ok(true));
        ping(&mut other, id);
    }
    take_over(&mut other, &before);
    assert_eq!(standing(&mut other, "/old"), Standing::Open);
    assert!(standing(&mut other, "/new").is_waiting());
    assert_eq!(ping(&mut other, "/old"), Outcome::Counted(3));

    let mut listed = Books::unadopted();
    listed.settings.sites = vec![Site::parse(BLOG).expect("a site")];
    listed.tally.found_no_head();
    for id in ["/old", "/new"] {
        assert_eq!(judged(&mut listed, id, DOWN), Ok(true));
        ping(&mut listed, id);
    }
    let counts = [("/old", Found::Count(5)), ("/new", Found::Count(0))];
    listed.adopt(counts.map(|(id, found)| (post(id), found)).to_vec(), 0);
    assert_eq!(standing(&mut listed, "/old"), Standing::Open);
    assert!(standing(&mut listed, "/new").is_waiting());
    listed.settle(3600);
    assert_eq!(listed.top("", Period::All), [("/old".to_owned(), 6)]);
}

/// Where the room for posts is full, one that waits takes none of it, whatever its page says.
#[test]
fn posts_that_wait_do_not_overfill_the_room() {
    let mut books = books();
    let mut taken = 0;
    loop {
        let id = format!("/{taken}{}", "x".repeat(490));
        if judged(&mut books, &id, real("", "")).is_err() {
            break;
        }
        taken += 1;
        books.now += 60;
        if taken % 200 == 0 {
            books.save();
        }
    }
    books.now += 60;
    let id = format!("/new{}", "x".repeat(490));
    assert_eq!(
        judged(&mut books, &id, real("New", "/new")),
        Err(Error::TooManyPosts)
    );
    assert_eq!(judged(&mut books, &id, DOWN), Ok(true));
    assert_eq!(ping(&mut books, &id), Outcome::Counted(1));
    assert_eq!(
        judged(&mut books, &id, real("New", "/new")),
        Err(Error::TooManyPosts)
    );
    assert!(standing(&mut books, &id).is_waiting());
    assert_eq!(ping(&mut books, &id), Outcome::Counted(2), "none is lost");
    // Of one that has its room the page may change, and one that is not real leaves.
    let known = format!("/0{}", "x".repeat(490));
    assert_eq!(judged(&mut books, &known, real("Title", "/path")), Ok(true));
    assert_eq!(judged(&mut books, "/gone", DOWN), Ok(true));
    assert_eq!(judged(&mut books, "/gone", GONE), Ok(false));
}

/// Somebody has asked for a post that nobody asks for again, while the site was down.
#[test]
fn that_the_site_is_back_is_found_out_by_any_post() {
    let mut books = books();
    for id in ["/a", "/b"] {
        assert_eq!(judged(&mut books, id, real("", id)), Ok(true));
        ping(&mut books, id);
    }
    assert_eq!(judged(&mut books, "/new", DOWN), Ok(true));
    assert_eq!(check(&mut books, "/a"), None, "it was just tried");
    books.now += 301;
    assert_eq!(check(&mut books, "/a"), Some(Some(address("/a"))));
    assert_eq!(check(&mut books, "/b"), None, "one is enough");
    books.now += 301;
    assert_eq!(check(&mut books, "/b"), Some(Some(address("/b"))));
    let before = standing(&mut books, "/b");
    assert_eq!(judged(&mut books, "/b", GONE), Ok(true));
    assert_eq!(books.tally.outage(), None);
    assert_eq!(standing(&mut books, "/b"), before, "it is not quite back");
    books.now += 301;
    assert_eq!(check(&mut books, "/a"), None);
}

/// The owner has given up on `SITE_URL`, as where a firewall keeps the Worker out.
#[test]
fn without_a_site_no_post_waits_any_longer() {
    let mut books = books();
    for id in ["/read", "/quiet"] {
        assert_eq!(judged(&mut books, id, DOWN), Ok(true));
        assert_eq!(ping(&mut books, id), Outcome::Counted(1));
    }
    books.save();
    books.settings.sites.clear();
    books.crash();
    assert_eq!(ping(&mut books, "/read"), Outcome::Counted(2));
    assert_eq!(standing(&mut books, "/read"), Standing::Open);
    books.settle(DAY + 3600);
    let all = [("/read".to_owned(), 2), ("/quiet".to_owned(), 1)];
    assert_eq!(books.top("", Period::All), all);
    assert_eq!((books.export().len(), waiting(&books)), (2, 0));
    assert_eq!(books.published().head.summary.site.total, 3);
}
