//! How the books are published: when, and what.
//!
//! A publication writes the parts that are the furthest behind, then the head, then entries of posts.
//! A small site has one part, which the head carries.

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::limits::{HOUR_SECONDS, MAX_COUNT};
use crate::base::settings::Settings;
use crate::base::time::Time;
use crate::books::event::Event;
use crate::books::lists::{Lists, Ranked};
use crate::books::publishing::PublishState;
use crate::books::rows::Rows;
use crate::books::takeover::Found;
use crate::books::tally::Tally;
use crate::model::page::{self, Entry};
use crate::model::place::{Key, Range};
use crate::model::record::Record;
use crate::model::standing::Standing;
use crate::published::budget::MOST_WRITES;
use crate::published::head::{
    HEAD, Head, INLINE_BYTES, Place, Summary, TopLists, Verification, Visible,
};
use crate::published::part::{self, PART_BYTES, Writer};
use crate::published::slice::Grant;
use std::collections::VecDeque;

/// How long after its time an alarm that did not come is set again, in seconds.
const ALARM_SECONDS: u32 = 60;
/// The most parts of one publication, for the CPU time of an alarm.
pub(super) const MOST_PARTS: u32 = 8;
/// The most entries that are set aside because Workers KV did not take them.
const MOST_FAILED: usize = 100;

/// What is to be published.
#[derive(Debug, Default)]
pub struct Publication {
    /// The posts whose own entries are to be written.
    pub entries: Vec<StaleEntry>,
    /// Keys that are to be removed.
    pub retired: Vec<String>,
}

/// A value that is to be written to Workers KV.
#[derive(Debug, PartialEq, Eq)]
pub struct Write {
    /// Its key.
    pub key: String,
    /// The value.
    pub bytes: Vec<u8>,
    /// What it is.
    pub what: Written,
    /// When it was put together.
    pub at: Time,
}

/// What a [`Write`] is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The posts of this range, under the key of this deployment.
    Part(Range, Key),
    /// The head.
    Head,
}

/// The writes of a publication beside its head.
#[derive(Clone, Copy, Debug)]
struct Shares {
    /// All.
    most: u32,
    /// Those for parts.
    parts: u32,
    /// Of these, the lead's own.
    own: u32,
}

/// An entry of a post that is out of date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleEntry {
    /// The post.
    pub post: PostId,
    /// Its views; with 0, the entry is to be removed.
    pub views: u64,
    /// What is known of the entry.
    pub entry: Entry,
}

/// What is to be done about an entry that is out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it is this already.
    Keep(Entry),
    /// It is to be written.
    Write(u64),
    /// It is to be removed.
    Remove,
}

impl StaleEntry {
    /// Whether Workers KV has to be asked for the entry first.
    pub fn is_unknown(&self) -> bool {
        matches!(self.entry, Entry::None | Entry::Unasked)
    }

    /// What is to be done where Workers KV was asked, and has this.
    pub fn action(&self, found: Found) -> Action {
        match (self.entry, found) {
            (Entry::None, Found::Count(_)) | (_, Found::Other) => Action::Keep(Entry::Foreign),
            (_, Found::Count(views)) if views == self.views => Action::Keep(Entry::Count(views)),
            (_, Found::Nothing) if self.views == 0 => Action::Keep(Entry::None),
            _ => self.known_action(),
        }
    }

    /// What is to be done where the entry is known.
    pub fn known_action(&self) -> Action {
        match self.views {
            0 => Action::Remove,
            views => Action::Write(views),
        }
    }
}

/// What came of a publication.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// The entries that were tried: what each is now, or `None` where Workers KV did not take it.
    pub entries: Vec<(PostId, Option<Entry>)>,
    /// The keys that were removed.
    pub retired: Vec<String>,
    /// The writes that were tried.
    pub writes: u32,
    /// Whether the head or a part could not be written.
    pub has_failed: bool,
}

impl Tally {
    /// When the alarm has to be set anew: to publish what has changed, and to forget what no longer
    /// matters.
    pub fn arm(&mut self, now: Time, settings: &Settings) -> Option<Time> {
        let wanted = self.due(now, settings)?;
        let right = |set: Time| set <= wanted && now <= set.plus(ALARM_SECONDS);
        if self.state.publish.alarm.is_some_and(right) {
            return None;
        }
        self.state.publish.alarm = Some(wanted);
        self.state.publish.alarm
    }

