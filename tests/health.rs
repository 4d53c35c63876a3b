//! Whether publishing works: noted where that changes, and told for as long as it fails.

mod site;

use site::{START, Store, at};
use tally::base::error::Error;
use tally::books::health::{failing, is_ill, note};

#[test]
fn the_first_failure_is_kept_until_publishing_works_again() {
    let store = Store::default();
    assert_eq!(failing(&store), Ok(None));
    assert_eq!(note(&store, false, at(START)), Ok(()));
    assert_eq!(store.writes.get(), 0, "what works writes nothing");
    for seconds in [0, 60, 7200] {
        assert_eq!(note(&store, true, at(START + seconds)), Ok(()));
        assert_eq!(failing(&store), Ok(Some(at(START))));
    }
    assert_eq!(store.writes.get(), 1, "it is written once");
    assert_eq!(note(&store, false, at(START)), Ok(()));
    assert_eq!(failing(&store), Ok(None));
    store.rows.borrow_mut().insert("0:failing".into(), vec![1]);
    assert_eq!(failing(&store), Err(Error::Unreadable));
}

#[test]
fn an_hour_is_too_long() {
    assert!(!is_ill(None, at(START)));
    for (seconds, ill) in [(0, false), (3599, false), (3600, true), (90_000, true)] {
        assert_eq!(is_ill(Some(at(START)), at(START + seconds)), ill);
    }
    assert!(!is_ill(Some(at(START)), at(START - 7200)), "set back");
}
