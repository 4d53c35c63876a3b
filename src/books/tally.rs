//! The ledger's books: every post's record, and who was counted lately.
//!
//! A change is applied to its post and appended to the journal; one row takes the journal and all that
//! is not of a single post, so that however many changes wait, one write stores them. When the journal
//! has grown, it is folded into the posts' pages.

mod journal;
mod publication;
mod takeover;

pub use journal::Rows;
pub use publication::{Publication, Published};
pub use takeover::Part;

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::settings::Settings;
use crate::base::time::Time;
use crate::books::seen::{ID_SECONDS, Key, Salts, Seen};
use crate::model::mode::Mode;
use crate::model::outcome::Outcome;
use crate::model::page::{self, Page, Post};
use crate::model::reason::Reason;
use crate::model::record::Record;
use crate::published::budget::Budget;
use crate::published::snapshot::Adopted;
use journal::{Event, VERSION, page_key};
use serde::{Deserialize, Serialize};
use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, HashSet, VecDeque};
use takeover::Adoption;

/// The room for posts: the snapshot has to fit into a value of Workers KV, 25 MiB.
const ROOM: u32 = 16 << 20;
/// The room that a post takes beside its id.
const ROOM_PER_POST: u32 = 32;

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
        self.admit(rows, std::iter::once(ping.post))?;
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
        let page = self.page(rows, self.number(post))?;
        Ok(page.get(post).map_or(0, |post| post.record.total))
    }

    /// Sets the views of a post; 0 forgets all of it. Its entry in Workers KV follows.
    pub fn set(&mut self, rows: &impl Rows, post: &PostId, views: u64) -> Result<(), Error> {
        self.admit(rows, std::iter::once(post))?;
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
        let number = self.number(id);
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
            let page = self.page(rows, self.number(id))?;
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
        let page = self.page(rows, self.number(id))?;
        Ok(page
            .get(id)
            .map(|post| post.record.clone())
            .unwrap_or_default())
    }

    /// The page that a post is in.
    fn number(&self, post: &PostId) -> u32 {
        page::number(post.as_str(), self.head.pages)
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

fn room_of(id: &PostId) -> u32 {
    ROOM_PER_POST + id.as_str().len() as u32
}
