//! Days of heavy traffic: the writes to Workers KV stay within the day's budget, and publications
//! come until the day's end.

#![allow(clippy::expect_used)]

mod site;

use proptest::prelude::*;
use site::{START, Site, at};
use tally::base::settings::Settings;
use tally::base::time::DAY;
use tally::published::budget::Budget;
use tally::published::head::HEAD;

/// The midnight that the first day begins at.
const FIRST: u32 = START - DAY / 2;

/// A publication: when it began, and what it may have written.
struct Written {
    at: u32,
    writes: u32,
}

/// What happens to the writes.
#[derive(Clone, Copy, PartialEq)]
enum Kv {
    Works,
    Fails,
    /// The head is written, then no entry is.
    FailsAfterHead,
}

/// Traffic on many posts, from alarm to alarm as the ledger does it.
struct Traffic {
    posts: u32,
    /// Between two alarms.
    pings: u32,
    kv: Kv,
    crashes: bool,
}

impl Traffic {
    fn run(&self, settings: Settings, days: u32) -> Vec<Written> {
        let mut site = Site::new(vec![]);
        site.settings = Settings {
            new_posts: u32::MAX,
            ..settings
        };
        site.now = FIRST;
        let mut all = Vec::new();
        let mut alarm = FIRST;
        for n in 0.. {
            for ping in 0..self.pings {
                let of = (n * 7919 + ping * ping * 31) % self.posts;
                site.ping(of, None, Some("192.0.2.1"));
                alarm = site.arm().unwrap_or(alarm);
            }
            site.save();
            assert!(alarm >= site.now, "alarms are not in the past");
            site.now = alarm;
            if alarm >= FIRST + days * DAY {
                break;
            }
            all.extend(self.alarm(&mut site));
            // Without a change there is no alarm; the next ping sets it.
            alarm = site.arm().unwrap_or(u32::MAX);
            // People come a little later.
            site.now += 1;
        }
        all
    }

    fn alarm(&self, site: &mut Site) -> Option<Written> {
        let before = site.writes;
        let at = site.now;
        if self.crashes && at.is_multiple_of(7) {
            let begun = site.tally.begin(&site.store, site::at(at), &site.settings);
            let begun = begun.expect("pages")?;
            site.save();
            site.crash();
            // The head and all entries may have been written.
            let writes = 1 + begun.entries.len() as u32;
            return Some(Written { at, writes });
        }
        match self.kv {
            Kv::Works => site.publish_due(),
            Kv::Fails => site.publish_where(|_| false),
            Kv::FailsAfterHead => site.publish_where(|key| key == HEAD),
        }?;
        let writes = site.writes - before;
        Some(Written { at, writes })
    }
}

/// Every day within its budget, never too soon after the last, and up to the day's end.
fn check(all: &[Written], settings: &Settings, days: u32, longest: u32) {
    for day in 0..days {
        let begin = FIRST + day * DAY;
        let of_day = |one: &&Written| (begin..begin + DAY).contains(&one.at);
        let writes: u32 = all.iter().filter(of_day).map(|one| one.writes).sum();
        assert!(writes <= settings.writes, "{writes} writes on day {day}");
        let last = all.iter().rfind(|one| of_day(one)).expect("a publication");
        let rest = begin + DAY - last.at;
        assert!(rest <= longest, "the last is {rest} s before midnight");
    }
    for pair in all.windows(2) {
        let gap = pair[1].at - pair[0].at;
        assert!(gap >= settings.publish, "two within {gap} s");
        assert!(gap <= longest, "none for {gap} s");
    }
}

fn simulate(traffic: &Traffic, settings: Settings, days: u32, longest: u32) -> Vec<Written> {
    let all = traffic.run(settings.clone(), days);
    check(&all, &settings, days, longest);
    all
}

const BUSY: Traffic = Traffic {
    posts: 500,
    pings: 20,
    kv: Kv::Works,
    crashes: false,
};

