//! How a site's posts are shared among its ledgers, as one of them knows it.
//!
//! Ledger 0 leads: it has the [`Plan`] and tells the others. If `LEDGERS` differs from the plan, it begins a
//! change, which goes through three phases:
//!
//! ```text
//! Moving       the ledgers that lose posts hand them over (crate::books::handover); the old owner counts each
//!              post until the new one has it, and nothing is published
//! Publishing   each ledger publishes its posts under new keys; readers still use the old ones
//! Settled      the head tells readers the new keys and the new owners
//! ```
//!
//! A ledger that does not know the new plan yet follows the old one. That is safe, because a post belongs to its
//! old ledger until that ledger has handed it over.
//!
//! ```text
//! 0:layout   Layout in postcard; missing if the site has only ever had one ledger
//! ```

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::settings::Settings;
use crate::base::time::{DAY, Time};
use crate::books::marks::Salts;
use crate::books::rows::{Rows, key};
use crate::model::owner::{LEAD, Ledger, Owners, SLOTS, slot};
use crate::model::place::{Key, place};
use serde::{Deserialize, Serialize};

/// The most changes that begin within a day; another waits. Each leaves salts that are needed for a day.
const MOST_CHANGES: usize = 8;

/// How the posts are shared, and the progress of the change to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Counts the changes.
    pub epoch: u32,
    /// How many ledgers there were before.
    pub before: u8,
    /// How many there are.
    pub ledgers: u8,
    /// The progress of the change.
    pub phase: Phase,
    /// When the phase began.
    pub since: Time,
    /// Whether everything was taken over from Workers KV. Until then a new ledger looks there.
    pub whole: bool,
}

/// The progress of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// Posts are being handed over.
    Moving,
    /// All posts are being published anew.
    Publishing,
    /// It is over.
    Settled,
}

impl Plan {
    /// Ledgers that share the posts from the beginning.
    fn settled(ledgers: u8, whole: bool) -> Self {
        Self {
            epoch: 0,
            before: ledgers,
            ledgers,
            phase: Phase::Settled,
            since: Time::default(),
            whole,
        }
    }

    /// The ledgers that hand posts over in the change.
    pub fn sources(self) -> std::ops::Range<Ledger> {
        match self.ledgers > self.before {
            true => 0..self.before,
            false => self.ledgers..self.before,
        }
    }

    /// The ledgers that get posts in the change.
    pub fn destinations(self) -> std::ops::Range<Ledger> {
        match self.ledgers > self.before {
            true => self.before..self.ledgers,
            false => 0..self.ledgers,
        }
    }

    /// All ledgers of before and after the change, except the lead.
    pub fn members(self) -> std::ops::Range<Ledger> {
        LEAD + 1..self.before.max(self.ledgers)
    }
}

/// Up to where the posts of a ledger have been handed over, in the order of their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reach {
    /// All places before this one.
    Before(u64),
    /// All places.
    All,
}

impl Reach {
    /// Nothing.
    pub const NOTHING: Self = Self::Before(0);

    /// Up to the end of a range.
    pub fn until(end: Option<u64>) -> Self {
        end.map_or(Self::All, Self::Before)
    }

    /// Whether it includes a place.
    pub fn holds(self, place: u64) -> bool {
        match self {
            Self::Before(end) => place < end,
            Self::All => true,
        }
    }

    /// The first place that it does not include.
    pub fn next(self) -> Option<u64> {
        match self {
            Self::Before(next) => Some(next),
            Self::All => None,
        }
    }
}

/// What a ledger has received from another one in this change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The number of the other ledger.
    pub ledger: Ledger,
    /// The secret from which the places of its posts follow.
    pub secret: Key,
    /// How far it has handed its posts over.
    pub handed: Reach,
}

/// The salts of a ledger in a former layout. They identify the visitors who were counted on a post while that
/// ledger owned it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Era {
    /// The change that ended it.
    pub epoch: u32,
    /// How many ledgers there were.
    pub ledgers: u8,
    /// The number of the ledger.
    pub ledger: Ledger,
    /// When these salts were last reported.
    pub ended: Time,
    /// Its salts.
    pub salts: Salts,
}

/// Which ledger to ask about a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This ledger.
    Here,
    /// Another one.
    There(Ledger),
    /// The post is on its way from this ledger to another one; ask again in a moment.
    OnItsWay,
    /// This ledger does not know yet. It has to ask the lead.
    Unknown,
}

