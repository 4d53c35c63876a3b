//! Removes many posts: those that the owner names, and, when strangers have filled their room, those that nobody
//! would miss.
//!
//! Posts are examined page by page, and one call examines so few that it stays far below a request's CPU limit.
//! Like a post that the owner deletes, a removed post is gone from totals, lists and Workers KV.

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::limits::HOUR_SECONDS;
use crate::base::time::{DAY, Time};
use crate::books::rows::Rows;
use crate::books::tally::{ROOM, Tally};
use crate::model::filter::Filter;
use crate::model::page::{Line, Post};
use crate::model::standing::Standing;

/// The bytes of posts that one call looks through, and the most posts that it removes.
const LOOK_BYTES: usize = 256 << 10;
const MOST_REMOVED: usize = 200;
/// Posts are removed once this much room is used, which leaves room for an hour of the longest ids.
const FULL: u32 = ROOM - (256 << 10);
/// They are removed until no more than this is used.
const ENOUGH: u32 = ROOM - (512 << 10);
/// The seconds before all posts are looked through again.
const REST: u32 = HOUR_SECONDS;
/// How many days a post waits for the site.
const WAITING_DAYS: u32 = 30;

/// What a call has removed, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many posts.
    pub posts: u32,
    /// Their views.
    pub views: u64,
    /// The place to go on at; `None` if all were looked through.
    pub next: Option<u64>,
}

impl Tally {
    /// Removes the posts that a filter takes, from a place on, or with `dry` only counts them.
    pub fn remove(
        &mut self,
        rows: &impl Rows,
        from: u64,
        filter: &Filter,
        dry: bool,
        now: Time,
    ) -> Result<Removed, Error> {
        let is_one = |line: &Line| filter.takes(line);
        self.look_through(rows, from, &is_one, dry, None, now)
    }

    /// Looks through posts from a place on, and removes those that are one, until the posts take no more
    /// room than is `enough`, if anything is.
    fn look_through(
        &mut self,
        rows: &impl Rows,
        from: u64,
        is_one: &dyn Fn(&Line) -> Result<bool, Error>,
        dry: bool,
        enough: Option<u32>,
        now: Time,
    ) -> Result<Removed, Error> {
        let mut removed = Removed {
            next: Some(from),
            ..Removed::default()
        };
        let mut bytes = 0;
        while let Some(place) = removed.next.filter(|_| bytes < LOOK_BYTES) {
            let mut found = Vec::new();
            let range = self.pages.lines(rows, place, &mut |id, line| {
                bytes += line.len();
                let line: Line = postcard::from_bytes(line).map_err(|_| Error::Unreadable)?;
                if is_one(&line)? {
                    match dry {
                        true => removed.count(line.total),
                        false => found.push((PostId::parse(id.to_owned())?, line.total)),
                    }
                }
                Ok(())
            })?;
            // An empty page costs something, too.
            bytes += 4096;
            for (post, views) in found {
                let is_enough = enough.is_some_and(|enough| self.room() <= enough);
                if removed.posts as usize == MOST_REMOVED || is_enough {
                    return Ok(removed);
                }
                let Post { entry, .. } = self.pages.post(rows, &post)?;
                let nothing = Post {
                    entry,
                    ..Post::default()
                };
                self.put(rows, post, nothing, now)?;
                removed.count(views);
            }
            removed.next = range.end();
        }
        Ok(removed)
    }

    /// When room is to be made for new posts, if it is.
    pub(super) fn clear_at(&self, now: Time) -> Option<Time> {
        let guard = &self.state.guard;
        let rests = guard.clearing.is_none();
        if self.layout.is_moving() || !self.is_taken_over() || rests && self.room() <= FULL {
            return None;
        }
        let after = guard.cleared.min(now).plus(REST);
        Some(if rests { after } else { now }.max(now.plus(1)))
    }

    /// Makes some room, where there is little.
    pub(super) fn clear(&mut self, rows: &impl Rows, now: Time) -> Result<(), Error> {
        if self.clear_at(now).is_none_or(|due| due > now.plus(1)) {
            return Ok(());
        }
        let from = self.state.guard.clearing.unwrap_or_default();
        let is_one = |line: &Line| is_spare(line, now);
        let removed = self.look_through(rows, from, &is_one, false, Some(ENOUGH), now)?;
        let is_enough = self.room() <= ENOUGH;
        let guard = &mut self.state.guard;
        guard.clearing = removed.next.filter(|_| !is_enough);
        if removed.next.is_none() && !is_enough {
            guard.cleared = now;
        }
        Ok(())
    }
}

impl Removed {
    fn count(&mut self, views: u64) {
        self.posts += 1;
        self.views = self.views.saturating_add(views);
    }
}

/// Whether nobody would miss a post: one view of somebody, more than a day ago, or none that the site has
/// confirmed for a month.
fn is_spare(line: &Line, now: Time) -> Result<bool, Error> {
    Ok(match line.standing()? {
        Standing::Open if line.total == 1 => {
            let record = line.record()?;
            let last = record.by_hour().last();
            last.is_some_and(|(hour, _)| hour.end().plus(DAY) <= now)
        }
        Standing::Waiting { since, .. } => since <= now.day().minus(WAITING_DAYS),
        _ => false,
    })
}
