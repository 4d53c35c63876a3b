//! Refused pings reach the ledger together, and none is lost with the request that was to report them.

use tally::batch::refused::Refused;
use tally::model::reason::Reason;

#[test]
fn one_report_takes_all() {
    let mut refused = Refused::new();
    assert!(refused.add(Reason::Flood, 0.0));
    assert!(!refused.add(Reason::Origin, 1.0));
    assert!(!refused.add(Reason::Flood, 999.0));
    let report: Vec<_> = refused.report().collect();
    assert_eq!(report, [(Reason::Origin, 1), (Reason::Flood, 2)]);
    assert!(
        refused.add(Reason::Flood, 1000.0),
        "the next one begins anew"
    );
    assert_eq!(refused.report().collect::<Vec<_>>(), [(Reason::Flood, 1)]);
    assert_eq!(refused.report().count(), 0);
}

/// A request may be cancelled with what it was to do after its answer.
#[test]
fn a_report_that_does_not_come_is_begun_again() {
    let mut refused = Refused::new();
    assert!(refused.add(Reason::Flood, 0.0));
    assert!(!refused.add(Reason::Flood, 9_999.0));
    assert!(refused.add(Reason::Flood, 10_000.0));
    assert!(!refused.add(Reason::Flood, 10_001.0));
    assert_eq!(refused.report().collect::<Vec<_>>(), [(Reason::Flood, 4)]);
    // As after a clock that was set back.
    assert!(refused.add(Reason::Flood, 20_000.0));
    assert!(refused.add(Reason::Flood, 5_000.0));
}
