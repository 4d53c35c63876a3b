//! What goes on for long, goes wrong again and again, or stops at the worst moment.

#![allow(clippy::expect_used)]
mod site;
use site::{START, Site, at, post};
use std::cell::Cell;
use std::collections::BTreeMap;
use tally::base::id::PostId;
use tally::base::limits::HOUR_SECONDS as HOUR;
use tally::base::time::DAY;
use tally::books::publication::Outcomes;
use tally::books::tally::Tally;
use tally::model::record::{Period, Record};
use tally::published::part;

/// Rows are only dropped together with what names them.
#[test]
fn a_kill_between_begin_and_the_commit_leaves_readable_books() {
    let mut site = Site::new(vec![]);
    for n in 0..2000 {
        site.ping(n % 50, None, Some(&format!("v{n}")));
        site.save();
    }
    site.now += 1801;
    let now = at(site.now);
    let _ = site
        .tally
        .begin(&site.store, now, &site.settings)
        .expect("pages");
    let again = Tally::load(&site.store, 0, &site.settings, now, || unreachable!());
    assert!(
        again.is_ok(),
        "the books cannot be read any more: {:?}",
        again.err()
    );
}

#[test]
fn views_ahead_of_the_clock_reach_the_top_list_when_their_hour_comes() {
    let mut site = Site::new(vec![]);
    let mut record = Record::default();
    for _ in 0..5 {
        record.view(at(START + 2 * HOUR));
    }
    site.import(vec![(post("a"), record)]);
    site.settle(HOUR);
    site.now = START + 3 * HOUR;
    site.settle(60);
    site.ping("b", None, None);
    site.save();
    site.now += 400;
    site.publish_due();
    let day = site.top("", Period::Day);
    assert!(
        day.iter().any(|(id, _)| id == "a"),
        "a has 5 views of this day, the list: {day:?}"
    );
}

#[test]
fn an_hour_of_tomorrow_does_not_wipe_the_hours_of_the_site() {
    let mut site = Site::new(vec![]);
    for n in 0..10 {
        site.ping(n, None, None);
    }
    let mut record = Record::default();
    record.view(at(START + DAY));
    site.import(vec![(post("z"), record)]);
    site.ping("q", None, None);
    site.now += 400;
    site.save();
    site.publish_due();
    let summary = site.published().head.summary;
    // What is ahead of the clock counts as of now.
    assert_eq!(summary.site.views(Period::Day, at(site.now)), 12);
}

#[test]
fn totals_survive_saturation() {
    let mut site = Site::new(vec![]);
    let most = (1u64 << 53) - 1;
    site.set("a", most);
    site.set("b", most);
    site.set("a", 0);
    site.save();
    site.now += 400;
    site.publish_due();
    assert_eq!(site.published().head.summary.site.total, most);
}

/// A site of parts with retired keys; Workers KV refuses to remove them.
fn with_retired() -> Site {
    let mut site = Site::new(vec![]);
    site.settings.writes = 100_000;
    for k in 0..6 {
        let records = (0..800).map(|n| {
            let mut record = Record::default();
            record.view(at(START));
            (
                post(format!("{:04}{}", n + 800 * k, "x".repeat(500))),
                record,
            )
        });
        site.import(records.collect());
        site.save();
        for _ in 0..3 {
            site.now += 300;
            site.publish_due();
        }
    }
    site
}

#[test]
fn keys_that_cannot_be_removed_do_not_eat_the_budget() {
    let mut site = with_retired();
    site.now += DAY;
    let (mut alarms, tried) = (0, Cell::new(0));
    let begin = site.now;
    while let Some(alarm) = site.arm() {
        site.now = site.now.max(alarm);
        if site.now > begin + 8 * HOUR || alarms > 2000 {
            break;
        }
        alarms += 1;
        site.publish_where(|key| {
            let is_retired = key.starts_with(part::PREFIX);
            tried.set(tried.get() + u32::from(is_retired));
            !is_retired
        });
        site.save();
    }
    let writes = tried.get();
    assert!(writes > 0, "there is something to remove");
    assert!(
        alarms < 200 && writes < 30,
        "{alarms} alarms, {writes} removals tried in eight hours"
    );
}

