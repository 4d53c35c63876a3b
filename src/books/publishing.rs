//! What is known of publishing: what is stored of it, and the publication that is on its way.

use crate::base::limits::HOUR_SECONDS;
use crate::base::time::Time;
use crate::model::place::{Key, Range, find};
use crate::published::budget::Budget;
use crate::published::head::Visible;
use crate::published::part;
use crate::published::slice::Grant;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How long Workers KV may go on saying that there is nothing, in seconds.
const UNSEEN_SECONDS: u32 = 120;
/// How many parts a publication is to have writes for: what everybody reads is worth more than entries.
const PARTS_ASIDE: u32 = 2;
/// The most keys that one publication removes.
const MOST_RETIRED: usize = 10;

/// What is stored of publishing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PublishState {
    pub(super) budget: Budget,
    /// Whether anything changed since the head was last published.
    pub(super) changed: bool,
    /// Whether anything changed since the head that is on its way was put together.
    #[serde(skip)]
    pub(super) changed_since: bool,
    /// Whether entries in Workers KV are behind their posts.
    pub(super) behind: bool,
    /// Whether readers cannot be shown what is written until more parts are.
    pub(super) incomplete: bool,
    pub(super) published: Time,
    pub(super) alarm: Option<Time>,
    /// How the posts are parted, in the order of the ranges.
    pub(super) parts: Vec<PartState>,
    /// The parts that the head lists; none where it carries the posts.
    pub(super) visible: Vec<Visible>,
    /// Keys that are no longer read, and since when.
    pub(super) retired: Vec<(Time, String)>,
    /// When a listed post loses views of a period.
    pub(super) fades: Option<Time>,
    /// How many rows the lists take.
    pub(super) lists: u32,
    /// When another deployment was found to publish here.
    pub(super) refused: Option<Time>,
    /// The places of posts whose entries Workers KV did not take, and until when they are set aside.
    pub(super) failed: Vec<(u64, Time)>,
    /// Whether the posts are shared with other ledgers, so that the head does not carry them.
    #[serde(skip)]
    pub(super) is_shared: bool,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct PartState {
    depth: u8,
    /// When it was written; never where this is 0.
    pub(super) published: Time,
    /// Since when it is behind, if it is.
    pub(super) behind: Option<Time>,
    /// The same since it was put together last.
    #[serde(skip)]
    pub(super) behind_again: Option<Time>,
}

impl PartState {
    fn is_written(&self) -> bool {
        self.published > Time::default()
    }
}

impl Default for PublishState {
    fn default() -> Self {
        Self {
            budget: Budget::default(),
            changed: false,
            changed_since: false,
            behind: false,
            incomplete: false,
            published: Time::default(),
            alarm: None,
            parts: vec![PartState::default()],
            visible: Vec::new(),
            retired: Vec::new(),
            fades: None,
            lists: 0,
            refused: None,
            failed: Vec::new(),
            is_shared: false,
        }
    }
}

impl PublishState {
    /// Notes that what is published is out of date.
    pub(super) fn change(&mut self) {
        self.changed = true;
        self.changed_since = true;
    }

    /// Whether readers may not have seen yet that anything was published.
    pub(super) fn is_new(&self, now: Time) -> bool {
        self.published == Time::default() || self.published.distance(now) < UNSEEN_SECONDS
    }

    /// Notes that a post has changed.
    pub(super) fn touch(&mut self, place: u64, now: Time) {
        self.change();
        let index = match self.parts.len() {
            1 => 0,
            _ => find(&self.ranges(), |range| *range, place),
        };
        if let Some(part) = self.parts.get_mut(index) {
            part.behind.get_or_insert(now);
            part.behind_again.get_or_insert(now);
        }
    }

    /// Notes that the head waits for parts, which are to be written soon.
    pub(super) fn go_on(&mut self) {
        self.change();
        self.incomplete = true;
    }

