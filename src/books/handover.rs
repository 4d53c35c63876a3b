//! Hands posts over to another ledger, exactly once.
//!
//! A ledger hands its posts over range by range, in the order of their places:
//!
//! ```text
//! leave      the range is stored as leaving before anything is sent; from now on, nobody counts its posts that
//!            go to another ledger
//! batches    each heir is sent its posts of the range, and the marks of their visitors
//! receive    an heir accepts a batch that begins where the last one has ended; it answers when the batch is on
//!            its disk, and gives the same answer for a batch that it has already
//! left       every heir has answered: the posts are removed, and the range is stored as handed over
//! ```
//!
//! If something is interrupted, the same batches are sent again, because their posts have not changed. An heir
//! knows its posts from how far it has received; the giver knows its own from how far it has handed over. So no two
//! ledgers count the same post, and nobody counts a post only while its batch is on its way.

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::settings::Settings;
use crate::base::time::Time;
use crate::books::layout::{Era, Phase, Plan, Reach, Source, Whose};
use crate::books::marks::{ID_SECONDS, IMPORT, Mark, Salts};
use crate::books::rows::Rows;
use crate::books::tally::Tally;
use crate::model::owner::{LEAD, Ledger, slot, slot_of_tag, tag};
use crate::model::page::{self, Line, Post};
use crate::model::place::{Hashed, Key};
use crate::model::reason::{Reason, Skipped, first};
use crate::published::head::Adopted;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::hash::BuildHasherDefault;

/// From how many bytes of posts on a range is long enough.
const RANGE_BYTES: usize = 64 << 10;
/// The most pages that are looked through for one range.
const RANGE_PAGES: usize = 8;

/// The posts of a range that one heir gets.
#[derive(Debug, Serialize, Deserialize)]
struct Batch {
    plan: Plan,
    /// Who hands them over.
    ledger: Ledger,
    /// What the places follow from.
    secret: Key,
    /// The range: what reaches to `until`, less what reaches to `from`.
    from: Reach,
    until: Reach,
    /// Lines, as a page has them.
    posts: Vec<u8>,
    visitors: Vec<(Mark, Time)>,
    ids: Vec<(Mark, Time)>,
    /// The salts that the marks were made with.
    eras: Vec<Era>,
    /// What a ledger leaves to the lead that has no place any more; with its last batch.
    rest: Option<Rest>,
}

/// What is not of a single post.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Rest {
    #[serde(with = "first")]
    skipped: Skipped,
    adopted: Adopted,
    unknown: u64,
}

/// The posts that one heir gets, as they are gathered.
struct Share {
    heir: Ledger,
    posts: Vec<u8>,
    /// The tags of the posts.
    tags: HashSet<u64, BuildHasherDefault<Hashed>>,
    visitors: Vec<(Mark, Time)>,
    ids: Vec<(Mark, Time)>,
}

impl Tally {
    /// The number of this ledger.
    pub fn number(&self) -> Ledger {
        self.layout.own()
    }

    /// Who is to be asked about a post.
    pub fn whose(&self, post: &PostId) -> Whose {
        self.layout.whose(post, self.pages.secret())
    }

    /// Whether a post is this ledger's, so far as that is known.
    pub(super) fn owns(&self, post: &PostId) -> bool {
        self.whose(post) == Whose::Here
    }

    /// Takes in what the lead says; `random` is for new salts.
    pub fn follow(&mut self, plan: Plan, now: Time, mut random: impl FnMut() -> Key) {
        let was_unknown = self.layout.plan().is_none();
        let Some(news) = self.layout.adopt(plan) else {
            return;
        };
        if news.begins_era {
            let salts = std::mem::replace(&mut self.state.salts, Salts::new(random()));
            self.layout.remember(Era {
                epoch: plan.epoch,
                ledgers: plan.before,
                ledger: self.layout.own(),
                ended: now,
                salts,
            });
        }
        if was_unknown && plan.whole {
            self.has_nothing_to_take_over();
        }
        if news.is_change {
            // Under new keys, so that readers find what the head before the change tells of.
            let before = std::mem::replace(&mut self.state.deployment, random());
            self.layout.rename(before);
            self.state.publish.begin_anew(&before, now);
            self.publishing.forget();
        }
        self.settle(now);
    }

    /// Publishes as it is to be done from a phase on.
    pub(super) fn settle(&mut self, now: Time) {
        let publish = &mut self.state.publish;
        publish.share(!self.layout.is_single());
        if !self.layout.is_changing() {
            publish.retire_from(now);
        }
        if self.layout.has_left() {
            publish.leave();
        }
    }

