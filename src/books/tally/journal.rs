//! How the books are stored: the journal, and the pages that it is folded into.
//!
//! ```text
//! 0:head        (Head, then the newest events)      written with every change
//! 0:journal:7   older events                        written once, kept for a day for the marks
//! 0:page:3      posts, as crate::model::page writes them   written when the journal is folded
//! ```
//!
//! The number is that of the ledger whose totals these are. There is one ledger; another's totals
//! would stand beside these, under its number, and be merged by [`crate::model::record::Record::merge`].

use super::{Head, Tally};
use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::time::Time;
use crate::books::seen::{ID_SECONDS, Key, Mark, Seen};
use crate::model::page::{self, Entry, Page};
use crate::model::record::Record;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet, VecDeque};

/// The version of the rows' format.
pub(super) const VERSION: u8 = 1;
/// The bytes of events from which on the head passes them on to a row of their own.
const ROW_BYTES: usize = 8192;
/// How many events are worth a row: the journal is folded when it has this many and
/// [`EVENTS_PER_PAGE`] more for each page that they touch.
const EVENTS_PER_FOLD: u32 = 1000;
const EVENTS_PER_PAGE: u32 = 10;
/// Pages are split where they hold more posts than this on average.
const POSTS_PER_PAGE: u32 = 512;

/// Where rows are kept. What is put and deleted during one [`Tally::save`] is stored whole or not
/// at all.
pub trait Rows {
    /// Reads a row.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error>;
    /// Writes a row.
    fn put(&self, key: &str, value: &[u8]) -> Result<(), Error>;
    /// Removes a row.
    fn delete(&self, key: &str) -> Result<(), Error>;
}

/// A change of one post.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Event {
    View {
        post: PostId,
        at: Time,
        visitor: Option<Mark>,
        id: Option<Mark>,
    },
    Set {
        post: PostId,
        views: u64,
    },
    Entry {
        post: PostId,
        entry: Entry,
    },
}

impl Event {
    pub(super) fn post(&self) -> &PostId {
        match self {
            Event::View { post, .. } | Event::Set { post, .. } | Event::Entry { post, .. } => post,
        }
    }

    /// Changes the post in its page.
    pub(super) fn apply(&self, page: &mut Page) {
        let post = page.entry(self.post().clone()).or_default();
        match self {
            Event::View { at, .. } => post.record.view(*at),
            Event::Set { views: 0, .. } => post.record = Record::default(),
            Event::Set { views, .. } => post.record.set(*views),
            Event::Entry { entry, .. } => post.entry = *entry,
        }
        if post.is_empty() {
            page.remove(self.post());
        }
    }
}

/// Reading.
impl Tally {
    /// Reads the books, or begins them; `random` is for the key of new ones.
    pub fn load(rows: &impl Rows, random: impl FnOnce() -> Key) -> Result<Self, Error> {
        let Some(bytes) = rows.get(&key("head"))? else {
            return Ok(Self::over(Head::new(random())));
        };
        let (head, journal) = postcard::take_from_bytes(&bytes).map_err(|_| Error::Unreadable)?;
        let mut tally = Self::over(head);
        if tally.head.version != VERSION {
            return Err(Error::Unreadable);
        }
        for n in tally.head.oldest..tally.head.next {
            let events = rows.get(&journal_key(n))?.ok_or(Error::Unreadable)?;
            tally.replay(&events, n >= tally.head.folded)?;
            tally.rows.push_back((n, tally.newest));
        }
        tally.replay(journal, true)?;
        tally.journal = journal.to_vec();
        Ok(tally)
    }

    fn over(head: Head) -> Self {
        Self {
            head,
            journal: Vec::new(),
            unfolded: 0,
            fold_now: false,
            changed_since: false,
            takeover_failed: false,
            reserved: 0,
            pages: HashMap::new(),
            unread: HashMap::new(),
            dirty: HashSet::new(),
            rows: VecDeque::new(),
            newest: Time::default(),
            visitors: Seen::default(),
            ids: Seen::default(),
        }
    }

