//! Counts, amounts, and the group commit that writes them.

#![allow(clippy::expect_used)]

use proptest::prelude::*;
use tally::base::count::{Amount, Count};
use tally::base::error::Error;
use tally::base::limits::MAX_COUNT as MAX;
use tally::batch::commit::{GroupCommit, Step};

fn amount(integer: i64) -> Amount {
    Amount::from_number(integer as f64).expect("an amount")
}

fn count(integer: i64) -> Count {
    Count::from_number(integer as f64).expect("a count")
}

#[test]
fn numbers_that_are_no_integers_are_refused() {
    let beyond = (MAX + 1) as f64;
    for number in [
        0.5,
        -0.5,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        beyond,
        -beyond,
        1e300,
    ] {
        assert_eq!(
            Amount::from_number(number),
            Err(Error::InvalidAmount),
            "{number}"
        );
        assert_eq!(
            Count::from_number(number),
            Err(Error::NotACount),
            "{number}"
        );
    }
    for number in [0.0, -0.0, 1.0, -1.0, MAX as f64, -MAX as f64] {
        assert_eq!(Amount::from_number(number).map(Amount::number), Ok(number));
        assert_eq!(Count::from_number(number).map(Count::number), Ok(number));
    }
}

#[test]
fn a_count_stays_within_its_range() {
    assert_eq!(count(MAX - 1).plus(Amount::ONE), Ok(count(MAX)));
    assert_eq!(count(MAX).plus(Amount::ONE), Err(Error::OutOfRange));
    assert_eq!(count(-MAX).plus(-Amount::ONE), Err(Error::OutOfRange));
    assert_eq!(count(MAX).plus(amount(-MAX)), Ok(Count::ZERO));
    assert_eq!(count(MAX).plus(amount(MAX)), Err(Error::OutOfRange));
}

#[test]
fn counts_are_printed_as_integers() {
    assert_eq!(count(MAX).to_string(), "9007199254740991");
    assert_eq!(count(-7).to_string(), "-7");
}

#[test]
fn a_lone_change_is_written_at_once() {
    let mut commit = GroupCommit::new(128);
    for _ in 1..1000 {
        let step = commit.add();
        assert_ne!(step, Step::Wait);
        if step == Step::WriteAndWatch {
            assert!(!commit.written());
        }
    }
}

#[test]
fn those_who_wait_share_a_write() {
    let mut commit = GroupCommit::new(128);
    assert_eq!(commit.add(), Step::WriteAndWatch);
    assert_eq!(commit.add(), Step::Wait);
    assert_eq!(commit.add(), Step::Wait);
    assert!(commit.written());
    assert_eq!(commit.add(), Step::Wait);
    assert!(commit.written());
    assert!(!commit.written());
    assert_eq!(commit.add(), Step::WriteAndWatch, "others may wait again");
}

/// What happens to an object: a change, or the watched write arrives.
#[derive(Clone, Debug)]
enum Event {
    Add,
    Arrive,
}

proptest! {
    /// Whatever the order: a change waits only for a write that comes, no two watched writes are on
    /// their way, and no change is left behind.
    #[test]
    fn every_change_is_written(
        events in prop::collection::vec(
            prop_oneof![3 => Just(Event::Add), 1 => Just(Event::Arrive)],
            0..400,
        ),
    ) {
        let mut commit = GroupCommit::new(128);
        let (mut added, mut written, mut watched) = (0, 0, false);
        for event in events.into_iter().chain([Event::Arrive, Event::Arrive]) {
            match event {
                Event::Add => {
                    added += 1;
                    let step = commit.add();
                    prop_assert_eq!(step == Step::Wait, watched);
                    if step != Step::Wait {
                        written = added;
                        watched = step == Step::WriteAndWatch;
                    }
                }
                Event::Arrive if watched => {
                    watched = commit.written();
                    prop_assert_eq!(watched, written < added);
                    written = added;
                }
                Event::Arrive => {}
            }
        }
        prop_assert_eq!(written, added);
    }
}
