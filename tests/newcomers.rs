//! The rate limit is asked about every ping of an address that comes again, and of no other.

use tally::batch::newcomers::Newcomers;

const MINUTE: f64 = 60_000.0;

#[test]
fn whoever_comes_again_is_asked_about_for_both() {
    let mut newcomers = Newcomers::new([7; 16]);
    assert_eq!(newcomers.asks("a", 0.0), 0);
    assert_eq!(newcomers.asks("b", 1.0), 0);
    assert_eq!(newcomers.asks("a", 2.0), 2);
    for n in 3..100 {
        assert_eq!(newcomers.asks("a", f64::from(n)), 1);
    }
    assert_eq!(newcomers.asks("b", 200.0), 2);
}

/// So an address is never asked about once less than it has pinged in a period of the rate limit.
#[test]
fn nobody_is_new_within_a_minute() {
    for gap in [1.0, 30_000.0, MINUTE - 1.0, MINUTE] {
        let mut newcomers = Newcomers::new([7; 16]);
        let mut now = 1e12;
        assert_eq!(newcomers.asks("a", now), 0);
        for n in 0..50 {
            now += gap;
            assert_eq!(
                newcomers.asks("a", now),
                if n == 0 { 2 } else { 1 },
                "{gap}"
            );
            newcomers.asks(&format!("{n}"), now + gap / 2.0);
        }
        assert_eq!(newcomers.asks("a", now + 2.0 * MINUTE), 0, "forgotten");
    }
}

#[test]
fn a_clock_that_is_set_back_forgets_nobody() {
    let mut newcomers = Newcomers::new([7; 16]);
    assert_eq!(newcomers.asks("a", 1e12), 0);
    assert_eq!(newcomers.asks("a", 1e9), 2);
    assert_eq!(newcomers.asks("a", 1e9 + 1.0), 1);
}

#[test]
fn many_addresses_are_asked_about_at_once_and_not_kept() {
    let mut newcomers = Newcomers::new([7; 16]);
    let asks = (0..300_000).map(|n| u32::from(newcomers.asks(&n.to_string(), 0.0)));
    let asks = asks.sum::<u32>();
    assert!((200_000..200_020).contains(&asks), "{asks}");
    assert_eq!(newcomers.asks("299999", 1.0), 1);
    assert_eq!(
        newcomers.asks("0", 1.0),
        2,
        "of those who were there before, the first one is not forgotten"
    );
    assert_eq!(newcomers.asks("new", MINUTE), 0);
}