    /// Takes writes of other ledgers out of the day's budget.
    pub(super) fn spend(&mut self, writes: u32, now: Time) {
        self.budget.spend(writes, now);
    }

    /// Gives them back.
    pub(super) fn refund(&mut self, writes: u32, now: Time) {
        self.budget.refund(writes, now);
    }

    /// Goes on with a budget that another ledger has spent of.
    pub(super) fn continue_budget(&mut self, budget: Budget) {
        self.budget = budget;
        self.budget.share(self.is_shared);
    }

    /// Has the posts published in parts, and not in the head, while they are shared with other ledgers.
    pub(super) fn share(&mut self, is_shared: bool) {
        self.is_shared = is_shared;
        self.budget.share(is_shared);
    }

    /// Everything is published anew, under the keys of another deployment.
    pub(super) fn begin_anew(&mut self, before: &Key, now: Time) {
        let parts = self.parts.iter().zip(self.ranges());
        let written = parts.filter(|(part, _)| part.is_written());
        let visible = Range::cover(self.visible.iter().map(|part| part.depth)).unwrap_or_default();
        let mut ranges = visible;
        for (_, range) in written {
            if !ranges.contains(&range) {
                ranges.push(range);
            }
        }
        self.retire(
            ranges.into_iter().map(|range| part::key(before, range)),
            now,
        );
        for part in &mut self.parts {
            part.published = Time::default();
        }
        self.visible.clear();
        self.go_on();
    }

    /// Keys that are no longer read stay from now on for as long as a reader may have an old head.
    pub(super) fn retire_from(&mut self, now: Time) {
        self.retired.iter_mut().for_each(|(since, _)| *since = now);
    }

    /// This ledger has nothing to publish any more.
    pub(super) fn leave(&mut self) {
        *self = Self {
            retired: std::mem::take(&mut self.retired),
            alarm: self.alarm,
            lists: self.lists,
            ..Self::default()
        };
        self.share(true);
    }

    /// Notes keys that readers no longer ask for.
    pub(super) fn retire(&mut self, keys: impl IntoIterator<Item = String>, now: Time) {
        self.retired.extend(keys.into_iter().map(|key| (now, key)));
    }

    /// The keys that are to be removed now, at most so many.
    pub(super) fn retired_keys(&self, most: u32, now: Time) -> Vec<String> {
        // Until there is another head, readers use the old one.
        let is_over = |since: &Time| !self.incomplete && since.plus(HOUR_SECONDS) <= now;
        let over = self.retired.iter().filter(|(since, _)| is_over(since));
        let most = MOST_RETIRED.min(most as usize);
        over.take(most).map(|(_, key)| key.clone()).collect()
    }

    /// Notes that another deployment publishes here.
    pub(super) fn refuse(&mut self, now: Time) {
        self.refused = Some(now);
    }

    fn ranges(&self) -> Vec<Range> {
        Range::cover(self.parts.iter().map(|part| part.depth)).unwrap_or_default()
    }

    pub(super) fn is_inline(&self) -> bool {
        self.parts.len() == 1 && !self.is_shared
    }

    /// How many parts each of the day's later publications shall be able to write, before entries are
    /// written.
    pub(super) fn parts_aside(&self) -> u32 {
        match self.is_inline() {
            true => 0,
            false if self.is_shared => PARTS_ASIDE,
            false => PARTS_ASIDE.min(self.parts.len() as u32),
        }
    }

    /// Whether parts are behind that have to be written.
    pub(super) fn has_stale_parts(&self) -> bool {
        !self.is_inline() && self.parts.iter().any(|part| part.behind.is_some())
    }

