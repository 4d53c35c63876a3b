//! What a new ledger takes over from Workers KV: everything in a head that was published there, or else the counts
//! that another program has left.
//!
//! A post is taken over before its first view is counted, everything else part by part. If Workers KV fails
//! meanwhile, views are counted from 0, and what is found later is added.

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::limits::HOUR_SECONDS;
use crate::base::time::Time;
use crate::books::rows::Rows;
use crate::books::tally::{Asker, Tally};
use crate::model::owner::Owners;
use crate::model::page::{Entry, Line, Post};
use crate::model::place::{Key, Range, find, place};
use crate::model::standing::Standing;
use crate::published::head::{Adopted, Holdings, Published};
use crate::published::part::{self, Part};
use serde::{Deserialize, Serialize};

/// How far the takeover has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Takeover {
    /// Whether there is a head was not asked yet.
    Unasked,
    /// The parts of a head are being read.
    Restoring(Restoring),
    /// There is no head; the namespace is being listed, from this cursor on.
    Listing {
        cursor: Option<String>,
        adopted: Adopted,
    },
    /// It is over.
    Done(Adopted),
    /// The parts of a head of several ledgers are being read, of each in their order.
    RestoringAll(Vec<Restoring>),
}

impl Takeover {
    /// The ledgers whose parts are being read.
    fn restoring(&self) -> &[Restoring] {
        match self {
            Self::Restoring(one) => std::slice::from_ref(one),
            Self::RestoringAll(all) => all,
            _ => &[],
        }
    }

    fn restoring_mut(&mut self) -> &mut [Restoring] {
        match self {
            Self::Restoring(one) => std::slice::from_mut(one),
            Self::RestoringAll(all) => all,
            _ => &mut [],
        }
    }
}

/// A head whose parts are being read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Restoring {
    deployment: Key,
    secret: Key,
    depths: Vec<u8>,
    /// How far each part is.
    parts: Vec<Progress>,
    since: Time,
    /// What the head's ledger had taken over itself.
    adopted: Option<Adopted>,
    left: u32,
}

/// How far a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Progress {
    /// It is still to be read.
    Waiting,
    /// All of it was read.
    Restored,
    /// Not all of it could be read. It stays in Workers KV.
    Lost,
}

/// What has to be read from Workers KV next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// The head.
    Head,
    /// A part, under this key.
    Part(String),
    /// The entry of a post.
    Entry(PostId),
    /// The list of all keys, from this cursor on.
    List(Option<String>),
}

/// What Workers KV has of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No entry.
    Nothing,
    /// A count.
    Count(u64),
    /// Something else.
    Other,
}

/// What Workers KV has under the key of a part.
#[derive(Debug)]
pub enum FoundPart {
    /// Nothing.
    Nothing,
    /// A part.
    Part(Part),
    /// Something that cannot be read.
    Unreadable,
}

/// A section of the list of what is in Workers KV.
#[derive(Debug, Default)]
pub struct Section {
    /// The entries that are named like posts.
    pub entries: Vec<(PostId, Found)>,
    /// How many are not.
    pub left: u32,
    /// Where the list goes on.
    pub next: Option<String>,
}

impl Tally {
    /// What has to be read before a post can be counted, or, without a post, what comes next; `None`
    /// where that is nothing.
    pub fn want(&mut self, rows: &impl Rows, post: Option<&PostId>) -> Result<Option<Want>, Error> {
        match &self.state.takeover {
            Takeover::Done(_) => Ok(None),
            Takeover::Unasked => Ok(Some(Want::Head)),
            Takeover::Restoring(_) | Takeover::RestoringAll(_) => Ok(self.want_part(post)),
            Takeover::Listing { cursor, .. } => match post {
                None => Ok(Some(Want::List(cursor.clone()))),
                Some(post) => {
                    let is_known = self.pages.post(rows, post)?.entry != Entry::None;
                    Ok((!is_known).then(|| Want::Entry(post.clone())))
                }
            },
        }
    }

    /// The part of a head that is to be read next: that of a post, or without one the first that is not
    /// done.
    fn want_part(&self, post: Option<&PostId>) -> Option<Want> {
        let all = self.state.takeover.restoring();
        match post {
            None => all.iter().find_map(|restoring| restoring.want(None)),
            Some(post) => {
                let owners = Owners::among(all.len().try_into().ok()?);
                all.get(usize::from(owners.of_post(post)))?.want(Some(post))
            }
        }
    }

