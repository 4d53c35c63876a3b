//! The ledger's books over rows in memory: what is counted, and kept over a crash.

#![allow(clippy::expect_used)]

mod site;

use proptest::prelude::*;
use site::{Site, at, post};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tally::base::id::PostId;
use tally::base::time::DAY;
use tally::books::takeover::Found;
use tally::model::mode::Mode;
use tally::model::outcome::Outcome;
use tally::model::reason::{Reason, Skipped};
use tally::model::record::{Period, Record};

const WINDOW: u32 = 1800;

/// What happens to the books.
#[derive(Clone, Debug)]
enum Op {
    Ping(u8, Option<u8>, Option<u8>),
    Burst(u8, u32),
    Set(u8, u64),
    Import(Mode, Vec<(u8, Vec<u32>)>),
    Skip(u8, u32),
    Save,
    FailedSave(u32),
    Crash,
    Step(i64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let some = || prop::option::weighted(0.7, 0..3_u8);
    let mode = prop::sample::select(vec![Mode::Add, Mode::Replace, Mode::Max]);
    let records = prop::collection::vec((0..6_u8, prop::collection::vec(0..40 * DAY, 0..5)), 0..6);
    let op = prop_oneof![
        20 => (0..5_u8, some(), prop::option::weighted(0.3, 0..5_u8))
            .prop_map(|(post, visitor, id)| Op::Ping(post, visitor, id)),
        1 => (0..5_u8, 300..700_u32).prop_map(|(post, n)| Op::Burst(post, n)),
        1 => (0..5_u8, 0..9_u64).prop_map(|(post, views)| Op::Set(post, views)),
        1 => (mode, records).prop_map(|(mode, records)| Op::Import(mode, records)),
        1 => (0..6_u8, 0..9_u32).prop_map(|(reason, n)| Op::Skip(reason, n)),
        6 => Just(Op::Save),
        1 => (0..6_u32).prop_map(Op::FailedSave),
        2 => Just(Op::Crash),
        6 => prop_oneof![Just(-30), 0..1200_i64, Just(3599), 0..4 * i64::from(DAY)]
            .prop_map(Op::Step),
    ];
    prop::collection::vec(op, 0..120)
}

/// What the books should say.
#[derive(Clone, Default)]
struct Model {
    posts: BTreeMap<PostId, Record>,
    visits: HashMap<(u8, u8), u32>,
    ids: BTreeSet<String>,
    skipped: Skipped,
}

impl Model {
    fn ping(
        &mut self,
        of: u8,
        visitor: Option<u8>,
        id: Option<&str>,
        now: u32,
        window: u32,
    ) -> bool {
        let visit = visitor.map(|visitor| (of, visitor));
        let visited = visit.and_then(|visit| self.visits.get(&visit));
        let known = visited.is_some_and(|then| then.abs_diff(now) < window);
        let id = id.map(|id| format!("{of}:{id}"));
        if known || id.as_ref().is_some_and(|id| self.ids.contains(id)) {
            self.skipped[0] += 1;
            return false;
        }
        self.visits.extend(visit.map(|visit| (visit, now)));
        self.ids.extend(id);
        self.posts.entry(post(of)).or_default().view(at(now));
        true
    }

    fn import(&mut self, mode: Mode, records: &[(PostId, Record)]) {
        for (id, record) in records {
            let here = self.posts.entry(id.clone()).or_default();
            match mode {
                Mode::Add => here.add(record),
                Mode::Replace => *here = record.clone(),
                Mode::Max => here.merge(record),
            }
        }
    }

    fn views(&self, id: u8) -> u64 {
        let record = self.posts.get(&post(id));
        record.map_or(0, |record| record.total)
    }

    /// The posts that have views.
    fn viewed(&self) -> BTreeMap<PostId, Record> {
        let posts = self.posts.clone().into_iter();
        posts.filter(|(_, record)| record.total > 0).collect()
    }

