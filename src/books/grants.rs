//! Publishing by a ledger that does not lead: what the lead grants it, and what the lead gets back.

use crate::base::error::Error;
use crate::base::limits::HOUR_SECONDS;
use crate::base::settings::Settings;
use crate::base::time::Time;
use crate::books::publication::Publication;
use crate::books::rows::Rows;
use crate::books::tally::Tally;
use crate::published::slice::{Grant, Slice};

/// A ledger that does not lead.
impl Tally {
    /// Begins what the lead has granted, which has `published` last what this ledger had at that time. `None`
    /// where the ledger is not ready: posts are on their way, or the lists are not right yet.
    pub fn begin_grant(
        &mut self,
        rows: &impl Rows,
        (grant, published): (Grant, Option<Time>),
        now: Time,
        settings: &Settings,
    ) -> Result<Option<Publication>, Error> {
        if self.layout.is_moving() || !self.are_ranked(rows, now, settings)? {
            return Ok(None);
        }
        self.publishing.reserved = 0;
        self.publishing.head = false;
        self.publishing.pool = grant;
        if self.is_restoring() {
            return Ok(Some(Publication::default()));
        }
        self.publishing.queue = self.parts_to_write(grant.parts);
        let parts = self.publishing.queue.len() as u32;
        let publish = &mut self.state.publish;
        // A head that does not tell of them any more has to have been there for a while.
        let retired = match published {
            Some(published) if !self.layout.is_changing() => {
                publish.retired_keys(grant.parts - parts, published)
            }
            _ => Vec::new(),
        };
        publish.published = now;
        self.reserve(parts + retired.len() as u32, now);
        let entries = match self.is_taken_over() {
            true => self.stale_entries(grant.entries as usize, now),
            false => Vec::new(),
        };
        self.publishing.reserved += entries.len() as u32;
        Ok(Some(Publication { entries, retired }))
    }

    /// What this ledger has for the head, when its publication has ended with so many writes.
    pub fn slice(&mut self, writes: u32, now: Time, settings: &Settings) -> Slice {
        let visible = self.next_visible();
        let is_complete = visible.is_some();
        self.state.publish.incomplete = !is_complete;
        let slice = Slice {
            head: self.own_head(visible.unwrap_or_default(), now, settings),
            is_complete: is_complete && !self.is_restoring(),
            room: self.room(),
            writes,
        };
        if is_complete {
            // The lead sees to it that it is published.
            self.head_written(now);
        }
        slice
    }

    /// Begins to remove keys that are no longer read, if there are any, and writes nothing.
    pub(super) fn begin_removal(&mut self, now: Time) -> Option<Publication> {
        let publish = &self.state.publish;
        let retired = publish.retired_keys(u32::MAX, now);
        self.publishing.queue.clear();
        self.publishing.head = false;
        (self.layout.has_left() && !retired.is_empty()).then(|| Publication {
            entries: Vec::new(),
            retired,
        })
    }

    /// When a ledger that publishes nothing has keys to remove.
    pub(super) fn retired_due(&self, now: Time) -> Option<Time> {
        let oldest = self
            .state
            .publish
            .retired
            .iter()
            .map(|(since, _)| since.plus(HOUR_SECONDS))
            .min();
        oldest
            .filter(|_| self.layout.has_left())
            .map(|due| due.max(now.plus(1)))
    }

    /// When the lead is to be told that there is something to publish.
    pub(super) fn notice_due(&self, now: Time, settings: &Settings) -> Option<Time> {
        let publish = &self.state.publish;
        let last = publish.published.max(self.publishing.noticed).min(now);
        let again = |wait| last.plus(wait).max(now.plus(1));
        if publish.changed || publish.has_stale_parts() {
            // The lead mostly asks by itself before that.
            return Some(again(settings.publish + settings.publish / 8));
        }
        // The lead asks anyway, and the day's writes may be used up.
        let waits = publish.behind || !publish.retired.is_empty();
        let behind = waits.then(|| again(settings.publish.max(HOUR_SECONDS)));
        let fades = publish.fades.map(|at| at.max(now.plus(1)));
        [behind, fades].into_iter().flatten().min()
    }

    /// Whether the lead is to be told now that there is something to publish. That it is, is noted.
    pub fn has_notice(&mut self, now: Time, settings: &Settings) -> bool {
        if self.layout.is_lead()
            || self.layout.is_moving()
            || self.layout.has_left()
            || !self.is_taken_over()
        {
            return false;
        }
        let is_due = self
            .notice_due(now, settings)
            .is_some_and(|due| due <= now.plus(1));
        if is_due {
            self.publishing.noticed = now;
        }
        is_due
    }
}
