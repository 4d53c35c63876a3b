//! The posts of a ledger, in pages.
//!
//! A page holds the posts of a range of places (`crate::model::place`) and is stored in one row. Changes are kept
//! beside it in memory, and in the journal, until the page is folded: written again with its changes. A page that
//! has grown beyond [`PAGE_BYTES`] is split in two when it is folded.
//!
//! ```text
//! 0:pages       the depths of all ranges, in their order, in postcard
//! 0:page:0110   the number of the first event that is not in the page, a varint; then its lines
//! ```
//!
//! Pages stay encoded in memory. Above [`CACHE_BYTES`], the least recently used ones are dropped.

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::books::event::Event;
use crate::books::rows::{Rows, key};
use crate::model::page::{self, Changes, Line, Post, Tell};
use crate::model::place::{Key, Range, find, place};
use crate::model::standing::Standing;
use std::collections::BTreeSet;

/// A longer page is split.
pub const PAGE_BYTES: usize = 64 << 10;
/// The most bytes of pages in memory.
const CACHE_BYTES: usize = 16 << 20;

/// The pages of a ledger, with what is in memory of them.
#[derive(Debug)]
pub struct Pages {
    secret: Key,
    /// All pages, in the order of their ranges.
    slots: Vec<Slot>,
    /// The bytes of the pages in memory.
    cached: usize,
    /// Counts uses.
    clock: u64,
    /// The pages with changes: the number of the oldest event that may not be in the row, and the
    /// start of the range.
    stale: BTreeSet<(u64, u64)>,
}

#[derive(Debug)]
struct Slot {
    range: Range,
    /// The lines as they are stored; `None` if they are not in memory.
    lines: Option<Vec<u8>>,
    /// The first event that is not in the row; `None` until the row was read.
    folded: Option<u64>,
    /// When it was used last, by the clock.
    used: u64,
    changes: Changes,
    /// Events of the journal that are not among the changes yet, because the row was not read.
    replayed: Vec<(u64, Event)>,
    /// The oldest event that may not be in the row.
    oldest: Option<u64>,
}

impl Slot {
    fn new(range: Range) -> Self {
        Self {
            range,
            lines: None,
            folded: None,
            used: 0,
            changes: Changes::new(),
            replayed: Vec::new(),
            oldest: None,
        }
    }

    /// The page's row.
    fn key(&self) -> String {
        key(&format!("page:{}", self.range.name()))
    }

    fn len(&self) -> usize {
        self.lines.as_ref().map_or(0, Vec::len)
    }
}

/// What a post adds to the totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Its views.
    pub views: u64,
    /// The room that it takes.
    pub room: u32,
    /// Whether it waits to be verified, and counts apart from the others.
    pub waits: bool,
    /// Whether it was ever seen, as far as that is known. One that was deleted is not, though its entry in Workers
    /// KV may not be gone yet.
    pub is_known: bool,
}

/// The room that a post takes beside its id and the texts of its standing.
const ROOM_PER_POST: u32 = 32;

impl Weight {
    /// Of a post with these views.
    pub fn of(id: &PostId, views: u64, standing: &Standing) -> Self {
        Self {
            views,
            room: ROOM_PER_POST + id.as_str().len() as u32 + standing.room(),
            waits: standing.is_waiting(),
            is_known: views > 0 || *standing != Standing::Open,
        }
    }

    fn of_post(id: &PostId, post: &Post) -> Option<Self> {
        (!post.is_empty()).then(|| Self::of(id, post.record.total, &post.standing))
    }
}

/// A post before and after a change.
#[derive(Clone, Copy, Debug)]
pub struct Changed<'a> {
    /// What the post was; `None` if nothing was known of it.
    pub before: Option<Weight>,
    /// What it is; `None` if nothing is known of it.
    pub after: Option<Weight>,
    /// The post now.
    pub post: &'a Post,
}

impl Pages {
    /// One empty page. `secret` is what places follow from.
    pub fn new(secret: Key) -> Self {
        Self::over(secret, vec![Range::ALL])
    }

    /// The pages that were stored, if there are any.
    pub fn load(secret: Key, rows: &impl Rows) -> Result<Self, Error> {
        let Some(bytes) = rows.get(&key("pages"))? else {
            return Ok(Self::new(secret));
        };
        let depths: Vec<u8> = postcard::from_bytes(&bytes).map_err(|_| Error::Unreadable)?;
        let ranges = Range::cover(depths).ok_or(Error::Unreadable)?;
        Ok(Self::over(secret, ranges))
    }

    fn over(secret: Key, ranges: Vec<Range>) -> Self {
        Self {
            secret,
            slots: ranges.into_iter().map(Slot::new).collect(),
            cached: 0,
            clock: 0,
            stale: BTreeSet::new(),
        }
    }

    /// The secret that places follow from.
    pub fn secret(&self) -> &Key {
        &self.secret
    }

    /// The place of a post.
    pub fn place(&self, post: &PostId) -> u64 {
        place(&self.secret, post.as_str())
    }

