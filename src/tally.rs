//! The ledger's books: every post's record, who was counted lately, and how both are stored.
//!
//! A change is appended to the journal and applied to its post; one row takes the journal and all
//! that is not of a single post, so that however many changes wait, one write stores them. When the
//! journal has grown, it is folded into the posts' pages. Rows, all under the ledger's number:
//!
//! ```text
//! 0:head        (Head, then the newest events)      written with every change
//! 0:journal:7   older events                        written once, kept for a day for the marks
//! 0:page:3      posts, as crate::page writes them   written when the journal is folded
//! ```
//!
//! The number is that of the ledger whose totals these are. There is one ledger; another's totals
//! would stand beside these, under its number, and be merged by [`Record::merge`].

use crate::budget::Budget;
use crate::error::Error;
use crate::id::PostId;
use crate::page::{self, Entry, Page, Post};
use crate::record::Record;
use crate::seen::{ID_SECONDS, Key, Mark, Salts, Seen};
use crate::settings::Settings;
use crate::snapshot::{self, Summary};
use crate::time::Time;
use crate::top::top;
use crate::visit::Reason;
use serde::{Deserialize, Serialize};
use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, HashSet, VecDeque};

/// The version of the rows' format.
const VERSION: u8 = 1;
/// The bytes of events from which on the head passes them on to a row of their own.
const ROW_BYTES: usize = 8192;
/// How many events are worth a row: the journal is folded when it has this many and
/// [`EVENTS_PER_PAGE`] more for each page that they touch.
const EVENTS_PER_FOLD: u32 = 1000;
const EVENTS_PER_PAGE: u32 = 10;
/// Pages are split where they hold more posts than this on average.
const POSTS_PER_PAGE: u32 = 512;
/// The room for posts: the snapshot has to fit into a value of Workers KV, 25 MiB.
const ROOM: u32 = 16 << 20;
/// The room that a post takes beside its id.
const ROOM_PER_POST: u32 = 32;

/// How long after its time an alarm that did not come is set again, in seconds.
const ALARM_SECONDS: u32 = 60;

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

/// A ping that may count.
#[derive(Clone, Copy, Debug)]
pub struct Ping<'a> {
    /// The post.
    pub post: &'a PostId,
    /// The ping's own id, if it has one.
    pub id: Option<&'a str>,
    /// The visitor's address and user agent, where they may be asked.
    pub visitor: Option<(&'a str, &'a str)>,
}

/// What became of a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was counted, as this view.
    Counted(u64),
    /// It was a repeat; the count stays.
    Repeat(u64),
}

impl Outcome {
    /// As RPC carries it: the count, or -1 less the count for a repeat.
    pub fn number(self) -> f64 {
        match self {
            Outcome::Counted(views) => views as f64,
            Outcome::Repeat(views) => -1.0 - views as f64,
        }
    }

    /// The way back of [`Outcome::number`].
    pub fn from_number(number: f64) -> Self {
        if number < 0.0 {
            Outcome::Repeat((-1.0 - number) as u64)
        } else {
            Outcome::Counted(number as u64)
        }
    }
}

/// How imported records change those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// They are added.
    Add,
    /// They replace those of the same posts.
    Replace,
    /// The greater of each number stays: to import twice changes nothing.
    Max,
}

/// What was found in Workers KV at the first start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// Entries that were counts, and were taken over.
    pub posts: u32,
    /// Entries that were not, and were left alone.
    pub left: u32,
}

/// A part of what is in Workers KV.
#[derive(Debug, Default)]
pub struct Part {
    /// The entries that are named like posts, with the counts of those that are counts.
    pub entries: Vec<(PostId, Option<u64>)>,
    /// How many are not named like posts.
    pub left: u32,
    /// Where the list goes on.
    pub next: Option<String>,
}

/// How far the takeover of what was in Workers KV has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Adoption {
    Begun {
        cursor: Option<String>,
        adopted: Adopted,
    },
    Done(Adopted),
}

/// All that is stored and is not of a single post.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Head {
    version: u8,
    /// How many pages there are, a power of two.
    pages: u32,
    /// The journal's rows: from `oldest` to before `next`; those before `folded` are in the pages.
    oldest: u32,
    folded: u32,
    next: u32,
    site: Record,
    posts: u32,
    /// The room that the posts take.
    room: u32,
    skipped: [u64; 5],
    salts: Salts,
    adoption: Adoption,
    budget: Budget,
    /// Whether anything changed since it was last published.
    changed: bool,
    /// Whether entries in Workers KV are behind their posts.
    behind: bool,
    published: Time,
    alarm: Option<Time>,
}

