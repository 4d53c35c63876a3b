//! The ledger's books: every post's record, and the recent visitors.
//!
//! A change is applied to its post in memory ([`Pages`]) and appended to the [`Journal`]. One row, `0:state`,
//! contains the newest events and everything that does not belong to a single post, so one write stores any number
//! of waiting changes. As the journal grows, pages are folded, a few at a time.
//!
//! ```text
//! 0:state   State, Guard and when the books were begun, in postcard, then the newest events
//! ```

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::settings::Settings;
use crate::base::time::{DAY, Time};
use crate::books::event::Event;
use crate::books::guard::{Guard, Networks};
use crate::books::journal::{Journal, JournalState};
use crate::books::layout::Layout;
use crate::books::lists::Offer;
use crate::books::marks::{ID_SECONDS, Mark, MarkRows, Salts, Seen};
use crate::books::members::Members;
use crate::books::pages::{Changed, Pages, Weight};
use crate::books::publishing::{PublishState, Publishing};
use crate::books::ranks::Ranks;
use crate::books::rows::{Rows, key};
use crate::books::takeover::Takeover;
use crate::books::verification::Verifying;
use crate::model::mode::Mode;
use crate::model::network;
use crate::model::outcome::Outcome;
use crate::model::owner::Ledger;
use crate::model::page::{Line, Post};
use crate::model::place::Key;
use crate::model::reason::{Reason, Skipped, first};
use crate::model::record::{Record, Records};
use crate::model::standing::Standing;
use serde::{Deserialize, Serialize};

/// The room for posts, each of which has a [`Weight`].
pub(super) const ROOM: u32 = 16 << 20;
/// The room that only the owner can fill, so that strangers never keep the owner's posts out.
pub(super) const OWNER_ROOM: u32 = 4 << 20;
/// How many events are worth their rows: pages are folded when there are this many and
/// [`EVENTS_PER_PAGE`] more for each page that they touch.
const EVENTS_PER_FOLD: u64 = 1000;
const EVENTS_PER_PAGE: u64 = 16;
/// The most bytes of events that are not in pages, for the memory and the start of an object.
const JOURNAL_BYTES: usize = 1 << 20;
/// The most pages that one save folds, beside one for [`EVENTS_PER_PAGE`] events of the save.
const PAGES_PER_SAVE: u64 = 2;
/// The most pages that an alarm folds to forget marks, and the seconds to the next one.
const PAGES_PER_ALARM: usize = 8;
const EMPTYING_SECONDS: u32 = 5;
/// How many rows of the journal are dropped together, because that writes the lists once. It is left to
/// the alarm until this many bytes of events wait.
const ROWS_PER_DROP: usize = 8;
const DROP_BYTES: usize = JOURNAL_BYTES / 2;
/// The most rows of the journal that one save drops.
const MOST_ROWS_PER_DROP: usize = 32;
/// How long marks may stay in the journal of a busy site after they have ceased to matter.
const BUSY_SECONDS: u32 = DAY / 4;
/// The version of the rows' format. Version 3 does not say when the books were begun, and version 2 has no
/// [`Guard`] either.
const VERSION: u8 = 4;
const VERSION_WITHOUT_BEGUN: u8 = 3;
const VERSION_WITHOUT_GUARD: u8 = 2;

/// A ping that may count.
#[derive(Clone, Copy, Debug)]
pub struct Ping<'a> {
    /// The post.
    pub post: &'a PostId,
    /// The ping's own id, if it has one.
    pub id: Option<&'a str>,
    /// The visitor's address and user agent, where they may be asked.
    pub visitor: Option<(&'a str, &'a str)>,
    /// The [`network`] of a visitor who may not be asked.
    pub network: Option<u32>,
}

impl Ping<'_> {
    /// The [`network`] that it came from, as far as that is told.
    pub(super) fn network(&self) -> Option<u32> {
        let network = self.visitor.map(|(address, _)| network::hash(address));
        network.or(self.network)
    }
}