#[test]
fn puts_that_fail_while_a_head_is_incomplete_do_not_eat_the_budget() {
    let mut site = Site::new(vec![]);
    let records = (0..4000).map(|n| {
        let mut record = Record::default();
        record.view(at(START));
        (post(format!("{n:04}{}", "x".repeat(500))), record)
    });
    site.import(records.collect());
    site.save();
    site.now += 400;
    // Of this day's writes none is left for the parts, and the head waits for them.
    site.settings.writes = 1 + (DAY / 2 - 400_u32).div_ceil(300);
    // The lists come first.
    while site.publish_due().is_none() {
        site.now += 1;
        assert!(site.now < START + 410);
    }
    assert!(site.kv.is_empty());
    site.settings.writes = 900;
    site.now += 300;
    let first = Cell::new(true);
    site.publish_where(|_| first.take());
    let keys: Vec<_> = site.kv.keys().collect();
    assert!(
        matches!(*keys, [key] if key.starts_with(part::PREFIX)),
        "{keys:?}"
    );
    let mut first = 0;
    let begin = site.now;
    let before = site.writes;
    while let Some(alarm) = site.arm() {
        site.now = site.now.max(alarm);
        if site.now > begin + 600 {
            break;
        }
        first += 1;
        site.publish_where(|_| false);
        site.save();
    }
    assert!(
        (1..=5).contains(&first),
        "{first} alarms, {} writes in ten minutes of a KV that refuses",
        site.writes - before
    );
}

#[test]
fn three_keys_that_fail_do_not_starve_others_after_eviction() {
    let mut site = Site::new(vec![]);
    for n in 0..20 {
        site.set(n, 100 - n);
    }
    site.save();
    let mut offered = std::collections::BTreeSet::new();
    for _ in 0..10 {
        site.now += 300;
        let now = at(site.now);
        let begun = site
            .tally
            .begin(&site.store, now, &site.settings)
            .expect("pages");
        site.save();
        let Some(begun) = begun else { continue };
        let mut outcomes = Outcomes::default();
        while let Some(write) = site.next_write() {
            outcomes.writes += 1;
            site.tally.written(write.what, write.at);
        }
        let mut failures = 0;
        for stale in begun.entries {
            if failures == 3 {
                break;
            }
            outcomes.writes += 1;
            let bad = ["0", "1", "2"].contains(&stale.post.as_str());
            failures += u32::from(bad);
            if !bad {
                offered.insert(stale.post.clone());
            }
            outcomes.entries.push((
                stale.post,
                (!bad).then_some(tally::model::page::Entry::Count(stale.views)),
            ));
        }
        site.tally
            .end(&site.store, outcomes, now, &site.settings)
            .expect("end");
        site.save();
        site.crash();
    }
    assert_eq!(offered.len(), 17);
}

/// Random numbers, the same ones every time.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % most
    }
}

/// A site of many posts with long ids, over many pages.
fn wide() -> Site {
    let mut site = Site::new(vec![]);
    for first in (0..WIDE).step_by(1000) {
        let records = (first..first + 1000).map(|n| {
            let mut record = Record::default();
            record.view(at(START));
            (post(wide_id(n)), record)
        });
        site.import(records.collect());
        site.save();
    }
    site
}

const WIDE: u64 = 16_000;

fn wide_id(n: u64) -> String {
    format!("{n:05}{}", "x".repeat(500))
}

/// A new visitor views one of its posts.
fn view_wide(site: &mut Site, random: &mut Random) {
    let n = random.below(WIDE);
    let visitor = format!("v{}", random.0);
    site.ping(wide_id(n), None, Some(&visitor));
}

/// The journal is emptied of old marks while it grows.
#[test]
fn a_busy_site_over_many_pages_has_no_alarm_every_second() {
    let mut site = wide();
    let mut random = Random(1);
    let mut ping = |site: &mut Site| view_wide(site, &mut random);
    ping(&mut site);
    site.save();
    site.settings.dedupe = 60; // the first mark is due after 60 s and BUSY_SECONDS
    site.now += 61 + DAY / 4 - 40;
    let (mut alarms, begin) = (0, site.now);
    let mut alarm = site.arm();
    while site.now < begin + 240 {
        site.now += 1;
        for _ in 0..8 {
            ping(&mut site);
            site.save();
        }
        if let Some(new) = site.arm() {
            alarm = Some(new);
        }
        if alarm.is_some_and(|at| at <= site.now) {
            alarm = None;
            alarms += 1;
            site.publish_due();
            site.save();
            alarm = site.arm().or(alarm);
        }
    }
    assert!(alarms < 60, "{alarms} alarms in 240 s");
}

/// Also where one save takes many pings of many pages.
#[test]
fn the_journal_is_bounded_under_batches() {
    let mut site = wide();
    let mut random = Random(1);
    let mut most = 0;
    for _ in 0..200 {
        for _ in 0..256 {
            view_wide(&mut site, &mut random);
        }
        site.save();
        let rows = site.store.rows.borrow();
        most = most.max(
            rows.iter()
                .filter(|(k, _)| k.contains(":journal:"))
                .map(|(_, v)| v.len())
                .sum::<usize>(),
        );
    }
    assert!(most <= 2 << 20, "the journal had {most} bytes");
}

