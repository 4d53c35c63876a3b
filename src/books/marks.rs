//! Recent visitors of posts, and recent ids of pings.
//!
//! A visitor's mark is a hash of post, address and user agent, cut to 44 bits and salted with a random value that
//! lives for a day. Nothing else of a visitor is stored, and without the salt the hash reveals nothing. A mark also
//! has 20 bits of a hash of the post alone, by which another ledger finds the marks of the posts that it takes
//! over.
//!
//! The newest marks are in the journal. When their part of the journal is dropped, those that still matter move to
//! rows of their own:
//!
//! ```text
//! 0:visitors:3   marks of visitors, 12 bytes each: the hash, and the time in seconds
//! 0:ids:3        marks of ids, in the same format
//! ```

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::time::{DAY, Day, Time};
use crate::books::rows::{Rows, key, required};
use crate::model::owner::{TAG_BITS, tag};
use crate::model::place::{Hashed, Key};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// How long the id of a ping is remembered, in seconds.
pub const ID_SECONDS: u32 = DAY;
/// The most marks of visitors in memory. Beyond it the oldest are forgotten early.
const MOST_VISITORS: usize = 900_000;
/// The same for ids.
const MOST_IDS: usize = 220_000;
/// The most marks in a row.
const ROW_MARKS: usize = 4096;
const MARK_BYTES: usize = 12;

/// A salted hash, with the tag of its post in the middle: the lowest bits choose a bucket of a [`Seen`], the
/// highest tell the marks in it apart, and both have to differ between the marks of one post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark([u8; 8]);

/// Where in a mark the tag begins.
const TAG_SHIFT: u32 = 36;
const TAG_MASK: u64 = ((1 << TAG_BITS) - 1) << TAG_SHIFT;
/// The tag of imports, which are of many posts.
pub const IMPORT: u32 = (1 << TAG_BITS) - 1;

impl Mark {
    fn new(hash: u64, tag: u32) -> Self {
        Self(((hash & !TAG_MASK) | u64::from(tag) << TAG_SHIFT).to_le_bytes())
    }

    /// The tag of its post, or [`IMPORT`].
    pub fn tag(self) -> u32 {
        ((u64::from_le_bytes(self.0) & TAG_MASK) >> TAG_SHIFT) as u32
    }
}

impl Hash for Mark {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from_le_bytes(self.0));
    }
}

/// The secrets that marks are made with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Salts {
    /// For the ids of pings; it stays, because an id tells nothing of a visitor.
    ids: Key,
    today: Option<(Day, Key)>,
    yesterday: Option<(Day, Key)>,
}

impl Salts {
    /// Begins with a random key for the ids.
    pub fn new(ids: Key) -> Self {
        Self {
            ids,
            ..Self::default()
        }
    }

    /// Forgets old salts, and makes one for this day where there is none. A salt is needed until no
    /// visitor has to be known by it any more, `window` seconds into the next day.
    pub fn rotate(&mut self, now: Time, window: u32, random: impl FnOnce() -> Key) {
        if self.today.is_some_and(|(of, _)| of != now.day()) {
            self.yesterday = self.today.take();
        }
        self.forget(now, window);
        self.today.get_or_insert_with(|| (now.day(), random()));
    }

    /// Forgets old salts.
    pub fn forget(&mut self, now: Time, window: u32) {
        let early = DAY - now.rest_of_day() < window;
        let needed =
            |(of, _): &(Day, Key)| *of == now.day() || (early && *of == now.day().minus(1));
        self.today = self.today.filter(needed);
        self.yesterday = self.yesterday.filter(needed);
    }

    /// When there will be something to forget, if there is any salt.
    pub fn forget_at(&self, window: u32) -> Option<Time> {
        let (day, _) = self.yesterday.or(self.today)?;
        Some(day.end().plus(window))
    }

    /// The mark of a visitor today, and the one that they had yesterday.
    pub fn visitor(&self, post: &PostId, address: &str, agent: &str) -> [Option<Mark>; 2] {
        let tag = tag(post);
        [&self.today, &self.yesterday]
            .map(|salt| salt.map(|(_, key)| mark(&key, tag, &[post.as_str(), address, agent])))
    }

    /// The mark of the id of a ping of a post.
    pub fn id(&self, post: &PostId, id: &str) -> Mark {
        mark(&self.ids, tag(post), &[post.as_str(), id])
    }

    /// The mark of the id of an import.
    pub fn import(&self, id: &str) -> Mark {
        mark(&self.ids, IMPORT, &[id])
    }
}

fn mark(key: &Key, tag: u32, parts: &[&str]) -> Mark {
    let mut hasher = SipHasher24::new_with_key(key);
    parts.hash(&mut hasher);
    Mark::new(hasher.finish(), tag)
}

/// Marks of one kind, in two generations: when the younger one is full or older than what has to be
/// remembered, the older one is forgotten as a whole.
#[derive(Debug)]
pub struct Seen {
    most: usize,
    young: Generation,
    old: Generation,
    /// When the younger generation began.
    since: Time,
}