    /// The parts to write, at most so many: those first that were never written, then those that have
    /// been behind for the longest.
    pub(super) fn stale_parts(&self, most: u32) -> VecDeque<Range> {
        if self.is_inline() {
            return VecDeque::new();
        }
        let since = |(part, index): (&PartState, usize)| {
            let behind = match part.is_written() {
                true => part.behind?.seconds().into(),
                false => 0,
            };
            Some((behind, index))
        };
        let mut stale: Vec<(u64, usize)> = self.parts.iter().zip(0..).filter_map(since).collect();
        stale.sort_unstable();
        let ranges = self.ranges();
        let stale = stale.into_iter().take(most as usize);
        stale.map(|(_, index)| ranges[index]).collect()
    }

    /// Splits a part in two; `None` where it cannot be.
    pub(super) fn split(&mut self, range: Range) -> Option<[Range; 2]> {
        let halves = range.halves()?;
        let index = self.ranges().iter().position(|one| *one == range)?;
        let half = PartState {
            depth: range.depth() + 1,
            published: Time::default(),
            ..self.parts[index]
        };
        self.parts.splice(index..=index, [half; 2]);
        Some(halves)
    }

    pub(super) fn part_mut(&mut self, range: Range) -> Option<&mut PartState> {
        let index = self.ranges().iter().position(|one| *one == range)?;
        self.parts.get_mut(index)
    }

    /// What the next head lists: a part that was split since stays until all it was split into is
    /// written. `None` where the head cannot be written yet. One of several ledgers that `has_no_posts` needs
    /// no parts.
    pub(super) fn next_visible(&self, has_no_posts: bool) -> Option<Vec<Visible>> {
        let parts = self.parts.iter().zip(self.ranges());
        let written: Vec<_> = parts
            .map(|(part, range)| {
                let visible = Visible {
                    depth: part.depth,
                    published: part.published,
                };
                (range, part.is_written().then_some(visible))
            })
            .collect();
        let is_nothing = |(_, visible): &(Range, Option<Visible>)| visible.is_none();
        if has_no_posts && self.visible.is_empty() && written.iter().all(is_nothing) {
            return Some(Vec::new());
        }
        if self.visible.is_empty() {
            return written.into_iter().map(|(_, visible)| visible).collect();
        }
        let before = Range::cover(self.visible.iter().map(|part| part.depth))?;
        let mut next = Vec::with_capacity(written.len());
        for (range, visible) in before.into_iter().zip(&self.visible) {
            let within = written.iter().filter(|(part, _)| range.covers(*part));
            let within: Option<Vec<_>> = within.map(|(_, visible)| *visible).collect();
            next.extend(within.unwrap_or_else(|| vec![*visible]));
        }
        Some(next)
    }

    /// Since when a part is behind, or since ever where one was never written; never where none is.
    pub(super) fn oldest_part(&self) -> Time {
        let since = |part: &PartState| match part.is_written() {
            true => part.behind,
            false => part.behind.map(|_| Time::default()),
        };
        let never = Time::from_seconds(u32::MAX);
        self.parts.iter().filter_map(since).min().unwrap_or(never)
    }

    /// Since when something has changed that the parts do not hold; `now` where they hold everything.
    pub(super) fn oldest(&self, now: Time) -> Time {
        if self.is_inline() {
            return now;
        }
        let behind = self.parts.iter().filter_map(|part| part.behind);
        behind.min().unwrap_or(now)
    }
}

/// A publication that is on its way, in memory.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    /// The parts that are still to be written.
    pub(super) queue: VecDeque<Range>,
    /// Whether the head is still to be written.
    pub(super) head: bool,
    pub(super) reserved: u32,
    /// The writes that the lead gives the other ledgers of this publication, as far as none has them; or
    /// those that this ledger got of the lead.
    pub(super) pool: Grant,
    /// Whether nothing was written yet: where it ends so, the next one comes at the usual time.
    pub(super) is_stalled: bool,
    /// What the head that is on its way lists.
    pub(super) next_visible: Vec<Visible>,
    /// When the lead was told last that there is something to publish.
    pub(super) noticed: Time,
}

impl Publishing {
    /// What is on its way is of a former layout.
    pub(super) fn forget(&mut self) {
        self.queue.clear();
        self.head = false;
    }
}