    /// Notes the next range as leaving, unless one is; whether any is. To be on the disk before
    /// [`Tally::batches`].
    pub fn leave(&mut self, rows: &impl Rows) -> Result<bool, Error> {
        let is_source = |plan: Plan| plan.sources().contains(&self.layout.own());
        if !self.layout.is_moving() || !self.layout.plan().is_some_and(is_source) {
            return Ok(false);
        }
        let Some(mut next) = self.layout.handed.next() else {
            return Ok(false);
        };
        if self.layout.leaving.is_some() {
            return Ok(true);
        }
        let (mut bytes, mut pages) = (0, 0);
        let until = loop {
            let layout = &self.layout;
            let range = self.pages.lines(rows, next, &mut |id, line| {
                let leaves = layout.heir(slot(&PostId::parse(id.to_owned())?));
                bytes += leaves.map_or(0, |_| line.len());
                Ok(())
            })?;
            pages += 1;
            match range.end() {
                Some(end) if bytes < RANGE_BYTES && pages < RANGE_PAGES => next = end,
                end => break Reach::until(end),
            }
        };
        self.layout.leaving = Some(until);
        self.layout.change();
        Ok(true)
    }

    /// What the heirs are to [receive](Tally::receive) of the range that is leaving.
    pub fn batches(
        &mut self,
        rows: &impl Rows,
        now: Time,
        settings: &Settings,
    ) -> Result<Vec<(Ledger, Vec<u8>)>, Error> {
        let (Some(plan), Some(until)) = (self.layout.plan(), self.layout.leaving) else {
            return Ok(Vec::new());
        };
        let from = self.layout.handed;
        let share = |heir| Share {
            heir,
            posts: Vec::new(),
            tags: HashSet::default(),
            visitors: Vec::new(),
            ids: Vec::new(),
        };
        let mut shares: Vec<Share> = self.layout.heirs().into_iter().map(share).collect();
        self.each_leaving(rows, |post, heir, line| {
            if let Some(share) = shares.iter_mut().find(|share| share.heir == heir) {
                share.posts.extend_from_slice(line);
                share.tags.insert(tag(post).into());
            }
        })?;
        // The last batch brings the marks of posts that are not there any more, too, and those of imports,
        // which are of all posts.
        let is_last = until == Reach::All;
        let layout = &self.layout;
        let mut give = |mark: Mark, push: &mut dyn FnMut(&mut Share)| {
            let tag = mark.tag();
            let heir = layout.heir(slot_of_tag(tag));
            let of_all = is_last && tag == IMPORT;
            for share in &mut shares {
                if of_all
                    || (heir == Some(share.heir) && (is_last || share.tags.contains(&tag.into())))
                {
                    push(share);
                }
            }
        };
        self.visitors.each(now, settings.dedupe, |mark, at| {
            give(mark, &mut |share| share.visitors.push((mark, at)));
        });
        self.ids.each(now, ID_SECONDS, |mark, at| {
            give(mark, &mut |share| share.ids.push((mark, at)));
        });
        let eras = self.eras_to_tell(plan, now);
        let rest = self.rest(plan, until);
        let batch = |share: Share| {
            let batch = Batch {
                plan,
                ledger: self.layout.own(),
                secret: *self.pages.secret(),
                from,
                until,
                posts: share.posts,
                visitors: share.visitors,
                ids: share.ids,
                eras: eras.clone(),
                rest: rest.filter(|_| share.heir == LEAD),
            };
            let bytes = postcard::to_extend(&batch, Vec::new()).map_err(|_| Error::Unreadable)?;
            Ok((share.heir, bytes))
        };
        shares.into_iter().map(batch).collect()
    }

    /// The salts that marks of the posts that leave may have been made with.
    fn eras_to_tell(&self, plan: Plan, now: Time) -> Vec<Era> {
        let own = Era {
            epoch: plan.epoch,
            ledgers: plan.before,
            ledger: self.layout.own(),
            ended: now,
            salts: self.state.salts.clone(),
        };
        let former = self.layout.eras().iter().cloned();
        former.chain([own]).collect()
    }

    /// What this ledger leaves to the lead with its last range, where it goes.
    fn rest(&self, plan: Plan, until: Reach) -> Option<Rest> {
        let goes = self.layout.own() >= plan.ledgers && until == Reach::All;
        goes.then(|| Rest {
            skipped: self.state.skipped,
            unknown: self.state.skipped[Reason::Unknown as usize],
            adopted: self.adopted().unwrap_or_default(),
        })
    }