/// Who asks for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Anyone,
    Owner,
}

/// All that is stored and is not of a single post.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    version: u8,
    /// Names this ledger's storage: what is published carries it.
    pub(super) deployment: Key,
    /// The deployment that this one was restored from.
    pub(super) parent: Option<Key>,
    /// What the places of posts follow from.
    pub(super) secret: Key,
    pub(super) site: Record,
    /// All views. The sum in `site` ends at the greatest count, and this one does not.
    pub(super) views: u128,
    pub(super) posts: u32,
    /// The room that the posts take.
    room: u32,
    #[serde(with = "first")]
    pub(super) skipped: Skipped,
    pub(super) salts: Salts,
    journal: JournalState,
    visitors: MarkRows,
    ids: MarkRows,
    /// When the oldest and the newest mark in the journal were made.
    marked: Option<(Time, Time)>,
    pub(super) takeover: Takeover,
    pub(super) publish: PublishState,
    #[serde(skip)]
    pub(super) guard: Guard,
    /// When the books were begun; zero where an older version has begun them.
    #[serde(skip)]
    pub(super) begun: Time,
}

impl State {
    fn new(now: Time, mut random: impl FnMut() -> Key) -> Self {
        Self {
            version: VERSION,
            deployment: random(),
            parent: None,
            secret: random(),
            site: Record::default(),
            views: 0,
            posts: 0,
            room: 0,
            skipped: Skipped::default(),
            salts: Salts::new(random()),
            journal: JournalState::default(),
            visitors: MarkRows::default(),
            ids: MarkRows::default(),
            marked: None,
            takeover: Takeover::Unasked,
            publish: PublishState::default(),
            guard: Guard::default(),
            begun: now,
        }
    }

    /// Reads it from the beginning of a row; what follows it.
    fn read(row: &[u8]) -> Result<(Self, &[u8]), Error> {
        let unreadable = |_| Error::Unreadable;
        let (mut state, mut rest): (Self, _) =
            postcard::take_from_bytes(row).map_err(unreadable)?;
        if !(VERSION_WITHOUT_GUARD..=VERSION).contains(&state.version) {
            return Err(Error::Unreadable);
        }
        if state.version >= VERSION_WITHOUT_BEGUN {
            (state.guard, rest) = postcard::take_from_bytes(rest).map_err(unreadable)?;
        }
        if state.version >= VERSION {
            (state.begun, rest) = postcard::take_from_bytes(rest).map_err(unreadable)?;
        }
        state.version = VERSION;
        state.skipped[Reason::Unknown as usize] = state.guard.unknown;
        Ok((state, rest))
    }

    /// Appends it.
    fn write(&mut self, row: Vec<u8>) -> Result<Vec<u8>, Error> {
        let unreadable = |_| Error::Unreadable;
        self.guard.unknown = self.skipped[Reason::Unknown as usize];
        let row = postcard::to_extend(self, row).map_err(unreadable)?;
        postcard::to_extend(&(&self.guard, self.begun), row).map_err(unreadable)
    }
}

/// The books, with what was needed of the pages.
#[derive(Debug)]
pub struct Tally {
    pub(super) state: State,
    pub(super) pages: Pages,
    journal: Journal,
    /// How the posts are shared with other ledgers.
    pub(super) layout: Layout,
    pub(super) visitors: Seen,
    pub(super) ids: Seen,
    /// Marks that came with posts of another ledger, and are in no row yet.
    pub(super) received: Marks,
    pub(super) networks: Networks,
    pub(super) ranks: Ranks,
    pub(super) publishing: Publishing,
    /// What the lead knows of the other ledgers.
    pub(super) members: Members,
    pub(super) verifying: Verifying,
    /// Whether the last attempt to take over what is in Workers KV failed.
    pub(super) takeover_failed: bool,
    /// Whether everything is to be folded, because more has changed than a few pages.
    fold_all: bool,
    /// Whether the next save is an alarm's, for which nobody waits: it forgets what no longer matters.
    in_alarm: bool,
    /// The number of the first event that stays while the journal is emptied, and since when it is.
    emptying: Option<(u64, Time)>,
    /// The number of the first event that was not saved yet.
    saved: u64,
}

