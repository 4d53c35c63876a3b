//! The rankings in memory: brought up to date before a publication, a part of the way in each alarm.

use crate::base::error::Error;
use crate::base::limits::HOUR_SECONDS;
use crate::base::settings::Settings;
use crate::base::time::Time;
use crate::books::lists::{Lists, Offer};
use crate::books::rows::{Rows, get_long, put_long};
use crate::books::tally::Tally;
use crate::model::page::Line;

/// The most pages whose changes one alarm offers to the lists.
const MOST_PAGES: usize = 32;
/// The bytes of pages that one alarm offers to new lists.
const SWEEP_BYTES: usize = 1 << 20;

/// The rankings, in memory from the first publication on.
#[derive(Debug, Default)]
pub struct Ranks {
    pub(super) lists: Option<Lists>,
    /// The starts of pages whose changes the lists lack.
    waiting: Vec<u64>,
    sweep: Option<Sweep>,
    /// When the last sweep ended.
    swept: Option<Time>,
    /// Whether the lists are new, and are to be stored.
    unsaved: bool,
}

/// All posts are being offered to new lists.
#[derive(Debug)]
struct Sweep {
    next: u64,
    lists: Lists,
}

impl Ranks {
    /// Reads the lists, if they were not read yet. `stale` are the pages with changes since they were
    /// stored.
    pub(super) fn load(
        &mut self,
        rows: &impl Rows,
        settings: &Settings,
        now: Time,
        chunks: u32,
        stale: impl Iterator<Item = u64>,
    ) -> Result<(), Error> {
        if self.lists.is_some() {
            return Ok(());
        }
        let stored = get_long(rows, "lists", chunks)?;
        let stored: Option<Lists> = postcard::from_bytes(&stored).ok();
        let fits = |lists: &Lists| lists.are_of(&settings.lists);
        self.lists = Some(match stored.filter(fits) {
            Some(lists) => lists,
            None => {
                if chunks > 0 {
                    self.sweep(settings, now);
                }
                Lists::new(&settings.lists, now)
            }
        });
        self.waiting = stale.collect();
        Ok(())
    }

    /// Stores the lists over those that took so many rows; how many they take.
    pub(super) fn save(&mut self, rows: &impl Rows, before: u32) -> Result<u32, Error> {
        self.unsaved = false;
        // Lists that are not complete yet have to be made again.
        if self.sweep.is_some() && before > 0 && self.swept.is_none() {
            return put_long(rows, "lists", &[0], before);
        }
        let lists = postcard::to_extend(&self.lists, Vec::new()).map_err(|_| Error::Unreadable)?;
        // The lists without the `Some` before them.
        put_long(rows, "lists", lists.get(1..).unwrap_or_default(), before)
    }

    /// Offers a post as it is now.
    pub(super) fn offer(&mut self, offer: Offer, now: Time) {
        if let Some(lists) = &mut self.lists {
            lists.offer(offer, now);
        }
        if let Some(sweep) = &mut self.sweep {
            sweep.lists.offer(offer, now);
        }
    }

    fn sweep(&mut self, settings: &Settings, now: Time) {
        self.sweep = Some(Sweep {
            next: 0,
            lists: Lists::new(&settings.lists, now),
        });
    }

    /// Whether the lists are not right yet.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty() || self.sweep.is_some()
    }

    pub(super) fn are_entries_behind(&self) -> bool {
        let entries = self.lists.as_ref().map(Lists::entries);
        entries.is_some_and(|entries| !entries.ranked().is_empty() || entries.is_partial())
    }
}

impl Tally {
    /// Brings the lists up to date, or a part of the way; whether they are.
    pub(super) fn are_ranked(
        &mut self,
        rows: &impl Rows,
        now: Time,
        settings: &Settings,
    ) -> Result<bool, Error> {
        self.rank(rows, now, settings)?;
        for _ in 0..MOST_PAGES {
            let Some(start) = self.ranks.waiting.pop() else {
                break;
            };
            self.rank_page(rows, start, now)?;
        }
        let Some(lists) = &mut self.ranks.lists else {
            return Ok(false);
        };
        lists.slide(now);
        let is_right = lists.are_right();
        let entries = lists.entries();
        let swept = self.ranks.swept;
        let may_sweep = swept.is_none_or(|swept| swept.distance(now) >= HOUR_SECONDS);
        let lacks_entries = entries.ranked().is_empty() && entries.is_partial() && may_sweep;
        let fades = &mut self.state.publish.fades;
        if fades.is_some_and(|at| at <= now) {
            *fades = None;
            self.state.publish.change();
        }
        if !self.ranks.waiting.is_empty() {
            return Ok(false);
        }
        if self.ranks.sweep.is_none() && (!is_right || lacks_entries) {
            self.ranks.sweep(settings, now);
        }
        self.sweep(rows, now)?;
        Ok(self.ranks.sweep.is_none())
    }

    /// Offers some more posts to the new lists, and takes these where all were offered.
    fn sweep(&mut self, rows: &impl Rows, now: Time) -> Result<(), Error> {
        let mut bytes = 0;
        while let Some(sweep) = &mut self.ranks.sweep {
            if bytes >= SWEEP_BYTES {
                return Ok(());
            }
            let secret = *self.pages.secret();
            let range = self.pages.lines(rows, sweep.next, &mut |_, line| {
                bytes += line.len();
                let line: Line = postcard::from_bytes(line).map_err(|_| Error::Unreadable)?;
                if !line.waits() {
                    sweep.lists.offer(Offer::of_line(&secret, &line), now);
                }
                Ok(())
            })?;
            // An empty page costs something, too.
            bytes += 4096;
            match range.end() {
                Some(next) => sweep.next = next,
                None => {
                    let done = self.ranks.sweep.take();
                    self.ranks.lists = done.map(|mut sweep| {
                        sweep.lists.slide(now);
                        sweep.lists
                    });
                    self.ranks.swept = Some(now);
                    self.ranks.unsaved = true;
                }
            }
        }
        Ok(())
    }

    /// Whether the lists are to be stored though no events are dropped.
    pub(super) fn has_new_lists(&self) -> bool {
        self.ranks.unsaved
    }
}
