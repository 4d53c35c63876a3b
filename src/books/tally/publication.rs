//! How the books are published: when, and what.

use super::Tally;
use super::journal::{Event, Rows, page_key};
use super::takeover::Adoption;
use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::settings::Settings;
use crate::base::time::Time;
use crate::model::page::{self, Entry};
use crate::published::snapshot::{self, Summary};
use crate::published::top::top;

/// How long after its time an alarm that did not come is set again, in seconds.
const ALARM_SECONDS: u32 = 60;

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
            let salts = self.head.salts.forget_at(settings.dedupe);
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