    fn due(&self, now: Time, settings: &Settings) -> Option<Time> {
        let forget = self.forget_at(now, settings);
        let forget = forget.map(|at| at.max(now.plus(1)));
        let next = match self.is_taken_over() {
            true => self.publication_due(now, settings),
            false if self.takeover_failed => Some(now.plus(settings.publish)),
            false => Some(now.plus(1)),
        };
        let change = self.change_due(now, settings);
        let clear = self.clear_at(now);
        [forget, next, change, clear].into_iter().flatten().min()
    }

    fn publication_due(&self, now: Time, settings: &Settings) -> Option<Time> {
        let PublishState {
            budget,
            changed,
            behind,
            refused,
            published,
            ..
        } = &self.state.publish;
        if self.layout.is_moving() || self.layout.has_left() {
            return self.retired_due(now);
        }
        if let Some(refused) = refused {
            return Some(refused.plus(HOUR_SECONDS).max(now));
        }
        if self.ranks.is_busy() {
            return Some(now.plus(1));
        }
        if !self.layout.is_lead() {
            return self.notice_due(now, settings);
        }
        if *changed || self.state.publish.has_stale_parts() {
            let goes_on = self.state.publish.incomplete && !self.publishing.is_stalled;
            if goes_on && budget.beside_head(0, now, settings) > Some(0) {
                return Some(now.plus(1));
            }
            return Some(budget.next(*published, now, settings));
        }
        let for_entries = budget.beside_head(self.state.publish.parts_aside(), now, settings);
        if *behind && for_entries > Some(0) {
            return Some(budget.next(*published, now, settings));
        }
        let midnight = behind.then(|| now.plus(now.rest_of_day()));
        let retired = self.state.publish.retired.first();
        let retired = retired.map(|(since, _)| match budget.beside_head(0, now, settings) {
            Some(1..) => since.plus(HOUR_SECONDS).max(now.plus(1)),
            _ => now.plus(now.rest_of_day()),
        });
        let fades = self.state.publish.fades.map(|at| at.max(now.plus(1)));
        [midnight, retired, fades].into_iter().flatten().min()
    }

    /// Notes that the alarm that was set has come.
    pub fn alarm_came(&mut self) {
        self.state.publish.alarm = None;
    }

    /// Begins what the alarm is for. What is to be published, if anything is; its writes are taken
    /// out of the day's budget. [`Tally::next_write`] tells the rest of it.
    pub fn begin(
        &mut self,
        rows: &impl Rows,
        now: Time,
        settings: &Settings,
    ) -> Result<Option<Publication>, Error> {
        self.alarm_came();
        self.begin_alarm();
        self.forget_waiting(rows, now, settings)?;
        self.clear(rows, now)?;
        if self.layout.is_moving() || self.layout.has_left() {
            return Ok(self.begin_removal(now));
        }
        if self.is_restoring() || !self.are_ranked(rows, now, settings)? || !self.layout.is_lead() {
            return Ok(None);
        }
        let due = self.publication_due(now, settings);
        if due.is_none_or(|due| due > now.plus(1)) {
            return Ok(None);
        }
        let Some(shares) = self.shares(now, settings) else {
            return Ok(None);
        };
        self.state.publish.refused = None;
        self.publishing.queue = self.parts_to_write(shares.own);
        let parts = self.publishing.queue.len() as u32;
        let publish = &mut self.state.publish;
        let budget = publish.budget;
        let taken = if publish.is_shared {
            shares.parts
        } else {
            parts
        };
        let retired = match self.layout.is_changing() {
            true => Vec::new(),
            false => publish.retired_keys(shares.most.saturating_sub(taken), now),
        };
        let for_entries = budget.beside_head(publish.parts_aside(), now, settings);
        let for_entries = for_entries.unwrap_or_default();
        let for_entries = for_entries.saturating_sub(taken + retired.len() as u32);
        // Before they are taken over, entries that others wrote must stay as they are.
        let for_entries = match self.is_taken_over() && (parts == 0 || parts < shares.parts) {
            true => for_entries,
            false => 0,
        };
        // The others get as many as this ledger each.
        let own = for_entries / u32::from(self.layout.ledgers());
        let entries = self.stale_entries(own as usize, now);
        self.publishing.pool = match self.layout.ledgers() {
            1 => Grant::default(),
            _ => Grant {
                parts: shares.parts - parts,
                entries: for_entries - own,
            },
        };
        let publish = &mut self.state.publish;
        self.publishing.head = publish.changed || parts > 0;
        publish.published = now;
        self.publishing.is_stalled = true;
        self.publishing.reserved = 0;
        // What others have may be what is new.
        let head = u32::from(self.publishing.head || publish.is_shared);
        let head = head.min(budget.left(now, settings).saturating_sub(taken));
        // What the others are granted is set aside before they write it.
        publish.spend(self.publishing.pool.writes(), now);
        self.reserve(
            parts + head + entries.len() as u32 + retired.len() as u32,
            now,
        );
        Ok(Some(Publication { entries, retired }))
    }