    fn top(&self, period: Period, limit: usize, now: u32) -> Vec<(String, u64)> {
        let views = |(id, record): (&PostId, &Record)| {
            (id.as_str().to_owned(), record.views(period, at(now)))
        };
        let mut posts: Vec<_> = self.posts.iter().map(views).collect();
        posts.retain(|post| post.1 > 0);
        posts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        posts.truncate(limit);
        posts
    }
}

/// A clock that is set back stays in its day, and after the window in which the day before counts:
/// with another salt the same visitor is another.
fn step(now: u32, step: i64) -> u32 {
    let into = now % DAY;
    let least = now - into + if into >= WINDOW { WINDOW } else { 0 };
    let next = i64::from(now) + step;
    (next as u32).max(if step < 0 { least } else { 0 })
}

fn records(posts: &[(u8, Vec<u32>)], now: u32) -> Vec<(PostId, Record)> {
    let record = |(id, ages): &(u8, Vec<u32>)| {
        let mut record = Record::default();
        ages.iter().for_each(|age| record.view(at(now - age)));
        (post(id), record)
    };
    posts.iter().map(record).collect()
}

/// Does it to the books and to the model, and holds them together.
fn apply(op: Op, site: &mut Site, model: &mut Model, saved: &mut Model) {
    let now = site.now;
    match op {
        Op::Ping(of, visitor, id) => {
            // An id is forgotten after a day; here every day has its own.
            let id = id.map(|id| format!("{}:{id}", now / DAY));
            let address = visitor.map(|visitor| visitor.to_string());
            let outcome = site.ping(of, id.as_deref(), address.as_deref());
            let window = site.settings.dedupe;
            let counted = model.ping(of, visitor, id.as_deref(), now, window);
            let expected = if counted {
                Outcome::Counted
            } else {
                Outcome::Repeat
            };
            assert_eq!(outcome, expected(model.views(of)));
        }
        Op::Burst(of, n) => {
            for _ in 0..n {
                let outcome = site.ping(of, None, None);
                model.ping(of, None, None, now, 0);
                assert_eq!(outcome, Outcome::Counted(model.views(of)));
            }
        }
        Op::Set(of, views) => {
            site.set(of, views);
            let record = model.posts.entry(post(of)).or_default();
            match views {
                0 => *record = Record::default(),
                _ => record.set(views),
            }
        }
        Op::Import(mode, posts) => {
            let records = records(&posts, now);
            model.import(mode, &records);
            let (store, settings) = (&site.store, &site.settings);
            let imported = site
                .tally
                .import(store, records, mode, None, settings, at(now));
            imported.expect("room for all");
        }
        Op::Skip(reason, pings) => {
            let of = Reason::from_number(reason).expect("a reason");
            site.tally.skip(of, pings);
            model.skipped[usize::from(reason)] += u64::from(pings);
        }
        Op::Save => {
            site.save();
            *saved = model.clone();
        }
        Op::FailedSave(after) => {
            let before = site.store.rows.borrow().clone();
            site.store.fails_after.set(Some(after));
            match site.tally.save(&site.store, at(now), &site.settings) {
                Ok(()) => *saved = model.clone(),
                Err(_) => {
                    site.store.rows.replace(before);
                    *model = saved.clone();
                }
            }
            site.store.fails_after.set(None);
            site.crash();
        }
        Op::Crash => {
            site.crash();
            *model = saved.clone();
        }
        Op::Step(by) => site.now = step(now, by),
    }
}

/// What is published against the model: counts, lists, and the entries that are the furthest behind.
fn check_published(site: &mut Site, model: &Model, adopted: u64) {
    site.settings.publish = 1;
    site.settings.writes = u32::MAX;
    site.tally.publish_again(at(site.now));
    let entries = site.publish_due().expect("something to publish");
    let summary = site.published().head.summary;
    let total: u64 = model.posts.values().map(|record| record.total).sum();
    assert_eq!(summary.site.total, total);
    assert_eq!(summary.posts as usize, model.viewed().len());
    assert_eq!(summary.skipped, model.skipped);
    for id in 0..7 {
        assert_eq!(site.read(id), model.views(id));
    }
    for period in Period::EACH {
        let top = model.top(period, 100, site.now);
        assert_eq!(site.top("", period), top, "{period:?}");
    }
    let gap = |id: u8| match id {
        0 if model.views(0) == 0 && adopted > 0 => u64::MAX,
        0 => model.views(0).abs_diff(adopted),
        _ => model.views(id),
    };
    let mut stale: Vec<u8> = (0..6).filter(|id| gap(*id) > 0).collect();
    stale.sort_by_key(|id| (u64::MAX - gap(*id), *id));
    let stale = stale.iter().map(|id| (post(id), model.views(*id)));
    let entries = entries.into_iter().map(|entry| (entry.post, entry.views));
    assert_eq!(entries.collect::<Vec<_>>(), stale.collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Post 0 had an entry in Workers KV before, post 1 one that is no count.
    #[test]
    fn the_books_say_what_the_model_says(ops in ops(), adopted in 0..5_u64, dedupes: bool) {
        let mut site = Site::new(vec![(post(0), Found::Count(adopted)), (post(1), Found::Other)]);
        site.settings.dedupe = if dedupes { WINDOW } else { 0 };
        let mut model = Model::default();
        model.posts.entry(post(0)).or_default().set(adopted);
        let mut saved = model.clone();
        for op in ops {
            apply(op, &mut site, &mut model, &mut saved);
        }
        prop_assert_eq!(site.export(), model.viewed());
        check_published(&mut site, &model, adopted);
        site.crash();
        prop_assert_eq!(site.export(), model.viewed());
    }
}
