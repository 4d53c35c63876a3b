//! Marks of visitors and of ids, the salts that they are made with, and how long they are known.

#![allow(clippy::expect_used)]

use proptest::prelude::*;
use tally::base::id::PostId;
use tally::base::time::{DAY, Time};
use tally::books::marks::{ID_SECONDS, Mark, Salts, Seen};
use tally::model::place::Key;

const WINDOW: u32 = 1800;
/// A midnight.
const START: u32 = 20_000 * DAY;

fn at(seconds: u32) -> Time {
    Time::from_seconds(seconds)
}

fn post(id: &str) -> PostId {
    PostId::parse(id.to_owned()).expect("an id")
}

/// Salts as they are at a moment, with `key` for the day.
fn salted(moment: u32, key: Key) -> Salts {
    let mut salts = Salts::new([7; 16]);
    salts.rotate(at(moment), WINDOW, || key);
    salts
}

fn today(salts: &Salts) -> Mark {
    let [today, _] = salts.visitor(&post("142"), "192.0.2.1", "Firefox");
    today.expect("a salt of today")
}

fn yesterday(salts: &Salts) -> Option<Mark> {
    salts.visitor(&post("142"), "192.0.2.1", "Firefox")[1]
}

fn never() -> Key {
    unreachable!("the day has its salt")
}

#[test]
fn a_visitor_has_one_mark_a_day() {
    let mut salts = salted(START, [1; 16]);
    let mark = today(&salts);
    for moment in [START, START + 1, START + DAY - 1] {
        salts.rotate(at(moment), WINDOW, never);
        assert_eq!(today(&salts), mark);
        assert_eq!(yesterday(&salts), None);
    }
}

#[test]
fn others_have_other_marks() {
    let salts = salted(START, [1; 16]);
    let visitors = [
        ("142", "192.0.2.1", "Firefox"),
        ("143", "192.0.2.1", "Firefox"),
        ("142", "192.0.2.2", "Firefox"),
        ("142", "192.0.2.1", "Chrome"),
        ("142", "192.0.2.1F", "irefox"),
        ("1421", "92.0.2.1", "Firefox"),
        ("142", "192.0.2.1", ""),
    ];
    let marks = visitors.map(|(id, address, agent)| salts.visitor(&post(id), address, agent)[0]);
    for (i, mark) in marks.iter().enumerate() {
        assert!(!marks[..i].contains(mark), "{:?}", visitors[i]);
    }
    assert_ne!(
        today(&salts),
        today(&salted(START, [2; 16])),
        "the salt counts"
    );
}

#[test]
fn there_are_no_marks_without_a_salt() {
    let salts = Salts::new([7; 16]);
    assert_eq!(salts.visitor(&post("142"), "192.0.2.1", ""), [None; 2]);
    assert_eq!(salts, Salts::new([7; 16]));
}

#[test]
fn yesterdays_mark_is_known_for_the_window() {
    let before = salted(START + DAY - 1, [1; 16]);
    for (second, known) in [(0, true), (1, true), (WINDOW - 1, true), (WINDOW, false)] {
        let mut salts = before.clone();
        salts.rotate(at(START + DAY + second), WINDOW, || [2; 16]);
        let expected = known.then(|| today(&before));
        assert_eq!(yesterday(&salts), expected, "{second}");
        assert_ne!(today(&salts), today(&before));
    }
    let mut salts = before.clone();
    salts.rotate(at(START + DAY), WINDOW, || [2; 16]);
    salts.rotate(at(START + DAY + WINDOW - 1), WINDOW, never);
    assert!(yesterday(&salts).is_some());
    salts.rotate(at(START + DAY + WINDOW), WINDOW, never);
    assert_eq!(yesterday(&salts), None, "forgotten as time goes by");
}

#[test]
fn the_salt_of_an_earlier_day_is_forgotten_at_once() {
    let before = salted(START, [1; 16]);
    for moment in [START + 2 * DAY, START - 1] {
        let mut salts = before.clone();
        salts.rotate(at(moment), WINDOW, || [2; 16]);
        assert_eq!(yesterday(&salts), None, "{moment}");
        assert_ne!(today(&salts), today(&before));
    }
}

#[test]
fn a_window_of_a_day_keeps_yesterdays_mark_all_day() {
    let mut salts = salted(START, [1; 16]);
    salts.rotate(at(START + 2 * DAY - 1), DAY, || [2; 16]);
    assert!(yesterday(&salts).is_some());
}

#[test]
fn old_salts_can_be_forgotten_without_a_visit() {
    let before = salted(START, [1; 16]);
    let forgotten = Salts::new([7; 16]);
    for (moment, kept) in [
        (START + DAY - 1, true),
        (START + DAY, true),
        (START + DAY + WINDOW - 1, true),
        (START + DAY + WINDOW, false),
        (START + 2 * DAY, false),
        (START - 1, false),
    ] {
        let mut salts = before.clone();
        salts.forget(at(moment), WINDOW);
        let expected = if kept { &before } else { &forgotten };
        assert_eq!(&salts, expected, "{moment}");
    }
    let mut salts = before.clone();
    salts.rotate(at(START + DAY), WINDOW, || [2; 16]);
    salts.forget(at(START + DAY + WINDOW - 1), WINDOW);
    assert!(yesterday(&salts).is_some());
    salts.forget(at(START + DAY + WINDOW), WINDOW);
    assert_eq!(yesterday(&salts), None);
    assert_eq!(today(&salts), today(&salted(START, [2; 16])));
}

