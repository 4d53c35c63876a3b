//! Books over rows in memory with a clock, for the tests of what is counted and published.

// Each test uses its part of it.
#![allow(clippy::expect_used, dead_code)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use tally::base::error::Error;
use tally::base::id::PostId;
use tally::base::settings::Settings;
use tally::base::time::{DAY, Time};
use tally::books::publication::{Action, Outcomes, Publication, StaleEntry, Write};
use tally::books::rows::{MAX_ROW_BYTES, Rows};
use tally::books::takeover::{Found, Section};
use tally::books::tally::{Ping, Tally};
use tally::model::mode::Mode;
use tally::model::outcome::Outcome;
use tally::model::page::Entry;
use tally::model::record::{Period, Record};
use tally::published::head::{HEAD, Published, Where};
use tally::published::part::Part;

/// A noon.
pub const START: u32 = 20_000 * DAY + DAY / 2;

pub fn at(seconds: u32) -> Time {
    Time::from_seconds(seconds)
}

pub fn post(id: impl ToString) -> PostId {
    PostId::parse(id.to_string()).expect("an id")
}

/// Rows, of which a write may fail.
#[derive(Default)]
pub struct Store {
    pub rows: RefCell<BTreeMap<String, Vec<u8>>>,
    pub writes: Cell<u32>,
    pub fails_after: Cell<Option<u32>>,
}

impl Store {
    fn write(&self) -> Result<(), Error> {
        self.writes.set(self.writes.get() + 1);
        match self.fails_after.get() {
            Some(0) => Err(Error::Unavailable),
            left => {
                self.fails_after.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }
}

impl Rows for Store {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.rows.borrow().get(key).cloned())
    }

    fn put(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.write()?;
        assert!(
            value.len() <= MAX_ROW_BYTES,
            "{key} has {} bytes",
            value.len()
        );
        self.rows
            .borrow_mut()
            .insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<(), Error> {
        self.write()?;
        self.rows.borrow_mut().remove(key);
        Ok(())
    }
}

/// Books with their rows and a clock.
pub struct Site {
    pub store: Store,
    pub tally: Tally,
    pub settings: Settings,
    pub now: u32,
    keys: u32,
    /// What stands in Workers KV under Tally's own keys.
    pub kv: BTreeMap<String, Vec<u8>>,
    /// The posts' own entries there.
    pub entries: BTreeMap<PostId, u64>,
    /// The writes to Workers KV that were tried.
    pub writes: u32,
}

impl Site {
    /// A site whose namespace was taken over already.
    pub fn new(adopted: Vec<(PostId, Found)>) -> Self {
        let mut site = Self::unadopted();
        site.tally.found_no_head();
        site.adopt(adopted, 0);
        site.save();
        site
    }

    /// A site at its first start.
    pub fn unadopted() -> Self {
        Self::of_deployment(1)
    }

    /// The same of another deployment.
    pub fn another() -> Self {
        Self::of_deployment(101)
    }

    fn of_deployment(first: u8) -> Self {
        let store = Store::default();
        let settings = Settings {
            new_posts: u32::MAX,
            ..Settings::default()
        };
        let mut key = first - 1;
        let keys = || {
            key += 1;
            [key; 16]
        };
        let tally = Tally::load(&store, 0, &settings, at(START), keys).expect("books");
        Self {
            store,
            tally,
            settings,
            now: START,
            keys: 0,
            kv: BTreeMap::new(),
            entries: BTreeMap::new(),
            writes: 0,
        }
    }

    /// Takes a namespace over that is listed in one section.
    pub fn adopt(&mut self, entries: Vec<(PostId, Found)>, left: u32) {
        let section = Section {
            entries,
            left,
            next: None,
        };
        let found = self
            .tally
            .found_section(&self.store, &None, section, at(self.now));
        found.expect("rows");
    }

    pub fn save(&mut self) {
        let saved = self.tally.save(&self.store, at(self.now), &self.settings);
        saved.expect("rows that can be written");
    }

    /// What is not stored is lost.
    pub fn crash(&mut self) {
        let now = at(self.now);
        let books = Tally::load(&self.store, 0, &self.settings, now, || unreachable!());
        self.tally = books.expect("the same books");
    }

    pub fn ping(
        &mut self,
        id: impl ToString,
        ping: Option<&str>,
        visitor: Option<&str>,
    ) -> Outcome {
        self.try_ping(id, ping, visitor)
            .expect("a ping is counted or not")
    }

    pub fn try_ping(
        &mut self,
        id: impl ToString,
        ping: Option<&str>,
        visitor: Option<&str>,
    ) -> Result<Outcome, Error> {
        let post = post(id);
        let ping = Ping {
            post: &post,
            id: ping,
            visitor: visitor.map(|address| (address, "Firefox")),
            network: None,
        };
        self.keys += 1;
        let key = self.key();
        let now = at(self.now);
        self.tally
            .ping(&self.store, ping, &self.settings, now, || key)
    }

    /// A key that no other is equal to.
    fn key(&self) -> [u8; 16] {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&self.keys.to_le_bytes());
        key
    }

    pub fn set(&mut self, id: impl ToString, views: u64) {
        let now = at(self.now);
        let set = self.tally.set(&self.store, &post(id), views, now);
        set.expect("room for the post");
    }

