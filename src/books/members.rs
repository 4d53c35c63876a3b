//! What the lead organizes: that the other ledgers hand posts over, and that all are published together.
//!
//! At each publication, the lead asks every other ledger for its [`Slice`] and grants it some of the day's writes
//! for its parts and entries; what one ledger does not use goes to the next. Then the lead writes the head of all.
//! If a ledger does not answer, its last slice is used; if there is none, the head waits.

use crate::base::error::Error;
use crate::base::limits::HOUR_SECONDS;
use crate::base::settings::Settings;
use crate::base::time::Time;
use crate::books::layout::{Phase, Plan};
use crate::books::publication::MOST_PARTS;
use crate::books::tally::{OWNER_ROOM, ROOM, Tally};
use crate::model::owner::Ledger;
use crate::model::place::Key;
use crate::published::head::Head;
use crate::published::slice::{Grant, Slice};

/// The longest pause before a failed call of a ledger is repeated, in seconds.
const LONGEST_WAIT: u32 = 60;

/// The other ledgers, as the lead knows them; in memory.
#[derive(Debug, Default)]
pub struct Members {
    /// What each contributes to the head, by its number; the lead's is not here.
    slices: Vec<Option<Slice>>,
    /// When the published slice of each was put together.
    published: Vec<Option<Time>>,
    /// What is granted to the ledger that is being asked.
    granted: Grant,
    /// The ledgers that did not answer last time.
    failed: Vec<Ledger>,
    /// How often in a row a change has failed to go on, and when it is tried again.
    failures: u32,
    again: Time,
}

impl Members {
    fn slice(&self, ledger: Ledger) -> Option<&Slice> {
        self.slices.get(usize::from(ledger))?.as_ref()
    }
}

/// Changes of the number of ledgers.
impl Tally {
    /// The plan, where it is known.
    pub fn plan(&self) -> Option<Plan> {
        self.layout.plan()
    }

    /// Whether the posts are shared among so many ledgers, and none is being handed over.
    pub fn is_settled(&self, ledgers: u8) -> bool {
        self.layout.is_settled(ledgers)
    }

    /// Whether the lead has to work on a change now.
    pub fn is_changing(&self, now: Time) -> bool {
        self.layout.is_lead()
            && self.members.again <= now
            && (self.layout.is_moving() || self.layout.has_news())
    }

    /// Whether a change is to begin, because the settings ask for another number of ledgers.
    pub fn wants_change(&self, settings: &Settings, now: Time) -> bool {
        self.is_taken_over()
            && self.members.again <= now
            && self
                .layout
                .change_at(settings, now)
                .is_some_and(|at| at <= now)
    }

    /// Whether all ledgers have to be asked before it may begin, because there will be fewer.
    pub fn needs_room(&self, settings: &Settings) -> bool {
        settings.ledgers < self.layout.ledgers()
    }

    /// Begins that change; `random` is for new salts and names. [`Error::TooManyPosts`] if the posts have
    /// no room in so few ledgers, and [`Error::Unavailable`] if that is unknown.
    pub fn begin_change(
        &mut self,
        settings: &Settings,
        now: Time,
        random: impl FnMut() -> Key,
    ) -> Result<(), Error> {
        if self.needs_room(settings) {
            let room = self.room_of_all().ok_or(Error::Unavailable)?;
            let most = u64::from(ROOM + OWNER_ROOM) * u64::from(settings.ledgers);
            if room > most * 9 / 10 {
                return Err(Error::TooManyPosts);
            }
        }
        if let Some(plan) = self.layout.begin(settings.ledgers, now) {
            self.members = Members::default();
            // The new name under `:owner`.
            self.state.publish.spend(1, now);
            self.follow(plan, now, random);
        }
        Ok(())
    }

    /// The room that all posts take, in bytes; `None` if not all ledgers were asked.
    fn room_of_all(&self) -> Option<u64> {
        let others = 1..self.layout.ledgers();
        let rooms = others.map(|ledger| Some(u64::from(self.members.slice(ledger)?.room)));
        rooms
            .sum::<Option<u64>>()
            .map(|sum| sum + u64::from(self.room()))
    }

    /// A change that may not begin is not looked at for a while.
    pub fn put_off_change(&mut self, now: Time) {
        self.members.again = now.plus(HOUR_SECONDS);
    }

    /// All ledgers that lose posts have handed them over.
    pub fn all_moved(&mut self, now: Time) {
        if self.layout.is_moving() {
            self.layout.enter(Phase::Publishing, now);
            self.state.publish.go_on();
        }
    }

    /// All ledgers know that the change is over.
    pub fn all_know(&mut self) {
        self.layout.all_know();
    }

    /// Notes whether a change has gone on. If not, the pauses before it is tried again grow.
    pub fn went_on(&mut self, worked: bool, now: Time) {
        let members = &mut self.members;
        members.failures = if worked { 0 } else { members.failures + 1 };
        let wait = match members.failures {
            0 => 0,
            failures => 1 << failures.min(6),
        };
        members.again = now.plus(wait.min(LONGEST_WAIT));
    }

    /// When the lead has to work on a change, or to begin one.
    pub(super) fn change_due(&self, now: Time, settings: &Settings) -> Option<Time> {
        let due = match self.layout.is_moving() || self.layout.has_news() {
            true => Some(now),
            false if self.is_taken_over() => self.layout.change_at(settings, now),
            false => None,
        };
        let due = due.filter(|_| self.layout.is_lead());
        due.map(|due| due.max(self.members.again).max(now.plus(1)))
    }
}