/// What a new plan means for the ledger.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    /// The plan belongs to another change.
    pub(super) is_change: bool,
    /// The ledger begins an era, because it gets posts: none of its older marks belongs to them.
    pub(super) begins_era: bool,
}

/// What one ledger knows of the site's ledgers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Layout {
    /// The number of this one.
    own: Ledger,
    /// `None` until the lead has been asked.
    plan: Option<Plan>,
    /// What this ledger has handed over in this change.
    pub(super) handed: Reach,
    /// The range that is being handed over.
    pub(super) leaving: Option<Reach>,
    pub(super) sources: Vec<Source>,
    eras: Vec<Era>,
    /// The names of this ledger before its latest changes.
    names: Vec<Key>,
    /// When the latest changes began; only of the lead.
    begun: Vec<Time>,
    /// Whether all ledgers know that the change is over; only of the lead.
    told: bool,
    /// The owners under the plan, and those before it.
    #[serde(skip)]
    owners: Owners,
    #[serde(skip)]
    before: Owners,
    /// The owners in the eras.
    #[serde(skip)]
    former: Vec<Owners>,
    /// Whether it differs from its row.
    #[serde(skip)]
    changed: bool,
}

impl Layout {
    /// Reads it, or begins it: with one ledger over storage from before there were others, with as many as
    /// the settings say where storage is empty (`is_new`).
    pub fn load(
        rows: &impl Rows,
        own: Ledger,
        is_new: bool,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let Some(bytes) = rows.get(&key("layout"))? else {
            let ledgers = if is_new { settings.ledgers } else { 1 };
            let plan = (own == LEAD).then(|| Plan::settled(ledgers, ledgers == 1));
            return Ok(Self::new(own, plan));
        };
        let layout: Self = postcard::from_bytes(&bytes).map_err(|_| Error::Unreadable)?;
        Ok(layout.with_owners())
    }

    fn new(own: Ledger, plan: Option<Plan>) -> Self {
        let layout = Self {
            own,
            plan,
            handed: Reach::NOTHING,
            leaving: None,
            sources: Vec::new(),
            eras: Vec::new(),
            names: Vec::new(),
            begun: Vec::new(),
            told: true,
            owners: Owners::default(),
            before: Owners::default(),
            former: Vec::new(),
            changed: false,
        };
        let layout = layout.with_owners();
        Self {
            // The row of one ledger is left out.
            changed: !layout.is_single(),
            ..layout
        }
    }

    fn with_owners(mut self) -> Self {
        if let Some(plan) = self.plan {
            self.owners = Owners::among(plan.ledgers);
            self.before = Owners::among(plan.before);
        }
        for n in 0..self.eras.len() {
            self.know(self.eras[n].ledgers);
        }
        self
    }

    /// Keeps the owners among so many ledgers in memory.
    fn know(&mut self, ledgers: u8) {
        if !self.former.iter().any(|owners| owners.ledgers() == ledgers) {
            self.former.push(Owners::among(ledgers));
        }
    }

    /// Writes it, where it has changed.
    pub fn save(&mut self, rows: &impl Rows) -> Result<(), Error> {
        if !self.changed {
            return Ok(());
        }
        let bytes = postcard::to_extend(self, Vec::new()).map_err(|_| Error::Unreadable)?;
        rows.put(&key("layout"), &bytes)?;
        self.changed = false;
        Ok(())
    }

    /// Notes that it differs from its row.
    pub(super) fn change(&mut self) {
        self.changed = true;
    }

    /// The number of this ledger.
    pub fn own(&self) -> Ledger {
        self.own
    }

    /// Whether this ledger leads.
    pub fn is_lead(&self) -> bool {
        self.own == LEAD
    }

    /// The plan, as far as it is known.
    pub fn plan(&self) -> Option<Plan> {
        self.plan
    }

    /// How many ledgers the posts are shared among; 1 if that is unknown.
    pub fn ledgers(&self) -> u8 {
        self.plan.map_or(1, |plan| plan.ledgers)
    }

    /// Whether this is the only ledger, and no other has a post of its own.
    pub fn is_single(&self) -> bool {
        self.plan
            .is_some_and(|plan| plan.ledgers == 1 && plan.phase == Phase::Settled)
    }