    fn replay(&mut self, mut events: &[u8], unfolded: bool) -> Result<(), Error> {
        while !events.is_empty() {
            let (event, rest): (Event, _) =
                postcard::take_from_bytes(events).map_err(|_| Error::Unreadable)?;
            events = rest;
            self.remember(&event);
            if unfolded {
                let page = self.number(event.post());
                self.unread.entry(page).or_default().push(event);
                self.dirty.insert(page);
                self.unfolded += 1;
            }
        }
        Ok(())
    }

    pub(super) fn remember(&mut self, event: &Event) {
        if let Event::View {
            at, visitor, id, ..
        } = event
        {
            self.newest = *at;
            if let Some(mark) = visitor {
                self.visitors.insert(*mark, *at, ID_SECONDS);
            }
            if let Some(mark) = id {
                self.ids.insert(*mark, *at, ID_SECONDS);
            }
        }
    }
}

/// Writing.
impl Tally {
    /// Writes what has changed.
    pub fn save(&mut self, rows: &impl Rows, now: Time) -> Result<(), Error> {
        let worth = EVENTS_PER_FOLD + EVENTS_PER_PAGE * self.dirty.len() as u32;
        let fold = self.fold_now || self.unfolded >= worth;
        if fold || self.journal.len() >= ROW_BYTES {
            self.seal(rows)?;
        }
        if fold {
            self.split(rows)?;
            self.fold(rows)?;
            self.forget(rows, now)?;
        }
        let head = postcard::to_extend(&self.head, Vec::new()).map_err(|_| Error::Unreadable)?;
        rows.put(&key("head"), &[head.as_slice(), &self.journal].concat())
    }

    /// Passes the newest events on to a row of their own.
    fn seal(&mut self, rows: &impl Rows) -> Result<(), Error> {
        if self.journal.is_empty() {
            return Ok(());
        }
        rows.put(&journal_key(self.head.next), &self.journal)?;
        self.rows.push_back((self.head.next, self.newest));
        self.head.next += 1;
        self.journal.clear();
        Ok(())
    }

    /// Deals the posts out to more pages where there are too many to a page.
    fn split(&mut self, rows: &impl Rows) -> Result<(), Error> {
        let wanted = self.head.posts.div_ceil(POSTS_PER_PAGE).next_power_of_two();
        if wanted <= self.head.pages {
            return Ok(());
        }
        for number in 0..self.head.pages {
            self.page(rows, number)?;
        }
        // Pages that lose all their posts are there too, empty.
        let empty = (0..wanted).map(|number| (number, Page::new())).collect();
        for (id, post) in std::mem::replace(&mut self.pages, empty)
            .into_values()
            .flatten()
        {
            let number = page::number(id.as_str(), wanted);
            self.pages.entry(number).or_default().insert(id, post);
        }
        self.head.pages = wanted;
        self.dirty = (0..wanted).collect();
        Ok(())
    }

    /// Writes the pages that differ from their rows.
    fn fold(&mut self, rows: &impl Rows) -> Result<(), Error> {
        for number in std::mem::take(&mut self.dirty) {
            let page = self.page(rows, number)?;
            rows.put(&page_key(number), &page::encode(page)?)?;
        }
        self.unfolded = 0;
        self.fold_now = false;
        self.head.folded = self.head.next;
        Ok(())
    }

    /// Removes the rows of the journal that no mark is needed of any more.
    fn forget(&mut self, rows: &impl Rows, now: Time) -> Result<(), Error> {
        while let Some(&(number, newest)) = self.rows.front() {
            if newest.distance(now) < ID_SECONDS {
                break;
            }
            rows.delete(&journal_key(number))?;
            self.rows.pop_front();
            self.head.oldest = number + 1;
        }
        self.visitors.prune(now, ID_SECONDS);
        self.ids.prune(now, ID_SECONDS);
        Ok(())
    }
}

/// The ledger whose totals these are.
const LEDGER: u32 = 0;

fn key(row: &str) -> String {
    format!("{LEDGER}:{row}")
}

fn journal_key(number: u32) -> String {
    format!("{LEDGER}:journal:{number}")
}

pub(super) fn page_key(number: u32) -> String {
    format!("{LEDGER}:page:{number}")
}