/// Reading and writing.
impl Tally {
    /// Reads the books of a ledger, or begins them; `random` is for the secrets of new ones.
    pub fn load(
        rows: &impl Rows,
        ledger: Ledger,
        settings: &Settings,
        now: Time,
        random: impl FnMut() -> Key,
    ) -> Result<Self, Error> {
        let state = rows.get(&key("state"))?;
        let layout = Layout::load(rows, ledger, state.is_none(), settings)?;
        let Some(bytes) = state else {
            let state = State::new(now, random);
            let pages = Pages::new(state.secret);
            return Ok(Self::over(state, pages, Journal::default(), layout));
        };
        let (state, tail) = State::read(&bytes)?;
        let mut pages = Pages::load(state.secret, rows)?;
        let mut marks = Vec::new();
        let journal = Journal::load(state.journal, tail, rows, |number, event| {
            marks.push(marks_of(&event));
            pages.replay(number, event);
        })?;
        let mut tally = Self::over(state, pages, journal, layout);
        let (visitors, ids) = (&tally.state.visitors, &tally.state.ids);
        visitors.load(rows, "visitors", now, settings.dedupe, &mut tally.visitors)?;
        ids.load(rows, "ids", now, ID_SECONDS, &mut tally.ids)?;
        for marks in marks {
            tally.remember(marks, settings);
        }
        Ok(tally)
    }

    fn over(mut state: State, pages: Pages, journal: Journal, layout: Layout) -> Self {
        state.publish.share(!layout.is_single());
        let secret = state.secret;
        Self {
            emptying: None,
            saved: journal.next(),
            state,
            pages,
            journal,
            layout,
            visitors: Seen::visitors(),
            ids: Seen::ids(),
            received: Marks::default(),
            networks: Networks::default(),
            ranks: Ranks::default(),
            publishing: Publishing::default(),
            members: Members::default(),
            verifying: Verifying::new(secret),
            takeover_failed: false,
            fold_all: false,
            in_alarm: false,
        }
    }

    /// Writes what has changed.
    pub fn save(&mut self, rows: &impl Rows, now: Time, settings: &Settings) -> Result<(), Error> {
        self.journal.save(rows)?;
        let events = self.journal.since(self.saved);
        let most = match self.fold_all {
            true => u64::MAX,
            false => PAGES_PER_SAVE + events / EVENTS_PER_PAGE,
        };
        let mut folded = 0;
        while folded < most && self.wants_fold() {
            self.fold(rows, now, settings)?;
            folded += 1;
        }
        self.fold_all = false;
        let received = std::mem::take(&mut self.received);
        if !received.is_empty() {
            self.keep(rows, received, now, settings)?;
        }
        let in_alarm = std::mem::take(&mut self.in_alarm);
        if in_alarm {
            self.forget(rows, now, settings)?;
        }
        if in_alarm || self.journal.len() >= DROP_BYTES {
            self.drop_events(rows, ROWS_PER_DROP, now, settings)?;
        }
        if self.has_new_lists() {
            self.save_ranks(rows, now, settings)?;
        }
        self.layout.save(rows)?;
        self.write_state(rows)?;
        self.saved = self.journal.next();
        Ok(())
    }

    /// Notes that the next save is an alarm's.
    pub(super) fn begin_alarm(&mut self) {
        self.in_alarm = true;
    }

    /// Has the next save fold whatever is worth it, because more has changed than a view.
    pub(super) fn fold_soon(&mut self) {
        self.fold_all = true;
    }