    /// Whether the posts are shared among so many, and no change is on its way; to the lead, whether all others
    /// know that.
    pub fn is_settled(&self, ledgers: u8) -> bool {
        let is_settled = |plan: Plan| plan.ledgers == ledgers && plan.phase == Phase::Settled;
        self.told && self.plan.is_some_and(is_settled)
    }

    /// Whether a change is on its way.
    pub fn is_changing(&self) -> bool {
        self.plan.is_some_and(|plan| plan.phase != Phase::Settled)
    }

    /// Whether posts are being handed over.
    pub fn is_moving(&self) -> bool {
        self.plan.is_some_and(|plan| plan.phase == Phase::Moving)
    }

    /// Whether all posts are being published anew.
    pub fn is_publishing(&self) -> bool {
        self.plan
            .is_some_and(|plan| plan.phase == Phase::Publishing)
    }

    /// Whether the site no longer uses this ledger.
    pub fn has_left(&self) -> bool {
        self.plan
            .is_some_and(|plan| plan.phase == Phase::Settled && self.own >= plan.ledgers)
    }

    /// The owner of a post by the plan.
    pub fn owner(&self, post: &PostId) -> Ledger {
        self.owners.of_post(post)
    }

    /// Which ledger to ask about a post. `secret` is the secret of this ledger's places.
    pub fn whose(&self, post: &PostId, secret: &Key) -> Whose {
        let Some(plan) = self.plan else {
            return Whose::Unknown;
        };
        if self.is_single() {
            return match self.own {
                LEAD => Whose::Here,
                _ => Whose::There(LEAD),
            };
        }
        let slot = slot(post);
        let (before, after) = (self.before.of(slot), self.owners.of(slot));
        let by_plan = match after == self.own {
            true => Whose::Here,
            false => Whose::There(after),
        };
        if plan.phase != Phase::Moving || before == after {
            return by_plan;
        }
        if before == self.own {
            let place = place(secret, post.as_str());
            return match self.leaving {
                _ if self.handed.holds(place) => by_plan,
                Some(leaving) if leaving.holds(place) => Whose::OnItsWay,
                _ => Whose::Here,
            };
        }
        let source = self.sources.iter().find(|source| source.ledger == before);
        let has_it = |source: &Source| source.handed.holds(place(&source.secret, post.as_str()));
        match source.is_some_and(has_it) && after == self.own {
            true => Whose::Here,
            false => Whose::There(before),
        }
    }

    /// The ledger that gets the posts of a slot of this one in the change, if one does.
    pub(super) fn heir(&self, slot: usize) -> Option<Ledger> {
        let (before, after) = (self.before.of(slot), self.owners.of(slot));
        (before == self.own && after != self.own).then_some(after)
    }

    /// The ledgers that get posts of this one. What else a leaving ledger has goes to the lead.
    pub(super) fn heirs(&self) -> Vec<Ledger> {
        let mut heirs = vec![self.own >= self.owners.ledgers()];
        heirs.resize(usize::from(self.owners.ledgers()), false);
        for slot in 0..SLOTS {
            if self.before.of(slot) == self.own {
                heirs[usize::from(self.owners.of(slot))] = true;
            }
        }
        let heirs = (0..).zip(heirs);
        let others = heirs.filter(|(ledger, is_one)| *is_one && *ledger != self.own);
        others.map(|(ledger, _)| ledger).collect()
    }

    /// Adopts a plan. Does nothing if the known one is as new.
    pub(super) fn adopt(&mut self, plan: Plan) -> Option<News> {
        let age = |plan: Plan| (plan.epoch, plan.phase, plan.whole);
        if self.plan.is_some_and(|known| age(known) >= age(plan)) {
            return None;
        }
        let was_known = self.plan.is_some();
        let is_new = self.plan.is_none_or(|known| known.epoch < plan.epoch);
        let gets_posts = plan.destinations().contains(&self.own);
        if is_new {
            self.handed = Reach::NOTHING;
            self.leaving = None;
            self.sources = Vec::new();
        }
        self.plan = Some(plan);
        self.owners = Owners::among(plan.ledgers);
        self.before = Owners::among(plan.before);
        self.changed = true;
        let is_change = is_new && plan.epoch > 0;
        Some(News {
            is_change,
            begins_era: is_change && gets_posts && was_known,
        })
    }
}