    /// How many writes the lead may take now; `None` where there are none.
    fn shares(&self, now: Time, settings: &Settings) -> Option<Shares> {
        let budget = self.state.publish.budget;
        let publish = &self.state.publish;
        // Until there are parts of every ledger there is no head to set a write aside for.
        if publish.is_shared && publish.incomplete {
            let left = budget.left(now, settings);
            let most = if left > 1 { left - 1 } else { left }.min(MOST_WRITES);
            let own = self.own_share(most);
            return (most > 0).then_some(Shares {
                most,
                parts: most,
                own,
            });
        }
        let most = budget.beside_head(0, now, settings)?;
        let parts = match self.next_visible() {
            Some(_) => budget.parts(now, settings).min(most),
            None => most,
        };
        Some(Shares {
            most,
            parts,
            own: self.own_share(parts),
        })
    }

    /// The posts of a range; `None` where they would be better in two parts.
    fn assemble(
        &mut self,
        rows: &impl Rows,
        range: Range,
        most: usize,
    ) -> Result<Option<Writer>, Error> {
        let mut writer = Writer::new(range);
        let has_waiting = self.state.guard.verified.waiting > 0;
        let mut next = Some(range.start());
        while let Some(start) = next.filter(|start| range.holds(*start)) {
            let page = writer.page(|bytes| {
                self.pages.lines(rows, start, &mut |_, line| {
                    if !has_waiting || !page::one(line)?.waits() {
                        bytes.extend_from_slice(line);
                    }
                    Ok(())
                })
            })?;
            if writer.is_long(most) {
                return Ok(None);
            }
            next = page.end();
        }
        if let Some(part) = self.state.publish.part_mut(range) {
            part.behind_again = None;
        }
        Ok(Some(writer))
    }

    /// The next part to write or, after the parts, the head that tells of them; `None` where all is
    /// written. What it tells is as of `now`.
    pub fn next_write(
        &mut self,
        rows: &impl Rows,
        now: Time,
        settings: &Settings,
    ) -> Result<Option<Write>, Error> {
        if let Some(part) = self.next_part(rows, now, settings)? {
            return Ok(Some(part));
        }
        if !std::mem::take(&mut self.publishing.head) || !self.may_publish_head() {
            return Ok(None);
        }
        if !self.state.publish.is_inline() {
            return self.head(None, now, settings);
        }
        match self.assemble(rows, Range::ALL, INLINE_BYTES)? {
            Some(inline) => self.head(Some(inline), now, settings),
            None => {
                self.leave_inline(now, settings);
                self.next_write(rows, now, settings)
            }
        }
    }

    /// Takes the posts out of the head, into parts of their own.
    fn leave_inline(&mut self, now: Time, settings: &Settings) {
        let publish = &mut self.state.publish;
        publish.split(Range::ALL);
        let left = publish.budget.beside_head(0, now, settings);
        let left = left.unwrap_or_default();
        self.publishing.queue = publish.stale_parts(left.min(MOST_PARTS));
        self.publishing.head = true;
        self.reserve(self.publishing.queue.len() as u32, now);
    }

    /// Sets writes aside. Those of another ledger than the lead were set aside by the lead.
    pub(super) fn reserve(&mut self, writes: u32, now: Time) {
        self.publishing.reserved += writes;
        match self.layout.is_lead() {
            true => self.state.publish.budget.spend(writes, now),
            false => self.publishing.pool.parts = self.publishing.pool.parts.saturating_sub(writes),
        }
    }

    /// Whether another write may be set aside.
    fn may_reserve(&self, now: Time, settings: &Settings) -> bool {
        match self.layout.is_lead() {
            true => self.state.publish.budget.beside_head(0, now, settings) > Some(0),
            false => self.publishing.pool.parts > 0,
        }
    }

    /// The parts to write now, at most so many.
    pub(super) fn parts_to_write(&self, most: u32) -> VecDeque<Range> {
        if self
            .next_visible()
            .is_some_and(|visible| visible.is_empty())
        {
            return VecDeque::new();
        }
        self.state.publish.stale_parts(most.min(MOST_PARTS))
    }