    fn write_state(&mut self, rows: &impl Rows) -> Result<(), Error> {
        self.state.journal = self.journal.state();
        let bytes = Vec::with_capacity(1024 + self.journal.tail().len());
        let mut bytes = self.state.write(bytes)?;
        bytes.extend_from_slice(self.journal.tail());
        rows.put(&key("state"), &bytes)
    }

    /// Whether the journal has grown enough to be worth the rows of pages.
    fn wants_fold(&self) -> bool {
        let Some(oldest) = self.pages.oldest() else {
            return false;
        };
        let worth = EVENTS_PER_FOLD + EVENTS_PER_PAGE * self.pages.stale() as u64;
        self.journal.since(oldest) >= worth || self.journal.len() >= JOURNAL_BYTES
    }

    /// Folds the page that has waited the longest.
    fn fold(&mut self, rows: &impl Rows, now: Time, settings: &Settings) -> Result<(), Error> {
        // What leaves the journal has to be in the lists.
        self.rank(rows, now, settings)?;
        let start = self.pages.stale_starts().next();
        if let Some(start) = start {
            self.rank_page(rows, start, now)?;
        }
        self.pages.fold(rows, self.journal.next())?;
        Ok(())
    }

    /// Drops the rows of the journal whose events are all in pages, where there are `least` or nothing
    /// waits for a page any more; their marks stay as long as they matter.
    fn drop_events(
        &mut self,
        rows: &impl Rows,
        least: usize,
        now: Time,
        settings: &Settings,
    ) -> Result<(), Error> {
        let oldest = self.pages.oldest().unwrap_or(self.journal.next());
        let droppable = self.journal.before(oldest).min(MOST_ROWS_PER_DROP);
        if droppable < least {
            return Ok(());
        }
        let mut marks = Marks::default();
        for _ in 0..droppable {
            self.journal.drop_row(rows, |event| marks.push(&event))?;
        }
        self.keep(rows, marks, now, settings)?;
        self.save_ranks(rows, now, settings)
    }

    /// Moves marks that still matter into rows of their own, and removes the rows of others.
    fn keep(
        &mut self,
        rows: &impl Rows,
        marks: Marks,
        now: Time,
        settings: &Settings,
    ) -> Result<(), Error> {
        let State { visitors, ids, .. } = &mut self.state;
        for (mark_rows, kind, mut marks, window) in [
            (visitors, "visitors", marks.visitors, settings.dedupe),
            (ids, "ids", marks.ids, ID_SECONDS),
        ] {
            marks.retain(|(_, at)| at.distance(now) < window);
            mark_rows.keep(rows, kind, &marks)?;
            mark_rows.forget(rows, kind, now, window)?;
        }
        Ok(())
    }

    /// Drops all marks that no longer matter, also those in the journal, where any are due.
    fn forget(&mut self, rows: &impl Rows, now: Time, settings: &Settings) -> Result<(), Error> {
        self.state.salts.forget(now, settings.dedupe);
        self.layout.forget(now, settings.dedupe);
        let is_due = self
            .journal_forget_at(settings)
            .is_some_and(|due| due <= now);
        if is_due || self.emptying.is_some() {
            self.empty_journal(rows, now, settings)?;
        }
        self.keep(rows, Marks::default(), now, settings)
    }

    /// Empties the journal of what is in it now, some pages at a time; until that is done it is still
    /// due.
    fn empty_journal(
        &mut self,
        rows: &impl Rows,
        now: Time,
        settings: &Settings,
    ) -> Result<(), Error> {
        let (until, since) = match self.emptying {
            Some(emptying) => emptying,
            None => {
                self.journal.seal()?;
                (self.journal.next(), now)
            }
        };
        self.emptying = Some((until, since));
        self.journal.save(rows)?;
        for _ in 0..PAGES_PER_ALARM {
            if self.pages.oldest().is_some_and(|oldest| oldest < until) {
                self.fold(rows, now, settings)?;
            }
        }
        self.drop_events(rows, 1, now, settings)?;
        if self.journal.before(until) == 0 {
            self.emptying = None;
            let newest = self.state.marked.map(|(_, newest)| newest);
            let stays = newest.filter(|newest| *newest >= since);
            self.state.marked = stays.map(|newest| (since, newest));
        }
        Ok(())
    }