/// Views, imports, deletions, new settings, failed saves, crashes and days that pass, on more posts than
/// a ranking holds: what is counted and published is what a simple model says.
#[test]
fn many_posts_are_published_right_whatever_happens() {
    let prefixes = [
        vec![],
        vec!["/a".to_owned()],
        vec!["/b/".to_owned(), "/a".to_owned()],
    ];
    for seed in 0..2 {
        let mut random = Random(seed);
        let mut site = Site::new(vec![]);
        site.settings.writes = 100_000;
        let mut model: BTreeMap<PostId, Record> = BTreeMap::new();
        let mut saved = model.clone();
        let id = |n: u64| match n % 3 {
            0 => format!("/a/{n}{}", "x".repeat(n as usize % 300)),
            1 => format!("/b/{n}"),
            _ => n.to_string(),
        };
        for step in 0..1500 {
            // Some posts are viewed much more often than others.
            let most = 1 + random.below(700);
            let n = random.below(most);
            match random.below(100) {
                0..70 => {
                    for _ in 0..1 + random.below(4) {
                        site.ping(id(n), None, None);
                        model.entry(post(id(n))).or_default().view(at(site.now));
                    }
                }
                70..73 => {
                    let views = random.below(3) * 10;
                    site.set(id(n), views);
                    let record = model.entry(post(id(n))).or_default();
                    match views {
                        0 => *record = Record::default(),
                        views => record.set(views),
                    }
                }
                73..75 => {
                    let records: Vec<_> = (0..random.below(200))
                        .map(|k| {
                            let mut record = Record::default();
                            for _ in 0..random.below(9) {
                                let ago = random.below(20 * u64::from(DAY)) as u32;
                                record.view(at(site.now - ago));
                            }
                            (post(id(n + k)), record)
                        })
                        .collect();
                    site.import(records.clone());
                    model.extend(records);
                }
                75..77 => {
                    site.settings.dedupe = random.below(3) as u32 * 1800;
                    site.settings.lists = prefixes[random.below(3) as usize].clone();
                    site.save();
                    site.crash();
                    saved.clone_from(&model);
                }
                77..80 => {
                    let now = at(site.now);
                    site.store.fails_after.set(Some(random.below(4) as u32));
                    let rows = site.store.rows.borrow().clone();
                    if site.tally.save(&site.store, now, &site.settings).is_err() {
                        // As a transaction does.
                        site.store.rows.replace(rows);
                        site.store.fails_after.set(None);
                        site.crash();
                        model.clone_from(&saved);
                    }
                    site.store.fails_after.set(None);
                    saved.clone_from(&model);
                }
                80..82 => {
                    site.crash();
                    model.clone_from(&saved);
                }
                82..90 => {
                    let hours = random.below(4) * random.below(30);
                    site.now += 600 + hours as u32 * HOUR;
                }
                _ => {
                    site.save();
                    saved.clone_from(&model);
                }
            }
            if step % 100 == 99 {
                site.tally.publish_again(at(site.now));
                site.save();
                site.settle(2 * HOUR);
                saved.clone_from(&model);
                is_right(&mut site, &model);
            }
        }
    }
}

/// Compares what is counted, exported and published with what it should be.
fn is_right(site: &mut Site, model: &BTreeMap<PostId, Record>) {
    let viewed = model.iter().filter(|(_, record)| record.total > 0);
    let viewed: BTreeMap<_, _> = viewed
        .map(|(id, record)| (id.clone(), record.clone()))
        .collect();
    assert_eq!(site.export(), viewed);
    let summary = site.published().head.summary;
    assert_eq!(summary.posts as usize, viewed.len());
    let total: u64 = viewed.values().map(|record| record.total).sum();
    assert_eq!(summary.site.total, total);
    for id in model.keys().step_by(29) {
        let views = viewed.get(id).map_or(0, |record| record.total);
        assert_eq!(site.read(id.as_str()), views, "{}", id.as_str());
    }
    let prefixes = site.settings.lists.iter().cloned().chain([String::new()]);
    for prefix in prefixes.collect::<Vec<_>>() {
        for period in Period::EACH {
            let posts = viewed
                .iter()
                .filter(|(id, _)| id.as_str().starts_with(&prefix));
            let views = posts.map(|(id, record)| {
                let views = record.views(period, summary.published);
                (id.as_str().to_owned(), views)
            });
            let mut top: Vec<_> = views.filter(|(_, views)| *views > 0).collect();
            top.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
            top.truncate(100);
            assert_eq!(site.top(&prefix, period), top, "{prefix:?} {period:?}");
        }
    }
}