#[test]
fn a_day_costs_what_is_set_by_default() {
    let all = simulate(&BUSY, Settings::default(), 1, 301);
    let writes: u32 = all.iter().map(|one| one.writes).sum();
    assert!(writes > 800, "{writes}: what is there is used");
    assert!(all.len() >= 280, "{} publications", all.len());
}

#[test]
fn a_month_costs_what_is_set_by_default() {
    let traffic = Traffic {
        posts: 15,
        pings: 3,
        ..BUSY
    };
    simulate(&traffic, Settings::default(), 31, 301);
}

#[test]
fn failures_cost_as_much() {
    for kv in [Kv::Fails, Kv::FailsAfterHead] {
        for publish in [1, 300] {
            let settings = Settings {
                publish,
                ..Settings::default()
            };
            let traffic = Traffic {
                kv,
                posts: 150,
                ..BUSY
            };
            simulate(&traffic, settings, 1, 900);
        }
    }
}

#[test]
fn crashes_cost_as_much() {
    let traffic = Traffic {
        crashes: true,
        ..BUSY
    };
    simulate(&traffic, Settings::default(), 2, 900);
}

#[test]
fn a_second_between_publications_is_stretched() {
    let settings = Settings {
        publish: 1,
        ..Settings::default()
    };
    let traffic = Traffic { posts: 150, ..BUSY };
    let all = simulate(&traffic, settings, 2, 300);
    assert!(all.len() >= 1600, "{} publications", all.len());
}

#[test]
fn small_budgets_last_all_day() {
    for (writes, longest) in [(3, DAY), (24, 2 * 3600 + 60)] {
        let settings = Settings {
            writes,
            ..Settings::default()
        };
        simulate(&BUSY, settings, 2, longest);
    }
}

#[test]
fn writes_are_counted_by_day() {
    let mut budget = Budget::default();
    budget.spend(5, at(FIRST));
    budget.spend(7, at(FIRST + DAY - 1));
    assert_eq!(budget.spent(at(FIRST)), 12);
    assert_eq!(budget.spent(at(FIRST + DAY)), 0);
    budget.spend(1, at(FIRST + DAY));
    assert_eq!(budget.spent(at(FIRST + DAY)), 1);
    budget.spend(u32::MAX, at(FIRST + DAY));
    assert_eq!(
        budget.beside_head(0, at(FIRST + DAY), &Settings::default()),
        None
    );
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_publication() {
    let settings = Settings::default();
    let (now, later) = (at(START), at(START + 40 * DAY));
    assert_eq!(Budget::default().next(later, now, &settings), now.plus(300));
}

proptest! {
    /// Whatever is asked when: what may be spent is there, and the rest of the day's snapshots are
    /// set aside before any entry.
    #[test]
    fn a_budget_is_never_overdrawn(
        steps in prop::collection::vec((0..4000_u32, any::<bool>()), 1..200),
        publish in 1..=4000_u32,
        writes in 1..1200_u32,
    ) {
        let settings = Settings { publish, writes, ..Settings::default() };
        let mut budget = Budget::default();
        let (mut last, mut now) = (at(0), at(FIRST));
        for (step, soon) in steps {
            let next = budget.next(last, now, &settings);
            prop_assert!(next >= now && next <= now.plus(now.rest_of_day().max(publish)));
            now = now.plus(step).max(if soon { next } else { now });
            let Some(entries) = budget.beside_head(0, now, &settings) else {
                prop_assert_eq!(budget.spent(now), writes);
                prop_assert_eq!(budget.next(last, now, &settings), now.plus(now.rest_of_day()));
                continue;
            };
            prop_assert!(entries <= 100);
            budget.spend(entries + 1, now);
            prop_assert!(budget.spent(now) <= writes);
            let snapshots = now.rest_of_day().div_ceil(publish);
            prop_assert!(entries == 0 || writes - budget.spent(now) >= snapshots);
            last = now;
            prop_assert!(budget.next(last, now, &settings) >= now.plus(publish.min(now.rest_of_day())));
        }
    }
}