    /// When there are marks or salts to forget, if there are any.
    pub(super) fn forget_at(&self, now: Time, settings: &Settings) -> Option<Time> {
        if self.in_alarm {
            // The save that comes sees to it.
            return None;
        }
        let State {
            visitors,
            ids,
            salts,
            ..
        } = &self.state;
        let journal = match self.emptying {
            Some(_) => Some(now.plus(EMPTYING_SECONDS)),
            None => self.journal_forget_at(settings),
        };
        let due = [
            journal,
            visitors.forget_at(settings.dedupe),
            ids.forget_at(ID_SECONDS),
            salts.forget_at(settings.dedupe),
            self.layout.forget_at(settings.dedupe),
            self.expiry(now.plus(EMPTYING_SECONDS)),
        ];
        due.into_iter().flatten().min()
    }

    /// When the journal is emptied for its marks: when the newest no longer matters, and where the site
    /// is never quiet, some hours after the oldest no longer does.
    fn journal_forget_at(&self, settings: &Settings) -> Option<Time> {
        let (oldest, newest) = self.state.marked?;
        let quiet = newest.plus(settings.dedupe);
        Some(quiet.min(oldest.plus(settings.dedupe + BUSY_SECONDS)))
    }

    fn remember(&mut self, marks: MarksOfEvent, settings: &Settings) {
        let (visitor, id) = marks;
        if let Some((mark, at)) = visitor {
            self.visitors.insert(mark, at, settings.dedupe);
        }
        if let Some((mark, at)) = id {
            self.ids.insert(mark, at, ID_SECONDS);
        }
        if let Some((_, at)) = visitor.or(id) {
            let oldest = self.state.marked.map_or(at, |(oldest, _)| oldest);
            self.state.marked = Some((oldest, at));
        }
    }
}

type Marked = (Mark, Time);
type MarksOfEvent = (Option<Marked>, Option<Marked>);

fn marks_of(event: &Event) -> MarksOfEvent {
    match event {
        Event::View {
            at, visitor, id, ..
        } => (visitor.map(|mark| (mark, *at)), id.map(|mark| (mark, *at))),
        Event::Import { at, id } => (None, Some((*id, *at))),
        Event::Put { .. } | Event::Entry { .. } | Event::Stand { .. } => (None, None),
    }
}

/// Marks that are moved into rows of their own.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) visitors: Vec<Marked>,
    pub(super) ids: Vec<Marked>,
}

impl Marks {
    fn push(&mut self, event: &Event) {
        let (visitor, id) = marks_of(event);
        self.visitors.extend(visitor);
        self.ids.extend(id);
    }

    fn is_empty(&self) -> bool {
        self.visitors.is_empty() && self.ids.is_empty()
    }
}