    /// What the next head lists of this ledger; `None` where parts have to be written before.
    pub(super) fn next_visible(&self) -> Option<Vec<Visible>> {
        let has_no_posts = !self.layout.is_single() && self.state.posts == 0;
        self.state.publish.next_visible(has_no_posts)
    }

    fn next_part(
        &mut self,
        rows: &impl Rows,
        now: Time,
        settings: &Settings,
    ) -> Result<Option<Write>, Error> {
        while let Some(range) = self.publishing.queue.pop_front() {
            if let Some(writer) = self.assemble(rows, range, PART_BYTES)? {
                let deployment = self.state.deployment;
                return Ok(Some(Write {
                    key: part::key(&deployment, range),
                    bytes: writer.write(deployment, now, Vec::new())?,
                    what: Written::Part(range, deployment),
                    at: now,
                }));
            }
            let Some([half, other]) = self.state.publish.split(range) else {
                continue;
            };
            // One of them takes the write that was set aside for both.
            if self.may_reserve(now, settings) {
                self.reserve(1, now);
                self.publishing.queue.push_front(other);
            }
            self.publishing.queue.push_front(half);
        }
        Ok(None)
    }

    /// The head, with the posts of a small site; `None` where parts have to be written before it.
    fn head(
        &mut self,
        inline: Option<Writer>,
        now: Time,
        settings: &Settings,
    ) -> Result<Option<Write>, Error> {
        let visible = match &inline {
            Some(_) => Some(Vec::new()),
            None => self.next_visible(),
        };
        let Some(visible) = visible else {
            self.state.publish.incomplete = true;
            return Ok(None);
        };
        let deployment = self.state.deployment;
        let mut head = self.own_head(visible, now, settings);
        self.add_others(&mut head);
        let mut bytes = head.write()?;
        if let Some(inline) = inline {
            bytes = inline.write(deployment, now, bytes)?;
        }
        Ok(Some(Write {
            key: HEAD.to_owned(),
            bytes,
            what: Written::Head,
            at: now,
        }))
    }

    /// The head of this ledger alone.
    pub(super) fn own_head(
        &mut self,
        visible: Vec<Visible>,
        now: Time,
        settings: &Settings,
    ) -> Head {
        let (deployment, secret) = (self.state.deployment, self.state.secret);
        let mut head = Head::new(deployment, secret, self.summary(now, settings));
        head.parts.clone_from(&visible);
        if let Some(lists) = &self.ranks.lists {
            self.state.publish.fades = lists.fade_at(now);
            head.lists = top_lists(lists);
        }
        let verified = &self.state.guard.verified;
        head.begun = self.state.begun;
        head.verification = Verification {
            waiting: verified.waiting,
            outage: verified
                .outage
                .map(|outage| (outage.since, outage.why.to_string())),
        };
        self.publishing.next_visible = visible;
        self.state.publish.changed_since = false;
        head
    }

    /// Notes that something was written.
    pub fn written(&mut self, what: Written, at: Time) {
        self.publishing.is_stalled = false;
        match what {
            // One that was on its way as a change began is under a key that nobody reads.
            Written::Part(_, deployment) if deployment != self.state.deployment => {}
            Written::Part(range, _) => self.part_written(range, at),
            Written::Head => {
                let was_incomplete = self.state.publish.incomplete;
                self.head_written(at);
                self.others_written(at);
                if self.state.publish.is_shared && was_incomplete {
                    self.state.publish.retire_from(at);
                }
            }
        }
    }

    fn part_written(&mut self, range: Range, at: Time) {
        if let Some(part) = self.state.publish.part_mut(range) {
            part.published = at;
            part.behind = part.behind_again.take();
        }
    }

    pub(super) fn head_written(&mut self, at: Time) {
        let deployment = self.state.deployment;
        let publish = &mut self.state.publish;
        let visible = std::mem::take(&mut self.publishing.next_visible);
        let ranges = |parts: &[Visible]| {
            Range::cover(parts.iter().map(|part| part.depth)).unwrap_or_default()
        };
        let (before, after) = (ranges(&publish.visible), ranges(&visible));
        let gone = before.into_iter().filter(|range| !after.contains(range));
        publish.retire(gone.map(|range| part::key(&deployment, range)), at);
        // Without posts there is no part either.
        let has_no_parts = publish.is_inline() || visible.is_empty();
        if has_no_parts {
            for part in &mut publish.parts {
                part.behind = part.behind_again.take();
            }
        }
        publish.visible = visible;
        publish.incomplete = publish.visible.len() != publish.parts.len() && !has_no_parts;
        publish.changed = publish.changed_since;
    }