    /// There is nothing for a ledger that comes to a site which has others.
    pub(super) fn has_nothing_to_take_over(&mut self) {
        if let Takeover::Unasked = self.state.takeover {
            self.state.takeover = Takeover::Done(Adopted::default());
        }
    }

    /// Whether everything was taken over.
    pub fn is_taken_over(&self) -> bool {
        matches!(self.state.takeover, Takeover::Done(_))
    }

    /// Notes whether Workers KV could be read. While it cannot, views are counted without it.
    pub fn tried(&mut self, worked: bool) {
        self.takeover_failed = !worked;
    }

    /// Whether the last attempt to read Workers KV failed.
    pub fn has_failed(&self) -> bool {
        self.takeover_failed
    }

    /// There is no head.
    pub fn found_no_head(&mut self) {
        if let Takeover::Unasked = self.state.takeover {
            self.list();
        }
    }

    /// There is a head that cannot be read. It stays, and nothing is published over it.
    pub fn found_foreign_head(&mut self, now: Time) {
        if let Takeover::Unasked = self.state.takeover {
            if self.layout.is_lead() {
                self.state.publish.refuse(now);
            }
            self.list();
        }
    }

    fn list(&mut self) {
        self.state.takeover = Takeover::Listing {
            cursor: None,
            adopted: Adopted::default(),
        };
    }

    /// There is a head: begins to restore what it tells of.
    pub fn found_head(
        &mut self,
        rows: &impl Rows,
        published: &Published,
        now: Time,
    ) -> Result<(), Error> {
        let Takeover::Unasked = self.state.takeover else {
            return Ok(());
        };
        let head = &published.head;
        self.state.parent = Some(head.deployment);
        let is_lead = self.layout.is_lead();
        if is_lead {
            for (ours, theirs) in self.state.skipped.iter_mut().zip(head.summary.skipped) {
                *ours = ours.saturating_add(theirs);
            }
            self.state.begun = head.begun;
            self.state.publish.continue_budget(head.summary.budget);
        }
        // What was taken over before is told by the lead.
        let adopted = match is_lead {
            true => head.summary.adopted,
            false => head.summary.adopted.map(|_| Adopted::default()),
        };
        let begin = |holdings: &Holdings| Restoring {
            deployment: holdings.deployment,
            secret: holdings.secret,
            depths: holdings.parts.iter().map(|part| part.depth).collect(),
            parts: vec![Progress::Waiting; holdings.parts.len()],
            since: now,
            adopted,
            left: 0,
        };
        self.state.takeover = match published.ledgers() {
            [] => {
                let mut inline = begin(&Holdings::default());
                if let Some(part) = published.inline() {
                    (_, inline.left) = self.restore(rows, part, now)?;
                }
                Takeover::Restoring(inline)
            }
            [one] => Takeover::Restoring(begin(&one.holdings)),
            all => {
                let all = all.iter().map(|shelf| begin(&shelf.holdings));
                Takeover::RestoringAll(all.collect())
            }
        };
        self.end_restoring(now);
        Ok(())
    }

    /// The part of a key was asked for. One that is not there, or cannot be read, is asked for again for an
    /// hour, because what was just published may not be found everywhere yet; then it counts as left.
    pub fn found_part(
        &mut self,
        rows: &impl Rows,
        key: &str,
        found: &FoundPart,
        now: Time,
    ) -> Result<(), Error> {
        let all = self.state.takeover.restoring();
        let waiting = all.iter().zip(0..).find_map(|(restoring, ledger)| {
            let (index, range) = restoring.waiting(key)?;
            let fits =
                matches!(found, FoundPart::Part(part) if part.is(&restoring.deployment, range));
            Some((ledger, index, fits, restoring.since))
        });
        let Some((ledger, index, fits, since)) = waiting else {
            // Another attempt was quicker.
            return Ok(());
        };
        let (progress, left) = match found {
            FoundPart::Part(part) if fits => self.restore(rows, part, now)?,
            _ if since.distance(now) < HOUR_SECONDS => return Err(Error::Unpublished),
            _ => (Progress::Lost, 1),
        };
        let all: &mut [Restoring] = self.state.takeover.restoring_mut();
        if let Some(restoring) = all.get_mut::<usize>(ledger) {
            restoring.parts[index] = progress;
            restoring.left = restoring.left.saturating_add(left);
        }
        self.end_restoring(now);
        Ok(())
    }

