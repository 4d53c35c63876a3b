//! Books over rows in memory with a clock, for the tests of what is counted and published.

// Each test uses its part of it.
#![allow(clippy::expect_used, dead_code)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use tally::base::error::Error;
use tally::base::id::PostId;
use tally::base::settings::Settings;
use tally::base::time::{DAY, Time};
use tally::books::tally::{Part, Ping, Publication, Published, Rows, Tally};
use tally::model::outcome::Outcome;
use tally::model::record::Record;
use tally::published::snapshot::Snapshot;

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
    /// The writes of the publication that is under way.
    pub writes: u32,
}

impl Site {
    /// A site whose namespace was taken over already.
    pub fn new(adopted: Vec<(PostId, Option<u64>)>) -> Self {
        let mut site = Self::unadopted();
        site.adopt(adopted, 0).expect("room for all");
        site.save();
        site
    }

    /// A site at its first start.
    pub fn unadopted() -> Self {
        let store = Store::default();
        let tally = Tally::load(&store, || [0; 16]).expect("books");
        Self {
            store,
            tally,
            settings: Settings::default(),
            now: START,
            keys: 0,
            writes: 0,
        }
    }

    /// Takes a namespace over that is listed in one part.
    pub fn adopt(&mut self, entries: Vec<(PostId, Option<u64>)>, left: u32) -> Result<(), Error> {
        let part = Part {
            entries,
            left,
            next: None,
        };
        self.tally.adopt_part(&self.store, &None, part)
    }

    pub fn save(&mut self) {
        let saved = self.tally.save(&self.store, at(self.now));
        saved.expect("rows that can be written");
    }

    /// What is not stored is lost.
    pub fn crash(&mut self) {
        self.tally = Tally::load(&self.store, || unreachable!()).expect("the same books");
    }

    pub fn ping(
        &mut self,
        id: impl ToString,
        ping: Option<&str>,
        visitor: Option<&str>,
    ) -> Outcome {
        let post = post(id);
        let ping = Ping {
            post: &post,
            id: ping,
            visitor: visitor.map(|address| (address, "Firefox")),
        };
        self.keys += 1;
        let key = self.key();
        let now = at(self.now);
        let done = self
            .tally
            .ping(&self.store, ping, &self.settings, now, || key);
        done.expect("a ping is counted or not")
    }

    /// A key that no other is equal to.
    fn key(&self) -> [u8; 16] {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&self.keys.to_le_bytes());
        key
    }

    pub fn set(&mut self, id: impl ToString, views: u64) {
        let set = self.tally.set(&self.store, &post(id), views);
        set.expect("room for the post");
    }

    pub fn views(&mut self, id: impl ToString) -> u64 {
        let views = self.tally.views(&self.store, &post(id));
        views.expect("a page")
    }

    pub fn export(&mut self) -> BTreeMap<PostId, Record> {
        let all = self.tally.export(&self.store).expect("pages");
        let posts: BTreeMap<_, _> = all.iter().cloned().collect();
        assert_eq!(posts.len(), all.len(), "every post is there once");
        posts
    }

    pub fn begin(&mut self) -> Option<Publication> {
        let begun = self.tally.begin(&self.store, at(self.now), &self.settings);
        let begun = begun.expect("pages")?;
        self.writes = begun.entries.len() as u32 + u32::from(begun.snapshot.is_some());
        Some(begun)
    }

    pub fn end(&mut self, snapshot: bool, entries: Vec<(PostId, u64)>, complete: bool) {
        let published = Published {
            snapshot,
            entries,
            complete,
            writes: self.writes,
        };
        let now = at(self.now);
        let ended = self.tally.end(&self.store, published, now, &self.settings);
        ended.expect("room for the entries");
    }

    /// Publishes everything; the entries that were due.
    pub fn publish(&mut self) -> Vec<(PostId, u64)> {
        let begun = self.begin().expect("something to publish");
        self.end(true, begun.entries.clone(), !begun.more);
        begun.entries
    }

    pub fn arm(&mut self) -> Option<u32> {
        let alarm = self.tally.arm(at(self.now), &self.settings);
        alarm.map(|alarm| alarm.distance(at(0)))
    }

    pub fn snapshot(&mut self) -> Snapshot {
        let begun = self.begin().expect("something to publish");
        Snapshot::read(begun.snapshot.expect("a snapshot")).expect("what was written")
    }
}