    /// The ranges of all pages, in their order.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = Range> {
        self.slots.iter().map(|slot| slot.range)
    }

    /// How many pages have changes.
    pub fn stale(&self) -> usize {
        self.stale.len()
    }

    /// The oldest event that may not be in a row.
    pub fn oldest(&self) -> Option<u64> {
        self.stale.first().map(|(event, _)| *event)
    }

    /// The starts of the pages with changes.
    pub fn stale_starts(&self) -> impl Iterator<Item = u64> {
        self.stale.iter().map(|(_, start)| *start)
    }

    /// Replays an event of the journal, by its number.
    pub fn replay(&mut self, number: u64, event: Event) {
        let Some(post) = event.post() else { return };
        let index = self.index(self.place(post));
        self.slots[index].replayed.push((number, event));
        self.touch(index, number);
    }

    /// Whether a post was ever seen.
    pub fn knows(&mut self, rows: &impl Rows, id: &PostId) -> Result<bool, Error> {
        let weight = self.weight(rows, id)?;
        Ok(weight.is_some_and(|weight| weight.is_known))
    }

    /// The views of a post and its room; `None` if nothing is known of it.
    pub fn weight(&mut self, rows: &impl Rows, id: &PostId) -> Result<Option<Weight>, Error> {
        let slot = self.open(rows, id)?;
        if let Some(post) = slot.changes.get(id) {
            return Ok(Weight::of_post(id, post));
        }
        let line = page::find(slot.lines.as_deref().unwrap_or_default(), id.as_str())?;
        line.map(|line| Ok(Weight::of(id, line.total, &line.standing()?)))
            .transpose()
    }

    /// All that is kept of a post.
    pub fn post(&mut self, rows: &impl Rows, id: &PostId) -> Result<Post, Error> {
        let slot = self.open(rows, id)?;
        match slot.changes.get(id) {
            Some(post) => Ok(post.clone()),
            None => stored(slot, id),
        }
    }

    /// A post that has changed lately.
    pub fn changed(&self, id: &PostId) -> Option<&Post> {
        self.slots[self.index(self.place(id))].changes.get(id)
    }

    /// Changes a post by an event, by its number.
    pub fn apply(
        &mut self,
        rows: &impl Rows,
        id: &PostId,
        number: u64,
        event: &Event,
    ) -> Result<Changed<'_>, Error> {
        let slot = self.open(rows, id)?;
        if !slot.changes.contains_key(id) {
            let post = stored(slot, id)?;
            slot.changes.insert(id.clone(), post);
        }
        let range = slot.range;
        let index = self.index(range.start());
        self.touch(index, number);
        let post = self.slots[index].changes.entry(id.clone()).or_default();
        let before = Weight::of_post(id, post);
        event.apply(post);
        Ok(Changed {
            before,
            after: Weight::of_post(id, post),
            post,
        })
    }

    /// Visits all lines of the page that holds a place, in the order of their ids, with their changes; returns
    /// the range of the page. The page is not kept in memory for it.
    pub fn lines(
        &mut self,
        rows: &impl Rows,
        place: u64,
        tell: &mut Tell<'_>,
    ) -> Result<Range, Error> {
        let index = self.index(place);
        self.fill(rows, index, false)?;
        let slot = &self.slots[index];
        page::merge(
            slot.lines.as_deref().unwrap_or_default(),
            &slot.changes,
            tell,
        )?;
        Ok(slot.range)
    }

    /// Visits the posts that have changed in the page that holds a place.
    pub fn changes(
        &mut self,
        rows: &impl Rows,
        place: u64,
        mut tell: impl FnMut(&PostId, &Post) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let index = self.index(place);
        if !self.slots[index].replayed.is_empty() {
            self.fill(rows, index, false)?;
        }
        let mut changes = self.slots[index].changes.iter();
        changes.try_for_each(|(id, post)| tell(id, post))
    }

    /// Writes the page with the oldest change, and the pages that it is split into; whether there was
    /// one. `next` is the number of the next event.
    pub fn fold(&mut self, rows: &impl Rows, next: u64) -> Result<bool, Error> {
        let Some(&(_, start)) = self.stale.first() else {
            return Ok(false);
        };
        let index = self.index(start);
        self.fill(rows, index, true)?;
        let slot = &mut self.slots[index];
        let mut lines = Vec::with_capacity(slot.len() + slot.len() / 8);
        page::merge(
            slot.lines.as_deref().unwrap_or_default(),
            &slot.changes,
            &mut |_, line| {
                lines.extend_from_slice(line);
                Ok(())
            },
        )?;
        slot.changes = Changes::new();
        let range = slot.range;
        self.settle(index);
        let pages = split(&self.secret, range, lines)?;
        if let [_, _, ..] = &*pages {
            rows.delete(&self.slots[index].key())?;
        }
        let is_split = pages.len() > 1;
        self.cached -= self.slots[index].len();
        self.clock += 1;
        let mut slots = Vec::with_capacity(pages.len());
        for (range, lines) in pages {
            let row = postcard::to_extend(&next, Vec::new()).map_err(|_| Error::Unreadable)?;
            let slot = Slot {
                folded: Some(next),
                used: self.clock,
                ..Slot::new(range)
            };
            rows.put(&slot.key(), &[row.as_slice(), &lines].concat())?;
            self.cached += lines.len();
            slots.push(Slot {
                lines: Some(lines),
                ..slot
            });
        }
        self.slots.splice(index..=index, slots);
        if is_split {
            let depths: Vec<u8> = self.ranges().map(Range::depth).collect();
            let depths = postcard::to_extend(&depths, Vec::new()).map_err(|_| Error::Unreadable)?;
            rows.put(&key("pages"), &depths)?;
        }
        self.let_go(None);
        Ok(true)
    }

    fn index(&self, place: u64) -> usize {
        find(&self.slots, |slot| slot.range, place)
    }

    /// Notes that a page has a change since an event.
    fn touch(&mut self, index: usize, number: u64) {
        let slot = &mut self.slots[index];
        if slot.oldest.is_none() {
            slot.oldest = Some(number);
            self.stale.insert((number, slot.range.start()));
        }
    }

    /// Notes that a page has no changes.
    fn settle(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if let Some(number) = slot.oldest.take() {
            self.stale.remove(&(number, slot.range.start()));
        }
    }

    /// The page of a post, with everything that is needed to read the post.
    fn open(&mut self, rows: &impl Rows, id: &PostId) -> Result<&mut Slot, Error> {
        let index = self.index(self.place(id));
        let slot = &self.slots[index];
        // A post that has changed is reported without its page.
        if !(slot.replayed.is_empty() && slot.changes.contains_key(id)) {
            self.fill(rows, index, true)?;
        }
        Ok(&mut self.slots[index])
    }

    /// Reads a page, and applies what the journal has of it. Where it is not to `stay`, it is the next
    /// to be let go.
    fn fill(&mut self, rows: &impl Rows, index: usize, stay: bool) -> Result<(), Error> {
        if stay {
            self.clock += 1;
            self.slots[index].used = self.clock;
        }
        if self.slots[index].lines.is_none() {
            let slot = &mut self.slots[index];
            let row = rows.get(&slot.key())?;
            let mut lines = row.unwrap_or_default();
            let mut folded = 0;
            if !lines.is_empty() {
                let (first, rest): (u64, _) =
                    postcard::take_from_bytes(&lines).map_err(|_| Error::Unreadable)?;
                folded = first;
                let header = lines.len() - rest.len();
                lines.drain(..header);
            }
            slot.folded = Some(folded);
            self.cached += lines.len();
            slot.lines = Some(lines);
            self.let_go(Some(index));
        }
        let slot = &mut self.slots[index];
        let folded = slot.folded.unwrap_or_default();
        for (number, event) in std::mem::take(&mut slot.replayed) {
            let Some(id) = event.post() else { continue };
            // A post whose events are all in the row counts as changed, too: the lists that were stored
            // may not have them.
            if !slot.changes.contains_key(id) {
                let post = stored(slot, id)?;
                slot.changes.insert(id.clone(), post);
            }
            if let Some(post) = slot.changes.get_mut(id)
                && number >= folded
            {
                event.apply(post);
            }
        }
        Ok(())
    }

    /// Drops pages until the others fit, but not the one in use.
    fn let_go(&mut self, in_use: Option<usize>) {
        while self.cached > CACHE_BYTES {
            let loaded = self.slots.iter().enumerate();
            let others = loaded.filter(|(n, slot)| slot.lines.is_some() && Some(*n) != in_use);
            let Some((oldest, _)) = others.min_by_key(|(_, slot)| slot.used) else {
                return;
            };
            self.cached -= self.slots[oldest].len();
            self.slots[oldest].lines = None;
            self.slots[oldest].used = 0;
        }
    }
}

