//! Counts, amounts, and the group commit that writes them.

#![allow(clippy::expect_used)]

use proptest::prelude::*;
use tally::commit::{GroupCommit, Step};
use tally::count::{Amount, Count, MAX};
use tally::error::Error;

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
fn a_lone_increment_is_written_at_once() {
    let mut commit = GroupCommit::new(Count::ZERO);
    for n in 1..1000 {
        let (counted, step) = commit.add(Amount::ONE).expect("in range");
        assert_eq!(counted, count(n));
        assert_eq!(commit.stored(), counted);
        assert_ne!(step, Step::Wait);
        if step == Step::WriteAndWatch {
            assert_eq!(commit.written(), None);
        }
    }
}

#[test]
fn those_who_wait_share_a_write() {
    let mut commit = GroupCommit::new(Count::ZERO);
    assert_eq!(commit.add(Amount::ONE), Ok((count(1), Step::WriteAndWatch)));
    assert_eq!(commit.add(Amount::ONE), Ok((count(2), Step::Wait)));
    assert_eq!(commit.add(amount(5)), Ok((count(7), Step::Wait)));
    assert_eq!(commit.stored(), count(1), "what is not written is not told");
    assert_eq!(commit.written(), Some(count(7)));
    assert_eq!(commit.stored(), count(7));
    assert_eq!(commit.add(Amount::ONE), Ok((count(8), Step::Wait)));
    assert_eq!(commit.written(), Some(count(8)));
    assert_eq!(commit.written(), None);
    let again = commit.add(Amount::ONE);
    assert_eq!(
        again,
        Ok((count(9), Step::WriteAndWatch)),
        "others may wait again"
    );
}

#[test]
fn a_refused_increment_changes_nothing() {
    let mut commit = GroupCommit::new(count(MAX - 2));
    assert_eq!(
        commit.add(Amount::ONE),
        Ok((count(MAX - 1), Step::WriteAndWatch))
    );
    assert_eq!(commit.add(Amount::ONE), Ok((count(MAX), Step::Wait)));
    assert_eq!(commit.add(Amount::ONE), Err(Error::OutOfRange));
    assert_eq!(commit.written(), Some(count(MAX)));
    assert_eq!(commit.written(), None);
}

/// What happens to an object: somebody increments, or the watched write arrives.
#[derive(Clone, Debug)]
enum Event {
    Add(i64),
    Arrive,
}

proptest! {
    /// Whatever the order: every count is the sum so far, what is read is what was written, an
    /// increment waits only for a write that comes, and none is left behind.
    #[test]
    fn every_increment_is_written_once(
        events in prop::collection::vec(
            prop_oneof![3 => (-9i64..9).prop_map(Event::Add), 1 => Just(Event::Arrive)],
            0..400,
        ),
    ) {
        let mut commit = GroupCommit::new(Count::ZERO);
        let (mut sum, mut written, mut watched, mut waiting) = (0, 0, false, false);
        for event in events.into_iter().chain([Event::Arrive, Event::Arrive]) {
            match event {
                Event::Add(n) => {
                    sum += n;
                    let (counted, step) = commit.add(amount(n)).expect("in range");
                    prop_assert_eq!(counted, count(sum));
                    match step {
                        Step::Wait => {
                            prop_assert!(watched);
                            waiting = true;
                        }
                        _ => {
                            prop_assert!(!watched);
                            watched = step == Step::WriteAndWatch;
                            written = sum;
                        }
                    }
                }
                Event::Arrive if watched => {
                    let next = commit.written();
                    prop_assert_eq!(next.is_some(), waiting);
                    if let Some(next) = next {
                        prop_assert_eq!(next, count(sum));
                        written = sum;
                    }
                    watched = waiting;
                    waiting = false;
                }
                Event::Arrive => {}
            }
            prop_assert_eq!(commit.stored(), count(written));
        }
        prop_assert_eq!(written, sum);
    }
}