    /// Ends the restoration where all parts are done.
    fn end_restoring(&mut self, now: Time) {
        let all = self.state.takeover.restoring();
        let Some(first) = all.first() else { return };
        let is_waiting = |restoring: &Restoring| restoring.parts.contains(&Progress::Waiting);
        if all.iter().any(is_waiting) {
            return;
        }
        let keys: Vec<String> = all.iter().flat_map(Restoring::restored_keys).collect();
        let left = all.iter().map(|restoring| restoring.left).sum();
        let adopted = first.adopted;
        // The other ledgers read them, too.
        if self.layout.is_lead() {
            self.state.publish.retire(keys, now);
        }
        self.state.publish.change();
        if !self.layout.is_single() {
            // None is removed before there is a head of all.
            self.state.publish.go_on();
        }
        match adopted {
            Some(adopted) => {
                self.state.takeover = Takeover::Done(adopted.and(Adopted { posts: 0, left }));
            }
            None => self.list(),
        }
    }

    /// Adds the posts of a part to those that are there; how many of them could not be read, or had no
    /// room.
    fn restore(
        &mut self,
        rows: &impl Rows,
        part: &Part,
        now: Time,
    ) -> Result<(Progress, u32), Error> {
        let mut progress = Progress::Restored;
        let mut left = 0;
        for line in part.lines() {
            let Ok((id, theirs)) = line.and_then(|line| read(&line)) else {
                progress = Progress::Lost;
                left += 1;
                continue;
            };
            if !self.owns(&id) {
                continue;
            }
            if !self.has_room(rows, &id, &theirs.standing)? {
                left += 1;
                continue;
            }
            let mut post = self.pages.post(rows, &id)?;
            if post.entry != Entry::None {
                // The owner has set it since.
                continue;
            }
            let had_views = theirs.record.total > 0 && !theirs.standing.is_waiting();
            post.record.add(&theirs.record.until(now));
            post.standing = theirs.standing.or(post.standing);
            if had_views {
                post.standing = seen(post.standing);
            }
            post.entry = match theirs.entry {
                // It may have been written since.
                Entry::None => Entry::Unasked,
                entry => entry,
            };
            self.put(rows, id, post, now)?;
        }
        self.fold_soon();
        Ok((progress, left))
    }

    /// The entry of one post was read.
    pub fn found_entry(
        &mut self,
        rows: &impl Rows,
        post: &PostId,
        found: Found,
        now: Time,
    ) -> Result<(), Error> {
        self.adopt(rows, &[(post.clone(), found)], now)
    }

    /// A section of the list was read that began at `from`.
    pub fn found_section(
        &mut self,
        rows: &impl Rows,
        from: &Option<String>,
        section: Section,
        now: Time,
    ) -> Result<(), Error> {
        match &self.state.takeover {
            Takeover::Listing { cursor, .. } if cursor == from => {}
            // Another attempt was quicker.
            _ => return Ok(()),
        }
        self.adopt(rows, &section.entries, now)?;
        let others = section.entries.iter();
        let others = others.filter(|(id, found)| *found == Found::Other && self.owns(id));
        let mut others = others.count() as u32;
        // What is not named like a post is nobody's, and is told by the lead.
        if self.layout.is_lead() {
            others += section.left;
        }
        if let Takeover::Listing { cursor, adopted } = &mut self.state.takeover {
            adopted.left += others;
            *cursor = section.next;
            if cursor.is_none() {
                self.state.takeover = Takeover::Done(*adopted);
            }
        }
        Ok(())
    }