/// The names of former layouts, and their salts.
impl Layout {
    /// Remembers a former name of this ledger. As many are kept as changes may begin in a day.
    pub(super) fn rename(&mut self, before: Key) {
        if self.names.len() >= MOST_CHANGES {
            self.names.remove(0);
        }
        self.names.push(before);
        self.changed = true;
    }

    /// Those names.
    pub(super) fn names(&self) -> &[Key] {
        &self.names
    }

    /// The former salts with which marks of a post may have been made.
    pub(super) fn eras_of(&self, post: &PostId) -> impl Iterator<Item = &Salts> {
        let slot = if self.eras.is_empty() { 0 } else { slot(post) };
        let of_post = move |era: &&Era| {
            let mut former = self.former.iter();
            let owners = former.find(|owners| owners.ledgers() == era.ledgers);
            owners.is_some_and(|owners| owners.of(slot) == era.ledger)
        };
        self.eras.iter().filter(of_post).map(|era| &era.salts)
    }

    /// All former salts.
    pub(super) fn eras(&self) -> &[Era] {
        &self.eras
    }

    /// Adds former salts, or updates them if these are newer.
    pub(super) fn remember(&mut self, era: Era) {
        let is_it = |known: &&mut Era| {
            (known.epoch, known.ledgers, known.ledger) == (era.epoch, era.ledgers, era.ledger)
        };
        self.know(era.ledgers);
        match self.eras.iter_mut().find(is_it) {
            Some(known) if known.ended <= era.ended => *known = era,
            Some(_) => {}
            None => self.eras.push(era),
        }
        self.changed = true;
    }

    /// Forgets salts that no mark needs any more, where visitors are known for `window` seconds.
    pub(super) fn forget(&mut self, now: Time, window: u32) {
        let before = self.eras.len();
        self.eras.retain(|era| era.ended.distance(now) < DAY);
        self.changed |= self.eras.len() != before;
        for era in &mut self.eras {
            let was_due = era.salts.forget_at(window).is_some_and(|due| due <= now);
            era.salts.forget(now, window);
            self.changed |= was_due;
        }
    }

    /// When there is something to forget, if there ever is.
    pub(super) fn forget_at(&self, window: u32) -> Option<Time> {
        let of = |era: &Era| {
            let end = era.ended.plus(DAY);
            era.salts.forget_at(window).map_or(end, |at| at.min(end))
        };
        self.eras.iter().map(of).min()
    }
}

/// What the lead decides.
impl Layout {
    /// When the change may begin that the settings ask for, if they do.
    pub(super) fn change_at(&self, settings: &Settings, now: Time) -> Option<Time> {
        let is_wanted = |plan: Plan| {
            plan.phase == Phase::Settled && plan.whole && plan.ledgers != settings.ledgers
        };
        if !self.is_lead() || !self.told || !self.plan.is_some_and(is_wanted) {
            return None;
        }
        let recent = self.begun.iter().filter(|at| at.distance(now) < DAY);
        match recent.clone().count() < MOST_CHANGES {
            true => Some(now),
            false => recent.min().map(|first| first.plus(DAY)),
        }
    }

    /// Begins a change to so many ledgers.
    pub(super) fn begin(&mut self, ledgers: u8, now: Time) -> Option<Plan> {
        let plan = self.plan?;
        self.begun.retain(|at| at.distance(now) < DAY);
        self.begun.push(now);
        Some(Plan {
            epoch: plan.epoch + 1,
            before: plan.ledgers,
            ledgers,
            phase: Phase::Moving,
            since: now,
            whole: true,
        })
    }

    /// Goes on to another phase.
    pub(super) fn enter(&mut self, phase: Phase, now: Time) {
        if let Some(plan) = &mut self.plan {
            plan.phase = phase;
            plan.since = now;
        }
        self.told = phase != Phase::Settled;
        self.changed = true;
    }

    /// Notes that everything was taken over from Workers KV.
    pub(super) fn is_whole_now(&mut self) {
        if let Some(plan) = self.plan.as_mut().filter(|plan| !plan.whole) {
            plan.whole = true;
            self.changed = true;
        }
    }

    /// Whether the other ledgers are still to be told that a change is over.
    pub fn has_news(&self) -> bool {
        !self.told
    }

    /// Notes that they know.
    pub(super) fn all_know(&mut self) {
        self.told = true;
        self.changed = true;
    }
}