    /// Ends a publication: notes what became of it.
    pub fn end(
        &mut self,
        rows: &impl Rows,
        outcomes: Outcomes,
        now: Time,
        settings: &Settings,
    ) -> Result<(), Error> {
        let untried = self.publishing.reserved.saturating_sub(outcomes.writes);
        if self.layout.is_lead() {
            self.state.publish.budget.refund(untried, now);
            self.all_asked(now);
        }
        self.publishing.reserved = 0;
        for (post, entry) in outcomes.entries {
            match entry {
                Some(_) if !self.owns(&post) => {}
                Some(entry) => {
                    self.append(rows, Event::Entry { post, entry }, now)?;
                }
                None if self.state.publish.failed.len() < MOST_FAILED => {
                    let place = self.pages.place(&post);
                    let until = now.plus(HOUR_SECONDS);
                    self.state.publish.failed.push((place, until));
                }
                None => {}
            }
        }
        let publish = &mut self.state.publish;
        publish
            .retired
            .retain(|(_, key)| !outcomes.retired.contains(key));
        // Those that could not be removed are tried again in an hour.
        let due = |since: &Time| since.plus(HOUR_SECONDS) <= now;
        let late = publish.retired.iter_mut().filter(|(since, _)| due(since));
        late.for_each(|(since, _)| *since = now);
        publish.behind = self.ranks.are_entries_behind();
        // The alarm of a change that came meanwhile may be too early now.
        let due = self.due(now, settings);
        let alarm = &mut self.state.publish.alarm;
        *alarm = alarm.filter(|set| due.is_some_and(|due| *set >= due));
        Ok(())
    }

    /// Ends a publication that must not be, because another deployment publishes here. It has cost the
    /// write of a notice.
    pub fn refuse(&mut self, now: Time) {
        let publish = &mut self.state.publish;
        publish.budget.refund(self.publishing.reserved, now);
        publish.budget.spend(1, now);
        self.publishing.reserved = 0;
        publish.change();
        publish.refuse(now);
        self.all_asked(now);
    }

    /// The deployment that this is, and what it was called before or restored from.
    pub fn deployment(&self) -> (Key, Vec<Key>) {
        let names = self.layout.names().iter().copied();
        let before = names.chain(self.state.parent).collect();
        (self.state.deployment, before)
    }

    /// The `most` posts whose entries in Workers KV are the furthest behind.
    pub(super) fn stale_entries(&mut self, most: usize, now: Time) -> Vec<StaleEntry> {
        let failed = &mut self.state.publish.failed;
        failed.retain(|(_, until)| *until > now);
        let is_failed = |post: u64| failed.iter().any(|(place, _)| *place == post);
        let lists = self.ranks.lists.iter();
        let ranked = lists.flat_map(|lists| lists.entries().ranked());
        let due = ranked.filter(|ranked| !is_failed(ranked.place));
        let entries = due.filter_map(|ranked| {
            Some(StaleEntry {
                post: PostId::parse(ranked.id.clone()).ok()?,
                views: ranked.total,
                entry: ranked.entry,
            })
        });
        entries.take(most).collect()
    }

    fn summary(&self, now: Time, settings: &Settings) -> Summary {
        let state = &self.state;
        Summary {
            published: now,
            oldest: state.publish.oldest(now),
            site: Record {
                total: state.views.min(MAX_COUNT as u128) as u64,
                ..state.site.clone()
            },
            posts: state.posts,
            skipped: state.skipped,
            budget: state.publish.budget,
            writes: settings.writes,
            adopted: self.adopted(),
        }
    }
}

fn top_lists(lists: &Lists) -> Vec<TopLists> {
    let place = |ranked: &Ranked| Place {
        post: ranked.id.clone(),
        views: ranked.score,
        name: match ranked.standing() {
            Standing::Verified { title, path, .. } => Some((title, path)),
            _ => None,
        },
    };
    let list = |list: &crate::books::lists::List| TopLists {
        prefix: list.prefix.clone(),
        periods: list
            .periods
            .each_ref()
            .map(|ranking| ranking.top().iter().map(place).collect()),
    };
    lists.all().iter().map(list).collect()
}