/// Publications of several ledgers.
impl Tally {
    /// The ledgers that the lead is to ask for what they have, those first whose posts are the furthest
    /// behind, and last those that did not answer the last time.
    pub fn to_ask(&self) -> Vec<Ledger> {
        let oldest = |ledger: Ledger| (self.members.failed.contains(&ledger), self.oldest(ledger));
        let mut left: Vec<Ledger> = (1..self.layout.ledgers()).collect();
        let next = || {
            let furthest = (0..left.len()).min_by_key(|n| oldest(left[*n]))?;
            Some(left.remove(furthest))
        };
        std::iter::from_fn(next).collect()
    }

    /// What the next of so many ledgers may write.
    pub fn grant(&mut self, ledgers: usize) -> Grant {
        let pool = &mut self.publishing.pool;
        let share = pool.entries.div_ceil(ledgers.max(1) as u32);
        let grant = Grant {
            parts: pool.parts.min(MOST_PARTS),
            entries: share,
        };
        pool.parts -= grant.parts;
        pool.entries -= grant.entries;
        self.members.granted = grant;
        grant
    }

    /// When the last published slice of a ledger was put together.
    pub fn published_of(&self, ledger: Ledger) -> Option<Time> {
        let published = self.members.published.get(usize::from(ledger));
        published.copied().flatten()
    }

    /// Since when the posts of another ledger are behind; since the epoch, if that is unknown.
    fn oldest(&self, ledger: Ledger) -> Time {
        let slice = self.members.slice(ledger);
        slice.map_or(Time::default(), |slice| slice.head.summary.oldest)
    }

    /// How many of the writes for parts the lead takes for its own: as many as each of the others, and where
    /// they are fewer than the ledgers one, if no other's posts are further behind.
    pub(super) fn own_share(&self, parts: u32) -> u32 {
        let ledgers = u32::from(self.layout.ledgers());
        if ledgers == 1 || parts >= ledgers {
            return parts / ledgers;
        }
        let own = self.state.publish.oldest_part();
        let mut others =
            (1..self.layout.ledgers()).filter(|ledger| !self.members.failed.contains(ledger));
        let is_first = others.all(|ledger| own <= self.oldest(ledger));
        parts.min(u32::from(is_first))
    }

    /// A ledger has answered with its slice, after the writes that it was granted.
    pub fn collected(&mut self, ledger: Ledger, slice: Slice) {
        let granted = std::mem::take(&mut self.members.granted);
        self.members.failed.retain(|failed| *failed != ledger);
        let before = self.members.slice(ledger);
        if before.is_none_or(|before| before.differs(&slice)) {
            self.state.publish.change();
            self.publishing.head = true;
        }
        // The next may use what this one did not.
        self.publishing.pool.parts += granted.writes().saturating_sub(slice.writes);
        self.publishing.is_stalled &= slice.writes == 0;
        let slices = &mut self.members.slices;
        slices.resize(slices.len().max(usize::from(ledger) + 1), None);
        slices[usize::from(ledger)] = Some(slice);
        self.note_whole();
    }

    /// A ledger did not answer. What it was granted may have been spent.
    pub fn not_collected(&mut self, ledger: Ledger) {
        self.members.granted = Grant::default();
        self.members.failed.retain(|failed| *failed != ledger);
        self.members.failed.push(ledger);
    }

    /// All were asked: unused writes go back into the day's budget.
    pub fn all_asked(&mut self, now: Time) {
        let left = std::mem::take(&mut self.publishing.pool);
        self.state.publish.refund(left.writes(), now);
    }

    /// Notes that nothing is left in Workers KV to be taken over, where all ledgers say so.
    fn note_whole(&mut self) {
        let is_over = |ledger| {
            let slice = self.members.slice(ledger);
            slice.is_some_and(|slice| slice.head.summary.adopted.is_some())
        };
        if self.is_taken_over() && (1..self.layout.ledgers()).all(is_over) {
            self.layout.is_whole_now();
        }
    }

    /// Whether the head would tell of all posts. Where it would not, and the ledgers have only to write more
    /// parts before, it is tried again soon.
    pub(super) fn may_publish_head(&mut self) -> bool {
        let may = self.has_all_slices();
        if !may && self.members.failed.is_empty() {
            self.state.publish.go_on();
        }
        may
    }

    pub(super) fn has_all_slices(&self) -> bool {
        (1..self.layout.ledgers()).all(|ledger| {
            let slice = self.members.slice(ledger);
            slice.is_some_and(|slice| slice.is_complete)
        })
    }

    /// Adds the slices of the others to the lead's head.
    pub(super) fn add_others(&self, head: &mut Head) {
        if self.layout.is_lead() {
            for ledger in 1..self.layout.ledgers() {
                if let Some(slice) = self.members.slice(ledger) {
                    head.add(&slice.head);
                }
            }
        }
    }

    /// The head was written, with the slices of the others.
    pub(super) fn others_written(&mut self, at: Time) {
        let slices = self.members.slices.iter();
        self.members.published = slices.map(|slice| slice.as_ref().map(Slice::at)).collect();
        if self.layout.is_publishing() {
            self.layout.enter(Phase::Settled, at);
            self.settle(at);
        }
    }
}