    /// Tells the posts that leave with the range that is leaving, with their new owners and their lines.
    fn each_leaving(
        &mut self,
        rows: &impl Rows,
        mut tell: impl FnMut(&PostId, Ledger, &[u8]),
    ) -> Result<(), Error> {
        let Some(until) = self.layout.leaving else {
            return Ok(());
        };
        let mut next = self.layout.handed.next();
        while let Some(place) = next.filter(|place| until.holds(*place)) {
            let layout = &self.layout;
            let range = self.pages.lines(rows, place, &mut |id, line| {
                let post = PostId::parse(id.to_owned())?;
                if let Some(heir) = layout.heir(slot(&post)) {
                    tell(&post, heir, line);
                }
                Ok(())
            })?;
            next = range.end();
        }
        Ok(())
    }

    /// Every heir has its batch of the range that was leaving up to `until`: takes its posts out. Whether
    /// all is handed over.
    pub fn left(&mut self, rows: &impl Rows, until: Reach, now: Time) -> Result<bool, Error> {
        // Another attempt may have been quicker.
        if self.layout.leaving != Some(until) {
            return Ok(self.layout.handed == Reach::All);
        }
        let mut gone = Vec::new();
        self.each_leaving(rows, |post, _, _| gone.push(post.clone()))?;
        for post in gone {
            self.put(rows, post, Post::default(), now)?;
        }
        let plan = self.layout.plan();
        if plan.is_some_and(|plan| self.rest(plan, until).is_some()) {
            self.state.skipped = Default::default();
            self.forget_adopted();
        }
        self.layout.handed = until;
        self.layout.leaving = None;
        self.layout.change();
        self.fold_soon();
        Ok(until == Reach::All)
    }

    /// The range that is leaving, if one is.
    pub fn leaving(&self) -> Option<Reach> {
        self.layout.leaving
    }

    /// Takes a batch in that another ledger hands over; one that is here already changes nothing.
    pub fn receive(
        &mut self,
        rows: &impl Rows,
        batch: &[u8],
        settings: &Settings,
        now: Time,
        random: impl FnMut() -> Key,
    ) -> Result<(), Error> {
        let batch: Batch = postcard::from_bytes(batch).map_err(|_| Error::Unreadable)?;
        self.follow(batch.plan, now, random);
        let plan = self.layout.plan();
        if plan.is_none_or(|plan| (plan.epoch, plan.phase) != (batch.plan.epoch, Phase::Moving)) {
            // It was late: a change ends only when all was received.
            return Ok(());
        }
        let has = self.received_from(batch.ledger, batch.secret);
        if has >= batch.until {
            return Ok(());
        }
        if has != batch.from {
            return Err(Error::Unavailable);
        }
        for line in page::read(&batch.posts) {
            self.take_in(rows, &line?, now)?;
        }
        for (mark, at) in batch.visitors {
            if !self.visitors.has(&mark, now, settings.dedupe) {
                self.visitors.insert(mark, at, settings.dedupe);
                self.received.visitors.push((mark, at));
            }
        }
        for (mark, at) in batch.ids {
            if !self.ids.has(&mark, now, ID_SECONDS) {
                self.ids.insert(mark, at, ID_SECONDS);
                self.received.ids.push((mark, at));
            }
        }
        batch
            .eras
            .into_iter()
            .for_each(|era| self.layout.remember(era));
        if let Some(mut rest) = batch.rest {
            rest.skipped[Reason::Unknown as usize] = rest.unknown;
            for (ours, theirs) in self.state.skipped.iter_mut().zip(rest.skipped) {
                *ours = ours.saturating_add(theirs);
            }
            self.add_adopted(rest.adopted);
        }
        let is_it = |source: &&mut Source| source.ledger == batch.ledger;
        if let Some(source) = self.layout.sources.iter_mut().find(is_it) {
            source.handed = batch.until;
        }
        self.layout.change();
        self.state.publish.change();
        self.fold_soon();
        Ok(())
    }

    /// What was received from a ledger so far.
    fn received_from(&mut self, ledger: Ledger, secret: Key) -> Reach {
        let mut sources = self.layout.sources.iter();
        if let Some(source) = sources.find(|source| source.ledger == ledger) {
            return source.handed;
        }
        self.layout.sources.push(Source {
            ledger,
            secret,
            handed: Reach::NOTHING,
        });
        Reach::NOTHING
    }

    /// Takes a post in. There is nothing of it here; if there were, none of its views would be lost.
    fn take_in(&mut self, rows: &impl Rows, line: &Line, now: Time) -> Result<(), Error> {
        let post = PostId::parse(line.id.to_owned())?;
        let mut after = line.post()?;
        let before = self.pages.post(rows, &post)?;
        after.record.add(&before.record);
        after.standing = after.standing.or(before.standing);
        self.put(rows, post, after, now)
    }
}