/// A change of one post.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Event {
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

impl Head {
    fn new(ids: Key) -> Self {
        Self {
            version: VERSION,
            pages: 1,
            oldest: 0,
            folded: 0,
            next: 0,
            site: Record::default(),
            posts: 0,
            room: 0,
            skipped: [0; 5],
            salts: Salts::new(ids),
            adoption: Adoption::Begun {
                cursor: None,
                adopted: Adopted::default(),
            },
            budget: Budget::default(),
            changed: false,
            behind: false,
            published: Time::default(),
            alarm: None,
        }
    }
}

impl Event {
    fn post(&self) -> &PostId {
        match self {
            Event::View { post, .. } | Event::Set { post, .. } | Event::Entry { post, .. } => post,
        }
    }

    /// Changes the post in its page.
    fn apply(&self, page: &mut Page) {
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

/// What is to be published.
#[derive(Debug)]
pub struct Publication {
    /// The snapshot, where it has changed.
    pub snapshot: Option<Vec<u8>>,
    /// The posts whose own entries are to be written, with their views; with 0, to be deleted.
    pub entries: Vec<(PostId, u64)>,
    /// Whether more are to be written when there is a budget for them.
    pub more: bool,
}

impl Publication {
    /// The writes that it takes.
    fn writes(&self) -> u32 {
        self.entries.len() as u32 + u32::from(self.snapshot.is_some())
    }
}

/// What came of a publication.
#[derive(Debug)]
pub struct Published {
    /// Whether readers have the snapshot, if there was one.
    pub snapshot: bool,
    /// The entries that were written.
    pub entries: Vec<(PostId, u64)>,
    /// Whether all of them were, and no more are to be.
    pub complete: bool,
    /// The writes that were tried.
    pub writes: u32,
}

/// The books, with what was needed of the pages.
#[derive(Debug)]
pub struct Tally {
    head: Head,
    /// The events since the last row of the journal, encoded.
    journal: Vec<u8>,
    /// How many events are not in the stored pages.
    unfolded: u32,
    /// Whether pages have changed by more than events.
    fold_now: bool,
    /// Whether anything changed since the publication that is under way began.
    changed_since: bool,
    /// Whether the last attempt to take over what is in Workers KV failed.
    pub takeover_failed: bool,
    /// The writes that the publication under way was given.
    reserved: u32,
    pages: HashMap<u32, Page>,
    /// The events of pages that were not read yet and that are not in them.
    unread: HashMap<u32, Vec<Event>>,
    /// The pages that differ from their rows.
    dirty: HashSet<u32>,
    /// The rows of the journal, with the time of their newest view.
    rows: VecDeque<(u32, Time)>,
    newest: Time,
    visitors: Seen,
    ids: Seen,
}

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
                let page = page::number(event.post().as_str(), self.head.pages);
                self.unread.entry(page).or_default().push(event);
                self.dirty.insert(page);
                self.unfolded += 1;
            }
        }
        Ok(())
    }

    fn remember(&mut self, event: &Event) {
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

    /// Counts a ping, unless its id or its visitor was counted before.
    pub fn ping(
        &mut self,
        rows: &impl Rows,
        ping: Ping,
        settings: &Settings,
        now: Time,
        random: impl FnOnce() -> Key,
    ) -> Result<Outcome, Error> {
        let salts = &mut self.head.salts;
        let id = ping.id.map(|id| salts.id(id));
        let visitors = match ping.visitor {
            Some((address, agent)) if settings.dedupe > 0 => {
                salts.rotate(now, settings.dedupe, random);
                salts.visitor(ping.post, address, agent)
            }
            _ => [None; 2],
        };
        let known = |mark| self.visitors.has(mark, now, settings.dedupe);
        if id.is_some_and(|id| self.ids.has(&id, now, ID_SECONDS))
            || visitors.iter().flatten().any(known)
        {
            self.skip(Reason::Duplicate, 1);
            return Ok(Outcome::Repeat(self.views(rows, ping.post)?));
        }
        let [visitor, _] = visitors;
        let post = ping.post.clone();
        let at = now;
        let views = self.append(
            rows,
            Event::View {
                post,
                at,
                visitor,
                id,
            },
        )?;
        self.head.site.view(now);
        Ok(Outcome::Counted(views))
    }

    /// Notes pings that do not count.
    pub fn skip(&mut self, reason: Reason, pings: u32) {
        let skipped = &mut self.head.skipped[usize::from(reason.number())];
        *skipped = skipped.saturating_add(pings.into());
        self.changed();
    }

    /// The views of a post.
    pub fn views(&mut self, rows: &impl Rows, post: &PostId) -> Result<u64, Error> {
        Ok(self.record(rows, post)?.total)
    }

    /// Sets the views of a post; 0 forgets all of it. Its entry in Workers KV follows.
    pub fn set(&mut self, rows: &impl Rows, post: &PostId, views: u64) -> Result<(), Error> {
        let before = self.record(rows, post)?;
        let event = Event::Set {
            post: post.clone(),
            views,
        };
        self.append(rows, event)?;
        let after = self.record(rows, post)?;
        self.head.site.subtract(&before);
        self.head.site.add(&after);
        Ok(())
    }

    /// Changes the records of many posts. The next [`Tally::save`] writes their pages.
    pub fn import(
        &mut self,
        rows: &impl Rows,
        records: Vec<(PostId, Record)>,
        mode: Mode,
    ) -> Result<(), Error> {
        self.admit(rows, records.iter().map(|(id, _)| id))?;
        for (id, imported) in records {
            let before = self.record(rows, &id)?;
            let mut after = before.clone();
            match mode {
                Mode::Add => after.add(&imported),
                Mode::Replace => after = imported,
                Mode::Max => after.merge(&imported),
            }
            self.head.site.subtract(&before);
            self.head.site.add(&after);
            self.change(rows, &id, |page| {
                page.entry(id.clone()).or_default().record = after
            })?;
        }
        self.fold_now = true;
        self.changed();
        Ok(())
    }

    /// Where the takeover of what was in Workers KV at the first start goes on: at this cursor of its
    /// list, or at the beginning; `None` where it is over.
    pub fn takeover(&self) -> Option<Option<String>> {
        match &self.head.adoption {
            Adoption::Begun { cursor, .. } => Some(cursor.clone()),
            Adoption::Done(_) => None,
        }
    }

    /// Whether a post's entry in Workers KV has to be asked for before the post is counted.
    pub fn is_unadopted(&mut self, rows: &impl Rows, post: &PostId) -> Result<bool, Error> {
        if self.takeover().is_none() {
            return Ok(false);
        }
        let page = self.page(rows, page::number(post.as_str(), self.head.pages))?;
        Ok(page.get(post).is_none_or(|post| post.entry == Entry::None))
    }

    /// Takes over entries of Workers KV while the takeover goes on, those that were not already: a
    /// count, or `None` where the value is none. The next [`Tally::save`] writes their pages.
    pub fn adopt(
        &mut self,
        rows: &impl Rows,
        entries: &[(PostId, Option<u64>)],
    ) -> Result<(), Error> {
        self.admit(rows, entries.iter().map(|(id, _)| id))?;
        for (id, count) in entries {
            if !self.is_unadopted(rows, id)? {
                continue;
            }
            let mut found = Record::default();
            found.set(count.unwrap_or_default());
            self.head.site.add(&found);
            self.change(rows, id, |page| {
                let post = page.entry(id.clone()).or_default();
                post.record.add(&found);
                post.entry = count.map_or(Entry::Foreign, Entry::Count);
            })?;
            if let Adoption::Begun { adopted, .. } = &mut self.head.adoption {
                match count {
                    Some(_) => adopted.posts += 1,
                    None => adopted.left += 1,
                }
            }
            self.fold_now = true;
        }
        self.changed();
        Ok(())
    }

    /// Takes over a part of the list that began at `from`, and notes where the next one begins, if
    /// there is one. Entries that are not even named like a post are `left`.
    pub fn adopt_part(
        &mut self,
        rows: &impl Rows,
        from: &Option<String>,
        part: Part,
    ) -> Result<(), Error> {
        // Another attempt may have been quicker.
        if self.takeover().as_ref() != Some(from) {
            return Ok(());
        }
        self.adopt(rows, &part.entries)?;
        if let Adoption::Begun { cursor, adopted } = &mut self.head.adoption {
            adopted.left += part.left;
            *cursor = part.next;
            if cursor.is_none() {
                self.head.adoption = Adoption::Done(*adopted);
            }
        }
        Ok(())
    }

    /// Every post that has views.
    pub fn export(&mut self, rows: &impl Rows) -> Result<Vec<(PostId, Record)>, Error> {
        let mut all = Vec::new();
        for n in 0..self.head.pages {
            let viewed = self
                .page(rows, n)?
                .iter()
                .filter(|(_, post)| post.record.total > 0);
            all.extend(viewed.map(|(id, post)| (id.clone(), post.record.clone())));
        }
        Ok(all)
    }

    /// Changes a post by an event, which the journal keeps; the views after it.
    fn append(&mut self, rows: &impl Rows, event: Event) -> Result<u64, Error> {
        let id = event.post().clone();
        self.admit(rows, std::iter::once(&id))?;
        self.change(rows, &id, |page| event.apply(page))?;
        self.remember(&event);
        let journal = std::mem::take(&mut self.journal);
        self.journal = postcard::to_extend(&event, journal).map_err(|_| Error::Unreadable)?;
        self.unfolded += 1;
        self.changed();
        self.views(rows, &id)
    }

    /// Changes a post in its page, and keeps count of the posts.
    fn change(
        &mut self,
        rows: &impl Rows,
        id: &PostId,
        change: impl FnOnce(&mut Page),
    ) -> Result<(), Error> {
        let number = page::number(id.as_str(), self.head.pages);
        let page = self.page(rows, number)?;
        let before = page.get(id).map(|post| post.record.total);
        change(page);
        if page.get(id).is_some_and(Post::is_empty) {
            page.remove(id);
        }
        let after = page.get(id).map(|post| post.record.total);
        let posts = |views: Option<u64>| u32::from(views.is_some_and(|views| views > 0));
        let room = |views: Option<u64>| views.map_or(0, |_| room_of(id));
        self.head.posts = (self.head.posts + posts(after)).saturating_sub(posts(before));
        self.head.room = (self.head.room + room(after)).saturating_sub(room(before));
        self.dirty.insert(number);
        Ok(())
    }

    /// Refuses posts that there is no room for, before anything has changed.
    fn admit<'a>(
        &mut self,
        rows: &impl Rows,
        posts: impl Iterator<Item = &'a PostId>,
    ) -> Result<(), Error> {
        let mut room = self.head.room;
        for id in posts {
            let page = self.page(rows, page::number(id.as_str(), self.head.pages))?;
            if !page.contains_key(id) {
                room = room.saturating_add(room_of(id));
                if room > ROOM {
                    return Err(Error::TooManyPosts);
                }
            }
        }
        Ok(())
    }

    /// Publishes again, though nothing has changed.
    pub fn publish_again(&mut self) {
        self.changed();
    }

    fn changed(&mut self) {
        self.head.changed = true;
        self.changed_since = true;
    }

    fn record(&mut self, rows: &impl Rows, id: &PostId) -> Result<Record, Error> {
        let page = self.page(rows, page::number(id.as_str(), self.head.pages))?;
        Ok(page
            .get(id)
            .map(|post| post.record.clone())
            .unwrap_or_default())
    }

    /// A page with all its events; read where it is not in memory.
    fn page(&mut self, rows: &impl Rows, number: u32) -> Result<&mut Page, Error> {
        match self.pages.entry(number) {
            MapEntry::Occupied(page) => Ok(page.into_mut()),
            MapEntry::Vacant(place) => {
                let bytes = rows.get(&page_key(number))?.unwrap_or_default();
                let mut page = page::decode(&bytes)?;
                for event in self.unread.remove(&number).unwrap_or_default() {
                    event.apply(&mut page);
                }
                Ok(place.insert(page))
            }
        }
    }
}