/// A post as the page in memory has it, without its changes.
fn stored(slot: &Slot, id: &PostId) -> Result<Post, Error> {
    let lines = slot.lines.as_deref().unwrap_or_default();
    let line = page::find(lines, id.as_str())?;
    line.map_or_else(|| Ok(Post::default()), |line| line.post())
}

/// Splits a page until no part is too long.
fn split(secret: &Key, range: Range, lines: Vec<u8>) -> Result<Vec<(Range, Vec<u8>)>, Error> {
    let halves = range.halves().filter(|_| lines.len() > PAGE_BYTES);
    let Some(halves) = halves else {
        return Ok(vec![(range, lines)]);
    };
    let mut parts = [Vec::new(), Vec::new()];
    let mut rest = &*lines;
    while !rest.is_empty() {
        let (line, after): (Line, _) =
            postcard::take_from_bytes(rest).map_err(|_| Error::Unreadable)?;
        let half = usize::from(halves[1].holds(place(secret, line.id)));
        parts[half].extend_from_slice(&rest[..rest.len() - after.len()]);
        rest = after;
    }
    drop(lines);
    let mut pages = Vec::new();
    for (half, lines) in halves.into_iter().zip(parts) {
        pages.extend(split(secret, half, lines)?);
    }
    Ok(pages)
}