    /// Takes counts over, those that were not already. One that there is no room for is left.
    fn adopt(
        &mut self,
        rows: &impl Rows,
        entries: &[(PostId, Found)],
        now: Time,
    ) -> Result<(), Error> {
        for (id, found) in entries {
            let Takeover::Listing { .. } = self.state.takeover else {
                return Ok(());
            };
            let (Found::Count(count), mut post) = (*found, self.pages.post(rows, id)?) else {
                continue;
            };
            if post.entry != Entry::None || !self.owns(id) {
                continue;
            }
            let has_room = self.has_room(rows, id, &post.standing)?;
            if has_room {
                post.record.set(post.record.total.saturating_add(count));
                post.entry = Entry::Count(count);
                if count > 0 {
                    post.standing = seen(post.standing);
                }
                self.put(rows, id.clone(), post, now)?;
            }
            if let Takeover::Listing { adopted, .. } = &mut self.state.takeover {
                match has_room {
                    true => adopted.posts += 1,
                    false => adopted.left += 1,
                }
            }
        }
        self.state.publish.change();
        Ok(())
    }

    fn has_room(
        &mut self,
        rows: &impl Rows,
        id: &PostId,
        standing: &Standing,
    ) -> Result<bool, Error> {
        match self.admit(rows, [(id, standing)], Asker::Owner) {
            Ok(()) => Ok(true),
            Err(Error::TooManyPosts) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The entry of a post that the owner has set or imported: a takeover has to leave the post alone
    /// from now on.
    pub(super) fn entry_after_owner(&self, entry: Entry) -> Entry {
        match entry {
            Entry::None if !self.is_taken_over() => Entry::Unasked,
            entry => entry,
        }
    }

    /// What was taken over, where that is over.
    pub fn adopted(&self) -> Option<Adopted> {
        match self.state.takeover {
            Takeover::Done(adopted) => Some(adopted),
            _ => None,
        }
    }

    /// Takes in what another ledger had found that has no place any more.
    pub(super) fn add_adopted(&mut self, theirs: Adopted) {
        if let Takeover::Done(adopted) = &mut self.state.takeover {
            *adopted = adopted.and(theirs);
        }
    }

    /// Another ledger tells of it from now on.
    pub(super) fn forget_adopted(&mut self) {
        if let Takeover::Done(adopted) = &mut self.state.takeover {
            *adopted = Adopted::default();
        }
    }

    /// Whether publishing would put less in place of more.
    pub(super) fn is_restoring(&self) -> bool {
        matches!(
            self.state.takeover,
            Takeover::Unasked | Takeover::Restoring(_) | Takeover::RestoringAll(_)
        )
    }
}

impl Restoring {
    fn ranges(&self) -> Vec<Range> {
        Range::cover(self.depths.iter().copied()).unwrap_or_default()
    }

    /// The part that is to be read next: that of a post, or without one the first that is not done.
    fn want(&self, post: Option<&PostId>) -> Option<Want> {
        let ranges = self.ranges();
        let index = match post {
            Some(post) => find(&ranges, |range| *range, place(&self.secret, post.as_str())),
            None => self.parts.iter().position(is_waiting)?,
        };
        let range = *ranges.get(index)?;
        let want = || Want::Part(part::key(&self.deployment, range));
        self.parts.get(index).is_some_and(is_waiting).then(want)
    }

    /// The index and the range of the part of a key, where it is still to be read.
    fn waiting(&self, key: &str) -> Option<(usize, Range)> {
        let ranges = self.ranges();
        let is_it = |range: &Range| part::key(&self.deployment, *range) == key;
        let index = ranges.iter().position(is_it)?;
        is_waiting(&self.parts[index]).then_some((index, ranges[index]))
    }

    /// The keys of the parts of which everything was read.
    fn restored_keys(&self) -> impl Iterator<Item = String> {
        let parts = self.ranges().into_iter().zip(&self.parts);
        let restored = parts.filter(|(_, progress)| **progress == Progress::Restored);
        restored.map(|(range, _)| part::key(&self.deployment, range))
    }
}

fn is_waiting(part: &Progress) -> bool {
    *part == Progress::Waiting
}

/// What a post is that had views before: it does not wait for the site.
fn seen(standing: Standing) -> Standing {
    match standing {
        Standing::Waiting { .. } => Standing::Open,
        standing => standing,
    }
}

/// A post as a part has it.
fn read(line: &Line) -> Result<(PostId, Post), Error> {
    Ok((PostId::parse(line.id.to_owned())?, line.post()?))
}