/// How the books are stored.
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
        for (id, post) in std::mem::take(&mut self.pages).into_values().flatten() {
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

/// How the books are published.
impl Tally {
    /// When the alarm has to be set anew: to publish what has changed, and to forget the salts of
    /// a day that is over.
    pub fn arm(&mut self, now: Time, settings: &Settings) -> Option<Time> {
        let wanted = self.due(now, settings)?;
        let right = |set: Time| set <= wanted && now <= set.plus(ALARM_SECONDS);
        if self.head.alarm.is_some_and(right) {
            return None;
        }
        self.head.alarm = Some(wanted);
        self.head.alarm
    }

    fn due(&self, now: Time, settings: &Settings) -> Option<Time> {
        match self.takeover() {
            Some(_) if !self.takeover_failed => Some(now.plus(1)),
            Some(_) => Some(now.plus(settings.publish)),
            None => self.publication_due(now, settings),
        }
    }

    fn publication_due(&self, now: Time, settings: &Settings) -> Option<Time> {
        let budget = &self.head.budget;
        if self.head.changed || (self.head.behind && budget.entries(now, settings) > Some(0)) {
            Some(budget.next(self.head.published, now, settings))
        } else {
            let salts = self.head.salts.forget_at(now, settings.dedupe);
            let midnight = self.head.behind.then(|| now.plus(now.rest_of_day()));
            midnight.or(salts)
        }
    }

    /// Begins what the alarm is for. What is to be published, if anything is; its writes are taken
    /// out of the day's budget.
    pub fn begin(
        &mut self,
        rows: &impl Rows,
        now: Time,
        settings: &Settings,
    ) -> Result<Option<Publication>, Error> {
        self.head.alarm = None;
        self.head.salts.forget(now, settings.dedupe);
        let Some(most) = self.head.budget.entries(now, settings) else {
            return Ok(None);
        };
        let due = self.publication_due(now, settings);
        if due.is_none_or(|due| due > now) {
            return Ok(None);
        }
        // Before it is taken over, what others wrote must stay as it is.
        let most = if self.takeover().is_some() { 0 } else { most };
        let mut pages = Vec::new();
        for number in 0..self.head.pages {
            pages.push(self.bytes(rows, number)?);
        }
        let (entries, more) = entries(&pages, most as usize)?;
        // The snapshot tells of the writes that it comes with.
        let mut summary = self.summary(now, settings);
        summary.budget.spend(entries.len() as u32 + 1, now);
        let publication = Publication {
            snapshot: match self.head.changed {
                true => Some(snapshot::write(summary, &pages)?),
                false => None,
            },
            entries,
            more,
        };
        self.head.budget.spend(publication.writes(), now);
        self.reserved = publication.writes();
        self.head.published = now;
        self.changed_since = false;
        Ok(Some(publication))
    }

    /// Ends a publication: whether readers have the `snapshot`, the `entries` that were written, and
    /// whether that is `complete`.
    pub fn end(
        &mut self,
        rows: &impl Rows,
        published: Published,
        now: Time,
        settings: &Settings,
    ) -> Result<(), Error> {
        let untried = self.reserved.saturating_sub(published.writes);
        self.head.budget.refund(untried, now);
        let again = self.changed_since || !published.snapshot;
        for (post, views) in published.entries {
            let entry = if views == 0 {
                Entry::None
            } else {
                Entry::Count(views)
            };
            self.append(rows, Event::Entry { post, entry })?;
        }
        self.head.changed = again;
        self.head.behind = !published.complete;
        // The alarm of a change that came meanwhile may be too early now.
        let due = self.due(now, settings);
        self.head.alarm = self
            .head
            .alarm
            .filter(|set| due.is_some_and(|due| *set >= due));
        Ok(())
    }

    /// A page as it is stored, with what has changed since.
    fn bytes(&mut self, rows: &impl Rows, number: u32) -> Result<Vec<u8>, Error> {
        if self.dirty.contains(&number) {
            return page::encode(self.page(rows, number)?);
        }
        Ok(rows.get(&page_key(number))?.unwrap_or_default())
    }

    fn summary(&self, now: Time, settings: &Settings) -> Summary {
        Summary {
            published: now,
            site: self.head.site.clone(),
            posts: self.head.posts,
            skipped: self.head.skipped,
            budget: self.head.budget,
            writes: settings.writes,
            adopted: match self.head.adoption {
                Adoption::Begun { .. } => None,
                Adoption::Done(adopted) => Some(adopted),
            },
        }
    }
}

/// The `most` posts whose entries in Workers KV are the furthest from their views, with those views,
/// and whether there are more. Keys that Workers KV does not take are left out.
fn entries(pages: &[Vec<u8>], most: usize) -> Result<(Vec<(PostId, u64)>, bool), Error> {
    let lines = pages.iter().flat_map(|page| page::read(page)).flatten();
    let keys = lines.filter(|line| !matches!(line.id, "." | ".."));
    let gaps = keys.map(|line| ((line.id, line.total), line.gap()));
    let mut stale = top(gaps, most + 1);
    let more = stale.len() > most;
    stale.truncate(most);
    let entry = |((id, views), _): ((&str, u64), u64)| Ok((PostId::parse(id.to_owned())?, views));
    let entries: Result<_, Error> = stale.into_iter().map(entry).collect();
    Ok((entries?, more))
}

/// The ledger whose totals these are.
const LEDGER: u32 = 0;

fn room_of(id: &PostId) -> u32 {
    ROOM_PER_POST + id.as_str().len() as u32
}

fn key(row: &str) -> String {
    format!("{LEDGER}:{row}")
}

fn journal_key(number: u32) -> String {
    format!("{LEDGER}:journal:{number}")
}

fn page_key(number: u32) -> String {
    format!("{LEDGER}:page:{number}")
}