type Generation = HashMap<Mark, Time, BuildHasherDefault<Hashed>>;

impl Seen {
    /// For visitors.
    pub fn visitors() -> Self {
        Self::at_most(MOST_VISITORS)
    }

    /// For ids.
    pub fn ids() -> Self {
        Self::at_most(MOST_IDS)
    }

    /// Remembers `most` at the most.
    pub fn at_most(most: usize) -> Self {
        Self {
            most,
            young: Generation::default(),
            old: Generation::default(),
            since: Time::default(),
        }
    }

    /// Whether it was counted less than `window` seconds ago.
    pub fn has(&self, mark: &Mark, now: Time, window: u32) -> bool {
        let within = |at: &Time| at.distance(now) < window;
        self.young.get(mark).is_some_and(within) || self.old.get(mark).is_some_and(within)
    }

    /// Remembers for `window` seconds.
    pub fn insert(&mut self, mark: Mark, at: Time, window: u32) {
        // Marks of another ledger may be older than those that are here.
        let is_later = at >= self.since.plus(window.max(1));
        if self.young.len() >= self.most / 2 || is_later {
            self.old = std::mem::take(&mut self.young);
            self.since = at;
        }
        self.young.insert(mark, at);
    }

    /// Makes room for marks, so that it is not made again and again as they come.
    fn reserve(&mut self, marks: usize) {
        self.young.reserve(marks.min(self.most / 2));
    }

    /// Tells the marks that were made less than `window` seconds ago.
    pub fn each(&self, now: Time, window: u32, mut tell: impl FnMut(Mark, Time)) {
        for (mark, at) in self.old.iter().chain(&self.young) {
            if at.distance(now) < window {
                tell(*mark, *at);
            }
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The rows that marks of one kind are in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MarkRows {
    /// The number of the first row.
    first: u32,
    /// The newest mark of each row.
    newest: VecDeque<Time>,
    /// How many marks are in the last row.
    last: u32,
}

impl MarkRows {
    /// Moves marks into rows.
    pub fn keep(
        &mut self,
        rows: &impl Rows,
        kind: &str,
        marks: &[(Mark, Time)],
    ) -> Result<(), Error> {
        let mut marks = marks;
        while !marks.is_empty() {
            let room = ROW_MARKS - self.last as usize;
            if self.newest.is_empty() || room == 0 {
                self.newest.push_back(Time::default());
                self.last = 0;
                continue;
            }
            let (now, later) = marks.split_at(room.min(marks.len()));
            let name = row(kind, self.first + self.newest.len() as u32 - 1);
            let mut bytes = match self.last {
                0 => Vec::new(),
                _ => required(rows, &name)?,
            };
            for (mark, at) in now {
                bytes.extend(mark.0);
                bytes.extend(at.seconds().to_le_bytes());
            }
            rows.put(&key(&name), &bytes)?;
            self.last += now.len() as u32;
            if let Some(newest) = self.newest.back_mut() {
                *newest = now.iter().fold(*newest, |newest, (_, at)| newest.max(*at));
            }
            marks = later;
        }
        Ok(())
    }

    /// Removes the rows whose marks no longer matter.
    pub fn forget(
        &mut self,
        rows: &impl Rows,
        kind: &str,
        now: Time,
        window: u32,
    ) -> Result<(), Error> {
        while let Some(newest) = self.newest.front()
            && newest.distance(now) >= window
        {
            rows.delete(&key(&row(kind, self.first)))?;
            self.first += 1;
            self.newest.pop_front();
        }
        Ok(())
    }

    /// When there will be something to forget, if there is a row.
    pub fn forget_at(&self, window: u32) -> Option<Time> {
        self.newest.front().map(|newest| newest.plus(window))
    }

    /// Reads the marks that still matter.
    pub fn load(
        &self,
        rows: &impl Rows,
        kind: &str,
        now: Time,
        window: u32,
        seen: &mut Seen,
    ) -> Result<(), Error> {
        let matters = |newest: &Time| newest.distance(now) < window;
        let rows_that_matter = self.newest.iter().filter(|newest| matters(newest)).count();
        seen.reserve(rows_that_matter * ROW_MARKS);
        for (newest, n) in self.newest.iter().zip(self.first..) {
            if !matters(newest) {
                continue;
            }
            let bytes = required(rows, &row(kind, n))?;
            for bytes in bytes.chunks_exact(MARK_BYTES) {
                let (mark, at) = bytes.split_at(8);
                let (Ok(mark), Ok(at)) = (mark.try_into(), at.try_into()) else {
                    return Err(Error::Unreadable);
                };
                let at = Time::from_seconds(u32::from_le_bytes(at));
                seen.insert(Mark(mark), at, window);
            }
        }
        Ok(())
    }
}

fn row(kind: &str, number: u32) -> String {
    format!("{kind}:{number}")
}