    /// Takes records in the place of those that are there.
    pub fn import(&mut self, records: Vec<(PostId, Record)>) {
        let (now, settings) = (at(self.now), &self.settings);
        let imported = self
            .tally
            .import(&self.store, records, Mode::Replace, None, settings, now);
        imported.expect("room for the posts");
    }

    pub fn views(&mut self, id: impl ToString) -> u64 {
        let views = self.tally.views(&self.store, &post(id));
        views.expect("a page")
    }

    pub fn export(&mut self) -> BTreeMap<PostId, Record> {
        let mut posts = BTreeMap::new();
        let mut next = Some(0);
        while let Some(from) = next {
            let (page, after) = self.tally.export(&self.store, from).expect("pages");
            for (id, record) in page {
                assert_eq!(posts.insert(id, record), None, "every post is there once");
            }
            next = after;
        }
        posts
    }

    /// How many posts have views, as a head would tell.
    pub fn export_count(&mut self) -> usize {
        let slice = self.tally.slice(0, at(self.now), &self.settings);
        slice.head.summary.posts as usize
    }

    /// Publishes what is due now into `kv`, and takes all entries; the entries that were due, if
    /// anything was.
    pub fn publish_due(&mut self) -> Option<Vec<StaleEntry>> {
        self.publish_where(|_| true)
    }

    /// The same where Workers KV takes only the keys that it is said to, as the ledger does it: without
    /// a part or the head the publication ends.
    pub fn publish_where(&mut self, takes: impl Fn(&str) -> bool) -> Option<Vec<StaleEntry>> {
        let now = at(self.now);
        let begun = self.tally.begin(&self.store, now, &self.settings);
        let begun = begun.expect("pages")?;
        self.save();
        let entries = begun.entries.clone();
        let outcomes = self.write_all(begun, takes);
        self.writes += outcomes.writes;
        let ended = self.tally.end(&self.store, outcomes, now, &self.settings);
        ended.expect("room for the entries");
        self.save();
        Some(entries)
    }

    /// What a publication writes next.
    pub fn next_write(&mut self) -> Option<Write> {
        let (now, settings) = (at(self.now), &self.settings);
        let next = self.tally.next_write(&self.store, now, settings);
        next.expect("pages")
    }

    fn write_all(&mut self, begun: Publication, takes: impl Fn(&str) -> bool) -> Outcomes {
        let mut outcomes = Outcomes::default();
        while let Some(write) = self.next_write() {
            let Write { key, bytes, .. } = write;
            assert!(bytes.len() < 3 << 20, "{key} has {} bytes", bytes.len());
            outcomes.writes += 1;
            if !takes(&key) {
                return outcomes;
            }
            self.kv.insert(key, bytes);
            self.tally.written(write.what, write.at);
        }
        for stale in begun.entries {
            let action = match (stale.is_unknown(), self.entries.get(&stale.post)) {
                (true, None) => stale.action(Found::Nothing),
                (true, Some(views)) => stale.action(Found::Count(*views)),
                (false, _) => stale.known_action(),
            };
            let entry = match action {
                Action::Keep(entry) => Some(entry),
                _ if !takes(stale.post.as_str()) => None,
                Action::Write(views) => {
                    self.entries.insert(stale.post.clone(), views);
                    Some(Entry::Count(views))
                }
                Action::Remove => {
                    self.entries.remove(&stale.post);
                    Some(Entry::None)
                }
            };
            outcomes.writes += u32::from(!matches!(action, Action::Keep(_)));
            outcomes.entries.push((stale.post, entry));
        }
        for key in begun.retired {
            outcomes.writes += 1;
            if takes(&key) {
                self.kv.remove(&key);
                outcomes.retired.push(key);
            }
        }
        outcomes
    }

    /// Goes on by the alarm until nothing is due for `rest` seconds.
    pub fn settle(&mut self, rest: u32) {
        for _ in 0..100_000 {
            let Some(alarm) = self.arm() else { return };
            if alarm > self.now + rest {
                return;
            }
            self.now = self.now.max(alarm);
            self.publish_due();
            self.save();
        }
        unreachable!("the alarm never rests");
    }

    /// When the alarm is wanted.
    pub fn arm(&mut self) -> Option<u32> {
        // A new alarm each time, as after one that came.
        let alarm = self.tally.arm(at(self.now), &self.settings);
        alarm.map(Time::seconds)
    }

    /// What readers have.
    pub fn published(&self) -> Published {
        Published::read(self.kv[HEAD].clone()).expect("a head")
    }

    /// The views of a post as readers see them.
    pub fn read(&self, id: impl ToString) -> u64 {
        let (published, id) = (self.published(), post(id));
        let secret = &published.head.secret;
        let views = |part: &Part| {
            let line = part.find(secret, &id).expect("lines");
            line.map_or(0, |line| line.total)
        };
        match published.part_of(&id) {
            Where::Nowhere => 0,
            Where::Here(part) => views(part),
            Where::In(of, range, _) => {
                let key = tally::published::part::key(&of.deployment, range);
                views(&Part::read(self.kv[&key].clone(), 0).expect("a part"))
            }
        }
    }

    /// A top list as readers see it.
    pub fn top(&self, prefix: &str, period: Period) -> Vec<(String, u64)> {
        let published = self.published();
        let list = published.top(prefix, period).expect("a list");
        list.iter()
            .map(|place| (place.post.clone(), place.views))
            .collect()
    }
}