/// What is counted.
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
        let salts = &mut self.state.salts;
        let id = ping.id.map(|id| salts.id(ping.post, id));
        let visitors = match ping.visitor {
            Some((address, agent)) if settings.dedupe > 0 => {
                salts.rotate(now, settings.dedupe, random);
                salts.visitor(ping.post, address, agent)
            }
            _ => [None; 2],
        };
        if id.is_some_and(|id| self.ids.has(&id, now, ID_SECONDS))
            || visitors
                .iter()
                .flatten()
                .any(|mark| self.knows(mark, now, settings))
            || self.knew(ping, now, settings)
        {
            self.skip(Reason::Duplicate, 1);
            return Ok(Outcome::Repeat(self.views(rows, ping.post)?));
        }
        let weight = self.pages.weight(rows, ping.post)?;
        match weight.filter(|weight| weight.is_known) {
            None if !settings.sites.is_empty() => return Ok(Outcome::Unknown),
            None => self.admit_new(rows, ping, settings, now)?,
            Some(weight) if weight.waits && settings.sites.is_empty() => {
                self.open(rows, ping.post, now)?;
            }
            Some(_) => {}
        }
        let event = Event::View {
            post: ping.post.clone(),
            at: now,
            visitor: visitors[0],
            id,
        };
        self.remember(marks_of(&event), settings);
        let (views, waits) = self.append(rows, event, now)?;
        if !waits {
            self.state.site.view(now);
        }
        Ok(Outcome::Counted(views))
    }

    fn knows(&self, visitor: &Mark, now: Time, settings: &Settings) -> bool {
        self.visitors.has(visitor, now, settings.dedupe)
    }

    /// Whether a ping was counted while another ledger owned its post, or this one in another layout.
    fn knew(&self, ping: Ping, now: Time, settings: &Settings) -> bool {
        let visitor = ping.visitor.filter(|_| settings.dedupe > 0);
        self.layout.eras_of(ping.post).any(|salts| {
            let id = ping.id.map(|id| salts.id(ping.post, id));
            let visitors = visitor.map(|(address, agent)| salts.visitor(ping.post, address, agent));
            id.is_some_and(|id| self.ids.has(&id, now, ID_SECONDS))
                || visitors
                    .iter()
                    .flatten()
                    .flatten()
                    .any(|mark| self.knows(mark, now, settings))
        })
    }

    /// Notes pings that do not count.
    pub fn skip(&mut self, reason: Reason, pings: u32) {
        let skipped = &mut self.state.skipped[usize::from(reason.number())];
        *skipped = skipped.saturating_add(pings.into());
        self.state.publish.change();
    }

    /// The views of a post.
    pub fn views(&mut self, rows: &impl Rows, post: &PostId) -> Result<u64, Error> {
        let weight = self.pages.weight(rows, post)?;
        Ok(weight.map_or(0, |weight| weight.views))
    }

    /// The views, the posts and the pings that were not counted, of this ledger.
    pub fn totals(&self) -> (u64, u64, u64) {
        let state = &self.state;
        let add = |sum: u64, pings: &u64| sum.saturating_add(*pings);
        let skipped = state.skipped.iter().fold(0, add);
        (state.views as u64, state.posts.into(), skipped)
    }

    /// Who says that a post exists.
    pub fn standing(&mut self, rows: &impl Rows, post: &PostId) -> Result<Standing, Error> {
        Ok(self.pages.post(rows, post)?.standing)
    }

    /// Sets the views of a post; 0 forgets all of it. Its entry in Workers KV follows.
    pub fn set(
        &mut self,
        rows: &impl Rows,
        post: &PostId,
        views: u64,
        now: Time,
    ) -> Result<(), Error> {
        self.admit(rows, [(post, &Standing::Owner)], Asker::Owner)?;
        let mut after = self.pages.post(rows, post)?;
        match views {
            0 => after.record = Record::default(),
            views => after.record.set(views),
        }
        self.own(&mut after);
        self.put(rows, post.clone(), after, now)
    }

    /// Changes the records of many posts, all or none. An import whose `id` was taken in within a day
    /// changes nothing; whether it was taken in now.
    pub fn import(
        &mut self,
        rows: &impl Rows,
        records: Records,
        mode: Mode,
        id: Option<&str>,
        settings: &Settings,
        now: Time,
    ) -> Result<bool, Error> {
        let mark = id.map(|id| self.state.salts.import(id));
        if mark.is_some_and(|mark| self.ids.has(&mark, now, ID_SECONDS)) {
            return Ok(false);
        }
        let had = |(post, _): &(PostId, Record)| {
            let mut eras = self.layout.eras_of(post);
            id.is_some_and(|id| eras.any(|salts| self.ids.has(&salts.import(id), now, ID_SECONDS)))
        };
        let records: Records = records.into_iter().filter(|record| !had(record)).collect();
        let posts = records.iter().map(|(id, _)| (id, &Standing::Owner));
        self.admit(rows, posts, Asker::Owner)?;
        for (id, imported) in records {
            let mut after = self.pages.post(rows, &id)?;
            let imported = imported.until(now);
            match mode {
                Mode::Add => after.record.add(&imported),
                Mode::Replace => after.record = imported,
                Mode::Max => after.record.merge(&imported),
            }
            self.own(&mut after);
            self.put(rows, id, after, now)?;
        }
        if let Some(id) = mark {
            self.journal.append(&Event::Import { at: now, id })?;
            self.remember((None, Some((id, now))), settings);
        }
        self.fold_all = true;
        self.state.publish.change();
        Ok(true)
    }

    /// The owner has set the views of a post. One without views is forgotten.
    fn own(&self, post: &mut Post) {
        post.entry = self.entry_after_owner(post.entry);
        let standing = std::mem::take(&mut post.standing);
        if post.record.total > 0 {
            post.standing = standing.owned();
        }
    }

    /// The posts of the page that holds the place `from`, those that have views, and the place at which
    /// the next page begins.
    pub fn export(&mut self, rows: &impl Rows, from: u64) -> Result<(Records, Option<u64>), Error> {
        let mut posts = Vec::new();
        let range = self.pages.lines(rows, from, &mut |_, line| {
            let line: Line = postcard::from_bytes(line).map_err(|_| Error::Unreadable)?;
            if line.total > 0 && !line.waits() {
                posts.push((PostId::parse(line.id.to_owned())?, line.record()?));
            }
            Ok(())
        })?;
        Ok((posts, range.end()))
    }

    /// Makes a post what it is from now on.
    pub(super) fn put(
        &mut self,
        rows: &impl Rows,
        post: PostId,
        after: Post,
        now: Time,
    ) -> Result<(), Error> {
        let before = self.pages.post(rows, &post)?;
        if !before.standing.is_waiting() {
            self.state.site.subtract(&before.record);
        }
        if !after.standing.is_waiting() {
            self.state.site.add(&after.record);
        }
        self.append(rows, Event::put(post, after), now).map(drop)
    }

    /// Changes a post by an event, which the journal keeps; its views after it, and whether it waits.
    pub(super) fn append(
        &mut self,
        rows: &impl Rows,
        event: Event,
        now: Time,
    ) -> Result<(u64, bool), Error> {
        let Some(id) = event.post().cloned() else {
            return Ok((0, false));
        };
        let number = self.journal.next();
        let changed = self.pages.apply(rows, &id, number, &event)?;
        let Changed {
            before,
            after,
            post,
        } = changed;
        let total = post.record.total;
        let (entry, times) = (post.entry, post.times()?);
        let verified = &mut self.state.guard.verified;
        verified.weigh(before, after);
        // One that waits is shown nowhere.
        let shown = |weight: Option<Weight>| weight.filter(|weight| !weight.waits);
        let waits = after.is_some_and(|weight| weight.waits);
        let (before, after) = (shown(before), shown(after));
        let posts = |weight: Option<Weight>| u32::from(weight.is_some_and(|one| one.views > 0));
        let views = |weight: Option<Weight>| weight.map_or(0, |one| u128::from(one.views));
        let room = |weight: Option<Weight>| weight.map_or(0, |one| one.room);
        let state = &mut self.state;
        state.posts = (state.posts + posts(after)).saturating_sub(posts(before));
        state.views = (state.views + views(after)).saturating_sub(views(before));
        state.room = (state.room + room(after)).saturating_sub(room(before));
        let place = self.pages.place(&id);
        self.journal.append(&event)?;
        if waits {
            return Ok((total, true));
        }
        // Readers do not ask for entries.
        if !matches!(event, Event::Entry { .. }) {
            state.publish.touch(place, now);
        }
        let offer = Offer {
            place,
            id: id.as_str(),
            total,
            entry,
            times: &times,
        };
        self.ranks.offer(offer, now);
        Ok((total, false))
    }

    /// Refuses posts, with the standing that each is to have, that there is no room for, before anything has
    /// changed.
    pub(super) fn admit<'a>(
        &mut self,
        rows: &impl Rows,
        posts: impl IntoIterator<Item = (&'a PostId, &'a Standing)>,
        asker: Asker,
    ) -> Result<(), Error> {
        let most = match asker {
            Asker::Anyone => ROOM,
            Asker::Owner => ROOM + OWNER_ROOM,
        };
        let mut room = self.state.room;
        for (id, standing) in posts {
            // One that waits has a room of its own.
            let before = self.pages.weight(rows, id)?.filter(|weight| !weight.waits);
            let before = before.map_or(0, |weight| weight.room);
            let more = Weight::of(id, 0, standing).room.saturating_sub(before);
            room = room.saturating_add(more);
            if more > 0 && room > most {
                return Err(Error::TooManyPosts);
            }
        }
        Ok(())
    }

    /// Refuses a post that was never seen, where it has no room or too many are new.
    fn admit_new(
        &mut self,
        rows: &impl Rows,
        ping: Ping,
        settings: &Settings,
        now: Time,
    ) -> Result<(), Error> {
        self.admit(rows, [(ping.post, &Standing::Open)], Asker::Anyone)?;
        // One that could not be looked for in Workers KV may be an old one.
        if self.takeover_failed && !self.is_taken_over() {
            return Ok(());
        }
        let guard = &mut self.state.guard;
        guard.add(&mut self.networks, ping.network(), settings, now)
    }

    /// Whether the network of a ping is needed to count it: its post is new.
    pub fn wants_network(
        &mut self,
        rows: &impl Rows,
        post: &PostId,
        settings: &Settings,
    ) -> Result<bool, Error> {
        Ok(settings.sites.is_empty() && !self.pages.knows(rows, post)?)
    }

    /// The room that the posts take, in bytes.
    pub(super) fn room(&self) -> u32 {
        self.state.room
    }

    /// Whether a post has changed that was not saved since.
    pub fn is_unsaved(&self) -> bool {
        self.journal.next() > self.saved
    }

    /// Publishes again for readers who find nothing published. Whether they may be told that nothing was counted:
    /// nothing was published until lately, and nothing taken over.
    pub fn publish_again(&mut self, now: Time) -> bool {
        let publish = &mut self.state.publish;
        let is_new = publish.is_new(now);
        publish.change();
        is_new && self.adopted().is_some_and(|adopted| adopted.posts == 0)
    }

    /// Reads or begins the rankings.
    pub(super) fn rank(
        &mut self,
        rows: &impl Rows,
        now: Time,
        settings: &Settings,
    ) -> Result<(), Error> {
        let stale = self.pages.stale_starts();
        self.ranks
            .load(rows, settings, now, self.state.publish.lists, stale)
    }

    /// Offers what has changed in a page to the rankings.
    pub(super) fn rank_page(
        &mut self,
        rows: &impl Rows,
        start: u64,
        now: Time,
    ) -> Result<(), Error> {
        let Self { pages, ranks, .. } = self;
        let secret = *pages.secret();
        pages.changes(rows, start, |id, post| {
            if post.standing.is_waiting() {
                return Ok(());
            }
            let times = post.times()?;
            ranks.offer(Offer::of_post(&secret, id.as_str(), post, &times), now);
            Ok(())
        })
    }

    fn save_ranks(
        &mut self,
        rows: &impl Rows,
        now: Time,
        settings: &Settings,
    ) -> Result<(), Error> {
        self.rank(rows, now, settings)?;
        self.state.publish.lists = self.ranks.save(rows, self.state.publish.lists)?;
        Ok(())
    }
}