#[test]
fn salts_are_forgotten_as_soon_as_they_are_not_needed() {
    let window_later = Some(at(START + DAY + WINDOW));
    let mut salts = salted(START, [1; 16]);
    for moment in [
        START,
        START + DAY - 1,
        START + DAY,
        START + DAY + WINDOW - 1,
    ] {
        let due = salts.forget_at(WINDOW);
        assert_eq!(due, window_later, "{moment}");
    }
    salts.rotate(at(START + DAY), WINDOW, || [2; 16]);
    let due = salts.forget_at(WINDOW);
    assert_eq!(due, window_later, "yesterday's comes first");
    let none = Salts::new([7; 16]);
    assert_eq!(none.forget_at(WINDOW), None);
}

#[test]
fn ids_keep_their_marks() {
    let mut salts = Salts::new([7; 16]);
    let mark = salts.import("a");
    salts.rotate(at(START), WINDOW, || [1; 16]);
    salts.rotate(at(START + 3 * DAY), WINDOW, || [2; 16]);
    salts.forget(at(START + 9 * DAY), WINDOW);
    assert_eq!(salts.import("a"), mark);
    assert_ne!(salts.import("b"), mark);
    assert_ne!(Salts::new([8; 16]).import("a"), mark, "the key counts");
}

#[test]
fn marks_tell_nothing_without_the_salt() {
    // What is stored of a visitor is 64 bits and no text.
    let bytes = postcard::to_extend(&today(&salted(START, [1; 16])), Vec::new());
    assert_eq!(bytes.expect("bytes").len(), 8);
}

#[test]
fn a_mark_is_seen_for_less_than_the_window() {
    let salts = Salts::default();
    let (mark, other) = (salts.import("a"), salts.import("b"));
    let mut seen = Seen::at_most(1000);
    seen.insert(mark, at(START), ID_SECONDS);
    for (moment, window, known) in [
        (START, WINDOW, true),
        (START + WINDOW - 1, WINDOW, true),
        (START + WINDOW, WINDOW, false),
        (START - WINDOW + 1, WINDOW, true),
        (START - WINDOW, WINDOW, false),
        (START, 1, true),
        (START, 0, false),
        (START + DAY - 1, DAY, true),
    ] {
        assert_eq!(seen.has(&mark, at(moment), window), known, "{moment}");
        assert!(!seen.has(&other, at(moment), window));
    }
    seen.insert(mark, at(START + WINDOW), ID_SECONDS);
    assert!(seen.has(&mark, at(START + 2 * WINDOW - 1), WINDOW), "anew");
}

#[test]
fn an_id_is_of_its_post() {
    let salts = Salts::default();
    let ids = [("a", "x"), ("b", "x"), ("a", "y")].map(|(of, id)| salts.id(&post(of), id));
    assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
    assert_eq!(salts.id(&post("a"), "x"), ids[0]);
}

#[test]
fn the_oldest_are_forgotten_where_there_are_too_many() {
    let salts = Salts::default();
    let mark = |n: u32| salts.import(&n.to_string());
    let mut seen = Seen::at_most(1000);
    for n in 0..10_000 {
        seen.insert(mark(n), at(START), ID_SECONDS);
        assert!(seen.len() <= 1000);
        assert!(seen.has(&mark(n), at(START), DAY));
    }
    assert!(!seen.has(&mark(0), at(START), DAY));
    assert!(seen.has(&mark(9_600), at(START), DAY), "half of them stay");
}

#[test]
fn what_is_older_than_the_window_makes_room() {
    let salts = Salts::default();
    let mut seen = Seen::at_most(1000);
    for n in 0..300 {
        let at = at(START + n * WINDOW / 100);
        seen.insert(salts.import(&n.to_string()), at, WINDOW);
    }
    assert!(seen.len() <= 202, "{} marks of two windows", seen.len());
}

proptest! {
    /// Whatever the times of two visits, the second is known inside the window, though the salt
    /// was replaced between them, and not after it.
    #[test]
    fn a_repeat_is_known_inside_the_window(
        first in START..START + 2 * DAY,
        later in 0..2 * WINDOW,
        window in 1..=WINDOW,
    ) {
        let mut salts = Salts::default();
        let mut seen = Seen::at_most(1000);
        salts.rotate(at(first), window, || [1; 16]);
        seen.insert(today(&salts), at(first), ID_SECONDS);
        let now = at(first + later);
        salts.rotate(now, window, || [2; 16]);
        let marks = [Some(today(&salts)), yesterday(&salts)];
        let known = marks.iter().flatten().any(|mark| seen.has(mark, now, window));
        prop_assert_eq!(known, later < window);
    }
}
